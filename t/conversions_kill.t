# kill -9, of workers and of everything, while 1,000 orders are posted three
# times and more: each is there once, with its rewards, points and amounts
# once, as this test counts them itself.  Catches an order that was answered
# before it was safe, and one that was applied again by the next owner of its
# ring.

use strict;
use warnings;
use lib 't/lib';

use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Referral::Nginx timeout => 240;

my $workers = $ENV{TEST_KILL_WORKERS} || 15;
my $all = $ENV{TEST_KILL_ALL} || 5;

my $ORDERS = 1000;
my $POSTS = 3;
my $CLIENTS = 6;
my $SPREAD = 0.4 * $workers + 1.2 * $all;       # seconds
my @CODES = map { sprintf 'CODE%02d', $_ } 0 .. 19;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    keepalive_requests 10000000;

    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10 hold=2s;
        tier bronze 50;
        tier silver 400;
        reward mug to=referrer on=purchase "value=a mug";
        reward third to=referrer on=purchase every=3;
        reward commission to=referrer on=purchase value=7.5%;
        reward welcome to=friend on=purchase value=5% hold=1s;
    }

    server {
        listen 127.0.0.1:%%PORT%%;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

# a killed process keeps its sockets until its last write to the disk has
# ended; nginx tries to bind again

$t->allow(qr/exited on signal 9/, qr/bind\(\) .*Address already in use/);
$t->start;
$t->api(PUT => "/v1/codes/$_", { owner => "owner-$_" }) for @CODES;

my $sum = load();
my @created = @{ $sum->{created} };

note("posts $sum->{posts}, answered 2xx $sum->{answered}, 503 $sum->{later}, ",
    "without an answer $sum->{broken}");

cmp_ok($sum->{posts}, '>=', $POSTS * $ORDERS, 'each order was posted often');
cmp_ok($sum->{broken}, '>', 0, 'some posts had no answer');
is(join("\n", @{ $sum->{other} }), '', 'no other answers than 2xx and 503');

my @trouble = $t->log =~ /^(.*referral: (?!the store is in order).*)$/mg;
is("@trouble", '', 'the store was never in trouble');

is(join(' ', grep { $created[$_] > 1 } 0 .. $#created), '',
    'no order was answered 201 or 202 as a new one twice');
is(join(' ', acknowledge()), '', 'in the end each order is acknowledged, '
    . 'as a duplicate when it was before');

my @expected = expected();

ok(wait_for(sub { !pending() }, 10), 'holds pass');
ok($t->restart, 'restart');
is(pending(), 0, 'nothing waits');

orders();
rewards();
codes();
totals();

$t->quit;

my $verify = `$Referral::Nginx::BUILD/referralctl verify @{[ $t->store ]} 2>&1`;
is($?, 0, 'the recount finds nothing') or diag $verify;

my @rings = glob $t->intake . '/*';
is("@rings", '', 'no ring is left');

finish();


# ----------------------------------------------------------------- orders --

# Every 25th customer is the owner of the code: that order is held.

sub order {
    my ($n) = @_;
    my $code = $CODES[$n % @CODES];

    return {
        event => 'purchase', order_id => "order-$n", code => $code,
        amount => 100 + $n * 7919 % 9900, currency => 'EUR',
        customer_id => $n % 25 ? "customer-$n" : "owner-$code",
    };
}


sub held { $_[0] % 25 == 0 }


# What there has to be, of each code.

sub expected {
    my %code = map { $_ => { good => 0, held => 0, gross => 0,
        commission => 0, waiting => 0 } } @CODES;

    for my $n (0 .. $ORDERS - 1) {
        my $order = order($n);
        my $c = $code{ $order->{code} };

        $c->{gross} += $order->{amount};
        $c->{ held($n) ? 'held' : 'good' }++;
        $c->{ held($n) ? 'waiting' : 'commission' }
            += int($order->{amount} * 750 / 10000);
    }

    return %code;
}


# ------------------------------------------------------------------- load --

# Orders are new one after the other, while processes are killed.

sub load {
    my $start = time;
    my (@pids, @pipes);

    for my $client (0 .. $CLIENTS - 1) {
        pipe my $read, my $write or die "pipe() failed: $!\n";
        my $pid = fork() // die "fork() failed: $!\n";

        if ($pid == 0) {
            close $read;
            my $done = eval { client($client, $start) } || { failed => $@ };
            print $write encode_json($done);
            close $write;
            POSIX::_exit(0);
        }

        close $write;
        push @pids, $pid;
        push @pipes, $read;
    }

    for my $n (1 .. $workers + $all) {
        sleep 0.1 + rand 0.3;

        if ($n * $all % ($workers + $all) < $all) {
            $t->kill9;
            $t->start;

        } else {
            my @now = wait_two();
            kill KILL => $now[rand @now];
        }
    }

    sleep 0.3;
    kill USR1 => @pids;

    my $sum = total(@pipes);
    waitpid $_, 0 for @pids;
    return $sum;
}


sub wait_two {
    my @pids;

    wait_for(sub { (@pids = $t->workers) == 2 }, 10);

    return @pids;
}


sub total {
    my %sum = (posts => 0, answered => 0, later => 0, broken => 0,
        other => [], created => [(0) x $ORDERS], known => []);

    for my $pipe (@_) {
        local $/;
        my $done = decode_json(scalar <$pipe>);

        die "a client failed: $done->{failed}" if $done->{failed};

        $sum{$_} += $done->{$_} for qw(posts answered later broken);
        push @{ $sum{other} }, @{ $done->{other} };
        $sum{created}[$_] += $done->{created}{$_}
            for keys %{ $done->{created} };
        $sum{known}[$_] = 1 for keys %{ $done->{known} };
    }

    return \%sum;
}


# Posts those orders of all that are its own, each when its time has come, and
# in between, again and again, what others may be posting as well.

sub client {
    my ($client, $start) = @_;
    my $stop = 0;

    local $SIG{USR1} = sub { $stop = 1 };
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = 'DEFAULT';
    alarm 120;

    my %done = (posts => 0, answered => 0, later => 0, broken => 0,
        other => [], created => {}, known => {});
    my @own = grep {
        my $n = $_;
        grep { ($n + $_) % $CLIENTS == $client } 0 .. $POSTS - 1;
    } 0 .. $ORDERS - 1;
    my $socket;

    while (@own || !$stop) {
        my $opened = (time - $start) / $SPREAD * $ORDERS;
        my $n = @own && $own[0] < $opened ? $own[0] : again($opened);

        $socket ||= to_nginx() or next;
        shift @own if @own && $own[0] == $n;
        post($socket, $n, \%done) or undef $socket;
    }

    return \%done;
}


sub again {
    my ($opened) = @_;
    my $last = $opened < $ORDERS ? int $opened : $ORDERS - 1;
    my $first = $last > 30 ? $last - 30 : 0;

    return $first + int rand($last - $first + 1);
}


sub to_nginx {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port, Proto => 'tcp', Timeout => 2);

    sleep 0.02 unless $socket;

    return $socket;
}


# False when the connection is of no more use.

sub post {
    my ($socket, $n, $done) = @_;
    my $body = encode_json(order($n));

    $done->{posts}++;
    syswrite $socket, join "\r\n", 'POST /referral/v1/conversions HTTP/1.1',
        'Host: shop.example', "Authorization: Bearer $t->{token}{write}",
        'Content-Type: application/json', 'Content-Length: ' . length $body,
        '', $body;

    my $answer = answer($socket);

    unless (defined $answer) {
        $done->{broken}++;
        return 0;
    }

    if ($answer =~ m{^HTTP/1\.1 20[012] .*"order_id":"order-$n"}s) {
        $done->{answered}++;
        $done->{known}{$n} = 1;
        $done->{created}{$n}++ if $answer =~ /"duplicate":false/;

    } elsif ($answer =~ m{^HTTP/1\.1 503 }) {
        $done->{later}++;
        sleep 0.05;

    } else {
        push @{ $done->{other} }, $answer;
    }

    return $answer !~ /\r\nConnection: close\r\n/i;
}


sub answer {
    my ($socket) = @_;
    my $answer = '';

    until ($answer =~ /\r\n\r\n/) {
        sysread($socket, $answer, 8192, length $answer) or return;
    }

    my ($length) = $answer =~ /\r\nContent-Length: (\d+)\r\n/i or return;
    my $end = index($answer, "\r\n\r\n") + 4 + $length;

    while (length $answer < $end) {
        sysread($socket, $answer, 8192, length $answer) or return;
    }

    return $answer;
}


# A last post of each; returns those that are not there, or were not although
# they had been acknowledged.

sub acknowledge {
    my @wrong;

    for my $n (0 .. $ORDERS - 1) {
        my $body = order($n);
        my $r;

        my $done = wait_for(sub {
            $r = $t->api(POST => '/v1/conversions', $body);
            return $r->status =~ /^20[012]$/;
        }, 5);

        push @wrong, $n if !$done
            || $sum->{known}[$n] && !$r->json->{duplicate};
    }

    return @wrong;
}


# ----------------------------------------------------------------- checks --

sub pending {
    my $sum = 0;

    for my $code (@CODES) {
        my $c = $t->api(GET => "/v1/codes/$code")->json;
        $sum += $c->{events}{purchase}{pending} + $c->{rewards}{pending};
    }

    return $sum;
}


sub orders {
    my (%seen, @wrong);

    $seen{ $_->{order_id} }++ for journal('conversion');
    is(join(' ', grep { ($seen{"order-$_"} || 0) != 1 } 0 .. $ORDERS - 1), '',
        'each order is in the journal once');
    is(scalar keys %seen, $ORDERS, 'and no other');

    my $c = $t->connect;

    for my $n (0 .. $ORDERS - 1) {
        $c->send($c->format(GET => "/referral/v1/conversions/order-$n",
            { Authorization => "Bearer $t->{token}{read}" }));
        my $o = $c->response('GET')->json;
        my $order = order($n);
        my $names = join ' ', sort map { "$_->{name}:$_->{state}" }
            @{ $o->{rewards} };
        my $state = held($n) ? 'held' : 'approved';

        push @wrong, "$n: " . encode_json($o) unless $o->{status} eq $state
            && $o->{code} eq $order->{code} && $o->{refunded} == 0
            && $o->{amount} == $order->{amount}
            && $o->{points} == (held($n) ? 0 : 10)
            && $names =~ s/ third:approved//r
                eq "commission:$state mug:$state welcome:$state";
    }

    is(join("\n", @wrong), '', 'each order is as it was posted');
}


sub journal {
    my ($type) = @_;
    my ($after, @entries) = (0);

    for ( ;; ) {
        my @lines = map { decode_json($_) } split /\n/,
            $t->api(GET => "/v1/journal?type=$type&limit=1000&after=$after")
            ->body;
        my $end = pop @lines;

        push @entries, @lines;
        return @entries unless $end->{more};
        $after = $end->{next};
    }
}


# All rewards, by their names: each of an order once.

sub rewards {
    my (%count, %seen);
    my $after = '';

    while (defined $after) {
        my $page = $t->api(GET => '/v1/rewards?limit=250'
            . ($after ne '' ? "&after=$after" : ''))->json;

        for my $r (@{ $page->{data} }) {
            $count{"$r->{name} $r->{state}"}++;
            $seen{"$r->{name} $r->{order_id}"}++;
        }

        $after = $page->{next};
    }

    my %code = @expected;
    my ($good, $held, $third) = (0, 0, 0);

    for my $c (values %code) {
        $good += $c->{good};
        $held += $c->{held};
        $third += int($c->{good} / 3);
    }

    is_deeply(\%count, {
        (map { ("$_ approved" => $good, "$_ held" => $held) }
            qw(mug commission welcome)),
        'third approved' => $third,
    }, 'as many rewards of each name and state as there have to be');
    is(join(' ', grep { $seen{$_} > 1 } sort keys %seen), '',
        'each order has each reward once');
}


sub codes {
    my %code = @expected;

    for my $name (@CODES) {
        my $e = $code{$name};
        my $c = $t->api(GET => "/v1/codes/$name")->json;
        my $p = $c->{events}{purchase};
        my $third = int($e->{good} / 3);

        is_deeply({
            map({ $_ => $p->{$_} } qw(count approved held)),
            points => $c->{points}, gross => $p->{amounts}{EUR}{gross},
            approved_rewards => $c->{rewards}{approved},
            held_rewards => $c->{rewards}{held},
            commission => $c->{amounts}{EUR}{approved},
            waiting => $c->{amounts}{EUR}{held},
        }, {
            count => $e->{good} + $e->{held}, approved => $e->{good},
            held => $e->{held}, points => 10 * $e->{good},
            gross => $e->{gross},
            approved_rewards => 2 * $e->{good} + $third,
            held_rewards => 2 * $e->{held},
            commission => $e->{commission}, waiting => $e->{waiting},
        }, "$name: the sums are those of its orders") or diag explain $c;
    }
}


sub totals {
    my %code = @expected;
    my ($gross, $good) = (0, 0);

    for my $c (values %code) {
        $gross += $c->{gross};
        $good += $c->{good};
    }

    my ($e) = grep { $_->{event} eq 'purchase' }
        @{ $t->api(GET => '/v1/counters?by=event')->json->{data} };

    is($e->{count}, $ORDERS, 'the program: orders');
    is($e->{approved}, $good, 'the program: approved');
    is($e->{amounts}{EUR}{gross}, $gross, 'the program: amounts');
    is($e->{points}, 10 * $good, 'the program: points');

    my $leaders = $t->api(GET => '/v1/leaderboard?limit=250')->json->{data};
    is_deeply({ map { ($_->{code} => $_->{points}) } @$leaders },
        { map { ($_ => 10 * $code{$_}{good}) } @CODES },
        'the leaderboard has the points');
}
