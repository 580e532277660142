#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Secrets stay where they are: not in core dumps of workers and master, nor in
# their memory but for the pages that dumps leave out; not in logs, variables,
# answers, "nginx -T", complaints about files, nor what ps shows.
#
# What a client sends, its token among it, is in memory of nginx's own.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256 sha256_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep);

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;
use Referral::Run qw(run);

my $program = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%DIR%%/keys;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        param ref;
        landing http://127.0.0.1:%%PORT%%/page;
        codes open;
        event purchase points=10;
        velocity clicks=9999/1m code_clicks=9999/1m conversions=9999/1m
                 unknown=9999/1m;
    }
EOC

my $vars = join ' ', map { "\$referral_$_" } qw(program code channel click time
    first_code token class status);

my $t = Referral::Nginx->new(main => <<'EOC', conf => <<"EOC");
    error_log %%DIR%%/debug.log debug;
    working_directory %%DIR%%/cores;
    worker_rlimit_core 500m;
EOC
$program
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /page { return 200 "$vars"; }
        location /shop { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%
                                 secret_file=%%DIR%%/secrets;
        }
    }
EOC

my $dir = $t->dir;
mkdir "$dir/cores";
chmod 0777, "$dir/cores";

sub file {
    my ($name, @lines) = @_;
    open my $f, '>', "$dir/$name" or die "$name: $!";
    chmod 0600, "$dir/$name";
    print $f map { "$_\n" } @lines;
    close $f;
    return "$dir/$name";
}

sub slurp {
    my ($file) = @_;
    open my $f, '<:raw', $file or die "$file: $!";
    local $/;
    return scalar(<$f>) // '';
}

sub random {
    open my $f, '<:raw', '/dev/urandom' or die $!;
    read $f, my $bytes, $_[0];
    return $bytes;
}


# What is looked for.  A hash that has taken in a key is as good as the key.

sub state_of {
    my ($block) = @_;
    my ($h) = Digest::SHA->new(256)->add($block)->getstate =~ /^H:(.*)$/m;
    return pack 'L*', unpack 'N*', pack 'H*', $h =~ tr/://dr;
}

sub block { $_[0] . "\0" x (64 - length $_[0]) }

sub states {
    my ($key) = @_;
    my $block = block(length $key > 64 ? sha256($key) : $key);
    return (inner => state_of($block ^ "\x36" x 64),
        outer => state_of($block ^ "\x5c" x 64));
}

sub texts {
    my ($key) = @_;
    my $base64 = encode_base64($key, '');
    return (raw => $key, base64 => $base64 =~ s/=+$//r,
        base64url => $base64 =~ tr{+/=}{-_}dr, hex => unpack('H*', $key),
        HEX => uc unpack('H*', $key),
        map { schedule($_, block($key) ^ chr($_) x 64) }
            length $key > 64 ? () : (0x36, 0x5c));
}

# What is hashed with the key, and what a hash makes of it on its stack.

sub schedule {
    my ($pad, $block) = @_;
    my @w = unpack 'N8', $block;
    my @k = (0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
        0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5);
    return ("pad $pad" => $block, map { my $at = $_;
        ("words $at of $pad" => pack('L4', @w[$at .. $at + 3]),
         "sums $at of $pad" => pack('L4', map { $w[$_] + $k[$_] & 0xffffffff }
             $at .. $at + 3))
    } 0, 4);
}

sub named {
    my ($name, %bytes) = @_;
    return map { ("$name, $_" => $bytes{$_}) } keys %bytes;
}

# What may be nowhere, and what only in the pages that dumps leave out.

sub needles {
    my ($keys, $secrets) = @_;
    my (%nowhere, %hidden);

    for my $kid (sort keys %$keys) {
        my $master = $keys->{$kid};
        %nowhere = (%nowhere, named("master $kid", texts($master)),
            named("master $kid", states($master)));

        for my $purpose (qw(cookie link)) {
            my $key = hmac_sha256("nginx-referral|$purpose|v1", $master);
            %nowhere = (%nowhere, named("$purpose key of $kid", texts($key)));
            %hidden = (%hidden, named("$purpose key of $kid", states($key)));
        }
    }

    for my $i (0 .. $#$secrets) {
        %nowhere = (%nowhere, named("secret $i", texts($secrets->[$i])));
        %hidden = (%hidden, named("secret $i", states($secrets->[$i])));
    }

    return (\%nowhere, \%hidden);
}

sub found {
    my ($bytes, $needles) = @_;
    return join '; ', grep { index($$bytes, $needles->{$_}) >= 0 }
        sort keys %$needles;
}

# The memory of a process: what a dump leaves out, and all the rest of it.

sub memory {
    my ($pid) = @_;
    my ($from, $to, %part);
    my $shown = '';
    open my $mem, '<:raw', "/proc/$pid/mem" or die "mem: $!";

    no warnings 'portable';

    for my $line (split /\n/, slurp("/proc/$pid/smaps")) {
        ($from, $to, $shown) = (hex $1, hex $2, $3)
            if $line =~ /^([0-9a-f]+)-([0-9a-f]+) (\S+ .*)/;
        next unless $shown =~ /^rw/ && $line =~ /^VmFlags:/;
        my $hidden = $line =~ / dd\b/;
        next if $to - $from > 512 << 20 || $shown =~ m{/dev/shm/|\.mdb};

        sysseek $mem, $from, 0;
        my $n = sysread $mem, my ($bytes), $to - $from;
        next unless $n;

        $part{ $hidden ? 'hidden' : 'seen' } .= $bytes;
        $part{salts} //= $bytes if $hidden && $shown =~ /^rw-s/;
    }

    return \%part;
}

# A sanitizer has terabytes, which nobody wants to be dumped.

sub shadowed {
    my ($pid) = @_;
    no warnings 'portable';
    return scalar grep { /^([0-9a-f]+)-([0-9a-f]+)/
        && hex($2) - hex($1) > 1 << 40 } split /\n/, slurp("/proc/$pid/maps");
}

# Two salts stand behind the number of their day.

sub salts {
    my ($memory) = @_;
    my $day = pack 'q', int(time / 86400);
    my ($today, $before) = $memory->{salts} =~ /\Q$day\E(.{16})(.{16})/s
        or return;
    return ("today's salt" => $today, 'the salt before' => $before);
}


# Every door, with things that are right and that are wrong.

my $answers = '';
my $orders = 0;

sub note_answer {
    my ($r) = @_;
    $answers .= join "\n", $r->status, (map { "@$_" } @{ $r->headers }),
        $r->body, '';
    return $r;
}

sub api {
    my ($method, $path, $body, $secret, %opt) = @_;
    my $now = time;
    my $mac = hmac_sha256_hex("$now." . ($body // ''), $secret);
    return note_answer($t->api($method, $path, $body, %opt,
        headers => { 'Referral-Signature' => "t=$now,v1=$mac" }));
}

sub traffic {
    my ($secret) = @_;
    my $cookie;

    for (1 .. 20) {
        my $r = note_answer($t->get("/r/ANNA$_"));
        $cookie = cookie($r);
        note_answer($t->get('/page', Cookie => $cookie));
        note_answer($t->get('/page', Cookie => $cookie =~ s/ANNA/EVIL/r));
        note_answer($t->get("/x?ref=BERT$_", Cookie => $cookie));
        note_answer($t->get('/shop', Cookie => $cookie));

        my $id = ++$orders;
        my $order = sprintf '{"event":"purchase","order_id":"%d","token":"%s",'
            . '"amount":100,"currency":"EUR"}', $id, $cookie =~ s/.*=//r;
        is(api(POST => '/v1/conversions', $order, $secret)->status, 201,
            'an order') if $_ == 1;
        api(POST => '/v1/conversions', $order, $secret);
        api(POST => '/v1/conversions', $order, 'another secret of nobody');
        api(POST => '/v1/conversions', $order, $secret, token => 'wrong');
        api(GET => "/v1/conversions/$id", undef, $secret);
    }

    api(GET => $_, undef, $secret) for qw(/v1/health /metrics /v1/codes
        /v1/journal /export/conversions.csv /v1/policy /nowhere);
}


my %key = (k1 => random(32), k2 => random(48), k3 => random(100));
my @secret = map { unpack 'H*', random(20 * $_) } 1, 2;

sub lines { map { "$_:" . encode_base64($key{$_}, '') } @_ }

file('keys', '# keys', lines(qw(k1 k2)));
file('secrets', @secret);
$t->start;

my ($nowhere, $hidden) = needles({ map { $_ => $key{$_} } qw(k1 k2) },
    \@secret);
traffic($_) for @secret;

my ($worker) = $t->workers;
my $master = $t->pid;

SKIP: {
    skip 'looking into processes takes root', 1 if $> != 0;
    skip 'the memory of valgrind is its own', 1 if $ENV{TEST_VALGRIND};

    my $memory = memory($worker);
    my %salt = salts($memory);
    is(scalar keys %salt, 2, 'there are salts');
    %$hidden = (%$hidden, %salt);

    # What is not secret is found, so the others would be.

    my $plain = { 'the landing' => 'http://127.0.0.1:' . $t->port . '/page',
        'the hash of a token' => sha256($t->{token}{read}) };

    for ([worker => $worker], [master => $master]) {
        my ($who, $pid) = @$_;
        my $memory = memory($pid);

        is(found(\$memory->{hidden}, $hidden), join('; ', sort grep {
            $who eq 'worker' || !$salt{$_} || $memory->{salts} =~ /\Q$salt{$_}/
        } keys %$hidden), "$who: has what it needs where no dump sees it");
        is(found(\$memory->{seen}, $hidden), '', "$who: and nowhere else");
        is(found(\$memory->{$_}, $nowhere), '', "$who: no master, no secret")
            for qw(seen hidden);

        next if shadowed($pid);
        my ($code, $out, $err) = run({}, 'gcore', '-o', "$dir/cores/$who",
            $pid);
        is($code, 0, "$who: gcore") or diag($out, $err);
        dumped("$who, by gdb", "$dir/cores/$who.$pid", $plain);
    }

    SKIP: {
        my $pattern = slurp('/proc/sys/kernel/core_pattern');
        skip "the kernel's dumps go elsewhere: $pattern", 1
            if $pattern =~ m{^\||/|%} || shadowed($worker);
        $t->allow(qr/worker process $worker exited on signal 6/);
        kill ABRT => $worker;
        ok(Referral::Nginx::wait_for(sub {
            $t->log =~ /worker process $worker exited on signal 6 \(core/
        }, 20), 'a worker dies, and leaves a dump');
        my ($core) = glob "$dir/cores/core*";
        dumped('worker, by the kernel', $core, $plain);
        Referral::Nginx::wait_for(sub { $t->workers }, 10);
    }

    # What a reload replaces is wiped.

    file('keys', lines('k3'));
    ok($t->reload, 'reload with another key');
    traffic($secret[0]);
    my ($none, $now) = needles({ k3 => $key{k3} }, \@secret);
    my %old = map { $_ => $hidden->{$_} } grep { /of k[12]/ } keys %$hidden;

    for ([worker => $t->workers], [master => $master]) {
        my ($who, $pid) = @$_;
        my $memory = memory($pid);
        is(found(\$memory->{$_}, { %old, %$none }), '',
            "$who: nothing of keys that have gone") for qw(hidden seen);
        is(found(\$memory->{hidden}, $now), join('; ', sort keys %$now),
            "$who: what is in force instead");
    }
}

sub dumped {
    my ($what, $core, $plain) = @_;
    my $bytes = slurp($core);
    cmp_ok(length $bytes, '>', 1 << 20, "$what: a dump");
    is(found(\$bytes, $plain), join('; ', sort keys %$plain),
        "$what: has what is no secret");
    is(found(\$bytes, $hidden), '', "$what: nothing that signs");
    is(found(\$bytes, $nowhere), '', "$what: nothing of the files");
    unlink $core;
}


# Whatever nginx says or shows.

my %all = (%$nowhere, %$hidden, (needles({ k3 => $key{k3} }, []))[0]->%*);
my %shown = ('answers' => $answers, 'the log at debug level' =>
    slurp("$dir/debug.log"), 'error.log' => $t->log);

for (['nginx -T', '-T'], ['nginx -t', '-t'], ['nginx -V', '-V']) {
    my ($name, @args) = @$_;
    local $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_PRELOAD} || '';
    local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
    my ($code, $out, $err) = run({}, $Referral::Nginx::BINARY, '-p', "$dir/",
        '-c', $t->file, '-e', 'stderr', @args);
    is($code, 0, $name) or diag($err);
    $shown{$name} = "$out$err";
}

for my $pid ($master, $t->children) {
    $shown{"$_ of $pid"} = slurp("/proc/$pid/$_") for qw(cmdline environ);
}

like($shown{'nginx -T'}, qr/referral_key_file/, 'it prints the directives');
ok($shown{answers} =~ /^friends ANNA1 .* 1\.k1\.\S+  valid$/m,
    'there were answers');
ok($shown{'the log at debug level'} =~ /http header: "authorization: /i,
    'and a log of all there was')
    if `$Referral::Nginx::BINARY -V 2>&1` =~ /--with-debug/;

is(found(\$shown{$_}, \%all), '', "$_: no secret") for sort keys %shown;


# Files that are wrong, in every way there is; each line has a secret.

my $base64 = encode_base64($key{k1}, '');
my $secret = $secret[0];

sub complains {
    my ($what, $file, $directive) = @_;
    my $conf = $program =~ s/referral_key_file .*?;//r;
    my $dirs = $directive =~ /key_file/ ? [$directive, '']
        : ["referral_key_file $dir/keys;", $directive];
    my ($code, $out) = nginx_t("$conf $dirs->[0]\nserver {
        listen 127.0.0.1:%%PORT%%; $dirs->[1] }");
    isnt($code, 0, "$what: refused");
    like($out, qr/"\Q$file\E"/, 'by the name of the file');
    is(found(\$out, \%all), '', 'nothing of what it says');
    unlike($out, qr/\Q$_\E/i, 'nor a part') for map { substr $_, 8, 12 }
        $base64, $secret;
}

my $byte = encode_base64('s' x 32, '');

for (['no colon', $base64], ['no kid', ":$base64"],
    ['a long kid', "$base64:$base64"], ['an odd kid', "k.1:$base64"],
    ['a kid twice', "k1:$base64", "k1:$base64"],
    ['short', 'k1:' . encode_base64(substr($key{k1}, 0, 31), '')],
    ['long', 'k1:' . encode_base64($key{k1} x 17, '')],
    ['very long', 'k1:' . $base64 x 1000],
    ['one byte', "k1:$base64", "k2:$byte"], ['no base64', "k1:$base64!"],
    ['a word behind', "k1:$base64 $base64"],
    ['no time', "k1:$base64 not_before=$base64"],
    ['a time to come', "k1:$base64 not_before=2999-01-01"],
    ['many', map { "k$_:$base64" } 1 .. 17],
    ['bytes', "k1:$base64\0\xff$base64"], ['none', "# $base64"])
{
    my ($what, @lines) = @$_;
    my $file = file('bad', @lines);
    complains("keys, $what", $file, "referral_key_file $file;");
}

for (['short', substr $secret, 0, 15], ['long', $secret x 20],
    ['a blank', "$secret $secret"], ['one character', $secret, 's' x 20],
    ['many', map { "$_$secret" } 1 .. 9], ['none', "# $secret"])
{
    my ($what, @lines) = @$_;
    my $file = file('bad', @lines);
    complains("secrets, $what", $file, "location /referral/ { referral_api
        friends token_file=$dir/referral.tokens secret_file=$file; }");
}


# Who else may read or write: the file that is open counts, not its name.

sub opened {
    my ($what, $mode, $want, $open) = @_;
    my $file = file("mode", lines('k1'));
    chmod $mode, $file;
    my $name = $file;

    if ($open) {
        $name = "$dir/link";
        unlink $name;
        symlink $file, $name or die $!;
    }

    my ($code, $out) = nginx_t(($program =~ s/%%DIR%%.keys/$name/r)
        . 'server { listen 127.0.0.1:%%PORT%%; referral friends; }');
    is($code ? 'refused' : 'taken', $want, sprintf '%s, mode %04o', $what,
        $mode) or diag($out);
    like($out, qr/"\Q$name\E" must not be accessible to group or others/,
        'and why') if $want eq 'refused';
}

for my $link (0, 1) {
    my $what = $link ? 'a link to a key file' : 'a key file';
    opened($what, $_, 'taken', $link) for 0600, 0400, 0700;
    opened($what, $_, 'refused', $link)
        for 0640, 0620, 0610, 0604, 0602, 0601, 0644, 0666, 0777;
}

system 'mkfifo', '-m', '600', "$dir/fifo";
my ($code, $out) = nginx_t($program =~ s/%%DIR%%.keys/$dir\/fifo/r);
like($out, qr/"\Q$dir\E\/fifo" is not a regular file/, 'a FIFO does not wait');

finish();
