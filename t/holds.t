#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Holds pass by themselves and on time: no request has to arrive for it, and no
# thread turns while it waits.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);
use Time::Local qw(timegm);

use lib 't/lib';
use Referral::Nginx timeout => 120;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>\w+)$";
        landing https://shop.example/;

        event signup hold=1s;
        event purchase hold=6s;
        event order hold=1h;
        reward coin to=referrer on=signup;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });


sub report {
    my ($event, $id) = @_;
    my $r = $t->api(POST => '/v1/conversions',
        { event => $event, order_id => $id, code => 'ANNA' });
    is($r->json->{status}, 'pending', "$event $id is pending");
}

sub conversion { return $t->api(GET => "/v1/conversions/$_[0]")->json }

# Seconds from when it was due to when it was approved; 99: it is not.

sub late {
    my ($what) = @_;
    return 99 if $what->{state} || $what->{status} ne 'approved';

    my ($due, $done) = map {
        my ($y, $m, $d, $H, $M, $S) = $what->{$_} =~ /\d+/g;
        timegm($S, $M, $H, $d, $m - 1, $y);
    } 'approves_at', 'changed_at';
    return $done - $due;
}

# How often the threads of the workers went to sleep in that time.

sub sleeps {
    my ($seconds) = @_;
    my $count = sub {
        my $n = 0;
        for my $file (map { glob "/proc/$_/task/*/status" } $t->workers) {
            open my $f, '<', $file or next;
            /^voluntary_ctxt_switches:\s*(\d+)/ and $n += $1 while <$f>;
        }
        return $n;
    };

    my $before = $count->();
    sleep $seconds;
    return $count->() - $before;
}


report(order => 'o1');
my $n = sleeps(3);
cmp_ok($n, '<=', 12, "a hold of an hour wakes nobody: $n times in 3 s");

# Spread over the five seconds between two looks at what others took, one when
# the other has passed: what a worker took itself it knows at once.

for (1 .. 7) {
    report(signup => "s$_");
    sleep 1.4;
}

for (1 .. 7) {
    my $s = conversion("s$_");
    my $coin = { %{ $s->{rewards}[0] } };
    $coin->{status} = delete $coin->{state};
    cmp_ok(late($s), '<=', 1, "s$_ was approved in time");
    cmp_ok(late($coin), '<=', 1, 'and so was its reward');
}

# Over a restart: before it has passed, and after.

my $start = time;
report(purchase => 'p1');
$t->restart;
is(conversion('p1')->{status}, 'pending', 'after a restart it still is');

$t->quit;
sleep $start + 7 - time;
$t->start;
sleep 0.5;
is(conversion('p1')->{status}, 'approved', 'its hold passed without nginx');
is(conversion('o1')->{status}, 'pending', 'a longer one has not');

finish();
