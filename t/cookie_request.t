#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Cookies on their way through nginx: names by scheme, attributes, candidates
# of the same name, touches of several links, windows, keys that change.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;

my $links = 'link "^/(?<code>[A-Z0-9]+)$"; landing https://shop.example/;'
    . ' codes open;';
my $location = 'return 200 "$referral_status $referral_program $referral_code'
    . ' $referral_first_code $referral_channel $referral_class";';

# A storefront that sets cookies, by their line in the query.

my $t = Referral::Nginx->new(upstream => sub {
    my ($line) = $_[0]{uri} =~ /\?(.*)/;
    $line =~ s/%(..)/chr hex $1/ge;
    return (200, [['Set-Cookie', $line]], '');
}, conf => <<"EOC");
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%DIR%%/keys;
    large_client_header_buffers 4 64k;

    referral_program auto { $links }
    referral_program first { $links attribution first; cookie f; }
    referral_program short { $links window 2s; cookie __Secure-s; }
    referral_program long {
        $links cookie long domain=shop.example path=/x samesite=strict
        secure=on;
    }
    referral_program plain { $links cookie plain secure=off; }
    referral_program host { $links cookie __Host-h secure=on; }
    referral_program later { $links unique 1s; window 1h; cookie later; }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        listen 127.0.0.2:%%PORT3%%;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;

        location / { return 404; }
        location /page { referral auto; $location }
        location /from/ {
            proxy_pass http://%%UPSTREAM%%;
            location /from/auto { referral auto; proxy_pass http://%%UPSTREAM%%; }
            location /from/on/ {
                referral auto;
                location /from/on/off { referral off; proxy_pass http://%%UPSTREAM%%; }
            }
        }

@{[ map { <<EOL } qw(auto first short long plain host later) ]}
        location /$_/ {
            referral $_;
            rewrite ^/$_(/.*) \$1 break;
            location /$_/page { referral $_; $location }
        }
EOL
        location /referral/ { referral_api auto token_file=%%TOKENS%%; }
    }
EOC

my @secret = map { encode_base64("$_ is a secret" x 4, '') } 'a' .. 'd';


sub keys_file {
    my $file = $t->dir . '/keys';
    open my $f, '>', $file or die "$file: $!";
    chmod 0600, $file;
    print $f map { "$_\n" } @_;
    close $f;
}

sub visit {
    my ($path, $cookie, %opt) = @_;
    my $c = $t->connect($opt{tls} ? (tls => 1, port => $t->port(2)) : ());
    return $c->get($path, Connection => 'close', Cookie => $cookie);
}

sub page { visit(@_)->body }


keys_file("a:$secret[0]", "b:$secret[1]");
$t->start;

# Names and attributes by scheme.

my %name = (
    auto  => ['ref_auto', '__Host-ref_auto'],
    short => ['s', '__Secure-s'],
    plain => ['plain', 'plain'],
    host  => ['__Host-h', '__Host-h'],
);

for my $program (sort keys %name) {
    for my $tls (0, 1) {
        my $r = visit("/$program/ANNA", undef, tls => $tls);
        my $set = $r->header('Set-Cookie');
        my $name = $name{$program}[$tls];

        like($set, qr/^\Q$name\E=/, "$program: $name");
        is($set =~ /; Secure;/ ? 1 : 0, $name =~ /^__/ ? 1 : 0,
            'secure where its name says so');
        is(page("/$program/page", cookie($r), tls => $tls),
            "valid $program ANNA ANNA  ", 'is read back');
    }
}

like(visit('/auto/ANNA', undef, tls => 1)->header('Set-Cookie'),
    qr{^__Host-ref_auto=[A-Za-z0-9._-]{1,200};\ Path=/;\ Max-Age=2592000;
    \ Secure;\ HttpOnly;\ SameSite=Lax$}x, 'these attributes, and no others');

like(visit('/long/ANNA')->header('Set-Cookie'), qr{;\ Path=/x;
    \ Max-Age=2592000;\ Domain=shop\.example;\ Secure;\ HttpOnly;
    \ SameSite=Strict$}x,
    'every attribute');

# Which cookie counts.

my $good = cookie(visit('/auto/ANNA'));
my ($value) = $good =~ /=(.*)/;
my $bad = 'ref_auto=' . ($value =~ s/ANNA/EVIL/r);

my %page = (
    'none ' => [undef, '', 'a=b', "REF_AUTO=$value", "=$good", "xref_auto=$value"],
    'valid' => [$good, "a=b; $good; c=d", " $good", "$bad; $good",
        "$good; $bad", [$bad, $good], "ref_auto=; $good", "ref_auto; $good",
        "a=b;$good", join('; ', ($bad) x 7, $good)],
    'invalid' => [$bad, 'ref_auto=x', "ref_auto=\"$value\"", "$good.",
        "ref_auto=", 'ref_auto=' . 'a' x 5000, join('; ', ($bad) x 8, $good),
        join('; ', ($bad) x 65, $good)],
);

for my $status (sort keys %page) {
    for my $cookie (@{ $page{$status} }) {
        my $shown = substr ref $cookie ? join '|', @$cookie : $cookie || '', 0, 50;
        like(page('/page', $cookie), qr/^$status /, "$status: $shown");
    }
}

is(page('/page', $bad), 'invalid     ', 'nothing of a bad cookie is shown');
like(page('/first/page', "f=$value"), qr/^invalid /, 'another program: invalid');

is(page('/page', $good, tls => 1), 'none     ',
    'over TLS a cookie without the prefix is nobody\'s');
is($t->get('/page', Cookie => $good, 'User-Agent' => 'other/1')->body,
    'valid auto ANNA ANNA  ', 'a visitor may change the browser');
is($t->connect(host => '127.0.0.2', port => $t->port(3))->get('/page',
    Cookie => $good)->body, 'valid auto ANNA ANNA  ', 'and the address');

# What a storefront sets.

my %line = (1 => ['ref_auto=x', 'ref_auto=x; Path=/; Domain=shop.example',
    'ref_auto=; Max-Age=0', '__Host-ref_auto=x; Secure; Path=/', 'f=x', 's=x',
    '__Secure-s=', 'plain=1; SameSite=None', '__Host-h=1', 'long=1', 'later=1',
    ' ref_auto=x', "ref_auto\t=x", "ref_auto=$value; HttpOnly"],
    0 => ['REF_AUTO=x', '__HOST-ref_auto=x', '__host-h=1', 'ref_auto2=x',
    'ref_aut=x', 'xf=1', 'F=1', 'a=ref_auto=x', 'a=b; ref_auto=x', 'ref_auto']);

for my $ours (1, 0) {
    for my $line (@{ $line{$ours} }) {
        my $query = $line =~ s/([^\w=])/sprintf '%%%02x', ord $1/ger;
        my $passed = $line =~ s/^\s+//r;
        is($t->get("/from/auto?$query")->header('Set-Cookie'),
            $ours ? undef : $passed, "a storefront sets $line");
        is($t->get("/from/on/off?$query")->header('Set-Cookie'),
            $ours ? undef : $passed, 'where a program is off below one');
        is($t->get("/from/?$query")->header('Set-Cookie'), $passed,
            'not where none is') if $line eq 'ref_auto=x';
    }
}

# Several links.

my $c = cookie(visit('/auto/BERT', $good));
is(page('/page', $c), 'valid auto BERT ANNA  ', 'last, and the first');
$c = cookie(visit('/auto/CARL', $c));
is(page('/page', $c), 'valid auto CARL ANNA  ', 'the first stays');

$c = cookie(visit('/first/ANNA'));
my $r = visit('/first/BERT', $c);
$c = cookie($r) || $c;
is(page('/first/page', $c), 'valid first ANNA ANNA  ', 'attribution first');

$r = $t->get('/auto/BERT', Cookie => $good, 'Sec-Fetch-Site' => 'same-origin');
is(join(' ', $r->status, cookie($r)), '302 ',
    'a link on the own site leaves another code alone');

# Values by their age.

$c = cookie(visit('/short/ANNA'));
is(page('/short/page', $c), 'valid short ANNA ANNA  ', 'within the window');
select undef, undef, undef, 3.1;
is(page('/short/page', $c), 'expired     ', 'after the window');
is(page('/short/page', cookie(visit('/short/BERT', $c))),
    'valid short BERT BERT  ', 'an expired touch is no first touch');

# The same visitor again.

my %other = ('User-Agent' => "$Referral::Client::BROWSER{'User-Agent'} Other");

is(counted($t, sub { visit('/auto/DORA') for 1, 2 }), 'human=2 unique=1',
    'a second click from the same address and agent is not unique');
is(counted($t, sub {
    my $c = cookie($t->get('/auto/DORA', 'User-Agent' => 'Mozilla/5.0'
        . ' (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'));
    $t->get('/auto/DORA', %other, Cookie => $c);
}), 'human=2 unique=1', 'nor is one with a cookie from the first');
is(counted($t, sub { $t->get('/auto/DORA', %other) }), 'human=1 unique=1',
    'without it, it is');

# Keys.

my %made = (a => $good);

for my $step (
    ['promoted', "b:$secret[1]", "a:$secret[0]"],
    ['removed', "b:$secret[1]", "c:$secret[2]"])
{
    my ($what, @lines) = @$step;
    keys_file(@lines);
    ok($t->reload, "reload: $what");
    $made{b} ||= cookie(visit('/auto/ANNA'));
    like($made{b}, qr/=1\.b\./, 'the first key signs');
    like(page('/page', $made{b}), qr/^valid /, 'a value of the first key');
    like(page('/page', $made{a}), $what eq 'removed' ? qr/^invalid /
        : qr/^valid /, 'a value of the key before');
}

keys_file("b:$secret[3]");
ok($t->reload, 'reload: another secret of the same name');
like(page('/page', $made{b}), qr/^invalid /, 'is another key');

finish();
