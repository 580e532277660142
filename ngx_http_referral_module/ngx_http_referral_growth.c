/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_referral_growth.h"
#include "ngx_http_referral_news.h"


#define NGX_HTTP_REFERRAL_WARN  60000       /* ms between warnings */


void
ngx_http_referral_growth_say(referral_store_t *store)
{
    uint64_t                  now;
    referral_error_t          err;
    referral_level_t          level;

    static uint64_t           next;
    static referral_level_t   said;

    level = referral_store_level(store);

    if (level == REFERRAL_LEVEL_OK) {
        if (said != REFERRAL_LEVEL_OK) {
            said = REFERRAL_LEVEL_OK;
            ngx_http_referral_recovered(NGX_HTTP_REFERRAL_GROWTH);
        }

        return;
    }

    now = ngx_http_referral_now();

    if (now < next && level <= said) {
        return;
    }

    next = now + NGX_HTTP_REFERRAL_WARN;
    said = level;

    referral_store_growth(store, &err);
    ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_GROWTH, 1);
}


void
ngx_http_referral_growth_remap(referral_store_t *store)
{
    referral_error_t  err;

    if (referral_store_remap(store, &err) != REFERRAL_OK) {
        ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_APPLY, 0);
    }
}
