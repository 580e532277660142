# The shop in PHP, as its customers use it: links, accounts, orders, orders sent
# back, the page that shows a referrer their progress; and what it does when
# nginx does not answer it.

use strict;
use warnings;
use utf8;

use Digest::SHA qw(hmac_sha256_hex);
use Encode qw(decode_utf8 encode_utf8);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json encode_json);
use Test::More;

use lib 't/lib';
use Referral::Browser;
use Referral::Client qw(request);
use Referral::Example;
use Referral::Nginx timeout => 180;
use Referral::Upstream;
use Referral::Visitor;

my $php = "$Referral::Nginx::ROOT/examples/shop/referral.php";
my @password = (password => 'long enough');

client();
answers();

my $e = Referral::Example->new('shop/run');
my ($port, $dir) = ($e->port, $e->dir);
my ($token) = $e->said =~ /Bearer ([\w-]+)/;
is(scalar(() = $e->said =~ /\n/g), 5, 'the shop says what to try');

my ($anna, $link) = referrer();
my ($code) = $link =~ m{/r/(\w+)$};
my $ben = friend();
second_order();
sent_back();
not_rewarded();
outage();
escaped();
browsers();
ends();

done_testing;


# What referral.php sends, looked at by somebody else.

sub client {
    my $seen = tempdir(CLEANUP => 1) . '/requests';
    my $up = Referral::Upstream->new(sub {
        my ($req) = @_;
        open my $f, '>>', $seen or die "$seen: $!";
        print $f encode_json($req), "\n";
        close $f;
        return (201, [], '{"status":"pending"}');
    });

    my $answer = php($up->port, <<'EOC');
        $m = Referral::event('purchase', '1001', ['amount' => 4999,
            'currency' => 'EUR', 'customer_id' => 'Zoë', 'token' => '']);
        $referral->send($m);
        $referral->send($m);
        $referral->send(Referral::refund('a/b ?', 'r1', 500));
        $referral->send(Referral::refund('1001', 'all'));
        $referral->send(Referral::code('ANNA42', 'u1', 'Anna'));
        $referral->get('/v1/codes/ANNA42');
        return $referral->send(Referral::claim('7'));
EOC

    is_deeply($answer, { status => 201, data => { status => 'pending' } },
        'what was answered');

    my @seen = map { decode_json($_) } split /\n/, slurp($seen);
    is_deeply([map { "$_->{method} $_->{uri}" } @seen],
        ['POST /v1/conversions', 'POST /v1/conversions',
         'POST /v1/conversions/a%2Fb%20%3F/refunds',
         'POST /v1/conversions/1001/refunds', 'PUT /v1/codes/ANNA42',
         'GET /v1/codes/ANNA42', 'POST /v1/rewards/7/claim'], 'what was asked');

    is_deeply(decode_json($seen[0]{body}), { event => 'purchase',
        order_id => '1001', amount => 4999, currency => 'EUR',
        customer_id => 'Zoë' }, 'an event, without what is not known');
    is($seen[1]{body}, $seen[0]{body}, 'the same bytes when it is sent again');
    is_deeply([map { $_->{body} } @seen[2, 3, 6]],
        ['{"refund_id":"r1","amount":500}', '{"refund_id":"all"}', '{}'],
        'a part, the whole, and no fields');

    for my $req (@seen) {
        my %header = map { lc $_->[0] => $_->[1] } @{ $req->{headers} };
        is($header{authorization}, 'Bearer t0ken', "$req->{uri}: token");
        next if $req->{method} eq 'GET';

        is($header{'content-type'}, 'application/json', 'a type');
        my ($t, $mac) = ($header{'referral-signature'} || '')
            =~ /^t=(\d+),v1=([0-9a-f]{64})$/;
        cmp_ok(abs(($t || 0) - time), '<', 30, 'the time');
        is($mac, hmac_sha256_hex("$t.$req->{body}", 's3cret of 16 bytes'),
            'the signature');
    }

    is_deeply(php($up->port, <<'EOC'), ['ANNA42', 't', ''], 'who sent them');
        $_SERVER += ['HTTP_X_REFERRAL_CODE' => 'ANNA42',
            'HTTP_X_REFERRAL_TOKEN' => 't'];
        $v = Referral::visitor();
        return [$v['code'], $v['token'], $v['channel']];
EOC
}


# Which answers are the last word.

sub answers {
    my $up = Referral::Upstream->new(sub {
        my ($req) = @_;
        my ($status) = $req->{body} =~ /"order_id":"(\d+)"/;
        select undef, undef, undef, 3 if $status == 1;
        return ($status, [], $status == 500 ? 'not JSON' : '{}');
    });
    my $send = 'return $referral->send(Referral::event("signup", "%s", []));';

    is_deeply(php($up->port, sprintf $send, $_), { status => $_, data => [] },
        "$_ is an answer") for 200, 201, 202, 400, 404, 409, 413, 422;
    is(php($up->port, sprintf $send, $_), undef, "$_: again")
        for 401, 403, 408, 429, 500, 503;
    is(php($up->port, sprintf $send, 1), undef, 'no answer in time: again');

    $up->stop;
    is(php($up->port, sprintf $send, 200), undef, 'nobody there: again');
}


sub php {
    my ($to, $code) = @_;
    my $file = tempdir(CLEANUP => 1) . '/driver.php';

    open my $f, '>:utf8', $file or die "$file: $!";
    print $f <<EOC;
<?php
require '$php';
\$referral = new Referral('http://127.0.0.1:$to', 't0ken',
    's3cret of 16 bytes', 1);
echo json_encode((function () use (\$referral) { $code })());
EOC
    close $f;

    my $out = `php -d display_errors=stderr '$file' 2>&1`;
    return eval { JSON::PP->new->allow_nonref->decode($out) } // ($out eq 'null'
        ? undef : $out);
}


# Everybody with an account has a link.

sub referrer {
    my $v = Referral::Visitor->new($port);

    is($v->get('/referrals')->status, 200, 'a stranger asks for their link');
    like($v->{page}->body, qr{action="/login"}, 'and may sign in');
    is_deeply($v->cookies, {}, 'nobody has a cookie for looking around');

    $v->get('/register');
    is($v->text('friend'), undef, 'nobody sent this one');
    $v->submit(name => 'A', email => 'anna', @password);
    like($v->{page}->body, qr/class="problem"/, 'an account takes an address');
    $v->submit(name => 'Anna', email => 'Anna@a.example', @password);

    is($v->path, '/referrals', 'a new account leads to the link');
    my $url = $v->text('link');
    like($url, qr{^http://127\.0\.0\.1:$port/r/[0-9A-F]{10}$}, 'to theirs');
    is_deeply(numbers($v), [0, 0, 0, 0], 'nothing yet');

    my $other = Referral::Visitor->new($port);
    $other->get('/register');
    $other->submit(name => 'B', email => 'anna@a.example', @password);
    like($other->{page}->body, qr/class="problem"/, 'an address has one');
    $other->get('/login');
    $other->submit(email => 'anna@a.example', password => 'wrong one');
    like($other->{page}->body, qr/class="problem"/, 'not the right password');
    $other->submit(email => 'anna@a.example', @password);
    is($other->text('link'), $url, 'the same link after signing in');

    return ($v, $url);
}


# From the link to the order.

sub friend {
    my $v = Referral::Visitor->new($port);

    $v->get("/r/$code/mail");
    is($v->path, '/', 'the link leads to the front page');
    ok($v->cookies->{ref_friends}, 'with a cookie');

    $v->get('/checkout/kettle');
    is($v->path, '/register?item=kettle', 'who buys needs an account');
    like($v->text('friend'), qr/\Q$code\E.*10% off/, 'it knows who sent them');
    $v->submit(name => 'Ben', email => 'ben@b.example', @password);

    is($v->path, '/checkout/kettle', 'and goes on to buy');
    like($v->text('welcome'), qr/^10% off/, 'with 10% off');
    is($v->text('price'), '&euro; 44.10', 'of 49.00');

    my @form = form($v);
    $v->get('/checkout/kettle');
    $v->submit;
    is_deeply(orders($v), [['1001', '&euro; 44.10', 'paid']], 'an order');

    $v->post('/checkout/kettle', @form);
    is($v->path, '/checkout/kettle', 'another form with the discount: again');
    is($v->text('price'), '&euro; 49.00', 'with the price of now');
    is(scalar @{ orders($v) }, 1, 'nobody pays what was not shown');

    my $order = shop()->{orders}{1001};
    is($order->{token}, $v->cookies->{ref_friends}, 'the order has the token');

    my $c = api('/v1/conversions/1001');
    is_deeply([@$c{qw(event status code amount currency points)},
        $c->{attribution}{method}],
        ['purchase', 'pending', $code, 4410, 'EUR', 10, 'token'],
        'the order was reported') or diag(explain($c));

    my $signup = api("/v1/conversions/signup-$order->{customer}");
    is_deeply([$signup->{status}, map { @$_{qw(name to value state)} }
        @{ $signup->{rewards} }],
        ['approved', 'welcome', 'friend', '10%', 'claimed'],
        'so was the signup, and that its discount was used')
        or diag(explain($signup));

    progress([1, 1, 1, 15], 'bronze', 'one friend who bought');
    is_deeply(rewards(), [['EUR 5 voucher', 'yours on DAY']], 'a voucher');
    return $v;
}


sub second_order {
    $ben->get('/checkout/kettle');
    is($ben->text('welcome'), undef, 'a discount is for one order');
    my @form = form($ben);
    $ben->submit;
    $ben->post('/checkout/kettle', @form);
    is(scalar @{ orders($ben) }, 2, 'a form that is sent twice is one order');
    is_deeply(orders($ben)->[1], ['1002', '&euro; 49.00', 'paid'], 'not two');
    progress([1, 1, 2, 25], 'bronze', 'a friend who came again');
}


sub sent_back {
    my $carl = Referral::Visitor->new($port);
    $carl->get('/register');
    $carl->submit(name => 'Carl', email => 'carl@c.example', @password);
    is($carl->post('/orders/1001/cancel')->status, 404, 'not somebody else');
    is(Referral::Visitor->new($port)->post('/orders/1001/cancel')->status, 404,
        'and not a stranger');

    is(request($port, POST => '/orders/1001/cancel', {
        'Sec-Fetch-Site' => 'cross-site',
        Cookie => "shop=$ben->{cookies}{shop}",
    }, '')->status, 403, 'nor a form of another site');
    is(shop()->{orders}{1001}{status}, 'paid', 'sends an order back');

    $ben->post('/orders/1001/cancel');
    is(orders($ben)->[0][2], 'cancelled', 'the friend does');
    $ben->post('/orders/1001/cancel');

    my $c = api('/v1/conversions/1001');
    is_deeply([@$c{qw(status amount refunded points)}],
        ['refunded', 4410, 4410, 0], 'which was reported') or diag(explain($c));
    progress([1, 1, 1, 15], 'bronze', 'less one order');
    is_deeply([sort map { $_->[1] } @{ rewards() }],
        ['taken back', 'yours on DAY'], 'and less one voucher');
}


# Robots, nobody's friends, and friends of oneself.

sub not_rewarded {
    my $robot = Referral::Visitor->new($port,
        'User-Agent' => 'Googlebot/2.1 (+http://www.google.com/bot.html)');
    $robot->get("/r/$code");
    is_deeply($robot->cookies, {}, 'a robot gets no cookie');

    my $dora = Referral::Visitor->new($port);
    $dora->get('/register?item=beans');
    $dora->submit(name => 'Dora', email => 'dora@d.example', @password);
    is($dora->text('welcome'), undef, 'no discount without a friend');
    $dora->submit;
    is(api('/v1/conversions/1003')->{status}, 'unattributed', 'nor a reward');

    $anna->get("/r/$code");
    $anna->get('/checkout/cups');
    $anna->submit;
    my $c = api('/v1/conversions/1004');
    is_deeply([@$c{qw(status code points reasons)}],
        ['held', $code, 0, ['self_referral']], 'her own link: held')
        or diag(explain($c));

    ok(wait_for(sub { api("/v1/codes/$code")->{clicks}{classes}{crawler} }, 5),
        'the robot was counted');
    progress([2, 1, 1, 15], 'bronze', 'but not as a person');
}


# nginx does not answer for a while: the shop goes on, and tells it later.

sub outage {
    my @workers = grep { slurp("/proc/$_/cmdline") =~ /nginx: worker/ }
        $e->members;
    cmp_ok(scalar @workers, '>=', 2, 'workers');
    kill STOP => @workers;

    my $shop = Referral::Visitor->new($port + 1,
        'X-Referral-Token' => $ben->cookies->{ref_friends});
    $shop->cookies->{shop} = $ben->cookies->{shop};

    $shop->get('/checkout/beans');
    $shop->submit;
    is_deeply(orders($shop)->[2], ['1005', '&euro; 14.50', 'paid'],
        'an order while nobody listens');
    is(waiting(), 1, 'its report waits');

    $shop->cookies->{shop} = $anna->cookies->{shop};
    $shop->get('/referrals');
    ok(defined $shop->text('later'), 'progress waits, too');
    is($shop->text('link'), $link, 'the link does not');

    kill CONT => @workers;
    ok(wait_for(sub { !waiting() }, 20), 'then it is sent');
    is(api('/v1/conversions/1005')->{status}, 'pending', 'and counts');
    progress([2, 1, 2, 25], 'bronze', 'once, however often it was sent');
}


sub escaped {
    my $name = q{<script>alert(1)</script>"'&amp; Zoë};
    my $v = Referral::Visitor->new($port);

    $v->get('/register');
    my $page = $v->submit(name => encode_utf8($name), email => 'x@x.example',
        @password);
    unlike($page->body, qr/<script|"'/, 'a name is no markup');
    like(decode_utf8($page->body),
        qr/&lt;script&gt;.*&quot;&#039;&amp;amp; Zoë/, 'but a name');
    like($page->header('Content-Security-Policy'), qr/default-src 'none'/,
        'and no script would run');

    my ($mine) = $v->text('link') =~ m{/r/(\w+)$};
    is(api("/v1/codes/$mine")->{name}, $name, 'as nginx was told');

    my $direct = Referral::Visitor->new($port + 1,
        'X-Referral-Code' => '"><i>x');
    unlike($direct->get('/register?item=%22%3E%3Ci%3E')->body, qr/<i>/,
        'nor are headers and arguments');
}


# The same again, in browsers.

sub browsers {
    my $shots = "$Referral::Nginx::BUILD/screenshots";
    mkdir $shots;

    my $friend = Referral::Browser->new;
    $friend->open($link);
    is($friend->url, "http://127.0.0.1:$port/", 'a friend follows the link');
    $friend->screenshot("$shots/shop-front.png");

    $friend->click('a.grinder');
    $friend->click('a.button');
    like($friend->url, qr{/register\?item=grinder$}, 'and buys');
    $friend->type('[name="name"]', 'Zoë');
    $friend->type('[name="email"]', 'zoe@z.example');
    $friend->type('[name="password"]', 'long enough');
    $friend->screenshot("$shots/shop-register.png");
    $friend->click('main button');
    is_deeply([$friend->texts('#price')], ["\x{20ac} 80.10"], 'with 10% off');
    $friend->screenshot("$shots/shop-checkout.png");
    $friend->click('main button');
    is_deeply([$friend->texts('#orders td:nth-child(2)')], ['Hand grinder'],
        'an order');
    $friend->screenshot("$shots/shop-orders.png");

    my $referrer = Referral::Browser->new;
    $referrer->open("http://127.0.0.1:$port/referrals");
    $referrer->type('[name="email"]', 'anna@a.example');
    $referrer->type('[name="password"]', 'long enough');
    $referrer->click('main button');

    is_deeply([map { $referrer->texts("#$_") }
        qw(link clicks friends orders points)], [$link, 3, 2, 3, 40],
        'the referrer sees it');
    is_deeply([$referrer->texts('#tier')], ['bronze'], 'and the tier');
    is_deeply([sort map { day($_) }
        $referrer->texts('#rewards td:nth-child(2)')],
        ['taken back', 'we look into it', ('yours on DAY') x 3],
        'and the rewards');
    $referrer->screenshot("$shots/shop-referrals.png");

    $_->close for $friend, $referrer;
}


sub ends {
    unlike(slurp("$dir/shop.log") . slurp("$dir/outbox.log"),
        qr/PHP (Warning|Notice|Deprecated|Fatal)/, 'PHP had no complaint');
    is_deeply(shop()->{refused}, [], 'nothing that was reported was refused');
    is_deeply([grep { /\[(alert|emerg)\]|Sanitizer|runtime error/ }
        map { split /\n/, slurp($_) } "$dir/error.log",
        glob "$dir/report*"], [], 'nor had nginx');

    my $out = `'$Referral::Nginx::BUILD/referralctl' verify '$dir/store' 2>&1`;
    is($?, 0, 'a recount finds the same') or diag($out);

    cmp_ok(scalar $e->members, '>=', 5, 'the shop is PHP, nginx and an outbox');
    ok($e->interrupt, 'Ctrl-C stops it');
    is($?, 0, 'cleanly');
    ok(wait_for(sub { !$e->members }, 5), 'no process is left');
    ok(!-e "$dir/store", 'nor a file');
}


# -------------------------------------------------------------- looking at it

sub api {
    my ($path) = @_;
    return request($port + 2, GET => $path,
        { Authorization => "Bearer $token" })->json;
}


sub shop {
    return decode_json(slurp("$dir/shop/shop.json"));
}


sub form {
    my ($v) = @_;
    return $v->{page}->body
        =~ /<input type="hidden" name="(\w+)" value="(\w*)">/g;
}


# Without any, PHP writes a list.

sub waiting {
    my $outbox = shop()->{outbox};
    return ref $outbox eq 'HASH' ? scalar keys %$outbox : 0;
}


sub orders {
    my ($v) = @_;
    $v->get('/orders') unless $v->path eq '/orders';
    return [map { [$_->[0], $_->[2], $_->[3]] }
        map { [m{<td>(.*?)</td>}g] } $v->{page}->body =~ m{<tr>(.*?)</tr>}g];
}


# Clicks, friends, orders and points, as Anna sees them; clicks may take a
# moment.

sub numbers {
    my ($v) = @_;
    return [map { $v->text($_) } qw(clicks friends orders points)];
}


sub progress {
    my ($numbers, $tier, $name) = @_;

    wait_for(sub {
        $anna->get('/referrals');
        numbers($anna)->[0] == $numbers->[0]
    }, 5);
    is_deeply(numbers($anna), $numbers,
        "$name: clicks, friends, orders, points");
    is($anna->text('tier'), $tier, "$name: $tier");
}


sub rewards {
    my ($table) = $anna->{page}->body =~ m{<table id="rewards">(.*?)</table>}s;
    return [map { [map { day($_) } m{<td>(.*?)</td>}g] }
        ($table // '') =~ m{<tr>(.*?)</tr>}g];
}


sub day { $_[0] =~ s/\d{4}-\d\d-\d\d$/DAY/r }


sub slurp {
    my ($file) = @_;
    open my $f, '<:raw', $file or return '';
    local $/;
    return scalar(<$f>) // '';
}
