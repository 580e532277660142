package Referral::Example;

# Runs a script of examples/ as a user does, in a process group of its own.
#
#   my $e = Referral::Example->new('shop/run', @arguments);
#   $e->port;               # the first of three
#   $e->said;               # what it printed
#   $e->dir;                # its files
#   $e->members;            # pids of its processes
#   $e->interrupt;          # Ctrl-C: true when it ended, its status in $?
#
# TEST_NGINX_PRELOAD goes to nginx only.

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();

use Referral::Nginx ();


sub new {
    my ($class, $script, @args) = @_;

    my $self = bless { owner => $$, port => _ports(),
        dir => tempdir('referral-example-XXXXXX', DIR => '/dev/shm',
            CLEANUP => 1) }, $class;

    $self->{out} = "$Referral::Nginx::BUILD/example-$self->{port}.out";
    $self->{pid} = fork();
    die "fork() failed: $!" unless defined $self->{pid};
    $self->_exec($script, @args) if $self->{pid} == 0;

    Referral::Nginx::wait_for(sub {
        $self->said =~ /Ctrl-C/ || !$self->_alive
    }, 30);
    die "$script did not start: ", $self->said
        unless $self->said =~ /Ctrl-C/;
    return $self;
}


sub port { $_[0]{port} }
sub dir { $_[0]{dir} }
sub said { _read($_[0]{out}) }


sub members {
    my ($self) = @_;
    return grep {
        _read("/proc/$_/stat") =~ /^\d+ \(.*\) [^ZX] \d+ (\d+)/s
            && $1 == $self->{pid}
    } map { m{(\d+)/stat$} } glob '/proc/[0-9]*/stat';
}


sub interrupt {
    my ($self) = @_;
    kill INT => -$self->{pid};
    return Referral::Nginx::wait_for(sub { !$self->_alive }, 20);
}


sub _alive {
    my ($self) = @_;
    return 0 if $self->{ended};
    return 1 unless waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
    $self->{ended} = 1;
    return 0;
}


sub _ports {
    for (1 .. 100) {
        my $port = Referral::Nginx::free_port();
        return $port if 2 == grep {
            IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
                LocalPort => $port + $_, ReuseAddr => 1)
        } 1, 2;
    }
    die "no three free ports\n";
}


sub _exec {
    my ($self, $script, @args) = @_;

    setpgrp 0, 0;
    $SIG{INT} = 'DEFAULT';
    @ENV{qw(BUILD NGINX_BINARY PORT EXAMPLE_DIR)} = ($Referral::Nginx::BUILD,
        $self->_nginx, @$self{qw(port dir)});
    open STDOUT, '>', $self->{out};
    open STDERR, '>&', \*STDOUT;
    { exec "$Referral::Nginx::ROOT/examples/$script", @args };
    POSIX::_exit(127);
}


# The examples know nothing of sanitizers.

sub _nginx {
    my ($self) = @_;
    my $preload = $ENV{TEST_NGINX_PRELOAD} or return $Referral::Nginx::BINARY;
    my $file = "$self->{out}.nginx";

    open my $f, '>', $file or die "$file: $!";
    print $f <<EOC;
#!/bin/sh
ASAN_OPTIONS=detect_leaks=0:log_path=$self->{dir}/report \\
LD_PRELOAD="$preload" exec $Referral::Nginx::BINARY "\$@"
EOC
    close $f;
    chmod 0755, $file;
    return $file;
}


sub _read {
    my ($file) = @_;
    open my $f, '<', $file or return '';
    local $/;
    return scalar(<$f>) // '';
}


sub DESTROY {
    my ($self) = @_;
    return unless $self->{pid} && $self->{owner} == $$;

    local ($?, $!);
    kill TERM => -$self->{pid} unless $self->{ended};
    Referral::Nginx::wait_for(sub { !$self->_alive }, 10);
    unlink $self->{out}, "$self->{out}.nginx";
}


1;
