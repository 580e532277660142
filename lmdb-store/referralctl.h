/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files of referralctl share.
 *
 *   referralctl.c           options and commands
 *   referralctl_open.c      a store beside nginx
 *   referralctl_store.c     stat, verify
 *   referralctl_import.c    import
 *   referralctl_secrets.c   keygen, token
 */

#ifndef REFERRALCTL_H
#define REFERRALCTL_H

#include <limits.h>
#include <sys/types.h>

#include <jansson.h>

#include "referral_ledger.h"


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


/* Prints one sentence on standard error; returns CTL_FAILED. */

ctl_rc_t ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Opens the store in dir, from then on as its owner when started as root, and
 * begins a snapshot.
 */

ctl_rc_t ctl_open(ctl_store_t *r, const char *dir, unsigned write);
void ctl_close(ctl_store_t *r);
ctl_rc_t ctl_begin(ctl_store_t *r);

/* What the store says, and for which user. */

ctl_rc_t ctl_refused(const ctl_store_t *r, const referral_error_t *err);

/* Takes the reference. */

ctl_rc_t ctl_print_json(json_t *object);

ctl_rc_t ctl_stat(const ctl_args_t *args);
ctl_rc_t ctl_verify(const ctl_args_t *args);
ctl_rc_t ctl_import(const ctl_args_t *args);
ctl_rc_t ctl_keygen(const ctl_args_t *args);
ctl_rc_t ctl_token(const ctl_args_t *args);


#endif /* REFERRALCTL_H */
