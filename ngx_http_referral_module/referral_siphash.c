/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_siphash.h"
#include "referral_word.h"


#define referral_rotl(x, n)  ((x) << (n) | (x) >> (64 - (n)))

#define referral_sip_round(v)                                                 \
    (v)[0] += (v)[1]; (v)[1] = referral_rotl((v)[1], 13) ^ (v)[0];            \
    (v)[0] = referral_rotl((v)[0], 32);                                       \
    (v)[2] += (v)[3]; (v)[3] = referral_rotl((v)[3], 16) ^ (v)[2];            \
    (v)[0] += (v)[3]; (v)[3] = referral_rotl((v)[3], 21) ^ (v)[0];            \
    (v)[2] += (v)[1]; (v)[1] = referral_rotl((v)[1], 17) ^ (v)[2];            \
    (v)[2] = referral_rotl((v)[2], 32)


static inline void
referral_sip_word(uint64_t *v, uint64_t word)
{
    v[3] ^= word;
    referral_sip_round(v);
    referral_sip_round(v);
    v[0] ^= word;
}


uint64_t
referral_siphash(const unsigned char *key, const void *data, size_t len)
{
    size_t                left;
    uint64_t              v[4], k[2];
    const unsigned char  *p;

    memcpy(k, key, sizeof(k));

    v[0] = k[0] ^ 0x736f6d6570736575ULL;
    v[1] = k[1] ^ 0x646f72616e646f6dULL;
    v[2] = k[0] ^ 0x6c7967656e657261ULL;
    v[3] = k[1] ^ 0x7465646279746573ULL;

    p = data;

    for (left = len; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {
        referral_sip_word(v, referral_word(p));
        p += sizeof(uint64_t);
    }

    referral_sip_word(v, referral_word_tail(p, left, len)
                         | (uint64_t) len << 56);

    v[2] ^= 0xff;
    referral_sip_round(v);
    referral_sip_round(v);
    referral_sip_round(v);
    referral_sip_round(v);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
