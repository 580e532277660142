/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a refund does: once per order and refund id, never more than the
 * amount, before its order if need be.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_case.h"


size_t
store_refund_key(unsigned char *key, const referral_refund_t *refund)
{
    unsigned char  *p;

    store_be32(key, refund->program);

    p = mempcpy(key + 4, refund->order_id.data, refund->order_id.len);
    *p++ = '\0';
    p = mempcpy(p, refund->refund_id.data, refund->refund_id.len);

    return (size_t) (p - key);
}


/* NOT_FOUND: it is new; OK: the same again; CONFLICT. */

static referral_rc_t
store_refund_known(store_txn_t *t, const referral_refund_t *refund,
    const unsigned char *key, size_t len)
{
    MDB_val         v;
    store_refund_t  row;

    if (!store_get(t, STORE_RFD, key, len, &v)) {
        return REFERRAL_NOT_FOUND;
    }

    if (v.mv_size < sizeof(row)) {
        store_fail(t, MDB_CORRUPTED, "a refund");
        return REFERRAL_CORRUPT;
    }

    memcpy(&row, v.mv_data, sizeof(row));

    return ((row.flags & REFERRAL_REFUND_WHOLE)
            == (refund->flags & REFERRAL_REFUND_WHOLE)
            && row.asked == refund->amount)
           ? REFERRAL_OK : REFERRAL_CONFLICT;
}


static void
store_refund_put(store_txn_t *t, const referral_record_t *record,
    const unsigned char *key, size_t len, int64_t amount)
{
    store_refund_t            row;
    unsigned char             value[sizeof(row) + REFERRAL_ID_MAX], *p;
    const referral_refund_t  *refund;

    refund = &record->u.refund;

    memset(&row, 0, sizeof(row));
    row.version = 1;
    row.flags = refund->flags;
    row.reason_len = (uint8_t) refund->reason.len;
    row.asked = refund->amount;
    row.amount = amount;
    row.time = record->time;

    p = mempcpy(value, &row, sizeof(row));
    p = mempcpy(p, refund->reason.data, refund->reason.len);

    store_put(t, STORE_RFD, key, len, value, (size_t) (p - value));
}


/* May it be? */

static referral_rc_t
store_refund_check(const store_order_t *row, const referral_refund_t *refund)
{
    unsigned  awaited, known;

    awaited = (row->status == REFERRAL_EVENT_AWAITED);
    known = row->flags & (awaited ? STORE_ORDER_CURRENCY : STORE_ORDER_AMOUNT);

    if (row->flags & STORE_ORDER_WHOLE) {
        return REFERRAL_EXCEEDS;
    }

    if (known && (refund->flags & REFERRAL_REFUND_CURRENCY)
        && refund->currency != row->currency)
    {
        return REFERRAL_CURRENCY;
    }

    if (refund->flags & REFERRAL_REFUND_WHOLE) {
        return REFERRAL_OK;
    }

    return (refund->amount > (awaited ? REFERRAL_AMOUNT_MAX : row->amount)
                             - row->refunded)
           ? REFERRAL_EXCEEDS : REFERRAL_OK;
}


static void
store_refund_awaited(store_order_t *row, const referral_refund_t *refund,
    int64_t now)
{
    row->changed = now;
    row->refunded += refund->amount;

    if (refund->flags & REFERRAL_REFUND_WHOLE) {
        row->flags |= STORE_ORDER_WHOLE;
    }

    if (refund->flags & REFERRAL_REFUND_CURRENCY) {
        row->flags |= STORE_ORDER_CURRENCY;
        row->currency = refund->currency;
    }
}


static void
store_refund_rewards(store_case_t *c)
{
    unsigned             i;
    store_order_t       *row;
    store_reward_row_t   reward;
    unsigned char        copy[STORE_REWARD_SIZE];

    row = &c->order.row;

    for (i = 0; i < row->nrewards; i++) {
        if (store_reward_get(c->t, c->order.program, c->order.rewards[i],
                              copy, &reward)
            && reward.row.currency != 0
            && reward.row.state != REFERRAL_REWARD_VOID)
        {
            store_reward_reduce(c->t, &reward,
                                referral_rules_part(row->amount
                                                    - row->refunded,
                                                    reward.row.bps), c->now);
        }
    }
}


static unsigned
store_refund_status(store_case_t *c)
{
    store_order_t  *row;

    row = &c->order.row;

    if (row->status == REFERRAL_EVENT_UNATTRIBUTED
        || row->status == REFERRAL_EVENT_REJECTED)
    {
        return row->status;
    }

    if (row->flags & STORE_ORDER_WHOLE) {
        return REFERRAL_EVENT_REFUNDED;
    }

    if (store_case_below(c)) {
        row->reasons |= REFERRAL_REASON_BELOW_MIN;
        return REFERRAL_EVENT_REJECTED;
    }

    return row->status;
}


/* Everything a refund of a known event causes. */

static void
store_refund_order(store_case_t *c, int64_t amount, unsigned whole)
{
    int64_t         points;
    unsigned        from, to;
    store_order_t  *row;

    row = &c->order.row;
    row->refunded += amount;
    row->changed = c->now;

    if (whole || (row->amount > 0 && row->refunded == row->amount)) {
        row->flags |= STORE_ORDER_WHOLE;
    }

    if (row->flags & STORE_ORDER_AMOUNT) {
        store_sum_add(c->t, &c->order, 0, amount, 0);
    }

    store_refund_rewards(c);

    from = row->status;
    to = store_refund_status(c);

    if (from != to) {
        points = row->points;
        store_case_status(c, to);
        store_uncredit(c);
        store_tally_move(c->t, &c->order, from, to, -points);
    }
}


referral_result_t
store_apply_refund(store_txn_t *t, const referral_record_t *record)
{
    size_t                    len;
    int64_t                   amount;
    unsigned                  known, whole;
    store_case_t              c;
    referral_result_t         result;
    unsigned char             key[STORE_REFUND_KEY];
    const referral_refund_t  *refund;

    memset(&result, 0, sizeof(result));

    refund = &record->u.refund;
    len = store_refund_key(key, refund);
    result.rc = store_refund_known(t, refund, key, len);

    if (result.rc != REFERRAL_NOT_FOUND) {
        return result;
    }

    known = (unsigned) store_case_open(&c, t, refund->program,
                                       refund->order_id, record->time);

    if (!known) {
        c.order.program = refund->program;
        c.order.order_id = refund->order_id;
        c.order.row.status = REFERRAL_EVENT_AWAITED;
        c.order.row.time = record->time;
    }

    result.rc = store_refund_check(&c.order.row, refund);

    if (result.rc != REFERRAL_OK || t->rc != 0) {
        return result;
    }

    (void) store_journal_record(t, record);

    if (c.order.row.status == REFERRAL_EVENT_AWAITED) {
        amount = refund->amount;
        store_refund_awaited(&c.order.row, refund, record->time);

    } else {
        whole = refund->flags & REFERRAL_REFUND_WHOLE;
        amount = whole ? c.order.row.amount - c.order.row.refunded
                       : refund->amount;
        store_refund_order(&c, amount, whole);
    }

    store_refund_put(t, record, key, len, amount);
    store_order_put(t, &c.order);

    result.created = 1;

    return result;
}
