package Referral::Bars;

# Copyright (C) the ngx_http_referral_module authors

# A plot of horizontal bars with whiskers, as SVG that brings its own
# background and follows the reader's choice of light or dark.
#
#   my $svg = Referral::Bars::svg(title => ..., note => ..., series => [@names],
#       rows => [{ name => ..., does => ..., lost => '', bars => [
#           { value => 1, low => 0.9, high => 1.1, ours => 1, text => '1' },
#           ...one of each series
#       ] }, ...]);

use strict;
use warnings;

my $WIDTH = 960;
my $LEFT = 268;         # where bars begin
my $RIGHT = 740;        # where the longest ends
my $LOST = 930;         # where that column ends
my $BAR = 13;
my $GAP = 3;
my $ROW_GAP = 16;
my $TOP = 104;

my $STYLE = <<'EOC';
    text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto,
        "DejaVu Sans", sans-serif; fill: #1f2328; }
    .card { fill: #ffffff; stroke: #d1d9e0; }
    .title { font-size: 19px; font-weight: 600; }
    .name { font-weight: 600; }
    .soft { font-size: 11px; fill: #59636e; }
    .value { font-size: 11px; }
    .grid { stroke: #d1d9e0; stroke-opacity: 0.7; }
    .whisker { stroke: #1f2328; stroke-opacity: 0.75; }
    .ours0 { fill: #0969da; } .ours1 { fill: #79b8ff; }
    .other0 { fill: #818b98; } .other1 { fill: #c0c8d0; }
    @media (prefers-color-scheme: dark) {
        text { fill: #f0f6fc; }
        .card { fill: #0d1117; stroke: #3d444d; }
        .soft { fill: #9198a1; }
        .grid { stroke: #3d444d; }
        .whisker { stroke: #f0f6fc; }
        .ours0 { fill: #4493f8; } .ours1 { fill: #1f4f99; }
        .other0 { fill: #818b98; } .other1 { fill: #464e58; }
    }
EOC


sub svg {
    my (%plot) = @_;
    my $series = @{ $plot{series} };
    my $row = $series * ($BAR + $GAP) - $GAP;
    my $step = ($row < 28 ? 28 : $row) + $ROW_GAP;
    my $bottom = $TOP + $step * @{ $plot{rows} };
    my $height = $bottom + 46;
    my ($scale, @ticks) = _scale($plot{rows});
    my @parts = (_head(\%plot, $height), _grid($scale, \@ticks, $bottom));
    my $y = $TOP + $ROW_GAP / 2;

    for (@{ $plot{rows} }) {
        push @parts, _row($_, $y, $step - $ROW_GAP, $scale);
        $y += $step;
    }

    push @parts, _text(24, $height - 16, 'soft', $plot{note});
    return join "\n", @parts, "</svg>\n";
}


# Pixels of one, and round numbers up to the highest.

sub _scale {
    my ($rows) = @_;
    my $max = 1;

    for my $bar (map { @{ $_->{bars} } } @$rows) {
        $max = $bar->{high} if $bar->{high} > $max;
    }

    my $unit = 10 ** int(log($max) / log(10));
    my ($step) = grep { $max / $_ <= 6 }
        map { $_ * $unit } 0.2, 0.5, 1, 2;

    return (($RIGHT - $LEFT) / $max,
        map { $_ * $step } 0 .. int($max / $step));
}


sub _head {
    my ($plot, $height) = @_;
    my $x = $LEFT;
    my @parts = (qq{<svg xmlns="http://www.w3.org/2000/svg" width="$WIDTH" }
        . qq{height="$height" viewBox="0 0 $WIDTH $height" role="img">},
        '<title>' . _escape("$plot->{title}") . '</title>',
        "<style>\n$STYLE</style>",
        sprintf('<rect class="card" x="0.5" y="0.5" width="%d" height="%d" '
            . 'rx="8"/>', $WIDTH - 1, $height - 1),
        _text(24, 36, 'title', $plot->{title}),
        _text($LOST, 70, 'soft', 'clicks lost', 'end'),
        _text($LOST, 84, 'soft', 'by kill -9', 'end'));

    for my $i (0 .. $#{ $plot->{series} }) {
        push @parts, _box($x, 60, 11, 11, "ours$i"),
            _box($x + 13, 60, 11, 11, "other$i"),
            _text($x + 30, 70, 'soft', $plot->{series}[$i]);
        $x += 150;
    }

    return (@parts, _text($x, 70, 'soft',
        'median (of the floor), lowest to highest'));
}


sub _grid {
    my ($scale, $ticks, $bottom) = @_;
    my @parts;

    for my $tick (@$ticks) {
        my $x = sprintf '%.1f', $LEFT + $tick * $scale;
        my $label = $tick >= 1000 ? $tick / 1000 . ',000' : $tick;

        push @parts, qq{<path class="grid" d="M$x ${\($TOP - 8)}V$bottom"/>},
            _text($x, $bottom + 14, 'soft', $label, 'middle');
    }

    return @parts;
}


sub _row {
    my ($row, $y, $height, $scale) = @_;
    my $middle = $y + $height / 2;
    my @parts = (_text(24, $middle - 2, 'name', $row->{name}),
        _text(24, $middle + 13, 'soft', $row->{does}),
        _text($LOST, $middle + 4, 'value', $row->{lost}, 'end'));
    my $bars = @{ $row->{bars} };

    $y = $middle - ($bars * ($BAR + $GAP) - $GAP) / 2;

    for my $i (0 .. $bars - 1) {
        push @parts, _bar($row->{bars}[$i], $i, $y, $scale);
        $y += $BAR + $GAP;
    }

    return @parts;
}


sub _bar {
    my ($bar, $i, $y, $scale) = @_;
    my ($value, $low, $high) = map { sprintf '%.1f', $LEFT + $_ * $scale }
        @{$bar}{qw(value low high)};
    my $middle = $y + $BAR / 2;
    my ($above, $below) = ($middle - 3, $middle + 3);

    return (_box($LEFT, $y, $value - $LEFT, $BAR,
            ($bar->{ours} ? 'ours' : 'other') . $i),
        qq{<path class="whisker" fill="none" d="M$low ${above}V${below}}
            . qq{M$low ${middle}H${high}M$high ${above}V$below"/>},
        _text($high + 7, $middle + 4, 'value', $bar->{text}));
}


sub _box {
    my ($x, $y, $width, $height, $class) = @_;
    $width = 1 if $width < 1;
    return sprintf '<rect class="%s" x="%.1f" y="%.1f" width="%.1f" '
        . 'height="%.1f" rx="1.5"/>', $class, $x, $y, $width, $height;
}


sub _text {
    my ($x, $y, $class, $text, $anchor) = @_;
    return sprintf '<text class="%s" x="%s" y="%s"%s>%s</text>', $class, $x, $y,
        $anchor ? qq{ text-anchor="$anchor"} : '', _escape($text);
}


sub _escape {
    my ($text) = @_;
    return $text =~ s/&/&amp;/gr =~ s/</&lt;/gr =~ s/>/&gt;/gr;
}


1;
