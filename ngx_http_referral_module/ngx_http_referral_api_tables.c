/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api_export.h"
#include "referral_money.h"


#define NGX_HTTP_REFERRAL_EXPORT_BLOCK  65536


typedef struct {
    ngx_http_referral_api_export_t  *export;
    referral_rules_t                 rules;
} ngx_http_referral_api_code_table_t;


static referral_rc_t ngx_http_referral_api_conversion_rows(
    ngx_http_referral_api_export_t *e);
static int ngx_http_referral_api_conversion_row(void *data,
    const referral_conversion_t *conversion);
static void ngx_http_referral_api_conversion_cells(referral_csv_t *csv,
    const referral_conversion_t *conversion);
static void ngx_http_referral_api_reasons_cell(referral_csv_t *csv,
    uint32_t reasons);
static void ngx_http_referral_api_click_id_cell(referral_csv_t *csv,
    const unsigned char *id);
static referral_rc_t ngx_http_referral_api_reward_rows(
    ngx_http_referral_api_export_t *e);
static int ngx_http_referral_api_reward_row(void *data,
    const referral_reward_t *reward);
static void ngx_http_referral_api_reward_cells(referral_csv_t *csv,
    const referral_reward_t *reward);
static referral_rc_t ngx_http_referral_api_code_rows(
    ngx_http_referral_api_export_t *e);
static int ngx_http_referral_api_code_row(void *data,
    const referral_code_t *code);
static void ngx_http_referral_api_code_cells(referral_csv_t *csv,
    const referral_code_t *code);
static void ngx_http_referral_api_money_cell(referral_csv_t *csv,
    ngx_uint_t present, int64_t amount);
static void ngx_http_referral_api_currency_cell(referral_csv_t *csv,
    ngx_uint_t present, unsigned currency);


static const ngx_http_referral_api_table_t
    ngx_http_referral_api_conversion_table =
{
    "conversions",
    "order_id,event,status,code,method,touch,click_id,clicked_at,channel,"
    "first_code,customer_id,amount,refunded,currency,points,reasons,source,"
    "occurred_at,recorded_at,approves_at,changed_at",
    NGX_HTTP_REFERRAL_EXPORT_BLOCK,
    ngx_http_referral_api_conversion_rows
};

static const ngx_http_referral_api_table_t
    ngx_http_referral_api_reward_table =
{
    "rewards",
    "id,name,to,state,code,owner,kind,order_id,customer_id,value,amount,"
    "currency,paid,offset,reason,created_at,approves_at,claimed_at,"
    "changed_at",
    NGX_HTTP_REFERRAL_EXPORT_BLOCK,
    ngx_http_referral_api_reward_rows
};

static const ngx_http_referral_api_table_t
    ngx_http_referral_api_code_table =
{
    "codes",
    "code,status,owner,kind,name,landing,created_at,changed_at,clicks,human,"
    "unique,points,tier,rewards_pending,rewards_held,rewards_approved,"
    "rewards_claimed,rewards_void",
    NGX_HTTP_REFERRAL_EXPORT_BLOCK,
    ngx_http_referral_api_code_rows
};


ngx_int_t
ngx_http_referral_api_export_conversions(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_export(api,
                                     &ngx_http_referral_api_conversion_table);
}


ngx_int_t
ngx_http_referral_api_export_rewards(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_export(api,
                                        &ngx_http_referral_api_reward_table);
}


ngx_int_t
ngx_http_referral_api_export_codes(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_export(api,
                                        &ngx_http_referral_api_code_table);
}


static referral_rc_t
ngx_http_referral_api_conversion_rows(ngx_http_referral_api_export_t *e)
{
    return referral_conversion_list(e->snap, e->program, e->after,
                                    ngx_http_referral_api_conversion_row, e);
}


static int
ngx_http_referral_api_conversion_row(void *data,
    const referral_conversion_t *conversion)
{
    ngx_http_referral_api_export_t *e = data;

    int64_t  time;

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    /* an order of the past belongs to its own day, as in the counters */

    time = conversion->time;

    if (conversion->source == REFERRAL_SOURCE_IMPORT
        && conversion->occurred > 0 && conversion->occurred < time)
    {
        time = conversion->occurred;
    }

    if (ngx_http_referral_api_export_in(e, time)) {
        ngx_http_referral_api_conversion_cells(&e->csv, conversion);

        if (!ngx_http_referral_api_export_row(e)) {
            return 1;
        }
    }

    ngx_http_referral_api_export_key(e, conversion->order_id);

    return 0;
}


static void
ngx_http_referral_api_conversion_cells(referral_csv_t *csv,
    const referral_conversion_t *conversion)
{
    ngx_uint_t  token, held;

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
    ngx_http_referral_api_click_id_cell(csv, conversion->click_id);
    referral_csv_time(csv, conversion->clicked);
    referral_csv_text(csv, conversion->channel);
    referral_csv_text(csv, conversion->first_code);
    referral_csv_text(csv, conversion->customer);
    ngx_http_referral_api_money_cell(csv, conversion->has_amount,
                                     conversion->amount);
    ngx_http_referral_api_money_cell(csv, conversion->has_amount,
                                     conversion->refunded);
    ngx_http_referral_api_currency_cell(csv, conversion->has_amount,
                                        conversion->currency);
    referral_csv_number(csv, conversion->points);
    ngx_http_referral_api_reasons_cell(csv, conversion->reasons);
    referral_csv_word(csv,
                      ngx_http_referral_api_source_name(conversion->source));
    referral_csv_time(csv, conversion->occurred);
    referral_csv_time(csv, conversion->time);
    referral_csv_time(csv, held ? conversion->approves : 0);
    referral_csv_time(csv, conversion->changed);
}


/* Names with a space between. */

static void
ngx_http_referral_api_reasons_cell(referral_csv_t *csv, uint32_t reasons)
{
    u_char          *p, text[REFERRAL_REASONS * 32];
    unsigned         i;
    referral_str_t   cell;

    p = text;

    for (i = 0; i < REFERRAL_REASONS; i++) {
        if (reasons & ((uint32_t) 1 << i)) {
            p = ngx_snprintf(p, text + sizeof(text) - p, "%s%s",
                             p > text ? " " : "", referral_reason_name(i));
        }
    }

    cell.data = text;
    cell.len = p - text;

    referral_csv_text(csv, cell);
}


static void
ngx_http_referral_api_click_id_cell(referral_csv_t *csv,
    const unsigned char *id)
{
    u_char     text[REFERRAL_CLICK_ID_LEN];
    ngx_str_t  src, dst;

    static const unsigned char  none[REFERRAL_CLICK_ID_SIZE];

    dst.data = text;
    dst.len = 0;

    if (ngx_memcmp(id, none, REFERRAL_CLICK_ID_SIZE) != 0) {
        src.data = (u_char *) id;
        src.len = REFERRAL_CLICK_ID_SIZE;

        ngx_encode_base64url(&dst, &src);
    }

    referral_csv_text(csv, ngx_http_referral_str(dst));
}


static referral_rc_t
ngx_http_referral_api_reward_rows(ngx_http_referral_api_export_t *e)
{
    referral_reward_filter_t  filter;

    filter.state = e->state;
    filter.to = -1;
    filter.code_id = 0;

    return referral_reward_list(e->snap, e->program, &filter, e->id,
                                ngx_http_referral_api_reward_row, e);
}


static int
ngx_http_referral_api_reward_row(void *data, const referral_reward_t *reward)
{
    ngx_http_referral_api_export_t *e = data;

    referral_csv_t   *csv;
    referral_code_t   code;

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    csv = &e->csv;

    if (ngx_http_referral_api_export_in(e, reward->created)) {

        if (referral_code_get(e->snap, e->program, reward->code, &code)
            != REFERRAL_OK)
        {
            ngx_memzero(&code, sizeof(referral_code_t));
        }

        referral_csv_id(csv, reward->id);
        referral_csv_text(csv, reward->name);
        referral_csv_word(csv, reward->to == REFERRAL_TO_FRIEND
                               ? "friend" : "referrer");
        referral_csv_word(csv, referral_reward_state_name(reward->state));
        referral_csv_text(csv, reward->code);
        referral_csv_text(csv, code.owner);
        referral_csv_word(csv, code.kind == REFERRAL_KIND_PARTNER
                               ? "partner" : "customer");

        ngx_http_referral_api_reward_cells(csv, reward);

        if (!ngx_http_referral_api_export_row(e)) {
            return 1;
        }
    }

    e->id = reward->id;

    return 0;
}


static void
ngx_http_referral_api_reward_cells(referral_csv_t *csv,
    const referral_reward_t *reward)
{
    ngx_uint_t  percent, claimed;

    percent = (reward->bps != 0);
    claimed = percent && reward->claimed != 0;

    referral_csv_text(csv, reward->order_id);
    referral_csv_text(csv, reward->customer);
    referral_csv_text(csv, reward->value);
    ngx_http_referral_api_money_cell(csv, percent, reward->amount);
    ngx_http_referral_api_currency_cell(csv, percent, reward->currency);
    ngx_http_referral_api_money_cell(csv, claimed, reward->paid);
    ngx_http_referral_api_money_cell(csv, claimed, reward->offset);
    referral_csv_text(csv, reward->reason);
    referral_csv_time(csv, reward->created);
    referral_csv_time(csv, reward->state == REFERRAL_REWARD_VOID
                           ? 0 : reward->approves);
    referral_csv_time(csv, reward->claimed);
    referral_csv_time(csv, reward->changed);
}


static referral_rc_t
ngx_http_referral_api_code_rows(ngx_http_referral_api_export_t *e)
{
    referral_rc_t                       rc;
    referral_str_t                      any;
    ngx_http_referral_api_code_table_t  table;

    any.data = (const u_char *) "";
    any.len = 0;

    table.export = e;

    rc = referral_rules_get(e->snap, e->program, &table.rules);

    if (rc == REFERRAL_NOT_FOUND) {
        ngx_memzero(&table.rules, sizeof(referral_rules_t));
        rc = REFERRAL_OK;
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    return referral_code_list(e->snap, e->program, e->after, any,
                              ngx_http_referral_api_code_row, &table);
}


static int
ngx_http_referral_api_code_row(void *data, const referral_code_t *code)
{
    ngx_http_referral_api_code_table_t *table = data;

    int                              tier;
    unsigned                         i;
    referral_csv_t                  *csv;
    referral_score_t                 score;
    referral_counts_t                counts;
    ngx_http_referral_api_export_t  *e;

    e = table->export;
    csv = &e->csv;

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    if (referral_counts_get(e->snap, e->program, code->id, &counts)
        != REFERRAL_OK
        || referral_score_get(e->snap, e->program, code->id, &score)
           != REFERRAL_OK)
    {
        e->failed = 1;
        return 1;
    }

    ngx_http_referral_api_code_cells(csv, code);

    referral_csv_id(csv, referral_counts_total(&counts));
    referral_csv_id(csv, counts.classes[REFERRAL_CLASS_HUMAN]);
    referral_csv_id(csv, counts.unique);
    referral_csv_number(csv, score.points);

    tier = referral_rules_tier(&table->rules, score.points);

    referral_csv_text(csv, tier >= 0 ? table->rules.tiers[tier].name
                                     : ngx_http_referral_text(""));

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        referral_csv_id(csv, score.rewards[i]);
    }

    if (!ngx_http_referral_api_export_row(e)) {
        return 1;
    }

    ngx_http_referral_api_export_key(e, code->code);

    return 0;
}


static void
ngx_http_referral_api_code_cells(referral_csv_t *csv,
    const referral_code_t *code)
{
    referral_csv_text(csv, code->code);
    referral_csv_word(csv, ngx_http_referral_api_code_status(code->status));
    referral_csv_text(csv, code->owner);
    referral_csv_word(csv, code->kind == REFERRAL_KIND_PARTNER
                           ? "partner" : "customer");
    referral_csv_text(csv, code->name);
    referral_csv_text(csv, code->landing);
    referral_csv_time(csv, code->created);
    referral_csv_time(csv, code->changed);
}


static void
ngx_http_referral_api_money_cell(referral_csv_t *csv, ngx_uint_t present,
    int64_t amount)
{
    if (present) {
        referral_csv_number(csv, amount);

    } else {
        referral_csv_none(csv);
    }
}


static void
ngx_http_referral_api_currency_cell(referral_csv_t *csv, ngx_uint_t present,
    unsigned currency)
{
    referral_csv_word(csv, present ? referral_currency_alpha(currency) : "");
}
