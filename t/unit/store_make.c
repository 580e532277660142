/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * store_make STORE INTAKE [clicks]     makes a store with three codes and
 *                                      that many clicks, 20 if not given
 * store_make -h STORE INTAKE           holds it open: for each line of input
 *                                      one click more, then "ok"
 * store_make -d STORE DB               adds one to a counter in the last row
 *                                      of that database
 *
 * Made for the tests of referralctl.  Times are fixed, so that each run makes
 * the same counters.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lmdb.h>

#include "referral_store.h"


#define MAP_SIZE    ((uint64_t) 64 << 20)
#define RING_SIZE   ((uint64_t) 1 << 20)
#define FIRST_TIME  INT64_C(1790000000000)
#define STEP        INT64_C(3600000)        /* an hour between clicks */
#define STR(s)      { sizeof(s) - 1, (const unsigned char *) s }


typedef struct {
    referral_store_t        *store;
    referral_intake_t       *intake;
    uint32_t                 program;
    uint64_t                 clicks;
} maker_t;


static const referral_str_t  codes[] = {
    STR("ANNA42"), STR("BEN7"), STR("Carl-1")
};

static const referral_str_t  channels[] = { STR(""), STR("wa"), STR("mail") };


__attribute__((noreturn))
static void
fail(const char *what, const char *why)
{
    (void) fprintf(stderr, "store_make: %s: %s\n", what, why);
    exit(1);
}


static void
check(const char *what, referral_rc_t rc, const referral_error_t *err)
{
    if (rc != REFERRAL_OK) {
        fail(what, err->text);
    }
}


static void
apply(maker_t *m)
{
    referral_batch_t   batch;
    referral_error_t   err;
    referral_result_t  result;

    do {
        check("apply", referral_intake_apply(m->intake, 1, &result, 1, &batch,
                                             &err), &err);

        if (batch.refused != 0 || (batch.results && result.rc != REFERRAL_OK)) {
            fail("apply", "a record was refused");
        }

    } while (batch.more);
}


static void
put(maker_t *m, const referral_record_t *record)
{
    uint64_t       seq;
    referral_rc_t  rc;

    rc = referral_intake_put(m->intake, record, &seq);

    if (rc == REFERRAL_FULL) {
        apply(m);
        rc = referral_intake_put(m->intake, record, &seq);
    }

    if (rc != REFERRAL_OK) {
        fail("put", "a record was not taken");
    }
}


static void
put_code(maker_t *m, referral_str_t code)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));

    record.type = REFERRAL_RECORD_CODE;
    record.reply = 1;
    record.time = FIRST_TIME;
    record.u.code.program = m->program;
    record.u.code.code = code;
    record.u.code.set = REFERRAL_SET_OWNER;
    record.u.code.owner = code;

    put(m, &record);
}


static void
put_click(maker_t *m)
{
    uint64_t           n;
    referral_record_t  record;

    n = m->clicks++;
    memset(&record, 0, sizeof(record));

    record.type = REFERRAL_RECORD_CLICK;
    record.time = FIRST_TIME + (int64_t) (n % 240) * STEP;
    record.u.click.program = m->program;
    record.u.click.code = codes[n % 3];
    record.u.click.class = (uint8_t) ((n % 4) ? REFERRAL_CLASS_HUMAN
                                              : REFERRAL_CLASS_PREVIEW);
    record.u.click.channel = channels[n % 3];
    record.u.click.visitor = n / 2 + 1;
    record.u.click.unique_window = 86400;

    n++;
    memcpy(record.u.click.click_id, &n, sizeof(n));

    put(m, &record);
}


static void
make(maker_t *m, uint64_t clicks)
{
    size_t  i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        put_code(m, codes[i]);
    }

    while (m->clicks < clicks) {
        put_click(m);
    }

    apply(m);
}


/* Click ids go on where make() can not have been. */

static void
hold(maker_t *m)
{
    char  line[16];

    m->clicks = UINT64_C(1) << 32;

    (void) puts("ok");
    (void) fflush(stdout);

    while (fgets(line, sizeof(line), stdin) != NULL) {
        put_click(m);
        apply(m);

        (void) puts("ok");
        (void) fflush(stdout);
    }
}


/* In each of hot, hist and prg, byte 8 of a row is part of a counter. */

static void
damage(const char *path, const char *db)
{
    MDB_val         k, v;
    MDB_dbi         dbi;
    MDB_env        *env;
    MDB_txn        *txn;
    MDB_cursor     *cursor;
    unsigned char   value[4096];

    if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 48) != 0
        || mdb_env_open(env, path, 0, 0600) != 0
        || mdb_txn_begin(env, NULL, 0, &txn) != 0
        || mdb_dbi_open(txn, db, 0, &dbi) != 0
        || mdb_cursor_open(txn, dbi, &cursor) != 0
        || mdb_cursor_get(cursor, &k, &v, MDB_LAST) != 0
        || v.mv_size <= 8 || v.mv_size > sizeof(value))
    {
        fail("damage", db);
    }

    memcpy(value, v.mv_data, v.mv_size);
    value[8]++;
    v.mv_data = value;

    if (mdb_cursor_put(cursor, &k, &v, MDB_CURRENT) != 0) {
        fail("damage", "mdb_cursor_put()");
    }

    mdb_cursor_close(cursor);

    if (mdb_txn_commit(txn) != 0) {
        fail("damage", "mdb_txn_commit()");
    }

    mdb_env_close(env);
}


static void
open_store(maker_t *m, const char *path, const char *intake_path)
{
    unsigned              case_sensitive;
    referral_error_t      err;
    referral_options_t    opts;
    const referral_str_t  name = STR("friends");

    memset(m, 0, sizeof(maker_t));
    memset(&opts, 0, sizeof(opts));

    opts.path = path;
    opts.intake_path = intake_path;
    opts.map_size = MAP_SIZE;
    opts.intake_size = RING_SIZE;
    case_sensitive = 0;

    check("open", referral_store_open(&opts, &m->store, &err), &err);
    check("program", referral_store_program(m->store, name, &case_sensitive,
                                            &m->program, &err), &err);
    check("intake", referral_intake_open(m->store, &m->intake, &err), &err);
}


int
main(int argc, char **argv)
{
    maker_t   m;
    uint64_t  clicks;

    if (argc == 4 && strcmp(argv[1], "-d") == 0) {
        damage(argv[2], argv[3]);
        return 0;
    }

    if (argc == 4 && strcmp(argv[1], "-h") == 0) {
        open_store(&m, argv[2], argv[3]);
        hold(&m);

    } else if (argc == 3 || argc == 4) {
        clicks = (argc == 4) ? strtoull(argv[3], NULL, 10) : 20;
        open_store(&m, argv[1], argv[2]);
        make(&m, clicks);

    } else {
        fail("usage", "STORE INTAKE [clicks], -h STORE INTAKE or "
             "-d STORE DB");
    }

    referral_intake_close(m.intake);
    referral_store_close(m.store);

    return 0;
}
