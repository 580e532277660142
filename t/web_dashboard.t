# The dashboard in a browser: what was put into a program is what it shows, what
# waits can be decided there, by mouse and by keyboard, and nothing leaves the
# origin.

use strict;
use warnings;
use utf8;

use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use Referral::Client qw(%BROWSER);
use Referral::Nginx timeout => 300;
use Referral::Run qw(run);
use Referral::Texts;
use Referral::Web;

my $DAY = 86400;
my $DAYS = 60;              # that have a past
my %class = (human => 0, crawler => 1, preview => 2);
my $ctl = "$Referral::Nginx::BUILD/referralctl";

# Today has to have a past, and not to end meanwhile.

my $left = $DAY - time % $DAY;
sleep $left + 90 if $left < 120;
sleep 90 - time % $DAY if time % $DAY < 90;
my $today = int(time / $DAY) * $DAY;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        bind off;
        event signup points=5;
        event purchase points=10;
        event lease points=1 hold=14d;
        tier bronze 50;
        tier silver 200;
        reward cash to=referrer on=purchase value=10%;
        reward mug to=referrer on=lease "value=a mug";
        contest spring from=2026-01-01 to=2026-02-01;
    }
    referral_program names {
        link "^/n/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event purchase points=10;
        reward mug to=referrer on=purchase "value=<b>a mug</b>";
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /names/ { referral_api names token_file=%%TOKENS%%; }
        location = /welcome { return 200 ok; }
    }
EOC

my (%clicks, %orders);
my %refunded = (1 => 1, 9 => 1);

past_clicks();
$t->start;
past_orders();
present();
hostile();

my $base = 'http://127.0.0.1:' . $t->port;

browse('dashboard', { url => "$base/referral/",
    names => "$base/names/", token => $t->{token}, browser => \%BROWSER,
    today => day(0), texts => [texts()], want => want() });

finish();


# ---------------------------------------------------------------- the past --

sub day {
    my ($ago) = @_;
    return strftime('%Y-%m-%d', gmtime($today - $ago * $DAY));
}


# In seconds: noon, and today a minute ago.

sub moment {
    my ($ago) = @_;
    return $ago ? $today - $ago * $DAY + $DAY / 2 : int(time) - 60;
}


sub past_clicks {
    my $drive = "$Referral::Nginx::BUILD/unit/store_drive_cli";
    my $first = moment($DAYS) * 1000;
    my $n = 0;

    open my $to, '|-', "$drive @{[ $t->dir ]} > @{[ $t->dir ]}/drive.out"
        or die "store_drive_cli: $!";

    print $to "program\tfriends\t0\n",
        "rules\t1\t0\t0\t0\t2592000\t0\t0\t0\t0\tevent=purchase,10,0,0,0,0\n",
        "batch\t1000\n";
    print $to join("\t", 'code', 0, $first, 1, uc $_, 1, "u-$_", 0, 0), "\n"
        for qw(anna ben eva);

    for my $ago (reverse 0 .. $DAYS - 1) {
        for (clicks_of($ago)) {
            my ($code, $class, $channel) = @$_;

            $clicks{$ago}{$code}{$class}++;
            print $to join("\t", 'click', 0, moment($ago) * 1000 + $n, 1, $code,
                0, $class{$class}, 0, $channel, sprintf('%018x', ++$n), $n, 0,
                0), "\n";
        }
    }

    close $to or die "store_drive_cli failed\n";
    return if $>;

    my @owner = (getpwnam 'www-data')[2, 3];
    chown @owner, $t->store, glob $t->store . '/*';
}


sub clicks_of {
    my ($ago) = @_;

    return ((['ANNA', 'human', 'wa']) x (2 + $ago % 4), ['BEN', 'human', ''],
        (['EVA', 'human', 'mail']) x ($ago % 3), ['ANNA', 'crawler', 'wa'],
        (['BEN', 'preview', '']) x 2);
}


sub past_orders {
    my $file = $t->dir . '/orders.ndjson';
    my $json = JSON::PP->new->utf8;

    open my $to, '>', $file or die "$file: $!";
    print $to $json->encode($_), "\n"
        for map { orders_of($_) } reverse 0 .. $DAYS - 1;
    close $to or die "$file: $!";

    my ($code, $out, $err) = run({}, $ctl, qw(import conversions), $t->store,
        'friends', $file);
    is($code, 0, 'orders of the past') or diag($out, $err);
}


sub orders_of {
    my ($ago) = @_;
    my @orders = (['purchase', 'ANNA', 100000 + $ago, 'EUR']);

    push @orders, ['purchase', 'BEN', 700 + $ago, 'JPY'] if $ago % 3 == 0;
    push @orders, ['signup', 'EVA'] if $ago % 2 == 0;

    return map {
        my ($event, $code, $amount, $currency) = @$_;
        my $id = "$event-$code-$ago";

        push @{ $orders{$ago} }, $_;
        { event => $event, order_id => $id, customer_id => "c-$id",
            code => $code,
            occurred_at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime moment($ago)),
            $currency ? (amount => $amount, currency => $currency) : () };
    } @orders;
}


# --------------------------------------------------------------- the present --

sub present {
    for my $ago (keys %refunded) {
        is($t->api(POST => "/v1/conversions/purchase-ANNA-$ago/refunds",
            { refund_id => 'r1', amount => 4000 })->status, 201, 'a refund');
    }

    for my $n (1 .. 3) {
        is($t->api(POST => '/v1/conversions', { event => 'purchase',
            order_id => "own-$n", customer_id => 'u-anna', code => 'ANNA',
            amount => 5000 + $n, currency => 'EUR' })->status, 202, 'held');
        is($t->api(POST => '/v1/conversions', { event => 'lease',
            order_id => "lease-$n", code => 'BEN' })->status, 201, 'pending');
    }

    is($t->api(POST => '/v1/conversions', { event => 'lease',
        order_id => 'nobody', amount => 900, currency => 'CHF' })->json
        ->{status}, 'unattributed', 'an order of nobody');

    $t->api(PUT => '/v1/codes/ANNA', { name => 'Anna' });
    $t->api(PUT => '/v1/codes/ZERO', { owner => 'u-zero', name => 'Zero' });
}


# Names, owners, orders, customers and reasons that want to be markup.

sub hostile {
    my @texts = texts();
    my $lines = join '', map { JSON::PP->new->utf8->encode({ owner => "u$_",
        code => "N$_", name => $texts[$_] }) . "\n" } 0 .. $#texts;

    $t->api(POST => '/v1/codes', $lines, prefix => '/names',
        headers => { 'Content-Type' => 'application/x-ndjson' });

    for my $n (0 .. $#texts) {
        my $text = $texts[$n] =~ s/^\s+|\s+$//gr;
        my $held = $n < 20 ? "u$n" : $text;

        $t->api(POST => '/v1/conversions', { event => 'purchase',
            order_id => $text, customer_id => $held, code => "N$n" },
            prefix => '/names');
    }
}


sub texts {
    return (Referral::Texts::markup(), (Referral::Texts::texts())[0 .. 20]);
}


# ------------------------------------------------------------- what to find --

sub want {
    return { '7d' => period(7), '28d' => period(28, 'ANNA'),
        '14d' => { from => day(13), %{ period(14) } },
        days => [map { days($_) } reverse 0 .. 6], events => events(),
        channels => channels(), codes => codes(), leaders => leaders() };
}


sub period {
    my ($days, $code) = @_;
    return { now => sum($code, 0 .. $days - 1),
        before => sum($code, $days .. 2 * $days - 1) };
}


# What is held is among the amounts.

sub sum {
    my ($only, @days) = @_;
    my %sum = (human => 0, excluded => 0, signup => 0, purchase => 0,
        net => {});

    for my $ago (@days) {
        for my $code (grep { !$only || $_ eq $only } qw(ANNA BEN EVA)) {
            my $of = $clicks{$ago}{$code} || {};

            $sum{human} += $of->{human} || 0;
            $sum{excluded} += ($of->{crawler} || 0) + ($of->{preview} || 0);
        }

        for (grep { !$only || $_->[1] eq $only } @{ $orders{$ago} || [] }) {
            my ($event, undef, $amount, $currency) = @$_;
            $sum{$event}++;
            $sum{net}{$currency} += $amount if $currency;
        }

        $sum{net}{EUR} -= 4000 if $refunded{$ago};
        $sum{net}{EUR} += 15006 if $ago == 0 && ($only || 'ANNA') eq 'ANNA';
    }

    return \%sum;
}


# Day, human, excluded, all, human of the day a week before, signups, purchases.

sub days {
    my ($ago) = @_;
    my ($now, $before) = map { sum(undef, $_) } $ago, $ago + 7;

    return [strftime('%-d %b', gmtime($today - $ago * $DAY)), $now->{human},
        $now->{excluded}, $now->{human} + $now->{excluded}, $before->{human},
        @$now{qw(signup purchase)}];
}


# Event, reported, pending, approved, held, refunded, unattributed, rejected,
# points.

sub events {
    my $sum = sum(undef, 0 .. 6);
    my ($signup, $purchase) = @$sum{qw(signup purchase)};

    return [['lease', 4, 3, (0) x 3, 1, 0, 3],
        ['purchase', $purchase + 3, 0, $purchase, 3, 0, 0, 0, 10 * $purchase],
        ['signup', $signup, 0, $signup, (0) x 4, 5 * $signup]];
}


sub channels {
    my ($anna, $ben, $eva) = map { sum($_, 0 .. 6) } qw(ANNA BEN EVA);

    return [['wa', of($anna)], ['none', of($ben)], ['mail', of($eva)]];
}


sub codes {
    return [map { [$_, of(sum($_, 0 .. 6))] } qw(ANNA BEN EVA)];
}


sub of { return ($_[0]{human}, $_[0]{human} + $_[0]{excluded}) }


# Of this month: a refund in part takes no points.

sub leaders {
    my $first = strftime('%Y-%m', gmtime $today);
    my @days = grep { day($_) =~ /^$first/ } 0 .. $DAYS - 1;
    my %points = map { my $sum = sum($_, @days);
        ($_ => 5 * $sum->{signup} + 10 * $sum->{purchase}) } qw(ANNA BEN EVA);

    $points{BEN} += 3;      # three leases
    my ($last, @rows) = (undef);

    for (sort { $points{$b} <=> $points{$a} } grep { $points{$_} }
        keys %points)
    {
        push @rows, [scalar @rows + 1, $_, $points{$_},
            defined $last ? $last - $points{$_} : undef];
        $last = $points{$_};
    }

    return \@rows;
}
