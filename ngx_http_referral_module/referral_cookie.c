/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_cookie.h"


#define REFERRAL_TIME_DIGITS  11

/* What stands between the kid and the end: a dot and the MAC. */

#define REFERRAL_COOKIE_TAIL  (1 + REFERRAL_MAC_LEN)


/* The MAC covers the program, which the value does not repeat. */

typedef struct {
    size_t           len;
    unsigned char    data[REFERRAL_PROGRAM_MAX + 1];
} referral_cookie_prefix_t;


static int referral_cookie_prefix(referral_cookie_prefix_t *prefix,
    referral_str_t program);
static unsigned char *referral_cookie_put(unsigned char *p, const void *data,
    size_t len);
static unsigned char *referral_cookie_put_touch(unsigned char *p,
    const referral_touch_t *touch);
static unsigned char *referral_cookie_put_field(unsigned char *p,
    const unsigned char *data, size_t len);
static unsigned char *referral_cookie_put_time(unsigned char *p,
    int64_t time);
static int referral_cookie_signed(const referral_keys_t *keys,
    referral_purpose_t purpose, referral_str_t program, referral_str_t value,
    referral_str_t *text, int64_t *not_before);
static int referral_cookie_parse(referral_str_t text,
    referral_touches_t *touches);
static int referral_cookie_get_touch(referral_str_t *rest,
    referral_touch_t *touch);
static int referral_cookie_get_time(referral_str_t field, int64_t *time);
static int referral_cookie_get_text(referral_str_t field, size_t max,
    unsigned char *data, unsigned char *len);
static int referral_cookie_field(referral_str_t *rest, referral_str_t *field);
static int referral_cookie_pair(referral_str_t pair, referral_str_t name,
    referral_str_t *value);


size_t
referral_cookie_write(const referral_keys_t *keys, referral_str_t program,
    const referral_touches_t *touches, unsigned char *buf)
{
    return referral_touches_write(keys, REFERRAL_PURPOSE_COOKIE, program,
                                  touches, buf);
}


size_t
referral_touches_write(const referral_keys_t *keys, referral_purpose_t purpose,
    referral_str_t program, const referral_touches_t *touches,
    unsigned char *buf)
{
    int                        one;
    size_t                     kid_len;
    const char                *kid;
    unsigned char             *p;
    referral_cookie_prefix_t   prefix;

    one = referral_touch_same(&touches->first, &touches->last);

    if (!referral_cookie_prefix(&prefix, program)
        || !referral_touch_valid(&touches->last)
        || (!one && !referral_touch_valid(&touches->first)))
    {
        return 0;
    }

    kid = referral_keys_signer(keys, &kid_len);

    p = referral_cookie_put(buf, "1.", 2);
    p = referral_cookie_put(p, kid, kid_len);
    p = referral_cookie_put_touch(p, &touches->last);

    if (!one) {
        p = referral_cookie_put_touch(p, &touches->first);
    }

    if (referral_keys_sign(keys, purpose, prefix.data, prefix.len, buf,
                           p - buf, p + 1)
        != 0)
    {
        return 0;
    }

    *p = '.';

    return p + REFERRAL_COOKIE_TAIL - buf;
}


static int
referral_cookie_prefix(referral_cookie_prefix_t *prefix,
    referral_str_t program)
{
    if (program.len > REFERRAL_PROGRAM_MAX) {
        return 0;
    }

    referral_cookie_put(prefix->data, program.data, program.len);
    prefix->data[program.len] = '|';
    prefix->len = program.len + 1;

    return 1;
}


static unsigned char *
referral_cookie_put(unsigned char *p, const void *data, size_t len)
{
    if (len) {
        memcpy(p, data, len);
    }

    return p + len;
}


static unsigned char *
referral_cookie_put_touch(unsigned char *p, const referral_touch_t *touch)
{
    *p++ = '.';
    p = referral_cookie_put_time(p, touch->time);
    *p++ = '.';
    p = referral_cookie_put_field(p, touch->code, touch->code_len);
    *p++ = '.';
    p = referral_cookie_put_field(p, touch->channel, touch->channel_len);
    *p++ = '.';

    return referral_cookie_put(p, touch->click, touch->click_len);
}


/*
 * Sixteen bytes at a time, for which the field has room in a touch.  What they
 * bring along from behind its end, fifteen bytes at most, is written over: two
 * dots and a MAC are still to come at least.
 */

_Static_assert(REFERRAL_CODE_MAX % 16 == 0 && REFERRAL_CHANNEL_MAX % 16 == 0
               && 2 + REFERRAL_MAC_LEN >= 15, "fields by sixteen bytes");

static unsigned char *
referral_cookie_put_field(unsigned char *p, const unsigned char *data,
    size_t len)
{
    size_t  i;

    for (i = 0; i < len; i += 16) {
        memcpy(p + i, data + i, 16);
    }

    return p + len;
}


/* A time that is valid: 36 times as much is no overflow. */

static unsigned char *
referral_cookie_put_time(unsigned char *p, int64_t time)
{
    uint64_t        left, more;
    unsigned char  *end;

    static const unsigned char  digits[] =
        "0123456789abcdefghijklmnopqrstuvwxyz";

    end = p + 1;
    left = (uint64_t) time;

    for (more = 36; more <= left; more *= 36) {
        end++;
    }

    for (p = end; left >= 36; left /= 36) {
        *--p = digits[left % 36];
    }

    *--p = digits[left];

    return end;
}


referral_cookie_status_t
referral_cookie_verify(const referral_keys_t *keys, referral_str_t program,
    referral_str_t value, int64_t now, int64_t window,
    referral_touches_t *touches)
{
    return referral_touches_verify(keys, REFERRAL_PURPOSE_COOKIE, program,
                                   value, now, window, touches);
}


referral_cookie_status_t
referral_touches_verify(const referral_keys_t *keys,
    referral_purpose_t purpose, referral_str_t program, referral_str_t value,
    int64_t now, int64_t window, referral_touches_t *touches)
{
    int64_t             not_before;
    referral_str_t      text;
    referral_touches_t  parsed;

    if (!referral_cookie_signed(keys, purpose, program, value, &text,
                                &not_before)
        || !referral_cookie_parse(text, &parsed)
        || referral_touch_ahead(&parsed.last, now)
        || referral_touch_ahead(&parsed.first, now)
        || !referral_touches_keep(&parsed, parsed.first.time >= not_before,
                                  parsed.last.time >= not_before))
    {
        return REFERRAL_COOKIE_INVALID;
    }

    *touches = parsed;

    return referral_touches_alive(touches, now, window)
           ? REFERRAL_COOKIE_VALID : REFERRAL_COOKIE_EXPIRED;
}


/* When the MAC is right: 1, the touches in text, since when they may be. */

static int
referral_cookie_signed(const referral_keys_t *keys, referral_purpose_t purpose,
    referral_str_t program, referral_str_t value, referral_str_t *text,
    int64_t *not_before)
{
    size_t                     len;
    const unsigned char       *kid, *dot;
    referral_cookie_prefix_t   prefix;

    if (value.len > REFERRAL_COOKIE_MAX
        || value.len < 2 + REFERRAL_COOKIE_TAIL
        || memcmp(value.data, "1.", 2) != 0)
    {
        return 0;
    }

    len = value.len - REFERRAL_COOKIE_TAIL;
    kid = value.data + 2;
    dot = memchr(kid, '.', len - 2);

    if (dot == NULL || value.data[len] != '.'
        || !referral_cookie_prefix(&prefix, program))
    {
        return 0;
    }

    text->data = dot + 1;
    text->len = value.data + len - text->data;
    *not_before = referral_keys_not_before(keys, kid, dot - kid);

    return referral_keys_verify(keys, purpose, kid, dot - kid, prefix.data,
                                prefix.len, value.data, len,
                                value.data + len + 1, REFERRAL_MAC_LEN);
}


static int
referral_cookie_parse(referral_str_t text, referral_touches_t *touches)
{
    if (!referral_cookie_get_touch(&text, &touches->last)) {
        return 0;
    }

    if (text.data == NULL) {
        touches->first = touches->last;
        return 1;
    }

    return referral_cookie_get_touch(&text, &touches->first)
           && text.data == NULL;
}


static int
referral_cookie_get_touch(referral_str_t *rest, referral_touch_t *touch)
{
    referral_str_t  time, code, channel, click;

    return referral_cookie_field(rest, &time)
           && referral_cookie_field(rest, &code)
           && referral_cookie_field(rest, &channel)
           && referral_cookie_field(rest, &click)
           && referral_cookie_get_time(time, &touch->time)
           && referral_cookie_get_text(code, REFERRAL_CODE_MAX, touch->code,
                                       &touch->code_len)
           && referral_cookie_get_text(channel, REFERRAL_CHANNEL_MAX,
                                       touch->channel, &touch->channel_len)
           && referral_cookie_get_text(click, REFERRAL_CLICK_ID_LEN,
                                       touch->click, &touch->click_len)
           && referral_touch_valid(touch);
}


static int
referral_cookie_get_time(referral_str_t field, int64_t *time)
{
    size_t         i;
    unsigned char  c;

    if (field.len == 0 || field.len > REFERRAL_TIME_DIGITS) {
        return 0;
    }

    *time = 0;

    for (i = 0; i < field.len; i++) {
        c = field.data[i];

        if (c >= '0' && c <= '9') {
            *time = *time * 36 + (c - '0');

        } else if (c >= 'a' && c <= 'z') {
            *time = *time * 36 + (c - 'a' + 10);

        } else {
            return 0;
        }
    }

    return 1;
}


static int
referral_cookie_get_text(referral_str_t field, size_t max,
    unsigned char *data, unsigned char *len)
{
    if (field.len > max) {
        return 0;
    }

    referral_cookie_put(data, field.data, field.len);
    *len = (unsigned char) field.len;

    return 1;
}


/* Takes one field off rest, whose data is NULL after the last one. */

static int
referral_cookie_field(referral_str_t *rest, referral_str_t *field)
{
    const unsigned char  *dot;

    if (rest->data == NULL) {
        return 0;
    }

    field->data = rest->data;
    dot = memchr(rest->data, '.', rest->len);

    if (dot == NULL) {
        field->len = rest->len;
        rest->data = NULL;
        return 1;
    }

    field->len = dot - rest->data;
    rest->len -= field->len + 1;
    rest->data = dot + 1;

    return 1;
}


int
referral_cookie_next(referral_str_t header, referral_str_t name, size_t *pos,
    referral_str_t *value)
{
    referral_str_t        pair;
    const unsigned char  *end;

    while (*pos < header.len) {
        pair.data = header.data + *pos;
        pair.len = header.len - *pos;

        end = memchr(pair.data, ';', pair.len);
        if (end != NULL) {
            pair.len = end - pair.data;
        }

        *pos += pair.len + (end != NULL);

        if (referral_cookie_pair(pair, name, value)) {
            return 1;
        }
    }

    return 0;
}


static int
referral_cookie_pair(referral_str_t pair, referral_str_t name,
    referral_str_t *value)
{
    while (pair.len && (pair.data[0] == ' ' || pair.data[0] == '\t')) {
        pair.data++;
        pair.len--;
    }

    while (pair.len && (pair.data[pair.len - 1] == ' '
                        || pair.data[pair.len - 1] == '\t'))
    {
        pair.len--;
    }

    if (name.len == 0 || pair.len <= name.len || pair.data[name.len] != '='
        || memcmp(pair.data, name.data, name.len) != 0)
    {
        return 0;
    }

    value->data = pair.data + name.len + 1;
    value->len = pair.len - name.len - 1;

    return 1;
}
