package Referral::Model;

# The rules of a program, once more: what the store is compared with.  Written
# from the rules as they are told to users, not from the store.
#
#   my $model = Referral::Model->new;
#   my $id = $model->program('friends', 0);     # 0: any case of a code
#   my ($rc, $created) = $model->apply($op);
#   my @lines = @{ Referral::Model::Report::report($model, $from, $to) };
#
# An operation is a hash: what (click, code, event, refund, decision, rules,
# tick), time (ms), program, and the fields of that kind of record.  Money is
# compared, added and subtracted only, apart from the one product below.

use strict;
use warnings;
use integer;

use Referral::Model::Change;
use Referral::Model::Event;
use Referral::Model::Reward;
use Referral::Model::State qw(DAY become code_of fold month note tier);

our @ISA = map { "Referral::Model::$_" } qw(Change Event Reward);


sub new {
    my ($class) = @_;
    return bless { programs => [], code_ids => 0 }, $class;
}


sub program {
    my ($self, $name, $case_sensitive) = @_;

    push @{ $self->{programs} }, {
        id => @{ $self->{programs} } + 1, name => $name,
        case_sensitive => $case_sensitive, rules => undef,
        codes => {}, by_id => {}, notes => [],
        clicks => {}, class => {}, unique => {},
        orders => {}, sequence => 0, refunds => {}, bound => {}, once => {},
        rewards => [], every => {}, limit => {}, months => {}, contests => {},
        contest_to => {}, accounts => {}, click_days => {},
    };

    return scalar @{ $self->{programs} };
}


sub apply {
    my ($self, $op) = @_;
    my $apply = $self->can("_apply_$op->{what}");

    return ('OK', scalar $apply->($self, $op)) if $op->{what} eq 'tick';
    return $apply->($self, $self->{programs}[$op->{program} - 1], $op);
}


sub _apply_rules {
    my ($self, $p, $op) = @_;
    my %rules = %{ $op->{rules} };

    $rules{event} = { map { $_->{name} => $_ } @{ $rules{events} } };
    $p->{rules} = \%rules;
    $p->{contest_to} = { map { $_->{name} => $_->{to} } @{ $rules{contests} } };
    $p->{every_of} = { map { $_->{name} => $_->{every} } @{ $rules{rewards} } };
    $p->{contests}{ $_->{name} } ||= {} for @{ $rules{contests} };

    return ('OK', 0);
}


sub _apply_tick {
    my ($self, $op) = @_;

    for my $p (@{ $self->{programs} }) {
        my @due = ((values %{ $p->{orders} }),  @{ $p->{rewards} });

        for my $one (@due) {
            my $state = exists $one->{state} ? 'state' : 'status';

            next if $one->{$state} ne 'pending' || $one->{due} > $op->{time};
            become($p, $one, 'approved', $op->{time});
        }
    }

    return 0;
}


# ------------------------------------------------------------------ codes ---

sub _new_code {
    my ($self, $p, $code, $now) = @_;

    my $new = {
        id => ++$self->{code_ids}, code => $code, status => 'active',
        kind => 'customer', owner => '', created => $now, changed => $now,
        points => 0,
    };

    $p->{by_id}{ $new->{id} } = $new;
    return $p->{codes}{ fold($p, $code) } = $new;
}


sub _apply_code {
    my ($self, $p, $op) = @_;
    my $code = code_of($p, $op->{code});
    my $end = ($op->{status} // '') eq 'ended';
    my $created = 0;

    if (!$code) {
        return ('NOT_FOUND', 0) if $end || $op->{old};
        $code = $self->_new_code($p, $op->{code}, $op->{time});
        $created = 1;

    } elsif ($op->{new}) {
        return ('EXISTS', 0);

    } elsif ($code->{status} eq 'ended' && !$end) {
        return ('GONE', 0);
    }

    defined $op->{$_} and $code->{$_} = $op->{$_} for qw(owner kind status);
    $code->{changed} = $op->{time};

    return ('OK', $created);
}


# ----------------------------------------------------------------- clicks ---

sub _apply_click {
    my ($self, $p, $op) = @_;
    my ($now, $class) = @$op{qw(time class)};
    my $code;

    if ($class ne 'unknown') {
        $code = code_of($p, $op->{code});

        if (!$code && $op->{open}) {
            $code = $self->_new_code($p, $op->{code}, $now);

        } elsif (!$code) {
            $class = 'unknown';

        } elsif (!$op->{by_id} && $code->{status} ne 'active') {
            $class = 'inactive';
        }
    }

    my $click = {
        code => $code, class => $class, time => $now,
        channel => $op->{channel},
    };
    $p->{clicks}{ $op->{click_id} } = $click if $op->{click_id};

    my $unique = $self->_unique($p, $op, $class, $code);

    for my $of (0, $code ? $code->{id} : ()) {
        for my $day ('all', $now / DAY) {
            $p->{class}{$of}{$day}{$class}++;
            $p->{class}{$of}{$day}{unique}++ if $unique;
        }
    }

    $click->{kept} = $code && $class eq 'human'
        && $self->_click_points($p, $code, $now);

    return ('OK', 0);
}


# Old clicks are forgotten, but those that something follows from.

sub _apply_purge {
    my ($self, $p, $op) = @_;
    my $clicks = $p->{clicks};

    delete @$clicks{ grep {
        !$clicks->{$_}{kept} && $clicks->{$_}{time} < $op->{before}
    } keys %$clicks };

    return ('OK', 0);
}


# Visitors are kept for three days, by the day of their salt.

sub _unique {
    my ($self, $p, $op, $class, $code) = @_;
    my $day = $op->{time} / DAY;
    my $held = $self->{held} ||= {};

    return 0 if $class ne 'human' || !$op->{visitor} || $op->{repeat};
    return 1 if !$op->{unique_window} || ($held->{ $day % 3 } // 0) > $day;

    $held->{ $day % 3 } = $day;

    for my $was ([ $op->{visitor}, $day ], [ $op->{before}, $day - 1 ]) {
        my ($visitor, $then) = @$was;

        next if !$visitor || ($held->{ $then % 3 } // 0) != $then;
        my $seen = $p->{unique}{"$code->{id} $visitor $then"} // next;

        return 0 if $op->{time} / 1000 - $seen < $op->{unique_window};
    }

    $p->{unique}{"$code->{id} $op->{visitor} $day"} = $op->{time} / 1000;
    return 1;
}


# Whether a click is one of the first of its day; a day is over with the first
# click of a later one, also for what comes late.

sub _in_limit {
    my ($p, $code, $day, $limit) = @_;
    my $last = $p->{click_days}{ $code->{id} } ||= { day => 0, clicks => 0 };

    @$last{qw(day clicks)} = ($day, 0) if $day != $last->{day};
    return $last->{clicks}++ < $limit;
}


sub _click_points {
    my ($self, $p, $code, $now) = @_;
    my $rule = $p->{rules} && $p->{rules}{event}{click} or return 0;

    return 0 if $rule->{points} == 0;
    return 0 if $rule->{limit}
        && !_in_limit($p, $code, $now / DAY, $rule->{limit});

    $self->_points($p, $code, $rule->{points}, $now,
        [ $self->_contests($p, $now, $now) ], $now);
    return 1;
}


# ----------------------------------------------------------------- points ---

sub _contests {
    my ($self, $p, $t, $now) = @_;

    return map { $_->{name} } grep {
        $_->{from} <= $t && $t < $_->{to} && $now < $_->{to}
    } @{ $p->{rules}{contests} };
}


sub _points {
    my ($self, $p, $code, $points, $t, $contests, $now) = @_;

    $self->_tier($p, $code, $points, $now);
    $code->{points} += $points;
    $p->{months}{ month($t) }{ $code->{id} } += $points;
    $p->{contests}{$_}{ $code->{id} } += $points for @$contests;
}


sub _tier {
    my ($self, $p, $code, $points, $now) = @_;
    my @tiers = map { tier($p, $code->{points} + $_) } 0, $points;

    note($p, $now, 'tier', $code->{code}, '', '',
        map { $_ ? $p->{rules}{tiers}[ $_ - 1 ]{name} : '' } @tiers)
        if $tiers[0] != $tiers[1];
}


1;
