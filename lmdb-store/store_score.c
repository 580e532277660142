/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Points of a code: all time, by month, by contest, each with its
 * leaderboard.
 */

#include "store_case.h"


/* The civil calendar counted from March, year 0. */

uint32_t
store_month(int64_t ms)
{
    int64_t   days;
    uint32_t  day, era, year, month;

    days = store_day(ms) + 719468;
    era = (uint32_t) (days / 146097);
    day = (uint32_t) (days % 146097);
    year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;
    year += era * 400 + (month >= 10);
    month = (month < 10) ? month + 3 : month - 9;

    return year * 100 + month;
}


static void
store_place_key(unsigned char *key, uint32_t program, uint32_t period,
    int64_t points, uint32_t code)
{
    store_be32(key, program);
    store_be32(key + 4, period);
    store_be64(key + 8, ~(uint64_t) points);
    store_be32(key + 16, code);
}


static void
store_place(store_txn_t *t, uint32_t program, uint32_t period, uint32_t code,
    int64_t before, int64_t after)
{
    unsigned char  key[20];

    if (before > 0) {
        store_place_key(key, program, period, before, code);
        store_delete(t, STORE_LDR, key, sizeof(key));
    }

    if (after > 0) {
        store_place_key(key, program, period, after, code);
        store_put(t, STORE_LDR, key, sizeof(key), "", 0);
    }
}


static store_score_t *
store_score(store_txn_t *t, uint32_t program, uint32_t code)
{
    size_t         *size;
    store_score_t  *score;
    unsigned char   key[STORE_SCR_KEY];

    store_scr_key(key, program, code, STORE_SCR_SCORE);

    score = store_cell(t, STORE_SCR, key, sizeof(key), sizeof(store_score_t),
                       0, &size);

    if (score != NULL && *size != sizeof(store_score_t)) {

        if (*size != 0) {
            store_fail(t, MDB_CORRUPTED, "a score");
            return NULL;
        }

        *size = sizeof(store_score_t);
        score->version = 1;
    }

    return score;
}


static void
store_score_period(store_txn_t *t, uint32_t program, uint32_t period,
    uint32_t code, int64_t points)
{
    size_t         *size;
    int64_t        *value, before;
    unsigned char   key[STORE_SCR_KEY + 4];

    store_scr_key(key, program, code, STORE_SCR_PERIOD);
    store_be32(key + STORE_SCR_KEY, period);

    value = store_cell(t, STORE_SCR, key, sizeof(key), sizeof(int64_t), 0,
                       &size);
    if (value == NULL) {
        return;
    }

    *size = sizeof(int64_t);
    before = *value;
    *value += points;

    store_place(t, program, period, code, before, *value);
}


static referral_str_t
store_tier_name(const referral_rules_t *rules, int tier)
{
    return (tier < 0) ? store_str("") : rules->tiers[tier].name;
}


static void
store_score_tier(store_txn_t *t, const referral_rules_t *rules,
    uint32_t program, uint32_t code, int64_t before, int64_t after,
    int64_t now)
{
    int              from, to;
    referral_note_t  note;

    from = referral_rules_tier(rules, before);
    to = referral_rules_tier(rules, after);

    if (from == to) {
        return;
    }

    memset(&note, 0, sizeof(note));
    note.program = program;
    note.code_id = code;
    note.kind = REFERRAL_NOTE_TIER;
    note.before = store_tier_name(rules, from);
    note.after = store_tier_name(rules, to);

    store_note(t, now, &note);
}


void
store_score_add(store_txn_t *t, const store_rules_t *rules, uint32_t program,
    uint32_t code, int64_t points, int64_t when, int64_t now)
{
    int64_t         before;
    store_score_t  *score;

    if (points == 0) {
        return;
    }

    score = store_score(t, program, code);

    if (score == NULL) {
        return;
    }

    before = score->points;
    score->points += points;

    store_place(t, program, REFERRAL_LEADERS_ALL, code, before,
                before + points);
    store_score_period(t, program, store_month(when), code, points);

    if (rules != NULL) {
        store_score_tier(t, &rules->rules, program, code, before,
                         before + points, now);
    }
}


void
store_score_contest(store_txn_t *t, uint32_t program, uint16_t contest,
    uint32_t code, int64_t points)
{
    store_score_period(t, program, STORE_CONTEST | contest, code, points);
}


void
store_score_reward(store_txn_t *t, uint32_t program, uint32_t code,
    unsigned state, int n)
{
    store_score_t  *score;

    score = store_score(t, program, code);

    if (score != NULL) {
        score->rewards[state] += (uint64_t) (int64_t) n;
    }
}


int64_t
store_score_points(store_txn_t *t, uint32_t program, uint32_t code)
{
    store_score_t  *score;

    score = store_score(t, program, code);

    return (score != NULL) ? score->points : 0;
}


/* Whether this click is one of those of its day that give points. */

static int
store_click_counts(store_txn_t *t, const store_click_row_t *row,
    const referral_event_rule_t *rule)
{
    uint32_t        day;
    store_score_t  *score;

    if (rule->limit == 0) {
        return 1;
    }

    score = store_score(t, row->program, row->code);
    day = store_day(row->time);

    if (score == NULL) {
        return 0;
    }

    /*
     * Also an earlier day begins anew: a clock that was ahead once must not
     * stop the points of all days until then.
     */

    if (day != score->click_day) {
        score->click_day = day;
        score->clicks = 0;
    }

    /* what gives nothing leaves no trace: it will be purged */

    if (score->clicks >= rule->limit) {
        return 0;
    }

    score->clicks++;

    return 1;
}


int
store_click_earns(store_txn_t *t, const store_click_row_t *row)
{
    const store_rules_t  *rules;

    if (row->class != REFERRAL_CLASS_HUMAN || row->code == 0) {
        return 0;
    }

    rules = store_rules(t, row->program);

    return rules != NULL && rules->click != NULL && rules->click->points != 0
           && store_click_counts(t, row, rules->click);
}


void
store_score_click(store_txn_t *t, const store_click_row_t *row)
{
    unsigned                        i;
    const store_rules_t            *rules;
    const referral_event_rule_t    *rule;
    const referral_contest_rule_t  *contest;

    rules = store_rules(t, row->program);

    if (rules == NULL || rules->click == NULL) {
        return;
    }

    rule = rules->click;

    store_score_add(t, rules, row->program, row->code, rule->points,
                    row->time, row->time);

    for (i = 0; i < rules->rules.ncontests; i++) {
        contest = &rules->rules.contests[i];

        if (row->time >= contest->from && row->time < contest->to) {
            store_score_contest(t, row->program, rules->contests[i],
                                row->code, rule->points);
        }
    }
}
