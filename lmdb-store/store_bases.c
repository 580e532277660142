/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Days of which clicks were purged cannot be recounted row by row: what is on
 * disk has to be the base plus the clicks that are left.  Then totals of all
 * time are the sum over the days, of these as of the others.
 */

#include <errno.h>
#include <stdlib.h>

#include "store_verify.h"


typedef struct {
    uint32_t                program;
    uint32_t                day;
    store_base_t            want;       /* purged clicks and those left */
    store_base_t            found;      /* on disk */
} store_based_day_t;

struct store_bases_s {
    store_based_day_t      *days;       /* in order */
    size_t                  n;
    size_t                  max;
    uint64_t                purged;
    int                     rc;
};

typedef struct {
    store_compare_t        *c;
    store_based_day_t      *day;
} store_based_t;


static int
store_bases_load(void *data, const MDB_val *key, const MDB_val *value)
{
    unsigned            i;
    store_bases_t      *bases;
    store_based_day_t  *day;

    bases = data;

    if (key->mv_size != 8 || value->mv_size != sizeof(store_base_t)) {
        bases->rc = MDB_CORRUPTED;
        return 1;
    }

    if (bases->n == bases->max) {
        bases->max = bases->max ? bases->max * 2 : 64;
        day = realloc(bases->days, bases->max * sizeof(store_based_day_t));

        if (day == NULL) {
            bases->rc = ENOMEM;
            return 1;
        }

        bases->days = day;
    }

    day = &bases->days[bases->n++];
    memset(day, 0, sizeof(store_based_day_t));

    day->program = store_get_be32(key->mv_data);
    day->day = store_get_be32((unsigned char *) key->mv_data + 4);
    memcpy(&day->want, value->mv_data, sizeof(store_base_t));

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        bases->purged += day->want.column[i];
    }

    return 0;
}


store_bases_t *
store_bases_create(store_txn_t *disk)
{
    store_bases_t         *bases;
    static unsigned char   first[8];

    bases = calloc(1, sizeof(store_bases_t));

    if (bases == NULL) {
        store_fail(disk, ENOMEM, "malloc()");
        return NULL;
    }

    store_walk(disk, STORE_BAS, first, sizeof(first), 0, store_bases_load,
               bases);

    if (bases->rc != 0) {
        store_fail(disk, bases->rc, "the base");
    }

    return bases;
}


void
store_bases_destroy(store_bases_t *bases)
{
    if (bases != NULL) {
        free(bases->days);
        free(bases);
    }
}


uint64_t
store_bases_purged(const store_bases_t *bases)
{
    return bases->purged;
}


static int
store_bases_order(const void *one, const void *two)
{
    const store_based_day_t  *a = one, *b = two;

    if (a->program != b->program) {
        return (a->program < b->program) ? -1 : 1;
    }

    return (a->day > b->day) - (a->day < b->day);
}


static store_based_day_t *
store_bases_find(store_bases_t *bases, uint32_t program, uint32_t day)
{
    store_based_day_t  want;

    if (bases->n == 0) {
        return NULL;
    }

    want.program = program;
    want.day = day;

    return bsearch(&want, bases->days, bases->n, sizeof(store_based_day_t),
                   store_bases_order);
}


int
store_bases_click(store_bases_t *bases, const store_click_row_t *row)
{
    store_based_day_t  *day;

    day = store_bases_find(bases, row->program, store_day(row->time));

    if (day != NULL) {
        store_base_click(&day->want, row);
    }

    return day != NULL;
}


/* What the hot record of a code has as total of all time is added to. */

static store_hot_t *
store_based_hot(store_txn_t *again, const unsigned char *key,
    const store_entry_t *entries, size_t n, size_t **size)
{
    size_t        i;
    store_hot_t  *hot;

    hot = store_cell(again, STORE_HOT, key, 8, sizeof(store_hot_t),
                     n * sizeof(store_entry_t), size);

    if (hot == NULL) {
        return NULL;
    }

    if (**size == 0) {
        hot->version = 1;
        **size = sizeof(store_hot_t);
    }

    for (i = 0; i < n; i++) {
        if (entries[i].dim == STORE_DIM_ALL
            && entries[i].column < STORE_COLUMNS)
        {
            hot->total[entries[i].column] += entries[i].count;
        }
    }

    return hot;
}


/* A row of a program's day; hours have no row of all time. */

static int
store_based_program(void *data, const MDB_val *k, const MDB_val *v)
{
    size_t               *size;
    unsigned              i;
    store_prg_t           prg, *total;
    store_txn_t          *again;
    store_based_t        *based;
    unsigned char         key[13];
    const unsigned char  *p;

    based = data;
    again = based->c->again;
    p = k->mv_data;

    if (k->mv_size != sizeof(key) || v->mv_size != sizeof(prg)) {
        return store_corrupt(based->c->disk, "a counter");
    }

    memcpy(&prg, v->mv_data, sizeof(prg));
    store_base_program(&based->day->found, p[8], store_get_be32(p + 9), &prg);

    store_put(again, STORE_PRG, p, sizeof(key), &prg, sizeof(prg));

    if (p[8] != STORE_DIM_HOUR) {
        store_prg_key(key, based->day->program, 0, p[8],
                      store_get_be32(p + 9));

        total = store_cell(again, STORE_PRG, key, sizeof(key), sizeof(prg), 0,
                           &size);

        if (total != NULL) {
            *size = sizeof(prg);
            total->version = 1;

            for (i = 0; i < STORE_COLUMNS; i++) {
                total->column[i] += prg.column[i];
            }
        }
    }

    store_replay_turn(based->c->replay);

    return again->rc;
}


/* A code's day that is history. */

static int
store_based_hist(void *data, const MDB_val *k, const MDB_val *v)
{
    size_t                n, *size;
    uint32_t              code;
    store_txn_t          *again;
    store_based_t        *based;
    store_entry_t         entries[STORE_ENTRIES_MAX];
    unsigned char         key[8];

    based = data;
    again = based->c->again;

    if (k->mv_size != 12 || v->mv_size < STORE_HIST_HEAD
        || v->mv_size > STORE_HIST_HEAD + sizeof(entries))
    {
        return store_corrupt(based->c->disk, "a counter");
    }

    n = (v->mv_size - STORE_HIST_HEAD) / sizeof(store_entry_t);
    memcpy(entries, (unsigned char *) v->mv_data + STORE_HIST_HEAD,
           n * sizeof(store_entry_t));

    code = store_get_be32((unsigned char *) k->mv_data + 8);
    store_base_entries(&based->day->found, code, entries, n);

    store_put(again, STORE_HIST, k->mv_data, k->mv_size, v->mv_data,
              v->mv_size);

    store_be32(key, based->day->program);
    store_be32(key + 4, code);
    (void) store_based_hot(again, key, entries, n, &size);

    store_replay_turn(based->c->replay);

    return again->rc;
}


/* The day that the replay takes for the code's last becomes history. */

static void
store_based_roll(store_txn_t *again, const unsigned char *key,
    const store_hot_t *hot, size_t size)
{
    unsigned char  name[12], value[STORE_HIST_HEAD + STORE_ENTRIES_MAX
                                   * sizeof(store_entry_t)] = { 1 };

    if (hot->day == 0 || size <= sizeof(store_hot_t)) {
        return;
    }

    size -= sizeof(store_hot_t);
    memcpy(value + STORE_HIST_HEAD, hot + 1, size);

    store_hist_key(name, store_get_be32(key), hot->day,
                   store_get_be32(key + 4));
    store_put(again, STORE_HIST, name, sizeof(name), value,
              STORE_HIST_HEAD + size);
}


/* A code's last day, if it has a base. */

static int
store_based_last(void *data, const MDB_val *k, const MDB_val *v)
{
    size_t              n, *size;
    store_hot_t         disk, *hot;
    store_entry_t       entries[STORE_ENTRIES_MAX];
    store_compare_t    *c;
    store_based_day_t  *day;

    c = data;

    if (k->mv_size != 8 || v->mv_size < sizeof(disk)
        || v->mv_size > sizeof(disk) + sizeof(entries))
    {
        return store_corrupt(c->disk, "a counter");
    }

    memcpy(&disk, v->mv_data, sizeof(disk));
    day = store_bases_find(c->bases, store_get_be32(k->mv_data), disk.day);

    if (day == NULL) {
        return 0;
    }

    n = (v->mv_size - sizeof(disk)) / sizeof(store_entry_t);
    memcpy(entries, (unsigned char *) v->mv_data + sizeof(disk),
           n * sizeof(store_entry_t));

    store_base_entries(&day->found,
                       store_get_be32((unsigned char *) k->mv_data + 4),
                       entries, n);

    hot = store_based_hot(c->again, k->mv_data, entries, n, &size);

    if (hot != NULL && hot->day < disk.day) {
        store_based_roll(c->again, k->mv_data, hot, *size);

        hot->day = disk.day;
        memcpy(hot + 1, entries, n * sizeof(store_entry_t));
        *size = sizeof(disk) + n * sizeof(store_entry_t);
    }

    store_replay_turn(c->replay);

    return c->again->rc;
}


static void
store_bases_day(store_compare_t *c, store_based_day_t *day)
{
    MDB_val               k;
    unsigned char         key[8];
    const store_base_t   *want, *found;

    want = &day->want;
    found = &day->found;

    if (memcmp(want->column, found->column, sizeof(want->column)) == 0
        && memcmp(want->digest, found->digest, sizeof(want->digest)) == 0)
    {
        return;
    }

    store_base_key(key, day->program, day->day);
    k.mv_size = sizeof(key);
    k.mv_data = key;

    store_damaged(c, STORE_BAS, &k, "and the clicks that are left are not "
                  "what its counters say");
}


void
store_bases_check(store_compare_t *c)
{
    size_t         i;
    store_based_t  based;
    unsigned char  key[12] = { 0 };

    based.c = c;

    for (i = 0; i < c->bases->n; i++) {
        based.day = &c->bases->days[i];
        store_base_key(key, based.day->program, based.day->day);

        store_walk(c->disk, STORE_PRG, key, 8, 8, store_based_program,
                   &based);
        store_walk(c->disk, STORE_HIST, key, 8, 8, store_based_hist, &based);
    }

    if (c->bases->n != 0) {
        memset(key, 0, sizeof(key));
        store_walk(c->disk, STORE_HOT, key, 8, 0, store_based_last, c);
    }

    for (i = 0; i < c->bases->n; i++) {
        store_bases_day(c, &c->bases->days[i]);
    }
}
