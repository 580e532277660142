#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# referralctl compact: in place beside nginx, with conversions and clicks
# arriving; alone, when the file is replaced, with what the dead have left in
# their rings; and what nginx does meanwhile.  Nothing is lost, and no ETag
# comes back with something else.

use strict;
use warnings;

use Fcntl qw(:flock O_RDONLY O_DIRECTORY);
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep time);
use lib 't/lib';
use Referral::Count qw(events_sum clicks_sum);
use Referral::Load;
use Referral::Nginx timeout => 180;
use Referral::Run qw(run);

my $ctl = "$Referral::Nginx::BUILD/referralctl";
my @codes = map { sprintf 'CODE%02d', $_ } 1 .. 20;
my $conf = <<'EOC';
    keepalive_requests 10000000;
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=50ms;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        reward commission to=referrer on=purchase value=10%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

my $t = Referral::Nginx->new(workers => 2, conf => $conf);
my $orders = 0;
my %sent = (least => 0, most => 0);

$t->allow(qr/exited on signal 9/, qr/bind\(\) .*Address already in use/);
$t->start;
$t->api(PUT => "/v1/codes/$_", { owner => "o-$_" }) for @codes;

subtest 'in place' => \&in_place;
subtest 'alone' => \&alone;
subtest 'ETags' => \&etags;
subtest 'nginx begins meanwhile' => \&meanwhile;

finish();


sub in_place {
    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => [map { "/r/$_" } @codes], seconds => 60);
    my $until = time + 4;
    my $compacts = 0;

    while (time < $until || $compacts < 3) {
        order() for 1 .. 20;

        my ($code, $out, $err) = ctl('compact', $t->store, '--json');
        is("$code$err", '0', 'compact');
        my $r = decode_json($out);
        ok(!$r->{replaced}, 'beside nginx it leaves the file there');
        $t->reload if ++$compacts == 2;
    }

    clicked($load->stop);
    cmp_ok($compacts, '>', 2, 'more than twice');
    whole();

    # each of them lies in some other page

    bulk($_) for 'some', 'other';
    my $r = decode_json((ctl('compact', $t->store, '--json'))[1]);
    cmp_ok($r->{before}, '>', $r->{after}, 'it gives space back');
    bulk('another');
    whole();

    my $pid = (sort { $a <=> $b } $t->workers)[0];
    my ($code, $out) = ctl('compact', $t->store);
    like($out, qr/^in use, holes were made in place: [\d.]+ MiB on disk/,
        'as text');
    ok(kill(0 => $pid), 'the workers are the same');
}


sub alone {
    my $before = (stat $t->store . '/data.mdb')[1];
    my ($code, $out, $err, $r);

    # what was answered and is in rings only

    $t->get('/r/CODE01') for 1 .. 200;
    $_ += 200 for values %sent;
    $t->kill9;

    ($code, $out, $err) = ctl('compact', $t->store, '--json');
    is("$code$err", '0', 'compact when nginx is dead');
    $r = decode_json($out);
    ok($r->{replaced}, 'replaces the file');
    isnt((stat $t->store . '/data.mdb')[1], $before, 'by another one');
    cmp_ok($r->{after}, '<=', $r->{before}, 'which is not larger');
    ok(!-e $t->store . '/data.mdb.part', 'nothing else is left');
    is(mode($t->store . '/data.mdb'), '0600', 'for its owner only');

    is((ctl('verify', $t->store))[0], 0, 'it verifies');
    is((ctl('compact', $t->store))[0], 0, 'a second time');

    $t->start;
    whole();

    $t->get('/r/CODE01') for 1 .. 10;
    $_ += 10 for values %sent;
    order();
    whole();
}


# Ids of transactions begin anew in a file that took the place of another one.

sub etags {
    my %seen;
    my ($again, $n) = (0, 0);

    for my $round (1, 2) {
        for (1 .. 40) {
            $t->api(PUT => '/v1/codes/CODE01', { name => 'name ' . ++$n });
            my $r = $t->api(GET => '/v1/codes/CODE01');
            my $tag = $r->header('ETag');
            $again++ if defined $seen{$tag} && $seen{$tag} ne $r->body;
            $seen{$tag} = $r->body;
        }

        $t->quit;
        is((ctl('compact', $t->store, '--json'))[0], 0, 'compact');
        $t->start;
    }

    for my $tag (keys %seen) {
        my $r = $t->api(GET => '/v1/codes/CODE01', undef,
            headers => { 'If-None-Match' => $tag });
        $again++ if $r->status == 304;
    }

    is($again, 0, 'no ETag comes back with something else');
}


# A worker that finds somebody alone with the store redirects, refuses orders,
# and tries again.

sub meanwhile {
    $t->quit;
    sysopen my $dir, $t->store, O_RDONLY | O_DIRECTORY or die;
    flock $dir, LOCK_EX or die;
    $t->start;

    is($t->get('/r/CODE01')->status, 302, 'links redirect');
    is(post('meanwhile')->status, 503, 'orders are to come again');
    ok($t->wait_log(qr/is being compacted, alone, by another process/),
        'the log tells why');

    my ($code, $out, $err) = ctl('stat', $t->store);
    is($code, 2, 'other commands wait, and then');
    like($err, qr/is being compacted, alone/, 'say so');

    close $dir;
    ok(wait_for(sub { post('meanwhile')->status =~ /^20[01]$/ }, 20),
        'then they are taken');
    $orders++;
    ($code, $out) = ctl('compact', $t->store);
    like($out, qr/^in use/, 'and nginx has the store');
    is(events_sum($t), $orders, 'each order is there');
    is((ctl('verify', $t->store))[0], 0, 'and the store verifies');
}


sub post {
    my ($id) = @_;
    return $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => $id, amount => 4999, currency => 'EUR',
        code => 'CODE07' });
}


# A shop sends again what was not confirmed, on a machine that is busy, too.

sub order {
    my $order = 'o' . ++$orders;
    my $r;

    for (1 .. 20) {
        $r = post($order);
        last if $r->status != 503;
    }

    $r->status == 201 || $r->status == 200
        or die 'POST: ', $r->status, $r->body;
}


sub bulk {
    my ($name) = @_;
    my $lines = join '', map { qq({"code":"X$_","owner":"o-$_","name":")
        . $name x 20 . qq("}\n) } 1 .. 1000;
    my $r = $t->api(POST => '/v1/codes', $lines,
        headers => { 'Content-Type' => 'application/x-ndjson' });
    $r->status == 200 or die 'POST: ', $r->status, $r->body;
}


sub clicked {
    my ($sum) = @_;
    cmp_ok($sum->{answered}, '>', 100, 'clicks arrived');
    is($sum->{other}, 0, 'and were answered');
    $sent{least} += $sum->{answered};
    $sent{most} += $sum->{sent};
}


sub whole {
    my $clicks = clicks_sum($t);
    ok($clicks >= $sent{least} && $clicks <= $sent{most},
        'each click that was answered counts once')
        or diag "$clicks, of $sent{least} to $sent{most}";
    is(events_sum($t), $orders, 'so does each order');
    my ($code, $out, $err) = ctl('verify', $t->store);
    is($code, 0, 'and the store verifies') or diag $out, $err;
}


sub mode {
    return sprintf '%04o', (stat $_[0])[2] & 07777;
}


sub ctl {
    return run({}, $ctl, @_);
}
