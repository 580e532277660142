/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"
#include "referral_landing.h"


#define NGX_HTTP_REFERRAL_NAME_MAX   64         /* bytes of a cookie's name */


static char *ngx_http_referral_cookie_param(
    ngx_http_referral_cookie_conf_t *cookie, ngx_str_t *param);
static char *ngx_http_referral_cookie_prefix(
    ngx_http_referral_cookie_conf_t *cookie);


static ngx_uint_t
ngx_http_referral_token_valid(ngx_str_t *s)
{
    u_char      ch;
    ngx_uint_t  i;

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];

        if (!((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z')
            && !(ch >= '0' && ch <= '9') && ch != '_' && ch != '-'
            && ch != '.')
        {
            return 0;
        }
    }

    return s->len != 0 && s->len <= NGX_HTTP_REFERRAL_NAME_MAX;
}


char *
ngx_http_referral_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    char                             *rv;
    ngx_str_t                        *value;
    ngx_uint_t                        i;
    ngx_http_referral_cookie_conf_t  *cookie;

    cookie = &program->cookie;

    if (cookie->name.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!ngx_http_referral_token_valid(&value[1])) {
        return "needs a name of letters, digits, \"_\", \"-\" or \".\", "
               "at most 64 of them";
    }

    cookie->name = value[1];
    cookie->plain_name = value[1];

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_http_referral_cookie_param(cookie, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_http_referral_cookie_prefix(cookie);
}


static char *
ngx_http_referral_cookie_param(ngx_http_referral_cookie_conf_t *cookie,
    ngx_str_t *param)
{
    u_char  *p;

    if (ngx_strncmp(param->data, "domain=", 7) == 0) {
        cookie->domain.len = param->len - 7;
        cookie->domain.data = param->data + 7;

        return referral_host_wrong(param->data + 7, param->data + param->len)
               ? "has an invalid domain" : NGX_CONF_OK;
    }

    if (ngx_strncmp(param->data, "path=/", 6) == 0) {
        cookie->path.len = param->len - 5;
        cookie->path.data = param->data + 5;

        for (p = cookie->path.data; *p; p++) {
            if (*p <= 0x20 || *p >= 0x7f || *p == ';') {
                return "has an invalid path";
            }
        }

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(param->data, "samesite=none") == 0) {
        return "takes \"samesite=lax\" or \"samesite=strict\" only, \"none\" "
               "would let other sites' images set it";
    }

    if (ngx_strcmp(param->data, "samesite=strict") == 0) {
        cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_STRICT;

    } else if (ngx_strcmp(param->data, "samesite=lax") == 0) {
        cookie->samesite = NGX_HTTP_REFERRAL_SAMESITE_LAX;

    } else if (ngx_strcmp(param->data, "secure=auto") == 0) {
        cookie->secure = NGX_HTTP_REFERRAL_SECURE_AUTO;

    } else if (ngx_strcmp(param->data, "secure=on") == 0) {
        cookie->secure = NGX_HTTP_REFERRAL_SECURE_ON;

    } else if (ngx_strcmp(param->data, "secure=off") == 0) {
        cookie->secure = NGX_HTTP_REFERRAL_SECURE_OFF;

    } else {
        return "has an invalid parameter";
    }

    return NGX_CONF_OK;
}


/* What browsers demand of names with a prefix; case is not theirs to see. */

static char *
ngx_http_referral_cookie_prefix(ngx_http_referral_cookie_conf_t *cookie)
{
    size_t  len;

    if (ngx_strncasecmp(cookie->name.data, (u_char *) "__Host-", 7) == 0) {

        if (cookie->domain.len != 0 || cookie->path.len > 1) {
            return "with the prefix \"__Host-\" takes no domain and no path";
        }

        len = 7;

    } else if (ngx_strncasecmp(cookie->name.data, (u_char *) "__Secure-", 9)
               == 0)
    {
        len = 9;

    } else {
        return NGX_CONF_OK;
    }

    if (cookie->secure == NGX_HTTP_REFERRAL_SECURE_OFF) {
        return "has a name for secure cookies with \"secure=off\"";
    }

    if (cookie->name.len == len) {
        return "has a name that is only a prefix";
    }

    cookie->plain_name.len -= len;
    cookie->plain_name.data += len;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_cookie_default(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    u_char                           *p;
    ngx_http_referral_cookie_conf_t  *cookie;

    cookie = &program->cookie;

    if (cookie->path.len == 0) {
        ngx_str_set(&cookie->path, "/");
    }

    if (cookie->name.len != 0) {
        return NGX_OK;
    }

    cookie->name.len = sizeof("__Host-ref_") - 1 + program->name.len;
    cookie->name.data = ngx_pnalloc(cf->pool, cookie->name.len);
    if (cookie->name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(cookie->name.data, "__Host-ref_",
                   sizeof("__Host-ref_") - 1);
    ngx_memcpy(p, program->name.data, program->name.len);

    cookie->plain_name.len = cookie->name.len - 7;
    cookie->plain_name.data = cookie->name.data + 7;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_referral_str_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && ngx_strncmp(a->data, b->data, a->len) == 0;
}


ngx_int_t
ngx_http_referral_cookie_end(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_http_referral_program_t *program)
{
    ngx_uint_t                         i;
    ngx_http_referral_program_t      **other;
    ngx_http_referral_cookie_conf_t   *a, *b;

    if (ngx_http_referral_cookie_default(cf, program) != NGX_OK) {
        return NGX_ERROR;
    }

    other = rmcf->programs.elts;
    a = &program->cookie;

    for (i = 0; i < 2; i++) {
        if (ngx_http_referral_cookie_attributes(cf->pool, a, program->window,
                                                i, &a->attributes[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < rmcf->programs.nelts; i++) {
        b = &other[i]->cookie;

        if (ngx_http_referral_str_equal(&a->name, &b->name)
            || ngx_http_referral_str_equal(&a->plain_name, &b->plain_name))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "programs \"%V\" and \"%V\" have the same "
                               "cookie \"%V\"", &other[i]->name,
                               &program->name, &a->plain_name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
