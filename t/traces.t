#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# No trace of who came: after traffic from known addresses and with known
# headers, through every door, reloads, a restart and a crash, no file that
# nginx wrote holds them, be it as text, hex, base64 or binary, nor a hash of
# them that a key on disk would give.  What is looked for in vain is planted
# then, in every form, and found.

use strict;
use warnings;
no warnings 'portable';             # hexadecimal numbers of 64 bits

use Digest::MD5 qw(md5);
use Digest::SHA qw(hmac_sha1 hmac_sha256 sha1 sha256);
use File::Find;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX qw(strftime);
use Socket qw(AF_INET AF_INET6 inet_pton);
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;

my @ADDRESSES = qw(203.0.113.77 198.51.100.201 192.0.2.91
    2001:db8:77:88:99aa:bbcc:ddee:f01 2001:db8:1234:9::5678
    ::ffff:203.0.114.99);
my @AGENTS = map { "Mozilla/5.0 (Zorgon $_; Linux x86_64) AppleWebKit/537.36"
    . " (KHTML, like Gecko) Chrome/14$_.0.0.0 Safari/537.36" } 1 .. 6;
my ($LANGUAGE, $REFERER) = ('xq-ZZ,qq;q=0.31', 'https://tracer.example/secret');
my $SCANNER = 'Barracuda Sentinel (Quux 77)';

my $t = Referral::Nginx->new(workers => 2, upstream => \&storefront,
    conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms map_size=64m
        commit=durable intake=1m;
    referral_key_file %%KEY%%;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Forwarded-For;
    client_body_buffer_size 1k;

    referral_program friends {
        link "^/r/(?<code>\w+)(?:/(?<channel>\w+))?$";
        param ref;
        landing http://127.0.0.1:%%PORT%%/welcome;
        to on;
        event purchase points=10;
        reward cash to=referrer on=purchase value=10%;
        velocity clicks=20/1m conversions=20/1m unknown=50/1m;
    }

    referral_program open {
        link "^/o/(?<code>\w+)$";
        landing https://shop.example/;
        codes open;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        referral_consent $arg_c missing=pass;
        referral_customer $arg_customer;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /o/ { referral open; referral_consent 1; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

my ($n, $secret) = 0;

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1', name => 'Anna' });

traffic();
$t->reload;
traffic();
$t->reload;
$t->kill9;
$t->start;
traffic();
$t->get("/r/GUESS$_", 'X-Forwarded-For' => $ADDRESSES[0],
    'User-Agent' => $AGENTS[0]) for 1 .. 60;
$t->restart;
wait_for(sub { $t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{total}
    >= 3 * 40 }, 10);
my $classes = join ' ', map { $_->{clicks}{total} ? $_->{class} : () }
    @{ $t->api(GET => '/v1/counters?by=class')->json->{data} };
like($classes, qr/human.*preview.*prefetch.*scanner.*probe.*suspect.*unknown/,
    "classes that came: $classes");
cmp_ok($t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{unique}, '>=',
    scalar @ADDRESSES, 'visitors were told apart');
is($t->api(GET => '/v1/conversions/api-1')->status, 200, 'orders came');
like($t->log, qr/, client: \Q$ADDRESSES[0]\E,/,
    'nginx itself names the client in error_log');

my @said = grep { /an event of a storefront was refused/ } split /\n/, $t->log;
cmp_ok(scalar @said, '>', 0, 'the module says what a storefront did wrong');
is(scalar(grep { /client: |request: |referrer: / } @said), 0,
    'and not whose order it was');

my %files = files();
cmp_ok(scalar keys %files, '>=', 5, join ' ', 'files:', sort map { s/.*\///r }
    keys %files);

my @short = short();
my ($heads, $needles) = needles();
note "$needles needles, " . length(join '', values %files) . ' bytes';
is(join("\n", search(%files)), '', 'no trace of anybody');

plant();
$t->stop;
finish();


sub storefront {
    my ($req) = @_;
    my $event = $req->{uri} =~ /buy=([\w-]+)/ ? "purchase; order_id=\"$1\";"
        . ' amount=100; currency=EUR; customer_id="c1"'
        : $req->{uri} =~ /bad/ ? 'purchase; order_id' : undef;

    return (200, [defined $event ? ['X-Referral-Event', $event] : (),
        ['Cache-Control', 'no-store']], 'ok');
}


# Every visitor through every door.

sub traffic {
    for my $i (0 .. $#ADDRESSES) {
        my %h = ('X-Forwarded-For' => $ADDRESSES[$i],
            'User-Agent' => $AGENTS[$i], 'Accept-Language' => $LANGUAGE,
            Referer => $REFERER);
        my $id = ++$n;

        my $r = $t->get('/r/ANNA42/wa?c=1&utm_source=x', %h);
        my ($cookie) = ($r->header('Set-Cookie') || '') =~ /^(ref_[^;]+)/
            or die 'no cookie: ', $r->status, "\n";
        $t->get("/shop?c=1&buy=header-$id", %h, Cookie => $cookie);
        $t->get('/p?c=1&ref=ANNA42', %h);
        $t->get('/o/ANY' . $id, %h);
        ($r) = $t->get('/r/ANNA42?to=/deep', %h)->header('Location')
            =~ /(ref=1\..*)/ or die "no ticket\n";
        $t->get("/welcome?$r", %h);
        $t->get("/welcome?c=1&$r", %h);
        $t->get('/shop?c=1', %h, Cookie => 'ref_friends=1.1.forged');
        $t->get('/shop?c=1&bad', %h, Cookie => $cookie);
        $t->get('/shop?buy=' . 'x' x 300, %h);
        $t->get("/r/NONE$id?c=1", %h) for 1 .. 4;
        $t->get('/r/' . 'A' x 70, %h);
        $t->get("/r/A%0aB%0d", %h);
        $t->get('/r/ANNA42?c=1&customer=u1', %h);
        $t->request(HEAD => '/r/ANNA42?c=1', { %h });
        $t->request(OPTIONS => '/r/ANNA42?c=1', { %h });
        $t->request(POST => '/r/ANNA42?c=1', { %h }, 'a=b');
        $t->get('/r/ANNA42?c=1', %h, 'Sec-Purpose' => 'prefetch');
        $t->get('/r/ANNA42?c=1', %h, 'Sec-Fetch-Dest' => 'image',
            'Sec-Fetch-Mode' => 'no-cors');
        $t->get('/r/ANNA42?c=1', %h, 'User-Agent' => $SCANNER);
        $t->get('/r/ANNA42?c=1', %h, 'User-Agent' => "WhatsApp/2.23.$id A");
        $t->get('/r/ANNA42?c=1', %h) for 1 .. 20;

        api($i, POST => '/v1/conversions', { event => 'purchase',
            order_id => "api-$id", amount => 1000, currency => 'EUR',
            customer_id => "c$id", code => 'ANNA42' });
        api($i, POST => '/v1/conversions', { event => 'purchase',
            order_id => "api-$id", amount => 2000, currency => 'EUR' });
        api($i, POST => '/v1/conversions', '{"event":' . ' ' x 3000 . '"x');
        api($i, POST => "/v1/conversions/api-$id/refunds",
            { refund_id => 'r1', amount => 10 });
        api($i, PUT => "/v1/codes/C$id", { owner => "o$id" });
        api($i, GET => '/v1/journal?limit=5');
        api($i, GET => '/v1/none');
        Referral::Client::get($t->port, '/referral/v1/health', %h,
            Authorization => 'Bearer wrong');
    }
}


sub api {
    my ($i, $method, $path, $body) = @_;
    return $t->api($method, $path, $body, headers => {
        'X-Forwarded-For' => $ADDRESSES[$i], 'User-Agent' => $AGENTS[$i],
        'Accept-Language' => $LANGUAGE, Referer => $REFERER });
}


# All that nginx wrote, with what it says itself of a client taken out of the
# lines of its log.

sub files {
    my %text;

    find({ no_chdir => 1, wanted => sub {
        return unless -f $_ && !/\/nginx\.conf|\/cert\./;
        open my $f, '<:raw', $_ or return;
        local $/;
        my $text = <$f>;
        $text =~ s/, client: .*$//mg if /error\.log$/;
        $text =~ s/\0{64,}/\0/g;
        $text{$_} = $text;
    } }, $t->dir, $t->store, $t->intake);

    return %text;
}


# --------------------------------------------------------------- needles --

sub binary { my ($a) = @_; inet_pton($a =~ /:/ ? AF_INET6 : AF_INET, $a) }


# What a visitor is, or is made of, as bytes, of eight and more.

sub words {
    return (@ADDRESSES, @AGENTS, $LANGUAGE, $REFERER, $SCANNER, 'Zorgon 1; ',
        'tracer.example', (map { my $b = binary($_); ($b, substr $b, 0, 8) }
            grep { /:.*:.*:.*:/ } @ADDRESSES));
}


# IPv4 in binary is four bytes: too short for the table, long enough to find.

sub short {
    my @b = map { length $_ == 4 ? $_ : substr $_, -4 }
        map { binary($_) } grep { /\./ } @ADDRESSES;
    my @all = (@b, map { scalar reverse } @b);
    return (@all, (map { (unpack('H*', $_), uc unpack('H*', $_)) } @all),
        map { substr encode_base64($_, ''), 0, 5 } @all);
}


# Each form that bytes may have in a file.

sub forms {
    my ($bytes) = @_;
    my $hex = unpack 'H*', $bytes;
    my @forms = ($bytes, scalar reverse($bytes), $hex, uc $hex);

    for my $shift (0 .. 2) {
        my $text = encode_base64(("\0" x $shift) . $bytes, '');
        $text = substr $text, int(($shift * 8 + 5) / 6);
        $text = substr $text, 0, int((length($bytes) * 8
            - (6 - $shift * 8 % 6) % 6) / 6);
        push @forms, $text, $text =~ tr{+/}{-_}r;
    }

    return grep { length $_ >= 8 } @forms;
}


# What could be hashed: an address, as text, binary, its network, with and
# without version and user agent, and the user agent as it is folded.

sub hashed {
    my @all = (@AGENTS, $SCANNER, map { (fold($_)) } @AGENTS, $SCANNER);

    for my $i (0 .. $#ADDRESSES) {
        my $b = binary($ADDRESSES[$i]);
        $b = substr $b, 12 if $ADDRESSES[$i] =~ /^::ffff:/;
        my @address = ($ADDRESSES[$i], map { my $n = substr $b, 0, $_;
            ($n, "\1$n", (length $b == 4 ? "\4" : "\6") . $n) }
            length $b == 4 ? (3, 4) : (6, 8, 16));

        push @all, map { my $a = $_; ($a, map { ("$a$_", "$_$a", "$a-$_") }
            $AGENTS[$i], fold($AGENTS[$i]), pack 'Q>', unpack 'Q',
                fold($AGENTS[$i])) } @address;
    }

    return @all;
}


# Every key there is on disk: masters, what is derived of them, hashes of
# tokens, ids of the store; and none.

sub keys_on_disk {
    my $text = sub { open my $f, '<', $t->dir . "/$_[0]" or die $!;
        join '', <$f> };
    my $base64 = (split /:/, $text->('referral.key'))[1];
    $secret = decode_base64($base64);
    my @keys = ('', $secret, $base64 =~ s/\s//gr,
        map { hmac_sha256("nginx-referral|$_|v1", $secret) }
            qw(cookie link ip csrf api visitor network salt));

    push @keys, map { (sha256($secret . $_), hmac_sha256($_, $secret)) }
        int(time / 86400), strftime('%Y-%m-%d', gmtime);

    push @keys, map { ($_, pack 'H*', $_) } $text->('referral.tokens')
        =~ /\b([0-9a-f]{64})\b/g;

    my ($meta) = `mdb_dump -s meta '@{[$t->store]}'`
        =~ /HEADER=END\n(.*?)DATA=END/s;
    my @head = map { pack 'H*', $_ } $meta =~ /^ ([0-9a-f]{80,})$/mg;
    die "no head of the store\n" unless @head == 1
        && substr($head[0], 0, 7) eq 'RFSTORE';
    push @keys, substr($head[0], 16, 16), substr($head[0], 32, 8),
        unpack 'H*', substr $head[0], 16, 16;

    return @keys;
}


sub hashes {
    my ($key, $text) = @_;
    my $long = substr $key . "\0" x 16, 0, 16;
    return (sha256($key . $text), sha1($key . $text), md5($key . $text),
        sha256($text . $key), pack('Q<', siphash($long, $text)),
        length $key ? (hmac_sha256($text, $key), hmac_sha1($text, $key)) : ());
}


# A table of all forms by their first eight bytes: one pass over the files.

sub needles {
    my (%heads, $count);

    my $add = sub {
        my ($name, $form) = @_;
        $heads{ substr $form, 0, 8 }{$form} = $name;
        $count++;
    };

    for my $word (words(), map { fold($_) } @AGENTS) {
        $add->("\"$word\"", $_) for forms($word);
    }

    for my $key (keys_on_disk()) {
        for my $text (hashed()) {
            for my $hash (hashes($key, $text)) {
                $add->('hash of ' . unpack('H*', $text), $_)
                    for forms(substr $hash, 0, 8);
            }
        }
    }

    return (\%heads, $count);
}


sub search {
    my (%text) = @_;
    my @found;

    for my $file (sort keys %text) {
        my $text = $text{$file};

        for (@short) {
            push @found, "$file: " . unpack 'H*', $_ if index($text, $_) >= 0;
        }

        for my $i (0 .. length($text) - 8) {
            my $forms = $heads->{ substr $text, $i, 8 } or next;
            push @found, map { "$file: $forms->{$_}" }
                grep { substr($text, $i, length $_) eq $_ } sort keys %$forms;
        }
    }

    return @found;
}


# The search finds what is there.

sub plant {
    my ($v4, $v6) = @ADDRESSES[0, 3];
    my $hash = substr hmac_sha256("\1" . binary($v4), $secret), 0, 8;
    my %plant = (
        'text' => $v4, 'text of IPv6' => $v6, 'an agent' => $AGENTS[2],
        'binary' => binary($v4), 'reversed' => scalar reverse(binary($v4)),
        'a network' => substr(binary($v6), 0, 8),
        'hex' => unpack('H*', binary($v4)),
        'HEX' => uc unpack('H*', binary($v6)),
        'base64' => encode_base64("a $v6", ''),
        'base64url' => encode_base64("ab $AGENTS[0]", '') =~ tr{+/}{-_}r,
        'base64 of text' => encode_base64("abc$v4", ''),
        'HMAC' => $hash, 'HMAC reversed' => scalar reverse($hash),
        'HMAC in hex' => unpack('H*', $hash),
        'HMAC in base64' => encode_base64("x$hash", ''),
        'SHA-256' => sha256($v4), 'SHA-1' => sha1($v6), 'MD5' => md5($v4),
        'SipHash' => pack('Q<', siphash(substr($secret, 0, 16),
            "\4" . binary($v4) . fold($AGENTS[0]))),
        'a folded agent' => fold($AGENTS[1]),
    );

    for my $what (sort keys %plant) {
        my $file = $t->store . '/planted';
        open my $f, '>:raw', $file or die "$file: $!";
        print $f "some\0text\n$plant{$what}\nand more";
        close $f;
        my %all = files();
        ok(scalar(search(map { $_ => $all{$_} } $file)), "$what is found");
        unlink $file;
    }

    # siphash and fold are the module's, which are no others by mistake

    is(sprintf('%016x', siphash(pack('C*', 0 .. 15), pack 'C*', 0 .. 14)),
        'a129ca6149be45e5', "SipHash-2-4 is its authors'");
}


sub fold {
    my ($text) = @_;
    my $step = sub { my ($h) = @_; use integer; $h *= -0x00ae502812aa7333;
        no integer; return $h ^ (($h >> 32) & 0xffffffff) };
    my $h = length $text;

    while (length $text >= 8) {
        $h = $step->($h ^ unpack 'Q<', substr $text, 0, 8, '');
    }

    return pack 'Q<', $step->($h ^ unpack 'Q<', $text . "\0" x (8 - length $text));
}


sub siphash {
    my ($key, $text) = @_;
    my ($k0, $k1) = unpack 'Q<2', $key;
    my @v = ($k0 ^ 0x736f6d6570736575, $k1 ^ 0x646f72616e646f6d,
        $k0 ^ 0x6c7967656e657261, $k1 ^ 0x7465646279746573);
    my $rest = length($text) % 8;
    my @words = unpack 'Q<*', $text . "\0" x (7 - $rest)
        . chr(length($text) & 255);

    for my $word (@words) {
        $v[3] ^= $word;
        sip_round(\@v) for 1, 2;
        $v[0] ^= $word;
    }

    $v[2] ^= 0xff;
    sip_round(\@v) for 1 .. 4;
    return $v[0] ^ $v[1] ^ $v[2] ^ $v[3];
}


sub sip_round {
    my ($v) = @_;
    my $add = sub { use integer; my $s = $_[0] + $_[1]; no integer;
        return $s & 0xffffffffffffffff };
    my $rot = sub { (($_[0] << $_[1]) | ($_[0] >> (64 - $_[1])))
        & 0xffffffffffffffff };

    $v->[0] = $add->(@$v[0, 1]); $v->[1] = $rot->($v->[1], 13) ^ $v->[0];
    $v->[0] = $rot->($v->[0], 32);
    $v->[2] = $add->(@$v[2, 3]); $v->[3] = $rot->($v->[3], 16) ^ $v->[2];
    $v->[0] = $add->(@$v[0, 3]); $v->[3] = $rot->($v->[3], 21) ^ $v->[0];
    $v->[2] = $add->(@$v[2, 1]); $v->[1] = $rot->($v->[1], 17) ^ $v->[2];
    $v->[2] = $rot->($v->[2], 32);
}
