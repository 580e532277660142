# Signed bodies: where secret_file is given, a token alone changes nothing.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $old = 'whsec_old_0123456789abcdef';
my $new = 'whsec_new_fedcba9876543210';

my $program = <<'EOC';
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
EOC

my $t = Referral::Nginx->new(conf => <<"EOC");
$program
    server {
        listen 127.0.0.1:%%PORT%%;
        client_body_buffer_size 1k;

        location /referral/ {
            referral_api friends token_file=%%TOKENS%%
                                 secret_file=%%DIR%%/secrets;
            if (\$http_x_if) { set \$unused 1; }
        }
        location /unsigned/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

sub secrets {
    my ($name, $mode, @lines) = @_;
    my $file = $t->dir . "/$name";
    open my $f, '>', $file or die "$file: $!";
    print $f map { "$_\n" } @lines;
    close $f;
    chmod $mode, $file;
    return $file;
}

secrets('secrets', 0600, '# of the shop', $old);
$t->start;

sub sign {
    my ($body, $time, @secrets) = @_;
    return join ',', "t=$time",
        map { 'v1=' . hmac_sha256_hex("$time.$body", $_) } @secrets;
}

my $path = '/v1/codes/ANNA42';
my $body = '{"owner":"u1"}';

sub put {
    my ($body, $signature, %opt) = @_;
    return $t->api(PUT => $opt{path} || $path, $body, %opt,
        headers => { 'Referral-Signature' => $signature,
            %{ $opt{headers} || {} } });
}


# One answer, whatever is wrong; and nothing is done.

my $none = put($body);

is($none->status, 401, 'no signature');
is($none->json->{code}, 'invalid_signature', 'its code');
is($none->header('Content-Type'), 'application/problem+json', 'a problem');
is($none->header('Cache-Control'), 'no-store', 'and not stored');

my $now = time;
my $good = sign($body, $now, $old);
my $zeros = '0' x 64;

my $openssl = `printf '%s.%s' '$now' '$body' \\
    | openssl dgst -sha256 -hmac '$old' -r | cut -d ' ' -f 1`;
is("t=$now,v1=$openssl", "$good\n", 'this is how openssl signs');

for (['tampered body', '{"owner":"u2"}', $good],
    ['a blank more', "$body ", $good],
    ['a body that is no JSON', '{"owner"', $good],
    ['too old', $body, sign($body, $now - 310, $old)],
    ['too new', $body, sign($body, $now + 310, $old)],
    ['another time', $body, $good =~ s/t=\d+/'t=' . ($now - 1)/er],
    ['an unknown secret', $body, sign($body, $now, $new)],
    ['zeros', $body, "t=$now,v1=$zeros"],
    ['no time', $body, $good =~ s/t=\d+,//r],
    ['v0', $body, $good =~ s/v1/v0/r],
    ['empty', $body, ''],
    ['garbage', $body, '=,=;t=1,v1=x'],
    ['two headers', $body, [$good, $good]])
{
    my $r = put($_->[1], $_->[2]);
    is($r->status, 401, $_->[0]);
    is($r->body, $none->body, 'the same answer');
}

is($t->api(GET => $path)->status, 404, 'nothing was done');


# What is right.

is(put($body, $good)->status, 201, 'a valid one');
is(put($body, $good)->status, 200, 'and once more');
is(put($body, "t=$now,v1=$zeros,v2=x," . $good =~ s/.*,//r)->status, 200,
    'beside others');
is(put($body, sign($body, $now - 290, $old))->status, 200, '290 s old');
is(put($body, sign($body, $now + 290, $old))->status, 200, '290 s ahead');
is(put($body, $good, headers => { 'X-If' => 1 })->status, 200,
    'in an "if" of the location');
is(put($body, undef, headers => { 'X-If' => 1 })->status, 401,
    'which is not a way around it');

is(put('{"owner"', sign('{"owner"', $now, $old))->status, 400,
    'a valid one of no JSON');
is(put($body, $good, token => undef)->status, 401, 'but no token');
is(put($body, $good, token => undef)->json->{code}, 'unauthorized', 'says so');
is(put($body, $good, token => $t->{token}{read})->status, 403,
    'a token that only reads');
is(put($body, $good, headers => { 'Content-Type' => 'text/plain' })->status,
    415, 'a wrong type');
is(put($body, undef, prefix => '/unsigned')->status, 200,
    'other locations do without');


# Every door that takes a body.

sub post {
    my ($path, $body, $signed, $type) = @_;
    return $t->api(POST => $path, $body, headers => {
        'Content-Type' => $type || 'application/json',
        $signed ? ('Referral-Signature' => sign($body, $now, $old)) : () });
}

for (['/v1/conversions', '{"event":"signup","order_id":"1"}', 201],
    ['/v1/conversions', '{"event":"signup","order_id":"1"}', 200],
    ['/v1/conversions/1/refunds', '{"refund_id":"1"}', 201],
    ['/v1/conversions/1/void', '{"reason":"x"}', 409],
    ['/v1/codes', '{"owner":"u9"}', 201],
    ['/v1/codes', '{"owner":"u9"}', 200, 'application/x-ndjson'])
{
    my ($path, $body, $status, $type) = @$_;
    my $r = post($path, $body, 0, $type);
    is($r->status, 401, "POST $path");
    is($r->body, $none->body, 'the same answer');
    is(post($path, $body, 1, $type)->status, $status, 'signed');
}


# Calls without a body.

is($t->api(GET => $path)->status, 200, 'GET needs none');
is($t->api(GET => '/metrics')->status, 200, 'nor do metrics');
is($t->api(DELETE => '/v1/codes/BERT')->status, 401, 'DELETE does');
is($t->api(POST => '/v1/conversions/1/void')->status, 401, 'and POST');
is(post('/v1/conversions/1/void', '', 1)->status, 409, 'over nothing');


# However the body comes: in parts, in a file.

my $large = '{"owner":"u3"' . ' ' x 20_000 . '}';

is(put($large, sign($large, $now, $old))->status, 200, '20 KB, from a file');
is(put($large =~ s/u3/u4/r, sign($large, $now, $old))->status, 401,
    'tampered with at its start');
is(put("$large\n", sign($large, $now, $old))->status, 401, 'at its end');
is($t->api(GET => $path)->json->{owner}, 'u3', 'it is as signed');
like($t->log, qr/a client request body is buffered to a temporary file/,
    'there was a file');

sub chunked {
    my ($body, $signature, $size) = @_;
    my $chunks = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
        unpack "(a$size)*", $body;
    return $t->api(PUT => $path, $chunks . "0\r\n\r\n", headers => {
        'Transfer-Encoding' => 'chunked', 'Referral-Signature' => $signature });
}

for my $size (1, 7, 4096) {
    my $n = $size == 1 ? $body : $large;
    is(chunked($n, sign($n, $now, $old), $size)->status, 200,
        "chunks of $size");
    is(chunked($n =~ s/owner/Owner/r, sign($n, $now, $old), $size)->status, 401,
        'tampered with');
}


# A new secret comes, then the old one goes.

is(put($body, sign($body, $now, $new))->status, 401, 'the new secret, before');

secrets('secrets', 0600, $new, $old);
ok($t->reload, 'reload');
is(put($body, sign($body, $now, $_))->status, 200, 'both') for $old, $new;
is(put($body, sign($body, $now, $old, $new))->status, 200, 'in one header');

secrets('secrets', 0600, $new);
ok($t->reload, 'reload');
is(put($body, sign($body, $now, $old))->status, 401, 'the old one, after');
is(put($body, sign($body, $now, $new))->status, 200, 'the new one');
is(put($body, sign($body, $now, $old, $new))->status, 200, 'and both signed');

unlike($t->log, qr/whsec/, 'no secret is in the log');
like($t->log, qr/the signature of a request was refused: it is too old/,
    'but what was wrong is');


# What nginx -t says of files.

sub refused {
    my ($what, $api, $want) = @_;
    my ($code, $out) = nginx_t("$program\nserver { listen 127.0.0.1:%%PORT%%;
        location /referral/ { referral_api friends $api; } }");
    isnt($code, 0, "$what: refused");
    like($out, $want, "$what: says why");
    unlike($out, qr/whsec/, "$what: but not the secret");
}

my $tokens = 'token_file=' . $t->dir . '/referral.tokens';

for ([0640, 'group'], [0604, 'others'], [0620, 'writers'], [0610, 'runners']) {
    my $file = secrets($_->[1], $_->[0], $new);
    refused("open to $_->[1]", "$tokens secret_file=$file",
        qr/"\Q$file\E" must not be accessible to group or others/);
}

my $short = secrets('short', 0600, $new, '# comment', 'whsec_too_short');
my $blank = secrets('blank', 0600, 'whsec_with a blank inside');
my $empty = secrets('empty', 0600, '# whsec_0123456789abcdef', '');
my $many = secrets('many', 0600, map { "whsec_0123456789_$_" } 1 .. 9);

refused('no file', "$tokens secret_file=/nonexistent/x",
    qr{open\(\) "/nonexistent/x" failed \(2: });
refused('a directory', "$tokens secret_file=" . $t->dir,
    qr/is not a regular file/);
refused('a short secret', "$tokens secret_file=$short",
    qr/the secret is shorter than 16 bytes in line 3 of "\Q$short\E"/);
refused('a blank in a secret', "$tokens secret_file=$blank",
    qr/the secret has a character .* in line 1 of "\Q$blank\E"/);
refused('no secret', "$tokens secret_file=$empty",
    qr/there is no secret in "\Q$empty\E"/);
refused('many secrets', "$tokens secret_file=$many",
    qr/there are more than 8 secrets in line 9 of/);
refused('without tokens', "secret_file=$short",
    qr/invalid parameter "secret_file=\S+", it must be "token_file=file" or/);
refused('beside auth=off', "auth=off secret_file=$short",
    qr/takes nothing after "auth=off"/);
refused('a wrong name', "$tokens secret=$short",
    qr/invalid parameter "secret=\S+", it must be "secret_file=file"/);
refused('too many', "$tokens secret_file=$short secret_file=$short",
    qr/takes a program and either/);

my ($code, $out) = nginx_t("$program\nserver { listen 127.0.0.1:%%PORT%%;
    location /referral/ { referral_api friends $tokens
        secret_file=@{[ secrets('good', 0400, $new, $old) ]}; } }");
is($code, 0, 'what is in order is taken') or diag($out);

finish();
