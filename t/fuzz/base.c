/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#define _GNU_SOURCE

#include <unistd.h>

#include "base.h"


#define COPIES_MAX  1000000


fuzz_base_t  fuzz_base;

static MDB_txn  *parent;                /* all that an input does is in it */

static void    **copies;
static size_t    ncopies;


int __real_mdb_txn_begin(MDB_env *env, MDB_txn *within, unsigned flags,
    MDB_txn **txn);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *within, unsigned flags,
    MDB_txn **txn);
int __real_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value);
int __wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value);
int __real_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value,
    MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value,
    MDB_cursor_op op);
int __wrap_store_replaced(referral_store_t *store);


/* ----------------------------------------------------- in liblmdb's place */

int
__wrap_mdb_txn_begin(MDB_env *env, MDB_txn *within, unsigned flags,
    MDB_txn **txn)
{
    if (parent != NULL && env == fuzz_base.store->env) {
        return __real_mdb_txn_begin(env, parent, flags & ~MDB_RDONLY, txn);
    }

    return __real_mdb_txn_begin(env, within, flags, txn);
}


static void
copy(MDB_val *v)
{
    void  *block;

    if (parent == NULL) {
        return;
    }

    FUZZ_ASSERT(ncopies < COPIES_MAX);

    block = malloc(v->mv_size ? v->mv_size : 1);

    if (block == NULL) {
        exit(1);
    }

    memcpy(block, v->mv_data, v->mv_size);
    v->mv_data = block;
    copies[ncopies++] = block;
}


int
__wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
    int  rc;

    rc = __real_mdb_get(txn, dbi, key, value);

    if (rc == 0) {
        copy(value);
    }

    return rc;
}


int
__wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value,
    MDB_cursor_op op)
{
    int  rc;

    rc = __real_mdb_cursor_get(cursor, key, value, op);

    if (rc == 0) {
        copy(key);
        copy(value);
    }

    return rc;
}


/* Its file has no name. */

int
__wrap_store_replaced(referral_store_t *store)
{
    (void) store;

    return 0;
}


/* ------------------------------------------------------------- the store */

static referral_reward_rule_t *
add_reward(referral_rules_t *rules, const char *name, const char *on)
{
    referral_reward_rule_t  *r;

    r = &rules->rewards[rules->nrewards++];
    r->name = fuzz_str(name);
    r->on = fuzz_str(on);
    r->every = 1;

    return r;
}


static void
add_rules(referral_rules_t *rules)
{
    referral_reward_rule_t  *r;

    memset(rules, 0, sizeof(referral_rules_t));
    rules->window = 30 * 86400;
    rules->bind = 365 * 86400;
    rules->review.min_age = 60;
    rules->review.per_click = 2;
    rules->review.max_amount = 10000;

    rules->nevents = 3;
    rules->events[0].name = fuzz_str("signup");
    rules->events[0].points = 5;
    rules->events[0].once = REFERRAL_ONCE_CUSTOMER;
    rules->events[1].name = fuzz_str("purchase");
    rules->events[1].points = 10;
    rules->events[1].hold = 14 * 86400;
    rules->events[2].name = fuzz_str("click");
    rules->events[2].points = 1;
    rules->events[2].limit = 1;

    rules->ntiers = 2;
    rules->tiers[0].name = fuzz_str("bronze");
    rules->tiers[0].points = 7;
    rules->tiers[1].name = fuzz_str("silver");
    rules->tiers[1].points = 30;

    rules->ncontests = 1;
    rules->contests[0].name = fuzz_str("november");
    rules->contests[0].from = FUZZ_NOW - FUZZ_DAY;
    rules->contests[0].to = FUZZ_NOW + 10 * FUZZ_DAY;

    r = add_reward(rules, "commission", "purchase");
    r->bps = 1000;
    r->value = fuzz_str("10%");
    r = add_reward(rules, "month", "purchase");
    r->every = 2;
    r->limit = 5;
    r->per = REFERRAL_PER_YEAR;
    r = add_reward(rules, "gift", "signup");
    r->to = REFERRAL_TO_FRIEND;
    r->limit = 1;
    r->npicks = 2;
    r->picks[0].value = fuzz_str("mug");
    r->picks[0].weight = 5;
    r->picks[1].value = fuzz_str("pen");
    r->picks[1].weight = 1;
}


static void
apply(store_txn_t *t, unsigned type, int64_t time, referral_record_t *record)
{
    record->type = (uint8_t) type;
    record->time = time;
    (void) store_apply(t, record);
    FUZZ_ASSERT(t->rc == 0);

    memset(record, 0, sizeof(referral_record_t));
}


static void
add_codes(store_txn_t *t, uint32_t program)
{
    unsigned            i;
    referral_record_t   r;

    static const char *const  codes[] = { "ANNA", "Bob", "CARL" };
    static const char *const  owners[] = { "u1", "u2", "u1" };

    memset(&r, 0, sizeof(r));

    for (i = 0; i < 3; i++) {
        r.u.code.program = program;
        r.u.code.code = fuzz_str(codes[i]);
        r.u.code.owner = fuzz_str(owners[i]);
        r.u.code.name = fuzz_str(i ? "" : "Anna B.");
        r.u.code.landing = fuzz_str(i ? "" : "/anna");
        r.u.code.set = REFERRAL_SET_OWNER|REFERRAL_SET_NAME
                       |REFERRAL_SET_LANDING;
        apply(t, REFERRAL_RECORD_CODE, FUZZ_NOW, &r);
    }

    for (i = 0; i < 5; i++) {
        r.u.click.program = program;
        r.u.click.code_id = 1 + i / 3;
        r.u.click.class = i ? REFERRAL_CLASS_HUMAN : REFERRAL_CLASS_PREVIEW;
        r.u.click.channel = fuzz_str("wa");
        r.u.click.landing = fuzz_str("/anna");
        r.u.click.click_id[0] = (unsigned char) (i + 1);
        r.u.click.visitor = i + 1;
        r.u.click.unique_window = 60;
        apply(t, REFERRAL_RECORD_CLICK, FUZZ_NOW + i * 3600000, &r);
    }
}


typedef struct {
    const char  *event;
    const char  *order;
    const char  *customer;
    const char  *coupon;
    int64_t      amount;
    int64_t      refund;                /* -1: whole, 0: none */
} order_t;

static const order_t  orders[] = {
    { "signup", "s1", "c1", "ANNA", 0, 0 },
    { "signup", "s2", "c1", "ANNA", 0, 0 },
    { "purchase", "p1", "c1", "", 4999, 999 },
    { "purchase", "p2", "c2", "bob", 100, -1 },
    { "purchase", "p3", "u1", "ANNA", 5000, 0 },
    { "purchase", "p4", "", "NOBODY", 70, 0 },
    { "purchase", "p5", "c3", "CARL", 12345, 0 },
    { "purchase", "p6", "c3", "CARL", 54321, 0 },
    { "purchase", "p7", "", "", 1, 0 },
};


static void
add_order(store_txn_t *t, uint32_t program, const order_t *order, int64_t time)
{
    referral_record_t  r;

    memset(&r, 0, sizeof(r));
    r.u.event.program = program;
    r.u.event.event = fuzz_str(order->event);
    r.u.event.order_id = fuzz_str(order->order);
    r.u.event.customer = fuzz_str(order->customer);
    r.u.event.coupon = fuzz_str(order->coupon);
    r.u.event.draw = (uint64_t) time;
    r.u.event.click_id[0] = (order->amount == 1) ? 3 : 0;

    if (order->amount != 0) {
        r.u.event.flags = REFERRAL_EVENT_AMOUNT;
        r.u.event.amount = order->amount;
        r.u.event.currency = 978;
    }

    apply(t, REFERRAL_RECORD_EVENT, time, &r);

    if (order->refund != 0) {
        r.u.refund.program = program;
        r.u.refund.order_id = fuzz_str(order->order);
        r.u.refund.refund_id = fuzz_str("r1");
        r.u.refund.reason = fuzz_str("broken");
        r.u.refund.amount = (order->refund > 0) ? order->refund : 0;
        r.u.refund.flags = (order->refund > 0) ? 0 : REFERRAL_REFUND_WHOLE;
        apply(t, REFERRAL_RECORD_REFUND, time + FUZZ_DAY, &r);
    }
}


static void
add_all(store_txn_t *t, uint32_t program)
{
    unsigned            i;
    referral_record_t   r;

    add_codes(t, program);

    for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        add_order(t, program, &orders[i], FUZZ_NOW + FUZZ_DAY / 2 + i);
    }

    memset(&r, 0, sizeof(r));
    r.u.refund.program = program;
    r.u.refund.order_id = fuzz_str("later");
    r.u.refund.refund_id = fuzz_str("r1");
    r.u.refund.amount = 100;
    apply(t, REFERRAL_RECORD_REFUND, FUZZ_NOW + FUZZ_DAY, &r);

    r.u.decision.program = program;
    r.u.decision.reward = 1;
    r.u.decision.reason = fuzz_str("so");
    apply(t, REFERRAL_RECORD_DECISION, FUZZ_NOW + 2 * FUZZ_DAY, &r);

    r.u.decision.program = program;
    r.u.decision.reward = 1;
    r.u.decision.what = REFERRAL_DECIDE_CLAIM;
    apply(t, REFERRAL_RECORD_DECISION, FUZZ_NOW + 3 * FUZZ_DAY, &r);
}


/* What is open stays when its names are gone, whatever ends the process. */

static void
open_store(void)
{
    char                 path[64], file[80];
    unsigned             i;
    const char          *memory;
    referral_error_t     err;
    referral_options_t   opts;

    static const char *const  files[] = { "data.mdb", "lock.mdb" };

    memory = (access("/dev/shm", W_OK) == 0) ? "/dev/shm" : "/tmp";
    (void) snprintf(path, sizeof(path), "%s/referral-fuzz-XXXXXX", memory);

    /* where a recount has its store */

    (void) setenv("TMPDIR", memory, 1);

    FUZZ_ASSERT(mkdtemp(path) != NULL);

    memset(&opts, 0, sizeof(opts));
    opts.path = path;
    opts.intake_path = path;
    opts.map_size = 64 << 20;

    if (referral_store_open(&opts, &fuzz_base.store, &err) != REFERRAL_OK) {
        (void) fprintf(stderr, "%s\n", err.text);
        abort();
    }

    for (i = 0; i < 2; i++) {
        (void) snprintf(file, sizeof(file), "%s/%s", path, files[i]);
        (void) unlink(file);
    }

    FUZZ_ASSERT(rmdir(path) == 0);
}


void
fuzz_base_make(void)
{
    unsigned              case_sensitive;
    referral_error_t      err;
    referral_rules_t      rules;
    referral_snapshot_t  *snap;

    copies = malloc(COPIES_MAX * sizeof(void *));
    open_store();

    (void) mdb_env_set_flags(fuzz_base.store->env, MDB_NOSYNC, 1);
    case_sensitive = 0;

    FUZZ_ASSERT(referral_store_program(fuzz_base.store, fuzz_str("friends"),
                                       &case_sensitive, &fuzz_base.program,
                                       &err) == REFERRAL_OK);
    add_rules(&rules);
    FUZZ_ASSERT(referral_store_rules(fuzz_base.store, fuzz_base.program,
                                     &rules, &err) == REFERRAL_OK);

    snap = fuzz_base_open();
    add_all(&snap->t, fuzz_base.program);
    fuzz_base_write(snap);
    fuzz_base_close(snap, 1);
}


void
fuzz_base_begin(void)
{
    unsigned  i;

    FUZZ_ASSERT(__real_mdb_txn_begin(fuzz_base.store->env, NULL, 0, &parent)
                == 0);

    for (i = 0; i < STORE_MAX_PROGRAMS; i++) {
        atomic_store_explicit(&fuzz_base.store->cases[i], 0,
                              memory_order_relaxed);
    }
}


void
fuzz_base_end(void)
{
    mdb_txn_abort(parent);
    parent = NULL;

    while (ncopies != 0) {
        free(copies[--ncopies]);
    }
}


referral_snapshot_t *
fuzz_base_open(void)
{
    referral_snapshot_t  *snap;

    snap = calloc(1, sizeof(referral_snapshot_t));
    FUZZ_ASSERT(snap != NULL);

    snap->t.cells = store_cells_create();
    FUZZ_ASSERT(store_begin(&snap->t, fuzz_base.store, 0) == 0);

    return snap;
}


void
fuzz_base_write(referral_snapshot_t *snap)
{
    store_cells_write(&snap->t);
    store_cells_clear(snap->t.cells);
}


void
fuzz_base_close(referral_snapshot_t *snap, unsigned commit)
{
    if (commit) {
        (void) store_commit(&snap->t);

    } else {
        store_abort(&snap->t);
    }

    store_cells_destroy(snap->t.cells);
    free(snap);
}


uint64_t
fuzz_base_verify(referral_snapshot_t *snap, referral_rc_t *rc)
{
    uint64_t            differences;
    referral_error_t    err;
    referral_verify_t   verify;

    memset(&verify, 0, sizeof(verify));
    differences = 0;
    *rc = referral_store_verify(snap, &verify, &differences, &err);

    return differences;
}
