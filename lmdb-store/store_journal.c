/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading the journal, in order.
 */

#include "store_internal.h"


typedef struct {
    referral_snapshot_t       *snap;
    store_txn_t               *t;
    unsigned                   types;
    unsigned                   rows;
    uint64_t                   last;
    referral_entry_visit_pt    visit;
    void                      *data;
} store_feed_t;


static int
store_feed_click(store_feed_t *feed, const MDB_val *value,
    referral_entry_t *entry)
{
    store_txn_t            *t;
    store_click_row_t       row;
    referral_click_info_t   click;

    t = feed->t;

    if (value->mv_size != sizeof(row)) {
        return store_corrupt(t, "a click of the journal");
    }

    memcpy(&row, value->mv_data, sizeof(row));

    click.seq = entry->seq;
    click.time = row.time;
    click.code_id = row.code;
    click.class = row.class;
    click.why = row.why;
    click.flags = row.flags;
    click.unique = row.unique;
    memcpy(click.id, row.click_id, sizeof(click.id));
    click.code = store_code_name(t, row.code);
    click.channel = store_label(t, row.program, STORE_DIM_CHANNEL,
                                row.channel);
    click.landing = store_label(t, row.program, STORE_DIM_LANDING,
                                row.landing);

    entry->time = row.time;
    entry->program = row.program;
    entry->click = &click;

    return t->rc ? 1 : feed->visit(feed->data, entry);
}


static uint32_t
store_entry_program(const referral_record_t *record)
{
    switch (record->type) {

    case REFERRAL_RECORD_CODE:
        return record->u.code.program;

    case REFERRAL_RECORD_PROGRAM:
        return record->u.program.id;

    case REFERRAL_RECORD_EVENT:
        return record->u.event.program;

    case REFERRAL_RECORD_REFUND:
        return record->u.refund.program;

    case REFERRAL_RECORD_DECISION:
        return record->u.decision.program;

    case REFERRAL_RECORD_RULES:
        return record->u.rules.program;

    case REFERRAL_RECORD_NOTE:
        return record->u.note.program;

    default:
        return 0;
    }
}


/* What a refund took; its record says what was asked for. */

static void
store_feed_refund(store_feed_t *feed, const referral_refund_t *refund,
    referral_entry_t *entry)
{
    store_order_row_t       order;
    referral_refund_info_t  taken;

    if (referral_refund_get(feed->snap, refund->program, refund->order_id,
                            refund->refund_id, &taken)
        == REFERRAL_OK)
    {
        entry->amount = taken.amount;
    }

    if (store_order_get(feed->t, refund->program, refund->order_id, NULL,
                        &order))
    {
        entry->currency = order.row.currency;
    }
}


static int
store_feed_record(store_feed_t *feed, const MDB_val *value,
    referral_entry_t *entry)
{
    referral_record_t  record;

    if (store_decode(value->mv_data, value->mv_size, &record) != 0
        || record.type != entry->type)
    {
        return store_corrupt(feed->t, "a record of the journal");
    }

    entry->time = record.time;
    entry->program = store_entry_program(&record);
    entry->record = &record;

    if (record.type == REFERRAL_RECORD_REFUND) {
        store_feed_refund(feed, &record.u.refund, entry);
    }

    if (record.type == REFERRAL_RECORD_NOTE) {
        entry->code = store_code_name(feed->t, record.u.note.code_id);
    }

    return feed->t->rc ? 1 : feed->visit(feed->data, entry);
}


/* The first byte of every row is its type. */

static int
store_feed_row(void *data, const MDB_val *key, const MDB_val *value)
{
    int                rc;
    store_feed_t      *feed;
    referral_entry_t   entry;

    feed = data;

    if (key->mv_size != 8 || value->mv_size == 0) {
        return store_corrupt(feed->t, "a row of the journal");
    }

    memset(&entry, 0, sizeof(referral_entry_t));
    entry.seq = store_get_be64(key->mv_data);
    entry.type = *(const unsigned char *) value->mv_data;
    entry.code.data = (const unsigned char *) "";

    if (entry.type >= 32 || !(feed->types & (1u << entry.type))) {
        rc = 0;

    } else if (entry.type == REFERRAL_RECORD_CLICK) {
        rc = store_feed_click(feed, value, &entry);

    } else {
        rc = store_feed_record(feed, value, &entry);
    }

    if (feed->t->rc == 0) {
        feed->last = entry.seq;
    }

    return rc != 0 || --feed->rows == 0;
}


referral_rc_t
referral_journal_read(referral_snapshot_t *snap, uint64_t after,
    unsigned types, unsigned rows, referral_entry_visit_pt visit, void *data,
    uint64_t *last)
{
    store_feed_t   feed;
    unsigned char  key[8];

    feed.snap = snap;
    feed.t = &snap->t;
    feed.types = types;
    feed.rows = rows;
    feed.last = after;
    feed.visit = visit;
    feed.data = data;

    if (rows != 0 && after != UINT64_MAX) {
        store_be64(key, after + 1);
        store_walk(feed.t, STORE_JRNL, key, sizeof(key), 0, store_feed_row,
                   &feed);
    }

    *last = feed.last;

    return store_rc(feed.t->rc);
}
