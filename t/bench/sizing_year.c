/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * sizing_year STORE INTAKE CODES CLICKS CONVERSIONS DAYS
 *
 * A store under retention: day after day CLICKS and CONVERSIONS of CODES come,
 * and clicks older than 30 days are purged, as nginx does, in steps between
 * commits.  Prints what the store is made of by month; fails when at the end
 * the file is larger than 1.3 times what it holds.
 */

#include "traffic.h"


#define KEEP    30                  /* days */
#define BATCH   500                 /* records in a transaction */
#define LIMIT   1.3


static size_t
pages(traffic_t *t, unsigned db)
{
    MDB_stat  stat;

    if (mdb_stat(t->snap->t.txn, t->store->dbi[db], &stat) != 0) {
        traffic_die("year", "a database could not be read");
    }

    return stat.ms_leaf_pages + stat.ms_branch_pages + stat.ms_overflow_pages;
}


static double
report(traffic_t *t, unsigned day, uint64_t purged)
{
    size_t                 clicks, counters;
    referral_store_info_t  info;

    info = traffic_info(t);

    (void) referral_snapshot_begin(t->snap);
    clicks = pages(t, STORE_JRNL) + pages(t, STORE_CLK);
    counters = pages(t, STORE_HOT) + pages(t, STORE_HIST)
               + pages(t, STORE_PRG);
    referral_snapshot_end(t->snap);

    printf("  %4u %10llu %10.1f %10.1f %10.1f %10.1f %6.2f\n", day,
           (unsigned long long) purged, (double) info.file_size / 1e6,
           (double) info.used / 1e6, (double) clicks * 4096 / 1e6,
           (double) counters * 4096 / 1e6,
           (double) info.file_size / (double) info.used);
    (void) fflush(stdout);

    return (double) info.file_size / (double) info.used;
}


int
main(int argc, char **argv)
{
    double            ratio;
    int64_t           first, start;
    uint64_t          purged;
    unsigned          day, days;
    static traffic_t  t;

    if (argc != 7) {
        traffic_die("usage", "see the top of t/bench/sizing_year.c");
    }

    days = (unsigned) atoi(argv[6]);
    traffic_open(&t, argv[1], argv[2], 0);
    (void) mdb_env_set_flags(t.store->env, MDB_NOSYNC, 1);

    t.batch = BATCH;
    first = ((int64_t) time(NULL) * 1000 / TRAFFIC_DAY - days) * TRAFFIC_DAY;
    traffic_add_codes(&t, (uint32_t) atoi(argv[3]), first);

    printf("%u days, clicks kept for %d, %u codes, %s clicks and %s "
           "conversions a day, MB\n  %4s %10s %10s %10s %10s %10s %6s\n", days,
           KEEP, t.codes, argv[4], argv[5], "day", "purged", "file", "used",
           "clicks", "counters", "ratio");

    purged = 0;
    ratio = 0;

    for (day = 0; day < days; day++) {
        start = first + (int64_t) day * TRAFFIC_DAY;

        traffic_clicks(&t, start, (unsigned) atoi(argv[4]));
        traffic_events(&t, start, (unsigned) atoi(argv[5]));
        purged += traffic_purge(&t, start - (int64_t) (KEEP - 1)
                                                  * TRAFFIC_DAY);

        if ((day + 1) % 30 == 0 || day + 1 == days) {
            ratio = report(&t, day + 1, purged);
        }
    }

    referral_snapshot_destroy(t.snap);
    referral_intake_close(t.intake);
    referral_store_close(t.store);

    if (ratio > LIMIT) {
        traffic_die("year", "the file is larger than it should be");
    }

    return 0;
}
