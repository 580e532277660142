/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The committer: the thread of a worker that opens the store, applies the
 * intake and keeps house.  It never touches a request, a pool or a log; what
 * it has to say the event loop collects and says.
 *
 *   event loop                         committer
 *   ──────────                         ─────────
 *   take ──▶ ring ───────────────────▶ apply, maintain
 *   wake (only when it sleeps, or
 *         when a request waits)
 *   waiters ◀── eventfd, news ◀─────── progress, results, failures
 *
 * All functions here are for the event loop.
 */

#ifndef NGX_HTTP_REFERRAL_COMMITTER_H
#define NGX_HTTP_REFERRAL_COMMITTER_H

#include "ngx_http_referral_module.h"

#include <pthread.h>

#include "ngx_http_referral_news.h"


/*
 * Starts the thread, and waits until it has tried to open the store, for
 * NGX_HTTP_REFERRAL_START at most: a worker that served before would not know
 * one code from another.  programs gets the store's numbers.
 */

ngx_int_t ngx_http_referral_committer_start(
    ngx_http_referral_main_conf_t *conf, uint32_t *programs, ngx_log_t *log);

/*
 * Applies what the ring holds, ends the thread, gives the slot back; or leaves
 * all as a death would, when the store is locked for too long.
 */

void ngx_http_referral_committer_stop(ngx_log_t *log);

/* A thread that gets no signals. */

ngx_int_t ngx_http_referral_thread(pthread_t *thread, void *(*run)(void *),
    ngx_log_t *log);

/* NULL until the store is open; from then on both stay as they are. */

referral_intake_t *ngx_http_referral_committer_intake(void);
referral_store_t *ngx_http_referral_committer_store(void);

/* Asks for a commit, or just to look at the ring again. */

void ngx_http_referral_committer_wake(ngx_http_referral_need_e need);

/* Whether it sleeps until it is woken; to be asked after a record is taken. */

ngx_uint_t ngx_http_referral_committer_sleeps(void);


#endif /* NGX_HTTP_REFERRAL_COMMITTER_H */
