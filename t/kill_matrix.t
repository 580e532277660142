# kill -9 of workers, of the master, of all, at random and at each step of a
# commit, of a flush, of an answer and of a recovery, while links are followed,
# orders reported, refunded, decided, holds pass, days go by and old clicks are
# purged.  Whatever was acknowledged is there, once, and after each death the
# recount finds nothing.
#
# Catches a step in the wrong order: an answer before what it says is safe, a
# position without what it stands for, a lock that outlives its owner.
#
# Then the owner of the write lock stands still for seconds: links and reads
# are answered at once, changes 503, and nothing is lost.

use strict;
use warnings;
use lib 't/lib';

use JSON::PP;
use POSIX qw(SIGKILL SIGSTOP);
use Test::More;
use Time::HiRes qw(sleep time);

use Referral::Nginx timeout => 1500;
use Referral::Fault;
use Referral::Traffic;

my $kills = $ENV{TEST_KILLS} || ($ENV{REFERRAL_LONG} ? 270 : 32);  # of each mode
my $fault = Referral::Fault->new;
my @CODES = map { sprintf 'CODE%02d', $_ } 0 .. 19;

my $DATA = '*/store/data.mdb';
my $LOG = '*/store/intake-*.log';
my $META = 8192;                    # bytes of meta pages of the store
my $HEAD = 4096;                    # bytes before the records of a log

# Where a process dies.  after: the call was done; successor: a worker is
# killed, and what takes its place dies there.

my @points = (
    ['at random'],
    ['before pages are written', { calls => 'lseek', file => $DATA }],
    ['with half of the pages written', { calls => 'writev', file => $DATA,
        half => 1, after => 1 }],
    ['before one page is written', { calls => 'pwrite', file => $DATA,
        from => $META }],
    ['before a flush', { calls => 'sync', file => $DATA }],
    ['after a flush', { calls => 'sync', file => $DATA, after => 1 }],
    ['before the meta page', { calls => 'pwrite', file => $DATA,
        below => $META }],
    ['after the meta page', { calls => 'pwrite', file => $DATA,
        below => $META, after => 1 }],
    ['before the event loop knows', { calls => 'write', thread => 'other',
        file => 'anon_inode:*' }],
    ['before the answer', { calls => 'writev', file => 'socket:*' }],
    ['after the answer', { calls => 'writev', file => 'socket:*',
        after => 1 }],
    ['before it has a slot', { calls => 'open', file => $LOG }, 1],
    ['before it has a ring', { calls => 'allocate',
        file => '*/referral-*' }, 1],
    ['with a new ring', { calls => 'allocate', file => '*/referral-*',
        after => 1 }, 1],
);

my @durable = (
    ['before the log is written', { calls => 'pwrite', file => $LOG,
        from => $HEAD }],
    ['with half of it written', { calls => 'pwrite', file => $LOG,
        from => $HEAD, half => 1, after => 1 }],
    ['before the log is flushed', { calls => 'sync', file => $LOG }],
    ['after the log is flushed', { calls => 'sync', file => $LOG,
        after => 1 }],
    ['before the log has its head', { calls => 'pwrite', file => $LOG,
        below => $HEAD }, 1],
);

subtest relaxed => sub { matrix('relaxed', @points) };
subtest durable => sub { matrix('durable', @points, @durable) };
subtest stopped => sub { stopped() };

finish();


# ------------------------------------------------------------------ matrix --

sub matrix {
    my ($commit, @points) = @_;
    my ($t, $traffic) = begin($commit);
    my (@missed, @wrong);

    for my $n (1 .. $kills) {
        my ($name, $rule, $successor) = @{ $points[$n % @points] };
        my $who = $n % 4 == 3 ? 'all' : $n % 16 == 5 ? 'master' : 'worker';

        $fault->clock($n * 6 * 3600);

        my $purge = purge($t);

        push @missed, $name unless death($t, $rule, $successor);
        others($t, $who);
        waitpid $purge, 0;
        wait_for(sub { $t->workers == 2 }, 10);

        my $said = verify($t);
        push @wrong, "after death $n, $name ($who): $said" if $said ne '';
    }

    is(join("\n", @wrong), '', 'after each death the recount found nothing');
    cmp_ok(@missed, '<=', $kills / 10, "$kills deaths, where they had to be")
        or diag "not so: @missed";

    waitpid purge($t), 0;

    my $sum = $traffic->stop;

    note(keys(%{ $sum->{orders} }) . " orders, $sum->{requests} requests, 503: "
        . "$sum->{later}, without an answer: $sum->{broken}, data.mdb: "
        . (-s $t->store . '/data.mdb'));
    end($t, $sum);
    cmp_ok($sum->{journal}, '<', $sum->{counted}, 'clicks were purged');
}


sub begin {
    my ($commit, $clients) = @_;
    my $t = Referral::Nginx->new(workers => 2, conf => conf($commit));

    # a killed process keeps its sockets until its last write has ended

    $t->allow(qr/exited on signal 9/, qr/bind\(\) .*Address already in use/);
    $fault->clock(0);
    $t->start;
    $t->api(PUT => "/v1/codes/$_", { owner => "owner-$_" }) for @CODES;

    return ($t, Referral::Traffic->new(port => $t->port,
        clients => $clients || 4, codes => \@CODES, token => $t->{token}{admin},

        # the recount reads all orders after each death

        pause => $kills > 100 ? 0.03 : 0.002));
}


sub conf {
    my ($commit) = @_;

    return <<"EOC" . Referral::Traffic::rules() . <<'EOC';
    keepalive_requests 10000000;

    referral_store %%STORE%% intake_path=%%INTAKE%% commit=$commit;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing https://shop.example/welcome;
        window 1d;
        retention clicks=1d;
EOC
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


# One of the workers dies; whether it was where it had to.

sub death {
    my ($t, $rule, $successor) = @_;
    my @workers = $t->workers;

    unless ($rule) {
        sleep rand 0.15;
        kill KILL => $workers[rand @workers];
        return 1;
    }

    $fault->set(%$rule, signal => SIGKILL, every => 0,
        first => $successor ? 1 : 1 + int rand 12);
    kill KILL => $workers[rand @workers] if $successor;

    my $hit = wait_for(sub { $fault->hits }, 3);

    $fault->heal;
    return $hit;
}


# Who dies with it, and that nginx is there again.

sub others {
    my ($t, $who) = @_;

    return if $who eq 'worker';

    if ($who eq 'all') {
        $t->kill9;

    } else {
        my $master = $t->pid;

        # standing still it cannot start another one meanwhile

        kill STOP => $master;
        wait_for(sub { state($master) eq 'T' }, 5);

        my @orphans = $t->children;

        kill KILL => $master;
        wait_for(sub { !$t->running }, 5);
        sleep 0.1;              # they serve without a master
        kill int(rand 2) ? 'KILL' : 'QUIT', @orphans;
        wait_for(sub { !grep { state($_) =~ /^[^ZX]/ } @orphans }, 10);
    }

    $t->start;
}


sub state {
    my ($pid) = @_;

    open my $file, '<', "/proc/$pid/stat" or return '';
    return <$file> =~ /\) (\w) / ? $1 : '';
}


# Workers do not live long enough to do it.  It has their clock, and may be the
# one that dies.

sub purge {
    my ($t) = @_;
    my $pid = fork() // die "fork() failed: $!\n";

    return $pid if $pid;

    $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_PRELOAD};
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    exec "$Referral::Nginx::BUILD/referralctl", 'purge', $t->store, 'friends',
        '1d' or POSIX::_exit(127);
}


sub verify {
    my ($t) = @_;
    my $said = `$Referral::Nginx::BUILD/referralctl verify @{[ $t->store ]} 2>&1`;

    return $? ? $said || "status $?" : '';
}


sub end {
    my ($t, $sum, $but) = @_;
    my @trouble = grep { !$but || $_ !~ $but }
        $t->log =~ /^(.*referral: (?!the store is in order).*)$/mg;

    is("@trouble", '', 'the store was never in trouble');
    is(join("\n", @{ $sum->{other} }), '', 'no other answers');
    is($sum->{unfinished}, 0, 'in the end all is acknowledged');
    cmp_ok(keys %{ $sum->{orders} }, '>', 10, 'there were orders');

    ok(wait_for(sub { Referral::Traffic::settled($t, $sum) }, 20),
        'holds pass, clicks are applied');
    is(join("\n", Referral::Traffic::check($t, $sum)), '',
        'what was acknowledged is there, once');
    $sum->{journal} = clicks_of_journal($t);
    $sum->{counted} += $_->{answered} for values %{ $sum->{clicks} };
    ok($t->quit, 'nginx ends in time');
    is(verify($t), '', 'the recount finds nothing');

    my @rings = glob $t->intake . '/*';
    is("@rings", '', 'no ring is left');
}


sub clicks_of_journal {
    my ($t) = @_;
    my ($after, $n) = (0, 0);

    for ( ;; ) {
        my @lines = split /\n/, $t->api(GET =>
            "/v1/journal?type=click&limit=1000&after=$after")->body;
        my $end = decode_json(pop @lines);

        $n += @lines;
        return $n unless $end->{more};
        $after = $end->{next};
    }
}


# ----------------------------------------------------------------- stopped --

sub stopped {
    my ($t, $traffic) = begin('relaxed', 12);    # some come to the other one
    my $seconds = 1.5;            # and as long as the changes below take

    sleep 0.3;
    $fault->set(calls => 'pwrite|writev', file => $DATA, from => $META,
        signal => SIGSTOP, every => 0, first => 5);
    ok(wait_for(sub { $fault->hits }, 5), 'who has the lock stands still');
    $fault->heal;

    my ($owner) = grep { state($_) eq 'T' } $t->workers;
    my ($slowest, @status) = reads($t, $seconds);

    ok($owner, 'it is a worker') or return;
    is(join(' ', grep { $_ !~ /^(?:302|200)$/ } @status), '',
        'links and reads are answered');
    cmp_ok(@status, '>', 30, 'many times');
    cmp_ok($slowest, '<', 0.5, 'at once');

    my $put = $t->api(PUT => '/v1/codes/LATER', { owner => 'later' });

    is($put->status, 503, 'a change is not');
    ok($put->header('Retry-After'), 'Retry-After');

    my ($other) = grep { $_ != $owner } $t->workers;

    kill QUIT => $other;
    ok(wait_for(sub { !grep { $_ == $other } $t->workers }, 12),
        'another worker can end');
    ok(wait_for(sub { state($other) !~ /^[^ZX]/ }, 12), 'and does');
    kill CONT => $owner;

    ok(wait_for(sub {
        $t->api(PUT => '/v1/codes/LATER', { owner => 'later' })->status
            =~ /^20[01]$/;
    }, 10), 'it goes on');

    my $sum = $traffic->stop;

    note("503: $sum->{later}, without an answer: $sum->{broken}");
    cmp_ok($sum->{later}, '>', 0, 'changes were answered 503');
    $sum->{clicks}{CODE00}{$_} += grep({ $_ == 302 } @status)
        for qw(sent answered);
    end($t, $sum, qr/somebody else has the store's write lock/);
}


# New connections come to whom is awake.

sub reads {
    my ($t, $seconds) = @_;
    my $end = time + $seconds;
    my ($slowest, @status) = (0);

    while (time < $end) {
        for my $get (sub { $t->get('/r/CODE00') },
                     sub { $t->api(GET => '/v1/codes/CODE00') })
        {
            my $start = time;

            push @status, $get->()->status;
            $slowest = time - $start if time - $start > $slowest;
        }

        sleep 0.02;
    }

    return ($slowest, @status);
}
