/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * backup, compact.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <jansson.h>

#include "referralctl.h"


static int ctl_backup_give(const char *target, const struct stat *st);
static ctl_rc_t ctl_backup_root(const ctl_args_t *args, const struct stat *st);
static ctl_rc_t ctl_backup_wait(pid_t pid, const char *target);
static ctl_rc_t ctl_backup_run(const ctl_args_t *args, unsigned child);
static ctl_rc_t ctl_backup_refused(const ctl_store_t *r,
    const referral_error_t *err);
static ctl_rc_t ctl_compact_result(const referral_compact_t *result,
    unsigned json);
static double ctl_mib(uint64_t bytes);


/*
 * Root may make a directory where the store's owner may not, as whom
 * referralctl acts once it has opened the store.
 */

ctl_rc_t
ctl_backup(const ctl_args_t *args)
{
    char         file[PATH_MAX];
    struct stat  st;

    (void) snprintf(file, sizeof(file), "%s/data.mdb", args->words[0]);

    if (geteuid() != 0 || stat(file, &st) == -1 || st.st_uid == 0) {
        return ctl_backup_run(args, 0);
    }

    return ctl_backup_root(args, &st);
}


/* The directory that was made, not what somebody put into its place. */

static int
ctl_backup_give(const char *target, const struct stat *st)
{
    int  fd, rc;

    fd = open(target, O_RDONLY|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        return -1;
    }

    rc = fchown(fd, st->st_uid, st->st_gid);
    (void) close(fd);

    return rc;
}


/* And remove it, when nothing comes of the backup. */

static ctl_rc_t
ctl_backup_root(const ctl_args_t *args, const struct stat *st)
{
    pid_t        pid, parent;
    ctl_rc_t     rc;
    const char  *target;

    target = args->words[1];

    if (mkdir(target, 0700) == -1) {
        return ctl_backup_run(args, 0);
    }

    parent = getpid();
    pid = (ctl_backup_give(target, st) == 0) ? fork() : -1;

    if (pid == -1) {
        rc = ctl_fail("cannot back up to \"%s\" (%s)", target,
                      strerror(errno));
        (void) rmdir(target);
        return rc;
    }

    if (pid != 0) {
        return ctl_backup_wait(pid, target);
    }

    rc = (getppid() == parent) ? ctl_backup_run(args, 1) : CTL_FAILED;

    if (fflush(stdout) == EOF || ferror(stdout)) {
        rc = ctl_fail("cannot write to standard output (%s)",
                      strerror(errno));
    }

    _exit(rc);
}


static ctl_rc_t
ctl_backup_wait(pid_t pid, const char *target)
{
    int  status;

    /* from a terminal both get it, and the child cleans up */

    (void) signal(SIGINT, SIG_IGN);

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) { /* void */ }

    if (WIFEXITED(status) && WEXITSTATUS(status) == CTL_OK) {
        return CTL_OK;
    }

    (void) rmdir(target);

    if (WIFSIGNALED(status)) {
        return ctl_fail("the backup was ended by signal %d",
                        WTERMSIG(status));
    }

    return CTL_FAILED;
}


static ctl_rc_t
ctl_backup_run(const ctl_args_t *args, unsigned child)
{
    ctl_rc_t          rc;
    uint64_t          bytes;
    ctl_store_t       r;
    referral_rc_t     result;
    referral_error_t  err;
    referral_watch_t  watch;

    rc = ctl_open(&r, args->words[0], 1);

    if (rc != CTL_OK) {
        return rc;
    }

    if (child) {

        /* now: it would not outlast the change of user */

        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
    }

    referral_snapshot_end(r.snap);

    watch.progress = ctl_progress_watch;
    watch.data = NULL;

    ctl_progress_begin("bytes");
    result = referral_store_backup(r.store, args->words[1], &watch, &bytes,
                                   &err);
    ctl_progress_end();

    if (result != REFERRAL_OK) {
        rc = ctl_backup_refused(&r, &err);

    } else if (args->json) {
        rc = ctl_print_json(json_pack("{s:I}", "bytes", (json_int_t) bytes));

    } else {
        (void) printf("copied %.1f MiB to \"%s\"\n", ctl_mib(bytes),
                      args->words[1]);
    }

    ctl_close(&r);

    return rc;
}


/* The store is open: what may not be used is the target. */

static ctl_rc_t
ctl_backup_refused(const ctl_store_t *r, const referral_error_t *err)
{
    if (err->sys != EACCES && err->sys != EPERM) {
        return ctl_refused(r, err);
    }

    return ctl_fail("%s: user \"%s\", who owns the store, must be able to "
                    "reach and write it", err->text, ctl_user(r->owner));
}


ctl_rc_t
ctl_compact(const ctl_args_t *args)
{
    ctl_rc_t            rc;
    ctl_store_t         r;
    referral_rc_t       done;
    referral_error_t    err;
    referral_watch_t    watch;
    referral_compact_t  result;

    rc = ctl_open(&r, args->words[0], 1);

    if (rc != CTL_OK) {
        return rc;
    }

    referral_snapshot_end(r.snap);
    referral_snapshot_destroy(r.snap);

    watch.progress = ctl_progress_watch;
    watch.data = NULL;

    ctl_progress_begin("pages");
    done = referral_store_compact(r.store, &watch, &result, &err);
    ctl_progress_end();

    if (done != REFERRAL_OK) {
        rc = ctl_refused(&r, &err);

    } else {
        if (err.text[0] != '\0') {
            (void) ctl_fail("%s", err.text);
        }

        rc = ctl_compact_result(&result, args->json);
    }

    referral_store_close(r.store);

    return rc;
}


static ctl_rc_t
ctl_compact_result(const referral_compact_t *result, unsigned json)
{
    if (json) {
        return ctl_print_json(json_pack("{s:b, s:I, s:I}",
                   "replaced", (int) result->replaced,
                   "before", (json_int_t) result->before,
                   "after", (json_int_t) result->after));
    }

    (void) printf("%s: %.1f MiB on disk, %.1f MiB before\n",
                  result->replaced ? "the file was replaced"
                                   : "in use, holes were made in place",
                  ctl_mib(result->after), ctl_mib(result->before));

    return CTL_OK;
}


static double
ctl_mib(uint64_t bytes)
{
    return (double) bytes / (1 << 20);
}
