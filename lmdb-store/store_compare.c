/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The store and what the journal comes to, row by row.
 */

#include "store_verify.h"


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
store_compare_cursors(store_compare_t *c, unsigned db, MDB_cursor *disk,
    MDB_cursor *replay)
{
    int           rc;
    MDB_val       k, v, rk, rv;
    store_txn_t  *t;

    t = c->again;

    store_next_row(c->disk, disk, &k, &v);
    store_next_row(t, replay, &rk, &rv);

    while ((k.mv_size != 0 || rk.mv_size != 0)
           && c->disk->rc == 0 && t->rc == 0)
    {
        rc = store_compare_keys(&k, &rk);

        if (rc < 0) {
            store_differs(c, db, &k, NULL, "is not in the journal");

        } else if (rc > 0) {
            store_differs(c, db, &rk, &rv, "is missing");

        } else if (v.mv_size != rv.mv_size
                   || memcmp(v.mv_data, rv.mv_data, v.mv_size) != 0)
        {
            store_differs(c, db, &k, &rv, "is not what the journal says");
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
store_compare_db(store_compare_t *c, unsigned db)
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
        store_compare_cursors(c, db, disk, replay);

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


void
store_compare(store_compare_t *c)
{
    unsigned  i;

    static const unsigned  replayed[] = {
        STORE_PROG, STORE_CODE, STORE_CID, STORE_OWN, STORE_HOT, STORE_HIST,
        STORE_PRG, STORE_CLK, STORE_RULE, STORE_NAM, STORE_ORD, STORE_HLD, STORE_RFD,
        STORE_CUS, STORE_RWD, STORE_RWS, STORE_CNT, STORE_DUE, STORE_SCR,
        STORE_LDR
    };

    for (i = 0; i < sizeof(replayed) / sizeof(replayed[0]); i++) {
        store_compare_db(c, replayed[i]);
    }
}
