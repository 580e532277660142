#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The rules of a program, written a second time in another language, and the
# store: random operations must come to the same in both, in every counter,
# reward, state and leaderboard.
#
#   SEED=7 OPS=3000 perl t/model.t      that one, again
#
# Would catch: what is counted twice or not at all, a reward too many or too
# few, points that do not follow a refund, a hold that passes too early, a
# place of a limit that is not given back; and a batch of many records, or two
# intakes, that come to something else than one record after the other.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

use lib dirname(abs_path(__FILE__)) . '/lib';

use Referral::Model::Line qw(line);
use Referral::Model::Play qw(random_play differs closer);

my $root = dirname(dirname(abs_path(__FILE__)));
my $driver = ($ENV{TEST_BUILD} || "$root/build") . '/unit/store_drive_cli';
my $ops = $ENV{OPS} || 5000;

BAIL_OUT("$driver is not built, make unit does it") unless -x $driver;

agree($_) for $ENV{SEED} ? $ENV{SEED} : 1 .. 20;

done_testing();


# Batches of one, some and many; one intake and two of them.

sub agree {
    my ($seed) = @_;
    my $play = random_play($seed, $ops, {
        batch => (1, 10, 500, 2000)[ $seed % 4 ],
        turn => (0, 1, 40)[ $seed % 3 ],
        dump => sub { $_[0] % 1000 == 999 },
        verify => sub { $_[0] % 2000 == 999 },
        reopen => sub { $_[0] % 800 == 799 },
    });
    my $difference = differs($driver, $play);

    ok(!$difference, "seed $seed: $ops operations")
        or show($seed, $play, $difference);
}


sub show {
    my ($seed, $play, $difference) = @_;
    my $first = differs($driver, closer($play, $difference));

    diag('compared after each operation it is the same') unless $first;
    $first ||= $difference;

    my ($index, @lines) = ($first->{index}, @{ $first->{lines} });

    diag("SEED=$seed OPS=", $index + 1, ": the last operation is\n",
        line($play->{ops}[$index], 0));
    diag($_) for @lines > 30 ? (@lines[0 .. 29], '...') : @lines;
}
