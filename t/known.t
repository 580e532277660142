#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# What a worker remembers of links is what the store and the configuration say
# now: a code that changes its state, its landing or its owner, a path that is
# a link in one program only, the value of a parameter that looks like one, a
# configuration that means something else by a path; and nobody's answer
# changes the next one's.
#
# Catches a memory that is asked before it is compared.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;

my $t = Referral::Nginx->new(upstream => 1, conf => conf('r'));

$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'anna' });
$t->api(PUT => '/v1/codes/BERT', { owner => 'bert' });

# Asked twice, each is answered once by the store and once from memory.

for my $time (1, 2) {
    is(where('/r/ANNA42'), 'https://shop.example/?a=x', "a code, $time");
    is(where('/r/anna42'), 'https://shop.example/?a=x', "in any case, $time");
    like($t->get('/r/anna42')->header('Set-Cookie'), qr/\.ANNA42\./,
        "is that code, $time");
    is(where('/r/NOBODY'), 404, "no code, $time");
    is(where('/p?ref=BERT'), '/p', "a parameter, $time");
    is(where('/p?ref=/r/ANNA42'), 200, "one that looks like a link, $time");
    is(where('/r/ANNA42/wa'), 'https://shop.example/?a=x', "by channel");
}

like($t->get('/r/ANNA42/wa')->header('Set-Cookie'), qr/\.ANNA42\.wa\./,
    'the channel is the one of the path');
like($t->get('/r/ANNA42')->header('Set-Cookie'), qr/\.ANNA42\.\./,
    'and of no other');
is(where('/r/ANNA42?b=1'), 'https://shop.example/?a=x&b=1', 'arguments');

# The same path in another program is another link, or none.

is(where('/later/r/ANNA42'), 'https://shop.example/?a=x', 'a link');
is(where('/later/r/ANNA42', 2), 200, 'that is none of the other program');
is(where('/r/ANNA42', 2), 404, 'no code of the other program');
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'other' },
    prefix => '/partners');
is(where('/r/ANNA42', 2), 'https://other.example/', 'its own');
is(where('/r/ANNA42'), 'https://shop.example/?a=x', 'and the first one');

# What changes in the store.

put(status => 'paused');
is(where('/r/ANNA42'), 404, 'paused');
is(where('/r/ANNA42', 2), 'https://other.example/', 'not the other one');
put(status => 'active', landing => '/own');
is(where('/r/ANNA42'), 'https://shop.example/own', 'active, to its own page');
is(where('/r/ANNA42'), 'https://shop.example/own', 'again');
put(landing => undef);
is(where('/r/ANNA42'), 'https://shop.example/?a=x', 'and back');
$t->api(DELETE => '/v1/codes/BERT');
is(where('/p?ref=BERT'), 200, 'ended');

# A visitor's ticket is not put into the landing of all.

is(where('/later/r/ANNA42'), 'https://shop.example/?a=x', 'consent given');
like(where('/later/r/ANNA42', 0, DNT => 1),
    qr{^https://shop\.example/\?a=x&ref=}, 'not asked yet: a ticket');
is(where('/later/r/ANNA42'), 'https://shop.example/?a=x',
    'the next visitor has none');

# A path that means something else from now on, or nothing.

$t->reload(conf('s')) or BAIL_OUT('no reload');
is(where('/r/ANNA42'), 200, 'no link any more');
is(where('/s/ANNA42'), 'https://shop.example/?a=x', 'the new one');
$t->reload(conf('(?:r|s)/x')) or BAIL_OUT('no reload');
is(where('/s/ANNA42'), 200, 'no link any more');
is(where('/s/x/ANNA42'), 'https://shop.example/?a=x', 'the new one');

finish();


sub conf {
    my ($prefix) = @_;

    return <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;

    map \$http_dnt \$answer { default 1; 1 ""; }

    referral_program friends {
        link "^(?:/later)?/$prefix/(?<code>\\w+)(?:/(?<channel>[a-z]+))?\$";
        param ref;
        landing https://shop.example/?a=x;
        base https://shop.example;
        pass_args all;
        unique off;
    }

    referral_program partners {
        link "^/r/(?<code>\\w+)\$";
        landing https://other.example/;
        cookie other;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /later/ { referral_consent \$answer missing=pass; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
        location /partners/ {
            referral_api partners token_file=%%TOKENS%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT2%%;
        referral partners;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }
EOC
}


sub put {
    my (%change) = @_;
    my $r = $t->api(PUT => '/v1/codes/ANNA42', { owner => 'anna', %change });

    is($r->status, 200, join ' ', 'changed:', sort keys %change) or diag($r->body);
}


# Where a request leads, or its status.

sub where {
    my ($path, $server, %headers) = @_;
    my $port = $server ? $t->port($server) : $t->port;
    my $r = Referral::Client::get($port, $path, %headers);

    return $r->header('Location') // $r->status;
}
