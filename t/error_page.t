# A request that ended before the link was looked at has its error page, and is
# no click; and two programs on one request do not read each other's cookie.
# Catches a maintenance page that becomes a blank answer with a cookie, and
# headers that point into memory that is written again.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Referral::Nginx timeout => 60;

my $t = Referral::Nginx->new(upstream => 1, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>\w+)$";
        param ref;
        landing https://shop.example/;
        codes open;
    }

    referral_program other {
        link "^/o/(?<code>\w+)$";
        landing https://shop.example/;
        codes open;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        error_page 503 @maintenance;
        error_page 404 /404.html;

        if ($http_x_maintenance) { return 503; }

        location / { proxy_pass http://%%UPSTREAM%%; }
        location @maintenance { proxy_pass http://%%UPSTREAM%%; }
        location = /404.html { proxy_pass http://%%UPSTREAM%%; }
        location /gone { return 404; }
        location /o/ { referral other; proxy_pass http://%%UPSTREAM%%; }

        location /two/ {
            auth_request /auth;
            proxy_pass http://%%UPSTREAM%%;
        }

        location = /auth {
            internal;
            referral other;
            proxy_set_header X-Seen $referral_code;
            proxy_pass http://%%UPSTREAM%%;
        }

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

$t->start;

ended(503, '/r/ANNA42', 'X-Maintenance' => 1);
ended(503, '/page?ref=ANNA42', 'X-Maintenance' => 1);
ended(404, '/gone?ref=ANNA42');

is($t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{total}, 0,
    'none of them is a click');

for (['A' x 40, 'Z'], ['ANNA42', 'Z' x 12]) {
    my ($one, $two) = @$_;
    my $r = $t->get('/two/', Cookie => join '; ', cookie("/r/$one"),
        cookie("/o/$two"));
    my %sent = map { $_->[0] => $_->[1] } @{ $r->json->{headers} };

    is($sent{'X-Referral-Program'}, 'friends', 'the program of the location');
    is($sent{'X-Referral-Code'}, $one, "with its code, not $two");
    is($sent{'X-Referral-First-Code'}, $one, 'and its first code');
}

finish();


sub ended {
    my ($status, $uri, @headers) = @_;
    my $r = $t->get($uri, @headers);

    is($r->status, $status, "$uri: $status");
    like($r->body, qr/"method":"GET"/, 'with its error page');
    is($r->header('Location'), undef, 'no Location');
    is($r->header('Set-Cookie'), undef, 'no cookie');
}


sub cookie {
    my ($uri) = @_;
    my ($cookie) = $t->get($uri)->header('Set-Cookie') =~ /^([^;]+)/;

    return $cookie;
}
