/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * One answer of GET v1/counters: what the files that make its rows share.
 */

#ifndef NGX_HTTP_REFERRAL_API_COUNTERS_H
#define NGX_HTTP_REFERRAL_API_COUNTERS_H

#include "ngx_http_referral_api.h"


typedef struct {
    ngx_http_referral_api_query_t  query;
    referral_snapshot_t           *snap;
    referral_out_t                 out;
    uint32_t                       program;
    uint32_t                       code_id;    /* 0: the program */
    uint32_t                       next;
    ngx_uint_t                     seen;
    ngx_uint_t                     n;
    ngx_uint_t                     more;
    referral_counts_t              sum;
    referral_sums_t                sums;
    referral_sums_t                others;     /* of no code */
    ngx_uint_t                     turns;      /* it takes many */
} ngx_http_referral_api_report_t;


/* ngx_http_referral_api_counters.c */

/* All that is before the rows, and behind them. */
void ngx_http_referral_api_head(ngx_http_referral_api_report_t *report,
    referral_str_t code);
void ngx_http_referral_api_tail(ngx_http_referral_api_report_t *report);

void ngx_http_referral_api_date(referral_out_t *out, const char *key,
    uint32_t day);

/* Whether a row is of this page; more is set by the first beyond it. */
ngx_uint_t ngx_http_referral_api_row_here(
    ngx_http_referral_api_report_t *report);


/* ngx_http_referral_api_days.c */

/* A row for each day that has a click or an event. */
referral_rc_t ngx_http_referral_api_days(
    ngx_http_referral_api_report_t *report);


/* ngx_http_referral_api_events.c */

/* A row for each event, or for each currency. */
referral_rc_t ngx_http_referral_api_events(
    ngx_http_referral_api_report_t *report);


/* ngx_http_referral_api_top.c */

/* The channels or landings with most human clicks. */
referral_rc_t ngx_http_referral_api_top(
    ngx_http_referral_api_report_t *report);

/*
 * The codes with most human clicks: the whole answer, in many turns of the
 * event loop, as a route's handler.
 */
ngx_int_t ngx_http_referral_api_top_codes(
    ngx_http_referral_api_report_t *report);


#endif /* NGX_HTTP_REFERRAL_API_COUNTERS_H */
