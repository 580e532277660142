/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <string.h>

#include "referral_session.h"


static int64_t referral_session_seconds(const referral_touch_t *touch);


size_t
referral_session_write(const referral_keys_t *keys, referral_str_t program,
    referral_str_t code, int64_t now, unsigned seconds, unsigned char *buf)
{
    char                text[REFERRAL_CHANNEL_MAX];
    referral_touches_t  touches;

    if (code.len > REFERRAL_CODE_MAX || seconds < REFERRAL_SESSION_MIN
        || seconds > REFERRAL_SESSION_MAX)
    {
        return 0;
    }

    memset(&touches, 0, sizeof(referral_touches_t));

    touches.last.time = now;
    touches.last.code_len = (unsigned char) code.len;
    memcpy(touches.last.code, code.data, code.len);

    touches.last.channel_len = (unsigned char) snprintf(text, sizeof(text),
                                                        "%u", seconds);
    memcpy(touches.last.channel, text, touches.last.channel_len);

    touches.first = touches.last;

    return referral_touches_write(keys, REFERRAL_PURPOSE_SESSION, program,
                                  &touches, buf);
}


referral_cookie_status_t
referral_session_verify(const referral_keys_t *keys, referral_str_t program,
    referral_str_t value, int64_t now, referral_session_t *session)
{
    int64_t                    seconds;
    const referral_touch_t    *touch;
    referral_touches_t         touches;
    referral_cookie_status_t   status;

    status = referral_touches_verify(keys, REFERRAL_PURPOSE_SESSION, program,
                                     value, now, REFERRAL_SESSION_MAX,
                                     &touches);

    if (status != REFERRAL_COOKIE_VALID) {
        return status;
    }

    touch = &touches.last;
    seconds = referral_session_seconds(touch);

    if (seconds == 0 || touch->click_len != 0
        || !referral_touch_same(touch, &touches.first))
    {
        return REFERRAL_COOKIE_INVALID;
    }

    if (touch->time + seconds <= now) {
        return REFERRAL_COOKIE_EXPIRED;
    }

    session->expires = touch->time + seconds;
    session->code_len = touch->code_len;
    memcpy(session->code, touch->code, touch->code_len);

    return REFERRAL_COOKIE_VALID;
}


/* 0: they are none. */

static int64_t
referral_session_seconds(const referral_touch_t *touch)
{
    size_t   i;
    int64_t  n;

    n = 0;

    for (i = 0; i < touch->channel_len; i++) {

        if (touch->channel[i] < '0' || touch->channel[i] > '9'
            || n > REFERRAL_SESSION_MAX)
        {
            return 0;
        }

        n = 10 * n + (touch->channel[i] - '0');
    }

    return (n < REFERRAL_SESSION_MIN || n > REFERRAL_SESSION_MAX) ? 0 : n;
}
