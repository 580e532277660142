/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The rules of the two programs of store_power.
 */

#ifndef STORE_POWER_RULES_H
#define STORE_POWER_RULES_H

#include "store_power_trace.h"


static void
power_rules_rewards(referral_rules_t *r, unsigned version)
{
    r->rewards[0].name = test_str("commission");
    r->rewards[0].on = test_str("purchase");
    r->rewards[0].value = test_str("7.5%");
    r->rewards[0].bps = 750;
    r->rewards[0].every = 1;

    r->rewards[1].name = test_str("mug");
    r->rewards[1].on = test_str("purchase");
    r->rewards[1].every = 3;

    r->rewards[2].name = test_str("welcome");
    r->rewards[2].on = test_str("signup");
    r->rewards[2].to = REFERRAL_TO_FRIEND;
    r->rewards[2].every = 1;
    r->rewards[2].limit = 2;
    r->rewards[2].per = REFERRAL_PER_MONTH;
    r->rewards[2].has_hold = 1;
    r->rewards[2].hold = 3600;

    r->rewards[3].name = test_str("gift");
    r->rewards[3].on = test_str("lead");
    r->rewards[3].every = 2 + version % 2;
    r->rewards[3].min_tier = test_str("bronze");
    r->rewards[3].npicks = 2;
    r->rewards[3].picks[0].value = test_str("pen");
    r->rewards[3].picks[0].weight = 3;
    r->rewards[3].picks[1].value = test_str("cup");
    r->rewards[3].picks[1].weight = 1;

    r->nrewards = 4;
}


static void
power_rules(referral_rules_t *r, unsigned program, unsigned version)
{
    memset(r, 0, sizeof(referral_rules_t));

    r->open = (program == 1);
    r->model = (program == 1) ? REFERRAL_MODEL_LAST : REFERRAL_MODEL_FIRST;
    r->window = 30 * 86400;
    r->bind = (program == 1) ? 10 * 86400 : 0;

    r->events[0].name = test_str("signup");
    r->events[0].points = 5 + version % 3;
    r->events[1].name = test_str("purchase");
    r->events[1].points = 10;
    r->events[1].hold = 86400 / program;
    r->events[1].min = 100;
    r->events[2].name = test_str("lead");
    r->events[2].points = 2;
    r->events[2].once = REFERRAL_ONCE_CUSTOMER;
    r->events[3].name = test_str(REFERRAL_CLICK_EVENT);
    r->events[3].points = 1;
    r->events[3].limit = 2;
    r->nevents = (program == 1) ? 4 : 3;

    r->tiers[0].name = test_str("bronze");
    r->tiers[0].points = 20;
    r->tiers[1].name = test_str("silver");
    r->tiers[1].points = 60;
    r->ntiers = 2;

    power_rules_rewards(r, version);

    r->contests[0].name = test_str("advent");
    r->contests[0].from = POWER_T0 + POWER_DAY;
    r->contests[0].to = POWER_T0 + 9 * POWER_DAY;
    r->ncontests = 1;
}


#endif /* STORE_POWER_RULES_H */
