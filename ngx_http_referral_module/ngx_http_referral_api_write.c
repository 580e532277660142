/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"

#include <openssl/rand.h>


#define NGX_HTTP_REFERRAL_API_TRIES  3


static ngx_int_t ngx_http_referral_api_one(ngx_http_referral_api_ctx_t *api);
static ngx_int_t ngx_http_referral_api_post_args(
    ngx_http_referral_api_ctx_t *api);
static ngx_int_t ngx_http_referral_api_generate(
    ngx_http_referral_api_write_t *write);
static ngx_int_t ngx_http_referral_api_take(
    ngx_http_referral_api_write_t *write);
static void ngx_http_referral_api_written(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result);
static ngx_int_t ngx_http_referral_api_outcome(
    ngx_http_referral_api_write_t *write, const referral_result_t *result);
static ngx_int_t ngx_http_referral_api_unconfirmed(
    ngx_http_referral_api_write_t *write);
static ngx_int_t ngx_http_referral_api_missing(
    ngx_http_referral_api_write_t *write);
static ngx_int_t ngx_http_referral_api_code_answer(
    ngx_http_referral_api_ctx_t *api);
static ngx_int_t ngx_http_referral_api_ended_answer(
    ngx_http_referral_api_ctx_t *api);


ngx_int_t
ngx_http_referral_api_code_put(ngx_http_referral_api_ctx_t *api)
{
    json_t                           *object;
    ngx_int_t                         rc;
    referral_str_t                    name;
    ngx_http_referral_api_write_t    *write;
    ngx_http_referral_api_problem_t  *problem;

    if (ngx_http_referral_api_one(api) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    problem = &api->problem;

    object = ngx_http_referral_api_object(&api->body, problem);
    if (object == NULL) {
        return NGX_DECLINED;
    }

    write = api->writes;
    name = ngx_http_referral_str(api->id);

    rc = ngx_http_referral_api_fields(api, object, 0, &write->change, problem);

    json_decref(object);

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!referral_code_right(name)) {
        ngx_http_referral_api_error(api->request->pool, problem,
                                    ngx_http_referral_text("code"),
                                    REFERRAL_CODE_WRONG);
    }

    if (problem->errors.nelts) {
        return ngx_http_referral_api_refuse(problem, 422, "invalid_fields",
                                            "a field is not valid");
    }

    write->change.code = name;

    if (!(write->change.set & REFERRAL_SET_OWNER)) {
        write->change.set |= REFERRAL_CODE_OLD;
    }

    api->answer = ngx_http_referral_api_code_answer;

    return ngx_http_referral_api_submit(api);
}


ngx_int_t
ngx_http_referral_api_code_delete(ngx_http_referral_api_ctx_t *api)
{
    referral_code_change_t  *change;

    if (ngx_http_referral_api_one(api) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    change = &api->writes->change;

    change->code = ngx_http_referral_str(api->id);
    change->set = REFERRAL_SET_STATUS|REFERRAL_CODE_OLD;
    change->status = REFERRAL_STATUS_ENDED;

    if (!referral_code_right(change->code)) {
        ngx_http_referral_api_missing(api->writes);
    }

    api->answer = ngx_http_referral_api_ended_answer;

    return ngx_http_referral_api_submit(api);
}


ngx_int_t
ngx_http_referral_api_code_post(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t  rc;

    rc = ngx_http_referral_api_post_args(api);
    if (rc != NGX_OK) {
        return rc;
    }

    if (api->ndjson) {
        rc = ngx_http_referral_api_lines(api);
        if (rc != NGX_OK) {
            return rc;
        }

        api->answer = ngx_http_referral_api_outcomes;

    } else {
        if (ngx_http_referral_api_one(api) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_referral_api_new_code(api->writes, &api->body);

        api->answer = ngx_http_referral_api_code_answer;
    }

    return api->dry_run ? ngx_http_referral_api_dry_run(api)
                        : ngx_http_referral_api_submit(api);
}


static ngx_int_t
ngx_http_referral_api_post_args(ngx_http_referral_api_ctx_t *api)
{
    ngx_str_t  *arg;

    arg = ngx_http_referral_api_arg(api, "dry_run");

    if (arg == NULL) {
        return NGX_OK;
    }

    if (arg->len == 1 && (arg->data[0] == '0' || arg->data[0] == '1')) {
        api->dry_run = (arg->data[0] == '1');
        return NGX_OK;
    }

    ngx_http_referral_api_error(api->request->pool, &api->problem,
                                ngx_http_referral_text("dry_run"),
                                "it is not 0 or 1");

    return ngx_http_referral_api_refuse(&api->problem, 422,
               "invalid_parameter", "a query parameter is not valid");
}


static ngx_int_t
ngx_http_referral_api_one(ngx_http_referral_api_ctx_t *api)
{
    api->writes = ngx_pcalloc(api->request->pool,
                              sizeof(ngx_http_referral_api_write_t));
    if (api->writes == NULL) {
        return NGX_ERROR;
    }

    api->writes->api = api;
    api->writes->line = 1;
    api->nwrites = 1;

    return NGX_OK;
}


void
ngx_http_referral_api_new_code(ngx_http_referral_api_write_t *write,
    ngx_str_t *text)
{
    json_t                           *object;
    ngx_int_t                         rc;
    ngx_http_referral_api_ctx_t      *api;
    ngx_http_referral_api_problem_t  *problem;

    api = write->api;
    problem = &write->problem;

    object = ngx_http_referral_api_object(text, problem);
    if (object == NULL) {
        return;
    }

    rc = ngx_http_referral_api_fields(api, object, 1, &write->change, problem);

    json_decref(object);

    if (rc != NGX_OK) {
        ngx_http_referral_api_unconfirmed(write);
        return;
    }

    if (!(write->change.set & REFERRAL_SET_OWNER)
        && problem->errors.nelts == 0)
    {
        ngx_http_referral_api_missing(write);
    }

    if (problem->errors.nelts) {
        ngx_http_referral_api_refuse(problem, 422, "invalid_fields",
                                     "a field is not valid");
        return;
    }

    write->change.set |= REFERRAL_CODE_NEW;

    if (write->change.code.len == 0
        && ngx_http_referral_api_generate(write) != NGX_OK)
    {
        ngx_http_referral_api_unconfirmed(write);
    }
}


/* No 0, O, 1, I, L: people read codes aloud.  No U: fewer words. */

static ngx_int_t
ngx_http_referral_api_generate(ngx_http_referral_api_write_t *write)
{
    ngx_uint_t  i;
    u_char      byte;

    static const u_char  letters[] = "23456789ABCDEFGHJKMNPQRSTVWXYZ";

    for (i = 0; i < NGX_HTTP_REFERRAL_API_GENERATED; /* void */ ) {

        if (RAND_bytes(&byte, 1) != 1) {
            return NGX_ERROR;
        }

        /* 240 is the last multiple of 30: the rest would favour some */

        if (byte < 240) {
            write->generated[i++] = letters[byte % 30];
        }
    }

    write->tries++;
    write->change.code.data = write->generated;
    write->change.code.len = NGX_HTTP_REFERRAL_API_GENERATED;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_api_submit(ngx_http_referral_api_ctx_t *api)
{
    ngx_uint_t                      i;
    referral_snapshot_t            *snap;
    ngx_http_referral_api_write_t  *write;

    /* the number of the program is known while the store can be read */

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_read_end(snap);

    for (i = 0; i < api->nwrites; i++) {
        write = &api->writes[i];

        if (write->problem.status == 0) {
            ngx_http_referral_api_take(write);
        }
    }

    return api->pending ? NGX_DONE : api->answer(api);
}


static ngx_int_t
ngx_http_referral_api_take(ngx_http_referral_api_write_t *write)
{
    uint64_t                      seq;
    referral_record_t             record;
    ngx_http_referral_api_ctx_t  *api;

    api = write->api;

    ngx_memzero(&record, sizeof(referral_record_t));

    record.type = REFERRAL_RECORD_CODE;
    record.reply = 1;
    record.u.code = write->change;
    record.u.code.program = ngx_http_referral_program_id(api->program->index);

    if (ngx_http_referral_take(&record, NGX_HTTP_REFERRAL_APPLIED, &seq)
        != NGX_OK
        || ngx_http_referral_wait(api->request, &write->waiter, seq,
                                  NGX_HTTP_REFERRAL_APPLIED,
                                  ngx_http_referral_api_written, write)
           != NGX_OK)
    {
        return ngx_http_referral_api_unconfirmed(write);
    }

    api->pending++;

    return NGX_OK;
}


static void
ngx_http_referral_api_written(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result)
{
    ngx_http_referral_api_ctx_t    *api;
    ngx_http_referral_api_write_t  *write;

    write = w->data;
    api = write->api;

    api->pending--;

    if (rc == NGX_OK && result != NULL) {
        ngx_http_referral_api_outcome(write, result);

    } else {
        ngx_http_referral_api_unconfirmed(write);
    }

    if (api->pending == 0) {
        ngx_http_referral_api_finish(api, api->answer(api));
    }
}


static ngx_int_t
ngx_http_referral_api_outcome(ngx_http_referral_api_write_t *write,
    const referral_result_t *result)
{
    switch (result->rc) {

    case REFERRAL_OK:
        write->created = result->created;
        return NGX_OK;

    case REFERRAL_EXISTS:
        if (write->tries && write->tries < NGX_HTTP_REFERRAL_API_TRIES
            && ngx_http_referral_api_generate(write) == NGX_OK)
        {
            return ngx_http_referral_api_take(write);
        }

        return ngx_http_referral_api_refuse(&write->problem,
                   NGX_HTTP_CONFLICT, "code_exists",
                   "there is such a code already");

    case REFERRAL_GONE:
        return ngx_http_referral_api_refuse(&write->problem,
                   NGX_HTTP_CONFLICT, "code_ended",
                   "the code has ended and is not given out again");

    case REFERRAL_NOT_FOUND:
        return ngx_http_referral_api_missing(write);

    default:
        return ngx_http_referral_api_unconfirmed(write);
    }
}


static ngx_int_t
ngx_http_referral_api_unconfirmed(ngx_http_referral_api_write_t *write)
{
    return ngx_http_referral_api_refuse(&write->problem,
               NGX_HTTP_SERVICE_UNAVAILABLE, "store_unavailable",
               ngx_http_referral_full(REFERRAL_LEVEL_CODES)
               ? "the store is full for codes, try again when it has room"
               : "the store did not confirm the change, try again");
}


/* A code that is not there: to be ended, or to be made without an owner. */

static ngx_int_t
ngx_http_referral_api_missing(ngx_http_referral_api_write_t *write)
{
    if (write->api->route->method == NGX_HTTP_DELETE) {
        return ngx_http_referral_api_refuse(&write->problem,
                   NGX_HTTP_NOT_FOUND, "code_not_found",
                   "the program has no such code");
    }

    ngx_http_referral_api_error(write->api->request->pool, &write->problem,
                                ngx_http_referral_text("owner"),
                                "a new code must have it");

    return ngx_http_referral_api_refuse(&write->problem, 422,
               "invalid_fields", "a field is missing");
}


static ngx_int_t
ngx_http_referral_api_code_answer(ngx_http_referral_api_ctx_t *api)
{
    referral_rc_t                   rc;
    referral_code_t                 code;
    referral_snapshot_t            *snap;
    referral_out_t                  out;
    ngx_http_referral_api_write_t  *write;

    write = api->writes;

    if (write->problem.status) {
        api->problem = write->problem;
        return NGX_DECLINED;
    }

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    rc = ngx_http_referral_api_code_lookup(api, snap, write->change.code,
                                           &code);
    if (rc == REFERRAL_OK) {
        ngx_http_referral_api_code_json(&out, api, snap, &code);
    }

    ngx_http_referral_read_end(snap);

    if (rc != REFERRAL_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_referral_api_send_json(api,
                                           write->created ? NGX_HTTP_CREATED
                                                          : NGX_HTTP_OK,
                                           &out);
}


static ngx_int_t
ngx_http_referral_api_ended_answer(ngx_http_referral_api_ctx_t *api)
{
    referral_out_t  out;

    if (api->writes->problem.status) {
        api->problem = api->writes->problem;
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    return ngx_http_referral_api_send(api, NGX_HTTP_NO_CONTENT, NULL, &out);
}
