#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Where ?to= leads, against vectors/to.tsv.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use Referral::Vectors qw(vectors driver answers);

my @vectors = vectors('to.tsv');

cmp_ok(scalar @vectors, '>=', 60, 'vectors are there');

my @got = answers(driver('target_cli', 'referral_target.c'),
    map { $_->[0] } @vectors);

for my $i (0 .. $#vectors) {
    my ($raw, $expect, $why) = @{$vectors[$i]};

    is($got[$i], expected($raw, $expect), "'$raw': " . ($why // $expect));
}

done_testing();


# The second column is prose in places.  Absolute targets need a list of
# origins, and no directive gives one, so none is allowed.

sub expected {
    my ($raw, $expect) = @_;

    return 'landing' if $expect =~ /allow-listed/;
    return $raw if $expect eq 'kept encoded';
    return $raw if $expect eq 'landing or percent-kept';
    return 'landing' if $expect =~ /\blanding\b/;
    return $expect =~ s/ .*//r;
}
