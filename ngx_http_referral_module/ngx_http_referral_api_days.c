/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters by day: what was clicked and what was reported, beside each other.
 */

#include "ngx_http_referral_api_counters.h"


typedef struct {
    referral_str_t                   event;
    int64_t                          start;
    uint64_t                         count;
    uint64_t                         counted;
} ngx_http_referral_api_day_event_t;

typedef struct {
    ngx_http_referral_api_report_t  *report;
    ngx_array_t                      events;
    ngx_uint_t                       next;      /* of them, to be told */
    ngx_uint_t                       failed;
} ngx_http_referral_api_days_t;


static int ngx_http_referral_api_day_event(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally);
static int ngx_http_referral_api_day_clicks(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts);
static void ngx_http_referral_api_days_before(
    ngx_http_referral_api_days_t *days, int64_t start);
static void ngx_http_referral_api_day_row(ngx_http_referral_api_days_t *days,
    int64_t start, const referral_counts_t *counts);
static void ngx_http_referral_api_day_count(referral_out_t *out,
    const ngx_http_referral_api_day_event_t *item);


referral_rc_t
ngx_http_referral_api_days(ngx_http_referral_api_report_t *report)
{
    referral_rc_t                   rc;
    ngx_http_referral_api_days_t    days;
    ngx_http_referral_api_query_t  *query;

    ngx_memzero(&days, sizeof(ngx_http_referral_api_days_t));

    query = &report->query;
    days.report = report;

    if (ngx_array_init(&days.events, query->api->request->pool, 64,
                       sizeof(ngx_http_referral_api_day_event_t))
        != NGX_OK)
    {
        return REFERRAL_SYSTEM;
    }

    rc = referral_tally_list(report->snap, report->program,
                             report->code_id ? report->code_id
                                             : REFERRAL_TALLY_ALL,
                             query->from, query->to, 1,
                             ngx_http_referral_api_day_event, &days);

    if (rc == REFERRAL_OK && !days.failed) {
        rc = referral_counts_by(report->snap, report->program,
                                report->code_id, REFERRAL_DIM_DAY,
                                query->from, query->to,
                                ngx_http_referral_api_day_clicks, &days);
    }

    ngx_http_referral_api_days_before(&days, INT64_MAX);

    return (rc == REFERRAL_OK && days.failed) ? REFERRAL_SYSTEM : rc;
}


static int
ngx_http_referral_api_day_event(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally)
{
    ngx_http_referral_api_days_t *days = data;

    uint64_t                            count;
    ngx_http_referral_api_day_event_t  *item;

    count = referral_tally_count(tally);

    if (count == 0) {
        return 0;
    }

    item = ngx_array_push(&days->events);

    if (item == NULL) {
        days->failed = 1;
        return 1;
    }

    item->event = event;
    item->start = start;
    item->count = count;
    item->counted = tally->statuses[REFERRAL_EVENT_PENDING]
                    + tally->statuses[REFERRAL_EVENT_APPROVED];

    return 0;
}


static int
ngx_http_referral_api_day_clicks(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts)
{
    ngx_http_referral_api_days_t *days = data;

    ngx_http_referral_api_days_before(days, start);
    ngx_http_referral_api_day_row(days, start, counts);

    return days->report->more;
}


/* Days on which something was reported and nothing clicked. */

static void
ngx_http_referral_api_days_before(ngx_http_referral_api_days_t *days,
    int64_t start)
{
    referral_counts_t                   none;
    ngx_http_referral_api_day_event_t  *item;

    ngx_memzero(&none, sizeof(referral_counts_t));

    item = days->events.elts;

    while (days->next < days->events.nelts && item[days->next].start < start) {
        ngx_http_referral_api_day_row(days, item[days->next].start, &none);
    }
}


static void
ngx_http_referral_api_day_row(ngx_http_referral_api_days_t *days,
    int64_t start, const referral_counts_t *counts)
{
    ngx_uint_t                          first;
    referral_out_t                     *out;
    ngx_http_referral_api_day_event_t  *item;

    out = &days->report->out;
    item = days->events.elts;
    first = days->next;

    while (days->next < days->events.nelts
           && item[days->next].start == start)
    {
        days->next++;
    }

    if (!ngx_http_referral_api_row_here(days->report)) {
        return;
    }

    referral_out_open(out, NULL, "{");
    ngx_http_referral_api_date(out, "day", (uint32_t) (start / 86400));
    referral_out_clicks(out, counts);
    referral_out_open(out, "events", "{");

    for ( /* void */ ; first < days->next; first++) {
        ngx_http_referral_api_day_count(out, &item[first]);
    }

    referral_out_close(out, "}");
    referral_out_close(out, "}");
}


static void
ngx_http_referral_api_day_count(referral_out_t *out,
    const ngx_http_referral_api_day_event_t *item)
{
    u_char  name[REFERRAL_RULE_NAME_MAX + 1];

    (void) ngx_cpystrn(name, (u_char *) item->event.data,
                       ngx_min(item->event.len + 1, sizeof(name)));

    referral_out_open(out, (char *) name, "{");
    referral_out_uint(out, "count", item->count);
    referral_out_uint(out, "counted", item->counted);
    referral_out_close(out, "}");
}
