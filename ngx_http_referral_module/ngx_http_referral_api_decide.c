/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static ngx_int_t ngx_http_referral_api_decide(
    ngx_http_referral_api_ctx_t *api, referral_decide_t what);
static ngx_int_t ngx_http_referral_api_decided(
    ngx_http_referral_api_ctx_t *api, const referral_result_t *result,
    void *data);


ngx_int_t
ngx_http_referral_api_conversion_approve(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_decide(api, REFERRAL_DECIDE_APPROVE);
}


ngx_int_t
ngx_http_referral_api_conversion_void(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_decide(api, REFERRAL_DECIDE_VOID);
}


static ngx_int_t
ngx_http_referral_api_decide(ngx_http_referral_api_ctx_t *api,
    referral_decide_t what)
{
    json_t               *object;
    ngx_int_t             rc;
    referral_record_t     record;
    referral_snapshot_t  *snap;

    ngx_memzero(&record, sizeof(referral_record_t));

    if (referral_id_wrong(ngx_http_referral_str(api->id)) != NULL) {
        return ngx_http_referral_api_conversion_missing(api);
    }

    rc = ngx_http_referral_api_reason(api, &object,
                                      &record.u.decision.reason);

    if (rc == NGX_OK) {

        /* the number of the program is known while the store can be read */

        snap = ngx_http_referral_api_read(api);

        if (snap != NULL) {
            ngx_http_referral_read_end(snap);

            record.type = REFERRAL_RECORD_DECISION;
            record.u.decision.program =
                           ngx_http_referral_program_id(api->program->index);
            record.u.decision.what = what;
            record.u.decision.order_id = ngx_http_referral_str(api->id);

            rc = ngx_http_referral_api_record(api, &record,
                                        ngx_http_referral_api_decided, NULL);
        } else {
            rc = NGX_DECLINED;
        }
    }

    json_decref(object);

    return rc;
}


ngx_int_t
ngx_http_referral_api_reason(ngx_http_referral_api_ctx_t *api,
    json_t **object, referral_str_t *reason)
{
    json_t                   *value;
    const char               *name, *message;
    referral_field_errors_t   errors;

    *object = NULL;
    errors.nerrors = 0;

    if (api->body.len == 0) {
        return NGX_OK;
    }

    *object = ngx_http_referral_api_object(&api->body, &api->problem);
    if (*object == NULL) {
        return NGX_DECLINED;
    }

    json_object_foreach(*object, name, value) {

        if (ngx_strcmp(name, "reason") != 0) {
            message = "there is no such field";

        } else {
            message = json_is_null(value)
                      ? NULL : referral_json_reason(value, reason);
        }

        if (message != NULL) {
            referral_field_error(&errors, name, message);
        }
    }

    return ngx_http_referral_api_field_errors(api, &errors);
}


static ngx_int_t
ngx_http_referral_api_decided(ngx_http_referral_api_ctx_t *api,
    const referral_result_t *result, void *data)
{
    switch (result->rc) {

    case REFERRAL_OK:
        return ngx_http_referral_api_conversion_answer(api, NGX_HTTP_OK,
                                                       !result->created);

    case REFERRAL_NOT_FOUND:
        return ngx_http_referral_api_conversion_missing(api);

    case REFERRAL_STATE:
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                   "conversion_state", "the conversion is not held");

    default:
        return ngx_http_referral_api_unsure(api);
    }
}
