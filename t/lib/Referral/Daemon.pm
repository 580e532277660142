package Referral::Daemon;

# Copyright (C) the ngx_http_referral_module authors

# A server of its own for a benchmark, in the foreground, which ends with the
# program that started it, however that ends.
#
#   my $d = Referral::Daemon->new(command => ['redis-server', ...],
#       log => 'redis.log', socket => 'redis.sock', ready => sub { ... });
#   $d->start; $d->pid; $d->stop;        # TERM
#   $d->gone;                            # after it was killed

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(sleep time);

my $owner = $$;
my @all;


sub new {
    my ($class, %arg) = @_;
    my $self = bless { %arg }, $class;

    push @all, $self;
    return $self;
}


sub pid { $_[0]{pid} }


sub start {
    my ($self) = @_;
    my $end = time + 30;

    unlink $self->{socket};
    $self->{pid} = fork();
    die "fork() failed: $!\n" unless defined $self->{pid};
    $self->_exec if $self->{pid} == 0;

    until ($self->{ready}->()) {
        my $ended = waitpid($self->{pid}, POSIX::WNOHANG);
        $self->{pid} = undef if $ended;
        die "$self->{command}[0] did not start, see $self->{log}\n"
            if $ended || time > $end;
        sleep 0.05;
    }
}


sub _exec {
    my ($self) = @_;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $self->{log};
    open STDERR, '>&', \*STDOUT;
    POSIX::close($_) for 3 .. 63;
    exec 'setpriv', '--pdeathsig', 'TERM', @{ $self->{command} }
        or POSIX::_exit(127);
}


sub stop {
    my ($self) = @_;

    return unless $self->{pid} && $$ == $owner;
    kill TERM => $self->{pid};
    $self->gone;
}


sub gone {
    my ($self) = @_;

    local ($?, $!);
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;
}


END { $_->stop for @all }


1;
