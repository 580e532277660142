/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Visitors of a batch.  Their keys are hashes: in the order in which visitors
 * come each is on another page of the tree.  So those of a batch are read and
 * written sorted, each page once.
 */

#include <stdlib.h>
#include <errno.h>

#include "store_cells.h"


#define STORE_VISITORS_MIN   1024   /* places in the table */
#define STORE_VISITORS_KEEP  8192   /* that stay for the next batch */
#define STORE_SORTED_BITS    24     /* of a key: more than the tree has pages */

enum {
    STORE_VISITOR_FREE = 0,
    STORE_VISITOR_WANTED,           /* not looked up yet */
    STORE_VISITOR_ABSENT,
    STORE_VISITOR_KNOWN,
    STORE_VISITOR_NEW               /* to be written */
};

typedef struct {
    uint64_t            key;
    uint32_t            seconds;
    uint8_t             generation;
    uint8_t             state;
} store_visitor_t;

typedef struct {
    uint64_t            key;
    uint64_t            place;      /* in the table */
} store_sorted_t;

struct store_visitors_s {
    store_visitor_t    *table;
    size_t              mask;
    size_t              n;
    size_t              wanted[STORE_UNIQUE_DAYS];
    size_t              new[STORE_UNIQUE_DAYS];
};


store_visitors_t *
store_visitors_create(void)
{
    store_visitors_t  *visitors;

    visitors = calloc(1, sizeof(store_visitors_t));

    if (visitors == NULL) {
        return NULL;
    }

    visitors->mask = STORE_VISITORS_MIN - 1;
    visitors->table = calloc(STORE_VISITORS_MIN, sizeof(store_visitor_t));

    if (visitors->table == NULL) {
        free(visitors);
        return NULL;
    }

    return visitors;
}


void
store_visitors_destroy(store_visitors_t *visitors)
{
    if (visitors != NULL) {
        free(visitors->table);
        free(visitors);
    }
}


void
store_visitors_clear(store_visitors_t *visitors)
{
    store_visitor_t  *table;

    /* a large batch gives back what it took */

    if (visitors->mask >= STORE_VISITORS_KEEP) {
        table = calloc(STORE_VISITORS_MIN, sizeof(store_visitor_t));

        if (table != NULL) {
            free(visitors->table);
            visitors->table = table;
            visitors->mask = STORE_VISITORS_MIN - 1;
            visitors->n = 0;
        }
    }

    if (visitors->n != 0) {
        memset(visitors->table, 0,
               (visitors->mask + 1) * sizeof(store_visitor_t));
    }

    visitors->n = 0;
    memset(visitors->wanted, 0, sizeof(visitors->wanted));
    memset(visitors->new, 0, sizeof(visitors->new));
}


size_t
store_visitors_wanted(const store_visitors_t *visitors)
{
    unsigned  i;
    size_t    most;

    most = 0;

    for (i = 0; i < STORE_UNIQUE_DAYS; i++) {
        most = (visitors->wanted[i] > most) ? visitors->wanted[i] : most;
    }

    return most;
}


/* The place of a key, or the free one where it belongs. */

static store_visitor_t *
store_visitors_place(store_visitors_t *visitors, unsigned generation,
    uint64_t key)
{
    size_t            i;
    store_visitor_t  *visitor;

    for (i = key + generation; /* void */ ; i++) {
        visitor = &visitors->table[i & visitors->mask];

        if (visitor->state == STORE_VISITOR_FREE
            || (visitor->key == key && visitor->generation == generation))
        {
            return visitor;
        }
    }
}


static int
store_visitors_grow(store_visitors_t *visitors)
{
    size_t            i, old;
    store_visitor_t  *table;

    old = visitors->mask + 1;
    table = visitors->table;

    visitors->table = calloc(old * 2, sizeof(store_visitor_t));

    if (visitors->table == NULL) {
        visitors->table = table;
        return -1;
    }

    visitors->mask = old * 2 - 1;

    for (i = 0; i < old; i++) {
        if (table[i].state != STORE_VISITOR_FREE) {
            *store_visitors_place(visitors, table[i].generation,
                                  table[i].key) = table[i];
        }
    }

    free(table);

    return 0;
}


/* A new one is WANTED.  NULL: the transaction has failed. */

static store_visitor_t *
store_visitor(store_txn_t *t, unsigned generation, uint64_t key)
{
    store_visitor_t   *visitor;
    store_visitors_t  *visitors;

    visitors = t->cells->visitors;

    if (visitors->n * 2 > visitors->mask
        && store_visitors_grow(visitors) != 0)
    {
        store_fail(t, ENOMEM, "malloc()");
        return NULL;
    }

    visitor = store_visitors_place(visitors, generation, key);

    if (visitor->state == STORE_VISITOR_FREE) {
        visitor->key = key;
        visitor->generation = (uint8_t) generation;
        visitor->state = STORE_VISITOR_WANTED;

        visitors->n++;
        visitors->wanted[generation]++;
    }

    return visitor;
}


void
store_visitor_want(store_txn_t *t, unsigned generation, uint64_t key)
{
    (void) store_visitor(t, generation, key);
}


/* All of a generation in one state, in the order of the first bits of keys. */

static store_sorted_t *
store_visitors_sorted(store_txn_t *t, unsigned generation, unsigned state,
    size_t n)
{
    size_t             i, k, sum, count[256];
    unsigned           shift;
    store_sorted_t    *from, *to, *swap, *both;
    store_visitor_t   *table;

    both = malloc(2 * n * sizeof(store_sorted_t));

    if (both == NULL) {
        store_fail(t, ENOMEM, "malloc()");
        return NULL;
    }

    from = both;
    to = both + n;
    table = t->cells->visitors->table;

    for (i = 0, k = 0; k < n; i++) {
        if (table[i].state == state && table[i].generation == generation) {
            from[k].key = table[i].key;
            from[k++].place = i;
        }
    }

    for (shift = 64 - STORE_SORTED_BITS; shift < 64; shift += 8) {
        memset(count, 0, sizeof(count));

        for (i = 0; i < n; i++) {
            count[from[i].key >> shift & 0xff]++;
        }

        for (i = 0, sum = 0; i < 256; i++) {
            sum += count[i];
            count[i] = sum - count[i];
        }

        for (i = 0; i < n; i++) {
            to[count[from[i].key >> shift & 0xff]++] = from[i];
        }

        swap = from;
        from = to;
        to = swap;
    }

    /* an odd number of passes ends in the second half */

    return memmove(both, from, n * sizeof(store_sorted_t));
}


static void
store_visitor_read(store_txn_t *t, MDB_cursor *cursor,
    store_visitor_t *visitor)
{
    int            rc;
    MDB_val        k, v;
    unsigned char  key[8];

    store_be64(key, visitor->key);
    k.mv_size = sizeof(key);
    k.mv_data = key;

    /* a cursor that stands near, found or not, is not moved from the root */

    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

    visitor->state = STORE_VISITOR_ABSENT;

    if (rc == 0 && k.mv_size == sizeof(key)
        && memcmp(k.mv_data, key, sizeof(key)) == 0
        && v.mv_size == sizeof(visitor->seconds))
    {
        memcpy(&visitor->seconds, v.mv_data, sizeof(visitor->seconds));
        visitor->state = STORE_VISITOR_KNOWN;
    }

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_cursor_get()");
    }
}


static void
store_visitors_fetch_some(store_txn_t *t, unsigned generation)
{
    int                rc;
    size_t             i, n;
    MDB_cursor        *cursor;
    store_sorted_t    *sorted;
    store_visitors_t  *visitors;

    visitors = t->cells->visitors;
    n = visitors->wanted[generation];

    if (n == 0 || t->rc != 0) {
        return;
    }

    sorted = store_visitors_sorted(t, generation, STORE_VISITOR_WANTED, n);

    if (sorted == NULL) {
        return;
    }

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_UQ0 + generation],
                         &cursor);
    if (rc == 0) {
        for (i = 0; i < n && t->rc == 0; i++) {
            store_visitor_read(t, cursor, &visitors->table[sorted[i].place]);
        }

        mdb_cursor_close(cursor);

    } else {
        store_fail(t, rc, "mdb_cursor_open()");
    }

    visitors->wanted[generation] = 0;
    free(sorted);
}


void
store_visitors_fetch(store_txn_t *t)
{
    unsigned  i;

    for (i = 0; i < STORE_UNIQUE_DAYS; i++) {
        store_visitors_fetch_some(t, i);
    }
}


int
store_visitor_get(store_txn_t *t, unsigned generation, uint64_t key,
    uint32_t *seconds)
{
    MDB_val            v;
    unsigned char      buf[8];
    store_visitor_t   *visitor;
    store_visitors_t  *visitors;

    visitors = t->cells->visitors;
    visitor = store_visitor(t, generation, key);

    if (visitor == NULL) {
        return 0;
    }

    if (visitor->state == STORE_VISITOR_WANTED) {
        visitors->wanted[generation]--;
        visitor->state = STORE_VISITOR_ABSENT;
        store_be64(buf, key);

        if (store_get(t, STORE_UQ0 + generation, buf, sizeof(buf), &v)
            && v.mv_size == sizeof(visitor->seconds))
        {
            memcpy(&visitor->seconds, v.mv_data, sizeof(visitor->seconds));
            visitor->state = STORE_VISITOR_KNOWN;
        }
    }

    *seconds = visitor->seconds;

    return visitor->state != STORE_VISITOR_ABSENT;
}


void
store_visitor_put(store_txn_t *t, unsigned generation, uint64_t key,
    uint32_t seconds)
{
    store_visitor_t   *visitor;
    store_visitors_t  *visitors;

    visitors = t->cells->visitors;
    visitor = store_visitor(t, generation, key);

    if (visitor == NULL) {
        return;
    }

    if (visitor->state == STORE_VISITOR_WANTED) {
        visitors->wanted[generation]--;
    }

    if (visitor->state != STORE_VISITOR_NEW) {
        visitor->state = STORE_VISITOR_NEW;
        visitors->new[generation]++;
    }

    visitor->seconds = seconds;
}


void
store_visitors_empty(store_txn_t *t, unsigned generation)
{
    size_t             i;
    store_visitor_t   *visitor;
    store_visitors_t  *visitors;

    visitors = t->cells->visitors;
    visitors->wanted[generation] = 0;
    visitors->new[generation] = 0;

    for (i = 0; i <= visitors->mask; i++) {
        visitor = &visitors->table[i];

        if (visitor->state != STORE_VISITOR_FREE
            && visitor->generation == generation)
        {
            visitor->state = STORE_VISITOR_ABSENT;
        }
    }

    store_empty(t, STORE_UQ0 + generation);
}


static void
store_visitors_write_some(store_txn_t *t, unsigned generation)
{
    int                rc;
    size_t             i, n;
    MDB_val            k, v;
    MDB_cursor        *cursor;
    unsigned char      key[8];
    store_sorted_t    *sorted;
    store_visitors_t  *visitors;

    visitors = t->cells->visitors;
    n = visitors->new[generation];

    if (n == 0 || t->rc != 0) {
        return;
    }

    sorted = store_visitors_sorted(t, generation, STORE_VISITOR_NEW, n);

    if (sorted == NULL) {
        return;
    }

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_UQ0 + generation],
                         &cursor);

    for (i = 0; i < n && rc == 0; i++) {
        store_be64(key, sorted[i].key);
        k.mv_size = sizeof(key);
        k.mv_data = key;
        v.mv_size = sizeof(uint32_t);
        v.mv_data = &visitors->table[sorted[i].place].seconds;

        rc = mdb_cursor_put(cursor, &k, &v, 0);
    }

    free(sorted);

    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_put()");
    }
}


void
store_visitors_write(store_txn_t *t)
{
    unsigned  i;

    for (i = 0; i < STORE_UNIQUE_DAYS; i++) {
        store_visitors_write_some(t, i);
    }
}
