/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A client of the store with a bit of everything to do, that goes on where it
 * failed, and knows what was acknowledged; for store_fault.c.
 */

#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include "store_test.h"
#include "referral_tools.h"
#include "../preload/fault.h"


#define CLICKS    5             /* taken in each round */
#define T0        INT64_C(1763700000000)
#define DAY       86400000
#define HOLD      60            /* seconds */


/* What is wanted, in its order. */

enum { ANNA, BEN, FIRST, SECOND, OWN, REFUND, APPROVE, CARL, ITEMS };

static const unsigned  rounds[] = { ANNA, FIRST, REFUND, ITEMS };

static struct {
    fault_rule_t        rules[FAULT_RULES];
    unsigned            taken;          /* clicks */
    unsigned            safe;           /* of these, when the power fails */
    unsigned            doubtful;       /* it failed, and had not those */
    unsigned            acked[ITEMS];
    unsigned            purged;         /* at least */
    unsigned            watched;        /* the bystander is there */
    unsigned            tried;          /* the first try is over */
    unsigned            go;             /* for the second one */
    unsigned            broken;
    unsigned            failures;
    unsigned            wrong;
} *shared;

typedef struct {
    test_store_t       *ts;
    referral_intake_t  *intake;         /* NULL: not open */
    uint32_t            program;
    unsigned            retry;
    uint64_t            seqs[ITEMS];
} client_t;


__attribute__((format(printf, 1, 2)))
static inline void
wrong(const char *fmt, ...)
{
    va_list  args;

    if (shared->wrong++ < 3) {
        printf("# ");
        va_start(args, fmt);
        vprintf(fmt, args);
        va_end(args);
        printf("\n");
        fflush(stdout);
    }
}


/* A failure has a sentence, and happens only while calls fail. */

static inline int
well(client_t *c, referral_rc_t rc, const char *what)
{
    test_store_t  *ts;

    ts = c->ts;

    if (rc == REFERRAL_OK) {
        return 1;
    }

    shared->failures++;

    if (ts->err.text[0] == '\0' || ts->err.rc != rc) {
        wrong("%s: rc %d, without a sentence: rc %d, \"%s\"", what, (int) rc,
              (int) ts->err.rc, ts->err.text);
    }

    if (rc == REFERRAL_BROKEN) {
        shared->broken = 1;

    } else if (c->retry) {
        wrong("%s: still fails: rc %d, \"%s\"", what, (int) rc, ts->err.text);
    }

    memset(&ts->err, 0, sizeof(ts->err));

    return 0;
}


/* ------------------------------------------------------------ the records */

static inline void
code(referral_record_t *record, const char *name, const char *owner)
{
    record->type = REFERRAL_RECORD_CODE;
    record->u.code.set = REFERRAL_SET_OWNER;
    record->u.code.code = test_str(name);
    record->u.code.owner = test_str(owner);
}


static inline void
order(referral_record_t *record, const char *id, const char *coupon,
    const char *customer)
{
    record->type = REFERRAL_RECORD_EVENT;
    record->u.event.event = test_str("purchase");
    record->u.event.order_id = test_str(id);
    record->u.event.coupon = test_str(coupon);
    record->u.event.customer = test_str(customer);
    record->u.event.flags = REFERRAL_EVENT_AMOUNT;
    record->u.event.currency = 978;
    record->u.event.amount = 4999;
}


static inline void
make(referral_record_t *record, unsigned item, uint32_t program)
{
    memset(record, 0, sizeof(referral_record_t));

    switch (item) {

    case ANNA:
        code(record, "ANNA", "anna");
        break;

    case BEN:
        code(record, "BEN", "ben");
        break;

    case CARL:
        code(record, "CARL", "carl");
        break;

    case FIRST:
        order(record, "first", "ANNA", "friend");
        break;

    case SECOND:
        order(record, "second", "BEN", "other");
        break;

    case OWN:
        order(record, "own", "ANNA", "anna");
        break;

    case REFUND:
        record->type = REFERRAL_RECORD_REFUND;
        record->u.refund.order_id = test_str("second");
        record->u.refund.refund_id = test_str("r1");
        record->u.refund.amount = 999;
        break;

    case APPROVE:
        record->type = REFERRAL_RECORD_DECISION;
        record->u.decision.order_id = test_str("own");
        record->u.decision.what = REFERRAL_DECIDE_APPROVE;
        break;
    }

    /* the program stands first in each of them */

    record->u.code.program = program;
    record->time = T0 + item;
    record->reply = 1;
}


static inline int
there(referral_snapshot_t *snap, uint32_t program, unsigned item)
{
    referral_code_t         found;
    referral_record_t       record;
    referral_refund_info_t  refund;
    referral_conversion_t   conversion;

    make(&record, item, program);

    switch (record.type) {

    case REFERRAL_RECORD_CODE:
        return referral_code_get(snap, program, record.u.code.code, &found)
               == REFERRAL_OK;

    case REFERRAL_RECORD_EVENT:
        return referral_conversion_get(snap, program, record.u.event.order_id,
                                       &conversion)
               == REFERRAL_OK;

    case REFERRAL_RECORD_REFUND:
        return referral_refund_get(snap, program, record.u.refund.order_id,
                                   record.u.refund.refund_id, &refund)
               == REFERRAL_OK;

    default:
        return referral_conversion_get(snap, program,
                                       record.u.decision.order_id, &conversion)
               == REFERRAL_OK
               && (conversion.reasons & REFERRAL_REASON_RELEASED);
    }
}


/* -------------------------------------------------------------- the work */

static inline referral_rc_t
set_rules(test_store_t *ts, uint32_t program)
{
    referral_rules_t  rules;

    memset(&rules, 0, sizeof(rules));
    rules.window = 30 * 86400;
    rules.bind = 86400;
    rules.nevents = 1;
    rules.events[0].name = test_str("purchase");
    rules.events[0].points = 10;
    rules.events[0].hold = HOLD;
    rules.nrewards = 2;
    rules.rewards[0].name = test_str("mug");
    rules.rewards[0].on = test_str("purchase");
    rules.rewards[0].every = 1;
    rules.rewards[1].name = test_str("cash");
    rules.rewards[1].on = test_str("purchase");
    rules.rewards[1].value = test_str("10%");
    rules.rewards[1].bps = 1000;
    rules.rewards[1].every = 1;

    return referral_store_rules(ts->store, program, &rules, &ts->err);
}


static inline void
open_all(client_t *c)
{
    unsigned       case_sensitive;
    test_store_t  *ts;

    ts = c->ts;
    case_sensitive = 0;

    if (well(c, referral_store_open(&ts->opts, &ts->store, &ts->err), "open")
        && well(c, referral_store_program(ts->store, test_str("friends"),
                                          &case_sensitive, &c->program,
                                          &ts->err), "program")
        && well(c, set_rules(ts, c->program), "rules"))
    {
        if (!well(c, referral_intake_open(ts->store, &c->intake, &ts->err),
                  "intake"))
        {
            c->intake = NULL;
        }
    }
}


static inline void
click(client_t *c)
{
    uint64_t           seq;
    referral_record_t  record;

    record = test_click(c->program, shared->taken + 1);
    record.u.click.code = test_str("ANNA");
    record.u.click.channel = test_str("wa");
    record.u.click.visitor = shared->taken + 1;
    record.u.click.unique_window = 3600;

    if (referral_intake_put(c->intake, &record, &seq) == REFERRAL_OK) {
        shared->taken++;
    }
}


static inline void
results(client_t *c, const referral_result_t *result, unsigned n)
{
    unsigned  i, item;

    for (i = 0; i < n; i++) {
        for (item = 0; item < ITEMS; item++) {
            if (c->seqs[item] != result[i].seq) {
                continue;
            }

            if (result[i].rc != REFERRAL_OK) {
                wrong("item %u: rc %d", item, (int) result[i].rc);
            }

            shared->acked[item] = 1;
        }
    }
}


static inline void
apply(client_t *c)
{
    unsigned           taken;
    referral_rc_t      rc;
    referral_batch_t   batch;
    referral_result_t  result[4];

    taken = shared->taken;

    do {
        rc = referral_intake_apply(c->intake, 0, result, 4, &batch,
                                   &c->ts->err);

        if (!well(c, rc, "apply")) {
            return;
        }

        if (batch.refused != 0) {
            wrong("%u records were refused", batch.refused);
        }

        results(c, result, batch.results);

        if (batch.results != 0 && !batch.more) {
            shared->safe = taken;
        }

    } while (batch.more);
}


static inline void
flush(client_t *c)
{
    unsigned  taken;
    uint64_t  seq;

    taken = shared->taken;

    if (well(c, referral_intake_flush(c->intake, &seq, &c->ts->err), "flush")
        && shared->safe < taken)
    {
        shared->safe = taken;
    }
}


static inline void
keep_house(client_t *c)
{
    int                ok;
    int64_t            next;
    unsigned           records;
    test_store_t      *ts;
    referral_purge_t   step;

    ts = c->ts;

    (void) well(c, referral_store_maintain(ts->store, &records, &ts->err),
                "maintain");
    (void) well(c, referral_store_tick(ts->store, T0 + 2000 * HOLD, &next,
                                       &ts->err), "tick");

    do {
        ok = well(c, referral_store_purge(ts->store, c->program, T0 + DAY,
                                          &step, &ts->err), "purge");
        shared->purged += ok ? step.purged : 0;

    } while (ok && step.more);
}


static inline void
take(client_t *c, unsigned round)
{
    unsigned           item;
    referral_record_t  record;

    for (item = rounds[round]; item < rounds[round + 1]; item++) {
        make(&record, item, c->program);

        if (!shared->acked[item]
            && referral_intake_put(c->intake, &record, &c->seqs[item])
               != REFERRAL_OK)
        {
            wrong("item %u is not taken", item);
        }
    }
}


/* All that is not acknowledged yet. */

static inline void
work(client_t *c)
{
    unsigned              i, round;
    referral_rc_t         rc;
    referral_snapshot_t  *snap;

    if (c->intake == NULL) {
        open_all(c);
    }

    if (c->intake == NULL) {
        return;
    }

    for (round = 0; rounds[round] < ITEMS; round++) {
        take(c, round);

        for (i = 0; i < CLICKS; i++) {
            click(c);
        }

        flush(c);
        apply(c);
    }

    keep_house(c);

    rc = referral_snapshot_create(c->ts->store, &snap, &c->ts->err);

    if (well(c, rc, "snapshot")) {
        referral_snapshot_destroy(snap);
    }
}


#endif /* STORE_FAULT_H */
