/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * stat, verify, rebuild: a store as a whole, which nginx may be writing.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "referralctl.h"


static uint64_t ctl_free(const referral_store_info_t *info);
static void ctl_stat_text(const referral_store_info_t *info);
static void ctl_print_size(const char *name, uint64_t size);
static ctl_rc_t ctl_recount(ctl_store_t *r, unsigned json);
static ctl_rc_t ctl_recounted(const ctl_store_t *r, uint64_t n,
    json_t *found);
static ctl_rc_t ctl_mend(ctl_store_t *r, unsigned json);
static void ctl_report(void *data, const char *sentence);


ctl_rc_t
ctl_stat(const ctl_args_t *args)
{
    ctl_rc_t                      rc;
    ctl_store_t                   r;
    const referral_store_info_t  *info;

    rc = ctl_open(&r, args->words[0], 0);

    if (rc != CTL_OK) {
        return rc;
    }

    info = &r.info;

    if (args->json) {
        rc = ctl_print_json(json_pack("{s:s, s:i, s:I, s:I, s:I, s:i, s:s, "
                 "s:I, s:I, s:I, s:I, s:i, s:i, s:i}",
                 "id", info->id, "schema", (int) info->schema,
                 "map_size", (json_int_t) info->map_size,
                 "file_size", (json_int_t) info->file_size,
                 "used", (json_int_t) info->used,
                 "used_percent", (int) info->percent,
                 "level", referral_level_name(info->level),
                 "free", (json_int_t) ctl_free(info),
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


/* Bytes of the file that the store may use again. */

static uint64_t
ctl_free(const referral_store_info_t *info)
{
    return (info->file_size > info->used) ? info->file_size - info->used : 0;
}


static void
ctl_stat_text(const referral_store_info_t *info)
{
    (void) printf("id           %s\n", info->id);
    (void) printf("schema       %u\n", info->schema);
    ctl_print_size("map", info->map_size);
    ctl_print_size("file", info->file_size);
    ctl_print_size("used", info->used);
    ctl_print_size("free", ctl_free(info));
    (void) printf("level        %s, %u %% of the map\n",
                  referral_level_name(info->level), info->percent);
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


ctl_rc_t
ctl_verify(const ctl_args_t *args)
{
    ctl_rc_t     rc;
    ctl_store_t  r;

    rc = ctl_open(&r, args->words[0], 0);

    if (rc == CTL_OK) {
        rc = ctl_recount(&r, args->json);
        ctl_close(&r);
    }

    return rc;
}


static ctl_rc_t
ctl_recount(ctl_store_t *r, unsigned json)
{
    json_t             *found;
    uint64_t            n;
    ctl_rc_t            rc;
    referral_rc_t       result;
    referral_error_t    err;
    referral_verify_t   verify;

    found = json ? json_array() : NULL;

    verify.report = ctl_report;
    verify.progress = ctl_progress_verify;
    verify.data = found;

    ctl_progress_begin("rows");
    result = referral_store_verify(r->snap, &verify, &n, &err);
    ctl_progress_end();

    if (result != REFERRAL_OK) {
        json_decref(found);
        return ctl_fail("%s", err.text);
    }

    rc = ctl_recounted(r, n, found);

    return (rc == CTL_OK && n != 0) ? CTL_DIFFERENCES : rc;
}


/* Takes the reference of what was found; NULL: as text. */

static ctl_rc_t
ctl_recounted(const ctl_store_t *r, uint64_t n, json_t *found)
{
    if (found != NULL) {
        return ctl_print_json(json_pack("{s:I, s:I, s:o}",
                 "journal", (json_int_t) r->info.journal,
                 "differences", (json_int_t) n, "reports", found));
    }

    (void) printf("%" PRIu64 " entries recounted, differences: %" PRIu64 "\n",
                  r->info.journal, n);

    return CTL_OK;
}


ctl_rc_t
ctl_rebuild(const ctl_args_t *args)
{
    ctl_rc_t     rc;
    ctl_store_t  r;

    rc = ctl_open(&r, args->words[0], 1);

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_drain(&r);

    if (rc == CTL_OK) {
        rc = ctl_mend(&r, args->json);
    }

    ctl_close(&r);

    return rc;
}


static ctl_rc_t
ctl_mend(ctl_store_t *r, unsigned json)
{
    json_t             *found;
    uint64_t            n;
    unsigned            tries;
    referral_rc_t       result;
    referral_error_t    err;
    referral_verify_t   verify;

    tries = 0;
    found = json ? json_array() : NULL;

    verify.report = ctl_report;
    verify.progress = ctl_progress_verify;
    verify.data = found;

    ctl_progress_begin("rows");

    do {
        result = referral_store_rebuild(r->store, &verify, &n, &err);
    } while (ctl_again(result, &tries));

    ctl_progress_end();

    if (result != REFERRAL_OK) {
        json_decref(found);
        return ctl_refused(r, &err);
    }

    if (json) {
        return ctl_print_json(json_pack("{s:I, s:I, s:o}",
                 "journal", (json_int_t) r->info.journal,
                 "mended", (json_int_t) n, "reports", found));
    }

    (void) printf("%" PRIu64 " entries recounted, mended: %" PRIu64 "\n",
                  r->info.journal, n);

    return CTL_OK;
}


static void
ctl_report(void *data, const char *sentence)
{
    json_t *found = data;

    if (found != NULL) {
        (void) json_array_append_new(found, json_string(sentence));
        return;
    }

    ctl_progress_clear();
    (void) printf("%s\n", sentence);
}
