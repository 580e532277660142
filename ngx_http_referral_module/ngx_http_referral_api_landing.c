/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static const char *ngx_http_referral_api_path(
    ngx_http_referral_api_ctx_t *api, ngx_str_t *path);
static const char *ngx_http_referral_api_url(
    ngx_http_referral_api_ctx_t *api, ngx_str_t *url);
static ngx_uint_t ngx_http_referral_api_path_valid(ngx_pool_t *pool,
    referral_str_t path);
static ngx_uint_t ngx_http_referral_api_printable_url(ngx_str_t *url);
static const char *ngx_http_referral_api_no_link(
    ngx_http_referral_api_ctx_t *api, ngx_str_t *path);


const char *
ngx_http_referral_api_landing_wrong(ngx_http_referral_api_ctx_t *api,
    referral_str_t landing)
{
    ngx_str_t  text;

    if (landing.len == 0 || landing.len > REFERRAL_URL_MAX) {
        return "it is not null or 1 to 2048 bytes long";
    }

    text.len = landing.len;
    text.data = (u_char *) landing.data;

    return (text.data[0] == '/') ? ngx_http_referral_api_path(api, &text)
                                 : ngx_http_referral_api_url(api, &text);
}


static const char *
ngx_http_referral_api_path(ngx_http_referral_api_ctx_t *api, ngx_str_t *path)
{
    if (!ngx_http_referral_api_path_valid(api->request->pool,
                                          ngx_http_referral_str(*path)))
    {
        return "it is not a path that every browser reads the same way";
    }

    return ngx_http_referral_api_no_link(api, path);
}


static const char *
ngx_http_referral_api_url(ngx_http_referral_api_ctx_t *api, ngx_str_t *url)
{
    ngx_str_t    origin, rest;
    const char  *why;

    why = ngx_http_referral_origin(api->request->pool, url, &origin, &rest);

    if (why != NULL) {
        return why;
    }

    if (!ngx_http_referral_api_printable_url(&rest)) {
        return "it has characters that must be percent-encoded";
    }

    if (origin.len != api->program->base.len
        || ngx_memcmp(origin.data, api->program->base.data, origin.len) != 0)
    {
        return NULL;
    }

    return ngx_http_referral_api_no_link(api, &rest);
}


/* The rules of ?to=, which decodes once; a landing is meant as it stands. */

static ngx_uint_t
ngx_http_referral_api_path_valid(ngx_pool_t *pool, referral_str_t path)
{
    u_char  *raw, *out, *p;
    size_t   i, len;

    raw = ngx_pnalloc(pool, 3 * path.len);
    out = ngx_pnalloc(pool, 3 * path.len);

    if (raw == NULL || out == NULL) {
        return 0;
    }

    p = raw;

    for (i = 0; i < path.len; i++) {
        if (path.data[i] == '%') {
            p = ngx_cpymem(p, "%25", 3);

        } else {
            *p++ = path.data[i];
        }
    }

    return referral_to_decode((referral_str_t) { p - raw, raw }, out, &len)
           && len == path.len && ngx_memcmp(out, path.data, len) == 0;
}


static ngx_uint_t
ngx_http_referral_api_printable_url(ngx_str_t *url)
{
    size_t  i;

    for (i = 0; i < url->len; i++) {
        if (url->data[i] <= 0x20 || url->data[i] >= 0x7f
            || ngx_strchr("\\\"<>^`{|}", url->data[i]) != NULL)
        {
            return 0;
        }
    }

    return 1;
}


static const char *
ngx_http_referral_api_no_link(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *path)
{
    ngx_str_t  decoded;

    switch (ngx_http_referral_is_link(api->request->pool, api->program, path,
                                      &decoded,
                                      api->request->connection->log))
    {

    case NGX_DECLINED:
        return NULL;

    case NGX_OK:
        return "it is a link of the program itself";

    default:
        return "there is no memory for it";
    }
}
