/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Compact: alone, a copy takes the place of the file; beside others, see
 * store_punch.c.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>

#include "store_internal.h"


static uint64_t
store_blocks(referral_store_t *store)
{
    struct stat       st;
    mdb_filehandle_t  fd;

    if (mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &st) == -1) {
        return 0;
    }

    return (uint64_t) st.st_blocks * 512;
}


/*
 * lock.mdb goes first.  It tells the last transaction, which in the copy is
 * another one, to whoever finds somebody else beside it: be it only a process
 * that is just dying.
 */

static referral_rc_t
store_replace_file(referral_store_t *store, const char *part,
    referral_error_t *err)
{
    int            rc;
    char           file[sizeof(store->path) + sizeof("/data.mdb")];
    char           lock[sizeof(store->path) + sizeof("/lock.mdb")];
    referral_rc_t  result;

    (void) snprintf(file, sizeof(file), "%s/data.mdb", store->path);
    (void) snprintf(lock, sizeof(lock), "%s/lock.mdb", store->path);

    rc = unlink(lock) == -1 || rename(part, file) == -1 ? errno : 0;

    if (rc != 0) {
        (void) unlink(part);

    } else {
        rc = store_sync_directory(store->path);
    }

    result = store_rc(rc);

    if (rc != 0) {
        store_error(err, result, rc, "cannot replace \"%s\"", file);
    }

    return result;
}


static referral_rc_t
store_replace(referral_store_t *store, const referral_watch_t *watch,
    referral_compact_t *result, referral_error_t *err)
{
    char           part[sizeof(store->path) + sizeof("/data.mdb.part")];
    unsigned       records;
    uint64_t       bytes;
    store_copy_t   copy;
    referral_rc_t  rc;

    rc = referral_store_maintain(store, &records, err);

    if (rc == REFERRAL_OK) {
        rc = store_sync(store, err);
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    (void) snprintf(part, sizeof(part), "%s/data.mdb.part", store->path);

    /* what one that was killed has left */

    (void) unlink(part);

    memset(&copy, 0, sizeof(store_copy_t));
    copy.path = part;
    copy.watch = watch;

    rc = store_copy(store, &copy, &bytes, err);

    if (rc == REFERRAL_OK) {
        mdb_env_close(store->env);
        store_lost(store);

        rc = store_replace_file(store, part, err);
        store_unlock(store);

        result->replaced = 1;
        result->after = bytes;
    }

    return rc;
}


referral_rc_t
referral_store_compact(referral_store_t *store, const referral_watch_t *watch,
    referral_compact_t *result, referral_error_t *err)
{
    unsigned       alone;
    referral_rc_t  rc;

    memset(result, 0, sizeof(referral_compact_t));
    alone = 0;
    rc = store_may_write(store, err);

    if (rc == REFERRAL_OK) {
        rc = store_lock_alone(store, &alone, err);
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    result->before = store_blocks(store);

    if (alone) {
        return store_replace(store, watch, result, err);
    }

    rc = store_punch(store, watch, err);
    result->after = store_blocks(store);

    return rc;
}
