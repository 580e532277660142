package Referral::Visitor;

# One visitor without a browser: keeps cookies, follows redirects, sends forms.
#
#   my $v = Referral::Visitor->new($port, 'X-Any' => 'header of each request');
#   $v->get('/r/ANNA42');             # the last response, see Referral::Client
#   $v->path;                         # where it led
#   $v->submit(name => 'Zoe');        # the last form of the page; its hidden
#                                     # fields go with it
#   $v->post('/path', name => 'Zoe');
#   $v->text('points');               # of the element with that id, or undef
#   $v->cookies;                      # {name => value}

use strict;
use warnings;

use Referral::Client ();


sub new {
    my ($class, $port, %headers) = @_;
    return bless { port => $port, headers => \%headers, cookies => {} }, $class;
}


sub cookies { $_[0]{cookies} }
sub path { $_[0]{path} }


sub get {
    my ($self, $path) = @_;
    return $self->_open(GET => $path);
}


sub post {
    my ($self, $path, %fields) = @_;

    my $body = join '&', map {
        join '=', map { s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ger }
            $_, $fields{$_}
    } sort keys %fields;

    return $self->_open(POST => $path, $body);
}


sub submit {
    my ($self, %fields) = @_;
    my ($action, $form) = $self->{page}->body
        =~ m{.*<form method="post" action="([^"]*)">(.*?)</form>}s
        or die "no form on $self->{path}\n";

    my %hidden = map { _plain($_) }
        $form =~ /<input type="hidden" name="(\w+)" value="([^"]*)">/g;

    return $self->post(_plain($action), %hidden, %fields);
}


sub text {
    my ($self, $id) = @_;
    my ($text) = $self->{page}->body =~ m{<(?:\w+) id="\Q$id\E">([^<]*)<};
    return defined $text ? _plain($text) : undef;
}


sub _plain {
    my ($text) = @_;
    my %char = ('amp' => '&', 'lt' => '<', 'gt' => '>', 'quot' => '"',
        '#039' => "'");
    return $text =~ s/&(amp|lt|gt|quot|#039);/$char{$1}/gr;
}


sub _open {
    my ($self, $method, $path, $body) = @_;

    for (1 .. 10) {
        my $page = $self->_request($method, $path, $body);
        @$self{qw(path page)} = ($path, $page);
        return $page unless $page->status =~ /^30[1237]$/;

        my $to = $page->header('Location')
            =~ s{^http://127\.0\.0\.1:$self->{port}(?=/)}{}r;
        return $page unless $to =~ m{^/};
        $path = $to;
        ($method, $body) = ('GET') unless $page->status == 307;
    }

    die "too many redirects, the last to $path\n";
}


sub _request {
    my ($self, $method, $path, $body) = @_;
    my $cookies = $self->{cookies};
    my %headers = (%{ $self->{headers} });

    $headers{Cookie} = join '; ', map { "$_=$cookies->{$_}" }
        sort keys %$cookies if %$cookies;
    @headers{'Content-Type', 'Sec-Fetch-Site'}
        = ('application/x-www-form-urlencoded', 'same-origin') if defined $body;

    my $page = Referral::Client::request($self->{port}, $method, $path,
        \%headers, $body);

    for ($page->all('Set-Cookie')) {
        my ($name, $value) = /^([^=;]+)=([^;]*)/ or next;
        $cookies->{$name} = $value;
        delete $cookies->{$name} if /;\s*max-age=0/i;
    }

    return $page;
}


1;
