# The programs of examples/programs, each played through by friends who follow
# links and a storefront that reports what they do.  Holds, limits and dates are
# too long for a test: what stands in the second argument of example() is put
# in the place of what the file says, everything else is as it is written.

use strict;
use warnings;

use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use Referral::Client qw(get);
use Referral::Example;
use Referral::Nginx timeout => 240;
use Referral::Visitor;

my $programs = "$Referral::Nginx::ROOT/examples/programs";
my $t;

two_sided_discount();
third_friend();
tiers();
partner();
contest();
donation();
surprise();
thank_you();
recounted();
tried();

finish();


sub two_sided_discount {
    example('two-sided-discount', { 'hold=14d' => 'hold=2s' });
    my $friend = friend('ANNA42');

    my $c = report($friend, signup => 'signup-ben', 'ben');
    verdict($c, ['approved'], ['welcome friend 10% approved'],
        'the friend opens an account');
    verdict(report($friend, signup => 'signup-ben-2', 'ben'),
        ['rejected', 'once_per_customer'], [], 'and another one');

    $c = report($friend, purchase => '1001', 'ben', 4999);
    verdict($c, ['pending'], ['thanks referrer EUR 10 voucher pending'],
        'and buys');
    is($c->{code}, 'ANNA42', 'the referrer is Anna');
    is($c->{attribution}{method}, 'token', 'by the token');

    my $again = report($friend, purchase => '1001', 'ben', 4999);
    is($again->{http}, 200, 'reported again: a duplicate');
    ok($again->{duplicate}, 'which is said');
    is(report($friend, purchase => '1001', 'ben', 5999)->{http}, 409,
        'another amount: refused');

    my ($thanks) = ids($c);
    is(move($thanks, 'claim')->{http}, 409, 'there is nothing to claim yet');
    later('1001', 'approved', 'the hold passes');
    is_deeply([map { $_->{id} } rewards('state=approved&to=referrer')],
        [$thanks], 'what is to be given is listed');
    is(move($thanks, 'claim')->{state}, 'claimed', 'it is claimed');
    is(move($thanks, 'claim')->{http}, 200, 'which may be said twice');

    verdict(report($friend, purchase => '1002', 'ben', 9900),
        ['rejected', 'once_per_customer'], [], 'a second order');
    verdict(report(friend('ANNA42'), purchase => '1003', 'cleo', 1500),
        ['rejected', 'below_minimum'], [], 'an order below the least amount');

    $c = report(friend('ANNA42'), purchase => '1004', 'anna', 4999);
    is($c->{http}, 202, 'Anna by her own link: held');
    verdict($c, ['held', 'self_referral'],
        ['thanks referrer EUR 10 voucher held'],
        'not given unless somebody says so');

    $c = report(friend('ANNA42'), purchase => '1005', 'dave', 4999);
    refund('1005');
    verdict(conversion('1005'), ['refunded'],
        ['thanks referrer EUR 10 voucher void'], 'an order sent back');
    is(move((ids($c))[0], 'claim')->{http}, 409, 'cannot be claimed');

    verdict(report(Referral::Visitor->new($t->port), purchase => '1006', 'eve',
        4999), ['unattributed', 'no_evidence'], [], 'nobody sent Eve');

    given('ANNA42', { claimed => 1, held => 1, void => 1 });
    events('ANNA42', purchase => { count => 5, approved => 1, held => 1,
        refunded => 1, rejected => 2 });
}


sub third_friend {
    example('third-friend-free-month', { 'hold=30d' => 'hold=2s' });

    report(friend('ANNA42'), purchase => $_, "friend-$_") for qw(1 2);
    verdict(report(friend('ANNA42'), purchase => '2b', 'friend-2'),
        ['rejected', 'once_per_customer'], [],
        'a friend who pays again is no third friend');
    given('ANNA42', {});

    report(friend('ANNA42'), purchase => '3', 'friend-3');
    given('ANNA42', { pending => 1 });
    refund('2');
    given('ANNA42', { void => 1 });

    report(friend('ANNA42'), purchase => '4', 'friend-4');
    later('4', 'approved', 'the hold passes');
    given('ANNA42', { approved => 1, void => 1 });
    my ($month) = rewards('state=approved');
    is($month->{value}, 'one month free', 'a month');
    is(move($month->{id}, 'claim')->{state}, 'claimed', 'is given');

    report(friend('ANNA42'), purchase => $_, "friend-$_") for qw(5 6);
    given('ANNA42', { claimed => 1, void => 1 });
    report(friend('ANNA42'), purchase => '7', 'friend-7');
    given('ANNA42', { claimed => 1, void => 1, pending => 1 });
    given('BEN7', {});
}


sub tiers {
    example('tiers', { 'hold=14d' => 'hold=2s' });
    my $friend = sub {
        my ($name) = @_;
        my $v = friend('ANNA42');
        report($v, signup => "s-$name", $name);
        return report($v, purchase => "p-$name", $name, 3000);
    };

    tier('ANNA42', 0, undef, 'bronze', 25);
    verdict($friend->('b'), ['pending'], ['voucher referrer EUR 5 pending'],
        'the first friend');
    tier('ANNA42', 25, 'bronze', 'silver', 50);
    $friend->('c');
    tier('ANNA42', 50, 'bronze', 'silver', 25);

    my @silver = map { "$_ pending" } 'silver referrer EUR 5',
        'silver-present referrer a tote bag', 'voucher referrer EUR 5';
    verdict($friend->('d'), ['pending'], \@silver, 'the third friend');
    tier('ANNA42', 75, 'silver', 'gold', 175);

    refund('p-d');
    verdict(conversion('p-d'), ['refunded'], [map { s/pending/void/r } @silver],
        'who sends it all back');
    tier('ANNA42', 55, 'bronze', 'silver', 20);

    verdict(report(friend('ANNA42'), purchase => 'own', 'anna', 3000),
        ['held', 'self_referral'], ['voucher referrer EUR 5 held'],
        'her own order');
    tier('ANNA42', 55, 'bronze', 'silver', 20);

    verdict($friend->('e'), ['pending'], \@silver, 'a fourth friend');
    verdict($friend->('f'), ['pending'], [@silver[0, 2]],
        'one present, no more');
    $friend->($_) for 'g' .. 'k';
    tier('ANNA42', 230, 'silver', 'gold', 20);
    verdict($friend->('l'), ['pending'], [map { "$_ pending" }
        'gold referrer EUR 10', 'gold-present referrer dinner for two',
        'silver referrer EUR 5', 'voucher referrer EUR 5'], 'gold');
    tier('ANNA42', 255, 'gold', undef, undef);

    verdict($friend->('m'), ['pending'], [map { "$_ pending" }
        'gold referrer EUR 10', 'silver referrer EUR 5',
        'voucher referrer EUR 5'], 'one present here, too');
    verdict(report(friend('ANNA42'), $_ => "$_-again", 'm', 3000),
        ['rejected', 'once_per_customer'], [], "another $_ of a friend")
        for 'signup', 'purchase';
    tier('ANNA42', 280, 'gold', undef, undef);
}


sub partner {
    example('partner-commission', { 'hold=30d' => 'hold=2s' });
    my $visitor = friend('BLOG1');

    my $c = report($visitor, purchase => '2001', 'kim', 4999);
    verdict($c, ['pending'], ['commission referrer 12.5% pending'], 'an order');
    is($c->{rewards}[0]{amount}, 624, '12.5% of 49.99, without fractions');
    refund('2001', 2999);
    is(conversion('2001')->{rewards}[0]{amount}, 250, 'of what was kept');
    is(refund('2001', 2001, 'too much')->{http}, 422, 'no more than the order');

    $c = report(undef, purchase => '2002', 'kim', 10000);
    is($c->{attribution}{method}, 'customer', 'the next order, by no link');
    is($c->{rewards}[0]{amount}, 1250, 'for the same partner');
    later('2002', 'approved', 'the hold passes');
    my $paid = move((ids($c))[0], 'claim');
    is_deeply([@$paid{qw(state paid)}], ['claimed', 1250], 'it is paid');

    refund('2002', 5000);
    is(code('BLOG1')->{amounts}{EUR}{owed}, 625, 'half is sent back later');
    $c = report(undef, purchase => '2003', 'kim', 8000);
    later('2003', 'approved', 'another order');
    $paid = move((ids($c))[0], 'claim');
    is_deeply([@$paid{qw(amount offset paid)}], [1000, 625, 375],
        'pays what was too much');

    report(undef, purchase => '2004', 'kim', 7000);
    refund('2004');
    verdict(conversion('2004'), ['refunded'],
        ['commission referrer 12.5% void'], 'an order sent back');
    verdict(report(friend('BLOG1'), purchase => '2005', 'blog', 5000),
        ['rejected', 'self_referral'], [], 'the partner buys');
    verdict(report(friend('ANNA42'), purchase => '2006', 'lea', 5000),
        ['pending'], [], 'a customer who is no partner sends somebody');

    is_deeply([@{ code('BLOG1')->{amounts}{EUR} }
        {qw(approved paid owed payable)}], [250, 1625, 0, 250],
        'the account of the partner');
    is_deeply([@{ code('BLOG1')->{events}{purchase}{amounts}{EUR} }
        {qw(gross refunded)}], [4999 + 10000 + 8000 + 7000 + 5000,
        2999 + 5000 + 7000], 'and the sales behind it');
    given('ANNA42', {});
}


sub contest {
    sleep 1 while time % 86400 > 86340;        # its limit is one of the day
    my $end = int(time) + 10;

    example('contest', { 'from=2026-12-01' => 'from=' . date(time - 3600),
        'to=2027-01-01' => 'to=' . date($end) });

    my @friends = map { friend('ANNA42') } 1 .. 12;
    verdict(report($friends[0], signup => 's1', 'cleo'), ['approved'], [],
        'a friend opens an account');
    verdict(report($friends[1], signup => 's2', 'cleo'),
        ['rejected', 'once_per_customer'], [], 'and another one');
    report(friend('BEN7'), signup => 's3', 'dave');
    verdict(report(friend('BEN7'), signup => 's4', 'ben'),
        ['held', 'self_referral'], [], 'Ben invites himself');

    get($t->port, '/r/BEN7', 'User-Agent' => $_, Accept => undef)
        for 'Googlebot/2.1', 'WhatsApp/2.23', 'curl/8.0';

    ok(wait_for(sub { code('BEN7')->{clicks}{total} == 5 }, 5),
        'all clicks came');
    my @places = ('1 ANNA42 15', '2 BEN7 7');
    is_deeply([places('december')], \@places,
        '10 of 12 clicks and a signup; 2 clicks and a signup, no robots');
    cmp_ok(time, '<', $end, 'that was in time');

    sleep 0.1 while time < $end + 1;
    report(friend('BEN7'), signup => "late-$_", "late-$_") for 1 .. 3;
    refund('s1');
    ok(wait_for(sub { code('BEN7')->{points} == 25 }, 5), 'what comes later');
    is(code('ANNA42')->{points}, 10, 'and what is taken back');
    is_deeply([places('december')], \@places, 'does not change a contest');
    is_deeply([places('all')], ['1 BEN7 25', '2 ANNA42 10'], 'but the points');
}


sub donation {
    example('donation', { 'hold=14d' => 'hold=2s',
        'limit=100/year' => 'limit=2/year' });

    report(friend('ANNA42'), purchase => "d$_", "friend-$_", 2000) for 1, 2;
    verdict(report(friend('ANNA42'), purchase => 'd3', 'friend-3', 2000),
        ['pending'], [], 'beyond the limit');
    refund('d2');
    verdict(conversion('d2'), ['refunded'], ['tree referrer one tree void'],
        'an order sent back plants nothing');
    verdict(report(friend('ANNA42'), purchase => 'd4', 'friend-4', 2000),
        ['pending'], ['tree referrer one tree pending'], 'the next one does');
    verdict(report(friend('ANNA42'), purchase => 'd5', 'friend-1', 2000),
        ['rejected', 'once_per_customer'], [], 'the same friend again');

    later('d4', 'approved', 'the holds pass');
    my @trees = rewards('state=approved');
    is(scalar @trees, 2, 'two trees');
    is(move($_->{id}, 'claim')->{state}, 'claimed', 'planted') for @trees;
    is(scalar rewards('state=approved'), 0, 'nothing left to plant');
    given('ANNA42', { claimed => 2, void => 1 });
}


sub surprise {
    example('surprise-gift', { 'hold=14d' => 'hold=2s' });
    my $friend = friend('ANNA42');
    my (%gifts, $c);

    for my $n (1 .. 40) {
        $c = report($friend, purchase => "g$n", "friend-$n", 2000);
        is(scalar @{ $c->{rewards} }, 1, 'a gift') if $n == 1;
        $gifts{ $c->{rewards}[0]{value} }++;
    }

    is(scalar(grep { !/^(stickers|mug|free-month)$/ } keys %gifts), 0,
        'gifts are those that are written');
    cmp_ok(scalar keys %gifts, '>=', 2, 'not always the same one')
        or diag(explain(\%gifts));

    my $again = report($friend, purchase => 'g40', 'friend-40', 2000);
    is($again->{http}, 200, 'who reports it again');
    is_deeply($again->{rewards}, $c->{rewards}, 'gets no other gift');
    verdict(report($friend, purchase => 'g41', 'friend-1', 2000),
        ['rejected', 'once_per_customer'], [], 'nor does the same friend');

    refund('g40');
    is(conversion('g40')->{rewards}[0]{state}, 'void',
        'none for what is sent back');
    given('ANNA42', { void => 1 }, 39);
}


sub thank_you {
    example('thank-you', { 'hold=3d' => 'hold=2s',
        'limit=20/month' => 'limit=2/month' });

    my $friend = friend('ANNA42');
    my $thanks = 'thanks referrer bag of beans';
    verdict(report($friend, signup => 's1', 'ben'), ['pending'],
        ["$thanks pending"], 'a friend opens an account');
    verdict(report($friend, signup => 's1b', 'ben'),
        ['rejected', 'once_per_customer'], [], 'and once more');
    verdict(report(friend('ANNA42'), signup => 's2', 'anna'),
        ['held', 'self_referral'], ["$thanks held"], 'Anna invites herself');
    is(move_event('s2', 'void')->{status}, 'rejected', 'which is refused');
    report(friend('ANNA42'), signup => 's3', 'cleo');
    verdict(report(friend('ANNA42'), signup => 's4', 'dave'), ['pending'], [],
        'too many in a month');

    get($t->port, '/r/ANNA42', 'User-Agent' => 'Googlebot/2.1');
    later('s3', 'approved', 'the holds pass');
    given('ANNA42', { approved => 2, void => 1 });
}


# As it is tried by hand.

sub tried {
    my $script = "$Referral::Nginx::ROOT/examples/run";
    my $usage = `'$script' nothing 2>&1`;
    is($? >> 8, 2, 'a program that is not there');
    like($usage, qr/^    tiers$/m, 'those that are');

    my $e = Referral::Example->new('run', 'tiers');
    my $v = Referral::Visitor->new($e->port);
    my $page = $v->get('/r/ANNA42')->body;
    like($page, qr/^valid: sent by "ANNA42"/, 'a friend follows a link');

    my ($report, $see) = $page =~ /^(curl .*?^END\n).*^(curl .*)/ms;
    my $c = JSON::PP::decode_json(scalar `$report`);
    is_deeply([@$c{qw(status code points)}], ['pending', 'ANNA42', 20],
        'the page says how to report an order') or diag(explain($c));
    is(JSON::PP::decode_json(scalar `$see`)->{order_id}, $c->{order_id},
        'and how to look at it');

    my ($earned) = $e->said =~ /(curl .*)/;
    is(JSON::PP::decode_json(scalar `$earned`)->{points}, 20,
        'what it brought');

    ok($e->interrupt, 'Ctrl-C ends it');
    is($?, 0, 'cleanly');
    ok(wait_for(sub { !$e->members }, 5), 'no process is left');
}


# ---------------------------------------------------------------- the players

# nginx with that program, and three codes.

sub example {
    my ($name, $instead) = @_;
    my $text = slurp("$programs/$name.conf");

    note($name);
    my ($code, $out) = nginx_t(conf($text));
    is($code, 0, "$name: as it is written, it is right") or diag($out);

    $instead->{'https://shop.example'} = 'http://127.0.0.1:%%PORT%%';
    for my $words (keys %$instead) {
        $text =~ s/\Q$words\E/$instead->{$words}/
            or die "$name has no \"$words\"\n";
    }

    recounted() if $t;
    $t = Referral::Nginx->new(conf => conf($text), upstream => 1);
    $t->start;

    for (['ANNA42', 'anna', 'customer'], ['BEN7', 'ben', 'customer'],
        ['BLOG1', 'blog', 'partner'])
    {
        my ($code, $owner, $kind) = @$_;
        is($t->api(PUT => "/v1/codes/$code", { owner => $owner, kind => $kind })
            ->status, 201, "$code is given out");
    }
}


# What was played follows from the journal.

sub recounted {
    ok($t->stop, 'nginx stops');
    my $out = `'$Referral::Nginx::BUILD/referralctl' verify '${\$t->store}' 2>&1`;
    is($?, 0, 'a recount finds the same') or diag($out);
}


sub conf {
    my ($program) = @_;
    return <<EOC;
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    $program
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC
}


sub friend {
    my ($code) = @_;
    my $v = Referral::Visitor->new($t->port);
    $v->get("/r/$code");
    $v->cookies->{ref_friends} or die "the link of $code gave no cookie\n";
    return $v;
}


# What the storefront does when it has served this visitor.

sub report {
    my ($visitor, $event, $order, $customer, $amount) = @_;
    my %event = (event => $event, order_id => $order, customer_id => $customer);

    @event{qw(amount currency)} = ($amount, 'EUR') if defined $amount;

    if ($visitor) {
        my $seen = $visitor->get('/thanks')->json;
        my ($token) = map { $_->[1] } grep { lc $_->[0] eq 'x-referral-token' }
            @{ $seen->{headers} };
        $event{token} = $token if defined $token;
    }

    return answer(POST => '/v1/conversions', \%event);
}


sub refund {
    my ($order, $amount, $id) = @_;
    return answer(POST => "/v1/conversions/$order/refunds", { refund_id => $id
        // 'r1', defined $amount ? (amount => $amount) : () });
}


sub move { answer(POST => "/v1/rewards/$_[0]/$_[1]") }
sub move_event { answer(POST => "/v1/conversions/$_[0]/$_[1]") }
sub conversion { answer(GET => "/v1/conversions/$_[0]") }
sub code { answer(GET => "/v1/codes/$_[0]") }
sub rewards { @{ answer(GET => "/v1/rewards?$_[0]")->{data} } }
sub ids { map { $_->{id} } @{ $_[0]{rewards} } }


sub places {
    my ($period) = @_;
    return map { "$_->{rank} $_->{code} $_->{points}" }
        @{ answer(GET => "/v1/leaderboard?period=$period")->{data} };
}


sub answer {
    my $r = $t->api(@_);
    return { %{ $r->json }, http => $r->status };
}


# ----------------------------------------------------------------- what is so

sub verdict {
    my ($c, $status, $rewards, $name) = @_;
    my @given = sort map { "@$_{qw(name to value state)}" } @{ $c->{rewards} };

    is_deeply([$c->{status}, @{ $c->{reasons} || [] }], $status,
        "$name: $status->[0]") or diag(explain($c));
    is_deeply(\@given, $rewards, "$name: its rewards") or diag(explain($c));
}


sub later {
    my ($order, $status, $name) = @_;
    ok(wait_for(sub { conversion($order)->{status} eq $status }, 15), $name);
    is(scalar(grep { $_->{state} eq 'pending' }
        @{ conversion($order)->{rewards} }), 0, "$name: its rewards with it");
}


# Rewards of a code by state; good: pending or approved, whatever time it is.

sub given {
    my ($code, $expected, $good) = @_;
    my %states = map { $_ => 0 } qw(pending held approved claimed void);
    my $got = code($code)->{rewards};

    if (defined $good) {
        is(delete($got->{pending}) + delete($got->{approved}), $good,
            "$code: $good good rewards");
        delete @states{qw(pending approved)};
    }

    is_deeply($got, { %states, %$expected }, join ' ', "$code has", %$expected
        ? map { "$expected->{$_} $_" } sort keys %$expected : 'nothing')
        or diag(explain($got));
}


sub events {
    my ($code, $event, $expected) = @_;
    my $got = code($code)->{events}{$event};
    is_deeply({ map { $_ => $got->{$_} } keys %$expected }, $expected,
        "$code: $event by status") or diag(explain($got));
}


sub tier {
    my ($code, $points, @expected) = @_;
    my $got = code($code);
    is($got->{points}, $points, "$code has $points points");
    is_deeply([@{ $got->{tier} }{qw(name next remaining)}], \@expected,
        "$code is $expected[0], then") if defined $expected[0];
    is_deeply([@{ $got->{tier} }{qw(name next remaining)}], \@expected,
        "$code has no tier yet") unless defined $expected[0];
}


sub date { strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $_[0]) }


sub slurp {
    my ($file) = @_;
    open my $f, '<', $file or die "$file: $!";
    local $/;
    return scalar <$f>;
}
