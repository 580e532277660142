/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Taking and applying the records of a slot.
 *
 * Positions count bytes since the slot's generation began; a position modulo
 * the size of the ring is an offset in it, and the same offset in the log.
 *
 *       released        applied         flushed           head
 *   ───────┼───────────────┼───────────────┼────────────────┼─────▶
 *   free   │ in the store, │ in the log    │ in the ring    │ free
 *          │ maybe not yet │ (durable)     │ only           │
 *          │ on disk       │               │                │
 *
 * Applied and flushed are independent: either may be ahead of the other.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "store_intake.h"


static referral_rc_t
store_intake_claim(referral_intake_t *intake, referral_error_t *err)
{
    unsigned       slot, left;
    referral_rc_t  rc;

    for (slot = 0; slot < STORE_MAX_SLOTS; slot++) {
        rc = store_slot_lock(intake->store, slot, 1, &intake->slot, err);

        if (rc == REFERRAL_BUSY) {
            continue;
        }

        if (rc != REFERRAL_OK) {
            return rc;
        }

        rc = store_recover(intake->store, &intake->slot, &intake->source.at,
                           &intake->recovered, err);

        if (rc == REFERRAL_OK) {
            rc = store_slot_format(intake->store, &intake->slot,
                                   intake->source.at.generation, err);
        }

        if (rc == REFERRAL_OK) {
            return REFERRAL_OK;
        }

        left = (rc == REFERRAL_FULL
                && store_slot_orphaned(intake->store, &intake->slot));

        store_slot_unlock(&intake->slot);

        /* who makes room has to be open for it: what is there waits */

        if (rc != REFERRAL_BUSY && !left) {
            return rc;
        }
    }

    store_error(err, REFERRAL_BUSY, 0, "all %u intake slots of \"%s\" are "
                "taken", STORE_MAX_SLOTS, intake->store->path);

    return REFERRAL_BUSY;
}


referral_rc_t
referral_intake_open(referral_store_t *store, referral_intake_t **out,
    referral_error_t *err)
{
    referral_rc_t       rc;
    referral_intake_t  *intake;

    intake = NULL;
    rc = store_may_write(store, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (posix_memalign((void **) &intake, 64, sizeof(referral_intake_t))
        != 0)
    {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        return REFERRAL_FULL;
    }

    memset(intake, 0, sizeof(referral_intake_t));
    intake->store = store;
    intake->cells = store_cells_create();

    if (intake->cells == NULL) {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        free(intake);
        return REFERRAL_FULL;
    }

    rc = store_intake_claim(intake, err);

    if (rc == REFERRAL_OK) {
        rc = store_log_begin(intake, err);

        if (rc != REFERRAL_OK) {
            store_log_end(intake);
            store_slot_unlink_ring(&intake->slot);
            store_slot_unlock(&intake->slot);
        }
    }

    if (rc != REFERRAL_OK) {
        store_cells_destroy(intake->cells);
        free(intake);
        return rc;
    }

    intake->source.data = intake->slot.data;
    intake->source.size = intake->slot.size;
    intake->source.slot = (uint16_t) intake->slot.slot;
    intake->durable = intake->source.at;
    intake->generation = intake->source.at.generation;
    intake->seq = intake->source.at.seq;

    atomic_store(&intake->taken_seq, intake->seq);
    atomic_store(&intake->applied_seq, intake->seq);
    atomic_store(&intake->flushed_seq, intake->seq);

    *out = intake;

    return REFERRAL_OK;
}


void
referral_intake_close(referral_intake_t *intake)
{
    referral_error_t  err;

    /* an empty ring is of no use to anybody, once its records are on disk */

    if (intake->source.at.seq == intake->seq
        && (intake->durable.seq == intake->seq
            || store_sync(intake->store, &err) == REFERRAL_OK))
    {
        store_slot_unlink_ring(&intake->slot);
    }

    store_log_end(intake);
    store_slot_unlock(&intake->slot);
    store_cells_destroy(intake->cells);
    free(intake);
}


referral_rc_t
referral_intake_put(referral_intake_t *intake,
    const referral_record_t *record, uint64_t *seq)
{
    size_t          len;
    uint64_t        need, left, used, offset;
    store_frame_t   frame;
    unsigned char  *p, buf[STORE_RECORD_MAX];

    len = store_encode(record, buf);
    if (len == 0) {
        return REFERRAL_INVALID;
    }

    used = intake->head - atomic_load_explicit(&intake->released,
                                               memory_order_acquire);
    need = store_frame_size(len);
    offset = intake->head % intake->slot.size;
    left = intake->slot.size - offset;

    if (used + need + (left < need ? left : 0) > intake->slot.size
        || store_level_refuses(intake->store, record->type, used))
    {
        return REFERRAL_FULL;
    }

    frame.seq = intake->seq + 1;

    if (left < need) {
        if (left >= sizeof(frame)) {
            frame.len = STORE_FRAME_PAD;
            frame.check = 0;
            memcpy(intake->slot.data + offset, &frame, sizeof(frame));
        }

        intake->head += left;
        offset = 0;
    }

    frame.len = (uint32_t) len;
    frame.check = store_check(intake->generation, frame.seq, buf, len);

    p = intake->slot.data + offset;
    memcpy(p, &frame, sizeof(frame));
    memcpy(p + sizeof(frame), buf, len);

    intake->head += need;
    intake->seq++;

    atomic_store_explicit(&intake->slot.head->head, intake->head,
                          memory_order_release);
    atomic_store_explicit(&intake->taken_seq, intake->seq,
                          memory_order_release);

    *seq = intake->seq;

    return REFERRAL_OK;
}


void
referral_intake_info(referral_intake_t *intake, referral_intake_info_t *info)
{
    info->recovered = intake->recovered;
    info->applied_seq = atomic_load_explicit(&intake->applied_seq,
                                             memory_order_acquire);
    info->flushed_seq = atomic_load_explicit(&intake->flushed_seq,
                                             memory_order_acquire);
    info->taken_seq = atomic_load_explicit(&intake->taken_seq,
                                           memory_order_acquire);
    info->size = intake->slot.size;

    /* in this order: the head is never behind what was released before */

    info->used = atomic_load_explicit(&intake->released,
                                      memory_order_acquire);
    info->used = atomic_load_explicit(&intake->slot.head->head,
                                      memory_order_acquire) - info->used;
}


/* What is in the store for good is kept nowhere else. */

static void
store_forget(store_slot_t *s, uint64_t from, uint64_t to)
{
    size_t  len, left;

    for ( /* void */ ; from < to; from += len) {
        left = (size_t) (s->size - from % s->size);
        len = (to - from < left) ? (size_t) (to - from) : left;
        memset(s->data + from % s->size, 0, len);
    }
}


void
store_release(referral_intake_t *intake, const store_position_t *durable)
{
    uint64_t  from;

    from = intake->durable.pos;
    intake->durable = *durable;
    intake->slot.head->released_seq = durable->seq;

    store_forget(&intake->slot, from, durable->pos);

    atomic_store_explicit(&intake->released, durable->pos,
                          memory_order_release);
}


referral_rc_t
referral_intake_apply(referral_intake_t *intake, unsigned sync,
    referral_result_t *results, unsigned max_results,
    referral_batch_t *batch, referral_error_t *err)
{
    store_run_t       run;
    referral_rc_t     rc;
    store_position_t  before;

    memset(err, 0, sizeof(referral_error_t));
    before = intake->source.at;

    run.results = results;
    run.max_results = max_results;

    intake->source.end = atomic_load_explicit(&intake->slot.head->head,
                                              memory_order_acquire);

    rc = store_run_batch(intake->store, intake->cells, &intake->source, &run,
                         batch, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (batch->records == 0 && intake->source.at.pos < intake->source.end) {
        store_error(err, REFERRAL_CORRUPT, 0, "ring \"%s\" is damaged after "
                    "record %llu", intake->slot.ring_path,
                    (unsigned long long) intake->source.at.seq);
        return REFERRAL_CORRUPT;
    }

    if (batch->results != 0
        || ((sync || batch->records == 0)
            && intake->durable.seq < intake->source.at.seq))
    {
        rc = store_sync(intake->store, err);

        if (rc != REFERRAL_OK) {
            return rc;
        }

        store_release(intake, &intake->source.at);

    } else if (batch->records != 0) {

        /* this commit's flush carried the meta page of the one before */

        store_release(intake, &before);
    }

    atomic_store_explicit(&intake->applied_seq, intake->source.at.seq,
                          memory_order_release);

    batch->more = (intake->source.at.pos < intake->source.end);

    return REFERRAL_OK;
}
