/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The store as the event loop sees it.  A thread of the worker, the committer,
 * opens the store and applies the intake; with commit=durable another one, the
 * flusher, flushes it.  The event loop takes records, reads snapshots, and is
 * told when what it waits for is on disk.  All functions here are for the event
 * loop and never wait.
 */

#ifndef NGX_HTTP_REFERRAL_WORKER_H
#define NGX_HTTP_REFERRAL_WORKER_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "referral_store.h"
#include "referral_nh.h"


/*
 * Life of a worker; called by the module's init_process and exit_process.
 * exit applies what is in the ring, then returns.
 */

ngx_int_t ngx_http_referral_worker_init(ngx_cycle_t *cycle);
void ngx_http_referral_worker_exit(ngx_cycle_t *cycle);

/* Takes over what a zone had in the cycle before: 1, or 0 when it is new. */
ngx_uint_t ngx_http_referral_zone_kept(ngx_shm_zone_t *zone, void *data);

/* The shared zone of salts and statistics; survives reloads. */
ngx_int_t ngx_http_referral_zone_init(ngx_shm_zone_t *zone, void *data);
ngx_int_t ngx_http_referral_zone_use(ngx_shm_zone_t *zone);


/*
 * A snapshot for this turn of the event loop, NULL while the store cannot be
 * read (not open yet, or broken).  End it before returning to the loop.
 */

referral_snapshot_t *ngx_http_referral_read(void);
void ngx_http_referral_read_end(referral_snapshot_t *snap);

/* The last transaction of the store, 0 while it cannot be read. */

uint64_t ngx_http_referral_last_id(void);

/* The store's number of the index-th program; valid while read() is not NULL. */

uint32_t ngx_http_referral_program_id(ngx_uint_t index);


/*
 * Takes a record.  NGX_OK; NGX_DECLINED when the store is not open or the
 * ring is full: a click is then counted as lost (and logged once a second),
 * an API request answers 503.  record->time is set here.  The committer is
 * woken as `need` asks.
 */

typedef enum {
    NGX_HTTP_REFERRAL_TAKEN = 0,        /* relaxed: within the interval */
    NGX_HTTP_REFERRAL_FLUSHED,          /* in the log, on disk */
    NGX_HTTP_REFERRAL_APPLIED           /* in the store, on disk */
} ngx_http_referral_need_e;

ngx_int_t ngx_http_referral_take(referral_record_t *record,
    ngx_http_referral_need_e need, uint64_t *seq);

/* Whether it is open and at this level or above. */

ngx_uint_t ngx_http_referral_full(referral_level_t level);


/*
 * Waiting for a record.  The waiter is memory of the request; a pool cleanup
 * takes it off the list when the request dies first.  The handler is called
 * on the event loop, once:
 *   rc      NGX_OK: it is on disk; NGX_ERROR: it could not be made so now
 *           (it stays taken and is tried again, so answer 503 "try again");
 *           NGX_ABORT: no answer within NGX_HTTP_REFERRAL_WAIT ms
 *   result  with APPLIED and NGX_OK: the record's result; else NULL
 * The caller keeps the request alive as its phase demands (a content handler
 * raises r->main->count); after the handler ngx_http_run_posted_requests() is
 * called for the connection.
 */

#define NGX_HTTP_REFERRAL_WAIT  5000

typedef struct ngx_http_referral_waiter_s  ngx_http_referral_waiter_t;

typedef void (*ngx_http_referral_waiter_pt)(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result);

struct ngx_http_referral_waiter_s {
    ngx_queue_t                  queue;
    ngx_http_request_t          *request;
    ngx_http_referral_waiter_pt  handler;
    void                        *data;
    uint64_t                     seq;
    ngx_msec_t                   deadline;
    ngx_http_referral_need_e     need;
    unsigned                     waiting:1;
};

ngx_int_t ngx_http_referral_wait(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, uint64_t seq,
    ngx_http_referral_need_e need, ngx_http_referral_waiter_pt handler,
    void *data);


/*
 * The same with APPLIED, for nobody's request: the waiter is memory that lives
 * until the handler is called, which gets no request.
 */

void ngx_http_referral_watch(ngx_http_referral_waiter_t *w, uint64_t seq,
    ngx_http_referral_waiter_pt handler, void *data);


/* 12 characters of base64url, and the bytes they stand for. */

ngx_int_t ngx_http_referral_click_id(
    unsigned char bytes[REFERRAL_CLICK_ID_SIZE], u_char text[12]);

/* Two random 16-byte salts of the day, from the shared zone. */

typedef struct {
    u_char                       today[16];
    u_char                       before[16];
} ngx_http_referral_salts_t;

void ngx_http_referral_salts(ngx_http_referral_salts_t *salts);

/* By which user agents are hashed, in all workers. */
const referral_nh_key_t *ngx_http_referral_agent_key(void);


/*
 * Statistics of all workers, since nginx was started.  add() is atomic.
 */

typedef enum {
    NGX_HTTP_REFERRAL_STAT_LOST = 0,        /* clicks redirected, not counted */
    NGX_HTTP_REFERRAL_STAT_UNFLUSHED,       /* durable clicks answered without
                                               the disk */
    NGX_HTTP_REFERRAL_STAT_COOKIE_INVALID,
    NGX_HTTP_REFERRAL_STAT_TO_REJECTED,
    NGX_HTTP_REFERRAL_STAT_HEADERS_STRIPPED,
    NGX_HTTP_REFERRAL_STAT_COMMITS,
    NGX_HTTP_REFERRAL_STAT_COMMIT_ERRORS,
    NGX_HTTP_REFERRAL_STAT_COMMIT_MS,       /* sum over commits */
    NGX_HTTP_REFERRAL_STAT_RECORDS,
    NGX_HTTP_REFERRAL_STAT_REFUSED,         /* records the store passed over */
    NGX_HTTP_REFERRAL_STAT_RECOVERED,       /* applied for dead workers */
    NGX_HTTP_REFERRAL_STAT_PURGED,          /* clicks deleted */
    NGX_HTTP_REFERRAL_STAT_EVENTS_HEADER,   /* taken from X-Referral-Event */
    NGX_HTTP_REFERRAL_STAT_EVENTS_REFUSED,  /* not taken, or not kept */
    NGX_HTTP_REFERRAL_STAT_EVENTS_LOST,     /* the intake could not take it */
    NGX_HTTP_REFERRAL_STATS
} ngx_http_referral_stat_e;

/* A probe of a link, by whatever worker: now; within so many milliseconds. */
void ngx_http_referral_probed(void);
ngx_uint_t ngx_http_referral_probed_within(ngx_msec_t window);

void ngx_http_referral_stat_add(ngx_http_referral_stat_e stat,
    ngx_atomic_int_t n);
ngx_atomic_uint_t ngx_http_referral_stat(ngx_http_referral_stat_e stat);

/*
 * Health as this worker sees it.  text: what is wrong, one sentence, empty
 * when nothing is.
 */

typedef struct {
    unsigned                     open:1;        /* the store can be read */
    unsigned                     writing:1;     /* the last commit succeeded */
    int64_t                      last_commit;   /* ms since 1970, 0: none */
    uint64_t                     waiting;       /* records not yet applied */
    uint64_t                     ring_used;     /* bytes */
    uint64_t                     ring_size;
    char                         text[320];
} ngx_http_referral_health_t;

void ngx_http_referral_health(ngx_http_referral_health_t *health);


#endif /* NGX_HTTP_REFERRAL_WORKER_H */
