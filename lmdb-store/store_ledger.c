/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading what became of events: conversions and refunds.
 */

#include "store_internal.h"


static const char  *store_reason_names[] = {
    "no_evidence", "token_expired", "token_invalid", "token_code_unknown",
    "click_unknown", "click_expired", "click_not_human", "code_unknown",
    "code_ended", "self_referral", "below_minimum", "once_per_customer",
    "customer_missing", "refunded_before", "refund_cut", "voided", "released",
    "velocity", "too_soon", "before_click", "per_click", "over_amount"
};

static const char  *store_method_names[] = {
    "none", "token", "customer", "click_id", "code"
};

static const char  *store_event_names[] = {
    "pending", "approved", "held", "refunded", "unattributed", "rejected"
};

static const char  *store_reward_names[] = {
    "pending", "held", "approved", "claimed", "void"
};

_Static_assert(sizeof(store_reason_names) / sizeof(char *)
               == REFERRAL_REASONS, "a reason without a name");
_Static_assert(sizeof(store_method_names) / sizeof(char *)
               == REFERRAL_METHOD_CODE + 1, "a method without a name");
_Static_assert(sizeof(store_event_names) / sizeof(char *)
               == REFERRAL_EVENT_STATUSES, "a status without a name");
_Static_assert(sizeof(store_reward_names) / sizeof(char *)
               == REFERRAL_REWARD_STATES, "a state without a name");

/* Walks of this file: what their rows are made into, and for whom. */

typedef struct {
    store_txn_t                   *t;
    uint32_t                       program;
    size_t                         prefix;     /* of keys */
    referral_conversion_visit_pt   conversion;
    referral_refund_visit_pt       refund;
    void                          *data;
} store_list_t;


const char *
referral_reason_name(unsigned bit)
{
    return (bit < REFERRAL_REASONS) ? store_reason_names[bit] : "";
}


const char *
referral_method_name(unsigned method)
{
    return (method <= REFERRAL_METHOD_CODE) ? store_method_names[method] : "";
}


const char *
referral_event_status_name(unsigned status)
{
    if (status == REFERRAL_EVENT_AWAITED) {
        return "awaited";
    }

    return (status < REFERRAL_EVENT_STATUSES) ? store_event_names[status]
                                              : "";
}


const char *
referral_reward_state_name(unsigned state)
{
    return (state < REFERRAL_REWARD_STATES) ? store_reward_names[state] : "";
}


/* ---------------------------------------------------------- conversions -- */

static void
store_conversion(store_txn_t *t, const store_order_row_t *order,
    referral_conversion_t *out)
{
    const store_order_t  *row;

    row = &order->row;
    memset(out, 0, sizeof(referral_conversion_t));

    out->seq = row->seq;
    out->order_id = order->order_id;
    out->event = store_name(t, order->program, STORE_NAME_EVENT, row->event);
    out->status = row->status;
    out->method = row->method;
    out->source = row->source;
    out->touch = row->touch;
    out->reasons = row->reasons;
    out->code_id = row->code;
    out->code = store_code_name(t, row->code);
    out->first_code = store_code_name(t, row->first_code);
    out->channel = order->channel;
    out->customer = order->customer;
    memcpy(out->click_id, row->click_id, sizeof(out->click_id));
    out->clicked = row->clicked;
    out->time = row->time;
    out->occurred = row->occurred;
    out->approves = row->due;
    out->changed = row->changed;
    out->has_amount = (row->flags & STORE_ORDER_AMOUNT) != 0;
    out->currency = row->currency;
    out->amount = row->amount;
    out->refunded = row->refunded;
    out->points = row->points;
    out->nrewards = row->nrewards;
    memcpy(out->rewards, order->rewards, row->nrewards * sizeof(uint64_t));
}


referral_rc_t
referral_conversion_get(referral_snapshot_t *snap, uint32_t program,
    referral_str_t order_id, referral_conversion_t *out)
{
    store_txn_t        *t;
    store_order_row_t   order;

    t = &snap->t;

    if (!store_order_get(t, program, order_id, NULL, &order)
        || order.row.status == REFERRAL_EVENT_AWAITED)
    {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    store_conversion(t, &order, out);

    return store_rc(t->rc);
}


static int
store_list_order(void *data, const MDB_val *key, const MDB_val *value)
{
    store_list_t           *list;
    store_order_row_t       order;
    referral_conversion_t   out;

    list = data;

    if (key->mv_size < 5 || key->mv_size > 4 + REFERRAL_ID_MAX
        || store_order_parse(value, &order) != 0)
    {
        return store_corrupt(list->t, "an order");
    }

    if (order.row.status == REFERRAL_EVENT_AWAITED) {
        return 0;
    }

    order.program = list->program;
    order.order_id.data = (unsigned char *) key->mv_data + 4;
    order.order_id.len = key->mv_size - 4;

    store_conversion(list->t, &order, &out);

    return list->t->rc ? 1 : list->conversion(list->data, &out);
}


referral_rc_t
referral_conversion_list(referral_snapshot_t *snap, uint32_t program,
    referral_str_t after, referral_conversion_visit_pt visit, void *data)
{
    size_t         len;
    store_list_t   list;
    unsigned char  key[4 + REFERRAL_ID_MAX + 1];

    memset(&list, 0, sizeof(store_list_t));
    list.t = &snap->t;
    list.program = program;
    list.conversion = visit;
    list.data = data;

    store_be32(key, program);
    len = 4;

    /* what comes next after a key is that key and a zero */

    if (after.len != 0) {
        len = (after.len < REFERRAL_ID_MAX) ? after.len : REFERRAL_ID_MAX;
        memcpy(key + 4, after.data, len);
        key[4 + len] = '\0';
        len += 5;
    }

    store_walk(list.t, STORE_ORD, key, len, 4, store_list_order, &list);

    return store_rc(list.t->rc);
}


static int
store_list_held(void *data, const MDB_val *key, const MDB_val *value)
{
    store_list_t           *list;
    referral_str_t          order_id;
    store_order_row_t       order;
    referral_conversion_t   out;

    list = data;
    order_id.data = value->mv_data;
    order_id.len = value->mv_size;

    if (key->mv_size != 12
        || !store_order_get(list->t, list->program, order_id, NULL,
                            &order))
    {
        return store_corrupt(list->t, "a held order");
    }

    store_conversion(list->t, &order, &out);

    return list->t->rc ? 1 : list->conversion(list->data, &out);
}


referral_rc_t
referral_conversion_held(referral_snapshot_t *snap, uint32_t program,
    uint64_t after, referral_conversion_visit_pt visit, void *data)
{
    store_list_t   list;
    unsigned char  key[12];

    memset(&list, 0, sizeof(store_list_t));
    list.t = &snap->t;
    list.program = program;
    list.conversion = visit;
    list.data = data;

    if (after != UINT64_MAX) {
        store_be32(key, program);
        store_be64(key + 4, after + 1);
        store_walk(list.t, STORE_HLD, key, sizeof(key), 4, store_list_held,
                   &list);
    }

    return store_rc(list.t->rc);
}


/* -------------------------------------------------------------- refunds -- */

#define STORE_REFUND_KEY  (4 + REFERRAL_ID_MAX + 1 + REFERRAL_ID_MAX)


/* prog4 order 0; the refund's id follows.  0: no such order can be. */

static size_t
store_refunds_key(unsigned char *key, uint32_t program,
    referral_str_t order_id)
{
    if (order_id.len == 0 || order_id.len > REFERRAL_ID_MAX) {
        return 0;
    }

    store_be32(key, program);
    memcpy(key + 4, order_id.data, order_id.len);
    key[4 + order_id.len] = '\0';

    return 4 + order_id.len + 1;
}


static int
store_refund_parse(const MDB_val *value, referral_refund_info_t *out)
{
    store_refund_t  row;

    if (value->mv_size < sizeof(row)) {
        return -1;
    }

    memcpy(&row, value->mv_data, sizeof(row));

    if (row.version != 1 || row.reason_len > REFERRAL_ID_MAX
        || value->mv_size != sizeof(row) + row.reason_len)
    {
        return -1;
    }

    out->reason.data = (unsigned char *) value->mv_data + sizeof(row);
    out->reason.len = row.reason_len;
    out->time = row.time;
    out->amount = row.amount;
    out->whole = (row.flags & REFERRAL_REFUND_WHOLE) != 0;

    return 0;
}


static int
store_list_refund(void *data, const MDB_val *key, const MDB_val *value)
{
    store_list_t            *list;
    referral_refund_info_t   out;

    list = data;

    if (key->mv_size == list->prefix || key->mv_size > STORE_REFUND_KEY
        || store_refund_parse(value, &out) != 0)
    {
        return store_corrupt(list->t, "a refund");
    }

    out.refund_id.data = (unsigned char *) key->mv_data + list->prefix;
    out.refund_id.len = key->mv_size - list->prefix;

    return list->refund(list->data, &out);
}


referral_rc_t
referral_refund_list(referral_snapshot_t *snap, uint32_t program,
    referral_str_t order_id, referral_refund_visit_pt visit, void *data)
{
    store_list_t   list;
    unsigned char  key[STORE_REFUND_KEY];

    memset(&list, 0, sizeof(store_list_t));
    list.t = &snap->t;
    list.refund = visit;
    list.data = data;
    list.prefix = store_refunds_key(key, program, order_id);

    if (list.prefix != 0) {
        store_walk(list.t, STORE_RFD, key, list.prefix, list.prefix,
                   store_list_refund, &list);
    }

    return store_rc(list.t->rc);
}


referral_rc_t
referral_refund_get(referral_snapshot_t *snap, uint32_t program,
    referral_str_t order_id, referral_str_t refund_id,
    referral_refund_info_t *out)
{
    size_t          len;
    MDB_val         v;
    store_txn_t    *t;
    unsigned char   key[STORE_REFUND_KEY];

    t = &snap->t;
    len = store_refunds_key(key, program, order_id);

    if (len == 0 || refund_id.len == 0 || refund_id.len > REFERRAL_ID_MAX) {
        return REFERRAL_NOT_FOUND;
    }

    memcpy(key + len, refund_id.data, refund_id.len);

    if (!store_get(t, STORE_RFD, key, len + refund_id.len, &v)) {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    if (store_refund_parse(&v, out) != 0) {
        (void) store_corrupt(t, "a refund");
    }

    out->refund_id = refund_id;

    return store_rc(t->rc);
}
