/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is left of clicks that were purged: per program and day how many of
 * each class, and a digest of all counters of that day that they had raised.
 *
 * The digest is linear: each counter has a number of 128 bits, made of its
 * key, and a digest is the sum over counters of this number times the count.
 * So the digest of what is on disk is that of the purged clicks plus that of
 * the others, in whatever order they came; and a single wrong count shows,
 * but for one chance in 2^64 or less.
 */

#include "store_internal.h"


static uint64_t
store_mix(uint64_t h)
{
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;

    return h ^ (h >> 32);
}


/* Counters of the program have code 0, those of a code hour never. */

static void
store_digest_add(store_base_t *base, uint32_t code, unsigned dim, uint32_t id,
    unsigned column, uint64_t count)
{
    uint64_t  h;

    h = store_mix(((uint64_t) code << 32 | id) + 0x9e3779b97f4a7c15u)
        ^ ((uint64_t) dim << 8 | column);

    base->digest[0] += store_mix(h) * count;
    base->digest[1] += store_mix(h + 0xbf58476d1ce4e5b9u) * count;
}


static void
store_digest_click(store_base_t *base, uint32_t code, unsigned dim,
    uint32_t id, uint32_t unique_id, const store_click_row_t *row)
{
    store_digest_add(base, code, dim, id, row->class, 1);

    if (row->unique) {
        store_digest_add(base, code, dim, unique_id, STORE_UNIQUE, 1);
    }
}


static uint32_t
store_folded_id(const store_click_row_t *row, unsigned folded, uint16_t id)
{
    return (row->folded & folded) ? STORE_LABEL_OTHER : id;
}


void
store_base_click(store_base_t *base, const store_click_row_t *row)
{
    uint32_t  hour;

    base->version = 1;
    base->column[row->class]++;
    base->column[STORE_UNIQUE] += row->unique;

    hour = (uint32_t) (row->time / 3600000 % 24);

    store_digest_click(base, 0, STORE_DIM_ALL, 0, 0, row);
    store_digest_click(base, 0, STORE_DIM_HOUR, hour, hour, row);
    store_digest_click(base, 0, STORE_DIM_CHANNEL, row->channel, row->channel,
                       row);
    store_digest_click(base, 0, STORE_DIM_LANDING, row->landing, row->landing,
                       row);

    if (row->code == 0) {
        return;
    }

    store_digest_click(base, row->code, STORE_DIM_ALL, 0, 0, row);
    store_digest_click(base, row->code, STORE_DIM_CHANNEL,
                       store_folded_id(row, STORE_FOLDED_CHANNEL,
                                       row->channel),
                       store_folded_id(row, STORE_FOLDED_CHANNEL_UNIQUE,
                                       row->channel),
                       row);
    store_digest_click(base, row->code, STORE_DIM_LANDING,
                       store_folded_id(row, STORE_FOLDED_LANDING,
                                       row->landing),
                       store_folded_id(row, STORE_FOLDED_LANDING_UNIQUE,
                                       row->landing),
                       row);
}


void
store_base_program(store_base_t *base, unsigned dim, uint32_t id,
    const store_prg_t *prg)
{
    unsigned  i;

    for (i = 0; i < STORE_COLUMNS; i++) {
        if (prg->column[i] == 0) {
            continue;
        }

        store_digest_add(base, 0, dim, id, i, prg->column[i]);

        if (dim == STORE_DIM_ALL) {
            base->column[i] += prg->column[i];
        }
    }
}


void
store_base_entries(store_base_t *base, uint32_t code,
    const store_entry_t *entries, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        store_digest_add(base, code, entries[i].dim, entries[i].id,
                         entries[i].column, entries[i].count);
    }
}


void
store_base_key(unsigned char *key, uint32_t program, uint32_t day)
{
    store_be32(key, program);
    store_be32(key + 4, day);
}
