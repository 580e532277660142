package Referral::Client;

# A small HTTP/1.1 client that shows what was on the wire.
#
#   my $r = get($port, '/r/ANNA42', Cookie => 'a=b', Accept => undef);
#   $r->status; $r->header('Location'); $r->all('Set-Cookie'); $r->body;
#   $r->json; $r->headers;             # [[name, value], ...] in their order
#
#   my $c = Referral::Client->new($port);            # or (port, tls => 1)
#   $c->get('/a'); $c->get('/b');                    # keep-alive
#   $c->request(PUT => '/x', { 'Content-Type' => 'text/plain' }, 'body');
#   $c->send($bytes); $c->response('GET'); $c->rest; # raw
#
# Requests carry the headers of a navigation in Chrome.  A header given as
# undef is left out, one given as an array reference is sent once per value.

use strict;
use warnings;

use IO::Socket::INET;
use Exporter 'import';

our @EXPORT_OK = qw(get request raw %BROWSER);

our %BROWSER = (
    'User-Agent' => 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'
        . ' (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    'Accept' => 'text/html,application/xhtml+xml,application/xml;q=0.9,'
        . 'image/avif,image/webp,*/*;q=0.8',
    'Accept-Language' => 'en-GB,en;q=0.9',
    'Sec-Fetch-Site'  => 'none',
    'Sec-Fetch-Mode'  => 'navigate',
    'Sec-Fetch-User'  => '?1',
    'Sec-Fetch-Dest'  => 'document',
);

our $TIMEOUT = 10;


sub new {
    my ($class, $port, %opt) = @_;

    my @addr = (PeerAddr => $opt{host} || '127.0.0.1', PeerPort => $port,
        Timeout => $TIMEOUT);
    my $s;

    if ($opt{tls}) {
        require IO::Socket::SSL;
        $s = IO::Socket::SSL->new(@addr, SSL_verify_mode => 0,
            SSL_hostname => 'localhost');
    } else {
        $s = IO::Socket::INET->new(@addr);
    }

    die "could not connect to port $port: $!" unless $s;

    local $SIG{PIPE} = 'IGNORE';
    return bless { s => $s, port => $port, buf => '' }, $class;
}


sub get {
    my ($self, $path, %headers) = @_;
    return _once($self, GET => $path, \%headers) unless ref $self;
    return $self->request(GET => $path, \%headers);
}


sub request {
    my ($self, $method, $path, $headers, $body) = @_;
    return _once(@_) unless ref $self;
    $self->send($self->format($method, $path, $headers, $body));
    return $self->response($method);
}


sub raw {
    my ($port, $bytes) = @_;
    my $c = __PACKAGE__->new($port);
    $c->send($bytes);
    return $c->rest;
}


sub _once {
    my ($port, $method, $path, $headers, $body) = @_;
    my $c = __PACKAGE__->new($port);
    $c->send($c->format($method, $path, { Connection => 'close',
        %{ $headers || {} } }, $body));
    return $c->response($method);
}


sub format {
    my ($self, $method, $path, $headers, $body) = @_;

    my %h = (Host => "127.0.0.1:$self->{port}", %BROWSER);

    for my $name (keys %{ $headers || {} }) {
        my ($same) = grep { lc $_ eq lc $name } keys %h;
        delete $h{$same} if defined $same;
        $h{$name} = $headers->{$name};
    }

    $h{'Content-Length'} = length $body
        if defined $body && !exists $h{'Transfer-Encoding'};

    my $out = "$method $path HTTP/1.1\r\n";

    for my $name (sort { ($b eq 'Host') <=> ($a eq 'Host') || $a cmp $b }
                  grep { defined $h{$_} } keys %h)
    {
        $out .= "$name: $_\r\n" for ref $h{$name} ? @{ $h{$name} } : $h{$name};
    }

    return "$out\r\n" . (defined $body ? $body : '');
}


sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite $self->{s}, $bytes;
        return 0 unless defined $n;
        substr($bytes, 0, $n) = '';
    }

    return 1;
}


sub close {
    my ($self) = @_;
    CORE::close $self->{s};
}


# False at the end of the connection, dies when nothing comes for too long.

sub _fill {
    my ($self) = @_;
    my $s = $self->{s};

    unless ($s->can('pending') && $s->pending) {
        my $bits = '';
        vec($bits, fileno $s, 1) = 1;
        select($bits, undef, undef, $TIMEOUT)
            or die "no answer on port $self->{port} in $TIMEOUT s\n";
    }

    return sysread($s, $self->{buf}, 65536, length $self->{buf});
}


sub rest {
    my ($self) = @_;
    1 while $self->_fill;
    my $out = $self->{buf};
    $self->{buf} = '';
    return $out;
}


# The next response, undef when the connection ended instead.

sub response {
    my ($self, $method) = @_;

    until ($self->{buf} =~ /\r\n\r\n/) {
        $self->_fill or return undef;
    }

    $self->{buf} =~ s/\A(.*?\r\n)\r\n//s;
    my ($line, @lines) = split /\r\n/, $1;
    my ($version, $status) = $line =~ m{^(HTTP/1\.[01]) (\d{3})}
        or die "not a status line: $line\n";

    my @headers = map { /^([^:]*):\s*(.*?)\s*$/ ? [$1, $2] : [$_, undef] }
        @lines;
    my $r = bless { status => $status, version => $version,
        headers => \@headers, body => '' }, 'Referral::Response';

    return $self->response($method) if $status =~ /^1/;

    $r->{body} = $self->_body($r)
        unless ($method || '') eq 'HEAD' || $status =~ /^(204|304)$/;

    return $r;
}


sub _body {
    my ($self, $r) = @_;

    if (($r->header('Transfer-Encoding') || '') eq 'chunked') {
        return $self->_chunks;
    }

    my $length = $r->header('Content-Length');
    return $self->rest unless defined $length;
    return $self->_take($length);
}


sub _chunks {
    my ($self) = @_;
    my $body = '';

    for ( ;; ) {
        until ($self->{buf} =~ /\r\n/) {
            $self->_fill or die "connection ended within a chunk\n";
        }

        $self->{buf} =~ s/\A([0-9a-f]+)[^\r]*\r\n//i or die "bad chunk\n";
        my $size = hex $1;
        $body .= $self->_take($size);
        $self->_take(2);
        return $body unless $size;
    }
}


sub _take {
    my ($self, $length) = @_;

    while (length $self->{buf} < $length) {
        $self->_fill or die "connection ended within a body\n";
    }

    return substr $self->{buf}, 0, $length, '';
}


package Referral::Response;

sub status { $_[0]{status} }
sub body { $_[0]{body} }
sub headers { $_[0]{headers} }

sub all {
    my ($self, $name) = @_;
    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
        @{ $self->{headers} };
}

sub header {
    my ($self, $name) = @_;
    my @values = $self->all($name);
    return @values ? join(', ', @values) : undef;
}

sub json {
    my ($self) = @_;
    require JSON::PP;
    return JSON::PP->new->utf8->decode($self->{body});
}


1;
