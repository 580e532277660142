/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a referrer needs to share a code: the link, a message, where to send it,
 * a QR code.  The same for the endpoint and for the public page.
 */

#ifndef NGX_HTTP_REFERRAL_SHARE_H
#define NGX_HTTP_REFERRAL_SHARE_H

#include "ngx_http_referral_api.h"
#include "referral_language.h"
#include "referral_share.h"
#include "referral_words.h"


#define NGX_HTTP_REFERRAL_SHARE_TARGETS   9
#define NGX_HTTP_REFERRAL_SHARE_CHANNELS  10    /* and that of the QR code */


typedef struct {
    ngx_pool_t                   *pool;
    ngx_http_referral_program_t  *program;
    referral_str_t                code;         /* as registered */
    referral_str_t                written;      /* as links take it */
    ngx_uint_t                    channels;     /* those they take with it */
    referral_str_t                name;         /* empty: none */
    referral_str_t                link;         /* without a channel; empty:
                                                   none takes the code */
    referral_str_t                tag;          /* of the message; empty: not
                                                   known */
    referral_str_t                message;      /* with placeholders */
    referral_str_t                disclosure;   /* empty: none */
    referral_str_t                disclosure_tag;
    const referral_words_t       *words;
    unsigned                      failed:1;     /* out of memory */
} ngx_http_referral_share_t;


/* ngx_http_referral_program_share_link.c */

/* Where a link is shared; the last one is that of the QR code. */
extern const char *const
    ngx_http_referral_share_channels[NGX_HTTP_REFERRAL_SHARE_CHANNELS];

/* NULL, or what is wrong with a link that has placeholders. */
const char *ngx_http_referral_share_link_wrong(ngx_str_t *link);

/* Takes it for the program; NGX_DECLINED: it is none of its links. */
ngx_int_t ngx_http_referral_share_try(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, ngx_str_t *link);

/* Whether the program's share_link is a link with them; channel empty: none. */
ngx_uint_t ngx_http_referral_share_takes(ngx_http_referral_program_t *program,
    referral_str_t code, referral_str_t channel, ngx_pool_t *pool,
    ngx_log_t *log);


/* ngx_http_referral_program_share_guess.c */

/* A link of a program that has not told one, if there is. */
ngx_int_t ngx_http_referral_share_guess(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);


/* ngx_http_referral_share.c */

/*
 * Begins with a code that was read from the store, of which nothing is kept.
 * language: a value of Accept-Language.
 */
void ngx_http_referral_share_init(ngx_http_referral_share_t *share,
    ngx_http_request_t *r, ngx_http_referral_program_t *program,
    const referral_code_t *code, referral_str_t language);

/* The link of a code; empty: there is none.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_referral_share_link_to(ngx_pool_t *pool,
    ngx_http_referral_program_t *program, referral_str_t code,
    ngx_log_t *log, referral_str_t *link);

/* Where messages go; url empty: the page does it itself. */

typedef struct {
    const char                   *id;
    const char                   *label;
    const char                   *channel;
    referral_str_t                url;          /* with placeholders */
    ngx_uint_t                    lines;        /* as mailto: wants them */
} ngx_http_referral_share_target_t;

extern const ngx_http_referral_share_target_t
    ngx_http_referral_share_targets[NGX_HTTP_REFERRAL_SHARE_TARGETS];

/* The link with a channel; without one when it does not take it, or NULL. */
referral_str_t ngx_http_referral_share_link(ngx_http_referral_share_t *share,
    const char *channel);

/* The link with any channel, which it takes. */
referral_str_t ngx_http_referral_share_with(ngx_http_referral_share_t *share,
    referral_str_t channel);

/* The message with a link in it. */
referral_str_t ngx_http_referral_share_text(ngx_http_referral_share_t *share,
    referral_str_t link);

referral_str_t ngx_http_referral_share_url(ngx_http_referral_share_t *share,
    const ngx_http_referral_share_target_t *target);

void ngx_http_referral_share_json(ngx_http_referral_share_t *share,
    referral_out_t *out);

/* The ETag of what was written; NGX_ERROR: no memory. */
ngx_int_t ngx_http_referral_share_etag(ngx_pool_t *pool, referral_out_t *out,
    ngx_str_t *etag);

/* Content-Language and Vary; NGX_ERROR: no memory. */
ngx_int_t ngx_http_referral_share_headers(ngx_http_request_t *r,
    ngx_http_referral_share_t *share);

/* A text with its placeholders, in the pool. */
referral_str_t ngx_http_referral_share_fill(ngx_http_referral_share_t *share,
    referral_str_t text, const referral_slot_t *slots);


/* ngx_http_referral_share_language.c */

/* Sets what follows from a value of Accept-Language. */
void ngx_http_referral_share_choose(ngx_http_referral_share_t *share,
    referral_str_t language);


/* ngx_http_referral_share_api.c */

ngx_int_t ngx_http_referral_api_share(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_qr_svg(ngx_http_referral_api_ctx_t *api);
ngx_int_t ngx_http_referral_api_qr_png(ngx_http_referral_api_ctx_t *api);


/* ngx_http_referral_share_page.c */

char *ngx_http_referral_share_page(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_referral_share_handler(ngx_http_request_t *r);

/* Completes a location, when it is one of these; logs what is wrong. */
ngx_int_t ngx_http_referral_share_merge(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *alcf);


/* ngx_http_referral_share_html.c */

/* The page, of a template; slash: its path ends with one. */
void ngx_http_referral_share_html(ngx_http_referral_share_t *share,
    ngx_str_t *page, ngx_uint_t slash, referral_out_t *out);

/* NULL; or what it has that it must not, or has not. */
const char *ngx_http_referral_share_html_wrong(ngx_pool_t *pool,
    ngx_str_t *page);


/* ngx_http_referral_qr.c */

#define NGX_HTTP_REFERRAL_QR_SIZE  512          /* pixels of its width */
#define NGX_HTTP_REFERRAL_QR_MIN   64
#define NGX_HTTP_REFERRAL_QR_MAX   2048
#define NGX_HTTP_REFERRAL_QR_PUBLIC  1024       /* at most, for anybody */

typedef struct {
    ngx_uint_t                    png;          /* else SVG */
    ngx_uint_t                    size;
    ngx_uint_t                    level;        /* QRecLevel */
    referral_str_t                channel;      /* empty: none */
    unsigned                      named:1;      /* it was asked for */
} ngx_http_referral_qr_t;

/*
 * Parameters, those that were given; returns NULL, or the name of the one that
 * is wrong, with what is wrong in *why.
 */
const char *ngx_http_referral_qr_set(ngx_http_referral_qr_t *qr,
    ngx_str_t *size, ngx_str_t *level, ngx_str_t *channel, const char **why);

/*
 * The image of the link; returns the same, when the link does not take the
 * channel.  out may have failed.
 */
const char *ngx_http_referral_qr_draw(ngx_http_referral_qr_t *qr,
    ngx_http_referral_share_t *share, ngx_http_request_t *r,
    referral_out_t *out, const char **why);


#endif /* NGX_HTTP_REFERRAL_SHARE_H */
