/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Clicks leave the journal when they are old; what they counted stays, and
 * the base knows how much of it was theirs.
 *
 * The journal is in the order in which records were applied, which is nearly
 * that of their times: several workers apply what they took, a ring of a dead
 * one may be found later, and clocks jump.  So the purge looks beyond the first
 * click that is too young, and has two marks: all before one of them is done
 * with; the other is how far it has looked beyond that, and goes back to it.
 */

#include <stdlib.h>

#include "referral_tools.h"
#include "store_internal.h"


#define STORE_PURGE_ROWS   500      /* deleted in a step */
#define STORE_PURGE_LOOK   10000    /* looked at in a step */
#define STORE_PURGE_YOUNG  1000     /* clicks that are too young, in a row */
#define STORE_PURGE_AHEAD  86400000 /* ms: later than now by that is by a
                                       clock that was wrong */
#define STORE_PURGE_FEWER  8        /* times, where a step does not fit */


typedef struct {
    uint64_t                from;           /* all before it is done with */
    uint64_t                look;           /* 0, or where to go on looking */
} store_purge_mark_t;

typedef struct {
    uint32_t                program;
    int64_t                 before;
    int64_t                 now;            /* by the clock or the journal */
    unsigned                looked;
    unsigned                young;
    unsigned                kept;
    unsigned                blocked;        /* there is one to come back to */
    unsigned                more;           /* for another step */
    unsigned                n;
    uint64_t                last;           /* place looked at */
    store_purge_mark_t      mark;
    uint64_t                rows[STORE_PURGE_ROWS];
} store_purge_t;


static void
store_purge_key(unsigned char *key, uint32_t program)
{
    key[0] = 'G';
    store_be32(key + 1, program);
}


static int
store_purge_click(const MDB_val *value, uint32_t program,
    store_click_row_t *row)
{
    if (value->mv_size != sizeof(store_click_row_t)
        || *(unsigned char *) value->mv_data != REFERRAL_RECORD_CLICK)
    {
        return 0;
    }

    memcpy(row, value->mv_data, sizeof(store_click_row_t));

    return row->program == program && row->class < REFERRAL_CLASSES;
}


static int
store_purge_look(void *data, const MDB_val *key, const MDB_val *value)
{
    uint64_t            seq;
    store_purge_t      *p;
    store_click_row_t   row;

    p = data;

    if (key->mv_size != sizeof(seq)) {
        return 0;
    }

    seq = store_get_be64(key->mv_data);

    if (store_purge_click(value, p->program, &row)) {

        if (row.kept) {
            p->kept += !p->blocked;

        } else if (row.time < p->before) {
            p->young = 0;
            p->rows[p->n++] = seq;

        } else {
            p->young += (row.time <= p->now + STORE_PURGE_AHEAD);
            p->blocked = 1;
        }
    }

    p->last = seq;

    if (!p->blocked) {
        p->mark.from = seq + 1;
    }

    return ++p->looked == STORE_PURGE_LOOK || p->n == STORE_PURGE_ROWS
           || p->young == STORE_PURGE_YOUNG;
}


static int64_t
store_purge_now(store_txn_t *t)
{
    int                 rc;
    int64_t             time;
    MDB_val             k, v;
    MDB_cursor         *cursor;
    referral_record_t   record;
    store_click_row_t   row;

    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_JRNL], &cursor);

    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return 0;
    }

    time = store_wall_ms();

    if (mdb_cursor_get(cursor, &k, &v, MDB_LAST) != 0) {
        /* void */

    } else if (v.mv_size == sizeof(row)
               && *(unsigned char *) v.mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, v.mv_data, sizeof(row));
        time = (row.time > time) ? row.time : time;

    } else if (store_decode(v.mv_data, v.mv_size, &record) == 0) {
        time = (record.time > time) ? record.time : time;
    }

    mdb_cursor_close(cursor);

    return time;
}


/* What there is to do, as a snapshot shows it. */

static referral_rc_t
store_purge_find(referral_store_t *store, store_purge_t *p,
    store_purge_mark_t *start, referral_error_t *err)
{
    MDB_val        v;
    store_txn_t    t;
    unsigned char  name[5], key[8];

    memset(start, 0, sizeof(store_purge_mark_t));
    start->from = 1;

    if (store_begin(&t, store, MDB_RDONLY) == 0) {
        store_purge_key(name, p->program);

        if (store_get(&t, STORE_META, name, sizeof(name), &v)
            && v.mv_size == sizeof(store_purge_mark_t))
        {
            memcpy(start, v.mv_data, sizeof(store_purge_mark_t));
        }

        p->mark = *start;
        p->now = store_purge_now(&t);
        p->blocked = (start->look > start->from);

        store_be64(key, p->blocked ? start->look : start->from);
        store_walk(&t, STORE_JRNL, key, sizeof(key), 0, store_purge_look, p);
        store_abort(&t);
    }

    p->more = (p->looked == STORE_PURGE_LOOK || p->n == STORE_PURGE_ROWS);
    p->mark.look = (p->more && p->blocked) ? p->last + 1 : 0;

    return store_failed(&t, err);
}


static void
store_purge_fold(store_txn_t *t, const store_click_row_t *row)
{
    size_t         *size;
    store_base_t   *base;
    unsigned char   key[8];

    store_base_key(key, row->program, store_day(row->time));

    base = store_cell(t, STORE_BAS, key, sizeof(key), sizeof(store_base_t), 0,
                      &size);

    if (base != NULL) {
        *size = sizeof(store_base_t);
        store_base_click(base, row);
    }
}


/* The row may be gone since, by another worker, or be wanted now. */

static unsigned
store_purge_row(store_txn_t *t, uint32_t program, uint64_t seq)
{
    MDB_val            v;
    uint64_t           place;
    unsigned char      key[8];
    store_click_row_t  row;

    store_be64(key, seq);

    if (!store_get(t, STORE_JRNL, key, sizeof(key), &v)
        || !store_purge_click(&v, program, &row)
        || row.kept)
    {
        return 0;
    }

    store_purge_fold(t, &row);

    if (store_get(t, STORE_CLK, row.click_id, sizeof(row.click_id), &v)
        && v.mv_size == sizeof(place)
        && memcmp(v.mv_data, &seq, sizeof(place)) == 0)
    {
        store_delete(t, STORE_CLK, row.click_id, sizeof(row.click_id));
    }

    store_delete(t, STORE_JRNL, key, sizeof(key));

    return 1;
}


static referral_rc_t
store_purge_rows(referral_store_t *store, store_cells_t *cells,
    const store_purge_t *p, unsigned *purged, referral_error_t *err)
{
    size_t              *size;
    unsigned             i;
    store_txn_t          t;
    unsigned char        name[5];
    store_purge_mark_t  *mark;

    *purged = 0;

    if (store_begin(&t, store, 0) != 0) {
        return store_failed(&t, err);
    }

    t.cells = cells;

    for (i = 0; i < p->n; i++) {
        *purged += store_purge_row(&t, p->program, p->rows[i]);
    }

    store_purge_key(name, p->program);
    mark = store_cell(&t, STORE_META, name, sizeof(name),
                      sizeof(store_purge_mark_t), 0, &size);

    if (mark != NULL) {
        mark->from = (mark->from < p->mark.from) ? p->mark.from : mark->from;
        mark->look = p->mark.look;
        *size = sizeof(store_purge_mark_t);
    }

    store_cells_write(&t);

    if (store_commit(&t) != 0) {
        *purged = 0;
    }

    return store_failed(&t, err);
}


/* In a map that is nearly full, a few rows at a time make room for more. */

static referral_rc_t
store_purge_fitting(referral_store_t *store, store_cells_t *cells,
    store_purge_t *p, unsigned *purged, referral_error_t *err)
{
    referral_rc_t  rc;

    rc = store_purge_rows(store, cells, p, purged, err);

    while (rc == REFERRAL_FULL && p->n >= STORE_PURGE_FEWER) {
        p->n /= STORE_PURGE_FEWER;
        p->more = 1;

        if (p->blocked) {
            p->mark.look = p->rows[p->n];
        }

        if (p->mark.from > p->rows[p->n]) {
            p->mark.from = p->rows[p->n];
        }

        store_cells_clear(cells);
        rc = store_purge_rows(store, cells, p, purged, err);
    }

    return rc;
}


referral_rc_t
referral_store_purge(referral_store_t *store, uint32_t program,
    int64_t before, referral_purge_t *step, referral_error_t *err)
{
    referral_rc_t        rc;
    store_cells_t       *cells;
    store_purge_t        p;
    store_purge_mark_t   start;

    memset(step, 0, sizeof(referral_purge_t));
    memset(&p, 0, sizeof(store_purge_t));
    p.program = program;
    p.before = before;

    rc = store_may_write(store, err);

    if (rc == REFERRAL_OK) {
        rc = store_purge_find(store, &p, &start, err);
    }

    /* looking again costs less than a commit */

    if (rc != REFERRAL_OK
        || (p.n == 0 && p.mark.look == start.look
            && p.mark.from - start.from < STORE_PURGE_LOOK / 2))
    {
        return rc;
    }

    cells = store_cells_create();

    if (cells == NULL) {
        store_error(err, REFERRAL_FULL, 0, "malloc() failed");
        return REFERRAL_FULL;
    }

    rc = store_purge_fitting(store, cells, &p, &step->purged, err);
    store_cells_destroy(cells);

    step->kept = p.kept;
    step->more = (rc == REFERRAL_OK && p.more);

    return rc;
}
