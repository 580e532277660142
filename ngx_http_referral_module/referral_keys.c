/*
 * Copyright (C) the ngx_http_referral_module authors
 */

/*
 * The MACs are made of SHA256_Update() and _Final() on prepared states, as
 * RFC 2104 section 4 has it: an EVP_MAC does the same at three times the effort
 * around the hash, for it copies and frees.  These calls are deprecated since
 * OpenSSL 3.0, not gone; the test vectors were made without them.
 */

#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "referral_keys.h"


#define REFERRAL_DIGEST_SIZE  SHA256_DIGEST_LENGTH
#define REFERRAL_BASE64_MAX   ((REFERRAL_SECRET_MAX + 2) / 3 * 4)


/* The two hashes of an HMAC after they have taken in the key. */

typedef struct {
    SHA256_CTX       inner;
    SHA256_CTX       outer;
} referral_mac_t;

typedef struct {
    size_t           kid_len;
    char             kid[REFERRAL_KID_MAX];
    referral_mac_t   mac[REFERRAL_PURPOSES];
} referral_key_t;

struct referral_keys_s {
    unsigned         n;
    referral_key_t   keys[REFERRAL_KEYS_MAX];
};


static const char *referral_keys_read(referral_keys_t *keys, const char *text,
    size_t len, unsigned *line);
static const char *referral_keys_add(referral_keys_t *keys, const char *line,
    size_t len);
static const char *referral_keys_check_kid(const referral_keys_t *keys,
    const char *kid, size_t len);
static const char *referral_keys_add_secret(referral_key_t *key,
    const char *text, size_t len);
static int referral_keys_one_byte(const unsigned char *secret, size_t len);
static size_t referral_keys_decode(const char *text, size_t len,
    unsigned char *out);
static int referral_keys_base64_value(char c);
static int referral_keys_derive(const char *label,
    const unsigned char *secret, size_t len, referral_mac_t *mac);
static int referral_keys_prepare(const unsigned char *key, unsigned char pad,
    SHA256_CTX *ctx);
static const referral_key_t *referral_keys_find(const referral_keys_t *keys,
    const void *kid, size_t len);
static int referral_keys_mac(const referral_key_t *key,
    referral_purpose_t purpose, const void *prefix, size_t prefix_len,
    const void *text, size_t len, unsigned char *mac);
static void referral_keys_encode(const unsigned char *digest,
    unsigned char *out);


static const char *const  referral_keys_labels[REFERRAL_PURPOSES] = {
    "nginx-referral|cookie|v1"
};


referral_keys_t *
referral_keys_parse(const char *text, size_t len, unsigned *line,
    const char **why)
{
    referral_keys_t  *keys;

    *line = 0;
    *why = "out of memory";

    keys = calloc(1, sizeof(referral_keys_t));
    if (keys == NULL) {
        return NULL;
    }

    *why = referral_keys_read(keys, text, len, line);

    if (*why != NULL) {
        referral_keys_free(keys);
        return NULL;
    }

    return keys;
}


static const char *
referral_keys_read(referral_keys_t *keys, const char *text, size_t len,
    unsigned *line)
{
    size_t       n;
    const char  *end, *last, *why;

    last = text + len;

    while (text < last) {
        end = memchr(text, '\n', last - text);
        if (end == NULL) {
            end = last;
        }

        (*line)++;

        /* an editor's trailing blanks and CR are not part of a secret */

        n = end - text;
        while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'
                     || text[n - 1] == '\r'))
        {
            n--;
        }

        if (n && text[0] != '#') {
            why = referral_keys_add(keys, text, n);
            if (why != NULL) {
                return why;
            }
        }

        text = (end == last) ? last : end + 1;
    }

    *line = 0;

    if (keys->n == 0) {
        return "there is no key";
    }

    return NULL;
}


static const char *
referral_keys_add(referral_keys_t *keys, const char *line, size_t len)
{
    size_t           kid_len;
    const char      *colon, *why;
    referral_key_t  *key;

    if (keys->n == REFERRAL_KEYS_MAX) {
        return "there are more than 16 keys";
    }

    colon = memchr(line, ':', len);
    if (colon == NULL) {
        return "the line is not \"kid:base64\"";
    }

    kid_len = colon - line;

    why = referral_keys_check_kid(keys, line, kid_len);
    if (why != NULL) {
        return why;
    }

    /* counted at once, for referral_keys_free() to see what is half made */

    key = &keys->keys[keys->n++];
    key->kid_len = kid_len;
    memcpy(key->kid, line, kid_len);

    return referral_keys_add_secret(key, colon + 1, len - kid_len - 1);
}


static const char *
referral_keys_check_kid(const referral_keys_t *keys, const char *kid,
    size_t len)
{
    size_t  i;

    if (len == 0 || len > REFERRAL_KID_MAX) {
        return "the kid is not 1 to 8 characters long";
    }

    for (i = 0; i < len; i++) {
        if (kid[i] == '+' || kid[i] == '/'
            || referral_keys_base64_value(kid[i]) == -1)
        {
            return "the kid has a character other than [A-Za-z0-9_-]";
        }
    }

    if (referral_keys_find(keys, kid, len) != NULL) {
        return "the kid is a duplicate";
    }

    return NULL;
}


static const char *
referral_keys_add_secret(referral_key_t *key, const char *text, size_t len)
{
    size_t         n;
    unsigned       i;
    const char    *why;
    unsigned char  secret[REFERRAL_BASE64_MAX / 4 * 3];

    if (len > REFERRAL_BASE64_MAX) {
        return "the secret is longer than 512 bytes";
    }

    why = NULL;
    n = referral_keys_decode(text, len, secret);

    if (n == 0) {
        why = "the secret is not base64";

    } else if (n > REFERRAL_SECRET_MAX) {
        why = "the secret is longer than 512 bytes";

    } else if (n < REFERRAL_SECRET_MIN) {
        why = "the secret is shorter than 32 bytes";

    } else if (referral_keys_one_byte(secret, n)) {
        why = "the secret is one byte repeated";
    }

    for (i = 0; why == NULL && i < REFERRAL_PURPOSES; i++) {
        if (!referral_keys_derive(referral_keys_labels[i], secret, n,
                                  &key->mac[i]))
        {
            why = "libcrypto could not derive a key";
        }
    }

    OPENSSL_cleanse(secret, sizeof(secret));

    return why;
}


static int
referral_keys_one_byte(const unsigned char *secret, size_t len)
{
    return memcmp(secret, secret + 1, len - 1) == 0;
}


/* Returns 0 when the text is not base64.  out holds 3 bytes for each 4. */

static size_t
referral_keys_decode(const char *text, size_t len, unsigned char *out)
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
        v = referral_keys_base64_value(text[i]);
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


static int
referral_keys_base64_value(char c)
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


static int
referral_keys_derive(const char *label, const unsigned char *secret,
    size_t len, referral_mac_t *mac)
{
    int            ok;
    size_t         n;
    unsigned char  key[REFERRAL_DIGEST_SIZE];

    ok = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret, len,
                   (const unsigned char *) label, strlen(label), key,
                   sizeof(key), &n) != NULL
         && referral_keys_prepare(key, 0x36, &mac->inner)
         && referral_keys_prepare(key, 0x5c, &mac->outer);

    OPENSSL_cleanse(key, sizeof(key));

    return ok;
}


static int
referral_keys_prepare(const unsigned char *key, unsigned char pad,
    SHA256_CTX *ctx)
{
    int            ok;
    size_t         i;
    unsigned char  block[SHA256_CBLOCK];

    memset(block, pad, sizeof(block));

    for (i = 0; i < REFERRAL_DIGEST_SIZE; i++) {
        block[i] ^= key[i];
    }

    ok = SHA256_Init(ctx) && SHA256_Update(ctx, block, sizeof(block));

    OPENSSL_cleanse(block, sizeof(block));

    return ok;
}


void
referral_keys_free(referral_keys_t *keys)
{
    if (keys != NULL) {
        OPENSSL_cleanse(keys, sizeof(referral_keys_t));
        free(keys);
    }
}


const char *
referral_keys_signer(const referral_keys_t *keys, size_t *len)
{
    *len = keys->keys[0].kid_len;

    return keys->keys[0].kid;
}


int
referral_keys_sign(const referral_keys_t *keys, referral_purpose_t purpose,
    const void *prefix, size_t prefix_len, const void *text, size_t len,
    unsigned char *mac)
{
    return referral_keys_mac(&keys->keys[0], purpose, prefix, prefix_len,
                             text, len, mac);
}


/*
 * What is compared is the text, not the bytes: base64 with other spare bits
 * would decode to the same bytes.
 */

int
referral_keys_verify(const referral_keys_t *keys, referral_purpose_t purpose,
    const void *kid, size_t kid_len, const void *prefix, size_t prefix_len,
    const void *text, size_t len, const unsigned char *mac, size_t mac_len)
{
    unsigned char          want[REFERRAL_MAC_LEN];
    const referral_key_t  *key;

    if (mac_len != REFERRAL_MAC_LEN) {
        return 0;
    }

    key = referral_keys_find(keys, kid, kid_len);

    if (key == NULL
        || referral_keys_mac(key, purpose, prefix, prefix_len, text, len,
                             want) != 0)
    {
        return 0;
    }

    return CRYPTO_memcmp(want, mac, REFERRAL_MAC_LEN) == 0;
}


static const referral_key_t *
referral_keys_find(const referral_keys_t *keys, const void *kid, size_t len)
{
    unsigned  i;

    for (i = 0; i < keys->n; i++) {
        if (keys->keys[i].kid_len == len
            && memcmp(keys->keys[i].kid, kid, len) == 0)
        {
            return &keys->keys[i];
        }
    }

    return NULL;
}


static int
referral_keys_mac(const referral_key_t *key, referral_purpose_t purpose,
    const void *prefix, size_t prefix_len, const void *text, size_t len,
    unsigned char *mac)
{
    SHA256_CTX     ctx;
    unsigned char  digest[REFERRAL_DIGEST_SIZE];

    ctx = key->mac[purpose].inner;

    if (!SHA256_Update(&ctx, prefix, prefix_len)
        || !SHA256_Update(&ctx, text, len)
        || !SHA256_Final(digest, &ctx))
    {
        return -1;
    }

    ctx = key->mac[purpose].outer;

    if (!SHA256_Update(&ctx, digest, sizeof(digest))
        || !SHA256_Final(digest, &ctx))
    {
        return -1;
    }

    referral_keys_encode(digest, mac);

    return 0;
}


static void
referral_keys_encode(const unsigned char *digest, unsigned char *out)
{
    size_t             i;
    unsigned           acc, bits;
    static const char  alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "abcdefghijklmnopqrstuvwxyz"
                                    "0123456789-_";

    acc = 0;
    bits = 0;

    for (i = 0; i < REFERRAL_MAC_SIZE; i++) {
        acc = (acc << 8 | digest[i]) & 0xffff;
        bits += 8;

        while (bits >= 6) {
            bits -= 6;
            *out++ = (unsigned char) alphabet[acc >> bits & 0x3f];
        }
    }

    *out = (unsigned char) alphabet[acc << (6 - bits) & 0x3f];
}
