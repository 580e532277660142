/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The purge; see the header.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "referral_tools.h"
#include "ngx_http_referral_news.h"
#include "ngx_http_referral_purge.h"


#define NGX_HTTP_REFERRAL_PURGE_LOOK   5000     /* ms, when nothing is old */
#define NGX_HTTP_REFERRAL_PURGE_PAUSE  20       /* ms between steps */


static referral_rc_t
ngx_http_referral_purge_step(referral_store_t *store, uint32_t program,
    time_t retention, referral_purge_t *step)
{
    int64_t           before;
    referral_rc_t     rc;
    referral_error_t  err;

    before = ngx_http_referral_wall() - (int64_t) retention * 1000;

    rc = referral_store_purge(store, program, before, step, &err);

    if (rc == REFERRAL_OK) {
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_PURGED,
                                   step->purged);
        ngx_http_referral_recovered(NGX_HTTP_REFERRAL_OLD);

    } else if (rc != REFERRAL_BUSY) {
        ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_OLD, 0);
    }

    return rc;
}


uint64_t
ngx_http_referral_purge(ngx_http_referral_main_conf_t *conf,
    referral_store_t *store, const uint32_t *programs)
{
    uint64_t                       start, took;
    referral_rc_t                  rc;
    referral_purge_t               step;
    ngx_http_referral_program_t  **program;
    static ngx_uint_t              i;

    start = ngx_http_referral_now();

    /*
     * One worker is enough, or its siblings would make the pauses short.  One
     * that is about to leave may have rules that are no longer so.
     */

    if (ngx_worker != 0 || ngx_exiting) {
        return start + NGX_HTTP_REFERRAL_PURGE_LOOK;
    }

    program = conf->programs.elts;
    rc = REFERRAL_OK;
    ngx_memzero(&step, sizeof(step));

    if (program[i]->retention != 0) {
        rc = ngx_http_referral_purge_step(store, programs[i],
                                          program[i]->retention, &step);
    }

    if (!step.more) {
        i = (i + 1) % conf->programs.nelts;
    }

    if (rc != REFERRAL_OK || (!step.more && i == 0)) {
        return start + NGX_HTTP_REFERRAL_PURGE_LOOK;
    }

    took = ngx_http_referral_now() - start;

    return start + took + ngx_max(NGX_HTTP_REFERRAL_PURGE_PAUSE, 2 * took);
}
