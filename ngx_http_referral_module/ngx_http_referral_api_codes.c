/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


typedef struct {
    ngx_http_referral_api_ctx_t  *api;
    referral_snapshot_t          *snap;
    const referral_rules_t       *rules;
    referral_out_t                out;
    ngx_uint_t                    limit;
    ngx_uint_t                    n;
    ngx_uint_t                    more;
    referral_str_t                last;     /* in the map */
} ngx_http_referral_api_list_t;


static ngx_int_t ngx_http_referral_api_code_list_args(
    ngx_http_referral_api_ctx_t *api, referral_str_t *after,
    referral_str_t *owner);
static ngx_int_t ngx_http_referral_api_code_list_data(
    ngx_http_referral_api_list_t *list, referral_str_t after,
    referral_str_t owner);
static int ngx_http_referral_api_code_visit(void *data,
    const referral_code_t *code);


ngx_int_t
ngx_http_referral_api_code_get(ngx_http_referral_api_ctx_t *api)
{
    referral_rc_t         rc;
    referral_code_t       code;
    referral_snapshot_t  *snap;
    referral_out_t        out;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    rc = ngx_http_referral_api_code_lookup(api, snap,
                                           ngx_http_referral_str(api->id),
                                           &code);
    if (rc == REFERRAL_OK) {
        if (ngx_http_referral_api_etag(api, snap, 0) != NGX_OK) {
            out.failed = 1;

        } else if (!api->unchanged) {
            ngx_http_referral_api_code_json(&out, api, snap, &code);
        }
    }

    ngx_http_referral_read_end(snap);

    if (rc != REFERRAL_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out);
}


referral_rc_t
ngx_http_referral_api_code_lookup(ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, referral_str_t name, referral_code_t *code)
{
    uint32_t       program;
    referral_rc_t  rc;

    rc = REFERRAL_NOT_FOUND;

    if (referral_code_right(name)) {
        program = ngx_http_referral_program_id(api->program->index);
        rc = referral_code_get(snap, program, name, code);
    }

    if (rc == REFERRAL_NOT_FOUND) {
        ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
                                     "code_not_found",
                                     "the program has no such code");

    } else if (rc != REFERRAL_OK) {
        ngx_http_referral_api_unreadable(api);
    }

    return rc;
}


void
ngx_http_referral_api_code_json(referral_out_t *out,
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    const referral_code_t *code)
{
    uint32_t          program;
    referral_rules_t  rules;

    program = ngx_http_referral_program_id(api->program->index);

    if (referral_rules_known(snap, program, &rules) != REFERRAL_OK
        || referral_out_code(out, snap, program,
                             ngx_http_referral_str(api->program->name), code,
                             &rules)
           != REFERRAL_OK)
    {
        out->failed = 1;
    }
}


ngx_int_t
ngx_http_referral_api_code_list(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t                     rc;
    referral_str_t                after, owner;
    ngx_http_referral_api_list_t  list;

    rc = ngx_http_referral_api_code_list_args(api, &after, &owner);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&list, sizeof(ngx_http_referral_api_list_t));

    list.api = api;
    list.limit = ngx_http_referral_api_limit(api);

    list.snap = ngx_http_referral_api_read(api);
    if (list.snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&list.out, api->request->pool);

    rc = ngx_http_referral_api_code_list_data(&list, after, owner);

    ngx_http_referral_read_end(list.snap);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &list.out);
}


static ngx_int_t
ngx_http_referral_api_code_list_args(ngx_http_referral_api_ctx_t *api,
    referral_str_t *after, referral_str_t *owner)
{
    ngx_str_t   *arg;
    const char  *why;

    ngx_memzero(after, sizeof(referral_str_t));
    ngx_memzero(owner, sizeof(referral_str_t));

    (void) ngx_http_referral_api_limit(api);

    arg = ngx_http_referral_api_arg(api, "after");

    if (arg != NULL) {
        *after = ngx_http_referral_str(*arg);

        if (!referral_code_right(*after)) {
            ngx_http_referral_api_error(api->request->pool, &api->problem,
                                        ngx_http_referral_text("after"),
                                        "it is not the \"next\" of a list");
        }
    }

    arg = ngx_http_referral_api_arg(api, "owner");

    if (arg != NULL) {
        *owner = ngx_http_referral_str(*arg);
        why = referral_owner_wrong(*owner);

        if (why != NULL) {
            ngx_http_referral_api_error(api->request->pool, &api->problem,
                                        ngx_http_referral_text("owner"), why);
        }
    }

    if (api->problem.errors.nelts) {
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_parameter", "a query parameter is not valid");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_code_list_data(ngx_http_referral_api_list_t *list,
    referral_str_t after, referral_str_t owner)
{
    uint32_t          program;
    referral_rules_t  rules;
    referral_out_t   *out;

    out = &list->out;
    list->rules = &rules;
    program = ngx_http_referral_program_id(list->api->program->index);

    referral_out_open(out, NULL, "{");
    referral_out_open(out, "data", "[");

    if (referral_rules_known(list->snap, program, &rules) != REFERRAL_OK
        || referral_code_list(list->snap, program, after, owner,
                              ngx_http_referral_api_code_visit, list)
           != REFERRAL_OK
        || list->out.failed)
    {
        return ngx_http_referral_api_unreadable(list->api);
    }

    referral_out_close(out, "]");

    if (list->more) {
        referral_out_str(out, "next", list->last);

    } else {
        referral_out_null(out, "next");
    }

    referral_out_close(out, "}");

    return NGX_OK;
}


/* The one beyond the limit is seen, so that "next" is null at the end. */

static int
ngx_http_referral_api_code_visit(void *data, const referral_code_t *code)
{
    ngx_http_referral_api_list_t *list = data;

    if (list->n == list->limit) {
        list->more = 1;
        return 1;
    }

    list->n++;
    list->last = code->code;

    if (referral_out_code(&list->out, list->snap,
                    ngx_http_referral_program_id(list->api->program->index),
                    ngx_http_referral_str(list->api->program->name), code,
                    list->rules)
        != REFERRAL_OK)
    {
        list->out.failed = 1;
    }

    return list->out.failed;
}
