/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a good event gives to the referrer and the friend, and how it is
 * taken back.
 */

#include "store_case.h"


static void
store_credit_points(store_case_t *c)
{
    unsigned                        i;
    store_order_t                  *order;
    const referral_contest_rule_t  *contest;

    order = &c->order.row;
    order->points = (c->rule != NULL) ? c->rule->points : 0;

    store_score_add(c->t, c->rules, c->order.program, order->code,
                    order->points, order->when, c->now);

    if (order->points == 0) {
        return;
    }

    for (i = 0; i < c->rules->rules.ncontests; i++) {
        contest = &c->rules->rules.contests[i];

        /* one that has ended stays as it was, whatever comes to light */

        if (order->when >= contest->from && order->when < contest->to
            && c->now < contest->to)
        {
            store_score_contest(c->t, c->order.program, c->rules->contests[i],
                                order->code, order->points);
            c->order.contests[order->ncontests++] = c->rules->contests[i];
        }
    }
}


/* Whether a reward of the rules is for this event and this code. */

static int
store_reward_fits(store_case_t *c, const referral_reward_rule_t *rule)
{
    int                      tier;
    const referral_rules_t  *rules;

    rules = &c->rules->rules;

    if (c->rule == NULL || !store_same(rule->on, c->rule->name)
        || (rule->kind == REFERRAL_FOR_CUSTOMER
            && c->kind != REFERRAL_KIND_CUSTOMER)
        || (rule->kind == REFERRAL_FOR_PARTNER
            && c->kind != REFERRAL_KIND_PARTNER))
    {
        return 0;
    }

    if (rule->min_tier.len == 0) {
        return 1;
    }

    tier = referral_rules_tier(rules, store_score_points(c->t,
                                           c->order.program,
                                           c->order.row.code));

    for ( /* void */ ; tier >= 0; tier--) {
        if (store_same(rules->tiers[tier].name, rule->min_tier)) {
            return 1;
        }
    }

    return 0;
}


static void
store_credit_rewards(store_case_t *c, unsigned single, unsigned every,
    unsigned held)
{
    unsigned                 i;
    const referral_rules_t  *rules;

    rules = &c->rules->rules;

    for (i = 0; i < rules->nrewards; i++) {

        if (!store_reward_fits(c, &rules->rewards[i])) {
            continue;
        }

        if (rules->rewards[i].every > 1) {
            if (every) {
                store_every_add(c, i);
            }

        } else if (single) {
            (void) store_reward_issue(c, i, held);
        }
    }
}


void
store_credit(store_case_t *c)
{
    store_credit_points(c);
    store_credit_rewards(c, 1, 1, 0);
}


void
store_credit_held(store_case_t *c)
{
    store_credit_rewards(c, 1, 0, 1);
}


void
store_credit_released(store_case_t *c)
{
    unsigned            i, n;
    store_reward_row_t  reward;
    unsigned char       copy[STORE_REWARD_SIZE];

    n = c->order.row.nrewards;

    store_credit_points(c);

    for (i = 0; i < n; i++) {
        if (store_reward_get(c->t, c->order.program, c->order.rewards[i],
                              copy, &reward)
            && reward.row.state == REFERRAL_REWARD_HELD)
        {
            store_reward_state(c->t, &reward,
                               (reward.row.due <= c->now)
                               ? REFERRAL_REWARD_APPROVED
                               : REFERRAL_REWARD_PENDING, c->now);
        }
    }

    store_credit_rewards(c, 0, 1, 0);
}


/* The contest of that id, when it still runs; else it stays as it is. */

static int
store_contest_runs(const store_case_t *c, uint16_t id)
{
    unsigned  i;

    for (i = 0; i < c->rules->rules.ncontests; i++) {
        if (c->rules->contests[i] == id) {
            return c->now < c->rules->rules.contests[i].to;
        }
    }

    return 0;
}


static void
store_uncredit_points(store_case_t *c)
{
    unsigned        i;
    store_order_t  *order;

    order = &c->order.row;

    store_score_add(c->t, c->rules, c->order.program, order->code,
                    -order->points, order->when, c->now);

    for (i = 0; i < order->ncontests; i++) {
        if (store_contest_runs(c, c->order.contests[i])) {
            store_score_contest(c->t, c->order.program, c->order.contests[i],
                                order->code, -order->points);
        }
    }

    order->points = 0;
    order->ncontests = 0;
}


void
store_uncredit(store_case_t *c)
{
    unsigned            i, n;
    store_reward_row_t  reward;
    unsigned char       copy[STORE_REWARD_SIZE];

    store_uncredit_points(c);
    store_place_free(c);

    for (i = 0; i < c->order.row.nrewards; i++) {
        if (store_reward_get(c->t, c->order.program, c->order.rewards[i],
                              copy, &reward)
            && !(reward.row.flags & STORE_REWARD_EVERY))
        {
            store_reward_revoke(c->t, &reward, c->now);
        }
    }

    n = c->order.row.ncounted;
    c->order.row.ncounted = 0;

    for (i = 0; i < n; i++) {
        store_every_remove(c, c->order.counted[i]);
    }
}
