/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * An import: referralctl_import.c stores, referralctl_lines.c reads.
 */

#ifndef REFERRALCTL_IMPORT_H
#define REFERRALCTL_IMPORT_H

#include <stdio.h>

#include "referralctl.h"


#define CTL_LINE      16384     /* bytes of a line, at most */
#define CTL_BATCH     1000      /* lines of a transaction */


/* A line that was taken and waits for its result. */

typedef struct {
    uint64_t            number;
    uint64_t            seq;
    size_t              len;
    unsigned char       order_id[REFERRAL_ID_MAX];
} ctl_line_t;

typedef struct {
    ctl_store_t         store;
    referral_intake_t  *intake;
    uint32_t            program;
    referral_rules_t    rules;
    unsigned char       coded[REFERRAL_RULES_SIZE]; /* what they point into */
    const char         *name;                       /* of the file */
    FILE               *file;
    uint64_t            size;                       /* 0: not known */
    uint64_t            read;                       /* bytes */
    unsigned            dry_run;
    unsigned            terminal;
    unsigned            shown;                      /* a line of progress */

    uint64_t            lines;
    uint64_t            new;
    uint64_t            duplicates;                 /* dry run: known ids */
    uint64_t            conflicts;
    uint64_t            refused;
    uint64_t            statuses[REFERRAL_EVENT_STATUSES];  /* of new ones */

    unsigned            n;
    ctl_line_t          batch[CTL_BATCH];
    referral_result_t   results[CTL_BATCH];
    char                line[CTL_LINE + 1];
} ctl_import_t;


/* Reads all lines, and hands good ones on to those below. */

ctl_rc_t ctl_import_lines(ctl_import_t *m);

/* Refuses a line. */

void ctl_refuse(ctl_import_t *m, uint64_t line, const char *why);

/* Says something of a line. */

void ctl_say(ctl_import_t *m, uint64_t line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes the event of the last line, and those that wait when it is many. */

ctl_rc_t ctl_import_event(ctl_import_t *m, referral_event_t *event);

/* Instead of that: looks whether it is known. */

ctl_rc_t ctl_import_known(ctl_import_t *m, const referral_event_t *event);

/* Stores what was taken; what is counted is on disk. */

ctl_rc_t ctl_import_apply(ctl_import_t *m);


#endif /* REFERRALCTL_IMPORT_H */
