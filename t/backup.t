#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# referralctl backup, while conversions and clicks arrive: it verifies, it has
# what was answered before it began, and nothing is lost or slower for it.
# Restored as README says, it is the store, without what came later, be it in
# rings and logs of the original.  And what is refused, with nothing left.

use strict;
use warnings;

use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use lib 't/lib';
use Referral::Count qw(events_sum clicks_sum);
use Referral::Load;
use Referral::Nginx timeout => 120;
use Referral::Run qw(run);

my $root = $> == 0;
my $ctl = "$Referral::Nginx::BUILD/referralctl";
my @codes = map { sprintf 'CODE%02d', $_ } 1 .. 20;
my $conf = <<'EOC';
    keepalive_requests 10000000;
    referral_store %%STORE%% intake_path=%%INTAKE%% commit=durable;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        reward commission to=referrer on=purchase value=10%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

my $t = Referral::Nginx->new(workers => 2, conf => $conf);
my $tmp = tempdir(CLEANUP => 1);
my $copy = "$tmp/copy";
my %kept;

chmod 0755, $tmp;
$t->allow(qr/exited on signal 9/, qr/bind\(\) .*Address already in use/);
$t->start;
$t->api(PUT => "/v1/codes/$_", { owner => "o-$_" }) for @codes;
chmod 0777, $tmp unless $root;

subtest 'under load' => \&under_load;
subtest 'refused' => \&refused;
subtest 'restored' => \&restored;

finish();


sub under_load {
    my $load = Referral::Load->new(port => $t->port, clients => 2,
        uris => [map { "/r/$_" } @codes], seconds => 60);
    my $orders = orders('a', $t);

    sleep 1;
    answered($orders) > 20 or sleep 0.1 for 1 .. 100;
    my $before = answered($orders);
    cmp_ok($before, '>', 20, 'orders arrive');

    my ($code, $out, $err) = ctl('backup', $t->store, $copy, '--json');
    is("$code$err", '0', 'a backup');
    my $during = answered($orders);
    is(decode_json($out)->{bytes}, -s "$copy/data.mdb", 'says its size');

    for (1 .. 3) {
        ($code) = ctl('backup', $t->store, "$copy-$_");
        is($code, 0, 'and another one');
    }

    my @orders = finish_orders($orders);
    my $clicks = $load->stop;
    cmp_ok($clicks->{answered}, '>', 100, 'clicks arrived');
    is($clicks->{other}, 0, 'and were answered');

    is(verify($t->store), 0, 'the store verifies');
    is(events_sum($t), scalar @orders, 'each order that was answered is there');
    my $counted = clicks_sum($t);
    ok($counted >= $clicks->{answered} && $counted <= $clicks->{sent},
        'so is each click');

    is(mode($copy), '0700', 'the directory is for its owner only');
    is(mode("$copy/data.mdb"), '0600', 'so is the file');
    is((stat $copy)[4], (stat $t->store)[4], 'who is that of the store');
    is(verify($_), 0, 'the backup verifies')
        for $copy, map { "$copy-$_" } 1 .. 3;

    $kept{clicks} = rows($copy, 'click');
    $kept{events} = rows($copy, 'conversion');
    cmp_ok($kept{events}, '>=', $before, 'it has what was answered before');
    cmp_ok($kept{events}, '<=', $during + 1, 'and nothing of what came later');
    cmp_ok($kept{clicks}, '>', 0, 'clicks as well');
}


sub refused {
    refuse(qr/"\Q$copy\E" is not empty/, $t->store, $copy);
    is(verify($copy), 0, 'it is as it was');

    my $inside = $t->store . '/backup';
    refuse(qr/is inside of the store/, $t->store, $inside);
    ok(!-e $inside, 'nothing is left there');

    refuse(qr/No such file or directory/, $t->store, "$tmp/no/where");
    refuse(qr/No such file or directory/, "$tmp/nowhere", "$tmp/new");
    refuse(qr/Not a directory/, $t->store, '/etc/passwd');
    ok(!-e "$tmp/new", 'nothing is left of that');

    SKIP: {
        skip 'only root can act as others', 1 unless $root;

        my ($code, $out, $err) = run({}, 'setpriv', '--reuid=65534',
            '--regid=65534', '--clear-groups', $ctl, 'backup', $t->store,
            "$tmp/new");
        is($code, 2, 'another user');
        like($err, qr/cannot use|is written by user|run referralctl as/,
            'is told so');
    }

    SKIP: {
        skip 'only root can act as others', 1 unless $root;

        my ($uid, $gid) = (stat $t->store)[4, 5];
        mkdir "$tmp/closed", 0700;

        for my $as ([0, 0], [$uid, $gid]) {
            my ($code, $out, $err) = run({}, 'setpriv', "--reuid=$as->[0]",
                "--regid=$as->[1]", '--clear-groups', $ctl, 'backup',
                $t->store, "$tmp/closed/copy");
            is("$code$out", '2', "user $as->[0], where the owner may not");
            like($err, qr/\Areferralctl:\ cannot\ use\ "\Q$tmp\E\/closed\/copy"
                \ \(Permission\ denied\):\ user\ "[^"]+",\ who\ owns\ the
                \ store,\ must\ be\ able\ to\ reach\ and\ write\ it\n\z/x,
                'is told who must be able to');
        }

        is_deeply([glob "$tmp/closed/*"], [], 'and nothing is left there');
    }

    SKIP: {
        skip 'only root can mount', 1 unless $root
            && system('unshare', '-m', 'true') == 0;

        mkdir "$tmp/small";
        my ($code, $out, $err) = run({}, 'unshare', '-m', 'sh', '-c',
            "mount -t tmpfs -o size=64k none $tmp/small && chmod 777"
            . " $tmp/small && $ctl backup @{[ $t->store ]} $tmp/small/copy;"
            . " echo \$?; ls $tmp/small");
        skip "no mount here: $err", 1 if $err =~ /mount:/;
        is($out, "2\n", 'a disk that is full: nothing is left');
        like($err, qr/^referralctl: no room for the \d+ MiB of .*\n\z/,
            'in one sentence');
    }

    SKIP: {
        skip 'only root makes PID namespaces', 1 unless $root
            && system('unshare --pid --fork --mount-proc true') == 0;

        for my $command ('stat', 'verify', 'compact') {
            my ($code, $out, $err) = run({}, 'unshare', '--pid', '--fork',
                '--mount-proc', $ctl, $command, $t->store);
            is("$code$out", '2', "$command from another PID namespace");
            like($err, qr/another PID namespace/, 'is told so');
        }
    }
}


# Clicks and orders that came after the backup are in rings, logs, and the
# store, when everything is killed.  Then README's steps.

sub restored {
    my $store = $t->store;
    my $etag = $t->api(GET => '/v1/codes/CODE01')->header('ETag');

    $t->get('/r/CODE01') for 1 .. 30;
    $t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => 'late', code => 'CODE01', amount => 100,
        currency => 'EUR' });
    my $last = journal_end();
    $t->get('/r/CODE01') for 1 .. 30;
    $t->kill9;

    my @owner = (stat "$store/data.mdb")[4, 5];
    system('cp', "$copy/data.mdb", "$store/data.mdb.new") == 0 or die;
    rename "$store/data.mdb.new", "$store/data.mdb" or die;
    unlink "$store/lock.mdb" or die;
    chown @owner, "$store/data.mdb";
    ok(-e "$store/intake-000.log", 'logs of the original are there');

    $t->start;
    is(verify($store), 0, 'what was restored verifies');
    is(events_sum($t), $kept{events}, 'it has the orders of the backup');
    is(clicks_sum($t), $kept{clicks}, 'and its clicks, no later ones');

    my $r = $t->api(GET => "/v1/journal?after=$last");
    is($r->status, 422, 'a reader of the journal who knows more');
    is($r->json->{code} // $r->json->{type}, 'journal_position',
        'is told that it is another one') or diag $r->body;

    $t->get('/r/CODE02') for 1 .. 10;
    is($t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => 'late', code => 'CODE01', amount => 100,
        currency => 'EUR' })->status, 201, 'what is repeated is taken');

    my $new = $t->api(GET => '/v1/codes/CODE01')->header('ETag');
    isnt(($new =~ /-(\w+)-/)[0], ($etag =~ /-(\w+)-/)[0],
        'ETags are of another file');

    $t->restart;
    is(clicks_sum($t), $kept{clicks} + 10, 'and all goes on');
    is(events_sum($t), $kept{events} + 1, 'from there');
    is(verify($store), 0, 'and verifies');
}


# ------------------------------------------------------------------ orders --

# A process that posts one order after the other and writes down which were
# answered 201.

sub orders {
    my ($prefix, $t) = @_;
    my $file = "$tmp/orders-$prefix";
    my $pid = fork() // die "fork() failed: $!\n";

    if ($pid == 0) {
        my $n = 0;
        my $stop = 0;
        local $SIG{TERM} = sub { $stop = 1 };
        open my $f, '>', $file or POSIX::_exit(1);
        $f->autoflush(1);

        until ($stop) {
            my $id = "$prefix-" . ++$n;
            my $r = $t->api(POST => '/v1/conversions', { event => 'purchase',
                order_id => $id, amount => 100 + $n, currency => 'EUR',
                code => $codes[$n % @codes] });
            print $f "$id\n" if $r->status == 201;
        }

        POSIX::_exit(0);
    }

    return { pid => $pid, file => $file };
}


sub answered {
    my ($orders) = @_;
    open my $f, '<', $orders->{file} or return 0;
    return scalar(() = <$f>);
}


sub finish_orders {
    my ($orders) = @_;
    kill TERM => $orders->{pid};
    waitpid $orders->{pid}, 0;
    open my $f, '<', $orders->{file} or die;
    return map { chomp; $_ } <$f>;
}


# ------------------------------------------------------------------- store --


# The last place in the journal.

sub journal_end {
    my ($code, $out) = ctl('export', 'journal', $t->store, 'friends');
    return (split /\n/, $out)[-1] =~ /"seq":(\d+)/ ? $1 : 0;
}


sub rows {
    my ($dir, $type) = @_;
    my ($code, $out) = ctl('export', 'journal', $dir, 'friends');
    return scalar grep { decode_json($_)->{type} eq $type } split /\n/, $out;
}


sub verify {
    my ($dir) = @_;
    my ($code, $out, $err) = ctl('verify', $dir);
    diag $out, $err if $code;
    return $code;
}


sub refuse {
    my ($sentence, @args) = @_;
    my ($code, $out, $err) = ctl('backup', @args);
    is("$code$out", '2', 'refused');
    like($err, qr/\Areferralctl: [^\n]+\n\z/, 'in one sentence');
    like($err, $sentence, 'which tells why');
}


sub mode {
    return sprintf '%04o', (stat $_[0])[2] & 07777;
}


sub ctl {
    return run({}, $ctl, @_);
}
