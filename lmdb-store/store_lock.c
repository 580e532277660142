/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Who has a store open: a lock on its directory, which everybody shares for
 * life and only who is alone can have for himself; and whether all of them
 * see the same processes.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store_internal.h"


#define STORE_LOCK_TRIES     10
#define STORE_LOCK_PAUSE_US  50000


static referral_rc_t
store_lock_replaced(referral_store_t *store, referral_error_t *err)
{
    store_error(err, REFERRAL_BUSY, 0,
                "\"%s\" is being compacted, alone, by another process",
                store->path);

    return REFERRAL_BUSY;
}


referral_rc_t
store_lock(referral_store_t *store, referral_error_t *err)
{
    unsigned       n;
    referral_rc_t  rc;

    store->lock_fd = open(store->path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);

    if (store->lock_fd == -1) {
        rc = store_rc(errno);
        store_error(err, rc, errno, "cannot open \"%s\"", store->path);
        return rc;
    }

    for (n = 0; n < STORE_LOCK_TRIES; n++) {

        if (flock(store->lock_fd, LOCK_SH|LOCK_NB) == 0) {
            return REFERRAL_OK;
        }

        if (errno != EWOULDBLOCK) {
            rc = store_rc(errno);
            store_error(err, rc, errno, "cannot lock \"%s\"", store->path);
            store_unlock(store);
            return rc;
        }

        (void) usleep(STORE_LOCK_PAUSE_US);
    }

    store_unlock(store);

    return store_lock_replaced(store, err);
}


void
store_unlock(referral_store_t *store)
{
    (void) close(store->lock_fd);
    store->lock_fd = -1;
}


/*
 * Whether the file that is mapped is still the one that has the name: 1, 0 for
 * another one or none, -1 when that cannot be told.
 */

static int
store_file_named(referral_store_t *store)
{
    char              file[sizeof(store->path) + sizeof("/data.mdb")];
    struct stat       st, mapped;
    mdb_filehandle_t  fd;

    (void) snprintf(file, sizeof(file), "%s/data.mdb", store->path);

    if (mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &mapped) == -1) {
        return -1;
    }

    if (stat(file, &st) == -1) {
        return (errno == ENOENT) ? 0 : -1;
    }

    return st.st_dev == mapped.st_dev && st.st_ino == mapped.st_ino;
}


referral_rc_t
store_lock_alone(referral_store_t *store, unsigned *alone,
    referral_error_t *err)
{
    *alone = flock(store->lock_fd, LOCK_EX|LOCK_NB) == 0;

    if (*alone) {
        return REFERRAL_OK;
    }

    /* the attempt has given up the lock that was there */

    if (flock(store->lock_fd, LOCK_SH|LOCK_NB) == -1
        || store_file_named(store) != 1)
    {
        return store_lock_replaced(store, err);
    }

    return REFERRAL_OK;
}


static int
store_namespace(uint64_t id[2])
{
    struct stat  st;

    if (stat("/proc/self/ns/pid", &st) == -1) {
        return 0;
    }

    id[0] = st.st_dev;
    id[1] = st.st_ino;

    return 1;
}


void
store_put_namespace(store_txn_t *t)
{
    uint64_t  id[2];

    if (store_namespace(id)) {
        store_put(t, STORE_META, "Z", 1, id, sizeof(id));

    } else {
        store_delete(t, STORE_META, "Z", 1);
    }
}


static int
store_namespace_differs(store_txn_t *t)
{
    MDB_val   k, v;
    MDB_dbi   dbi;
    uint64_t  id[2];

    k.mv_size = 1;
    k.mv_data = (void *) "Z";

    return mdb_dbi_open(t->txn, "meta", 0, &dbi) == 0
           && mdb_get(t->txn, dbi, &k, &v) == 0
           && v.mv_size == sizeof(id)
           && store_namespace(id)
           && memcmp(v.mv_data, id, sizeof(id)) != 0;
}


/*
 * liblmdb knows readers by their pids, and asks whether those live: two
 * processes with the same one, in two namespaces, would take each other's
 * places.  EAGAIN is what the second of them is told.
 */

referral_rc_t
store_check_namespace(referral_store_t *store, referral_error_t *err)
{
    int            rc, differs;
    unsigned       alone;
    store_txn_t    t;
    referral_rc_t  result;

    rc = store_begin(&t, store, MDB_RDONLY);
    differs = (rc == EAGAIN);

    if (rc == 0) {
        differs = store_namespace_differs(&t);
        store_abort(&t);
    }

    if (!differs) {
        return store_failed(&t, err);
    }

    result = store_lock_alone(store, &alone, err);

    if (result != REFERRAL_OK) {
        return result;
    }

    if (alone) {
        (void) flock(store->lock_fd, LOCK_SH);
        return REFERRAL_OK;
    }

    store_error(err, REFERRAL_BUSY, 0, "\"%s\" is in use by processes of "
                "another PID namespace, as of another container",
                store->path);

    return REFERRAL_BUSY;
}


/*
 * Somebody put another file into the place of the one that is open, a backup
 * for example: what is written to this one nobody will find again.
 */

int
store_replaced(referral_store_t *store)
{
    if (!store->replaced && !store->broken && store_file_named(store) == 0) {
        store->replaced = 1;
        store->broken = 1;
    }

    return store->replaced;
}
