#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The module among other modules: whatever runs before, after or around it, a
# hit is one click with one cookie, and what must not be stored says so.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;

my $t = Referral::Nginx->new(upstream => sub {
    my ($req) = @_;
    my $uri = $req->{uri};
    my %h = map { lc $_->[0] => $_->[1] } @{ $req->{headers} };

    return (200, [['X-Accel-Redirect', '/page?ref=ANNA42']], '')
        if $uri =~ m{^/accel};
    return (200, [['X-Accel-Redirect', '/r/ANNA42']], '')
        if $uri =~ m{^/toloop};
    return (404, [], 'none') if $uri =~ m{^/missing};
    return (200, [['Set-Cookie', 'ref_friends=stolen; Path=/'],
        ['Set-Cookie', ' ref_friends =x'], ['Set-Cookie', '__Host-ref_friends=x'],
        ['Set-Cookie', '=ref_friends=x'], ['Set-Cookie', ' = ref_friends=x; a'],
        ['Set-Cookie', '=mine=x'], ['Set-Cookie', 'ref_friends2=mine'], ['Set-Cookie', 'a=ref_friends=1'],
        ['X-Referral-Event', 'purchase'], ['x-referral-event', 'signup'],
        ['X-Other', '1']], 'shop') if $uri =~ m{^/shop};
    return (200, [['Content-Type', 'text/html']],
        "<!--#include virtual=\"/part?ref=ANNA42\" -->."
        . "<!--#include virtual=\"/r/ANNA42\" -->") if $uri =~ m{^/ssi};
    return (200, [], join ',', $uri, $h{'x-referral-code'} || '-');
}, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    limit_req_zone $binary_remote_addr zone=slow:1m rate=1r/m;

    referral_program friends {
        link "^/(?:\w+/)?r/(?<code>\w+)$";
        param ref;
        landing https://shop.example/;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        error_page 404 /404.html;

        location / { proxy_pass http://%%UPSTREAM%%; }
        location = /404.html { internal; proxy_pass http://%%UPSTREAM%%; }

        location /expires/ {
            expires 1h;
            add_header Cache-Control "public, immutable" always;
            add_header X-Mine 1;
        }
        location /intercept/ {
            proxy_pass http://%%UPSTREAM%%/missing;
            proxy_intercept_errors on;
            error_page 404 = /fallback?ref=ANNA42;
        }
        location /named/ {
            root %%DIR%%/html;
            error_page 404 = @named;
        }
        location @named { proxy_pass http://%%UPSTREAM%%; expires 1h; }
        location /try/ {
            root %%DIR%%/html;
            try_files $uri $uri/ /page?ref=ANNA42;
        }
        location /index/ { root %%DIR%%/html; }
        location /auth/ {
            auth_request /authorized;
            proxy_pass http://%%UPSTREAM%%;
        }
        location = /authorized { return 204; }
        location /guarded/ {
            auth_request /sub/r/ANNA42;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /mirrored/ {
            mirror /mirror;
            proxy_pass http://%%UPSTREAM%%;
        }
        location = /mirror {
            internal;
            proxy_pass http://%%UPSTREAM%%/r/ANNA42;
        }
        location /ssi { ssi on; proxy_pass http://%%UPSTREAM%%; }
        location /added/ {
            addition_types *;
            add_after_body /r/ANNA42;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /denied/ { deny all; }
        location /limited/ { limit_req zone=slow; }
        location /off/ {
            referral off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /if/ {
            if ($arg_x) { set $y 1; }
            proxy_pass http://%%UPSTREAM%%;
        }
        location /except/ {
            limit_except GET { deny all; }
            proxy_pass http://%%UPSTREAM%%;
        }
        location /returned/ { return 200; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
mkdir $t->dir . '/html/index';
for my $file ('index/index.html') {
    open my $f, '>', $t->dir . "/html/$file" or die;
    print $f 'index';
}

my $r;

# A request, what it counts as, and what comes of it.

sub hit {
    my ($uri, $counts, $answer, %headers) = @_;
    is(counted($t, sub { $r = $t->get($uri, %headers) }) =~ s/ ?unique=1//r,
        $counts, "$uri counts as '$counts'");
    is($r->status . (cookie($r) ? ' cookie ' : ' ')
        . join('|', $r->all('Cache-Control')), $answer, 'and is answered so');
}

my $link = '302 cookie no-store';

# Headers of other modules.

hit('/expires/r/ANNA42', 'human=1', $link);
is($r->header('Expires'), undef, 'no Expires');
is($r->header('X-Mine'), 1, 'other headers are left');
hit('/expires/?ref=ANNA42', 'human=1', $link);
hit('/expires/r/NOBODY', 'unknown=1', '404 no-store');
hit('/expires/r/ANNA42', 'prefetch=1', '503 no-store',
    'Sec-Purpose' => 'prefetch');

# Error pages and internal redirects.

hit('/r/NOBODY', 'unknown=1', '404 no-store');
is($r->body, '/404.html,-', 'its error page is the own one');
is($r->header('X-Robots-Tag'), 'noindex, nofollow', 'not to be indexed');

hit('/intercept/', '', '200 ');
like($r->body, qr/^\/fallback/, 'an error page with a parameter is no hit');
hit('/intercept/?ref=ANNA42', 'human=1', $link);
hit('/named/x', '', '200 max-age=3600');
hit('/named/x?ref=ANNA42', 'human=1', $link);
hit('/named/x?ref=NOBODY', 'unknown=1', '200 max-age=3600');
hit('/named/r/NOBODY', 'unknown=1', '200 no-store');
hit('/try/x', '', '200 ');
hit('/try/x?ref=ANNA42', 'human=1', $link);
hit('/try/x?ref=NOBODY', 'unknown=1', '200 ');
hit('/try/r/ANNA42', 'human=1', $link);
hit('/index/?ref=NOBODY', 'unknown=1', '200 ');
hit('/accel', '', '200 ');
hit('/toloop', '', '200 ');
is($r->body, '/r/ANNA42,-', 'where the storefront leads is no click');

# Subrequests.

hit('/auth/r/ANNA42', 'human=1', $link);
hit('/auth/x?ref=ANNA42', 'human=1', $link);
hit('/guarded/x', '', '200 ');
hit('/guarded/r/ANNA42', 'human=1', $link);
hit('/mirrored/x', '', '200 ');
hit('/mirrored/x?ref=ANNA42', 'human=1', $link);
hit('/ssi', '', '200 ');
is($r->body, '/part?ref=ANNA42,-./r/ANNA42,-', 'both parts were fetched');
hit('/ssi?ref=ANNA42', 'human=1', $link);
hit('/added/x', '', '200 ');
like($r->body, qr{/r/ANNA42,-$}, 'the addition was fetched');

# What others refuse, and where the module is off.

hit('/denied/r/ANNA42', '', '403 ');
hit('/denied/?ref=ANNA42', '', '403 ');
hit('/limited/r/ANNA42', 'human=1', $link);
hit('/limited/r/ANNA42', '', '503 ');
hit('/off/r/ANNA42', '', '200 ');
hit('/off/?ref=ANNA42', '', '200 ');
hit('/if/r/ANNA42?x=1', 'human=1', $link);
hit('/except/r/ANNA42', 'human=1', $link);
hit('/returned/r/ANNA42', '', '200 ');
hit('/referral/r/ANNA42', '', '401 no-store');

# What the storefront may not say.

$r = $t->get('/shop');
is_deeply([$r->all('Set-Cookie')], ['=mine=x', 'ref_friends2=mine',
    'a=ref_friends=1'],
    "a storefront cannot set the module's cookie, others it can");
is(join('', $r->all('X-Referral-Event')), '', 'an event stays here');
is($r->header('X-Other'), 1, 'other headers pass');
is($r->body, 'shop', 'with the page');

# Connections that stay.

is(counted($t, sub {
    my $c = $t->connect;
    $c->get('/r/ANNA42') for 1 .. 3;
    $c->send(join '', map { $c->format(GET => '/r/ANNA42') } 1 .. 3);
    is($c->response('GET')->status, 302, 'pipelined') for 1 .. 3;
}) =~ s/ ?unique=1//r, 'human=6', 'keep-alive and pipelined requests');

finish();
