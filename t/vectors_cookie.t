#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The cookie against values that another implementation made, cookie.pl.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use MIME::Base64 qw(encode_base64);
use Test::More;

my $root = dirname(dirname(abs_path(__FILE__)));
my $tmp = tempdir(CLEANUP => 1);
my $driver = build();

my $cookie = decode_json(slurp("$root/t/vectors/cookie.json"));
my $header = decode_json(slurp("$root/t/vectors/cookie_header.json"));

is(`$^X $root/t/vectors/cookie.pl`, slurp("$root/t/vectors/cookie.json"),
    'cookie.json is what cookie.pl prints');

# values that were published and computed with openssl

is($cookie->{derived}{k1},
    'beb2deaf5337829cacc81c1adc06640f208fde2e3716dc23d449178c5019f2b9',
    'the key of k1 is derived as published');
is($cookie->{derived}{k2},
    'a8b547cad696d49dc20899f8e90ee8bfd7d7a798baeb79344750a7ecb1adee58',
    'the key of k2 is derived as published');

for my $set (key_sets()) {
    my @vectors = grep { "@{$_->{keys}}" eq $set } @{$cookie->{vectors}};
    my @got = run($set, undef, map {
        line($_->{program}, $_->{now}, $_->{window}, $_->{value})
    } @vectors);

    is($got[$_], $vectors[$_]{expect}, $vectors[$_]{name}) for 0 .. $#vectors;
}

my ($valid) = grep { $_->{name} eq 'valid' } @{$cookie->{vectors}};
my ($bad) = grep { $_->{name} eq 'mac-other-last' } @{$cookie->{vectors}};

for my $vector (@{$header->{vectors}}) {
    my $lines = join "\r", @{$vector->{cookie_headers}};

    $lines =~ s/GOOD/$valid->{value}/g;
    $lines =~ s/BAD/$bad->{value}/g;

    my ($got) = run('k1', '__Host-ref',
        line('friends', $valid->{now}, $valid->{window}, $lines));

    if ($vector->{expect}) {
        is($got, $valid->{expect}, $vector->{name});

    } else {
        like($got, qr/^(none|invalid)$/, $vector->{name});
    }
}

done_testing();


sub build {
    my $dir = $ENV{BUILD_DIR} || $tmp;
    my $module = "$root/ngx_http_referral_module";

    return "$dir/cookie_cli" if -x "$dir/cookie_cli";

    system($ENV{CC} || 'cc', '-std=gnu11', '-Wall', '-Wextra', '-Werror',
        "-I$root/lmdb-store", "-I$module", '-o', "$dir/cookie_cli",
        "$root/t/unit/cookie_cli.c", "$root/lmdb-store/referral_time.c",
        (map { "$module/referral_$_.c" } qw(cookie touch keys base64 hmac
            secret)),
        '-lcrypto') == 0
        or BAIL_OUT('cookie_cli does not compile');

    return "$dir/cookie_cli";
}


sub key_sets {
    my %seen;
    return grep { !$seen{$_}++ } map { "@{$_->{keys}}" }
        @{$cookie->{vectors}};
}


sub line {
    return join("\t", @_) . "\n";
}


sub run {
    my ($set, $name, @lines) = @_;

    spew("$tmp/keys", map {
        "$_:" . encode_base64(pack('H*', $cookie->{masters}{$_}), '') . "\n"
    } split ' ', $set);
    spew("$tmp/in", @lines);

    my $command = "'$driver' '$tmp/keys' " . ($name // '') . " < '$tmp/in'";
    my @got = `$command`;

    is($?, 0, "the driver with $set") or return ('') x @lines;
    chomp @got;

    return @got;
}


sub slurp {
    my ($path) = @_;
    open my $fh, '<:raw', $path or die "cannot open $path: $!\n";
    local $/;
    return <$fh>;
}


sub spew {
    my ($path, @text) = @_;
    open my $fh, '>:raw', $path or die "cannot write $path: $!\n";
    print $fh @text;
    close $fh or die "cannot write $path: $!\n";
}
