/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Base64 of RFC 4648: read in either alphabet, written in that for URLs.
 */

#ifndef REFERRAL_BASE64_H
#define REFERRAL_BASE64_H

#include <stddef.h>


/*
 * The number of bytes, 0 when the text is not base64; padding is optional.
 * out holds 3 bytes for each 4 characters.
 */

size_t referral_base64_decode(const char *text, size_t len,
    unsigned char *out);

/* 0 to 63, -1 when c is of neither alphabet. */

int referral_base64_value(char c);

/* Without padding: (4 * len + 2) / 3 characters. */

void referral_base64_encode(const unsigned char *data, size_t len,
    unsigned char *out);


#endif /* REFERRAL_BASE64_H */
