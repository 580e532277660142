# Leaderboards: ranks and ties, pages, months, contests that run, have ended or
# have not begun.

use strict;
use warnings;

use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 120;

my $END = 15;       # seconds in which the contest "sprint" must be over

my $start = time;
my $month = strftime('%Y-%m', gmtime);
my %at = map { $_ => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($start + $_)) }
    (-60, $END, 3600, 7200, 3600 * 24);

my $conf = <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event signup points=5;
        event big points=40;
        event click points=1;
        contest sprint from=$at{-60} to=$at{$END};
        contest marathon from=$at{-60} to=$at{3600};
        contest later from=$at{7200} to=$at{86400};
    }
    referral_program empty {
        link "^/e/(?<code>[A-Za-z0-9]+)\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /empty/ { referral_api empty token_file=%%TOKENS%%; }
    }
EOC

my $t = Referral::Nginx->new(workers => 2, conf => $conf);
$t->start;

my $orders = 0;

sub api { return $t->api(@_) }
sub data { return decode_json($_[0]->body) }

sub board {
    my ($query, %opt) = @_;
    return api(GET => '/v1/leaderboard' . (length $query ? "?$query" : ''), undef,
        %opt);
}

sub rows {
    my $d = data(board($_[0]));
    return [map { [@$_{qw(rank code points)}] } @{ $d->{data} }];
}

sub event {
    my ($code, $event) = @_;
    my $r = api(POST => '/v1/conversions', { event => $event || 'signup',
        order_id => 'o' . ++$orders, code => $code });
    die $r->body unless $r->status == 201;
}


# Ties.

for (['ANNA', 'u1', 'Anna'], ['BOB', 'u2'], ['CARL', 'u3'], ['DORA', 'u4'],
    ['EVE', 'u5'], ['NONE', 'u6'])
{
    my ($code, $owner, $name) = @$_;
    api(PUT => "/v1/codes/$code", { owner => $owner, name => $name });
}

is_deeply(rows(''), [], 'nobody');

event($_) for qw(EVE DORA CARL ANNA ANNA BOB BOB CARL);

my $all = [[1, 'ANNA', 10], [1, 'BOB', 10], [1, 'CARL', 10], [4, 'DORA', 5],
    [4, 'EVE', 5]];

my $r = board('');
my $d = data($r);

is($r->status, 200, 'a leaderboard');
is_deeply(rows(''), $all, 'those with as many points have one rank: 1, 1, 1, 4, 4');
is_deeply($d->{data}[0], { rank => 1, code => 'ANNA', name => 'Anna',
    points => 10, flags => [] },
    'a row, without its owner');
is($d->{data}[1]{name}, undef, 'no name');
is_deeply({ map { $_ => $d->{$_} } qw(program period from to frozen next) },
    { program => 'friends', period => 'all', from => undef, to => undef,
    frozen => JSON::PP::false, next => undef }, 'what it is of');
like($d->{as_of}, qr/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'as_of');
is($r->header('Cache-Control'), 'no-cache', 'to be revalidated');
is_deeply(rows('period=all'), $all, 'period=all');
is_deeply(rows('limit=2'), [@$all[0, 1]], 'the first two');


# Pages: the rank goes on, in the middle of a tie too.

for my $limit (1 .. 5) {
    my (@rows, $after);

    do {
        my $query = "limit=$limit" . ($after ? "&after=$after" : '');
        my $d = data(board($query));
        push @rows, @{ rows($query) };
        $after = $d->{next};
    } while ($after && @rows < 10);

    is_deeply(\@rows, $all, "in pages of $limit");
}

my $next = data(board('limit=2'))->{next};
my $of_month = data(board("limit=2&period=$month"))->{next};

my $forged = $next;
my $middle = int(length($next) / 2);

substr($forged, $middle, 1) = substr($next, $middle, 1) eq 'A' ? 'B' : 'A';

for (['nonsense', 'x'], ['nothing', ''], ['one of a month', $of_month],
    ['one that was changed', $forged], ['one cut short', substr $next, 0, -4],
    ['one with more', "${next}AAAA"], ['a number', '12'], ['a long one', 'A' x 500])
{
    my ($name, $after) = @$_;
    my $r = board("after=$after");
    is($r->status, 422, "after: $name: 422");
    is_deeply([map { $_->{field} } @{ data($r)->{errors} }], ['after'],
        "after: $name: names it");
}

is(board("period=$month&after=$of_month")->status, 200, 'the next of a month there');
is(board("after=$next", prefix => '/empty')->status, 422, 'not in another program');
is(board($_)->status, 422, $_) for 'limit=0', 'limit=251', 'limit=x';
is(board('order=name')->status, 400, 'an unknown parameter');


# Months.

my ($y, $m) = split /-/, $month;
my $d_month = data(board("period=$month"));

is_deeply(rows("period=$month"), $all, 'this month');
is($d_month->{from}, "$month-01T00:00:00Z", 'from');
is($d_month->{to}, sprintf('%04d-%02d-01T00:00:00Z', $m == 12 ? ($y + 1, 1)
    : ($y, $m + 1)), 'to');
is_deeply(rows('period=2024-02'), [], 'another');
is(data(board('period=2024-12'))->{to}, '2025-01-01T00:00:00Z', 'to, of a December');


# Contests.

for (qw(sprint marathon)) {
    is_deeply(rows("period=$_"), $all, "the contest $_");
    is(data(board("period=$_"))->{frozen}, JSON::PP::false, "$_ runs");
}

is_deeply([@{ data(board('period=sprint')) }{qw(period from to)}],
    ['sprint', $at{-60}, $at{$END}], 'its time');
is_deeply(rows('period=later'), [], 'one that has not begun');
is(data(board('period=later'))->{frozen}, JSON::PP::false, 'it is not frozen');

for ('winter', 'Sprint', '2026-13', '2026-00', '2026-1', '1969-12', '', 'sprint%20',
    'ALL', 'x' x 300, '99999-01', '9999-12', '20-6-01')
{
    my $r = board("period=$_");
    is($r->status, 404, "no period " . substr $_, 0, 20);
    is(data($r)->{code}, 'contest_not_found', 'says so');
}

is(board('period=sprint', prefix => '/empty')->status, 404,
    'a contest of another program');
is_deeply(data(board('', prefix => '/empty'))->{data}, [], 'a program without any');


for (['all', 1], ['2026-11', 1], ['2026-99', 1], ['2026-1x', 0], ['overall', 0]) {
    my ($name, $wrong) = @$_;
    my ($rc, $out) = nginx_t($conf =~ s/contest sprint/contest $name/r);
    is(!!$rc, !!$wrong, "a contest named $name") or diag($out);
    like($out, qr/must not be named/, 'says why') if $wrong;
}


# A click gives points, too.

$t->get('/r/NONE');
ok(wait_for(sub { @{ rows('') } == 6 }, 10), 'a click');
is_deeply(rows('')->[5], [6, 'NONE', 1], 'is worth a point');


# ETag; then the sprint ends.

$r = board('period=sprint');
my %if = (headers => { 'If-None-Match' => $r->header('ETag') });

is(board('period=sprint', %if)->status, 304, 'nothing happened');
cmp_ok(time, '<', $start + $END, 'the sprint still runs');

my $was = rows('period=sprint');

wait_for(sub { time > $start + $END }, $END + 5);

$r = board('period=sprint', %if);
is($r->status, 200, 'it has ended: another ETag');
is(data($r)->{frozen}, JSON::PP::true, 'frozen');

event('EVE', 'big');
is(api(POST => '/v1/conversions/o4/refunds', { refund_id => 'r1' })->status, 201,
    'a refund of an order that counted');

is_deeply(rows('period=sprint'), $was, 'nothing changes it');

my $now = [[1, 'EVE', 45], [2, 'BOB', 10], [2, 'CARL', 10], [4, 'ANNA', 5],
    [4, 'DORA', 5], [6, 'NONE', 1]];

is_deeply(rows('period=marathon'), $now, 'one that runs follows');
is_deeply(rows('period=all'), $now, 'so does all time');


# A contest that is not configured any more keeps its end.

$conf =~ s/contest sprint[^\n]*\n//;
$t->reload($conf);

ok(wait_for(sub { !defined data(board('period=sprint'))->{to} }, 10),
    'the contest is not configured');
is_deeply(rows('period=sprint'), $was, 'its leaderboard stays');
is(data(board('period=sprint'))->{frozen}, JSON::PP::true, 'frozen');

finish();
