/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a store holds does not depend on how many records are applied at once:
 * the same records one by one, in small batches, and all together, which are
 * read ahead and written sorted, give the same rows in each database.
 *
 * Would catch: a visitor or a counter that is read ahead and then not what an
 * earlier record of the batch made of it; a day that ends within a batch; an
 * order of ids that a short cut does not expect.
 */

#include "store_test.h"


#define CLICKS    6000
#define CODES     60
#define VISITORS  300
#define DAY       86400000
#define START     (INT64_C(1763700000000) / DAY * DAY)
#define DAYS      5
#define LABELS    900

static const unsigned  sizes[] = { 1, 7, 33, 500, CLICKS * 2 };

#define RUNS  (sizeof(sizes) / sizeof(sizes[0]))

typedef struct {
    uint64_t  digest[RUNS][STORE_DBS];
    size_t    rows[RUNS][STORE_DBS];
    unsigned  differences[RUNS];
    unsigned  batches[RUNS];
} found_t;

static found_t  *found;
static uint32_t  program;


static uint64_t
below(test_store_t *ts, uint64_t n)
{
    return test_random(&ts->rng) % n;
}


static void
set_rules(test_store_t *ts)
{
    static referral_rules_t  rules;

    rules.window = 30 * 86400;
    rules.bind = 365 * 86400;
    rules.nevents = 2;
    rules.events[0].name = test_str("purchase");
    rules.events[0].points = 10;
    rules.events[1].name = test_str("click");
    rules.events[1].points = 1;
    rules.events[1].limit = 3;

    test_must(ts, referral_store_rules(ts->store, program, &rules, &ts->err),
              "referral_store_rules");
}


static void
code(referral_record_t *record, unsigned i, char *name)
{
    (void) sprintf(name, "CODE%03u", i);

    record->type = REFERRAL_RECORD_CODE;
    record->time = START;
    record->u.code.program = program;
    record->u.code.code = test_str(name);
    record->u.code.owner = test_str("owner");
    record->u.code.set = REFERRAL_SET_OWNER;
}


/* Of one click of eight the code is only named, and may be new. */

/*
 * Labels that are a channel of one click and the landing of the next: each
 * dimension numbers its own.  So many that some have one place among the short
 * cuts of a batch whatever the dimension is.
 */

static void
label(referral_click_t *c, unsigned i, char *text)
{
    (void) sprintf(text, "%014llu", (unsigned long long)
                   ((i / 2 % LABELS + 1) * UINT64_C(0x9e3779b97f4a7c15)
                    % UINT64_C(100000000000000)));

    c->channel = test_str((i & 1) ? "" : text);
    c->landing = test_str((i & 1) ? text : "");
}


static void
click(test_store_t *ts, referral_record_t *record, unsigned i, char *name,
    char *channel)
{
    unsigned           n;
    referral_click_t  *c;

    record->type = REFERRAL_RECORD_CLICK;
    record->time = START + (int64_t) i * DAYS * DAY / CLICKS
                   - (below(ts, 50) == 0 ? (int64_t) below(ts, 3 * DAY) : 0);

    c = &record->u.click;
    c->program = program;
    c->class = (uint8_t) (below(ts, 3) ? REFERRAL_CLASS_HUMAN
                                       : below(ts, REFERRAL_CLASSES));
    c->flags = (below(ts, 20) == 0) ? REFERRAL_CLICK_REPEAT : 0;
    n = (unsigned) below(ts, CODES);
    c->code_id = 1 + n;

    if (below(ts, 8) == 0) {
        (void) sprintf(name, "CODE%03u", n + (unsigned) below(ts, 2) * CODES);
        c->code_id = 0;
        c->code = test_str(name);
        c->flags |= REFERRAL_CLICK_OPEN;
    }

    if (below(ts, 3)) {
        (void) sprintf(channel, "c%u", (unsigned) below(ts, 60));
        c->channel = test_str(channel);
    }

    c->landing = test_str(below(ts, 2) ? "/welcome" : "/shoes/of/summer");

    n = (unsigned) below(ts, VISITORS);
    c->visitor = below(ts, 30) ? (n + 1) * 0x9e3779b97f4a7c15u : 0;
    c->visitor_before = below(ts, 2) ? (n + 2) * 0x9e3779b97f4a7c15u : 0;
    c->unique_window = (uint32_t) (below(ts, 3) * 43200);

    /* one of 40 comes late, one of 40 has an id that is there */

    n = i + 1000 - (below(ts, 40) ? 0 : (unsigned) below(ts, 900));
    n -= below(ts, 40) ? 0 : 1;
    c->click_id[3] = (unsigned char) (n >> 8);
    c->click_id[4] = (unsigned char) n;

    if (i / 2 % 3 == 0) {
        label(c, i / 2 / 3 * 2 + i % 2, channel);
    }
}


static void
event(test_store_t *ts, referral_record_t *record, unsigned i, char *name,
    char *order)
{
    (void) sprintf(name, "CODE%03u", (unsigned) below(ts, CODES));
    (void) sprintf(order, "order-%u", i);

    record->type = REFERRAL_RECORD_EVENT;
    record->time = START + (int64_t) i * DAYS * DAY / CLICKS;
    record->u.event.program = program;
    record->u.event.event = test_str("purchase");
    record->u.event.order_id = test_str(order);
    record->u.event.customer = test_str(order);
    record->u.event.coupon = test_str(name);
    record->u.event.flags = REFERRAL_EVENT_AMOUNT;
    record->u.event.amount = 100;
    record->u.event.currency = 978;
}


static uint64_t
digest(uint64_t h, const MDB_val *v)
{
    size_t                i;
    const unsigned char  *p;

    p = v->mv_data;
    h = (h ^ v->mv_size) * 0x100000001b3u;

    for (i = 0; i < v->mv_size; i++) {
        h = (h ^ p[i]) * 0x100000001b3u;
    }

    return h;
}


/*
 * Whether the records made it: of meta, counts and the days of visitors; a
 * program and its rules have the time of the clock in them.
 */

static int
made(unsigned db, const MDB_val *k, const MDB_val *v)
{
    unsigned char  first;

    switch (db) {

    case STORE_META:
        return memchr("JCNU", *(char *) k->mv_data, 4) != NULL;

    case STORE_PROG:
        return 0;

    case STORE_JRNL:
        first = *(unsigned char *) v->mv_data;
        return first != REFERRAL_RECORD_PROGRAM
               && first != REFERRAL_RECORD_RULES;

    default:
        return 1;
    }
}


static void
look(test_store_t *ts, unsigned run)
{
    MDB_val               k, v;
    unsigned              db;
    MDB_cursor           *cursor;
    referral_snapshot_t  *snap;

    snap = test_snapshot(ts);

    for (db = 0; db < STORE_DBS; db++) {
        if (mdb_cursor_open(snap->t.txn, ts->store->dbi[db], &cursor) != 0) {
            abort();
        }

        while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
            if (made(db, &k, &v)) {
                found->rows[run][db]++;
                found->digest[run][db] = digest(digest(found->digest[run][db],
                                                       &k), &v);
            }
        }

        mdb_cursor_close(cursor);
    }
}


static void
scene(test_store_t *ts, void *data)
{
    char                name[32], more[32];
    uint64_t            seq;
    unsigned            i, run, waiting;
    referral_intake_t  *intake;
    referral_record_t   record;

    run = *(unsigned *) data;

    test_open(ts);
    program = test_program(ts, "friends");
    set_rules(ts);
    intake = test_intake(ts);
    waiting = 0;

    for (i = 0; i < CODES + CLICKS; i++) {
        memset(&record, 0, sizeof(record));

        if (i < CODES) {
            code(&record, i, name);

        } else if (i % 100 == 0) {
            event(ts, &record, i - CODES, name, more);

        } else {
            click(ts, &record, i - CODES, name, more);
        }

        test_must(ts, referral_intake_put(intake, &record, &seq),
                  "referral_intake_put");

        if (++waiting == sizes[run]) {
            test_apply_all(ts, intake, 0);
            found->batches[run]++;
            waiting = 0;
        }
    }

    test_apply_all(ts, intake, 0);
    found->differences[run] = (unsigned) test_verify(ts);
    look(ts, run);
}


static void
compare(unsigned run)
{
    unsigned  db, same;

    same = 1;

    for (db = 0; db < STORE_DBS; db++) {
        if (found->digest[run][db] != found->digest[0][db]
            || found->rows[run][db] != found->rows[0][db])
        {
            printf("# database %u: %zu rows, one by one %zu\n", db,
                   found->rows[run][db], found->rows[0][db]);
            same = 0;
        }
    }

    tap_ok(same, "%u at once: the rows of one by one", sizes[run]);
}


int
main(void)
{
    uint64_t       seed;
    unsigned       run;
    test_store_t   ts;

    found = test_shared(sizeof(found_t));
    seed = test_now_us();
    printf("# seed %llu\n", (unsigned long long) seed);

    for (run = 0; run < RUNS; run++) {
        test_make(&ts);
        ts.rng = seed;
        tap_ok(test_child(scene, &ts, &run) == 0, "%u at once", sizes[run]);
        tap_ok(found->differences[run] == 0, "verify finds nothing");
        test_remove(&ts);

        if (run != 0) {
            compare(run);
        }
    }

    tap_ok(found->rows[0][STORE_UQ0] + found->rows[0][STORE_UQ0 + 1]
           + found->rows[0][STORE_UQ0 + 2] > 500
           && found->rows[0][STORE_HIST] > 100
           && found->rows[0][STORE_LDR] > 50
           && found->rows[0][STORE_CLK] < found->rows[0][STORE_JRNL],
           "and there were rows");

    return tap_done();
}
