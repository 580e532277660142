# What a referrer sees of the own code: sessions, who is let in by them and for
# how long, the document, and that it holds nothing of a friend.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 180;
use Referral::Signed;

my $web = tempdir(CLEANUP => 1);
chmod 0755, $web;
make_path("$web/progress");

for my $name (qw(index.html app.js app.css icon.svg)) {
    open my $f, '>', "$web/progress/$name" or die $!;
    print $f "the $name";
    close $f;
}

my %secret = map { $_ => "the secret of $_, " x 3 } qw(k1 k2 k3);

sub conf {
    my (%part) = @_;
    $part{$_} //= '' for qw(http server location);
    $part{frame} //= '';

    return <<"EOC";
    referral_web $web;
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%DIR%%/keys;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        param ref;
        bind off;
        event signup points=5;
        event purchase points=10;
        event lease points=1 hold=14d;
        tier bronze 15;
        tier silver 100;
        reward mug to=referrer on=lease "value=a mug";
        reward cash to=referrer on=purchase value=10%;
        reward ten-off to=friend on=signup value=10%;
        reward friend-gift to=friend on=purchase;
    }
    referral_program others {
        link "^/o/(?<code>[A-Za-z0-9]{4,6})\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    referral_program odd {
        link "^/(?:x|y)/(?<code>[A-Z0-9]+)\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    $part{http}
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        $part{server}
        location /welcome { return 200 "\$referral_token"; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /referral-others/ {
            referral_api others token_file=%%TOKENS%%;
        }
        location /referral-odd/ { referral_api odd auth=off; }
        location /odd/ { referral_progress odd; }
        location /mine/ { referral_progress friends $part{frame}; }
        location /theirs/ { referral_progress others; }
        location /closed/ { referral_progress friends; deny all; }
        location = /within.html { ssi on; }
        location /x/ { $part{location} }
    }
EOC
}

my $t = Referral::Nginx->new(conf => conf());

sub keys_file {
    my ($node, @lines) = @_;
    my $file = $node->dir . '/keys';
    open my $f, '>', $file or die "$file: $!";
    chmod 0600, $file;
    print $f map { my ($kid, @more) = split ' ';
        join(' ', "$kid:" . encode_base64($secret{$kid}, ''), @more) . "\n"
    } @lines;
    close $f;
}

keys_file($t, 'k1');
$t->start;

sub problem {
    my ($r, $status, $code, $name) = @_;
    is($r->status, $status, "$name: $status") or diag($r->body);
    is($r->header('Content-Type'), 'application/problem+json',
        "$name: a problem");
    is($r->json->{code}, $code, "$name: $code");
    is($r->header('Cache-Control'), 'no-store', "$name: is not kept");
    return $r->json;
}

sub session {
    my ($code, $body, %more) = @_;
    return $t->api(POST => "/v1/codes/$code/session", $body, %more);
}

sub token { return session(@_)->json->{token} }

sub data {
    my ($token, %more) = @_;
    my $place = delete $more{place} || '/mine';
    my $method = delete $more{method} || 'GET';
    return $t->request($method, "$place/data",
        { ($token ? (Authorization => "Bearer $token") : ()), %more });
}

# What the module would sign; any part may be another.

sub mint {
    my (%part) = (kid => 'k1', code => 'ANNA42', ttl => 900, time => time,
        click => '', purpose => 'session', program => 'friends', more => '',
        @_);
    my $text = join('.', 1, $part{kid}, base36($part{time}), $part{code},
        $part{ttl}, $part{click}) . $part{more};

    return signed($text, $secret{$part{secret} || $part{kid}},
        @part{qw(purpose program)});
}


# ------------------------------------------------------------------ a store --

$t->api(PUT => "/v1/codes/$_->[0]", { owner => $_->[1], name => $_->[2] })
    for ['ANNA42', 'owner-1', 'Anna'], ['BOB7', 'owner-2', undef];
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'owner-1' },
    prefix => '/referral-others');

my $click = $t->get('/r/ANNA42/wa');
my $cookie = $click->header('Set-Cookie') =~ s/;.*//sr;
my $visitor = $t->get('/welcome', Cookie => $cookie)->body;
$t->get('/r/ANNA42', 'User-Agent' => 'Googlebot/2.1');

my $orders = 0;

sub event {
    my ($event, %more) = @_;
    my $r = $t->api(POST => '/v1/conversions', { event => $event,
        order_id => 'secret-order-' . ++$orders, code => 'ANNA42',
        customer_id => "secret-friend-$orders", %more });
    die $r->body if $r->status !~ /^20/;
    return $r->json;
}

event('signup', code => undef, token => $visitor);
event('signup');
event('purchase', amount => 4999, currency => 'EUR');
my $second = event('purchase', amount => 1000, currency => 'EUR');
my $gone = event('purchase', amount => 700, currency => 'EUR');
event('lease');
event('purchase', customer_id => 'owner-1', amount => 50, currency => 'EUR');
event('purchase', code => 'BOB7', amount => 99999, currency => 'USD');

$t->api(POST => "/v1/conversions/$gone->{order_id}/refunds",
    { refund_id => 'secret-refund', reason => 'secret-reason' });
my ($cash) = grep { $_->{name} eq 'cash' } @{ $second->{rewards} };
$t->api(POST => "/v1/rewards/$cash->{id}/claim",
    { reason => 'secret-decision' });
ok(wait_for(sub { $t->api(GET => '/v1/codes/ANNA42')->json
    ->{clicks}{total} == 2 }, 5), 'clicks are counted');


# ------------------------------------------------------------------ sessions --

my $r = session('ANNA42');
my $s = $r->json;

is($r->status, 201, 'a session');
is_deeply([sort keys %$s], [qw(expires_at token)], 'a token and its end');
like($s->{token}, qr/^1\.k1\.[0-9a-z]+\.ANNA42\.900\.\.[\w-]{22}$/,
    'of the code');
is($r->header('Cache-Control'), 'no-store', 'which nobody keeps');

sub lives {
    my ($answer) = @_;
    my ($y, $m, $d, $h, $min, $sec) = $answer->json->{expires_at}
        =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)Z$/ or return -1;
    require Time::Local;
    return Time::Local::timegm($sec, $min, $h, $d, $m - 1, $y) - time;
}

cmp_ok(abs(lives($r) - 900), '<=', 2, 'for a quarter of an hour');
cmp_ok(abs(lives(session('ANNA42', { ttl => $_ })) - $_), '<=', 2,
    "for $_ seconds") for 60, 3600, 86400;
cmp_ok(abs(lives(session('ANNA42', { ttl => undef })) - 900), '<=', 2,
    'null is not told');
like(token('anna42'), qr/\.ANNA42\./, 'as it is written, however it is asked');

for my $bad (59, 86401, 0, -1, '"900"', '900.5', '1e3', 'true', '[]',
    '99999999999999999999')
{
    my $p = problem(session('ANNA42', qq({"ttl":$bad}), headers =>
        { 'Content-Type' => 'application/json' }), 422, 'invalid_fields',
        "ttl $bad");
    is($p->{errors}[0]{field}, 'ttl', "ttl $bad: is named");
}

problem(session('ANNA42', { time => 1 }), 422, 'invalid_fields', 'a field');
is(session('ANNA42', '{"ttl":', headers =>
    { 'Content-Type' => 'application/json' })->status, 400, 'no JSON');
problem(session('NONE'), 404, 'code_not_found', 'a code that is none');
problem(session('A.B'), 404, 'code_not_found', 'nor could be');
problem(session('ANNA42', undef, headers => { Authorization => undef }), 401,
    'unauthorized', 'nobody');
problem(session('ANNA42', undef, headers => { Authorization =>
    "Bearer $t->{token}{read}" }), 403, 'forbidden', 'who may only read');
problem(session('ANNA42', undef, headers => { 'Sec-Fetch-Site' =>
    'cross-site' }), 403, 'cross_site', 'a page of another site');

$r = $t->api(GET => '/v1/codes/ANNA42/session');
problem($r, 405, 'method_not_allowed', 'a session is not read');
is($r->header('Allow'), 'POST', 'but made');


# -------------------------------------------------------------- the document --

my $today = strftime('%Y-%m-%dT00:00:00Z', gmtime);
my $later = strftime('%Y-%m-%dT00:00:00Z', gmtime(time + 14 * 86400));
my $answer = data($s->{token});
my $doc = $answer->json;
my $as_of = delete $doc->{as_of};

is($answer->status, 200, 'the document');
is_deeply([map { $answer->header($_) } 'Content-Type', 'Cache-Control',
        'X-Content-Type-Options', 'ETag', 'Set-Cookie',
        'Access-Control-Allow-Origin', 'Vary'],
    ['application/json', 'no-store', 'nosniff', (undef) x 4], 'its headers');
like($as_of, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'of when');
is(delete $doc->{link}, 'http://127.0.0.1:' . $t->port . '/r/ANNA42',
    'the link');

is_deeply($doc, {
    program => 'friends', code => 'ANNA42', name => 'Anna',
    status => 'active',
    clicks => { human => 1, unique => 1 },
    friends => { signup => 2, purchase => 2, lease => 1 },
    points => 31,
    tier => { name => 'bronze', next => 'silver', remaining => 69,
        ladder => [
            { name => 'bronze', points => 15, reached => JSON::PP::true },
            { name => 'silver', points => 100, reached => JSON::PP::false },
        ] },
    rewards => [
        { name => 'cash', state => 'held', value => '10%', amount => 5,
            currency => 'EUR', created_at => $today, approves_at => $today,
            claimed_at => undef },
        { name => 'mug', state => 'pending', value => 'a mug',
            amount => undef, currency => undef, created_at => $today,
            approves_at => $later, claimed_at => undef },
        { name => 'cash', state => 'void', value => '10%', amount => 0,
            currency => 'EUR', created_at => $today, approves_at => undef,
            claimed_at => undef },
        { name => 'cash', state => 'claimed', value => '10%', amount => 100,
            currency => 'EUR', created_at => $today, approves_at => $today,
            claimed_at => $today },
        { name => 'cash', state => 'approved', value => '10%',
            amount => 499, currency => 'EUR', created_at => $today,
            approves_at => $today, claimed_at => undef },
    ],
    amounts => { EUR => { pending => 0, held => 5, approved => 499,
        claimed => 100, paid => 100, owed => 0, payable => 499 } },
}, 'all that it says') or diag(explain($doc));

is_deeply($t->api(GET => '/v1/codes/ANNA42')->json->{amounts},
    $doc->{amounts}, 'amounts as in the answer to the shop');

# The store has all of it, and so has the answer to the shop.

my $shop = $t->api(GET => '/v1/rewards?code=ANNA42')->body
    . $t->api(GET => "/v1/conversions/$gone->{order_id}")->body;

for my $secret (qw(secret-order secret-friend secret-decision owner-1),
    'ten-off', 'friend-gift')
{
    like($shop, qr/$secret/, "the shop is told of $secret");
    unlike($answer->body, qr/$secret/, "the referrer is not");
}

unlike($answer->body, qr/secret|"id"|order|customer|click_id|reason/,
    'nor by any other name');
unlike($answer->body, qr/T(?!00:00:00Z)(?!\Q@{[ substr $as_of, 11 ]}\E)\d\d:/,
    'no time but of days, and its own');

is_deeply([@{ data(token('BOB7'))->json }{qw(code name points)}],
    ['BOB7', undef, 10], 'another code has its own');

my $empty = data($t->api(POST => '/v1/codes/ANNA42/session', undef,
    prefix => '/referral-others')->json->{token}, place => '/theirs')->json;
delete $empty->{as_of};
is_deeply($empty, { program => 'others', code => 'ANNA42', name => undef,
    link => 'http://127.0.0.1:' . $t->port . '/o/ANNA42',
    status => 'active', clicks => { human => 0, unique => 0 }, friends => {},
    points => 0, tier => { name => undef, next => undef, remaining => undef,
        ladder => [] }, rewards => [], amounts => {} },
    'a code with nothing');


$t->api(PUT => '/v1/codes/ANNA42', { owner => 'owner-1' },
    prefix => '/referral-odd');
$t->api(PUT => '/v1/codes/toolong', { owner => 'owner-1' },
    prefix => '/referral-others');
is(data($t->api(POST => '/v1/codes/toolong/session', undef,
    prefix => '/referral-others')->json->{token}, place => '/theirs')
    ->json->{link}, undef, 'nor is there a link that takes no such code');
ok(exists $_->{link} && !defined $_->{link}, 'a program without a link to share')
    for data($t->api(POST => '/v1/codes/ANNA42/session', undef,
        prefix => '/referral-odd')->json->{token}, place => '/odd')->json;


# ------------------------------------------------------------ who is let in --

is(data(mint())->status, 200, 'what the test signs is as good');
is(data($s->{token}, Authorization => "bearer  $s->{token}")->status, 200,
    'the scheme in any case');

my $now = time;
my %wrong = (
    'none at all'                 => undef,
    'of another program'          => mint(program => 'others'),
    'of another purpose: cookie'  => mint(purpose => 'cookie'),
    'of another purpose: link'    => mint(purpose => 'link'),
    'of an unknown key'           => mint(kid => 'k2'),
    'with another key of that id' => mint(secret => 'k2'),
    'a cookie of a visitor'       => $visitor,
    'a token of the endpoint'     => $t->{token}{admin},
    'without an end'              => mint(ttl => ''),
    'with an end that is none'    => mint(ttl => '9x'),
    'that lives for too long'     => mint(ttl => 86401),
    'that lives for ever'         => mint(ttl => '9999999999999999'),
    'that lives for too short'    => mint(ttl => 59),
    'with a click'                => mint(click => '0Fz3kq9TzC2m'),
    'with two touches'            => mint(more => '.' . base36($now - 9)
        . '.ANNA42.900.'),
    'of the future'               => mint(time => $now + 310),
    'cut'                         => substr($s->{token}, 0, -1),
    'longer'                      => "$s->{token}A",
    'of another code'             => $s->{token} =~ s/ANNA42/BOB7/r,
    'with a longer life'          => $s->{token} =~ s/\.900\./.9000./r,
    'empty'                       => ' ',
    'far too long'                => 'x' x 4000,
);

my %said;

for my $name (sort keys %wrong) {
    my $answer = data($wrong{$name});
    problem($answer, 401, 'unauthorized', "a token $name");
    is($answer->header('WWW-Authenticate'), 'Bearer', "$name: what it takes");
    $said{$answer->body}++;
}

is(keys %said, 1, 'which is told of none of them');

my $bits = 0;

for my $i (0 .. length($s->{token}) - 1) {
    my $bad = $s->{token};
    substr($bad, $i, 1) = substr($bad, $i, 1) eq 'A' ? 'B' : 'A';
    $bits++ if data($bad)->status != 401;
}

is($bits, 0, 'no character can be another');

problem(data(mint(time => time - 900)), 401, 'session_expired', 'to the second');
is(data(mint(time => time - 890))->status, 200, 'not before');
problem(data(mint(time => time - 60, ttl => 60)), 401, 'session_expired',
    'a short one');
is(data(mint(time => time - 86390, ttl => 86400))->status, 200, 'a long one');
problem(data(mint(time => time - 86400, ttl => 86400)), 401,
    'session_expired', 'a long one, to the second');
is(data(mint(time => time + 290))->status, 200, 'a clock that is ahead');

is($t->get("/mine/data?token=$s->{token}")->status, 401, 'not in a query');
is($t->get("/mine/data?$s->{token}", Cookie => "token=$s->{token}")->status,
    401, 'nor in a cookie');
is(data(undef, Authorization => 'Basic ' . encode_base64("x:$s->{token}", ''))
    ->status, 401, 'nor in another scheme');
is(data($s->{token}, Authorization => ["Bearer $s->{token}", 'Bearer x'])
    ->status, 400, 'nor twice');
is($t->api(GET => '/v1/codes/ANNA42', undef, headers =>
    { Authorization => "Bearer $s->{token}" })->status, 401,
    'it opens nothing else');
is($t->get('/welcome', Cookie => ($cookie =~ s/=.*//r) . "=$s->{token}")->body,
    '', 'and is no cookie');


# ------------------------------------------------------------- as a location --

for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
    $r = data($s->{token}, method => $method,
        Origin => 'https://evil.example');
    problem($r, 405, 'method_not_allowed', "$method data");
    is($r->header('Allow'), 'GET, HEAD', "$method data: which are");
    is_deeply([grep { $_->[0] =~ /^Access-Control/i } @{ $r->headers }], [],
        "$method data: nothing for other origins");
}

$r = data($s->{token}, method => 'HEAD');
is_deeply([$r->status, $r->body], [200, ''], 'HEAD data');
is($t->get('/mine/')->body, 'the index.html', 'its page');
is($t->get('/mine/data/', Authorization => "Bearer $s->{token}")->status, 404,
    'nothing below');
is(data($s->{token}, place => '/closed')->status, 403, 'access rules hold');

open my $f, '>', $t->dir . '/html/within.html' or die $!;
print $f '[<!--# include virtual="/mine/data" -->]';
close $f;

$r = $t->get('/within.html', Authorization => "Bearer $s->{token}");
is($r->status, 200, 'a page that wants it inside');
unlike($r->body, qr/ANNA42|program/, 'does not get it');

is_deeply([$t->get('/mine/data?ref=BOB7', Authorization =>
        "Bearer $s->{token}")->status], [200], 'it has no links');


# -------------------------------------------------------------------- rewards --

for (1 .. 60) {
    event('purchase', amount => 100 * $_, currency => 'EUR');
    event('lease');
}

my @rewards = @{ data($s->{token})->json->{rewards} };

is(@rewards, 100, 'a hundred rewards at most');
is_deeply([map { $_->{amount} // 'a mug' } @rewards[0 .. 4, 99]],
    ['a mug', 600, 'a mug', 590, 'a mug', 110], 'the latest first');


# ----------------------------------------------------------- the end of a code --

$t->api(PUT => '/v1/codes/BOB7', { status => 'paused' });
my $bob = token('BOB7');
is(data($bob)->json->{status}, 'paused', 'a code that is paused says so');
$t->api(DELETE => '/v1/codes/BOB7');
problem(data($bob), 404, 'code_not_found', 'one that has ended is not shown');
problem(session('BOB7'), 409, 'code_ended', 'and gets no session');


# ----------------------------------------------------------------------- keys --

keys_file($t, 'k2', 'k1');
$t->reload;
is(data($s->{token})->status, 200, 'a rotation: sessions go on');
like(token('ANNA42'), qr/^1\.k2\./, 'with the new key from then on');

keys_file($t, 'k2');
$t->reload;
problem(data($s->{token}), 401, 'unauthorized', 'until the key goes');

my $base = time;
my $then = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($base - 100));
keys_file($t, 'k3', "k2 not_before=$then");
$t->reload;
is(data(mint(kid => 'k2', time => $base - 90))->status, 200,
    'a key that counts since then');
problem(data(mint(kid => 'k2', time => $base - 110)), 401, 'unauthorized',
    'and not before');


# -------------------------------------------------------- without the store --

my $live = token('ANNA42');

$t->allow(qr/./);
$t->quit;
open $f, '>', $t->store . '/data.mdb' or die $!;
print $f 'x' x 65536;
close $f;
$t->start;

$r = data($live);
problem($r, 503, 'store_unavailable', 'a store that cannot be read');
is($r->header('Retry-After'), 1, 'try again');
problem(session('ANNA42'), 503, 'store_unavailable', 'and no session');
is($t->get('/mine/')->status, 200, 'the page is there');
problem(data("$live-"), 401, 'unauthorized', 'who is not let in is not told');


# ---------------------------------------------------------------- nginx -t --

sub wrong {
    my ($sentence, $line, %part) = @_;
    my $c = Referral::Nginx->new(conf => conf(%part,
        location => $line));
    keys_file($c, 'k1');
    my ($code, $out) = $c->check;
    my @emerg = $out =~ /^.*\[emerg\].*$/mg;

    return is($code, 0, "right: $line") || diag($out) unless $sentence;

    ok($code != 0 && @emerg == 1 && $emerg[0] =~ $sentence
        && $emerg[0] =~ m{ in /\S+/nginx\.conf:\d+$}, "wrong: $line")
        or diag("status $code, expected $sentence\n$out");
}

wrong(undef, 'referral_progress friends;');
wrong(undef, 'referral_progress friends frame=https://a.example'
    . ' frame=http://localhost:3000;');
wrong(qr/invalid number of arguments/, 'referral_progress;');
wrong(qr/unknown referral program "none", declare it/,
    'referral_progress none;');
wrong(qr/is duplicate/, 'referral_progress friends; referral_progress friends;');
wrong(qr/"referral_api" cannot be in one location with "referral_progress"/,
    'referral_progress friends; referral_api friends auth=off;');
wrong(qr/"referral_progress" cannot be in one location with "referral_api"/,
    'referral_api friends auth=off; referral_progress friends;');
wrong(qr/invalid parameter "on", it must be "frame=origin"/,
    'referral_progress friends on;');
wrong(qr/"frame=" takes an origin as "https:\/\/shop\.example", and "\Q$_\E" /,
    qq(referral_progress friends "frame=$_";))
    for '', '*', 'https:', 'https://', 'https://*.shop.example',
    'https://shop.example/', 'https://shop.example/x', 'shop.example',
    "https://a.example; script-src *", "https://a.example https://b.example",
    'https://u@shop.example', 'https://shop.example?x', 'ftp://shop.example',
    '//shop.example', 'null', "'self'";
wrong(qr/"referral_progress" must be in a location given by a prefix/, '',
    server => $_) for
    'location /y { referral_progress friends; }',
    'location = /y/ { referral_progress friends; }',
    'location ~ ^/y/ { referral_progress friends; }',
    'location @y { referral_progress friends; }';
wrong(qr/directive is not allowed here/, '',
    server => 'referral_progress friends;');

finish();
