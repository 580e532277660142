/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The store gets full: first clicks are refused, then codes, at last events;
 * what makes room is always possible, and then all goes on.
 *
 * Would catch: a level that is taken from the file rather than from what is
 * in use, a batch that takes the pages the purge needs, one that is never
 * applied because it is too large for what is left, a ring that holds more
 * than the map takes, a worker that cannot open a full store.
 */

#include "store_scenes.h"

#include "referral_tools.h"


#define MIB     ((uint64_t) 1 << 20)
#define MAP     (64 * MIB)
#define JUNK    1900                    /* bytes; two make a page */


/* -------------------------------------------------------------- the scale */

static void
scale(void)
{
    static const struct {
        uint64_t  used, pages;
        unsigned  level;
    } want[] = {
        { 0, 100000, REFERRAL_LEVEL_OK },
        { 74999, 100000, REFERRAL_LEVEL_OK },
        { 75000, 100000, REFERRAL_LEVEL_WARN },
        { 89999, 100000, REFERRAL_LEVEL_WARN },
        { 90000, 100000, REFERRAL_LEVEL_CLICKS },
        { 96999, 100000, REFERRAL_LEVEL_CLICKS },
        { 97000, 100000, REFERRAL_LEVEL_CODES },
        { 98437, 100000, REFERRAL_LEVEL_CODES },    /* but 1/64 */
        { 98438, 100000, REFERRAL_LEVEL_FULL },
        { 100000, 100000, REFERRAL_LEVEL_FULL },
        { 200000, 100000, REFERRAL_LEVEL_FULL },
        { 3967, 4096, REFERRAL_LEVEL_CLICKS },      /* 16 MiB: but 128 pages */
        { 3968, 4096, REFERRAL_LEVEL_FULL },
        { 223, 256, REFERRAL_LEVEL_WARN },          /* 1 MiB: but an eighth */
        { 224, 256, REFERRAL_LEVEL_FULL },
        { 0, 0, REFERRAL_LEVEL_FULL }
    };

    unsigned  i, wrong;

    wrong = 0;

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        wrong += (store_level_of(want[i].used, want[i].pages)
                  != want[i].level);
    }

    tap_ok(wrong == 0, "levels begin where they should");
    tap_ok(strcmp(referral_level_name(REFERRAL_LEVEL_OK), "ok") == 0
           && strcmp(referral_level_name(REFERRAL_LEVEL_FULL), "full") == 0
           && referral_level_name(5)[0] == '\0', "and have names");
}


/* --------------------------------------------------------------- filling */

static unsigned  junks;


/* Some pages, or less by as many. */

static void
put_junk(test_store_t *ts, int remove)
{
    char         key[16];
    unsigned     i;
    store_txn_t  t;

    static char  junk[JUNK];

    if (store_begin(&t, ts->store, 0) == 0) {

        for (i = 0; i < 16; i++) {
            snprintf(key, sizeof(key), "x%07u", remove ? --junks : junks++);

            if (remove) {
                store_delete(&t, STORE_META, key, strlen(key));

            } else {
                store_put(&t, STORE_META, key, strlen(key), junk,
                          sizeof(junk));
            }
        }

        (void) store_commit(&t);
    }

    test_must(ts, store_failed(&t, &ts->err), "junk");
}


static referral_store_info_t
info_of(test_store_t *ts)
{
    referral_snapshot_t    *snap;
    referral_store_info_t   info;

    snap = test_snapshot(ts);
    test_must(ts, referral_store_info(snap, &info), "referral_store_info");
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    return info;
}


/* Until so many pages are in use, of all that the map has. */

static void
fill_to(test_store_t *ts, uint64_t pages)
{
    do {
        put_junk(ts, 0);
        store_measure(ts->store);
    } while (ts->store->used < pages);
}


static referral_rc_t
put_code(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    unsigned n)
{
    char               name[16];
    uint64_t           seq;
    referral_record_t  record;

    (void) ts;

    snprintf(name, sizeof(name), "CODE%u", n);
    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_CODE;
    record.time = 1763700000000;
    record.u.code.program = program;
    record.u.code.code = test_str(name);

    return referral_intake_put(intake, &record, &seq);
}


static referral_rc_t
put_event(referral_intake_t *intake, uint32_t program, unsigned n)
{
    char               id[16];
    uint64_t           seq;
    referral_record_t  record;

    snprintf(id, sizeof(id), "order%u", n);
    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.time = 1763700000000;
    record.u.event.program = program;
    record.u.event.order_id = test_str(id);
    record.u.event.event = test_str("signup");
    record.u.event.draw = n;

    return referral_intake_put(intake, &record, &seq);
}


static referral_rc_t
set_rules(test_store_t *ts, uint32_t program, int points)
{
    referral_rules_t  rules;

    memset(&rules, 0, sizeof(rules));
    rules.window = 86400;
    rules.nevents = 1;
    rules.events[0].name = test_str("signup");
    rules.events[0].points = points;

    return referral_store_rules(ts->store, program, &rules, &ts->err);
}


static void
apply_and_measure(test_store_t *ts, referral_intake_t *intake)
{
    (void) test_apply_all(ts, intake, 0);
    store_measure(ts->store);
}


/* Clicks, then codes and events, then events: until each is refused. */

static unsigned
fill_by_clicks(test_store_t *ts, referral_intake_t *intake, uint32_t program)
{
    unsigned  levels;

    levels = 0;

    do {
        shared->n = shared->taken;
        put_clicks(ts, intake, program, 500);
        apply_and_measure(ts, intake);
        levels |= 1u << referral_store_level(ts->store);
    } while (shared->taken != shared->n);

    return levels;
}


static unsigned
fill_by_codes(test_store_t *ts, referral_intake_t *intake, uint32_t program)
{
    unsigned  n;

    n = 1;

    while (put_code(ts, intake, program, n) == REFERRAL_OK) {
        test_must(ts, put_event(intake, program, n++), "event");
        apply_and_measure(ts, intake);
    }

    return n;
}


static unsigned
fill_by_events(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    unsigned n)
{
    while (put_event(intake, program, n) == REFERRAL_OK) {
        n++;
        apply_and_measure(ts, intake);
    }

    return n;
}


/* One event was taken before it was known that the store is full. */

static void
use_reserve(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    unsigned n)
{
    int64_t           next;
    referral_rc_t     rc;
    referral_batch_t  batch;

    atomic_store(&ts->store->level, REFERRAL_LEVEL_OK);
    shared->ok[5] = (put_event(intake, program, n) == REFERRAL_OK);
    store_measure(ts->store);
    rc = referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err);
    shared->ok[6] = (rc == REFERRAL_FULL && batch.records == 0
                     && strstr(ts->err.text, "map_size") != NULL);

    shared->ok[7] = (set_rules(ts, program, 2) == REFERRAL_OK
                     && test_program(ts, "others") != 0
                     && referral_store_tick(ts->store, 1763800000000, &next,
                                            &ts->err) == REFERRAL_OK);
}


/* Down to the last pages, and then all clicks. */

static void
purge_full(test_store_t *ts, uint32_t program)
{
    referral_rc_t     rc;
    referral_purge_t  step;

    while (ts->store->used < MAP / 4096 - 60) {
        put_junk(ts, 0);
        store_measure(ts->store);
    }

    shared->ok[14] = (unsigned) (MAP / 4096 - ts->store->used);
    shared->n = 0;

    do {
        rc = referral_store_purge(ts->store, program, INT64_MAX, &step,
                                  &ts->err);
        shared->n += step.purged;
    } while (rc == REFERRAL_OK && step.more);

    shared->ok[8] = (rc == REFERRAL_OK && shared->n == shared->taken);
    store_measure(ts->store);
    shared->ok[9] = (referral_store_level(ts->store) <= REFERRAL_LEVEL_WARN);
}


static void
scene_order(test_store_t *ts, void *data)
{
    unsigned            codes, events;
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    test_must(ts, set_rules(ts, program, 1), "rules");
    fill_to(ts, MAP / 4096 / 2);

    shared->ok[0] = (fill_by_clicks(ts, intake, program)
                     == (1 << REFERRAL_LEVEL_OK | 1 << REFERRAL_LEVEL_WARN
                         | 1 << REFERRAL_LEVEL_CLICKS));
    shared->ok[1] = info_of(ts).percent;
    shared->ok[2] = (put_code(ts, intake, program, 0) == REFERRAL_OK
                     && put_event(intake, program, 0) == REFERRAL_OK);
    (void) test_apply_all(ts, intake, 1);

    fill_to(ts, MAP / 4096 * 97 / 100 - 10);
    codes = fill_by_codes(ts, intake, program);
    shared->ok[3] = info_of(ts).percent;
    events = fill_by_events(ts, intake, program, codes);
    shared->ok[4] = info_of(ts).percent;

    use_reserve(ts, intake, program, events);
    purge_full(ts, program);

    (void) test_apply_all(ts, intake, 1);
    put_clicks(ts, intake, program, 500);
    (void) test_apply_all(ts, intake, 1);
    shared->ok[10] = (test_total(ts, program) == shared->n + 500);
    shared->ok[11] = (info_of(ts).codes == codes);
    shared->ok[12] = (test_verify(ts) == 0);
    shared->ok[13] = 1;
}


static void
order(void)
{
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    ts.opts.map_size = MAP;
    test_child(scene_order, &ts, NULL);

    printf("# %u, %u, %u percent, %u pages for the purge of %llu clicks\n",
           shared->ok[1], shared->ok[3], shared->ok[4], shared->ok[14],
           (unsigned long long) shared->n);

    tap_ok(shared->ok[0], "clicks are taken up to the second level");
    tap_ok(shared->ok[1] == 90, "which is 90 percent");
    tap_ok(shared->ok[2], "codes and events still are");
    tap_ok(shared->ok[3] == 97, "codes are up to 97 percent");
    tap_ok(shared->ok[4] == 98, "events are until only the reserve is left");
    tap_ok(shared->ok[5] && shared->ok[6], "which no batch gets");
    tap_ok(shared->ok[7], "but rules, programs and holds");
    tap_ok(shared->ok[8], "and the purge, down to the last pages");
    tap_ok(shared->ok[9], "which makes room");
    tap_ok(shared->ok[10] && shared->ok[11] && shared->ok[12]
           && shared->ok[13], "all goes on from there, nothing is lost");
    test_remove(&ts);
}


/* ------------------------------------------------------ what rings hold */

static void
scene_ring(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    fill_to(ts, ts->opts.map_size / 4096 * 70 / 100);
    put_clicks(ts, intake, program, 1000000);
    shared->n = shared->taken;
    (void) test_apply_all(ts, intake, 1);
    shared->ok[0] = (test_total(ts, program) == shared->taken);
    put_clicks(ts, intake, program, 1000);
    shared->ok[1] = (shared->taken > shared->n);
}


static void
rings(void)
{
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    ts.opts.map_size = 16 * MIB;
    ts.opts.intake_size = 16 * MIB;
    test_child(scene_ring, &ts, NULL);
    tap_ok(shared->n > 1000 && shared->ok[0],
           "a ring takes no more clicks than the map will (%llu)",
           (unsigned long long) shared->n);
    tap_ok(shared->ok[1], "and the next when they are applied");
    test_remove(&ts);
}


/* A batch that changes more pages than are left. */

static void
scene_large(test_store_t *ts, void *data)
{
    unsigned            n;
    uint32_t            program;
    uint64_t            pages;
    referral_rc_t       rc;
    referral_batch_t    batch;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, 40000);
    (void) test_apply_all(ts, intake, 1);

    pages = ts->opts.map_size / 4096;
    fill_to(ts, pages - 128 - 24);

    n = (unsigned) shared->taken;
    atomic_store(&ts->store->level, REFERRAL_LEVEL_OK);
    atomic_store(&ts->store->room, UINT64_MAX);
    put_clicks(ts, intake, program, 4000);
    shared->ok[0] = (shared->taken == n + 4000u);

    rc = referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err);
    shared->ok[1] = (rc == REFERRAL_OK && batch.records > 0
                     && batch.records <= 400 && batch.more);
    shared->ok[2] = (test_total(ts, program) == n + batch.records);
    shared->ok[3] = batch.records;

    while (junks != 0) {
        put_junk(ts, 1);
    }

    store_measure(ts->store);
    (void) test_apply_all(ts, intake, 1);
    shared->ok[4] = (exactly(ts, program, shared->taken));
}


static void
large(void)
{
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    ts.opts.map_size = 16 * MIB;
    ts.opts.intake_size = 8 * MIB;
    test_child(scene_large, &ts, NULL);
    tap_ok(shared->ok[0] && shared->ok[1] && shared->ok[2],
           "of a batch that is too large for what is left a part is applied "
           "(%u)", shared->ok[3]);
    tap_ok(shared->ok[4], "the rest when there is room");
    test_remove(&ts);
}


/* ------------------------------------------------------ a worker that opens */

static void
scene_leave(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, 20000);
    (void) test_apply_all(ts, intake, 1);
    put_clicks(ts, intake, program, 100);
    fill_to(ts, ts->opts.map_size / 4096 - 100);
    shared->ok[0] = (referral_store_level(ts->store) == REFERRAL_LEVEL_FULL);
    raise(SIGKILL);
}


static void
scene_open(test_store_t *ts, void *data)
{
    unsigned            records;
    uint32_t            program;
    referral_purge_t    step;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    shared->ok[1] = (referral_store_level(ts->store) == REFERRAL_LEVEL_FULL
                     && test_total(ts, program) == shared->taken - 100);

    do {
        test_must(ts, referral_store_purge(ts->store, program, INT64_MAX,
                                           &step, &ts->err), "purge");
    } while (step.more);

    test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
              "maintain");

    /* what makes room is seen by the next one */

    if (records == 0) {
        store_measure(ts->store);
        test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
                  "maintain");
    }

    shared->ok[2] = (records == 100
                     && test_total(ts, program) == shared->taken
                     && test_verify(ts) == 0);
}


static void
opening(void)
{
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    ts.opts.map_size = 16 * MIB;
    test_child(scene_leave, &ts, NULL);
    test_child(scene_open, &ts, NULL);
    tap_ok(shared->ok[0] && shared->ok[1],
           "a full store is opened, though a ring waits to be applied");
    tap_ok(shared->ok[2], "which it is when the purge has made room");
    test_remove(&ts);
}


/* ------------------------------------------------------ another map_size */

static void
scene_look(test_store_t *ts, void *data)
{
    uint64_t  *size = data;

    test_open(ts);
    *size = info_of(ts).map_size;
}


static uint64_t
opened_with(test_store_t *ts, uint64_t size, unsigned guest)
{
    int            status;
    uint64_t      *seen;
    test_store_t   other;

    other = *ts;
    other.opts.map_size = size;
    other.opts.guest = guest;
    seen = test_shared(sizeof(*seen));
    status = test_child(scene_look, &other, seen);

    return (status == 0) ? *seen : 0;
}


static void
scene_given(test_store_t *ts, void *data)
{
    (void) data;

    test_open(ts);
    fill_to(ts, 4096 * 80 / 100);
    shared->ok[0] = (referral_store_level(ts->store) == REFERRAL_LEVEL_WARN
                     && info_of(ts).level == REFERRAL_LEVEL_WARN
                     && info_of(ts).percent == 80);

    shared->ok[1] = (opened_with(ts, 64 * MIB, 0) == 64 * MIB);
    shared->ok[2] = (info_of(ts).map_size == 16 * MIB);
    store_measure(ts->store);
    shared->ok[3] = (info_of(ts).map_size == 64 * MIB
                     && referral_store_level(ts->store) == REFERRAL_LEVEL_OK);

    shared->ok[4] = (opened_with(ts, 32 * MIB, 0) == 32 * MIB);
    store_measure(ts->store);
    shared->ok[5] = (info_of(ts).map_size == 32 * MIB);
    shared->ok[6] = (opened_with(ts, 0, 1) == 32 * MIB);

    /* never less than the file has */

    shared->n = opened_with(ts, 1 * MIB, 0);
    store_measure(ts->store);
    shared->ok[7] = (shared->n > 4096 * 80 / 100 * 4096
                     && info_of(ts).map_size == shared->n);
    store_measure(ts->store);
    shared->ok[8] = (info_of(ts).map_size == shared->n);
}


static void
given(void)
{
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    ts.opts.map_size = 16 * MIB;
    test_child(scene_given, &ts, NULL);
    tap_ok(shared->ok[0], "a small map has a level");
    tap_ok(shared->ok[1] && shared->ok[2] && shared->ok[3],
           "a larger one, given to another process, is taken over");
    tap_ok(shared->ok[4] && shared->ok[5], "a smaller one too");
    tap_ok(shared->ok[6], "tools have the same");
    tap_ok(shared->ok[7] && shared->ok[8], "but no smaller one than the file");
    test_remove(&ts);
}


int
main(int argc, char **argv)
{
    (void) argc;
    (void) argv;

    shared = test_shared(sizeof(*shared));

    scale();
    order();
    rings();
    large();
    opening();
    given();

    return tap_done();
}
