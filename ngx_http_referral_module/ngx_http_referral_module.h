/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files of the module share: configuration, the state of a request,
 * and who offers what.  Which room holds what:
 *
 *   ngx_http_referral_module.c    directives, merging, phases, life cycle
 *   ngx_http_referral_conf.c      referral_store, referral_key_file, referral
 *   ngx_http_referral_directory.c where the store may be, and whose it is
 *   ngx_http_referral_program.c   the referral_program block
 *   ngx_http_referral_program_rules.c, _urls.c, _bots.c, _cookie.c, _events.c,
 *                                 _rewards.c, _retention.c, _velocity.c,
 *                                 _share.c, _share_link.c, _share_guess.c,
 *                                 _params.c   its directives
 *   ngx_http_referral_link.c      a hit on a link or on ?ref=, its answer
 *   ngx_http_referral_hit.c       its code, touch and record
 *   ngx_http_referral_known.c     codes this worker was asked for lately
 *   ngx_http_referral_classify.c  its class
 *   ngx_http_referral_target.c    where it leads
 *   ngx_http_referral_ticket.c    a touch that waits for consent
 *   ngx_http_referral_visitor.c   cookie of this request, consent, touches
 *   ngx_http_referral_network.c   the salted hashes of visitor and network
 *   ngx_http_referral_rates.c     how often something happened lately
 *   ngx_http_referral_velocity.c  what is too much of it
 *   ngx_http_referral_headers.c   X-Referral-* to the storefront
 *   ngx_http_referral_filter.c    what the client is told
 *   ngx_http_referral_event.c     X-Referral-Event of a storefront's answer
 *   ngx_http_referral_vars.c      $referral_*
 *   ngx_http_referral_web.c       the files of pages; _web_read.c where from
 *   ngx_http_referral_worker.c    the event loop's side of the store
 *   ngx_http_referral_waiters.c   those who wait for the disk; the timers
 *   ngx_http_referral_committer.c the thread that applies what is taken
 *   ngx_http_referral_house.c     its housekeeping
 *   ngx_http_referral_purge.c     what it does about old clicks
 *   ngx_http_referral_growth.c    a map that has become too small
 *   ngx_http_referral_flusher.c   the thread that flushes durable clicks
 *   ngx_http_referral_news.c      the mailbox of the threads
 *   ngx_http_referral_shared.c    salts, ids and statistics of all workers
 */

#ifndef NGX_HTTP_REFERRAL_MODULE_H
#define NGX_HTTP_REFERRAL_MODULE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "referral_store.h"
#include "referral_keys.h"
#include "referral_pattern.h"
#include "referral_cookie.h"
#include "referral_target.h"
#include "referral_classify.h"
#include "ngx_http_referral_worker.h"


#define NGX_HTTP_REFERRAL_PREFETCH_REFUSE    0
#define NGX_HTTP_REFERRAL_PREFETCH_REDIRECT  1

#define NGX_HTTP_REFERRAL_SECURE_AUTO        0
#define NGX_HTTP_REFERRAL_SECURE_ON          1
#define NGX_HTTP_REFERRAL_SECURE_OFF         2

#define NGX_HTTP_REFERRAL_SAMESITE_LAX       0
#define NGX_HTTP_REFERRAL_SAMESITE_STRICT    1


typedef struct {
    referral_pattern_t          *pattern;
    ngx_str_t                    regex;         /* as configured */
    ngx_uint_t                   status;        /* 302, 303, 307 */
} ngx_http_referral_link_t;


typedef struct {
    ngx_str_t                    name;          /* over TLS, with its prefix */
    ngx_str_t                    plain_name;    /* over plain HTTP */
    ngx_str_t                    domain;        /* empty: host only */
    ngx_str_t                    path;
    ngx_uint_t                   samesite;
    ngx_uint_t                   secure;
    ngx_str_t                    attributes[2]; /* behind the value; of plain
                                                   HTTP, and of TLS */
} ngx_http_referral_cookie_conf_t;


/* Where something stands in the configuration. */

typedef struct {
    u_char                      *file;
    ngx_uint_t                   line;
} ngx_http_referral_place_t;


/* So many in that time. */

typedef struct {
    ngx_uint_t                   n;             /* 0: any number */
    ngx_msec_t                   window;
} ngx_http_referral_limit_t;


typedef struct {
    ngx_http_referral_limit_t    clicks;        /* of a network */
    ngx_http_referral_limit_t    code_clicks;   /* of a code */
    ngx_http_referral_limit_t    conversions;   /* of either */
    ngx_http_referral_limit_t    unknown;       /* of a network */
    unsigned                     set:1;
} ngx_http_referral_velocity_t;


/* Texts of a program in several languages. */

typedef struct {
    ngx_array_t                  tags;          /* referral_str_t; empty: of
                                                   no language */
    ngx_array_t                  texts;         /* referral_str_t */
    ngx_array_t                  places;        /* ngx_http_referral_place_t */
} ngx_http_referral_phrases_t;


/* What is shared of a code. */

typedef struct {
    ngx_str_t                    link;          /* with {code}, maybe with
                                                   {channel}; empty: none */
    ngx_str_t                    plain;         /* the same without channel */
    size_t                       origin;        /* bytes of it */
    ngx_uint_t                   channels;      /* bits: those it takes */
    ngx_http_referral_place_t    place;         /* of share_link */
    ngx_http_referral_phrases_t  messages;
    ngx_http_referral_phrases_t  disclosures;
    ngx_str_t                    terms;         /* absolute URL; empty: none */
    referral_str_t               reward;        /* of the friend; or empty */
} ngx_http_referral_share_conf_t;


typedef struct {
    ngx_str_t                    name;
    ngx_uint_t                   index;         /* among the programs */
    u_char                      *file;          /* where it was declared */
    ngx_uint_t                   line;

    ngx_array_t                  links;         /* ngx_http_referral_link_t */
    ngx_array_t                  params;        /* referral_str_t */
    ngx_str_t                    landing;       /* absolute URL, ASCII */
    ngx_str_t                    location;      /* the landing, of a link that
                                                   passes nothing on */
    ngx_str_t                    label;         /* of the landing */
    ngx_str_t                    base;          /* scheme://host[:port] */
    ngx_flag_t                   to;
    ngx_array_t                  to_prefixes;   /* ngx_str_t; none: any path */
    referral_pass_t              pass;
    ngx_flag_t                   open;          /* codes open */
    ngx_flag_t                   case_sensitive;
    ngx_uint_t                   attribution;   /* referral_model_t */
    time_t                       window;        /* seconds */
    time_t                       unique;        /* seconds, 0: off */
    time_t                       retention;     /* of clicks; seconds, 0: off */
    ngx_http_referral_place_t    retained;      /* by; file NULL: by default */
    ngx_http_referral_cookie_conf_t  cookie;
    ngx_uint_t                   prefetch;
    ngx_flag_t                   gpc_ignore;
    unsigned                     asks:1;        /* for consent, some page */
    unsigned                     assumes:1;     /* it, some page */
    referral_agents_t           *agents;        /* NULL: bots off */
    ngx_array_t                  ban_referers;  /* char *, of hosts */
    ngx_http_referral_velocity_t  velocity;
    unsigned                     reviewed:1;    /* by "review" */
    referral_rules_t            *rules;         /* about events */
    ngx_array_t                  rewards;       /* ngx_http_referral_place_t,
                                                   of the rules' rewards */
    ngx_http_referral_share_conf_t  share;
} ngx_http_referral_program_t;


/* A parameter "name=value": what takes the value, or says what is wrong. */

typedef struct {
    ngx_str_t                    name;          /* with "=" */
    const char                *(*set)(void *rule, ngx_str_t *value);
} ngx_http_referral_rule_param_t;


typedef struct {
    ngx_str_t                    store;         /* directory; empty: none */
    ngx_str_t                    store_real;    /* without symbolic links */
    ngx_str_t                    store_plain;   /* without "." and ".." */
    ngx_http_referral_place_t    store_place;
    u_char                      *root;          /* last one compared with it */
    size_t                       map_size;
    size_t                       intake_size;
    ngx_str_t                    intake_path;
    ngx_msec_t                   interval;
    ngx_msec_t                   interval_max;
    ngx_flag_t                   durable;       /* commit=durable */

    ngx_str_t                    key_file;
    referral_keys_t             *keys;

    referral_agents_t           *agents;        /* the built-in list */

    ngx_array_t                  programs;      /* pointers */
    ngx_array_t                  references;    /* by `referral`, resolved when
                                                   all programs are known */
    ngx_shm_zone_t              *zone;          /* salts and statistics */
    ngx_shm_zone_t              *rates;         /* how often lately */
    ngx_core_conf_t             *core;          /* user of the workers */
    ngx_uint_t                   used;          /* a location has a program */

    ngx_str_t                    web;           /* directory of the pages */
    ngx_array_t                 *pages;         /* of it that were read */
    ngx_uint_t                   pageless;      /* the endpoint, and it was
                                                   said */
} ngx_http_referral_main_conf_t;


typedef struct {
    ngx_http_referral_program_t *program;       /* NULL: off */
    ngx_flag_t                   headers;
    ngx_http_complex_value_t    *consent;       /* NULL: given */
    ngx_http_referral_place_t    asked;         /* for consent; by */
    ngx_flag_t                   pass;          /* missing=pass */
    ngx_http_complex_value_t    *customer;
    unsigned                     strip:1;       /* here or above, referral is
                                                   on: take X-Referral-* away */
    unsigned                     pageless:1;    /* no page is answered by it */
} ngx_http_referral_loc_conf_t;


/* A `referral` that names a program, which may be declared further down. */

typedef struct {
    ngx_http_referral_loc_conf_t  *conf;
    ngx_str_t                    name;
    u_char                      *file;
    ngx_uint_t                   line;
} ngx_http_referral_reference_t;


/*
 * State of a main request.  Lives in a pool cleanup record, because an
 * internal redirect clears the module contexts.  Made on first need.
 */

typedef enum {
    NGX_HTTP_REFERRAL_LINK_NONE = 0,            /* not a link */
    NGX_HTTP_REFERRAL_LINK_WAITING,             /* for the disk */
    NGX_HTTP_REFERRAL_LINK_READY,               /* to be answered */
    NGX_HTTP_REFERRAL_LINK_DONE                 /* never looked at again */
} ngx_http_referral_link_state_e;

typedef struct {
    ngx_http_referral_program_t *program;       /* the cookie was read for */
    referral_touches_t          *touches;       /* with VALID; headers point
                                                   into them: replaced, but
                                                   never changed */
    ngx_str_t                    token;         /* the value, with VALID */
    referral_cookie_status_t     cookie;
    ngx_http_referral_loc_conf_t  *conf;        /* consent was asked for by */
    unsigned                     consent:1;
    unsigned                     unasked:1;     /* neither given nor refused */
    unsigned                     looked:1;      /* at the headers, for: */
    unsigned                     gpc:1;         /* Sec-GPC: 1 */
    unsigned                     cookies:1;     /* any Cookie */
    unsigned                     cookie_read:1;
    unsigned                     ticket_read:1; /* that of the Referer */
    unsigned                     entered:1;     /* PREACCESS has run once */
    ngx_str_t                    cache;         /* Cache-Control of the answer;
                                                   empty: not our affair */
    unsigned                     noindex:1;
    ngx_http_upstream_t         *reported;      /* whose events were taken */

    ngx_http_referral_link_state_e  link_state;
    ngx_uint_t                   status;        /* of the answer to a link */
    ngx_str_t                    location;      /* empty: none */
    ngx_str_t                    set_cookie;    /* empty: none */
    ngx_int_t                    class;         /* referral_class_t, or -1 */
    ngx_http_referral_waiter_t   waiter;
} ngx_http_referral_ctx_t;


extern ngx_module_t  ngx_http_referral_module;
extern ngx_module_t  ngx_http_referral_api_module;


/* ngx_http_referral_module.c */

/* The state of r->main, made when create is set; NULL: none or no memory. */
#define ngx_http_referral_get_ctx(r, create)                                  \
    (ngx_http_get_module_ctx((r)->main, ngx_http_referral_module) != NULL     \
     ? ngx_http_get_module_ctx((r)->main, ngx_http_referral_module)           \
     : ngx_http_referral_find_ctx(r, create))

/* The same, when an internal redirect has cleared the contexts. */
ngx_http_referral_ctx_t *ngx_http_referral_find_ctx(ngx_http_request_t *r,
    ngx_uint_t create);

ngx_http_referral_program_t *ngx_http_referral_find_program(
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name);


/* ngx_http_referral_conf.c */

char *ngx_http_referral_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_key_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_consent_string(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Consent of a location, merged; logs what is wrong. */
ngx_int_t ngx_http_referral_consent_merge(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *prev, ngx_http_referral_loc_conf_t *conf);

/*
 * Reads a regular file named in the configuration, relative to its directory.
 * secret: group and others must have no access; otherwise they may read it.
 * Logs what is wrong.  The text is wiped when the configuration has been read.
 */
ngx_int_t ngx_http_referral_read_file(ngx_conf_t *cf, ngx_str_t *name,
    ngx_uint_t secret, ngx_str_t *text);

/* Logs what is wrong with its content, line 0: as a whole; NGX_CONF_ERROR. */
char *ngx_http_referral_file_wrong(ngx_conf_t *cf, ngx_str_t *name,
    unsigned line, const char *why);


/* ngx_http_referral_directory.c */

/* Takes the path, without slashes at its end; logs what is wrong with it. */
ngx_int_t ngx_http_referral_directory_set(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *path);

/*
 * Whether nginx could send the files of the store from the location that is
 * merged now; logs it.
 */
ngx_int_t ngx_http_referral_directory_hidden(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);

/* Whether it may be the workers', of whom "user" is known; logs why not. */
ngx_int_t ngx_http_referral_directory_check(
    ngx_http_referral_main_conf_t *rmcf, ngx_log_t *log);

/* Makes it the workers', when it was checked; logs what is wrong. */
void ngx_http_referral_directory(ngx_http_referral_main_conf_t *rmcf,
    ngx_log_t *log);


/* ngx_http_referral_program.c */

char *ngx_http_referral_program_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


/* Directives of the block; those that end with _end complete it. */

/* ngx_http_referral_program_rules.c */

char *ngx_http_referral_param(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_to(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_pass_args(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_window(ngx_conf_t *cf, void *post, void *data);
char *ngx_http_referral_unique(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_pass_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);

/* ngx_http_referral_program_bots.c */

char *ngx_http_referral_bots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_ban_referer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_agents_end(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf,
    ngx_http_referral_program_t *program);

/* ngx_http_referral_program_urls.c */

char *ngx_http_referral_link(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_base(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_landing(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_landing_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);

/*
 * Splits a URL into "scheme://host[:port]", in lower case and without a
 * default port, so that origins can be compared, and what follows.  url is
 * terminated.  Returns NULL, or what is wrong.
 */
const char *ngx_http_referral_origin(ngx_pool_t *pool, ngx_str_t *url,
    ngx_str_t *origin, ngx_str_t *rest);

/* ngx_http_referral_program_events.c */

char *ngx_http_referral_event(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_tier(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_contest(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_self(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_referral_bind(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_referral_rules_create(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);
ngx_int_t ngx_http_referral_rules_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);

/* ngx_http_referral_program_rewards.c */

char *ngx_http_referral_reward(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_rewards_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);

/* ngx_http_referral_program_retention.c */

char *ngx_http_referral_retention(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_referral_retention_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);

/* ngx_http_referral_program_velocity.c */

char *ngx_http_referral_velocity_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_review(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_referral_program_share.c */

char *ngx_http_referral_message(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_disclosure(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_referral_terms(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Of the base, the links and the rewards of the program. */
ngx_int_t ngx_http_referral_share_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);

/* ngx_http_referral_program_share_link.c */

char *ngx_http_referral_share_link_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_share_link_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);

/* ngx_http_referral_program_params.c: for directives that name a rule */

/*
 * Looks at the name, the first argument: whether it is one, not yet among the
 * n of the list (see referral_rules_find()), and there is room for it.  Logs
 * what is wrong.
 */
ngx_int_t ngx_http_referral_rule_name(ngx_conf_t *cf, const void *list,
    size_t size, ngx_uint_t n, ngx_uint_t max);

/*
 * Sets the parameters behind the name; bit i of seen: the i-th of the table
 * was among them.  Logs what is wrong.
 */
ngx_int_t ngx_http_referral_rule_params(ngx_conf_t *cf,
    const ngx_http_referral_rule_param_t *params, void *rule,
    ngx_uint_t *seen);

/* The same of a directive that has no name. */
ngx_int_t ngx_http_referral_params(ngx_conf_t *cf,
    const ngx_http_referral_rule_param_t *params, void *rule);

/* Values; 0: it is no such thing.  A time is at most REFERRAL_HOLD_MAX. */
ngx_uint_t ngx_http_referral_rule_number(ngx_str_t *s, ngx_int_t min,
    ngx_int_t max, ngx_int_t *n);
ngx_uint_t ngx_http_referral_rule_time(ngx_str_t *s, ngx_int_t min,
    uint32_t *seconds);
ngx_uint_t ngx_http_referral_rule_is(ngx_str_t *s, const char *word);

/* ngx_http_referral_program_cookie.c */

char *ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_cookie_end(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf,
    ngx_http_referral_program_t *program);


/* ngx_http_referral_link.c: the PRECONTENT handler */

ngx_int_t ngx_http_referral_link_handler(ngx_http_request_t *r);

/*
 * The link of the program that a decoded path is, with the parts of the path
 * that are its code and channel; NULL: none.
 */
ngx_http_referral_link_t *ngx_http_referral_match(
    ngx_http_referral_program_t *program, ngx_str_t *path,
    referral_str_t *code, referral_str_t *channel, ngx_log_t *log);

/*
 * NGX_OK: the target, a path and what follows it, is a link itself;
 * NGX_DECLINED: it is not; NGX_ERROR: no memory.  path: its decoded path.
 */
ngx_int_t ngx_http_referral_is_link(ngx_pool_t *pool,
    ngx_http_referral_program_t *program, ngx_str_t *target, ngx_str_t *path,
    ngx_log_t *log);


/* ngx_http_referral_target.c: where most links of a program lead */

ngx_int_t ngx_http_referral_landing_plain(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);


/*
 * error_log escapes nothing: the beginning of a text, fit for it.  out holds
 * four times NGX_HTTP_REFERRAL_LOG_TEXT bytes; returns the length.
 */

#define NGX_HTTP_REFERRAL_LOG_TEXT  64

size_t ngx_http_referral_printable(ngx_str_t *s, u_char *out);


/* ngx_http_referral_visitor.c */

/*
 * Reads consent and, if it is given, the cookie of the request for the program
 * of its location; each once.  NULL: out of memory.
 */
ngx_http_referral_ctx_t *ngx_http_referral_visitor(ngx_http_request_t *r,
    ngx_http_referral_program_t *program);

/* The browser holds a cookie of the program, and consent does not cover it;
   with missing=pass, it is refused. */
ngx_uint_t ngx_http_referral_withdrawn(ngx_http_request_t *r,
    ngx_http_referral_program_t *program);

/* Takes the ticket of the page the visitor came from.  NGX_ERROR: out of
   memory. */
ngx_int_t ngx_http_referral_ticket_referer(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_program_t *program);

/* Valid touches that consent lets us use; NULL otherwise. */
referral_touches_t *ngx_http_referral_credited(ngx_http_request_t *r);

/* The name of the program's cookie on this connection. */
ngx_str_t *ngx_http_referral_cookie_name(ngx_http_request_t *r,
    ngx_http_referral_program_t *program);

/*
 * The text of Set-Cookie for the touches, and the value within it; remove: the
 * text that deletes.  NGX_DECLINED: signing failed.
 */
ngx_int_t ngx_http_referral_set_cookie(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_touches_t *touches,
    ngx_str_t *token, ngx_str_t *out);
ngx_int_t ngx_http_referral_remove_cookie(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, ngx_str_t *out);

/* What follows the value in Set-Cookie. */
ngx_int_t ngx_http_referral_cookie_attributes(ngx_pool_t *pool,
    ngx_http_referral_cookie_conf_t *conf, time_t age, ngx_uint_t secure,
    ngx_str_t *out);

/* The first header of that lower-case name the client sent; or empty. */
referral_str_t ngx_http_referral_header(ngx_http_request_t *r,
    const char *name, size_t len);

/* How many lines of that name there are; value: of the last one. */
ngx_uint_t ngx_http_referral_header_lines(ngx_http_request_t *r,
    const char *name, size_t len, ngx_str_t *value);


/* ngx_http_referral_network.c */

/* A hash of the beginning of a user agent, the same in all workers. */
void ngx_http_referral_agent(referral_str_t user_agent, referral_nh_t *hash);

/* Salted hashes of address and user agent, today's and yesterday's salt. */
void ngx_http_referral_visitor_hash(ngx_http_request_t *r,
    const referral_nh_t *agent, uint64_t *today, uint64_t *before);

/*
 * What something of the network of a request is counted by: a hash of today's
 * salt.  block 0: the IPv4 address or the /64 of an IPv6 one; 1: its /24 or
 * /48.  what: what for, less than 16 characters; extra: what else tells one
 * counter from another.  r NULL: of no network.
 */
uint64_t ngx_http_referral_network_key(ngx_http_request_t *r, ngx_uint_t block,
    const char *what, const void *extra, size_t len);

/* The network as text, for limit_req_zone: an IPv4 address, a /64 of IPv6. */
ngx_int_t ngx_http_referral_client_key(ngx_http_request_t *r,
    ngx_str_t *key);


/* ngx_http_referral_rates.c */

ngx_int_t ngx_http_referral_rates_zone(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
void ngx_http_referral_rates_use(ngx_shm_zone_t *zone);

/*
 * Adds to the counter of the key, gives back or only asks; returns how many it
 * has in the window of so many milliseconds that ends now.
 */
ngx_uint_t ngx_http_referral_rate(uint64_t key, ngx_msec_t window,
    ngx_int_t add);


/* ngx_http_referral_velocity.c */

/* What an event took of what its network and code may have. */

typedef struct {
    uint64_t                     order;
    uint64_t                     keys[2];
    ngx_uint_t                   n;
    ngx_msec_t                   window;
} ngx_http_referral_events_taken_t;

/*
 * Counts an event, of the visitor's request r (NULL: it is not theirs), and
 * marks it when there were too many lately; one that is known takes nothing.
 * Gives back what it took, when nothing came of it.
 */
void ngx_http_referral_velocity_event(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_event_t *event,
    ngx_http_referral_events_taken_t *taken);
void ngx_http_referral_velocity_return(
    ngx_http_referral_events_taken_t *taken);


/* ngx_http_referral_headers.c */

/* SERVER_REWRITE and REWRITE; PREACCESS */
ngx_int_t ngx_http_referral_strip_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_referral_strip_again_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_referral_add_handler(ngx_http_request_t *r);

/*
 * Compares a name as CGI, FastCGI and WSGI would see it: upper and lower case
 * are one there, and everything but letters and digits is one character, "-"
 * in name.  prefix: more may follow, behind such a character.
 */
ngx_uint_t ngx_http_referral_named(ngx_str_t *key, const char *name,
    ngx_uint_t prefix);


/* ngx_http_referral_filter.c */

ngx_int_t ngx_http_referral_filter_init(ngx_conf_t *cf);

/* Adds a header to the answer; its name is a literal, or stays. */
#define ngx_http_referral_push_out(r, name, value)                            \
    ngx_http_referral_push_header(r, (ngx_str_t) ngx_string(name), value)
ngx_table_elt_t *ngx_http_referral_push_header(ngx_http_request_t *r,
    ngx_str_t name, const ngx_str_t *value);


/* ngx_http_referral_event.c */

/*
 * Takes the events that the upstream of a main request reports in its answer,
 * once, where the location has a program.  Nothing here stops the answer.
 */
void ngx_http_referral_take_events(ngx_http_request_t *r);

/*
 * What became of the token of an event; the touches of a valid one must live
 * as long as the event.
 */
void ngx_http_referral_event_token(referral_event_t *event,
    referral_cookie_status_t status, const referral_touches_t *touches);

/* A random number, for surprise gifts. */
ngx_int_t ngx_http_referral_draw(uint64_t *draw);


/* ngx_http_referral_vars.c */

ngx_int_t ngx_http_referral_add_variables(ngx_conf_t *cf);

/* What the storefront is told of the credited touches; may be empty. */

typedef enum {
    NGX_HTTP_REFERRAL_PROGRAM = 0,
    NGX_HTTP_REFERRAL_CODE,
    NGX_HTTP_REFERRAL_CHANNEL,
    NGX_HTTP_REFERRAL_CLICK,
    NGX_HTTP_REFERRAL_TIME,
    NGX_HTTP_REFERRAL_FIRST_CODE,
    NGX_HTTP_REFERRAL_TOKEN,
    NGX_HTTP_REFERRAL_VALUES
} ngx_http_referral_value_e;

ngx_int_t ngx_http_referral_value(ngx_http_request_t *r,
    referral_touches_t *touches, ngx_uint_t which, ngx_str_t *value);


/* ngx_http_referral_api_module.c: the content handler of its locations */

ngx_int_t ngx_http_referral_api_handler(ngx_http_request_t *r);

/* Whether a content handler is one of the module's, which has no links. */
ngx_uint_t ngx_http_referral_answers(ngx_http_handler_pt handler);


#define ngx_http_referral_str(s)  (referral_str_t) { (s).len, (s).data }


#endif /* NGX_HTTP_REFERRAL_MODULE_H */
