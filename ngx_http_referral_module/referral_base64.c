/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "referral_base64.h"


size_t
referral_base64_decode(const char *text, size_t len, unsigned char *out)
{
    int       v;
    size_t    i, n, data;
    unsigned  bits, acc;

    data = len;
    while (data && len - data < 2 && text[data - 1] == '=') {
        data--;
    }

    if ((data != len && len % 4 != 0) || data % 4 == 1) {
        return 0;
    }

    n = 0;
    acc = 0;
    bits = 0;

    for (i = 0; i < data; i++) {
        v = referral_base64_value(text[i]);
        if (v == -1) {
            return 0;
        }

        acc = (acc << 6 | (unsigned) v) & 0xffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char) (acc >> bits);
        }
    }

    return n;
}


int
referral_base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == '+' || c == '-') {
        return 62;
    }

    return (c == '/' || c == '_') ? 63 : -1;
}


void
referral_base64_encode(const unsigned char *data, size_t len,
    unsigned char *out)
{
    unsigned           word;
    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_";

    for ( /* void */ ; len >= 3; len -= 3, data += 3, out += 4) {
        word = (unsigned) data[0] << 16 | (unsigned) data[1] << 8 | data[2];

        out[0] = (unsigned char) alphabet[word >> 18];
        out[1] = (unsigned char) alphabet[word >> 12 & 0x3f];
        out[2] = (unsigned char) alphabet[word >> 6 & 0x3f];
        out[3] = (unsigned char) alphabet[word & 0x3f];
    }

    if (len == 0) {
        return;
    }

    word = (unsigned) data[0] << 16 | (len == 2 ? (unsigned) data[1] << 8 : 0);

    out[0] = (unsigned char) alphabet[word >> 18];
    out[1] = (unsigned char) alphabet[word >> 12 & 0x3f];

    if (len == 2) {
        out[2] = (unsigned char) alphabet[word >> 6 & 0x3f];
    }
}
