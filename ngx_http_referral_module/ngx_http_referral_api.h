/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The companion endpoint: what its files share.
 *
 *   ngx_http_referral_api_module.c    directive, token file, life of a call
 *   ngx_http_referral_api_routes.c    routes, who may
 *   ngx_http_referral_api_args.c      query parameters
 *   ngx_http_referral_api_path.c      ids in paths
 *   ngx_http_referral_api_page.c      files of pages
 *   ngx_http_referral_api_session.c   sessions of referrers
 *   ngx_http_referral_progress.c      what a referrer sees
 *   ngx_http_referral_api_body.c      request bodies, limits, JSON in
 *   ngx_http_referral_api_signature.c signed bodies, their secrets
 *   ngx_http_referral_api_json.c      JSON out, into a pool
 *   ngx_http_referral_api_answer.c    problem documents, headers, answers
 *   ngx_http_referral_api_fields.c    the fields of a code
 *   ngx_http_referral_api_codes.c     GET of codes
 *   ngx_http_referral_api_write.c     PUT, POST and DELETE of codes
 *   ngx_http_referral_api_batch.c     many codes in one POST, and dry runs
 *   ngx_http_referral_api_query.c     parameters of counters, days
 *   ngx_http_referral_api_counters.c  counters
 *   ngx_http_referral_api_days.c      those of days
 *   ngx_http_referral_api_events.c    those of events and currencies
 *   ngx_http_referral_api_top.c       the largest of them
 *   ngx_http_referral_api_clicks.c    one click
 *   ngx_http_referral_api_leaderboard.c       leaderboards
 *   ngx_http_referral_api_rewards.c   rewards, and what is decided about them
 *   ngx_http_referral_api_journal.c   the journal as a feed
 *   ngx_http_referral_api_export.c    CSV, in many turns of the event loop
 *   ngx_http_referral_api_tables.c    what is in it
 *   ngx_http_referral_api_owners.c    all that is known of one person
 *   ngx_http_referral_api_policy.c    what is kept in browsers and here
 *   ngx_http_referral_share*.c        what it takes to share a code, its page
 *   ngx_http_referral_qr.c            QR codes
 *   ngx_http_referral_api_program.c   the program as it is configured
 *   ngx_http_referral_api_status.c    health and metrics
 *   ngx_http_referral_api_metrics.c   metrics of events and rewards
 *   ngx_http_referral_api_record.c    records taken and waited for
 *   ngx_http_referral_api_conversions.c       events in, one event, held ones
 *   ngx_http_referral_api_refunds.c   refunds in
 *   ngx_http_referral_api_decide.c    held events approved or voided
 */

#ifndef NGX_HTTP_REFERRAL_API_H
#define NGX_HTTP_REFERRAL_API_H

#include "ngx_http_referral_module.h"
#include "ngx_http_referral_web.h"
#include "referral_code_json.h"
#include "referral_event_json.h"
#include "referral_out.h"
#include "referral_signature.h"
#include "referral_tokens.h"

#include <jansson.h>


#define NGX_HTTP_REFERRAL_API_ARGS        7         /* parameters of a route */
#define NGX_HTTP_REFERRAL_API_LIMIT       50        /* items of a list */
#define NGX_HTTP_REFERRAL_API_LIMIT_MAX   250
#define NGX_HTTP_REFERRAL_API_TOP         50        /* rows that are largest */
#define NGX_HTTP_REFERRAL_API_DAYS        400       /* of one range */
#define NGX_HTTP_REFERRAL_API_LINES       1000      /* of one NDJSON body */
#define NGX_HTTP_REFERRAL_API_BODY        (1024 * 1024)


typedef struct ngx_http_referral_api_ctx_s  ngx_http_referral_api_ctx_t;

/*
 * What a handler of a route, or a step before it, returns: NGX_DECLINED, when
 * api->problem says what is wrong and has to be sent; NGX_DONE, when it waits
 * and will call ngx_http_referral_api_finish(); or what sending returned.
 */

typedef ngx_int_t (*ngx_http_referral_api_pt)(
    ngx_http_referral_api_ctx_t *api);


typedef struct {
    ngx_str_t                     field;
    const char                   *message;
} ngx_http_referral_api_error_t;

typedef struct {
    ngx_uint_t                    status;   /* 0: no problem */
    const char                   *code;     /* stable, for programs */
    const char                   *detail;   /* one sentence, for people */
    ngx_array_t                   errors;   /* ngx_http_referral_api_error_t */
} ngx_http_referral_api_problem_t;


typedef enum {
    NGX_HTTP_REFERRAL_API_NO_BODY = 0,
    NGX_HTTP_REFERRAL_API_JSON,
    NGX_HTTP_REFERRAL_API_OPTIONAL,         /* JSON, or nothing at all */
    NGX_HTTP_REFERRAL_API_NDJSON            /* or one JSON object */
} ngx_http_referral_api_body_e;

typedef struct {
    ngx_str_t                     path;     /* "*" in it is an id */
    ngx_uint_t                    method;
    ngx_uint_t                    scope;    /* referral_scope_t */
    ngx_http_referral_api_body_e  body;
    ngx_http_referral_api_pt      handler;
    ngx_str_t                     params[NGX_HTTP_REFERRAL_API_ARGS];
} ngx_http_referral_api_route_t;


/* A location that the endpoint, or a page, answers for. */

typedef struct {
    ngx_http_handler_pt                   handler;  /* NULL: none of ours */
    const char                           *directive;
    ngx_http_referral_place_t             place;    /* of it */
    ngx_http_referral_program_t          *program;
    referral_tokens_t                    *tokens;   /* NULL: auth=off */
    referral_secrets_t                   *secrets;  /* NULL: bodies are not
                                                       signed */
    const char                           *page;     /* below referral_web */
    ngx_http_referral_web_t              *web;      /* NULL: there is none */
    ngx_str_t                             frame;    /* frame-ancestors */
} ngx_http_referral_api_loc_conf_t;


/* One code to be written. */

#define NGX_HTTP_REFERRAL_API_GENERATED   9         /* 44 bits; TRUST.md F12 */

typedef struct {
    ngx_http_referral_api_ctx_t          *api;
    referral_code_change_t                change;
    ngx_http_referral_waiter_t            waiter;
    ngx_http_referral_api_problem_t       problem;
    ngx_uint_t                            line;     /* of an NDJSON body */
    ngx_uint_t                            tries;    /* generated codes, 0:
                                                       the caller named it */
    unsigned                              created:1;
    u_char              generated[NGX_HTTP_REFERRAL_API_GENERATED];
} ngx_http_referral_api_write_t;


struct ngx_http_referral_api_ctx_s {
    ngx_http_request_t                   *request;
    ngx_http_referral_program_t          *program;
    const ngx_http_referral_api_route_t  *route;
    referral_scope_t                      scope;    /* of the caller */
    ngx_str_t                             id;       /* end of the path */
    ngx_str_t                             args[NGX_HTTP_REFERRAL_API_ARGS];
                                                    /* data NULL: absent */
    ngx_str_t                             body;
    ngx_str_t                             etag;     /* empty: no-store */
    ngx_str_t                             allow;    /* of a 405 */
    ngx_http_referral_api_problem_t       problem;
    ngx_http_referral_api_write_t        *writes;
    ngx_uint_t                            nwrites;
    ngx_uint_t                            pending;  /* writes waited for */
    ngx_http_referral_api_pt              answer;   /* when there are none */
    void                                 *export;   /* of a CSV */
    unsigned                              ndjson:1;
    unsigned                              dry_run:1;
    unsigned                              unchanged:1;  /* a 304 is enough */
};


/* ngx_http_referral_api_module.c */

/*
 * For directives that have a location answered: whether it may be, its program,
 * the first argument, its handler, and the page whose files it sends.  Logs
 * what is wrong.
 */
char *ngx_http_referral_api_answer_by(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_referral_api_loc_conf_t *alcf, ngx_http_handler_pt handler,
    const char *page);

/* NULL: no memory. */
ngx_http_referral_api_ctx_t *ngx_http_referral_api_create(
    ngx_http_request_t *r);

/* What a content handler returns: the problem is sent with NGX_DECLINED. */
ngx_int_t ngx_http_referral_api_reply(ngx_http_referral_api_ctx_t *api,
    ngx_int_t rc);

/* Ends a call that waited, with what a handler would have returned. */
void ngx_http_referral_api_finish(ngx_http_referral_api_ctx_t *api,
    ngx_int_t rc);


/* ngx_http_referral_api_routes.c */

/* Token, route, method, scope, parameters; sets api->route. */
ngx_int_t ngx_http_referral_api_check(ngx_http_referral_api_ctx_t *api);

/* A snapshot; NULL: api->problem is set. */
referral_snapshot_t *ngx_http_referral_api_read(
    ngx_http_referral_api_ctx_t *api);

/* The problem of a store that cannot be read; returns NGX_DECLINED. */
ngx_int_t ngx_http_referral_api_unreadable(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_path.c */

/*
 * Whether the path below the location fits the pattern of a route, in which
 * "*" is one segment: *id, decoded.
 */
ngx_uint_t ngx_http_referral_api_path_matches(ngx_http_request_t *r,
    const ngx_str_t *pattern, ngx_str_t *path, ngx_str_t *id);


/* What follows the location in the path. */
void ngx_http_referral_api_path(ngx_http_request_t *r, ngx_str_t *path);


/* ngx_http_referral_api_page.c */

/* Whether the path is that of a file of the page of the endpoint. */
ngx_uint_t ngx_http_referral_api_is_page(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *path);

/*
 * Sends a file of the location's page, see ngx_http_referral_web_send(); or
 * NGX_DECLINED with the problem.
 */
ngx_int_t ngx_http_referral_api_page(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *path, ngx_str_t *frame);

/* Whether the method is GET or HEAD; NGX_DECLINED: the problem is set. */
ngx_int_t ngx_http_referral_api_get_only(ngx_http_referral_api_ctx_t *api);

/* The token of a request; NGX_DECLINED: it has none. */
ngx_int_t ngx_http_referral_api_bearer(ngx_http_request_t *r,
    ngx_str_t *token);


/* ngx_http_referral_api_session.c */

/*
 * POST v1/codes/{code}/session with an optional {"ttl":900}: a token that
 * opens the progress of the code for so many seconds,
 *
 *   {"token":"1.k1.t6x0ah.ANNA42.900..Zm9v...","expires_at":"..."}
 */

ngx_int_t ngx_http_referral_api_session(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_progress.c */

char *ngx_http_referral_progress(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_progress_handler(ngx_http_request_t *r);


/* ngx_http_referral_api_args.c */

/* Those of the route, decoded, into api->args. */
ngx_int_t ngx_http_referral_api_args(ngx_http_referral_api_ctx_t *api);

/* A query parameter by its name, decoded; NULL when it was not given. */
ngx_str_t *ngx_http_referral_api_arg(ngx_http_referral_api_ctx_t *api,
    const char *name);

/*
 * A query parameter that is a number, least being 0 or more.  One that was not
 * given is otherwise, and so is a wrong one, with message in api->problem.
 */
ngx_int_t ngx_http_referral_api_number(ngx_http_referral_api_ctx_t *api,
    const char *name, ngx_int_t least, ngx_int_t most, ngx_int_t otherwise,
    const char *message);

/* limit=, with an error in api->problem when it is not 1 to 250. */
ngx_uint_t ngx_http_referral_api_limit(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_body.c */

/* Content-Type, Content-Encoding and length, before anything is read. */
ngx_int_t ngx_http_referral_api_body_check(ngx_http_referral_api_ctx_t *api);

/* Gathers what was read, in memory and in a file, into api->body. */
ngx_int_t ngx_http_referral_api_body_read(ngx_http_referral_api_ctx_t *api);

/* A JSON object, to be json_decref()ed; NULL: the problem is set. */
json_t *ngx_http_referral_api_object(ngx_str_t *text,
    ngx_http_referral_api_problem_t *problem);


/* ngx_http_referral_api_signature.c */

/* The signature of api->body, where one is demanded. */
ngx_int_t ngx_http_referral_api_signature(ngx_http_referral_api_ctx_t *api);

/* Reads a file of secrets; logs what is wrong. */
char *ngx_http_referral_api_secrets(ngx_conf_t *cf, ngx_str_t *file,
    referral_secrets_t **secrets);


/* ngx_http_referral_api_json.c */

/* Text of an answer, in the pool: referral_out_t's data. */

typedef struct {
    ngx_pool_t                   *pool;
    ngx_chain_t                  *first;
    ngx_chain_t                 **last;
    ngx_buf_t                    *buf;
    off_t                         size;
} ngx_http_referral_text_t;

void ngx_http_referral_out_init(referral_out_t *out, ngx_pool_t *pool);
void ngx_http_referral_out_printf(referral_out_t *out, const char *fmt, ...);
void ngx_http_referral_out_errors(referral_out_t *out, ngx_array_t *errors);


/* ngx_http_referral_api_answer.c */

/* Says what is wrong; returns NGX_DECLINED. */
ngx_int_t ngx_http_referral_api_refuse(
    ngx_http_referral_api_problem_t *problem, ngx_uint_t status,
    const char *code, const char *detail);

/* Adds an error of a field; names that are no plain words are not repeated. */
void ngx_http_referral_api_error(ngx_pool_t *pool,
    ngx_http_referral_api_problem_t *problem, referral_str_t field,
    const char *message);

/* Sends; with api->etag set, the answer may become a 304. */
ngx_int_t ngx_http_referral_api_send(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status, const char *type, referral_out_t *out);
/* The header only; length -1: not known.  As ngx_http_send_header(). */
ngx_int_t ngx_http_referral_api_send_header(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status, const char *type, off_t length);
ngx_int_t ngx_http_referral_api_send_json(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status, referral_out_t *out);
ngx_int_t ngx_http_referral_api_send_problem(
    ngx_http_referral_api_ctx_t *api);

/* Sets api->etag: the program, the transaction of the snapshot, and what else
   the answer depends on; and api->unchanged when the client has that already:
   what is sent is a 304 then, and nothing has to be read for it. */
ngx_int_t ngx_http_referral_api_etag(ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, uint32_t salt);


/* ngx_http_referral_api_fields.c */

/*
 * The fields of a code into a change, in the pool; with_code: the object may
 * name the code.  Errors are added to the problem.
 */
ngx_int_t ngx_http_referral_api_fields(ngx_http_referral_api_ctx_t *api,
    json_t *object, ngx_uint_t with_code, referral_code_change_t *change,
    ngx_http_referral_api_problem_t *problem);


/* ngx_http_referral_api_codes.c */

/* One code of the program; not REFERRAL_OK: api->problem is set. */
referral_rc_t ngx_http_referral_api_code_lookup(
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    referral_str_t name, referral_code_t *code);

void ngx_http_referral_api_code_json(referral_out_t *out,
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    const referral_code_t *code);
ngx_int_t ngx_http_referral_api_code_get(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_code_list(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_write.c */

/*
 * PUT v1/codes/{code} creates (201; "owner" is required) or changes (200) a
 * code; fields that are absent keep their value, null clears name or landing.
 * An ended code is 409 "code_ended".  DELETE ends a code, 204 each time.
 *
 * POST v1/codes only creates: application/json is one code, 201, with a
 * generated name unless "code" is given; there already: 409 "code_exists".
 * application/x-ndjson is up to 1000 codes, one a line, each on its own:
 * what is wrong with one does not stop the others.  The answer is 200:
 *
 *   {"data":[{"line":1,"status":201,"code":"ANNA42"},
 *            {"line":2,"status":422,"error":{"code":"invalid_fields",
 *             "detail":"...","errors":[{"field":"owner","message":"..."}]}}],
 *    "created":1,"failed":1,"dry_run":false}
 *
 * ?dry_run=1, of either type, gets this answer with nothing done; codes that
 * would be generated have no name there.
 */

ngx_int_t ngx_http_referral_api_code_put(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_code_post(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_code_delete(ngx_http_referral_api_ctx_t *api);

/* Hands the writes without a problem to the store; api->answer follows. */
ngx_int_t ngx_http_referral_api_submit(ngx_http_referral_api_ctx_t *api);

/* The fields of a new code, of which the owner is required. */
void ngx_http_referral_api_new_code(ngx_http_referral_api_write_t *write,
    ngx_str_t *text);


/* ngx_http_referral_api_batch.c */

/* One write for each line of api->body that is not blank. */
ngx_int_t ngx_http_referral_api_lines(ngx_http_referral_api_ctx_t *api);

/* What submitting would find, without it. */
ngx_int_t ngx_http_referral_api_dry_run(ngx_http_referral_api_ctx_t *api);

/* The answer with the outcome of each line. */
ngx_int_t ngx_http_referral_api_outcomes(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_query.c */

typedef enum {
    NGX_HTTP_REFERRAL_BY_DAY = 0,           /* as referral_dim_t */
    NGX_HTTP_REFERRAL_BY_HOUR,
    NGX_HTTP_REFERRAL_BY_CHANNEL,
    NGX_HTTP_REFERRAL_BY_LANDING,
    NGX_HTTP_REFERRAL_BY_CODE,
    NGX_HTTP_REFERRAL_BY_CLASS,
    NGX_HTTP_REFERRAL_BY_EVENT,
    NGX_HTTP_REFERRAL_BY_CURRENCY,
    NGX_HTTP_REFERRAL_BY_NOTHING
} ngx_http_referral_by_e;

typedef struct {
    ngx_http_referral_api_ctx_t          *api;
    ngx_http_referral_by_e                by;
    uint32_t                              from;     /* days; both 0: all time */
    uint32_t                              to;
    uint32_t                              today;    /* when to follows the
                                                       clock; or 0 */
    uint32_t                              after;    /* rows passed over; or
                                                       the id of a code */
    ngx_uint_t                            limit;
    ngx_uint_t                            top;      /* 0: all rows */
} ngx_http_referral_api_query_t;

/* As "by" names them. */
extern const char *const  ngx_http_referral_api_dims[];

ngx_int_t ngx_http_referral_api_query(ngx_http_referral_api_query_t *query);


/* ngx_http_referral_api_counters.c */

/*
 * GET v1/counters
 *
 *   by     none: one row, the total; or day, hour, code, channel, landing,
 *          class, event, currency.  hour is kept for the program as a whole
 *          only, and code cannot be combined with code=.
 *   from   RFC 3339 date or date-time; counted are whole days, UTC, both ends
 *   to     included, at most 400 of them.  Without both: all time; without
 *          to: until today; without from: 400 days.
 *   code   counters of this code only
 *   limit  rows, 1 to 250, 50 when absent
 *   after  "next" of the answer before
 *   top    1 to 50: of codes, channels and landings those with most human
 *          clicks, most first; one page, without limit and after
 *
 *   {"program":"friends","code":null,"by":"day","from":"2026-11-01",
 *    "to":"2026-11-22",
 *    "data":[{"day":"2026-11-21","clicks":{"total":12,"human":9,"unique":7,
 *             "classes":{"human":9,"preview":1,"crawler":2}},
 *             "events":{"signup":{"count":2,"counted":1}}}],
 *    "next":null}
 *
 * The name of a row is a member called as `by` says: "day":"2026-11-21",
 * "hour":"2026-11-21T10:00:00Z", "code":"ANNA42", "channel":"wa" or null for
 * links without one, "landing":"/welcome", "class":"human".  What has no
 * clicks has no row; but of classes there is a row each, always, and its
 * clicks have a total only.  With all time, from and to are null.  Of a day's
 * events, those "counted" are pending or approved.
 *
 * Rows of events and of currencies have no clicks:
 *
 *   {"event":"purchase","count":2,"pending":1,"approved":1,"held":0,
 *    "refunded":0,"unattributed":0,"rejected":0,"points":20,
 *    "amounts":{"EUR":{"count":2,"gross":9998,"refunded":0}},
 *    "unattributed_amounts":{}}
 *   {"currency":"EUR","count":2,"gross":9998,"refunded":0}
 */

ngx_int_t ngx_http_referral_api_counters(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_clicks.c */

ngx_int_t ngx_http_referral_api_click(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_leaderboard.c */

/*
 * GET v1/leaderboard
 *
 *   period  all (when absent), a month as YYYY-MM, UTC, or the name of a
 *           contest; one that was never declared is 404 "contest_not_found"
 *   limit, after   as of lists; "next" is of this period only
 *
 *   {"program":"friends","period":"autumn","from":"2026-09-01T00:00:00Z",
 *    "to":"2026-12-01T00:00:00Z","frozen":false,
 *    "as_of":"2026-11-22T10:00:00Z",
 *    "data":[{"rank":1,"code":"ANNA42","name":"Anna","points":25}],
 *    "next":null}
 *
 * Codes with as many points have the same rank, the next has that of its
 * place: 1, 1, 3.  frozen: the contest has ended, nothing changes it.  from
 * and to are null for all time, and for a contest that is not configured any
 * more.
 */

ngx_int_t ngx_http_referral_api_leaderboard(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_rewards.c */

/*
 * GET v1/rewards, one, and POST v1/rewards/{id}/approve, /claim and /void with
 * an optional {"reason"}.  What is so already is a "duplicate"; what the state
 * does not allow is 409 "reward_state".
 */

ngx_int_t ngx_http_referral_api_reward_list(ngx_http_referral_api_ctx_t *api);

/* state=, with an error in api->problem when it is none; -1: absent. */
int ngx_http_referral_api_reward_state(ngx_http_referral_api_ctx_t *api);

ngx_int_t ngx_http_referral_api_reward_get(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_reward_approve(
    ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_reward_claim(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_reward_void(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_journal.c */

/*
 * GET v1/journal: entries after a sequence as NDJSON, in order; the last line
 * is {"next":SEQ,"more":bool}.
 */

ngx_int_t ngx_http_referral_api_journal(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_tables.c */

ngx_int_t ngx_http_referral_api_export_conversions(
    ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_export_rewards(
    ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_export_codes(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_export_counters(
    ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_owners.c */

/*
 * GET v1/owners/{owner}: one document of all that the store has of a person
 * in the program, as the owner of codes and as a customer, and of nobody else:
 *
 *   {"program":"friends","owner":"u1",
 *    "codes":[as GET v1/codes/{code}],
 *    "rewards":[of these codes, without the friend's order, id and a reason],
 *    "binding":{"code":"BOB7","from":"...","until":"..."} or null,
 *    "events":[their own, as GET v1/conversions/{order_id}, with "refunds"
 *              and only the rewards of the friend]}
 *
 * 404 "owner_not_found" when there is nothing.
 */

ngx_int_t ngx_http_referral_api_owner(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_policy.c */

/* GET v1/policy: cookies and retention, for consent tools. */

ngx_int_t ngx_http_referral_api_policy(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_program.c */

/* GET v1/program: names of its rules, and the scope of the token in use. */

ngx_int_t ngx_http_referral_api_program(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_status.c */

ngx_int_t ngx_http_referral_api_health(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_metrics(ngx_http_referral_api_ctx_t *api);

/* The head of a family of metrics, and the open label set of a sample. */
void ngx_http_referral_api_family(referral_out_t *out,
    const char *name, const char *type, const char *help);
void ngx_http_referral_api_label(referral_out_t *out,
    ngx_str_t *program);


/* ngx_http_referral_api_metrics.c */

/* Events, amounts and rewards of the program, while they can be read. */
void ngx_http_referral_api_event_metrics(referral_out_t *out,
    ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_conversions.c */

/*
 * POST v1/conversions reports an event: 201, 202 when it is held, 200 when it
 * was there before.  GET v1/conversions/{order_id} is one, and
 * GET v1/conversions?status=held those that wait for a decision, the oldest
 * first.
 */

ngx_int_t ngx_http_referral_api_conversion_post(
    ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_conversion_get(
    ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_conversion_list(
    ngx_http_referral_api_ctx_t *api);

/* The answer about the order api->id; 201 becomes 202 when it is held. */
ngx_int_t ngx_http_referral_api_conversion_answer(
    ngx_http_referral_api_ctx_t *api, ngx_uint_t status, ngx_uint_t duplicate);

/* The order api->id; an awaited one is not found. */
referral_rc_t ngx_http_referral_api_conversion_find(
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    referral_conversion_t *conversion);

ngx_int_t ngx_http_referral_api_conversion_missing(
    ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_refunds.c */

ngx_int_t ngx_http_referral_api_refund_post(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_decide.c */

/*
 * The "reason" of a body, which may be empty or absent; *object holds it, and
 * is to be json_decref()ed when it is not NULL.
 */
ngx_int_t ngx_http_referral_api_reason(ngx_http_referral_api_ctx_t *api,
    json_t **object, referral_str_t *reason);

/* POST v1/conversions/{order_id}/approve and /void, for held ones. */
ngx_int_t ngx_http_referral_api_conversion_approve(
    ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_conversion_void(
    ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_api_record.c */

/*
 * Takes a record and waits until it is applied; handler then answers as a
 * route's handler does, with a problem instead when the store did not say.
 * Returns NGX_DONE, or NGX_DECLINED with the problem.
 */

typedef ngx_int_t (*ngx_http_referral_api_applied_pt)(
    ngx_http_referral_api_ctx_t *api, const referral_result_t *result,
    void *data);

ngx_int_t ngx_http_referral_api_record(ngx_http_referral_api_ctx_t *api,
    referral_record_t *record, ngx_http_referral_api_applied_pt handler,
    void *data);

/* The problem of a record whose outcome is not known. */
ngx_int_t ngx_http_referral_api_unsure(ngx_http_referral_api_ctx_t *api);

/* Errors into the problem; NGX_DECLINED when there are any, else NGX_OK. */

ngx_int_t ngx_http_referral_api_field_errors(ngx_http_referral_api_ctx_t *api,
    const referral_field_errors_t *errors);


#define ngx_http_referral_text(s)                                             \
    (referral_str_t) { sizeof(s) - 1, (const unsigned char *) (s) }


#endif /* NGX_HTTP_REFERRAL_API_H */
