/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Sharing a link: a line of Accept-Language, one of tags, one of a text with
 * placeholders or a regex; the rest is what somebody calls themselves.
 */

#define _GNU_SOURCE

#include "fuzz.h"
#include "referral_language.h"
#include "referral_share.h"


#define TAGS  8


static size_t
split(referral_str_t line, referral_str_t *tags)
{
    size_t  i, n;

    n = 0;
    tags[0].data = line.data;
    tags[0].len = 0;

    for (i = 0; i < line.len; i++) {

        if (line.data[i] != ',') {
            tags[n].len++;
            continue;
        }

        if (n + 1 == TAGS) {
            break;
        }

        n++;
        tags[n].data = line.data + i + 1;
        tags[n].len = 0;
    }

    return n + 1;
}


/* What is found was asked for, as a whole or as the beginning of a range. */

static void
fuzz_lookup(referral_str_t accept, referral_str_t line)
{
    int             found;
    size_t          i, n;
    referral_str_t  tags[TAGS];

    n = split(line, tags);
    found = referral_language_lookup(accept, tags, n);

    FUZZ_ASSERT(found >= -1 && found < (int) n);

    if (found == -1) {
        return;
    }

    FUZZ_ASSERT(referral_language_right(tags[found]));

    for (i = 0; i + tags[found].len <= accept.len; i++) {
        if (strncasecmp((const char *) accept.data + i,
                        (const char *) tags[found].data, tags[found].len)
            == 0)
        {
            return;
        }
    }

    FUZZ_ASSERT(!"it was asked for");
}


static int
hex(unsigned char c)
{
    return (c >= '0' && c <= '9') ? c - '0' : c - 'A' + 10;
}


/* It comes back as it was, and nothing in between means anything. */

static void
fuzz_url(referral_str_t s)
{
    size_t          i, n, len;
    unsigned        c;
    unsigned char  *out;

    out = malloc(3 * s.len + 1);
    len = referral_share_url(s, 0, out);

    FUZZ_ASSERT(len <= 3 * s.len);

    for (i = 0, n = 0; i < len; n++) {
        c = out[i++];

        FUZZ_ASSERT(c > 0x20 && c < 0x7f
                    && strchr("\"#&+<>?/:'=;\\{}", (int) c) == NULL);

        if (c == '%') {
            c = (unsigned) (hex(out[i]) << 4 | hex(out[i + 1]));
            i += 2;
        }

        FUZZ_ASSERT(n < s.len && c == s.data[n]);
    }

    FUZZ_ASSERT(n == s.len);
    free(out);

    out = malloc(6 * s.len + 1);
    len = referral_share_url(s, 1, out);

    FUZZ_ASSERT(len <= 6 * s.len);
    FUZZ_ASSERT(memmem(out, len, "\n", 1) == NULL);
    free(out);
}


static void
fuzz_html(referral_str_t s)
{
    size_t          i, k, n, len;
    unsigned char  *out;

    static const struct {
        const char    *text;
        unsigned char  c;
    } names[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
        { "&quot;", '"' }, { "&#39;", '\'' }
    };

    out = malloc(6 * s.len + 1);
    len = referral_share_html(s, out);

    FUZZ_ASSERT(len <= 6 * s.len);

    for (i = 0, n = 0; i < len; n++) {
        FUZZ_ASSERT(n < s.len && strchr("<>\"'", out[i] ? out[i] : 'x')
                                 == NULL);

        if (out[i] != '&') {
            FUZZ_ASSERT(out[i++] == s.data[n]);
            continue;
        }

        for (k = 0; k < 5; k++) {
            if (len - i >= strlen(names[k].text)
                && memcmp(out + i, names[k].text, strlen(names[k].text)) == 0)
            {
                break;
            }
        }

        FUZZ_ASSERT(k < 5 && names[k].c == s.data[n]);
        i += strlen(names[k].text);
    }

    FUZZ_ASSERT(n == s.len);
    free(out);
}


/* Values are not looked at: one may say "{name}". */

static void
fuzz_text(referral_str_t text, referral_str_t name)
{
    size_t           i, len, braces;
    uint32_t         used;
    unsigned char   *out;
    referral_str_t   unknown;

    const referral_slot_t  slots[] = {
        { "name", name }, { "link", fuzz_str("L") }, { NULL, { 0, NULL } }
    };

    len = referral_share_expand(text, slots, NULL);
    out = malloc(len + 1);

    FUZZ_ASSERT(referral_share_expand(text, slots, out) == len);

    if (referral_share_check(text, slots, &used, &unknown)) {
        FUZZ_ASSERT(used < 4);

        for (i = 0, braces = 0; i < text.len; i++) {
            braces += (text.data[i] == '{');
        }

        FUZZ_ASSERT((used == 0) == (braces == 0));
        FUZZ_ASSERT((used & 1) || memchr(out, '{', len) == NULL);

    } else {
        FUZZ_ASSERT(unknown.len != 0 && fuzz_within(unknown, text)
                    && unknown.data[0] == '{');
    }

    free(out);
}


static void
fuzz_prefix(referral_str_t regex)
{
    size_t          i, len;
    unsigned char  *out;

    out = malloc(regex.len + 1);
    len = referral_share_prefix(regex, out);

    FUZZ_ASSERT(len <= regex.len);

    for (i = 0; i < len; i++) {
        FUZZ_ASSERT(out[i] > 0x20 && out[i] < 0x7f
                    && strchr("()[]{}*+?|^$\\", out[i]) == NULL);
    }

    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t          f;
    referral_str_t  accept, tags, text, name, bare;

    fuzz_init(&f, data, size);
    accept = fuzz_line(&f);
    tags = fuzz_line(&f);
    text = fuzz_line(&f);
    name = fuzz_rest(&f);

    fuzz_lookup(accept, tags);
    fuzz_text(text, name);
    fuzz_prefix(text);
    fuzz_url(name);
    fuzz_html(name);

    bare = referral_share_trim(name);
    FUZZ_ASSERT(fuzz_within(bare, name));
    FUZZ_ASSERT(bare.len == 0 || memchr(" \t\n", bare.data[0], 3) == NULL);

    fuzz_free(&f);

    return 0;
}
