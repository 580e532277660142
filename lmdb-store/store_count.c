/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters of clicks: what one click adds.
 *
 * A program has rows per day and dimension; few of them change in a batch,
 * whatever the number of clicks.  A code has one record, "hot", with its
 * totals and its current day, so that a click dirties one page; the first
 * click of a later day moves the day to "hist".
 */

#include "store_cells.h"


#define STORE_CLICK_MAX (6 * sizeof(store_entry_t))     /* what one adds */


static void
store_label_key(unsigned char *key, uint32_t program, unsigned dim,
    uint16_t id)
{
    store_be32(key, program);
    key[4] = (unsigned char) dim;
    store_be16(key + 5, id);
}


static uint16_t
store_find_label(store_txn_t *t, uint32_t program, unsigned dim,
    referral_str_t label)
{
    size_t         len, *size;
    MDB_val        v;
    uint16_t       id, *last;
    unsigned char  key[5 + REFERRAL_LANDING_MAX], name[7];

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


/* Where a label of this batch is, or may be. */

static store_label_t *
store_label_near(store_cells_t *cells, uint32_t program, unsigned dim,
    referral_str_t label)
{
    size_t    left;
    uint64_t  h, word;

    h = (uint64_t) program << 8 | dim;

    for (left = label.len; left > sizeof(word); left -= sizeof(word)) {
        memcpy(&word, label.data + label.len - left, sizeof(word));
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
    }

    word = 0;
    memcpy(&word, label.data + label.len - left, left);
    h = (h ^ word) * 0x9e3779b97f4a7c15u;

    return &cells->labels[h >> 32 & (STORE_LABELS - 1)];
}


uint16_t
store_label_id(store_txn_t *t, uint32_t program, unsigned dim,
    referral_str_t label)
{
    store_label_t  *near;

    if (label.len == 0) {
        return 0;
    }

    near = store_label_near(t->cells, program, dim, label);

    if (near->id == 0 || near->program != program || near->dim != dim
        || near->len != label.len
        || memcmp(near->text, label.data, label.len) != 0)
    {
        near->id = store_find_label(t, program, dim, label);
        near->program = program;
        near->dim = (uint8_t) dim;
        near->len = (uint8_t) label.len;
        memcpy(near->text, label.data, label.len);
    }

    return near->id;
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


static store_prg_t *
store_count_row(store_txn_t *t, uint32_t program, uint32_t day, unsigned dim,
    uint32_t id)
{
    size_t        *size;
    store_prg_t   *row;
    unsigned char  key[13];

    store_prg_key(key, program, day, dim, id);

    row = store_cell(t, STORE_PRG, key, sizeof(key), sizeof(store_prg_t), 0,
                     &size);
    if (row != NULL) {
        *size = sizeof(store_prg_t);
        row->version = 1;
    }

    return row;
}


/* Batches have few such rows, and all clicks want some of them. */

static store_prg_t **
store_count_rows(store_txn_t *t, uint32_t program, uint32_t day,
    unsigned dim, uint32_t id)
{
    store_near_t  *near;

    near = &t->cells->near[(id * 4 + dim + day * 32) & (STORE_NEAR - 1)];

    if (near->rows[0] != NULL && near->id == id && near->dim == dim
        && near->day == day && near->program == program)
    {
        return near->rows;
    }

    near->program = program;
    near->day = day;
    near->dim = dim;
    near->id = id;
    near->rows[0] = store_count_row(t, program, day, dim, id);
    near->rows[1] = (dim == STORE_DIM_HOUR)
                    ? NULL : store_count_row(t, program, 0, dim, id);

    return near->rows;
}


static void
store_count_program(store_txn_t *t, const store_click_row_t *row,
    uint32_t day, unsigned dim, uint32_t id)
{
    unsigned       i;
    store_prg_t  **rows;

    rows = store_count_rows(t, row->program, day, dim, id);

    for (i = 0; i < 2 && rows[i] != NULL; i++) {
        rows[i]->column[row->class]++;
        rows[i]->column[STORE_UNIQUE] += row->unique;
    }
}


/* What an entry counts, as one number. */

static inline uint32_t
store_entry_name(const store_entry_t *entry)
{
    uint32_t  name;

    memcpy(&name, entry, sizeof(name));

    return name;
}


/*
 * Adds one to an entry, made at the end when it is new.  1 when there was no
 * room for its label, and "other" was counted.
 */

static unsigned
store_entry_add(store_entry_t *entries, size_t *n, unsigned dim, uint16_t id,
    unsigned column)
{
    size_t         i;
    unsigned       folded;
    store_entry_t  want;

    folded = 0;

    want.dim = (uint8_t) dim;
    want.column = (uint8_t) column;
    want.id = id;

    for ( ;; ) {

        for (i = 0; i < *n; i++) {
            if (store_entry_name(&entries[i]) == store_entry_name(&want)) {
                entries[i].count += (entries[i].count != UINT32_MAX);
                return folded;
            }
        }

        if (*n < STORE_ENTRIES_SOFT || dim == STORE_DIM_ALL
            || want.id == STORE_LABEL_OTHER)
        {
            break;
        }

        want.id = STORE_LABEL_OTHER;
        folded = 1;
    }

    want.count = 1;
    entries[i] = want;
    (*n)++;

    return folded;
}


static void
store_count_entries(store_entry_t *entries, size_t *n, store_click_row_t *row)
{
    unsigned  i, folded;
    uint16_t  id[3];
    uint8_t   dim[3];

    dim[0] = STORE_DIM_ALL;
    id[0] = 0;
    dim[1] = STORE_DIM_CHANNEL;
    id[1] = row->channel;
    dim[2] = STORE_DIM_LANDING;
    id[2] = row->landing;

    folded = 0;

    for (i = 0; i < 3; i++) {
        folded |= store_entry_add(entries, n, dim[i], id[i], row->class)
                  << 2 * i;

        if (row->unique) {
            folded |= store_entry_add(entries, n, dim[i], id[i], STORE_UNIQUE)
                      << (2 * i + 1);
        }
    }

    row->folded = (uint8_t) (folded >> 2);
}


/* A click that comes after its day has become history. */

static void
store_count_late(store_txn_t *t, store_click_row_t *row, uint32_t day)
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
store_count_code(store_txn_t *t, store_click_row_t *row, uint32_t day)
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
store_count_click(store_txn_t *t, store_click_row_t *row)
{
    uint32_t  day;

    day = store_day(row->time);

    store_count_program(t, row, day, STORE_DIM_ALL, 0);
    store_count_program(t, row, day, STORE_DIM_CHANNEL, row->channel);
    store_count_program(t, row, day, STORE_DIM_LANDING, row->landing);
    store_count_program(t, row, day, STORE_DIM_HOUR,
                        (uint32_t) (row->time / 3600000 % 24));

    if (row->code != 0) {
        store_count_code(t, row, day);
    }
}
