/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The files of a page, made by `make web`: read into memory together with the
 * configuration, sent from there.
 */

#ifndef NGX_HTTP_REFERRAL_WEB_H
#define NGX_HTTP_REFERRAL_WEB_H

#include "ngx_http_referral_module.h"


#define NGX_HTTP_REFERRAL_WEB        "/usr/share/nginx-referral/web"
#define NGX_HTTP_REFERRAL_WEB_FILES  4


typedef struct {
    ngx_str_t                     data;
    ngx_str_t                     etag;
} ngx_http_referral_web_text_t;

typedef struct {
    ngx_http_referral_web_text_t  plain;
    ngx_http_referral_web_text_t  gzip;         /* empty: not smaller */
} ngx_http_referral_web_file_t;

typedef struct {
    ngx_http_referral_web_file_t  files[NGX_HTTP_REFERRAL_WEB_FILES];
} ngx_http_referral_web_t;


/* ngx_http_referral_web_read.c */

/* The directive referral_web. */
char *ngx_http_referral_web_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * The files of the page "dashboard", "share" or "progress", from where
 * referral_web says, which is known when locations are merged; read once for
 * all of them.  NULL: they cannot be read, and *why is one phrase, or NULL
 * when there is no memory.
 */
ngx_http_referral_web_t *ngx_http_referral_web_find(ngx_conf_t *cf,
    const char *page, const char **why);

/* The same for a directive that needs them; logs what is wrong. */
ngx_http_referral_web_t *ngx_http_referral_web_page(ngx_conf_t *cf,
    const char *page, const char *directive, ngx_http_referral_place_t *place);


/* ngx_http_referral_web.c */

/* The files of each page, of which the first is the page itself. */

typedef struct {
    ngx_str_t                     name;
    ngx_str_t                     type;
} ngx_http_referral_web_name_t;

extern const ngx_http_referral_web_name_t
    ngx_http_referral_web_names[NGX_HTTP_REFERRAL_WEB_FILES];

/*
 * Sends a file, as a content handler does.  name: the path below the location,
 * "" is index.html.  frame: who may embed the page, as "'self'
 * https://shop.example"; nobody when it is NULL or empty.  NGX_DECLINED: there
 * is no such file, nothing was done.  The method is GET or HEAD, and the body
 * discarded, by the caller.
 */
ngx_int_t ngx_http_referral_web_send(ngx_http_request_t *r,
    ngx_http_referral_web_t *web, ngx_str_t *name, ngx_str_t *frame);

/*
 * For who sends something else of a page: what stands in a file, whose name is
 * one of them; and the headers of all of it, without those about caching.
 */
ngx_str_t *ngx_http_referral_web_text(ngx_http_referral_web_t *web,
    const char *name);
ngx_int_t ngx_http_referral_web_headers(ngx_http_request_t *r,
    ngx_str_t *frame);

/* Whether there is such a file; web may be NULL. */
ngx_uint_t ngx_http_referral_web_has(ngx_http_referral_web_t *web,
    ngx_str_t *name);


#endif /* NGX_HTTP_REFERRAL_WEB_H */
