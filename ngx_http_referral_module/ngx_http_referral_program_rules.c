/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"


#define NGX_HTTP_REFERRAL_DAY          (24 * 60 * 60)
#define NGX_HTTP_REFERRAL_PARAM_MAX    32


static const referral_str_t  ngx_http_referral_pass_default[] = {
    { 5, (const u_char *) "utm_*" },
    { 5, (const u_char *) "gclid" },
    { 6, (const u_char *) "gbraid" },
    { 6, (const u_char *) "wbraid" },
    { 5, (const u_char *) "dclid" },
    { 6, (const u_char *) "fbclid" },
    { 7, (const u_char *) "msclkid" },
    { 6, (const u_char *) "ttclid" },
    { 6, (const u_char *) "twclid" },
    { 9, (const u_char *) "li_fat_id" }
};


/* A query parameter that needs no encoding. */

static ngx_uint_t
ngx_http_referral_param_valid(ngx_str_t *name)
{
    u_char      ch;
    ngx_uint_t  i;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z')
            && !(ch >= '0' && ch <= '9') && ch != '_' && ch != '-'
            && ch != '.' && ch != '~')
        {
            return 0;
        }
    }

    return name->len != 0 && name->len <= NGX_HTTP_REFERRAL_PARAM_MAX;
}


char *
ngx_http_referral_param(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t       *value;
    ngx_uint_t       i, n;
    referral_str_t  *name;

    if (program->params.nelts != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (!ngx_http_referral_param_valid(&value[i])) {
            return "needs names of letters, digits, \"_\", \"-\", \".\" "
                   "or \"~\"";
        }

        if (ngx_strcmp(value[i].data, "to") == 0) {
            return "cannot take \"to\", which names a deep link";
        }

        for (n = 1; n < i; n++) {
            if (ngx_strcmp(value[i].data, value[n].data) == 0) {
                return "has a duplicate name";
            }
        }

        name = ngx_array_push(&program->params);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = ngx_http_referral_str(value[i]);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_to(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t   *value, *prefix;
    ngx_uint_t   i;

    if (program->to != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        program->to = 0;
        return (cf->args->nelts == 2) ? NGX_CONF_OK
                                      : "takes no prefix with \"off\"";
    }

    if (ngx_strcmp(value[1].data, "on") != 0) {
        return "must be \"on\" or \"off\"";
    }

    program->to = 1;

    for (i = 2; i < cf->args->nelts; i++) {

        if (value[i].len == 0 || value[i].data[0] != '/') {
            return "needs prefixes that begin with \"/\"";
        }

        prefix = ngx_array_push(&program->to_prefixes);
        if (prefix == NULL) {
            return NGX_CONF_ERROR;
        }

        *prefix = value[i];
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_pass_args(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    size_t           n;
    ngx_str_t       *value, name;
    ngx_uint_t       i;
    referral_str_t  *names;

    if (program->pass.mode != REFERRAL_PASS_LISTED
        || program->pass.names != NULL)
    {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    if (n == 1 && ngx_strcmp(value[1].data, "none") == 0) {
        program->pass.mode = REFERRAL_PASS_NONE;
        return NGX_CONF_OK;
    }

    if (n == 1 && ngx_strcmp(value[1].data, "all") == 0) {
        program->pass.mode = REFERRAL_PASS_ALL;
        return NGX_CONF_OK;
    }

    names = ngx_palloc(cf->pool, n * sizeof(referral_str_t));
    if (names == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {
        name = value[i + 1];
        names[i] = ngx_http_referral_str(name);

        if (name.len > 1 && name.data[name.len - 1] == '*') {
            name.len--;
        }

        if (!ngx_http_referral_param_valid(&name)) {
            return "needs \"none\", \"all\", or names of parameters, which "
                   "may end with \"*\"";
        }
    }

    program->pass.names = names;
    program->pass.n = n;

    return NGX_CONF_OK;
}


char *
ngx_http_referral_window(ngx_conf_t *cf, void *post, void *data)
{
    time_t  *window = data;

    if (*window < 1 || *window > REFERRAL_WINDOW_MAX) {
        return "must be between 1s and 400d";
    }

    return NGX_CONF_OK;
}


char *
ngx_http_referral_unique(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t  *value;
    ngx_int_t   n;

    if (program->unique != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        program->unique = 0;
        return NGX_CONF_OK;
    }

    n = ngx_parse_time(&value[1], 1);

    if (n == NGX_ERROR) {
        return "invalid value";
    }

    if (n > NGX_HTTP_REFERRAL_DAY) {
        return "must be at most 24h, as visitors are told apart by salts "
               "that live two days";
    }

    program->unique = n;

    return NGX_CONF_OK;
}


/* The parameters of the module itself are never passed on. */

ngx_int_t
ngx_http_referral_pass_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    size_t           n;
    referral_str_t  *drop;

    if (program->pass.mode == REFERRAL_PASS_LISTED
        && program->pass.names == NULL)
    {
        program->pass.names = ngx_http_referral_pass_default;
        program->pass.n = sizeof(ngx_http_referral_pass_default)
                          / sizeof(referral_str_t);
    }

    n = program->params.nelts;

    drop = ngx_palloc(cf->pool, (n + 1) * sizeof(referral_str_t));
    if (drop == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(drop, program->params.elts, n * sizeof(referral_str_t));
    drop[n].len = 2;
    drop[n].data = (const u_char *) "to";

    program->pass.drop = drop;
    program->pass.ndrop = n + 1;

    return NGX_OK;
}
