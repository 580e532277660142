# Every link answered 302 is counted once, through reloads under load.  Catches
# clicks lost when a worker hands over its intake, and clicks applied twice.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(sleep);

use Referral::Nginx timeout => 300;
use Referral::Load;

my $requests = $ENV{TEST_EXACT_REQUESTS} || 25_000;      # of each of 8

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    keepalive_requests 10000000;

    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing https://shop.example/welcome;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

$t->start;

my @codes = map { sprintf 'CODE%03d', $_ } 1 .. 100;
my $made = 0;

for (@codes) {
    $made += $t->api(PUT => "/v1/codes/$_", { owner => 'u1' })->status == 201;
}

is($made, 100, 'codes are there');

my $load = Referral::Load->new(port => $t->port, clients => 8,
    requests => $requests,
    uris => [map { ("/r/$_", "/r/$_/wa") } @codes]);

for (1 .. 5) {
    sleep 1;
    ok($t->reload, "reload $_");
}

my $sum = $load->wait;

cmp_ok($sum->{answered} + $sum->{broken}, '==', 8 * $requests,
    'nothing was answered but 302');

# the old workers, gone or not, have applied what they took

ok(wait_for(sub { total($t) >= $sum->{answered} }, 20), 'all is applied');

is(total($t), $sum->{answered}, 'total');
is(total($t, 'by=day'), $sum->{answered}, 'sum of days');
is(total($t, 'by=hour'), $sum->{answered}, 'sum of hours');
is(total($t, 'by=channel'), $sum->{answered}, 'sum of channels');
is(total($t, 'by=landing'), $sum->{answered}, 'sum of landings');
is(total($t, 'by=class'), $sum->{answered}, 'sum of classes');
is(total($t, 'by=code&limit=250'), $sum->{answered}, 'sum of codes');

my %answered;

while (my ($uri, $n) = each %{$sum->{answered_by}}) {
    $uri =~ m{^/r/(\w+)} and $answered{$1} += $n;
}

my @wrong = grep {
    my $counted = $t->api(GET => "/v1/codes/$_")->json->{clicks}{human};
    $counted != $answered{$_};
} @codes;

is("@wrong", '', 'each code has what was answered');

my $verify = `$Referral::Nginx::BUILD/referralctl verify @{[ $t->store ]} 2>&1`;
is($?, 0, 'the recount finds nothing') or diag $verify;

finish();


sub total {
    my ($t, $query) = @_;
    my $answer = $t->api(GET => '/v1/counters' . ($query ? "?$query" : ''));
    my $sum = 0;

    $sum += $_->{clicks}{total} for @{$answer->json->{data}};
    return $sum;
}
