/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Holds: what waits for its time, and what happens when it has come.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_case.h"


/* Holds that one record lets pass.  Part of what the journal means: with
   another number an old one is not replayed to what it was. */

#define STORE_TICK_ROWS  500


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

static int
store_due_first(store_txn_t *t, unsigned char key[21],
    unsigned char *order_id, size_t *len, int64_t *due)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *cursor;

    if (t->rc != 0) {
        return 0;
    }

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_DUE], &cursor);

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

    if (store_reward_get(t, program, id, copy, &reward)
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


static int
store_tick_due(store_txn_t *t, int64_t *due)
{
    size_t         len;
    unsigned char  key[21], order_id[REFERRAL_ID_MAX];

    return store_due_first(t, key, order_id, &len, due);
}


static int
store_tick_wanted(store_txn_t *t, referral_record_t *record)
{
    int64_t  due;

    return store_tick_due(t, &due) && due <= record->time;
}


static referral_rc_t
store_tick_next(referral_store_t *store, int64_t *next, referral_error_t *err)
{
    store_txn_t  t;

    *next = 0;

    if (store_begin(&t, store, MDB_RDONLY) == 0) {

        if (!store_tick_due(&t, next)) {
            *next = 0;
        }

        store_abort(&t);
    }

    return store_failed(&t, err);
}


referral_rc_t
referral_store_tick(referral_store_t *store, int64_t now, int64_t *next,
    referral_error_t *err)
{
    referral_rc_t      rc;
    referral_record_t  record;

    rc = store_tick_next(store, next, err);

    if (rc != REFERRAL_OK || *next == 0 || *next > now) {
        return rc;
    }

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_TICK;
    record.time = now;

    rc = store_direct(store, store_tick_wanted, &record, err);

    return (rc == REFERRAL_OK) ? store_tick_next(store, next, err) : rc;
}
