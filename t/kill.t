# kill -9, of workers and of everything, under load, in both commit modes:
# answered <= counted <= sent, for each link, and counters equal the journal.
# Catches a click answered before it is safe, and one applied again by the
# next owner of its ring.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(sleep);

use Referral::Nginx timeout => 400;
use Referral::Load;

my $workers = $ENV{TEST_KILL_WORKERS} || 20;
my $all = $ENV{TEST_KILL_ALL} || 10;

for my $commit ('relaxed', 'durable') {
    subtest $commit => sub { run($commit) };
}

finish();


sub run {
    my ($commit) = @_;

    my $t = Referral::Nginx->new(workers => 2, conf => <<"EOC");
        keepalive_requests 10000000;

        referral_store %%STORE%% intake_path=%%INTAKE%% commit=$commit;
        referral_key_file %%KEY%%;

        referral_program friends {
            link "^/r/(?<code>[A-Za-z0-9]+)\$";
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

    # a killed process keeps its sockets until its last write to the disk has
    # ended; nginx tries to bind again

    $t->allow(qr/exited on signal 9/, qr/bind\(\) .*Address already in use/);
    $t->start;

    my @codes = map { sprintf 'CODE%02d', $_ } 1 .. 20;
    $t->api(PUT => "/v1/codes/$_", { owner => 'u1' }) for @codes;

    my $load = Referral::Load->new(port => $t->port, clients => 6,
        uris => [map { "/r/$_" } @codes]);

    for (1 .. $workers) {
        sleep 0.1 + rand 0.3;
        my @pids = wait_two($t);
        kill KILL => $pids[rand @pids];
    }

    for (1 .. $all) {
        sleep 0.1 + rand 0.4;
        $t->kill9;
        $t->start;
    }

    sleep 0.3;

    my @trouble = $t->log =~ /^(.*referral: (?!the store is in order).*)$/mg;
    is("@trouble", '', 'the store was never in trouble');

    my $sum = $load->stop;

    note("sent $sum->{sent}, answered $sum->{answered}, ",
        "broken $sum->{broken}");

    is($sum->{other}, 0, 'links were answered 302 or not at all');
    cmp_ok($sum->{answered}, '>', 1000, 'there was some load');

    ok(wait_for(sub { counted($t) >= $sum->{answered} }, 10),
        'every link answered is counted')
        or diag("answered $sum->{answered}, counted ", counted($t));
    ok($t->restart, 'restart');

    cmp_ok(counted($t), '<=', $sum->{sent}, 'no more than was sent');
    is($t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{human},
        counted($t), 'program and codes agree');

    my @short = grep {
        $t->api(GET => "/v1/codes/$_")->json->{clicks}{human}
            < $sum->{answered_by}{"/r/$_"};
    } @codes;

    is("@short", '', 'no code has less than was answered');

    $t->quit;

    my $verify = `$Referral::Nginx::BUILD/referralctl verify @{[ $t->store ]} 2>&1`;
    is($?, 0, 'the recount finds nothing') or diag $verify;

    my @rings = glob $t->intake . '/*';
    is("@rings", '', 'no ring is left');
}


sub wait_two {
    my ($t) = @_;
    my @pids;

    wait_for(sub { (@pids = $t->workers) == 2 }, 10);

    return @pids;
}


sub counted {
    my ($t) = @_;
    my $sum = 0;

    $sum += $_->{clicks}{total}
        for @{$t->api(GET => '/v1/counters?by=code&limit=250')->json->{data}};

    return $sum;
}
