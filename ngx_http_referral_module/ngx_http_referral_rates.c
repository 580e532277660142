/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * How often something happened lately: the table that all workers share.  It
 * has memory of its own, which survives reloads; nothing of it is on disk.
 */

#include "ngx_http_referral_module.h"
#include "referral_rates.h"


#define NGX_HTTP_REFERRAL_RATES       65536      /* counters, a power of two */
#define NGX_HTTP_REFERRAL_RATES_SLAB  131072     /* for what the pool needs */


static ngx_int_t ngx_http_referral_rates_zone_init(ngx_shm_zone_t *zone,
    void *data);


static referral_rates_t  *rates;


ngx_int_t
ngx_http_referral_rates_zone(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf)
{
    size_t     size;
    ngx_str_t  name = ngx_string("ngx_http_referral_rates");

    size = referral_rates_size(NGX_HTTP_REFERRAL_RATES)
           + NGX_HTTP_REFERRAL_RATES_SLAB;

    rmcf->rates = ngx_shared_memory_add(cf, &name, size,
                                        &ngx_http_referral_module);
    if (rmcf->rates == NULL) {
        return NGX_ERROR;
    }

    rmcf->rates->init = ngx_http_referral_rates_zone_init;

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_rates_zone_init(ngx_shm_zone_t *zone, void *data)
{
    void             *memory;
    ngx_slab_pool_t  *pool;

    if (ngx_http_referral_zone_kept(zone, data)) {
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    memory = ngx_slab_alloc(pool,
                            referral_rates_size(NGX_HTTP_REFERRAL_RATES));
    if (memory == NULL) {
        return NGX_ERROR;
    }

    pool->data = referral_rates_init(memory, NGX_HTTP_REFERRAL_RATES);
    zone->data = pool->data;

    return NGX_OK;
}


void
ngx_http_referral_rates_use(ngx_shm_zone_t *zone)
{
    rates = zone->data;
}


/* By the clock that nobody sets: it is the same in all processes. */

ngx_uint_t
ngx_http_referral_rate(uint64_t key, ngx_msec_t window, ngx_int_t add)
{
    return referral_rates_add(rates, key, (int64_t) ngx_current_msec,
                              (uint32_t) window, (int32_t) add);
}
