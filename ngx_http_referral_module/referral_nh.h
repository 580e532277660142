/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * NH, the universal hash of UMAC (J. Black et al., CRYPTO '99; RFC 4418
 * section 5.2.2), over words of 64 bits: for a random key, any two texts that
 * were chosen without knowing it have the same hash with probability 2^-64.
 * The hash tells of the key, so it must not leave the process.
 */

#ifndef REFERRAL_NH_H
#define REFERRAL_NH_H

#include <stddef.h>
#include <stdint.h>


#define REFERRAL_NH_BYTES  512      /* of a text, at most */

typedef struct {
    uint64_t         word[REFERRAL_NH_BYTES / 8];
} referral_nh_key_t;

typedef struct {
    uint64_t         low;
    uint64_t         high;
} referral_nh_t;


/* data: len bytes, not more than REFERRAL_NH_BYTES. */

referral_nh_t referral_nh(const referral_nh_key_t *key, const void *data,
    size_t len);


#endif /* REFERRAL_NH_H */
