# Refunds: whole, partial, repeated, early, too large, in another currency.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 90;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10 min=100;
        event visit    points=1;
        reward cut to=referrer on=purchase value=10%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });

sub order {
    my ($id, %more) = @_;
    return $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => $id, amount => 1001, currency => 'EUR', code => 'ANNA42',
        %more });
}

sub refund {
    my ($id, $body, %opt) = @_;
    $id =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
    return $t->api(POST => "/v1/conversions/$id/refunds", $body, %opt);
}

sub now {
    my ($id) = @_;
    my $c = $t->api(GET => "/v1/conversions/$id")->json;
    return join ' ', $c->{status}, $c->{refunded} // '-', $c->{points},
        map { "$_->{state}:$_->{amount}" } @{ $c->{rewards} };
}

sub problem {
    my ($r, $status, $code, $field, $name) = @_;
    is($r->status, $status, "$name: $status");
    is($r->json->{code}, $code, "$name: $code");
    is_deeply([map { $_->{field} } @{ $r->json->{errors} }], [$field],
        "$name: $field") if $field;
}


# Parts; TRUST.md M7.

is(order('1')->status, 201, 'an order');
is(now('1'), 'approved 0 10 approved:100', 'with a tenth');

my $r = refund('1', { refund_id => 'a', amount => 500, currency => 'EUR',
    reason => 'too small' });
my $out = $r->json;
my $conversion = delete $out->{conversion};

is($r->status, 201, 'a part is refunded');
is_deeply($out, { order_id => '1', refund_id => 'a', amount => 500,
    currency => 'EUR', duplicate => JSON::PP::false }, 'which the answer says');
is_deeply($conversion, $t->api(GET => '/v1/conversions/1')->json,
    'with the conversion as it is now');
is(now('1'), 'approved 500 10 approved:50', 'the reward follows');

$r = refund('1', { refund_id => 'a', amount => 500 });
is($r->status, 200, 'the same again');
ok($r->json->{duplicate}, 'is a duplicate');
is($r->json->{amount}, 500, 'of that amount');
is(now('1'), 'approved 500 10 approved:50', 'nothing changed');

problem(refund('1', { refund_id => 'a', amount => 501 }), 409,
    'refund_conflict', undef, 'another amount');
problem(refund('1', { refund_id => 'a' }), 409, 'refund_conflict', undef,
    'a part, and then all');
problem(refund('1', { refund_id => 'b', amount => 502 }), 422,
    'refund_exceeds', undef, 'more than is left');
problem(refund('1', { refund_id => 'b', amount => 1, currency => 'USD' }), 422,
    'currency_mismatch', undef, 'another currency');
is(now('1'), 'approved 500 10 approved:50', 'nothing changed');

is(refund('1', { refund_id => 'b', amount => '5.01' })->status, 201,
    'the rest, as text in the currency of the order');
is(now('1'), 'refunded 1001 0 void:0', 'all is refunded');
problem(refund('1', { refund_id => 'c' }), 422, 'refund_exceeds', undef,
    'nothing is left');


# As a whole; below the minimum; without an amount.

order('2');
$r = refund('2', { refund_id => 'a', amount => undef, reason => undef });
is($r->status, 201, 'no amount: all of it');
is($r->json->{amount}, 1001, 'which the answer says');
is(now('2'), 'refunded 1001 0 void:0', 'refunded');
is(refund('2', { refund_id => 'a' })->status, 200, 'a duplicate');

order('3');
refund('3', { refund_id => 'a', amount => 902 });
like(now('3'), qr/^rejected 902 0 void/, 'what is left is below the minimum');
like($t->api(GET => '/v1/conversions/3')->json->{why}, qr/below the minimum/,
    'and that is why');

$t->api(POST => '/v1/conversions', { event => 'visit', order_id => '4',
    code => 'ANNA42' });
problem(refund('4', { refund_id => 'a', amount => 1 }), 422, 'refund_exceeds',
    undef, 'there is no amount to refund');
$r = refund('4', { refund_id => 'a' });
is($r->status, 201, 'but the event');
is_deeply([@{ $r->json }{qw(amount currency)}], [undef, undef], 'no amount');
is(now('4'), 'refunded - 0', 'refunded');


# Before the conversion.

$r = refund('5', { refund_id => 'a', amount => 300, currency => 'EUR' });
is($r->status, 201, 'a refund of an order to come');
is_deeply([@{ $r->json }{qw(amount currency conversion)}], [300, 'EUR', undef],
    'without a conversion');
is($t->api(GET => '/v1/conversions/5')->status, 404, 'it is not there yet');
is(refund('5', { refund_id => 'a', amount => 300 })->status, 200,
    'a duplicate');
problem(refund('5', { refund_id => 'b', amount => 1, currency => 'USD' }), 422,
    'currency_mismatch', undef, 'refunds in two currencies');
problem(order('5', currency => 'USD'), 422, 'currency_mismatch', undef,
    'the order in another');
is($t->api(GET => '/v1/conversions/5')->status, 404, 'it was not taken');

is(order('5')->status, 201, 'the order comes');
is(now('5'), 'approved 300 10 approved:70', 'net of the refund');
is_deeply($t->api(GET => '/v1/conversions/5')->json->{reasons},
    ['refunded_before'], 'for a reason');

refund('6', { refund_id => 'a' });
is(order('6')->status, 201, 'an order that was cancelled before');
is(now('6'), 'refunded 1001 0', 'gives nothing');
is(order('6')->status, 200, 'a duplicate does not either');

refund('7', { refund_id => 'a', amount => 5000, currency => 'EUR' });
order('7');
is(now('7'), 'refunded 1001 0', 'no more than the amount');
is_deeply($t->api(GET => '/v1/conversions/7')->json->{reasons},
    ['refunded_before', 'refund_cut'], 'which the reasons say');

problem(refund('8', { refund_id => 'a', amount => '1.00' }), 422,
    'invalid_fields', 'amount', 'text in no known currency');


# Ids are bytes.

is(order('a/b c')->status, 201, 'an id with a slash');
is(refund('a/b c', { refund_id => "z/\x{e9}" })->status, 201, 'is refunded');
is(now('a%2Fb%20c'), 'refunded 1001 0 void:0', 'and read');
is(order('a/refunds')->status, 201, 'an id like a path');
is(now('a%2Frefunds'), 'approved 0 10 approved:100', 'is read');
is(refund('a/refunds', { refund_id => '1' })->status, 201, 'and refunded');


# What is wrong with a field.

for (['refund_id', { amount => 1 }], ['refund_id', { refund_id => undef }],
    ['refund_id', { refund_id => '' }], ['refund_id', { refund_id => ' a' }],
    ['refund_id', { refund_id => "a\n" }], ['refund_id', { refund_id => 1 }],
    ['refund_id', { refund_id => 'x' x 129 }],
    ['amount', { refund_id => 'w', amount => 0 }],
    ['amount', { refund_id => 'w', amount => -1 }],
    ['amount', { refund_id => 'w', amount => 1.5 }],
    ['amount', { refund_id => 'w', amount => '1.234' }],
    ['amount', { refund_id => 'w', amount => JSON::PP::true }],
    ['currency', { refund_id => 'w', currency => 'eur' }],
    ['currency', { refund_id => 'w', currency => 978 }],
    ['reason', { refund_id => 'w', reason => '' }],
    ['reason', { refund_id => 'w', reason => "a\tb" }],
    ['reason', { refund_id => 'w', reason => 'x' x 129 }],
    ['order_id', { refund_id => 'w', order_id => '9' }])
{
    my ($field, $body) = @$_;
    problem(refund('a/b c', $body), 422, 'invalid_fields', $field,
        encode_json($body));
}

problem($t->api(POST => '/v1/conversions/%20x/refunds', { refund_id => 'a' }),
    422, 'invalid_fields', 'order_id', 'an id with a space before');
problem(refund('1', ''), 400, 'empty_body', undef, 'no body');
is(refund('1', { refund_id => 'a' }, token => $t->{token}{read})->status, 403,
    'a token that may only read');
is(refund('1', '{}', headers => { 'Content-Type' => 'text/plain' })->status,
    415, 'another type');
is($t->api(GET => '/v1/conversions/1/refunds')->status, 405, 'no GET');

finish();
