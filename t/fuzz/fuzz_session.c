/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Sessions: values as they come, values whose MAC is right, and what is
 * written for any code and time.  The first byte chooses.
 */

#include "keys.h"
#include "referral_session.h"


#define NOW  1763700000


/* With right: the MAC is. */

static void
fuzz_value(referral_str_t value, unsigned right)
{
    int64_t              left;
    referral_session_t   session, read;
    referral_touches_t   touches;

    memset(&session, 0xa5, sizeof(session));

    if (referral_session_verify(keys, fuzz_str("friends"), value, NOW,
                                &session)
        != REFERRAL_COOKIE_VALID)
    {
        return;
    }

    left = session.expires - NOW;

    FUZZ_ASSERT(right);
    FUZZ_ASSERT(left > 0 && left <= REFERRAL_SESSION_MAX
                                    + REFERRAL_CLOCK_SKEW);
    FUZZ_ASSERT(session.code_len >= 1
                && session.code_len <= REFERRAL_CODE_MAX);

    /* it ends, is nothing else, and nobody else's */

    FUZZ_ASSERT(referral_session_verify(keys, fuzz_str("friends"), value,
                                        session.expires - 1, &read)
                == REFERRAL_COOKIE_VALID);
    FUZZ_ASSERT(referral_session_verify(keys, fuzz_str("friends"), value,
                                        session.expires, &read)
                == REFERRAL_COOKIE_EXPIRED);
    FUZZ_ASSERT(referral_session_verify(keys, fuzz_str("others"), value, NOW,
                                        &read)
                == REFERRAL_COOKIE_INVALID);
    FUZZ_ASSERT(referral_cookie_verify(keys, fuzz_str("friends"), value, NOW,
                                       INT64_MAX, &touches)
                == REFERRAL_COOKIE_INVALID);
}


/* What is written opens that code, for so long. */

static void
fuzz_write(fuzz_t *f)
{
    size_t              len;
    int64_t             now;
    unsigned            seconds;
    unsigned char       buf[REFERRAL_COOKIE_MAX];
    referral_str_t      code, value;
    referral_session_t  session;

    seconds = fuzz_byte(f) << 16 | fuzz_byte(f) << 8 | fuzz_byte(f);
    now = (int64_t) fuzz_byte(f) << 24 | fuzz_byte(f);
    code = fuzz_rest(f);

    len = referral_session_write(keys, fuzz_str("friends"), code, now, seconds,
                                 buf);

    if (len == 0) {
        return;
    }

    FUZZ_ASSERT(len <= sizeof(buf));
    FUZZ_ASSERT(seconds >= REFERRAL_SESSION_MIN
                && seconds <= REFERRAL_SESSION_MAX);

    value = fuzz_copy(f, buf, len);

    FUZZ_ASSERT(referral_session_verify(keys, fuzz_str("friends"), value, now,
                                        &session)
                == REFERRAL_COOKIE_VALID);
    FUZZ_ASSERT(session.expires == now + seconds
                && session.code_len == code.len
                && memcmp(session.code, code.data, code.len) == 0);
    FUZZ_ASSERT(referral_session_verify(keys, fuzz_str("friends"), value,
                                        session.expires, &session)
                == REFERRAL_COOKIE_EXPIRED);
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
        fuzz_value(fuzz_with_mac(&f, REFERRAL_PURPOSE_SESSION), 1);
        break;

    case 2:
        fuzz_value(fuzz_with_mac(&f, (how / 4) % REFERRAL_PURPOSE_SESSION), 0);
        break;

    default:
        fuzz_write(&f);
    }

    fuzz_free(&f);

    return 0;
}
