package Referral::Docs::Conf;

# Pieces of a configuration, as documents show them.
#
#   whole($text)                        # it is none: it has http { }
#   my ($conf, $maps) = completed($text, $maps_of_before);
#   my @statements = statements($text); # of the outermost level
#
# Each statement is put where nginx wants it, by its first word; what a working
# configuration needs besides is added.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(whole completed statements);

my %place = (
    (map { $_ => 'program' } qw(link param landing base to pass_args codes
        case_sensitive attribution window unique cookie prefetch gpc bots
        ban_referer event tier reward contest self velocity review bind
        retention share_link message disclosure terms)),
    (map { $_ => 'http' } qw(referral_store referral_key_file referral_program
        referral_web map geo server upstream log_format limit_req_zone
        limit_req_status proxy_cache_path)),
);

# What a program has to have, unless the piece says it.

my %needed = (
    link => 'link "^/r/(?<code>\w+)(?:/(?<channel>[a-z0-9]+))?$";',
    param => 'param ref;', landing => 'landing https://shop.example/;');


sub whole {
    my ($text) = @_;
    return scalar grep { /^http\b/ } statements($text);
}


sub completed {
    my ($text, $maps) = @_;
    my %at = (program => [], http => [], server => []);

    push @{ $at{ $place{ _word($_) } || 'server' } }, $_ for statements($text);
    my %has = map { _word($_) => 1 } map { @$_ } values %at;

    push @{ $at{program} }, 'reward welcome to=friend on=purchase;'
        if $has{message} && !$has{reward};

    my $program = join ' ', @{ $at{program} },
        map { $needed{$_} } grep { !$has{$_} } sort keys %needed;
    my @more = (
        $has{referral_store} ? () : 'referral_store /var/lib/nginx-referral;',
        $has{referral_key_file} ? ()
            : 'referral_key_file /etc/nginx/referral.key;',
        $has{referral_program} ? () : "referral_program friends { $program }");
    my $server = $has{referral} ? '' : 'referral friends;';

    push @{ $at{http} }, "server { $server @{ $at{server} } }"
        unless $has{server};
    s/^server\s*\{(?!.*\blisten\b)/server { listen 80;/s for @{ $at{http} };

    return (join("\n", 'load_module modules/ngx_http_referral_module.so;',
        'events { }', 'http {', @more, $maps, @{ $at{http} }, '}', ''),
        join "\n", grep { /^map\b/ } @{ $at{http} });
}


sub _word { $_[0] =~ /^(\w+)/ ? $1 : '' }


# nginx's words: quotes, escapes, comments, braces.

sub statements {
    my ($text) = @_;
    my ($depth, $now, @all) = (0, '');

    while ($text =~ /\G(?: (\#[^\n]*) | ("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
        | (\\.) | ([;{}]) | (\s+) | ([^\s;{}\\]+) )/gsx)
    {
        next if defined $1;
        $now .= $5 && !length $now ? '' : $&;
        next unless defined $4;

        $depth += { '{' => 1, '}' => -1, ';' => 0 }->{$4};
        next if $depth || $4 eq '{';
        push @all, $now;
        $now = '';
    }

    die "\"$now\" has no end\n" if $now =~ /\S/;
    return @all;
}


1;
