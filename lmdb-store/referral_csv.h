/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * CSV of RFC 4180 that a spreadsheet does not run: TRUST.md E16.
 */

#ifndef REFERRAL_CSV_H
#define REFERRAL_CSV_H

#include "referral_types.h"


/*
 * Rows are written into memory of the caller.  One that does not fit is taken
 * back as a whole: referral_csv_row() says so.
 */

typedef struct {
    unsigned char          *start;
    unsigned char          *row;        /* up to here rows are complete */
    unsigned char          *pos;
    unsigned char          *end;
    unsigned                fields;     /* of this row */
    unsigned                full;
} referral_csv_t;


void referral_csv_init(referral_csv_t *csv, unsigned char *buf, size_t size);

/*
 * Text is quoted.  Where it begins, spaces and "'" aside, with a character
 * that spreadsheets take for the start of a formula, "'" is put before it.
 */

void referral_csv_text(referral_csv_t *csv, referral_str_t text);
void referral_csv_word(referral_csv_t *csv, const char *text);
void referral_csv_number(referral_csv_t *csv, int64_t value);
void referral_csv_id(referral_csv_t *csv, uint64_t value);

/* RFC 3339, UTC, quoted; a time of 0 is empty. */

void referral_csv_time(referral_csv_t *csv, int64_t ms);
void referral_csv_date(referral_csv_t *csv, int64_t day);

/* A field without a value: nothing, without quotes. */

void referral_csv_none(referral_csv_t *csv);

/* Ends the row.  0, or -1: there was no room for it. */

int referral_csv_row(referral_csv_t *csv);

/* A row that is written already, without its end: names of columns. */

int referral_csv_head(referral_csv_t *csv, const char *names);

/*
 * Reads a cell of a row, which is terminated text without its end, in place:
 * *row becomes what follows, NULL after the last one.  The "'" before what a
 * spreadsheet would run is taken off again.  NULL: it is no CSV.
 */

char *referral_csv_cell(char **row);


#endif /* REFERRAL_CSV_H */
