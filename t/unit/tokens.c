/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Token files: what is taken, what is refused and why; who has which scope.
 */

#include <stdlib.h>

#include "referral_tokens.h"
#include "tap.h"


/* SHA-256 of "abc", as FIPS 180-2 gives it, of "" and of "message digest" */

#define ABC    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define MD     "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650"
#define UPPER  "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"

#define N64    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"


typedef struct {
    const char  *name;
    const char  *text;
    unsigned     line;
    const char  *why;
} refusal_t;


static const refusal_t  refusals[] = {
    { "empty file", "", 0, "there is no token" },
    { "only comments", "# shop read " ABC "\n\n \t\n", 0,
      "there is no token" },
    { "no hash", "shop read\n", 1, "the line is not \"name scope hash\"" },
    { "name only", "# c\nshop", 2, "the line is not \"name scope hash\"" },
    { "a fourth word", "shop read " ABC " x", 1,
      "the line is not \"name scope hash\"" },
    { "name of 65", N64 "n read " ABC, 1,
      "the name is not 1 to 64 characters of [A-Za-z0-9._-]" },
    { "name with a colon", "a:b read " ABC, 1,
      "the name is not 1 to 64 characters of [A-Za-z0-9._-]" },
    { "unknown scope", "shop root " ABC, 1,
      "the scope is not \"read\", \"write\" or \"admin\"" },
    { "scope in capitals", "shop READ " ABC, 1,
      "the scope is not \"read\", \"write\" or \"admin\"" },
    { "prefix of a scope", "shop rea " ABC, 1,
      "the scope is not \"read\", \"write\" or \"admin\"" },
    { "scope with a tail", "shop reads " ABC, 1,
      "the scope is not \"read\", \"write\" or \"admin\"" },
    { "hash of 65 digits", "shop read " ABC "0", 1,
      "the hash is not 64 hexadecimal digits" },
    { "short hash", "shop read 00", 1,
      "the hash is not 64 hexadecimal digits" },
    { "digit beyond f", "shop read g" "a7816bf8f01cfea414140de5dae2223"
      "b00361a396177a9cb410ff61f20015ad", 1,
      "the hash is not 64 hexadecimal digits" },
    { "a control that looks like a digit", "shop read \x11" "a7816bf8f01cfea"
      "414140de5dae2223b00361a396177a9cb410ff61f20015ad", 1,
      "the hash is not 64 hexadecimal digits" },
    { "name twice", "shop read " ABC "\nshop read " MD, 2,
      "the name is a duplicate" },
    { "hash twice", "a read " ABC "\n\nb admin " UPPER, 3,
      "the hash is a duplicate" }
};


static void
test_refusals(void)
{
    size_t              i;
    unsigned            line;
    const char         *why;
    referral_tokens_t  *tokens;

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        why = NULL;
        line = 99;

        tokens = referral_tokens_parse(refusals[i].text,
                                       strlen(refusals[i].text), &line, &why);

        tap_ok(tokens == NULL, "%s: refused", refusals[i].name);
        tap_ok(line == refusals[i].line, "%s: line %u", refusals[i].name,
               line);
        tap_ok(why != NULL && strcmp(why, refusals[i].why) == 0, "%s: \"%s\"",
               refusals[i].name, why ? why : "");

        referral_tokens_free(tokens);
    }
}


static void
test_check(void)
{
    unsigned            line;
    const char         *why;
    referral_tokens_t  *tokens;

    static const char  text[] =
        "# name scope hash\n"
        "shop\tread   " UPPER "\r\n"
        "\n"
        "  back.office-2_ write " MD "\n"
        N64 " admin " EMPTY;

    tokens = referral_tokens_parse(text, sizeof(text) - 1, &line, &why);

    if (!tap_ok(tokens != NULL, "a file with three tokens is taken")) {
        return;
    }

    tap_ok(referral_tokens_check(tokens, "abc", 3) == REFERRAL_SCOPE_READ,
           "the first token reads");
    tap_ok(referral_tokens_check(tokens, "message digest", 14)
           == REFERRAL_SCOPE_WRITE, "the second writes");
    tap_ok(referral_tokens_check(tokens, "", 0) == REFERRAL_SCOPE_ADMIN,
           "the last is admin, its line without an end");
    tap_ok(referral_tokens_check(tokens, "abd", 3) == REFERRAL_SCOPE_NONE,
           "another token is nobody's");
    tap_ok(referral_tokens_check(tokens, "abc\0", 4) == REFERRAL_SCOPE_NONE,
           "nor a longer one");
    tap_ok(referral_tokens_check(tokens, ABC, 64) == REFERRAL_SCOPE_NONE,
           "nor the hash itself");

    referral_tokens_free(tokens);
}


static void
test_limit(unsigned n, int taken)
{
    char               *text, *p;
    unsigned            i, line;
    const char         *why;
    referral_tokens_t  *tokens;

    text = malloc(n * 100);

    for (i = 0, p = text; i < n; i++) {
        p += sprintf(p, "t%u read %064x\n", i, i);
    }

    tokens = referral_tokens_parse(text, p - text, &line, &why);

    tap_ok((tokens != NULL) == taken, "%u tokens: %s", n,
           taken ? "taken" : "refused");

    if (tokens == NULL) {
        tap_ok(line == n
               && strcmp(why, "there are more than 256 tokens") == 0,
               "line %u: \"%s\"", line, why);
    }

    referral_tokens_free(tokens);
    free(text);
}


int
main(void)
{
    test_refusals();
    test_check();
    test_limit(REFERRAL_TOKENS_MAX, 1);
    test_limit(REFERRAL_TOKENS_MAX + 1, 0);

    return tap_done();
}
