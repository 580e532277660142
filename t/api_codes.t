# Codes: PUT, GET, DELETE, lists, and what is wrong with a field or a body.

use strict;
use warnings;
use utf8;

use Encode qw(encode_utf8);
use JSON::PP;
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 90;

my $t = Referral::Nginx->new(workers => 2, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    referral_program exact {
        link "^/x/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        case_sensitive on;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        client_max_body_size 2m;
        client_body_buffer_size 8k;
        referral friends;

        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /exact/ { referral_api exact token_file=%%TOKENS%%; }
    }
EOC

$t->start;

sub api { return $t->api(@_) }
sub data { return decode_json($_[0]->body) }

sub problem {
    my ($r, $status, $code, $name) = @_;
    my $p = data($r);

    is($r->status, $status, "$name: $status");
    is($r->header('Content-Type'), 'application/problem+json', "$name: a problem");
    is($r->header('Cache-Control'), 'no-store', "$name: not stored");
    is($p->{code}, $code, "$name: $code");
    is($p->{status}, $status, "$name: says the status");

    return $p;
}

sub field {
    my ($r, $field, $name) = @_;
    my $p = problem($r, 422, 'invalid_fields', $name);
    is_deeply([map { $_->{field} } @{ $p->{errors} }], [$field],
        "$name: names $field");
    ok(length $p->{errors}[0]{message}, "$name: says why");
}


# Create, read, change, end.

my $r = api(PUT => '/v1/codes/ANNA42', { owner => 'u1', name => 'Anna' });
my $code = data($r);

is($r->status, 201, 'PUT creates');
is($r->header('Content-Type'), 'application/json', 'in JSON');
is($r->header('Cache-Control'), 'no-store', 'a write is not stored');
is($r->header('X-Content-Type-Options'), 'nosniff', 'nor sniffed');
like($code->{created_at}, qr/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'created_at');
is_deeply($code, { program => 'friends', code => 'ANNA42', status => 'active',
    owner => 'u1', kind => 'customer', name => 'Anna', landing => undef,
    created_at => $code->{created_at}, changed_at => $code->{changed_at},
    clicks => { total => 0, human => 0, unique => 0, classes => {} },
    events => {}, points => 0, amounts => {},
    tier => { name => undef, next => undef, remaining => undef },
    rewards => { map { $_ => 0 } qw(pending held approved claimed void) },
    flags => [] }, 'all of it');

$r = api(GET => '/v1/codes/ANNA42');
is($r->status, 200, 'GET');
is_deeply(data($r), $code, 'gets the same');
is($r->header('Cache-Control'), 'no-cache', 'to be revalidated');

my $etag = $r->header('ETag');
like($etag, qr/^"[\x21\x23-\x7e]+"$/, 'ETag');

my $same = api(GET => '/v1/codes/ANNA42', undef,
    headers => { 'If-None-Match' => $etag });
is($same->status, 304, 'nothing changed');
is($same->header('ETag'), $etag, '304 has the ETag');
is(api(HEAD => '/v1/codes/ANNA42')->header('Content-Length'),
    $r->header('Content-Length'), 'HEAD has the length');

$r = api(PUT => '/v1/codes/anna42', { status => 'paused', kind => 'partner',
    landing => '/spring?a=1#top' });
is($r->status, 200, 'PUT changes, by another spelling');
is_deeply(data($r), { %$code, status => 'paused', kind => 'partner',
    landing => '/spring?a=1#top', changed_at => data($r)->{changed_at} },
    'the fields it names, and only those');

is(api(GET => '/v1/codes/ANNA42', undef,
    headers => { 'If-None-Match' => $etag })->status, 200, 'another ETag');
is(api(PUT => '/v1/codes/ANNA42', { name => undef, landing => undef },
    headers => { 'If-Match' => '"other"' })->status, 200,
    'If-Match does not undo what was done');
is_deeply([@{ data(api(GET => '/v1/codes/ANNA42')) }{qw(name landing owner)}],
    [undef, undef, 'u1'], 'null clears');
is(api(PUT => '/v1/codes/ANNA42', {})->status, 200, 'no field: no change');

is(api(DELETE => '/v1/codes/ANNA42')->status, 204, 'DELETE ends it');
is(api(DELETE => '/v1/codes/Anna42')->status, 204, 'and once more');
is(data(api(GET => '/v1/codes/ANNA42'))->{status}, 'ended', 'it is a tombstone');
problem(api(PUT => '/v1/codes/ANNA42', { owner => 'u2', status => 'active' }),
    409, 'code_ended', 'PUT of an ended code');
problem(api(POST => '/v1/codes', { code => 'ANNA42', owner => 'u2' }),
    409, 'code_exists', 'POST of an ended code');
is(data(api(GET => '/v1/codes/ANNA42'))->{owner}, 'u1', 'it stays as it was');

problem(api(DELETE => '/v1/codes/NOBODY'), 404, 'code_not_found',
    'DELETE of an unknown code');
problem(api(GET => '/v1/codes/NOBODY'), 404, 'code_not_found',
    'GET of an unknown code');
problem(api(GET => '/v1/codes/-x'), 404, 'code_not_found',
    'GET of what is no code');
problem(api(DELETE => '/v1/codes/a%20b'), 404, 'code_not_found',
    'DELETE of what is no code');

is(api(PUT => '/v1/codes/ab', { owner => 'u1' }, prefix => '/exact')->status,
    201, 'case_sensitive: ab');
is(api(PUT => '/v1/codes/AB', { owner => 'u1' }, prefix => '/exact')->status,
    201, 'case_sensitive: AB is another');
problem(api(GET => '/v1/codes/Ab', undef, prefix => '/exact'), 404,
    'code_not_found', 'case_sensitive: Ab');
problem(api(GET => '/v1/codes/ab'), 404, 'code_not_found', 'another program');


# Fields.

field(api(PUT => '/v1/codes/NEW1', { name => 'x' }), 'owner', 'no owner');
problem(api(GET => '/v1/codes/NEW1'), 404, 'code_not_found', 'nothing was made');

my $long = 'x' x 128;

for (['owner', 'u1'], ['owner', $long], ['owner', "Zoë \x{1F600}"],
    ['owner', 'a b'], ['name', $long], ['name', "\x{2028}</script>&"],
    ['kind', 'customer'], ['status', 'active'],
    ['landing', 'https://other.example'], ['landing', 'http://a.example:8080/x?y=1'],
    ['landing', 'https://other.example?x'], ['landing', '/'],
    ['landing', '/a%20b'], ['landing', '/' . 'x' x 2047],
    ['landing', 'https://[2001:db8::1]:8443/x'], ['landing', 'HTTPS://Other.Example'],
    ['landing', 'https://other.example/r/ANNA42'])
{
    my ($name, $value) = @$_;
    my $r = api(PUT => '/v1/codes/OK', { owner => 'u1', $name => $value });
    my $short = encode_utf8(substr $value, 0, 20);

    ok($r->status =~ /^20[01]$/, "$name: $short is taken") or diag($r->body);
    is(data($r)->{$name}, $value, "$name: $short comes back");
}

like(api(PUT => '/v1/codes/OK', { name => "\x{2028}\x{2029}<b>&\x{202a}" })->body,
    qr/"name":"\\u2028\\u2029\\u003cb\\u003e\\u0026\xe2\x80\xaa"/,
    'what HTML and JavaScript mind is escaped');

my $here = '127.0.0.1:' . $t->port;
my @self = ("http://$here/r/ANNA42", "http://$here/%72/ANNA42",
    "HTTP://$here/r/ANNA42?a=b");

for (['owner', ''], ['owner', "x$long"], ['owner', ' u1'], ['owner', 'u1 '],
    ['owner', "a\nb"], ['owner', "a\x7fb"], ['owner', undef], ['owner', 1],
    ['owner', []], ['name', ''], ['name', "x$long"], ['name', "\t"], ['name', {}],
    ['kind', 'friend'], ['kind', undef], ['kind', 0], ['status', 'ended'],
    ['status', ''], ['status', JSON::PP::true], ['landing', ''],
    ['landing', 'welcome'], ['landing', '//other.example/'],
    ['landing', '/\\other.example'], ['landing', '/a b'], ['landing', "/\x{e4}"],
    ['landing', '/a/../b'], ['landing', '/%0d%0aX:y'], ['landing', '/%'],
    ['landing', '/' . 'x' x 2048], ['landing', 'javascript:alert(1)'],
    ['landing', 'ftp://other.example/'], ['landing', 'https://'],
    ['landing', 'https:///x'], ['landing', 'https://u@other.example/'],
    ['landing', 'https://other.example\\@x/'], ['landing', 'https://other.example:/'],
    ['landing', 'https://other.example:8a/'], ['landing', 'https://a:1:2/'],
    ['landing', "https://other.example/\x{e4}"], ['landing', 'https://other.example/"'],
    ['landing', "https://other.example/a b"], ['landing', 'https://.example/'],
    ['landing', "https://other.example/\n"], ['landing', '/r/ANNA42'],
    ['landing', '/%72/ANNA42'], (map { ['landing', $_] } @self),
    ['landing', 'https://other.example:0/'], ['landing', 'https://other.example:65536'],
    ['landing', 5], ['code', 'OTHER'], ['clicks', {}])
{
    my ($name, $value) = @$_;
    my $short = defined $value ? encode_utf8(substr "$value", 0, 30) : 'null';

    $short =~ s/[^\x20-\x7e]/?/g;
    $short =~ s/\(0x\w+\)//;
    field(api(PUT => '/v1/codes/OK', { owner => 'u1', $name => $value }), $name,
        "$name: $short");
}

is(data(api(GET => '/v1/codes/OK'))->{landing}, 'https://other.example/r/ANNA42',
    'what was refused changed nothing');

for ('a.b', '-a', '_a', 'a%20b', 'a%00b', "\x{e4}", 'x' x 65) {
    my $path = join '', map { $_ lt "\x7f" ? $_ : '%C3%A4' } split //;
    my $r = api(PUT => "/v1/codes/$path", { owner => 'u1' });

    $path = substr $path, 0, 20;
    $path =~ /%00/ ? is($r->status, 400, "code: $path") : field($r, 'code',
        "code: $path");
}

is(api(PUT => '/v1/codes/' . 'x' x 64, { owner => 'u1' })->status, 201,
    'a code of 64');

my $p = problem(api(PUT => '/v1/codes/OK', { owner => '', kind => 'x', "<b>" => 1 }),
    422, 'invalid_fields', 'three at once');
is_deeply([sort map { $_->{field} } @{ $p->{errors} }], ['?', 'kind', 'owner'],
    'all are named, except what could be markup');


# Bodies.

sub body { return api(PUT => '/v1/codes/BODY', @_) }

problem(body(''), 400, 'empty_body', 'no body');

for (['{', 'open'], ['{"owner":"u1"', 'not closed'], ['{"owner":"u1"}x', 'a tail'],
    ['{"owner":"u1",}', 'trailing comma'], ['{"owner":"u1","owner":"u2"}', 'twice'],
    ["\xef\xbb\xbf{\"owner\":\"u1\"}", 'BOM'], ["{'owner':'u1'}", 'quotes'],
    ['{"owner":"a\\u0000"}', 'NUL'], ["{\"owner\":\"a\nb\"}", 'line feed'],
    ["{\"owner\":\"a\0\"}", 'raw NUL'], ["{\"owner\":\"u1\"}\0x", 'NUL behind it'],
    ['{"owner":"\\ud800"}', 'lone surrogate'],
    ["{\"owner\":\"\xff\"}", 'not UTF-8'], ['{"owner":NaN}', 'NaN'],
    ['{/**/"owner":"u1"}', 'comment'], ['[' x 100_000, '100,000 brackets'],
    ['[' x 9 . ']' x 9, 'depth 9'], ['{"owner":"' . 'x' x 4097 . '"}', 'long string'],
    ['{"' . 'x' x 4097 . '":1}', 'long name'], ['"', 'a quote'], ['"\\', 'an escape'],
    ['{' . join(',', map { "\"a$_\":1" } 1 .. 65) . '}', '65 members'])
{
    problem(body($_->[0]), 400, 'invalid_json', $_->[1]);
}

for (['[]', 'array'], ['"x"', 'string'], ['1', 'number'], ['null', 'null'],
    ['[' x 8 . ']' x 8, 'depth 8'])
{
    problem(body($_->[0]), 422, 'invalid_fields', $_->[1]);
}

$p = problem(body('{' . join(',', map { "\"a$_\":1" } 1 .. 64) . '}'), 422,
    'invalid_fields', '64 members');
is(scalar @{ $p->{errors} }, 64, '64 members: each is named');

my $json = '{"owner":"u1"}';

for (['text/plain', 415], ['application/jsonx', 415], ['application/x-ndjson', 415],
    ['application/x-www-form-urlencoded', 415], [undef, 415],
    ['Application/JSON', 201], ['application/json;charset=utf-8', 200],
    ['application/json ; x=y', 200])
{
    my ($type, $want) = @$_;
    my $r = body($json, headers => { 'Content-Type' => $type });
    my $name = 'type ' . (defined $type ? $type : 'none');

    $want == 415 ? problem($r, 415, 'unsupported_media_type', $name)
                 : is($r->status, $want, $name);
}

problem(body($json, headers => { 'Content-Encoding' => 'identity' }), 415,
    'unsupported_encoding', 'Content-Encoding');
is(body(' ' x 20_000 . $json)->status, 200, 'a body in a file');
is(body($json . ' ' x (1024 * 1024 - length $json))->status, 200, '1 MiB');
problem(body($json . ' ' x (1024 * 1024 + 1 - length $json)), 413,
    'body_too_large', 'one byte more');

my $chunk = sprintf "%x\r\n%s\r\n", 65536, ' ' x 65536;
my %chunked = (headers => { 'Transfer-Encoding' => 'chunked' });

is(body(sprintf("%x\r\n%s\r\n0\r\n\r\n", length $json, $json), %chunked)->status,
    200, 'chunked');
problem(body($chunk x 17 . "0\r\n\r\n", %chunked), 413, 'body_too_large',
    'chunked and too large');


# The connection is in order after an answer that did not wait for the body.

my $c = $t->connect;
my %auth = (Authorization => "Bearer $t->{token}{admin}");
my $big = 'x' x 30_000;

for (1 .. 3) {
    is($c->request(PUT => '/referral/v1/codes/A', { %auth,
        'Content-Type' => 'text/plain' }, $big)->status, 415, "refused $_");
    is($c->request(PATCH => '/referral/v1/codes/A', { %auth }, $big)->status, 405,
        "not allowed $_");
    is($c->request(DELETE => '/referral/v1/codes/A', { %auth }, $big)->status, 404,
        "DELETE with a body $_");
    is($c->request(GET => '/referral/v1/codes/OK', { %auth }, $big)->status, 200,
        "GET with a body $_");
}

$c = $t->connect;
$c->send(join '', map { $c->format(PUT => "/referral/v1/codes/PIPE$_", { %auth,
    'Content-Type' => 'application/json' }, $json) } 1 .. 5);
is(join(' ', map { $c->response('PUT')->status } 1 .. 5), '201 201 201 201 201',
    'five in one write');


# Lists.

my @names = map { sprintf 'L%03d', $_ } 1 .. 60;
api(PUT => "/v1/codes/$_", { owner => /0$/ ? 'tens' : 'others' },
    prefix => '/exact') for @names;

sub list { return api(GET => "/v1/codes?$_[0]", undef, prefix => '/exact') }
sub codes { return [map { $_->{code} } @{ $_[0]{data} }] }

my $page = data(list(''));
is_deeply(codes($page), ['AB', @names[0 .. 48]], 'fifty, in order');
is($page->{next}, $names[48], 'the next');
$page = data(list("after=$page->{next}"));
is_deeply(codes($page), [@names[49 .. 59], 'ab'], 'the rest');
is($page->{next}, undef, 'no next');

$page = data(list('limit=62'));
is(scalar @{ $page->{data} }, 62, 'as many as there are');
is($page->{next}, undef, 'is all there is');
$page = data(list('limit=61'));
is($page->{next}, $names[59], 'one less has a next');

is_deeply(codes(data(list('owner=tens'))), [@names[9, 19, 29, 39, 49, 59]],
    'of one owner');
$page = data(list('owner=tens&limit=4'));
is_deeply([codes($page), $page->{next}], [[@names[9, 19, 29, 39]], $names[39]],
    'of one owner, a page');
is_deeply(codes(data(list("owner=tens&limit=4&after=$page->{next}"))),
    [@names[49, 59]], 'and the other');
is_deeply(data(list('owner=tensx')), { data => [], next => undef },
    'of nobody');
is_deeply(data(list('after=zz')), { data => [], next => undef }, 'at the end');
is_deeply(codes(data(list('limit=1'))), ['AB'], 'the first');
is(data(list('limit=1'))->{data}[0]{clicks}{total}, 0, 'with its counters');

api(PUT => '/v1/codes/SPACE', { owner => 'a b&c' }, prefix => '/exact');
is_deeply(codes(data(list('owner=a+b%26c'))), ['SPACE'], 'an encoded owner');

for (['limit=0', 422, 'limit'], ['limit=251', 422, 'limit'], ['limit=x', 422,
    'limit'], ['limit=', 422, 'limit'], ['limit=-1', 422, 'limit'],
    ['after=a.b', 422, 'after'], ['owner=', 422, 'owner'],
    ['owner=%ff', 422, 'owner'], ['x=1', 400, 'x'], ['limit=1&limit=1', 400,
    'limit'], ['owner=%0a', 400, 'owner'], ['owner=%2', 400, 'owner'],
    ['owner=%zz', 400, 'owner'], ['limit', 422, 'limit'], ['%3Cb%3E=1', 400, '?'],
    ['=1', 400, '?'])
{
    my ($query, $status, $field) = @$_;
    my $p = problem(list($query), $status, 'invalid_parameter', "?$query");
    is($p->{errors}[0]{field}, $field, "?$query: names it");
}

is(list('&&limit=1&')->status, 200, 'empty parameters are none');
is(list('limit=250')->status, 200, 'limit=250');

finish();
