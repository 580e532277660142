#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The man page is well made and is installed; it, the README and --help tell of
# the same commands and options.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $root = dirname(dirname(abs_path(__FILE__)));
my $build = $ENV{BUILD_DIR} || $ENV{TEST_BUILD} || "$root/build";
my $page = "$root/man/referralctl.8";
my $tmp = tempdir(CLEANUP => 1);

alarm 120;

my $help = `'$build/referralctl' --help`;
my $source = slurp($page);
my $text = `mandoc -Tascii '$page'` =~ s/.\x08//gr;
my ($readme) = slurp("$root/README.md") =~ /^## referralctl\n(.*?)(?=^## )/ms;

is(scalar `mandoc -Tlint -Wwarning '$page' 2>&1`, '', 'mandoc finds nothing');
like($text, qr/^REFERRALCTL\(8\)/, 'a page of section 8');
like($text, qr/^$_$/m, "it has $_") for 'NAME', 'SYNOPSIS', 'DESCRIPTION',
    'FILES', 'EXIT STATUS', 'EXAMPLES';

my %help = map { $_ => 1 } $help =~ /^  ([a-z]+) /mg;
my %synopsis = map { $_ => 1 } $source =~ /^\.Nm\n\.Cm ([a-z]+)$/mg;
my %item = map { $_ => 1 } $source =~ /^\.It Cm ([a-z]+)/mg;
my %readme = map { $_ => 1 } $readme =~ /^\| `referralctl ([a-z]+)/mg;

cmp_ok(scalar keys %help, '>=', 11, 'the commands of --help');
is_deeply([sort keys %synopsis], [sort keys %help],
    'are those of the synopsis');
is_deeply([sort keys %item], [sort keys %help], 'each is told of');
is_deeply([sort keys %readme], [sort keys %help], 'and is in the README');

%help = map { $_ => 1 } $help =~ /^  (--[a-z-]+) /mg;
%item = map { ("-$_" => 1) } $source =~ /^\.It Fl (-[a-z-]+)$/mg;

is_deeply([sort keys %item], [sort keys %help], 'options: the same');
like($readme, qr/`\Q$_\E[`\]]|\[\Q$_\E\]/, "$_ is in the README")
    for '--json', '--csv', '--dry-run';

# the usage of a command is its line in the synopsis

for my $command (sort keys %synopsis) {
    my $usage = `'$build/referralctl' $command 1 2 3 4 5 6 2>&1`;
    my ($args) = $source =~ /^\.Nm\n\.Cm \Q$command\E\n(.*?)(?=^\.Nm|^\.Sh)/ms;

    $usage =~ s/.*?usage: referralctl \Q$command\E ?//s;
    $args =~ s/^\.(?:Op|Ar|Cm|Fl)? *//mg;
    $args =~ s/\b(?:Fl|Ar|Cm) //g;
    $args =~ s/^-(?=[a-z])/--/mg;

    is(words($args), words($usage), "$command: its arguments");
}

SKIP: {
    skip 'make install needs what it installs', 1
        if !-e "$build/ngx_http_referral_module.so";

    system("make -C '$root' -s install DESTDIR='$tmp' BUILD='$build' "
        . '>/dev/null 2>&1');
    ok(-e "$tmp/usr/share/man/man8/referralctl.8", 'make install installs it');
}

done_testing();


# The names in it: brackets and bars aside, as are the commas between.

sub words { return join ' ', map { lc } $_[0] =~ /[A-Za-z-]+/g }


sub slurp {
    open my $f, '<', $_[0] or die "cannot open $_[0]: $!\n";
    local $/;
    return scalar <$f>;
}
