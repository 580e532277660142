#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# ?ref=CODE on any page: one redirect to the page without it, whatever nginx
# did to the URI in between, and a page that is simply served when the
# parameter is no code of ours.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;

my $t = Referral::Nginx->new(upstream => 1, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>\w+)$";
        param ref via;
        landing https://shop.example/;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /off/ { referral off; proxy_pass http://%%UPSTREAM%%; }
        location /old/ {
            rewrite ^/old/(.*) /new/$1 last;
        }
        location /added/ {
            rewrite ^/added/(.*) /new/$1?ref=ANNA42 last;
        }
        location /front/ {
            root %%DIR%%/none;
            try_files $uri /index.php?$args;
        }
        location /denied/ {
            deny all;
            error_page 403 = @shop;
        }
        location @shop { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT2%%;
        server_name a.example;
        absolute_redirect off;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
$t->api(PUT => '/v1/codes/PAUSED', { owner => 'u2', status => 'paused' });

my $r;

# Redirects: once, and relative.

my %to = (
    '/p?a=1&ref=ANNA42&b=2' => '/p?a=1&b=2',
    '/p?ref=ANNA42' => '/p',
    '/?via=ANNA42' => '/',
    '/p?ref=ANNA42&ref=X' => '/p',
    '/p?ref=&ref=ANNA42' => '/p',
    '/p?ref=ANNA42&REF=B' => '/p?REF=B',
    '/p?via=X&ref=ANNA42' => '/p',
    '/p%2Fq/%e2%82%ac?x=%20&ref=ANNA42' => '/p%2Fq/%e2%82%ac?x=%20',
    '//evil.example/?ref=ANNA42' => '/evil.example/',
    '/\\evil.example/?ref=ANNA42' => qr{^/[^/\\]},
    '/old/page?ref=ANNA42&c=1' => '/old/page?c=1',
    '/front/page?ref=ANNA42' => '/front/page',
    '/next?next=%3Fref%3DX&ref=ANNA42' => '/next?next=%3Fref%3DX',
);

for my $uri (sort keys %to) {
    for my $port ($t->port, $t->port(2)) {
        $r = Referral::Client::get($port, $uri, Host => 'evil.example');
        is($r->status, 302, "$uri is redirected");
        my $to = $r->header('Location');
        ref $to{$uri} ? like($to, $to{$uri}, 'on this host')
            : is($to, $to{$uri}, 'to the page');
        is(join(' ', $r->header('Cache-Control'), scalar $r->all('Set-Cookie')),
            'no-store 1', 'with a cookie, not to be stored');
        is($r->header('X-Robots-Tag'), undef, 'and may be indexed');
    }

    next if ref $to{$uri};
    is($t->get($to{$uri})->status, 200, 'which is served');
}

is(counted($t, sub { $t->get('/p?ref=ANNA42', 'User-Agent' =>
    $Referral::Client::BROWSER{'User-Agent'} . ' unseen') }),
    'human=1 unique=1', 'it is a click');
is(counted($t, sub { $r = $t->request(HEAD => '/p?ref=ANNA42') }), 'probe=1',
    'HEAD is a probe');
is(join(' ', $r->status, $r->header('Location'), cookie($r)), '302 /p ',
    'with the same redirect and no cookie');
is(counted($t, sub { $r = $t->get('/p?ref=ANNA42',
    'Sec-Purpose' => 'prefetch') }), 'prefetch=1', 'prefetch');
is(join(' ', $r->status, cookie($r)), '503 ', 'is refused');

# Pages: what is no code of ours changes nothing.

for my $uri ('/p?ref=NOBODY', '/p?ref=PAUSED', '/p?ref=a.b&x=1', '/front/p?ref=N')
{
    my $class = $uri =~ /PAUSED/ ? 'inactive' : 'unknown';
    is(counted($t, sub { $r = $t->get($uri) }), "$class=1", "$uri: $class");
    is(join(' ', $r->status, cookie($r), $r->header('Cache-Control') || ''),
        '200  ', 'is served, and may be cached');
    is($r->json->{uri}, $uri =~ /front/ ? '/index.php?ref=N' : $uri,
        'with all its parameters');
}

for my $uri ('/p', '/p?', '/p?ref=', '/p?REF=ANNA42', '/p?xref=ANNA42',
    '/p?x=1;ref=ANNA42', '/p?re%66=ANNA42', '/p?next=?ref=ANNA42',
    '/off/p?ref=ANNA42', '/added/p')
{
    is(counted($t, sub { $r = $t->get($uri) }), '', "$uri: nothing");
    is(join(' ', $r->status, cookie($r)), '200 ', 'is served');
}

for my $method (qw(POST PUT DELETE OPTIONS)) {
    is(counted($t, sub {
        $r = $t->request($method => '/p?ref=ANNA42', {}, 'x=1')
    }), '', "$method is not counted");
    is(join(' ', $r->status, cookie($r), @{ $r->json }{qw(uri body)}),
        '200  /p?ref=ANNA42 x=1', 'and reaches the storefront as it was');
}

# Denied before we looked: no click, whatever page follows.

is(counted($t, sub { $r = $t->get('/denied/?ref=ANNA42') }), '',
    'a denied request is no click');
is(join(' ', $r->status, cookie($r)), '200 ', 'and has its error page');

finish();
