/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The hash against the vectors of its authors' reference: input 00 01 02 ...
 * under key 00 01 .. 0f.  Catches a slip in a rotation, which nothing else
 * would show.
 */

#include <string.h>

#include "referral_siphash.h"
#include "tap.h"


int
main(void)
{
    size_t         i;
    unsigned char  key[16], data[64];

    static const struct {
        size_t    len;
        uint64_t  hash;
    } vectors[] = {
        { 0,  0x726fdb47dd0e0e31 },
        { 1,  0x74f839c593dc67fd },
        { 7,  0xab0200f58b01d137 },
        { 8,  0x93f5f5799a932462 },
        { 15, 0xa129ca6149be45e5 }
    };

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (unsigned char) i;
    }

    memcpy(key, data, sizeof(key));

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        tap_ok(referral_siphash(key, data, vectors[i].len) == vectors[i].hash,
               "%zu bytes", vectors[i].len);
    }

    return tap_done();
}
