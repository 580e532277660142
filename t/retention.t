#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Clicks that are older than `retention` leave the journal while nginx works;
# what they counted stays, and those that an event named or that gave points
# stay themselves.
#
# Would catch: a click deleted too early, or not at all; a counter that
# changes by it; a difference that verify finds after it; steps without a
# pause; the time of an old configuration after a reload; a purge that ends
# with its first failure.

use strict;
use warnings;

use Errno qw(ENOSPC);
use File::Copy qw(copy);
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use Referral::Fault;
use Referral::Load;
use Referral::Nginx timeout => 180;

my $CLICKS = 12_000;
my $STEP = 500;                         # rows of one step
my $DAY = 86_400;
my $now = int time;
my $first = $now - 200 * $DAY;          # evenly from then to now


sub conf {
    my ($retention) = @_;
    return <<"EOC";
    keepalive_requests 10000000;
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?\$";
        landing https://shop.example/welcome;
        event purchase points=10;
        event click points=1 limit=1/day;
        $retention
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC
}


# ------------------------------------------------- a store with a past -----

my (@clicks, %kept, %points);

for my $n (0 .. $CLICKS - 1) {
    my $time = $first + int(($now - $first) * $n / $CLICKS);
    my $code = $n % 2 ? 'ANNA' : 'BEN';
    my $class = $n % 5 ? 0 : 2;

    push @clicks, { time => $time, code => $code, class => $class,
        hex => sprintf('%018x', $n + 1),
        channel => $n % 3 ? 'wa' : '' };
}

my $t = Referral::Nginx->new(workers => 2,
    conf => conf('retention clicks=off;'));

make_store();
no_space();


sub make_store {
    my $store = $t->store;
    my $drive = "$Referral::Nginx::BUILD/unit/store_drive_cli";

    open my $to, '|-', "$drive @{[ $t->dir ]} > @{[ $t->dir ]}/drive.out"
        or die "store_drive_cli: $!";

    print $to "program\tfriends\t0\n",
        "rules\t1\t0\t0\t0\t2592000\t0\t0\t0\t0\tevent=purchase,10,0,0,0,0",
        "\tevent=click,1,0,0,0,1\n", "batch\t1000\n";
    print $to join("\t", 'code', 0, $first * 1000, 1, $_, 1, lc $_, 0, 0), "\n"
        for qw(ANNA BEN);

    for my $n (0 .. $#clicks) {
        my $c = $clicks[$n];
        my $ms = $c->{time} * 1000;

        print $to join("\t", 'click', 0, $ms, 1, $c->{code}, 0, $c->{class}, 0,
            $c->{channel}, $c->{hex}, $n + 1, 0, 0), "\n";

        # the first human click of a code and day gives a point

        my $day = int($c->{time} / $DAY);
        $kept{$n} = 'points'
            if !$c->{class} && !$points{"$c->{code} $day"}++;

        if ($n % 997 == 1) {
            print $to join("\t", 'event', 0, $ms + 1000, 1, 'purchase', "old$n",
                '', '', $c->{hex}, 0, 0, 978, 100, 0, 0, 0), "\n";
            $kept{$n} ||= 'an event';
        }
    }

    close $to or die "store_drive_cli failed\n";
    is(lines('drive.out', qr/^OK/), 2 + 1 + $CLICKS
        + grep({ $_ % 997 == 1 } 0 .. $#clicks), 'the store is made');

    own($store);
}


sub own {
    my ($store) = @_;
    return if $>;

    my @owner = (getpwnam 'www-data')[2, 3];
    chown @owner, $store, glob "$store/*";
}


sub lines {
    my ($file, $re) = @_;
    open my $f, '<', $t->dir . "/$file" or die "$file: $!";
    return scalar grep { $_ =~ $re } <$f>;
}


sub old {
    my ($days) = @_;
    my $before = time - $days * $DAY;
    return grep { !$kept{$_} && $clicks[$_]{time} < $before } 0 .. $#clicks;
}


# ------------------------------------------------------------- asking ------

sub purged {
    my ($n) = $t->api(GET => '/metrics')->body
        =~ /^referral_clicks_purged_total (\d+)$/m;
    return $n;
}


sub counters {
    my $from = strftime '%Y-%m-%d', gmtime $first - $DAY;
    my %all;

    for my $by (qw(day class channel code)) {
        my $r = $t->api(GET => "/v1/counters?by=$by&from=$from&limit=250");
        $all{$by} = $r->json->{data};
    }

    $all{$_} = $t->api(GET => "/v1/codes/$_")->json for qw(ANNA BEN);
    return \%all;
}


sub total {
    return $t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{total};
}


sub click {
    my ($n) = @_;
    my $id = encode_base64(pack('H*', $clicks[$n]{hex}), '') =~ tr{+/}{-_}r;
    return $t->api(GET => "/v1/clicks/$id")->status;
}


# Of those that are gone and of those that are not, some, and all at the edge.

sub some {
    my @of = @_;
    return @of if @of < 60;
    return @of[0 .. 9, map({ int($_ * @of / 40) } 1 .. 39), -10 .. -1];
}


sub there {
    my ($days, $what) = @_;
    my %gone = map { $_ => 1 } old($days);
    my @gone = some(sort { $a <=> $b } keys %gone);
    my @left = some(grep { !$gone{$_} && !$kept{$_} } 0 .. $#clicks);
    my @kept = some(grep { $kept{$_} } 0 .. $#clicks);

    is(join(' ', grep { click($_) != 404 } @gone), '', "$what: old ones: 404")
        if @gone;
    is(join(' ', grep { click($_) != 200 } @left), '', "$what: others: 200");
    is(join(' ', grep { click($_) != 200 } @kept), '', "$what: kept: 200");
}


sub verify {
    my ($what) = @_;
    my $out = `$Referral::Nginx::BUILD/referralctl verify @{[ $t->store ]} 2>&1`;
    is($?, 0, "$what: verify finds nothing") or diag $out;
}


# How the counter grows, as seen by a client that looks often.

sub watch {
    my ($want) = @_;
    my $end = time + 60;
    my (@seen, $last);

    while (time < $end) {
        my $before = time;
        my $n = purged();

        push @seen, { n => $n, from => $before, to => time }
            if !@seen || $n != $seen[-1]{n};
        last if $n >= $want;
        $last = $n;
        sleep 0.002;
    }

    return @seen;
}


# A step is of 500 rows at most, and there are 20 ms between two of them.

sub paced {
    my ($first, @seen) = @_;
    my $rows = $seen[-1]{n} - $seen[0]{n};
    my $took = $seen[-1]{to} - $seen[0]{from};
    my @quick = grep {
        my ($a, $b) = @seen[$_ - 1, $_];
        $b->{n} - $a->{n} > $STEP && $b->{to} - $a->{from} < 0.02
    } 1 .. $#seen;

    note(sprintf '%d rows in %.3f s, seen at %d times', $rows, $took,
        scalar @seen);
    is(scalar @quick, 0, 'never two of them at once');
    cmp_ok($took, '>', ($rows / $STEP - 1) * 0.02, 'with pauses between');
}


# A purge that fails says so, and goes on when there is space again.

sub no_space {
    local %ENV = %ENV;
    my $fault = Referral::Fault->new;
    my $full = Referral::Nginx->new(conf => conf('retention clicks=90d;'));
    my $want = old(90);
    my $health = sub { $full->api(GET => '/v1/health')->json };

    mkdir $full->store;
    copy($t->store . '/data.mdb', $full->store . '/data.mdb') or die "copy: $!";
    own($full->store);
    $full->start;
    $fault->set(calls => 'write|writev|pwrite|pwritev', file => '*/data.mdb',
        error => ENOSPC);

    ok(wait_for(sub { $health->()->{status} eq 'down' }, 12),
        'no space: health knows');
    like($health->()->{detail}, qr/No space left|Input\/output error/,
        'and why');
    sleep 6;
    is($health->()->{store}{clicks_purged}, 0, 'nothing is gone');

    my %lines;
    $lines{$_}++ for $full->log =~ /^(\S+ \S+) .*referral:/mg;
    cmp_ok(scalar(keys %lines), '>', 0, 'the log has it');
    is(join(' ', grep { $lines{$_} > 1 } keys %lines), '',
        'one line a second at most');

    $fault->heal;
    ok(wait_for(sub { $health->()->{store}{clicks_purged} == $want }, 20),
        'with space again the purge goes on');
    is($health->()->{status}, 'ok', 'in order again');
    $full->quit;
}


# ------------------------------------------------------------ clicks=off ---

$t->start;

my $counters = counters();
is(total(), $CLICKS, 'all clicks are counted');
cmp_ok(scalar(keys %kept), '>', 300, 'some of them are to be kept');

sleep 6.5;
is(purged(), 0, 'clicks=off: nothing is purged');
there(1000, 'clicks=off');


# ------------------------------------------- 90 days, under load -----------

my $load = Referral::Load->new(port => $t->port, clients => 2, seconds => 12,
    uris => ['/r/ANNA', '/r/BEN/wa']);

ok($t->reload(conf('retention clicks=90d journal=off;')), '90 days');

my $want = old(90);
my ($orders, $failed) = (0, 0);
my $pid = fork() // die "fork: $!";

if ($pid == 0) {
    $SIG{ALRM} = 'DEFAULT';
    my $end = time + 8;
    my $bad = 0;
    for (my $n = 0; time < $end; $n++) {
        $bad++ if $t->api(POST => '/v1/conversions', { event => 'purchase',
            order_id => "n$n", code => 'ANNA' })->status != 201;
    }
    POSIX::_exit($bad ? 1 : 0);
}

my @seen = watch($want);

waitpid $pid, 0;
is($?, 0, 'conversions go on meanwhile');

my $sum = $load->wait;
cmp_ok($sum->{answered}, '>', 1000, 'and clicks');
is($sum->{other}, 0, 'all are redirected');

is(purged(), $want, "$want clicks are purged");
ok(wait_for(sub { total() == $CLICKS + $sum->{answered} }, 10),
    'the counters have them and the new ones') or diag(total());
there(90, '90 days');
verify('90 days');

paced(@seen);


# An order that names a click which is gone, and one that is not.

is(order('gone', (old(90))[-1])->{status}, 'unattributed',
    'an order that names a purged click has no attribution');
is(order('left', $#clicks)->{attribution}{method}, 'click_id',
    'one that names a young one has');
$kept{$#clicks} = 'an event';

sub order {
    my ($id, $n) = @_;
    my $click = encode_base64(pack('H*', $clicks[$n]{hex}), '') =~ tr{+/}{-_}r;
    return $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => $id, click_id => $click })->json;
}


# ------------------------------------- a shorter time, and a kept click ----

my $before = counters();

ok($t->reload(conf('window 7d; retention clicks=40d;')), '40 days');

my $more = old(40);
cmp_ok($more, '>', $want + 1000, 'there is more to purge');

# nobody else works now: what takes time is the pauses

@seen = watch($more);
is($seen[-1]{n}, $more, 'a reload purges more');
paced(@seen);
sleep 6;
is(purged(), $more, 'and no more than that');

is_deeply(counters(), $before, 'no counter changes by it');
there(40, '40 days');

my $health = $t->api(GET => '/v1/health')->json;
is($health->{status}, 'ok', 'health');
is($health->{store}{clicks_purged}, $more, 'knows how many');

is_deeply([map { $_->{clicks} } grep { $_->{day} lt today() }
        @{$before->{day}}],
    [map { $_->{clicks} } grep { $_->{day} lt today() } @{$counters->{day}}],
    'days of purged clicks are what they were before the first');

sub today { strftime '%Y-%m-%d', gmtime $now }

$t->restart;
is_deeply(counters(), $before, 'nor by a restart');
verify('after a restart');

finish();
