/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The lines of an import.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "referralctl_import.h"
#include "referral_event_json.h"


static int ctl_read_line(ctl_import_t *m, size_t *len);
static ctl_rc_t ctl_import_line(ctl_import_t *m, size_t len);
static void ctl_import_progress(ctl_import_t *m);
static void ctl_clear(ctl_import_t *m);


ctl_rc_t
ctl_import_lines(ctl_import_t *m)
{
    int       more;
    size_t    len;
    ctl_rc_t  rc;

    rc = CTL_OK;

    while (rc == CTL_OK && (more = ctl_read_line(m, &len)) != 0) {
        m->lines++;

        if (more == -1) {
            ctl_refuse(m, m->lines, "it is longer than 16384 bytes");
            continue;
        }

        rc = ctl_import_line(m, len);

        if (m->n == CTL_BATCH && rc == CTL_OK) {
            rc = ctl_import_apply(m);
        }

        if (m->lines % CTL_BATCH == 0) {
            ctl_import_progress(m);
        }
    }

    if (rc == CTL_OK) {
        rc = ctl_import_apply(m);
    }

    ctl_clear(m);

    if (rc == CTL_OK && ferror(m->file)) {
        return ctl_fail("cannot read \"%s\" after line %" PRIu64 " (%s)",
                        m->name, m->lines, strerror(errno));
    }

    return rc;
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

    if (c == EOF && n == 0) {
        return 0;
    }

    return (n <= CTL_LINE) ? 1 : -1;
}


static ctl_rc_t
ctl_import_line(ctl_import_t *m, size_t len)
{
    json_t                  *object;
    ctl_rc_t                 rc;
    unsigned                 i;
    json_error_t             error;
    referral_event_json_t    in;
    referral_field_error_t  *wrong;

    if (strspn(m->line, " \t\r") >= len) {
        return CTL_OK;
    }

    object = json_loadb(m->line, len, JSON_REJECT_DUPLICATES, &error);

    if (!json_is_object(object)) {
        ctl_refuse(m, m->lines, object ? "it is not a JSON object"
                                       : error.text);
        json_decref(object);
        return CTL_OK;
    }

    referral_event_json(object, &in);

    if (in.wrong.nerrors == 0) {
        referral_event_json_rules(&m->rules, &in);
    }

    if (in.token.len != 0) {
        referral_field_error(&in.wrong, "token", "it is not known here, only "
                             "to nginx: name the code or the click id");
    }

    rc = CTL_OK;

    if (in.wrong.nerrors == 0) {
        rc = m->dry_run ? ctl_import_known(m, &in.event)
                        : ctl_import_event(m, &in.event);
    }

    m->refused += (in.wrong.nerrors != 0);

    for (i = 0; i < in.wrong.nerrors; i++) {
        wrong = &in.wrong.errors[i];
        ctl_say(m, m->lines, "\"%.*s\": %s", (int) wrong->field.len,
                wrong->field.data, wrong->message);
    }

    json_decref(object);

    return rc;
}


static void
ctl_import_progress(ctl_import_t *m)
{
    if (!m->terminal) {
        return;
    }

    m->shown = 1;
    (void) fprintf(stderr, "\r%" PRIu64 " lines", m->lines);

    if (m->size != 0) {
        (void) fprintf(stderr, ", %u %%",
                       (unsigned) (m->read * 100 / m->size));
    }
}


static void
ctl_clear(ctl_import_t *m)
{
    if (m->shown) {
        m->shown = 0;
        (void) fputs("\r\033[K", stderr);
    }
}


void
ctl_refuse(ctl_import_t *m, uint64_t line, const char *why)
{
    m->refused++;
    ctl_say(m, line, "%s", why);
}


/* What comes from the file shall not speak to the terminal. */

void
ctl_say(ctl_import_t *m, uint64_t line, const char *fmt, ...)
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

    ctl_clear(m);
    (void) ctl_fail("line %" PRIu64 ": %s", line, text);
}
