/*
 * Copyright (C) the ngx_http_referral_module authors
 */

/*
 * An EVP_MAC does the same at three times the effort around the hash, for it
 * copies and frees, and keeps the key in memory that dumps contain.  The calls
 * it is done with here are deprecated since OpenSSL 3.0, not gone.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <string.h>

#include <openssl/crypto.h>

#include "referral_hmac.h"


static int referral_hmac_pad(SHA256_CTX *ctx, const unsigned char *block,
    unsigned char byte);


int
referral_hmac_key(referral_hmac_t *hmac, const void *key, size_t len)
{
    int            ok;
    SHA256_CTX     ctx;
    unsigned char  block[SHA256_CBLOCK];

    memset(block, 0, sizeof(block));
    ok = 1;

    if (len <= sizeof(block)) {
        memcpy(block, key, len);

    } else {
        ok = SHA256_Init(&ctx) && SHA256_Update(&ctx, key, len)
             && SHA256_Final(block, &ctx);

        OPENSSL_cleanse(&ctx, sizeof(ctx));
    }

    ok = ok && referral_hmac_pad(&hmac->inner, block, 0x36)
         && referral_hmac_pad(&hmac->outer, block, 0x5c);

    OPENSSL_cleanse(block, sizeof(block));

    return ok;
}


static int
referral_hmac_pad(SHA256_CTX *ctx, const unsigned char *block,
    unsigned char byte)
{
    int            ok;
    size_t         i;
    unsigned char  pad[SHA256_CBLOCK];

    for (i = 0; i < sizeof(pad); i++) {
        pad[i] = block[i] ^ byte;
    }

    ok = SHA256_Init(ctx) && SHA256_Update(ctx, pad, sizeof(pad));

    OPENSSL_cleanse(pad, sizeof(pad));

    return ok;
}


int
referral_hmac(const referral_hmac_t *hmac, const referral_str_t *text,
    size_t n, unsigned char digest[REFERRAL_HMAC_SIZE])
{
    int         ok;
    size_t      i;
    SHA256_CTX  ctx;

    ctx = hmac->inner;
    ok = 1;

    for (i = 0; ok && i < n; i++) {
        ok = SHA256_Update(&ctx, text[i].data, text[i].len);
    }

    ok = ok && SHA256_Final(digest, &ctx);

    ctx = hmac->outer;

    ok = ok && SHA256_Update(&ctx, digest, REFERRAL_HMAC_SIZE)
         && SHA256_Final(digest, &ctx);

    OPENSSL_cleanse(&ctx, sizeof(ctx));

    return ok;
}
