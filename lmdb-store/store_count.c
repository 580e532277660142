/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters of clicks: what one click adds, and how they are read.
 *
 * A program has rows per day and dimension; few of them change in a batch,
 * whatever the number of clicks.  A code has one record, "hot", with its
 * totals and its current day, so that a click dirties one page; the first
 * click of a later day moves the day to "hist".
 */

#include <stdlib.h>

#include "store_internal.h"


#define STORE_HIST_HEAD 8               /* version and reserved bytes */
#define STORE_CLICK_MAX (6 * sizeof(store_entry_t))     /* what one adds */


static void
store_label_key(unsigned char *key, uint32_t program, unsigned dim,
    uint16_t id)
{
    store_be32(key, program);
    key[4] = (unsigned char) dim;
    store_be16(key + 5, id);
}


uint16_t
store_label_id(store_txn_t *t, uint32_t program, unsigned dim,
    referral_str_t label)
{
    size_t         len, *size;
    MDB_val        v;
    uint16_t       id, *last;
    unsigned char  key[5 + REFERRAL_LANDING_MAX], name[7];

    if (label.len == 0) {
        return 0;
    }

    store_label_key(name, program, dim, 0);

    len = 5 + label.len;
    memcpy(key, name, 5);
    memcpy(key + 5, label.data, label.len);
    key[4] |= 0x80;

    if (store_get(t, STORE_DIM, key, len, &v)) {
        memcpy(&id, v.mv_data, sizeof(id));
        return id;
    }

    last = store_cell(t, STORE_DIM, name, 5, sizeof(uint16_t), 0, &size);

    if (last == NULL || *last >= REFERRAL_DIM_MAX) {
        return STORE_LABEL_OTHER;
    }

    id = ++*last;
    *size = sizeof(uint16_t);

    store_put(t, STORE_DIM, key, len, &id, sizeof(id));
    store_label_key(name, program, dim, id);
    store_put(t, STORE_DIM, name, sizeof(name), label.data, label.len);

    return id;
}


referral_str_t
store_label(store_txn_t *t, uint32_t program, unsigned dim, uint16_t id)
{
    MDB_val         v;
    referral_str_t  label;
    unsigned char   key[7];

    label.len = 0;
    label.data = (const unsigned char *) "";

    if (id == STORE_LABEL_OTHER) {
        label.len = sizeof("other") - 1;
        label.data = (const unsigned char *) "other";
        return label;
    }

    store_label_key(key, program, dim, id);

    if (id != 0 && store_get(t, STORE_DIM, key, sizeof(key), &v)) {
        label.len = v.mv_size;
        label.data = v.mv_data;
    }

    return label;
}


static void
store_prg_key(unsigned char *key, uint32_t program, uint32_t day,
    unsigned dim, uint32_t id)
{
    store_be32(key, program);
    store_be32(key + 4, day);
    key[8] = (unsigned char) dim;
    store_be32(key + 9, id);
}


static void
store_count_program(store_txn_t *t, const store_click_row_t *row,
    uint32_t day, unsigned dim, uint32_t id)
{
    size_t        *size;
    store_prg_t   *prg;
    unsigned char  key[13];

    store_prg_key(key, row->program, day, dim, id);

    prg = store_cell(t, STORE_PRG, key, sizeof(key), sizeof(store_prg_t), 0,
                     &size);
    if (prg == NULL) {
        return;
    }

    *size = sizeof(store_prg_t);
    prg->version = 1;
    prg->column[row->class]++;
    prg->column[STORE_UNIQUE] += row->unique;
}


/* Adds one to an entry, made at the end when it is new. */

static void
store_entry_add(store_entry_t *entries, size_t *n, unsigned dim, uint16_t id,
    unsigned column)
{
    size_t  i;

    for ( ;; ) {

        for (i = 0; i < *n; i++) {
            if (entries[i].dim == dim && entries[i].id == id
                && entries[i].column == column)
            {
                entries[i].count += (entries[i].count != UINT32_MAX);
                return;
            }
        }

        if (*n < STORE_ENTRIES_SOFT || dim == STORE_DIM_ALL
            || id == STORE_LABEL_OTHER)
        {
            break;
        }

        id = STORE_LABEL_OTHER;
    }

    entries[i].dim = (uint8_t) dim;
    entries[i].column = (uint8_t) column;
    entries[i].id = id;
    entries[i].count = 1;
    (*n)++;
}


static void
store_count_entries(store_entry_t *entries, size_t *n,
    const store_click_row_t *row)
{
    unsigned  i;
    uint16_t  id[3];
    uint8_t   dim[3];

    dim[0] = STORE_DIM_ALL;
    id[0] = 0;
    dim[1] = STORE_DIM_CHANNEL;
    id[1] = row->channel;
    dim[2] = STORE_DIM_LANDING;
    id[2] = row->landing;

    for (i = 0; i < 3; i++) {
        store_entry_add(entries, n, dim[i], id[i], row->class);

        if (row->unique) {
            store_entry_add(entries, n, dim[i], id[i], STORE_UNIQUE);
        }
    }
}


static void
store_hist_key(unsigned char *key, uint32_t program, uint32_t day,
    uint32_t code)
{
    store_be32(key, program);
    store_be32(key + 4, day);
    store_be32(key + 8, code);
}


/* A click that comes after its day has become history. */

static void
store_count_late(store_txn_t *t, const store_click_row_t *row, uint32_t day)
{
    size_t          n, *size;
    unsigned char  *value, key[12];

    store_hist_key(key, row->program, day, row->code);

    value = store_cell(t, STORE_HIST, key, sizeof(key), STORE_HIST_HEAD,
                       STORE_CLICK_MAX, &size);
    if (value == NULL) {
        return;
    }

    n = (*size < STORE_HIST_HEAD)
        ? 0 : (*size - STORE_HIST_HEAD) / sizeof(store_entry_t);
    value[0] = 1;

    store_count_entries((store_entry_t *) (value + STORE_HIST_HEAD), &n, row);

    *size = STORE_HIST_HEAD + n * sizeof(store_entry_t);
}


static void
store_roll(store_txn_t *t, const store_click_row_t *row, uint32_t day,
    const store_entry_t *entries, size_t n)
{
    size_t         *size;
    unsigned char  *value, key[12];

    store_hist_key(key, row->program, day, row->code);

    value = store_cell(t, STORE_HIST, key, sizeof(key), STORE_HIST_HEAD,
                       n * sizeof(store_entry_t), &size);
    if (value == NULL) {
        return;
    }

    value[0] = 1;
    memcpy(value + STORE_HIST_HEAD, entries, n * sizeof(store_entry_t));
    *size = STORE_HIST_HEAD + n * sizeof(store_entry_t);
}


static void
store_count_code(store_txn_t *t, const store_click_row_t *row, uint32_t day)
{
    size_t          n, count, *size;
    uint32_t        over;
    store_hot_t    *hot;
    store_entry_t  *entries, moved[STORE_ENTRIES_MAX];
    unsigned char   key[8];

    store_be32(key, row->program);
    store_be32(key + 4, row->code);

    hot = store_cell(t, STORE_HOT, key, sizeof(key), sizeof(store_hot_t),
                     STORE_CLICK_MAX, &size);
    if (hot == NULL) {
        return;
    }

    if (*size == 0) {
        hot->version = 1;
        hot->day = day;
        *size = sizeof(store_hot_t);

    } else if (*size < sizeof(store_hot_t)) {
        store_fail(t, MDB_CORRUPTED, "a counter");
        return;
    }

    entries = (store_entry_t *) (hot + 1);
    n = (*size - sizeof(store_hot_t)) / sizeof(store_entry_t);

    hot->total[row->class]++;
    hot->total[STORE_UNIQUE] += row->unique;

    if (day < hot->day) {
        store_count_late(t, row, day);
        return;
    }

    if (day == hot->day) {
        store_count_entries(entries, &n, row);
        *size = sizeof(store_hot_t) + n * sizeof(store_entry_t);
        return;
    }

    /* a new day: the hot one becomes history */

    over = hot->day;
    count = n;
    memcpy(moved, entries, n * sizeof(store_entry_t));

    n = 0;
    store_count_entries(entries, &n, row);
    hot->day = day;
    *size = sizeof(store_hot_t) + n * sizeof(store_entry_t);

    store_roll(t, row, over, moved, count);
}


void
store_count_click(store_txn_t *t, const store_click_row_t *row)
{
    unsigned  i;
    uint32_t  day, days[2];

    day = store_day(row->time);

    days[0] = 0;
    days[1] = day;

    for (i = 0; i < 2; i++) {
        store_count_program(t, row, days[i], STORE_DIM_ALL, 0);
        store_count_program(t, row, days[i], STORE_DIM_CHANNEL, row->channel);
        store_count_program(t, row, days[i], STORE_DIM_LANDING, row->landing);
    }

    store_count_program(t, row, day, STORE_DIM_HOUR,
                        (uint32_t) (row->time / 3600000 % 24));

    if (row->code != 0) {
        store_count_code(t, row, day);
    }
}


/* --------------------------------------------------------------- reading */

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


static void
store_add_columns(referral_counts_t *out, const uint64_t *column)
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
            store_add_columns(out, prg.column);
        }

    } else {
        store_be32(key, program);
        store_be32(key + 4, code_id);

        if (store_get(t, STORE_HOT, key, 8, &v) && v.mv_size >= sizeof(hot)) {
            memcpy(&hot, v.mv_data, sizeof(hot));
            store_add_columns(out, hot.total);
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

        if (referral_counts_total(&sums[i]) == 0) {
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


/* The entries of one code's day, wherever they are; their number. */

static size_t
store_day_entries(store_txn_t *t, uint32_t program, uint32_t code,
    uint32_t day, store_entry_t *entries)
{
    size_t         n;
    MDB_val        v;
    store_hot_t    hot;
    unsigned char  key[12];

    store_be32(key, program);
    store_be32(key + 4, code);

    if (!store_get(t, STORE_HOT, key, 8, &v) || v.mv_size < sizeof(hot)) {
        return 0;
    }

    memcpy(&hot, v.mv_data, sizeof(hot));

    if (hot.day == day) {
        n = (v.mv_size - sizeof(hot)) / sizeof(store_entry_t);
        v.mv_data = (unsigned char *) v.mv_data + sizeof(hot);

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


static void
store_add_entry(referral_counts_t *counts, const store_entry_t *entry)
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
        store_add_columns(store_sum(scan->sums, id), prg.column);
        return 0;
    }

    memset(&counts, 0, sizeof(counts));
    store_add_columns(&counts, prg.column);

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
        && memcmp(k.mv_data, key, 4) == 0)
    {
        day = store_get_be32((unsigned char *) k.mv_data + 4);
    }

    mdb_cursor_close(cursor);

    return day;
}


/* A range of days, cut to those that can hold something of this code. */

static void
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
        return;
    }

    memcpy(&hot, v.mv_data, sizeof(hot));
    first = store_first_day(t, program);

    if (*to == 0 || *to > hot.day) {
        *to = hot.day;
    }

    if (*from < first) {
        *from = first;
    }
}


static referral_rc_t
store_counts_code(store_txn_t *t, uint32_t program, uint32_t code,
    referral_dim_t dim, uint32_t from, uint32_t to,
    referral_counts_visit_pt visit, void *data)
{
    size_t              i, n;
    unsigned            want;
    uint32_t            day;
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

    store_code_days(t, program, code, &from, &to);

    for (day = from; day <= to && t->rc == 0; day++) {
        n = store_day_entries(t, program, code, day, entries);

        for (i = 0; i < n; i++) {
            if (entries[i].dim == want) {
                store_add_entry(store_sum(sums, entries[i].id), &entries[i]);
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


/* One code's clicks in a range of days; all time from its record. */

static void
store_code_sum(referral_snapshot_t *snap, uint32_t program, uint32_t code,
    uint32_t from, uint32_t to, referral_counts_t *out)
{
    size_t         i, n;
    uint32_t       day;
    store_entry_t  entries[STORE_ENTRIES_MAX];

    if (to == 0) {
        (void) referral_counts_get(snap, program, code, out);
        return;
    }

    memset(out, 0, sizeof(referral_counts_t));
    store_code_days(&snap->t, program, code, &from, &to);

    for (day = from; day <= to; day++) {
        n = store_day_entries(&snap->t, program, code, day, entries);

        for (i = 0; i < n; i++) {
            if (entries[i].dim == STORE_DIM_ALL) {
                store_add_entry(out, &entries[i]);
            }
        }
    }
}


referral_rc_t
referral_counts_codes(referral_snapshot_t *snap, uint32_t program,
    uint32_t after, uint32_t from, uint32_t to,
    referral_counts_code_visit_pt visit, void *data)
{
    int                rc;
    MDB_val            k, v;
    uint32_t           id;
    store_txn_t       *t;
    MDB_cursor        *cursor;
    referral_str_t     name;
    unsigned char      key[8];
    referral_counts_t  counts;

    t = &snap->t;

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_HOT], &cursor);
    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return store_rc(rc);
    }

    store_be32(key, program);
    store_be32(key + 4, after + 1);
    k.mv_size = sizeof(key);
    k.mv_data = key;

    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         rc == 0 && k.mv_size == sizeof(key)
         && memcmp(k.mv_data, key, 4) == 0;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
    {
        id = store_get_be32((unsigned char *) k.mv_data + 4);
        store_code_sum(snap, program, id, from, to, &counts);

        if (to != 0 && referral_counts_total(&counts) == 0) {
            continue;
        }

        name = store_code_name(t, id);

        if (visit(data, id, name, &counts) != 0) {
            break;
        }
    }

    mdb_cursor_close(cursor);

    return store_rc(t->rc);
}
