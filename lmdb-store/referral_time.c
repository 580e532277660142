/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_time.h"


/* A number of exactly n digits; -1: it is none, or more than max. */

static int64_t
referral_time_digits(referral_str_t text, size_t at, size_t n, int64_t max)
{
    size_t         i;
    int64_t        value;
    unsigned char  ch;

    if (text.len < at + n) {
        return -1;
    }

    value = 0;

    for (i = at; i < at + n; i++) {
        ch = text.data[i];

        if (ch < '0' || ch > '9') {
            return -1;
        }

        value = value * 10 + (ch - '0');
    }

    return (value > max) ? -1 : value;
}


/* Days since 1970; -1. */

static int64_t
referral_time_date(referral_str_t text)
{
    int64_t  year, month, day, leap, m;

    static const unsigned char  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    year = referral_time_digits(text, 0, 4, 9999);
    month = referral_time_digits(text, 5, 2, 12);
    day = referral_time_digits(text, 8, 2, 31);

    if (year < 1970 || month < 1 || day < 1
        || text.data[4] != '-' || text.data[7] != '-')
    {
        return -1;
    }

    leap = (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));

    if (day > days[month - 1] + (month == 2 && leap)) {
        return -1;
    }

    /* years begin in March, so that the leap day is a year's last */

    m = (month + 9) % 12;
    year -= (month < 3);

    return 365 * year + year / 4 - year / 100 + year / 400
           + (153 * m + 2) / 5 + day - 719469;
}


/* Digits behind a point, as ms; at is moved behind them.  -1: none. */

static int64_t
referral_time_fraction(referral_str_t text, size_t *at)
{
    size_t   start;
    int64_t  ms, scale;

    ms = 0;
    scale = 100;
    start = *at;

    while (*at < text.len
           && text.data[*at] >= '0' && text.data[*at] <= '9')
    {
        ms += (text.data[*at] - '0') * scale;
        scale /= 10;
        ++*at;
    }

    return (*at == start) ? -1 : ms;
}


/* "Z" or "+hh:mm", the rest of the text, in minutes. */

static int
referral_time_offset(referral_str_t text, size_t at, int64_t *minutes)
{
    int64_t        hour, minute;
    unsigned char  ch;

    if (at >= text.len) {
        return -1;
    }

    ch = text.data[at];

    if ((ch == 'Z' || ch == 'z') && text.len == at + 1) {
        *minutes = 0;
        return 0;
    }

    hour = referral_time_digits(text, at + 1, 2, 23);
    minute = referral_time_digits(text, at + 4, 2, 59);

    if ((ch != '+' && ch != '-') || text.len != at + 6
        || hour < 0 || minute < 0 || text.data[at + 3] != ':')
    {
        return -1;
    }

    *minutes = (hour * 60 + minute) * (ch == '-' ? -1 : 1);

    return 0;
}


int
referral_time_parse(referral_str_t text, int64_t *ms)
{
    size_t   at;
    int64_t  day, hour, minute, second, fraction, offset;

    day = referral_time_date(text);

    if (day < 0) {
        return -1;
    }

    if (text.len == 10) {
        *ms = day * 86400000;
        return 0;
    }

    hour = referral_time_digits(text, 11, 2, 23);
    minute = referral_time_digits(text, 14, 2, 59);
    second = referral_time_digits(text, 17, 2, 60);

    if (hour < 0 || minute < 0 || second < 0
        || (text.data[10] != 'T' && text.data[10] != 't')
        || text.data[13] != ':' || text.data[16] != ':')
    {
        return -1;
    }

    at = 19;
    fraction = 0;

    if (at < text.len && text.data[at] == '.') {
        at++;
        fraction = referral_time_fraction(text, &at);
    }

    if (fraction < 0 || referral_time_offset(text, at, &offset) != 0) {
        return -1;
    }

    *ms = (((day * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000
          + fraction;

    return (*ms < 0 || *ms >= REFERRAL_TIME_MAX) ? -1 : 0;
}


static void
referral_time_put(char *p, int64_t value)
{
    p[0] = (char) ('0' + value / 10);
    p[1] = (char) ('0' + value % 10);
}


size_t
referral_time_text(int64_t ms, char text[REFERRAL_TIME_TEXT])
{
    int64_t  seconds, days, year, month, first;

    if (ms < 0 || ms >= REFERRAL_TIME_MAX) {
        return 0;
    }

    seconds = ms / 1000;
    days = seconds / 86400 + 719468;
    seconds %= 86400;

    /* as above: days since a March, of a year that is this one or the next */

    year = days * 400 / 146097 + 2;

    do {
        year--;
        first = 365 * year + year / 4 - year / 100 + year / 400;
    } while (first > days);

    days -= first;
    month = (5 * days + 2) / 153;
    days -= (153 * month + 2) / 5;
    month = (month + 2) % 12 + 1;
    year += (month < 3);

    memcpy(text, "2000-01-01T00:00:00Z", REFERRAL_TIME_TEXT);

    referral_time_put(text, year / 100);
    referral_time_put(text + 2, year % 100);
    referral_time_put(text + 5, month);
    referral_time_put(text + 8, days + 1);
    referral_time_put(text + 11, seconds / 3600);
    referral_time_put(text + 14, seconds / 60 % 60);
    referral_time_put(text + 17, seconds % 60);

    return REFERRAL_TIME_TEXT;
}
