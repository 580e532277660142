/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters of clicks as they are read: totals, sums by one dimension.
 */

#include <stdlib.h>

#include "store_internal.h"


#define STORE_DAYS_MAX  36600   /* of one code: a century, more is damage */


uint64_t
referral_counts_total(const referral_counts_t *counts)
{
    unsigned  i;
    uint64_t  total;

    total = 0;

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        total += counts->classes[i];
    }

    return total;
}


void
store_counts_columns(referral_counts_t *out, const uint64_t *column)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        out->classes[i] += column[i];
    }

    out->unique += column[STORE_UNIQUE];
}


referral_rc_t
referral_counts_get(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, referral_counts_t *out)
{
    MDB_val        v;
    store_txn_t   *t;
    store_hot_t    hot;
    store_prg_t    prg;
    unsigned char  key[13];

    t = &snap->t;
    memset(out, 0, sizeof(referral_counts_t));

    if (code_id == 0) {
        store_prg_key(key, program, 0, STORE_DIM_ALL, 0);

        if (store_get(t, STORE_PRG, key, 13, &v) && v.mv_size == sizeof(prg)) {
            memcpy(&prg, v.mv_data, sizeof(prg));
            store_counts_columns(out, prg.column);
        }

    } else {
        store_be32(key, program);
        store_be32(key + 4, code_id);

        if (store_get(t, STORE_HOT, key, 8, &v) && v.mv_size >= sizeof(hot)) {
            memcpy(&hot, v.mv_data, sizeof(hot));
            store_counts_columns(out, hot.total);
        }
    }

    return store_rc(t->rc);
}


/* Sums by label; the number of a label is its index, "other" the last. */

#define STORE_SUMS  (REFERRAL_DIM_MAX + 2)


static referral_counts_t *
store_sum(referral_counts_t *sums, uint32_t id)
{
    return &sums[(id <= REFERRAL_DIM_MAX) ? id : STORE_SUMS - 1];
}


static int
store_visit_sums(store_txn_t *t, uint32_t program, unsigned dim,
    const referral_counts_t *sums, referral_counts_visit_pt visit, void *data)
{
    int             rc;
    unsigned        i;
    uint16_t        id;
    referral_str_t  label;

    for (i = 0; i < STORE_SUMS; i++) {

        /* the entries of a day may have run out between the two */

        if (referral_counts_total(&sums[i]) == 0 && sums[i].unique == 0) {
            continue;
        }

        id = (i == STORE_SUMS - 1) ? STORE_LABEL_OTHER : (uint16_t) i;
        label = store_label(t, program, dim, id);
        rc = visit(data, label, 0, &sums[i]);

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


/*
 * The entries of one code's day, wherever they are; their number.  The last
 * day that it has is the one of its hot record.
 */

static size_t
store_day_entries(store_txn_t *t, uint32_t program, uint32_t code,
    uint32_t day, uint32_t last, store_entry_t *entries)
{
    size_t         n;
    MDB_val        v;
    unsigned char  key[12];

    if (day == last) {
        store_be32(key, program);
        store_be32(key + 4, code);

        if (!store_get(t, STORE_HOT, key, 8, &v)
            || v.mv_size < sizeof(store_hot_t))
        {
            return 0;
        }

        n = (v.mv_size - sizeof(store_hot_t)) / sizeof(store_entry_t);
        v.mv_data = (unsigned char *) v.mv_data + sizeof(store_hot_t);

    } else {
        store_hist_key(key, program, day, code);

        if (!store_get(t, STORE_HIST, key, 12, &v)
            || v.mv_size < STORE_HIST_HEAD)
        {
            return 0;
        }

        n = (v.mv_size - STORE_HIST_HEAD) / sizeof(store_entry_t);
        v.mv_data = (unsigned char *) v.mv_data + STORE_HIST_HEAD;
    }

    if (n > STORE_ENTRIES_MAX) {
        n = STORE_ENTRIES_MAX;
    }

    memcpy(entries, v.mv_data, n * sizeof(store_entry_t));

    return n;
}


void
store_counts_entry(referral_counts_t *counts, const store_entry_t *entry)
{
    if (entry->column < REFERRAL_CLASSES) {
        counts->classes[entry->column] += entry->count;

    } else if (entry->column == STORE_UNIQUE) {
        counts->unique += entry->count;
    }
}


/*
 * The rows of a program from one day and dimension on, to the end of `to`;
 * each until it returns non-zero.  Days without rows cost nothing.
 */

typedef struct {
    unsigned                    dim;
    int64_t                     hour;       /* seconds per id, or 0 */
    referral_counts_t          *sums;       /* or: */
    referral_counts_visit_pt    visit;
    void                       *data;
} store_scan_t;


static int
store_scan_row(const store_scan_t *scan, uint32_t day, uint32_t id,
    const MDB_val *v)
{
    int64_t            start;
    store_prg_t        prg;
    referral_str_t     label;
    referral_counts_t  counts;

    memcpy(&prg, v->mv_data, sizeof(prg));

    if (scan->sums != NULL) {
        store_counts_columns(store_sum(scan->sums, id), prg.column);
        return 0;
    }

    memset(&counts, 0, sizeof(counts));
    store_counts_columns(&counts, prg.column);

    label.len = 0;
    label.data = (const unsigned char *) "";
    start = (int64_t) day * 86400 + (int64_t) id * scan->hour;

    return scan->visit(scan->data, label, start, &counts);
}


static void
store_scan_program(store_txn_t *t, uint32_t program, uint32_t from,
    uint32_t to, const store_scan_t *scan)
{
    int                   rc;
    MDB_val               k, v;
    uint32_t              day;
    MDB_cursor           *cursor;
    unsigned char         key[13];
    const unsigned char  *found;

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_PRG], &cursor);
    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return;
    }

    for (day = from; /* void */ ; /* void */ ) {
        store_prg_key(key, program, day, scan->dim, 0);

        k.mv_size = sizeof(key);
        k.mv_data = key;
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

        while (rc == 0 && k.mv_size == sizeof(key)
               && memcmp(k.mv_data, key, 9) == 0
               && v.mv_size == sizeof(store_prg_t))
        {
            found = k.mv_data;

            if (store_scan_row(scan, day, store_get_be32(found + 9), &v)
                != 0)
            {
                goto done;
            }

            rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
        }

        /* where the cursor stands tells which day comes next */

        if (rc != 0 || k.mv_size != sizeof(key)
            || memcmp(k.mv_data, key, 4) != 0)
        {
            break;
        }

        found = k.mv_data;
        day = store_get_be32(found + 4)
              + (store_get_be32(found + 4) == day
                 || found[8] > scan->dim);

        if (day > to) {
            break;
        }
    }

done:

    mdb_cursor_close(cursor);

    if (rc != 0 && rc != MDB_NOTFOUND) {
        store_fail(t, rc, "mdb_cursor_get()");
    }
}


static referral_rc_t
store_counts_program(store_txn_t *t, uint32_t program, referral_dim_t dim,
    uint32_t from, uint32_t to, referral_counts_visit_pt visit, void *data)
{
    store_scan_t  scan;

    memset(&scan, 0, sizeof(scan));
    scan.visit = visit;
    scan.data = data;

    switch (dim) {

    case REFERRAL_DIM_DAY:
        scan.dim = STORE_DIM_ALL;
        break;

    case REFERRAL_DIM_HOUR:
        scan.dim = STORE_DIM_HOUR;
        scan.hour = 3600;
        break;

    default:
        scan.dim = (dim == REFERRAL_DIM_CHANNEL) ? STORE_DIM_CHANNEL
                                                 : STORE_DIM_LANDING;
        scan.sums = calloc(STORE_SUMS, sizeof(referral_counts_t));

        if (scan.sums == NULL) {
            return REFERRAL_FULL;
        }
    }

    /* day 0 is the row of all time, which only sums by label can read */

    if (scan.sums == NULL && to == 0) {
        to = UINT32_MAX - 1;
    }

    if (from == 0 && to != 0) {
        from = 1;
    }

    store_scan_program(t, program, from, to, &scan);

    if (scan.sums != NULL) {
        (void) store_visit_sums(t, program, scan.dim, scan.sums, visit, data);
        free(scan.sums);
    }

    return store_rc(t->rc);
}


/* The first day a program has any history of, UINT32_MAX: none. */

static uint32_t
store_first_day(store_txn_t *t, uint32_t program)
{
    int             rc;
    MDB_val         k, v;
    uint32_t        day;
    MDB_cursor     *cursor;
    unsigned char   key[13];

    day = UINT32_MAX;

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_PRG], &cursor);
    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return day;
    }

    store_prg_key(key, program, 1, 0, 0);
    k.mv_size = sizeof(key);
    k.mv_data = key;

    if (mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE) == 0
        && k.mv_size == sizeof(key) && memcmp(k.mv_data, key, 4) == 0)
    {
        day = store_get_be32((unsigned char *) k.mv_data + 4);
    }

    mdb_cursor_close(cursor);

    return day;
}


/*
 * A range of days, cut to those that can hold something of this code; the last
 * of all that can.
 */

static uint32_t
store_code_days(store_txn_t *t, uint32_t program, uint32_t code,
    uint32_t *from, uint32_t *to)
{
    MDB_val        v;
    uint32_t       first;
    store_hot_t    hot;
    unsigned char  key[8];

    store_be32(key, program);
    store_be32(key + 4, code);

    if (!store_get(t, STORE_HOT, key, sizeof(key), &v)
        || v.mv_size < sizeof(hot))
    {
        *from = 1;
        *to = 0;
        return 0;
    }

    memcpy(&hot, v.mv_data, sizeof(hot));
    first = store_first_day(t, program);

    if (*to == 0 || *to > hot.day) {
        *to = hot.day;
    }

    if (*from < first) {
        *from = first;
    }

    if (*to > *from && *to - *from > STORE_DAYS_MAX) {
        store_fail(t, MDB_CORRUPTED, "the last day of a code");
    }

    return hot.day;
}


static referral_rc_t
store_counts_code(store_txn_t *t, uint32_t program, uint32_t code,
    referral_dim_t dim, uint32_t from, uint32_t to,
    referral_counts_visit_pt visit, void *data)
{
    size_t              i, n;
    unsigned            want;
    uint32_t            day, last;
    store_entry_t       entries[STORE_ENTRIES_MAX];
    referral_str_t      label;
    referral_counts_t  *sums;

    want = (dim == REFERRAL_DIM_DAY) ? STORE_DIM_ALL
           : (dim == REFERRAL_DIM_CHANNEL) ? STORE_DIM_CHANNEL
                                           : STORE_DIM_LANDING;
    label.len = 0;
    label.data = (const unsigned char *) "";

    sums = calloc(STORE_SUMS, sizeof(referral_counts_t));
    if (sums == NULL) {
        return REFERRAL_FULL;
    }

    last = store_code_days(t, program, code, &from, &to);

    for (day = from; day <= to && t->rc == 0; day++) {
        n = store_day_entries(t, program, code, day, last, entries);

        for (i = 0; i < n; i++) {
            if (entries[i].dim == want) {
                store_counts_entry(store_sum(sums, entries[i].id), &entries[i]);
            }
        }

        if (dim == REFERRAL_DIM_DAY && n != 0) {
            if (visit(data, label, (int64_t) day * 86400, sums) != 0) {
                break;
            }

            memset(sums, 0, sizeof(referral_counts_t));
        }
    }

    if (dim != REFERRAL_DIM_DAY) {
        (void) store_visit_sums(t, program, want, sums, visit, data);
    }

    free(sums);

    return store_rc(t->rc);
}


referral_rc_t
referral_counts_by(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, referral_dim_t dim, uint32_t from, uint32_t to,
    referral_counts_visit_pt visit, void *data)
{
    if (code_id == 0) {
        return store_counts_program(&snap->t, program, dim, from, to, visit,
                                    data);
    }

    if (dim == REFERRAL_DIM_HOUR) {
        return REFERRAL_INVALID;
    }

    return store_counts_code(&snap->t, program, code_id, dim, from, to, visit,
                             data);
}
