package Referral::Model::Report;

# Everything that can be read of a model, recounted from its conversions and
# rewards, as lines: what store_drive_cli prints of a store.  Days from..to
# are what it is asked for beside all time.  What the journal tells is told
# once.

use strict;
use warnings;
use integer;

use Exporter 'import';

use Referral::Model::State qw(tier);

our @EXPORT_OK = qw(report);

my @classes = qw(human crawler preview prefetch scanner stuffing probe suspect
    self unknown inactive unique);
my @statuses = qw(pending approved held refunded unattributed rejected);
my @states = qw(pending held approved claimed void);

my %status_place = map { $statuses[$_] => $_ } 0 .. $#statuses;
my %state_place = map { $states[$_] => $_ } 0 .. $#states;


sub report {
    my ($model, $from, $to) = @_;
    my @lines;

    for my $p (@{ $model->{programs} }) {
        my @days = ($from, $to);
        my @of = map { "$_\t$p->{id}" } qw(code clicks conversion refund
            reward score account leader tally sum note);

        push @lines,
            _codes($p, $of[0]), _clicks($p, $of[1], @days),
            _conversions($p, $of[2]), _refunds($p, $of[3]),
            _rewards($p, $of[4]), _scores($p, $of[5]),
            _accounts($p, $of[6]), _leaders($p, $of[7]),
            _tallies($p, $of[8], @days), _sums($p, $of[9], @days),
            map { "$of[10]\t$_" } splice @{ $p->{notes} };
    }

    return \@lines;
}


sub _line {
    return join "\t", map { $_ // '' } @_;
}


sub _by_id {
    my ($p) = @_;
    return map { $p->{by_id}{$_} } sort { $a <=> $b } keys %{ $p->{by_id} };
}


sub _spelling {
    my ($code) = @_;
    return $code ? $code->{code} : '';
}


sub _codes {
    my ($p, $what) = @_;

    return map { my $code = $p->{codes}{$_};
        _line($what, @$code{qw(code status kind owner created changed)})
    } sort keys %{ $p->{codes} };
}


sub _clicks {
    my ($p, $what, $from, $to) = @_;
    my @lines;

    for my $code (undef, _by_id($p)) {
        my $by = $p->{class}{ $code ? $code->{id} : 0 } or next;
        my $name = $code ? $code->{code} : '*';

        push @lines, map { _line($what, $name, $_ eq 'all' ? 0 : $_ * 86400,
            map { $_ // 0 } @{ $by->{$_} }{@classes})
        } 'all', sort { $a <=> $b } grep {
            $_ ne 'all' && $_ >= $from && $_ <= $to } keys %$by;
    }

    return @lines;
}


sub _conversions {
    my ($p, $what) = @_;

    return map { my $order = $p->{orders}{$_};
        $order->{status} eq 'awaited' ? () : _line($what,
            @$order{qw(order event status method source touch)},
            sprintf('%x', $order->{reasons}), _spelling($order->{code}),
            _spelling($order->{first}),
            @$order{qw(channel customer click_id clicked taken occurred due
                changed has_amount)},
            $order->{has_amount} ? $order->{currency} : 0,
            @$order{qw(amount refunded points)},
            scalar @{ $order->{rewards} })
    } sort keys %{ $p->{orders} };
}


sub _refunds {
    my ($p, $what) = @_;
    my @lines;

    for my $order (sort keys %{ $p->{refunds} }) {
        my $refunds = $p->{refunds}{$order};

        push @lines, map { _line($what, $order,
            @{ $refunds->{$_} }{qw(refund reason time amount whole)})
        } sort keys %$refunds;
    }

    return @lines;
}


sub _rewards {
    my ($p, $what) = @_;
    my $n = 0;

    return map { my $reward = $_;
        _line($what, $n++, @$reward{qw(state to name)},
            $reward->{code}{code}, $reward->{order}{order},
            @$reward{qw(customer value reason bps currency amount paid offset
                created due claimed changed)})
    } @{ $p->{rewards} };
}


sub _scores {
    my ($p, $what) = @_;
    my %n;

    $n{ $_->{code}{id} }[ $state_place{ $_->{state} } ]++
        for grep { $_->{to} eq 'referrer' } @{ $p->{rewards} };

    return map {
        my $tier = tier($p, $_->{points});

        _line($what, $_->{code}, $_->{points},
            $tier ? $p->{rules}{tiers}[ $tier - 1 ]{name} : '',
            map { $_ // 0 } @{ $n{ $_->{id} } }[ 0 .. $#states ])
    } _by_id($p);
}


sub _accounts {
    my ($p, $what) = @_;
    my %sum;

    $sum{ $_->{code}{id} }{ $_->{currency} }[ $state_place{ $_->{state} } ]
        += $_->{amount}
        for grep { $_->{bps} && $_->{to} eq 'referrer' } @{ $p->{rewards} };

    return map { my $code = $_; my $id = $code->{id};
        map {
            my @now = ((map { $_ // 0 } @{ $sum{$id}{$_} }[ 0 .. $#states ]),
                map { $_ // 0 }
                    @{ $p->{accounts}{$id}{$_} || {} }{qw(paid owed)});

            (grep { $_ } @now) ? _line($what, $code->{code}, $_, @now) : ()
        } sort { $a <=> $b } keys %{ $sum{$id} || {} }
    } _by_id($p);
}


sub _leaders {
    my ($p, $what) = @_;
    my %period = ('all' => {
        map { $_ => $p->{by_id}{$_}{points} } keys %{ $p->{by_id} }
    });

    $period{$_} = $p->{months}{$_} for keys %{ $p->{months} };
    $period{"contest $_"} = $p->{contests}{$_}
        for keys %{ $p->{contests} };

    return map { my ($period, $points, $n) = ($_, $period{$_}, 0);
        map { _line($what, $period, $n++, $p->{by_id}{$_}{code},
            $points->{$_}) }
            sort { $points->{$b} <=> $points->{$a} || $a <=> $b }
            grep { $points->{$_} } keys %$points
    } sort keys %period;
}


# Rows by code, event and day of what each event adds to, in the order of the
# store's lists but for the events, whose numbers are not known here.

sub _days {
    my ($from, $to, $t) = @_;
    my $day = $t / 86400000;

    return ('all', $day >= $from && $day <= $to ? ($day, 'range') : ());
}


sub _tallies {
    my ($p, $what, @days) = @_;
    my %row;

    for my $order (grep { $_->{status} ne 'awaited' }
                   values %{ $p->{orders} })
    {
        my $of = $order->{code} ? $order->{code}{id} : 0;
        my $place = $status_place{ $order->{status} };

        for my $day (_days(@days, $order->{t})) {
            for my $row ($row{'*'}{$day}{ $order->{event} } ||= [ (0) x 7 ],
                         $row{$of}{$day}{ $order->{event} } ||= [ (0) x 7 ])
            {
                $row->[$place]++;
                $row->[6] += $order->{points};
            }
        }
    }

    return _rows($p, $what, \%row);
}


sub _sums {
    my ($p, $what, @days) = @_;
    my %row;

    for my $order (grep { $_->{status} ne 'awaited' && $_->{has_amount} }
                   values %{ $p->{orders} })
    {
        my $of = $order->{code} ? $order->{code}{id} : 0;
        my $name = "$order->{event}\t$order->{currency}";

        for my $day (_days(@days, $order->{t})) {
            for my $row ($row{'*'}{$day}{$name} ||= [ 0, 0, 0 ],
                         $row{$of}{$day}{$name} ||= [ 0, 0, 0 ])
            {
                $row->[0] += $order->{amount};
                $row->[1] += $order->{refunded};
                $row->[2]++;
            }
        }
    }

    return _rows($p, $what, \%row);
}


sub _rows {
    my ($p, $what, $row) = @_;
    my @lines;

    for my $of (keys %$row) {
        my $name = $of eq '*' ? '*' : $of ? $p->{by_id}{$of}{code} : '-';

        for my $day (keys %{ $row->{$of} }) {
            push @lines, map {
                _line($what, $name, $day =~ /\d/ ? $day * 86400 : $day, $_,
                    @{ $row->{$of}{$day}{$_} })
            } keys %{ $row->{$of}{$day} };
        }
    }

    return sort @lines;
}


1;
