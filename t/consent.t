#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Without consent the link works and is counted, and that is all: no cookie,
# no click id, nobody told apart, nothing handed on; a cookie from before is
# taken back, and never in an answer that others could get from a cache.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;

my $t = Referral::Nginx->new(upstream => sub {
    my ($req) = @_;
    my @seen = sort grep { /^x-referral/i } map { $_->[0] } @{ $req->{headers} };
    return (200, [['Cache-Control', 'public, max-age=600'],
        ['Expires', 'Thu, 01 Jan 2099 00:00:00 GMT'], ['ETag', '"a"']],
        "seen: @seen");
}, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    proxy_cache_path %%DIR%%/cache keys_zone=pages:1m;

    referral_program friends {
        link "^/r/(?<code>\w+)$";
        param ref;
        landing https://shop.example/;
    }

    referral_program ignoring {
        link "^/i/(?<code>\w+)$";
        landing https://shop.example/;
        codes open;
        gpc ignore;
    }

    map $cookie_cmp $consent {
        default "";
        no 0;
        yes 1;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        referral friends;
        referral_consent $consent;
        add_header X-Status "$referral_status/$referral_code/$referral_click";
        add_header X-Cache "$upstream_cache_status";

        location / { proxy_pass http://%%UPSTREAM%%; }
        location /cached/ {
            proxy_pass http://%%UPSTREAM%%;
            proxy_cache pages;
        }
        location /quiet/ {
            referral_headers off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /return { return 200 ok; }
        location /always/ { referral_consent 1; proxy_pass http://%%UPSTREAM%%; }
        location /i/ { referral ignoring; referral_consent yes; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });

my $yes = 'cmp=yes';
my $r = $t->get('/r/ANNA42', Cookie => $yes);
my $cookie = cookie($r);
like($cookie, qr/ANNA42/, 'consent: a cookie');
like($r->header('X-Status'), qr{^valid/ANNA42/[\w-]{12}$}, 'and a click id');

my %without = (
    'no answer' => {},
    'an answer of 0' => { Cookie => 'cmp=no' },
    'GPC' => { Cookie => $yes, 'Sec-GPC' => '1' },
    'GPC among others' => { Cookie => $yes, 'Sec-GPC' => ['0', '1'] },
);

for my $what (sort keys %without) {
    my %h = %{ $without{$what} };
    $h{'User-Agent'} = "$Referral::Client::BROWSER{'User-Agent'} $what";
    is(counted($t, sub { $r = $t->get('/r/ANNA42', %h) }), 'human=1',
        "$what: counted, but not as a unique visitor");
    is(join(' ', $r->status, cookie($r), $r->header('Location')),
        '302  https://shop.example/', 'redirected without a cookie');

    $h{Cookie} = $h{Cookie} ? "$h{Cookie}; $cookie" : $cookie;

    for my $uri (qw(/ /quiet/ /return /cached/a /r/ANNA42 /?ref=ANNA42)) {
        $r = $t->get($uri, %h);
        is_deeply([$r->all('Set-Cookie')], ['ref_friends=; Path=/; Max-Age=0;'
            . ' HttpOnly; SameSite=Lax'], "$uri: the cookie is taken back");
        like(join(', ', $r->all('Cache-Control')), qr/^(private, )?no-store$/,
            'in an answer for one');
        is($r->header('Expires'), undef, 'that nothing else makes cacheable');
        is($r->header('X-Status'), 'no_consent//', 'and nothing is known');
        is($r->body, 'seen: ', 'nor told') if $uri =~ /quiet|cached|^\/$/;
    }
}

is(($t->get('/cached/a', Cookie => $yes))->header('X-Cache'), 'HIT',
    'what was taken back with a page did not keep it from the cache');
$r = $t->get('/cached/a');
is($r->header('Cache-Control'), 'public, max-age=600', 'which is as it was');
is($r->header('Set-Cookie'), undef, 'without a cookie of anyone');

for my $value ('0', '1, 1', 'true', ' ', '11') {
    like(cookie($t->get('/r/ANNA42', Cookie => $yes, 'Sec-GPC' => $value)),
        qr/ANNA42/, "Sec-GPC: $value is no opt-out");
}

like(cookie($t->get('/i/ANNA42', 'Sec-GPC' => 1)), qr/ANNA42/, 'gpc ignore');

# Consent given, or not asked for.

$r = $t->get('/', Cookie => "$yes; $cookie");
is(join(' ', cookie($r), $r->header('Cache-Control'), $r->header('ETag')),
    ' public, max-age=600 "a"', 'a page with consent is left alone');
like($r->body, qr/X-Referral-Code/, 'and the storefront is told');
$r = $t->get('/always/', Cookie => $cookie);
like($r->body, qr/X-Referral-Code/, 'referral_consent 1');
is(cookie($t->get('/')), '', 'no cookie, nothing to take back');

# Over TLS: what is removed is what was set, attribute by attribute.

sub tls { Referral::Client->new($t->port(2), tls => 1)->get(@_) }

$r = tls('/r/ANNA42', Cookie => $yes);
my ($set) = $r->all('Set-Cookie');
my $value = cookie($r);
is($set, "$value; Path=/; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax",
    'TLS: no attribute more');
like($value, qr/^__Host-ref_friends=/, 'and the name that asks for these');

for my $h ([], ['Sec-GPC' => 1]) {
    for my $uri (qw(/ /r/ANNA42 /?ref=ANNA42 /cached/a)) {
        my ($cmp) = @$h ? $yes : 'cmp=no';
        $r = tls($uri, Cookie => "$cmp; $value", @$h);
        is_deeply([$r->all('Set-Cookie')], [$set =~ s/=[\w.-]+/=/r
            =~ s/2592000/0/r], "@$h $uri: the same, without value and age");
    }
}

is(cookie(tls('/', Cookie => "cmp=no; $cookie")), '',
    'the cookie of plain HTTP is not its own');

# After the banner.

$r = $t->get('/?ref=ANNA42', Cookie => $yes, 'Sec-Fetch-Site' => 'same-origin');
like(cookie($r), qr/ANNA42/, 'a later ?ref= from the own page sets it');

finish();
