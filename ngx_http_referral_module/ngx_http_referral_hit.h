/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is known of a hit while it is being decided.
 */

#ifndef NGX_HTTP_REFERRAL_HIT_H
#define NGX_HTTP_REFERRAL_HIT_H

#include "ngx_http_referral_module.h"


typedef struct ngx_http_referral_known_s  ngx_http_referral_known_t;

typedef struct {
    ngx_http_referral_program_t *program;
    ngx_http_referral_link_t    *link;          /* NULL: came by ?ref= */
    ngx_http_referral_known_t   *known;         /* NULL: not asked for lately */
    referral_str_t               asked;         /* path, or value of ?ref= */
    referral_method_t            method;
    referral_str_t               code;          /* as registered, if known;
                                                   for this call only */
    referral_str_t               channel;
    ngx_str_t                    landing;       /* the code's own */
    ngx_str_t                    label;         /* of where it led */
    uint32_t                     code_id;
    unsigned                     wellformed:1;  /* could be a code */
    unsigned                     open:1;        /* valid, not registered */
    unsigned                     owner:1;       /* is who follows it */
    unsigned                     own_site:1;
    unsigned                     repeat:1;      /* the cookie knows it */
    unsigned                     paid:1;        /* led here by advertising */
    unsigned                     no_activation:1;  /* by no click or key */
    unsigned                     guessing:1;    /* its network guesses codes:
                                                   all are answered alike */
    int64_t                      clicked;       /* then, as a ticket says; 0:
                                                   now */
    referral_class_t             class;
    referral_why_t               why;
    referral_nh_t                agent;         /* hash of the user agent */
    unsigned char                click_id[REFERRAL_CLICK_ID_SIZE];
} ngx_http_referral_hit_t;


/* ngx_http_referral_hit.c */

/* Finds the code and sets class and why.  A store that cannot be read is no
   reason to refuse a code. */
ngx_int_t ngx_http_referral_lookup(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);

/*
 * The new touch, and the cookie that keeps it, or the ticket that will, for
 * whom it is meant.
 */
ngx_int_t ngx_http_referral_remember(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit);

/* With no click id, when it comes of a ticket. */
void ngx_http_referral_touch(ngx_http_referral_hit_t *hit,
    referral_touch_t *touch);

/* The click as the store wants it. */
void ngx_http_referral_record(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit,
    referral_record_t *record);


/* ngx_http_referral_known.c */

/* Whether the text, the path of a link or the value of a parameter, has been
   asked for lately; then link, code as typed and channel are set. */
ngx_uint_t ngx_http_referral_known(ngx_http_referral_hit_t *hit,
    referral_str_t text, ngx_uint_t param);

/* Whether it was in the store's transaction txn; then its code is set. */
ngx_uint_t ngx_http_referral_known_code(ngx_http_referral_hit_t *hit,
    uint64_t txn, uint32_t program);

/* What the store said of the code, in the transaction. */
void ngx_http_referral_known_keep(ngx_http_referral_hit_t *hit, uint64_t txn,
    uint32_t program, const referral_code_t *code);


/* ngx_http_referral_velocity.c */

/* Counts a hit that was looked up; what is too much gets another class. */
void ngx_http_referral_velocity(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);


/* ngx_http_referral_classify.c */

/* Class, why, and what else the headers tell, of a hit on a known code. */
void ngx_http_referral_classify(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);


/* ngx_http_referral_target.c */

/* This very page, without the parameter. */
ngx_int_t ngx_http_referral_strip_param(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *location);

/* Where the hit leads, and its label for the counters. */
ngx_int_t ngx_http_referral_target(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *location);


/* ngx_http_referral_ticket.c */

/* Whether the value is a ticket of the program, and its touch. */
ngx_uint_t ngx_http_referral_ticket(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_str_t value,
    referral_touch_t *touch);

/* The touch of a ticket becomes the cookie, as if it were clicked now: of a
   code that still is one, and for a person. */
ngx_int_t ngx_http_referral_ticket_take(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit,
    referral_touch_t *touch);

/* Adds a ticket of the hit to where it leads. */
ngx_int_t ngx_http_referral_ticket_add(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *location);


#endif /* NGX_HTTP_REFERRAL_HIT_H */
