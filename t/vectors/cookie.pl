#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# Prints cookie.json: cookie values and what has to be made of them.  Knows
# the format from its description, shares no code with the module.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use JSON::PP;
use MIME::Base64 qw(encode_base64);

my $NOW = 1700000000;
my $WINDOW = 30 * 86400;
my $CLICK = '0Fz3kq9TzC2m';

my %master = (
    k1 => pack('C*', 0x00 .. 0x1f),
    k2 => pack('C*', 0x20 .. 0x3f),
);

my @vectors;

sub derive {
    my ($kid, $purpose) = @_;
    return hmac_sha256("nginx-referral|$purpose|v1", $master{$kid});
}

sub base36 {
    my ($n) = @_;
    my $s = '';

    do {
        $s = ('0' .. '9', 'a' .. 'z')[$n % 36] . $s;
        $n = int($n / 36);
    } while ($n);

    return $s;
}

sub tag {
    my ($key, $signed) = @_;
    my $s = encode_base64(substr(hmac_sha256($signed, $key), 0, 16), '');
    $s =~ tr{+/=}{-_}d;
    return $s;
}

sub touch {
    my ($time, $code, $channel, $click) = @_;
    return join '.', base36($time), $code, $channel, $click;
}

sub value {
    my ($kid, @touches) = @_;
    return signed($kid, join '.', 1, $kid, @touches);
}

sub signed {
    my ($kid, $text) = @_;
    return $text . '.' . tag(derive($kid, 'cookie'), "friends|$text");
}

# what the driver prints for a touch

sub shown {
    my ($time, $code, $channel, $click) = @_;
    return join ',', $time, $code, $channel, $click;
}

sub vector {
    my ($name, $value, $expect, %more) = @_;

    push @vectors, {
        name => $name,
        value => $value,
        expect => $expect,
        program => $more{program} || 'friends',
        now => $more{now} // $NOW + 1,
        window => $more{window} // $WINDOW,
        keys => $more{keys} || ['k1'],
        why => $more{why} || '',
    };
}

# valid, and its times

my @touch = ($NOW, 'ABC123', 'wa', $CLICK);
my $touch = touch(@touch);
my $shown = shown(@touch) . ' ' . shown(@touch);
my $valid = value('k1', $touch);
my ($text, $tag) = $valid =~ /^(.*)\.(.*)$/;

vector('valid', $valid, "valid $shown");
vector('valid-last-second', $valid, "valid $shown",
    now => $NOW + $WINDOW - 1);
vector('expired-exact', $valid, "expired $shown", now => $NOW + $WINDOW);
vector('expired-by-a-shorter-window', $valid, "expired $shown",
    now => $NOW + 3600, window => 3600);
vector('skew', $valid, "valid $shown", now => $NOW - 300);
vector('future', $valid, 'invalid', now => $NOW - 301,
    why => 'a touch more than 300 s ahead');
vector('clock-at-zero', $valid, 'invalid', now => 0);

# changed after it was signed

vector('code-swapped', $valid =~ s/ABC123/XYZ789/r, 'invalid');
vector('time-changed', $valid =~ s/s44we8/s44we9/r, 'invalid');
vector('channel-changed', $valid =~ s/\.wa\./.fb./r, 'invalid');
vector('channel-removed', $valid =~ s/\.wa\././r, 'invalid');
vector('click-changed', $valid =~ s/0Fz/1Fz/r, 'invalid');
vector('fields-shifted', $valid =~ s/ABC123\.wa/ABC123wa./r, 'invalid');
vector('version-2', $valid =~ s/^1/2/r, 'invalid');
vector('version-missing', $valid =~ s/^1\.//r, 'invalid');
vector('touch-removed',
    value('k1', $touch, touch($NOW - 9, 'FIRST', '', ''))
        =~ s/\.\w+\.FIRST\.\.//r,
    'invalid');
vector('touch-added', "$text." . touch($NOW - 9, 'FIRST', '', '') . ".$tag",
    'invalid');
vector('case-flip', $valid =~ tr/A-Za-z/a-zA-Z/r, 'invalid');

# keys

my $second = value('k2', $touch);

vector('kid-unknown', $second, 'invalid', why => 'k2 is not loaded yet');
vector('kid-known', $second, "valid $shown", keys => ['k1', 'k2'],
    why => 'rotation: k2 verifies only');
vector('old-kid-after-promotion', $valid, "valid $shown",
    keys => ['k2', 'k1'], why => 'rotation: k1 verifies only');
vector('kid-deleted', $valid, 'invalid', keys => ['k2']);
vector('kid-confusion', $valid =~ s/k1/k2/r, 'invalid', keys => ['k1', 'k2'],
    why => 'the kid is inside the MAC');
vector('kid-empty', $valid =~ s/k1//r, 'invalid');
vector('kid-case', $valid =~ s/k1/K1/r, 'invalid');
vector('kid-longer', $valid =~ s/k1/k1k1k1k1k1/r, 'invalid');
vector('domain-separation',
    "$text." . tag(derive('k1', 'ip'), "friends|$text"),
    'invalid', why => 'signed with the key of another purpose');
vector('raw-master-key', "$text." . tag($master{k1}, "friends|$text"),
    'invalid', why => 'the master never signs itself');

# the program

vector('wrong-program', $valid, 'invalid', program => 'partners');
vector('program-prefix', $valid, 'invalid', program => 'friend');
vector('program-case', $valid, 'invalid', program => 'Friends');
vector('program-not-signed', "$text." . tag(derive('k1', 'cookie'), $text),
    'invalid');
vector('program-without-bar',
    "$text." . tag(derive('k1', 'cookie'), "friends$text"), 'invalid');

# the MAC

vector('mac-truncated', substr($valid, 0, -1), 'invalid');
vector('mac-empty', "$text.", 'invalid');
vector('mac-missing', $text, 'invalid');
vector('mac-padded', "$valid==", 'invalid');
vector('mac-longer', "${valid}A", 'invalid');

my ($url) = grep { /[-_]/ } map { value('k1', touch($NOW - $_, 'A', '', '')) }
    1 .. 99;

vector('mac-not-url', $url =~ tr{_-}{/+}r, 'invalid',
    why => 'the other alphabet of base64');

my @base64 = ('A' .. 'Z', 'a' .. 'z', '0' .. '9', '-', '_');
my ($last) = grep { $base64[$_] eq substr($tag, -1) } 0 .. 63;

vector('mac-other-last', substr($valid, 0, -1) . $base64[$last ^ 16],
    'invalid');
vector("mac-noncanonical-$_", substr($valid, 0, -1) . $base64[$last | $_],
    'invalid', why => 'the same 16 bytes, spare bits set')
    for 1 .. 15;

# not what is in the header between "=" and ";"

vector('empty', '', 'invalid');
vector('one', '1', 'invalid');
vector('dots', '.' x 32, 'invalid');
vector('nul', $valid =~ s/ABC/\0ABC/r, 'invalid');
vector('nul-behind', "$valid\0", 'invalid');
vector('quoted', "\"$valid\"", 'invalid', why => 'quotes are not removed');
vector('percent-encoded', $valid =~ s/\./%2E/gr, 'invalid',
    why => 'nothing is decoded');
vector('space-before', " $valid", 'invalid');
vector('space-behind', "$valid ", 'invalid');
vector('not-ascii', $valid =~ s/ABC/\x{c4}BC/r, 'invalid');

# signed by us, and yet no form of ours

vector('version-2-signed', signed('k1', "2.k1.$touch"), 'invalid');
vector('version-10-signed', signed('k1', "10.k1.$touch"), 'invalid');
vector('version-empty-signed', signed('k1', ".k1.$touch"), 'invalid');
vector('extra-field', value('k1', "$touch.x"), 'invalid');
vector('missing-field', value('k1', $touch =~ s/\.[^.]*$//r), 'invalid');
vector('dot-behind', value('k1', "$touch."), 'invalid');
vector('no-touch', value('k1'), 'invalid');
vector('three-touches', value('k1', $touch, $touch, $touch), 'invalid');
vector('code-empty', value('k1', touch($NOW, '', 'wa', $CLICK)), 'invalid');
vector('code-65', value('k1', touch($NOW, 'A' x 65, '', '')), 'invalid');
vector('code-plus', value('k1', touch($NOW, 'A+B', '', '')), 'invalid');
vector('code-nul', value('k1', touch($NOW, "A\0B", '', '')), 'invalid');
vector('channel-17', value('k1', touch($NOW, 'A', 'c' x 17, '')), 'invalid');
vector('channel-slash', value('k1', touch($NOW, 'A', 'a/b', '')), 'invalid');
vector('click-11', value('k1', touch($NOW, 'A', '', 'c' x 11)), 'invalid');
vector('click-13', value('k1', touch($NOW, 'A', '', 'c' x 13)), 'invalid');
vector('click-equals', value('k1', touch($NOW, 'A', '', 'c' x 11 . '=')),
    'invalid');
vector('time-empty', value('k1', '.ABC123.wa.'), 'invalid');
vector('time-upper-case', value('k1', $touch =~ s/s44we8/S44WE8/r),
    'invalid');
vector('time-negative', value('k1', "-s44we8.ABC123.wa.$CLICK"), 'invalid');
vector('time-underscore', value('k1', "s44_e8.ABC123.wa.$CLICK"), 'invalid');
vector('time-11-digits', value('k1', 'z' x 11 . '.A..'),
    'valid ' . join(' ', ('131621703842267135,A,,') x 2),
    now => 131621703842267135, why => 'the last second there is');
vector('time-12-digits', value('k1', '1' . '0' x 11 . '.A..'), 'invalid',
    now => 131621703842267136);
vector('time-overflow', value('k1', 'z' x 13 . '.A..'), 'invalid');

# fields that may be empty, and the longest there are

for ([$NOW, 'A', '', ''], [$NOW, 'a-b_C', 'mail', ''],
    [$NOW, 'A', '', $CLICK], [$NOW, 'A' x 64, 'c' x 16, '_-' x 6],
    [0, '0', '', ''])
{
    vector('fields-' . touch(@$_), value('k1', touch(@$_)),
        'valid ' . join(' ', (shown(@$_)) x 2), now => $_->[0]);
}

# two touches

my @first = ($NOW - 86400, 'FIRST', 'mail', '');
my $both = value('k1', $touch, touch(@first));

vector('two-touches', $both, 'valid ' . shown(@touch) . ' ' . shown(@first));
vector('two-touches-first-expired', $both, "valid $shown",
    now => $NOW - 86400 + $WINDOW, why => 'the last stands in for the first');
vector('two-touches-first-in-its-last-second', $both,
    'valid ' . shown(@touch) . ' ' . shown(@first),
    now => $NOW - 86400 + $WINDOW - 1);
vector('two-touches-expired', $both,
    'expired ' . shown(@touch) . ' ' . shown(@first),
    now => $NOW + $WINDOW);
vector('two-touches-first-ahead',
    value('k1', $touch, touch($NOW + 400, 'FIRST', '', '')), 'invalid');
vector('two-touches-last-ahead',
    value('k1', touch($NOW + 400, 'ABC123', '', ''), touch(@first)),
    'invalid');
vector('two-touches-swapped',
    join('.', 1, 'k1', touch(@first), $touch, ($both =~ /([^.]+)$/)[0]),
    'invalid');
vector('two-touches-longest',
    value('k1', touch($NOW, 'A' x 64, 'c' x 16, '_-' x 6),
        touch($NOW, 'B' x 64, 'd' x 16, '-_' x 6)),
    'valid ' . shown($NOW, 'A' x 64, 'c' x 16, '_-' x 6)
        . ' ' . shown($NOW, 'B' x 64, 'd' x 16, '-_' x 6));

print JSON::PP->new->ascii->canonical->indent->indent_length(1)->space_after
    ->encode({
        note => '1.KID.TIME.CODE.CHANNEL.CLICK[.TIME.CODE.CHANNEL.CLICK].MAC,'
            . ' MAC = base64url(HMAC-SHA256(K, PROGRAM "|" text)[0:16]),'
            . ' K = HMAC-SHA256(master, "nginx-referral|cookie|v1");'
            . ' expect: status, last touch, first touch',
        masters => { map { $_ => unpack 'H*', $master{$_} } keys %master },
        derived => {
            map { $_ => unpack 'H*', derive($_, 'cookie') } keys %master
        },
        vectors => \@vectors,
    });
