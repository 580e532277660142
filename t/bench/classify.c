/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a look at a user agent costs.  Reads user agents, one per line, from
 * the standard input; prints the mean time of a first look and of one that
 * the cache answers.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "referral_classify.h"


#define LINES   1000
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
read_lines(referral_str_t *lines)
{
    char    *line;
    size_t   n, size;
    ssize_t  len;

    for (n = 0; n < LINES; n++) {
        line = NULL;
        size = 0;
        len = getline(&line, &size, stdin);

        if (len < 2) {
            free(line);
            break;
        }

        lines[n].data = (unsigned char *) line;
        lines[n].len = (size_t) len - 1;
    }

    return n;
}


int
main(void)
{
    char                   why[256];
    double                 cold, warm;
    size_t                 i, n;
    unsigned               line;
    referral_agents_t     *agents;
    static referral_str_t  lines[LINES];

    n = read_lines(lines);

    if (n == 0) {
        fprintf(stderr, "no user agents on the standard input\n");
        return 2;
    }

    cold = 0;
    warm = 0;

    for (i = 0; i < ROUNDS; i++) {
        agents = referral_agents_create(NULL, 0, &line, why, sizeof(why));

        if (agents == NULL) {
            fprintf(stderr, "built-in list: %s\n", why);
            return 2;
        }

        look(agents, lines, n, &cold, &warm);

        referral_agents_free(agents);
    }

    printf("user agents %zu, uncached %.2f us, cached %.3f us\n", n,
           cold / (double) (n * ROUNDS), warm / (double) (n * ROUNDS));

    for (i = 0; i < n; i++) {
        free((void *) lines[i].data);
    }

    return 0;
}
