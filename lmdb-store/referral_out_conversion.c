/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Conversions and rewards as objects.
 */

#include "referral_out.h"


const char *
referral_source_name(unsigned source)
{
    static const char *const  sources[] = { "api", "header", "import" };

    return sources[source <= REFERRAL_SOURCE_IMPORT ? source
                                                    : REFERRAL_SOURCE_IMPORT];
}


static void
out_attribution(referral_out_t *out, const referral_conversion_t *conversion)
{
    referral_out_open(out, "attribution", "{");
    referral_out_text(out, "method",
                      referral_method_name(conversion->method));

    if (conversion->method == REFERRAL_METHOD_TOKEN) {
        referral_out_text(out, "touch",
                          conversion->touch == REFERRAL_MODEL_FIRST
                          ? "first" : "last");
    } else {
        referral_out_null(out, "touch");
    }

    referral_out_click_id(out, conversion->click_id);
    referral_out_time(out, "clicked_at", conversion->clicked);
    referral_out_str_or_null(out, "channel", conversion->channel);
    referral_out_str_or_null(out, "first_code", conversion->first_code);
    referral_out_close(out, "}");
}


static void
out_reasons(referral_out_t *out, uint32_t reasons)
{
    unsigned  i;

    referral_out_open(out, "reasons", "[");

    for (i = 0; i < REFERRAL_REASONS; i++) {
        if (reasons & ((uint32_t) 1 << i)) {
            referral_out_text(out, NULL, referral_reason_name(i));
        }
    }

    referral_out_close(out, "]");
}


/* own: only those of the friend, whose event it is. */

static void
out_rewards(referral_out_t *out, referral_snapshot_t *snap, uint32_t program,
    const referral_conversion_t *conversion, unsigned own)
{
    unsigned           i;
    referral_reward_t  reward;

    referral_out_open(out, "rewards", "[");

    for (i = 0; i < conversion->nrewards; i++) {

        if (referral_reward_get(snap, program, conversion->rewards[i],
                                &reward)
            != REFERRAL_OK)
        {
            out->failed = 1;
            return;
        }

        if (own && reward.to != REFERRAL_TO_FRIEND) {
            continue;
        }

        referral_out_open(out, NULL, "{");
        referral_out_reward(out, &reward);
        referral_out_close(out, "}");
    }

    referral_out_close(out, "]");
}


static void
out_head(referral_out_t *out, const referral_conversion_t *conversion)
{
    referral_out_str(out, "order_id", conversion->order_id);
    referral_out_str(out, "event", conversion->event);
    referral_out_text(out, "status",
                      referral_event_status_name(conversion->status));
}


static void
out_tail(referral_out_t *out, const referral_conversion_t *conversion)
{
    referral_out_str_or_null(out, "code", conversion->code);

    out_attribution(out, conversion);

    referral_out_str_or_null(out, "customer_id", conversion->customer);
    referral_out_money(out, "amount", conversion->has_amount,
                       conversion->amount);
    referral_out_money(out, "refunded", conversion->has_amount,
                       conversion->refunded);
    referral_out_currency(out, conversion->has_amount, conversion->currency);
    referral_out_int(out, "points", conversion->points);

    out_reasons(out, conversion->reasons);
    referral_out_why(out, conversion);

    referral_out_text(out, "source",
                      referral_source_name(conversion->source));
    referral_out_time(out, "occurred_at", conversion->occurred);
    referral_out_time(out, "recorded_at", conversion->time);
    referral_out_time(out, "approves_at",
                      conversion->status <= REFERRAL_EVENT_HELD
                      ? conversion->approves : 0);
    referral_out_time(out, "changed_at", conversion->changed);
}


void
referral_out_conversion(referral_out_t *out, const char *key,
    referral_snapshot_t *snap, uint32_t program,
    const referral_conversion_t *conversion, unsigned duplicate)
{
    referral_out_open(out, key, "{");
    out_head(out, conversion);
    referral_out_bool(out, "duplicate", duplicate);
    out_tail(out, conversion);
    out_rewards(out, snap, program, conversion, 0);
    referral_out_close(out, "}");
}


static int
out_refund(void *data, const referral_refund_info_t *refund)
{
    referral_out_t *out = data;

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "refund_id", refund->refund_id);
    referral_out_int(out, "amount", refund->amount);
    referral_out_str_or_null(out, "reason", refund->reason);
    referral_out_time(out, "recorded_at", refund->time);
    referral_out_close(out, "}");

    return 0;
}


void
referral_out_own_conversion(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, const referral_conversion_t *conversion)
{
    referral_out_open(out, NULL, "{");
    out_head(out, conversion);
    out_tail(out, conversion);
    out_rewards(out, snap, program, conversion, 1);

    referral_out_open(out, "refunds", "[");

    if (referral_refund_list(snap, program, conversion->order_id, out_refund,
                             out)
        != REFERRAL_OK)
    {
        out->failed = 1;
    }

    referral_out_close(out, "]");
    referral_out_close(out, "}");
}


void
referral_out_own_reward(referral_out_t *out, const referral_reward_t *reward)
{
    referral_reward_t  own;

    own = *reward;
    own.order_id.len = 0;
    own.customer.len = 0;
    own.reason.len = 0;

    referral_out_open(out, NULL, "{");
    referral_out_reward(out, &own);
    referral_out_close(out, "}");
}


void
referral_out_reward(referral_out_t *out, const referral_reward_t *reward)
{
    unsigned  percent, claimed;

    percent = (reward->bps != 0);
    claimed = percent && reward->claimed != 0;

    referral_out_id(out, "id", reward->id);
    referral_out_str(out, "name", reward->name);
    referral_out_text(out, "to", reward->to == REFERRAL_TO_FRIEND
                                 ? "friend" : "referrer");
    referral_out_text(out, "state",
                      referral_reward_state_name(reward->state));
    referral_out_str_or_null(out, "code", reward->code);
    referral_out_str_or_null(out, "order_id", reward->order_id);
    referral_out_str_or_null(out, "customer_id", reward->customer);
    referral_out_str_or_null(out, "value", reward->value);

    referral_out_money(out, "amount", percent, reward->amount);
    referral_out_currency(out, percent, reward->currency);
    referral_out_money(out, "paid", claimed, reward->paid);
    referral_out_money(out, "offset", claimed, reward->offset);

    referral_out_str_or_null(out, "reason", reward->reason);
    referral_out_time(out, "created_at", reward->created);
    referral_out_time(out, "approves_at",
                      reward->state == REFERRAL_REWARD_VOID
                      ? 0 : reward->approves);
    referral_out_time(out, "claimed_at", reward->claimed);
    referral_out_time(out, "changed_at", reward->changed);
}


void
referral_out_reward_of(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, const referral_reward_t *reward)
{
    referral_code_t  code;

    referral_out_reward(out, reward);

    if (referral_code_get(snap, program, reward->code, &code) != REFERRAL_OK) {
        code.owner.len = 0;
    }

    referral_out_str_or_null(out, "owner", code.owner);
}
