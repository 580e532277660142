#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The package, from a clean checkout to a bare Debian 12 root: it is built, is
# clean, and does there what inside.sh says.  Needs root, a network for apt, and
# some minutes.
#
# DEB=file: not built, but taken.  ROOT_TAR=file: a bare root that is made if it
# is not there, and used again.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use Test::More;

my $top = dirname(dirname(dirname(abs_path(__FILE__))));
my $suite = 'bookworm';

plan skip_all => 'needs root' if $> != 0;

# Below a directory that everybody may enter: apt reads as a user of its own.

my $dir = tempdir('referral-deb-XXXXXX', DIR => '/var/tmp', CLEANUP => 1);
my $root = "$dir/root";
chmod 0755, $dir;

my $deb = $ENV{DEB} || build();
my $name = qr/^libnginx-mod-http-referral_[\d.]+-\d+~bookworm_amd64\.deb$/;
like(basename($deb), $name, 'make deb leaves a package')
    or BAIL_OUT('no package');

my $lint = `lintian --fail-on warning --pedantic --display-info '$deb' 2>&1`;
is($?, 0, 'lintian finds nothing that fails');
is($lint =~ s/^running with root privileges.*\n//mr, '', 'nor anything else');

bare();
mkdir "$root/packages";
run("cp '$deb' $root/packages/old.deb");
newer("$root/packages/old.deb", "$root/packages/new.deb");
run("cp '$top/t/deb/inside.sh' '$top/README.md' $root/packages");
run("cp -r '$top/debian' $root/packages");

# Nothing that the packages depend on is fetched later: there, no network is.

run("chroot $root apt-get -q install -y --download-only --no-install-recommends"
    . ' /packages/old.deb autopkgtest dpkg-dev');

# The first process has to collect all that end: bash does.

my $inside = "exec unshare --mount --pid --fork --net bash -c '"
    . 'set -e; ip link set lo up; mount --make-rprivate /;'
    . " mount -t proc proc $root/proc; mount --rbind /dev $root/dev;"
    . " mount -t tmpfs tmpfs $root/dev/shm; mount -t tmpfs tmpfs $root/run;"
    . " chroot $root env -i HOME=/root TERM=dumb"
    . ' PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    . " sh /packages/inside.sh; exit' 2>&1";

open my $out, '-|', $inside or die "cannot run: $!\n";
my $done = 0;

while (<$out>) {
    if (/^(not )?ok: (.*)/) {
        ok(!$1, $2);
    } else {
        note($_);
    }
    $done = 1 if $_ eq "done\n";
}
close $out;
ok($done, 'all of it was run');

done_testing();


# What git would check out, and what it does not know yet.

sub build {
    my $tree = "$dir/checkout";
    mkdir $tree;
    run("cd '$top' && git ls-files -z -co --exclude-standard"
        . " | tar -c --null -T - --ignore-failed-read | tar -x -C $tree");
    run("env -u MAKEFLAGS -u MAKELEVEL make -C $tree deb");
    return (glob "$tree/build/*.deb")[0] || '';
}


# A Debian with nothing but its essential packages, nginx and curl.

sub bare {
    my $tar = $ENV{ROOT_TAR};
    mkdir $root;
    return run("tar -x -C $root -f '$tar'") if $tar && -e $tar;

    run("debootstrap --variant=minbase $suite $root");
    run("rm -f $root/etc/apt/sources.list");
    run("cp -r /etc/apt/sources.list* /etc/apt/apt.conf.d $root/etc/apt/");
    run("rm -f $root/etc/apt/apt.conf.d/docker-*");   # keep no packages
    run("cp -L /etc/resolv.conf /etc/hosts $root/etc/");
    write_file("$root/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
    run("chroot $root apt-get -q update");
    run("chroot $root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y"
        . ' --no-install-recommends nginx curl');
    write_file("$root/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n");
    run("tar -c -C $root -f '$tar' .") if $tar;
}


# The same with the next version number, and files of their own inodes.

sub newer {
    my ($old, $new) = @_;
    my $tree = "$dir/newer";
    run("dpkg-deb -R $old $tree");
    run("sed -i '/^Version:/s/\$/.1/' $tree/DEBIAN/control");
    run("dpkg-deb --root-owner-group -b $tree $new");
}


sub write_file {
    my ($file, $text) = @_;
    open my $f, '>', $file or die "$file: $!\n";
    print $f $text;
    close $f;
    chmod 0755, $file;
}


sub run {
    my ($command) = @_;
    my $said = `( $command ) </dev/null 2>&1`;
    return if $? == 0;
    diag($command, "\n", $said);
    BAIL_OUT("a command failed");
}
