# The threads of a worker: a durable click waits for one flush of the log, not
# for a commit; what comes at once is flushed at once; on a slow disk as well;
# commits that cost much are fewer; who has nothing to do does not wake up.
#
# Catches a flush that waits behind a transaction, a flush for each click, an
# answer before its flush, a thread or a timer that looks whether there is
# something to do.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(sleep time);

use Referral::Nginx timeout => 180;
use Referral::Client;
use Referral::Fault;

my $LOG = '*/store/intake-*.log';
my $DATA = '*/store/data.mdb';
my $META = 8192;            # bytes of meta pages: after them pages of data
my $CLICKS = 64;
my $SLOW = 20_000;          # us more for a flush
my $IDLE = 10;              # s
my $BUSY = 3;               # s

my $fault = Referral::Fault->new;

subtest 'a flush does not wait for a commit' => \&beside_commit;
subtest 'one flush for all that wait' => \&together;
subtest 'a slow disk' => \&slow;
subtest 'commits of a slow disk are fewer' => \&fewer;
subtest "$_: idle" => sub { idle($_) } for qw(relaxed durable);

finish();


sub begin {
    my ($commit, $more, $store) = (@_[0, 1], $_[2] || '%%STORE%%');
    my $t = Referral::Nginx->new(conf => <<"EOC" . <<'EOC');
    referral_store $store intake_path=%%INTAKE%% commit=$commit $more;
EOC
    referral_key_file %%KEY%%;
    keepalive_timeout 600s;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

    $t->start;
    $t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
    return $t;
}


sub counted {
    my ($t) = @_;
    return $t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{total} || 0;
}


# The commit stands still in its first write of pages.

sub beside_commit {
    my $t = begin('durable', 'interval=100ms');

    $fault->set(calls => 'pwrite|writev', file => $DATA, from => $META,
        pause => 8_000_000, every => 0);
    is($t->get('/r/ANNA42')->status, 302, 'a click');
    ok(wait_for(sub { $fault->hits }, 30), 'its commit stands still');

    my @status = map { $t->get('/r/ANNA42')->status } 1 .. 20;

    is(counted($t), 0, 'while it does,');
    is("@status", join(' ', (302) x 20), 'others are answered');
    $fault->heal;
    ok(wait_for(sub { counted($t) == 21 }, 60), 'and counted after it');
    ok($t->quit, 'the end');
}


# All at once: they are there before the worker looks.

sub clicks {
    my ($t, @c) = @_;
    my ($worker) = $t->workers;

    kill STOP => $worker;
    $_->send($_->format(GET => '/r/ANNA42')) for @c;
    kill CONT => $worker;

    return grep { $_->response('GET')->status == 302 } @c;
}


# In memory, where a flush takes no time: no click finds one under way.

sub together {
    my $t = begin('durable', 'interval=60s', '%%INTAKE%%/store');
    my @c = map { $t->connect } 1 .. $CLICKS;

    is(scalar(clicks($t, @c)), $CLICKS, 'on connections that are open');
    $fault->set(calls => 'sync', file => $LOG, pause => 1);

    is(scalar(clicks($t, @c)), $CLICKS, 'all are answered');
    cmp_ok($fault->hits, '>', 0, 'after a flush');
    cmp_ok($fault->hits, '<=', 4, 'and few of them');
    $fault->heal;
    ok($t->quit, 'the end');
}


sub slow {
    my $t = begin('durable', '');
    my @c = map { $t->connect } 1 .. $CLICKS;

    clicks($t, @c);
    $fault->set(0, calls => 'sync', file => $LOG, pause => $SLOW);
    $fault->set(1, calls => 'sync', file => $DATA, pause => $SLOW);

    my $start = time;
    is(scalar(clicks($t, @c)), $CLICKS, 'all are answered') for 1 .. 5;
    cmp_ok(time - $start, '>=', 5 * $SLOW / 1e6, 'after a flush each time');
    cmp_ok($fault->hits, '<=', 5 * 4, 'and few of them');
    $fault->heal;
    ok(wait_for(sub { counted($t) == 6 * $CLICKS }, 60), 'all are counted');
    ok($t->quit, 'the end');
}


# Commits while clicks come for $BUSY seconds, each commit a flush of so many us.

sub commits {
    my ($t, $us) = @_;
    my $end = time + $BUSY;

    $fault->set(calls => 'sync', file => $DATA, pause => $us);

    while (time < $end) {
        $t->get('/r/ANNA42');
        sleep 0.02;
    }

    return $fault->hits;
}


sub fewer {
    my $t = begin('relaxed', 'interval=10ms-1s');

    cmp_ok(commits($t, 1), '>', 3 * $BUSY, 'a fast one');
    cmp_ok(commits($t, $SLOW), '<=', 3 * $BUSY, 'a slow one');
    cmp_ok($fault->hits, '>=', $BUSY - 1, 'a second at most between two');
    $fault->heal;

    $t = begin('relaxed', 'interval=10ms');
    cmp_ok(commits($t, $SLOW), '>', 3 * $BUSY, 'unless it is one time');
    $fault->heal;
    ok($t->quit, 'the end');
}


# How often each thread of the worker has given up the processor.

sub switches {
    my ($t) = @_;
    my ($worker) = $t->workers;
    my %n;

    for my $file (glob "/proc/$worker/task/*/status") {
        my ($thread) = $file =~ m{/task/(\d+)/};
        my ($n) = Referral::Nginx::_read($file)
            =~ /^voluntary_ctxt_switches:\s+(\d+)/m;

        $n{ $thread == $worker ? 'the event loop' : "thread $thread" } = $n;
    }

    return \%n;
}


sub idle {
    my ($commit) = @_;
    my $t = begin($commit, 'interval=50ms');

    # what is counted may yet have to be brought to the disk

    is($t->get('/r/ANNA42')->status, 302, 'a click');
    ok(wait_for(sub { counted($t) == 1 }, 30), 'is counted');
    sleep 2;

    my $before = switches($t);
    sleep $IDLE;
    my $after = switches($t);
    my $all = 0;

    is(scalar(keys %$after), $commit eq 'durable' ? 3 : 2, 'threads');
    cmp_ok($after->{'the event loop'} - $before->{'the event loop'}, '<=', 1,
        'the event loop sleeps');

    # housekeeping, every five seconds

    $all += $after->{$_} - $before->{$_} for keys %$after;
    cmp_ok($all, '<=', 1 + 2 * $IDLE / 5, 'so do the others');
    note("$all in $IDLE s");
    ok($t->quit, 'the end');
}
