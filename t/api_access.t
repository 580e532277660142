#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# nginx's own rules before the endpoint: whoever they turn away has changed
# nothing, whatever the call; and whoever they let in can work.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 60;
use Referral::Run qw(run);

my $api = 'referral_api friends auth=off;';

my $t = Referral::Nginx->new(conf => <<"EOC");
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event signup points=1;
    }

    auth_basic_user_file %%DIR%%/users;
    limit_req_zone \$server_port zone=few:64k rate=1r/m;

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /open/ { $api }
        location /deny/ { $api deny all; }
        location /basic/ { $api auth_basic staff; }
        location /all/ { $api satisfy all; allow 127.0.0.1; deny all;
                         auth_basic staff; }
        location /any/ { $api satisfy any; deny all; auth_basic staff; }
        location /both/ { referral_api friends token_file=%%TOKENS%%;
                          satisfy all; deny all; }
        location /asked/ { $api auth_request /auth; }
        location /few/ { $api limit_req zone=few; }
        location /few429/ { $api limit_req zone=few; limit_req_status 429; }
        location /methods/ { $api limit_except GET { deny all; } }
        location /returned/ { $api return 403; }
        location = /auth { if (\$http_x_pass != yes) { return 401; }
                           return 204; }
    }

    server {
        listen 127.0.0.1:%%PORT2%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        ssl_client_certificate %%DIR%%/ca.pem;
        ssl_verify_client optional;
        referral friends;

        location /known/ {
            $api
            if (\$ssl_client_verify != SUCCESS) { return 403; }
        }
        location /shop/ {
            $api
            if (\$ssl_client_s_dn != "CN=shop") { return 403; }
        }
    }

    server {
        listen 127.0.0.1:%%PORT3%% ssl;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        ssl_client_certificate %%DIR%%/ca.pem;
        ssl_verify_client on;
        referral friends;
        location /must/ { $api }
    }
EOC

my $dir = $t->dir;

sub openssl {
    my ($code, $out, $err) = run({}, 'openssl', @_);
    die "openssl @_: $err" if $code;
}

sub certificate {
    my ($name, $cn, @by) = @_;
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
        "/CN=$cn", '-out', "$dir/$name.pem", '-keyout', "$dir/$name.key",
        '-batch') unless @by;
    return unless @by;
    openssl('req', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-subj', "/CN=$cn", '-out',
        "$dir/$name.csr", '-keyout', "$dir/$name.key", '-batch');
    openssl('x509', '-req', '-in', "$dir/$name.csr", '-CA', "$dir/@by.pem",
        '-CAkey', "$dir/@by.key", '-set_serial', 1 + int rand 1e9, '-days',
        '2', '-out', "$dir/$name.pem");
}

certificate('ca', 'ca');
certificate('shop', 'shop', 'ca');
certificate('other', 'other', 'ca');
certificate('stranger', 'shop');

open my $users, '>', "$dir/users" or die $!;
print $users "anna:{PLAIN}secret\n";
close $users;

$t->start;


# Calls that would change something, each on what is there.

my $n = 0;

sub calls {
    my $id = 'N' . ++$n;
    return ([PUT => '/v1/codes/BASE', '{"owner":"thief"}'],
        [PUT => "/v1/codes/$id", '{"owner":"u9"}'],
        [POST => '/v1/codes', '{"owner":"u9"}'],
        [DELETE => '/v1/codes/BASE', undef],
        [POST => '/v1/conversions',
            qq({"event":"signup","order_id":"$id","code":"BASE"})],
        [POST => '/v1/conversions/base/refunds', qq({"refund_id":"$id"})],
        [POST => '/v1/conversions/base/void', '{"reason":"x"}'],
        [POST => '/v1/rewards/0/void', '{"reason":"x"}'],
        [PUT => '/v1/nowhere', '{}'],
        [POST => '/v1/conversions', '{"order_id":' . '1' x 9000]);
}

sub state {
    my @seen = map {
        $t->api(GET => "/v1/$_", undef, prefix => '/open')->body
    } qw(codes/BASE codes conversions/base journal counters?by=event);
    my ($records) = $t->api(GET => '/metrics', undef, prefix => '/open')->body
        =~ /^(referral_records_total.*)$/m;
    return join "\n", @seen, $records;
}

is($t->api(PUT => '/v1/codes/BASE', { owner => 'u1' },
    prefix => '/open')->status, 201, 'a code');
is($t->api(POST => '/v1/conversions', { event => 'signup',
    order_id => 'base', code => 'BASE' }, prefix => '/open')->status, 201,
    'an event of it');

my $before = state();

sub turned_away {
    my ($what, $prefix, $status, %headers) = @_;
    my %seen;

    $seen{ $t->api(@$_, prefix => "/$prefix", %headers)->status }++
        for calls();
    is(join(' ', sort keys %seen), $status, "$what: turned away");
    is(state(), $before, 'and nothing has changed');
}

sub let_in {
    my ($what, $prefix, %headers) = @_;
    my $r = $t->api(PUT => '/v1/codes/BASE', { owner => 'u1', name => $what },
        prefix => "/$prefix", %headers);
    is($r->status, 200, "$what: let in");
    isnt(state(), $before, 'and that can be seen');
    $before = state();
}

sub basic {
    require MIME::Base64;
    return (token => undef, headers => { Authorization => 'Basic '
        . MIME::Base64::encode_base64($_[0], '') });
}

my @token = (token => $t->{token}{admin});

turned_away('deny all', 'deny', 403);
turned_away('deny all, with a token', 'both', 403, @token);
turned_away('a password is asked for', 'basic', 401, token => undef);
turned_away('a token for a password', 'basic', 401, @token);
turned_away('a wrong password', 'basic', 401, basic('anna:wrong'));
let_in('a password', 'basic', basic('anna:secret'));
turned_away('satisfy all, address alone', 'all', 401, token => undef);
let_in('satisfy all, both', 'all', basic('anna:secret'));
turned_away('satisfy any, neither', 'any', 401, token => undef);
let_in('satisfy any, password', 'any', basic('anna:secret'));
turned_away('auth_request', 'asked', 401);
let_in('auth_request', 'asked', headers => { 'X-Pass' => 'yes' });
turned_away('limit_except', 'methods', 403);
is($t->api(GET => '/v1/codes', undef, prefix => '/methods')->status, 200,
    'limit_except: but for GET');
turned_away('return', 'returned', 403);
let_in('limit_req, the first', 'few');
turned_away('limit_req', 'few', 503);
turned_away('limit_req_status', 'few429', 429);

my $r = $t->connect;
my $request = $r->format(PUT => '/deny/v1/codes/BASE', { 'Content-Type' =>
    'application/json' }, '{"owner":"thief"}');
$r->send($request x 2 . $r->format(GET => '/open/v1/codes/BASE', {}));
is(join(' ', map { $r->response('GET')->status } 1 .. 3), '403 403 200',
    'a body that is not wanted is no request');


# Certificates of clients.

sub tls {
    my ($port, $path, $name) = @_;
    my @cert = $name ? ('--cert', "$dir/$name.pem", '--key', "$dir/$name.key")
        : ();
    my ($code, $out, $err) = run({}, 'curl', '-sk', '-o', '/dev/null', '-w',
        '%{http_code}', @cert, '-X', 'PUT', '-H',
        'Content-Type: application/json', '-d', '{"owner":"u1","name":"tls"}',
        'https://127.0.0.1:' . $t->port($port) . "$path/v1/codes/BASE");
    return $out;
}

for ([2, '/known', undef, 403], [2, '/known', 'stranger', 400],
    [2, '/shop', undef, 403], [2, '/shop', 'other', 403],
    [2, '/shop', 'stranger', 400], [3, '/must', undef, 400],
    [3, '/must', 'stranger', 400], [2, '/known', 'other', 200],
    [2, '/shop', 'shop', 200], [3, '/must', 'shop', 200])
{
    my ($port, $path, $name, $status) = @$_;
    is(tls($port, $path, $name), $status, "$path, "
        . ($name ? "the certificate of $name" : 'no certificate'));
    is(state() eq $before ? 'as before' : 'changed',
        $status == 200 ? 'changed' : 'as before', "$path: the store");

    $t->api(PUT => '/v1/codes/BASE', { owner => 'u1', name => 'x' },
        prefix => '/open') if $status == 200;
    $before = state();
}

finish();
