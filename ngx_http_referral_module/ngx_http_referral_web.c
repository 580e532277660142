/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_web.h"


static ngx_uint_t ngx_http_referral_web_index(ngx_str_t *name);
static ngx_int_t ngx_http_referral_web_caching(ngx_http_request_t *r,
    ngx_http_referral_web_text_t *text, ngx_uint_t gzip);
static ngx_int_t ngx_http_referral_web_policy(ngx_http_request_t *r,
    ngx_str_t *frame);


const ngx_http_referral_web_name_t
    ngx_http_referral_web_names[NGX_HTTP_REFERRAL_WEB_FILES] =
{
    { ngx_string("index.html"), ngx_string("text/html") },
    { ngx_string("app.js"), ngx_string("text/javascript") },
    { ngx_string("app.css"), ngx_string("text/css") },
    { ngx_string("icon.svg"), ngx_string("image/svg+xml") }
};


/* NGX_HTTP_REFERRAL_WEB_FILES: it is none. */

static ngx_uint_t
ngx_http_referral_web_index(ngx_str_t *name)
{
    ngx_uint_t        n;
    const ngx_str_t  *known;

    if (name->len == 0) {
        return 0;
    }

    for (n = 0; n < NGX_HTTP_REFERRAL_WEB_FILES; n++) {
        known = &ngx_http_referral_web_names[n].name;

        if (known->len == name->len
            && ngx_memcmp(known->data, name->data, name->len) == 0)
        {
            break;
        }
    }

    return n;
}


ngx_uint_t
ngx_http_referral_web_has(ngx_http_referral_web_t *web, ngx_str_t *name)
{
    return web != NULL
           && ngx_http_referral_web_index(name) < NGX_HTTP_REFERRAL_WEB_FILES;
}


ngx_str_t *
ngx_http_referral_web_text(ngx_http_referral_web_t *web, const char *name)
{
    ngx_str_t   file;
    ngx_uint_t  n;

    file.data = (u_char *) name;
    file.len = ngx_strlen(name);
    n = ngx_http_referral_web_index(&file);

    return (n < NGX_HTTP_REFERRAL_WEB_FILES) ? &web->files[n].plain.data
                                             : NULL;
}


ngx_int_t
ngx_http_referral_web_send(ngx_http_request_t *r, ngx_http_referral_web_t *web,
    ngx_str_t *name, ngx_str_t *frame)
{
    ngx_int_t                      rc;
    ngx_buf_t                     *b;
    ngx_uint_t                     n, gzip;
    ngx_chain_t                    out;
    ngx_http_referral_web_text_t  *text;

    n = ngx_http_referral_web_index(name);

    if (n == NGX_HTTP_REFERRAL_WEB_FILES) {
        return NGX_DECLINED;
    }

#if (NGX_HTTP_GZIP)
    gzip = web->files[n].gzip.data.len != 0
           && ngx_http_gzip_ok(r) == NGX_OK;
#else
    gzip = 0;
#endif

    text = gzip ? &web->files[n].gzip : &web->files[n].plain;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text->data.len;
    r->headers_out.content_type = ngx_http_referral_web_names[n].type;
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_set(&r->headers_out.charset, "utf-8");

    if (ngx_http_referral_web_headers(r, frame) != NGX_OK
        || ngx_http_referral_web_caching(r, text, gzip) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = text->data.data;
    b->last = b->pos + text->data.len;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_referral_web_headers(ngx_http_request_t *r, ngx_str_t *frame)
{
    ngx_uint_t                i;
    ngx_http_referral_ctx_t  *ctx;

    static const struct {
        ngx_str_t  name;
        ngx_str_t  value;
    } headers[] = {
        { ngx_string("X-Content-Type-Options"), ngx_string("nosniff") },
        { ngx_string("Referrer-Policy"), ngx_string("no-referrer") },
        { ngx_string("Cross-Origin-Opener-Policy"),
          ngx_string("same-origin") },
        { ngx_string("Cross-Origin-Resource-Policy"),
          ngx_string("same-origin") }
    };

    ctx = ngx_http_referral_get_ctx(r, 1);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->noindex = 1;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (ngx_http_referral_push_header(r, headers[i].name,
                                          &headers[i].value)
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_referral_web_policy(r, frame);
}


static ngx_int_t
ngx_http_referral_web_caching(ngx_http_request_t *r,
    ngx_http_referral_web_text_t *text, ngx_uint_t gzip)
{
    ngx_http_referral_ctx_t  *ctx;

    static ngx_str_t  vary = ngx_string("Accept-Encoding");
    static ngx_str_t  coding = ngx_string("gzip");

    /* private: the cookie that withdraws consent may come with it */

    ctx = ngx_http_referral_get_ctx(r, 0);
    ngx_str_set(&ctx->cache, "private, no-cache");

    if (gzip) {
        r->headers_out.content_encoding =
                 ngx_http_referral_push_out(r, "Content-Encoding", &coding);

        if (r->headers_out.content_encoding == NULL) {
            return NGX_ERROR;
        }
    }

    r->headers_out.etag = ngx_http_referral_push_out(r, "ETag", &text->etag);

    return (r->headers_out.etag != NULL
            && ngx_http_referral_push_out(r, "Vary", &vary) != NULL)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_referral_web_policy(ngx_http_request_t *r, ngx_str_t *frame)
{
    u_char     *p;
    size_t      len;
    ngx_str_t   policy, *options;

    static ngx_str_t  none = ngx_string("'none'");
    static ngx_str_t  deny = ngx_string("DENY");
    static ngx_str_t  same = ngx_string("SAMEORIGIN");

    static const char  fixed[] =
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors ";

    if (frame == NULL || frame->len == 0) {
        frame = &none;
    }

    len = sizeof(fixed) - 1 + frame->len;

    policy.data = ngx_pnalloc(r->pool, len);
    if (policy.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(policy.data, fixed, sizeof(fixed) - 1);
    ngx_memcpy(p, frame->data, frame->len);
    policy.len = len;

    if (ngx_http_referral_push_out(r, "Content-Security-Policy", &policy)
        == NULL)
    {
        return NGX_ERROR;
    }

    /* it cannot name an origin, and some browsers would heed only it */

    options = (frame == &none) ? &deny
              : (frame->len == sizeof("'self'") - 1) ? &same : NULL;

    return (options == NULL
            || ngx_http_referral_push_out(r, "X-Frame-Options", options)
               != NULL)
           ? NGX_OK : NGX_ERROR;
}
