/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


typedef struct {
    ngx_http_referral_api_ctx_t       *api;
    ngx_http_referral_api_applied_pt   handler;
    void                              *data;
    ngx_http_referral_waiter_t         waiter;
} ngx_http_referral_api_record_t;


static void ngx_http_referral_api_applied(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result);


ngx_int_t
ngx_http_referral_api_record(ngx_http_referral_api_ctx_t *api,
    referral_record_t *record, ngx_http_referral_api_applied_pt handler,
    void *data)
{
    uint64_t                         seq;
    ngx_http_referral_api_record_t  *wait;

    wait = ngx_pcalloc(api->request->pool,
                       sizeof(ngx_http_referral_api_record_t));
    if (wait == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wait->api = api;
    wait->handler = handler;
    wait->data = data;

    record->reply = 1;

    if (ngx_http_referral_take(record, NGX_HTTP_REFERRAL_APPLIED, &seq)
        != NGX_OK
        || ngx_http_referral_wait(api->request, &wait->waiter, seq,
                                  NGX_HTTP_REFERRAL_APPLIED,
                                  ngx_http_referral_api_applied, wait)
           != NGX_OK)
    {
        return ngx_http_referral_api_unsure(api);
    }

    return NGX_DONE;
}


static void
ngx_http_referral_api_applied(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result)
{
    ngx_http_referral_api_ctx_t     *api;
    ngx_http_referral_api_record_t  *wait;

    wait = w->data;
    api = wait->api;

    if (rc == NGX_OK && result != NULL) {
        rc = wait->handler(api, result, wait->data);

    } else {
        rc = ngx_http_referral_api_unsure(api);
    }

    ngx_http_referral_api_finish(api, rc);
}


ngx_int_t
ngx_http_referral_api_unsure(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_refuse(&api->problem,
               NGX_HTTP_SERVICE_UNAVAILABLE, "store_unavailable",
               ngx_http_referral_full(REFERRAL_LEVEL_FULL)
               ? "the store is full, send the same again when it has room"
               : "the store did not confirm it, send the same again");
}


ngx_int_t
ngx_http_referral_api_field_errors(ngx_http_referral_api_ctx_t *api,
    const referral_field_errors_t *errors)
{
    ngx_uint_t  i;

    if (errors->nerrors == 0) {
        return NGX_OK;
    }

    for (i = 0; i < errors->nerrors; i++) {
        ngx_http_referral_api_error(api->request->pool, &api->problem,
                                    errors->errors[i].field,
                                    errors->errors[i].message);
    }

    return ngx_http_referral_api_refuse(&api->problem, 422, "invalid_fields",
                                        "a field is not valid");
}
