package Referral::Load;

# Clients that follow links as fast as they can, and know what they were
# answered.  Each is a process with one keep-alive connection.
#
#   my $load = Referral::Load->new(
#       port => $t->port, clients => 8,
#       requests => 25_000,          # of each; or seconds => 3
#       uris => ['/r/A', '/r/B']);   # in turn
#   ...                              # meanwhile: reload, kill
#   my $sum = $load->wait;           # or $load->stop to end it now
#   $sum->{sent}, {answered} (302), {other}, {broken}
#   $sum->{answered_by}{'/r/A'}
#
# A request without an answer (the worker died) is sent, not answered, and not
# repeated; the client connects again and goes on.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(sleep time);


sub new {
    my ($class, %opt) = @_;

    my $self = bless { pids => [], pipes => [] }, $class;

    for my $n (1 .. $opt{clients}) {
        pipe my $read, my $write or die "pipe() failed: $!\n";

        my $pid = fork() // die "fork() failed: $!\n";

        if ($pid == 0) {
            close $read;
            my $done = eval { _client(\%opt, $n) } || { failed => $@ };
            syswrite $write, encode_json($done);
            POSIX::_exit(0);
        }

        close $write;
        push @{$self->{pids}}, $pid;
        push @{$self->{pipes}}, $read;
    }

    return $self;
}


sub stop {
    my ($self) = @_;

    kill USR1 => @{$self->{pids}};

    return $self->wait;
}


sub wait {
    my ($self) = @_;

    my %sum = (sent => 0, answered => 0, other => 0, broken => 0);

    for my $pipe (@{$self->{pipes}}) {
        local $/;
        my $done = decode_json(scalar <$pipe>);

        die "a client failed: $done->{failed}" if $done->{failed};

        $sum{$_} += $done->{$_} for qw(sent answered other broken);
        $sum{answered_by}{$_} += $done->{answered_by}{$_}
            for keys %{$done->{answered_by}};
    }

    waitpid $_, 0 for @{$self->{pids}};

    return \%sum;
}


sub _client {
    my ($opt, $n) = @_;

    my $stop = 0;
    local $SIG{USR1} = sub { $stop = 1 };
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = 'DEFAULT';

    my %done = (sent => 0, answered => 0, other => 0, broken => 0);
    my @uris = @{$opt->{uris}};
    my @texts = map { _request($_, $n) } @uris;
    my $end = $opt->{seconds} ? time + $opt->{seconds} : undef;
    my ($socket, $i) = (undef, $n);

    alarm 300;

    while (!$stop) {
        last if $opt->{requests} && $done{sent} >= $opt->{requests};
        last if $end && time > $end;

        $socket ||= _connect($opt->{port}) or next;
        $i = ($i + 1) % @uris;
        $done{sent}++;

        my $status = _exchange($socket, $texts[$i]);

        if (!$status) {
            $done{broken}++;
            undef $socket;

        } elsif ($status =~ /^HTTP\/1\.1 302/) {
            $done{answered}++;
            $done{answered_by}{$uris[$i]}++;

        } else {
            $done{other}++;
        }

        undef $socket if $status && $status =~ /\r\nConnection: close\r\n/;
    }

    return \%done;
}


sub _request {
    my ($uri, $n) = @_;

    return join "\r\n", "GET $uri HTTP/1.1", 'Host: shop.example',
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; load $n)"
        . ' AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
        'Accept: text/html', 'Sec-Fetch-Dest: document',
        'Sec-Fetch-Mode: navigate', '', '';
}


# The head of the answer; our links have no body.

sub _exchange {
    my ($socket, $text) = @_;

    my $answer = '';

    defined syswrite $socket, $text or return;

    until ($answer =~ /\r\n\r\n/) {
        sysread($socket, $answer, 4096, length $answer) or return;
    }

    return $answer;
}


sub _connect {
    my ($port) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port, Proto => 'tcp', Timeout => 2);

    sleep 0.02 unless $socket;

    return $socket;
}

1;
