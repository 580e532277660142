/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


#define NGX_HTTP_REFERRAL_OUT_BLOCK  4096


static void ngx_http_referral_out_write(referral_out_t *out,
    const void *data, size_t len);
static ngx_int_t ngx_http_referral_out_grow(ngx_http_referral_text_t *text);


void
ngx_http_referral_out_init(referral_out_t *out, ngx_pool_t *pool)
{
    ngx_http_referral_text_t  *text;

    ngx_memzero(out, sizeof(referral_out_t));

    text = ngx_pcalloc(pool, sizeof(ngx_http_referral_text_t));
    if (text == NULL) {
        out->failed = 1;
        return;
    }

    text->pool = pool;
    text->last = &text->first;

    out->write = ngx_http_referral_out_write;
    out->data = text;
}


static void
ngx_http_referral_out_write(referral_out_t *out, const void *data,
    size_t len)
{
    size_t                     n;
    const u_char              *p;
    ngx_http_referral_text_t  *text;

    p = data;
    text = out->data;

    while (len) {
        if (text->buf == NULL || text->buf->last == text->buf->end) {
            if (ngx_http_referral_out_grow(text) != NGX_OK) {
                out->failed = 1;
                return;
            }
        }

        n = ngx_min(len, (size_t) (text->buf->end - text->buf->last));

        text->buf->last = ngx_cpymem(text->buf->last, p, n);
        text->size += n;
        p += n;
        len -= n;
    }
}


static ngx_int_t
ngx_http_referral_out_grow(ngx_http_referral_text_t *text)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(text->pool);
    text->buf = ngx_create_temp_buf(text->pool, NGX_HTTP_REFERRAL_OUT_BLOCK);

    if (cl == NULL || text->buf == NULL) {
        return NGX_ERROR;
    }

    cl->buf = text->buf;
    cl->next = NULL;
    *text->last = cl;
    text->last = &cl->next;

    return NGX_OK;
}


void
ngx_http_referral_out_printf(referral_out_t *out, const char *fmt, ...)
{
    u_char   *p, buf[512];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    referral_out_write(out, buf, p - buf);
}


void
ngx_http_referral_out_errors(referral_out_t *out, ngx_array_t *errors)
{
    ngx_uint_t                      i;
    ngx_http_referral_api_error_t  *error;

    if (errors->nelts == 0) {
        return;
    }

    error = errors->elts;

    referral_out_open(out, "errors", "[");

    for (i = 0; i < errors->nelts; i++) {
        referral_out_open(out, NULL, "{");
        referral_out_str(out, "field", ngx_http_referral_str(error[i].field));
        referral_out_text(out, "message", error[i].message);
        referral_out_close(out, "}");
    }

    referral_out_close(out, "]");
}
