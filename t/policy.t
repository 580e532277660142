#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# GET /v1/policy: what consent tools list is what browsers get.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 60;

my $conf = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;

    referral_program plain {
        link "^/r/(?<code>\w+)$";
        landing https://shop.example:8443/welcome;
        codes open;
    }

    referral_program other {
        link "^/r/(?<code>\w+)$";
        landing https://www.other.example/;
        base https://[2001:db8::1]:444;
        codes open;
        cookie who domain=other.example path=/x samesite=strict secure=on;
        window 7d;
        gpc ignore;
        retention clicks=30d;
    }

    referral_program third {
        link "^/r/(?<code>\w+)$";
        landing https://third.example/;
        codes open;
        cookie c secure=off;
        retention clicks=off;
        bind off;
    }

    referral_program shop {
        link "^/r/(?<code>\w+)$";
        landing https://fourth.example/;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        referral plain;
        location /plain/ { referral_api plain token_file=%%TOKENS%%; }
        location /other/ { referral_api other token_file=%%TOKENS%%; }
        location /third/ { referral_api third token_file=%%TOKENS%%; }
    }

    server {
        listen 127.0.0.1:%%PORT3%%;
        listen 127.0.0.1:%%PORT4%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        referral other;
        referral_consent $arg_c;
        location /third { referral third; }
        location /free { referral third; referral_consent 1; }
    }

    server {
        listen 127.0.0.1:%%PORT5%%;
        referral third;
    }

    server {
        listen 127.0.0.1:%%PORT6%%;
        referral shop;
        if ($arg_x) { set $x 1; }
        location / {
            referral_consent $arg_c;
            if ($arg_x) { set $x 2; }
            location /deep/ {
                location /deep/ { }
                location = /deep/er { }
            }
        }
        location = /none { referral off; }
        location /away/ {
            location /away/ { referral_consent $arg_d; }
        }
        location /shop/ {
            referral_api shop token_file=%%TOKENS%%;
            if ($arg_x) { set $x 3; }
            limit_except GET POST { deny all; }
        }
        #more
    }
EOC

my $t = Referral::Nginx->new(conf => $conf);

$t->start;

my $plain = policy('/plain');
is($plain->{program}, 'plain', 'the program');
is("$plain->{consent} $plain->{gpc}", 'assumed honor', 'nobody is asked');
same('plain over TLS', $plain->{cookies}[0], 2, 1);
same('plain', $plain->{cookies}[1], 1, 0);
is($plain->{cookies}[0]{provider}, 'shop.example', 'whose it is');
is(join(' ', @{ $plain->{cookies}[0] }{qw(first_party http_only partitioned
    category)}), '1 1 0 marketing', 'what it is');
is(kept($plain, 'clicks'), 90 * 86400, 'how long clicks are kept');
is(kept($plain, 'unique visitors'), 3 * 86400, 'and hashes of a day');
is(kept($plain, 'events'), undef, 'and events');
like("@{ $plain->{never_stored} }", qr/IP address.*user agent/,
    'what is not kept');

my $other = policy('/other');
is("$other->{consent} $other->{gpc}", 'asked ignore', 'all are asked');
is(scalar @{ $other->{cookies} }, 1, 'one cookie, over TLS');
same('other', $other->{cookies}[0], 4, 1, '?c=1');
is($other->{cookies}[0]{provider}, '[2001:db8::1]', 'an address');
is($other->{cookies}[0]{domain}, 'other.example', 'a domain');
is(kept($other, 'clicks'), 30 * 86400, 'retention');

my $third = policy('/third');
is($third->{consent}, 'asked in places', 'some are asked');
is(scalar @{ $third->{cookies} }, 1, 'one cookie, without Secure');
same('third', $third->{cookies}[0], 5, 0);
is(kept($third, 'clicks'), undef, 'no retention');

# Pages are what matters: not the endpoint, and not what a server is where a
# location has all of its pages.

is(shop()->{consent}, 'asked', 'every page asks');

for (['location /more/ { referral_consent 1; }', 'asked'],
    ['location /more/ { }', 'asked in places'],
    ['location = /more { }', 'asked in places'],
    ['location ~ ^/more { }', 'asked in places'],
    ['location /more/ { referral_consent 1; location /more/x { }'
        . ' location = /more/ { } }', 'asked'],
    ['location /more/ { location /more/x { referral_consent 1; } }',
        'asked in places'],
    ['location @more { }', 'asked in places'])
{
    my ($more, $want) = @$_;
    $t->conf($conf =~ s/#more/$more/r);
    $t->reload;
    is(shop()->{consent}, $want, $more);
}

$t->conf($conf);
$t->reload;

my $kept = join ' ', map { "$_->{what}: @{ $_->{data} };" }
    @{ shop()->{stored} };
like($kept, qr/bindings: .*customer id.* code.*;/, 'who is bound to a code');
like($kept, qr/events: [^;]*reasons given/, 'what the shop gave as reasons');
like($kept, qr/networks: [^;]*in memory only/, 'and what is of networks');
unlike(join(' ', map { $_->{what} } @{ $third->{stored} }), qr/bindings/,
    'where nobody is bound, none are');

is($t->api(GET => '/v1/policy', undef, prefix => '/plain', token => undef)
    ->status, 401, 'not for everybody');

finish();


sub policy {
    my ($prefix) = @_;
    my $r = $t->api(GET => '/v1/policy', undef, prefix => $prefix,
        token => $t->{token}{read});
    is(join(' ', $r->status, $r->header('Content-Type')),
        '200 application/json', "$prefix: its policy");
    return $r->json;
}


sub shop {
    return Referral::Client->new($t->port(6))->request(GET =>
        '/shop/v1/policy', { Authorization => "Bearer $t->{token}{read}" })
        ->json;
}


sub kept {
    my ($policy, $what) = @_;
    my ($row) = grep { $_->{what} eq $what } @{ $policy->{stored} };
    ok($row && @{ $row->{data} }, "$what are told of");
    return $row->{retention_seconds};
}


# The Set-Cookie that the cookie of the policy would have.

sub same {
    my ($what, $cookie, $port, $tls, $query) = @_;
    my $c = Referral::Client->new($t->port($port), $tls ? (tls => 1) : ());
    my ($got) = $c->get('/r/ANNA42' . ($query || ''))->all('Set-Cookie');

    my $want = "$cookie->{name}=; Path=$cookie->{path}"
        . "; Max-Age=$cookie->{lifetime_seconds}"
        . (defined $cookie->{domain} ? "; Domain=$cookie->{domain}" : '')
        . ($cookie->{secure} ? '; Secure' : '')
        . ($cookie->{http_only} ? '; HttpOnly' : '')
        . "; SameSite=$cookie->{same_site}";

    $got =~ s/=[^;]*/=/;
    is($got, $want, "$what: the cookie that browsers get");
    is($cookie->{scheme}, $tls ? 'https' : 'http', 'and over what');
}
