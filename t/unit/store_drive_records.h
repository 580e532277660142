/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Records of store_drive_cli: read from the fields of a line, and applied in
 * batches.
 */

#ifndef STORE_DRIVE_RECORDS_H
#define STORE_DRIVE_RECORDS_H

#include "store_drive.h"


#define INTAKES  2
#define BATCH    2000
#define FIELDS   64

typedef struct {
    test_store_t         ts;
    drive_t              d;
    referral_intake_t   *intakes[INTAKES];
    unsigned             intake;        /* of the batch */
    unsigned             batch;
    unsigned             waiting;
    uint8_t              replies[BATCH];
    referral_result_t    results[BATCH];
    referral_record_t    record;
    char                *fields[FIELDS];
    unsigned             nfields;
    unsigned             next;          /* field to take */
} cli_t;


static void
fail(const char *what)
{
    fprintf(stderr, "store_drive_cli: %s\n", what);
    exit(1);
}


/* ------------------------------------------------------- fields of a line */

static referral_str_t
take(cli_t *c)
{
    if (c->next == c->nfields) {
        fail("a field is missing");
    }

    return test_str(c->fields[c->next++]);
}


static int64_t
number(cli_t *c)
{
    return (int64_t) strtoull((const char *) take(c).data, NULL, 10);
}


static void
click_id(cli_t *c, unsigned char *id)
{
    unsigned     i;
    const char  *hex;

    hex = (const char *) take(c).data;

    for (i = 0; *hex != '\0' && i < REFERRAL_CLICK_ID_SIZE; i++, hex += 2) {
        sscanf(hex, "%2hhx", &id[i]);
    }
}


static void
saw(cli_t *c, int64_t time)
{
    if (c->d.first == 0 || time < c->d.first) {
        c->d.first = time;
    }

    if (time > c->d.last) {
        c->d.last = time;
    }
}


/* --------------------------------------------------------------- applying */

static void
outcome(referral_rc_t rc, unsigned created)
{
    static const char *const  names[] = {
        "OK", "NOT_FOUND", "EXISTS", "GONE", "INVALID", "FULL", "BUSY",
        "CORRUPT", "VERSION", "SYSTEM", "BROKEN", "CONFLICT", "EXCEEDS",
        "CURRENCY", "STATE", "NO_EVENT"
    };

    printf("%s %u\n", names[rc], created);
}


static void
flush(cli_t *c)
{
    unsigned          n, i, result;
    referral_batch_t  batch;

    n = 0;
    result = 0;

    while (c->waiting > n) {
        test_must(&c->ts, referral_intake_apply(c->intakes[c->intake], 0,
                                                c->results + result,
                                                BATCH - result, &batch,
                                                &c->ts.err),
                  "referral_intake_apply");

        if (batch.records == 0 || batch.refused != 0) {
            printf("wrong\t%u records, %u refused: %s\n", batch.records,
                   batch.refused, c->ts.err.text);
        }

        if (batch.records == 0) {
            break;
        }

        n += batch.records;
        result += batch.results;
    }

    for (i = 0, result = 0; i < c->waiting; i++) {
        if (c->replies[i]) {
            outcome(c->results[result].rc, c->results[result].created);
            result++;

        } else {
            outcome(REFERRAL_OK, 0);
        }
    }

    c->waiting = 0;
}


/* Begins a record: its intake, time and program. */

static referral_record_t *
begin(cli_t *c, referral_record_type_t type)
{
    unsigned  intake;

    intake = (unsigned) number(c) % INTAKES;

    if (intake != c->intake) {
        flush(c);
        c->intake = intake;
    }

    memset(&c->record, 0, sizeof(referral_record_t));
    c->record.type = type;
    c->record.reply = (type != REFERRAL_RECORD_CLICK);
    c->record.time = number(c);
    saw(c, c->record.time);

    return &c->record;
}


static void
put(cli_t *c)
{
    uint64_t       seq;
    referral_rc_t  rc;

    rc = referral_intake_put(c->intakes[c->intake], &c->record, &seq);

    if (rc == REFERRAL_FULL) {
        flush(c);
        rc = referral_intake_put(c->intakes[c->intake], &c->record, &seq);
    }

    if (rc != REFERRAL_OK) {
        flush(c);
        outcome(rc, 0);
        return;
    }

    c->replies[c->waiting++] = c->record.reply;

    if (c->waiting >= c->batch) {
        flush(c);
    }
}


/* ---------------------------------------------------------------- records */

static uint32_t
find_code(cli_t *c, uint32_t program, referral_str_t name)
{
    uint32_t         id;
    referral_code_t  code;

    drive_must(referral_snapshot_begin(c->d.snap), "referral_snapshot_begin");
    id = (referral_code_get(c->d.snap, program, name, &code) == REFERRAL_OK)
         ? code.id : 0;
    referral_snapshot_end(c->d.snap);

    return id;
}


static void
run_click(cli_t *c)
{
    referral_click_t  *click;

    click = &begin(c, REFERRAL_RECORD_CLICK)->u.click;
    click->program = (uint32_t) number(c);
    click->code = take(c);

    if (number(c)) {
        click->code_id = find_code(c, click->program, click->code);

        if (click->code_id == 0) {
            flush(c);
            click->code_id = find_code(c, click->program, click->code);
        }

        click->code = test_str("");
    }

    click->class = (uint8_t) number(c);
    click->flags = (uint8_t) number(c);
    click->channel = take(c);
    click_id(c, click->click_id);
    click->visitor = (uint64_t) number(c);
    click->visitor_before = (uint64_t) number(c);
    click->unique_window = (uint32_t) number(c);

    put(c);
}


static void
run_code(cli_t *c)
{
    referral_code_change_t  *code;

    code = &begin(c, REFERRAL_RECORD_CODE)->u.code;
    code->program = (uint32_t) number(c);
    code->code = take(c);
    code->set = (uint8_t) number(c);
    code->owner = take(c);
    code->kind = (uint8_t) number(c);
    code->status = (uint8_t) number(c);

    put(c);
}


static void
touch(cli_t *c, referral_credit_t *credit)
{
    credit->code = take(c);
    credit->channel = take(c);
    click_id(c, credit->click_id);
    credit->time = number(c);
}


static void
run_event(cli_t *c)
{
    referral_str_t     amount;
    referral_event_t  *event;

    event = &begin(c, REFERRAL_RECORD_EVENT)->u.event;
    event->program = (uint32_t) number(c);
    event->event = take(c);
    event->order_id = take(c);
    event->customer = take(c);
    event->coupon = take(c);
    click_id(c, event->click_id);
    event->source = (uint8_t) number(c);
    event->token = (uint8_t) number(c);
    event->currency = (uint16_t) number(c);

    amount = take(c);
    if (amount.len != 0) {
        event->flags = REFERRAL_EVENT_AMOUNT;
        event->amount = strtoll((const char *) amount.data, NULL, 10);
    }

    event->flags |= (uint8_t) number(c);

    event->occurred = number(c);
    event->draw = (uint64_t) number(c);

    if (event->token == REFERRAL_TOKEN_VALID) {
        touch(c, &event->first);
        touch(c, &event->last);
    }

    if (event->source == REFERRAL_SOURCE_IMPORT && event->occurred != 0) {
        saw(c, event->occurred);
    }

    put(c);
}


static void
run_refund(cli_t *c)
{
    referral_refund_t  *refund;

    refund = &begin(c, REFERRAL_RECORD_REFUND)->u.refund;
    refund->program = (uint32_t) number(c);
    refund->order_id = take(c);
    refund->refund_id = take(c);
    refund->reason = take(c);
    refund->flags = number(c) ? REFERRAL_REFUND_WHOLE : 0;
    refund->currency = (uint16_t) number(c);
    refund->flags |= refund->currency ? REFERRAL_REFUND_CURRENCY : 0;
    refund->amount = number(c);

    if (refund->order_id.len != 0) {
        drive_add(&c->d.orders[refund->program], refund->order_id);
    }

    put(c);
}


static uint64_t
find_reward(cli_t *c, const referral_decision_t *decision, unsigned n)
{
    uint64_t               id;
    referral_conversion_t  event;

    drive_must(referral_snapshot_begin(c->d.snap), "referral_snapshot_begin");
    id = (referral_conversion_get(c->d.snap, decision->program,
                                  decision->order_id, &event) == REFERRAL_OK
          && n < event.nrewards) ? event.rewards[n] : 0;
    referral_snapshot_end(c->d.snap);

    return id;
}


static void
run_decision(cli_t *c)
{
    unsigned              n;
    referral_str_t        reward;
    referral_decision_t  *decision;

    decision = &begin(c, REFERRAL_RECORD_DECISION)->u.decision;
    decision->program = (uint32_t) number(c);
    decision->what = (uint8_t) number(c);
    decision->order_id = take(c);

    reward = take(c);
    if (reward.len != 0) {
        n = (unsigned) strtoul((const char *) reward.data, NULL, 10);
        decision->reward = find_reward(c, decision, n);

        if (decision->reward == 0) {
            flush(c);
            decision->reward = find_reward(c, decision, n);
        }

        if (decision->reward == 0) {
            decision->reward = UINT64_MAX >> 8;
        }

        decision->order_id = test_str("");
    }

    decision->reason = take(c);

    put(c);
}


#endif /* STORE_DRIVE_RECORDS_H */
