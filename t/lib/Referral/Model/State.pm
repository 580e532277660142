package Referral::Model::State;

# What the parts of the model share: limits, names of reasons, and questions
# to a program, which is a hash, and to its orders.

use strict;
use warnings;
use integer;

use Exporter 'import';

use constant {
    DAY         => 86400000,
    EARLY_CLICK => 300000,
    AMOUNT_MAX  => 922337203685477,
};

our @EXPORT_OK = qw(DAY EARLY_CLICK AMOUNT_MAX %REASON code_of fold month tier
    below_min once_key become note);

our %REASON;
@REASON{qw(no_evidence token_expired token_invalid token_code click_unknown
    click_expired click_class code_unknown code_ended self below_min once
    no_customer early_refund refund_cut voided released velocity too_soon
    before_click per_click over_amount)}
    = map { 1 << $_ } 0 .. 21;


sub fold {
    my ($p, $code) = @_;
    return $p->{case_sensitive} ? $code : $code =~ tr/A-Z/a-z/r;
}


sub code_of {
    my ($p, $code) = @_;
    return $p->{codes}{ fold($p, $code) };
}


sub month {
    my ($time) = @_;
    my (undef, undef, undef, undef, $month, $year) = gmtime($time / 1000);
    return ($year + 1900) * 100 + $month + 1;
}


# Number of the tier that so many points reach; 0: none.

sub tier {
    my ($p, $points) = @_;
    return scalar grep { $points >= $_->{points} } @{ $p->{rules}{tiers} };
}


sub below_min {
    my ($order, $rule) = @_;
    return $rule && $rule->{min}
        && (!$order->{has_amount}
            || $order->{amount} - $order->{refunded} < $rule->{min});
}


sub once_key {
    my ($order) = @_;
    return "$order->{customer} $order->{event}";
}


# A reward or an order goes to another state, which the journal tells of.

sub become {
    my ($p, $one, $to, $now) = @_;
    my $reward = exists $one->{state};
    my $from = $one->{ $reward ? 'state' : 'status' } // 'new';

    $one->{ $reward ? 'state' : 'status' } = $to;
    $one->{changed} = $now;

    note($p, $now, $reward ? 'reward' : 'event',
        $one->{code} ? $one->{code}{code} : '', $from, $to,
        $reward ? ($one->{name}, $one->{order}{order}) : ('', $one->{order}));
}


sub note {
    my ($p, @fields) = @_;
    push @{ $p->{notes} }, join "\t", @fields;
}


1;
