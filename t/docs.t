# Every block of README.md and of docs/*.md, as if somebody pasted it; see
# Referral::Docs for what is done with each.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Docs;
use Referral::Nginx timeout => 240;

my @guides = grep { !/README/ } map { s{^\Q$Referral::Nginx::ROOT\E/}{}r }
    sort glob "$Referral::Nginx::ROOT/docs/*.md";

links($_) for 'README.md', 'docs/README.md', @guides;
manual();
guide($_) for @guides;

my $count = Referral::Docs::summary();
cmp_ok($count->{'not run'} // 0, '<=', 5, 'blocks that nobody runs');

finish();


# They lead to files that are there, and to headings in them.

sub links {
    my ($file) = @_;
    my ($dir) = $file =~ m{^(.*/)?};
    my @wrong;

    for (text($file) =~ /\]\((?!https?:)([^)\s]+)\)/g) {
        my ($path, $anchor) = /^([^#]*)#?(.*)/;
        my $to = length $path ? ($dir // '') . $path : $file;

        1 while $to =~ s{[^/]+/\.\./}{};
        push @wrong, $_ if !-e "$Referral::Nginx::ROOT/$to"
            || length $anchor && !grep { $_ eq $anchor } anchors($to);
    }

    is_deeply(\@wrong, [], "$file: where its links lead");
}


sub anchors {
    my ($file) = @_;
    my $text = text($file) =~ s/^```.*?^```$//msgr;

    return map { lc s/<[^>]*>|[^\w\s-]//gr =~ tr/ /-/r }
        $text =~ /^#+ (.*)$/mg;
}


sub text { Referral::Nginx::_read("$Referral::Nginx::ROOT/$_[0]") }


# What its sections take for granted.

sub manual {
    my $docs = Referral::Docs->new(before => {
        Conversions        => \&friend_came,
        Counters           => \&friends_bought,
        referral_store     => \&other_hosts,
        'Erasing a person' => \&somebody_else,
    }, asked => { 'GET data below referral_progress' => \&progress });

    $docs->play('README.md');
    ok($docs->place->leave, 'nginx ends');
}


# In the place that the quickstart leaves.

sub guide {
    my ($file) = @_;
    my $docs = Referral::Docs->new(before => {
        'Two locations in the site' => \&certificate });

    $docs->quickly('docs/quickstart.md')
        unless $file eq 'docs/quickstart.md' || !-e 'docs/quickstart.md';
    $docs->play($file);
    ok($docs->place->leave, "$file: nginx ends");
}


sub friend_came {
    my $place = $_[0]->place;

    $place->visit('/r/ANNA42/wa', 'X-Test' => 1);
    my ($token) = $place->visit('/')->body =~ /^x-referral-token: (\S+)/m
        or die "the storefront got no token\n";
    $place->sh("X_REFERRAL_TOKEN='$token'");
}


sub friends_bought {
    my $place = $_[0]->place;

    for my $n (1 .. 3) {
        $place->ask(POST => '/v1/conversions', {
            event => 'purchase', order_id => "n$n", amount => 2000 + $n,
            currency => 'EUR', customer_id => "n$n", code => 'ANNA42' });
    }

    $place->ask(POST => '/v1/conversions', { event => 'signup',
        order_id => 's1', customer_id => 'u1', code => 'EVA7' });
}


# What the manual takes to be at https://shop.example, beside the synopsis; the
# storefront in PHP looks for an endpoint elsewhere.

sub other_hosts {
    my $place = $_[0]->place;
    my $api = 'referral_api friends token_file=/etc/nginx/referral.tokens'
        . ' secret_file=/etc/nginx/referral.secrets;';

    $place->put('/sandbox/signed.conf', <<EOC);
    server {
        listen 443 ssl;
        ssl_certificate @{[ $place->_cert ]}.pem;
        ssl_certificate_key @{[ $place->_cert ]}.key;
        location /referral/ { $api }
        location /my-referrals/ { referral_progress friends; }
        location /share/ { referral_share friends; }
    }
    server {
        listen 10.0.0.5:8081;
        location / { $api }
    }
EOC
    $place->sh('systemctl reload nginx');
}


sub certificate {
    my $place = $_[0]->place;
    my $cert = $place->_cert;

    $place->sh("mkdir -p /etc/ssl/private; cp $cert.pem"
        . " /etc/ssl/shop.example.pem; cp $cert.key"
        . ' /etc/ssl/private/shop.example.key');
}


sub progress {
    my $place = $_[0]->place;
    my $token = $place->ask(POST => '/v1/codes/ANNA42/session')->json->{token};

    return Referral::Client->new($place->real(443), tls => 1)->request(
        GET => '/my-referrals/data', { Authorization => "Bearer $token" });
}


sub somebody_else {
    my $place = $_[0]->place;
    $place->ask(POST => '/v1/codes', { owner => 'u4711' });
}
