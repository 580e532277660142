/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The mailbox; see the header.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <pthread.h>
#include <stdatomic.h>

#include "ngx_http_referral_news.h"


#define NGX_HTTP_REFERRAL_REMIND     10000  /* ms between equal log lines */


typedef struct {
    int                          fd;            /* an eventfd */
    _Atomic unsigned             notified;
    pthread_mutex_t              mutex;

    /* under the mutex */
    size_t                       max_results;
    uint64_t                     reminded;
    ngx_http_referral_work_e     failing;       /* with news.error */
    ngx_http_referral_news_t     news;
} ngx_http_referral_box_t;


static ngx_http_referral_box_t  box;


void
ngx_http_referral_news_init(int fd)
{
    box.fd = fd;
    pthread_mutex_init(&box.mutex, NULL);
}


uint64_t
ngx_http_referral_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


int64_t
ngx_http_referral_wall(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


void
ngx_http_referral_notify(void)
{
    uint64_t  one = 1;

    if (atomic_exchange(&box.notified, 1) == 0) {
        (void) !write(box.fd, &one, sizeof(one));
    }
}


/*
 * Remembers what is wrong, and with what.  The event loop logs it when it is
 * new, and again from time to time.  A warning does not hide an error.
 */

void
ngx_http_referral_report(const referral_error_t *err,
    ngx_http_referral_work_e work, unsigned warning)
{
    uint64_t                   now;
    ngx_http_referral_news_t  *news;

    now = ngx_http_referral_now();
    news = &box.news;

    pthread_mutex_lock(&box.mutex);

    if (!warning || news->warning || news->error.text[0] == '\0') {

        if (strcmp(news->error.text, err->text) != 0
            || now - box.reminded >= NGX_HTTP_REFERRAL_REMIND)
        {
            news->error_new = 1;
            box.reminded = now;
        }

        news->error = *err;
        news->warning = warning;
        box.failing = work;
    }

    pthread_mutex_unlock(&box.mutex);

    ngx_http_referral_notify();
}


/*
 * This kind of work succeeds: an error it had before is over.  Warnings stay,
 * but the one of the store's growth, which ends when there is room again.
 */

void
ngx_http_referral_recovered(ngx_http_referral_work_e work)
{
    unsigned  over;

    pthread_mutex_lock(&box.mutex);

    over = (box.news.error.text[0] != '\0' && box.failing == work
            && (!box.news.warning || work == NGX_HTTP_REFERRAL_GROWTH));

    if (over) {
        box.news.error.text[0] = '\0';
        box.news.error.rc = REFERRAL_OK;
        box.news.error_new = 1;
    }

    if (work == NGX_HTTP_REFERRAL_APPLY) {
        box.news.last_commit = ngx_http_referral_wall();
    }

    pthread_mutex_unlock(&box.mutex);

    if (over) {
        ngx_http_referral_notify();
    }
}


void
ngx_http_referral_failed(ngx_http_referral_work_e work, uint64_t seq,
    const referral_error_t *err)
{
    pthread_mutex_lock(&box.mutex);

    if (work == NGX_HTTP_REFERRAL_FLUSH) {
        box.news.flush_failed = seq;

    } else {
        box.news.apply_failed = seq;
    }

    pthread_mutex_unlock(&box.mutex);

    ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_COMMIT_ERRORS, 1);
    ngx_http_referral_report(err, work, 0);
}


/* Hands the results of a batch to the event loop. */

void
ngx_http_referral_deliver(const referral_result_t *results, size_t n)
{
    size_t              max;
    referral_result_t  *more;

    if (n == 0) {
        return;
    }

    pthread_mutex_lock(&box.mutex);

    if (box.news.nresults + n > box.max_results) {
        max = 2 * (box.news.nresults + n);
        more = realloc(box.news.results, max * sizeof(referral_result_t));

        if (more == NULL) {

            /* the waiters run into their deadline */

            pthread_mutex_unlock(&box.mutex);
            return;
        }

        box.news.results = more;
        box.max_results = max;
    }

    ngx_memcpy(box.news.results + box.news.nresults, results,
               n * sizeof(referral_result_t));
    box.news.nresults += n;

    pthread_mutex_unlock(&box.mutex);

    ngx_http_referral_notify();
}


void
ngx_http_referral_news_collect(ngx_http_referral_news_t *news)
{
    atomic_store(&box.notified, 0);

    pthread_mutex_lock(&box.mutex);

    *news = box.news;

    box.news.results = NULL;
    box.news.nresults = 0;
    box.max_results = 0;
    box.news.flush_failed = 0;
    box.news.apply_failed = 0;
    box.news.error_new = 0;

    pthread_mutex_unlock(&box.mutex);
}


void
ngx_http_referral_news_look(ngx_http_referral_news_t *news)
{
    pthread_mutex_lock(&box.mutex);
    *news = box.news;
    pthread_mutex_unlock(&box.mutex);

    news->results = NULL;
    news->nresults = 0;
}
