#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# A link: every method and class has its own answer, the Location is made of
# what was configured and never of the Host, nothing of it can be cached, and
# each hit is counted once as what it was.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;

my $t = Referral::Nginx->new(upstream => 1, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    underscores_in_headers on;

    referral_program friends {
        link "^/r/(?<code>[^/]*)(?:/(?<channel>[^/]{1,20}))?/?$";
        link "^/s/(?<code>\w+)$" status=303;
        link "^/t/(?<code>\w+)$" status=307;
        link "^/evil/(?<code>(?:a+)+)$";
        landing /welcome?utm_source=referral&x=1#top;
        base https://shop.example;
        to on /p /old/;
    }

    referral_program strict {
        link "^/strict/(?<code>\w+)$";
        landing https://shop.example/;
        case_sensitive on;
        prefetch redirect;
        pass_args none;
        bots off;
    }

    referral_program open {
        link "^/open/(?<code>[\w.]+)$";
        landing https://shop.example/;
        codes open;
        to on;
        pass_args all;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /self/ {
            rewrite ^/self/(.*) /r/$1 break;
            referral_customer $http_x_customer;
        }
        location /strict/ { referral strict; }
        location /open/ { referral open; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
        location /strict/api/ {
            referral_api strict token_file=%%TOKENS%%;
        }
        location /open/api/ {
            referral_api open token_file=%%TOKENS%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT2%%;
        absolute_redirect off;
        referral friends;
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
$t->api(PUT => '/v1/codes/PAUSED', { owner => 'u2', status => 'paused' });
$t->api(PUT => '/v1/codes/ENDED', { owner => 'u2' });
$t->api(DELETE => '/v1/codes/ENDED');
$t->api(PUT => '/v1/codes/OWN', { owner => 'u3', landing => '/own?y=2' });
$t->api(PUT => '/v1/codes/FAR', { owner => 'u3',
    landing => 'https://far.example/a' });
$t->api(PUT => '/v1/codes/Case', { owner => 'u' }, prefix => '/strict/api');

my $landing = 'https://shop.example/welcome?utm_source=referral&x=1#top';
my $r;

# The usual case.

is(counted($t, sub { $r = $t->get('/r/ANNA42/wa') }), 'human=1 unique=1',
    'a person is counted');
is($r->status, 302, 'and redirected');
is($r->header('Location'), $landing, 'to the landing');
is($r->header('Cache-Control'), 'no-store', 'not to be stored');
is($r->header('X-Robots-Tag'), 'noindex, nofollow', 'not to be indexed');
is($r->header('Content-Length'), 0, 'no body');
is($r->header('Content-Type'), undef, 'nor a type of one');
is($r->all('Set-Cookie'), 1, 'one cookie');
like($r->header('Set-Cookie'), qr/^ref_friends=1\.1\.[a-z0-9]+\.ANNA42\.wa\.
    [\w-]{12}\.[\w-]{22};\ Path=\/;\ Max-Age=2592000;\ HttpOnly;
    \ SameSite=Lax$/x, 'with these attributes and no others');

is($t->get('/s/ANNA42')->status, 303, 'status=303');
is($t->get('/t/ANNA42')->status, 307, 'status=307');

# What is a code.

for my $path ('/r/anna42', '/r/ANNA42/', '/r//ANNA42', '/r/%41NNA42') {
    $r = $t->get($path);
    is($r->status, 302, "$path is followed");
    like(cookie($r), qr/\.ANNA42\./, 'and the code is as it was registered');
}

for my $path ('/r/NOBODY', '/r/', '/r/-ANNA42', '/r/ANNA42;x', '/r/' . 'A' x 65,
    '/r/A%0aB', '/r/%C4%B0', '/r/ENDED', '/r/PAUSED')
{
    my $class = $path =~ /ENDED|PAUSED/ ? 'inactive' : 'unknown';
    is(counted($t, sub { $r = $t->get($path) }), "$class=1", "$path: $class");
    is(join(' ', $r->status, $r->header('Cache-Control'),
        $r->header('X-Robots-Tag'), cookie($r)),
        '404 no-store noindex, nofollow ', 'is not found, and may be later');
}

is($t->get('/r/NOBODY')->body, $t->get('/r/ENDED')->body,
    'unknown and ended codes look the same');
is($t->get('/r/' . 'A' x 5000)->status, 200, 'too long a path is a page');
is($t->get('/r/A/B/C/D')->status, 200, 'as is what no link matches');

$t->api(PUT => '/v1/codes/NOBODY', { owner => 'u9' });
is($t->get('/r/NOBODY')->status, 302, 'a code is followed once it exists');

like(cookie($t->get("/r/ANNA42/$_->[0]")), qr/\.ANNA42\.$_->[1]\./,
    "channel $_->[0]") for ['wa', 'wa'], ['W-a_1', 'W-a_1'], ['a.b', ''],
    ['-a', ''], ['a' x 16, 'a' x 16], ['a' x 17, ''];

is($t->get('/strict/Case')->status, 302, 'case_sensitive: the same case');
is($t->get('/strict/CASE')->status, 404, 'case_sensitive: another');

is($t->get('/open/NeverSeen')->status, 302, 'codes open: any code');
is($t->get('/open/a.b')->status, 404, 'codes open: but a code it must be');

# Methods.

is(counted($t, sub { $r = $t->request(HEAD => '/r/ANNA42') }), 'probe=1',
    'HEAD is a probe');
is(join(' ', $r->status, $r->header('Location'), cookie($r), $r->body),
    "302 $landing  ", 'with the same redirect, and no cookie');
is(counted($t, sub { $r = $t->request(OPTIONS => '/r/ANNA42') }), 'probe=1',
    'OPTIONS is a probe');
is(join(' ', $r->status, $r->header('Allow'), cookie($r)),
    '204 GET, HEAD, OPTIONS ', 'and says what is allowed');
is($r->header('Access-Control-Allow-Origin'), undef, 'and grants nothing');

for my $method (qw(POST PUT PATCH DELETE BREW)) {
    is(counted($t, sub {
        $r = $t->request($method => '/r/ANNA42', {}, 'x=1')
    }), '', "$method is not counted");
    is(join(' ', $r->status, $r->header('Allow') || '', cookie($r),
        $r->header('Cache-Control')), '405 GET, HEAD, OPTIONS  no-store',
        'nor allowed');
}

{
    my $c = $t->connect;
    $c->request(POST => '/r/ANNA42', {}, 'GET /smuggled HTTP/1.1');
    $r = $c->get('/r/ANNA42');
    is($r->status, 302, 'the body of a refused request is read over');
}

# Classes.

my %class = (
    crawler => { 'User-Agent' => 'Googlebot/2.1' },
    preview => { 'User-Agent' => 'WhatsApp/2.23.20.0 A' },
    stuffing => { 'Sec-Fetch-Dest' => 'image', 'Sec-Fetch-Mode' => 'no-cors' },
);

for my $class (sort keys %class) {
    is(counted($t, sub { $r = $t->get('/r/ANNA42', %{ $class{$class} }) }),
        "$class=1", "class $class");
    is(join(' ', $r->status, $r->header('Location'), cookie($r)),
        "302 $landing ", 'is redirected without a cookie');
}

for my $name (qw(Sec-Purpose Purpose)) {
    is(counted($t, sub { $r = $t->get('/r/ANNA42', $name => 'prefetch') }),
        'prefetch=1', "$name: prefetch");
    is(join(' ', $r->status, $r->header('Cache-Control'), cookie($r)),
        '503 no-store ', 'is refused, so that the real click will come');
}

$r = $t->get('/strict/Case', 'Sec-Purpose' => 'prefetch');
is(join(' ', $r->status, cookie($r)), '302 ', 'prefetch redirect: no cookie');
like(cookie($t->get('/strict/Case', 'User-Agent' => 'Googlebot/2.1')),
    qr/Case/, 'bots off: user agents are not looked at');

# The owner.

is(counted($t, sub { $r = $t->get('/self/OWN', 'X-Customer' => 'u3') }),
    'self=1', 'the owner of the code');
like(cookie($r), qr/\.OWN\./, 'gets the cookie');
is(counted($t, sub { $t->get('/self/OWN', 'X-Customer' => 'u4') }),
    'human=1 unique=1', 'another customer');
is(counted($t, sub { $t->get('/self/OWN', 'X-Customer' => '') }),
    'human=1', 'nobody logged in');

# Where it leads.

$r = $t->get('/r/ANNA42?utm_source=spoof&utm_medium=a&gclid=1&evil=1'
    . '&utm_medium=b&ref=Q&to=');
is($r->header('Location'), 'https://shop.example/welcome?utm_source=referral'
    . '&x=1&utm_medium=a&gclid=1&utm_medium=b#top', 'parameters that pass');
is($t->get('/strict/Case?utm_medium=a')->header('Location'),
    'https://shop.example/', 'pass_args none');
is($t->get('/open/X?a=1&to=&b=%zz')->header('Location'),
    'https://shop.example/?a=1&b=%zz', 'pass_args all');

is($t->get('/r/OWN?utm_medium=a')->header('Location'),
    'https://shop.example/own?y=2&utm_medium=a', "a code's own landing");
is($t->get('/r/FAR')->header('Location'), 'https://far.example/a',
    "a code's own landing elsewhere");

my %to = (
    '/p/42%3Fcolor%3Dred' => 'https://shop.example/p/42?color=red',
    '/p%23frag' => 'https://shop.example/p#frag',
    '/old/x' => 'https://shop.example/old/x',
    '/products' => $landing,
    '/' => $landing,
    '//evil.example' => $landing,
    '/p/%2e%2e/r/OTHER' => $landing,
    '/%72/ANNA42' => $landing,
    '/r/ANNA42' => $landing,
    'https://evil.example' => $landing,
    '/p%0D%0ASet-Cookie:a=b' => $landing,
    '' => $landing,
);

for my $to (sort keys %to) {
    $r = $t->get("/r/ANNA42?to=$to");
    is($r->header('Location'), $to{$to}, "to=$to");
    is($r->all('Set-Cookie'), 1, 'and one cookie');
}

for my $to (qw(/open/Y /%6fpen/Y /open%2FY /open/Y%3Fa)) {
    is($t->get("/open/X?to=$to")->header('Location'), 'https://shop.example/',
        "to=$to is a link itself");
}

is($t->get('/open/X?to=/open%3FY')->header('Location'),
    'https://shop.example/open?Y', 'to=/open%3FY is not');

# The Host has no say.  Newer versions of nginx refuse the odd ones.

for my $port ($t->port, $t->port(2)) {
    for my $host ('evil.example', 'shop.example@evil.example', 'shop.example\\e')
    {
        $r = Referral::Client::get($port, '/r/ANNA42', Host => $host);
        is($r->header('Location'), $landing, "Host: $host")
            unless $r->status == 400 && $host ne 'evil.example';
    }

    like(Referral::Client::raw($port, "GET http://evil.example/r/ANNA42"
        . " HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        qr{^Location: \Q$landing\E\r$}m, 'absolute form');
}

# Old and broken requests.

like($t->raw("GET /r/ANNA42 HTTP/1.0\r\n\r\n"), qr{^HTTP/1.1 302 }, 'HTTP/1.0');
is($t->raw("GET /r/ANNA42\r\n"), '', 'HTTP/0.9');
like($t->raw("GET /r/ANNA42 HTTP/1.1\r\n\r\n"), qr{^HTTP/1.1 400 },
    'no Host');

# A pattern that explodes gives up, and says so in one line.

is($t->get('/evil/' . 'a' x 60 . '%0A2026/11/22%20[warn]%20x!')->status, 200,
    'a match that costs too much is no match');
my @lines = $t->log =~ /^.*gave up.*$/mg;
is(@lines, 1, 'and is logged');
like($lines[0] || '', qr/on "\/evil\/a{58}"/, 'cut short');
unlike($t->log, qr/^2026\/11\/22 \[warn\] x/m, 'with no line of its own');

$t->get('/evil/' . 'a' x 30 . "%0A[warn]\xff!");
like($t->log, qr/on "\/evil\/a{30}\\x0A\[warn\]\\xFF!"/, 'nor bytes');

finish();
