# The package says what the rest of the project says, and its two lines of
# configuration are the README's synopsis, but for the endpoint, which has a
# port of its own.  That it installs is shown by
# `make test-deb`.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Nginx timeout => 60;

my $readme = slurp('README.md');
my ($version) = $readme =~ /^Version (\d[\d.]*\d)/m;

my ($control) = slurp('debian/control') =~ /^Build-Depends: (.*?)^\S/ms;
my ($deps) = slurp('scripts/deps') =~ /^build='\n(.*?)'/ms;

is_deeply([grep { /^lib|^zlib/ } split /[\s,]+/, $control],
    [sort grep { /-dev$/ && !/^libc6|^nginx/ } $deps =~ /^ +(\S+)/mg],
    'it is built of what scripts/deps installs');
like(slurp('debian/changelog'), qr/^\S+ \(\Q$version\E-\d/,
    'its version is that of the README');
like(slurp('CHANGES'), qr/^Changes with \S+ \Q$version\E /m, 'and of CHANGES');

my ($package) = slurp('debian/control') =~ /^Package: (\S+)/m;
like($readme, qr/^make deb\napt install \.\/build\/\Q$package\E_\*\.deb$/m,
    'it has the name that is in the README');
like(slurp('Makefile'), qr/^deb:.*?\Q$package\E_\*\.deb \$\(out\)$/ms,
    'and make deb leaves it there');

my ($license) = slurp('LICENSE') =~ /^(Redistribution.*)/ms;
my ($copyright) = slurp('debian/copyright')
    =~ /^License: BSD-2-Clause\n( .*?)(?=^\S|\z)/ms;
is($copyright =~ s/^ //mgr =~ s/^\.$//mgr =~ s/\n+\z/\n/r, $license,
    'its license is that of the project');

my ($bundled) = slurp('web/package.json') =~ /"dependencies": \{(.*?)\}/s;
like(slurp('debian/copyright'), qr/\(\Q$_\E\)/i, "so is that of $_")
    for $bundled =~ /"(\S+)":/g;

ok(-x "debian/$_" && system("sh -n debian/$_") == 0, "$_ is a script")
    for 'tests/generic', 'tests/synopsis';
is(system("sh -n debian/$_"), 0, "$_ is a script") for 'postinst', 'postrm';

# The snippets.

my ($synopsis) = $readme =~ /^## Synopsis\n\n```nginx\n(.*?)^```/ms;
my $program = slurp('debian/snippets/referral-program.conf');
my $server = slurp('debian/snippets/referral-server.conf');
my ($wanted) = $synopsis =~ /^http \{\n(.*?)\n+    server \{/ms;

is(plain($program =~ s/^server.*//msr), plain($wanted =~ s/^    //mgr),
    'referral-program.conf is the synopsis');
for (['referral friends;', $server], ['location ^~ /referral/ {', $program],
    ['referral_api friends token_file=/etc/nginx/referral.tokens;', $program])
{
    my ($line, $snippet) = @$_;
    ok(index($_->[1], $line) >= 0, "\"$line\" is in $_->[0]")
        for ['the synopsis', $synopsis], ['the snippet', $snippet];
}

# What stands there as a comment, for those who want it.

my $pages = $server =~ s/^# (?=location)//mgr;
cmp_ok(scalar(() = $pages =~ /^location/mg), '==', 2, 'two locations');

for ($program, $server, $pages) {
    s{/var/lib/nginx-referral;}{%%STORE%% intake_path=%%INTAKE%%;};
    s{/etc/nginx/referral\.key}{%%KEY%%}g;
    s{/etc/nginx/referral\.tokens}{%%TOKENS%%}g;
    s{127\.0\.0\.1:8081}{127.0.0.1:%%PORT2%%};
}

# The README says where they go.

my ($manual) = $readme =~ /^### As a Debian package\n(.*?)^###? /ms;
my %snippet = (program => $program, server => $server);
my ($http, $shop) = map { s{^include snippets/referral-(\w+)\.conf;}
    {$snippet{$1}}r } $manual =~ /^```nginx\n(.*?)^```/msg;

# Beside Debian's default site, which answers to any other name.

my $t = Referral::Nginx->new(conf => <<EOC);
$http
    server {
        listen 127.0.0.1:%%PORT%% default_server;
        location / { return 404; }
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        server_name shop.example;
$shop
    }
EOC
$t->start;

my ($requests) = $manual =~ /^```sh\n(curl -[^`]*)^```/m;
$requests =~ s/^curl /curl -sS /mg;
$requests =~ s/127\.0\.0\.1:8081/'127.0.0.1:' . $t->port(2)/ge;
my $said = do {
    local $ENV{TOKEN} = $t->{token}{write};
    `set -e; $requests`;
};

is($?, 0, 'the README\'s request is answered');
like($said, qr/"code":"ANNA42"/, 'by the endpoint');
is($t->get('/referral/v1/health', Host => 'shop.example')->status, 404,
    'which the shop does not have');
my $click = $t->get('/r/ANNA42/wa', Host => 'shop.example');
is($click->status, 302, 'links are followed there');
is($click->header('Location'),
    'https://shop.example/welcome?utm_source=referral', 'to the landing');

my ($code, $out) = nginx_t(<<EOC);
    referral_web %%WEB%%;
$program
    server {
        listen 127.0.0.1:%%PORT%%;
$pages
    }
EOC
is($code, 0, 'the pages can be turned on') or diag($out);

finish();


sub plain { return $_[0] =~ s/^#.*\n//mgr =~ s/\A\n+|\n+\z//gr }

sub slurp {
    open my $f, '<', $_[0] or die "cannot open $_[0]: $!\n";
    local $/;
    return scalar <$f>;
}
