/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "referral_nh.h"
#include "referral_word.h"


static inline unsigned __int128
referral_nh_pair(const uint64_t *key, uint64_t one, uint64_t two)
{
    return (unsigned __int128) (one + key[0]) * (two + key[1]);
}


referral_nh_t
referral_nh(const referral_nh_key_t *key, const void *data, size_t len)
{
    size_t                left;
    const uint64_t       *k;
    referral_nh_t         hash;
    unsigned __int128     sum;
    const unsigned char  *p;

    p = data;
    k = key->word;
    sum = len;      /* so that zeros at the end count */

    for (left = len; left >= 16; left -= 16) {
        sum += referral_nh_pair(k, referral_word(p), referral_word(p + 8));
        p += 16;
        k += 2;
    }

    if (left >= 8) {
        sum += referral_nh_pair(k, referral_word(p),
                                referral_word_tail(p + 8, left - 8, len));

    } else if (left != 0) {
        sum += referral_nh_pair(k, referral_word_tail(p, left, len), 0);
    }

    hash.low = (uint64_t) sum;
    hash.high = (uint64_t) (sum >> 64);

    return hash;
}
