/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Compact in place, beside others: pages that nobody can reach are given back
 * where they are.
 *
 * A page that transaction k freed is in no snapshot from k on.  Taken from
 * liblmdb's free list, which is its database 0 with k as key, it may be
 * punched out when
 *
 *   - no reader has an older snapshot, and one that begins now has the last;
 *   - no meta page that a power cut can leave behind is older: the last two
 *     transactions are where these may be;
 *   - nobody is about to write to it: the lock of writers is held meanwhile.
 *
 * liblmdb writes to such pages on the same terms, and never reads them.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/stat.h>

#include "store_internal.h"


#define STORE_PUNCH_WINDOW    65536     /* pages looked for at a time */
#define STORE_PUNCH_RUN       256       /* pages in one call, at most */
#define STORE_PUNCH_HOLD_US   500       /* the lock, about */
#define STORE_PUNCH_PAUSE     8         /* times what it was held */
#define STORE_PUNCH_PAUSE_US  4000      /* at least */


typedef struct {
    store_txn_t             w;              /* holds the lock */
    store_txn_t             r;              /* reads the free list */
    referral_store_t       *store;
    mdb_filehandle_t        fd;
    uint64_t                page;           /* bytes */
    uint64_t                at;             /* pages */
    uint64_t                end;
    uint64_t                from;           /* of the window */
    uint64_t                free[STORE_PUNCH_WINDOW / 64];
} store_punch_t;


static int
store_punch_reader(const char *line, void *data)
{
    uint64_t            *oldest;
    unsigned long long   txn;

    oldest = data;

    if (sscanf(line, "%*d %*x %llu", &txn) == 1 && txn < *oldest) {
        *oldest = txn;
    }

    return 0;
}


/* Pages that were freed before this transaction are out of reach. */

static uint64_t
store_punch_limit(store_punch_t *p)
{
    uint64_t  oldest;

    oldest = (uint64_t) mdb_txn_id(p->r.txn) - 1;
    (void) mdb_reader_list(p->store->env, store_punch_reader, &oldest);

    return oldest;
}


/* A record of the free list: how many, then page numbers, descending. */

static size_t
store_punch_id(const MDB_val *ids, size_t i)
{
    size_t  id;

    memcpy(&id, (const char *) ids->mv_data + i * sizeof(id), sizeof(id));

    return id;
}


static void
store_punch_record(store_punch_t *p, const MDB_val *ids)
{
    size_t    low, high, middle;
    uint64_t  i;

    if (ids->mv_size < sizeof(size_t)
        || store_punch_id(ids, 0) > ids->mv_size / sizeof(size_t) - 1)
    {
        store_fail(&p->r, MDB_CORRUPTED, "the free list");
        return;
    }

    low = 1;
    high = store_punch_id(ids, 0) + 1;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (store_punch_id(ids, middle) >= p->from + STORE_PUNCH_WINDOW) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    for ( ; low <= store_punch_id(ids, 0); low++) {

        if (store_punch_id(ids, low) < p->from) {
            break;
        }

        i = store_punch_id(ids, low) - p->from;
        p->free[i / 64] |= (uint64_t) 1 << i % 64;
    }
}


static void
store_punch_window(store_punch_t *p, uint64_t limit)
{
    int          rc;
    MDB_val      k, v;
    uint64_t     txn;
    MDB_cursor  *cursor;

    p->from = p->at - p->at % STORE_PUNCH_WINDOW;
    memset(p->free, 0, sizeof(p->free));

    rc = mdb_cursor_open(p->r.txn, 0, &cursor);

    if (rc != 0) {
        store_fail(&p->r, rc, "mdb_cursor_open()");
        return;
    }

    while (p->r.rc == 0
           && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
    {
        memcpy(&txn, k.mv_data, sizeof(txn));

        if (txn >= limit) {
            break;
        }

        store_punch_record(p, &v);
    }

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(&p->r, rc, "mdb_cursor_get()");
    }

    mdb_cursor_close(cursor);
}


static int
store_punch_free(const store_punch_t *p, uint64_t page)
{
    uint64_t  i;

    i = page - p->from;

    return page < p->end && i < STORE_PUNCH_WINDOW
           && (p->free[i / 64] >> i % 64 & 1) != 0;
}


static int
store_punch_hole(const store_punch_t *p, uint64_t page, uint64_t n)
{
    int  rc;

    do {
        rc = fallocate(p->fd, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE,
                       (off_t) (page * p->page), (off_t) (n * p->page));
    } while (rc == -1 && errno == EINTR);

    return rc == -1 ? errno : 0;
}


/* Until the window or the time is over. */

static void
store_punch_runs(store_punch_t *p, uint64_t until)
{
    int       rc;
    uint64_t  n;

    while (p->at < p->end && p->at - p->from < STORE_PUNCH_WINDOW) {

        for (n = 0; n < STORE_PUNCH_RUN; n++) {
            if (!store_punch_free(p, p->at + n)) {
                break;
            }
        }

        if (n == 0) {
            p->at++;
            continue;
        }

        rc = store_punch_hole(p, p->at, n);

        if (rc != 0) {
            store_fail(&p->r, rc, "fallocate()");
            return;
        }

        p->at += n;

        if (store_now_us() >= until) {
            return;
        }
    }
}


static referral_rc_t
store_punch_step(store_punch_t *p, referral_error_t *err)
{
    uint64_t       until, limit;
    referral_rc_t  rc;

    if (store_begin(&p->w, p->store, 0) != 0) {
        return store_failed(&p->w, err);
    }

    until = store_now_us() + STORE_PUNCH_HOLD_US;

    if (store_begin(&p->r, p->store, MDB_RDONLY) == 0) {
        limit = store_punch_limit(p);

        do {
            store_punch_window(p, limit);

            if (p->r.rc == 0) {
                store_punch_runs(p, until);
            }

        } while (p->r.rc == 0 && p->at < p->end && store_now_us() < until);

        rc = store_failed(&p->r, err);
        store_abort(&p->r);

    } else {
        rc = store_failed(&p->r, err);
    }

    store_abort(&p->w);

    return rc;
}


/*
 * Nothing may come after what was deleted last: some transactions make that
 * old enough.  Both meta pages are on the disk then.
 */

static referral_rc_t
store_punch_age(store_punch_t *p, referral_error_t *err)
{
    unsigned     n;
    MDB_stat     stat;
    MDB_envinfo  info;

    (void) mdb_reader_check(p->store->env, NULL);

    for (n = 0; n < 3; n++) {

        if (store_begin(&p->w, p->store, 0) == 0) {
            store_put_namespace(&p->w);
            (void) store_commit(&p->w);
        }

        if (p->w.rc != 0) {
            return store_failed(&p->w, err);
        }
    }

    if (store_begin(&p->r, p->store, MDB_RDONLY) != 0) {
        return store_failed(&p->r, err);
    }

    (void) mdb_env_info(p->store->env, &info);
    (void) mdb_env_stat(p->store->env, &stat);

    p->end = info.me_last_pgno + 1;
    p->page = stat.ms_psize;

    store_abort(&p->r);

    return store_sync(p->store, err);
}


/*
 * Asked for behind the end, where there is nothing to lose as long as nobody
 * writes.
 */

static int
store_punch_try(store_punch_t *p)
{
    int          rc;
    MDB_stat     stat;
    struct stat  st;

    (void) mdb_env_stat(p->store->env, &stat);
    p->page = stat.ms_psize;

    rc = mdb_env_get_fd(p->store->env, &p->fd);

    if (rc == 0 && fstat(p->fd, &st) == -1) {
        rc = errno;
    }

    return (rc == 0) ? store_punch_hole(p, (uint64_t) st.st_size / p->page + 1,
                                        1)
                     : rc;
}


static referral_rc_t
store_punch_possible(store_punch_t *p, referral_error_t *err)
{
    int  rc;

    if (store_begin(&p->w, p->store, 0) != 0) {
        return store_failed(&p->w, err);
    }

    rc = store_punch_try(p);
    store_abort(&p->w);

    if (rc == 0) {
        return REFERRAL_OK;
    }

    if (rc == EOPNOTSUPP || rc == ENOSYS) {
        store_error(err, REFERRAL_SYSTEM, 0, "\"%s\" is in use, and on a "
                    "file system that cannot make holes in a file: compact "
                    "it when nobody has it open", p->store->path);
        return REFERRAL_SYSTEM;
    }

    store_error(err, store_rc(rc), rc, "cannot make holes in "
                "\"%s/data.mdb\"", p->store->path);

    return store_rc(rc);
}


referral_rc_t
store_punch(referral_store_t *store, const referral_watch_t *watch,
    referral_error_t *err)
{
    uint64_t        took, began;
    referral_rc_t   rc;
    store_punch_t  *p;

    p = calloc(1, sizeof(store_punch_t));
    if (p == NULL) {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        return REFERRAL_FULL;
    }

    p->store = store;
    rc = store_punch_possible(p, err);

    if (rc == REFERRAL_OK) {
        rc = store_punch_age(p, err);
    }

    while (rc == REFERRAL_OK && p->at < p->end) {
        began = store_now_us();
        rc = store_punch_step(p, err);

        if (rc == REFERRAL_OK && !store_watch(watch, p->at, p->end)) {
            store_error(err, REFERRAL_SYSTEM, 0, "compacting \"%s\" was "
                        "stopped", store->path);
            rc = REFERRAL_SYSTEM;
        }

        if (rc == REFERRAL_OK && p->at < p->end) {
            took = (store_now_us() - began) * STORE_PUNCH_PAUSE;
            (void) usleep(took > STORE_PUNCH_PAUSE_US ? (useconds_t) took
                                                      : STORE_PUNCH_PAUSE_US);
        }
    }

    free(p);

    return rc;
}
