/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * stat, verify: reading a store, which nginx may be writing.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "referralctl.h"


typedef struct {
    json_t                 *found;      /* NULL: print them */
    unsigned                terminal;
    unsigned                shown;      /* a line of progress stands there */
} ctl_verify_t;


static void ctl_stat_text(const referral_store_info_t *info);
static void ctl_print_size(const char *name, uint64_t size);
static ctl_rc_t ctl_recount(ctl_store_t *r, unsigned json);
static void ctl_report(void *data, const char *sentence);
static void ctl_progress(void *data, uint64_t done, uint64_t all);
static void ctl_clear(ctl_verify_t *v);


ctl_rc_t
ctl_stat(const ctl_args_t *args)
{
    ctl_rc_t                      rc;
    ctl_store_t                  r;
    const referral_store_info_t  *info;

    rc = ctl_open(&r, args->words[0], 0);

    if (rc != CTL_OK) {
        return rc;
    }

    info = &r.info;

    if (args->json) {
        rc = ctl_print_json(json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:I, "
                 "s:I, s:i, s:i, s:i}",
                 "id", info->id, "schema", (int) info->schema,
                 "map_size", (json_int_t) info->map_size,
                 "file_size", (json_int_t) info->file_size,
                 "used", (json_int_t) info->used,
                 "last_txn", (json_int_t) info->last_txn,
                 "journal", (json_int_t) info->journal,
                 "codes", (json_int_t) info->codes,
                 "readers", (int) info->readers,
                 "max_readers", (int) info->max_readers,
                 "slots", (int) info->slots));

    } else {
        ctl_stat_text(info);
    }

    ctl_close(&r);

    return rc;
}


ctl_rc_t
ctl_verify(const ctl_args_t *args)
{
    ctl_rc_t      rc;
    ctl_store_t  r;

    rc = ctl_open(&r, args->words[0], 0);

    if (rc == CTL_OK) {
        rc = ctl_recount(&r, args->json);
        ctl_close(&r);
    }

    return rc;
}


static void
ctl_stat_text(const referral_store_info_t *info)
{
    (void) printf("id           %s\n", info->id);
    (void) printf("schema       %u\n", info->schema);
    ctl_print_size("map", info->map_size);
    ctl_print_size("file", info->file_size);
    ctl_print_size("used", info->used);
    (void) printf("transaction  %" PRIu64 "\n", info->last_txn);
    (void) printf("journal      %" PRIu64 "\n", info->journal);
    (void) printf("codes        %" PRIu64 "\n", info->codes);
    (void) printf("readers      %u of %u\n", info->readers,
                  info->max_readers);
    (void) printf("slots        %u\n", info->slots);
}


static void
ctl_print_size(const char *name, uint64_t size)
{
    double    value;
    unsigned  unit;

    static const char *const  units[] = { "KiB", "MiB", "GiB", "TiB" };

    value = (double) size / 1024;

    for (unit = 0; value >= 1024 && unit < 3; unit++) {
        value /= 1024;
    }

    (void) printf("%-11s  %.1f %s\n", name, value, units[unit]);
}


static ctl_rc_t
ctl_recount(ctl_store_t *r, unsigned json)
{
    uint64_t           n;
    ctl_rc_t           rc;
    ctl_verify_t       v;
    referral_error_t   err;
    referral_verify_t  verify;

    v.found = json ? json_array() : NULL;
    v.terminal = isatty(STDERR_FILENO) == 1;
    v.shown = 0;

    verify.report = ctl_report;
    verify.progress = ctl_progress;
    verify.data = &v;

    if (referral_store_verify(r->snap, &verify, &n, &err) != REFERRAL_OK) {
        ctl_clear(&v);
        json_decref(v.found);
        return ctl_fail("%s", err.text);
    }

    ctl_clear(&v);
    rc = CTL_OK;

    if (json) {
        rc = ctl_print_json(json_pack("{s:I, s:I, s:o}",
                 "journal", (json_int_t) r->info.journal,
                 "differences", (json_int_t) n, "reports", v.found));

    } else {
        (void) printf("%" PRIu64 " events recounted, differences: %"
                      PRIu64 "\n", r->info.journal, n);
    }

    return (rc == CTL_OK && n != 0) ? CTL_DIFFERENCES : rc;
}


static void
ctl_report(void *data, const char *sentence)
{
    ctl_verify_t  *v;

    v = data;

    if (v->found != NULL) {
        (void) json_array_append_new(v->found, json_string(sentence));
        return;
    }

    ctl_clear(v);
    (void) printf("%s\n", sentence);
}


static void
ctl_progress(void *data, uint64_t done, uint64_t all)
{
    ctl_verify_t  *v;

    v = data;

    if (!v->terminal) {
        return;
    }

    v->shown = 1;
    (void) fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " events, %u %%", done,
                   all, (unsigned) (done * 100 / all));
}


static void
ctl_clear(ctl_verify_t *v)
{
    if (v->shown) {
        v->shown = 0;
        (void) fputs("\r\033[K", stderr);
    }
}
