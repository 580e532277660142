/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The flusher: the thread of a worker that brings durable clicks to the disk,
 * one write and one flush of the log for all that wait.  It is not the
 * committer's: who waits for 0.2 ms must not wait for a commit.  It is there
 * with commit=durable only, and sleeps while nobody waits.
 */

#ifndef NGX_HTTP_REFERRAL_FLUSHER_H
#define NGX_HTTP_REFERRAL_FLUSHER_H

#include "ngx_http_referral_module.h"


ngx_int_t ngx_http_referral_flusher_start(ngx_log_t *log);

/* Before the committer is stopped, which closes the intake. */

void ngx_http_referral_flusher_stop(void);

/* What is taken is to be flushed. */

void ngx_http_referral_flusher_wake(void);


#endif /* NGX_HTTP_REFERRAL_FLUSHER_H */
