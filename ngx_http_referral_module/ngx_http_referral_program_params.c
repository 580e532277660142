/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What event, tier, reward and contest have in common: a name, and parameters
 * that come in any order, each once; others have those alone.
 */

#include "ngx_http_referral_module.h"


ngx_int_t
ngx_http_referral_rule_name(ngx_conf_t *cf, const void *list, size_t size,
    ngx_uint_t n, ngx_uint_t max)
{
    ngx_str_t       *value;
    referral_str_t   name;

    value = cf->args->elts;
    name = ngx_http_referral_str(value[1]);

    if (!referral_rules_name(name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid %V name \"%V\", it takes a-z, 0-9, \"_\" "
                           "and \"-\", at most %d of them", &value[0],
                           &value[1], REFERRAL_RULE_NAME_MAX);
        return NGX_ERROR;
    }

    if (referral_rules_find(list, size, n, name) != -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate %V \"%V\"",
                           &value[0], &value[1]);
        return NGX_ERROR;
    }

    if (n == max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many \"%V\" directives, a program takes %ui",
                           &value[0], max);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Sets one parameter, and its bit in seen.  NULL, or what is wrong with it. */

static const char *
ngx_http_referral_rule_param(const ngx_http_referral_rule_param_t *params,
    void *rule, ngx_str_t *text, ngx_uint_t *seen)
{
    u_char      quote;
    ngx_str_t   value;
    ngx_uint_t  i;

    for (i = 0; params[i].name.len; i++) {
        if (ngx_strncmp(text->data, params[i].name.data, params[i].name.len)
            == 0)
        {
            break;
        }
    }

    if (params[i].name.len == 0) {
        return "is unknown";
    }

    if (*seen & ((ngx_uint_t) 1 << i)) {
        return "is duplicate";
    }

    *seen |= (ngx_uint_t) 1 << i;

    value.len = text->len - params[i].name.len;
    value.data = text->data + params[i].name.len;

    /* nginx knows quotes only around a whole word */

    if (value.len != 0 && (value.data[0] == '"' || value.data[0] == '\'')) {
        quote = value.data[0];

        if (value.len == 1 || value.data[value.len - 1] != quote) {
            return "has a space or semicolon: the quotes must be around the "
                   "whole parameter";
        }

        value.len -= 2;
        value.data++;
    }

    return params[i].set(rule, &value);
}


/* The first that is wrong, from the i-th on; its number is in i. */

static const char *
ngx_http_referral_wrong_param(ngx_conf_t *cf,
    const ngx_http_referral_rule_param_t *params, void *rule,
    ngx_uint_t *seen, ngx_uint_t *i)
{
    ngx_str_t   *value;
    const char  *wrong;

    value = cf->args->elts;
    wrong = NULL;
    *seen = 0;

    for ( /* void */ ; *i < cf->args->nelts; (*i)++) {
        wrong = ngx_http_referral_rule_param(params, rule, &value[*i], seen);

        if (wrong != NULL) {
            break;
        }
    }

    return wrong;
}


ngx_int_t
ngx_http_referral_rule_params(ngx_conf_t *cf,
    const ngx_http_referral_rule_param_t *params, void *rule,
    ngx_uint_t *seen)
{
    ngx_str_t   *value;
    ngx_uint_t   i;
    const char  *wrong;

    i = 2;
    value = cf->args->elts;
    wrong = ngx_http_referral_wrong_param(cf, params, rule, seen, &i);

    if (wrong != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "parameter \"%V\" of %V \"%V\" %s", &value[i],
                           &value[0], &value[1], wrong);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_params(ngx_conf_t *cf,
    const ngx_http_referral_rule_param_t *params, void *rule)
{
    ngx_str_t   *value;
    ngx_uint_t   i, seen;
    const char  *wrong;

    i = 1;
    value = cf->args->elts;
    wrong = ngx_http_referral_wrong_param(cf, params, rule, &seen, &i);

    if (wrong != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "parameter \"%V\" of %V %s",
                           &value[i], &value[0], wrong);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_referral_rule_number(ngx_str_t *s, ngx_int_t min, ngx_int_t max,
    ngx_int_t *n)
{
    *n = ngx_atoi(s->data, s->len);

    return *n != NGX_ERROR && *n >= min && *n <= max;
}


ngx_uint_t
ngx_http_referral_rule_time(ngx_str_t *s, ngx_int_t min, uint32_t *seconds)
{
    ngx_int_t  n;

    n = ngx_parse_time(s, 1);

    if (n == NGX_ERROR || n < min || n > REFERRAL_HOLD_MAX) {
        return 0;
    }

    *seconds = (uint32_t) n;

    return 1;
}


ngx_uint_t
ngx_http_referral_rule_is(ngx_str_t *s, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return s->len == len && ngx_strncmp(s->data, word, len) == 0;
}
