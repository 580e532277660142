/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api_export.h"
#include "referral_table.h"


#define NGX_HTTP_REFERRAL_EXPORT_BLOCK  65536

/* The rows of one day are never parted: so many bytes hold any. */

#define NGX_HTTP_REFERRAL_EXPORT_DAY    (256 * 1024)


typedef struct {
    ngx_http_referral_api_export_t  *export;
    referral_rules_t                 rules;
} ngx_http_referral_api_code_table_t;


static referral_rc_t ngx_http_referral_api_conversion_rows(
    ngx_http_referral_api_export_t *e);
static int ngx_http_referral_api_conversion_row(void *data,
    const referral_conversion_t *conversion);
static referral_rc_t ngx_http_referral_api_reward_rows(
    ngx_http_referral_api_export_t *e);
static int ngx_http_referral_api_reward_row(void *data,
    const referral_reward_t *reward);
static referral_rc_t ngx_http_referral_api_code_rows(
    ngx_http_referral_api_export_t *e);
static int ngx_http_referral_api_code_row(void *data,
    const referral_code_t *code);
static referral_rc_t ngx_http_referral_api_day_rows(
    ngx_http_referral_api_export_t *e);
static referral_rc_t ngx_http_referral_api_day_write(
    ngx_http_referral_api_export_t *e, uint32_t day);


static const ngx_http_referral_api_table_t
    ngx_http_referral_api_conversion_table =
{
    "conversions", REFERRAL_TABLE_CONVERSIONS,
    NGX_HTTP_REFERRAL_EXPORT_BLOCK,
    ngx_http_referral_api_conversion_rows
};

static const ngx_http_referral_api_table_t
    ngx_http_referral_api_reward_table =
{
    "rewards", REFERRAL_TABLE_REWARDS,
    NGX_HTTP_REFERRAL_EXPORT_BLOCK,
    ngx_http_referral_api_reward_rows
};

static const ngx_http_referral_api_table_t
    ngx_http_referral_api_code_table =
{
    "codes", REFERRAL_TABLE_CODES,
    NGX_HTTP_REFERRAL_EXPORT_BLOCK,
    ngx_http_referral_api_code_rows
};

static const ngx_http_referral_api_table_t
    ngx_http_referral_api_counter_table =
{
    "counters", REFERRAL_TABLE_COUNTERS,
    NGX_HTTP_REFERRAL_EXPORT_DAY,
    ngx_http_referral_api_day_rows
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


ngx_int_t
ngx_http_referral_api_export_counters(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_export(api,
                                       &ngx_http_referral_api_counter_table);
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
        referral_table_conversion(&e->csv, conversion);

        if (!ngx_http_referral_api_export_row(e)) {
            return 1;
        }
    }

    ngx_http_referral_api_export_key(e, conversion->order_id);

    return 0;
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

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    if (ngx_http_referral_api_export_in(e, reward->created)) {
        referral_table_reward(&e->csv, e->snap, e->program, reward);

        if (!ngx_http_referral_api_export_row(e)) {
            return 1;
        }
    }

    e->id = reward->id;

    return 0;
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

    rc = referral_rules_known(e->snap, e->program, &table.rules);

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

    ngx_http_referral_api_export_t  *e;

    e = table->export;

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    if (referral_table_code(&e->csv, e->snap, e->program, code, &table->rules)
        != REFERRAL_OK)
    {
        e->failed = 1;
        return 1;
    }

    if (!ngx_http_referral_api_export_row(e)) {
        return 1;
    }

    ngx_http_referral_api_export_key(e, code->code);

    return 0;
}


static referral_rc_t
ngx_http_referral_api_day_rows(ngx_http_referral_api_export_t *e)
{
    uint32_t       day, from, to;
    referral_rc_t  rc;

    to = e->to ? e->to : NGX_MAX_INT32_VALUE;

    for ( ;; ) {
        from = ngx_max((uint32_t) e->id + 1, e->from);

        rc = referral_day_next(e->snap, e->program, from, to, &day);

        if (rc != REFERRAL_OK || day > to) {
            return rc;
        }

        rc = ngx_http_referral_api_day_write(e, day);

        if (rc != REFERRAL_OK || e->more) {
            return rc;
        }
    }
}


static referral_rc_t
ngx_http_referral_api_day_write(ngx_http_referral_api_export_t *e,
    uint32_t day)
{
    unsigned       rows;
    referral_rc_t  rc;

    rc = referral_table_day(&e->csv, e->snap, e->program, day, &rows);

    if (rc == REFERRAL_FULL) {
        e->more = 1;
        return (e->rows == 0) ? rc : REFERRAL_OK;
    }

    e->id = day;
    e->rows += rows;
    e->more = (e->rows >= NGX_HTTP_REFERRAL_EXPORT_ROWS);

    return rc;
}
