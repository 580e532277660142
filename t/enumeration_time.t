# Who guesses codes could tell those that have ended from those that never
# were by the time it takes to say no: it takes as long, as far as can be seen.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use lib 't/lib';
use Referral::Nginx timeout => 120;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    keepalive_requests 100000;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        velocity unknown=1000000/1d;
    }
    referral_program guessed {
        link "^/g/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        velocity unknown=1/1d;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /g/ { referral guessed; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /guessed/ { referral_api guessed token_file=%%TOKENS%%; }
    }
EOC

$t->start;

for my $prefix ('/referral', '/guessed') {
    $t->api(PUT => '/v1/codes/ACTIVE1', { owner => 'u0' }, prefix => $prefix);
    $t->api(PUT => "/v1/codes/ENDED$_", { owner => "u$_", name => "Nr. $_" },
        prefix => $prefix) for 1 .. 20;
    $t->api(DELETE => "/v1/codes/ENDED$_", undef, prefix => $prefix)
        for 1 .. 20;
}

$t->get('/g/WRONG') for 1 .. 2;

alike('/r/', 404, 'ENDED', 'WRONG');
alike('/g/', 302, 'ENDED', 'WRONG');
finish();


# 10,000 pairs, one right after the other and each of them first as often: what
# else happens on the machine takes as long for both.

sub alike {
    my ($path, $status, @codes) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port) or die "connect: $!";
    my (@took, @seen);

    for my $n (0 .. 10_499) {
        my @pair;

        for my $i ($n % 2, 1 - $n % 2) {
            my $code = $codes[$i] . (1 + $n / 2 % 20);
            my $from = clock_gettime(CLOCK_MONOTONIC);

            syswrite $socket, "GET $path$code HTTP/1.1\r\nHost: a\r\n"
                . "User-Agent: Mozilla/5.0 Chrome/142.0 Safari/537.36\r\n"
                . "Accept: text/html\r\n\r\n";
            $seen[$i]{ answer($socket) }++;
            $pair[$i] = clock_gettime(CLOCK_MONOTONIC) - $from;
        }

        push @took, $pair[0] - $pair[1] if $n >= 500;
    }

    is_deeply(\@seen, [ ({ $status => 10_500 }) x 2 ],
        "$path: all are answered by $status");
    cmp_ok(abs(median(@took)) * 1e6, '<', 5,
        sprintf "%s: the median of %d differences is %.2f us", $path,
        scalar @took, median(@took) * 1e6);
}


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}


sub answer {
    my ($socket) = @_;
    my $text = '';

    until ($text =~ /\r\n\r\n/) {
        sysread $socket, $text, 8192, length $text or die "closed: $text";
    }

    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;

    while (length $body < $length) {
        sysread $socket, $body, 8192, length $body or die 'closed';
    }

    return $head =~ m{^HTTP/1.1 (\d+)} ? $1 : '?';
}
