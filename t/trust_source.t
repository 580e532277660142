# What the sources have none of: money as a fraction, a way to the network of
# their own, a comparison of secrets that ends where they begin to differ.

use strict;
use warnings;

use FindBin;
use Test::More;

my (%source, @float, @network, @compare);

for my $file (glob "$FindBin::Bin/../{lmdb-store,ngx_http*}/*.[ch]") {
    open my $f, '<', $file or die "$file: $!";
    local $/;
    $source{ $file =~ s/.*\///r } = <$f> =~ s{/\*.*?\*/}{}gsr;
}

cmp_ok(scalar keys %source, '>', 100, 'sources are there');

for my $file (sort keys %source) {
    my $code = $source{$file};

    push @float, $file
        if $code =~ /\b(?:float|double|strtod|atof|json_real\w*)\b/;
    push @network, "$file: $1" while $code =~ /\b(socket|connect|sendto|sendmsg
        |getaddrinfo|gethostby\w+|ngx_event_connect_peer|ngx_resolve_\w+
        |popen|system|exec[lv]\w*|posix_spawn\w*)\s*\(/gx;

    next unless $code =~ /CRYPTO_memcmp|HMAC|SHA256/;
    push @compare, "$file: $1" while $code =~ /\b((?:ngx_)?(?:mem|str|strn)cmp
        \([^,;]*\b(?:mac|want|hash|digest|tag)\b[^;]*?\))/gx;
}

is_deeply([grep { !/^referralctl_(?:copy|store|progress)\.c$/ } @float], [],
    'no fraction, but in sizes and times that are shown to people');
is_deeply(\@network, [], 'no connection, no look-up of a name, no program run');

# That one is between two lines of a file.

is_deeply([map { s/\s+/ /gr } @compare],
    ['referral_tokens.c: memcmp(t->hash, token->hash, SHA256_DIGEST_LENGTH)'],
    'what a request sends is compared with secrets in constant time');

for (qw(referral_keys.c referral_tokens.c referral_signature.c)) {
    like($source{$_}, qr/\bCRYPTO_memcmp\(/, "$_ does so");
}

done_testing();
