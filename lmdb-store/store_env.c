/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Opening an environment, and its schema.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "store_internal.h"


#define STORE_OPEN_TRIES    10
#define STORE_OPEN_PAUSE_US 50000


/*
 * One environment per directory and process: LMDB's locks are the process's,
 * and closing one of two would release the other's.  After fork() those of
 * the parent are of no use.
 */

static referral_store_t  *store_opened;

static const char  *store_names[STORE_DBS] = {
    "meta", "prog", "code", "cid", "own", "dim", "hot", "hist", "prg",
    "jrnl", "clk", "uq0", "uq1", "uq2", "rule", "nam", "ord", "hld", "rfd",
    "cus", "rwd", "rws", "cnt", "due", "scr", "ldr", "bas"
};

static const struct {
    unsigned long   magic;
    const char     *name;
} store_remote[] = {
    { 0x6969,     "NFS" },
    { 0xff534d42, "CIFS" },
    { 0xfe534d42, "SMB" },
    { 0x517b,     "SMB" },
    { 0x01021997, "9P" },
    { 0x00c36400, "Ceph" },
    { 0x65735546, "FUSE" },
    { 0x5346414f, "AFS" }
};


static referral_rc_t
store_check_place(const char *path, struct stat *st, referral_error_t *err)
{
    size_t          i;
    struct statfs   fs;
    referral_rc_t   rc;

    if (stat(path, st) == -1 || statfs(path, &fs) == -1) {
        rc = store_rc(errno);
        store_error(err, rc, errno, "cannot use \"%s\"", path);
        return rc;
    }

    if (!S_ISDIR(st->st_mode)) {
        store_error(err, REFERRAL_SYSTEM, ENOTDIR,
                    "\"%s\" is not a directory", path);
        return REFERRAL_SYSTEM;
    }

    for (i = 0; i < sizeof(store_remote) / sizeof(store_remote[0]); i++) {
        if ((unsigned long) fs.f_type == store_remote[i].magic) {
            store_error(err, REFERRAL_SYSTEM, 0,
                        "\"%s\" is on a %s file system, where LMDB is not "
                        "safe", path, store_remote[i].name);
            return REFERRAL_SYSTEM;
        }
    }

    return REFERRAL_OK;
}


/*
 * A file of no length is taken for a new one by LMDB.  Beside the log of an
 * intake it is not new: it lost what it had.  Nor do tools make a store.
 */

static referral_rc_t
store_check_empty(const referral_options_t *opts, referral_error_t *err)
{
    int          there;
    char         file[sizeof(store_opened->path) + 32];
    char         log[sizeof(store_opened->path) + 32];
    struct stat  st;

    (void) snprintf(file, sizeof(file), "%s/data.mdb", opts->path);
    (void) snprintf(log, sizeof(log), "%s/intake-000.log", opts->path);

    there = (stat(file, &st) == 0);

    if (there && st.st_size != 0) {
        return REFERRAL_OK;
    }

    if (stat(log, &st) == 0) {
        store_error(err, REFERRAL_CORRUPT, 0,
                    "\"%s\" is gone or empty, though the store was in use: "
                    "restore it, or empty the directory to begin anew", file);
        return REFERRAL_CORRUPT;
    }

    if (there && (opts->readonly || opts->guest)) {
        store_error(err, REFERRAL_NOT_FOUND, 0, "there is no store in \"%s\" "
                    "yet: \"data.mdb\" is empty", opts->path);
        return REFERRAL_NOT_FOUND;
    }

    return REFERRAL_OK;
}


/* A file cut short would kill the process at the first read beyond its end. */

static referral_rc_t
store_check_length(MDB_env *env, const char *path, referral_error_t *err)
{
    MDB_stat          stat;
    MDB_envinfo       info;
    struct stat       st;
    mdb_filehandle_t  fd;

    (void) mdb_env_info(env, &info);
    (void) mdb_env_stat(env, &stat);

    if (mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &st) == -1) {
        store_error(err, REFERRAL_SYSTEM, errno, "cannot read \"%s\"", path);
        return REFERRAL_SYSTEM;
    }

    if ((uint64_t) st.st_size
        < (uint64_t) (info.me_last_pgno + 1) * stat.ms_psize)
    {
        store_error(err, REFERRAL_CORRUPT, 0,
                    "\"%s/data.mdb\" is cut short: %llu bytes of %llu", path,
                    (unsigned long long) st.st_size,
                    (unsigned long long) (info.me_last_pgno + 1)
                    * stat.ms_psize);
        return REFERRAL_CORRUPT;
    }

    /* liblmdb leaves this descriptor open across exec() */

    (void) fcntl(fd, F_SETFD, FD_CLOEXEC);

    return REFERRAL_OK;
}


/* A tool that names no size, 0, takes the one that nginx has. */

static uint64_t
store_map_size(const referral_options_t *opts)
{
    uint64_t  size;

    size = opts->map_size;

    if (size == 0 && !opts->readonly && !opts->guest) {
        size = STORE_MAP_SIZE;
    }

    return size & ~(uint64_t) 4095;
}


static int
store_try_open(const referral_options_t *opts, MDB_env **env)
{
    int       rc;
    unsigned  flags;

    rc = mdb_env_create(env);
    if (rc != 0) {
        return rc;
    }

    flags = MDB_NOTLS|MDB_NOMETASYNC|(opts->readonly ? MDB_RDONLY : 0);

    if (store_map_size(opts) != 0) {
        rc = mdb_env_set_mapsize(*env, store_map_size(opts));
    }

    if (rc == 0) {
        rc = mdb_env_set_maxreaders(*env, STORE_MAX_READERS);
    }

    if (rc == 0) {
        rc = mdb_env_set_maxdbs(*env, 48);
    }

    if (rc == 0) {
        rc = mdb_env_open(*env, opts->path, flags, 0600);
    }

    if (rc != 0) {
        mdb_env_close(*env);
    }

    return rc;
}


/* liblmdb does not tell which of its two files it cannot use. */

static const char *
store_unusable(const char *path)
{
    char         file[sizeof(store_opened->path) + 32];
    struct stat  st;

    (void) snprintf(file, sizeof(file), "%s/lock.mdb", path);

    return (stat(file, &st) == 0
            && (!S_ISREG(st.st_mode) || access(file, R_OK|W_OK) == -1))
           ? "lock" : "data";
}


/* Opening collides with another process that opens or closes right now. */

static referral_rc_t
store_open_env(const referral_options_t *opts, MDB_env **env,
    referral_error_t *err)
{
    int            rc;
    unsigned       n;
    referral_rc_t  result;

    rc = EAGAIN;

    for (n = 0; n < STORE_OPEN_TRIES; n++) {
        rc = store_try_open(opts, env);

        if (rc != EAGAIN && rc != EINVAL && rc != MDB_INVALID) {
            break;
        }

        (void) usleep(STORE_OPEN_PAUSE_US);
    }

    if (rc == 0) {
        return REFERRAL_OK;
    }

    result = store_rc(rc);

    store_error(err, result, rc, "cannot open \"%s/%s.mdb\"%s", opts->path,
                store_unusable(opts->path),
                (rc == ENOMEM) ? ", is the address space limited?" : "");

    return result;
}


/* The first write to a new store. */

static void
store_write_head(store_txn_t *t, store_head_t *head)
{
    memset(head, 0, sizeof(store_head_t));
    memcpy(head->magic, STORE_MAGIC, sizeof(head->magic));
    head->schema = STORE_SCHEMA;

    if (getrandom(head->id, sizeof(head->id), 0) != sizeof(head->id)
        || getrandom(head->incarnation, sizeof(head->incarnation), 0)
           != sizeof(head->incarnation))
    {
        store_fail(t, errno, "getrandom()");
        return;
    }

    head->created = store_wall_ms();

    store_put(t, STORE_META, "V", 1, head, sizeof(store_head_t));
}


static referral_rc_t
store_read_head(store_txn_t *t, referral_error_t *err)
{
    int            rc;
    MDB_val        v;
    store_head_t  *head;

    head = &t->store->head;

    rc = mdb_dbi_open(t->txn, store_names[STORE_META], 0,
                      &t->store->dbi[STORE_META]);

    if (rc != 0
        || !store_get(t, STORE_META, "V", 1, &v)
        || v.mv_size < sizeof(store_head_t)
        || memcmp(v.mv_data, STORE_MAGIC, sizeof(STORE_MAGIC)) != 0)
    {
        store_error(err, REFERRAL_CORRUPT, 0, "\"%s/data.mdb\" is an LMDB "
                    "file, but not of a referral store", t->store->path);
        return REFERRAL_CORRUPT;
    }

    memcpy(head, v.mv_data, sizeof(store_head_t));

    if (head->schema == 0 || head->schema > STORE_SCHEMA) {
        store_error(err, REFERRAL_VERSION, 0, "\"%s\" has schema %u, this "
                    "module reads schemas 1 to %u", t->store->path,
                    (unsigned) head->schema, STORE_SCHEMA);
        return REFERRAL_VERSION;
    }

    return REFERRAL_OK;
}


static void
store_open_dbis(store_txn_t *t, unsigned flags)
{
    int       rc;
    unsigned  i;

    for (i = 0; i < STORE_DBS && t->rc == 0; i++) {
        rc = mdb_dbi_open(t->txn, store_names[i], flags, &t->store->dbi[i]);

        if (rc != 0) {
            store_fail(t, rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc,
                       "mdb_dbi_open()");
        }
    }
}


/* Whether the file has nothing in it, neither ours nor anybody else's. */

static int
store_is_new(store_txn_t *t)
{
    int       rc;
    MDB_dbi   dbi;
    MDB_stat  stat;

    rc = mdb_dbi_open(t->txn, NULL, 0, &dbi);

    if (rc == 0) {
        rc = mdb_stat(t->txn, dbi, &stat);
    }

    if (rc != 0) {
        store_fail(t, rc, "mdb_stat()");
        return 0;
    }

    return stat.ms_entries == 0;
}


/* What an earlier schema lacks is made, and then the head says so. */

static referral_rc_t
store_open_old(store_txn_t *t, unsigned create, referral_error_t *err)
{
    uint32_t       schema;
    store_head_t  *head;

    head = &t->store->head;
    schema = head->schema;

    if (!create) {
        store_error(err, REFERRAL_NOT_FOUND, 0, "\"%s\" has schema %u, which "
                    "nginx brings to %u when it starts", t->store->path,
                    (unsigned) schema, STORE_SCHEMA);
        return REFERRAL_NOT_FOUND;
    }

    head->schema = STORE_SCHEMA;

    store_open_dbis(t, MDB_CREATE);

    if (schema < STORE_SCHEMA_KEPT) {
        store_upgrade(t);
    }

    store_put(t, STORE_META, "V", 1, head, sizeof(store_head_t));

    return REFERRAL_OK;
}


/*
 * Opens the databases in a transaction, which it ends: NOT_FOUND from a read
 * transaction when there are none, or old ones; in a write transaction they
 * are made then.
 */

static referral_rc_t
store_open_in(store_txn_t *t, unsigned create, referral_error_t *err)
{
    int            new;
    referral_rc_t  rc;

    rc = REFERRAL_OK;
    new = store_is_new(t);

    if (new && !create) {
        rc = REFERRAL_NOT_FOUND;
        store_error(err, rc, 0, "there is no store in \"%s\" yet",
                    t->store->path);

    } else if (new) {
        store_open_dbis(t, MDB_CREATE);
        store_write_head(t, &t->store->head);

    } else if (t->rc == 0) {
        rc = store_read_head(t, err);

        if (rc == REFERRAL_OK && t->store->head.schema != STORE_SCHEMA) {
            rc = store_open_old(t, create, err);

        } else {
            store_open_dbis(t, 0);
        }
    }

    if (rc != REFERRAL_OK) {
        store_abort(t);
        return rc;
    }

    /* committing keeps the handles, after a read transaction too */

    if (store_commit(t) != 0) {
        return store_failed(t, err);
    }

    return create ? store_sync(t->store, err) : REFERRAL_OK;
}


/* A store that is there is opened without a write. */

static referral_rc_t
store_open_schema(referral_store_t *store, unsigned guest,
    referral_error_t *err)
{
    store_txn_t    t;
    referral_rc_t  rc;

    if (store_begin(&t, store, MDB_RDONLY) != 0) {
        return store_failed(&t, err);
    }

    rc = store_open_in(&t, 0, err);

    if (rc != REFERRAL_NOT_FOUND || store->readonly || guest) {
        return rc;
    }

    if (store_begin(&t, store, 0) != 0) {
        return store_failed(&t, err);
    }

    return store_open_in(&t, 1, err);
}


static void
store_panic(MDB_env *env, const char *text)
{
    referral_store_t  *store;

    store = mdb_env_get_userctx(env);

    (void) fprintf(stderr, "\"%s/data.mdb\" is damaged, liblmdb says: %s\n",
                   store->path, text);

    /* a tool has nobody who would start it again */

    if (store->alone) {
        _exit(2);
    }

    abort();
}


static uint64_t
store_ring_size(uint64_t size)
{
    if (size == 0) {
        return STORE_RING_SIZE;
    }

    if (size < STORE_RING_MIN) {
        return STORE_RING_MIN;
    }

    return (size < STORE_RING_MAX) ? size & ~(uint64_t) 7 : STORE_RING_MAX;
}


static referral_rc_t
store_open_new(const referral_options_t *opts, const struct stat *st,
    referral_store_t **out, referral_error_t *err)
{
    referral_rc_t      rc;
    referral_store_t  *store;

    store = calloc(1, sizeof(referral_store_t));
    if (store == NULL) {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        return REFERRAL_FULL;
    }

    (void) snprintf(store->path, sizeof(store->path), "%s", opts->path);
    (void) snprintf(store->intake_path, sizeof(store->intake_path), "%s",
                    opts->intake_path ? opts->intake_path : "/dev/shm");

    store->intake_size = store_ring_size(opts->intake_size);
    store->durable = opts->durable;
    store->readonly = opts->readonly;
    store->doubt = 1;
    store->alone = opts->readonly || opts->guest;
    store->dev = st->st_dev;
    store->ino = st->st_ino;
    store->pid = getpid();
    store->refs = 1;

    rc = store_lock(store, err);

    if (rc == REFERRAL_OK) {
        rc = store_open_env(opts, &store->env, err);

        if (rc != REFERRAL_OK) {
            store_unlock(store);
        }
    }

    if (rc != REFERRAL_OK) {
        free(store);
        return rc;
    }

    (void) mdb_env_set_userctx(store->env, store);
    (void) mdb_env_set_assert(store->env, store_panic);

    rc = store_check_length(store->env, store->path, err);

    if (rc == REFERRAL_OK) {
        rc = store_check_namespace(store, err);
    }

    if (rc == REFERRAL_OK) {
        rc = store_open_schema(store, opts->guest, err);
    }

    if (rc == REFERRAL_OK && opts->guest) {
        rc = store_recall_intake(store, err);
    }

    if (rc != REFERRAL_OK) {
        mdb_env_close(store->env);
        store_unlock(store);
        free(store);
        return rc;
    }

    store_level_open(store, store_map_size(opts));

    store->next = store_opened;
    store_opened = store;
    *out = store;

    return REFERRAL_OK;
}


/*
 * A process started without standard error would have the database in its
 * place, and write its messages into it.
 */

static void
store_reserve_fds(void)
{
    int  fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd != -1 && fd <= STDERR_FILENO);

    if (fd != -1) {
        (void) close(fd);
    }
}


referral_rc_t
referral_store_open(const referral_options_t *opts, referral_store_t **out,
    referral_error_t *err)
{
    struct stat        st;
    referral_rc_t      rc;
    referral_store_t  *store;

    memset(err, 0, sizeof(referral_error_t));

    rc = store_check_place(opts->path, &st, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    for (store = store_opened; store; store = store->next) {
        if (store->dev == st.st_dev && store->ino == st.st_ino
            && store->pid == getpid())
        {
            store->refs++;
            *out = store;
            return REFERRAL_OK;
        }
    }

    if (strlen(opts->path) >= sizeof(store->path) - 1) {
        store_error(err, REFERRAL_SYSTEM, ENAMETOOLONG,
                    "the path of the store is too long");
        return REFERRAL_SYSTEM;
    }

    rc = store_check_empty(opts, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    store_reserve_fds();

    return store_open_new(opts, &st, out, err);
}


void
referral_store_close(referral_store_t *store)
{
    /*
     * The environment is left to exit(): liblmdb 0.9.26 to 0.9.31 destroy the
     * mutexes in the lock file when they close, also those others wait for.
     */

    store->refs--;
}
