/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * year STORE INTAKE CODES CLICKS DAYS KEEP
 *
 * CLICKS a day for DAYS, each a day of the store; a few codes get most, see
 * traffic.h.  They are taken a second at a time, for 150,000 a second, and then
 * committed, each commit on disk: only that is timed.  KEEP: each day, clicks
 * older than so many days are purged in steps, as nginx does, and flushed once;
 * 0: never.  By month: what a second of the processor and of the wall applies,
 * the file, and the memory of the process.  Fails when the last month is slower
 * than the first by more than a fifth.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "traffic.h"


#define SECOND  150000              /* clicks */
#define RING    (64 << 20)
#define MAP     ((uint64_t) 64 << 30)
#define MONTHS  12
#define SLOWER  0.8

typedef struct {
    double      wall;
    double      cpu;
    uint64_t    clicks;
} spent_t;

typedef struct {
    traffic_t   t;
    spent_t     apply;
    spent_t     purge;
    uint64_t    taken;
    uint64_t    purged;
} year_t;


static void
start(spent_t *spent)
{
    spent->wall -= traffic_seconds();
    spent->cpu -= traffic_cpu();
}


static void
stop(spent_t *spent, uint64_t clicks)
{
    spent->wall += traffic_seconds();
    spent->cpu += traffic_cpu();
    spent->clicks += clicks;
}


static void
apply(year_t *year, unsigned clicks)
{
    start(&year->apply);
    traffic_apply(&year->t);
    stop(&year->apply, clicks);

    year->taken += clicks;
}


static void
take(year_t *year, int64_t day, unsigned clicks)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < clicks; i++) {
        traffic_add_click(&year->t, day + (int64_t) i * TRAFFIC_DAY / clicks);

        if (++n == SECOND) {
            apply(year, n);
            n = 0;
        }
    }

    apply(year, n);
}


static void
purge(year_t *year, int64_t before)
{
    uint64_t  n;

    (void) mdb_env_set_flags(year->t.store->env, MDB_NOSYNC, 1);

    start(&year->purge);
    n = traffic_purge(&year->t, before);

    /* what it has written is not for the next commit to flush */

    (void) mdb_env_sync(year->t.store->env, 1);
    stop(&year->purge, n);

    (void) mdb_env_set_flags(year->t.store->env, MDB_NOSYNC, 0);
    year->purged += n;
}


/* MB of this process, by the name in /proc. */

static double
memory(const char *name)
{
    FILE    *f;
    char     line[128];
    double   kb;
    size_t   len;

    kb = 0;
    len = strlen(name);
    f = fopen("/proc/self/status", "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, name, len) == 0) {
            kb = atof(line + len);
        }
    }

    if (f != NULL) {
        (void) fclose(f);
    }

    return kb / 1024;
}


/* Of the month; returns what a second of the processor applied. */

static double
report(year_t *year, unsigned day)
{
    double                 rate;
    referral_store_info_t  info;

    info = traffic_info(&year->t);
    rate = (double) year->apply.clicks / year->apply.cpu;

    printf("  %4u %8.1f %10.0f %10.0f %10.2f %9.0f %9.0f %8.1f %8.0f\n", day,
           (double) year->taken / 1e6, rate,
           (double) year->apply.clicks / year->apply.wall,
           year->purge.clicks
               ? year->purge.cpu / (double) year->purge.clicks * 1e6 : 0,
           (double) info.file_size / 1e6, (double) info.used / 1e6,
           memory("RssAnon:"), memory("RssFile:"));
    (void) fflush(stdout);

    memset(&year->apply, 0, sizeof(spent_t));
    memset(&year->purge, 0, sizeof(spent_t));

    return rate;
}


static void
summary(year_t *year, double before)
{
    referral_store_info_t  info;

    info = traffic_info(&year->t);

    printf("clicks %llu, in the journal %llu; bytes of the file per click "
           "%.1f, of what is used %.1f, per click in the journal %.1f\n",
           (unsigned long long) year->taken,
           (unsigned long long) (year->taken - year->purged),
           (double) info.file_size / (double) year->taken,
           ((double) info.used - before) / (double) year->taken,
           ((double) info.used - before)
           / (double) (year->taken - year->purged));
}


int
main(int argc, char **argv)
{
    double         before, first, last;
    int64_t        now;
    unsigned       day, days, keep;
    static year_t  year;

    if (argc != 7) {
        traffic_die("usage", "see the top of t/bench/year.c");
    }

    days = (unsigned) atoi(argv[5]);
    keep = (unsigned) atoi(argv[6]);
    now = ((int64_t) time(NULL) * 1000 / TRAFFIC_DAY - days) * TRAFFIC_DAY;

    year.t.ring = RING;
    year.t.map = MAP;
    traffic_open(&year.t, argv[1], argv[2], 0);
    traffic_add_codes(&year.t, (uint32_t) atoi(argv[3]), now);
    year.t.batch = UINT32_MAX;

    before = (double) traffic_info(&year.t).used;
    first = last = 0;

    printf("%u days of %s clicks for %u codes, kept for %u days; MB\n"
           "  %4s %8s %10s %10s %10s %9s %9s %8s %8s\n", days, argv[4],
           year.t.codes, keep, "day", "million", "/s cpu", "/s wall",
           "us/purged", "file", "used", "private", "mapped");

    for (day = 0; day < days; day++, now += TRAFFIC_DAY) {
        take(&year, now, (unsigned) atoi(argv[4]));

        if (keep != 0) {
            purge(&year, now - (int64_t) (keep - 1) * TRAFFIC_DAY);
        }

        if ((day + 1) * MONTHS / days != day * MONTHS / days) {
            last = report(&year, day + 1);
            first = (first == 0) ? last : first;
        }
    }

    traffic_check(&year.t, year.taken);
    summary(&year, before);

    referral_snapshot_destroy(year.t.snap);
    referral_intake_close(year.t.intake);
    referral_store_close(year.t.store);

    if (last < first * SLOWER) {
        traffic_die("year", "the last month is slower than the first");
    }

    return 0;
}
