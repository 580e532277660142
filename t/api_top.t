# The codes with most human clicks, over several days: of each code, its last
# day and those before lie apart in the store.

use strict;
use warnings;

use POSIX qw(strftime);
use Test::More;
use lib 't/lib';
use Referral::Fault;
use Referral::Nginx timeout => 90;

my $fault = Referral::Fault->new;
my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=50ms;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        codes open;
    }
    referral_program others {
        link "^/o/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        codes open;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { referral friends; }
        location /o/ { referral others; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;

my $DAY = 86400;

sub counters { return $t->api(GET => "/v1/counters?$_[0]")->json->{data} }
sub total { return counters('')->[0]{clicks}{total} }


# Days ago, and the codes clicked: by a program where there is a "-".  All within
# one day.

sleep $DAY - time % $DAY if time % $DAY > $DAY - 30;

my @days = ([3, qw(ANNA ANNA BEN BEN BEN CARL)], [2, qw(ANNA BEN CARL CARL-)],
    [1, qw(ANNA BEN DORA DORA-)], [0, qw(ANNA CARL DORA EVA EVA- EVA-)]);
my $n = 0;

for (@days) {
    my ($ago, @clicks) = @$_;
    $fault->clock(-$ago * $DAY);

    for (@clicks) {
        my ($code, $program) = /^(\w+)(-?)$/;
        $t->get("/r/$code", $program ? ('User-Agent' => 'curl/8.0') : ());
        $t->get("/o/ANNA");
        $n++;
    }

    ok(wait_for(sub { total() == $n }, 10), "$ago days ago");
}

sub days {
    my ($from, $to) = @_;
    return '&from=' . strftime('%Y-%m-%d', gmtime(time - $from * $DAY))
        . '&to=' . strftime('%Y-%m-%d', gmtime(time - $to * $DAY));
}

sub rows {
    my ($rows) = @_;
    return join ' ', map { "$_->{code}:$_->{clicks}{human}/$_->{clicks}{total}" } @$rows;
}

sub top { return rows(counters("by=code&top=$_[0]" . ($_[1] // ''))) }

is(top(50), 'ANNA:5/5 BEN:5/5 CARL:3/4 DORA:2/3 EVA:1/3', 'all time');
is(top(50, days(3, 0)), top(50), 'all days');
is(top(2, days(3, 0)), 'ANNA:5/5 BEN:5/5', 'two of them');
is(top(1, days(3, 3)), 'BEN:3/3', 'the first day');
is(top(9, days(2, 1)), 'ANNA:2/2 BEN:2/2 CARL:1/2 DORA:1/2', 'days in the middle');
is(top(9, days(0, 0)), 'EVA:1/3 ANNA:1/1 CARL:1/1 DORA:1/1', 'today');
is(top(3, days(0, 0)), 'EVA:1/3 ANNA:1/1 CARL:1/1', 'as many: those that are older');
is(top(9, days(9, 4)), '', 'days before');

for my $range ('', days(3, 0), days(2, 1), days(3, 1)) {
    my @all = sort { $b->{clicks}{human} <=> $a->{clicks}{human}
        || $b->{clicks}{total} <=> $a->{clicks}{total} || $a->{code} cmp $b->{code} }
        @{ counters("by=code$range") };
    is_deeply(counters("by=code&top=50$range"), \@all, "as without top$range");
}

finish();
