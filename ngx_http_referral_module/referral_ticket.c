/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_ticket.h"


static unsigned char *referral_ticket_put(unsigned char *p,
    const unsigned char *data, size_t len);


size_t
referral_ticket_write(const referral_keys_t *keys, referral_str_t program,
    const referral_touch_t *touch, unsigned char *buf)
{
    referral_touches_t  touches;

    touches.last = *touch;
    touches.last.click_len = 0;
    touches.first = touches.last;

    return referral_touches_write(keys, REFERRAL_PURPOSE_LINK, program,
                                  &touches, buf);
}


int
referral_ticket_verify(const referral_keys_t *keys, referral_str_t program,
    referral_str_t value, int64_t now, referral_touch_t *touch)
{
    referral_touches_t  touches;

    if (referral_touches_verify(keys, REFERRAL_PURPOSE_LINK, program, value,
                                now, REFERRAL_TICKET_LIFE, &touches)
        != REFERRAL_COOKIE_VALID)
    {
        return 0;
    }

    *touch = touches.last;

    return 1;
}


size_t
referral_ticket_append(referral_str_t url, referral_str_t name,
    referral_str_t ticket, unsigned char *out)
{
    size_t                len;
    unsigned char        *p;
    const unsigned char  *mark, *query;

    mark = memchr(url.data, '#', url.len);
    len = (mark != NULL) ? (size_t) (mark - url.data) : url.len;
    query = memchr(url.data, '?', len);

    p = referral_ticket_put(out, url.data, len);

    if (query == NULL) {
        *p++ = '?';

    } else if (query + 1 != url.data + len && p[-1] != '&') {
        *p++ = '&';
    }

    p = referral_ticket_put(p, name.data, name.len);
    *p++ = '=';
    p = referral_ticket_put(p, ticket.data, ticket.len);
    p = referral_ticket_put(p, url.data + len, url.len - len);

    return p - out;
}


static unsigned char *
referral_ticket_put(unsigned char *p, const unsigned char *data, size_t len)
{
    memcpy(p, data, len);

    return p + len;
}
