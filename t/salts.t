#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The salt that visitors are told apart by: random, in memory only, kept by a
# reload, replaced at midnight UTC and still asked for one day.  What the store
# keeps of a visitor is a hash by the salt of that day: the test compares them.
# Without random numbers there is no new one, and never one that can be known.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 60;
use Referral::Count;
use Referral::Fault;

my $DAY = 86400;
my $fault = Referral::Fault->new;
my $none = "$ENV{REFERRAL_FAULT}.norandom";

$ENV{REFERRAL_NORANDOM} = $none;
$ENV{TEST_NGINX_PRELOAD} .= " $Referral::Nginx::BUILD/preload/norandom.so";

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>\w+)$";
        landing https://shop.example/;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

# Ten minutes before midnight, whatever time it is.

my $evening = $DAY - 600 - time() % $DAY;

$fault->clock($evening);
$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });

my %hash;

is(visit('Ann'), 'human=1 unique=1 hash=1', 'a visitor');
is(visit('Ann'), 'human=1', 'is known again');
is(visit('Ben'), 'human=1 unique=1 hash=1', 'another is another');

$t->reload;
is(visit('Ann'), 'human=1', 'a reload keeps the salt');

$fault->clock($evening + 1200);
is(visit('Ann'), 'human=1', "after midnight: yesterday's salt still knows");
is(visit('Cid'), 'human=1 unique=1 hash=1', 'a visitor of the new day');

$t->reload;
$fault->clock($evening + $DAY);
is(visit('Cid'), 'human=1', 'is known all that day');

# a click is unique again after 24 hours: by the same salt it had the same hash

$fault->clock($evening + $DAY + 300);
is(visit('Ann'), 'human=1 unique=1 hash=1', 'the new day has another salt');

$fault->clock($evening + $DAY + 1200);
is(visit('Ann'), 'human=1', 'which the next one knows');
is(visit('Cid'), 'human=1 unique=1 hash=1', 'and does not use');

$fault->clock($evening + 5 * $DAY);
is(visit('Cid'), 'human=1 unique=1 hash=1', 'after days without a visit');

# a day without random numbers at its beginning

$fault->clock($evening + 7 * $DAY);
random_numbers(0);
$t->get('/none') for 1 .. 2;
$t->get('/r/ANNA42', 'User-Agent' =>
    "$Referral::Client::BROWSER{'User-Agent'} Cid");
sleep 1;
random_numbers(1);
is(visit('Cid'), 'human=1 unique=1 hash=1', 'they come back: a new salt');
is(visit('Cid'), 'human=1', 'that stays');

random_numbers(0);
my ($code, $out) = nginx_t('referral_store %%STORE%%; referral_key_file '
    . '%%KEY%%; referral_program a { link ^/(?<code>a)$; landing http://a/; }');
isnt($code, 0, 'without them nginx does not start');
like($out, qr/\[emerg\] .*there are no random numbers/, 'and says why');
random_numbers(1);

$t->quit;
$t->start;
is(visit('Cid'), 'human=1 unique=1 hash=1',
    'a restart knows nobody: no salt is kept');

finish();


# What a visit counts, and how many hashes the store has not had before.

sub visit {
    my ($who) = @_;
    $t->get('/none') for 1 .. 2;        # the worker looks at the clock

    my $counted = counted($t, sub { $t->get('/r/ANNA42', 'User-Agent' =>
        "$Referral::Client::BROWSER{'User-Agent'} $who") });
    my $new = grep { !$hash{$_}++ } map { hashes("uq$_") } 0 .. 2;

    return $counted . ($new ? " hash=$new" : '');
}


sub random_numbers {
    my ($are) = @_;

    if ($are) {
        unlink $none or die "$none: $!\n";
        return;
    }

    open my $f, '>', $none or die "$none: $!\n";
}


sub hashes {
    my ($db) = @_;
    my ($head, $rows) = split /^HEADER=END\n/m,
        `mdb_dump -s $db '@{[$t->store]}'`;
    my @lines = $rows =~ /^ ([0-9a-f]+)$/gm;
    return @lines[grep { $_ % 2 == 0 } 0 .. $#lines];
}
