package Referral::Gateways;

# Copyright (C) the ngx_http_referral_module authors

# Storefronts that speak FastCGI, uwsgi or SCGI, each on a loopback port.
#
#   my $port = gateway('fastcgi');     # answers the names and values it was
#                                      # given, "name: value" per line
#   my $port = gateway('scgi', sub {
#       my ($vars) = @_;               # [[name, value], ...] in their order
#       return ("X-A: b\r\n", 'body'); # headers, body
#   });
#
# They end with the test, which uses Referral::Nginx.

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use POSIX ();

our @EXPORT = qw(gateway);

my %SERVE = (fastcgi => \&_fastcgi, uwsgi => \&_uwsgi, scgi => \&_scgi);

my $owner = $$;
my @pids;


sub gateway {
    my ($protocol, $handler) = @_;
    my $serve = $SERVE{$protocol};
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => Referral::Nginx::free_port(), Listen => 64,
        ReuseAddr => 1) or die "could not listen: $!";
    my $pid = fork();
    die "fork() failed: $!" unless defined $pid;

    if ($pid) {
        push @pids, $pid;
        return $listen->sockport;
    }

    $SIG{TERM} = $SIG{INT} = $SIG{ALRM} = sub { POSIX::_exit(0) };
    $SIG{PIPE} = 'IGNORE';
    alarm 0;

    while (getppid() == $owner) {
        my $bits = '';
        vec($bits, fileno $listen, 1) = 1;
        next unless select($bits, undef, undef, 1) > 0;

        my $c = $listen->accept or next;
        binmode $c;
        eval { $serve->($c, $handler || \&_echo); 1 } or warn $@;
        close $c;
    }

    POSIX::_exit(0);
}


END {
    if ($$ == $owner) {
        local ($?, $!);
        kill TERM => @pids;
        waitpid $_, 0 for @pids;
    }
}


sub _echo {
    my ($vars) = @_;
    return ("Content-Type: text/plain\r\n",
        join '', map { "$_->[0]: $_->[1]\n" } @$vars);
}


sub _take {
    my ($c, $n) = @_;
    my $got = '';
    read($c, $got, $n) == $n or die "a request ended early\n" if $n;
    return $got;
}


sub _pairs {
    my @pairs;
    push @pairs, [splice @_, 0, 2] while @_;
    return \@pairs;
}


sub _fastcgi {
    my ($c, $handler) = @_;
    my ($params, @vars) = '';

    for ( ;; ) {
        my (undef, $type, $id, $len, $pad) = unpack 'CCnnC', _take($c, 8);
        my $data = _take($c, $len + $pad);
        $params .= substr $data, 0, $len if $type == 4;
        last if $type == 5 && $len == 0;
    }

    while (length $params) {
        my @len;

        for (1, 2) {
            my $n = unpack 'C', $params;
            $n = unpack('N', $params) & 0x7fffffff if $n > 127;
            substr($params, 0, $n > 127 ? 4 : 1) = '';
            push @len, $n;
        }

        push @vars, map { substr $params, 0, $_, '' } @len;
    }

    my $out = join "\r\n", $handler->(_pairs(@vars));

    print $c pack('CCnnCC', 1, 6, 1, length $out, 0, 0), $out,
        pack('CCnnCC', 1, 6, 1, 0, 0, 0),
        pack('CCnnCCNC4', 1, 3, 1, 8, 0, 0, 0, 0, 0, 0, 0);
}


sub _uwsgi {
    my ($c, $handler) = @_;
    my (undef, $len) = unpack 'CvC', _take($c, 4);
    my $vars = _pairs(unpack '(v/a)*', _take($c, $len));

    _body($c, $vars, 'CONTENT_LENGTH');
    print $c "HTTP/1.1 200 OK\r\n", join "\r\n", $handler->($vars);
}


sub _scgi {
    my ($c, $handler) = @_;
    my ($len, $ch) = '';

    $len .= $ch while ($ch = _take($c, 1)) ne ':';
    my @vars = split /\0/, _take($c, $len), -1;
    pop @vars;
    _take($c, 1);

    my $vars = _pairs(@vars);

    _body($c, $vars, 'CONTENT_LENGTH');
    print $c "Status: 200 OK\r\n", join "\r\n", $handler->($vars);
}


# Closing before it was read would take back what was said.

sub _body {
    my ($c, $vars, $name) = @_;
    my ($length) = map { $_->[1] } grep { $_->[0] eq $name } @$vars;
    _take($c, $length) if $length;
}


1;
