/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What an event does: it is new, the same again or in conflict; it is
 * credited to a code or not; it is good, held or refused.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_case.h"


/* ---------------------------------------------------------- fingerprints -- */

/* FNV-1a, 64 bits. */

static uint64_t
store_print(uint64_t h, const void *data, size_t len)
{
    size_t                i;
    const unsigned char  *p;

    p = data;

    for (i = 0; i < len; i++) {
        h = (h ^ p[i]) * 0x100000001b3u;
    }

    return h;
}


static uint64_t
store_print_str(uint64_t h, referral_str_t s)
{
    uint16_t  len;

    len = (uint16_t) s.len;

    return store_print(store_print(h, &len, sizeof(len)), s.data, s.len);
}


/* A coupon is the code it is looked up as. */

uint64_t
store_content(store_txn_t *t, const referral_event_t *event)
{
    uint8_t         amount;
    uint64_t        h;
    referral_str_t  coupon;
    unsigned char   key[STORE_KEY_MAX];

    amount = event->flags & REFERRAL_EVENT_AMOUNT;

    coupon.len = store_code_key(t, event->program, event->coupon, key) - 4;
    coupon.data = key + 4;

    h = store_print_str(0xcbf29ce484222325u, event->event);
    h = store_print_str(h, event->customer);
    h = store_print_str(h, coupon);
    h = store_print(h, &amount, sizeof(amount));
    h = store_print(h, &event->amount, sizeof(event->amount));
    h = store_print(h, &event->currency, sizeof(event->currency));
    h = store_print(h, &event->occurred, sizeof(event->occurred));

    return store_print(h, event->click_id, sizeof(event->click_id));
}


static uint64_t
store_print_touch(uint64_t h, const referral_credit_t *touch)
{
    h = store_print_str(h, touch->code);
    h = store_print_str(h, touch->channel);
    h = store_print(h, &touch->time, sizeof(touch->time));

    return store_print(h, touch->click_id, sizeof(touch->click_id));
}


/* 0: the token is not part of the content, or says nothing any more. */

static uint64_t
store_touches(const referral_event_t *event)
{
    uint64_t  h;

    if (event->source == REFERRAL_SOURCE_HEADER
        || event->token != REFERRAL_TOKEN_VALID)
    {
        return 0;
    }

    h = store_print_touch(0xcbf29ce484222325u, &event->first);

    return store_print_touch(h, &event->last) | 1;
}


/* Who an erased customer was is not known, and not compared. */

static int
store_same_event(store_txn_t *t, const store_order_row_t *order,
    const referral_event_t *event)
{
    uint64_t              touches;
    referral_event_t      known;
    const store_order_t  *row;

    row = &order->row;
    known = *event;
    touches = store_touches(event);

    if (known.customer.len != 0 && store_is_pseudonym(order->customer)) {
        known.customer = order->customer;
    }

    return row->content == store_content(t, &known)
           && (row->touches == 0 || touches == 0 || row->touches == touches);
}


/* ----------------------------------------------------------------- cases -- */

int
store_case_open(store_case_t *c, store_txn_t *t, uint32_t program,
    referral_str_t order_id, int64_t now)
{
    unsigned         i;
    referral_code_t  code;

    memset(c, 0, offsetof(store_case_t, copy));

    c->t = t;
    c->now = now;
    c->rules = store_rules(t, program);
    c->order.channel = store_str("");
    c->order.customer = store_str("");

    if (!store_order_get(t, program, order_id, c->copy, &c->order)) {
        return 0;
    }

    if (c->order.row.status == REFERRAL_EVENT_AWAITED) {
        return 1;
    }

    if (c->rules == NULL) {
        store_fail(t, MDB_CORRUPTED, "an event without rules");
        return 0;
    }

    for (i = 0; i < c->rules->rules.nevents; i++) {
        if (c->rules->events[i] == c->order.row.event) {
            c->rule = &c->rules->rules.events[i];
        }
    }

    if (store_code_by_id(t, c->order.row.code, &code)) {
        c->kind = code.kind;
    }

    return 1;
}


/* Held events are listed, those on hold wait for their time. */

static void
store_case_lists(store_case_t *c, unsigned from)
{
    store_order_t  *row;
    unsigned char   key[12];

    row = &c->order.row;

    store_be32(key, c->order.program);
    store_be64(key + 4, row->seq);

    if (from == REFERRAL_EVENT_HELD) {
        store_delete(c->t, STORE_HLD, key, sizeof(key));
    }

    if (row->status == REFERRAL_EVENT_HELD) {
        store_put(c->t, STORE_HLD, key, sizeof(key), c->order.order_id.data,
                  c->order.order_id.len);
    }

    if (row->status == REFERRAL_EVENT_PENDING) {
        store_due_put(c->t, row->due, c->order.program, STORE_DUE_EVENT,
                      row->seq, c->order.order_id);
    }
}


void
store_case_status(store_case_t *c, unsigned status)
{
    unsigned         from;
    referral_note_t  note;

    from = c->order.row.status;
    c->order.row.status = (uint8_t) status;
    c->order.row.changed = c->now;

    memset(&note, 0, sizeof(note));
    note.program = c->order.program;
    note.code_id = c->order.row.code;
    note.kind = REFERRAL_NOTE_EVENT;
    note.from = (uint8_t) from;
    note.to = (uint8_t) status;
    note.id = c->order.row.seq;
    note.after = c->order.order_id;

    store_note(c->t, c->now, &note);
    store_case_lists(c, from);
}


int
store_case_below(const store_case_t *c)
{
    const store_order_t  *row;

    row = &c->order.row;

    if (c->rule == NULL || c->rule->min == 0) {
        return 0;
    }

    return !(row->flags & STORE_ORDER_AMOUNT)
           || row->amount - row->refunded < c->rule->min;
}


/* ---------------------------------------------------------------- events -- */

/* The rule of the event: 1, or 0 when it is not declared. */

static int
store_event_rule(store_case_t *c, referral_str_t name)
{
    int  i;

    if (c->rules == NULL || referral_rules_click(name)) {
        return 0;
    }

    i = referral_rules_find(c->rules->rules.events,
                            sizeof(referral_event_rule_t),
                            c->rules->rules.nevents, name);
    if (i < 0) {
        return 0;
    }

    c->rule = &c->rules->rules.events[i];
    c->order.row.event = c->rules->events[i];

    return 1;
}


/* Fills in what the event says; what early refunds left stays. */

static void
store_event_fill(store_case_t *c, const referral_record_t *record)
{
    store_order_t           *row;
    const referral_event_t  *event;

    row = &c->order.row;
    event = &record->u.event;

    c->order.program = event->program;
    c->order.order_id = event->order_id;
    c->order.customer = event->customer;

    row->source = event->source;
    row->content = store_content(c->t, event);
    row->touches = store_touches(event);
    row->draw = event->draw;
    row->time = record->time;
    row->when = record->time;
    row->occurred = event->occurred;
    row->changed = record->time;

    if (event->source == REFERRAL_SOURCE_IMPORT
        && event->occurred > 0 && event->occurred < record->time)
    {
        row->when = event->occurred;
    }

    row->due = row->when + (int64_t) c->rule->hold * 1000;
    row->flags &= STORE_ORDER_WHOLE;
    row->currency = 0;

    if (event->flags & REFERRAL_EVENT_AMOUNT) {
        row->flags |= STORE_ORDER_AMOUNT;
        row->amount = event->amount;
        row->currency = event->currency;
    }
}


/* What came before the event: refunds of an order that was awaited. */

static void
store_event_refunds(store_case_t *c, unsigned awaited)
{
    store_order_t  *row;

    row = &c->order.row;

    if (!awaited) {
        return;
    }

    row->reasons |= REFERRAL_REASON_EARLY_REFUND;

    if (row->refunded > row->amount) {
        row->reasons |= REFERRAL_REASON_REFUND_CUT;
        row->refunded = row->amount;
    }

    if (row->amount > 0 && row->refunded == row->amount) {
        row->flags |= STORE_ORDER_WHOLE;
    }

    if (row->flags & STORE_ORDER_WHOLE) {
        row->refunded = row->amount;
    }
}


static unsigned
store_event_decide(store_case_t *c, const referral_event_t *event)
{
    uint32_t        why;
    store_order_t  *row;

    row = &c->order.row;

    if (row->code == 0) {
        return REFERRAL_EVENT_UNATTRIBUTED;
    }

    if (row->flags & STORE_ORDER_WHOLE) {
        return REFERRAL_EVENT_REFUNDED;
    }

    if (c->self && c->rules->rules.self == REFERRAL_SELF_REJECT) {
        why = REFERRAL_REASON_SELF;

    } else if (store_case_below(c)) {
        why = REFERRAL_REASON_BELOW_MIN;

    } else {
        why = store_place_taken(c);
    }

    if (why != 0) {
        row->reasons |= why;
        return REFERRAL_EVENT_REJECTED;
    }

    why = store_review(c, event);

    if (why != 0) {
        row->reasons |= why;
        return REFERRAL_EVENT_HELD;
    }

    return (row->due <= c->now) ? REFERRAL_EVENT_APPROVED
                                : REFERRAL_EVENT_PENDING;
}


/* Everything a new event causes. */

static void
store_event_new(store_case_t *c, const referral_record_t *record,
    unsigned awaited)
{
    unsigned        status;
    store_order_t  *row;

    row = &c->order.row;

    store_attribute(c, &record->u.event);
    store_event_refunds(c, awaited);
    status = store_event_decide(c, &record->u.event);

    row->seq = store_journal_record(c->t, record);
    row->status = REFERRAL_EVENT_STATUSES;
    store_case_status(c, status);

    if (status == REFERRAL_EVENT_PENDING || status == REFERRAL_EVENT_APPROVED)
    {
        store_review_count(c);
        store_place_take(c);
        store_case_bind(c);
        store_credit(c);

    } else if (status == REFERRAL_EVENT_HELD) {
        store_review_count(c);
        store_place_take(c);
        store_credit_held(c);
    }

    store_tally_move(c->t, &c->order, REFERRAL_EVENT_STATUSES, status,
                     row->points);

    if (row->flags & STORE_ORDER_AMOUNT) {
        store_sum_add(c->t, &c->order, row->amount, row->refunded, 1);
    }

    store_order_put(c->t, &c->order);
}


referral_result_t
store_apply_event(store_txn_t *t, const referral_record_t *record)
{
    unsigned                 known, awaited;
    store_case_t             c;
    referral_result_t        result;
    const referral_event_t  *event;

    memset(&result, 0, sizeof(result));
    event = &record->u.event;

    known = (unsigned) store_case_open(&c, t, event->program, event->order_id,
                                       record->time);
    awaited = known && c.order.row.status == REFERRAL_EVENT_AWAITED;

    if (known && !awaited) {
        result.rc = store_same_event(t, &c.order, event)
                    ? REFERRAL_OK : REFERRAL_CONFLICT;
        return result;
    }

    if (!store_event_rule(&c, event->event)) {
        result.rc = REFERRAL_NO_EVENT;
        return result;
    }

    if (awaited && (c.order.row.flags & STORE_ORDER_CURRENCY)
        && (event->flags & REFERRAL_EVENT_AMOUNT)
        && event->currency != c.order.row.currency)
    {
        result.rc = REFERRAL_CURRENCY;
        return result;
    }

    store_event_fill(&c, record);
    store_event_new(&c, record, awaited);

    result.created = 1;

    return result;
}
