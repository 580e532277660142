# docs/openapi.yaml, both ways, against a running module: all that is answered has
# to be described, and all that is described has to come.

use strict;
use warnings;

use File::Path qw(make_path);
use JSON::PP;
use POSIX qw(strftime);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 240;
use Referral::OpenAPI;
use Referral::Web;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

sub spew {
    my ($file, $text) = @_;
    open my $f, '>', $file or die "$file: $!";
    print $f $text;
    close $f;
}

sub slurp {
    my ($file) = @_;
    open my $f, '<', $file or die "$file: $!";
    local $/;
    return <$f>;
}

my ($doc, @operations) = openapi();

my $start = time;
my %at = map { $_ => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($start + $_)) }
    (-60, 86400);

my $conf = <<"EOC";
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=50ms;
    referral_key_file %%KEY%%;
    referral_customer \$http_x_customer;
    client_max_body_size 4m;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:/(?<channel>[a-z0-9]{1,16}))?\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
        event signup points=5;
        event purchase points=10;
        event order hold=1h;
        event trial hold=1s;
        tier bronze 10;
        tier gold 100000;
        reward mug to=friend on=signup value=mug;
        reward month to=referrer on=signup value=month;
        reward cash to=referrer on=purchase value=10% hold=0s;
        contest sprint from=$at{-60} to=$at{86400};
    }
    referral_program bare {
        link "^/(?:a|b)*/(?<code>[A-Za-z0-9]+)\$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    referral_web %%DIR%%/web;
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location /bare/ { referral_api bare token_file=%%TOKENS%%; }
        location /progress/ { referral_progress friends; }
        location /signed/ {
            referral_api friends token_file=%%TOKENS%% secret_file=%%DIR%%/secrets;
        }
    }
EOC

sub instance {
    my $t = Referral::Nginx->new(conf => $conf, @_);

    my $dir = $t->dir;

    spew("$dir/secrets", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\n");
    chmod 0600, "$dir/secrets";
    make_path("$dir/web/progress");
    spew("$dir/web/progress/$_", $_) for qw(index.html app.js app.css icon.svg);

    return $t;
}

my $t = instance();
$t->start;

my $record = $t->dir . '/calls';
open my $calls_to, '>', $record or die $!;

my %plain = map { $_ => 1 } qw(server date content-type content-length connection
    transfer-encoding keep-alive last-modified);

# As Referral::Nginx's api(), with the names of a path filled in; kept is what
# was answered, and what was sent when it was taken.  wrong: it is not as it
# is described.

sub fill {
    my ($path, $id) = @_;
    return $path =~ s/\{(\w+)\}/$id->{$1} =~ s{([^\w.~-])}{sprintf '%%%02X', ord $1}ger/ger;
}

sub call {
    my ($method, $path, $body, %opt) = @_;
    my $query = $opt{query} ? "?$opt{query}" : '';
    my $r = ($opt{of} || $t)->api($method, fill($path, $opt{id} || {}) . $query, $body,
        %opt);
    my $type = $r->header('Content-Type');
    my $as = ($opt{headers} || {})->{'Content-Type'} || 'application/json';

    print $calls_to $json->encode({ name => "$method $path$query: " . $r->status,
        path => $path, method => lc $method, status => $r->status, type => $type,
        headers => { map { $plain{ lc $_->[0] } ? () : (lc $_->[0] => $_->[1]) }
            @{ $r->headers } },
        bodies => [bodies($type, $r->body)],
        $body && $r->status < 300 && !$opt{wrong}
            ? (as => $as, sent => [ref $body ? $body : bodies($as, $body)]) : () }), "\n";

    return $r;
}

sub bodies {
    my ($type, $body) = @_;

    return () unless defined $type && length $body;
    return $body unless $type =~ /json/;
    return map { $json->decode($_) } $type =~ /ndjson/ ? split /\n/, $body : $body;
}


# What goes wrong the same way everywhere.

my %ID = (code => 'ANNA', order_id => 'o1', id => '1', click_id => 'AAAAAAAAAAAA',
    owner => 'u1');

sub each_operation {
    my ($do) = @_;

    for my $o (grep { !$_->{elsewhere} } @operations) {
        my ($needed) = grep { $_->{required} } @{ $o->{query} };
        my $query = $needed ? "$needed->{name}=" . resolve($needed->{schema})->{enum}[0]
            : '';

        $do->($o, sub {
            my ($body, %opt) = @_;
            $opt{query} = join '&', grep { length } $query, $opt{query} || '';
            return call(uc $o->{method}, $o->{path}, $body, id => \%ID, %opt);
        });
    }
}

each_operation(sub {
    my ($o, $ask) = @_;
    my $name = "$o->{method} $o->{path}";
    my $some = $o->{body} ? '{"a":1}' : undef;
    my $codes = '';

    $codes .= ' ' . ($_->status == 204 ? 204 : $_->json->{code}) for
        $ask->($some, token => undef),
        $ask->($some, query => 'colour=red');
    is($codes, ' unauthorized invalid_parameter', "$name: what is refused everywhere");
    return if $o->{scope} eq 'read';

    $codes = $ask->($some, token => $t->{token}{read})->json->{code};
    is($codes, 'forbidden', "$name: a token that may not");
    return if $o->{scope} eq 'admin';

    is($ask->($some, headers => { 'Sec-Fetch-Site' => 'cross-site' })->json->{code},
        'cross_site', "$name: from another site");
    is($ask->($some, prefix => '/signed')->json->{code}, 'invalid_signature',
        "$name: without a signature");
    return unless $o->{body};

    $codes = join ' ', map { $_->json->{code} }
        $ask->('{}', headers => { 'Content-Type' => 'text/plain' }),
        $ask->('{}', headers => { 'Content-Encoding' => 'gzip' }),
        $ask->(' ' x (1024 * 1024 + 1)),
        $o->{about}{requestBody}{required} ? $ask->('') : ();

    is($codes, 'unsupported_media_type unsupported_encoding body_too_large'
        . ($o->{about}{requestBody}{required} ? ' empty_body' : ''), "$name: bodies");
});

my $broken = instance();

mkdir $broken->store;
spew($broken->store . '/data.mdb', 'not a store ' x 4000);
chmod 0777, $broken->store;
chmod 0666, $broken->store . '/data.mdb';

spew($broken->dir . '/referral.key', slurp($t->dir . '/referral.key'));
chmod 0600, $broken->dir . '/referral.key';

$broken->start;

each_operation(sub {
    my ($o, $ask) = @_;
    my $body = $o->{body} ? { conversions => { event => 'signup', order_id => 'o' },
        codes => { owner => 'u1' }, refunds => { refund_id => 'r' } }
        ->{ $o->{path} =~ m{/(refunds)$} ? $1 : (split m{/}, $o->{path})[2] } : undef;
    my $r = $ask->($o->{body} && $o->{about}{requestBody}{required} ? $body : undef,
        of => $broken, token => $broken->{token}{admin});

    is($r->status, $o->{about}{responses}{503} ? 503 : 200,
        "$o->{method} $o->{path}: without a store");
});


# Codes.

my @put = (PUT => '/v1/codes/{code}');

sub put {
    my ($code, $body, %opt) = @_;
    return call(@put, $body, id => { code => $code }, %opt);
}

is(put('ANNA', { owner => 'u1', kind => 'customer', name => 'Anna',
    landing => '/welcome-anna', status => 'active' })->status, 201, 'a new code');
is(put('ANNA', { name => 'Anna B', landing => undef })->status, 200, 'changed');
put('BOB', { owner => 'u2' });
put('PAUSED', { owner => 'u3', status => 'paused' });
put('ENDED', { owner => 'u3' });

my @end = (DELETE => '/v1/codes/{code}', undef);

is(call(@end, id => { code => 'ENDED' })->status, 204, 'ended');
is(call(@end, id => { code => 'NOBODY' })->status, 404, 'to be ended, but not there');
is(put('ENDED', { name => 'x' })->status, 409, 'it has ended');
is(put('CARL', { name => 'x' })->status, 422, 'no owner');
is(put('CARL', '{')->status, 400, 'no JSON');

my @post = (POST => '/v1/codes');

is(call(@post, { owner => 'u4' })->status, 201, 'a generated code');
is(call(@post, { owner => 'u4', code => 'DORA', kind => 'partner', name => 'Dora',
    landing => '/d', status => 'active' })->status, 201, 'a given one');
is(call(@post, { owner => 'u4', code => $_ })->status, 409, "$_ is there")
    for qw(DORA ENDED);
is(call(@post, { owner => 'u4', code => 'ELSE' }, query => 'dry_run=1')->status, 200,
    'only checked');
is(call(@post, { owner => 'u4' }, query => 'dry_run=2')->status, 422, 'dry_run=2');
is(call(@post, $_)->status, $_ eq '{' ? 400 : 422, $_) for '{', '{"colour":"red"}';

my %lines = (headers => { 'Content-Type' => 'application/x-ndjson' });

is(call(@post, "{\"owner\":\"u5\"}\n{\"owner\":\"u5\",\"code\":\"DORA\"}\n", %lines)
    ->status, 200, 'many codes');
is(call(@post, qq({"owner":"u5","code":"EVA"}\n{}\n) x 501, %lines)->status, 413,
    'too many');

is(call(@post, "{\"owner\":\"\"}\n", %lines, wrong => 1)->json->{failed}, 1,
    'a wrong line');


# Clicks of each class.

my %program = ('User-Agent' => 'curl/8.0', Accept => '*/*', map { $_ => undef }
    qw(Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-User Sec-Fetch-Dest Accept-Language));
my @clicks = (
    ['/r/ANNA/wa'], ['/r/ANNA', %program],
    ['/r/ANNA', %program, 'User-Agent' => 'WhatsApp/2.23.20.0'],
    ['/r/ANNA', 'Sec-Purpose' => 'prefetch'], ['/r/ANNA', 'X-Scanner' => '1'],
    ['/r/ANNA', 'Sec-Fetch-Dest' => 'image', 'Sec-Fetch-Mode' => 'no-cors'],
    ['/r/BOB', Referer => 'https://eur01.safelinks.protection.outlook.com/'],
    ['/r/ANNA', 'X-Customer' => 'u1'], ['/r/NOBODY'], ['/r/PAUSED'],
    ['/r/ANNA?gclid=x'],
);

my ($token) = $t->get(@{ $clicks[0] })->header('Set-Cookie') =~ /=([^;]*)/;
$t->get(@$_) for @clicks[1 .. $#clicks];
$t->request(HEAD => '/r/ANNA', { 'User-Agent' => 'curl/8.0' });

my ($click) = $token =~ /\.ANNA\.wa\.([A-Za-z0-9_-]{12})\./;

sub counters {
    my ($query, %opt) = @_;
    return call(GET => '/v1/counters', undef, query => $query, %opt);
}

sub classes { return $t->api(GET => '/v1/counters')->json->{data}[0]{clicks} }

ok(wait_for(sub { classes()->{total} >= @clicks + 1 }, 10), 'the clicks are counted');
is(scalar keys %{ classes()->{classes} }, 11, 'of all classes')
    or diag(explain(classes()));

is(call(GET => '/v1/clicks/{click_id}', undef, id => { click_id => $click })->status, 200,
    'a click');
is(call(GET => '/v1/clicks/{click_id}', undef, id => \%ID)->status, 404, 'no click');


# Conversions.

my %order;

sub order {
    my ($order, $body, %opt) = @_;
    return call(POST => '/v1/conversions', { event => 'purchase', order_id => $order,
        %$body }, %opt);
}

sub refund {
    my ($order, $body) = @_;
    return call(POST => '/v1/conversions/{order_id}/refunds', $body,
        id => { order_id => $order });
}

my %all = (amount => 4999, currency => 'EUR', customer_id => 'u9', token => $token,
    code => 'ANNA', click_id => $click, occurred_at => $at{-60});

is(order('o1', { %all })->status, 201, 'an order');
is(order('o1', { %all })->status, 200, 'the same');
is(order('o1', { %all, amount => 1 })->status, 409, 'another');
is(order('o2', { event => 'signup', code => 'ANNA', customer_id => 'u8' })->status, 201,
    'a signup');
is(order('o3', { code => 'ANNA', customer_id => 'u1' })->status, 202, 'held');
is(order('o4', { code => 'ANNA', customer_id => 'u1' })->status, 202, 'another');
is(order('o5', { amount => '49.99', currency => 'JPY' })->status, 422, 'no such amount');
is(order('o5', { amount => 1, currency => 'EUR' })->status, 201, 'unattributed');
is(order('o6', { event => 'order', code => 'BOB', customer_id => 'u1',
    amount => '20.00', currency => 'EUR' })->status, 201, 'it waits for its hold');
is(order('o7', { event => 'trial', code => 'BOB' })->status, 201, 'a short one');
is(order('o8', { event => 'signup', code => 'BOB', customer_id => 'u1' })->status, 201,
    'of an owner');
is(call(POST => '/v1/conversions', '{')->status, 400, 'no JSON');

is(refund('o1', { refund_id => 'r1', amount => 999, currency => 'EUR',
    reason => 'too small' })->status, 201, 'a part is refunded');
is(refund('o1', { refund_id => 'r1', amount => 999 })->status, 200, 'the same');
is(refund('o1', { refund_id => 'r1', amount => 1 })->status, 409, 'another');
is(refund('o1', { refund_id => 'r2', amount => 9999 })->json->{code}, 'refund_exceeds',
    'too much');
is(refund('o1', { refund_id => 'r2', amount => 9, currency => 'JPY' })->json->{code},
    'currency_mismatch', 'of another currency');
is(refund('o1', { refund_id => '' })->status, 422, 'no id');
is(refund('o1', '{')->status, 400, 'no JSON');
is(refund('later', { refund_id => 'r1', amount => 9, currency => 'JPY' })->status, 201,
    'before its order');
is(order('later', { amount => 900, currency => 'EUR' })->json->{code},
    'currency_mismatch', 'which has another currency');
is(refund('o6', { refund_id => 'r1', amount => '1.00', reason => 'scratched' })->status,
    201, 'of an owner');

sub decide {
    my ($order, $what, $body) = @_;
    return call(POST => "/v1/conversions/{order_id}/$what", $body,
        id => { order_id => $order });
}

my @held = (GET => '/v1/conversions', undef);

is(scalar @{ call(@held, query => 'status=held&limit=1')->json->{data} }, 1, 'held');
is(call(@held, query => 'status=approved')->status, 422, 'others are not listed');

for (['o3', 'approve'], ['o4', 'void']) {
    my ($order, $what) = @$_;
    is(decide($order, $what, '{')->status, 400, "$what: no JSON");
    is(decide($order, $what, '{"colour":"red"}')->status, 422, "$what: no field");
    is(decide($order, $what, { reason => 'asked' })->status, 200, $what);
    is(decide($order, $what)->status, 200, "$what: again");
    is(decide('o1', $what)->status, 409, "$what: it is not held");
    is(decide('none', $what)->status, 404, "$what: no such order");
}

is(call(GET => '/v1/conversions/{order_id}', undef, id => { order_id => $_ })->status,
    $_ eq 'none' ? 404 : 200, "order $_") for qw(o1 o3 o6 none);


# Rewards.

my @rewards = @{ call(GET => '/v1/rewards', undef)->json->{data} };
my ($cash) = grep { $_->{name} eq 'cash' } @rewards;
my @signup = grep { $_->{name} ne 'cash' } @rewards;

sub move {
    my ($id, $what, $body) = @_;
    return call(POST => "/v1/rewards/{id}/$what", $body, id => { id => $id });
}

is(move($cash->{id}, 'approve', { reason => 'good' })->status, 200, 'approved');
is(move($cash->{id}, 'claim', { reason => 'paid' })->status, 200, 'claimed');
is(move($cash->{id}, 'claim')->status, 200, 'again');
is(move($cash->{id}, $_)->status, 409, "$_: it is claimed") for qw(approve void);
is(move($signup[0]{id}, 'void', { reason => 'no' })->status, 200, 'void');
is(move($signup[0]{id}, 'claim')->status, 409, 'claim: it is void');

for my $what (qw(approve claim void)) {
    is(move($cash->{id}, $what, '{')->status, 400, "$what: no JSON");
    is(move($cash->{id}, $what, '{"colour":"red"}')->status, 422, "$what: no field");
    is(move('999999', $what)->status, 404, "$what: no such reward");
}

is(call(GET => '/v1/rewards', undef, query => $_->[0])->status, $_->[1], $_->[0])
    for ['state=claimed&to=referrer&code=ANNA&limit=9', 200], ['state=x', 422],
    ['code=NOBODY', 404];

sub fresh {
    my ($path, %opt) = @_;
    my $r = call(GET => $path, undef, %opt);
    is($r->status, 200, "$path: new");
    is(call(GET => $path, undef, %opt, headers => { 'If-None-Match' =>
        $r->header('ETag') })->status, 304, "$path: known");
}

fresh('/v1/rewards/{id}', id => { id => $cash->{id} });
is(call(GET => '/v1/rewards/{id}', undef, id => { id => '999999' })->status, 404,
    'no such reward');
refund('o1', { refund_id => 'r9' });        # the claimed reward is owed

ok(wait_for(sub { $t->api(GET => '/v1/conversions/o7')->json->{status} eq 'approved' },
    15), 'a hold has passed');


# Sharing, and what a referrer sees.

my $share = '/v1/codes/{code}';

fresh("$share/$_", id => \%ID) for qw(share qr.svg qr.png);

for my $what (qw(share qr.svg qr.png)) {
    my $wrong = $what eq 'share' ? 'lang=!' : 'size=1';
    my @codes = map { $_->json->{code} }
        call(GET => "$share/$what", undef, id => { code => 'NOBODY' }),
        call(GET => "$share/$what", undef, id => { code => 'PAUSED' }),
        call(GET => "$share/$what", undef, id => \%ID, prefix => '/bare'),
        call(GET => "$share/$what", undef, id => \%ID, query => $wrong);

    is("@codes", 'code_not_found code_not_active no_share_link invalid_parameter', $what);
    is(call(GET => "$share/$what", undef, id => \%ID, query => $_)->status, 200, $_)
        for $what eq 'share' ? 'lang=de' : 'size=128&level=H&channel=wa';
}

sub session {
    my ($code, $body) = @_;
    return call(POST => "$share/session", $body, id => { code => $code });
}

my $session = session('ANNA', { ttl => 60 })->json->{token};
my $other = session('PAUSED')->json->{token};

is(join(' ', map { $_->json->{code} } session('NOBODY'), session('ENDED'),
    session('ANNA', '{'), session('ANNA', '{"ttl":1}')),
    'code_not_found code_ended invalid_json invalid_fields', 'no session');

sub progress {
    my ($token, %opt) = @_;
    return call(GET => '/data', undef, prefix => '/progress', token => $token, %opt);
}

is(progress($session)->status, 200, 'progress');
is(progress('x')->json->{code}, 'unauthorized', 'no session');
is(progress($session, of => $broken)->status, 503, 'without a store');
$t->api(DELETE => '/v1/codes/PAUSED');
is(progress($other)->status, 404, 'the code has ended');


# Counters and all that only reads.

fresh('/v1/codes/{code}', id => \%ID);
fresh('/v1/counters');
fresh('/v1/leaderboard');

is(call(GET => '/v1/codes/{code}', undef, id => { code => 'NOBODY' })->status, 404,
    'no such code');
is(call(GET => '/v1/codes', undef, query => $_->[0])->status, $_->[1], "codes $_->[0]")
    for ['owner=u1', 200], ['limit=1', 200], ['limit=0', 422];
is(counters("by=$_")->status, 200, "counters by $_")
    for map { $_->{name} eq 'by' ? @{ $_->{schema}{enum} } : () }
        map { @{ $_->{query} } } @operations;
is(counters($_)->status, 200, "counters $_") for 'code=ANNA&by=day', 'by=code&top=2',
    'by=channel&top=2', 'from=2026-01-01&to=2026-12-31', 'by=channel&limit=1';
is(counters('code=NOBODY')->status, 404, 'counters of no code');
is(counters('by=colour')->status, 422, 'counters by colour');
is(call(GET => '/v1/leaderboard', undef, query => $_->[0])->status, $_->[1],
    "leaderboard $_->[0]") for ['period=sprint&limit=1', 200], ['period=2026-11', 200],
    ['period=winter', 404], ['limit=0', 422];
is(call(GET => '/v1/journal', undef, query => $_->[0])->status, $_->[1],
    "journal $_->[0]") for ['limit=1000', 200], ['type=reward,tier&after=2', 200],
    ['type=x', 422], ['after=99999999', 422];
is(call(GET => '/v1/owners/{owner}', undef, id => { owner => $_->[0] })->status, $_->[1],
    "owner $_->[0]") for ['u1', 200], ['u9', 200], ['nobody', 404];
is(call(GET => "/v1/$_", undef)->status, 200, $_) for qw(policy program health);


# Numbers in queries: from the least to the most that is told, and no further.

each_operation(sub {
    my ($o, $ask) = @_;

    for my $p (@{ $o->{query} }) {
        my ($min, $max) = @{ resolve($p->{schema}) }{qw(minimum maximum)};
        next unless defined $max;

        my $with = ($p->{name} eq 'top' ? 'by=code&' : '') . $p->{name};
        my @statuses = map { $ask->(undef, query => "$with=$_")->status }
            $min - 1, $min, $max, $max + 1;
        is("@statuses", '422 200 200 422', "$o->{path}: $p->{name} from $min to $max");
    }
});


# Texts.

sub text_of {
    my ($path) = @_;
    my ($content) = values %{ $doc->{paths}{$path}{get}{responses}{200}{content} };
    return $content->{schema};
}

for my $path (grep { m{^/export/} } sort keys %{ $doc->{paths} }) {
    my $r = call(GET => $path, undef);
    my ($head) = $r->body =~ /\A([^\r\n]*)\r\n/;

    is($r->status, 200, $path);
    is_deeply(text_of($path)->{'x-columns'}, [split /,/, $head], "$path: columns");
    call(GET => $path, undef, query => 'from=x')
        if $doc->{paths}{$path}{get}{responses}{422};
}

my %families = call(GET => '/metrics', undef)->body =~ /^# TYPE (\S+) (\S+)$/mg;
is_deeply(text_of('/metrics')->{'x-metrics'}, \%families, 'metrics')
    or diag(explain(\%families));


# What is described nowhere.

my $r = $t->api(GET => '/v1/nothing');
is($r->json->{code}, 'not_found', 'no such path');
$r = $t->api(PUT => '/v1/health');
is($r->json->{code}, 'method_not_allowed', 'no such method');
is($r->header('Allow'), 'GET, HEAD', 'but others');

close $calls_to;

# No session ends sooner than in a minute: t/progress.t makes one that has ended.

browse('openapi', { file => $Referral::OpenAPI::FILE, calls => $record,
    unseen => ['/paths/~1data/get/responses/401 session_expired'] });

finish();
