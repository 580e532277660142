package Referral::Contender;

# Copyright (C) the ngx_http_referral_module authors

# One way to redirect a link and to count the click, served by an nginx of its
# own with what it needs beside it.  To be used after Referral::Nginx.
#
#   my $c = Referral::Contender->make('relaxed', workers => 1);
#   $c->start; $c->fill;        # running, with the codes
#   $c->port; $c->workers;
#   $c->served;                 # requests so far, but for this program's own
#   $c->hurry; $c->counted;     # clicks so far, or undef
#   $c->spent;                  # ticks of all its processes, see Bench.pm
#   $c->kill9; $c->start;       # all of it at once, and again
#   $c->stop; $c->complaints;
#
# A kind of contender tells conf, and may tell prepare (once, before all),
# daemons (started before nginx), fill, hurry (what waits for its time is to be
# counted) and counted.  $c->{sample} has the Location and the Set-Cookie that
# its answers have to be as long as.

use strict;
use warnings;

use Referral::Bench qw(frame);
use Referral::Nginx ();
use Referral::Redirect ();

my %KIND = (
    'floor' => ['Plain', kind => 'floor'],
    'access-log' => ['Plain', kind => 'access_log'],
    'relaxed' => ['Module', commit => 'relaxed'],
    'durable' => ['Module', commit => 'durable'],
    'durable+2ms' => ['Module', commit => 'durable', preload => 'slow.so'],
    'lua-redis' => ['Lua', script => 'lua-redis', fsync => 'everysec'],
    'lua-redis-incr' => ['Lua', script => 'lua-redis', fsync => 'everysec',
        totals => 1],
    'lua-redis-tuned' => ['Lua', script => 'lua-redis-tuned',
        fsync => 'everysec'],
    'lua-redis-always' => ['Lua', script => 'lua-redis', fsync => 'always'],
    'lua-dict' => ['Lua', script => 'lua-dict', fsync => 'everysec'],
    'php-fpm' => ['Php'],
);


sub make {
    my ($class, $name, %arg) = @_;
    my ($kind, %how) = @{ $KIND{$name} || die "no contender \"$name\"\n" };

    require "Referral/Contender/$kind.pm";
    my $self = bless { name => $name, asked => 0, %how, %arg },
        "Referral::Contender::$kind";

    $self->{nginx} = Referral::Nginx->new(full => 1,
        workers => $arg{workers});
    $self->prepare;
    $self->{nginx}->conf($self->conf);
    return $self;
}


sub prepare { }
sub daemons { () }
sub fill { }
sub hurry { }
sub counted { undef }

sub name { $_[0]{name} }
sub nginx { $_[0]{nginx} }
sub port { $_[0]{nginx}->port }
sub dir { $_[0]{nginx}->dir }
sub complaints { $_[0]{nginx}->complaints }
sub main { "worker_processes $_[0]{workers};" }


# Why it cannot run here, or ''.

sub check {
    my ($self) = @_;
    my ($code, $out) = $self->{nginx}->check;

    return $code ? $out =~ s/\s+/ /gr : '';
}


sub start {
    my ($self) = @_;

    local $ENV{TEST_NGINX_PRELOAD} = $self->{preload}
        ? "$Referral::Bench::BUILD/preload/$self->{preload}" : undef;

    $_->start for $self->daemons;
    $self->{nginx}->start;
}


sub stop {
    my ($self) = @_;

    $self->{nginx}->stop;
    $_->stop for reverse $self->daemons;
}


# None of them sees another one die.

sub kill9 {
    my ($self) = @_;
    my @pids = $self->processes;

    kill STOP => @pids;
    kill KILL => @pids;
    $self->{nginx}->kill9;
    $_->gone for $self->daemons;
}


sub processes {
    my ($self) = @_;
    return Referral::Bench::processes($self->{nginx}->pid,
        map { $_->pid } $self->daemons);
}


sub spent {
    my ($self) = @_;
    return Referral::Bench::spent([$self->{nginx}->workers], $self->processes);
}


sub served {
    my ($self) = @_;
    $self->{asked}++;
    my ($n) = $self->{nginx}->get('/status')->body =~ /^ \d+ \d+ (\d+)/m;
    return $n - $self->{asked};
}


sub differs {
    my ($self) = @_;
    $self->{asked}++;
    return Referral::Redirect::differs($self->{nginx}, $self->{sample});
}


# The frame without our own module.

sub plain {
    my ($self, $http, @main) = @_;
    my $text = frame($http, $self->main, @main);

    return $text =~ s/^load_module .*_referral_.*//mr;
}


1;
