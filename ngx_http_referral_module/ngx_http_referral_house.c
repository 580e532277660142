/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Housekeeping; see the header.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_referral_house.h"
#include "ngx_http_referral_news.h"


uint64_t
ngx_http_referral_maintain(referral_store_t *store, referral_intake_t *intake)
{
    unsigned          records, more;
    uint64_t          start;
    referral_rc_t     rc;
    referral_error_t  err, warning;

    more = 0;
    start = ngx_http_referral_now();
    rc = referral_store_maintain(store, &records, &err);

    ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_RECOVERED, records);

    if (rc == REFERRAL_OK) {
        warning = err;
        rc = referral_intake_wipe(intake, &more, &err);
    }

    if (rc != REFERRAL_OK) {
        ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_KEEP, 0);
        return ngx_http_referral_now() + NGX_HTTP_REFERRAL_RETRY;
    }

    ngx_http_referral_recovered(NGX_HTTP_REFERRAL_KEEP);

    if (warning.text[0] != '\0') {
        ngx_http_referral_report(&warning, NGX_HTTP_REFERRAL_KEEP, 1);
    }

    return more ? start : start + NGX_HTTP_REFERRAL_MAINTAIN;
}


uint64_t
ngx_http_referral_tick(referral_store_t *store)
{
    int64_t           wall, next;
    referral_error_t  err;

    wall = ngx_http_referral_wall();

    if (referral_store_tick(store, wall, &next, &err) != REFERRAL_OK) {
        ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_HOLDS, 0);
        return ngx_http_referral_now() + NGX_HTTP_REFERRAL_RETRY;
    }

    ngx_http_referral_recovered(NGX_HTTP_REFERRAL_HOLDS);

    return (next == 0) ? UINT64_MAX
                       : ngx_http_referral_now()
                         + (uint64_t) ngx_max(next - wall, 0);
}
