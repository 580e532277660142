/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * An intake, for those who take and apply its records and for those who keep
 * its log.
 */

#ifndef STORE_INTAKE_H
#define STORE_INTAKE_H

#include <pthread.h>

#include "store_internal.h"


struct referral_intake_s {
    referral_store_t       *store;
    store_slot_t            slot;
    store_cells_t          *cells;
    unsigned                recovered;

    /* producer; all read the last */
    _Alignas(64) uint64_t   generation;
    uint64_t                head;
    uint64_t                seq;
    _Atomic uint64_t        taken_seq;

    /* committer, and the thread that flushes; all read them */
    _Alignas(64) _Atomic uint64_t  released;
    _Atomic uint64_t        applied_seq;
    _Atomic uint64_t        flushed_seq;

    /* committer */
    store_source_t          source;
    store_position_t        durable;        /* applied and on disk */

    /* under the mutex: the log, which one thread flushes and another wipes */
    pthread_mutex_t         mutex;
    int                     data_fd;        /* of what the log refers to */
    uint64_t                flushed;
    uint64_t                wiped;          /* erasures: done, under way */
    uint64_t                wiping;
    uint64_t                wipe_pos;       /* of the log: what is left of it */
    uint64_t                wipe_end;
};


/*
 * The log of an intake that was claimed: what it takes to flush it, in a
 * thread of its own if need be.
 */

referral_rc_t store_log_begin(referral_intake_t *intake,
    referral_error_t *err);
void store_log_end(referral_intake_t *intake);

/* What is applied is on disk: space in ring and log up to there is free. */

void store_release(referral_intake_t *intake, const store_position_t *durable);


#endif /* STORE_INTAKE_H */
