/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The map is replaced while others look at it.  Another process gives the
 * store a larger one again and again and fills it, as new workers of nginx
 * do; here one thread reads and takes clicks, another applies them.  Between
 * munmap() and mmap() there is a pause: who looks then, dies.
 *
 *   store_gate [rounds]
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <pthread.h>
#include <sys/syscall.h>

#include "store_scenes.h"


#define MAP     (1 << 20)
#define STEP    (16 << 10)              /* a larger map, each round */
#define FILL    (STEP - 16)             /* without the head of the page */


static struct {
    _Atomic unsigned    round;
    _Atomic unsigned    stop;
    _Atomic unsigned    remaps;
    uint64_t            reads;
    uint64_t            busy;
    uint64_t            busy_us;        /* the longest time in a row */
    _Atomic unsigned    wrong;
    unsigned            rc[12];
} *both;

static unsigned  rounds = 3000;


/* ------------------------------------------------------ instead of libc's */

static size_t     map_size;             /* of what is looked at */
static int        mmap_fails;
static useconds_t pause_us;


#define UNWATCHED  __attribute__((no_sanitize("address", "thread")))

UNWATCHED int
munmap(void *addr, size_t len)
{
    int  rc;

    rc = (int) syscall(SYS_munmap, addr, len);

    if (map_size != 0 && len >= map_size) {
        both->remaps++;
        usleep(pause_us);
    }

    return rc;
}


UNWATCHED void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (mmap_fails && fd != -1) {
        errno = ENOMEM;
        return MAP_FAILED;
    }

    return (void *) syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}


/* ------------------------------------------------ the other process grows */

static int
grow(test_store_t *ts, uint64_t *size)
{
    int          rc;
    char         key[16];
    uint64_t     wanted;
    store_txn_t  t;

    static char      junk[FILL];
    static unsigned  n;

    snprintf(key, sizeof(key), "x%u", n++);

    do {
        *size += STEP;

        if (mdb_env_set_mapsize(ts->store->env, *size) != 0
            || store_begin(&t, ts->store, 0) != 0)
        {
            return -1;
        }

        wanted = *size;
        store_put(&t, STORE_META, "M", 1, &wanted, sizeof(wanted));
        store_put(&t, STORE_META, key, strlen(key), junk, sizeof(junk));
        rc = store_commit(&t);

    } while (rc == MDB_MAP_FULL);

    return rc;
}


static void
grower(test_store_t *ts, void *data)
{
    unsigned  n;
    uint64_t  size;

    (void) data;

    test_open(ts);
    size = MAP;

    for (n = 0; n < rounds; n++) {

        /* at last there is room for all */

        size += (n + 1 == rounds) ? 64 << 20 : 0;

        if (grow(ts, &size) != 0) {
            _exit(98);
        }

        both->round++;
        usleep(300);
    }
}


/* ---------------------------------------- two threads, as in a worker */

typedef struct {
    test_store_t        *ts;
    referral_intake_t   *intake;
    uint32_t             program;
} worker_t;


/* Looks at rows that are surely there. */

static void
look(worker_t *w, referral_snapshot_t *snap)
{
    uint64_t                n;
    referral_record_t       record;
    referral_counts_t       counts;
    referral_store_info_t   info;
    referral_click_info_t   click;

    if (referral_counts_get(snap, w->program, 0, &counts) != REFERRAL_OK) {
        both->wrong++;
    }

    n = referral_counts_total(&counts);

    if (n != 0) {
        record = test_click(w->program, 1 + both->reads % n);
        both->wrong += (referral_click_get(snap, w->program,
                                           record.u.click.click_id, &click)
                        != REFERRAL_OK);
    }

    if (both->reads % 64 == 0) {
        both->wrong += (referral_store_info(snap, &info) != REFERRAL_OK);
    }
}


static void
turn(worker_t *w, referral_snapshot_t *snap[2], uint64_t *since)
{
    uint64_t       us;
    referral_rc_t  rc;

    rc = referral_snapshot_begin(snap[0]);

    if (rc != REFERRAL_OK) {
        both->wrong += (rc != REFERRAL_BUSY);
        both->busy++;
        us = test_now_us();
        *since = *since ? *since : us;

        if (us - *since > both->busy_us) {
            both->busy_us = us - *since;
        }

        return;
    }

    *since = 0;
    both->reads++;
    look(w, snap[0]);

    if (referral_snapshot_begin(snap[1]) == REFERRAL_OK) {
        look(w, snap[1]);
        referral_snapshot_end(snap[1]);
    }

    referral_snapshot_end(snap[0]);
    (void) referral_store_last_id(w->ts->store);
}


static void *
event_loop(void *data)
{
    uint64_t              since;
    worker_t             *w;
    referral_error_t      err;
    referral_snapshot_t  *snap[2] = { NULL, NULL };

    w = data;
    since = 0;

    while (!both->stop) {

        if ((snap[0] == NULL
             && referral_snapshot_create(w->ts->store, &snap[0], &err))
            || (snap[1] == NULL
                && referral_snapshot_create(w->ts->store, &snap[1], &err)))
        {
            continue;
        }

        turn(w, snap, &since);
        put_clicks(w->ts, w->intake, w->program, 1);
    }

    referral_snapshot_destroy(snap[0]);
    referral_snapshot_destroy(snap[1]);

    return NULL;
}


static void
commits(worker_t *w)
{
    unsigned           n;
    referral_rc_t      rc;
    referral_batch_t   batch;
    referral_error_t   err;

    for (n = 0; both->round < rounds; n++) {

        /* the map is always nearly full: that is not what this is about */

        atomic_store(&w->ts->store->level, REFERRAL_LEVEL_OK);
        atomic_store(&w->ts->store->room, UINT64_MAX);

        both->wrong += (referral_store_remap(w->ts->store, &err)
                        != REFERRAL_OK);

        rc = referral_intake_apply(w->intake, n % 16 == 0, NULL, 0, &batch,
                                   &err);
        both->wrong += (rc != REFERRAL_OK && rc != REFERRAL_FULL
                        && rc != REFERRAL_BUSY);

        if (n % 64 == 0) {
            store_measure(w->ts->store);
        }

        usleep(100);
    }
}


static void
scene_worker(test_store_t *ts, void *data)
{
    worker_t   w;
    pthread_t  thread;

    (void) data;

    w.ts = ts;
    w.program = begin(ts, &w.intake);
    put_clicks(ts, w.intake, w.program, 100);
    (void) test_apply_all(ts, w.intake, 1);

    map_size = MAP;
    pause_us = 100;

    if (pthread_create(&thread, NULL, event_loop, &w) != 0) {
        _exit(97);
    }

    commits(&w);
    both->stop = 1;
    pthread_join(thread, NULL);

    map_size = 0;
    store_measure(ts->store);
    (void) test_apply_all(ts, w.intake, 1);
    shared->ok[0] = (unsigned) exactly(ts, w.program, shared->taken);
}


static void
growing(void)
{
    int            status, other;
    pid_t          pid;
    test_store_t   ts;

    test_make(&ts);
    ts.opts.map_size = MAP;
    fflush(stdout);

    /* the worker makes the store */

    pid = fork();

    if (pid == 0) {
        scene_worker(&ts, NULL);
        fflush(stdout);
        _exit(0);
    }

    while (shared->taken < 100 && waitpid(pid, &status, WNOHANG) == 0) {
        usleep(1000);
    }

    other = test_child(grower, &ts, NULL);
    waitpid(pid, &status, 0);

    printf("# %u rounds, %u times another map, %llu reads, %llu refused, "
           "%llu us the longest, %llu clicks\n", both->round, both->remaps,
           (unsigned long long) both->reads, (unsigned long long) both->busy,
           (unsigned long long) both->busy_us,
           (unsigned long long) shared->taken);

    tap_ok(other == 0 && both->round == rounds,
           "another process has the store grow");
    tap_ok(status == 0, "nobody looks where no map is");
    tap_ok(both->remaps > rounds / 20 && both->reads > rounds,
           "though the map is replaced often, and read often");
    tap_ok(both->wrong == 0, "what is there is found each time");
    tap_ok(both->busy != 0 && both->busy_us < 10000000,
           "readers are refused for a moment, not for ever");
    tap_ok(shared->taken > 100 && shared->ok[0], "no click is lost");
    test_remove(&ts);
}


/* ------------------------------------------------------ one at a time */

/* Another process lets the file grow beyond the map of this one. */

static void
outgrow(test_store_t *ts, void *data)
{
    unsigned  n;
    uint64_t  size;

    (void) data;

    test_open(ts);

    for (n = 0, size = 2 * MAP; n <= MAP / FILL; n++) {
        if (grow(ts, &size) != 0) {
            _exit(98);
        }
    }
}


static void
scene_single(test_store_t *ts, void *data)
{
    test_store_t           other;
    referral_error_t       err;
    referral_snapshot_t   *snap, *next;

    (void) data;

    test_open(ts);
    snap = test_snapshot(ts);

    other = *ts;
    ts->store = NULL;

    if (test_child(outgrow, ts, NULL) != 0) {
        return;
    }

    *ts = other;
    both->rc[0] = referral_snapshot_create(ts->store, &next, &err);
    both->rc[1] = referral_store_remap(ts->store, &err);
    both->rc[2] = (ts->store->closed == 0);
    both->rc[3] = (referral_store_last_id(ts->store) != 0);
    referral_snapshot_end(snap);
    both->rc[4] = referral_snapshot_begin(snap);
    both->rc[5] = referral_store_remap(ts->store, &err);
    both->rc[6] = referral_snapshot_begin(snap);
    referral_snapshot_end(snap);

    /* a write transaction finds out for itself */

    (void) mdb_env_set_mapsize(ts->store->env, MAP);
    both->rc[7] = (test_program(ts, "friends") == 1);
    both->rc[8] = (ts->store->inside == 0);
}


static void
scene_lost(test_store_t *ts, void *data)
{
    uint64_t              seq;
    uint32_t              program;
    referral_batch_t      batch;
    referral_error_t      err;
    referral_record_t     record;
    referral_intake_t    *intake;
    referral_snapshot_t  *snap;

    (void) data;

    program = begin(ts, &intake);
    snap = test_snapshot(ts);
    referral_snapshot_end(snap);

    record = test_click(program, 1);
    test_must(ts, referral_intake_put(intake, &record, &seq), "put");

    mmap_fails = 1;
    both->rc[0] = (store_remap(ts->store, 2 * MAP) == MDB_PANIC);
    mmap_fails = 0;

    both->rc[1] = referral_snapshot_begin(snap);
    both->rc[2] = (unsigned) referral_store_last_id(ts->store);
    both->rc[3] = referral_intake_apply(intake, 1, NULL, 0, &batch, &err);
    both->rc[4] = referral_store_maintain(ts->store, &batch.records, &err);
    referral_snapshot_destroy(snap);
    referral_intake_close(intake);
    both->rc[5] = 1;
}


static void
scene_tool(test_store_t *ts, void *data)
{
    test_store_t          other;
    referral_snapshot_t  *snap;

    ts->opts.map_size = 0;
    ts->opts.readonly = (data != NULL);
    ts->opts.guest = (data == NULL);
    test_open(ts);
    snap = test_snapshot(ts);
    referral_snapshot_end(snap);

    other = *ts;
    ts->opts.readonly = ts->opts.guest = 0;

    if (test_child(outgrow, ts, NULL) != 0) {
        return;
    }

    *ts = other;
    both->rc[0] = referral_snapshot_begin(snap);
    referral_snapshot_end(snap);
    both->rc[1] = (ts->store->inside == 0);
}


static void
scene_make(test_store_t *ts, void *data)
{
    (void) data;

    test_open(ts);
}


static void
tool(void *readonly)
{
    test_store_t  ts;

    test_make(&ts);
    ts.opts.map_size = MAP;
    test_child(scene_make, &ts, NULL);
    memset(both, 0, sizeof(*both));
    both->rc[0] = 99;
    tap_ok(test_child(scene_tool, &ts, readonly) == 0
           && both->rc[0] == REFERRAL_OK && both->rc[1],
           "a tool that %s takes over the map itself",
           readonly ? "reads" : "writes");
    test_remove(&ts);
}


static void
singles(void)
{
    test_store_t  ts;

    test_make(&ts);
    ts.opts.map_size = MAP;
    memset(both, 0, sizeof(*both));
    test_child(scene_single, &ts, NULL);
    tap_ok(both->rc[0] == REFERRAL_BUSY,
           "no snapshot in a map that is too small");
    tap_ok(both->rc[1] == REFERRAL_BUSY && both->rc[2] && both->rc[3],
           "it is not replaced under one that is open");
    tap_ok(both->rc[4] == REFERRAL_BUSY && both->rc[5] == REFERRAL_OK
           && both->rc[6] == REFERRAL_OK, "but when that has ended");
    tap_ok(both->rc[7] && both->rc[8], "a write transaction does it itself");
    test_remove(&ts);

    test_make(&ts);
    ts.opts.map_size = MAP;
    memset(both, 0, sizeof(*both));
    test_child(scene_lost, &ts, NULL);
    tap_ok(both->rc[0] && both->rc[1] == REFERRAL_BROKEN && both->rc[2] == 0
           && both->rc[3] == REFERRAL_BROKEN
           && both->rc[4] == REFERRAL_BROKEN && both->rc[5],
           "without a map nothing is done, and nobody dies of it");
    test_remove(&ts);

    tool(&ts);
    tool(NULL);
}


int
main(int argc, char **argv)
{
    if (argc > 1) {
        rounds = (unsigned) atoi(argv[1]);
    }

    shared = test_shared(sizeof(*shared));
    both = test_shared(sizeof(*both));

    singles();

    memset(both, 0, sizeof(*both));
    memset(shared, 0, sizeof(*shared));
    growing();

    return tap_done();
}
