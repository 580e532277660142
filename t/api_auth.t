# Who may use the endpoint: tokens, scopes, nginx's own access rules, and what
# the configuration refuses.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $program = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})$";
        param ref;
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
EOC

my $t = Referral::Nginx->new(conf => <<"EOC");
$program
    auth_basic_user_file %%DIR%%/users;
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
            if (\$http_x_if) { set \$unused 1; }
        }
        location /open/ { referral_api friends auth=off; }
        location /denied/ { referral_api friends auth=off; deny all; }
        location /basic/ { referral_api friends auth=off; auth_basic staff; }
        location /readonly/ {
            referral_api friends token_file=%%TOKENS%%;
            limit_except GET { deny all; }
        }
        location /excepted/ {
            referral_api friends token_file=%%TOKENS%%;
            limit_except GET { allow 127.0.0.1; deny all; }
        }
    }
EOC

open my $users, '>', $t->dir . '/users' or die $!;
print $users "anna:{PLAIN}secret\n";
close $users;

$t->start;

my $body = { owner => 'u1' };
my $put = '/v1/codes/ANNA42';

sub api { return $t->api(@_) }
sub status { return api(@_)->status }
sub auth { return (token => undef, headers => { Authorization => $_[0] }) }


# Tokens.

my $read = $t->{token}{read};
my $none = api(GET => '/v1/codes', undef, token => undef);

is($none->status, 401, 'no token');
is($none->header('WWW-Authenticate'), 'Bearer', '401 says how');
is($none->header('Content-Type'), 'application/problem+json', '401 is a problem');
is($none->header('Cache-Control'), 'no-store', 'and is not stored');
like($none->body, qr/"code":"unauthorized"/, 'with its code');

for (['unknown token', "Bearer " . '0' x 48], ['hash of a token',
    'Bearer ' . sha256_hex($read)], ['no scheme', $read], ['Basic', "Basic $read"],
    ['empty', 'Bearer'], ['blank', 'Bearer  '], ['two words', "Bearer $read x"],
    ['longer', "Bearer ${read}0"], ['shorter', 'Bearer ' . substr $read, 1])
{
    my $r = api(GET => '/v1/codes', undef, auth($_->[1]));
    is($r->status, 401, "$_->[0]: 401");
    is($r->body, $none->body, "$_->[0]: the same answer");
}

is(status(GET => '/v1/codes', undef, auth("bearer $read")), 200,
    'the scheme in lower case');
is(status(GET => '/v1/codes', undef, auth("Bearer  $read")), 200,
    'two spaces');
is(status(GET => '/v1/codes', undef,
    auth(["Bearer $read", "Bearer $t->{token}{admin}"])), 400,
    'two Authorization headers');
is(status(GET => "/v1/codes?token=$read", undef, token => undef), 401,
    'a token in the query is nobody\'s');
is(status(GET => '/nowhere', undef, token => undef), 401,
    'without a token paths are not told apart');


# Scopes.

my @calls = ([PUT => $put, $body], [POST => '/v1/codes', $body],
    [DELETE => "/v1/codes/NOBODY", undef]);

for my $call (@calls) {
    my $r = api(@$call, token => $read);
    is($r->status, 403, "read: $call->[0] is forbidden");
    like($r->body, qr/"code":"forbidden"/, "$call->[0]: with its code");
}

is(status(GET => $put), 404, 'and nothing was done');

for (qw(/v1/codes /v1/counters /v1/health /metrics)) {
    is(status(GET => $_, undef, token => $read), 200, "read: GET $_");
    is(status(HEAD => $_, undef, token => $read), 200, "read: HEAD $_");
}

for my $scope (qw(write admin)) {
    my %by = (token => $t->{token}{$scope});
    is(status(PUT => "/v1/codes/$scope", $body, %by), 201, "$scope: PUT");
    is(status(POST => '/v1/codes', $body, %by), 201, "$scope: POST");
    is(status(DELETE => "/v1/codes/$scope", undef, %by), 204, "$scope: DELETE");
    is(status(GET => '/v1/codes', undef, %by), 200, "$scope: GET");
}


# Pages of other sites.

for (['cross-site', 403], ['same-site', 403], ['same-origin', 201],
    ['none', 200], ['None', 403])
{
    my ($site, $want) = @$_;
    my $r = api(PUT => '/v1/codes/SITE', $body,
        headers => { 'Sec-Fetch-Site' => $site });
    is($r->status, $want, "Sec-Fetch-Site: $site");
    like($r->body, qr/"code":"cross_site"/, "$site: with its code")
        if $want == 403;
}

is(status(DELETE => '/v1/codes/SITE', undef,
    headers => { 'Sec-Fetch-Site' => 'cross-site' }), 403, 'DELETE as well');
is(status(GET => '/v1/codes/SITE', undef,
    headers => { 'Sec-Fetch-Site' => 'cross-site' }), 200, 'reading is free');

my $options = api(OPTIONS => '/v1/codes', undef,
    headers => { Origin => 'https://evil.example' });
is($options->status, 405, 'no answer to a preflight');
is($options->header('Allow'), 'GET, HEAD, POST', 'what is allowed');
ok(!grep({ $_->[0] =~ /^Access-Control/i } @{ $options->headers },
    @{ api(GET => '/v1/codes', undef, headers =>
        { Origin => 'https://evil.example' })->headers }), 'no CORS header');


# nginx's own rules.

is(status(PUT => $put, $body, prefix => '/denied', token => undef), 403,
    'deny all');
is(status(GET => $put), 404, 'and nothing was done');
is(status(PUT => $put, $body, prefix => '/basic', token => undef), 401,
    'auth_basic without a password');
is(status(GET => '/v1/codes', undef, prefix => '/basic',
    auth('Basic YW5uYTpzZWNyZXQ=')), 200, 'auth_basic with one');
is(status(GET => '/v1/health', undef, prefix => '/open', token => undef), 200,
    'auth=off');
is(status(PUT => $put, $body, prefix => '/readonly'), 403,
    'limit_except GET { deny all; }');
is(status(GET => '/v1/codes', undef, prefix => '/readonly'), 200,
    'GET is not limited');
is(status(GET => '/v1/codes', undef, prefix => '/readonly', token => undef),
    401, 'and has its token');
is(status(PUT => '/v1/codes/EXC', $body, prefix => '/excepted'), 201,
    'what limit_except allows');
is(status(PUT => '/v1/codes/EXC2', $body, prefix => '/excepted',
    token => undef), 401, 'has its token too');
is(status(PUT => '/v1/codes/IF', $body, headers => { 'X-If' => 1 }), 201,
    'if inside of the location');
is(status(PUT => '/v1/codes/IF2', $body, token => $read,
    headers => { 'X-If' => 1 }), 403, 'with its scopes');


# Paths.

my $r = $t->get('/referral');
is($r->status, 301, 'without the slash: redirected');
like($r->header('Location'), qr{/referral/$}, 'to the slash');
is(status(GET => '/'), 404, 'nothing at the prefix');
is(status(GET => '/v1/codes/'), 404, 'nothing below codes/');
is(status(GET => '/v1/codes/A/b'), 404, 'nothing below a code');
is(status(GET => '/v1/codesx'), 404, 'a longer word');
is(status(GET => '/v1'), 404, 'a shorter path');

$r = api(GET => '/v1/codes?ref=ANNA42');
is($r->status, 400, 'the endpoint is no page with ?ref=');
is($r->header('Set-Cookie'), undef, 'and sets no cookie');


# What the configuration refuses.

sub file {
    my ($name, $mode, $text) = @_;
    my $path = $t->dir . "/$name";

    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f;
    chmod $mode, $path;

    return $path;
}

my $line = 'shop read ' . sha256_hex('abc') . "\n";
my $good = file('good.tokens', 0644, $line);
my %file = (
    group  => file('group.tokens', 0620, $line),
    others => file('others.tokens', 0602, $line),
    broken => file('broken.tokens', 0600, "# comment\n${line}oops\n"),
    empty  => file('empty.tokens', 0600, ''),
);

sub refused {
    my ($what, $api, $want, $location) = @_;

    $location ||= 'location /referral/';

    my ($code, $out) = nginx_t("$program\nserver { listen 127.0.0.1:%%PORT%%;
        $location { $api } }");
    isnt($code, 0, "$what: refused");
    like($out, $want, "$what: says why");
}

my ($code, $out) = nginx_t("$program\nserver { listen 127.0.0.1:%%PORT%%;
    location /referral/ { referral_api friends token_file=$good; } }");
is($code, 0, 'others may read the file: taken') or diag($out);

my $off = 'referral_api friends auth=off;';

refused('unknown program', 'referral_api strangers auth=off;',
    qr/unknown referral program "strangers".* in .*nginx\.conf:\d+/);
refused('no auth', 'referral_api friends;', qr/takes a program and either/);
refused('auth=on', 'referral_api friends auth=on;',
    qr/invalid parameter "auth=on", it must be "token_file=file" or "auth=off"/);
refused('twice', $off . $off, qr/"referral_api" directive is duplicate/);
refused('no such file', 'referral_api friends token_file=/nonexistent/x;',
    qr{open\(\) "/nonexistent/x" failed \(2: });
refused('a directory', 'referral_api friends token_file=' . $t->dir . ';',
    qr/is not a regular file/);
refused('writable by group', "referral_api friends token_file=$file{group};",
    qr/"\Q$file{group}\E" must not be writable by group or others/);
refused('writable by others', "referral_api friends token_file=$file{others};",
    qr/"\Q$file{others}\E" must not be writable by group or others/);
refused('an empty file', "referral_api friends token_file=$file{empty};",
    qr/there is no token in "\Q$file{empty}\E"/);
refused('a wrong line', "referral_api friends token_file=$file{broken};",
    qr/the line is not "name scope hash" in line 3 of "\Q$file{broken}\E"/);
refused('regex location', $off, qr/prefix that ends with "\/"/,
    'location ~ ^/referral/');
refused('exact location', $off, qr/prefix that ends with "\/"/,
    'location = /referral/');
refused('named location', $off, qr/prefix that ends with "\/"/,
    'location @referral');
refused('location without a slash', $off, qr/prefix that ends with "\/"/,
    'location /referral');
refused('in if', $off, qr/"referral_api" directive is not allowed here/,
    'location /referral/ { } if ($arg_a)');

finish();
