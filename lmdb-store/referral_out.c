/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "referral_event_json.h"
#include "referral_out.h"
#include "referral_time.h"


#define REFERRAL_OUT_KEY  64                /* of a key written at once */


static void referral_out_key(referral_out_t *out, const char *key);
static void referral_out_printf(referral_out_t *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void referral_out_number(referral_out_t *out, uint64_t value,
    unsigned negative, unsigned quoted);
static void referral_out_clock(referral_out_t *out, const char *key,
    int64_t ms, size_t len);
static void referral_out_escape(referral_out_t *out, referral_str_t value);
static size_t referral_out_plain(const unsigned char *p,
    const unsigned char *last);
static size_t referral_out_special(referral_out_t *out,
    const unsigned char *p, const unsigned char *last);


void
referral_out_write(referral_out_t *out, const void *data, size_t len)
{
    if (!out->failed && len != 0) {
        out->write(out, data, len);
    }
}


/* Of a few numbers and words. */

static void
referral_out_printf(referral_out_t *out, const char *fmt, ...)
{
    int      n;
    char     text[64];
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    if (n < 0 || (size_t) n >= sizeof(text)) {
        out->failed = 1;
        return;
    }

    referral_out_write(out, text, (size_t) n);
}


static void
referral_out_key(referral_out_t *out, const char *key)
{
    char    *p, text[REFERRAL_OUT_KEY + 4];
    size_t   len;

    p = text;

    if (out->comma) {
        *p++ = ',';
    }

    out->comma = 1;

    if (key != NULL) {
        *p++ = '"';
        len = strlen(key);

        if (len > REFERRAL_OUT_KEY) {
            referral_out_write(out, text, (size_t) (p - text));
            referral_out_write(out, key, len);
            p = text;

        } else {
            memcpy(p, key, len);
            p += len;
        }

        *p++ = '"';
        *p++ = ':';
    }

    referral_out_write(out, text, (size_t) (p - text));
}


void
referral_out_open(referral_out_t *out, const char *key, const char *bracket)
{
    referral_out_key(out, key);
    referral_out_write(out, bracket, 1);
    out->comma = 0;
}


void
referral_out_close(referral_out_t *out, const char *bracket)
{
    referral_out_write(out, bracket, 1);
    out->comma = 1;
}


void
referral_out_str(referral_out_t *out, const char *key, referral_str_t value)
{
    referral_out_key(out, key);
    referral_out_write(out, "\"", 1);
    referral_out_escape(out, value);
    referral_out_write(out, "\"", 1);
}


void
referral_out_str_or_null(referral_out_t *out, const char *key,
    referral_str_t value)
{
    if (value.len == 0) {
        referral_out_null(out, key);
        return;
    }

    referral_out_str(out, key, value);
}


void
referral_out_text(referral_out_t *out, const char *key, const char *value)
{
    referral_out_str(out, key, (referral_str_t) { strlen(value),
                                        (const unsigned char *) value });
}


void
referral_out_uint(referral_out_t *out, const char *key, uint64_t value)
{
    referral_out_key(out, key);
    referral_out_number(out, value, 0, 0);
}


void
referral_out_int(referral_out_t *out, const char *key, int64_t value)
{
    referral_out_key(out, key);
    referral_out_number(out, value < 0 ? -(uint64_t) value : (uint64_t) value,
                        value < 0, value > REFERRAL_JSON_MAX
                                   || value < -REFERRAL_JSON_MAX);
}


void
referral_out_id(referral_out_t *out, const char *key, uint64_t value)
{
    referral_out_key(out, key);
    referral_out_number(out, value, 0, 1);
}


static void
referral_out_number(referral_out_t *out, uint64_t value, unsigned negative,
    unsigned quoted)
{
    char  *p, text[24];

    p = text + sizeof(text);

    if (quoted) {
        *--p = '"';
    }

    do {
        *--p = (char) ('0' + value % 10);
        value /= 10;
    } while (value != 0);

    if (negative) {
        *--p = '-';
    }

    if (quoted) {
        *--p = '"';
    }

    referral_out_write(out, p, (size_t) (text + sizeof(text) - p));
}


void
referral_out_bool(referral_out_t *out, const char *key, unsigned value)
{
    referral_out_key(out, key);
    referral_out_write(out, value ? "true" : "false", value ? 4 : 5);
}


void
referral_out_null(referral_out_t *out, const char *key)
{
    referral_out_key(out, key);
    referral_out_write(out, "null", 4);
}


static void
referral_out_clock(referral_out_t *out, const char *key, int64_t ms,
    size_t len)
{
    char  text[REFERRAL_TIME_TEXT + 2];

    /* in the first second of all, none was told */

    if (ms < 1000 || referral_time_text(ms, text + 1) == 0) {
        referral_out_null(out, key);
        return;
    }

    text[0] = '"';
    text[len + 1] = '"';

    referral_out_key(out, key);
    referral_out_write(out, text, len + 2);
}


void
referral_out_time(referral_out_t *out, const char *key, int64_t ms)
{
    referral_out_clock(out, key, ms, REFERRAL_TIME_TEXT);
}


void
referral_out_date(referral_out_t *out, const char *key, uint32_t day)
{
    referral_out_clock(out, key, (int64_t) day * 86400000,
                       REFERRAL_DATE_TEXT);
}


void
referral_out_end_list(referral_out_t *out, uint64_t next)
{
    referral_out_close(out, "]");

    if (next != 0) {
        referral_out_id(out, "next", next);

    } else {
        referral_out_null(out, "next");
    }

    referral_out_close(out, "}");
}


void
referral_out_money(referral_out_t *out, const char *key, unsigned present,
    int64_t amount)
{
    if (present) {
        referral_out_int(out, key, amount);

    } else {
        referral_out_null(out, key);
    }
}


void
referral_out_currency(referral_out_t *out, unsigned present,
    unsigned currency)
{
    if (present) {
        referral_out_text(out, "currency", referral_currency_alpha(currency));

    } else {
        referral_out_null(out, "currency");
    }
}


void
referral_out_click_id(referral_out_t *out,
    const unsigned char id[REFERRAL_CLICK_ID_SIZE])
{
    size_t         len;
    unsigned char  text[REFERRAL_CLICK_ID_TEXT];

    len = referral_click_id_text(id, text);

    referral_out_str_or_null(out, "click_id", (referral_str_t) { len, text });
}


size_t
referral_click_id_text(const unsigned char id[REFERRAL_CLICK_ID_SIZE],
    unsigned char text[REFERRAL_CLICK_ID_TEXT])
{
    size_t         i;
    uint32_t       bits;
    unsigned char  set;

    static const char  letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789-_";

    set = 0;

    for (i = 0; i < REFERRAL_CLICK_ID_SIZE; i += 3) {
        bits = (uint32_t) id[i] << 16 | (uint32_t) id[i + 1] << 8 | id[i + 2];
        set |= (bits != 0);

        *text++ = letters[bits >> 18];
        *text++ = letters[bits >> 12 & 63];
        *text++ = letters[bits >> 6 & 63];
        *text++ = letters[bits & 63];
    }

    return set ? REFERRAL_CLICK_ID_TEXT : 0;
}


static void
referral_out_escape(referral_out_t *out, referral_str_t value)
{
    size_t                n;
    const unsigned char  *p, *last;

    p = value.data;
    last = p + value.len;

    while (p < last) {
        n = referral_out_plain(p, last);

        referral_out_write(out, p, n);
        p += n;

        if (p < last) {
            p += referral_out_special(out, p, last);
        }
    }
}


static size_t
referral_out_plain(const unsigned char *p, const unsigned char *last)
{
    const unsigned char  *start;

    for (start = p; p < last; p++) {
        if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\' || *p == '<'
            || *p == '>' || *p == '&')
        {
            break;
        }
    }

    return (size_t) (p - start);
}


static size_t
referral_out_special(referral_out_t *out, const unsigned char *p,
    const unsigned char *last)
{
    size_t  n;

    if (*p == '"' || *p == '\\') {
        referral_out_printf(out, "\\%c", *p);
        return 1;
    }

    if (*p < 0x80) {
        referral_out_printf(out, "\\u%04x", *p);
        return 1;
    }

    n = referral_utf8(p, (size_t) (last - p));

    if (n == 0) {
        referral_out_write(out, "\\ufffd", 6);
        return 1;
    }

    /* U+2028 and U+2029 end a line in JavaScript */

    if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) {
        referral_out_printf(out, "\\u202%c", '0' + p[2] - 0xa0);
        return 3;
    }

    referral_out_write(out, p, n);

    return n;
}
