/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store_replay.h"


#define STORE_REPLAY_BATCH  10000       /* records in a transaction */


struct store_replay_s {
    referral_store_t    store;
    store_txn_t         t;
    store_txn_t        *disk;
    unsigned            open;           /* t is a transaction */
    unsigned            applied;        /* in it */
};


/*
 * A directory that nobody else can look into, and files without a name from
 * the moment they are open.
 */

static int
store_replay_env(store_replay_t *replay)
{
    int          rc;
    char         dir[256], path[300];
    const char  *tmp;
    MDB_envinfo  info;

    tmp = getenv("TMPDIR");
    (void) snprintf(dir, sizeof(dir), "%.200s/referral-replay-XXXXXX",
                    (tmp != NULL && *tmp == '/') ? tmp : "/tmp");

    if (mkdtemp(dir) == NULL) {
        return errno;
    }

    (void) mdb_env_info(replay->disk->store->env, &info);

    rc = mdb_env_create(&replay->store.env);

    if (rc == 0) {
        (void) mdb_env_set_maxdbs(replay->store.env, STORE_DBS);
        (void) mdb_env_set_mapsize(replay->store.env, info.me_mapsize);

        rc = mdb_env_open(replay->store.env, dir,
                          MDB_NOSYNC|MDB_NOLOCK|MDB_NOTLS, 0600);
    }

    (void) snprintf(path, sizeof(path), "%s/data.mdb", dir);
    (void) unlink(path);
    (void) rmdir(dir);

    return rc;
}


static void
store_replay_begin(store_replay_t *replay)
{
    if (store_begin(&replay->t, &replay->store, 0) == 0) {
        replay->t.clicks = replay->disk;
        replay->open = 1;
        replay->applied = 0;
    }
}


static void
store_replay_commit(store_replay_t *replay)
{
    store_cells_write(&replay->t);
    (void) store_commit(&replay->t);
    store_cells_clear(replay->t.cells);
    replay->open = 0;
}


static int
store_replay_dbis(store_replay_t *replay)
{
    int       rc;
    char      name[8];
    unsigned  i;

    rc = 0;

    for (i = 0; i < STORE_DBS && rc == 0; i++) {
        (void) snprintf(name, sizeof(name), "%u", i);
        rc = mdb_dbi_open(replay->t.txn, name, MDB_CREATE,
                          &replay->store.dbi[i]);
    }

    return rc;
}


store_replay_t *
store_replay_create(store_txn_t *disk, referral_error_t *err)
{
    int              rc;
    store_replay_t  *replay;

    replay = calloc(1, sizeof(store_replay_t));

    if (replay == NULL) {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        return NULL;
    }

    replay->disk = disk;
    replay->t.cells = store_cells_create();
    (void) snprintf(replay->store.path, sizeof(replay->store.path),
                    "the replay");

    rc = (replay->t.cells != NULL) ? store_replay_env(replay) : ENOMEM;

    if (rc == 0) {
        store_replay_begin(replay);
        rc = (replay->t.rc != 0) ? replay->t.rc : store_replay_dbis(replay);
    }

    if (rc != 0) {
        store_error(err, store_rc(rc), rc, "cannot make a store to replay the "
                    "journal in");
        store_replay_destroy(replay);
        return NULL;
    }

    return replay;
}


void
store_replay_destroy(store_replay_t *replay)
{
    unsigned  i;

    store_abort(&replay->t);
    store_cells_destroy(replay->t.cells);

    for (i = 0; i < STORE_MAX_PROGRAMS; i++) {
        free(replay->store.rules[i]);
    }

    if (replay->store.env != NULL) {
        mdb_env_close(replay->store.env);
    }

    free(replay);
}


store_txn_t *
store_replay_txn(store_replay_t *replay)
{
    return &replay->t;
}


void
store_replay_turn(store_replay_t *replay)
{
    if (++replay->applied >= STORE_REPLAY_BATCH) {
        store_replay_commit(replay);

        if (replay->t.rc == 0) {
            store_replay_begin(replay);
        }
    }
}


/* The next entry gets that place in the journal. */

static void
store_replay_at(store_replay_t *replay, uint64_t seq)
{
    size_t    *size;
    uint64_t  *last;

    last = store_cell(&replay->t, STORE_META, "J", 1, sizeof(uint64_t), 0,
                      &size);

    if (last != NULL) {
        *last = seq - 1;
        *size = sizeof(uint64_t);
    }
}


void
store_replay_click(store_replay_t *replay, store_click_row_t *row,
    uint64_t seq, unsigned counted)
{
    if (replay->t.rc == 0) {
        store_index_click(&replay->t, row, seq);
        store_replay_at(replay, seq + 1);

        if (counted) {
            store_count_click(&replay->t, row);
        }

        if (store_click_earns(&replay->t, row)) {
            store_score_click(&replay->t, row);
        }

        store_replay_turn(replay);
    }
}


void
store_replay_record(store_replay_t *replay, const referral_record_t *record,
    uint64_t seq)
{
    size_t    *size;
    uint32_t  *programs;

    if (replay->t.rc != 0) {
        return;
    }

    store_replay_at(replay, seq);
    (void) store_apply(&replay->t, record);

    if (record->type == REFERRAL_RECORD_PROGRAM) {
        programs = store_cell(&replay->t, STORE_META, "N", 1,
                              sizeof(uint32_t), 0, &size);
        if (programs != NULL) {
            *programs = record->u.program.id;
            *size = sizeof(uint32_t);
        }
    }

    store_replay_turn(replay);
}


uint64_t
store_replay_last(store_replay_t *replay)
{
    return (replay->t.rc == 0) ? store_journal_next(&replay->t) - 1 : 0;
}


int
store_replay_wrote(store_replay_t *replay, uint64_t seq, const MDB_val *row)
{
    MDB_val        v;
    unsigned char  key[8];

    store_be64(key, seq);

    return store_get(&replay->t, STORE_JRNL, key, sizeof(key), &v)
           && v.mv_size == row->mv_size
           && memcmp(v.mv_data, row->mv_data, v.mv_size) == 0;
}


void
store_replay_end(store_replay_t *replay)
{
    if (replay->t.rc == 0) {
        store_replay_commit(replay);
    }

    if (replay->t.rc == 0) {
        (void) store_begin(&replay->t, &replay->store, MDB_RDONLY);
    }
}
