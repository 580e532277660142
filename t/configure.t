# Each library that is missing stops configure with one sentence that names
# the Debian package; a probe that always finds it, or never, is seen here.

use strict;
use warnings;

use Config;
use File::Temp qw(tempdir);
use Test::More;

my $root = `pwd`;
chomp $root;
my $src = '/usr/share/nginx/src';
my $dir = tempdir(CLEANUP => 1);

my @missing = (
    ['lmdb.h', 'the LMDB library, install the Debian package liblmdb-dev'],
    ['another file format', 'LMDB 0.9, later versions have another file format,'
        . ' install the Debian package liblmdb-dev'],
    ['pcre2.h', 'the PCRE2 library, install the Debian package libpcre2-dev'],
    ['openssl/evp.h', 'libcrypto of OpenSSL 3, install the Debian package'
        . ' libssl-dev'],
    ['jansson.h', 'the jansson library, install the Debian package'
        . ' libjansson-dev'],
    ['qrencode.h', 'libqrencode, install the Debian package libqrencode-dev'],
    ['png.h', 'libpng, install the Debian package libpng-dev'],
);

stops('nothing is missing', 'NO', 'thread support, configure nginx with'
    . ' --with-threads (the Debian package nginx has it)');
stops($_->[0], 'YES', $_->[1]) for @missing;

my $flags = '-fno-semantic-interposition'
    . ($Config{archname} =~ /^x86_64/ ? ' -mmemset-strategy=libcall:-1:noalign'
        . ' -mmemcpy-strategy=libcall:-1:noalign' : '');
my $ours = 'ngx_http_referral_module ngx_http_referral_api_module';

for my $link (qw(DYNAMIC ADDON)) {
    my ($code, $out) = config('nothing is missing', 'YES', $link);
    is($code, 0, "$link: with all of them it goes on") or diag($out);
    like($out, qr/ORDER: .*$ours ngx_http_headers_filter_module/,
        "$link: the filters run after the headers filter");
    is(flags($out), $link eq 'DYNAMIC' ? "-O2 $flags" : '-O2',
        "$link: flags are added where nginx is not compiled with them");
}

my ($code, $out) = config('nothing is missing', 'YES', 'DYNAMIC', '-mmem');
is($code, 0, 'a compiler that does not know a flag is no reason to stop');
is(flags($out), '-O2 -fno-semantic-interposition', 'and is not told of it');

done_testing;


sub flags { $_[0] =~ /FLAGS: (.*?) ORDER/ ? $1 : undef }


sub stops {
    my ($text, $threads, $sentence) = @_;
    my ($code, $out) = config($text, $threads, 'DYNAMIC');
    is($code, 1, "configure stops: $sentence");
    like($out, qr/error: the referral module requires \Q$sentence\E\. $/,
        'and says why');
}


# Runs the script as configure does, with a gcc that fails on a text, and
# perhaps on a flag.

sub config {
    my ($text, $threads, $link, $flag) = @_;
    $flag ||= 'no such flag';

    script("$dir/cc", <<EOC);
#!/bin/sh
! grep -qF '$text' $dir/autotest.c || exit 1
case "\$*" in *'$flag'*) exit 1 ;; esac
exec gcc "\$@"
EOC

    script("$dir/run", <<EOC);
cd $src
CC=$dir/cc
NGX_AUTOTEST=$dir/autotest
NGX_AUTOCONF_ERR=$dir/err
USE_THREADS=$threads
HTTP_FILTER_MODULES='first ngx_http_headers_filter_module'
ngx_module_link=$link
ngx_addon_dir=$root
CFLAGS=-O2
. $root/config
echo FLAGS: \$CFLAGS
case $link in
    DYNAMIC) echo ORDER: \$ngx_http_referral_module_ORDER ;;
    *) echo ORDER: \$HTTP_FILTER_MODULES ;;
esac
EOC

    my $out = `sh $dir/run 2>&1`;
    my $code = $? >> 8;
    $out =~ s/\s+/ /g;
    return ($code, $out);
}


sub script {
    my ($file, $text) = @_;
    open my $f, '>', $file or die "$file: $!";
    print $f $text;
    close $f;
    chmod 0755, $file;
}
