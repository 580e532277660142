/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * HMAC-SHA256 by the test cases of RFC 4231, in one text and in several; the
 * memory it belongs into.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "referral_hmac.h"
#include "referral_secret.h"
#include "tap.h"


#define LARGE  "Test Using Larger Than Block-Size Key - Hash Key First"
#define LONG   "This is a test using a larger than block-size key and a " \
               "larger than block-size data. The key needs to be hashed " \
               "before being used by the HMAC algorithm."


static const struct {
    size_t       len;
    int          byte;                      /* of the key; -1: 1, 2, 3, ... */
    const char  *text;
    const char  *mac;
} cases[] = {
    { 20, 0x0b, "Hi There",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { 25, -1, NULL,
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { 131, 0xaa, LARGE,
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { 131, 0xaa, LONG,
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" }
};


static int
is_mac(const unsigned char *digest, const char *want)
{
    char    hex[2 * REFERRAL_HMAC_SIZE + 1];
    size_t  i;

    for (i = 0; i < REFERRAL_HMAC_SIZE; i++) {
        (void) sprintf(hex + 2 * i, "%02x", digest[i]);
    }

    return strcmp(hex, want) == 0;
}


static void
test_rfc4231(void)
{
    size_t            i, n;
    unsigned char     key[131], text[256], digest[REFERRAL_HMAC_SIZE];
    referral_str_t    parts[3];
    referral_hmac_t   hmac;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        for (n = 0; n < cases[i].len; n++) {
            key[n] = cases[i].byte == -1 ? n + 1 : (size_t) cases[i].byte;
        }

        memset(text, 0xcd, 50);
        n = 50;

        if (cases[i].text != NULL) {
            n = strlen(cases[i].text);
            memcpy(text, cases[i].text, n);
        }

        parts[0].len = n;
        parts[0].data = text;

        tap_ok(referral_hmac_key(&hmac, key, cases[i].len)
               && referral_hmac(&hmac, parts, 1, digest)
               && is_mac(digest, cases[i].mac),
               "a key of %zu bytes, a text of %zu", cases[i].len, n);

        parts[0].len = 0;
        parts[0].data = NULL;
        parts[1].len = n / 3;
        parts[1].data = text;
        parts[2].len = n - n / 3;
        parts[2].data = text + n / 3;

        tap_ok(referral_hmac(&hmac, parts, 3, digest)
               && is_mac(digest, cases[i].mac), "in parts, and once more");
    }
}


/* A short text goes another way than a long one, and both are one function. */

static void
test_lengths(void)
{
    size_t            len, wrong;
    unsigned          n;
    unsigned char     key[32], text[200], digest[REFERRAL_HMAC_SIZE];
    unsigned char     want[EVP_MAX_MD_SIZE];
    referral_str_t    part;
    referral_hmac_t   hmac;

    wrong = 0;
    memset(key, 0x5a, sizeof(key));

    for (len = 0; len < sizeof(text); len++) {
        text[len] = (unsigned char) (len * 7);
    }

    tap_ok(referral_hmac_key(&hmac, key, sizeof(key)), "a key");

    for (len = 0; len <= sizeof(text); len++) {
        part.len = len;
        part.data = text;

        wrong += HMAC(EVP_sha256(), key, sizeof(key), text, len, want, &n)
                     == NULL
                 || !referral_hmac(&hmac, &part, 1, digest)
                 || memcmp(digest, want, sizeof(digest)) != 0;
    }

    tap_ok(wrong == 0, "%zu wrong MACs of texts of 0 to 200 bytes", wrong);
}


/* Whether the mapping that begins at an address is left out of dumps. */

static int
left_out(const void *data)
{
    int            out;
    FILE          *file;
    char           line[512];
    unsigned long  from, to, a, b;

    file = fopen("/proc/self/smaps", "r");
    if (file == NULL) {
        return -1;
    }

    out = -1;
    from = to = 0;

    while (out == -1 && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
            from = a;
            to = b;
        }

        if ((unsigned long) data >= from && (unsigned long) data < to
            && strncmp(line, "VmFlags:", 8) == 0)
        {
            out = strstr(line, " dd") != NULL;
        }
    }

    (void) fclose(file);

    return out;
}


static void
test_memory(void)
{
    void           *plain;
    size_t          i, used, size;
    unsigned char  *data;

    size = (size_t) sysconf(_SC_PAGESIZE);

    data = referral_secret_alloc(3 * size + 1);
    used = 0;

    for (i = 0; i < 3 * size + 1; i++) {
        used += data[i] != 0;
    }

    tap_ok(used == 0, "the memory is zeroed");
    tap_ok(left_out(data) == 1 && left_out(data + 3 * size) == 1,
           "all of its pages are left out of dumps");

    data[3 * size] = 1;
    referral_secret_free(data, 3 * size + 1);
    tap_ok(left_out(data) == -1, "it is given back");
    referral_secret_free(NULL, 1);

    plain = aligned_alloc(size, size);
    tap_ok(left_out(plain) == 0, "other memory is in dumps");
    tap_ok(referral_secret_hide(plain, size) == 0 && left_out(plain) == 1,
           "until it is hidden");
    tap_ok(referral_secret_hide((char *) plain + 1, 1) == -1,
           "which goes by pages");
    free(plain);
}


int
main(void)
{
    test_rfc4231();
    test_lengths();
    test_memory();

    return tap_done();
}
