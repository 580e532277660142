/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


typedef struct {
    ngx_http_referral_api_ctx_t  *api;
    referral_snapshot_t          *snap;
    referral_out_t                out;
    ngx_uint_t                    limit;
    ngx_uint_t                    n;
    uint64_t                      last;
    unsigned                      more:1;
} ngx_http_referral_api_held_t;


static ngx_int_t ngx_http_referral_api_conversion_take(
    ngx_http_referral_api_ctx_t *api, referral_event_json_t *in);
static ngx_int_t ngx_http_referral_api_conversion_rules(
    ngx_http_referral_api_ctx_t *api, referral_event_json_t *in);
static ngx_int_t ngx_http_referral_api_conversion_record(
    ngx_http_referral_api_ctx_t *api, referral_event_t *event);
static void ngx_http_referral_api_token(ngx_http_referral_api_ctx_t *api,
    referral_event_json_t *in, referral_touches_t *touches);
static ngx_int_t ngx_http_referral_api_conversion_applied(
    ngx_http_referral_api_ctx_t *api, const referral_result_t *result,
    void *data);
static ngx_int_t ngx_http_referral_api_conversion_refused(
    ngx_http_referral_api_ctx_t *api, referral_rc_t rc);
static ngx_int_t ngx_http_referral_api_held_args(
    ngx_http_referral_api_ctx_t *api, uint64_t *after);
static ngx_int_t ngx_http_referral_api_held_data(
    ngx_http_referral_api_held_t *list, uint64_t after);
static int ngx_http_referral_api_held_visit(void *data,
    const referral_conversion_t *conversion);


ngx_int_t
ngx_http_referral_api_conversion_post(ngx_http_referral_api_ctx_t *api)
{
    json_t                 *object;
    ngx_int_t               rc;
    referral_event_json_t   in;

    object = ngx_http_referral_api_object(&api->body, &api->problem);
    if (object == NULL) {
        return NGX_DECLINED;
    }

    referral_event_json(object, &in);

    rc = ngx_http_referral_api_conversion_take(api, &in);

    json_decref(object);

    return rc;
}


/* The strings of the event are in the object, until the record is taken. */

static ngx_int_t
ngx_http_referral_api_conversion_take(ngx_http_referral_api_ctx_t *api,
    referral_event_json_t *in)
{
    ngx_int_t            rc;
    referral_touches_t   touches;

    rc = ngx_http_referral_api_conversion_rules(api, in);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_referral_api_token(api, in, &touches);

    if (ngx_http_referral_draw(&in->event.draw) != NGX_OK) {
        return ngx_http_referral_api_unsure(api);
    }

    api->id.len = in->event.order_id.len;
    api->id.data = ngx_pnalloc(api->request->pool, api->id.len);
    if (api->id.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(api->id.data, in->event.order_id.data, api->id.len);

    return ngx_http_referral_api_conversion_record(api, &in->event);
}


static ngx_int_t
ngx_http_referral_api_conversion_record(ngx_http_referral_api_ctx_t *api,
    referral_event_t *event)
{
    ngx_int_t                          rc;
    referral_record_t                  record;
    ngx_http_referral_events_taken_t  *taken;

    taken = ngx_palloc(api->request->pool,
                       sizeof(ngx_http_referral_events_taken_t));
    if (taken == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_referral_velocity_event(NULL, api->program, event, taken);

    ngx_memzero(&record, sizeof(referral_record_t));

    record.type = REFERRAL_RECORD_EVENT;
    record.u.event = *event;
    record.u.event.program = ngx_http_referral_program_id(api->program->index);
    record.u.event.source = REFERRAL_SOURCE_API;

    rc = ngx_http_referral_api_record(api, &record,
                            ngx_http_referral_api_conversion_applied, taken);

    if (rc != NGX_DONE) {
        ngx_http_referral_velocity_return(taken);
    }

    return rc;
}


static ngx_int_t
ngx_http_referral_api_conversion_rules(ngx_http_referral_api_ctx_t *api,
    referral_event_json_t *in)
{
    uint32_t                program;
    referral_rc_t           rc;
    referral_rules_t        rules;
    referral_snapshot_t    *snap;
    referral_conversion_t   known;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    program = ngx_http_referral_program_id(api->program->index);
    rc = referral_rules_get(snap, program, &rules);

    /* what was taken once is a duplicate, whatever the rules say since */

    if (rc == REFERRAL_OK
        && referral_conversion_get(snap, program, in->event.order_id, &known)
           != REFERRAL_OK)
    {
        referral_event_json_rules(&rules, in);
    }

    ngx_http_referral_read_end(snap);

    if (rc != REFERRAL_OK) {
        return ngx_http_referral_api_unreadable(api);
    }

    return ngx_http_referral_api_field_errors(api, &in->wrong);
}


/* A token that is worthless is no error: what became of it is recorded. */

static void
ngx_http_referral_api_token(ngx_http_referral_api_ctx_t *api,
    referral_event_json_t *in, referral_touches_t *touches)
{
    referral_cookie_status_t        status;
    ngx_http_referral_program_t    *program;
    ngx_http_referral_main_conf_t  *rmcf;

    if (in->token.len == 0) {
        return;
    }

    program = api->program;
    rmcf = ngx_http_get_module_main_conf(api->request,
                                         ngx_http_referral_module);

    status = referral_cookie_verify(rmcf->keys,
                                    ngx_http_referral_str(program->name),
                                    in->token, ngx_time(), program->window,
                                    touches);

    ngx_http_referral_event_token(&in->event, status, touches);
}


static ngx_int_t
ngx_http_referral_api_conversion_applied(ngx_http_referral_api_ctx_t *api,
    const referral_result_t *result, void *data)
{
    ngx_http_referral_events_taken_t *taken = data;

    if (result->rc != REFERRAL_OK) {

        if (result->rc != REFERRAL_CONFLICT) {
            ngx_http_referral_velocity_return(taken);
        }

        return ngx_http_referral_api_conversion_refused(api, result->rc);
    }

    return ngx_http_referral_api_conversion_answer(api,
               result->created ? NGX_HTTP_CREATED : NGX_HTTP_OK,
               !result->created);
}


static ngx_int_t
ngx_http_referral_api_conversion_refused(ngx_http_referral_api_ctx_t *api,
    referral_rc_t rc)
{
    switch (rc) {

    case REFERRAL_CONFLICT:
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                   "order_conflict",
                   "this order id was reported before with other content");

    case REFERRAL_CURRENCY:
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "currency_mismatch",
                   "a refund of this order came before, in another currency");

    case REFERRAL_NO_EVENT:
        ngx_http_referral_api_error(api->request->pool, &api->problem,
                                    ngx_http_referral_text("event"),
                                    "the program declares no such event");

        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_fields", "a field is not valid");

    default:
        return ngx_http_referral_api_unsure(api);
    }
}


ngx_int_t
ngx_http_referral_api_conversion_get(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_conversion_answer(api, NGX_HTTP_OK, 0);
}


ngx_int_t
ngx_http_referral_api_conversion_answer(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status, ngx_uint_t duplicate)
{
    referral_rc_t          rc;
    referral_snapshot_t   *snap;
    referral_conversion_t  conversion;
    referral_out_t         out;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    rc = ngx_http_referral_api_conversion_find(api, snap, &conversion);
    if (rc == REFERRAL_OK) {
        if (status == NGX_HTTP_CREATED
            && conversion.status == REFERRAL_EVENT_HELD)
        {
            status = NGX_HTTP_ACCEPTED;
        }

        referral_out_conversion(&out, NULL, snap,
                          ngx_http_referral_program_id(api->program->index),
                          &conversion, duplicate);
    }

    ngx_http_referral_read_end(snap);

    if (rc == REFERRAL_NOT_FOUND) {
        return ngx_http_referral_api_conversion_missing(api);
    }

    if (rc != REFERRAL_OK) {
        return ngx_http_referral_api_unreadable(api);
    }

    return ngx_http_referral_api_send_json(api, status, &out);
}


ngx_int_t
ngx_http_referral_api_conversion_missing(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
               "conversion_not_found", "the program has no such order");
}


referral_rc_t
ngx_http_referral_api_conversion_find(ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, referral_conversion_t *conversion)
{
    uint32_t        program;
    referral_rc_t   rc;
    referral_str_t  order_id;

    order_id = ngx_http_referral_str(api->id);

    if (referral_id_wrong(order_id) != NULL) {
        return REFERRAL_NOT_FOUND;
    }

    program = ngx_http_referral_program_id(api->program->index);

    rc = referral_conversion_get(snap, program, order_id, conversion);

    if (rc == REFERRAL_OK && conversion->status == REFERRAL_EVENT_AWAITED) {
        return REFERRAL_NOT_FOUND;
    }

    return rc;
}


ngx_int_t
ngx_http_referral_api_conversion_list(ngx_http_referral_api_ctx_t *api)
{
    uint64_t                      after;
    ngx_int_t                     rc;
    ngx_http_referral_api_held_t  list;

    rc = ngx_http_referral_api_held_args(api, &after);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&list, sizeof(ngx_http_referral_api_held_t));

    list.api = api;
    list.limit = ngx_http_referral_api_limit(api);

    list.snap = ngx_http_referral_api_read(api);
    if (list.snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&list.out, api->request->pool);

    rc = ngx_http_referral_api_held_data(&list, after);

    ngx_http_referral_read_end(list.snap);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &list.out);
}


static ngx_int_t
ngx_http_referral_api_held_args(ngx_http_referral_api_ctx_t *api,
    uint64_t *after)
{
    ngx_str_t  *arg;

    (void) ngx_http_referral_api_limit(api);

    arg = ngx_http_referral_api_arg(api, "status");

    if (arg == NULL || arg->len != 4
        || ngx_strncmp(arg->data, "held", 4) != 0)
    {
        ngx_http_referral_api_error(api->request->pool, &api->problem,
                                    ngx_http_referral_text("status"),
                                    "it is not \"held\"");
    }

    *after = ngx_http_referral_api_number(api, "after", 0, NGX_MAX_INT_T_VALUE,
                                       0, "it is not the \"next\" of a list");

    if (api->problem.errors.nelts) {
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_parameter", "a query parameter is not valid");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_held_data(ngx_http_referral_api_held_t *list,
    uint64_t after)
{
    uint32_t         program;
    referral_out_t  *out;

    out = &list->out;
    program = ngx_http_referral_program_id(list->api->program->index);

    referral_out_open(out, NULL, "{");
    referral_out_open(out, "data", "[");

    if (referral_conversion_held(list->snap, program, after,
                                 ngx_http_referral_api_held_visit, list)
        != REFERRAL_OK)
    {
        return ngx_http_referral_api_unreadable(list->api);
    }

    referral_out_end_list(out, list->more ? list->last : 0);

    return NGX_OK;
}


static int
ngx_http_referral_api_held_visit(void *data,
    const referral_conversion_t *conversion)
{
    ngx_http_referral_api_held_t *list = data;

    if (list->n == list->limit) {
        list->more = 1;
        return 1;
    }

    list->n++;
    list->last = conversion->seq;

    referral_out_conversion(&list->out, NULL, list->snap,
                    ngx_http_referral_program_id(list->api->program->index),
                    conversion, 0);

    return 0;
}
