#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# GET /v1/owners/{owner}: all of one person, and nothing of anybody else; of
# one with ten thousand orders in a store of twenty thousand as well, while
# links are answered as ever.

use strict;
use warnings;
use utf8;

use JSON::PP;
use Test::More;
use Time::HiRes qw(time);

use lib 't/lib';
use Referral::Nginx timeout => 120;

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output);

my $MANY = 10000;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>\w+)$";
        landing https://shop.example/;
        bind 30d;
        event signup points=5 once=customer;
        event purchase points=10 hold=14d;
        reward cash to=referrer on=purchase value=10%;
        reward mug to=friend on=purchase value=mug;
    }

    referral_program others {
        link "^/o/(?<code>\w+)$";
        landing https://shop.example/;
        cookie others;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /others/ { referral_api others token_file=%%TOKENS%%; }
    }
EOC

$t->start;

my ($anna, $name) = ('anna/1 %é', 'Anna Schmidt');

code(ANNA42 => $anna, $name);
code(ANNA43 => $anna, 'Anna again');
code(BOB7 => 'bob-2', 'Bob of Bern');
code(QUIET => 'quiet-3', 'Quiet');
is($t->api(PUT => '/v1/codes/ELSE1', { owner => $anna, name => 'Elsewhere' },
    prefix => '/others')->status, 201, 'one id in two programs');

$t->get('/r/ANNA42') for 1 .. 3;
order("with-$_", "friend-$_", 'ANNA42', 1000 * $_) for 1 .. 3;
order('with-43', 'friend-1b', 'ANNA43', 500);
order('by-none', $anna, undef, 70);
order("by-$_", $anna, 'BOB7', 300) for 1, 2;
order('else', 'else-9', 'BOB7', 999);
is($t->api(POST => '/v1/conversions/by-1/refunds', { refund_id => 'r1',
    amount => 100, reason => 'too small' })->status, 201, 'a refund');
is($t->api(POST => '/v1/conversions/with-1/refunds', { refund_id => 'r2',
    amount => 50, reason => 'friend-1 was ill' })->status, 201, 'another');

my ($stolen) = grep { $_->{order_id} eq 'with-3' && $_->{to} eq 'referrer' }
    @{ $t->api(GET => '/v1/rewards')->json->{data} };
is($t->api(POST => "/v1/rewards/$stolen->{id}/void",
    { reason => 'Carla Rossi (friend-3) paid with a stolen card' })->status,
    200, 'a reward that is void, and why');

both();
alone();
missing();
sizes();
large();
gone();
erased();

finish();


sub code {
    my ($code, $owner, $name) = @_;
    is($t->api(PUT => "/v1/codes/$code", { owner => $owner, name => $name })
        ->status, 201, "code $code");
}


sub order {
    my ($id, $customer, $code, $amount) = @_;
    my $r = $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => $id, amount => $amount, currency => 'EUR',
        customer_id => $customer, defined $code ? (code => $code) : () });
    like($r->status, qr/^20[12]$/, "order $id") or diag $r->body;
}


sub owner {
    my ($id, %opt) = @_;
    utf8::encode(my $bytes = $id);
    $bytes =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
    return $t->api($opt{method} || 'GET', "/v1/owners/$bytes", undef, %opt);
}


sub json { decode_json($_[0]->body) }


# A parser that does not take its time.

sub jq {
    my ($filter, $r) = @_;
    my $file = $t->dir . '/answer';
    open my $f, '>', $file or die "$file: $!";
    print $f $r->body;
    close $f;
    chomp(my $out = `jq -r '$filter' '$file'`);
    return $out;
}


sub both {
    my $r = owner($anna);
    my $got = json($r);

    is(join(' ', $r->status, $r->header('Content-Type'),
        $r->header('Cache-Control')), '200 application/json no-store',
        'an owner who is a customer, with an id that needs escapes');
    is($got->{owner}, $anna, 'the id');
    is(join(' ', sort keys %$got), 'binding codes events owner program rewards',
        'all parts');

    my @codes = @{ $got->{codes} };
    is(join(' ', map { $_->{code} } @codes), 'ANNA42 ANNA43', 'both codes');
    is_deeply([map { $_->{name} } @codes], [$name, 'Anna again'], 'their names');
    is_deeply($codes[$_], json($t->api(GET => "/v1/codes/ANNA4" . (2 + $_))),
        'as the endpoint has them: counters, points, rewards') for 0, 1;
    is($codes[0]{clicks}{total}, 3, 'clicks among them');

    is(join(' ', map { "$_->{code}:$_->{amount}" } @{ $got->{rewards} }),
        'ANNA42:95 ANNA42:200 ANNA42:300 ANNA43:50', 'what the codes earned');
    is(scalar(grep { $_->{to} ne 'referrer' || defined $_->{order_id}
        || defined $_->{customer_id} || defined $_->{reason} }
        @{ $got->{rewards} }), 0,
        'without the orders and the ids of friends, and what is said of them');
    is((map { $_->{state} } grep { $_->{id} eq $stolen->{id} }
        @{ $got->{rewards} })[0], 'void', 'but that one of them is void');

    is(join(' ', sort map { $_->{order_id} } @{ $got->{events} }),
        'by-1 by-2 by-none', 'own orders');
    my %event = map { $_->{order_id} => $_ } @{ $got->{events} };
    is_deeply([map { [@$_{qw(refund_id amount reason)}] }
        @{ $event{'by-1'}{refunds} }], [['r1', 100, 'too small']],
        'with their refunds');
    is(join(' ', map { "$_->{to}:$_->{value}:$_->{customer_id}" }
        @{ $event{'by-2'}{rewards} }), "friend:mug:$anna",
        'and what they earned the person, not who else');
    is($event{'by-none'}{status}, 'unattributed', 'also one of no code');

    my $one = json($t->api(GET => '/v1/conversions/by-1'));
    delete @$one{qw(duplicate rewards)};
    delete @{ $event{'by-1'} }{qw(refunds rewards)};
    is_deeply($event{'by-1'}, $one, 'else as the endpoint has them');

    is($got->{binding}{code}, 'BOB7', 'the code they are bound to');
    like($got->{binding}{$_}, qr/^20\d\d-\d\d-\d\dT/, $_) for qw(from until);

    unlike($r->body,
        qr/friend-|with-|bob-2|Bob of|else|was ill|Elsewhere|Carla/,
        'nothing of anybody else, nor of the other program');
    is(join(' ', map { $_->{code} } @{ json(owner($anna,
        prefix => '/others'))->{codes} }), 'ELSE1', 'which has its own');

    $r = owner($anna, method => 'HEAD');
    is(join(' ', $r->status, length $r->body), '200 0', 'HEAD');
}


sub alone {
    my $got = json(owner('quiet-3'));
    is(join(' ', scalar @{ $got->{codes} }, scalar @{ $got->{rewards} },
        defined $got->{binding} ? 1 : 0, scalar @{ $got->{events} }),
        '1 0 0 0', 'an owner who never bought');

    $got = json(owner('friend-2'));
    is(join(' ', scalar @{ $got->{codes} }, scalar @{ $got->{rewards} },
        $got->{binding}{code}, map { $_->{order_id} } @{ $got->{events} }),
        '0 0 ANNA42 with-2', 'a customer without a code');
    unlike(owner('friend-2')->body, qr/Anna|anna/,
        'knows the code they followed, not whose it is');
    is($got->{events}[0]{rewards}[0]{name}, 'mug', 'and their gift');
}


sub missing {
    for my $id ('nobody', 'friend-', 'friend-11', 'FRIEND-1', 'anna', 'ANNA42',
        'x' x 128, 'x' x 129)
    {
        my $r = owner($id);
        is(join(' ', $r->status, json($r)->{code}), '404 owner_not_found',
            substr($id, 0, 20) . ': nothing is known');
    }

    is(owner('nobody', method => 'HEAD')->status, 404, 'HEAD');
    is(owner($anna, token => $t->{token}{$_})->status, 403, "not by scope $_")
        for qw(read write);
    is(owner($anna, token => undef)->status, 401, 'nor without a token');
    is($t->api(GET => '/v1/owners/')->status, 404, 'no id');
    my $r = owner($anna, method => 'DELETE');
    is(join(' ', $r->status, $r->header('Allow')), '405 GET, HEAD',
        'erasing is for referralctl');
}


# Names that fill the first block of memory to its end, byte by byte.

sub sizes {
    my ($n, $block, $length) = (248, 128 * 1024, 0);

    my $put = sub {
        my ($i, $len) = ($_[0] % $n, int($_[0] / $n));
        $t->api(PUT => sprintf('/v1/codes/WIDE%05d', $i),
            { owner => 'wide', name => 'x' x $len })->status =~ /^20[01]$/
            or die "code $i";
    };

    my $get = sub {
        my $body = owner('wide')->body;
        $length = index $body, '],"rewards"';
        return $body;
    };

    my $filled = $n;                    # a character for each name
    $put->($_) for $filled .. $filled + $n - 1;
    $get->();
    my $len = int(($block - 400 - $length) / $n);
    $filled += $n * $len;
    $put->($_) for $filled .. $filled + $n - 1;
    $filled += $n;

    $put->($filled++) while $get->() && $length < $block - 256 - 120;

    for my $bound (0, 1) {
        order('wide-1', 'wide', 'ANNA43', 100) if $bound;
        open my $f, '>', $t->dir . '/sweep' or die $!;

        for (1 .. 160) {
            print $f $get->();
            $put->($bound ? --$filled - $n : $filled++);
        }

        close $f;
        cmp_ok(abs($length - $block + 256 + 120 - 160 * !$bound), '<=', 2,
            'from one side of the end to the other');

        my @got = `jq -c '[(.codes | length), .binding.code,
            (.events | length)]' '@{[$t->dir]}/sweep' 2>&1`;
        chomp @got;
        my $want = $bound ? qq([$n,"ANNA43",1]) : "[$n,null,0]";
        is(scalar(grep { $_ eq $want } @got), 160, $bound
            ? 'whole, whatever is left for the binding'
            : 'and for none') or diag "@got";
    }
}


sub large {
    my $file = $t->dir . '/orders';
    open my $f, '>', $file or die "$file: $!";
    print $f map { my $n = $_; map { JSON::PP->new->utf8->encode({
        event => 'purchase', order_id => "$_-$n", amount => 100 + $n,
        currency => 'EUR', code => 'BOB7', customer_id => $_,
        occurred_at => '2026-01-01T00:00:00Z' }) . "\n" } qw(big other) }
        1 .. $MANY;
    close $f;

    my $out = `'$Referral::Nginx::BUILD/referralctl' import conversions '@{[
        $t->store]}' friends '$file' 2>&1`;
    is($?, 0, 2 * $MANY . ' orders') or diag $out;

    # nobody is the dearest: all is looked through, and nothing found

    for my $id ('big', 'bob-2', 'nobody') {
        my ($begun, $longest, $n, $r) = (time, 0, 0);
        my $slow = $t->connect;
        my %h = (Authorization => "Bearer $t->{token}{admin}");
        $slow->send($slow->format(GET => "/referral/v1/owners/$id", \%h));

        my $c = $t->connect;

        for (1 .. 100) {
            my $from = time;
            $n++ if $c->get('/r/QUIET')->status == 302;
            $longest = time - $from if time - $from > $longest;
        }

        $r = $slow->response('GET');
        note sprintf '%s: %.2f s, %.1f ms the longest link, %d bytes', $id,
            time - $begun, $longest * 1000, length $r->body;
        is($n, 100, "$id: links meanwhile");
        cmp_ok($longest, '<', $ENV{TEST_VALGRIND} ? 5 : 0.25,
            'none waits for all of it');

        if ($id eq 'nobody') {
            is($r->status, 404, 'unknown');

        } elsif ($id eq 'big') {
            is(jq('.events | length', $r), $MANY, 'all orders');
            is(jq('[.events[].order_id] | unique | length', $r), $MANY,
                'each once');
            is(jq('[.events[].customer_id] | unique | join(" ")', $r), 'big',
                'and of nobody else');

        } else {
            is(jq('.rewards | length', $r), 2 * $MANY + 3, 'all rewards');
            is(jq('[.rewards[].id] | unique | length', $r), 2 * $MANY + 3,
                'each once');
            unlike($r->body, qr/"(?:big|other)/, 'of nobody by name');
        }
    }
}


# What is told of a person is what erasing finds of them.

sub erased {
    utf8::encode(my $id = $anna);
    my $out = `'$Referral::Nginx::BUILD/referralctl' erase '@{[$t->store]
        }' friends '$id' 2>&1`;
    is($?, 0, 'erased') or diag $out;
    is(owner($anna)->status, 404, 'nothing is known of them then');
    is(owner($anna, prefix => '/others')->status, 200,
        'but in the other program');
}


# Clients that go away, before anything was found and in the middle; and one
# whose worker is told to go.

sub gone {
    my %h = (Authorization => "Bearer $t->{token}{admin}");
    my ($worker) = $t->workers;

    for my $id (qw(nobody big)) {
        for (1 .. 5) {
            my $c = $t->connect;
            $c->send($c->format(GET => "/referral/v1/owners/$id", \%h));
            select undef, undef, undef, 0.005;
        }
    }

    my $c = $t->connect;
    $c->send($c->format(GET => '/referral/v1/owners/big', \%h));
    is(($t->workers)[0], $worker, 'the worker has seen them go');
    $t->hup;
    is(jq('.events | length', $c->response('GET')), $MANY,
        'a reload waits for the last of it');
}
