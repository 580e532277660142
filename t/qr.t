# QR codes, read by another library: by zbarimg, SVG as rsvg-convert draws it.

use strict;
use warnings;

use Compress::Zlib qw(uncompress);
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Run qw(run);

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9_-]{1,64})(?:/(?<channel>[a-z]{1,16}))?$";
        landing https://shop.example/;
    }
    referral_program plain {
        link "^/p/(?<code>[A-Za-z0-9_-]{1,64})$";
        landing https://shop.example/;
        share_link "https://shop.example/p/{code}?x=LONG";
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /plain/ { referral_api plain token_file=%%TOKENS%%; }
        location /share/ { referral_share friends; }
        location /long/ { referral_share plain; }
    }
EOC

my $long = 'x' x 470;
$t->conf($t->{conf} =~ s/LONG/$long/r);
$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
$t->api(PUT => '/v1/codes/' . 'L' x 64, { owner => 'u1' }, prefix => '/plain');

my $link = 'https://shop.example/r/ANNA42';

sub image {
    my ($args, $kind, $path) = @_;
    return $t->get(($path // '/share/ANNA42') . "/qr.$kind"
        . ($args && "?$args"));
}

# What a reader sees, and how large it is.

sub seen {
    my ($r, $kind) = @_;
    my $file = $t->dir . "/code.$kind";

    return $r->status if $r->status != 200;
    open my $f, '>:raw', $file or die "$file: $!";
    print $f $r->body;
    close $f or die "$file: $!";

    if ($kind eq 'svg') {
        my ($rc, $out, $err) = run({}, 'rsvg-convert', '-o', "$file.png",
            $file);
        return "rsvg-convert: $err" if $rc;
        $file = "$file.png";
    }

    open $f, '<:raw', $file or die "$file: $!";
    read $f, my ($head), 24;
    my ($width, $height) = unpack 'x16NN', $head;
    my ($rc, $out, $err) = run({}, 'zbarimg', '-q', '--raw', $file);
    chomp $out;
    return "$out ${width}x$height";
}

sub modules {
    return $_[0]->body =~ /viewBox="-4 -4 (\d+) \1"/ ? $1 : 0;
}


for my $kind (qw(png svg)) {
    my $r = image('', $kind);

    is($r->header('Content-Type'), { png => 'image/png',
        svg => 'image/svg+xml' }->{$kind}, "$kind: the type");
    is($r->header('Cache-Control'), 'public, max-age=300', 'kept for a while');
    is($r->header('Cross-Origin-Resource-Policy'), 'cross-origin',
        'mails may show it');
    is($r->header('X-Content-Type-Options'), 'nosniff', 'as what it is');
    is($r->header('Set-Cookie'), undef, 'without a cookie');
    is(image('', $kind)->header('ETag'), $r->header('ETag'), 'the same again');
    is($t->get("/share/ANNA42/qr.$kind", 'If-None-Match' => $r->header('ETag'))
        ->status, 304, 'which is known');

    is(seen($r, $kind), "$link/qr 512x512", "$kind: it leads to its channel");
    is(seen(image('channel=', $kind), $kind), "$link 512x512", 'or to none');
    is(seen(image('channel=poster', $kind), $kind), "$link/poster 512x512",
        'or to any');

    is(seen(image("level=$_", $kind), $kind), "$link/qr 512x512", "level $_")
        for qw(L M Q H);
    is(seen(image("size=$_&level=L", $kind), $kind), "$link/qr ${_}x$_",
        "$_ pixels") for 128, 200, 333, 512, 1000, 1024;

    is(image($_, $kind)->status, 400, "refused: $_") for 'size=63', 'size=1025',
        'size=', 'size=x', 'size=1e3', 'size=-200', 'size=99999999999999999999',
        'level=', 'level=l', 'level=X', 'level=LM', 'channel=a.b',
        'channel=' . 'a' x 17, 'channel=A', 'channel=%61', 'channel=a/b';
    is(image('utm_source=mail', $kind)->status, 200,
        'what is meant for others');

    # the longest link there is, in the smallest image

    my $far = image('level=H&size=64', $kind, '/long/' . 'L' x 64);
    like(seen($far, $kind), qr/64x64$/, 'small') if $kind eq 'svg';
    is(seen(image('level=H&size=1024', $kind, '/long/' . 'L' x 64), $kind),
        'https://shop.example/p/' . 'L' x 64 . "?x=$long 1024x1024",
        'a long link');
}

my $far = image('level=H&size=64', 'png', '/long/' . 'L' x 64);
like(seen($far, 'png'), qr/ (\d+)x\1$/, 'an image is never smaller than its'
    . ' modules');
cmp_ok((seen($far, 'png') =~ / (\d+)x/)[0], '>', 100,
    'of which there are many');
cmp_ok(length $t->api(GET => '/v1/codes/' . 'L' x 64 . '/qr.png?size=2048'
    . '&level=H', undef, prefix => '/plain')->body, '<', 40_000,
    'and a large one has few bytes');

my @n = map { modules(image("level=$_", 'svg')) } qw(L M Q H);
cmp_ok($n[0], '<', $n[3], 'a higher level takes more modules');
is("@n", join(' ', sort { $a <=> $b } @n), 'each at least as many');


# The endpoint has the same.

for my $kind (qw(png svg)) {
    my $path = "/v1/codes/ANNA42/qr.$kind";
    my $r = $t->api(GET => "$path?size=300&level=Q&channel=wa");

    is($r->body, image('size=300&level=Q&channel=wa', $kind)->body,
        "$kind: the same of the endpoint");
    is($t->api(GET => $path, undef, headers => { 'If-None-Match' =>
        $t->api(GET => $path)->header('ETag') })->status, 304,
        'which is known');
    is($t->api(GET => $path, undef, token => undef)->status, 401,
        'not for everybody');
    is(seen($t->api(GET => "$path?size=2048"), $kind), "$link/qr 2048x2048",
        'and larger than for everybody');
    is($t->api(GET => "/v1/codes/NOBODY/qr.$kind")->status, 404, 'unknown');
    is($t->api(GET => "$path?pixels=3")->status, 400, 'no such parameter');

    for (['size=1', 'size'], ['size=2049', 'size'],
        ['level=x', 'level'], ['channel=B', 'channel'],
        ['channel=a.b', 'channel'])
    {
        my $r = $t->api(GET => "$path?$_->[0]");
        is($r->status, 422, "$_->[0] is refused");
        is($r->json->{errors}[0]{field}, $_->[1], 'by its name');
    }
}

# A reader forgives much: module by module, both kinds are one image.

{
    my $svg = image('level=Q&size=370', 'svg')->body;
    my $n = $svg =~ /viewBox="-4 -4 (\d+) / ? $1 : 0;
    my $size = 7 * $n + 5;
    my $png = image("level=Q&size=$size", 'png')->body;
    my $data = '';

    while ($png =~ /\GIDAT|(?<=.{4})IDAT/sg) {
        $data .= substr $png, pos $png, unpack 'N', substr $png,
            pos($png) - 8, 4;
    }

    my $rows = uncompress($data);
    my $bytes = int(($size + 7) / 8);
    my @above = (0) x $bytes;
    my ($filters, @rows) = '';

    for my $y (0 .. $size - 1) {
        my ($filter, @row) = unpack 'C*', substr $rows, $y * ($bytes + 1),
            $bytes + 1;
        @above = map { ($row[$_] + ($filter == 2 ? $above[$_] : 0)) % 256 }
            0 .. $bytes - 1;
        $filters .= $filter;
        push @rows, substr unpack('B*', pack 'C*', @above), 0, $size;
    }

    my @dark = map { '1' x $size } 1 .. $size;
    my $margin = int(($size - 7 * ($n - 8)) / 2);

    while ($svg =~ /M(\d+) (\d+)h(\d+)v1H\1z/g) {
        substr($dark[$margin + 7 * $2 + $_], $margin + 7 * $1, 7 * $3)
            = '0' x (7 * $3) for 0 .. 6;
    }

    like($filters, qr/^[02]+$/, 'rows as they are, or against those above');
    is_deeply(\@rows, \@dark, 'a PNG has the modules of the SVG');
}

$t->api(PUT => '/v1/codes/ANNA42', { status => 'paused' });
is(image('', 'png')->status, 404, 'none of a code that leads nowhere');
is($t->api(GET => '/v1/codes/ANNA42/qr.png')->status, 409, 'nor there');

finish();
