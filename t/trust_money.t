# Money: the digits of every currency that is special, percentages that are
# rounded down, refunds in parts that end at nothing, currencies that are never
# added to each other, sums that stop where a number ends.

use strict;
use warnings;

use JSON::PP;
use List::Util qw(sum0);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 90;
use Referral::Run qw(run);

my %bps = (half => 5000, eighth => 1250, third => 3333, tenth => 1000);

my $t = Referral::Nginx->new(upstream => sub {
    return (200, [['X-Referral-Event', 'purchase; order_id=h1; currency=EUR;'
        . ' amount=-1'], ['X-Referral-Event', 'purchase; order_id=h2;'
        . ' currency=EUR; amount=1.5']], 'shop')
}, conf => <<"EOC");
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing https://shop.example/welcome;
        bind off;
        event purchase points=10;
        event trial points=1;
        event visit;
        reward gift to=friend on=trial "value=a mug";
        reward part to=referrer on=trial value=10%;
@{[ map { "reward $_ to=referrer on=purchase value=" . $bps{$_} / 100 . '%;' }
    sort keys %bps ]}
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });

my $n = 0;
my @bodies;

sub call {
    my $r = $t->api(@_);
    push @bodies, $r->body;
    return $r;
}

sub order {
    my ($amount, $currency, %more) = @_;
    return call(POST => '/v1/conversions', { event => 'visit',
        order_id => 'o' . ++$n, amount => $amount, currency => $currency,
        %more });
}

sub refund {
    my ($id, $refund, @amount) = @_;
    return call(POST => "/v1/conversions/$id/refunds",
        { refund_id => $refund, @amount ? (amount => $amount[0]) : () });
}

sub rewards {
    my ($r) = @_;
    my $c = $r->json;
    return map { $_->{name} => $_->{amount} }
        @{ ($c->{conversion} || $c)->{rewards} };
}


# M2: those with other than two digits, and those with none at all.

my %digits = (
    0 => [qw(BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF
        XPF)],
    3 => [qw(BHD IQD JOD KWD LYD OMR TND)],
    4 => [qw(CLF UYW)],
    2 => [qw(EUR USD GBP HUF MGA MRU CHF)],
);

for my $digits (sort keys %digits) {
    for my $currency (@{ $digits{$digits} }) {
        my $most = $digits ? '1.' . '0' x ($digits - 1) . '5' : '15';
        my $r = order($most, $currency);
        is($r->json->{amount}, $digits ? 10 ** $digits + 5 : 15,
            "$currency: \"$most\"");
        is(order($most . ($digits ? '0' : '.0'), $currency)->status, 422,
            "$currency has no more than $digits digits");
    }
}

for (qw(XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX HRK BGN ABC)) {
    is(order($_[0], $_)->status, 422, "$_ is no money") for 1, '"1"';
}


# M3, M8: what is below nothing, by each door.

is(order($_, 'EUR')->status, 422, "amount $_") for -1, '-1', '-0.01', '-0';
is(refund('o1', 'x', $_)->status, 422, "refund of $_") for -1, '-1', 0;

my ($lost) = map { /header_events_refused_total (\d+)/ }
    $t->api(GET => '/metrics')->body;
is($t->get('/')->body, 'shop', 'a page that reports amounts below nothing');
like($t->api(GET => '/metrics')->body,
    qr/header_events_refused_total @{[ $lost + 2 ]}\n/, 'which are refused');
is($t->api(GET => "/v1/conversions/$_")->status, 404, 'and are not there')
    for qw(h1 h2);


# M5: percentages.

for ([4999, 2499, 624, 1666, 499], [1, 0, 0, 0, 0], [3, 1, 0, 0, 0],
    [0, 0, 0, 0, 0], [7, 3, 0, 2, 0], [10000, 5000, 1250, 3333, 1000],
    [922337203685477, 461168601842738, 115292150460684, 307414989988369,
        92233720368547])
{
    my ($amount, @want) = @$_;
    my %got = rewards(order($amount, 'EUR', event => 'purchase',
        code => 'ANNA42'));
    is_deeply([@got{qw(half eighth third tenth)}], \@want,
        "parts of $amount, rounded down");
}


# M7: whatever the parts, what is taken back sums up to what was given.

srand 7;

for my $amount (1001, 1, 999_999_999_999, map { 1 + int rand 5000 } 1 .. 8) {
    my $r = order($amount, 'EUR', event => 'purchase', code => 'ANNA42');
    my ($id, %was) = ($r->json->{order_id}, rewards($r));
    my %first = %was;
    my %taken = map { $_ => 0 } keys %was;
    my ($left, $refund, $right) = ($amount, 0, 1);

    while ($left) {
        my $part = $refund > 5 ? $left : 1 + int rand $left;
        my %now = rewards(refund($id, 'r' . ++$refund, $part));

        $left -= $part;

        for (keys %now) {
            use integer;
            $right &&= $now{$_} == $left * $bps{$_} / 10000;
            $taken{$_} += $was{$_} - $now{$_};
        }

        %was = %now;
    }

    ok($right, "$amount in $refund parts: each time the part of what is kept");
    is_deeply(\%taken, \%first, 'all of it is taken back');
    is(sum0(values %was), 0, 'nothing is left');
}

my $third = order(1001, 'EUR', event => 'purchase', code => 'ANNA42');
my $id = $third->json->{order_id};
is({ rewards($third) }->{tenth}, 100, 'M7: 100');
is({ rewards(refund($id, 'a', 500)) }->{tenth}, 50, 'less 500: 50');
is({ rewards(refund($id, 'b', 501)) }->{tenth}, 0, 'less 501: nothing');


# M10, M11.

is(call(POST => "/v1/conversions/o1/refunds", { refund_id => 'c', amount => 1,
    currency => 'USD' })->json->{code}, 'currency_mismatch',
    'a refund in another currency');

my $free = order(0, 'EUR', event => 'trial', code => 'ANNA42');
is($free->status, 201, 'an order of nothing');
is_deeply({ rewards($free) }, { gift => undef, part => 0 },
    'gives what is no part of it');


# M9: each currency for itself, and no more of them than there are.

my %gross = map { $_->{currency} => $_->{gross} }
    @{ call(GET => '/v1/counters?by=currency')->json->{data} };

is_deeply([map { $gross{$_} } qw(JPY KWD CLF)], [15, 1005, 10005],
    'a sum for each currency');
is(scalar keys %gross, sum0(map { scalar @$_ } values %digits),
    'as many as were used, not one for others');
like($t->api(GET => '/metrics')->body, qr/^referral_amount_total
    \{program="friends",event="visit",currency="JPY"\}\ 15$/mx,
    'metrics tell them apart');


# M1: no number on the way has a fraction.

is(scalar(grep { s/"(?:[^"\\]|\\.)*"//gr =~ /\d[.eE]|[.eE]\d/ } @bodies), 0,
    'no answer has one') or diag(grep { s/"(?:[^"\\]|\\.)*"//gr =~ /\d[.eE]/ }
    @bodies);


# M4: 10,001 of the largest amounts are more than a number holds.

my $max = 922337203685477;
my $file = $t->dir . '/orders';

open my $f, '>', $file or die "$file: $!";
print $f map { qq({"event":"purchase","order_id":"m$_","amount":$max,)
    . qq("currency":"JPY","code":"ANNA42"}\n) } 1 .. 10_001;
close $f;

my ($code, $out, $err) = run({}, "$Referral::Nginx::BUILD/referralctl",
    qw(import conversions), $t->store, 'friends', $file);
is($code, 0, '10,001 orders') or diag $err;

my $all = $t->api(GET => '/v1/counters?by=event&from=2000-01-01')->body
    . $t->api(GET => '/v1/codes/ANNA42')->body
    . $t->api(GET => '/v1/counters?by=currency')->body
    . $t->api(GET => '/metrics')->body
    . $t->api(GET => '/export/counters.csv')->body;

my $most = '9223372036854775807';

like($t->api(GET => $_->[0])->body, $_->[1], "$_->[0]: the largest number")
    for ['/v1/counters?by=event', qr/"JPY":\{"count":10001,"gross":"$most"/],
    ['/v1/counters?by=currency', qr/"JPY","count":10002,"gross":"$most"/],
    ['/v1/codes/ANNA42', qr/"JPY":\{"count":10001,"gross":"$most"/],
    ['/metrics', qr/purchase",currency="JPY"\} $most$/m],
    ['/export/counters.csv', qr/,$most\r$/m];
unlike($all, qr/-\d{10}/, 'none wraps around');

($code, $out, $err) = run({}, "$Referral::Nginx::BUILD/referralctl", 'verify',
    $t->store);
is($code, 0, 'a recount finds the same') or diag $out, $err;

finish();
