/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"
#include "referral_money.h"


#define NGX_HTTP_REFERRAL_OUT_BLOCK  4096


static ngx_int_t ngx_http_referral_out_grow(ngx_http_referral_out_t *out);
static void ngx_http_referral_json_key(ngx_http_referral_out_t *out,
    const char *key);
static void ngx_http_referral_json_escape(ngx_http_referral_out_t *out,
    referral_str_t value);
static size_t ngx_http_referral_json_plain(const u_char *p,
    const u_char *last);
static size_t ngx_http_referral_json_special(ngx_http_referral_out_t *out,
    const u_char *p, const u_char *last);
static size_t ngx_http_referral_json_utf8(const u_char *p,
    const u_char *last);


void
ngx_http_referral_out_init(ngx_http_referral_out_t *out, ngx_pool_t *pool)
{
    ngx_memzero(out, sizeof(ngx_http_referral_out_t));

    out->pool = pool;
    out->last = &out->first;
}


void
ngx_http_referral_out_write(ngx_http_referral_out_t *out, const void *data,
    size_t len)
{
    size_t         n;
    const u_char  *p;

    p = data;

    while (len) {
        if (out->buf == NULL || out->buf->last == out->buf->end) {
            if (ngx_http_referral_out_grow(out) != NGX_OK) {
                return;
            }
        }

        n = ngx_min(len, (size_t) (out->buf->end - out->buf->last));

        out->buf->last = ngx_cpymem(out->buf->last, p, n);
        out->size += n;
        p += n;
        len -= n;
    }
}


static ngx_int_t
ngx_http_referral_out_grow(ngx_http_referral_out_t *out)
{
    ngx_chain_t  *cl;

    if (!out->failed) {
        cl = ngx_alloc_chain_link(out->pool);
        out->buf = ngx_create_temp_buf(out->pool, NGX_HTTP_REFERRAL_OUT_BLOCK);

        if (cl != NULL && out->buf != NULL) {
            cl->buf = out->buf;
            cl->next = NULL;
            *out->last = cl;
            out->last = &cl->next;
            return NGX_OK;
        }
    }

    out->failed = 1;
    out->buf = NULL;

    return NGX_ERROR;
}


void
ngx_http_referral_out_printf(ngx_http_referral_out_t *out, const char *fmt,
    ...)
{
    u_char   *p, buf[512];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    ngx_http_referral_out_write(out, buf, p - buf);
}


static void
ngx_http_referral_json_key(ngx_http_referral_out_t *out, const char *key)
{
    if (out->comma) {
        ngx_http_referral_out_write(out, ",", 1);
    }

    out->comma = 1;

    if (key != NULL) {
        ngx_http_referral_out_printf(out, "\"%s\":", key);
    }
}


void
ngx_http_referral_json_open(ngx_http_referral_out_t *out, const char *key,
    const char *bracket)
{
    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_write(out, bracket, 1);
    out->comma = 0;
}


void
ngx_http_referral_json_close(ngx_http_referral_out_t *out,
    const char *bracket)
{
    ngx_http_referral_out_write(out, bracket, 1);
    out->comma = 1;
}


void
ngx_http_referral_json_str(ngx_http_referral_out_t *out, const char *key,
    referral_str_t value)
{
    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_write(out, "\"", 1);
    ngx_http_referral_json_escape(out, value);
    ngx_http_referral_out_write(out, "\"", 1);
}


void
ngx_http_referral_json_str_or_null(ngx_http_referral_out_t *out,
    const char *key, referral_str_t value)
{
    if (value.len == 0) {
        ngx_http_referral_json_null(out, key);
        return;
    }

    ngx_http_referral_json_str(out, key, value);
}


void
ngx_http_referral_json_text(ngx_http_referral_out_t *out, const char *key,
    const char *value)
{
    ngx_http_referral_json_str(out, key,
        (referral_str_t) { ngx_strlen(value), (const u_char *) value });
}


void
ngx_http_referral_json_uint(ngx_http_referral_out_t *out, const char *key,
    uint64_t value)
{
    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_printf(out, "%uL", value);
}


void
ngx_http_referral_json_int(ngx_http_referral_out_t *out, const char *key,
    int64_t value)
{
    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_printf(out,
                                 value > REFERRAL_JSON_MAX
                                 || value < -REFERRAL_JSON_MAX
                                 ? "\"%L\"" : "%L", value);
}


void
ngx_http_referral_json_id(ngx_http_referral_out_t *out, const char *key,
    uint64_t value)
{
    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_printf(out, "\"%uL\"", value);
}


void
ngx_http_referral_json_end_list(ngx_http_referral_out_t *out, uint64_t next)
{
    ngx_http_referral_json_close(out, "]");

    if (next != 0) {
        ngx_http_referral_json_id(out, "next", next);

    } else {
        ngx_http_referral_json_null(out, "next");
    }

    ngx_http_referral_json_close(out, "}");
}


void
ngx_http_referral_json_bool(ngx_http_referral_out_t *out, const char *key,
    ngx_uint_t value)
{
    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_printf(out, "%s", value ? "true" : "false");
}


void
ngx_http_referral_json_null(ngx_http_referral_out_t *out, const char *key)
{
    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_write(out, "null", 4);
}


void
ngx_http_referral_json_time(ngx_http_referral_out_t *out, const char *key,
    int64_t ms)
{
    ngx_tm_t  tm;

    if (ms <= 0) {
        ngx_http_referral_json_null(out, key);
        return;
    }

    ngx_gmtime((time_t) (ms / 1000), &tm);

    ngx_http_referral_json_key(out, key);
    ngx_http_referral_out_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02dZ\"",
                                 tm.ngx_tm_year, tm.ngx_tm_mon,
                                 tm.ngx_tm_mday, tm.ngx_tm_hour,
                                 tm.ngx_tm_min, tm.ngx_tm_sec);
}


void
ngx_http_referral_json_clicks(ngx_http_referral_out_t *out,
    const referral_counts_t *counts)
{
    unsigned  i;

    ngx_http_referral_json_open(out, "clicks", "{");
    ngx_http_referral_json_uint(out, "total", referral_counts_total(counts));
    ngx_http_referral_json_uint(out, "human",
                                counts->classes[REFERRAL_CLASS_HUMAN]);
    ngx_http_referral_json_uint(out, "unique", counts->unique);

    ngx_http_referral_json_open(out, "classes", "{");

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        if (counts->classes[i]) {
            ngx_http_referral_json_uint(out, referral_class_name(i),
                                        counts->classes[i]);
        }
    }

    ngx_http_referral_json_close(out, "}");
    ngx_http_referral_json_close(out, "}");
}


void
ngx_http_referral_json_errors(ngx_http_referral_out_t *out,
    ngx_array_t *errors)
{
    ngx_uint_t                      i;
    ngx_http_referral_api_error_t  *error;

    if (errors->nelts == 0) {
        return;
    }

    error = errors->elts;

    ngx_http_referral_json_open(out, "errors", "[");

    for (i = 0; i < errors->nelts; i++) {
        ngx_http_referral_json_open(out, NULL, "{");
        ngx_http_referral_json_str(out, "field",
                                   ngx_http_referral_str(error[i].field));
        ngx_http_referral_json_text(out, "message", error[i].message);
        ngx_http_referral_json_close(out, "}");
    }

    ngx_http_referral_json_close(out, "]");
}


static void
ngx_http_referral_json_escape(ngx_http_referral_out_t *out,
    referral_str_t value)
{
    size_t         n;
    const u_char  *p, *last;

    p = value.data;
    last = p + value.len;

    while (p < last) {
        n = ngx_http_referral_json_plain(p, last);

        ngx_http_referral_out_write(out, p, n);
        p += n;

        if (p < last) {
            p += ngx_http_referral_json_special(out, p, last);
        }
    }
}


static size_t
ngx_http_referral_json_plain(const u_char *p, const u_char *last)
{
    const u_char  *start;

    for (start = p; p < last; p++) {
        if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\' || *p == '<'
            || *p == '>' || *p == '&')
        {
            break;
        }
    }

    return p - start;
}


static size_t
ngx_http_referral_json_special(ngx_http_referral_out_t *out, const u_char *p,
    const u_char *last)
{
    size_t  n;

    if (*p == '"' || *p == '\\') {
        ngx_http_referral_out_printf(out, "\\%c", *p);
        return 1;
    }

    if (*p < 0x80) {
        ngx_http_referral_out_printf(out, "\\u%04xd", (uint32_t) *p);
        return 1;
    }

    n = ngx_http_referral_json_utf8(p, last);

    if (n == 0) {
        ngx_http_referral_out_write(out, "\\ufffd", 6);
        return 1;
    }

    /* U+2028 and U+2029 end a line in JavaScript */

    if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
        ngx_http_referral_out_printf(out, "\\u202%c", '0' + p[2] - 0xa0);
        return 3;
    }

    ngx_http_referral_out_write(out, p, n);

    return n;
}


/* The length of the character beyond ASCII at p, 0 when it is not UTF-8. */

static size_t
ngx_http_referral_json_utf8(const u_char *p, const u_char *last)
{
    size_t    i, n;
    uint32_t  u;

    static const uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    n = (*p >= 0xf0) ? 4 : (*p >= 0xe0) ? 3 : 2;

    if (*p < 0xc2 || *p > 0xf4 || (size_t) (last - p) < n) {
        return 0;
    }

    u = *p & (0x7f >> n);

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        u = u << 6 | (p[i] & 0x3f);
    }

    if (u < least[n] || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff)) {
        return 0;
    }

    return n;
}
