/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Signed bodies: which files of secrets are taken, which headers fit a body.
 * The MACs were made with `openssl dgst -sha256 -hmac SECRET`.
 */

#include <stdlib.h>

#include "referral_signature.h"
#include "tap.h"


#define BODY     "{\"order_id\":\"1001\",\"amount\":4999,\"currency\":\"EUR\"}"
#define NOW      1700000000
#define T        "t=1700000000"

/* of "1700000000." BODY */

#define SECRET   "whsec_test_0123456789abcdef"
#define MAC      "a0a96308a617eb7dcea9f3a87553a674"                          \
                 "420ba67ef0f53b5dbcc3b1e352a213d5"
#define SECRET2  "whsec_new_0123456789abcdef"
#define MAC2     "da7c64468980bb4cf56576328f294d6c"                          \
                 "58c399bfb258da6f37c88d9db68edf2c"
#define SECRET3  "whsec_new_abcdef0123456789"
#define MAC3     "616e0afd0c9954c2e6cc05d2b429843e"                          \
                 "3706994fbe342d8a3864bf603d6ce701"

/* of "1700000000.", an empty body, by SECRET */

#define EMPTY    "814e706027d44b6013448b27b12c76ad"                          \
                 "281f72d11fcf05d71e1ef85b69465064"

#define ZEROS    "00000000000000000000000000000000"                          \
                 "00000000000000000000000000000000"


typedef struct {
    const char  *name;
    const char  *text;
    unsigned     line;
    const char  *why;
} refusal_t;

typedef struct {
    const char  *name;
    const char  *header;
    int64_t      now;
    const char  *why;
} attempt_t;


static const refusal_t  refusals[] = {
    { "empty file", "", 0, "there is no secret" },
    { "only comments", "# " SECRET "\n\n \t\r\n", 0, "there is no secret" },
    { "15 bytes", "123456789abcdef", 1,
      "the secret is shorter than 16 bytes" },
    { "15 bytes and blanks", "#\n 123456789abcdef \t\r\n", 2,
      "the secret is shorter than 16 bytes" },
    { "one byte", "x\n", 1, "the secret is shorter than 16 bytes" },
    { "a blank inside", "123456789 abcdefg\n", 1,
      "the secret has a character that is not visible ASCII" },
    { "a NUL", NULL, 1,
      "the secret has a character that is not visible ASCII" },
    { "an umlaut", "123456789abcdef\xc3\xbc\n", 1,
      "the secret has a character that is not visible ASCII" },
    { "one character repeated", SECRET "\n\nxxxxxxxxxxxxxxxx\n", 3,
      "the secret is one character repeated" }
};


static const attempt_t  attempts[] = {
    { "valid", T ",v1=" MAC, NOW, NULL },
    { "v1 first", "v1=" MAC "," T, NOW, NULL },
    { "blanks after commas", T ", v1=" MAC, NOW, NULL },
    { "the second v1", T ",v1=" ZEROS ",v1=" MAC, NOW, NULL },
    { "the first v1", T ",v1=" MAC ",v1=" ZEROS, NOW, NULL },
    { "another v1 of another length", T ",v1=00,v1=" MAC, NOW, NULL },
    { "other schemes beside it", "v0=1,x," T ",v2=" ZEROS ",v1=" MAC ",=,", NOW,
      NULL },
    { "8 v1", T ",v1=" ZEROS ",v1=" ZEROS ",v1=" ZEROS ",v1=" ZEROS
      ",v1=" ZEROS ",v1=" ZEROS ",v1=" ZEROS ",v1=" MAC, NOW, NULL },
    { "300 s old", T ",v1=" MAC, NOW + 300, NULL },
    { "300 s ahead", T ",v1=" MAC, NOW - 300, NULL },

    { "9 v1", T ",v1=" ZEROS ",v1=" ZEROS ",v1=" ZEROS ",v1=" ZEROS
      ",v1=" ZEROS ",v1=" ZEROS ",v1=" ZEROS ",v1=" ZEROS ",v1=" MAC, NOW,
      "it has more than 8 v1" },
    { "301 s old", T ",v1=" MAC, NOW + 301, "it is too old" },
    { "301 s ahead", T ",v1=" MAC, NOW - 301, "its t is too far ahead" },
    { "empty", "", NOW, "it has no t" },
    { "no t", "v1=" MAC, NOW, "it has no t" },
    { "t without a value", "t=,v1=" MAC, NOW, "it has no t" },
    { "no v1", T, NOW, "it has no v1 of 64 digits" },
    { "v1 without a value", T ",v1=", NOW, "it has no v1 of 64 digits" },
    { "v1 and one digit more", T ",v1=" MAC "0", NOW,
      "it has no v1 of 64 digits" },
    { "v1 in capitals as a name", T ",V1=" MAC, NOW,
      "it has no v1 of 64 digits" },
    { "v0", T ",v0=" MAC, NOW, "it has no v1 of 64 digits" },
    { "t twice", T "," T ",v1=" MAC, NOW, "it has more than one t" },
    { "a sign", "t=+1700000000,v1=" MAC, NOW, "its t is not a time" },
    { "a fraction", "t=1700000000.0,v1=" MAC, NOW, "its t is not a time" },
    { "a time of 16 digits", "t=1700000000000000,v1=" MAC, NOW,
      "its t is not a time" },
    { "another spelling of the time", "t=01700000000,v1=" MAC, NOW,
      "no v1 fits the body and a secret" },
    { "another time", "t=1700000001,v1=" MAC, NOW,
      "no v1 fits the body and a secret" },
    { "of another secret", T ",v1=" MAC2, NOW,
      "no v1 fits the body and a secret" },
    { "capital digits", T ",v1=A0A96308A617EB7DCEA9F3A87553A674"
      "420BA67EF0F53B5DBCC3B1E352A213D5", NOW,
      "no v1 fits the body and a secret" }
};


static referral_secrets_t *
secrets_of(const char *text)
{
    unsigned     line;
    const char  *why;

    return referral_secrets_parse(text, strlen(text), &line, &why);
}


static const char *
wrong(const referral_secrets_t *secrets, const char *header, int64_t now,
    const char *body)
{
    referral_str_t  s;

    s.data = (const unsigned char *) header;
    s.len = strlen(header);

    return referral_signature_wrong(secrets, s, now, body, strlen(body));
}


static int
same(const char *a, const char *b)
{
    return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}


static void
test_refusals(void)
{
    size_t               i, len;
    unsigned             line;
    const char          *why, *text;
    referral_secrets_t  *secrets;

    static const char  nul[] = "123456789abcdef\0x\n";

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        text = refusals[i].text;
        len = text ? strlen(text) : sizeof(nul) - 1;
        line = 99;
        why = NULL;

        secrets = referral_secrets_parse(text ? text : nul, len, &line, &why);

        tap_ok(secrets == NULL && line == refusals[i].line
               && same(why, refusals[i].why), "%s: line %u, \"%s\"",
               refusals[i].name, line, why ? why : "");

        referral_secrets_free(secrets);
    }
}


static void
test_lengths(void)
{
    char                 text[REFERRAL_SIGNING_SECRET_MAX + 2];
    unsigned             line;
    const char          *why;
    referral_secrets_t  *secrets;

    memset(text, 'x', sizeof(text));
    text[0] = 'y';

    secrets = referral_secrets_parse(text, REFERRAL_SIGNING_SECRET_MAX, &line,
                                     &why);
    tap_ok(secrets != NULL, "512 bytes are taken");
    referral_secrets_free(secrets);

    secrets = referral_secrets_parse(text, REFERRAL_SIGNING_SECRET_MAX + 1,
                                     &line, &why);
    tap_ok(secrets == NULL && line == 1
           && same(why, "the secret is longer than 512 bytes"),
           "513 are not");
    referral_secrets_free(secrets);

    secrets = secrets_of("123456789abcdefg");
    tap_ok(secrets != NULL, "16 are");
    referral_secrets_free(secrets);
}


static void
test_number(void)
{
    char                 text[400], *p;
    unsigned             i, line;
    const char          *why;
    referral_secrets_t  *secrets;

    p = text;

    for (i = 0; i < REFERRAL_SECRETS_MAX - 1; i++) {
        p += sprintf(p, "whsec_other_%012u\n", i);
    }

    p += sprintf(p, SECRET "\n");

    secrets = referral_secrets_parse(text, p - text, &line, &why);

    if (tap_ok(secrets != NULL, "8 secrets are taken")) {
        tap_ok(wrong(secrets, T ",v1=" MAC, NOW, BODY) == NULL,
               "and the last of them counts");
        tap_ok(wrong(secrets, T ",v1=" MAC2, NOW, BODY) != NULL,
               "but no other");
    }

    referral_secrets_free(secrets);

    p += sprintf(p, "# one more\n" SECRET2);

    secrets = referral_secrets_parse(text, p - text, &line, &why);
    tap_ok(secrets == NULL && line == 10
           && same(why, "there are more than 8 secrets"), "9 are not");
    referral_secrets_free(secrets);
}


static void
test_attempts(void)
{
    size_t               i;
    const char          *why;
    referral_secrets_t  *secrets;

    secrets = secrets_of(SECRET);

    for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        why = wrong(secrets, attempts[i].header, attempts[i].now, BODY);

        tap_ok(same(why, attempts[i].why), "%s: %s", attempts[i].name,
               why ? why : "right");
    }

    tap_ok(wrong(secrets, T ",v1=" MAC, NOW, BODY " ") != NULL,
           "a blank more in the body");
    tap_ok(wrong(secrets, T ",v1=" MAC, NOW, "") != NULL, "no body");
    tap_ok(wrong(secrets, T ",v1=" EMPTY, NOW, "") == NULL,
           "that of an empty body");

    referral_secrets_free(secrets);
}


static void
test_rotation(void)
{
    referral_secrets_t  *secrets;

    secrets = secrets_of("# new\n" SECRET2 "\r\n\n# old\n  " SECRET "\t\n");

    if (!tap_ok(secrets != NULL, "two secrets")) {
        return;
    }

    tap_ok(wrong(secrets, T ",v1=" MAC, NOW, BODY) == NULL, "the old one");
    tap_ok(wrong(secrets, T ",v1=" MAC2, NOW, BODY) == NULL, "the new one");
    tap_ok(wrong(secrets, T ",v1=" MAC ",v1=" MAC2, NOW, BODY) == NULL,
           "both");
    tap_ok(wrong(secrets, T ",v1=" MAC3, NOW, BODY) != NULL,
           "but not a third");

    referral_secrets_free(secrets);
}


int
main(void)
{
    test_refusals();
    test_lengths();
    test_number();
    test_attempts();
    test_rotation();

    referral_secrets_free(NULL);

    return tap_done();
}
