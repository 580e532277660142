/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The recount: everything that can be computed from the journal is computed
 * once more and compared; and, to rebuild, what differs is mended.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "referral_tools.h"
#include "store_verify.h"


/* Rows as they should be; written when all is compared. */

typedef struct store_patch_s  store_patch_t;

struct store_patch_s {
    store_patch_t          *next;
    unsigned                db;
    unsigned                put;
    size_t                  len;
    size_t                  size;
    unsigned char           data[];     /* key, value */
};

struct store_mend_s {
    store_patch_t          *patches;
    int                     rc;
};


static void
store_mend_note(store_mend_t *mend, unsigned db, const MDB_val *key,
    const MDB_val *want)
{
    size_t          size;
    store_patch_t  *patch;

    size = (want != NULL) ? want->mv_size : 0;
    patch = malloc(sizeof(store_patch_t) + key->mv_size + size);

    if (patch == NULL) {
        mend->rc = ENOMEM;
        return;
    }

    patch->db = db;
    patch->put = (want != NULL);
    patch->len = key->mv_size;
    patch->size = size;
    memcpy(patch->data, key->mv_data, key->mv_size);

    if (size != 0) {
        memcpy(patch->data + patch->len, want->mv_data, size);
    }

    patch->next = mend->patches;
    mend->patches = patch;
}


/* Writes the rows, when there is a transaction to do so in, and frees them. */

static void
store_mend_end(store_mend_t *mend, store_txn_t *t)
{
    store_patch_t  *patch;

    while ((patch = mend->patches) != NULL) {
        mend->patches = patch->next;

        if (t == NULL) {
            /* void */

        } else if (patch->put) {
            store_put(t, patch->db, patch->data, patch->len,
                      patch->data + patch->len, patch->size);

        } else {
            store_delete(t, patch->db, patch->data, patch->len);
        }

        free(patch);
    }
}


static void
store_report(store_compare_t *c, unsigned db, const MDB_val *key,
    const char *what)
{
    char                  sentence[160];
    size_t                i, n;
    const unsigned char  *p;

    static const char  *names[STORE_DBS] = {
        [STORE_PROG] = "program", [STORE_CODE] = "code",
        [STORE_CID] = "number of a code",
        [STORE_OWN] = "owner of a code",
        [STORE_HOT] = "counter of a code",
        [STORE_HIST] = "counter of a day of a code",
        [STORE_PRG] = "counter of a program",
        [STORE_JRNL] = "journal", [STORE_CLK] = "index of clicks",
        [STORE_RULE] = "rules", [STORE_NAM] = "number of a name",
        [STORE_ORD] = "conversion", [STORE_HLD] = "list of held events",
        [STORE_RFD] = "refund", [STORE_CUS] = "customer",
        [STORE_RWD] = "reward", [STORE_RWS] = "rewards by state",
        [STORE_CNT] = "count", [STORE_DUE] = "hold",
        [STORE_SCR] = "score", [STORE_LDR] = "leaderboard",
        [STORE_BAS] = "base of purged clicks"
    };

    c->differences++;

    if (c->verify->report == NULL) {
        return;
    }

    p = key->mv_data;
    n = (size_t) snprintf(sentence, sizeof(sentence), "%s %s: key ",
                          names[db], what);

    for (i = 0; i < key->mv_size && n + 3 < sizeof(sentence); i++) {
        n += (size_t) snprintf(sentence + n, sizeof(sentence) - n, "%02x",
                               p[i]);
    }

    c->verify->report(c->verify->data, sentence);
}


void
store_differs(store_compare_t *c, unsigned db, const MDB_val *key,
    const MDB_val *want, const char *what)
{
    store_report(c, db, key, what);

    if (c->mend != NULL) {
        store_mend_note(c->mend, db, key, want);
    }
}


void
store_damaged(store_compare_t *c, unsigned db, const MDB_val *key,
    const char *what)
{
    store_report(c, db, key, what);
    c->damages++;
}


/* Recounts and compares what t shows. */

static referral_rc_t
store_verify(store_compare_t *c, referral_error_t *err)
{
    referral_rc_t  rc;

    c->replay = store_replay_create(c->disk, err);

    if (c->replay == NULL) {
        return REFERRAL_SYSTEM;
    }

    c->bases = store_bases_create(c->disk);
    c->again = store_replay_txn(c->replay);

    if (c->bases != NULL) {
        store_recount(c);
        store_bases_check(c);
        store_replay_end(c->replay);
        store_compare(c);
    }

    /* no place was left for what followed: as was reported, much is wrong */

    rc = (c->again->rc == MDB_KEYEXIST && c->damages != 0)
         ? REFERRAL_OK : store_failed(c->again, err);

    if (rc == REFERRAL_OK) {
        rc = store_failed(c->disk, err);
    }

    store_bases_destroy(c->bases);
    store_replay_destroy(c->replay);

    return rc;
}


referral_rc_t
referral_store_verify(referral_snapshot_t *snap,
    const referral_verify_t *v, uint64_t *differences, referral_error_t *err)
{
    referral_rc_t    rc;
    store_compare_t  c;

    memset(&c, 0, sizeof(c));
    c.disk = &snap->t;
    c.verify = v;

    rc = store_verify(&c, err);
    *differences = c.differences;

    return rc;
}


/* What was mended may lie where nothing is found, in a tree out of order. */

static int
store_still_differs(store_txn_t *t)
{
    referral_error_t    err;
    store_compare_t     c;
    referral_verify_t   silent;

    memset(&c, 0, sizeof(c));
    memset(&silent, 0, sizeof(silent));
    c.disk = t;
    c.verify = &silent;

    return store_verify(&c, &err) != REFERRAL_OK || c.differences != 0;
}


static referral_rc_t
store_rebuild_commit(store_txn_t *t, store_compare_t *c,
    referral_error_t *err)
{
    if (c->damages != 0) {
        store_error(err, REFERRAL_CORRUPT, 0, "the journal of \"%s\" is "
                    "damaged: nothing is changed, restore a backup",
                    t->store->path);
        store_abort(t);
        return REFERRAL_CORRUPT;
    }

    if (c->mend->rc != 0) {
        store_fail(t, c->mend->rc, "malloc()");
    }

    store_mend_end(c->mend, t);

    if (c->differences != 0 && store_still_differs(t)) {
        store_error(err, REFERRAL_CORRUPT, 0, "\"%s/data.mdb\" itself is "
                    "damaged, and not to be mended row by row: nothing is "
                    "changed, restore a backup", t->store->path);
        store_abort(t);
        return REFERRAL_CORRUPT;
    }

    if (store_commit(t) != 0) {
        return store_failed(t, err);
    }

    return store_sync(t->store, err);
}


referral_rc_t
referral_store_rebuild(referral_store_t *store, const referral_verify_t *v,
    uint64_t *differences, referral_error_t *err)
{
    store_txn_t      t;
    store_mend_t     mend;
    referral_rc_t    rc;
    store_compare_t  c;

    *differences = 0;
    rc = store_may_write(store, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (store_begin(&t, store, 0) != 0) {
        return store_failed(&t, err);
    }

    memset(&c, 0, sizeof(c));
    memset(&mend, 0, sizeof(mend));
    c.disk = &t;
    c.verify = v;
    c.mend = &mend;

    rc = store_verify(&c, err);
    *differences = c.differences;

    if (rc == REFERRAL_OK) {
        rc = store_rebuild_commit(&t, &c, err);

    } else {
        store_abort(&t);
    }

    store_mend_end(&mend, NULL);

    return rc;
}
