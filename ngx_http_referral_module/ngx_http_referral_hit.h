/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is known of a hit while it is being decided.
 */

#ifndef NGX_HTTP_REFERRAL_HIT_H
#define NGX_HTTP_REFERRAL_HIT_H

#include "ngx_http_referral_module.h"


typedef struct {
    ngx_http_referral_program_t *program;
    ngx_http_referral_link_t    *link;          /* NULL: came by ?ref= */
    referral_method_t            method;
    referral_str_t               code;          /* as registered, if known */
    referral_str_t               channel;
    ngx_str_t                    landing;       /* the code's own */
    ngx_str_t                    label;         /* of where it led */
    uint32_t                     code_id;
    unsigned                     wellformed:1;  /* could be a code */
    unsigned                     open:1;        /* valid, not registered */
    unsigned                     owner:1;       /* is who follows it */
    unsigned                     own_site:1;
    unsigned                     repeat:1;      /* the cookie knows it */
    referral_class_t             class;
    referral_why_t               why;
    unsigned char                click_id[REFERRAL_CLICK_ID_SIZE];
} ngx_http_referral_hit_t;


/* ngx_http_referral_hit.c */

/* Finds the code and sets class and why.  A store that cannot be read is no
   reason to refuse a code. */
ngx_int_t ngx_http_referral_lookup(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);

/* The new touch, and the cookie that keeps it, for whom it is meant. */
ngx_int_t ngx_http_referral_remember(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit);

/* The click as the store wants it. */
void ngx_http_referral_record(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit,
    referral_record_t *record);


/* ngx_http_referral_target.c */

/* Where the hit leads, and its label for the counters. */
ngx_int_t ngx_http_referral_target(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *location);


#endif /* NGX_HTTP_REFERRAL_HIT_H */
