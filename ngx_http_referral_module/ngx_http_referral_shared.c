/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What all workers share in memory, and what comes of it: statistics, the
 * salts of the visitor hash, click ids.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/rand.h>

#include "ngx_http_referral_module.h"
#include "referral_base64.h"
#include "referral_secret.h"


#define NGX_HTTP_REFERRAL_EPOCH      1577836800000  /* 2020-01-01, of ids */


/* In shared memory; survives reloads, never on disk. */

typedef struct {
    referral_nh_key_t            agent_key;
    ngx_http_referral_salts_t    salts;
} ngx_http_referral_drawn_t;

typedef struct {
    ngx_atomic_t                 stats[NGX_HTTP_REFERRAL_STATS];
    ngx_atomic_t                 probed;        /* ms; the last probe */
    time_t                       day;
    ngx_http_referral_drawn_t    drawn;         /* at random */
} ngx_http_referral_shared_t;


static ngx_http_referral_shared_t  *shared;
static ngx_slab_pool_t             *shpool;
static ngx_http_referral_drawn_t   *copied;


ngx_uint_t
ngx_http_referral_zone_kept(ngx_shm_zone_t *zone, void *data)
{
    if (data) {
        zone->data = data;
        return 1;
    }

    if (zone->shm.exists) {
        zone->data = ((ngx_slab_pool_t *) zone->shm.addr)->data;
        return 1;
    }

    return 0;
}


ngx_int_t
ngx_http_referral_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t             *pool;
    ngx_http_referral_shared_t  *fresh;

    if (ngx_http_referral_zone_kept(zone, data)) {
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (referral_secret_hide(zone->shm.addr, zone->shm.size) != 0) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, ngx_errno,
                      "madvise() of zone \"%V\" failed", &zone->shm.name);
        return NGX_ERROR;
    }

    fresh = ngx_slab_calloc(pool, sizeof(ngx_http_referral_shared_t));
    if (fresh == NULL) {
        return NGX_ERROR;
    }

    /* so that there is no moment, and no failure, with a salt of zeros */

    if (RAND_bytes((u_char *) &fresh->drawn, sizeof(fresh->drawn)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "there are no random numbers for zone \"%V\"",
                      &zone->shm.name);
        return NGX_ERROR;
    }

    fresh->day = -1;
    pool->data = fresh;
    zone->data = fresh;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_zone_use(ngx_shm_zone_t *zone)
{
    shared = zone->data;
    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    copied = referral_secret_alloc(sizeof(ngx_http_referral_drawn_t));

    if (copied == NULL) {
        return NGX_ERROR;
    }

    copied->agent_key = shared->drawn.agent_key;

    return NGX_OK;
}


/*
 * The day's salt is replaced at midnight UTC, and kept for one more day.  Both
 * are drawn into the worker's copy first: no salt is known before all is.
 * Where there are no random numbers, those of before go on.
 */

static ngx_int_t
ngx_http_referral_rotate(time_t day, ngx_http_referral_salts_t *salts)
{
    ngx_int_t  rc;

    ngx_shmtx_lock(&shpool->mutex);

    if (shared->day < day && RAND_bytes((u_char *) salts, sizeof(*salts)) == 1)
    {
        if (shared->day == day - 1) {
            ngx_memcpy(salts->before, shared->drawn.salts.today,
                       sizeof(shared->drawn.salts.today));
        }

        shared->drawn.salts = *salts;
        shared->day = day;
    }

    rc = (shared->day < day) ? NGX_AGAIN : NGX_OK;
    *salts = shared->drawn.salts;

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


void
ngx_http_referral_salts(ngx_http_referral_salts_t *salts)
{
    time_t         day;
    static time_t  known = -1;

    day = ngx_time() / 86400;

    if (known != day
        && ngx_http_referral_rotate(day, &copied->salts) == NGX_OK)
    {
        known = day;
    }

    *salts = copied->salts;
}


const referral_nh_key_t *
ngx_http_referral_agent_key(void)
{
    return &copied->agent_key;
}


static ngx_int_t
ngx_http_referral_random32(uint32_t *value)
{
    static u_char  buf[512];
    static size_t  left;

    if (left < sizeof(*value)) {
        if (RAND_bytes(buf, sizeof(buf)) != 1) {
            return NGX_ERROR;
        }

        left = sizeof(buf);
    }

    left -= sizeof(*value);
    ngx_memcpy(value, buf + left, sizeof(*value));

    return NGX_OK;
}


/*
 * 40 bits of milliseconds since 2020, so that ids sort by time, and 32 bits
 * that are random for each millisecond and count within it.
 */

ngx_int_t
ngx_http_referral_click_id(unsigned char bytes[REFERRAL_CLICK_ID_SIZE],
    u_char text[12])
{
    int64_t           ms;
    ngx_uint_t        i;
    ngx_time_t       *tp;
    static int64_t    last;
    static uint32_t   low;

    tp = ngx_timeofday();
    ms = (int64_t) tp->sec * 1000 + tp->msec - NGX_HTTP_REFERRAL_EPOCH;

    if (ms != last) {
        if (ngx_http_referral_random32(&low) != NGX_OK) {
            return NGX_ERROR;
        }

        last = ms;
    }

    low++;

    for (i = 0; i < 5; i++) {
        bytes[i] = (u_char) (ms >> (32 - 8 * i));
    }

    for (i = 0; i < 4; i++) {
        bytes[5 + i] = (u_char) (low >> (24 - 8 * i));
    }

    referral_base64_encode(bytes, REFERRAL_CLICK_ID_SIZE, text);

    return NGX_OK;
}


void
ngx_http_referral_probed(void)
{
    shared->probed = ngx_current_msec;
}


ngx_uint_t
ngx_http_referral_probed_within(ngx_msec_t window)
{
    /* another worker's clock may be ahead */

    return (ngx_msec_int_t) (ngx_current_msec - shared->probed)
           < (ngx_msec_int_t) window;
}


void
ngx_http_referral_stat_add(ngx_http_referral_stat_e stat, ngx_atomic_int_t n)
{
    if (shared != NULL && n != 0) {
        (void) ngx_atomic_fetch_add(&shared->stats[stat], n);
    }
}


ngx_atomic_uint_t
ngx_http_referral_stat(ngx_http_referral_stat_e stat)
{
    return (shared != NULL) ? shared->stats[stat] : 0;
}
