/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A store with a bit of everything that can be read from it: orders of five
 * codes over fifty days, held, refunded, unattributed, awaited ones, rewards
 * in every state, a contest.
 */

#ifndef LEDGER_SCENE_H
#define LEDGER_SCENE_H

#include "store_test.h"


#define HOUR    INT64_C(3600000)
#define DAY     (24 * HOUR)
#define T0      (20413 * DAY + 10 * HOUR)   /* 2025-11-21 10:00 */
#define ORDERS  200
#define CODES   5

static const char *const  scene_codes[CODES] = {
    "ANNA42", "BEN7", "CARL", "DORA", "EVE"
};


static inline int64_t
scene_time(unsigned order)
{
    return T0 + order * 6 * HOUR;
}


static inline void
scene_rules(test_store_t *ts, uint32_t program)
{
    referral_rules_t  rules;

    memset(&rules, 0, sizeof(rules));
    rules.window = 30 * 86400;
    rules.bind = 86400;

    rules.nevents = 2;
    rules.events[0].name = test_str("signup");
    rules.events[0].points = 5;
    rules.events[1].name = test_str("purchase");
    rules.events[1].points = 10;
    rules.events[1].hold = 86400;

    rules.ntiers = 1;
    rules.tiers[0].name = test_str("bronze");
    rules.tiers[0].points = 50;

    rules.nrewards = 3;
    rules.rewards[0].name = test_str("cash");
    rules.rewards[0].on = test_str("purchase");
    rules.rewards[0].value = test_str("10%");
    rules.rewards[0].bps = 1000;
    rules.rewards[0].every = 1;
    rules.rewards[1].name = test_str("welcome");
    rules.rewards[1].on = test_str("purchase");
    rules.rewards[1].value = test_str("5 EUR");
    rules.rewards[1].to = REFERRAL_TO_FRIEND;
    rules.rewards[1].every = 1;
    rules.rewards[2].name = test_str("free-month");
    rules.rewards[2].on = test_str("signup");
    rules.rewards[2].every = 3;

    rules.ncontests = 1;
    rules.contests[0].name = test_str("advent");
    rules.contests[0].from = T0 + 10 * DAY;
    rules.contests[0].to = T0 + 30 * DAY;

    test_must(ts, referral_store_rules(ts->store, program, &rules, &ts->err),
              "referral_store_rules");
}


static inline void
scene_put(test_store_t *ts, referral_intake_t *intake,
    referral_record_t *record)
{
    uint64_t  seq;

    test_must(ts, referral_intake_put(intake, record, &seq), "put");
}


static inline void
scene_order(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    unsigned i)
{
    int                n;
    char               id[REFERRAL_ID_MAX + 1], customer[16];
    referral_event_t  *event;
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.time = scene_time(i);
    event = &record.u.event;

    /* ids of all lengths, not in the order of their taking */

    n = snprintf(id, sizeof(id), "%c%u-", 'a' + (i * 7) % 26, i);

    if (i % 50 == 49) {
        memset(id + n, 'x', sizeof(id) - 1 - (size_t) n);
        id[sizeof(id) - 1] = '\0';
    }

    snprintf(customer, sizeof(customer),
             i % 17 == 3 ? "owner%u" : "friend%u", i % 17 == 3 ? i % CODES
                                                               : i);

    event->program = program;
    event->order_id = test_str(id);
    event->customer = test_str(customer);
    event->event = test_str(i % 4 == 0 ? "signup" : "purchase");
    event->draw = i;

    if (i % 11 != 10) {
        event->coupon = test_str(scene_codes[i % CODES]);
    }

    if (i % 4 != 0) {
        event->flags = REFERRAL_EVENT_AMOUNT;
        event->currency = (i % 3 == 0) ? 840 : 978;
        event->amount = 1000 + i;
    }

    scene_put(ts, intake, &record);

    if (i % 13 == 5 || i % 13 == 6) {
        memset(&record, 0, sizeof(record));
        record.type = REFERRAL_RECORD_REFUND;
        record.time = scene_time(i) + HOUR;
        record.u.refund.program = program;
        record.u.refund.order_id = test_str(id);
        record.u.refund.refund_id = test_str("second");
        record.u.refund.reason = test_str("broken");
        record.u.refund.flags = (i % 13 == 5) ? REFERRAL_REFUND_WHOLE : 0;
        record.u.refund.amount = (i % 13 == 5) ? 0 : 100;
        scene_put(ts, intake, &record);

        record.u.refund.refund_id = test_str("first");
        scene_put(ts, intake, &record);
    }
}


static inline void
scene_decide(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    uint64_t reward, referral_str_t order_id, unsigned what)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_DECISION;
    record.time = T0 + 51 * DAY;
    record.u.decision.program = program;
    record.u.decision.reward = reward;
    record.u.decision.order_id = order_id;
    record.u.decision.what = (uint8_t) what;
    record.u.decision.reason = test_str("so");
    scene_put(ts, intake, &record);
}


static inline int
scene_collect(void *data, const referral_reward_t *reward)
{
    uint64_t  **id;

    id = data;
    *(*id)++ = reward->id;

    return 0;
}


static inline int
scene_collect_held(void *data, const referral_conversion_t *conversion)
{
    referral_str_t  **id;

    id = data;
    *(*id)++ = conversion->order_id;

    return 0;
}


/*
 * Every third approved reward is claimed, every fifth void; the first held
 * order is void, the second approved.
 */

static inline void
scene_decisions(test_store_t *ts, referral_intake_t *intake,
    uint32_t program)
{
    unsigned                  i;
    uint64_t                  ids[3 * ORDERS], *end;
    referral_str_t            orders[ORDERS], *last;
    referral_snapshot_t      *snap;
    referral_reward_filter_t  filter = { REFERRAL_REWARD_APPROVED, -1, 0 };
    const referral_str_t      none = { 0, NULL };

    end = ids;
    last = orders;

    snap = test_snapshot(ts);
    test_must(ts, referral_reward_list(snap, program, &filter, 0,
                                       scene_collect, &end), "reward_list");
    test_must(ts, referral_conversion_held(snap, program, 0,
                                           scene_collect_held, &last),
              "conversion_held");

    for (i = 0; i < (unsigned) (end - ids); i++) {
        if (i % 3 == 0 || i % 5 == 0) {
            scene_decide(ts, intake, program, ids[i], none,
                         i % 3 ? REFERRAL_DECIDE_VOID
                               : REFERRAL_DECIDE_CLAIM);
        }
    }

    scene_decide(ts, intake, program, 0, orders[0], REFERRAL_DECIDE_VOID);
    scene_decide(ts, intake, program, 0, orders[1], REFERRAL_DECIDE_APPROVE);

    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);
}


/* Makes it all; the number of the program. */

static inline uint32_t
scene_make(test_store_t *ts)
{
    char                owner[16];
    unsigned            i;
    int64_t             next;
    uint32_t            program;
    referral_record_t   record;
    referral_intake_t  *intake;

    test_open(ts);
    (void) test_program(ts, "others");
    program = test_program(ts, "friends");
    scene_rules(ts, program);
    intake = test_intake(ts);

    for (i = 0; i < CODES; i++) {
        memset(&record, 0, sizeof(record));
        snprintf(owner, sizeof(owner), "owner%u", i);
        record.type = REFERRAL_RECORD_CODE;
        record.time = T0 - DAY;
        record.u.code.program = program;
        record.u.code.set = REFERRAL_SET_OWNER;
        record.u.code.code = test_str(scene_codes[i]);
        record.u.code.owner = test_str(owner);
        scene_put(ts, intake, &record);

        record = test_click(program, i + 1);
        record.u.click.code = test_str(scene_codes[i]);
        record.u.click.channel = test_str("wa");
        scene_put(ts, intake, &record);
    }

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_REFUND;
    record.time = T0;
    record.u.refund.program = program;
    record.u.refund.order_id = test_str("later");
    record.u.refund.refund_id = test_str("r1");
    record.u.refund.amount = 100;
    scene_put(ts, intake, &record);

    for (i = 0; i < ORDERS; i++) {
        scene_order(ts, intake, program, i);
    }

    (void) test_apply_all(ts, intake, 1);
    test_must(ts, referral_store_tick(ts->store, T0 + 30 * DAY, &next,
                                      &ts->err), "tick");
    scene_decisions(ts, intake, program);
    (void) test_apply_all(ts, intake, 1);
    referral_intake_close(intake);

    return program;
}


/* ---------------------------------------------------------- read at once */

typedef struct {
    unsigned                n;
    unsigned                max;
    referral_conversion_t   row[ORDERS + 1];
} orders_t;

typedef struct {
    unsigned                n;
    unsigned                max;
    referral_reward_t       row[3 * ORDERS];
} rewards_t;

static referral_snapshot_t *snap;
static uint32_t             program;
static orders_t             all;
static rewards_t            rewards;


static inline int
same(referral_str_t a, referral_str_t b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}


/* Until max, 0: all. */

static inline int
keep_order(void *data, const referral_conversion_t *conversion)
{
    orders_t  *to;

    to = data;
    to->row[to->n++] = *conversion;

    return to->n == to->max;
}


static inline int
keep_reward(void *data, const referral_reward_t *reward)
{
    rewards_t  *to;

    to = data;
    to->row[to->n++] = *reward;

    return to->n == to->max;
}


static inline void
scene_read(test_store_t *ts)
{
    referral_reward_filter_t  filter = { -1, -1, 0 };
    const referral_str_t      none = { 0, NULL };

    snap = test_snapshot(ts);
    test_must(ts, referral_conversion_list(snap, program, none, keep_order,
                                           &all), "conversion_list");
    test_must(ts, referral_reward_list(snap, program, &filter, 0, keep_reward,
                                       &rewards), "reward_list");
}


static inline int
scene_end(test_store_t *ts)
{
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);
    referral_store_close(ts->store);
    test_remove(ts);

    return tap_done();
}


#endif /* LEDGER_SCENE_H */
