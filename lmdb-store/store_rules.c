/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The rules in force, and the numbers that their names have for good: a name
 * that goes and comes back finds its past again.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdlib.h>
#include <errno.h>

#include "store_internal.h"


#define STORE_IDS_MAX  (REFERRAL_EVENTS_MAX + REFERRAL_REWARDS_MAX             \
                        + REFERRAL_CONTESTS_MAX)


static size_t
store_name_key(unsigned char *key, uint32_t program, unsigned kind,
    referral_str_t name)
{
    store_be32(key, program);
    key[4] = (unsigned char) kind;
    memcpy(key + 5, name.data, name.len);

    return 5 + name.len;
}


uint16_t
store_name_id(store_txn_t *t, uint32_t program, unsigned kind,
    referral_str_t name)
{
    size_t         len;
    MDB_val        v;
    uint16_t       id;
    unsigned char  key[5 + REFERRAL_RULE_NAME_MAX];

    if (name.len == 0 || name.len > REFERRAL_RULE_NAME_MAX) {
        return 0;
    }

    len = store_name_key(key, program, kind, name);

    if (!store_get(t, STORE_NAM, key, len, &v) || v.mv_size != sizeof(id)) {
        return 0;
    }

    memcpy(&id, v.mv_data, sizeof(id));

    return id;
}


referral_str_t
store_name(store_txn_t *t, uint32_t program, unsigned kind, uint16_t id)
{
    MDB_val         v;
    referral_str_t  name;
    unsigned char   key[7];

    name.len = 0;
    name.data = (const unsigned char *) "";

    store_be32(key, program);
    key[4] = (unsigned char) (kind | 0x80);
    store_be16(key + 5, id);

    if (store_get(t, STORE_NAM, key, sizeof(key), &v)) {
        name.len = v.mv_size;
        name.data = v.mv_data;
    }

    return name;
}


/* The number of a name, given to it when it is new. */

static uint16_t
store_intern(store_txn_t *t, uint32_t program, unsigned kind,
    referral_str_t name)
{
    size_t         len, *size;
    uint16_t       id, *last;
    unsigned char  key[7 + REFERRAL_RULE_NAME_MAX], by_id[7];

    id = store_name_id(t, program, kind, name);

    if (id != 0 || t->rc != 0) {
        return id;
    }

    len = store_name_key(key, program, kind, name);
    last = store_cell(t, STORE_NAM, key, 5, sizeof(uint16_t), 0, &size);

    if (last == NULL) {
        return 0;
    }

    if (*last == UINT16_MAX) {
        store_fail(t, ENOSPC, "numbering one more name");
        return 0;
    }

    id = ++*last;
    *size = sizeof(uint16_t);

    store_be32(by_id, program);
    by_id[4] = (unsigned char) (kind | 0x80);
    store_be16(by_id + 5, id);

    store_put(t, STORE_NAM, key, len, &id, sizeof(id));
    store_put(t, STORE_NAM, by_id, sizeof(by_id), name.data, name.len);

    return id;
}


static void
store_intern_all(store_txn_t *t, uint32_t program, store_rules_t *r)
{
    unsigned  i;

    for (i = 0; i < r->rules.nevents; i++) {
        r->events[i] = store_intern(t, program, STORE_NAME_EVENT,
                                    r->rules.events[i].name);
    }

    for (i = 0; i < r->rules.nrewards; i++) {
        r->rewards[i] = store_intern(t, program, STORE_NAME_REWARD,
                                     r->rules.rewards[i].name);
    }

    for (i = 0; i < r->rules.ncontests; i++) {
        r->contests[i] = store_intern(t, program, STORE_NAME_CONTEST,
                                      r->rules.contests[i].name);
    }
}


/* Ids in front of the encoded rules, in their order. */

static size_t
store_rules_ids(const store_rules_t *r, uint16_t *ids)
{
    size_t  n;

    n = 0;

    memcpy(ids + n, r->events, r->rules.nevents * sizeof(uint16_t));
    n += r->rules.nevents;

    memcpy(ids + n, r->rewards, r->rules.nrewards * sizeof(uint16_t));
    n += r->rules.nrewards;

    memcpy(ids + n, r->contests, r->rules.ncontests * sizeof(uint16_t));
    n += r->rules.ncontests;

    return n;
}


/* The row has changed: it is to be read again. */

static void
store_rules_forget(store_txn_t *t, uint32_t program)
{
    if (program < STORE_MAX_PROGRAMS && t->store->rules[program] != NULL) {
        t->store->rules[program]->serial = 0;
    }
}


referral_result_t
store_apply_rules(store_txn_t *t, const referral_record_t *record)
{
    uint16_t                        n, ids[STORE_IDS_MAX];
    store_rules_t                  *r;
    unsigned char                   key[4], *value, *p;
    referral_result_t               result;
    const referral_rules_change_t  *change;

    memset(&result, 0, sizeof(result));
    change = &record->u.rules;

    r = malloc(sizeof(store_rules_t));
    value = malloc(sizeof(n) + sizeof(ids) + REFERRAL_RULES_SIZE);

    if (r == NULL || value == NULL) {
        store_fail(t, ENOMEM, "malloc()");

    } else if (referral_rules_decode(change->rules.data, change->rules.len,
                                     &r->rules)
               != 0)
    {
        result.rc = REFERRAL_INVALID;

    } else {
        (void) store_journal_record(t, record);
        store_intern_all(t, change->program, r);

        n = (uint16_t) store_rules_ids(r, ids);

        p = mempcpy(value, &n, sizeof(n));
        p = mempcpy(p, ids, n * sizeof(uint16_t));
        p = mempcpy(p, change->rules.data, change->rules.len);

        store_be32(key, change->program);
        store_put(t, STORE_RULE, key, sizeof(key), value,
                  (size_t) (p - value));

        store_rules_forget(t, change->program);
        result.created = 1;
    }

    free(r);
    free(value);

    return result;
}


/* The row of a program, without the ids in front: 1, or 0 without one. */

static int
store_rules_row(store_txn_t *t, uint32_t program, uint16_t *n,
    const unsigned char **ids, referral_str_t *encoded)
{
    MDB_val        v;
    unsigned char  key[4];

    store_be32(key, program);

    if (!store_get(t, STORE_RULE, key, sizeof(key), &v)) {
        return 0;
    }

    if (v.mv_size >= sizeof(*n)) {
        memcpy(n, v.mv_data, sizeof(*n));

        if (v.mv_size >= sizeof(*n) + *n * sizeof(uint16_t)) {
            *ids = (unsigned char *) v.mv_data + sizeof(*n);
            encoded->data = *ids + *n * sizeof(uint16_t);
            encoded->len = v.mv_size - sizeof(*n) - *n * sizeof(uint16_t);
            return 1;
        }
    }

    store_fail(t, MDB_CORRUPTED, "the rules of a program");

    return 0;
}


int
store_rules_encoded(store_txn_t *t, uint32_t program, referral_str_t *encoded)
{
    uint16_t              n;
    const unsigned char  *ids;

    return store_rules_row(t, program, &n, &ids, encoded);
}


/* Takes a row apart, from a copy: it may move when others are written. */

static void
store_rules_load(store_txn_t *t, const unsigned char *ids, uint16_t n,
    referral_str_t encoded, store_rules_t *r)
{
    unsigned           i;
    referral_rules_t  *rules;

    rules = &r->rules;

    if (encoded.len > sizeof(r->encoded)) {
        store_fail(t, MDB_CORRUPTED, "the rules of a program");
        return;
    }

    if (referral_rules_later(encoded.data, encoded.len)) {
        store_fail(t, MDB_VERSION_MISMATCH, "the rules of a program");
        return;
    }

    memcpy(r->encoded, encoded.data, encoded.len);

    if (referral_rules_decode(r->encoded, encoded.len, rules) != 0
        || n != rules->nevents + rules->nrewards + rules->ncontests)
    {
        store_fail(t, MDB_CORRUPTED, "the rules of a program");
        return;
    }

    memcpy(r->events, ids, rules->nevents * sizeof(uint16_t));
    ids += rules->nevents * sizeof(uint16_t);

    memcpy(r->rewards, ids, rules->nrewards * sizeof(uint16_t));
    ids += rules->nrewards * sizeof(uint16_t);

    memcpy(r->contests, ids, rules->ncontests * sizeof(uint16_t));

    r->len = encoded.len;
    r->click = NULL;

    for (i = 0; i < rules->nevents; i++) {
        if (referral_rules_click(rules->events[i].name)) {
            r->click = &rules->events[i];
        }
    }
}


/* The slot of a program; rules that were taken apart once stay there. */

static store_rules_t *
store_rules_slot(store_txn_t *t, uint32_t program)
{
    store_rules_t  **slot;

    if (program >= STORE_MAX_PROGRAMS) {
        return NULL;
    }

    slot = &t->store->rules[program];

    if (*slot == NULL) {
        *slot = calloc(1, sizeof(store_rules_t));

        if (*slot == NULL) {
            store_fail(t, ENOMEM, "malloc()");
        }
    }

    return *slot;
}


const store_rules_t *
store_rules(store_txn_t *t, uint32_t program)
{
    uint16_t              n;
    store_rules_t        *r;
    referral_str_t        encoded;
    const unsigned char  *ids;

    r = store_rules_slot(t, program);

    if (r == NULL || t->rc != 0) {
        return NULL;
    }

    /* other processes may have written since the last transaction */

    if (r->serial != t->serial) {

        if (!store_rules_row(t, program, &n, &ids, &encoded)) {
            r->len = 0;

        } else if (encoded.len != r->len
                   || memcmp(encoded.data, r->encoded, r->len) != 0)
        {
            r->len = 0;
            store_rules_load(t, ids, n, encoded, r);
        }

        r->serial = t->serial;
    }

    return (r->len != 0) ? r : NULL;
}


referral_rc_t
referral_rules_get(referral_snapshot_t *snap, uint32_t program,
    referral_rules_t *out)
{
    store_txn_t     *t;
    referral_str_t   encoded;

    t = &snap->t;

    if (!store_rules_encoded(t, program, &encoded)) {
        return (t->rc == 0) ? REFERRAL_NOT_FOUND : store_rc(t->rc);
    }

    if (referral_rules_decode(encoded.data, encoded.len, out) != 0) {
        return REFERRAL_CORRUPT;
    }

    return REFERRAL_OK;
}
