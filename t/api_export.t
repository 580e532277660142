# CSV exports: columns, ranges, text that a spreadsheet would run, and clients
# that read slowly, not at all, or go away in the middle.

use strict;
use warnings;
use utf8;

use Encode qw(decode_utf8);
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(strftime);
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep);
use lib 't/lib';
use Referral::Nginx timeout => 240;

my $ORDERS = 5000;
my $DAY = 86400;
my $now = time;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        bind off;
        event signup points=5;
        event purchase points=10;
        tier bronze 5;
        reward cash to=referrer on=purchase value=10%;
        reward mug to=friend on=signup "value==HYPERLINK(A1)" hold=14d;
    }
    server {
        listen 127.0.0.1:%%PORT%% sndbuf=16k;
        listen 127.0.0.1:%%PORT2%% http2;
        referral friends;
        gzip_types text/csv;
        gzip_min_length 0;
        send_timeout 2s;

        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /patient/ {
            referral_api friends token_file=%%TOKENS%%;
            send_timeout 60s;
        }
        location /limited/ {
            referral_api friends token_file=%%TOKENS%%;
            limit_rate 500k;
        }
        location /gzip/ {
            referral_api friends token_file=%%TOKENS%%;
            gzip on;
        }
        location = /status { stub_status; }
    }
EOC

$t->start;

sub api { return $t->api(@_) }
sub data { return decode_json($_[0]->body) }
sub date { return strftime('%Y-%m-%d', gmtime($now - $_[0] * $DAY)) }

sub export {
    my ($name, $query, %opt) = @_;
    return api(GET => "/export/$name.csv" . (length $query ? "?$query" : ''), undef,
        %opt);
}

# RFC 4180, and no more than that.

sub parse {
    my ($text) = @_;
    my (@rows, @row);

    die "the text ends within a row\n" unless $text =~ /\r\n\z/;

    while ($text =~ /\G(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gc) {
        my ($quoted, $plain, $end) = ($1, $2, $3);

        push @row, defined $quoted ? decode_utf8($quoted =~ s/""/"/gr) : $plain;
        next if $end eq ',';
        push @rows, [@row];
        @row = ();
    }

    die 'not CSV at ' . (pos($text) || 0) . "\n" if (pos($text) || 0) < length $text;

    my $head = shift @rows;
    return map {
        my $row = $_;
        die "a row of @$row\n" if @$row != @$head;
        +{ map { $head->[$_] => $row->[$_] } 0 .. $#$head };
    } @rows;
}

sub table { return parse(export(@_)->body) }


# An empty store.

is(export($_)->body =~ tr/\n//, 1, "$_: only a head, in an empty store")
    for qw(conversions rewards codes counters);


# Orders of the past days, in no order, and what a spreadsheet would mind.

api(PUT => "/v1/codes/$_->[0]", { owner => $_->[1], name => $_->[2],
    kind => $_->[3] }) for ['ANNA', '=1+1', "Anna \"A\", \x{e4}", 'customer'],
    ['BOB', 'u2', undef, 'partner'];

my @odd = ('=1+1', '+1', '-1', '@SUM(A1)', "\x{ff1d}1", 'a,b', 'a"b', q(=cmd|'/c calc'!A1),
    "'=1", 'x=1');
my %want;

$want{"order-$_"} = { code => $_ % 3 ? 'ANNA' : 'BOB', amount => 100 + $_,
    days => $_ % 1000 ? $_ % 10 : 40 } for 1 .. $ORDERS - @odd;
$want{$_} = { code => 'ANNA', amount => 7, days => 3 } for @odd;

my $file = $t->dir . '/orders';
open my $f, '>', $file or die "$file: $!";
print $f map { JSON::PP->new->utf8->encode({ event => 'purchase', order_id => $_,
    amount => $want{$_}{amount}, currency => 'EUR', code => $want{$_}{code},
    customer_id => "c:$_", occurred_at => strftime('%Y-%m-%dT%H:%M:%SZ',
    gmtime($now - $want{$_}{days} * $DAY - 1)) }) . "\n" } keys %want;
close $f;

my $out = `'$Referral::Nginx::BUILD/referralctl' import conversions '@{[$t->store]}' friends '$file' 2>&1`;
is($?, 0, "$ORDERS orders") or diag($out);

my $signup = data(api(POST => '/v1/conversions', { event => 'signup',
    order_id => 'signup', code => 'BOB' }));
is($signup->{status}, 'approved', 'and one without an amount');
$t->get('/r/ANNA') for 1 .. 2;
ok(wait_for(sub { data(api(GET => '/v1/counters'))->{data}[0]{clicks}{total} == 2 }, 10),
    'and clicks');


# Conversions.

my $r = export('conversions');
my $whole = $r->body;
my @rows = parse($whole);
my $date = date(0);

is($r->status, 200, 'an export');
is($r->header('Content-Type'), 'text/csv; charset=utf-8; header=present', 'CSV');
is($r->header('Content-Disposition'),
    "attachment; filename=\"referral-friends-conversions-$date.csv\"", 'a file');
is($r->header('Cache-Control'), 'no-store', 'not stored');
is($r->header('X-Content-Type-Options'), 'nosniff', 'nor sniffed');

my %plain = map { (/^'?[=+\-@\x{ff1d}]/ ? "'$_" : $_) => $_ } keys %want, 'signup';

is(scalar @rows, $ORDERS + 1, 'as many rows as orders');
is(join(' ', sort map { $plain{ $_->{order_id} } || "?$_->{order_id}" } @rows),
    join(' ', sort keys %want, 'signup'), 'every order once');

my ($bad, $sum) = (0, 0);

for (@rows) {
    my $order = $want{ $plain{ $_->{order_id} } } or next;
    $bad++ unless $_->{amount} eq $order->{amount} && $_->{code} eq $order->{code}
        && $_->{occurred_at} =~ /^\Q@{[strftime('%Y-%m-%d', gmtime($now
        - $order->{days} * $DAY - 1))]}\ET/;
}

is($bad, 0, 'with its amount, code and day');

my ($row) = grep { $_->{order_id} eq 'order-42' } @rows;
my $json = data(api(GET => '/v1/conversions/order-42'));

is_deeply($row, { (map { $_ => defined $json->{$_} ? "$json->{$_}" : '' } qw(order_id
    event status code customer_id amount refunded currency points occurred_at
    recorded_at approves_at changed_at)), method => 'code', touch => '',
    click_id => '', clicked_at => '', channel => '', first_code => '', reasons => '',
    source => 'import' }, 'a row is what GET shows');

($row) = grep { $_->{order_id} eq 'signup' } @rows;
is_deeply([@$row{qw(event amount refunded currency source)}],
    ['signup', '', '', '', 'api'], 'no amount');

unlike($whole, qr/(?:^|,)"[=+\-@\t\r\n]|(?:^|,)"\x{ef}\x{bc}\x{9d}/m, 'no formula');
like($whole, qr/^"'=1\+1","purchase",/m, 'text before which there is a quote');
like($whole, qr/^"order-42","purchase","approved",/m, 'numbers have none, text has');

for (['', 0, 40], ["from=@{[date(3)]}&to=@{[date(3)]}", 3, 3],
    ["from=@{[date(40)]}&to=@{[date(40)]}", 40, 40],
    ["from=@{[date(5)]}&to=@{[date(2)]}", 2, 5], ["from=@{[date(1)]}", 0, 1],
    ["to=@{[date(8)]}", 8, 40])
{
    my ($query, $first, $last) = @$_;
    my $from = date($last);
    my $to = date($first);
    my @want = grep { my $d = strftime('%Y-%m-%d',
        gmtime($now - $want{$_}{days} * $DAY - 1)); !length $query || $d ge $from
        && $d le $to } keys %want;
    my @got = map { $plain{ $_->{order_id} } || '?' } grep { $_->{event} eq 'purchase' }
        table('conversions', $query);

    is(join(' ', sort @got), join(' ', sort @want), "orders of ?$query");
}


# Rewards, codes, counters.

my @rewards = table('rewards');
my ($mug) = grep { $_->{name} eq 'mug' } @rewards;
my ($cash) = grep { $_->{order_id} eq 'order-42' } @rewards;

is(scalar @rewards, $ORDERS + 1, 'a reward for each');
is_deeply({ %$mug, map { $_ => '' } qw(id created_at approves_at changed_at) },
    { id => '', name => 'mug', to => 'friend', state => 'pending', code => 'BOB',
    owner => 'u2', kind => 'partner', order_id => 'signup', customer_id => '',
    value => "'=HYPERLINK(A1)", amount => '', currency => '', paid => '',
    offset => '', reason => '', created_at => '', approves_at => '',
    claimed_at => '', changed_at => '' }, 'one to a friend');
is_deeply([@$cash{qw(to state code customer_id amount currency)}],
    ['referrer', 'approved', 'BOB', 'c:order-42', 14, 'EUR'], 'one of percent');
is(api(POST => "/v1/rewards/$cash->{id}/claim")->status, 200, 'it is claimed');

($cash) = grep { $_->{order_id} eq 'order-42' } table('rewards', 'state=claimed');
is_deeply([@$cash{qw(state paid offset)}], ['claimed', 14, 0], 'with what was paid');
is(scalar(table('rewards', 'state=approved')), $ORDERS - 1, 'those of a state');
is(scalar(table('rewards', 'from=' . date(0))), $ORDERS + 1, 'rewards of today');
is(scalar(table('rewards', 'to=' . date(1))), 0, 'none of before');

my %code = map { $_->{code} => $_ } table('codes');
my $anna = data(api(GET => '/v1/codes/ANNA'));

is_deeply([sort keys %code], [qw(ANNA BOB)], 'codes');
is_deeply([@{ $code{ANNA} }{qw(owner name kind clicks human unique points tier
    rewards_approved rewards_claimed)}], ["'=1+1", "Anna \"A\", \x{e4}", 'customer', 2, 2, 1,
    $anna->{points}, 'bronze', $anna->{rewards}{approved}, 0], 'with their progress');

my @counters = table('counters');
my %day;

$day{ $_->{day} }{ join ' ', grep { length } @$_{qw(measure event label currency)} }
    += $_->{value} for @counters;

my %sum;
for my $d (values %day) {
    $sum{$_} += $d->{$_} for keys %$d;
}

my $gross = 0;
$gross += $_->{amount} for values %want;

is_deeply(\%sum, { 'clicks human' => 2, unique_clicks => 1,
    'events purchase approved' => $ORDERS, 'events signup approved' => 1,
    'points purchase' => 10 * $ORDERS, 'points signup' => 5,
    'gross purchase EUR' => $gross, 'refunded purchase EUR' => 0 }, 'counters');

my $three = strftime('%Y-%m-%d', gmtime($now - 3 * $DAY - 1));
my $n = grep { $_->{days} == 3 } values %want;

is($day{$three}{'events purchase approved'}, $n, 'by day');
is_deeply([table('counters', "from=$three&to=$three")],
    [grep { $_->{day} eq $three } @counters], 'of a range');

for (['conversions', 'from=x', 'from'], ['rewards', 'state=x', 'state'],
    ['counters', 'from=' . date(0) . '&to=' . date(1), 'to'])
{
    my ($name, $query, $field) = @$_;
    my $r = export($name, $query);
    is($r->status, 422, "$name?$query: 422");
    is_deeply([map { $_->{field} } @{ data($r)->{errors} }], [$field], 'names it');
}

is(export('codes', 'from=' . date(0))->status, 400, 'codes have no range');
is(export('orders')->status, 404, 'no such export');
is(api(POST => '/export/codes.csv', {})->status, 405, 'POST');
is(export('codes', '', token => undef)->status, 401, 'no token');


# Ways to ask.

$r = api(HEAD => '/export/conversions.csv');
is($r->status, 200, 'HEAD');
is($r->header('Content-Type'), 'text/csv; charset=utf-8; header=present', 'its header');
is($r->body, '', 'nothing else');

my %auth = (Authorization => "Bearer $t->{token}{read}");
my $c = Referral::Client->new($t->port);

is($c->get('/referral/export/conversions.csv', %auth)->body, $whole, 'keep-alive');
is($c->get('/referral/v1/codes/BOB', %auth)->status, 200, 'goes on');
$c->close;

my $old = Referral::Client->new($t->port);
$old->send("GET /referral/export/conversions.csv HTTP/1.0\r\nAuthorization: "
    . "$auth{Authorization}\r\n\r\n");
ok($old->rest =~ /\r\n\r\n(.*)\z/s && $1 eq $whole, 'HTTP/1.0');

my $curl = "curl -s --max-time 30 -H '"
    . "Authorization: $auth{Authorization}' http://127.0.0.1";

is(scalar `$curl:@{[$t->port]}/gzip/export/conversions.csv --compressed`, $whole,
    'compressed');
is(scalar `$curl:@{[$t->port(2)]}/referral/export/conversions.csv --http2-prior-knowledge`,
    $whole, 'HTTP/2');
is(scalar `$curl:@{[$t->port]}/limited/export/conversions.csv`, $whole, 'limit_rate');


# A slow reader.  Its buffer holds a few KB, that of nginx not much more.

sub slow {
    my ($prefix) = @_;
    my $s = IO::Socket::INET->new(Proto => 'tcp') or die $!;

    setsockopt($s, SOL_SOCKET, SO_RCVBUF, 4096) or die $!;
    connect($s, Socket::pack_sockaddr_in($t->port, Socket::inet_aton('127.0.0.1')))
        or die $!;
    syswrite $s, "GET $prefix/export/conversions.csv HTTP/1.0\r\nAuthorization: "
        . "$auth{Authorization}\r\n\r\n";

    return $s;
}

sub read_all {
    my ($s, $body) = @_;
    1 while sysread $s, $body, 65536, length $body;
    return $body =~ s/\A.*?\r\n\r\n//sr;
}

my $s = slow('/patient');
sysread $s, my $begin, 1000;
like($begin, qr/\AHTTP\/1\.1 200 /, 'a slow reader');

my %memory = map { $_ => memory($_) } $t->workers;

is($t->get('/r/BOB')->status, 302, 'others are served meanwhile') for 1 .. 20;
is(api(POST => '/v1/conversions', { event => 'signup', order_id => 'aaa',
    code => 'BOB' })->status, 201, 'an order where it has read already');
is(api(POST => '/v1/conversions', { event => 'signup', order_id => 'zzz',
    code => 'BOB' })->status, 201, 'and one where it has not');
sleep 2.5;

my $late = read_all($s, $begin);
my %late = map { $_->{order_id} => 1 } parse($late);

ok(!$late{aaa} && $late{zzz}, 'it sees what is there when it comes to it');
is(scalar(grep { !$late{$_} } keys %plain), 0, 'and all that was there');

for (qw(/patient /referral)) {
    my $s = slow($_);
    sysread $s, my $some, 1000;
    close $s;
}

ok(wait_for(sub { active() == 1 }, 10), 'a client that goes away is forgotten');

$s = slow('/referral');
sysread $s, $begin, 1000;
ok($t->wait_log(qr/the client took nothing of an export for too long/, 15),
    'so is one that takes nothing');
cmp_ok(length read_all($s, $begin), '<', length $whole, 'what it gets is cut short');

my @slow = map { slow('/patient') } 1 .. 20;
sysread $_, $begin, 1000 for @slow;
my ($grown) = sort { $b <=> $a } map { memory($_) - $memory{$_} } keys %memory;

cmp_ok($grown, '<', 20 * 400, 'twenty slow readers: a block of memory each');
close $_ for @slow;


# A reader that is slow, but goes on, is waited for.

$s = slow('/referral');
$begin = '';

for (1 .. 8) {
    sysread $s, $begin, 16384, length $begin;
    sleep 0.4;
}

is(read_all($s, $begin) =~ tr/\n//, $ORDERS + 4, 'who goes on gets all');


# A reload does not cut an export.

$s = slow('/patient');
sysread $s, $begin, 1000;
$t->reload;
is(read_all($s, $begin) =~ tr/\n//, $ORDERS + 4, 'a reload does not cut it');

finish();


sub memory {
    my ($pid) = @_;
    open my $f, '<', "/proc/$pid/status" or return 0;
    my ($kb) = join('', <$f>) =~ /^RssAnon:\s*(\d+)/m;
    return $kb;
}

sub active {
    return $t->get('/status')->body =~ /Active connections: (\d+)/ ? $1 : -1;
}
