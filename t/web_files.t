# The files of pages: what is sent for them, with which headers, to whom; where
# they come from, and what is said when they are not there.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 120;

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;

my %text = (
    'index.html' => "<!doctype html>\n<title>A page</title>\n" . '<p>x</p>' x 99,
    'app.js'     => 'export const a = 1;' x 200,
    'app.css'    => 'p { color: red }' x 200,
    'icon.svg'   => '<svg/>',               # gzip would make it longer
);

my %type = (
    ''           => 'text/html; charset=utf-8',
    'index.html' => 'text/html; charset=utf-8',
    'app.js'     => 'text/javascript; charset=utf-8',
    'app.css'    => 'text/css; charset=utf-8',
    'icon.svg'   => 'image/svg+xml; charset=utf-8',
);

my $policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
    . "'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    . 'frame-ancestors ';

sub files {
    my ($name, %change) = @_;
    my %all = (%text, %change);

    for my $page (qw(dashboard progress)) {
        make_path("$dir/$name/$page");

        for my $file (keys %all) {
            my $path = "$dir/$name/$page/$file";
            unlink $path;
            next unless defined $all{$file};
            open my $f, '>', $path or die "$path: $!";
            print $f $file eq 'index.html' ? "$all{$file}<!-- $page -->"
                : $all{$file};
            close $f;
        }
    }

    return "$dir/$name";
}

sub conf {
    my ($web, $more) = @_;
    return <<"EOC" . ($more // '') . '}';
        $web
        referral_store %%STORE%% intake_path=%%INTAKE%%;
        referral_key_file %%KEY%%;
        referral_program friends {
            link "^/r/(?<code>[A-Za-z0-9]+)\$";
            landing https://shop.example/welcome;
            param ref;
        }
        server {
            listen 127.0.0.1:%%PORT%%;
            referral friends;
            location /referral/ { referral_api friends token_file=%%TOKENS%%; }
            location /open/ { referral_api friends auth=off; }
EOC
}

my $more = <<'EOC';
    location /mine/ { referral_progress friends; }
    location /framed/ {
        referral_progress friends frame=https://shop.example
            frame=http://127.0.0.1:8080 frame=HTTPS://Www.Shop.Example:443;
    }
    location /closed/ { referral_api friends auth=off; deny all; }
    location /password/ {
        referral_progress friends;
        auth_basic shop;
        auth_basic_user_file %%DIR%%/nobody;
    }
    location /limited/ {
        referral_progress friends;
        limit_except GET { deny all; }
    }
    location /added/ {
        referral_progress friends;
        expires 1h;
        add_header Cache-Control public;
        add_header X-Mine 1;
        gzip on;
        gzip_vary on;
        gzip_min_length 1;
    }
    location = /within.html { ssi on; }
    location /around/ { ssi on; alias %%DIR%%/html/; }
EOC

my $t = Referral::Nginx->new(conf => conf('referral_web ' . files('web') . '/;',
    $more));

open my $f, '>', $t->dir . '/nobody' or die $!;
close $f;
open $f, '>', $t->dir . '/html/within.html' or die $!;
print $f '[<!--# include virtual="/mine/" -->|<!--# include virtual="/mine/data"'
    . ' -->]';
close $f;

$t->start;

sub fetch {
    my ($path, %headers) = @_;
    my $method = delete $headers{method} || 'GET';
    return $t->request($method, $path, \%headers);
}

sub problem {
    my ($r, $status, $code, $name) = @_;
    is($r->status, $status, "$name: $status");
    is($r->header('Content-Type'), 'application/problem+json',
        "$name: a problem");
    is($r->json->{code}, $code, "$name: $code");
    is($r->header('Cache-Control'), 'no-store', "$name: is not kept");
}


# Each file, for everybody: data is what a token is for.

for my $place ('/referral/', '/open/', '/mine/') {
    my $page = $place eq '/mine/' ? 'progress' : 'dashboard';

    for my $name (sort keys %type) {
        my $r = fetch("$place$name");
        my $want = $text{$name || 'index.html'};
        $want .= "<!-- $page -->" if $name =~ /^(index.html)?$/;

        is($r->status, 200, "$place$name");
        ok($r->body eq $want, "$place$name: as it was built");
        is_deeply([map { $r->header($_) } 'Content-Type', 'Cache-Control',
                'X-Content-Type-Options', 'Referrer-Policy', 'Vary',
                'Cross-Origin-Opener-Policy', 'Cross-Origin-Resource-Policy',
                'X-Robots-Tag', 'Content-Encoding', 'Set-Cookie',
                'Access-Control-Allow-Origin'],
            [$type{$name}, 'private, no-cache', 'nosniff', 'no-referrer',
                'Accept-Encoding', 'same-origin', 'same-origin',
                'noindex, nofollow', undef, undef, undef],
            "$place$name: its headers");
        like($r->header('ETag'), qr/^"[0-9a-f]{16}"$/, "$place$name: an ETag");
    }
}

# Who may put them into a frame.

for (['/referral/', "'none'", 'DENY'], ['/mine/', "'self'", 'SAMEORIGIN'],
    ['/framed/', "'self' https://shop.example http://127.0.0.1:8080"
        . ' https://www.shop.example', undef])
{
    my ($place, $frame, $options) = @$_;

    for my $name ('', 'app.js') {
        my $r = fetch("$place$name");
        is_deeply([$r->all('Content-Security-Policy')], ["$policy$frame"],
            "$place$name: its policy");
        is_deeply([$r->all('X-Frame-Options')], [$options // ()],
            "$place$name: and for old browsers");
    }
}


# Conditional, HEAD, gzip.

my $etag = fetch('/mine/app.js')->header('ETag');
my $r = fetch('/mine/app.js', 'If-None-Match' => $etag);

is_deeply([$r->status, $r->body, $r->header('ETag'),
        $r->header('Cache-Control')],
    [304, '', $etag, 'private, no-cache'], 'what is known is not sent again');
is(fetch('/mine/app.css', 'If-None-Match' => $etag)->status, 200,
    'another file is another');

$r = fetch('/mine/app.js', method => 'HEAD');
is_deeply([$r->status, $r->body, $r->header('Content-Length'),
        $r->header('ETag')],
    [200, '', length $text{'app.js'}, $etag], 'HEAD');

sub unzipped {
    my ($data) = @_;
    require IO::Uncompress::Gunzip;
    IO::Uncompress::Gunzip::gunzip(\$data, \my $text) or return;
    return $text;
}

my $zip = fetch('/mine/app.js', 'Accept-Encoding' => 'br, gzip');

is($zip->header('Content-Encoding'), 'gzip', 'gzip when it is taken');
is(unzipped($zip->body), $text{'app.js'}, 'which holds the same');
cmp_ok(length $zip->body, '<', length($text{'app.js'}) / 10, 'and is smaller');
is($zip->header('Content-Length'), length $zip->body, 'its length');
is($zip->header('ETag'), $etag =~ s/"$/-gz"/r, 'with an ETag of its own');
is(fetch('/mine/app.js', 'Accept-Encoding' => 'gzip',
    'If-None-Match' => $zip->header('ETag'))->status, 304, 'which is known');
is(fetch('/mine/app.js', 'Accept-Encoding' => 'gzip',
    'If-None-Match' => $etag)->status, 200, 'and the other is not');
is(fetch('/mine/app.js', 'Accept-Encoding' => 'gzip;q=0')
    ->header('Content-Encoding'), undef, 'not where it is refused');
is(fetch('/mine/icon.svg', 'Accept-Encoding' => 'gzip')
    ->header('Content-Encoding'), undef, 'not what becomes longer by it');


# What else is asked there.

for my $place ('/referral/', '/mine/') {
    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        $r = fetch($place, method => $method);
        problem($r, 405, 'method_not_allowed', "$method $place");
        is($r->header('Allow'), 'GET, HEAD', "$method $place: which are");
    }

    is($t->request(POST => "${place}app.js",
        { 'Content-Type' => 'text/plain' }, 'x' x 9000)->status, 405,
        "${place}app.js: a body is passed over");
}

problem(fetch("/mine/$_"), 404, 'not_found', "/mine/$_")
    for 'other.js', 'app.js/', 'app.js.gz', 'v1';
problem(fetch('/referral/other.js'), 401, 'unauthorized', '/referral/other.js');
is($t->api(GET => '/other.js')->status, 404, 'and with a token, 404');
is($t->api(GET => '/v1/codes')->status, 200, 'the endpoint is there as ever');
is($t->api(GET => '/')->status, 200, 'a token does no harm');

is(fetch('/closed/')->status, 403, 'access rules hold');
is(fetch('/password/')->status, 401, 'passwords, too');
is(fetch('/limited/')->status, 200, 'limit_except');
is(fetch('/limited/', method => 'POST')->status, 403, 'and what it denies');

$r = fetch('/added/', 'Accept-Encoding' => 'gzip');
is_deeply([$r->all('Cache-Control')], ['private, no-cache'],
    'neither expires nor add_header undo it');
is($r->header('Expires'), undef, 'nor beside it');
is($r->header('X-Mine'), 1, 'other headers are added');
is(unzipped($r->body), "$text{'index.html'}<!-- progress -->",
    'compressed once');

$r = fetch('/mine/?ref=ANNA42');
is_deeply([$r->status, $r->header('Set-Cookie')], [200, undef],
    'a page of ours is no page of the shop');
is(fetch('/mine/app.js?v=2')->status, 200, 'with arguments');

$r = fetch('/within.html');
is($r->status, 200, 'a page that wants them inside');
unlike($r->body, qr/doctype|progress/, 'does not get them');


# Without the slash.

for (['/referral', '/referral/'], ['/mine', '/mine/'],
    ['/mine?a=1', '/mine/?a=1'], ['/framed', '/framed/'])
{
    my ($path, $want) = @$_;

    for my $host ('shop.example', 'evil.example', 'shop.example@evil.example') {
        $r = fetch($path, Host => $host);
        is_deeply([$r->status, $r->all('Location')], [301, $want],
            "$path at $host: with the slash");
    }
}


# Read with the configuration, and not before the next.

my $before = fetch('/mine/app.js')->header('ETag');

files('web', 'app.js' => 'export const b = 2;');
is(fetch('/mine/app.js')->header('ETag'), $before,
    'what changes on disk is not seen');
files('web', 'app.js' => undef);
is(fetch('/mine/app.js')->status, 200, 'nor what goes');

files('web', 'app.js' => 'export const b = 2;');
$t->reload;
$r = fetch('/mine/app.js');
isnt($r->header('ETag'), $before, 'until a reload');
is($r->body, 'export const b = 2;', 'which reads them again');


# Not there.

sub check {
    my ($sentence, $name, $web, $more) = @_;
    my ($code, $out) = nginx_t(conf($web, $more));
    my @emerg = $out =~ /^.*\[emerg\].*$/mg;

    return is($code, 0, $name) || diag($out) unless $sentence;

    ok($code != 0 && @emerg == 1 && $emerg[0] =~ $sentence
        && $emerg[0] =~ m{ in /\S+/nginx\.conf:\d+$}, "wrong: $name")
        or diag("status $code, expected $sentence\n$out");
}

my $one = 'location /mine/ { referral_progress friends; }';

check(undef, 'the endpoint alone needs no files', '');
check(undef, 'also where they should be', "referral_web $dir;");
check(undef, 'a path below the prefix', 'referral_web html;');
check(qr/"$dir\/none" failed \(2: No such file/, 'no such directory',
    "referral_web $dir/none;");
check(qr/"\S+app\.js" is not a directory/, 'a file', "referral_web $dir/web/"
    . 'progress/app.js;');
check(qr/needs a directory/, 'nothing', 'referral_web "";');
check(qr/is duplicate/, 'twice', "referral_web $dir; referral_web $dir;");
check(qr/"referral_web" has no page for "referral_progress": "\/usr\/share\S+"/
    , 'a page without files', '', $one)
    unless -e '/usr/share/nginx-referral/web/progress';
check(qr/"\Q$dir\E\/progress\/index\.html" cannot be opened/,
    'a page without its directory', "referral_web $dir;", $one);

files('gone', 'app.css' => undef);
check(qr/"\S+\/gone\/progress\/app\.css" cannot be opened \(2:/,
    'a page without a file', "referral_web $dir/gone;", $one);
check(undef, 'the endpoint without a file', "referral_web $dir/gone;");

files('empty', 'app.css' => '');
check(qr/"\S+app\.css" is empty or larger than 4m/, 'an empty file',
    "referral_web $dir/empty;", $one);
files('large', 'app.css' => 'x' x (4 * 1024 * 1024 + 1));
check(qr/"\S+app\.css" is empty or larger than 4m/, 'a large one',
    "referral_web $dir/large;", $one);
files('odd', 'app.css' => undef);
mkdir "$dir/odd/progress/app.css";
check(qr/"\S+app\.css" is not a regular file/, 'a directory for a file',
    "referral_web $dir/odd;", $one);
files('fifo', 'app.css' => undef);
system 'mkfifo', "$dir/fifo/progress/app.css";
check(qr/"\S+app\.css" is not a regular file/, 'nobody waits for a FIFO',
    "referral_web $dir/fifo;", $one);

$t->reload(conf("referral_web $dir/gone;"));
$r = fetch('/referral/');
problem($r, 404, 'page_not_installed', 'the endpoint has no page');
is($r->json->{detail}, 'the page is not installed, the error log says why',
    'and says so, but not where it should be');
my @why = $t->log =~ /\[warn\].*(the page of "referral_api" is not .*)/g;
like($why[-1], qr{: .*"\Q$dir\E/gone/dashboard/app\.css".* in \S+:\d+$},
    'which the log does');
problem(fetch('/referral/app.js'), 401, 'unauthorized', 'nor its files');
is($t->api(GET => '/v1/codes')->status, 200, 'but is there');

finish();
