package Referral::Postgres;

# Copyright (C) the ngx_http_referral_module authors

# A PostgreSQL of its own for a benchmark: Debian's, with its defaults but for
# memory and the size of its log, which are generous, reached over a unix
# socket only.
#
#   my $pg = Referral::Postgres->new(dir => $dir, sql => 'schema.sql');
#   my $r = $pg->bench('script.pgbench', 16, 3, base => 1000);
#   $r->{answered}, {rate}, {p50}, {p99} (us)
#   $pg->value('SELECT count(*) FROM orders');
#   $pg->cpu;             # ticks of all its processes, ever
#   $pg->stop;            # stopped, too, when it goes away
#
# dir is made, and belongs to the user postgres when root asks: PostgreSQL
# does not run as root.  A variable of a script may be set by name.

use strict;
use warnings;

use Cwd qw(abs_path);
use POSIX ();
use Time::HiRes qw(sleep time);

my $owner = $$;


sub new {
    my ($class, %opt) = @_;
    my ($bin) = sort { $b cmp $a } grep { -x "$_/pgbench" }
        glob '/usr/lib/postgresql/*/bin';
    die "no pgbench below /usr/lib/postgresql\n" unless $bin;

    mkdir $opt{dir} or die "$opt{dir}: $!\n";
    my $self = bless { bin => $bin, dir => abs_path($opt{dir}) }, $class;
    my $dir = $self->{dir};

    if ($> == 0) {
        my ($uid, $gid) = (getpwnam 'postgres')[2, 3];
        chown $uid, $gid, $dir;
        $self->{as} = ['setpriv', "--reuid=$uid", "--regid=$gid",
            '--clear-groups'];
    }

    my $out = _run($self->_as("$bin/initdb", '-D', "$dir/data", '-A', 'trust',
        '-U', 'bench', '--locale=C', '-E', 'UTF8'));
    die "initdb failed:\n$out" if $?;

    $self->_start;
    $self->psql('-f', $opt{sql});
    return $self;
}


sub _as {
    my ($self, @command) = @_;
    return (@{ $self->{as} || [] }, @command);
}


sub _run {
    my (@command) = @_;
    my $pid = open my $out, '-|';
    die "fork() failed: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    local $/;
    my $text = <$out>;
    close $out;
    return $text;
}


sub _start {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $end = time + 20;

    $self->{pid} = fork();
    die "fork() failed: $!\n" unless defined $self->{pid};

    if ($self->{pid} == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/../postgres.log";
        open STDERR, '>&', \*STDOUT;
        exec $self->_as("$self->{bin}/postgres", '-D', "$dir/data", '-k', $dir,
            map { ('-c', $_) } 'listen_addresses=', 'shared_buffers=512MB',
            'max_wal_size=4GB') or POSIX::_exit(127);
    }

    until (-S "$dir/.s.PGSQL.5432") {
        die "PostgreSQL did not start\n"
            if time > $end || waitpid($self->{pid}, POSIX::WNOHANG);
        sleep 0.05;
    }
}


sub psql {
    my ($self, @args) = @_;
    my $out;

    for (1 .. 100) {
        $out = _run("$self->{bin}/psql", '-h', $self->{dir}, '-U',
            'bench', '-d', 'postgres', '-qAtX', '-v', 'ON_ERROR_STOP=1', @args);
        last unless $? >> 8 == 2 && $out =~ /starting up/;
        sleep 0.1;
    }

    die "psql failed:\n$out" if $?;
    return $out;
}


sub value {
    my ($self, $sql) = @_;
    chomp(my $out = $self->psql('-c', $sql));
    return $out;
}


sub bench {
    my ($self, $script, $clients, $seconds, %value) = @_;
    my $log = "$self->{dir}/pgbench";

    my $out = _run("$self->{bin}/pgbench", '-h', $self->{dir}, '-U',
        'bench', '-n', '-M', 'prepared', '-c', $clients, '-j', 1, '-T',
        $seconds, '-f', $script, '-l', "--log-prefix=$log",
        (map { ('-D', "$_=$value{$_}") } sort keys %value), 'postgres');
    my ($answered) = $out =~ /actually processed: (\d+)/;
    my ($failed) = $out =~ /failed transactions: (\d+)/;
    my ($rate) = $out =~ /^tps = ([\d.]+)/m;

    die "pgbench failed:\n$out" if $? || !$rate || $failed;

    my @us = _latencies(glob "$log.*");
    return { answered => $answered, rate => $rate, p50 => $us[@us * 0.5],
        p99 => $us[@us * 0.99] };
}


sub _latencies {
    my @us;

    for my $file (@_) {
        open my $f, '<', $file or die "$file: $!\n";
        push @us, map { (split)[2] } <$f>;
        unlink $file;
    }

    return sort { $a <=> $b } @us;
}


# Servers of connections that have ended are in the sums of the first process.

sub cpu {
    my ($self) = @_;
    my $sum = 0;

    for my $file (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $file or next;
        my ($pid, $rest) = (<$f> // '') =~ /^(\d+) .*\) (.*)/s or next;
        my @f = split ' ', $rest;

        if ($pid == $self->{pid}) {
            $sum += $_ for @f[11 .. 14];

        } elsif ($f[1] == $self->{pid}) {
            $sum += $_ for @f[11, 12];
        }
    }

    return $sum;
}


sub stop {
    my ($self) = @_;
    return unless $self->{pid} && $$ == $owner;

    kill INT => $self->{pid};
    local ($?, $!);
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;
}


sub DESTROY { $_[0]->stop }


1;
