/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Several processes, each with an intake, a thread that takes and one that
 * applies, are killed at random, restarted, and apply what the dead left.
 * Every record that was taken is counted once.  Of one record per death only
 * the dead could say whether it was taken: that one is looked up by its id.
 *
 * Would catch: a record published before it is whole; a position that is not
 * of the transaction that applied up to it; a ring applied by two, or by
 * nobody; a death inside a transaction that stops the others; what is left
 * lying about afterwards.
 *
 *   store_crash [seed [kills]]
 */

#include "store_test.h"

#include <glob.h>
#include <pthread.h>


#define WRITERS   3
#define LIVES     400           /* processes, at most */


static struct {
    _Atomic uint64_t    attempted[LIVES];
    _Atomic uint64_t    taken[LIVES];
    _Atomic unsigned    stop;
    _Atomic unsigned    failed;
    _Atomic unsigned    adopted;
    _Atomic unsigned    ready;
    _Atomic unsigned    go;
    uint64_t            counted;
    uint64_t            doubtful;
    uint64_t            differences;
    unsigned            rings;
    int                 dead_readers;
    unsigned            live_readers;
} *shared;

static uint64_t  rng;


static unsigned
roll(unsigned n)
{
    return (unsigned) (test_random(&rng) % n);
}


static unsigned
rings(test_store_t *ts)
{
    char      pattern[300];
    glob_t    found;
    unsigned  n;

    snprintf(pattern, sizeof(pattern), "%s/referral-*", ts->rings);

    if (glob(pattern, 0, NULL, &found) != 0) {
        return 0;
    }

    n = (unsigned) found.gl_pathc;
    globfree(&found);

    return n;
}


static void
failed(test_store_t *ts, const char *what, referral_rc_t rc)
{
    if (atomic_fetch_add(&shared->failed, 1) < 5) {
        printf("# %s: rc %d, \"%s\"\n", what, (int) rc, ts->err.text);
        fflush(stdout);
    }
}


/* --------------------------------------------------------------- a writer */

typedef struct {
    test_store_t          *ts;
    referral_intake_t     *intake;
    uint32_t               program;
    uint64_t               rng;             /* of the committer */
    _Atomic unsigned       done;
} writer_t;


static void *
committer(void *data)
{
    unsigned           n, records, last;
    uint64_t           seq, state;
    writer_t          *w;
    test_store_t       own, *ts;
    referral_rc_t      rc;
    referral_batch_t   batch;

    w = data;
    own = *w->ts;
    ts = &own;
    state = w->rng;

    for (n = 1; /* void */ ; n++) {
        last = atomic_load(&w->done);

        if (ts->opts.durable) {
            rc = referral_intake_flush(w->intake, &seq, &ts->err);

            if (rc != REFERRAL_OK) {
                failed(ts, "flush", rc);
            }
        }

        do {
            rc = referral_intake_apply(w->intake, test_random(&state) % 4 == 0,
                                       NULL, 0, &batch, &ts->err);

            if (rc != REFERRAL_OK || batch.refused != 0) {
                failed(ts, "apply", rc);
                return NULL;
            }
        } while (batch.more);

        if (n % 8 == 0) {
            rc = referral_store_maintain(ts->store, &records, &ts->err);

            if (rc != REFERRAL_OK || ts->err.text[0] != '\0') {
                failed(ts, "maintain", rc);
            }
        }

        if (last) {
            return NULL;
        }

        usleep((unsigned) (test_random(&state) % 4000));
    }
}


static void
look(referral_snapshot_t *snap, uint32_t program)
{
    referral_code_t    code;
    referral_counts_t  counts;

    if (referral_snapshot_begin(snap) == REFERRAL_OK) {
        (void) referral_code_get(snap, program, test_str("code7"), &code);
        (void) referral_counts_get(snap, program, 0, &counts);
        referral_snapshot_end(snap);
    }
}


static void
take(writer_t *w, unsigned life)
{
    char                  code[16];
    uint64_t              n, seq;
    referral_rc_t         rc;
    referral_record_t     record;
    referral_snapshot_t  *snap;

    test_must(w->ts, referral_snapshot_create(w->ts->store, &snap,
                                              &w->ts->err), "snapshot");

    for (n = 1; !atomic_load(&shared->stop); n++) {
        record = test_click(w->program, (uint64_t) life << 32 | n);
        record.time = 1763700000000 + (int64_t) (n % 3) * 86400000;
        snprintf(code, sizeof(code), "code%u", roll(50));
        record.u.click.code = test_str(code);
        record.u.click.flags = REFERRAL_CLICK_OPEN;
        record.u.click.visitor = 1 + roll(100);
        record.u.click.unique_window = 3600;
        record.u.click.landing.data = (const unsigned char *)
                                      "/a/long/landing/of/a/shop/for/friends";
        record.u.click.landing.len = roll(38);

        atomic_store(&shared->attempted[life], n);
        rc = referral_intake_put(w->intake, &record, &seq);

        if (rc == REFERRAL_OK) {
            atomic_store(&shared->taken[life], n);

        } else if (rc == REFERRAL_FULL) {
            n--;
            usleep(1000);

        } else {
            failed(w->ts, "put", rc);
        }

        if (n % 16 == 0) {
            look(snap, w->program);
            usleep(roll(400));
        }
    }

    referral_snapshot_destroy(snap);
}


static void
writer(test_store_t *ts, unsigned life)
{
    writer_t   w;
    pthread_t  tid;

    memset(&w, 0, sizeof(w));
    w.ts = ts;
    w.rng = test_random(&rng);

    test_open(ts);
    w.program = test_program(ts, "friends");
    w.intake = test_intake(ts);

    if (pthread_create(&tid, NULL, committer, &w) != 0) {
        _exit(1);
    }

    take(&w, life);

    atomic_store(&w.done, 1);
    pthread_join(tid, NULL);

    referral_intake_close(w.intake);
    referral_store_close(ts->store);

    _exit(atomic_load(&shared->failed) ? 1 : 0);
}


static pid_t
start(test_store_t *ts, unsigned life)
{
    pid_t  pid;

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        rng += life * 7919;
        writer(ts, life);
    }

    return pid;
}


/* ------------------------------------------------------------- the count */

static int
live_reader(const char *line, void *data)
{
    (void) line;
    (*(unsigned *) data)++;

    return 0;
}


static void
scene_count(test_store_t *ts, void *data)
{
    unsigned                i, lives, records;
    uint32_t                program;
    uint64_t                taken;
    referral_record_t       record;
    referral_snapshot_t    *snap;
    referral_click_info_t   info;

    lives = *(unsigned *) data;

    test_open(ts);
    program = test_program(ts, "friends");
    test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
              "maintain");

    /* after maintain nothing is left of the dead */

    shared->rings = rings(ts);
    mdb_reader_check(ts->store->env, &shared->dead_readers);
    shared->live_readers = 0;
    mdb_reader_list(ts->store->env, live_reader, &shared->live_readers);

    shared->counted = test_total(ts, program);
    shared->differences = test_verify(ts);
    shared->doubtful = 0;

    snap = test_snapshot(ts);

    for (i = 0; i < lives; i++) {
        taken = atomic_load(&shared->taken[i]);

        if (atomic_load(&shared->attempted[i]) == taken) {
            continue;
        }

        record = test_click(program, (uint64_t) i << 32 | (taken + 1));
        shared->doubtful += (referral_click_get(snap, program,
                                                record.u.click.click_id, &info)
                             == REFERRAL_OK);
    }

    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);
}


static void
check_count(test_store_t *ts, unsigned life)
{
    unsigned  i;
    uint64_t  taken;

    tap_ok(test_child(scene_count, ts, &life) == 0, "the store opens");

    taken = 0;

    for (i = 0; i < life; i++) {
        taken += atomic_load(&shared->taken[i]);
    }

    tap_ok(taken > 1000 && shared->counted == taken + shared->doubtful,
           "all records taken are counted once");
    printf("# taken %llu, in doubt and found %llu, counted %llu\n",
           (unsigned long long) taken, (unsigned long long) shared->doubtful,
           (unsigned long long) shared->counted);
    tap_ok(shared->differences == 0, "the journal agrees");
    tap_ok(shared->rings == 0, "no ring is left");
    tap_ok(shared->dead_readers == 0 && shared->live_readers <= 2,
           "no reader is left");
}


static void
kills(unsigned durable, unsigned count)
{
    int            status;
    pid_t          pids[WRITERS];
    unsigned       i, n, life, bad;
    test_store_t   ts;

    test_make(&ts);
    ts.opts.durable = durable;
    memset(shared, 0, sizeof(*shared));
    life = 0;
    bad = 0;

    for (i = 0; i < WRITERS; i++) {
        pids[i] = start(&ts, life++);
    }

    for (n = 0; n < count; n++) {
        usleep(10000 + roll(100000));

        i = roll(WRITERS);
        kill(pids[i], SIGKILL);

        if (roll(8) == 0) {
            kill(pids[(i + 1) % WRITERS], SIGKILL);
            waitpid(pids[(i + 1) % WRITERS], &status, 0);
            bad += !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            pids[(i + 1) % WRITERS] = start(&ts, life++);
        }

        waitpid(pids[i], &status, 0);

        /* one that was not killed went wrong by itself */

        bad += !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        pids[i] = start(&ts, life++);
    }

    usleep(100000);
    atomic_store(&shared->stop, 1);

    for (i = 0; i < WRITERS; i++) {
        waitpid(pids[i], &status, 0);
        bad += (status != 0);
    }

    tap_ok(bad == 0 && atomic_load(&shared->failed) == 0,
           "%s: %u deaths, none of them unasked",
           durable ? "durable" : "relaxed", life - WRITERS);
    check_count(&ts, life);
    test_remove(&ts);
}


/* ---------------------------------------------------- one orphan, several */

#define ADOPTERS  4
#define ORPHAN    6000


static void
scene_orphan(test_store_t *ts, void *data)
{
    uint64_t            n, seq;
    uint32_t            program;
    referral_record_t   record;
    referral_intake_t  *intake;

    (void) data;

    test_open(ts);
    program = test_program(ts, "friends");
    intake = test_intake(ts);

    for (n = 1; n <= ORPHAN; n++) {
        record = test_click(program, n);
        test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    }

    raise(SIGKILL);
}


static void
adopter(test_store_t *ts, unsigned opens)
{
    unsigned            records;
    referral_rc_t       rc;
    referral_intake_t  *intake;

    test_open(ts);
    atomic_fetch_add(&shared->ready, 1);

    while (!atomic_load(&shared->go)) { /* void */ }

    if (opens) {
        intake = test_intake(ts);
        referral_intake_close(intake);
        _exit(0);
    }

    rc = referral_store_maintain(ts->store, &records, &ts->err);

    if (rc != REFERRAL_OK) {
        failed(ts, "maintain", rc);
    }

    atomic_fetch_add(&shared->adopted, records);
    _exit(0);
}


/* One round: some open, some maintain, some die meanwhile; 0 when well. */

static unsigned
adopt(test_store_t *ts, unsigned opens, unsigned die)
{
    int       status;
    pid_t     pids[ADOPTERS];
    unsigned  i, bad, none;

    bad = 0;
    none = 0;
    memset(shared, 0, sizeof(*shared));
    test_child(scene_orphan, ts, NULL);

    for (i = 0; i < ADOPTERS; i++) {
        fflush(stdout);
        pids[i] = fork();

        if (pids[i] == 0) {
            adopter(ts, i < opens);
        }
    }

    while (atomic_load(&shared->ready) < ADOPTERS) {
        usleep(100);
    }

    atomic_store(&shared->go, 1);

    if (die) {
        usleep(roll(8000));

        for (i = 0; i < die; i++) {
            kill(pids[i], SIGKILL);
        }
    }

    for (i = 0; i < ADOPTERS; i++) {
        waitpid(pids[i], &status, 0);
        bad += (i >= die && status != 0);
    }

    if (opens == 0 && die == 0) {
        bad += (atomic_load(&shared->adopted) != ORPHAN);
    }

    return bad + (test_child(scene_count, ts, &none) != 0
                  || shared->counted != ORPHAN || shared->differences != 0
                  || shared->rings != 0);
}


static void
adoption(unsigned rounds)
{
    unsigned       n, bad, opens, die;
    test_store_t   ts;

    bad = 0;

    for (n = 0; n < rounds && bad == 0; n++) {
        test_make(&ts);
        ts.opts.durable = n & 1;

        opens = (n & 2) ? roll(ADOPTERS + 1) : 0;
        die = (n & 4) ? 1 + roll(3) : 0;
        bad = adopt(&ts, opens, die);

        if (bad != 0) {
            printf("# round %u: %u opened, %u died, counted %llu\n", n, opens,
                   die, (unsigned long long) shared->counted);
        }

        test_remove(&ts);
    }

    tap_ok(bad == 0, "an orphan is adopted once, however many want it");
}


int
main(int argc, char **argv)
{
    unsigned  count;

    rng = (argc > 1) ? strtoull(argv[1], NULL, 0)
                     : (uint64_t) time(NULL) * 1000003 ^ (uint64_t) getpid();
    count = (argc > 2) ? (unsigned) atoi(argv[2]) : 60;
    printf("# seed %llu\n", (unsigned long long) rng);

    shared = test_shared(sizeof(*shared));

    adoption(16);
    kills(0, count / 2);
    kills(1, count / 2);

    return tap_done();
}
