/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include <openssl/crypto.h>

#include "referral_base64.h"
#include "referral_hmac.h"
#include "referral_keys.h"
#include "referral_secret.h"
#include "referral_time.h"


#define REFERRAL_BASE64_MAX   ((REFERRAL_SECRET_MAX + 2) / 3 * 4)
#define REFERRAL_NOT_BEFORE   "not_before="


typedef struct {
    size_t           kid_len;
    char             kid[REFERRAL_KID_MAX];
    int64_t          not_before;
    referral_hmac_t  mac[REFERRAL_PURPOSES];
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
static const char *referral_keys_add_option(referral_key_t *key,
    const char *text, size_t len);
static int referral_keys_twice(referral_str_t time);
static size_t referral_keys_word(const char *text, size_t len);
static int referral_keys_one_byte(const unsigned char *secret, size_t len);
static int referral_keys_derive(const char *label,
    const unsigned char *secret, size_t len, referral_hmac_t *mac);
static const referral_key_t *referral_keys_find(const referral_keys_t *keys,
    const void *kid, size_t len);
static int referral_keys_mac(const referral_key_t *key,
    referral_purpose_t purpose, const void *prefix, size_t prefix_len,
    const void *text, size_t len, unsigned char *mac);


static const char *const  referral_keys_labels[REFERRAL_PURPOSES] = {
    "nginx-referral|cookie|v1",
    "nginx-referral|link|v1",
    "nginx-referral|session|v1"
};


referral_keys_t *
referral_keys_parse(const char *text, size_t len, unsigned *line,
    const char **why)
{
    referral_keys_t  *keys;

    *line = 0;
    *why = "out of memory";

    keys = referral_secret_alloc(sizeof(referral_keys_t));
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
    size_t           n;
    const char      *colon, *why;
    referral_key_t  *key;

    if (keys->n == REFERRAL_KEYS_MAX) {
        return "there are more than 16 keys";
    }

    colon = memchr(line, ':', len);
    if (colon == NULL) {
        return "the line is not \"kid:base64\"";
    }

    n = colon - line;

    why = referral_keys_check_kid(keys, line, n);
    if (why != NULL) {
        return why;
    }

    key = &keys->keys[keys->n++];
    key->kid_len = n;
    memcpy(key->kid, line, n);

    line += n + 1;
    len -= n + 1;
    n = referral_keys_word(line, len);

    why = referral_keys_add_secret(key, line, n);

    return why ? why : referral_keys_add_option(key, line + n, len - n);
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
            || referral_base64_value(kid[i]) == -1)
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
    n = referral_base64_decode(text, len, secret);

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


static const char *
referral_keys_add_option(referral_key_t *key, const char *text, size_t len)
{
    int64_t         ms;
    referral_str_t  time;

    while (len && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }

    if (len == 0) {
        return NULL;
    }

    time.len = sizeof(REFERRAL_NOT_BEFORE) - 1;

    if (len < time.len || memcmp(text, REFERRAL_NOT_BEFORE, time.len) != 0) {
        return "what follows the secret is not \"not_before=time\"";
    }

    time.data = (const unsigned char *) text + time.len;
    time.len = len - time.len;

    if (referral_keys_twice(time)) {
        return "\"not_before\" is there twice";
    }

    if (referral_time_parse(time, &ms) != 0) {
        return "the time of \"not_before\" is not one of RFC 3339";
    }

    key->not_before = (ms + 999) / 1000;

    return NULL;
}


/* Whether the time is followed by what stood before it. */

static int
referral_keys_twice(referral_str_t time)
{
    size_t       n, len;
    const char  *p;

    p = (const char *) time.data;
    n = referral_keys_word(p, time.len);

    while (n < time.len && (p[n] == ' ' || p[n] == '\t')) {
        n++;
    }

    len = sizeof(REFERRAL_NOT_BEFORE) - 1;

    return time.len - n >= len && memcmp(p + n, REFERRAL_NOT_BEFORE, len) == 0;
}


static size_t
referral_keys_word(const char *text, size_t len)
{
    size_t  n;

    for (n = 0; n < len && text[n] != ' ' && text[n] != '\t'; n++) {
        /* void */
    }

    return n;
}


static int
referral_keys_one_byte(const unsigned char *secret, size_t len)
{
    return memcmp(secret, secret + 1, len - 1) == 0;
}


static int
referral_keys_derive(const char *label, const unsigned char *secret,
    size_t len, referral_hmac_t *mac)
{
    int              ok;
    unsigned char    key[REFERRAL_HMAC_SIZE];
    referral_str_t   text;

    text.len = strlen(label);
    text.data = (const unsigned char *) label;

    /* the place of the derived key holds the master's hashes before */

    ok = referral_hmac_key(mac, secret, len)
         && referral_hmac(mac, &text, 1, key)
         && referral_hmac_key(mac, key, sizeof(key));

    OPENSSL_cleanse(key, sizeof(key));

    return ok;
}


void
referral_keys_free(referral_keys_t *keys)
{
    referral_secret_free(keys, sizeof(referral_keys_t));
}


const char *
referral_keys_signer(const referral_keys_t *keys, size_t *len)
{
    *len = keys->keys[0].kid_len;

    return keys->keys[0].kid;
}


int64_t
referral_keys_not_before(const referral_keys_t *keys, const void *kid,
    size_t len)
{
    const referral_key_t  *key;

    key = referral_keys_find(keys, kid, len);

    return key ? key->not_before : 0;
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
    unsigned char   digest[REFERRAL_HMAC_SIZE];
    referral_str_t  texts[2];

    texts[0].len = prefix_len;
    texts[0].data = prefix;
    texts[1].len = len;
    texts[1].data = text;

    if (!referral_hmac(&key->mac[purpose], texts, 2, digest)) {
        return -1;
    }

    referral_base64_encode(digest, REFERRAL_MAC_SIZE, mac);

    return 0;
}
