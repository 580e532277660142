/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Records of events as bytes; see store_codec.c.
 *
 *   event:    program4 source1 flags1 token1 currency2 amount8 occurred8
 *             draw8 click_id9 event$ order$ customer$ coupon$, then with a
 *             valid token the first and the last touch: code$ channel$
 *             click_id9 time8
 *   refund:   program4 flags1 currency2 amount8 order$ refund$ reason$
 *   decision: program4 what1 reward8 order$ reason$
 *   rules:    program4 rules$
 *   tick:     nothing
 *   note:     program4 code4 kind1 from1 to1 id8 before$ after$
 */

#include "store_bytes.h"


/* What keys are made of: a zero would end it there. */

static unsigned
store_bad_id(referral_str_t id)
{
    return id.len != 0 && memchr(id.data, '\0', id.len) != NULL;
}


static unsigned
store_bad_event(const referral_event_t *event)
{
    return event->order_id.len == 0 || event->event.len == 0
           || event->source > REFERRAL_SOURCE_IMPORT
           || event->token > REFERRAL_TOKEN_INVALID
           || (event->flags & ~REFERRAL_EVENT_FLAGS) != 0
           || event->amount < 0 || event->amount > REFERRAL_AMOUNT_MAX
           || store_bad_time(event->occurred)
           || ((event->flags & REFERRAL_EVENT_AMOUNT)
               ? event->currency == 0
               : (event->currency != 0 || event->amount != 0))
           || store_bad_id(event->order_id) || store_bad_id(event->customer);
}


static unsigned
store_bad_refund(const referral_refund_t *refund)
{
    unsigned  whole;

    whole = refund->flags & REFERRAL_REFUND_WHOLE;

    return refund->order_id.len == 0 || refund->refund_id.len == 0
           || refund->amount > REFERRAL_AMOUNT_MAX
           || (whole ? refund->amount != 0 : refund->amount < 1)
           || ((refund->flags & REFERRAL_REFUND_CURRENCY)
               ? refund->currency == 0 : refund->currency != 0)
           || store_bad_id(refund->order_id)
           || store_bad_id(refund->refund_id);
}


static unsigned
store_bad_decision(const referral_decision_t *decision)
{
    return decision->what > REFERRAL_DECIDE_VOID
           || (decision->reward == 0) != (decision->order_id.len != 0)
           || store_bad_id(decision->order_id);
}


static unsigned
store_bad_touch(const referral_credit_t *touch)
{
    return touch->code.len == 0 || touch->time < 0
           || touch->time > REFERRAL_TIME_MAX / 1000;
}


static void
store_write_touch(store_writer_t *w, const referral_credit_t *touch)
{
    store_write_str(w, touch->code, REFERRAL_CODE_MAX);
    store_write_str(w, touch->channel, REFERRAL_CHANNEL_MAX);
    store_write(w, touch->click_id, REFERRAL_CLICK_ID_SIZE);
    store_write(w, &touch->time, 8);

    w->bad = w->bad || store_bad_touch(touch);
}


static void
store_read_touch(store_reader_t *r, referral_credit_t *touch)
{
    store_read_str(r, &touch->code, REFERRAL_CODE_MAX);
    store_read_str(r, &touch->channel, REFERRAL_CHANNEL_MAX);
    store_read(r, touch->click_id, REFERRAL_CLICK_ID_SIZE);
    store_read(r, &touch->time, 8);

    r->bad = r->bad || store_bad_touch(touch);
}


static void
store_write_event(store_writer_t *w, const referral_event_t *event)
{
    store_write(w, &event->program, 4);
    store_write(w, &event->source, 1);
    store_write(w, &event->flags, 1);
    store_write(w, &event->token, 1);
    store_write(w, &event->currency, 2);
    store_write(w, &event->amount, 8);
    store_write(w, &event->occurred, 8);
    store_write(w, &event->draw, 8);
    store_write(w, event->click_id, REFERRAL_CLICK_ID_SIZE);
    store_write_str(w, event->event, REFERRAL_RULE_NAME_MAX);
    store_write_str(w, event->order_id, REFERRAL_ID_MAX);
    store_write_str(w, event->customer, REFERRAL_ID_MAX);
    store_write_str(w, event->coupon, REFERRAL_CODE_MAX);

    if (event->token == REFERRAL_TOKEN_VALID) {
        store_write_touch(w, &event->first);
        store_write_touch(w, &event->last);
    }

    w->bad = w->bad || store_bad_event(event);
}


static void
store_read_event(store_reader_t *r, referral_event_t *event)
{
    store_read(r, &event->program, 4);
    store_read(r, &event->source, 1);
    store_read(r, &event->flags, 1);
    store_read(r, &event->token, 1);
    store_read(r, &event->currency, 2);
    store_read(r, &event->amount, 8);
    store_read(r, &event->occurred, 8);
    store_read(r, &event->draw, 8);
    store_read(r, event->click_id, REFERRAL_CLICK_ID_SIZE);
    store_read_str(r, &event->event, REFERRAL_RULE_NAME_MAX);
    store_read_str(r, &event->order_id, REFERRAL_ID_MAX);
    store_read_str(r, &event->customer, REFERRAL_ID_MAX);
    store_read_str(r, &event->coupon, REFERRAL_CODE_MAX);

    if (event->token == REFERRAL_TOKEN_VALID) {
        store_read_touch(r, &event->first);
        store_read_touch(r, &event->last);
    }

    r->bad = r->bad || store_bad_event(event);
}


static void
store_write_refund(store_writer_t *w, const referral_refund_t *refund)
{
    store_write(w, &refund->program, 4);
    store_write(w, &refund->flags, 1);
    store_write(w, &refund->currency, 2);
    store_write(w, &refund->amount, 8);
    store_write_str(w, refund->order_id, REFERRAL_ID_MAX);
    store_write_str(w, refund->refund_id, REFERRAL_ID_MAX);
    store_write_str(w, refund->reason, REFERRAL_ID_MAX);

    w->bad = w->bad || store_bad_refund(refund);
}


static void
store_read_refund(store_reader_t *r, referral_refund_t *refund)
{
    store_read(r, &refund->program, 4);
    store_read(r, &refund->flags, 1);
    store_read(r, &refund->currency, 2);
    store_read(r, &refund->amount, 8);
    store_read_str(r, &refund->order_id, REFERRAL_ID_MAX);
    store_read_str(r, &refund->refund_id, REFERRAL_ID_MAX);
    store_read_str(r, &refund->reason, REFERRAL_ID_MAX);

    r->bad = r->bad || store_bad_refund(refund);
}


static void
store_write_decision(store_writer_t *w, const referral_decision_t *decision)
{
    store_write(w, &decision->program, 4);
    store_write(w, &decision->what, 1);
    store_write(w, &decision->reward, 8);
    store_write_str(w, decision->order_id, REFERRAL_ID_MAX);
    store_write_str(w, decision->reason, REFERRAL_ID_MAX);

    w->bad = w->bad || store_bad_decision(decision);
}


static void
store_read_decision(store_reader_t *r, referral_decision_t *decision)
{
    store_read(r, &decision->program, 4);
    store_read(r, &decision->what, 1);
    store_read(r, &decision->reward, 8);
    store_read_str(r, &decision->order_id, REFERRAL_ID_MAX);
    store_read_str(r, &decision->reason, REFERRAL_ID_MAX);

    r->bad = r->bad || store_bad_decision(decision);
}


static void
store_write_note(store_writer_t *w, const referral_note_t *note)
{
    store_write(w, &note->program, 4);
    store_write(w, &note->code_id, 4);
    store_write(w, &note->kind, 1);
    store_write(w, &note->from, 1);
    store_write(w, &note->to, 1);
    store_write(w, &note->id, 8);
    store_write_str(w, note->before, REFERRAL_RULE_NAME_MAX);
    store_write_str(w, note->after, REFERRAL_ID_MAX);
}


static void
store_read_note(store_reader_t *r, referral_note_t *note)
{
    store_read(r, &note->program, 4);
    store_read(r, &note->code_id, 4);
    store_read(r, &note->kind, 1);
    store_read(r, &note->from, 1);
    store_read(r, &note->to, 1);
    store_read(r, &note->id, 8);
    store_read_str(r, &note->before, REFERRAL_RULE_NAME_MAX);
    store_read_str(r, &note->after, REFERRAL_ID_MAX);
}


void
store_encode_event(store_writer_t *w, const referral_record_t *record)
{
    switch (record->type) {

    case REFERRAL_RECORD_EVENT:
        store_write_event(w, &record->u.event);
        break;

    case REFERRAL_RECORD_REFUND:
        store_write_refund(w, &record->u.refund);
        break;

    case REFERRAL_RECORD_DECISION:
        store_write_decision(w, &record->u.decision);
        break;

    case REFERRAL_RECORD_RULES:
        store_write(w, &record->u.rules.program, 4);
        store_write_str(w, record->u.rules.rules, REFERRAL_RULES_SIZE);
        break;

    case REFERRAL_RECORD_TICK:
        break;

    case REFERRAL_RECORD_NOTE:
        store_write_note(w, &record->u.note);
        break;

    default:
        w->bad = 1;
    }
}


void
store_decode_event(store_reader_t *r, referral_record_t *record)
{
    switch (record->type) {

    case REFERRAL_RECORD_EVENT:
        store_read_event(r, &record->u.event);
        break;

    case REFERRAL_RECORD_REFUND:
        store_read_refund(r, &record->u.refund);
        break;

    case REFERRAL_RECORD_DECISION:
        store_read_decision(r, &record->u.decision);
        break;

    case REFERRAL_RECORD_RULES:
        store_read(r, &record->u.rules.program, 4);
        store_read_str(r, &record->u.rules.rules, REFERRAL_RULES_SIZE);
        break;

    case REFERRAL_RECORD_TICK:
        break;

    case REFERRAL_RECORD_NOTE:
        store_read_note(r, &record->u.note);
        break;

    default:
        r->bad = 1;
    }
}
