/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A counter has a slot of the set that its key falls into.  The slot has a
 * word for even windows of time and one for odd ones: what is counted now, and
 * what was before.  A word says itself whose it is and of which window, so
 * that one compare-and-swap changes all that belongs together, a slot changes
 * hands by its key alone, and a process may die between any two instructions.
 */

#include <stdatomic.h>

#include "referral_rates.h"


#define REFERRAL_RATES_WAYS    8
#define REFERRAL_RATES_ALIGN   64

/* A word: who, the number of the window, the count. */

#define REFERRAL_RATES_WHO     48
#define REFERRAL_RATES_WINDOW  24
#define REFERRAL_RATES_MAX     0xffffff


typedef struct {
    _Atomic uint64_t           key;             /* 0: free */
    _Atomic uint64_t           word[2];
    _Atomic int64_t            used;
} referral_rates_slot_t;


struct referral_rates_s {
    _Alignas(REFERRAL_RATES_ALIGN)
    uint64_t                   sets;
    _Alignas(REFERRAL_RATES_ALIGN)
    referral_rates_slot_t      slots[];
};


/* What a call is about. */

typedef struct {
    uint64_t                   key;
    int64_t                    now;
    int64_t                    window;
    int64_t                    n;
} referral_rates_call_t;


size_t
referral_rates_size(unsigned counters)
{
    return sizeof(referral_rates_t)
           + (size_t) counters * sizeof(referral_rates_slot_t);
}


referral_rates_t *
referral_rates_init(void *memory, unsigned counters)
{
    unsigned                i;
    referral_rates_t       *rates = memory;
    referral_rates_slot_t  *slot;

    rates->sets = counters / REFERRAL_RATES_WAYS;

    for (i = 0; i < counters; i++) {
        slot = &rates->slots[i];

        atomic_init(&slot->key, 0);
        atomic_init(&slot->word[0], 0);
        atomic_init(&slot->word[1], 0);
        atomic_init(&slot->used, 0);
    }

    return rates;
}


static referral_rates_slot_t *
referral_rates_find(referral_rates_slot_t *set, uint64_t key)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_RATES_WAYS; i++) {
        if (atomic_load(&set[i].key) == key) {
            return &set[i];
        }
    }

    return NULL;
}


/* A free slot, or the one that was still for longest. */

static referral_rates_slot_t *
referral_rates_victim(referral_rates_slot_t *set, uint64_t *key)
{
    int64_t                 used, oldest;
    uint64_t                theirs;
    unsigned                i;
    referral_rates_slot_t  *victim;

    victim = NULL;
    oldest = 0;

    for (i = 0; i < REFERRAL_RATES_WAYS; i++) {
        used = atomic_load_explicit(&set[i].used, memory_order_relaxed);
        theirs = atomic_load(&set[i].key);

        if (theirs == 0) {
            *key = 0;
            return &set[i];
        }

        if (victim == NULL || used < oldest) {
            victim = &set[i];
            oldest = used;
            *key = theirs;
        }
    }

    return victim;
}


/*
 * Two that come with the same new key at once could take two slots of it: who
 * then sees one before his own gives his own back.
 */

static referral_rates_slot_t *
referral_rates_claim(referral_rates_slot_t *set,
    const referral_rates_call_t *call)
{
    uint64_t                theirs, ours;
    referral_rates_slot_t  *slot, *first;

    slot = referral_rates_victim(set, &theirs);

    if (!atomic_compare_exchange_strong(&slot->key, &theirs, call->key)) {
        return NULL;
    }

    atomic_store_explicit(&slot->used, call->now, memory_order_relaxed);

    first = referral_rates_find(set, call->key);

    if (first != NULL && first < slot) {
        ours = call->key;
        (void) atomic_compare_exchange_strong(&slot->key, &ours, 0);
        return first;
    }

    return slot;
}


static uint64_t
referral_rates_word(const referral_rates_call_t *call, int64_t window,
    int64_t count)
{
    if (count > REFERRAL_RATES_MAX) {
        count = REFERRAL_RATES_MAX;
    }

    return call->key >> REFERRAL_RATES_WHO << REFERRAL_RATES_WHO
           | ((uint64_t) window & REFERRAL_RATES_MAX) << REFERRAL_RATES_WINDOW
           | (uint64_t) (count > 0 ? count : 0);
}


/* What a word has of a window, which is nothing when it is of another one. */

static int64_t
referral_rates_count(const referral_rates_call_t *call, uint64_t word,
    int64_t window)
{
    uint64_t  count;

    count = word & REFERRAL_RATES_MAX;

    return (word == referral_rates_word(call, window, (int64_t) count))
           ? (int64_t) count : 0;
}


/* Changes the count of a window by n, as far as 0; returns what it has then. */

static int64_t
referral_rates_change(referral_rates_slot_t *slot,
    const referral_rates_call_t *call, int64_t window, int64_t n)
{
    int64_t            count;
    uint64_t           word;
    _Atomic uint64_t  *place;

    place = &slot->word[window & 1];
    word = atomic_load(place);

    for ( ;; ) {
        count = referral_rates_count(call, word, window);

        if (n == 0 || (n < 0 && count == 0)) {
            return count;
        }

        if (atomic_compare_exchange_weak(place, &word,
                                   referral_rates_word(call, window,
                                                       count + n)))
        {
            return referral_rates_count(call,
                                   referral_rates_word(call, window,
                                                       count + n), window);
        }
    }
}


/* What is given back was perhaps taken just before the window ended. */

static uint32_t
referral_rates_slide(referral_rates_slot_t *slot,
    const referral_rates_call_t *call)
{
    int64_t  window, passed, before, now, left;

    window = call->now / call->window;
    passed = call->now % call->window;

    if (referral_rates_count(call,
                             atomic_load(&slot->word[(window + 1) & 1]),
                             window + 1)
        != 0)
    {
        window++;
        passed = 0;
    }

    left = call->n;

    if (left < 0) {
        left += referral_rates_change(slot, call, window, 0);
        left = (left < 0) ? left : 0;
    } else {
        left = 0;
    }

    now = referral_rates_change(slot, call, window, call->n);
    before = referral_rates_change(slot, call, window - 1, left);

    return (uint32_t) (now + before * (call->window - passed) / call->window);
}


/*
 * The numbers of windows depend on how long they are: with two of them, as
 * before and after a reload, one key would wipe its own words.
 */

static uint64_t
referral_rates_key(uint64_t key, uint64_t window)
{
    key ^= window * 0x9e3779b97f4a7c15ULL;

    return (key != 0) ? key : 1;
}


uint32_t
referral_rates_add(referral_rates_t *rates, uint64_t key, int64_t now_ms,
    uint32_t window_ms, int32_t n)
{
    unsigned                tries;
    referral_rates_slot_t  *set, *slot;
    referral_rates_call_t   call;

    call.now = (now_ms > 0) ? now_ms : 0;
    call.window = (window_ms != 0) ? window_ms : 1;
    call.key = referral_rates_key(key, (uint64_t) call.window);
    call.n = n;

    set = &rates->slots[call.key % rates->sets * REFERRAL_RATES_WAYS];

    for (tries = 0; tries < REFERRAL_RATES_WAYS; tries++) {
        slot = referral_rates_find(set, call.key);

        if (slot == NULL) {
            if (n <= 0) {
                return 0;
            }

            slot = referral_rates_claim(set, &call);
        }

        if (slot != NULL) {
            atomic_store_explicit(&slot->used, call.now,
                                  memory_order_relaxed);
            return referral_rates_slide(slot, &call);
        }
    }

    return (n > 0) ? (uint32_t) n : 0;
}
