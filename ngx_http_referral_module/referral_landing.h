/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Where a code of its own landing leads: what is no address, or one that not
 * every browser reads the same way.
 */

#ifndef REFERRAL_LANDING_H
#define REFERRAL_LANDING_H

#include "referral_types.h"


/* NULL, or what is wrong. */

/* A host, or an IPv6 address in brackets. */

const char *referral_host_wrong(const unsigned char *p,
    const unsigned char *last);

/*
 * An absolute URL: *len bytes of scheme, host and port, without a port that is
 * the default, and the *rest bytes before its path.
 */

const char *referral_origin_wrong(referral_str_t url, size_t *len,
    size_t *rest);

/* A path or an absolute URL.  Whether it is a link is the caller's to ask. */

const char *referral_landing_wrong(referral_str_t landing);


#endif /* REFERRAL_LANDING_H */
