/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"
#include "referral_session.h"


static ngx_int_t ngx_http_referral_api_session_ttl(
    ngx_http_referral_api_ctx_t *api, unsigned *seconds);
static const char *ngx_http_referral_api_session_seconds(json_t *value,
    unsigned *seconds);
static ngx_int_t ngx_http_referral_api_session_code(
    ngx_http_referral_api_ctx_t *api, u_char *name, referral_str_t *code);


ngx_int_t
ngx_http_referral_api_session(ngx_http_referral_api_ctx_t *api)
{
    u_char                          token[REFERRAL_COOKIE_MAX];
    u_char                          name[REFERRAL_CODE_MAX];
    unsigned                        seconds;
    ngx_int_t                       rc;
    referral_str_t                  code, text;
    referral_out_t                  out;
    ngx_http_referral_main_conf_t  *rmcf;

    rc = ngx_http_referral_api_session_ttl(api, &seconds);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_referral_api_session_code(api, name, &code);
    if (rc != NGX_OK) {
        return rc;
    }

    rmcf = ngx_http_get_module_main_conf(api->request,
                                         ngx_http_referral_module);

    text.data = token;
    text.len = referral_session_write(rmcf->keys,
                                     ngx_http_referral_str(api->program->name),
                                     code, ngx_time(), seconds, token);
    if (text.len == 0) {
        ngx_log_error(NGX_LOG_CRIT, api->request->connection->log, 0,
                      "signing a session of program \"%V\" failed",
                      &api->program->name);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    referral_out_open(&out, NULL, "{");
    referral_out_str(&out, "token", text);
    referral_out_time(&out, "expires_at",
                      (int64_t) (ngx_time() + seconds) * 1000);
    referral_out_close(&out, "}");

    return ngx_http_referral_api_send_json(api, NGX_HTTP_CREATED, &out);
}


static ngx_int_t
ngx_http_referral_api_session_ttl(ngx_http_referral_api_ctx_t *api,
    unsigned *seconds)
{
    json_t                   *object, *value;
    ngx_int_t                 rc;
    const char               *name, *message;
    referral_field_errors_t   errors;

    *seconds = REFERRAL_SESSION_DEFAULT;
    errors.nerrors = 0;

    if (api->body.len == 0) {
        return NGX_OK;
    }

    object = ngx_http_referral_api_object(&api->body, &api->problem);
    if (object == NULL) {
        return NGX_DECLINED;
    }

    json_object_foreach(object, name, value) {

        message = (ngx_strcmp(name, "ttl") == 0)
                  ? ngx_http_referral_api_session_seconds(value, seconds)
                  : "there is no such field";

        if (message != NULL) {
            referral_field_error(&errors, name, message);
        }
    }

    rc = ngx_http_referral_api_field_errors(api, &errors);

    json_decref(object);

    return rc;
}


static const char *
ngx_http_referral_api_session_seconds(json_t *value, unsigned *seconds)
{
    if (json_is_null(value)) {
        return NULL;
    }

    if (!json_is_integer(value)
        || json_integer_value(value) < REFERRAL_SESSION_MIN
        || json_integer_value(value) > REFERRAL_SESSION_MAX)
    {
        return "it is not a number of seconds, 60 to 86400";
    }

    *seconds = (unsigned) json_integer_value(value);

    return NULL;
}


/* As it is kept, however the caller spells it. */

static ngx_int_t
ngx_http_referral_api_session_code(ngx_http_referral_api_ctx_t *api,
    u_char *name, referral_str_t *code)
{
    ngx_int_t             rc;
    referral_code_t       found;
    referral_snapshot_t  *snap;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    rc = (ngx_http_referral_api_code_lookup(api, snap,
                                            ngx_http_referral_str(api->id),
                                            &found)
          == REFERRAL_OK) ? NGX_OK : NGX_DECLINED;

    if (rc == NGX_OK && found.status == REFERRAL_STATUS_ENDED) {
        rc = ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                                          "code_ended", "the code has ended");
    }

    if (rc == NGX_OK) {
        ngx_memcpy(name, found.code.data, found.code.len);
        code->data = name;
        code->len = found.code.len;
    }

    ngx_http_referral_read_end(snap);

    return rc;
}
