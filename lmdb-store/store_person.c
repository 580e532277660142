/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What of the journal has to do with a person: it is read twice, first for
 * the codes that are or were theirs, then for the records that change.
 */

#include <errno.h>
#include <stdlib.h>

#include "store_erase.h"


static int
store_erase_compare_codes(const void *one, const void *two)
{
    int                        rc;
    const store_erase_code_t  *a = one, *b = two;

    rc = memcmp(a->key, b->key, (a->len < b->len) ? a->len : b->len);

    return (rc != 0) ? rc : (int) a->len - (int) b->len;
}


/* The code of that key: NULL, it was never theirs. */

static store_erase_code_t *
store_erase_find(const store_erase_t *e, const unsigned char *key, size_t len)
{
    store_erase_code_t  code;

    if (e->ncodes == 0) {
        return NULL;
    }

    memcpy(code.key, key, len);
    code.len = (uint8_t) len;

    return bsearch(&code, e->codes, e->ncodes, sizeof(code),
                   store_erase_compare_codes);
}


/* Room for one more: 1, or 0 when the transaction has failed. */

static int
store_erase_grow(store_txn_t *t, void **items, size_t n, size_t *max,
    size_t size)
{
    void  *more;

    if (n < *max) {
        return 1;
    }

    more = realloc(*items, (*max * 2 + 64) * size);

    if (more == NULL) {
        store_fail(t, ENOMEM, "malloc()");
        return 0;
    }

    *items = more;
    *max = *max * 2 + 64;

    return 1;
}


static void
store_erase_add(store_erase_t *e, uint64_t seq, unsigned text)
{
    if (store_erase_grow(e->t, (void **) &e->records, e->nrecords,
                         &e->max_records, sizeof(uint64_t)))
    {
        e->records[e->nrecords++] = seq * 2 + text;
    }
}


/* A record of the program that is no click: 1, or 0. */

static int
store_erase_decode(const store_erase_t *e, const MDB_val *v,
    referral_record_t *record)
{
    if (v->mv_size == 0
        || *(unsigned char *) v->mv_data == REFERRAL_RECORD_CLICK)
    {
        return 0;
    }

    if (store_decode(v->mv_data, v->mv_size, record) != 0) {
        store_fail(e->t, MDB_CORRUPTED, "the journal");
        return 0;
    }

    switch (record->type) {

    case REFERRAL_RECORD_CODE:
        return record->u.code.program == e->program;

    case REFERRAL_RECORD_EVENT:
        return record->u.event.program == e->program;

    case REFERRAL_RECORD_REFUND:
        return record->u.refund.program == e->program;

    case REFERRAL_RECORD_DECISION:
        return record->u.decision.program == e->program;

    default:
        return 0;
    }
}


/* First: which codes are, or were, the person's. */

static int
store_erase_owns(void *data, const MDB_val *k, const MDB_val *v)
{
    store_erase_t       *e;
    referral_record_t    record;
    store_erase_code_t  *code;
    unsigned char        key[STORE_KEY_MAX];

    (void) k;
    e = data;

    if (*(unsigned char *) v->mv_data != REFERRAL_RECORD_CODE
        || !store_erase_decode(e, v, &record)
        || !store_same(record.u.code.owner, e->person)
        || !store_erase_grow(e->t, (void **) &e->codes, e->ncodes,
                             &e->max_codes, sizeof(store_erase_code_t)))
    {
        return e->t->rc;
    }

    code = &e->codes[e->ncodes++];
    memset(code, 0, sizeof(store_erase_code_t));

    code->len = (uint8_t) store_code_key(e->t, e->program, record.u.code.code,
                                         key);
    memcpy(code->key, key, code->len);

    return e->t->rc;
}


static void
store_erase_sort_codes(store_erase_t *e)
{
    size_t  i, n;

    if (e->ncodes == 0) {
        return;
    }

    qsort(e->codes, e->ncodes, sizeof(store_erase_code_t),
          store_erase_compare_codes);

    for (i = 1, n = 1; i < e->ncodes; i++) {
        if (store_erase_compare_codes(&e->codes[i], &e->codes[n - 1]) != 0) {
            e->codes[n++] = e->codes[i];
        }
    }

    e->ncodes = n;
}


/* A name is theirs when the code was, at any time while it had that name. */

static void
store_erase_code(store_erase_t *e, uint64_t seq,
    const referral_code_change_t *change)
{
    size_t               len;
    unsigned             theirs;
    unsigned char        key[STORE_KEY_MAX];
    store_erase_code_t  *code;

    theirs = store_same(change->owner, e->person);
    len = store_code_key(e->t, e->program, change->code, key);
    code = store_erase_find(e, key, len);

    if (code == NULL) {
        e->again |= theirs;
        return;
    }

    if (theirs) {
        store_erase_add(e, seq, 0);
    }

    if (change->set & REFERRAL_SET_OWNER) {
        code->owned = (uint8_t) theirs;
    }

    if (change->set & REFERRAL_SET_NAME) {
        code->named = (change->name.len != 0) ? seq : 0;
        code->nameless = 0;
    }

    if (code->owned && code->named != 0) {
        store_erase_add(e, code->named, STORE_ERASE_TEXT);
        code->named = 0;
        code->nameless = 1;
    }
}


static int
store_erase_ordered(store_erase_t *e, referral_str_t order_id,
    store_order_row_t *order)
{
    return store_order_get(e->t, e->program, order_id, NULL, order)
           && store_same(order->customer, e->person);
}


/* Reasons are free text: what is said of the person goes. */

static int
store_erase_decided(store_erase_t *e, const referral_decision_t *decision)
{
    MDB_val             v;
    store_order_row_t   order;
    store_reward_row_t  reward;
    unsigned char       id[4];

    if (decision->reason.len == 0) {
        return 0;
    }

    if (decision->reward == 0) {
        return store_erase_ordered(e, decision->order_id, &order);
    }

    if (!store_reward_get(e->t, e->program, decision->reward, NULL, &reward)) {
        return 0;
    }

    if (store_same(reward.customer, e->person)) {
        return 1;
    }

    store_be32(id, reward.row.code);

    return reward.row.to == REFERRAL_TO_REFERRER
           && store_get(e->t, STORE_CID, id, sizeof(id), &v)
           && store_erase_find(e, v.mv_data, v.mv_size) != NULL;
}


/* Second: which records change. */

static int
store_erase_reads(void *data, const MDB_val *k, const MDB_val *v)
{
    uint64_t            seq;
    store_erase_t      *e;
    referral_record_t   record;
    store_order_row_t   order;

    e = data;

    if (k->mv_size != sizeof(seq)) {
        return store_corrupt(e->t, "a place in the journal");
    }

    seq = store_get_be64(k->mv_data);
    e->last = seq;

    if (!store_erase_decode(e, v, &record)) {
        return e->t->rc;
    }

    if (record.type == REFERRAL_RECORD_CODE) {
        store_erase_code(e, seq, &record.u.code);

    } else if (record.type == REFERRAL_RECORD_EVENT) {

        if (store_same(record.u.event.customer, e->person)) {
            store_erase_add(e, seq, 0);

            /* its refunds came before, when nobody knew whose they are */

            e->again |= e->tail
                && store_erase_ordered(e, record.u.event.order_id, &order)
                && (order.row.reasons & REFERRAL_REASON_EARLY_REFUND);
        }

    } else if (record.type == REFERRAL_RECORD_REFUND) {

        if (record.u.refund.reason.len != 0
            && store_erase_ordered(e, record.u.refund.order_id, &order))
        {
            store_erase_add(e, seq, STORE_ERASE_TEXT);
        }

    } else if (store_erase_decided(e, &record.u.decision)) {
        store_erase_add(e, seq, STORE_ERASE_TEXT);
    }

    return e->t->rc;
}


static void
store_erase_walk(store_erase_t *e, store_walk_pt visit)
{
    unsigned char  from[8];

    store_be64(from, e->last + 1);
    store_walk(e->t, STORE_JRNL, from, sizeof(from), 0, visit, e);
}


void
store_erase_tail(store_erase_t *e)
{
    e->tail = 1;
    store_erase_walk(e, store_erase_reads);
}


referral_rc_t
store_erase_snapshot(store_erase_t *e, referral_store_t *store,
    referral_error_t *err)
{
    store_txn_t  t;

    e->ncodes = 0;
    e->nrecords = 0;
    e->last = 0;
    e->tail = 0;
    e->again = 0;

    if (store_begin(&t, store, MDB_RDONLY) == 0) {
        e->t = &t;
        store_erase_walk(e, store_erase_owns);
        store_erase_sort_codes(e);
        store_erase_walk(e, store_erase_reads);
        store_abort(&t);
    }

    return store_failed(&t, err);
}
