/*
 * Copyright (C) the ngx_http_referral_module authors
 */

/*
 * An EVP_MAC does the same at three times the effort around the hash, for it
 * copies and frees, and keeps the key in memory that dumps contain.  The calls
 * it is done with here are deprecated since OpenSSL 3.0, not gone.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>

#include "referral_hmac.h"


/* Bytes that leave room for the padding: a bit, and the length in 64. */

#define REFERRAL_HMAC_SHORT  (SHA256_CBLOCK - 1 - 8)


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


/*
 * A short text fits into one block with its padding, so both hashes are one
 * step each from where the key has left them.  The words of a digest are read
 * and written as FIPS 180-4 section 3.1 has them.
 */

static void
referral_hmac_step(SHA256_CTX *ctx, const SHA256_CTX *from,
    unsigned char block[SHA256_CBLOCK], size_t len)
{
    uint64_t  bits;

    memset(block + len, 0, SHA256_CBLOCK - len);
    block[len] = 0x80;

    bits = htobe64((SHA256_CBLOCK + len) * 8);
    memcpy(block + SHA256_CBLOCK - sizeof(bits), &bits, sizeof(bits));

    memcpy(ctx->h, from->h, sizeof(ctx->h));
    SHA256_Transform(ctx, block);
}


static void
referral_hmac_digest(const SHA256_CTX *ctx, unsigned char *digest)
{
    size_t    i;
    uint64_t  pair;

    for (i = 0; i < REFERRAL_HMAC_SIZE / sizeof(pair); i++) {
        pair = htobe64((uint64_t) ctx->h[2 * i] << 32 | ctx->h[2 * i + 1]);
        memcpy(digest + i * sizeof(pair), &pair, sizeof(pair));
    }
}


static int
referral_hmac_long(const referral_hmac_t *hmac, const referral_str_t *text,
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


int
referral_hmac(const referral_hmac_t *hmac, const referral_str_t *text,
    size_t n, unsigned char digest[REFERRAL_HMAC_SIZE])
{
    size_t         i, len;
    SHA256_CTX     ctx;
    unsigned char  block[SHA256_CBLOCK];

    len = 0;

    for (i = 0; i < n; i++) {

        if (text[i].len > REFERRAL_HMAC_SHORT - len) {
            return referral_hmac_long(hmac, text, n, digest);
        }

        if (text[i].len != 0) {
            memcpy(block + len, text[i].data, text[i].len);
            len += text[i].len;
        }
    }

    referral_hmac_step(&ctx, &hmac->inner, block, len);
    referral_hmac_digest(&ctx, block);

    /* what the key has left is overwritten by the steps themselves */

    referral_hmac_step(&ctx, &hmac->outer, block, REFERRAL_HMAC_SIZE);
    referral_hmac_digest(&ctx, digest);

    return 1;
}
