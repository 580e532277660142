/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The cells of a batch: counters in memory, written once at its end.
 */

#include <stdlib.h>
#include <errno.h>

#include "store_internal.h"


#define STORE_CHUNK  (256 * 1024)


typedef struct store_chunk_s  store_chunk_t;

struct store_chunk_s {
    store_chunk_t      *next;
    size_t              used;
    size_t              size;
    _Alignas(16) unsigned char  data[];
};

typedef struct {
    unsigned char       key[STORE_CELL_KEY];
    unsigned char       len;                /* of the key; 0: free */
    unsigned char       db;
    size_t              size;
    size_t              max;
    unsigned char      *value;
} store_cell_t;

struct store_cells_s {
    store_cell_t       *table;
    size_t              mask;
    size_t              n;
    store_chunk_t      *chunks;
};


store_cells_t *
store_cells_create(void)
{
    store_cells_t  *cells;

    cells = calloc(1, sizeof(store_cells_t));
    if (cells == NULL) {
        return NULL;
    }

    cells->mask = 1023;
    cells->table = calloc(cells->mask + 1, sizeof(store_cell_t));

    if (cells->table == NULL) {
        free(cells);
        return NULL;
    }

    return cells;
}


void
store_cells_destroy(store_cells_t *cells)
{
    store_chunk_t  *chunk, *next;

    if (cells == NULL) {
        return;
    }

    for (chunk = cells->chunks; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }

    free(cells->table);
    free(cells);
}


void
store_cells_clear(store_cells_t *cells)
{
    store_chunk_t  *chunk, *next;

    memset(cells->table, 0, (cells->mask + 1) * sizeof(store_cell_t));
    cells->n = 0;

    /* one chunk stays: most batches need no more */

    if (cells->chunks == NULL) {
        return;
    }

    for (chunk = cells->chunks->next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }

    cells->chunks->next = NULL;
    cells->chunks->used = 0;
}


static void *
store_cells_alloc(store_cells_t *cells, size_t size)
{
    void           *p;
    store_chunk_t  *chunk;

    size = (size + 15) & ~(size_t) 15;
    chunk = cells->chunks;

    if (chunk == NULL || chunk->size - chunk->used < size) {
        chunk = malloc(sizeof(store_chunk_t) + STORE_CHUNK);
        if (chunk == NULL) {
            return NULL;
        }

        chunk->used = 0;
        chunk->size = STORE_CHUNK;
        chunk->next = cells->chunks;
        cells->chunks = chunk;
    }

    p = chunk->data + chunk->used;
    chunk->used += size;

    return memset(p, 0, size);
}


static size_t
store_cell_hash(unsigned db, const unsigned char *key, size_t len)
{
    uint64_t  h, words[STORE_CELL_KEY / sizeof(uint64_t)] = { 0 };

    memcpy(words, key, len);

    h = (words[0] ^ (db + 1)) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
    h = (h ^ words[1]) * 0xc4ceb9fe1a85ec53u;
    h ^= h >> 32;
    h = (h ^ words[2]) * 0xff51afd7ed558ccdu;

    return (size_t) (h ^ (h >> 29));
}


/* The cell of that key, or the free place where it belongs. */

static store_cell_t *
store_cells_find(store_cells_t *cells, unsigned db, const void *key,
    size_t len)
{
    size_t         i;
    store_cell_t  *cell;

    for (i = store_cell_hash(db, key, len); /* void */ ; i++) {
        cell = &cells->table[i & cells->mask];

        if (cell->len == 0
            || (cell->len == len && cell->db == db
                && memcmp(cell->key, key, len) == 0))
        {
            return cell;
        }
    }
}


static int
store_cells_grow(store_cells_t *cells)
{
    size_t         i, old;
    store_cell_t  *table, *cell;

    old = cells->mask + 1;
    table = cells->table;

    cells->table = calloc(old * 2, sizeof(store_cell_t));
    if (cells->table == NULL) {
        cells->table = table;
        return -1;
    }

    cells->mask = old * 2 - 1;

    for (i = 0; i < old; i++) {
        if (table[i].len != 0) {
            cell = store_cells_find(cells, table[i].db, table[i].key,
                                    table[i].len);
            *cell = table[i];
        }
    }

    free(table);

    return 0;
}


/* Gives the cell room for want bytes, keeping what it holds. */

static void *
store_cell_reserve(store_cells_t *cells, store_cell_t *cell, size_t want)
{
    unsigned char  *value;

    if (cell->max >= want) {
        return cell->value;
    }

    /* one that has grown grows again */

    if (cell->max != 0) {
        want += want / 2;
    }

    value = store_cells_alloc(cells, want);
    if (value == NULL) {
        return NULL;
    }

    if (cell->size != 0) {
        memcpy(value, cell->value, cell->size);
    }

    cell->value = value;
    cell->max = want;

    return value;
}


void *
store_cell(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t head, size_t more, size_t **size)
{
    void           *value;
    MDB_val         v;
    store_cell_t   *cell;
    store_cells_t  *cells;

    cells = t->cells;
    v.mv_size = 0;
    value = NULL;

    if (cells->n * 2 > cells->mask && store_cells_grow(cells) != 0) {
        goto nomem;
    }

    cell = store_cells_find(cells, db, key, len);

    if (cell->len == 0) {
        (void) store_get(t, db, key, len, &v);

        if (v.mv_size > STORE_CELL_MAX) {
            store_fail(t, MDB_CORRUPTED, "a counter");
            return NULL;
        }

        cell->len = (unsigned char) len;
        cell->db = (unsigned char) db;
        memcpy(cell->key, key, len);
        cells->n++;
    }

    *size = &cell->size;
    head = (head > cell->size + v.mv_size) ? head : cell->size + v.mv_size;
    value = store_cell_reserve(cells, cell, head + more);

    if (value != NULL) {

        if (v.mv_size != 0) {
            cell->size = v.mv_size;
            memcpy(value, v.mv_data, v.mv_size);
        }

        return value;
    }

nomem:

    store_fail(t, ENOMEM, "malloc()");

    return NULL;
}


static int
store_cell_compare(const void *one, const void *two)
{
    int                  rc;
    const store_cell_t  *a = *(store_cell_t *const *) one;
    const store_cell_t  *b = *(store_cell_t *const *) two;

    if (a->db != b->db) {
        return (a->db < b->db) ? -1 : 1;
    }

    rc = memcmp(a->key, b->key, (a->len < b->len) ? a->len : b->len);

    return (rc != 0) ? rc : (int) a->len - (int) b->len;
}


void
store_cells_write(store_txn_t *t)
{
    size_t          i, n;
    store_cell_t  **sorted;
    store_cells_t  *cells;

    cells = t->cells;

    if (cells->n == 0 || t->rc != 0) {
        return;
    }

    sorted = malloc(cells->n * sizeof(store_cell_t *));
    if (sorted == NULL) {
        store_fail(t, ENOMEM, "malloc()");
        return;
    }

    n = 0;

    for (i = 0; i <= cells->mask; i++) {
        if (cells->table[i].size != 0) {
            sorted[n++] = &cells->table[i];
        }
    }

    /* neighbours in the tree are written while their page is at hand */

    qsort(sorted, n, sizeof(store_cell_t *), store_cell_compare);

    for (i = 0; i < n; i++) {
        store_put(t, sorted[i]->db, sorted[i]->key, sorted[i]->len,
                  sorted[i]->value, sorted[i]->size);
    }

    free(sorted);
}
