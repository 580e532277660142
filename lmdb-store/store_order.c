/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Rows of orders and rewards: a struct of fixed size, then what has a length.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_internal.h"


static size_t
store_order_key(unsigned char *key, uint32_t program, referral_str_t order_id)
{
    store_be32(key, program);
    memcpy(key + 4, order_id.data, order_id.len);

    return 4 + order_id.len;
}


/* The next part of a row, copied out when there is where to. */

static const unsigned char *
store_take(const unsigned char *p, void *out, size_t len)
{
    memcpy(out, p, len);

    return p + len;
}


static const unsigned char *
store_take_str(const unsigned char *p, referral_str_t *s, size_t len)
{
    s->data = p;
    s->len = len;

    return p + len;
}


int
store_order_parse(const MDB_val *value, store_order_row_t *order)
{
    size_t                size;
    store_order_t         read, *row;
    const unsigned char  *p;

    row = &read;

    if (value->mv_size < sizeof(store_order_t)) {
        return -1;
    }

    p = store_take(value->mv_data, row, sizeof(store_order_t));

    size = sizeof(store_order_t) + row->nrewards * sizeof(uint64_t)
           + (row->ncounted + row->ncontests) * sizeof(uint16_t)
           + row->channel_len + row->customer_len;

    if (row->version != 1 || value->mv_size != size
        || (row->status >= REFERRAL_EVENT_STATUSES
            && row->status != REFERRAL_EVENT_AWAITED)
        || row->nrewards > REFERRAL_REWARDS_MAX
        || row->ncounted > REFERRAL_REWARDS_MAX
        || row->ncontests > REFERRAL_CONTESTS_MAX
        || row->channel_len > REFERRAL_CHANNEL_MAX
        || row->customer_len > REFERRAL_ID_MAX)
    {
        return -1;
    }

    /* what is no order leaves no count that somebody could go by */

    order->row = read;

    p = store_take(p, order->rewards, row->nrewards * sizeof(uint64_t));
    p = store_take(p, order->counted, row->ncounted * sizeof(uint16_t));
    p = store_take(p, order->contests, row->ncontests * sizeof(uint16_t));
    p = store_take_str(p, &order->channel, row->channel_len);
    (void) store_take_str(p, &order->customer, row->customer_len);

    return 0;
}


/* Copied to where it stays, when there is such a place. */

static int
store_settle(store_txn_t *t, const void *key, size_t len, unsigned db,
    unsigned char *copy, size_t max, MDB_val *v)
{
    if (!store_get(t, db, key, len, v)) {
        return 0;
    }

    if (copy != NULL && v->mv_size <= max) {
        memcpy(copy, v->mv_data, v->mv_size);
        v->mv_data = copy;
    }

    return 1;
}


int
store_order_get(store_txn_t *t, uint32_t program, referral_str_t order_id,
    unsigned char *copy, store_order_row_t *order)
{
    size_t         len;
    MDB_val        v;
    unsigned char  key[4 + REFERRAL_ID_MAX];

    if (order_id.len == 0 || order_id.len > REFERRAL_ID_MAX) {
        return 0;
    }

    len = store_order_key(key, program, order_id);

    if (!store_settle(t, key, len, STORE_ORD, copy, STORE_ORDER_SIZE, &v)) {
        return 0;
    }

    if (store_order_parse(&v, order) != 0) {
        store_fail(t, MDB_CORRUPTED, "an order");
        return 0;
    }

    order->program = program;
    order->order_id = order_id;

    return 1;
}


void
store_order_put(store_txn_t *t, store_order_row_t *order)
{
    size_t          len;
    store_order_t  *row;
    unsigned char   key[4 + REFERRAL_ID_MAX], value[STORE_ORDER_SIZE], *p;

    row = &order->row;
    row->version = 1;
    row->channel_len = (uint8_t) order->channel.len;
    row->customer_len = (uint8_t) order->customer.len;

    p = mempcpy(value, row, sizeof(store_order_t));
    p = mempcpy(p, order->rewards, row->nrewards * sizeof(uint64_t));
    p = mempcpy(p, order->counted, row->ncounted * sizeof(uint16_t));
    p = mempcpy(p, order->contests, row->ncontests * sizeof(uint16_t));
    p = mempcpy(p, order->channel.data, order->channel.len);
    p = mempcpy(p, order->customer.data, order->customer.len);

    len = store_order_key(key, order->program, order->order_id);
    store_put(t, STORE_ORD, key, len, value, (size_t) (p - value));
}


int
store_reward_parse(const MDB_val *value, store_reward_row_t *reward)
{
    store_reward_t       *row;
    const unsigned char  *p;

    row = &reward->row;

    if (value->mv_size < sizeof(store_reward_t)) {
        return -1;
    }

    p = store_take(value->mv_data, row, sizeof(store_reward_t));

    if (row->version != 1 || row->state >= REFERRAL_REWARD_STATES
        || row->value_len > REFERRAL_VALUE_MAX
        || row->customer_len > REFERRAL_ID_MAX
        || row->order_len > REFERRAL_ID_MAX
        || row->reason_len > REFERRAL_ID_MAX
        || value->mv_size != sizeof(store_reward_t) + row->value_len
                             + row->customer_len + row->order_len
                             + row->reason_len)
    {
        return -1;
    }

    p = store_take_str(p, &reward->value, row->value_len);
    p = store_take_str(p, &reward->customer, row->customer_len);
    p = store_take_str(p, &reward->order_id, row->order_len);
    (void) store_take_str(p, &reward->reason, row->reason_len);

    return 0;
}


static void
store_reward_key(unsigned char *key, uint32_t program, uint64_t id)
{
    store_be32(key, program);
    store_be64(key + 4, id);
}


int
store_reward_get(store_txn_t *t, uint32_t program, uint64_t id,
    unsigned char *copy, store_reward_row_t *reward)
{
    MDB_val        v;
    unsigned char  key[12];

    store_reward_key(key, program, id);

    if (!store_settle(t, key, sizeof(key), STORE_RWD, copy, STORE_REWARD_SIZE,
                      &v))
    {
        return 0;
    }

    if (store_reward_parse(&v, reward) != 0) {
        store_fail(t, MDB_CORRUPTED, "a reward");
        return 0;
    }

    reward->program = program;
    reward->id = id;

    return 1;
}


void
store_reward_put(store_txn_t *t, store_reward_row_t *reward)
{
    store_reward_t  *row;
    unsigned char    key[12], value[STORE_REWARD_SIZE], *p;

    row = &reward->row;
    row->version = 1;
    row->value_len = (uint8_t) reward->value.len;
    row->customer_len = (uint8_t) reward->customer.len;
    row->order_len = (uint8_t) reward->order_id.len;
    row->reason_len = (uint8_t) reward->reason.len;

    p = mempcpy(value, row, sizeof(store_reward_t));
    p = mempcpy(p, reward->value.data, reward->value.len);
    p = mempcpy(p, reward->customer.data, reward->customer.len);
    p = mempcpy(p, reward->order_id.data, reward->order_id.len);
    p = mempcpy(p, reward->reason.data, reward->reason.len);

    store_reward_key(key, reward->program, reward->id);
    store_put(t, STORE_RWD, key, sizeof(key), value, (size_t) (p - value));
}
