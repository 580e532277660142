/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api_export.h"
#include "referral_money.h"


/* The rows of one day are never parted: so many bytes hold any. */

#define NGX_HTTP_REFERRAL_EXPORT_DAY  (256 * 1024)


typedef struct {
    ngx_http_referral_api_export_t  *export;
    uint32_t                         day;
} ngx_http_referral_api_day_t;


static referral_rc_t ngx_http_referral_api_day_rows(
    ngx_http_referral_api_export_t *e);
static referral_rc_t ngx_http_referral_api_day_next(
    ngx_http_referral_api_day_t *day, uint32_t from, uint32_t to);
static referral_rc_t ngx_http_referral_api_day_write(
    ngx_http_referral_api_day_t *day);
static int ngx_http_referral_api_day_counts(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts);
static int ngx_http_referral_api_day_tally(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally);
static int ngx_http_referral_api_day_clicks(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts);
static int ngx_http_referral_api_day_events(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally);
static int ngx_http_referral_api_day_sums(void *data, referral_str_t event,
    uint16_t currency, int64_t start, const referral_sum_t *sum);
static void ngx_http_referral_api_day_row(ngx_http_referral_api_day_t *day,
    const char *measure, referral_str_t event, const char *label,
    const char *currency, int64_t value);


static const ngx_http_referral_api_table_t
    ngx_http_referral_api_counter_table =
{
    "counters",
    "day,measure,event,label,currency,value",
    NGX_HTTP_REFERRAL_EXPORT_DAY,
    ngx_http_referral_api_day_rows
};


ngx_int_t
ngx_http_referral_api_export_counters(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_export(api,
                                       &ngx_http_referral_api_counter_table);
}


static referral_rc_t
ngx_http_referral_api_day_rows(ngx_http_referral_api_export_t *e)
{
    uint32_t                      from, to;
    referral_rc_t                 rc;
    ngx_http_referral_api_day_t   day;

    day.export = e;
    to = e->to ? e->to : NGX_MAX_INT32_VALUE;

    for ( ;; ) {
        from = ngx_max((uint32_t) e->id + 1, e->from);

        rc = ngx_http_referral_api_day_next(&day, from, to);

        if (rc != REFERRAL_OK || day.day > to) {
            return rc;
        }

        rc = ngx_http_referral_api_day_write(&day);

        if (rc != REFERRAL_OK || e->more || e->failed) {
            return rc;
        }

        e->id = day.day;

        if (e->rows >= NGX_HTTP_REFERRAL_EXPORT_ROWS) {
            e->more = 1;
            return REFERRAL_OK;
        }
    }
}


/* The first day from there on that has anything; later than to: none. */

static referral_rc_t
ngx_http_referral_api_day_next(ngx_http_referral_api_day_t *day,
    uint32_t from, uint32_t to)
{
    referral_rc_t                    rc;
    ngx_http_referral_api_export_t  *e;

    e = day->export;
    day->day = to + 1;

    if (from > to) {
        return REFERRAL_OK;
    }

    rc = referral_counts_by(e->snap, e->program, 0, REFERRAL_DIM_DAY, from,
                            to, ngx_http_referral_api_day_counts, day);

    if (rc == REFERRAL_OK) {
        rc = referral_tally_list(e->snap, e->program, REFERRAL_TALLY_ALL,
                                 from, to, 1, ngx_http_referral_api_day_tally,
                                 day);
    }

    return rc;
}


static int
ngx_http_referral_api_day_counts(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts)
{
    ngx_http_referral_api_day_t *day = data;

    day->day = ngx_min(day->day, (uint32_t) (start / 86400));

    return 1;
}


static int
ngx_http_referral_api_day_tally(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally)
{
    ngx_http_referral_api_day_t *day = data;

    day->day = ngx_min(day->day, (uint32_t) (start / 86400));

    return 1;
}


static referral_rc_t
ngx_http_referral_api_day_write(ngx_http_referral_api_day_t *day)
{
    u_char                          *pos;
    referral_rc_t                    rc;
    ngx_http_referral_api_export_t  *e;

    e = day->export;
    pos = e->csv.pos;

    rc = referral_counts_by(e->snap, e->program, 0, REFERRAL_DIM_DAY,
                            day->day, day->day,
                            ngx_http_referral_api_day_clicks, day);

    if (rc == REFERRAL_OK) {
        rc = referral_tally_list(e->snap, e->program, REFERRAL_TALLY_ALL,
                                 day->day, day->day, 1,
                                 ngx_http_referral_api_day_events, day);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_sum_list(e->snap, e->program, REFERRAL_TALLY_ALL,
                               day->day, day->day, 1,
                               ngx_http_referral_api_day_sums, day);
    }

    if (e->more) {
        e->failed = (pos == e->csv.start);
        e->csv.pos = pos;
        e->csv.row = pos;
    }

    return rc;
}


static int
ngx_http_referral_api_day_clicks(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts)
{
    ngx_http_referral_api_day_t *day = data;

    unsigned  i;

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        if (counts->classes[i]) {
            ngx_http_referral_api_day_row(day, "clicks",
                                          ngx_http_referral_text(""),
                                          referral_class_name(i), "",
                                          counts->classes[i]);
        }
    }

    ngx_http_referral_api_day_row(day, "unique_clicks",
                                  ngx_http_referral_text(""), "", "",
                                  counts->unique);

    return day->export->more;
}


static int
ngx_http_referral_api_day_events(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally)
{
    ngx_http_referral_api_day_t *day = data;

    unsigned  i;

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        if (tally->statuses[i]) {
            ngx_http_referral_api_day_row(day, "events", event,
                                          referral_event_status_name(i), "",
                                          tally->statuses[i]);
        }
    }

    ngx_http_referral_api_day_row(day, "points", event, "", "",
                                  tally->points);

    return day->export->more;
}


static int
ngx_http_referral_api_day_sums(void *data, referral_str_t event,
    uint16_t currency, int64_t start, const referral_sum_t *sum)
{
    ngx_http_referral_api_day_t *day = data;

    const char  *alpha;

    alpha = referral_currency_alpha(currency);

    ngx_http_referral_api_day_row(day, "gross", event, "", alpha, sum->gross);
    ngx_http_referral_api_day_row(day, "refunded", event, "", alpha,
                                  sum->refunded);

    return day->export->more;
}


static void
ngx_http_referral_api_day_row(ngx_http_referral_api_day_t *day,
    const char *measure, referral_str_t event, const char *label,
    const char *currency, int64_t value)
{
    referral_csv_t                  *csv;
    ngx_http_referral_api_export_t  *e;

    e = day->export;
    csv = &e->csv;

    if (e->more) {
        return;
    }

    e->rows++;

    referral_csv_date(csv, day->day);
    referral_csv_word(csv, measure);
    referral_csv_text(csv, event);
    referral_csv_word(csv, label);
    referral_csv_word(csv, currency);
    referral_csv_number(csv, value);

    (void) ngx_http_referral_api_export_row(e);
}
