/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a referrer is told: sums of what friends did, and the own rewards.  Not
 * who they are, what they ordered or got, nor the time of anything they did:
 * a reward is as old as what earned it, so its times are days.  An amount in
 * percent tells what the order was worth all the same.
 */

#include "referral_out.h"


#define OUT_DAY      86400000       /* ms */
#define OUT_REWARDS  100
#define OUT_ROWS     5000           /* looked at: a millisecond */


typedef struct {
    referral_out_t  *out;
    unsigned         n;
} out_rewards_t;


static void
out_ladder(referral_out_t *out, const referral_rules_t *rules, int64_t points)
{
    unsigned  i;

    referral_out_open(out, "ladder", "[");

    for (i = 0; i < rules->ntiers; i++) {
        referral_out_open(out, NULL, "{");
        referral_out_str(out, "name", rules->tiers[i].name);
        referral_out_int(out, "points", rules->tiers[i].points);
        referral_out_bool(out, "reached", points >= rules->tiers[i].points);
        referral_out_close(out, "}");
    }

    referral_out_close(out, "]");
}


void
referral_out_tier(referral_out_t *out, const referral_rules_t *rules,
    int64_t points, unsigned ladder)
{
    int                          reached;
    const referral_tier_rule_t  *next;

    referral_out_open(out, "tier", "{");

    reached = referral_rules_tier(rules, points);

    if (reached >= 0) {
        referral_out_str(out, "name", rules->tiers[reached].name);

    } else {
        referral_out_null(out, "name");
    }

    if ((unsigned) (reached + 1) < rules->ntiers) {
        next = &rules->tiers[reached + 1];
        referral_out_str(out, "next", next->name);
        referral_out_int(out, "remaining", next->points - points);

    } else {
        referral_out_null(out, "next");
        referral_out_null(out, "remaining");
    }

    if (ladder) {
        out_ladder(out, rules, points);
    }

    referral_out_close(out, "}");
}


static int
out_friends(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    referral_out_t *out = data;

    char      name[REFERRAL_RULE_NAME_MAX + 1];
    size_t    len;
    uint64_t  n;

    (void) start;

    n = tally->statuses[REFERRAL_EVENT_PENDING]
        + tally->statuses[REFERRAL_EVENT_APPROVED];

    if (n != 0) {
        len = (event.len < sizeof(name)) ? event.len : sizeof(name) - 1;
        memcpy(name, event.data, len);
        name[len] = '\0';

        referral_out_uint(out, name, n);
    }

    return 0;
}


static int
out_reward(void *data, const referral_reward_t *reward)
{
    out_rewards_t *rewards = data;

    unsigned         percent;
    referral_out_t  *out;

    if (rewards->n == OUT_REWARDS) {
        return 1;
    }

    rewards->n++;
    out = rewards->out;
    percent = (reward->bps != 0);

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "name", reward->name);
    referral_out_text(out, "state",
                      referral_reward_state_name(reward->state));
    referral_out_str_or_null(out, "value", reward->value);
    referral_out_money(out, "amount", percent, reward->amount);
    referral_out_currency(out, percent, reward->currency);
    referral_out_time(out, "created_at",
                      reward->created - reward->created % OUT_DAY);
    referral_out_time(out, "approves_at",
                      reward->state == REFERRAL_REWARD_VOID
                      ? 0 : reward->approves - reward->approves % OUT_DAY);
    referral_out_time(out, "claimed_at",
                      reward->claimed - reward->claimed % OUT_DAY);
    referral_out_close(out, "}");

    return 0;
}


static referral_rc_t
out_rewards(referral_out_t *out, referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id)
{
    referral_rc_t             rc;
    out_rewards_t             rewards = { out, 0 };
    referral_reward_filter_t  filter = { -1, REFERRAL_TO_REFERRER, code_id };

    referral_out_open(out, "rewards", "[");

    rc = referral_reward_latest(snap, program, &filter, OUT_ROWS, out_reward,
                                &rewards);

    referral_out_close(out, "]");

    return rc;
}


static void
out_head(referral_out_t *out, referral_str_t name, const referral_code_t *code,
    referral_str_t link)
{
    referral_out_str(out, "program", name);
    referral_out_str(out, "code", code->code);
    referral_out_str_or_null(out, "name", code->name);
    referral_out_text(out, "status", referral_status_name(code->status));
    referral_out_str_or_null(out, "link", link);
}


static void
out_clicks(referral_out_t *out, const referral_counts_t *counts)
{
    referral_out_open(out, "clicks", "{");
    referral_out_uint(out, "human", counts->classes[REFERRAL_CLASS_HUMAN]);
    referral_out_uint(out, "unique", counts->unique);
    referral_out_close(out, "}");
}


referral_rc_t
referral_out_progress(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, referral_str_t name, const referral_code_t *code,
    referral_str_t link, int64_t now)
{
    referral_rc_t      rc;
    referral_rules_t   rules;
    referral_score_t   score;
    referral_counts_t  counts;

    rc = referral_rules_known(snap, program, &rules);

    if (rc == REFERRAL_OK) {
        rc = referral_counts_get(snap, program, code->id, &counts);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_score_get(snap, program, code->id, &score);
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_out_open(out, NULL, "{");
    out_head(out, name, code, link);
    out_clicks(out, &counts);

    referral_out_open(out, "friends", "{");
    rc = referral_tally_list(snap, program, code->id, 0, 0, 0, out_friends,
                             out);
    referral_out_close(out, "}");

    referral_out_int(out, "points", score.points);
    referral_out_tier(out, &rules, score.points, 1);

    if (rc == REFERRAL_OK) {
        rc = out_rewards(out, snap, program, code->id);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_out_accounts(out, snap, program, code->id);
    }

    referral_out_time(out, "as_of", now);
    referral_out_close(out, "}");

    return rc;
}
