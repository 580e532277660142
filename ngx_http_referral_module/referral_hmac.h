/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * HMAC-SHA256 with a key that is taken in once: what is kept are the two
 * hashes of RFC 2104 section 4 behind their first block.  They are as good as
 * the key, so they belong into the memory of referral_secret.h.
 */

#ifndef REFERRAL_HMAC_H
#define REFERRAL_HMAC_H

#include <openssl/sha.h>

#include "referral_types.h"


#define REFERRAL_HMAC_SIZE  SHA256_DIGEST_LENGTH

typedef struct {
    SHA256_CTX       inner;
    SHA256_CTX       outer;
} referral_hmac_t;


/* Takes in a key of any length.  Returns 1, or 0 when libcrypto failed. */

int referral_hmac_key(referral_hmac_t *hmac, const void *key, size_t len);

/*
 * The MAC of n texts in a row.  Changes nothing in hmac, so any thread may.
 * Returns 1, or 0 when libcrypto failed.
 */

int referral_hmac(const referral_hmac_t *hmac, const referral_str_t *text,
    size_t n, unsigned char digest[REFERRAL_HMAC_SIZE]);


#endif /* REFERRAL_HMAC_H */
