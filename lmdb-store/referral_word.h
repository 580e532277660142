/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Short texts eight bytes at a time, little-endian.  What is here is for
 * lengths that are not known before: for those a compiler calls memcpy() or
 * memcmp(), or repeats a string instruction, which both take longer than the
 * few bytes do.
 */

#ifndef REFERRAL_WORD_H
#define REFERRAL_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>


#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error the store is for little-endian machines
#endif


/* Eight bytes. */

static inline uint64_t
referral_word(const void *p)
{
    uint64_t  word;

    memcpy(&word, p, sizeof(word));

    return word;
}


/*
 * The last bytes of a text of len: left of them, at p, fewer than eight, with
 * zeros above.  Reads nothing that is not of the text.
 */

static inline uint64_t
referral_word_tail(const void *p, size_t left, size_t len)
{
    uint32_t              low, high;
    const unsigned char  *data;

    data = p;

    if (left == 0) {
        return 0;
    }

    if (len >= sizeof(uint64_t)) {
        return referral_word(data + left - sizeof(uint64_t))
               >> 8 * (sizeof(uint64_t) - left);
    }

    if (left >= sizeof(low)) {
        memcpy(&low, data, sizeof(low));
        memcpy(&high, data + left - sizeof(high), sizeof(high));

        return low | (uint64_t) high << 8 * (left - sizeof(high));
    }

    /* one to three: the middle one may be the first or the last, too */

    return data[0] | (uint64_t) data[left / 2] << 8 * (left / 2)
           | (uint64_t) data[left - 1] << 8 * (left - 1);
}


/*
 * The bytes of a text mixed into h: for tables and to notice damage, not
 * against those who choose the text.
 */

static inline uint64_t
referral_word_mix(uint64_t h, const void *p, size_t len)
{
    size_t                left;
    const unsigned char  *data;

    data = p;

    for (left = len; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {
        h = (h ^ referral_word(data)) * 0xff51afd7ed558ccd;
        h ^= h >> 32;
        data += sizeof(uint64_t);
    }

    h = (h ^ referral_word_tail(data, left, len)) * 0xff51afd7ed558ccd;

    return h ^ (h >> 32);
}


/* Whether two texts of one length are the same. */

static inline int
referral_word_same(const void *one, const void *two, size_t len)
{
    size_t                left;
    const unsigned char  *a, *b;

    a = one;
    b = two;

    for (left = len; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {

        if (referral_word(a) != referral_word(b)) {
            return 0;
        }

        a += sizeof(uint64_t);
        b += sizeof(uint64_t);
    }

    return referral_word_tail(a, left, len) == referral_word_tail(b, left, len);
}


#endif /* REFERRAL_WORD_H */
