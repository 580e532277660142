# The page to share from, on a phone: one tap to send, to copy, to show; in the
# language of the browser, and without JavaScript.

use strict;
use warnings;
use utf8;

use Encode qw(encode_utf8);
use JSON::PP;
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 300;
use Referral::Run qw(run);
use Referral::Texts;
use Referral::Web;

my $t = Referral::Nginx->new(conf => encode_utf8(<<'EOC'));
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)(?:/(?<channel>[a-z]+))?$";
        landing https://shop.example/welcome;
        reward ten-off to=friend on=signup value=10%;
        message "From {name}: {reward} off & more at {link}";
        message de "Von {name}: {reward} Rabatt für dich: {link}";
        message ar "{name} {reward} {link} مرحبا";
        disclosure "I get a reward when you order.";
        disclosure de "Ich bekomme dafür eine Prämie.";
        terms https://shop.example/terms;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /share/ { referral_share friends; }
    }
EOC

$t->start;

my @names = (Referral::Texts::markup(), (Referral::Texts::texts())[0 .. 20]);
my $lines = join '', map { JSON::PP->new->utf8->encode({ owner => "u$_",
    code => "N$_", name => $names[$_] }) . "\n" } 0 .. $#names;

is($t->api(POST => '/v1/codes', $lines, headers => {
    'Content-Type' => 'application/x-ndjson' })->json->{created},
    scalar @names, 'hostile names');
is($t->api(PUT => '/v1/codes/ANNA42', { owner => 'u', name => 'Anna' })
    ->status, 201, 'a code');

my $shots = "$Referral::Nginx::BUILD/screenshots";
mkdir $shots;

browse('share', { url => 'http://127.0.0.1:' . $t->port . '/share/ANNA42',
    link => 'https://shop.example/r/ANNA42', names => \@names,
    shots => $shots });

for my $look (qw(light dark)) {
    my ($code, $out) = run({}, 'zbarimg', '-q', '--raw',
        "$shots/share-$look.png");
    like($out, qr{^https://shop\.example/r/ANNA42(/qr)?$}m,
        "the QR code on a $look screen is read from a photo of it");
}

finish();
