/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Many cells in the order of their keys: neighbours in the tree are read and
 * written while their page is at hand, and found from where a cursor stands.
 */

#include <stdlib.h>
#include <errno.h>

#include "store_cells.h"


#define STORE_CELL_ROOM  160        /* bytes that a cell may grow by */


/* With the bytes of the key that mostly decide: the cells lie far apart. */

typedef struct {
    uint64_t            key[2];
    store_cell_t       *cell;
} store_sorted_cell_t;


static int
store_sorted_compare(const void *one, const void *two)
{
    const store_sorted_cell_t  *a = one, *b = two;

    if (a->key[0] != b->key[0]) {
        return (a->key[0] < b->key[0]) ? -1 : 1;
    }

    if (a->key[1] != b->key[1]) {
        return (a->key[1] < b->key[1]) ? -1 : 1;
    }

    if (a->cell->key[2] != b->cell->key[2]) {
        return memcmp(&a->cell->key[2], &b->cell->key[2], sizeof(uint64_t));
    }

    return (int) a->cell->len - (int) b->cell->len;
}


/*
 * The cells of a database which have something to be written, or have yet to
 * be read, in the order of their keys; NULL: none, or no memory.
 */

static store_sorted_cell_t *
store_cells_sorted(store_txn_t *t, unsigned db, unsigned wanted, size_t *n)
{
    store_cell_t         *cell;
    store_sorted_cell_t  *sorted;

    *n = t->cells->count[db];

    if (*n == 0 || t->rc != 0) {
        return NULL;
    }

    sorted = malloc(*n * sizeof(store_sorted_cell_t));

    if (sorted == NULL) {
        store_fail(t, ENOMEM, "malloc()");
        return NULL;
    }

    *n = 0;

    for (cell = t->cells->first[db]; cell; cell = cell->next) {
        if (wanted ? cell->value == NULL : cell->used && cell->size != 0) {
            sorted[*n].key[0] = store_get_be64((unsigned char *) cell->key);
            sorted[*n].key[1] = store_get_be64((unsigned char *) cell->key
                                               + sizeof(uint64_t));
            sorted[(*n)++].cell = cell;
        }
    }

    qsort(sorted, *n, sizeof(store_sorted_cell_t), store_sorted_compare);

    return sorted;
}


static void
store_cell_read(store_txn_t *t, MDB_cursor *cursor, store_cell_t *cell)
{
    int      rc;
    MDB_val  k, v;

    k.mv_size = cell->len;
    k.mv_data = cell->key;

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    if (rc != 0 || k.mv_size != cell->len
        || memcmp(k.mv_data, cell->key, cell->len) != 0)
    {
        v.mv_size = 0;
    }

    if (rc == 0 || rc == MDB_NOTFOUND) {
        (void) store_cell_fill(t, cell, &v, 0, STORE_CELL_ROOM);
        return;
    }

    store_fail(t, rc, "mdb_cursor_get()");
}


static void
store_cell_write(store_txn_t *t, MDB_cursor *cursor, store_cell_t *cell)
{
    int      rc;
    MDB_val  k, v;

    k.mv_size = cell->len;
    k.mv_data = cell->key;
    v.mv_size = cell->size;
    v.mv_data = cell->value;

    rc = mdb_cursor_put(cursor, &k, &v, 0);

    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_put()");
    }
}


static void
store_cells_each(store_txn_t *t, unsigned db, unsigned wanted,
    void (*each)(store_txn_t *t, MDB_cursor *cursor, store_cell_t *cell))
{
    int                   rc;
    size_t                i, n;
    MDB_cursor           *cursor;
    store_sorted_cell_t  *sorted;

    sorted = store_cells_sorted(t, db, wanted, &n);

    if (sorted == NULL) {
        return;
    }

    rc = mdb_cursor_open(t->txn, t->store->dbi[db], &cursor);

    if (rc == 0) {
        for (i = 0; i < n && t->rc == 0; i++) {
            each(t, cursor, sorted[i].cell);
        }

        mdb_cursor_close(cursor);

    } else {
        store_fail(t, rc, "mdb_cursor_open()");
    }

    free(sorted);
}


void
store_cells_fetch(store_txn_t *t, unsigned db)
{
    store_cells_each(t, db, 1, store_cell_read);
}


void
store_cells_write(store_txn_t *t)
{
    unsigned  db;

    for (db = 0; db < STORE_DBS; db++) {
        store_cells_each(t, db, 0, store_cell_write);
    }

    store_visitors_write(t);
}
