/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"
#include "referral_money.h"


typedef struct {
    referral_str_t                event;
    referral_tally_t              tally;
} ngx_http_referral_api_metric_t;


static int ngx_http_referral_api_metric_visit(void *data,
    referral_str_t event, int64_t start, const referral_tally_t *tally);
static void ngx_http_referral_api_event_families(
    referral_out_t *out, ngx_str_t *program, ngx_array_t *tallies);
static void ngx_http_referral_api_amount_family(referral_out_t *out,
    ngx_str_t *program, const referral_sums_t *sums, ngx_uint_t refunded);
static void ngx_http_referral_api_reward_family(referral_out_t *out,
    ngx_str_t *program, const referral_score_t *score);
static void ngx_http_referral_api_sample(referral_out_t *out,
    const char *name, ngx_str_t *program, referral_str_t event);


void
ngx_http_referral_api_event_metrics(referral_out_t *out,
    ngx_http_referral_api_ctx_t *api)
{
    ngx_array_t          *tallies;
    referral_rc_t         rc;
    referral_sums_t       sums;
    referral_range_t      range;
    referral_score_t      score;
    referral_snapshot_t  *snap;

    snap = ngx_http_referral_read();
    if (snap == NULL) {
        return;
    }

    ngx_memzero(&range, sizeof(referral_range_t));

    range.program = ngx_http_referral_program_id(api->program->index);
    range.code_id = REFERRAL_TALLY_ALL;

    tallies = ngx_array_create(api->request->pool, 8,
                               sizeof(ngx_http_referral_api_metric_t));

    if (tallies != NULL
        && referral_sums_read(&sums, snap, &range) == REFERRAL_OK)
    {
        rc = referral_tally_list(snap, range.program, range.code_id, 0, 0, 0,
                                 ngx_http_referral_api_metric_visit, tallies);

        if (rc == REFERRAL_OK) {
            rc = referral_score_get(snap, range.program, range.code_id,
                                    &score);
        }

        if (rc == REFERRAL_OK) {
            ngx_http_referral_api_event_families(out, &api->program->name,
                                                 tallies);
            ngx_http_referral_api_amount_family(out, &api->program->name,
                                                &sums, 0);
            ngx_http_referral_api_amount_family(out, &api->program->name,
                                                &sums, 1);
            ngx_http_referral_api_reward_family(out, &api->program->name,
                                                &score);
        }

        referral_sums_free(&sums);
    }

    ngx_http_referral_read_end(snap);
}


static int
ngx_http_referral_api_metric_visit(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally)
{
    ngx_array_t *tallies = data;

    ngx_http_referral_api_metric_t  *item;

    item = ngx_array_push(tallies);
    if (item == NULL) {
        return 1;
    }

    item->event = event;
    item->tally = *tally;

    return 0;
}


/* Where events stand goes up and down: a counter cannot tell it. */

static void
ngx_http_referral_api_event_families(referral_out_t *out,
    ngx_str_t *program, ngx_array_t *tallies)
{
    ngx_uint_t                       i, status;
    ngx_http_referral_api_metric_t  *item;

    item = tallies->elts;

    ngx_http_referral_api_family(out, "referral_events", "counter",
                                 "Events taken, duplicates not counted.");

    for (i = 0; i < tallies->nelts; i++) {
        ngx_http_referral_api_sample(out, "referral_events_total", program,
                                     item[i].event);
        ngx_http_referral_out_printf(out, "} %uL\n",
                                     referral_tally_count(&item[i].tally));
    }

    ngx_http_referral_api_family(out, "referral_conversions", "gauge",
                                 "Events, by where they stand now.");

    for (i = 0; i < tallies->nelts; i++) {
        for (status = 0; status < REFERRAL_EVENT_STATUSES; status++) {
            ngx_http_referral_api_sample(out, "referral_conversions", program,
                                         item[i].event);
            ngx_http_referral_out_printf(out, ",result=\"%s\"} %uL\n",
                                         referral_event_status_name(status),
                                         item[i].tally.statuses[status]);
        }
    }
}


static void
ngx_http_referral_api_amount_family(referral_out_t *out,
    ngx_str_t *program, const referral_sums_t *sums, ngx_uint_t refunded)
{
    ngx_uint_t                  i;
    const referral_sum_item_t  *item;

    item = sums->items;

    ngx_http_referral_api_family(out,
                                 refunded ? "referral_refunded_amount"
                                          : "referral_amount",
                                 "counter",
                                 refunded ? "Refunds, in minor units."
                                          : "Amounts, in minor units.");

    for (i = 0; i < sums->n; i++) {
        ngx_http_referral_api_sample(out,
                                     refunded
                                     ? "referral_refunded_amount_total"
                                     : "referral_amount_total",
                                     program, item[i].event);
        ngx_http_referral_out_printf(out, ",currency=\"%s\"} %L\n",
                                 referral_currency_alpha(item[i].currency),
                                 refunded ? item[i].sum.refunded
                                          : item[i].sum.gross);
    }
}


static void
ngx_http_referral_api_reward_family(referral_out_t *out,
    ngx_str_t *program, const referral_score_t *score)
{
    ngx_uint_t  state;

    ngx_http_referral_api_family(out, "referral_rewards", "gauge",
                                 "Rewards, by where they stand now.");

    for (state = 0; state < REFERRAL_REWARD_STATES; state++) {
        ngx_http_referral_out_printf(out, "referral_rewards");
        ngx_http_referral_api_label(out, program);
        ngx_http_referral_out_printf(out, ",result=\"%s\"} %uL\n",
                                     referral_reward_state_name(state),
                                     score->rewards[state]);
    }
}


/* Names of events need no escapes. */

static void
ngx_http_referral_api_sample(referral_out_t *out, const char *name,
    ngx_str_t *program, referral_str_t event)
{
    ngx_http_referral_out_printf(out, "%s", name);
    ngx_http_referral_api_label(out, program);
    ngx_http_referral_out_printf(out, ",event=\"%*s\"", event.len,
                                 event.data);
}
