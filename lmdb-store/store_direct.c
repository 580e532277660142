/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Records that come from no intake: the store takes them itself, each in a
 * transaction of its own, on disk when the call returns.
 */

#include <errno.h>

#include "store_case.h"


referral_rc_t
store_direct(referral_store_t *store, store_wanted_pt wanted,
    referral_record_t *record, referral_error_t *err)
{
    unsigned       done;
    referral_rc_t  rc;
    store_txn_t    t;

    rc = store_may_write(store, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    t.cells = store_cells_create();

    if (t.cells == NULL) {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        return REFERRAL_FULL;
    }

    done = 0;

    if (store_begin(&t, store, 0) == 0) {
        done = wanted(&t, record) && store_apply(&t, record).created;

        if (done) {
            store_cells_write(&t);
            (void) store_commit(&t);

        } else {
            store_abort(&t);
        }
    }

    store_cells_destroy(t.cells);
    rc = store_failed(&t, err);

    return (rc == REFERRAL_OK && done) ? store_sync(store, err) : rc;
}


/* ----------------------------------------------------------------- rules -- */

static int
store_rules_wanted(store_txn_t *t, referral_record_t *record)
{
    referral_str_t  encoded;

    return !store_rules_encoded(t, record->u.rules.program, &encoded)
           || !store_same(encoded, record->u.rules.rules);
}


referral_rc_t
referral_store_rules(referral_store_t *store, uint32_t program,
    const referral_rules_t *rules, referral_error_t *err)
{
    int                wanted;
    referral_rc_t      rc;
    store_txn_t        t;
    unsigned char      buf[REFERRAL_RULES_SIZE];
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_RULES;
    record.time = store_wall_ms();
    record.u.rules.program = program;
    record.u.rules.rules.data = buf;
    record.u.rules.rules.len = referral_rules_encode(rules, buf);

    if (record.u.rules.rules.len == 0) {
        store_error(err, REFERRAL_INVALID, 0, "the rules of a program are too "
                    "long or break a limit");
        return REFERRAL_INVALID;
    }

    /* most starts change nothing and need no transaction that writes */

    wanted = 0;

    if (store_begin(&t, store, MDB_RDONLY) == 0) {
        wanted = store_rules_wanted(&t, &record);
        store_abort(&t);
    }

    rc = store_failed(&t, err);

    if (rc != REFERRAL_OK || !wanted) {
        return rc;
    }

    return store_direct(store, store_rules_wanted, &record, err);
}
