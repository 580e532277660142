package Referral::Count;

# What a piece of a test added to the counters of its program, as the
# endpoint tells it:
#
#   is(counted($t, sub { $t->get('/r/ANNA42') }), 'human=1 unique=1');
#
# Classes in alphabetical order, "unique" among them; '' for nothing.  For one
# worker: what it is asked later is applied later.

use strict;
use warnings;

use Exporter 'import';
use Time::HiRes qw(sleep);

our @EXPORT = qw(counted cookie);
our @EXPORT_OK = qw(events_sum clicks_sum);


sub counted {
    my ($t, $code, $query) = @_;
    my %before = _counts($t, $query);
    $code->();
    my %after = _counts($t, $query);

    return join ' ', map { my $n = $after{$_} - ($before{$_} || 0);
        $n ? "$_=$n" : () } sort keys %after;
}


sub _counts {
    my ($t, $query) = @_;
    my $r = $t->api(PUT => '/v1/codes/sync', { owner => 'sync' });
    die 'PUT: ', $r->status, $r->body unless $r->status =~ /^20[01]$/;

    $r = $t->api(GET => '/v1/counters?by=class' . ($query || ''));
    die 'GET: ', $r->status, $r->body unless $r->status == 200;
    my %n = map { $_->{class} => $_->{clicks}{total} } @{ $r->json->{data} };

    $r = $t->api(GET => '/v1/counters?by=day');
    $n{unique} += $_->{clicks}{unique} || 0 for @{ $r->json->{data} };

    return %n;
}


# The cookie of an answer, as a browser would send it back; '' for none.

sub cookie {
    my ($r) = @_;
    my ($set) = $r->all('Set-Cookie');
    return '' unless defined $set;
    return $set =~ s/;.*//sr;
}


# Orders that count, and clicks: all have been applied when there are no more.

sub events_sum {
    my ($t) = @_;
    my $sum = 0;

    $sum += $_->{count}
        for @{ $t->api(GET => '/v1/counters?by=event')->json->{data} };
    return $sum;
}


sub clicks_sum {
    my ($t) = @_;
    my ($now, $sum) = (0, -1);

    for (1 .. 50) {
        $sum = $now;
        $now = 0;
        $now += $_->{clicks}{total}
            for @{ $t->api(GET => '/v1/counters?by=class')->json->{data} };
        last if $now == $sum;
        sleep 0.3;
    }

    return $now;
}


1;
