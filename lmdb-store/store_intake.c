/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Taking, flushing and applying the records of a slot.
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

#include "store_internal.h"


#define STORE_WAITED_US  50     /* for the write lock: others want it too */
#define STORE_YIELD_US   150


/* Where records are read from: a live ring, a dead one, or a log. */

typedef struct {
    const unsigned char    *data;
    uint64_t                size;
    uint64_t                end;            /* nothing is read beyond */
    uint16_t                slot;
    store_position_t        at;             /* applied up to here */
} store_source_t;

struct referral_intake_s {
    referral_store_t       *store;
    store_slot_t            slot;
    store_cells_t          *cells;

    /* producer */
    uint64_t                generation;
    uint64_t                head;
    uint64_t                seq;

    /* both */
    _Alignas(64) _Atomic uint64_t  taken_seq;
    _Atomic uint64_t        released;
    _Atomic uint64_t        applied_seq;
    _Atomic uint64_t        flushed_seq;

    /* committer */
    store_source_t          source;
    store_position_t        durable;        /* applied and on disk */
    uint64_t                flushed;
};


static uint64_t
store_now_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


/*
 * The next frame of the source at *pos, numbered seq.  Returns its payload,
 * or NULL at the end; a torn or stale frame is the end too.
 */

static const unsigned char *
store_next_frame(const store_source_t *source, uint64_t *pos, uint64_t seq,
    uint32_t *len)
{
    uint64_t       left;
    store_frame_t  frame;

    for ( ;; ) {

        if (*pos >= source->end) {
            return NULL;
        }

        left = source->size - *pos % source->size;

        if (left < sizeof(frame)) {
            *pos += left;
            continue;
        }

        memcpy(&frame, source->data + *pos % source->size, sizeof(frame));

        if (frame.len == STORE_FRAME_PAD && frame.seq == seq) {
            *pos += left;
            continue;
        }

        break;
    }

    if (frame.seq != seq || frame.len > STORE_RECORD_MAX
        || frame.len > left - sizeof(frame)
        || store_check(source->at.generation, seq,
                       source->data + *pos % source->size + sizeof(frame),
                       frame.len)
           != frame.check)
    {
        return NULL;
    }

    *len = frame.len;

    return source->data + *pos % source->size + sizeof(frame);
}


static uint64_t
store_frame_size(size_t len)
{
    return (sizeof(store_frame_t) + len + 7) & ~(uint64_t) 7;
}


static void
store_put_position(store_txn_t *t, const store_source_t *source,
    const store_position_t *at)
{
    unsigned char  key[3];

    key[0] = 'P';
    store_be16(key + 1, source->slot);

    store_put(t, STORE_META, key, sizeof(key), at, sizeof(*at));
}


typedef struct {
    unsigned            limit;              /* records */
    unsigned            skip;               /* the first one is poison */
    referral_result_t  *results;
    unsigned            max_results;
} store_run_t;


/* Applies frames inside the transaction; *at is where it came to. */

static void
store_apply_frames(store_txn_t *t, const store_source_t *source,
    const store_run_t *run, store_position_t *at, referral_batch_t *batch)
{
    uint32_t              len;
    uint64_t              pos;
    referral_record_t     record;
    referral_result_t     result;
    const unsigned char  *payload;

    *at = source->at;

    while (batch->records < run->limit
           && at->pos - source->at.pos < STORE_BATCH_BYTES
           && t->rc == 0)
    {
        pos = at->pos;
        payload = store_next_frame(source, &pos, at->seq + 1, &len);

        if (payload == NULL) {
            return;
        }

        memset(&record, 0, sizeof(record));

        if (store_decode(payload, len, &record) != 0
            || (run->skip && batch->records == 0))
        {
            memset(&result, 0, sizeof(result));
            result.rc = REFERRAL_INVALID;
            batch->refused++;

        } else {
            result = store_apply(t, &record);
        }

        at->seq++;
        at->pos = pos + store_frame_size(len);
        batch->records++;

        if (record.reply && run->max_results != 0) {
            result.seq = at->seq;
            run->results[batch->results++] = result;

            if (batch->results == run->max_results) {
                return;
            }
        }
    }
}


/* One transaction.  On failure nothing has happened. */

static int
store_run(referral_store_t *store, store_cells_t *cells,
    store_source_t *source, const store_run_t *run, referral_batch_t *batch,
    const char **what)
{
    uint64_t          start, waited;
    store_txn_t       t;
    store_position_t  at;

    memset(batch, 0, sizeof(referral_batch_t));

    if (source->at.pos >= source->end) {
        return 0;
    }

    t.cells = cells;
    store_cells_clear(cells);

    start = store_now_us();

    if (store_begin(&t, store, 0) == 0) {
        waited = store_now_us() - start;

        store_apply_frames(&t, source, run, &at, batch);

        if (batch->records == 0 && t.rc == 0) {
            store_abort(&t);
            return 0;
        }

        store_cells_write(&t);
        store_put_position(&t, source, &at);

        if (store_commit(&t) == 0) {
            source->at = at;

            if (waited > STORE_WAITED_US) {
                (void) usleep(STORE_YIELD_US);
            }
        }
    }

    *what = t.what;

    return t.rc;
}


/*
 * A batch, once more record by record when it fails for a reason that lies in
 * a record: then that record is passed over.
 */

static referral_rc_t
store_run_batch(referral_store_t *store, store_cells_t *cells,
    store_source_t *source, store_run_t *run, referral_batch_t *batch,
    referral_error_t *err)
{
    int            rc;
    const char    *what;
    referral_rc_t  result;

    if (store->broken) {
        store_error(err, REFERRAL_BROKEN, 0,
                    "the disk of \"%s\" failed; restart to use it again",
                    store->path);
        return REFERRAL_BROKEN;
    }

    run->skip = 0;
    run->limit = STORE_BATCH;
    rc = store_run(store, cells, source, run, batch, &what);

    if (store_rc(rc) == REFERRAL_CORRUPT) {
        run->limit = 1;
        rc = store_run(store, cells, source, run, batch, &what);
    }

    if (store_rc(rc) == REFERRAL_CORRUPT) {
        run->skip = 1;
        rc = store_run(store, cells, source, run, batch, &what);
    }

    result = store_rc(rc);

    if (result == REFERRAL_BROKEN) {
        store->broken = 1;
    }

    if (result != REFERRAL_OK) {
        store_error(err, result, rc > 0 ? rc : 0, "%s failed in \"%s\" (%s)",
                    what, store->path, mdb_strerror(rc));

    } else if (batch->refused) {
        store_error(err, REFERRAL_OK, 0,
                    "%u records of intake %u were passed over: not of a "
                    "known form", batch->refused, (unsigned) source->slot);
    }

    batch->seq = source->at.seq;

    return result;
}


static referral_rc_t
store_read_position(referral_store_t *store, unsigned slot,
    store_position_t *at, referral_error_t *err)
{
    MDB_val        v;
    store_txn_t    t;
    unsigned char  key[3];

    memset(at, 0, sizeof(store_position_t));

    key[0] = 'P';
    store_be16(key + 1, (uint16_t) slot);

    if (store_begin(&t, store, MDB_RDONLY) == 0) {
        if (store_get(&t, STORE_META, key, sizeof(key), &v)
            && v.mv_size == sizeof(store_position_t))
        {
            memcpy(at, v.mv_data, sizeof(store_position_t));
        }

        store_abort(&t);
    }

    return store_failed(&t, err);
}


/* Applies all that the source holds. */

static referral_rc_t
store_drain(referral_store_t *store, store_source_t *source,
    unsigned *records, referral_error_t *err)
{
    store_run_t        run;
    referral_rc_t      rc;
    store_cells_t     *cells;
    referral_batch_t   batch;

    cells = store_cells_create();
    if (cells == NULL) {
        return REFERRAL_FULL;
    }

    memset(&run, 0, sizeof(store_run_t));

    do {
        rc = store_run_batch(store, cells, source, &run, &batch, err);
        *records += (rc == REFERRAL_OK) ? batch.records : 0;

    } while (rc == REFERRAL_OK && batch.records != 0);

    store_cells_destroy(cells);

    return rc;
}


static referral_rc_t
store_recover_ring(referral_store_t *store, store_slot_t *s,
    store_source_t *source, unsigned *records, referral_error_t *err)
{
    referral_rc_t  rc;

    rc = store_slot_map(store, s, err);

    if (rc != REFERRAL_OK) {
        return (rc == REFERRAL_NOT_FOUND) ? REFERRAL_OK : rc;
    }

    if (s->head->generation != source->at.generation) {
        return REFERRAL_OK;
    }

    if (s->head->released_seq > source->at.seq) {
        store_error(err, REFERRAL_OK, 0,
                    "ring \"%s\" is newer than the store, which was "
                    "restored: its records are dropped", s->ring_path);
        return REFERRAL_OK;
    }

    source->data = s->data;
    source->size = s->size;
    source->end = atomic_load_explicit(&s->head->head, memory_order_acquire);

    rc = store_drain(store, source, records, err);

    if (rc == REFERRAL_OK && source->at.pos < source->end) {
        store_error(err, REFERRAL_OK, 0, "ring \"%s\" is damaged: what comes "
                    "after record %llu is dropped", s->ring_path,
                    (unsigned long long) source->at.seq);
    }

    return rc;
}


static referral_rc_t
store_recover_log(referral_store_t *store, store_slot_t *s,
    store_source_t *source, unsigned *records, referral_error_t *err)
{
    referral_rc_t       rc;
    store_ring_head_t  *head;

    rc = store_slot_read_log(store, s, &head, err);

    if (rc != REFERRAL_OK) {
        return (rc == REFERRAL_NOT_FOUND) ? REFERRAL_OK : rc;
    }

    if (head->generation == source->at.generation) {
        source->data = (unsigned char *) head + STORE_RING_HEADER;
        source->size = head->size;
        source->end = source->at.pos + head->size;

        rc = store_drain(store, source, records, err);
    }

    free(head);

    return rc;
}


/*
 * Applies what a dead owner left, then begins a new generation, which makes
 * whatever is still in ring and log void.  The caller holds the slot.
 */

referral_rc_t
store_recover(referral_store_t *store, store_slot_t *s,
    store_position_t *position, unsigned *records, referral_error_t *err)
{
    store_txn_t     t;
    referral_rc_t   rc;
    store_source_t  source;

    memset(&source, 0, sizeof(store_source_t));
    source.slot = (uint16_t) s->slot;

    rc = store_read_position(store, s->slot, &source.at, err);

    if (rc == REFERRAL_OK) {
        rc = store_recover_ring(store, s, &source, records, err);
    }

    if (rc == REFERRAL_OK) {
        rc = store_recover_log(store, s, &source, records, err);
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    source.at.generation++;
    source.at.pos = 0;

    if (store_begin(&t, store, 0) == 0) {
        store_put_position(&t, &source, &source.at);
        (void) store_commit(&t);
    }

    rc = store_failed(&t, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    *position = source.at;

    return store_sync(store, err);
}


static referral_rc_t
store_intake_claim(referral_intake_t *intake, referral_error_t *err)
{
    unsigned       slot, records;
    referral_rc_t  rc;

    for (slot = 0; slot < STORE_MAX_SLOTS; slot++) {
        rc = store_slot_lock(intake->store, slot, 1, &intake->slot, err);

        if (rc == REFERRAL_BUSY) {
            continue;
        }

        if (rc != REFERRAL_OK) {
            return rc;
        }

        records = 0;
        rc = store_recover(intake->store, &intake->slot, &intake->source.at,
                           &records, err);

        if (rc == REFERRAL_OK) {
            rc = store_slot_format(intake->store, &intake->slot,
                                   intake->source.at.generation, err);
        }

        if (rc == REFERRAL_OK) {
            return REFERRAL_OK;
        }

        store_slot_unlock(&intake->slot);

        if (rc != REFERRAL_BUSY) {
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

    memset(err, 0, sizeof(referral_error_t));
    intake = NULL;

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

    store_slot_unlock(&intake->slot);
    store_cells_destroy(intake->cells);
    free(intake);
}


referral_rc_t
referral_intake_put(referral_intake_t *intake,
    const referral_record_t *record, uint64_t *seq)
{
    size_t          len;
    uint64_t        need, left, used;
    store_frame_t   frame;
    unsigned char  *p, buf[STORE_RECORD_MAX];

    len = store_encode(record, buf);
    if (len == 0) {
        return REFERRAL_INVALID;
    }

    used = intake->head - atomic_load_explicit(&intake->released,
                                               memory_order_acquire);
    need = store_frame_size(len);
    left = intake->slot.size - intake->head % intake->slot.size;

    if (used + need + (left < need ? left : 0) > intake->slot.size) {
        return REFERRAL_FULL;
    }

    frame.seq = intake->seq + 1;

    if (left < need) {
        if (left >= sizeof(frame)) {
            frame.len = STORE_FRAME_PAD;
            frame.check = 0;
            memcpy(intake->slot.data + intake->head % intake->slot.size,
                   &frame, sizeof(frame));
        }

        intake->head += left;
    }

    frame.len = (uint32_t) len;
    frame.check = store_check(intake->generation, frame.seq, buf, len);

    p = intake->slot.data + intake->head % intake->slot.size;
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


static int
store_log_write(referral_intake_t *intake, uint64_t from, uint64_t to)
{
    off_t     offset;
    size_t    len;
    ssize_t   n;
    uint64_t  left;

    while (from < to) {
        left = intake->slot.size - from % intake->slot.size;
        len = (size_t) ((to - from < left) ? to - from : left);
        offset = (off_t) (STORE_RING_HEADER + from % intake->slot.size);

        n = pwrite(intake->slot.log_fd,
                   intake->slot.data + from % intake->slot.size, len, offset);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n <= 0) {
            return -1;
        }

        from += (uint64_t) n;
    }

    return fdatasync(intake->slot.log_fd);
}


referral_rc_t
referral_intake_flush(referral_intake_t *intake, uint64_t *seq,
    referral_error_t *err)
{
    uint64_t  from, to, taken;

    /* in this order: what is taken is below the head that is read after it */

    taken = atomic_load_explicit(&intake->taken_seq, memory_order_acquire);
    to = atomic_load_explicit(&intake->slot.head->head, memory_order_acquire);

    /*
     * What is applied but not yet on disk has to be in the log as well:
     * recovery reads on from the position that the disk knows.
     */

    from = intake->flushed;

    if (from < intake->durable.pos) {
        from = intake->durable.pos;
    }

    if (from < to && store_log_write(intake, from, to) != 0) {
        store_error(err, REFERRAL_SYSTEM, errno,
                    "cannot write \"%s/intake-%03u.log\"",
                    intake->store->path, intake->slot.slot);
        return REFERRAL_SYSTEM;
    }

    intake->flushed = to;
    atomic_store_explicit(&intake->flushed_seq, taken, memory_order_release);
    *seq = taken;

    return REFERRAL_OK;
}


static void
store_release(referral_intake_t *intake, const store_position_t *durable)
{
    intake->durable = *durable;
    intake->slot.head->released_seq = durable->seq;

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

    batch->more = (intake->source.at.seq
                   < atomic_load_explicit(&intake->taken_seq,
                                          memory_order_acquire));

    return REFERRAL_OK;
}


/* Whether a free slot holds anything that its dead owner did not apply. */

static int
store_slot_orphaned(referral_store_t *store, store_slot_t *s)
{
    store_position_t   at;
    store_ring_head_t  head;

    if (access(s->ring_path, F_OK) == 0) {
        return 1;
    }

    return pread(s->log_fd, &head, sizeof(head), 0) == sizeof(head)
           && store_read_position(store, s->slot, &at, NULL) == REFERRAL_OK
           && head.generation == at.generation;
}


referral_rc_t
referral_store_maintain(referral_store_t *store, unsigned *records,
    referral_error_t *err)
{
    unsigned          slot;
    store_slot_t      s;
    referral_rc_t     rc;
    store_position_t  at;

    memset(err, 0, sizeof(referral_error_t));
    *records = 0;

    (void) mdb_reader_check(store->env, NULL);

    for (slot = 0; slot < STORE_MAX_SLOTS; slot++) {
        rc = store_slot_lock(store, slot, 0, &s, err);

        if (rc == REFERRAL_BUSY) {
            continue;
        }

        if (rc != REFERRAL_OK) {
            return (rc == REFERRAL_NOT_FOUND) ? REFERRAL_OK : rc;
        }

        if (store_slot_orphaned(store, &s)) {
            rc = store_recover(store, &s, &at, records, err);

            if (rc == REFERRAL_OK) {
                store_slot_unlink_ring(&s);
            }
        }

        store_slot_unlock(&s);

        if (rc != REFERRAL_OK && rc != REFERRAL_BUSY) {
            return rc;
        }
    }

    return REFERRAL_OK;
}
