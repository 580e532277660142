/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The cells of a batch: counters in memory, written once at its end.  Which
 * they are is kept here; store_sorted.c reads and writes many.
 */

#include <stdlib.h>
#include <errno.h>

#include "store_cells.h"


#define STORE_CHUNK  (256 * 1024)


struct store_chunk_s {
    store_chunk_t      *next;
    size_t              used;
    size_t              size;
    _Alignas(16) unsigned char  data[];
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
    cells->table = calloc(cells->mask + 1, sizeof(store_cell_t *));
    cells->visitors = store_visitors_create();

    if (cells->table == NULL || cells->visitors == NULL) {
        store_cells_destroy(cells);
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

    store_visitors_destroy(cells->visitors);
    free(cells->table);
    free(cells);
}


/* What was short cuts leads nowhere any more. */

static void
store_cells_forget(store_cells_t *cells)
{
    unsigned  i;

    cells->journal = NULL;
    memset(cells->generations, 0, sizeof(cells->generations));

    for (i = 0; i < STORE_NEAR; i++) {
        cells->near[i].rows[0] = NULL;
    }

    for (i = 0; i < STORE_LABELS; i++) {
        cells->labels[i].id = 0;
    }
}


void
store_cells_clear(store_cells_t *cells)
{
    unsigned        db;
    store_cell_t   *cell;
    store_chunk_t  *chunk, *next;

    for (db = 0; db < STORE_DBS; db++) {
        for (cell = cells->first[db]; cell; cell = cell->next) {
            cells->table[cell->place] = NULL;
        }
    }

    cells->n = 0;
    memset(cells->count, 0, sizeof(cells->count));
    memset(cells->first, 0, sizeof(cells->first));
    store_cells_forget(cells);
    store_visitors_clear(cells->visitors);

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
store_cell_hash(unsigned db, const uint64_t *key)
{
    uint64_t  h;

    h = (key[0] ^ (db + 1)) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
    h = (h ^ key[1]) * 0xc4ceb9fe1a85ec53u;
    h ^= h >> 32;
    h = (h ^ key[2]) * 0xff51afd7ed558ccdu;

    return (size_t) (h ^ (h >> 29));
}


/* The place of a key, which is free when there is no cell of it. */

static size_t
store_cells_place(const store_cells_t *cells, unsigned db, size_t len,
    const uint64_t *key)
{
    size_t               i;
    const store_cell_t  *cell;

    for (i = store_cell_hash(db, key); /* void */ ; i++) {
        cell = cells->table[i & cells->mask];

        if (cell == NULL
            || (cell->key[0] == key[0] && cell->key[1] == key[1]
                && cell->key[2] == key[2]
                && cell->db == db && cell->len == len))
        {
            return i & cells->mask;
        }
    }
}


static int
store_cells_grow(store_cells_t *cells)
{
    size_t          size;
    unsigned        db;
    store_cell_t   *cell, **table;

    size = (cells->mask + 1) * 2;
    table = calloc(size, sizeof(store_cell_t *));

    if (table == NULL) {
        return -1;
    }

    free(cells->table);
    cells->table = table;
    cells->mask = size - 1;

    for (db = 0; db < STORE_DBS; db++) {
        for (cell = cells->first[db]; cell; cell = cell->next) {
            cell->place = (uint32_t) store_cells_place(cells, db, cell->len,
                                                       cell->key);
            table[cell->place] = cell;
        }
    }

    return 0;
}


/* The cell of a key, which has no value yet when it is new. */

static store_cell_t *
store_cell_find(store_txn_t *t, unsigned db, const void *key, size_t len)
{
    size_t          place;
    uint64_t        words[STORE_CELL_KEY / sizeof(uint64_t)] = { 0 };
    store_cell_t   *cell;
    store_cells_t  *cells;

    cells = t->cells;
    memcpy(words, key, len);

    if (cells->n * 2 > cells->mask && store_cells_grow(cells) != 0) {
        goto nomem;
    }

    place = store_cells_place(cells, db, len, words);
    cell = cells->table[place];

    if (cell != NULL) {
        return cell;
    }

    cell = store_cells_alloc(cells, sizeof(store_cell_t));

    if (cell == NULL) {
        goto nomem;
    }

    memcpy(cell->key, words, sizeof(words));
    cell->db = (uint8_t) db;
    cell->len = (uint8_t) len;
    cell->place = (uint32_t) place;
    cell->next = cells->first[db];

    cells->first[db] = cell;
    cells->table[place] = cell;
    cells->count[db]++;
    cells->n++;

    return cell;

nomem:

    store_fail(t, ENOMEM, "malloc()");

    return NULL;
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
store_cell_fill(store_txn_t *t, store_cell_t *cell, const MDB_val *v,
    size_t head, size_t more)
{
    void  *value;

    if (v->mv_size > STORE_CELL_MAX) {
        store_fail(t, MDB_CORRUPTED, "a counter");
        return NULL;
    }

    head = (head > v->mv_size) ? head : v->mv_size;
    value = store_cell_reserve(t->cells, cell, head + more);

    if (value == NULL) {
        store_fail(t, ENOMEM, "malloc()");
        return NULL;
    }

    if (v->mv_size != 0) {
        memcpy(value, v->mv_data, v->mv_size);
    }

    cell->size = v->mv_size;

    return value;
}


void *
store_cell(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t head, size_t more, size_t **size)
{
    void          *value;
    MDB_val        v;
    store_cell_t  *cell;

    cell = store_cell_find(t, db, key, len);

    if (cell == NULL) {
        return NULL;
    }

    *size = &cell->size;
    cell->used = 1;

    if (cell->value == NULL) {
        v.mv_size = 0;
        (void) store_get(t, db, key, len, &v);

        return store_cell_fill(t, cell, &v, head, more);
    }

    head = (head > cell->size) ? head : cell->size;
    value = store_cell_reserve(t->cells, cell, head + more);

    if (value == NULL) {
        store_fail(t, ENOMEM, "malloc()");
    }

    return value;
}


void
store_cell_want(store_txn_t *t, unsigned db, const void *key, size_t len)
{
    (void) store_cell_find(t, db, key, len);
}
