package Referral::Nginx;

# Runs a real nginx with the module for one test file.
#
#   use lib 't/lib';
#   use Referral::Nginx timeout => 60;         # of the whole file, in seconds
#
#   my $t = Referral::Nginx->new(conf => <<'EOC', workers => 2);
#       referral_store %%STORE%% intake_path=%%INTAKE%%;
#       referral_key_file %%KEY%%;
#       referral_program friends { ... }
#       server { listen 127.0.0.1:%%PORT%%; ... }
#   EOC
#   $t->start;
#   $t->api(PUT => '/v1/codes/ANNA42', { owner => 'u1' });
#   my $r = $t->get('/r/ANNA42', Cookie => 'a=b');   # see Referral::Client
#   finish();             # stops all, fails on alerts; instead of done_testing
#
# conf is what stands in http { }.  Other arguments: main (lines outside of
# http), events, workers (1), full (conf is the whole file), daemon (needed for
# USR2), upstream (1: Referral::Upstream's echo, or a handler).
#
# Placeholders: %%DIR%% (of this instance), %%PORT%%, %%PORT2%% ... %%PORT9%%,
# %%STORE%%, %%INTAKE%%, %%KEY%%, %%TOKENS%%, %%UPSTREAM%% (address:port),
# %%CERT%% and %%CERTKEY%%, %%WEB%% (pages that were built).  The secrets of %%TOKENS%% are in $t->{token}{read},
# {write} and {admin}.
#
#   start, quit (graceful), stop (fast), kill9 (everything at once),
#   reload([conf]), hup([conf]) (does not wait), restart
#   pid, workers (pids), port([n]), dir, log, wait_log(qr//), store, intake
#   get, request, raw, connect, api
#   allow(qr/.../): lines at alert or emerg that this test expects
#
#   my ($code, $out) = nginx_t($conf, %same_arguments);      # nginx -t
#   my ($code, $out) = $t->check;                            # of this one
#
# Environment: TEST_BUILD, TEST_NGINX_BINARY, TEST_NGINX_MODULE (not for a
# static nginx, which is seen by
# nginx -V), TEST_NGINX_PRELOAD (LD_PRELOAD of nginx),
# TEST_NGINX_LEAVE=1 (keep the directories), TEST_VALGRIND=1 (nginx under
# valgrind: everything may take longer; what it reports fails the test).

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);

use Referral::Client;
use Referral::Upstream;

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');
our $BINARY = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
our $BUILD = $ENV{TEST_BUILD} || "$ROOT/build";
our $MODULE = $ENV{TEST_NGINX_MODULE} || "$BUILD/ngx_http_referral_module.so";

# What valgrind tells is a report; blocks that are reachable at the end are not.

my @valgrind = (qw(valgrind -q --leak-check=full --show-leak-kinds=definite
    --errors-for-leak-kinds=definite --num-callers=30 --keep-debuginfo=yes), "--suppressions=$ROOT/t/valgrind.supp");
my $patience = $ENV{TEST_VALGRIND} ? 15 : $ENV{TEST_NGINX_PRELOAD} ? 3 : 1;

my $owner = $$;
my @instances;
my $static;


sub import {
    my ($class, %opt) = @_;

    alarm($patience * ($opt{timeout} || 120));

    no strict 'refs';
    *{ caller() . "::$_" } = \&$_ for qw(finish nginx_t free_port wait_for);
}

$SIG{ALRM} = sub { die "the test file ran out of its time\n" };
$SIG{INT} = $SIG{TERM} = sub { exit 1 };


sub new {
    my ($class, %arg) = @_;

    my $dir = tempdir('referral-test-XXXXXX', TMPDIR => 1);
    my $self = bless { workers => 1, main => '', events => '', %arg,
        dir => $dir, ports => {}, allow => [] }, $class;
    push @instances, $self;

    # The workers are not root and write logs, reports and temporary files.

    mkdir "$dir/reports";
    mkdir "$dir/temp";
    mkdir "$dir/html";
    chmod 0755, $dir;
    chmod 0777, "$dir/reports";

    $self->conf($arg{conf}) if defined $arg{conf};
    return $self;
}


sub conf {
    my ($self, $conf) = @_;
    my $text = $self->_expand($self->{full} ? $conf : $self->_frame($conf));

    # at once: it may be read any time

    _write($self->file . '.new', $text);
    rename $self->file . '.new', $self->file or die "rename: $!";
    return $text;
}


sub file { "$_[0]{dir}/nginx.conf" }
sub dir { $_[0]{dir} }
sub store { "$_[0]{dir}/store" }
sub pid { $_[0]{pid} }


sub _frame {
    my ($self, $conf) = @_;
    my $daemon = $self->{daemon} ? 'on' : 'off';
    my $user = $> == 0 ? 'user www-data;' : '';
    my $load = _static() ? '' : "load_module $MODULE;";

    # a new binary is started with what is named here

    $load .= " env $_;" for $ENV{TEST_NGINX_PRELOAD}
        ? qw(LD_PRELOAD ASAN_OPTIONS UBSAN_OPTIONS) : ();

    return <<EOC;
$load
$user
daemon $daemon;
pid %%DIR%%/nginx.pid;
error_log %%DIR%%/error.log info;
worker_processes $self->{workers};
$self->{main}

events {
    worker_connections 1024;
    $self->{events}
}

http {
    access_log off;
    root %%DIR%%/html;
    client_body_temp_path %%DIR%%/temp/body;
    proxy_temp_path %%DIR%%/temp/proxy;
    fastcgi_temp_path %%DIR%%/temp/fastcgi;
    uwsgi_temp_path %%DIR%%/temp/uwsgi;
    scgi_temp_path %%DIR%%/temp/scgi;

$conf
}
EOC
}


sub _expand {
    my ($self, $text) = @_;
    my %value = (
        DIR      => sub { $self->{dir} },
        STORE    => sub { $self->store },
        INTAKE   => sub { $self->intake },
        KEY      => sub { $self->_key },
        TOKENS   => sub { $self->_tokens },
        CERT     => sub { $self->_cert . '.pem' },
        CERTKEY  => sub { $self->_cert . '.key' },
        WEB      => sub { "$BUILD/web" },
        UPSTREAM => sub { $self->upstream->address },
        PORT     => sub { $self->port },
        map { my $n = $_; ("PORT$n" => sub { $self->port($n) }) } 2 .. 9,
    );

    $text =~ s{%%(\w+)%%}{
        $value{$1} ? $value{$1}->() : die "unknown placeholder %%$1%%\n"
    }ge;

    return $text;
}


sub port {
    my ($self, $n) = @_;
    return $self->{ports}{ $n || 1 } ||= free_port();
}


# Below the range of client ports: a client that tries to reach a stopped
# server could otherwise be given that very port, and connect to itself.

my %given;

sub free_port {
    for (1 .. 1000) {
        my $port = 10000 + int rand 20000;
        next if $given{$port}++;

        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
            LocalPort => $port, Listen => 1, ReuseAddr => 1);
        return $port if $s;
    }

    die "no free port\n";
}


# The intake must lie on a memory file system.

sub intake {
    my ($self) = @_;

    unless ($self->{intake}) {
        $self->{intake} = tempdir('referral-test-XXXXXX', DIR => '/dev/shm');
        chmod 0777, $self->{intake};
    }

    return $self->{intake};
}


sub _key {
    my ($self) = @_;
    my $file = "$self->{dir}/referral.key";
    _secret($file, '1:' . encode_base64(_random(32), '') . "\n")
        unless -e $file;
    return $file;
}


sub _tokens {
    my ($self) = @_;
    my $file = "$self->{dir}/referral.tokens";
    my $text = '';

    return $file if -e $file;

    for my $scope (qw(read write admin)) {
        my $token = $self->{token}{$scope} = unpack 'H*', _random(24);
        $text .= "test-$scope $scope " . sha256_hex($token) . "\n";
    }

    _secret($file, $text);
    return $file;
}


sub _cert {
    my ($self) = @_;
    my $base = "$self->{dir}/cert";

    system('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
        '/CN=localhost', '-out', "$base.pem", '-keyout', "$base.key",
        '-batch') == 0 or die "openssl req failed\n"
        unless -e "$base.pem";

    return $base;
}


sub upstream {
    my ($self) = @_;
    my $handler = ref $self->{upstream} eq 'CODE' ? $self->{upstream} : undef;
    return $self->{up} ||= Referral::Upstream->new($handler);
}


# ------------------------------------------------------------- processes --

sub start {
    my ($self) = @_;
    my $port = $self->port;
    my $dir = $self->{dir};

    unlink "$dir/nginx.pid";
    my $pid = fork();
    die "fork() failed: $!" unless defined $pid;
    $self->_exec if $pid == 0;

    if ($self->{daemon}) {
        waitpid $pid, 0;
        $pid = wait_for(sub { _read("$dir/nginx.pid") =~ /^(\d+)/ && $1 }, 10);
    }

    $self->{pid} = $pid;
    return $self if $pid
        && wait_for(sub { !$self->running || _open($port) }, 20)
        && $self->running
        && wait_for(sub { $self->workers >= $self->{workers} }, 10);

    diag($self->log, _read("$dir/stderr"));
    die "nginx did not start\n";
}


sub _exec {
    my ($self) = @_;
    my $dir = $self->{dir};
    my %san = (ASAN_OPTIONS => 'detect_leaks=0', UBSAN_OPTIONS =>
        'print_stacktrace=1', TSAN_OPTIONS => '');

    $ENV{$_} = join ':', $ENV{$_} || (), $san{$_} || (),
        "log_path=$dir/reports/report" for keys %san;
    $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_PRELOAD} if $ENV{TEST_NGINX_PRELOAD};

    # nginx keeps the descriptors it is given.

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', "$dir/stderr";
    open STDERR, '>>', "$dir/stderr";
    POSIX::close($_) for 3 .. 63;

    my @under = $ENV{TEST_VALGRIND}
        ? (@valgrind, "--log-file=$dir/reports/report.%p") : ();

    exec @under, $BINARY, '-p', "$dir/", '-c', $self->file, '-e',
        "$dir/error.log" or POSIX::_exit(127);
}


sub running {
    my ($self) = @_;
    return 0 unless $self->{pid};
    $self->_reap;
    return $self->{pid} && kill(0 => $self->{pid});
}


sub _reap {
    my ($self) = @_;
    return unless $self->{pid};
    local ($?, $!);
    my $rc = waitpid $self->{pid}, WNOHANG;

    if ($rc == $self->{pid}) {
        $self->{status} = $?;
        $self->{pid} = undef;
    }
}


# Pids of the workers that serve: those of an older generation not.

sub workers {
    my ($self) = @_;
    return () unless $self->{pid};
    return grep { $self->_serves($_) } $self->children;
}


# Under valgrind a process has no title of its own, but the log knows.

sub _serves {
    my ($self, $pid) = @_;
    return _title($pid) =~ /^nginx: worker process\0*$/
        unless $ENV{TEST_VALGRIND};

    my $log = $self->log;
    return $log =~ / start worker process $pid$/m
        && $log !~ / $pid#\d+: gracefully shutting down$/m;
}


sub children {
    my ($self) = @_;
    my $parent = $self->{pid} or return ();
    my @pids;

    for my $file (glob '/proc/[0-9]*/stat') {
        my ($pid, $ppid) = _read($file) =~ /^(\d+) \(.*\) \S (\d+)/s or next;
        push @pids, $pid if $ppid == $parent;
    }

    return @pids;
}


sub quit { $_[0]->_end('QUIT') }
sub stop { $_[0]->_end('TERM') }


sub _end {
    my ($self, $signal) = @_;
    return 1 unless $self->running;

    my @all = $self->children;
    kill $signal => $self->{pid};

    my $gone = wait_for(sub {
        !$self->running && !grep { _alive($_) } @all
    }, 30);
    $self->kill9 unless $gone;
    $self->{pid} = undef;
    return $gone;
}


# The master is stopped first: it must not see its workers die and start others.

sub kill9 {
    my ($self) = @_;
    my $pid = $self->{pid} or return;

    kill STOP => $pid;
    wait_for(sub { _read("/proc/$pid/stat") !~ /\) [RSD] / }, 5);

    my @all = $self->children;
    kill KILL => $pid, @all;
    wait_for(sub { !$self->running && !grep { _alive($_) } @all }, 10);
    $self->{pid} = undef;
}


sub hup {
    my ($self, $conf) = @_;
    $self->conf($conf) if defined $conf;
    kill HUP => $self->{pid};
}


# True when all workers are new ones; false when the new configuration was
# refused.

sub reload {
    my ($self, $conf) = @_;
    my %old = map { $_ => 1 } $self->workers;
    my $from = length $self->log;
    my $done;

    $self->hup($conf);

    wait_for(sub {
        my @now = $self->workers;
        $done = @now >= $self->{workers} && !grep { $old{$_} } @now;
        return $done || substr($self->log, $from) =~ /\[emerg\]/;
    }, 30);

    return $done;
}


sub restart {
    my ($self) = @_;
    $self->quit;
    return $self->start;
}


sub nginx_t {
    my ($conf, %arg) = @_;
    my $self = __PACKAGE__->new(%arg, conf => $conf);
    my ($code, $out) = $self->check;

    pop @instances;
    $self->_remove;
    $self->{up}->stop if $self->{up};
    return ($code, $out);
}


# nginx -t with the configuration as it is.

sub check {
    my ($self) = @_;

    local $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_PRELOAD} || '';
    local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
    my $out = `'$BINARY' -t -p '$self->{dir}/' -c '@{[ $self->file ]}' -e stderr 2>&1`;

    return ($? >> 8 || $? & 127, $out);
}


# -------------------------------------------------------------- requests --

sub get {
    my ($self, $path, %headers) = @_;
    return Referral::Client::get($self->port, $path, %headers);
}

sub request {
    my ($self, @args) = @_;
    return Referral::Client::request($self->port, @args);
}

sub raw {
    my ($self, $bytes) = @_;
    return Referral::Client::raw($self->port, $bytes);
}

sub connect {
    my ($self, %opt) = @_;
    return Referral::Client->new($opt{port} || $self->port, %opt);
}


# One call of the endpoint, as a program would make it.  $body is bytes, or
# data to be sent as JSON.  Options: prefix, token (undef: none), headers.

sub api {
    my ($self, $method, $path, $body, %opt) = @_;
    my $prefix = exists $opt{prefix} ? $opt{prefix} : '/referral';
    my $token = exists $opt{token} ? $opt{token} : $self->{token}{admin};

    if (ref $body) {
        require JSON::PP;
        $body = JSON::PP->new->utf8->canonical->encode($body);
    }

    my %headers = ((map { $_ => undef } keys %Referral::Client::BROWSER),
        'User-Agent' => 'shop/1.0',
        defined $body ? ('Content-Type' => 'application/json') : (),
        defined $token ? (Authorization => "Bearer $token") : (),
        %{ $opt{headers} || {} });

    return $self->request($method, "$prefix$path", \%headers, $body);
}


# ------------------------------------------------------------------ logs --

sub log {
    my ($self) = @_;
    return _read("$self->{dir}/error.log");
}


sub wait_log {
    my ($self, $re, $seconds) = @_;
    return wait_for(sub { $self->log =~ $re }, $seconds || 10);
}


sub allow {
    my ($self, @re) = @_;
    push @{ $self->{allow} }, @re;
}


# Lines that no test may leave behind: nginx writes "alert" for its own bugs,
# and a worker that dies is one of those.

sub complaints {
    my ($self) = @_;
    my @lines = grep { /\[(alert|emerg)\]|Sanitizer|runtime error:/ }
        split /\n/, $self->log . _read("$self->{dir}/stderr");

    push @lines, map { split /\n/, _read($_) } glob "$self->{dir}/reports/*";

    return grep {
        my $line = $_;
        !grep { $line =~ $_ } @{ $self->{allow} };
    } @lines;
}


sub finish {
    for my $self (@instances) {
        ok($self->stop, 'nginx stops in time') if $self->{pid};
        my @lines = $self->complaints;
        is(join("\n", splice @lines, 0, 20), '', 'no alert, no report');
        $self->{finished} = 1;
    }

    done_testing();
}


END {
    if ($$ == $owner) {
        my $status = $?;
        alarm 0;

        for my $self (@instances) {
            $self->kill9;
            $self->{up}->stop if $self->{up};

            my @lines = $self->{finished} ? () : $self->complaints;
            diag(splice @lines, 0, 20) if @lines;
            $status ||= 1 if @lines;
            $self->_remove unless $ENV{TEST_NGINX_LEAVE};
        }

        $? = $status;
    }
}


# --------------------------------------------------------------- helpers --

# The first true value of the code within so many seconds.

sub wait_for {
    my ($code, $seconds) = @_;
    my $end = time + $patience * $seconds;

    for ( ;; ) {
        my $value = $code->();
        return $value if $value || time > $end;
        sleep 0.02;
    }
}


sub _remove {
    my ($self) = @_;
    remove_tree(grep { defined } $self->{dir}, $self->{intake});
}


sub _static {
    $static = `'$BINARY' -V 2>&1` =~ /--add-module=/ ? 1 : 0
        unless defined $static;
    return $static;
}


sub _open {
    my ($port) = @_;
    return defined IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port, Timeout => 1);
}


sub _title {
    my ($pid) = @_;
    return _read("/proc/$pid/cmdline") =~ s/\s*\0.*//sr;
}


sub _alive {
    my ($pid) = @_;
    return _read("/proc/$pid/stat") =~ /^\d+ \(.*\) [^ZX]/s;
}


sub _random {
    my ($n) = @_;
    open my $f, '<:raw', '/dev/urandom' or die "/dev/urandom: $!";
    read $f, my ($bytes), $n;
    return $bytes;
}


sub _read {
    my ($file) = @_;
    open my $f, '<:raw', $file or return '';
    local $/;
    my $text = <$f>;
    return defined $text ? $text : '';
}


sub _write {
    my ($file, $text, $mode) = @_;
    open my $f, '>:raw', $file or die "$file: $!";
    chmod $mode, $file if defined $mode;
    print $f $text;
    close $f or die "$file: $!";
}


sub _secret {
    my ($file, $text) = @_;
    _write($file, $text, 0600);
}


1;
