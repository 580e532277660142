/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The committer; see the header.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <pthread.h>
#include <stdatomic.h>

#include "ngx_http_referral_committer.h"
#include "ngx_http_referral_growth.h"
#include "ngx_http_referral_house.h"
#include "ngx_http_referral_purge.h"


#define NGX_HTTP_REFERRAL_START      5000   /* ms a new worker waits */
#define NGX_HTTP_REFERRAL_END        5000   /* ms without progress at the end */
#define NGX_HTTP_REFERRAL_RESULTS    512    /* of one batch */
#define NGX_HTTP_REFERRAL_GATHER     8      /* steps of some 100 us */
#define NGX_HTTP_REFERRAL_YIELD      200    /* ms a purge is put off */
#define NGX_HTTP_REFERRAL_SHARE      20     /* commits: 1/20 of the time */


typedef struct {
    ngx_http_referral_main_conf_t  *conf;
    uint32_t                       *programs;

    pthread_t                       thread;
    pthread_mutex_t                 mutex;
    pthread_cond_t                  cond;
    pthread_cond_t                  started;

    /* set once, then read by both */
    _Atomic(referral_intake_t *)    intake;
    referral_store_t               *store;

    _Atomic unsigned                sleeping;

    /* under the mutex */
    unsigned                        tried;
    unsigned                        stop;
    unsigned                        want_apply;

    /* the thread's own */
    uint64_t                        next_apply;     /* ms, monotonic */
    uint64_t                        took;           /* ms of the last commits */
    uint64_t                        next_maintain;
    uint64_t                        next_tick;
    uint64_t                        next_purge;
    referral_result_t               batch[NGX_HTTP_REFERRAL_RESULTS];
} ngx_http_referral_committer_t;


static ngx_http_referral_committer_t  committer;


/* An end that could wait no longer stops the thread here. */

static void
ngx_http_referral_checkpoint(void)
{
    pthread_mutex_lock(&committer.mutex);
    pthread_mutex_unlock(&committer.mutex);
}


static referral_rc_t
ngx_http_referral_open_programs(referral_error_t *err)
{
    unsigned                       case_sensitive;
    ngx_uint_t                     i;
    referral_rc_t                  rc;
    ngx_http_referral_program_t  **program;

    program = committer.conf->programs.elts;

    for (i = 0; i < committer.conf->programs.nelts; i++) {
        ngx_http_referral_checkpoint();

        case_sensitive = program[i]->case_sensitive ? 1 : 0;

        rc = referral_store_program(committer.store,
                                    ngx_http_referral_str(program[i]->name),
                                    &case_sensitive, &committer.programs[i],
                                    err);
        if (rc != REFERRAL_OK) {
            return rc;
        }

        ngx_http_referral_checkpoint();

        rc = referral_store_rules(committer.store, committer.programs[i],
                                  program[i]->rules, err);
        if (rc != REFERRAL_OK) {
            return rc;
        }

        if (case_sensitive != (program[i]->case_sensitive ? 1u : 0u)) {
            (void) snprintf(err->text, sizeof(err->text),
                            "program \"%.*s\" was made with case_sensitive "
                            "%s, which stays", (int) program[i]->name.len,
                            program[i]->name.data,
                            case_sensitive ? "on" : "off");
            ngx_http_referral_report(err, NGX_HTTP_REFERRAL_APPLY, 1);
        }
    }

    return REFERRAL_OK;
}


static void
ngx_http_referral_open(void)
{
    referral_rc_t            rc;
    referral_error_t         err;
    referral_intake_t       *intake;
    referral_options_t       opts;
    referral_intake_info_t   info;

    ngx_memzero(&opts, sizeof(opts));

    opts.path = (char *) committer.conf->store.data;
    opts.intake_path = (char *) committer.conf->intake_path.data;
    opts.map_size = committer.conf->map_size;
    opts.intake_size = committer.conf->intake_size;
    opts.durable = committer.conf->durable ? 1 : 0;

    rc = REFERRAL_OK;
    intake = NULL;

    if (committer.store == NULL) {
        rc = referral_store_open(&opts, &committer.store, &err);
    }

    if (rc == REFERRAL_OK) {
        rc = ngx_http_referral_open_programs(&err);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_intake_open(committer.store, &intake, &err);
    }

    if (rc != REFERRAL_OK) {
        ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_APPLY, 0);

    } else {
        ngx_http_referral_recovered(NGX_HTTP_REFERRAL_APPLY);

        if (err.text[0] != '\0') {
            ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_APPLY, 1);
        }

        referral_intake_info(intake, &info);
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_RECOVERED,
                                   info.recovered);

        atomic_store_explicit(&committer.intake, intake, memory_order_release);
    }

    pthread_mutex_lock(&committer.mutex);
    committer.tried = 1;
    pthread_cond_signal(&committer.started);
    pthread_mutex_unlock(&committer.mutex);
}


/* The last record that the work to come can include. */

static uint64_t
ngx_http_referral_taken(referral_intake_t *intake)
{
    referral_intake_info_t  info;

    referral_intake_info(intake, &info);

    return info.taken_seq;
}


static uint64_t
ngx_http_referral_applied(referral_intake_t *intake)
{
    referral_intake_info_t  info;

    referral_intake_info(intake, &info);

    return info.applied_seq;
}


static unsigned
ngx_http_referral_unapplied(referral_intake_t *intake)
{
    referral_intake_info_t  info;

    referral_intake_info(intake, &info);

    return info.applied_seq != info.taken_seq;
}


/*
 * Who was answered just now tends to ask again at once.  When workers queue
 * for the store's one write lock, fewer and larger commits serve all sooner.
 */

static void
ngx_http_referral_gather(referral_intake_t *intake, unsigned answered)
{
    unsigned  n;
    uint64_t  want, taken;

    taken = ngx_http_referral_taken(intake);
    want = taken + answered;

    for (n = 0; n < NGX_HTTP_REFERRAL_GATHER && taken < want; n++) {
        (void) usleep(50);
        taken = ngx_http_referral_taken(intake);
    }
}


/* One batch.  Returns whether there is more to apply now. */

static unsigned
ngx_http_referral_apply(referral_intake_t *intake, unsigned sync)
{
    uint64_t          start, taken;
    referral_rc_t     rc;
    referral_batch_t  batch;
    referral_error_t  err;

    start = ngx_http_referral_now();
    taken = ngx_http_referral_taken(intake);

    rc = referral_intake_apply(intake, sync, committer.batch,
                               NGX_HTTP_REFERRAL_RESULTS, &batch, &err);

    if (rc != REFERRAL_OK) {
        ngx_http_referral_failed(NGX_HTTP_REFERRAL_APPLY, taken, &err);
        return 0;
    }

    ngx_http_referral_recovered(NGX_HTTP_REFERRAL_APPLY);
    ngx_http_referral_deliver(committer.batch, batch.results);

    if (batch.results != 0) {

        /* one of them may be an event with a hold */

        committer.next_tick = 0;
    }

    if (batch.records != 0) {
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_COMMITS, 1);
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_RECORDS,
                                   batch.records);
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_COMMIT_MS,
                             (ngx_atomic_int_t) (ngx_http_referral_now()
                                                 - start));
    }

    if (batch.refused != 0) {
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_REFUSED,
                                   batch.refused);
        ngx_http_referral_report(&err, NGX_HTTP_REFERRAL_APPLY, 1);
    }

    if (batch.contended && !sync && ngx_http_referral_unapplied(intake)) {
        ngx_http_referral_gather(intake, batch.results);
    }

    return batch.more;
}


static void
ngx_http_referral_sleep_until(uint64_t ms)
{
    struct timespec  ts;

    ts.tv_sec = (time_t) (ms / 1000);
    ts.tv_nsec = (long) (ms % 1000) * 1000000;

    (void) pthread_cond_timedwait(&committer.cond, &committer.mutex, &ts);
}


/*
 * Waits, under the mutex, until there is something to do.  With an empty ring
 * the thread sleeps until a record wakes it; otherwise records gather until
 * the interval is over, and nobody has to be woken for them.
 */

static void
ngx_http_referral_idle(referral_intake_t *intake)
{
    uint64_t  now, keep;

    keep = ngx_min(committer.next_maintain, committer.next_tick);
    keep = ngx_min(keep, committer.next_purge);

    while (!committer.stop && !committer.want_apply) {

        now = ngx_http_referral_now();

        if (now >= keep) {
            return;
        }

        atomic_store(&committer.sleeping, 1);
        atomic_thread_fence(memory_order_seq_cst);

        if (ngx_http_referral_unapplied(intake)) {
            atomic_store(&committer.sleeping, 0);

            if (now >= committer.next_apply) {
                return;
            }

            ngx_http_referral_sleep_until(ngx_min(committer.next_apply, keep));
            continue;
        }

        ngx_http_referral_sleep_until(keep);
        atomic_store(&committer.sleeping, 0);

        /* records gather for an interval from the first one on */

        committer.next_apply = ngx_http_referral_now()
                               + committer.conf->interval;
    }
}


/*
 * Deletes old clicks, when nobody waits for this thread.  Where somebody
 * always does, they get their turn now and then nevertheless.
 */

static void
ngx_http_referral_purge_turn(void)
{
    unsigned  waits;
    uint64_t  now;

    now = ngx_http_referral_now();

    if (now < committer.next_purge) {
        return;
    }

    pthread_mutex_lock(&committer.mutex);
    waits = committer.want_apply;
    pthread_mutex_unlock(&committer.mutex);

    if (waits && now - committer.next_purge < NGX_HTTP_REFERRAL_YIELD) {
        return;
    }

    committer.next_purge = ngx_http_referral_purge(committer.conf,
                                                   committer.store,
                                                   committer.programs);
}


/*
 * A click more in a commit costs a fraction of what the commit does: when they
 * take their time, because of the load or of the disk, there are fewer.
 */

static uint64_t
ngx_http_referral_pause(uint64_t took)
{
    uint64_t  pause;

    pause = ngx_max(committer.conf->interval, took * NGX_HTTP_REFERRAL_SHARE);

    return ngx_min(pause, committer.conf->interval_max);
}


/* A turn of the committer.  Returns 0 when it has to end. */

static unsigned
ngx_http_referral_turn(referral_intake_t *intake)
{
    unsigned  stop, apply, more;
    uint64_t  now;

    pthread_mutex_lock(&committer.mutex);

    ngx_http_referral_idle(intake);

    stop = committer.stop;
    apply = committer.want_apply;
    committer.want_apply = 0;

    pthread_mutex_unlock(&committer.mutex);

    ngx_http_referral_growth_remap(committer.store);

    now = ngx_http_referral_now();

    if (!stop && now >= committer.next_maintain) {
        committer.next_maintain = ngx_http_referral_maintain(committer.store,
                                                             intake);
        committer.next_tick = 0;
    }

    if (!stop && now >= committer.next_tick) {
        committer.next_tick = ngx_http_referral_tick(committer.store);
    }

    more = 0;

    if (stop || apply
        || (now >= committer.next_apply && ngx_http_referral_unapplied(intake)))
    {
        more = ngx_http_referral_apply(intake, stop);
        committer.took += ngx_http_referral_now() - now;

        pthread_mutex_lock(&committer.mutex);
        committer.want_apply |= more;
        pthread_mutex_unlock(&committer.mutex);

        committer.next_apply = ngx_http_referral_now()
                               + ngx_http_referral_pause(committer.took);

        if (!more) {
            committer.took = 0;
        }
    }

    ngx_http_referral_growth_say(committer.store);

    if (!stop) {
        ngx_http_referral_purge_turn();
    }

    return more || !stop;
}


static void *
ngx_http_referral_committer_run(void *data)
{
    uint64_t            deadline;
    unsigned            stop;
    referral_intake_t  *intake;
    struct sched_param  param;

    (void) data;

    /* its share of the processor, but not in the middle of an answer */

    param.sched_priority = 0;
    (void) pthread_setschedparam(pthread_self(), SCHED_BATCH, &param);

    for ( ;; ) {
        ngx_http_referral_open();

        intake = atomic_load(&committer.intake);
        if (intake != NULL) {
            break;
        }

        deadline = ngx_http_referral_now() + NGX_HTTP_REFERRAL_RETRY;

        pthread_mutex_lock(&committer.mutex);

        while (!committer.stop && ngx_http_referral_now() < deadline) {
            ngx_http_referral_sleep_until(deadline);
        }

        stop = committer.stop;
        pthread_mutex_unlock(&committer.mutex);

        if (stop) {
            return NULL;
        }
    }

    while (ngx_http_referral_turn(intake)) { /* void */ }

    return NULL;
}


/* ------------------------------------------------- for the event loop -- */

referral_intake_t *
ngx_http_referral_committer_intake(void)
{
    return atomic_load_explicit(&committer.intake, memory_order_acquire);
}


referral_store_t *
ngx_http_referral_committer_store(void)
{
    return (ngx_http_referral_committer_intake() != NULL) ? committer.store
                                                          : NULL;
}


void
ngx_http_referral_committer_wake(ngx_http_referral_need_e need)
{
    pthread_mutex_lock(&committer.mutex);

    committer.want_apply |= (need == NGX_HTTP_REFERRAL_APPLIED);

    pthread_cond_signal(&committer.cond);
    pthread_mutex_unlock(&committer.mutex);
}


ngx_uint_t
ngx_http_referral_committer_sleeps(void)
{
    /* the thread looks at the ring once more after it says it sleeps */

    atomic_thread_fence(memory_order_seq_cst);

    return atomic_load_explicit(&committer.sleeping, memory_order_relaxed);
}


static void
ngx_http_referral_await_store(void)
{
    uint64_t         end;
    struct timespec  ts;

    end = ngx_http_referral_now() + NGX_HTTP_REFERRAL_START;
    ts.tv_sec = (time_t) (end / 1000);
    ts.tv_nsec = (long) (end % 1000) * 1000000;

    pthread_mutex_lock(&committer.mutex);

    while (!committer.tried
           && pthread_cond_timedwait(&committer.started, &committer.mutex,
                                     &ts)
              == 0)
    {
        /* void */
    }

    pthread_mutex_unlock(&committer.mutex);
}


ngx_int_t
ngx_http_referral_thread(pthread_t *thread, void *(*run)(void *),
    ngx_log_t *log)
{
    int       rc;
    sigset_t  all, old;

    /* signals are for the main thread */

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (rc != 0) {
        ngx_log_error(NGX_LOG_EMERG, log, rc, "pthread_create() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_committer_start(ngx_http_referral_main_conf_t *conf,
    uint32_t *programs, ngx_log_t *log)
{
    pthread_condattr_t  attr;

    committer.conf = conf;
    committer.programs = programs;
    committer.next_maintain = ngx_http_referral_now()
                              + NGX_HTTP_REFERRAL_MAINTAIN;
    committer.next_purge = committer.next_maintain;

    pthread_mutex_init(&committer.mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&committer.cond, &attr);
    pthread_cond_init(&committer.started, &attr);
    pthread_condattr_destroy(&attr);

    if (ngx_http_referral_thread(&committer.thread,
                                 ngx_http_referral_committer_run, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_referral_await_store();

    return NGX_OK;
}


/*
 * Not for ever: a process that stands still may have the write lock.  The
 * mutex stays locked then: the thread comes to it before it looks at anything
 * that ends with the configuration.
 */

static ngx_int_t
ngx_http_referral_join(void)
{
    uint64_t            end, applied, before;
    struct timespec     ts;
    referral_intake_t  *intake;

    intake = ngx_http_referral_committer_intake();
    applied = (intake != NULL) ? ngx_http_referral_applied(intake) : 0;

    do {
        end = ngx_http_referral_now() + NGX_HTTP_REFERRAL_END;
        ts.tv_sec = (time_t) (end / 1000);
        ts.tv_nsec = (long) (end % 1000) * 1000000;

        if (pthread_clockjoin_np(committer.thread, NULL, CLOCK_MONOTONIC, &ts)
            == 0)
        {
            return NGX_OK;
        }

        before = applied;
        applied = (intake != NULL) ? ngx_http_referral_applied(intake) : 0;

    } while (applied != before);

    pthread_mutex_lock(&committer.mutex);

    return NGX_ERROR;
}


void
ngx_http_referral_committer_stop(ngx_log_t *log)
{
    referral_intake_t  *intake;

    pthread_mutex_lock(&committer.mutex);
    committer.stop = 1;
    pthread_cond_signal(&committer.cond);
    pthread_mutex_unlock(&committer.mutex);

    if (ngx_http_referral_join() != NGX_OK) {
        ngx_log_error(NGX_LOG_CRIT, log, 0, "referral: somebody else has the "
                      "store's write lock; what is not applied yet stays for "
                      "the next worker");
        return;
    }

    intake = atomic_exchange(&committer.intake, NULL);

    if (intake != NULL) {
        referral_intake_close(intake);
        referral_store_close(committer.store);
    }
}
