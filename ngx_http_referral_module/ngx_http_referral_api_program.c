/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The program as it is configured, and what the caller may: what a page needs
 * to know before it asks for anything.
 */

#include "ngx_http_referral_api.h"


static void ngx_http_referral_api_program_worth(referral_out_t *out,
    referral_str_t name, int64_t points);
static void ngx_http_referral_api_program_rewards(referral_out_t *out,
    referral_rules_t *rules);
static void ngx_http_referral_api_program_contests(referral_out_t *out,
    referral_rules_t *rules);


ngx_int_t
ngx_http_referral_api_program(ngx_http_referral_api_ctx_t *api)
{
    ngx_uint_t         i;
    referral_out_t     out;
    referral_rules_t  *rules;

    rules = api->program->rules;

    ngx_http_referral_out_init(&out, api->request->pool);

    referral_out_open(&out, NULL, "{");
    referral_out_str(&out, "program",
                     ngx_http_referral_str(api->program->name));
    referral_out_text(&out, "scope", referral_scope_name(api->scope));

    referral_out_open(&out, "events", "[");

    for (i = 0; i < rules->nevents; i++) {
        ngx_http_referral_api_program_worth(&out, rules->events[i].name,
                                            rules->events[i].points);
    }

    referral_out_close(&out, "]");
    referral_out_open(&out, "tiers", "[");

    for (i = 0; i < rules->ntiers; i++) {
        ngx_http_referral_api_program_worth(&out, rules->tiers[i].name,
                                            rules->tiers[i].points);
    }

    referral_out_close(&out, "]");

    ngx_http_referral_api_program_rewards(&out, rules);
    ngx_http_referral_api_program_contests(&out, rules);

    referral_out_close(&out, "}");

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out);
}


static void
ngx_http_referral_api_program_worth(referral_out_t *out, referral_str_t name,
    int64_t points)
{
    referral_out_open(out, NULL, "{");
    referral_out_str(out, "name", name);
    referral_out_int(out, "points", points);
    referral_out_close(out, "}");
}


static void
ngx_http_referral_api_program_rewards(referral_out_t *out,
    referral_rules_t *rules)
{
    ngx_uint_t                     i;
    const referral_reward_rule_t  *reward;

    referral_out_open(out, "rewards", "[");

    for (i = 0; i < rules->nrewards; i++) {
        reward = &rules->rewards[i];

        referral_out_open(out, NULL, "{");
        referral_out_str(out, "name", reward->name);
        referral_out_text(out, "to", reward->to == REFERRAL_TO_FRIEND
                                     ? "friend" : "referrer");
        referral_out_str(out, "on", reward->on);
        referral_out_str_or_null(out, "value", reward->value);
        referral_out_close(out, "}");
    }

    referral_out_close(out, "]");
}


static void
ngx_http_referral_api_program_contests(referral_out_t *out,
    referral_rules_t *rules)
{
    ngx_uint_t                      i;
    const referral_contest_rule_t  *contest;

    referral_out_open(out, "contests", "[");

    for (i = 0; i < rules->ncontests; i++) {
        contest = &rules->contests[i];

        referral_out_open(out, NULL, "{");
        referral_out_str(out, "name", contest->name);
        referral_out_time(out, "from", contest->from);
        referral_out_time(out, "to", contest->to);
        referral_out_close(out, "}");
    }

    referral_out_close(out, "]");
}
