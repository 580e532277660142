package Referral::Model::Reward;

# Rewards: who earns one, what it is, and what becomes of it.

use strict;
use warnings;
use integer;
no warnings 'portable';

use List::Util qw(min sum0);

use Referral::Model::State qw(DAY become month tier);

my %open = (pending => 1, held => 1, approved => 1);

# where a decision leads, and from where

my %again = (approve => 'approved', claim => 'claimed', void => 'void');
my %from = (
    approve => { pending => 1, held => 1 },
    claim => { approved => 1 },
    void => { pending => 1, held => 1, approved => 1 },
);


# The rules of rewards that an event meets, as the points are now.

sub _rules_for {
    my ($self, $p, $order) = @_;
    my $code = $order->{code};
    my @tiers = @{ $p->{rules}{tiers} };

    return grep {
        my $rule = $_;
        my ($place) = grep { $tiers[$_]{name} eq $rule->{min_tier} }
            0 .. $#tiers;

        $rule->{on} eq $order->{event}
            && ($rule->{kind} eq 'all' || $rule->{kind} eq $code->{kind})
            && ($rule->{min_tier} eq ''
                || tier($p, $code->{points}) > $place)
    } @{ $p->{rules}{rewards} };
}


# The counter of a limit at that time; undef: no limit, '': nobody to count for.

sub _limit_key {
    my ($rule, $order, $now) = @_;
    my $who = $rule->{to} eq 'referrer' ? "code $order->{code}{id}"
        : $order->{customer} ne '' ? "customer $order->{customer}" : undef;

    return undef unless $rule->{limit};
    return '' unless defined $who;

    my $period = $rule->{per} eq 'ever' ? ''
        : $rule->{per} eq 'day' ? $now / DAY
        : $rule->{per} eq 'month' ? month($now) : month($now) / 100;

    return "$rule->{name} $who $rule->{per} $period";
}


sub _used_up {
    my ($p, $rule, $key) = @_;
    return defined $key
        && ($key eq '' || ($p->{limit}{$key} // 0) >= $rule->{limit});
}


sub part {
    my ($amount, $bps) = @_;
    return $amount * $bps / 10000;
}


sub _issue_one {
    my ($self, $p, $order, $rule, $now) = @_;
    my $key = _limit_key($rule, $order, $now);

    return if _used_up($p, $rule, $key);
    $self->_issue($p, $order, $rule, $now, $key);
}


sub _issue {
    my ($self, $p, $order, $rule, $now, $key) = @_;
    my $event = $p->{rules}{event}{ $order->{event} };
    my $hold = $rule->{hold} // ($event ? $event->{hold} : 0);
    my $bps = $rule->{every} == 1 && $order->{has_amount} ? $rule->{bps} : 0;
    my $due = $order->{t} + $hold * 1000;

    $p->{limit}{$key}++ if defined $key;

    my $reward = {
        %$rule{qw(name to)}, bps => $bps, every => $rule->{every} > 1,
        state => undef, code => $order->{code}, order => $order, key => $key,
        reason => '', customer => $order->{customer},
        value => @{ $rule->{picks} } ? pick($rule, $order->{draw})
            : $rule->{value},
        currency => $bps ? $order->{currency} : 0,
        amount => part($order->{amount} - $order->{refunded}, $bps),
        paid => 0, offset => 0, created => $now, due => $due, claimed => 0,
    };

    become($p, $reward, $order->{status} eq 'held' ? 'held'
        : $due <= $now ? 'approved' : 'pending', $now);

    push @{ $p->{rewards} }, $reward;
    push @{ $order->{rewards} }, $reward;
}


sub _every {
    my ($p, $order, $name) = @_;
    return $p->{every}{"$order->{code}{id} $name"}
        ||= { count => 0, live => 0, skipped => 0 };
}


sub _count_one {
    my ($self, $p, $order, $rule, $now) = @_;
    my $every = _every($p, $order, $rule->{name});

    push @{ $order->{counted} }, $rule->{name};
    $every->{count}++;

    return if $every->{count} % $rule->{every} != 0
        || $every->{live} + $every->{skipped}
           >= $every->{count} / $rule->{every};

    my $key = _limit_key($rule, $order, $now);

    if (_used_up($p, $rule, $key)) {
        $every->{skipped}++;
        return;
    }

    $self->_issue($p, $order, $rule, $now, $key);
    $every->{live}++;
}


# The gift of a draw: FNV-1a of the rule's name, and splitmix64's finalizer.

sub pick {
    my ($rule, $draw) = @_;
    my $x = 0xcbf29ce484222325;

    $x = ($x ^ ord) * 0x100000001b3 for split //, $rule->{name};
    $x ^= $draw;
    $x = ($x ^ _right($x, 30)) * 0xbf58476d1ce4e5b9;
    $x = ($x ^ _right($x, 27)) * 0x94d049bb133111eb;
    $x ^= _right($x, 31);

    my $all = sum0(map { $_->[1] } @{ $rule->{picks} });
    my $at = _right(_right($x, 32) * $all, 32);

    for my $pick (@{ $rule->{picks} }) {
        return $pick->[0] if $at < $pick->[1];
        $at -= $pick->[1];
    }

    die 'no pick';
}


# A right shift that brings zeros in.

sub _right {
    my ($x, $by) = @_;
    return ($x >> $by) & ~(-1 << (64 - $by));
}


sub _account {
    my ($p, $reward) = @_;
    return $p->{accounts}{ $reward->{code}{id} }{ $reward->{currency} }
        ||= { paid => 0, owed => 0 };
}


sub _owes {
    my ($reward) = @_;
    return $reward->{state} eq 'claimed' && $reward->{bps}
        && $reward->{to} eq 'referrer';
}


# A reward whose cause is gone; its place of a limit is free again.

sub _withdraw {
    my ($self, $p, $reward, $now) = @_;

    return if $reward->{state} eq 'void';

    _account($p, $reward)->{owed} += $reward->{amount} if _owes($reward);
    $p->{limit}{ $reward->{key} }-- if defined $reward->{key};
    $reward->{amount} = 0;
    become($p, $reward, 'void', $now);
}


sub _recompute {
    my ($self, $p, $order, $now) = @_;
    my $net = $order->{amount} - $order->{refunded};

    for my $reward (grep { $_->{bps} && $_->{state} ne 'void' }
                    @{ $order->{rewards} })
    {
        my $amount = part($net, $reward->{bps});

        next if $amount == $reward->{amount};
        _account($p, $reward)->{owed} += $reward->{amount} - $amount
            if _owes($reward);
        @$reward{qw(amount changed)} = ($amount, $now);
    }
}


sub _uncount {
    my ($self, $p, $order, $name, $now) = @_;
    my $every = _every($p, $order, $name);
    my $n = $p->{every_of}{$name} || 1;
    my $crossed = $n > 1 && $every->{count} % $n == 0;

    $every->{count}--;

    return if !$crossed
        || $every->{live} + $every->{skipped} <= $every->{count} / $n;

    if ($every->{skipped}) {
        $every->{skipped}--;
        return;
    }

    my ($newest) = grep { $_->{every} && $_->{name} eq $name
        && $_->{code} == $order->{code} && $open{ $_->{state} }
    } reverse @{ $p->{rewards} };

    return unless $newest;
    $self->_withdraw($p, $newest, $now);
    $every->{live}--;
}


sub _decide_reward {
    my ($self, $p, $reward, $op) = @_;
    my $to = $again{ $op->{decide} };

    return ('OK', 0) if $reward->{state} eq $to;
    return ('STATE', 0) unless $from{ $op->{decide} }{ $reward->{state} };

    if ($to eq 'void' && $reward->{every}) {
        my $every = _every($p, $reward->{order}, $reward->{name});
        $every->{live}--;
        $every->{skipped}++;
    }

    $reward->{reason} = $op->{reason};
    become($p, $reward, $to, $op->{time});
    _claim($p, $reward, $op->{time}) if $to eq 'claimed';

    return ('OK', 1);
}


sub _claim {
    my ($p, $reward, $now) = @_;

    $reward->{claimed} = $now;
    $reward->{paid} = $reward->{amount};

    return unless _owes($reward);

    my $account = _account($p, $reward);
    my $offset = min($account->{owed}, $reward->{amount});

    $account->{owed} -= $offset;
    @$reward{qw(offset paid)} = ($offset, $reward->{amount} - $offset);
    $account->{paid} += $reward->{paid};
}


1;
