/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files of referralctl share.
 *
 *   referralctl.c           options and commands
 *   referralctl_store.c     stat, verify
 *   referralctl_secrets.c   keygen, token
 */

#ifndef REFERRALCTL_H
#define REFERRALCTL_H


#define CTL_ARGS  3             /* arguments of a command, at most */

/* Exit codes. */

typedef enum {
    CTL_OK = 0,
    CTL_DIFFERENCES,
    CTL_FAILED
} ctl_rc_t;

typedef struct {
    unsigned      json;
    const char   *words[CTL_ARGS];      /* NULL: not given */
} ctl_args_t;


/* Prints one sentence on standard error; returns CTL_FAILED. */

ctl_rc_t ctl_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

ctl_rc_t ctl_stat(const ctl_args_t *args);
ctl_rc_t ctl_verify(const ctl_args_t *args);
ctl_rc_t ctl_keygen(const ctl_args_t *args);
ctl_rc_t ctl_token(const ctl_args_t *args);


#endif /* REFERRALCTL_H */
