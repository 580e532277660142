#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# referralctl erase, beside an nginx that takes clicks and orders: the id and
# the name of a person are nowhere any more, what was counted stays, and an
# order sent again does not count again.
#
# Catches an id that stays in an answer, in the journal, in a log or a ring; a
# link that goes on; a lost or doubled order; a file that nginx cannot open.

use strict;
use warnings;
use lib 't/lib';

use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

use Referral::Load;
use Referral::Nginx timeout => 240;
use Referral::Run qw(run);

my $anna = 'anna.schmidt-4711';
my $name = 'Anna Schmidt of Ulm';
my $tmp = tempdir(CLEANUP => 1);
my $ctl = "$tmp/referralctl";

chmod 0755, $tmp;
system('cp', "$Referral::Nginx::BUILD/referralctl", $ctl) == 0
    or BAIL_OUT('there is no referralctl');

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% map_size=64m
        commit=durable intake=1m;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event signup points=5 once=customer;
        event purchase points=10 hold=14d;
        reward commission to=referrer on=purchase value=10%;
        reward welcome to=friend on=purchase limit=3/month;
    }

    referral_program others {
        link "^/o/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        cookie others;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /o/ {
            referral others;
        }

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }

        location /others/ {
            referral_api others token_file=%%TOKENS%%;
        }
    }
EOC

$t->start;

subtest 'a person' => \&person;
subtest 'erased beside traffic' => \&erased;
subtest 'what is seen then' => \&seen;
subtest 'what is taken then' => \&taken;
subtest 'wrong use' => \&wrong_use;

SKIP: {
    skip 'only root can act as others', 1 if $> != 0;
    subtest 'users' => \&users;
}

subtest 'without nginx' => \&without;

finish();


sub person {
    is(put(ANNA42 => $anna, $name), 201, 'a referrer');
    is(put(ANNA43 => $anna, $name), 201, 'with two codes');
    is(put(BEN7 => 'ben-2', 'Ben of Bern'), 201, 'and another');
    is($t->api(PUT => '/v1/codes/ANNA42', { owner => $anna,
        name => 'Anna elsewhere' }, prefix => '/others')->status, 201,
        'one id in two programs');

    is($t->get('/r/ANNA42')->status, 302, 'a link') for 1 .. 4;

    is(order('own-1', $anna, 'ANNA42'), 202, 'an order by their own code');
    is(order("by-$_", $anna, 'BEN7'), 201, "by another one: by-$_")
        for 1 .. 5;
    is(order("with-$_", "friend-$_", 'ANNA42'), 201, "one with it: with-$_")
        for 1 .. 5;

    is($t->api(POST => '/v1/conversions/by-1/refunds', { refund_id => 'r1',
        amount => 100, reason => "$name did not like it" })->status, 201,
        'a refund, and why');

    cmp_ok(found(glob $t->store . '/data.mdb'), '>', 10,
        'all that is in the store');
}


sub erased {
    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => ['/r/ANNA42', '/r/BEN7'], seconds => 60);
    my $pid = orders(400);

    sleep 0.3;
    my ($code, $out, $err) = run({}, $ctl, 'erase', $t->store, 'friends',
        $anna, '--json');
    is($code, 0, 'done') or diag $err;

    my $got = decode_json($out);
    is_deeply([@$got{qw(codes events rewards logs)}], [2, 6, 9, 0],
        'what was changed, and no log left to wipe') or diag $out;
    is($got->{records}, 9, 'in the journal, too');

    is(found(glob($t->store . '/intake-*'), glob($t->intake . '/*')), 0,
        'logs and rings have nothing of it');

    is($t->get('/r/ANNA42')->status, 404, 'the link has ended') for 1 .. 8;

    waitpid $pid, 0;
    is($? >> 8, 0, 'each order meanwhile was taken once');
    my $clicks = $load->stop;
    cmp_ok($clicks->{answered}, '>', 100, 'there was traffic');
    verify();
}


sub seen {
    my $code = $t->api(GET => '/v1/codes/ANNA42')->json;
    like($code->{owner}, qr/^erased-[0-9a-f]{16}$/, 'the owner: a pseudonym');
    is($code->{name}, undef, 'no name');
    is($code->{status}, 'ended', 'which has ended');
    is($code->{events}{purchase}{count}, 6, 'what was counted stays');
    is($code->{points}, 50, 'as do points');

    my $order = $t->api(GET => '/v1/conversions/own-1')->json;
    is($order->{customer_id}, $code->{owner}, 'the same as a customer');
    is($order->{status}, 'held', 'and still on their own code');

    my $all = join '', map { $t->api(GET => $_)->body } '/v1/journal?limit=250',
        '/v1/codes?limit=250', '/v1/rewards?limit=250',
        '/v1/conversions/by-1', '/export/codes.csv',
        '/export/conversions.csv', '/export/rewards.csv';
    is(index($all, $anna), -1, 'no answer has the id');
    is(index($all, $name), -1, 'nor the name');
    cmp_ok(scalar(() = $all =~ /$code->{owner}/g), '>', 15,
        'they have the pseudonym');
    is_deeply($t->api(GET => "/v1/codes?owner=$anna")->json->{data}, [],
        'no code of theirs');

    $code = $t->api(GET => '/v1/codes/ANNA42', undef,
        prefix => '/others')->json;
    is("$code->{owner} $code->{status}", "$anna active",
        'in the other program nothing has changed');
}


sub taken {
    isnt(put(ANNA42 => 'eve'), 200, 'the code is not given out again');
    is($t->api(GET => '/v1/codes/ANNA42')->json->{status}, 'ended',
        'whoever asks for it');

    is(order('by-2', $anna, 'BEN7'), 200, 'the same order: a duplicate');
    is(order('by-2', $anna, 'BEN7', 1), 409, 'with another amount: none');
    like($t->api(GET => '/v1/conversions/by-2')->json->{customer_id},
        qr/^erased-/, 'which changes nothing');
    is(order('new-1', $anna, 'BEN7'), 201, 'a new one');
    is($t->api(GET => '/v1/conversions/new-1')->json->{customer_id}, $anna,
        'is of somebody new');
    verify();

    my ($code, $out) = run({}, $ctl, 'erase', $t->store, 'friends', $anna);
    is($code, 0, 'who can be erased, too');
    like($out, qr/\Acodes +0\nevents +1\nrewards +2\nrecords +1\n\z/,
        'as text');
}


sub wrong_use {
    refused(qr/program "friends" has no owner and no customer "\Q$anna\E"/,
        $t->store, 'friends', $anna);
    refused(qr/cannot be the id of a person/, $t->store, 'friends', '');
    refused(qr/cannot be the id of a person/, $t->store, 'friends',
        'x' x 129);
    refused(qr/has no program "freunde"/, $t->store, 'freunde', $anna);
    refused(qr/usage: referralctl erase DIR PROGRAM PERSON/, $t->store,
        'friends');
    refused(qr/cannot use ".*none"/, "$tmp/none", 'friends', $anna);
}


sub users {
    my $www = getpwnam 'www-data';

    is_deeply([grep { (stat)[4] != $www } map { glob "$_/*" } $t->store,
        $t->intake], [], 'as root: no file of root');

    order('www-1', 'www-1', 'BEN7');
    my ($code, $out, $err) = run({ uid => 65534 }, $ctl, 'erase', $t->store,
        'friends', 'www-1');
    is($code, 2, 'another user may not');
    like($err, qr/as that user or as root/, 'and is told so');
    is((run({ uid => $www }, $ctl, 'erase', $t->store, 'friends',
        'www-1'))[0], 0, 'their own user may');
}


sub without {
    order('late-1', 'late-1', 'BEN7');
    $t->kill9;
    is((run({}, $ctl, 'erase', $t->store, 'others', $anna))[0], 0,
        'in the other program');
    is((run({}, $ctl, 'erase', $t->store, 'friends', 'late-1'))[0], 0,
        'what the dead took, too');

    my ($code, $out, $err) = run({}, $ctl, 'compact', $t->store);
    is($code, 0, 'compacted') or diag $err;
    is(found(glob $t->store . '/*'), 0, 'the files have nothing of it');
    verify();

    $t->start;
    is($t->get('/r/BEN7')->status, 302, 'nginx goes on');
}


# ------------------------------------------------------------------ tools --

sub put {
    my ($code, $owner, $of) = @_;

    return $t->api(PUT => "/v1/codes/$code", { owner => $owner,
        defined $of ? (name => $of) : () })->status;
}


sub order {
    my ($id, $customer, $code, $more) = @_;

    return $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => $id, amount => 4999 + ($more // 0), currency => 'EUR',
        customer_id => $customer, code => $code })->status;
}


# A process that takes orders of others.

sub orders {
    my ($n) = @_;
    my $pid = fork() // die "fork() failed: $!\n";

    if ($pid == 0) {
        my $wrong = grep { order("o-$_", "other-$_", 'BEN7') != 201 } 1 .. $n;
        POSIX::_exit($wrong ? 1 : 0);
    }

    return $pid;
}


# How often the person is in files.

sub found {
    my $n = 0;

    for my $path (@_) {
        open my $f, '<:raw', $path or die "cannot read $path: $!\n";
        local $/;
        my $all = <$f> // '';
        $n += () = $all =~ /\Q$anna\E|\Q$name\E/g;
    }

    return $n;
}


sub verify {
    my ($code, $out, $err) = run({}, $ctl, 'verify', $t->store);
    is($code, 0, 'the recount finds nothing') or diag $out, $err;
}


sub refused {
    my ($re, @args) = @_;
    my ($code, $out, $err) = run({}, $ctl, 'erase', @args);

    is($code, 2, 'refused');
    like($err, $re, 'with a sentence');
}
