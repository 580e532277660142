/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The log of an intake: flushed by one thread, wiped by another, while the
 * records in it are applied.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>

#include "store_intake.h"


#define STORE_WIPE_STEP  (1 << 20)   /* bytes of a log wiped at once */


referral_rc_t
store_log_begin(referral_intake_t *intake, referral_error_t *err)
{
    char              path[sizeof(intake->store->path) + 16];
    struct stat       st, used;
    mdb_filehandle_t  fd;

    (void) pthread_mutex_init(&intake->mutex, NULL);
    intake->wiped = store_log_wiped(intake->slot.log_fd);
    intake->data_fd = -1;

    if (!intake->store->durable) {
        return REFERRAL_OK;
    }

    (void) snprintf(path, sizeof(path), "%s/data.mdb", intake->store->path);
    intake->data_fd = open(path, O_RDONLY|O_CLOEXEC|O_NOFOLLOW);

    if (intake->data_fd != -1 && fstat(intake->data_fd, &st) == 0
        && mdb_env_get_fd(intake->store->env, &fd) == 0
        && fstat(fd, &used) == 0
        && st.st_dev == used.st_dev && st.st_ino == used.st_ino)
    {
        return REFERRAL_OK;
    }

    store_error(err, REFERRAL_SYSTEM, (intake->data_fd == -1) ? errno : 0,
                "cannot open \"%s\" once more", path);

    return REFERRAL_SYSTEM;
}


void
store_log_end(referral_intake_t *intake)
{
    if (intake->data_fd != -1) {
        (void) close(intake->data_fd);
    }

    (void) pthread_mutex_destroy(&intake->mutex);
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


/*
 * Records name codes and rewards by numbers that a reader found in the store.
 * These are on disk first: a power cut would have them given to others.  Not
 * by the descriptor that commits use: the kernel tells each of a failed
 * write-back once, and a commit must not miss it.
 */

static referral_rc_t
store_flush_named(referral_intake_t *intake, referral_error_t *err)
{
    int                rc;
    MDB_envinfo        info;
    referral_rc_t      result;
    referral_store_t  *store;

    store = intake->store;
    rc = store->broken ? MDB_PANIC : store_gate_pass(store);

    if (rc == 0) {
        (void) mdb_env_info(store->env, &info);
        store_gate_leave(store);

        if (info.me_last_txnid == store->synced) {
            return REFERRAL_OK;
        }

        do {
            rc = fdatasync(intake->data_fd);
        } while (rc == -1 && errno == EINTR);

        if (rc == 0) {
            store->synced = info.me_last_txnid;
            return REFERRAL_OK;
        }

        rc = errno;
        store->broken = 1;
    }

    result = store->broken ? REFERRAL_BROKEN : store_rc(rc);
    store_error(err, result, rc, "cannot flush \"%s/data.mdb\"",
                store->path);

    return result;
}


/*
 * What is applied but not yet on disk has to be in the log as well: recovery
 * reads on from the position that the disk knows.  What is released meanwhile
 * is not read by it: of that the log may get anything.
 */

static referral_rc_t
store_flush_upto(referral_intake_t *intake, uint64_t to, referral_error_t *err)
{
    uint64_t       from, released;
    referral_rc_t  rc;

    released = atomic_load_explicit(&intake->released, memory_order_acquire);
    from = (intake->flushed > released) ? intake->flushed : released;

    if (from < to) {
        rc = store_flush_named(intake, err);

        if (rc != REFERRAL_OK) {
            return rc;
        }

        if (store_log_write(intake, from, to) != 0) {
            store_error(err, REFERRAL_SYSTEM, errno,
                        "cannot write \"%s/intake-%03u.log\"",
                        intake->store->path, intake->slot.slot);
            return REFERRAL_SYSTEM;
        }
    }

    if (intake->flushed < to) {
        intake->flushed = to;
    }

    return REFERRAL_OK;
}


referral_rc_t
referral_intake_flush(referral_intake_t *intake, uint64_t *seq,
    referral_error_t *err)
{
    uint64_t       to, taken;
    referral_rc_t  rc;

    /* in this order: what is taken is below the head that is read after it */

    taken = atomic_load_explicit(&intake->taken_seq, memory_order_acquire);
    to = atomic_load_explicit(&intake->slot.head->head, memory_order_acquire);

    pthread_mutex_lock(&intake->mutex);
    rc = store_flush_upto(intake, to, err);
    pthread_mutex_unlock(&intake->mutex);

    if (rc == REFERRAL_OK) {
        atomic_store_explicit(&intake->flushed_seq, taken,
                              memory_order_release);
        *seq = taken;
    }

    return rc;
}


/* A step of wiping the log, of all but what has yet to be applied; under the
   mutex. */

static int
store_wipe_step(referral_intake_t *intake, uint64_t count)
{
    int       fd;
    uint64_t  from, to;

    fd = intake->slot.log_fd;

    if (!intake->store->durable) {
        intake->wiped = count;
        return ftruncate(fd, 0);
    }

    from = (intake->flushed > intake->durable.pos) ? intake->flushed
                                                   : intake->durable.pos;

    if (intake->wiping != count) {
        intake->wiping = count;
        intake->wipe_pos = from;
        intake->wipe_end = intake->durable.pos + intake->slot.size;
    }

    if (intake->wipe_pos < from) {
        intake->wipe_pos = from;
    }

    to = intake->wipe_pos + STORE_WIPE_STEP;

    if (to > intake->wipe_end) {
        to = intake->wipe_end;
    }

    if (store_log_wipe(fd, intake->slot.size, intake->wipe_pos, to) == -1) {
        return -1;
    }

    intake->wipe_pos = to;

    if (to < intake->wipe_end) {
        return 0;
    }

    intake->wiped = count;

    return store_log_mark(fd, count);
}


referral_rc_t
referral_intake_wipe(referral_intake_t *intake, unsigned *more,
    referral_error_t *err)
{
    int            failed;
    uint64_t       count;
    referral_rc_t  rc;

    *more = 0;
    memset(err, 0, sizeof(referral_error_t));
    rc = store_erasures(intake->store, &count, err);

    if (rc != REFERRAL_OK || count == intake->wiped) {
        return rc;
    }

    if (intake->durable.seq < intake->source.at.seq) {
        rc = store_sync(intake->store, err);

        if (rc != REFERRAL_OK) {
            return rc;
        }

        store_release(intake, &intake->source.at);
    }

    pthread_mutex_lock(&intake->mutex);
    failed = store_wipe_step(intake, count);
    pthread_mutex_unlock(&intake->mutex);

    if (failed) {
        store_error(err, REFERRAL_SYSTEM, errno,
                    "cannot wipe \"%s/intake-%03u.log\"",
                    intake->store->path, intake->slot.slot);
        return REFERRAL_SYSTEM;
    }

    *more = intake->wiped != count;

    return REFERRAL_OK;
}
