/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * import: lines of a file, through an intake of its own.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "referralctl_import.h"


static ctl_rc_t ctl_import_open(ctl_import_t *m, const ctl_args_t *args);
static ctl_rc_t ctl_import_program(ctl_import_t *m, const char *name);
static ctl_rc_t ctl_import_rules(ctl_import_t *m, const char *name);
static ctl_rc_t ctl_import_results(ctl_import_t *m, unsigned n);
static ctl_rc_t ctl_import_summary(const ctl_import_t *m, unsigned json);
static void ctl_import_counts(json_t *object, const char *before);


ctl_rc_t
ctl_import(const ctl_args_t *args)
{
    ctl_rc_t             rc;
    static ctl_import_t  m;

    if (strcmp(args->words[0], "conversions") == 0) {
        m.kind = &ctl_import_orders;

    } else if (strcmp(args->words[0], "codes") == 0) {
        m.kind = &ctl_import_codes;

    } else {
        return ctl_fail("cannot import \"%s\", only codes and conversions",
                        args->words[0]);
    }

    rc = ctl_import_open(&m, args);

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_import_lines(&m);

    if (rc == CTL_OK && !m.dry_run && m.kind->end != NULL) {
        rc = m.kind->end(&m);
    }

    if (m.intake != NULL) {
        referral_intake_close(m.intake);
    }

    ctl_close(&m.store);

    if (rc == CTL_OK) {
        rc = ctl_import_summary(&m, args->json);
    }

    return (rc == CTL_OK && m.refused + m.conflicts != 0) ? CTL_REFUSED : rc;
}


/* The file first: its reader may be root, who is another user from then on. */

static ctl_rc_t
ctl_import_open(ctl_import_t *m, const ctl_args_t *args)
{
    ctl_rc_t     rc;
    struct stat  st;

    m->name = args->words[3];
    m->dry_run = args->dry_run;

    if (strcmp(m->name, "-") == 0) {
        m->name = "standard input";
        m->file = stdin;

    } else {
        m->file = fopen(m->name, "re");
    }

    if (m->file == NULL || fstat(fileno(m->file), &st) == -1) {
        return ctl_fail("cannot open \"%s\" (%s)", m->name, strerror(errno));
    }

    if (S_ISREG(st.st_mode)) {
        m->size = (uint64_t) st.st_size;
    }

    rc = ctl_open(&m->store, args->words[1], !m->dry_run);

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_import_program(m, args->words[2]);

    if (rc != CTL_OK) {
        ctl_close(&m->store);
    }

    return rc;
}


static ctl_rc_t
ctl_import_program(ctl_import_t *m, const char *name)
{
    ctl_rc_t          rc;
    referral_error_t  err;

    rc = ctl_import_rules(m, name);
    referral_snapshot_end(m->store.snap);

    if (rc == CTL_OK && !m->dry_run
        && referral_intake_open(m->store.store, &m->intake, &err)
           != REFERRAL_OK)
    {
        return ctl_refused(&m->store, &err);
    }

    return rc;
}


static ctl_rc_t
ctl_import_rules(ctl_import_t *m, const char *name)
{
    size_t         len;
    ctl_rc_t       rc;
    referral_rc_t  found;

    rc = ctl_program(&m->store, name, &m->program);

    if (rc != CTL_OK) {
        return rc;
    }

    found = referral_rules_get(m->store.snap, m->program, &m->rules);

    if (found == REFERRAL_NOT_FOUND) {
        return ctl_fail("program \"%s\" in \"%s\" has no rules: nginx writes "
                        "them when it starts", name, m->store.dir);
    }

    len = (found == REFERRAL_OK) ? referral_rules_encode(&m->rules, m->coded)
                                 : 0;

    if (len == 0 || referral_rules_decode(m->coded, len, &m->rules) != 0) {
        return ctl_fail("cannot read program \"%s\" in \"%s/data.mdb\"", name,
                        m->store.dir);
    }

    return CTL_OK;
}


ctl_rc_t
ctl_import_put(ctl_import_t *m, referral_record_t *record, unsigned counted)
{
    ctl_line_t     *line;
    referral_rc_t   rc;

    record->reply = 1;
    record->time = ctl_now();

    line = &m->batch[m->n];
    memset(line, 0, sizeof(ctl_line_t));
    rc = referral_intake_put(m->intake, record, &line->seq);

    /* a batch fits the smallest ring there is */

    if (rc == REFERRAL_FULL) {
        return ctl_fail("the store is full, stopped at line %" PRIu64
                        ": enlarge map_size, or purge", m->lines);
    }

    if (rc != REFERRAL_OK) {
        ctl_refuse(m, m->lines, "the store cannot take it");
        return CTL_OK;
    }

    line->number = m->lines;
    line->counted = counted;

    if (record->type == REFERRAL_RECORD_EVENT) {
        line->len = record->u.event.order_id.len;
        memcpy(line->order_id, record->u.event.order_id.data, line->len);
    }

    m->n++;

    return CTL_OK;
}


ctl_rc_t
ctl_import_apply(ctl_import_t *m)
{
    unsigned          n, tries;
    ctl_rc_t          rc;
    referral_rc_t     applied;
    referral_error_t  err;
    referral_batch_t  batch;

    n = 0;
    tries = 0;
    applied = REFERRAL_OK;
    batch.more = (m->n != 0);

    while (batch.more) {
        applied = referral_intake_apply(m->intake, 1, m->results + n,
                                        CTL_BATCH - n, &batch, &err);
        if (applied == REFERRAL_OK) {
            n += batch.results;
            tries = 0;
            continue;
        }

        batch.more = ctl_again(applied, &tries);
    }

    rc = ctl_import_results(m, n);

    if (applied != REFERRAL_OK) {
        (void) ctl_refused(&m->store, &err);
        rc = ctl_fail("stopped between lines %" PRIu64 " and %" PRIu64 ": run "
                      "it again, what is stored is known then",
                      m->batch[0].number, m->lines);
    }

    m->n = 0;

    return rc;
}


static ctl_rc_t
ctl_import_results(ctl_import_t *m, unsigned n)
{
    unsigned  i, j;

    if (n == 0) {
        return CTL_OK;
    }

    if (ctl_begin(&m->store) != CTL_OK) {
        return CTL_FAILED;
    }

    j = 0;

    for (i = 0; i < m->n && j < n; i++) {
        if (m->results[j].seq == m->batch[i].seq) {
            m->kind->result(m, &m->batch[i], &m->results[j++]);

        } else {
            ctl_refuse(m, m->batch[i].number, "the store passed it over");
        }
    }

    referral_snapshot_end(m->store.snap);

    return CTL_OK;
}


static ctl_rc_t
ctl_import_summary(const ctl_import_t *m, unsigned json)
{
    json_t  *object;

    object = m->kind->summary(m);

    if (json || object == NULL) {
        return ctl_print_json(object);
    }

    ctl_import_counts(object, "");
    json_decref(object);

    return CTL_OK;
}


static void
ctl_import_counts(json_t *object, const char *before)
{
    json_t      *value;
    const char  *name;

    json_object_foreach(object, name, value) {
        if (json_is_integer(value)) {
            (void) printf("%s%-*s%" JSON_INTEGER_FORMAT "\n", before,
                          (int) (16 - strlen(before)), name,
                          json_integer_value(value));

        } else if (json_is_object(value)) {
            ctl_import_counts(value, "  ");
        }
    }
}
