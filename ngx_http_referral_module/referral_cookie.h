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

#include "referral_store.h"
#include "referral_keys.h"


#define REFERRAL_COOKIE_MAX          256
#define REFERRAL_COOKIE_CANDIDATES   8      /* MACs computed per request */
#define REFERRAL_CLOCK_SKEW          300    /* seconds a touch may be ahead */
#define REFERRAL_CLICK_ID_LEN        12


typedef struct {
    unsigned char       code_len;
    unsigned char       channel_len;
    unsigned char       click_len;          /* 0 or REFERRAL_CLICK_ID_LEN */
    unsigned char       code[REFERRAL_CODE_MAX];
    unsigned char       channel[REFERRAL_CHANNEL_MAX];
    unsigned char       click[REFERRAL_CLICK_ID_LEN];
    int64_t             time;               /* seconds since 1970 */
} referral_touch_t;

typedef struct {
    referral_touch_t    first;
    referral_touch_t    last;               /* first and last may be equal */
} referral_touches_t;

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
 * REFERRAL_CLOCK_SKEW ahead invalid.  An expired touch beside one that is not
 * is replaced by it.  touches is set only with VALID and EXPIRED.
 */

referral_cookie_status_t referral_cookie_verify(const referral_keys_t *keys,
    referral_str_t program, referral_str_t value, int64_t now, int64_t window,
    referral_touches_t *touches);

/*
 * Finds the next cookie of that exact name (case counts) in one Cookie
 * header line, from *pos on; *pos starts at 0.  Returns 1 with the raw value,
 * 0 at the end.  RFC 6265 section 4.2.1 as browsers send it: split on ";",
 * spaces and tabs around a pair trimmed, no unquoting, no percent-decoding, a
 * pair without a name is nobody's.
 */

int referral_cookie_next(referral_str_t header, referral_str_t name,
    size_t *pos, referral_str_t *value);

/*
 * What the cookie remembers after a new touch.  old may be NULL or be out.
 * Expired touches of old are dropped.  own_site: the link was followed from a
 * page of the same origin, which never overwrites another code.  By model
 * first, the only code there is again changes nothing.  Codes are compared
 * byte by byte.  Returns 1 when the cookie has to be set.
 */

int referral_touch_decide(const referral_touches_t *old,
    const referral_touch_t *touch, referral_model_t model, int64_t now,
    int64_t window, int own_site, referral_touches_t *out);

/* The touch that gets the credit by the model. */

const referral_touch_t *referral_touch_credited(
    const referral_touches_t *touches, referral_model_t model);


#endif /* REFERRAL_COOKIE_H */
