/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A store for targets that need one, with a bit of everything in it.  All that
 * an input does to it is undone: it happens in a transaction that is never
 * committed.
 *
 * In place of liblmdb's: mdb_txn_begin() begins one within that transaction,
 * and mdb_get() and mdb_cursor_get() return copies of keys and values, blocks
 * of just that size, so that a byte read beyond a row is seen.
 */

#ifndef BASE_H
#define BASE_H

#include "fuzz.h"
#include "store_internal.h"


#define FUZZ_NOW      INT64_C(1763700000000)    /* ms */
#define FUZZ_DAY      INT64_C(86400000)

typedef struct {
    referral_store_t     *store;
    uint32_t              program;
} fuzz_base_t;


extern fuzz_base_t  fuzz_base;


/* Once. */

void fuzz_base_make(void);

/* Around each input. */

void fuzz_base_begin(void);
void fuzz_base_end(void);

/* A transaction of the store, with cells, that can be read as a snapshot. */

referral_snapshot_t *fuzz_base_open(void);

/* What was counted is written; then as it was opened, or not at all. */

void fuzz_base_write(referral_snapshot_t *snap);
void fuzz_base_close(referral_snapshot_t *snap, unsigned commit);

/*
 * Everything that the endpoint and referralctl read, as JSON, which is JSON
 * whatever is in the store.
 */

void fuzz_base_read(referral_snapshot_t *snap);

/* How many rows verify finds to be other than the journal says. */

uint64_t fuzz_base_verify(referral_snapshot_t *snap, referral_rc_t *rc);


#endif /* BASE_H */
