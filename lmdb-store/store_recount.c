/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The journal is read again from its beginning.  Each record is applied once
 * more, by the one door, to a store of its own.
 */

#include "store_verify.h"


#define STORE_PROGRESS  65536           /* records between two reports */


typedef struct {
    store_compare_t        *c;
    uint64_t                rows;
    uint64_t                all;
    uint64_t                last;       /* sequence */
} store_recount_t;


/* What followed from the record before has come, when the next one does. */

static void
store_recount_complete(store_compare_t *c, const MDB_val *k, uint64_t seq)
{
    if (store_replay_last(c->replay) >= seq) {
        store_damaged(c, STORE_JRNL, k,
                      "lacks what followed from the record before");
    }
}


static void
store_recount_click(store_compare_t *c, const MDB_val *k,
    const store_click_row_t *row, uint64_t seq)
{
    unsigned            counted;
    store_click_row_t   again;

    store_recount_complete(c, k, seq);

    again = *row;
    counted = !store_bases_click(c->bases, row);
    store_replay_click(c->replay, &again, seq, counted);

    if ((counted && again.folded != row->folded)
        || memcmp(again.click_id, row->click_id, sizeof(again.click_id)) != 0)
    {
        store_damaged(c, STORE_JRNL, k, "has a click that counted otherwise");
    }
}


/* A record is applied again, and what follows from it has to come again. */

static void
store_recount_record(store_compare_t *c, const MDB_val *k, const MDB_val *v,
    uint64_t seq)
{
    referral_record_t  record;

    if (store_decode(v->mv_data, v->mv_size, &record) != 0
        || record.type == REFERRAL_RECORD_CLICK)
    {
        store_damaged(c, STORE_JRNL, k, "has a record of no known form");
        return;
    }

    if (record.type != REFERRAL_RECORD_NOTE) {
        store_recount_complete(c, k, seq);
        store_replay_record(c->replay, &record, seq);
    }

    if (!store_replay_wrote(c->replay, seq, v)) {
        store_damaged(c, STORE_JRNL, k,
                      "has what does not follow from the records before");
    }
}


static int
store_recount_row(void *data, const MDB_val *k, const MDB_val *v)
{
    uint64_t            seq;
    store_compare_t    *c;
    store_recount_t    *r;
    store_click_row_t   row;

    r = data;
    c = r->c;

    if (k->mv_size != 8) {
        store_damaged(c, STORE_JRNL, k, "has a row without a place");
        return 0;
    }

    seq = store_get_be64(k->mv_data);

    /* sequences ascend by one, but for clicks that were purged */

    if (seq != r->last + 1 && store_bases_purged(c->bases) == 0) {
        store_damaged(c, STORE_JRNL, k, "has a gap");
    }

    r->last = seq;

    if (++r->rows % STORE_PROGRESS == 0 && c->verify->progress != NULL) {
        c->verify->progress(c->verify->data, r->rows, r->all);
    }

    if (v->mv_size == sizeof(row)
        && *(unsigned char *) v->mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, v->mv_data, sizeof(row));

        if (row.class < REFERRAL_CLASSES) {
            store_recount_click(c, k, &row, seq);
            return 0;
        }
    }

    store_recount_record(c, k, v, seq);

    return 0;
}


/* The journal ends where the store says, and has all but what was purged. */

static void
store_recount_end(const store_recount_t *r)
{
    MDB_val   k, v;
    uint64_t  last;

    last = 0;

    if (store_get(r->c->disk, STORE_META, "J", 1, &v)
        && v.mv_size == sizeof(last))
    {
        memcpy(&last, v.mv_data, sizeof(last));
    }

    if (r->last > last || r->rows + store_bases_purged(r->c->bases) != last) {
        k.mv_size = 1;
        k.mv_data = (void *) "J";

        store_damaged(r->c, STORE_JRNL, &k, "does not end where it should");
    }
}


void
store_recount(store_compare_t *c)
{
    int                   rc;
    MDB_stat              stat;
    store_recount_t       r;
    static unsigned char  first[8];

    memset(&r, 0, sizeof(store_recount_t));
    r.c = c;

    rc = mdb_stat(c->disk->txn, c->disk->store->dbi[STORE_JRNL], &stat);

    if (rc != 0) {
        store_fail(c->disk, rc, "mdb_stat()");
        return;
    }

    r.all = stat.ms_entries;

    store_walk(c->disk, STORE_JRNL, first, sizeof(first), 0,
               store_recount_row, &r);
    store_recount_end(&r);
}
