# Counters and clicks, as the endpoint tells them.

use strict;
use warnings;

use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=50ms;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:/(?<channel>[a-z0-9]{1,16}))?$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        reward mug to=referrer on=purchase value=mug;
        reward ten to=friend on=signup value=ten;
    }
    referral_program empty {
        link "^/e/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})$";
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

sub counters {
    my ($query, %opt) = @_;
    return $t->api(GET => "/v1/counters?$query", undef, %opt);
}

sub data { return decode_json(counters(@_)->body) }

sub wait_total {
    my ($want) = @_;
    return wait_for(sub { data('')->{data}[0]{clicks}{total} >= $want }, 10);
}


# Six clicks: ANNA three by a person (two of them the same), one preview;
# BOB one by a person; one of a code that is unknown.

my %preview = ('User-Agent' => 'WhatsApp/2.23.20.0', Accept => '*/*',
    map { $_ => undef } qw(Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-User
    Sec-Fetch-Dest));
my %safari = ('User-Agent' => 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)'
    . ' AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148'
    . ' Safari/604.1');

$t->api(PUT => "/v1/codes/$_", { owner => $_ }) for qw(ANNA BOB CARL);

# All within one hour.

sleep 3600 - time % 3600 if time % 3600 > 3580;

my $day = strftime('%Y-%m-%d', gmtime);
my $hour = strftime('%Y-%m-%dT%H:00:00Z', gmtime);
my $click = $t->get('/r/ANNA/wa');

ok(wait_total(1), 'the first click, which is the unique one, is counted');
$t->get('/r/ANNA');
$t->get('/r/anna', %safari);
$t->get('/r/ANNA/wa', %preview);
$t->get('/r/BOB/mail', %safari);
$t->get('/r/NOBODY');

ok(wait_total(6), 'the clicks are counted');

my %all = (total => 6, human => 4, unique => 3,
    classes => { human => 4, preview => 1, unknown => 1 });
my %anna = (total => 4, human => 3, unique => 2,
    classes => { human => 3, preview => 1 });
my %bob = (total => 1, human => 1, unique => 1, classes => { human => 1 });

my %head = (program => 'friends', code => undef, by => undef, from => undef,
    to => undef, next => undef);

is_deeply(data(''), { %head, data => [{ clicks => \%all }] }, 'the total');
is_deeply(data('code=anna'), { %head, code => 'ANNA',
    data => [{ clicks => \%anna }] }, 'the total of a code');
is_deeply(data('code=CARL')->{data}[0]{clicks}, { total => 0, human => 0,
    unique => 0, classes => {} }, 'of a code without clicks');
is_deeply(decode_json($t->api(GET => '/v1/codes/ANNA')->body)->{clicks}, \%anna,
    'the same with the code');
is_deeply(data('', prefix => '/empty')->{data}[0]{clicks}{total}, 0,
    'another program');

is_deeply(data('by=day'), { %head, by => 'day',
    data => [{ day => $day, clicks => \%all, events => {} }] }, 'by day');
is_deeply(data('by=day&code=ANNA')->{data}, [{ day => $day, clicks => \%anna,
    events => {} }],
    'by day, of a code');
is_deeply(data('by=hour')->{data}, [{ hour => $hour, clicks => \%all }], 'by hour');

is_deeply([sort { $a->{code} cmp $b->{code} } @{ data('by=code')->{data} }],
    [{ code => 'ANNA', clicks => \%anna }, { code => 'BOB', clicks => \%bob }],
    'by code');

sub by_key {
    my ($key, $query) = @_;
    my %rows = map { (defined $_->{$key} ? $_->{$key} : '-') => $_->{clicks}{total} }
        @{ data("by=$key$query")->{data} };
    return \%rows;
}

is_deeply(by_key(channel => ''), { wa => 2, mail => 1, '-' => 3 }, 'by channel');
is_deeply(by_key(channel => '&code=ANNA'), { wa => 2, '-' => 2 },
    'by channel, of a code');
is_deeply(by_key(landing => '&code=BOB'), { '/welcome' => 1 }, 'by landing');

my %class = %{ by_key(class => '') };
is_deeply(\%class, { (map { $_ => 0 } qw(human crawler preview prefetch scanner
    stuffing probe suspect self unknown inactive)), %{ $all{classes} } },
    'by class, all of them');
is_deeply(by_key(class => "&from=$day"), \%class, 'by class, since today');

my $sum = 0;
$sum += $_ for values %class;
is($sum, $all{total}, 'the sum of the classes is the total');


# Ranges.

my $yesterday = strftime('%Y-%m-%d', gmtime(time - 86400));
my $tomorrow = strftime('%Y-%m-%d', gmtime(time + 86400));
my $old = strftime('%Y-%m-%d', gmtime(time - 399 * 86400));

for (["from=$day&to=$day", $day, $day, 6], ["from=$day", $day, $day, 6],
    ["to=$day", $old, $day, 6], ["from=$yesterday&to=$yesterday", $yesterday,
    $yesterday, 0], ["to=$yesterday", strftime('%Y-%m-%d', gmtime(time - 400 * 86400)),
    $yesterday, 0], ["from=$tomorrow&to=$tomorrow", $tomorrow, $tomorrow, 0],
    ["from=$old&to=$day", $old, $day, 6], ['from=2000-02-29&to=2000-03-01',
    '2000-02-29', '2000-03-01', 0], ['from=2024-02-29&to=2024-12-31T23:59:60Z',
    '2024-02-29', '2024-12-31', 0], ['from=2026-01-01T00:30:00%2B01:00&to=2026-01-01',
    '2025-12-31', '2026-01-01', 0], ['from=2026-01-01T23:30:00.25-01:00'
    . '&to=2026-01-02t00:00:00z', '2026-01-02', '2026-01-02', 0],
    ['from=2026-01-01T23:59:00-23:59&to=2026-01-02', '2026-01-02', '2026-01-02', 0],
    ['from=2026-01-01T00:00:00%2B23:59&to=2026-01-02', '2025-12-31', '2026-01-02', 0])
{
    my ($query, $from, $to, $total) = @$_;
    my $d = data($query);
    is_deeply([@$d{qw(from to)}, $d->{data}[0]{clicks}{total}], [$from, $to, $total],
        $query);
    is(scalar @{ data("by=day&$query")->{data} }, $total ? 1 : 0, "by day: $query");
}

is_deeply(data("by=code&from=$yesterday&to=$yesterday")->{data}, [],
    'by code, of a day without clicks');
is(scalar @{ data("by=code&from=$day")->{data} }, 2, 'by code, of this day');


# Pages.

for my $by (qw(code channel)) {
    my (@rows, $after);

    do {
        my $d = data("by=$by&limit=1" . ($after ? "&after=$after" : ''));
        is(scalar @{ $d->{data} }, 1, "by $by: a page of one");
        push @rows, @{ $d->{data} };
        $after = $d->{next};
    } while ($after && @rows < 5);

    is_deeply(\@rows, data("by=$by")->{data}, "by $by: all pages are the whole");
}


# The largest: most human clicks first, then most clicks, then by name.

sub top {
    my ($query) = @_;
    my $d = data($query);
    return join ' ', map { ($_->{code} || $_->{channel} || $_->{landing} || '-')
        . ":$_->{clicks}{human}/$_->{clicks}{total}" } @{ $d->{data} },
        $d->{next} // ();
}

is(top('by=code&top=50'), 'ANNA:3/4 BOB:1/1', 'top codes');
is(top('by=code&top=1'), 'ANNA:3/4', 'the first');
is(top("by=code&top=2&from=$day"), 'ANNA:3/4 BOB:1/1', 'of this day');
is(top("by=code&top=2&to=$yesterday"), '', 'of days without any');
is(top('by=channel&top=3'), '-:2/3 wa:1/2 mail:1/1', 'top channels');
is(top('by=channel&top=2'), '-:2/3 wa:1/2', 'two of them');
is(top('by=channel&top=1&code=BOB'), 'mail:1/1', 'of a code');
is(top('by=landing&top=9'), '/welcome:4/5 -:0/1', 'top landings');
is_deeply(data('by=code&top=2'), { %head, by => 'code', data => [
    { code => 'ANNA', clicks => \%anna }, { code => 'BOB', clicks => \%bob }] },
    'all of it');
is_deeply(data('by=code&top=9', prefix => '/empty')->{data}, [],
    'of a program without codes');
is($t->api(HEAD => '/v1/counters?by=code&top=2')->status, 200, 'HEAD');

{
    my $r = counters('by=code&top=2');
    is($r->header('Cache-Control'), 'no-cache', 'top codes: to be revalidated');
    is(counters('by=code&top=2', headers => { 'If-None-Match' => $r->header('ETag') })
        ->status, 304, 'top codes: nothing happened');
}


# What is not understood.

for (['top=1', 'top'], ['by=day&top=1', 'top'], ['by=code&top=0', 'top'],
    ['by=code&top=51', 'top'], ['by=code&top=x', 'top'],
    ['by=code&top=1&limit=1', 'top'], ['by=code&top=1&after=1', 'top'],
    ['by=events', 'by'], ['by=', 'by'], ['by=DAY', 'by'],
    ['by=hour&code=ANNA', 'by'], ['by=code&code=ANNA', 'by'], ['from=x', 'from'],
    ['to=x', 'to'], ['from=2026-02-29', 'from'], ['from=2026-13-01', 'from'],
    ['from=2026-00-01', 'from'], ['from=2026-01-00', 'from'],
    ['from=2026-04-31', 'from'], ['from=1999-12-31', 'from'],
    ['from=2100-02-29', 'from'], ['from=2026-1-1', 'from'], ['from=20260101', 'from'],
    ['from=2026-01-01T', 'from'], ['from=2026-01-01T00:00:00', 'from'],
    ['from=2026-01-01T24:00:00Z', 'from'], ['from=2026-01-01T00:60:00Z', 'from'],
    ['from=2026-01-01T00:00:61Z', 'from'], ['from=2026-01-01T00:00Z', 'from'],
    ['from=2026-01-01T00:00:00.Z', 'from'], ['from=2026-01-01T00:00:00Zx', 'from'],
    ['from=2026-01-01T00:00:00%2B24:00', 'from'],
    ['from=2026-01-01T00:00:00%2B0100', 'from'], ['from=2026-01-01x', 'from'],
    ['from=2026-01-01 00:00:00Z' =~ s/ /%20/r, 'from'], ['to=2026-01-01T0', 'to'],
    ["from=$day&to=$yesterday", 'to'], ['from=2024-01-01&to=2025-02-04', 'to'],
    ['limit=0', 'limit'], ['after=0', 'after'], ['after=x', 'after'],
    ['after=99999999999', 'after'])
{
    my ($query, $field) = @$_;
    my $r = counters($query);
    is($r->status, 422, "?$query: 422");
    is_deeply([map { $_->{field} } @{ decode_json($r->body)->{errors} }], [$field],
        "?$query: names $field");
}

is(counters('from=2024-01-01&to=2025-02-03')->status, 200, '400 days');
is(counters('code=NOBODY')->status, 404, 'an unknown code');
is(counters('code=a.b')->status, 404, 'what is no code');
is(counters('owner=u1')->status, 400, 'an unknown parameter');


# ETag.

my $r = counters('by=day');
my $etag = $r->header('ETag');
my %if = (headers => { 'If-None-Match' => $etag });

is($r->header('Cache-Control'), 'no-cache', 'to be revalidated');
is(counters('by=day', %if)->status, 304, 'nothing happened');
$t->get('/r/ANNA');
ok(wait_total(7), 'another click');
is(counters('by=day', %if)->status, 200, 'another ETag');
isnt(counters("from=$day")->header('ETag'), counters("from=$day&to=$day")
    ->header('ETag'), 'a range that ends today has another tomorrow');


# Events and currencies.

is_deeply(data('by=event')->{data}, [], 'no events');
is_deeply(data('by=currency')->{data}, [], 'no amounts');

my $orders = 0;

for (['ANNA', 'purchase', 4999, 'EUR'], ['ANNA', 'purchase', 501, 'EUR'],
    ['BOB', 'purchase', 300, 'JPY'], ['ANNA', 'signup'], [undef, 'purchase', 1, 'EUR'],
    ['ANNA', 'signup', 9, 'BHD'])
{
    my ($code, $event, $amount, $currency) = @$_;
    is($t->api(POST => '/v1/conversions', { event => $event, order_id => 'o' . ++$orders,
        $code ? (code => $code) : (), $amount ? (amount => $amount,
        currency => $currency) : () })->status, 201, "order $orders");
}

is($t->api(POST => '/v1/conversions/o1/refunds', { refund_id => 'r', amount => 999 })
    ->status, 201, 'a part is refunded');
is($t->api(POST => '/v1/conversions/o2/refunds', { refund_id => 'r' })->status, 201,
    'another order as a whole');

sub row {
    my %row = ((map { $_ => 0 } qw(count pending approved held refunded unattributed
        rejected points)), @_);
    return \%row;
}

my $signup = row(event => 'signup', count => 2, approved => 2,
    amounts => { BHD => { count => 1, gross => 9, refunded => 0 } });
my $purchase = row(event => 'purchase', count => 4, approved => 2, refunded => 1,
    unattributed => 1, amounts => { EUR => { count => 3, gross => 5501,
    refunded => 1500 }, JPY => { count => 1, gross => 300, refunded => 0 } });

sub by_event {
    return [sort { $a->{event} cmp $b->{event} } @{ data("by=event$_[0]")->{data} }];
}

my @events = ({ %$purchase, unattributed_amounts => { EUR => { count => 1, gross => 1,
    refunded => 0 } } }, { %$signup, unattributed_amounts => {} });

is_deeply(by_event(''), \@events, 'by event');
is_deeply(by_event("&from=$day&to=$day"), \@events, 'by event, of today');
is_deeply(by_event("&from=$yesterday&to=$yesterday"), [], 'by event, of yesterday');
is_deeply(by_event('&code=BOB'), [row(event => 'purchase', count => 1, approved => 1,
    amounts => { JPY => { count => 1, gross => 300, refunded => 0 } })],
    'by event, of a code');

my %days = (purchase => { count => 4, counted => 2 }, signup => { count => 2,
    counted => 2 });

is_deeply(data('by=day')->{data}[0]{events}, \%days, 'events by day');
is_deeply(data('by=day&code=BOB')->{data}[0]{events}, { purchase => { count => 1,
    counted => 1 } }, 'events by day, of a code');
is($t->api(PUT => '/v1/codes/EVE', { owner => 'u9' })->status, 201, 'another code');
is($t->api(POST => '/v1/conversions', { event => 'signup', order_id => 'o7',
    code => 'EVE' })->status, 201, 'that nobody has clicked');
is_deeply(data('by=day&code=EVE')->{data}, [{ day => $day, clicks => { total => 0,
    human => 0, unique => 0, classes => {} }, events => { signup => { count => 1,
    counted => 1 } } }], 'a day without clicks');
is($t->api(POST => '/v1/conversions/o7/refunds', { refund_id => 'r' })->status, 201,
    'it is refunded');
is_deeply(data('by=day&code=EVE')->{data}[0]{events}, { signup => { count => 1,
    counted => 0 } }, 'counted no more');

my @currencies = ({ currency => 'BHD', count => 1, gross => 9, refunded => 0 },
    { currency => 'EUR', count => 3, gross => 5501, refunded => 1500 },
    { currency => 'JPY', count => 1, gross => 300, refunded => 0 });

is_deeply(data('by=currency')->{data}, \@currencies, 'by currency');
is_deeply(data("by=currency&from=$day")->{data}, \@currencies, 'by currency, of today');
is_deeply(data('by=currency&code=ANNA')->{data}, [$currencies[0],
    { %{ $currencies[1] }, count => 2, gross => 5500 }], 'by currency, of a code');

for my $by (qw(event currency)) {
    my (@rows, $after);

    do {
        my $d = data("by=$by&limit=1" . ($after ? "&after=$after" : ''));
        push @rows, @{ $d->{data} };
        $after = $d->{next};
    } while ($after && @rows < 5);

    is_deeply(\@rows, data("by=$by")->{data}, "by $by: all pages are the whole");
}

my %metric = map { /^(\S+) (\S+)$/ ? ($1 => $2) : () } split /\n/,
    $t->api(GET => '/metrics')->body;
my $friends = 'program="friends"';

is($metric{"referral_events_total{$friends,event=\"purchase\"}"}, 4,
    'metrics: events');
is($metric{"referral_conversions{$friends,event=\"purchase\",result=\"$_\"}"},
    $purchase->{$_}, "metrics: $_") for qw(pending approved held refunded unattributed
    rejected);
is($metric{"referral_amount_total{$friends,event=\"purchase\",currency=\"EUR\"}"},
    5501, 'metrics: amounts');
is($metric{"referral_refunded_amount_total{$friends,event=\"purchase\","
    . 'currency="EUR"}'}, 1500, 'metrics: refunds');
is($metric{"referral_rewards{$friends,result=\"$_\"}"}, $_ eq 'approved' ? 4
    : $_ eq 'void' ? 2 : 0, "metrics: rewards $_")
    for qw(pending held approved claimed void);


# One click.

my ($id) = $click->header('Set-Cookie') =~ /\.ANNA\.wa\.([A-Za-z0-9_-]{12})\./;
ok($id, 'the cookie has the id of the click');

$r = $t->api(GET => "/v1/clicks/$id");
my $d = decode_json($r->body);
is($r->status, 200, 'the click');
like($d->{clicked_at}, qr/^\Q$day\ET\d\d:\d\d:\d\dZ$/, 'its time');
is_deeply($d, { program => 'friends', click_id => $id, code => 'ANNA',
    clicked_at => $d->{clicked_at}, class => 'human', why => 'navigation',
    flags => [], unique => JSON::PP::true, channel => 'wa',
    landing => '/welcome' }, 'all of it');

for ('AAAAAAAAAAAA', 'AAAAAAAAAAA', 'AAAAAAAAAAAAA', 'AAAA.AAAAAAA', "${id}A",
    substr($id, 1), lc $id eq $id ? uc $id : lc $id)
{
    my $r = $t->api(GET => "/v1/clicks/$_");
    is($r->status, 404, "no click $_");
    is(decode_json($r->body)->{code}, 'click_not_found', 'says so');
}

is($t->api(GET => "/v1/clicks/$id", undef, prefix => '/empty')->status, 404,
    'a click of another program');

finish();
