# JSONTestSuite, at each door that takes JSON: what has to be taken as JSON is
# (and then refused, as it is no code or event), what must not be is not, and
# what may be either way stays as it is.

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

my @workers = $t->workers;

# Duplicate names and NUL escapes are refused as a matter of policy, which the
# answer says; of the implementation-defined ones only numbers that underflow
# and integers of any length are taken.

my %policy = (
    y_object_duplicated_key => 'an object has a name twice',
    y_object_duplicated_key_and_value => 'an object has a name twice',
    y_object_escaped_null_in_key => 'there is a NUL in a string',
    y_string_null_escape => 'there is a NUL in a string',
);

my %other = ((map { $_ => 400 } keys %policy),
    map { $_ => 422 } qw(i_number_double_huge_neg_exp
        i_number_real_underflow i_number_too_big_neg_int
        i_number_too_big_pos_int i_number_very_big_negative_int));

my %want = (y => 422, n => 400, i => 400);

my $file = "$Referral::Nginx::ROOT/t/vectors/json.tsv";
open my $f, '<', $file or die "$file: $!";
my @vectors = map { chomp; my ($name, $base64) = split /\t/;
    [$name, decode_base64($base64)] } grep { !/^#/ } <$f>;

push @vectors, ['n_structure_100000_opening_arrays', '[' x 100_000],
    ['n_structure_open_array_object', '[{"":' x 50_000];

for my $door ([PUT => '/v1/codes/X'], [POST => '/v1/codes'],
    [POST => '/v1/conversions'], [POST => '/v1/conversions/1/refunds'])
{
    my %seen;

    for (@vectors) {
        my ($name, $body) = @$_;
        my $kind = substr $name, 0, 1;
        my $r = $t->api(@$door, $body);

        is($r->status, $other{$name} || $want{$kind}, "@$door: $name");
        is($r->json->{detail}, $policy{$name}, 'as a matter of policy')
            if $policy{$name};
        $seen{$kind}++;
    }

    is_deeply(\%seen, { y => 95, n => 188, i => 35 }, 'that was all of them');
}

is_deeply([$t->workers], \@workers, 'the worker lives');
is_deeply($t->api(GET => '/v1/codes')->json->{data}, [], 'there is no code');
is_deeply($t->api(GET => '/v1/conversions?status=held')->json->{data}, [],
    'and no event');

finish();
