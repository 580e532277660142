package Referral::H2;

# Copyright (C) the ngx_http_referral_module authors

# A small HTTP/2 client that sends what no decent one would.
#
#   my $c = Referral::H2->new($port);                # or (port, tls => 1)
#   my $r = $c->request([[':method', 'GET'], ...], body => 'x=1',
#       trailers => [['a', 'b']], indexed => 1, split => 10);
#   $r->{status}; $r->{body}; $r->{refused};         # an error, if one
#
# Names and values go out as they are given, without Huffman.  indexed: each
# is sent through the dynamic table, twice; split: a frame has so many bytes of
# the header block.  Of the answer's headers only the status is read.

use strict;
use warnings;

use IO::Socket::INET;

our $TIMEOUT = 10;

my %STATUS = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304, 0x8c => 400,
    0x8d => 404, 0x8e => 500);


sub new {
    my ($class, $port, %opt) = @_;
    my @addr = (PeerAddr => '127.0.0.1', PeerPort => $port,
        Timeout => $TIMEOUT);
    my $s;

    if ($opt{tls}) {
        require IO::Socket::SSL;
        $s = IO::Socket::SSL->new(@addr, SSL_verify_mode => 0,
            SSL_hostname => 'localhost', SSL_alpn_protocols => ['h2']);
    } else {
        $s = IO::Socket::INET->new(@addr);
    }

    die "could not connect to port $port: $!" unless $s;

    my $self = bless { s => $s, port => $port, buf => '', stream => 1 }, $class;

    # windows that nothing here fills

    $self->_send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . _frame(4, 0, 0,
        pack 'nN', 4, 0x7fffffff) . _frame(8, 0, 0, pack 'N', 0x7fff0000));

    return $self;
}


sub request {
    my ($self, $headers, %opt) = @_;
    my $id = $self->{stream};
    my $ends = defined $opt{body} || $opt{trailers} ? 0 : 1;

    $self->{stream} += 2;

    my $out = _headers($id, $ends, _block($headers, $opt{indexed}),
        $opt{split});

    if (!$ends) {
        $out .= _frame(0, $opt{trailers} ? 0 : 1, $id,
            defined $opt{body} ? $opt{body} : '');
    }

    $out .= _headers($id, 1, _block($opt{trailers})) if $opt{trailers};

    $self->_send($out);
    return $self->_response($id);
}


sub _block {
    my ($headers, $indexed) = @_;
    my $out = '';

    for my $h (@$headers) {
        $out .= ($indexed ? "\x40" : "\0") . _string($h->[0])
            . _string($h->[1]);
        $out .= "\xbe" if $indexed && $h->[0] !~ /^:/;
    }

    return $out;
}


sub _string {
    my ($s) = @_;
    my $n = length $s;
    return pack('C', $n) . $s if $n < 127;

    my $out = "\x7f";
    for ($n -= 127; $n > 127; $n >>= 7) {
        $out .= pack 'C', 128 | $n & 127;
    }

    return $out . pack('C', $n) . $s;
}


sub _headers {
    my ($id, $ends, $block, $split) = @_;
    my @parts = $split ? unpack "(a$split)*", $block : ($block);
    my $out = '';

    for my $i (0 .. $#parts) {
        $out .= _frame($i ? 9 : 1, ($i || !$ends ? 0 : 1)
            | ($i == $#parts ? 4 : 0), $id, $parts[$i]);
    }

    return $out;
}


sub _frame {
    my ($type, $flags, $id, $payload) = @_;
    return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags,
        $id) . $payload;
}


sub _send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $self->{s}, $bytes;
        return unless defined $n;
        substr($bytes, 0, $n) = '';
    }
}


sub _response {
    my ($self, $id) = @_;
    my $r = { status => 0, body => '', refused => '' };

    for ( ;; ) {
        my ($type, $flags, $stream, $payload) = $self->_read or do {
            $r->{refused} ||= 'closed';
            return $r;
        };

        $self->_send(_frame(4, 1, 0, '')) if $type == 4 && !($flags & 1);

        if ($type == 7) {
            $r->{refused} = 'goaway';
            next;
        }

        next if $stream != $id;

        if ($type == 3) {
            $r->{refused} = 'reset';
            return $r;
        }

        $r->{status} ||= _status($payload) if $type == 1;
        $r->{body} .= $payload if $type == 0;
        return $r if ($type == 0 || $type == 1) && $flags & 1;
    }
}


# nginx puts it first, behind an update of the table's size.

sub _status {
    my ($block) = @_;
    $block =~ s/^\x20//;
    return $STATUS{ord $block} || ($block =~ /^.\x03(\d{3})/s ? $1 : 0);
}


sub _read {
    my ($self) = @_;

    $self->_fill(9) or return;
    my ($high, $low, $type, $flags, $id) = unpack 'CnCCN', $self->{buf};
    my $length = $high << 16 | $low;

    $self->_fill(9 + $length) or return;
    my $payload = substr $self->{buf}, 9, $length;
    substr($self->{buf}, 0, 9 + $length) = '';

    return ($type, $flags, $id & 0x7fffffff, $payload);
}


sub _fill {
    my ($self, $n) = @_;
    my $s = $self->{s};

    while (length $self->{buf} < $n) {
        unless ($s->can('pending') && $s->pending) {
            my $bits = '';
            vec($bits, fileno $s, 1) = 1;
            select($bits, undef, undef, $TIMEOUT)
                or die "no answer on port $self->{port} in $TIMEOUT s\n";
        }

        sysread($s, $self->{buf}, 65536, length $self->{buf}) or return 0;
    }

    return 1;
}


1;
