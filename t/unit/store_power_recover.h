/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The first process of store_power after the power came back.
 */

#ifndef STORE_POWER_RECOVER_H
#define STORE_POWER_RECOVER_H

#include "store_power_check.h"


/* As if the position of each log had not been in its transaction. */

static void
power_forget_positions(test_store_t *ts)
{
    int                fd;
    char               path[256];
    unsigned           slot;
    store_txn_t        t;
    store_frame_t      frame;
    store_source_t     source;
    store_position_t   at;
    store_ring_head_t  head;

    if (store_begin(&t, ts->store, 0) != 0) {
        return;
    }

    for (slot = 0; slot < 4; slot++) {
        snprintf(path, sizeof(path), "%s/intake-%03u.log", ts->path, slot);
        fd = open(path, O_RDONLY);

        if (fd != -1
            && pread(fd, &head, sizeof(head), 0) == sizeof(head)
            && pread(fd, &frame, sizeof(frame), STORE_RING_HEADER)
               == sizeof(frame)
            && frame.seq != 0)
        {
            source.slot = (uint16_t) slot;
            at.generation = head.generation;
            at.seq = frame.seq - 1;
            at.pos = 0;
            store_put_position(&t, &source, &at);
        }

        (void) close(fd);
    }

    (void) store_commit(&t);
}


/* Opens what is left, and applies what the dead had taken; NULL: it failed. */

static referral_intake_t *
power_recover(test_store_t *ts, const power_world_known_t *k, unsigned twice)
{
    unsigned            records;
    referral_rc_t       rc;
    referral_intake_t  *intake;

    rc = referral_store_open(&ts->opts, &ts->store, &ts->err);

    if (rc != REFERRAL_OK) {

        if (!k->opened) {
            power_verdict->unmade = 1;

        } else {
            power_wrong("open: rc %d, %s", (int) rc, ts->err.text);
        }

        return NULL;
    }

    if (twice) {
        power_forget_positions(ts);
    }

    rc = referral_intake_open(ts->store, &intake, &ts->err);

    if (rc != REFERRAL_OK || ts->err.text[0] != '\0') {
        power_wrong("intake: rc %d, %s", (int) rc, ts->err.text);
        return NULL;
    }

    rc = referral_store_maintain(ts->store, &records, &ts->err);

    if (rc != REFERRAL_OK || ts->err.text[0] != '\0') {
        power_wrong("maintain: rc %d, %s", (int) rc, ts->err.text);
    }

    return intake;
}


/* And it serves on. */

static void
power_goes_on(test_store_t *ts, power_world_known_t *k,
    referral_intake_t *intake)
{
    uint32_t           program;
    uint64_t           seq;
    unsigned           i;
    power_op_t         op;
    power_world_t      w;
    power_look_t       look;
    referral_batch_t   batch;
    referral_result_t  result;

    memset(&w, 0, sizeof(w));
    program = test_program(ts, "friends");
    w.program[1] = program;
    w.program[2] = test_program(ts, "partners");
    w.snap = test_snapshot(ts);
    referral_snapshot_end(w.snap);
    power->takes = k->n;
    power->orders = 1000000;
    power->clock = POWER_T0 + 400 * POWER_DAY;

    for (i = 0; i < 4; i++) {
        power_make_click(&op, &w);
        test_must(ts, referral_intake_put(intake, &op.record, &seq), "put");
    }

    power_make_event(&op, &w, 1000001, 0);
    test_must(ts, referral_intake_put(intake, &op.record, &seq), "put");

    if (referral_intake_apply(intake, 1, &result, 1, &batch, &ts->err)
        != REFERRAL_OK || batch.results != 1
        || (result.rc != REFERRAL_NO_EVENT
            && (result.rc != REFERRAL_OK || !result.created)))
    {
        power_wrong("it does not serve on: rc %d, %s", (int) result.rc,
                    ts->err.text);
    }

    look.ts = ts;
    look.snap = test_snapshot(ts);
    power_verify(&look);
    referral_snapshot_end(look.snap);
}


#endif /* STORE_POWER_RECOVER_H */
