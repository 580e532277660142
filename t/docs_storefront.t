# The code of docs/storefront.md, in each of its languages, as a storefront
# behind nginx: it reads the headers of a friend who followed a link, reports
# the order, reports it again, and takes it back.

use strict;
use warnings;

use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;

use lib 't/lib';
use Referral::Docs qw(blocks);
use Referral::Nginx timeout => 240;
use Referral::Run qw(run);
use Referral::Visitor;

my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;

# A request is a process: what it gets is the environment of CGI.  What is added
# to the code of the document calls it, and says what came of it.

my %language = (
    PHP => { kind => 'php', file => 'shop.php', run => ['php', 'shop.php'],
        more => <<'EOC' },

parse_str(getenv('QUERY_STRING'), $q);
$me = referral_visitor();
$answer = isset($q['refund'])
    ? referral_refund($q['order'], $q['refund'], (int) $q['amount'])
    : referral_order($q['order'], (int) $q['amount'], 'EUR', 'u9',
        $me['token']);
echo json_encode(['code' => $me['code'], 'status' => $answer[0] ?? null,
    'data' => $answer[1] ?? null]);
EOC
    Node => { kind => 'js', file => 'shop.mjs', run => ['node', 'shop.mjs'],
        more => <<'EOC' },

const q = Object.fromEntries(new URLSearchParams(process.env.QUERY_STRING));
const me = visitor(Object.fromEntries(Object.entries(process.env)
  .filter(([name]) => name.startsWith("HTTP_"))
  .map(([name, value]) =>
    [name.slice(5).toLowerCase().replaceAll("_", "-"), value])));
const answer = q.refund ? await refund(q.order, q.refund, +q.amount)
  : await order(q.order, +q.amount, "EUR", "u9", me.token);
console.log(JSON.stringify({ code: me.code, ...(answer ?? { status: null }) }));
EOC
    Python => { kind => 'python', file => 'shop.py', run => ['python3', 'shop.py'],
        more => <<'EOC' },


q = dict(urllib.parse.parse_qsl(os.environ["QUERY_STRING"]))
me = visitor(os.environ)
answer = (refund(q["order"], q["refund"], int(q["amount"])) if "refund" in q
          else order(q["order"], int(q["amount"]), "EUR", "u9", me["token"]))
status, data = answer or (None, None)
print(json.dumps({"code": me["code"], "status": status, "data": data}))
EOC
    Ruby => { kind => 'ruby', file => 'shop.rb', run => ['ruby', '-w', 'shop.rb'],
        more => <<'EOC' },

q = URI.decode_www_form(ENV["QUERY_STRING"]).to_h
me = Referral.visitor(ENV.to_h)
status, data = if q["refund"]
  Referral.refund(q["order"], q["refund"], q["amount"].to_i)
else
  Referral.order(q["order"], q["amount"].to_i, "EUR", "u9", me[:token])
end
puts JSON.generate(code: me[:code], status: status, data: data)
EOC
    Go => { kind => 'go', file => 'referral.go', run => ['./shop'],
        build => [qw(gccgo -Wall -Werror -o shop referral.go main.go)],
        main => <<'EOC' },
package main

import (
	"encoding/json"
	"net/http"
	"net/http/cgi"
	"strconv"
)

func main() {
	cgi.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		code, token := Visitor(r)
		amount, _ := strconv.ParseInt(q.Get("amount"), 10, 64)
		answer := Order(q.Get("order"), amount, "EUR", "u9", token)
		if q.Get("refund") != "" {
			answer = Refund(q.Get("order"), q.Get("refund"), amount)
		}
		out := map[string]any{"code": code, "status": nil}
		if answer != nil {
			out["status"], out["data"] = answer.Status, answer.Data
		}
		json.NewEncoder(w).Encode(out)
	}))
}
EOC
);

my %code = map { $_->{section} => $_ } grep {
    grep { $_->[0] eq 'run by' } @{ $_->{marks} }
} blocks('docs/storefront.md');

is_deeply([sort keys %code], [sort keys %language],
    'the languages of docs/storefront.md');

my $t = Referral::Nginx->new(upstream => \&gateway, conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>\w+)$"; landing http://127.0.0.1:%%PORT%%/;
        event purchase points=10 hold=14d; bind off;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        referral friends;
        location /shop/ {
            proxy_set_header X-Api http://127.0.0.1:%%PORT%%/referral;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /down/ {
            proxy_set_header X-Api http://127.0.0.1:1/referral;
            proxy_pass http://%%UPSTREAM%%;
        }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

Referral::Nginx::_write("$dir/token", $t->{token}{write});
made($_) for sort keys %language;
$t->start;
$t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
sells($_) for sort keys %language;

finish();


sub made {
    my ($name) = @_;
    my ($l, $code) = ($language{$name}, $code{$name});
    my $text = $code->{text};

    is($code->{kind}, $l->{kind}, "$name: it is");
    mkdir "$dir/$name";
    $text =~ s/^package referral$/package main/m if $l->{main};
    Referral::Nginx::_write("$dir/$name/$l->{file}", $text . ($l->{more} // ''));
    Referral::Nginx::_write("$dir/$name/main.go", $l->{main}) if $l->{main};
    return unless $l->{build};

    my ($rc, $out, $err) = run({}, 'sh', '-c', 'cd "$0" && exec "$@"',
        "$dir/$name", @{ $l->{build} });
    is("$rc$out$err", '0', "$name: it compiles");
}


# Runs in processes of the upstream, which were born before there was a $t.

sub gateway {
    my ($req) = @_;
    my ($name, $query) = $req->{uri} =~ m{^/\w+/(\w+)\?(.*)};
    my $l = $language{$name};
    my %is = map { 'HTTP_' . uc($_->[0] =~ tr/-/_/r) => $_->[1] }
        @{ $req->{headers} };

    local %ENV = (PATH => $ENV{PATH}, HOME => $dir, QUERY_STRING => $query,
        REQUEST_METHOD => $req->{method}, REQUEST_URI => $req->{uri},
        SERVER_PROTOCOL => 'HTTP/1.1', GATEWAY_INTERFACE => 'CGI/1.1',
        REFERRAL_API => $is{HTTP_X_API}, REFERRAL_TOKEN
            => Referral::Nginx::_read("$dir/token"), %is);

    my ($rc, $out, $err) = run({}, 'sh', '-c', 'cd "$0" && exec "$@"',
        "$dir/$name", @{ $l->{run} });
    $out =~ s/\A.*?\r\n\r\n//s if $l->{main};
    return (200, [], length $err ? "exit status $rc\n$err" : $out);
}


sub sells {
    my ($name) = @_;
    my $friend = Referral::Visitor->new($t->port);
    my $order = "$name/1 \x{26}1";
    my $path = "/shop/$name?order=$name%2F1%20%261&amount=";

    $friend->get('/r/ANNA42');
    my $got = asked($friend, $path . 4999);
    is_deeply([@$got{qw(code status)}, @{ $got->{data} }{qw(order_id status)},
        $got->{data}{attribution}{method}],
        ['ANNA42', 201, $order, 'pending', 'token'],
        "$name: an order of a friend") or diag(explain($got));

    $got = asked($friend, $path . 4999);
    is_deeply([$got->{status}, !!$got->{data}{duplicate}], [200, !!1],
        "$name: the same again is a duplicate");
    is(asked($friend, $path . 1)->{status}, 409,
        "$name: another amount is refused, and it says so");

    is_deeply([map { asked($friend, $path . "1500&refund=r1")->{status} } 1, 2],
        [201, 200], "$name: a refund, twice");
    is($t->api(GET => "/v1/conversions/$name%2F1%20%261")->json->{refunded},
        1500, "$name: it counts once");

    $got = asked($friend, "/down/$name?order=2&amount=1");
    is_deeply([@$got{qw(code status)}], ['ANNA42', undef],
        "$name: no answer: again, later");

    my $nobody = Referral::Visitor->new($t->port);
    $got = asked($nobody, "/shop/$name?order=$name-3&amount=1");
    is_deeply([@$got{qw(code status)}, $got->{data}{status}],
        ['', 201, 'unattributed'], "$name: a customer nobody sent");
}


sub asked {
    my ($friend, $path) = @_;
    my $body = $friend->get($path)->body;
    return eval { decode_json($body) } || { body => $body };
}
