#!/usr/bin/perl

# Copyright (C) the ngx_http_referral_module authors

# The class of a click, against vectors/ua.tsv and vectors/fetch_metadata.tsv;
# and how many of vectors/crawler-user-agents.txt (the instances of the list of
# that name, MIT) and vectors/browsers.txt are told for what they are.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";
use Referral::Vectors qw(vectors driver answers);

my @columns = qw(method user-agent accept sec-purpose x-purpose x-moz
    sec-fetch-dest sec-fetch-mode sec-gpc);
my $browser = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101'
    . ' Firefox/128.0';

# classes that vectors tell apart and clicks do not

my %class = (monitor => 'crawler', client => 'crawler', ai => 'crawler');

my $driver = driver('classify_cli', qw(referral_classify.c referral_agents.c
    referral_agents_read.c referral_signals.c referral_siphash.c));

agents();
lists();
metadata();
done_testing();


sub agents {
    my @vectors = vectors('ua.tsv');

    cmp_ok(scalar @vectors, '>=', 45, 'user agents are there');

    my @got = run(map { {
        method => 'GET',
        accept => 'text/html',
        'user-agent' => $_->[2] eq '(empty user-agent)' ? '' : $_->[2]
    } } @vectors);

    for my $i (0 .. $#vectors) {
        my ($class, undef, $agent) = @{$vectors[$i]};

        is($got[$i][0], $class{$class} // $class, "$class: $agent");
    }
}


sub lists {
    my @robots = lines('crawler-user-agents.txt');
    my @people = lines('browsers.txt');

    cmp_ok(scalar @robots, '>=', 2000, 'many robots');
    cmp_ok(scalar @people, '>=', 70, 'and some browsers');

    my @got = classes(@robots, @people);
    my @missed = grep { $got[$_] eq 'human' } 0 .. $#robots;
    my @wrong = grep { $got[@robots + $_] ne 'human' } 0 .. $#people;

    cmp_ok(1 - @missed / @robots, '>=', 0.99, 'robots that are seen')
        or diag(map { "$robots[$_]\n" } @missed);
    is(scalar @wrong, 0, 'browsers that are taken for robots')
        or diag(map { "$people[$_]\n" } @wrong);
    is(scalar(grep { /suspect/ } @got), 0, 'and none that is too much');

    my $nojit = ($ENV{TEST_BUILD} // '') . '/preload/nojit.so';

    SKIP: {
        skip 'no library of t/preload, or a sanitizer before it', 3
            if !-e $nojit || ($ENV{TEST_NGINX_PRELOAD} // '') =~ /asan/;
        local $ENV{LD_PRELOAD} = $nojit;
        is(join(' ', classes(@robots, @people)), "@got",
            'without machine code the same, within the same limits');
    }
}


sub lines {
    my ($name) = @_;

    open my $f, '<:raw', "$FindBin::Bin/vectors/$name" or die "$name: $!\n";
    chomp(my @lines = <$f>);

    return @lines;
}


# Of user agents, on plain HTTP.

sub classes {
    return map { $_->[0] } run(map { {
        method => 'GET',
        accept => 'text/html',
        'user-agent' => $_
    } } @_);
}


sub metadata {
    my @vectors = vectors('fetch_metadata.tsv');

    cmp_ok(scalar @vectors, '>=', 29, 'header sets are there');

    my @got = run(map { request(@$_) } @vectors);

    for my $i (0 .. $#vectors) {
        my ($method, $headers, $expect) = @{$vectors[$i]};
        my $name = "$method $headers";

        # the method is refused with 405 by who asked, whatever the class

        if ($expect eq '.') {
            is($got[$i][0], 'probe', "$name is no click");
            next;
        }

        if ($expect =~ /^invalid token/) {
            my ($page) = run({ %{request($method, $headers)},
                accept => 'text/html' });

            is($page->[0], 'human', "$name with text/html");
            isnt($got[$i][0], 'human', "$name without Accept");
            next;
        }

        is($got[$i][0], outcome($expect), "$name is $expect");

        if ($headers =~ /^Sec-GPC/) {
            is($got[$i][2], $expect =~ /gpc/ ? 1 : 0, "$name: GPC");
        }
    }
}


# The class that a description of one names.

sub outcome {
    my ($expect) = @_;

    return 'crawler' if $expect =~ m{client/bot};
    return 'human' if $expect =~ /header ignored|default ignore/;

    my ($class) = $expect =~ /\b(human|stuffing|prefetch|probe)\b/;

    return $class;
}


# A browser's request with these headers.  One that names none of those that
# decide is a navigation on plain HTTP.

sub request {
    my ($method, $headers) = @_;

    my %req = (method => $method, 'user-agent' => $browser);

    for my $header (split /\|/, $headers) {
        my ($name, $value) = split /=/, $header, 2;

        $name = lc $name;
        $name = 'sec-purpose' if $name eq 'purpose';
        $req{$name} = $value;
    }

    if ($headers =~ /^(?:Sec-GPC|DNT)=/) {
        $req{accept} = 'text/html';
    }

    return \%req;
}


sub run {
    return map { [split /\t/, $_, -1] } answers($driver, map {
        my $req = $_;
        join "\t", map { $req->{$_} // '' } @columns
    } @_);
}
