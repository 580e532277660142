# Stores of earlier schemas are opened, lose nothing, and go on; tools leave
# them alone until then.
#
# t/vectors/store-schema1.mdb.gz is data.mdb after: PUT ANNA42 (owner u1, name
# Anna), PUT and DELETE BOB, 40 clicks on ANNA42 in November 2026, of which
# 10 by curl and 20 with channel "wa".
#
# t/vectors/store-schema2.mdb.gz is what t/unit/store_drive_cli of that time
# made of 2,000 random operations of t/model.t, seed 4: programs, rules, codes,
# clicks with and without points, events by click id, rewards, refunds.
#
# t/vectors/store-schema3.mdb.gz likewise, 1,500 operations of a time when rules
# had no review and what occurred before its click was not held.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:/(?<channel>[a-z]+))?$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event purchase points=10;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

my $store = $t->store;
my $ctl = "$Referral::Nginx::BUILD/referralctl";
my $user = $> == 0 ? 'www-data' : getpwuid($>);

my @owner = (getpwnam($user))[2, 3];

sub bring {
    my ($schema) = @_;
    mkdir $store;
    unlink glob "$store/*";
    system("gzip -dc t/vectors/store-schema$schema.mdb.gz > $store/data.mdb")
        == 0 or die 'no store';
    chown @owner, $store, "$store/data.mdb";
    chmod 0700, $store;
    chmod 0600, "$store/data.mdb";
}

bring(1);

sub ctl {
    my @as = $> == 0 ? ('setpriv', "--reuid=$owner[0]", "--regid=$owner[1]",
        '--clear-groups') : ();
    my $out = qx(@as $ctl @_ 2>&1);
    return ($? >> 8, $out);
}

my ($code, $out) = ctl('stat', $store);
isnt($code, 0, 'a tool does not change an old store');
like($out, qr/has schema 1, which nginx brings to 4/, 'and says what to do');

$t->start;

my $anna = decode_json($t->api(GET => '/v1/codes/ANNA42')->body);
is($anna->{name}, 'Anna', 'the code is there');
is($anna->{clicks}{human}, 30, 'its human clicks');
is($anna->{clicks}{classes}{crawler}, 10, 'and the others');
is($anna->{points}, 0, 'without points yet');

my $wa = decode_json($t->api(GET => '/v1/counters?by=channel')->body)->{data};
is_deeply([map { [$_->{channel}, $_->{clicks}{total}] } @$wa],
    [[undef, 20], ['wa', 20]], 'channels');

is($t->api(GET => '/v1/codes/BOB')->status, 200, 'the ended code');
is(decode_json($t->api(GET => '/v1/codes/BOB')->body)->{status}, 'ended',
    'is still a tombstone');

is($t->get('/r/ANNA42/wa')->status, 302, 'its link redirects');

is($t->api(POST => '/v1/conversions', { event => 'purchase', order_id => '1',
    amount => 100, currency => 'EUR', code => 'ANNA42' })->status, 201,
    'it takes an event');
is(decode_json($t->api(GET => '/v1/codes/ANNA42')->body)->{points}, 10,
    'which gives points');

$t->restart;
is(decode_json($t->api(GET => '/v1/codes/ANNA42')->body)->{points}, 10,
    'it is opened again');

$t->quit;
($code, $out) = ctl('verify', $store);
is($code, 0, 'verify finds no difference') or diag($out);

# schema 2: what a click was wanted for was not written down

bring(2);
($code, $out) = ctl('stat', $store);
like($out, qr/has schema 2, which nginx brings to 4/, 'schema 2 is told');

$t->start;
is($t->get('/r/ANNA42')->status, 404, 'it has other codes');
$t->quit;

($code, $out) = ctl('stat', $store, '--json');
is(decode_json($out)->{schema}, 4, 'it is of schema 4 now');
cmp_ok(decode_json($out)->{journal}, '>=', 2425, 'with the whole journal');
($code, $out) = ctl('verify', $store);
is($code, 0, 'verify finds no difference') or diag($out);

# schema 3: its journal is replayed to what was decided then

bring(3);
($code, $out) = ctl('verify', $store);
like($out, qr/has schema 3, which nginx brings to 4/, 'schema 3 is told');
$t->start;
$t->quit;
($code, $out) = ctl('stat', $store, '--json');
is(decode_json($out)->{schema}, 4, 'it is of schema 4 now');
($code, $out) = ctl('verify', $store);
is($code, 0, 'verify finds no difference') or diag($out);

finish();
