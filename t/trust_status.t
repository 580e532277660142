# t/TRUST-STATUS.md accounts for each item of TRUST.md once, by tests that are
# there and say what it quotes, or by a reason why not; and puts nothing off.

use strict;
use warnings;

use FindBin;
use Test::More;

my $root = "$FindBin::Bin/..";
my %items = (R => 26, C => 22, B => 15, F => 24, P => 16, M => 12, E => 26,
    N => 14, L => 8);
my (%text, %seen);

sub text {
    my ($file) = @_;
    return $text{$file} //= do {
        open my $f, '<', "$root/$file" or return;
        local $/;
        scalar(<$f>) =~ s/\s+/ /gr;
    };
}

open my $f, '<', "$root/t/TRUST-STATUS.md" or die "TRUST-STATUS.md: $!";

while (my $line = <$f>) {
    chomp $line;
    next unless $line =~ /^\s*[-*]/;

    my ($id, $rest) = $line =~ /^- ([A-Z]\d+): (\S.*)/ or do {
        fail("not an item: $line");
        next;
    };

    my ($held, $refused) = split /(?:^|; )refused: /, $rest, 2;
    my @wrong;

    $seen{$id}++;
    push @wrong, 'there is no such item'
        unless $id =~ /^([A-Z])(\d+)$/ && $2 && $2 <= ($items{$1} || 0);
    push @wrong, "it puts something off: $1"
        if $rest =~ /\b(later|todo|partly|fixme|tbd|soon|not yet|for now)\b/i;
    push @wrong, 'it refuses without a reason'
        if defined $refused && length $refused < 40;

    my $tests = 0;

    while ($held =~ m{\b(t/[\w./-]*\w)((?: "[^"]+")*)}g) {
        my ($file, $quoted) = ($1, $2);
        $tests++;
        push @wrong, "there is no $file" unless defined text($file);

        for my $phrase ($quoted =~ /"([^"]+)"/g) {
            push @wrong, "$file does not say \"$phrase\""
                if index(text($file) // '', $phrase) < 0;
        }
    }

    for my $section ($rest =~ /README "([^"]+)"/g) {
        push @wrong, "README has no section \"$section\""
            if index(text('README.md'), "# $section ") < 0;
    }

    push @wrong, 'neither a test nor a reason'
        unless $tests || defined $refused || $held =~ /README "/;
    is(join('; ', @wrong), '', $id);
}

my @all = map { my $p = $_; map { "$p$_" } 1 .. $items{$p} } sort keys %items;

is(join(' ', grep { !$seen{$_} } @all), '', 'no item is missing');
is(join(' ', grep { $seen{$_} > 1 } sort keys %seen), '',
    'none is there twice');

done_testing();
