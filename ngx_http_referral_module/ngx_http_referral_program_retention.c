/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * How long clicks are kept.
 */

#include "ngx_http_referral_module.h"


#define NGX_HTTP_REFERRAL_RETENTION  (90 * 24 * 60 * 60)


/* NULL, or what is wrong with it. */

static const char *
ngx_http_referral_retention_clicks(ngx_http_referral_program_t *program,
    ngx_str_t *value)
{
    uint32_t  seconds;

    if (program->retention != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    if (ngx_http_referral_rule_is(value, "off")) {
        program->retention = 0;
        return NULL;
    }

    /* days are meant, nginx would take seconds */

    if (value->len != 0 && value->data[value->len - 1] >= '0'
        && value->data[value->len - 1] <= '9')
    {
        return "needs a unit, as in \"clicks=90d\"";
    }

    if (!ngx_http_referral_rule_time(value, 1, &seconds)) {
        return "must be \"clicks=off\" or a time between 1s and 10y";
    }

    program->retention = seconds;

    return NULL;
}


static const char *
ngx_http_referral_retention_param(ngx_http_referral_program_t *program,
    ngx_str_t *param, ngx_uint_t *journal)
{
    ngx_str_t  value;

    if (ngx_strncmp(param->data, "clicks=", 7) == 0) {
        value.len = param->len - 7;
        value.data = param->data + 7;
        return ngx_http_referral_retention_clicks(program, &value);
    }

    if (ngx_strncmp(param->data, "journal=", 8) != 0) {
        return "is unknown";
    }

    if (ngx_strcmp(param->data + 8, "off") != 0) {
        return "must be \"journal=off\": orders, refunds and rewards stay, "
               "since every counter has to follow from them, and persons are "
               "removed by \"referralctl erase\"";
    }

    return (*journal)++ ? "is duplicate" : NULL;
}


char *
ngx_http_referral_retention(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, journal;
    const char  *why;

    if (program->retained.file != NULL) {
        return "is duplicate";
    }

    program->retained.file = cf->conf_file->file.name.data;
    program->retained.line = cf->conf_file->line;

    value = cf->args->elts;
    journal = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        why = ngx_http_referral_retention_param(program, &value[i], &journal);

        if (why != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "parameter \"%V\" of retention %s", &value[i],
                               why);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


void
ngx_http_referral_retention_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    if (program->retention == NGX_CONF_UNSET) {
        program->retention = ngx_max(NGX_HTTP_REFERRAL_RETENTION,
                                     program->window);
        return;
    }

    if (program->retention != 0 && program->retention < program->window) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "clicks of program \"%V\" are kept for less than its "
                      "window: an order that names only a click_id may find "
                      "it gone, in %s:%ui", &program->name,
                      program->retained.file, program->retained.line);
    }
}
