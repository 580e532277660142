/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The signed attribution cookie: what a visitor's browser remembers of the
 * links it followed.  Pure functions: values in, values out, no nginx.
 *
 * Value:  1.KID.TOUCH[.TOUCH].MAC      TOUCH = TIME.CODE.CHANNEL.CLICK
 *
 * The first TOUCH is the last one made, the second the first one, left out
 * when they are the same.  TIME is seconds in base 36, lower case, CHANNEL
 * and CLICK may be empty.  MAC is base64url of the first 16 bytes of
 * HMAC-SHA256(K, PROGRAM "|" everything before the last dot), K derived for
 * cookies only.  Only [A-Za-z0-9._-], at most REFERRAL_COOKIE_MAX bytes.  The
 * same value is what X-Referral-Token hands to the storefront.
 */

#ifndef REFERRAL_COOKIE_H
#define REFERRAL_COOKIE_H

#include "referral_keys.h"
#include "referral_touch.h"


#define REFERRAL_COOKIE_MAX          256
#define REFERRAL_COOKIE_CANDIDATES   8      /* MACs computed per request */


typedef enum {
    REFERRAL_COOKIE_NONE = 0,               /* no cookie of that name */
    REFERRAL_COOKIE_VALID,
    REFERRAL_COOKIE_EXPIRED,                /* signed, but outside the window */
    REFERRAL_COOKIE_INVALID                 /* not signed by a key of ours */
} referral_cookie_status_t;


/*
 * Writes the value with the first key.  buf holds REFERRAL_COOKIE_MAX bytes.
 * Returns its length, 0 when signing failed or a touch does not fit the
 * format: code, channel and click id are of [A-Za-z0-9_-].
 */

size_t referral_cookie_write(const referral_keys_t *keys,
    referral_str_t program, const referral_touches_t *touches,
    unsigned char *buf);

/*
 * Verifies one value: MAC first, then syntax, then times: a touch older than
 * window seconds (now >= time + window) is expired, one more than
 * REFERRAL_CLOCK_SKEW ahead invalid, and so is one of before the key's
 * not_before.  A touch that is too old beside one that is not is replaced by
 * it.  touches is set only with VALID and EXPIRED.
 */

referral_cookie_status_t referral_cookie_verify(const referral_keys_t *keys,
    referral_str_t program, referral_str_t value, int64_t now, int64_t window,
    referral_touches_t *touches);

/* The same for any purpose: what is signed for one is invalid in all others. */

size_t referral_touches_write(const referral_keys_t *keys,
    referral_purpose_t purpose, referral_str_t program,
    const referral_touches_t *touches, unsigned char *buf);
referral_cookie_status_t referral_touches_verify(const referral_keys_t *keys,
    referral_purpose_t purpose, referral_str_t program, referral_str_t value,
    int64_t now, int64_t window, referral_touches_t *touches);

/*
 * Finds the next cookie of that exact name (case counts) in one Cookie
 * header line, from *pos on; *pos starts at 0.  Returns 1 with the raw value,
 * 0 at the end.  RFC 6265 section 4.2.1 as browsers send it: split on ";",
 * spaces and tabs around a pair trimmed, no unquoting, no percent-decoding, a
 * pair without a name is nobody's.
 */

int referral_cookie_next(referral_str_t header, referral_str_t name,
    size_t *pos, referral_str_t *value);


#endif /* REFERRAL_COOKIE_H */
