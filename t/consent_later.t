#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Consent that is given after the click.  With missing=pass the click is
# counted once, without an id, and a signed ticket waits in the query of the
# landing: it becomes the cookie when the visitor agrees, goes when it does
# not, and is worth nothing to anybody who changes it.

use strict;
use warnings;

use MIME::Base64 qw(decode_base64);
use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Browser;
use Referral::Count;
use Referral::Signed;

my $attributes = qr/; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/;

my $t = Referral::Nginx->new(upstream => \&storefront, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    proxy_cache_path %%DIR%%/cache keys_zone=pages:1m;

    referral_program friends {
        link "^/r/(?<code>\w+)(?:/(?<channel>\w+))?$";
        param ref via;
        landing http://127.0.0.1:%%PORT%%/welcome?utm_source=referral#top;
        event purchase points=10;
    }

    referral_program others {
        link "^/o/(?<code>\w+)$";
        param ref;
        landing https://other.example/;
        codes open;
    }

    map $cookie_cmp $consent {
        default "";
        no 0;
        yes 1;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        referral_consent $consent missing=pass;
        add_header X-Status "$referral_status/$referral_code/$referral_click";

        location / { proxy_pass http://%%UPSTREAM%%; }
        location /cached/ {
            proxy_pass http://%%UPSTREAM%%;
            proxy_cache pages;
            add_header X-Cache "$upstream_cache_status";
        }
        location /quiet/ {
            referral_headers off;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /drop/ {
            referral_consent $consent missing=drop;
            rewrite ^/drop(/r/.*) $1 break;
        }
        location /off/ {
            referral off;
            auth_request /auth;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /members/ {
            auth_request /auth;
            proxy_pass http://%%UPSTREAM%%;
        }
        location = /auth {
            proxy_set_header X-Partner $referral_code;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /moved/ { try_files /none @refused; }
        location @refused {
            referral_consent 0;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /o/ { referral others; }
        location /referral/ {
            referral_api friends token_file=%%TOKENS%%;
        }
    }

    # A host for links alone: what is remembered is the shop's to remember.

    server {
        listen 127.0.0.1:%%PORT2%%;
        referral friends;
        referral_consent "" missing=pass;
    }

    server {
        listen 127.0.0.1:%%PORT3%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }
EOC

$t->start;
$t->api(PUT => "/v1/codes/$_", { owner => "u-$_" }) for qw(ANNA42 BOB7 ENDED);
$t->api(PUT => '/v1/codes/LANDS', { owner => 'lara',
    landing => '/welcome?ref=friends-page&a=1&via=lara&ref=2#top' });

my $secret = do {
    open my $f, '<', $t->dir . '/referral.key' or die $!;
    my ($base64) = <$f> =~ /^1:(\S+)$/;
    decode_base64($base64);
};

my ($yes, $no, $r) = ('cmp=yes', 'cmp=no');
my $chrome = $Referral::Client::BROWSER{'User-Agent'};

the_click();
the_answer();
the_next_page();
forgeries();
many_visitors();
older_and_newer();
asked_again();
two_hosts();
readme();
configuration();
browser();
no_person();

finish();


sub storefront {
    my ($req) = @_;
    my @h = (['Cache-Control', 'public, max-age=600'],
        ['Content-Type', 'text/html']);
    my ($code) = map { $_->[1] } grep { $_->[0] =~ /^x-referral-code$/i }
        @{ $req->{headers} };

    push @h, ['X-Referral-Event', "purchase; order_id=\"$1\"; amount=100;"
        . ' currency=EUR'] if $req->{uri} =~ /buy=(\w+)/;

    return (200, \@h, '<input id="answer" oninput="document.cookie ='
        . " 'cmp=' + this.value + '; path=/'\"><a id='on' href='/shop'>on</a>"
        . '<a id="buy" href="/shop?buy=b1">buy</a>'
        . "<p id='seen'>$req->{uri} " . ($code || '-') . '</p>');
}


sub seen { $_[0]->body =~ /<p id='seen'>(.*?)<\/p>/ ? $1 : '' }


# The location of a click, as the path and query the browser asks for next.

sub landing {
    my ($path, %h) = @_;
    $r = $t->get($path, %h);
    is(join(' ', $r->status, cookie($r)), '302 ', "$path: no cookie");
    my $to = $r->header('Location') =~ s{^http://127\.0\.0\.1:\d+}{}r;
    return $to =~ s/#.*//r;
}


sub ticket { landing('/r/ANNA42', @_) =~ /[?&]ref=([^&#]+)/ ? $1 : '' }


sub sign {
    my ($program, $text, $purpose, $key) = @_;
    return signed($text, $key || $secret, $purpose || 'link', $program);
}


sub forged {
    my ($age, %o) = @_;
    return sign($o{program} || 'friends', join('.', 1, $o{kid} || 1,
        base36(time() - $age), $o{code} || 'ANNA42', '', ''), @o{qw(as key)});
}


sub the_click {
    my $to;
    is(counted($t, sub { $to = landing('/r/ANNA42/wa',
        'User-Agent' => "$chrome asked later") }), 'human=1',
        'not asked: the click counts, and nobody is told apart');
    like($r->header('Location'), qr{/welcome\?utm_source=referral
        &ref=1\.1\.\w+\.ANNA42\.wa\.\.[\w-]{22}\#top$}x,
        'a ticket without a click id waits in the query');
    is($r->header('Cache-Control'), 'no-store', 'of an answer for one');
    is($r->header('X-Status'), 'no_consent//', 'nothing is known');

    my ($last) = reverse grep { /"type":"click"/ } split /\n/,
        $t->api(GET => '/v1/journal')->body;
    like($last, qr/"click_id":null/, 'the journal has no id of it either');

    is(counted($t, sub { $r = $t->get($to) }), '', 'the landing is no click');
    is(join(' ', $r->status, cookie($r), $r->header('Cache-Control')),
        '200  public, max-age=600', 'and is a page like any other');
    is(seen($r), "$to -", 'with its parameters, for the next time');

    like(landing('/p?a=1&ref=ANNA42'), qr{^/p\?a=1&ref=1\.1\.\w+\.ANNA42\.\.\.},
        '?ref= is answered likewise');
    is(landing('/r/LANDS') =~ s/1\.1\.\w+\.LANDS\.\.\.[\w-]+$/ticket/r,
        '/welcome?a=1&ref=ticket', 'in the place of what the landing has');
    like(landing('/drop/r/LANDS'), qr/\?ref=friends-page&a=1&via=lara&ref=2$/,
        'which is as it is, without one');
    unlike(landing('/r/ANNA42', Cookie => $no), qr/ref=/, 'refused: no ticket');
    unlike(landing('/r/ANNA42', 'Sec-GPC' => 1), qr/ref=/, 'GPC: no ticket');
    unlike(landing('/drop/r/ANNA42'), qr/ref=/, 'missing=drop: no ticket');
    $r = $t->get('/r/ANNA42', Cookie => $yes);
    like(cookie($r), qr/ANNA42/, 'consent: a cookie');
    unlike($r->header('Location'), qr/ref=/, 'and no ticket');
}


sub the_answer {
    my $now = time();
    my $to = landing('/r/ANNA42/wa');
    my ($time) = $to =~ /ref=1\.1\.(\w+)/;

    ok(grep({ $time eq base36($_ - $_ % 600) } $now, time()),
        'a ticket of ten minutes: nobody is found by the second');

    is(counted($t, sub { $r = $t->get("$to&x=1", Cookie => $yes,
        'User-Agent' => "$chrome answered") }), '',
        'consent on the landing: counted no second time');
    is(join(' ', $r->status, @{[$r->all('Location')]}, $r->header('Cache-Control')),
        '302 /welcome?utm_source=referral&x=1 no-store', 'the ticket is gone');
    my @set = $r->all('Set-Cookie');
    is(scalar @set, 1, 'one cookie');
    like($set[0], qr/^ref_friends=1\.1\.$time\.ANNA42\.wa\.\.[\w-]{22}$attributes/,
        'of the time of the click, without an id');

    $r = $t->get('/shop', Cookie => "$yes; " . cookie($r));
    is(seen($r), '/shop ANNA42', 'the storefront is told');

    for my $h ([Cookie => $no], ['Sec-GPC' => 1, Cookie => $yes]) {
        is(counted($t, sub { $r = $t->get($to, @$h) }), '', "@$h: no click");
        is(join(' ', $r->status, cookie($r), $r->header('Location')),
            '302  /welcome?utm_source=referral', 'no cookie, no ticket');
    }

    $r = $t->request(POST => $to, { Cookie => $yes }, 'a=b');
    is(join(' ', $r->status, cookie($r), seen($r)), "200  $to -",
        'POST goes where it went');
}


sub the_next_page {
    my $page = 'http://127.0.0.1:' . $t->port . landing('/r/ANNA42');
    my %on = (Referer => $page, Cookie => $yes,
        'Sec-Fetch-Site' => 'same-origin');

    for my $path ('/shop', '/quiet/a', '/cached/a', '/cached/a') {
        is(counted($t, sub { $r = $t->get($path, %on) }), '',
            "$path from the landing, with consent: no click");
        like(cookie($r), qr/ANNA42/, 'a cookie');
        is($r->header('Cache-Control'), 'private, no-store', 'for one');
        is(seen($r), "$path ANNA42", 'told at once') if $path eq '/shop';
        like($r->header('X-Status'), qr/^valid\/ANNA42/, 'and known')
            if $path !~ /cached/;
    }

    is($r->header('X-Cache'), 'HIT', 'a page of the cache, which');
    $r = $t->get('/cached/a');
    is(join(' ', cookie($r), $r->header('Cache-Control'), $r->header('X-Cache')),
        ' public, max-age=600 HIT', 'never holds a cookie');

    $r = $t->request(POST => '/shop?buy=p1', { %on }, 'a=b');
    like(cookie($r), qr/ANNA42/, 'a form of the landing');
    is(order('p1')->{code}, 'ANNA42', 'and the order it sends is attributed');

    $r = $t->get('/members/a', %on);
    like(cookie($r), qr/ANNA42/, 'a page that asks another first: for itself');
    is(seen($r), '/members/a ANNA42', 'and its storefront is told');

    my %not = (
        'consent not given' => { Cookie => undef },
        'consent refused' => { Cookie => $no },
        'GPC' => { 'Sec-GPC' => 1 },
        'a crawler' => { 'User-Agent' => 'Googlebot/2.1' },
        'a page fetched ahead' => { 'Sec-Purpose' => 'prefetch' },
        'a code that is none' => { Referer => $page =~ s/ref=.*/'ref='
            . forged(10, code => 'NONE')/er },
        'a picture' => { 'Sec-Fetch-Dest' => 'image' },
        'an old browser, no page' => { 'Sec-Fetch-Dest' => undef,
            'Accept' => 'image/png' },
        'another site' => { 'Sec-Fetch-Site' => 'cross-site' },
        'another host' => { Referer => $page =~ s/127\.0\.0\.1/127.0.0.2/r },
        'a longer host' => { Referer => $page =~ s/127\.0\.0\.1/127.0.0.11/r },
        'a host in front' => { Referer => $page =~ s/:\d+/.example/r },
        'no ticket' => { Referer => $page =~ s/\?.*//r },
        'a path like a ticket' => { Referer => $page =~ s/\?/;/r },
        'a damaged one' => { Referer => $page =~ s/ANNA42/ANNA43/r },
        'an old one' => { Referer => $page =~ s/ref=.*/'ref=' . forged(86401)/er },
        'a cookie of before' => { Cookie => "$yes; ref_friends="
            . sign('friends', '1.1.' . base36(time()) . '.BOB7..', 'cookie') },
        'no Referer' => { Referer => undef },
        'nonsense' => { Referer => ':::?ref=' },
    );

    for my $what (sort keys %not) {
        $r = $t->get('/shop', %on, %{ $not{$what} });
        is(cookie($r), '', "$what: no cookie");
        is($r->header('Cache-Control'), 'public, max-age=600', 'no change');
    }

    $r = $t->request(HEAD => '/shop', { %on });
    is(cookie($r), '', 'HEAD: no cookie');
    $r = $t->get('/shop', %on, Cookie => "$yes; ref_friends=damaged");
    like(cookie($r), qr/ANNA42/, 'a cookie that is none is replaced');
    $r = $t->get('/shop', %on, 'Sec-Fetch-Dest' => undef,
        'Sec-Fetch-Site' => undef);
    like(cookie($r), qr/ANNA42/, 'an old browser that asks for a page');
    is(cookie($t->get('/off/a', %on)), '', 'a page that takes no part, whose'
        . ' subrequest reads a variable: none');
    is(cookie($t->get('/moved/a', %on)), '',
        'a page that another location serves, without consent: none');
}


sub forgeries {
    my $good = forged(10);
    like(cookie($t->get("/p?ref=$good", Cookie => $yes)), qr/ANNA42/,
        'what this test signs is a ticket');
    like(cookie($t->get('/p?ref=' . forged(86390), Cookie => $yes)), qr/ANNA42/,
        'of a day');
    like(cookie($t->get('/p?ref=' . forged(-290), Cookie => $yes)), qr/ANNA42/,
        'or of a clock that is ahead');

    my ($cookie) = cookie($t->get('/r/ANNA42', Cookie => $yes)) =~ /=(.*)/;
    my %bad = (
        'of more than a day' => forged(86402),
        'of a time to come' => forged(-400),
        'of another program' => forged(10, program => 'others'),
        'of another purpose' => forged(10, as => 'cookie'),
        'a cookie' => $cookie,
        'of another key' => forged(10, key => 'x' x 32),
        'of another kid' => forged(10, kid => 2),
        'of another code' => $good =~ s/ANNA42/BOB7/r,
        'cut' => substr($good, 0, -1),
        'longer' => "${good}A",
        'without MAC' => $good =~ s/\.[^.]*$//r,
        'an empty MAC' => $good =~ s/[^.]*$//r,
        'dots' => '1.' . '.' x 40,
        'huge' => '1.1.' . 'a' x 4000,
        'escaped' => $good =~ s/\./%2E/r,
    );

    for my $what (sort keys %bad) {
        is(counted($t, sub { $r = $t->get("/p?ref=$bad{$what}", Cookie => $yes)
            }), 'unknown=1', "$what: as an unknown code");
        is(join(' ', $r->status, cookie($r), seen($r)),
            "200  /p?ref=$bad{$what} -", 'the page, and no cookie');
    }

    $r = $t->get('/shop', Cookie => "$yes; ref_friends=$good");
    is($r->header('X-Status'), 'invalid//', 'a ticket is no cookie');
    is($t->api(POST => '/v1/conversions', { event => 'purchase',
        order_id => 't1', amount => 1, currency => 'EUR', token => $good })
        ->json->{status}, 'unattributed', 'and no token');

    my $ended = forged(10, code => 'ENDED');
    $t->api(DELETE => '/v1/codes/ENDED');
    is(counted($t, sub { $r = $t->get("/p?ref=$ended", Cookie => $yes) }), '',
        'a code that ended since: no click');
    is(join(' ', $r->status, $r->header('Location'), cookie($r)), '302 /p ',
        'and no cookie');
    $r = $t->get('/shop', Cookie => $yes, 'Sec-Fetch-Site' => 'same-origin',
        Referer => 'http://127.0.0.1:' . $t->port . "/p?ref=$ended");
    is(cookie($r), '', 'nor for the next page');
}


sub many_visitors {
    my $to = landing('/r/ANNA42');
    my $before = clicks();
    my @cookies;

    for my $n (1 .. 3) {
        $r = $t->get($to, Cookie => $yes, 'User-Agent' => "$chrome $n");
        push @cookies, cookie($r);
    }

    is("@cookies[1, 2]", "@cookies[0, 0]", 'a ticket that is handed on: the'
        . ' same cookie for all, who cannot be told apart by it');
    is(clicks(), $before, 'and no click of any');
}


# One that a storefront's answer reported, which does not wait for it.

sub order {
    my ($id) = @_;
    my $got;
    wait_for(sub { ($got = $t->api(GET => "/v1/conversions/$id"))->status
        == 200 }, 5);
    return $got->json;
}


sub clicks {
    $t->api(PUT => '/v1/codes/sync', { owner => 'sync' });
    my $all = $t->api(GET => '/v1/codes/ANNA42')->json;
    return join ' ', $all->{clicks}{total}, $all->{clicks}{unique};
}


sub older_and_newer {
    my ($mine) = cookie($t->get('/r/BOB7', Cookie => $yes));
    my %have = (Cookie => "$yes; $mine");

    is(cookie($t->get('/p?ref=' . forged(60), %have)), '',
        'a page of the history does not undo what was clicked since');
    my $old = 'ref_friends=' . sign('friends', '1.1.' . base36(time() - 3600)
        . '.BOB7..', 'cookie');
    my %older = (Cookie => "$yes; $old", 'Sec-Fetch-Site' => 'same-origin');
    my $last = qr/ANNA42\.\.\.\w+\.BOB7/;
    my $page = '/p?ref=' . forged(60);
    like(cookie($t->get($page, Cookie => "$yes; $old")), $last,
        'a later click is the last touch, BOB7 first');
    like(cookie($t->get($page, %older)), $last,
        'also when the banner reloads the page');
    $r = $t->get('/shop', %older,
        Referer => 'http://127.0.0.1:' . $t->port . $page);
    like(cookie($r), $last, 'and on the next page');
    is(seen($r), '/shop ANNA42', 'whose storefront is told');
}


# The cookie of the banner has expired, ours has not.

sub asked_again {
    my ($mine) = cookie($t->get('/r/BOB7', Cookie => $yes));

    $r = $t->get('/shop', Cookie => $mine);
    is(join(' ', cookie($r), seen($r)), ' /shop -',
        'until there is an answer, a cookie is neither used nor deleted');
    is($r->header('Cache-Control'), 'public, max-age=600', 'no change');
    $r = $t->get('/shop', Cookie => "$yes; $mine");
    is(seen($r), '/shop BOB7', 'and is of use when it is yes');

    for my $h ([Cookie => "$no; $mine"],
        ['Sec-GPC' => 1, Cookie => $mine])
    {
        is(cookie($t->get('/shop', @$h)), 'ref_friends=', "@$h: deleted");
    }

    is(cookie($t->get('/drop/x', Cookie => $mine)), 'ref_friends=',
        'with missing=drop, no answer is one');
}


# What README tells to paste, of one consent tool's cookie.

sub readme {
    open my $f, '<', "$Referral::Nginx::ROOT/README.md" or die $!;
    my ($text) = do { local $/; <$f> }
        =~ /^### referral_consent\n(.*?)^### /ms;
    my ($first, $second) = map { /^(map .*?)^(referral_consent .*?)$/ms
        ? [$1, $2] : () } $text =~ /^```nginx\n(.*?)^```$/msg;

    my $p = Referral::Nginx->new(conf => <<EOC);
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>\\w+)\$"; param ref; codes open;
        landing https://shop.example/;
    }
    $first->[0] $second->[0]
    server { listen 127.0.0.1:%%PORT%%; referral friends; $first->[1]
        location /kids/ { $second->[1] }
        location /dnt/ { $second->[1] } }
EOC
    $p->start;

    my $is = sub {
        my ($path, %h) = @_;
        my $got = $p->get("$path/a?ref=ANNA42", %h);
        return cookie($got) ? 'yes'
            : $got->header('Location') =~ /ref=/ ? 'unasked' : 'no';
    };
    my ($given, $refused) = map { "consent={necessary:true,marketing:$_,at:1}" }
        qw(true false);

    for (['', {}, 'unasked'], ['', { Cookie => $given }, 'yes'],
        ['', { Cookie => $refused }, 'no'],
        ['', { Cookie => 'consent=at:1,email_marketing:true' }, 'no'],
        ['', { Cookie => 'consent=marketing:true' }, 'yes'],
        ['/dnt', {}, 'unasked'], ['/dnt', { Cookie => $given }, 'yes'],
        ['/dnt', { Cookie => $refused }, 'no'],
        ['/dnt', { DNT => 0, Cookie => $given }, 'yes'],
        ['/dnt', { DNT => 1, Cookie => $given }, 'no'],
        ['/dnt', { DNT => 1 }, 'no'], ['/dnt/,marketing:true', {}, 'unasked'],
        ['/kids', { DNT => 0, Cookie => $given }, 'no'],
        ['/kids', { Cookie => $given }, 'no'], ['/kids', {}, 'no'])
    {
        my ($path, $h, $answer) = @$_;
        is($is->($path, %$h), $answer, join ' ', "README: $path", %$h);
    }

    $p->stop;
}


# Last, as a person who comes at once after one of these is suspected.

sub no_person {
    my $ticket = forged(5);
    my %h = (Cookie => $yes);

    $r = $t->request(HEAD => "/p?ref=$ticket", { %h });
    is(join(' ', $r->status, $r->header('Location'), cookie($r)), '302 /p ',
        'HEAD gets no cookie');

    unlike(landing('/r/ANNA42', 'User-Agent' => 'Googlebot/2.1'), qr/ref=/,
        'a crawler gets no ticket');
    $r = $t->get('/p?ref=' . $ticket, %h, 'Sec-Purpose' => 'prefetch');
    is(join(' ', $r->status, $r->header('Location') // '-', cookie($r)),
        '503 - ', 'what fetches ahead is refused');
    $r = $t->get("/p?ref=$ticket", %h, 'Sec-Fetch-Dest' => 'image',
        'Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Site' => 'cross-site');
    is(join(' ', $r->status, cookie($r)), '302 ',
        'a picture on another page gets no cookie');
}


sub two_hosts {
    my $c = Referral::Client->new($t->port(2));
    is(counted($t, sub { $r = $c->get('/r/ANNA42', Cookie => $yes) }),
        'human=1', 'a host for links: the click counts');
    is(cookie($r), '', 'and leaves nothing there');
    my ($to) = $r->header('Location') =~ m{(/welcome[^#]*ref=[^#]+)};

    is(counted($t, sub {
        $r = Referral::Client->new($t->port(3))->get($to) }), '',
        'the shop counts it no second time');
    like(cookie($r), qr/ANNA42/, 'and remembers it');
    is($r->header('Location'), '/welcome?utm_source=referral', 'without ticket');
}


sub configuration {
    my @frame = ("referral_store %%STORE%%; referral_key_file %%KEY%%;"
        . ' referral_program a { link ^/(?<code>\w+)$; landing https://x/;', '}'
        . ' server { listen 127.0.0.1:%%PORT%%; referral a;', '}');

    my ($code, $out) = nginx_t("$frame[0] $frame[1] referral_consent \$arg_c"
        . " missing=pass; $frame[2]");
    like($out, qr/"missing=pass" needs a "param" in program "a" in \S+:\d+/,
        'missing=pass without a parameter to pass it in');
    for my $alone (qw(missing=pass missing=drop)) {
        ($code, $out) = nginx_t("$frame[0] param ref; $frame[1]"
            . " referral_consent $alone; $frame[2]");
        like($out, qr/ needs a string before "missing=" in \S+:\d+/,
            "$alone without its string");
        isnt($code, 0, 'is refused');
    }
    ($code, $out) = nginx_t("$frame[0] $frame[1] referral_consent \$arg_c"
        . " missing=ask; $frame[2]");
    like($out, qr/"missing=ask" is neither/, 'another word');
    for my $ok ("param ref; $frame[1] referral_consent \$arg_c missing=pass;",
        "$frame[1] referral_consent \$arg_c missing=drop;",
        "$frame[1] referral_consent \$arg_c; location / { referral off;"
            . ' referral_consent 1 missing=pass; }')
    {
        ($code, $out) = nginx_t("$frame[0] $ok $frame[2]");
        is($code, 0, 'accepted') or diag $out;
    }
}


sub browser {
    my $b = Referral::Browser->new;

    $b->open('http://127.0.0.1:' . $t->port . '/r/ANNA42/wa');
    like($b->url, qr{/welcome\?utm_source=referral&ref=1\.},
        'Chromium lands with a ticket');
    is(scalar @{ $b->cookies }, 0, 'and no cookie');
    $b->type('#answer', 'yes');
    $b->click('#on');
    like($b->url, qr{/shop$}, 'it says yes, and follows a plain link');
    is(($b->texts('#seen'))[0], '/shop ANNA42', 'the storefront is told');
    is(join(' ', sort map { $_->{name} } @{ $b->cookies }), 'cmp ref_friends',
        'the cookie is there');
    $b->click('#buy');
    my $order = order('b1');
    is(join(' ', @$order{qw(code)}, $order->{attribution}{method}),
        'ANNA42 token', 'and the order is attributed');
    $b->close;
}
