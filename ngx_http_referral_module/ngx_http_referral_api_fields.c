/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static const char *ngx_http_referral_api_field(
    ngx_http_referral_api_ctx_t *api, const char *name, json_t *value,
    ngx_uint_t with_code, referral_code_change_t *change);
static const char *ngx_http_referral_api_landing(
    ngx_http_referral_api_ctx_t *api, referral_str_t landing);
static ngx_int_t ngx_http_referral_api_copy(ngx_pool_t *pool,
    referral_str_t *text);


ngx_int_t
ngx_http_referral_api_fields(ngx_http_referral_api_ctx_t *api, json_t *object,
    ngx_uint_t with_code, referral_code_change_t *change,
    ngx_http_referral_api_problem_t *problem)
{
    json_t      *value;
    ngx_pool_t  *pool;
    const char  *name, *message;

    pool = api->request->pool;

    json_object_foreach(object, name, value) {

        message = ngx_http_referral_api_field(api, name, value, with_code,
                                              change);
        if (message != NULL) {
            ngx_http_referral_api_error(pool, problem,
                (referral_str_t) { ngx_strlen(name), (const u_char *) name },
                message);
        }
    }

    if (ngx_http_referral_api_copy(pool, &change->code) != NGX_OK
        || ngx_http_referral_api_copy(pool, &change->owner) != NGX_OK
        || ngx_http_referral_api_copy(pool, &change->name) != NGX_OK
        || ngx_http_referral_api_copy(pool, &change->landing) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static const char *
ngx_http_referral_api_field(ngx_http_referral_api_ctx_t *api,
    const char *name, json_t *value, ngx_uint_t with_code,
    referral_code_change_t *change)
{
    const char  *message;

    if (!with_code && ngx_strcmp(name, "code") == 0) {
        return "there is no such field";
    }

    message = referral_code_field(name, value, change);

    if (message == NULL && change->landing.len != 0
        && ngx_strcmp(name, "landing") == 0)
    {
        message = ngx_http_referral_api_landing(api, change->landing);
    }

    return message;
}


/* A landing that is a link would redirect for ever. */

static const char *
ngx_http_referral_api_landing(ngx_http_referral_api_ctx_t *api,
    referral_str_t landing)
{
    ngx_str_t   url, origin, path, *base;
    ngx_pool_t *pool;

    pool = api->request->pool;
    base = &api->program->base;

    url.len = landing.len;
    url.data = (u_char *) landing.data;
    path = url;

    if (url.data[0] != '/') {

        if (ngx_http_referral_origin(pool, &url, &origin, &path) != NULL) {
            return "there is no memory for it";
        }

        if (origin.len != base->len
            || ngx_memcmp(origin.data, base->data, origin.len) != 0)
        {
            return NULL;
        }
    }

    switch (ngx_http_referral_is_link(pool, api->program, &path, &url,
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


static ngx_int_t
ngx_http_referral_api_copy(ngx_pool_t *pool, referral_str_t *text)
{
    u_char  *p;

    p = ngx_pnalloc(pool, text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, text->data, text->len);
    text->data = p;

    return NGX_OK;
}
