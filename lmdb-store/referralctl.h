/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files of referralctl share.
 *
 *   referralctl.c           options and commands
 *   referralctl_open.c      a store beside nginx
 *   referralctl_progress.c  a bar on the terminal, signals
 *   referralctl_store.c     stat, verify, rebuild
 *   referralctl_purge.c     purge
 *   referralctl_copy.c      backup, compact
 *   referralctl_import.c    import: what orders and codes share
 *   referralctl_lines.c     the lines of a file
 *   referralctl_orders.c    import conversions
 *   referralctl_codes.c     import codes
 *   referralctl_export.c    export
 *   referralctl_erase.c     erase
 *   referralctl_secrets.c   keygen, token
 */

#ifndef REFERRALCTL_H
#define REFERRALCTL_H

#include <limits.h>
#include <sys/types.h>

#include <jansson.h>

#include "referral_ledger.h"
#include "referral_tools.h"


#define CTL_ARGS  4             /* arguments of a command, at most */

/* Exit codes. */

typedef enum {
    CTL_OK = 0,
    CTL_DIFFERENCES,
    CTL_FAILED,
    CTL_REFUSED = CTL_DIFFERENCES
} ctl_rc_t;

typedef struct {
    unsigned                json;
    unsigned                dry_run;
    unsigned                csv;
    const char             *words[CTL_ARGS];    /* NULL: not given */
} ctl_args_t;

typedef struct {
    referral_store_t       *store;
    referral_snapshot_t    *snap;
    referral_store_info_t   info;       /* when it was opened */
    uid_t                   owner;
    unsigned                dropped;    /* root's rights, for the owner's */
    char                    dir[PATH_MAX];
} ctl_store_t;


/* By the clock of the wall, ms. */

int64_t ctl_now(void);

/* Prints one sentence on standard error; returns CTL_FAILED. */

ctl_rc_t ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Opens the store in dir, from then on as its owner when started as root, and
 * begins a snapshot.
 */

ctl_rc_t ctl_open(ctl_store_t *r, const char *dir, unsigned write);
void ctl_close(ctl_store_t *r);
ctl_rc_t ctl_begin(ctl_store_t *r);

/* The number of a program, in the snapshot; one that is not there fails. */

ctl_rc_t ctl_program(ctl_store_t *r, const char *name, uint32_t *program);

/* Ends the snapshot, and stores what dead workers have left in their rings. */

ctl_rc_t ctl_drain(ctl_store_t *r);

/*
 * Whether a step is to be tried again, which is after a while, because the
 * store was locked; *tries is 0 at first.
 */

unsigned ctl_again(referral_rc_t rc, unsigned *tries);

/* What the store says, and for which user. */

ctl_rc_t ctl_refused(const ctl_store_t *r, const referral_error_t *err);

/* A user's name, or the number of one without; valid until the next call. */

const char *ctl_user(uid_t uid);

/* Takes the reference. */

ctl_rc_t ctl_print_json(json_t *object);


/* referralctl_progress.c */

/*
 * A bar on standard error, when that is a terminal, in units like "rows";
 * "bytes" are shown as MiB.  From begin on SIGINT and SIGTERM do not end the
 * process: ctl_progress() and ctl_stopped() tell of them, and ctl_stop()
 * prints the sentence for it.  all 0: not known.  ctl_fail() clears the bar;
 * before other output the caller has to, with _clear or _end.
 */

void ctl_progress_begin(const char *unit);
int ctl_progress(uint64_t done, uint64_t all);
void ctl_progress_clear(void);
void ctl_progress_end(void);
unsigned ctl_stopped(void);
ctl_rc_t ctl_stop(const char *what);

/* The same for referral_watch_t and referral_verify_t. */

int ctl_progress_watch(void *data, uint64_t done, uint64_t all);
void ctl_progress_verify(void *data, uint64_t done, uint64_t all);


/* Commands, each in its file. */

ctl_rc_t ctl_stat(const ctl_args_t *args);
ctl_rc_t ctl_verify(const ctl_args_t *args);
ctl_rc_t ctl_rebuild(const ctl_args_t *args);
ctl_rc_t ctl_backup(const ctl_args_t *args);
ctl_rc_t ctl_compact(const ctl_args_t *args);
ctl_rc_t ctl_purge(const ctl_args_t *args);
ctl_rc_t ctl_import(const ctl_args_t *args);
ctl_rc_t ctl_export(const ctl_args_t *args);
ctl_rc_t ctl_erase(const ctl_args_t *args);
ctl_rc_t ctl_keygen(const ctl_args_t *args);
ctl_rc_t ctl_token(const ctl_args_t *args);


#endif /* REFERRALCTL_H */
