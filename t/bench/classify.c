/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a look at a user agent costs: the mean time of a first look, and of one
 * that the cache answers.  User agents are the lines of the files that are
 * named, or of the standard input; where that is empty, of the lists of the
 * tests, so that the program is run from the checkout.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "referral_classify.h"


#define LINES   4096
#define ROUNDS  20


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


/* Of each line, the first look is cold and the others are warm. */

static void
look(referral_agents_t *agents, const referral_str_t *lines, size_t n,
    double *cold, double *warm)
{
    int     own;
    double  start, middle;
    size_t  i, k;

    for (i = 0; i < n; i++) {
        start = now();

        referral_agents_match(agents, lines[i], &own);

        middle = now();

        for (k = 0; k < ROUNDS; k++) {
            referral_agents_match(agents, lines[i], &own);
        }

        *cold += middle - start;
        *warm += (now() - middle) / ROUNDS;
    }
}


static size_t
read_lines(FILE *f, referral_str_t *lines)
{
    char    *line;
    size_t   n, size;
    ssize_t  len;

    for (n = 0; n < LINES; n++) {
        line = NULL;
        size = 0;
        len = getline(&line, &size, f);

        if (len < 2) {
            free(line);
            break;
        }

        lines[n].data = (unsigned char *) line;
        lines[n].len = (size_t) len - 1;
    }

    return n;
}


/* Returns 0 when there was nothing to read. */

static int
measure(FILE *f, const char *name)
{
    char                   why[256];
    double                 cold, warm;
    size_t                 i, n;
    unsigned               line;
    referral_agents_t     *agents;
    static referral_str_t  lines[LINES];

    n = read_lines(f, lines);

    if (n == 0) {
        return 0;
    }

    cold = 0;
    warm = 0;

    for (i = 0; i < ROUNDS; i++) {
        agents = referral_agents_create(NULL, 0, &line, why, sizeof(why));

        if (agents == NULL) {
            fprintf(stderr, "built-in list: %s\n", why);
            exit(2);
        }

        look(agents, lines, n, &cold, &warm);

        referral_agents_free(agents);
    }

    printf("user agents %zu, uncached %.2f us, cached %.3f us  %s\n", n,
           cold / (double) (n * ROUNDS), warm / (double) (n * ROUNDS), name);

    for (i = 0; i < n; i++) {
        free((void *) lines[i].data);
    }

    return 1;
}


static void
measure_file(const char *name)
{
    FILE  *f;

    f = fopen(name, "r");

    if (f == NULL || !measure(f, name)) {
        fprintf(stderr, "no user agents in %s\n", name);
        exit(2);
    }

    fclose(f);
}


int
main(int argc, char **argv)
{
    int  i;

    for (i = 1; i < argc; i++) {
        measure_file(argv[i]);
    }

    if (argc == 1 && (isatty(STDIN_FILENO) || !measure(stdin, "-"))) {
        measure_file("t/vectors/crawler-user-agents.txt");
        measure_file("t/vectors/browsers.txt");
    }

    return 0;
}
