/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * steps PID
 *
 * Lets the main thread of a process run one instruction at a time, as the
 * processor it is on executes them, and counts where each was.  SIGUSR1 asks
 * for the counts, while the process sleeps: lines "FILE OFFSET COUNT" and one
 * of ".", and counting begins anew.  Ends with the process.  Exits with 3 when
 * it may not trace the process.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>


#define MAX_MAPS  128


typedef struct {
    unsigned long   start;
    unsigned long   end;
    unsigned long   offset;         /* in the file */
    char            name[256];
    uint32_t       *counts;         /* one for each byte */
} map_t;


static map_t                  maps[MAX_MAPS];
static size_t                 nmaps;
static uint32_t               elsewhere;
static volatile sig_atomic_t  asked;


__attribute__((noreturn))
static void
die(const char *what)
{
    int  code;

    code = errno == EPERM || errno == EACCES || errno == ENOSYS ? 3 : 2;
    (void) fprintf(stderr, "steps: %s: %s\n", what, strerror(errno));
    exit(code);
}


static void
on_signal(int signo)
{
    (void) signo;
    asked = 1;
}


static void
read_maps(pid_t pid)
{
    FILE   *f;
    char    line[1024], path[64], rights[8];
    map_t  *map;

    (void) snprintf(path, sizeof(path), "/proc/%d/maps", (int) pid);
    f = fopen(path, "r");
    if (f == NULL) {
        die(path);
    }

    while (nmaps < MAX_MAPS && fgets(line, sizeof(line), f) != NULL) {
        map = &maps[nmaps];
        map->name[0] = '?';
        map->name[1] = '\0';

        if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %255s", &map->start,
                   &map->end, rights, &map->offset, map->name) < 4
            || rights[2] != 'x')
        {
            continue;
        }

        map->counts = calloc(map->end - map->start, sizeof(uint32_t));
        if (map->counts == NULL) {
            die("calloc");
        }

        nmaps++;
    }

    (void) fclose(f);
}


static void
count(unsigned long at)
{
    static size_t  last;

    size_t         i, k;

    for (i = 0; i < nmaps; i++) {
        k = (last + i) % nmaps;

        if (at >= maps[k].start && at < maps[k].end) {
            maps[k].counts[at - maps[k].start]++;
            last = k;
            return;
        }
    }

    elsewhere++;
}


static void
tell(void)
{
    size_t   i, k, size;
    map_t   *map;

    for (i = 0; i < nmaps; i++) {
        map = &maps[i];
        size = map->end - map->start;

        for (k = 0; k < size; k++) {
            if (map->counts[k]) {
                (void) printf("%s %lx %u\n", map->name, map->offset + k,
                              map->counts[k]);
            }
        }

        memset(map->counts, 0, size * sizeof(uint32_t));
    }

    (void) printf("? 0 %u\n.\n", elsewhere);
    (void) fflush(stdout);
    elsewhere = 0;
    asked = 0;
}


/* Where the next instruction is, after one. */

static void
stopped(pid_t pid, int status)
{
    long  at;
    int   signo;

    signo = WSTOPSIG(status) == SIGTRAP || status >> 16 ? 0
            : WSTOPSIG(status);
    errno = 0;
    at = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0);

    if (at == -1 && errno) {
        if (errno == ESRCH) {
            return;
        }

        die("PTRACE_PEEKUSER");
    }

    count((unsigned long) at);

    if (ptrace(PTRACE_SINGLESTEP, pid, 0, (long) signo) == -1
        && errno != ESRCH)
    {
        die("PTRACE_SINGLESTEP");
    }
}


int
main(int argc, char **argv)
{
    int               status;
    pid_t             pid;
    struct sigaction  sa;

    pid = argc == 2 ? (pid_t) atoi(argv[1]) : 0;
    if (pid <= 0) {
        (void) fprintf(stderr, "usage: steps PID\n");
        return 2;
    }

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_signal;
    (void) sigaction(SIGUSR1, &sa, NULL);

    read_maps(pid);

    if (ptrace(PTRACE_SEIZE, pid, 0, 0) == -1
        || ptrace(PTRACE_INTERRUPT, pid, 0, 0) == -1)
    {
        die("ptrace");
    }

    for ( ;; ) {
        if (waitpid(pid, &status, __WALL) == -1) {
            if (errno != EINTR) {
                die("waitpid");
            }

            if (asked) {
                tell();
            }

            continue;
        }

        if (!WIFSTOPPED(status)) {
            return 0;
        }

        stopped(pid, status);
    }
}
