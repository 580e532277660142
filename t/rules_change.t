# Rules that change by a reload: what was taken before stays as it is, and an
# order sent again is a duplicate whatever the rules say since.

use strict;
use warnings;

use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

sub conf {
    my ($rules) = @_;
    return <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        $rules
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC
}

my $t = Referral::Nginx->new(workers => 2, conf => conf(<<'EOC'));
        event   trial  points=3;
        event   purchase points=10;
        tier    bronze 10;
        reward  cash   to=referrer on=purchase value=10%;
EOC

$t->start;
$t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });

sub order {
    my ($event, $id, %more) = @_;
    return $t->api(POST => '/v1/conversions', { event => $event,
        order_id => $id, code => 'ANNA', %more });
}

is(order('trial', 't1')->status, 201, 'an event that is declared');
is(order('purchase', 'p1', amount => 1000, currency => 'EUR')->status, 201,
    'another');

my $id = $t->api(GET => '/v1/conversions/p1')->json->{rewards}[0]{id};
is($t->api(POST => "/v1/rewards/$id/claim")->json->{paid}, 100,
    'its reward is paid');

$t->reload(conf(<<'EOC'));
        event   purchase points=1 once=customer;
        tier    gold 5;
EOC

is(order('trial', 't1')->status, 200, 'sent again, it is a duplicate');
ok(order('trial', 't1')->json->{duplicate}, 'and says so');
is(order('trial', 't1', customer_id => 'u9')->status, 409,
    'other content is a conflict');
is(order('trial', 't2')->status, 422, 'a new one is refused');
is(order('purchase', 'p1', amount => 1000, currency => 'EUR')->status, 200,
    'one that would need a customer now is a duplicate');
is(order('purchase', 'p2', amount => 1000, currency => 'EUR')->status, 422,
    'a new one needs the customer');

my $anna = $t->api(GET => '/v1/codes/ANNA')->json;
is($anna->{points}, 13, 'points stay');
is($anna->{tier}{name}, 'gold', 'the tier is of the new rules');

# What was paid out for an order that came back can still be seen.

is($t->api(POST => '/v1/conversions/p1/refunds', { refund_id => 'r' })->status,
    201, 'the order comes back');

my $reward = $t->api(GET => "/v1/rewards/$id")->json;
is($reward->{state}, 'void', 'its reward is void');
is($reward->{paid}, 100, 'but was paid');
is($t->api(GET => '/v1/codes/ANNA')->json->{amounts}{EUR}{owed}, 100,
    'which is owed');

finish();
