/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>
#include <strings.h>

#include "referral_language.h"


typedef struct {
    referral_str_t          tag;
    unsigned                weight;         /* 1/1000 */
} referral_wish_t;


static unsigned referral_language_wishes(referral_str_t accept,
    referral_wish_t *wishes);
static referral_wish_t referral_language_wish(referral_str_t s);
static unsigned referral_language_weight(referral_str_t s);
static int referral_language_find(referral_str_t range,
    const referral_str_t *tags, size_t n);
static referral_str_t referral_language_cut(referral_str_t *s,
    unsigned char at);


int
referral_language_right(referral_str_t tag)
{
    size_t         i, start;
    unsigned char  c;

    if (tag.len > REFERRAL_LANGUAGE_MAX) {
        return 0;
    }

    start = 0;

    for (i = 0; i <= tag.len; i++) {

        if (i == tag.len || tag.data[i] == '-') {

            if (i - start > 8 || i - start < (start == 0 ? 2 : 1)) {
                return 0;
            }

            start = i + 1;
            continue;
        }

        c = tag.data[i];

        if (((c | 0x20) < 'a' || (c | 0x20) > 'z')
            && (start == 0 || c < '0' || c > '9'))
        {
            return 0;
        }
    }

    return 1;
}


int
referral_language_lookup(referral_str_t accept, const referral_str_t *tags,
    size_t n)
{
    int              found;
    unsigned         i, count;
    referral_wish_t  wishes[REFERRAL_LANGUAGES_MAX];

    count = referral_language_wishes(accept, wishes);

    for (i = 0; i < count; i++) {
        found = referral_language_find(wishes[i].tag, tags, n);

        if (found != -1) {
            return found;
        }
    }

    return -1;
}


/* Heaviest first, and the earlier of equal ones. */

static unsigned
referral_language_wishes(referral_str_t accept, referral_wish_t *wishes)
{
    unsigned         i, n, seen;
    referral_wish_t  wish;

    n = 0;

    for (seen = 0; accept.len != 0 && seen < REFERRAL_LANGUAGES_MAX; seen++) {
        wish = referral_language_wish(referral_language_cut(&accept, ','));

        if (wish.weight == 0) {
            continue;
        }

        for (i = n++; i > 0 && wishes[i - 1].weight < wish.weight; i--) {
            wishes[i] = wishes[i - 1];
        }

        wishes[i] = wish;
    }

    return n;
}


/* One of the list; weight 0: not wanted, or no range at all. */

static referral_wish_t
referral_language_wish(referral_str_t s)
{
    referral_str_t   part;
    referral_wish_t  wish;

    wish.tag = referral_language_cut(&s, ';');
    wish.weight = referral_language_right(wish.tag) ? 1000 : 0;

    while (s.len != 0 && wish.weight != 0) {
        part = referral_language_cut(&s, ';');

        if (part.len > 2 && (part.data[0] | 0x20) == 'q'
            && part.data[1] == '=')
        {
            part.data += 2;
            part.len -= 2;
            wish.weight = referral_language_weight(part);
        }
    }

    return wish;
}


/* "0.75" is 750; what is none is not wanted. */

static unsigned
referral_language_weight(referral_str_t s)
{
    size_t    i;
    unsigned  weight, unit;

    if (s.len > 5 || (s.data[0] != '0' && s.data[0] != '1')
        || (s.len > 1 && s.data[1] != '.'))
    {
        return 0;
    }

    unit = 1000;
    weight = (unsigned) (s.data[0] - '0') * unit;

    for (i = 2; i < s.len; i++) {

        if (s.data[i] < '0' || s.data[i] > '9') {
            return 0;
        }

        unit /= 10;
        weight += (unsigned) (s.data[i] - '0') * unit;
    }

    return (weight <= 1000) ? weight : 0;
}


/* A part of one character goes together with what follows it. */

static int
referral_language_find(referral_str_t range, const referral_str_t *tags,
    size_t n)
{
    size_t  i;

    while (range.len != 0) {

        for (i = 0; i < n; i++) {
            if (tags[i].len == range.len
                && strncasecmp((const char *) tags[i].data,
                               (const char *) range.data, range.len)
                   == 0)
            {
                return (int) i;
            }
        }

        do {
            range.len--;
        } while (range.len != 0 && range.data[range.len] != '-');

        if (range.len > 2 && range.data[range.len - 2] == '-') {
            range.len -= 2;
        }
    }

    return -1;
}


/* The part before the next such character, bare of white space; s goes on. */

static referral_str_t
referral_language_cut(referral_str_t *s, unsigned char at)
{
    referral_str_t        part;
    const unsigned char  *p;

    p = (s->len != 0) ? memchr(s->data, at, s->len) : NULL;

    part.data = s->data;
    part.len = (p != NULL) ? (size_t) (p - s->data) : s->len;

    s->data += part.len + (p != NULL);
    s->len -= part.len + (p != NULL);

    while (part.len != 0 && (*part.data == ' ' || *part.data == '\t')) {
        part.data++;
        part.len--;
    }

    while (part.len != 0 && (part.data[part.len - 1] == ' '
                             || part.data[part.len - 1] == '\t'))
    {
        part.len--;
    }

    return part;
}
