#!/bin/sh

# Runs one test with what it tests under valgrind: a Perl file starts nginx
# there, a program is there itself, whose scenes may leave memory to the end of
# their processes.  For prove --exec.

set -eu

case $1 in
*.t)
    TEST_VALGRIND=1 exec perl -It/lib "$@"
    ;;
*)
    exec valgrind -q --error-exitcode=99 --leak-check=no \
        --num-callers=30 --suppressions=t/valgrind.supp "$@"
    ;;
esac
