/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Opening a store beside nginx, as the user whose it is.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include <jansson.h>

#include "referralctl.h"


#define CTL_RING      (4 << 20)     /* bytes: some thousand records */
#define CTL_TRIES     50            /* while the store is locked or resized */
#define CTL_PAUSE_US  100000


/* Names of programs, as one text. */

typedef struct {
    size_t              len;
    unsigned            n;
    char                text[512];
} ctl_names_t;


static ctl_rc_t ctl_act_as_owner(ctl_store_t *r);
static int ctl_drop(uid_t uid, gid_t gid);
static ctl_rc_t ctl_check_lock(const ctl_store_t *r);
static ctl_rc_t ctl_check_writer(const ctl_store_t *r);
static int ctl_name(void *data, referral_str_t name, uint32_t id);


ctl_rc_t
ctl_open(ctl_store_t *r, const char *dir, unsigned write)
{
    ctl_rc_t            rc;
    referral_error_t    err;
    referral_options_t  opts;

    memset(r, 0, sizeof(ctl_store_t));

    if (realpath(dir, r->dir) == NULL) {
        return ctl_fail("cannot use \"%s\" (%s)", dir, strerror(errno));
    }

    rc = ctl_act_as_owner(r);

    if (rc == CTL_OK) {
        rc = write ? ctl_check_writer(r) : ctl_check_lock(r);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    memset(&opts, 0, sizeof(referral_options_t));
    opts.path = r->dir;
    opts.intake_size = CTL_RING;
    opts.readonly = !write;
    opts.guest = write;

    if (referral_store_open(&opts, &r->store, &err) != REFERRAL_OK) {
        return ctl_refused(r, &err);
    }

    if (referral_snapshot_create(r->store, &r->snap, &err) != REFERRAL_OK) {
        referral_store_close(r->store);
        return ctl_refused(r, &err);
    }

    rc = ctl_begin(r);

    if (rc == CTL_OK && referral_store_info(r->snap, &r->info) != REFERRAL_OK)
    {
        rc = ctl_fail("cannot read \"%s/data.mdb\"", r->dir);
    }

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
ctl_act_as_owner(ctl_store_t *r)
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
ctl_check_lock(const ctl_store_t *r)
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


/*
 * One that writes makes logs and rings, which nginx has to be able to open.
 * A store is made by nginx only.
 */

static ctl_rc_t
ctl_check_writer(const ctl_store_t *r)
{
    char  file[PATH_MAX + sizeof("/data.mdb")];

    if (geteuid() != r->owner) {
        return ctl_fail("\"%s\" is written by user \"%s\": run referralctl "
                        "as that user or as root", r->dir,
                        ctl_user(r->owner));
    }

    (void) snprintf(file, sizeof(file), "%s/data.mdb", r->dir);

    if (access(file, F_OK) == -1) {
        return ctl_fail("cannot open \"%s\" (%s)", file, strerror(errno));
    }

    return CTL_OK;
}


ctl_rc_t
ctl_refused(const ctl_store_t *r, const referral_error_t *err)
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


const char *
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


ctl_rc_t
ctl_begin(ctl_store_t *r)
{
    referral_rc_t  rc;

    rc = referral_snapshot_begin(r->snap);

    if (rc == REFERRAL_BUSY) {
        return ctl_fail("\"%s\" has too many readers, or was resized right "
                        "now: try again", r->dir);
    }

    if (rc != REFERRAL_OK) {
        return ctl_fail("cannot read \"%s/data.mdb\"", r->dir);
    }

    return CTL_OK;
}


static int
ctl_name(void *data, referral_str_t name, uint32_t id)
{
    ctl_names_t *names = data;

    int  n;

    (void) id;

    n = snprintf(names->text + names->len, sizeof(names->text) - names->len,
                 "%s\"%.*s\"", names->n++ ? ", " : "", (int) name.len,
                 name.data);

    if ((size_t) n >= sizeof(names->text) - names->len) {
        names->text[names->len] = '\0';
        return 1;
    }

    names->len += (size_t) n;

    return 0;
}


ctl_rc_t
ctl_program(ctl_store_t *r, const char *name, uint32_t *program)
{
    ctl_names_t      names;
    referral_rc_t    rc;
    referral_str_t   text;

    text.len = strlen(name);
    text.data = (const unsigned char *) name;

    rc = referral_program_get(r->snap, text, program);

    if (rc == REFERRAL_OK) {
        return CTL_OK;
    }

    memset(&names, 0, sizeof(ctl_names_t));

    if (rc != REFERRAL_NOT_FOUND
        || referral_program_list(r->snap, ctl_name, &names) != REFERRAL_OK)
    {
        return ctl_fail("cannot read \"%s/data.mdb\"", r->dir);
    }

    if (names.n == 0) {
        return ctl_fail("\"%s\" has no programs: nginx makes them when it "
                        "starts", r->dir);
    }

    return ctl_fail("\"%s\" has no program \"%s\", only %s", r->dir, name,
                    names.text);
}


unsigned
ctl_again(referral_rc_t rc, unsigned *tries)
{
    if (rc != REFERRAL_BUSY) {
        *tries = 0;
        return 0;
    }

    if (ctl_stopped() || ++*tries == CTL_TRIES) {
        return 0;
    }

    (void) usleep(CTL_PAUSE_US);

    return 1;
}


ctl_rc_t
ctl_drain(ctl_store_t *r)
{
    unsigned          tries, records;
    referral_rc_t     rc;
    referral_error_t  err;

    tries = 0;
    referral_snapshot_end(r->snap);

    do {
        rc = referral_store_maintain(r->store, &records, &err);
    } while (ctl_again(rc, &tries));

    return (rc == REFERRAL_OK) ? CTL_OK : ctl_refused(r, &err);
}


void
ctl_close(ctl_store_t *r)
{
    referral_snapshot_end(r->snap);
    referral_snapshot_destroy(r->snap);
    referral_store_close(r->store);
}


ctl_rc_t
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
