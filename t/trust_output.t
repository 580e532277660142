# What comes out, read by others: JSON by Python, jq, PHP and Node, metrics by
# the parser of OpenMetrics that its authors wrote, CSV by Python.

use strict;
use warnings;
use utf8;

use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use lib 't/lib';
use Referral::Nginx timeout => 90;
use Referral::Run qw(run);
use Referral::Texts;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing https://shop.example/welcome;
        event purchase points=10;
        event a-b_9 points=1;
        reward cut to=referrer on=purchase value=10%;
        reward mug to=friend on=a-b_9 "value=@SUM(A1), \"a\"";
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;

sub slurp {
    my ($file) = @_;
    open my $f, '<:raw', $file or die "$file: $!";
    local $/;
    return scalar <$f>;
}

sub spew {
    my ($name, $bytes) = @_;
    my $file = $t->dir . "/$name";
    open my $f, '>:raw', $file or die "$file: $!";
    print $f $bytes;
    close $f or die "$file: $!";
    return $file;
}


# Texts that somebody somewhere got wrong.

my @texts = (Referral::Texts::texts(), map { chr } 0x20 + 1 .. 0x7e);

srand 4;
push @texts, join '', map { my $c = (int rand 0x80, int rand 0x800,
    int rand 0x10000, 0x10000 + int rand 0x100000)[int rand 4];
    $c < 0x21 || $c == 0x7f || $c >= 0xd800 && $c <= 0xdfff ? 'x' : chr $c }
    1 .. 1 + int rand 30 for 1 .. 300;

my $json = JSON::PP->new->utf8;
my $r = $t->api(POST => '/v1/codes', join('', map { $json->encode({ owner =>
    "u$_", code => sprintf('T%03d', $_), name => $texts[$_] }) . "\n" }
    0 .. $#texts), headers => { 'Content-Type' => 'application/x-ndjson' });

is($r->json->{created}, scalar @texts, 'all are taken as names');

my @bodies;
my $after = '';

while (defined $after) {
    $r = $t->api(GET => "/v1/codes?limit=250" . ($after && "&after=$after"));
    $after = $r->json->{next};
    push @bodies, $r->body =~ s/\n\z//r;
}

my $file = spew('all.json', '[' . join(',', @bodies) . ']');

unlike(join('', @bodies), qr/[\x00-\x1f\x7f<>&]|\xe2\x80[\xa8\xa9]/,
    'nothing that HTML, JavaScript or a terminal would take for more');

my %reader = (
    python => ['/usr/bin/python3', '-c', 'import json, sys; [print(json.dumps('
        . '[c["name"]])) for p in json.load(open(sys.argv[1], encoding="utf-8"))'
        . ' for c in p["data"]]', $file],
    jq => ['jq', '-ac', '.[].data[] | [.name]', $file],
    node => ['node', '-e', 'for (const p of JSON.parse(require("fs")'
        . '.readFileSync(process.argv[1], "utf8"))) for (const c of p.data)'
        . ' console.log(JSON.stringify([c.name]))', $file],
    php => ['php', '-r', 'foreach (json_decode(file_get_contents($argv[1]),'
        . ' true, 512, JSON_THROW_ON_ERROR) as $p) foreach ($p["data"] as $c)'
        . ' echo json_encode([$c["name"]]), "\n";', $file],
);

for my $name (sort keys %reader) {
    my ($code, $out, $err) = run({}, @{ $reader{$name} });

    my @got = map { JSON::PP->new->utf8->decode($_)->[0] } split /\n/, $out;
    is_deeply(\@got, \@texts, "$name reads what was written")
        or diag $code, $err;
}


# Everything else that has such texts in it.

my $odd = 0;

for my $text (@texts[0 .. 60]) {
    my $r = $t->api(POST => '/v1/conversions', { event => $odd % 2 ? 'a-b_9'
        : 'purchase', order_id => $text, customer_id => $text, code => 'T001',
        amount => 4999, currency => (qw(EUR JPY KWD))[$odd++ % 3] });
    is($r->status, 201, "order $odd is taken");
    is($r->json->{order_id}, $text, 'and comes back');
}

$t->api(POST => '/v1/conversions/a%2Cb/refunds', { refund_id => '=1',
    reason => 'a "reason", with = and ' . "\x{ff1d}" });
$t->get("/r/T00$_") for 1 .. 3;

for (split /\n/, $t->api(GET => '/v1/journal?limit=1000')->body) {
    my $line = eval { JSON::PP->new->utf8->decode($_) };
    next if ref $line;
    fail("the journal is JSON: $_");
}


# CSV, strictly.

my $python = spew('read_csv.py', <<'EOP');
import csv, json, sys
rows = list(csv.reader(open(sys.argv[1], encoding="utf-8", newline=""),
                       strict=True))
print(json.dumps(rows))
EOP

for my $name (qw(conversions rewards codes counters)) {
    my $r = $t->api(GET => "/export/$name.csv");
    my ($code, $out, $err) = run({}, '/usr/bin/python3', $python,
        spew("$name.csv", $r->body));
    my ($head, @rows) = @{ $code eq '0' ? $json->decode($out)
        : [['?']] };

    is($code, 0, "$name.csv: Python reads it") or diag $err;
    cmp_ok(scalar @rows, '>', 2, 'with its rows');
    is(scalar(grep { @$_ != @$head } @rows), 0, 'as wide as their head');
    is(scalar(grep { /^\s*[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]/ }
        map { @$_ } @rows), 0, 'and no formula');

    my %at = map { $head->[$_] => $_ } 0 .. $#$head;
    my $column = { conversions => 'order_id', codes => 'name' }->{$name} // next;
    my %seen = map { $_->[ $at{$column} ] => 1 } @rows;

    is(scalar(grep { !$seen{$_} && !$seen{"'$_"} } @texts[0 .. 60]), 0,
        "each $column is there");
    is($r->header('X-Content-Type-Options'), 'nosniff', 'nosniff');
}


# Metrics: a line, a family, a label too many or too few is an error there.

my $metrics = spew('read_metrics.py', <<'EOP');
import json, sys
from prometheus_client.openmetrics.parser import \
    text_string_to_metric_families as families
text = open(sys.argv[1], encoding="utf-8", newline="").read()
print(json.dumps([[s.name, s.labels, s.value] for f in families(text)
                  for s in f.samples]))
EOP

$r = $t->api(GET => '/metrics');
my ($code, $out, $err) = run({}, '/usr/bin/python3', $metrics,
    spew('metrics', $r->body));

is($code, 0, 'metrics are OpenMetrics') or diag $err;

my @samples = $code eq '0' ? @{ JSON::PP->new->utf8->decode($out) } : ();
my %label = map { $_ => 1 } map { keys %{ $_->[1] } } @samples;

is(join(' ', sort keys %label), 'class currency event program result',
    'labels are of a few, known values');
is(scalar(grep { "@{[ %{ $_->[1] } ]}" =~ /T\d{3}|u1\b/ } @samples), 0,
    'none of a code or a person');
my ($sum) = grep { $_->[0] eq 'referral_amount_total'
    && $_->[1]{event} eq 'a-b_9' && $_->[1]{currency} eq 'JPY' } @samples;
is($sum->[2], 4999 * 10, 'an event, a currency');

$r = $t->api(GET => '/metrics', undef, token => undef);
is($r->status, 401, 'metrics are not for everybody');


# A scrape does not get longer with the codes.

my $codes = spew('codes', join '', map { qq({"code":"C$_","owner":"o$_"}\n) }
    1 .. 10_000);
($code, $out, $err) = run({}, "$Referral::Nginx::BUILD/referralctl",
    qw(import codes), $t->store, 'friends', $codes);
is($code, 0, '10,000 codes') or diag $err;

my $least = 1;

for (1 .. 20) {
    my $start = time;
    $t->api(GET => '/metrics');
    my $took = time - $start;
    $least = $took if $took < $least;
}

cmp_ok($least, '<', 0.05, 'a scrape takes less than 50 ms');
like($t->api(GET => '/metrics')->body,
    qr/^referral_store_codes @{[ 10_000 + @texts ]}$/m, 'and knows them');

finish();
