# The tables of docs/clicks.md, row by row.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Referral::Client qw(request);
use Referral::Nginx timeout => 120;

my $text = Referral::Nginx::_read("$Referral::Nginx::ROOT/docs/clicks.md");
my $t = Referral::Nginx->new(conf => <<'EOC');
    referral_store %%STORE%% intake_path=%%INTAKE%% interval=1ms;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>\w+)$"; landing https://shop.example/;
        ban_referer coupons.example;
    }
    map $cookie_consent $consent { default 1; no 0; }
    server {
        listen 127.0.0.1:%%PORT%%;
        location / {
            referral friends;
            referral_customer $cookie_customer;
            referral_consent $consent;
        }
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
    }
EOC

$t->start;
$t->api(PUT => "/v1/codes/$_", { owner => 'u1' }) for qw(ANNA42 PAUSED BEN7);
$t->api(PUT => '/v1/codes/PAUSED', { status => 'paused' });

my $seq = 0;
happens(@$_) for rows('What counts as a click, by example');
often(rows('How often a person counts'));

finish();


# The cells of the table below a heading, without its head.

sub rows {
    my ($heading) = @_;
    my ($part) = $text =~ /^#+ \Q$heading\E\n(.*?)(?=^#+ |\z)/ms;
    my @rows = map { [map { s/^ | $//gr } split /\|/, $_] }
        $part =~ /^\|(.*)\|$/mg;

    cmp_ok(scalar @rows, '>', 6, "rows of \"$heading\"");
    return @rows[2 .. $#rows];
}


sub happens {
    my ($what, $sees, $class, $why) = @_;
    my ($method, $path, %headers) = ('GET', '/r/ANNA42');

    for ($sees =~ /`([^`]+)`/g) {
        if (m{^/}) { $path = $_ }
        elsif (/^([\w-]+):\s*(.*)/) { $headers{$1} = length $2 ? $2 : undef }
        else { $method = $_ }
    }

    is(clicked($method, $path, %headers), "$class $why" =~ s/`//gr, $what);
}


sub clicked {
    my ($method, $path, %headers) = @_;

    request($t->port, $method, $path, \%headers);
    my $line = wait_for(sub {
        my @lines = split /\n/, $t->api(GET =>
            "/v1/journal?type=click&after=$seq&limit=1000")->body;
        my ($next) = pop(@lines) =~ /"next":(\d+)/;
        $seq = $next if @lines;
        return $lines[-1];
    }, 5) or return 'nothing';

    return join ' ', $line =~ /"class":"(\w+)"/, $line =~ /"why":"(\w+)"/;
}


sub often {
    my @rows = @_;
    my @phone = ('User-Agent' => 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like'
        . ' Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5'
        . ' Mobile/15E148 Safari/604.1');
    my @do = ([[GET => '/r/BEN7']], [[GET => '/r/BEN7']],
        [[GET => '/r/BEN7', @phone]],
        [[GET => '/r/BEN7', Cookie => 'consent=no']],
        [[GET => '/r/BEN7', 'User-Agent' => 'WhatsApp/2.23.20.0'],
            [GET => '/r/BEN7', 'User-Agent' => 'Googlebot/2.1'],
            [HEAD => '/r/BEN7']]);

    is(scalar @rows, scalar @do, 'each row can be tried');

    for my $i (0 .. $#rows) {
        my ($what, $human, $unique) = @{ $rows[$i] };
        clicked(@$_) for @{ $do[$i] };
        my $clicks = $t->api(GET => '/v1/codes/BEN7')->json->{clicks};
        is("$clicks->{human} $clicks->{unique}", "$human $unique", $what);
    }
}
