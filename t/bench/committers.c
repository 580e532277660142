/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * committers STORE INTAKE PROCESSES SECONDS CONVERSIONS CLICKS [FLOOD]
 *
 * Processes that commit to one store as the workers of nginx do, each with an
 * intake of its own: CONVERSIONS per second of all, each to be on disk when it
 * is answered, and CLICKS per second, which nobody waits for.  Times are from
 * when a conversion was due, also when its process was late to take it.  With
 * CONVERSIONS 0 each process has the next one at once.  FLOOD: as many more
 * processes commit clicks, one batch after the other.  The store has codes:
 * sizing fill.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "traffic.h"


#define RESULTS    512
#define MAX_TIMES  1000000
#define FLOOD      40000
#define INTERVAL   0.05             /* seconds between commits of clicks */


typedef struct {
    _Atomic unsigned   ready;
    _Atomic unsigned   go;
    _Atomic unsigned   n;           /* times */
    _Atomic unsigned   commits;
    _Atomic unsigned   flooded;     /* clicks of the flood */
    _Atomic unsigned   floods;      /* commits of it */
    float              ms[MAX_TIMES];
} shared_t;

typedef struct {
    traffic_t          t;
    shared_t          *shared;
    unsigned           number;      /* of this process */
    double             every;       /* seconds, of conversions; 0: at once */
    double             click_every; /* 0: none */
    double             next;
    double             next_click;
    double             next_apply;
    uint64_t           done;        /* clicks */
    unsigned           waiting;     /* conversions */
    double             due[RESULTS];
} worker_t;


static void
take_conversion(worker_t *w, double due)
{
    int64_t            now;
    uint64_t           seq;
    referral_event_t  *event;
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    now = (int64_t) time(NULL) * 1000;

    record.type = REFERRAL_RECORD_EVENT;
    record.reply = 1;
    record.time = now;

    (void) snprintf(w->t.order, sizeof(w->t.order), "%02u%x%08llx",
                    w->number, (unsigned) getpid() & 0xffff,
                    (unsigned long long) w->t.orders++ & 0xffffffff);

    event = &record.u.event;
    event->program = w->t.program;
    event->event = traffic_str("purchase");
    event->order_id = traffic_str(w->t.order);
    event->customer = event->order_id;
    event->flags = REFERRAL_EVENT_AMOUNT;
    event->currency = 978;
    event->amount = 1000 + traffic_below(&w->t, 99000);
    event->draw = traffic_random(&w->t);
    event->token = REFERRAL_TOKEN_VALID;
    event->last.code = traffic_code(traffic_pick(&w->t), w->t.code);
    event->last.time = now / 1000 - 60;
    memcpy(event->last.click_id, &event->draw, sizeof(event->draw));
    event->first = event->last;

    if (referral_intake_put(w->t.intake, &record, &seq) != REFERRAL_OK) {
        traffic_die("take", "a conversion was not taken");
    }

    w->due[w->waiting++] = due;
}


/* One batch; those who waited are answered. */

static unsigned
apply(worker_t *w)
{
    double             now;
    unsigned           i, k;
    referral_batch_t   batch;
    referral_error_t   err;
    referral_result_t  results[RESULTS];

    traffic_must("apply", referral_intake_apply(w->t.intake, 0, results,
                                                RESULTS, &batch, &err), &err);
    now = traffic_seconds();

    for (i = 0; i < batch.results; i++) {
        if (results[i].rc != REFERRAL_OK || !results[i].created) {
            traffic_die("apply", "a conversion was refused");
        }

        k = atomic_fetch_add(&w->shared->n, 1);

        if (k < MAX_TIMES) {
            w->shared->ms[k] = (float) ((now - w->due[i]) * 1000);
        }
    }

    w->waiting -= batch.results;
    memmove(w->due, w->due + batch.results, w->waiting * sizeof(double));
    (void) atomic_fetch_add(&w->shared->commits, batch.records != 0);

    w->next_apply = now + INTERVAL;

    return batch.more;
}


static void
take_due(worker_t *w, double now)
{
    while (w->every > 0 && w->next <= now && w->waiting < RESULTS) {
        take_conversion(w, w->next);
        w->next += w->every;
    }

    if (w->every == 0 && w->waiting == 0) {
        take_conversion(w, now);
    }

    while (w->click_every > 0 && w->next_click <= now) {
        traffic_add_click(&w->t, (int64_t) time(NULL) * 1000);
        w->t.waiting = 0;
        w->next_click += w->click_every;
    }
}


static void
work(worker_t *w, double end)
{
    double    now, wake;
    unsigned  more;

    more = 0;

    for (now = traffic_seconds(); now < end; now = traffic_seconds()) {
        take_due(w, now);

        if (w->waiting != 0 || more || now >= w->next_apply) {
            more = apply(w);
            continue;
        }

        wake = (w->every > 0 && w->next < w->next_apply) ? w->next
                                                         : w->next_apply;
        if (wake > now) {
            (void) usleep((useconds_t) ((wake - now) * 1e6) + 1);
        }
    }

    while (w->waiting != 0) {
        (void) apply(w);
    }
}


/* Clicks that have gathered are committed, one batch after the other. */

static void
flood(worker_t *w, double end)
{
    unsigned          i;
    referral_batch_t  batch;
    referral_error_t  err;

    while (traffic_seconds() < end) {
        for (i = 0; i < FLOOD; i++) {
            traffic_add_click(&w->t, (int64_t) time(NULL) * 1000);
        }

        do {
            traffic_must("apply",
                         referral_intake_apply(w->t.intake, 0, NULL, 0,
                                               &batch, &err), &err);
            (void) atomic_fetch_add(&w->shared->flooded, batch.records);
            (void) atomic_fetch_add(&w->shared->floods, 1);
        } while (batch.more && traffic_seconds() < end);
    }
}


static void
child(worker_t *w, char **argv, unsigned all, unsigned flooding)
{
    double                 start, rate, clicks;
    referral_store_info_t  info;

    traffic_open(&w->t, argv[1], argv[2], 0);
    info = traffic_info(&w->t);
    w->t.codes = (uint32_t) info.codes;
    w->t.batch = UINT32_MAX;
    w->t.rng = (uint64_t) getpid() * 2654435761u + info.journal;
    w->t.low = (uint32_t) w->t.rng;
    w->t.orders = info.journal;

    (void) atomic_fetch_add(&w->shared->ready, 1);

    while (!atomic_load(&w->shared->go)) {
        (void) usleep(1000);
    }

    start = traffic_seconds();
    rate = atof(argv[5]);
    clicks = atof(argv[6]);

    w->every = (rate > 0) ? all / rate : 0;
    w->click_every = (clicks > 0) ? all / clicks : 0;
    w->next = start + w->every * w->number / all;
    w->next_click = start;
    w->next_apply = start + INTERVAL;

    if (flooding) {
        flood(w, start + atof(argv[4]));

    } else {
        work(w, start + atof(argv[4]));
    }

    referral_intake_close(w->t.intake);
    exit(0);
}


static int
ascending(const void *a, const void *b)
{
    float  x = *(const float *) a, y = *(const float *) b;

    return (x > y) - (x < y);
}


static void
report(shared_t *s, double seconds)
{
    unsigned  n;

    n = atomic_load(&s->n);
    n = (n < MAX_TIMES) ? n : MAX_TIMES;

    if (n == 0) {
        traffic_die("committers", "nothing was answered");
    }

    qsort(s->ms, n, sizeof(float), ascending);

    printf("answered=%u rate=%.0f commits=%.0f p50=%.2f p99=%.2f max=%.2f "
           "flood=%.0f floods=%.0f\n", n, n / seconds,
           atomic_load(&s->commits) / seconds, s->ms[n / 2],
           s->ms[(size_t) n * 99 / 100], s->ms[n - 1],
           atomic_load(&s->flooded) / seconds,
           atomic_load(&s->floods) / seconds);
}


int
main(int argc, char **argv)
{
    int              status, failed;
    pid_t            pid;
    unsigned         i, all, extra;
    shared_t        *shared;
    static worker_t  w;

    if (argc < 7) {
        traffic_die("usage", "STORE INTAKE PROCESSES SECONDS CONVERSIONS "
                    "CLICKS [FLOOD]");
    }

    all = (unsigned) atoi(argv[3]);
    extra = (argc > 7) ? (unsigned) atoi(argv[7]) : 0;
    shared = mmap(NULL, sizeof(shared_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (all == 0 || shared == MAP_FAILED) {
        traffic_die("committers", "no processes or no memory");
    }

    w.shared = shared;

    for (i = 0; i < all + extra; i++) {
        w.number = i;
        pid = fork();

        if (pid == 0) {
            child(&w, argv, all, i >= all);
        }

        if (pid == -1) {
            traffic_die("fork", strerror(errno));
        }
    }

    while (atomic_load(&shared->ready) < all + extra
           && waitpid(-1, &status, WNOHANG) <= 0)
    {
        (void) usleep(1000);
    }

    atomic_store(&shared->go, 1);
    failed = 0;

    while (waitpid(-1, &status, 0) > 0) {
        failed |= status;
    }

    if (failed) {
        traffic_die("committers", "one of them failed");
    }

    report(shared, atof(argv[4]));

    return 0;
}
