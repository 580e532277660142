/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A request of a visitor: its path against links, the parameter that carries a
 * code, and the page without it.  A line for the path, the rest is the target
 * of the request line.
 */

#include "fuzz.h"
#include "referral_code_json.h"
#include "referral_pattern.h"
#include "referral_target.h"


static const char *const  regexes[] = {
    "^/r/(?<code>[^/]+)(?:/(?<channel>[^/]+))?$",
    "^/(?<code>[A-Za-z0-9_-]{1,64})/?$",
    "^/(?<channel>\\w+)?~(?<code>.*)$",
    "^/(?:(?:a|ab)+)+/(?<code>x+x+)+y$",
    "(?i)/i/(?<code>[a-z]*\\K[0-9]*)",
    NULL
};

#define REGEXES  (sizeof(regexes) / sizeof(regexes[0]) - 1)

static referral_pattern_t  *patterns[REGEXES];


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char    why[256];
    size_t  i;

    (void) argc;
    (void) argv;

    for (i = 0; i < REGEXES; i++) {
        patterns[i] = referral_pattern_create(fuzz_str(regexes[i]), why,
                                              sizeof(why));
        FUZZ_ASSERT(patterns[i] != NULL);
    }

    return 0;
}


static void
fuzz_match(referral_str_t path)
{
    int             rc;
    size_t          i;
    referral_str_t  code, channel;

    for (i = 0; i < REGEXES; i++) {
        rc = referral_pattern_match(patterns[i], path, &code, &channel);

        FUZZ_ASSERT(rc >= -1 && rc <= 1);

        if (rc != 1) {
            continue;
        }

        FUZZ_ASSERT(path.len <= REFERRAL_PATTERN_SUBJECT);
        FUZZ_ASSERT(fuzz_within(code, path) && fuzz_within(channel, path));
        FUZZ_ASSERT(!referral_code_right(code)
                    || (code.len >= 1 && code.len <= REFERRAL_CODE_MAX));
        FUZZ_ASSERT(i != 0 || code.len != 0);
    }
}


/* The same, said in another way. */

static int
find_arg(referral_str_t args, referral_str_t name, referral_str_t *value)
{
    size_t  i, end;

    for (i = 0; i < args.len; i = end + 1) {

        for (end = i; end < args.len && args.data[end] != '&'; end++) {
            /* void */
        }

        if (end - i > name.len + 1 && args.data[i + name.len] == '='
            && memcmp(args.data + i, name.data, name.len) == 0)
        {
            value->data = args.data + i + name.len + 1;
            value->len = end - i - name.len - 1;
            return 1;
        }
    }

    return 0;
}


static referral_str_t
query(referral_str_t uri)
{
    const unsigned char  *p;

    p = uri.len ? memchr(uri.data, '?', uri.len) : NULL;

    if (p == NULL) {
        uri.len = 0;
        return uri;
    }

    uri.len -= (size_t) (p + 1 - uri.data);
    uri.data = p + 1;

    return uri;
}


/* It stays on the host, and nothing is left that would bring it here again. */

static void
check_stripped(referral_str_t page, const referral_str_t *names, size_t n)
{
    size_t          i;
    referral_str_t  value, args;

    FUZZ_ASSERT(page.len >= 1 && page.data[0] == '/');
    FUZZ_ASSERT(page.len == 1 || (page.data[1] != '/'
                                  && page.data[1] != '\\'));
    FUZZ_ASSERT(page.data[page.len - 1] != '?' || query(page).len != 0);

    for (i = 0; i < page.len; i++) {
        FUZZ_ASSERT(page.data[i] > 0x20 && page.data[i] < 0x7f
                    && page.data[i] != '#');
    }

    args = query(page);

    for (i = 0; i < n; i++) {
        FUZZ_ASSERT(!referral_arg_get(args, names[i], &value));
    }
}


static void
fuzz_strip(referral_str_t uri)
{
    size_t           n, again;
    unsigned char   *out, *twice;
    referral_str_t   page, names[2];

    names[0] = fuzz_str("ref");
    names[1] = fuzz_str("via");

    out = malloc(3 * uri.len + 1);
    n = referral_uri_strip(uri, names, 2, out);

    FUZZ_ASSERT(n <= 3 * uri.len + 1);

    page.data = out;
    page.len = n;
    check_stripped(page, names, 2);

    twice = malloc(3 * n + 1);
    again = referral_uri_strip(page, names, 2, twice);

    FUZZ_ASSERT(again == n && memcmp(out, twice, n) == 0);

    free(twice);
    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             found;
    fuzz_t          f;
    referral_str_t  path, uri, value, want;

    fuzz_init(&f, data, size);
    path = fuzz_line(&f);
    uri = fuzz_rest(&f);

    fuzz_match(path);

    found = referral_arg_get(query(uri), fuzz_str("ref"), &value);

    FUZZ_ASSERT(found == find_arg(query(uri), fuzz_str("ref"), &want));
    FUZZ_ASSERT(!found || (value.data == want.data && value.len == want.len
                           && value.len != 0 && fuzz_within(value, uri)));

    fuzz_strip(uri);
    fuzz_free(&f);

    return 0;
}
