/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include <openssl/crypto.h>

#include "referral_hmac.h"
#include "referral_secret.h"
#include "referral_signature.h"


#define REFERRAL_SIGNATURE_HEX   (2 * REFERRAL_HMAC_SIZE)
#define REFERRAL_SIGNATURE_TIME  15         /* digits */


struct referral_secrets_s {
    unsigned          n;
    referral_hmac_t   mac[REFERRAL_SECRETS_MAX];
};

typedef struct {
    referral_str_t    time;                 /* as it was signed */
    unsigned          n;
    unsigned          times;
    const unsigned char  *mac[REFERRAL_SIGNATURE_CANDIDATES];
} referral_signature_t;


static const char *referral_secrets_read(referral_secrets_t *secrets,
    const char *text, size_t len, unsigned *line);
static const char *referral_secrets_add(referral_secrets_t *secrets,
    const char *secret, size_t len);
static const char *referral_signature_parse(referral_signature_t *signature,
    referral_str_t header);
static const char *referral_signature_item(referral_signature_t *signature,
    const unsigned char *p, const unsigned char *last);
static const char *referral_signature_time(referral_str_t time, int64_t now);
static int referral_signature_mac(const referral_hmac_t *key,
    referral_str_t time, const void *body, size_t len, unsigned char *hex);


referral_secrets_t *
referral_secrets_parse(const char *text, size_t len, unsigned *line,
    const char **why)
{
    referral_secrets_t  *secrets;

    *line = 0;
    *why = "out of memory";

    secrets = referral_secret_alloc(sizeof(referral_secrets_t));
    if (secrets == NULL) {
        return NULL;
    }

    *why = referral_secrets_read(secrets, text, len, line);

    if (*why != NULL) {
        referral_secrets_free(secrets);
        return NULL;
    }

    return secrets;
}


static const char *
referral_secrets_read(referral_secrets_t *secrets, const char *text,
    size_t len, unsigned *line)
{
    const char  *p, *end, *last, *why;

    last = text + len;

    for ( /* void */ ; text < last; text = p + 1) {
        p = memchr(text, '\n', last - text);
        if (p == NULL) {
            p = last;
        }

        (*line)++;

        /* an editor's blanks and CR are not part of a secret */

        while (text < p && (*text == ' ' || *text == '\t')) {
            text++;
        }

        end = p;

        while (end > text && (end[-1] == ' ' || end[-1] == '\t'
                              || end[-1] == '\r'))
        {
            end--;
        }

        if (end > text && *text != '#') {
            why = referral_secrets_add(secrets, text, end - text);
            if (why != NULL) {
                return why;
            }
        }

        if (p == last) {
            break;
        }
    }

    *line = 0;

    return secrets->n ? NULL : "there is no secret";
}


static const char *
referral_secrets_add(referral_secrets_t *secrets, const char *secret,
    size_t len)
{
    size_t  i;

    if (secrets->n == REFERRAL_SECRETS_MAX) {
        return "there are more than 8 secrets";
    }

    if (len < REFERRAL_SIGNING_SECRET_MIN) {
        return "the secret is shorter than 16 bytes";
    }

    if (len > REFERRAL_SIGNING_SECRET_MAX) {
        return "the secret is longer than 512 bytes";
    }

    for (i = 0; i < len; i++) {
        if (secret[i] <= ' ' || secret[i] > '~') {
            return "the secret has a character that is not visible ASCII";
        }
    }

    if (memcmp(secret, secret + 1, len - 1) == 0) {
        return "the secret is one character repeated";
    }

    if (!referral_hmac_key(&secrets->mac[secrets->n++], secret, len)) {
        return "libcrypto could not take the secret";
    }

    return NULL;
}


void
referral_secrets_free(referral_secrets_t *secrets)
{
    referral_secret_free(secrets, sizeof(referral_secrets_t));
}


const char *
referral_signature_wrong(const referral_secrets_t *secrets,
    referral_str_t header, int64_t now, const void *body, size_t len)
{
    unsigned               i, n, right;
    const char            *why;
    unsigned char          want[REFERRAL_SIGNATURE_HEX];
    referral_signature_t   signature;

    why = referral_signature_parse(&signature, header);

    if (why == NULL) {
        why = referral_signature_time(signature.time, now);
    }

    if (why != NULL) {
        return why;
    }

    right = 0;

    for (i = 0; i < secrets->n; i++) {
        if (!referral_signature_mac(&secrets->mac[i], signature.time, body,
                                    len, want))
        {
            return "libcrypto failed";
        }

        for (n = 0; n < signature.n; n++) {
            right |= CRYPTO_memcmp(want, signature.mac[n], sizeof(want)) == 0;
        }
    }

    return right ? NULL : "no v1 fits the body and a secret";
}


static const char *
referral_signature_parse(referral_signature_t *signature,
    referral_str_t header)
{
    const char           *why;
    const unsigned char  *p, *end, *last;

    memset(signature, 0, sizeof(referral_signature_t));

    last = header.data + header.len;

    for (p = header.data; p < last; p = end + 1) {
        end = memchr(p, ',', last - p);
        if (end == NULL) {
            end = last;
        }

        while (p < end && *p == ' ') {
            p++;
        }

        why = referral_signature_item(signature, p, end);
        if (why != NULL) {
            return why;
        }

        if (end == last) {
            break;
        }
    }

    if (signature->times == 0) {
        return "it has no t";
    }

    return signature->n ? NULL : "it has no v1 of 64 digits";
}


/* A v1 of another length cannot be right, whatever it was made with. */

static const char *
referral_signature_item(referral_signature_t *signature,
    const unsigned char *p, const unsigned char *last)
{
    if (last - p > 2 && memcmp(p, "t=", 2) == 0) {
        if (signature->times++) {
            return "it has more than one t";
        }

        signature->time.data = p + 2;
        signature->time.len = last - p - 2;

    } else if (last - p == 3 + REFERRAL_SIGNATURE_HEX
               && memcmp(p, "v1=", 3) == 0)
    {
        if (signature->n == REFERRAL_SIGNATURE_CANDIDATES) {
            return "it has more than 8 v1";
        }

        signature->mac[signature->n++] = p + 3;
    }

    return NULL;
}


static const char *
referral_signature_time(referral_str_t time, int64_t now)
{
    size_t   i;
    int64_t  t;

    if (time.len > REFERRAL_SIGNATURE_TIME) {
        return "its t is not a time";
    }

    for (i = 0, t = 0; i < time.len; i++) {
        if (time.data[i] < '0' || time.data[i] > '9') {
            return "its t is not a time";
        }

        t = t * 10 + (time.data[i] - '0');
    }

    if (t < now - REFERRAL_SIGNATURE_TOLERANCE) {
        return "it is too old";
    }

    return (t > now + REFERRAL_SIGNATURE_TOLERANCE)
           ? "its t is too far ahead" : NULL;
}


static int
referral_signature_mac(const referral_hmac_t *key, referral_str_t time,
    const void *body, size_t len, unsigned char *hex)
{
    size_t           i;
    unsigned char    digest[REFERRAL_HMAC_SIZE];
    referral_str_t   text[3];

    static const char  digits[] = "0123456789abcdef";

    text[0] = time;
    text[1].len = 1;
    text[1].data = (const unsigned char *) ".";
    text[2].len = len;
    text[2].data = body;

    if (!referral_hmac(key, text, 3, digest)) {
        return 0;
    }

    for (i = 0; i < sizeof(digest); i++) {
        *hex++ = (unsigned char) digits[digest[i] >> 4];
        *hex++ = (unsigned char) digits[digest[i] & 15];
    }

    return 1;
}
