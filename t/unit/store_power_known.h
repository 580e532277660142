/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the world of store_power knows when the power fails: what was taken,
 * and what was acknowledged until then.
 */

#ifndef STORE_POWER_KNOWN_H
#define STORE_POWER_KNOWN_H

#include "store_power_records.h"


#define POWER_TYPES  8

typedef struct {
    power_take_t          take;
    const unsigned char  *record;
    size_t                len;
    unsigned              told;             /* with rc and created */
    unsigned              rc;
    unsigned              created;
    size_t                told_at;
    unsigned              sure;
} power_known_t;

typedef struct {
    size_t                at;               /* entries before are known */
    uint32_t              n;
    power_known_t         takes[POWER_TAKES];       /* from 1 */
    uint8_t               must[POWER_TYPES][POWER_TAKES];   /* by key */
    int64_t               purged[POWER_PROGRAMS + 1];
    int64_t               tick;
    size_t                tick_began;
    uint64_t              seen;
    unsigned              opened;           /* something was acknowledged */
    unsigned              rules[POWER_PROGRAMS + 1];        /* versions */
    unsigned              asked[POWER_PROGRAMS + 1];
} power_world_known_t;


static void
power_know_take(power_world_known_t *k, const power_entry_t *entry)
{
    power_known_t  *known;

    k->n = (uint32_t) entry->at;
    known = &k->takes[k->n];

    memset(known, 0, sizeof(power_known_t));
    memcpy(&known->take, entry + 1, sizeof(power_take_t));
    known->record = (const unsigned char *) (entry + 1)
                    + sizeof(power_take_t);
    known->len = entry->len - sizeof(power_take_t);
}


/*
 * An order or a refund is there when it was answered as new, as a duplicate,
 * or as in conflict with what is there.
 */

static void
power_know_result(power_world_known_t *k, const power_entry_t *entry,
    size_t at)
{
    unsigned        must;
    power_known_t  *known;

    known = &k->takes[entry->at];
    known->told = 1;
    known->told_at = at;
    known->rc = entry->value & 0xff;
    known->created = (unsigned) (entry->value >> 8);
    k->opened = 1;

    switch (known->take.type) {

    case REFERRAL_RECORD_EVENT:
    case REFERRAL_RECORD_REFUND:
        must = known->rc == REFERRAL_OK || known->rc == REFERRAL_CONFLICT;
        break;

    case REFERRAL_RECORD_DECISION:
        must = known->created;
        break;

    default:
        must = known->rc == REFERRAL_OK;
    }

    if (must) {
        k->must[known->take.type][known->take.key] = 1;
    }
}


static void
power_know_sure(power_world_known_t *k, const power_entry_t *entry)
{
    power_known_t  *known;

    known = &k->takes[entry->at];
    known->sure = 1;
    k->opened = 1;

    if (known->take.type == REFERRAL_RECORD_CLICK) {
        k->must[REFERRAL_RECORD_CLICK][known->take.key] = 1;
    }
}


static void
power_know(power_world_known_t *k, const power_entry_t *entry, size_t at)
{
    switch (entry->type) {

    case POWER_TAKE:
        power_know_take(k, entry);
        break;

    case POWER_RESULT:
        power_know_result(k, entry, at);
        break;

    case POWER_SURE:
        power_know_sure(k, entry);
        break;

    case POWER_RULES:
        k->asked[entry->at] = (unsigned) (entry->value >> 1);

        if (entry->value & 1) {
            k->rules[entry->at] = k->asked[entry->at];
            k->opened = 1;
        }

        break;

    case POWER_TICK:
        k->tick = (int64_t) entry->at;
        k->tick_began = entry->value;
        break;

    case POWER_PURGE:
        if ((int64_t) entry->value > k->purged[entry->at]) {
            k->purged[entry->at] = (int64_t) entry->value;
        }

        break;

    case POWER_SEEN:
        k->seen = (entry->at > k->seen) ? entry->at : k->seen;
        break;
    }
}


static void
power_know_until(power_world_known_t *k, const power_trace_t *trace,
    size_t until)
{
    while (k->at < until) {
        power_know(k, power_entry(trace, k->at), k->at);
        k->at = power_next(trace, k->at);
    }
}


/* The take of that time, as no two have the same; NULL: none so far. */

static power_known_t *
power_take_at(power_world_known_t *k, int64_t time)
{
    uint32_t  low, high, middle;

    low = 1;
    high = k->n + 1;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (k->takes[middle].take.time < time) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return (low <= k->n && k->takes[low].take.time == time) ? &k->takes[low]
                                                            : NULL;
}


#endif /* STORE_POWER_KNOWN_H */
