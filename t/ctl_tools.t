#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# referralctl purge and rebuild, beside an nginx that takes clicks; every
# command that works long, told to stop, without its standard output, on a
# terminal, and as the users who may run it.

use strict;
use warnings;
use lib 't/lib';

use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use Referral::Nginx timeout => 300;
use Referral::Load;

my $tmp = tempdir(CLEANUP => 1);
my $ctl = "$tmp/referralctl";
my $make = "$Referral::Nginx::BUILD/unit/store_make";

chmod 0755, $tmp;
system('cp', "$Referral::Nginx::BUILD/referralctl", $ctl) == 0 && -x $make
    or BAIL_OUT('referralctl and unit/store_make are not there');

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% map_size=256m
        interval=50ms;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        retention clicks=off journal=off;
    }
    referral_program other {
        link "^/o/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        retention clicks=off journal=off;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /o/ { referral other; }
    }
EOC

$t->start;
$t->api(PUT => "/v1/codes/$_", { owner => "u$_" }) for 'ANNA42', 'BEN7';

my $terminal = system('script -qec true /dev/null >/dev/null 2>&1') == 0;

subtest 'a purge beside traffic' => \&purge;
subtest 'one that is stopped' => \&purge_stopped;
subtest 'rebuild' => \&rebuild;
subtest 'told to stop' => \&stopped;
subtest 'without standard output' => \&closed;
subtest 'on a terminal' => \&terminal;

SKIP: {
    skip 'only root can act as others', 1 if $> != 0;
    subtest 'users' => \&users;
}

subtest 'in the end' => \&in_the_end;

finish();


sub purge {
    traffic(1.5);

    my $click = $t->get('/r/BEN7');
    my ($id) = $click->header('Set-Cookie')
        =~ /\.BEN7\.[^.]*\.([A-Za-z0-9_-]{12})\./;
    settled();
    is($t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => 'o1', click_id => $id })->json->{code}, 'BEN7',
        'an order by a click');

    my $before = counters();
    my $journal = clicks();

    sleep 1.2;
    my $load = Referral::Load->new(port => $t->port, clients => 1,
        uris => ['/r/ANNA42'], seconds => 60);
    my ($code, $out, $err) = ctl('purge', $t->store, 'friends', '1s',
        '--json');
    my $after = $load->stop;
    my $sum = decode_json($out);

    is("$code$err", '0', 'the purge');
    is_deeply([sort keys %$sum], [qw(kept purged)], 'as JSON');
    cmp_ok($sum->{purged}, '>=', $journal - 1, 'all the old ones are purged');
    is($sum->{kept}, 1, 'but one, that an order came by');
    is($t->api(GET => "/v1/clicks/$id")->status, 200, 'which is there');
    is($after->{other}, 0, 'nobody was disturbed');

    settled();
    my $counted = counters() - $before;
    ok($counted >= $after->{answered} && $counted <= $after->{sent},
        'the counters have all that were ever counted')
        or diag "$counted, of $after->{answered} to $after->{sent}";
    is((ctl('verify', $t->store))[0], 0, 'and the recount agrees');

    ($code, $out) = ctl('purge', $t->store, 'friends', '1d 12h');
    is($code, 0, 'again, of what is older');
    is($out, "purged  0\nkept    0\n", 'there is nothing');

    refused(qr/has no program "freunde", only "friends", "other"/, 'purge',
        $t->store, 'freunde', '1d');
    is((ctl('purge', $t->store, 'other', '1s'))[1], "purged  0\nkept    0\n",
        'programs are purged one by one');
}


sub purge_stopped {
    traffic(3);
    settled();

    my $all = clicks();
    sleep 1.2;

    my $pid = start('purge', $t->store, 'friends', '1s', '--json');
    begun($pid);
    sleep 0.05;
    kill INT => $pid;
    my ($code, $out, $err) = end($pid);

    SKIP: {
        skip 'it was done already', 4 if $code == 0;
        is($code, 2, 'stopped');
        is($err, "referralctl: stopped by a signal: the next purge goes on "
            . "from here\n", 'it says so');
        my $purged = decode_json($out)->{purged};
        cmp_ok($purged, '<', $all, 'and how far it came');
        is(clicks(), $all - $purged, 'which is what is gone');
    }

    is((ctl('verify', $t->store))[0], 0, 'all is whole');
    is((ctl('purge', $t->store, 'friends', '1s'))[0], 0, 'the next one');
    cmp_ok(clicks(), '<=', 2, 'does the rest');
    is((ctl('verify', $t->store))[0], 0, 'and all is whole');
}


sub rebuild {
    my ($code, $out, $err) = ctl('rebuild', $t->store);
    my $n = stat_of($t->store)->{journal};

    is("$code$err", '0', 'beside nginx, where nothing is wrong');
    is($out, "$n entries recounted, mended: 0\n", 'nothing is mended');

    for my $db (qw(hot hist prg)) {
        my $dir = store($db, 500);

        is(system($make, '-d', $dir, $db), 0, "a wrong counter in $db");
        is((ctl('verify', $dir))[0], 1, 'is found');

        ($code, $out, $err) = ctl('rebuild', $dir, '--json');
        my $json = decode_json($out);
        is("$code$err $json->{mended}", '0 1', 'and mended');
        like("@{ $json->{reports} }", qr/^counter of a /, 'with a sentence');
        is((ctl('verify', $dir))[0], 0, 'then nothing is wrong');
    }

    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => ['/r/ANNA42'], seconds => 60);
    is((ctl('rebuild', $t->store))[0], 0, 'beside traffic') for 1 .. 5;
    my $clicks = $load->stop;
    is($clicks->{other}, 0, 'nobody was disturbed');
    settled();
    is((ctl('verify', $t->store))[0], 0, 'and nothing is lost');
}


# A recount of 70,000 rows tells once where it is.

sub stopped {
    my $dir = store('stopped', 70000);

    system($make, '-d', $dir, 'prg');

    for my $command (qw(verify rebuild)) {
        my $pid = start($command, $dir);
        begun($pid);
        kill INT => $pid;
        my ($code, $out, $err) = end($pid);
        is("$code$out", '2', "$command: stopped");
        is($err, "referralctl: stopped by a signal: nothing was changed\n",
            'it says so');
    }

    is((ctl('verify', $dir))[1] =~ /differences: (\d+)/ && $1, 1,
        'what was wrong still is');
    is((ctl('rebuild', $dir))[0], 0, 'who comes next can write');
    is((ctl('verify', $dir))[0], 0, 'and mends it');

    # one that waits for its input

    my $pid = start('import', 'conversions', $t->store, 'friends', '-',
        sub { pipe my $r, my $w or die; open STDIN, '<&', $r;
            POSIX::dup2(fileno $w, 9) });
    begun($pid);
    kill TERM => $pid;
    my ($code, $out, $err) = end($pid);
    is($code, 2, 'import: stopped while it waits');
    like($err, qr/\Areferralctl: stopped by a signal: after line 0, up to/,
        'it says so');
}


# With descriptor 1 the store would be printed into.

sub closed {
    my $dir = store('closed', 100);

    system($make, '-d', $dir, 'prg');

    for my $command ("stat '$dir'", "verify '$dir'", "rebuild '$dir'",
        "export codes '$dir' friends", "purge '$dir' friends 1d",
        "compact '$dir'", "backup '$dir' '$tmp/copy'", '--help')
    {
        my ($code, $out, $err) = run({}, 'sh', '-c',
            "exec '$ctl' $command >&-");
        is($code, 2, "$command >&-");
        like($err, qr/\Areferralctl: cannot write to standard output \([^\n]*\n\z/,
            'is told');
    }

    is((ctl('verify', $dir))[0], 0, 'the store is none the worse');
    is((run({}, 'sh', '-c', "exec '$ctl' verify '$dir' 0<&- 2>&-"))[0], 0,
        'nor without the others');
}


sub terminal {
    plan skip_all => 'there is no pseudo-terminal here' if !$terminal;

    my $dir = store('terminal', 70000);
    my $store = $t->store;

    traffic(0.5);
    settled();
    sleep 1.2;

    for (["verify '$dir'", qr/\[#+\.+\] 65536 of 70004 rows, 93 %/],
        ["rebuild '$dir'", qr/\[#+\.+\] 65536 of 70004 rows, 93 %/],
        ["purge '$store' friends 1s", qr/\d+ clicks purged/],
        ["backup '$dir' '$tmp/shown'", qr/\[[#.]+\] \d+\.\d of \d+\.\d MiB, \d+ %/],
        ["export journal '$dir' friends >/dev/null",
            qr/\[[#.]+\] \d+ of 70004 journal, \d+ %/])
    {
        my ($command, $bar) = @$_;
        my $out = `script -qec "$ctl $command" /dev/null`;
        is($?, 0, $command);
        like($out, qr/\r$bar(?:, \d+:\d\d left)?\e\[K/, 'shows how far it is');
        like($out, qr/\r\e\[K[^\r\e]*(?:\r\n[^\r\e]*)*\z/,
            'and clears it in the end');
        my $draws = () = $out =~ /\r[^\r\e]/g;
        cmp_ok($draws, '<', 100, 'without drawing all the time');
    }

    my $out = `script -qec "stty cols 40; $ctl verify $dir" /dev/null`;
    unlike($out, qr/\[[#.]{11,}/, 'a narrow one has a short bar');
    is((ctl('verify', $dir))[2], '', 'none where nobody looks');
}


sub users {
    my $www = getpwnam 'www-data';
    my $dir = $t->store;

    for my $command (['stat'], ['verify'], ['rebuild'],
        ['purge', 'friends', '30d'])
    {
        my ($name, @args) = @$command;

        for my $uid (0, $www) {
            my ($code, $out, $err) = run({ uid => $uid }, $ctl, $name, $dir,
                @args);
            is("$code$err", '0', "$name as " . getpwuid $uid);
        }

        my ($code, $out, $err) = run({ uid => 65534 }, $ctl, $name, $dir,
            @args);
        is("$code$out", '2', 'not as another');
        like($err, qr/\Areferralctl: [^\n]+: run referralctl as [^\n]+\n\z/,
            'who is told as whom');
    }

    is_deeply([grep { (stat)[4] != $www } map { glob "$_/*" } $dir,
        $t->intake], [], 'and no file is of anybody else');
}


sub in_the_end {
    ok($t->restart, 'restart');
    is((ctl('verify', $t->store))[0], 0, 'nothing is wrong');
    $t->quit;
    is((ctl('rebuild', $t->store))[0], 0, 'rebuild without nginx');
    is((ctl('purge', $t->store, 'friends', '1s'))[0], 0, 'purge, too');
    is((ctl('verify', $t->store))[0], 0, 'nothing is wrong');
    $t->start;
    is($t->get('/r/ANNA42')->status, 302, 'and nginx goes on');
}


# ------------------------------------------------------------------ tools --

sub traffic {
    my ($seconds) = @_;
    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => ['/r/ANNA42', '/r/BEN7'], seconds => 60);
    sleep $seconds;
    my $sum = $load->stop;
    is($sum->{other}, 0, "traffic: $sum->{answered}");
}


# What was taken is counted.

sub settled {
    my $last = -1;
    ok(wait_for(sub { my $before = $last; $last = counters();
        sleep 0.2; $last == $before }, 20), 'all is counted');
}


sub counters {
    return $t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{total};
}


sub clicks {
    my ($code, $out) = ctl(qw(export journal), $t->store, 'friends');
    return scalar(() = $out =~ /"type":"click"/g);
}


sub stat_of { return decode_json((ctl('stat', $_[0], '--json'))[1]) }


sub store {
    my ($name, $clicks) = @_;

    mkdir $_ for "$tmp/rings", "$tmp/$name";
    system($make, "$tmp/$name", "$tmp/rings", $clicks) == 0
        or BAIL_OUT('store_make failed');

    return "$tmp/$name";
}


sub refused {
    my ($sentence, @args) = @_;
    my ($code, $out, $err) = ctl(@args);

    is("$code$out", '2', "refused: @args");
    like($err, qr/\Areferralctl: [^\n]+\n\z/, 'in one sentence');
    like($err, $sentence, 'which tells why');
}


sub ctl { return run({}, $ctl, @_) }

sub run {
    my ($opt, @command) = @_;
    return end(launch($opt, @command));
}

sub start {
    my @command = @_;
    my $before = ref $command[-1] ? pop @command : undef;
    return launch({ before => $before }, $ctl, @command);
}

sub launch {
    my ($opt, @command) = @_;
    my $pid = fork() // die "fork() failed: $!";

    return $pid if $pid != 0;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>', "$tmp/out";
    open STDERR, '>', "$tmp/err";
    $opt->{before}->() if $opt->{before};

    if ($opt->{uid}) {
        $) = "$opt->{uid} $opt->{uid}";
        POSIX::setgid($opt->{uid});
        POSIX::setuid($opt->{uid});
    }

    exec { $command[0] } @command or POSIX::_exit(127);
}

# It works, and takes signals by itself.

sub begun {
    my ($pid) = @_;

    ok(wait_for(sub { (readlink("/proc/$pid/exe") // '') eq $ctl
        && slurp("/proc/$pid/status") =~ /^SigCgt:\s*\S*[2367abef]$/m }, 10),
        'it has begun');
}


# Exit code, standard output, standard error.

sub end {
    my ($pid) = @_;

    waitpid $pid, 0;
    my $code = $? & 127 ? "signal $?" : $? >> 8;

    return ($code, map { slurp("$tmp/$_") } qw(out err));
}

sub slurp {
    open my $f, '<', $_[0] or return '';
    local $/;
    return scalar(<$f>) // '';
}
