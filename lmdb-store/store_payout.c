/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading what was earned: rewards, scores and accounts.
 */

#include "store_internal.h"


typedef struct {
    store_txn_t                     *t;
    uint32_t                         program;
    size_t                           prefix;    /* of keys */
    referral_reward_visit_pt         reward;
    referral_account_visit_pt        account;
    const referral_reward_filter_t  *filter;
    void                            *data;
    uint64_t                         rows;      /* left to be looked at */
    uint64_t                         id;        /* of the last of them */
    unsigned                         ended;     /* there were more */
} store_list_t;


static void
store_reward(store_txn_t *t, const store_reward_row_t *reward,
    referral_reward_t *out)
{
    const store_reward_t  *row;

    row = &reward->row;

    out->id = reward->id;
    out->state = row->state;
    out->to = row->to;
    out->name = store_name(t, reward->program, STORE_NAME_REWARD, row->rule);
    out->code_id = row->code;
    out->code = store_code_name(t, row->code);
    out->order_id = reward->order_id;
    out->customer = reward->customer;
    out->value = reward->value;
    out->reason = reward->reason;
    out->bps = row->bps;
    out->currency = row->currency;
    out->amount = row->amount;
    out->paid = row->paid;
    out->offset = row->offset;
    out->created = row->created;
    out->approves = row->due;
    out->claimed = row->claimed;
    out->changed = row->changed;
}


referral_rc_t
referral_reward_get(referral_snapshot_t *snap, uint32_t program, uint64_t id,
    referral_reward_t *out)
{
    store_txn_t         *t;
    store_reward_row_t   reward;

    t = &snap->t;

    if (!store_reward_get(t, program, id, NULL, &reward)) {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    store_reward(t, &reward, out);

    return store_rc(t->rc);
}


static int
store_passes(const referral_reward_filter_t *filter, unsigned state,
    unsigned to)
{
    return (filter->state == -1 || filter->state == (int) state)
           && (filter->to == -1 || filter->to == (int) to);
}


/*
 * A row of an index, or of rewards themselves; the id ends the key of all
 * three.  Rows of an index tell enough to be passed over.
 */

static int
store_list_reward(void *data, const MDB_val *key, const MDB_val *value)
{
    store_list_t          *list;
    referral_reward_t      out;
    store_reward_row_t     reward;
    const unsigned char   *p;

    list = data;
    p = value->mv_data;

    if (key->mv_size != list->prefix + 8
        || (list->prefix == STORE_SCR_KEY && value->mv_size != 4)
        || (list->prefix == 5 && value->mv_size != 5)
        || (list->prefix == 4 && store_reward_parse(value, &reward) != 0))
    {
        return store_corrupt(list->t, "a reward, or an index of rewards");
    }

    if (list->rows-- == 0) {
        list->ended = 1;
        return 1;
    }

    list->id = store_get_be64((unsigned char *) key->mv_data + list->prefix);

    if ((list->prefix == STORE_SCR_KEY
         && !store_passes(list->filter, p[2], p[3]))
        || (list->prefix == 5
            && !store_passes(list->filter, (unsigned) list->filter->state,
                             p[4])))
    {
        return 0;
    }

    reward.program = list->program;
    reward.id = list->id;

    if (list->prefix != 4
        && !store_reward_get(list->t, list->program, list->id, NULL, &reward))
    {
        return store_corrupt(list->t, "a reward of an index");
    }

    if (!store_passes(list->filter, reward.row.state, reward.row.to)) {
        return 0;
    }

    store_reward(list->t, &reward, &out);

    return list->t->rc ? 1 : list->reward(list->data, &out);
}


static void
store_list_rewards(store_list_t *list, referral_snapshot_t *snap,
    uint32_t program, const referral_reward_filter_t *filter, uint64_t rows,
    referral_reward_visit_pt visit, void *data)
{
    memset(list, 0, sizeof(store_list_t));

    list->t = &snap->t;
    list->program = program;
    list->reward = visit;
    list->filter = filter;
    list->data = data;
    list->rows = rows;
}


referral_rc_t
referral_reward_some(referral_snapshot_t *snap, uint32_t program,
    const referral_reward_filter_t *filter, uint64_t after, uint64_t rows,
    referral_reward_visit_pt visit, void *data, uint64_t *last)
{
    unsigned       db;
    store_list_t   list;
    unsigned char  key[STORE_SCR_KEY + 8];

    store_list_rewards(&list, snap, program, filter, rows, visit, data);
    store_be32(key, program);

    if (filter->code_id != 0) {
        db = STORE_SCR;
        store_scr_key(key, program, filter->code_id, STORE_SCR_REWARD);
        list.prefix = STORE_SCR_KEY;

    } else if (filter->state != -1) {
        db = STORE_RWS;
        key[4] = (unsigned char) filter->state;
        list.prefix = 5;

    } else {
        db = STORE_RWD;
        list.prefix = 4;
    }

    if (after != UINT64_MAX) {
        store_be64(key + list.prefix, after + 1);
        store_walk(list.t, db, key, list.prefix + 8, list.prefix,
                   store_list_reward, &list);
    }

    *last = list.ended ? list.id : 0;

    return store_rc(list.t->rc);
}


referral_rc_t
referral_reward_list(referral_snapshot_t *snap, uint32_t program,
    const referral_reward_filter_t *filter, uint64_t after,
    referral_reward_visit_pt visit, void *data)
{
    uint64_t  last;

    return referral_reward_some(snap, program, filter, after, UINT64_MAX,
                                visit, data, &last);
}


referral_rc_t
referral_reward_latest(referral_snapshot_t *snap, uint32_t program,
    const referral_reward_filter_t *filter, uint64_t rows,
    referral_reward_visit_pt visit, void *data)
{
    store_list_t   list;
    unsigned char  key[STORE_SCR_KEY + 8];

    store_list_rewards(&list, snap, program, filter, rows, visit, data);
    list.prefix = STORE_SCR_KEY;

    store_scr_key(key, program, filter->code_id, STORE_SCR_REWARD);
    store_be64(key + list.prefix, UINT64_MAX);
    store_walk_back(list.t, STORE_SCR, key, sizeof(key), list.prefix,
                    store_list_reward, &list);

    return store_rc(list.t->rc);
}


referral_rc_t
referral_score_get(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, referral_score_t *out)
{
    MDB_val         v;
    store_txn_t    *t;
    store_score_t   row;
    unsigned char   key[STORE_SCR_KEY];

    t = &snap->t;
    memset(out, 0, sizeof(referral_score_t));

    store_scr_key(key, program, code_id, STORE_SCR_SCORE);

    if (!store_get(t, STORE_SCR, key, sizeof(key), &v)) {
        return store_rc(t->rc);
    }

    if (v.mv_size != sizeof(row)) {
        (void) store_corrupt(t, "a score");
        return store_rc(t->rc);
    }

    memcpy(&row, v.mv_data, sizeof(row));

    if (row.version != 1) {
        (void) store_corrupt(t, "a score");
        return store_rc(t->rc);
    }

    out->points = row.points;
    memcpy(out->rewards, row.rewards, sizeof(out->rewards));

    return REFERRAL_OK;
}


static int
store_list_account(void *data, const MDB_val *key, const MDB_val *value)
{
    store_list_t         *list;
    store_account_t       row;
    referral_account_t    out;
    const unsigned char  *k;

    list = data;
    k = key->mv_data;

    if (key->mv_size != STORE_SCR_KEY + 2 || value->mv_size != sizeof(row)) {
        return store_corrupt(list->t, "an account");
    }

    memcpy(&row, value->mv_data, sizeof(row));
    memcpy(out.rewards, row.rewards, sizeof(out.rewards));
    out.paid = row.paid;
    out.owed = row.owed;

    return list->account(list->data,
                         (uint16_t) (k[STORE_SCR_KEY] << 8
                                     | k[STORE_SCR_KEY + 1]), &out);
}


referral_rc_t
referral_account_list(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, referral_account_visit_pt visit, void *data)
{
    store_list_t   list;
    unsigned char  key[STORE_SCR_KEY];

    memset(&list, 0, sizeof(store_list_t));
    list.t = &snap->t;
    list.account = visit;
    list.data = data;

    store_scr_key(key, program, code_id, STORE_SCR_ACCOUNT);
    store_walk(list.t, STORE_SCR, key, sizeof(key), sizeof(key),
               store_list_account, &list);

    return store_rc(list.t->rc);
}
