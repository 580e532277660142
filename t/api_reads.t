# Reads that cost what they answer: 304 without reading what would be in it,
# exports in short turns, and readers that nothing waits for.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep time);
use lib 't/lib';
use Referral::Nginx timeout => 120;

my $CODES = 3000;
my $COMMITS = 150;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/;
        event purchase points=10;
        reward mug to=friend on=purchase;
    }
    server {
        listen 127.0.0.1:%%PORT%% sndbuf=16k;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;
my ($worker) = $t->workers;
my $c = $t->connect;
my %auth = (Authorization => "Bearer $t->{token}{admin}");

sub api { $t->api(@_) }

for my $from (map { 1000 * $_ } 0 .. $CODES / 1000 - 1) {
    my $lines = join '', map {
        encode_json({ code => sprintf('CODE%04d', $_), owner => "u$_" }) . "\n"
    } $from .. $from + 999;
    my $r = api(POST => '/v1/codes', $lines,
        headers => { 'Content-Type' => 'application/x-ndjson' });

    die $r->body if $r->status != 200 && $r->status != 201;
}

for my $code (map { sprintf 'CODE%04d', $_ } 0 .. 249) {
    die if $c->get("/r/$code")->status != 302;
}

for my $n (0 .. 249) {
    my $r = api(POST => '/v1/conversions', { event => 'purchase',
        order_id => "$n", code => sprintf('CODE%04d', $n) });
    die $r->body if $r->status != 201;
}

die "no clicks\n" unless wait_for(sub {
    api(GET => '/v1/counters')->json->{data}[0]{clicks}{total} == 250
}, 10);


# --------------------------------------------------------------------- 304 --

sub conditional {
    my ($path, %headers) = @_;
    my $method = delete $headers{method} || 'GET';
    return $c->request($method, "/referral$path", { %auth, %headers });
}

my $reward = api(GET => '/v1/rewards')->json->{data}[0]{id};

for my $path ('/v1/codes/CODE0001', '/v1/counters', '/v1/counters?by=code',
    '/v1/counters?by=event&code=CODE0001', '/v1/leaderboard',
    "/v1/rewards/$reward")
{
    my $whole = conditional($path);
    my $etag = $whole->header('ETag');
    my $plain = $etag =~ s/^W\///r;

    for (['as it was given', $etag], ['strong', $plain], ['weak', "W/$plain"],
         ['one of two', "\"other\", $etag"], ['any', '*'])
    {
        my ($what, $value) = @$_;
        my $r = conditional($path, 'If-None-Match' => $value);

        is_deeply([$r->status, $r->body, map { $r->header($_) } 'ETag',
                'Cache-Control', 'X-Content-Type-Options', 'Content-Type',
                'Content-Length', 'Transfer-Encoding'],
            [304, '', $etag, 'no-cache', 'nosniff', undef, undef, undef],
            "$path: $what");
    }

    is(conditional($path, method => 'HEAD', 'If-None-Match' => $etag)->status,
        304, "$path: HEAD");

    for (['another', 'If-None-Match' => "$plain-"],
         ['a part', 'If-None-Match' => substr $plain, 0, -1],
         ['of another time, too', 'If-None-Match' => $etag,
          'If-Modified-Since' => 'Thu, 01 Jan 2026 00:00:00 GMT'])
    {
        my ($what, %headers) = @$_;
        my $r = conditional($path, %headers);

        is_deeply([$r->status, length $r->body, $r->header('ETag')],
            [200, length $whole->body, $etag], "$path: $what");
    }

    is(api(GET => $path, undef, headers => { 'If-None-Match' => $etag,
        'If-Match' => '"other"' })->status, 412, "$path: If-Match comes first");
}

my $etag = conditional('/v1/codes/CODE0001')->header('ETag');

for my $path ('/v1/codes/NONE', '/v1/counters?code=NONE',
    '/v1/leaderboard?period=none', '/v1/rewards/999999')
{
    my $r = conditional($path, 'If-None-Match' => $etag);
    is_deeply([$r->status, $r->header('ETag'), $r->header('Cache-Control')],
        [404, undef, 'no-store'], "$path: what is not there is not unchanged");
}


# What a 304 takes does not depend on what it saves.

sub took {
    my ($path, %headers) = @_;
    my @took = map {
        my $before = running();
        conditional($path, %headers) for 1 .. 20;
        running() - $before;
    } 1 .. 5;

    return (sort { $a <=> $b } @took)[0] / 20;
}

sub running {
    open my $f, '<', "/proc/$worker/task/$worker/schedstat" or return 0;
    return (split ' ', <$f>)[0] / 1e3;
}

for my $path ('/v1/counters?by=code&limit=250', '/v1/leaderboard?limit=250') {
    my $all = took($path);
    my $none = took($path, 'If-None-Match' => conditional($path)
        ->header('ETag'));
    my $small = took('/v1/counters', 'If-None-Match' => $etag);

    note(sprintf '%s: %.0f us, 304 %.0f us', $path, $all, $none);
    cmp_ok($none, '<', 2.5 * $small, "$path: a 304 is as cheap as any");
}


# ----------------------------------------------------------------- exports --

# Others have to wait as long as a chunk takes.

my $x = $t->connect;
my $cpu = running();

$x->send("GET /referral/export/codes.csv HTTP/1.1\r\nHost: a\r\n"
    . "Authorization: $auth{Authorization}\r\nConnection: close\r\n\r\n");
my ($chunks) = $x->rest =~ /\r\n\r\n(.*)/s;
my $n = 0;

$cpu = running() - $cpu;

while ($chunks =~ /\G([0-9a-f]+)\r\n/gc && hex $1) {
    pos($chunks) += 2 + hex $1;
    $n++;
}

SKIP: {
    skip 'nothing is quick under valgrind or a sanitizer', 1
        if $ENV{TEST_VALGRIND} || $ENV{TEST_NGINX_PRELOAD};

    cmp_ok($cpu / $n, '<', 800,
        sprintf '%d chunks of an export, us each: %d', $n, $cpu / $n);
}


sub slow {
    my $s = IO::Socket::INET->new(Proto => 'tcp') or die $!;

    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 4096) or die $!;
    connect($s, Socket::pack_sockaddr_in($t->port,
        Socket::inet_aton('127.0.0.1'))) or die $!;
    syswrite $s, "GET /referral/export/codes.csv HTTP/1.0\r\n"
        . "Authorization: $auth{Authorization}\r\n\r\n";
    sysread $s, my $begin, 1000;
    die $begin if $begin !~ /^HTTP\/1\.1 200 /;

    return $s;
}

# The file does not give back anything, but what a commit frees is used by one
# after it.

sub growth {
    my $before = -s $t->store . '/data.mdb';

    for my $n (1 .. $COMMITS) {
        my $r = api(PUT => '/v1/codes/CODE0042', { name => "name $n" });
        die $r->body if $r->status != 200;
    }

    return ((-s $t->store . '/data.mdb') - $before) / 1024;
}

growth();       # pages to reuse

my $alone = growth();
my @slow = map { slow() } 1 .. 8;
my $beside = growth();
my %reading = map { $_ => 1 } map { sleep 0.002; reading() } 1 .. 50;

is_deeply([keys %reading], [], 'no snapshot waits for a reader');
cmp_ok($beside, '<=', $alone + 64, sprintf '%d commits beside 8 readers that'
    . ' take nothing: %d KB, alone %d KB', $COMMITS, $beside, $alone);

for my $s (@slow) {
    my $csv = '';
    1 while sysread $s, $csv, 65536, length $csv;
    like($csv, qr/"CODE2999"/, 'one of them gets all of it');
}

# to see that it would be seen

my $held = held(sub { growth() });
cmp_ok($held, '>', $beside + 500, sprintf 'a snapshot that is held: %d KB',
    $held);

finish();


# verify reads all in one snapshot: stopped in the middle, it keeps that.

sub held {
    my ($code) = @_;
    my ($pid, $got);

    for (1 .. 50) {
        $pid = verify();

        until (waitpid($pid, POSIX::WNOHANG) || grep { $_ == $pid } reading()) {
            sleep 0.001;
        }

        kill STOP => $pid;
        last if grep { $_ == $pid } reading();
        kill KILL => $pid;
        waitpid $pid, 0;
    }

    is_deeply([reading()], [$pid], 'a snapshot of a tool');
    $got = $code->();
    kill KILL => $pid;
    waitpid $pid, 0;
    return $got;
}

sub verify {
    my $pid = fork() // die "fork() failed: $!\n";
    return $pid if $pid;

    POSIX::dup2(POSIX::open('/dev/null', &POSIX::O_WRONLY), $_) for 1, 2;
    exec "$Referral::Nginx::BUILD/referralctl", 'verify', $t->store
        or POSIX::_exit(127);
}


# Processes that have a snapshot, as the table of readers in lock.mdb tells: of
# each, the transaction, all ones for none, and the process.

sub reading {
    open my $f, '<:raw', $t->store . '/lock.mdb' or die $!;
    my $table = do { local $/; <$f> };

    return map { $_->[2] }
        grep { $_->[2] && ($_->[0] & $_->[1]) != 0xffffffff }
        map { [unpack 'VVV', substr $table, 128 + 64 * $_, 12] }
        0 .. length($table) / 64 - 3;
}
