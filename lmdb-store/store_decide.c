/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Decisions about rewards and held events.
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

    if (!store_reward_get(t, decision->program, decision->reward, copy,
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
