#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# referralctl import conversions, beside an nginx that takes clicks and orders:
# each order once, however often it is imported; holds of the past are over,
# contests of the past stay as they are; a line that is wrong is told and
# nothing else.
#
# Catches an import that is not idempotent, that loses what a killed one has
# begun, or that leaves files which nginx cannot open.

use strict;
use warnings;
use lib 't/lib';

use File::Temp qw(tempdir);
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep);

use Referral::Load;
use Referral::Nginx timeout => 240;
use Referral::Run qw(run);

my $DAY = 86400;
my $now = time;
my $tmp = tempdir(CLEANUP => 1);
my $ctl = "$tmp/referralctl";
my $json = JSON::PP->new->canonical;

chmod 0755, $tmp;
system('cp', "$Referral::Nginx::BUILD/referralctl", $ctl) == 0
    or BAIL_OUT('there is no referralctl');

my $conf = <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%% map_size=64m;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing https://shop.example/welcome;
        event signup points=5 once=customer;
        event purchase points=10 hold=14d min=500;
        reward commission to=referrer on=purchase value=10%;
        contest past from=@{[ date(40) ]} to=@{[ date(20) ]};
        contest now from=@{[ date(20) ]} to=@{[ date(-20) ]};
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

my $t = Referral::Nginx->new(workers => 2, conf => $conf);

$t->start;
$t->api(PUT => "/v1/codes/$_->[0]", { owner => $_->[1] })
    for ['ANNA42', 'u1'], ['BEN7', 'u2'];

subtest 'wrong use' => \&wrong_use;
subtest 'a dry run' => \&dry_run;
subtest 'orders of the past' => \&past;
subtest 'beside traffic' => \&traffic;
subtest 'wrong lines' => \&wrong_lines;
subtest 'refunds that were exported' => \&refunds;
subtest 'holds that were exported' => \&holds;
subtest 'killed' => \&killed;
subtest 'progress' => \&progress;

SKIP: {
    skip 'only root can act as others', 1 if $> != 0;
    subtest 'users' => \&users;
}

subtest 'what the dead left' => \&dead;
subtest 'in the end' => \&in_the_end;

finish();


sub wrong_use {
    my $file = lines('one', order('w1'));

    refused(qr/usage: referralctl import codes\|conversions DIR PROGRAM FILE/,
        'import');
    refused(qr/usage: referralctl import codes/, qw(import conversions),
        $t->store, 'friends');
    refused(qr/cannot import "orders", only codes and conversions/,
        qw(import orders), $t->store, 'friends', $file);
    refused(qr/usage: referralctl stat DIR/, 'stat', $t->store, '--dry-run');
    refused(qr/has no program "freunde", only "friends"$/,
        qw(import conversions), $t->store, 'freunde', $file);
    refused(qr/cannot open "\Q$tmp\E\/none" \(No such file/,
        qw(import conversions), $t->store, 'friends', "$tmp/none");

    mkdir "$tmp/empty";
    refused(qr/cannot open ".*empty\/data.mdb" \(No such file/,
        qw(import conversions), "$tmp/empty", 'friends', $file);
    is_deeply([glob "$tmp/empty/*"], [], 'no store is made');
    is(status('w1'), 404, 'and nothing was taken anywhere');
}


sub dry_run {
    my $file = lines('dry', order('d1'), order('d2'), '{"order_id":1}', '');
    my $before = stat_store()->{journal};

    my ($code, $out, $err) = import($file, '--dry-run');
    is($code, 1, 'a line is refused');
    like($out, qr/\Alines +4\nnew +2\nknown +0\nrefused +1\n\z/, 'counted');
    like($err, qr/^referralctl: line 3: "order_id": it is /m, 'and told');
    like($err, qr/^referralctl: line 3: "event": it is missing/m,
        'with all that is wrong');
    is(stat_store()->{journal}, $before, 'nothing is written');

    is((import(lines('ok', order('d1')), '--dry-run'))[0], 0, 'a good file');
}


sub past {
    my $file = lines('past',
        order('p1', days => 30, code => 'anna42'),
        order('p2', days => 15, code => 'ANNA42', customer_id => 'f2'),
        order('p3', days => 13, code => 'ANNA42'),
        order('p4', days => -1, code => 'BEN7'),
        order('p5', days => 30),
        order('p6', days => 30, code => 'ANNA42', customer_id => 'u1'),
        order('p7', days => 30, code => 'ANNA42', amount => 499));

    my ($sum, $err) = summary($file);
    is_deeply($sum, { dry_run => JSON::PP::false, lines => 7, new => 7,
        duplicates => 0, conflicts => 0, refused => 0, statuses => {
        approved => 2, pending => 2, held => 1, unattributed => 1,
        rejected => 1, refunded => 0 } }, 'each by what it is') or diag $err;

    is(status("p$_->[0]"), $_->[1], "p$_->[0] is $_->[1]") for
        [1 => 'approved'], [2 => 'approved'], [3 => 'pending'],
        [4 => 'pending'], [5 => 'unattributed'], [6 => 'held'],
        [7 => 'rejected'];

    my %state = map { $_->{order_id} => $_->{state} }
        @{ $t->api(GET => '/v1/rewards')->json->{data} };
    is($state{p1}, 'approved', 'a hold that is over is over for rewards');
    is($state{p3}, 'pending', 'one that is not is not');

    is(leaders('all'), 'ANNA42 30, BEN7 10', 'points of all time');
    is(leaders('past'), '', 'a contest that has ended stays as it was');
    is(leaders('now'), 'ANNA42 20, BEN7 10', 'one that goes on goes on');
    is(leaders(strftime '%Y-%m', gmtime $now - 30 * $DAY) =~ /ANNA42/, 1,
        'months are those of the orders');

    ($sum) = summary($file);
    is("$sum->{new} $sum->{duplicates}", '0 7', 'a second time');
    is(leaders('all'), 'ANNA42 30, BEN7 10', 'changes nothing');

    my ($code, $out) = import($file);
    is($code, 0, 'and is no failure');
    like($out, qr/^duplicates +7$/m, 'as text');
    like($out, qr/^  held +0$/m, 'with what is new by status');
    like($out, qr/^  unattributed +0$/m, 'each apart from its number');

    my $order = decode_json(order('p1', days => 30, code => 'anna42'));
    my $r = $t->api(POST => '/v1/conversions', $order);
    is($r->status, 200, 'the same through the endpoint is a duplicate');
    ok($r->json->{duplicate}, 'and is said to be');
}


sub traffic {
    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => ['/r/ANNA42', '/r/BEN7'], seconds => 60);
    my @orders = map { order("t$_", days => $_ % 60, code => $_ % 3 ?
        'ANNA42' : 'BEN7', customer_id => "t$_") } 1 .. 3000;

    # the endpoint takes some of the same meanwhile

    my $file = lines('traffic', @orders);
    open my $pipe, '-|', "$ctl import conversions @{[ $t->store ]} friends "
        . "$file --json" or die;
    my %by = (200 => 0, 201 => 0);

    $by{ $t->api(POST => '/v1/conversions', decode_json($orders[-$_]))
        ->status }++ for 1 .. 100;

    my $sum = decode_json(join '', <$pipe>);
    ok(close $pipe, 'the import ends well');

    is($sum->{new} + $sum->{duplicates}, 3000, 'each line is one of both');
    is($by{200} + $by{201}, 100, 'so is each order to the endpoint');
    is($sum->{new} + $by{201}, 3000, 'and all of them once');

    ($sum) = summary($file);
    is("$sum->{new} $sum->{duplicates}", '0 3000', 'the same again');

    my $clicks = $load->stop;
    cmp_ok($clicks->{answered}, '>', 100, 'there was traffic');
    is($clicks->{other}, 0, 'which was answered');
}


sub wrong_lines {
    my @wrong = (
        ['{"event":"purchase"', qr/^line N: .*end of file/],
        ['[1]', qr/^line N: it is not a JSON object/],
        ['null', qr/^line N: /],
        ['{"event":"purchase","event":"purchase"}', qr/^line N: dup/],
        [order('x1', event => 'sale'), qr/"event": the program declares no/],
        [order('x2', event => 'click'), qr/"event": /],
        [order('x3', event => 'signup'), qr/"customer_id": this event/],
        [order('x4', amount => '49,99'), qr/"amount": /],
        [order('x5', currency => 'EURO'), qr/"currency": /],
        [order('x6', token => 'abc'),
            qr/"token": it is not known here, only to nginx/],
        [order('x7', "\e[2J" => 1), qr/^line N: "\?\[2J": there is no such/],
        [order('x8', customer_id => 'x' x 129), qr/"customer_id": /],
        [order('x9', token => 'x' x 16384), qr/longer than 16384 bytes/],
        [order('p1', amount => 7), qr/"order_id": it is taken by an event/],
        ["\0" . order('x10'), qr/^line N: /]);

    my $file = lines('wrong', map { ($wrong[$_][0], order("good$_")) }
        0 .. $#wrong);
    my ($code, $out, $err) = import($file, '--json');
    my $sum = decode_json($out);
    my %told = map { /line (\d+): (.*)/ ? ($1 => "line N: $2") : () }
        split /\n/, $err;

    is($code, 1, 'exit 1');
    is_deeply([@$sum{qw(lines new conflicts refused)}],
        [2 * @wrong, scalar @wrong, 1, $#wrong], 'the others are taken');
    is(scalar(keys %told), scalar @wrong, 'nothing is said of them');
    like($told{1 + 2 * $_}, $wrong[$_][1], "line $_") for 0 .. $#wrong;
    is(status("good$_"), 'unattributed', "good$_ is there")
        for 0, $#wrong;
    is(status("x$_"), 404, "x$_ is not") for 1 .. 10;

    ($code, $out, $err) = import(lines('crlf', order('cr1') . "\r", " \t\r",
        order('cr2'), substr order('cr3'), 0, -1), '--json');
    is_deeply([@{ decode_json($out) }{qw(lines new refused)}], [4, 2, 1],
        'ends of lines of another system, empty lines, no end at all');

    is(import_stdin(order('in1') . "\n" . order('in2')), 2,
        'from standard input');
}


# A refund belongs to an order that an import brought, and comes once.

sub refunds {
    my %order = (event => 'purchase', amount => 4999, currency => 'EUR',
        code => 'ANNA42');

    is($t->api(POST => '/v1/conversions', { %order, order_id => 'e1' })
        ->status, 201, 'an order of the endpoint');
    is($t->api(POST => '/v1/conversions/e1/refunds', { refund_id => 'r1',
        amount => 100 })->status, 201, 'and a refund of it');

    my ($mine) = exported('e1');
    my ($sum, $err) = summary(lines('own', $mine));
    is($sum->{conflicts}, 1, 'an order of the store itself, now of a time');
    is(refunded('e1'), 100, 'is not refunded again');

    ($sum, $err) = summary(lines('conflict', told('e1', amount => 7,
        status => 'refunded', refunded => 7)));
    is("$sum->{conflicts} $err", '1 1 referralctl: line 1: "order_id": it is '
        . "taken by an event of other content\n", 'a conflict');
    is(refunded('e1'), 100, 'refunds nothing');

    # another, which was refunded in parts, and one as a whole

    my $file = lines('told', told('e2', refunded => 30),
        told('e3', status => 'refunded', refunded => 4999),
        told('e4', event => 'signup', customer_id => 'e4', amount => undef,
            currency => undef, status => 'refunded', refunded => undef),
        told('e5', event => 'signup', customer_id => 'e4', amount => undef,
            currency => undef, refunded => undef));
    ($sum, $err) = summary($file);
    is("$sum->{new} $err", '4 0 ', 'new ones');
    is(refunded('e2'), 30, 'with a part');
    is(status($_), 'refunded', "$_ whole") for 'e3', 'e4';
    is(status('e5'), 'approved', 'and what came after has the place');

    is($t->api(POST => '/v1/conversions/e2/refunds', { refund_id => 'r2',
        amount => 5 })->status, 201, 'a later refund');
    ($sum, $err) = summary($file);
    is("$sum->{duplicates} $err", '4 0 ', 'the same file again');
    is(refunded('e2'), 35, 'changes nothing');

    ($mine) = exported('e2');
    ($sum, $err) = summary(lines('own', $mine));
    is("$sum->{duplicates} $err", '1 0 ', 'nor does what is exported then');
    is(refunded('e2'), 35, 'which has both refunds');

    # as if an import had been killed before the refund

    is((import(lines('killed1', told('e6'))))[0], 0, 'an order only');
    is((import(lines('killed2', told('e6', refunded => 40))))[0], 0,
        'the import is repeated');
    is(refunded('e6'), 40, 'and completed');

    for my $wrong ('"300"', '-1', '1.5', 'true', '[1]') {
        ($sum, $err) = summary(lines('wrong_refund',
            told('e7') =~ s/"refunded":0/"refunded":$wrong/r));
        is("$sum->{refused} $err", '1 1 referralctl: line 1: "refunded": it '
            . "is not an integer of minor units\n", "$wrong is refused");
    }

    is(status('e7'), 404, 'with its order');
}


# Why it was held is not told again, so it waits for somebody anew.

sub holds {
    my @why = qw(velocity too_soon before_click per_click);
    my ($sum, $err) = summary(lines('held', told('h0'),
        (map { told("h_$_", status => 'held', reasons => [$_, 'self']) } @why),
        told('h5', status => 'held', reasons => ['self']),
        told('h6', reasons => ['velocity', 'released'])));
    is("$sum->{new} $err", '7 0 ', 'events');

    for (@why) {
        my $got = conversion("h_$_");
        is("$got->{status} @{ $got->{reasons} } $got->{points}",
            'held velocity 0', "held for $_");
    }

    is(status($_), 'approved', "$_ is not held again") for qw(h0 h5 h6);

    ($sum, $err) = summary(lines('held_csv', 'order_id,event,status,code,'
        . 'customer_id,amount,currency,reasons,recorded_at', 'h7,purchase,held,'
        . 'ANNA42,,4999,EUR,self too_soon,2026-01-02T03:04:05Z'));
    is("$sum->{new} $err", '1 0 ', 'as CSV');
    is(status('h7'), 'held', 'held, too');

    my ($out) = exported('h7');
    ($sum, $err) = summary(lines('held_again', $out));
    is("$sum->{duplicates} $err", '1 0 ', 'the same again');
    is($t->api(POST => '/v1/conversions/h7/approve')->status, 200,
        'somebody decides');
    is(status('h7'), 'approved', 'it is good');
}


# What a killed one has taken but not stored is stored by nginx or the next.

sub killed {
    my $all = 40000;
    my $file = lines('killed', map { order("k$_", code => 'BEN7') }
        1 .. $all);
    my $new = 0;

    for my $wait (0.05, 0.1, 0.2, 0.3) {
        my $pid = fork() // die;

        if ($pid == 0) {
            open STDOUT, '>', '/dev/null';
            exec $ctl, qw(import conversions), $t->store, 'friends', $file;
        }

        sleep $wait;
        kill KILL => $pid;
        waitpid $pid, 0;
        $new += ($? & 127) == 9;
    }

    cmp_ok($new, '>', 0, 'it was killed in the middle');

    my ($sum) = summary($file);
    is($sum->{new} + $sum->{duplicates}, $all, 'the next one ends it');
    cmp_ok($sum->{duplicates}, '>', 0, 'with what the first ones did');
    is(status('k1') . status("k$all"), 'pending' x 2, 'all are there');

    is($t->api(GET => '/v1/codes/BEN7')->json->{events}{purchase}{count},
        $all + 1001, 'once each');
}


# An import takes the slot of a worker that died: its ring is where nginx has
# it, and what is in it is stored first.

sub dead {
    my $dead = Referral::Nginx->new(conf => $conf =~ s/map_size=64m/$&
        interval=60s/r);
    $dead->start;
    $dead->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
    $dead->get('/r/ANNA42') for 1 .. 20;
    $dead->kill9;

    my @rings = glob $dead->intake . '/*';
    is(scalar @rings, 1, 'a ring is left');

    my ($code, $out, $err) = run({}, $ctl, qw(import conversions),
        $dead->store, 'friends', lines('dead', order('o1')));
    is($code, 0, 'the import') or diag $err;
    @rings = glob $dead->intake . '/*';
    is(scalar @rings, 0, 'has emptied it');

    $dead->start;
    is($dead->api(GET => '/v1/codes/ANNA42')->json->{clicks}{human}, 20,
        'no click is lost');
    $dead->quit;
}


sub progress {
    plan skip_all => 'there is no pseudo-terminal here'
        if system('script -qec true /dev/null >/dev/null 2>&1') != 0;

    my $file = "$tmp/killed.ndjson";
    my $out = `script -qec '$ctl import conversions @{[
        $t->store ]} friends $file --dry-run' /dev/null`;

    is($?, 0, 'on a terminal');
    like($out, qr/\r\[\.+\] 0\.0 of 3\.\d MiB, 0 %\e\[K/, 'it begins');
    like($out, qr/\r\e\[Klines +40000/, 'and goes away');
    is((import($file, '--dry-run'))[2], '', 'none where nobody looks');
}


sub users {
    my $www = getpwnam 'www-data';
    my @files = map { glob "$_/*" } $t->store, $t->intake;

    is_deeply([grep { (stat)[4] != $www } @files], [],
        'as root: no file of root among ' . @files);

    chmod 0600, my $file = lines('secret', order('s1'));
    is((import($file))[0], 0, 'root reads what its user cannot');

    chmod 0644, $file;
    my ($code, $out, $err) = run({ uid => 65534 }, $ctl, qw(import conversions),
        $t->store, 'friends', $file);
    is("$code$out", '2', 'another user');
    like($err, qr/: run referralctl as (?:that )?user|as that user or as root/,
        'is told whose it is');
    is((run({ uid => $www }, $ctl, qw(import conversions), $t->store, 'friends',
        $file))[0], 0, 'their own user may');
    is_deeply([grep { (stat)[4] != $www } map { glob "$_/*" } $t->store,
        $t->intake], [], 'and no file is of anybody else');
}


sub in_the_end {
    my $before = stat_store();
    is($before->{map_size}, 64 << 20, 'the map is as nginx has it');

    ok($t->restart, 'restart');
    $t->quit;

    my ($sum, $err) = summary(lines('late', order('l1', days => 50)));
    is($sum->{new}, 1, 'without nginx, too') or diag $err;

    my ($code, $out) = run({}, $ctl, 'verify', $t->store);
    is($code, 0, 'the recount finds nothing') or diag $out;

    my @rings = glob $t->intake . '/*';
    is("@rings", '', 'no ring is left');

    $t->start;
    is(status('l1'), 'unattributed', 'and nginx sees it');
    is(leaders('past'), '', 'the contest is still what it was');
}


# ------------------------------------------------------------------ tools --

sub order {
    my ($id, %more) = @_;
    my $days = delete $more{days};

    return $json->encode({ event => 'purchase', order_id => $id,
        amount => 4999, currency => 'EUR', defined $days ? (occurred_at =>
        strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $now - $days * $DAY)) : (),
        %more });
}


sub lines {
    my ($name, @lines) = @_;
    my $path = "$tmp/$name.ndjson";

    open my $f, '>:raw', $path or die "cannot write $path: $!\n";
    print $f map { "$_\n" } @lines;
    close $f or die "cannot write $path: $!\n";

    return $path;
}


sub date {
    return strftime '%Y-%m-%d', gmtime $now - $_[0] * $DAY;
}


sub status {
    my ($id) = @_;
    my $r = $t->api(GET => "/v1/conversions/$id");
    return $r->status == 200 ? $r->json->{status} : $r->status;
}


sub conversion {
    my ($id) = @_;
    return $t->api(GET => "/v1/conversions/$id")->json;
}


sub refunded {
    return conversion(@_)->{refunded};
}


# Lines of an export of this store, of orders of these ids.

sub exported {
    my ($code, $out) = run({}, $ctl, qw(export conversions), $t->store,
        'friends');
    my %line = map { decode_json($_)->{order_id} => $_ } split /\n/, $out;
    return @line{@_};
}


# A line of an export of another one.

sub told {
    my ($id, %more) = @_;

    return $json->encode({ event => 'purchase', order_id => $id,
        status => 'approved', code => 'ANNA42', customer_id => undef,
        amount => 4999, currency => 'EUR', refunded => 0, reasons => [],
        source => 'api', recorded_at => '2026-01-02T03:04:05Z', %more });
}


sub leaders {
    my ($period) = @_;
    my $r = $t->api(GET => "/v1/leaderboard?period=$period")->json;
    return join ', ', map { "$_->{code} $_->{points}" } @{ $r->{data} };
}


sub stat_store {
    my ($code, $out) = run({}, $ctl, 'stat', $t->store, '--json');
    return decode_json($out);
}


sub import {
    my ($file, @options) = @_;
    return run({}, $ctl, qw(import conversions), $t->store, 'friends', $file,
        @options);
}


sub import_stdin {
    open my $pipe, '|-', "$ctl import conversions @{[ $t->store ]} friends - "
        . "--json > $tmp/out" or die;
    print $pipe @_;
    close $pipe or return "failed: $?";

    open my $f, '<', "$tmp/out" or die;
    return decode_json(join '', <$f>)->{new};
}


sub summary {
    my ($code, $out, $err) = import(@_, '--json');
    return (eval { decode_json($out) } || {}, "$code $err");
}


sub refused {
    my ($sentence, @args) = @_;
    my ($code, $out, $err) = run({}, $ctl, @args);
    my $name = join ' ', map { s/^\Q$tmp\E/./r } @args;

    is("$code$out", '2', "refused: $name");
    like($err, qr/\Areferralctl: [^\n]+\n\z/, 'in one sentence');
    like($err, $sentence, 'which tells why');
}
