/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters of events and of currencies.
 */

#include "ngx_http_referral_api_counters.h"
#include "referral_money.h"


static referral_rc_t ngx_http_referral_api_event_rows(
    ngx_http_referral_api_report_t *report, const referral_range_t *range);
static int ngx_http_referral_api_event_row_visit(void *data,
    referral_str_t event, int64_t start, const referral_tally_t *tally);
static void ngx_http_referral_api_currencies(
    ngx_http_referral_api_report_t *report);
static int ngx_http_referral_api_currency_cmp(const void *one,
    const void *two);


referral_rc_t
ngx_http_referral_api_events(ngx_http_referral_api_report_t *report)
{
    referral_rc_t     rc;
    referral_range_t  range;

    range.program = report->program;
    range.code_id = report->code_id ? report->code_id : REFERRAL_TALLY_ALL;
    range.from = report->query.from;
    range.to = report->query.to;

    rc = referral_sums_read(&report->sums, report->snap, &range);
    if (rc != REFERRAL_OK) {
        return rc;
    }

    if (report->query.by == NGX_HTTP_REFERRAL_BY_CURRENCY) {
        ngx_http_referral_api_currencies(report);

    } else {
        rc = ngx_http_referral_api_event_rows(report, &range);
    }

    referral_sums_free(&report->sums);

    return rc;
}


/* What the shop sold without the program is told apart, for the program. */

static referral_rc_t
ngx_http_referral_api_event_rows(ngx_http_referral_api_report_t *report,
    const referral_range_t *range)
{
    referral_rc_t     rc;
    referral_range_t  none;

    if (report->code_id == 0) {
        none = *range;
        none.code_id = REFERRAL_TALLY_NONE;

        rc = referral_sums_read(&report->others, report->snap, &none);
        if (rc != REFERRAL_OK) {
            return rc;
        }
    }

    rc = referral_tally_list(report->snap, range->program, range->code_id,
                             range->from, range->to, 0,
                             ngx_http_referral_api_event_row_visit, report);

    referral_sums_free(&report->others);

    return rc;
}


static int
ngx_http_referral_api_event_row_visit(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally)
{
    ngx_http_referral_api_report_t *report = data;

    if (ngx_http_referral_api_row_here(report)) {
        referral_out_open(&report->out, NULL, "{");
        referral_out_str(&report->out, "event", event);
        referral_out_tally(&report->out, event, tally, &report->sums);

        if (report->code_id == 0) {
            referral_out_amounts(&report->out, "unattributed_amounts", event,
                                 &report->others);
        }

        referral_out_close(&report->out, "}");
    }

    return report->more;
}


/* The sums of events come by event: those of one currency are added up. */

static void
ngx_http_referral_api_currencies(ngx_http_referral_api_report_t *report)
{
    ngx_uint_t            i, j, n;
    referral_sum_t        sum;
    referral_sum_item_t  *item;

    item = report->sums.items;
    n = report->sums.n;

    ngx_qsort(item, n, sizeof(referral_sum_item_t),
              ngx_http_referral_api_currency_cmp);

    for (i = 0; i < n && !report->more; i = j) {
        ngx_memzero(&sum, sizeof(referral_sum_t));

        for (j = i; j < n && item[j].currency == item[i].currency; j++) {
            sum.count += item[j].sum.count;

            if (__builtin_add_overflow(sum.gross, item[j].sum.gross,
                                       &sum.gross))
            {
                sum.gross = INT64_MAX;
            }

            if (__builtin_add_overflow(sum.refunded, item[j].sum.refunded,
                                       &sum.refunded))
            {
                sum.refunded = INT64_MAX;
            }
        }

        if (ngx_http_referral_api_row_here(report)) {
            referral_out_open(&report->out, NULL, "{");
            referral_out_text(&report->out, "currency",
                              referral_currency_alpha(item[i].currency));
            referral_out_sum(&report->out, &sum);
            referral_out_close(&report->out, "}");
        }
    }
}


static int
ngx_http_referral_api_currency_cmp(const void *one, const void *two)
{
    const referral_sum_item_t *a = one;
    const referral_sum_item_t *b = two;

    const referral_currency_t *x = referral_currency_number(a->currency);
    const referral_currency_t *y = referral_currency_number(b->currency);

    if (x != NULL && y != NULL) {
        return ngx_strcmp(x->alpha, y->alpha);
    }

    if (x != NULL || y != NULL) {
        return (x != NULL) ? 1 : -1;
    }

    return (int) a->currency - (int) b->currency;
}
