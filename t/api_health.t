# Health and metrics: in order, with the store locked, and without a store.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $conf = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=50ms map_size=256m
                   intake=1m;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

my $t = Referral::Nginx->new(conf => $conf);

$t->start;

sub health { return decode_json($_[0]->api(GET => '/v1/health')->body) }


# OpenMetrics 1.0, as far as what is used here goes: families are contiguous,
# TYPE and HELP come first and once, counters end in _total, no sample twice.

sub parse {
    my ($text) = @_;
    my (%type, %help, %sample, $family);

    $text =~ s/^# EOF\n\z//m or die "no EOF at the end\n";

    for my $line (split /\n/, $text, -1) {
        if ($line =~ /^# TYPE ([a-z_]+) (counter|gauge|summary)$/) {
            die "TYPE of $1 twice\n" if $type{$1};
            $family = $1;
            $type{$family} = $2;

        } elsif ($line =~ /^# HELP ([a-z_]+) ([^\\"]+\.)$/) {
            die "HELP of $1 out of place\n" if $help{$1}++ || $1 ne $family;

        } elsif ($line =~ /^([a-z_]+)((?:\{[a-z]+="[^"\\\n]*"(?:,[a-z]+="[^"\\\n]*")*\})?) ([0-9]+(?:\.[0-9]+)?)$/) {
            my ($name, $labels, $value) = ($1, $2, $3);
            my $suffix = $name =~ s/^\Q$family\E//r;
            my %ok = (counter => '_total', gauge => '', summary => '_(?:count|sum)');

            die "sample $name in $family\n"
                unless $help{$family} && $suffix =~ /^$ok{$type{$family}}$/;
            die "sample $name$labels twice\n" if exists $sample{"$name$labels"};
            $sample{"$name$labels"} = $value;

        } elsif (length $line) {
            die "not a line of OpenMetrics: $line\n";
        }
    }

    return \%sample;
}

sub metrics { return parse($_[0]->api(GET => '/metrics')->body) }


# In order.

my $r = $t->api(GET => '/v1/health');
my $h = decode_json($r->body);

is($r->status, 200, 'health');
is($r->header('Content-Type'), 'application/json', 'in JSON');
is($r->header('Cache-Control'), 'no-store', 'not stored');
is($h->{status}, 'ok', 'is ok');
is($h->{detail}, undef, 'nothing to say');
is($h->{store}{map_size}, 256 * 1024 * 1024, 'the map as configured');
is($h->{queue}{size}, 1024 * 1024, 'the ring as configured');
like($h->{store}{id}, qr/^[0-9a-f]{32}$/, 'the id of the store');
ok($h->{store}{open} && $h->{store}{writing}, 'the store is open');
is($h->{store}{codes}, 0, 'no codes');

$t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });
$t->get('/r/ANNA') for 1 .. 3;
$t->get('/r/NOBODY');

my $human = 'referral_clicks_total{program="friends",class="human"}';

ok(wait_for(sub { metrics($t)->{$human} == 3 }, 10), 'clicks are counted');

$r = $t->api(GET => '/metrics');
is($r->header('Content-Type'),
    'application/openmetrics-text; version=1.0.0; charset=utf-8', 'OpenMetrics');
is($r->header('X-Content-Type-Options'), 'nosniff', 'nosniff');
is($r->header('Cache-Control'), 'no-store', 'not stored');

my $m = metrics($t);
is($m->{referral_store_up}, 1, 'up');
is($m->{'referral_clicks_total{program="friends",class="unknown"}'}, 1, 'unknown');
is($m->{'referral_unique_clicks_total{program="friends"}'}, 1, 'unique');
is(scalar(grep { /^referral_clicks_total/ } keys %$m), 11, 'every class, always');
is($m->{referral_store_codes}, 1, 'codes');
cmp_ok($m->{referral_commit_seconds_count}, '>=', 2, 'commits');
cmp_ok($m->{referral_commit_seconds_sum}, '<', 60, 'and how long they took');
cmp_ok($m->{referral_records_total}, '>=', 5, 'records');
cmp_ok(abs($m->{referral_last_commit_timestamp_seconds} - time), '<', 30,
    'the last commit');
is($m->{"referral_${_}_total"}, 0, "no $_") for qw(clicks_lost commit_errors
    records_refused);

isnt(health($t)->{last_commit}, undef, 'health knows it too');
unlike($r->body, qr/ANNA/, 'no code in a label');


# Another process holds the lock of the store.

my $holder = $t->dir . '/holder';

open my $f, '>', "$holder.c" or die "$holder.c: $!";
print $f <<'EOC';
#include <stdio.h>
#include <lmdb.h>
int main(int argc, char **argv)
{
    MDB_env *env;
    MDB_txn *txn;
    if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 48)
        || mdb_env_open(env, argv[1], 0, 0600)
        || mdb_txn_begin(env, NULL, 0, &txn))
    {
        return 1;
    }
    puts("locked");
    fflush(stdout);
    getchar();
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return 0;
}
EOC
close $f;

is(system('cc', '-o', $holder, "$holder.c", '-llmdb'), 0, 'a program that locks');

my $store = $t->store;
pipe my $stdin, my $release or die $!;
my $pid = open my $out, '-|';

if (!$pid) {
    close $release;
    open STDIN, '<&', $stdin;
    exec $holder, $store;
}

close $stdin;
is(<$out>, "locked\n", 'the store is locked');

is($t->get('/r/ANNA')->status, 302, 'links redirect');
ok(wait_for(sub { health($t)->{queue}{records} >= 1 }, 5), 'the queue grows');
cmp_ok(metrics($t)->{referral_queue_bytes}, '>', 0, 'in metrics too');
is($t->api(GET => '/v1/codes/ANNA')->status, 200, 'reading goes on');

$r = $t->api(PUT => '/v1/codes/LATE', { owner => 'u1' });
is($r->status, 503, 'a change is not confirmed');
is($r->header('Retry-After'), 1, 'try again');
is(decode_json($r->body)->{code}, 'store_unavailable', 'says so');

close $release;
is(join('', <$out>), '', 'the lock is released');
close $out;

is($t->api(PUT => '/v1/codes/LATE', { owner => 'u1' })->status, 200,
    'the same again: it was done in between');
ok(wait_for(sub { metrics($t)->{$human} == 4 && !health($t)->{queue}{records} }, 5),
    'the click is counted');
is(health($t)->{status}, 'ok', 'all is well');


# A store that is not one.

my $broken = Referral::Nginx->new(conf => $conf);

mkdir $broken->store;
open $f, '>', $broken->store . '/data.mdb' or die $!;
print $f 'not a store ' x 4000;
close $f;
chmod 0777, $broken->store;
chmod 0666, $broken->store . '/data.mdb';

$broken->start;
ok(wait_for(sub { defined health($broken)->{detail} }, 10), 'it says what is wrong');

$r = $broken->api(GET => '/v1/health');
$h = decode_json($r->body);
is($r->status, 503, 'health is 503');
is($h->{status}, 'down', 'down');
ok(!$h->{store}{open}, 'the store is not open');
like($h->{detail}, qr/\Q@{[$broken->store]}\E/, 'names the file');

for ([GET => '/v1/codes'], [GET => '/v1/codes/ANNA'], [GET => '/v1/counters'],
    [GET => '/v1/clicks/AAAAAAAAAAAA'], [PUT => '/v1/codes/ANNA', { owner => 'u1' }],
    [POST => '/v1/codes', { owner => 'u1' }], [POST => '/v1/codes?dry_run=1',
    { owner => 'u1' }], [DELETE => '/v1/codes/ANNA'])
{
    my $r = $broken->api(@$_);
    is($r->status, 503, "$_->[0] $_->[1]: 503");
    is($r->header('Retry-After'), 1, "$_->[0] $_->[1]: try again");
}

$r = $broken->get('/r/ANNA');
is($r->status, 302, 'links redirect');

$m = metrics($broken);
is($m->{referral_store_up}, 0, 'metrics: down');
is($m->{referral_clicks_lost_total}, 1, 'metrics: the click is lost');
is($m->{$human}, undef, 'metrics: no count that is not known');

finish();
