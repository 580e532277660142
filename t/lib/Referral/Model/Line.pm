package Referral::Model::Line;

# Operations as store_drive_cli reads them.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(line);

# numbers of the store's enumerations

my @classes = qw(human crawler preview prefetch scanner stuffing probe suspect
    self unknown inactive);
my %class = map { $classes[$_] => $_ } 0 .. $#classes;
my %source = (api => 0, header => 1, import => 2);
my %token = (none => 0, valid => 1, expired => 2, invalid => 3);
my %decide = (approve => 0, claim => 1, void => 2);
my %status = (active => 0, paused => 1, ended => 2);
my %kind = (customer => 0, partner => 1);
my %model = (last => 0, first => 1);
my %self_rule = (hold => 0, reject => 1, allow => 2);
my %per = (ever => 0, day => 1, month => 2, year => 3);
my %for = (all => 0, customer => 1, partner => 2);
my %to = (referrer => 0, friend => 1);


# intake: the one of the two that takes it, if it is a record.

sub line {
    my ($op, $intake) = @_;
    my @fields;

    if ($op->{what} eq 'program') {
        @fields = @$op{qw(name case_sensitive)};

    } elsif ($op->{what} eq 'tick') {
        @fields = $op->{time};

    } elsif ($op->{what} eq 'purge') {
        @fields = @$op{qw(program before)};

    } elsif ($op->{what} eq 'rules') {
        @fields = ($op->{program}, _rules_fields($op->{rules}));

    } else {
        @fields = ($intake, @$op{qw(time program)},
            __PACKAGE__->can("_$op->{what}_fields")->($op));
    }

    return join "\t", $op->{what}, map { $_ // '' } @fields;
}


sub _click_fields {
    my ($op) = @_;
    return (@$op{qw(code by_id)}, $class{ $op->{class} },
        $op->{open} | $op->{repeat} << 1,
        @$op{qw(channel click_id visitor before unique_window)});
}


sub _code_fields {
    my ($op) = @_;
    my $set = (defined $op->{owner} && 1) | (defined $op->{kind} && 2)
        | (defined $op->{status} && 16) | ($op->{new} && 64)
        | ($op->{old} && 128);

    return ($op->{code}, $set, $op->{owner}, $kind{ $op->{kind} // '' } // 0,
        $status{ $op->{status} // '' } // 0);
}


sub _event_fields {
    my ($op) = @_;

    return (@$op{qw(event order customer coupon click_id)},
        $source{ $op->{source} }, $token{ $op->{token} },
        @$op{qw(currency amount)}, $op->{velocity} << 1 | $op->{dated} << 2,
        @$op{qw(occurred draw)},
        map { $_ ? @$_{qw(code channel click_id time)} : () }
            @$op{qw(first last)});
}


sub _refund_fields {
    my ($op) = @_;
    return @$op{qw(order refund reason whole currency amount)};
}


sub _decision_fields {
    my ($op) = @_;
    return ($decide{ $op->{decide} }, @$op{qw(order reward reason)});
}


sub _rules_fields {
    my ($rules) = @_;

    return ($model{ $rules->{model} }, $self_rule{ $rules->{self} },
        @$rules{qw(open window bind min_age per_click max_amount)},
        (map { 'event=' . join ',', @$_{qw(name points hold min)},
            $_->{once} eq 'customer' ? 1 : 0, $_->{limit}
        } @{ $rules->{events} }),
        (map { "tier=$_->{name},$_->{points}" } @{ $rules->{tiers} }),
        (map { 'reward=' . _reward_fields($_) } @{ $rules->{rewards} }),
        map { "contest=$_->{name},$_->{from},$_->{to}" }
            @{ $rules->{contests} });
}


sub _reward_fields {
    my ($rule) = @_;

    return join ',', @$rule{qw(name on min_tier value bps)},
        $to{ $rule->{to} }, $for{ $rule->{kind} }, $per{ $rule->{per} },
        defined $rule->{hold} ? 1 : 0, $rule->{hold} // 0,
        @$rule{qw(every limit)},
        join ';', map { "$_->[0]:$_->[1]" } @{ $rule->{picks} };
}


1;
