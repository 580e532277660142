package Referral::Contender::Module;

# Copyright (C) the ngx_http_referral_module authors

# This module.  "+2ms": each fdatasync() of nginx takes 2 ms longer, by
# t/preload/slow.c.

use strict;
use warnings;

use parent -norequire, 'Referral::Contender';

use Referral::Redirect qw(redirect_conf register clicks);


sub conf {
    my ($self) = @_;
    return redirect_conf($self->{commit}, [$self->main]);
}


sub fill {
    my ($self) = @_;

    register($self->{nginx});
    $self->{asked} += @Referral::Redirect::CODES;
}


# What is answered when it is applied has all of this worker applied before it.

sub hurry {
    my ($self) = @_;
    my $r = $self->{nginx}->api(PUT => '/v1/codes/'
        . $Referral::Redirect::CODES[0], { name => 'hurry' });

    die 'PUT: ', $r->status, "\n" if $r->status != 200;
    $self->{asked}++;
}


sub counted {
    my ($self) = @_;
    $self->{asked}++;
    return clicks($self->{nginx});
}


1;
