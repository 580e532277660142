# docs/troubleshooting.md: each cause is brought about, shows its symptom in the
# words that stand there, and is gone with the fix.

use strict;
use warnings;

use MIME::Base64 qw(decode_base64);
use Test::More;

use lib 't/lib';
use Referral::Docs qw(blocks);
use Referral::Nginx timeout => 120;
use Referral::Signed;

my $docs = Referral::Docs->new;
my $place = $docs->place;
my $conf = '/etc/nginx/conf.d/referral.conf';
my $site = '/etc/nginx/sites-enabled/shop';
my $n = 0;

$docs->quickly('docs/quickstart.md');
$place->ask(PUT => '/v1/codes/ANNA42', { owner => 'u1' });

# What is seen with the cause, and with the fix.

my %tried = (
    'The directives are unknown' => sub {
        without('/etc/nginx/modules-enabled/50-mod-http-referral.conf');
    },
    'The key file is refused' => sub {
        my $out = said('chmod 644 /etc/nginx/referral.key; nginx -t');
        return ($out, said('chmod 600 /etc/nginx/referral.key; nginx -t'));
    },
    'The link\'s brace is unexpected' => sub {
        changed($conf, qr/link\s+"(.*)";/, sub { "link $1;" });
    },
    'A link answers 404' => sub {
        my @seen = $place->visit('/r/BEN77', 'X-N' => ++$n)->status;
        $place->ask(PUT => '/v1/codes/BEN77', { owner => 'u2' });
        return (@seen, $place->visit('/r/BEN77')->status);
    },
    'A link shows the shop\'s own page or an error' => sub {
        my $try = sub { $place->visit('/r/ANNA42', 'X-N' => ++$n)->status };
        with($site, qr/\Kreferral    friends;/, 'referral off;', $try);
    },
    'My own click does not count' => sub {
        my $human = sub { $place->ask(GET => '/v1/codes/ANNA42')->json
            ->{clicks}{human} };
        my $before = $human->();
        said('curl -i http://127.0.0.1/r/ANNA42');
        sleep 1;
        my @seen = $human->() - $before;
        said(block('sh', 'My own click does not count'));
        return (@seen, wait_for(sub { $human->() - $before }, 5));
    },
    'Clicks are suspect, and all at once' => sub {
        my $try = sub { burst() };
        with($site, qr/(?=location)/, '', $try, block('nginx',
            'Clicks are suspect, and all at once'));
    },
    'The counter stands still' => sub {
        my $total = sub { $place->ask(GET => '/v1/codes/ANNA42')->json
            ->{clicks}{total} };
        my $before = $total->();
        $place->visit('/r/ANNA42', 'X-N' => ++$n);
        return ('', wait_for(sub { $total->() == $before + 1 }, 3)
            ? 'counted' : '');
    },
    'It gets no X-Referral headers' => sub {
        my $try = sub {
            $place->visit('/r/ANNA42', 'X-N' => ++$n);
            $place->visit('/page')->body =~ /^x-referral-token: /m
                ? 'a token' : 'none';
        };
        with($site, qr/location \/ \{\K/, ' referral off;', $try);
    },
    'The cookie is gone after HTTPS' => sub {
        my $cookie = sub {
            my ($port) = @_;
            my $c = Referral::Client->new($port, tls => $port != $place->port);
            return ($c->request(GET => '/r/ANNA42', {})->all('Set-Cookie'))[0]
                =~ s/=.*//r;
        };
        tls();
        return ($cookie->($place->port), $cookie->($place->real(443)));
    },
    '401 although the token is right' => sub {
        said('LATE=$(referralctl token late write /etc/nginx/referral.tokens)');
        my $ask = 'curl -H "Authorization: Bearer $LATE"'
            . ' http://127.0.0.1:8081/referral/v1/health';
        return (said($ask), said("systemctl reload nginx; $ask"));
    },
    '403 with a good token' => sub {
        map { said("LATE=\$(referralctl token $_ $_ /etc/nginx/referral.tokens)"
            . "\nsystemctl reload nginx; " . 'curl -X PUT -H "Authorization:'
            . ' Bearer $LATE" -H "Content-Type: application/json" -d'
            . q( '{"owner":"u3"}' http://127.0.0.1:8081/referral/v1/codes/EVA77)
            ) } qw(read write);
    },
    '415 instead of an answer' => sub {
        map { order('{"event":"purchase","order_id":"a"}', $_) }
            'application/x-www-form-urlencoded', 'application/json';
    },
    'The amount is refused' => sub {
        map { order('{"event":"purchase","order_id":"b","currency":"EUR",'
            . "\"amount\":$_}") } '49.99', '"49.99"';
    },
    '409 for an order that was reported' => sub {
        order(qq({"event":"purchase","order_id":"c","code":"ANNA42"$_})) for '';
        return map { order(qq({"event":"purchase","order_id":"c"$_})) }
            '', ',"code":"ANNA42"';
    },
    'Orders are not attributed: no_evidence' => sub {
        $place->visit('/r/ANNA42', 'X-N' => ++$n);
        return map { order(qq({"event":"purchase","order_id":"d$_->[0]",)
            . qq("token":"$_->[1]"})) } [1, ''], [2, token()];
    },
    'Orders are not attributed: token_invalid' => sub {
        $place->visit('/r/ANNA42', 'X-N' => ++$n);
        return map { order(qq({"event":"purchase","order_id":"e$_->[0]",)
            . qq("token":"$_->[1]"})) }
            [1, substr token(), 0, -3], [2, token()];
    },
    'Orders are held' => sub {
        return (order('{"event":"purchase","order_id":"f",'
            . '"customer_id":"u1","code":"ANNA42"}'),
            $place->ask(POST => '/v1/conversions/f/approve')->body);
    },
    'Orders are answered 503' => sub {
        my $health = sub { $place->ask(GET => '/v1/health')->body };
        my $own = 'systemctl stop nginx; chown -R %s: /var/lib/nginx-referral;'
            . ' systemctl start nginx';
        said(sprintf $own, 'root');
        my $seen = $health->();
        said(sprintf $own, 'www-data');
        wait_for(sub { $health->() =~ /"open":true/ }, 5);
        return ($seen, $health->());
    },
    'The journal\'s reader gets 422' => sub {
        map { $place->ask(GET => "/v1/journal?after=$_")->body } 99999, 0;
    },
    'The dashboard is not there' => sub {
        without_page('dashboard', 'systemctl reload nginx;'
            . ' curl http://127.0.0.1:8081/referral/');
    },
    'nginx does not start for want of a page' => sub {
        with_location('/share/ { referral_share friends; }', sub {
            without_page('share', 'nginx -t');
        });
    },
    'The frame of the progress page is blank' => sub {
        my $fix = block('nginx', 'The frame of the progress page is blank');
        map {
            with_location($_, sub { $place->visit('/my-referrals/')
                ->header('Content-Security-Policy') =~ s/.*frame-ancestors //r
            });
        } map { s/^location //r } $fix =~ s/ frame=[^;]*//r, $fix;
    },
    'The progress page opens for a short time only' => sub {
        my $new = $place->ask(POST => '/v1/codes/ANNA42/session')->json;
        with_location('/my-referrals/ { referral_progress friends; }', sub {
            map { $place->visit('/my-referrals/data',
                Authorization => "Bearer $_")->body } expired(), $new->{token};
        });
    },
    'A share page answers 404' => sub {
        with_location('/share/ { referral_share friends; }', sub {
            map {
                $place->ask(PUT => '/v1/codes/BEN77', { status => $_ });
                $place->visit('/share/BEN77')->status;
            } 'paused', 'active';
        });
    },
    'It is not permitted' => sub {
        my $stat = 'referralctl stat /var/lib/nginx-referral';
        return (said("setpriv --reuid=65534 --clear-groups $stat"),
            said($stat));
    },
);

# Where no words are quoted.

my %seen = ('A link answers 404' => [404, 302],
    'A link shows the shop\'s own page or an error' => [200, 302],
    'My own click does not count' => [0, 1],
    'Clicks are suspect, and all at once' => ['suspect burst',
        'human navigation'],
    'The counter stands still' => ['', 'counted'],
    'It gets no X-Referral headers' => ['none', 'a token'],
    'The cookie is gone after HTTPS' => ['ref_friends', '__Host-ref_friends'],
    'The frame of the progress page is blank' => ["'self'",
        "'self' https://account.shop.example"],
    'A share page answers 404' => [404, 200]);

my $root = { map { $_ => 1 } 'Orders are answered 503', 'It is not permitted' };
my %words = map { $_->{section} => $_->{text} =~ s/\s+\z//r }
    grep { $_->{kind} eq 'text' } blocks('docs/troubleshooting.md');
my @symptoms = Referral::Nginx::_read('docs/troubleshooting.md')
    =~ /^### (.*)/mg;

is_deeply([sort keys %tried], [sort @symptoms], 'each symptom is tried');

for my $symptom (@symptoms) {
    SKIP: {
        skip "$symptom: needs root", 1 if $root->{$symptom} && $> != 0;
        my ($cause, $fix) = $tried{$symptom}->();

        if ($seen{$symptom}) {
            is_deeply([$cause, $fix], $seen{$symptom}, $symptom);
            next;
        }

        ok(index($cause, $words{$symptom}) >= 0, $symptom)
            or diag("saw: $cause");
        ok(index($fix, $words{$symptom}) < 0, "$symptom: the fix helps")
            or diag("saw: $fix");
    }
}

$place->allow(qr/\[emerg\]/);
ok($place->leave, 'nginx ends');
finish();


sub said {
    my ($script) = @_;
    return join '', ($place->sh("set +e\n$script"))[1, 2];
}


sub block {
    my ($kind, $section) = @_;
    return (map { $_->{text} } grep { $_->{kind} eq $kind
        && $_->{section} eq $section } blocks('docs/troubleshooting.md'))[0];
}


sub order {
    my ($body, $type) = @_;
    return $place->ask(POST => '/v1/conversions', $body, $type)->body;
}


sub token {
    return $place->visit('/checkout')->body =~ /^x-referral-token: (\S+)/m
        ? $1 : 'none';
}


sub without {
    my ($file) = @_;
    my $out = said("mv $file /etc/nginx/kept; nginx -t");
    return ($out, said("mv /etc/nginx/kept $file; nginx -t"));
}


sub without_page {
    my ($page, $script) = @_;
    my $pages = '/usr/share/nginx-referral/web';
    my $out = said("mv $pages/$page $pages/kept; $script");
    return ($out, said("mv $pages/kept $pages/$page; $script"));
}


sub with_location {
    my ($location, $try) = @_;
    my $old = Referral::Nginx::_read($place->dir . $site);

    put($site, $old =~ s/(?=location)/location $location /r);
    said('systemctl reload nginx');
    my @seen = $try->();
    put($site, $old);
    said('systemctl reload nginx');
    return @seen;
}


# A session of a minute, an hour ago.

sub expired {
    my ($kid, $key) = Referral::Nginx::_read($place->dir
        . '/etc/nginx/referral.key') =~ /^(\w+):(\S+)/;
    my $then = base36(time - 3600);

    return signed("1.$kid.$then.ANNA42.60.", decode_base64($key), 'session',
        'friends');
}


sub changed {
    my ($file, $from, $to) = @_;
    my $old = Referral::Nginx::_read($place->dir . $file);

    put($file, $old =~ s/$from/$to->()/er);
    my $out = said('nginx -t');
    put($file, $old);
    return ($out, said('nginx -t'));
}


# With that change of a file the cause, without it the fix; or the fix is a
# change, too.

sub with {
    my ($file, $from, $to, $try, $fix) = @_;
    my $old = Referral::Nginx::_read($place->dir . $file);
    my @seen;

    for my $text ($to, $fix // undef) {
        put($file, defined $text ? $old =~ s/$from/$text/r : $old);
        said('systemctl reload nginx');
        push @seen, $try->();
    }

    put($file, $old);
    said('systemctl reload nginx');
    return @seen;
}


# As it is: paths and ports lead to the right ones already.

sub put {
    my ($file, $text) = @_;
    Referral::Nginx::_write($place->dir . $file, $text);
}


# A link checker, and a visitor from elsewhere, through one proxy.

sub burst {
    my $clicks = sub {
        grep { /"class"/ } split /\n/,
            $place->ask(GET => '/v1/journal?type=click&limit=1000')->body;
    };

    sleep 3;
    my $before = () = $clicks->();
    Referral::Client::request($place->port, HEAD => '/r/ANNA42',
        { 'X-Forwarded-For' => '192.0.2.1' });
    $place->visit('/r/ANNA42', 'X-Forwarded-For' => '198.51.100.' . ++$n);

    my @lines;
    wait_for(sub { (@lines = $clicks->()) == $before + 2 }, 5);
    return join ' ', $lines[-1] =~ /"class":"(\w+)"/,
        $lines[-1] =~ /"why":"(\w+)"/;
}


sub tls {
    my $cert = $place->_cert;
    my $text = Referral::Nginx::_read($place->dir . $site);

    $place->append($site, $place->rewrite(<<EOC));
server {
    listen 443 ssl;
    ssl_certificate $cert.pem;
    ssl_certificate_key $cert.key;
    referral friends;
}
EOC
    said('systemctl reload nginx');
}
