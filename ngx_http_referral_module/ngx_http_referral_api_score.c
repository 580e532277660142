/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"
#include "referral_money.h"


typedef struct {
    ngx_http_referral_out_t      *out;
    ngx_array_t                  *sums;
} ngx_http_referral_api_events_t;


static int ngx_http_referral_api_sum_visit(void *data, referral_str_t event,
    uint16_t currency, int64_t start, const referral_sum_t *sum);
static int ngx_http_referral_api_event_visit(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally);
static void ngx_http_referral_api_tier(ngx_http_referral_out_t *out,
    const referral_rules_t *rules, int64_t points);
static int ngx_http_referral_api_account_visit(void *data, uint16_t currency,
    const referral_account_t *account);


ngx_array_t *
ngx_http_referral_api_sums(ngx_pool_t *pool, referral_snapshot_t *snap,
    const ngx_http_referral_api_range_t *range)
{
    ngx_array_t  *sums;

    sums = ngx_array_create(pool, 8, sizeof(ngx_http_referral_api_sum_t));

    if (sums == NULL
        || referral_sum_list(snap, range->program, range->code_id,
                             range->from, range->to, 0,
                             ngx_http_referral_api_sum_visit, sums)
           != REFERRAL_OK)
    {
        return NULL;
    }

    return sums;
}


static int
ngx_http_referral_api_sum_visit(void *data, referral_str_t event,
    uint16_t currency, int64_t start, const referral_sum_t *sum)
{
    ngx_array_t *sums = data;

    ngx_http_referral_api_sum_t  *item;

    item = ngx_array_push(sums);
    if (item == NULL) {
        return 1;
    }

    item->event = event;
    item->currency = currency;
    item->sum = *sum;

    return 0;
}


void
ngx_http_referral_api_tally_json(ngx_http_referral_out_t *out,
    referral_str_t event, const referral_tally_t *tally, ngx_array_t *sums)
{
    unsigned                      i;
    ngx_http_referral_api_sum_t  *item;

    ngx_http_referral_json_uint(out, "count", referral_tally_count(tally));

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        ngx_http_referral_json_uint(out, referral_event_status_name(i),
                                    tally->statuses[i]);
    }

    ngx_http_referral_json_int(out, "points", tally->points);
    ngx_http_referral_json_open(out, "amounts", "{");

    item = sums->elts;

    for (i = 0; i < sums->nelts; i++) {
        if (item[i].event.len == event.len
            && ngx_memcmp(item[i].event.data, event.data, event.len) == 0)
        {
            ngx_http_referral_json_open(out,
                referral_currency_alpha(item[i].currency), "{");
            ngx_http_referral_api_sum_members(out, &item[i].sum);
            ngx_http_referral_json_close(out, "}");
        }
    }

    ngx_http_referral_json_close(out, "}");
}


void
ngx_http_referral_api_sum_members(ngx_http_referral_out_t *out,
    const referral_sum_t *sum)
{
    ngx_http_referral_json_uint(out, "count", sum->count);
    ngx_http_referral_json_int(out, "gross", sum->gross);
    ngx_http_referral_json_int(out, "refunded", sum->refunded);
}


referral_rc_t
ngx_http_referral_api_events_json(ngx_http_referral_out_t *out,
    referral_snapshot_t *snap, const ngx_http_referral_api_range_t *range)
{
    referral_rc_t                   rc;
    ngx_http_referral_api_events_t  events;

    events.out = out;
    events.sums = ngx_http_referral_api_sums(out->pool, snap, range);

    if (events.sums == NULL) {
        return REFERRAL_SYSTEM;
    }

    ngx_http_referral_json_open(out, "events", "{");

    rc = referral_tally_list(snap, range->program, range->code_id,
                             range->from, range->to, 0,
                             ngx_http_referral_api_event_visit, &events);

    ngx_http_referral_json_close(out, "}");

    return rc;
}


static int
ngx_http_referral_api_event_visit(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally)
{
    ngx_http_referral_api_events_t *events = data;

    u_char  name[REFERRAL_RULE_NAME_MAX + 1];

    ngx_cpystrn(name, (u_char *) event.data,
                ngx_min(event.len + 1, sizeof(name)));

    ngx_http_referral_json_open(events->out, (char *) name, "{");
    ngx_http_referral_api_tally_json(events->out, event, tally, events->sums);
    ngx_http_referral_json_close(events->out, "}");

    return 0;
}


referral_rc_t
ngx_http_referral_api_score_json(ngx_http_referral_out_t *out,
    referral_snapshot_t *snap, uint32_t program, uint32_t code_id,
    const referral_rules_t *rules)
{
    unsigned          i;
    referral_rc_t     rc;
    referral_score_t  score;

    rc = referral_score_get(snap, program, code_id, &score);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    ngx_http_referral_json_int(out, "points", score.points);
    ngx_http_referral_api_tier(out, rules, score.points);
    ngx_http_referral_json_open(out, "rewards", "{");

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        ngx_http_referral_json_uint(out, referral_reward_state_name(i),
                                    score.rewards[i]);
    }

    ngx_http_referral_json_close(out, "}");
    ngx_http_referral_json_open(out, "amounts", "{");

    rc = referral_account_list(snap, program, code_id,
                               ngx_http_referral_api_account_visit, out);

    ngx_http_referral_json_close(out, "}");

    return rc;
}


static void
ngx_http_referral_api_tier(ngx_http_referral_out_t *out,
    const referral_rules_t *rules, int64_t points)
{
    int                          reached;
    const referral_tier_rule_t  *next;

    ngx_http_referral_json_open(out, "tier", "{");

    reached = referral_rules_tier(rules, points);

    if (reached >= 0) {
        ngx_http_referral_json_str(out, "name", rules->tiers[reached].name);

    } else {
        ngx_http_referral_json_null(out, "name");
    }

    if ((unsigned) (reached + 1) < rules->ntiers) {
        next = &rules->tiers[reached + 1];
        ngx_http_referral_json_str(out, "next", next->name);
        ngx_http_referral_json_int(out, "remaining", next->points - points);

    } else {
        ngx_http_referral_json_null(out, "next");
        ngx_http_referral_json_null(out, "remaining");
    }

    ngx_http_referral_json_close(out, "}");
}


static int
ngx_http_referral_api_account_visit(void *data, uint16_t currency,
    const referral_account_t *account)
{
    ngx_http_referral_out_t *out = data;

    unsigned  i;
    int64_t   approved;

    ngx_http_referral_json_open(out, referral_currency_alpha(currency), "{");

    for (i = 0; i < REFERRAL_REWARD_VOID; i++) {
        ngx_http_referral_json_int(out, referral_reward_state_name(i),
                                   account->rewards[i]);
    }

    approved = account->rewards[REFERRAL_REWARD_APPROVED];

    ngx_http_referral_json_int(out, "paid", account->paid);
    ngx_http_referral_json_int(out, "owed", account->owed);
    ngx_http_referral_json_int(out, "payable",
                               ngx_max(approved - account->owed, 0));
    ngx_http_referral_json_close(out, "}");

    return 0;
}
