/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Tickets: values as they come, values whose MAC is right, and a ticket in the
 * query of a page.  The first byte chooses.
 */

#include "keys.h"
#include "referral_target.h"
#include "referral_ticket.h"


#define NOW  1763700000


/* With right: the MAC is. */

static void
fuzz_value(referral_str_t value, unsigned right)
{
    size_t              len;
    unsigned char       buf[REFERRAL_COOKIE_MAX];
    referral_str_t      again;
    referral_touch_t    touch, read;
    referral_touches_t  touches;

    memset(&touch, 0xa5, sizeof(touch));

    if (!referral_ticket_verify(keys, fuzz_str("friends"), value, NOW,
                                &touch))
    {
        return;
    }

    FUZZ_ASSERT(right);
    FUZZ_ASSERT(touch.time <= NOW + REFERRAL_CLOCK_SKEW
                && NOW - touch.time < REFERRAL_TICKET_LIFE);
    FUZZ_ASSERT(touch.code_len >= 1 && touch.code_len <= REFERRAL_CODE_MAX);

    /* it is no cookie, and nobody else's */

    FUZZ_ASSERT(referral_cookie_verify(keys, fuzz_str("friends"), value, NOW,
                                       INT64_MAX, &touches)
                == REFERRAL_COOKIE_INVALID);
    FUZZ_ASSERT(!referral_ticket_verify(keys, fuzz_str("others"), value, NOW,
                                        &read));

    len = referral_ticket_write(keys, fuzz_str("friends"), &touch, buf);
    FUZZ_ASSERT(len != 0 && len <= sizeof(buf));

    again = (referral_str_t) { len, buf };
    FUZZ_ASSERT(referral_ticket_verify(keys, fuzz_str("friends"), again, NOW,
                                       &read));
    FUZZ_ASSERT(read.time == touch.time && read.code_len == touch.code_len
                && memcmp(read.code, touch.code, read.code_len) == 0
                && read.click_len == 0);
}


static size_t
find(referral_str_t s, unsigned char c)
{
    const unsigned char  *p;

    p = s.len ? memchr(s.data, c, s.len) : NULL;

    return p ? (size_t) (p - s.data) : s.len;
}


/* What was there stays, and the ticket is found in the query. */

static void
fuzz_append(referral_str_t url)
{
    int              had;
    size_t           len, head;
    unsigned char   *out;
    referral_str_t   args, value, page;

    const referral_str_t  name = fuzz_str("ref");
    const referral_str_t  ticket = fuzz_str("1.k1.t9.ANNA...x");

    page = url;
    page.len = find(url, '#');
    head = find(page, '?');
    args.data = page.data + head + 1;
    args.len = (head < page.len) ? page.len - head - 1 : 0;
    had = referral_arg_get(args, name, &value);

    out = malloc(url.len + name.len + ticket.len + 2);
    len = referral_ticket_append(url, name, ticket, out);

    FUZZ_ASSERT(len <= url.len + name.len + ticket.len + 2);
    FUZZ_ASSERT(memcmp(out, url.data, page.len) == 0);
    FUZZ_ASSERT(memcmp(out + len - (url.len - page.len), url.data + page.len,
                       url.len - page.len) == 0);

    args.data = out + head + 1;
    args.len = len - (url.len - page.len) - head - 1;

    FUZZ_ASSERT(out[head] == '?');
    FUZZ_ASSERT(referral_arg_get(args, name, &value));
    FUZZ_ASSERT(had || fuzz_same(value, ticket));

    free(out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t    f;
    unsigned  how;

    fuzz_init(&f, data, size);
    how = fuzz_byte(&f);

    switch (how % 4) {

    case 0:
        fuzz_value(fuzz_rest(&f), 0);
        break;

    case 1:
        fuzz_value(fuzz_with_mac(&f, REFERRAL_PURPOSE_LINK), 1);
        break;

    case 2:
        fuzz_value(fuzz_with_mac(&f, REFERRAL_PURPOSE_COOKIE), 0);
        break;

    default:
        fuzz_append(fuzz_rest(&f));
    }

    fuzz_free(&f);

    return 0;
}
