# Conversions: how they are attributed, who sends them again, what is wrong
# with them, and what is decided about held ones.

use strict;
use warnings;
use utf8;

use Encode qw(encode_utf8);
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep);
use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count qw(cookie);

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing https://shop.example/welcome;
        event signup   points=5 once=customer;
        event purchase points=10 hold=14d min=100;
        event visit;
        event click    points=1;
        reward gift to=friend on=purchase "value=a mug";
        reward cut to=referrer on=purchase value=10% hold=30d;
    }
    referral_program first {
        link "^/f/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        attribution first;
        bind off;
        self allow;
        event purchase points=1;
    }
    referral_program brief {
        link "^/b/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        window 2s;
        self reject;
        event purchase points=1;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        client_body_buffer_size 8k;
        client_max_body_size 2m;
        referral friends;
        location /f/ { referral first; }
        location /b/ { referral brief; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /first/ { referral_api first token_file=%%TOKENS%%; }
        location /brief/ { referral_api brief token_file=%%TOKENS%%; }
        location /moved/ {
            rewrite ^/moved/(.*)/x-(.*)$ /moved/$1/$2 break;
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

$t->start;

for my $prefix (qw(/referral /first /brief)) {
    $t->api(PUT => "/v1/codes/$_->[0]", { owner => $_->[1] }, prefix => $prefix)
        for ['ANNA42', 'u1'], ['BEN', 'u2'], ['OLD', 'u3'], ['PAUSED', 'u3'];
    $t->api(PUT => '/v1/codes/PAUSED', { status => 'paused' },
        prefix => $prefix);
}

my $n = 0;

sub post {
    my ($in, %opt) = @_;
    return $t->api(POST => '/v1/conversions', $in, %opt);
}

sub order {
    my ($more, %opt) = @_;
    return post({ event => 'purchase', order_id => 'o' . ++$n, amount => 4999,
        currency => 'EUR', %$more }, %opt);
}

sub by_id {
    my ($id, %opt) = @_;
    return $t->api(GET => "/v1/conversions/$id", undef, %opt);
}

# The token of one who followed these links, as the cookie and the header have it.

sub token {
    my $cookie = '';
    for (@_) {
        my $r = $t->get($_, $cookie ne '' ? (Cookie => $cookie) : ());
        $cookie = cookie($r) ne '' ? cookie($r) : $cookie;
    }
    return $cookie =~ s/^[^=]+=//r;
}

sub credit {
    my ($r, $method, $code, $reasons, $name) = @_;
    my $c = $r->json;
    is($c->{attribution}{method}, $method, "$name: by $method");
    is($c->{code}, $code, "$name: " . ($code // 'nobody'));
    is_deeply($c->{reasons}, $reasons, "$name: @$reasons");
    return $c;
}

sub problem {
    my ($r, $status, $code, $field, $name) = @_;
    is($r->status, $status, "$name: $status");
    is($r->header('Content-Type'), 'application/problem+json',
        "$name: a problem");
    is($r->json->{code}, $code, "$name: $code");
    is_deeply([sort map { $_->{field} } @{ $r->json->{errors} || [] }],
        ref $field ? $field : [$field], "$name: names it") if defined $field;
}


# The ladder: a token.

my $time = qr/2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ/;
my $token = token('/r/BEN', '/r/ANNA42/wa');
my $now = time;
my $in = { event => 'purchase', order_id => '1001', amount => 4999,
    currency => 'EUR', customer_id => 'u9', token => $token, code => 'BEN',
    occurred_at => strftime('%FT%T+01:00', gmtime $now + 3600) };
my $r = post($in);
my $c = $r->json;

is($r->status, 201, 'an order with a token');
is($r->header('Cache-Control'), 'no-store', 'is not stored');
like($c->{attribution}{click_id}, qr/^[\w-]{12}$/, 'of a click');
like($c->{$_}, qr/^$time$/, $_) for qw(recorded_at approves_at changed_at);
like($c->{attribution}{clicked_at}, qr/^$time$/, 'clicked_at');

my @rewards = @{ $c->{rewards} };

is_deeply($c, { order_id => '1001', event => 'purchase', status => 'pending',
    duplicate => JSON::PP::false, code => 'ANNA42',
    attribution => { method => 'token', touch => 'last', channel => 'wa',
        click_id => $c->{attribution}{click_id}, first_code => 'BEN',
        clicked_at => $c->{attribution}{clicked_at} },
    customer_id => 'u9', amount => 4999, refunded => 0, currency => 'EUR',
    points => 10, reasons => [],
    why => 'credited to ANNA42 by the signed token, whose last touch is of '
        . "$c->{attribution}{clicked_at}; pending until the hold passes at "
        . $c->{approves_at},
    source => 'api', occurred_at => strftime('%FT%TZ', gmtime $now),
    recorded_at => $c->{recorded_at},
    approves_at => $c->{approves_at}, changed_at => $c->{changed_at},
    rewards => \@rewards }, 'all of it');
is_deeply([map { join ' ', map { $_ // '-' } @$_{qw(name to state value amount
    currency customer_id)} } @rewards],
    ['gift friend pending a mug - - u9',
    'cut referrer pending 10% 499 EUR u9'], 'its rewards');
like($rewards[0]{id}, qr/^"?\d+"?$/, 'have ids');
like($r->body, qr/"rewards":\[\{"id":"\d+"/, 'as strings');
is_deeply(by_id('1001')->json, $c, 'GET has the same');

credit(order({ token => token('/f/BEN', '/f/ANNA42') }, prefix => '/first'),
    'token', 'BEN', [], 'the first touch');

is(order({ token => token('/r/ANNA42') }, prefix => '/first')->json->{reasons}[0],
    'token_invalid', 'a token of another program');


# ... the customer, whom the first order bound ...

$c = credit(order({ customer_id => 'u9', code => 'BEN' }), 'customer', 'ANNA42',
    [], 'bound');
like($c->{why}, qr/^credited to ANNA42, to which the customer is bound; /,
    'bound: why');
credit(order({ customer_id => 'u9', token => "${token}x" }), 'customer',
    'ANNA42', ['token_invalid'], 'bound, and a bad token');
credit(order({ customer_id => 'u9', token => token('/r/BEN') }), 'token', 'BEN',
    [], 'a token goes before it');


# ... a click ...

my $click = by_id('1001')->json->{attribution}{click_id};

# clicks reach the store within the interval, a token does not wait for that

ok(wait_for(sub { $t->api(GET => "/v1/clicks/$click")->status
    == 200 }, 5), 'the click is in the store');

$c = credit(order({ click_id => $click, code => 'BEN' }), 'click_id', 'ANNA42',
    [], 'click');
is($c->{attribution}{click_id}, $click, 'click: that one');
like($c->{why}, qr/by the click id named with it, a click of $time; /,
    'click: why');
credit(order({ click_id => 'aaaaaaaaaaaa', code => 'BEN' }), 'code', 'BEN',
    ['click_unknown'], 'a click nobody made');


# ... a code ...

$c = credit(order({ code => 'anna42', token => '', click_id => undef }), 'code',
    'ANNA42', [], 'code');
like($c->{why}, qr/^credited to ANNA42 by the code named with it; /,
    'code: why');

$t->api(DELETE => '/v1/codes/OLD', undef);

credit(order({ code => 'NOBODY' }), 'none', undef, ['code_unknown'],
    'unknown code');
credit(order({ code => 'OLD' }), 'none', undef, ['code_ended'], 'ended code');
credit(order({ code => 'PAUSED' }), 'none', undef, ['code_ended'],
    'paused code');


# ... or nothing.

$r = order({});
$c = credit($r, 'none', undef, ['no_evidence'], 'nothing');
is($r->status, 201, 'nothing: taken all the same');
is($c->{status}, 'unattributed', 'nothing: unattributed');
is($c->{why}, 'not attributed: no token, click id or code came with it',
    'nothing: why');
is_deeply([@$c{qw(points rewards approves_at)}], [0, [], undef],
    'nothing: gives nothing');

$c = credit(order({ token => 'x', click_id => 'aaaaaaaaaaaa', code => 'OLD' }),
    'none', undef, [qw(token_invalid click_unknown code_ended)], 'all fail');
is($c->{why}, 'not attributed: its token has no signature that this program '
    . 'accepts, and no click of this program has its click id, and the code '
    . 'named with it is paused or has ended', 'all fail: why');


# A window that has passed.

$token = token('/b/ANNA42');
$c = order({ token => $token }, prefix => '/brief')->json;
is($c->{code}, 'ANNA42', 'within the window');
$click = $c->{attribution}{click_id};
sleep 2.2;
credit(order({ token => $token, click_id => $click, code => 'BEN' },
    prefix => '/brief'), 'code', 'BEN', [qw(token_expired click_expired)],
    'after it');


# Where they stand.

$r = order({ code => 'ANNA42', customer_id => 'u1' });
is($r->status, 202, 'the owner: held');
is($r->json->{status}, 'held', 'the owner: says so');
is_deeply($r->json->{reasons}, ['self_referral'], 'the owner: why');
like($r->json->{why}, qr/; held until .*: the customer owns the code$/,
    'the owner: in words');

my $held = $r->json->{order_id};

is(order({ order_id => $held, code => 'ANNA42', customer_id => 'u1' })->status,
    200, 'a duplicate of a held one');
is(order({ code => 'ANNA42', customer_id => 'u1' }, prefix => '/brief')
    ->json->{status}, 'rejected', 'self reject');
is(order({ code => 'ANNA42', customer_id => 'u1' }, prefix => '/first')
    ->json->{status}, 'approved', 'self allow');

$r = order({ code => 'ANNA42', amount => 99 });
is($r->status, 201, 'below the minimum');
is_deeply([@{ $r->json }{qw(status points)}], ['rejected', 0], 'is rejected');
is_deeply($r->json->{reasons}, ['below_minimum'], 'for that reason');

my %signup = (event => 'signup', code => 'ANNA42', customer_id => 'c1');

$c = post({ %signup, order_id => 's1' })->json;
is_deeply([@$c{qw(status points amount refunded currency)}],
    ['approved', 5, undef, undef, undef], 'a signup, without an amount');
$c = post({ %signup, order_id => 's2' })->json;
is_deeply([$c->{status}, @{ $c->{reasons} }], ['rejected', 'once_per_customer'],
    'and another one');
problem(post({ event => 'signup', order_id => 's3' }), 422, 'invalid_fields',
    'customer_id', 'a signup of nobody');


# Again, and otherwise.

my $first = by_id('1001')->json;
$r = post($in);
is($r->status, 200, 'the same again');
is_deeply($r->json, { %$first, duplicate => JSON::PP::true }, 'is a duplicate');
is(post({ %$in, amount => '49.99' })->status, 200, 'the amount as text');
is(post({ %$in, occurred_at => strftime('%FT%T.000Z', gmtime $now) })->status, 200,
    'the time in another zone');

for (['event', 'visit'], ['amount', 5000], ['amount', 0], ['currency', 'USD'],
    ['customer_id', 'u8'], ['customer_id', undef], ['code', 'ANNA42'],
    ['code', undef], ['click_id', 'aaaaaaaaaaaa'], ['token', token('/r/BEN')],
    ['occurred_at', '2026-11-21T10:00:00Z'], ['occurred_at', undef])
{
    my ($field, $value) = @$_;
    problem(post({ %$in, $field => $value }), 409, 'order_conflict', undef,
        "$field " . ($value // 'null'));
}

my %none = %$in;
delete @none{qw(amount currency)};
problem(post(\%none), 409, 'order_conflict', undef, 'no amount');
is_deeply(by_id('1001')->json, $first, 'nothing changed');
is(by_id('1001', prefix => '/first')->status, 404, 'nor in another program');
is(post({ event => 'purchase', order_id => '1001' }, prefix => '/first')->status,
    201, 'which has its own orders');


# Ids are bytes, in a path too.

for ('a b', 'a/b', 'a//b', '/a/', 'a/refunds', 'a/../b', '%41', 'a?b#c', 'a+b',
    '+', '*', "\x{e9}\x{1f600}", "a\x{301}", 'x' x 128, '01001', '"<&')
{
    my $name = encode_utf8(substr $_, 0, 20);
    my $path = join '', map { /[\w.-]/a ? $_ : sprintf '%%%02X', ord }
        split //, encode_utf8($_);

    is(post({ event => 'visit', order_id => $_ })->status, 201, "id $name");

    my $r = by_id($path);

    # nginx resolves "..", whose answer would be that of another path

    if (m{/\.\./}) {
        is($r->status, 404, "id $name has no path");
        next;
    }

    is($r->status, 200, "id $name is found") or diag $path, $r->body;
    is($r->json->{order_id}, $_, "id $name comes back");
}

is(by_id($_)->status, 404, "no order $_")
    for qw(a%2Fc a%2f%2f%2fb%20 1001%20 %201001 01 1001%0A a%2F), 'x' x 129;
is(by_id($_)->status, 404, "no path $_") for '', '1001/', '1001/x', '1001/1001';
is(by_id('1001/approve')->status, 405, 'no GET of a decision');
is($t->api(GET => '/v1/conversions/x-1001', undef, prefix => '/moved')
    ->json->{order_id}, '1001', 'a path that was rewritten');
is($t->request(GET => '/referral//v1/./conversions/1001?', { Authorization =>
    "Bearer $t->{token}{read}" })->status, 200, 'a path that is normalised');


# Fields.

my %ok = (event => 'visit', order_id => 'bad');

for (['event', undef], ['event', ''], ['event', 'click'], ['event', 'Visit'],
    ['event', 'x' x 33], ['event', 1], ['order_id', undef], ['order_id', ''],
    ['order_id', 1001], ['order_id', ' x'], ['order_id', 'x '],
    ['order_id', "a\nb"], ['order_id', "a\x7f"], ['order_id', 'x' x 129],
    ['order_id', "\x{e9}" x 65], ['customer_id', ''], ['customer_id', 9],
    ['customer_id', ' u9'], ['customer_id', 'x' x 129], ['token', 1],
    ['code', 'a b'], ['code', '-a'], ['code', 'x' x 65], ['code', 5],
    ['click_id', 'abc'], ['click_id', 'aaaaaaaaaaa='], ['click_id', 'A' x 12],
    ['click_id', 'a' x 13], ['click_id', {}], ['occurred_at', 'yesterday'],
    ['occurred_at', '2026-02-30T00:00:00Z'], ['occurred_at', 1700000000],
    ['occurred_at', '2026-11-21T10:00:00'], ['occurred_at', '1969-12-31T23:00:00Z'],
    ['amount', 100], ['amount', '1.00', 'currency'], ['currency', 'EUR', 'amount'],
    ['currency', 'euro', 'amount'], ['Event', 'visit'], ['gross', 1],
    ['<b>', 1, '?'])
{
    my ($field, $value, $named) = @$_;
    my $name = encode_utf8(sprintf '%s %.20s', $field, $value // 'null');
    $named //= $field eq 'amount' ? 'currency' : $field;
    problem(post({ %ok, $field => $value }), 422, 'invalid_fields', $named,
        $name);
}

problem(post({ code => '', x => 1, amount => -1, currency => 'XAU' }), 422,
    'invalid_fields', [qw(amount currency event order_id x)], 'all at once');
is(by_id('bad')->status, 404, 'nothing was taken');
is(post({ %ok, map { $_ => undef } qw(amount currency customer_id token code
    click_id occurred_at) })->status, 201, 'null is as if it were not there');


# Bodies.

my $body = '{"event":"visit","order_id":"body"}';

problem(post(''), 400, 'empty_body', undef, 'no body');
problem(post('{'), 400, 'invalid_json', undef, 'no JSON');
problem(post('{"event":"visit","event":"visit"}'), 400, 'invalid_json', undef,
    'a name twice');
problem(post('[]'), 422, 'invalid_fields', undef, 'no object');
is(post((' ' x 20_000) . $body)->status, 201, 'a body in a file');
is(post($body)->status, 200, 'is as one in memory');
problem(post($body . ' ' x (1024 * 1024)), 413, 'body_too_large', undef,
    'more than 1 MiB');
is(post(sprintf("5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", substr($body, 0, 5),
    length($body) - 5, substr $body, 5), headers =>
    { 'Transfer-Encoding' => 'chunked' })->status, 200, 'chunked');
problem(post("0\r\n\r\n", headers => { 'Transfer-Encoding' => 'chunked' }), 400,
    'empty_body', undef, 'chunked and empty');

for (['text/plain', 415], ['application/x-ndjson', 415], [undef, 415],
    ['application/x-www-form-urlencoded', 415],
    ['application/json; charset=utf-8', 200])
{
    is(post($body, headers => { 'Content-Type' => $_->[0] })->status, $_->[1],
        'type ' . ($_->[0] // 'none'));
}

is(post($body, headers => { 'Content-Encoding' => 'gzip' })->status, 415,
    'an encoding');
is(post($body, token => $t->{token}{read})->status, 403, 'a read token');
is(post($body, token => $t->{token}{write})->status, 200, 'a write token');
is(post($body, token => 'x')->status, 401, 'no token');
is(by_id('1001', token => $t->{token}{read})->status, 200, 'which may read');
is($t->api(PUT => '/v1/conversions', $body)->header('Allow'), 'POST, GET, HEAD',
    'no PUT');


# Held ones, and what is decided about them.

sub decide {
    my ($id, $what, $body, %opt) = @_;
    return $t->api(POST => "/v1/conversions/$id/$what", $body, %opt);
}

sub held {
    my $list = $t->api(GET => "/v1/conversions?status=held$_[0]")->json;
    return ([map { $_->{order_id} } @{ $list->{data} }], $list->{next});
}

my @held = ($held, map { order({ code => 'BEN', customer_id => 'u2' })
    ->json->{order_id} } 1 .. 3);

is_deeply([held('')], [\@held, undef], 'those that are held, the oldest first');

my ($page, $next) = held('&limit=3');
is_deeply($page, [@held[0 .. 2]], 'a page');
is_deeply([held("&limit=3&after=$next")], [[$held[3]], undef], 'the next');

for (['', 'status'], ['?status=pending', 'status'],
    ['?status=held&limit=0', 'limit'], ['?status=held&after=x', 'after'])
{
    problem($t->api(GET => "/v1/conversions$_->[0]"), 422, 'invalid_parameter',
        $_->[1], "list$_->[0]");
}

$r = decide($held[0], 'approve', { reason => 'a gift for herself' });
$c = $r->json;
is($r->status, 200, 'approved');
is_deeply([$c->{status}, $c->{duplicate}, $c->{points}],
    ['pending', JSON::PP::false, 10], 'it is on hold now');
is_deeply($c->{reasons}, ['self_referral', 'released'], 'for two reasons');
$r = decide($held[0], 'approve');
is_deeply([$r->status, $r->json->{duplicate}], [200, JSON::PP::true],
    'once more: a duplicate');
problem(decide($held[0], 'void'), 409, 'conversion_state', undef,
    'then voided');

$r = decide($held[1], 'void', '');
is_deeply([$r->status, @{ $r->json }{qw(status points duplicate)}],
    [200, 'rejected', 0, JSON::PP::false], 'voided');
is_deeply([map { $_->{state} } @{ $r->json->{rewards} }], ['void', 'void'],
    'and its rewards');
ok(decide($held[1], 'void', {})->json->{duplicate}, 'once more: a duplicate');
problem(decide($held[1], 'approve'), 409, 'conversion_state', undef,
    'then approved');
problem(decide('1001', 'approve'), 409, 'conversion_state', undef,
    'one that was never held');
problem(decide('nobody', 'approve'), 404, 'conversion_not_found', undef,
    'an order nobody made');
problem(decide($held[2], 'approve', { reason => 1 }), 422, 'invalid_fields',
    'reason', 'a reason that is no text');
problem(decide($held[2], 'approve', { why => 'x' }), 422, 'invalid_fields',
    'why', 'another field');
problem(decide($held[2], 'approve', '{'), 400, 'invalid_json', undef,
    'no JSON');
is(decide($held[2], 'approve', 'x', headers => { 'Content-Type' =>
    'text/plain' })->status, 415, 'another type');
is(decide($held[2], 'void', undef, token => $t->{token}{read})->status, 403,
    'a read token');
is_deeply([held('')], [[@held[2, 3]], undef], 'two are left');

finish();
