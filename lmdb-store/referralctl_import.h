/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * An import: referralctl_import.c opens and stores, _lines.c reads, _orders.c
 * and _codes.c know what a line is.
 */

#ifndef REFERRALCTL_IMPORT_H
#define REFERRALCTL_IMPORT_H

#include <stdio.h>

#include "referralctl.h"


#define CTL_LINE      16384     /* bytes of a line, at most */
#define CTL_BATCH     1000      /* records of a transaction */
#define CTL_ENTRIES   2         /* records of a line, at most */


typedef struct ctl_import_s  ctl_import_t;

/* A record that was taken and waits for its result. */

typedef struct {
    uint64_t            number;                     /* of its line */
    uint64_t            seq;
    unsigned            counted;                    /* the first of a line */
    size_t              len;
    unsigned char       order_id[REFERRAL_ID_MAX];
} ctl_line_t;

typedef struct {
    const char         *name;
    const char         *key;                        /* a column of its CSV */

    /* Refuses it, counts it or hands records to ctl_import_put(). */

    ctl_rc_t          (*line)(ctl_import_t *m, json_t *object);
    void              (*result)(ctl_import_t *m, const ctl_line_t *line,
                                const referral_result_t *result);
    json_t           *(*summary)(const ctl_import_t *m);
    ctl_rc_t          (*end)(ctl_import_t *m);      /* or NULL */
} ctl_import_kind_t;

struct ctl_import_s {
    const ctl_import_kind_t  *kind;
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
    unsigned            csv;
    unsigned            ncolumns;
    char                columns[CTL_LINE + 1];      /* names, each terminated */

    uint64_t            lines;
    uint64_t            new;
    uint64_t            duplicates;                 /* dry run: known ids */
    uint64_t            changed;
    uint64_t            conflicts;
    uint64_t            refused;
    uint64_t            statuses[REFERRAL_EVENT_STATUSES];  /* of new ones */
    unsigned            ours;                       /* the last line's order:
                                                       of an import, not of
                                                       somebody else */
    int64_t             refunded;                   /* of it, so far */

    unsigned            n;
    ctl_line_t          batch[CTL_BATCH];
    referral_result_t   results[CTL_BATCH];
    char                line[CTL_LINE + 1];
};


extern const ctl_import_kind_t  ctl_import_orders;
extern const ctl_import_kind_t  ctl_import_codes;

/* Reads all lines. */

ctl_rc_t ctl_import_lines(ctl_import_t *m);

/* Refuses a line. */

void ctl_refuse(ctl_import_t *m, uint64_t line, const char *why);

/* Says something of a line. */

void ctl_say(uint64_t line, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether an object was written by export, which tells more than it takes. */

unsigned ctl_exported(json_t *object, const char *key,
    const char *const *told);

/*
 * Takes a record of the last line; counted: its result counts as the line's.
 * A record that follows from another is told of only when it is refused.
 */

ctl_rc_t ctl_import_put(ctl_import_t *m, referral_record_t *record,
    unsigned counted);

/* Stores what was taken; what is counted is on disk. */

ctl_rc_t ctl_import_apply(ctl_import_t *m);


#endif /* REFERRALCTL_IMPORT_H */
