package Referral::Bench;

# Copyright (C) the ngx_http_referral_module authors

# What the benchmarks share: where things are, the frame of a configuration,
# times of processors and processes, medians.  To be used before
# Referral::Nginx.
#
#   BUILD=build NGINX=/usr/sbin/nginx MAIN='pcre_jit on;' t/bench/...

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use POSIX ();

our @EXPORT = qw(frame machine cpu processes spent busy own slurp median);

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');
our $BUILD = abs_path($ENV{BUILD} || "$ROOT/build");
our $TICK = POSIX::sysconf(&POSIX::_SC_CLK_TCK);
chomp(our $CPUS = `nproc`);

$ENV{TEST_BUILD} = $BUILD;
$ENV{TEST_NGINX_BINARY} = $ENV{NGINX} || '/usr/sbin/nginx';

# nginx would look for inherited sockets in it
delete $ENV{NGINX};

# the store has to be on a disk
$ENV{TMPDIR} = $BUILD;

# whoever reads the output may go away: nothing is to stay behind
$SIG{PIPE} = $SIG{HUP} = sub { exit 1 };


sub frame {
    my ($http, @lines) = @_;
    my $user = $> == 0 ? 'user root;' : '';
    my $load = Referral::Nginx::_static() ? ''
        : "load_module $Referral::Nginx::MODULE;";
    my $main = join "\n", $load, $ENV{MAIN} || '', $user, @lines;

    return <<EOC;
$main
daemon off;
pid %%DIR%%/nginx.pid;
error_log %%DIR%%/error.log warn;
worker_rlimit_nofile 16384;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path %%DIR%%/temp/body;
    proxy_temp_path %%DIR%%/temp/proxy;
    fastcgi_temp_path %%DIR%%/temp/fastcgi;
    uwsgi_temp_path %%DIR%%/temp/uwsgi;
    scgi_temp_path %%DIR%%/temp/scgi;
$http
}
EOC
}


# The first words of an output.

sub machine {
    my ($version) = `'$ENV{TEST_NGINX_BINARY}' -v 2>&1` =~ m{(nginx/\S+)};
    my ($load) = slurp('/proc/loadavg') =~ /^(\S+)/;

    return "$version, $CPUS processors, load $load";
}


# Ticks of all workers: of the event loops, and of the other threads.

sub cpu {
    my ($t) = @_;
    my @sum = (0, 0);

    for my $pid ($t->workers) {
        for my $file (glob "/proc/$pid/task/*/stat") {
            my @f = split ' ', slurp($file) =~ s/^.*\)//sr;
            $sum[ $file =~ m{/task/$pid/} ? 0 : 1 ] += $f[11] + $f[12];
        }
    }

    return \@sum;
}


# Pids of these and of all that they have started, parents first.

sub processes {
    my @pids = @_;
    my %children;

    for my $file (glob '/proc/[0-9]*/stat') {
        my ($pid, $ppid) = slurp($file) =~ /^(\d+) \(.*\) \S (\d+)/s or next;
        push @{ $children{$ppid} }, $pid;
    }

    # it grows meanwhile

    for my $pid (@pids) {
        push @pids, @{ $children{$pid} || [] };
    }

    return @pids;
}


# Ticks of processes: of the event loops of these workers, of all else, and how
# much of both was in the kernel.

sub spent {
    my ($workers, @pids) = @_;
    my %loop = map { $_ => 1 } @$workers;
    my %sum = (loop => 0, else => 0, kernel => 0);

    for my $pid (@pids) {
        for my $file (glob "/proc/$pid/task/*/stat") {
            my @f = split ' ', slurp($file) =~ s/^.*\)//sr or next;
            my $is = $loop{$pid} && $file =~ m{/task/$pid/} ? 'loop' : 'else';

            $sum{$is} += $f[11] + $f[12];
            $sum{kernel} += $f[12];
        }
    }

    return \%sum;
}


# Of the machine, with what was stolen from it.

sub busy {
    my @f = split ' ', (split /\n/, slurp('/proc/stat'))[0];
    return $f[1] + $f[2] + $f[3] + $f[6] + $f[7] + ($f[8] || 0);
}


# Of this program and what it has waited for.

sub own {
    my @t = times;
    return ($t[0] + $t[1] + $t[2] + $t[3]) * $TICK;
}


sub slurp {
    my ($file) = @_;
    open my $f, '<', $file or return '';
    local $/;
    return scalar(<$f>) // '';
}


sub median {
    my @v = sort { $a <=> $b } @_;
    return @v % 2 ? $v[@v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}


1;
