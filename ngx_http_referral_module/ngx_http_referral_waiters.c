/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Those who wait for the disk; see the header.  The only file with timers.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_http_referral_committer.h"
#include "ngx_http_referral_flusher.h"
#include "ngx_http_referral_waiters.h"


#define NGX_HTTP_REFERRAL_TICK       200    /* ms between looks at deadlines */
#define NGX_HTTP_REFERRAL_GROUP      64     /* clicks that are worth a flush */


typedef struct {
    ngx_queue_t                  flush;         /* by their sequences */
    ngx_queue_t                  apply;
    ngx_event_t                  timer;
    ngx_connection_t             timer_connection;
    ngx_event_t                  wake;          /* at the end of this turn */
    ngx_uint_t                   want_flush;    /* clicks since the last one */
    ngx_uint_t                   want_apply;
} ngx_http_referral_waiters_t;


static ngx_http_referral_waiters_t  waiters;


/* Once for all that this turn of the event loop takes: they make one batch. */

static void
ngx_http_referral_wake_handler(ngx_event_t *ev)
{
    if (waiters.want_flush) {
        waiters.want_flush = 0;
        ngx_http_referral_flusher_wake();
    }

    if (waiters.want_apply) {
        waiters.want_apply = 0;
        ngx_http_referral_committer_wake(NGX_HTTP_REFERRAL_APPLIED);

    } else if (ngx_http_referral_committer_sleeps()) {
        ngx_http_referral_committer_wake(NGX_HTTP_REFERRAL_TAKEN);
    }
}


void
ngx_http_referral_wake(ngx_http_referral_need_e need)
{
    switch (need) {

    case NGX_HTTP_REFERRAL_APPLIED:
        waiters.want_apply = 1;
        break;

    case NGX_HTTP_REFERRAL_FLUSHED:
        waiters.want_flush++;
        break;

    case NGX_HTTP_REFERRAL_TAKEN:
        break;
    }

    ngx_post_event(&waiters.wake, &ngx_posted_events);
}


static void
ngx_http_referral_waiter_cleanup(void *data)
{
    ngx_http_referral_waiter_t  *w = data;

    if (w->waiting) {
        w->waiting = 0;
        ngx_queue_remove(&w->queue);
    }
}


static void
ngx_http_referral_await(ngx_http_request_t *r, ngx_http_referral_waiter_t *w,
    uint64_t seq, ngx_http_referral_need_e need,
    ngx_http_referral_waiter_pt handler, void *data)
{
    w->request = r;
    w->handler = handler;
    w->data = data;
    w->seq = seq;
    w->need = need;
    w->deadline = ngx_current_msec + NGX_HTTP_REFERRAL_WAIT;
    w->waiting = 1;

    ngx_queue_insert_tail((need == NGX_HTTP_REFERRAL_FLUSHED)
                          ? &waiters.flush : &waiters.apply,
                          &w->queue);

    /* not cancelable: a worker that shuts down waits for its waiters */

    if (!waiters.timer.timer_set) {
        ngx_add_timer(&waiters.timer, NGX_HTTP_REFERRAL_TICK);
    }
}


static void
ngx_http_referral_finish(ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    w->waiting = 0;
    ngx_queue_remove(&w->queue);

    r = w->request;

    if (r == NULL) {
        w->handler(NULL, w, rc, result);
        return;
    }

    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    w->handler(r, w, rc, result);

    ngx_http_run_posted_requests(c);
}


static ngx_http_referral_waiter_t *
ngx_http_referral_first(ngx_queue_t *queue)
{
    if (ngx_queue_empty(queue)) {
        return NULL;
    }

    return ngx_queue_data(ngx_queue_head(queue), ngx_http_referral_waiter_t,
                          queue);
}


/* All up to a sequence; they stand in the order of their sequences. */

static void
ngx_http_referral_finish_upto(ngx_queue_t *queue, uint64_t seq, ngx_int_t rc)
{
    ngx_http_referral_waiter_t  *w;

    while ((w = ngx_http_referral_first(queue)) != NULL && w->seq <= seq) {
        ngx_http_referral_finish(w, rc, NULL);
    }
}


/* Those whose clicks are in the log, up to a sequence. */

static void
ngx_http_referral_finish_flushed(uint64_t upto)
{
    referral_intake_t       *intake;
    referral_intake_info_t   info;

    intake = ngx_http_referral_committer_intake();

    if (intake != NULL) {
        referral_intake_info(intake, &info);
        ngx_http_referral_finish_upto(&waiters.flush,
                                      ngx_min(info.flushed_seq, upto), NGX_OK);
    }
}


/*
 * A long turn has its first clicks flushed, and answered, while it takes the
 * others: so many requests at once stay in the processor's cache.  Not the
 * request itself, whose handler is yet to return, and none from within a
 * connection of HTTP/2 or HTTP/3, which may be that of others.
 */

static void
ngx_http_referral_group(ngx_http_request_t *r, uint64_t seq)
{
    waiters.want_flush = 0;
    ngx_http_referral_flusher_wake();

#if (NGX_HTTP_V2)
    if (r->stream) {
        return;
    }
#endif

#if (NGX_HTTP_V3)
    if (r->http_version == NGX_HTTP_VERSION_30) {
        return;
    }
#endif

    ngx_http_referral_finish_flushed(seq - 1);
}


ngx_int_t
ngx_http_referral_wait(ngx_http_request_t *r, ngx_http_referral_waiter_t *w,
    uint64_t seq, ngx_http_referral_need_e need,
    ngx_http_referral_waiter_pt handler, void *data)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_referral_waiter_cleanup;
    cln->data = w;

    ngx_http_referral_await(r, w, seq, need, handler, data);

    if (waiters.want_flush >= NGX_HTTP_REFERRAL_GROUP) {
        ngx_http_referral_group(r, seq);
    }

    return NGX_OK;
}


void
ngx_http_referral_watch(ngx_http_referral_waiter_t *w, uint64_t seq,
    ngx_http_referral_waiter_pt handler, void *data)
{
    ngx_http_referral_await(NULL, w, seq, NGX_HTTP_REFERRAL_APPLIED, handler,
                            data);
}


static void
ngx_http_referral_finish_result(const referral_result_t *result)
{
    ngx_http_referral_waiter_t  *w;

    /* a waiter before this one has no result: its batch had no memory */

    while ((w = ngx_http_referral_first(&waiters.apply)) != NULL
           && w->seq < result->seq)
    {
        ngx_http_referral_finish(w, NGX_ERROR, NULL);
    }

    if (w != NULL && w->seq == result->seq) {
        ngx_http_referral_finish(w, NGX_OK, result);
    }
}


void
ngx_http_referral_waiters_told(const ngx_http_referral_news_t *news)
{
    size_t  i;

    for (i = 0; i < news->nresults; i++) {
        ngx_http_referral_finish_result(&news->results[i]);
    }

    ngx_http_referral_finish_flushed(UINT64_MAX);
    ngx_http_referral_finish_upto(&waiters.flush, news->flush_failed,
                                  NGX_ERROR);
    ngx_http_referral_finish_upto(&waiters.apply, news->apply_failed,
                                  NGX_ERROR);
}


static void
ngx_http_referral_finish_late(ngx_queue_t *queue)
{
    ngx_http_referral_waiter_t  *w;

    while ((w = ngx_http_referral_first(queue)) != NULL
           && (ngx_msec_int_t) (w->deadline - ngx_current_msec) <= 0)
    {
        ngx_http_referral_finish(w, NGX_ABORT, NULL);
    }
}


static void
ngx_http_referral_timer_handler(ngx_event_t *ev)
{
    ngx_http_referral_finish_late(&waiters.flush);
    ngx_http_referral_finish_late(&waiters.apply);

    if (!ngx_queue_empty(&waiters.flush)
        || !ngx_queue_empty(&waiters.apply))
    {
        ngx_add_timer(ev, NGX_HTTP_REFERRAL_TICK);
    }
}


void
ngx_http_referral_waiters_init(ngx_log_t *log)
{
    ngx_queue_init(&waiters.flush);
    ngx_queue_init(&waiters.apply);

    waiters.wake.handler = ngx_http_referral_wake_handler;
    waiters.wake.log = log;

    waiters.timer.handler = ngx_http_referral_timer_handler;
    waiters.timer.log = log;
    waiters.timer.data = &waiters.timer_connection;
    waiters.timer_connection.fd = (ngx_socket_t) -1;
}
