/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What rules have to keep to, wherever they come from.
 */

#include <string.h>

#include "referral_rules.h"
#include "referral_time.h"


#define rules_find(list, n, name)                                             \
    referral_rules_find(list, sizeof((list)[0]), n, name)


int
referral_rules_find(const void *list, size_t size, unsigned n,
    referral_str_t name)
{
    unsigned              i;
    referral_str_t        s;
    const unsigned char  *p;

    p = list;

    for (i = 0; i < n; i++, p += size) {
        memcpy(&s, p, sizeof(s));

        if (s.len == name.len && memcmp(s.data, name.data, s.len) == 0) {
            return (int) i;
        }
    }

    return -1;
}


unsigned
referral_rules_name(referral_str_t name)
{
    size_t         i;
    unsigned char  ch;

    if (name.len == 0 || name.len > REFERRAL_RULE_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name.len; i++) {
        ch = name.data[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) {
            continue;
        }

        if (i == 0 || (ch != '_' && ch != '-')) {
            return 0;
        }
    }

    return 1;
}


unsigned
referral_rules_click(referral_str_t name)
{
    return name.len == sizeof(REFERRAL_CLICK_EVENT) - 1
           && memcmp(name.data, REFERRAL_CLICK_EVENT, name.len) == 0;
}


static unsigned
rules_head_right(const referral_rules_t *rules)
{
    return rules->model <= REFERRAL_MODEL_FIRST
           && rules->self <= REFERRAL_SELF_ALLOW
           && rules->open <= 1
           && rules->window >= 1 && rules->window <= REFERRAL_WINDOW_MAX
           && rules->bind <= REFERRAL_HOLD_MAX
           && rules->review.min_age <= REFERRAL_HOLD_MAX
           && rules->review.per_click <= REFERRAL_COUNT_MAX
           && rules->review.max_amount >= 0
           && rules->review.max_amount <= REFERRAL_AMOUNT_MAX
           && rules->nevents <= REFERRAL_EVENTS_MAX
           && rules->ntiers <= REFERRAL_TIERS_MAX
           && rules->nrewards <= REFERRAL_REWARDS_MAX
           && rules->ncontests <= REFERRAL_CONTESTS_MAX;
}


/* The i-th; those before it are right.  So in the following, too. */

static unsigned
rules_event_right(const referral_rules_t *rules, unsigned i)
{
    const referral_event_rule_t  *event;

    event = &rules->events[i];

    if (!referral_rules_name(event->name)
        || rules_find(rules->events, i, event->name) != -1)
    {
        return 0;
    }

    if (referral_rules_click(event->name)) {
        if (event->hold != 0 || event->min != 0 || event->once != 0) {
            return 0;
        }

    } else if (event->limit != 0) {
        return 0;
    }

    return event->points >= 0 && event->points <= REFERRAL_POINTS_MAX
           && event->hold <= REFERRAL_HOLD_MAX
           && event->min >= 0 && event->min <= REFERRAL_AMOUNT_MAX
           && event->once <= REFERRAL_ONCE_CUSTOMER
           && event->limit <= REFERRAL_COUNT_MAX;
}


static unsigned
rules_tier_right(const referral_rules_t *rules, unsigned i)
{
    const referral_tier_rule_t  *tier;

    tier = &rules->tiers[i];

    return referral_rules_name(tier->name)
           && rules_find(rules->tiers, i, tier->name) == -1
           && tier->points >= 0 && tier->points <= REFERRAL_POINTS_MAX
           && (i == 0 || tier->points > rules->tiers[i - 1].points);
}


static unsigned
rules_value_right(const referral_reward_rule_t *reward)
{
    unsigned                i;
    const referral_pick_t  *pick;

    if (reward->value.len > REFERRAL_VALUE_MAX
        || reward->npicks > REFERRAL_PICKS_MAX
        || reward->bps > REFERRAL_BPS_MAX)
    {
        return 0;
    }

    for (i = 0; i < reward->npicks; i++) {
        pick = &reward->picks[i];

        if (pick->value.len == 0 || pick->value.len > REFERRAL_VALUE_MAX
            || pick->weight < 1 || pick->weight > REFERRAL_COUNT_MAX)
        {
            return 0;
        }
    }

    /* the gift that is drawn is the value */

    if (reward->npicks != 0 && reward->value.len != 0) {
        return 0;
    }

    return reward->bps == 0 || (reward->every == 1 && reward->value.len != 0);
}


static unsigned
rules_reward_right(const referral_rules_t *rules, unsigned i)
{
    const referral_reward_rule_t  *reward;

    reward = &rules->rewards[i];

    if (!referral_rules_name(reward->name)
        || rules_find(rules->rewards, i, reward->name) != -1)
    {
        return 0;
    }

    if (!referral_rules_name(reward->on) || referral_rules_click(reward->on)
        || rules_find(rules->events, rules->nevents, reward->on) == -1)
    {
        return 0;
    }

    if (reward->min_tier.len != 0
        && rules_find(rules->tiers, rules->ntiers, reward->min_tier) == -1)
    {
        return 0;
    }

    return rules_value_right(reward)
           && reward->to <= REFERRAL_TO_FRIEND
           && reward->kind <= REFERRAL_FOR_PARTNER
           && reward->per <= REFERRAL_PER_YEAR
           && (reward->per == REFERRAL_EVER || reward->limit != 0)
           && reward->has_hold <= 1
           && reward->hold <= (reward->has_hold ? REFERRAL_HOLD_MAX : 0)
           && reward->every >= 1 && reward->every <= REFERRAL_COUNT_MAX
           && reward->limit <= REFERRAL_COUNT_MAX;
}


static unsigned
rules_contest_right(const referral_rules_t *rules, unsigned i)
{
    const referral_contest_rule_t  *contest;

    contest = &rules->contests[i];

    return referral_rules_name(contest->name)
           && rules_find(rules->contests, i, contest->name) == -1
           && contest->from >= 0 && contest->from < contest->to
           && contest->to <= REFERRAL_TIME_MAX;
}


unsigned
referral_rules_right(const referral_rules_t *rules)
{
    unsigned  i, right;

    right = rules_head_right(rules);

    for (i = 0; right && i < rules->nevents; i++) {
        right = rules_event_right(rules, i);
    }

    for (i = 0; right && i < rules->ntiers; i++) {
        right = rules_tier_right(rules, i);
    }

    for (i = 0; right && i < rules->nrewards; i++) {
        right = rules_reward_right(rules, i);
    }

    for (i = 0; right && i < rules->ncontests; i++) {
        right = rules_contest_right(rules, i);
    }

    return right;
}
