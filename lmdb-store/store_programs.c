/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "store_internal.h"


typedef struct {
    store_txn_t                 *t;
    referral_program_visit_pt    visit;
    void                        *data;
} store_programs_t;


static int
store_list_program(void *data, const MDB_val *key, const MDB_val *value)
{
    store_programs_t     *list;
    referral_str_t        name;
    store_program_row_t   row;

    list = data;

    if (value->mv_size != sizeof(row)) {
        return store_corrupt(list->t, "a program");
    }

    memcpy(&row, value->mv_data, sizeof(row));

    name.len = key->mv_size;
    name.data = key->mv_data;

    return list->visit(list->data, name, row.id);
}


referral_rc_t
referral_program_list(referral_snapshot_t *snap,
    referral_program_visit_pt visit, void *data)
{
    store_programs_t      list;
    static unsigned char  first[1];

    list.t = &snap->t;
    list.visit = visit;
    list.data = data;

    store_walk(list.t, STORE_PROG, first, sizeof(first), 0,
               store_list_program, &list);

    return list.t->rc ? store_rc(list.t->rc) : REFERRAL_OK;
}
