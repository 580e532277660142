#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The man page of the module is well made, and tells of the directives there
# are, with the syntax that the README gives them.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $root = dirname(dirname(abs_path(__FILE__)));
my $page = "$root/man/ngx_http_referral_module.7";

my $source = slurp($page) =~ s/\\\n//gr;
my $text = `mandoc -Tascii '$page'` =~ s/.\x08//gr;
my $readme = slurp("$root/README.md");

is(scalar `mandoc -Tlint -Wwarning '$page' 2>&1`, '', 'mandoc finds nothing');
like($text, qr/^NGX_HTTP_REFERRAL_MODULE\(7\)/, 'a page of section 7');
like($text, qr/^$_$/m, "it has $_") for 'NAME', 'SYNOPSIS', 'DESCRIPTION',
    'FILES', 'EXAMPLES', 'SEE ALSO';

my %known = map { $_ => 1 } map { slurp($_) =~
    /\{ ngx_string\("(\w+)"\),\n +NGX_/g }
    glob "$root/ngx_http_referral_module/*.c";
my %told;
push @{ $told{(split ' ', $_)[0]} }, $_
    for $source =~ /^\.It Ic "([^"]+)"$/mg;

cmp_ok(scalar keys %known, '>=', 33, 'the directives of the module');
is_deeply([sort keys %told], [sort keys %known], 'are those of the page');

while ($readme =~ /^### (\w+)\n\n\*\*Syntax:\*\* (.*?)<br>\n\*\*Def/msg) {
    my ($name, $syntax) = ($1, $2);
    is_deeply($told{$name}, [map { s/;$|"//gr =~ s/…/.../gr =~ s/\s+/ /gr }
        $syntax =~ /`([^`]+)`/g], "$name: the syntax of the README");
}

is_deeply([$source =~ /^\.It Va (\S+)$/mg],
    [$readme =~ /^\| `(\$referral_\w+)` \|/mg], 'and the same variables');

done_testing();


sub slurp {
    open my $f, '<', $_[0] or die "cannot open $_[0]: $!\n";
    local $/;
    return scalar <$f>;
}
