package Referral::Signed;

# What the module would sign: values whose MAC is right, whatever is in them.
#
#   my $value = signed("1.k1.$time.ANNA42...", $secret, 'cookie', 'friends');
#   my $time = base36(time);
#
# The secret is that of a line of the key file, decoded; its purpose is cookie,
# link or session, friends the program.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use Exporter qw(import);
use MIME::Base64 qw(encode_base64url);

our @EXPORT = qw(signed base36);

my @DIGITS = (0 .. 9, 'a' .. 'z');


sub signed {
    my ($text, $secret, $purpose, $program) = @_;
    my $key = hmac_sha256("nginx-referral|$purpose|v1", $secret);
    my $mac = hmac_sha256("$program|$text", $key);

    return "$text." . encode_base64url(substr $mac, 0, 16);
}


sub base36 {
    my ($n) = @_;
    my $text = '';

    do { $text = $DIGITS[$n % 36] . $text; $n = int $n / 36 } while $n;
    return $text;
}


1;
