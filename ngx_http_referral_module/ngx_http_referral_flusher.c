/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The flusher; see the header.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <pthread.h>

#include "ngx_http_referral_committer.h"
#include "ngx_http_referral_flusher.h"


typedef struct {
    pthread_t        thread;
    pthread_mutex_t  mutex;
    pthread_cond_t   cond;
    unsigned         running;

    /* under the mutex */
    unsigned         wanted;
    unsigned         stop;
} ngx_http_referral_flusher_t;


static ngx_http_referral_flusher_t  flusher;


static void
ngx_http_referral_flush(referral_intake_t *intake)
{
    uint64_t                seq;
    referral_error_t        err;
    referral_intake_info_t  info;

    referral_intake_info(intake, &info);

    if (referral_intake_flush(intake, &seq, &err) == REFERRAL_OK) {
        ngx_http_referral_recovered(NGX_HTTP_REFERRAL_FLUSH);
        ngx_http_referral_notify();
        return;
    }

    ngx_http_referral_failed(NGX_HTTP_REFERRAL_FLUSH, info.taken_seq, &err);
}


/* Waits until there is something to do.  Returns 0 when it has to end. */

static unsigned
ngx_http_referral_flusher_idle(void)
{
    unsigned  stop;

    pthread_mutex_lock(&flusher.mutex);

    while (!flusher.wanted && !flusher.stop) {
        pthread_cond_wait(&flusher.cond, &flusher.mutex);
    }

    flusher.wanted = 0;
    stop = flusher.stop;

    pthread_mutex_unlock(&flusher.mutex);

    return !stop;
}


static void *
ngx_http_referral_flusher_run(void *data)
{
    referral_intake_t  *intake;

    (void) data;

    while (ngx_http_referral_flusher_idle()) {
        intake = ngx_http_referral_committer_intake();

        if (intake != NULL) {
            ngx_http_referral_flush(intake);
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_referral_flusher_start(ngx_log_t *log)
{
    pthread_mutex_init(&flusher.mutex, NULL);
    pthread_cond_init(&flusher.cond, NULL);

    if (ngx_http_referral_thread(&flusher.thread,
                                 ngx_http_referral_flusher_run, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    flusher.running = 1;

    return NGX_OK;
}


void
ngx_http_referral_flusher_stop(void)
{
    if (!flusher.running) {
        return;
    }

    pthread_mutex_lock(&flusher.mutex);
    flusher.stop = 1;
    pthread_cond_signal(&flusher.cond);
    pthread_mutex_unlock(&flusher.mutex);

    (void) pthread_join(flusher.thread, NULL);
    flusher.running = 0;
}


void
ngx_http_referral_flusher_wake(void)
{
    pthread_mutex_lock(&flusher.mutex);

    flusher.wanted = 1;
    pthread_cond_signal(&flusher.cond);

    pthread_mutex_unlock(&flusher.mutex);
}
