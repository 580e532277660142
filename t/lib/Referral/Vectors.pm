package Referral::Vectors;

# Copyright (C) the ngx_http_referral_module authors

# Tables of vectors, and small C drivers that answer them line by line.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

our @EXPORT_OK = qw(vectors driver answers);

my $root = abs_path(dirname(__FILE__) . '/../../..');
my $tmp = tempdir(CLEANUP => 1);


# The rows of t/vectors/NAME, without its "# " comments.

sub vectors {
    my ($name) = @_;

    my $path = "$root/t/vectors/$name";

    open my $f, '<', $path or die "cannot open $path: $!\n";
    chomp(my @lines = <$f>);

    return map { [split /\t/, $_, -1] } grep { !/^# / } @lines;
}


# The driver t/unit/NAME.c with these pure sources of the module, as make
# built it in TEST_BUILD or else as it is built here.

sub driver {
    my ($name, @sources) = @_;

    my $built = ($ENV{TEST_BUILD} // $tmp) . "/unit/$name";
    my $module = "$root/ngx_http_referral_module";

    return $built if -x $built;

    system($ENV{CC} || 'cc', '-std=gnu11', '-O2', '-Wall', '-Wextra',
        '-Werror', "-I$root/lmdb-store", "-I$module", '-o', "$tmp/$name",
        "$root/t/unit/$name.c", (map { "$module/$_" } @sources),
        '-lpcre2-8', '-lcrypto') == 0
        or BAIL_OUT("$name does not compile");

    return "$tmp/$name";
}


# What the driver answers to these lines.

sub answers {
    my ($driver, @lines) = @_;

    open my $f, '>:raw', "$tmp/in" or die "cannot write $tmp/in: $!\n";
    print $f map { "$_\n" } @lines;
    close $f or die "cannot write $tmp/in: $!\n";

    chomp(my @got = `'$driver' < '$tmp/in'`);

    is($?, 0, 'the driver ended well');
    is(scalar @got, scalar @lines, 'a line for a line');

    return @got;
}


1;
