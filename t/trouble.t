# A store in trouble: the link redirects with its cookie, health says what is
# wrong, the log gets one line a second at most, and when the cause has gone
# the store works again without a restart.

use strict;
use warnings;
use lib 't/lib';

use File::Copy qw(copy);
use Test::More;
use Time::HiRes qw(sleep time);

use Referral::Nginx timeout => 120;

my $conf = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
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


subtest 'disk full' => sub {
    my $t = Referral::Nginx->new(conf => $conf);

    plan skip_all => 'only root can mount a small file system' if $>;

    mkdir $t->store;

    if (system('mount', '-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'referral',
               $t->store) != 0)
    {
        plan skip_all => 'mount is not permitted here';
    }

    my $ok = eval { disk_full($t); 1 };

    $t->stop;
    system 'umount', $t->store;
    die $@ unless $ok;
};


sub disk_full {
    my ($t) = @_;

    $t->start;
    is($t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' })->status, 201,
        'a code');

    my $filler = $t->store . '/filler';
    system "cat /dev/zero > $filler 2>/dev/null";

    # what is free inside the file is used up first

    my $answered = clicks($t, 50);
    my $end = time + 30;

    while ($t->api(GET => '/v1/health')->status == 200 && time < $end) {
        $answered += clicks($t, 100);
        sleep 0.05;
    }

    my $health = $t->api(GET => '/v1/health');
    is($health->status, 503, 'health: 503');
    like($health->json->{detail}, qr/No space left|MDB_MAP_FULL/,
        'health names the cause');

    my $r = $t->get('/r/ANNA');
    is($r->status, 302, 'the link redirects');
    like($r->header('Set-Cookie'), qr/^ref_friends=/, 'with its cookie');
    $answered++;

    my $put = $t->api(PUT => '/v1/codes/BEN', { owner => 'u2' });
    is($put->status, 503, 'a change fails closed');
    ok($put->header('Retry-After'), 'Retry-After');
    is($t->get('/r/NOPE')->status, 404, 'codes are still read');

    quiet($t, \$answered);

    unlink $filler;

    ok(wait_for(sub { $t->api(GET => '/v1/health')->status == 200 }, 10),
        'in order again, without a restart');
    ok(wait_for(sub { human($t) == $answered }, 10),
        'all that was taken meanwhile is counted')
        or diag('answered ', $answered, ', counted ', human($t));
}


subtest 'file unreadable' => sub {
    my $t = Referral::Nginx->new(conf => $conf);

    plan skip_all => 'only root can take a file from the worker' if $>;

    $t->start;
    $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });
    $t->quit;

    my @st = stat $t->store . '/data.mdb';
    chown 0, 0, $t->store . '/data.mdb';
    chmod 0600, $t->store . '/data.mdb';

    $t->start;
    down($t, qr/data\.mdb.*Permission denied/);

    chown $st[4], $st[5], $t->store . '/data.mdb';
    up($t);
};


subtest 'file truncated' => sub {
    my $t = Referral::Nginx->new(conf => $conf);
    my $file = $t->store . '/data.mdb';

    $t->start;
    $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });
    $t->quit;

    for my $size (16384, 100, 0) {
        copy($file, "$file.whole") or die;
        truncate $file, $size;

        $t->start;
        down($t, $size == 16384 ? qr/is cut short/
                 : $size ? qr/cannot open/ : qr/gone or empty/);
        is(-s $file, $size, "$size bytes: the file was not touched");

        open my $out, '+<', $file or die;
        open my $in, '<', "$file.whole" or die;
        local $/;
        syswrite $out, scalar <$in>;
        close $out;

        up($t);
        $t->quit;
    }
};

finish();


# The store cannot be opened: everything well-formed is a code.

sub down {
    my ($t, $why) = @_;

    my $health = $t->api(GET => '/v1/health');
    is($health->status, 503, 'health: 503');
    like($health->json->{detail}, $why, 'health names the cause');

    my $r = $t->get('/r/ANNA');
    is($r->status, 302, 'the link redirects');
    is($r->header('Location'), 'https://shop.example/welcome', 'to the landing');
    like($r->header('Set-Cookie'), qr/^ref_friends=\S+\.ANNA\./,
        'with its cookie');

    is($t->api(GET => '/v1/codes/ANNA')->status, 503, 'the endpoint: 503');
    quiet($t, \my $answered);
    like($t->log, qr/clicks were redirected but not counted/,
        'the loss is logged');
    like($t->api(GET => '/metrics')->body,
        qr/^referral_clicks_lost_total [1-9]/m, 'and counted');
}


sub up {
    my ($t) = @_;

    ok(wait_for(sub { $t->api(GET => '/v1/health')->status == 200 }, 10),
        'in order again, without a restart');

    my $before = human($t);
    is($t->get('/r/ANNA')->status, 302, 'the link redirects');
    ok(wait_for(sub { human($t) == $before + 1 }, 5), 'and counts');
    is($t->get('/r/NOPE')->status, 404, 'an unknown code is unknown');
}


# Three seconds of load leave no more than a line a second.

sub quiet {
    my ($t, $answered) = @_;

    my $from = length $t->log;
    my $end = time + 3;

    while (time < $end) {
        $$answered += clicks($t, 20);
        sleep 0.01;
    }

    my %lines;
    $lines{$_}++ for substr($t->log, $from) =~ /^(\S+ \S+) .*referral:/mg;

    is(join(' ', grep { $lines{$_} > 1 } keys %lines), '',
        'one line a second at most');
}


sub clicks {
    my ($t, $n) = @_;

    my $client = $t->connect(keepalive => 1);
    my $answered = 0;

    $answered += $client->get('/r/ANNA')->status == 302 for 1 .. $n;

    return $answered;
}


sub human {
    my ($t) = @_;
    return $t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{human};
}
