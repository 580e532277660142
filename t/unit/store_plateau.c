/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A store under retention stops growing: months of clicks and orders pass,
 * clicks older than 30 days are purged each day.
 *
 * Would catch: a purge that leaves rows, in the journal or in the index of
 * clicks; pages that nobody uses again; a purge that takes what it must keep,
 * or that leaves counters the recount does not explain.
 */

#include "store_test.h"
#include "../bench/traffic.h"


#define KEEP     30         /* days */
#define SETTLED  60         /* days, after which nothing is new */
#define DAYS     150
#define CODES    5
#define CLICKS   400        /* a day */
#define ORDERS   1


typedef struct {
    unsigned               reader;      /* holds a snapshot all the time */
    referral_store_info_t  settled;
    referral_store_info_t  end;
    uint64_t               rows;        /* of the index of clicks */
    uint64_t               settled_pages;
    uint64_t               pages;       /* of that, and of the journal */
    uint64_t               purged;
    uint64_t               differences;
} year_t;


/* Pages of the journal and of the index of clicks, whose rows are told. */

static uint64_t
pages(traffic_t *t, uint64_t *rows)
{
    MDB_stat  jrnl, clk;

    if (referral_snapshot_begin(t->snap) != REFERRAL_OK
        || mdb_stat(t->snap->t.txn, t->store->dbi[STORE_JRNL], &jrnl) != 0
        || mdb_stat(t->snap->t.txn, t->store->dbi[STORE_CLK], &clk) != 0)
    {
        traffic_die("pages", "the store could not be read");
    }

    referral_snapshot_end(t->snap);
    *rows = clk.ms_entries;

    return jrnl.ms_leaf_pages + jrnl.ms_branch_pages + clk.ms_leaf_pages
           + clk.ms_branch_pages;
}


static void
live(test_store_t *ts, void *data)
{
    year_t               *year;
    int64_t               day;
    unsigned              i;
    referral_snapshot_t  *old;
    static traffic_t      t;

    year = data;
    day = (int64_t) 20000 * TRAFFIC_DAY;
    old = NULL;

    traffic_open(&t, ts->path, ts->rings, 0);
    t.batch = 100;
    traffic_add_codes(&t, CODES, day);

    for (i = 0; i < DAYS; i++, day += TRAFFIC_DAY) {
        traffic_clicks(&t, day, CLICKS);
        traffic_events(&t, day, ORDERS);
        year->purged += traffic_purge(&t, day - (int64_t) (KEEP - 1)
                                                 * TRAFFIC_DAY);

        if (i == SETTLED) {
            year->settled = traffic_info(&t);
            year->settled_pages = pages(&t, &year->rows);

            if (year->reader) {
                ts->store = t.store;
                old = test_snapshot(ts);
            }
        }
    }

    year->end = traffic_info(&t);
    year->pages = pages(&t, &year->rows);

    if (old == NULL) {
        ts->store = t.store;
        year->differences = test_verify(ts);
    }

    referral_intake_close(t.intake);
}


static double
ratio(uint64_t a, uint64_t b)
{
    return (double) a / (double) b;
}


int
main(void)
{
    int            status;
    year_t        *year;
    test_store_t   ts;

    year = test_shared(sizeof(year_t));

    test_make(&ts);
    tap_ok(test_child(live, &ts, year) == 0, "five months pass");
    test_remove(&ts);

    printf("# after %u days %llu kB, %llu used; after %u %llu kB, %llu used\n",
           SETTLED, (unsigned long long) year->settled.file_size / 1024,
           (unsigned long long) year->settled.used / 1024, DAYS,
           (unsigned long long) year->end.file_size / 1024,
           (unsigned long long) year->end.used / 1024);

    tap_ok(year->purged + KEEP * CLICKS + DAYS * ORDERS >= DAYS * CLICKS
           && year->purged <= (DAYS - KEEP) * CLICKS,
           "clicks older than %d days are purged, but those of orders", KEEP);
    tap_ok(year->rows == DAYS * CLICKS - year->purged,
           "the index has the clicks that are left");
    tap_ok(ratio(year->end.file_size, year->end.used) <= 1.3,
           "the file is at most 1.3 times what it holds: %.2f",
           ratio(year->end.file_size, year->end.used));
    tap_ok(ratio(year->pages, year->settled_pages) <= 1.3,
           "clicks take no more of it than three months before: %.2f times",
           ratio(year->pages, year->settled_pages));
    tap_ok(year->differences == 0, "the recount explains every counter");

    memset(year, 0, sizeof(year_t));
    year->reader = 1;

    test_make(&ts);
    status = test_child(live, &ts, year);
    tap_ok(status == 0
           && ratio(year->end.file_size, year->end.used) > 1.3,
           "with a reader that never ends the file would be larger: %.2f",
           ratio(year->end.file_size, year->end.used));
    test_remove(&ts);

    return tap_done();
}
