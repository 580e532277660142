package Referral::OpenAPI;

# docs/openapi.yaml, for the tests that compare it.
#
#   my ($doc, @operations) = openapi();     # tests by the way that it is OpenAPI
#   resolve($node)                          # what a "$ref" of it is
#
# An operation has path, method, about (what is told of it), scope, query (its
# parameters), body (content types) and problems ("404 code_not_found"); where
# it is of another location: elsewhere.

use strict;
use warnings;

use Exporter qw(import);

use Referral::Nginx ();
use Referral::Web;

our @EXPORT = qw(openapi resolve);
our $FILE = "$Referral::Nginx::ROOT/docs/openapi.yaml";

my $doc;


sub openapi {
    ($doc) = browse('openapi', { file => $FILE });

    return ($doc, map { _operations($_, $doc->{paths}{$_}) }
        sort keys %{ $doc->{paths} });
}


sub resolve {
    my ($node) = @_;

    while (my $ref = ref $node eq 'HASH' && $node->{'$ref'}) {
        $node = $doc;
        $node = $node->{ s{~1}{/}gr =~ s{~0}{~}gr }
            for grep { $_ ne '#' } split m{/}, $ref;
    }

    return $node;
}


sub _operations {
    my ($path, $item) = @_;
    my @operations;

    for my $method (sort grep { /^(?:get|put|post|delete)$/ } keys %$item) {
        my $o = $item->{$method};
        my ($security) = @{ $o->{security} || $doc->{security} };

        push @operations, { path => $path, method => $method, about => $o,
            elsewhere => $item->{servers}, scope => $security->{token}[0],
            query => [grep { $_->{in} eq 'query' } map { resolve($_) }
                @{ $item->{parameters} || [] }, @{ $o->{parameters} || [] }],
            body => $o->{requestBody} && [sort keys %{ $o->{requestBody}{content} }],
            problems => [map { _problems($_, $o->{responses}{$_}) }
                keys %{ $o->{responses} }] };
    }

    return @operations;
}


sub _problems {
    my ($status, $response) = @_;
    my $problem = resolve($response)->{content}{'application/problem+json'}
        or return ();

    return map { "$status $_" }
        @{ $problem->{schema}{allOf}[1]{properties}{code}{enum} };
}


1;
