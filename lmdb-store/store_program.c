/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Programs: their numbers, and what they were made with.
 */

#include <errno.h>

#include "store_internal.h"


/* Reads a program's row; 0 when it has none. */

static int
store_get_program(store_txn_t *t, referral_str_t name,
    store_program_row_t *row)
{
    MDB_val  v;

    if (!store_get(t, STORE_PROG, name.data, name.len, &v)) {
        return 0;
    }

    if (v.mv_size != sizeof(store_program_row_t)) {
        store_fail(t, MDB_CORRUPTED, "a program");
        return 0;
    }

    memcpy(row, v.mv_data, sizeof(store_program_row_t));

    return 1;
}


static void
store_make_program(store_txn_t *t, referral_str_t name,
    store_program_row_t *row)
{
    size_t             *size;
    uint32_t           *last;
    referral_record_t   record;

    if (store_get_program(t, name, row)) {

        /* another process was faster */

        return;
    }

    last = store_cell(t, STORE_META, "N", 1, sizeof(uint32_t), 0, &size);

    if (last == NULL) {
        return;
    }

    if (*last + 1 >= STORE_MAX_PROGRAMS) {
        store_fail(t, ENOSPC, "making one more program");
        return;
    }

    *size = sizeof(uint32_t);
    row->id = ++*last;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_PROGRAM;
    record.time = store_wall_ms();
    record.u.program.id = row->id;
    record.u.program.case_sensitive = row->case_sensitive;
    record.u.program.name = name;

    (void) store_apply(t, &record);
    store_cells_write(t);
}


referral_rc_t
referral_program_get(referral_snapshot_t *snap, referral_str_t name,
    uint32_t *id)
{
    store_txn_t          *t;
    store_program_row_t   row;

    t = &snap->t;

    if (name.len == 0 || name.len > REFERRAL_PROGRAM_MAX
        || !store_get_program(t, name, &row))
    {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    *id = row.id;

    return REFERRAL_OK;
}


referral_rc_t
referral_store_program(referral_store_t *store, referral_str_t name,
    unsigned *case_sensitive, uint32_t *id, referral_error_t *err)
{
    store_txn_t          t;
    store_program_row_t  row;

    if (name.len == 0 || name.len > REFERRAL_PROGRAM_MAX) {
        store_error(err, REFERRAL_INVALID, 0, "the name of a program has 1 to "
                    "%d bytes", REFERRAL_PROGRAM_MAX);
        return REFERRAL_INVALID;
    }

    memset(&row, 0, sizeof(row));
    row.case_sensitive = (*case_sensitive != 0);

    if (store_begin(&t, store, MDB_RDONLY) == 0) {
        (void) store_get_program(&t, name, &row);
        store_abort(&t);
    }

    if (t.rc == 0 && row.id == 0) {
        t.cells = store_cells_create();

        if (t.cells == NULL) {
            store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
            return REFERRAL_FULL;
        }

        if (store_begin(&t, store, 0) == 0) {
            store_make_program(&t, name, &row);
            (void) store_commit(&t);
        }

        store_cells_destroy(t.cells);

        if (t.rc == 0 && store_sync(store, err) != REFERRAL_OK) {
            return REFERRAL_BROKEN;
        }
    }

    if (t.rc == 0) {
        *id = row.id;
        *case_sensitive = row.case_sensitive;
    }

    return store_failed(&t, err);
}
