/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The event loop's side of the store: taking records, reading snapshots, what
 * the threads have to say.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include <pthread.h>
#include <sys/eventfd.h>

#include "ngx_http_referral_committer.h"
#include "ngx_http_referral_flusher.h"
#include "ngx_http_referral_waiters.h"


typedef struct {
    uint32_t                    *programs;      /* the store's numbers */
    referral_snapshot_t         *snapshot;
    ngx_connection_t            *connection;    /* of the eventfd */
    uint64_t                     lost;          /* since the last line */
    time_t                       said;          /* that line */
    unsigned                     running:1;
    unsigned                     complained:1;  /* and nothing else since */
} ngx_http_referral_worker_t;


static ngx_http_referral_worker_t  worker;



/*
 * What there is to say of a store in trouble, in one line a second at most:
 * the reason, and how many clicks it has cost since the last line.
 */

static void
ngx_http_referral_say(const char *why, ngx_uint_t level)
{
    if (worker.said == ngx_time()) {
        return;
    }

    worker.said = ngx_time();
    worker.complained = (level <= NGX_LOG_ERR);

    if (worker.lost == 0) {
        ngx_log_error(level, ngx_cycle->log, 0, "referral: %s", why);
        return;
    }

    ngx_log_error(level, ngx_cycle->log, 0,
                  "referral: %uL clicks were redirected but not counted: %s",
                  worker.lost, why);
    worker.lost = 0;
}


ngx_uint_t
ngx_http_referral_full(referral_level_t level)
{
    referral_store_t  *store;

    store = ngx_http_referral_committer_store();

    return store != NULL && referral_store_level(store) >= level;
}


/* Then the committer has nothing to do about what is not taken. */

static ngx_uint_t
ngx_http_referral_nearly_full(void)
{
    return ngx_http_referral_full(REFERRAL_LEVEL_CLICKS);
}


static void
ngx_http_referral_lost(referral_rc_t rc)
{
    const char                *why;
    ngx_http_referral_news_t   news;

    worker.lost++;
    ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_LOST, 1);

    if (worker.said == ngx_time()) {
        return;
    }

    if (rc == REFERRAL_INVALID) {
        ngx_http_referral_say("a field is too long", NGX_LOG_ERR);
        return;
    }

    ngx_http_referral_news_look(&news);

    if (news.error.text[0] != '\0' && !news.warning) {
        ngx_http_referral_say(news.error.text, NGX_LOG_CRIT);
        return;
    }

    why = (rc != REFERRAL_FULL) ? "the store is not open"
          : ngx_http_referral_full(REFERRAL_LEVEL_FULL) ? "the store is full"
          : ngx_http_referral_nearly_full() ? "the store is nearly full"
          : "the intake is full";
    ngx_http_referral_say(why, NGX_LOG_ERR);
}


ngx_int_t
ngx_http_referral_take(referral_record_t *record,
    ngx_http_referral_need_e need, uint64_t *seq)
{
    ngx_time_t              *tp;
    referral_rc_t            rc;
    referral_intake_t       *intake;
    referral_intake_info_t   info;

    tp = ngx_timeofday();
    record->time = (int64_t) tp->sec * 1000 + tp->msec;

    intake = ngx_http_referral_committer_intake();

    /* the number of the program was asked for before the store was open */

    if (record->type == REFERRAL_RECORD_CLICK && record->u.click.program == 0)
    {
        intake = NULL;
    }

    rc = (intake != NULL) ? referral_intake_put(intake, record, seq)
                          : REFERRAL_BUSY;

    if (rc != REFERRAL_OK) {
        if (record->type == REFERRAL_RECORD_CLICK) {
            ngx_http_referral_lost(rc);

        } else if (ngx_http_referral_full(REFERRAL_LEVEL_FULL)) {
            ngx_http_referral_say("the store is full, conversions are refused",
                                  NGX_LOG_ERR);

        } else if (ngx_http_referral_full(REFERRAL_LEVEL_CODES)) {
            ngx_http_referral_say("the store is nearly full, codes are refused",
                                  NGX_LOG_ERR);
        }

        if (rc == REFERRAL_FULL && !ngx_http_referral_nearly_full()) {
            ngx_http_referral_committer_wake(NGX_HTTP_REFERRAL_APPLIED);
        }

        return NGX_DECLINED;
    }

    ngx_http_referral_wake(need);

    if ((*seq & 0xff) == 0) {
        referral_intake_info(intake, &info);

        if (info.used > info.size / 2) {
            ngx_http_referral_committer_wake(NGX_HTTP_REFERRAL_APPLIED);
        }
    }

    return NGX_OK;
}


referral_snapshot_t *
ngx_http_referral_read(void)
{
    referral_rc_t      rc;
    referral_error_t   err;
    referral_store_t  *store;

    store = ngx_http_referral_committer_store();

    if (store == NULL) {
        return NULL;
    }

    rc = REFERRAL_OK;

    if (worker.snapshot == NULL) {
        rc = referral_snapshot_create(store, &worker.snapshot, &err);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_snapshot_begin(worker.snapshot);
    }

    if (rc == REFERRAL_BUSY) {

        /* others have a larger map, which the committer takes over */

        ngx_http_referral_committer_wake(NGX_HTTP_REFERRAL_APPLIED);
    }

    return (rc == REFERRAL_OK) ? worker.snapshot : NULL;
}


void
ngx_http_referral_read_end(referral_snapshot_t *snap)
{
    referral_snapshot_end(snap);
}


uint64_t
ngx_http_referral_last_id(void)
{
    referral_store_t  *store;

    store = ngx_http_referral_committer_store();

    return (store != NULL) ? referral_store_last_id(store) : 0;
}


uint32_t
ngx_http_referral_program_id(ngx_uint_t index)
{
    return worker.programs[index];
}


static void
ngx_http_referral_log_error(const ngx_http_referral_news_t *news)
{
    if (news->error.text[0] == '\0') {

        if (worker.complained) {
            worker.complained = 0;
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "referral: the store is in order again");
        }

        return;
    }

    ngx_http_referral_say(news->error.text,
                          news->warning ? NGX_LOG_WARN : NGX_LOG_CRIT);
}


/* What the committer has left for the event loop. */

static void
ngx_http_referral_event_handler(ngx_event_t *ev)
{
    uint64_t                  count;
    ngx_http_referral_news_t  news;

    (void) !read(worker.connection->fd, &count, sizeof(count));

    ngx_http_referral_news_collect(&news);

    if (news.error_new) {
        ngx_http_referral_log_error(&news);
    }

    ngx_http_referral_waiters_told(&news);
    free(news.results);
}


void
ngx_http_referral_health(ngx_http_referral_health_t *health)
{
    referral_intake_t         *intake;
    referral_intake_info_t     info;
    ngx_http_referral_news_t   news;

    ngx_memzero(health, sizeof(ngx_http_referral_health_t));

    if (!worker.running) {
        return;
    }

    ngx_http_referral_news_look(&news);

    intake = ngx_http_referral_committer_intake();

    if (intake != NULL) {
        referral_intake_info(intake, &info);

        health->open = 1;
        health->writing = (news.error.text[0] == '\0' || news.warning);
        health->waiting = info.taken_seq - info.applied_seq;
        health->ring_used = info.used;
        health->ring_size = info.size;
    }

    health->last_commit = news.last_commit;
    ngx_memcpy(health->text, news.error.text, sizeof(health->text));
}


static ngx_int_t
ngx_http_referral_listen(ngx_cycle_t *cycle)
{
    int                fd;
    ngx_connection_t  *c;

    fd = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "eventfd() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, cycle->log);
    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->read->handler = ngx_http_referral_event_handler;
    c->read->log = cycle->log;

    worker.connection = c;
    ngx_http_referral_news_init(fd);

    return ngx_add_event(c->read, NGX_READ_EVENT, 0);
}


/*
 * In a process with threads, glibc before 2.41 makes a thread cancellable at
 * once around each recv() and writev(), and undoes that, with two locked
 * instructions; not where it is so already.  Nobody cancels the event loop.
 */

static void
ngx_http_referral_no_cancel(void)
{
    (void) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    (void) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
}


ngx_int_t
ngx_http_referral_worker_init(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t  *rmcf;

    if (worker.running) {
        return NGX_OK;
    }

    ngx_http_referral_no_cancel();

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);

    if (ngx_http_referral_zone_use(rmcf->zone) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_referral_rates_use(rmcf->rates);

    ngx_http_referral_waiters_init(cycle->log);

    worker.programs = ngx_pcalloc(cycle->pool, (rmcf->programs.nelts + 1)
                                               * sizeof(uint32_t));

    if (worker.programs == NULL
        || ngx_http_referral_listen(cycle) != NGX_OK
        || ngx_http_referral_committer_start(rmcf, worker.programs,
                                             cycle->log)
           != NGX_OK
        || (rmcf->durable
            && ngx_http_referral_flusher_start(cycle->log) != NGX_OK))
    {
        return NGX_ERROR;
    }

    worker.running = 1;

    return NGX_OK;
}


void
ngx_http_referral_worker_exit(ngx_cycle_t *cycle)
{
    ngx_http_referral_news_t  news;

    if (!worker.running) {
        return;
    }

    if (worker.snapshot != NULL) {
        referral_snapshot_destroy(worker.snapshot);
        worker.snapshot = NULL;
    }

    ngx_http_referral_flusher_stop();
    ngx_http_referral_committer_stop(cycle->log);
    ngx_http_referral_news_collect(&news);
    free(news.results);

    if (news.error_new) {
        ngx_http_referral_log_error(&news);
    }

    ngx_close_connection(worker.connection);
    worker.running = 0;
}
