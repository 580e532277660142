# JSONTestSuite: what has to be taken as JSON is (and then refused, as it is no
# code), what must not be is not, and what may be either way stays as it is.

use strict;
use warnings;

use MIME::Base64 qw(decode_base64);
use Test::More;
use lib 't/lib';
use Referral::Nginx timeout => 60;

my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%%;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9]+)$";
        landing http://127.0.0.1:%%PORT%%/welcome;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;

# Duplicate names and NUL escapes are refused as a matter of policy; of the
# implementation-defined ones only numbers that underflow are taken.

my %other = map { $_ => 400 } qw(y_object_duplicated_key
    y_object_duplicated_key_and_value y_object_escaped_null_in_key
    y_string_null_escape);

$other{$_} = 422 for qw(i_number_double_huge_neg_exp i_number_real_underflow);

my %want = (y => 422, n => 400, i => 400);
my %seen;

my $file = "$Referral::Nginx::ROOT/t/vectors/json.tsv";
open my $f, '<', $file or die "$file: $!";
my @vectors = map { chomp; [split /\t/, $_, 2] } grep { !/^#/ } <$f>;

push @vectors, ['n_structure_100000_opening_arrays', undef, '[' x 100_000],
    ['n_structure_open_array_object', undef, '[{"":' x 50_000];

for (@vectors) {
    my ($name, $base64, $bytes) = @$_;
    my $kind = substr $name, 0, 1;
    my $r = $t->api(PUT => '/v1/codes/X',
        defined $bytes ? $bytes : decode_base64($base64));

    is($r->status, $other{$name} || $want{$kind}, $name);
    $seen{$kind}++;
}

is_deeply(\%seen, { y => 95, n => 188, i => 35 }, 'that was all of them');

finish();
