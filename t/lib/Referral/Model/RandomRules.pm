package Referral::Model::RandomRules;

# Rules of a program with all that rules can have, and random changes of them.
#
#   my $rules = Referral::Model::RandomRules->new($program, $now);
#   $rules->change($now);
#   $rules->window;
#   ... = $rules->now;                       # as they are told to the store

use strict;
use warnings;

use constant DAY => 86_400_000;


sub new {
    my ($class, $program, $now) = @_;
    return bless { rules => _first_rules($program, $now), out => {},
                   contests => 0, time => $now }, $class;
}


sub window {
    my ($self) = @_;
    return $self->{rules}{window};
}


# A copy: a reward needs its event, and what has no limit no period of it.

sub now {
    my ($self) = @_;
    my %copy = %{ $self->{rules} };

    $copy{$_} = [ map { { %$_ } } @{ $copy{$_} } ]
        for qw(events tiers rewards contests);

    my %declared = map { $_->{name} => 1 } @{ $copy{events} };
    $copy{rewards} = [ grep { $declared{ $_->{on} } } @{ $copy{rewards} } ];
    $_->{limit} or $_->{per} = 'ever' for @{ $copy{rewards} };

    return \%copy;
}


sub _pick {
    return $_[ rand @_ ];
}


sub _event_rule {
    my ($name, %set) = @_;
    return { name => $name, points => 0, hold => 0, min => 0, once => 'order',
             limit => 0, %set };
}


sub _reward_rule {
    my ($name, $to, $on, %set) = @_;
    return { name => $name, to => $to, on => $on, min_tier => '', value => '',
             bps => 0, kind => 'all', per => 'ever', hold => undef,
             every => 1, limit => 0, picks => [], %set };
}


sub _first_rules {
    my ($program, $now) = @_;

    return {
        model => $program == 1 ? 'last' : 'first',
        self => _pick(qw(hold hold hold reject allow)),
        open => $program - 1, window => _pick(86400, 30 * 86400),
        bind => _pick(0, 5 * 86400, 365 * 86400),
        min_age => 0, per_click => 0, max_amount => 0,
        events => [
            _event_rule('signup', points => 5, once => 'customer'),
            _event_rule('purchase', points => 10, hold => 14 * 86400,
                min => 500),
            _event_rule('renewal', points => 3, hold => 86400,
                once => _pick('order', 'customer')),
            _event_rule('lead', points => 0),
            _event_rule('click', points => 1, limit => 3),
        ],
        tiers => [
            { name => 'bronze', points => 20 },
            { name => 'silver', points => 100 },
            { name => 'gold', points => 400 },
        ],
        rewards => [
            _reward_rule('commission', 'referrer', 'purchase',
                value => '12.5%', bps => 1250),
            _reward_rule('third', 'referrer', 'purchase', every => 3,
                value => 'free month'),
            _reward_rule('second', 'referrer', 'renewal', every => 2,
                limit => 2, per => 'month', value => '5%'),
            _reward_rule('welcome', 'friend', 'signup', value => '10%',
                bps => 1000),
            _reward_rule('thanks', 'referrer', 'signup', limit => 2,
                per => 'day', hold => 3600),
            _reward_rule('silver-only', 'referrer', 'purchase',
                min_tier => 'silver', limit => 3, per => 'year', hold => 0),
            _reward_rule('partner-cut', 'referrer', 'renewal',
                kind => 'partner', value => '33.33%', bps => 3333,
                limit => 4, per => 'month'),
            _reward_rule('gift', 'friend', 'purchase', limit => 1,
                per => 'year', picks => [ [ 'mug', 5 ], [ 'pen', 1 ],
                [ 'hat', 2 ] ]),
            _reward_rule('fifth', 'friend', 'purchase', every => 5,
                limit => 3, picks => [ [ 'trip', 1 ], [ 'cake', 30 ] ]),
            _reward_rule('donation', 'referrer', 'lead',
                kind => 'customer', limit => 5),
        ],
        contests => [
            _contest('past', $now - 20 * DAY, $now - 2 * DAY),
            _contest('now', $now - 2 * DAY, $now + 12 * DAY),
            _contest('soon', $now + 10 * DAY, $now + 40 * DAY),
        ],
    };
}


sub _contest {
    my ($name, $from, $to) = @_;
    return { name => $name, from => $from, to => $to };
}


sub change {
    my ($self, $now) = @_;
    my $rules = $self->{rules};

    $self->{time} = $now;

    for my $of (sort keys %{ $self->{out} }) {
        push @{ $rules->{$of} }, delete $self->{out}{$of};
    }

    for (1 .. 1 + int rand 3) {
        my $change = _pick(qw(_change_whole _change_event _change_event
            _change_reward _change_reward _change_reward _change_tier
            _change_contest _toggle));

        $self->can($change)->($self, $rules);
    }
}


sub _change_whole {
    my ($self, $rules) = @_;
    my %value = (
        model => [qw(last first)], self => [qw(hold reject allow)],
        open => [0, 1], window => [3600, 86400, 30 * 86400],
        bind => [0, 86400, 5 * 86400, 365 * 86400],
        min_age => [0, 0, 60, 3600], per_click => [0, 1, 2, 3],
        max_amount => [0, 0, 4999, 9999],
    );
    my $name = _pick(sort keys %value);

    $rules->{$name} = _pick(@{ $value{$name} });
}


sub _change_event {
    my ($self, $rules) = @_;
    my $event = _pick(@{ $rules->{events} });
    my $click = $event->{name} eq 'click';
    my %value = $click ? (points => [1, 2], limit => [0, 1, 3, 5]) : (
        points => [0, 1, 3, 10], hold => [0, 3600, 86400, 14 * 86400],
        min => [0, 100, 500, 1001], once => [qw(order customer)],
    );
    my $name = _pick(sort keys %value);

    $event->{$name} = _pick(@{ $value{$name} });
}


sub _change_reward {
    my ($self, $rules) = @_;
    my $reward = _pick(@{ $rules->{rewards} }) or return;
    my %value = (
        limit => [0, 1, 2, 5], per => [qw(ever day month year)],
        min_tier => ['', '', 'bronze', 'silver'],
        kind => [qw(all customer partner)], hold => [undef, 0, 3600, 86400],
        every => $reward->{bps} ? [1] : [1, 2, 3, 3, 4, 7],
        bps => $reward->{bps} ? [1, 500, 1250, 3333, 10000] : [0],
    );
    my $name = _pick(sort keys %value);

    $reward->{$name} = _pick(@{ $value{$name} });
}


sub _change_tier {
    my ($self, $rules) = @_;
    my $place = int rand @{ $rules->{tiers} };
    my @points = ([10, 20, 30], [60, 100, 150], [300, 400, 600]);

    $rules->{tiers}[$place]{points} = _pick(@{ $points[$place] });
}


# Another contest, instead of the oldest when there are many.

sub _change_contest {
    my ($self, $rules) = @_;
    my $from = $self->{time} + _pick(-5, 0, 1, 5) * DAY;
    my $name = 'contest' . ++$self->{contests};

    push @{ $rules->{contests} },
        _contest($name, $from, $from + _pick(5, 6, 20) * DAY);
    shift @{ $rules->{contests} } if @{ $rules->{contests} } > 5;
}


# Takes an event or a reward out; it comes back with the next change.

sub _toggle {
    my ($self, $rules) = @_;
    my $of = _pick(qw(events rewards));
    my $list = $rules->{$of};

    $self->{out}{$of} = splice @$list, rand @$list, 1;
}


1;
