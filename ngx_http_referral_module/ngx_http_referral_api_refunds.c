/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


/* What the answer needs beside what the store knows then. */

typedef struct {
    referral_str_t                refund_id;
    uint16_t                      currency;     /* 0: not told */
} ngx_http_referral_api_refund_t;


static ngx_int_t ngx_http_referral_api_refund_take(
    ngx_http_referral_api_ctx_t *api, referral_refund_json_t *in);
static ngx_int_t ngx_http_referral_api_refund_check(
    ngx_http_referral_api_ctx_t *api, referral_refund_json_t *in);
static ngx_int_t ngx_http_referral_api_refund_applied(
    ngx_http_referral_api_ctx_t *api, const referral_result_t *result,
    void *data);
static ngx_int_t ngx_http_referral_api_refund_refused(
    ngx_http_referral_api_ctx_t *api, referral_rc_t rc);
static referral_rc_t ngx_http_referral_api_refund_json(
    referral_out_t *out, ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, const ngx_http_referral_api_refund_t *refund,
    ngx_uint_t duplicate);


ngx_int_t
ngx_http_referral_api_refund_post(ngx_http_referral_api_ctx_t *api)
{
    json_t                  *object;
    ngx_int_t                rc;
    const char              *message;
    referral_refund_json_t   in;

    object = ngx_http_referral_api_object(&api->body, &api->problem);
    if (object == NULL) {
        return NGX_DECLINED;
    }

    referral_refund_json(object, &in);

    in.refund.order_id = ngx_http_referral_str(api->id);
    message = referral_id_wrong(in.refund.order_id);

    if (message != NULL) {
        referral_field_error(&in.wrong, "order_id", message);
    }

    rc = ngx_http_referral_api_refund_take(api, &in);

    json_decref(object);

    return rc;
}


static ngx_int_t
ngx_http_referral_api_refund_take(ngx_http_referral_api_ctx_t *api,
    referral_refund_json_t *in)
{
    u_char                          *p;
    ngx_int_t                        rc;
    referral_record_t                record;
    ngx_http_referral_api_refund_t  *refund;

    rc = ngx_http_referral_api_refund_check(api, in);
    if (rc != NGX_OK) {
        return rc;
    }

    refund = ngx_palloc(api->request->pool,
                        sizeof(ngx_http_referral_api_refund_t));
    p = ngx_pnalloc(api->request->pool, in->refund.refund_id.len);

    if (refund == NULL || p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(p, in->refund.refund_id.data, in->refund.refund_id.len);

    refund->refund_id.data = p;
    refund->refund_id.len = in->refund.refund_id.len;
    refund->currency = in->refund.currency;

    ngx_memzero(&record, sizeof(referral_record_t));

    record.type = REFERRAL_RECORD_REFUND;
    record.u.refund = in->refund;
    record.u.refund.program = ngx_http_referral_program_id(api->program->index);

    return ngx_http_referral_api_record(api, &record,
                                ngx_http_referral_api_refund_applied, refund);
}


/* An amount in major units is of the order's currency, unless one is told. */

static ngx_int_t
ngx_http_referral_api_refund_check(ngx_http_referral_api_ctx_t *api,
    referral_refund_json_t *in)
{
    referral_rc_t               rc;
    referral_snapshot_t        *snap;
    referral_conversion_t       conversion;
    const referral_currency_t  *currency;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    rc = REFERRAL_OK;

    if (in->amount != NULL) {
        currency = NULL;
        rc = ngx_http_referral_api_conversion_find(api, snap, &conversion);

        if (rc == REFERRAL_OK && conversion.has_amount) {
            currency = referral_currency_number(conversion.currency);
        }

        referral_refund_json_amount(in, currency);
    }

    ngx_http_referral_read_end(snap);

    if (rc != REFERRAL_OK && rc != REFERRAL_NOT_FOUND) {
        return ngx_http_referral_api_unreadable(api);
    }

    return ngx_http_referral_api_field_errors(api, &in->wrong);
}


static ngx_int_t
ngx_http_referral_api_refund_applied(ngx_http_referral_api_ctx_t *api,
    const referral_result_t *result, void *data)
{
    referral_rc_t         rc;
    referral_snapshot_t  *snap;
    referral_out_t        out;

    if (result->rc != REFERRAL_OK) {
        return ngx_http_referral_api_refund_refused(api, result->rc);
    }

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    rc = ngx_http_referral_api_refund_json(&out, api, snap, data,
                                           !result->created);

    ngx_http_referral_read_end(snap);

    if (rc != REFERRAL_OK) {
        return ngx_http_referral_api_unreadable(api);
    }

    return ngx_http_referral_api_send_json(api,
                                           result->created ? NGX_HTTP_CREATED
                                                           : NGX_HTTP_OK,
                                           &out);
}


static ngx_int_t
ngx_http_referral_api_refund_refused(ngx_http_referral_api_ctx_t *api,
    referral_rc_t rc)
{
    switch (rc) {

    case REFERRAL_CONFLICT:
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                   "refund_conflict",
                   "this refund id was used before with another amount");

    case REFERRAL_EXCEEDS:
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "refund_exceeds",
                   "it is more than what is left of the order, or nothing is "
                   "left");

    case REFERRAL_CURRENCY:
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "currency_mismatch",
                   "it is not in the currency of the order, or of another "
                   "refund of it");

    default:
        return ngx_http_referral_api_unsure(api);
    }
}


static referral_rc_t
ngx_http_referral_api_refund_json(referral_out_t *out,
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    const ngx_http_referral_api_refund_t *refund, ngx_uint_t duplicate)
{
    uint32_t                program;
    ngx_uint_t              known;
    referral_rc_t           rc;
    referral_conversion_t   conversion;
    referral_refund_info_t  info;

    program = ngx_http_referral_program_id(api->program->index);

    rc = referral_refund_get(snap, program, ngx_http_referral_str(api->id),
                             refund->refund_id, &info);
    if (rc != REFERRAL_OK) {
        return rc;
    }

    rc = ngx_http_referral_api_conversion_find(api, snap, &conversion);

    if (rc != REFERRAL_OK && rc != REFERRAL_NOT_FOUND) {
        return rc;
    }

    known = (rc == REFERRAL_OK);

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "order_id", ngx_http_referral_str(api->id));
    referral_out_str(out, "refund_id", refund->refund_id);

    if (known && conversion.has_amount) {
        referral_out_money(out, "amount", 1, info.amount);
        referral_out_currency(out, 1, conversion.currency);

    } else {
        referral_out_money(out, "amount", !info.whole, info.amount);
        referral_out_currency(out, refund->currency != 0,
                              refund->currency);
    }

    referral_out_bool(out, "duplicate", duplicate);

    if (known) {
        referral_out_conversion(out, "conversion", snap, program, &conversion,
                                0);
    } else {
        referral_out_null(out, "conversion");
    }

    referral_out_close(out, "}");

    return REFERRAL_OK;
}
