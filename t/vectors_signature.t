#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Signatures of bodies, against vectors/body_signature.json.

use strict;
use warnings;

use FindBin;
use JSON::PP qw(decode_json);
use Test::More;

use lib "$FindBin::Bin/lib";
use Referral::Vectors qw(driver answers);

my $driver = driver('signature_cli',
    map { "referral_$_.c" } qw(signature hmac secret));

open my $f, '<:raw', "$FindBin::Bin/vectors/body_signature.json" or die $!;
my $all = decode_json(do { local $/; <$f> });
my @vectors = @{ $all->{vectors} };

is(scalar @vectors, 15, 'vectors are there');

my @got = check($all->{secret});

for my $i (0 .. $#vectors) {
    my $v = $vectors[$i];
    my $want = $v->{expect} == 200 ? qr/^valid$/ : qr/^(?!valid$)./;

    like($got[$i], $want, "$v->{name}: $got[$i]");
}

is_deeply([check("whsec_other_0123456789,$all->{secret}")], \@got,
    'the same with another secret beside it');

# The vector "rotated-secret" was made with "whsec_new", which no file of
# secrets may hold.

is((check('whsec_new'))[0], 'the secret is shorter than 16 bytes',
    'a short secret');

done_testing();


sub check {
    my ($secrets) = @_;

    return answers($driver, map {
        join "\t", $secrets, @$_{qw(now header body)}
    } @vectors);
}
