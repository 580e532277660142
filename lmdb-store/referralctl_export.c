/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * export: all there is of one kind, as the endpoint shows it, some rows of a
 * snapshot at a time: a long one would keep pages from being used again.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referralctl.h"
#include "referral_out.h"
#include "referral_table.h"


#define CTL_ROWS   1000             /* of a snapshot */
#define CTL_BLOCK  (1024 * 1024)    /* bytes of CSV: any row, any day */
#define CTL_DAYS   2932896          /* the end of the year 9999 */


typedef struct {
    ctl_store_t         store;
    uint32_t            program;
    referral_str_t      name;
    referral_rules_t    rules;
    unsigned            with_csv;
    referral_out_t      out;
    char               *text;           /* JSON of this snapshot */
    size_t              len;
    size_t              size;
    referral_csv_t      csv;
    unsigned            rows;           /* of this snapshot */
    unsigned            more;
    unsigned            failed;         /* a row cannot be read */
    uint64_t            done;
    uint64_t            all;            /* 0: not known */
    uint64_t            id;             /* where the last snapshot ended */
    referral_str_t      after;
    unsigned char       key[REFERRAL_ID_MAX];
} ctl_export_t;

typedef struct {
    const char         *name;
    const char         *columns;        /* NULL: there is no CSV of it */
    referral_rc_t     (*read)(ctl_export_t *e);
} ctl_kind_t;


static referral_rc_t ctl_codes(ctl_export_t *e);
static referral_rc_t ctl_conversions(ctl_export_t *e);
static referral_rc_t ctl_rewards(ctl_export_t *e);
static referral_rc_t ctl_counters(ctl_export_t *e);
static referral_rc_t ctl_journal(ctl_export_t *e);
static const ctl_kind_t *ctl_kind(const char *name);
static ctl_rc_t ctl_export_all(ctl_export_t *e, const ctl_kind_t *kind,
    const char *program);
static ctl_rc_t ctl_export_part(ctl_export_t *e, const ctl_kind_t *kind);
static void ctl_write(referral_out_t *out, const void *data, size_t len);
static unsigned ctl_row(ctl_export_t *e);
static unsigned ctl_row_end(ctl_export_t *e);
static void ctl_key(ctl_export_t *e, referral_str_t key);


static const ctl_kind_t  ctl_kinds[] = {
    { "codes", REFERRAL_TABLE_CODES, ctl_codes },
    { "conversions", REFERRAL_TABLE_CONVERSIONS, ctl_conversions },
    { "rewards", REFERRAL_TABLE_REWARDS, ctl_rewards },
    { "counters", REFERRAL_TABLE_COUNTERS, ctl_counters },
    { "journal", NULL, ctl_journal }
};


ctl_rc_t
ctl_export(const ctl_args_t *args)
{
    ctl_rc_t               rc;
    const ctl_kind_t      *kind;
    static ctl_export_t    e;
    static unsigned char   block[CTL_BLOCK];

    kind = ctl_kind(args->words[0]);

    if (kind == NULL) {
        return ctl_fail("cannot export \"%s\", only codes, conversions, "
                        "rewards, counters and journal", args->words[0]);
    }

    if (args->csv && kind->columns == NULL) {
        return ctl_fail("the journal has no columns, export it without "
                        "--csv");
    }

    rc = ctl_open(&e.store, args->words[1], 0);

    if (rc != CTL_OK) {
        return rc;
    }

    e.with_csv = args->csv;
    e.out.write = ctl_write;
    e.out.data = &e;

    referral_csv_init(&e.csv, block, sizeof(block));

    rc = ctl_export_all(&e, kind, args->words[2]);
    ctl_close(&e.store);
    free(e.text);

    return rc;
}


static const ctl_kind_t *
ctl_kind(const char *name)
{
    size_t  i;

    for (i = 0; i < sizeof(ctl_kinds) / sizeof(ctl_kinds[0]); i++) {
        if (strcmp(ctl_kinds[i].name, name) == 0) {
            return &ctl_kinds[i];
        }
    }

    return NULL;
}


static ctl_rc_t
ctl_export_all(ctl_export_t *e, const ctl_kind_t *kind, const char *program)
{
    ctl_rc_t  rc;

    rc = ctl_program(&e->store, program, &e->program);

    if (rc != CTL_OK) {
        return rc;
    }

    e->name.data = (const unsigned char *) program;
    e->name.len = strlen(program);

    /* of one program among others it may be less */

    e->all = (kind->read == ctl_journal) ? e->store.info.journal
             : (kind->read == ctl_codes) ? e->store.info.codes : 0;

    if (e->with_csv) {
        (void) referral_csv_head(&e->csv, kind->columns);
    }

    ctl_progress_begin(kind->name);

    do {
        rc = ctl_export_part(e, kind);
        referral_snapshot_end(e->store.snap);

        if (rc == CTL_OK && ctl_progress(e->done, e->all)) {
            rc = ctl_stop("the export is not whole");
        }

        if (rc == CTL_OK && e->more) {
            rc = ctl_begin(&e->store);
        }
    } while (rc == CTL_OK && e->more);

    ctl_progress_end();

    return rc;
}


/* Standard output may wait for its reader: not in a snapshot. */

static ctl_rc_t
ctl_export_part(ctl_export_t *e, const ctl_kind_t *kind)
{
    referral_rc_t  rc;

    e->rows = 0;
    e->more = 0;

    rc = referral_rules_known(e->store.snap, e->program, &e->rules);

    if (rc == REFERRAL_OK) {
        rc = kind->read(e);
    }

    if (rc != REFERRAL_OK || e->failed || e->out.failed) {
        return ctl_fail("cannot read \"%s/data.mdb\", the export is not "
                        "whole", e->store.dir);
    }

    referral_snapshot_end(e->store.snap);

    if (e->len != 0) {
        (void) fwrite(e->text, 1, e->len, stdout);
    }

    e->len = 0;

    (void) fwrite(e->csv.start, 1, (size_t) (e->csv.pos - e->csv.start),
                  stdout);
    referral_csv_init(&e->csv, e->csv.start,
                      (size_t) (e->csv.end - e->csv.start));

    if (fflush(stdout) == EOF || ferror(stdout)) {
        return ctl_fail("cannot write to standard output (%s)",
                        strerror(errno));
    }

    return CTL_OK;
}


static void
ctl_write(referral_out_t *out, const void *data, size_t len)
{
    char          *text;
    size_t         size;
    ctl_export_t  *e;

    e = out->data;

    if (len > e->size - e->len) {
        size = 2 * e->size + len;
        text = realloc(e->text, size);

        if (text == NULL) {
            out->failed = 1;
            return;
        }

        e->text = text;
        e->size = size;
    }

    memcpy(e->text + e->len, data, len);
    e->len += len;
}


/* Whether there may be one more row in this snapshot; asked before each. */

static unsigned
ctl_row(ctl_export_t *e)
{
    if (e->rows == CTL_ROWS) {
        e->more = 1;
        return 0;
    }

    e->rows++;
    e->done++;

    return 1;
}


/* 0: there was no room, it is for the next snapshot. */

static unsigned
ctl_row_end(ctl_export_t *e)
{
    if (!e->with_csv) {
        referral_out_write(&e->out, "\n", 1);
        e->out.comma = 0;
        return 1;
    }

    if (referral_csv_row(&e->csv) == 0) {
        return 1;
    }

    e->more = 1;
    e->failed |= (e->rows == 1);
    e->done--;

    return 0;
}


static void
ctl_key(ctl_export_t *e, referral_str_t key)
{
    e->after.data = e->key;
    e->after.len = (key.len < sizeof(e->key)) ? key.len : sizeof(e->key);

    memcpy(e->key, key.data, e->after.len);
}


static int
ctl_code(void *data, const referral_code_t *code)
{
    ctl_export_t *e = data;

    referral_rc_t  rc;

    if (!ctl_row(e)) {
        return 1;
    }

    rc = e->with_csv
         ? referral_table_code(&e->csv, e->store.snap, e->program, code,
                               &e->rules)
         : referral_out_code(&e->out, e->store.snap, e->program, e->name,
                             code, &e->rules);

    if (rc != REFERRAL_OK) {
        e->failed = 1;
        return 1;
    }

    if (!ctl_row_end(e)) {
        return 1;
    }

    ctl_key(e, code->code);

    return 0;
}


static referral_rc_t
ctl_codes(ctl_export_t *e)
{
    referral_str_t  any;

    any.data = (const unsigned char *) "";
    any.len = 0;

    return referral_code_list(e->store.snap, e->program, e->after, any,
                              ctl_code, e);
}


static int
ctl_conversion(void *data, const referral_conversion_t *conversion)
{
    ctl_export_t *e = data;

    if (!ctl_row(e)) {
        return 1;
    }

    if (e->with_csv) {
        referral_table_conversion(&e->csv, conversion);

    } else {
        referral_out_conversion(&e->out, NULL, e->store.snap, e->program,
                                conversion, 0);
    }

    if (!ctl_row_end(e)) {
        return 1;
    }

    ctl_key(e, conversion->order_id);

    return 0;
}


static referral_rc_t
ctl_conversions(ctl_export_t *e)
{
    return referral_conversion_list(e->store.snap, e->program, e->after,
                                    ctl_conversion, e);
}


static int
ctl_reward(void *data, const referral_reward_t *reward)
{
    ctl_export_t *e = data;

    if (!ctl_row(e)) {
        return 1;
    }

    if (e->with_csv) {
        referral_table_reward(&e->csv, e->store.snap, e->program, reward);

    } else {
        referral_out_open(&e->out, NULL, "{");
        referral_out_reward_of(&e->out, e->store.snap, e->program, reward);
        referral_out_close(&e->out, "}");
    }

    if (!ctl_row_end(e)) {
        return 1;
    }

    e->id = reward->id;

    return 0;
}


static referral_rc_t
ctl_rewards(ctl_export_t *e)
{
    referral_reward_filter_t  filter;

    filter.state = -1;
    filter.to = -1;
    filter.code_id = 0;

    return referral_reward_list(e->store.snap, e->program, &filter, e->id,
                                ctl_reward, e);
}


/* A day has many rows: few days of a snapshot. */

static referral_rc_t
ctl_counters(ctl_export_t *e)
{
    uint32_t       day;
    unsigned       rows;
    referral_rc_t  rc;

    rc = referral_day_next(e->store.snap, e->program, (uint32_t) e->id + 1,
                           CTL_DAYS, &day);

    if (rc != REFERRAL_OK || day > CTL_DAYS) {
        return rc;
    }

    if (e->with_csv) {
        rc = referral_table_day(&e->csv, e->store.snap, e->program, day,
                                &rows);
    } else {
        rc = referral_out_day(&e->out, e->store.snap, e->program, day);
        (void) ctl_row_end(e);
    }

    e->id = day;
    e->done++;
    e->more = 1;

    return rc;
}


/* Holds pass for all programs at once. */

static int
ctl_entry(void *data, const referral_entry_t *entry)
{
    ctl_export_t *e = data;

    if (entry->program == e->program || entry->type == REFERRAL_RECORD_TICK) {
        referral_out_entry(&e->out, entry);
        (void) ctl_row_end(e);
    }

    return 0;
}


static referral_rc_t
ctl_journal(ctl_export_t *e)
{
    uint64_t       last;
    referral_rc_t  rc;

    rc = referral_journal_read(e->store.snap, e->id, ~0u, CTL_ROWS, ctl_entry,
                               e, &last);

    e->more = (rc == REFERRAL_OK && last != e->id);
    e->id = last;
    e->done = last;

    return rc;
}
