/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A chunk of rows is read in one snapshot and given to nginx; the next one
 * when the client has taken it, in a later turn of the event loop.  So what an
 * export needs is one block of memory, whatever its size and whoever reads it.
 */

#include "ngx_http_referral_api_export.h"


static ngx_http_referral_api_export_t *ngx_http_referral_api_export_create(
    ngx_http_referral_api_ctx_t *api,
    const ngx_http_referral_api_table_t *table);
static ngx_int_t ngx_http_referral_api_export_start(
    ngx_http_referral_api_export_t *e);
static ngx_int_t ngx_http_referral_api_export_head(
    ngx_http_referral_api_export_t *e);
static ngx_int_t ngx_http_referral_api_export_args(
    ngx_http_referral_api_export_t *e);
static ngx_int_t ngx_http_referral_api_export_file(
    ngx_http_referral_api_export_t *e);
static void ngx_http_referral_api_export_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_referral_api_export_pending(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_api_export_go_on(
    ngx_http_referral_api_export_t *e);
static ngx_int_t ngx_http_referral_api_export_send(
    ngx_http_referral_api_export_t *e);
static ngx_int_t ngx_http_referral_api_export_chunk(
    ngx_http_referral_api_export_t *e);
static int64_t ngx_http_referral_api_export_now(void);
static void ngx_http_referral_api_export_turn(ngx_http_request_t *r);
static void ngx_http_referral_api_export_wait(ngx_http_request_t *r);


ngx_int_t
ngx_http_referral_api_export(ngx_http_referral_api_ctx_t *api,
    const ngx_http_referral_api_table_t *table)
{
    ngx_int_t                        rc;
    ngx_http_request_t              *r;
    referral_snapshot_t             *snap;
    ngx_http_referral_api_export_t  *e;

    r = api->request;

    if (r != r->main) {
        return NGX_HTTP_FORBIDDEN;
    }

    e = ngx_http_referral_api_export_create(api, table);
    if (e == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_referral_api_export_args(e);
    if (rc != NGX_OK) {
        return rc;
    }

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_read_end(snap);

    if (ngx_http_referral_api_export_file(e) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_referral_api_send_header(api, NGX_HTTP_OK,
                                 "text/csv; charset=utf-8; header=present",
                                 -1);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    e->sent = 1;

    return ngx_http_referral_api_export_start(e);
}


ngx_int_t
ngx_http_referral_api_export_json(ngx_http_referral_api_ctx_t *api,
    const ngx_http_referral_api_table_t *table, void *data)
{
    ngx_http_referral_api_export_t  *e;

    if (api->request != api->request->main) {
        return NGX_HTTP_FORBIDDEN;
    }

    e = ngx_http_referral_api_export_create(api, table);
    if (e == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    e->begun = 1;
    e->data = data;

    return ngx_http_referral_api_export_start(e);
}


static ngx_http_referral_api_export_t *
ngx_http_referral_api_export_create(ngx_http_referral_api_ctx_t *api,
    const ngx_http_referral_api_table_t *table)
{
    ngx_http_referral_api_export_t  *e;

    e = ngx_pcalloc(api->request->pool,
                    sizeof(ngx_http_referral_api_export_t));
    if (e == NULL) {
        return NULL;
    }

    e->api = api;
    e->table = table;
    api->export = e;

    return e;
}


static ngx_int_t
ngx_http_referral_api_export_start(ngx_http_referral_api_export_t *e)
{
    ngx_http_request_t  *r;

    r = e->api->request;

    e->block = ngx_pnalloc(r->pool, e->table->block);
    if (e->block == NULL) {
        return NGX_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_referral_api_export_handler;

    ngx_http_referral_api_export_turn(r);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_referral_api_export_args(ngx_http_referral_api_export_t *e)
{
    ngx_int_t                      rc;
    ngx_http_referral_api_query_t  query;

    ngx_memzero(&query, sizeof(ngx_http_referral_api_query_t));

    query.api = e->api;
    e->state = ngx_http_referral_api_reward_state(e->api);

    rc = ngx_http_referral_api_query(&query);
    if (rc != NGX_OK) {
        return rc;
    }

    e->from = query.from;
    e->to = query.to;

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_export_file(ngx_http_referral_api_export_t *e)
{
    size_t               len;
    ngx_tm_t             tm;
    ngx_str_t            value, *program;
    ngx_http_request_t  *r;

    r = e->api->request;
    program = &e->api->program->name;
    len = sizeof("attachment; filename=\"referral---2000-01-01.csv\"")
          + program->len + ngx_strlen(e->table->name);

    value.data = ngx_pnalloc(r->pool, len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_gmtime(ngx_time(), &tm);

    value.len = ngx_snprintf(value.data, len,
                             "attachment; filename=\"referral-%V-%s-"
                             "%04d-%02d-%02d.csv\"",
                             program, e->table->name, tm.ngx_tm_year,
                             tm.ngx_tm_mon, tm.ngx_tm_mday)
                - value.data;

    return (ngx_http_referral_push_out(r, "Content-Disposition", &value)
            != NULL)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_referral_api_export_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_event_t                     *wev;
    ngx_http_referral_api_ctx_t     *api;
    ngx_http_referral_api_export_t  *e;

    wev = r->connection->write;
    api = ngx_http_get_module_ctx(r, ngx_http_referral_api_module);
    e = api->export;

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, NGX_ETIMEDOUT,
                      "the client took nothing of an export for too long");
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (wev->delayed) {
        ngx_http_referral_api_export_wait(r);
        return;
    }

    rc = ngx_http_referral_api_export_go_on(e);

    if (rc == NGX_AGAIN) {
        ngx_http_referral_api_export_wait(r);
        return;
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_uint_t
ngx_http_referral_api_export_pending(ngx_http_request_t *r)
{
    return r->buffered || r->postponed || r->connection->buffered;
}


/* NGX_AGAIN: there is more to come; else what the request ends with. */

static ngx_int_t
ngx_http_referral_api_export_go_on(ngx_http_referral_api_export_t *e)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = e->api->request;

    if (ngx_http_referral_api_export_pending(r)) {
        rc = ngx_http_output_filter(r, NULL);

        if (rc == NGX_ERROR || ngx_http_referral_api_export_pending(r)) {
            return (rc == NGX_ERROR) ? NGX_ERROR : NGX_AGAIN;
        }
    }

    if (ngx_http_referral_api_export_chunk(e) != NGX_OK) {

        if (e->sent) {
            return NGX_ERROR;
        }

        (void) ngx_http_referral_api_unreadable(e->api);

        return ngx_http_referral_api_send_problem(e->api);
    }

    if (!e->sent) {
        rc = (e->found || !e->more) ? ngx_http_referral_api_export_head(e)
                                    : NGX_AGAIN;

        if (!e->sent) {
            return rc;
        }
    }

    if (e->more && e->csv.pos == e->csv.start) {
        return NGX_AGAIN;
    }

    return ngx_http_referral_api_export_send(e);
}


/*
 * The chunked filter lets go of a buffer at the next one only, so there are
 * two, of the same memory: whatever is sent is sent at once, "flush".
 */

static ngx_int_t
ngx_http_referral_api_export_send(ngx_http_referral_api_export_t *e)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    e->turn ^= 1;
    b = &e->bufs[e->turn];

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->pos = e->csv.start;
    b->last = e->csv.pos;
    b->start = b->pos;
    b->end = b->last;
    b->temporary = (b->pos != b->last);
    b->flush = 1;
    b->last_buf = !e->more;
    b->last_in_chain = !e->more;

    out.buf = b;
    out.next = NULL;

    if (ngx_http_output_filter(e->api->request, &out) == NGX_ERROR) {
        return NGX_ERROR;
    }

    return e->more ? NGX_AGAIN : NGX_OK;
}


/* With e->sent not set, the request ends with what is returned. */

static ngx_int_t
ngx_http_referral_api_export_head(ngx_http_referral_api_export_t *e)
{
    ngx_int_t  rc;

    if (!e->found) {
        return ngx_http_referral_api_send_problem(e->api);
    }

    rc = ngx_http_referral_api_send_header(e->api, NGX_HTTP_OK,
                                           "application/json", -1);

    e->sent = (rc == NGX_OK && !e->api->request->header_only);

    return rc;
}


static ngx_int_t
ngx_http_referral_api_export_chunk(ngx_http_referral_api_export_t *e)
{
    referral_rc_t  rc;

    e->rows = 0;
    e->more = 0;
    e->until = ngx_http_referral_api_export_now()
               + NGX_HTTP_REFERRAL_EXPORT_TIME;

    referral_csv_init(&e->csv, e->block, e->table->block);

    if (!e->begun) {
        (void) referral_csv_head(&e->csv, e->table->columns);
        e->begun = 1;
    }

    e->snap = ngx_http_referral_read();

    if (e->snap != NULL) {
        e->program = ngx_http_referral_program_id(e->api->program->index);
        rc = e->table->read(e);

        ngx_http_referral_read_end(e->snap);

        if (rc == REFERRAL_OK && !e->failed) {
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_ERR, e->api->request->connection->log, 0,
                  "the store could not be read, an export of %s is cut short",
                  e->table->name);

    return NGX_ERROR;
}


static int64_t
ngx_http_referral_api_export_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}


/* The timer is for a worker that shuts down: without one it would not wait. */

static void
ngx_http_referral_api_export_turn(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ngx_add_timer(r->connection->write, clcf->send_timeout);
    ngx_post_event(r->connection->write, &ngx_posted_next_events);
}


/* Until the client takes more, or else for the other events to have a turn. */

static void
ngx_http_referral_api_export_wait(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {

        if (!ngx_http_referral_api_export_pending(r)) {
            ngx_http_referral_api_export_turn(r);
            return;
        }

        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


ngx_uint_t
ngx_http_referral_api_export_next(ngx_http_referral_api_export_t *e)
{
    /* the first two may be one row: a code, and what it earned */

    if (e->rows == NGX_HTTP_REFERRAL_EXPORT_ROWS
        || (e->rows > 1 && ngx_http_referral_api_export_late(e)))
    {
        e->more = 1;
        return 0;
    }

    e->rows++;

    return 1;
}


ngx_uint_t
ngx_http_referral_api_export_late(ngx_http_referral_api_export_t *e)
{
    return ngx_http_referral_api_export_now() >= e->until;
}


ngx_uint_t
ngx_http_referral_api_export_row(ngx_http_referral_api_export_t *e)
{
    if (referral_csv_row(&e->csv) == 0) {
        return 1;
    }

    e->more = 1;

    return 0;
}


void
ngx_http_referral_api_export_key(ngx_http_referral_api_export_t *e,
    referral_str_t key)
{
    e->after.data = e->key;
    e->after.len = ngx_min(key.len, sizeof(e->key));

    ngx_memcpy(e->key, key.data, e->after.len);
}


ngx_uint_t
ngx_http_referral_api_export_in(ngx_http_referral_api_export_t *e, int64_t ms)
{
    int64_t  day;

    day = ms / 86400000;

    return e->to == 0 || (day >= e->from && day <= e->to);
}
