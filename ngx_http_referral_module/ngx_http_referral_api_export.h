/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Answers that take many turns of the event loop, CSV exports above all: what
 * their tables share with what sends them.
 */

#ifndef NGX_HTTP_REFERRAL_API_EXPORT_H
#define NGX_HTTP_REFERRAL_API_EXPORT_H

#include "ngx_http_referral_api.h"
#include "referral_csv.h"


#define NGX_HTTP_REFERRAL_EXPORT_ROWS    500        /* of a chunk */
#define NGX_HTTP_REFERRAL_EXPORT_TIME    500000     /* ns, of a chunk too */

/*
 * A table of an export.  read writes rows, from where the last reading ended,
 * into export->csv, until it is told to stop.  columns NULL: it is JSON, which
 * is 404 when nothing was found by the end.
 */

typedef struct ngx_http_referral_api_export_s  ngx_http_referral_api_export_t;

typedef struct {
    const char                   *name;
    const char                   *columns;
    size_t                        block;    /* bytes of one chunk */
    referral_rc_t               (*read)(ngx_http_referral_api_export_t *e);
} ngx_http_referral_api_table_t;

struct ngx_http_referral_api_export_s {
    ngx_http_referral_api_ctx_t          *api;
    const ngx_http_referral_api_table_t  *table;
    referral_snapshot_t          *snap;     /* of this chunk */
    uint32_t                      program;
    referral_csv_t                csv;
    ngx_uint_t                    rows;     /* looked at in this chunk */
    int64_t                       until;    /* ns; the end of its time */
    uint32_t                      from;     /* days; both 0: all time */
    uint32_t                      to;
    int                           state;    /* of rewards; -1: all */
    uint64_t                      id;       /* where the last chunk ended */
    referral_str_t                after;
    u_char                        key[REFERRAL_ID_MAX];
    u_char                       *block;
    ngx_buf_t                     bufs[2];
    ngx_uint_t                    turn;
    void                         *data;     /* of read */
    unsigned                      more:1;   /* rows are left */
    unsigned                      begun:1;
    unsigned                      sent:1;   /* the header */
    unsigned                      found:1;
    unsigned                      failed:1;
};

ngx_int_t ngx_http_referral_api_export(ngx_http_referral_api_ctx_t *api,
    const ngx_http_referral_api_table_t *table);

/*
 * JSON: from the first turn on, all is done by read, which sets found.  What
 * is not found by then is the problem.
 */
ngx_int_t ngx_http_referral_api_export_json(ngx_http_referral_api_ctx_t *api,
    const ngx_http_referral_api_table_t *table, void *data);

/*
 * Whether there may be one more row in this chunk; asked before each.  The
 * others that the worker serves wait as long as a chunk takes.
 */
ngx_uint_t ngx_http_referral_api_export_next(
    ngx_http_referral_api_export_t *e);

/* Whether the time of this chunk is over. */
ngx_uint_t ngx_http_referral_api_export_late(
    ngx_http_referral_api_export_t *e);

/* Ends the row; 0: there was no room, it is for the next chunk. */
ngx_uint_t ngx_http_referral_api_export_row(
    ngx_http_referral_api_export_t *e);

/* Remembers the key of a row that was looked at. */
void ngx_http_referral_api_export_key(ngx_http_referral_api_export_t *e,
    referral_str_t key);

/* Whether a time is in the range of days. */
ngx_uint_t ngx_http_referral_api_export_in(ngx_http_referral_api_export_t *e,
    int64_t ms);


#endif /* NGX_HTTP_REFERRAL_API_EXPORT_H */
