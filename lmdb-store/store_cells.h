/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a batch has in memory, beside its cells: short cuts to some of them,
 * labels, and visitors.  All of it ends with the batch.
 */

#ifndef REFERRAL_STORE_CELLS_H
#define REFERRAL_STORE_CELLS_H

#include "store_internal.h"


#define STORE_NEAR    64            /* powers of 2 */
#define STORE_LABELS  256

typedef struct store_cell_s  store_cell_t;
typedef struct store_chunk_s  store_chunk_t;
typedef struct store_visitors_s  store_visitors_t;

typedef struct {
    uint32_t                program;
    uint16_t                id;             /* 0: none yet */
    uint8_t                 dim;
    uint8_t                 len;
    unsigned char           text[REFERRAL_LANDING_MAX];
} store_label_t;

/* Rows of a program: of a day, and of all time unless these are hours. */

typedef struct {
    uint32_t                program;
    uint32_t                day;
    uint32_t                dim;
    uint32_t                id;
    store_prg_t            *rows[2];        /* NULL: none yet */
} store_near_t;

struct store_cell_s {
    uint64_t            key[STORE_CELL_KEY / sizeof(uint64_t)];
    uint32_t            place;              /* in the table */
    uint8_t             db;
    uint8_t             len;                /* of the key */
    uint8_t             used;               /* 0: only read ahead */
    size_t              size;
    size_t              max;
    unsigned char      *value;              /* NULL: not read yet */
    store_cell_t       *next;
};

struct store_cells_s {
    store_cell_t          **table;
    size_t                  mask;
    size_t                  n;
    store_cell_t           *first[STORE_DBS];
    size_t                  count[STORE_DBS];
    store_chunk_t          *chunks;
    store_visitors_t       *visitors;

    /* values that are of one size stay where they are */

    uint64_t               *journal;        /* NULL: not known yet */
    uint32_t               *generations[STORE_UNIQUE_DAYS];
    store_near_t            near[STORE_NEAR];
    store_label_t           labels[STORE_LABELS];
};


/*
 * What the database has becomes the value of the cell.  NULL: the transaction
 * has failed.
 */
void *store_cell_fill(store_txn_t *t, store_cell_t *cell, const MDB_val *v,
    size_t head, size_t more);


/* store_unique.c */

/* What a click will need is read with that of others: tells of it. */
void store_want_click(store_txn_t *t, const referral_click_t *click,
    int64_t time);
/* Whether a click is unique, which is remembered. */
int store_unique(store_txn_t *t, const referral_click_t *click, int64_t time);


/*
 * store_visitors.c: sets of visitors, one for each of STORE_UNIQUE_DAYS
 * generations, as they will be at the end of the batch.  What the batch is
 * going to ask for is best told before: then it is read in the order of the
 * tree, as it is written.
 */

store_visitors_t *store_visitors_create(void);
void store_visitors_destroy(store_visitors_t *visitors);
void store_visitors_clear(store_visitors_t *visitors);

/* Tells what will be asked; then, of all of it, reads the answers. */
void store_visitor_want(store_txn_t *t, unsigned generation, uint64_t key);
void store_visitors_fetch(store_txn_t *t);

/* 1 and the second of the last unique click, or 0. */
int store_visitor_get(store_txn_t *t, unsigned generation, uint64_t key,
    uint32_t *seconds);
void store_visitor_put(store_txn_t *t, unsigned generation, uint64_t key,
    uint32_t seconds);
void store_visitors_empty(store_txn_t *t, unsigned generation);
void store_visitors_write(store_txn_t *t);
/* How many will be asked for, of the generation with most. */
size_t store_visitors_wanted(const store_visitors_t *visitors);


#endif /* REFERRAL_STORE_CELLS_H */
