# The program as it is configured, and the scope of the token in use.

use strict;
use warnings;

use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $conf = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event signup points=5;
        event click points=1;
        tier bronze 10;
        tier gold 100;
        reward month to=referrer on=signup "value=one \"month\"";
        reward cash to=referrer on=purchase value=10%;
        reward gift to=friend on=signup pick="mug:1,pen:2";
        contest autumn from=2026-09-01 to=2026-12-01T12:00:00+01:00;
    }
    referral_program plain {
        link "^/p/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /plain/ { referral_api plain auth=off; }
    }
EOC

my $t = Referral::Nginx->new(conf => $conf);
$t->start;

sub program { return $t->api(GET => '/v1/program', undef, @_) }

my $r = program(token => $t->{token}{read});
my $d = $r->json;

is($r->status, 200, 'the program');
is($r->header('Cache-Control'), 'no-store', 'not to be kept');
is(ref $d->{$_}, 'ARRAY', $_) for qw(events tiers rewards contests);

is_deeply($d, { program => 'friends', scope => 'read',
    events => [{ name => 'signup', points => 5 }, { name => 'purchase', points => 0 },
        { name => 'click', points => 1 }],
    tiers => [{ name => 'bronze', points => 10 }, { name => 'gold', points => 100 }],
    rewards => [
        { name => 'month', to => 'referrer', on => 'signup', value => 'one "month"' },
        { name => 'cash', to => 'referrer', on => 'purchase', value => '10%' },
        { name => 'gift', to => 'friend', on => 'signup', value => undef }],
    contests => [{ name => 'autumn', from => '2026-09-01T00:00:00Z',
        to => '2026-12-01T11:00:00Z' }] }, 'all of it') or diag(explain($d));

is(program(token => $t->{token}{$_})->json->{scope}, $_, "a token that may $_")
    for qw(read write admin);
is(program(token => undef)->status, 401, 'no token');
is(program(token => 'x' x 48)->status, 401, 'another');

$d = program(prefix => '/plain', token => undef)->json;
is($d->{scope}, 'admin', 'without tokens everybody may everything');
is_deeply([@$d{qw(tiers rewards contests)}], [[], [], []], 'a program with little');


# It is the configuration, not the store.

my $broken = Referral::Nginx->new(conf => $conf);

mkdir $broken->store;
open my $f, '>', $broken->store . '/data.mdb' or die $!;
print $f 'not a store ' x 4000;
close $f;
chmod 0777, $broken->store;
chmod 0666, $broken->store . '/data.mdb';

$broken->start;
is($broken->api(GET => '/v1/codes')->status, 503, 'the store cannot be read');
is($broken->api(GET => '/v1/program')->status, 200, 'the program is told');

finish();
