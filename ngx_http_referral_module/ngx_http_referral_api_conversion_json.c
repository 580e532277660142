/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"
#include "referral_money.h"


static void ngx_http_referral_api_attribution_json(
    ngx_http_referral_out_t *out, const referral_conversion_t *conversion);
static void ngx_http_referral_api_reasons_json(ngx_http_referral_out_t *out,
    uint32_t reasons);
static void ngx_http_referral_api_rewards_json(ngx_http_referral_out_t *out,
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    const referral_conversion_t *conversion);


void
ngx_http_referral_api_conversion_json(ngx_http_referral_out_t *out,
    const char *key, ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, const referral_conversion_t *conversion,
    ngx_uint_t duplicate)
{
    ngx_http_referral_json_open(out, key, "{");
    ngx_http_referral_json_str(out, "order_id", conversion->order_id);
    ngx_http_referral_json_str(out, "event", conversion->event);
    ngx_http_referral_json_text(out, "status",
                          referral_event_status_name(conversion->status));
    ngx_http_referral_json_bool(out, "duplicate", duplicate);
    ngx_http_referral_json_str_or_null(out, "code", conversion->code);

    ngx_http_referral_api_attribution_json(out, conversion);

    ngx_http_referral_json_str_or_null(out, "customer_id",
                                       conversion->customer);
    ngx_http_referral_api_money_json(out, "amount", conversion->has_amount,
                                     conversion->amount);
    ngx_http_referral_api_money_json(out, "refunded", conversion->has_amount,
                                     conversion->refunded);
    ngx_http_referral_api_currency_json(out, conversion->has_amount,
                                        conversion->currency);
    ngx_http_referral_json_int(out, "points", conversion->points);

    ngx_http_referral_api_reasons_json(out, conversion->reasons);
    ngx_http_referral_api_why(out, conversion);

    ngx_http_referral_json_time(out, "occurred_at", conversion->occurred);
    ngx_http_referral_json_time(out, "recorded_at", conversion->time);
    ngx_http_referral_json_time(out, "approves_at",
                          conversion->status <= REFERRAL_EVENT_HELD
                          ? conversion->approves : 0);
    ngx_http_referral_json_time(out, "changed_at", conversion->changed);

    ngx_http_referral_api_rewards_json(out, api, snap, conversion);

    ngx_http_referral_json_close(out, "}");
}


static void
ngx_http_referral_api_attribution_json(ngx_http_referral_out_t *out,
    const referral_conversion_t *conversion)
{
    ngx_http_referral_json_open(out, "attribution", "{");
    ngx_http_referral_json_text(out, "method",
                                referral_method_name(conversion->method));

    if (conversion->method == REFERRAL_METHOD_TOKEN) {
        ngx_http_referral_json_text(out, "touch",
                                    conversion->touch == REFERRAL_MODEL_FIRST
                                    ? "first" : "last");
    } else {
        ngx_http_referral_json_null(out, "touch");
    }

    ngx_http_referral_api_click_id_json(out, conversion->click_id);
    ngx_http_referral_json_time(out, "clicked_at", conversion->clicked);
    ngx_http_referral_json_str_or_null(out, "channel", conversion->channel);
    ngx_http_referral_json_str_or_null(out, "first_code",
                                       conversion->first_code);
    ngx_http_referral_json_close(out, "}");
}


void
ngx_http_referral_api_click_id_json(ngx_http_referral_out_t *out,
    const unsigned char id[REFERRAL_CLICK_ID_SIZE])
{
    u_char     text[REFERRAL_CLICK_ID_LEN];
    ngx_str_t  src, dst;

    static const unsigned char  none[REFERRAL_CLICK_ID_SIZE];

    if (ngx_memcmp(id, none, REFERRAL_CLICK_ID_SIZE) == 0) {
        ngx_http_referral_json_null(out, "click_id");
        return;
    }

    src.data = (u_char *) id;
    src.len = REFERRAL_CLICK_ID_SIZE;
    dst.data = text;

    ngx_encode_base64url(&dst, &src);

    ngx_http_referral_json_str(out, "click_id", ngx_http_referral_str(dst));
}


static void
ngx_http_referral_api_reasons_json(ngx_http_referral_out_t *out,
    uint32_t reasons)
{
    unsigned  i;

    ngx_http_referral_json_open(out, "reasons", "[");

    for (i = 0; i < REFERRAL_REASONS; i++) {
        if (reasons & ((uint32_t) 1 << i)) {
            ngx_http_referral_json_text(out, NULL, referral_reason_name(i));
        }
    }

    ngx_http_referral_json_close(out, "]");
}


static void
ngx_http_referral_api_rewards_json(ngx_http_referral_out_t *out,
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    const referral_conversion_t *conversion)
{
    uint32_t           program;
    unsigned           i;
    referral_reward_t  reward;

    program = ngx_http_referral_program_id(api->program->index);

    ngx_http_referral_json_open(out, "rewards", "[");

    for (i = 0; i < conversion->nrewards; i++) {

        if (referral_reward_get(snap, program, conversion->rewards[i],
                                &reward)
            != REFERRAL_OK)
        {
            out->failed = 1;
            return;
        }

        ngx_http_referral_api_reward_json(out, NULL, &reward);
    }

    ngx_http_referral_json_close(out, "]");
}


void
ngx_http_referral_api_reward_json(ngx_http_referral_out_t *out,
    const char *key, const referral_reward_t *reward)
{
    ngx_http_referral_json_open(out, key, "{");
    ngx_http_referral_api_reward_members(out, reward);
    ngx_http_referral_json_close(out, "}");
}


void
ngx_http_referral_api_reward_members(ngx_http_referral_out_t *out,
    const referral_reward_t *reward)
{
    ngx_uint_t  percent, claimed;

    percent = (reward->bps != 0);
    claimed = percent && reward->claimed != 0;

    ngx_http_referral_json_id(out, "id", reward->id);
    ngx_http_referral_json_str(out, "name", reward->name);
    ngx_http_referral_json_text(out, "to",
                                reward->to == REFERRAL_TO_FRIEND
                                ? "friend" : "referrer");
    ngx_http_referral_json_text(out, "state",
                                referral_reward_state_name(reward->state));
    ngx_http_referral_json_str_or_null(out, "code", reward->code);
    ngx_http_referral_json_str_or_null(out, "order_id", reward->order_id);
    ngx_http_referral_json_str_or_null(out, "customer_id", reward->customer);
    ngx_http_referral_json_str_or_null(out, "value", reward->value);

    ngx_http_referral_api_money_json(out, "amount", percent, reward->amount);
    ngx_http_referral_api_currency_json(out, percent, reward->currency);
    ngx_http_referral_api_money_json(out, "paid", claimed, reward->paid);
    ngx_http_referral_api_money_json(out, "offset", claimed, reward->offset);

    ngx_http_referral_json_str_or_null(out, "reason", reward->reason);
    ngx_http_referral_json_time(out, "created_at", reward->created);
    ngx_http_referral_json_time(out, "approves_at",
                                reward->state == REFERRAL_REWARD_VOID
                                ? 0 : reward->approves);
    ngx_http_referral_json_time(out, "claimed_at", reward->claimed);
    ngx_http_referral_json_time(out, "changed_at", reward->changed);
}


void
ngx_http_referral_api_money_json(ngx_http_referral_out_t *out,
    const char *key, ngx_uint_t present, int64_t amount)
{
    if (present) {
        ngx_http_referral_json_int(out, key, amount);

    } else {
        ngx_http_referral_json_null(out, key);
    }
}


void
ngx_http_referral_api_currency_json(ngx_http_referral_out_t *out,
    ngx_uint_t present, unsigned currency)
{
    if (present) {
        ngx_http_referral_json_text(out, "currency",
                                    referral_currency_alpha(currency));

    } else {
        ngx_http_referral_json_null(out, "currency");
    }
}
