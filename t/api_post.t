# POST /v1/codes: generated codes, many at once, dry runs.

use strict;
use warnings;

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
    server {
        listen 127.0.0.1:%%PORT%%;
        client_body_buffer_size 8k;

        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;

my $json = JSON::PP->new->utf8->canonical;

sub data { return decode_json($_[0]->body) }

sub post {
    my ($body, $query, %headers) = @_;
    return $t->api(POST => '/v1/codes' . ($query || ''), $body,
        headers => \%headers);
}

sub many {
    my ($lines, $query) = @_;
    my $text = ref $lines ? join '', map { (ref $_ ? $json->encode($_) : $_)
        . "\n" } @$lines : $lines;
    return post($text, $query, 'Content-Type' => 'application/x-ndjson');
}

sub codes {
    return scalar @{ data($t->api(GET => '/v1/codes?limit=250'))->{data} };
}


# One.

my %seen;
my $r = post({ owner => 'u1', name => 'Anna', kind => 'partner' });

is($r->status, 201, 'a generated code');
is_deeply([@{ data($r) }{qw(owner name kind status)}],
    ['u1', 'Anna', 'partner', 'active'], 'with its fields');

for (1 .. 50) {
    my $code = data(post({ owner => 'u1' }))->{code};
    $seen{$_}++ for split //, $code;
    $seen{code}{$code} = 1;
    like($code, qr/^[2-9A-HJKMNP-TV-Z]{9}$/, "$code can be read aloud");
}

is(scalar keys %{ $seen{code} }, 50, 'no two are the same');
delete $seen{code};
cmp_ok(scalar keys %seen, '==', 30, 'of 30 letters and digits');

is($t->api(GET => '/v1/codes/' . data($r)->{code})->status, 200, 'it is there');

$r = post({ owner => 'u2', code => 'MyCode' });
is($r->status, 201, 'a code of the caller\'s choice');
is(data($r)->{code}, 'MyCode', 'as it was written');

$r = post({ owner => 'u3', code => 'mycode' });
is($r->status, 409, 'not a second time');
is(data($r)->{code}, 'code_exists', 'says so');
is(data($t->api(GET => '/v1/codes/MYCODE'))->{owner}, 'u2', 'nothing changed');

for ([{ name => 'x' }, 'owner'], [{ owner => 'u1', code => 'a b' }, 'code'],
    [{ owner => 'u1', code => '' }, 'code'], [{ owner => 'u1', code => undef },
    'code'], [{ owner => ' ' }, 'owner'], [{ owner => 'u1', x => 1 }, 'x'])
{
    my $r = post($_->[0]);
    is($r->status, 422, "$_->[1]: 422");
    is(data($r)->{errors}[0]{field}, $_->[1], "$_->[1]: is named");
}


# Many.

my $before = codes();
my @lines = ({ code => 'A1', owner => 'u1' }, { owner => 'u1' }, '', '  ',
    { code => 'A1', owner => 'u2' }, '{"owner":', { code => 'A2', owner => '',
    kind => 'x' }, '[]', { code => 'A3', owner => 'u3', landing => '/a' },
    '{"owner":"a","owner":"b"}', { code => 'MYCODE', owner => 'u1' });

for my $dry (1, 0) {
    $r = many(\@lines, "?dry_run=$dry");
    my $d = data($r);
    my $name = $dry ? 'dry run' : 'for real';

    is($r->status, 200, "$name: 200");
    is($r->header('Content-Type'), 'application/json', "$name: JSON");
    is_deeply([map { [$_->{line}, $_->{status}, $_->{error}{code}] } @{ $d->{data} }],
        [[1, 201, undef], [2, 201, undef], [5, 409, 'code_exists'],
        [6, 400, 'invalid_json'], [7, 422, 'invalid_fields'],
        [8, 422, 'invalid_fields'], [9, 201, undef], [10, 400, 'invalid_json'],
        [11, 409, 'code_exists']], "$name: every line by its number");
    is_deeply([map { $_->{field} } @{ $d->{data}[4]{error}{errors} }],
        [sort qw(owner kind)], "$name: fields of a line");
    is_deeply([@$d{qw(created failed)}], [3, 6], "$name: sums");
    is($d->{data}[0]{code}, 'A1', "$name: the code of a line");
    is(!!$d->{dry_run}, !!$dry, "$name: says what it was");
    is(defined $d->{data}[1]{code}, !$dry, "$name: a generated code");
    is(codes(), $before + ($dry ? 0 : 3), "$name: so many were made");
}

is(data($t->api(GET => '/v1/codes/A1'))->{owner}, 'u1', 'the first line won');
is(data($t->api(GET => '/v1/codes/A3'))->{landing}, '/a', 'fields arrive');

$r = many(\@lines);
is_deeply([map { $_->{status} } @{ data($r)->{data} }],
    [409, 201, 409, 400, 422, 422, 409, 400, 409], 'the same again');

$r = post({ owner => 'u1', code => 'DRY' }, '?dry_run=1');
is($r->status, 200, 'a dry run of one');
is_deeply(data($r), { data => [{ line => 1, status => 201, code => 'DRY' }],
    created => 1, failed => 0, dry_run => JSON::PP::true }, 'as of many');
is($t->api(GET => '/v1/codes/DRY')->status, 404, 'made nothing');

$r = many('{"owner":"u1","code":"CR"}' . "\r\n" . '{"owner":"u1","code":"LAST"}');
is_deeply([map { $_->{status} } @{ data($r)->{data} }], [201, 201],
    'CR LF, and no LF at the end');

$r = many([map { { owner => "u$_", code => sprintf 'B%04d', $_ } } 1 .. 1000]);
my $d = data($r);
is($r->status, 200, '1000 lines');
is_deeply([@$d{qw(created failed)}], [1000, 0], 'all are made');
is_deeply([map { $_->{code} } @{ $d->{data} }], [map { sprintf 'B%04d', $_ }
    1 .. 1000], 'in their order');
is($t->api(GET => "/v1/codes/B$_")->status, 200, "B$_ is there")
    for qw(0001 0500 1000);

$r = many([map { { owner => 'u1' } } 1 .. 1001]);
is($r->status, 413, '1001 lines');
is(data($r)->{code}, 'too_many_lines', 'says so');
$r = many("\n \n\r\n");
is($r->status, 400, 'only blank lines');
is(data($r)->{code}, 'empty_body', 'says so');

$r = post('{"owner":"u1"}' . "\n" . '{"owner":"u1"}');
is($r->status, 400, 'two lines that say they are one');

for ('?dry_run=2', '?dry_run=', '?dry_run=true') {
    $r = post({ owner => 'u1' }, $_);
    is($r->status, 422, "$_: 422");
    is(data($r)->{errors}[0]{field}, 'dry_run', "$_: is named");
}


# A client that goes away while it waits.

my %auth = (Authorization => "Bearer $t->{token}{write}",
    'Content-Type' => 'application/x-ndjson');

for my $i (1 .. 20) {
    my $c = $t->connect;
    $c->send($c->format(POST => '/referral/v1/codes', \%auth, join '', map {
        "{\"owner\":\"gone\",\"code\":\"G$i-$_\"}\n" } 1 .. 50));
    $c->close;
}

ok(wait_for(sub {
    return $t->api(GET => '/v1/codes/G20-50')->status == 200
}, 10), 'what was taken is applied nevertheless');

finish();
