#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# What reaches a storefront as X-Referral-* was verified here.  Clients try
# every spelling that CGI, FastCGI or WSGI would take for the same name, in any
# place among other headers, over every protocol nginx speaks on both sides.

use strict;
use warnings;

use JSON::PP ();
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;
use Referral::Gateways;

# Storefronts of other protocols: each answers with the names and values it
# was given, one per line.

my ($fastcgi, $uwsgi, $scgi) = map { gateway($_) } qw(fastcgi uwsgi scgi);

my $t = Referral::Nginx->new(upstream => 1, conf => <<"EOC");
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    underscores_in_headers on;
    ignore_invalid_headers off;
    large_client_header_buffers 8 32k;

    referral_program friends {
        link "^/r/(?<code>\\w+)(?:/(?<channel>\\w+))?\$";
        landing https://shop.example/;
        codes open;
    }

    referral_program other {
        link "^/o/(?<code>\\w+)\$";
        landing https://shop.example/;
        codes open;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% http2;
        referral friends;
        error_page 400 /bad;

        location / { proxy_pass http://%%UPSTREAM%%; }
        location /o/ { referral other; proxy_pass http://%%UPSTREAM%%; }
        location /fastcgi { fastcgi_pass 127.0.0.1:$fastcgi; }
        location /uwsgi { uwsgi_pass 127.0.0.1:$uwsgi; }
        location /scgi { scgi_pass 127.0.0.1:$scgi; }
        location /grpc { grpc_pass grpc://127.0.0.1:%%PORT3%%; }
        location /off/ { referral off; proxy_pass http://%%UPSTREAM%%; }
        location /quiet/ {
            referral_headers off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /bare/ {
            proxy_pass_request_headers off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /named/ {
            proxy_set_header X-Referral-Code "\$referral_code";
            proxy_set_header X-Old "\$http_x_referral_code";
            proxy_pass http://%%UPSTREAM%%;
        }
        location /if/ {
            if (\$arg_x) { set \$y 1; }
            proxy_pass http://%%UPSTREAM%%;
        }
        location /try/ {
            root %%DIR%%/html;
            try_files \$uri /page;
        }
        location /upgrade/ {
            proxy_http_version 1.1;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /auth/ { auth_request /sub; proxy_pass http://%%UPSTREAM%%; }
        location = /sub { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }

    server {
        listen 127.0.0.1:%%PORT3%% http2;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }

    server {
        listen 127.0.0.1:%%PORT5%%;
        listen 127.0.0.1:%%PORT6%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        referral friends;
        error_page 400 413 497 = \@shop;
        client_max_body_size 10;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location \@shop {
            proxy_method GET;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_pass http://%%UPSTREAM%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT4%%;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /ssi/ {
            ssi on;
            ssi_types *;
            alias %%DIR%%/html/;
        }
        location /on/ { referral friends; proxy_pass http://%%UPSTREAM%%; }
    }
EOC

$t->start;

# What a storefront saw: [name, value] of what could be read as X-Referral-*.

sub seen {
    my ($r) = @_;
    my $body = ref $r ? $r->body : $r;
    my @all = $body =~ /^\{/ ? @{ JSON::PP->new->decode($body)->{headers} }
        : map { [/^HTTP_(.*?): (.*)/ ? ($1, $2) : ()] } split /\n/, $body;
    return grep { @$_ && $_->[0] =~ /^x[^a-z0-9]?referral(?![a-z0-9])/i } @all;
}

sub names { return join ' ', sort map { $_->[0] } seen(@_) }

my $given = cookie($t->get('/r/ANNA42/wa'));
$given = cookie($t->get('/r/BERT', Cookie => $given));
my ($token) = $given =~ /=(.*)/;

my @spelled = qw(X-Referral-Code x-referral-code X-REFERRAL-CODE
    X_Referral_Code X-Referral_Code X-Referral.Code X.Referral.Code
    x~referral~code X_REFERRAL X-Referral X-Referral-Program
    X-Referral-Token X-Referral-Event X-Referral-Something X-Referral-);
my @others = qw(X-Referrals X-Referralcode XX-Referral-Code Referral-Code
    X-Refer X-Forwarded-For X_Other);
my %spoof = map { $_ => 'EVIL' } @spelled;


# Over each protocol to the storefront: nothing, or what was verified.

my %location = (
    '/page' => 'X-Referral-Click X-Referral-Code X-Referral-First-Code'
        . ' X-Referral-Program X-Referral-Time X-Referral-Token',
);

$location{"/$_"} = $location{'/page'} =~ tr/a-z-/A-Z_/r for qw(fastcgi uwsgi scgi);
$location{'/grpc'} = lc $location{'/page'};
$location{$_} = $location{'/page'} for '/if/?x=1', '/try/none', '/upgrade/';

for my $uri (sort keys %location) {
    my $names = join ' ', sort split / /, $location{$uri};
    is(names($t->get($uri, %spoof)), '', "$uri: nothing is forged");
    my $r = $t->get($uri, %spoof, Cookie => $given);
    is(lc names($r), lc $names, "$uri: what was verified");
    is(scalar(grep { $_->[1] =~ /EVIL/ } seen($r)), 0, 'and only that');
}

my %value = map { $_->[0] => $_->[1] }
    seen($t->get('/page', %spoof, Cookie => $given));
is($value{'X-Referral-Program'}, 'friends', 'the program');
is($value{'X-Referral-Code'}, 'BERT', 'the code');
is($value{'X-Referral-First-Code'}, 'ANNA42', 'the first code');
is($value{'X-Referral-Channel'}, undef, 'no channel, no header');
is($value{'X-Referral-Token'}, $token, 'the token');
like($value{'X-Referral-Click'}, qr/^[\w-]{12}$/, 'the click');
cmp_ok(abs($value{'X-Referral-Time'} - time), '<', 60, 'the time');

is({ map { @$_ } seen($t->get('/page', Cookie =>
    cookie($t->get('/r/CARL/wa')))) }->{'X-Referral-Channel'}, 'wa', 'a channel');

# Locations that do less.

for my $uri ('/off/', '/quiet/', '/o/page', '/bare/') {
    is(names($t->get($uri, %spoof, Cookie => $given)), '',
        "$uri: none at all");
}

my $r = $t->get('/named/', %spoof, Cookie => $given);
is($r->body =~ /"X-Old","([^"]*)"/ && $1, 'BERT', 'the old variable is ours too');
is(scalar(grep { $_->[0] eq 'X-Referral-Code' } seen($r)), 1, 'one by name');
is(scalar(grep { $_->[0] eq 'X-Referral-Code' } seen($t->get('/named/', %spoof))),
    0, 'which is empty without a cookie');

for my $method (qw(POST PUT DELETE OPTIONS BREW)) {
    my $r = $t->request($method => '/page', { %spoof, Cookie => $given }, 'x=1');
    is(lc names($r), lc join(' ', sort split / /, $location{'/page'}),
        "$method: the same");
    is($r->json->{body}, 'x=1', 'with its body');
}

# Names that only look alike.

$r = $t->get('/page', %spoof, map { $_ => 'kept' } @others);
is(scalar(grep { $_->[1] eq 'kept' } @{ $r->json->{headers} }), @others,
    'others are kept');

# Anywhere, in any number: lists of headers come in parts.

srand 20261122;

for my $round (1 .. 60) {
    my ($all, $keep) = ('', '');

    for my $n (1 .. 1 + int rand 20) {
        my $run = $round % 3 ? 1 : int rand 8;
        my $spoof = rand() < 0.4;
        for (1 .. $run) {
            my $name = $spoof ? $spelled[rand @spelled] : "X-K$n-$_";
            $all .= "$name: $n\r\n";
            $keep .= "$name: $n\r\n" unless $spoof;
        }
    }

    my $out = $t->raw("GET /page HTTP/1.1\r\n${all}Host: a\r\nUser-Agent: u\r\n"
        . "Cookie: $given\r\n${all}Connection: close\r\n\r\n");
    my ($json) = $out =~ /\r\n\r\n(\{.*)/s;
    my @h = @{ JSON::PP->new->decode($json || '{"headers":[]}')->{headers} };
    my $got = join '', map { "$_->[0]: $_->[1]\r\n" }
        grep { $_->[0] =~ /^X-K|^User|^Cookie/ } @h;

    is($got, "${keep}User-Agent: u\r\nCookie: $given\r\n$keep",
        "random headers $round: the others, in their order");
    is(scalar(grep { /^X-Referral/ } map { $_->[0] } @h), 6, 'and ours');
}

# HTTP/2 from the client.

sub h2 {
    my ($uri, @headers) = @_;
    open my $f, '-|', 'curl', '-s', '--max-time', '10',
        '--http2-prior-knowledge', (map { ('-H', $_) } @headers),
        'http://127.0.0.1:' . $t->port(2) . $uri or die;
    local $/;
    return scalar <$f>;
}

for my $uri (qw(/page /fastcgi /grpc)) {
    my @forged = map { lc "$_: EVIL" } @spelled;
    is(names(h2($uri, @forged, @forged)), '', "$uri over HTTP/2: nothing");
    is(lc names(h2($uri, @forged, "cookie: a=b", "cookie: $given")),
        lc join(' ', sort split / /, $location{$uri}), 'or what was verified');
}

# Subrequests.

is(names($t->get('/auth/', %spoof, Cookie => $given)),
    join(' ', sort split / /, $location{'/page'}), 'beside a subrequest');

open my $f, '>', $t->dir . '/html/page.html' or die;
print $f '<!--#include virtual="/on/x" -->|<!--#include virtual="/x" -->';
close $f;

$r = Referral::Client::get($t->port(4), '/ssi/page.html', %spoof,
    Cookie => $given);
my ($on, $off) = split /\|/, $r->body;
is(names($on), '', 'a subrequest into the module has no forged headers');
is(scalar(seen($off)), scalar(keys %{ { map { lc $_ => 1 } @spelled } }),
    'one elsewhere has what the client sent, as the page around it');

# Requests without a list of headers.

is($t->raw("GET /page\r\n") =~ /^\{/, 1, 'HTTP/0.9');
like($t->raw("\x16\x03\x01\r\n\r\n"), qr/^HTTP\/1.1 400|"uri":"\/bad"/, 'garbage');
like($t->raw("GET / HTTP/1.1\r\nX-Referral-Code: EVIL\r\nHost: a/b\r\n\r\n"),
    qr/^HTTP\/1.1 400/, 'a bad Host');
is(names($t->raw("GET / HTTP/1.1\r\nX-Referral-Code: EVIL\r\nHost: a\r\n"
    . "Host: b\r\n\r\n") =~ s/.*\r\n\r\n//sr), '', 'two Hosts');

# Errors that lead to a named location before any phase has run.

my $all = join '', map { "$_: EVIL\r\n" } @spelled;
my %early = (
    'no Host' => [5, "GET /page HTTP/1.1\r\n$all\r\n"],
    'a bad length' => [5, "GET /page HTTP/1.1\r\nHost: a\r\n${all}"
        . "Content-Length: x\r\n\r\n"],
    'plain HTTP to TLS' => [6, "GET /page HTTP/1.1\r\nHost: a\r\n$all\r\n"],
    'a body too large' => [5, "POST /page HTTP/1.1\r\nHost: a\r\n${all}"
        . "Content-Length: 11\r\n\r\n01234567890"],
);

for my $what (sort keys %early) {
    my ($server, $bytes) = @{ $early{$what} };
    my $out = Referral::Client::raw($t->port($server), $bytes);

    like($out, qr/^HTTP\S* 200.*\r\n\r\n\{/s, "$what: the storefront is asked");
    is(names($out =~ s/.*?\r\n\r\n//sr), '', "$what: and told nothing");
}

finish();
