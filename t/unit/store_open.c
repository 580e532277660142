/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Opening: what is refused, with a sentence and without a trace, and what is
 * shared, made and kept private.
 *
 * Would catch: a store that begins anew over one that lost its file; a file
 * cut short that kills the process at the first read; another program's LMDB
 * file that is taken for ours; a schema read by the wrong module; a process
 * with two environments of one directory; files others may read; descriptors
 * that live on in a child program; standard error that is the database; a
 * race of several processes that make a store at once.
 */

#include "store_test.h"

#include <dirent.h>


typedef struct {
    referral_rc_t     rc;
    int               sys;
    char              text[320];
    unsigned          ok[16];
} result_t;

static result_t  *result;


static void
scene_open(test_store_t *ts, void *data)
{
    (void) data;

    result->rc = referral_store_open(&ts->opts, &ts->store, &ts->err);
    result->sys = ts->err.sys;
    memcpy(result->text, ts->err.text, sizeof(result->text));
}


/* A store with a program and some clicks, closed. */

static void
scene_fill(test_store_t *ts, void *data)
{
    uint64_t            seq, i;
    uint32_t            program;
    referral_record_t   record;
    referral_intake_t  *intake;

    test_open(ts);
    program = test_program(ts, "friends");
    intake = test_intake(ts);

    for (i = 0; i < *(unsigned *) data; i++) {
        record = test_click(program, i);
        test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    }

    (void) test_apply_all(ts, intake, 1);
    referral_intake_close(intake);
    referral_store_close(ts->store);
}


static unsigned
files(const char *path)
{
    DIR            *dir;
    unsigned        n;
    struct dirent  *e;

    n = 0;
    dir = opendir(path);

    if (dir == NULL) {
        return 0;
    }

    while ((e = readdir(dir)) != NULL) {
        n += (e->d_name[0] != '.');
    }

    closedir(dir);

    return n;
}


static off_t
size_of(test_store_t *ts, const char *name)
{
    char         path[300];
    struct stat  st;

    snprintf(path, sizeof(path), "%s/%s", ts->path, name);

    return (stat(path, &st) == -1) ? -1 : st.st_size;
}


static void
cut(test_store_t *ts, const char *name, off_t size)
{
    char  path[300];

    snprintf(path, sizeof(path), "%s/%s", ts->path, name);

    if (truncate(path, size) == -1) {
        perror(path);
        exit(2);
    }
}


static void
write_file(test_store_t *ts, const char *name, const char *text)
{
    char   path[300];
    FILE  *f;

    snprintf(path, sizeof(path), "%s/%s", ts->path, name);
    f = fopen(path, "w");

    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
}


static void
refused(const char *what, int status, referral_rc_t rc, const char *word)
{
    tap_ok(status == 0 && result->rc == rc && strstr(result->text, word),
           "%s is refused", what);

    if (status != 0 || result->rc != rc || !strstr(result->text, word)) {
        printf("# status %d, rc %d: \"%s\"\n", status, (int) result->rc,
               result->text);
    }
}


/* ------------------------------------------------------ what was lost */

static void
lost(void)
{
    off_t          log, last;
    unsigned       clicks;
    test_store_t   ts;

    clicks = 20000;
    test_make(&ts);
    ts.opts.intake_size = 8 << 20;
    ts.opts.durable = 1;
    tap_ok(test_child(scene_fill, &ts, &clicks) == 0, "a store is made");

    log = size_of(&ts, "intake-000.log");
    last = size_of(&ts, "data.mdb");

    cut(&ts, "data.mdb", last / 2 / 4096 * 4096);
    refused("a file cut in the middle", test_child(scene_open, &ts, NULL),
            REFERRAL_CORRUPT, "cut short");
    tap_ok(size_of(&ts, "data.mdb") == last / 2 / 4096 * 4096,
           "and stays as it was");

    cut(&ts, "data.mdb", 4096);
    refused("a file of one page", test_child(scene_open, &ts, NULL),
            REFERRAL_CORRUPT, "data.mdb");

    cut(&ts, "data.mdb", 100);
    refused("a file of less than a page", test_child(scene_open, &ts, NULL),
            REFERRAL_CORRUPT, "data.mdb");

    cut(&ts, "data.mdb", 0);
    refused("an empty file beside a log", test_child(scene_open, &ts, NULL),
            REFERRAL_CORRUPT, "empty");
    tap_ok(size_of(&ts, "data.mdb") == 0
           && size_of(&ts, "intake-000.log") == log,
           "and nothing has changed");

    ts.opts.readonly = 1;
    refused("the same, for reading", test_child(scene_open, &ts, NULL),
            REFERRAL_CORRUPT, "empty");

    test_remove(&ts);
}


/* --------------------------------------------------- what is not ours */

typedef struct {
    const char  *db;
    const char  *key;
    uint32_t     schema;        /* 0: not even our magic */
} foreign_t;

static void
scene_foreign(test_store_t *ts, void *data)
{
    MDB_env       *env;
    MDB_txn       *txn;
    MDB_dbi        dbi;
    MDB_val        k, v;
    foreign_t     *f;
    store_head_t   head;

    f = data;
    memset(&head, 0, sizeof(head));

    if (f->schema) {
        memcpy(head.magic, STORE_MAGIC, sizeof(head.magic));
        head.schema = f->schema;
    }

    k.mv_data = (void *) f->key;
    k.mv_size = strlen(f->key);
    v.mv_data = &head;
    v.mv_size = sizeof(head);

    if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 4)
        || mdb_env_open(env, ts->path, 0, 0600)
        || mdb_txn_begin(env, NULL, 0, &txn)
        || mdb_dbi_open(txn, f->db, MDB_CREATE, &dbi)
        || mdb_put(txn, dbi, &k, &v, 0)
        || mdb_txn_commit(txn))
    {
        _exit(1);
    }

    mdb_env_close(env);
}


static void
scene_foreign_dbs(test_store_t *ts, void *data)
{
    MDB_env   *env;
    MDB_txn   *txn;
    MDB_dbi    dbi;
    MDB_stat   st;

    (void) data;

    if (mdb_env_create(&env) || mdb_env_open(env, ts->path, 0, 0600)
        || mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)
        || mdb_dbi_open(txn, NULL, 0, &dbi)
        || mdb_stat(txn, dbi, &st))
    {
        _exit(1);
    }

    result->ok[0] = (unsigned) st.ms_entries;
}


static void
foreign(void)
{
    unsigned       i;
    test_store_t   ts;

    static foreign_t     cases[] = {
        { NULL, "some key", 0 },
        { NULL, "meta", 0 },
        { "users", "anna", 0 },
        { "meta", "anna", 0 },
        { "meta", "V", 0 },
        { "meta", "V", 7 }
    };
    static const char   *names[] = {
        "an LMDB file of plain keys",
        "one with a key that is named as a database of ours",
        "one with other databases",
        "one with a database that is named as ours",
        "one with our key and another value",
        "another schema"
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test_make(&ts);

        if (test_child(scene_foreign, &ts, &cases[i]) != 0) {
            tap_ok(0, "cannot make %s", names[i]);
            continue;
        }

        refused(names[i], test_child(scene_open, &ts, NULL),
                cases[i].schema ? REFERRAL_VERSION : REFERRAL_CORRUPT,
                cases[i].schema ? "schema 7" : "not of a referral store");
        tap_ok(test_child(scene_foreign_dbs, &ts, NULL) == 0
               && result->ok[0] == 1, "and nothing was added to it");
        test_remove(&ts);
    }

    test_make(&ts);
    write_file(&ts, "data.mdb", "this is no database\n");
    refused("a file that is not LMDB's", test_child(scene_open, &ts, NULL),
            REFERRAL_CORRUPT, "data.mdb");
    tap_ok(size_of(&ts, "data.mdb") == 20, "and stays as it was");
    test_remove(&ts);
}


static void
places(void)
{
    char           path[300];
    test_store_t   ts;

    test_make(&ts);

    snprintf(path, sizeof(path), "%s/none", ts.path);
    ts.opts.path = path;
    refused("a directory that is not there", test_child(scene_open, &ts, NULL),
            REFERRAL_SYSTEM, path);
    tap_ok(result->sys == ENOENT, "for that reason");

    write_file(&ts, "none", "");
    refused("a file for a directory", test_child(scene_open, &ts, NULL),
            REFERRAL_SYSTEM, "not a directory");

    ts.opts.path = "/proc";
    refused("a directory nobody can write", test_child(scene_open, &ts, NULL),
            REFERRAL_SYSTEM, "/proc");

    test_remove(&ts);
}


/* ----------------------------------------------------- read-only opens */

static void
scene_no_writing(test_store_t *ts, void *data)
{
    uint32_t            id;
    unsigned            n, cases;
    referral_intake_t  *intake;

    (void) data;

    test_open(ts);
    cases = 0;

    result->ok[0] = (referral_intake_open(ts->store, &intake, &ts->err)
                     == REFERRAL_SYSTEM && ts->err.sys == EROFS);
    result->ok[1] = (referral_store_maintain(ts->store, &n, &ts->err)
                     == REFERRAL_SYSTEM && ts->err.sys == EROFS);
    result->ok[2] = (referral_store_program(ts->store, test_str("new"), &cases,
                                            &id, &ts->err) != REFERRAL_OK);
}


static void
readonly(void)
{
    unsigned       clicks;
    test_store_t   ts;

    test_make(&ts);
    ts.opts.readonly = 1;

    tap_ok(test_child(scene_open, &ts, NULL) == 0
           && result->rc != REFERRAL_OK && result->text[0] != '\0'
           && files(ts.path) == 0 && files(ts.rings) == 0,
           "reading a store that is not there makes nothing");

    write_file(&ts, "data.mdb", "");

    tap_ok(test_child(scene_open, &ts, NULL) == 0
           && result->rc != REFERRAL_OK && result->text[0] != '\0'
           && size_of(&ts, "data.mdb") == 0,
           "nor a store out of an empty file");

    test_remove(&ts);
    test_make(&ts);

    clicks = 10;
    test_child(scene_fill, &ts, &clicks);
    clicks = files(ts.path);
    ts.opts.readonly = 1;

    tap_ok(test_child(scene_open, &ts, NULL) == 0
           && result->rc == REFERRAL_OK && files(ts.path) == clicks,
           "reading one that is there makes no file");

    memset(result, 0, sizeof(*result));
    tap_ok(test_child(scene_no_writing, &ts, NULL) == 0 && result->ok[0]
           && result->ok[1] && result->ok[2] && files(ts.path) == clicks
           && files(ts.rings) == 0,
           "and lets nothing be written");

    test_remove(&ts);
}


/* ------------------------------------------- sharing, modes, descriptors */

static void
scene_share(test_store_t *ts, void *data)
{
    char                 path[300];
    uint64_t             seq;
    uint32_t             program;
    referral_store_t    *again;
    referral_record_t    record;
    referral_intake_t   *intake;
    referral_options_t   opts;

    (void) data;

    test_open(ts);

    snprintf(path, sizeof(path), "%s/link", ts->rings);

    if (symlink(ts->path, path) == -1) {
        _exit(1);
    }

    opts = ts->opts;
    opts.path = path;

    result->ok[0] = (referral_store_open(&opts, &again, &ts->err)
                     == REFERRAL_OK && again == ts->store);

    /* and closing one leaves the other */

    referral_store_close(again);

    program = test_program(ts, "friends");
    intake = test_intake(ts);
    record = test_click(program, 1);
    result->ok[1] = (referral_intake_put(intake, &record, &seq) == 0
                     && test_apply_all(ts, intake, 1) == 1
                     && test_total(ts, program) == 1);
}


static void
scene_fork(test_store_t *ts, void *data)
{
    int                  status;
    pid_t                pid;
    uint64_t             seq;
    uint32_t             program;
    referral_store_t    *parents;
    referral_record_t    record;
    referral_intake_t   *intake;

    (void) data;

    test_open(ts);
    parents = ts->store;
    pid = fork();

    if (pid == 0) {
        test_open(ts);
        result->ok[0] = (ts->store != parents);
    }

    program = test_program(ts, "friends");
    intake = test_intake(ts);
    record = test_click(program, (uint64_t) pid);
    test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    (void) test_apply_all(ts, intake, 1);

    if (pid == 0) {
        _exit(0);
    }

    waitpid(pid, &status, 0);
    result->ok[1] = (status == 0 && test_total(ts, program) == 2);
}


/* Descriptors that a program started from here would have. */

static unsigned
inherited(test_store_t *ts)
{
    int       fd, flags;
    char      link[64], path[300];
    ssize_t   n;
    unsigned  bad;

    bad = 0;

    for (fd = 3; fd < 64; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);

        if (n <= 0) {
            continue;
        }

        path[n] = '\0';
        flags = fcntl(fd, F_GETFD);

        if (flags != -1 && !(flags & FD_CLOEXEC)
            && (strstr(path, ts->path) || strstr(path, ts->rings)))
        {
            printf("# without FD_CLOEXEC: %d %s\n", fd, path);
            bad++;
        }
    }

    return bad;
}


static int
check_mode(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void) ftw;

    if (flag == FTW_F) {
        result->ok[1]++;

        if ((st->st_mode & 07777) != 0600) {
            printf("# mode %o: %s\n", st->st_mode & 07777, path);
            result->ok[0] = 0;
        }
    }

    return 0;
}


static void
scene_private(test_store_t *ts, void *data)
{
    (void) data;

    umask(0);
    ts->opts.durable = 1;
    test_open(ts);
    (void) test_intake(ts);

    result->ok[0] = 1;
    result->ok[1] = 0;
    nftw(ts->path, check_mode, 16, FTW_PHYS);
    nftw(ts->rings, check_mode, 16, FTW_PHYS);
    result->ok[2] = inherited(ts);
}


static void
scene_no_stderr(test_store_t *ts, void *data)
{
    int      fd;
    char     link[64], path[300];
    ssize_t  n;

    (void) data;

    for (fd = 0; fd < 3; fd++) {
        (void) close(fd);
    }

    result->ok[1] = (referral_store_open(&ts->opts, &ts->store, &ts->err)
                     == REFERRAL_OK);
    result->ok[0] = 1;

    for (fd = 0; fd < 3; fd++) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);

        if (n > 0) {
            path[n] = '\0';
            result->ok[0] &= (strstr(path, ts->path) == NULL);
        }
    }

    _exit(0);
}


static void
sharing(void)
{
    int            status;
    test_store_t   ts;

    test_make(&ts);
    status = test_child(scene_share, &ts, NULL);
    tap_ok(status == 0 && result->ok[0],
           "one environment for one directory, by whatever path");
    tap_ok(status == 0 && result->ok[1], "until its last use ends");
    test_remove(&ts);

    test_make(&ts);
    memset(result, 0, sizeof(*result));
    status = test_child(scene_fork, &ts, NULL);
    tap_ok(status == 0 && result->ok[0] && result->ok[1],
           "a child does not use its parent's");
    test_remove(&ts);

    test_make(&ts);
    status = test_child(scene_private, &ts, NULL);
    tap_ok(status == 0 && result->ok[0] && result->ok[1] == 4,
           "all files are for their owner only");
    tap_ok(status == 0 && result->ok[2] == 0,
           "no descriptor is left to another program");
    test_remove(&ts);

    test_make(&ts);
    status = test_child(scene_no_stderr, &ts, NULL);
    tap_ok(status == 0 && result->ok[0] && result->ok[1],
           "what is written to standard error never ends in the store");
    test_remove(&ts);
}


/* ------------------------------------------------------- small arguments */

static void
scene_programs(test_store_t *ts, void *data)
{
    char            name[32];
    uint32_t        id, again;
    unsigned        i, cases;
    referral_rc_t   rc;

    (void) data;

    test_open(ts);
    cases = 0;

    result->ok[0] = (referral_store_program(ts->store, test_str(""), &cases,
                                            &id, &ts->err)
                     == REFERRAL_INVALID);
    memset(name, 'a', REFERRAL_PROGRAM_MAX + 1);
    name[REFERRAL_PROGRAM_MAX + 1] = '\0';
    result->ok[1] = (referral_store_program(ts->store, test_str(name), &cases,
                                            &id, &ts->err)
                     == REFERRAL_INVALID);
    cases = 1;
    name[REFERRAL_PROGRAM_MAX] = '\0';
    id = test_program(ts, name);
    test_must(ts, referral_store_program(ts->store, test_str(name), &cases,
                                         &again, &ts->err), "program");
    result->ok[2] = (id == again && cases == 0);

    rc = REFERRAL_OK;

    for (i = 2; i <= STORE_MAX_PROGRAMS && rc == REFERRAL_OK; i++) {
        snprintf(name, sizeof(name), "p%u", i);
        cases = 1;
        rc = referral_store_program(ts->store, test_str(name), &cases, &id,
                                    &ts->err);
    }

    result->ok[3] = (rc == REFERRAL_FULL && i == STORE_MAX_PROGRAMS + 1
                     && id < STORE_MAX_PROGRAMS);
    result->ok[4] = (unsigned) test_verify(ts);
}


static void
programs(void)
{
    int            status;
    test_store_t   ts;

    test_make(&ts);
    status = test_child(scene_programs, &ts, NULL);
    tap_ok(status == 0 && result->ok[0], "a program has a name");
    tap_ok(status == 0 && result->ok[1], "of 24 bytes at most");
    tap_ok(status == 0 && result->ok[2],
           "a known program keeps number and case");
    tap_ok(status == 0 && result->ok[3], "programs have a limit");
    tap_ok(status == 0 && result->ok[4] == 0, "the journal knows them all");
    test_remove(&ts);
}


/* --------------------------------------------------- several at once */

#define OPENERS  8
#define ROUNDS   8

static void
at_once(void)
{
    int            status;
    pid_t          pids[OPENERS];
    unsigned       i, n, bad, ids;
    referral_rc_t  rc;
    test_store_t   ts;

    struct shared_s {
        unsigned         go;
        unsigned char    id[OPENERS][16];
        uint32_t         program[OPENERS];
    } *shared;

    shared = test_shared(sizeof(*shared));
    bad = 0;
    ids = 0;

    for (n = 0; n < ROUNDS; n++) {
        test_make(&ts);
        shared->go = 0;
        fflush(stdout);

        for (i = 0; i < OPENERS; i++) {
            pids[i] = fork();

            if (pids[i] == 0) {
                while (!*(volatile unsigned *) &shared->go) { /* void */ }

                rc = referral_store_open(&ts.opts, &ts.store, &ts.err);

                if (rc != REFERRAL_OK) {
                    printf("# rc %d: %s\n", (int) rc, ts.err.text);
                    fflush(stdout);
                    _exit(1);
                }

                shared->program[i] = test_program(&ts, "friends");
                memcpy(shared->id[i], ts.store->head.id, 16);
                (void) test_intake(&ts);
                _exit(0);
            }
        }

        *(volatile unsigned *) &shared->go = 1;

        for (i = 0; i < OPENERS; i++) {
            waitpid(pids[i], &status, 0);
            bad += (status != 0);
        }

        for (i = 1; i < OPENERS; i++) {
            ids += (memcmp(shared->id[i], shared->id[0], 16) != 0
                    || shared->program[i] != 1);
        }

        test_remove(&ts);
    }

    tap_ok(bad == 0, "%d processes make a store at once", OPENERS);
    tap_ok(ids == 0, "and it is the same one for all");
}


int
main(void)
{
    result = test_shared(sizeof(result_t));

    lost();
    foreign();
    places();
    readonly();
    sharing();
    programs();
    at_once();

    return tap_done();
}
