/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A store of an earlier schema is brought to this one, in one transaction:
 * before it or after it, nothing in between.
 *
 * Schema 1 had clicks and codes only.  Up to schema 2 no click was ever
 * purged: which of them something follows from, and which did not find room
 * for their labels, was not written down.  Since schema 3 it is; what schema 4
 * has more is in new records only, which who knows schema 3 would misjudge.
 */

#include <errno.h>

#include "store_internal.h"


typedef struct {
    store_txn_t            *t;
    store_txn_t             count;          /* from nothing, as a recount */
    unsigned char           scores[STORE_MAX_PROGRAMS];  /* clicks do */
} store_upgrade_t;


static void
store_upgrade_put(store_upgrade_t *u, const void *key,
    const store_click_row_t *row)
{
    store_put(u->t, STORE_JRNL, key, 8, row, sizeof(store_click_row_t));
}


/* Where the click of that id is, 0: there is none. */

static uint64_t
store_upgrade_place(store_upgrade_t *u, const unsigned char *id)
{
    MDB_val   v;
    uint64_t  seq;

    if (!store_get(u->t, STORE_CLK, id, REFERRAL_CLICK_ID_SIZE, &v)
        || v.mv_size != sizeof(seq))
    {
        return 0;
    }

    memcpy(&seq, v.mv_data, sizeof(seq));

    return seq;
}


static void
store_upgrade_click(store_upgrade_t *u, const MDB_val *key,
    const store_click_row_t *old)
{
    store_click_row_t  row;

    row = *old;
    store_count_click(&u->count, &row);

    if (store_upgrade_place(u, row.click_id) != store_get_be64(key->mv_data)) {
        memset(row.click_id, 0, sizeof(row.click_id));
    }

    /* some of them may have come when a day had had its share: they stay too */

    if (row.class == REFERRAL_CLASS_HUMAN && row.code != 0
        && row.program < STORE_MAX_PROGRAMS && u->scores[row.program])
    {
        row.kept = 1;
    }

    if (memcmp(&row, old, sizeof(row)) != 0) {
        store_upgrade_put(u, key->mv_data, &row);
    }
}


static void
store_upgrade_event(store_upgrade_t *u, const referral_event_t *event)
{
    MDB_val            v;
    unsigned char      key[8];
    store_click_row_t  row;

    store_be64(key, store_upgrade_place(u, event->click_id));

    if (store_get(u->t, STORE_JRNL, key, sizeof(key), &v)
        && v.mv_size == sizeof(row)
        && *(unsigned char *) v.mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, v.mv_data, sizeof(row));
        row.kept = 1;
        store_upgrade_put(u, key, &row);
    }
}


static void
store_upgrade_rules(store_upgrade_t *u, const referral_rules_change_t *change)
{
    unsigned                 i;
    referral_rules_t         rules;
    referral_event_rule_t   *event;

    if (change->program >= STORE_MAX_PROGRAMS
        || referral_rules_decode(change->rules.data, change->rules.len, &rules)
           != 0)
    {
        return;
    }

    for (i = 0; i < rules.nevents; i++) {
        event = &rules.events[i];

        if (referral_rules_click(event->name) && event->points != 0) {
            u->scores[change->program] = 1;
        }
    }
}


static int
store_upgrade_row(void *data, const MDB_val *key, const MDB_val *value)
{
    store_upgrade_t    *u;
    referral_record_t   record;
    store_click_row_t   row;

    u = data;

    if (key->mv_size != 8) {
        return store_corrupt(u->t, "a place in the journal");
    }

    if (value->mv_size == sizeof(row)
        && *(unsigned char *) value->mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, value->mv_data, sizeof(row));

        if (row.class < REFERRAL_CLASSES) {
            store_upgrade_click(u, key, &row);
        }

    } else if (store_decode(value->mv_data, value->mv_size, &record) != 0) {
        return store_corrupt(u->t, "a record of the journal");

    } else if (record.type == REFERRAL_RECORD_EVENT) {
        store_upgrade_event(u, &record.u.event);

    } else if (record.type == REFERRAL_RECORD_RULES) {
        store_upgrade_rules(u, &record.u.rules);
    }

    return u->count.rc;
}


void
store_upgrade(store_txn_t *t)
{
    store_upgrade_t       u;
    static unsigned char  first[8];

    memset(&u, 0, sizeof(store_upgrade_t));

    u.t = t;
    u.count.store = t->store;
    u.count.clicks = &u.count;
    u.count.cells = store_cells_create();

    if (u.count.cells == NULL) {
        store_fail(t, ENOMEM, "malloc()");
        return;
    }

    store_walk(t, STORE_JRNL, first, sizeof(first), 0, store_upgrade_row, &u);

    if (u.count.rc != 0) {
        store_fail(t, u.count.rc, u.count.what);
    }

    store_cells_destroy(u.count.cells);
}
