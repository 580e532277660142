#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# referralctl export beside nginx: the objects and tables are those of the
# endpoint, to the byte, and what import reads of them makes the same program
# in a new store.

use strict;
use warnings;
use lib 't/lib';
use utf8;

use File::Temp qw(tempdir);
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep);

use Referral::Load;
use Referral::Nginx timeout => 240;
use Referral::Run qw(run);

my $tmp = tempdir(CLEANUP => 1);
my $ctl = "$tmp/referralctl";
my $json = JSON::PP->new->canonical->utf8;

chmod 0755, $tmp;
system('cp', "$Referral::Nginx::BUILD/referralctl", $ctl) == 0
    or BAIL_OUT('there is no referralctl');

my $conf = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%% map_size=64m interval=50ms;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event signup points=5;
        event purchase points=10 hold=14d;
        tier bronze 20;
        reward cash to=referrer on=purchase value=10%;
        reward mug to=friend on=signup "value==HYPERLINK(A1)";
    }
    referral_program other {
        link "^/o/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event purchase points=1;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /other/ { referral_api other token_file=%%TOKENS%%; }
    }
EOC

my $t = Referral::Nginx->new(workers => 2, conf => $conf);

$t->start;
scene();

subtest 'wrong use' => \&wrong_use;
subtest 'objects' => \&objects;
subtest 'tables' => \&tables;
subtest 'counters' => \&counters;
subtest 'the journal' => \&journal;
subtest 'more rows than a snapshot has' => \&many;
subtest 'codes and orders into a new store' => \&round_trip;
subtest 'codes from elsewhere' => \&codes;
subtest 'orders as CSV' => \&orders_csv;
subtest 'output' => \&output;

SKIP: {
    skip 'only root can act as others', 1 if $> != 0;
    subtest 'users' => \&users;
}

finish();


sub scene {
    my @codes = (['ANNA42', { owner => '=1+1', name => "Anna \"A\", \x{e4}" }],
        ['BEN7', { owner => "'=u2", kind => 'partner', landing => '/x?a=b' }],
        ['CARL', { owner => ' @' . 'x', name => "'+Carl" } ],
        ['DORA', { owner => 'u4', status => 'paused',
        landing => 'https://shop.example/dora' }], ['EMIL', { owner => 'u5' }]);

    $codes[2][1]{owner} = '@u3';

    is($t->api(PUT => "/v1/codes/$_->[0]", $_->[1])->status, 201, $_->[0])
        for @codes;
    is($t->api(PUT => '/v1/codes/OTTO', { owner => 'u9' },
        prefix => '/other')->status, 201, 'a code of another program');

    my @orders = (order('o1', code => 'ANNA42', customer_id => 'f1'),
        order('o2', code => 'ANNA42', customer_id => 'f1'),
        order('o3', code => 'BEN7', amount => 1000,
            occurred_at => '2026-01-02T03:04:05Z'),
        order('o4'), order('o5', code => 'EMIL', customer_id => 'u5'),
        order('o6', code => 'CARL', currency => 'JPY', amount => 500),
        { event => 'signup', order_id => 's1', code => 'BEN7',
            customer_id => 'f2' },
        { event => 'signup', order_id => 's2', code => 'BEN7' },
        order('=7', code => 'EMIL'));

    like($t->api(POST => '/v1/conversions', $_)->status, qr/^20[12]$/,
        "order $_->{order_id}") for @orders;
    is($t->api(POST => "/v1/conversions/$_->[0]/refunds", $_->[1])->status,
        201, "a refund of $_->[0]") for ['o1', { refund_id => 'r1',
        amount => 999 }], ['o2', { refund_id => 'r2' }],
        ['s2', { refund_id => 'r3' }];
    is($t->api(POST => '/v1/conversions', order('q1', code => 'OTTO'),
        prefix => '/other')->status, 201, 'an order of another program');
    is($t->api(DELETE => '/v1/codes/EMIL')->status, 204, 'a code ends');

    $t->get('/r/ANNA42/wa') for 1 .. 3;
    $t->get('/r/BEN7');
    ok(wait_for(sub { $t->api(GET => '/v1/counters')
        ->json->{data}[0]{clicks}{total} == 4 }, 10), 'clicks');
}


sub wrong_use {
    refused(qr/has no program "freunde", only "friends", "other"$/,
        qw(export codes), $t->store, 'freunde');
    refused(qr/has no program "", only/, qw(export codes), $t->store, '');
    refused(qr/has no program "x+", only/, qw(export codes), $t->store,
        'x' x 300);
    refused(qr/cannot use "[^"]*none" \(No such file/, qw(export codes),
        "$tmp/none", 'friends');

    mkdir "$tmp/empty";
    refused(qr/cannot open ".*data.mdb" \(No such file/, qw(export codes),
        "$tmp/empty", 'friends');
}


sub objects {
    for (['codes', '/v1/codes'], ['rewards', '/v1/rewards']) {
        my ($kind, $path) = @$_;
        my $text = join ',', split /\n/, export($kind);
        is("{\"data\":[$text],\"next\":null}\n",
            $t->api(GET => "$path?limit=250")->body,
            "$kind: those of the list");
    }

    my @orders = objects_of(export('conversions'));
    is(join(' ', map { $_->{order_id} } @orders),
        '=7 o1 o2 o3 o4 o5 o6 s1 s2', 'conversions: all of the program');
    is($json->encode($_), $json->encode($t->api(GET => '/v1/conversions/'
        . ($_->{order_id} =~ s/=/%3D/r))->json),
        "$_->{order_id}: as the endpoint has it") for @orders;
}


sub tables {
    is(export($_, '--csv'), $t->api(GET => "/export/$_.csv")->body,
        "$_: the file of the endpoint")
        for qw(codes conversions rewards counters);

    my $csv = export('codes', '--csv');
    like($csv, qr/^"ANNA42","active","'=1\+1",/m, 'no formula');
    like($csv, qr/^"BEN7","active","''=u2",/m, 'nor what looks like one');
}


sub counters {
    my @days = objects_of(export('counters'));
    my $days = $t->api(GET => '/v1/counters?by=day&limit=250')->json->{data};
    my ($today) = grep { $_->{clicks}{total} } @days;

    is_deeply([map { counted($_) } @days], $days, 'clicks and events by day');

    my $events = $t->api(GET => '/v1/counters?by=event')->json->{data};
    delete $_->{unattributed_amounts} for @$events;
    is_deeply([map { { event => $_, %{ $today->{events}{$_} } } }
        map { $_->{event} } @$events], $events, 'events, all of today');
}


# A day of the export as the endpoint tells it.

sub counted {
    my ($day) = @_;
    my %events = map { $_ => { count => $day->{events}{$_}{count}, counted =>
        $day->{events}{$_}{pending} + $day->{events}{$_}{approved} } }
        keys %{ $day->{events} };

    return { day => $day->{day}, clicks => $day->{clicks}, events => \%events };
}


sub journal {
    my @lines = split /(?<=\n)/, $t->api(GET => '/v1/journal?limit=1000')->body;

    pop @lines;
    is(export('journal'), join('', @lines), 'the entries of the feed');
    unlike(export('journal'), qr/OTTO/, 'of one program');
}


sub many {
    my $n = 2500;
    my $file = file('many', map { order("m$_", code => 'BEN7',
        occurred_at => '2026-02-01') } 1 .. $n);

    is((ctl(qw(import conversions), $t->store, 'friends', $file))[0], 0,
        "$n orders");

    for my $kind (qw(conversions rewards)) {
        my @all = objects_of(export($kind));
        my %seen;
        $seen{ $_->{order_id} . ($_->{id} // '') }++ for @all;
        is(scalar(@all), keys %seen, "$kind: each once");
        is(scalar(grep { $_->{order_id} =~ /^m\d/ } @all), $n, 'and all');
    }

    is(export('conversions', '--csv') =~ tr/\n//, $n + 10, 'as CSV');

    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => ['/r/ANNA42'], seconds => 60);
    my @seq = map { $_->{seq} } objects_of(export('journal'));
    my $clicks = $load->stop;

    is(scalar(grep { $seq[$_] <= $seq[$_ - 1] } 1 .. $#seq), 0,
        'the journal, beside traffic: in order');
    is($clicks->{other}, 0, 'which was answered');
}


# What is the same, and what is not: times, ids, and who decided.

sub round_trip {
    my %want = map { $_ => export($_) } qw(codes conversions);

    for my $opt ([], ['--csv']) {
        my $new = Referral::Nginx->new(conf => $conf);
        my $name = "@$opt" || 'JSON';

        $new->start;

        for my $kind (qw(codes conversions)) {
            my $text = export($kind, @$opt);

            # an order can be credited to a code until it ends

            $text =~ s/("status":)"ended"/$1"active"/ if $kind eq 'codes';
            $text =~ s/^("EMIL",)"ended"/$1"active"/m if $kind eq 'codes';

            my $file = file("$kind@$opt", $text);
            my ($code, $out, $err) = ctl('import', $kind, $new->store,
                'friends', $file, '--json');
            is("$code$err", '0', "$name: import $kind") or diag $out;

            ($code, $out, $err) = ctl('import', $kind, $new->store, 'friends',
                $file, '--json');
            my $sum = $json->decode($out);
            is("$code$err $sum->{new}", '0 0', 'again, nothing is new');
        }

        my $codes = file("end@$opt", export('codes', @$opt));
        my ($code, $out, $err) = ctl(qw(import codes), $new->store, 'friends',
            $codes, '--json');
        is_deeply([$code, $err, @{ $json->decode($out) }{qw(new changed same)}],
            [0, '', 0, 1, 4], 'the code that has ended ends');

        for my $kind (qw(codes conversions)) {
            my @got = map { carried($_) } objects_of(export_of($new, $kind));
            is_deeply(\@got, [map { carried($_) } objects_of($want{$kind})],
                "$name: the same $kind");
        }

        is((ctl('verify', $new->store))[0], 0, 'which adds up');
        $new->quit;
    }
}


sub carried {
    my ($o) = @_;
    my %o = map { $_ => $o->{$_} } exists $o->{order_id}
        ? qw(order_id event status code customer_id amount refunded currency
        points) : qw(program code status owner kind name landing points tier
        events);

    # tokens, clicks and decisions are not carried, nor is what follows

    delete $o->{clicks};
    return \%o;
}


sub codes {
    my $new = Referral::Nginx->new(conf => $conf);
    $new->start;

    my $import = sub {
        my ($code, $out, $err) = ctl(qw(import codes), $new->store, 'friends',
            file('new', @_[1 .. $#_]), @{ $_[0] }, '--json');
        my $sum = eval { $json->decode($out) } || {};
        return (join(' ', $code, map { $_ // '-' } @$sum{qw(new changed same
            refused)}), $err);
    };

    my @good = ({ code => 'NEW1', owner => 'n1' }, { code => 'NEW2',
        owner => 'n2', kind => 'partner', name => "N\x{e4}", status => 'paused',
        landing => '/n2' });

    is(($import->(['--dry-run'], @good))[0], '0 2 0 0 0', 'a dry run');
    is($new->api(GET => '/v1/codes/NEW1')->status, 404, 'writes nothing');
    is(($import->([], @good))[0], '0 2 0 0 0', 'new codes');
    is_deeply([@{ $new->api(GET => '/v1/codes/NEW2')->json }{qw(owner kind name
        status landing)}], ['n2', 'partner', "N\x{e4}", 'paused', '/n2'],
        'with all that was told');
    is(($import->([], @good))[0], '0 0 0 2 0', 'are the same then');
    is(($import->([], { code => 'new1', name => 'X' }))[0], '0 0 1 0 0',
        'one is changed');
    is_deeply([@{ $new->api(GET => '/v1/codes/NEW1')->json }{qw(owner name)}],
        ['n1', 'X'], 'and keeps the rest');

    is($new->api(DELETE => '/v1/codes/NEW1')->status, 204, 'one ends');

    my @wrong = ([{ code => 'NEW1', owner => 'x' }, qr/"code": it has ended/],
        [{ code => 'W2' }, qr/"owner": a new code must have it/],
        [{ owner => 'x' }, qr/"code": it is missing/],
        [{ code => '-', owner => 'x' }, qr/"code": it is not a letter/],
        [{ code => 'W5', owner => '' }, qr/"owner": it is not 1 to 128/],
        [{ code => 'W6', owner => 'x', kind => 'x' }, qr/"kind": it is not/],
        [{ code => 'W7', owner => 'x', landing => '//evil.example' },
            qr/"landing": it is not a path that every browser/],
        [{ code => 'W8', owner => 'x', landing => 'javascript:1' },
            qr/"landing": must begin with "https/],
        [{ code => 'W9', owner => 'x', status => 'ended' },
            qr/"status": it is not "active" or "paused"/],
        [{ code => 'W10', owner => 'x', points => 7 },
            qr/"points": there is no such field/],
        [{ code => 'W11', owner => 'x', name => "a\e[2J" },
            qr/"name": it has control/]);
    my ($sum, $err) = $import->([], map { $wrong[$_][0],
        { code => "good$_", owner => 'x' } } 0 .. $#wrong);

    is($sum, '1 ' . @wrong . ' 0 0 ' . @wrong, 'wrong ones are refused');
    like($err, qr/^referralctl: line ${\(1 + 2 * $_)}: $wrong[$_][1]/m,
        "line ${\(1 + 2 * $_)}") for 0 .. $#wrong;

    ($sum, $err) = $import->([], "\x{feff}owner,\"code\",name\r\nu1,C1,\"a,\"\"b\"\r\n"
        . "u2,C2,\r\n\r\n'-u3,C3,x\r\n'u4,C4,'x\r\nu5,C5\r\nu6,C6,\"x\r\n"
        . "u7,C7,x,y\r\nu8,C8,\"x\"y\r\n,C9,\r\nu10,C10,x");
    is($sum, '1 5 0 0 5', 'CSV of others');
    my @told = sort { $a <=> $b } $err =~ /line (\d+):/g;
    is("@told", '7 8 9 10 11', 'with what is wrong in it');
    is_deeply([map { @{ $new->api(GET => "/v1/codes/$_")->json }{qw(owner
        name)} } 'C1' .. 'C4'], ['u1', 'a,"b', 'u2', undef, '-u3', 'x', "'u4",
        "'x"], 'and what is right');

    is((ctl('verify', $new->store))[0], 0, 'it adds up');
    $new->quit;
}


sub orders_csv {
    my $head = "event,order_id,amount,currency,code\n";
    my ($code, $out, $err) = ctl(qw(import conversions), $t->store, 'friends',
        file('csv', $head, "purchase,c1,4999,EUR,ANNA42\npurchase,c2,49.99,EUR,\n"
        . "purchase,c3,,,\n"), '--json');

    is($code, 1, 'a line is refused');
    like($err, qr/\Areferralctl: line 3: "amount": it is not an integer/,
        'an amount in major units');
    is($t->api(GET => '/v1/conversions/c1')->json->{amount}, 4999,
        'the other is in minor ones');
    is($t->api(GET => '/v1/conversions/c3')->json->{amount}, undef,
        'and one has none');

    my $void = $json->encode({ event => 'purchase', order_id => 'v1',
        recorded_at => '2026-01-01T00:00:00Z', reasons => ['voided'] });
    ($code, $out, $err) = ctl(qw(import conversions), $t->store, 'friends',
        file('void', "$void\n"));
    like($err, qr/line 1: "reasons": it was voided by a decision/,
        'an order that was voided does not come to life');
}


sub output {
    for my $kind (qw(codes journal)) {
        my ($code, $out, $err) = run({}, 'sh', '-c', "exec '$ctl' export $kind "
            . "'@{[ $t->store ]}' friends > /dev/full");
        is($code, 2, "$kind: sees that its output is lost");
        like($err, qr/\Areferralctl: cannot write to standard output[^\n]*\n\z/,
            'and says so');
    }

    my ($code, $out, $err) = run({}, 'sh', '-c', "'$ctl' export conversions "
        . "'@{[ $t->store ]}' friends | head -n 1");
    is("$code$err", '0', 'who reads one line only');
    is($out =~ tr/\n//, 1, 'gets one');

    # nobody reads: it waits, until it is told to stop

    my $pid = open my $pipe, '-|', 'sh', '-c', "exec '$ctl' export "
        . "conversions '@{[ $t->store ]}' friends 2>'$tmp/err'" or die;
    sleep 0.5;
    kill INT => $pid;
    1 while <$pipe>;
    close $pipe;
    is($? >> 8, 2, 'one whose reader waits is stopped by a signal');
    open my $told, '<', "$tmp/err" or die;
    is(<$told>, "referralctl: stopped by a signal: the export is not whole\n",
        'and says so');
}


sub users {
    my $www = getpwnam 'www-data';

    for my $kind (qw(codes journal)) {
        my ($code, $out) = run({ uid => $www }, $ctl, 'export', $kind,
            $t->store, 'friends');
        is($code, 0, "the user of nginx exports $kind");
        cmp_ok(length $out, '>', 100, 'all of it');
        is((run({ uid => 65534 }, $ctl, 'export', $kind, $t->store,
            'friends'))[0], 2, 'another one does not');
    }

    is_deeply([grep { (stat)[4] != $www } glob $t->store . '/*'], [],
        'no file is of anybody else');
}


# ------------------------------------------------------------------ tools --

sub order {
    my ($id, %more) = @_;
    return { event => 'purchase', order_id => $id, amount => 4999,
        currency => 'EUR', %more };
}


sub export { return export_of($t, @_) }


sub export_of {
    my ($nginx, $kind, @options) = @_;
    my ($code, $out, $err) = ctl('export', $kind, $nginx->store, 'friends',
        @options);
    is("$code$err", '0', "export $kind @options");
    return $out;
}


sub objects_of { return map { $json->decode($_) } split /\n/, $_[0] }

sub file {
    my ($name, @lines) = @_;
    my $path = "$tmp/$name";

    open my $f, '>:raw', $path or die "cannot write $path: $!\n";
    print $f map { ref $_ ? $json->encode($_) . "\n" : utf8::is_utf8($_)
        ? do { my $x = $_; utf8::encode($x); $x } : $_ } @lines;
    close $f or die "cannot write $path: $!\n";

    return $path;
}


sub refused {
    my ($sentence, @args) = @_;
    my ($code, $out, $err) = ctl(@args);
    my $name = join ' ', map { s/^\Q$tmp\E/./r } @args;

    is("$code$out", '2', "refused: $name");
    like($err, qr/\Areferralctl: [^\n]+\n\z/, 'in one sentence');
    like($err, $sentence, 'which tells why');
}


sub ctl { return run({}, $ctl, @_) }
