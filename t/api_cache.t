# What the endpoint says of caching stands, whatever the server adds for its
# pages.  Catches an answer that a proxy keeps for years.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Referral::Nginx timeout => 60;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
    }

    server {
        listen 127.0.0.1:%%PORT%%;

        expires max;
        add_header Cache-Control public;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }
EOC

$t->start;

my $put = $t->api(PUT => '/v1/codes/ANNA', { owner => 'u1' });
is($put->status, 201, 'a code');
is_deeply([$put->all('Cache-Control')], ['no-store'], 'a change: no-store');

my $get = $t->api(GET => '/v1/codes/ANNA');
is_deeply([$get->all('Cache-Control')], ['no-cache'], 'an ETag: no-cache');
is($get->header('Expires'), undef, 'no Expires');

my $again = $t->api(GET => '/v1/codes/ANNA', undef,
    headers => { 'If-None-Match' => $get->header('ETag') });
is($again->status, 304, 'and 304');
is_deeply([$again->all('Cache-Control')], ['no-cache'], 'no-cache again');

my $none = $t->api(GET => '/v1/codes/NONE');
is_deeply([$none->all('Cache-Control')], ['no-store'], 'a problem: no-store');

finish();
