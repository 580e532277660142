/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Compact in place, while processes read old snapshots and others commit, and
 * with compact itself and those who write killed in the middle of it: every
 * snapshot stays what it was, byte for byte, and verifies.
 *
 * Would catch: a page punched out that a reader can still reach, that one of
 * the last two transactions can, or that somebody just writes to; a free list
 * misread; pages that are left.
 *
 *   store_compact [seed]         REFERRAL_LONG=1: a minute instead of seconds
 */

#include "store_test.h"

#include <sys/file.h>


#define CODES     2000
#define READERS   3
#define WRITERS   2
#define BATCH     40
#define ROWS      4000        /* that come and go */
#define PAGE      4096


enum {
    SNAPSHOTS,          /* are looked at, while rows come and go */
    GROWTH,             /* one stays, so that nothing is used again */
    REUSE               /* there are none, and all is, at once */
};

static struct {
    _Atomic unsigned    stop;
    _Atomic unsigned    rows;
    unsigned            scene;
    _Atomic unsigned    commits;
    _Atomic unsigned    kills;
    _Atomic unsigned    compacts;       /* to their end */
    _Atomic uint64_t    punched;        /* bytes given back */
    _Atomic unsigned    snapshots;      /* read through twice and more */
    _Atomic unsigned    old;            /* of them behind by 100 and more */
    _Atomic unsigned    changed;        /* of them not the same any more */
    _Atomic uint64_t    differences;
    unsigned            before;         /* free pages that hold something */
    unsigned            after;
    uint64_t            again;          /* differences when they are used */
    referral_compact_t  result;
} *shared;

static uint64_t  rng;


static void
put_click(referral_intake_t *intake, uint32_t program)
{
    char               code[16];
    uint64_t           seq, random[2];
    referral_record_t  record;

    random[0] = test_random(&rng);
    random[1] = test_random(&rng);
    snprintf(code, sizeof(code), "c%u", (unsigned) (random[0] % CODES));

    record = test_click(program, 0);
    record.time += (int64_t) (random[1] % 5000) * 86400;
    record.u.click.code = test_str(code);
    record.u.click.flags = REFERRAL_CLICK_OPEN;
    record.u.click.visitor = random[0];
    record.u.click.unique_window = 86400;
    memcpy(record.u.click.click_id, random, REFERRAL_CLICK_ID_SIZE);

    (void) referral_intake_put(intake, &record, &seq);
}


/* Rows that nothing counts: many pages become free at a time. */

static void
churn(test_store_t *ts, unsigned n)
{
    char          key[16];
    uint64_t      random;
    store_txn_t   t;
    static char   value[1500];

    test_must(ts, store_rc(store_begin(&t, ts->store, 0)), "begin");

    while (n-- != 0) {
        random = test_random(&rng);
        snprintf(key, sizeof(key), "~%u", (unsigned) (random % ROWS));

        if (random >> 63) {
            memset(value, (int) (random >> 32), sizeof(value));
            store_put(&t, STORE_META, key, strlen(key), value,
                      sizeof(value));

        } else {
            store_delete(&t, STORE_META, key, strlen(key));
        }
    }

    test_must(ts, store_rc(store_commit(&t)), "commit");
}


/* Rows that are new, in pages that are new. */

static void
grow(test_store_t *ts, unsigned n)
{
    char          key[32];
    store_txn_t   t;
    static char   value[3000];

    memset(value, 'x', sizeof(value));
    test_must(ts, store_rc(store_begin(&t, ts->store, 0)), "begin");

    while (n-- != 0) {
        snprintf(key, sizeof(key), "~~%u",
                 atomic_fetch_add(&shared->rows, 1));
        store_put(&t, STORE_META, key, strlen(key), value, sizeof(value));
    }

    test_must(ts, store_rc(store_commit(&t)), "commit");
}


static void
write_batch(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    unsigned n)
{
    referral_batch_t  batch;

    while (n-- != 0) {
        put_click(intake, program);
    }

    test_must(ts, referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err),
              "apply");
}


static void
scene_fill(test_store_t *ts, void *data)
{
    unsigned            n;
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;
    test_open(ts);
    program = test_program(ts, "p");
    intake = test_intake(ts);

    for (n = 0; n < 8; n++) {
        write_batch(ts, intake, program, 1000);
        churn(ts, ROWS);
    }

    referral_intake_close(intake);
}


static void
write_some(test_store_t *ts, referral_intake_t *intake, uint32_t program)
{
    switch (shared->scene) {

    case SNAPSHOTS:
        write_batch(ts, intake, program, BATCH);
        churn(ts, (unsigned) (test_random(&rng) % 200));
        usleep((useconds_t) (test_random(&rng) % 3000));
        break;

    case GROWTH:
        grow(ts, 8);
        usleep(500);
        break;

    default:
        churn(ts, 10);
    }
}


static void
scene_write(test_store_t *ts, void *data)
{
    uint32_t            program;
    unsigned            records;
    referral_intake_t  *intake;

    (void) data;
    test_open(ts);
    program = test_program(ts, "p");
    intake = test_intake(ts);

    while (!atomic_load(&shared->stop)) {
        write_some(ts, intake, program);
        atomic_fetch_add(&shared->commits, 1);

        if (test_random(&rng) % 32 == 0) {
            test_must(ts, referral_store_maintain(ts->store, &records,
                                                  &ts->err), "maintain");
        }
    }

    referral_intake_close(intake);
}


static uint64_t
add_bytes(uint64_t sum, const MDB_val *v)
{
    size_t                i;
    const unsigned char  *p;

    p = v->mv_data;

    for (i = 0; i < v->mv_size; i++) {
        sum = (sum ^ p[i]) * 0x100000001b3u;
    }

    return (sum ^ v->mv_size) * 0x100000001b3u;
}


/* Of every row of every database that the snapshot shows. */

static uint64_t
digest(referral_snapshot_t *snap)
{
    int          rc;
    MDB_val      k, v;
    unsigned     db;
    uint64_t     sum;
    MDB_cursor  *cursor;

    sum = 0xcbf29ce484222325u;

    for (db = 0; db < STORE_DBS; db++) {
        rc = mdb_cursor_open(snap->t.txn, snap->t.store->dbi[db], &cursor);

        while (rc == 0 && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0)
        {
            sum = add_bytes(add_bytes(sum, &k), &v);
        }

        if (rc != MDB_NOTFOUND) {
            printf("# database %u: %s\n", db, mdb_strerror(rc));
            return test_random(&rng);
        }

        mdb_cursor_close(cursor);
    }

    return sum;
}


/* 1 when the snapshot shows the same again and again, and verifies. */

static int
look_again(test_store_t *ts, referral_snapshot_t *snap)
{
    int                same;
    unsigned           n;
    uint64_t           first, differences;
    referral_verify_t  verify;

    first = digest(snap);
    same = 1;

    for (n = 0; n < 3; n++) {
        usleep((useconds_t) (test_random(&rng) % 150000));
        same &= digest(snap) == first;
    }

    memset(&verify, 0, sizeof(verify));
    verify.report = test_report;
    n = 0;
    verify.data = &n;

    test_must(ts, referral_store_verify(snap, &verify, &differences,
                                        &ts->err), "verify");
    atomic_fetch_add(&shared->differences, differences);

    return same;
}


static void
scene_read(test_store_t *ts, void *data)
{
    uint64_t              behind;
    referral_snapshot_t  *snap;

    (void) data;
    ts->opts.readonly = 1;
    test_open(ts);

    while (!atomic_load(&shared->stop)) {
        snap = test_snapshot(ts);

        while (shared->scene == GROWTH && !atomic_load(&shared->stop)) {
            usleep(10000);
        }

        if (!look_again(ts, snap)) {
            atomic_fetch_add(&shared->changed, 1);
        }

        behind = referral_store_last_id(ts->store)
                 - referral_snapshot_id(snap);
        atomic_fetch_add(&shared->snapshots, 1);
        atomic_fetch_add(&shared->old, behind >= 50);

        referral_snapshot_end(snap);
        referral_snapshot_destroy(snap);
        usleep((useconds_t) (test_random(&rng) % 20000));
    }
}


static void
scene_compact(test_store_t *ts, void *data)
{
    referral_compact_t  result;

    (void) data;
    ts->opts.guest = 1;
    test_open(ts);

    while (!atomic_load(&shared->stop)) {
        test_must(ts, referral_store_compact(ts->store, NULL, &result,
                                             &ts->err), "compact");
        atomic_fetch_add(&shared->compacts, 1);

        if (result.before > result.after) {
            atomic_fetch_add(&shared->punched, result.before - result.after);
        }

        if (result.replaced) {
            _exit(98);
        }
    }
}


typedef void (*scene_pt)(test_store_t *ts, void *data);


static pid_t
start(scene_pt scene, test_store_t *ts)
{
    pid_t  pid;

    fflush(stdout);
    rng = test_random(&rng);
    pid = fork();

    if (pid == 0) {
        alarm(300);
        scene(ts, NULL);
        fflush(stdout);
        _exit(0);
    }

    return pid;
}


/* What is killed starts again; 0 when nobody died of anything else. */

static unsigned
ended(pid_t pid, const char *who)
{
    int  status;

    if (waitpid(pid, &status, 0) != pid
        || !((WIFEXITED(status) && WEXITSTATUS(status) == 0)
             || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)))
    {
        printf("# %s: status %x\n", who, (unsigned) status);
        return 1;
    }

    return 0;
}


static unsigned
kill_some(test_store_t *ts, pid_t *compact, pid_t *writer)
{
    unsigned  bad;

    bad = 0;
    usleep((useconds_t) (20000 + test_random(&rng) % 180000));

    kill(*compact, SIGKILL);
    bad += ended(*compact, "compact");
    *compact = start(scene_compact, ts);
    atomic_fetch_add(&shared->kills, 1);

    if (test_random(&rng) % 4 == 0) {
        kill(*writer, SIGKILL);
        bad += ended(*writer, "a writer");
        *writer = start(scene_write, ts);
        atomic_fetch_add(&shared->kills, 1);
    }

    return bad;
}


/* Until compact has come to its end once more. */

static void
await_compact(void)
{
    unsigned  n;
    uint64_t  until;

    until = test_now_us() + 30000000;
    n = atomic_load(&shared->compacts);

    while (atomic_load(&shared->compacts) == n && test_now_us() < until) {
        usleep(10000);
    }
}


static unsigned
together(test_store_t *ts, uint64_t us)
{
    int       other;
    unsigned  i, bad;
    uint64_t  until;
    pid_t     readers[READERS], writers[WRITERS], compact;

    bad = 0;

    /* nobody is ever alone */

    other = open(ts->path, O_RDONLY|O_DIRECTORY);
    bad += flock(other, LOCK_SH) == -1;

    for (i = 0; i < READERS && shared->scene != REUSE; i++) {
        readers[i] = start(scene_read, ts);
    }

    compact = start(scene_compact, ts);
    await_compact();

    for (i = 0; i < WRITERS; i++) {
        writers[i] = start(scene_write, ts);
    }

    until = test_now_us() + us;

    while (bad == 0 && test_now_us() < until) {
        bad += kill_some(ts, &compact, &writers[0]);
    }

    await_compact();
    atomic_store(&shared->stop, 1);
    bad += ended(compact, "compact");

    for (i = 0; i < WRITERS; i++) {
        bad += ended(writers[i], "a writer");
    }

    for (i = 0; i < READERS && shared->scene != REUSE; i++) {
        bad += ended(readers[i], "a reader");
    }

    close(other);

    return bad;
}


static void
scene_verify(test_store_t *ts, void *data)
{
    (void) data;
    test_open(ts);
    atomic_fetch_add(&shared->differences, test_verify(ts));
}


static unsigned
under_fire(unsigned scene, uint64_t seconds)
{
    unsigned      bad;
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    shared->scene = scene;

    if (getenv("REFERRAL_LONG") && scene != GROWTH) {
        seconds *= 10;
    }

    test_make(&ts);
    ts.opts.map_size = (uint64_t) 4 << 30;
    bad = test_child(scene_fill, &ts, NULL) != 0;
    bad += together(&ts, seconds * 1000000);
    bad += test_child(scene_verify, &ts, NULL) != 0;

    printf("# %u commits, %u compacts, %u kills, %llu KiB given back; %u "
           "snapshots, %u of them old\n", atomic_load(&shared->commits),
           atomic_load(&shared->compacts), atomic_load(&shared->kills),
           (unsigned long long) atomic_load(&shared->punched) >> 10,
           atomic_load(&shared->snapshots), atomic_load(&shared->old));

    test_remove(&ts);

    return bad;
}


static void
snapshots(void)
{
    tap_ok(under_fire(SNAPSHOTS, 6) == 0, "nobody died but who was killed");
    tap_ok(atomic_load(&shared->changed) == 0,
           "each snapshot stayed what it was");
    tap_ok(atomic_load(&shared->punched) != 0, "space was given back");
    tap_ok(atomic_load(&shared->old) != 0,
           "while snapshots were behind by 50 transactions and more");
    tap_ok(atomic_load(&shared->differences) == 0,
           "all of them and the store verify");
}


static void
growth(void)
{
    tap_ok(under_fire(GROWTH, 2) == 0, "while the file grows");
    tap_ok(atomic_load(&shared->compacts) > 50,
           "and compact begins again and again");
    tap_ok(atomic_load(&shared->changed) == 0
           && atomic_load(&shared->differences) == 0, "nothing is missing");
}


static void
reuse(void)
{
    tap_ok(under_fire(REUSE, 3) == 0, "while free pages are used again");
    tap_ok(atomic_load(&shared->commits) > 500,
           "in one small transaction after the other");
    tap_ok(atomic_load(&shared->differences) == 0, "nothing is missing");
}


/* ----------------------------------------------------- what is deleted -- */

/* Free pages that hold anything. */

static unsigned
page_used(mdb_filehandle_t file, size_t id)
{
    unsigned       byte;
    unsigned char  page[PAGE];

    if (pread(file, page, PAGE, (off_t) (id * PAGE)) != PAGE) {
        return 0;       /* beyond the end */
    }

    for (byte = 0; byte < PAGE && page[byte] == 0; byte++) { /* void */ }

    return byte < PAGE;
}


static unsigned
left_in_free(test_store_t *ts, uint64_t until)
{
    size_t             i, n, id;
    MDB_val            k, v;
    unsigned           left;
    MDB_cursor        *cursor;
    store_txn_t        t;
    mdb_filehandle_t   file;

    left = 0;
    mdb_env_get_fd(ts->store->env, &file);

    test_must(ts, store_rc(store_begin(&t, ts->store, MDB_RDONLY)), "begin");
    test_must(ts, store_rc(mdb_cursor_open(t.txn, 0, &cursor)), "cursor");

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        memcpy(&id, k.mv_data, sizeof(id));

        if (id > until) {
            break;
        }

        memcpy(&n, v.mv_data, sizeof(n));

        for (i = 1; i <= n; i++) {
            memcpy(&id, (char *) v.mv_data + i * sizeof(id), sizeof(id));
            left += page_used(file, id);
        }
    }

    mdb_cursor_close(cursor);
    store_abort(&t);

    return left;
}


/* Deletes as the last thing that happens, then compacts, not alone. */

static void
scene_wipe(test_store_t *ts, void *data)
{
    int                 other;
    unsigned            n;
    uint64_t            last;
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;
    test_open(ts);
    program = test_program(ts, "p");
    intake = test_intake(ts);

    for (n = 0; n < 5; n++) {
        write_batch(ts, intake, program, 1000);
        churn(ts, ROWS);
    }

    last = referral_store_last_id(ts->store);
    shared->before = left_in_free(ts, last);

    other = open(ts->path, O_RDONLY|O_DIRECTORY);

    if (flock(other, LOCK_SH) == -1) {
        _exit(98);
    }

    test_must(ts, referral_store_compact(ts->store, NULL, &shared->result,
                                         &ts->err), "compact");

    shared->after = left_in_free(ts, last);
    atomic_store(&shared->differences, test_verify(ts));

    write_batch(ts, intake, program, 1000);
    churn(ts, ROWS);
    shared->again = test_verify(ts);
}


static void
wiped(void)
{
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    atomic_store(&shared->differences, 1);
    shared->again = 1;
    shared->after = 1;

    test_make(&ts);
    tap_ok(test_child(scene_wipe, &ts, NULL) == 0, "one that is quiet");
    tap_ok(shared->before > 100, "its free pages hold what was there");
    tap_ok(!shared->result.replaced
           && shared->result.after
              <= shared->result.before - shared->before * PAGE * 9 / 10,
           "compact, beside others, gives them back");
    tap_ok(shared->after == 0,
           "nothing is left of what was deleted, up to the last moment");
    tap_ok(atomic_load(&shared->differences) == 0, "nothing else is missing");
    tap_ok(shared->again == 0, "nor when they are used again");
    test_remove(&ts);
}


int
main(int argc, char **argv)
{
    shared = test_shared(sizeof(*shared));
    rng = argc > 1 ? strtoull(argv[1], NULL, 0) : test_now_us();
    printf("# seed %llu\n", (unsigned long long) rng);

    snapshots();
    growth();
    reuse();
    wiped();

    return tap_done();
}
