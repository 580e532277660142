/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * NH against its definition, word by word, over every length; and what it has
 * to tell apart: another byte, a zero at the end.
 */

#include <string.h>

#include "referral_nh.h"
#include "tap.h"


#define ROUNDS  4


static uint64_t  state = 42;


static uint64_t
random64(void)
{
    uint64_t  z;

    z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;

    return z ^ (z >> 31);
}


/* Of a text in zeros: the sum of the products of pairs, and the length. */

static referral_nh_t
defined(const referral_nh_key_t *key, const unsigned char *data, size_t len)
{
    size_t             i;
    uint64_t           word[REFERRAL_NH_BYTES / 8];
    referral_nh_t      hash;
    unsigned __int128  sum;

    memset(word, 0, sizeof(word));
    memcpy(word, data, len);
    sum = len;

    for (i = 0; i < (len + 15) / 16; i++) {
        sum += (unsigned __int128) (uint64_t) (word[2 * i] + key->word[2 * i])
               * (uint64_t) (word[2 * i + 1] + key->word[2 * i + 1]);
    }

    hash.low = (uint64_t) sum;
    hash.high = (uint64_t) (sum >> 64);

    return hash;
}


static int
same(referral_nh_t a, referral_nh_t b)
{
    return a.low == b.low && a.high == b.high;
}


int
main(void)
{
    size_t             i, len, wrong, alike;
    unsigned           round;
    unsigned char      data[REFERRAL_NH_BYTES];
    referral_nh_t      hash;
    referral_nh_key_t  key;

    wrong = alike = 0;

    for (round = 0; round < ROUNDS; round++) {

        for (i = 0; i < sizeof(key.word) / sizeof(key.word[0]); i++) {
            key.word[i] = random64();
        }

        for (i = 0; i < sizeof(data); i++) {
            data[i] = (unsigned char) random64();
        }

        for (len = 0; len <= sizeof(data); len++) {
            hash = referral_nh(&key, data, len);
            wrong += !same(hash, defined(&key, data, len));

            for (i = 0; i < len; i++) {
                data[i] ^= 1;
                alike += same(hash, referral_nh(&key, data, len));
                data[i] ^= 1;
            }
        }

        memset(data, 0, sizeof(data));

        for (len = 1; len <= sizeof(data); len++) {
            alike += same(referral_nh(&key, data, len),
                          referral_nh(&key, data, len - 1));
        }
    }

    tap_ok(wrong == 0, "%zu hashes are not as defined", wrong);
    tap_ok(alike == 0, "%zu texts were taken for others", alike);

    return tap_done();
}
