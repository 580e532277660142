/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Transactions with a latched error, and rows.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <unistd.h>

#include "store_internal.h"


#define STORE_REMAPS  2             /* in a row: the file may go on growing */


void
store_error(referral_error_t *err, referral_rc_t rc, int code,
    const char *fmt, ...)
{
    size_t   len;
    va_list  args;

    if (err == NULL) {
        return;
    }

    err->rc = rc;
    err->sys = (code > 0) ? code : 0;

    va_start(args, fmt);
    (void) vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);

    if (code != 0) {
        len = strlen(err->text);
        (void) snprintf(err->text + len, sizeof(err->text) - len, " (%s)",
                        mdb_strerror(code));
    }
}


referral_rc_t
store_rc(int rc)
{
    switch (rc) {

    case 0:
        return REFERRAL_OK;

    case MDB_NOTFOUND:
        return REFERRAL_NOT_FOUND;

    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
        return REFERRAL_FULL;

    case MDB_READERS_FULL:
    case MDB_MAP_RESIZED:
    case EAGAIN:
    case EBUSY:
        return REFERRAL_BUSY;

    case MDB_VERSION_MISMATCH:
        return REFERRAL_VERSION;

    case MDB_PANIC:
        return REFERRAL_BROKEN;

    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_INCOMPATIBLE:
    case MDB_PAGE_NOTFOUND:
    case MDB_BAD_VALSIZE:
    case MDB_BAD_TXN:
        return REFERRAL_CORRUPT;

    default:
        return REFERRAL_SYSTEM;
    }
}


void
store_fail(store_txn_t *t, int rc, const char *what)
{
    if (t->rc == 0) {
        t->rc = rc;
        t->what = what;
    }
}


referral_rc_t
store_failed(const store_txn_t *t, referral_error_t *err)
{
    referral_rc_t  rc;

    rc = store_rc(t->rc);

    if (rc != REFERRAL_OK) {
        store_error(err, rc, t->rc, "%s failed in \"%s\"", t->what,
                    t->store->path);
    }

    return rc;
}


int
store_begin_once(store_txn_t *t, referral_store_t *store, unsigned flags)
{
    int  rc;

    t->store = store;
    t->txn = NULL;
    t->clicks = t;
    t->rc = 0;
    t->what = NULL;
    t->cursors[0] = NULL;
    t->cursors[1] = NULL;
    t->serial = (flags & MDB_RDONLY) ? 0 : ++store->serial;

    rc = (store->broken && !(flags & MDB_RDONLY)) ? MDB_PANIC
                                                  : store_gate_enter(store);

    if (rc == 0) {
        rc = mdb_txn_begin(store->env, NULL, flags, &t->txn);

        if (rc == MDB_READERS_FULL) {
            (void) mdb_reader_check(store->env, NULL);
            rc = mdb_txn_begin(store->env, NULL, flags, &t->txn);
        }

        if (rc != 0) {
            store_gate_leave(store);
        }
    }

    if (rc != 0) {
        t->txn = NULL;
        store_fail(t, rc, "mdb_txn_begin()");
    }

    return rc;
}


static int
store_write_again(int fd, off_t at)
{
    ssize_t        n;
    unsigned char  bytes[4096];

    do {
        n = pread(fd, bytes, sizeof(bytes), at);
    } while (n == -1 && errno == EINTR);

    if (n == (ssize_t) sizeof(bytes)) {
        do {
            n = pwrite(fd, bytes, sizeof(bytes), at);
        } while (n == -1 && errno == EINTR);
    }

    return (n == (ssize_t) sizeof(bytes)) ? 0 : EIO;
}


/*
 * A flush that fails may lose the meta page of the commit before, which the
 * kernel then takes for clean.  Both meta pages are written once more, while
 * nobody else can, before anything relies on them.
 */

static void
store_settle(store_txn_t *t)
{
    int               rc;
    off_t             at;
    MDB_stat          stat;
    mdb_filehandle_t  fd;

    (void) mdb_env_stat(t->store->env, &stat);
    rc = mdb_env_get_fd(t->store->env, &fd);

    for (at = 0; rc == 0 && at < 2 * (off_t) stat.ms_psize; at += 4096) {
        rc = store_write_again(fd, at);
    }

    if (rc == 0 && fdatasync(fd) == -1) {
        rc = errno;
    }

    if (rc == 0) {
        t->store->doubt = 0;
        return;
    }

    store_fail(t, rc, "writing the meta pages again");
    store_abort(t);
}


int
store_begin(store_txn_t *t, referral_store_t *store, unsigned flags)
{
    int       rc;
    unsigned  n;

    rc = store_begin_once(t, store, flags);

    for (n = 0; rc == MDB_MAP_RESIZED && n < STORE_REMAPS; n++) {

        if (store_remap(store, 0) != 0) {
            break;
        }

        rc = store_begin_once(t, store, flags);
    }

    if (rc == 0 && store->doubt && !(flags & MDB_RDONLY)) {
        store_settle(t);
        rc = t->rc;
    }

    return rc;
}


int
store_commit(store_txn_t *t)
{
    int  rc;

    if (t->rc != 0) {
        store_abort(t);
        return t->rc;
    }

    rc = mdb_txn_commit(t->txn);
    t->txn = NULL;
    store_gate_leave(t->store);

    if (rc != 0) {
        t->store->doubt = 1;
        store_fail(t, rc, "mdb_txn_commit()");
    }

    return rc;
}


void
store_abort(store_txn_t *t)
{
    if (t->txn != NULL) {
        mdb_txn_abort(t->txn);
        t->txn = NULL;
        store_gate_leave(t->store);
    }
}


referral_rc_t
store_sync(referral_store_t *store, referral_error_t *err)
{
    int          rc;
    MDB_envinfo  info;

    rc = store->broken ? MDB_PANIC : store_gate_enter(store);

    if (rc == 0) {
        (void) mdb_env_info(store->env, &info);
        rc = mdb_env_sync(store->env, 1);
        store_gate_leave(store);
    }

    if (rc == 0) {
        store->synced = info.me_last_txnid;
        return REFERRAL_OK;
    }

    /*
     * The kernel reports a failed write-back once and then forgets it:
     * asking again and believing the answer would lose data.
     */

    store->broken = 1;
    store_error(err, REFERRAL_BROKEN, rc, "mdb_env_sync() failed in \"%s\"",
                store->path);

    return REFERRAL_BROKEN;
}


int
store_get(store_txn_t *t, unsigned db, const void *key, size_t len,
    MDB_val *value)
{
    int      rc;
    MDB_val  k;

    if (t->rc != 0 || t->txn == NULL) {
        return 0;
    }

    k.mv_size = len;
    k.mv_data = (void *) key;

    rc = mdb_get(t->txn, t->store->dbi[db], &k, value);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_get()");
    }

    return rc == 0;
}


referral_rc_t
store_read_meta(referral_store_t *store, unsigned flags, const void *key,
    size_t len, void *value, size_t size, referral_error_t *err)
{
    MDB_val      v;
    store_txn_t  t;

    memset(value, 0, size);

    if (store_begin(&t, store, flags) == 0) {
        if (store_get(&t, STORE_META, key, len, &v) && v.mv_size == size) {
            memcpy(value, v.mv_data, size);
        }

        store_abort(&t);
    }

    return store_failed(&t, err);
}


int64_t
store_wall_ms(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* The last id that the index of clicks has; zeros: none. */

static int
store_last_click(store_txn_t *t, MDB_cursor *cursor)
{
    int      rc;
    MDB_val  k, v;

    memset(t->last, 0, sizeof(t->last));
    rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);

    if (rc == 0 && k.mv_size == sizeof(t->last)) {
        memcpy(t->last, k.mv_data, sizeof(t->last));
    }

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


/*
 * Keys that ascend: a cursor that stands where the last one went spares the
 * way from the root.  It ends with the transaction.  Ids of clicks begin with
 * their time: most come after all that are there.
 */

static int
store_put_near(store_txn_t *t, unsigned db, MDB_val *key, MDB_val *value,
    unsigned flags)
{
    int           rc;
    MDB_cursor  **cursor;

    cursor = &t->cursors[db == STORE_CLK];

    if (*cursor == NULL) {
        rc = mdb_cursor_open(t->txn, t->store->dbi[db], cursor);

        if (rc == 0 && db == STORE_CLK) {
            rc = store_last_click(t, *cursor);
        }

        if (rc != 0) {
            return rc;
        }
    }

    if (db == STORE_CLK && key->mv_size == sizeof(t->last)
        && memcmp(key->mv_data, t->last, sizeof(t->last)) > 0)
    {
        memcpy(t->last, key->mv_data, sizeof(t->last));
        flags |= MDB_APPEND;
    }

    return mdb_cursor_put(*cursor, key, value, flags);
}


/* 1, or 0 when the row was there or the transaction has failed. */

static int
store_put_flags(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size, unsigned flags)
{
    int      rc;
    MDB_val  k, v;

    if (t->rc != 0) {
        return 0;
    }

    k.mv_size = len;
    k.mv_data = (void *) key;
    v.mv_size = size;
    v.mv_data = (void *) value;

    if (db == STORE_JRNL || db == STORE_CLK) {
        rc = store_put_near(t, db, &k, &v, flags);

    } else {
        rc = mdb_put(t->txn, t->store->dbi[db], &k, &v, flags);
    }

    if (rc != 0 && !(rc == MDB_KEYEXIST && (flags & MDB_NOOVERWRITE))) {
        store_fail(t, rc, "mdb_put()");
    }

    return rc == 0;
}


void
store_put(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size)
{
    (void) store_put_flags(t, db, key, len, value, size, 0);
}


int
store_put_new(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size)
{
    return store_put_flags(t, db, key, len, value, size, MDB_NOOVERWRITE);
}


void
store_append(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size)
{
    (void) store_put_flags(t, db, key, len, value, size, MDB_APPEND);
}


void
store_delete(store_txn_t *t, unsigned db, const void *key, size_t len)
{
    int      rc;
    MDB_val  k;

    if (t->rc != 0) {
        return;
    }

    k.mv_size = len;
    k.mv_data = (void *) key;

    rc = mdb_del(t->txn, t->store->dbi[db], &k, NULL);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_del()");
    }
}


void
store_empty(store_txn_t *t, unsigned db)
{
    int  rc;

    if (t->rc != 0) {
        return;
    }

    rc = mdb_drop(t->txn, t->store->dbi[db], 0);

    if (rc != 0) {
        store_fail(t, rc, "mdb_drop()");
    }
}
