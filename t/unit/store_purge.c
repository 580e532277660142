/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Clicks leave the journal, by and by, in random order of times, with labels
 * that find no room; a store of schema 2 with some of everything loses all its
 * clicks.  Counters stay, verify finds nothing; and then it finds whatever is
 * changed by hand, which rebuild mends or refuses to.
 *
 * Would catch: a click folded twice or not at all, one that is needed and
 * purged, a counter that verify does not look at any more, a rebuild that
 * trusts a damaged journal.
 */

#include "store_test.h"

#include "referral_tools.h"


#define DAY     INT64_C(86400000)
#define FIRST   (INT64_C(20000) * DAY)
#define CLICKS  6000
#define DAYS    12


static struct {
    uint64_t    differences;
    uint64_t    counts;             /* that changed */
    uint64_t    purged;
    uint64_t    kept;
    uint64_t    folded;
    unsigned    left;
    unsigned    lost;
    unsigned    unseen;
    unsigned    mended;
    unsigned    refused;
    unsigned    wrong;
} *shared;


static uint64_t
purge(test_store_t *ts, uint32_t program, int64_t before)
{
    uint64_t          n;
    referral_purge_t  step;

    n = 0;

    do {
        test_must(ts, referral_store_purge(ts->store, program, before, &step,
                                           &ts->err),
                  "referral_store_purge");
        n += step.purged;

    } while (step.more);

    return n;
}


/* All counters that a program and three codes show, as one number. */

static int
mix_counts(void *data, referral_str_t label, int64_t start,
    const referral_counts_t *counts)
{
    unsigned   i;
    uint64_t  *h;

    h = data;
    *h = (*h ^ (uint64_t) start ^ label.len) * 0x100000001b3u;

    for (i = 0; i < label.len; i++) {
        *h = (*h ^ label.data[i]) * 0x100000001b3u;
    }

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        *h = (*h ^ counts->classes[i]) * 0x100000001b3u;
    }

    *h = (*h ^ counts->unique) * 0x100000001b3u;

    return 0;
}


static uint64_t
all_counts(test_store_t *ts, uint32_t program)
{
    uint64_t              h;
    uint32_t              code;
    unsigned              dim;
    referral_counts_t     counts;
    referral_snapshot_t  *snap;

    h = 0xcbf29ce484222325u;
    snap = test_snapshot(ts);

    for (code = 0; code < 4; code++) {
        (void) referral_counts_get(snap, program, code, &counts);
        (void) mix_counts(&h, test_str("all"), 0, &counts);

        for (dim = REFERRAL_DIM_DAY; dim <= REFERRAL_DIM_LANDING; dim++) {
            (void) referral_counts_by(snap, program, code, dim, 0, 0,
                                      mix_counts, &h);
        }
    }

    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    return h;
}


static int
count_row(void *data, const MDB_val *key, const MDB_val *value)
{
    store_click_row_t  row;

    (void) key;

    if (value->mv_size == sizeof(row)
        && *(unsigned char *) value->mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, value->mv_data, sizeof(row));
        ++*(unsigned *) data;
        shared->folded += (row.folded != 0);
    }

    return 0;
}


/* Clicks in the journal. */

static unsigned
clicks_left(test_store_t *ts)
{
    unsigned              n;
    store_txn_t           t;
    static unsigned char  first[8];

    n = 0;

    if (store_begin(&t, ts->store, MDB_RDONLY) != 0) {
        _exit(98);
    }

    store_walk(&t, STORE_JRNL, first, sizeof(first), 0, count_row, &n);
    store_abort(&t);

    return n;
}


static void
take_clicks(test_store_t *ts, uint32_t first, uint32_t second)
{
    char                 landing[32];
    uint64_t             i, seq;
    referral_intake_t   *intake;
    referral_record_t    record;

    intake = test_intake(ts);

    for (i = 1; i <= CLICKS; i++) {
        record = test_click(test_random(&ts->rng) % 5 ? first : second, i);
        record.time = FIRST + (int64_t) (i * DAYS * DAY / CLICKS)
                      - (int64_t) (test_random(&ts->rng) % (2 * DAY));
        record.u.click.code = test_str(test_random(&ts->rng) % 3 ? "A" : "B");
        record.u.click.flags = REFERRAL_CLICK_OPEN;
        record.u.click.class = (uint8_t) (test_random(&ts->rng) % 3);
        record.u.click.visitor = 1 + test_random(&ts->rng) % 900;
        record.u.click.unique_window = 86400;

        snprintf(landing, sizeof(landing), "/%u",
                 (unsigned) (test_random(&ts->rng) % 150));
        record.u.click.landing = test_str(landing);
        record.u.click.channel = test_str(test_random(&ts->rng) % 2 ? "wa"
                                                                    : "");

        if (referral_intake_put(intake, &record, &seq) == REFERRAL_FULL) {
            (void) test_apply_all(ts, intake, 1);
            test_must(ts, referral_intake_put(intake, &record, &seq), "put");
        }
    }

    (void) test_apply_all(ts, intake, 1);
}


static void
random_clicks(test_store_t *ts, void *data)
{
    int64_t   before;
    uint32_t  first, second;
    uint64_t  counts[2];

    (void) data;

    test_open(ts);
    first = test_program(ts, "first");
    second = test_program(ts, "second");
    take_clicks(ts, first, second);

    counts[0] = all_counts(ts, first);
    counts[1] = all_counts(ts, second);
    (void) clicks_left(ts);

    for (before = FIRST - DAY; before < FIRST + (DAYS + 1) * DAY;
         before += DAY / 2 + (int64_t) (test_random(&ts->rng) % DAY))
    {
        shared->purged += purge(ts, first, before);
        shared->differences += test_verify(ts);

        if (test_random(&ts->rng) % 2) {
            shared->purged += purge(ts, second, before);
        }
    }

    shared->purged += purge(ts, first, INT64_MAX);
    shared->purged += purge(ts, second, INT64_MAX);

    shared->differences += test_verify(ts);
    shared->counts = (counts[0] != all_counts(ts, first))
                     + (counts[1] != all_counts(ts, second));
    shared->left = clicks_left(ts);
}


/*
 * For an hour the clock is years ahead, and then another program has many
 * clicks: that stops nothing, and those of that hour go when it is time.
 */

static void
wrong_clock(test_store_t *ts, void *data)
{
    uint32_t             program, other;
    uint64_t             i, seq;
    referral_intake_t   *intake;
    referral_record_t    record;

    (void) data;

    test_open(ts);
    program = test_program(ts, "friends");
    other = test_program(ts, "other");
    intake = test_intake(ts);

    for (i = 1; i <= 40000; i++) {
        record = test_click(i / 15000 == 1 ? other : program, i);
        record.time = FIRST + (int64_t) i * 1000
                      + ((i / 1500 == 1) ? 20000 * DAY : 0);

        if (referral_intake_put(intake, &record, &seq) == REFERRAL_FULL) {
            (void) test_apply_all(ts, intake, 1);
            test_must(ts, referral_intake_put(intake, &record, &seq), "put");
        }
    }

    (void) test_apply_all(ts, intake, 1);

    shared->purged = purge(ts, program, FIRST + 39000 * 1000);
    shared->differences = test_verify(ts);
    shared->kept = purge(ts, program, FIRST + 30000 * DAY);
}


/* ------------------------------------------------- a store with it all -- */

static void
bring(test_store_t *ts)
{
    char  command[300];

    snprintf(command, sizeof(command),
             "gzip -dc t/vectors/store-schema2.mdb.gz > %s/data.mdb",
             ts->path);

    if (system(command) != 0) {
        _exit(97);
    }
}


/* A row as it was before it was damaged. */

static struct {
    MDB_val         key;
    MDB_val         value;
    unsigned char   bytes[512 + STORE_RECORD_MAX];
} before;


static void
remember(const MDB_val *k, const MDB_val *v)
{
    before.key.mv_size = k->mv_size;
    before.key.mv_data = before.bytes;
    before.value.mv_size = v->mv_size;
    before.value.mv_data = before.bytes + 512;
    memcpy(before.bytes, k->mv_data, k->mv_size);
    memcpy(before.bytes + 512, v->mv_data, v->mv_size);
}


/* Damages one row; 0 when it did. */

static int
damage(store_txn_t *t, unsigned db, unsigned n, unsigned how)
{
    int            rc;
    MDB_val        k, v;
    MDB_cursor    *cursor;
    unsigned char  value[STORE_RECORD_MAX];

    if (mdb_cursor_open(t->txn, t->store->dbi[db], &cursor) != 0) {
        _exit(98);
    }

    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);

    while (rc == 0 && n-- > 0) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    if (rc == 0) {
        remember(&k, &v);

        if (how == 0 || v.mv_size == 0) {
            store_delete(t, db, before.key.mv_data, before.key.mv_size);

        } else {
            memcpy(value, v.mv_data, v.mv_size);
            value[v.mv_size - how % (v.mv_size < 8 ? v.mv_size : 8)] ^= 1;
            store_put(t, db, before.key.mv_data, before.key.mv_size, value,
                      v.mv_size);
        }
    }

    mdb_cursor_close(cursor);

    return rc;
}


static void
put_back(test_store_t *ts, unsigned db)
{
    store_txn_t  t;

    if (store_begin(&t, ts->store, 0) != 0) {
        _exit(96);
    }

    store_put(&t, db, before.key.mv_data, before.key.mv_size,
              before.value.mv_data, before.value.mv_size);
    (void) store_commit(&t);
}


/* Each of some rows is damaged, seen, and mended, or refused as it was. */

static void
damage_rows(test_store_t *ts, void *data)
{
    unsigned            db, n, how;
    uint64_t            differences;
    store_txn_t         t;
    referral_rc_t       rc;
    referral_verify_t   verify;

    db = *(unsigned *) data;
    memset(&verify, 0, sizeof(verify));
    test_open(ts);

    for (n = 0, how = 0; n < 100; n += 7, how = !how) {

        if (store_begin(&t, ts->store, 0) != 0) {
            _exit(96);
        }

        if (damage(&t, db, n, how) != 0) {
            store_abort(&t);
            return;
        }

        (void) store_commit(&t);

        rc = referral_store_rebuild(ts->store, &verify, &differences,
                                    &ts->err);
        shared->unseen += (differences == 0);

        if (rc == REFERRAL_OK) {
            shared->mended++;

        } else {
            shared->refused++;
            shared->wrong += (rc != REFERRAL_CORRUPT);
            put_back(ts, db);
        }

        shared->wrong += (test_verify(ts) != 0);
    }
}


static void
old_store(test_store_t *ts, void *data)
{
    uint32_t  program;

    (void) data;

    bring(ts);
    test_open(ts);

    shared->differences = test_verify(ts);
    shared->left = clicks_left(ts);

    for (program = 1; program < 4; program++) {
        shared->purged += purge(ts, program, INT64_MAX);
    }

    shared->differences += test_verify(ts);
    shared->kept = clicks_left(ts);
}


static void
damages(test_store_t *ts)
{
    unsigned  i, mended, refused;

    static const struct {
        unsigned      db;
        unsigned      refused;
        const char   *name;
    } cases[] = {
        { STORE_CLK, 0, "index of clicks" }, { STORE_CODE, 0, "codes" },
        { STORE_OWN, 0, "owners" }, { STORE_ORD, 0, "orders" },
        { STORE_RWD, 0, "rewards" }, { STORE_RWS, 0, "rewards by state" },
        { STORE_CUS, 0, "customers" }, { STORE_CNT, 0, "counts" },
        { STORE_SCR, 0, "scores" }, { STORE_LDR, 0, "leaderboards" },
        { STORE_RULE, 0, "rules" }, { STORE_JRNL, 1, "journal" },
        { STORE_BAS, 1, "base" }, { STORE_HIST, 1, "days of codes" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mended = shared->mended;
        refused = shared->refused;

        tap_ok(test_child(damage_rows, ts, (void *) &cases[i].db) == 0
               && (shared->refused > refused) == cases[i].refused
               && (shared->mended > mended || cases[i].refused),
               "%s: what is damaged is %s", cases[i].name,
               cases[i].refused ? "refused if need be" : "mended");
    }

    tap_ok(shared->unseen == 0, "each damage is seen");
    tap_ok(shared->wrong == 0, "and what is mended is right");
}


int
main(void)
{
    test_store_t  ts;

    shared = test_shared(sizeof(*shared));

    test_make(&ts);
    ts.rng = 42;
    tap_ok(test_child(random_clicks, &ts, NULL) == 0, "random clicks");
    tap_ok(shared->differences == 0, "verify finds nothing after each purge");
    tap_ok(shared->purged == CLICKS && shared->left == 0, "all are purged");
    tap_ok(shared->counts == 0, "counters stay");
    tap_ok(shared->folded > 100, "labels found no room");
    test_remove(&ts);

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    tap_ok(test_child(wrong_clock, &ts, NULL) == 0
           && shared->purged == 38999 - 15000 - 1500
           && shared->differences == 0 && shared->kept == 1500 + 1001,
           "a clock that was wrong");
    test_remove(&ts);

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    tap_ok(test_child(old_store, &ts, NULL) == 0, "a store of schema 2");
    tap_ok(shared->differences == 0, "verify finds nothing, purged or not");
    tap_ok(shared->purged + shared->kept == shared->left
           && shared->kept > 0 && shared->purged > 0,
           "some are kept, others purged");
    damages(&ts);
    test_remove(&ts);

    return tap_done();
}
