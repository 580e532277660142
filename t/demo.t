# The demo, in a browser: a friend follows a link, lands on a page that comes
# from the cache, and the shop still knows who sent them; the next visitor gets
# the same cached page and nobody's code.

use strict;
use warnings;

use File::Find qw(find);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use Test::More;

use lib 't/lib';
use Referral::Client qw(get request);
use Referral::Nginx timeout => 120;

my $build = $Referral::Nginx::BUILD;
my $dir = tempdir('referral-demo-XXXXXX', DIR => '/dev/shm', CLEANUP => 1);
my $port = free_port();
my $base = "http://127.0.0.1:$port";
my $out = "$build/demo.out";
my $pid = demo();

ok(wait_for(sub { slurp($out) =~ /Ctrl-C/ }, 30), 'the demo starts')
    or diag(slurp($out)), done_testing, exit;
is(scalar(() = slurp($out) =~ /\n/g), 4, 'it says what to try in four lines');

my ($token) = slurp($out) =~ /Bearer (\w+)/;

get($port, '/');                    # puts the front page into the cache

mkdir "$build/screenshots";
my $json = browse($base, "$build/screenshots");
my $seen = eval { decode_json($json) } || {};
my ($friend, $other) = @$seen{qw(friend other)};

ok($friend && $other, 'the browser did its round') or diag($json);

my ($link, $front) = @{ $friend->{responses} || [] };

is($link->{url}, '/r/ANNA42', 'the friend follows the link');
is($link->{status}, 302, 'which redirects');
like($link->{headers}{'set-cookie'}, qr/^ref_friends=/, 'with a cookie');
like($link->{headers}{'cache-control'}, qr/no-store/, 'that no cache keeps');
like($friend->{front}{url}, qr{^/(\?|$)}, 'to the front page');
is($front->{headers}{'x-cache'}, 'HIT', 'which comes from the cache');
is_deeply($friend->{checkout}, { code => ['ANNA42'], none => [] },
    'the checkout shows who sent the friend');

my ($page) = @{ $other->{responses} || [] };

is($page->{url}, '/', 'another visitor comes without a link');
is($page->{headers}{'x-cache'}, 'HIT', 'to the cached page');
is($other->{front}{text}, $friend->{front}{text}, 'the very same one');
is(scalar @{ $other->{checkout}{none} || [] }, 1, 'whom nobody sent');
is_deeply($other->{checkout}{code}, [], 'says the checkout');
is_deeply($other->{cookies}, [], 'and who has no cookie');

my @hits = grep { ($_->{headers}{'x-cache'} || '') eq 'HIT' }
    map { @{ $_->{responses} || [] } } $friend, $other;

cmp_ok(scalar @hits, '>=', 2, 'pages came from the cache');
is(scalar(grep { exists $_->{headers}{'set-cookie'} } @hits), 0,
    'none of them with a cookie');

# The other way in, and what the cache keeps of it.

my $tagged = get($port, '/?ref=BEN7');
is($tagged->status, 302, 'a tagged page redirects');
is($tagged->header('Location'), "$base/", 'to itself without the tag');
like($tagged->header('Set-Cookie'), qr/^ref_friends=/, 'with a cookie');

my @cached;
find(sub { push @cached, slurp($_) if -f }, "$dir/cache");
cmp_ok(scalar(grep { /Everything for a good cup/ } @cached), '>=', 1,
    'the cache holds the front page');
is(scalar(grep { /set-cookie|ref_friends/i } @cached), 0, 'and no cookie');

my $code = request($port, GET => '/referral/v1/codes/ANNA42',
    { Authorization => "Bearer $token" })->json;
is($code->{clicks}{human}, 1, 'one person followed the link')
    or diag(explain($code));

# Ctrl-C, as a terminal sends it: to all of the group.

my @members = members($pid);
cmp_ok(scalar @members, '>=', 4, 'the demo is a shop and an nginx');
kill INT => -$pid;
ok(wait_for(sub { waitpid $pid, 1 }, 15), 'Ctrl-C stops the demo');
is($?, 0, 'cleanly');
ok(wait_for(sub { !members($pid) }, 5), 'no process is left');
ok(!-e "$dir/store", 'nor a file');
$pid = undef;

done_testing;


END {
    local $?;
    kill TERM => -$pid if $pid;
}


sub demo {
    my $child = fork();
    die "fork() failed: $!" unless defined $child;
    return $child if $child;

    setpgrp 0, 0;
    $SIG{INT} = 'DEFAULT';
    $ENV{LD_PRELOAD} = '';
    @ENV{qw(BUILD NGINX PORT DEMO_DIR)} =
        ($build, $Referral::Nginx::BINARY, $port, $dir);
    open STDOUT, '>', $out;
    open STDERR, '>&', \*STDOUT;
    exec "$Referral::Nginx::ROOT/examples/demo/run";
    POSIX::_exit(127);
}


sub browse {
    my @args = @_;
    local $ENV{NODE_PATH} = "$build/browser/node_modules";
    open my $pipe, '-|', 'node', "$Referral::Nginx::ROOT/t/browser/demo.js",
        @args or die "node: $!";
    local $/;
    return scalar <$pipe>;
}


sub members {
    my ($group) = @_;
    my @pids;

    for my $file (glob '/proc/[0-9]*/stat') {
        push @pids, $1
            if slurp($file) =~ /^(\d+) \(.*\) [^ZX] \d+ (\d+)/s && $2 == $group;
    }

    return @pids;
}


sub slurp {
    my ($file) = @_;
    open my $f, '<', $file or return '';
    local $/;
    return scalar(<$f>) // '';
}
