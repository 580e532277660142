# Every row of t/vectors/money.tsv as the amount of a conversion, and amounts
# as they come back.

use strict;
use warnings;

use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;
use Referral::Vectors qw(vectors);

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=1;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;

my @rows = vectors('money.tsv');
is(scalar @rows, 36, '36 rows');

my $n = 0;

for (@rows) {
    my ($json, $currency, $want) = @$_;
    my $order = 'm' . ++$n;
    my $r = $t->api(POST => '/v1/conversions', qq({"event":"purchase",)
        . qq("order_id":"$order","amount":$json,"currency":"$currency"}));

    if ($want =~ /^422/) {
        is($r->status, 422, "$json $currency is refused");
        like($r->json->{errors}[0]{field}, qr/^(amount|currency)$/,
            'its field is named');
        is($t->api(GET => "/v1/conversions/$order")->status, 404,
            'it is not there');
        next;
    }

    $want = $json if $want =~ /^max/;

    is($r->status, 201, "$json $currency is taken");
    like($r->body, qr/"amount":$want,"refunded":0,"currency":"$currency"/,
        "it is $want");
}


# The sum of amounts goes beyond what a number in JSON holds exactly.

$t->api(POST => '/v1/conversions', { event => 'purchase',
    order_id => "big$_", amount => 922337203685477, currency => 'JPY' })
    for 1 .. 10;

like($t->api(GET => '/v1/counters?by=event')->body, qr/"gross":"9223372036855770"/,
    'beyond 2^53-1 it is a string');

finish();
