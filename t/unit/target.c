/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdlib.h>
#include <string.h>

#include "referral_target.h"
#include "tap.h"


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.data = (const unsigned char *) text;
    s.len = strlen(text);

    return s;
}


/* As much memory as the header promises to be enough, and no more. */

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
to(const char *raw, const char *want, const char *name)
{
    size_t          len;
    unsigned char  *out;

    out = room(strlen(raw));

    if (referral_to_decode(str(raw), out, &len)) {
        tap_is_str(out, len, want ? want : "refused", name);

    } else {
        tap_ok(want == NULL, "%s", name);
    }

    free(out);
}


static void
to_length(size_t len, int want)
{
    char  *raw;

    raw = (char *) room(len + 1);
    memset(raw, 'a', len);
    raw[0] = '/';
    raw[len] = '\0';

    to(raw, want ? raw : NULL, want ? "2048 bytes" : "2049 bytes");

    free(raw);
}


static void
to_bytes(void)
{
    int             c;
    size_t          len;
    unsigned char   raw[2], escaped[4], out[4], wrong;
    referral_str_t  s;

    wrong = 0;

    for (c = 0; c < 256; c++) {
        raw[0] = '/';
        raw[1] = (unsigned char) c;

        s.data = raw;
        s.len = 2;

        if (referral_to_decode(s, out, &len)
            && (c <= 0x20 || c >= 0x7f || strchr("\\\"<>^`{|}%./", c)))
        {
            wrong++;
        }

        snprintf((char *) escaped, sizeof(escaped), "%%%02x", (unsigned) c);
        memmove(escaped + 1, escaped, 3);
        escaped[0] = '/';

        s.data = escaped;
        s.len = 4;

        if (referral_to_decode(s, out, &len)
            && (out[1] < 0x21 || out[1] > 0x7e))
        {
            wrong++;
        }
    }

    tap_ok(wrong == 0, "no byte gets out that may not");
}


static void
path(const char *target, const char *want)
{
    size_t          len;
    unsigned char  *out;

    out = room(strlen(target));
    len = referral_to_path(str(target), out);

    tap_is_str(out, len, want, target);

    free(out);
}


static void
get(const char *args, const char *want)
{
    referral_str_t  value;

    if (referral_arg_get(str(args), str("ref"), &value)) {
        tap_is_str(value.data, value.len, want ? want : "none", args);

    } else {
        tap_ok(want == NULL, "no ref in '%s'", args);
    }
}


static void
merge(referral_pass_mode_t mode, const char *destination, const char *args,
    const char *want, const char *name)
{
    size_t           len;
    unsigned char   *out;
    referral_str_t   names[3], drop[2];
    referral_pass_t  pass;

    names[0] = str("utm_*");
    names[1] = str("gclid");
    names[2] = str("ref");
    drop[0] = str("ref");
    drop[1] = str("to");

    pass.mode = mode;
    pass.names = names;
    pass.n = 3;
    pass.drop = drop;
    pass.ndrop = 2;

    out = room(strlen(destination) + 3 * strlen(args) + 1);
    len = referral_args_merge(str(destination), str(args), &pass, out);

    tap_is_str(out, len, want, name);

    free(out);
}


static void
merges(void)
{
    merge(REFERRAL_PASS_LISTED, "/w?utm_source=referral&x=1#top",
          "utm_source=spoof&utm_medium=a&gclid=1&evil=1&utm_medium=b",
          "/w?utm_source=referral&x=1&utm_medium=a&gclid=1&utm_medium=b#top",
          "the destination wins, order and duplicates stay");
    merge(REFERRAL_PASS_LISTED, "/w", "evil=1&ref=A", "/w",
          "nothing passes: no question mark");
    merge(REFERRAL_PASS_NONE, "/w", "utm_medium=a", "/w", "none");
    merge(REFERRAL_PASS_ALL, "/w", "a=1&&=2&ref=A&to=/x&b", "/w?a=1&b",
          "all but the module's own and nameless ones");
    merge(REFERRAL_PASS_ALL, "/w?x=1", "x&X=2&x%31=3&xx=4",
          "/w?x=1&X=2&x%31=3&xx=4", "names are compared byte by byte");
    merge(REFERRAL_PASS_LISTED, "/w", "utm=1&utm_=2&gclid2=3&gcli=4",
          "/w?utm_=2", "a prefix is one, a name is a whole one");
    merge(REFERRAL_PASS_ALL, "/w?", "a=1", "/w?a=1", "after an empty query");
    merge(REFERRAL_PASS_ALL, "/w#?", "a=1", "/w?a=1#?",
          "a fragment has no query");
    merge(REFERRAL_PASS_ALL, "/w", "a=\r\n \xc3\xa9#\"",
          "/w?a=%0D%0A%20%C3%A9%23\"", "other bytes are percent-encoded");
    merge(REFERRAL_PASS_NONE, "/w\r\nA: b\xff", "", "/w__A:_b_",
          "no destination ends the header");
    merge(REFERRAL_PASS_ALL, "https://shop.example", "a=1",
          "https://shop.example?a=1", "a destination without a path");
}


static void
merge_limits(void)
{
    char    *args, *p;
    size_t   i;

    args = (char *) room(8192);

    strcpy(args, "a=");
    memset(args + 2, 'x', REFERRAL_LOCATION_MAX - 6);
    args[REFERRAL_LOCATION_MAX - 4] = '\0';

    p = (char *) room(8192);
    strcpy(p, "/w?");
    strcat(p, args);
    strcat(p, "#");

    merge(REFERRAL_PASS_ALL, "/w#", args, p, "4096 bytes");
    merge(REFERRAL_PASS_ALL, "/ww#", args, "/ww#",
          "4097 bytes: only the destination");

    *args = '\0';
    *p = '\0';

    for (i = 0; i < REFERRAL_ARGS_MAX; i++) {
        strcat(args, "evil&");
    }

    merge(REFERRAL_PASS_LISTED, "/w", strcat(args, "gclid=1"), "/w",
          "parameters beyond the limit do not pass");
    merge(REFERRAL_PASS_LISTED, "/w", args + 5, "/w?gclid=1",
          "one within it does");

    free(args);
    free(p);
}


static void
strip(const char *uri, const char *want)
{
    size_t           len;
    unsigned char   *out;
    referral_str_t   names[2];

    names[0] = str("ref");
    names[1] = str("via");

    out = room(3 * strlen(uri) + 1);
    len = referral_uri_strip(str(uri), names, 2, out);

    tap_is_str(out, len, want, want);

    free(out);
}


static void
strips(void)
{
    strip("/p?a=1&ref=ABC123&b=2", "/p?a=1&b=2");
    strip("/p?ref=ABC123", "/p");
    strip("/p?ref=A&ref=B", "/p");
    strip("/p?ref=A&via=C&ref", "/p");
    strip("/p?ref=A&REF=B", "/p?REF=B");
    strip("/p?ref=&x", "/p?x");
    strip("/p?xref=C&refx=D&r%65f=E", "/p?xref=C&refx=D&r%65f=E");
    strip("/p?next=%3Fref%3DX&ref=A", "/p?next=%3Fref%3DX");
    strip("/p?&&ref=A&", "/p");
    strip("/p?", "/p");
    strip("/p?ref=A&x=1#top", "/p?x=1");
    strip("/p#?ref=A", "/p");
    strip("//evil.example/?ref=A", "/evil.example/");
    strip("/\\evil.example/?ref=A", "/evil.example/");
    strip("\\\\/\\evil.example?ref=A&b=1", "/evil.example?b=1");
    strip("/\t/evil.example", "/%09/evil.example");
    strip("http://evil.example/?ref=A", "/http://evil.example/");
    strip("evil.example", "/evil.example");
    strip("?ref=A", "/");
    strip("", "/");
    strip("/caf\xc3\xa9?x=\xff\r\n&ref=A", "/caf%C3%A9?x=%FF%0D%0A");
    strip("/a//b/../c?x=1?ref=2", "/a//b/../c?x=1?ref=2");
}


static void
strip_url(const char *url, const char *want)
{
    size_t           len;
    unsigned char   *out;
    referral_str_t   names[2];

    names[0] = str("ref");
    names[1] = str("via");

    len = strlen(url);
    out = room(len);
    memcpy(out, url, len);

    len = referral_url_strip((referral_str_t) { len, out }, names, 2, out);

    tap_is_str(out, len, want, want);

    free(out);
}


static void
url_strips(void)
{
    strip_url("https://a.b/p?ref=A&x=1&via=B&ref#ref=C",
              "https://a.b/p?x=1#ref=C");
    strip_url("https://a.b?ref=A", "https://a.b");
    strip_url("https://a.b/p?x=1&y#?ref=A", "https://a.b/p?x=1&y#?ref=A");
    strip_url("https://a.b/ref=A?refx=A&xref=B",
              "https://a.b/ref=A?refx=A&xref=B");
    strip_url("//a?x=%3Fref%3DA&ref=B&y#", "//a?x=%3Fref%3DA&y#");
    strip_url("/p#", "/p#");
    strip_url("/", "/");
}


int
main(void)
{
    to("/a?x=/%2e%2e//b&c=%252f", "/a?x=/..//b&c=%2f", "a query is free");
    to("/a#/%2e%2e//b", "/a#/..//b", "a fragment is free");
    to("/a/%252e%252E/b", NULL, "dots that are escaped twice");
    to("/a/.%252e", NULL, "half escaped dots at the end");
    to("/a/...", "/a/...", "three dots are a name");
    to("/a/..b/.c/d.", "/a/..b/.c/d.", "dots within names");
    to("/a%255Cb", NULL, "a backslash that is escaped twice");
    to("/a%250Ab", NULL, "a line feed that is escaped twice");
    to("/a%2", NULL, "half an escape at the end");
    to("/a%25", NULL, "a percent sign alone");
    to("/a/", "/a/", "a slash at the end");
    to("/a//", NULL, "two of them");
    to("/", "/", "the front page");
    to("/caf%C3%A9", "/caf%C3%A9", "a letter beyond ASCII stays escaped");
    to("/caf\xc3\xa9", NULL, "a raw one is refused");
    to("/%F", NULL, "an escape that ends the value");

    to_length(REFERRAL_TO_MAX, 1);
    to_length(REFERRAL_TO_MAX + 1, 0);
    to_bytes();

    path("/%72/OTHER?x#y", "/r/OTHER");
    path("/a#?b", "/a");
    path("/%2572", "/%72");
    path("/x%", "/x%");
    path("/x%4", "/x%4");

    get("ref=A&ref=B", "A");
    get("ref=&ref=ABC123", "ABC123");
    get("ref&ref=ABC123", "ABC123");
    get("x=1&ref=a%20b=c", "a%20b=c");
    get("REF=A", NULL);
    get("xref=A&refx=B&re%66=C&x=1;ref=D", NULL);
    get("next=%3Fref%3DX", NULL);
    get("", NULL);

    merges();
    merge_limits();
    strips();
    url_strips();

    return tap_done();
}
