#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Every directive with values that are right and values that are wrong.  A
# wrong one must fail nginx -t in one sentence that names file and line, or a
# typo becomes a program that quietly does something else.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 300;

my $files = tempdir(CLEANUP => 1);
my $link = '"^/r/(?<code>[A-Za-z0-9_-]{1,64})$"';
my $program = "link $link; landing https://shop.example/;";


sub file {
    my ($name, $text, $mode) = @_;
    my $file = "$files/$name";
    open my $f, '>', $file or die "$file: $!";
    print $f $text;
    close $f;
    chmod $mode, $file;
    return $file;
}

# A configuration in which one part is replaced.

sub conf {
    my (%part) = @_;

    my %default = (
        store   => 'referral_store %%STORE%% intake_path=%%INTAKE%%;',
        key     => 'referral_key_file %%KEY%%;',
        program => "referral_program friends { $program }",
        http    => '',
        server  => 'referral friends;',
        location => '',
    );

    my %conf = (%default, %part);

    return <<EOC;
$conf{http}
$conf{store}
$conf{key}
$conf{program}
server {
    listen 127.0.0.1:%%PORT%%;
    $conf{server}
    location /x/ {
        $conf{location}
    }
}
EOC
}

sub right {
    my ($what, %part) = @_;
    my ($code, $out) = nginx_t(conf(%part));
    is($code, 0, "right: $what") or diag($out);
}

sub wrong {
    my ($sentence, $what, %part) = @_;
    my ($code, $out) = nginx_t(conf(%part));
    my @emerg = $out =~ /^(.*\[emerg\].*)$/mg;

    ok($code != 0 && @emerg == 1 && $emerg[0] =~ $sentence
        && $emerg[0] =~ m{ in /\S+/nginx\.conf:\d+$}, "wrong: $what")
        or diag("status $code, expected $sentence\n$out");
}

# The same for a line inside the block; without one of $program's directives
# when the line brings its own.

sub block {
    my ($line) = @_;
    my $rest = $program;
    my ($name) = $line =~ /^(link|landing)\b/;
    $rest =~ s/\b$name [^;]*;// if $name;
    return (program => "referral_program friends { $rest\n $line\n }");
}


right('the least that is a program');

# referral_store

right("referral_store $_", store => "referral_store %%STORE%% $_;") for '',
    'map_size=64m', 'map_size=1g commit=durable interval=1s intake=1m',
    'commit=relaxed interval=5ms', 'interval=50ms-2s', 'interval=1s-1s',
    'intake_path=/tmp';
right('a slash at the end of the path', store => 'referral_store %%STORE%%/;');

wrong(qr/absolute path/, 'a relative store', store => 'referral_store store;');
wrong(qr/absolute path/, 'an empty path', store => 'referral_store "";');
wrong(qr/is duplicate/, 'two stores',
    store => 'referral_store %%STORE%%; referral_store %%STORE%%/b;');
wrong(qr/$_->[1]/, "referral_store $_->[0]",
    store => "referral_store %%STORE%% $_->[0];") for
    ['map_size=x', 'invalid size'], ['map_size=15m', 'less than 16m'],
    ['intake=1023k', 'less than 1m'], ['intake=2g', 'more than is possible'],
    ['commit=fast', 'neither "relaxed" nor "durable"'],
    ['interval=0', 'between 1ms and 60s'], ['interval=2m', 'between'],
    ['interval=x', 'between'], ['interval=1s-', 'between'],
    ['interval=-1s', 'between'], ['interval=1s-2m', 'between'],
    ['interval=1s-200ms', 'longer than the second'],
    ['interval=1s interval=2s', 'duplicate parameter'],
    ['intake_path=shm', 'not an absolute path'],
    ['intake_path=/nowhere', 'no such directory'],
    ['commit=relaxed commit=durable', 'duplicate parameter'],
    ['intake=1m intake=2m', 'duplicate parameter'], ['sync=1', 'invalid'];

# Where the store must not be: its files could be fetched.

mkdir "$files/$_" for qw(www www/deep other);
symlink "$files/www", "$files/link";
symlink "$files/other", "$files/www/away";
symlink "$files/loop", "$files/loop";
symlink "$files/none", "$files/dangling";
file('plain', '', 0644);

wrong(qr/the store "\Q$files\E\/www\/store" is below "\Q$files\E\/www\/?"/,
    "a store below $_->[0]", store => "referral_store $files/www/store;",
    @$_[1 .. $#$_]) for
    ['root of a server', server => "referral friends; root $files/www;"],
    ['root of a location', location => "root $files/www/;"],
    ['a nested one', location => "location /x/y/ { root $files/www; }"],
    ['a regex one', server => "location ~ ^/z { root $files/www; }"],
    ['a named one', server => "location \@z { root $files/www; }"],
    ['root in an if', location => "if (\$arg_a) { root $files/www; }"],
    ['an alias', location => "alias $files/www/;"],
    ['another server', http => "server { listen 127.0.0.1:%%PORT2%%;"
        . " root $files/www; }"];
wrong(qr/is below "\Q$files\E\/link"/, 'the root is a link to it',
    store => "referral_store $files/www/store;",
    location => "root $files/link;");
wrong(qr/is below "\Q$files\E\/www"/, 'the store is named by a link',
    store => "referral_store $files/link/deep/;",
    location => "root $files/www;");
wrong(qr/is below "\/"/, 'the root is all', location => 'root /;');
wrong(qr/is below/, 'the root is the store',
    store => "referral_store $files/www;", location => "root $files/www;");
right('a root beside the store', store => "referral_store $files/www-store;",
    location => "root $files/www;");
right('a root below the store', store => "referral_store $files/new;",
    location => "root $files/new/deep;");
right("a store beside the root, $_", store => "referral_store $_;",
    location => "root $files/www;") for
    "$files/www/../new", "$files/www/./../new/", "$files//www/..//new";
wrong(qr/is below/, "a store below the root, $_",
    store => "referral_store $_;", location => "root $files/other/../www/.;")
    for "$files/other/../www/store", "$files//www/./store";
wrong(qr/is below/, 'a link in the root, but named by its path there',
    store => "referral_store $files/other/../www/away/store;",
    location => "root $files/www;");
right('a root with variables', store => "referral_store $files/www/store;",
    location => "root $files/\$host;");

wrong($_->[1], "a store that is $_->[0]",
    store => "referral_store $files/$_->[0];") for
    ['plain', qr/"\S+plain" is not a directory/],
    ['plain/store', qr/cannot be made, the directory above it is not there/],
    ['none/store', qr/cannot be made, the directory above it is not there/],
    ['loop', qr/is a loop of symbolic links/],
    ['loop/store', qr/is a loop of symbolic links/],
    ['dangling', qr/is a symbolic link that leads nowhere/];

# referral_key_file

my $secret = 'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=';
my $key = file('key', "# comment\n\n1:$secret\n", 0600);

right('a key file', key => "referral_key_file $key;");
wrong(qr/is duplicate/, 'two key files',
    key => "referral_key_file $key; referral_key_file $key;");
wrong(qr/No such file/, 'no such key file', key => 'referral_key_file /none;');
wrong(qr/not a regular file/, 'a directory as the key file',
    key => "referral_key_file $files;");

for my $mode (0640, 0604, 0620, 0644) {
    wrong(qr/must not be accessible/, sprintf('a key file of mode %04o', $mode),
        key => 'referral_key_file ' . file("key$mode", "1:$secret\n", $mode)
        . ';');
}

for my $bad ("1:c2hvcnQ=", "2:!!!!", "nocolon", "toolongkid:$secret") {
    my $file = file('bad', "1:$secret\n# a comment\n$bad\n", 0600);
    my ($code, $out) = nginx_t(conf(key => "referral_key_file $file;"));
    like($out, qr/\[emerg\].* in line 3 of "\Q$file\E" in \S+:\d+$/m,
        'a bad key is named by its line');
    unlike($out, qr/\Q$bad\E|\Q$secret\E/, 'and not by what it says');
}

# referral_program, referral

wrong(qr/invalid program name "$_"/, "a program named $_",
    program => "referral_program $_ { $program }") for
    'Friends', '-friends', 'a.b', 'x' x 25, 'off';
right("a program named $_", program => "referral_program $_ { $program }",
    server => "referral $_;") for 'f', '2nd_pro-gram', 'x' x 24;
wrong(qr/duplicate program "friends", the first is in \S+:\d+/,
    'two programs of one name',
    program => "referral_program friends { $program }" x 2);
wrong(qr/unknown referral program "other"/, 'an unknown program',
    location => 'referral other;');
right('referral off', location => 'referral off;');
right('a program that is declared after its use',
    server => "referral friends; } referral_program b { $program }"
    . ' server { listen 127.0.0.1:%%PORT2%%; referral b;');
wrong(qr/"referral" directive is duplicate/, 'referral twice',
    server => 'referral friends; referral off;');
wrong(qr/no "referral_store" is set/, 'no store', store => '');
wrong(qr/no "referral_key_file" is set/, 'no key file', key => '');
right('no store where no program is in use', store => '', key => '',
    server => '');
wrong(qr/unknown directive "evnt" in a program/,
    'a directive that does not exist', block('evnt signup;'));

{
    my ($code, $out) = nginx_t(conf(store => '',
        server => "referral_headers on;\n\n\nreferral friends;"));
    my ($line) = $out =~ /nginx\.conf:(\d+)$/m;
    my ($code2, $out2) = nginx_t(conf(store => '', server =>
        "referral friends;"));
    my ($line2) = $out2 =~ /nginx\.conf:(\d+)$/m;
    is($line - $line2, 3, 'the line is that of the "referral" directive');
}

# referral_headers, referral_consent, referral_customer

right($_, location => $_) for 'referral_headers on;', 'referral_headers off;',
    'referral_consent $cookie_cmp;', 'referral_consent "";',
    'referral_customer $http_x;';
wrong(qr/invalid value/, 'referral_headers x', location => 'referral_headers x;');
like((nginx_t(conf(location => "$_ \$nothing;")))[1],
    qr/\[emerg\].* unknown "nothing" variable/, "wrong: $_ \$nothing")
    for qw(referral_consent referral_customer);
wrong(qr/is duplicate/, "$_ twice", location => "$_; $_;")
    for 'referral_headers on', 'referral_consent 1', 'referral_customer 1';

# The block: right, then wrong.

file('bots', "# ours\nShopMonitor\n~^Checker/[0-9]\n", 0644);
file('bots.bad', "ShopMonitor\n\n~(\n", 0644);

right($_, block($_)) for
    'link "^/go/(?<code>\w+)(?:/(?<channel>\w+))?$";',
    'link "^/go/(?<code>\w+)$" status=303;',
    'link "^/go/(?<code>\w+)$" status=307; link "^/s/(?<code>\w+)$";',
    'param ref;', 'param ref via r.f~x_y-z;',
    'landing https://shop.example;', 'landing http://shop.example:8080/a?b#c;',
    'landing "https://shop.example/größe x";', 'landing http://[::1]:80/;',
    'base https://shop.example:8443;', 'landing /hello; base http://a.b;',
    'landing https://a.b/ref=c?xref=d&ref&e=ref#?ref=f; param ref;',
    'to off;', 'to on;', 'to on /products /p/;',
    'pass_args none;', 'pass_args all;', 'pass_args utm_* gclid;',
    'codes open;', 'codes registered;', 'case_sensitive on;',
    'attribution first;', 'attribution last;',
    'window 1s;', 'window 400d;', 'unique off;', 'unique 24h;', 'unique 1s;',
    'cookie ref;', 'cookie __Host-ref;', 'cookie __Secure-ref domain=a.b;',
    'cookie ref domain=shop.example path=/a samesite=strict secure=on;',
    'cookie ref samesite=lax secure=off;', 'cookie r secure=auto;',
    'prefetch redirect;', 'prefetch refuse;', 'gpc ignore;', 'gpc honor;',
    'bots off;', "bots $files/bots;",
    'retention clicks=90d;', 'retention clicks=off journal=off;',
    'retention journal=off;', 'retention clicks=10y;';

# Entries that are hardly meant so: nginx starts, and says it.

file('bots.wide', <<'EOT', 0644);
# a browser would never match: Mozilla
AcmeReader
mozilla
  ~^Mozilla/5\.0 \(X11
~firefox/[0-9]
AppleWebKit/605.1.15 (KHTML, like Gecko) Version
~android.*mobile
iphone
 iPhone # all of them
BeeReader # of the bees
~bee(reader|writer) #1
#Chrome
C#Reader
EOT

my ($wide, $warned) = nginx_t(conf(block("bots $files/bots.wide;")));
is($wide, 0, 'right: a list that is too wide');
is(join("\n", map { s/^.*\[warn\] \S+ //r } $warned
    =~ m{^(.*\[warn\].*) of "\Q$files\E/bots.wide" in /\S+:\d+$}mg),
    join("\n", map { "entry $_" }
    'matches Chrome, whose visitors will not count, in line 3',
    'matches Firefox, whose visitors will not count, in line 4',
    'matches Firefox, whose visitors will not count, in line 5',
    'matches Safari, whose visitors will not count, in line 6',
    'matches phones with Android, whose visitors will not count, in line 7',
    'matches the iPhone, whose visitors will not count, in line 8',
    'has " #", which begins no comment, in line 9',
    'has " #", which begins no comment, in line 10',
    'has " #", which begins no comment, in line 11'),
    'with a warning for each such entry') or diag($warned);
(undef, $warned) = nginx_t(conf(block("bots $files/bots;")));
unlike($warned, qr/\[warn\]/, 'none for a good list');

wrong($_->[1], $_->[0], block($_->[0])) for
    ['link "^/r/(.*)$";', qr/there is no group "\(\?<code>/],
    ['link "^/r/(?<code>[a-z]+$";', qr/of no use: missing closing/],
    ['link "^/r/(?<code>\w+)$" status=301;', qr/"status=307" only/],
    ['link "^/r/(?<code>\w+)$" x;', qr/"status=307" only/],
    ['link "^/a/(?<code>\w+)$"; link "^/a/(?<code>\w+)$";', qr/duplicate/],
    ['link;', qr/number of arguments/],
    ['param "";', qr/needs names/], ['param a=b;', qr/needs names/],
    ['param to;', qr/cannot take "to"/], ['param a b a;', qr/duplicate name/],
    ['param a; param b;', qr/is duplicate/],
    ['landing shop.example/;', qr/must begin with/],
    ['landing ftp://shop.example/;', qr/must begin with/],
    ['landing https://größe.example/;', qr/A-label/],
    ['landing https://user@shop.example/;', qr/invalid host/],
    ['landing https:///x;', qr/invalid host/],
    ['landing https://a..b/;', qr/invalid host/],
    ['landing "https://a\\\\b/";', qr/invalid host/],
    ['landing https://shop.example./;', qr/invalid host/],
    ['landing https://shop.example:0/;', qr/invalid port/],
    ['landing https://shop.example:65536/;', qr/invalid port/],
    ['landing https://shop.example:/;', qr/invalid port/],
    ['landing //evil.example/;', qr/single slash/],
    ['landing "/\\\\evil.example/";', qr/single slash/],
    ['landing /hello;', qr/no "base"/],
    ['landing https://shop.example/r/ANNA;', qr/is itself a link/],
    ['landing https://shop.example:443/%72/ANNA?x#y;', qr/is itself a link/],
    ['landing /r/ANNA; base https://shop.example;', qr/is itself a link/],
    ['landing /a?b=c&ref=x#y; base https://a.b; param via ref;',
        qr/the landing "\S+" of program "friends" has "ref", its own "param"/],
    ['landing /a; landing /b;', qr/is duplicate/],
    ['base https://shop.example/;', qr/must end after host/],
    ['base shop.example;', qr/must begin with/],
    ['base http://a; base http://b;', qr/is duplicate/],
    ['to maybe;', qr/"on" or "off"/], ['to off /x;', qr/no prefix/],
    ['to on x;', qr/begin with "\/"/], ['to on; to off;', qr/is duplicate/],
    ['pass_args a=b;', qr/needs "none"/], ['pass_args *;', qr/needs "none"/],
    ['pass_args none a; pass_args b;', qr/is duplicate/],
    ['codes some;', qr/"some" in "codes" .* "registered" or "open" in /],
    ['codes open; codes open;', qr/"codes" directive is duplicate/],
    ['case_sensitive yes;', qr/invalid value/],
    ['attribution middle;', qr/"attribution" .* be "last" or "first" in /],
    ['window 0;', qr/between 1s and 400d/], ['window 401d;', qr/between/],
    ['window x;', qr/invalid value/], ['window 1d; window 1d;', qr/duplicate/],
    ['unique 25h;', qr/at most 24h/], ['unique x;', qr/invalid value/],
    ['unique 1h; unique off;', qr/is duplicate/],
    ['cookie "a b";', qr/needs a name/], ['cookie "";', qr/needs a name/],
    ['cookie ref samesite=none;', qr/samesite=strict/],
    ['cookie ref secure=maybe;', qr/invalid parameter/],
    ['cookie ref path=x;', qr/invalid parameter/],
    ['cookie ref "path=/a;b";', qr/invalid path/],
    ['cookie ref domain=a/b;', qr/invalid domain/],
    ['cookie ref domain=;', qr/invalid domain/],
    ['cookie __Host-ref domain=shop.example;', qr/no domain and no path/],
    ['cookie __host-ref path=/a;', qr/no domain and no path/],
    ['cookie __Host-ref secure=off;', qr/"secure=off"/],
    ['cookie __Secure-ref secure=off;', qr/"secure=off"/],
    ['cookie __Host-;', qr/only a prefix/], ['cookie a; cookie b;', qr/dup/],
    ['prefetch off;', qr/invalid value "off" in "prefetch" directive, it must /
        . qr/be "refuse" or "redirect" in /],
    ['gpc on;', qr/"on" in "gpc" directive, it must be "honor" or "ignore" in /],
    ['gpc honor; gpc honor;', qr/"gpc" directive is duplicate in /],
    ['bots /none;', qr/No such file/],
    ["bots $files/bots.bad;", qr/line 3 of/], ['bots off; bots off;', qr/dup/],
    ['retention;', qr/number of arguments/],
    ['retention clicks=x;', qr/"clicks=x" of retention must be "clicks=off" or/],
    ['retention clicks=0s;', qr/a time between 1s and 10y/],
    (map { ["retention clicks=$_;",
        qr/"clicks=$_" of retention needs a unit, as in "clicks=90d" in /] }
        '0', '90', '7776000', '1d12'),
    ['retention clicks=11y;', qr/a time between 1s and 10y/],
    ['retention clicks=;', qr/a time between 1s and 10y/],
    ['retention 90d;', qr/parameter "90d" of retention is unknown/],
    ['retention click=90d;', qr/"click=90d" of retention is unknown/],
    ['retention journal=2y;',
        qr/"journal=2y" of retention must be "journal=off": orders, /],
    ['retention clicks=90d journal=;', qr/must be "journal=off"/],
    ['retention clicks=90d clicks=off;', qr/"clicks=off" of retention is dup/],
    ['retention journal=off journal=off;', qr/is duplicate/],
    ['retention clicks=90d; retention clicks=90d;', qr/is duplicate/],
    ['link "^/q/(?<code>\w+)$" {}', qr/unexpected "\{"/];

# Clicks that are gone before the window is over.

for (['window 400d;', ''], ['window 30d; retention clicks=30d;', ''],
    ['window 30d; retention clicks=off;', ''],
    ["window 30d;\nretention clicks=29d;", 1],
    ["retention clicks=30d;\nwindow 31d;", 1])
{
    my ($line, $warned) = @$_;
    my ($code, $out) = nginx_t(conf(block($line)));
    my @warn = $out =~ /^(.*\[warn\].*)$/mg;

    is($code, 0, "right: $line");
    is(scalar @warn, $warned || 0, 'warned, or not');
    like($warn[0], qr/ are kept for less than its window: .* in \S+:\d+$/,
        'in a sentence') if @warn;
}

wrong(qr/has no "link"/, 'a program without a link',
    program => 'referral_program friends { landing https://a.b/; }');
wrong(qr/has no "landing"/, 'a program without a landing',
    program => "referral_program friends { link $link; }");

wrong(qr/"friends" and "b" have the same cookie "$_->[2]"/,
    "cookies $_->[0] and $_->[1]",
    program => "referral_program friends { $program cookie $_->[0]; }"
    . " referral_program b { $program cookie $_->[1]; }") for
    ['x', 'x', 'x'], ['__Host-x', 'x', 'x'], ['__Host-x', '__Secure-x', 'x'],
    ['ref_b', '__Host-ref_b', 'ref_b'];
right('two programs with their own cookies',
    program => "referral_program friends { $program }"
    . " referral_program b { $program cookie Ref_friends; }");

# The parts of a program may come from another file.

file('part.conf', "$program\nunique off;\n", 0644);
right('include in a program',
    program => "referral_program friends { include $files/part.conf; }");
file('part.conf', "$program\n\nunique x;\n", 0644);
like((nginx_t(conf(program =>
    "referral_program friends { include $files/part.conf; }")))[1],
    qr{invalid value in \S+/part\.conf:3$}m, 'an error in it names it');

done_testing();
