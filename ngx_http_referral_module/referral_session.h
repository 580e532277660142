/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A session: a signed value that opens the progress of one code for a while,
 * to whom the storefront gave it.  Pure functions, no nginx.
 *
 * It is written as the cookie is, by a key of its own purpose, so that none of
 * what is signed passes for another: 1.KID.ISSUED.CODE.SECONDS..MAC.  Nothing
 * is kept of it: it ends with its time, with its code, or with its key.
 */

#ifndef REFERRAL_SESSION_H
#define REFERRAL_SESSION_H

#include "referral_cookie.h"


#define REFERRAL_SESSION_MIN      60        /* seconds */
#define REFERRAL_SESSION_MAX      86400
#define REFERRAL_SESSION_DEFAULT  900


typedef struct {
    int64_t          expires;               /* seconds since 1970 */
    size_t           code_len;
    unsigned char    code[REFERRAL_CODE_MAX];
} referral_session_t;


/*
 * The value that lives for so many seconds from now.  buf holds
 * REFERRAL_COOKIE_MAX bytes.  Returns its length, 0 when signing failed, or
 * the code or the seconds are none.
 */

size_t referral_session_write(const referral_keys_t *keys,
    referral_str_t program, referral_str_t code, int64_t now, unsigned seconds,
    unsigned char *buf);

/*
 * VALID, EXPIRED: it was one of this program, and is no more; else INVALID.
 * session is set with VALID only.
 */

referral_cookie_status_t referral_session_verify(const referral_keys_t *keys,
    referral_str_t program, referral_str_t value, int64_t now,
    referral_session_t *session);


#endif /* REFERRAL_SESSION_H */
