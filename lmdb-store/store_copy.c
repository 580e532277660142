/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A compact copy of the file of a store, and backup.
 *
 *   mdb_env_copyfd2() ──▶ pipe ──▶ chunk: write, to the disk, pause ──▶ copy
 *
 * The copy reads one snapshot all along, and pages that are freed meanwhile
 * are not used again before it ends: it shall be gentle, but not slow.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "store_internal.h"


#define STORE_COPY_CHUNK     (256 << 10)
#define STORE_COPY_PAUSES    4          /* times what a chunk took */
#define STORE_COPY_PAUSE_US  50000      /* at most */
#define STORE_COPY_IDLE_US   200000     /* without a commit */
#define STORE_COPY_GROWTH    8          /* a part of the map's room, by which
                                           the file may grow meanwhile */


typedef struct {
    referral_store_t       *store;
    const store_copy_t     *copy;
    int                     fd;
    int                     pipe[2];
    int                     copied;         /* what became of the reading */
    uint64_t                all;            /* bytes, about */
    uint64_t                done;
    uint64_t                last_txn;
    uint64_t                last_commit;    /* us */
    uint64_t                first_pgno;     /* of the end, when it began */
} store_copier_t;


static void *
store_copy_read(void *data)
{
    store_copier_t  *c;

    c = data;
    c->copied = mdb_env_copyfd2(c->store->env, c->pipe[1], MDB_CP_COMPACT);
    (void) close(c->pipe[1]);

    return NULL;
}


/*
 * Some times as long as the chunk took, so that so much time is left to
 * others, if there are any who commit, and room for them.
 */

static void
store_copy_pause(store_copier_t *c, uint64_t took)
{
    int          idle;
    uint64_t     grown, room;
    MDB_stat     stat;
    MDB_envinfo  info;

    if (store_gate_enter(c->store) != 0) {
        return;
    }

    (void) mdb_env_info(c->store->env, &info);
    (void) mdb_env_stat(c->store->env, &stat);
    store_gate_leave(c->store);

    if (info.me_last_txnid != c->last_txn) {
        c->last_txn = info.me_last_txnid;
        c->last_commit = store_now_us();
    }

    idle = (store_now_us() - c->last_commit > STORE_COPY_IDLE_US);

    grown = info.me_last_pgno - c->first_pgno;
    room = info.me_mapsize / stat.ms_psize - c->first_pgno;

    if (!idle && grown < room / STORE_COPY_GROWTH) {
        took *= STORE_COPY_PAUSES;
        (void) usleep(took < STORE_COPY_PAUSE_US ? (useconds_t) took
                                                 : STORE_COPY_PAUSE_US);
    }
}


/*
 * What is written goes to the disk at once: left to the others' next flush,
 * they would wait for it.  Nor shall it push what they read out of memory.
 */

static int
store_copy_chunk(store_copier_t *c, const unsigned char *data, size_t len)
{
    size_t   n;
    ssize_t  written;

    for (n = 0; n < len; n += (size_t) written) {
        written = pwrite(c->fd, data + n, len - n, (off_t) (c->done + n));

        if (written == -1 && errno == EINTR) {
            written = 0;

        } else if (written <= 0) {
            return written == 0 ? ENOSPC : errno;
        }
    }

    if (c->copy->paced) {

        if (sync_file_range(c->fd, (off_t) c->done, (off_t) len,
                            SYNC_FILE_RANGE_WAIT_BEFORE|SYNC_FILE_RANGE_WRITE
                            |SYNC_FILE_RANGE_WAIT_AFTER) == -1
            && fdatasync(c->fd) == -1)
        {
            return errno;
        }

        (void) posix_fadvise(c->fd, (off_t) c->done, (off_t) len,
                             POSIX_FADV_DONTNEED);
    }

    c->done += len;

    return 0;
}


/* A chunk, or what is left.  -1 and errno. */

static ssize_t
store_copy_fill(store_copier_t *c, unsigned char *chunk)
{
    size_t   len;
    ssize_t  n;

    for (len = 0; len < STORE_COPY_CHUNK; len += (size_t) n) {
        n = read(c->pipe[0], chunk + len, STORE_COPY_CHUNK - len);

        if (n == 0) {
            break;
        }

        if (n == -1 && errno == EINTR) {
            n = 0;

        } else if (n == -1) {
            return -1;
        }
    }

    return (ssize_t) len;
}


static int
store_copy_write(store_copier_t *c)
{
    int             rc;
    ssize_t         n;
    uint64_t        began;
    unsigned char  *chunk;

    chunk = malloc(STORE_COPY_CHUNK);
    if (chunk == NULL) {
        return ENOMEM;
    }

    do {
        began = store_now_us();
        rc = 0;
        n = store_copy_fill(c, chunk);

        if (n > 0) {
            rc = store_copy_chunk(c, chunk, (size_t) n);

        } else if (n == -1) {
            rc = errno;
        }

        if (rc == 0 && !store_watch(c->copy->watch, c->done, c->all)) {
            rc = EINTR;
        }

        if (rc == 0 && n > 0 && c->copy->paced) {
            store_copy_pause(c, store_now_us() - began);
        }

    } while (rc == 0 && n > 0);

    free(chunk);

    return rc;
}


int
store_watch(const referral_watch_t *watch, uint64_t done, uint64_t all)
{
    return watch == NULL || watch->progress == NULL
           || watch->progress(watch->data, done < all ? done : all, all) == 0;
}


/* The reader in a thread of its own; a pipe that is closed ends it. */

static int
store_copy_stream(store_copier_t *c)
{
    int        rc;
    pthread_t  thread;

    if (pipe2(c->pipe, O_CLOEXEC) == -1) {
        return errno;
    }

    (void) fcntl(c->pipe[0], F_SETPIPE_SZ, STORE_COPY_CHUNK);
    rc = pthread_create(&thread, NULL, store_copy_read, c);

    if (rc != 0) {
        (void) close(c->pipe[0]);
        (void) close(c->pipe[1]);
        return rc;
    }

    rc = store_copy_write(c);

    (void) close(c->pipe[0]);
    (void) pthread_join(thread, NULL);

    return (rc == 0) ? c->copied : rc;
}


static int
store_copy_head(const store_copy_t *copy, store_head_t *head)
{
    if (!copy->renewed) {
        head->copies++;
        return 0;
    }

    head->copies = 0;

    return getrandom(head->incarnation, sizeof(head->incarnation), 0)
           == sizeof(head->incarnation) ? 0 : errno;
}


/* Its transactions begin anew; who reads it later has to notice. */

static int
store_copy_mark(const store_copy_t *copy, MDB_txn *txn)
{
    int           rc;
    MDB_dbi       dbi;
    MDB_val       k, v;
    store_head_t  head;

    k.mv_size = 1;
    k.mv_data = (void *) "V";

    rc = mdb_dbi_open(txn, "meta", 0, &dbi);

    if (rc == 0) {
        rc = mdb_get(txn, dbi, &k, &v);
    }

    if (rc == 0 && v.mv_size != sizeof(head)) {
        rc = MDB_CORRUPTED;
    }

    if (rc == 0) {
        memcpy(&head, v.mv_data, sizeof(head));
        rc = store_copy_head(copy, &head);
        v.mv_data = &head;
    }

    if (rc == 0) {
        rc = mdb_put(txn, dbi, &k, &v, 0);
    }

    if (rc == 0) {

        /* nobody has it open */

        k.mv_data = (void *) "Z";
        rc = mdb_del(txn, dbi, &k, NULL);
        rc = (rc == MDB_NOTFOUND) ? 0 : rc;
    }

    return rc;
}


/* Nobody else knows of the file yet: it needs no locks. */

static int
store_copy_finish(store_copier_t *c)
{
    int       rc;
    MDB_env  *env;
    MDB_txn  *txn;

    rc = mdb_env_create(&env);
    if (rc != 0) {
        return rc;
    }

    txn = NULL;
    rc = mdb_env_set_maxdbs(env, 1);

    if (rc == 0) {
        rc = mdb_env_set_mapsize(env, ((c->done >> 12) + 1024) << 12);
    }

    if (rc == 0) {
        rc = mdb_env_open(env, c->copy->path, MDB_NOSUBDIR|MDB_NOLOCK, 0600);
    }

    if (rc == 0) {
        rc = mdb_txn_begin(env, NULL, 0, &txn);
    }

    if (rc == 0) {
        rc = store_copy_mark(c->copy, txn);

        if (rc == 0) {
            rc = mdb_txn_commit(txn);

        } else {
            mdb_txn_abort(txn);
        }
    }

    mdb_env_close(env);

    return rc;
}


static int
store_copy_run(store_copier_t *c)
{
    int          rc;
    struct stat  st;

    /* so that a disk that is too small is found out at once */

    if (fallocate(c->fd, 0, 0, (off_t) c->all) == -1 && errno != EOPNOTSUPP
        && errno != ENOSYS)
    {
        return errno;
    }

    rc = store_copy_stream(c);

    if (rc == 0 && ftruncate(c->fd, (off_t) c->done) == -1) {
        rc = errno;
    }

    if (rc == 0) {
        rc = store_copy_finish(c);
    }

    if (rc == 0 && (fsync(c->fd) == -1 || fstat(c->fd, &st) == -1)) {
        rc = errno;
    }

    if (rc == 0) {
        c->done = (uint64_t) st.st_size;
    }

    return rc;
}


static referral_rc_t
store_copy_failed(const store_copier_t *c, int rc, referral_error_t *err)
{
    switch (rc) {

    case EINTR:
        store_error(err, REFERRAL_SYSTEM, 0, "the copy of \"%s\" was "
                    "stopped", c->store->path);
        return REFERRAL_SYSTEM;

    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        store_error(err, REFERRAL_FULL, rc, "no room for the %llu MiB of "
                    "\"%s\"", (unsigned long long) (c->all >> 20) + 1,
                    c->copy->path);
        return REFERRAL_FULL;

    case MDB_INCOMPATIBLE:
        store_error(err, REFERRAL_CORRUPT, 0, "\"%s/data.mdb\" is damaged: "
                    "pages are neither used nor free", c->store->path);
        return REFERRAL_CORRUPT;

    default:
        store_error(err, store_rc(rc), rc, "cannot copy \"%s/data.mdb\" to "
                    "\"%s\"", c->store->path, c->copy->path);
        return store_rc(rc);
    }
}


/* Pages in use; the map becomes what the file asks for meanwhile. */

static referral_rc_t
store_copy_measure(store_copier_t *c, referral_error_t *err)
{
    MDB_stat     stat;
    store_txn_t  t;
    MDB_envinfo  info;

    if (store_begin(&t, c->store, MDB_RDONLY) != 0) {
        return store_failed(&t, err);
    }

    (void) mdb_env_info(c->store->env, &info);
    (void) mdb_env_stat(c->store->env, &stat);

    c->last_txn = info.me_last_txnid;
    c->first_pgno = info.me_last_pgno;
    c->all = (info.me_last_pgno + 1 - store_free_pages(&t)) * stat.ms_psize;

    store_abort(&t);

    return REFERRAL_OK;
}


referral_rc_t
store_copy(referral_store_t *store, const store_copy_t *copy, uint64_t *bytes,
    referral_error_t *err)
{
    int             rc;
    referral_rc_t   result;
    store_copier_t  c;

    memset(&c, 0, sizeof(store_copier_t));
    c.store = store;
    c.copy = copy;

    result = store_copy_measure(&c, err);

    if (result != REFERRAL_OK) {
        return result;
    }

    c.fd = open(copy->path, O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (c.fd == -1) {
        result = store_rc(errno);
        store_error(err, result, errno, "cannot create \"%s\"", copy->path);
        return result;
    }

    rc = store_copy_run(&c);
    (void) close(c.fd);

    if (rc != 0) {
        (void) unlink(copy->path);
        return store_copy_failed(&c, rc, err);
    }

    *bytes = c.done;

    return REFERRAL_OK;
}


int
store_sync_directory(const char *path)
{
    int  fd, rc;

    fd = open(path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        return errno;
    }

    rc = fsync(fd) == -1 ? errno : 0;
    (void) close(fd);

    return rc;
}
