package Referral::Model::Event;

# Events: whose they are, whether they count, and what they give.

use strict;
use warnings;
use integer;

use List::Util qw(min);

use Referral::Model::State qw(EARLY_CLICK AMOUNT_MAX %REASON become below_min fold
    code_of once_key);

my %good = (pending => 1, approved => 1);


sub _attribute {
    my ($self, $p, $op, $order) = @_;

    for my $step (qw(_by_token _by_customer _by_click _by_coupon)) {
        my $code = $self->$step($p, $op, $order) or next;
        $order->{code} = $code;
        return;
    }

    $order->{reasons} |= $REASON{no_evidence}
        if $op->{token} eq 'none' && !$op->{click_id} && $op->{coupon} eq '';
}


sub _by_token {
    my ($self, $p, $op, $order) = @_;
    my $rules = $p->{rules};

    return undef if $op->{token} eq 'none';

    if ($op->{token} ne 'valid') {
        $order->{reasons} |= $REASON{"token_$op->{token}"};
        return undef;
    }

    my $touch = $op->{ $rules->{model} };

    if ($order->{t} - $touch->{time} * 1000 >= $rules->{window} * 1000) {
        $order->{reasons} |= $REASON{token_expired};
        return undef;
    }

    my $code = code_of($p, $touch->{code});
    $code = $self->_new_code($p, $touch->{code}, $op->{time})
        if !$code && $rules->{open};

    if (!$code || $code->{status} eq 'ended') {
        $order->{reasons} |= $REASON{token_code};
        return undef;
    }

    my $first = code_of($p, $op->{first}{code});

    @$order{qw(method touch channel click_id clicked first)} = ('token',
        $rules->{model}, $touch->{channel}, $touch->{click_id},
        $touch->{time} * 1000, $first);

    return $code;
}


# The code a customer is bound to at that time.

sub _binding {
    my ($p, $customer, $t) = @_;
    my $bound = $p->{bound}{$customer};

    return $bound && $t < $bound->{until} && $bound->{code}{status} ne 'ended'
        ? $bound->{code} : undef;
}


sub _by_customer {
    my ($self, $p, $op, $order) = @_;
    my $code = _binding($p, $op->{customer}, $order->{t}) or return undef;

    $order->{method} = 'customer';
    return $code;
}


sub _by_click {
    my ($self, $p, $op, $order) = @_;
    return undef unless $op->{click_id};

    my $click = $p->{clicks}{ $op->{click_id} };
    $click->{kept} = 1 if $click;

    my $why = !$click || $click->{time} > $order->{t} + EARLY_CLICK
            ? 'click_unknown'
        : $click->{class} !~ /^(human|suspect|self)$/ ? 'click_class'
        : $order->{t} - $click->{time} >= $p->{rules}{window} * 1000
            ? 'click_expired'
        : $click->{code}{status} eq 'ended' ? 'code_ended' : undef;

    if ($why) {
        $order->{reasons} |= $REASON{$why};
        return undef;
    }

    @$order{qw(method channel click_id clicked)} = ('click_id',
        $click->{channel}, $op->{click_id}, $click->{time});

    return $click->{code};
}


sub _by_coupon {
    my ($self, $p, $op, $order) = @_;
    return undef if $op->{coupon} eq '';

    my $code = code_of($p, $op->{coupon});
    my $why = !$code ? 'code_unknown'
        : $code->{status} ne 'active' ? 'code_ended' : undef;

    if ($why) {
        $order->{reasons} |= $REASON{$why};
        return undef;
    }

    $order->{method} = 'code';
    return $code;
}


sub _touches {
    my ($op) = @_;

    return '' if $op->{token} ne 'valid' || $op->{source} eq 'header';
    return join ' ', map { my $touch = $op->{$_};
        map { "<$touch->{$_}>" } qw(code channel click_id time)
    } qw(first last);
}


sub _content {
    my ($p, $op) = @_;
    return join ' ', map { '<' . ($_ // '') . '>' }
        @$op{qw(event amount currency customer occurred click_id)},
        fold($p, $op->{coupon});
}


sub _apply_event {
    my ($self, $p, $op) = @_;
    my $was = $p->{orders}{ $op->{order} };

    return ('INVALID', 0)
        if $op->{order} eq '' || ($op->{amount} // 0) > AMOUNT_MAX
        || (defined $op->{amount} && !$op->{currency});

    if ($was && $was->{status} ne 'awaited') {
        my $same = $was->{content} eq _content($p, $op)
            && ($was->{touches} eq '' || _touches($op) eq ''
                || $was->{touches} eq _touches($op));

        return ($same ? 'OK' : 'CONFLICT', 0);
    }

    my $rule = $p->{rules}{event}{ $op->{event} };
    return ('NO_EVENT', 0) if !$rule || $op->{event} eq 'click';

    return ('CURRENCY', 0) if $was && defined $op->{amount}
        && $was->{currency} && $was->{currency} != $op->{currency};

    my $order = $self->_order($p, $op, $rule);

    _early_refunds($order, $was) if $was;
    $self->_attribute($p, $op, $order);
    $p->{orders}{ $op->{order} } = $order;

    become($p, $order, $order->{code} ? $self->_judge($p, $order, $rule)
        : 'unattributed', $op->{time});
    $self->_settle($p, $order, $rule, $op->{time});

    return ('OK', 1);
}


sub _order {
    my ($self, $p, $op, $rule) = @_;
    my $now = $op->{time};
    my $occurred = $op->{occurred} || 0;
    my $t = $op->{source} eq 'import' && $occurred && $occurred <= $now
        ? $occurred : $now;

    return {
        %$op{qw(order event customer source draw currency velocity dated)},
        has_amount => defined $op->{amount} ? 1 : 0,
        amount => $op->{amount} // 0, refunded => 0, whole => 0,
        sequence => ++$p->{sequence}, status => undef, method => 'none',
        touch => 'last', reasons => 0, code => undef, first => undef,
        channel => '', click_id => '', clicked => 0, taken => $now, t => $t,
        occurred => $occurred, due => $t + $rule->{hold} * 1000,
        changed => $now, points => 0, credited => 0, contests => [],
        counted => [], rewards => [],
        content => _content($p, $op), touches => _touches($op),
    };
}


sub _early_refunds {
    my ($order, $awaited) = @_;

    $order->{refunded} = $awaited->{whole} ? $order->{amount}
        : min($awaited->{sum}, $order->{amount});
    $order->{whole} = $awaited->{whole}
        || ($order->{refunded} == $order->{amount} && $order->{amount} > 0);
    $order->{reasons} |= $REASON{early_refund};
    $order->{reasons} |= $REASON{refund_cut}
        if $awaited->{sum} > $order->{amount};
}


# Status of an attributed event that has just come.

sub _judge {
    my ($self, $p, $order, $rule) = @_;
    my $customer = $order->{customer};
    my $own = $p->{rules}{self} ne 'allow' && $customer ne ''
        && $customer eq $order->{code}{owner};
    my $once = $rule->{once} eq 'customer';

    return 'refunded' if $order->{whole};

    my $why = $own && $p->{rules}{self} eq 'reject' ? 'self'
        : below_min($order, $rule) ? 'below_min'
        : $once && $customer eq '' ? 'no_customer'
        : $once && $p->{once}{ once_key($order) } ? 'once' : undef;

    if ($why) {
        $order->{reasons} |= $REASON{$why};
        return 'rejected';
    }

    my @doubts = ($own ? 'self' : (), _doubts($p, $order));

    $order->{reasons} |= $REASON{$_} for @doubts;
    return 'held' if @doubts;

    return $order->{due} <= $order->{taken} ? 'approved' : 'pending';
}


# Why a person has to look at it.

sub _doubts {
    my ($p, $order) = @_;
    my $rules = $p->{rules};
    my $age = ($order->{occurred} || $order->{t}) - $order->{clicked};
    my @doubts;

    push @doubts, 'velocity' if $order->{velocity};
    push @doubts, 'over_amount' if $rules->{max_amount}
        && $order->{has_amount} && $order->{amount} > $rules->{max_amount};
    push @doubts, 'per_click' if $rules->{per_click} && _click($order)
        && ($p->{brought}{ _click($order) } // 0) >= $rules->{per_click};

    return @doubts unless $order->{clicked};

    push @doubts, 'too_soon' if $rules->{min_age}
        && $age < $rules->{min_age} * 1000;
    push @doubts, 'before_click' if $order->{dated} && $order->{occurred}
        && $age < -EARLY_CLICK;

    return @doubts;
}


# What its click is known by.

sub _click {
    my ($order) = @_;

    return $order->{click_id} if $order->{click_id};
    return $order->{clicked}
        ? "$order->{code}{code} " . int($order->{clicked} / 1000) : undef;
}


# What an event that is good, or held, takes with it.

sub _settle {
    my ($self, $p, $order, $rule, $now) = @_;
    my $held = $order->{status} eq 'held';

    return unless $held || $good{ $order->{status} };

    $p->{brought}{ _click($order) }++
        if $p->{rules}{per_click} && _click($order);
    $p->{once}{ once_key($order) } = $order->{order}
        if $rule->{once} eq 'customer';

    if ($held) {
        $_->{every} == 1 and $self->_issue_one($p, $order, $_, $now)
            for $self->_rules_for($p, $order);
        return;
    }

    $self->_bind($p, $order);
    $self->_credit($p, $order, $now);

    for my $rule ($self->_rules_for($p, $order)) {
        $rule->{every} == 1 ? $self->_issue_one($p, $order, $rule, $now)
            : $self->_count_one($p, $order, $rule, $now);
    }
}


sub _bind {
    my ($self, $p, $order) = @_;

    return if $order->{customer} eq '' || $order->{method} eq 'customer'
        || !$p->{rules}{bind}
        || _binding($p, $order->{customer}, $order->{t});

    $p->{bound}{ $order->{customer} } = {
        code => $order->{code},
        until => $order->{t} + $p->{rules}{bind} * 1000,
    };
}


sub _credit {
    my ($self, $p, $order, $now) = @_;
    my $rule = $p->{rules}{event}{ $order->{event} };

    $order->{credited} = 1;
    $order->{points} = $rule ? $rule->{points} : 0;
    $order->{contests} = [ $self->_contests($p, $order->{t}, $now) ];
    $self->_points($p, $order->{code}, $order->{points}, $order->{t},
        $order->{contests}, $now);
}


1;
