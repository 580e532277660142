/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Rows side by side.
 */

#include "store_internal.h"


static MDB_cursor *
store_walk_open(store_txn_t *t, unsigned db)
{
    int          rc;
    MDB_cursor  *cursor;

    if (t->rc != 0) {
        return NULL;
    }

    rc = mdb_cursor_open(t->txn, t->store->dbi[db], &cursor);

    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return NULL;
    }

    return cursor;
}


static void
store_walk_end(store_txn_t *t, MDB_cursor *cursor, int rc)
{
    mdb_cursor_close(cursor);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_cursor_get()");
    }
}


static void
store_walk_by(store_txn_t *t, MDB_cursor_op step, unsigned db, const void *key,
    size_t len, size_t prefix, store_walk_pt visit, void *data)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    cursor = store_walk_open(t, db);

    if (cursor == NULL) {
        return;
    }

    k.mv_size = len;
    k.mv_data = (void *) key;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    if (step == MDB_PREV && (rc == 0 || rc == MDB_NOTFOUND)) {
        rc = mdb_cursor_get(cursor, &k, &v, rc ? MDB_LAST : MDB_PREV);
    }

    while (rc == 0 && k.mv_size >= prefix
           && memcmp(k.mv_data, key, prefix) == 0)
    {
        if (visit(data, &k, &v) != 0 || t->rc != 0) {
            break;
        }

        rc = mdb_cursor_get(cursor, &k, &v, step);
    }

    store_walk_end(t, cursor, rc);
}


void
store_walk(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t prefix, store_walk_pt visit, void *data)
{
    store_walk_by(t, MDB_NEXT, db, key, len, prefix, visit, data);
}


void
store_walk_back(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t prefix, store_walk_pt visit, void *data)
{
    store_walk_by(t, MDB_PREV, db, key, len, prefix, visit, data);
}


int
store_corrupt(store_txn_t *t, const char *what)
{
    store_fail(t, MDB_CORRUPTED, what);

    return 1;
}
