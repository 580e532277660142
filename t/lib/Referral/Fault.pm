package Referral::Fault;

# Calls of nginx that fail on purpose, while it runs; see t/preload/fault.c.
#
#   my $fault = Referral::Fault->new;          # before nginx is started
#   $fault->set(calls => 'sync', file => '*/data.mdb', error => EIO);
#   $fault->heal;                              # all rules; or ->heal($n)
#   $fault->hits; $fault->seen;                # of rule 0, or ->hits($n)
#   $fault->clock(86400);                      # tomorrow, for nginx
#
# set() takes the number of a rule before its arguments, 0 to 7, when there is
# more than one.  calls: names below, with "|"; file: a pattern of the whole
# path (sockets are "socket:*", eventfds "anon_inode:*"), none: any.  What
# happens: error (errno), half => 1 (of the bytes), signal (number; after => 1:
# when the call is done), pause (us).  Which: first (1), every (1: all from
# the first on, 0: that one only), pid, thread ("main" or "other"), from and
# below (offsets).

use strict;
use warnings;

use File::Temp qw(tempfile);

use Referral::Nginx ();

my $RULES = 8;
my $SIZE = 200;         # of fault_rule_t
my $SEEN = 56;          # offset of two numbers: seen, hits
my $LOCKED = 'L6 Q6 Z128';

my %CALL = (lseek => 0x1, write => 0x2, writev => 0x4, pwrite => 0x8,
    pwritev => 0x10, sync => 0x20, allocate => 0x40, mmap => 0x80,
    malloc => 0x100, open => 0x200, pread => 0x400);
my %THREAD = (main => 4, other => 8);


sub new {
    my ($class) = @_;
    my ($file, $name) = tempfile('referral-test-fault-XXXXXX',
        DIR => '/dev/shm', UNLINK => 1);

    binmode $file;
    truncate $file, $RULES * $SIZE + 8 or die "truncate() failed: $!\n";

    # the run-time of a sanitizer has to stay the first

    $ENV{REFERRAL_FAULT} = $name;
    $ENV{TEST_NGINX_PRELOAD} = join ' ', $ENV{TEST_NGINX_PRELOAD} || (),
        "$Referral::Nginx::BUILD/preload/fault.so";

    return bless { file => $file }, $class;
}


sub set {
    my $self = shift;
    my $n = @_ % 2 ? shift : 0;
    my %arg = (first => 1, every => 1, @_);
    my ($calls, $flags) = (0, 0);

    $calls |= $CALL{$_} || die "no call \"$_\"\n" for split /\|/, $arg{calls};
    $flags |= 1 if $arg{half};
    $flags |= 2 if $arg{after};
    $flags |= $THREAD{ $arg{thread} } if $arg{thread};

    # the calls come last: then the rule is whole

    $self->heal($n);
    $self->_write($n * $SIZE, pack $LOCKED, 0, $flags,
        map({ $_ || 0 } @arg{qw(error signal pid pause first every from
        below)}), 0, 0, defined $arg{file} ? $arg{file} : '');
    $self->_write($n * $SIZE, pack 'L', $calls);
}


sub heal {
    my ($self, $n) = @_;

    $self->_write($_ * $SIZE, pack 'L', 0)
        for defined $n ? $n : 0 .. $RULES - 1;
}


sub seen { ($_[0]->_numbers($_[1]))[0] }
sub hits { ($_[0]->_numbers($_[1]))[1] }


# Seconds that the clock on nginx's wall is ahead of that of all others.

sub clock {
    my ($self, $shift) = @_;

    $self->_write($RULES * $SIZE, pack 'q', $shift);
}


sub _numbers {
    my ($self, $n) = @_;

    sysseek $self->{file}, ($n || 0) * $SIZE + $SEEN, 0;
    sysread $self->{file}, my $bytes, 16;
    return unpack 'Q2', $bytes;
}


sub _write {
    my ($self, $offset, $bytes) = @_;

    sysseek $self->{file}, $offset, 0;
    syswrite($self->{file}, $bytes) == length $bytes
        or die "the rules cannot be written: $!\n";
}


1;
