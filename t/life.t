#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The life of a store between other hands: made, looked at by "nginx -t",
# refused when it cannot be read, shared by several nginx, left behind by a
# reader that died.  See t/trouble.t for a disk that is full and a file that is
# cut short, t/conf.t for where a store may not be.
#
# Would catch: "nginx -t" or a failed reload that changes anything; a file that
# others can read; a file that is not ours, or of a later version, that is
# written to, replaced or deleted; a click counted by one of two nginx only; a
# dead reader that lets the file grow.

use strict;
use warnings;

use Digest::SHA;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use Referral::Nginx timeout => 240;

my $root = $> == 0;
my $user = $root ? 'www-data' : getpwuid($>);
my ($uid, $gid) = (getpwnam $user)[2, 3];
my @as = $root ? ('setpriv', "--reuid=$uid", "--regid=$gid", '--clear-groups')
    : ();
my $ctl = "$Referral::Nginx::BUILD/referralctl";

my $conf = <<'EOC';
    referral_store STORE intake_path=INTAKE intake=1m PARAMS;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
    }
    referral_program partners {
        link "^/p/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        codes open;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /partners/ { referral_api partners token_file=%%TOKENS%%; }
        location /p/ { referral partners; }
    }
    server {
        listen 127.0.0.1:%%PORT2%%;
        referral friends;
    }
EOC


sub conf {
    my (%with) = (STORE => '%%STORE%%', INTAKE => '%%INTAKE%%', PARAMS => '',
        @_);
    my $text = $conf;
    $text =~ s/\b$_\b/$with{$_}/ for keys %with;
    return $text;
}


# What there is below a directory, and what can be known of it from outside.

sub state_of {
    my (@of) = @_;
    my %state;

    for my $file (split /\n/, `find @of 2>/dev/null`) {
        my @st = lstat $file;
        $state{$file} = join ' ', map { $st[$_] } 1, 2, 4, 5, 7, 9, 10;
    }

    return \%state;
}


# The same but for times, while nginx works.

sub owners_of {
    my $state = state_of(@_);
    s/( \d+){3}$// for values %$state;
    return $state;
}


sub modes {
    my ($what, @of) = @_;
    my @wrong;

    for my $file (split /\n/, `find @of -mindepth 1`) {
        my @st = lstat $file;
        push @wrong, sprintf('%s %04o %d', $file, $st[2] & 07777, $st[4])
            if ($st[2] & 07777) != 0600 || $st[4] != $uid;
    }

    is(join("\n", @wrong), '', "$what: all files are the workers' alone");
}


sub human {
    my ($t, $prefix) = @_;
    my $r = $t->api(GET => '/v1/counters', undef, prefix => $prefix
        || '/referral');
    return $r->status == 200 ? $r->json->{data}[0]{clicks}{human} : -1;
}


sub clicks {
    my ($t, $uri, $n, $port) = @_;
    my ($client, $answered) = (undef, 0);

    for (1 .. $n) {
        $client = $t->connect($port ? (port => $port) : ()) if $_ % 500 == 1;
        $answered += $client->get($uri)->status == 302;
    }

    return $answered;
}


sub verify {
    my ($store) = @_;
    my $out = `@as $ctl verify $store 2>&1`;
    is($?, 0, 'verify finds nothing') or diag $out;
}


# ---------------------------------------------- nginx -t, failed reloads ---

subtest 'nginx -t and failed reloads touch nothing' => sub {
    my $t = Referral::Nginx->new(conf => conf(PARAMS => 'commit=durable'));
    my $store = $t->store;

    my $test = sub {
        my ($text) = @_;
        $t->conf($text);
        return $t->check;
    };

    my ($code, $out) = $test->(conf());
    is($code, 0, 'before there is a store');
    ok(!-e $t->store, 'it is not made');

    $t->conf(conf(PARAMS => 'commit=durable'));
    $t->start;
    $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });

    my $before = owners_of($t->store, $t->intake);

    for my $wrong ('no_such_directive on;', 'server { listen 192.0.2.1:80; }',
        'server { listen 127.0.0.1:%%PORT2%% x; }')
    {
        ok(!$t->reload(conf() . $wrong), "a reload fails: $wrong");
        is_deeply(owners_of($t->store, $t->intake), $before, 'nothing changed');
    }

    is(clicks($t, '/r/ANNA', 5), 5, 'links redirect');
    $t->allow(qr/no_such_directive|bind\(\) to 192.0.2.1|invalid parameter "x"/);
    $t->quit;

    $before = state_of($t->store, $t->intake);
    ($code, $out) = $test->(conf());
    is($code, 0, 'when there is a store');
    is_deeply(state_of($t->store, $t->intake), $before, 'it is not touched');

    ($code, $out) = $test->(conf() . 'no_such_directive on;');
    isnt($code, 0, 'when the configuration is wrong');
    is_deeply(state_of($t->store, $t->intake), $before, 'it is not touched');

    SKIP: {
        skip 'only root can change the user', 4 unless $root;

        my $text = $t->_expand($t->_frame(conf()));
        $text =~ s/^user www-data;/user nobody nogroup;/m;
        local $t->{full} = 1;
        ($code, $out) = $test->($text);
        is($code, 0, 'when the user is another one');
        is_deeply(state_of($t->store, $t->intake), $before,
            'it is not touched');
        like($out, qr{\[warn\] "\Q$store\E/data\.mdb" belongs to user "www-data", but workers run as "nobody" and cannot use it, in \S+nginx\.conf:\d+$}m,
            'but it is said');

        $t->{full} = 0;
        ($code, $out) = $test->(conf());
        unlike($out, qr/\[warn\]/, 'nothing is said when it is right');
    }
};


# ------------------------------------------------------ owner and modes ----

for my $umask (0, 022, 077) {
    subtest sprintf('umask %03o', $umask) => sub {
        my $t = Referral::Nginx->new(workers => 2,
            conf => conf(PARAMS => 'commit=durable'));
        my $old = umask $umask;

        $t->start;
        umask $old;
        $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });
        clicks($t, '/r/ANNA', 10);

        my @st = stat $t->store;
        is($st[2] & 07777, 0700, 'the directory');
        is($st[4], $uid, "is the workers'");
        modes('store and rings', $t->store, $t->intake);
        $t->quit;
        modes('after the end', $t->store);
    };
}


subtest 'the directory' => sub {
    plan skip_all => 'only root can make one of another user' unless $root;

    my $t = Referral::Nginx->new(conf => conf());
    my $store = $t->store;

    mkdir $store;
    chmod 0700, $store;
    $t->start;
    is((stat $store)[4], $uid, "an empty one of root becomes the workers'");
    is($t->api(GET => '/v1/health')->status, 200, 'and is used');
    $t->quit;

    chown 0, 0, $store;
    $t->start;
    is((stat $store)[4], $uid, "so does one with a store of the workers'");
    $t->quit;

    # one that cannot be made: seen by nginx -t, and no reason not to start

    rename $store, "$store.away";
    $t->conf(conf(STORE => "$store.away/data.mdb/x"));
    my (undef, $out) = $t->check;
    like($out, qr{\[emerg\].* "\Q$store\E\.away/data\.mdb/x" cannot be made, .* in \S+nginx\.conf:\d+$}m,
        'one that cannot be made: in a sentence with file and line');

    mkdir "$store.ro";
    mount_ro("$store.ro") or return;
    $t->conf(conf(STORE => "$store.ro/x"));
    $t->allow(qr/Read-only file system/);
    $t->start;
    like($t->log, qr{\[emerg\].* mkdir\(\) "\Q$store\E\.ro/x" failed in \S+:\d+ },
        'on a read-only file system');
    is($t->get('/r/ANNA')->status, 302, 'links redirect nevertheless');
    like($t->api(GET => '/v1/health')->json->{detail}, qr/cannot use "\S+\.ro\/x"/,
        'health knows');
    $t->quit;
    system 'umount', "$store.ro";
};


# What is in it may be a system's: "/tmp" of www-data would be one of nobody
# else.  A reload must not end the master for it.

subtest 'a directory of others' => sub {
    plan skip_all => 'only root can make one of another user' unless $root;

    my $t = Referral::Nginx->new(conf => conf());
    my $other = $t->dir . '/other';
    my $test = sub {
        $t->conf(conf(STORE => $_[0]));
        return $t->check;
    };

    mkdir $other;
    mkdir "$other/a";
    chmod 0755, $other;

    for my $dir ($other, '/', '/tmp') {
        my $before = join ' ', (stat $dir)[2, 4, 5];
        my ($code, $out) = $test->($dir);
        my @emerg = $out =~ /^(.*\[emerg\].*)$/mg;

        ok($code && @emerg == 1, "$dir: nginx -t fails, in one sentence");
        like($emerg[0], qr{ "\Q$dir\E" of user "root" has other files in it and is not given to "www-data", .* in \S+nginx\.conf:\d+$},
            'which names both users');
        is(join(' ', (stat $dir)[2, 4, 5]), $before, 'it stays what it was');
    }

    $t->conf(conf());
    $t->start;
    $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });
    $t->allow(qr/has other files in it/);
    ok(!$t->reload(conf(STORE => $other)), 'a reload fails, too');
    is((stat $other)[4], 0, 'it is not given away');
    is($t->get('/r/ANNA')->status, 302, 'nginx goes on');
    $t->quit;

    rmdir "$other/a";

    for my $mode (0700, 0710, 0701, 0755, 0777) {
        chmod $mode, $other;

        for my $owner ($uid, 0) {
            chown $owner, -1, $other;
            my ($code, $out) = $test->($other);
            my $warned = () = $out =~ /\[warn\] "\Q$other\E" is open to group or others, it should have mode 0700, in \S+:\d+$/mg;

            is("$code $warned", '0 ' . ($mode & 077 ? 1 : 0),
                sprintf 'an empty one of %d, mode %03o', $owner, $mode);
            is((stat $other)[4], $owner, 'nginx -t does not touch it');
        }
    }
};


sub mount_ro {
    return !system 'mount', '-t', 'tmpfs', '-o', 'ro,size=1m', 'referral', @_;
}


# ---------------------------------------------------------- refused --------

sub read_file { Referral::Nginx::_read($_[0]) }

sub patch {
    my ($file, $pattern, $replace) = @_;
    my $bytes = read_file($file);
    my $n = $bytes =~ s/$pattern/$replace/g;

    open my $f, '+<:raw', $file or die "$file: $!";
    print $f $bytes;
    close $f;
    return $n;
}


my @refused = (
    ['a later schema', sub {
        patch("$_[0]/data.mdb", qr/(?<=RFSTORE\0)..../s,
            pack 'V', 99)
    }, qr/has schema 99, this module reads schemas 1 to \d/],

    ['LMDB 1.0', sub {
        patch("$_[0]/data.mdb", qr/(?<=\xde\xc0\xef\xbe)\x01\0\0\0/,
            "\x02\0\0\0")
    }, qr/cannot open "\S+data\.mdb".*MDB_VERSION_MISMATCH/],

    ['no LMDB file at all', sub {
        patch("$_[0]/data.mdb", qr/\xde\xc0\xef\xbe/, 'XXXX')
    }, qr/cannot open "\S+data\.mdb".*MDB_INVALID/],

    ['an LMDB file of somebody else', sub {
        unlink "$_[0]/data.mdb";
        open my $to, '|-', "@as mdb_load $_[0]" or die $!;
        print $to "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n",
            " key\n value\nDATA=END\n";
        close $to;
    }, qr/is an LMDB file, but not of a referral store/],

    ['a directory', sub {
        unlink "$_[0]/data.mdb";
        mkdir "$_[0]/data.mdb";
    }, qr/cannot open "\S+data\.mdb".*Is a directory/],

    ['a loop of links', sub {
        unlink "$_[0]/data.mdb";
        symlink 'data.mdb', "$_[0]/data.mdb";
    }, qr/"\S+data\.mdb".*(?:symbolic links|is gone or empty)/],

    ['lock.mdb of root', sub {
        chown 0, 0, "$_[0]/lock.mdb";
        chmod 0600, "$_[0]/lock.mdb";
    }, qr/cannot open "\S+lock\.mdb".*Permission denied/, 'root'],

    ['lock.mdb a directory', sub {
        unlink "$_[0]/lock.mdb";
        mkdir "$_[0]/lock.mdb";
    }, qr/cannot open "\S+lock\.mdb".*Is a directory/],

    ['a directory that cannot be entered', sub {
        chown 0, 0, "$_[0]", "$_[0]/data.mdb";
        chmod 0700, $_[0];
    }, qr/Permission denied/, 'root'],
);


for (@refused) {
    my ($what, $damage, $why, $needs) = @$_;

    subtest "refused: $what" => sub {
        plan skip_all => 'only root can make it' if $needs && !$root;

        my $t = Referral::Nginx->new(conf => conf());
        my $store = $t->store;

        $t->start;
        is($t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' })->status, 201,
            'a store');
        $t->quit;

        system('cp', '-a', $store, "$store.whole") == 0 or die;
        ok($damage->($store), 'is damaged');

        my $before = state_of($store);
        my $sum = sha("$store/data.mdb");

        $t->start;
        my $r = $t->api(GET => '/v1/health');
        is($r->status, 503, 'health: 503');
        like($r->json->{detail}, $why, 'health says why');
        is(clicks($t, '/r/ANNA', 3), 3, 'links redirect');
        is($t->api(PUT => '/v1/codes/BEN', { owner => 'u2' })->status, 503,
            'changes are not taken');
        sleep 1.2;

        is_deeply([grep { ($before->{$_} // '') ne (state_of($store)->{$_} // '')
            && !m{/lock\.mdb$} && $_ ne $store } keys %$before], [],
            'no file is touched');
        is(sha("$store/data.mdb"), $sum, 'nor its content') if defined $sum;

        my $out = `@as $ctl verify $store 2>&1`;
        isnt($?, 0, 'verify refuses it, too');

        # what it is replaced by is found without a restart

        rename $store, "$store.bad";
        rename "$store.whole", $store;
        ok(wait_for(sub { $t->api(GET => '/v1/health')->status == 200 }, 10),
            'in order again');
        is($t->get('/r/NOPE')->status, 404, 'and read');
        $t->quit;
    };
}


sub sha {
    my ($file) = @_;
    return -f $file ? Digest::SHA->new(256)->addfile($file)->hexdigest : undef;
}


# ----------------------------------------------------------- shared --------

subtest 'two servers, two programs' => sub {
    my $t = Referral::Nginx->new(workers => 2, conf => conf());

    $t->start;
    $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });

    my $one = clicks($t, '/r/ANNA', 300) + clicks($t, '/r/ANNA', 200,
        $t->port(2));
    my $other = clicks($t, '/p/OPEN', 100);

    is("$one $other", '500 100', 'clicks');
    ok(wait_for(sub { human($t) == $one && human($t, '/partners') == $other },
        5), 'each is counted for its program');
    $t->quit;
    verify($t->store);
};


# Two masters, of which the second one knows the store by another name.

subtest 'two nginx, one by a link' => sub {
    my $a = Referral::Nginx->new(workers => 2, conf => conf());
    my $link = $a->dir . '/link';
    my $b = Referral::Nginx->new(workers => 2,
        conf => conf(STORE => $link, INTAKE => $a->intake));

    symlink $a->store, $link;
    $a->start;
    $b->start;

    is($a->api(PUT => '/v1/codes/ANNA', { owner => 'u1' })->status, 201,
        'a code, by the first');
    is($b->api(PUT => '/v1/codes/BEN', { owner => 'u2' })->status, 201,
        'another, by the second');

    my @pids = map {
        my $t = $_;
        my $pid = fork() // die "fork: $!";
        if (!$pid) {
            $SIG{ALRM} = 'DEFAULT';
            my $ok = clicks($t, '/r/ANNA', 2000) + clicks($t, '/r/BEN', 1000);
            POSIX::_exit($ok == 3000 ? 0 : 1);
        }
        $pid;
    } $a, $b;

    # the same orders, by both

    my %created;
    for my $n (1 .. 100) {
        for my $t ($n % 2 ? ($a, $b) : ($b, $a)) {
            $created{ $t->api(POST => '/v1/conversions', {
                event => 'purchase', order_id => "o$n", code => 'ANNA'
            })->status }++;
        }
    }

    waitpid $_, 0 for @pids;
    is($?, 0, 'clicks, by both');
    is_deeply(\%created, { 201 => 100, 200 => 100 }, 'each order is new once');

    ok(wait_for(sub { human($a) == 6000 && human($b) == 6000 }, 10),
        'all clicks are counted, and both know')
        or diag(human($a), ' ', human($b));

    # what the dead leave, the other one finds

    is(clicks($a, '/r/ANNA', 50), 50, 'clicks that are not applied yet');
    $a->kill9;
    is(clicks($b, '/r/ANNA', 100), 100, 'one of them dies, the other goes on');
    ok(wait_for(sub { human($b) == 6150 && 2 == glob_count($a->intake) }, 15),
        'and counts what the dead have left');

    $b->quit;
    is(join(' ', glob $a->intake . '/*'), '', 'no ring is left');
    verify($a->store);
};


# Rings stay where they were when nginx is told of another place for them.

subtest 'another directory for the rings' => sub {
    my $t = Referral::Nginx->new(workers => 2,
        conf => conf(PARAMS => 'interval=10s'));
    my $place = "/dev/shm/referral-test-other-$$";

    mkdir $place;
    chmod 0777, $place;
    $t->start;
    $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });
    is(clicks($t, '/r/ANNA', 500), 500, 'clicks');
    $t->kill9;
    is(glob_count($t->intake), 2, 'the dead have left rings');

    $t->conf(conf(INTAKE => $place));
    $t->start;
    ok(wait_for(sub { human($t) == 500 }, 10), 'they are found and counted')
        or diag(human($t));
    ok(wait_for(sub { glob_count($t->intake) == 0 }, 10), 'and removed');
    is(glob_count($place), 2, 'new ones are in the new place');
    $t->quit;
    is(glob_count($place), 0, 'none is left');
    verify($t->store);
    rmdir $place;
};


sub glob_count {
    my @files = glob "$_[0]/*";
    return scalar @files;
}


# ------------------------------------------------------ a dead reader ------

subtest 'a reader that dies in a snapshot' => sub {
    my $t = Referral::Nginx->new(conf => conf(PARAMS => 'interval=5ms'));
    my $store = $t->store;

    $t->start;
    $t->api(PUT => "/v1/codes/C$_", { owner => "u$_" }) for 1 .. 40;
    clicks($t, '/r/C1', 3000);
    ok(wait_for(sub { human($t) == 3000 }, 5), 'a store with clicks');

    # it holds its snapshot while nobody reads what it writes

    my $pid = open(my $pipe, '-|', @as, 'mdb_dump', '-a', $store)
        // die "mdb_dump: $!";

    ok(wait_for(sub { grep { $_ == $pid } readers($store) }, 5), 'a reader');

    my $start = -s "$store/data.mdb";
    busy($t, 300);
    my $held = -s "$store/data.mdb";

    kill KILL => $pid;
    close $pipe;
    ok(wait_for(sub { !grep { $_ == $pid } readers($store) }, 12),
        'its slot is free soon after it dies');

    busy($t, 300);
    my $free = -s "$store/data.mdb";
    busy($t, 600);
    my $later = -s "$store/data.mdb";

    note("$start, with the reader $held, then $free, $later");
    cmp_ok($held - $start, '>', 300 * 4096, 'a reader keeps old pages');
    cmp_ok($later - $held, '<', ($held - $start) / 4,
        'a dead one does not: the file does not grow on');
    $t->quit;
};


sub readers {
    my ($store) = @_;
    return `@as mdb_stat -r $store 2>&1` =~ /^\s+(\d+) /mg;
}


# Changes of the same few rows, each a commit.

sub busy {
    my ($t, $n) = @_;

    for (1 .. $n) {
        my $i = 1 + $_ % 40;
        $t->api(PUT => "/v1/codes/C$i", { owner => "u$i", name => "n$_" });
    }
}

finish();
