/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Files that hold secrets: keys, tokens, secrets of signed bodies; and the
 * header that signs a body.  The first byte chooses.
 */

#define _GNU_SOURCE

#include <strings.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "fuzz.h"
#include "referral_keys.h"
#include "referral_signature.h"
#include "referral_tokens.h"


#define NOW  1763700000

static const char  secret[] = "whsec_test_0123456789abcdef";


/* What is wrong, by a line that there is, in words that are ours. */

static void
check_why(referral_str_t text, unsigned line, const char *why)
{
    size_t       i, lines;
    const char  *p;

    for (i = 0, lines = 1; i < text.len; i++) {
        lines += (text.data[i] == '\n');
    }

    FUZZ_ASSERT(line <= lines);
    FUZZ_ASSERT(why != NULL && *why != '\0');

    for (p = why; *p; p++) {
        FUZZ_ASSERT(*p >= 0x20 && *p < 0x7f);
    }
}


static void
fuzz_keys(referral_str_t text)
{
    size_t             len;
    unsigned           line, purpose;
    const char        *why, *kid;
    unsigned char      mac[REFERRAL_MAC_LEN];
    referral_keys_t   *keys;

    keys = referral_keys_parse((const char *) text.data, text.len, &line,
                               &why);

    if (keys == NULL) {
        check_why(text, line, why);
        return;
    }

    kid = referral_keys_signer(keys, &len);
    FUZZ_ASSERT(len >= 1 && len <= REFERRAL_KID_MAX);
    FUZZ_ASSERT(referral_keys_not_before(keys, kid, len) >= 0);

    for (purpose = 0; purpose < REFERRAL_PURPOSES; purpose++) {
        FUZZ_ASSERT(referral_keys_sign(keys, (referral_purpose_t) purpose,
                                       "p|", 2, "text", 4, mac) == 0);
        FUZZ_ASSERT(referral_keys_verify(keys, (referral_purpose_t) purpose,
                                         kid, len, "p|", 2, "text", 4, mac,
                                         REFERRAL_MAC_LEN) == 1);
        FUZZ_ASSERT(referral_keys_verify(keys, (referral_purpose_t) purpose,
                                         kid, len, "p|", 2, "texT", 4, mac,
                                         REFERRAL_MAC_LEN) == 0);
        mac[purpose] = (mac[purpose] == 'A') ? 'B' : 'A';
        FUZZ_ASSERT(referral_keys_verify(keys, (referral_purpose_t) purpose,
                                         kid, len, "p|", 2, "text", 4, mac,
                                         REFERRAL_MAC_LEN) == 0);
    }

    referral_keys_free(keys);
}


/* Only a token whose hash stands in the file is known. */

static void
fuzz_tokens(referral_str_t text)
{
    char                 hex[65];
    unsigned             i, n, line;
    const char          *why;
    unsigned char        hash[32];
    referral_scope_t     scope;
    referral_tokens_t   *tokens;

    tokens = referral_tokens_parse((const char *) text.data, text.len, &line,
                                   &why);

    if (tokens == NULL) {
        check_why(text, line, why);
        return;
    }

    scope = referral_tokens_check(tokens, secret, sizeof(secret) - 1);
    FUZZ_ASSERT(scope <= REFERRAL_SCOPE_ADMIN);

    if (scope != REFERRAL_SCOPE_NONE) {
        FUZZ_ASSERT(EVP_Digest(secret, sizeof(secret) - 1, hash, &n,
                               EVP_sha256(), NULL) == 1);

        for (i = 0; i < n; i++) {
            (void) sprintf(hex + 2 * i, "%02x", hash[i]);
        }

        for (i = 0; i + 64 <= text.len; i++) {
            if (strncasecmp((const char *) text.data + i, hex, 64) == 0) {
                break;
            }
        }

        FUZZ_ASSERT(i + 64 <= text.len);
    }

    FUZZ_ASSERT(referral_tokens_check(tokens, text.data, text.len)
                == REFERRAL_SCOPE_NONE);
    referral_tokens_free(tokens);
}


static void
sign(const char *time, referral_str_t body, char *hex)
{
    size_t          len;
    unsigned        i, n;
    unsigned char  *text, hash[32];

    len = strlen(time) + 1;
    text = malloc(len + body.len);
    memcpy(text, time, len - 1);
    text[len - 1] = '.';

    if (body.len != 0) {
        memcpy(text + len, body.data, body.len);
    }

    FUZZ_ASSERT(HMAC(EVP_sha256(), secret, sizeof(secret) - 1, text,
                     len + body.len, hash, &n) != NULL);

    for (i = 0; i < n; i++) {
        (void) sprintf(hex + 2 * i, "%02x", hash[i]);
    }

    free(text);
}


static void
header_time(referral_str_t header, char time[24])
{
    size_t                i;
    const unsigned char  *p;

    p = memmem(header.data, header.len, "t=", 2);
    FUZZ_ASSERT(p != NULL);
    p += 2;

    for (i = 0; i < 23 && p + i < header.data + header.len && p[i] >= '0'
                && p[i] <= '9'; i++)
    {
        time[i] = (char) p[i];
    }

    time[i] = '\0';
}


/*
 * The header is a line, the body the rest.  One that counts has the HMAC of
 * the body in it, and that one alone does count.
 */

static void
fuzz_signature(fuzz_t *f)
{
    char                 time[24], hex[65], good[128];
    unsigned             line;
    const char          *why;
    referral_str_t       header, body;
    referral_secrets_t  *secrets;

    header = fuzz_line(f);
    body = fuzz_rest(f);
    secrets = referral_secrets_parse(secret, sizeof(secret) - 1, &line, &why);
    FUZZ_ASSERT(secrets != NULL);

    (void) snprintf(time, sizeof(time), "%d", NOW);
    sign(time, body, hex);
    (void) snprintf(good, sizeof(good), "t=%s,v1=%s", time, hex);

    FUZZ_ASSERT(referral_signature_wrong(secrets, fuzz_str(good), NOW,
                                         body.data, body.len) == NULL);
    FUZZ_ASSERT(referral_signature_wrong(secrets, fuzz_str(good), NOW + 301,
                                         body.data, body.len) != NULL);

    why = referral_signature_wrong(secrets, header, NOW, body.data, body.len);

    if (why == NULL) {
        header_time(header, time);
        sign(time, body, hex);
        FUZZ_ASSERT(memmem(header.data, header.len, hex, 64) != NULL);
    }

    referral_secrets_free(secrets);
}


static void
fuzz_secrets(referral_str_t text)
{
    unsigned             line;
    const char          *why;
    referral_secrets_t  *secrets;

    secrets = referral_secrets_parse((const char *) text.data, text.len,
                                     &line, &why);

    if (secrets == NULL) {
        check_why(text, line, why);
        return;
    }

    FUZZ_ASSERT(referral_signature_wrong(secrets, text, NOW, "", 0) != NULL);
    referral_secrets_free(secrets);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t    f;
    unsigned  how;

    fuzz_init(&f, data, size);
    how = fuzz_byte(&f);

    switch (how % 4) {

    case 0:
        fuzz_keys(fuzz_rest(&f));
        break;

    case 1:
        fuzz_tokens(fuzz_rest(&f));
        break;

    case 2:
        fuzz_secrets(fuzz_rest(&f));
        break;

    default:
        fuzz_signature(&f);
    }

    fuzz_free(&f);

    return 0;
}
