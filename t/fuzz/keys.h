/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * For targets whose values are signed: two keys, of which the first signs.
 */

#ifndef FUZZ_KEYS_H
#define FUZZ_KEYS_H

#include "fuzz.h"
#include "referral_cookie.h"


static const char  keys_text[] =
    "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n";

static referral_keys_t  *keys;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    unsigned     line;
    const char  *why;

    (void) argc;
    (void) argv;

    keys = referral_keys_parse(keys_text, sizeof(keys_text) - 1, &line, &why);
    FUZZ_ASSERT(keys != NULL);

    return 0;
}


/* The rest of the bytes with their MAC, for "friends"; empty: they are many. */

static referral_str_t
fuzz_with_mac(fuzz_t *f, referral_purpose_t purpose)
{
    unsigned char    buf[REFERRAL_COOKIE_MAX + REFERRAL_MAC_LEN + 1];
    referral_str_t   text;

    text = fuzz_rest(f);

    if (text.len > REFERRAL_COOKIE_MAX) {
        return fuzz_str("");
    }

    if (text.len != 0) {
        memcpy(buf, text.data, text.len);
    }

    buf[text.len] = '.';

    FUZZ_ASSERT(referral_keys_sign(keys, purpose, "friends|", 8, buf, text.len,
                                   buf + text.len + 1) == 0);

    return fuzz_copy(f, buf, text.len + 1 + REFERRAL_MAC_LEN);
}


#endif /* FUZZ_KEYS_H */
