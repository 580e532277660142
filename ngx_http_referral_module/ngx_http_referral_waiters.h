/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Those who wait for the disk, in the order of their records; for
 * ngx_http_referral_worker.c, whose header has the rest.
 */

#ifndef NGX_HTTP_REFERRAL_WAITERS_H
#define NGX_HTTP_REFERRAL_WAITERS_H

#include "ngx_http_referral_news.h"


void ngx_http_referral_waiters_init(ngx_log_t *log);

/* Wakes who does what the record needs, at the end of this turn. */

void ngx_http_referral_wake(ngx_http_referral_need_e need);

/* What the threads have done, or failed to do. */

void ngx_http_referral_waiters_told(const ngx_http_referral_news_t *news);


#endif /* NGX_HTTP_REFERRAL_WAITERS_H */
