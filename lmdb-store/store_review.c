/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What looks wrong about an event: it is held, and a person decides.  All of
 * it follows from the journal: what was too much at the time is a flag of the
 * record, and what a click has brought is counted here.
 */

#include "store_case.h"


#define STORE_REVIEW_KEY  (10 + REFERRAL_CLICK_ID_SIZE)


/*
 * 0: there is no click.  One without an id, as that of a ticket that was
 * redeemed late, is known by its code and its second.
 */

static int
store_review_key(const store_case_t *c, unsigned char *key)
{
    unsigned char         seconds[8];
    const store_order_t  *row;

    row = &c->order.row;

    store_be32(key, c->order.program);
    memset(key + 4, 0, 6);
    memcpy(key + 10, row->click_id, REFERRAL_CLICK_ID_SIZE);

    if (!referral_click_id_none(row->click_id)) {
        return 1;
    }

    store_be64(seconds, (uint64_t) (row->clicked / 1000));
    key[9] = 1;
    store_be32(key + 10, row->code);
    memcpy(key + 14, seconds + 3, 5);

    return row->clicked != 0;
}


/* Events the click has brought so far; *counted: it is to be known. */

static uint32_t
store_review_brought(store_case_t *c, int *counted)
{
    MDB_val        v;
    uint32_t       n;
    unsigned char  key[STORE_REVIEW_KEY];

    *counted = c->rules->rules.review.per_click != 0
               && store_review_key(c, key);

    if (!*counted) {
        return 0;
    }

    if (!store_get(c->t, STORE_CNT, key, sizeof(key), &v)
        || v.mv_size != sizeof(n))
    {
        return 0;
    }

    memcpy(&n, v.mv_data, sizeof(n));

    return n;
}


void
store_review_count(store_case_t *c)
{
    int            counted;
    uint32_t       n;
    unsigned char  key[STORE_REVIEW_KEY];

    n = store_review_brought(c, &counted);

    if (counted && n != UINT32_MAX) {
        n++;
        (void) store_review_key(c, key);
        store_put(c->t, STORE_CNT, key, sizeof(key), &n, sizeof(n));
    }
}


/* How long after its click it was: by what was told of its time, if any. */

static uint32_t
store_review_age(const store_case_t *c, const referral_event_t *event)
{
    int64_t               age;
    uint32_t              why;
    const store_order_t  *row;

    row = &c->order.row;

    if (row->clicked == 0) {
        return 0;
    }

    why = 0;
    age = (row->occurred != 0 ? row->occurred : row->when) - row->clicked;

    if ((event->flags & REFERRAL_EVENT_DATED) && row->occurred != 0
        && age < -STORE_SKEW)
    {
        why |= REFERRAL_REASON_BEFORE_CLICK;
    }

    if (age < (int64_t) c->rules->rules.review.min_age * 1000
        && c->rules->rules.review.min_age != 0)
    {
        why |= REFERRAL_REASON_TOO_SOON;
    }

    return why;
}


uint32_t
store_review(store_case_t *c, const referral_event_t *event)
{
    int                            counted;
    uint32_t                       why;
    const store_order_t           *row;
    const referral_review_rule_t  *review;

    row = &c->order.row;
    review = &c->rules->rules.review;
    why = store_review_age(c, event);

    if (c->self && c->rules->rules.self == REFERRAL_SELF_HOLD) {
        why |= REFERRAL_REASON_SELF;
    }

    if (event->flags & REFERRAL_EVENT_VELOCITY) {
        why |= REFERRAL_REASON_VELOCITY;
    }

    if (review->max_amount != 0 && (row->flags & STORE_ORDER_AMOUNT)
        && row->amount > review->max_amount)
    {
        why |= REFERRAL_REASON_OVER_AMOUNT;
    }

    if (store_review_brought(c, &counted) >= review->per_click && counted) {
        why |= REFERRAL_REASON_PER_CLICK;
    }

    return why;
}
