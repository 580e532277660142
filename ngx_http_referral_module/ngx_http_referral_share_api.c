/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the endpoint tells of sharing a code.
 */

#include "ngx_http_referral_share.h"


static ngx_int_t ngx_http_referral_api_share_of(
    ngx_http_referral_api_ctx_t *api, ngx_http_referral_share_t *share,
    referral_str_t language);
static ngx_int_t ngx_http_referral_api_share_language(
    ngx_http_referral_api_ctx_t *api, referral_str_t *language);
static ngx_int_t ngx_http_referral_api_qr(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t png);


ngx_int_t
ngx_http_referral_api_share(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t                  rc;
    referral_out_t             out;
    referral_str_t             language;
    ngx_http_referral_share_t  share;

    rc = ngx_http_referral_api_share_language(api, &language);

    if (rc == NGX_OK) {
        rc = ngx_http_referral_api_share_of(api, &share, language);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_referral_out_init(&out, api->request->pool);
    ngx_http_referral_share_json(&share, &out);

    if (ngx_http_referral_share_etag(api->request->pool, &out, &api->etag)
        != NGX_OK
        || ngx_http_referral_share_headers(api->request, &share) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out);
}


static ngx_int_t
ngx_http_referral_api_share_language(ngx_http_referral_api_ctx_t *api,
    referral_str_t *language)
{
    ngx_str_t  *arg;

    arg = ngx_http_referral_api_arg(api, "lang");

    if (arg == NULL) {
        *language = ngx_http_referral_header(api->request, "accept-language",
                                             sizeof("accept-language") - 1);
        return NGX_OK;
    }

    *language = ngx_http_referral_str(*arg);

    if (referral_language_right(*language)) {
        return NGX_OK;
    }

    ngx_http_referral_api_error(api->request->pool, &api->problem,
                                ngx_http_referral_text("lang"),
                                "it is not a language tag");

    return ngx_http_referral_api_refuse(&api->problem, 422,
               "invalid_parameter", "a query parameter is not valid");
}


/* A code whose links lead nowhere is not to be shared. */

static ngx_int_t
ngx_http_referral_api_share_of(ngx_http_referral_api_ctx_t *api,
    ngx_http_referral_share_t *share, referral_str_t language)
{
    referral_rc_t         rc;
    referral_code_t       code;
    referral_snapshot_t  *snap;

    if (api->program->share.link.len == 0) {
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                   "no_share_link", "the program has no \"share_link\", and "
                   "none can be told from its links");
    }

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_referral_api_code_lookup(api, snap,
                                           ngx_http_referral_str(api->id),
                                           &code);

    if (rc == REFERRAL_OK && code.status != REFERRAL_STATUS_ACTIVE) {
        rc = REFERRAL_STATE;
        ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                                     "code_not_active", "the code is paused "
                                     "or has ended, its links lead nowhere");
    }

    if (rc == REFERRAL_OK) {
        ngx_http_referral_share_init(share, api->request, api->program, &code,
                                     language);
    }

    ngx_http_referral_read_end(snap);

    if (rc == REFERRAL_OK && share->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == REFERRAL_OK && share->link.len == 0) {
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                   "no_share_link", "the \"share_link\" of the program is "
                   "none of its links with this code");
    }

    return (rc == REFERRAL_OK) ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_referral_api_qr_svg(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_qr(api, 0);
}


ngx_int_t
ngx_http_referral_api_qr_png(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_qr(api, 1);
}


static ngx_int_t
ngx_http_referral_api_qr(ngx_http_referral_api_ctx_t *api, ngx_uint_t png)
{
    ngx_int_t                   rc;
    const char                 *name, *why;
    referral_out_t              out;
    referral_str_t              language;
    ngx_http_referral_qr_t      qr;
    ngx_http_referral_share_t   share;

    ngx_memzero(&language, sizeof(referral_str_t));

    qr.png = png;
    name = ngx_http_referral_qr_set(&qr,
                                   ngx_http_referral_api_arg(api, "size"),
                                   ngx_http_referral_api_arg(api, "level"),
                                   ngx_http_referral_api_arg(api, "channel"),
                                   &why);

    if (name == NULL) {
        rc = ngx_http_referral_api_share_of(api, &share, language);

        if (rc != NGX_OK) {
            return rc;
        }

        ngx_http_referral_out_init(&out, api->request->pool);
        name = ngx_http_referral_qr_draw(&qr, &share, api->request, &out,
                                         &why);
    }

    if (name != NULL) {
        ngx_http_referral_api_error(api->request->pool, &api->problem,
            (referral_str_t) { ngx_strlen(name), (const u_char *) name }, why);

        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_parameter", "a query parameter is not valid");
    }

    if (ngx_http_referral_share_etag(api->request->pool, &out, &api->etag)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_api_send(api, NGX_HTTP_OK,
                                      png ? "image/png" : "image/svg+xml",
                                      &out);
}
