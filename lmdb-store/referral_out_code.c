/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Codes, and what they brought: clicks, events, points, rewards.
 */

#include <stdlib.h>
#include <string.h>

#include "referral_out.h"
#include "referral_money.h"


typedef struct {
    referral_out_t   *out;
    referral_sums_t   sums;
} out_events_t;


const char *
referral_status_name(unsigned status)
{
    static const char *const  statuses[] = { "active", "paused", "ended" };

    return statuses[status <= REFERRAL_STATUS_ENDED ? status
                                                    : REFERRAL_STATUS_ENDED];
}


const char *
referral_kind_name(unsigned kind)
{
    return (kind == REFERRAL_KIND_PARTNER) ? "partner" : "customer";
}


referral_rc_t
referral_rules_known(referral_snapshot_t *snap, uint32_t program,
    referral_rules_t *rules)
{
    referral_rc_t  rc;

    rc = referral_rules_get(snap, program, rules);

    if (rc == REFERRAL_NOT_FOUND) {
        memset(rules, 0, sizeof(referral_rules_t));
        rc = REFERRAL_OK;
    }

    return rc;
}


/* --------------------------------------------------------------- clicks -- */

void
referral_out_clicks(referral_out_t *out, const referral_counts_t *counts)
{
    unsigned  i;

    referral_out_open(out, "clicks", "{");
    referral_out_uint(out, "total", referral_counts_total(counts));
    referral_out_uint(out, "human", counts->classes[REFERRAL_CLASS_HUMAN]);
    referral_out_uint(out, "unique", counts->unique);

    referral_out_open(out, "classes", "{");

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        if (counts->classes[i]) {
            referral_out_uint(out, referral_class_name(i),
                              counts->classes[i]);
        }
    }

    referral_out_close(out, "}");
    referral_out_close(out, "}");
}


/* --------------------------------------------------------------- events -- */

static int
sums_visit(void *data, referral_str_t event, uint16_t currency,
    int64_t start, const referral_sum_t *sum)
{
    referral_sums_t *sums = data;

    size_t                max;
    referral_sum_item_t  *item;

    (void) start;

    if (sums->n == sums->max) {
        max = sums->max ? 2 * sums->max : 8;
        item = realloc(sums->items, max * sizeof(referral_sum_item_t));

        if (item == NULL) {
            sums->failed = 1;
            return 1;
        }

        sums->items = item;
        sums->max = max;
    }

    item = &sums->items[sums->n++];

    item->event = event;
    item->currency = currency;
    item->sum = *sum;

    return 0;
}


referral_rc_t
referral_sums_read(referral_sums_t *sums, referral_snapshot_t *snap,
    const referral_range_t *range)
{
    referral_rc_t  rc;

    memset(sums, 0, sizeof(referral_sums_t));

    rc = referral_sum_list(snap, range->program, range->code_id, range->from,
                           range->to, 0, sums_visit, sums);

    if (rc != REFERRAL_OK || sums->failed) {
        referral_sums_free(sums);
        return rc ? rc : REFERRAL_SYSTEM;
    }

    return REFERRAL_OK;
}


void
referral_sums_free(referral_sums_t *sums)
{
    free(sums->items);
    sums->items = NULL;
    sums->n = 0;
}


void
referral_out_sum(referral_out_t *out, const referral_sum_t *sum)
{
    referral_out_uint(out, "count", sum->count);
    referral_out_int(out, "gross", sum->gross);
    referral_out_int(out, "refunded", sum->refunded);
}


void
referral_out_amounts(referral_out_t *out, const char *key,
    referral_str_t event, const referral_sums_t *sums)
{
    size_t                      i;
    const referral_sum_item_t  *item;

    referral_out_open(out, key, "{");

    for (i = 0; i < sums->n; i++) {
        item = &sums->items[i];

        if (item->event.len == event.len
            && memcmp(item->event.data, event.data, event.len) == 0)
        {
            referral_out_open(out, referral_currency_alpha(item->currency),
                              "{");
            referral_out_sum(out, &item->sum);
            referral_out_close(out, "}");
        }
    }

    referral_out_close(out, "}");
}


void
referral_out_tally(referral_out_t *out, referral_str_t event,
    const referral_tally_t *tally, const referral_sums_t *sums)
{
    unsigned  i;

    referral_out_uint(out, "count", referral_tally_count(tally));

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        referral_out_uint(out, referral_event_status_name(i),
                          tally->statuses[i]);
    }

    referral_out_int(out, "points", tally->points);
    referral_out_amounts(out, "amounts", event, sums);
}


static int
out_event(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    out_events_t *events = data;

    char    name[REFERRAL_RULE_NAME_MAX + 1];
    size_t  len;

    (void) start;

    len = (event.len < sizeof(name)) ? event.len : sizeof(name) - 1;
    memcpy(name, event.data, len);
    name[len] = '\0';

    referral_out_open(events->out, name, "{");
    referral_out_tally(events->out, event, tally, &events->sums);
    referral_out_close(events->out, "}");

    return 0;
}


/* "events", a member for each event. */

static referral_rc_t
out_events(referral_out_t *out, referral_snapshot_t *snap,
    const referral_range_t *range)
{
    out_events_t   events;
    referral_rc_t  rc;

    events.out = out;
    rc = referral_sums_read(&events.sums, snap, range);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_out_open(out, "events", "{");

    rc = referral_tally_list(snap, range->program, range->code_id,
                             range->from, range->to, 0, out_event, &events);

    referral_out_close(out, "}");
    referral_sums_free(&events.sums);

    return rc;
}


/* --------------------------------------------------------------- scores -- */

static int
out_account(void *data, uint16_t currency, const referral_account_t *account)
{
    referral_out_t *out = data;

    int64_t   payable;
    unsigned  i;

    referral_out_open(out, referral_currency_alpha(currency), "{");

    for (i = 0; i < REFERRAL_REWARD_VOID; i++) {
        referral_out_int(out, referral_reward_state_name(i),
                         account->rewards[i]);
    }

    payable = account->rewards[REFERRAL_REWARD_APPROVED] - account->owed;

    referral_out_int(out, "paid", account->paid);
    referral_out_int(out, "owed", account->owed);
    referral_out_int(out, "payable", payable > 0 ? payable : 0);
    referral_out_close(out, "}");

    return 0;
}


referral_rc_t
referral_out_accounts(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, uint32_t code_id)
{
    referral_rc_t  rc;

    referral_out_open(out, "amounts", "{");

    rc = referral_account_list(snap, program, code_id, out_account, out);

    referral_out_close(out, "}");

    return rc;
}


/* "points", "tier", "rewards" and "amounts" of a code. */

static referral_rc_t
out_score(referral_out_t *out, referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, const referral_rules_t *rules)
{
    unsigned          i;
    referral_rc_t     rc;
    referral_score_t  score;

    rc = referral_score_get(snap, program, code_id, &score);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_out_int(out, "points", score.points);
    referral_out_tier(out, rules, score.points, 0);
    referral_out_open(out, "rewards", "{");

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        referral_out_uint(out, referral_reward_state_name(i),
                          score.rewards[i]);
    }

    referral_out_close(out, "}");

    return referral_out_accounts(out, snap, program, code_id);
}


/* ---------------------------------------------------------------- codes -- */

referral_rc_t
referral_out_code(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, referral_str_t name, const referral_code_t *code,
    const referral_rules_t *rules)
{
    referral_rc_t      rc;
    referral_range_t   range = { program, code->id, 0, 0 };
    referral_counts_t  counts;

    rc = referral_counts_get(snap, program, code->id, &counts);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "program", name);
    referral_out_str(out, "code", code->code);
    referral_out_text(out, "status", referral_status_name(code->status));
    referral_out_str_or_null(out, "owner", code->owner);
    referral_out_text(out, "kind", referral_kind_name(code->kind));
    referral_out_str_or_null(out, "name", code->name);
    referral_out_str_or_null(out, "landing", code->landing);
    referral_out_time(out, "created_at", code->created);
    referral_out_time(out, "changed_at", code->changed);
    referral_out_clicks(out, &counts);

    rc = out_events(out, snap, &range);

    if (rc == REFERRAL_OK) {
        rc = out_score(out, snap, program, code->id, rules);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_out_flags(out, snap, program, code->id);
    }

    referral_out_close(out, "}");

    return rc;
}


/* ----------------------------------------------------------------- days -- */

static int
day_counts(void *data, referral_str_t label, int64_t start,
    const referral_counts_t *counts)
{
    (void) label;

    *(referral_counts_t *) data = *counts;

    return start != 0;
}


referral_rc_t
referral_out_day(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, uint32_t day)
{
    referral_rc_t      rc;
    referral_range_t   range = { program, REFERRAL_TALLY_ALL, day, day };
    referral_counts_t  counts;

    memset(&counts, 0, sizeof(referral_counts_t));

    rc = referral_counts_by(snap, program, 0, REFERRAL_DIM_DAY, day, day,
                            day_counts, &counts);

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_out_open(out, NULL, "{");
    referral_out_date(out, "day", day);
    referral_out_clicks(out, &counts);

    rc = out_events(out, snap, &range);

    referral_out_close(out, "}");

    return rc;
}


static int
next_counts(void *data, referral_str_t label, int64_t start,
    const referral_counts_t *counts)
{
    uint32_t *day = data;

    (void) label;
    (void) counts;

    *day = (start / 86400 < *day) ? (uint32_t) (start / 86400) : *day;

    return 1;
}


static int
next_tally(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    uint32_t *day = data;

    (void) event;
    (void) tally;

    *day = (start / 86400 < *day) ? (uint32_t) (start / 86400) : *day;

    return 1;
}


referral_rc_t
referral_day_next(referral_snapshot_t *snap, uint32_t program, uint32_t from,
    uint32_t to, uint32_t *day)
{
    referral_rc_t  rc;

    *day = to + 1;

    if (from > to) {
        return REFERRAL_OK;
    }

    rc = referral_counts_by(snap, program, 0, REFERRAL_DIM_DAY, from, to,
                            next_counts, day);

    if (rc == REFERRAL_OK) {
        rc = referral_tally_list(snap, program, REFERRAL_TALLY_ALL, from, to,
                                 1, next_tally, day);
    }

    return rc;
}
