package Referral::Year;

# A program with a year behind it: a store made by t/bench/sizing.c, and nginx
# serving its dashboard.
#
#   my $t = Referral::Nginx->new(conf => Referral::Year::conf());
#   Referral::Year::fill($t, codes => 100_000, clicks => 1_000_000,
#       conversions => 100_000, keep => $dir);     # keep: where it stays
#   $t->start;
#   weigh($t, rounds => 3, idle => 20);            # see t/web/weigh.mjs

use strict;
use warnings;

use Exporter qw(import);
use File::Copy qw(copy);
use File::Path qw(remove_tree);

use Referral::Nginx ();
use Referral::Run qw(run);
use Referral::Web;

our @EXPORT = qw(weigh);

my $DAYS = 365;


sub conf {
    my ($store) = @_;
    $store //= '%%STORE%%';

    return <<"EOC";
    referral_store $store intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing https://shop.example/welcome?utm_source=referral;
        event signup;
        event purchase points=10 hold=14d;
        tier bronze 50;
        tier silver 200;
        tier gold 1000;
        reward free-month to=referrer on=purchase every=3;
        reward commission to=referrer on=purchase value="10%";
        retention clicks=off;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC
}


# Made in memory, where nothing waits for a disk at each of its many commits.

sub fill {
    my ($t, %opt) = @_;
    my $tool = "$Referral::Nginx::BUILD/bench/sizing";
    my $made = $t->intake . '/made';
    my $store = $opt{keep} || $t->store;

    return $store if -e "$store/data.mdb";

    for my $dir (grep { !-d } $store, $made) {
        mkdir $dir, 0700 or die "$dir: $!\n";
    }

    my ($code, $out, $err) = run({}, $tool, 'fill', $made, $t->intake,
        $opt{codes}, $opt{clicks}, $DAYS, $opt{conversions});
    die "$tool: $out$err" if $code;

    copy("$made/data.mdb", "$store/data.mdb") or die "$store: $!\n";
    remove_tree($made);

    if ($> == 0) {
        my @owner = (getpwnam 'www-data')[2, 3];
        chown @owner, $store, "$store/data.mdb";
    }

    return $store;
}


sub code {
    my ($n) = @_;
    chomp(my $code = `'$Referral::Nginx::BUILD/bench/sizing' codes $n 1`);
    return $code;
}


sub weigh {
    my ($t, %opt) = @_;

    return measure('weigh', { url => 'http://127.0.0.1:' . $t->port
        . '/referral/', token => $t->{token}{write}, views => [
            ['7 days', ''], ['90 days', '#period=90d'],
            ['a year', '#period=year&board=all'],
            ['a code', '#period=28d&code=' . code(7)],
            ['held', '#waits=pending'] ], %opt });
}


1;
