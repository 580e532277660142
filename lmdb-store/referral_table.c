/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_money.h"
#include "referral_out.h"
#include "referral_table.h"


typedef struct {
    referral_csv_t  *csv;
    uint32_t         day;
    unsigned         rows;
    unsigned         full;
} table_day_t;


/* ---------------------------------------------------------------- cells -- */

static void
cell_money(referral_csv_t *csv, unsigned present, int64_t amount)
{
    if (present) {
        referral_csv_number(csv, amount);

    } else {
        referral_csv_none(csv);
    }
}


static void
cell_currency(referral_csv_t *csv, unsigned present, unsigned currency)
{
    referral_csv_word(csv, present ? referral_currency_alpha(currency) : "");
}


static void
cell_click_id(referral_csv_t *csv,
    const unsigned char id[REFERRAL_CLICK_ID_SIZE])
{
    size_t         len;
    unsigned char  text[REFERRAL_CLICK_ID_TEXT];

    len = referral_click_id_text(id, text);

    referral_csv_text(csv, (referral_str_t) { len, text });
}


/* Names with a space between. */

static void
cell_reasons(referral_csv_t *csv, uint32_t reasons)
{
    size_t          len;
    unsigned        i;
    const char     *name;
    unsigned char   text[REFERRAL_REASONS * 32];

    len = 0;

    for (i = 0; i < REFERRAL_REASONS; i++) {
        if (!(reasons & ((uint32_t) 1 << i))) {
            continue;
        }

        if (len != 0) {
            text[len++] = ' ';
        }

        for (name = referral_reason_name(i);
             *name != '\0' && len < sizeof(text) - 1;
             name++)
        {
            text[len++] = (unsigned char) *name;
        }
    }

    referral_csv_text(csv, (referral_str_t) { len, text });
}


/* ----------------------------------------------------------------- rows -- */

void
referral_table_conversion(referral_csv_t *csv,
    const referral_conversion_t *conversion)
{
    unsigned  token, held;

    token = (conversion->method == REFERRAL_METHOD_TOKEN);
    held = (conversion->status <= REFERRAL_EVENT_HELD);

    referral_csv_text(csv, conversion->order_id);
    referral_csv_text(csv, conversion->event);
    referral_csv_word(csv, referral_event_status_name(conversion->status));
    referral_csv_text(csv, conversion->code);
    referral_csv_word(csv, referral_method_name(conversion->method));
    referral_csv_word(csv, !token ? ""
                           : conversion->touch == REFERRAL_MODEL_FIRST
                             ? "first" : "last");
    cell_click_id(csv, conversion->click_id);
    referral_csv_time(csv, conversion->clicked);
    referral_csv_text(csv, conversion->channel);
    referral_csv_text(csv, conversion->first_code);
    referral_csv_text(csv, conversion->customer);
    cell_money(csv, conversion->has_amount, conversion->amount);
    cell_money(csv, conversion->has_amount, conversion->refunded);
    cell_currency(csv, conversion->has_amount, conversion->currency);
    referral_csv_number(csv, conversion->points);
    cell_reasons(csv, conversion->reasons);
    referral_csv_word(csv, referral_source_name(conversion->source));
    referral_csv_time(csv, conversion->occurred);
    referral_csv_time(csv, conversion->time);
    referral_csv_time(csv, held ? conversion->approves : 0);
    referral_csv_time(csv, conversion->changed);
}


void
referral_table_reward(referral_csv_t *csv, referral_snapshot_t *snap,
    uint32_t program, const referral_reward_t *reward)
{
    unsigned         percent, claimed;
    referral_code_t  code;

    percent = (reward->bps != 0);
    claimed = percent && reward->claimed != 0;

    if (referral_code_get(snap, program, reward->code, &code) != REFERRAL_OK) {
        memset(&code, 0, sizeof(referral_code_t));
    }

    referral_csv_id(csv, reward->id);
    referral_csv_text(csv, reward->name);
    referral_csv_word(csv, reward->to == REFERRAL_TO_FRIEND
                           ? "friend" : "referrer");
    referral_csv_word(csv, referral_reward_state_name(reward->state));
    referral_csv_text(csv, reward->code);
    referral_csv_text(csv, code.owner);
    referral_csv_word(csv, referral_kind_name(code.kind));
    referral_csv_text(csv, reward->order_id);
    referral_csv_text(csv, reward->customer);
    referral_csv_text(csv, reward->value);
    cell_money(csv, percent, reward->amount);
    cell_currency(csv, percent, reward->currency);
    cell_money(csv, claimed, reward->paid);
    cell_money(csv, claimed, reward->offset);
    referral_csv_text(csv, reward->reason);
    referral_csv_time(csv, reward->created);
    referral_csv_time(csv, reward->state == REFERRAL_REWARD_VOID
                           ? 0 : reward->approves);
    referral_csv_time(csv, reward->claimed);
    referral_csv_time(csv, reward->changed);
}


referral_rc_t
referral_table_code(referral_csv_t *csv, referral_snapshot_t *snap,
    uint32_t program, const referral_code_t *code,
    const referral_rules_t *rules)
{
    int                tier;
    unsigned           i;
    referral_rc_t      rc;
    referral_score_t   score;
    referral_counts_t  counts;

    rc = referral_counts_get(snap, program, code->id, &counts);

    if (rc == REFERRAL_OK) {
        rc = referral_score_get(snap, program, code->id, &score);
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_csv_text(csv, code->code);
    referral_csv_word(csv, referral_status_name(code->status));
    referral_csv_text(csv, code->owner);
    referral_csv_word(csv, referral_kind_name(code->kind));
    referral_csv_text(csv, code->name);
    referral_csv_text(csv, code->landing);
    referral_csv_time(csv, code->created);
    referral_csv_time(csv, code->changed);
    referral_csv_id(csv, referral_counts_total(&counts));
    referral_csv_id(csv, counts.classes[REFERRAL_CLASS_HUMAN]);
    referral_csv_id(csv, counts.unique);
    referral_csv_number(csv, score.points);

    tier = referral_rules_tier(rules, score.points);

    if (tier >= 0) {
        referral_csv_text(csv, rules->tiers[tier].name);

    } else {
        referral_csv_word(csv, "");
    }

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        referral_csv_id(csv, score.rewards[i]);
    }

    return REFERRAL_OK;
}


/* ----------------------------------------------------------------- days -- */

static void
day_row(table_day_t *day, const char *measure, referral_str_t event,
    const char *label, const char *currency, int64_t value)
{
    referral_csv_t  *csv;

    if (day->full) {
        return;
    }

    csv = day->csv;

    referral_csv_date(csv, day->day);
    referral_csv_word(csv, measure);
    referral_csv_text(csv, event);
    referral_csv_word(csv, label);
    referral_csv_word(csv, currency);
    referral_csv_number(csv, value);

    day->full = (referral_csv_row(csv) != 0);
    day->rows++;
}


static int
day_clicks(void *data, referral_str_t label, int64_t start,
    const referral_counts_t *counts)
{
    table_day_t *day = data;

    unsigned        i;
    referral_str_t  none;

    (void) label;
    (void) start;

    none.data = (const unsigned char *) "";
    none.len = 0;

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        if (counts->classes[i]) {
            day_row(day, "clicks", none, referral_class_name(i), "",
                    (int64_t) counts->classes[i]);
        }
    }

    day_row(day, "unique_clicks", none, "", "", (int64_t) counts->unique);

    return (int) day->full;
}


static int
day_events(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    table_day_t *day = data;

    unsigned  i;

    (void) start;

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        if (tally->statuses[i]) {
            day_row(day, "events", event, referral_event_status_name(i), "",
                    (int64_t) tally->statuses[i]);
        }
    }

    day_row(day, "points", event, "", "", tally->points);

    return (int) day->full;
}


static int
day_sums(void *data, referral_str_t event, uint16_t currency, int64_t start,
    const referral_sum_t *sum)
{
    table_day_t *day = data;

    const char  *alpha;

    (void) start;

    alpha = referral_currency_alpha(currency);

    day_row(day, "gross", event, "", alpha, sum->gross);
    day_row(day, "refunded", event, "", alpha, sum->refunded);

    return (int) day->full;
}


referral_rc_t
referral_table_day(referral_csv_t *csv, referral_snapshot_t *snap,
    uint32_t program, uint32_t date, unsigned *rows)
{
    table_day_t     day = { csv, date, 0, 0 };
    referral_rc_t   rc;
    unsigned char  *pos;

    pos = csv->pos;

    rc = referral_counts_by(snap, program, 0, REFERRAL_DIM_DAY, date, date,
                            day_clicks, &day);

    if (rc == REFERRAL_OK) {
        rc = referral_tally_list(snap, program, REFERRAL_TALLY_ALL, date,
                                 date, 1, day_events, &day);
    }

    if (rc == REFERRAL_OK) {
        rc = referral_sum_list(snap, program, REFERRAL_TALLY_ALL, date, date,
                               1, day_sums, &day);
    }

    *rows = day.rows;

    if (rc == REFERRAL_OK && day.full) {
        csv->pos = pos;
        csv->row = pos;
        rc = REFERRAL_FULL;
    }

    return rc;
}
