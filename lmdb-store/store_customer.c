/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is known of a customer: the code they are bound to, and the only event
 * of a kind that counts for them.
 */

#include "store_case.h"


size_t
store_customer_key(unsigned char *key, uint32_t program, uint16_t event,
    referral_str_t customer)
{
    store_be32(key, program);
    store_be16(key + 4, event);
    memcpy(key + 6, customer.data, customer.len);

    return 6 + customer.len;
}


/* A binding holds until its time is over or its code has ended. */

int
store_bound(store_txn_t *t, uint32_t program, referral_str_t customer,
    int64_t when, referral_code_t *code)
{
    MDB_val          v;
    store_binding_t  bound;
    unsigned char    key[STORE_CUSTOMER_KEY];

    if (customer.len == 0
        || !store_get(t, STORE_CUS, key,
                      store_customer_key(key, program, 0, customer), &v)
        || v.mv_size != sizeof(bound))
    {
        return 0;
    }

    memcpy(&bound, v.mv_data, sizeof(bound));

    return when < bound.until
           && store_code_by_id(t, bound.code, code)
           && code->status != REFERRAL_STATUS_ENDED;
}


referral_rc_t
referral_binding_get(referral_snapshot_t *snap, uint32_t program,
    referral_str_t customer, referral_binding_t *out)
{
    MDB_val          v;
    store_txn_t     *t;
    store_binding_t  bound;
    referral_code_t  code;
    unsigned char    key[STORE_CUSTOMER_KEY];

    t = &snap->t;

    if (customer.len == 0 || customer.len > REFERRAL_ID_MAX
        || !store_get(t, STORE_CUS, key,
                      store_customer_key(key, program, 0, customer), &v))
    {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    if (v.mv_size != sizeof(bound)) {
        (void) store_corrupt(t, "what is known of a customer");
        return store_rc(t->rc);
    }

    memcpy(&bound, v.mv_data, sizeof(bound));

    if (!store_code_by_id(t, bound.code, &code)) {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    out->code = code.code;
    out->from = bound.from;
    out->until = bound.until;

    return REFERRAL_OK;
}


void
store_case_bind(store_case_t *c)
{
    store_order_t   *row;
    store_binding_t  bound;
    referral_code_t  code;
    unsigned char    key[STORE_CUSTOMER_KEY];

    row = &c->order.row;

    if (c->rules->rules.bind == 0 || c->order.customer.len == 0
        || row->method == REFERRAL_METHOD_CUSTOMER
        || store_bound(c->t, c->order.program, c->order.customer, row->when,
                       &code))
    {
        return;
    }

    memset(&bound, 0, sizeof(bound));
    bound.version = 1;
    bound.code = row->code;
    bound.from = row->when;
    bound.until = row->when + (int64_t) c->rules->rules.bind * 1000;

    store_put(c->t, STORE_CUS, key,
              store_customer_key(key, c->order.program, 0, c->order.customer),
              &bound, sizeof(bound));
}


/* Whether the customer's only place for such an event is taken: a reason. */

uint32_t
store_place_taken(store_case_t *c)
{
    MDB_val        v;
    unsigned char  key[STORE_CUSTOMER_KEY];

    if (c->rule->once != REFERRAL_ONCE_CUSTOMER) {
        return 0;
    }

    if (c->order.customer.len == 0) {
        return REFERRAL_REASON_NO_CUSTOMER;
    }

    return store_get(c->t, STORE_CUS, key,
                     store_customer_key(key, c->order.program,
                                        c->order.row.event,
                                        c->order.customer), &v)
           ? REFERRAL_REASON_ONCE : 0;
}


void
store_place_take(store_case_t *c)
{
    unsigned char  key[STORE_CUSTOMER_KEY];

    if (c->rule->once == REFERRAL_ONCE_CUSTOMER) {
        store_put(c->t, STORE_CUS, key,
                  store_customer_key(key, c->order.program,
                                     c->order.row.event, c->order.customer),
                  c->order.order_id.data, c->order.order_id.len);
        c->order.row.flags |= STORE_ORDER_ONCE;
    }
}


void
store_place_free(store_case_t *c)
{
    unsigned char  key[STORE_CUSTOMER_KEY];

    if (c->order.row.flags & STORE_ORDER_ONCE) {
        store_delete(c->t, STORE_CUS, key,
                     store_customer_key(key, c->order.program,
                                        c->order.row.event,
                                        c->order.customer));
        c->order.row.flags &= (uint8_t) ~STORE_ORDER_ONCE;
    }
}
