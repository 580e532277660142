# What a person has to look at: events too soon after their click, before it,
# too many of one click, of too large an amount; and codes whose events are
# too many for their clicks.  Held events are decided through the endpoint.

use strict;
use warnings;

use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep);

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count qw(cookie);

sub storefront {
    my ($req) = @_;
    my ($event) = $req->{uri} =~ /[?&]e=([^&]*)/;

    $event =~ s/%(..)/chr hex $1/ge if defined $event;
    return (200, [['Content-Type', 'text/plain'],
        defined $event ? ['X-Referral-Event', $event] : ()], 'a page');
}

my $text = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        reward cut to=referrer on=purchase value=10%;
        review min_age=30s per_click=2 max_amount=50000;
    }
    referral_program plain {
        link "^/p/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        review off;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /p/ { referral plain; proxy_pass http://%%UPSTREAM%%; }
        location /r/SELF1 { referral_customer u1; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /plain/ { referral_api plain token_file=%%TOKENS%%; }
    }
EOC

my $t = Referral::Nginx->new(workers => 2, upstream => \&storefront,
    conf => $text);
$t->start;

my $clicked;
my $n = 0;

$t->api(PUT => "/v1/codes/$_", { owner => 'u1' }) for 'ANNA42', 'SELF1';
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' }, prefix => '/plain');

# The token of a new click.

sub click {
    my ($path) = @_;
    my $cookie = cookie($t->get($path // '/r/ANNA42'));

    $clicked = time;
    return $cookie =~ s/^[^=]*=//r;
}

sub at {
    my ($seconds) = @_;
    return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $clicked + $seconds);
}

# Status of an order and its reasons.

sub order {
    my ($fields, $prefix) = @_;
    my $order = $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => 'o' . ++$n, amount => 1000, currency => 'EUR', %$fields },
        prefix => $prefix // '/referral');
    my $json = $order->json;

    is($order->status, $json->{status} eq 'held' ? 202 : 201,
        "o$n: the status of its answer");
    return join ' ', $json->{status}, @{ $json->{reasons} };
}


# ----------------------------------------------------------- after its click

my $token = click();

is(order({ token => $token }), 'held too_soon', 'at once is too soon');
is(order({ token => $token, occurred_at => at(29) }), 'held too_soon',
    'so are 29 seconds');
$token = click();
is(order({ token => $token, occurred_at => at(31) }), 'approved',
    '31 seconds are not');
is(order({ code => 'ANNA42' }), 'approved',
    'what has no click is not held against one');
is(order({ token => $token, occurred_at => at(-200) }), 'held too_soon',
    'clocks may differ, but not by that much here');

$token = click('/p/ANNA42');
is(order({ token => $token }, '/plain'), 'approved',
    'without a limit it may be at once');
is(order({ token => $token, occurred_at => at(-290) }, '/plain'), 'approved',
    'or a little before, by another clock');
is(order({ token => $token, occurred_at => at(-310) }, '/plain'),
    'held before_click', 'but nobody bought more than five minutes before');
is(order({ code => 'ANNA42', occurred_at => at(-86400) }, '/plain'),
    'approved', 'a code that was named is no click');

$token = click();
is(order({ token => $token, occurred_at => at(-310) }),
    'held too_soon before_click', 'both');


# ---------------------------------------------------------- of the same click

$token = click();
my $id = (split /[.]/, $token)[5];

is(order({ token => $token, occurred_at => at(60) }), 'approved',
    'one of a click');

for (1 .. 50) {
    last if $t->api(GET => "/v1/clicks/$id")->status == 200;
    sleep 0.1;
}

is(order({ click_id => $id, occurred_at => at(60) }), 'approved',
    'two, one of them by its id');
is(order({ token => $token, occurred_at => at(60) }), 'held per_click',
    'the third is held');
is(order({ token => $token, occurred_at => at(60), code => 'ANNA42' }),
    'held per_click', 'and so on');
is(order({ token => click(), occurred_at => at(60) }), 'approved',
    'another click has two of its own');


# ---------------------------------------------------------------- its amount

$token = click();
is(order({ token => $token, occurred_at => at(60), amount => 50000 }),
    'approved', 'the largest amount');
is(order({ code => 'ANNA42', amount => 50001 }), 'held over_amount',
    'more is held, however it was credited');
is(order({ code => 'ANNA42', amount => 50001, currency => 'JPY' }),
    'held over_amount', 'in minor units of any currency');
is(order({ amount => 50001 }), 'unattributed no_evidence',
    'what nobody earns by is not held');
is(order({ code => 'ANNA42', customer_id => 'u1', amount => 50001 }),
    'held self_referral over_amount', 'the owner of the code, too');

my $held = $t->api(GET => "/v1/conversions/o$n")->json;
is($held->{rewards}[0]{state}, 'held', 'its reward is held with it');
like($held->{why}, qr/the customer owns the code, and its amount is more than/,
    'why, in words');

my @list = map { $_->{order_id} } @{ $t->api(GET =>
    '/v1/conversions?status=held')->json->{data} };
is(scalar @list, 9, 'what is held is listed');
is($t->api(POST => "/v1/conversions/o$n/void", {})->json->{status},
    'rejected', 'one is voided');
is($t->api(POST => "/v1/conversions/$list[0]/approve", {})->json->{status},
    'approved', 'one is approved');
is_deeply($t->api(GET => "/v1/conversions/$list[0]")->json->{reasons},
    [qw(released too_soon)], 'which stays to be seen');


# ------------------------------------- reported by the storefront, and by self

$token = click();
$t->get('/page?e=purchase;%20order_id=h1', Cookie => "ref_friends=$token");

my $order;
for (1 .. 50) {
    $order = $t->api(GET => '/v1/conversions/h1');
    last if $order->status == 200;
    sleep 0.1;
}

is_deeply([ @{ $order->json }{qw(status reasons)} ], [ 'held', ['too_soon'] ],
    'reported by the storefront, at once after the click');

my $self = click('/r/SELF1');
$id = (split /[.]/, $self)[5];

for (1 .. 50) {
    $order = $t->api(GET => "/v1/clicks/$id");
    last if $order->status == 200;
    sleep 0.1;
}

is_deeply([ @{ $order->json }{qw(class why)} ], [ 'self', 'owner' ],
    'the owner of a code, logged in, on a link of it');


# ------------------------------------------------------------------- of codes

sub flags {
    my ($code) = @_;
    my $of = $t->api(GET => "/v1/codes/$code", undef, prefix => '/plain')
        ->json->{flags};
    my ($row) = grep { $_->{code} eq $code } @{ $t->api(GET =>
        '/v1/leaderboard', undef, prefix => '/plain')->json->{data} };

    is_deeply($row->{flags}, $of, "$code: the same on the leaderboard")
        if $row;
    return "@$of";
}

sub clicks {
    my ($code, $n) = @_;
    $t->get("/p/$code") for 1 .. $n;

    for (1 .. 50) {
        last if $t->api(GET => "/v1/codes/$code", undef, prefix => '/plain')
            ->json->{clicks}{human} == $n;
        sleep 0.1;
    }
}

$t->api(PUT => "/v1/codes/$_", { owner => lc $_ }, prefix => '/plain')
    for qw(FEW MANY);

is(flags('MANY'), '', 'a new code looks good');
order({ code => $_ }, '/plain') for ('MANY', 'FEW') x 20;
is(flags('MANY'), '', 'twenty events prove nothing');
order({ code => 'MANY' }, '/plain');
is(flags('MANY'), '', 'nor do more, of a coupon that nobody follows');
clicks('MANY', 1);
is(flags('MANY'), 'conversion_rate', 'with a click they do');

clicks('FEW', 42);
order({ code => 'FEW' }, '/plain');
is(flags('FEW'), '', 'one in two clicks is much, but may be');
order({ code => 'FEW' }, '/plain');
is(flags('FEW'), 'conversion_rate', 'more is not likely');


# ----------------------- the rules change, and the journal says the same again

(my $other = $text) =~ s/review min_age.*;/review per_click=1;/;
$t->reload($other);

$token = click();
is(order({ token => $token }), 'approved', 'other rules: at once is good');
is(order({ token => $token }), 'held per_click', 'the second one is held');

$other =~ s/review per_click=1;//;
$t->reload($other);
is(order({ token => $token }), 'approved', 'no rules: nothing is');

$t->reload($text);
is(order({ token => $token, occurred_at => at(60) }), 'held per_click',
    'what came while it was counted is known');
$t->quit;

my $ctl = "$Referral::Nginx::BUILD/referralctl";
my $out = qx($ctl verify @{[ $t->store ]} 2>&1);
is($?, 0, 'verify finds no difference') or diag($out);

my $before = qx($ctl export conversions @{[ $t->store ]} friends 2>&1);
$out = qx($ctl rebuild @{[ $t->store ]} 2>&1);
is($?, 0, 'rebuild') or diag($out);
is(qx($ctl export conversions @{[ $t->store ]} friends 2>&1), $before,
    'comes to the same');
like($before, qr/per_click/, 'which is something');

finish();
