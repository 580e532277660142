/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A reward: how it comes to be, and the states it goes through.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_case.h"


/* ---------------------------------------------------------------- limits -- */

/* The calendar period a limit counts in: 0 for ever; UTC. */

static uint32_t
store_period(unsigned per, int64_t ms)
{
    switch (per) {

    case REFERRAL_PER_DAY:
        return store_day(ms);

    case REFERRAL_PER_MONTH:
        return store_month(ms);

    case REFERRAL_PER_YEAR:
        return store_month(ms) / 100;

    default:
        return 0;
    }
}


size_t
store_limit_key(unsigned char *key, const store_reward_row_t *reward)
{
    unsigned char  *p;

    p = key;
    store_be32(p, reward->program);
    store_be16(p + 4, reward->row.rule);
    store_be32(p + 6, reward->row.period);
    p += 10;

    if (reward->row.to == REFERRAL_TO_REFERRER) {
        store_be32(p, reward->row.code);
        return (size_t) (p + 4 - key);
    }

    if (reward->customer.len == 0) {
        return 0;
    }

    p = mempcpy(p, reward->customer.data, reward->customer.len);

    return (size_t) (p - key);
}


/* Takes (n 1) or gives back (n -1) a place: 1, or 0 when all are taken. */

static int
store_limit(store_txn_t *t, store_reward_row_t *reward, uint32_t limit, int n)
{
    size_t         len;
    MDB_val        v;
    uint32_t       issued;
    unsigned char  key[STORE_LIMIT_KEY];

    len = store_limit_key(key, reward);

    if (len == 0) {

        /* nobody to count for: a limit that cannot be kept gives nothing */

        return 0;
    }

    issued = 0;

    if (store_get(t, STORE_CNT, key, len, &v) && v.mv_size == sizeof(issued)) {
        memcpy(&issued, v.mv_data, sizeof(issued));
    }

    if (n > 0 && issued >= limit) {
        return 0;
    }

    issued += (uint32_t) n;
    store_put(t, STORE_CNT, key, len, &issued, sizeof(issued));

    reward->row.flags |= STORE_REWARD_LIMITED;

    return 1;
}


static void
store_limit_free(store_txn_t *t, store_reward_row_t *reward)
{
    if (reward->row.flags & STORE_REWARD_LIMITED) {
        (void) store_limit(t, reward, 0, -1);
        reward->row.flags &= (uint8_t) ~STORE_REWARD_LIMITED;
    }
}


/* ---------------------------------------------------------------- states -- */

/* Lists by code and by state. */

static void
store_reward_list(store_txn_t *t, const store_reward_row_t *reward,
    unsigned from)
{
    unsigned char  key[STORE_SCR_KEY + 8], value[5];

    store_scr_key(key, reward->program, reward->row.code, STORE_SCR_REWARD);
    store_be64(key + STORE_SCR_KEY, reward->id);

    store_be16(value, reward->row.rule);
    value[2] = reward->row.state;
    value[3] = reward->row.to;

    store_put(t, STORE_SCR, key, sizeof(key), value, 4);

    key[4] = (unsigned char) from;
    store_be64(key + 5, reward->id);

    if (from != REFERRAL_REWARD_NEW) {
        store_delete(t, STORE_RWS, key, 13);
    }

    key[4] = reward->row.state;
    store_be32(value, reward->row.code);
    value[4] = reward->row.to;

    store_put(t, STORE_RWS, key, 13, value, 5);
}


static void
store_reward_moved(store_txn_t *t, const store_reward_row_t *reward,
    uint32_t code, unsigned from)
{
    if (from != REFERRAL_REWARD_NEW) {
        store_score_reward(t, reward->program, code, from, -1);
    }

    store_score_reward(t, reward->program, code, reward->row.state, 1);
}


/* Counters of the program, and of the code: of rewards to its referrer. */

static void
store_reward_count(store_txn_t *t, const store_reward_row_t *reward,
    unsigned from)
{
    store_account_t  *account;

    store_reward_moved(t, reward, REFERRAL_TALLY_ALL, from);

    if (reward->row.to != REFERRAL_TO_REFERRER) {
        return;
    }

    store_reward_moved(t, reward, reward->row.code, from);

    if (reward->row.currency == 0) {
        return;
    }

    account = store_account(t, reward);

    if (account != NULL) {
        store_add(&account->rewards[reward->row.state], reward->row.amount);

        if (from != REFERRAL_REWARD_NEW) {
            store_add(&account->rewards[from], -reward->row.amount);
        }
    }
}


static void
store_reward_note(store_txn_t *t, const store_reward_row_t *reward,
    unsigned from, int64_t now)
{
    referral_note_t  note;

    memset(&note, 0, sizeof(note));

    note.program = reward->program;
    note.code_id = reward->row.code;
    note.kind = REFERRAL_NOTE_REWARD;
    note.from = (uint8_t) from;
    note.to = reward->row.state;
    note.id = reward->id;
    note.before = store_name(t, reward->program, STORE_NAME_REWARD,
                             reward->row.rule);
    note.after = reward->order_id;

    store_note(t, now, &note);
}


/* Brings a row, with its state set, to the store. */

static void
store_reward_write(store_txn_t *t, store_reward_row_t *reward, unsigned from,
    int64_t now)
{
    reward->row.changed = now;

    store_reward_note(t, reward, from, now);
    store_reward_put(t, reward);
    store_reward_list(t, reward, from);
    store_reward_count(t, reward, from);

    if (reward->row.state == REFERRAL_REWARD_PENDING) {
        store_due_put(t, reward->row.due, reward->program, STORE_DUE_REWARD,
                      reward->id, store_str(""));
    }
}


void
store_reward_state(store_txn_t *t, store_reward_row_t *reward, unsigned state,
    int64_t now)
{
    unsigned  from;

    from = reward->row.state;
    reward->row.state = (uint8_t) state;

    store_reward_write(t, reward, from, now);
}


void
store_reward_reduce(store_txn_t *t, store_reward_row_t *reward,
    int64_t amount, int64_t now)
{
    int64_t           less;
    store_account_t  *account;

    less = reward->row.amount - amount;

    if (reward->row.currency == 0 || less == 0) {
        return;
    }

    reward->row.amount = amount;
    reward->row.changed = now;

    if (reward->row.to == REFERRAL_TO_REFERRER) {
        account = store_account(t, reward);

        if (account != NULL) {
            store_add(&account->rewards[reward->row.state], -less);

            if (reward->row.state == REFERRAL_REWARD_CLAIMED) {
                store_add(&account->owed, less);
            }
        }
    }

    store_reward_put(t, reward);
}


void
store_reward_revoke(store_txn_t *t, store_reward_row_t *reward, int64_t now)
{
    if (reward->row.state == REFERRAL_REWARD_VOID) {
        return;
    }

    store_reward_reduce(t, reward, 0, now);
    store_limit_free(t, reward);
    store_reward_state(t, reward, REFERRAL_REWARD_VOID, now);
}


void
store_reward_claim(store_txn_t *t, store_reward_row_t *reward, int64_t now)
{
    store_account_t  *account;

    reward->row.claimed = now;
    reward->row.paid = reward->row.amount;

    if (reward->row.currency != 0
        && reward->row.to == REFERRAL_TO_REFERRER)
    {
        account = store_account(t, reward);

        if (account == NULL) {
            return;
        }

        reward->row.offset = (account->owed < reward->row.amount)
                             ? account->owed : reward->row.amount;
        reward->row.paid -= reward->row.offset;
        store_add(&account->owed, -reward->row.offset);
        store_add(&account->paid, reward->row.paid);
    }

    store_reward_state(t, reward, REFERRAL_REWARD_CLAIMED, now);
}


/* --------------------------------------------------------------- issuing -- */

static void
store_reward_value(const store_case_t *c, const referral_reward_rule_t *rule,
    store_reward_row_t *reward)
{
    const store_order_t  *order;

    order = &c->order.row;
    reward->value = rule->value;

    if (rule->npicks != 0) {
        reward->value = rule->picks[referral_rules_pick(rule, order->draw)]
                        .value;
    }

    if (rule->bps != 0 && rule->every == 1
        && (order->flags & STORE_ORDER_AMOUNT))
    {
        reward->row.bps = rule->bps;
        reward->row.currency = order->currency;
        reward->row.amount = referral_rules_part(order->amount
                                                 - order->refunded,
                                                 rule->bps);
    }
}


static unsigned
store_reward_first_state(const store_reward_row_t *reward, unsigned held,
    int64_t now)
{
    if (held) {
        return REFERRAL_REWARD_HELD;
    }

    return (reward->row.due <= now) ? REFERRAL_REWARD_APPROVED
                                    : REFERRAL_REWARD_PENDING;
}


int
store_reward_issue(store_case_t *c, unsigned i, unsigned held)
{
    uint32_t                       hold;
    store_order_t                 *order;
    store_reward_row_t             reward;
    const referral_reward_rule_t  *rule;

    order = &c->order.row;
    rule = &c->rules->rules.rewards[i];
    hold = (rule->has_hold || c->rule == NULL) ? rule->hold : c->rule->hold;

    memset(&reward, 0, sizeof(reward));

    reward.program = c->order.program;
    reward.customer = c->order.customer;
    reward.order_id = c->order.order_id;
    reward.reason = store_str("");
    reward.row.rule = c->rules->rewards[i];
    reward.row.to = rule->to;
    reward.row.code = order->code;
    reward.row.period = store_period(rule->per, c->now);
    reward.row.created = c->now;
    reward.row.due = order->when + (int64_t) hold * 1000;

    if (rule->every > 1) {
        reward.row.flags |= STORE_REWARD_EVERY;
    }

    if (order->nrewards == REFERRAL_REWARDS_MAX
        || (rule->limit != 0 && !store_limit(c->t, &reward, rule->limit, 1)))
    {
        return 0;
    }

    store_reward_value(c, rule, &reward);

    /* its number is the place of the note that tells of it */

    reward.id = store_journal_next(c->t);
    reward.row.state = (uint8_t) store_reward_first_state(&reward, held,
                                                          c->now);

    store_reward_write(c->t, &reward, REFERRAL_REWARD_NEW, c->now);

    c->order.rewards[order->nrewards++] = reward.id;

    return 1;
}
