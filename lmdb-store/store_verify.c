/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The recount: the journal is read again from its beginning.  Its clicks are
 * counted into cells without a database behind them, each of which is then
 * compared with the row on disk, and the rows are counted, so that none is
 * too many.  Everything else is applied once more to a store of its own, by
 * the one door, and the two are compared row by row.
 */

#include <stdio.h>

#include "store_replay.h"


#define STORE_PROGRESS  65536           /* records between two reports */


typedef struct {
    store_txn_t                *disk;
    store_txn_t                 memory;
    const referral_verify_t    *verify;
    uint64_t                    differences;
    store_replay_t             *replay;
    store_txn_t                *again;          /* what it came to */
    uint64_t                    clicks;         /* with an id of their own */
} store_compare_t;


static void
store_differs(store_compare_t *c, unsigned db, const void *key, size_t len,
    const char *what)
{
    char                  sentence[128];
    size_t                i, n;
    const unsigned char  *p;

    static const char  *names[STORE_DBS] = {
        [STORE_PROG] = "program", [STORE_CODE] = "code",
        [STORE_CID] = "number of a code",
        [STORE_OWN] = "owner of a code",
        [STORE_HOT] = "counter of a code",
        [STORE_HIST] = "counter of a day of a code",
        [STORE_PRG] = "counter of a program",
        [STORE_JRNL] = "journal", [STORE_CLK] = "index of clicks",
        [STORE_RULE] = "rules", [STORE_NAM] = "number of a name",
        [STORE_ORD] = "conversion", [STORE_HLD] = "list of held events",
        [STORE_RFD] = "refund", [STORE_CUS] = "customer",
        [STORE_RWD] = "reward", [STORE_RWS] = "rewards by state",
        [STORE_CNT] = "count of a reward", [STORE_DUE] = "hold",
        [STORE_SCR] = "score", [STORE_LDR] = "leaderboard"
    };

    p = key;
    c->differences++;

    n = (size_t) snprintf(sentence, sizeof(sentence), "%s %s%s", names[db],
                          what, len ? ": key " : "");

    for (i = 0; i < len && n + 3 < sizeof(sentence); i++) {
        n += (size_t) snprintf(sentence + n, sizeof(sentence) - n, "%02x",
                               p[i]);
    }

    if (c->verify->report != NULL) {
        c->verify->report(c->verify->data, sentence);
    }
}


static int
store_compare(void *data, unsigned db, const void *key, size_t len,
    const void *value, size_t size)
{
    MDB_val           v;
    store_compare_t  *c;

    c = data;

    if (!store_get(c->disk, db, key, len, &v)) {
        store_differs(c, db, key, len, "is missing");

    } else if (v.mv_size != size || memcmp(v.mv_data, value, size) != 0) {
        store_differs(c, db, key, len, "is not what the journal says");
    }

    return c->disk->rc;
}


/* Rows the journal knows nothing of. */

static void
store_compare_rows(store_compare_t *c, unsigned db, uint64_t want)
{
    int       rc;
    MDB_stat  stat;

    rc = mdb_stat(c->disk->txn, c->disk->store->dbi[db], &stat);

    if (rc != 0) {
        store_fail(c->disk, rc, "mdb_stat()");
        return;
    }

    if (stat.ms_entries != want) {
        store_differs(c, db, NULL, 0, "has more or fewer rows than in the "
                      "journal");
    }
}


/* A click is found by its id; when the id came twice, the first is. */

static void
store_recount_click(store_compare_t *c, const store_click_row_t *row,
    uint64_t seq)
{
    MDB_val                v;
    uint64_t               found;
    unsigned char          key[8];
    store_click_row_t      other;
    static unsigned char   none[REFERRAL_CLICK_ID_SIZE];

    store_count_click(&c->memory, row);

    if (memcmp(row->click_id, none, sizeof(none)) == 0) {
        return;
    }

    found = 0;

    if (store_get(c->disk, STORE_CLK, row->click_id, sizeof(row->click_id), &v)
        && v.mv_size == sizeof(found))
    {
        memcpy(&found, v.mv_data, sizeof(found));
    }

    if (found == seq) {
        c->clicks++;
        return;
    }

    store_be64(key, found);

    if (found < seq && found != 0
        && store_get(c->disk, STORE_JRNL, key, sizeof(key), &v)
        && v.mv_size == sizeof(other))
    {
        memcpy(&other, v.mv_data, sizeof(other));

        if (memcmp(other.click_id, row->click_id, sizeof(other.click_id))
            == 0)
        {
            return;
        }
    }

    store_differs(c, STORE_CLK, row->click_id, sizeof(row->click_id),
                  "misses one");
}


/* What followed from the record before has come, when the next one does. */

static void
store_recount_complete(store_compare_t *c, const MDB_val *k, uint64_t seq)
{
    if (store_replay_last(c->replay) >= seq) {
        store_differs(c, STORE_JRNL, k->mv_data, k->mv_size,
                      "lacks what followed from the record before");
    }
}


/* A record is applied again, and what follows from it has to come again. */

static void
store_recount_record(store_compare_t *c, const MDB_val *k, const MDB_val *v,
    uint64_t seq)
{
    referral_record_t  record;

    if (store_decode(v->mv_data, v->mv_size, &record) != 0
        || record.type == REFERRAL_RECORD_CLICK)
    {
        store_differs(c, STORE_JRNL, k->mv_data, k->mv_size,
                      "has a record of no known form");
        return;
    }

    if (record.type != REFERRAL_RECORD_NOTE) {
        store_recount_complete(c, k, seq);
        store_replay_record(c->replay, &record, seq);
    }

    if (!store_replay_wrote(c->replay, seq, v)) {
        store_differs(c, STORE_JRNL, k->mv_data, k->mv_size,
                      "has what does not follow from the records before");
    }
}


/* Sequences ascend by one. */

static void
store_recount_row(store_compare_t *c, const MDB_val *k, const MDB_val *v,
    uint64_t seq)
{
    store_click_row_t  row;

    if (k->mv_size != 8 || store_get_be64(k->mv_data) != seq) {
        store_differs(c, STORE_JRNL, k->mv_data, k->mv_size, "has a gap");
        return;
    }

    if (v->mv_size == sizeof(row)
        && *(unsigned char *) v->mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, v->mv_data, sizeof(row));

        if (row.class < REFERRAL_CLASSES) {
            store_recount_complete(c, k, seq);
            store_recount_click(c, &row, seq);
            store_replay_click(c->replay, &row, seq);
            return;
        }
    }

    store_recount_record(c, k, v, seq);
}


/* The journal ends where the store says. */

static void
store_recount_end(store_compare_t *c, uint64_t seq)
{
    MDB_val   v;
    uint64_t  last;

    last = 0;

    if (store_get(c->disk, STORE_META, "J", 1, &v)
        && v.mv_size == sizeof(last))
    {
        memcpy(&last, v.mv_data, sizeof(last));
    }

    if (last != seq) {
        store_differs(c, STORE_JRNL, "J", 1, "does not end where it should");
    }
}


static void
store_recount(store_compare_t *c)
{
    int          rc;
    MDB_val      k, v;
    uint64_t     seq, all;
    MDB_stat     stat;
    MDB_cursor  *cursor;

    cursor = NULL;
    rc = mdb_stat(c->disk->txn, c->disk->store->dbi[STORE_JRNL], &stat);

    if (rc == 0) {
        rc = mdb_cursor_open(c->disk->txn, c->disk->store->dbi[STORE_JRNL],
                             &cursor);
    }

    if (rc != 0) {
        store_fail(c->disk, rc, "mdb_cursor_open()");
        return;
    }

    all = stat.ms_entries;

    for (seq = 1;
         (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0;
         seq++)
    {
        store_recount_row(c, &k, &v, seq);

        if (seq % STORE_PROGRESS == 0 && c->verify->progress != NULL) {
            c->verify->progress(c->verify->data, seq, all);
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_NOTFOUND) {
        store_fail(c->disk, rc, "mdb_cursor_get()");
    }

    store_recount_end(c, seq - 1);
}


/* The next row of one side; its key has length 0 at the end. */

static void
store_next_row(store_txn_t *t, MDB_cursor *cursor, MDB_val *k, MDB_val *v)
{
    int  rc;

    rc = mdb_cursor_get(cursor, k, v, MDB_NEXT);

    if (rc != 0) {
        k->mv_size = 0;

        if (rc != MDB_NOTFOUND) {
            store_fail(t, rc, "mdb_cursor_get()");
        }
    }
}


static int
store_compare_keys(const MDB_val *a, const MDB_val *b)
{
    int  rc;

    if (a->mv_size == 0 || b->mv_size == 0) {
        return (a->mv_size == 0) - (b->mv_size == 0);
    }

    rc = memcmp(a->mv_data, b->mv_data,
                (a->mv_size < b->mv_size) ? a->mv_size : b->mv_size);

    return (rc != 0) ? rc : (a->mv_size > b->mv_size)
                            - (a->mv_size < b->mv_size);
}


/* Two cursors side by side: the store and the replay. */

static void
store_compare_cursors(store_compare_t *c, store_txn_t *t, unsigned db,
    MDB_cursor *disk, MDB_cursor *replay)
{
    int      rc;
    MDB_val  k, v, rk, rv;

    store_next_row(c->disk, disk, &k, &v);
    store_next_row(t, replay, &rk, &rv);

    while ((k.mv_size != 0 || rk.mv_size != 0)
           && c->disk->rc == 0 && t->rc == 0)
    {
        rc = store_compare_keys(&k, &rk);

        if (rc < 0) {
            store_differs(c, db, k.mv_data, k.mv_size,
                          "is not in the journal");

        } else if (rc > 0) {
            store_differs(c, db, rk.mv_data, rk.mv_size, "is missing");

        } else if (v.mv_size != rv.mv_size
                   || memcmp(v.mv_data, rv.mv_data, v.mv_size) != 0)
        {
            store_differs(c, db, k.mv_data, k.mv_size,
                          "is not what the journal says");
        }

        if (rc <= 0) {
            store_next_row(c->disk, disk, &k, &v);
        }

        if (rc >= 0) {
            store_next_row(t, replay, &rk, &rv);
        }
    }
}


static void
store_compare_replay(store_compare_t *c, unsigned db)
{
    int           rc;
    MDB_cursor   *disk, *replay;
    store_txn_t  *t;

    disk = NULL;
    replay = NULL;
    t = c->again;
    rc = t->rc;

    if (rc == 0) {
        rc = mdb_cursor_open(c->disk->txn, c->disk->store->dbi[db], &disk);
    }

    if (rc == 0) {
        rc = mdb_cursor_open(t->txn, t->store->dbi[db], &replay);
    }

    if (rc == 0) {
        store_compare_cursors(c, t, db, disk, replay);

    } else {
        store_fail(t, rc, "mdb_cursor_open()");
    }

    if (disk != NULL) {
        mdb_cursor_close(disk);
    }

    if (replay != NULL) {
        mdb_cursor_close(replay);
    }
}


static void
store_compare_all(store_compare_t *c)
{
    unsigned        i;
    store_cells_t  *cells;

    static const unsigned  counters[] = { STORE_HOT, STORE_HIST, STORE_PRG };

    static const unsigned  replayed[] = {
        STORE_PROG, STORE_CODE, STORE_CID, STORE_OWN, STORE_RULE, STORE_NAM,
        STORE_ORD, STORE_HLD, STORE_RFD, STORE_CUS, STORE_RWD, STORE_RWS,
        STORE_CNT, STORE_DUE, STORE_SCR, STORE_LDR
    };

    cells = c->memory.cells;

    (void) store_cells_each(cells, store_compare, c);

    for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        store_compare_rows(c, counters[i],
                           store_cells_count(cells, counters[i]));
    }

    store_compare_rows(c, STORE_CLK, c->clicks);

    c->again = store_replay_end(c->replay);

    for (i = 0; i < sizeof(replayed) / sizeof(replayed[0]); i++) {
        store_compare_replay(c, replayed[i]);
    }
}


referral_rc_t
referral_store_verify(referral_snapshot_t *snap,
    const referral_verify_t *v, uint64_t *differences, referral_error_t *err)
{
    referral_rc_t    rc;
    store_compare_t  c;

    memset(&c, 0, sizeof(c));

    c.disk = &snap->t;
    c.verify = v;
    c.memory.store = snap->t.store;
    c.memory.clicks = &c.memory;
    c.memory.cells = store_cells_create();

    if (c.memory.cells == NULL) {
        store_error(err, REFERRAL_FULL, 0, "malloc() failed");
        return REFERRAL_FULL;
    }

    c.replay = store_replay_create(c.disk, err);

    if (c.replay == NULL) {
        store_cells_destroy(c.memory.cells);
        return REFERRAL_SYSTEM;
    }

    store_recount(&c);

    if (c.memory.rc == 0) {
        store_compare_all(&c);
    }

    rc = store_failed(&c.memory, err);

    if (rc == REFERRAL_OK && c.again != NULL) {
        rc = store_failed(c.again, err);
    }

    if (rc == REFERRAL_OK) {
        rc = store_failed(c.disk, err);
    }

    store_replay_destroy(c.replay);
    store_cells_destroy(c.memory.cells);

    *differences = c.differences;

    return rc;
}
