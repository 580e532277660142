/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Edges of applying: sums that reach the end of their range, holds by the
 * thousand, a clock that was ahead; and a log that refers to what another
 * worker has just committed.
 */

#include "store_test.h"


#define NOW     1763700000000           /* ms */
#define DAY     86400000
#define ORDERS  10100


typedef struct {
    int64_t   approved;
    int64_t   gross;
    unsigned  differences;
    unsigned  calls;
    int64_t   left;
    int64_t   points[2];
    unsigned  synced[2];
} found_t;

static found_t            *found;
static referral_intake_t  *intake;
static uint32_t            program;


static void
put(test_store_t *ts, const referral_record_t *record)
{
    uint64_t       seq;
    referral_rc_t  rc;

    rc = referral_intake_put(intake, record, &seq);

    if (rc == REFERRAL_FULL) {
        (void) test_apply_all(ts, intake, 1);
        rc = referral_intake_put(intake, record, &seq);
    }

    test_must(ts, rc, "put");
}


static void
begin(test_store_t *ts)
{
    referral_record_t        record;
    static referral_rules_t  rules;

    test_open(ts);
    program = test_program(ts, "friends");

    rules.window = 86400;
    rules.nevents = 2;
    rules.events[0].name = test_str("purchase");
    rules.events[0].hold = 3600;
    rules.events[1].name = test_str("click");
    rules.events[1].points = 1;
    rules.events[1].limit = 2;
    rules.nrewards = 1;
    rules.rewards[0].name = test_str("all");
    rules.rewards[0].on = test_str("purchase");
    rules.rewards[0].min_tier = test_str("");
    rules.rewards[0].value = test_str("100%");
    rules.rewards[0].bps = 10000;
    rules.rewards[0].every = 1;

    test_must(ts, referral_store_rules(ts->store, program, &rules, &ts->err),
              "referral_store_rules");

    intake = test_intake(ts);

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_CODE;
    record.time = NOW;
    record.u.code.program = program;
    record.u.code.code = test_str("ANNA");
    record.u.code.owner = test_str("u1");
    record.u.code.set = REFERRAL_SET_OWNER;
    put(ts, &record);
}


static void
orders(test_store_t *ts)
{
    char               id[16];
    unsigned           i;
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.time = NOW;
    record.u.event.program = program;
    record.u.event.event = test_str("purchase");
    record.u.event.customer = test_str("");
    record.u.event.coupon = test_str("ANNA");
    record.u.event.flags = REFERRAL_EVENT_AMOUNT;
    record.u.event.amount = REFERRAL_AMOUNT_MAX;
    record.u.event.currency = 978;

    for (i = 0; i < ORDERS; i++) {
        (void) snprintf(id, sizeof(id), "%u", i);
        record.u.event.order_id = test_str(id);
        put(ts, &record);
    }

    (void) test_apply_all(ts, intake, 1);
}


static int
account(void *data, uint16_t currency, const referral_account_t *a)
{
    (void) data;
    (void) currency;
    found->approved = a->rewards[REFERRAL_REWARD_APPROVED];

    return 0;
}


static int
sum(void *data, referral_str_t event, uint16_t currency, int64_t start,
    const referral_sum_t *s)
{
    (void) data;
    (void) event;
    (void) currency;
    (void) start;
    found->gross = s->gross;

    return 0;
}


static void
scene_sums(test_store_t *ts, void *data)
{
    referral_snapshot_t  *snap;

    (void) data;

    begin(ts);
    orders(ts);

    found->calls = 0;

    do {
        test_must(ts, referral_store_tick(ts->store, NOW + DAY, &found->left,
                                          &ts->err),
                  "referral_store_tick");

    } while (++found->calls < 1000 && found->left != 0
             && found->left <= NOW + DAY);

    snap = test_snapshot(ts);
    test_must(ts, referral_account_list(snap, program, 1, account, NULL),
              "referral_account_list");
    test_must(ts, referral_sum_list(snap, program, REFERRAL_TALLY_ALL, 0, 0, 0,
                                    sum, NULL),
              "referral_sum_list");
    referral_snapshot_end(snap);

    found->differences = (unsigned) test_verify(ts);
}


static void
clicks(test_store_t *ts, int64_t time)
{
    unsigned           i;
    referral_record_t  record;

    for (i = 0; i < 3; i++) {
        record = test_click(program, 0);
        record.time = time;
        record.u.click.code_id = 1;
        memset(record.u.click.click_id, 0, REFERRAL_CLICK_ID_SIZE);
        put(ts, &record);
    }

    (void) test_apply_all(ts, intake, 1);
}


static int64_t
points(test_store_t *ts)
{
    referral_score_t      score;
    referral_snapshot_t  *snap;

    snap = test_snapshot(ts);
    test_must(ts, referral_score_get(snap, program, 1, &score),
              "referral_score_get");
    referral_snapshot_end(snap);

    return score.points;
}


static void
scene_clock(test_store_t *ts, void *data)
{
    (void) data;

    begin(ts);
    clicks(ts, NOW + (int64_t) 365 * DAY);
    found->points[0] = points(ts);
    clicks(ts, NOW);
    found->points[1] = points(ts);
}


/*
 * A code that one worker made is named by its number in the log of another:
 * the commit that made it is on disk first.
 */

static void
scene_log(test_store_t *ts, void *data)
{
    uint64_t             seq;
    referral_batch_t     batch;
    referral_record_t    record;
    referral_intake_t   *other;

    (void) data;

    ts->opts.durable = 1;
    test_open(ts);
    program = test_program(ts, "friends");
    intake = test_intake(ts);
    other = test_intake(ts);

    record = test_click(program, 1);
    record.u.click.code = test_str("ZED");
    record.u.click.flags = REFERRAL_CLICK_OPEN;
    put(ts, &record);

    test_must(ts, referral_intake_apply(intake, 0, NULL, 0, &batch, &ts->err),
              "referral_intake_apply");
    found->synced[0] = (referral_store_last_id(ts->store)
                        == ts->store->synced);

    record = test_click(program, 2);
    record.u.click.code_id = 1;
    test_must(ts, referral_intake_put(other, &record, &seq), "put");
    test_must(ts, referral_intake_flush(other, &seq, &ts->err), "flush");

    found->synced[1] = (referral_store_last_id(ts->store)
                        == ts->store->synced);
}


int
main(void)
{
    test_store_t  ts;

    found = test_shared(sizeof(found_t));

    test_make(&ts);
    tap_ok(test_child(scene_sums, &ts, NULL) == 0, "orders of the largest "
           "amount");
    tap_ok(found->gross == INT64_MAX, "their sum stays at the end");
    tap_ok(found->approved == INT64_MAX, "and that of their rewards");
    tap_ok(found->calls > 10 && found->calls < 1000, "holds pass some at a "
           "time, in %u calls", found->calls);
    tap_ok(found->left == 0, "all of them");
    tap_ok(found->differences == 0, "verify finds nothing");
    test_remove(&ts);

    test_make(&ts);
    tap_ok(test_child(scene_clock, &ts, NULL) == 0, "a clock that was ahead");
    tap_ok(found->points[0] == 2, "gives a day's points");
    tap_ok(found->points[1] == 4, "and the right day's as well");
    test_remove(&ts);

    test_make(&ts);
    tap_ok(test_child(scene_log, &ts, NULL) == 0, "two workers");
    tap_ok(!found->synced[0], "what one commits is not on disk at once");
    tap_ok(found->synced[1], "but it is when the other's log refers to it");
    test_remove(&ts);

    return tap_done();
}
