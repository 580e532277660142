/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A pseudonym takes the place of an id, in whatever row it stands.
 */

#include "store_erase.h"


int
store_is_pseudonym(referral_str_t id)
{
    return id.len == STORE_PSEUDONYM_LEN
           && memcmp(id.data, STORE_PSEUDONYM, sizeof(STORE_PSEUDONYM) - 1)
              == 0;
}


/* The row of a key becomes that of another: 1, or 0 when there is none. */

static int
store_rename_row(store_txn_t *t, unsigned db, const unsigned char *old,
    size_t len, const unsigned char *new, size_t new_len)
{
    MDB_val        v;
    unsigned char  copy[sizeof(store_binding_t) + REFERRAL_ID_MAX];

    if (!store_get(t, db, old, len, &v)) {
        return 0;
    }

    if (v.mv_size > sizeof(copy)) {
        return !store_corrupt(t, "what is known of a customer");
    }

    memcpy(copy, v.mv_data, v.mv_size);
    store_delete(t, db, old, len);
    store_put(t, db, new, new_len, copy, v.mv_size);

    return 1;
}


/* ---------------------------------------------------------------- events -- */

static void
store_rename_reward(store_erase_t *e, uint64_t id)
{
    size_t              len, new_len;
    referral_str_t      none;
    store_reward_row_t  reward;
    unsigned char       copy[STORE_REWARD_SIZE];
    unsigned char       key[STORE_LIMIT_KEY], new[STORE_LIMIT_KEY];

    if (!store_reward_get(e->t, e->program, id, copy, &reward)
        || !store_same(reward.customer, e->person))
    {
        return;
    }

    none = store_str("");
    len = store_limit_key(key, &reward);
    reward.customer = e->pseudonym;
    reward.reason = none;
    new_len = store_limit_key(new, &reward);

    if (reward.row.to == REFERRAL_TO_FRIEND) {
        (void) store_rename_row(e->t, STORE_CNT, key, len, new, new_len);
    }

    store_reward_put(e->t, &reward);
    e->erased->rewards++;
}


/* The fingerprint too: whoever guesses the id could tell by it. */

static void
store_rename_event(store_erase_t *e, referral_event_t *event)
{
    unsigned           i;
    store_order_row_t  order;
    unsigned char      copy[STORE_ORDER_SIZE];

    if (!store_order_get(e->t, e->program, event->order_id, copy, &order)
        || !store_same(order.customer, e->person))
    {
        store_fail(e->t, MDB_CORRUPTED, "an event without its row");
        return;
    }

    event->customer = e->pseudonym;
    order.customer = e->pseudonym;
    order.row.content = store_content(e->t, event);
    store_order_put(e->t, &order);
    e->erased->events++;

    for (i = 0; i < order.row.nrewards; i++) {
        store_rename_reward(e, order.rewards[i]);
    }
}


/* --------------------------------------------------------------- reasons -- */

static void
store_forget_refund(store_erase_t *e, referral_refund_t *refund)
{
    size_t          len;
    MDB_val         v;
    store_refund_t  row;
    unsigned char   key[STORE_REFUND_KEY];

    refund->reason.len = 0;
    len = store_refund_key(key, refund);

    if (!store_get(e->t, STORE_RFD, key, len, &v) || v.mv_size < sizeof(row))
    {
        store_fail(e->t, MDB_CORRUPTED, "a refund without its row");
        return;
    }

    memcpy(&row, v.mv_data, sizeof(row));
    row.reason_len = 0;
    store_put(e->t, STORE_RFD, key, len, &row, sizeof(row));
}


static void
store_forget_decision(store_erase_t *e, referral_decision_t *decision)
{
    store_reward_row_t  reward;
    unsigned char       copy[STORE_REWARD_SIZE];

    decision->reason.len = 0;

    if (decision->reward != 0
        && store_reward_get(e->t, e->program, decision->reward, copy, &reward)
        && reward.reason.len != 0)
    {
        reward.reason.len = 0;
        store_reward_put(e->t, &reward);
    }
}


/* --------------------------------------------------------------- records -- */

void
store_erase_record(store_erase_t *e, uint64_t seq, unsigned text)
{
    size_t                   size;
    MDB_val                  v;
    referral_record_t        record;
    unsigned char            key[8], old[STORE_RECORD_MAX];
    unsigned char            new[STORE_RECORD_MAX];

    store_be64(key, seq);
    memset(&record, 0, sizeof(record));

    if (!store_get(e->t, STORE_JRNL, key, sizeof(key), &v)
        || v.mv_size > sizeof(old)
        || store_decode(memcpy(old, v.mv_data, v.mv_size), v.mv_size, &record)
           != 0)
    {
        store_fail(e->t, MDB_CORRUPTED, "the journal");
        return;
    }

    switch (record.type) {

    case REFERRAL_RECORD_CODE:
        if (store_same(record.u.code.owner, e->person)) {
            record.u.code.owner = e->pseudonym;
        }

        if (text) {
            record.u.code.name.len = 0;
        }

        break;

    case REFERRAL_RECORD_EVENT:
        store_rename_event(e, &record.u.event);
        break;

    case REFERRAL_RECORD_REFUND:
        store_forget_refund(e, &record.u.refund);
        break;

    default:
        store_forget_decision(e, &record.u.decision);
    }

    size = store_encode(&record, new);
    store_put(e->t, STORE_JRNL, key, sizeof(key), new, size);
    e->erased->records++;
}


/* ----------------------------------------------------------------- codes -- */

/* As whoever ends a code does, with a record of the journal. */

static void
store_erase_end(store_erase_t *e, referral_str_t code)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_CODE;
    record.time = e->now;
    record.u.code.program = e->program;
    record.u.code.code = code;
    record.u.code.set = REFERRAL_SET_STATUS | REFERRAL_CODE_OLD;
    record.u.code.status = REFERRAL_STATUS_ENDED;

    (void) store_apply(e->t, &record);
}


void
store_erase_code_row(store_erase_t *e, const store_erase_code_t *code)
{
    unsigned         theirs;
    referral_str_t   name;
    referral_code_t  old, new;
    unsigned char    copy[STORE_CODE_SIZE];

    name.data = code->key + 4;
    name.len = code->len - 4u;

    if (!store_copy_code(e->t, e->program, name, copy, &old)) {
        store_fail(e->t, MDB_CORRUPTED, "a code without its row");
        return;
    }

    new = old;
    theirs = store_same(old.owner, e->person);

    if (theirs) {
        new.owner = e->pseudonym;
        e->erased->codes++;
    }

    if (code->nameless) {
        new.name.len = 0;
    }

    store_change_owner(e->t, e->program, &old, &new);
    store_put_code(e->t, e->program, &new);

    if (theirs && old.status != REFERRAL_STATUS_ENDED) {
        store_erase_end(e, old.code);
    }
}


/* ------------------------------------------------------------- customers -- */

/* Event 0: the code they are bound to; others: the place they hold. */

void
store_erase_customer(store_erase_t *e)
{
    size_t         len, new_len;
    uint16_t       event;
    unsigned char  key[STORE_CUSTOMER_KEY], new[STORE_CUSTOMER_KEY];

    event = 0;

    do {
        len = store_customer_key(key, e->program, event, e->person);
        new_len = store_customer_key(new, e->program, event, e->pseudonym);
        (void) store_rename_row(e->t, STORE_CUS, key, len, new, new_len);
        event++;

    } while (store_name(e->t, e->program, STORE_NAME_EVENT, event).len != 0);
}
