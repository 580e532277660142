# The endpoint among strangers: pages of other sites in old browsers, signed
# bodies sent twice, limits by token, a thousand clients that send their bodies
# one byte after the other.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use lib 't/lib';
use Referral::Nginx timeout => 90;

my $SLOW = 1000;
my $secret = 'whsec_0123456789abcdef';
my $user = $> == 0 ? 'user www-data;' : '';
my $load = `'$Referral::Nginx::BINARY' -V 2>&1` =~ /--add-module=/ ? ''
    : "load_module $Referral::Nginx::MODULE;";

my $t = Referral::Nginx->new(full => 1, conf => <<"EOC");
$load
$user
daemon off;
pid %%DIR%%/nginx.pid;
error_log %%DIR%%/error.log info;
worker_processes 1;
worker_rlimit_nofile 8192;

events { worker_connections 4096; }

http {
    access_log %%DIR%%/access.log;
    root %%DIR%%/html;
    client_body_temp_path %%DIR%%/temp/body;
    proxy_temp_path %%DIR%%/temp/proxy;
    fastcgi_temp_path %%DIR%%/temp/fastcgi;
    uwsgi_temp_path %%DIR%%/temp/uwsgi;
    scgi_temp_path %%DIR%%/temp/scgi;

    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing https://shop.example/welcome;
    }

    limit_req_zone \$http_authorization zone=by_token:1m rate=1r/m;
    limit_req_status 429;

    server {
        listen 127.0.0.1:%%PORT%% backlog=2048;
        listen 127.0.0.1:%%PORT2%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        referral friends;
        client_body_timeout 2s;

        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /open/ { referral_api friends auth=off; }
        location /signed/ {
            referral_api friends token_file=%%TOKENS%%
                                 secret_file=%%DIR%%/secrets;
        }
        location /small/ {
            referral_api friends token_file=%%TOKENS%%;
            client_max_body_size 1k;
        }
        location /limited/ {
            referral_api friends token_file=%%TOKENS%%;
            limit_req zone=by_token burst=2 nodelay;
            error_page 429 \@busy;
        }
        location \@busy {
            add_header Retry-After 60 always;
            return 429;
        }
        location = /status { stub_status; }
    }
}
EOC

open my $f, '>', $t->dir . '/secrets' or die $!;
chmod 0600, $t->dir . '/secrets';
print $f "$secret\n";
close $f;

$t->allow(qr/setrlimit\(RLIMIT_NOFILE/) if $ENV{TEST_VALGRIND};
$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });

sub put {
    my ($prefix, %headers) = @_;
    return $t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' },
        prefix => $prefix, headers => \%headers);
}

sub event {
    my ($id) = @_;
    return qq({"event":"signup","order_id":"$id","code":"ANNA42"});
}

# The status of a change with just those headers.

sub bare {
    my $head = join '', map { "$_->[0]: $_->[1]\r\n" } @_;
    my $body = '{"owner":"u1"}';

    return (split ' ', Referral::Client::raw($t->port,
        "PUT /open/v1/codes/ANNA42 HTTP/1.1\r\n${head}Content-Type: "
        . 'application/json' . "\r\nContent-Length: " . length($body)
        . "\r\nConnection: close\r\n\r\n$body"))[1];
}

sub order {
    my ($prefix, $id, %headers) = @_;
    return $t->api(POST => '/v1/conversions', event($id), prefix => $prefix,
        headers => \%headers);
}

sub count {
    my $data = $t->api(GET => '/v1/counters?by=event')->json->{data};
    return $data->[0] ? $data->[0]{count} : 0;
}


# E5: a signed body once more, while its time is right.

my $now = time =~ s/\..*//r;
my $good = "t=$now,v1=" . hmac_sha256_hex("$now." . event('again'), $secret);

for ([201, 0], [200, 1], [200, 1]) {
    my $r = order('/signed', 'again', 'Referral-Signature' => $good);
    is($r->status, $_->[0], "a signed order: $_->[0]");
    is(!!$r->json->{duplicate}, !!$_->[1], 'which says what it is');
}

is(count(), 1, 'it counts once');


# E11: what a page of another site could make a browser send, with or without
# a password that the browser adds.

my $here = '127.0.0.1:' . $t->port;

for my $prefix ('/referral', '/open') {
    for (["http://$here", 200], ["https://$here", 200],
        ['https://evil.example', 403], ['null', 403], [$here, 403],
        ["ftp://$here", 403], ["http://evil.example?://$here", 403],
        ["http://x$here", 403], ["http://$here.evil.example", 403],
        ['http://127.0.0.1', 403])
    {
        my ($origin, $want) = @$_;
        my $r = put($prefix, Origin => $origin);

        is($r->status, $want, "$prefix: Origin: $origin");
        is($r->json->{code}, 'cross_site', 'with its code') if $want == 403;
    }

    is(put($prefix, Origin => 'https://evil.example',
        'Sec-Fetch-Site' => 'same-origin')->status, 200,
        'what Sec-Fetch-Site says goes before it');
    is(put($prefix, Origin => "http://$here", 'Sec-Fetch-Site' => 'cross-site')
        ->status, 403, 'both ways');
    is(put($prefix)->status, 200, 'programs have none of them');
    is($t->api(GET => '/v1/codes', undef, prefix => $prefix, headers =>
        { Origin => 'https://evil.example' })->status, 200, 'reading is free');
}


# Ports that go without saying, lines that are there twice, and TLS.

for (['https://shop.example', 'shop.example:443', 200],
    ['http://shop.example', 'shop.example:80', 200],
    ['https://shop.example:443', 'shop.example', 200],
    ['http://shop.example:80', 'Shop.Example', 200],
    ['https://shop.example:443', 'shop.example:443', 200],
    ['https://[::1]', '[::1]:443', 200],
    ['http://shop.example', 'shop.example:443', 403],
    ['https://shop.example', 'shop.example:80', 403],
    ['http://shop.example:443', 'shop.example', 403],
    ['https://shop.example:8443', 'shop.example', 403],
    ['https://shop.example', 'shop.example:8443', 403],
    ['https://shop.example:443:443', 'shop.example', 403],
    ['https://', 'shop.example', 403], ['https://:443', 'shop.example', 403],
    ['https', 'shop.example', 403], ['HTTPS://shop.example', 'shop.example',
        403])
{
    my ($origin, $host, $want) = @$_;
    is(bare([Host => $host], [Origin => $origin]), $want,
        "Origin: $origin of Host: $host");
}

is(bare([Host => $here], map { [Origin => $_] } @$_), 403,
    "Origin: @$_") for ["http://$here", "http://$here"],
    ["http://$here", 'https://evil.example'], ["http://$here", ''],
    ['', 'https://evil.example'];
is(bare([Host => $here], map { ['Sec-Fetch-Site' => $_] } @$_), 403,
    "Sec-Fetch-Site: @$_") for ['same-origin', 'cross-site'],
    ['same-origin', 'same-origin'], ['none', ''];
is(bare([Host => $here], ['Sec-Fetch-Site' => 'none'],
    [Origin => "http://$here"], [Origin => 'https://evil.example']), 403,
    'two of one, one of the other');
is(bare([Host => $here], ['Sec-Fetch-Site' => ''],
    [Origin => 'https://evil.example']), 403, 'one that says nothing');

for (['https://127.0.0.1', 200], ['http://127.0.0.1', 403]) {
    my ($origin, $want) = ("$_->[0]:" . $t->port(2), $_->[1]);
    my $c = Referral::Client->new($t->port(2), tls => 1);
    is($c->request(PUT => '/open/v1/codes/ANNA42', { Origin => $origin,
        'Sec-Fetch-Site' => undef, 'Content-Type' => 'application/json' },
        '{"owner":"u1"}')->status, $want, "over TLS: $origin");
}

is($t->api(POST => '/v1/conversions/1/void', '', prefix => '/open', headers =>
    { Origin => 'https://evil.example', 'Content-Type' =>
    'application/x-www-form-urlencoded' })->status, 403, 'an empty form');


# E6, E7: other ways to send it.

for my $type ('text/plain', 'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x', undef)
{
    is(order('/open', 'form', 'Content-Type' => $type)->status, 415,
        'what a form can send: ' . ($type // 'no type'));
}

is($t->api(POST => '/v1/conversions', event('large') . ' ' x 1024,
    prefix => '/small')->status, 413, 'more than client_max_body_size');
is($t->api(POST => '/v1/conversions', event('large'),
    prefix => '/small')->status, 201, 'less than it');
is($t->api(GET => '/v1/conversions/form')->status, 404, 'nothing of the form');


# E19, E23: limits are nginx's, by token.

is(join(' ', map { order('/limited', "l$_")->status } 1 .. 3), '201 201 201',
    'within the limit');

my $r = order('/limited', 'l4');
is($r->status, 429, 'beyond it');
is($r->header('Retry-After'), 60, 'says when to come back');
is($t->api(GET => '/v1/conversions/l4')->status, 404, 'and nothing was taken');
is($t->api(POST => '/v1/conversions', event('l5'), prefix => '/limited',
    token => $t->{token}{write})->status, 201, 'another token has its own');


# E8: a thousand bodies that do not come to their end.

my $before = count();
my @children = map { slow($SLOW / 4) } 1 .. 4;

ok(wait_for(sub { active() > $SLOW }, 20), "$SLOW bodies are on their way");

my ($longest, $n) = (0, 0);
my $end = time + 3;

while (time < $end) {
    my $start = time;
    my $status = $n % 10 ? $t->get('/r/ANNA42')->status
        : order('/referral', "fast$n")->status;

    $n++ if $status == ($n % 10 ? 302 : 201);
    $longest = time - $start if time - $start > $longest;
    sleep 0.002;
}

cmp_ok($n, '>', 100, 'others are answered meanwhile');
cmp_ok($longest, '<', 1, 'none of them waits for them');
cmp_ok(active(), '>', $SLOW, 'which still send');

kill USR1 => @children;
ok(wait_for(sub { active() == 1 }, 15), 'those that stop sending are cut off');
kill TERM => @children;
waitpid $_, 0 for @children;

open my $log, '<', $t->dir . '/access.log' or die $!;
my %status;
m{"POST /referral/v1/conversions HTTP/1.1" (\d+)} && $status{$1}++
    while <$log>;

is($status{408}, $SLOW, '408, as the log has it');
is(count() - $before, int(($n + 9) / 10), 'nothing of them was taken');

finish();


# A process with so many clients.  Until USR1 each sends a byte now and then.

sub slow {
    my ($clients) = @_;
    my $pid = fork() // die;
    return $pid if $pid;

    my $more = 1;
    $SIG{USR1} = sub { $more = 0 };
    $SIG{TERM} = $SIG{ALRM} = sub { POSIX::_exit(0) };
    $SIG{PIPE} = 'IGNORE';

    my @c = map { my $c = $t->connect; $c->send($c->format(POST =>
        '/referral/v1/conversions', { Authorization =>
        "Bearer $t->{token}{write}", 'Content-Type' => 'application/json',
        'Content-Length' => 1000 }) . '{'); $c } 1 .. $clients;

    while ($more) {
        $_->send(' ') for @c;
        sleep 0.4;
    }

    sleep 60 while 1;
}

sub active {
    return $t->get('/status')->body =~ /Active connections: (\d+)/ ? $1 : -1;
}
