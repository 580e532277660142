# A dashboard moves less than 200 kB, cold, whatever it shows of a year, and
# next to nothing while nothing happens.  How long it takes: t/bench/dashboard.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 300;
use Referral::Year;

my $LARGEST = 200_000;
my $SECOND = 2_500;         # bytes, of looking whether there is anything new
my $IDLE = 6;               # seconds

my $t = Referral::Nginx->new(conf => Referral::Year::conf());

Referral::Year::fill($t, codes => 3000, clicks => 40_000, conversions => 8000);
$t->start;

for my $f (weigh($t, rounds => 1, idle => $IDLE)) {
    my $most = $f->{name} eq 'open' ? $SECOND * $IDLE : $LARGEST;

    cmp_ok($f->{requests}, '>', 0, "$f->{name}: something moved");
    cmp_ok($f->{moved}, '<', $most, "$f->{name}: not much");
    note("$f->{name}: $f->{moved} bytes, ", $f->{usable} || 0, ' ms');
}

finish();
