package Referral::Web;

# Pages in a browser: runs a script of t/web by Node, with Playwright and
# Debian's Chromium.
#
#   browse('dashboard', { url => $url, token => $t->{token}, ... });
#
# What the script checks are tests of the caller; see t/web/harness.mjs.  What
# it measured is returned.  For a benchmark, that is all:
#
#   my @figures = measure('weigh', { ... });    # dies when a check failed
#
# The libraries of the scripts come from npm into the build directory, by
# t/web/package-lock.json.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use POSIX ();
use Test::More;

use Referral::Nginx ();

our @EXPORT = qw(browse measure);

# Names of checks may have any letters.

binmode Test::More->builder->$_, ':encoding(UTF-8)'
    for qw(output failure_output todo_output);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;


sub browse {
    my ($script, $given) = @_;

    return _run($script, $given, sub {
        my ($line) = @_;
        ok($line->{ok}, $line->{name}) or diag($line->{diag} // '');
    });
}


sub measure {
    my ($script, $given) = @_;

    return _run($script, $given, sub {
        my ($line) = @_;
        die "$script: $line->{name}\n$line->{diag}\n" unless $line->{ok};
    });
}


sub _run {
    my ($script, $given, $check) = @_;
    my $modules = _modules();
    my $input = "$modules/input.$$";
    my (@figures, $done);

    _write($input, { patience => _patience(), %$given });
    my $pid = open(my $from, '-|') // die "fork() failed: $!\n";

    if ($pid == 0) {
        open STDIN, '<', $input or die "$input: $!";
        $ENV{TEST_WEB} = $modules;
        exec 'node', "$Referral::Nginx::ROOT/t/web/$script.mjs"
            or POSIX::_exit(127);
    }

    while (<$from>) {
        my $line = eval { $json->decode($_) } || { note => $_ };

        note($line->{note}) if defined $line->{note};
        push @figures, $line->{figures} if $line->{figures};
        $check->($line) if defined $line->{name};
        $done ||= $line->{done};
    }

    close $from;
    unlink $input;
    $check->({ ok => $done && $? == 0, name => "$script came to its end",
        diag => "status $?" });

    return @figures;
}


sub _modules {
    my $to = "$Referral::Nginx::BUILD/web-test";
    my $root = $Referral::Nginx::ROOT;

    system("'$root/scripts/modules' '$root/t/web' '$to' >&2") == 0
        or die "the libraries of t/web could not be installed\n";

    return $to;
}


sub _write {
    my ($file, $data) = @_;

    open my $to, '>', $file or die "$file: $!";
    print $to $json->encode($data);
    close $to or die "$file: $!";
}


sub _patience {
    return $ENV{TEST_VALGRIND} ? 15 : $ENV{TEST_NGINX_PRELOAD} ? 3 : 1;
}


1;
