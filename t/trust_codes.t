# Codes as secrets: made of good random numbers, told to nobody who guesses, and
# switched off at once.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        param ref;
        landing https://shop.example/welcome;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location = /page { try_files /page.html =404; }
    }
EOC

open my $page, '>', $t->dir . '/html/page.html' or die $!;
print $page 'a page';
close $page;

$t->start;


# Each character as often as each other: a remainder of a byte would show.

my (%count, %seen);

for (1 .. 5) {
    my $r = $t->api(POST => '/v1/codes', qq({"owner":"u1"}\n) x 1000,
        headers => { 'Content-Type' => 'application/x-ndjson' });
    $seen{ $_->{code} }++ for @{ $r->json->{data} };
}

is(scalar keys %seen, 5000, '5,000 codes, no two the same');
$count{$_}++ for map { split // } keys %seen;

my ($all, $chi) = (9 * keys %seen, 0);
$chi += ($_ - $all / 30) ** 2 / ($all / 30) for values %count;

is(scalar keys %count, 30, 'of 30 characters');
cmp_ok($chi, '<', 100, 'each as often as each other');

my %place;
for my $code (keys %seen) {
    $place{ $_ . substr $code, $_, 1 }++ for 0 .. 8;
}

my ($least) = sort { $a <=> $b } values %place;
is(scalar keys %place, 9 * 30, 'at each place');
cmp_ok($least, '>', 100, 'none is rare anywhere');


# One answer for what is not there, whatever it was.

$t->api(PUT => "/v1/codes/$_", { owner => 'u2' })
    for qw(ACTIVE1 PAUSED1 ENDED01);
$t->api(PUT => '/v1/codes/PAUSED1', { status => 'paused' });
$t->api(DELETE => '/v1/codes/ENDED01');

sub answer {
    my ($uri) = @_;
    my $r = $t->get($uri);
    return join "\n", $r->status, (map { "$_->[0]: $_->[1]" }
        grep { $_->[0] ne 'Date' } @{ $r->headers }), $r->body;
}

for my $format ('/r/%s', '/page?ref=%s') {
    my $unknown = answer(sprintf $format, 'NOBODY1');
    like($unknown, $format =~ /ref/ ? qr/^200\n/ : qr/^404\n/, $format);
    is(answer(sprintf $format, $_), $unknown, "$_ is answered as unknown")
        for qw(PAUSED1 ENDED01 NOBODY1 nobody1), 'N' x 65;
}

unlike(answer('/r/NOBODY1'), qr/NOBODY1/i, 'nor is it repeated');


# Off at once, which the journal tells, and never given out again.

is($t->get('/r/ACTIVE1')->status, 302, 'a code');
$t->api(PUT => '/v1/codes/ACTIVE1', { status => 'paused' });
is($t->get('/r/ACTIVE1')->status, 404, 'is off with the answer');
$t->api(DELETE => '/v1/codes/ACTIVE1');

my ($next, @said) = (0);

while (defined $next) {
    my @lines = map { JSON::PP->new->utf8->decode($_) } split /\n/,
        $t->api(GET => "/v1/journal?type=code&after=$next&limit=1000")->body;
    my $end = pop @lines;

    $next = $end->{more} ? $end->{next} : undef;
    push @said, map { $_->{status} } grep { $_->{code} eq 'ACTIVE1'
        && $_->{status} } @lines;
}

is("@said", 'paused ended', 'the journal tells both');

for ([PUT => '/v1/codes/ACTIVE1', { owner => 'u3' }],
    [POST => '/v1/codes', { owner => 'u3', code => 'active1' }])
{
    is($t->api(@$_)->status, 409, "$_->[0]: never again");
}

finish();
