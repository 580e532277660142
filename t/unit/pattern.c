/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The regex of a link: groups, limits, and paths that try to be slow.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "referral_pattern.h"
#include "tap.h"


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.data = (const unsigned char *) text;
    s.len = strlen(text);

    return s;
}


static void
refused(const char *regex, const char *phrase)
{
    char                 why[160];
    referral_pattern_t  *pattern;

    pattern = referral_pattern_create(str(regex), why, sizeof(why));
    tap_ok(pattern == NULL && strstr(why, phrase) != NULL, "%s: %s", regex,
           why);
    referral_pattern_free(pattern);
}


static void
matched(const char *regex, const char *path, int want, const char *code,
    const char *channel)
{
    int                  rc;
    char                 why[160];
    referral_str_t       c, h;
    referral_pattern_t  *pattern;

    pattern = referral_pattern_create(str(regex), why, sizeof(why));

    if (pattern == NULL) {
        tap_ok(0, "%s: %s", regex, why);
        return;
    }

    rc = referral_pattern_match(pattern, str(path), &c, &h);

    tap_ok(rc == want
           && (rc < 1 || (c.len == strlen(code)
                          && memcmp(c.data, code, c.len) == 0
                          && h.len == strlen(channel)
                          && memcmp(h.data, channel, h.len) == 0)),
           "%s on %.60s", regex, path);

    referral_pattern_free(pattern);
}


static void
bounded(void)
{
    int                  rc;
    char                *path, why[160];
    clock_t              start;
    unsigned             i;
    referral_str_t       c, h;
    referral_pattern_t  *pattern;

    pattern = referral_pattern_create(str("^/(a+)+(?<code>[bc])$"), why,
                                      sizeof(why));
    path = malloc(REFERRAL_PATTERN_SUBJECT + 2);

    if (pattern == NULL || path == NULL) {
        tap_ok(0, "%s", why);
        return;
    }

    memset(path, 'a', REFERRAL_PATTERN_SUBJECT + 1);
    path[0] = '/';
    path[REFERRAL_PATTERN_SUBJECT] = '\0';

    start = clock();

    for (i = 0, rc = 0; i < 10; i++) {
        rc = referral_pattern_match(pattern, str(path), &c, &h);
    }

    tap_ok(rc == -1, "a nested quantifier hits the limit");
    tap_ok(clock() - start < CLOCKS_PER_SEC / 4, "and soon");

    path[REFERRAL_PATTERN_SUBJECT] = 'a';
    path[REFERRAL_PATTERN_SUBJECT + 1] = '\0';
    tap_ok(referral_pattern_match(pattern, str(path), &c, &h) == 0,
           "a longer path is not looked at");

    free(path);
    referral_pattern_free(pattern);
}


int
main(void)
{
    static const char  regex[] = "^/r/(?<code>[A-Z0-9]+)"
                                 "(?:/(?<channel>[a-z]+))?/?$";

    matched(regex, "/r/ANNA42", 1, "ANNA42", "");
    matched(regex, "/r/ANNA42/wa", 1, "ANNA42", "wa");
    matched(regex, "/r/ANNA42/", 1, "ANNA42", "");
    matched(regex, "/r/anna42", 0, "", "");
    matched(regex, "/R/ANNA42", 0, "", "");
    matched(regex, "", 0, "", "");
    matched("^/(?<channel>a)?(?<code>b)?$", "/", 1, "", "");
    matched("^/(?<code>ab\\K)c$", "/abc", 1, "ab", "");

    refused("^/r/(.*)$", "no group");
    refused("^/r/(?<code>[a-z]+$", "at offset");
    refused("", "no group");

    bounded();

    return tap_done();
}
