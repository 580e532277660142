# What the dashboard decides, without a browser: t/web/*.test.mjs by node:test.

use strict;
use warnings;

use Test::More;

my @files = sort glob 't/web/*.test.mjs';

cmp_ok(scalar @files, '>', 5, 'there are tests');

for my $file (@files) {
    my $out = `node '$file' 2>&1`;
    my $status = $?;
    my ($ran) = $out =~ /^(?:#|\x{2139}|\S+) tests (\d+)$/m;

    ok($status == 0 && $ran, $file) or diag($out);
}

done_testing();
