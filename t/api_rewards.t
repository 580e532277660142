# Rewards: lists, one, what a decision does to it, and what a code shows.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 120;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        bind off;
        event signup points=5;
        event purchase points=10;
        event lease points=1 hold=14d;
        tier bronze 15;
        tier silver 100;
        reward mug to=referrer on=lease "value=a mug";
        reward cash to=referrer on=purchase value=10%;
        reward month to=referrer on=purchase every=3;
        reward ten-off to=friend on=signup value=10%;
    }
    referral_program empty {
        link "^/e/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /empty/ { referral_api empty token_file=%%TOKENS%%; }
    }
EOC

$t->start;

sub api { return $t->api(@_) }
sub data { return decode_json($_[0]->body) }

sub problem {
    my ($r, $status, $code, $name) = @_;
    my $p = data($r);

    is($r->status, $status, "$name: $status");
    is($r->header('Content-Type'), 'application/problem+json', "$name: a problem");
    is($p->{code}, $code, "$name: $code");

    return $p;
}

my $orders = 0;

sub event {
    my ($event, %more) = @_;
    my $r = api(POST => '/v1/conversions', { event => $event,
        order_id => 'order-' . ++$orders, code => 'ANNA', %more });
    is($r->status, $more{customer_id} && $more{customer_id} eq 'u1' ? 202 : 201,
        "$event $orders") or diag($r->body);
    return data($r);
}

sub euro { return event('purchase', amount => $_[0], currency => 'EUR') }
sub rewards { return data(api(GET => "/v1/rewards?$_[0]")) }
sub ids { return map { $_->{id} } @{ $_[0]{data} } }
sub code { return data(api(GET => "/v1/codes/$_[0]")) }

sub move {
    my ($what, $id, $body) = @_;
    return api(POST => "/v1/rewards/$id/$what", $body);
}

sub moved {
    my ($what, $id, $state, $duplicate, $name) = @_;
    my $r = move($what, $id);
    my $d = data($r);

    is($r->status, 200, "$name: 200") or diag($r->body);
    is($d->{state}, $state, "$name: $state");
    is(!!$d->{duplicate}, !!$duplicate, "$name: " . ($duplicate ? 'again' : 'new'));

    return $d;
}

sub stuck {
    my ($what, $id, $state, $name) = @_;
    my $p = problem(move($what, $id), 409, 'reward_state', $name);
    like($p->{detail}, qr/\b\Q$state\E\b/, "$name: names $state");
}


# Nothing yet.

is(api(PUT => '/v1/codes/ANNA', { owner => 'u1', name => 'Anna' })->status, 201,
    'a code');
is(api(PUT => '/v1/codes/BOB', { owner => 'u2' })->status, 201, 'another');
is_deeply(rewards(''), { data => [], next => undef }, 'no rewards');

my $c = code('ANNA');
is_deeply([@$c{qw(events points tier rewards amounts)}], [{}, 0,
    { name => undef, next => 'bronze', remaining => 15 },
    { pending => 0, held => 0, approved => 0, claimed => 0, void => 0 }, {}],
    'a code that brought nothing');


# One of each.

my $lease = event('lease', customer_id => 'f1');
my $mug = $lease->{rewards}[0];

is_deeply([map { $_->{name} } @{ $lease->{rewards} }], ['mug'], 'a mug');

my $r = api(GET => "/v1/rewards/$mug->{id}");
my $d = data($r);

is($r->status, 200, 'one reward');
like($d->{$_}, qr/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, $_)
    for qw(created_at approves_at changed_at);
is_deeply($d, { id => $mug->{id}, name => 'mug', to => 'referrer',
    state => 'pending', code => 'ANNA', owner => 'u1', order_id => 'order-1',
    customer_id => 'f1', value => 'a mug', amount => undef, currency => undef,
    paid => undef, offset => undef, reason => undef, claimed_at => undef,
    map { $_ => $d->{$_} } qw(created_at approves_at changed_at) }, 'all of it');
is($r->header('Cache-Control'), 'no-cache', 'to be revalidated');
is(api(GET => "/v1/rewards/$mug->{id}", undef, headers => { 'If-None-Match' =>
    $r->header('ETag') })->status, 304, 'nothing happened');

for ('0', '999999', 'x', '01', '-1', '1e3', '18446744073709551616',
    "0$mug->{id}")
{
    problem(api(GET => "/v1/rewards/$_"), 404, 'reward_not_found', "no reward $_");
    problem(move(claim => $_), 404, 'reward_not_found', "no claim of $_");
}

problem(api(GET => "/v1/rewards/$mug->{id}", undef, prefix => '/empty'), 404,
    'reward_not_found', 'a reward of another program');
problem(api(POST => "/v1/rewards/$mug->{id}/void", undef, prefix => '/empty'),
    404, 'reward_not_found', 'it does not decide about it');


# Transitions.

stuck(claim => $mug->{id}, 'pending', 'claim of a pending one');
$d = moved(approve => $mug->{id}, 'approved', 0, 'approve of a pending one');
is($d->{approves_at}, data($r)->{approves_at}, 'when it was to pass is kept');
moved(approve => $mug->{id}, 'approved', 1, 'approve of an approved one');
$d = moved(claim => $mug->{id}, 'claimed', 0, 'claim of an approved one');
like($d->{claimed_at}, qr/^2\d{3}-/, 'claimed_at');
is(moved(claim => $mug->{id}, 'claimed', 1, 'claim of a claimed one')
    ->{claimed_at}, $d->{claimed_at}, 'claimed_at stays');
stuck(approve => $mug->{id}, 'claimed', 'approve of a claimed one');
stuck(void => $mug->{id}, 'claimed', 'void of a claimed one');
is(data(api(GET => "/v1/rewards/$mug->{id}"))->{state}, 'claimed',
    'what was refused changed nothing');

my $other = event('lease')->{rewards}[0]{id};

moved(void => $other, 'void', 0, 'void of a pending one');
moved(void => $other, 'void', 1, 'void of a void one');
stuck($_ => $other, 'void', "$_ of a void one") for qw(approve claim);

my $third = event('lease')->{rewards}[0]{id};

moved(approve => $third, 'approved', 0, 'approve');
moved(void => $third, 'void', 0, 'void of an approved one');

my $self = event('lease', customer_id => 'u1');

is($self->{status}, 'held', 'self-referral is held');
is($self->{rewards}[0]{state}, 'held', 'and its reward');
stuck(claim => $self->{rewards}[0]{id}, 'held', 'claim of a held one');
moved(approve => $self->{rewards}[0]{id}, 'approved', 0, 'approve of a held one');

my $held = event('lease', customer_id => 'u1')->{rewards}[0]{id};
moved(void => $held, 'void', 0, 'void of a held one');


# Bodies.

my $next = event('lease')->{rewards}[0]{id};

for ([{ reason => '' }, 422], [{ reason => 'x' x 129 }, 422], [{ reason => 5 }, 422],
    [{ reason => "a\nb" }, 422], [{ why => 'x' }, 422], ['[]', 422], ['{', 400],
    ['null', 422], ['{"reason":"a","reason":"b"}', 400])
{
    my ($body, $status) = @$_;
    my $text = ref $body ? encode_json($body) : $body;
    is(move(approve => $next, $body)->status, $status, "$status: "
        . substr $text =~ s/\n/ /r, 0, 30);
}

is(api(POST => "/v1/rewards/$next/approve", '{}', headers => { 'Content-Type' =>
    'text/plain' })->status, 415, 'a body of another type');
is(api(POST => "/v1/rewards/$next/approve", undef, headers => { 'Sec-Fetch-Site' =>
    'cross-site' })->status, 403, 'a page of another site');
is(api(POST => "/v1/rewards/$next/approve", undef, token => $t->{token}{read})
    ->status, 403, 'a token that may only read');
is(api(GET => "/v1/rewards/$next", undef, token => $t->{token}{read})->status, 200,
    'it may read');
is(api(POST => "/v1/rewards/$next/approve", undef, token => undef)->status, 401,
    'no token');
is(data(api(GET => "/v1/rewards/$next"))->{state}, 'pending', 'nothing happened');

is(data(move(approve => $next, { reason => 'good friend' }))->{reason},
    'good friend', 'a reason');
is(data(move(void => $next, { reason => undef }))->{reason}, undef, 'no reason');

$r = api(GET => "/v1/rewards/$next/approve");
is($r->status, 405, 'GET does not approve');
is($r->header('Allow'), 'POST', 'POST does');
is(api(POST => "/v1/rewards/$next")->status, 405, 'POST of a reward');
is(api(POST => "/v1/rewards/$next/renew")->status, 404, 'no such action');


# Percent: what was claimed and then refunded is set off against the next.

my $first = euro(5000);
my ($cash) = grep { $_->{name} eq 'cash' } @{ $first->{rewards} };

is($cash->{state}, 'approved', 'without hold it is approved at once');
is_deeply([@$cash{qw(amount currency)}], [500, 'EUR'], '10% of 50.00');
is_deeply(code('ANNA')->{amounts}{EUR}, { pending => 0, held => 0, approved => 500,
    claimed => 0, paid => 0, owed => 0, payable => 500 }, 'can be paid');

$d = moved(claim => $cash->{id}, 'claimed', 0, 'claim of 5.00');
is_deeply([@$d{qw(amount paid offset)}], [500, 500, 0], 'all of it is paid');

is(api(POST => "/v1/conversions/$first->{order_id}/refunds",
    { refund_id => 'r1' })->status, 201, 'the order is refunded');
is(data(api(GET => "/v1/rewards/$cash->{id}"))->{state}, 'void', 'its reward is void');

my $amounts = code('ANNA')->{amounts}{EUR};
is_deeply([@$amounts{qw(owed payable approved claimed)}], [500, 0, 0, 0], 'owed');

my ($small) = grep { $_->{name} eq 'cash' } @{ euro(2000)->{rewards} };
my ($large) = grep { $_->{name} eq 'cash' } @{ euro(4000)->{rewards} };

$amounts = code('ANNA')->{amounts}{EUR};
is_deeply([@$amounts{qw(approved owed payable)}], [600, 500, 100],
    'approved, less what is owed');

$d = moved(claim => $small->{id}, 'claimed', 0, 'claim of 2.00');
is_deeply([@$d{qw(amount paid offset)}], [200, 0, 200], 'all of it is set off');
$d = moved(claim => $large->{id}, 'claimed', 0, 'claim of 4.00');
is_deeply([@$d{qw(amount paid offset)}], [400, 100, 300], 'what is left is paid');

is(event('purchase', amount => 3000, currency => 'JPY')->{rewards}[0]{amount}, 300,
    'another currency');
is_deeply([sort keys %{ code('ANNA')->{amounts} }], [qw(EUR JPY)],
    'is never summed up with it');


# A code, and lists.

event('signup', customer_id => 'f2');
event('signup');

$c = code('ANNA');

is($c->{points}, data(api(GET => '/v1/leaderboard'))->{data}[0]{points},
    'points as the leaderboard has them');
is_deeply($c->{tier}, { name => 'bronze', next => 'silver',
    remaining => 100 - $c->{points} }, 'a tier, and how far the next is');
is_deeply($c->{events}{purchase}, { count => 4, approved => 3, refunded => 1,
    pending => 0, held => 0, rejected => 0, unattributed => 0, points => 30,
    amounts => { EUR => { count => 3, gross => 11000, refunded => 5000 },
    JPY => { count => 1, gross => 3000, refunded => 0 } } }, 'events');
is_deeply([sort keys %{ $c->{events} }], [qw(lease purchase signup)], 'of each name');
is_deeply(data(api(GET => '/v1/codes?limit=1'))->{data}[0], $c, 'as the list has it');
is_deeply(data(api(PUT => '/v1/codes/ANNA', {}))->{events}, $c->{events},
    'as a change shows it');

my $all = rewards('limit=250');
my %all = map { $_->{id} => $_ } @{ $all->{data} };

is($all->{next}, undef, 'a page of all');
is_deeply([ids($all)], [sort { $a <=> $b } keys %all], 'in the order they were made');

my %count;
$count{ $_->{state} }++ for grep { $_->{to} eq 'referrer' } values %all;
is_deeply($c->{rewards}, { map { $_ => $count{$_} || 0 } qw(pending held approved
    claimed void) }, 'the code counts those to the referrer, by state');

for my $query ('state=void', 'state=approved', 'to=friend', 'to=referrer',
    'code=ANNA', 'code=anna&state=void', 'code=BOB', 'state=claimed&to=referrer',
    'code=ANNA&to=friend&state=approved')
{
    my %want = map { split /=/ } split /&/, $query;
    my @want = grep { my $x = $all{$_}; !grep { lc $x->{$_} ne lc $want{$_} }
        keys %want } sort { $a <=> $b } keys %all;
    my (@got, $after);

    is_deeply([ids(rewards("limit=250&$query"))], \@want, $query);

    do {
        my $d = rewards("limit=2&$query" . ($after ? "&after=$after" : ''));
        push @got, ids($d);
        $after = $d->{next};
    } while ($after && @got <= @want);

    is_deeply(\@got, \@want, "$query, in pages");
}

for (['state=new', 'state'], ['state=', 'state'], ['state=PENDING', 'state'],
    ['to=me', 'to'], ['limit=0', 'limit'], ['limit=251', 'limit'],
    ['after=x', 'after'], ['after=0', 'after'], ['after=-1', 'after'])
{
    my ($query, $field) = @$_;
    my $p = problem(api(GET => "/v1/rewards?$query"), 422, 'invalid_parameter',
        "?$query");
    is_deeply([map { $_->{field} } @{ $p->{errors} }], [$field], "?$query: $field");
}

problem(api(GET => '/v1/rewards?code=NOBODY'), 404, 'code_not_found',
    'of an unknown code');
is(api(GET => '/v1/rewards?name=mug')->status, 400, 'an unknown parameter');


# Who claims first, claims.

my ($prize) = grep { $_->{name} eq 'cash' } @{ euro(100)->{rewards} };
my @clients = map { Referral::Client->new($t->port) } 1 .. 20;

$_->send($_->format(POST => "/referral/v1/rewards/$prize->{id}/claim",
    { Authorization => "Bearer $t->{token}{write}" })) for @clients;

my @answers = map { $_->response('POST') } @clients;
is(scalar(grep { $_->status == 200 } @answers), 20, '20 claims at once');
is(scalar(grep { !data($_)->{duplicate} } @answers), 1, 'one of them claimed it');

finish();
