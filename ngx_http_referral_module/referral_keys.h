/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Keys: a file of "kid:base64 [not_before=time]" lines, and what is signed
 * with them.  The master secret is never used itself: each purpose has its
 * own key, HMAC-SHA256(secret, "nginx-referral|PURPOSE|v1").  No nginx in
 * here; OpenSSL's libcrypto does the cryptography.  Signing and verifying
 * allocate nothing and change nothing, so any thread may.
 */

#ifndef REFERRAL_KEYS_H
#define REFERRAL_KEYS_H

#include <stddef.h>
#include <stdint.h>


#define REFERRAL_KEYS_MAX       16          /* lines in one file */
#define REFERRAL_KID_MAX        8           /* [A-Za-z0-9_-]{1,8} */
#define REFERRAL_SECRET_MIN     32          /* bytes after base64 */
#define REFERRAL_SECRET_MAX     512
#define REFERRAL_MAC_SIZE       16          /* bytes: HMAC-SHA256 cut in half */
#define REFERRAL_MAC_LEN        22          /* the same in base64url */

typedef struct referral_keys_s  referral_keys_t;

typedef enum {
    REFERRAL_PURPOSE_COOKIE = 0,
    REFERRAL_PURPOSE_LINK,
    REFERRAL_PURPOSE_SESSION,
    REFERRAL_PURPOSES
} referral_purpose_t;


/*
 * Parses the text of a key file.  Empty lines and lines that begin with "#"
 * are skipped; base64 in either alphabet, padding optional, time as of
 * referral_time.h.  On failure returns NULL with the number of the line (0:
 * the file as a whole) and a phrase that never holds a key.  The text is the
 * caller's to wipe.
 */

referral_keys_t *referral_keys_parse(const char *text, size_t len,
    unsigned *line, const char **why);

/* Wipes and frees. */

void referral_keys_free(referral_keys_t *keys);

/* The kid of the key that signs; not terminated. */

const char *referral_keys_signer(const referral_keys_t *keys, size_t *len);

/*
 * The time in seconds before which that kid signed nothing that counts; 0 when
 * its line has none.  What is verified has to be compared with it by whoever
 * knows its time.
 */

int64_t referral_keys_not_before(const referral_keys_t *keys, const void *kid,
    size_t len);

/*
 * Signs prefix and text, in this order, with the first key.  mac gets
 * REFERRAL_MAC_LEN characters.  Returns 0, or -1 when libcrypto failed.
 */

int referral_keys_sign(const referral_keys_t *keys, referral_purpose_t purpose,
    const void *prefix, size_t prefix_len, const void *text, size_t len,
    unsigned char *mac);

/*
 * Checks a MAC of mac_len characters by the key of that kid, in constant
 * time.  Returns 1 when it is right, 0 when not, also for an unknown kid.
 */

int referral_keys_verify(const referral_keys_t *keys,
    referral_purpose_t purpose, const void *kid, size_t kid_len,
    const void *prefix, size_t prefix_len, const void *text, size_t len,
    const unsigned char *mac, size_t mac_len);


#endif /* REFERRAL_KEYS_H */
