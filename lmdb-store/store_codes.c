/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters of clicks of many codes.  Days are kept day by day, each with its
 * codes in order: for some codes after each other a day is one place to read,
 * for one code alone it is as well.
 */

#include "store_internal.h"


#define STORE_WINDOW_FIRST  16      /* codes; each next one is twice as large */
#define STORE_WINDOW        512
#define STORE_IDLE          10000   /* codes without clicks, see the header */


typedef struct {
    store_txn_t            *t;
    MDB_cursor             *hot;
    MDB_cursor             *hist;
    uint32_t                program;
    uint32_t                from;
    uint32_t                to;             /* 0: all time */
    unsigned                idle;           /* codes in a row */
    unsigned                n;
    uint32_t                ids[STORE_WINDOW];
    referral_counts_t       counts[STORE_WINDOW];
} store_window_t;


static void
store_window_entries(referral_counts_t *counts, const unsigned char *p,
    const unsigned char *end)
{
    store_entry_t  entry;

    for ( /* void */ ; p + sizeof(entry) <= end; p += sizeof(entry)) {
        memcpy(&entry, p, sizeof(entry));

        if (entry.dim == STORE_DIM_ALL) {
            store_counts_entry(counts, &entry);
        }
    }
}


static void
store_window_add(store_window_t *w, uint32_t id, const MDB_val *v)
{
    store_hot_t         hot;
    referral_counts_t  *counts;

    w->ids[w->n] = id;
    counts = memset(&w->counts[w->n], 0, sizeof(referral_counts_t));
    w->n++;

    if (v->mv_size < sizeof(hot)) {
        store_fail(w->t, MDB_CORRUPTED, "a counter");
        return;
    }

    memcpy(&hot, v->mv_data, sizeof(hot));

    if (w->to == 0) {
        store_counts_columns(counts, hot.total);

    } else if (hot.day >= w->from && hot.day <= w->to) {
        store_window_entries(counts,
                             (unsigned char *) v->mv_data + sizeof(hot),
                             (unsigned char *) v->mv_data + v->mv_size);
    }
}


/* The next codes, from where the cursor stands; *rc is of the row after. */

static void
store_window_fill(store_window_t *w, unsigned size, MDB_val *k, MDB_val *v,
    int *rc)
{
    w->n = 0;

    while (*rc == 0 && w->n < size && w->t->rc == 0
           && k->mv_size == 8 && store_get_be32(k->mv_data) == w->program)
    {
        store_window_add(w, store_get_be32((unsigned char *) k->mv_data + 4),
                         v);

        *rc = mdb_cursor_get(w->hot, k, v, MDB_NEXT);
    }
}


/* One day of these codes; returns the next one that has anything, 0: none. */

static uint32_t
store_window_day(store_window_t *w, uint32_t day)
{
    int             rc;
    MDB_val         k, v;
    unsigned        i;
    uint32_t        code, found;
    unsigned char   key[12];

    i = 0;
    store_hist_key(key, w->program, day, w->ids[0]);
    k.mv_size = sizeof(key);
    k.mv_data = key;

    for (rc = mdb_cursor_get(w->hist, &k, &v, MDB_SET_RANGE);
         rc == 0 && k.mv_size == sizeof(key)
         && store_get_be32(k.mv_data) == w->program;
         rc = mdb_cursor_get(w->hist, &k, &v, MDB_NEXT))
    {
        found = store_get_be32((unsigned char *) k.mv_data + 4);
        code = store_get_be32((unsigned char *) k.mv_data + 8);

        if (found != day) {
            return found;
        }

        while (i < w->n && w->ids[i] < code) {
            i++;
        }

        if (i == w->n) {
            return day + 1;
        }

        if (w->ids[i] == code && v.mv_size >= STORE_HIST_HEAD) {
            store_window_entries(&w->counts[i],
                                 (unsigned char *) v.mv_data + STORE_HIST_HEAD,
                                 (unsigned char *) v.mv_data + v.mv_size);
        }
    }

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(w->t, rc, "mdb_cursor_get()");
    }

    return 0;
}


/* 1 when the list ends here. */

static int
store_window_visit(store_window_t *w, referral_counts_code_visit_pt visit,
    void *data)
{
    unsigned  i;

    for (i = 0; i < w->n && w->t->rc == 0; i++) {

        if (w->to != 0 && referral_counts_total(&w->counts[i]) == 0
            && ++w->idle < STORE_IDLE)
        {
            continue;
        }

        w->idle = 0;

        if (visit(data, w->ids[i], store_code_name(w->t, w->ids[i]),
                  &w->counts[i])
            != 0)
        {
            return 1;
        }
    }

    return w->t->rc != 0;
}


static void
store_window_read(store_window_t *w, uint32_t after, unsigned size,
    referral_counts_code_visit_pt visit, void *data)
{
    int             rc;
    MDB_val         k, v;
    uint32_t        day;
    unsigned char   key[8];

    store_be32(key, w->program);
    store_be32(key + 4, after + 1);
    k.mv_size = sizeof(key);
    k.mv_data = key;
    rc = mdb_cursor_get(w->hot, &k, &v, MDB_SET_RANGE);

    for ( /* void */ ;
         rc == 0;
         size = (size < STORE_WINDOW) ? size * 2 : size)
    {
        store_window_fill(w, size, &k, &v, &rc);

        for (day = w->from;
             w->n != 0 && day != 0 && day <= w->to && w->t->rc == 0;
             day = store_window_day(w, day))
        {
            /* void */
        }

        if (w->n == 0 || store_window_visit(w, visit, data)) {
            return;
        }
    }

    if (rc != MDB_NOTFOUND) {
        store_fail(w->t, rc, "mdb_cursor_get()");
    }
}


static referral_rc_t
store_codes_from(referral_snapshot_t *snap, uint32_t program, uint32_t after,
    uint32_t from, uint32_t to, unsigned size,
    referral_counts_code_visit_pt visit, void *data)
{
    int             rc;
    store_window_t  w;

    w.t = &snap->t;
    w.program = program;
    w.from = (from != 0 || to == 0) ? from : 1;
    w.to = to;
    w.idle = 0;
    w.hist = NULL;

    rc = mdb_cursor_open(w.t->txn, w.t->store->dbi[STORE_HOT], &w.hot);

    if (rc == 0) {
        rc = mdb_cursor_open(w.t->txn, w.t->store->dbi[STORE_HIST], &w.hist);

        if (rc == 0) {
            store_window_read(&w, after, size, visit, data);
            mdb_cursor_close(w.hist);
        }

        mdb_cursor_close(w.hot);
    }

    if (rc != 0) {
        store_fail(w.t, rc, "mdb_cursor_open()");
    }

    return store_rc(w.t->rc);
}


referral_rc_t
referral_counts_codes(referral_snapshot_t *snap, uint32_t program,
    uint32_t after, uint32_t from, uint32_t to,
    referral_counts_code_visit_pt visit, void *data)
{
    return store_codes_from(snap, program, after, from, to,
                            STORE_WINDOW_FIRST, visit, data);
}


referral_rc_t
referral_counts_code(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, uint32_t from, uint32_t to,
    referral_counts_code_visit_pt visit, void *data)
{
    return store_codes_from(snap, program, code_id - 1, from, to, 1, visit,
                            data);
}


/* 1: visit wants no more. */

static int
store_rows_last(store_txn_t *t, uint32_t program, referral_rows_t *place,
    referral_counts_row_visit_pt visit, void *data)
{
    int             rc, stop;
    MDB_val         k, v;
    MDB_cursor     *cursor;
    store_hot_t     hot;
    store_window_t  w;
    unsigned char   key[8];

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_HOT], &cursor);
    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return 1;
    }

    stop = 0;
    w.t = t;
    w.from = place->from;
    w.to = place->to;

    store_be32(key, program);
    store_be32(key + 4, place->code_id + 1);
    k.mv_size = sizeof(key);
    k.mv_data = key;

    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         rc == 0 && k.mv_size == sizeof(key)
         && store_get_be32(k.mv_data) == program;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
    {
        w.n = 0;
        place->code_id = store_get_be32((unsigned char *) k.mv_data + 4);
        store_window_add(&w, place->code_id, &v);

        if (t->rc != 0) {
            break;
        }

        memcpy(&hot, v.mv_data, sizeof(hot));

        if (visit(data, place->code_id, hot.day, &w.counts[0]) != 0) {
            stop = 1;
            break;
        }
    }

    mdb_cursor_close(cursor);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_cursor_get()");
    }

    return stop || t->rc != 0;
}


static int
store_rows_before(store_txn_t *t, uint32_t program, referral_rows_t *place,
    referral_counts_row_visit_pt visit, void *data)
{
    int                   rc, stop;
    MDB_val               k, v;
    MDB_cursor           *cursor;
    unsigned char         key[12];
    const unsigned char  *p;
    referral_counts_t     counts;

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_HIST], &cursor);
    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return 1;
    }

    stop = 0;
    store_hist_key(key, program, place->day, place->code_id + 1);
    k.mv_size = sizeof(key);
    k.mv_data = key;

    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         rc == 0 && !stop && k.mv_size == sizeof(key)
         && v.mv_size >= STORE_HIST_HEAD
         && store_get_be32(k.mv_data) == program
         && store_get_be32((unsigned char *) k.mv_data + 4) <= place->to;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
    {
        p = k.mv_data;
        place->day = store_get_be32(p + 4);
        place->code_id = store_get_be32(p + 8);

        p = v.mv_data;
        memset(&counts, 0, sizeof(counts));
        store_window_entries(&counts, p + STORE_HIST_HEAD, p + v.mv_size);

        stop = visit(data, place->code_id, place->day, &counts);
    }

    mdb_cursor_close(cursor);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_cursor_get()");
    }

    return stop || t->rc != 0;
}


referral_rc_t
referral_counts_rows(referral_snapshot_t *snap, uint32_t program,
    referral_rows_t *place, referral_counts_row_visit_pt visit, void *data)
{
    store_txn_t *t = &snap->t;

    if (place->day == 0) {

        if (store_rows_last(t, program, place, visit, data)) {
            return store_rc(t->rc);
        }

        place->day = place->from ? place->from : 1;
        place->code_id = 0;
    }

    if (place->to == 0
        || !store_rows_before(t, program, place, visit, data))
    {
        place->done = 1;
    }

    return store_rc(t->rc);
}
