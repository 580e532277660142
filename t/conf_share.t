#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# What a program says of sharing, and where its page is.  A wrong line must
# fail nginx -t in one sentence that names it, the file and its line.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 300;

my $files = tempdir(CLEANUP => 1);
my $link = '"^/r/(?<code>[A-Za-z0-9_-]{1,64})(?:/(?<channel>[a-z0-9]+))?$"';


# The lines of a block stand in an included file from its first line on.

sub conf {
    my ($block, %opt) = @_;
    my $links = $opt{link} // "link $link;";
    my $share = $opt{share} // 'location /share/ { referral_share friends; }';
    my $web = $opt{web} // '%%WEB%%';

    open my $f, '>:raw', "$files/block.conf" or die $!;
    print $f "$block\n";
    close $f or die $!;

    return <<"EOC";
referral_store %%STORE%% intake_path=%%INTAKE%%;
referral_key_file %%KEY%%;
referral_web $web;
referral_program friends {
    $links
    landing https://shop.example/;
    include $files/block.conf;
}
server {
    listen 127.0.0.1:%%PORT%%;
    $share
}
EOC
}

sub right {
    my ($block, %opt) = @_;
    my ($code, $out) = nginx_t(conf($block, %opt));
    is($code, 0, 'right: ' . ($opt{link} // $opt{share} // '') . " $block")
        or diag($out);
}

sub wrong {
    my ($block, $sentence, $line, %opt) = @_;
    my ($code, $out) = nginx_t(conf($block, %opt));
    my @emerg = $out =~ /^(.*\[emerg\].*)$/mg;

    $line //= 1;
    my $where = $line ? "block.conf:$line" : 'nginx.conf:\d+';

    ok($code != 0 && @emerg == 1
        && $emerg[0] =~ / $sentence in \S+\Q\E\/$where$/, "wrong: $block")
        or diag("status $code, expected: $sentence ($where)\n$out");
}


# message, disclosure, terms

my $reward = "reward r to=friend on=signup;";

right($_) for '', 'message "{link}";', 'message de "{link} für {name}";',
    "message \"{name} and {link}, {link}\";\nmessage de \"{link}\";\n"
        . 'message pt-BR "{link}"; message zh-Hant-TW "{link}";',
    "message \"{reward} {link}\";\n$reward",
    "$reward message '{reward} {link}';", 'message "a }b {link}";',
    'message "a\nb {link}";', "message \"{link}\n!\";",
    'disclosure "#ad"; message "{disclosure} {link}";',
    'message "{disclosure} {link}"; disclosure de "Anzeige";',
    'disclosure ad;', 'message "' . 'x' x 994 . '{link}";', 'terms /terms;',
    'terms https://shop.example/terms?a=b;', 'terms http://other.example;';

wrong("message \"$_->[0] {link}\";", qr/unknown placeholder "\Q$_->[1]\E" in /
    . '"message" directive, it takes \{link\}, \{reward\}, \{disclosure\} and '
    . '\{name\}') for ['{Name}', '{Name}'], ['{', '{ {link}'],
    ['{nam', '{nam {link}'],
    ['{code}', '{code}'], ['{}', '{}'];
wrong("message \"$_\";", qr/"message" directive needs \{link\} in its text/) for
    'no link', '', '{name}', '{reward}';
wrong("message \"$_\";", qr/"message" directive needs a text of 1 to 1000 /
    . 'bytes, without white space at its ends') for '{link} ', " {link}",
    'x' x 995 . '{link}';
wrong("message \"{link}\n\";", qr/"message" directive needs a text of 1 to .*/,
    2);
wrong("message \"{link}$_\";", qr/"message" directive needs a text of UTF-8, /
    . 'without control characters but line feeds') for "\xff", "\xc3",
    "\xed\xa0\x80", "\x01", "\x7f", "\t.", "\r.";
wrong("$_->[0] $_->[1] \"{link}\";", qr/invalid language "\Q$_->[1]\E" in /
    . "\"$_->[0]\" directive, it must be a tag as \"de\" or \"pt-BR\"") for
    map { my $tag = $_; ['message', $tag] } 'd', 'de_DE', 'de-', '*', 'x-a',
    'english-', 'abcdefghi', '12', '""' =~ s/""/de--at/r;
wrong("disclosure d \"x\";", qr/invalid language "d" in "disclosure" .*/);
wrong("message de \"{link}\";\nmessage DE \"{link}\";",
    qr/duplicate "message" directive for language DE/, 2);
wrong("message \"{link}\";\n\nmessage \"{link}\";",
    qr/duplicate "message" directive without a language/, 3);
wrong("disclosure a;\ndisclosure b;",
    qr/duplicate "disclosure" directive without a language/, 2);
wrong("message de \"{link}\";\nmessage \"{reward} {link}\";", qr/"message" has /
    . '\{reward\}, but the program has no reward "to=friend"', 2);
wrong("reward r to=referrer on=signup;\nmessage \"{reward} {link}\";",
    qr/"message" has \{reward\}, but .*/, 2);
wrong("\nmessage \"{disclosure} {link}\";", qr/"message" has \{disclosure\}, /
    . 'but the program has no "disclosure"', 2);
wrong("disclosure \"a\tx\";", qr/"disclosure" directive needs a text .*/);
wrong("disclosure \"I get {reward}\";", qr/unknown placeholder "\{reward\}" in /
    . '"disclosure" directive, it takes none');
wrong('disclosure "";', qr/"disclosure" directive needs a text of 1 to .*/);
wrong("$_;", qr/directive has an invalid number of arguments/) for 'message',
    'message de a b', 'disclosure', 'terms', 'terms a b', 'share_link';
wrong("terms \"$_\";", qr/"terms" directive needs a path, or an absolute .*/)
    for '', 'terms', '//evil.example', 'ftp://a.example/', '/a b',
    'javascript:alert(1)', 'https://', '/x/../y';
wrong("terms /a;\nterms /b;", qr/"terms" directive is duplicate/, 2);


# share_link

my $s = 'share_link "https://shop.example';

right($_) for "$s/r/{code}\";", "$s/r/{code}/{channel}\";",
    "$s:8443/r/{code}?utm_medium=share&a=%20\";", "$s/r/{code}/poster\";",
    'share_link "http://GO.example/r/{code}";',
    "param via;\n$s/?via={code}\";",
    "$s/any/page?a=b&via={code}\"; param ref via;",
    "codes open;\n$s/r/{code}\";";

wrong("$_\";", qr/"share_link" "\S+" is no link of program "friends", whatever /
    . 'the code,') for "$s/{code}", "$s/s/{code}", "$s/r/{code}/a.b",
    "$s/{channel}/{code}", "$s/?ref={code}", "$s/r/x?ref={code}";
wrong("$s/r/{code}/x/{channel}\";", qr/"share_link" "\S+" is no link .*,/);
wrong("param ref;\n$s/$_\";", qr/"share_link" "\S+" is no link of .*,/, 2) for
    '?via={code}', '?ref=&ref=x{code}', '?ref=A&ref={code}', 'r/A?ref={code}',
    '?REF={code}';
wrong("param ref;\n$s/r/{code}/{channel}\";", qr/"share_link" "\S+" is no /
    . 'link of program "friends", whatever the code, with a channel,', 2,
    link => 'link "^/r/(?<code>[a-z]+)(?:/[a-z]+)?$";');
wrong("$s$_->[0]\";", qr/"share_link" directive $_->[1]/) for
    ['/r/', 'needs \{code\}, and takes .*'],
    ['/r/{channel}', 'needs \{code\}, and takes .*'],
    ['/r/{code}{name}', 'needs \{code\}, and takes .*'],
    ['/r/{code}/{code}', 'takes each placeholder once'],
    ['/r/{code}/{channel}/{channel}', 'takes each placeholder once'],
    ['/r/{code}-{channel}', 'takes \{channel\} in its path only, .*'],
    ['/r/{code}?a=/{channel}', 'takes \{channel\} in its path only, .*'],
    ['?a={code}', 'needs a path behind host and port'],
    ['/r/{code}#top', 'has characters that do not belong there'],
    ['/r/{code}/a%20b', 'has characters that do not belong there'],
    ['/r/{code} ', 'has characters that do not belong there'],
    ["/r/{code}\xc3\xa9", 'has characters that do not belong there'],
    ['/r/{code}?' . 'x' x 500, 'is longer than 512 bytes'];
wrong("share_link \"$_->[0]\";", qr/"share_link" directive $_->[1]/) for
    ['/r/{code}', 'must begin with .*'], ['//shop.example/{code}', 'must .*'],
    ['ftp://shop.example/r/{code}', 'must begin with .*'],
    ['https://{code}.example/', 'has an invalid host'],
    ['https://shop.example:0/r/{code}', 'has an invalid port'], ['', 'must .*'];
wrong("$s/r/{code}\";\n$s/r/{code}\";", qr/"share_link" directive is duplicate/,
    2);

# whatever codes a link takes, one is found; and where there is no plain way to
# write a link, it has to be told

right("$s/r/{code}\";", link => "link \"^/r/(?<code>$_)\$\";") for
    'VIP-[0-9]{4}', '[A-Z]+[0-9]{2}', '[a-f0-9]{32}', '(?=.*[0-9])[a-z0-9]{8}';

my $none = qr/"referral_share" directive needs a "share_link" in its program, /
    . 'none can be told from the links there';


# and nobody waits long to learn that there is none

for my $took (map { my $from = time; wrong('', $none, 0,
    link => "link \"^/r/(?<code>$_)\\.html\$\";"); time - $from }
    '[a-z0-9]+-[a-z0-9]+', '[a-z0-9]+(?:-[a-z0-9]+)*', '[a-z0-9]+-?[a-z0-9]+',
    '[a-z0-9]+-?[a-z0-9]+-?[a-z0-9]+')
{
    cmp_ok($took, '<', 20, "not long: $took s");
}

right('', link => "link \"$_\";") for '^/r/(?<code>\w+)$', '/r/(?<code>\w+)',
    '^/r/(?<code>\w+)/$', '^/r/(?<code>\w+)(?:/(?<channel>[a-z]+))?/?$',
    '^/r/(?<code>\w+)/(?<channel>[a-z]+)$', '^/a\.b/(?<code>[A-Z]{2}\d+)$';
right('param via;', link => 'link "^/(?:r|s)/(?<code>\w+)$";');
wrong('', $none, 0, link => "link \"$_\";") for '^/(?:r|s)/(?<code>\w+)$',
    '^/(?<channel>\w+)/(?<code>\w+)$', '^/r/(?<code>\w+)\.html$';
right('', link => 'link "^/(?:r|s)/(?<code>\w+)$";',
    share => 'location /x/ { referral friends; }');


# referral_share

right('', share => $_) for 'location ^~ /s/ { referral_share friends; }',
    'location /s/ { referral_share friends; referral friends; }',
    'location /s/ { referral friends; referral_share friends; allow all; }',
    'location /s/ { referral_share friends; if ($arg_a) { set $a 1; } }',
    'location /s/ { referral_share friends; limit_except GET { deny all; } }',
    'referral friends; location /s/ { referral_share friends; }';

wrong('', qr/$_->[1]/, 0, share => $_->[0]) for
    ['location /s { referral_share friends; }',
        '"referral_share" must be in a location given by a prefix .*'],
    ['location ~ /s/ { referral_share friends; }',
        '"referral_share" must be in a location given by a prefix .*'],
    ['location = /s/ { referral_share friends; }',
        '"referral_share" must be in a location given by a prefix .*'],
    ['location /s/ { referral_share nobody; }',
        'unknown referral program "nobody", .*'],
    ['location /s/ { referral_share; }', 'invalid number of arguments .*'],
    ['location /s/ { referral_share friends friends; }', 'invalid number .*'],
    ["location /s/ { referral_share friends;\nreferral_share friends; }",
        '"referral_share" directive is duplicate'],
    ["location /s/ { referral_share friends;\nreferral_api friends auth=off; }",
        '"referral_api" cannot be in one location with "referral_share"'];
my ($code, $out) = nginx_t(conf('', share => 'referral_share friends;'));
like($out, qr/"referral_share" directive is not allowed here/,
    'not of a server');


# Its page

sub page {
    my ($name, $html) = @_;
    my $dir = "$files/$name/share";

    make_path($dir);
    for (['index.html', $html], map { [$_, '/**/'] } qw(app.js app.css
        icon.svg))
    {
        open my $f, '>', "$dir/$_->[0]" or die $!;
        print $f $_->[1];
        close $f or die $!;
    }
    return "$files/$name";
}

wrong('', qr/$_->[1]/, $_->[2], share => $_->[0]) for
    map { my $d = $_; my $n = $d =~ s/ .*//r;
        ["location /s/ { $d; proxy_pass http://127.0.0.1:1; }",
            qq{"$n" cannot be in one location with another handler}, 0],
        ["location /s/ { proxy_pass http://127.0.0.1:1; $d; }",
            qq{"$n" cannot be in one location with another handler}, 0] }
    'referral_share friends', 'referral_progress friends',
    'referral_api friends auth=off';

($code, $out) = nginx_t(conf('', web => page('nothing', '{terms}')));
ok($code, 'a page without the link');
like($out, qr/"referral_share" in \S+nginx.conf:\d+ has no \{link\} in its /,
    'is refused');

right('', web => page('own', '<p>{message} <a href="{base}{here}">{link}</a>'));
($code, $out) = nginx_t(conf('', web => page('other', '<p>{word}')));
ok($code, 'a page with something else');
like($out, qr/"referral_share" in \S+nginx.conf:\d+ has an unknown /,
    'is refused');
like($out, qr/ placeholder "\{word\}" in its index.html/, 'by its name');
($code, $out) = nginx_t(conf('', web => $files));
ok($code, 'a directory without the page');
like($out, qr{no page for "referral_share": "\S+/share/index\.html" },
    'is refused');

done_testing();
