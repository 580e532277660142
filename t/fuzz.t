# Each fuzz target over its corpus: what was found once, and what a seed
# reaches, without libFuzzer.  New finds come from `make fuzz`.

use strict;
use warnings;

use Test::More;

my $build = $ENV{TEST_BUILD} || 'build';
my @targets = map { m{fuzz_(\w+)\.c$} } sort glob 't/fuzz/fuzz_*.c';

ok(@targets >= 10, 'there are targets');

for my $name (@targets) {
    my @corpus = glob "t/fuzz/$name.in/*";

    ok(@corpus > 0, "$name: there is a corpus");

    my $said = `$build/fuzz/fuzz_$name t/fuzz/$name.in 2>&1` // '';
    my $rc = $?;
    my $n = @corpus;

    ok($rc == 0 && $said =~ /^\Q$n\E inputs$/m, "$name: it holds for $n inputs")
        or diag($said =~ /(.{0,2000})\z/s);
}

my $bytes = 0;
$bytes += -s for glob 't/fuzz/*.in/*';

cmp_ok($bytes, '<', 500_000, 'the corpora are small');

done_testing();
