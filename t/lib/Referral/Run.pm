package Referral::Run;

# Runs a command to its end.
#
#   my ($code, $out, $err) = run({}, @command);
#   ($code, $out, $err) = run({ uid => $uid }, @command);  # root: as that user
#
# Standard input is /dev/null.  The code is its exit status, or "signal N".
# The rest goes through files: there may be more than a pipe holds.

use strict;
use warnings;

use Exporter 'import';
use File::Temp qw(tempdir);
use POSIX ();

our @EXPORT_OK = qw(run);

my $dir;


sub run {
    my ($opt, @command) = @_;

    $dir //= tempdir(CLEANUP => 1);
    my $pid = fork() // die "fork() failed: $!\n";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/out";
        open STDERR, '>', "$dir/err";

        if ($opt->{uid}) {
            $) = "$opt->{uid} $opt->{uid}";
            POSIX::setgid($opt->{uid});
            POSIX::setuid($opt->{uid});
        }

        exec { $command[0] } @command or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    my $code = $? & 127 ? "signal $?" : $? >> 8;

    return ($code, map { _slurp("$dir/$_") } 'out', 'err');
}


sub _slurp {
    my ($file) = @_;

    open my $f, '<:raw', $file or die "cannot read $file: $!\n";
    local $/;
    return scalar(<$f>) // '';
}


1;
