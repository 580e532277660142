/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static void ngx_http_referral_api_query_by(
    ngx_http_referral_api_query_t *query);
static void ngx_http_referral_api_query_range(
    ngx_http_referral_api_query_t *query);
static void ngx_http_referral_api_query_top(
    ngx_http_referral_api_query_t *query);
static void ngx_http_referral_api_query_wrong(
    ngx_http_referral_api_query_t *query, const char *field,
    const char *message);
static ngx_int_t ngx_http_referral_api_day(ngx_str_t *text);
static ngx_int_t ngx_http_referral_api_full_date(ngx_str_t *text);
static ngx_int_t ngx_http_referral_api_full_time(ngx_str_t *text);
static ngx_int_t ngx_http_referral_api_digits(ngx_str_t *text, size_t pos,
    size_t n, ngx_int_t most);
static ngx_int_t ngx_http_referral_api_offset(ngx_str_t *text, size_t pos);


const char *const  ngx_http_referral_api_dims[] = {
    "day", "hour", "channel", "landing", "code", "class", "event", "currency"
};


ngx_int_t
ngx_http_referral_api_query(ngx_http_referral_api_query_t *query)
{
    ngx_http_referral_api_ctx_t  *api;

    api = query->api;

    ngx_http_referral_api_query_by(query);
    ngx_http_referral_api_query_range(query);

    query->after = ngx_http_referral_api_number(api, "after", 1,
                                       (ngx_int_t) NGX_MAX_UINT32_VALUE, 0,
                                       "it is not the \"next\" of a list");
    ngx_http_referral_api_query_top(query);

    query->limit = ngx_http_referral_api_limit(api);

    if (api->problem.errors.nelts) {
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_parameter", "a query parameter is not valid");
    }

    return NGX_OK;
}


static void
ngx_http_referral_api_query_by(ngx_http_referral_api_query_t *query)
{
    ngx_str_t   *arg, *code;
    ngx_uint_t   i;

    arg = ngx_http_referral_api_arg(query->api, "by");
    code = ngx_http_referral_api_arg(query->api, "code");

    query->by = NGX_HTTP_REFERRAL_BY_NOTHING;

    if (arg == NULL) {
        return;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_BY_NOTHING; i++) {
        if (arg->len == ngx_strlen(ngx_http_referral_api_dims[i])
            && ngx_memcmp(arg->data, ngx_http_referral_api_dims[i], arg->len)
               == 0)
        {
            query->by = i;
            break;
        }
    }

    if (i == NGX_HTTP_REFERRAL_BY_NOTHING) {
        ngx_http_referral_api_query_wrong(query, "by",
            "it is not day, hour, code, channel, landing, class, event or "
            "currency");

    } else if (code != NULL && (i == NGX_HTTP_REFERRAL_BY_HOUR
                                || i == NGX_HTTP_REFERRAL_BY_CODE))
    {
        ngx_http_referral_api_query_wrong(query, "by",
            "hours and codes are not counted for one code");
    }
}


static void
ngx_http_referral_api_query_range(ngx_http_referral_api_query_t *query)
{
    ngx_int_t   from, to;
    ngx_str_t  *arg;

    from = 0;
    to = 0;

    arg = ngx_http_referral_api_arg(query->api, "from");

    if (arg != NULL) {
        from = ngx_http_referral_api_day(arg);
        if (from == NGX_ERROR) {
            ngx_http_referral_api_query_wrong(query, "from",
                "it is not an RFC 3339 date or date-time since 2000");
        }
    }

    arg = ngx_http_referral_api_arg(query->api, "to");

    if (arg != NULL) {
        to = ngx_http_referral_api_day(arg);
        if (to == NGX_ERROR) {
            ngx_http_referral_api_query_wrong(query, "to",
                "it is not an RFC 3339 date or date-time since 2000");
        }
    }

    if (from < 0 || to < 0 || (from == 0 && to == 0)) {
        return;
    }

    if (to == 0) {
        to = ngx_time() / 86400;
        query->today = to;

    } else if (from == 0) {
        from = to - NGX_HTTP_REFERRAL_API_DAYS + 1;
    }

    if (from > to || to - from >= NGX_HTTP_REFERRAL_API_DAYS) {
        ngx_http_referral_api_query_wrong(query, "to",
            "it is before \"from\" or more than 400 days away from it");
    }

    query->from = from;
    query->to = to;
}


/* The first page of these tells nothing: they are in no order of size. */

static void
ngx_http_referral_api_query_top(ngx_http_referral_api_query_t *query)
{
    query->top = ngx_http_referral_api_number(query->api, "top", 1,
                                          NGX_HTTP_REFERRAL_API_TOP, 0,
                                          "it is not a number from 1 to 50");
    if (query->top == 0) {
        return;
    }

    if (query->by != NGX_HTTP_REFERRAL_BY_CODE
        && query->by != NGX_HTTP_REFERRAL_BY_CHANNEL
        && query->by != NGX_HTTP_REFERRAL_BY_LANDING)
    {
        ngx_http_referral_api_query_wrong(query, "top",
            "it goes with codes, channels and landings only");

    } else if (ngx_http_referral_api_arg(query->api, "limit") != NULL
               || query->after != 0)
    {
        ngx_http_referral_api_query_wrong(query, "top",
                                          "it is one page, without others");
    }
}


static void
ngx_http_referral_api_query_wrong(ngx_http_referral_api_query_t *query,
    const char *field, const char *message)
{
    ngx_http_referral_api_error(query->api->request->pool,
        &query->api->problem,
        (referral_str_t) { ngx_strlen(field), (const u_char *) field },
        message);
}


/* The day since 1970 of an RFC 3339 date or date-time; NGX_ERROR. */

static ngx_int_t
ngx_http_referral_api_day(ngx_str_t *text)
{
    ngx_int_t  day, minutes;

    day = ngx_http_referral_api_full_date(text);

    if (day == NGX_ERROR || text->len == 10) {
        return day;
    }

    minutes = ngx_http_referral_api_full_time(text);

    return (minutes == NGX_ERROR) ? NGX_ERROR : day - 1 + minutes / 1440;
}


static ngx_int_t
ngx_http_referral_api_full_date(ngx_str_t *text)
{
    ngx_int_t  year, month, day, m, leap;

    static const ngx_int_t  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    year = ngx_http_referral_api_digits(text, 0, 4, 9999);
    month = ngx_http_referral_api_digits(text, 5, 2, 12);
    day = ngx_http_referral_api_digits(text, 8, 2, 31);

    if (year < 2000 || month < 1 || day < 1
        || text->data[4] != '-' || text->data[7] != '-')
    {
        return NGX_ERROR;
    }

    leap = (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));

    if (day > days[month - 1] + (month == 2 && leap)) {
        return NGX_ERROR;
    }

    /* years begin in March, so that the leap day is a year's last */

    m = (month + 9) % 12;
    year -= (month < 3);

    return 365 * year + year / 4 - year / 100 + year / 400
           + (153 * m + 2) / 5 + day - 719469;
}


/* Minutes of a date-time since the day before its date, UTC; NGX_ERROR. */

static ngx_int_t
ngx_http_referral_api_full_time(ngx_str_t *text)
{
    ngx_int_t  hour, minute, second, offset;

    hour = ngx_http_referral_api_digits(text, 11, 2, 23);
    minute = ngx_http_referral_api_digits(text, 14, 2, 59);
    second = ngx_http_referral_api_digits(text, 17, 2, 60);

    if (hour < 0 || minute < 0 || second < 0
        || (text->data[10] | 0x20) != 't' || text->data[13] != ':'
        || text->data[16] != ':')
    {
        return NGX_ERROR;
    }

    offset = ngx_http_referral_api_offset(text, 19);

    return (offset == NGX_ERROR) ? NGX_ERROR
                                 : hour * 60 + minute + 2880 - offset;
}


static ngx_int_t
ngx_http_referral_api_digits(ngx_str_t *text, size_t pos, size_t n,
    ngx_int_t most)
{
    ngx_int_t  value;

    if (text->len < pos + n) {
        return NGX_ERROR;
    }

    value = ngx_atoi(text->data + pos, n);

    return (value > most) ? NGX_ERROR : value;
}


/* The zone of a date-time behind its seconds; minutes, plus a day. */

static ngx_int_t
ngx_http_referral_api_offset(ngx_str_t *text, size_t pos)
{
    ngx_int_t  hours, minutes;

    if (pos < text->len && text->data[pos] == '.') {
        do {
            pos++;
        } while (pos < text->len && text->data[pos] >= '0'
                 && text->data[pos] <= '9');

        if (text->data[pos - 1] == '.') {
            return NGX_ERROR;
        }
    }

    if (pos + 1 == text->len && (text->data[pos] | 0x20) == 'z') {
        return 1440;
    }

    hours = ngx_http_referral_api_digits(text, pos + 1, 2, 23);
    minutes = ngx_http_referral_api_digits(text, pos + 4, 2, 59);

    if (hours < 0 || minutes < 0 || text->len != pos + 6
        || text->data[pos + 3] != ':')
    {
        return NGX_ERROR;
    }

    switch (text->data[pos]) {

    case '+':
        return 1440 + hours * 60 + minutes;

    case '-':
        return 1440 - hours * 60 - minutes;

    default:
        return NGX_ERROR;
    }
}
