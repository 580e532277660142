#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# referralctl: its secrets are good and never overwritten, it sees a store as
# it is, finds a wrong counter, and leaves nothing behind that nginx cannot
# open.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Handle;
use JSON::PP qw(decode_json);
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Test::More;

my $nobody = 65534;
my $root = dirname(dirname(abs_path(__FILE__)));
my $build = $ENV{BUILD_DIR} || $ENV{TEST_BUILD} || "$root/build";
my $tmp = tempdir(CLEANUP => 1);
my $ctl = "$tmp/referralctl";
my $make = "$build/unit/store_make";

alarm 120;

# another user need not be able to reach the build directory

chmod 0755, $tmp;
system('cp', "$build/referralctl", $ctl) == 0 && -x $make
    or BAIL_OUT("referralctl and unit/store_make are not in $build");

subtest 'help and version' => \&help;
subtest 'wrong use' => \&wrong_use;
subtest 'keygen' => \&keygen;
subtest 'token' => \&token;
subtest 'a disk that is full' => \&full_disk;
subtest 'stat' => \&stat_store;
subtest 'verify' => \&verify;
subtest 'progress' => \&progress;
subtest 'beside a process that writes' => \&beside;
subtest 'what is no store' => \&no_store;

SKIP: {
    skip 'only root can act as others', 2 if $> != 0;

    subtest 'root and a store of another user' => \&as_root;
    subtest 'another user and a store of root' => \&as_other;
}

done_testing();


sub help {
    my ($code, $out, $err) = ctl('--help');

    is($code, 0, 'help is no failure');
    is($err, '', 'and goes to standard output');
    like($out, qr/^  \Q$_\E\b/m, "it tells of $_") for qw(stat verify rebuild
        backup compact purge import export erase keygen token --json --dry-run
        --csv);
    like($out, qr/exit status.*0 .*1 .*2 /is, 'and of exit codes');

    ($code, $out) = ctl('stat', '--version', '/nowhere');
    is("$code $out", "0 referralctl 0.1.0\n", 'options stand anywhere');
}


sub wrong_use {
    refused(qr/the commands are stat, verify, .*, keygen and token, see/);
    refused(qr/unknown command "$_", the commands are stat/, $_)
        for qw(restore Stat st);

    refused(qr/unknown option "--jsn"/, '--jsn', 'stat', $tmp);
    refused(qr/unknown option "--json=1"/, 'stat', '--json=1', $tmp);
    refused(qr/unknown option "-j"/, 'stat', $tmp, '-j');
    refused(qr/unknown option "-1d"/, 'purge', $tmp, 'friends', '-1d');

    refused(qr/usage: referralctl stat DIR/, 'stat');
    refused(qr/usage: referralctl stat DIR/, 'stat', $tmp, $tmp);
    refused(qr/usage: referralctl $_ DIR/, $_)
        for qw(verify rebuild backup compact purge erase);
    refused(qr/usage: referralctl export codes\|conv.* DIR PROGRAM/, 'export');
    refused(qr/usage: referralctl backup DIR TARGET/, 'backup', $tmp);
    refused(qr/usage: referralctl verify DIR/, 'verify', $tmp, '--csv');
    refused(qr/usage: referralctl export/, qw(export codes), $tmp, 'friends',
        '--dry-run');
    refused(qr/cannot export "orders", only codes, conversions, rewards/,
        qw(export orders), $tmp, 'friends');
    refused(qr/the journal has no columns/, qw(export journal), $tmp,
        'friends', '--csv');
    refused(qr/"$_" is no time like 90d, 12h or "1d 12h"/, 'purge', $tmp,
        'friends', $_) for '', 'x', '90', '1d1d', '1h2d', '90 d', '9999y',
        '99999999999999999999d', '1d ', '1dd';
    refused(qr/usage: referralctl keygen \[KID\]/, qw(keygen k1 f more));
    refused(qr/usage: referralctl keygen \[KID\]/, qw(keygen --json));
    refused(qr/usage: referralctl token NAME/, qw(token shop));
    refused(qr/usage: referralctl token NAME/, qw(token shop read f more));

    refused(qr/key id "" is not/, 'keygen', '');
    refused(qr/key id "k.1" is not/, qw(keygen k.1));
    refused(qr/key id "k12345678" is not 1 to 8/, qw(keygen k12345678));
    refused(qr/name "my shop" is not/, 'token', 'my shop', 'read');
    refused(qr/name "x{65}" is not 1 to 64/, 'token', 'x' x 65, 'read');
    refused(qr/scope "all" is not "read", "write" or "admin"/,
        qw(token shop all));
}


sub keygen {
    my ($code, $out, $err) = ctl('keygen');
    my ($base64) = $out =~ m{^k1:([A-Za-z0-9+/]{43}=)\n\z};

    is("$code$err", '0', 'a key');
    is(length decode_base64($base64 // ''), 32, 'of 32 bytes');
    isnt((ctl('keygen'))[1], $out, 'the next one is another');

    for my $kid ('a', 'aZ09_-xy') {
        like((ctl('keygen', $kid))[1], qr/^\Q$kid\E:/, "with the id $kid");
    }

    umask 0;

    is_deeply([ctl('keygen', 'k2', "$tmp/key")], [0, '', ''], 'into a file');
    my $key = slurp("$tmp/key");
    like($key, qr{^k2:[A-Za-z0-9+/]{43}=\n\z}, 'which is that line');
    is(mode("$tmp/key"), '0600', 'for its owner only');

    refused(qr/"\Q$tmp\E\/key" exists/, 'keygen', 'k2', "$tmp/key");
    is(slurp("$tmp/key"), $key, 'and the key is the same');

    symlink "$tmp/elsewhere", "$tmp/link";
    refused(qr/exists/, 'keygen', 'k2', "$tmp/link");
    ok(!-e "$tmp/elsewhere", 'a link is not followed');

    refused(qr/cannot create .*No such file/, 'keygen', 'k2', "$tmp/no/key");
}


sub token {
    my ($code, $out, $err) = ctl(qw(token shop write));
    my ($token, $line) = $out =~ /^(rt_[A-Za-z0-9_-]{43})\n
        line\ for\ the\ token_file:\ (.*)\n\z/x;

    is("$code$err", '0', 'a token');
    is($line, 'shop write ' . sha256_hex($token // ''), 'and its line');
    unlike((ctl(qw(token shop write)))[1], qr/\Q$token\E/,
        'the next one is another');

    my $file = "$tmp/tokens";
    my $want = '';
    umask 0;

    for my $scope (qw(read write admin)) {
        ($code, $out, $err) = ctl('token', $scope, $scope, $file);
        is("$code$err", '0', "a token to $scope, into a file");
        like($out, qr/^rt_[\w-]{43}\n\z/, 'is all that is printed');
        chomp $out;
        $want .= "$scope $scope " . sha256_hex($out) . "\n";
        is(slurp($file), $want, 'the file has its line, and not the token');
    }

    is(mode($file), '0600', 'made for its owner only');
    refused(qr/has a token "write" already/, 'token', 'write', 'read', $file);
    is(slurp($file), $want, 'a name that is taken changes nothing');

    spew($file, "# tokens\n\tshop  read 00\r\nlast read 11");
    refused(qr/has a token "$_" already/, 'token', $_, 'read', $file)
        for qw(shop last);
    is((ctl(qw(token new read), $file))[0], 0, 'part of a name is not taken');
    like(slurp($file), qr/\nlast read 11\nnew read [0-9a-f]{64}\n\z/,
        'and a last line without an end gets one');

    refused(qr/not a regular file/, qw(token a read), '/dev/null');
    refused(qr/cannot open/, qw(token a read), "$tmp/no/tokens");
}


# Nothing may stay half written.

sub full_disk {
    my $limit = 'trap "" XFSZ; ulimit -f "$0"; exec "$@"';
    my $file = "$tmp/full";
    my $old = '#' x 500 . "\nshop read 0";      # 512 bytes: one block

    my ($code, $out, $err) = run({}, 'sh', '-c', $limit, 0, $ctl,
        'keygen', 'k1', $file);
    is($code, 2, 'a key that cannot be written');
    like($err, qr/^referralctl: cannot write .*File too large/, 'is refused');
    ok(!-e $file, 'and no file is left');

    for my $cut (0, 40) {
        spew($file, my $text = substr $old, $cut);
        ($code, $out, $err) = run({}, 'sh', '-c', $limit, 1, $ctl,
            'token', 'new', 'read', $file);
        is("$code$out", '2', 'a token whose line does not fit');
        like($err, qr/^referralctl: cannot write .*File too large/,
            'is refused');
        is(slurp($file), $text, 'and the file is as it was');
    }

    for my $command ('keygen', 'token a read', '--help') {
        ($code, $out, $err) = run({}, 'sh', '-c',
            "exec '$ctl' $command > /dev/full");
        is($code, 2, "$command sees that its output is lost");
        like($err, qr/cannot write to standard output/, 'and says so');
    }
}


sub stat_store {
    my $dir = store('stat', 30);
    my $before = slurp("$dir/data.mdb");
    my ($code, $out, $err) = ctl('stat', $dir);

    is("$code$err", '0', 'stat');
    like($out, qr/^id +[0-9a-f]{32}$/m, 'tells the id');
    like($out, qr/^schema +4$/m, 'the schema');
    like($out, qr/^map +64\.0 MiB$/m, 'the map as nginx made it');
    like($out, qr/^$_ +[\d.]+ [KM]iB$/m, "the size $_")
        for qw(file used free);
    like($out, qr/^level +ok, \d+ % of the map$/m, 'how full it is');
    like($out, qr/^journal +34$/m, 'a program, three codes and the clicks');
    like($out, qr/^codes +3$/m, 'the codes');
    like($out, qr/^readers +\d+ of \d+$/m, 'the readers');
    like($out, qr/^slots +1$/m, 'the slot of the intake');

    ($code, $out, $err) = ctl('stat', $dir, '--json');
    my $json = eval { decode_json($out) } || {};

    is("$code$err", '0', 'stat --json');
    is(scalar($out =~ tr/\n//), 1, 'prints one line');
    is(delete $json->{file_size}, -s "$dir/data.mdb", 'the size of the file');
    like(delete $json->{id}, qr/^[0-9a-f]{32}\z/, 'the id');
    is((delete $json->{used}) + (delete $json->{free}), -s "$dir/data.mdb",
        'what is used of it and what is not');
    is(delete $json->{level}, 'ok', 'the level');
    cmp_ok(delete $json->{used_percent}, '<', 75, 'below the first');
    cmp_ok(delete $json->{last_txn}, '>', 0, 'the transaction');
    cmp_ok(delete $json->{readers}, '<=', delete $json->{max_readers},
        'the readers');
    is_deeply($json, { schema => 4, map_size => 64 << 20, journal => 34,
        codes => 3, slots => 1 }, 'and all the rest');

    chdir $tmp;
    is((ctl('stat', 'stat'))[0], 0, 'a relative path will do');
    chdir $root;
    ok(slurp("$dir/data.mdb") eq $before, 'the file is as it was');
}


sub verify {
    my $dir = store('verify', 500);

    is_deeply([ctl('verify', $dir)],
        [0, "504 entries recounted, differences: 0\n", ''], 'a good store');

    my ($code, $out, $err) = ctl('--json', 'verify', $dir);
    is_deeply([$code, decode_json($out), $err],
        [0, { journal => 504, differences => 0, reports => [] }, ''],
        'the same as JSON');

    for my $db (qw(hot hist prg)) {
        $dir = store("verify-$db", 500);
        is(system($make, '-d', $dir, $db), 0, "a wrong counter in $db");

        ($code, $out, $err) = ctl('verify', $dir);
        is($code, 1, 'is found');
        is($err, '', 'which is no failure');
        like($out, qr/\Acounter\ of\ a\ .*\ not\ what\ the\ journal\ says.*\n
            504\ entries\ recounted,\ differences:\ 1\n\z/x, 'and told');

        ($code, $out) = ctl('verify', $dir, '--json');
        my $json = eval { decode_json($out) } || {};
        is($code, 1, 'as JSON, too');
        is($json->{differences}, 1, 'one difference');
        like("@{$json->{reports}}", qr/^counter of a /, 'with its sentence');
    }
}


# A recount of less than 65,536 entries shows none.

sub progress {
    plan skip_all => 'there is no pseudo-terminal here'
        if system('script -qec true /dev/null >/dev/null 2>&1') != 0;

    my $dir = store('progress', 70000);
    my $line = qr/\[#+\.+\] 65536 of 70004 rows, 93 %\e\[K/;

    is((ctl('verify', $dir))[2], '', 'none where nobody looks');

    my $out = `script -qec '$ctl verify $dir' /dev/null`;
    is($?, 0, 'on a terminal');
    like($out, qr/\r$line\r\e\[K70004 entries recounted/, 'it comes and goes');
}


sub beside {
    my $dir = store('beside', 10);

    pipe my $from_r, my $from_w or die;
    pipe my $to_r, my $to_w or die;

    my $pid = fork() // die "fork() failed: $!";

    if ($pid == 0) {
        close $to_w;
        open STDIN, '<&', $to_r;
        open STDOUT, '>&', $from_w;
        exec $make, '-h', $dir, "$tmp/rings" or POSIX::_exit(127);
    }

    close $_ for $to_r, $from_w;
    $to_w->autoflush(1);

    is(scalar <$from_r>, "ok\n", 'another process has the store open');

    for my $n (1 .. 3) {
        print $to_w "click\n";
        is(scalar <$from_r>, "ok\n", 'and takes a click');
        like((ctl('stat', $dir))[1], qr/^journal +${\(14 + $n)}$/m,
            'which stat sees');
        is((ctl('verify', $dir))[0], 0, 'and which adds up');
    }

    print $to_w "click\n" x 200;
    is((ctl('verify', $dir))[0], 0, 'as it does while it takes many')
        for 1 .. 5;
    is(scalar(map { scalar <$from_r> } 1 .. 200), 200, 'none is disturbed');

    close $to_w;
    waitpid $pid, 0;
    is($?, 0, 'and it ends well');
    is((ctl('verify', $dir))[1], "217 entries recounted, differences: 0\n",
        'with all of them');
}


sub no_store {
    refused(qr/cannot use "\Q$tmp\E\/none" \(No such file/, 'stat',
        "$tmp/none");
    refused(qr/"\Q$tmp\E\/key" is not a directory/, 'stat', "$tmp/key");

    mkdir "$tmp/empty";
    refused(qr/cannot open "[^"]*empty\/data.mdb" \(No such/, $_,
        "$tmp/empty") for qw(stat verify);
    is_deeply([glob "$tmp/empty/*"], [], 'nothing is made there');

    mkdir "$tmp/blank";
    spew("$tmp/blank/data.mdb", '');
    refused(qr/there is no store in "[^"]*blank" yet: "data.mdb" is empty/, $_,
        "$tmp/blank") for qw(stat verify rebuild compact);
    is(-s "$tmp/blank/data.mdb", 0, 'and is left so');

    mkdir "$tmp/text";
    spew("$tmp/text/data.mdb", "not an LMDB file\n" x 1000);
    refused(qr/cannot open "[^"]*text\/data.mdb"/, $_, "$tmp/text")
        for qw(stat verify);

    my $cut = store('cut', 500);
    truncate "$cut/data.mdb", 16384;
    refused(qr/cut short/, 'verify', $cut);
}


sub as_root {
    my $dir = store('theirs', 10);

    chmod 0700, $dir;
    chown $nobody, $nobody, $dir, glob "$dir/*";
    unlink "$dir/lock.mdb";

    my ($code, $out, $err) = ctl('stat', $dir);
    is("$code$err", '0', 'stat as root');
    is((stat "$dir/lock.mdb")[4], $nobody, 'the lock file is not of root');
    is((ctl('verify', $dir))[0], 0, 'verify as root');
    is((run({ uid => $nobody }, $ctl, 'stat', $dir))[0], 0,
        'and the owner can open it still');

    # a directory of root, writable to those who run nginx

    chown 0, $nobody, $dir;
    chmod 0770, $dir;
    unlink "$dir/lock.mdb";
    is((ctl('stat', $dir))[0], 0, 'where only the files are theirs');
    is((stat "$dir/lock.mdb")[4], $nobody, 'it is the same');

    chown $nobody, $nobody, $dir;
    chown 0, 0, "$dir/data.mdb";
    unlink "$dir/lock.mdb";
    refused(qr/Permission denied\), for user "[^"]+", who owns the store$/,
        'stat', $dir);
    ok(!-e "$dir/lock.mdb", 'a store they cannot read gets no lock file');

    mkdir "$tmp/closed", 0700;
    rename $dir, "$tmp/closed/theirs";
    refused(qr/cannot use [^(]* \(Permission denied\), for user "[^"]+",/,
        'stat', "$tmp/closed/theirs");
}


sub as_other {
    my $dir = store('ours', 10);

    for my $mode (0700, 0755) {
        chmod $mode, $dir;

        for my $command (qw(stat verify)) {
            denied(qr/\(Permission denied\): run referralctl as root$/,
                $nobody, $command, $dir);
        }
    }

    chmod 0777, $dir;
    chmod 0644, "$dir/data.mdb";
    unlink "$dir/lock.mdb";

    denied(qr/lock\.mdb" is not there, and only user "root" shall make it/,
        $nobody, 'stat', $dir);
    ok(!-e "$dir/lock.mdb", 'and it is not made');

    chown $nobody, $nobody, $dir;
    chmod 0700, $dir;
    denied(qr/: run referralctl as user "[^"]+", who owns .*, or as root$/,
        $nobody - 1, 'stat', $dir);
}


sub denied {
    my ($sentence, $uid, @args) = @_;
    my ($code, $out, $err) = run({ uid => $uid }, $ctl, @args);

    is("$code$out", '2', "$args[0] where they may not");
    like($err, qr/\Areferralctl: [^\n]+\n\z/, 'is refused in one sentence');
    like($err, $sentence, 'which says what to do');
}


sub refused {
    my ($sentence, @args) = @_;
    my ($code, $out, $err) = ctl(@args);
    my $name = join ' ', map { s/^\Q$tmp\E/./r } @args;

    is("$code$out", '2', "refused: $name");
    like($err, qr/\Areferralctl: [^\n]+\n\z/, 'in one sentence');
    like($err, $sentence, 'which tells why');
}


sub store {
    my ($name, $clicks) = @_;

    mkdir $_ for "$tmp/rings", "$tmp/$name";
    system($make, "$tmp/$name", "$tmp/rings", $clicks) == 0
        or BAIL_OUT('store_make failed');

    return "$tmp/$name";
}


sub ctl {
    return run({}, $ctl, @_);
}


# Exit code, standard output, standard error.

sub run {
    my ($opt, @command) = @_;

    pipe my $out, my $out_w or die;
    pipe my $err, my $err_w or die;

    my $pid = fork() // die "fork() failed: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $out_w;
        open STDERR, '>&', $err_w;

        if ($opt->{uid}) {
            $) = "$opt->{uid} $opt->{uid}";
            POSIX::setgid($opt->{uid});
            POSIX::setuid($opt->{uid});
        }

        exec { $command[0] } @command or POSIX::_exit(127);
    }

    close $_ for $out_w, $err_w;

    # less than a pipe holds: one after the other is no deadlock

    my @text = map { local $/; scalar(<$_>) // '' } $out, $err;

    waitpid $pid, 0;

    return ($? & 127 ? "signal $?" : $? >> 8, @text);
}


sub mode {
    return sprintf '%04o', (stat $_[0])[2] & 07777;
}


sub slurp {
    my ($path) = @_;
    open my $fh, '<:raw', $path or die "cannot open $path: $!\n";
    local $/;
    return scalar(<$fh>) // '';
}


sub spew {
    my ($path, $text) = @_;
    open my $fh, '>:raw', $path or die "cannot write $path: $!\n";
    print $fh $text;
    close $fh or die "cannot write $path: $!\n";
}
