/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * stat, verify: reading a store, which nginx may be writing.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include <jansson.h>

#include "referral_store.h"
#include "referralctl.h"


typedef struct {
    referral_store_t       *store;
    referral_snapshot_t    *snap;
    referral_store_info_t   info;
    uid_t                   owner;
    unsigned                dropped;    /* root's rights, for the owner's */
    char                    dir[PATH_MAX];
} ctl_reader_t;

typedef struct {
    json_t                 *found;      /* NULL: print them */
    unsigned                terminal;
    unsigned                shown;      /* a line of progress stands there */
} ctl_verify_t;


static ctl_rc_t ctl_open(ctl_reader_t *r, const char *dir);
static ctl_rc_t ctl_act_as_owner(ctl_reader_t *r);
static int ctl_drop(uid_t uid, gid_t gid);
static ctl_rc_t ctl_check_lock(const ctl_reader_t *r);
static ctl_rc_t ctl_refused(const ctl_reader_t *r,
    const referral_error_t *err);
static const char *ctl_user(uid_t uid);
static ctl_rc_t ctl_begin(ctl_reader_t *r);
static void ctl_close(ctl_reader_t *r);
static void ctl_stat_text(const referral_store_info_t *info);
static void ctl_print_size(const char *name, uint64_t size);
static ctl_rc_t ctl_print_json(json_t *object);
static ctl_rc_t ctl_recount(ctl_reader_t *r, unsigned json);
static void ctl_report(void *data, const char *sentence);
static void ctl_progress(void *data, uint64_t done, uint64_t all);
static void ctl_clear(ctl_verify_t *v);


ctl_rc_t
ctl_stat(const ctl_args_t *args)
{
    ctl_rc_t                      rc;
    ctl_reader_t                  r;
    const referral_store_info_t  *info;

    rc = ctl_open(&r, args->words[0]);

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
    ctl_reader_t  r;

    rc = ctl_open(&r, args->words[0]);

    if (rc == CTL_OK) {
        rc = ctl_recount(&r, args->json);
        ctl_close(&r);
    }

    return rc;
}


static ctl_rc_t
ctl_open(ctl_reader_t *r, const char *dir)
{
    ctl_rc_t            rc;
    referral_error_t    err;
    referral_options_t  opts;

    memset(r, 0, sizeof(ctl_reader_t));

    if (realpath(dir, r->dir) == NULL) {
        return ctl_fail("cannot use \"%s\" (%s)", dir, strerror(errno));
    }

    rc = ctl_act_as_owner(r);

    if (rc == CTL_OK) {
        rc = ctl_check_lock(r);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    memset(&opts, 0, sizeof(referral_options_t));
    opts.path = r->dir;
    opts.readonly = 1;

    if (referral_store_open(&opts, &r->store, &err) != REFERRAL_OK) {
        return ctl_refused(r, &err);
    }

    if (referral_snapshot_create(r->store, &r->snap, &err) != REFERRAL_OK) {
        referral_store_close(r->store);
        return ctl_refused(r, &err);
    }

    rc = ctl_begin(r);

    if (rc != CTL_OK) {
        ctl_close(r);
    }

    return rc;
}


/*
 * A reader maps lock.mdb for writing and makes it when it is missing.  Made
 * by root, nginx's workers could not open the store any more.
 */

static ctl_rc_t
ctl_act_as_owner(ctl_reader_t *r)
{
    char         file[PATH_MAX + sizeof("/data.mdb")];
    struct stat  st, data;

    if (stat(r->dir, &st) == -1) {
        return ctl_fail("cannot use \"%s\" (%s)", r->dir, strerror(errno));
    }

    (void) snprintf(file, sizeof(file), "%s/data.mdb", r->dir);

    if (st.st_uid == 0 && stat(file, &data) == 0) {
        st = data;
    }

    r->owner = st.st_uid;

    if (geteuid() != 0 || st.st_uid == 0) {
        return CTL_OK;
    }

    if (ctl_drop(st.st_uid, st.st_gid) == -1) {
        return ctl_fail("cannot act as user \"%s\", who owns \"%s\" (%s)",
                        ctl_user(st.st_uid), r->dir, strerror(errno));
    }

    r->dropped = 1;

    return CTL_OK;
}


static int
ctl_drop(uid_t uid, gid_t gid)
{
    int             rc;
    struct passwd  *pw;

    pw = getpwuid(uid);
    rc = pw ? initgroups(pw->pw_name, gid) : setgroups(0, NULL);

    if (rc == -1 || setresgid(gid, gid, gid) == -1) {
        return -1;
    }

    return setresuid(uid, uid, uid);
}


/* Nor may any other user make lock.mdb for the owner. */

static ctl_rc_t
ctl_check_lock(const ctl_reader_t *r)
{
    char  file[PATH_MAX + sizeof("/lock.mdb")];

    (void) snprintf(file, sizeof(file), "%s/lock.mdb", r->dir);

    if (geteuid() == r->owner || access(file, F_OK) == 0
        || access(r->dir, W_OK) == -1)
    {
        return CTL_OK;
    }

    return ctl_fail("\"%s\" is not there, and only user \"%s\" shall make it: "
                    "run referralctl as that user or as root", file,
                    ctl_user(r->owner));
}


static ctl_rc_t
ctl_refused(const ctl_reader_t *r, const referral_error_t *err)
{
    char  why[128];

    why[0] = '\0';

    if (err->sys != 0 && strstr(err->text, strerror(err->sys)) == NULL) {
        (void) snprintf(why, sizeof(why), " (%s)", strerror(err->sys));
    }

    if (err->sys != EACCES && err->sys != EPERM) {
        return ctl_fail("%s%s", err->text, why);
    }

    if (r->dropped) {
        return ctl_fail("%s%s, for user \"%s\", who owns the store",
                        err->text, why, ctl_user(r->owner));
    }

    if (r->owner == 0) {
        return ctl_fail("%s%s: run referralctl as root", err->text, why);
    }

    return ctl_fail("%s%s: run referralctl as user \"%s\", who owns the "
                    "store, or as root", err->text, why, ctl_user(r->owner));
}


static const char *
ctl_user(uid_t uid)
{
    struct passwd  *pw;
    static char     number[sizeof("4294967295")];

    pw = getpwuid(uid);

    if (pw != NULL) {
        return pw->pw_name;
    }

    (void) snprintf(number, sizeof(number), "%u", (unsigned) uid);

    return number;
}


static ctl_rc_t
ctl_begin(ctl_reader_t *r)
{
    referral_rc_t  rc;

    rc = referral_snapshot_begin(r->snap);

    if (rc == REFERRAL_BUSY) {
        return ctl_fail("\"%s\" has too many readers, or was resized right "
                        "now: try again", r->dir);
    }

    if (rc != REFERRAL_OK
        || referral_store_info(r->snap, &r->info) != REFERRAL_OK)
    {
        return ctl_fail("cannot read \"%s/data.mdb\"", r->dir);
    }

    return CTL_OK;
}


static void
ctl_close(ctl_reader_t *r)
{
    referral_snapshot_end(r->snap);
    referral_snapshot_destroy(r->snap);
    referral_store_close(r->store);
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


/* Takes the reference. */

static ctl_rc_t
ctl_print_json(json_t *object)
{
    int  rc;

    rc = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;
    json_decref(object);

    if (rc == -1) {
        return ctl_fail("cannot print JSON (%s)", strerror(errno));
    }

    (void) putchar('\n');

    return CTL_OK;
}


static ctl_rc_t
ctl_recount(ctl_reader_t *r, unsigned json)
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
