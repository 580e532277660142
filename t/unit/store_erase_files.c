/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is left of an erased person in files: nothing in what is in use, nor
 * in rings and logs; and that erasing is all or nothing, beside others.
 *
 * Would catch: ids that stay as keys of inner pages, records in a log that
 * nobody needs any more, a log wiped of what is still needed, half a person
 * after a kill.
 */

#include "erase_scene.h"
#include <dirent.h>


#define PERSONS  15000
#define ERASED   400
#define EVENTS   2000
#define KILLS    60


static struct {
    uint32_t            program;
    unsigned            erased;
    unsigned            left;
    unsigned            levels[3];
    uint64_t            differences;
    int                 ring[2];
    int                 log[3];
    unsigned            logs[3];
    unsigned            more;
    unsigned            orders;
    unsigned            kills[3];
    unsigned            wrong;
    _Atomic unsigned    go;
    unsigned            taken;
} *shared;


/* ----------------------------------------------------------- inner pages -- */

static void
person_of(char *to, size_t size, unsigned i)
{
    snprintf(to, size, "person-%08x", i * 2654435761u);
}


static unsigned
depth_of(test_store_t *ts, unsigned db)
{
    MDB_txn   *txn;
    MDB_stat   stat;

    if (mdb_txn_begin(ts->store->env, NULL, MDB_RDONLY, &txn) != 0
        || mdb_stat(txn, ts->store->dbi[db], &stat) != 0)
    {
        _exit(98);
    }

    mdb_txn_abort(txn);

    return stat.ms_depth;
}


static void
scene_pages(test_store_t *ts, void *data)
{
    char                copy[256], person[32], id[32], code[32];
    unsigned            i;
    uint64_t            seq;
    referral_record_t   record;
    referral_erased_t   erased;
    referral_intake_t  *in;

    (void) data;
    test_open(ts);
    shared->program = test_program(ts, "friends");
    erase_rules(ts, shared->program);
    in = test_intake(ts);
    erase_code(ts, in, shared->program, "BEN7", "ben-2", NULL);

    for (i = 0; i < PERSONS; i++) {
        person_of(person, sizeof(person), i);
        snprintf(id, sizeof(id), "order-%u", i);
        snprintf(code, sizeof(code), "code-%u", i);
        record = erase_code_record(shared->program, code, person, NULL);
        test_must(ts, referral_intake_put(in, &record, &seq), "put");
        record = erase_order_record(shared->program, id, person, "BEN7", 1000);
        test_must(ts, referral_intake_put(in, &record, &seq), "put");

        if (i % 1000 == 0) {
            (void) test_apply_all(ts, in, 1);
        }
    }

    (void) test_apply_all(ts, in, 1);
    referral_intake_close(in);

    shared->levels[0] = depth_of(ts, STORE_OWN);
    shared->levels[1] = depth_of(ts, STORE_CUS);
    shared->levels[2] = depth_of(ts, STORE_CNT);

    for (i = 0; i < ERASED; i++) {
        person_of(person, sizeof(person), i * 7);
        shared->erased += erase_person(ts, shared->program, person, &erased)
                          == REFERRAL_OK;
    }

    erase_copy(ts, copy, sizeof(copy));

    for (i = 0; i < ERASED; i++) {
        person_of(person, sizeof(person), i * 7);
        shared->left += erase_count_bytes(copy, person) != 0;
    }

    shared->differences = test_verify(ts);
}


/* -------------------------------------------------------- rings and logs -- */

static const char *
ring_of(test_store_t *ts, const char *dir, const char *prefix)
{
    static char     path[400];
    DIR            *d;
    struct dirent  *entry;

    (void) ts;
    d = opendir(dir);
    path[0] = '\0';

    while ((entry = readdir(d)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        }
    }

    closedir(d);

    return path;
}


static void
put_order(test_store_t *ts, referral_intake_t *in, const char *id,
    const char *customer)
{
    uint64_t           seq;
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.time = erase_time += 1000;
    record.u.event.program = shared->program;
    record.u.event.order_id = test_str(id);
    record.u.event.customer = test_str(customer);
    record.u.event.event = test_str("signup");
    record.u.event.coupon = test_str("BEN7");
    test_must(ts, referral_intake_put(in, &record, &seq), "put");
    test_must(ts, referral_intake_flush(in, &seq, &ts->err), "flush");
}


/* A worker that has records in its log, some applied; another one erases. */

static void
scene_eraser(test_store_t *ts, void *data)
{
    referral_erased_t  erased;

    test_open(ts);
    *(int *) data = erase_person(ts, shared->program, ANNA, &erased);
    test_must(ts, referral_store_unwiped(ts->store, &shared->logs[0],
                                         &ts->err), "unwiped");
}


static void
scene_worker(test_store_t *ts, void *data)
{
    int                *rc;
    unsigned            more;
    referral_intake_t  *in;

    (void) data;
    rc = test_shared(sizeof(int));
    test_open(ts);
    shared->program = test_program(ts, "friends");
    erase_rules(ts, shared->program);
    in = test_intake(ts);
    erase_code(ts, in, shared->program, "BEN7", "ben-2", NULL);

    put_order(ts, in, "first", ANNA);
    shared->ring[0] = erase_count_bytes(ring_of(ts, ts->rings, "referral-"),
                                        ANNA);
    shared->log[0] = erase_count_bytes(ring_of(ts, ts->path, "intake-"), ANNA);
    (void) test_apply_all(ts, in, 1);
    shared->ring[1] = erase_count_bytes(ring_of(ts, ts->rings, "referral-"),
                                        ANNA);
    put_order(ts, in, "waits", "carl-3");

    if (test_child(scene_eraser, ts, rc) != 0 || *rc != REFERRAL_OK) {
        printf("# eraser: %d\n", *rc);
        _exit(97);
    }

    shared->log[1] = erase_count_bytes(ring_of(ts, ts->path, "intake-"), ANNA);

    do {
        test_must(ts, referral_intake_wipe(in, &more, &ts->err), "wipe");
        shared->more += more;
    } while (more);

    shared->log[2] = erase_count_bytes(ring_of(ts, ts->path, "intake-"), ANNA);
    test_must(ts, referral_store_unwiped(ts->store, &shared->logs[1],
                                         &ts->err), "unwiped");
    put_order(ts, in, "after", "dora-4");

    /* the power goes: what was in memory is gone, the log has it */

    unlink(ring_of(ts, ts->rings, "referral-"));
    _exit(0);
}


static int
count_order(void *data, const referral_conversion_t *conversion)
{
    (void) conversion;
    (*(unsigned *) data)++;

    return 0;
}


static void
scene_back(test_store_t *ts, void *data)
{
    unsigned              records;
    referral_snapshot_t  *snap;

    (void) data;
    test_open(ts);
    test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
              "maintain");
    snap = test_snapshot(ts);
    test_must(ts, referral_conversion_list(snap, shared->program, test_str(""),
                                           count_order, &shared->orders),
              "list");
    referral_snapshot_end(snap);
    shared->differences = test_verify(ts);
}


/* A log whose owner is dead. */

static void
scene_dead(test_store_t *ts, void *data)
{
    referral_intake_t  *in;

    (void) data;
    test_open(ts);
    in = test_intake(ts);
    put_order(ts, in, "dead", ANNA);
    (void) test_apply_all(ts, in, 1);
    _exit(0);
}


/* ------------------------------------------------------------ very many -- */

/* More pages than a transaction of LMDB has at once, in the long variant. */

static void
scene_huge(test_store_t *ts, void *data)
{
    char                id[32];
    unsigned            i, n;
    uint64_t            seq, start;
    referral_erased_t   erased;
    referral_record_t   record;
    referral_intake_t  *in;

    n = *(unsigned *) data;
    ts->opts.map_size = (uint64_t) 4 << 30;
    test_open(ts);
    shared->program = test_program(ts, "friends");
    erase_rules(ts, shared->program);
    in = test_intake(ts);
    erase_code(ts, in, shared->program, "BEN7", "ben-2", NULL);

    for (i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "%08x", i * 2654435761u);
        record = erase_order_record(shared->program, id, ANNA, "BEN7", 1000);
        test_must(ts, referral_intake_put(in, &record, &seq), "put");

        if (i % 1000 == 999) {
            (void) test_apply_all(ts, in, 1);
        }
    }

    (void) test_apply_all(ts, in, 1);
    referral_intake_close(in);

    start = test_now_us();
    test_must(ts, erase_person(ts, shared->program, ANNA, &erased), "erase");
    printf("# %u events in %u ms\n", n,
           (unsigned) ((test_now_us() - start) / 1000));
    shared->orders = (unsigned) erased.events;
    shared->differences = test_verify(ts);
}


static void
huge(void)
{
    unsigned      n;
    test_store_t  ts;

    n = (getenv("REFERRAL_LONG") != NULL) ? 300000 : 20000;
    shared->differences = 1;
    test_make(&ts);
    tap_ok(test_child(scene_huge, &ts, &n) == 0 && shared->orders == n
           && shared->differences == 0,
           "one with %u events, and the recount agrees", n);
    test_remove(&ts);
}


/* ----------------------------------------------------------------- kills -- */

static void
scene_many(test_store_t *ts, void *data)
{
    char                id[32], customer[32];
    unsigned            i;
    referral_intake_t  *in;

    (void) data;
    test_open(ts);
    shared->program = test_program(ts, "friends");
    erase_rules(ts, shared->program);
    in = test_intake(ts);
    erase_code(ts, in, shared->program, "BEN7", "ben-2", NULL);
    erase_code(ts, in, shared->program, "ANNA42", ANNA, ANNA_NAME);

    for (i = 0; i < EVENTS; i++) {
        snprintf(id, sizeof(id), "hers-%u", i);
        erase_order(ts, in, shared->program, id, ANNA, "BEN7", 1000);
        snprintf(id, sizeof(id), "others-%u", i);
        snprintf(customer, sizeof(customer), "friend-%u", i % 90);
        erase_order(ts, in, shared->program, id, customer, "ANNA42", 1000);
    }

    (void) test_apply_all(ts, in, 1);
    referral_intake_close(in);
}


static void
scene_killed(test_store_t *ts, void *data)
{
    referral_erased_t  erased;

    (void) data;
    test_open(ts);
    atomic_store(&shared->go, 1);
    test_must(ts, erase_person(ts, shared->program, ANNA, &erased), "erase");
}


static int
count_hers(void *data, const referral_conversion_t *conversion)
{
    (*(unsigned *) data) += same(conversion->customer, ANNA);

    return 0;
}


static void
scene_whole(test_store_t *ts, void *data)
{
    unsigned              n, codes;
    referral_code_t       code;
    referral_snapshot_t  *snap;

    (void) data;
    n = 0;
    test_open(ts);
    snap = test_snapshot(ts);
    test_must(ts, referral_conversion_list(snap, shared->program, test_str(""),
                                           count_hers, &n), "list");
    test_must(ts, referral_code_get(snap, shared->program, test_str("anna42"),
                                    &code), "code");
    codes = same(code.owner, ANNA);
    referral_snapshot_end(snap);

    shared->kills[n == 0 ? 0 : n == EVENTS ? 1 : 2]++;
    shared->wrong += codes != (n != 0) || test_verify(ts) != 0;
}


static pid_t
start(void (*scene)(test_store_t *ts, void *data), test_store_t *ts)
{
    pid_t  pid;

    fflush(stdout);
    atomic_store(&shared->go, 0);
    pid = fork();

    if (pid == 0) {
        scene(ts, NULL);
        _exit(0);
    }

    while (pid > 0 && atomic_load(&shared->go) == 0
           && waitpid(pid, NULL, WNOHANG) == 0)
    {
        usleep(100);
    }

    return pid;
}


/* At moments from the first to the last of its work. */

static void
kills(void)
{
    pid_t         pid;
    uint64_t      us;
    unsigned      i;
    test_store_t  ts;

    test_make(&ts);

    if (test_child(scene_many, &ts, NULL) != 0) {
        return;
    }

    us = 500;

    for (i = 0; i < KILLS && shared->kills[0] + shared->kills[2] == 0; i++) {
        erase_time += DAY;
        pid = start(scene_killed, &ts);
        usleep((useconds_t) us);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        shared->wrong += test_child(scene_whole, &ts, NULL) != 0;

        us += 300 + us / 5;
    }

    erase_time += DAY;

    if (shared->kills[0] == 0) {
        shared->wrong += test_child(scene_killed, &ts, NULL) != 0
                         || test_child(scene_whole, &ts, NULL) != 0;
    }

    test_remove(&ts);
}


/* --------------------------------------------------------- beside others -- */

static void
scene_writer(test_store_t *ts, void *data)
{
    char                id[32], code[32];
    unsigned            i;
    referral_intake_t  *in;

    (void) data;
    test_open(ts);
    in = test_intake(ts);
    erase_time += DAY;
    erase_code(ts, in, shared->program, "BEN7", "ben-2", NULL);

    for (i = 0; i < 20000 && atomic_load(&shared->go) < 2; i++) {
        snprintf(id, sizeof(id), "more-%u", i);
        snprintf(code, sizeof(code), "more-%u", i);
        shared->wrong += erase_order(ts, in, shared->program, id, ANNA,
                                     i % 2 ? "ANNA42" : "BEN7", 700).created
                         != 1;
        shared->taken++;

        if (i % 100 == 50) {
            erase_code(ts, in, shared->program, code, ANNA, ANNA_NAME);
        }

        atomic_store(&shared->go, atomic_load(&shared->go) | 1);
    }

    (void) test_apply_all(ts, in, 1);
    referral_intake_close(in);
}


static void
scene_beside(test_store_t *ts, void *data)
{
    unsigned           i;
    referral_erased_t  erased;

    (void) data;
    test_open(ts);

    for (i = 0; i < 5; i++) {
        shared->erased += erase_person(ts, shared->program, ANNA, &erased)
                          == REFERRAL_OK;
        usleep(20000);
    }
}


static void
beside(void)
{
    pid_t         pid;
    test_store_t  ts;

    shared->erased = 0;
    shared->wrong = 0;
    memset(shared->kills, 0, sizeof(shared->kills));
    test_make(&ts);

    tap_ok(test_child(scene_many, &ts, NULL) == 0, "a store that is written");
    pid = start(scene_writer, &ts);
    erase_time += 2 * DAY;
    tap_ok(test_child(scene_beside, &ts, NULL) == 0, "erased beside it");
    tap_ok(shared->erased > 1, "%u times while orders and codes came",
           shared->erased);
    atomic_store(&shared->go, 3);
    waitpid(pid, NULL, 0);
    tap_ok(test_child(scene_beside, &ts, NULL) == 0
           && test_child(scene_whole, &ts, NULL) == 0
           && shared->kills[0] == 1 && shared->wrong == 0,
           "%u orders taken meanwhile, none lost, none left, the recount "
           "agrees", shared->taken);
    test_remove(&ts);
}


int
main(void)
{
    test_store_t  ts;

    shared = test_shared(sizeof(*shared));

    test_make(&ts);
    tap_ok(test_child(scene_pages, &ts, NULL) == 0, "many persons");
    tap_ok(shared->levels[0] > 1 && shared->levels[1] > 1
           && shared->levels[2] > 1, "trees of %u, %u and %u levels",
           shared->levels[0], shared->levels[1], shared->levels[2]);
    tap_ok(shared->erased == ERASED, "%u persons erased", shared->erased);
    tap_ok(shared->left == 0, "a copy of what is in use has none of them: %u",
           shared->left);
    tap_ok(shared->differences == 0, "the recount agrees");
    test_remove(&ts);

    test_make(&ts);
    ts.opts.durable = 1;
    ts.opts.intake_size = 4 << 20;
    shared->differences = 1;
    tap_ok(test_child(scene_worker, &ts, NULL) == 0, "a worker with a log");
    tap_ok(shared->ring[0] == 1 && shared->ring[1] == 0,
           "what is applied is in the ring no more");
    tap_ok(shared->log[0] == 1 && shared->log[1] == 1 && shared->logs[0] == 1,
           "in the log it is, which is told");
    tap_ok(shared->log[2] == 0 && shared->logs[1] == 0 && shared->more > 1,
           "until the worker wipes it, in %u steps", shared->more + 1);
    tap_ok(test_child(scene_back, &ts, NULL) == 0 && shared->orders == 3
           && shared->differences == 0,
           "what was not applied is in the log still, and what came after");

    tap_ok(test_child(scene_dead, &ts, NULL) == 0
           && erase_count_bytes(ring_of(&ts, ts.path, "intake-"), ANNA) == 1,
           "the log of a dead worker");
    shared->taken = 99;
    tap_ok(test_child(scene_eraser, &ts, &shared->taken) == 0
           && shared->taken == REFERRAL_OK && shared->logs[0] == 0
           && erase_count_bytes(ring_of(&ts, ts.path, "intake-"), ANNA) == 0,
           "is emptied at once");
    shared->taken = 0;
    test_remove(&ts);

    huge();
    kills();
    tap_ok(shared->kills[0] == 1 && shared->kills[1] > 2
           && shared->kills[2] == 0 && shared->wrong == 0,
           "killed: %u erased, %u not at all, %u in part, wrong %u",
           shared->kills[0], shared->kills[1], shared->kills[2],
           shared->wrong);

    beside();

    return tap_done();
}
