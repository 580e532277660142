/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The recount, in parts.
 *
 *   store_verify.c   the whole, and what is mended
 *   store_recount.c  the journal, record by record
 *   store_bases.c    days of which clicks were purged
 *   store_compare.c  the store and what the journal comes to
 */

#ifndef REFERRAL_STORE_VERIFY_H
#define REFERRAL_STORE_VERIFY_H

#include "store_replay.h"


typedef struct store_bases_s  store_bases_t;
typedef struct store_mend_s  store_mend_t;

typedef struct {
    store_txn_t                *disk;
    const referral_verify_t    *verify;
    store_replay_t             *replay;
    store_txn_t                *again;      /* what the journal comes to */
    store_bases_t              *bases;
    store_mend_t               *mend;       /* NULL: rows are not mended */
    uint64_t                    differences;
    uint64_t                    damages;    /* of the journal or a base */
} store_compare_t;


/* store_verify.c */

/*
 * A difference, in a sentence; want is what the row should be, NULL: nothing.
 */
void store_differs(store_compare_t *c, unsigned db, const MDB_val *key,
    const MDB_val *want, const char *what);
/* One that cannot be mended. */
void store_damaged(store_compare_t *c, unsigned db, const MDB_val *key,
    const char *what);


/* store_recount.c */

void store_recount(store_compare_t *c);


/* store_bases.c */

/* NULL: no memory, the transaction has failed. */
store_bases_t *store_bases_create(store_txn_t *disk);
void store_bases_destroy(store_bases_t *bases);
/* Clicks that are not in the journal any more. */
uint64_t store_bases_purged(const store_bases_t *bases);
/* 1 when the click is of a day that has a base: then it is added there. */
int store_bases_click(store_bases_t *bases, const store_click_row_t *row);
/*
 * The days that have a base: what is on disk is that plus the clicks added.
 * If so it is given to the replay as well, which did not count them.
 */
void store_bases_check(store_compare_t *c);


/* store_compare.c */

void store_compare(store_compare_t *c);


#endif /* REFERRAL_STORE_VERIFY_H */
