# A small map gets full: a warning, then clicks are redirected but not counted,
# codes are refused, at last conversions; each with the counts that say so.
# Then a larger map_size by a reload, while old workers still have work, or a
# retention that makes room.  Nothing that was confirmed is missing at the end.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use lib 't/lib';
use Referral::Nginx timeout => 280;
use Referral::Load;

my $map = 32;                           # MiB

sub conf {
    my ($size, $retention) = @_;
    $retention = $retention ? "retention clicks=$retention;" : '';

    return <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%% map_size=${size}m intake=1m
                   interval=20ms;
    referral_key_file %%KEY%%;
    keepalive_requests 10000000;
    client_header_timeout 120s;
    client_body_timeout 120s;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing https://shop.example/welcome;
        event purchase points=10;
        reward cut to=referrer on=purchase value=10%;
        $retention
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC
}

my $t = Referral::Nginx->new(conf => conf($map));

# What a click is among a million others, rows of no meaning are here: until
# that part of the map is in use.

my $filler = $t->dir . '/filler';

open my $f, '>', "$filler.c" or die "$filler.c: $!";
print $f <<'EOC';
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <lmdb.h>

static size_t
used(MDB_env *env)
{
    size_t       pages, n;
    MDB_txn     *txn;
    MDB_val      k, v;
    MDB_cursor  *cursor;
    MDB_envinfo  info;

    mdb_env_info(env, &info);
    pages = info.me_last_pgno + 1;

    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)
        || mdb_cursor_open(txn, 0, &cursor))
    {
        exit(1);
    }

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        memcpy(&n, v.mv_data, sizeof(n));
        pages -= n;
    }

    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);

    return pages;
}

int
main(int argc, char **argv)
{
    int       i, rc;
    char      key[32];
    size_t    map, want;
    MDB_env  *env;
    MDB_txn  *txn;
    MDB_val   k, v;
    MDB_dbi   meta;

    static char  junk[1900];

    map = (size_t) atol(argv[2]) << 20;
    want = (size_t) ((double) (map / 4096) * atof(argv[3]) / 100);

    if (argc != 4 || mdb_env_create(&env) || mdb_env_set_maxdbs(env, 48)
        || mdb_env_set_mapsize(env, map)
        || mdb_env_open(env, argv[1], MDB_NOSYNC, 0600))
    {
        return 1;
    }

    k.mv_data = key;
    v.mv_data = junk;
    v.mv_size = sizeof(junk);

    while (used(env) < want) {
        if (mdb_txn_begin(env, NULL, 0, &txn)
            || mdb_dbi_open(txn, "meta", 0, &meta))
        {
            return 2;
        }

        for (i = 0; i < 16; i++) {
            k.mv_size = sprintf(key, "x%010zu-%02d", mdb_txn_id(txn), i);

            if ((rc = mdb_put(txn, meta, &k, &v, 0)) != 0) {
                printf("%s\n", mdb_strerror(rc));
                return 3;
            }
        }

        if (mdb_txn_commit(txn)) {
            return 4;
        }
    }

    return 0;
}
EOC
close $f;

is(system('cc', '-o', $filler, "$filler.c", '-llmdb'), 0, 'a program that fills');

sub fill {
    my ($percent, $size) = @_;
    is(system($filler, $t->store, $size || $map, $percent), 0,
        "filled to $percent %");
}

sub health { $t->api(GET => '/v1/health') }
sub store { decode_json(health()->body)->{store} }

sub metric {
    my ($name) = @_;
    return $t->api(GET => '/metrics')->body =~ /^\Q$name\E (\S+)$/m ? $1 : undef;
}

# A worker that commits nothing looks every five seconds.

sub level {
    my ($level) = @_;
    ok(wait_for(sub { store()->{level} eq $level }, 30),
        "the store is at \"$level\"")
        or diag(explain(store()));
}

my $n = 0;
my %order;                              # confirmed

sub body {
    my ($id) = @_;
    return encode_json({ event => 'purchase', order_id => $id, code => 'ANNA',
        amount => 1000, currency => 'EUR' });
}

sub order {
    my $id = 'o' . ++$n;
    my $r = $t->api(POST => '/v1/conversions', body($id),
        headers => { 'Content-Type' => 'application/json' });
    $order{$id} = 1 if $r->status == 201;
    return $r;
}

sub code { $t->api(PUT => '/v1/codes/C' . ++$n, { owner => 'u1' }) }

# Clicks until something is so, which are counted or lost.

my ($clicks, $broken) = (0, 0);

sub click_until {
    my ($what, $until) = @_;
    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => ['/r/ANNA']);
    my $there = wait_for($until, 120);
    my $sum = $load->stop;

    ok($there, $what);
    is($sum->{other}, 0, "$what: all were redirected");
    $clicks += $sum->{answered};
    $broken += $sum->{broken};          # when it was told to end
}

sub total {
    my $r = $t->api(GET => '/v1/counters');
    return $r->status == 200 ? $r->json->{data}[0]{clicks}{total} : -1;
}

sub counted {
    my ($name) = @_;
    my $more;
    ok(wait_for(sub {
        $more = total() + metric('referral_clicks_lost_total') - $clicks;
        return $more >= 0 && $more <= $broken;
    }, 20), "$name: every click is counted or lost")
        or diag("$clicks answered, $more more; $broken without an answer");
}

# Orders that were confirmed are there, and no other ones.

sub whole {
    my ($name) = @_;
    my $there = 0;

    for (1 .. $n) {
        my $r = $t->api(GET => "/v1/conversions/o$_");
        $there++ if $r->status == 200 && $order{"o$_"};
        $there = -1e6 if $r->status == 200 && !$order{"o$_"};
    }

    is($there, scalar keys %order, "$name: all orders, and no other");

    my $out = `'$Referral::Nginx::BUILD/referralctl' verify '@{[$t->store]}' 2>&1`;
    like($out, qr/differences: 0$/m, "$name: verify");
}

sub said { my ($re) = @_; return scalar(() = $t->log =~ /$re/g) }


# Growing.

$t->start;

is($t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' })->status, 201, 'a code');
is(order()->status, 201, 'a conversion');

my $s = store();
is($s->{level}, 'ok', 'health: there is room');
cmp_ok($s->{used_percent}, '<', 5, 'health: nearly all of it');
is($s->{map_size}, $map << 20, 'health: the map');
is(metric('referral_store_level'), 0, 'metrics: the same');

fill(74.3);
is(said(qr/may grow to is used/), 0, 'no warning');

click_until('a warning', sub { store()->{level} eq 'warning' });
level('warning');
is(decode_json(health()->body)->{status}, 'degraded', 'health: degraded');
is(health()->status, 200, 'health: but up');
like(decode_json(health()->body)->{detail}, qr/^7[5-9]% of the 32 MiB that .* larger map_size/,
    'health: says what to do');
is(metric('referral_store_level'), 1, 'metrics: a warning');
is(said(qr/not counted: the store is nearly full/), 0, 'no click is lost for it');
my $warned = said(qr/\[warn\].*7[5-9]% of the 32 MiB that .* is used: set a larger/);

# of a machine that is too slow for the clicks there is a line a second, too

cmp_ok($warned, '<=', 1, 'no more than once in the log');
ok($warned || said(qr/not counted: /), 'which has it');

fill(89.6);

my $start = time;

click_until('clicks are refused', sub {
    metric('referral_clicks_lost_total') > 500
        && said(qr/not counted: the store is nearly full/)
});
level('clicks_refused');
counted('clicks refused');

my $lines = said(qr/clicks were redirected but not counted/);
cmp_ok($lines, '<=', time - $start + 2, 'in a line a second');
like(decode_json(health()->body)->{detail}, qr/clicks are not counted any more/,
    'health: too');
is(metric('referral_store_level'), 2, 'metrics: too');
is(order()->status, 201, 'conversions go on') for 1 .. 3;
is(code()->status, 201, 'codes too');

fill(97.2);
level('codes_refused');

my $r = code();
is($r->status, 503, 'a code is refused');
is($r->header('Retry-After'), 1, 'for now');
is($r->json->{code}, 'store_unavailable', 'with the same code as ever');
like($r->json->{detail}, qr/^the store is full for codes, try again/,
    'and says why');

# one line a second of all that is wrong

ok(wait_for(sub {
    code();
    said(qr/\[error\].*: the store is nearly full, codes are refused$/m)
}, 5), 'so does the log');
is(order()->status, 201, 'conversions go on') for 1 .. 3;

fill(98.6);
level('full');

my $begun = time;
my @refused = map { sleep 0.4; order() } 1 .. 8;
$lines = said(qr/\[error\].*: the store is full, conversions are refused$/m);
cmp_ok($lines, '>=', 2, 'full: the log says so');
cmp_ok($lines, '<=', time - $begun + 1, 'once a second at most');
is($_->status, 503, 'a conversion is refused') for @refused;
is($refused[0]->header('Retry-After'), 1, 'for now');
is($_->json->{code}, 'store_unavailable', 'and says so') for @refused;
like($_->json->{detail}, qr/^the store is full, send the same again/,
    'and why') for @refused;
like(code()->json->{detail}, qr/^the store is full for codes/, 'codes too');
is(health()->status, 503, 'health: down');
is(store()->{used_percent}, 98, 'health: the percentage');
is($t->get('/r/ANNA')->status, 302, 'links redirect');
$clicks++;
is($t->api(GET => '/v1/codes/ANNA')->status, 200, 'reading goes on');
whole('full');


# A larger map, while the old worker has requests that have begun.

sub begun {
    my (@requests) = @_;
    my @begun;

    for my $request (@requests) {
        my $c = $t->connect;
        my $text = $c->format(@{$request->{args}});
        $request->{rest} = substr $text, -2, 2, '';
        $c->send($text);
        push @begun, { %$request, c => $c };
    }

    sleep 0.3;
    return @begun;
}

my %auth = (Authorization => "Bearer $t->{token}{admin}");

sub old_orders {
    return map {
        my $id = 'o' . ++$n;
        { id => $id, args => [POST => '/referral/v1/conversions',
            { %auth, 'Content-Type' => 'application/json' }, body($id)] }
    } 1 .. $_[0];
}

sub old_clicks { return map { { args => [GET => '/r/ANNA', {}] } } 1 .. $_[0] }

sub old_reads {
    return map { { args => [GET => '/referral/v1/counters', \%auth] } }
        1 .. $_[0];
}

# What an old worker answers; 503 is for a moment, and the same sent again to
# a new one.

sub finish_one {
    my ($q) = @_;
    $q->{c}->send($q->{rest});
    my $r = $q->{c}->response($q->{args}[0]) or return 0;

    if ($r->status == 503) {
        $q->{busy} = 1;
        wait_for(sub { ($r = $t->request(@{$q->{args}}))->status != 503 }, 10);
    }

    $order{$q->{id}} = 1 if $q->{id} && $r->status == 201;
    return $r->status;
}

my @old = begun(old_orders(4), old_clicks(8), old_reads(4));
my @pids = $t->workers;

ok($t->reload(conf(2 * $map)), 'a larger map_size');
level('ok');
is(store()->{map_size}, $map << 21, 'health: the map');
is(grep({ kill 0, $_ } @pids), 1, 'the old worker is still there');

sleep 6;                                # it keeps house every five seconds

is_deeply([map { finish_one($_) } @old],
    [(201) x 4, (302) x 8, (200) x 4], 'what they had begun');
is(scalar(grep { $_->{busy} } @old), 0, 'it did so itself');
$clicks += 8;
ok(wait_for(sub { !grep { kill 0, $_ } @pids }, 10), 'then it leaves');
is(order()->status, 201, 'conversions are taken again');
is(code()->status, 201, 'codes too');
counted('larger');
whole('larger');


# And one that the file outgrows at once: the old worker learns of it by that.

@old = begun(old_orders(6), old_clicks(10), old_reads(6));
@pids = $t->workers;

ok($t->reload(conf(4 * $map)), 'a larger map_size once more');
fill(75.5, 4 * $map);
is(grep({ kill 0, $_ } @pids), 1, 'the old worker is still there');

is_deeply([map { sleep 0.05; finish_one($_) } @old],
    [(201) x 6, (302) x 10, (200) x 6], 'what they had begun');
note(scalar(grep { $_->{busy} } @old) . ' of ' . @old . ' were told to wait');
cmp_ok(scalar(grep { $_->{busy} } @old), '<=', 6, 'it did so itself');
$clicks += 10;
ok(wait_for(sub { !grep { kill 0, $_ } @pids }, 10), 'then it leaves');
level('warning');
counted('outgrown');
whole('outgrown');


# The same map, full: the retention makes room.

fill(98.6, 4 * $map);
level('full');
is(order()->status, 503, 'full again');

my $lost = metric('referral_clicks_lost_total');
my $used = store()->{used};

ok($t->reload(conf(4 * $map, '1s')), 'a short retention');
ok(wait_for(sub { (metric('referral_clicks_purged_total') || 0) > 2000 }, 60),
    'clicks are purged');
ok(wait_for(sub { store()->{level} ne 'full' }, 30), 'the store is not full');
ok(wait_for(sub { store()->{used} < $used - (200 << 10) }, 30),
    'which gives pages back');
is(order()->status, 201, 'conversions are taken again');
counted('purged');
whole('purged');
cmp_ok(metric('referral_clicks_lost_total'), '>=', $lost, 'the lost are remembered');

finish();
