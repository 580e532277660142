/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static void ngx_http_referral_api_click_json(referral_out_t *out,
    ngx_http_referral_api_ctx_t *api, referral_click_info_t *click);


ngx_int_t
ngx_http_referral_api_click(ngx_http_referral_api_ctx_t *api)
{
    u_char                 id[REFERRAL_CLICK_ID_SIZE + 3];
    uint32_t               program;
    ngx_str_t              bytes;
    referral_rc_t          rc;
    referral_snapshot_t   *snap;
    referral_click_info_t  click;
    referral_out_t         out;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    program = ngx_http_referral_program_id(api->program->index);
    bytes.data = id;

    if (api->id.len != REFERRAL_CLICK_ID_LEN
        || ngx_decode_base64url(&bytes, &api->id) != NGX_OK
        || bytes.len != REFERRAL_CLICK_ID_SIZE)
    {
        rc = REFERRAL_NOT_FOUND;

    } else {
        rc = referral_click_get(snap, program, id, &click);
    }

    if (rc == REFERRAL_OK) {
        ngx_http_referral_api_click_json(&out, api, &click);
    }

    ngx_http_referral_read_end(snap);

    if (rc == REFERRAL_NOT_FOUND) {
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
                   "click_not_found", "the program has no such click");
    }

    if (rc != REFERRAL_OK) {
        return ngx_http_referral_api_unreadable(api);
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out);
}


static void
ngx_http_referral_api_click_json(referral_out_t *out,
    ngx_http_referral_api_ctx_t *api, referral_click_info_t *click)
{
    referral_out_open(out, NULL, "{");
    referral_out_str(out, "program",
                     ngx_http_referral_str(api->program->name));
    referral_out_str(out, "click_id",
                     ngx_http_referral_str(api->id));
    referral_out_time(out, "clicked_at", click->time);
    referral_out_click(out, click);
    referral_out_close(out, "}");
}
