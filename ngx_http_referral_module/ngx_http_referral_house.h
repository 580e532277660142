/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The parts of the committer that keep house: rings of the dead, erasures,
 * holds.  Each returns when it is to be called again, by
 * ngx_http_referral_now().
 */

#ifndef NGX_HTTP_REFERRAL_HOUSE_H
#define NGX_HTTP_REFERRAL_HOUSE_H

#include "ngx_http_referral_module.h"


#define NGX_HTTP_REFERRAL_RETRY      1000   /* ms after what failed */
#define NGX_HTTP_REFERRAL_MAINTAIN   5000   /* ms between housekeeping */

uint64_t ngx_http_referral_maintain(referral_store_t *store,
    referral_intake_t *intake);

/*
 * Approves what was on hold long enough.  Other workers add holds that this
 * one is not told of: it is to look again with every housekeeping.
 */

uint64_t ngx_http_referral_tick(referral_store_t *store);


#endif /* NGX_HTTP_REFERRAL_HOUSE_H */
