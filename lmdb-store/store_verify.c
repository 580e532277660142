/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The recount: every click of the journal is counted again, from nothing,
 * into cells without a database behind them; then each cell is compared with
 * the row on disk, and the rows are counted, so that none is too many.
 */

#include <stdio.h>

#include "store_internal.h"


#define STORE_PROGRESS  65536           /* clicks between two reports */


typedef struct {
    store_txn_t                *disk;
    const referral_verify_t    *verify;
    uint64_t                    differences;
} store_compare_t;


static void
store_differs(store_compare_t *c, unsigned db, const unsigned char *key,
    size_t len, const char *what)
{
    char    sentence[128];
    size_t  i, n;

    static const char  *names[] = {
        [STORE_HOT] = "code", [STORE_HIST] = "day of a code",
        [STORE_PRG] = "program"
    };

    c->differences++;

    n = (size_t) snprintf(sentence, sizeof(sentence), "counter of a %s %s: "
                          "key ", names[db], what);

    for (i = 0; i < len && n + 3 < sizeof(sentence); i++) {
        n += (size_t) snprintf(sentence + n, sizeof(sentence) - n, "%02x",
                               key[i]);
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
store_compare_rows(store_compare_t *c, const store_cells_t *cells,
    unsigned db)
{
    int       rc;
    MDB_stat  stat;

    rc = mdb_stat(c->disk->txn, c->disk->store->dbi[db], &stat);

    if (rc != 0) {
        store_fail(c->disk, rc, "mdb_stat()");
        return;
    }

    if (stat.ms_entries != store_cells_count(cells, db)) {
        store_differs(c, db, NULL, 0, "more or less than in the journal");
    }
}


/* Sequences ascend by one; each click is where its id says. */

static void
store_recount_row(store_compare_t *c, store_txn_t *memory, const MDB_val *k,
    const MDB_val *v, uint64_t seq)
{
    MDB_val                at;
    uint64_t               indexed;
    store_click_row_t      row;
    static unsigned char   none[REFERRAL_CLICK_ID_SIZE];

    if (k->mv_size != 8 || store_get_be64(k->mv_data) != seq) {
        store_differs(c, STORE_PRG, k->mv_data, k->mv_size,
                      "cannot be recounted, the journal has a gap");
        return;
    }

    if (v->mv_size != sizeof(row)
        || *(unsigned char *) v->mv_data != REFERRAL_RECORD_CLICK)
    {
        return;
    }

    memcpy(&row, v->mv_data, sizeof(row));
    store_count_click(memory, &row);

    if (memcmp(row.click_id, none, sizeof(none)) != 0
        && (!store_get(c->disk, STORE_CLK, row.click_id,
                       sizeof(row.click_id), &at)
            || memcpy(&indexed, at.mv_data, sizeof(indexed)) == NULL
            || indexed < seq))
    {
        store_differs(c, STORE_PRG, row.click_id, sizeof(row.click_id),
                      "cannot be recounted, a click is not in the index");
    }
}


static void
store_recount(store_compare_t *c, store_txn_t *memory)
{
    int          rc;
    MDB_val      k, v;
    uint64_t     seq, all;
    MDB_stat     stat;
    MDB_cursor  *cursor;

    if (mdb_stat(c->disk->txn, c->disk->store->dbi[STORE_JRNL], &stat) != 0) {
        return;
    }

    all = stat.ms_entries;
    rc = mdb_cursor_open(c->disk->txn, c->disk->store->dbi[STORE_JRNL],
                         &cursor);

    if (rc != 0) {
        store_fail(c->disk, rc, "mdb_cursor_open()");
        return;
    }

    for (seq = 1;
         (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0;
         seq++)
    {
        store_recount_row(c, memory, &k, &v, seq);

        if (seq % STORE_PROGRESS == 0 && c->verify->progress != NULL) {
            c->verify->progress(c->verify->data, seq, all);
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_NOTFOUND) {
        store_fail(c->disk, rc, "mdb_cursor_get()");
    }
}


referral_rc_t
referral_store_verify(referral_snapshot_t *snap,
    const referral_verify_t *v, uint64_t *differences, referral_error_t *err)
{
    store_txn_t      memory;
    store_compare_t  c;

    memset(&memory, 0, sizeof(memory));

    memory.store = snap->t.store;
    memory.cells = store_cells_create();

    if (memory.cells == NULL) {
        store_error(err, REFERRAL_FULL, 0, "malloc() failed");
        return REFERRAL_FULL;
    }

    c.disk = &snap->t;
    c.verify = v;
    c.differences = 0;

    store_recount(&c, &memory);

    if (memory.rc == 0) {
        (void) store_cells_each(memory.cells, store_compare, &c);
        store_compare_rows(&c, memory.cells, STORE_HOT);
        store_compare_rows(&c, memory.cells, STORE_HIST);
        store_compare_rows(&c, memory.cells, STORE_PRG);
    }

    store_cells_destroy(memory.cells);

    *differences = c.differences;

    if (memory.rc != 0 || snap->t.rc != 0) {
        store_error(err, REFERRAL_SYSTEM, 0, "the recount failed: %s",
                    mdb_strerror(memory.rc ? memory.rc : snap->t.rc));
        return REFERRAL_SYSTEM;
    }

    return REFERRAL_OK;
}
