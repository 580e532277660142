package Referral::Docs::Place;

# A machine for what the manual says, in a directory: absolute paths in /etc,
# /var and /backup lead below it, ports lead to free ones, and what only root
# or systemd could do is done by %instead.  curl needs none of that: its own
# configuration leads it to the right port.
#
#   my $place = Referral::Docs::Place->new;
#   $place->put('/etc/nginx/nginx.conf', $text);  $place->append($file, $text);
#   my ($code, $out, $err) = $place->sh($script);   # variables stay
#   my ($code, $out) = $place->check($conf);        # nginx -t, of that alone
#   $place->ask(PUT => '/v1/codes/ANNA42', '{"owner":"u1"}');   # as admin
#   $place->visit('/r/ANNA42', %headers);           # as a visitor, with cookies
#   $place->answers("X-Referral-Event: ...", sub { ... });
#   $place->real(80);                               # where a port leads
#   $place->leave;
#
# nginx runs from the first command that needs it on.  Port 3000 is a storefront
# that answers what it was asked (Referral::Upstream).

use strict;
use warnings;

use parent -norequire, 'Referral::Nginx';

use File::Basename qw(dirname);
use File::Path qw(make_path);

use Referral::Client;
use Referral::Nginx ();
use Referral::Run qw(run);
use Referral::Upstream;
use Referral::Visitor;

# $PLACE is the directory, $NGINX_BINARY its nginx, $OUTER the PATH outside.
# make only looks whether it has such targets and variables: what was built is
# in use.

our %instead = (
    nginx => <<'EOS',
LD_PRELOAD=$TEST_NGINX_PRELOAD exec "$NGINX_BINARY" -p "$PLACE/" \
    -c "$PLACE/etc/nginx/nginx.conf" -e "$PLACE/error.log" "$@"
EOS
    systemctl => <<'EOS',
master() { pid=$(cat "$PLACE/nginx.pid" 2>/dev/null) && test "$pid"; }
await() { n=0; until "$@"; do n=$((n + 1)); test $n -lt 300; sleep 0.05; done; }
workers() {
    ps -o pid=,args= --ppid "$pid" | sed -n 's/ nginx: worker process$//p'
}
gone() { ! kill -0 "$pid" 2>/dev/null; }
serves() { test "$(workers)"; }
renewed() { serves && ! workers | grep -qwF "$old"; }
test "$2" = nginx
master || pid=
case $1 in
    start)   test "$pid" || nginx; await master; await serves ;;
    stop)    kill -QUIT "$pid"; await gone ;;
    restart) systemctl stop nginx; systemctl start nginx ;;
    reload)  nginx -t -q; old=$(workers); kill -HUP "$pid"; await renewed ;;
    *)       exit 2 ;;
esac
EOS
    make => <<'EOS',
for word in "$@"; do
    case $word in
        *=*) grep -qrw "${word%%=*}" "$ROOT/Makefile" "$ROOT/t/bench" ;;
        *)   grep -q "^\(.* \)\?$word\( .*\)\?:" "$ROOT/Makefile" ;;
    esac
done
EOS
    chown => 'test "$(id -u)" != 0 || PATH=$OUTER exec chown "$@"',
    sudo  => 'exec "$@"',
    apt   => 'exit 1',
);

my $default = <<'EOC';
user www-data;
include /etc/nginx/modules-enabled/*.conf;

events { }

http {
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
EOC

my %there = (
    '/etc/nginx/modules-enabled/50-mod-http-referral.conf' =>
        "load_module modules/ngx_http_referral_module.so;\n",
    '/etc/nginx/robots.txt' => "examplebot\n",
    '/etc/nginx/referral.secrets' => "not-the-secret-of-the-manual\n",
    (map { ("/etc/nginx/snippets/$_" => Referral::Nginx::_read(
        "$Referral::Nginx::ROOT/debian/snippets/$_")) }
        qw(referral-program.conf referral-server.conf)),
);


sub new {
    my ($class) = @_;
    my $self = Referral::Nginx::new($class, full => 1, daemon => 1);
    my $dir = $self->dir;

    make_path(map { "$dir/$_" } qw(bin work run sandbox backup var/log/nginx
        var/lib/nginx etc/nginx/conf.d etc/nginx/sites-enabled modules));
    mkdir "$dir/tmp";
    chmod 01777, "$dir/tmp";
    chmod 0755, $dir, "$dir/backup", map { "$dir/var$_" } '', '/lib',
        '/lib/nginx';

    symlink $Referral::Nginx::MODULE,
        "$dir/modules/ngx_http_referral_module.so";
    symlink "$Referral::Nginx::BUILD/referralctl", "$dir/bin/referralctl";
    symlink '../../../error.log', "$dir/var/log/nginx/error.log";
    symlink "$Referral::Nginx::ROOT/$_", "$dir/work/$_" for qw(examples docs);

    for (keys %instead) {
        $self->_plain("bin/$_", "#!/bin/sh\nset -eu\n$instead{$_}");
        chmod 0755, "$dir/bin/$_";
    }

    $self->{up} = Referral::Upstream->new(sub { _storefront($dir, @_) });
    $self->{ports}{3000} = $self->{up}->port;
    $self->put('/etc/nginx/nginx.conf', $default);
    $self->put($_, $there{$_}) for keys %there;
    chmod 0600, "$dir/etc/nginx/referral.secrets";
    for my $page (qw(dashboard share progress)) {
        $self->_plain("web/$page/$_", "$page {link}")
            for qw(index.html app.js app.css icon.svg);
    }

    $self->_curl;
    return $self;
}


sub file { "$_[0]{dir}/etc/nginx/nginx.conf" }
sub real { $_[0]->port($_[1]) }


# It shows the token that nginx gave it, and says what was put into a file.

sub _storefront {
    my ($dir, $req) = @_;
    my %got = map { lc $_->[0] => $_->[1] } @{ $req->{headers} };
    my @more = map { /^([\w-]+): (.*)/ ? [$1, $2] : () } split /\n/,
        Referral::Nginx::_read("$dir/sandbox/answer");

    return (200, [['Content-Type', 'text/plain'], @more], join '',
        map { "$_: $got{$_}\n" } sort keys %got);
}


# ----------------------------------------------------------------- files --

sub rewrite {
    my ($self, $text) = @_;
    my $dir = $self->dir;

    $text =~ s,(?<![\w./~}-])/(?=(?:etc|var|run)/|backup\b),$dir/,g;
    $text =~ s,/usr/(?:local/)?share/nginx-referral/web\b,$dir/web,g;
    $text =~ s!\b(listen\s+)(?:[\d.]+:)?(\d+)(?=[\s;])
        |\b(?:127\.0\.0\.1|10\.0\.0\.\d+):(\d+)\b
        !($1 // '') . '127.0.0.1:' . $self->real($2 // $3)!gex;
    return $text;
}


# A configuration gets what it would find on a machine of its own.

sub _rewrite_conf {
    my ($self, $text) = @_;
    my $dir = $self->dir;

    $text = $self->rewrite($text);
    $text =~ s/^user [\w-]+;//m if $> != 0;
    $text =~ s/^load_module .*//mg if Referral::Nginx::_static();
    my $more = join "\n", 'http {',
        "access_log $dir/var/log/nginx/access.log;",
        map { "${_}_path $dir/temp/$_;" } qw(client_body_temp proxy_temp
            fastcgi_temp uwsgi_temp scgi_temp);

    my $last = "include $dir/sandbox/*.conf;"
        . ($text =~ /referral_web/ ? '' : " referral_web $dir/web;");

    $text =~ s/^http \{/pid $dir\/nginx.pid;\n$more/m
        && $text =~ s/\}\s*\z/$last\n}\n/;
    return $text;
}


sub put {
    my ($self, $file, $text) = @_;
    $file = $file =~ m{^/} ? substr $file, 1 : "work/$file";
    $self->_plain($file, $self->_rewrite_conf($text));
}


sub append {
    my ($self, $file, $text) = @_;
    my $old = Referral::Nginx::_read($self->dir . $file);
    Referral::Nginx::_write($self->dir . $file, $old . $text);
}


sub _plain {
    my ($self, $file, $text) = @_;
    make_path(dirname($self->dir . "/$file"));
    Referral::Nginx::_write($self->dir . "/$file", $text);
}


sub _curl {
    my ($self) = @_;
    my $text = "silent\nshow-error\nfail-with-body\ninsecure\n"
        . "max-time = 20\n";

    $text .= "connect-to = \":$_:127.0.0.1:@{[ $self->real($_) ]}\"\n"
        for 80, 443, 8080 .. 8083, 9090;
    $self->_plain('.curlrc', $text);
}


# -------------------------------------------------------------- commands --

# What needs nginx finds it running.

sub sh {
    my ($self, $script) = @_;
    my $dir = $self->dir;

    local %ENV = (%ENV, PLACE => $dir, NGINX_BINARY => $Referral::Nginx::BINARY,
        BUILD => $Referral::Nginx::BUILD, ROOT => $Referral::Nginx::ROOT,
        TEST_NGINX_PRELOAD => $ENV{TEST_NGINX_PRELOAD} || '',
        CURL_HOME => $dir, TMPDIR => "$dir/tmp",
        OUTER => "$ENV{PATH}:/usr/sbin:/sbin");
    $ENV{PATH} = "$dir/bin:$ENV{OUTER}";
    $ENV{ASAN_OPTIONS} = "detect_leaks=0:log_path=$dir/reports/report";
    $ENV{UBSAN_OPTIONS} = "print_stacktrace=1:log_path=$dir/reports/report";
    delete @ENV{qw(MAKEFLAGS MAKELEVEL)};

    $script = 'test -e "$PLACE/nginx.pid" || systemctl start nginx' . "\n$script"
        if $script =~ /\bcurl\b|systemctl (?:reload|stop)|nginx -s/;
    $self->_plain('script', <<'EOS' . $self->rewrite($script) . "\n");
cd "$PLACE/work"
set -a
test ! -e "$PLACE/env" || . "$PLACE/env"
set -e
trap 'export -p | grep -v -e PWD= -e TMPDIR= > "$PLACE/env"' EXIT
EOS

    my @said = run({}, 'sh', "$dir/script");
    $self->_master;
    s{\Q$dir\E(?=/)}{}g for @said[1, 2];
    return @said;
}


sub _master {
    my ($self) = @_;
    my $file = $self->dir . '/nginx.pid';
    $self->{pid} = Referral::Nginx::_read($file) =~ /(\d+)/ ? $1 : undef;
}


# A test that is interrupted knows nothing of what it has started by then.

sub kill9 {
    my ($self) = @_;
    $self->_master;
    $self->SUPER::kill9;
}


sub check {
    my ($self, $conf) = @_;
    my $file = $self->dir . '/etc/nginx/piece.conf';

    Referral::Nginx::_write($file, $self->_rewrite_conf($conf));
    my ($code, $out, $err) = $self->sh("nginx -t -c $file");
    return ($code, $out . $err);
}


# -------------------------------------------------------------- requests --

# By a token of its own, for which nginx has to be reloaded once.

sub ask {
    my ($self, $method, $path, $body, $type) = @_;

    $self->{admin} //= do {
        my ($code, $out, $err) = $self->sh('referralctl token docs admin'
            . ' /etc/nginx/referral.tokens && systemctl reload nginx');
        die "$out$err\n" if $code;
        $out =~ s/\s+\z//r;
    };

    # The quickstart puts the endpoint on a port of its own.

    local $self->{ports}{80} = $self->real(8081)
        if -e $self->dir . '/etc/nginx/conf.d/referral.conf';

    return $self->api($method, $path, $body, token => $self->{admin},
        headers => { $type ? ('Content-Type' => $type) : () });
}


sub port {
    my ($self, $n) = @_;
    return $self->{ports}{ $n || 80 } //= Referral::Nginx::free_port();
}


# A friend, who keeps the cookies until there is another one.

sub visit {
    my ($self, $path, %headers) = @_;
    $self->{visitor} = Referral::Visitor->new($self->port, %headers)
        if !$self->{visitor} || %headers;
    return $self->{visitor}->get($path);
}


sub answers {
    my ($self, $headers, $until) = @_;

    $self->_plain('sandbox/answer', $headers);
    $self->visit('/checkout');
    unlink $self->dir . '/sandbox/answer';
    return Referral::Nginx::wait_for($until, 5);
}


sub leave {
    my ($self) = @_;
    my $gone = $self->stop;

    $self->_rings;
    $self->{up}->stop;
    return $gone;
}


# Rings are in /dev/shm, as nobody said otherwise.

sub _rings {
    my ($self) = @_;
    my $store = $self->dir . '/var/lib/nginx-referral';
    my ($id) = -e "$store/data.mdb" ? `'$Referral::Nginx::BUILD/referralctl' \
        stat '$store' --json 2>/dev/null` =~ /"id":"(\w+)"/ : ();

    unlink glob "/dev/shm/referral-$id-*" if $id;
}


sub _remove {
    my ($self) = @_;
    $self->_rings;
    $self->SUPER::_remove;
}


1;
