#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Nothing that a client sends reaches a storefront under a name that could be
# read as X-Referral-*.  Every storefront here writes down what it was given,
# whatever way nginx took there, and that is what is judged: names as they are
# after CGI, PHP or WSGI have folded them, values by who made them.

use strict;
use warnings;

use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;
use Referral::Gateways;
use Referral::H2;

my $record = tempdir(CLEANUP => 1) . '/seen';

# What a storefront was given goes to one file, a line a request.

sub seen {
    my ($by, $headers) = @_;
    my $line = JSON::PP->new->latin1->encode([$by, $headers]);
    open my $f, '>>', $record or die "$record: $!";
    syswrite $f, "$line\n";
}

my @event = (['X-Referral-Event', 'purchase; order_id="1"'],
    ['x-referral-event', 'purchase; order_id="2"'], ['X_Referral_Event', 'c'],
    ['X-REFERRAL-EVENT', 'd']);

sub shop {
    my ($req) = @_;
    my %h = map { lc $_->[0] => $_->[1] } @{ $req->{headers} };

    seen(http => [[URI => $req->{uri}], @{ $req->{headers} }]);

    return (404, [], 'none') if $req->{uri} =~ m{^/missing};
    return (200, [['X-Accel-Redirect', '/page/accel']], '')
        if $req->{uri} =~ m{^/accel};
    return (200, [['Content-Type', 'text/html']],
        '<!--#include virtual="/page/part" --><!--#include'
        . ' virtual="/fastcgi/part" -->') if $req->{uri} =~ m{^/ssi};
    return (200, [['Content-Type', 'text/plain'], ['Cache-Control',
        'max-age=60'], @event], "shop of $req->{uri}");
}

my $events = join '', map { "$_->[0]: $_->[1]\r\n" } @event;
my %gateway = map {
    my $name = $_;
    ($name => gateway($name, sub {
        seen($name => $_[0]);
        return ("Content-Type: text/plain\r\n$events", "shop by $name");
    }))
} qw(fastcgi uwsgi scgi);

my $t = Referral::Nginx->new(upstream => \&shop, conf => <<"EOC");
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    underscores_in_headers on;
    ignore_invalid_headers off;
    large_client_header_buffers 8 64k;
    client_header_buffer_size 64k;
    proxy_cache_path %%DIR%%/cache keys_zone=pages:1m;
    proxy_set_header X-Uri \$request_uri;
    fastcgi_param URI \$request_uri;
    uwsgi_param URI \$request_uri;
    uwsgi_param CONTENT_LENGTH \$content_length;
    scgi_param CONTENT_LENGTH \$content_length;
    scgi_param URI \$request_uri;
    grpc_set_header X-Uri \$request_uri;

    referral_program friends {
        link "^/r/(?<code>\\w+)\$";
        landing https://shop.example/;
        codes open;
        event purchase;
    }

    map \$http_x_referral_code \$mapped { default \$http_x_referral_code; }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% http2;
        listen 127.0.0.1:%%PORT3%% ssl;
        listen 127.0.0.1:%%PORT4%% ssl http2;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        referral friends;
        set \$early "\$http_x_referral_code\$http_x_referral_token";

        location / { proxy_pass http://%%UPSTREAM%%; }
        location /fastcgi/ { fastcgi_pass 127.0.0.1:$gateway{fastcgi}; }
        location /uwsgi/ { uwsgi_pass 127.0.0.1:$gateway{uwsgi}; }
        location /scgi/ { scgi_pass 127.0.0.1:$gateway{scgi}; }
        location /grpc/ { grpc_pass grpc://127.0.0.1:%%PORT5%%; }
        location /trailers/ { grpc_pass grpc://127.0.0.1:%%PORT5%%; }
        location /off/ { referral off; proxy_pass http://%%UPSTREAM%%; }
        location /offcgi/ {
            referral off;
            fastcgi_pass 127.0.0.1:$gateway{fastcgi};
        }
        location /quiet/ {
            referral_headers off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /bare/ {
            proxy_pass_request_headers off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /barecgi/ {
            fastcgi_pass_request_headers off;
            fastcgi_pass 127.0.0.1:$gateway{fastcgi};
        }
        location /if/ {
            if (\$args) { set \$y 1; }
            proxy_pass http://%%UPSTREAM%%;
        }
        location /in-if/ {
            if (\$args) { proxy_pass http://%%UPSTREAM%%; }
        }
        location /except/ {
            limit_except GET { proxy_pass http://%%UPSTREAM%%; }
            proxy_pass http://%%UPSTREAM%%;
        }
        location /try/ { root %%DIR%%/none; try_files \$uri /page/\$args; }
        location /named/ { root %%DIR%%/none; try_files \$uri \@named; }
        location \@named { proxy_pass http://%%UPSTREAM%%; }
        location /rewritten/ { rewrite ^/rewritten/(.*) /fastcgi/\$1 last; }
        location /missing/ {
            proxy_intercept_errors on;
            error_page 404 = /page/missing;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /denied/ { deny all; error_page 403 = /page/denied; }
        location /accel/ { proxy_pass http://%%UPSTREAM%%; }
        location /auth/ {
            auth_request /authorize;
            proxy_pass http://%%UPSTREAM%%;
        }
        location = /authorize {
            proxy_pass_request_body off;
            proxy_set_header X-Uri \$request_uri;
            proxy_set_header Content-Length "";
            proxy_pass http://%%UPSTREAM%%;
        }
        location /mirrored/ {
            mirror /mirror;
            mirror /mirrorcgi;
            proxy_pass http://%%UPSTREAM%%;
        }
        location = /mirror { internal; proxy_pass http://%%UPSTREAM%%; }
        location = /mirrorcgi {
            internal;
            referral off;
            fastcgi_pass 127.0.0.1:$gateway{fastcgi};
        }
        location /ssi/ { ssi on; proxy_pass http://%%UPSTREAM%%; }
        location /cached/ {
            proxy_cache pages;
            proxy_cache_key \$request_uri\$request_id;
            proxy_cache_valid any 1m;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /upgrade/ {
            proxy_http_version 1.1;
            proxy_set_header X-Uri \$request_uri;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection \$http_connection;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /streamed/ {
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /by-hand/ {
            referral_headers off;
            proxy_set_header X-Uri \$request_uri;
            proxy_set_header X-Referral-Code \$referral_code;
            proxy_set_header X-Referral-Token \$referral_token;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /variables/ {
            set \$late \$http_x_referral_code;
            proxy_set_header X-Uri \$request_uri;
            proxy_set_header X-Referral-Early \$early;
            proxy_set_header X-Referral-Late \$late;
            proxy_set_header X-Referral-Mapped \$mapped;
            proxy_set_header X-Referral-Now \$http_x_referral_code;
            proxy_pass http://%%UPSTREAM%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT5%% http2;
        location / { proxy_pass http://%%UPSTREAM%%; }

        location /trailers/ {
            add_trailer X-Referral-Event "purchase; order_id=1" always;
            add_trailer X-Kept 1 always;
            ssi on;
            ssi_types text/plain;
            proxy_pass http://%%UPSTREAM%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT6%%;
        location / { proxy_pass http://%%UPSTREAM%%; ssi on; }
        location /page/ { referral friends; proxy_pass http://%%UPSTREAM%%; }
        location /fastcgi/ {
            referral friends;
            fastcgi_pass 127.0.0.1:$gateway{fastcgi};
        }
    }
EOC

$t->start;


# ------------------------------------------------------------------- names --

# As a storefront may have it, when CGI, PHP or WSGI have had their way.

sub fold {
    my ($name) = @_;
    $name = lc $name =~ s/[^A-Za-z0-9]/-/gr;
    $name =~ s/^(http-)+//;
    return $name;
}

sub ours { return fold($_[0]) =~ /^x-referral(-|$)/ }

srand 20261122;

my @words = ('', qw(Program Code Channel Click Time First-Code Token Event Sig
    Anything), 'Code[]', 'Code-');
my @between = ('-', '_', '.', '-', '_',
    split //, '~!#$%&\'*+^|"(),/;<=>?@[\\]{}');
push @between, map { chr } 0x80, 0xa0, 0xad, 0xff;

sub separator { return $between[ rand() < 0.5 ? rand 5 : rand @between ] }

sub spelled {
    my ($word) = @_;
    my $name = length $word ? "X-Referral-$word" : 'X-Referral';
    my $case = int rand 4;

    $name =~ s/-/separator()/ge;
    $name = $case == 0 ? lc $name : $case == 1 ? uc $name : $case == 2 ? $name
        : join '', map { rand() < 0.5 ? lc : uc } split //, $name;
    return (rand() < 0.1 ? ('HTTP', 'Http', 'http')[rand 3] . separator() : '')
        . $name;
}

my @plain = map { my $w = $_; map { "X${_}Referral$_$w" } '-', '_', '.' }
    qw(Code Token Event);

sub forged {
    my ($n) = @_;
    my @names = (@plain, map { spelled($words[rand @words]) } 1 .. $n);
    push @names, @names[0 .. 5];
    return map { [$_, 'EVIL' . int rand 1e6] } @names;
}

# Those stay: a storefront may have headers of such names.

my @other = map { [$_, 'kept'] } qw(X-Referrals X-Referralcode XX-Referral-Code
    Referral-Code X-Refer X-Forwarded-Thing X_Other Http-X-Other HTTP_HOST X
    Http Http-);


# ----------------------------------------------------------------- clients --

my $tests = 0;
my %asked;
my $agent = $Referral::Client::BROWSER{'User-Agent'};

sub h1 {
    my ($c, $method, $uri, $headers, $body) = @_;
    $c->send("$method $uri HTTP/1.1\r\nHost: shop\r\n"
        . join('', map { "$_->[0]: $_->[1]\r\n" } @$headers)
        . (defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '')
        . "\r\n" . (defined $body ? $body : ''));
    return $c->response($method);
}

sub h2 {
    my ($c, $method, $uri, $headers, $body, %opt) = @_;
    return $c->request([[':method', $method], [':scheme', 'http'],
        [':path', $uri], [':authority', 'shop'],
        map { [lc $_->[0], $_->[1]] } @$headers], body => $body, %opt);
}

my %client = (
    'HTTP/1.1' => [sub { $t->connect }, \&h1],
    'HTTP/2' => [sub { Referral::H2->new($t->port(2)) }, \&h2],
    'HTTP/1.1 over TLS' => [sub { $t->connect(port => $t->port(3), tls => 1) },
        \&h1],
    'HTTP/2 over TLS' => [sub { Referral::H2->new($t->port(4), tls => 1) },
        \&h2],
    'from outside' => [sub { $t->connect(port => $t->port(6)) }, \&h1],
);

# Cookies are of a scheme; what each says.

my (%cookie, %verified);

for my $tls (0, 1) {
    my $port = $t->port($tls ? 3 : 1);
    my $c = $t->connect(port => $port, tls => $tls);
    my $first = cookie($c->get('/r/ANNA42'));
    $cookie{$tls} = cookie($c->get('/r/BERT', Cookie => $first));
    my ($token) = $cookie{$tls} =~ /=(.*)/;
    $verified{$tls} = { 'x-referral-program' => 'friends',
        'x-referral-code' => 'BERT', 'x-referral-first-code' => 'ANNA42',
        'x-referral-token' => $token };
}

# One request, by its number: where to, what should come of it.

sub ask {
    my ($kind, $c, $method, $path, $headers, $body, %opt) = @_;
    my $uri = "$path?t=" . ++$tests;
    my $tls = $kind =~ /TLS/ ? 1 : 0;
    my @headers = (['User-Agent', $agent], @$headers);

    push @headers, ['Cookie', $cookie{$tls}] if $opt{cookie};
    $asked{$tests} = { what => "$kind $method $path", given => $opt{cookie},
        tls => $tls };
    delete @opt{qw(cookie)};

    return $client{$kind}[1]->($c, $method, $uri, \@headers, $body, %opt);
}


# ------------------------------------------------------------ the requests --

my @paths = qw(/page/ /fastcgi/ /uwsgi/ /scgi/ /grpc/ /off/ /offcgi/ /quiet/
    /bare/ /barecgi/ /if/ /in-if/ /except/ /try/ /named/ /rewritten/ /missing/
    /denied/ /accel/ /auth/ /mirrored/ /ssi/ /cached/ /upgrade/ /streamed/
    /by-hand/ /variables/);
my %told = map { $_ => 'all' } @paths;
$told{$_} = 'none' for qw(/off/ /offcgi/ /quiet/ /bare/ /barecgi/);
$told{'/by-hand/'} = 'some';
$told{'/variables/'} = 'all';

my (@refused, @leaked);

sub answered {
    my ($what, $r, $method) = @_;
    my $status = ref $r eq 'HASH' ? $r->{status} : $r && $r->status;
    push @refused, "$what: " . ($status || 'nothing')
        unless $status && $status == 200;
    push @leaked, map { "$what: $_->[0]" } grep { ours($_->[0]) }
        @{ $r->headers } if $r && ref $r ne 'HASH';
}

for my $kind (sort grep { $_ ne 'from outside' } keys %client) {
    for my $method (qw(GET HEAD POST BREW)) {
        for my $given (0, 1) {
            my $c = $client{$kind}[0]->();
            my $body = $method =~ /POST|BREW/ ? 'X-Referral-Code: EVIL' : undef;

            for my $path (@paths) {
                my @forged = forged(12);
                splice @forged, rand @forged, 0, @other;
                answered("$kind $method $path", ask($kind, $c, $method, $path,
                    \@forged, $body, cookie => $given), $method);
            }
        }
    }
}

is("@refused[0 .. ($#refused > 9 ? 9 : $#refused)]", '',
    'every request was answered by a storefront');
is("@leaked", '', 'no answer has X-Referral-Event');

# From a server that has nothing to do with referrals, into locations that do.

my $outside = $client{'from outside'}[0]->();

answered('outside', ask('from outside', $outside, 'GET', $_, [forged(20)],
    undef, cookie => 1)) for qw(/page/ /fastcgi/);

# The part of a page there: only that one is for us to protect.

answered('outside', ask('from outside', $outside, 'GET', '/ssi/', [forged(20)]))
    for 1 .. 3;

# Many of them, in runs, so that lists have parts of theirs and of ours only.

for my $n (19, 20, 21, 40, 41, 60, 300) {
    for my $kind ('HTTP/1.1', 'HTTP/2') {
        for my $run (0, 1, 2) {
            my @forged = map { [$plain[$_ % @plain], "EVIL$_"] } 1 .. $n;
            my @kept = map { ["X-K$_", 'kept'] } 1 .. ($run ? $n : 0);
            my @all = $run == 2 ? map { ($forged[$_], $kept[$_]) } 0 .. $n - 1
                : (@kept, @forged);
            my $c = $client{$kind}[0]->();

            ask($kind, $c, 'GET', '/page/', \@all, undef, cookie => 1);
            ask($kind, $c, 'GET', '/page/', [@forged, @kept], undef);
            ask($kind, $c, 'GET', '/fastcgi/', \@all, undef, cookie => 1);
        }
    }
}

# Upgrades, hop by hop, in trailers, by the request line, cut and folded.

my @one = (['X-Referral-Code', 'EVIL']);

for my $given (0, 1) {
    my $c = $t->connect;
    ask('HTTP/1.1', $c, 'GET', '/upgrade/', [@one, ['Connection',
        'Upgrade, X-Referral-Code'], ['Upgrade', 'websocket'],
        ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
        ['Sec-WebSocket-Version', '13']], undef, cookie => $given);
    $c = $t->connect;

    for my $path (qw(/page/ /streamed/ /fastcgi/ /grpc/)) {
        my $uri = "$path?t=" . ++$tests;
        $asked{$tests} = { what => "trailers $path", given => $given,
            tls => 0 };
        $c->send("POST $uri HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
            . "\r\nTrailer: X-Referral-Code\r\nTE: trailers\r\n"
            . ($given ? "Cookie: $cookie{0}\r\n" : '')
            . "\r\n3\r\nx=1\r\n0\r\nX-Referral-Code: EVIL\r\n"
            . "X_Referral_Token: EVIL\r\n\r\n");
        is($c->response('POST')->status, 200, "chunked with trailers: $path");
    }

    for my $opt ({ indexed => 1 }, { split => 7 }, { indexed => 1, split => 1 })
    {
        my $h2 = $client{'HTTP/2'}[0]->();
        ask('HTTP/2', $h2, 'GET', $_, [forged(5)], undef, cookie => $given,
            %$opt) for qw(/page/ /fastcgi/ /grpc/ /uwsgi/);
    }

    # 1.22 ends a connection at trailers; were they read, they are no headers

    ask('HTTP/2', $client{'HTTP/2'}[0]->(), 'POST', '/page/', [], 'x=1',
        trailers => [['x-referral-code', 'EVIL']], cookie => $given);
}

my @wire = (
    "GET %s HTTP/1.1\r\nHost: a\r\nX-Referral-Code : EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-Referral-Code\t: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\n X-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-A: b\r\n X-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-A: b\rX-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-A: b\nX-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.1\nX-Referral-Code: EVIL\nHost: a\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-A:\0\r\nX-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-Referral\0-Code: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\n:X-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-Referral-Code:EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-Referral-Code:\tEVIL\t\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-Referral-Code:\r\nX-Referral-Token:\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nX-Referral-Code\r\n",
    "GET http://evil.example%s HTTP/1.1\r\nHost: a\r\nX-Referral-Code: EVIL"
        . "\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding:"
        . " chunked\r\nX-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-Referral-Code: EVIL\r\n",
    "GET %s HTTP/1.0\r\nX-Referral-Code: EVIL\r\n",
    "POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0"
        . "\r\nX-Referral-Code: EVIL\r\n",
);

for my $format (@wire) {
    for my $path (qw(/page/ /fastcgi/)) {
        $asked{++$tests} = { what => $format =~ s/[\r\n]+/|/gr, given => 0,
            tls => 0 };
        $t->raw(sprintf($format, "$path?t=$tests")
            . "Connection: close\r\n\r\n");
    }
}

# Over HTTP/2 a name or value may hold anything, as may what is no header there.

my @frames = (
    [[':path', '/page/?t=%d']] => [['x-a', "b\r\nX-Referral-Code: EVIL"]],
    [[':path', '/page/?t=%d']] => [["x-a: b\r\nx-referral-code", 'EVIL']],
    [[':path', '/page/?t=%d']] => [["x-a\nx-referral-code", 'EVIL']],
    [[':path', '/page/?t=%d']] => [['X-Referral-Code', 'EVIL']],
    [[':path', '/page/?t=%d']] => [['x-referral-code:', 'EVIL']],
    [[':path', '/page/?t=%d']] => [[':x-referral-code', 'EVIL']],
    [[':path', '/page/?t=%d']] => [['x-referral code', 'EVIL']],
    [[':path', '/page/?t=%d']] => [["x-referral\0code", 'EVIL']],
    [[':path', '/page/?t=%d']] => [['x-referral-code', "a\0EVIL"]],
    [[':path', '/page/?t=%d']] => [['te', 'trailers'], ['connection',
        'x-referral-code'], @one],
    [[':path', "/page/?t=%d HTTP/1.1\r\nX-Referral-Code: EVIL\r\nX: "]] => [],
    [[':path', "/fastcgi/?t=%d HTTP/1.1\nX-Referral-Code: EVIL\n"]] => [],
    [[':path', '/page/?t=%d'], [':authority',
        "a\r\nX-Referral-Code: EVIL"]] => [],
    [[':path', '/page/?t=%d'], [':scheme', "http\r\nX-Referral-Code: E"]] => [],
    [[':path', '/grpc/?t=%d'], [':authority',
        "a\nx-referral-code: EVIL"]] => [],
);

while (my ($pseudo, $headers) = splice @frames, 0, 2) {
    for my $method ('GET', "GET / HTTP/1.1\r\nX-Referral-Code: EVIL\r\n") {
        my %p = map { $_->[0] => $_->[1] =~ s/%d/++$tests/er } @$pseudo;
        $asked{$tests} = { what => "HTTP/2 $p{':path'}", given => 0, tls => 0 };
        my @pseudo = ([':method', $method], [':path', $p{':path'}],
            [':scheme', $p{':scheme'} || 'http'],
            [':authority', $p{':authority'} || 'shop']);
        Referral::H2->new($t->port(2))->request([@pseudo, @$headers]);
    }
}

# What a storefront reports stays here, over HTTP/2 and behind a body as well.

for my $path (@paths) {
    my $url = 'http://127.0.0.1:' . $t->port(2) . $path;
    my $out = `curl -s -D - -o /dev/null -m 10 --http2-prior-knowledge $url`;

    like($out, qr{^HTTP/2 (200|404)}, "HTTP/2: $path");
    unlike($out, qr/^x[^a-z]referral/im, 'does not tell of an event');
}

my $whole = $t->raw("GET /trailers/ HTTP/1.1\r\nHost: a\r\n"
    . "Connection: close\r\n\r\n");
unlike($whole, qr/^x[^a-z]referral/im, 'nor does what follows a body');
like($whole, qr/^x-kept: 1/im, 'of other things it does');


# --------------------------------------------------------------- judgement --

my (%by, @evil, @wrong, $kept);
my $json = JSON::PP->new->latin1;

open my $f, '<:raw', $record or die "$record: $!";

while (my $line = <$f>) {
    my ($by, $headers) = @{ $json->decode($line) };
    my ($uri) = map { $_->[1] } (grep { $_->[0] =~ /^X-Uri$/i } @$headers),
        grep { $_->[0] eq 'URI' } @$headers;
    my ($n) = $uri =~ /[?&]t=(\d+)/ or next;
    my $asked = $asked{$n} or next;
    my ($path) = $asked->{what} =~ m{ (/\S+/)};

    if ($asked->{what} =~ /outside/) {
        next if $by eq 'http' && $headers->[0][1] =~ m{^/ssi};
        $by{outside}++;
    }

    my $told = $asked->{given} ? $told{$path || ''} || 'all' : 'none';
    my $verified = $verified{ $asked->{tls} };
    my %got;

    $by{$by}++;
    $kept += grep { $_->[1] eq 'kept' } @$headers;

    for my $h (@$headers) {
        my ($name, $value) = @$h;
        next unless ours($name);

        push @evil, "$asked->{what}: $by has $name: $value"
            if $value =~ /EVIL/;
        push @{ $got{ fold($name) } }, $value;
    }

    delete $got{"x-referral-$_"} for $asked->{what} =~ /variables/ && $told ne
        'none' ? qw(early late mapped now) : ();

    my @expect = $told eq 'none' ? () : $told eq 'some'
        ? qw(x-referral-code x-referral-token)
        : qw(x-referral-click x-referral-code x-referral-first-code
            x-referral-program x-referral-time x-referral-token);

    my $names = join ' ', map { my $n = $_; ($n) x @{ $got{$n} } }
        sort keys %got;
    push @wrong, "$asked->{what}: $by has $names" if $names ne "@expect";
    push @wrong, "$asked->{what}: $by has another $_"
        for grep { $got{$_} && $got{$_}[0] ne $verified->{$_} }
            keys %$verified;
}

close $f;

diag("$tests requests, ", join ', ', map { "$_: $by{$_}" } sort keys %by)
    if $ENV{TEST_VERBOSE};

cmp_ok($by{$_} || 0, '>', 25, "$_ was asked") for qw(http fastcgi uwsgi scgi);
is($by{outside}, 8, 'parts of a page that is not ours were asked for');
cmp_ok($kept, '>', 5000, 'other headers went through');
is(join("\n", grep { defined } @evil[0 .. 19]), '',
    'no storefront was given what a client made up');
is(join("\n", grep { defined } @wrong[0 .. 19]), '',
    'each has what was verified, once, or nothing');

finish();
