/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A row that is damaged is in the way of one record.  Those before it go in
 * few batches, it is passed over, and those behind it go on: the size of a
 * batch, which is large, must not make each of them cost a whole one.
 */

#include "store_test.h"


#define CODES    100
#define CLICKS   20000
#define BAD      19990          /* the click of the code whose row is damaged */
#define BATCHES  40             /* many more than it takes */
#define TIME     INT64_C(1763700000000)


typedef struct {
    unsigned             batches;
    unsigned             records;
    unsigned             left;
} found_t;


static found_t  *found;


static void
codes(test_store_t *ts, referral_intake_t *intake, uint32_t program)
{
    char               name[32];
    uint64_t           seq;
    unsigned           i;
    referral_record_t  record;

    for (i = 0; i < CODES; i++) {
        (void) sprintf(name, "C%u", i);

        memset(&record, 0, sizeof(record));
        record.time = TIME;
        record.type = REFERRAL_RECORD_CODE;
        record.u.code.program = program;
        record.u.code.code = test_str(name);

        test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    }

    test_apply_all(ts, intake, 0);
}


static void
damage(test_store_t *ts, uint32_t program, uint32_t code)
{
    MDB_txn        *txn;
    MDB_val         k, v;
    unsigned char   key[8];

    store_be32(key, program);
    store_be32(key + 4, code);

    k.mv_size = sizeof(key);
    k.mv_data = key;
    v.mv_size = 3;
    v.mv_data = "bad";

    if (mdb_txn_begin(ts->store->env, NULL, 0, &txn) != 0
        || mdb_put(txn, ts->store->dbi[STORE_HOT], &k, &v, 0) != 0
        || mdb_txn_commit(txn) != 0)
    {
        abort();
    }
}


static void
scene(test_store_t *ts, void *data)
{
    uint32_t            program;
    uint64_t            seq;
    unsigned            i;
    referral_rc_t       rc;
    referral_batch_t    batch;
    referral_record_t   record;
    referral_intake_t  *intake;

    (void) data;

    ts->opts.intake_size = 16 << 20;
    test_open(ts);
    program = test_program(ts, "friends");
    intake = test_intake(ts);

    codes(ts, intake, program);
    damage(ts, program, CODES);

    for (i = 0; i < CLICKS; i++) {
        memset(&record, 0, sizeof(record));
        record.time = TIME + i;
        record.type = REFERRAL_RECORD_CLICK;
        record.u.click.program = program;
        record.u.click.code_id = (i == BAD) ? CODES : 1 + i % (CODES - 1);
        record.u.click.class = REFERRAL_CLASS_HUMAN;

        test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    }

    do {
        rc = referral_intake_apply(intake, 0, NULL, 0, &batch, &ts->err);
        found->batches++;
        found->records += batch.records;
        found->left = batch.more;
    } while (rc == REFERRAL_OK && batch.more && found->batches < BATCHES);
}


int
main(void)
{
    test_store_t  ts;

    found = test_shared(sizeof(found_t));

    test_make(&ts);
    tap_ok(test_child(scene, &ts, NULL) == 0, "a damaged row");
    tap_ok(found->records == CLICKS && !found->left,
           "%u of %u records in %u batches", found->records, CLICKS,
           found->batches);
    test_remove(&ts);

    return tap_done();
}
