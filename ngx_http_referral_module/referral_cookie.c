/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_cookie.h"


#define REFERRAL_TIME_DIGITS  11
#define REFERRAL_TIME_LIMIT   131621703842267136    /* 36 ^ 11 */

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
static unsigned char *referral_cookie_put_time(unsigned char *p,
    int64_t time);
static int referral_cookie_signed(const referral_keys_t *keys,
    referral_str_t program, referral_str_t value, referral_str_t *text);
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
static int referral_touch_valid(const referral_touch_t *touch);
static int referral_touch_word(const unsigned char *data, size_t len);
static int referral_touch_expired(const referral_touch_t *touch, int64_t now,
    int64_t window);
static int referral_touch_ahead(const referral_touch_t *touch, int64_t now);
static int referral_touch_same(const referral_touch_t *a,
    const referral_touch_t *b);
static int referral_touch_same_code(const referral_touch_t *a,
    const referral_touch_t *b);
static int referral_touches_alive(referral_touches_t *touches, int64_t now,
    int64_t window);


size_t
referral_cookie_write(const referral_keys_t *keys, referral_str_t program,
    const referral_touches_t *touches, unsigned char *buf)
{
    size_t                     kid_len;
    const char                *kid;
    unsigned char             *p;
    referral_cookie_prefix_t   prefix;

    if (!referral_cookie_prefix(&prefix, program)
        || !referral_touch_valid(&touches->last)
        || !referral_touch_valid(&touches->first))
    {
        return 0;
    }

    kid = referral_keys_signer(keys, &kid_len);

    p = referral_cookie_put(buf, "1.", 2);
    p = referral_cookie_put(p, kid, kid_len);
    p = referral_cookie_put_touch(p, &touches->last);

    if (!referral_touch_same(&touches->first, &touches->last)) {
        p = referral_cookie_put_touch(p, &touches->first);
    }

    if (referral_keys_sign(keys, REFERRAL_PURPOSE_COOKIE, prefix.data,
                           prefix.len, buf, p - buf, p + 1)
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
    p = referral_cookie_put(p, touch->code, touch->code_len);
    *p++ = '.';
    p = referral_cookie_put(p, touch->channel, touch->channel_len);
    *p++ = '.';

    return referral_cookie_put(p, touch->click, touch->click_len);
}


static unsigned char *
referral_cookie_put_time(unsigned char *p, int64_t time)
{
    size_t         n;
    unsigned char  digits[REFERRAL_TIME_DIGITS];

    n = sizeof(digits);

    do {
        digits[--n] = (unsigned char)
                      "0123456789abcdefghijklmnopqrstuvwxyz"[time % 36];
        time /= 36;
    } while (time);

    return referral_cookie_put(p, digits + n, sizeof(digits) - n);
}


referral_cookie_status_t
referral_cookie_verify(const referral_keys_t *keys, referral_str_t program,
    referral_str_t value, int64_t now, int64_t window,
    referral_touches_t *touches)
{
    referral_str_t      text;
    referral_touches_t  parsed;

    if (!referral_cookie_signed(keys, program, value, &text)
        || !referral_cookie_parse(text, &parsed)
        || referral_touch_ahead(&parsed.last, now)
        || referral_touch_ahead(&parsed.first, now))
    {
        return REFERRAL_COOKIE_INVALID;
    }

    *touches = parsed;

    return referral_touches_alive(touches, now, window)
           ? REFERRAL_COOKIE_VALID : REFERRAL_COOKIE_EXPIRED;
}


/* Returns 1 with the touches in text when the MAC is right. */

static int
referral_cookie_signed(const referral_keys_t *keys, referral_str_t program,
    referral_str_t value, referral_str_t *text)
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

    return referral_keys_verify(keys, REFERRAL_PURPOSE_COOKIE, kid, dot - kid,
                                prefix.data, prefix.len, value.data, len,
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


int
referral_touch_decide(const referral_touches_t *old,
    const referral_touch_t *touch, referral_model_t model, int64_t now,
    int64_t window, int own_site, referral_touches_t *out)
{
    int                 again;
    referral_touches_t  kept;

    if (old != NULL) {
        kept = *old;
    }

    if (old == NULL || !referral_touches_alive(&kept, now, window)) {
        out->first = *touch;
        out->last = *touch;
        return 1;
    }

    *out = kept;
    again = referral_touch_same_code(&kept.last, touch);

    if (own_site && !again) {
        return 0;
    }

    if (model == REFERRAL_MODEL_FIRST && again
        && referral_touch_same_code(&kept.first, touch))
    {
        return 0;
    }

    out->last = *touch;

    return 1;
}


const referral_touch_t *
referral_touch_credited(const referral_touches_t *touches,
    referral_model_t model)
{
    return model == REFERRAL_MODEL_FIRST ? &touches->first : &touches->last;
}


static int
referral_touch_valid(const referral_touch_t *touch)
{
    return touch->time >= 0
           && touch->time < REFERRAL_TIME_LIMIT
           && touch->code_len > 0
           && touch->code_len <= REFERRAL_CODE_MAX
           && touch->channel_len <= REFERRAL_CHANNEL_MAX
           && (touch->click_len == 0
               || touch->click_len == REFERRAL_CLICK_ID_LEN)
           && referral_touch_word(touch->code, touch->code_len)
           && referral_touch_word(touch->channel, touch->channel_len)
           && referral_touch_word(touch->click, touch->click_len);
}


static int
referral_touch_word(const unsigned char *data, size_t len)
{
    size_t         i;
    unsigned char  c, lower;

    for (i = 0; i < len; i++) {
        c = data[i];
        lower = c | 0x20;

        if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9')
              || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return 1;
}


/* Differences are taken unsigned, the larger first: no sum can overflow. */

static int
referral_touch_expired(const referral_touch_t *touch, int64_t now,
    int64_t window)
{
    return now >= touch->time
           && (uint64_t) now - (uint64_t) touch->time >= (uint64_t) window;
}


static int
referral_touch_ahead(const referral_touch_t *touch, int64_t now)
{
    return touch->time > now
           && (uint64_t) touch->time - (uint64_t) now > REFERRAL_CLOCK_SKEW;
}


static int
referral_touch_same(const referral_touch_t *a, const referral_touch_t *b)
{
    return a->time == b->time
           && referral_touch_same_code(a, b)
           && a->channel_len == b->channel_len
           && memcmp(a->channel, b->channel, a->channel_len) == 0
           && a->click_len == b->click_len
           && memcmp(a->click, b->click, a->click_len) == 0;
}


static int
referral_touch_same_code(const referral_touch_t *a, const referral_touch_t *b)
{
    return a->code_len == b->code_len
           && memcmp(a->code, b->code, a->code_len) == 0;
}


/*
 * Puts the touch that is left in place of an expired one.  A clock that was
 * set back may have made the first touch the younger one.
 */

static int
referral_touches_alive(referral_touches_t *touches, int64_t now,
    int64_t window)
{
    int  first, last;

    first = referral_touch_expired(&touches->first, now, window);
    last = referral_touch_expired(&touches->last, now, window);

    if (first && last) {
        return 0;
    }

    if (first) {
        touches->first = touches->last;

    } else if (last) {
        touches->last = touches->first;
    }

    return 1;
}
