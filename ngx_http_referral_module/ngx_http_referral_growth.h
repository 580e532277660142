/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * That the store grows: taking over a larger map, and saying in time that
 * the one there is gets full.  For the committer.
 */

#ifndef NGX_HTTP_REFERRAL_GROWTH_H
#define NGX_HTTP_REFERRAL_GROWTH_H

#include "ngx_http_referral_module.h"


/*
 * Before anything else that is done, and after it; they cost next to nothing
 * when there is nothing to do.
 */

void ngx_http_referral_growth_remap(referral_store_t *store);
void ngx_http_referral_growth_say(referral_store_t *store);


#endif /* NGX_HTTP_REFERRAL_GROWTH_H */
