/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * How often something happened lately: sliding counters of a fixed number, in
 * memory that processes share.  What is counted is a 64-bit hash, made with a
 * key that only memory knows; nothing else of it is kept.  No nginx in here,
 * no locks, no allocation: any process, any thread may count.
 */

#ifndef REFERRAL_RATES_H
#define REFERRAL_RATES_H

#include <stddef.h>
#include <stdint.h>


typedef struct referral_rates_s  referral_rates_t;

/* Bytes of a table of that many counters, a power of two. */

size_t referral_rates_size(unsigned counters);

/* Makes an empty table in memory of that size, aligned to 64 bytes. */

referral_rates_t *referral_rates_init(void *memory, unsigned counters);

/*
 * Adds n (0: only asks; negative: gives back) to the counter of the key and
 * returns what it has in the window of ms milliseconds that ends now: what
 * fell into the current window, and of the one before as large a part as the
 * sliding window still covers.  A key with another window is another counter.
 * When there is no room, the counter of its set that was still for longest
 * makes room.  Who counts on it at that moment may wipe what the new owner has
 * so far, and its last count be lost; one in 65,536 new owners may find the
 * count of the one before as its own.  Nothing else grows by what others do.
 * A clock that goes back by up to a window counts into the window it left;
 * further back it begins anew.
 */

uint32_t referral_rates_add(referral_rates_t *rates, uint64_t key,
    int64_t now_ms, uint32_t window_ms, int32_t n);


#endif /* REFERRAL_RATES_H */
