/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <stdio.h>
#include <string.h>

#include "referral_csv.h"
#include "referral_time.h"


static void
referral_csv_put(referral_csv_t *csv, const void *data, size_t len)
{
    if (csv->full || len > (size_t) (csv->end - csv->pos)) {
        csv->full = 1;
        return;
    }

    memcpy(csv->pos, data, len);
    csv->pos += len;
}


static void
referral_csv_next(referral_csv_t *csv)
{
    if (csv->fields++) {
        referral_csv_put(csv, ",", 1);
    }
}


/*
 * Of "=", "+", "-" and "@" there are full-width forms, U+FF1D, U+FF0B, U+FF0D
 * and U+FF20, that some spreadsheets take for them.
 */

static int
referral_csv_formula(referral_str_t text)
{
    size_t                i;
    const unsigned char  *p;

    for (i = 0; i < text.len && memchr(" '", text.data[i], 2) != NULL; i++)
    { /* void */ }

    if (i == text.len) {
        return 0;
    }

    p = text.data + i;

    if (memchr("=+-@\t\r\n\0", *p, 8) != NULL) {
        return 1;
    }

    return text.len - i >= 3 && p[0] == 0xef && p[1] == 0xbc
           && memchr("\x9d\x8b\x8d\xa0", p[2], 4) != NULL;
}


void
referral_csv_init(referral_csv_t *csv, unsigned char *buf, size_t size)
{
    csv->start = buf;
    csv->row = buf;
    csv->pos = buf;
    csv->end = buf + size;
    csv->fields = 0;
    csv->full = 0;
}


void
referral_csv_text(referral_csv_t *csv, referral_str_t text)
{
    const unsigned char  *p, *last, *quote;

    referral_csv_next(csv);
    referral_csv_put(csv, "\"'", referral_csv_formula(text) ? 2 : 1);

    p = text.data;
    last = p + text.len;

    while (p < last) {
        quote = memchr(p, '"', last - p);

        if (quote == NULL) {
            referral_csv_put(csv, p, last - p);
            break;
        }

        referral_csv_put(csv, p, quote + 1 - p);
        referral_csv_put(csv, "\"", 1);
        p = quote + 1;
    }

    referral_csv_put(csv, "\"", 1);
}


void
referral_csv_word(referral_csv_t *csv, const char *text)
{
    referral_csv_text(csv, (referral_str_t) { strlen(text),
                                              (const unsigned char *) text });
}


void
referral_csv_number(referral_csv_t *csv, int64_t value)
{
    char  text[24];

    referral_csv_next(csv);
    referral_csv_put(csv, text, snprintf(text, sizeof(text), "%lld",
                                         (long long) value));
}


void
referral_csv_id(referral_csv_t *csv, uint64_t value)
{
    char  text[24];

    referral_csv_next(csv);
    referral_csv_put(csv, text, snprintf(text, sizeof(text), "%llu",
                                         (unsigned long long) value));
}


static void
referral_csv_clock(referral_csv_t *csv, int64_t ms, size_t len)
{
    char  text[REFERRAL_TIME_TEXT + 2];

    referral_csv_next(csv);

    if (referral_time_text(ms, text + 1) != 0) {
        text[0] = '"';
        text[len + 1] = '"';
        referral_csv_put(csv, text, len + 2);
    }
}


void
referral_csv_time(referral_csv_t *csv, int64_t ms)
{
    if (ms <= 0) {
        referral_csv_none(csv);
        return;
    }

    referral_csv_clock(csv, ms, REFERRAL_TIME_TEXT);
}


void
referral_csv_date(referral_csv_t *csv, int64_t day)
{
    referral_csv_clock(csv, day * 86400000, REFERRAL_DATE_TEXT);
}


void
referral_csv_none(referral_csv_t *csv)
{
    referral_csv_next(csv);
}


int
referral_csv_row(referral_csv_t *csv)
{
    referral_csv_put(csv, "\r\n", 2);
    csv->fields = 0;

    if (csv->full) {
        csv->pos = csv->row;
        csv->full = 0;
        return -1;
    }

    csv->row = csv->pos;

    return 0;
}


int
referral_csv_head(referral_csv_t *csv, const char *names)
{
    referral_csv_put(csv, names, strlen(names));

    return referral_csv_row(csv);
}


/* Takes the quotes off; returns what follows, or NULL. */

static char *
referral_csv_unquote(char *cell)
{
    char  *p, *to;

    to = cell;

    for (p = cell + 1; *p != '\0'; p++) {
        if (*p == '"' && *++p != '"') {
            *to = '\0';
            return p;
        }

        *to++ = *p;
    }

    return NULL;
}


char *
referral_csv_cell(char **row)
{
    char            *cell, *end;
    referral_str_t   rest;

    cell = *row;

    if (*cell == '"') {
        end = referral_csv_unquote(cell);

    } else {
        end = cell + strcspn(cell, ",");
    }

    if (end == NULL || (*end != '\0' && *end != ',')) {
        return NULL;
    }

    *row = (*end == ',') ? end + 1 : NULL;
    *end = '\0';

    if (*cell == '\'') {
        rest.data = (const unsigned char *) cell + 1;
        rest.len = strlen(cell + 1);

        cell += referral_csv_formula(rest);
    }

    return cell;
}
