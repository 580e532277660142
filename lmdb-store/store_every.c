/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Rewards for every N-th event.  Such a reward has no single cause: it is
 * earned by a count, and what counts is the count and how many were given
 * for it.  "Skipped" are those a limit or a decision took out: they are not
 * made good later.  One step at a crossing: a change of N acts only on what
 * comes after it.
 */

#include "store_case.h"


static void
store_every_key(unsigned char *key, uint32_t program, uint16_t rule,
    uint32_t code)
{
    store_scr_key(key, program, code, STORE_SCR_EVERY);
    store_be16(key + STORE_SCR_KEY, rule);
}


static store_every_t *
store_every(store_txn_t *t, uint32_t program, uint16_t rule, uint32_t code)
{
    size_t         *size;
    store_every_t  *every;
    unsigned char   key[STORE_SCR_KEY + 2];

    store_every_key(key, program, rule, code);

    every = store_cell(t, STORE_SCR, key, sizeof(key), sizeof(store_every_t),
                       0, &size);

    if (every != NULL) {
        *size = sizeof(store_every_t);
    }

    return every;
}


void
store_every_add(store_case_t *c, unsigned i)
{
    uint16_t        rule;
    uint32_t        n, code;
    unsigned        issued;
    store_every_t  *every;

    rule = c->rules->rewards[i];
    code = c->order.row.code;
    n = c->rules->rules.rewards[i].every;

    every = store_every(c->t, c->order.program, rule, code);

    if (every == NULL) {
        return;
    }

    every->count++;
    c->order.counted[c->order.row.ncounted++] = rule;

    if (every->count % n != 0
        || every->live + every->skipped >= every->count / n)
    {
        return;
    }

    issued = (unsigned) store_reward_issue(c, i, 0);

    every = store_every(c->t, c->order.program, rule, code);

    if (every != NULL) {
        every->live += issued;
        every->skipped += !issued;
    }
}


/* The newest reward of the rule that can be taken back: 1, or 0. */

static int
store_every_newest(store_txn_t *t, uint32_t program, uint32_t code,
    uint16_t rule, unsigned char *copy, store_reward_row_t *reward)
{
    int                   rc, found;
    MDB_val               k, v;
    uint64_t              id;
    MDB_cursor           *cursor;
    unsigned char         key[STORE_SCR_KEY + 8], row[4];

    if (t->rc != 0) {
        return 0;
    }

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_SCR], &cursor);

    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return 0;
    }

    store_scr_key(key, program, code, STORE_SCR_REWARD);
    store_be64(key + STORE_SCR_KEY, UINT64_MAX);

    found = 0;
    k.mv_size = sizeof(key);
    k.mv_data = key;
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, &k, &v, (rc == 0) ? MDB_PREV : MDB_LAST);

    store_be16(row, rule);

    while (rc == 0 && k.mv_size == sizeof(key)
           && memcmp(k.mv_data, key, STORE_SCR_KEY) == 0
           && v.mv_size == sizeof(row))
    {
        memcpy(row + 2, (unsigned char *) v.mv_data + 2, 2);
        id = store_get_be64((unsigned char *) k.mv_data + STORE_SCR_KEY);

        if (memcmp(v.mv_data, row, 2) == 0
            && row[2] != REFERRAL_REWARD_CLAIMED
            && row[2] != REFERRAL_REWARD_VOID
            && store_reward_get(t, program, id, copy, reward)
            && (reward->row.flags & STORE_REWARD_EVERY))
        {
            found = 1;
            break;
        }

        rc = mdb_cursor_get(cursor, &k, &v, MDB_PREV);
    }

    mdb_cursor_close(cursor);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_cursor_get()");
    }

    return found;
}


/* How many events a reward of the rule takes now; 0: it is gone or for each. */

static uint32_t
store_every_n(const store_rules_t *rules, uint16_t rule)
{
    unsigned  i;

    for (i = 0; rules != NULL && i < rules->rules.nrewards; i++) {
        if (rules->rewards[i] == rule) {
            return (rules->rules.rewards[i].every > 1)
                   ? rules->rules.rewards[i].every : 0;
        }
    }

    return 0;
}


void
store_every_remove(store_case_t *c, uint16_t rule)
{
    uint32_t             n, code;
    store_every_t       *every;
    store_reward_row_t   reward;
    unsigned char        copy[STORE_REWARD_SIZE];

    n = store_every_n(c->rules, rule);
    code = c->order.row.code;
    every = store_every(c->t, c->order.program, rule, code);

    if (every == NULL || every->count == 0) {
        return;
    }

    every->count--;

    if (n == 0 || (every->count + 1) % n != 0
        || every->live + every->skipped <= every->count / n)
    {
        return;
    }

    if (every->skipped != 0) {
        every->skipped--;
        return;
    }

    /* claimed ones stay, and are set off against the next earned */

    if (store_every_newest(c->t, c->order.program, code, rule, copy, &reward))
    {
        every->live--;
        store_reward_revoke(c->t, &reward, c->now);
    }
}


void
store_every_skip(store_txn_t *t, const store_reward_row_t *reward)
{
    store_every_t  *every;

    every = store_every(t, reward->program, reward->row.rule,
                        reward->row.code);

    if (every != NULL && every->live != 0) {
        every->live--;
        every->skipped++;
    }
}
