package Referral::Traffic;

# A shop and its visitors: processes that follow links, report orders, refund
# and decide, and know what they sent and what they were answered.
#
#   my $traffic = Referral::Traffic->new(port => $t->port, clients => 4,
#       codes => [...], token => $t->{token}{admin});
#   ...                              # meanwhile: whatever may happen
#   my $sum = $traffic->stop;        # when each order is acknowledged
#   wait_for(sub { Referral::Traffic::settled($t, $sum) }, 10);
#   my @wrong = Referral::Traffic::check($t, $sum);
#
# The program needs the events and rewards of Referral::Traffic::rules().  Of
# the orders of a client each 25th is of the owner of its code, held, and
# approved by a decision; each 5th is refunded whole, each 3rd of the others
# has its commission approved and claimed.  A request without an answer, or
# with a 503, is sent again until it is acknowledged, with the same ids; a
# link is not.
#
#   $sum->{clicks}{CODE}{sent}, {answered}      302 with the cookie
#   $sum->{orders}{ID}{code}, {amount}, {does}  and {created}: how often new
#   $sum->{later}, {broken}                     503, and no answer at all
#   $sum->{other}                               answers that there must not be
#   $sum->{slowest}                             of a link, seconds

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Time::HiRes qw(sleep time);


sub rules {
    return <<'EOC';
        event purchase points=10 hold=1s;
        event click points=1 limit=2/day;
        tier bronze 50;
        tier silver 400;
        reward mug to=referrer on=purchase "value=a mug";
        reward third to=referrer on=purchase every=3;
        reward commission to=referrer on=purchase value=7.5%;
        reward welcome to=friend on=purchase value=5%;
EOC
}


sub new {
    my ($class, %opt) = @_;
    my $self = bless { pids => [], pipes => [] }, $class;

    for my $n (1 .. $opt{clients}) {
        pipe my $read, my $write or die "pipe() failed: $!\n";
        my $pid = fork() // die "fork() failed: $!\n";

        if ($pid == 0) {
            close $read;
            my $done = eval { Referral::Traffic::Client->new(%opt, n => $n)
                ->run } || { failed => $@ };
            print $write encode_json($done);
            close $write;
            POSIX::_exit(0);
        }

        close $write;
        push @{ $self->{pids} }, $pid;
        push @{ $self->{pipes} }, $read;
    }

    return $self;
}


sub stop {
    my ($self) = @_;
    my %sum = (clicks => {}, orders => {}, other => [], codes => {},
        slowest => 0, map { $_ => 0 } qw(requests later broken unfinished));

    kill USR1 => @{ $self->{pids} };

    for my $pipe (@{ $self->{pipes} }) {
        local $/;
        my $done = decode_json(scalar <$pipe>);

        die "a client failed: $done->{failed}" if $done->{failed};

        $sum{$_} += $done->{$_} for qw(requests later broken unfinished);
        $sum{slowest} = $done->{slowest} if $done->{slowest} > $sum{slowest};
        push @{ $sum{other} }, @{ $done->{other} };
        %{ $sum{$_} } = (%{ $sum{$_} }, %{ $done->{$_} }) for qw(orders codes);

        for my $code (keys %{ $done->{clicks} }) {
            $sum{clicks}{$code}{$_} += $done->{clicks}{$code}{$_}
                for qw(sent answered);
        }
    }

    waitpid $_, 0 for @{ $self->{pids} };
    return \%sum;
}


# ---------------------------------------------------------------- checking --

# Whether all holds have passed and all clicks that were answered are counted.

sub settled {
    my ($t, $sum) = @_;
    my $left = 0;

    $left += $_->{answered} for values %{ $sum->{clicks} };
    $left -= $_->{clicks}{total}
        for @{ $t->api(GET => '/v1/counters')->json->{data} };

    return $left <= 0 && !grep { $_->{state} eq 'pending' } _rows($t, 'rewards');
}


# What there is in the store that should not be, or is not, as sentences, when
# it is settled.

sub check {
    my ($t, $sum) = @_;

    return (_check_orders($t, $sum), _check_rewards($t, $sum),
        _check_codes($t, $sum));
}


sub _rows {
    my ($t, $name) = @_;
    my $answer = $t->api(GET => "/export/$name.csv");
    my ($head, @lines) = split /\r?\n/, $answer->body =~ s/^\xef\xbb\xbf//r;

    die "$name.csv: ", $answer->status, "\n" if $answer->status != 200;
    my @names = split /,/, $head;

    return map {
        my %row;
        @row{@names} = map { s/^"(.*)"$/$1/r } split /,/, $_, -1;
        \%row;
    } @lines;
}


sub _check_orders {
    my ($t, $sum) = @_;
    my (%seen, @wrong);

    for my $row (_rows($t, 'conversions')) {
        my $id = $row->{order_id};
        my $order = $sum->{orders}{$id};
        my $refunded = $order && $order->{does} eq 'refund';

        if (!$order) {
            push @wrong, "$id was never sent";
            next;
        }

        push @wrong, "$id is there twice" if $seen{$id}++;
        push @wrong, join ' ', $id, map { "$_=$row->{$_}" } sort keys %$row
            unless $row->{code} eq $order->{code}
            && $row->{amount} == $order->{amount}
            && $row->{status} eq ($refunded ? 'refunded' : 'approved')
            && $row->{refunded} == ($refunded ? $order->{amount} : 0)
            && $row->{points} == ($refunded ? 0 : 10);
    }

    push @wrong, map { "$_ is lost" } grep { !$seen{$_} }
        sort keys %{ $sum->{orders} };
    push @wrong, map { "$_ was new twice" }
        grep { $sum->{orders}{$_}{created} > 1 } sort keys %{ $sum->{orders} };

    return @wrong;
}


sub _check_rewards {
    my ($t, $sum) = @_;
    my (%state, @wrong);

    for my $row (_rows($t, 'rewards')) {
        my $what = "$row->{order_id} $row->{name}";

        push @wrong, "$what is there twice" if exists $state{$what};
        $state{$what} = $row->{state};
    }

    for my $id (sort keys %{ $sum->{orders} }) {
        my $does = $sum->{orders}{$id}{does};
        my $state = $does eq 'refund' ? 'void' : 'approved';

        for my $name (qw(mug commission welcome)) {
            my $want = $does eq 'claim' && $name eq 'commission' ? 'claimed'
                : $state;
            my $is = delete $state{"$id $name"} // 'none';

            push @wrong, "$id $name: $is, not $want" if $is ne $want;
        }
    }

    push @wrong, map { "$_ is of nothing" } grep { !/ third$/ }
        sort keys %state;

    return @wrong;
}


sub _check_codes {
    my ($t, $sum) = @_;
    my (%there, @wrong);

    $there{ $_->{code} } = $_ for _rows($t, 'codes');

    push @wrong, map { "code $_ is lost" } grep { !$there{$_} }
        sort keys %{ $sum->{codes} };

    for my $code (sort keys %{ $sum->{clicks} }) {
        my $clicks = $sum->{clicks}{$code};
        my $counted = $there{$code}{clicks};

        push @wrong, "$code: $clicks->{answered} answered, $counted counted, "
            . "$clicks->{sent} sent" if $counted < $clicks->{answered}
            || $counted > $clicks->{sent};
    }

    return @wrong;
}


# ----------------------------------------------------------------- clients --

package Referral::Traffic::Client;

use JSON::PP;
use Socket qw(SOL_SOCKET SO_RCVTIMEO);
use Time::HiRes qw(sleep time);

my $AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like '
    . 'Gecko) Chrome/142.0.0.0 Safari/537.36';
my $FINISH = 30;        # seconds, for what is not acknowledged yet


sub new {
    my ($class, %opt) = @_;

    return bless { pause => 0.002, %opt, work => [], last => 0, done => {
        requests => 0, later => 0, broken => 0, unfinished => 0, slowest => 0,
        other => [], clicks => {}, orders => {}, codes => {} } }, $class;
}


sub run {
    my ($self) = @_;
    my ($stop, $parent) = (0, getppid);

    local $SIG{USR1} = sub { $stop ||= time };
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = 'DEFAULT';
    local $SIG{INT} = local $SIG{TERM} = 'DEFAULT';
    alarm 1200;
    srand $self->{n} * 7919;

    until ($stop || getppid != $parent) {
        $self->click for 1 .. 3;
        $self->work;
        sleep $self->{pause};
    }

    while (@{ $self->{work} } && time < $stop + $FINISH) {
        $self->work;
    }

    $self->{done}{unfinished} = @{ $self->{work} };
    return $self->{done};
}


sub click {
    my ($self) = @_;
    my $code = $self->{codes}[rand @{ $self->{codes} }];
    my $count = $self->{done}{clicks}{$code} ||= { sent => 0, answered => 0 };
    my $socket = $self->socket or return;
    my $start = time;

    $count->{sent}++;

    my $answer = $self->exchange(join "\r\n", "GET /r/$code HTTP/1.1",
        'Host: shop.example', "User-Agent: $AGENT", 'Accept: text/html',
        'Sec-Fetch-Dest: document', 'Sec-Fetch-Mode: navigate', '', '');

    return unless defined $answer;

    my $took = time - $start;
    $self->{done}{slowest} = $took if $took > $self->{done}{slowest};

    if ($answer =~ m{^HTTP/1\.1 302 } && $answer =~ /^Set-Cookie: ref_/mi) {
        $count->{answered}++;

    } else {
        $self->other($answer);
    }
}


# What is to be done first of all that is not acknowledged; or a new order.

sub work {
    my ($self) = @_;
    my $work = $self->{work};

    push @$work, $self->order(++$self->{last}) unless @$work;

    my ($path, $method, $body, $then) = @{ $work->[0] };
    my $text = encode_json($body);
    my $answer = $self->exchange(join "\r\n",
        "$method /referral/v1/$path HTTP/1.1", 'Host: shop.example',
        "Authorization: Bearer $self->{token}",
        'Content-Type: application/json', 'Content-Length: ' . length $text,
        '', $text);

    return unless defined $answer;

    if ($answer =~ m{^HTTP/1\.1 20[0-2] }) {
        shift @$work;
        unshift @$work, $then->($answer) if $then;

    } elsif ($answer =~ m{^HTTP/1\.1 503 } && $answer =~ /^Retry-After: /mi
             && $answer =~ m{^Content-Type: application/problem\+json}mi)
    {
        $self->{done}{later}++;
        sleep 0.02;

    } else {
        $self->other("$method $path: $answer");
        shift @$work;
    }
}


# An order, and what is done about it when it is acknowledged.

sub order {
    my ($self, $n) = @_;
    my $id = "c$self->{n}-$n";
    my $code = $self->{codes}[ $n % @{ $self->{codes} } ];
    my $own = $n % 25 == 7;
    my $does = $own ? 'approve' : $n % 5 == 0 ? 'refund'
        : $n % 3 == 0 ? 'claim' : '';
    my $order = { code => $code, amount => 1000 + $n, created => 0,
        does => $does };

    $self->{done}{orders}{$id} = $order;

    return (['conversions', 'POST', { event => 'purchase', order_id => $id,
        code => $code, amount => $order->{amount}, currency => 'EUR',
        customer_id => $own ? "owner-$code" : "friend-$id" }, sub {
            my ($answer) = @_;
            my ($reward) = $answer =~ /"id":"(\d+)","name":"commission"/;

            $order->{created}++ if $answer =~ /"duplicate":false/;
            $self->other($answer) unless $reward;

            return $self->after($id, $does, $reward);
        }], $n % 10 ? () : $self->code("X$self->{n}x$n"));
}


sub after {
    my ($self, $id, $does, $reward) = @_;

    return ["conversions/$id/approve", 'POST', {}] if $does eq 'approve';
    return ["conversions/$id/refunds", 'POST', { refund_id => 'r1' }]
        if $does eq 'refund';
    return (["rewards/$reward/approve", 'POST', {}],
        ["rewards/$reward/claim", 'POST', {}]) if $does eq 'claim';
    return ();
}


sub code {
    my ($self, $code) = @_;

    return ["codes/$code", 'PUT', { owner => "owner-$code" }, sub {
        $self->{done}{codes}{$code} = 1;
        return ();
    }];
}


sub other {
    my ($self, $answer) = @_;
    my $other = $self->{done}{other};

    push @$other, $answer if @$other < 10;
}


# ------------------------------------------------------------- connections --

sub socket {
    my ($self) = @_;

    return $self->{socket} if $self->{socket};

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}, Proto => 'tcp', Timeout => 2);

    if (!$socket) {
        sleep 0.02;
        return;
    }

    setsockopt $socket, SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', 12, 0;
    return $self->{socket} = $socket;
}


# The answer; undef when there is none, and the connection is of no more use.

sub exchange {
    my ($self, $text) = @_;
    my $socket = $self->socket or return;

    $self->{done}{requests}++;

    my $answer = defined syswrite($socket, $text) ? _read($socket) : undef;

    $self->{done}{broken}++ unless defined $answer;
    delete $self->{socket}
        if !defined $answer || $answer =~ /^Connection: close\r$/mi;

    return $answer;
}


sub _read {
    my ($socket) = @_;
    my $answer = '';

    until ($answer =~ /\r\n\r\n/) {
        sysread($socket, $answer, 8192, length $answer) or return;
    }

    my $end = index($answer, "\r\n\r\n") + 4;
    $end += $1 if $answer =~ /\r\nContent-Length: (\d+)\r\n/i;

    while (length $answer < $end) {
        sysread($socket, $answer, 8192, length $answer) or return;
    }

    return $answer;
}


1;
