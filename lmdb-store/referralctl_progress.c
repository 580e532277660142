/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * How far a long command is, for who watches, and that it was told to stop.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "referralctl.h"


#define CTL_REDRAW_MS  200
#define CTL_LEFT_MS    1000     /* before that nobody knows */
#define CTL_BAR        30       /* characters, at most */
#define CTL_COLUMNS    80
#define CTL_MIB        1048576.0


/* One at a time: there is one terminal. */

static struct {
    const char             *unit;       /* NULL: none */
    unsigned                terminal;
    unsigned                shown;
    int64_t                 began;
    int64_t                 drawn;
} ctl_bar;

static volatile sig_atomic_t  ctl_signal;


static void
ctl_told(int signo)
{
    ctl_signal = signo;
}


static int64_t
ctl_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* What waits for input is to return: no SA_RESTART. */

void
ctl_progress_begin(const char *unit)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = ctl_told;

    (void) sigaction(SIGINT, &sa, NULL);
    (void) sigaction(SIGTERM, &sa, NULL);

    ctl_bar.unit = unit;
    ctl_bar.terminal = isatty(STDERR_FILENO) == 1;
    ctl_bar.shown = 0;
    ctl_bar.began = ctl_clock();
    ctl_bar.drawn = 0;
}


unsigned
ctl_stopped(void)
{
    return ctl_signal != 0;
}


static int
ctl_columns(void)
{
    struct winsize  size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_col == 0) {
        return CTL_COLUMNS;
    }

    return size.ws_col;
}


/* "3:07", or "2:03:07". */

static int
ctl_left(char *text, size_t size, int64_t seconds)
{
    if (seconds >= 3600) {
        return snprintf(text, size, ", %" PRId64 ":%02d:%02d left",
                        seconds / 3600, (int) (seconds / 60 % 60),
                        (int) (seconds % 60));
    }

    return snprintf(text, size, ", %d:%02d left", (int) (seconds / 60),
                    (int) (seconds % 60));
}


static int
ctl_numbers(char *text, size_t size, uint64_t done, uint64_t all)
{
    if (strcmp(ctl_bar.unit, "bytes") == 0) {
        return all ? snprintf(text, size, "%.1f of %.1f MiB",
                              (double) done / CTL_MIB, (double) all / CTL_MIB)
                   : snprintf(text, size, "%.1f MiB",
                              (double) done / CTL_MIB);
    }

    return all ? snprintf(text, size, "%" PRIu64 " of %" PRIu64 " %s", done,
                          all, ctl_bar.unit)
               : snprintf(text, size, "%" PRIu64 " %s", done, ctl_bar.unit);
}


static void
ctl_draw(uint64_t done, uint64_t all, int64_t now)
{
    int       n, width, filled;
    char      text[160];
    double    part;
    int64_t   took;

    static const char  full[] = "##############################";
    static const char  empty[] = "..............................";

    n = ctl_numbers(text, sizeof(text), done, all);
    part = all ? (double) done / (double) all : 0;
    took = now - ctl_bar.began;

    if (all != 0) {
        n += snprintf(text + n, sizeof(text) - (size_t) n, ", %u %%",
                      (unsigned) (part * 100));

        if (took >= CTL_LEFT_MS && done != 0) {
            n += ctl_left(text + n, sizeof(text) - (size_t) n,
                          (int64_t) ((double) took * (1 - part) / part)
                          / 1000);
        }
    }

    width = ctl_columns() - n - 5;
    width = (all == 0 || width < 5) ? 0 : (width > CTL_BAR) ? CTL_BAR : width;
    filled = (int) (part * width);

    (void) fprintf(stderr, width ? "\r[%.*s%.*s] %s\033[K"
                                 : "\r%.*s%.*s%s\033[K",
                   filled, full, width - filled, empty, text);
}


int
ctl_progress(uint64_t done, uint64_t all)
{
    int64_t  now;

    if (ctl_bar.unit != NULL && ctl_bar.terminal) {
        now = ctl_clock();

        if (!ctl_bar.shown || now - ctl_bar.drawn >= CTL_REDRAW_MS) {
            ctl_draw((all && done > all) ? all : done, all, now);
            ctl_bar.shown = 1;
            ctl_bar.drawn = now;
        }
    }

    return ctl_signal != 0;
}


int
ctl_progress_watch(void *data, uint64_t done, uint64_t all)
{
    (void) data;

    return ctl_progress(done, all);
}


/* A recount cannot be stopped from within, but nothing of it is to be kept. */

void
ctl_progress_verify(void *data, uint64_t done, uint64_t all)
{
    (void) data;

    if (ctl_progress(done, all)) {
        (void) ctl_stop("nothing was changed");
        (void) fflush(stdout);
        _exit(CTL_FAILED);
    }
}


ctl_rc_t
ctl_stop(const char *what)
{
    return ctl_fail("stopped by a signal: %s", what);
}


void
ctl_progress_clear(void)
{
    if (ctl_bar.shown) {
        ctl_bar.shown = 0;
        (void) fputs("\r\033[K", stderr);
    }
}


void
ctl_progress_end(void)
{
    ctl_progress_clear();
    ctl_bar.unit = NULL;
}
