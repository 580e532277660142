package Referral::Redirect;

# Copyright (C) the ngx_http_referral_module authors

# What the benchmarks of redirects share: the configuration of the module and
# of the floor, `return 302` with a cookie, which counts nothing; the codes, and
# the load of wrk on their links.  To be used before Referral::Nginx.
#
#   my $text = redirect_conf('relaxed', [@main], $parameters);
#   register($t);
#   my $sample = sample(); $text = floor_http($sample);
#   my $why = differs($t, $sample);      # '' when the answer is like the sample
#   my $n = clicks($t);                  # that are counted, one request
#   ask([@clients], $n);                # so many, of each client one at a time
#   my $r = wrk($port, connections => 64, seconds => 2, pin => 1);
#   my $w = wrk_start(...); kill INT => $w->{pid}; $r = wrk_end($w);
#   $r->{answered}, {rate}, {p50}, {p99} (us), {bytes}, {errors}, {timeouts}

use strict;
use warnings;

use Exporter qw(import);

use Referral::Bench;

our @EXPORT = qw(redirect_conf floor_http register sample differs clicks ask wrk
    wrk_start wrk_end);
our @CODES = map { sprintf 'BENCH%03d', $_ } 1 .. 100;

my $SCRIPT = "$Referral::Bench::ROOT/t/bench/redirect.lua";


sub redirect_conf {
    my ($commit, $main, $parameters) = @_;
    $parameters ||= '';

    return frame(<<EOC, @$main);
    referral_store %%STORE%% commit=$commit intake_path=%%INTAKE%% $parameters;
    referral_key_file %%KEY%%;
    referral_program friends {
        link "^/r/(?<code>[A-Za-z0-9][A-Za-z0-9_-]{0,63})(?:/(?<channel>[a-z0-9]{1,16}))?/?\$";
        param ref via;
        landing https://shop.example/welcome?utm_source=referral;
    }
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        referral friends;
        location /referral/ { referral_api friends token_file=%%TOKENS%%; }
        location = /status { referral off; stub_status; }
    }
EOC
}


sub floor_http {
    my ($sample) = @_;

    return <<EOC;
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location /r/ {
            add_header Set-Cookie "$sample->{'Set-Cookie'}";
            return 302 $sample->{Location};
        }
        location = /status { stub_status; }
    }
EOC
}


sub register {
    my ($t) = @_;

    for my $code (@CODES) {
        my $r = $t->api(PUT => "/v1/codes/$code", { owner => "o-$code" });
        die "PUT $code: ", $r->status, "\n" if $r->status != 201;
    }
}


# The answer of the module, whose lengths the others take over.

sub sample {
    my $t = Referral::Nginx->new(full => 1);

    $t->conf(redirect_conf('relaxed', []));
    $t->start;
    register($t);
    my $r = $t->get("/r/$CODES[0]");
    $t->stop;
    my $cookie = $r->header('Set-Cookie');

    die "no redirect with a cookie: ", $r->status, "\n"
        if $r->status != 302 || !defined $cookie;

    return { Location => $r->header('Location'), 'Set-Cookie' => $cookie };
}


sub differs {
    my ($t, $sample) = @_;
    my $r = $t->get("/r/$CODES[-1]");

    return 'status ' . $r->status if $r->status != 302;

    for my $name (qw(Location Set-Cookie)) {
        my $value = $r->header($name);
        return "another $name" unless defined $value
            && length $value == length $sample->{$name};
    }

    return '';
}


sub clicks {
    my ($t) = @_;
    return $t->api(GET => '/v1/counters')->json->{data}[0]{clicks}{human};
}


# ---------------------------------------------------------------- the load --

# Each client asks before the first is answered.

sub ask {
    my ($clients, $n) = @_;

    for my $i (0 .. $n / @$clients - 1) {
        for my $k (0 .. $#$clients) {
            my $code = $CODES[ ($i * @$clients + $k) % @CODES ];
            $clients->[$k]->send($clients->[$k]->format(GET => "/r/$code"));
        }

        for my $client (@$clients) {
            my $status = $client->response('GET')->status;
            die "answer $status\n" if $status != 302;
        }
    }
}


sub wrk { wrk_end(wrk_start(@_)) }


sub wrk_start {
    my ($port, %opt) = @_;
    my @command = ('wrk', '-t1', "-c$opt{connections}", "-d$opt{seconds}s",
        '-s', $opt{script} || $SCRIPT, "http://127.0.0.1:$port/", '--',
        @{ $opt{args} || \@CODES });

    unshift @command, 'taskset', '-c', 1 if $opt{pin};
    my $pid = open my $out, '-|';
    die "fork() failed: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    return { pid => $pid, out => $out };
}


sub wrk_end {
    my ($w) = @_;
    my $out = do { local $/; readline $w->{out} };

    close $w->{out};
    my ($n, $us, $bytes, $errors, $p50, $p99, $timeouts) =
        $out =~ /^result (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/m
        or die "wrk failed:\n$out";

    die "wrk had no answer:\n$out" unless $n && $us;
    return { answered => $n, rate => $n / $us * 1e6, bytes => $bytes / $n,
        errors => $errors, timeouts => $timeouts, p50 => $p50, p99 => $p99 };
}


1;
