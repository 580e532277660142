# Fifty clients at once say the same, over two workers: one of them does it,
# the others are told that it was done.  Orders, claims of a reward, refunds.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 120;

my $CLIENTS = 50;
my $ROUNDS = 5;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        tier bronze 20;
        reward gift to=referrer on=purchase "value=a mug";
        reward third to=referrer on=purchase every=3;
        reward commission to=referrer on=purchase value=10%;
    }
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        referral friends;
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
            add_header X-Worker $pid always;
        }
    }
EOC

$t->start;
is($t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' })->status, 201,
    'a code');

for my $round (1 .. $ROUNDS) {
    my $order = "order-$round";

    orders($round, $order);
    claims($round, $order);
    refunds($round, $order);
}

recount();
finish();


sub orders {
    my ($round, $order) = @_;

    my @r = volley(POST => '/v1/conversions', { event => 'purchase',
        order_id => $order, amount => 4999, currency => 'EUR',
        code => 'anna42' });

    once("$order is reported", 201, @r);

    my $code = $t->api(GET => '/v1/codes/ANNA42')->json;
    my $sums = $code->{events}{purchase};

    is($sums->{count}, $round, "$order: counted once");
    is($sums->{amounts}{EUR}{gross}, 4999 * $round, "$order: one amount");
    is($code->{points}, 10 * $round, "$order: points once");

    my @rewards = grep { $_->{order_id} eq $order } rewards();
    is(join(' ', sort map { $_->{name} } @rewards),
        $round % 3 ? 'commission gift' : 'commission gift third',
        "$order: each reward once");

    my @events = grep { $_->{order_id} eq $order } journal('conversion');
    is(scalar @events, 1, "$order: once in the journal");
}


sub claims {
    my ($round, $order) = @_;
    my ($reward) = grep { $_->{order_id} eq $order && $_->{name} eq 'gift' }
        rewards();

    my @r = volley(POST => "/v1/rewards/$reward->{id}/claim", {});

    once("the gift of $order is claimed", 200, @r);
    is(scalar(grep { $_->{state} eq 'claimed' } rewards()), $round,
        "$order: one reward is claimed more");

    my @claims = grep { $_->{reward} eq $reward->{id} } journal('decision');
    is(scalar @claims, 1, "$order: one claim in the journal");
}


sub refunds {
    my ($round, $order) = @_;

    my @r = volley(POST => "/v1/conversions/$order/refunds",
        { refund_id => 'r1', amount => 1000 });

    once("$order is refunded in part", 201, @r);

    my $sums = $t->api(GET => '/v1/codes/ANNA42')->json->{events}{purchase};
    is($sums->{amounts}{EUR}{refunded}, 1000 * $round, "$order: refunded once");

    my $now = $t->api(GET => "/v1/conversions/$order")->json;
    is($now->{refunded}, 1000, "$order: by so much");

    my ($commission) = grep { $_->{order_id} eq $order
        && $_->{name} eq 'commission' } rewards();
    is($commission->{amount}, 399, "$order: the commission follows");

    my @refunds = grep { $_->{order_id} eq $order } journal('refund');
    is(scalar @refunds, 1, "$order: one refund in the journal");
}


# All but the last byte of each request is there before the first is whole.

sub volley {
    my ($method, $path, $body) = @_;
    my @c = map { $t->connect } 1 .. $CLIENTS;
    my $bytes = $c[0]->format($method, "/referral$path", {
        'Content-Type' => 'application/json',
        Authorization => "Bearer $t->{token}{admin}",
    }, encode_json($body));

    $_->send(substr $bytes, 0, -1) for @c;
    select undef, undef, undef, 0.05;
    $_->send(substr $bytes, -1) for @c;

    return map { $_->response($method) } @c;
}


# One answer of that status that is no duplicate; the others are, and that is
# all they differ in.

sub once {
    my ($name, $status, @r) = @_;
    my %workers = map { ($_->header('X-Worker') || '') => 1 } @r;
    my @first = grep { !$_->json->{duplicate} } @r;
    my @again = grep { $_->json->{duplicate} } @r;
    my %bodies = map { $_->body =~ s/("duplicate":)true/$1false/r => 1 } @r;

    is(scalar keys %workers, 2, "$name: both workers took part");
    is(scalar @first, 1, "$name: once")
        or diag map { $_->status . ' ' . $_->body . "\n" } @r[0 .. 2];
    is($first[0] && $first[0]->status, $status, "$name: $status");
    is(scalar(grep { $_->status == 200 } @again), $CLIENTS - 1,
        "$name: the others are duplicates");
    is(scalar keys %bodies, 1, "$name: with the same body")
        or diag join "\n", keys %bodies;
}


sub rewards {
    return @{ $t->api(GET => '/v1/rewards?code=ANNA42&limit=250')
        ->json->{data} };
}


sub journal {
    my ($type) = @_;
    my $r = $t->api(GET => "/v1/journal?after=0&type=$type&limit=1000");
    return grep { $_->{type} } map { decode_json($_) } split /\n/, $r->body;
}


sub recount {
    my $store = $t->store;

    $t->quit;
    my $out = `$Referral::Nginx::BUILD/referralctl verify $store 2>&1`;
    is($?, 0, 'the recount finds nothing') or diag $out;
}
