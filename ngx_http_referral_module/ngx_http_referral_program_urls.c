/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"
#include "referral_landing.h"


static char *ngx_http_referral_link_compile(ngx_conf_t *cf,
    ngx_http_referral_link_t *link);
static void ngx_http_referral_link_free(void *data);
static ngx_int_t ngx_http_referral_join(ngx_pool_t *pool, ngx_str_t *origin,
    ngx_str_t *rest, ngx_str_t *out);
static ngx_int_t ngx_http_referral_landing_loop(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, ngx_str_t *rest);
static ngx_int_t ngx_http_referral_landing_param(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);


char *
ngx_http_referral_link(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_referral_link_t  *link;

    value = cf->args->elts;
    link = program->links.elts;

    for (i = 0; i < program->links.nelts; i++) {
        if (link[i].regex.len == value[1].len
            && ngx_strcmp(link[i].regex.data, value[1].data) == 0)
        {
            return "is duplicate";
        }
    }

    link = ngx_array_push(&program->links);
    if (link == NULL) {
        return NGX_CONF_ERROR;
    }

    link->regex = value[1];
    link->status = NGX_HTTP_MOVED_TEMPORARILY;

    rv = ngx_http_referral_link_compile(cf, link);

    if (rv != NGX_CONF_OK || cf->args->nelts == 2) {
        return rv;
    }

    if (ngx_strcmp(value[2].data, "status=302") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[2].data, "status=303") == 0) {
        link->status = NGX_HTTP_SEE_OTHER;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[2].data, "status=307") == 0) {
        link->status = NGX_HTTP_TEMPORARY_REDIRECT;
        return NGX_CONF_OK;
    }

    return "takes \"status=302\", \"status=303\" or \"status=307\" only, "
           "others are kept by browsers";
}


static char *
ngx_http_referral_link_compile(ngx_conf_t *cf, ngx_http_referral_link_t *link)
{
    char                 why[160];
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    link->pattern = referral_pattern_create(ngx_http_referral_str(link->regex),
                                            why, sizeof(why));

    if (link->pattern == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the regex \"%V\" is of no "
                           "use: %s", &link->regex, why);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_referral_link_free;
    cln->data = link->pattern;

    return NGX_CONF_OK;
}


static void
ngx_http_referral_link_free(void *data)
{
    referral_pattern_free(data);
}


char *
ngx_http_referral_base(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t   *value, rest;
    const char  *why;

    if (program->base.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    why = ngx_http_referral_origin(cf->pool, &value[1], &program->base, &rest);

    if (why == NULL && rest.len != 0) {
        why = "must end after host and port";
    }

    return (char *) why;
}


char *
ngx_http_referral_landing(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t  *value, origin, rest;
    const char *why;

    if (program->landing.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len != 0 && value[1].data[0] == '/') {

        if (value[1].data[1] == '/' || value[1].data[1] == '\\') {
            return "needs a path with a single slash in front";
        }

        ngx_str_null(&origin);
        rest = value[1];

    } else {
        why = ngx_http_referral_origin(cf->pool, &value[1], &origin, &rest);

        if (why != NULL) {
            return (char *) why;
        }
    }

    if (ngx_http_referral_join(cf->pool, &origin, &rest, &program->landing)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


const char *
ngx_http_referral_origin(ngx_pool_t *pool, ngx_str_t *url, ngx_str_t *origin,
    ngx_str_t *rest)
{
    size_t       len, path;
    const char  *why;

    why = referral_origin_wrong(ngx_http_referral_str(*url), &len, &path);

    if (why != NULL) {
        return why;
    }

    rest->data = url->data + path;
    rest->len = url->len - path;

    origin->len = len;
    origin->data = ngx_pnalloc(pool, len);
    if (origin->data == NULL) {
        return "could not be stored";
    }

    ngx_strlow(origin->data, url->data, len);

    return NULL;
}


/* Escapes what is no printable ASCII. */

static ngx_int_t
ngx_http_referral_join(ngx_pool_t *pool, ngx_str_t *origin, ngx_str_t *rest,
    ngx_str_t *out)
{
    u_char  *p, *s, *last;

    out->data = ngx_pnalloc(pool, origin->len + 3 * rest->len + 1);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(out->data, origin->data, origin->len);
    last = rest->data + rest->len;

    for (s = rest->data; s < last; s++) {
        if (*s > 0x20 && *s < 0x7f) {
            *p++ = *s;

        } else {
            p = ngx_sprintf(p, "%%%02Xi", (ngx_int_t) *s);
        }
    }

    out->len = p - out->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_landing_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    ngx_str_t  origin, rest;

    if (ngx_http_referral_landing_param(cf, program) != NGX_OK) {
        return NGX_ERROR;
    }

    if (program->landing.data[0] == '/') {

        if (program->base.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "program \"%V\" has a path as its landing, "
                               "but no \"base\"", &program->name);
            return NGX_ERROR;
        }

        origin = program->base;
        rest = program->landing;

        if (ngx_http_referral_join(cf->pool, &origin, &rest,
                                   &program->landing)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else {
        (void) ngx_http_referral_origin(cf->pool, &program->landing, &origin,
                                        &rest);
    }

    if (program->base.len == 0) {
        program->base = origin;
    }

    if (program->base.len == origin.len
        && ngx_strncmp(program->base.data, origin.data, origin.len) == 0)
    {
        return ngx_http_referral_landing_loop(cf, program, &rest);
    }

    return NGX_OK;
}


/* A landing that is a link would redirect for ever. */

static ngx_int_t
ngx_http_referral_landing_loop(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, ngx_str_t *rest)
{
    ngx_int_t  rc;
    ngx_str_t  path;

    rc = ngx_http_referral_is_link(cf->temp_pool, program, rest, &path,
                                   cf->log);

    if (rc == NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the landing \"%V\" of program \"%V\" is itself "
                           "a link", &program->landing, &program->name);
    }

    return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
}


/* It would be taken for a code, and be found before a ticket. */

static ngx_int_t
ngx_http_referral_landing_param(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    u_char          *last;
    ngx_str_t        name;
    ngx_uint_t       i;
    referral_str_t   args, value, *params;

    last = program->landing.data + program->landing.len;

    args.data = ngx_strlchr(program->landing.data, last, '?');
    if (args.data == NULL) {
        return NGX_OK;
    }

    args.data++;
    args.len = last - args.data;
    params = program->params.elts;

    for (i = 0; i < program->params.nelts; i++) {

        if (referral_arg_get(args, params[i], &value)) {
            name.len = params[i].len;
            name.data = (u_char *) params[i].data;

            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the landing \"%V\" of program \"%V\" has "
                               "\"%V\", its own \"param\"",
                               &program->landing, &program->name, &name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
