package Referral::Browser;

# One visitor: a headless Chromium with an empty profile, driven through
# Debian's chromedriver (W3C WebDriver).
#
#   my $b = Referral::Browser->new;
#   $b->open($url); $b->click('a.buy'); $b->url; $b->texts('#code');
#   $b->type('input[name="email"]', 'a@b.example');
#   $b->cookies; $b->screenshot($file);
#   $b->responses;    # all so far: {url, status, headers (lower case names)}
#   $b->close;

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX ();

use Referral::Client qw(%BROWSER);
use Referral::Nginx ();

# A headless Chromium says so in its User-Agent, and would be no human.

my @ARGS = (qw(--headless --no-sandbox --disable-gpu --disable-quic
    --no-first-run --disable-background-networking --disable-component-update
    --disable-sync --disable-dev-shm-usage), '--window-size=1200,800',
    "--user-agent=$BROWSER{'User-Agent'}");


sub new {
    my ($class) = @_;

    my $self = bless { owner => $$, log => [],
        http => HTTP::Tiny->new(timeout => 60),
        base => 'http://127.0.0.1:' . (my $port = Referral::Nginx::free_port()),
    }, $class;

    $self->{pid} = fork();
    die "fork() failed: $!" unless defined $self->{pid};
    _driver($port) if $self->{pid} == 0;

    Referral::Nginx::wait_for(sub { Referral::Nginx::_open($port) }, 20)
        or die "chromedriver did not start\n";

    my $session = $self->_call(POST => '/session', { capabilities => {
        alwaysMatch => {
            'goog:chromeOptions' => { binary => '/usr/bin/chromium',
                args => \@ARGS },
            'goog:loggingPrefs' => { performance => 'ALL' },
        },
    } });

    $self->{base} .= "/session/$session->{sessionId}";
    return $self;
}


# In a group of its own, so that no browser process outlives the test.

sub _driver {
    my ($port) = @_;

    setpgrp 0, 0;
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    { exec 'chromedriver', "--port=$port" };
    POSIX::_exit(127);
}


sub _call {
    my ($self, $method, $path, $data) = @_;

    my $r = $self->{http}->request($method, $self->{base} . $path,
        $method eq 'POST' ? { content => JSON::PP::encode_json($data || {}),
            headers => { 'Content-Type' => 'application/json' } } : {});

    my $value = eval { JSON::PP::decode_json($r->{content})->{value} };
    return $value if $r->{success};

    die "$method $path: ", $value ? $value->{message} : $r->{content}, "\n";
}


sub open { $_[0]->_call(POST => '/url', { url => $_[1] }) }
sub url { $_[0]->_call(GET => '/url') }
sub cookies { $_[0]->_call(GET => '/cookie') }


sub texts {
    my ($self, $css) = @_;
    return map { $self->_call(GET => "/element/$_/text") } $self->_find($css);
}


# Clicks on what leads to another page, and waits for that: chromedriver waits
# only when the page has begun to load before it looks.

sub click {
    my ($self, $css) = @_;
    my $page = $self->_first('html');

    $self->_call(POST => '/element/' . $self->_first($css) . '/click');

    for (1 .. 200) {
        my $state = $self->_call(POST => '/execute/sync',
            { script => 'return document.readyState', args => [] });
        my ($now) = $self->_find('html');
        return if $state eq 'complete' && defined $now && $now ne $page;
        select undef, undef, undef, 0.05;
    }

    die "\"$css\" led nowhere\n";
}


sub type {
    my ($self, $css, $text) = @_;
    $self->_call(POST => '/element/' . $self->_first($css) . '/value',
        { text => $text });
}


sub _first {
    my ($self, $css) = @_;
    my ($element) = $self->_find($css);
    die "no \"$css\" on the page\n" unless defined $element;
    return $element;
}


sub _find {
    my ($self, $css) = @_;
    my $found = $self->_call(POST => '/elements',
        { using => 'css selector', value => $css });
    return map { values %$_ } @$found;
}


sub screenshot {
    my ($self, $file) = @_;
    my $png = decode_base64($self->_call(GET => '/screenshot'));
    CORE::open my $f, '>:raw', $file or die "$file: $!";
    print $f $png;
    CORE::close $f;
}


# The log has the URLs of each request, redirects included, and beside them,
# in the same order, what came over the wire.

sub responses {
    my ($self) = @_;
    my (%urls, @responses);

    push @{ $self->{log} }, @{ $self->_call(POST => '/se/log',
        { type => 'performance' }) };

    for my $entry (@{ $self->{log} }) {
        my $message = JSON::PP::decode_json($entry->{message})->{message};
        my ($method, $p) = @$message{qw(method params)};

        if ($method eq 'Network.requestWillBeSent') {
            push @{ $urls{ $p->{requestId} } }, $p->{request}{url};

        } elsif ($method eq 'Network.responseReceivedExtraInfo') {
            my %headers = map { lc $_ => $p->{headers}{$_} }
                keys %{ $p->{headers} };
            push @responses, { id => $p->{requestId},
                status => $p->{statusCode}, headers => \%headers };
        }
    }

    $_->{url} = shift @{ $urls{ $_->{id} } } for @responses;
    return @responses;
}


sub close {
    my ($self) = @_;
    return unless $self->{pid} && $self->{owner} == $$;

    eval { $self->_call('DELETE' => '') };
    local ($?, $!);
    kill TERM => -$self->{pid};
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;
}


sub DESTROY { $_[0]->close }


1;
