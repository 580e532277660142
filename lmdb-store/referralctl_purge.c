/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * purge: clicks that are old, a few at a time.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "referralctl.h"


#define CTL_REST_US     5000        /* between steps: others want to write */
#define CTL_SECONDS     3153600000  /* 100 years */


typedef struct {
    uint64_t            purged;
    uint64_t            kept;
} ctl_purged_t;


static ctl_rc_t ctl_seconds(const char *text, int64_t *seconds);
static ctl_rc_t ctl_purge_program(ctl_store_t *r, const ctl_args_t *args,
    int64_t seconds, ctl_purged_t *sum);
static ctl_rc_t ctl_purge_steps(ctl_store_t *r, uint32_t program,
    int64_t before, ctl_purged_t *sum);
static ctl_rc_t ctl_purge_end(const ctl_purged_t *sum, unsigned json);


ctl_rc_t
ctl_purge(const ctl_args_t *args)
{
    int64_t       seconds;
    ctl_rc_t      rc, printed;
    ctl_store_t   r;
    ctl_purged_t  sum;

    rc = ctl_seconds(args->words[2], &seconds);

    if (rc == CTL_OK) {
        rc = ctl_open(&r, args->words[0], 1);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    memset(&sum, 0, sizeof(ctl_purged_t));

    rc = ctl_purge_program(&r, args, seconds, &sum);
    ctl_close(&r);

    if (rc != CTL_OK && !ctl_stopped()) {
        return rc;
    }

    printed = ctl_purge_end(&sum, args->json);

    return (rc == CTL_OK) ? printed : rc;
}


/* As nginx reads times, "30d", "1d 12h"; but "90" may be meant as days. */

static ctl_rc_t
ctl_seconds(const char *text, int64_t *seconds)
{
    char        *end;
    size_t       i, last;
    const char  *p;
    long long    n;

    static const struct {
        char     name;
        int64_t  seconds;
    } units[] = {
        { 'y', 365 * 86400 }, { 'M', 30 * 86400 }, { 'w', 7 * 86400 },
        { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 }
    };

    *seconds = 0;
    last = 0;

    for (p = text; *p != '\0' && last < 7; p = end) {
        n = (*p >= '0' && *p <= '9') ? strtoll(p, &end, 10) : -1;

        if (n < 0 || n > CTL_SECONDS) {
            break;
        }

        for (i = last; i < 7 && units[i].name != *end; i++) { /* void */ }

        if (i == 7) {
            break;
        }

        *seconds += n * units[i].seconds;
        last = i + 1;
        end++;
        end += (*end == ' ' && end[1] != '\0');
    }

    if (p == text || *p != '\0' || *seconds > CTL_SECONDS) {
        return ctl_fail("\"%s\" is no time like 90d, 12h or \"1d 12h\"",
                        text);
    }

    return CTL_OK;
}


static ctl_rc_t
ctl_purge_program(ctl_store_t *r, const ctl_args_t *args, int64_t seconds,
    ctl_purged_t *sum)
{
    ctl_rc_t         rc;
    uint32_t         program;

    rc = ctl_program(r, args->words[1], &program);

    if (rc == CTL_OK) {
        rc = ctl_drain(r);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    ctl_progress_begin("clicks purged");
    rc = ctl_purge_steps(r, program, (ctl_now() / 1000 - seconds) * 1000,
                         sum);
    ctl_progress_end();

    return rc;
}


static ctl_rc_t
ctl_purge_steps(ctl_store_t *r, uint32_t program, int64_t before,
    ctl_purged_t *sum)
{
    unsigned          tries;
    referral_rc_t     rc;
    referral_error_t  err;
    referral_purge_t  step;

    tries = 0;

    for ( ;; ) {
        rc = referral_store_purge(r->store, program, before, &step, &err);

        if (ctl_again(rc, &tries)) {
            continue;
        }

        if (rc != REFERRAL_OK) {
            return ctl_refused(r, &err);
        }

        sum->purged += step.purged;
        sum->kept += step.kept;

        if (!step.more) {
            return CTL_OK;
        }

        if (ctl_progress(sum->purged, 0)) {
            return ctl_stop("the next purge goes on from here");
        }

        (void) usleep(CTL_REST_US);
    }
}


static ctl_rc_t
ctl_purge_end(const ctl_purged_t *sum, unsigned json)
{
    if (json) {
        return ctl_print_json(json_pack("{s:I, s:I}",
                 "purged", (json_int_t) sum->purged,
                 "kept", (json_int_t) sum->kept));
    }

    (void) printf("purged  %" PRIu64 "\n", sum->purged);
    (void) printf("kept    %" PRIu64 "\n", sum->kept);

    return CTL_OK;
}
