package Referral::Standings;

# Copyright (C) the ngx_http_referral_module authors

# What came out of t/bench/contenders: medians of the rounds, and ratios, which
# are medians of the ratios within a round, as tables in Markdown and as a plot.
#
#   my $s = Referral::Standings->new(title => $text, names => ['floor', ...],
#       connections => [64, 512]);
#   $s->add($name, $connections, { rate, p50, p99, loop, else, kernel, answered,
#       counted });                     # one run; times in us
#   $s->killed($name, { answered, counted });
#   print $s->text; $s->write($dir);    # redirect.md, redirect.svg

use strict;
use warnings;

use Referral::Bars;
use Referral::Bench qw(median);

my %DOES = (
    'floor' => 'return 302, a cookie: no job done',
    'relaxed' => 'this module, commit=relaxed',
    'durable' => 'this module, commit=durable',
    'durable+2ms' => 'durable, a disk 2 ms slower a flush',
    'lua-redis' => 'Lua, Redis, fsync every second',
    'lua-redis-incr' => 'the same, totals only',
    'lua-redis-tuned' => 'the same in one round trip',
    'lua-redis-always' => 'Lua, Redis, fsync always',
    'lua-dict' => 'Lua, counts go to Redis each second',
    'access-log' => 'a log counted later, cookie not signed',
    'php-fpm' => 'PHP-FPM, MariaDB',
);

# Figure, contender, of which, connections (none: all), wanted.

my @TARGETS = (
    ['rate', 'relaxed', 'floor', 64, '>=', 0.92],
    ['rate', 'durable', 'floor', 64, '>=', 0.6],
    ['rate', 'durable', 'floor', 512, '>=', 0.8],
    ['p99', 'relaxed', 'floor', undef, '<=', 1.3],
    ['rate', 'relaxed', 'lua-redis', undef, '>=', 5],
    ['rate', 'relaxed', 'lua-redis-tuned', undef, '', 0],
    ['rate', 'durable', 'lua-redis-always', undef, '>=', 5],
    ['rate', 'durable+2ms', 'floor', undef, '', 0],
);


sub new {
    my ($class, %arg) = @_;
    return bless { %arg, runs => {}, dead => {} }, $class;
}


sub title { $_[0]{title} }


sub add {
    my ($self, $name, $connections, $run) = @_;
    push @{ $self->{runs}{$name}{$connections} }, $run;
}


sub killed {
    my ($self, $name, $run) = @_;
    my $dead = $self->{dead}{$name} ||= { times => 0 };

    $dead->{times}++;
    $dead->{$_} += $run->{$_} for qw(answered counted);
    $dead->{lost} += max($run->{answered} - $run->{counted}, 0);
}


sub write {
    my ($self, $dir) = @_;

    _file("$dir/redirect.md", $self->text);
    _file("$dir/redirect.svg", $self->plot) if %{ $self->{runs} };
}


sub _file {
    my ($name, $text) = @_;

    open my $f, '>:utf8', $name or die "$name: $!\n";
    print $f $text;
    close $f or die "$name: $!\n";
}


sub max { $_[0] > $_[1] ? $_[0] : $_[1] }


# -------------------------------------------------------------- figures --

sub ran {
    my ($self) = @_;
    return grep { $self->{runs}{$_} } @{ $self->{names} };
}


sub runs {
    my ($self, $name, $connections) = @_;
    return @{ ($self->{runs}{$name} || {})->{$connections} || [] };
}


sub typical {
    my ($self, $name, $connections, $figure) = @_;
    return median(map { $_->{$figure} } $self->runs($name, $connections));
}


# undef: not measured

sub ratio {
    my ($self, $figure, $name, $other, $connections) = @_;
    my @runs = $self->runs($name, $connections);
    my @others = $self->runs($other, $connections);

    return undef unless @runs && @others;
    return median(map { $runs[$_]{$figure} / ($others[$_]{$figure} || 1) }
        0 .. $#runs);
}


sub range {
    my ($self, $name, $connections) = @_;
    my @rate = sort { $a <=> $b } map { $_->{rate} }
        $self->runs($name, $connections);

    return @rate[0, -1];
}


sub sum {
    my ($self, $name, $connections, $figure) = @_;
    my @all = map { $_->{$figure} } $self->runs($name, $connections);
    my $sum = 0;

    return undef if grep { !defined } @all;
    $sum += $_ for @all;
    return $sum;
}


# --------------------------------------------------------------- tables --

sub text {
    my ($self) = @_;

    my @rates = ('Medians of the rounds, ratios within a round; times of'
        . " processors are for each\nredirect.\n",
        map { $self->rates($_) } @{ $self->{connections} });

    return join "\n", "$self->{title}.\n", $self->ran ? @rates : (),
        $self->deaths, $self->targets;
}


sub rates {
    my ($self, $connections) = @_;
    my @rows = (['contender', 'requests/s', 'lowest to highest', 'of the floor',
        'p50, ms', 'p99, ms', 'p99, of the floor', 'nginx, us', 'all else, us',
        'in the kernel, us', 'answered', 'counted']);

    for my $name ($self->ran) {
        my @of = ($name, $connections);
        my ($low, $high) = $self->range(@of);
        my %m = map { $_ => $self->typical(@of, $_) }
            qw(rate p50 p99 loop else kernel);

        push @rows, [$name, thousands($m{rate}),
            thousands($low) . ' to ' . thousands($high),
            number('%.2f', $self->ratio('rate', $name, 'floor', $connections)),
            number('%.2f', $m{p50} / 1000), number('%.2f', $m{p99} / 1000),
            number('%.2f', $self->ratio('p99', $name, 'floor', $connections)),
            map({ number('%.1f', $_) } @m{qw(loop else kernel)}),
            map { thousands($self->sum(@of, $_)) } qw(answered counted)];
    }

    return "$connections connections:\n", table(@rows);
}


sub deaths {
    my ($self) = @_;
    my @rows = (['contender', 'kill -9 of all', 'answered', 'counted', 'lost']);

    for my $name (@{ $self->{names} }) {
        my $d = $self->{dead}{$name} or next;
        push @rows, [$name, "$d->{times}x",
            map { thousands($d->{$_}) } qw(answered counted lost)];
    }

    return @rows > 1 ? ("Killed under load:\n", table(@rows)) : ();
}


sub targets {
    my ($self) = @_;
    my @rows = (['wanted', '', map { "$_ connections" }
        @{ $self->{connections} }]);

    for (@TARGETS) {
        my ($figure, $name, $other, $at, $sign, $bound) = @$_;
        my @cells = map { cell($self->ratio($figure, $name, $other, $_),
            !defined $at || $at == $_ ? ($sign, $bound) : ('', 0)) }
            @{ $self->{connections} };

        push @rows, [($figure eq 'rate' ? '' : "$figure of ")
            . "$name / $other", $sign ? "$sign $bound"
            . (defined $at ? " at $at" : '') : '', @cells]
            if grep { $_ ne '-' } @cells;
    }

    return @rows > 1 ? ("Ratios:\n", table(@rows)) : ();
}


sub cell {
    my ($value, $sign, $bound) = @_;

    return '-' unless defined $value;
    my $good = $sign eq '>=' ? $value >= $bound : $value <= $bound;
    return sprintf '%.2f%s', $value, $sign ? $good ? ' yes' : ' NO' : '';
}


sub number {
    my ($format, $value) = @_;
    return defined $value ? sprintf $format, $value : '-';
}


sub thousands {
    my ($n) = @_;
    return '-' unless defined $n;
    $n = sprintf '%.0f', $n;
    1 while $n =~ s/^(\d+)(\d{3})/$1,$2/;
    return $n;
}


# Cells are filled up, so that it can be read as it is.

sub table {
    my (@rows) = @_;
    my @width = map { my $i = $_; (sort { $b <=> $a } map { length $_->[$i] }
        @rows)[0] } 0 .. $#{ $rows[0] };
    my @lines = map { my $row = $_; '| ' . join(' | ', map {
        sprintf $_ ? "%$width[$_]s" : "%-$width[$_]s", $row->[$_]
    } 0 .. $#width) . ' |' } @rows;
    my $rule = '|' . join('|', map { $_ ? '-' x ($width[$_] + 1) . ':'
        : '-' x ($width[$_] + 2) } 0 .. $#width) . '|';

    return join "\n", $lines[0], $rule, @lines[1 .. $#lines], '';
}


# ----------------------------------------------------------------- plot --

sub plot {
    my ($self) = @_;
    my @rows;

    for my $name ($self->ran) {
        my $dead = $self->{dead}{$name};

        push @rows, { name => $name, does => $DOES{$name} || '',
            lost => $dead ? thousands($dead->{lost}) : '',
            bars => [map { $self->bar($name, $_) } @{ $self->{connections} }] };
    }

    return Referral::Bars::svg(title => 'Redirects per second',
        note => $self->{title}, series => [map { "$_ connections" }
        @{ $self->{connections} }], rows => \@rows);
}


sub bar {
    my ($self, $name, $connections) = @_;
    my ($low, $high) = $self->range($name, $connections);
    my $rate = $self->typical($name, $connections, 'rate');
    my $ratio = $self->ratio('rate', $name, 'floor', $connections);

    return { value => $rate, low => $low, high => $high, ours =>
        $name =~ /^(?:relaxed|durable)/ ? 1 : 0, text => thousands($rate)
        . ($name eq 'floor' || !defined $ratio ? ''
            : sprintf "  (%.2f)", $ratio) };
}


1;
