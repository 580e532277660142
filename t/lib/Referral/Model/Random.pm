package Referral::Model::Random;

# Random operations for a model and a store, by seed; what has become of the
# model so far is looked at, so that they collide with it: a few codes and
# customers, orders told again, times at which something ends.
#
#   my $random = Referral::Model::Random->new($model, $seed);
#   my @first = $random->begin;              # programs, rules, codes
#   my $op = $random->next;                  # the caller applies it

use strict;
use warnings;

use Referral::Model::RandomRules;
use Referral::Model::State qw(code_of);

use constant {
    START => 1_790_000_000_000,     # 2026-09-21
    HOUR  => 3_600_000,
    DAY   => 86_400_000,
};

my @classes = qw(human crawler preview prefetch scanner stuffing probe suspect
    self unknown inactive);

my @currencies = (978, 978, 978, 840, 392);
my @amounts = (0, 1, 99, 100, 999, 1000, 1001, 1001, 4999, 4999, 10000, 33333);


sub new {
    my ($class, $model, $seed) = @_;

    srand($seed);

    return bless {
        model => $model, now => START, orders => 0, clicks => 0,
        recent => [], told => [], refunds => [], click_ids => [], rules => [],
    }, $class;
}


sub _one_in {
    my ($n) = @_;
    return rand($n) < 1;
}


sub _pick {
    return $_[ rand @_ ];
}


# Value of the first of VALUE => WEIGHT pairs that a draw falls on.

sub _weighted {
    my @pairs = @_;
    my $all = 0;

    $all += $pairs[ 2 * $_ + 1 ] for 0 .. $#pairs / 2;
    my $at = rand $all;

    while (@pairs) {
        my ($value, $weight) = splice @pairs, 0, 2;
        return $value if $at < $weight;
        $at -= $weight;
    }
}


# ----------------------------------------------------------------- a start ---

sub begin {
    my ($self) = @_;
    my @ops;

    for my $program (1, 2) {
        $self->{rules}[$program] =
            Referral::Model::RandomRules->new($program, $self->{now});

        push @ops,
            { what => 'program', name => "p$program",
              case_sensitive => $program - 1 },
            $self->_rules_op($program);
    }

    push @ops, map { $self->_code_op($_) } map { (1, 1, 2) } 1 .. 12;
    return @ops;
}


sub _rules_op {
    my ($self, $program) = @_;
    return { what => 'rules', program => $program, time => $self->{now},
             rules => $self->{rules}[$program]->now };
}


# -------------------------------------------------------------------- time ---

sub _step {
    my ($self) = @_;
    my $max = _weighted(60_000 => 66, 1_200_000 => 26, 6 * HOUR, 3,
        2 * DAY, 0.3, boundary => 3, back => 1.2);

    $max = 'back' if $self->{edge} && _one_in(3);
    $self->{edge} = $max eq 'boundary';

    if ($self->{edge}) {
        $self->{now} = $self->_boundary;
        return;
    }

    if ($max eq 'back') {
        $self->{now} -= int rand(600_000);
        return;
    }

    $self->{now} += int rand $max;
    $self->{now} -= $self->{now} % 1000 if _one_in(2);
}


# A time soon after now at which something ends or begins, or one beside it.

sub _boundary {
    my ($self) = @_;
    my $now = $self->{now};
    my @times = (($now - $now % DAY) + DAY);
    my %customer;

    for my $p (@{ $self->{model}{programs} }) {
        push @times, map { $_->{from}, $_->{to} } @{ $p->{rules}{contests} };

        for my $customer (sort keys %{ $p->{bound} }) {
            my $until = $p->{bound}{$customer}{until};

            push @times, $until;
            $customer{$until} = [ $p->{id}, $customer ];
        }

        my $from = @{ $p->{rewards} } > 60 ? @{ $p->{rewards} } - 60 : 0;
        push @times, map { $_->{due} } grep { $_->{state} eq 'pending' }
            @{ $p->{rewards} }[ $from .. $#{ $p->{rewards} } ];
    }

    my @soon = sort { $a <=> $b } grep { $_ > $now && $_ < $now + 3 * DAY }
        @times;

    return $now unless @soon;
    splice @soon, 3 if @soon > 3;
    my $time = _pick(@soon);
    $self->{bound} = $customer{$time};

    return $time + _pick(-1, 0, 0, 1);
}


# -------------------------------------------------------------- operations ---

sub next {
    my ($self) = @_;

    $self->_step;
    return $self->_bound_op if $self->{bound};

    my $make = _weighted(click => 22, code => 3.5, event => 36, refund => 15,
        decision => 16, rules => 0.6, tick => 6, purge => 0.4);

    return { what => 'tick', time => $self->{now} } if $make eq 'tick';

    my $program = _pick(1, 1, 2);

    if ($make eq 'rules') {
        $self->{rules}[$program]->change($self->{now});
        return $self->_rules_op($program);
    }

    return $self->can("_${make}_op")->($self, $program);
}


# Days, or sometimes only minutes, are left.

sub _purge_op {
    my ($self, $program) = @_;
    my $left = _one_in(3) ? rand 3_600_000 : rand 20 * 86_400_000;

    return $self->_op(purge => $program, before => $self->{now} - int $left);
}


# An event of a customer whose binding ends about now.

sub _bound_op {
    my ($self) = @_;
    my ($program, $customer) = @{ delete $self->{bound} };
    my $op = $self->_new_event($program);

    delete @$op{qw(first last)};
    @$op{qw(customer token source)} = ($customer, 'none', 'api');
    push @{ $self->{told}[$program] }, $op;

    return $op;
}


sub _op {
    my ($self, $what, $program, %fields) = @_;
    return { what => $what, program => $program, time => $self->{now},
             %fields };
}


# A code as somebody types it: of 15, of which not all are registered.

sub _code {
    my ($program) = @_;
    my $code = 'Code' . int(1 + rand 15);

    return $program == 2 ? $code : _pick($code, $code, lc $code, uc $code);
}


sub _customer {
    return 'u' . int(1 + rand 40);
}


sub _code_op {
    my ($self, $program) = @_;

    return $self->_op(code => $program,
        code => _code($program),
        owner => _one_in(2) ? _weighted(_customer() => 5, '' => 1) : undef,
        kind => _one_in(2) ? _pick('customer', 'partner') : undef,
        status => _one_in(2) ? _weighted(active => 20, paused => 6,
            ended => 1) : undef,
        new => _one_in(6), old => _one_in(6));
}


sub _click_id {
    my ($program, $n) = @_;
    return sprintf '%02x%016x', $program, $n;
}


sub _click_op {
    my ($self, $program) = @_;
    my $class = _one_in(3) ? _pick(@classes) : 'human';
    my $code = _code($program);
    my $p = $self->{model}{programs}[ $program - 1 ];
    my $by_id = $class ne 'unknown' && _one_in(3)
        && code_of($p, $code);
    my $id = _one_in(8) ? '' : _click_id($program, ++$self->{clicks});

    push @{ $self->{click_ids}[$program] }, $id if $id;

    my $visitor = int rand 60;

    return $self->_op(click => $program,
        code => $class eq 'unknown' && _one_in(2) ? '' : $code,
        by_id => $by_id ? 1 : 0, class => $class,
        open => $program == 2 && _one_in(3) ? 1 : 0,
        repeat => _one_in(8) ? 1 : 0, channel => _pick('', 'wa', 'mail'),
        click_id => $id, visitor => $visitor,
        before => _one_in(2) ? $visitor : 0,
        unique_window => _pick(86400, 86400, 3600, 0));
}


# ------------------------------------------------------------------ events ---

sub _event_op {
    my ($self, $program) = @_;
    my $told = $self->{told}[$program] ||= [];
    my $op;

    if (@$told && _one_in(4)) {
        $op = $self->_again(_one_in(2) ? $told->[-1]
            : $told->[ _recent(scalar @$told, 40) ]);

    } else {
        $op = $self->_new_event($program);
        push @$told, $op;
    }

    push @{ $self->{recent} }, [ $program, $op->{order} ];
    return $op;
}


# An index into so many, one of the last ones as a rule.

sub _recent {
    my ($n, $last) = @_;
    $last = $n if $last > $n || _one_in(5);
    return int($n - 1 - rand $last);
}


sub _again {
    my ($self, $was) = @_;
    my %op = (%$was, time => $self->{now});

    return \%op if _one_in(2);

    my $change = _pick(qw(source token event amount currency customer occurred
        click_id coupon draw));
    my $other = $self->_new_event($op{program}, $op{order});

    $op{$_} = $other->{$_} for $change eq 'token' ? qw(token first last)
        : $change eq 'amount' ? qw(amount currency) : $change;
    $op{currency} = 0 unless defined $op{amount};
    $op{currency} ||= 978 if defined $op{amount} && !_one_in(20);

    return \%op;
}


sub _new_event {
    my ($self, $program, $order) = @_;
    my $now = $self->{now};
    my $amount = _one_in(4) ? undef
        : _one_in(60) ? 922337203685477 + (_one_in(2) ? 1 : 0)
        : _pick(@amounts);
    my $source = _weighted(api => 60, header => 15, import => 25);
    my $token = _one_in(2) ? 'none'
        : _weighted(valid => 8, expired => 1, invalid => 1);
    my %touches = $token eq 'valid' ? $self->_touches($program) : ();
    my $coupon = _one_in(3) ? _code($program) : '';
    my $owned = $token eq 'valid' ? $touches{last}{code} : $coupon;

    my $click_id = _one_in(3) ? $self->_some_click($program) : '';

    return $self->_op(event => $program,
        event => _weighted(purchase => 45, signup => 18, renewal => 22,
            lead => 12, click => 1, nothing => 1),
        order => $order // $self->_new_order($program),
        customer => _one_in(6) ? $self->_owner($program, $owned)
            : _one_in(3) ? '' : _customer(),
        coupon => $coupon,
        click_id => $click_id,
        source => $source, token => $token,
        currency => defined $amount ? _pick(@currencies) : 0,
        amount => $amount,
        occurred => $source eq 'header' ? 0
            : $self->_occurred($program, $click_id),
        draw => int(rand 2 ** 32) << 32 | int(rand 2 ** 32),
        velocity => _one_in(12) ? 1 : 0, dated => _one_in(2) ? 1 : 0,
        %touches);
}


# When it was, if that is told: some time ago, or about when the click was.

sub _occurred {
    my ($self, $program, $click_id) = @_;
    my $click = $self->{model}{programs}[ $program - 1 ]{clicks}{$click_id};

    return 0 if _one_in(3);
    return $click->{time} - int rand 600_000 if $click && _one_in(3);
    return $self->{now}
        - int(_pick(-1, 1, 1, 1) * rand _pick(HOUR, DAY, 50 * DAY));
}


sub _owner {
    my ($self, $program, $name) = @_;
    my $p = $self->{model}{programs}[ $program - 1 ];
    my $code = code_of($p, $name);

    return $code ? $code->{owner} : _customer();
}


sub _new_order {
    my ($self, $program) = @_;

    return '' if _one_in(300);
    return "o$self->{orders}" if $self->{orders} && _one_in(60);
    return 'o' . ++$self->{orders};
}


sub _touches {
    my ($self, $program) = @_;
    my $window = $self->{rules}[$program]->window;
    my $second = int($self->{now} / 1000);
    my %touches;

    for my $touch ('first', 'last') {
        my $age = _weighted(int(rand 7200) => 12, $window - 1, 1,
            $window => 1, $window + 1, 1, 2 * $window, 1,
            int(rand $window) => 4, -int(rand 200) => 0.5);

        $touches{$touch} = {
            code => _code($program), channel => _pick('', 'wa', 'mail'),
            click_id => _click_id($program, int rand 5000),
            time => $second - $age,
        };

        next unless _one_in(5);

        # of a ticket that was redeemed late, by more than one perhaps

        $self->{late}[$program] = { %{ $touches{$touch} }, click_id => '' }
            if !$self->{late}[$program] || _one_in(4);
        $touches{$touch} = $self->{late}[$program];
    }

    $touches{first} = $touches{last} if _one_in(2);
    return %touches;
}


sub _some_click {
    my ($self, $program) = @_;
    my $ids = $self->{click_ids}[ _one_in(30) ? 3 - $program : $program ];

    return _click_id(9, 1 + int rand 1000) if !$ids || _one_in(12);
    return $ids->[ _recent(scalar @$ids, 20) ];
}


# ------------------------------------------------- refunds and decisions ---

sub _some_order {
    my ($self, $program) = @_;
    my $recent = $self->{recent};

    return ($program, 'o' . ($self->{orders} + int rand 4))
        if !@$recent || _one_in(8);
    return @{ $recent->[ _recent(scalar @$recent, 50) ] };
}


sub _refund_op {
    my ($self, $program) = @_;
    my $refunds = $self->{refunds};

    return { %{ $refunds->[-1 - rand(@$refunds > 5 ? 5 : @$refunds)] },
             time => $self->{now} } if @$refunds && _one_in(9);

    ($program, my $id) = $self->_some_order($program);
    $id = 'o' . ($self->{orders} + int rand 8) if _one_in(9);
    my $order = $self->{model}{programs}[ $program - 1 ]{orders}{$id};
    my $known = $order && $order->{status} ne 'awaited';
    my $left = $known ? $order->{amount} - $order->{refunded} : 5000;
    my $whole = _one_in(4) ? 1 : 0;
    my $currency = $known ? $order->{currency} : 978;

    my $op = $self->_op(refund => $program,
        order => $id, refund => 'r' . int(1 + rand 6), whole => $whole,
        reason => _pick('', 'broken', 'late'),
        currency => _weighted(0, 5, $currency => 5, _pick(@currencies), 1),
        amount => $whole ? 0 : _weighted(1, 2, int(1 + rand 100) => 2,
            int(1 + $left / 2) => 3, int(1 + $left / 3) => 3, $left => 3,
            $left + 1, 1, int(rand 20000) => 1,
            922337203685477 => 0.3));

    push @$refunds, $op;
    return $op;
}


# An order about which something can be decided, if there is one.

sub _undecided {
    my ($self, $program) = @_;
    my ($id, $order);

    for my $try (1 .. 12) {
        ($program, $id) = $self->_some_order($program);
        $order = $self->{model}{programs}[ $program - 1 ]{orders}{$id};

        last if $order && ($order->{status} eq 'held'
            || ($try > 6 && @{ $order->{rewards} || [] }));
    }

    return ($program, $id, $order);
}


sub _decision_op {
    my ($self) = @_;
    my ($program, $id, $order) = $self->_undecided(1);
    my $n = $order ? @{ $order->{rewards} || [] } : 0;
    my $of_event = !$n || ($order->{status} eq 'held' && _one_in(2))
        || _one_in(30);

    return $self->_op(decision => $program,
        decide => $of_event ? _weighted(approve => 12, void => 8, claim => 1)
            : _weighted(approve => 6, claim => 8, void => 3),
        order => $id,
        reward => $of_event ? undef : _one_in(40) ? $n : int rand $n,
        reason => _pick('', 'checked', 'gift card'));
}


1;
