/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A ticket: a signed touch that travels in the query of a page, for a visitor
 * who has not been asked for consent yet, or whose shop is on another host
 * than its links.  Pure functions, no nginx.
 *
 * It is written as the cookie is, by a key of its own purpose, so that
 * neither passes for the other: 1.KID.TIME.CODE.CHANNEL..MAC.  It has no
 * click id, and is the same for all who click in REFERRAL_TICKET_STEP: nobody
 * is told apart by it.  The dots keep it apart from any code.
 */

#ifndef REFERRAL_TICKET_H
#define REFERRAL_TICKET_H

#include "referral_cookie.h"


#define REFERRAL_TICKET_LIFE  86400         /* seconds */
#define REFERRAL_TICKET_STEP  600           /* its time is a multiple of */


/*
 * The ticket of a touch, whose click id stays out of it.  buf holds
 * REFERRAL_COOKIE_MAX bytes.  Returns its length, 0 when signing failed.
 */

size_t referral_ticket_write(const referral_keys_t *keys,
    referral_str_t program, const referral_touch_t *touch,
    unsigned char *buf);

/*
 * Returns 1 with the touch of a ticket of this program that is not older than
 * REFERRAL_TICKET_LIFE, 0 for anything else.
 */

int referral_ticket_verify(const referral_keys_t *keys,
    referral_str_t program, referral_str_t value, int64_t now,
    referral_touch_t *touch);

/*
 * Writes url with the parameter, before its fragment.  out holds two bytes
 * more than all three.  Returns the length.
 */

size_t referral_ticket_append(referral_str_t url, referral_str_t name,
    referral_str_t ticket, unsigned char *out);


#endif /* REFERRAL_TICKET_H */
