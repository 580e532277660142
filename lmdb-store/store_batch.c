/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * One batch of records: from the frames of a ring or a log into one
 * transaction, together with the position it came to.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <unistd.h>
#include <sys/statvfs.h>

#include "store_cells.h"


#define STORE_SMALLER    20     /* times, where a batch does not fit */
#define STORE_WAITED_US  50     /* for the write lock: others want it too */
#define STORE_SHARED     64     /* batches after one that waited */
#define STORE_YIELD_US   150
#define STORE_FETCH      32     /* records, for which it pays */

/* Rows that are new to a page, at least, while some fill others. */

#define STORE_CODES_PAGE     8
#define STORE_VISITORS_PAGE  64
#define STORE_CLICKS_PAGE    32


uint64_t
store_now_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


/*
 * The next frame of the source at *pos, which becomes its place, numbered seq.
 * Returns its payload, or NULL at the end; a stale frame is the end too.
 */

static const unsigned char *
store_find_frame(const store_source_t *source, uint64_t *pos, uint64_t seq,
    store_frame_t *frame)
{
    uint64_t              at, left;
    const unsigned char  *p;

    for ( ;; ) {

        if (*pos >= source->end) {
            return NULL;
        }

        at = *pos % source->size;
        left = source->size - at;

        if (left < sizeof(store_frame_t)) {
            *pos += left;
            continue;
        }

        p = source->data + at;
        memcpy(frame, p, sizeof(store_frame_t));

        if (frame->len == STORE_FRAME_PAD && frame->seq == seq) {
            *pos += left;
            continue;
        }

        break;
    }

    if (frame->seq != seq || frame->len > STORE_RECORD_MAX
        || frame->len > left - sizeof(store_frame_t))
    {
        return NULL;
    }

    return p + sizeof(store_frame_t);
}


/* As that; a torn one is the end too. */

static const unsigned char *
store_next_frame(const store_source_t *source, uint64_t *pos, uint64_t seq,
    uint32_t *len)
{
    store_frame_t         frame;
    const unsigned char  *payload;

    payload = store_find_frame(source, pos, seq, &frame);

    if (payload == NULL
        || store_check(source->at.generation, seq, payload, frame.len)
           != frame.check)
    {
        return NULL;
    }

    *len = frame.len;

    return payload;
}


static size_t
store_leaves(store_txn_t *t, unsigned db)
{
    MDB_stat  stat;

    return (mdb_stat(t->txn, t->store->dbi[db], &stat) == 0)
           ? stat.ms_leaf_pages : 0;
}


/* Pages that so many rows change: those that are there, or new ones. */

static size_t
store_spread(size_t rows, size_t leaves, size_t filled)
{
    return (rows <= leaves) ? rows : leaves + (rows - leaves) / filled;
}


/*
 * Reads the rows that clicks of the batch will change, those of a database at
 * once; what a torn frame names is read in vain.  Returns how many records the
 * batch may have: the pages it changes are in memory until it is committed.
 */

static unsigned
store_fetch(store_txn_t *t, const store_source_t *source,
    const store_run_t *run)
{
    size_t                codes, visitors;
    int64_t               time;
    unsigned              n, limit, others, replies;
    uint64_t              pos;
    store_frame_t         frame;
    referral_click_t      click;
    const unsigned char  *payload;

    pos = source->at.pos;
    limit = run->limit;
    others = 0;
    replies = 0;
    codes = store_leaves(t, STORE_HOT);
    visitors = store_leaves(t, STORE_UQ0) + store_leaves(t, STORE_UQ0 + 1)
               + store_leaves(t, STORE_UQ0 + 2);

    for (n = 0; n < limit && pos - source->at.pos < STORE_BATCH_BYTES; n++) {
        payload = store_find_frame(source, &pos, source->at.seq + n + 1,
                                   &frame);

        if (payload == NULL) {
            break;
        }

        if (n != 0
            && store_spread(t->cells->n, codes, STORE_CODES_PAGE)
               + store_spread(store_visitors_wanted(t->cells->visitors),
                              visitors, STORE_VISITORS_PAGE)
               + n / STORE_CLICKS_PAGE >= STORE_BATCH_PAGES)
        {
            limit = n;
            break;
        }

        if (store_decode_head(payload, frame.len, &click, &time)) {
            store_want_click(t, &click, time);

        } else {
            others++;
        }

        replies += store_wants_reply(payload, frame.len);
        pos += store_frame_size(frame.len);

        /* the batch will end here */

        if (others == STORE_BATCH
            || (run->max_results != 0 && replies == run->max_results))
        {
            n++;
            break;
        }
    }

    if (n > STORE_FETCH) {
        store_cells_fetch(t, STORE_HOT);
        store_visitors_fetch(t);
    }

    return limit;
}


void
store_put_position(store_txn_t *t, const store_source_t *source,
    const store_position_t *at)
{
    unsigned char  key[3];

    store_slot_key(key, 'P', source->slot);
    store_put(t, STORE_META, key, sizeof(key), at, sizeof(*at));
}


/* Applies frames inside the transaction; *at is where it came to. */

static void
store_apply_frames(store_txn_t *t, const store_source_t *source,
    const store_run_t *run, store_position_t *at, referral_batch_t *batch)
{
    uint32_t              len;
    uint64_t              pos;
    unsigned              limit, others;
    referral_record_t     record;
    referral_result_t     result;
    const unsigned char  *payload;

    *at = source->at;
    others = 0;
    limit = store_fetch(t, source, run);

    while (batch->records < limit && others < STORE_BATCH
           && at->pos - source->at.pos < STORE_BATCH_BYTES
           && t->rc == 0)
    {
        pos = at->pos;
        payload = store_next_frame(source, &pos, at->seq + 1, &len);

        if (payload == NULL) {
            return;
        }

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
        others += (record.type != REFERRAL_RECORD_CLICK);

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
                batch->contended = 1;
                store->shared = STORE_SHARED;
                (void) usleep(STORE_YIELD_US);

            } else if (batch->records > STORE_BATCH) {

                /* liblmdb's lock is not fair: others would not be heard of */

                (void) usleep(STORE_YIELD_US);

            } else if (store->shared != 0) {
                store->shared--;
            }
        }
    }

    *what = t.what;

    return t.rc;
}


/*
 * Every page that changes is a copy first: where a batch does not fit into
 * what is left of the map, a smaller one may, until only the reserve is left.
 */

static int
store_run_fitting(referral_store_t *store, store_cells_t *cells,
    store_source_t *source, store_run_t *run, referral_batch_t *batch,
    const char **what)
{
    int  rc;

    run->limit = store->shared ? STORE_BATCH_SHARED : STORE_BATCH_CLICKS;

    if (source->at.pos >= source->end) {
        return store_run(store, cells, source, run, batch, what);
    }

    if (referral_store_level(store) == REFERRAL_LEVEL_FULL) {
        store_measure_soon(store);
    }

    for ( ;; ) {

        if (referral_store_level(store) == REFERRAL_LEVEL_FULL) {
            memset(batch, 0, sizeof(referral_batch_t));
            *what = "a batch";
            return MDB_MAP_FULL;
        }

        rc = store_run(store, cells, source, run, batch, what);

        if ((rc != MDB_MAP_FULL && rc != MDB_TXN_FULL && rc != ENOMEM)
            || run->limit == 1)
        {
            return rc;
        }

        run->limit = (run->limit > STORE_SMALLER) ? run->limit / STORE_SMALLER
                                                  : 1;
        store_measure(store);
    }
}


static void
store_batch_error(referral_store_t *store, int rc, const char *what,
    referral_error_t *err)
{
    referral_rc_t   result;
    struct statvfs  fs;

    result = store_rc(rc);

    /* liblmdb calls a write that came to be short an error of the disk */

    if (rc == EIO && statvfs(store->path, &fs) == 0 && fs.f_bavail == 0) {
        rc = ENOSPC;
    }

    if (rc == MDB_MAP_FULL) {
        referral_store_growth(store, err);
        err->rc = result;
        return;
    }

    store_error(err, result, rc, "%s failed in \"%s\"", what, store->path);
}


referral_rc_t
store_run_batch(referral_store_t *store, store_cells_t *cells,
    store_source_t *source, store_run_t *run, referral_batch_t *batch,
    referral_error_t *err)
{
    int            rc;
    const char    *what;
    referral_rc_t  result;

    if (store_replaced(store)) {
        store_error(err, REFERRAL_BROKEN, 0, "\"%s/data.mdb\" was replaced or "
                    "removed while it was in use; restart to use it",
                    store->path);
        return REFERRAL_BROKEN;
    }

    if (store->broken) {
        store_error(err, REFERRAL_BROKEN, 0,
                    "the disk of \"%s\" failed; restart to use it again",
                    store->path);
        return REFERRAL_BROKEN;
    }

    run->skip = 0;
    rc = store_run_fitting(store, cells, source, run, batch, &what);

    /* all before the record that failed, which may have been read ahead */

    while (store_rc(rc) == REFERRAL_CORRUPT && run->limit > 1) {
        run->limit = (batch->records > 1) ? batch->records - 1
                     : (batch->records == 1) ? 1
                     : (run->limit > STORE_SMALLER)
                     ? run->limit / STORE_SMALLER : 1;

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
        store_batch_error(store, rc, what, err);

    } else if (run->skip) {
        store_error(err, REFERRAL_OK, 0, "a record of intake %u was passed "
                    "over, for \"%s/data.mdb\" seems to be damaged: run "
                    "referralctl verify", (unsigned) source->slot,
                    store->path);

    } else if (batch->refused) {
        store_error(err, REFERRAL_OK, 0,
                    "%u records of intake %u were passed over: not of a "
                    "known form", batch->refused, (unsigned) source->slot);
    }

    if (batch->records != 0) {
        store_measure_cheap(store);
    }

    batch->seq = source->at.seq;

    return result;
}
