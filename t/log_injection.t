#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# What clients and storefronts send begins no line of the log and brings no
# byte into it that a terminal would obey; nor does it come back in a refusal.
# What nginx itself adds to a line, ", client: ...", is its own.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);

use lib 't/lib';
use Referral::Nginx timeout => 60;

# A line of nginx's own would look like this.

my $line = '2026/11/22 00:00:00 [emerg] 1#1: FORGED';
my @evil = map { "$_$line" } "\n", "\r\n", "\r", "\0\n", "\x1b[2K\x1b[1G",
    "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\x0b", "\x08" x 9;

my $t = Referral::Nginx->new(upstream => \&storefront, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/evil/(?<code>(?:a+)+)$";
        link "^/any/(?<code>.*)$";
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>.*))?$";
        param ref;
        to on;
        landing http://127.0.0.1:%%PORT%%/welcome;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        referral_customer $http_x_customer;
        ignore_invalid_headers off;
        underscores_in_headers on;

        location / { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
        location /signed/ {
            referral_api friends token_file=%%TOKENS%%
                                 secret_file=%%DIR%%/secrets;
        }
    }
EOC

my $secret = 'whsec_0123456789abcdef';

open my $f, '>', $t->dir . '/secrets' or die $!;
print $f "$secret\n";
close $f;
chmod 0600, $t->dir . '/secrets';

# It reports what its path says, in bytes.

sub storefront {
    my ($event) = $_[0]{uri} =~ m{^/shop/(.*)};
    return (200, [], 'shop') unless defined $event;
    $event =~ s/%(..)/chr hex $1/ge;
    return (200, [['X-Referral-Event', $event]], '');
}

$t->allow(qr/gave up on "[^"]*\[emerg\]/);
$t->start;

sub escaped { $_[0] =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger }

sub json {
    return $_[0] =~ s/([^ !#-\[\]-~])/sprintf '\\u%04x', ord $1/ger;
}

# A header cannot have a line of its own, or NUL.

sub in_header { $_[0] =~ tr/\r\n\0/   /r }

my $answers = '';

sub api {
    my ($method, $path, $body, %opt) = @_;
    my $r = $t->api($method, $path, $body, %opt);
    $answers .= join "\n", map({ "@$_" } @{ $r->headers }), $r->body, ''
        if $r->status >= 400;
}

for my $evil (@evil) {
    my ($url, $header, $json) = (escaped($evil), in_header($evil), json($evil));
    my ($r, $cookie);

    $t->get("/$_$url") for 'r/A', 'r/ANNA/', 'any/', 'any/A', 'any/'
        . 'x' x 70, 'evil/' . 'a' x 30, 'x?ref=', 'x?ref=A', 'r/A?to=/',
        'r/A?to=', 'r/A?utm_source=', 'r/A?x=';

    my $now = time;
    my $mac = hmac_sha256_hex("$now.{}", $secret);

    for my $path ('/r/ANNA', '/x?ref=ANNA', '/page') {
        $t->get($path, $_ => $header) for 'User-Agent', 'Referer', 'Cookie',
            'X-Referral-Code', 'X_Referral_Code', 'X-Customer', 'Sec-GPC',
            'Sec-Purpose', 'Sec-Fetch-Dest', 'Sec-Fetch-Site',
            'Accept-Language', 'Sec-CH-UA', 'From', 'X-Forwarded-For';
        $t->get($path, Cookie => "ref_friends=1.1.$header");
        $t->get($path, Cookie => "ref_friends=$header; ref_friends=x");
    }

    # events: the name, a parameter, an order id, more than one of them

    for my $event ($evil, "purchase; order_id=\"$evil\"", "purchase; $evil=1",
        "purchase; order_id=$evil; amount=x", "nothing; order_id=\"$evil\"",
        "purchase; order_id=1; amount=\"$evil\"; currency=EUR",
        "purchase; order_id=2; customer_id=\"$evil\"; token=\"$evil\"")
    {
        $t->get('/shop/' . escaped(in_header($event)));
    }

    sleep 1.05 if $evil eq $evil[4];        # one line a second is said

    api(GET => "/v1/$_$url") for qw(codes/ conversions/ clicks/ nowhere/
        leaderboard?period= counters?by= counters?from= codes?owner= codes?after=
        rewards?state= journal?after= codes?), 'codes/A', 'codes?limit=';
    api(DELETE => "/v1/codes/$url");
    api(PUT => "/v1/codes/$url", '{"owner":"u1"}');
    api(POST => "/v1/rewards/$url/claim");
    api(POST => "/v1/conversions/$url/refunds", '{"refund_id":"1"}');

    for my $field (qw(owner kind name landing status)) {
        api(PUT => '/v1/codes/ANNA', qq({"owner":"u1","$field":"$json"}));
        api(POST => '/v1/codes', qq({"owner":"u1","$field":"$json"}\n),
            headers => { 'Content-Type' => 'application/x-ndjson' });
    }

    for my $field (qw(event order_id amount currency customer_id token code
        click_id occurred_at more))
    {
        api(POST => '/v1/conversions', '{"event":"purchase","order_id":"1",'
            . qq("amount":1,"currency":"EUR","$field":"$json"}));
        api(POST => '/v1/conversions', qq({"$json":"$field"}));
    }

    api(POST => '/v1/conversions', $_) for $evil, qq("$evil), qq({"$evil");
    api(GET => '/v1/codes', undef, token => $header);
    api(GET => '/v1/codes', undef, headers => { Authorization => $header });
    api(PUT => '/v1/codes/A', '{}', headers => { 'Content-Type' => $header });
    api(PUT => '/v1/codes/A', '{}', headers => { 'If-None-Match' => $header });
    api(POST => '/v1/codes', '{}', prefix => '/signed',
        headers => { 'Referral-Signature' => $_ })
        for $header, "t=$header,v1=$mac", "t=$now,v1=$header", "t=$now,$header";
}

my $log = $t->log;
my @lines = split /\n/, $log;

is(scalar(grep { !m{^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: } }
    @lines), 0, 'every line is one of nginx');
is(scalar(grep { /^.{0,45}FORGED/ } @lines), 0, 'none is forged');

# up to what nginx adds

s/, client: .*// for @lines;
is(scalar(grep { /[^ -~]/ } @lines), 0, 'no byte that a terminal obeys')
    or diag(grep { /[^ -~]/ } @lines);

cmp_ok(scalar(grep { /gave up on "[^"]*\\x0A2026/ } @lines), '>', 0,
    'a path that was too much for a link is shown, in print');
cmp_ok(scalar(grep { /event of a storefront was refused/ } @lines), '>', 0,
    'and what a storefront did wrong');
cmp_ok(scalar(grep { /signature of a request was refused/ } @lines), '>', 0,
    'and a program');

# Tokens and bodies are in no line of the module's own.

is(scalar(grep { /Bearer|$t->{token}{admin}|whsec|"owner"/ } @lines), 0,
    'no token, no body');

ok($answers !~ /FORGED/, 'no refusal repeats what it refuses')
    or diag(grep { /FORGED/ } split /^/, $answers);
ok($answers !~ /$t->{token}{$_}/, 'nor a token') for qw(read admin);
ok($answers !~ m{ at /|\.c:\d|0x[0-9a-f]{6}|/tmp/|kid}i,
    'nor something of the inside');

finish();
