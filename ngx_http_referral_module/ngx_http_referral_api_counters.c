/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api_counters.h"


static ngx_int_t ngx_http_referral_api_count(
    ngx_http_referral_api_report_t *report);
static referral_rc_t ngx_http_referral_api_rows(
    ngx_http_referral_api_report_t *report);
static referral_rc_t ngx_http_referral_api_sum(
    ngx_http_referral_api_report_t *report);
static int ngx_http_referral_api_sum_visit(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts);
static void ngx_http_referral_api_classes(
    ngx_http_referral_api_report_t *report);
static int ngx_http_referral_api_row_visit(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts);
static int ngx_http_referral_api_code_row_visit(void *data, uint32_t code_id,
    referral_str_t code, const referral_counts_t *counts);


ngx_int_t
ngx_http_referral_api_counters(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t                       rc;
    ngx_http_referral_api_report_t  report;

    ngx_memzero(&report, sizeof(ngx_http_referral_api_report_t));

    report.query.api = api;

    rc = ngx_http_referral_api_query(&report.query);
    if (rc != NGX_OK) {
        return rc;
    }

    report.turns = (report.query.top != 0
                    && report.query.by == NGX_HTTP_REFERRAL_BY_CODE);

    report.snap = ngx_http_referral_api_read(api);
    if (report.snap == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_referral_api_count(&report);

    ngx_http_referral_read_end(report.snap);

    if (rc != NGX_OK) {
        return rc;
    }

    if (report.turns && !api->unchanged) {
        return ngx_http_referral_api_top_codes(&report);
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &report.out);
}


static ngx_int_t
ngx_http_referral_api_count(ngx_http_referral_api_report_t *report)
{
    ngx_str_t                    *arg;
    referral_code_t               code;
    referral_out_t               *out;
    ngx_http_referral_api_ctx_t  *api;

    api = report->query.api;
    out = &report->out;

    ngx_memzero(&code, sizeof(referral_code_t));

    report->program = ngx_http_referral_program_id(api->program->index);

    arg = ngx_http_referral_api_arg(api, "code");

    if (arg != NULL) {
        if (ngx_http_referral_api_code_lookup(api, report->snap,
                                              ngx_http_referral_str(*arg),
                                              &code)
            != REFERRAL_OK)
        {
            return NGX_DECLINED;
        }

        report->code_id = code.id;
    }

    ngx_http_referral_out_init(out, api->request->pool);

    if (ngx_http_referral_api_etag(api, report->snap, report->query.today)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (api->unchanged || report->turns) {
        return NGX_OK;
    }

    ngx_http_referral_api_head(report, code.code);

    if (ngx_http_referral_api_rows(report) != REFERRAL_OK) {
        return ngx_http_referral_api_unreadable(api);
    }

    ngx_http_referral_api_tail(report);

    return NGX_OK;
}


void
ngx_http_referral_api_head(ngx_http_referral_api_report_t *report,
    referral_str_t code)
{
    referral_out_t                 *out;
    ngx_http_referral_api_query_t  *query;

    out = &report->out;
    query = &report->query;

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "program",
                          ngx_http_referral_str(query->api->program->name));
    referral_out_str_or_null(out, "code", code);

    if (query->by == NGX_HTTP_REFERRAL_BY_NOTHING) {
        referral_out_null(out, "by");

    } else {
        referral_out_text(out, "by",
                          ngx_http_referral_api_dims[query->by]);
    }

    ngx_http_referral_api_date(out, "from", query->from);
    ngx_http_referral_api_date(out, "to", query->to);
    referral_out_open(out, "data", "[");
}


void
ngx_http_referral_api_tail(ngx_http_referral_api_report_t *report)
{
    u_char           next[NGX_INT32_LEN + 1];
    referral_out_t  *out;

    out = &report->out;

    referral_out_close(out, "]");

    if (report->more) {
        ngx_sprintf(next, "%uD%Z", report->next);
        referral_out_text(out, "next", (char *) next);

    } else {
        referral_out_null(out, "next");
    }

    referral_out_close(out, "}");
}


void
ngx_http_referral_api_date(referral_out_t *out, const char *key, uint32_t day)
{
    u_char    text[sizeof("2000-01-01")];
    ngx_tm_t  tm;

    if (day == 0) {
        referral_out_null(out, key);
        return;
    }

    ngx_gmtime((time_t) day * 86400, &tm);

    ngx_snprintf(text, sizeof(text), "%04d-%02d-%02d%Z", tm.ngx_tm_year,
                 tm.ngx_tm_mon, tm.ngx_tm_mday);

    referral_out_text(out, key, (char *) text);
}


static referral_rc_t
ngx_http_referral_api_rows(ngx_http_referral_api_report_t *report)
{
    referral_rc_t                   rc;
    ngx_http_referral_api_query_t  *query;

    query = &report->query;

    if (query->top) {
        return ngx_http_referral_api_top(report);
    }

    switch (query->by) {

    case NGX_HTTP_REFERRAL_BY_DAY:
        return ngx_http_referral_api_days(report);

    case NGX_HTTP_REFERRAL_BY_CODE:
        return referral_counts_codes(report->snap, report->program,
                                     query->after, query->from, query->to,
                                     ngx_http_referral_api_code_row_visit,
                                     report);

    case NGX_HTTP_REFERRAL_BY_CLASS:
    case NGX_HTTP_REFERRAL_BY_NOTHING:
        rc = ngx_http_referral_api_sum(report);

        if (rc == REFERRAL_OK) {
            ngx_http_referral_api_classes(report);
        }

        return rc;

    case NGX_HTTP_REFERRAL_BY_EVENT:
    case NGX_HTTP_REFERRAL_BY_CURRENCY:
        return ngx_http_referral_api_events(report);

    default:
        return referral_counts_by(report->snap, report->program,
                                  report->code_id,
                                  (referral_dim_t) query->by, query->from,
                                  query->to, ngx_http_referral_api_row_visit,
                                  report);
    }
}


static referral_rc_t
ngx_http_referral_api_sum(ngx_http_referral_api_report_t *report)
{
    if (report->query.to == 0) {
        return referral_counts_get(report->snap, report->program,
                                   report->code_id, &report->sum);
    }

    return referral_counts_by(report->snap, report->program, report->code_id,
                              REFERRAL_DIM_DAY, report->query.from,
                              report->query.to,
                              ngx_http_referral_api_sum_visit, report);
}


static int
ngx_http_referral_api_sum_visit(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts)
{
    ngx_http_referral_api_report_t *report = data;

    unsigned  i;

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        report->sum.classes[i] += counts->classes[i];
    }

    report->sum.unique += counts->unique;

    return 0;
}


static void
ngx_http_referral_api_classes(ngx_http_referral_api_report_t *report)
{
    unsigned         i;
    referral_out_t  *out;

    out = &report->out;

    if (report->query.by == NGX_HTTP_REFERRAL_BY_NOTHING) {
        referral_out_open(out, NULL, "{");
        referral_out_clicks(out, &report->sum);
        referral_out_close(out, "}");
        return;
    }

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        referral_out_open(out, NULL, "{");
        referral_out_text(out, "class", referral_class_name(i));
        referral_out_open(out, "clicks", "{");
        referral_out_uint(out, "total", report->sum.classes[i]);
        referral_out_close(out, "}");
        referral_out_close(out, "}");
    }
}


static int
ngx_http_referral_api_row_visit(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts)
{
    ngx_http_referral_api_report_t *report = data;

    const char      *key;
    referral_out_t  *out;

    if (!ngx_http_referral_api_row_here(report)) {
        return report->more;
    }

    out = &report->out;
    key = ngx_http_referral_api_dims[report->query.by];

    referral_out_open(out, NULL, "{");

    if (report->query.by == NGX_HTTP_REFERRAL_BY_HOUR) {
        referral_out_time(out, key, start * 1000);

    } else {
        referral_out_str_or_null(out, key, label);
    }

    referral_out_clicks(out, counts);
    referral_out_close(out, "}");

    return 0;
}


static int
ngx_http_referral_api_code_row_visit(void *data, uint32_t code_id,
    referral_str_t code, const referral_counts_t *counts)
{
    ngx_http_referral_api_report_t *report = data;

    if (report->n == report->query.limit) {
        report->more = 1;
        return 1;
    }

    report->next = code_id;

    /* others are to be served, too: a page may have fewer rows, or none */

    if (report->query.to != 0 && referral_counts_total(counts) == 0) {
        report->more = 1;
        return 1;
    }

    report->n++;

    referral_out_open(&report->out, NULL, "{");
    referral_out_str(&report->out, "code", code);
    referral_out_clicks(&report->out, counts);
    referral_out_close(&report->out, "}");

    return 0;
}


ngx_uint_t
ngx_http_referral_api_row_here(ngx_http_referral_api_report_t *report)
{
    if (report->seen++ < report->query.after) {
        return 0;
    }

    if (report->n == report->query.limit) {
        report->more = 1;
        report->next = report->query.after + report->n;
        return 0;
    }

    report->n++;

    return 1;
}
