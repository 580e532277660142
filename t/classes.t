#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Every class of a click and every reason for it, each provoked by a request
# and read back from the counters and from GET /v1/clicks/{id}.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count;
use Referral::H2;

my $chrome = $Referral::Client::BROWSER{'User-Agent'};
my $html = $Referral::Client::BROWSER{Accept};
my @metadata = map { ("Sec-Fetch-$_" => undef) } qw(Site Mode User Dest);

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=10ms;
    referral_key_file %%KEY%%;
    real_ip_header X-Real-IP;
    set_real_ip_from 127.0.0.1;
    referral_program friends {
        link ^/r/(?<code>\w+)$;
        param ref;
        landing http://127.0.0.1:%%PORT%%/welcome;
        bots %%DIR%%/bots;
        ban_referer spam.example *.coupons.example;
        ban_referer .stuffer.example;
    }
    referral_program guarded {
        link ^/g/(?<code>\w+)$;
        landing http://127.0.0.1:%%PORT%%/welcome;
        velocity clicks=1/1h unknown=1/1h;
    }
    referral_program trusting {
        link ^/t/(?<code>\w+)$;
        landing http://127.0.0.1:%%PORT%%/welcome;
        bots off;
        ban_referer spam.example;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT2%% ssl;
        listen 127.0.0.1:%%PORT3%% ssl http2;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%CERTKEY%%;
        referral friends;
        referral_customer $http_x_customer;
        location /g/ { referral guarded; }
        location /t/ { referral trusting; }
        location /friends/ { referral_api friends token_file=%%TOKENS%%; }
        location /guarded/ { referral_api guarded token_file=%%TOKENS%%; }
        location /trusting/ { referral_api trusting token_file=%%TOKENS%%; }
    }
EOC

open my $bots, '>:raw', $t->dir . '/bots' or die "bots: $!\n";
print $bots "AcmeReader\n~(?:\\xe9|\\xe9\\xe9)+!\\d\n";
close $bots;

$t->start;

my %program = (r => 'friends', g => 'guarded', t => 'trusting');
my (%classes, %reasons, $codes);


# A code that nobody has looked at yet.

sub code {
    my ($at, %field) = @_;
    my $code = sprintf 'C%03d', ++$codes;

    api($at, PUT => "/v1/codes/$code", { owner => 'u1', %field });
    return "/$at/$code";
}


sub api {
    my ($at, @args) = @_;
    return $t->api(@args[0 .. 2], prefix => "/$program{$at}");
}


# What a request at this path left: the click as the endpoint tells it.

sub click {
    my ($path, $send) = @_;
    my ($at) = $path =~ m{^/(\w)};
    my %before = classes($at);

    my $r = $send->();
    my %after = classes($at);
    my @rose = grep { $after{$_} != ($before{$_} || 0) } sort keys %after;

    my ($last) = reverse grep { /"type":"click"/ } split /\n/,
        api($at, GET => '/v1/journal?type=click&limit=1000')->body;
    my $click = JSON::PP::decode_json($last);
    my $d = $click;

    if (defined $click->{click_id}) {
        $d = api($at, GET => "/v1/clicks/$click->{click_id}")->json;
        is_deeply([@$d{qw(code class why flags)}],
            [@$click{qw(code class why flags)}],
            'the journal and the click say the same');
    }

    is("@rose", $d->{class}, 'the counter of its class rose, and no other');
    $classes{ $d->{class} }++;
    $reasons{ $d->{why} }++;

    return ($r, $d);
}


# One worker: what was sent before this record is counted when it is answered.

sub classes {
    my ($at) = @_;

    api($at, PUT => '/v1/codes/SYNC', { owner => 'sync' });
    return map { $_->{class} => $_->{clicks}{total} }
        @{ api($at, GET => '/v1/counters?by=class')->json->{data} };
}


sub person { return $_[0] =~ /^(?:human|suspect|self)$/ }


# Of a request with these headers, on a code of its own.

sub is_click {
    my ($class, $why, $name, %opt) = @_;
    my $at = delete $opt{at} // 'r';
    my $tls = delete $opt{tls};
    my $method = delete $opt{method} // 'GET';
    my $query = delete $opt{query} // '';
    my $want = delete $opt{flags} // [];
    my $path = delete $opt{path} // code($at);

    my ($r, $d) = click($path, sub {
        my $c = Referral::Client->new($t->port($tls ? 2 : 1), tls => $tls);
        return $c->request($method => "$path$query", \%opt);
    });

    is("$d->{class} $d->{why}", "$class $why", $name);
    is_deeply($d->{flags}, $want, "$name: flags");
    is(cookie($r) ne '', person($class), "$name: a cookie, or none");

    my $status = $method eq 'OPTIONS' ? 204 : $class eq 'prefetch' ? 503
        : $class =~ /^(?:unknown|inactive)$/ ? 404 : 302;
    is($r->status, $status, "$name: $status");
    is(defined $d->{click_id}, $class ne 'unknown', "$name: an id, or none");
}


# By method, headers and user agent.

is_click(human => 'navigation', 'a person');
is_click(probe => 'method', 'HEAD', method => 'HEAD');
is_click(probe => 'method', 'OPTIONS', method => 'OPTIONS');
is_click(prefetch => 'sec_purpose', $_->[0], @$_) for
    ['Sec-Purpose' => 'prefetch;prerender'], ['Purpose' => 'preview'],
    ['X-Purpose' => 'preview'], ['X-Moz' => 'prefetch'];
is_click(stuffing => 'fetch_dest', 'an image', 'Sec-Fetch-Dest' => 'image',
    'Sec-Fetch-Mode' => 'no-cors');
is_click(stuffing => 'fetch_dest', 'a frame', 'Sec-Fetch-Dest' => 'iframe');
is_click(stuffing => 'fetch_mode', 'a script', 'Sec-Fetch-Mode' => 'cors');
is_click(stuffing => 'accept', 'an image of an old browser', @metadata,
    Accept => 'image/avif,image/webp,*/*;q=0.8');
is_click(crawler => 'accept', 'any type', @metadata, Accept => '*/*');
is_click(crawler => 'no_user_agent', 'no user agent', 'User-Agent' => undef);
is_click(crawler => 'user_agent', 'Googlebot', 'User-Agent' =>
    'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)');
is_click(preview => 'user_agent', 'a preview', 'User-Agent' => 'WhatsApp/2.23.20.0 A');
is_click(scanner => 'user_agent', 'a scanner',
    'User-Agent' => 'Barracuda Sentinel (EE)');
is_click(crawler => 'bots_file', 'the own list',
    'User-Agent' => "$chrome AcmeReader");
is_click(suspect => 'match_limit', 'a bait for the own list',
    'User-Agent' => "$chrome " . "\xe9" x 300 . '!');
is_click(crawler => 'bot_header', 'From', From => 'robot@example.com');
is_click(scanner => 'bot_header', 'X-Scanner', 'X-Scanner' => 'Netsparker');
is_click(crawler => 'client_hints', 'Sec-CH-UA', 'Sec-CH-UA' =>
    '"Chromium";v="142", "HeadlessChrome";v="142", "Not_A Brand";v="99"');
is_click(human => 'navigation', 'Sec-CH-UA of a person', 'Sec-CH-UA' =>
    '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"');

# A user agent that is long, or binary.

is_click(human => 'navigation', '8 KB of a browser',
    'User-Agent' => $chrome . ' x' x 3800);
is_click(crawler => 'user_agent', '8 KB of nothing',
    'User-Agent' => 'x' x 7800);
is_click(crawler => 'user_agent', 'bytes', 'User-Agent' =>
    join '', map { chr } 0x80 .. 0xff);
is_click(human => 'navigation', 'a browser and bytes',
    'User-Agent' => "$chrome \xff\xfe\x80");

# By the code.

my $paused = code('r', status => 'paused');
is_click(inactive => 'code_paused', 'a paused code', path => $paused);
my $ended = code('r');
api('r', DELETE => '/v1/codes/' . substr $ended, 3);
is_click(inactive => 'code_ended', 'an ended code', path => $ended);
is_click(unknown => 'no_code', 'no such code', path => '/r/NOBODY');
is_click(self => 'owner', 'the owner', 'X-Customer' => 'u1');

# By where it came from.

is_click(suspect => 'scanner_referer', $_, Referer => $_) for
    'https://url.emailprotection.link/?b=1', 'https://urldefense.com/v3/__x',
    'https://eur03.safelinks.protection.outlook.com/?url=x',
    'https://security-eu.mimecastprotect.com/s/abc',
    'https://linkprotect.cudasvc.com/url?a=x',
    'https://statics.teams.cdn.office.net/evergreen-assets/safelinks/1';
is_click(human => 'navigation', $_, Referer => $_) for
    'https://outlook.live.com/', 'https://url.emailprotection.link.example/',
    'https://shop.example/?https://urldefense.com/', 'urldefense.com';
is_click(stuffing => 'banned_referer', $_, Referer => $_) for
    'https://spam.example/', 'http://SPAM.example:8080/x', 'https://spam.example.',
    'https://a.b.coupons.example/', 'https://coupons.example/',
    'https://x.stuffer.example?', 'https://stuffer.example#';
is_click(human => 'navigation', $_, Referer => $_) for
    'https://www.spam.example/', 'https://notspam.example/',
    'https://notcoupons.example/', 'https://shop.example/spam.example';
is_click(crawler => 'user_agent', 'a crawler from a banned host',
    Referer => 'https://spam.example/', 'User-Agent' => 'curl/8.5.0');
is_click(stuffing => 'banned_referer', 'an owner from a banned host',
    Referer => 'https://spam.example/', 'X-Customer' => 'u1');

# By how often.

my $guarded = code('g');
is_click(human => 'navigation', 'the first of a network', path => $guarded);
is_click(suspect => 'velocity', 'the second', path => $guarded);

# Flags.

is_click(human => 'navigation', $_, query => "?a=1&$_", flags => ['paid'])
    for qw(gclid=1 gad_source fbclid=x msclkid=1 twclid=1 li_fat_id=1 ttclid=&b
        gbraid=1 wbraid=1 dclid=1);
is_click(human => 'navigation', $_, query => "?$_")
    for qw(xgclid=1 a=gclid gclidx=1 GCLID=1 a=1?gclid=1);

my @cross = ('Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-User' => undef);
is_click(human => 'navigation', 'nobody clicked', @cross,
    flags => ['no_activation']);
is_click(human => 'navigation', 'nobody clicked, paid', @cross,
    query => '?gclid=1', flags => ['paid', 'no_activation']);
is_click(human => 'navigation', 'clicked', @cross, 'Sec-Fetch-User' => '?1');
is_click(human => 'navigation', 'of the same site', @cross,
    'Sec-Fetch-Site' => 'same-site');
is_click(human => 'navigation', 'Safari does not tell', @cross, 'User-Agent' =>
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15'
    . ' (KHTML, like Gecko) Version/17.5 Safari/605.1.15');

# What a browser would send over TLS, and only there.

is_click(suspect => 'no_fetch_metadata', 'Chrome, over TLS', @metadata,
    tls => 1);
is_click(suspect => 'no_language', 'without a language', tls => 1,
    'Accept-Language' => undef);
is_click(human => 'navigation', 'with both', tls => 1);
is_click(human => 'navigation', 'neither, over HTTP', @metadata,
    'Accept-Language' => undef);

sub browser {
    my ($sends, $name, $ua) = @_;
    is_click($sends ? ('suspect', 'no_fetch_metadata') : ('human', 'navigation'),
        $name, @metadata, tls => 1, 'User-Agent' => "Mozilla/5.0 $ua");
}

my $mac = '(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15'
    . ' (KHTML, like Gecko)';
my $gecko = '(Windows NT 10.0; rv:90.0) Gecko/20100101';

browser(0, 'Chrome 79', "$mac Chrome/79.0.1 Safari/537.36");
browser(1, 'Chrome 80', "$mac Chrome/80.0.1 Safari/537.36 Edg/80");
browser(0, 'Firefox 89', "$gecko Firefox/89.0");
browser(1, 'Firefox 90', "$gecko Firefox/90.0");
browser(0, 'Safari 16.3', "$mac Version/16.3 Safari/605.1.15");
browser(1, 'Safari 16.4', "$mac Version/16.4 Safari/605.1.15");
browser(1, 'Safari 17', "$mac Version/17.0.1 Mobile/15E148 Safari/604.1");
browser(0, 'an app on an old iPhone', '(iPhone; CPU iPhone OS 15_0 like Mac OS'
    . ' X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]');

sub h2 {
    my ($class, $why, $name, @more) = @_;
    my $path = code('r');

    my (undef, $d) = click($path, sub {
        Referral::H2->new($t->port(3), tls => 1)->request([[':method', 'GET'],
            [':scheme', 'https'], [':authority', '127.0.0.1'], [':path', $path],
            ['user-agent', $chrome], ['accept', $html], @more]);
    });

    is("$d->{class} $d->{why}", "$class $why", "HTTP/2, $name");
}

my @sent = map { ["sec-fetch-$_->[0]", $_->[1]] } [site => 'none'],
    [mode => 'navigate'], [user => '?1'], [dest => 'document'];

h2(suspect => 'no_fetch_metadata', 'a scanner as Chrome',
    ['accept-language', 'en']);
h2(suspect => 'no_language', 'without a language', @sent);
h2(human => 'navigation', 'a person', @sent, ['accept-language', 'en']);
h2(stuffing => 'fetch_dest', 'an image', ['sec-fetch-dest', 'image']);

# A look, and a visit just after it from the same network.

sub burst {
    my ($name, $class, %opt) = @_;
    my $path = code($opt{at} // 'r');

    $t->request($opt{method} // 'HEAD', $opt{first} ? code('r') : $path,
        { 'X-Real-IP' => $opt{from}[0], %{ $opt{headers} || {} } });
    sleep $opt{after} if $opt{after};
    is_click($class, $class eq 'suspect' ? 'burst' : 'navigation', $name,
        at => $opt{at} // 'r', path => $path, 'X-Real-IP' => $opt{from}[1]);
}

my @same = ('203.0.113.7', '203.0.113.200');

burst('a probe of the network', 'suspect', from => \@same);
burst('OPTIONS', 'suspect', from => \@same, method => 'OPTIONS');
burst('a scanner', 'suspect', from => \@same, method => 'GET',
    headers => { 'User-Agent' => 'Barracuda Sentinel (EE)' });
burst('two seconds later', 'suspect', from => \@same, after => 1.9);
burst('IPv6, of one site', 'suspect', from =>
    ['2001:db8:1:1::1', '2001:db8:1:ff00::2']);
burst('the same address, mapped', 'suspect', from =>
    ['203.0.113.9', '::ffff:203.0.113.9']);
burst('four seconds later', 'human', from => \@same, after => 3.1);
burst('another network', 'human', from => ['203.0.113.7', '203.0.114.7']);
burst('IPv6, another site', 'human', from => ['2001:db8:1::1', '2001:db8:2::1']);
burst('another code', 'human', from => \@same, first => 1);
burst('a crawler', 'human', from => \@same, method => 'GET',
    headers => { 'User-Agent' => 'curl/8.5.0' });

# With bots off, nothing of all that is looked for; a ban still is one.

burst('bots off: a probe', 'human', from => \@same, at => 't');
is_click(human => 'navigation', "bots off: $_->[0]", at => 't', @$_) for
    ['User-Agent' => 'curl/8.5.0'], [From => 'robot@example.com'],
    [Referer => 'https://urldefense.com/'], ['Accept-Language' => undef, tls => 1],
    ['Sec-CH-UA' => '"HeadlessChrome";v="142"'];
is_click(stuffing => 'banned_referer', 'bots off: a ban', at => 't',
    Referer => 'https://spam.example/');

# The last one, as it makes this network one that guesses.

$t->get("/g/NOBODY$_") for 1 .. 3;
my (undef, $guess) = click('/g/', sub { $t->get($guarded) });
is("$guess->{class} $guess->{why}", 'suspect enumeration',
    'a code among guesses');

open my $names, '<', "$Referral::Nginx::ROOT/lmdb-store/store_read.c"
    or die "names: $!\n";
my $source = join '', <$names>;

for my $what (['class', \%classes], ['why', \%reasons]) {
    my ($list) = $source =~ /store_$what->[0]_names\[\] = \{(.*?)\}/s;
    is(join(' ', sort keys %{ $what->[1] }),
        join(' ', sort $list =~ /"(\w+)"/g), "every $what->[0] was there");
}

# The configuration.

sub refused {
    my ($ban, $want) = @_;
    my ($code, $out) = nginx_t(<<"EOC");
        referral_store %%STORE%% intake_path=%%INTAKE%%;
        referral_key_file %%KEY%%;
        referral_program friends {
            link ^/r/(?<code>\\w+)\$;
            landing https://shop.example/welcome;
            ban_referer $ban;
        }
EOC

    is($code, defined $want ? 1 : 0, "ban_referer $ban");
    like($out, qr/\[emerg\].*$want.* in \S+:\d+$/m, 'says why')
        if defined $want;
    return $out;
}

my $plain = refused('Spam.Example .spam.example *.other.example localhost');
unlike($plain, qr/\[warn\]/, 'without a warning');
refused($_, "invalid host \"\Q$_\E\"") for 'https://spam.example', 'spam.example/x',
    'spam.example:80', 'spam..example', '-spam.example', 'spam-.example',
    'spam.example.', '*', '.', '*.', 'a*.example', "sp\xc3\xa4m.example",
    'spam_x.example', 'x' x 254;
refused($_, 'duplicate host') for 'a.example a.example', '.a.example *.A.example';
refused('', 'invalid number of arguments');

SKIP: {
    my $library = "$Referral::Nginx::BUILD/preload/nojit.so";

    skip 'the library of t/preload is not built', 1 unless -e $library;
    local $ENV{TEST_NGINX_PRELOAD} = join ' ',
        $ENV{TEST_NGINX_PRELOAD} || (), $library;
    like(refused('spam.example'), qr/\[warn\].*makes no machine code here/,
        'a warning where PCRE2 has no JIT');
}

finish();
