# docs/monitoring.md and docs/grafana.json: Prometheus itself scrapes nginx as
# the guide says, and is asked what each panel and each alert asks.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep);

use lib 't/lib';
use Referral::Client;
use Referral::Daemon;
use Referral::Docs qw(blocks);
use Referral::Nginx timeout => 120;

my $docs = Referral::Docs->new;
my $place = $docs->place;
my $dir = $place->dir;

$docs->quickly('docs/quickstart.md');
$docs->quickly('docs/monitoring.md');
my %metrics = metrics();
my @rules = rules();
my @panels = panels();

cmp_ok(scalar @rules, '>=', 8, 'alerts');
cmp_ok(scalar @panels, '>=', 20, 'questions of the dashboard');
known($_) for @rules, @panels;
scraped();

finish();


sub metrics {
    my $text = $place->ask(GET => '/metrics')->body;
    my %metrics;

    $metrics{$1}{ $2 // '' } = 1
        while $text =~ /^(referral_\w+)(?:\{(.*?)\})? \S+/mg;
    return %metrics;
}


# All names and labels are in /metrics.

sub known {
    my ($asked) = @_;
    my ($title, $expr) = @$asked;
    my @names = $expr =~ /\b(referral_\w+)/g;
    is_deeply([grep { !$metrics{$_} } @names], [], "$title: @names");

    while ($expr =~ /\b(referral_\w+)\{(.*?)\}/g) {
        my ($name, $labels) = ($1, $2);
        my @missing = grep {
            my $label = $_;
            !grep { /\b\Q$label\E=/ } keys %{ $metrics{$name} };
        } $labels =~ /(\w+)=/g;
        is_deeply(\@missing, [], "$title: labels of $name");
    }
}


sub rules {
    my ($text) = map { $_->{text} } grep {
        $_->{kind} eq 'yaml' && $_->{section} eq 'Alerts'
    } blocks('docs/monitoring.md');

    my @rules;
    push @rules, [$1, $2]
        while $text =~ /alert: (\w+)\n\s+expr: (.+)\n/g;
    return @rules;
}


sub panels {
    my $grafana = decode_json(Referral::Nginx::_read('docs/grafana.json'));
    my ($program) = grep { $_->{name} eq 'program' }
        @{ $grafana->{templating}{list} };

    like($program->{query}{query},
        qr/^label_values\(referral_clicks_total, program\)$/,
        'programs to choose from');

    return map {
        my $panel = $_;
        map { [$panel->{title}, $_->{expr}] } @{ $panel->{targets} };
    } @{ $grafana->{panels} };
}


sub scraped {
    my $port = Referral::Nginx::free_port();
    my $file = "$dir/etc/prometheus/prometheus.yml";

    Referral::Nginx::_write($file, Referral::Nginx::_read($file)
        =~ s/scrape_interval: 15s/scrape_interval: 1s/r);
    my $prometheus = Referral::Daemon->new(log => "$dir/prometheus.log",
        socket => "$dir/none", ready => sub { 1 }, command => ['prometheus',
        "--config.file=$file", "--storage.tsdb.path=$dir/tmp/prometheus",
        "--web.listen-address=127.0.0.1:$port"]);
    $prometheus->start;

    my $ask = sub {
        my ($expr) = @_;
        my $text = $expr =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ger;
        my $r = eval {
            Referral::Client::get($port, "/api/v1/query?query=$text");
        } or return {};
        return eval { $r->json } // { error => $r->body };
    };
    my $rows = sub { scalar @{ $ask->($_[0])->{data}{result} || [] } };

    ok(wait_for(sub { $rows->('up{job="referral"} == 1') }, 30),
        'Prometheus scrapes nginx') or diag($place->log,
        Referral::Nginx::_read("$dir/prometheus.log"));
    $place->visit('/r/ANNA42/wa');
    ok(wait_for(sub { $rows->('sum(increase(referral_clicks_total[1m])) > 0') },
        20), 'and sees a click');

    for (@panels, map { [$_->[0], $_->[1] =~ s{ [><=]+ [\d.]+}{}gr] } @rules) {
        my ($title, $expr) = @$_;
        $expr =~ s/\$program/friends/g;
        $expr =~ s/\$__(?:range|rate_interval)/1m/g;
        my $got = $ask->($expr);
        is($got->{status}, 'success', "$title: it can be asked")
            or diag(explain($got));
        ok(@{ $got->{data}{result} || [] }, "$title: it has an answer")
            or diag($expr);
    }

    is($rows->('ALERTS{alertstate="firing"}'), 0, 'nothing is wrong');
    $prometheus->stop;
}
