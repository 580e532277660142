/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * verify over events and what follows from them: a store with some of
 * everything has no difference; then one row after the other of each database
 * is changed, removed or added, and each time verify has to see it.
 */

#include "store_test.h"


#define RECORDS_MAX  64
#define NOW          1763700000000      /* ms */
#define DAY          86400000


typedef struct {
    unsigned  clean;                    /* differences before */
    unsigned  rows[STORE_DBS];
    unsigned  missed[STORE_DBS][3];     /* changed, removed, added */
    unsigned  journal;                  /* notes removed and not missed */
} found_t;

static found_t  *found;

static referral_record_t  records[RECORDS_MAX];
static unsigned           nrecords;
static uint32_t           program;


static referral_record_t *
add(unsigned type, int64_t time)
{
    referral_record_t  *record;

    record = &records[nrecords++];
    memset(record, 0, sizeof(referral_record_t));
    record->type = (uint8_t) type;
    record->time = time;

    return record;
}


static void
code(const char *name, const char *owner)
{
    referral_record_t  *record;

    record = add(REFERRAL_RECORD_CODE, NOW);
    record->u.code.program = program;
    record->u.code.code = test_str(name);
    record->u.code.owner = test_str(owner);
    record->u.code.set = REFERRAL_SET_OWNER;
}


static referral_event_t *
event(const char *name, const char *order, const char *customer,
    const char *coupon, int64_t time)
{
    referral_event_t  *e;

    e = &add(REFERRAL_RECORD_EVENT, time)->u.event;
    e->program = program;
    e->event = test_str(name);
    e->order_id = test_str(order);
    e->customer = test_str(customer);
    e->coupon = test_str(coupon);
    e->flags = REFERRAL_EVENT_AMOUNT;
    e->amount = 4999;
    e->currency = 978;
    e->draw = (uint64_t) time * 0x9e3779b97f4a7c15u;

    return e;
}


static void
refund(const char *order, const char *id, int64_t amount)
{
    referral_refund_t  *r;

    r = &add(REFERRAL_RECORD_REFUND, NOW + 3 * DAY)->u.refund;
    r->program = program;
    r->order_id = test_str(order);
    r->refund_id = test_str(id);
    r->amount = amount;
    r->flags = amount ? 0 : REFERRAL_REFUND_WHOLE;
}


static referral_reward_rule_t *
reward_rule(referral_rules_t *rules, const char *name, const char *on)
{
    referral_reward_rule_t  *r;

    r = &rules->rewards[rules->nrewards++];
    r->name = test_str(name);
    r->on = test_str(on);
    r->min_tier = test_str("");
    r->value = test_str("");
    r->every = 1;

    return r;
}


static void
set_rules(test_store_t *ts)
{
    static referral_rules_t   rules;
    referral_reward_rule_t   *r;

    rules.window = 30 * 86400;
    rules.bind = 365 * 86400;

    rules.nevents = 3;
    rules.events[0].name = test_str("signup");
    rules.events[0].points = 5;
    rules.events[0].once = REFERRAL_ONCE_CUSTOMER;
    rules.events[1].name = test_str("purchase");
    rules.events[1].points = 10;
    rules.events[1].hold = 14 * 86400;
    rules.events[2].name = test_str("click");
    rules.events[2].points = 1;
    rules.events[2].limit = 2;

    rules.ntiers = 2;
    rules.tiers[0].name = test_str("bronze");
    rules.tiers[0].points = 7;
    rules.tiers[1].name = test_str("silver");
    rules.tiers[1].points = 30;

    rules.ncontests = 1;
    rules.contests[0].name = test_str("november");
    rules.contests[0].from = NOW - DAY;
    rules.contests[0].to = NOW + 10 * DAY;

    r = reward_rule(&rules, "commission", "purchase");
    r->bps = 1000;
    r->value = test_str("10%");
    r = reward_rule(&rules, "month", "purchase");
    r->every = 2;
    r->limit = 5;
    r->per = REFERRAL_PER_YEAR;
    r = reward_rule(&rules, "gift", "signup");
    r->to = REFERRAL_TO_FRIEND;
    r->limit = 1;
    r->npicks = 2;
    r->picks[0].value = test_str("mug");
    r->picks[0].weight = 5;
    r->picks[1].value = test_str("pen");
    r->picks[1].weight = 1;

    test_must(ts, referral_store_rules(ts->store, program, &rules, &ts->err),
              "referral_store_rules");
}


static void
clicks(uint32_t code_id)
{
    unsigned            i;
    referral_record_t  *record;

    for (i = 0; i < 4; i++) {
        record = add(REFERRAL_RECORD_CLICK, 0);
        *record = test_click(program, i + 1);
        record->time = NOW + i;
        record->u.click.code_id = code_id;
        record->u.click.channel = test_str("wa");
    }
}


/* Some of everything. */

static void
fill(test_store_t *ts)
{
    int64_t             next;
    unsigned            i;
    uint64_t            seq;
    referral_event_t   *e;
    referral_intake_t  *intake;

    code("ANNA", "u1");
    code("BOB", "u2");
    clicks(1);

    (void) event("signup", "s1", "c1", "ANNA", NOW + 1000);
    (void) event("signup", "s2", "c1", "ANNA", NOW + 1001);
    (void) event("purchase", "p1", "c1", "", NOW + 1002);
    (void) event("purchase", "p2", "c2", "ANNA", NOW + 1003);
    (void) event("purchase", "p3", "u1", "ANNA", NOW + 1004);
    (void) event("purchase", "p4", "u2", "BOB", NOW + 1005);
    (void) event("purchase", "p5", "", "NOBODY", NOW + 1006);

    e = event("purchase", "p6", "c3", "", NOW + 1007);
    e->click_id[0] = 1;
    e->click_id[1] = 2;

    refund("p1", "r1", 999);
    refund("p2", "r1", 0);
    refund("p9", "r1", 100);
    (void) event("purchase", "p9", "c4", "BOB", NOW + 3 * DAY);
    refund("p10", "r1", 0);

    intake = test_intake(ts);

    for (i = 0; i < nrecords; i++) {
        test_must(ts, referral_intake_put(intake, &records[i], &seq), "put");
    }

    (void) test_apply_all(ts, intake, 1);

    test_must(ts, referral_store_tick(ts->store, NOW + 16 * DAY, &next,
                                      &ts->err),
              "referral_store_tick");
}


/* ------------------------------------------------------------- damaging -- */

typedef enum {
    CHANGED = 0,
    REMOVED,
    ADDED
} damage_t;

/* Damages one row in its own transaction, which is never committed. */

static int
damage(store_txn_t *t, unsigned db, unsigned n, damage_t how)
{
    int             rc;
    MDB_val         k, v;
    MDB_cursor     *cursor;
    unsigned char   key[512], value[STORE_RECORD_MAX];

    if (mdb_cursor_open(t->txn, t->store->dbi[db], &cursor) != 0) {
        _exit(98);
    }

    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);

    while (rc == 0 && n-- > 0) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }

    if (rc == 0) {
        memcpy(key, k.mv_data, k.mv_size);
        memcpy(value, v.mv_data, v.mv_size);

        if (how == ADDED) {
            key[k.mv_size - 1] ^= 0x55;
            k.mv_data = key;
            rc = (mdb_get(t->txn, t->store->dbi[db], &k, &v) == 0);
            v.mv_data = value;

            if (rc == 0) {
                store_put(t, db, key, k.mv_size, value, v.mv_size);
            }

        } else if (how == REMOVED || v.mv_size == 0) {
            store_delete(t, db, key, k.mv_size);

        } else {
            value[v.mv_size - 1] ^= 1;
            store_put(t, db, key, k.mv_size, value, v.mv_size);
        }
    }

    mdb_cursor_close(cursor);

    return rc;
}


/* Whether verify sees nothing of it.  The snapshot is the transaction. */

static unsigned
unseen(test_store_t *ts, unsigned db, unsigned n, damage_t how)
{
    int                    rc;
    uint64_t               differences;
    referral_rc_t          result;
    referral_verify_t      verify;
    referral_snapshot_t   *snap;

    snap = calloc(1, sizeof(referral_snapshot_t));

    if (store_begin(&snap->t, ts->store, 0) != 0) {
        _exit(97);
    }

    rc = damage(&snap->t, db, n, how);
    memset(&verify, 0, sizeof(verify));
    differences = 0;

    result = referral_store_verify(snap, &verify, &differences, &ts->err);
    store_abort(&snap->t);
    free(snap);

    return rc == 0 && result == REFERRAL_OK && differences == 0;
}


static unsigned
rows(test_store_t *ts, unsigned db)
{
    MDB_stat      stat;
    store_txn_t   t;

    if (store_begin(&t, ts->store, MDB_RDONLY) != 0
        || mdb_stat(t.txn, ts->store->dbi[db], &stat) != 0)
    {
        _exit(96);
    }

    store_abort(&t);

    return (unsigned) stat.ms_entries;
}


static void
scene(test_store_t *ts, void *data)
{
    unsigned  db, n, how;

    (void) data;

    test_open(ts);
    program = test_program(ts, "friends");
    set_rules(ts);
    fill(ts);

    found->clean = (unsigned) test_verify(ts);

    for (db = STORE_RULE; db <= STORE_LDR; db++) {
        found->rows[db] = rows(ts, db);

        for (n = 0; n < found->rows[db] && n < 12; n++) {
            for (how = CHANGED; how <= ADDED; how++) {
                found->missed[db][how] += unseen(ts, db, n, how);
            }
        }
    }

    for (n = 0; n < rows(ts, STORE_JRNL); n++) {
        found->journal += unseen(ts, STORE_JRNL, n, REMOVED);
    }
}


int
main(void)
{
    unsigned      db, how;
    test_store_t  ts;

    static const char  *names[STORE_DBS] = {
        [STORE_RULE] = "rules", [STORE_NAM] = "names", [STORE_ORD] = "orders",
        [STORE_HLD] = "held", [STORE_RFD] = "refunds",
        [STORE_CUS] = "customers", [STORE_RWD] = "rewards",
        [STORE_RWS] = "rewards by state", [STORE_CNT] = "counts",
        [STORE_DUE] = "holds", [STORE_SCR] = "scores",
        [STORE_LDR] = "leaderboards"
    };
    static const char  *ways[] = { "changed", "removed", "added" };

    found = test_shared(sizeof(found_t));
    test_make(&ts);

    tap_ok(test_child(scene, &ts, NULL) == 0, "the scene ran");
    tap_ok(found->clean == 0, "verify finds nothing");

    for (db = STORE_RULE; db <= STORE_LDR; db++) {

        /* all holds have passed, but that is one of the rows */

        tap_ok(found->rows[db] > 0 || db == STORE_DUE, "%s: there are rows",
               names[db]);

        for (how = CHANGED; how <= ADDED; how++) {
            tap_ok(found->missed[db][how] == 0, "%s: a row %s is seen",
                   names[db], ways[how]);
        }
    }

    tap_ok(found->journal == 0, "a row gone from the journal is seen");

    test_remove(&ts);

    return tap_done();
}
