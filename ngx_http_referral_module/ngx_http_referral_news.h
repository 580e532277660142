/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The mailbox between the committer, which never logs and never touches a
 * request, and the event loop, which does both.
 */

#ifndef NGX_HTTP_REFERRAL_NEWS_H
#define NGX_HTTP_REFERRAL_NEWS_H

#include "ngx_http_referral_module.h"


/* What the committer does, and what an error is of. */

typedef enum {
    NGX_HTTP_REFERRAL_APPLY = 0,            /* opening is for that, too */
    NGX_HTTP_REFERRAL_FLUSH,
    NGX_HTTP_REFERRAL_KEEP,                 /* house */
    NGX_HTTP_REFERRAL_HOLDS,                /* that have passed */
    NGX_HTTP_REFERRAL_OLD,                  /* clicks */
    NGX_HTTP_REFERRAL_GROWTH                /* of the store: warnings only */
} ngx_http_referral_work_e;

typedef struct {
    referral_result_t           *results;
    size_t                       nresults;
    uint64_t                     flush_failed;  /* up to this sequence; 0 */
    uint64_t                     apply_failed;
    unsigned                     error_new;     /* log it */
    unsigned                     warning;
    int64_t                      last_commit;   /* ms since 1970, 0: none */
    referral_error_t             error;         /* text empty: none */
} ngx_http_referral_news_t;


/* Before the committer is started; fd is written when there is news. */

void ngx_http_referral_news_init(int fd);

/* Milliseconds of a clock that is never set, and of the one on the wall. */

uint64_t ngx_http_referral_now(void);
int64_t ngx_http_referral_wall(void);


/* For the committer: progress to be looked at, an error or a warning, the end
 * of an error or of growth, a failure for those who wait, results for them. */

void ngx_http_referral_notify(void);
void ngx_http_referral_report(const referral_error_t *err,
    ngx_http_referral_work_e work, unsigned warning);
void ngx_http_referral_recovered(ngx_http_referral_work_e work);
void ngx_http_referral_failed(ngx_http_referral_work_e work, uint64_t seq,
    const referral_error_t *err);
void ngx_http_referral_deliver(const referral_result_t *results, size_t n);


/*
 * For the event loop: what has happened since the last call, of which it
 * frees results; and the same without taking anything away, for health.
 */

void ngx_http_referral_news_collect(ngx_http_referral_news_t *news);
void ngx_http_referral_news_look(ngx_http_referral_news_t *news);


#endif /* NGX_HTTP_REFERRAL_NEWS_H */
