/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Texts with placeholders, text for URLs and for HTML, and codes that a link
 * takes.
 */

#include <stdlib.h>
#include <string.h>

#include "referral_pattern.h"
#include "referral_share.h"
#include "tap.h"


static referral_str_t
str(const char *text)
{
    return (referral_str_t) { strlen(text), (const unsigned char *) text };
}


static unsigned char *
room(size_t size)
{
    unsigned char  *p;

    p = malloc(size ? size : 1);

    if (p == NULL) {
        abort();
    }

    return p;
}


static void
expand(const char *text, const char *want)
{
    size_t          len;
    unsigned char  *out;

    const referral_slot_t  slots[] = {
        { "name", str("Anna") }, { "link", str("https://s/{name}") },
        { "none", { 0, NULL } }, { NULL, { 0, NULL } }
    };

    len = referral_share_expand(str(text), slots, NULL);
    out = room(len);

    tap_ok(referral_share_expand(str(text), slots, out) == len,
           "the length of: %s", text);
    tap_is_str(out, len, want, text);
    free(out);
}


static void
check(const char *text, uint32_t want, const char *wrong)
{
    int             rc;
    uint32_t        used;
    referral_str_t  unknown;

    static const referral_slot_t  slots[] = {
        { "name", { 0, NULL } }, { "link", { 0, NULL } }, { NULL, { 0, NULL } }
    };

    rc = referral_share_check(str(text), slots, &used, &unknown);

    if (wrong == NULL) {
        tap_ok(rc && used == want, "right: %s", text);
        return;
    }

    tap_ok(!rc, "wrong: %s", text);

    if (!rc) {
        tap_is_str(unknown.data, unknown.len, wrong, "and what is wrong");
    }
}


static void
url(const char *text, int lines, const char *want)
{
    size_t          len;
    unsigned char  *out;

    out = room((lines ? 6 : 3) * strlen(text));
    len = referral_share_url(str(text), lines, out);

    tap_is_str(out, len, want, "as a part of a URL");
    free(out);
}


static void
html(const char *text, const char *want)
{
    size_t          len;
    unsigned char  *out;

    out = room(6 * strlen(text));
    len = referral_share_html(str(text), out);

    tap_is_str(out, len, want, "as HTML");
    free(out);
}


static void
trim(const char *text, const char *want)
{
    referral_str_t  s;

    s = referral_share_trim(str(text));
    tap_is_str(s.data, s.len, want, "without white space at its ends");
}


static void
prefix(const char *regex, const char *want)
{
    size_t          len;
    unsigned char  *out;

    out = room(strlen(regex));
    len = referral_share_prefix(str(regex), out);

    tap_is_str(out, len, want, regex);
    free(out);
}


/* Codes of a link with that regex, the way the module looks for them. */

static unsigned  calls;


static int
begins(void *data, referral_str_t path)
{
    calls++;

    return referral_pattern_begins(data, path);
}


static int
matches(void *data, referral_str_t path, referral_str_t code)
{
    int             rc;
    referral_str_t  found, channel;

    calls++;
    rc = referral_pattern_match(data, path, &found, &channel);

    return (rc > 0) ? found.data == code.data && found.len == code.len : rc;
}


static void
sample(const char *regex, const char *head, const char *tail, const char *want)
{
    char                    why[160];
    size_t                  len;
    unsigned char           code[REFERRAL_CODE_MAX];
    referral_pattern_t     *pattern;
    referral_share_links_t  links;

    pattern = referral_pattern_create(str(regex), why, sizeof(why));

    if (pattern == NULL) {
        tap_ok(0, "%s: %s", regex, why);
        return;
    }

    links.begins = begins;
    links.matches = matches;
    links.data = pattern;

    len = referral_share_sample(&links, str(head), str(tail), code);

    tap_is_str(code, len, want, regex);
    referral_pattern_free(pattern);
}


static void
samples(void)
{
    sample("^/r/(?<code>[\\w-]+)$", "/r/", "", "A");
    sample("^/r/(?<code>[a-z]{3})$", "/r/", "", "aaa");
    sample("^/r/(?<code>[A-Z]+\\d+)$", "/r/", "", "A0");
    sample("^/r/(?<code>[A-Z]{2}\\d{4})$", "/r/", "", "AA0000");
    sample("^/r/(?<code>[A-Z]+\\d{2})$", "/r/", "", "A00");
    sample("^/r/(?<code>VIP-\\d{4})$", "/r/", "", "VIP-0000");
    sample("^/r/(?<code>[0-9a-f]{12})$", "/r/", "", "000000000000");
    sample("^/r/(?<code>[A-Za-z0-9]{16})$", "/r/", "", "AAAAAAAAAAAAAAAA");
    sample("^/r/(?<code>(?=.*\\d)[A-Za-z\\d]{6,})$", "/r/", "", "000000");
    sample("^/r/(?<code>(?=.*\\d)(?=.*[a-z])[a-z\\d]{8})$", "/r/", "",
           "a0a0a0a0");
    sample("^/(?<code>[a-z]+[-_]x)$", "/", "", "a-x");
    sample("^/r/(?<code>\\w+)(?:/(?<channel>[a-z]+))?$", "/r/", "/wa", "A");
    sample("^/r/(?<code>\\w+)/go$", "/r/", "/go", "A");
    sample("/r/(?<code>\\w+)", "/r/", "", "A");

    sample("^/r/(?<code>\\w+)$", "/s/", "", "");
    sample("^/r/(?<code>\\w+)$", "/r/", "/", "");
    sample("^/r/(?<code>\\w{65})$", "/r/", "", "");
    sample("^/r/x(?<code>\\w+)$", "/r/", "", "");
    sample("^/r/(?<code>[.]+)$", "/r/", "", "");

    /* a limit of PCRE2's is reached, and takes its time */

    calls = 0;
    sample("^/r/(?<code>(?:a+)+)$", "/r/", "/wa", "");
    tap_ok(calls < 3 * REFERRAL_CODE_MAX, "what gives up is not tried again"
           ": %u calls", calls);

    calls = 0;
    sample("^/r/(?<code>[a-z0-9]+-?[a-z0-9]+-?[a-z0-9]+)\\.html$", "/r/", "/wa",
           "");
    tap_ok(calls <= 4000, "nor is anything tried for ever: %u calls", calls);

    sample("^/r/(?<code>[a-z0-9]+-?[a-z0-9]+-?[a-z0-9]+)\\.html$", "/r/",
           ".html", "000");
}


static void
long_head(void)
{
    char  head[1200];

    memset(head, 'a', sizeof(head) - 1);
    head[0] = '/';
    head[sizeof(head) - 1] = '\0';

    sample("^/a+(?<code>[A-Z])$", head, "", "");
}


int
main(void)
{
    expand("", "");
    expand("plain", "plain");
    expand("{name}", "Anna");
    expand("{name}{name}", "AnnaAnna");
    expand("Hi, I am {name}: {link}!", "Hi, I am Anna: https://s/{name}!");
    expand("{none}x{none}", "x");
    expand("{nam}{name", "{nam}{name");
    expand("{{name}}", "{Anna}");
    expand("{", "{");
    expand("}{", "}{");

    check("", 0, NULL);
    check("plain }", 0, NULL);
    check("{link}", 2, NULL);
    check("{name} {link} {name}", 3, NULL);
    check("{Name}", 0, "{Name}");
    check("a {link} {", 0, "{");
    check("{link", 0, "{link");
    check("{}", 0, "{}");
    check("{ link }", 0, "{ link }");
    check("{{link}}", 0, "{{link}");
    check("{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}", 0,
          "{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

    url("", 0, "");
    url("aZ09-._~", 0, "aZ09-._~");
    url("a b&c=d+e%20?#/", 0, "a%20b%26c%3Dd%2Be%2520%3F%23%2F");
    url("\xc3\xa9\n\"<>'", 0, "%C3%A9%0A%22%3C%3E%27");
    url("a\nb", 1, "a%0D%0Ab");
    url("\n\n", 1, "%0D%0A%0D%0A");

    html("", "");
    html("plain \xc3\xa9", "plain \xc3\xa9");
    html("&<>\"'", "&amp;&lt;&gt;&quot;&#39;");
    html("&amp;", "&amp;amp;");

    trim(" a b\n", "a b");
    trim("\t\n ", "");
    trim("", "");

    prefix("^/r/(?<code>\\w+)$", "/r/");
    prefix("/r/(?<code>\\w+)", "/r/");
    prefix("^/a\\.b\\-c\\/(?<code>x)", "/a.b-c/");
    prefix("^(?<code>x)", "");
    prefix("^/r?/(?<code>x)", "");
    prefix("^/(?:r|s)/(?<code>x)", "");
    prefix("^/(?<channel>\\w+)/(?<code>x)", "");
    prefix("^/\\w/(?<code>x)", "");
    prefix("^/r /(?<code>x)", "");
    prefix("^/r/", "");
    prefix("^/r\\", "");
    prefix("", "");

    samples();
    long_head();

    return tap_done();
}
