# Too much at once, of a network or a code: clicks are counted apart, events
# are held, and who guesses codes is told nothing any more.  Nobody is refused.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count qw(cookie counted);

# The storefront reports what the query says.

sub storefront {
    my ($req) = @_;
    my ($event) = $req->{uri} =~ /[?&]e=([^&]*)/;

    $event =~ s/%(..)/chr hex $1/ge if defined $event;
    return (200, [['Content-Type', 'text/plain'],
        defined $event ? ['X-Referral-Event', $event] : ()], 'a page');
}

my %velocity = (
    clicks => 'velocity clicks=5/1h;',
    brief  => 'velocity clicks=2/1s;',
    codes  => 'velocity code_clicks=3/1h clicks=1000/1h;',
    orders => 'velocity conversions=10/1h;',
    guess  => 'velocity unknown=5/1h; param ref; to on;',
    bound  => 'velocity conversions=2/1h;',
    loose  => 'velocity conversions=1/1h; bind 1s;',
    strict => 'velocity unknown=2/1h; case_sensitive on;',
    free   => 'velocity off;',
);

my $programs = join '', map { <<"EOC" } sort keys %velocity;
    referral_program $_ {
        link "^/$_/(?<code>[A-Za-z0-9_-]+)\$";
        landing https://shop.example/welcome;
        prefetch refuse;
        event purchase points=10;
        reward cut to=referrer on=purchase value=10%;
        $velocity{$_}
    }
EOC

my $locations = join '', map { <<"EOC" } sort keys %velocity;
        location /$_/ { referral $_; proxy_pass http://%%UPSTREAM%%; }
        location /api-$_/ { referral_api $_ token_file=%%TOKENS%%; }
EOC

my $conf = <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
$programs
    limit_req_zone \$referral_client_key zone=client:1m rate=1r/m;
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        add_header X-Worker \$pid always;
$locations
        location /page/ { referral guess; proxy_pass http://%%UPSTREAM%%; }
        location /key {
            add_header X-Key "<\$referral_client_key>";
            return 204;
        }
        location /limited { limit_req zone=client; try_files "" /key; }
    }
EOC

my $t = Referral::Nginx->new(workers => 4, upstream => \&storefront,
    conf => $conf);
$t->start;

sub from {
    my ($ip, $path, %headers) = @_;
    return $t->get($path, 'X-Real-IP' => $ip, %headers);
}

sub of {
    my ($program, $method, $path, $body) = @_;
    return $t->api($method, $path, $body, prefix => "/api-$program");
}

sub code {
    my ($program, $code, %fields) = @_;
    is(of($program, PUT => "/v1/codes/$code", { owner => lc $code, %fields })
        ->status, 201, "$program: $code");
}

# Class and why of the click behind a cookie, and of all clicks by class.

sub click {
    my ($program, $r) = @_;
    my $id = (split /[.]/, cookie($r))[5];

    for (1 .. 50) {
        my $click = of($program, GET => "/v1/clicks/$id");
        return @{ $click->json }{qw(class why)} if $click->status == 200;
        sleep 0.1;
    }

    return ('?', '?');
}

sub classes {
    my ($program, $code, $total) = @_;
    my $clicks;

    for (1 .. 50) {
        $clicks = of($program, GET => "/v1/codes/$code")->json->{clicks};
        last if $clicks->{total} >= $total;
        sleep 0.1;
    }

    return join ' ', map { "$_=$clicks->{classes}{$_}" }
        sort keys %{ $clicks->{classes} };
}


# ---------------------------------------------------------------- clicks ---

code('clicks', 'ANNA42');

my %crawler = ('User-Agent' => 'Googlebot/2.1');

from('203.0.113.7', '/clicks/ANNA42', %crawler) for 1 .. 10;

my @five = map { from('203.0.113.7', '/clicks/ANNA42') } 1 .. 5;
my @more = map { from($_, '/clicks/ANNA42') }
    ('203.0.113.7', '::ffff:203.0.113.7') x 2;
my %workers = map { $_->header('X-Worker') => 1 } @five, @more;

cmp_ok(scalar keys %workers, '>', 1, 'several workers count together');
is_deeply([click('clicks', $five[4])], ['human', 'navigation'],
    'the fifth click of a network is as good as the first');
is_deeply([click('clicks', $more[0])], ['suspect', 'velocity'],
    'the sixth is suspect');
is_deeply([click('clicks', $more[1])], ['suspect', 'velocity'],
    'so is one of the same address, written as one of IPv6');
is(join(' ', map { $_->status } @five, @more), '302 ' x 8 . '302',
    'all are redirected');
is(scalar(grep { $_->header('Location') eq 'https://shop.example/welcome' }
    @five, @more), 9, 'to the same page');
is(scalar(grep { cookie($_) ne '' } @five, @more), 9, 'and all get the cookie');
is(classes('clicks', 'ANNA42', 19), 'crawler=10 human=5 suspect=4',
    'each click is counted in its class; crawlers used nothing up');

is_deeply([click('clicks', from('203.0.113.8', '/clicks/ANNA42'))],
    ['human', 'navigation'], 'the neighbour has a count of its own');

from('2001:db8:1:2::1', '/clicks/ANNA42') for 1 .. 5;
is_deeply([click('clicks', from('2001:db8:1:2:ffff::9', '/clicks/ANNA42'))],
    ['suspect', 'velocity'], 'a /64 of IPv6 is one network');
is_deeply([click('clicks', from('2001:db8:1:3::1', '/clicks/ANNA42'))],
    ['human', 'navigation'], 'the next /64 is another');

$t->reload;
my $after = from('203.0.113.7', '/clicks/ANNA42');
is_deeply([click('clicks', $after)], ['suspect', 'velocity'],
    'a reload forgets nothing');

is(of('clicks', POST => '/v1/conversions', { event => 'purchase',
    order_id => 's1', amount => 100, currency => 'EUR',
    token => cookie($after) =~ s/.*?=//r })->json->{code}, 'ANNA42',
    'a suspect click can be credited');

code('brief', 'ANNA42');
from('203.0.113.7', '/brief/ANNA42') for 1 .. 4;
sleep 2.1;
is_deeply([click('brief', from('203.0.113.7', '/brief/ANNA42'))],
    ['human', 'navigation'], 'when the time is over, all is forgotten');

code('codes', $_) for qw(ANNA42 BOB42);
my @many = map { from("198.51.100.$_", '/codes/' . ($_ % 2 ? 'ANNA42'
    : 'anna42')) } 1 .. 5;
is(classes('codes', 'ANNA42', 5), 'human=3 suspect=2',
    'clicks of a code, from wherever they come, however it is written');
is_deeply([click('codes', $many[4])], ['suspect', 'velocity'],
    'the last one is suspect');
from('198.51.100.1', '/codes/BOB42');
is(classes('codes', 'BOB42', 1), 'human=1', 'another code has its own');

code('free', 'ANNA42');
from('203.0.113.7', '/free/ANNA42') for 1 .. 20;
is(classes('free', 'ANNA42', 20), 'human=20', 'off: nothing is too much');


# ----------------------------------------------------------- conversions ---

code('orders', $_) for qw(ANNA42 BOB42 CLEO42 DORA42 EMMA42);

my @orders = map { "o$_" } 1 .. 50;
my @r = volley('ANNA42', @orders);

is(join(' ', map { $_->status } grep { $_->status == 201 } @r), join(' ',
    (201) x 10), 'fifty orders at once, over four workers: ten are taken');
is(scalar(grep { $_->status == 202 } @r), 40, 'forty are held');

my ($held) = grep { $_->status == 202 } @r;
my $order = $held->json;

is($order->{status}, 'held', 'they are there');
is_deeply($order->{reasons}, ['velocity'], 'with the reason');
like($order->{why}, qr/there were too many like it lately/, 'in words');
is($order->{rewards}[0]{state}, 'held', 'their rewards are held with them');

@r = volley('ANNA42', @orders);
is(scalar(grep { $_->status == 200 && $_->json->{duplicate} } @r), 50,
    'told again, all are duplicates');
is(scalar(grep { $_->json->{status} eq 'held' } @r), 40,
    'and are what they were');

is(join(' ', map { $_->status } volley('anna42', 'one-more')), '202',
    'an order more is held');
is(join(' ', map { $_->status } volley('BOB42', 'b1')), '201',
    'one of another code is not');

is(of('orders', POST => "/v1/conversions/$order->{order_id}/approve", {})
    ->json->{status}, 'approved', 'a person approves one');
is(of('orders', POST => '/v1/conversions/one-more/void', {})->json->{status},
    'rejected', 'or voids it');

for my $n (1 .. 10) {
    @r = volley('CLEO42', ("c$n") x 20);
    is(join(' ', map { $_->status } grep { $_->status != 200 } @r), '201',
        "c$n, told twenty times at once, is one order");
}

@r = volley('CLEO42', 'c11');
is($r[0]->status, 202, 'duplicates took nothing, and it took its one');

is(of('orders', POST => '/v1/conversions', { event => 'purchase', amount => 2,
    currency => 'EUR', order_id => 'd1', code => 'DORA42' })->status, 201,
    'an order');
is(of('orders', POST => '/v1/conversions', { event => 'purchase', amount => $_,
    currency => 'EUR', order_id => 'd1', code => 'DORA42' })->status, 409,
    'in conflict with itself') for 3 .. 14;
is(join(' ', sort map { $_->status } volley('DORA42', map { "d$_" } 2 .. 11)),
    join(' ', (201) x 9, 202), 'uses up nothing');
is(of('orders', POST => '/v1/conversions', { event => 'purchase', amount => 2,
    currency => 'EUR', order_id => "n$_" })->status, 201,
    'an order of nobody is not counted') for 1 .. 12;


# What is counted is the code that is credited.

sub bound {
    my ($program, $id, $customer, @code) = @_;
    my $r = of($program, POST => '/v1/conversions', { event => 'purchase',
        order_id => $id, customer_id => $customer, amount => 1000,
        currency => 'EUR', @code ? (code => @code) : () });

    return join ' ', $r->status, $r->json->{code} // 'none';
}

code('bound', $_) for qw(ANNA42 RIVAL9);
is(bound('bound', 'm1', 'mule', 'ANNA42'), '201 ANNA42', 'binds a customer');
is(bound('bound', 'm2', 'mule'), '201 ANNA42', 'who orders again');
is(bound('bound', 'm3', 'mule'), '202 ANNA42', 'and again: held');
is(bound('bound', "n$_", 'mule', "NOPE$_"), '202 ANNA42',
    'held, with a coupon that is none as well') for 1 .. 3;
is(bound('bound', "r$_", 'mule', 'RIVAL9'), '202 ANNA42',
    'or with that of a rival') for 1 .. 3;
is(bound('bound', 'h1', 'honest', 'RIVAL9'), '201 RIVAL9',
    'whose own events were not counted by that');
is(of('bound', DELETE => '/v1/codes/ANNA42')->status, 204, 'a code ends');
is(bound('bound', 'r4', 'mule', 'RIVAL9'), '201 RIVAL9',
    'who was bound to it is not any more');
is(bound('bound', 'h2', 'other', 'RIVAL9'), '202 RIVAL9', 'and was counted');

code('loose', $_) for qw(ANNA42 BOB42);
is(bound('loose', 'l1', 'mule', 'ANNA42'), '201 ANNA42', 'bound for a second');
sleep 2.1;
is(bound('loose', 'l2', 'mule', 'BOB42'), '201 BOB42', 'and no more');
is(bound('loose', 'l3', 'other', 'BOB42'), '202 BOB42', 'it was counted here');


# What a storefront reports of its visitor: by network too.

sub report {
    my ($ip, $order, $cookie) = @_;
    from($ip, "/orders/a/page?e=purchase;%20order_id=$order",
        Cookie => $cookie);

    for (1 .. 50) {
        my $order = of('orders', GET => "/v1/conversions/$order");
        return join ' ', $order->json->{status}, @{ $order->json->{reasons} }
            if $order->status == 200;
        sleep 0.1;
    }

    return 'nothing';
}

for my $n (1 .. 6) {
    code('orders', "HDR$n");
}

my @cookies = map { cookie(from('192.0.2.9', "/orders/HDR$_")) } 1 .. 6;
my @states = map { report('192.0.2.7', "h$_", $cookies[$_ % 5]) } 1 .. 12;

is(join(', ', @states), join(', ', ('approved') x 10, ('held velocity') x 2),
    'a network has ten orders, of whatever codes');
is(report('192.0.2.7', "h$_", $cookies[0]), 'approved', 'told again')
    for 1 .. 3;
is(report('192.0.2.8', 'h13', $cookies[5]), 'approved',
    'another network has its own');

isnt(report('192.0.2.20', "z$_", ''), 'nothing', 'an order without a code')
    for 1 .. 10;
is(report('192.0.2.20', 'z11', $cookies[5]), 'held velocity',
    'is one of its network');

sub volley {
    my ($code, @orders) = @_;
    my @c = map { $t->connect } @orders;
    my @bytes = map { $c[0]->format('POST', '/api-orders/v1/conversions', {
        'Content-Type' => 'application/json',
        Authorization => "Bearer $t->{token}{admin}",
    }, encode_json({ event => 'purchase', order_id => $_, code => $code,
        amount => 1000, currency => 'EUR' })) } @orders;

    $c[$_]->send(substr $bytes[$_], 0, -1) for 0 .. $#c;
    select undef, undef, undef, 0.05;
    $c[$_]->send(substr $bytes[$_], -1) for 0 .. $#c;

    return map { $_->response('POST') } @c;
}


# ---------------------------------------------------------------- guesses ---

code('guess', 'ANNA42', landing => '/anna');
code('guess', 'GONE42');
is(of('guess', DELETE => '/v1/codes/GONE42')->status, 204, 'one has ended');

my $ip = '203.0.113.66';
my $known = from($ip, '/guess/ANNA42');

is($known->header('Location'), 'https://shop.example/anna', 'a known code');
isnt(cookie($known), '', 'with its cookie');
is(from($ip, '/guess/ANNA42?to=/shoes')->header('Location'),
    'https://shop.example/shoes', 'and a deep link');
is(from($ip, "/guess/$_")->status, 404, "$_ is none")
    for qw(WRONG1 GONE42 WRONG2 WRONG9);
is($t->request(OPTIONS => '/guess/WRONG3', { 'X-Real-IP' => $ip })->status,
    204, 'OPTIONS tells nothing and takes nothing');
is($t->request(HEAD => '/guess/WRONG3', { 'X-Real-IP' => $ip })->status,
    404, 'HEAD does');

is(from($ip, "/guess/$_")->status, 404, "$_ is no guess more")
    for qw(WRONG1 wrong2 GONE42 GONE42 -bad -worse -worst), 'x' x 65;
is(from($ip, "/page/?ref=$_")->status, 200, "nor is ?ref=$_")
    for qw(site.html 1.k1.spoilt.ticket WRONG1), '', map { "nav-$_.html" } 1 .. 6;
is(from($ip, '/guess/ANNA42')->header('Location'),
    'https://shop.example/anna', 'a known code still is one');

is(from($ip, '/guess/WRONG4')->status, 302, 'the sixth is sent to the landing');

my @paths = map { "/guess/$_" } 'ANNA42', 'anna42', 'WRONG1', 'WRONG5', 'GONE42', '-bad',
    'ANNA42?to=/shoes', 'WRONG6?to=/shoes', 'x' x 80;

for my $how ([ 'GET' ], [ 'HEAD' ], [ 'GET', 'Sec-Purpose' => 'prefetch' ],
    [ 'GET', %crawler ], [ 'GET', 'Sec-Fetch-Dest' => 'image' ],
    [ 'GET', 'Sec-GPC' => 1 ])
{
    my ($method, %headers) = @$how;
    my %seen = map { $_ => 1 } map { shown($method, $_, %headers) } @paths;

    is(join("\n", keys %seen), "302\nhttps://shop.example/welcome\n"
        . 'cache-control connection content-length date location server '
        . 'x-robots-tag x-worker', "@$how: all links are answered alike");
}

for my $page ('ANNA42', 'WRONG6', 'GONE42', '-bad') {
    my $r = from($ip, "/page/?ref=$page");
    is(join(' ', $r->status, $r->all('Set-Cookie'), $r->body), '200 a page',
        "?ref=$page is a page");
}

is(from('198.51.100.67', '/guess/WRONG7')->status, 404,
    'another network has a budget of its own');
is(from('198.51.100.67', '/guess/ANNA42')->header('Location'),
    'https://shop.example/anna', 'and its links');
is(classes('guess', 'ANNA42', 23), 'crawler=3 human=4 prefetch=3 probe=3 '
    . 'stuffing=3 suspect=7', 'clicks of the one that guesses are suspect');

my $seen = of('guess', GET => '/v1/journal?type=click&limit=250')->body;
like($seen, qr/"class":"suspect"[^}]*"why":"enumeration"/, 'with the reason');

code('strict', 'Anna');
from('203.0.113.70', "/strict/$_") for qw(anna ANNA);
is(cookie(from('203.0.113.70', '/strict/Anna')) ne '', 1,
    'as many as the budget has change nothing');
from('203.0.113.70', '/strict/anna');
is(cookie(from('203.0.113.70', '/strict/Anna')) ne '', 1, 'nor the same again');
from('203.0.113.70', '/strict/aNNA');
is(cookie(from('203.0.113.70', '/strict/Anna')), '', 'one more does');
is(from('203.0.113.70', '/guess/WRONG8')->status, 404,
    'a program does not know of another one');

# What can be seen of an answer: nothing of it may tell codes apart.

sub shown {
    my ($method, $path, %headers) = @_;
    my $r = $t->request($method, $path, { 'X-Real-IP' => $ip, %headers });
    my @names = sort map { lc $_->[0] } @{ $r->headers };

    return join "\n", $r->status, $r->header('Location') // '', "@names";
}


# ------------------------------------------------------- $referral_client_key

my %key = ('203.0.113.7' => '203.0.113.7', '::ffff:203.0.113.7' =>
    '203.0.113.7', '2001:db8:1:2::1' => '2001:db8:1:2::/64',
    '2001:db8:1:2:ffff::9' => '2001:db8:1:2::/64',
    '2001:db8:1:3::1' => '2001:db8:1:3::/64', '::1' => '::/64');

is(from($_, '/key')->header('X-Key'), "<$key{$_}>", "the key of $_")
    for sort keys %key;

is(from('2001:db8:1:2::1', '/limited')->status, 204, 'a limit by it');
is(from('2001:db8:1:2::2', '/limited')->status, 503, 'holds for a /64');
is(from('2001:db8:1:3::2', '/limited')->status, 204, 'and no other');


# Nothing of an address was written down.

$t->quit;
my ($code, $out) = ($?, qx($Referral::Nginx::BUILD/referralctl verify @{[
    $t->store ]} 2>&1));
is($?, 0, 'verify finds no difference') or diag($out);

my $files = join '', map { slurp($_) } grep { -f } glob $t->store . '/*';

ok(length $files > 10_000, 'there is a store');
is(scalar(grep { index($files, $_) >= 0 } '203.0.113.', '2001:db8',
    "\xcb\x00\x71\x07", "\xcb\x00\x71\x42", "\x20\x01\x0d\xb8\x00\x01\x00\x02",
    'cb007107', '20010db8'), 0, 'no address is in it');

sub slurp {
    my ($file) = @_;
    open my $f, '<:raw', $file or die "$file: $!";
    local $/;
    return <$f> // '';
}

finish();
