#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# A rotation of keys on two nodes of one shop, step by step: what was signed
# before, during and after any step is good on both nodes at each, also where
# workers of the configuration before still serve.  Then one of the keys goes.

use strict;
use warnings;

use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep);

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;

my $conf = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%DIR%%/keys;
    keepalive_requests 100000;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/page;
        codes open;
        event signup;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        add_header X-Pid $pid always;

        location /page { return 200 "$referral_status $referral_code"; }
        location /shop { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

my %key = map { $_ => "$_:" . encode_base64("the secret of $_, " x 3, '') }
    qw(k1 k2);
my %node = map {
    $_ => Referral::Nginx->new(conf => $conf, workers => 2)
} qw(A B);
my @nodes = sort keys %node;

my @made;            # { value, code, token }; all cookies there are
my $codes = 0;
my $orders = 0;

sub keys_file {
    my ($node, @kid) = @_;
    my $file = $node{$node}->dir . '/keys';
    open my $f, '>', "$file.new" or die "$file: $!";
    chmod 0600, "$file.new";
    print $f map { "$key{$_}\n" } @kid;
    close $f;
    rename "$file.new", $file or die "$file: $!";
}

sub made {
    my ($code, $r) = @_;
    my $cookie = cookie($r) or die "no cookie for $code\n";
    my ($kid) = $cookie =~ /=1\.(\w+)\./ or die "what is $cookie\n";
    push @made, { cookie => $cookie, code => $code, kid => $kid };
    return $made[-1];
}

sub mint {
    my ($node, $n) = @_;
    my $c = $node{$node}->connect;
    for (1 .. $n) {
        my $code = 'C' . ++$codes;
        made($code, $c->get("/r/$code"));
    }
}

# What the storefront was given, as it posts it later.

sub tokens {
    my ($node, @cookies) = @_;
    for my $made (@cookies) {
        my $r = $node{$node}->get('/shop', Cookie => $made->{cookie});
        my %header = map { @$_ } @{ $r->json->{headers} };
        $made->{token} = $header{'X-Referral-Token'};
    }
}

sub wrong {
    my ($node, $want) = @_;
    my $c = $node{$node}->connect;
    my $wrong = 0;
    for my $made (@made) {
        my $got = $c->get('/page', Cookie => $made->{cookie})->body;
        $wrong++ if $got ne $want->($made);
    }
    return $wrong;
}

sub valid { "valid $_[0]{code}" }

sub posted {
    my ($node, $made) = @_;
    my $r = $node{$node}->api(POST => '/v1/conversions', { event => 'signup',
        order_id => 'o' . ++$orders, token => $made->{token} });
    my $c = $r->json;
    return join ' ', $r->status, $c->{attribution}{method} // 'none',
        $c->{code} // 'none';
}

sub lost_tokens {
    my ($node, $want) = @_;
    return scalar grep { posted($node, $_) ne $want->($_) }
        grep { $_->{token} } @made;
}

sub by_token { "201 token $_[0]{code}" }

# All of it, on both nodes; some of what is new becomes a token.

sub moment {
    my ($what) = @_;
    my $from = @made;
    mint($_, 91) for @nodes;
    tokens($nodes[$_], @made[$from + 91 * $_, $from + 91 * $_ + 1])
        for 0, 1;
    for (@nodes) {
        is(wrong($_, \&valid), 0, "$what: node $_ takes all " . @made);
        is(lost_tokens($_, \&by_token), 0, 'and all tokens');
    }
}

# Requests that are half sent, so that their worker stays until they end.

sub hold {
    my ($node, $n) = @_;
    my @held = map {
        my $code = 'C' . ++$codes;
        my $c = $node{$node}->connect;
        my $path = $_ % 2 ? "/r/$code" : '/page';
        $c->send("GET $path HTTP/1.1\r\nHost: shop\r\n");
        { c => $c, code => $_ % 2 ? $code : undef };
    } 1 .. $n;
    sleep 0.2;
    return @held;
}

sub release {
    my (@held) = @_;
    my (%pid, $wrong);
    my %browser = %Referral::Client::BROWSER;
    for my $held (@held) {
        my $made = $made[rand @made];
        $made = $made[-1 - rand 20] if rand() < 0.5;
        my %h = (%browser, $held->{code} ? () : (Cookie => $made->{cookie}));
        $held->{c}->send(join('', map { "$_: $h{$_}\r\n" } keys %h) . "\r\n");
        my $r = $held->{c}->response('GET');
        $pid{ $r->header('X-Pid') }++;
        if ($held->{code}) {
            made($held->{code}, $r);
        } else {
            $wrong++ if $r->body ne valid($made);
        }
    }
    return ($wrong // 0, keys %pid);
}

# One node goes on to other keys; its workers of before still serve after.

sub change {
    my ($node, @kid) = @_;
    my $t = $node{$node};
    my %old = map { $_ => 1 } $t->workers;
    my @held = hold($node, 26);
    keys_file($node, @kid);
    ok($t->reload, "node $node: @kid");
    mint($_, 5) for @nodes;
    my ($wrong, @pid) = release(@held);
    is($wrong, 0, 'workers of before take what those of now have signed');
    is(scalar(grep { !$old{$_} } @pid), 0, 'those it was');
}


keys_file($_, 'k1') for @nodes;
$node{$_}->start for @nodes;

moment('one key');

change($_, qw(k1 k2)) for @nodes;
is(scalar(grep { $_->{kid} ne 'k1' } @made), 0, 'the second signs nothing');
moment('a second verifies');

change(A => qw(k2 k1));
moment('one node signs with it');
change(B => qw(k2 k1));
moment('both sign with it');
change($_, qw(k2 k1)) for @nodes;
moment('and for as long as a window');

cmp_ok(scalar @made, '>=', 1000, 'these were ' . @made . ' cookies');

my %by;
$by{ $_->{kid} }++ for @made;
cmp_ok($by{$_}, '>', 300, "$by{$_} of them by $_") for qw(k1 k2);


# The old one is removed: at once on the node that was reloaded.

sub invalid {
    $node{ $_[0] }->api(GET => '/metrics')->body
        =~ /^referral_cookie_invalid_total (\d+)$/m or die 'no counter';
    return $1;
}

sub revoked { $_[0]{kid} eq 'k1' ? 'invalid ' : valid($_[0]) }

for my $node (@nodes) {
    keys_file($node, 'k2');
    ok($node{$node}->reload, "node $node: k2 alone");

    my $before = invalid($node);
    is(wrong($node, \&revoked), 0,
        'nothing of k1 is valid any more, all of k2 is');
    is(invalid($node) - $before, $by{k1}, 'each was counted as invalid');
    is(lost_tokens($node, sub {
        $_[0]{kid} eq 'k1' ? '201 none none' : by_token($_[0])
    }), 0, 'and so with tokens');

    is(wrong(B => \&valid), 0, 'the other node is not there yet')
        if $node eq 'A';
}


# All of before a time is revoked, with the key left in its place.

my $now = time;
my @old = @made;
my $t = $node{A};

sub restrict {
    my ($offset) = @_;
    my @date = gmtime($now + $offset);
    $key{k2} = $key{k2} =~ s/ .*//r . sprintf(
        ' not_before=%04d-%02d-%02dT%02d:%02d:%02dZ', $date[5] + 1900,
        $date[4] + 1, @date[3, 2, 1, 0]);
    keys_file(A => 'k2');
}

restrict(1);
Referral::Nginx::wait_for(sub { time > $now + 1 }, 5);
ok($t->reload, 'not_before=');
mint(A => 3);
my @new = splice @made, @old;
is(wrong(A => sub { 'invalid ' }), 0, 'whatever is older is invalid');
is(wrong(B => \&revoked), 0, 'where the file says so');

@made = @new;
is(wrong(A => \&valid), 0, 'what is signed since is valid');

my $both = $t->get('/r/DORA', Cookie => $old[-1]{cookie});
is($t->get('/page', Cookie => cookie($both))->body, 'valid DORA',
    'a visitor with an old one is taken as new');

restrict(3600);
$t->allow(qr/not_before/);
ok(!$t->reload, 'a key that signs, of a time to come, is refused');
like($t->log, qr/"not_before" is still to come, in "\S+keys"/,
    'and it is said why');
unlike($t->log, qr/\Q@{[ $key{k2} =~ m{:(\S+)} ]}\E/, 'without its secret');
is(wrong(A => \&valid), 0, 'the workers of before serve on');

finish();
