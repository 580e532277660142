# The journal as a feed: what its entries hold, filters, positions, and a
# follower that misses nothing while orders arrive.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);
use lib 't/lib';
use Referral::Nginx timeout => 120;

my $ORDERS = 400;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=50ms;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event signup points=5;
        event purchase points=10;
        event trial hold=1s;
        tier bronze 10;
        reward mug to=referrer on=purchase "value=a mug" hold=14d;
        contest race from=2026-01-01 to=2027-01-01;
    }
    referral_program other {
        link "^/o/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event purchase points=10;
    }
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /other/ { referral_api other token_file=%%TOKENS%%; }
    }
EOC

$t->start;

sub api { return $t->api(@_) }
sub journal {
    my ($query, %opt) = @_;
    return api(GET => '/v1/journal' . (length $query ? "?$query" : ''), undef, %opt);
}

# The entries of a page, and its last line.

sub lines {
    my $r = journal(@_);
    is($r->status, 200, "journal ?$_[0]") or return ({});
    my @lines = map { decode_json($_) } split /\n/, $r->body;
    return (pop @lines, @lines);
}

sub entry {
    my ($type) = @_;
    my ($end, @lines) = lines("type=$type&limit=1000");
    is(scalar(grep { $_->{type} ne $type } @lines), 0, "$type and nothing else");
    my ($last) = $lines[-1] || {};
    like($last->{time}, qr/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, "$type: time");
    cmp_ok($last->{seq}, '>', 0, "$type: seq");
    return { map { $_ => $last->{$_} } grep { !/^(?:seq|time|type)$/ } keys %$last };
}


# What entries hold.

is(api(PUT => '/v1/codes/ANNA', { owner => 'u1', name => 'Anna' })->status, 201,
    'a code');
is(api(PUT => '/v1/codes/OTTO', { owner => 'u1' }, prefix => '/other')->status, 201,
    'a code of another program');

my $click = $t->get('/r/ANNA/wa');
ok(wait_for(sub { (journal('type=click')->body =~ tr/\n//) == 2 }, 10), 'a click');

my ($id) = $click->header('Set-Cookie') =~ /\.ANNA\.wa\.([A-Za-z0-9_-]{12})\./;

is_deeply(entry('click'), { click_id => $id, code => 'ANNA', class => 'human',
    why => 'navigation', flags => [], unique => JSON::PP::true, channel => 'wa',
    landing => '/welcome' }, 'click');
is_deeply(entry('code'), { code => 'ANNA', owner => 'u1', name => 'Anna' },
    'code: what was set');
is_deeply(entry('program'), { name => 'friends', case_sensitive => JSON::PP::false },
    'program');
is_deeply(entry('rules'), { events => [qw(signup purchase trial)],
    tiers => ['bronze'], rewards => ['mug'], contests => ['race'] }, 'rules');

my $order = decode_json(api(POST => '/v1/conversions', { event => 'purchase',
    order_id => 'o-1', amount => 4999, currency => 'EUR', customer_id => 'f1',
    code => 'ANNA', occurred_at => '2026-01-02T03:04:05Z' })->body);
my $reward = $order->{rewards}[0]{id};

is_deeply(entry('conversion'), { order_id => 'o-1', event => 'purchase',
    amount => 4999, currency => 'EUR', customer_id => 'f1', source => 'api',
    occurred_at => '2026-01-02T03:04:05Z' }, 'conversion');
is_deeply(entry('status'), { order_id => 'o-1', code => 'ANNA', from => undef,
    to => 'approved' }, 'status: a new one');
is_deeply(entry('reward'), { id => $reward, name => 'mug', code => 'ANNA',
    order_id => 'o-1', from => undef, to => 'pending' }, 'reward: a new one');
is_deeply(entry('tier'), { code => 'ANNA', from => undef, to => 'bronze' }, 'tier');

is(api(POST => "/v1/rewards/$reward/approve", { reason => 'early' })->status, 200,
    'a decision');
is_deeply(entry('decision'), { decision => 'approve', reward => $reward,
    order_id => undef, reason => 'early' }, 'decision');
is_deeply(entry('reward'), { id => $reward, name => 'mug', code => 'ANNA',
    order_id => 'o-1', from => 'pending', to => 'approved' }, 'reward: approved');

is(api(POST => '/v1/conversions/o-1/refunds', { refund_id => 'r1', amount => 999,
    currency => 'EUR' })->status, 201, 'a refund');
is_deeply(entry('refund'), { order_id => 'o-1', refund_id => 'r1', amount => 999,
    currency => 'EUR', whole => JSON::PP::false, reason => undef }, 'refund');
is(api(POST => '/v1/conversions/o-1/refunds', { refund_id => 'r2',
    reason => 'broken' })->status, 201, 'the rest');
is_deeply(entry('refund'), { order_id => 'o-1', refund_id => 'r2', amount => 4000,
    currency => 'EUR', whole => JSON::PP::true, reason => 'broken' }, 'refund: whole');
is_deeply(entry('status'), { order_id => 'o-1', code => 'ANNA', from => 'approved',
    to => 'refunded' }, 'status');
is_deeply(entry('tier'), { code => 'ANNA', from => 'bronze', to => undef },
    'tier: lost again');

api(POST => '/v1/conversions', { event => 'trial', order_id => 'o-2',
    code => 'ANNA' });
ok(wait_for(sub { journal('type=hold')->body =~ /"type":"hold"/ }, 15),
    'a hold passes by itself');
is_deeply(entry('hold'), {}, 'hold');
is_deeply(entry('status'), { order_id => 'o-2', code => 'ANNA', from => 'pending',
    to => 'approved' }, 'and what followed from it');

is(api(DELETE => '/v1/codes/ANNA')->status, 204, 'the code ends');
is_deeply(entry('code'), { code => 'ANNA', status => 'ended' }, 'code: ended');
is(api(PUT => '/v1/codes/BERT', { owner => 'u2', kind => 'partner',
    landing => '/x' })->status, 201, 'another one');
is_deeply(entry('code'), { code => 'BERT', owner => 'u2', kind => 'partner',
    landing => '/x' }, 'code: what was set');


# Headers, order, pages, filters.

my $r = journal('');

is($r->header('Content-Type'), 'application/x-ndjson', 'NDJSON');
is($r->header('Cache-Control'), 'no-store', 'not stored');
is($r->header('X-Content-Type-Options'), 'nosniff', 'nor sniffed');
like($r->body, qr/^\{"seq":\d+,/m, 'seq is a number');
like($r->body, qr/\n\{"next":\d+,"more":false\}\n\z/, 'the last line');

my ($end, @all) = lines('');
my @seq = map { $_->{seq} } @all;

is_deeply(\@seq, [sort { $a <=> $b } @seq], 'in order');
is(scalar(grep { ($_->{code} || '') eq 'OTTO' } @all), 0,
    'nothing of another program');

my ($other_end, @other) = lines('', prefix => '/other');

is($other_end->{next}, $end->{next}, 'they end at the same place');
is_deeply([map { $_->{type} } grep { $_->{type} ne 'hold' } @other],
    [qw(program rules code)], 'the other program has its own');

for my $limit (1, 3, 7) {
    my (@got, $last);
    my $after = 0;

    for (1 .. 100) {
        ($last, my @lines) = lines("limit=$limit&after=$after");
        push @got, @lines;
        $after = $last->{next};
        last unless $last->{more};
    }

    is_deeply(\@got, \@all, "in pages of $limit");
    is($after, $end->{next}, "to the same end");
}

my ($filtered, @some) = lines('type=reward,refund');
is_deeply(\@some, [grep { $_->{type} =~ /^re(?:ward|fund)$/ } @all], 'two types');
is_deeply($filtered, $end, 'the position goes on over what is passed');

($filtered, @some) = lines('type=tier,status,tier&limit=2');
is(scalar @some, 2, 'a limit of those that pass');
is($filtered->{next}, $some[-1]{seq}, 'next is the last of them');
ok($filtered->{more}, 'there is more');

is_deeply([lines("after=$end->{next}")], [{ next => $end->{next},
    more => JSON::PP::false }], 'at the end');

$r = journal('after=' . ($end->{next} + 1));
is($r->status, 422, 'beyond the end: 422');
is(decode_json($r->body)->{code}, 'journal_position', 'journal_position');

for (['after=x', 'after'], ['after=-1', 'after'], ['after=', 'after'],
    ['after=99999999999999999999', 'after'], ['limit=0', 'limit'],
    ['limit=1001', 'limit'], ['limit=', 'limit'], ['type=', 'type'],
    ['type=note', 'type'], ['type=click,', 'type'], ['type=Click', 'type'])
{
    my ($query, $field) = @$_;
    my $r = journal($query);
    is($r->status, 422, "?$query: 422");
    is_deeply([map { $_->{field} } @{ decode_json($r->body)->{errors} }], [$field],
        "?$query: names $field");
}

is(journal('limit=1000')->status, 200, 'a limit of 1000');
is(journal('code=ANNA')->status, 400, 'an unknown parameter');
is(api(HEAD => '/v1/journal')->body, '', 'HEAD');


# A follower, while orders arrive over both workers: half of them of the other
# program, each reported twice.

my $after = $end->{next};
my @pids;

for my $n (0 .. 3) {
    my $pid = fork();
    die "fork() failed: $!" unless defined $pid;
    push @pids, $pid;
    next if $pid;

    alarm 60;

    for my $i (grep { $_ % 4 == $n } 1 .. $ORDERS) {
        my $prefix = $i % 2 ? '/referral' : '/other';
        api(POST => '/v1/conversions', { event => 'purchase',
            order_id => "f-$i" }, prefix => $prefix) for 1, 2;
    }

    POSIX::_exit(0);
}

my (@seen, $rounds, $left);
my $running = @pids;

for ($rounds = 0; $rounds < 2000; $rounds++) {
    $running = grep { waitpid($_, POSIX::WNOHANG) == 0 } @pids;

    my @lines = map { decode_json($_) } split /\n/,
        journal("type=conversion&limit=20&after=$after")->body;
    my $last = pop @lines;

    push @seen, @lines;
    $left++ if $last->{next} < $after;
    $after = $last->{next};

    last if !$running && !$last->{more};
    sleep 0.01 unless $last->{more};
}

waitpid $_, 0 for @pids;

is($left, undef, 'the position never goes back');
cmp_ok($rounds, '>', 5, 'the follower polled while they arrived');

my %times;
$times{ $_->{order_id} }++ for @seen;

is(scalar @seen, $ORDERS / 2, 'every order of the program');
is(scalar(grep { $_ != 1 } values %times), 0, 'once');
is(scalar(grep { !/^f-(\d+)$/ || $1 % 2 == 0 } keys %times), 0, 'and no other');

my @order = map { $_->{seq} } @seen;
is_deeply(\@order, [sort { $a <=> $b } @order], 'in order');

($end, my @again) = lines("type=conversion&limit=1000&after=$seen[0]{seq}");
is_deeply([map { $_->{order_id} } @again], [map { $_->{order_id} } @seen[1 .. $#seen]],
    'as the journal tells it later');

finish();
