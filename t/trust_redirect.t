#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# What a redirect owes to those it goes through: caches, proxies, browsers,
# other modules, and the visitor whose address must not be taken from a header
# that anybody can write.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;
use Referral::H2;

my $t = Referral::Nginx->new(upstream => sub {
    my ($req) = @_;
    return (200, [['Cache-Control', 'public, max-age=600'], ['ETag', '"1"'],
        ['Expires', 'Thu, 01 Jan 2099 00:00:00 GMT'],
        ['CDN-Cache-Control', 'max-age=600'],
        ['Surrogate-Control', 'max-age=600'],
        ['Cloudflare-CDN-Cache-Control', 'max-age=600'],
        ['Edge-Control', 'max-age=600']], $req->{uri});
}, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[^/]+)/?$";
        param ref;
        landing /größe?utm_source=referral#o-ben;
        base https://shop.example;
        to on;
    }

    referral_program open {
        link "^/open/(?<code>\w+)$";
        landing https://shop.example/;
        codes open;
        unique 24h;
    }

    map $http_x_consent $consent { default 1; no 0; }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% http2;
        referral friends;
        referral_consent $consent;

        location / { proxy_pass http://%%UPSTREAM%%; }
        location /admin { return 200 admin; }
        location /static/ { alias %%DIR%%/html/; }
        location /policy/ {
            rewrite ^/policy(/.*) $1 break;
            add_header Referrer-Policy strict-origin always;
        }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }

    server {
        listen 127.0.0.1:%%PORT3%%;
        referral open;
        location /referral/ { referral_api open token_file=%%TOKENS%%; }
        location / { proxy_pass http://%%UPSTREAM%%; }
    }

    server {
        listen 127.0.0.1:%%PORT4%%;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Forwarded-For;
        referral open;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }

    server {
        listen 127.0.0.1:%%PORT5%%;
        referral open;
        location / {
            set_real_ip_from 127.0.0.1;
            set_real_ip_from 10.0.0.0/8;
            real_ip_header X-Forwarded-For;
            real_ip_recursive on;
            proxy_pass http://%%UPSTREAM%%;
        }
    }
EOC

$t->start;
$t->api(PUT => "/v1/codes/$_->[0]", { owner => 'u1', status => $_->[1] })
    for ['ANNA42', 'active'], ['PAUSED', 'paused'];
$t->api(PUT => '/v1/codes/ENDED', { owner => 'u2' });
$t->api(DELETE => '/v1/codes/ENDED');

my $r;
my $landing = 'https://shop.example/gr%C3%B6%C3%9Fe?utm_source=referral';


# The answer: what was configured, and nothing else, with nothing in it.

$r = $t->get('/r/ANNA42?name=Anna&customer=u1&email=a@b');
is($r->header('Location'), "$landing#o-ben",
    'letters of a landing are percent-encoded, strangers are left behind');
is_deeply([map { $_->[0] } @{ $r->headers }], [qw(Server Date Content-Length
    Connection Location Set-Cookie Cache-Control X-Robots-Tag)],
    'these headers, in a redirect');
is(join('|', $r->header('Content-Length'), $r->body), '0|', 'and no body');

$r = $t->get('/policy/r/ANNA42');
is(join(' ', $r->status, $r->all('Referrer-Policy')), '302 strict-origin',
    'add_header gives it a Referrer-Policy');

# What the URL does not carry is not carried on.

my $long = 'utm_medium=' . 'm' x 4096;
is($t->get("/r/ANNA42?utm_term=a&$long")->header('Location'),
    "$landing#o-ben", 'too long a Location loses what was passed on');
is($t->get('/r/ANNA42?utm_term=' . 't' x 3000)->header('Location'),
    "$landing&utm_term=" . 't' x 3000 . '#o-ben', 'a shorter one does not');
like($t->get('/r/ANNA42?to=/' . 'x' x 2047)->header('Location'), qr/x{2047}$/,
    'a target of 2048 bytes');
is($t->get('/r/ANNA42?to=/' . 'x' x 2048)->header('Location'),
    "$landing#o-ben", 'but no more');

is(counted($t, sub { $r = $t->get('/r/' . 'A' x 65) }), 'unknown=1',
    'a code of 65 characters is none');
is(counted($t, sub { $r = $t->get('/r/' . 'A' x 8190) }), '',
    'what nginx refuses for its length');
is($r->status, 414, 'is not seen here');


# What is no code: one answer for all, and it is not to be kept.

sub answer {
    my ($r) = @_;
    return join "\n", $r->status, (map { "$_->[0]: $_->[1]" }
        grep { $_->[0] ne 'Date' } @{ $r->headers }), $r->body;
}

my $unknown = answer($t->get('/r/NOBODY'));
like($unknown, qr/^404\n.*^Cache-Control: no-store$/ms, 'unknown: 404');

for my $code (qw(ENDED PAUSED -x a.b %C4%B0 %EF%BC%A1NNA42 ANNA42;x
    %20ANNA42 ANNA42%20 %0dANNA42), 'A' x 65, 'a%0d%0aSet-Cookie:%20a=b')
{
    is(answer($t->get("/r/$code")), $unknown, "$code: the same to the letter");
}

is($t->get('/r/..%2fadmin')->body, 'admin', 'dots lead nginx elsewhere first');
is($t->get("/r/$_")->header('Location'), "$landing#o-ben", "$_ is followed")
    for qw(anna42 ANNA42/ /ANNA42 %41NNA42), './ANNA42', 'x/../ANNA42';


# A page with Set-Cookie is for one visitor, whoever is between.

my $cookie = cookie($t->get('/r/ANNA42'));
my %refused = (Cookie => $cookie, 'X-Consent' => 'no');

for my $method (qw(GET HEAD)) {
    $r = $t->request($method => '/page', \%refused);
    is(scalar $r->all('Set-Cookie'), 1, "$method: the cookie is taken back");
    is(join(' ', map { $r->header($_) // '-' } 'Cache-Control', 'Expires',
        'CDN-Cache-Control', 'Surrogate-Control', 'Edge-Control',
        'Cloudflare-CDN-Cache-Control', 'ETag'),
        'private, no-store - - - - - "1"', 'and no cache is told to keep it');
}

$r = $t->get('/page');
is(join(' ', map { $r->header($_) } 'Cache-Control', 'CDN-Cache-Control',
    'Surrogate-Control'), 'public, max-age=600 max-age=600 max-age=600',
    'others are left as they are');

open my $f, '>', $t->dir . '/html/file.txt' or die;
print $f 'text';
close $f;

my $etag = $t->get('/static/file.txt')->header('ETag');
$r = $t->get('/static/file.txt', 'If-None-Match' => $etag, %refused);
is(join(' ', $r->status, scalar $r->all('Set-Cookie')), '304 1',
    '304: once, too');
$r = $t->get('/static/file.txt', 'If-None-Match' => $etag, Cookie => $cookie);
is(join(' ', $r->status, scalar $r->all('Set-Cookie')), '304 0',
    'not where it did not change');

my $c = $t->connect;
$c->send($c->format(POST => '/page', { Expect => '100-continue', %refused },
    'x=1'));
my $all = '';
$all .= $c->{buf}, $c->{buf} = '' while $all !~ m{/page\z} && $c->_fill;
is(scalar(() = "$all$c->{buf}" =~ /^Set-Cookie/mg), 1, 'with 100 before it');


# Bodies that nobody asked for do not become requests.

my $inner = "GET /r/NOBODY HTTP/1.1\r\nHost: a\r\n\r\n";
my %body = (
    'of a length' => [{}, $inner],
    'of 200k' => [{}, $inner x 5000],
    'in chunks' => [{ 'Transfer-Encoding' => 'chunked' },
        sprintf "%x\r\n%s\r\n0\r\n\r\n", length $inner, $inner],
    'expected' => [{ Expect => '100-continue' }, $inner],
);

for my $what (sort keys %body) {
    my ($headers, $body) = @{ $body{$what} };

    for my $uri ('/r/ANNA42', '/r/NOBODY') {
        my $c = $t->connect;
        my $first = $c->request(POST => $uri, $headers, $body);
        my $next = $c->get('/r/ANNA42');
        is(join(' ', $first->status, $next ? $next->status : 'closed'),
            $next ? '405 302' : '405 closed', "a body $what to $uri");
    }
}

my $h2 = Referral::H2->new($t->port(2));
my @get = ([':scheme', 'http'], [':authority', 'a'], ['accept', 'text/html'],
    ['user-agent', $Referral::Client::BROWSER{'User-Agent'}]);

for (1 .. 3) {
    is($h2->request([[':method', 'POST'], [':path', '/r/ANNA42'], @get],
        body => $inner x 100)->{status}, 405, 'HTTP/2: a body');
    is($h2->request([[':method', 'GET'], [':path', '/r/ANNA42'], @get])
        ->{status}, 302, 'and the next request');
    is($h2->request([[':method', 'HEAD'], [':path', '/r/ANNA42'], @get])
        ->{body}, '', 'HEAD has none');
}

$c = $t->connect;
$c->send(join '', map { $c->format(@$_) } [HEAD => '/r/ANNA42'],
    [HEAD => '/r/NOBODY'], [OPTIONS => '/r/ANNA42'], [GET => '/r/ANNA42']);
is(join(' ', map { $c->response($_)->status } qw(HEAD HEAD OPTIONS GET)),
    '302 404 204 302', 'none of them writes what another would read');


# Whose click: the address is that of the connection, or what realip made of it.

my $code = 'A';

sub visitors {
    my ($port, @from) = @_;
    $code++;

    my $sum = sub {
        my $r = Referral::Client::request($t->port(3), GET =>
            "/referral/v1/codes/$code", { Authorization =>
            "Bearer $t->{token}{admin}" });
        return $r->status == 200 ? $r->json->{clicks} : {};
    };

    for my $from (@from) {
        is(Referral::Client::get($t->port($port), "/open/$code",
            'X-Forwarded-For' => $from, 'X-Real-IP' => '192.0.2.9',
            Forwarded => 'for=192.0.2.9')->status, 302, 'a click');
    }

    wait_for(sub { ($sum->()->{human} || 0) == @from }, 5);
    return $sum->()->{unique};
}

is(visitors(3, '192.0.2.1', '192.0.2.2', 'x, 192.0.2.3', '::1'), 1,
    'X-Forwarded-For means nothing by itself');
is(visitors(4, '192.0.2.1', '192.0.2.2', '192.0.2.1'), 2,
    'set_real_ip_from: what the proxy says');
is(visitors(4, '198.51.100.1, 192.0.2.1', '198.51.100.2, 192.0.2.1'), 1,
    'of its list the last, which it has written itself');
is(visitors(5, '192.0.2.1, 10.0.0.1', '192.0.2.1, 10.0.0.2',
    '6.6.6.6, 192.0.2.1'), 1,
    'real_ip_recursive: the last that is not trusted');
is(visitors(5, '192.0.2.1, 10.0.0.1', '192.0.2.2, 10.0.0.1'), 2,
    'in a location as well');


# Nobody holds a snapshot of the store between requests.

my $idle = $t->connect;
$idle->get('/r/ANNA42');
my @readers = `mdb_stat -r @{[$t->store]}` =~ /^\s+(\d+ \w+ \S+)\s*$/mg;
is(scalar(grep { !/ -$/ } @readers), 0, 'no transaction outlives a request');


# In nginx 1.23 these became lists: cookies are read from the list of headers.

my @fields = grep { /headers_in\.(?:cookies?|x_forwarded_for|multi)\b/ }
    map { local @ARGV = $_; <> } glob 'ngx_http_referral_module/*.[ch]';
is("@fields", '', 'no field is used that is another thing in another nginx');

finish();
