/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Whether a click is unique: the first of its visitor on its code within the
 * window.
 */

#include "store_cells.h"


/*
 * A visitor and a code as a key of the sets of unique visitors.  The visitor
 * is a salted hash already; this spreads it over codes.  Two of n pairs meet
 * with probability n^2 / 2^65: 3e-8 at a million a day.
 */

static uint64_t
store_visitor_key(const referral_click_t *click, uint64_t visitor)
{
    uint64_t  h;

    h = visitor ^ (((uint64_t) click->program << 32 | click->code_id)
                   * 0x9e3779b97f4a7c15u);
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;

    return h ^ (h >> 31);
}


/* The cell of the day that a generation holds, 0: none. */

static uint32_t *
store_visitor_day(store_txn_t *t, unsigned generation)
{
    size_t         *size;
    uint32_t      **held;
    unsigned char   key[2];

    held = &t->cells->generations[generation];

    if (*held == NULL) {
        key[0] = 'U';
        key[1] = (unsigned char) generation;

        *held = store_cell(t, STORE_META, key, sizeof(key), sizeof(uint32_t),
                           0, &size);
    }

    return *held;
}


/*
 * Makes the generation of a day ready for it.  0 when it holds a later day:
 * the record is late by days, and what was known of its day is gone.
 */

static int
store_visitor_generation(store_txn_t *t, uint32_t day)
{
    size_t         *size;
    uint32_t       *held;
    unsigned char   key[2];

    key[0] = 'U';
    key[1] = (unsigned char) (day % STORE_UNIQUE_DAYS);
    held = store_visitor_day(t, key[1]);

    if (held == NULL || *held > day) {
        return 0;
    }

    if (*held != day) {
        store_visitors_empty(t, key[1]);
        held = store_cell(t, STORE_META, key, sizeof(key), sizeof(uint32_t),
                          0, &size);

        if (held == NULL) {
            return 0;
        }

        *held = day;
        *size = sizeof(uint32_t);
    }

    return 1;
}


static int
store_visitor_seen(store_txn_t *t, uint32_t day, uint64_t key, int64_t time,
    uint32_t window)
{
    uint32_t  then, *held;

    held = store_visitor_day(t, day % STORE_UNIQUE_DAYS);

    return held != NULL && *held == day && day != 0
           && store_visitor_get(t, day % STORE_UNIQUE_DAYS, key, &then)
           && time / 1000 - (int64_t) then < (int64_t) window;
}


/* Whether it may be unique at all. */

static int
store_unique_can(const referral_click_t *click)
{
    return click->class == REFERRAL_CLASS_HUMAN
           && !(click->flags & REFERRAL_CLICK_REPEAT)
           && click->visitor != 0;
}


static void
store_unique_want(store_txn_t *t, const referral_click_t *click,
    uint64_t visitor, uint32_t day)
{
    uint32_t  *held;

    held = store_visitor_day(t, day % STORE_UNIQUE_DAYS);

    if (visitor != 0 && day != 0 && held != NULL && *held == day) {
        store_visitor_want(t, day % STORE_UNIQUE_DAYS,
                           store_visitor_key(click, visitor));
    }
}


void
store_want_click(store_txn_t *t, const referral_click_t *click, int64_t time)
{
    unsigned char  key[8];

    if (click->code_id == 0) {
        return;
    }

    store_be32(key, click->program);
    store_be32(key + 4, click->code_id);
    store_cell_want(t, STORE_HOT, key, sizeof(key));

    if (store_unique_can(click) && click->unique_window != 0) {
        store_unique_want(t, click, click->visitor, store_day(time));
        store_unique_want(t, click, click->visitor_before,
                          store_day(time) - 1);
    }
}


int
store_unique(store_txn_t *t, const referral_click_t *click, int64_t time)
{
    uint32_t  day;
    uint64_t  key;

    if (!store_unique_can(click)) {
        return 0;
    }

    day = store_day(time);

    if (click->unique_window == 0 || !store_visitor_generation(t, day)) {
        return 1;
    }

    key = store_visitor_key(click, click->visitor);

    if (store_visitor_seen(t, day, key, time, click->unique_window)
        || (click->visitor_before != 0
            && store_visitor_seen(t, day - 1,
                                  store_visitor_key(click,
                                                    click->visitor_before),
                                  time, click->unique_window)))
    {
        return 0;
    }

    store_visitor_put(t, day % STORE_UNIQUE_DAYS, key,
                      (uint32_t) (time / 1000));

    return 1;
}
