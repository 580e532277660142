/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Where a link leads: a line of ?to=, the rest is the query of the link.
 */

#define _GNU_SOURCE

#include "fuzz.h"
#include "referral_landing.h"
#include "referral_target.h"


static const char *const  landings[] = {
    "/", "/shop?x=1", "/shop?utm_source=me#top", "/#f",
    "https://shop.example/a/b?utm_medium=", "https://shop.example"
};


static int
hex(unsigned char c)
{
    return (c >= '0' && c <= '9') ? c - '0'
           : (c >= 'a' && c <= 'f') ? c - 'a' + 10
           : (c >= 'A' && c <= 'F') ? c - 'A' + 10 : -1;
}


/* What a reader that decodes escapes makes of a byte of the path. */

static unsigned
decoded(const unsigned char *p, size_t len, size_t *i)
{
    unsigned  c;

    c = p[*i];

    if (c != '%') {
        (*i)++;
        return c;
    }

    FUZZ_ASSERT(len - *i >= 3 && hex(p[*i + 1]) >= 0 && hex(p[*i + 2]) >= 0);
    c = (unsigned) (hex(p[*i + 1]) << 4 | hex(p[*i + 2]));
    *i += 3;

    FUZZ_ASSERT(c != '/');

    return c;
}


/*
 * An accepted target: on this site, and the same one for those who decode its
 * path and for those who do not.
 */

static void
check_target(const unsigned char *p, size_t len)
{
    size_t    i, path, segment;
    unsigned  c, dots;

    FUZZ_ASSERT(len >= 1 && len <= REFERRAL_TO_MAX && p[0] == '/');
    FUZZ_ASSERT(len == 1 || (p[1] != '/' && p[1] != '\\'));

    for (i = 0; i < len; i++) {
        FUZZ_ASSERT(p[i] > 0x20 && p[i] < 0x7f && p[i] != '\\');
    }

    for (i = 0; i < len; /* void */ ) {
        c = p[i++];

        if (c == '%') {
            FUZZ_ASSERT(len - i >= 2 && hex(p[i]) >= 0 && hex(p[i + 1]) >= 0);
            c = (unsigned) (hex(p[i]) << 4 | hex(p[i + 1]));
            FUZZ_ASSERT(c >= 0x20 && c != 0x7f && c != '\\');
        }
    }

    for (path = 0; path < len && p[path] != '?' && p[path] != '#'; path++) {
        /* void */
    }

    for (i = 1; i < path; i += (i < path)) {
        segment = i;
        dots = 0;

        while (i < path && p[i] != '/') {
            dots += (decoded(p, path, &i) == '.') ? 1 : 16;
        }

        FUZZ_ASSERT(dots != 1 && dots != 2);
        FUZZ_ASSERT(i > segment || i == path);
    }
}


static void
check_path(referral_str_t target)
{
    size_t          len;
    unsigned char  *out;

    out = malloc(target.len);
    len = referral_to_path(target, out);

    FUZZ_ASSERT(len >= 1 && len <= target.len && out[0] == '/');
    FUZZ_ASSERT(memmem(out, len, "/../", 4) == NULL);
    FUZZ_ASSERT(memmem(out, len, "//", 2) == NULL);

    free(out);
}


static size_t
find(const unsigned char *p, size_t len, unsigned char c)
{
    const unsigned char  *q;

    q = len ? memchr(p, c, len) : NULL;

    return q ? (size_t) (q - p) : len;
}


static void
check_merged(referral_str_t to, const unsigned char *out, size_t len)
{
    size_t  i, head, tail;

    head = find(to.data, to.len, '#');
    tail = to.len - head;

    FUZZ_ASSERT(len <= REFERRAL_LOCATION_MAX || len == to.len);
    FUZZ_ASSERT(len >= to.len && memcmp(out, to.data, head) == 0);
    FUZZ_ASSERT(memcmp(out + len - tail, to.data + head, tail) == 0);

    for (i = 0; i < len - tail; i++) {
        FUZZ_ASSERT(out[i] > 0x20 && out[i] < 0x7f && out[i] != '#');
    }

    if (len == to.len) {
        return;
    }

    /* what was added is a query, or more of one */

    if (find(to.data, head, '?') == head) {
        FUZZ_ASSERT(out[head] == '?');

    } else {
        FUZZ_ASSERT(to.data[head - 1] == '?' || out[head] == '&');
    }
}


/* Parameters of the module stay here. */

static void
check_dropped(referral_str_t to, const unsigned char *out, size_t len,
    const referral_pass_t *pass)
{
    size_t          i, start;
    referral_str_t  args, value;

    start = find(to.data, to.len, '#');
    args.data = out + start;
    args.len = len - to.len;

    if (args.len != 0) {
        args.data++;
        args.len--;
    }

    for (i = 0; i < pass->ndrop; i++) {
        FUZZ_ASSERT(!referral_arg_get(args, pass->drop[i], &value));
    }

    FUZZ_ASSERT(pass->mode != REFERRAL_PASS_NONE || len == to.len);
    FUZZ_ASSERT(pass->mode != REFERRAL_PASS_LISTED
                || !referral_arg_get(args, fuzz_str("other"), &value));
}


static void
fuzz_merge(referral_str_t to, referral_str_t args)
{
    size_t                len;
    unsigned              mode;
    unsigned char        *out;
    referral_pass_t       pass;
    const referral_str_t  drop[] = { fuzz_str("to"), fuzz_str("ref") };
    const referral_str_t  names[] = { fuzz_str("utm_*"), fuzz_str("gclid"),
                                      fuzz_str("ref") };

    for (mode = REFERRAL_PASS_NONE; mode <= REFERRAL_PASS_LISTED; mode++) {
        memset(&pass, 0, sizeof(pass));
        pass.mode = (referral_pass_mode_t) mode;
        pass.names = names;
        pass.n = 3;
        pass.drop = drop;
        pass.ndrop = 2;

        out = malloc(to.len + 3 * args.len + 1);
        len = referral_args_merge(to, args, &pass, out);

        check_merged(to, out, len);
        check_dropped(to, out, len, &pass);
        free(out);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           i, len;
    fuzz_t           f;
    unsigned char   *out;
    referral_str_t   raw, args, to;

    fuzz_init(&f, data, size);
    raw = fuzz_line(&f);
    args = fuzz_rest(&f);
    len = 0;
    out = malloc(raw.len ? raw.len : 1);

    if (referral_to_decode(raw, out, &len)) {
        check_target(out, len);

        to = fuzz_copy(&f, out, len);
        check_path(to);
        fuzz_merge(to, args);
    }

    if (raw.len != 0 && referral_landing_wrong(raw) == NULL) {
        FUZZ_ASSERT(raw.data[0] == '/' || raw.data[0] == 'h'
                    || raw.data[0] == 'H');

        for (i = 0; i < raw.len; i++) {
            FUZZ_ASSERT(raw.data[i] > 0x20 && raw.data[i] < 0x7f);
        }

        fuzz_merge(raw, args);
    }

    to = fuzz_str(landings[args.len % (sizeof(landings) / sizeof(char *))]);
    fuzz_merge(to, args);

    free(out);
    fuzz_free(&f);

    return 0;
}
