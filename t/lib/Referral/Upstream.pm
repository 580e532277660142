package Referral::Upstream;

# A storefront for proxy tests: an HTTP server on a loopback port.
#
#   my $up = Referral::Upstream->new;          # answers JSON of the request:
#   {"method", "uri", "headers": [[name, value], ...], "body"}
#
#   my $up = Referral::Upstream->new(sub {
#       my ($req) = @_;                        # the same as a hash
#       return (200, [['Set-Cookie', 'a=b']], 'body');
#   });
#   $up->port; $up->address; $up->stop;        # stopped when it goes away

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use POSIX ();


sub new {
    my ($class, $handler) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => Referral::Nginx::free_port(), Listen => 128,
        ReuseAddr => 1) or die "could not listen: $!";

    my $self = bless { port => $listen->sockport, owner => $$ }, $class;
    $self->{pid} = fork();
    die "fork() failed: $!" unless defined $self->{pid};
    return $self if $self->{pid};

    # A child never comes back into the test, not even to its END blocks.

    $SIG{TERM} = $SIG{INT} = $SIG{ALRM} = sub { POSIX::_exit(0) };
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    alarm 0;

    while (getppid() == $self->{owner}) {
        my $bits = '';
        vec($bits, fileno $listen, 1) = 1;
        next unless select($bits, undef, undef, 1) > 0;

        my $client = $listen->accept or next;
        if (fork() == 0) {
            eval { _serve($client, $handler || \&_echo) };
            warn $@ if $@;
            POSIX::_exit(0);
        }
        close $client;
    }

    POSIX::_exit(0);
}


sub port { $_[0]{port} }
sub address { "127.0.0.1:$_[0]{port}" }


sub stop {
    my ($self) = @_;
    return unless $self->{pid} && $self->{owner} == $$;
    kill TERM => $self->{pid};
    local ($?, $!);
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;
}


sub DESTROY { $_[0]->stop }


sub _echo {
    my ($req) = @_;
    my $json = JSON::PP->new->latin1->canonical->encode($req);
    return (200, [['Content-Type', 'application/json']], $json);
}


sub _serve {
    my ($client, $handler) = @_;
    binmode $client;

    while (my $req = _read($client)) {
        my ($status, $headers, $body) = $handler->($req);
        my $keep = grep { lc $_->[0] eq 'connection' && lc $_->[1] ne 'close' }
            @{ $req->{headers} };

        print $client "HTTP/1.1 $status OK\r\n",
            (map { "$_->[0]: $_->[1]\r\n" } @$headers),
            'Content-Length: ', length $body, "\r\n",
            $keep ? () : "Connection: close\r\n", "\r\n",
            $req->{method} eq 'HEAD' ? () : $body;
        $client->flush;
        last unless $keep;
    }
}


sub _read {
    my ($client) = @_;
    local $/ = "\r\n";

    my $line = <$client>;
    return undef unless defined $line;
    my ($method, $uri) = $line =~ m{^(\S+) (\S+) HTTP/1\.[01]\r\n$}
        or return undef;

    my (@headers, $length);

    while (defined($line = <$client>) && $line ne "\r\n") {
        chomp $line;
        my ($name, $value) = split /:\s*/, $line, 2;
        push @headers, [$name, $value];
        $length = $value if lc $name eq 'content-length';
    }

    my $body = '';
    read $client, $body, $length if $length;

    return { method => $method, uri => $uri, headers => \@headers,
        body => $body };
}


1;
