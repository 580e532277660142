#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Half a minute of reloads, two in a second, under load: with other numbers of
# workers, logs that are rotated, a new binary, "nginx -t" in a loop, and a
# map that becomes larger.  REFERRAL_LONG=1: five minutes.
#
# Would catch: a click or an order that was acknowledged and is not there, or
# is there twice; a reader, a ring, a descriptor or a worker that is left
# behind; a file that belongs to root since "nginx -t"; a master that grows.

use strict;
use warnings;

use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use Referral::Client;
use Referral::Nginx timeout => $ENV{REFERRAL_LONG} ? 900 : 180;

my $SECONDS = $ENV{REFERRAL_LONG} ? 300 : 30;
my $EVERY = 0.5;
my @CODES = map { sprintf 'CODE%02d', $_ } 0 .. 19;

my $conf = <<'EOC';
    keepalive_requests 10000000;
    access_log %%DIR%%/access.log;

    referral_store %%STORE%% intake_path=%%INTAKE%% intake=1m map_size=MAP;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing https://shop.example/welcome;
        event purchase points=10 hold=1s;
        reward third to=referrer on=purchase every=3 value=mug;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

my $t = Referral::Nginx->new(daemon => 1, workers => 2, conf => conf('64m'));
my $ctl = "$Referral::Nginx::BUILD/referralctl";
my @user = $> == 0 ? (getpwnam 'www-data')[2, 3] : ($>, $) + 0);
my @as = $> == 0 ? ('setpriv', "--reuid=$user[0]", "--regid=$user[1]",
    '--clear-groups') : ();

sub conf { $conf =~ s/MAP/$_[0]/r }


# ------------------------------------------------------------- clients -----

# Each is a process that writes down what was acknowledged.

my %clients;

sub client {
    my ($name, $code) = @_;
    my $file = $t->dir . "/client.$name";
    my $pid = fork() // die "fork: $!";

    if ($pid) {
        $clients{$pid} = $name;
        return;
    }

    my $stop = 0;
    $SIG{USR1} = sub { $stop = 1 };
    $SIG{PIPE} = 'IGNORE';
    $SIG{ALRM} = 'DEFAULT';

    open my $out, '>', $file or POSIX::_exit(1);
    eval { $code->($out) until $stop; 1 } or print $out "died $@\n";
    close $out;
    POSIX::_exit(0);
}


# The answer to a request, on a connection that is kept; undef: none came.

my $connection;

sub ask {
    my ($method, $path, $headers, $body) = @_;

    $connection ||= eval { Referral::Client->new($t->port) };
    my $r = $connection && eval {
        $connection->request($method, $path, $headers, $body)
    };

    $connection = undef
        if !$r || lc($r->header('Connection') // '') eq 'close';
    return $r;
}


sub follow {
    my ($n) = @_;

    return sub {
        my ($out) = @_;
        my $code = $CODES[rand @CODES];
        my $r = ask(GET => "/r/$code/wa",
            { %Referral::Client::BROWSER, 'X-Client' => $n });
        my $cookie = $r && ($r->header('Set-Cookie') // '') =~ /^ref_friends=\S/;

        print $out !$r ? 'none' : $r->status == 302 && $cookie ? $code
            : 'status ' . $r->status, "\n";
        sleep 0.001;
    };
}


# An order without an answer is sent again: it may be there.

sub order {
    my ($client) = @_;
    my $n = 0;
    my $again;
    my %headers = ('Authorization' => "Bearer $t->{token}{admin}",
        'Content-Type' => 'application/json', 'User-Agent' => 'shop/1.0');

    return sub {
        my ($out) = @_;
        my $id = "o-$client-$n";
        my $code = $CODES[$n % @CODES];
        my $r = ask(POST => '/referral/v1/conversions', \%headers,
            qq({"event":"purchase","order_id":"$id","code":"$code",)
            . '"amount":100,"currency":"EUR"}');
        my $status = $r ? $r->status : 'none';

        if ($status eq 'none' || $status == 503) {
            print $out "again $status $id\n";
            $again = 1;
            return;
        }

        print $out $status == 201 || $status == 202 || $again && $status == 200
            ? 'order' : "status $status", " $id\n";
        $again = 0;
        $n++;
        sleep 0.002;
    };
}


sub look {
    my @paths = ('/v1/codes/CODE01', '/v1/counters?by=day', '/v1/health',
        '/v1/leaderboard', '/v1/rewards?limit=10', '/metrics',
        '/v1/conversions/o-1-0');
    my $n = 0;

    return sub {
        my ($out) = @_;
        my $path = $paths[$n++ % @paths];
        my $r = ask(GET => "/referral$path",
            { Authorization => "Bearer $t->{token}{read}" });

        print $out !$r ? "none $path\n" : $r->status == 200 ? "read\n"
            : 'status ' . $r->status . " $path " . $r->body . "\n";
        sleep 0.01;
    };
}


sub acknowledged {
    my ($name) = @_;
    my %got;

    for my $file (glob $t->dir . "/client.$name*") {
        open my $in, '<', $file or die "$file: $!";
        while (<$in>) {
            chomp;
            push @{ $got{ /^(\S+)/ ? $1 : '' } }, $_;
        }
    }

    return \%got;
}


# --------------------------------------------------------- the machinery ---

# A worker that is forked while the signal to reopen logs comes has it, too,
# and opens them itself, as a user who may not.

my $inherited = qr/open\(\) "\S+\.log" failed \(13: /;
$t->allow($inherited);

# nginx -t, as whoever runs this, all the time.

sub test_loop {
    my ($out) = @_;
    my ($code, $said) = $t->check;
    print $out $code ? "failed $said\n" : "tested\n";
    sleep 0.1;
}


sub rotate {
    my ($n) = @_;
    rename $t->dir . "/$_.log", $t->dir . "/$_.log.$n" for qw(error access);
    kill USR1 => $t->pid;
}


# A new binary takes over; afterwards the test goes on with its master.

sub upgrade {
    my $file = $t->dir . '/nginx.pid';
    my $old = $t->pid;

    kill USR2 => $old;
    my $new = wait_for(sub {
        my ($pid) = Referral::Nginx::_read($file) =~ /^(\d+)/;
        return $pid && $pid != $old && $pid;
    }, 20) or return 0;

    my $serves = sub {
        local $t->{pid} = $new;
        return scalar $t->workers;
    };
    wait_for($serves, 20) or return 0;

    kill WINCH => $old;
    sleep 0.3;
    kill QUIT => $old;
    $t->{pid} = $new;

    return wait_for(sub { !kill 0 => $old }, 20);
}


# How long a worker takes to leave: of those that are seen, the longest.

my (%leaving, $longest);

sub leaving {
    my @pids = grep {
        Referral::Nginx::_title($_) =~ /worker process is shutting down/
    } $t->children;
    my %now = map { $_ => 1 } @pids;

    $leaving{$_} ||= time for @pids;

    for (keys %leaving) {
        my $took = time - $leaving{$_};
        $longest = $took if !defined $longest || $took > $longest;
        delete $leaving{$_} unless $now{$_};
    }

    return @pids;
}


sub anonymous {
    my ($kb) = Referral::Nginx::_read("/proc/@{[ $t->pid ]}/status")
        =~ /^RssAnon:\s+(\d+) kB/m;
    return $kb;
}


sub descriptors {
    my ($pid) = @_;
    my %of;

    for my $file (glob "/proc/$pid/fd/*") {
        my ($fd) = $file =~ /(\d+)$/;
        my $path = readlink $file // next;
        my ($flags) = Referral::Nginx::_read("/proc/$pid/fdinfo/$fd")
            =~ /^flags:\s+(\d+)/m;
        $of{$fd} = { path => $path, cloexec => oct($flags) & 02000000 };
    }

    return \%of;
}


# --------------------------------------------------------------- storm -----

$t->start;
$t->api(PUT => "/v1/codes/$_", { owner => lc }) for @CODES;

# what they look at is there from the beginning

$t->api(POST => '/v1/conversions', { event => 'purchase', order_id => 'o-1-0',
    code => $CODES[0], amount => 100, currency => 'EUR' });

client("click.$_", follow($_)) for 1 .. 3;
client("order.$_", order($_)) for 2 .. 3;
client('look', look());
client('test', \&test_loop);

my $end = time + $SECONDS;
my ($step, $reloads, $upgrades, $rotated, $raised) = (0, 0, 0, 0, 0);
my ($settled, $map) = (0, '64m');

while (time < $end) {
    my $next = time + $EVERY;
    my $passed = 1 - ($end - time) / $SECONDS;

    $step++;

    if (!$raised && $passed > 0.5) {
        $map = '256m';
        $raised = 1;
    }

    if ($step % 12 == 0 && $passed < 0.6) {
        $upgrades += upgrade() ? 1 : 0;
        $settled = 0;

    } else {
        $t->{workers} = 1 + int rand 4;
        $t->hup(conf($map));
        $reloads++;
    }

    rotate(++$rotated) if $step % 5 == 0;

    # the master has its first cycles behind it

    $settled = anonymous() if !$settled && $passed > 0.7;

    while (time < $next) {
        leaving();
        sleep 0.05;
    }
}

kill USR1 => keys %clients;
waitpid $_, 0 for keys %clients;

my $slow = $ENV{TEST_NGINX_PRELOAD} ? 4 : 1;

note("$reloads reloads, $upgrades upgrades, $rotated rotations");
cmp_ok($reloads, '>', $SECONDS / $slow, 'reloads');
cmp_ok($upgrades, '>', 0, 'binary upgrades');

my $click = acknowledged('click');
my $order = acknowledged('order');
my $look = acknowledged('look');
my $test = acknowledged('test');

is_deeply([sort grep { !/^(?:none|CODE\d\d)$/ } keys %$click], [],
    'clicks are answered 302 with a cookie');
is_deeply([grep { !/^(?:order|again)$/ } keys %$order], [],
    'orders are taken') or diag(explain([map { @$_[0 .. 3] } values %$order]));
is_deeply([grep { !/^(?:read|none)$/ } keys %$look], [], 'reads are answered')
    or diag(explain([map { @{ $look->{$_} } } grep { /status|died/ } keys %$look]));
is_deeply([keys %$test], ['tested'], 'nginx -t succeeds')
    or diag(explain([map { @$_[0 .. 3] } values %$test]));
cmp_ok(scalar(@{ $test->{tested} || [] }), '>', $SECONDS / 2 / $slow, 'and often');


# ------------------------------------------------------ nobody lingers -----

ok(wait_for(sub { !leaving() && $t->workers == $t->{workers} }, 10),
    'old workers are gone');
cmp_ok($longest || 0, '<', 10, 'none took long to leave');
note(sprintf 'the longest took %.1f s', $longest || 0);

my $grown = anonymous() - $settled;
note("the master has $settled kB, and $grown kB more at the end");
SKIP: {
    skip 'a sanitizer keeps what was freed', 1 if $slow > 1;
    cmp_ok($grown, '<', 2048, 'the master does not grow');
}

readers('after the storm');

sub readers {
    my ($when) = @_;
    my @all = `@as mdb_stat -r @{[ $t->store ]} 2>&1` =~ /^\s+(\d+) /mg;
    my %ours = map { $_ => 1 } $t->workers;

    is(join(' ', grep { !$ours{$_} } @all), '', "$when: no stale reader");
    cmp_ok(scalar(@all), '<=', scalar(keys %ours), "$when: one each at most");
}


# ------------------------------------------------------------ counted ------

my $clicks = 0;
$clicks += @{ $click->{$_} || [] } for @CODES;
note("$clicks clicks, ", scalar @{ $order->{order} }, ' orders');

my $counted = sub {
    my $data = $t->api(GET => '/v1/counters')->json->{data}[0];
    return $data->{clicks}{human};
};

ok(wait_for(sub { $counted->() >= $clicks }, 10), 'clicks are applied');
is($counted->(), $clicks, 'clicks answered are clicks counted');
is(join(' ', grep {
    $t->api(GET => "/v1/codes/$_")->json->{clicks}{human}
        != @{ $click->{$_} || [] }
} @CODES), '', 'for each code');

my %rows;
$rows{$_}++ for $t->api(GET => '/export/conversions.csv')->body
    =~ /\b(o-\d+-\d+)\b/g;

my %sent = map { /(o-\d+-\d+)$/ ? ($1 => 1) : () } map { @$_ } values %$order;
$sent{'o-1-0'} = 1;

my @taken = ('o-1-0', map { /(\S+)$/ } @{ $order->{order} });
is(join(' ', (grep { !$rows{$_} } @taken)[0 .. 5]), '', 'no order is lost')
    if grep { !$rows{$_} } @taken;
is(scalar(grep { $rows{$_} } @taken), scalar @taken,
    'orders acknowledged are there');
is(scalar(grep { $_ > 1 } values %rows), 0, 'each once');
is(scalar(grep { !$sent{$_} } keys %rows), 0, 'and no others');

my $events = 0;
$events += $t->api(GET => "/v1/codes/$_")->json->{events}{purchase}{count}
    for @CODES;
is($events, scalar(keys %rows), 'the counters have each once');

my $health = $t->api(GET => '/v1/health')->json;
is($health->{status}, 'ok', 'health');
is($health->{store}{map_size}, 256 * 1024 * 1024, 'the map is the larger one');


# ------------------------------------------------------------ left over ----

for my $pid ($t->workers) {
    my $of = descriptors($pid);
    my @store = grep {
        index($_->{path}, $t->store) == 0 || index($_->{path}, $t->intake) == 0
    } values %$of;
    my %times;

    $times{ $_->{path} }++ for @store;
    is(join(' ', map { $_->{path} } grep { !$_->{cloexec} } @store), '',
        'descriptors of the store are closed on exec');
    is(join(' ', grep { $of->{$_} && index($of->{$_}{path}, $t->store) == 0 }
        0 .. 2), '', 'none is a standard one');
    is(join(' ', grep { $times{$_} > 2 } keys %times), '', 'none is a leak');
    cmp_ok(scalar(keys %$of), '<', 40, 'nor are others');
}

my $many = keys %{ descriptors($t->pid) };
my @owned = map { chomp; $_ } `find @{[ $t->store, $t->intake ]} ! -uid $user[0]`;
is(join(' ', grep { $_ ne $t->intake } @owned), '',
    'all in store and rings belongs to the workers');
is(`find @{[ $t->store, $t->intake ]} -type f -perm /077`, '',
    'and is for nobody else');

$t->reload;
ok(wait_for(sub { keys %{ descriptors($t->pid) } <= $many }, 10),
    'the master has no descriptors more');

$t->quit;

my @rings = glob $t->intake . '/*';
is("@rings", '', 'no ring is left');

my $out = `@as $ctl verify @{[ $t->store ]} 2>&1`;
is($?, 0, 'verify finds nothing') or diag $out;

my @bad;
for my $file (glob $t->dir . '/error.log*') {
    push @bad, grep {
        /\[(?:alert|crit|emerg)\]|exited on signal/ && !/$inherited/
    } split /\n/, Referral::Nginx::_read($file);
}
is(join("\n", @bad[0 .. ($#bad < 5 ? $#bad : 5)]), '', 'the log has no complaint');

finish();
