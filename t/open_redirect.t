#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Whatever a visitor is made to ask for, the answer leads to where the program
# was told to lead, as a browser reads the Location: Node's WHATWG URL parser is
# the judge.  And it is an answer of the module, with its headers and no others.

use strict;
use warnings;

use FindBin;
use IPC::Open2;
use JSON::PP ();
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Vectors qw(vectors);

my $json = JSON::PP->new->latin1;
my $links = 'link "^/r/(?<code>[^/]*)(?:/(?<channel>.*))?$"; param ref via;';

my $t = Referral::Nginx->new(upstream => sub {
    return (200, [['Content-Type', 'text/plain']], 'page');
}, conf => <<"EOC");
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    large_client_header_buffers 4 64k;
    keepalive_requests 100000;
    server_names_hash_bucket_size 128;

    referral_program plain {
        $links
        landing https://shop.example/welcome?utm_source=referral#top;
        to on;
        pass_args none;
    }

    # as much as can be let through

    referral_program all {
        $links
        landing https://shop.example;
        to on;
        pass_args all;
        codes open;
    }

    referral_program near {
        $links
        base http://shop.example:8080;
        landing /welcome;
        to on /p /old/;
        pass_args all;
        codes open;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral plain;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ { referral_api plain token_file=%%TOKENS%%; }
    }

    server {
        listen 127.0.0.1:%%PORT2%%;
        listen 127.0.0.1:%%PORT5%% http2;
        absolute_redirect off;
        referral all;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }

    server {
        listen 127.0.0.1:%%PORT3%%;
        server_name named.example;
        server_name_in_redirect on;
        port_in_redirect off;
        referral near;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }

    server {
        listen 127.0.0.1:%%PORT4%%;
        server_name_in_redirect on;
        absolute_redirect off;
        merge_slashes off;
        referral all;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }

    # with a ticket in the Location instead of a cookie

    server {
        listen 127.0.0.1:%%PORT6%%;
        referral near;
        referral_consent "" missing=pass;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });

my @bases = ('https://shop.example', 'https://shop.example',
    'http://shop.example:8080', 'https://shop.example',
    'http://shop.example:8080');
my @ports = map { $t->port($_) } 1 .. 4, 6;

# Pages that somebody may have come from; a link is clicked anywhere.

my @pages = ('https://shop.example/r/ANNA42', 'http://127.0.0.1:8080/a/b?c#d',
    'https://other.example:8443/');


# ---------------------------------------------------------------- payloads --

srand 20261122;

my @hosts = qw(evil.example evil%2eexample EVIL.example evil.example:443
    shop.example@evil.example shop.example.evil.example evilshop.example
    user:pw@evil.example shop.example%40evil.example
    shop.example:80@evil.example
    [::1] 0x7f000001 2130706433 127.1 evil%E3%80%82example evil%EF%BC%8Eexample
    %EF%BD%85vil.example xn--evil.example evil.example%23 evil.example%3F
    evil.example%5C shop.example%00.evil.example shop.example%09@evil.example);
my @slashes = ('/', '//', '///', '////', '\\', '\\\\', '/\\', '\\/', '%2f',
    '%2F%2F', '%5c', '%5C%5C', '/%5c', '%5c/', '/%2f', '%252f', '%252F%252F',
    '%255c', '/%255c', '/%09/', '/%0a/', '/%0d/', '/%0d%0a/', '%09//', '%0a//',
    '%0d%0a//', '%20//', '%00//', '%01//', '%1f//', '%7f//', '/%00/', '/./',
    '/.//', '/..//', '/../', '/%2e/', '/%2e%2e/', '/%2e%2e//', '/%252e%252e/',
    '/;/', '/.;/', '/..;/', ';//', './/', '%c0%af', '%c0%af%c0%af', '%e0%80%af',
    '%ef%bc%8f%ef%bc%8f', '%ef%bc%bc', '/%ef%bc%8f', '%e2%81%84%e2%81%84',
    '%e2%88%95', '/%e2%80%a8/', '/%c2%a0/', '/%ef%bb%bf/', '%u2215', '%%32%66',
    '/%%35%63', "/\xe3\x80\x82/", "\xef\xbc\x8f", "/\x85/", "/\xa0/", '/%',
    '/%%', '/%zz/', '/%2', '?/', '?//', '#//', '%23//', '%3f//', '@', '/@', ':',
    '/:', '//:', '/x//', '/x/%2f', '/*', '/~', "/'", '/"', '/<', '/`', '/{',
    '/|', '/^', '/[', '/r//', '/%72//', '/x/..//', '/x/%2e%2e/%2f');
my @schemes = ('', '', '', '', 'http:', 'https:', 'HTTPS:', 'hTTp:', '%68ttps:',
    'https%3a', 'javascript:', 'data:text/html,', 'vbscript:', 'file:', 'blob:',
    '%01https:', '%09https:', 'ht%0atps:', 'ws:', 'about:', '//', '/', '\\');
my @tails = ('', '', '/', '/x', '?x=1', '%3fx=1', '#x', '%23x', '/..',
    '/%2e%2e', '%0d%0aSet-Cookie:%20crlf=1', '%0aLocation:%20//evil.example',
    '%E5%98%8A%E5%98%8DSet-Cookie:%20crlf=1', '%0d%0a%0d%0a<script>',
    '%250d%250aSet-Cookie:crlf=1', '%u000aSet-Cookie:crlf=1', '%23%0dcrlf:1',
    "\xc0\x8d\xc0\x8aSet-Cookie:crlf=1", '%c4%8d%c4%8aSet-Cookie:crlf=1',
    '%3f%0d%0aSet-Cookie:crlf=1', '%e2%80%a8Set-Cookie:crlf=1', '%00', '@shop',
    '/r/ANNA42', '&to=//evil.example', ';@evil.example');

sub any { return $_[ rand @_ ] }

sub payload {
    my $how = int rand 4;

    return join '', map { any(@slashes, @hosts, @schemes, @tails) }
        1 .. 1 + int rand 5 if $how == 0;

    return any($how == 1 ? @slashes : @schemes) . any(@slashes) . any(@hosts)
        . any(@tails);
}

# nginx refuses those itself, and closes.

sub line { return $_[0] =~ s/([\x00-\x20\x7f])/sprintf '%%%02X', ord $1/ger }

my @targets;

sub add { push @targets, { what => $_[0], target => line($_[1]), n => $_[2] } }

for my $n (0 .. $#ports) {
    add(vector => "/r/ANNA42?to=$_->[0]", $n) for vectors('to.tsv');

    for my $slashes (@slashes) {
        add(to => "/r/ANNA42?to=$slashes$_", $n)
            for 'evil.example', any(@hosts), any(@schemes) . any(@hosts);
        add(page => "${slashes}evil.example?ref=ANNA42", $n);
        add(page => "/$slashes@{[any(@hosts)]}?ref=ANNA42", $n);
    }

    for (1 .. 500) {
        add(to => '/r/ANNA42?to=' . payload(), $n);
        add(to => '/r/ANNA42?to=/' . payload(), $n) if $_ % 2;
    }

    for (1 .. 200) {
        add(page => '/' . payload() . '?ref=ANNA42', $n);
        add(page => payload() . '?a=' . payload() . '&ref=ANNA42&' . payload(),
            $n);
        add(code => '/r/' . payload(), $n);
        add(channel => '/r/ANNA42/' . payload(), $n);
        add(args => '/r/ANNA42?' . payload() . '&utm_source=' . payload(), $n);
        add(args => '/r/ANNA42?' . payload() . '=1&' . payload() . '#'
            . payload(), $n);
        add(args => '/r/ANNA42?to=/p' . payload() . '&@evil.example', $n);
    }
}


# ----------------------------------------------------------------- asking --

# One answer as it was on the wire: what is wrong with it, and its Location.

my %KNOWN = map { $_ => 1 } qw(server date content-type content-length
    connection location cache-control x-robots-tag set-cookie);
my @wrong;
my $hits = 0;

sub wrong {
    my ($target, $why) = @_;
    push @wrong, substr "$why: $target->{what} $target->{n}"
        . " $target->{target}", 0, 200;
}

sub answered {
    my ($target, $r) = @_;
    my %seen;

    for my $h (@{ $r->headers }) {
        my ($name, $value) = @$h;
        wrong($target, "header $name") unless $KNOWN{lc $name};
        wrong($target, "header $name twice") if $seen{lc $name}++;
        wrong($target, "value of $name") if ($value // "\n") =~ /[^\x20-\x7e]/;
    }

    my $cookie = $r->header('Set-Cookie');

    wrong($target, "cookie $cookie") if defined $cookie && $cookie !~
        m{^ref_(?:plain|all|near)=[A-Za-z0-9._-]{40,256};\ Path=/;\ Max-Age=\d+;
        \ HttpOnly;\ SameSite=Lax$}x;

    $hits++ if defined $cookie;
    $target->{status} = $r->status;
    $target->{location} = $r->header('Location');
    wrong($target, 'a blank') if ($target->{location} // '') =~ /\s/;
}

# Many on a connection; nginx closes it when it refuses one.

sub ask {
    my ($n, $host, @all) = @_;

    while (@all) {
        my $c = $t->connect(port => $ports[$n]);
        my $open = 1;

        while ($open && @all) {
            my @some = @all[0 .. ($#all > 39 ? 39 : $#all)];
            $c->send(join '', map { $c->format(GET => $_->{target},
                { Host => $host }) } @some);

            for my $target (@some) {
                my $r = $c->response('GET') or do { $open = 0; last };
                answered($target, $r);
                shift @all;
                $open = 0, last if ($r->header('Connection') || '') eq 'close';
            }
        }
    }
}

ask($_, 'shop.example', do { my $n = $_; grep { $_->{n} == $n } @targets })
    for 0 .. $#ports;


# Hosts and absolute requests of all kinds, each on its own.

my @odd;

for my $n (0 .. $#ports) {
    for my $path ('/r/ANNA42', '/r/ANNA42?to=/x', '/a/b?ref=ANNA42',
        '?ref=ANNA42', '//evil.example?ref=ANNA42')
    {
        push @odd, { n => $n, what => "Host: $_", host => $_,
            target => $path =~ s{^\?}{/?}r } for @hosts,
            'shop.example\\evil', 'a/b', 'a b', "a\tb",
            'shop.example,evil.example', '', 'evil.example:x';
        push @odd, { n => $n, what => 'absolute', target => "$_$path",
            host => 'evil.example' } for map { ("http://$_", "https://$_") }
            @hosts[0 .. 6];
    }
}

for my $target (@odd) {
    my $c = $t->connect(port => $ports[ $target->{n} ]);
    $c->send($c->format(GET => $target->{target}, { Host => $target->{host},
        Connection => 'close' }));
    my $r = $c->response('GET');
    answered($target, $r) if $r;
}


# --------------------------------------------------------------- judgement --

my %count;

sub judge {
    my ($judged, @list) = @_;
    my $node = open2(my $out, my $in, 'node', "$FindBin::Bin/lib/origins.js");
    my $pid = fork() // die "fork() failed: $!\n";

    if ($pid == 0) {
        print $in $json->encode([@$_{qw(location pages)}]), "\n" for @list;
        close $in;
        POSIX::_exit(0);
    }

    close $in;
    chomp(my @lines = <$out>);
    waitpid $_, 0 for $pid, $node;

    is(scalar @lines, scalar @list, 'Node has judged each');
    $judged->($list[$_], $json->decode($lines[$_])) for 0 .. $#list;
}

# A link leads to its base from everywhere, ?ref= stays where it is.

sub judged {
    my ($target, $where) = @_;
    my $to_page = $target->{target} =~ /[?&]ref=ANNA42/
        && $target->{location} =~ m{^/};
    my @expect = map { $to_page ? m{^(\w+://[^/]+)} : $bases[ $target->{n} ] }
        @{ $target->{pages} };
    my @origins = map { $_->[0] } @$where;

    $count{ $to_page ? 'page' : 'link' }++;
    wrong($target, "leads to @origins by $target->{location}")
        if "@origins" ne "@expect";
    wrong($target, "is a link again: $target->{location}")
        if !$to_page && grep { $_->[1] =~ m{^/+(?:r|%72)(?:/|%2[Ff])} } @$where;
    wrong($target, 'still has the code: ' . $target->{location})
        if $to_page && $target->{n} < 4
            && $target->{location} =~ /[?&](ref|via)=/;
    $count{ticket}++ if $target->{n} == 4
        && $target->{location} =~ /[?&]ref=[\w.-]{40,}(#|$)/;
}

my @led = grep { defined $_->{location} } @targets, @odd;
$_->{pages} = \@pages for @led;
judge(\&judged, @led);

cmp_ok(scalar(@led), '>', 8000, 'thousands were led somewhere');
cmp_ok($count{page}, '>', 500, 'to pages, too');
cmp_ok($count{ticket}, '>', 1000, 'or with a ticket');
cmp_ok($hits, '>', 5000, 'with cookies');
is(join("\n", grep { defined } @wrong[0 .. 19]), '',
    'none of them elsewhere, with nothing of theirs in the answer');


# Vectors lead where they say; without anything passed on it is the landing.

for my $target (grep { $_->{what} eq 'vector' && $_->{n} == 0
    && $_->{status} == 302 } @targets)
{
    my $landing = 'https://shop.example/welcome?utm_source=referral#top';
    my ($to) = $target->{location} =~ m{^https://shop\.example(/.*)};
    my ($raw) = $target->{target} =~ /to=(.*)/;
    my ($row) = grep { line($_->[0]) eq $raw } vectors('to.tsv');
    my $expect = $row->[1];

    next if $raw =~ /%20/;
    is($target->{location}, $landing, "to=$raw") if $expect eq 'landing';
    is($to, $expect, "to=$raw") if $expect =~ m{^/\S*$};
}


# ------------------------------------------------------------ own landings --

# What the endpoint takes as the landing of a code leads to where it says.

@wrong = ();
my (@own, @refused);

for my $i (1 .. 150) {
    my $landing = $i % 3 ? any('https://', 'http://', 'https:', '')
        . any(@hosts) . any(@slashes, '', '/') . any(@tails)
        : any('/', '') . payload();
    utf8::decode(my $text = $landing);
    my $r = $t->api(PUT => "/v1/codes/OWN$i",
        JSON::PP->new->latin1->encode({ owner => 'u1', landing => $text }));

    push @refused, $landing and next if $r->status == 422;
    push @own, { n => 0, what => 'landing', target => "/r/OWN$i?to=&x=1",
        landing => $landing } if $r->status == 201;
}

for (['FAR', 'https://far.example:8443/a?b#c'], ['NEAR', '/own?x=1']) {
    my ($code, $landing) = @$_;
    $t->api(PUT => "/v1/codes/$code", { owner => 'u2', landing => $landing });
    push @own, { n => 0, what => 'landing', target => "/r/$code",
        landing => $landing };
}

ask(0, 'shop.example', @own);
$_->{pages} = [$pages[1]] for @own;

judge(sub {
    my ($target, $where) = @_;
    my ($expect) = $target->{landing} =~ m{^(https?://[^/?#]+)}i;
    $expect = lc($expect // $bases[0]) =~ s/^(https:.*):443$|^(http:.*):80$/
        $1 || $2/er;
    wrong($target, "$target->{landing} leads to $where->[0][0]")
        if $where->[0][0] ne $expect && $target->{landing} !~ /127|0x|2130/;
}, @own);

cmp_ok(scalar @own, '>=', 2, 'landings of their own');
cmp_ok(scalar @refused, '>', 50, 'others were refused');
is(join("\n", @wrong), '', 'each leads to where it says');


# ------------------------------------------------------------------ HTTP/2 --

# Location and Set-Cookie are put together by other code there.

my @h2 = map { line($_) } '/r/ANNA42', '/a?ref=ANNA42', '/r/ANNA42?to=/x%23y',
    map { '/r/ANNA42?to=' . any(@slashes) . any(@hosts) . any(@tails) } 1 .. 40;
my $curl = 'curl -s -m 5 -D - -o /dev/null -g --path-as-is'
    . ' --http2-prior-knowledge -H accept:text/html -A '
    . quotemeta $Referral::Client::BROWSER{'User-Agent'};

@wrong = ();
@own = ();

for my $uri (@h2) {
    my $url = quotemeta 'http://127.0.0.1:' . $t->port(5) . $uri =~ s/#/%23/gr;
    my ($status, @lines) = split /\r\n/, `$curl $url`;
    my $target = { n => 1, what => 'HTTP/2', target => $uri,
        pages => \@pages };

    answered($target, bless { status => $status, headers => [map { [split /: /,
        $_, 2] } @lines] }, 'Referral::Response');
    push @own, $target if defined $target->{location};
}

is(scalar @own, scalar @h2, 'HTTP/2: each leads somewhere');
judge(\&judged, @own);
is(join("\n", @wrong), '', 'and not elsewhere');

finish();
