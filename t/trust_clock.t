# The clock of the server is wrong, and is set right: a day back, a year ahead
# and home again.  Nothing underflows, what was decided stays decided, and the
# store recounts.  And what was paid, by year, person and currency.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Fault;
use Referral::Nginx timeout => 90;
use Referral::Count qw(cookie);
use Referral::Run qw(run);

my $DAY = 86400;
my $ctl = "$Referral::Nginx::BUILD/referralctl";
my $fault = Referral::Fault->new;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        bind off;
        event purchase points=10 hold=14d;
        event sale points=1;
        reward cut to=referrer on=purchase value=10%;
        reward share to=referrer on=sale value=10%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location = /page { return 200 "$referral_status"; }
    }
EOC

$t->start;
$t->api(PUT => "/v1/codes/$_->[0]", { owner => $_->[1] })
    for ['ANNA42', 'u1'], ['BEN7', 'u2'];

sub click { return cookie($t->get('/r/ANNA42')) }
sub status { return $t->get('/page', Cookie => $_[0])->body }

sub order {
    my ($id, $cookie, %more) = @_;
    return $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => $id, amount => 1000, currency => 'EUR',
        $cookie ? (token => $cookie =~ s/^[^=]+=//r) : (), %more });
}

sub conversion { return $t->api(GET => "/v1/conversions/$_[0]")->json }

sub why {
    my ($r) = @_;
    my $c = $r->json;
    return join ' ', $r->status, $c->{code} // '-', @{ $c->{reasons} };
}

my $now = click();
is(status($now), 'valid', 'a cookie of now');
is(why(order('now', $now)), '201 ANNA42', 'and its order');

$fault->clock(-40 * $DAY);
my $old = click();
$fault->clock(0);
is(status($old), 'expired', 'a cookie of 40 days ago');


# A little back, as clocks of servers differ, and a day.

$fault->clock(-200);
is(status($now), 'valid', 'a cookie from 200 seconds ahead');
is(why(order('back0', $now)), '201 ANNA42', 'and its order');

$fault->clock(-$DAY);
is(status($now), 'invalid', 'a day back: a cookie of tomorrow');
is(why(order('back1', $now)), '201 - token_invalid', 'is no evidence');
is(status($old), 'expired', 'an expired one stays expired');
is(why(order('back2', $old)), '201 - token_expired', 'as evidence, too');

my $yesterday = click();
is(status($yesterday), 'valid', 'a new cookie');
is(why(order('back3', $yesterday)), '201 ANNA42', 'counts');
is(conversion('now')->{status}, 'pending', 'an order of tomorrow waits');
is(why(order('now', $now)), '200 ANNA42', 'and is the same order');


# A year ahead.

$fault->clock(365 * $DAY);
is(status($_), 'expired', 'a year ahead: an expired cookie')
    for $now, $yesterday;
is(why(order('ahead1', $now)), '201 - token_expired', 'is no evidence');
is(why(order('back3', $yesterday)), '200 ANNA42', 'an order that was credited');
ok(wait_for(sub { conversion('now')->{status} eq 'approved' }, 15),
    'holds are over');

my $next = click();
is(why(order('ahead2', $next)), '201 ANNA42', 'new ones count');


# Home again.

$fault->clock(0);
is(status($next), 'invalid', 'home: a cookie of next year');
is(why(order('home1', $next)), '201 - token_invalid', 'is no evidence');
is(status($now), 'valid', 'that of now is of now');
is(conversion('now')->{status}, 'approved', 'what was approved stays so');
is(why(order('home2', $now)), '201 ANNA42', 'orders count');
is(conversion('home2')->{status}, 'pending', 'and wait');

my %year;
$year{ substr $_->{approves_at}, 0, 4 }++
    for map { conversion($_) } qw(ahead2 home2);
is(scalar keys %year, 2, 'for the hold of their own day');

my $code = $t->api(GET => '/v1/codes/ANNA42')->json;

is_deeply([@{ $code->{events}{purchase} }{qw(count pending approved)}],
    [5, 2, 3], 'the counters tell the same');
ok(wait_for(sub { $t->api(GET => '/v1/codes/ANNA42')->json->{clicks}{human}
    == 4 }, 5), 'every click is counted');
unlike($t->api(GET => '/v1/counters?by=day')->body
    . $t->api(GET => '/metrics')->body . $t->api(GET => '/v1/codes')->body,
    qr/[: ]-\d|\d{16}/, 'no number is out of its bounds');


# Paid out in two years.

sub claim {
    my ($id) = @_;
    my ($reward) = @{ conversion($id)->{rewards} };
    return $t->api(POST => "/v1/rewards/$reward->{id}/claim")->status;
}

order($_->[0], undef, event => 'sale', code => $_->[1], amount => $_->[2],
    currency => $_->[3]) for ['s1', 'ANNA42', 1000, 'EUR'],
    ['s2', 'ANNA42', 2000, 'USD'], ['s3', 'BEN7', 4000, 'EUR'],
    ['s4', 'ANNA42', 8000, 'EUR'], ['s5', 'ANNA42', 16000, 'EUR'];

is(claim($_), 200, "$_ is paid") for qw(s1 s2 s3);
$fault->clock(366 * $DAY);
is(claim($_), 200, "$_ is paid a year on") for qw(s4 s5);
$fault->clock(0);

sub paid {
    my ($head, @rows) = map { [map { s/^"|"$//gr } split /,/] }
        split /\r\n/, $t->api(GET => '/export/rewards.csv?state=claimed')->body;
    my (%sum, %at);

    @at{@$head} = 0 .. $#$head;

    for my $row (@rows) {
        my ($year) = $row->[ $at{claimed_at} ] =~ /^(\d{4})/;
        $sum{"$year @$row[@at{qw(owner currency)}]"} += $row->[ $at{paid} ];
    }

    return %sum;
}

my $this = 1900 + (gmtime)[5];
my %want = ("$this u1 EUR" => 100, "$this u1 USD" => 200,
    "$this u2 EUR" => 400, $this + 1 . ' u1 EUR' => 2400);

is_deeply({ paid() }, \%want, 'the sums of a year, a person and a currency');

my ($rc, $out, $err) = run({}, $ctl, 'erase', $t->store, 'friends', 'u1');
is($rc, 0, 'the person is erased') or diag $err;

my %paid = paid();
my ($erased) = map { /(erased-\w+)/ } keys %paid;
is_deeply(\%paid, { map { s/u1/$erased/r => $want{$_} } keys %want },
    'the sums stay, of nobody');

($rc, $out, $err) = run({}, $ctl, 'verify', $t->store);
is($rc, 0, 'a recount finds the same') or diag $out, $err;

finish();
