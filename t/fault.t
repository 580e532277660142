# Calls that fail while nginx serves: writes, flushes, allocations, in each way
# they can, for a second, under load.  Links redirect with their cookie, what
# is acknowledged is there, changes are answered 503 with Retry-After, the log
# has a line a second at most, and when the cause has gone all works again
# without a restart; after a failed flush of what was committed, after one.
#
# Catches an answer for what is not on disk, a worker that dies or hangs of an
# error, a failure that nobody is told of, or for ever.

use strict;
use warnings;
use lib 't/lib';

use Errno qw(EDQUOT EINTR EIO ENOMEM ENOSPC);
use Test::More;
use Time::HiRes qw(sleep time);

use Referral::Nginx timeout => 600;
use Referral::Fault;
use Referral::Traffic;

my $long = $ENV{REFERRAL_LONG};
my $asan = ($ENV{TEST_NGINX_PRELOAD} || '') =~ /asan/;
my $fault = Referral::Fault->new;
my @CODES = map { sprintf 'CODE%02d', $_ } 0 .. 19;

my $WRITES = 'write|writev|pwrite';
my $DATA = '*/store/data.mdb';
my $META = 8192;            # bytes of meta pages: after them pages of data
my $PATIENCE = 60;          # s; one flush of a busy disk may take several
my $LOG = '*/store/intake-*.log';

# name, rule, whether changes are expected to fail meanwhile

my @kinds = (
    ['no space', { calls => $WRITES, file => $DATA, from => $META,
        error => ENOSPC }, 1],
    ['the quota is used up',
        { calls => $WRITES, file => $DATA, from => $META,
            error => EDQUOT }, 1],
    ['writes fail', { calls => $WRITES, file => $DATA, from => $META,
        error => EIO }, 1],
    ['writes come short', { calls => $WRITES, file => $DATA, from => $META,
        half => 1 }, 1],
    ['every third write is interrupted', { calls => "$WRITES|lseek",
        file => '*/store/*', error => EINTR, every => 3 }, 0],
    ['every seventh write fails',
        { calls => $WRITES, file => '*/store/*', from => $META, error => EIO,
            every => 7 }],
    ['the slow disk', { calls => 'sync', file => '*/store/*',
        pause => 30_000 }, 0],
);

push @kinds, ['every 11th allocation fails',
    { calls => 'malloc', thread => 'other', error => ENOMEM, every => 11 }]
    unless $asan;

my @durable = (
    ['the log has no space', { calls => $WRITES, file => $LOG,
        error => ENOSPC }, 0],
    ['the flush of the log fails', { calls => 'sync', file => $LOG,
        error => EIO }, 0],
    ['writes to the log come short', { calls => $WRITES, file => $LOG,
        half => 1 }, 0],
);

subtest relaxed => sub { run('relaxed', @kinds) };
subtest durable => sub { run('durable', @durable, $long ? @kinds : ()) };

finish();


sub run {
    my ($commit, @kinds) = @_;
    my $t = Referral::Nginx->new(workers => 2, conf => conf($commit));

    # a killed process keeps its sockets until its last write has ended

    $t->allow(qr/bind\(\) .*Address already in use/);
    $t->start;
    $t->api(PUT => "/v1/codes/$_", { owner => "owner-$_" }) for @CODES;

    my $traffic = Referral::Traffic->new(port => $t->port, clients => 4,
        codes => \@CODES, token => $t->{token}{admin});

    sleep 0.2;
    kind($t, @$_) for @kinds;
    broken($t);

    my $sum = $traffic->stop;

    note("$sum->{requests} requests, 503: $sum->{later}, without an answer: ",
        "$sum->{broken}, the slowest link: $sum->{slowest} s");
    is(join("\n", @{ $sum->{other} }), '', 'no other answers');
    is($sum->{unfinished}, 0, 'in the end all is acknowledged');
    cmp_ok(keys %{ $sum->{orders} }, '>', 20, 'there were orders');

    settle($t, $sum);
    is(join("\n", Referral::Traffic::check($t, $sum)), '',
        'what was acknowledged is there, once');

    # without what only the rings know

    $t->kill9;
    unlink glob $t->intake . '/*';
    $t->start;
    is(join("\n", Referral::Traffic::check($t, $sum)), '', 'and on the disk');

    $t->quit;
    is(verify($t), '', 'the recount finds nothing');
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
EOC
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /referral/ {
            add_header X-Worker $pid always;
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC
}


# A second of it, or until it is seen, and then nothing is left of it.

sub kind {
    my ($t, $name, $rule, $fails) = @_;
    my @workers = $t->workers;
    my $from = length $t->log;

    $fault->set(%$rule);
    my @ill = watch($t, 1, sub { $fault->hits && (!$fails || @_) });
    $fault->heal;

    cmp_ok($fault->hits, '>', 0, "$name: it happened");
    ok(scalar @ill, "$name: health tells") if $fails;
    is(@ill ? $ill[0]->body : '', '', "$name: nobody notices")
        if defined $fails && !$fails && $rule->{file} ne $LOG;
    is(said($t, $from), '', "$name: a line a second");
    ok(wait_for(sub { well($t) }, $PATIENCE), "$name: all works again")
        or diag($t->api(GET => '/v1/health')->body);
    is(join(' ', $t->workers), join(' ', @workers), "$name: nobody died");
}


# What health says of what is wrong, of whatever worker answers, for so many
# seconds and until it is what is waited for.

sub watch {
    my ($t, $seconds, $enough) = @_;
    my $start = time;
    my @ill;

    while (time < $start + $seconds
        || (time < $start + $PATIENCE && !$enough->(@ill)))
    {
        my $answer = $t->api(GET => '/v1/health');
        push @ill, $answer if $answer->status != 200;
        sleep 0.02;
    }

    return @ill;
}


# Lines of one worker within one second of its clock: one of what is wrong, and
# when that is over, of this second or the one before.

sub said {
    my ($t, $from) = @_;
    my %lines;

    $lines{$_}++ for substr($t->log, $from)
        =~ /^(\S+ \S+ \[\w+\] \d+)#\d+: (?:\*\d+ )?referral: /mg;

    return join ' ', grep { $lines{$_} > 1 + /notice/ } sort keys %lines;
}


# Each of the workers is in order: those who ask are served by any of them, so
# they ask until all have answered.

sub well {
    my ($t) = @_;
    my %left = map { $_ => 1 } $t->workers;

    for my $n (1 .. 500) {
        my $answer = $t->api(GET => '/v1/health');

        return 0 if $answer->status != 200;
        delete $left{ $answer->header('X-Worker') };
        last if $n >= 20 && !%left;
    }

    return !%left && $t->api(PUT => '/v1/codes/AGAIN', { owner => 'again' })
        ->status =~ /^20[01]$/;
}


# What was committed cannot be flushed: a worker that saw it writes no more, and
# says so, until it is another one.

sub broken {
    my ($t) = @_;

    $fault->set(calls => 'sync', file => $DATA, error => EIO, every => 5);
    ok($t->wait_log(qr/referral: .*(?:mdb_env_sync\(\) failed|; restart)/,
        $PATIENCE), 'a flush of what was committed fails');
    $fault->heal;
    sleep 0.5;
    ok(scalar watch($t, 0.5, sub { scalar @_ }), 'health tells, for good');

    my $link = $t->get('/r/CODE00');
    is($link->status, 302, 'the link redirects');
    like($link->header('Set-Cookie'), qr/^ref_friends=/, 'with its cookie');

    ok($t->restart, 'a restart');
    ok(wait_for(sub { well($t) }, $PATIENCE), 'and all works again');
}


sub settle {
    my ($t, $sum) = @_;

    # the clicks of this test itself

    $sum->{clicks}{CODE00}{$_}++ for qw(sent answered);
    $sum->{codes}{AGAIN} = 1;

    ok(wait_for(sub { Referral::Traffic::settled($t, $sum) }, $PATIENCE),
        'holds pass, clicks are applied');
}


sub verify {
    my ($t) = @_;
    my $said = `$Referral::Nginx::BUILD/referralctl verify @{[ $t->store ]} 2>&1`;

    return $? ? $said : '';
}
