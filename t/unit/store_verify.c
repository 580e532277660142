/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The recount finds what is wrong: rows of a healthy store are changed one at
 * a time, by LMDB's own means, and each change must be told.
 *
 * Would catch: a recount that cannot fail.
 */

#include "store_test.h"


typedef struct {
    unsigned        db;
    unsigned        row;            /* from the first; LAST: from the last */
    int             offset;         /* of the byte changed; -1: row deleted,
                                       -2: row doubled under another key */
    const char     *what;
} change_t;

#define LAST  1000

static const change_t  changes[] = {
    { STORE_PRG, 0, 8, "a counter of a program" },
    { STORE_PRG, LAST, 16, "the last of them" },
    { STORE_PRG, 3, -1, "one that is missing" },
    { STORE_PRG, 3, -2, "one too many" },
    { STORE_HOT, 0, 8, "a total of a code" },
    { STORE_HOT, 1, 108, "an entry of its day" },
    { STORE_HOT, 2, 4, "its day" },
    { STORE_HOT, 0, -1, "a code without its record" },
    { STORE_HOT, 0, -2, "a record without its code" },
    { STORE_HIST, 0, 12, "an entry of a day before" },
    { STORE_HIST, LAST, -1, "a day before that is missing" },
    { STORE_HIST, 0, -2, "a day too many" },
    { STORE_JRNL, 20, -1, "a gap in the journal" },
    { STORE_JRNL, LAST, -1, "a journal cut short" },
    { STORE_JRNL, 60, 1, "a class in the journal" },
    { STORE_JRNL, 60, 30, "a click's id" },
    { STORE_CLK, 5, -1, "a click that is not in the index" },
    { STORE_CLK, 0, 0, "an index that says another place" },
    { STORE_CLK, 1, 0, "one that says a later place" },
    { STORE_CLK, 5, -2, "an index with one too many" },
    { STORE_JRNL, 2, 20, "a code's name in the journal" },
    { STORE_CODE, 1, -1, "a code that is missing" },
    { STORE_CODE, 1, -2, "a code too many" },
    { STORE_CODE, 1, 16, "when a code was made" },
    { STORE_CODE, LAST, 37, "a letter of its owner" },
    { STORE_CODE, 1, 1, "a code's status" },
    { STORE_CID, 1, -1, "a code without its number" },
    { STORE_OWN, 1, -1, "an owner's code that is not in the index" },
    { STORE_OWN, 1, -2, "an index that names one too many" },
    { STORE_PROG, 0, 4, "a program's number" }
};

#define CHANGES  (sizeof(changes) / sizeof(changes[0]))

static struct {
    uint64_t       differences;
    unsigned       progress;
} *shared;


static void
scene_fill(test_store_t *ts, void *data)
{
    char                 code[16], owner[16];
    unsigned             i;
    uint64_t             seq;
    uint32_t             program;
    referral_record_t    record;
    referral_intake_t   *intake;

    (void) data;

    test_open(ts);
    program = test_program(ts, "friends");
    intake = test_intake(ts);

    for (i = 0; i < 10; i++) {
        memset(&record, 0, sizeof(record));
        snprintf(code, sizeof(code), "code%u", i);
        snprintf(owner, sizeof(owner), "owner%u", i / 2);
        record.type = REFERRAL_RECORD_CODE;
        record.time = 1763700000000;
        record.u.code.program = program;
        record.u.code.code = test_str(code);
        record.u.code.set = REFERRAL_SET_OWNER;
        record.u.code.owner = test_str(owner);
        test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    }

    for (i = 1; i <= 300; i++) {
        record = test_click(program, i);
        record.time += (int64_t) (i / 100) * 86400000;
        snprintf(code, sizeof(code), "CODE%u", i % 10);
        record.u.click.code = test_str(code);
        record.u.click.visitor = i;
        test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    }

    (void) test_apply_all(ts, intake, 1);
    referral_intake_close(intake);
}


static void
scene_change(test_store_t *ts, void *data)
{
    unsigned         i;
    MDB_txn         *txn;
    MDB_val          k, v;
    MDB_cursor      *cursor;
    unsigned char    key[512], value[4096];
    const change_t  *change;

    change = data;
    test_open(ts);

    if (mdb_txn_begin(ts->store->env, NULL, 0, &txn)
        || mdb_cursor_open(txn, ts->store->dbi[change->db], &cursor)
        || mdb_cursor_get(cursor, &k, &v,
                          change->row == LAST ? MDB_LAST : MDB_FIRST))
    {
        _exit(1);
    }

    for (i = 0; change->row != LAST && i < change->row; i++) {
        if (mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
            _exit(1);
        }
    }

    if (change->offset >= (int) v.mv_size) {
        _exit(1);
    }

    memcpy(key, k.mv_data, k.mv_size);
    memcpy(value, v.mv_data, v.mv_size);
    k.mv_data = key;
    v.mv_data = value;

    if (change->offset == -1) {
        i = (unsigned) mdb_del(txn, ts->store->dbi[change->db], &k, NULL);

    } else {
        if (change->offset == -2) {
            key[k.mv_size - 1] ^= 0x55;

        } else {
            value[change->offset] ^= 1;
        }

        i = (unsigned) mdb_put(txn, ts->store->dbi[change->db], &k, &v, 0);
    }

    mdb_cursor_close(cursor);

    if (i != 0 || mdb_txn_commit(txn) != 0) {
        _exit(1);
    }
}


static void
progress(void *data, uint64_t done, uint64_t all)
{
    (void) data;

    shared->progress += (done <= all);
}


static void
scene_verify(test_store_t *ts, void *data)
{
    referral_verify_t     verify;
    referral_snapshot_t  *snap;

    (void) data;

    memset(&verify, 0, sizeof(verify));
    verify.progress = progress;

    test_open(ts);
    snap = test_snapshot(ts);
    test_must(ts, referral_store_verify(snap, &verify, &shared->differences,
                                        &ts->err), "verify");
}


int
main(void)
{
    unsigned       i;
    test_store_t   ts;

    shared = test_shared(sizeof(*shared));

    for (i = 0; i < CHANGES; i++) {
        test_make(&ts);

        if (test_child(scene_fill, &ts, NULL) != 0
            || test_child(scene_verify, &ts, NULL) != 0
            || shared->differences != 0
            || test_child(scene_change, &ts, (void *) &changes[i]) != 0)
        {
            tap_ok(0, "cannot make %s", changes[i].what);

        } else {
            shared->differences = 0;
            tap_ok(test_child(scene_verify, &ts, NULL) == 0
                   && shared->differences != 0, "%s is found",
                   changes[i].what);
        }

        test_remove(&ts);
    }

    return tap_done();
}
