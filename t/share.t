# Sharing a code: what the endpoint says of it, and the public page, which is
# HTML for browsers without JavaScript as well.

use strict;
use warnings;
use utf8;

use JSON::PP;
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Run qw(run);
use Referral::Texts;

my $link = '"^/r/(?<code>[A-Za-z0-9_-]{1,64})'
    . '(?:/(?<channel>[a-z0-9]{1,16}))?$"';

my $conf = <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;
    referral_program friends {
        link $link;
        landing https://shop.example/welcome?utm_source=referral;
        reward cut to=referrer on=purchase value=5%;
        reward ten-off to=friend on=signup "value=10% & more";
        reward mug to=friend on=purchase value=mug;
        message "{name} gives you {reward}:\n{link}";
        message de "{name} schenkt dir {reward}. {disclosure} {link}";
        message pt-BR "{link} é de {name}";
        disclosure "I get a reward.";
        disclosure de "Anzeige";
        terms /terms?a=1&b=2;
    }
    referral_program plain {
        link "^/p/(?<code>[A-Z0-9]{6})\$";
        landing https://shop.example:8443/;
    }
    referral_program asked {
        link "^/(?:a|b)/(?<code>[A-Za-z0-9]+)\$";
        param via;
        landing /welcome;
        base http://shop.example;
        disclosure "#ad";
        reward gift to=friend on=signup;
    }
    referral_program told {
        link "^/(?:c|d)/(?<code>[a-z]+)\$";
        link "^/(?<channel>wa|tg)/(?<code>[a-z]{3}-[0-9]+)\$";
        landing https://shop.example/;
        share_link "https://go.example/{channel}/{code}";
    }
    referral_program hidden {
        link "^/(?:h|i)/(?<code>[a-z]+)\$";
        landing https://shop.example/;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        referral_consent \$http_x_consent;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /plain/ { referral_api plain token_file=%%TOKENS%%; }
        location /asked/ { referral_api asked token_file=%%TOKENS%%; }
        location /told/ { referral_api told token_file=%%TOKENS%%; }
        location /hidden/ { referral_api hidden token_file=%%TOKENS%%; }
        location /share/ { referral_share friends; }
        location /again/ { referral_share friends; referral friends;
            if (\$arg_if) { set \$x 1; } }
        location /asks/ { referral_share asked; }
        location /plains/ { referral_share plain; }
        location = /nowhere { error_page 404 /share/ANNA42; return 404; }
    }
EOC

utf8::encode($conf);
my $t = Referral::Nginx->new(conf => $conf);
$t->start;

my %program = (friends => '/referral', plain => '/plain', asked => '/asked',
    told => '/told', hidden => '/hidden');

sub code {
    my ($program, $code, %fields) = @_;
    my $r = $t->api(PUT => "/v1/codes/$code", { owner => "o-$code", %fields },
        prefix => $program{$program});
    BAIL_OUT("PUT $code: " . $r->body) unless $r->status =~ /^20[01]$/;
}

sub shared {
    my ($program, $code, %opt) = @_;
    my $r = $t->api(GET => "/v1/codes/$code/share" . ($opt{args} // ''), undef,
        prefix => $program{$program}, headers => { 'Accept-Language' =>
        $opt{accept} }, exists $opt{token} ? (token => $opt{token}) : ());
    return $r;
}

sub decoded {
    my ($text) = @_;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    utf8::decode($text);
    return $text;
}

code('friends', 'ANNA42', name => 'Anna & Co');
code('friends', 'nameless');


# The document.

my $r = shared('friends', 'ANNA42');
my $d = $r->json;
my $base = 'https://shop.example/r/ANNA42';

is($r->status, 200, 'the endpoint knows how to share a code');
is($r->header('Content-Type'), 'application/json', 'as JSON');
is(join(' ', sort keys %$d), 'channels code disclosure lang link message name '
    . 'program qr targets terms', 'with these members');
is_deeply([@$d{qw(program code name link lang)}], ['friends', 'ANNA42',
    'Anna & Co', $base, undef], 'who, what, and no language');
is($d->{message}, "Anna & Co gives you 10% & more:\n$base", 'the message');
is($d->{disclosure}, 'I get a reward.', 'what has to be said with it');
is($d->{terms}, 'https://shop.example/terms?a=1&b=2', 'terms, on the base');
is_deeply($d->{channels}, { map { $_ => "$base/$_" } qw(wa tg mail sms x fb in
    copy share qr) }, 'a link of each channel');
is_deeply($d->{qr}, { svg => 'qr.svg', png => 'qr.png' }, 'and a QR code');

is_deeply([map { "$_->{id} $_->{channel}" } @{ $d->{targets} }], ['whatsapp wa',
    'telegram tg', 'email mail', 'sms sms', 'x x', 'facebook fb', 'linkedin in',
    'copy copy', 'share share'], 'where to, in this order');

my %url = map { $_->{id} => $_->{url} } @{ $d->{targets} };
my $text = sub { "Anna & Co gives you 10% & more:\n$base/$_[0]" };

is(join(' ', sort grep { !defined $url{$_} } keys %url), 'copy share',
    'of which two are done by the page');
unlike($_, qr/[^!-~]|["<>\\^`{|}]/, 'a URL as it should be') for
    grep { defined } values %url;

for (['whatsapp', qr{^https://wa\.me/\?text=([^&]*)$}, $text->('wa')],
    ['telegram', qr{^https://t\.me/share/url\?url=([^&]*)&text=},
        "$base/tg"],
    ['telegram', qr{&text=([^&]*)$}, 'Anna & Co gives you 10% & more:'],
    ['email', qr{^mailto:\?subject=([^&]*)&body=}, 'A recommendation'],
    ['email', qr{&body=([^&]*)$}, $text->('mail') =~ s/\n/\r\n/r],
    ['sms', qr{^sms:\?&body=([^&]*)$}, $text->('sms')],
    ['x', qr{^https://x\.com/intent/post\?text=([^&]*)$}, $text->('x')],
    ['facebook', qr{^https://www\.facebook\.com/sharer/sharer\.php\?u=([^&]*)$},
        "$base/fb"],
    ['linkedin', qr{^https://www\.linkedin\.com/sharing/share-offsite/\?url=
        ([^&]*)$}x, "$base/in"])
{
    my ($id, $re, $want) = @$_;
    is(decoded($url{$id} =~ $re ? $1 : "no match: $url{$id}"), $want,
        "$id says it");
}

$d = shared('friends', 'nameless')->json;
is($d->{name}, undef, 'a code without a name');
like($d->{message}, qr/^nameless gives you/, 'is called by its code');


# The links lead where they should, and are counted where they came from.

for my $channel (qw(wa qr)) {
    my ($path) = shared('friends', 'ANNA42')->json->{channels}{$channel}
        =~ m{^https://shop\.example(/.*)};
    is($t->get($path)->status, 302, "the link of $channel leads on");
}

Referral::Nginx::wait_for(sub { my %n = map { $_->{channel} // '' =>
    $_->{clicks}{human} } @{ $t->api(GET => '/v1/counters?by=channel')
    ->json->{data} }; ($n{wa} // 0) == 1 && ($n{qr} // 0) == 1 }, 5)
    ? pass('and counts') : fail('and counts');


# Links of programs that have no share_link, and of one that has.

code('plain', 'ABC123');
$d = shared('plain', 'ABC123')->json;
is($d->{link}, 'https://shop.example:8443/p/ABC123', 'told from the link');
is($d->{channels}{wa}, $d->{link}, 'which has no channel');
is($d->{lang}, 'en', 'a program without messages speaks English');
is($d->{message}, "I think you will like this shop. Here is my link: "
    . $d->{link}, 'and says this');
is_deeply([@$d{qw(disclosure terms)}], [undef, undef], 'nothing else');
is(shared('plain', 'ABC123', accept => 'sk, de-AT;q=0.5')->json->{message},
    'Dieser Shop könnte dir gefallen. Hier ist mein Link: ' . $d->{link},
    'or it in German');

code('asked', 'Bob7');
$d = shared('asked', 'Bob7')->json;
is($d->{link}, 'http://shop.example/?via=Bob7', 'told from the parameter');
is($d->{message}, "#ad I think you will like this shop. With my link you get "
    . "gift: $d->{link}", 'a reward without a value, a disclosure in front');

code('told', 'abc-1');
$d = shared('told', 'abc-1')->json;
is($d->{channels}{wa}, 'https://go.example/wa/abc-1', 'as share_link says');
is($d->{channels}{tg}, 'https://go.example/tg/abc-1', 'with its channels');
is($d->{channels}{$_}, $d->{link}, "$_, which the link does not take") for
    qw(mail qr share);


# A code that no link takes is not handed out with one.

code('plain', 'abc124');
is(shared('plain', 'abc124')->json->{link}, 'https://shop.example:8443/p/ABC124',
    'links have a code as they take it, where case does not count');
is(shared('plain', 'abc124')->json->{code}, 'abc124', 'which keeps its own');

code('told', 'XYZ-1');
is(shared('told', 'XYZ-1')->json->{channels}{tg},
    'https://go.example/tg/xyz-1', 'or in lower case');

code('plain', 'TOOLONG');
$r = shared('plain', 'TOOLONG');
is($r->status . $r->json->{code}, '409no_share_link', 'a code of no link');
like($r->json->{detail}, qr/none of its links with this code/, 'for a reason');
is($t->api(GET => "/v1/codes/TOOLONG/qr.$_", undef, prefix => '/plain')->status,
    409, "no qr.$_") for qw(svg png);
is($t->get("/plains/TOOLONG$_")->status, 404, "no page$_") for '', '/data',
    '/qr.svg', '/qr.png';
is($t->get("/plains/abc124$_")->status, 200, "but of a right one: $_") for '',
    '/data', '/qr.svg', '/qr.png';

code('hidden', 'abc');
$r = shared('hidden', 'abc');
is($r->status . $r->json->{code}, '409no_share_link', 'no link at all');


# Languages.

for (['de', 'de', 'Anna & Co schenkt dir 10% & more. Anzeige ' . $base],
    ['de-AT, en;q=0.9', 'de', undef], ['en', undef, undef],
    ['pt-BR,de;q=0.1', 'pt-BR', "$base é de Anna & Co"], ['pt', undef, undef],
    ['xx;q=1, DE;q=0.1', 'de', undef], ['*', undef, undef])
{
    my ($accept, $want, $message) = @$_;

    for my $r (shared('friends', 'ANNA42', accept => $accept),
        $t->get('/share/ANNA42/data', 'Accept-Language' => $accept),
        $t->get('/share/ANNA42', 'Accept-Language' => $accept))
    {
        is($r->header('Content-Language'), $want, "$accept: " . ($want
            // 'the one without a language'));
        like($r->header('Vary'), qr/\bAccept-Language\b/, 'which is said');
        is($r->json->{message}, $message, 'and this is the message')
            if defined $message && $r->header('Content-Type') =~ /json/;
    }
}

is(shared('friends', 'ANNA42', args => '?lang=de', accept => 'pt-BR')->json
    ->{lang}, 'de', 'lang= is asked first');
is($t->get('/share/ANNA42/data?lang=pt-BR')->json->{lang}, 'pt-BR',
    'on the page, too');
is(shared('friends', 'ANNA42', args => '?lang=pt-BR')->json->{disclosure},
    'I get a reward.', 'a disclosure in another language than the message');
is($t->get('/share/ANNA42/data?lang=%00%ff')->status, 200,
    'the page does not mind a wrong one');
$r = shared('friends', 'ANNA42', args => '?lang=d');
is($r->status . $r->json->{errors}[0]{field}, '422lang', 'the endpoint does');


# What the endpoint refuses.

is(shared('friends', 'ANNA42', token => undef)->status, 401, 'without a token');
is(shared('friends', 'ANNA42', token => $t->{token}{read})->status, 200,
    'read is enough');
$r = shared('friends', 'NOBODY');
is($r->status . $r->json->{code}, '404code_not_found', 'an unknown code');

code('friends', "gone$_") for 1, 2;
code('friends', 'gone1', status => 'paused');
is($t->api(DELETE => '/v1/codes/gone2')->status, 204, 'a code ends');

for (1, 2) {
    $r = shared('friends', "gone$_");
    is($r->status . $r->json->{code}, '409code_not_active',
        'one that leads nowhere');
}

is($t->api($_ => '/v1/codes/ANNA42/share')->status, 405, "$_ is not for it")
    for qw(POST PUT DELETE);
is($t->api(GET => '/v1/codes/ANNA42/share?a=b')->status, 400,
    'an unknown parameter');

my $etag = shared('friends', 'ANNA42')->header('ETag');
is($t->api(GET => '/v1/codes/ANNA42/share', undef, headers => {
    'If-None-Match' => $etag, 'Accept-Language' => undef })->status, 304,
    'nothing new');
isnt(shared('friends', 'ANNA42', accept => 'de')->header('ETag'), $etag,
    'another language, another document');


# The page.

$r = $t->get('/share/ANNA42');
my $page = $r->body;
utf8::decode($page);

is($r->status, 200, 'there is a page');
is($r->header('Content-Type'), 'text/html; charset=utf-8', 'HTML');
is($r->header('Cache-Control'), 'public, max-age=300', 'kept for a while');
is($t->get('/share/ANNA42', Authorization => 'Basic dTpw')
    ->header('Cache-Control'), 'private, max-age=300', 'by its owner only, '
    . 'where it needs a password');
my $nowhere = $t->get('/nowhere');
is($nowhere->status, 404, 'an error page');
like($nowhere->body, qr/ANNA42/, 'which it may be');
is($nowhere->header('Cache-Control'), 'no-store', 'is kept by nobody');
is($r->header('X-Robots-Tag'), 'noindex, nofollow', 'not by search engines');
is($r->header('Referrer-Policy'), 'no-referrer', 'and telling nobody');
like($r->header('Content-Security-Policy'),
    qr/^default-src 'none';.* frame-ancestors 'none'$/, 'nothing but its own');
is($r->header('Set-Cookie'), undef, 'without a cookie');
unlike($page, qr/<script(?! src=)|<style|\son\w+=|javascript:/i,
    'nothing inline');
unlike($page, qr/[{}]/, 'everything is filled in');

$etag = $r->header('ETag');
is($t->get('/share/ANNA42', 'If-None-Match' => $etag)->status, 304,
    'what is known is not sent');
is($t->get('/share/ANNA42', 'If-None-Match' => '"x"')->status, 200,
    'anything else is');
is($t->get('/share/anna42')->body, $r->body, 'the code in any case');
is($t->get("/share/ANNA42?utm_source=mail&ref=ANNA42")->body, $r->body,
    'whatever was put behind it');

my %page = %{ $t->get('/share/ANNA42/data')->json };
my %same = %{ shared('friends', 'ANNA42')->json };
is_deeply(\%page, \%same, 'its data is that of the endpoint');
unlike($page . $t->get('/share/ANNA42/data')->body, qr/o-ANNA42/,
    'and has no owner');

for (['app.js', 'text/javascript'], ['app.css', 'text/css'],
    ['icon.svg', 'image/svg+xml'])
{
    my $r = $t->get("/share/$_->[0]");
    is($r->status, 200, "$_->[0] is there");
    is($r->header('Content-Type'), "$_->[1]; charset=utf-8", 'with its type');
}

my $slash = $t->get('/share/ANNA42/');
is($slash->status, 200, 'with a slash at its end');
like($slash->body, qr{"\.\./app\.css".*"\.\./app\.js".*"qr\.svg}s,
    'it finds its files');
like($page, qr{"app\.css".*"app\.js".*"ANNA42/qr\.svg}s, 'and without');

code('asked', 'Zed9', name => 'Zed');
like($t->get('/asks/Zed9')->body, qr{<bdi>Zed</bdi>}, 'another program');
unlike($t->get('/asks/Zed9')->body, qr{class="terms"}, 'which has no terms');
is($t->get('/asks/ANNA42')->status, 404, 'and not the codes of the first');


# What cannot be shared is not told apart.

my @gone = map { $t->get("/share/$_") } qw(NOBODY gone1 gone2 gone1/ NOBODY/data
    gone2/data NOBODY/qr.svg gone1/qr.png a.b -x _ ANNA42/x ANNA42/data/
    ANNA42/qr.gif index.html ANNA42//x), 'x' x 65, '%ff', '%0a', '';
my @plain = map { my $r = $_; join "\n", $r->status, $r->body, map {
    "$_->[0]: $_->[1]" } grep { $_->[0] ne 'Date' } @{ $r->headers } } @gone;

is($gone[0]->status, 404, 'an unknown code');
is(scalar(grep { $_ ne $plain[0] } @plain), 0,
    'and all that is not there looks like it') or diag(explain(\@plain));
is($gone[0]->header('Cache-Control'), 'no-store', 'for now');


# Methods.

for my $path (qw(/share/ANNA42 /share/ANNA42/data /share/ANNA42/qr.png
    /share/NOBODY /share/app.css))
{
    my $get = $t->get($path);
    my $head = $t->request(HEAD => $path, {});
    is($head->status, $get->status, "HEAD $path");
    is($head->header('Content-Length'), $get->header('Content-Length'),
        'as long');
    is($head->body, '', 'without its body');

    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        my $r = $t->request($method => $path, {}, 'a=b');
        is($r->status, 405, "$method is refused");
        is($r->header('Allow'), 'GET, HEAD', 'as others are');
    }
}


# It sets no cookie and writes nothing, whoever asks, however.

my $before = $t->api(GET => '/v1/codes/ANNA42')->header('ETag');
my $cookie = 'ref_friends=1.k1.x.y; __Host-ref_friends=' . 'x' x 80;

for my $path (qw(/share/ANNA42 /again/ANNA42 /again/ANNA42?if=1
    /share/ANNA42?ref=ANNA42 /share/ANNA42/qr.svg /share/ANNA42/data))
{
    for my $consent (undef, '0', '1') {
        my $r = $t->get($path, Cookie => $cookie, 'X-Consent' => $consent);
        is($r->status, 200, "$path is there");
        is($r->header('Set-Cookie'), undef, 'and sets no cookie');
        is($r->header('Cache-Control'), 'public, max-age=300', 'for anybody');
    }
}

is($t->api(GET => '/v1/codes/ANNA42')->header('ETag'), $before,
    'no transaction of the store');


# What somebody calls themselves is text, read by another parser.

my @names = (Referral::Texts::texts(), Referral::Texts::markup());
my $json = JSON::PP->new->utf8;
my @pages;

for my $n (0 .. $#names) {
    code('friends', "N$n", name => $names[$n]);
    push @pages, $t->get("/share/N$n")->body;
}

my $script = $t->dir . '/read_page.py';
open my $f, '>', $script or die "$script: $!";
print $f <<'EOP';
import json, sys
from html.parser import HTMLParser

class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.shape, self.text, self.inside = [], {}, []
        self.hrefs, self.datas = [], []
    def handle_starttag(self, tag, attrs):
        self.shape.append([tag, sorted(a for a, _ in attrs)])
        self.inside.append(tag)
        for a, v in attrs:
            if a == "href": self.hrefs.append(v)
            if a in ("data-copy", "data-share"): self.datas.append(v)
    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag: pass
    def handle_data(self, data):
        if self.inside:
            at = self.inside[-1]
            self.text[at] = self.text.get(at, "") + data
    def handle_comment(self, data): self.shape.append("comment")

out = []
for body in json.load(open(sys.argv[1], encoding="utf-8")):
    page = Page()
    page.feed(body)
    page.close()
    out.append([page.shape, page.text.get("bdi"), page.text.get("textarea"),
                page.hrefs, page.datas])
print(json.dumps(out))
EOP
close $f or die;

open $f, '>', $t->dir . '/pages.json' or die;
print $f $json->encode([map { my $s = $_; utf8::decode($s); $s } @pages]);
close $f or die;

my ($rc, $out, $err) = run({}, '/usr/bin/python3', $script,
    $t->dir . '/pages.json');
is($rc, 0, 'Python reads them all') or diag $err;

my $read = $json->decode($out);
my $shape = $read->[0][0];

is(scalar @$read, scalar @names, 'one for each name');
is(scalar(grep { $json->encode($_->[0]) ne $json->encode($shape) } @$read), 0,
    'no name is an element or an attribute');
is_deeply([map { $_->[1] } @$read], \@names, 'each stands there as it is');
is_deeply([map { $_->[2] } @$read], [map { "$names[$_] gives you 10% & more:\n"
    . "https://shop.example/r/N$_" } 0 .. $#names], 'and in the message');
is_deeply([map { decoded($_->[3][2] =~ s/.*text=//r) } @$read], [map {
    "$names[$_] gives you 10% & more:\nhttps://shop.example/r/N$_/wa" }
    0 .. $#names], 'and in what is sent');
is_deeply([map { $_->[4][2] } @$read], [map { "$names[$_] gives you 10% & "
    . "more:\nhttps://shop.example/r/N$_/copy" } 0 .. $#names],
    'and in what is copied');


# A store that cannot be read is said to be so.

{
    my $t = Referral::Nginx->new(conf => <<"EOC");
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_web %%WEB%%;
    referral_program friends { link $link; landing https://shop.example/; }
    server {
        listen 127.0.0.1:%%PORT%%;
        location /share/ { referral_share friends; }
    }
EOC
    mkdir $t->store;
    open my $f, '>', $t->store . '/data.mdb' or die;
    print $f 'not a store' x 1000;
    close $f or die;

    $t->start;
    my $r = $t->get('/share/ANNA42');
    is($r->status, 503, 'no store');
    is($r->header('Retry-After'), 1, 'for a second');
    is($r->header('Cache-Control'), 'no-store', 'not to be kept');
    is($t->get('/share/app.css')->status, 200, 'files are there');
}

finish();
