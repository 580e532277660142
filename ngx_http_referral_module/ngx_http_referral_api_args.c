/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static ngx_int_t ngx_http_referral_api_add_arg(
    ngx_http_referral_api_ctx_t *api, ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_referral_api_unescape(ngx_pool_t *pool,
    ngx_str_t *value);


ngx_int_t
ngx_http_referral_api_args(ngx_http_referral_api_ctx_t *api)
{
    u_char     *p, *last, *end, *eq;
    ngx_int_t   rc;
    ngx_str_t   name, value;

    p = api->request->args.data;
    last = p + api->request->args.len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');
        if (end == NULL) {
            end = last;
        }

        if (end == p) {
            continue;
        }

        eq = ngx_strlchr(p, end, '=');
        if (eq == NULL) {
            eq = end;
        }

        name.data = p;
        name.len = eq - p;
        value.data = ngx_min(eq + 1, end);
        value.len = end - value.data;

        rc = ngx_http_referral_api_add_arg(api, &name, &value);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_add_arg(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *name, ngx_str_t *value)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    const char       *message;
    const ngx_str_t  *param;

    param = api->route->params;
    message = "there is no such parameter here";

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ARGS && param[i].len; i++) {

        if (name->len != param[i].len
            || ngx_strncmp(name->data, param[i].data, name->len) != 0)
        {
            continue;
        }

        if (api->args[i].data != NULL) {
            message = "it is given twice";
            break;
        }

        api->args[i] = *value;

        rc = ngx_http_referral_api_unescape(api->request->pool, &api->args[i]);

        if (rc != NGX_DECLINED) {
            return rc;
        }

        message = "it is not percent-encoded text";
        break;
    }

    ngx_http_referral_api_error(api->request->pool, &api->problem,
                                ngx_http_referral_str(*name), message);

    return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_BAD_REQUEST,
               "invalid_parameter", "a query parameter is not valid");
}


static ngx_int_t
ngx_http_referral_api_unescape(ngx_pool_t *pool, ngx_str_t *value)
{
    u_char     *p, *last, *dst;
    ngx_int_t   c;

    p = value->data;
    last = p + value->len;

    dst = ngx_pnalloc(pool, value->len + 1);
    if (dst == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value->data = dst;

    for ( /* void */ ; p < last; p++) {

        if (*p == '+') {
            *dst++ = ' ';
            continue;
        }

        if (*p != '%') {
            *dst++ = *p;
            continue;
        }

        c = (last - p > 2) ? ngx_hextoi(p + 1, 2) : NGX_ERROR;

        if (c < 0x20) {
            return NGX_DECLINED;
        }

        *dst++ = (u_char) c;
        p += 2;
    }

    value->len = dst - value->data;

    return NGX_OK;
}


ngx_str_t *
ngx_http_referral_api_arg(ngx_http_referral_api_ctx_t *api, const char *name)
{
    ngx_uint_t        i;
    const ngx_str_t  *param;

    param = api->route->params;

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ARGS && param[i].len; i++) {
        if (ngx_strcmp(param[i].data, name) == 0) {
            return api->args[i].data ? &api->args[i] : NULL;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_referral_api_limit(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_number(api, "limit", 1,
                                        NGX_HTTP_REFERRAL_API_LIMIT_MAX,
                                        NGX_HTTP_REFERRAL_API_LIMIT,
                                        "it is not a number from 1 to 250");
}


ngx_int_t
ngx_http_referral_api_number(ngx_http_referral_api_ctx_t *api,
    const char *name, ngx_int_t least, ngx_int_t most, ngx_int_t otherwise,
    const char *message)
{
    ngx_int_t   n;
    ngx_str_t  *arg;

    arg = ngx_http_referral_api_arg(api, name);

    if (arg == NULL) {
        return otherwise;
    }

    n = ngx_atoi(arg->data, arg->len);

    if (n < least || n > most) {
        ngx_http_referral_api_error(api->request->pool, &api->problem,
            (referral_str_t) { ngx_strlen(name), (const u_char *) name },
            message);
        return otherwise;
    }

    return n;
}
