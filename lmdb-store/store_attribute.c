/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Attribution: the first of token, customer, click and coupon that holds.
 * What failed before it is kept as reasons.
 */

#include "store_case.h"


static void
store_reason(store_case_t *c, uint32_t reason)
{
    c->order.row.reasons |= reason;
}


/* The code is credited; from now on the map may move. */

static void
store_credit_code(store_case_t *c, const referral_event_t *event,
    const referral_code_t *code, unsigned method)
{
    c->order.row.code = code->id;
    c->order.row.method = (uint8_t) method;
    c->kind = code->kind;
    c->self = event->customer.len != 0
              && store_same(event->customer, code->owner);
}


static int
store_code_by_name(store_case_t *c, referral_str_t name,
    referral_code_t *code)
{
    size_t         len;
    MDB_val        v;
    unsigned char  key[STORE_KEY_MAX];

    if (name.len == 0 || name.len > REFERRAL_CODE_MAX) {
        return 0;
    }

    len = store_code_key(c->t, c->order.program, name, key);

    return store_get(c->t, STORE_CODE, key, len, &v)
           && store_code_parse(&v, code) == 0;
}


/* The code of a touch; in open programs one more when it is new. */

static int
store_touched_code(store_case_t *c, referral_str_t name,
    referral_code_t *code)
{
    if (store_code_by_name(c, name, code)) {
        return code->status != REFERRAL_STATUS_ENDED;
    }

    if (!c->rules->rules.open || name.len == 0 || c->t->rc != 0) {
        return 0;
    }

    memset(code, 0, sizeof(referral_code_t));
    code->id = store_open_code(c->t, c->order.program, name, c->now);

    return 1;
}


static int
store_in_window(const store_case_t *c, int64_t ms)
{
    return c->order.row.when - ms
           < (int64_t) c->rules->rules.window * 1000;
}


static int
store_by_token(store_case_t *c, const referral_event_t *event)
{
    unsigned                  model;
    referral_code_t           code, first;
    const referral_credit_t  *touch;

    if (event->token == REFERRAL_TOKEN_EXPIRED) {
        store_reason(c, REFERRAL_REASON_TOKEN_EXPIRED);
    }

    if (event->token == REFERRAL_TOKEN_INVALID) {
        store_reason(c, REFERRAL_REASON_TOKEN_INVALID);
    }

    if (event->token != REFERRAL_TOKEN_VALID) {
        return 0;
    }

    model = c->rules->rules.model;
    touch = (model == REFERRAL_MODEL_FIRST) ? &event->first : &event->last;

    if (!store_in_window(c, touch->time * 1000)) {
        store_reason(c, REFERRAL_REASON_TOKEN_EXPIRED);
        return 0;
    }

    if (!store_touched_code(c, touch->code, &code)) {
        store_reason(c, REFERRAL_REASON_TOKEN_CODE);
        return 0;
    }

    store_credit_code(c, event, &code, REFERRAL_METHOD_TOKEN);

    c->order.channel = touch->channel;
    c->order.row.touch = (uint8_t) model;
    c->order.row.clicked = touch->time * 1000;
    memcpy(c->order.row.click_id, touch->click_id, REFERRAL_CLICK_ID_SIZE);

    if (store_code_by_name(c, event->first.code, &first)) {
        c->order.row.first_code = first.id;
    }

    return 1;
}


static int
store_by_customer(store_case_t *c, const referral_event_t *event)
{
    referral_code_t  code;

    if (!store_bound(c->t, c->order.program, event->customer,
                     c->order.row.when, &code))
    {
        return 0;
    }

    store_credit_code(c, event, &code, REFERRAL_METHOD_CUSTOMER);

    return 1;
}


/*
 * What an event found, a replay has to find: the click is not purged.  A
 * replay itself looks into a store that it does not write.
 */

static void
store_keep_click(store_txn_t *t, const unsigned char *key,
    store_click_row_t *row)
{
    if (!row->kept && t->clicks == t) {
        row->kept = 1;
        store_put(t, STORE_JRNL, key, 8, row, sizeof(store_click_row_t));
    }
}


/* The row of a click that was named: 1, or 0 when there is none. */

static int
store_named_click(store_case_t *c, const unsigned char *id,
    store_click_row_t *row)
{
    MDB_val        v;
    uint64_t       seq;
    unsigned char  key[8];

    if (!store_get(c->t, STORE_CLK, id, REFERRAL_CLICK_ID_SIZE, &v)
        || v.mv_size != sizeof(seq))
    {
        return 0;
    }

    memcpy(&seq, v.mv_data, sizeof(seq));
    store_be64(key, seq);

    if (!store_get(c->t->clicks, STORE_JRNL, key, sizeof(key), &v)
        || v.mv_size != sizeof(store_click_row_t))
    {
        return 0;
    }

    memcpy(row, v.mv_data, sizeof(store_click_row_t));

    if (row->type != REFERRAL_RECORD_CLICK
        || row->program != c->order.program)
    {
        return 0;
    }

    store_keep_click(c->t, key, row);

    return 1;
}


static int
store_by_click(store_case_t *c, const referral_event_t *event)
{
    referral_str_t               channel;
    referral_code_t              code;
    store_click_row_t            row;

    if (referral_click_id_none(event->click_id)) {
        return 0;
    }

    if (!store_named_click(c, event->click_id, &row)
        || row.time > c->order.row.when + STORE_SKEW)
    {
        store_reason(c, REFERRAL_REASON_CLICK_UNKNOWN);
        return 0;
    }

    if (row.class != REFERRAL_CLASS_HUMAN
        && row.class != REFERRAL_CLASS_SUSPECT
        && row.class != REFERRAL_CLASS_SELF)
    {
        store_reason(c, REFERRAL_REASON_CLICK_CLASS);
        return 0;
    }

    if (!store_in_window(c, row.time)) {
        store_reason(c, REFERRAL_REASON_CLICK_EXPIRED);
        return 0;
    }

    if (!store_code_by_id(c->t, row.code, &code)
        || code.status == REFERRAL_STATUS_ENDED)
    {
        store_reason(c, REFERRAL_REASON_CODE_ENDED);
        return 0;
    }

    store_credit_code(c, event, &code, REFERRAL_METHOD_CLICK);

    channel = store_label(c->t->clicks, c->order.program, STORE_DIM_CHANNEL,
                          row.channel);
    c->order.channel.len = (channel.len < REFERRAL_CHANNEL_MAX)
                           ? channel.len : REFERRAL_CHANNEL_MAX;
    c->order.channel.data = c->copy;
    memcpy(c->copy, channel.data, c->order.channel.len);

    c->order.row.clicked = row.time;
    memcpy(c->order.row.click_id, event->click_id, REFERRAL_CLICK_ID_SIZE);

    return 1;
}


static int
store_by_coupon(store_case_t *c, const referral_event_t *event)
{
    referral_code_t  code;

    if (event->coupon.len == 0) {
        return 0;
    }

    if (!store_code_by_name(c, event->coupon, &code)) {
        store_reason(c, REFERRAL_REASON_CODE_UNKNOWN);
        return 0;
    }

    if (code.status != REFERRAL_STATUS_ACTIVE) {
        store_reason(c, REFERRAL_REASON_CODE_ENDED);
        return 0;
    }

    store_credit_code(c, event, &code, REFERRAL_METHOD_CODE);

    return 1;
}


void
store_attribute(store_case_t *c, const referral_event_t *event)
{
    if (store_by_token(c, event)
        || store_by_customer(c, event)
        || store_by_click(c, event)
        || store_by_coupon(c, event))
    {
        return;
    }

    if (c->order.row.reasons == 0) {
        store_reason(c, REFERRAL_REASON_NO_EVIDENCE);
    }
}
