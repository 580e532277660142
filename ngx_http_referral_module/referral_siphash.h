/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012):
 * a hash that nobody can steer without the key.  OpenSSL has it too, at several
 * times the cost for inputs of this size.
 */

#ifndef REFERRAL_SIPHASH_H
#define REFERRAL_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of len bytes under a key of 16. */

uint64_t referral_siphash(const unsigned char *key, const void *data,
    size_t len);


#endif /* REFERRAL_SIPHASH_H */
