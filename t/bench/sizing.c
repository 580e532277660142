/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What t/bench/sizing does to a store directly; results are key=value.
 *
 *   sizing fill STORE INTAKE CODES CLICKS DAYS CONVERSIONS
 *   sizing tables STORE            pages and rows of each database
 *   sizing lookup STORE CODES N    random codes, one after the other
 *   sizing codes FIRST N           names of codes
 *   sizing drop FILE ...           out of the page cache; what stays there
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <fcntl.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "traffic.h"


#define PAGE  4096


static const char  *names[STORE_DBS] = {
    "meta", "prog", "code", "cid", "own", "dim", "hot", "hist", "prg",
    "jrnl", "clk", "uq0", "uq1", "uq2", "rule", "nam", "ord", "hld", "rfd",
    "cus", "rwd", "rws", "cnt", "due", "scr", "ldr"
};


/* ------------------------------------------------------------------- fill */

typedef struct {
    double    codes;
    double    clicks;
    double    conversions;
} grown_t;


static uint64_t
used(traffic_t *t)
{
    return traffic_info(t).used;
}


static int
add_events(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    (void) event;
    (void) start;

    *(uint64_t *) data += referral_tally_count(tally);

    return 0;
}


/* All that was taken has to be there. */

static void
check(traffic_t *t, uint64_t clicks, uint64_t conversions)
{
    uint64_t           events;
    referral_counts_t  counts;

    events = 0;

    if (referral_snapshot_begin(t->snap) != REFERRAL_OK
        || referral_counts_get(t->snap, t->program, 0, &counts)
           != REFERRAL_OK
        || referral_tally_list(t->snap, t->program, REFERRAL_TALLY_ALL, 0, 0,
                               0, add_events, &events)
           != REFERRAL_OK
        || referral_counts_total(&counts) != clicks || events != conversions)
    {
        traffic_die("fill", "the store does not hold what it was given");
    }

    referral_snapshot_end(t->snap);
}


static void
fill(char **argv)
{
    double     seconds;
    int64_t    first;
    uint64_t   before, after, clicks, conversions;
    unsigned   day, days;
    grown_t    grown;
    static traffic_t  t;
    referral_store_info_t  info;

    seconds = traffic_seconds();
    clicks = strtoull(argv[3], NULL, 10);
    days = (unsigned) atoi(argv[4]);
    conversions = strtoull(argv[5], NULL, 10);

    traffic_open(&t, argv[0], argv[1], 0);

    /* where the pages end up is the same, and they are written once */

    (void) mdb_env_set_flags(t.store->env, MDB_NOSYNC, 1);

    first = ((int64_t) time(NULL) * 1000 / TRAFFIC_DAY - days) * TRAFFIC_DAY;
    before = used(&t);
    traffic_add_codes(&t, (uint32_t) atoi(argv[2]), first);
    after = used(&t);
    grown.codes = (double) (after - before);
    grown.clicks = grown.conversions = 0;

    for (day = 0; day < days; day++) {
        before = after;
        traffic_clicks(&t, first + (int64_t) day * TRAFFIC_DAY,
                       (unsigned) (clicks * (day + 1) / days
                                   - clicks * day / days));
        after = used(&t);
        grown.clicks += (double) after - (double) before;

        before = after;
        traffic_events(&t, first + (int64_t) day * TRAFFIC_DAY,
                       (unsigned) (conversions * (day + 1) / days
                                   - conversions * day / days));
        after = used(&t);
        grown.conversions += (double) after - (double) before;
    }

    check(&t, clicks, conversions);
    (void) mdb_env_sync(t.store->env, 1);
    info = traffic_info(&t);

    printf("seconds=%.1f codes=%u clicks=%llu conversions=%llu "
           "per_code=%.1f per_click=%.1f per_conversion=%.1f file=%llu "
           "used=%llu journal=%llu\n", traffic_seconds() - seconds, t.codes,
           (unsigned long long) clicks, (unsigned long long) conversions,
           grown.codes / t.codes, clicks ? grown.clicks / (double) clicks : 0,
           conversions ? grown.conversions / (double) conversions : 0,
           (unsigned long long) info.file_size,
           (unsigned long long) info.used, (unsigned long long) info.journal);

    referral_snapshot_destroy(t.snap);
    referral_intake_close(t.intake);
    referral_store_close(t.store);
}


/* ----------------------------------------------------------------- tables */

static void
table(traffic_t *t, unsigned db)
{
    uint64_t     bytes;
    MDB_val      k, v;
    MDB_stat     stat;
    MDB_cursor  *cursor;
    store_txn_t *txn;

    txn = &t->snap->t;
    bytes = 0;

    if (mdb_stat(txn->txn, t->store->dbi[db], &stat) != 0
        || mdb_cursor_open(txn->txn, t->store->dbi[db], &cursor) != 0)
    {
        traffic_die("tables", names[db]);
    }

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        bytes += k.mv_size + v.mv_size;
    }

    mdb_cursor_close(cursor);

    printf("db=%s rows=%zu pages=%zu depth=%u bytes=%llu\n", names[db],
           stat.ms_entries, stat.ms_leaf_pages + stat.ms_branch_pages
           + stat.ms_overflow_pages, stat.ms_depth,
           (unsigned long long) bytes);
}


static void
tables(char **argv)
{
    unsigned   i;
    static traffic_t  t;
    referral_store_info_t  info;

    traffic_open(&t, argv[0], NULL, 1);
    info = traffic_info(&t);

    printf("file=%llu used=%llu journal=%llu codes=%llu\n",
           (unsigned long long) info.file_size,
           (unsigned long long) info.used, (unsigned long long) info.journal,
           (unsigned long long) info.codes);

    (void) referral_snapshot_begin(t.snap);

    for (i = 0; i < STORE_DBS; i++) {
        table(&t, i);
    }

    referral_snapshot_end(t.snap);
}


/* ----------------------------------------------------------------- lookup */

static int
ascending(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


/* A snapshot for each, as a redirect has. */

static void
lookup(char **argv)
{
    double           *us, start;
    unsigned          i, n, codes;
    referral_code_t   code;
    static traffic_t  t;

    codes = (unsigned) atoi(argv[1]);
    n = (unsigned) atoi(argv[2]);
    us = calloc(n, sizeof(double));

    if (us == NULL || n == 0 || codes == 0) {
        traffic_die("lookup", "nothing to do");
    }

    traffic_open(&t, argv[0], NULL, 1);
    t.rng = (uint64_t) getpid();

    for (i = 0; i < n; i++) {
        (void) traffic_code(traffic_below(&t, codes), t.code);
        start = traffic_seconds();

        if (referral_snapshot_begin(t.snap) != REFERRAL_OK
            || referral_code_get(t.snap, t.program, traffic_str(t.code),
                                 &code)
               != REFERRAL_OK)
        {
            traffic_die("lookup", t.code);
        }

        referral_snapshot_end(t.snap);
        us[i] = (traffic_seconds() - start) * 1e6;
    }

    start = us[0];
    qsort(us, n, sizeof(double), ascending);
    printf("first=%.1f p50=%.2f p99=%.2f max=%.1f\n", start, us[n / 2],
           us[n * 99ul / 100], us[n - 1]);
}


static void
codes(char **argv)
{
    char      buf[16];
    unsigned  i, first;

    first = (unsigned) atoi(argv[0]);

    for (i = 0; i < (unsigned) atoi(argv[1]); i++) {
        (void) traffic_code(first + i, buf);
        (void) puts(buf);
    }
}


/* ------------------------------------------------------------- page cache */

static double
resident(int fd, size_t size)
{
    void           *p;
    size_t          i, n;
    unsigned char  *pages;

    n = 0;
    p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    pages = malloc(size / PAGE + 1);

    if (p == MAP_FAILED || pages == NULL || mincore(p, size, pages) == -1) {
        traffic_die("drop", "what is in memory is not known");
    }

    for (i = 0; i < (size + PAGE - 1) / PAGE; i++) {
        n += pages[i] & 1;
    }

    (void) munmap(p, size);
    free(pages);

    return (double) n * PAGE;
}


/* Works while no process has the file mapped. */

static void
drop(char *file)
{
    int          fd;
    struct stat  st;

    fd = open(file, O_RDONLY);

    if (fd == -1 || fstat(fd, &st) == -1 || fsync(fd) == -1
        || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
    {
        traffic_die("drop", file);
    }

    printf("resident=%.0f\n", resident(fd, (size_t) st.st_size));
    (void) close(fd);
}


static const struct {
    const char  *name;
    int          args;
    void       (*run)(char **argv);
} commands[] = {
    { "fill", 6, fill },
    { "tables", 1, tables },
    { "lookup", 3, lookup },
    { "codes", 2, codes }
};


int
main(int argc, char **argv)
{
    int     i;
    size_t  k;

    if (argc >= 3 && strcmp(argv[1], "drop") == 0) {
        for (i = 2; i < argc; i++) {
            drop(argv[i]);
        }

        return 0;
    }

    for (k = 0; k < sizeof(commands) / sizeof(commands[0]); k++) {
        if (argc - 2 == commands[k].args
            && strcmp(argv[1], commands[k].name) == 0)
        {
            commands[k].run(argv + 2);
            return 0;
        }
    }

    traffic_die("usage", "see the top of t/bench/sizing.c");
}
