/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The gate around the map.  liblmdb replaces a map by munmap() and mmap(),
 * and trusts that nobody in the process looks at it meanwhile.  So whoever
 * does is counted, and the one who replaces it closes the gate and waits
 * until nobody is inside.
 *
 *   user        inside + 1          replacing   closed = 1
 *               closed?  leave                  inside = 0?  go on
 *
 * Each writes what the other reads before it reads what the other writes, so
 * at least one of them sees the other.  A user never waits.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <unistd.h>

#include "store_internal.h"


#define STORE_GATE_OPEN      0
#define STORE_GATE_CLOSED    1
#define STORE_GATE_LOST      2      /* there is no map any more */

#define STORE_GATE_PAUSE_US  50
#define STORE_GATE_TRIES     20000  /* a second, of such pauses */


int
store_gate_enter(referral_store_t *store)
{
    unsigned  closed;

    atomic_fetch_add(&store->inside, 1);
    closed = atomic_load(&store->closed);

    if (closed == STORE_GATE_OPEN) {
        return 0;
    }

    store_gate_leave(store);

    return (closed == STORE_GATE_LOST) ? MDB_PANIC : EBUSY;
}


void
store_gate_leave(referral_store_t *store)
{
    atomic_fetch_sub_explicit(&store->inside, 1, memory_order_release);
}


int
store_gate_pass(referral_store_t *store)
{
    int       rc;
    unsigned  n;

    rc = store_gate_enter(store);

    for (n = 0; rc == EBUSY && n < STORE_GATE_TRIES; n++) {
        (void) usleep(STORE_GATE_PAUSE_US);
        rc = store_gate_enter(store);
    }

    return rc;
}


void
store_lost(referral_store_t *store)
{
    store->pid = 0;
    store->broken = 1;
    atomic_store(&store->closed, STORE_GATE_LOST);
}


/* Not for ever: what does not leave may be the caller itself. */

static int
store_gate_close(referral_store_t *store)
{
    unsigned  n;

    if (atomic_load(&store->closed) == STORE_GATE_LOST) {
        return MDB_PANIC;
    }

    atomic_store(&store->closed, STORE_GATE_CLOSED);

    for (n = 0; n < STORE_GATE_TRIES; n++) {

        if (atomic_load(&store->inside) == 0) {
            return 0;
        }

        (void) usleep(STORE_GATE_PAUSE_US);
    }

    atomic_store(&store->closed, STORE_GATE_OPEN);

    return EBUSY;
}


int
store_remap(referral_store_t *store, uint64_t size)
{
    int  rc;

    rc = store_gate_close(store);

    if (rc != 0) {
        return rc;
    }

    rc = mdb_env_set_mapsize(store->env, size);

    if (rc != 0) {

        /* the old map is gone, and there is no other one */

        store->broken = 1;
        atomic_store(&store->closed, STORE_GATE_LOST);
        return MDB_PANIC;
    }

    atomic_store(&store->outgrown, 0);
    atomic_store(&store->closed, STORE_GATE_OPEN);

    return 0;
}


referral_rc_t
referral_store_remap(referral_store_t *store, referral_error_t *err)
{
    int  rc;

    if (!atomic_load_explicit(&store->outgrown, memory_order_relaxed)) {
        return REFERRAL_OK;
    }

    rc = store_remap(store, 0);

    if (rc != 0) {
        store_error(err, store_rc(rc), rc, "mdb_env_set_mapsize() failed in "
                    "\"%s\"", store->path);
    }

    return store_rc(rc);
}
