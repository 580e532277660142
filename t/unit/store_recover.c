/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is left after a death, a power cut or a restore.  A power cut is
 * simulated: the process is killed, its ring is deleted, and data.mdb is put
 * back to the last state that was surely on disk.
 *
 * Would catch: a flush that leaves a hole in the log; space given back before
 * its records are on disk; records of another time or another store that come
 * back; a torn log that stops the worker instead of the recovery; the ring of
 * a dead process that nobody applies, or of a living one that somebody does.
 *
 *   store_recover [seed]
 */

#include "store_scenes.h"


/* ------------------------------------------------------------- power cuts */

/*
 * Takes, flushes and applies at random and dies.  Before each transaction
 * that nothing makes wait for the disk, data.mdb is kept: a power cut may
 * undo that one, and no other.
 */

static void
scene_die(test_store_t *ts, void *data)
{
    unsigned            steps, sync;
    uint32_t            program;
    referral_batch_t    batch;
    referral_intake_t  *intake;

    program = begin(ts, &intake);
    shared->disk = shared->taken;
    keep(ts, "disk");

    for (steps = 1 + roll(*(unsigned *) data); steps != 0; steps--) {

        switch (roll(4)) {

        case 0:
            flush(ts, intake);
            break;

        case 1:
            sync = roll(2);

            if (!sync) {
                keep(ts, "disk");
                shared->disk = shared->n;
            }

            test_must(ts, referral_intake_apply(intake, sync, NULL, 0, &batch,
                                                &ts->err), "apply");
            shared->n = batch.seq;

            if (sync || batch.records == 0) {
                keep(ts, "disk");
                shared->disk = batch.seq;
            }

            break;

        default:
            put_clicks(ts, intake, program, roll(8) ? roll(700) : 20000);
        }
    }

    raise(SIGKILL);
}


#define STORES  6
#define CUTS    4

/* The power fails some times in the life of one store; 0 when all is well. */

static unsigned
cut_some(uint64_t *rounds)
{
    int            status;
    uint64_t       seed, expect;
    unsigned       i, steps, bad;
    test_store_t   ts;

    test_make(&ts);
    ts.opts.durable = 1;
    shared->taken = 0;
    expect = 0;
    steps = 25;
    bad = 0;

    for (i = 0; i < CUTS && bad == 0; i++) {
        seed = rng;
        shared->flushed = 0;
        shared->n = shared->taken;

        status = test_child(scene_die, &ts, &steps);

        power_cut(&ts);
        restore(&ts, "disk");

        expect = shared->flushed > shared->disk ? shared->flushed
                                                : shared->disk;

        if (status != 256 + SIGKILL || !recovers(&ts, expect)) {
            printf("# cut %u, random state %llu, status %d: taken %llu, "
                   "flushed %llu, on disk %llu\n", i,
                   (unsigned long long) seed, status,
                   (unsigned long long) shared->taken,
                   (unsigned long long) shared->flushed,
                   (unsigned long long) shared->disk);
            bad = 1;
        }

        rng = test_random(&rng);
    }

    /* none comes back the second time */

    power_cut(&ts);
    bad |= !recovers(&ts, expect);
    *rounds += expect * CLICK >> 20;
    test_remove(&ts);

    return bad;
}


static void
power_cuts(void)
{
    uint64_t  rounds;
    unsigned  i, bad;

    rounds = 0;
    bad = 0;

    for (i = 0; i < STORES && bad == 0; i++) {
        bad = cut_some(&rounds);
    }

    tap_ok(bad == 0, "%d power cuts: what was flushed is there, once",
           STORES * CUTS);
    tap_ok(rounds > 2, "and the log went round");
}


/* ------------------------------------------------------------- torn logs */

static void
scene_flushed(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, *(unsigned *) data);
    flush(ts, intake);

    raise(SIGKILL);
}


static void
torn_logs(void)
{
    char           path[300];
    off_t          offset;
    unsigned       i, n, bad;
    test_store_t   ts;

    bad = 0;

    for (i = 0; i < 15; i++) {
        test_make(&ts);
        ts.opts.durable = 1;
        shared->taken = 0;
        n = 1000;
        test_child(scene_flushed, &ts, &n);
        power_cut(&ts);

        offset = roll(n * CLICK);
        damage_log(&ts, STORE_RING_HEADER + offset, 1 + roll(200));

        if (!recovers(&ts, (uint64_t) offset / CLICK)) {
            printf("# torn at %ld\n", (long) offset);
            bad++;
        }

        test_remove(&ts);
    }

    tap_ok(bad == 0, "a torn log ends where it is torn");

    test_make(&ts);
    ts.opts.durable = 1;
    shared->taken = 0;
    n = 1000;
    test_child(scene_flushed, &ts, &n);
    power_cut(&ts);
    damage_log(&ts, STORE_RING_HEADER + 20, 8);
    tap_ok(recovers(&ts, 0), "torn at its beginning, it has nothing");

    n = 1;
    test_child(scene_flushed, &ts, &n);
    power_cut(&ts);
    tap_ok(recovers(&ts, 1), "what was behind that does not come back");

    n = 1000;
    test_child(scene_flushed, &ts, &n);
    power_cut(&ts);
    snprintf(path, sizeof(path), "%s/intake-000.log", ts.path);

    tap_ok(truncate(path, STORE_RING_HEADER + 500 * CLICK + 7) == 0
           && recovers(&ts, 501), "a log cut short ends where it is cut");

    tap_ok(recovers(&ts, 501), "and serves on");

    test_remove(&ts);
}


/* -------------------------------------------------- restores and strangers */

static void
scene_beyond(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, 100);
    (void) test_apply_all(ts, intake, 1);
    keep(ts, "backup");
    put_clicks(ts, intake, program, 100);
    (void) test_apply_all(ts, intake, 1);
    put_clicks(ts, intake, program, 50);

    raise(SIGKILL);
}


static void
scene_unapplied(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, *(unsigned *) data);

    raise(SIGKILL);
}


static void
scene_ring_name(test_store_t *ts, void *data)
{
    referral_intake_t  *intake;

    (void) begin(ts, &intake);
    snprintf(data, 300, "%s", ring(ts));
}


static void
strangers(void)
{
    char           name[300], *shown;
    unsigned       n;
    test_store_t   ts, other;

    test_make(&ts);
    shared->taken = 0;
    test_child(scene_beyond, &ts, NULL);
    restore(&ts, "backup");
    tap_ok(recovers(&ts, 100), "a restored store takes nothing from a ring "
           "that went on without it");
    tap_ok(strstr(shared->text, "restored") != NULL, "and says so");

    n = 10;
    test_child(scene_unapplied, &ts, &n);
    tap_ok(recovers(&ts, 110), "but works with the next");
    test_remove(&ts);

    /* the ring of one store by the name of another's */

    test_make(&ts);
    test_make(&other);
    shown = test_shared(300);

    shared->taken = 0;
    n = 10;
    test_child(scene_unapplied, &other, &n);
    test_child(scene_ring_name, &ts, shown);
    snprintf(name, sizeof(name), "%s", ring(&other));

    tap_ok(rename(name, shown) == 0 && recovers(&ts, 0),
           "the ring of another store is not applied");
    test_remove(&ts);
    test_remove(&other);
}


/* A ring of another size than the store has now. */

static void
resized(void)
{
    unsigned       n, durable, bad;
    test_store_t   ts;

    static const uint64_t   sizes[] = {
        3 << 20, 1 << 20, (1 << 20) + 12345, 2 << 20, 1000, 1 << 20
    };

    bad = 0;

    for (durable = 0; durable < 2; durable++) {
        test_make(&ts);
        ts.opts.durable = durable;
        shared->taken = 0;

        for (n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
            unsigned  some;

            ts.opts.intake_size = sizes[n];
            some = 500;
            test_child(durable ? scene_flushed : scene_unapplied, &ts, &some);

            if (durable) {
                power_cut(&ts);
            }

            ts.opts.intake_size = sizes[(n + 1) % 6];
            bad += !recovers(&ts, 500 * (n + 1));
        }

        test_remove(&ts);
    }

    tap_ok(bad == 0, "a ring is applied by whoever comes, of any size");
}


/* ---------------------------------------------------------------- orphans */

static void
scene_maintain(test_store_t *ts, void *data)
{
    uint32_t            program;
    unsigned            records, again;
    referral_intake_t  *intake;

    (void) data;

    /* the slot of this process comes after those of the dead */

    test_open(ts);
    program = test_program(ts, "friends");

    test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
              "maintain");
    test_must(ts, referral_store_maintain(ts->store, &again, &ts->err),
              "maintain");

    shared->ok[0] = (records == 30 && again == 0
                     && test_total(ts, program) == 30 && ring(ts) == NULL);

    /* one's own live ring is no orphan */

    intake = test_intake(ts);
    shared->taken = 30;
    put_clicks(ts, intake, program, 5);
    test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
              "maintain");
    shared->ok[1] = (records == 0 && ring(ts) != NULL
                     && test_apply_all(ts, intake, 0) == 5
                     && exactly(ts, program, 35));
    referral_intake_close(intake);
    shared->ok[2] = (ring(ts) == NULL);
}


static void
scene_three(test_store_t *ts, void *data)
{
    unsigned            i, k;
    uint64_t            seq;
    uint32_t            program;
    referral_record_t   record;
    referral_intake_t  *intake;

    (void) data;

    test_open(ts);
    program = test_program(ts, "friends");

    for (i = 0; i < 3; i++) {
        intake = test_intake(ts);

        for (k = 1; k <= 10; k++) {
            record = test_click(program, 10 * i + k);
            test_must(ts, referral_intake_put(intake, &record, &seq), "put");
        }
    }

    raise(SIGKILL);
}


static void
orphans(void)
{
    unsigned       durable;
    test_store_t   ts;

    for (durable = 0; durable < 2; durable++) {
        test_make(&ts);
        ts.opts.durable = durable;
        memset(shared->ok, 0, sizeof(shared->ok));
        test_child(scene_three, &ts, NULL);
        test_child(scene_maintain, &ts, NULL);
        tap_ok(shared->ok[0], "rings of the dead are applied and removed");
        tap_ok(shared->ok[1], "those of the living are left alone");
        tap_ok(shared->ok[2], "and removed by them when empty");
        test_remove(&ts);
    }
}


int
main(int argc, char **argv)
{
    rng = (argc > 1) ? strtoull(argv[1], NULL, 0)
                     : (uint64_t) time(NULL) * 1000003 ^ (uint64_t) getpid();
    printf("# seed %llu\n", (unsigned long long) rng);

    shared = test_shared(sizeof(*shared));

    power_cuts();
    torn_logs();
    strangers();
    resized();
    orphans();

    return tap_done();
}
