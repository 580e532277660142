/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The rows with most human clicks.  Channels and landings are few; codes are
 * gone through in many turns of the event loop.
 */

#include "ngx_http_referral_api_counters.h"
#include "ngx_http_referral_api_export.h"


#define NGX_HTTP_REFERRAL_TOP_BLOCK  (32 * 1024)
#define NGX_HTTP_REFERRAL_TOP_ROWS   64         /* per look at the clock */


typedef struct {
    referral_counts_t                counts;
    size_t                           len;
    u_char                           label[REFERRAL_LANDING_MAX];
} ngx_http_referral_api_top_row_t;

typedef struct {
    uint32_t                         day;       /* the last one */
    uint32_t                         human;
    uint32_t                         total;
} ngx_http_referral_api_rank_t;

typedef struct {
    ngx_http_referral_api_report_t  *report;
    ngx_uint_t                       n;
    ngx_http_referral_api_top_row_t  rows[NGX_HTTP_REFERRAL_API_TOP];

    /* of codes */

    ngx_http_referral_api_export_t  *export;
    referral_rows_t                  place;
    ngx_uint_t                       looks;     /* in this turn */
    size_t                           nranks;
    ngx_http_referral_api_rank_t    *ranks;     /* by the id of the code */
    ngx_uint_t                       nchosen;
    ngx_uint_t                       read;      /* of them */
    uint32_t                         chosen[NGX_HTTP_REFERRAL_API_TOP];
} ngx_http_referral_api_top_t;


static int ngx_http_referral_api_top_visit(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts);
static void ngx_http_referral_api_top_add(ngx_http_referral_api_top_t *top,
    referral_str_t label, const referral_counts_t *counts);
static ngx_int_t ngx_http_referral_api_top_cmp(
    const ngx_http_referral_api_top_row_t *row, referral_str_t label,
    const referral_counts_t *counts);
static void ngx_http_referral_api_top_rows(ngx_http_referral_api_top_t *top);
static void ngx_http_referral_api_top_free(void *data);
static referral_rc_t ngx_http_referral_api_top_read(
    ngx_http_referral_api_export_t *e);
static int ngx_http_referral_api_top_rank(void *data, uint32_t code_id,
    uint32_t day, const referral_counts_t *counts);
static ngx_int_t ngx_http_referral_api_top_grow(
    ngx_http_referral_api_top_t *top, uint32_t code_id);
static void ngx_http_referral_api_top_choose(
    ngx_http_referral_api_top_t *top);
static referral_rc_t ngx_http_referral_api_top_chosen(
    ngx_http_referral_api_top_t *top);
static int ngx_http_referral_api_top_code(void *data, uint32_t code_id,
    referral_str_t code, const referral_counts_t *counts);
static void ngx_http_referral_api_top_answer(
    ngx_http_referral_api_top_t *top);
static void ngx_http_referral_api_top_write(referral_out_t *out,
    const void *data, size_t len);


static const ngx_http_referral_api_table_t  ngx_http_referral_api_top_table = {
    "codes by clicks", NULL, NGX_HTTP_REFERRAL_TOP_BLOCK,
    ngx_http_referral_api_top_read
};


referral_rc_t
ngx_http_referral_api_top(ngx_http_referral_api_report_t *report)
{
    referral_rc_t                   rc;
    ngx_http_referral_api_top_t    *top;
    ngx_http_referral_api_query_t  *query;

    query = &report->query;

    top = ngx_pcalloc(query->api->request->pool,
                      sizeof(ngx_http_referral_api_top_t));
    if (top == NULL) {
        return REFERRAL_SYSTEM;
    }

    top->report = report;

    rc = referral_counts_by(report->snap, report->program, report->code_id,
                            (referral_dim_t) query->by, query->from,
                            query->to, ngx_http_referral_api_top_visit, top);

    ngx_http_referral_api_top_rows(top);

    return rc;
}


static int
ngx_http_referral_api_top_visit(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts)
{
    ngx_http_referral_api_top_add(data, label, counts);

    return 0;
}


static void
ngx_http_referral_api_top_add(ngx_http_referral_api_top_t *top,
    referral_str_t label, const referral_counts_t *counts)
{
    ngx_uint_t                        i;
    ngx_http_referral_api_top_row_t  *row;

    row = top->rows;

    for (i = top->n; i > 0; i--) {
        if (ngx_http_referral_api_top_cmp(&row[i - 1], label, counts) <= 0) {
            break;
        }
    }

    if (i == top->report->query.top) {
        return;
    }

    if (top->n < top->report->query.top) {
        top->n++;
    }

    ngx_memmove(&row[i + 1], &row[i], (top->n - 1 - i) * sizeof(*row));

    row[i].counts = *counts;
    row[i].len = ngx_min(label.len, sizeof(row[i].label));
    ngx_memcpy(row[i].label, label.data, row[i].len);
}


/* Most human clicks first, then most clicks, then by name. */

static ngx_int_t
ngx_http_referral_api_top_cmp(const ngx_http_referral_api_top_row_t *row,
    referral_str_t label, const referral_counts_t *counts)
{
    ngx_int_t  rc;
    uint64_t   one, two;

    one = row->counts.classes[REFERRAL_CLASS_HUMAN];
    two = counts->classes[REFERRAL_CLASS_HUMAN];

    if (one == two) {
        one = referral_counts_total(&row->counts);
        two = referral_counts_total(counts);
    }

    if (one != two) {
        return (one > two) ? -1 : 1;
    }

    rc = ngx_memcmp(row->label, label.data, ngx_min(row->len, label.len));

    return rc ? rc : (ngx_int_t) row->len - (ngx_int_t) label.len;
}


static void
ngx_http_referral_api_top_rows(ngx_http_referral_api_top_t *top)
{
    ngx_uint_t                        i;
    referral_str_t                    label;
    referral_out_t                   *out;
    ngx_http_referral_api_top_row_t  *row;

    out = &top->report->out;

    for (i = 0; i < top->n; i++) {
        row = &top->rows[i];
        label.len = row->len;
        label.data = row->label;

        referral_out_open(out, NULL, "{");
        referral_out_str_or_null(out,
                     ngx_http_referral_api_dims[top->report->query.by], label);
        referral_out_clicks(out, &row->counts);
        referral_out_close(out, "}");
    }
}


/*
 * First all codes are ranked, row by row as they lie in the store, in numbers
 * alone; then those that were chosen are read.
 */

ngx_int_t
ngx_http_referral_api_top_codes(ngx_http_referral_api_report_t *report)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_referral_api_ctx_t  *api;
    ngx_http_referral_api_top_t  *top;

    api = report->query.api;

    top = ngx_pcalloc(api->request->pool, sizeof(ngx_http_referral_api_top_t));
    cln = ngx_pool_cleanup_add(api->request->pool, 0);

    if (top == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_referral_api_top_free;
    cln->data = top;

    top->report = ngx_palloc(api->request->pool,
                             sizeof(ngx_http_referral_api_report_t));
    if (top->report == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *top->report = *report;
    top->place.from = report->query.from;
    top->place.to = report->query.to;

    return ngx_http_referral_api_export_json(api,
                                      &ngx_http_referral_api_top_table, top);
}


static void
ngx_http_referral_api_top_free(void *data)
{
    ngx_http_referral_api_top_t *top = data;

    if (top->ranks != NULL) {
        ngx_free(top->ranks);
    }
}


static referral_rc_t
ngx_http_referral_api_top_read(ngx_http_referral_api_export_t *e)
{
    referral_rc_t                 rc;
    ngx_http_referral_api_top_t  *top;

    top = e->data;
    top->export = e;
    top->looks = 0;

    if (!top->place.done) {
        rc = referral_counts_rows(e->snap, e->program, &top->place,
                                  ngx_http_referral_api_top_rank, top);

        if (rc != REFERRAL_OK || e->failed) {
            return rc;
        }

        if (!top->place.done) {
            e->more = 1;
            return REFERRAL_OK;
        }

        ngx_http_referral_api_top_choose(top);
    }

    rc = ngx_http_referral_api_top_chosen(top);

    if (rc == REFERRAL_OK && !e->more) {
        ngx_http_referral_api_top_answer(top);
    }

    return rc;
}


static int
ngx_http_referral_api_top_rank(void *data, uint32_t code_id, uint32_t day,
    const referral_counts_t *counts)
{
    ngx_http_referral_api_top_t *top = data;

    ngx_uint_t                     last;
    ngx_http_referral_api_rank_t  *rank;

    last = (top->place.day == 0);

    if (last && ngx_http_referral_api_top_grow(top, code_id) != NGX_OK) {
        top->export->failed = 1;
        return 1;
    }

    /* of codes that are new since, the next answer will tell */

    if (code_id < top->nranks && (last || top->ranks[code_id].day != day)) {
        rank = &top->ranks[code_id];

        rank->day = last ? day : rank->day;
        rank->human += counts->classes[REFERRAL_CLASS_HUMAN];
        rank->total += referral_counts_total(counts);
    }

    return ++top->looks % NGX_HTTP_REFERRAL_TOP_ROWS == 0
           && ngx_http_referral_api_export_late(top->export);
}


static ngx_int_t
ngx_http_referral_api_top_grow(ngx_http_referral_api_top_t *top,
    uint32_t code_id)
{
    size_t                         n;
    ngx_http_referral_api_rank_t  *ranks;

    if (code_id < top->nranks) {
        return NGX_OK;
    }

    n = ngx_max(2 * (size_t) code_id, 1024);

    ranks = ngx_calloc(n * sizeof(ngx_http_referral_api_rank_t),
                       top->report->query.api->request->connection->log);
    if (ranks == NULL) {
        return NGX_ERROR;
    }

    if (top->ranks != NULL) {
        ngx_memcpy(ranks, top->ranks,
                   top->nranks * sizeof(ngx_http_referral_api_rank_t));
        ngx_free(top->ranks);
    }

    top->ranks = ranks;
    top->nranks = n;

    return NGX_OK;
}


/* Of those with as many clicks the older ones. */

static void
ngx_http_referral_api_top_choose(ngx_http_referral_api_top_t *top)
{
    size_t                         i;
    ngx_uint_t                     j;
    ngx_http_referral_api_rank_t  *rank, *other;

    for (i = 0; i < top->nranks; i++) {
        rank = &top->ranks[i];

        if (rank->total == 0) {
            continue;
        }

        for (j = top->nchosen; j > 0; j--) {
            other = &top->ranks[top->chosen[j - 1]];

            if (other->human > rank->human
                || (other->human == rank->human
                    && other->total >= rank->total))
            {
                break;
            }
        }

        if (j == top->report->query.top) {
            continue;
        }

        if (top->nchosen < top->report->query.top) {
            top->nchosen++;
        }

        ngx_memmove(&top->chosen[j + 1], &top->chosen[j],
                    (top->nchosen - 1 - j) * sizeof(uint32_t));

        top->chosen[j] = (uint32_t) i;
    }
}


static referral_rc_t
ngx_http_referral_api_top_chosen(ngx_http_referral_api_top_t *top)
{
    uint32_t        id;
    ngx_uint_t      n;
    referral_rc_t   rc;

    for (n = 0; top->read < top->nchosen; n++) {

        if (n != 0 && ngx_http_referral_api_export_late(top->export)) {
            top->export->more = 1;
            break;
        }

        id = top->chosen[top->read++];

        rc = referral_counts_code(top->export->snap, top->export->program, id,
                                  top->place.from, top->place.to,
                                  ngx_http_referral_api_top_code, top);
        if (rc != REFERRAL_OK) {
            return rc;
        }
    }

    return REFERRAL_OK;
}


static int
ngx_http_referral_api_top_code(void *data, uint32_t code_id,
    referral_str_t code, const referral_counts_t *counts)
{
    ngx_http_referral_api_top_t *top = data;

    if (code_id == top->chosen[top->read - 1]) {
        ngx_http_referral_api_top_add(top, code, counts);
    }

    return 1;
}


static void
ngx_http_referral_api_top_answer(ngx_http_referral_api_top_t *top)
{
    referral_str_t                   none;
    referral_out_t                  *out;
    ngx_http_referral_api_export_t  *e;

    e = top->export;
    e->found = 1;
    none.len = 0;

    out = &top->report->out;
    ngx_memzero(out, sizeof(referral_out_t));

    out->write = ngx_http_referral_api_top_write;
    out->data = e;

    ngx_http_referral_api_head(top->report, none);
    ngx_http_referral_api_top_rows(top);
    ngx_http_referral_api_tail(top->report);
    referral_out_write(out, "\n", 1);

    e->failed = out->failed;
}


static void
ngx_http_referral_api_top_write(referral_out_t *out, const void *data,
    size_t len)
{
    referral_csv_t  *block;

    block = &((ngx_http_referral_api_export_t *) out->data)->csv;

    if (len > (size_t) (block->end - block->pos)) {
        out->failed = 1;
        return;
    }

    block->pos = ngx_cpymem(block->pos, data, len);
}
