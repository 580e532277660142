#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The directives of a program about events: event, tier, reward, contest, self,
# bind, velocity and review.  A wrong one must fail nginx -t in one sentence that names it, the
# file and its line; a right one must reach the store as it was written.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 300;

my $files = tempdir(CLEANUP => 1);
my $program = 'link "^/r/(?<code>[A-Za-z0-9_-]{1,64})$";'
    . ' landing https://shop.example/;';


# The lines of a block stand on lines of their own, the first one on line 1 of
# an included file: so the number that a message names is known.

sub conf {
    my ($block, $store) = @_;
    $store ||= '%%STORE%%';

    open my $f, '>', "$files/block.conf" or die $!;
    print $f "$block\n";
    close $f or die $!;

    return <<"EOC";
referral_store $store intake_path=%%INTAKE%%;
referral_key_file %%KEY%%;
referral_program friends { $program include $files/block.conf; }
server {
    listen 127.0.0.1:%%PORT%%;
    referral friends;
    location /referral/ { referral_api friends token_file=%%TOKENS%%; }
}
EOC
}

sub right {
    my ($block) = @_;
    my ($code, $out) = nginx_t(conf($block));
    is($code, 0, "right: $block") or diag($out);
}

# line: 1 unless told; 0 is the end of the program's block.

sub wrong {
    my ($block, $sentence, $line) = @_;
    my ($code, $out) = nginx_t(conf($block));
    my @emerg = $out =~ /^(.*\[emerg\].*)$/mg;

    $line = 1 if !defined $line;
    my $where = $line ? "block.conf:$line" : 'nginx.conf:\d+';

    ok($code != 0 && @emerg == 1
        && $emerg[0] =~ / $sentence in \S+\Q\E\/$where$/, "wrong: $block")
        or diag("status $code, expected: $sentence ($where)\n$out");
}

sub each_of {
    my ($format, @parts) = @_;
    return map { sprintf $format, $_ } @parts;
}


# event

right($_) for 'event signup;', 'event purchase points=1000000 hold=10y;',
    'event purchase once=customer min=922337203685477 hold=14d points=10;',
    'event a-b_9 once=order;', 'event ' . 'x' x 32 . ';',
    'event click points=1;', 'event click limit=1000000/day points=0;';

wrong("event signup $_->[0];",
    qr/parameter "\Q$_->[0]\E" of event "signup" $_->[1]/) for
    ['points=-1', 'must be a number from 0 to 1000000'],
    ['points=1000001', 'must be a number from 0 to 1000000'],
    ['points=1.5', 'must be a number from 0 to 1000000'],
    ['points=', 'must be a number from 0 to 1000000'],
    ['points=99999999999999999999', 'must be a number from 0 to 1000000'],
    ['hold=315360001', 'must be a time of at most 10y'],
    ['hold=11y', 'must be a time of at most 10y'],
    ['hold=x', 'must be a time of at most 10y'],
    ['hold=', 'must be a time of at most 10y'],
    ['min=49.99', 'must be a number of minor units, .*'],
    ['min=922337203685478', 'must be a number of minor units, .*'],
    ['min=-1', 'must be a number of minor units, .*'],
    ['once=ever', 'must be "once=order" or "once=customer"'],
    ['once=', 'must be "once=order" or "once=customer"'],
    ['limit=5/day', 'is unknown'], ['pionts=5', 'is unknown'],
    ['points', 'is unknown'], ['Points=5', 'is unknown'];

wrong("event click $_->[0];",
    qr/parameter "\Q$_->[1]\E" of event "click" $_->[2]/) for
    ['points=1 hold=1d', 'hold=1d', 'is unknown'],
    ['points=1 once=order', 'once=order', 'is unknown'],
    ['points=1 min=1', 'min=1', 'is unknown'],
    map { [ "points=1 limit=$_", "limit=$_",
        'must be a number from 1 to 1000000 and "/day"' ] }
    '5', '0/day', '/day', 'x/day', '5/month', '5/days', '1000001/day';
wrong($_, qr/"event" directive needs "points=" for "click"/) for
    'event click;', 'event click limit=5/day;';

wrong('event signup points=5 hold=1d points=6;',
    qr/parameter "points=6" of event "signup" is duplicate/);
wrong('event;', qr/"event" directive has an invalid number of arguments/);

# names, of all that have one; twice and too many

my %line = (event => 'event %s;', tier => 'tier %s 5;',
    reward => 'reward %s to=friend on=signup;',
    contest => 'contest %s from=2026-12-01 to=2027-01-01;');
my %most = (event => 32, tier => 16, reward => 16, contest => 16);

for my $what (sort keys %line) {
    wrong($_, qr/invalid $what name ".*", it takes a-z, 0-9, "_" and "-", .*/)
        for each_of($line{$what}, 'Friend', '-a', '_a', 'a.b', 'größe', '""',
            '"a b"', 'x' x 33, 'points=5');

    my $twice = sprintf $line{$what}, 'gold';
    wrong("$twice\n$twice", qr/duplicate $what "gold"/, 2);

    # signup and purchase are among the events, written or not

    my $n = $what eq 'event' ? $most{$what} - 2 : $most{$what};
    my @lines = map { sprintf $line{$what}, "n$_" } 1 .. $n + 1;
    $lines[$_] =~ s/ 5;/ $_;/ for 0 .. $n;
    wrong(join("\n", @lines),
        qr/too many "$what" directives, a program takes $most{$what}/, $n + 1);
    pop @lines;
    push @lines, 'event purchase;', 'event signup;' if $what eq 'event';
    right(join "\n", @lines);
}

wrong("event signup;\n\nevent signup;", qr/duplicate event "signup"/, 3);
wrong("event click points=1;\nevent click points=2;",
    qr/duplicate event "click"/, 2);
right("event gold;\ntier gold 1;\nreward gold to=friend on=gold;\n"
    . 'contest gold from=2026-12-01 to=2027-01-01;');

# tier

right($_) for 'tier bronze 0;', 'tier bronze 1000000;',
    "tier bronze 50;\ntier silver 51;";
wrong("tier bronze $_;",
    qr/points "\Q$_\E" of tier "bronze" must be a number from 0 to 1000000/)
    for '-1', '1000001', '50p', '1.5';
wrong("tier bronze 50;\ntier silver $_;", qr/tier "silver" must have more /
    . 'points than tier "bronze" above it, which has 50', 2) for 50, 49;
wrong("tier $_;", qr/"tier" directive has an invalid number of arguments/) for
    'bronze', 'bronze 50 silver 200';

# reward

my $reward = 'reward r to=referrer on=purchase';

right("$reward $_;") for '', 'every=3', 'every=1000000', 'kind=customer',
    'kind=partner', 'limit=1', 'limit=5/day', 'limit=5/month', 'limit=5/year',
    'hold=0', 'hold=10y', 'value=10%', 'value="10%"', "value='10%'",
    'value=0.01%', 'value=100%', 'value=100.00%', 'value=12.5%',
    '"value=one free month"', 'value=3-für-2', 'value=50%-off',
    'value=' . 'x' x 64, 'value="10%" every=3', 'pick=mug:5,bag:1',
    'pick="mug:5,bag:1"', '"pick=a mug: red:5, a bag:1"', 'pick=mug:1000000',
    'pick=' . join(',', map { "g$_:1" } 1 .. 16);
right("reward r on=gold min_tier=high to=friend;\ntier high 5;\nevent gold;");

wrong("$reward $_->[0];", qr/parameter "\Q$_->[0]\E" of reward "r" $_->[1]/)
    for
    ['every=0', 'must be a number from 1 to 1000000'],
    ['every=1000001', 'must be a number from 1 to 1000000'],
    ['every=x', 'must be a number from 1 to 1000000'],
    ['kind=vip', 'must be "kind=customer" or "kind=partner"'],
    ['hold=11y', 'must be a time of at most 10y'],
    ['hold=-1', 'must be a time of at most 10y'],
    ['min_tier=', 'must name a tier'],
    (map { [ "limit=$_", 'must be a number from 1 to 1000000, and may .*' ] }
        '0', '0/day', '1000001', '5/week', '/day', '', '5/', '5/day/day'),
    (map { [ "value=$_", 'must be a percentage from 0.01% to 100% .*' ] }
        '0%', '0.001%', '100.01%', '101%', '-5%', '+5%', '5.%', '.5%',
        '10,5%', '1.2.3%', '99999999999999999999%', '%'),
    (map { [ "value=$_", 'must have 1 to 64 bytes of UTF-8, .*' ] }
        '', 'x' x 65, "a\x01b", "\xff", "\xed\xa0\x80", '""'),
    (map { [ "pick=$_", 'must have weights from 1 to 1000000, .*' ] }
        '', 'mug', 'mug:', 'mug:0', 'mug:x', 'mug:1000001', 'mug:5,',
        'mug:5,,bag:1', ':'),
    (map { [ "pick=$_", 'must have gifts of 1 to 64 bytes .*' ] }
        ':5', 'mug:5,:1', 'x' x 65 . ':1', "\xff:1"),
    ['pick=mug:5,mug:1', 'has a gift twice'],
    ['pick=' . join(',', map { "g$_:1" } 1 .. 17),
        'must have 16 gifts at most'],
    ['prize=x', 'is unknown'], ['to=friend', 'is duplicate'],
    ['on=signup', 'is duplicate'];
wrong('reward r on=signup to=all;', qr/parameter "to=all" of reward "r" must /
    . 'be "to=referrer" or "to=friend"');
wrong('reward r to=friend on=click;',
    qr/parameter "on=click" of reward "r" is not possible, clicks give .*/);
wrong("event click points=1;\nreward r to=friend on=click;",
    qr/parameter "on=click" of reward "r" is not possible, clicks give .*/, 2);
wrong('reward r to=friend on=;',
    qr/parameter "on=" of reward "r" must name an event/);
wrong($_, qr/"reward" directive needs "to=" and "on="/) for
    'reward r;', 'reward r to=friend;', 'reward r on=signup every=3;';
wrong("$reward $_;", qr/"reward" directive takes "value=" or "pick=", not both/)
    for 'value=a pick=b:1', 'pick=b:1 value=10%';
wrong(qq{$reward value="a free month";}, qr/parameter "value="a" of reward /
    . '"r" has a space or semicolon: the quotes must be around .*');
wrong("\n\nreward r to=friend on=refund;\n\n",
    qr/unknown event "refund" of reward "r"/, 3);
wrong("tier low 5;\nreward r to=friend on=signup min_tier=high;\nevent gold;",
    qr/unknown tier "high" of reward "r"/, 2);
wrong("reward q to=friend on=signup;\nreward r to=friend on=refund;",
    qr/unknown event "refund" of reward "r"/, 2);
wrong("tier high 5;\nreward r to=friend on=high;",
    qr/unknown event "high" of reward "r"/, 2);

# contest

right("contest c $_;") for 'from=2026-12-01 to=2027-01-01',
    'to=2026-12-01T00:00:01Z from=2026-12-01', 'from=2028-02-29 to=2028-03-01',
    'from=2026-12-01T08:00:00+01:00 to=2026-12-01t07:00:00.001z',
    'from=1970-01-01 to=9999-12-31T23:59:59Z';
wrong("contest c to=2027-01-01 from=$_;", qr/parameter "from=\Q$_\E" of /
    . 'contest "c" must be a date or a time in RFC 3339, .*') for
    '', 'tomorrow', '2026-13-01', '2026-00-01', '2026-02-29', '2026-04-31',
    '2026-12-00', '2026-12-1', '26-12-01', '2026/12/01', '2026-12-01T',
    '2026-12-01T08:00', '2026-12-01T08:00:00', '2026-12-01T24:00:00Z',
    '2026-12-01T08:60:00Z', '2026-12-01T08:00:61Z', '2026-12-01T08:00:00.Z',
    '2026-12-01T08:00:00+0100', '2026-12-01T08:00:00+24:00',
    '2026-12-01T08:00:00Zx', '2026-12-01Z', '1969-12-31',
    '1970-01-01T00:00:00+01:00', '1764547200';
wrong("contest c from=2027-01-01 to=$_;", qr/parameter "to=\Q$_\E" of contest /
    . '"c" must be a date or a time in RFC 3339, .*') for
    '2027-02-30', '9999-12-31T23:59:59-00:01';
wrong("contest c $_;", qr/"contest" directive must end after it begins/) for
    'from=2026-12-01 to=2026-12-01', 'from=2026-12-02 to=2026-12-01',
    'from=2026-12-01T08:00:00+01:00 to=2026-12-01T07:00:00Z';
wrong("contest c $_", qr/"contest" directive needs "from=" and "to="/) for
    ';', 'from=2026-12-01;', 'to=2026-12-01;';
wrong('contest c from=2026-12-01 to=2027-01-01 until=2028-01-01;',
    qr/parameter "until=2028-01-01" of contest "c" is unknown/);
wrong('contest c from=2026-12-01 from=2027-01-01;',
    qr/parameter "from=2027-01-01" of contest "c" is duplicate/);

# self, bind

right($_) for each_of('self %s;', 'hold', 'reject', 'allow'),
    each_of('bind %s;', 'off', '1s', '10y', '365d');
wrong("self $_;", qr/"self" directive must be "hold", "reject" or "allow"/) for
    'on', 'Hold', 'holds';
wrong("self hold;\nself hold;", qr/"self" directive is duplicate/, 2);
wrong("bind $_;", qr/"bind" directive must be "off" or a time between 1s .*/)
    for '0', 'on', '11y', 'never';
wrong("bind off;\nbind 1d;", qr/"bind" directive is duplicate/, 2);
wrong("$_;", qr/directive has an invalid number of arguments/) for
    'self', 'self hold reject', 'bind', 'bind 1d 2d';

# All of them together have to fit.

my $gifts = sub {
    my ($n) = @_;
    return join "\n", map { "reward r$_ to=friend on=signup pick="
        . join(',', map { 'g' x 60 . "$_:1" } 1 .. $n) . ';' } 1 .. 16;
};
right($gifts->(7));
wrong($gifts->(8), qr/events, tiers, rewards and contests of program /
    . '"friends" take more than 8192 bytes: shorten .*', 0);

# The program that DESIGN.md begins with; nginx wants a regex with braces in
# quotes.

{
    my $link = '^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})'
        . '(?:/(?<channel>[a-z0-9]{1,16}))?/?$';
    my ($code, $out) = nginx_t(<<"EOC");
referral_store    %%STORE%% intake_path=%%INTAKE%%;
referral_key_file %%KEY%%;
referral_program friends {
    link      "$link";
    param     ref via;
    landing   https://shop.example/welcome?utm_source=referral;
    window    30d;
    event     signup    points=5;
    event     purchase  points=10 hold=14d;
    tier      bronze 50;
    tier      silver 200;
    reward    free-month  to=referrer on=purchase every=3;
    reward    ten-off     to=friend   on=signup   value="10%";
}
server {
    listen 127.0.0.1:%%PORT%%;
    referral friends;
    location /referral/ { referral_api friends token_file=%%TOKENS%%; }
}
EOC
    is($code, 0, 'right: the program that DESIGN.md begins with') or diag($out);
}


# nginx -t has no business in the store.

{
    mkdir "$files/store" or die $!;
    open my $f, '>', "$files/store/data.mdb" or die $!;
    print $f 'not a store';
    close $f or die $!;
    utime 1_000_000_000, 1_000_000_000, "$files/store/data.mdb" or die $!;
    my @before = (stat "$files/store/data.mdb")[1, 7, 9];

    my ($code) = nginx_t(conf('event signup points=5;', "$files/store"));

    is($code, 0, 'nginx -t does not look at the store');
    is_deeply([(stat "$files/store/data.mdb")[1, 7, 9]], \@before,
        'and leaves it as it was');
    is_deeply([glob "$files/store/*"], ["$files/store/data.mdb"],
        'and makes nothing there');
}



# velocity and review

my $rate = 'must be a number from 1 to 1000000, "/" and a time between 1s and '
    . '1d, as in "100/10m"';

right($_) for 'velocity off;', 'review off;', 'velocity clicks=1/1s;',
    'velocity unknown=20/1m conversions=1000000/1d code_clicks=5/24h '
        . 'clicks=100/10m;',
    'review min_age=10y per_click=1000000 max_amount=922337203685477;',
    'review max_amount=1;', 'review min_age=1s;';

wrong("velocity $_;", qr/parameter "\Q$_\E" of velocity \Q$rate\E/) for
    each_of('clicks=%s', qw(5 0/1s 1000001/1s 5/ /1s 5/0 5/2d 5/86401 -1/1s x/1s
        5/x 5/1s/1s 1.5/1s), ''),
    qw(code_clicks=5 conversions=5 unknown=5);
wrong("velocity $_->[0];", qr/parameter "\Q$_->[1]\E" of velocity $_->[2]/) for
    ['clicks=5/1h clicks=6/1h', 'clicks=6/1h', 'is duplicate'],
    ['clicks=5/1h off', 'off', 'is unknown'],
    ['click=5/1h', 'click=5/1h', 'is unknown'];
wrong("velocity off;\nvelocity off;", qr/"velocity" directive is duplicate/, 2);
wrong('velocity;', qr/"velocity" directive has an invalid number of arguments/);

wrong("review $_->[0];", qr/parameter "\Q$_->[0]\E" of review $_->[1]/) for
    (map { [ "min_age=$_", 'must be a time between 1s and 10y' ] } '', 0, 'x',
        '11y'),
    (map { [ "per_click=$_", 'must be a number from 1 to 1000000' ] } '', 0,
        -1, 1000001, '1/1h'),
    (map { [ "max_amount=$_", 'must be a number of minor units, as .*' ] } '',
        0, -1, '49.99', '922337203685478'),
    ['max_age=1s', 'is unknown'], ['off=1', 'is unknown'];
wrong('review min_age=1s min_age=2s;',
    qr/parameter "min_age=2s" of review is duplicate/);
wrong("review off;\nreview min_age=1s;", qr/"review" directive is duplicate/,
    2);


# What was written is in the store; the bytes are those of referral_rules.c.

sub text  { return pack 'C/a', $_[0] }
sub event { return text($_[0]) . pack 'qLqCL', @_[1 .. 5] }

sub reward {
    my ($name, $on, $tier, $value, @n) = @_;
    my @gifts = splice @n, 8;
    return text($name) . text($on) . text($tier) . text($value)
        . pack('LCCCCLLL', @n) . pack('C', @gifts / 2)
        . join '', map { text($gifts[$_]) . pack 'L', $gifts[$_ + 1] }
            grep { $_ % 2 == 0 } 0 .. $#gifts;
}

sub in_store {
    my ($t, $bytes, $what) = @_;
    my ($dir) = $t->store;
    open my $f, '<:raw', "$dir/data.mdb" or die "$dir/data.mdb: $!";
    local $/;
    ok(index(<$f>, $bytes) >= 0, $what) or diag(unpack 'H*', $bytes);
}

my $t = Referral::Nginx->new(conf => conf(''));
$t->start;

in_store($t, pack('CCCCLLCCCC', 1, 0, 0, 0, 30 * 86400, 365 * 86400, 2, 0, 0, 0)
    . event('signup', 0, 0, 0, 0, 0) . event('purchase', 0, 0, 0, 0, 0),
    'a program that says nothing of events');

my $full = conf(<<'EOB');
attribution first; window 7d; codes open; self reject; bind off;
reward  share   to=referrer on=purchase value=12.5% kind=partner min_tier=high
                limit=9/year;
reward  month   hold=1h every=3 on=order to=referrer value=5%;
reward  gift    "pick=a mug:5, bag:1" to=friend on=signup limit=2 hold=0;
event   order   once=customer min=1000 hold=2d points=10;
event   click   limit=7/day points=1;
event   purchase points=20;
tier    low     0;
tier    high    200;
contest winter  from=2026-12-01 to=2026-12-24T18:00:00.5+01:00;
review  max_amount=50000 min_age=1m per_click=3;
EOB
$t->reload($full);

my $bytes = pack('CCCCLLCCCC', 2, 1, 1, 1, 7 * 86400, 0, 4, 2, 3, 1)
    . event('signup', 0, 0, 0, 0, 0) . event('purchase', 20, 0, 0, 0, 0)
    . event('order', 10, 2 * 86400, 1000, 1, 0) . event('click', 1, 0, 0, 0, 7)
    . text('low') . pack('q', 0) . text('high') . pack('q', 200)
    . reward('share', 'purchase', 'high', '12.5%', 1250, 0, 2, 3, 0, 0, 1, 9)
    . reward('month', 'order', '', '5%', 0, 0, 0, 0, 1, 3600, 3, 0)
    . reward('gift', 'signup', '', '', 0, 1, 0, 0, 1, 0, 1, 2,
        'a mug' => 5, 'bag' => 1)
    . text('winter') . pack('qq', 1796083200000, 1798131600500)
    . pack('LLq', 60, 3, 50000);
in_store($t, $bytes, 'a program that says all');

finish();
