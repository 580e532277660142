package Referral::Model::Play;

# Plays operations to a model and to a store, and compares them.
#
#   my %how = (batch => 100, turn => 7, dump => sub { $_[0] % 100 == 99 });
#   my $play = random_play($seed, $n, \%how);
#   my $difference = differs($driver, $play);
#   $difference = differs($driver, closer($play, $difference));
#
# batch: records applied together, at most; turn: so many go to an intake
# before the other's turn, 0: all to one; dump: whether all is compared after
# the operation of that number, as it is after the last; verify: likewise,
# whether the store recounts itself; reopen: whether its intakes are opened
# again.
#
# A difference is { index, lines }: of the operation whose outcome is not the
# same, or after which the state is not; undef: none.

use strict;
use warnings;

use Exporter 'import';
use File::Temp qw(tempdir);
use POSIX ();

use Referral::Model;
use Referral::Model::Line qw(line);
use Referral::Model::Random;
use Referral::Model::Report qw(report);

our @EXPORT_OK = qw(random_play play differs closer);


# What a model makes of random operations.

sub random_play {
    my ($seed, $n, $how) = @_;
    my $model = Referral::Model->new;
    my $random = Referral::Model::Random->new($model, $seed);
    my @begin = $random->begin;
    my $next = sub { shift @begin // $random->next };

    return _played($model, $n, $next, $how);
}


# What a model makes of these operations.

sub play {
    my ($ops, $how) = @_;
    my @ops = @$ops;

    return _played(Referral::Model->new, scalar @ops, sub { shift @ops },
        $how);
}


sub _played {
    my ($model, $n, $next, $how) = @_;
    my $play = { ops => [], want => [], state => {}, how => $how };

    for my $i (0 .. $n - 1) {
        my $op = $next->();

        push @{ $play->{ops} }, $op;
        push @{ $play->{want} }, _apply($model, $op);
        $play->{state}{$i} = report($model, _days($op))
            if _asked($how->{dump}, $i, $n);
    }

    return $play;
}


sub _apply {
    my ($model, $op) = @_;

    return $model->program(@$op{qw(name case_sensitive)})
        if $op->{what} eq 'program';
    return join ' ', $model->apply($op);
}


# What is not the same in the store.

sub differs {
    my ($driver, $play) = @_;
    my $n = @{ $play->{ops} };
    my $store = { out => _start($driver, $play), said => [] };
    my $difference;

    for my $i (0 .. $n - 1) {
        my @lines = _outcome($store, $play->{want}[$i]);

        @lines = _all($store, $play->{state}{$i})
            if !@lines && $play->{state}{$i};
        @lines = _outcome($store, 0)
            if !@lines && _asked($play->{how}{verify}, $i, $n);

        next unless @lines;
        $difference = { index => $i, lines => \@lines };
        last;
    }

    close $store->{out};
    $difference ||= { index => $n - 1, lines => ["the driver ended with $?"] }
        if $?;

    return $difference;
}


# The same until that difference, comparing after each operation since the
# last one after which all was the same.

sub closer {
    my ($play, $difference) = @_;
    my %how = %{ $play->{how} };
    my @ops = @{ $play->{ops} }[ 0 .. $difference->{index} ];
    my ($from) = grep { $how{dump}->($_) && $how{verify}->($_) }
        reverse 0 .. $#ops - 1;

    $how{dump} = $how{verify} = sub { $_[0] >= ($from // 0) };
    return play(\@ops, \%how);
}


# ---------------------------------------------------------------------------

sub _asked {
    my ($when, $index, $n) = @_;
    return $index == $n - 1 || ($when && $when->($index));
}


sub _directory {
    my $memory = -w '/dev/shm' ? '/dev/shm' : '/tmp';
    return tempdir('referral-test-XXXXXX', DIR => $memory, CLEANUP => 1);
}


sub _start {
    my ($driver, $play) = @_;
    my $dir = _directory();

    open my $in, '>', "$dir/in" or die "cannot write $dir/in: $!\n";
    print $in map { "$_\n" } _lines(@$play{qw(ops how)});
    close $in or die "cannot write $dir/in: $!\n";

    my $pid = open(my $out, '-|') // die "fork() failed: $!\n";

    if ($pid == 0) {
        alarm 120;
        open STDIN, '<', "$dir/in" and exec $driver, $dir;
        POSIX::_exit(127);
    }

    return $out;
}


sub _lines {
    my ($ops, $how) = @_;
    my @lines = "batch\t" . ($how->{batch} || 1);

    for my $i (0 .. $#$ops) {
        push @lines, 'reopen' if $how->{reopen} && $how->{reopen}->($i);
        push @lines, line($ops->[$i],
            $how->{turn} ? int($i / $how->{turn}) % 2 : 0);
        push @lines, join "\t", 'dump', _days($ops->[$i])
            if _asked($how->{dump}, $i, scalar @$ops);
        push @lines, 'verify' if _asked($how->{verify}, $i, scalar @$ops);
    }

    return @lines;
}


# Days that are asked for: some weeks before the operation.

sub _days {
    my ($op) = @_;
    my $day = int(($op->{time} // 0) / 86_400_000);
    return $day > 30 ? ($day - 20, $day - 2) : (1, 2);
}


sub _read {
    my ($store) = @_;
    my $line;

    while (defined($line = readline $store->{out})) {
        chomp $line;
        return $line if $line !~ /^#/;
        push @{ $store->{said} }, $line;
    }

    return 'nothing';
}


# What differs from the outcome that is expected; none: nothing.

sub _outcome {
    my ($store, $want) = @_;
    my $got = _read($store);

    return () if $got eq $want;
    return ("model: $want", "store: $got", @{ $store->{said} });
}


sub _all {
    my ($store, $want) = @_;
    my %got;

    for (;;) {
        my $line = _read($store);

        last if $line eq 'end';
        $got{$line}++;
        last if $line eq 'nothing';
    }

    my @missing = grep { !$got{$_} || $got{$_}-- < 1 } @$want;

    return ((map { "model: $_" } @missing),
        map { "store: $_" } sort grep { $got{$_} } keys %got);
}


1;
