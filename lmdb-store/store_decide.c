/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Decisions about rewards and held events, and holds that passed.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_case.h"


/* --------------------------------------------------------------- rewards -- */

/*
 * The table of referral_records.h, by state and decision: the state that
 * follows; the same one again is a duplicate.
 */

#define STORE_REFUSED  REFERRAL_REWARD_STATES

static const uint8_t  store_reward_table[REFERRAL_REWARD_STATES][3] = {
    [REFERRAL_REWARD_PENDING] = {
        REFERRAL_REWARD_APPROVED, STORE_REFUSED, REFERRAL_REWARD_VOID },
    [REFERRAL_REWARD_HELD] = {
        REFERRAL_REWARD_APPROVED, STORE_REFUSED, REFERRAL_REWARD_VOID },
    [REFERRAL_REWARD_APPROVED] = {
        REFERRAL_REWARD_APPROVED, REFERRAL_REWARD_CLAIMED,
        REFERRAL_REWARD_VOID },
    [REFERRAL_REWARD_CLAIMED] = {
        STORE_REFUSED, REFERRAL_REWARD_CLAIMED, STORE_REFUSED },
    [REFERRAL_REWARD_VOID] = {
        STORE_REFUSED, STORE_REFUSED, REFERRAL_REWARD_VOID }
};


static void
store_decide_reward(store_txn_t *t, const referral_record_t *record,
    referral_result_t *result)
{
    unsigned                    state;
    store_reward_row_t          reward;
    unsigned char               copy[STORE_REWARD_SIZE];
    const referral_decision_t  *decision;

    decision = &record->u.decision;

    if (!store_reward_load(t, decision->program, decision->reward, copy,
                           &reward))
    {
        result->rc = REFERRAL_NOT_FOUND;
        return;
    }

    state = store_reward_table[reward.row.state][decision->what];

    if (state == STORE_REFUSED) {
        result->rc = REFERRAL_STATE;
        return;
    }

    if (state == reward.row.state) {
        return;
    }

    result->created = 1;
    reward.reason = decision->reason;
    (void) store_journal_record(t, record);

    if (state == REFERRAL_REWARD_CLAIMED) {
        store_reward_claim(t, &reward, record->time);
        return;
    }

    if (state == REFERRAL_REWARD_VOID
        && (reward.row.flags & STORE_REWARD_EVERY))
    {
        store_every_skip(t, &reward);
    }

    store_reward_state(t, &reward, state, record->time);
}


/* ---------------------------------------------------------------- events -- */

static void
store_release(store_case_t *c)
{
    store_order_t  *row;

    row = &c->order.row;
    row->reasons |= REFERRAL_REASON_RELEASED;

    store_case_status(c, (row->due <= c->now) ? REFERRAL_EVENT_APPROVED
                                              : REFERRAL_EVENT_PENDING);
    store_case_bind(c);
    store_credit_released(c);
}


static void
store_decide_event(store_txn_t *t, const referral_record_t *record,
    referral_result_t *result)
{
    unsigned                    approve;
    store_case_t                c;
    const referral_decision_t  *decision;

    decision = &record->u.decision;
    approve = (decision->what == REFERRAL_DECIDE_APPROVE);

    if (!store_case_open(&c, t, decision->program, decision->order_id,
                         record->time)
        || c.order.row.status == REFERRAL_EVENT_AWAITED)
    {
        result->rc = REFERRAL_NOT_FOUND;
        return;
    }

    if (c.order.row.status != REFERRAL_EVENT_HELD) {
        result->rc = (c.order.row.reasons
                      & (approve ? REFERRAL_REASON_RELEASED
                                 : REFERRAL_REASON_VOIDED))
                     ? REFERRAL_OK : REFERRAL_STATE;
        return;
    }

    result->created = 1;
    (void) store_journal_record(t, record);

    if (approve) {
        store_release(&c);

    } else {
        c.order.row.reasons |= REFERRAL_REASON_VOIDED;
        store_case_status(&c, REFERRAL_EVENT_REJECTED);
        store_uncredit(&c);
    }

    store_tally_move(t, &c.order, REFERRAL_EVENT_HELD, c.order.row.status,
                     c.order.row.points);
    store_order_put(t, &c.order);
}


referral_result_t
store_apply_decision(store_txn_t *t, const referral_record_t *record)
{
    referral_result_t           result;
    const referral_decision_t  *decision;

    memset(&result, 0, sizeof(result));
    decision = &record->u.decision;

    if (decision->reward != 0) {
        store_decide_reward(t, record, &result);

    } else if (decision->what == REFERRAL_DECIDE_CLAIM) {
        result.rc = REFERRAL_STATE;

    } else {
        store_decide_event(t, record, &result);
    }

    return result;
}


/* ----------------------------------------------------------------- holds -- */

void
store_due_put(store_txn_t *t, int64_t due, uint32_t program, unsigned kind,
    uint64_t id, referral_str_t order_id)
{
    unsigned char  key[21];

    store_be64(key, (uint64_t) due);
    store_be32(key + 8, program);
    key[12] = (unsigned char) kind;
    store_be64(key + 13, id);

    store_put(t, STORE_DUE, key, sizeof(key), order_id.data, order_id.len);
}


/* The first that waits: 1 with its time, or 0. */

int
store_due_first(store_txn_t *t, unsigned char key[21],
    unsigned char *order_id, size_t *len, int64_t *due)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    rc = (t->rc != 0) ? t->rc
                      : mdb_cursor_open(t->txn, t->store->dbi[STORE_DUE],
                                        &cursor);
    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return 0;
    }

    rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);

    if (rc == 0 && (k.mv_size != 21 || v.mv_size > REFERRAL_ID_MAX)) {
        rc = MDB_CORRUPTED;
    }

    if (rc == 0) {
        memcpy(key, k.mv_data, 21);
        memcpy(order_id, v.mv_data, v.mv_size);
        *len = v.mv_size;
        *due = (int64_t) store_get_be64(key);
    }

    mdb_cursor_close(cursor);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_cursor_get()");
    }

    return rc == 0;
}


/* What is on hold no more was decided before: the row was left to this. */

static void
store_due_event(store_txn_t *t, uint32_t program, referral_str_t order_id,
    int64_t now)
{
    store_case_t  c;

    if (store_case_open(&c, t, program, order_id, now)
        && c.order.row.status == REFERRAL_EVENT_PENDING)
    {
        store_case_status(&c, REFERRAL_EVENT_APPROVED);
        store_tally_move(t, &c.order, REFERRAL_EVENT_PENDING,
                         REFERRAL_EVENT_APPROVED, 0);
        store_order_put(t, &c.order);
    }
}


static void
store_due_reward(store_txn_t *t, uint32_t program, uint64_t id, int64_t now)
{
    store_reward_row_t  reward;
    unsigned char       copy[STORE_REWARD_SIZE];

    if (store_reward_load(t, program, id, copy, &reward)
        && reward.row.state == REFERRAL_REWARD_PENDING)
    {
        store_reward_state(t, &reward, REFERRAL_REWARD_APPROVED, now);
    }
}


referral_result_t
store_apply_tick(store_txn_t *t, const referral_record_t *record)
{
    int64_t            due;
    uint32_t           program;
    unsigned           n;
    referral_str_t     order_id;
    referral_result_t  result;
    unsigned char      key[21], id[REFERRAL_ID_MAX];

    memset(&result, 0, sizeof(result));
    order_id.data = id;

    for (n = 0; n < STORE_TICK_ROWS; n++) {

        if (!store_due_first(t, key, id, &order_id.len, &due)
            || due > record->time)
        {
            break;
        }

        if (n == 0) {
            result.created = 1;
            (void) store_journal_record(t, record);
        }

        store_delete(t, STORE_DUE, key, sizeof(key));
        program = store_get_be32(key + 8);

        if (key[12] == STORE_DUE_EVENT) {
            store_due_event(t, program, order_id, record->time);

        } else {
            store_due_reward(t, program, store_get_be64(key + 13),
                             record->time);
        }
    }

    return result;
}
