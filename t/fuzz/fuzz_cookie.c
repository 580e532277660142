/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The cookie: values as they come, values whose MAC is right, Cookie headers,
 * and values that are written.  The first byte chooses.
 */

#include "keys.h"


#define NOW     1763700000
#define WINDOW  (30 * 86400)


static void
check_word(const unsigned char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        FUZZ_ASSERT(p[i] != '\0'
                    && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789_-", p[i])
                       != NULL);
    }
}


static void
check_touch(const referral_touch_t *touch)
{
    FUZZ_ASSERT(touch->time >= 0 && touch->time <= NOW + REFERRAL_CLOCK_SKEW);
    FUZZ_ASSERT(touch->code_len >= 1 && touch->code_len <= REFERRAL_CODE_MAX);
    FUZZ_ASSERT(touch->channel_len <= REFERRAL_CHANNEL_MAX);
    FUZZ_ASSERT(touch->click_len == 0
                || touch->click_len == REFERRAL_CLICK_ID_LEN);
    check_word(touch->code, touch->code_len);
    check_word(touch->channel, touch->channel_len);
    check_word(touch->click, touch->click_len);
}


static int
same_touch(const referral_touch_t *a, const referral_touch_t *b)
{
    return a->time == b->time && a->code_len == b->code_len
           && memcmp(a->code, b->code, a->code_len) == 0
           && a->channel_len == b->channel_len
           && memcmp(a->channel, b->channel, a->channel_len) == 0
           && a->click_len == b->click_len
           && memcmp(a->click, b->click, a->click_len) == 0;
}


/* What is written is read as what it was; touches are valid ones. */

static void
check_write(const referral_touches_t *touches)
{
    size_t                     len;
    referral_str_t             value;
    unsigned char              buf[REFERRAL_COOKIE_MAX];
    referral_touches_t         read;
    referral_cookie_status_t   status;

    len = referral_cookie_write(keys, fuzz_str("friends"), touches, buf);

    FUZZ_ASSERT(len != 0 && len <= sizeof(buf));

    value.len = len;
    value.data = buf;
    status = referral_cookie_verify(keys, fuzz_str("friends"), value, NOW,
                                    INT64_MAX, &read);

    FUZZ_ASSERT(status == REFERRAL_COOKIE_VALID);
    FUZZ_ASSERT(same_touch(&read.first, &touches->first));
    FUZZ_ASSERT(same_touch(&read.last, &touches->last));

    FUZZ_ASSERT(referral_cookie_verify(keys, fuzz_str("friend"), value, NOW,
                                       INT64_MAX, &read)
                == REFERRAL_COOKIE_INVALID);

    buf[len - 1 - (touches->last.time & 15)] ^= 1;

    FUZZ_ASSERT(referral_cookie_verify(keys, fuzz_str("friends"), value, NOW,
                                       INT64_MAX, &read)
                == REFERRAL_COOKIE_INVALID);
}


static void
check_decide(const referral_touches_t *old, unsigned how)
{
    int                  set;
    referral_touch_t     touch;
    referral_touches_t   out;

    touch = old->first;
    touch.time = NOW;

    if (how & 1) {
        touch.code_len = 1;
        touch.code[0] = 'z';
    }

    set = referral_touch_decide(old, &touch, (how & 2) ? REFERRAL_MODEL_FIRST
                                                       : REFERRAL_MODEL_LAST,
                                NOW, WINDOW, (how & 4) != 0, &out);
    check_touch(&out.first);
    check_touch(&out.last);
    FUZZ_ASSERT(NOW - out.last.time < WINDOW);
    FUZZ_ASSERT(NOW - out.first.time < WINDOW);
    FUZZ_ASSERT(!set || same_touch(&out.last, &touch));
    FUZZ_ASSERT(set || same_touch(&out.last, &old->last)
                || same_touch(&out.last, &old->first));
}


/* With right: the MAC is. */

static void
fuzz_value(referral_str_t value, unsigned right, unsigned how)
{
    referral_touches_t         touches;
    referral_cookie_status_t   status;

    memset(&touches, 0xa5, sizeof(touches));
    status = referral_cookie_verify(keys, fuzz_str("friends"), value, NOW,
                                    WINDOW, &touches);

    FUZZ_ASSERT(status == REFERRAL_COOKIE_VALID
                || status == REFERRAL_COOKIE_EXPIRED
                || status == REFERRAL_COOKIE_INVALID);

    if (status == REFERRAL_COOKIE_INVALID) {
        return;
    }

    FUZZ_ASSERT(right);
    FUZZ_ASSERT(value.len <= REFERRAL_COOKIE_MAX);
    check_touch(&touches.first);
    check_touch(&touches.last);

    if (status == REFERRAL_COOKIE_VALID) {
        FUZZ_ASSERT(NOW - touches.first.time < WINDOW);
        FUZZ_ASSERT(NOW - touches.last.time < WINDOW);
    }

    check_write(&touches);
    check_decide(&touches, how);
}


/* A MAC that came with an input is right only when it is the one we make. */

static unsigned
is_signed(referral_str_t value)
{
    size_t                len;
    referral_str_t        prefix;
    const unsigned char  *dot;

    if (value.len < REFERRAL_MAC_LEN + 3) {
        return 0;
    }

    len = value.len - REFERRAL_MAC_LEN - 1;
    dot = memchr(value.data + 2, '.', len - 2);
    prefix = fuzz_str("friends|");

    return dot != NULL
           && referral_keys_verify(keys, REFERRAL_PURPOSE_COOKIE,
                                   value.data + 2,
                                   (size_t) (dot - value.data - 2),
                                   prefix.data, prefix.len, value.data, len,
                                   value.data + len + 1, REFERRAL_MAC_LEN);
}


static void
fuzz_header(fuzz_t *f)
{
    size_t          pos, before;
    referral_str_t  header, value, name;

    name = fuzz_str("ref");
    header = fuzz_rest(f);
    before = 0;

    for (pos = 0; referral_cookie_next(header, name, &pos, &value); ) {
        FUZZ_ASSERT(pos > before && pos <= header.len);
        FUZZ_ASSERT(fuzz_within(value, header));
        FUZZ_ASSERT(value.data - header.data >= 4
                    && memcmp(value.data - 4, "ref=", 4) == 0);
        FUZZ_ASSERT(value.len == 0
                    || (memchr(value.data, ';', value.len) == NULL
                        && value.data[value.len - 1] != ' '
                        && value.data[value.len - 1] != '\t'));
        before = pos;
    }
}


/* A touch of bytes: what is written then is valid, or nothing is. */

static void
fuzz_write(fuzz_t *f)
{
    unsigned             i;
    unsigned char        buf[REFERRAL_COOKIE_MAX];
    referral_str_t       bytes;
    referral_touch_t    *touch;
    referral_touches_t   touches;

    bytes = fuzz_rest(f);

    if (bytes.len < 2 * sizeof(referral_touch_t)) {
        return;
    }

    memcpy(&touches.first, bytes.data, sizeof(referral_touch_t));
    memcpy(&touches.last, bytes.data + sizeof(referral_touch_t),
           sizeof(referral_touch_t));

    if (referral_cookie_write(keys, fuzz_str("friends"), &touches, buf) == 0) {
        return;
    }

    for (i = 0; i < 2; i++) {
        touch = i ? &touches.first : &touches.last;

        if (touch->time > NOW) {
            touch->time = NOW - touch->time % WINDOW;
        }

        check_touch(touch);
    }

    check_write(&touches);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t          f;
    unsigned        how;
    referral_str_t  value;

    fuzz_init(&f, data, size);
    how = fuzz_byte(&f);

    switch (how % 4) {

    case 0:
        value = fuzz_rest(&f);
        fuzz_value(value, is_signed(value), how >> 2);
        break;

    case 1:
        fuzz_value(fuzz_with_mac(&f, REFERRAL_PURPOSE_COOKIE), 1,
                   how >> 2);
        break;

    case 2:
        fuzz_header(&f);
        break;

    default:
        fuzz_write(&f);
    }

    fuzz_free(&f);

    return 0;
}
