# X-Referral-Event: what a storefront says in a fresh answer of its own is
# recorded, nothing else is, and no client ever sees it.

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/lib';
use Referral::Nginx timeout => 120;
use Referral::Count qw(cookie);

my $t;
my $dir = tempdir(CLEANUP => 1);

# The storefront does as the query says: e=event header, s=status, x=where to
# by X-Accel-Redirect.  It answers with what it was asked.

sub storefront {
    my ($req) = @_;
    my ($path, $args) = split /\?/, $req->{uri}, 2;
    my ($status, @headers) = (200, ['Content-Type', 'application/json']);

    for (split /&/, $args // '') {
        my ($name, $value) = split /=/, $_, 2;
        $value =~ s/\+/ /g;
        $value =~ s/%(..)/chr hex $1/ge;

        push @headers, ['X-Referral-Event', $value] if $name eq 'e';
        push @headers, ['x-referral-EVENT', $value] if $name eq 'E';
        push @headers, ['X-Accel-Redirect', $value] if $name eq 'x';
        push @headers, ['X_Referral_Event', $value] if $name eq 'u';
        $status = $value if $name eq 's';
    }

    push @headers, ['ETag', '"1"'], ['Cache-Control', 'max-age=1']
        if $path =~ /again/;
    $status = 304
        if grep { lc $_->[0] eq 'if-none-match' } @{ $req->{headers} };
    $status = 503 if $path =~ /stale/ && -e "$dir/broken";
    $status = 404 if $path =~ /front/
        && !grep { lc $_->[0] eq 'x-back' } @{ $req->{headers} };

    return ($status, \@headers, $status == 304 ? ''
        : JSON::PP->new->latin1->encode({ %$req, at => time }));
}

my ($fastcgi, $fastcgi_pid) = fastcgi();

my $conf = <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    proxy_cache_path %%DIR%%/cache keys_zone=cache:1m;
    proxy_set_header X-Client \$http_x_client;

    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event signup   points=5 once=customer;
        event purchase points=10 hold=1h;
        event click    points=1;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;

        location / { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /off/ { referral off; proxy_pass http://%%UPSTREAM%%; }
        location /hidden/ {
            proxy_hide_header X-Referral-Event;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /customer/ {
            referral_customer \$http_x_client;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /consent/ {
            referral_consent \$http_x_client;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /fastcgi { fastcgi_pass 127.0.0.1:$fastcgi; }

        location /cached/ {
            proxy_cache cache;
            proxy_cache_valid any 1m;
            add_header X-Cache \$upstream_cache_status;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /again/ {
            proxy_cache cache;
            proxy_cache_revalidate on;
            add_header X-Cache \$upstream_cache_status;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /stale/ {
            proxy_cache cache;
            proxy_cache_valid any 1s;
            proxy_cache_use_stale http_503;
            add_header X-Cache \$upstream_cache_status;
            proxy_pass http://%%UPSTREAM%%;
        }

        location /static/ {
            add_header X-Referral-Event "purchase; order_id=static";
            alias %%DIR%%/html/;
        }
        location /added/ {
            add_header X-Referral-Event "purchase; order_id=added";
            proxy_pass http://%%UPSTREAM%%;
        }
        location /file/ { internal; alias %%DIR%%/html/; }
        location /second/ { internal; proxy_pass http://%%UPSTREAM%%; }
        location /unasked/ {
            internal;
            referral_consent \$http_x_client;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /answer/ { internal; return 200 answered; }

        location /front/ {
            proxy_intercept_errors on;
            error_page 404 = \@back;
            proxy_pass http://%%UPSTREAM%%;
        }
        location \@back {
            proxy_set_header X-Back 1;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /front/lost {
            proxy_intercept_errors on;
            error_page 404 \@back;
            proxy_pass http://%%UPSTREAM%%;
        }

        location /auth/ { auth_request /sub; proxy_pass http://%%UPSTREAM%%; }
        location = /sub {
            internal;
            proxy_pass "http://%%UPSTREAM%%/x?e=purchase;order_id=sub";
        }
        location /ssi/ { ssi on; ssi_types *; alias %%DIR%%/html/; }
    }

    server {
        listen 127.0.0.1:%%PORT2%% http2;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }

    server {
        listen 127.0.0.1:%%PORT3%%;
        location / { proxy_pass http://%%UPSTREAM%%; }
    }
EOC

$t = Referral::Nginx->new(upstream => \&storefront, conf => $conf);

for (['file.html', 'a file'],
    ['page.html', '<!--#include virtual="/x?e=purchase;order_id=part" -->'])
{
    open my $f, '>', $t->dir . "/html/$_->[0]" or die $!;
    print $f $_->[1];
    close $f;
}

$t->start;

sub uri {
    my ($path, @pairs) = @_;
    my @args;

    while (my ($name, $value) = splice @pairs, 0, 2) {
        $value =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ge;
        push @args, "$name=$value";
    }

    return "$path?" . join '&', @args;
}

sub unseen {
    my ($r) = @_;
    return !grep { $_->[0] =~ /^x.referral/i } @{ $r->headers };
}

# One worker applies what it took before in the order it took it.

sub settled {
    my $r = $t->api(PUT => '/v1/codes/sync', { owner => 'sync' });
    die 'PUT: ', $r->status, $r->body unless $r->status =~ /^20[01]$/;
}

sub conversion {
    my ($id) = @_;
    settled();
    my $r = $t->api(GET => "/v1/conversions/$id");
    return $r->status == 200 ? $r->json : undef;
}

# What the three counters grew by, as "taken refused lost".

sub stats {
    my $text = $t->api(GET => '/metrics')->body;
    return map { $text =~ /^referral_header_events${_}_total (\d+)$/m }
        '', '_refused', '_lost';
}

sub grown {
    my ($code) = @_;
    my @before = stats();
    $code->();
    settled();
    my @after = stats();
    return join ' ', map { $after[$_] - $before[$_] } 0 .. 2;
}

# Pages, with what they report; all of them come as they are.

sub page {
    my ($uri, %headers) = @_;
    my $r = $t->get($uri, %headers);
    ok($r->status == 200 && unseen($r) && $r->body =~ /"uri"/,
        "the page " . substr $uri, 0, 60);
    return $r;
}


# What is recorded.

is($t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' })->status, 201,
    'a code');
my $anna = cookie($t->get('/r/ANNA42'));

is(grown(sub {
    page(uri('/x', e => 'purchase; order_id="1001"; amount=4999; currency=EUR;'
        . ' customer_id="u9"'), Cookie => $anna);
}), '1 0 0', 'an event is taken');

my $c = conversion(1001);
is($c->{code}, 'ANNA42', 'its code');
is($c->{attribution}{method}, 'token', 'by the cookie');
like($c->{attribution}{click_id}, qr/^[\w-]{12}$/, 'with its click');
is($c->{attribution}{first_code}, 'ANNA42', 'and the first touch');
is($c->{status}, 'pending', 'on hold');
is("$c->{amount} $c->{currency} $c->{customer_id}", '4999 EUR u9', 'as told');

page(uri('/x', e => 'purchase; order_id=1002; amount="49.99"; currency=KWD;'
    . ' occurred_at=2026-11-20T10:00:00Z'));
$c = conversion(1002);
is($c->{status}, 'unattributed', 'without a cookie: unattributed');
is_deeply($c->{reasons}, ['no_evidence'], 'and why');
is($c->{amount}, 49990, 'major units');
is($c->{occurred_at}, '2026-11-20T10:00:00Z', 'when it was');

page(uri('/x', e => 'purchase; order_id=1003; code=ANNA42'));
is(conversion(1003)->{attribution}{method}, 'code', 'a coupon');

page(uri('/x', e => 'purchase; order_id=1004'),
    Cookie => $anna =~ s/.$/$& eq 'A' ? 'B' : 'A'/er);
is_deeply(conversion(1004)->{reasons}, ['token_invalid'],
    'a cookie that is not ours');

is(grown(sub {
    page(uri('/x', e => 'purchase; order_id=2001',
        E => 'purchase; order_id=2002', e => ''), Cookie => $anna);
    page(uri('/x', e => 'purchase; order_id=2003, purchase;order_id="2,4"'),
        Cookie => $anna);
}), '4 0 0', 'several events, in several headers or one');
is(conversion($_)->{code}, 'ANNA42', "order $_") for 2001 .. 2003, '2%2C4';

page(uri('/hidden/', e => 'purchase; order_id=2005'));
ok(conversion(2005), 'proxy_hide_header hides it from the client only');

for (201, 204, 302, 303) {
    my $r = $t->get(uri('/x', s => $_, e => "purchase; order_id=s$_"));
    ok($r->status == $_ && unseen($r), "status $_");
    ok(conversion("s$_"), 'is recorded');
}

my $head = $t->request(HEAD => uri('/x', e => 'purchase; order_id=head'));
ok($head->status == 200 && unseen($head) && conversion('head'), 'HEAD');
my $r = $t->get(uri('/x', e => 'purchase; order_id=304'),
    'If-None-Match' => '"1"');
ok($r->status == 304 && unseen($r) && conversion('304'), '304 of a storefront');
$r = $t->request(POST => uri('/x', e => 'purchase; order_id=post'), {}, 'a=b');
ok($r->json->{body} eq 'a=b' && unseen($r) && conversion('post'), 'POST');

$r = $t->get('/fastcgi', Cookie => $anna);
ok($r->body eq 'hello' && unseen($r), 'FastCGI: the page');
is(conversion('fcgi')->{code}, 'ANNA42', 'its event');


# Who it was.

page(uri('/customer/', e => 'signup; order_id=c1'), 'X-Client' => 'u21');
is(conversion('c1')->{customer_id}, 'u21', 'referral_customer');
page(uri('/customer/', e => 'signup; order_id=c2; customer_id=u22'),
    'X-Client' => 'u23');
is(conversion('c2')->{customer_id}, 'u22', 'the storefront knows better');

page(uri('/consent/', e => 'purchase; order_id=n1'), Cookie => $anna);
is(conversion('n1')->{status}, 'unattributed', 'the cookie needs consent');
page(uri('/consent/', e => 'purchase; order_id=n2'), Cookie => $anna,
    'X-Client' => 1);
is(conversion('n2')->{code}, 'ANNA42', 'and is read with it');


# Orders that were reported before.

is(grown(sub {
    page(uri('/x', e => 'purchase; order_id="1001"; amount=4999; currency=EUR;'
        . ' customer_id="u9"'), $_ ? (Cookie => $anna) : ()) for 0, 1;
}), '2 0 0', 'once more, also from another browser');
is_deeply(conversion(1001)->{reasons}, [], 'nothing changes');

is(grown(sub {
    page(uri('/x', e => 'purchase; order_id=1001; amount=1; currency=EUR'));
}), '1 1 0', 'with other content: refused in the end');
is(conversion(1001)->{amount}, 4999, 'nothing changes');


# What is refused: the page comes nevertheless, the log says why.

my @refused = (
    ['purchase order_id=r', 'X-Referral-Event',
        'there is something other than a semicolon or comma'],
    ['purchase; order_id=r; order=r', 'X-Referral-Event',
        'it has a parameter that is not known'],
    ['purchase; order_id=r, purchase; order_id=', 'X-Referral-Event',
        'it has a parameter without a value'],
    ['refund; order_id=r', 'event', 'the program declares no such event'],
    ['click; order_id=r', 'event', 'it counts links followed'],
    ['signup; order_id=r', 'customer_id', 'this event counts once a customer'],
    ['purchase; order_id="r "', 'order_id', 'it begins or ends with a space'],
    ['purchase', 'order_id', 'it is missing'],
    ['purchase; order_id=r; amount="1.001"; currency=EUR', 'amount', 'it '],
    ['purchase; order_id=r; amount=1', 'currency', 'an amount must have it'],
    ['purchase; order_id=r; currency=EUR', 'amount', 'a currency must have it'],
    ['purchase; order_id=r; amount=1; currency=XAU', 'currency', 'it '],
    ['purchase; order_id=r; amount=1; currency=eur', 'currency', 'it '],
    ['purchase; order_id=r; code=-x', 'code', 'it is not a letter'],
    ['purchase; order_id=r; occurred_at=yesterday', 'occurred_at', 'it is not'],
    ['purchase; order_id=r; customer_id=" secret-customer"', 'customer_id',
        'it begins'],
);

my ($lines, $began) = (0, time);
sleep 1.05;

for (@refused) {
    my ($event, $field, $why) = @$_;
    my $quick = $lines++ > 4;
    my $from = length $t->log;

    is(grown(sub { page(uri('/x', e => $event), Cookie => $anna) }), '0 1 0',
        "$event: refused");
    next if $quick;

    like(substr($t->log, $from),
        qr/refused, order "r? ?": "$field": \Q$why\E/, 'the log says why');
    sleep 1.05;
}

is(conversion('r'), undef, 'none of them is there');
my @said = $t->log =~ /(an event of a storefront was refused)/g;
cmp_ok(@said, '<=', 2 + (time - $began), 'the log is not flooded');

for ('x' x 70, "a\xc3\xbc" . 'x' x 90) {
    sleep 1.05;
    page(uri('/x', e => "purchase; order_id=\"$_\"; a=1"));
}

like($t->log, qr/order "x{64}": /, 'a long id is cut');
like($t->log, qr/order "a\\xC3\\xBCx{61}": /, 'and escaped');
unlike($t->log, qr/secret-customer|"u9"|u2[1-3]/, 'customers are not named');

for (400, 404, 500, 503) {
    is(grown(sub {
        my $r = $t->get(uri('/x', s => $_, e => "purchase; order_id=e$_"));
        ok($r->status == $_ && unseen($r), "status $_: the page");
    }), '0 1 0', 'its event is refused');
    is(conversion("e$_"), undef, 'and not recorded');
}


# Only what is fresh counts.

sub cache {
    my ($uri, $status, $want) = @_;
    is(grown(sub {
        my $r = page($uri);
        is($r->header('X-Cache'), $status, $status);
    }), $want, $want eq '1 0 0' ? 'is recorded' : 'is not');
}

my $cached = uri('/cached/', e => 'purchase; order_id=k1');
cache($cached, @$_) for ['MISS', '1 0 0'], ['HIT', '0 0 0'], ['HIT', '0 0 0'];

my $again = uri('/again/', e => 'purchase; order_id=k2');
my $stale = uri('/stale/', e => 'purchase; order_id=k3');
cache($_, 'MISS', '1 0 0') for $again, $stale;
sleep 2.1;
cache($again, 'REVALIDATED', '0 0 0');
cache($stale, 'EXPIRED', '1 0 0');
sleep 2.1;
open my $broken, '>', "$dir/broken" or die $!;
cache($stale, 'STALE', '0 0 0');


# Internal redirects.

is(grown(sub {
    my $r = $t->get(uri('/x', e => 'purchase; order_id=i1',
        x => '/file/file.html'), Cookie => $anna);
    ok($r->body eq 'a file' && unseen($r), 'X-Accel-Redirect to a file');
}), '1 0 0', 'the event is taken once');
is(conversion('i1')->{code}, 'ANNA42', 'and recorded');

is(grown(sub {
    my $r = $t->get(uri('/x', e => 'purchase; order_id=i2',
        x => '/second/?e=purchase;order_id=i3'));
    ok($r->body =~ /"uri"/ && unseen($r), 'to another storefront');
}), '2 0 0', 'each says its own');
ok(conversion($_), "order $_") for 'i2', 'i3';

page(uri('/x', x => '/unasked/?e=purchase;order_id=i8'), Cookie => $anna);
is(conversion('i8')->{status}, 'unattributed', 'each asks for consent');

is(grown(sub {
    my $r = $t->get(uri('/x', e => 'purchase; order_id=i4', x => '/answer/'));
    ok($r->body eq 'answered' && unseen($r), 'to an answer of nginx');
}), '1 0 0', 'once');
is(grown(sub {
    my $r = $t->get(uri('/x', e => 'purchase; order_id=i5', x => '/file/none'));
    ok($r->status == 404 && unseen($r), 'to nowhere');
}), '1 0 0', 'once');

is(grown(sub { page(uri('/front/', e => 'purchase; order_id=i6')) }), '1 1 0',
    'an error that another storefront mends');
ok(conversion('i6'), 'is recorded');
is(grown(sub {
    my $r = $t->get(uri('/front/lost', e => 'purchase; order_id=i7'));
    ok($r->status == 404 && unseen($r), 'an error page of a storefront');
}), '0 2 0', 'is none');


# What is no answer of a storefront, and what is not ours.

is(grown(sub {
    for (qw(/static/file.html /added/x /ssi/page.html /auth/x)) {
        my $r = $t->get($_);
        ok($r->status == 200 && unseen($r), $_);
        like($r->body, qr/"uri"/, 'with its part') if /ssi/;
    }
}), '0 0 0', 'add_header and subrequests report nothing');

is(grown(sub {
    my $r = $t->get(uri('/off/x', e => 'purchase; order_id=o2', u => 'x'));
    ok($r->status == 200 && unseen($r), '"referral off": the page, without it');
}), '0 0 0', 'and no event');
is(conversion($_), undef, "$_ is not there") for qw(static added sub part o2);

$r = $t->get('/x', 'X-Referral-Event' => 'purchase; order_id=o3',
    'X_Referral_Event' => 'purchase; order_id=o3');
is(scalar(grep { $_->[0] =~ /referral.event/i } @{ $r->json->{headers} }), 0,
    'the header of a client does not reach the storefront');
is(conversion('o3'), undef, 'and is no event');

$r = Referral::Client::get($t->port(3),
    uri('/x', e => 'purchase; order_id=o4'));
is($r->header('X-Referral-Event'), 'purchase; order_id=o4',
    'a server without a program is left alone');
is(conversion('o4'), undef, 'and no event is recorded');


# HTTP/2.

my $url = 'http://127.0.0.1:' . $t->port(2)
    . uri('/x', e => 'purchase; order_id=h2', E => 'x=', u => 'x');
my $out = `curl -s -i --max-time 10 --http2-prior-knowledge \\
    -H 'Cookie: $anna' '$url'`;

like($out, qr{^HTTP/2 200.*"uri"}s, 'HTTP/2: the page');
unlike($out =~ s/\r\n\r\n.*//sr, qr/referral/i, 'without the header');
is(conversion('h2')->{code}, 'ANNA42', 'with its event');

is((stats())[2], 0, 'nothing was lost');
$t->stop;


# A store that cannot be opened.

my $down = Referral::Nginx->new(upstream => \&storefront, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location / { proxy_pass http://%%UPSTREAM%%; }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

mkdir $down->store;
open my $data, '>', $down->store . '/data.mdb' or die $!;
print $data 'x' x 65536;
close $data;
system 'chown', '-R', 'www-data', $down->store if $> == 0;

$down->start;
$t = $down;
page(uri('/x', e => 'purchase; order_id=1'));
is(join(' ', stats()), '0 0 1', 'the event is lost, and counted');
like($down->log, qr/an event of a storefront was lost, order "1"/,
    'and logged');

finish();


# One answer, with an event, for each connection.

sub fastcgi {
    my $port = free_port();
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $port, Listen => 16, ReuseAddr => 1) or die;
    my $pid = fork() // die;
    return ($port, $pid) if $pid;

    $SIG{TERM} = $SIG{ALRM} = sub { POSIX::_exit(0) };

    while (my $c = $listen->accept) {
        my ($head, $type, $id, $len, $pad, $rest);

        while (read($c, $head, 8) == 8) {
            (undef, $type, $id, $len, $pad) = unpack 'CCnnC', $head;
            read $c, $rest, $len + $pad;
            last if $type == 5 && $len == 0;
        }

        my $out = "Content-Type: text/plain\r\n"
            . "X-Referral-Event: purchase; order_id=fcgi\r\n\r\nhello";
        print $c pack('CCnnCC', 1, 6, 1, length $out, 0, 0), $out,
            pack('CCnnCC', 1, 6, 1, 0, 0, 0),
            pack('CCnnCCNC4', 1, 3, 1, 8, 0, 0, 0, 0, 0, 0, 0);
        close $c;
    }

    POSIX::_exit(0);
}

END {
    kill TERM => $fastcgi_pid if $fastcgi_pid;
}
