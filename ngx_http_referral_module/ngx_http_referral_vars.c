/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"


static ngx_int_t ngx_http_referral_value_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_referral_class_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_referral_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_referral_client_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_referral_set_value(ngx_http_variable_value_t *v,
    ngx_str_t *value);


static ngx_http_variable_t  ngx_http_referral_variables[] = {

    { ngx_string("referral_program"), NULL,
      ngx_http_referral_value_variable, NGX_HTTP_REFERRAL_PROGRAM,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_code"), NULL,
      ngx_http_referral_value_variable, NGX_HTTP_REFERRAL_CODE,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_channel"), NULL,
      ngx_http_referral_value_variable, NGX_HTTP_REFERRAL_CHANNEL,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_click"), NULL,
      ngx_http_referral_value_variable, NGX_HTTP_REFERRAL_CLICK,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_time"), NULL,
      ngx_http_referral_value_variable, NGX_HTTP_REFERRAL_TIME,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_first_code"), NULL,
      ngx_http_referral_value_variable, NGX_HTTP_REFERRAL_FIRST_CODE,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_token"), NULL,
      ngx_http_referral_value_variable, NGX_HTTP_REFERRAL_TOKEN,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_class"), NULL,
      ngx_http_referral_class_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_status"), NULL,
      ngx_http_referral_status_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("referral_client_key"), NULL,
      ngx_http_referral_client_key_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_referral_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_referral_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_time(ngx_http_request_t *r, const referral_touch_t *touch,
    ngx_str_t *value)
{
    value->data = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = ngx_sprintf(value->data, "%L", touch->time) - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_value(ngx_http_request_t *r, referral_touches_t *touches,
    ngx_uint_t which, ngx_str_t *value)
{
    const referral_touch_t   *touch;
    ngx_http_referral_ctx_t  *ctx;

    value->len = 0;
    value->data = NULL;

    ctx = ngx_http_referral_get_ctx(r, 0);
    touch = referral_touch_credited(touches, ctx->program->attribution);

    switch (which) {

    case NGX_HTTP_REFERRAL_PROGRAM:
        *value = ctx->program->name;
        break;

    case NGX_HTTP_REFERRAL_CODE:
        value->len = touch->code_len;
        value->data = (u_char *) touch->code;
        break;

    case NGX_HTTP_REFERRAL_CHANNEL:
        value->len = touch->channel_len;
        value->data = (u_char *) touch->channel;
        break;

    case NGX_HTTP_REFERRAL_CLICK:
        value->len = touch->click_len;
        value->data = (u_char *) touch->click;
        break;

    case NGX_HTTP_REFERRAL_TIME:
        return ngx_http_referral_time(r, touch, value);

    case NGX_HTTP_REFERRAL_FIRST_CODE:
        value->len = touches->first.code_len;
        value->data = touches->first.code;
        break;

    case NGX_HTTP_REFERRAL_TOKEN:
        *value = ctx->token;
        break;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_value_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            value;
    referral_touches_t  *touches;

    ngx_str_null(&value);
    touches = ngx_http_referral_credited(r);

    if (touches != NULL
        && ngx_http_referral_value(r, touches, data, &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_referral_set_value(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_client_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  value;

    if (ngx_http_referral_client_key(r, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_referral_set_value(v, &value);

    return NGX_OK;
}


static void
ngx_http_referral_set_value(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    v->len = value->len;
    v->data = value->data;
    v->valid = (value->len != 0);
    v->no_cacheable = 0;
    v->not_found = (value->len == 0);
}


static ngx_int_t
ngx_http_referral_class_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                 value;
    ngx_http_referral_ctx_t  *ctx;

    ngx_str_null(&value);

    ctx = ngx_http_referral_get_ctx(r, 0);

    if (ctx != NULL && ctx->class >= 0) {
        value.data = (u_char *) referral_class_name(ctx->class);
        value.len = ngx_strlen(value.data);
    }

    ngx_http_referral_set_value(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                     *value;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    static ngx_str_t  off = ngx_null_string;
    static ngx_str_t  no_consent = ngx_string("no_consent");

    /* in the order of referral_cookie_status_t */

    static ngx_str_t  names[] = {
        ngx_string("none"),
        ngx_string("valid"),
        ngx_string("expired"),
        ngx_string("invalid")
    };

    value = &off;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (rlcf->program != NULL) {
        ctx = ngx_http_referral_visitor(r, rlcf->program);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        value = ctx->consent ? &names[ctx->cookie] : &no_consent;
    }

    ngx_http_referral_set_value(v, value);

    return NGX_OK;
}
