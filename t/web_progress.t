# The page of a referrer: in a frame of the shop, which is of another origin, in
# no frame of anybody else, and not when its time is over.

use strict;
use warnings;
use utf8;

use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Test::More;

use lib 't/lib';
use Referral::Client qw(%BROWSER);
use Referral::Nginx timeout => 300;
use Referral::Signed;
use Referral::Texts;
use Referral::Web;

my $conf = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        bind off;
        event signup points=5;
        event purchase points=10;
        event lease points=1 hold=14d;
        tier bronze 15;
        tier silver 100;
        reward cash to=referrer on=purchase value=10%;
        reward mug to=referrer on=lease "value=<b>a mug</b>";
        reward ten-off to=friend on=signup "value=for a friend";
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /mine/ {
            referral_progress friends frame=http://localhost:%%PORT2%%;
        }
        location /closed/ { referral_progress friends; }
        location = /welcome { return 200 ok; }
    }
    server {
        listen 127.0.0.1:%%PORT2%%;
        default_type text/html;
    }
EOC

my $t = Referral::Nginx->new(conf => $conf);
my ($port, $shop) = map { $t->port($_) } 1, 2;
my @friends = map { "friend-$_" } 1 .. 3;

$t->start;

$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u-anna', name => 'Anna' });
$t->api(PUT => '/v1/codes/ENDED', { owner => 'u-ended' });

for (1 .. 4) {
    $t->get('/r/ANNA42/wa', %BROWSER);
}

order("order-$_->[0]", @$_) for ['signup', $friends[0]],
    ['purchase', $friends[1], 4999], ['lease', $friends[2]];
order('order-own', 'purchase', 'u-anna', 1000);

my @names = (Referral::Texts::markup(), (Referral::Texts::texts())[0 .. 9]);
my @hostile = map { session(named($_)) } 0 .. $#names;
my %token = (good => session('ANNA42'), ended => session('ENDED'));

shop($_) for qw(mine closed);
$token{expired} = expired('ANNA42');
$token{forged} = $token{good} =~ s/.{4}$/AAAA/r;
is($t->api(DELETE => '/v1/codes/ENDED')->status, 204, 'a code has ended');
is($t->request(GET => '/mine/data', { Authorization =>
    "Bearer $token{expired}" })->status, 401, 'a session has expired');
wait_for(sub { $t->api(GET => '/v1/codes/ANNA42')->json->{clicks}{human} == 4 },
    5);

browse('progress', { url => "http://127.0.0.1:$port/mine/",
    closed => "http://127.0.0.1:$port/closed/", token => \%token,
    shop => "http://localhost:$shop/", other => "http://127.0.0.1:$shop/",
    origins => ["http://127.0.0.1:$port", "http://localhost:$shop",
        "http://127.0.0.1:$shop"],
    link => "http://127.0.0.1:$port/r/ANNA42",
    secret => [@friends, 'u-anna', 'order-', 'for a friend'],
    names => [map { [$names[$_], $hostile[$_]] } 0 .. $#names] });

finish();


# A page of the shop that frames the other.

sub shop {
    my ($name) = @_;

    open my $f, '>', $t->dir . "/html/$name.html" or die "$name: $!";
    print $f <<"EOC";
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The shop</title>
<link rel="icon" href="data:,">
<main><h1>The shop</h1>
<iframe title="Referrals" width="360" height="640"
src="http://127.0.0.1:$port/$name/#$token{good}"></iframe></main>
EOC
    close $f;
}


sub order {
    my ($id, $event, $customer, $amount) = @_;
    my $r = $t->api(POST => '/v1/conversions', { event => $event,
        order_id => $id, customer_id => $customer, code => 'ANNA42',
        $amount ? (amount => $amount, currency => 'EUR') : () });

    like($r->status, qr/^20[12]$/, "$event of $customer");
}


sub session {
    my ($code) = @_;
    my $r = $t->api(POST => "/v1/codes/$code/session", {});

    is($r->status, 201, "a session of $code") or diag($r->body);
    return $r->json->{token};
}


sub named {
    my ($n) = @_;
    $t->api(PUT => "/v1/codes/N$n", { owner => "n$n", name => $names[$n] });
    return "N$n";
}


# What the module would have given an hour ago, for a minute.

sub expired {
    my ($code) = @_;
    my ($secret) = slurp($t->dir . '/referral.key') =~ /^1:(\S+)/;
    my $text = join '.', 1, 1, base36(time - 3600), $code, 60, '';

    return signed($text, decode_base64($secret), 'session',
        'friends');
}


sub slurp {
    my ($file) = @_;
    open my $f, '<', $file or die "$file: $!";
    local $/;
    return scalar <$f>;
}
