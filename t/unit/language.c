/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Language tags, and which of them a reader would rather have.
 */

#include <stdlib.h>
#include <string.h>

#include "referral_language.h"
#include "tap.h"


static referral_str_t
str(const char *text)
{
    return (referral_str_t) { strlen(text), (const unsigned char *) text };
}


static void
tag(const char *text, int want)
{
    tap_ok(referral_language_right(str(text)) == want, "tag \"%s\": %s", text,
           want ? "right" : "wrong");
}


/* Of "en, de, de-CH, pt-BR, zh-Hant-TW", and one without a language. */

static void
lookup(const char *accept, const char *want)
{
    int             n;
    const char     *got;
    referral_str_t  header, tags[6];

    static const char *const  names[] = {
        "", "en", "de", "de-CH", "pt-BR", "zh-Hant-TW"
    };

    for (n = 0; n < 6; n++) {
        tags[n] = str(names[n]);
    }

    /* of just that size, so that a byte read beyond it is seen */

    header.len = strlen(accept);
    header.data = malloc(header.len + 1);
    memcpy((char *) header.data, accept, header.len);

    n = referral_language_lookup(header, tags, 6);
    got = (n == -1) ? "none" : names[n];

    tap_is_str(got, strlen(got), want, accept);

    free((void *) header.data);
}


static void
long_ones(void)
{
    char      text[8000];
    unsigned  i;

    for (i = 0; i + 6 < sizeof(text); i += 3) {
        memcpy(text + i, "fr,", 3);
    }

    strcpy(text + i, "de");
    lookup(text, "none");

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    tag(text, 0);
    lookup(text, "none");

    for (i = 1; i + 1 < sizeof(text); i += 2) {
        text[i] = '-';
    }

    lookup(text, "none");
}


int
main(void)
{
    tag("en", 1);
    tag("de-CH", 1);
    tag("zh-Hant-TW", 1);
    tag("sl-rozaj-biske-1994", 1);
    tag("de-1996", 1);
    tag("abcdefgh", 1);
    tag("aa-abcdefgh-abcdefgh-abcdefgh-abcde", 1);
    tag("aa-abcdefgh-abcdefgh-abcdefgh-abcdef", 0);

    tag("", 0);
    tag("e", 0);
    tag("x-private", 0);
    tag("abcdefghi", 0);
    tag("en-", 0);
    tag("-en", 0);
    tag("en--US", 0);
    tag("en_US", 0);
    tag("e1", 0);
    tag("en-abcdefghi", 0);
    tag("*", 0);
    tag("en US", 0);
    tag("d\xc3\xa9", 0);

    lookup("de", "de");
    lookup("DE", "de");
    lookup("de-AT", "de");
    lookup("de-ch", "de-CH");
    lookup("de-CH-1996", "de-CH");
    lookup("pt-BR", "pt-BR");
    lookup("pt", "none");
    lookup("pt-PT", "none");
    lookup("zh-Hant-TW-x-private", "zh-Hant-TW");
    lookup("zh-Hant", "none");
    lookup("de-x-none", "de");

    lookup("fr, en;q=0.8, de;q=0.9", "de");
    lookup("fr;q=0.1,en;q=0.2", "en");
    lookup("en;q=0.5, de;q=0.5", "en");
    lookup("de;q=0.001,en;q=0.002", "en");
    lookup("de;q=0, en;q=0.1", "en");
    lookup("de;q=0.000", "none");
    lookup("en ; q=0.1 , de ; q=0.2", "de");
    lookup("en;Q=0.1,de;Q=0.2", "de");
    lookup("en;level=1;q=0.1, de;q=0.2", "de");
    lookup("*", "none");
    lookup("*, en;q=0.1", "en");
    lookup("", "none");
    lookup(",,,", "none");
    lookup(", ,de", "de");
    lookup(";q=1", "none");
    lookup("-", "none");
    lookup("de;q=", "de");
    lookup("de;q=x", "none");
    lookup("de;q=2", "none");
    lookup("de;q=1.001", "none");
    lookup("de;q=0.1234", "none");
    lookup("de;q=1.000", "de");
    lookup("de;q=.5", "none");
    lookup("en;q=0.5;q=1, de;q=0.7", "en");

    long_ones();

    return tap_done();
}
