/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is too much, and what a person has to look at.
 */

#include "ngx_http_referral_module.h"


#define NGX_HTTP_REFERRAL_VELOCITY_TIME  (24 * 60 * 60)


static const char *ngx_http_referral_velocity_clicks(void *rule,
    ngx_str_t *s);
static const char *ngx_http_referral_velocity_code_clicks(void *rule,
    ngx_str_t *s);
static const char *ngx_http_referral_velocity_conversions(void *rule,
    ngx_str_t *s);
static const char *ngx_http_referral_velocity_unknown(void *rule,
    ngx_str_t *s);
static const char *ngx_http_referral_review_min_age(void *rule, ngx_str_t *s);
static const char *ngx_http_referral_review_per_click(void *rule,
    ngx_str_t *s);
static const char *ngx_http_referral_review_max_amount(void *rule,
    ngx_str_t *s);


static const ngx_http_referral_rule_param_t
    ngx_http_referral_velocity_params[] =
{
    { ngx_string("clicks="), ngx_http_referral_velocity_clicks },
    { ngx_string("code_clicks="), ngx_http_referral_velocity_code_clicks },
    { ngx_string("conversions="), ngx_http_referral_velocity_conversions },
    { ngx_string("unknown="), ngx_http_referral_velocity_unknown },
    { ngx_null_string, NULL }
};


static const ngx_http_referral_rule_param_t
    ngx_http_referral_review_params[] =
{
    { ngx_string("min_age="), ngx_http_referral_review_min_age },
    { ngx_string("per_click="), ngx_http_referral_review_per_click },
    { ngx_string("max_amount="), ngx_http_referral_review_max_amount },
    { ngx_null_string, NULL }
};


static char *
ngx_http_referral_parameters(ngx_conf_t *cf,
    const ngx_http_referral_rule_param_t *params, void *rule)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_http_referral_rule_is(&value[1], "off")) {
        return NGX_CONF_OK;
    }

    return (ngx_http_referral_params(cf, params, rule) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_referral_velocity_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    if (program->velocity.set) {
        return "is duplicate";
    }

    program->velocity.set = 1;

    return ngx_http_referral_parameters(cf, ngx_http_referral_velocity_params,
                                        &program->velocity);
}


/* N/time: networks are told apart by salts that live for a day. */

static const char *
ngx_http_referral_velocity_limit(ngx_http_referral_limit_t *limit,
    ngx_str_t *s)
{
    u_char     *slash;
    uint32_t    seconds;
    ngx_int_t   n;
    ngx_str_t   number, time;

    slash = ngx_strlchr(s->data, s->data + s->len, '/');

    if (slash != NULL) {
        number.len = slash - s->data;
        number.data = s->data;
        time.len = s->data + s->len - slash - 1;
        time.data = slash + 1;

        if (ngx_http_referral_rule_number(&number, 1, REFERRAL_COUNT_MAX, &n)
            && ngx_http_referral_rule_time(&time, 1, &seconds)
            && seconds <= NGX_HTTP_REFERRAL_VELOCITY_TIME)
        {
            limit->n = n;
            limit->window = (ngx_msec_t) seconds * 1000;
            return NULL;
        }
    }

    return "must be a number from 1 to 1000000, \"/\" and a time between 1s "
           "and 1d, as in \"100/10m\"";
}


static const char *
ngx_http_referral_velocity_clicks(void *rule, ngx_str_t *s)
{
    ngx_http_referral_velocity_t *velocity = rule;

    return ngx_http_referral_velocity_limit(&velocity->clicks, s);
}


static const char *
ngx_http_referral_velocity_code_clicks(void *rule, ngx_str_t *s)
{
    ngx_http_referral_velocity_t *velocity = rule;

    return ngx_http_referral_velocity_limit(&velocity->code_clicks, s);
}


static const char *
ngx_http_referral_velocity_conversions(void *rule, ngx_str_t *s)
{
    ngx_http_referral_velocity_t *velocity = rule;

    return ngx_http_referral_velocity_limit(&velocity->conversions, s);
}


static const char *
ngx_http_referral_velocity_unknown(void *rule, ngx_str_t *s)
{
    ngx_http_referral_velocity_t *velocity = rule;

    return ngx_http_referral_velocity_limit(&velocity->unknown, s);
}


char *
ngx_http_referral_review(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    if (program->reviewed) {
        return "is duplicate";
    }

    program->reviewed = 1;

    return ngx_http_referral_parameters(cf, ngx_http_referral_review_params,
                                        &program->rules->review);
}


static const char *
ngx_http_referral_review_min_age(void *rule, ngx_str_t *s)
{
    referral_review_rule_t *review = rule;

    return ngx_http_referral_rule_time(s, 1, &review->min_age)
           ? NULL : "must be a time between 1s and 10y";
}


static const char *
ngx_http_referral_review_per_click(void *rule, ngx_str_t *s)
{
    referral_review_rule_t *review = rule;

    ngx_int_t  n;

    if (!ngx_http_referral_rule_number(s, 1, REFERRAL_COUNT_MAX, &n)) {
        return "must be a number from 1 to 1000000";
    }

    review->per_click = (uint32_t) n;

    return NULL;
}


static const char *
ngx_http_referral_review_max_amount(void *rule, ngx_str_t *s)
{
    referral_review_rule_t *review = rule;

    ngx_int_t  n;

    if (!ngx_http_referral_rule_number(s, 1, REFERRAL_AMOUNT_MAX, &n)) {
        return "must be a number of minor units, as 100000 for EUR 1000.00";
    }

    review->max_amount = n;

    return NULL;
}
