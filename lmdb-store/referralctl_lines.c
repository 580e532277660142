/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The lines of an import: JSON objects, or CSV with a header.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referralctl_import.h"
#include "referral_csv.h"


static int ctl_read_line(ctl_import_t *m, size_t *len);
static ctl_rc_t ctl_import_line(ctl_import_t *m, size_t len);
static unsigned ctl_header(ctl_import_t *m);
static json_t *ctl_line_json(ctl_import_t *m, size_t len);
static json_t *ctl_line_csv(ctl_import_t *m);
static json_t *ctl_cell(const char *column, char *text);
static ctl_rc_t ctl_import_stop(ctl_import_t *m);


ctl_rc_t
ctl_import_lines(ctl_import_t *m)
{
    int       more;
    size_t    len;
    ctl_rc_t  rc;

    rc = CTL_OK;
    ctl_progress_begin(m->size ? "bytes" : "lines");

    while (rc == CTL_OK && !ctl_stopped()
           && (more = ctl_read_line(m, &len)) != 0)
    {
        m->lines++;

        if (more == -1) {
            ctl_refuse(m, m->lines, "it is longer than 16384 bytes");
            continue;
        }

        rc = ctl_import_line(m, len);

        if (m->n > CTL_BATCH - CTL_ENTRIES && rc == CTL_OK) {
            rc = ctl_import_apply(m);
        }

        (void) ctl_progress(m->size ? m->read : m->lines, m->size);
    }

    if (rc == CTL_OK) {
        rc = ctl_import_apply(m);
    }

    ctl_progress_end();

    if (rc == CTL_OK && ctl_stopped()) {
        return ctl_import_stop(m);
    }

    if (rc == CTL_OK && ferror(m->file)) {
        return ctl_fail("cannot read \"%s\" after line %" PRIu64 " (%s)",
                        m->name, m->lines, strerror(errno));
    }

    return rc;
}


static ctl_rc_t
ctl_import_stop(ctl_import_t *m)
{
    char  text[160];

    (void) snprintf(text, sizeof(text), "after line %" PRIu64 ", up to which "
                    "all is %s: run it again for the rest", m->lines,
                    m->dry_run ? "checked" : "stored");

    return ctl_stop(text);
}


/* 1: a line, 0: no more, -1: one that is longer than CTL_LINE. */

static int
ctl_read_line(ctl_import_t *m, size_t *len)
{
    int     c;
    size_t  n;

    n = 0;

    while ((c = getc_unlocked(m->file)) != EOF && c != '\n') {
        if (n < CTL_LINE) {
            m->line[n] = (char) c;
        }

        n++;
    }

    m->line[(n < CTL_LINE) ? n : CTL_LINE] = '\0';
    m->read += n + (c == '\n');
    *len = n;

    /* what a signal cut off is no line */

    if (c == EOF && (n == 0 || ctl_stopped())) {
        return 0;
    }

    return (n <= CTL_LINE) ? 1 : -1;
}


static ctl_rc_t
ctl_import_line(ctl_import_t *m, size_t len)
{
    json_t    *object;
    ctl_rc_t   rc;

    if (len != 0 && m->line[len - 1] == '\r') {
        m->line[--len] = '\0';
    }

    if (strspn(m->line, " \t\r") >= len) {
        return CTL_OK;
    }

    if (m->lines == 1 && ctl_header(m)) {
        return CTL_OK;
    }

    if (m->csv && strlen(m->line) != len) {
        ctl_refuse(m, m->lines, "it has a byte of 0");
        return CTL_OK;
    }

    object = m->csv ? ctl_line_csv(m) : ctl_line_json(m, len);

    if (object == NULL) {
        return CTL_OK;
    }

    rc = m->kind->line(m, object);
    json_decref(object);

    return rc;
}


static json_t *
ctl_line_json(ctl_import_t *m, size_t len)
{
    json_t        *object;
    json_error_t   error;

    object = json_loadb(m->line, len, JSON_REJECT_DUPLICATES, &error);

    if (json_is_object(object)) {
        return object;
    }

    ctl_refuse(m, m->lines, object ? "it is not a JSON object" : error.text);
    json_decref(object);

    return NULL;
}


/* --------------------------------------------------------------- CSV -- */

/* The first line is one when names stand in it, and the key among them. */

static unsigned
ctl_header(ctl_import_t *m)
{
    char      *p, *row, *name;
    unsigned   n, key;

    row = m->line;

    /* as some spreadsheets begin a file */

    if (strncmp(row, "\xef\xbb\xbf", 3) == 0) {
        row += 3;
    }

    row = memcpy(m->columns, row, strlen(row) + 1);
    p = row;
    key = 0;

    for (n = 0; row != NULL; n++) {
        name = referral_csv_cell(&row);

        if (name == NULL || *name == '\0'
            || name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
        {
            return 0;
        }

        key |= (strcmp(name, m->kind->key) == 0);
        memmove(p, name, strlen(name) + 1);
        p += strlen(name) + 1;
    }

    m->ncolumns = n;
    m->csv = key;

    return key;
}


static json_t *
ctl_line_csv(ctl_import_t *m)
{
    char        *row, *text;
    json_t      *object, *value;
    unsigned     n;
    const char  *column;

    row = m->line;
    column = m->columns;
    object = json_object();

    for (n = 0; row != NULL && n < m->ncolumns; n++) {
        text = referral_csv_cell(&row);
        value = text ? ctl_cell(column, text) : NULL;

        if (value == NULL) {
            json_decref(object);
            ctl_refuse(m, m->lines, text ? "it is not UTF-8"
                                         : "a quote of it is not closed");
            return NULL;
        }

        (void) json_object_set_new(object, column, value);
        column += strlen(column) + 1;
    }

    if (row != NULL || n != m->ncolumns) {
        json_decref(object);
        ctl_refuse(m, m->lines, "it has not as many cells as the header");
        return NULL;
    }

    return object;
}


/* Money is in minor units, never text in major ones: "50" would be both. */

static json_t *
ctl_cell(const char *column, char *text)
{
    if (*text == '\0') {
        return json_null();
    }

    if (strcmp(column, "amount") != 0 && strcmp(column, "refunded") != 0) {
        return json_string(text);
    }

    if (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 18) {
        return json_integer(strtoll(text, NULL, 10));
    }

    return json_false();
}


/* ------------------------------------------------------------- telling -- */

unsigned
ctl_exported(json_t *object, const char *key, const char *const *told)
{
    size_t  i;

    if (json_object_get(object, key) == NULL) {
        return 0;
    }

    for (i = 0; told[i] != NULL; i++) {
        (void) json_object_del(object, told[i]);
    }

    return 1;
}


void
ctl_refuse(ctl_import_t *m, uint64_t line, const char *why)
{
    m->refused++;
    ctl_say(line, "%s", why);
}


/* What comes from the file shall not speak to the terminal. */

void
ctl_say(uint64_t line, const char *fmt, ...)
{
    char     text[512], *p;
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    for (p = text; *p; p++) {
        if (*p < ' ' || *p > '~') {
            *p = '?';
        }
    }

    (void) ctl_fail("line %" PRIu64 ": %s", line, text);
}
