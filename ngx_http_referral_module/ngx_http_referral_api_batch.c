/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static ngx_uint_t ngx_http_referral_api_next_line(ngx_str_t *body,
    ngx_str_t *line, ngx_uint_t *number);
static ngx_int_t ngx_http_referral_api_expect(
    ngx_http_referral_api_write_t *write, referral_snapshot_t *snap);
static ngx_uint_t ngx_http_referral_api_named_before(
    ngx_http_referral_api_write_t *write);
static void ngx_http_referral_api_line_json(referral_out_t *out,
    ngx_http_referral_api_write_t *write);


ngx_int_t
ngx_http_referral_api_lines(ngx_http_referral_api_ctx_t *api)
{
    ngx_str_t                       body, line;
    ngx_uint_t                      n, number;
    ngx_http_referral_api_write_t  *write;

    n = 0;
    number = 0;
    body = api->body;

    while (ngx_http_referral_api_next_line(&body, &line, &number)) {
        n++;
    }

    if (n == 0) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_BAD_REQUEST, "empty_body", "the body is empty");
    }

    if (n > NGX_HTTP_REFERRAL_API_LINES) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "too_many_lines",
                   "the body has more than 1000 lines");
    }

    api->writes = ngx_pcalloc(api->request->pool,
                              n * sizeof(ngx_http_referral_api_write_t));
    if (api->writes == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    number = 0;
    body = api->body;

    while (ngx_http_referral_api_next_line(&body, &line, &number)) {
        write = &api->writes[api->nwrites++];
        write->api = api;
        write->line = number;

        ngx_http_referral_api_new_code(write, &line);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_referral_api_next_line(ngx_str_t *body, ngx_str_t *line,
    ngx_uint_t *number)
{
    u_char  *last, *end;

    last = body->data + body->len;

    while (body->data < last) {
        end = ngx_strlchr(body->data, last, '\n');
        if (end == NULL) {
            end = last;
        }

        (*number)++;

        line->data = body->data;
        line->len = end - body->data;

        body->data = ngx_min(end + 1, last);
        body->len = last - body->data;

        while (line->len && (line->data[line->len - 1] == ' '
                             || line->data[line->len - 1] == '\t'
                             || line->data[line->len - 1] == '\r'))
        {
            line->len--;
        }

        if (line->len) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_referral_api_dry_run(ngx_http_referral_api_ctx_t *api)
{
    ngx_uint_t                      i;
    referral_snapshot_t            *snap;
    ngx_http_referral_api_write_t  *write;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    for (i = 0; i < api->nwrites; i++) {
        write = &api->writes[i];

        if (write->problem.status == 0) {
            ngx_http_referral_api_expect(write, snap);
        }
    }

    ngx_http_referral_read_end(snap);

    return ngx_http_referral_api_outcomes(api);
}


static ngx_int_t
ngx_http_referral_api_expect(ngx_http_referral_api_write_t *write,
    referral_snapshot_t *snap)
{
    uint32_t         program;
    referral_rc_t    rc;
    referral_code_t  code;

    if (write->tries) {
        return NGX_OK;
    }

    program = ngx_http_referral_program_id(write->api->program->index);

    rc = referral_code_get(snap, program, write->change.code, &code);

    if (rc == REFERRAL_OK || ngx_http_referral_api_named_before(write)) {
        return ngx_http_referral_api_refuse(&write->problem,
                   NGX_HTTP_CONFLICT, "code_exists",
                   "there is such a code already");
    }

    if (rc != REFERRAL_NOT_FOUND) {
        return ngx_http_referral_api_refuse(&write->problem,
                   NGX_HTTP_SERVICE_UNAVAILABLE, "store_unavailable",
                   "the store cannot be read, try again");
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_referral_api_named_before(ngx_http_referral_api_write_t *write)
{
    referral_str_t                  code;
    ngx_http_referral_api_write_t  *w;

    code = write->change.code;

    for (w = write->api->writes; w < write; w++) {

        if (w->problem.status || w->change.code.len != code.len) {
            continue;
        }

        if (write->api->program->case_sensitive
            ? ngx_memcmp(w->change.code.data, code.data, code.len) == 0
            : ngx_strncasecmp((u_char *) w->change.code.data,
                              (u_char *) code.data, code.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_referral_api_outcomes(ngx_http_referral_api_ctx_t *api)
{
    ngx_uint_t      i, failed;
    referral_out_t  out;

    failed = 0;

    ngx_http_referral_out_init(&out, api->request->pool);
    referral_out_open(&out, NULL, "{");
    referral_out_open(&out, "data", "[");

    for (i = 0; i < api->nwrites; i++) {
        failed += (api->writes[i].problem.status != 0);
        ngx_http_referral_api_line_json(&out, &api->writes[i]);
    }

    referral_out_close(&out, "]");
    referral_out_uint(&out, "created", api->nwrites - failed);
    referral_out_uint(&out, "failed", failed);
    referral_out_bool(&out, "dry_run", api->dry_run);
    referral_out_close(&out, "}");

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out);
}


static void
ngx_http_referral_api_line_json(referral_out_t *out,
    ngx_http_referral_api_write_t *write)
{
    ngx_http_referral_api_problem_t  *problem;

    problem = &write->problem;

    referral_out_open(out, NULL, "{");
    referral_out_uint(out, "line", write->line);

    if (problem->status) {
        referral_out_uint(out, "status", problem->status);
        referral_out_open(out, "error", "{");
        referral_out_text(out, "code", problem->code);
        referral_out_text(out, "detail", problem->detail);
        ngx_http_referral_out_errors(out, &problem->errors);
        referral_out_close(out, "}");

    } else {
        referral_out_uint(out, "status", NGX_HTTP_CREATED);

        /* a code generated in a dry run is not the one that will be made */

        if (write->tries == 0 || !write->api->dry_run) {
            referral_out_str(out, "code", write->change.code);
        }
    }

    referral_out_close(out, "}");
}
