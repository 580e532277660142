/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Erasing a person: the journal is read in a snapshot, which tells what has
 * to change, while others write; then one transaction reads what came since
 * and changes all.  The journal is changed in place, so that a replay of it
 * gives the rows as they are then.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "store_erase.h"


#define STORE_ERASE_TRIES  10


static int
store_erase_compare_records(const void *one, const void *two)
{
    const uint64_t  *a = one, *b = two;

    return (*a > *b) - (*a < *b);
}


/* Those who have old records in their logs are told to wipe them. */

static void
store_erase_count(store_txn_t *t)
{
    size_t    *size;
    uint64_t  *count;

    count = store_cell(t, STORE_META, "E", 1, sizeof(uint64_t), 0, &size);

    if (count != NULL) {
        (*count)++;
        *size = sizeof(uint64_t);
    }
}


static void
store_erase_change(store_erase_t *e)
{
    size_t    i;
    uint64_t  seq;
    unsigned  text;

    qsort(e->records, e->nrecords, sizeof(uint64_t),
          store_erase_compare_records);

    for (i = 0; i < e->nrecords && e->t->rc == 0; i++) {
        seq = e->records[i] / 2;
        text = e->records[i] & STORE_ERASE_TEXT;

        if (i + 1 < e->nrecords && e->records[i + 1] / 2 == seq) {
            text |= e->records[++i] & STORE_ERASE_TEXT;
        }

        store_erase_record(e, seq, text);
    }

    store_erase_customer(e);

    for (i = 0; i < e->ncodes && e->t->rc == 0; i++) {
        store_erase_code_row(e, &e->codes[i]);
    }

    store_erase_count(e->t);
}


static referral_rc_t
store_erase_write(store_erase_t *e, referral_store_t *store,
    referral_error_t *err)
{
    store_txn_t  t;

    memset(e->erased, 0, sizeof(referral_erased_t));
    t.cells = store_cells_create();

    if (t.cells == NULL) {
        store_error(err, REFERRAL_FULL, ENOMEM, "malloc() failed");
        return REFERRAL_FULL;
    }

    if (store_begin(&t, store, 0) == 0) {
        e->t = &t;
        store_erase_tail(e);

        if (e->again) {
            store_abort(&t);

        } else {
            store_erase_change(e);
            store_cells_write(&t);
            (void) store_commit(&t);
        }
    }

    store_cells_destroy(t.cells);

    return store_failed(&t, err);
}


static referral_rc_t
store_erase_person(store_erase_t *e, referral_store_t *store,
    referral_error_t *err)
{
    unsigned       i;
    referral_rc_t  rc;

    for (i = 0; i < STORE_ERASE_TRIES; i++) {
        rc = store_erase_snapshot(e, store, err);

        if (rc == REFERRAL_OK && e->nrecords == 0) {
            store_error(err, REFERRAL_NOT_FOUND, 0, "\"%.*s\" is no owner and "
                        "no customer", (int) e->person.len, e->person.data);
            return REFERRAL_NOT_FOUND;
        }

        if (rc == REFERRAL_OK) {
            rc = store_erase_write(e, store, err);
        }

        if (rc != REFERRAL_OK) {
            return rc;
        }

        if (!e->again) {
            return store_sync(store, err);
        }
    }

    store_error(err, REFERRAL_BUSY, 0, "codes of \"%.*s\" change all the time",
                (int) e->person.len, e->person.data);

    return REFERRAL_BUSY;
}


/* Not to be guessed, and with nothing of the id in it. */

static referral_rc_t
store_erase_pseudonym(store_erase_t *e, referral_error_t *err)
{
    uint64_t  n;
    char      text[STORE_PSEUDONYM_LEN + 1];

    if (getrandom(&n, sizeof(n), 0) != sizeof(n)) {
        store_error(err, REFERRAL_SYSTEM, errno, "no random bytes");
        return REFERRAL_SYSTEM;
    }

    (void) snprintf(text, sizeof(text), STORE_PSEUDONYM "%016llx",
                    (unsigned long long) n);
    memcpy(e->random, text, sizeof(e->random));

    e->pseudonym.data = e->random;
    e->pseudonym.len = sizeof(e->random);

    return REFERRAL_OK;
}


referral_rc_t
referral_store_erase(referral_store_t *store, uint32_t program,
    referral_str_t person, int64_t now, referral_erased_t *erased,
    referral_error_t *err)
{
    unsigned       records;
    referral_rc_t  rc, wiped;
    store_erase_t  e;

    memset(&e, 0, sizeof(e));
    memset(erased, 0, sizeof(referral_erased_t));

    e.program = program;
    e.person = person;
    e.now = now;
    e.erased = erased;

    rc = referral_store_maintain(store, &records, err);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (person.len == 0 || person.len > REFERRAL_ID_MAX
        || memchr(person.data, '\0', person.len) != NULL)
    {
        store_error(err, REFERRAL_INVALID, 0, "not the id of a person");
        return REFERRAL_INVALID;
    }

    rc = store_erase_pseudonym(&e, err);

    if (rc == REFERRAL_OK) {
        rc = store_erase_person(&e, store, err);
    }

    free(e.codes);
    free(e.records);

    if (rc != REFERRAL_OK && rc != REFERRAL_NOT_FOUND) {
        return rc;
    }

    /* also what one that died half-way left of its work */

    wiped = store_scrub(store, program, person, err);

    if (wiped == REFERRAL_OK) {
        wiped = store_wipe_idle(store, err);
    }

    return (wiped != REFERRAL_OK) ? wiped : rc;
}
