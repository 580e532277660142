package Referral::Model::Change;

# What becomes of an event later: refunds, and decisions about it.

use strict;
use warnings;
use integer;

use Referral::Model::State qw(AMOUNT_MAX %REASON become below_min once_key);

my %open = (pending => 1, held => 1, approved => 1);


sub _apply_refund {
    my ($self, $p, $op) = @_;
    my $refunds = $p->{refunds}{ $op->{order} } || {};
    my $was = $refunds->{ $op->{refund} };
    my $order = $p->{orders}{ $op->{order} };

    return ('INVALID', 0) if $op->{order} eq '' || $op->{refund} eq ''
        || (!$op->{whole} && $op->{amount} < 1) || $op->{amount} > AMOUNT_MAX;

    if ($was) {
        my $same = $was->{whole} == $op->{whole}
            && ($op->{whole} || $was->{asked} == $op->{amount});

        return ($same ? 'OK' : 'CONFLICT', 0);
    }

    my ($rc, $amount) = $order && $order->{status} ne 'awaited'
        ? _refundable($order, $op) : $self->_await($p, $op);

    return ($rc, 0) if $rc ne 'OK';

    $p->{refunds}{ $op->{order} }{ $op->{refund} } = {
        %$op{qw(refund reason whole time)}, asked => $op->{amount},
        amount => $amount,
    };

    $self->_refund($p, $order, $op, $amount)
        if $order && $order->{status} ne 'awaited';

    return ('OK', 1);
}


sub _await {
    my ($self, $p, $op) = @_;
    my $order = $p->{orders}{ $op->{order} } // {
        order => $op->{order}, status => 'awaited', sum => 0, whole => 0,
        currency => 0,
    };

    return 'EXCEEDS' if $order->{whole};
    return 'CURRENCY' if $op->{currency} && $order->{currency}
        && $order->{currency} != $op->{currency};
    return 'EXCEEDS'
        if !$op->{whole} && $order->{sum} + $op->{amount} > AMOUNT_MAX;

    $order->{currency} = $op->{currency} if $op->{currency};
    $order->{sum} += $op->{amount} unless $op->{whole};
    $order->{whole} ||= $op->{whole};
    $p->{orders}{ $op->{order} } = $order;

    return ('OK', $op->{whole} ? 0 : $op->{amount});
}


sub _refundable {
    my ($order, $op) = @_;
    my $left = $order->{amount} - $order->{refunded};

    return 'EXCEEDS' if $order->{whole};
    return 'CURRENCY' if $op->{currency} && $order->{has_amount}
        && $op->{currency} != $order->{currency};
    return 'EXCEEDS' if !$op->{whole} && $op->{amount} > $left;

    return ('OK', $op->{whole} ? $left : $op->{amount});
}


sub _refund {
    my ($self, $p, $order, $op, $amount) = @_;
    my $now = $op->{time};
    my $status = $order->{status};

    $order->{refunded} += $amount;
    $order->{changed} = $now;
    $order->{whole} = $op->{whole}
        || ($order->{refunded} == $order->{amount} && $order->{amount} > 0);

    return unless $open{$status};

    $self->_recompute($p, $order, $now);

    if ($order->{whole}) {
        become($p, $order, 'refunded', $now);
        $self->_uncredit($p, $order, $now);

    } elsif (below_min($order, $p->{rules}{event}{ $order->{event} })) {
        $order->{reasons} |= $REASON{below_min};
        become($p, $order, 'rejected', $now);
        $self->_uncredit($p, $order, $now);
    }
}


# Takes back what an event gave.

sub _uncredit {
    my ($self, $p, $order, $now) = @_;

    delete $p->{once}{ once_key($order) }
        if ($p->{once}{ once_key($order) } // '') eq $order->{order};

    $self->_points($p, $order->{code}, -$order->{points}, $order->{t},
        [ grep { $now < ($p->{contest_to}{$_} // 0) }
          @{ $order->{contests} } ], $now)
        if $order->{credited};
    @$order{qw(points credited)} = (0, 0);

    $self->_withdraw($p, $_, $now)
        for grep { !$_->{every} } @{ $order->{rewards} };

    $self->_uncount($p, $order, $_, $now) for @{ $order->{counted} };
    $order->{counted} = [];
}


sub _apply_decision {
    my ($self, $p, $op) = @_;
    my $order = $p->{orders}{ $op->{order} };

    return ('INVALID', 0)
        if $op->{order} eq '' && !defined $op->{reward};
    return ('STATE', 0)
        if $op->{decide} eq 'claim' && !defined $op->{reward};
    return ('NOT_FOUND', 0) if !$order || $order->{status} eq 'awaited';
    return $self->_decide_event($p, $order, $op) unless defined $op->{reward};

    my $reward = $order->{rewards}[ $op->{reward} ]
        or return ('NOT_FOUND', 0);

    return $self->_decide_reward($p, $reward, $op);
}


sub _decide_event {
    my ($self, $p, $order, $op) = @_;
    my $now = $op->{time};
    my $done = $op->{decide} eq 'approve' ? 'released' : 'voided';

    if ($order->{status} ne 'held') {
        return ($order->{reasons} & $REASON{$done} ? 'OK' : 'STATE', 0);
    }

    $order->{reasons} |= $REASON{$done};

    if ($done eq 'voided') {
        become($p, $order, 'rejected', $now);
        $self->_uncredit($p, $order, $now);

    } else {
        $self->_release($p, $order, $now);
    }

    return ('OK', 1);
}


sub _release {
    my ($self, $p, $order, $now) = @_;

    become($p, $order, $order->{due} <= $now ? 'approved' : 'pending', $now);
    $self->_bind($p, $order);
    $self->_credit($p, $order, $now);

    for my $reward (grep { $_->{state} eq 'held' } @{ $order->{rewards} }) {
        become($p, $reward, $reward->{due} <= $now ? 'approved' : 'pending',
            $now);
    }

    $_->{every} > 1 and $self->_count_one($p, $order, $_, $now)
        for $self->_rules_for($p, $order);
}


1;
