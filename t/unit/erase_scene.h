/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A program with two referrers and their friends, for the tests of erasing:
 * Anna owns codes, buys through Ben's, through her own and by a binding, is
 * given rewards with limits, has refunds and decisions with reasons.
 */

#ifndef ERASE_SCENE_H
#define ERASE_SCENE_H

#include "store_test.h"
#include "referral_tools.h"


#define ANNA      "anna.schmidt-4711"
#define ANNA_NAME "Anna Schmidt of Ulm"
#define HOUR      INT64_C(3600000)
#define DAY       (24 * HOUR)
#define T0        (20413 * DAY + 10 * HOUR)


static int64_t  erase_time = T0;


static inline void
erase_rules(test_store_t *ts, uint32_t program)
{
    referral_rules_t  rules;

    memset(&rules, 0, sizeof(rules));
    rules.window = 30 * 86400;
    rules.bind = 300 * 86400;

    rules.nevents = 2;
    rules.events[0].name = test_str("signup");
    rules.events[0].points = 5;
    rules.events[0].once = REFERRAL_ONCE_CUSTOMER;
    rules.events[1].name = test_str("purchase");
    rules.events[1].points = 10;
    rules.events[1].hold = 86400;

    rules.nrewards = 3;
    rules.rewards[0].name = test_str("cash");
    rules.rewards[0].on = test_str("purchase");
    rules.rewards[0].value = test_str("10%");
    rules.rewards[0].bps = 1000;
    rules.rewards[0].every = 1;
    rules.rewards[1].name = test_str("welcome");
    rules.rewards[1].on = test_str("purchase");
    rules.rewards[1].to = REFERRAL_TO_FRIEND;
    rules.rewards[1].every = 1;
    rules.rewards[1].limit = 3;
    rules.rewards[1].per = REFERRAL_PER_MONTH;
    rules.rewards[2].name = test_str("free-month");
    rules.rewards[2].on = test_str("signup");
    rules.rewards[2].every = 3;

    test_must(ts, referral_store_rules(ts->store, program, &rules, &ts->err),
              "referral_store_rules");
}


static inline int
same(referral_str_t a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}


/* Takes a record and applies it: what the store says to it. */

static inline referral_result_t
erase_take(test_store_t *ts, referral_intake_t *intake,
    referral_record_t *record)
{
    uint64_t           seq;
    referral_batch_t   batch;
    referral_result_t  result;

    record->reply = 1;
    test_must(ts, referral_intake_put(intake, record, &seq), "put");

    do {
        test_must(ts, referral_intake_apply(intake, 0, &result, 1, &batch,
                                            &ts->err), "apply");
    } while (batch.results == 0);

    return result;
}


/* NULL: not set. */

static inline referral_record_t
erase_code_record(uint32_t program, const char *code, const char *owner,
    const char *name)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_CODE;
    record.time = erase_time += 1000;
    record.u.code.program = program;
    record.u.code.code = test_str(code);

    if (owner != NULL) {
        record.u.code.set |= REFERRAL_SET_OWNER;
        record.u.code.owner = test_str(owner);
    }

    if (name != NULL) {
        record.u.code.set |= REFERRAL_SET_NAME;
        record.u.code.name = test_str(name);
    }

    return record;
}


static inline referral_rc_t
erase_code(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    const char *code, const char *owner, const char *name)
{
    referral_record_t  record;

    record = erase_code_record(program, code, owner, name);

    return erase_take(ts, intake, &record).rc;
}


static inline referral_record_t
erase_order_record(uint32_t program, const char *id, const char *customer,
    const char *coupon, int64_t amount)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.time = erase_time += 1000;
    record.u.event.program = program;
    record.u.event.order_id = test_str(id);
    record.u.event.customer = test_str(customer);
    record.u.event.event = test_str(amount ? "purchase" : "signup");
    record.u.event.coupon = test_str(coupon);
    record.u.event.amount = amount;

    if (amount != 0) {
        record.u.event.currency = 978;
        record.u.event.flags = REFERRAL_EVENT_AMOUNT;
    }

    return record;
}


static inline referral_result_t
erase_order(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    const char *id, const char *customer, const char *coupon, int64_t amount)
{
    referral_record_t  record;

    record = erase_order_record(program, id, customer, coupon, amount);

    return erase_take(ts, intake, &record);
}


static inline void
erase_refund(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    const char *id, const char *refund, const char *reason)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_REFUND;
    record.time = erase_time += 1000;
    record.u.refund.program = program;
    record.u.refund.order_id = test_str(id);
    record.u.refund.refund_id = test_str(refund);
    record.u.refund.reason = test_str(reason);
    record.u.refund.amount = 100;
    test_must(ts, erase_take(ts, intake, &record).rc, refund);
}


/* Of the event of an order, or of a reward. */

static inline referral_rc_t
erase_decide(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    const char *id, uint64_t reward, unsigned what, const char *reason)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_DECISION;
    record.time = erase_time += 1000;
    record.u.decision.program = program;
    record.u.decision.order_id = test_str(id);
    record.u.decision.reward = reward;
    record.u.decision.what = (uint8_t) what;
    record.u.decision.reason = test_str(reason);

    return erase_take(ts, intake, &record).rc;
}


static inline referral_conversion_t
erase_find(test_store_t *ts, referral_snapshot_t *snap, uint32_t program,
    const char *id)
{
    referral_conversion_t  conversion;

    test_must(ts, referral_conversion_get(snap, program, test_str(id),
                                          &conversion), id);

    return conversion;
}


static inline void
erase_make_anna(test_store_t *ts, referral_intake_t *in, uint32_t program)
{
    referral_snapshot_t    *snap;
    referral_conversion_t   conversion;

    /* hers from the start; named before it was hers; given away after */

    erase_code(ts, in, program, "ANNA42", ANNA, ANNA_NAME);
    erase_code(ts, in, program, "EARLY", NULL, ANNA_NAME " early");
    erase_code(ts, in, program, "EARLY", ANNA, NULL);
    erase_code(ts, in, program, "GIVEN", ANNA, ANNA_NAME " given");
    erase_code(ts, in, program, "GIVEN", "ben-2", NULL);
    erase_code(ts, in, program, "RENAMED", ANNA, ANNA_NAME " renamed");
    erase_code(ts, in, program, "RENAMED", "ben-2", "Ben of Bern");
    erase_code(ts, in, program, "BEN7", "ben-2", "Ben of Bern");
    erase_code(ts, in, program, "BEN7", NULL, "Ben of Basel");

    /* her own code; Ben's; by a binding; beyond a limit; once */

    erase_order(ts, in, program, "self-1", ANNA, "ANNA42", 5000);
    erase_refund(ts, in, program, "friend-1", "early",
                 "said " ANNA_NAME " early");
    erase_order(ts, in, program, "friend-1", ANNA, "BEN7", 6000);
    erase_order(ts, in, program, "friend-2", ANNA, "", 7000);
    erase_order(ts, in, program, "friend-3", ANNA, "", 8000);
    erase_order(ts, in, program, "sign-1", ANNA, "BEN7", 0);
    erase_order(ts, in, program, "sign-2", ANNA, "BEN7", 0);
    erase_order(ts, in, program, "alone-1", ANNA, "NOBODY", 900);
    erase_refund(ts, in, program, "friend-2", "late", "as " ANNA_NAME " says");

    /* others through hers, and decisions */

    erase_order(ts, in, program, "hers-1", "carl-3", "ANNA42", 4000);
    erase_order(ts, in, program, "hers-2", "dora-4", "EARLY", 4000);
    erase_refund(ts, in, program, "hers-2", "carl", "not of that person");

    snap = test_snapshot(ts);
    conversion = erase_find(ts, snap, program, "hers-1");
    test_must(ts, erase_decide(ts, in, program, "", conversion.rewards[0],
                               REFERRAL_DECIDE_APPROVE, ANNA_NAME " is right"),
              "a reward of hers");
    test_must(ts, erase_decide(ts, in, program, "", conversion.rewards[1],
                               REFERRAL_DECIDE_APPROVE, "carl is right"),
              "a reward of another");
    conversion = erase_find(ts, snap, program, "friend-2");
    test_must(ts, erase_decide(ts, in, program, "", conversion.rewards[1],
                               REFERRAL_DECIDE_VOID, ANNA_NAME " is wrong"),
              "a reward to her");
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    test_must(ts, erase_decide(ts, in, program, "self-1", 0,
                               REFERRAL_DECIDE_APPROVE, ANNA_NAME " may"),
              "her event");
}


static inline referral_rc_t
erase_person(test_store_t *ts, uint32_t program, const char *person,
    referral_erased_t *erased)
{
    return referral_store_erase(ts->store, program, test_str(person),
                                erase_time += 1000, erased, &ts->err);
}


/* How often these bytes are in a file; -1: it cannot be read. */

static inline int
erase_count_bytes(const char *path, const char *bytes)
{
    int                   fd, n;
    struct stat           st;
    unsigned char        *map;
    const unsigned char  *p;

    fd = open(path, O_RDONLY);

    if (fd == -1 || fstat(fd, &st) == -1) {
        return -1;
    }

    if (st.st_size == 0) {
        close(fd);
        return 0;
    }

    map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);

    if (map == MAP_FAILED) {
        return -1;
    }

    n = 0;
    p = map;

    while ((p = memmem(p, (size_t) (map + st.st_size - p), bytes,
                       strlen(bytes))) != NULL)
    {
        p++;
        n++;
    }

    munmap(map, (size_t) st.st_size);

    return n;
}


/* A compact copy of the store, with what is in use, in the rings' place. */

static inline void
erase_copy(test_store_t *ts, char *path, size_t size)
{
    snprintf(path, size, "%s/copy", ts->rings);
    mkdir(path, 0700);
    snprintf(path, size, "%s/copy/data.mdb", ts->rings);
    unlink(path);
    snprintf(path, size, "%s/copy", ts->rings);

    if (mdb_env_copy2(ts->store->env, path, MDB_CP_COMPACT) != 0) {
        printf("# no copy\n");
        _exit(99);
    }

    snprintf(path, size, "%s/copy/data.mdb", ts->rings);
}


#endif /* ERASE_SCENE_H */
