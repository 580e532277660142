/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_nh.h"


static inline unsigned __int128
referral_nh_pair(const uint64_t *key, const uint64_t *word)
{
    return (unsigned __int128) (word[0] + key[0]) * (word[1] + key[1]);
}


referral_nh_t
referral_nh(const referral_nh_key_t *key, const void *data, size_t len)
{
    uint64_t              pair[2];
    const uint64_t       *k;
    referral_nh_t         hash;
    unsigned __int128     sum;
    const unsigned char  *p;

    p = data;
    k = key->word;
    sum = len;      /* so that zeros at the end count */

    for ( /* void */ ; len >= sizeof(pair); len -= sizeof(pair)) {
        memcpy(pair, p, sizeof(pair));
        sum += referral_nh_pair(k, pair);

        p += sizeof(pair);
        k += 2;
    }

    if (len != 0) {
        memset(pair, 0, sizeof(pair));
        memcpy(pair, p, len);
        sum += referral_nh_pair(k, pair);
    }

    hash.low = (uint64_t) sum;
    hash.high = (uint64_t) (sum >> 64);

    return hash;
}
