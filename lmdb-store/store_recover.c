/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the dead left: records of a ring or a log that are not applied, slots
 * without an owner.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "store_internal.h"


static referral_rc_t
store_read_position(referral_store_t *store, unsigned slot, unsigned flags,
    store_position_t *at, referral_error_t *err)
{
    unsigned char  key[3];

    store_slot_key(key, 'P', slot);

    return store_read_meta(store, flags, key, sizeof(key), at,
                           sizeof(store_position_t), err);
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
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
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
 * The ring is where its last owner had it: nginx may have been told of another
 * directory since.
 */

static referral_rc_t
store_recall_place(referral_store_t *store, store_slot_t *s,
    referral_error_t *err)
{
    char           dir[sizeof(store->intake_path)];
    MDB_val        v;
    store_txn_t    t;
    unsigned char  key[3], used[3];

    store_slot_key(key, 'I', s->slot);
    store_slot_key(used, 'P', s->slot);

    if (store_begin(&t, store, MDB_RDONLY) == 0) {

        /* older stores know of one directory for all slots */

        if ((store_get(&t, STORE_META, key, sizeof(key), &v)
             || (store_get(&t, STORE_META, used, sizeof(used), &v)
                 && store_get(&t, STORE_META, "I", 1, &v)))
            && v.mv_size < sizeof(dir))
        {
            memcpy(dir, v.mv_data, v.mv_size);
            dir[v.mv_size] = '\0';
            store_slot_place(store, s, dir);
        }

        store_abort(&t);
    }

    return store_failed(&t, err);
}


static int
store_elsewhere(referral_store_t *store, store_slot_t *s)
{
    size_t  len;

    len = strlen(store->intake_path);

    return strncmp(s->ring_path, store->intake_path, len) != 0
           || strcmp(s->ring_path + len, strrchr(s->ring_path, '/')) != 0;
}


static void
store_put_place(store_txn_t *t, unsigned slot)
{
    size_t          len;
    const char     *dir;
    unsigned char   key[3];

    dir = t->store->intake_path;
    len = strlen(dir);
    store_slot_key(key, 'I', slot);

    store_put(t, STORE_META, "I", 1, dir, len);
    store_put(t, STORE_META, key, sizeof(key), dir, len);
}


referral_rc_t
store_recover(referral_store_t *store, store_slot_t *s,
    store_position_t *position, unsigned *records, referral_error_t *err)
{
    store_txn_t     t;
    referral_rc_t   rc;
    store_source_t  source;

    memset(&source, 0, sizeof(store_source_t));
    source.slot = (uint16_t) s->slot;

    /*
     * Who died between the meta page of his commit and telling readers of it
     * has left a commit that only the next writer sees.
     */

    rc = store_read_position(store, s->slot, 0, &source.at, err);

    if (rc == REFERRAL_OK) {
        rc = store_recall_place(store, s, err);
    }

    if (rc == REFERRAL_OK) {
        rc = store_recover_ring(store, s, &source, records, err);
    }

    /* a ring elsewhere that cannot be read now may be later: there are more
       slots than this one */

    if (rc == REFERRAL_SYSTEM && store_elsewhere(store, s)) {
        return REFERRAL_BUSY;
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
        store_put_place(&t, s->slot);
        store_put_namespace(&t);
        (void) store_commit(&t);
    }

    rc = store_failed(&t, err);

    if (rc == REFERRAL_OK) {
        rc = store_sync(store, err);
    }

    if (rc == REFERRAL_OK) {
        *position = source.at;
        store_slot_unlink_ring(s);
        store_slot_place(store, s, store->intake_path);
    }

    return rc;
}


referral_rc_t
store_may_write(referral_store_t *store, referral_error_t *err)
{
    memset(err, 0, sizeof(referral_error_t));

    if (store->readonly) {
        store_error(err, REFERRAL_SYSTEM, EROFS,
                    "\"%s\" was opened for reading", store->path);
        return REFERRAL_SYSTEM;
    }

    if (store->broken) {
        store_error(err, REFERRAL_BROKEN, 0, "\"%s\" failed before; restart "
                    "to use it again", store->path);
        return REFERRAL_BROKEN;
    }

    return REFERRAL_OK;
}


referral_rc_t
store_recall_intake(referral_store_t *store, referral_error_t *err)
{
    MDB_val      v;
    store_txn_t  t;

    if (store_begin(&t, store, MDB_RDONLY) == 0) {
        if (store_get(&t, STORE_META, "I", 1, &v)
            && v.mv_size < sizeof(store->intake_path))
        {
            memcpy(store->intake_path, v.mv_data, v.mv_size);
            store->intake_path[v.mv_size] = '\0';
        }

        store_abort(&t);
    }

    return store_failed(&t, err);
}


int
store_slot_orphaned(referral_store_t *store, store_slot_t *s)
{
    store_position_t   at;
    store_ring_head_t  head;

    (void) store_recall_place(store, s, NULL);

    if (access(s->ring_path, F_OK) == 0) {
        return 1;
    }

    return pread(s->log_fd, &head, sizeof(head), 0) == sizeof(head)
           && store_read_position(store, s->slot, MDB_RDONLY, &at, NULL)
              == REFERRAL_OK
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

    *records = 0;
    rc = store_may_write(store, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    (void) mdb_reader_check(store->env, NULL);

    store_measure_soon(store);
    atomic_store(&store->kept, 1);

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
