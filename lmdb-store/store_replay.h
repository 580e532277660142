/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The journal applied once more, to a store of its own that nobody else sees
 * and that is gone with the process.  Clicks are counted and indexed in it,
 * but not kept: they are read from the store whose journal it is.
 */

#ifndef REFERRAL_STORE_REPLAY_H
#define REFERRAL_STORE_REPLAY_H

#include "store_case.h"


typedef struct store_replay_s  store_replay_t;

/* disk: a snapshot of the store, which stays open. */
store_replay_t *store_replay_create(store_txn_t *disk, referral_error_t *err);
void store_replay_destroy(store_replay_t *replay);

/* Applies what had that place in the journal; a click is counted, and its
   folded set, or gives its points only. */
void store_replay_click(store_replay_t *replay, store_click_row_t *row,
    uint64_t seq, unsigned counted);
void store_replay_record(store_replay_t *replay,
    const referral_record_t *record, uint64_t seq);

/* Whether the replay put just that into that place of the journal. */
int store_replay_wrote(store_replay_t *replay, uint64_t seq,
    const MDB_val *row);
/* The last place it wrote to. */
uint64_t store_replay_last(store_replay_t *replay);

/* What it writes to.  After a few rows to be let turn, as after a record. */
store_txn_t *store_replay_txn(store_replay_t *replay);
void store_replay_turn(store_replay_t *replay);
/* Ends it: what it counted is written, and can be read. */
void store_replay_end(store_replay_t *replay);


#endif /* REFERRAL_STORE_REPLAY_H */
