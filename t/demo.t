# The demo, in a browser: a friend follows a link, lands on a page that comes
# from the cache, and the shop still knows who sent them; the next visitor gets
# the same cached page and nobody's code.

use strict;
use warnings;

use File::Find qw(find);
use File::Temp qw(tempdir);
use Test::More;

use lib 't/lib';
use Referral::Browser;
use Referral::Client qw(get request);
use Referral::Nginx timeout => 120;

my $build = $Referral::Nginx::BUILD;
my $dir = tempdir('referral-demo-XXXXXX', DIR => '/dev/shm', CLEANUP => 1);
my $port = free_port();
my $base = "http://127.0.0.1:$port";
my $out = "$build/demo.out";
unlink $out;
my $pid = demo();

ok(wait_for(sub { slurp($out) =~ /Ctrl-C/ }, 30), 'the demo starts')
    or diag(slurp($out)), done_testing, exit;
is(scalar(() = slurp($out) =~ /\n/g), 7, 'it says what to try in seven lines');
is(scalar(() = slurp($out) =~ /^[A-Z][\w' ]*: +(?<=^.{20})\S/mg), 6,
    'below each other');

my ($token) = slurp($out) =~ /Bearer ([\w-]+)/;

get($port, '/');                    # puts the front page into the cache

my $shots = "$build/screenshots";
mkdir $shots;

my $friend = Referral::Browser->new;
$friend->open("$base/r/ANNA42");

my ($link, $front) = $friend->responses;
my ($words) = $friend->texts('body');

is($link->{url}, "$base/r/ANNA42", 'a friend follows the link');
is($link->{status}, 302, 'which redirects');
like($link->{headers}{'set-cookie'}, qr/^ref_friends=/, 'with a cookie');
like($link->{headers}{'cache-control'}, qr/no-store/, 'that no cache keeps');
is($friend->url, "$base/", 'to the front page');
is($front->{headers}{'x-cache'}, 'HIT', 'which comes from the cache');
$friend->screenshot("$shots/friend-front.png");

$friend->click('header a[href="/checkout"]');
is_deeply([$friend->texts('#code')], ['ANNA42'],
    'the checkout shows who sent the friend');
$friend->screenshot("$shots/friend-checkout.png");

$friend->click('a[href="/order"]');
my ($order) = grep { $_->{url} eq "$base/order" } $friend->responses;
is(scalar $friend->texts('#order'), 1, 'the friend orders');
is(scalar(grep { /event/i } keys %{ $order->{headers} }), 0,
    'and does not see what the shop reports');

my $other = Referral::Browser->new;
$other->open("$base/");

my ($page) = $other->responses;

is($page->{url}, "$base/", 'another visitor comes without a link');
is($page->{headers}{'x-cache'}, 'HIT', 'to the cached page');
is(($other->texts('body'))[0], $words, 'the very same one');

$other->click('header a[href="/checkout"]');
is_deeply([$other->texts('#code')], [], 'the checkout shows no code');
is(scalar $other->texts('#none'), 1, 'and says that nobody sent them');
is_deeply($other->cookies, [], 'and they have no cookie');
$other->screenshot("$shots/other-checkout.png");

my @hits = grep { ($_->{headers}{'x-cache'} || '') eq 'HIT' }
    $friend->responses, $other->responses;

cmp_ok(scalar @hits, '>=', 2, 'pages came from the cache');
is(scalar(grep { exists $_->{headers}{'set-cookie'} } @hits), 0,
    'none of them with a cookie');

$_->close for $friend, $other;

# The other way in, and what the cache keeps of it.

my $tagged = get($port, '/?ref=BEN7');
is($tagged->status, 302, 'a tagged page redirects');
is($tagged->header('Location'), '/', 'to itself without the tag');
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
is($code->{events}{purchase}{approved}, 1, 'and bought');
is($code->{points}, 10, 'which gave points');
is($code->{amounts}{EUR}{approved}, 490, 'and a reward');

# The pages.

my ($share, $session) = slurp($out)
    =~ m{ \Q$base\E(/share/\S+)\n.* \Q$base\E/my-referrals/#(\S+)\n}s;
is(get($port, $share)->status, 200, 'Anna has a page to share from');
is(get($port, '/my-referrals/')->status, 200, 'and one of what came of it');
is(request($port, GET => '/my-referrals/data',
    { Authorization => "Bearer $session" })->json->{friends}{purchase}, 1,
    'which tells of the purchase');
like(get($port, '/referral/')->body, qr/<html/, 'the shop has its dashboard');

is_deeply([grep { /\[(alert|emerg)\]|Sanitizer|runtime error/ }
    map { split /\n/, slurp($_) } "$dir/error.log", glob "$dir/report*"], [],
    'no alert, no report');

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
    @ENV{qw(BUILD NGINX_BINARY PORT DEMO_DIR)} = ($build, nginx(), $port, $dir);
    open STDOUT, '>', $out;
    open STDERR, '>&', \*STDOUT;
    { exec "$Referral::Nginx::ROOT/examples/demo/run" };
    POSIX::_exit(127);
}


# The demo knows nothing of sanitizers.

sub nginx {
    my $preload = $ENV{TEST_NGINX_PRELOAD} or return $Referral::Nginx::BINARY;

    open my $f, '>', "$build/demo.nginx" or die $!;
    print $f <<EOC;
#!/bin/sh
ASAN_OPTIONS=detect_leaks=0:log_path=$dir/report \\
LD_PRELOAD="$preload" exec $Referral::Nginx::BINARY "\$@"
EOC
    close $f;
    chmod 0755, "$build/demo.nginx";
    return "$build/demo.nginx";
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
