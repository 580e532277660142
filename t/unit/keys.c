/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Key files: what is taken, what is refused and why; what the keys sign.
 */

#include <stdlib.h>

#include "referral_keys.h"
#include "tap.h"


#define K1      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define K2      "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
#define K2_BARE "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"
#define K31     "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="

/* 32 bytes that need both letters in which the alphabets differ */

#define KP      "+/v7+//7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s="
#define KM      "-_v7-__7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s"

#define TEXT    "1.k1.main.ABC123.s44we8.s5oge8.0Fz3kq9TzC2m"
#define TEXT2   "1.k2.main.ABC123.s44we8.s5oge8.0Fz3kq9TzC2m"


typedef struct {
    const char  *name;
    const char  *text;
    unsigned     line;
    const char  *why;
} refusal_t;


static const refusal_t  refusals[] = {
    { "empty file", "", 0, "there is no key" },
    { "only comments", "# k1:" K1 "\n\n  \n", 0, "there is no key" },
    { "no colon", "k1 " K1, 1, "the line is not \"kid:base64\"" },
    { "no kid", ":" K1, 1, "the kid is not 1 to 8 characters long" },
    { "kid of 9", "k12345678:" K1, 1,
      "the kid is not 1 to 8 characters long" },
    { "kid with a dot", "k.1:" K1, 1,
      "the kid has a character other than [A-Za-z0-9_-]" },
    { "kid with a plus", "k+1:" K1, 1,
      "the kid has a character other than [A-Za-z0-9_-]" },
    { "kid with a slash", "k/1:" K1, 1,
      "the kid has a character other than [A-Za-z0-9_-]" },
    { "kid with a leading space", " k1:" K1, 1,
      "the kid has a character other than [A-Za-z0-9_-]" },
    { "duplicate kid", "k1:" K1 "\n#\nk1:" K2, 3, "the kid is a duplicate" },
    { "no secret", "k1:", 1, "the secret is not base64" },
    { "secret not base64", "k1:" K1 "\nk2:!" K2_BARE, 2,
      "the secret is not base64" },
    { "space in the secret", "k1:" K1 " " K31, 1,
      "what follows the secret is not \"not_before=time\"" },
    { "space before the secret", "k1: " K1, 1, "the secret is not base64" },
    { "half a word behind", "k1:" K1 " not_before", 1,
      "what follows the secret is not \"not_before=time\"" },
    { "another word behind", "k1:" K1 " not_after=2026-01-01", 1,
      "what follows the secret is not \"not_before=time\"" },
    { "no time", "k1:" K1 " not_before=", 1,
      "the time of \"not_before\" is not one of RFC 3339" },
    { "no such time", "#\nk1:" K1 " not_before=2026-02-30", 2,
      "the time of \"not_before\" is not one of RFC 3339" },
    { "a time of no zone", "k1:" K1 " not_before=2026-02-03T04:05:06", 1,
      "the time of \"not_before\" is not one of RFC 3339" },
    { "two times", "k1:" K1 " not_before=2026-01-01 not_before=2026-01-01", 1,
      "\"not_before\" is there twice" },
    { "second colon", "k1:k2:" K1, 1, "the secret is not base64" },
    { "padding too long", "k1:" K1 "=", 1, "the secret is not base64" },
    { "padding that does not fit", "k1:" K2_BARE "==", 1,
      "the secret is not base64" },
    { "padding without end", "k1:" K2_BARE "=====", 1,
      "the secret is not base64" },
    { "one character beyond", "k1:" K2_BARE "AA", 1,
      "the secret is not base64" },
    { "31 bytes", "\nk1:" K31 "\n", 2,
      "the secret is shorter than 32 bytes" },
    { "zeros", "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1,
      "the secret is one byte repeated" },
    { "all ones", "k1:__________________________________________8", 1,
      "the secret is one byte repeated" }
};


static referral_keys_t *
parse(const char *text)
{
    unsigned     line;
    const char  *why;

    return referral_keys_parse(text, strlen(text), &line, &why);
}


static void
test_refusals(void)
{
    size_t            i;
    unsigned          line;
    const char       *why;
    referral_keys_t  *keys;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        why = "nothing";
        keys = referral_keys_parse(refusals[i].text,
                                   strlen(refusals[i].text), &line, &why);

        tap_ok(keys == NULL && line == refusals[i].line
               && strcmp(why, refusals[i].why) == 0,
               "%s is refused in line %u: %s", refusals[i].name, line, why);

        referral_keys_free(keys);
    }
}


static void
test_limits(void)
{
    int               i;
    char              text[2048];
    size_t            n;
    unsigned          line;
    const char       *why;
    referral_keys_t  *keys;

    n = 0;
    for (i = 0; i < REFERRAL_KEYS_MAX; i++) {
        n += sprintf(text + n, "k%d:" K1 "\n", i);
    }

    keys = parse(text);
    tap_ok(keys != NULL, "%d keys are taken", REFERRAL_KEYS_MAX);
    referral_keys_free(keys);

    strcpy(text + n, "more:" K1);
    keys = referral_keys_parse(text, strlen(text), &line, &why);
    tap_ok(keys == NULL && line == REFERRAL_KEYS_MAX + 1
           && strcmp(why, "there are more than 16 keys") == 0,
           "one more is refused");
    referral_keys_free(keys);

    for (i = 682; i <= 685; i++) {
        strcpy(text, "k1:Zz");
        memset(text + 5, 'A', i);
        text[3 + i] = '\0';

        keys = referral_keys_parse(text, strlen(text), &line, &why);
        tap_ok((keys != NULL) == (i <= 683)
               && (keys != NULL
                   || strcmp(why, "the secret is longer than 512 bytes") == 0),
               "a secret of %d characters", i);
        referral_keys_free(keys);
    }
}


static void
check_sign(const char *file, const char *text, const char *want,
    const char *name)
{
    unsigned char     mac[REFERRAL_MAC_LEN];
    referral_keys_t  *keys;

    keys = parse(file);

    if (keys == NULL
        || referral_keys_sign(keys, REFERRAL_PURPOSE_COOKIE, "", 0, text,
                              strlen(text), mac)
           != 0)
    {
        tap_ok(0, "%s: no MAC", name);

    } else {
        tap_is_str(mac, sizeof(mac), want, name);
    }

    referral_keys_free(keys);
}


/* MACs of the published vectors: other programs computed them. */

static void
test_sign(void)
{
    check_sign("k1:" K1, TEXT, "EYZFvZ5s-_bJ7TXD72gWjQ", "k1 signs");
    check_sign("# two\n\nk2:" K2 "\r\nk1:" K1 "\r\n", TEXT2,
               "YFR2ZaYntxnM31-UJDRDKQ", "the first of two signs");
    check_sign("k2:" K2_BARE " \t\n", TEXT2, "YFR2ZaYntxnM31-UJDRDKQ",
               "padding may be left out, blanks at the end do not count");
}


static int
verify(const referral_keys_t *keys, const char *kid, const char *prefix,
    const char *text, const char *mac)
{
    return referral_keys_verify(keys, REFERRAL_PURPOSE_COOKIE, kid,
                                strlen(kid), prefix, strlen(prefix), text,
                                strlen(text), (const unsigned char *) mac,
                                strlen(mac));
}


static void
test_verify(void)
{
    size_t            len;
    const char       *mac, *kid;
    referral_keys_t  *keys;

    keys = parse("k2:" K2 "\nk1:" K1);
    mac = "EYZFvZ5s-_bJ7TXD72gWjQ";

    if (keys == NULL) {
        tap_ok(0, "two keys are taken");
        return;
    }

    kid = referral_keys_signer(keys, &len);
    tap_is_str(kid, len, "k2", "the first signs");

    tap_ok(verify(keys, "k1", "", TEXT, mac), "the second verifies");
    tap_ok(verify(keys, "k1", "", TEXT, mac), "and does so again");
    tap_ok(verify(keys, "k1", "1.k1.main", &TEXT[9], mac),
           "prefix and text are one");
    tap_ok(!verify(keys, "k2", "", TEXT, mac), "not by the other key");
    tap_ok(!verify(keys, "k3", "", TEXT, mac), "not by an unknown kid");
    tap_ok(!verify(keys, "K1", "", TEXT, mac), "the case of a kid counts");
    tap_ok(!verify(keys, "k", "", TEXT2, "YFR2ZaYntxnM31-UJDRDKQ"),
           "a kid is more than its head");
    tap_ok(!verify(keys, "", "", TEXT2, "YFR2ZaYntxnM31-UJDRDKQ"),
           "not without a kid");
    tap_ok(!verify(keys, "k1", "x", TEXT, mac), "not with another prefix");
    tap_ok(!verify(keys, "k1", "", TEXT "x", mac), "not another text");
    tap_ok(!verify(keys, "k1", "", TEXT, ""), "not without a MAC");
    tap_ok(!verify(keys, "k1", "", TEXT, "EYZFvZ5s-_bJ7TXD72gWj"),
           "not by a shorter MAC");
    tap_ok(!referral_keys_verify(keys, REFERRAL_PURPOSE_COOKIE, "k1", 2, "",
                                 0, TEXT, strlen(TEXT),
                                 (const unsigned char *) mac,
                                 REFERRAL_MAC_LEN - 1),
           "nor by one that would go on right");
    tap_ok(!verify(keys, "k1", "", TEXT, "EYZFvZ5s-_bJ7TXD72gWjQ="),
           "not by a longer MAC");
    tap_ok(!verify(keys, "k1", "", TEXT, "EYZFvZ5s-_bJ7TXD72gWjR"),
           "not by a MAC with spare bits set");

    referral_keys_free(keys);
}


static void
test_alphabets(void)
{
    unsigned char     mac[REFERRAL_MAC_LEN];
    referral_keys_t  *plain, *url;

    plain = parse("a:" KP);
    url = parse("a:" KM);

    tap_ok(plain != NULL && url != NULL
           && referral_keys_sign(plain, REFERRAL_PURPOSE_COOKIE, "", 0, "x",
                                 1, mac) == 0
           && referral_keys_verify(url, REFERRAL_PURPOSE_COOKIE, "a", 1, "",
                                   0, "x", 1, mac, sizeof(mac)),
           "both alphabets of base64 give the same key");

    referral_keys_free(plain);
    referral_keys_free(url);
}


static void
test_purposes(void)
{
    int               p, q;
    unsigned char     mac[REFERRAL_PURPOSES][REFERRAL_MAC_LEN];
    referral_keys_t  *keys;

    keys = parse("k1:" K1);

    for (p = 0; p < REFERRAL_PURPOSES; p++) {
        (void) referral_keys_sign(keys, p, "", 0, TEXT, strlen(TEXT), mac[p]);
    }

    for (p = 0; p < REFERRAL_PURPOSES; p++) {
        for (q = 0; q < REFERRAL_PURPOSES; q++) {
            tap_ok(referral_keys_verify(keys, q, "k1", 2, "", 0, TEXT,
                                        strlen(TEXT), mac[p], sizeof(mac[p]))
                   == (p == q),
                   "what is signed for purpose %d, asked for %d", p, q);
        }
    }

    referral_keys_free(keys);
}


static void
test_not_before(void)
{
    referral_keys_t  *keys;

    keys = parse("k1:" K1 " not_before=2026-11-22T10:00:00Z \r\n"
                 "k2:" K2 "\t not_before=2026-11-22T11:00:00.001+01:00\n"
                 "k3:" KP " not_before=2026-11-22\n"
                 "k4:" KM);

    tap_ok(keys != NULL, "lines with a time are taken");
    tap_ok(referral_keys_not_before(keys, "k1", 2) == 1795341600,
           "a time with Z");
    tap_ok(referral_keys_not_before(keys, "k2", 2) == 1795341601,
           "with an offset; a part of a second is none");
    tap_ok(referral_keys_not_before(keys, "k3", 2) == 1795305600, "a date");
    tap_ok(referral_keys_not_before(keys, "k4", 2) == 0, "none");
    tap_ok(referral_keys_not_before(keys, "k5", 2) == 0, "no such kid");
    tap_ok(verify(keys, "k1", "", TEXT, "EYZFvZ5s-_bJ7TXD72gWjQ"),
           "the key is the same");

    referral_keys_free(keys);
}


int
main(void)
{
    test_refusals();
    test_limits();
    test_sign();
    test_verify();
    test_alphabets();
    test_purposes();
    test_not_before();

    return tap_done();
}
