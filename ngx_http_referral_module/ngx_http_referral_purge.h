/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The part of the committer that deletes old clicks.
 */

#ifndef NGX_HTTP_REFERRAL_PURGE_H
#define NGX_HTTP_REFERRAL_PURGE_H

#include "ngx_http_referral_module.h"


/*
 * One step for one program; they take turns.  Returns the time of
 * ngx_http_referral_now() at which to call again: soon, but not at once, while
 * there is more to do.  `programs` has the store's numbers.
 */

uint64_t ngx_http_referral_purge(ngx_http_referral_main_conf_t *conf,
    referral_store_t *store, const uint32_t *programs);


#endif /* NGX_HTTP_REFERRAL_PURGE_H */
