package Referral::Docs::Shape;

# What a document shows beside what was really said.
#
#   compare($shown, $got, $prose)       # of JSON: a list of what is wrong
#   said_like($got, $shown)             # of a terminal: whether it is the same
#
# Numbers, times and ids differ.  Of JSON, each member that is shown has to be
# there with a value of its kind, and each that is there has to be shown, or
# named in the prose as `member`.  "…" stands for what was left out.

use strict;
use warnings;
use utf8;

use Exporter 'import';
use JSON::PP ();

our @EXPORT_OK = qw(compare said_like);

# Their members are named by the program, or come and go.

my %names = map { $_ => 1 } qw(classes events amounts channels
    unattributed_amounts friends);


sub compare {
    my ($shown, $got, $prose, $at) = @_;
    $at //= '';

    return () if !defined $shown || !defined $got;
    return "$at is " . _kind($got) . ', not ' . _kind($shown)
        if _kind($shown) ne _kind($got);
    return _hash($shown, $got, $prose, $at) if ref $shown eq 'HASH';
    return () unless ref $shown eq 'ARRAY' && @$shown && @$got;
    return compare($shown->[0], $got->[0], $prose, "$at\[0]");
}


sub _hash {
    my ($shown, $got, $prose, $at) = @_;
    my ($last) = $at =~ /(\w+)$/;
    my $named = $names{ $last // '' } || exists $shown->{'…'};
    my @wrong;

    for my $name (sort grep { $_ ne '…' } keys %$shown) {
        if (exists $got->{$name}) {
            push @wrong, compare($shown->{$name}, $got->{$name}, $prose,
                "$at.$name");
        } elsif (!$named) {
            push @wrong, "$at has no \"$name\"";
        }
    }

    push @wrong, map { "$at has \"$_\", of which nothing is said" }
        grep { !exists $shown->{$_} && $prose !~ /`"?\Q$_\E\b/ }
        sort keys %$got unless $named;
    return @wrong;
}


sub _kind {
    my ($value) = @_;

    return 'an object' if ref $value eq 'HASH';
    return 'a list' if ref $value eq 'ARRAY';
    return 'a boolean' if JSON::PP::is_bool($value);
    return JSON::PP->new->allow_nonref->encode($value) =~ /^"/
        ? 'a string' : 'a number';
}


sub said_like {
    my ($got, $shown) = @_;
    my $like = join '.*', map { quotemeta } split /\.\.\./, _plain($shown), -1;
    return _plain($got) =~ /\A$like\z/s;
}


sub _plain {
    my ($text) = @_;

    $text =~ s/\b[0-9a-f]{32}\b/ID/g;
    $text =~ s/\d+(?:\.\d+)?/N/g;
    $text =~ s/\bN ?(?:[KMGT]iB|bytes)/N bytes/g;
    $text =~ s/[ \t]+/ /g;
    $text =~ s/\s+\z//;
    return $text;
}


1;
