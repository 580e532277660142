/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the processes of store_power do, until the power fails: what nginx
 * workers do with a store, at random, and dying now and then.
 */

#ifndef STORE_POWER_WORK_H
#define STORE_POWER_WORK_H

#include "store_power_calls.h"
#include "store_power_records.h"

#include "referral_tools.h"


#define POWER_RELOAD   3        /* exit status: another comes in its place */
#define POWER_WINDOW   4096     /* records of one intake that are not sure */

typedef struct {
    test_store_t           ts;
    power_world_t          w;
    referral_intake_t     *intake;
    referral_snapshot_t   *reader;
    unsigned               reading;
    uint64_t               last;            /* sequence that was put */
    uint64_t               sure;
    uint32_t               version[POWER_PROGRAMS + 1];     /* of rules */
    int64_t                ticked;          /* and not told */
    size_t                 tick_began;
    uint32_t               take[POWER_WINDOW];      /* by sequence */
    referral_result_t      results[64];
} power_worker_t;


static uint32_t *
power_taken(power_worker_t *p, uint64_t seq)
{
    return &p->take[seq % POWER_WINDOW];
}


/* What was acknowledged, before the next thing happens. */

static void
power_told(uint32_t take, referral_rc_t rc, unsigned created)
{
    power_put(POWER_RESULT, 0, take, (uint64_t) rc | created << 8, NULL, 0);
}


/* What another process did is on disk with what this one does after it. */

static void
power_told_tick(power_worker_t *p)
{
    if (p->ticked != 0) {
        power_put(POWER_TICK, 0, (uint64_t) p->ticked, p->tick_began, NULL,
                  0);
        p->ticked = 0;
    }
}


static void
power_told_sure(power_worker_t *p, uint64_t seq)
{
    while (p->sure < seq) {
        p->sure++;
        power_put(POWER_SURE, 0, *power_taken(p, p->sure), 0, NULL, 0);
    }
}


static void
power_take(power_worker_t *p, power_op_t *op)
{
    size_t          at, size;
    uint32_t        number;
    uint64_t        seq;
    referral_rc_t   rc;
    unsigned char   buf[STORE_RECORD_MAX + sizeof(power_take_t)];

    if (p->last - p->sure == POWER_WINDOW - 1
        || power->takes == POWER_TAKES - 1)
    {
        return;
    }

    if (power->control == POWER_META_UNFLUSHED) {
        op->record.reply = 0;
    }

    number = ++power->takes;
    memcpy(buf, &op->take, sizeof(power_take_t));
    size = sizeof(power_take_t)
           + store_encode(&op->record, buf + sizeof(power_take_t));
    at = power_put(POWER_TAKE, 0, number, 0, buf, size);

    rc = referral_intake_put(p->intake, &op->record, &seq);

    if (rc == REFERRAL_FULL) {

        /* nobody took it */

        power_entry(power_trace, at)->value = 1;
        return;
    }

    test_must(&p->ts, rc, "referral_intake_put");
    p->last = seq;
    *power_taken(p, seq) = number;

    if (power->control == POWER_TOLD_EARLY
        && op->record.type == REFERRAL_RECORD_EVENT)
    {
        power_told(number, REFERRAL_OK, 0);
    }
}


static void
power_some(power_worker_t *p)
{
    unsigned    n, clicks;
    power_op_t  op;

    clicks = power_roll(&p->w.rng, 2);

    for (n = 1 + power_roll(&p->w.rng, 10); n > 0; n--) {
        power_make(&op, &p->w, clicks);
        power_take(p, &op);
        power_yield(0);
    }
}


static void
power_flush_log(power_worker_t *p)
{
    uint64_t  seq;

    if (power->durable) {
        test_must(&p->ts, referral_intake_flush(p->intake, &seq, &p->ts.err),
                  "referral_intake_flush");
        power_told_sure(p, seq);
    }
}


static void
power_apply(power_worker_t *p)
{
    unsigned          i, sync;
    referral_batch_t  batch;

    sync = (power_roll(&p->w.rng, 3) == 0);

    if (power->control == POWER_META_UNFLUSHED) {
        sync = 0;
    }

    do {
        test_must(&p->ts,
                  referral_intake_apply(p->intake, sync, p->results,
                                        1 + power_roll(&p->w.rng, 64), &batch,
                                        &p->ts.err),
                  "referral_intake_apply");

        if (batch.refused != 0) {
            test_must(&p->ts, REFERRAL_INVALID, "referral_intake_apply");
        }

        for (i = 0; i < batch.results; i++) {
            power_told(*power_taken(p, p->results[i].seq), p->results[i].rc,
                       p->results[i].created);
        }

        if (batch.results != 0 || sync || batch.records == 0
            || power->control == POWER_META_UNFLUSHED)
        {
            power_told_sure(p, batch.seq);
        }

        if (batch.results != 0) {
            power_told_tick(p);
        }

    } while (batch.more && power_roll(&p->w.rng, 4) != 0);
}


static void
power_tick(power_worker_t *p)
{
    size_t   at;
    int64_t  now, next;

    at = power_trace->used;
    now = ++power->clock;

    do {
        test_must(&p->ts, referral_store_tick(p->ts.store, now, &next,
                                              &p->ts.err),
                  "referral_store_tick");

    } while (next != 0 && next <= now);

    p->ticked = now;
    p->tick_began = at;
}


static void
power_maintain(power_worker_t *p)
{
    unsigned  records;

    test_must(&p->ts, referral_store_maintain(p->ts.store, &records,
                                              &p->ts.err),
              "referral_store_maintain");
}


static void
power_set_rules(power_worker_t *p, unsigned program, unsigned version)
{
    referral_rules_t  rules;

    power_rules(&rules, program, version);
    power_put(POWER_RULES, 0, program, (uint64_t) version << 1, NULL, 0);
    test_must(&p->ts, referral_store_rules(p->ts.store, p->w.program[program],
                                           &rules, &p->ts.err),
              "referral_store_rules");

    p->version[program] = version;
}


static void
power_purge(power_worker_t *p)
{
    int64_t           before;
    unsigned          program;
    referral_purge_t  step;

    program = 1 + power_roll(&p->w.rng, POWER_PROGRAMS);
    before = power->clock - power_roll(&p->w.rng, 4) * POWER_DAY;

    power_put(POWER_PURGE, 0, program, (uint64_t) before, NULL, 0);
    test_must(&p->ts, referral_store_purge(p->ts.store,
                                           p->w.program[program], before,
                                           &step, &p->ts.err),
              "referral_store_purge");
}


/* What a reader of the journal may remember. */

static void
power_look(power_worker_t *p)
{
    referral_store_info_t  info;

    if (p->reading) {
        referral_snapshot_end(p->reader);
        p->reading = 0;
        return;
    }

    test_must(&p->ts, referral_snapshot_begin(p->reader),
              "referral_snapshot_begin");
    test_must(&p->ts, referral_store_info(p->reader, &info),
              "referral_store_info");
    power_put(POWER_SEEN, 0, info.journal, 0, NULL, 0);
    p->reading = 1;
}


/* Until the next records are the last before the end of ring and log. */

static void
power_ballast(power_worker_t *p)
{
    unsigned    n;
    power_op_t  op;

    for (n = 0; n < 490; n++) {
        power_make_ballast(&op, &p->w);
        power_take(p, &op);

        if (n % 49 == 48) {
            power_flush_log(p);
            power_apply(p);
        }
    }
}


#endif /* STORE_POWER_WORK_H */
