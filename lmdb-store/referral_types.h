/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Words that every part of the store uses: strings, limits, outcomes.
 */

#ifndef REFERRAL_TYPES_H
#define REFERRAL_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>


#define REFERRAL_PROGRAM_MAX     24      /* bytes of a program name */
#define REFERRAL_CODE_MAX        64      /* bytes of a code */
#define REFERRAL_CHANNEL_MAX     16
#define REFERRAL_LANDING_MAX     128     /* bytes of a landing kept in counters */
#define REFERRAL_OWNER_MAX       128
#define REFERRAL_NAME_MAX        128
#define REFERRAL_URL_MAX         2048    /* bytes of a code's own landing */
#define REFERRAL_CLICK_ID_SIZE   9       /* bytes; 12 characters of base64url */
#define REFERRAL_ID_MAX          128     /* bytes of an order, refund, customer
                                            id and of a reason */
#define REFERRAL_RULE_NAME_MAX   32      /* bytes of the name of an event, tier,
                                            reward or contest */
#define REFERRAL_AMOUNT_MAX      922337203685477    /* minor units; TRUST.md M4:
                                            times 10,000 it fits an int64_t */
#define REFERRAL_DIM_MAX         1000    /* channels, landings per program;
                                            further ones count as "other" */


typedef struct {
    size_t                  len;
    const unsigned char    *data;
} referral_str_t;


/* Zeros are no click. */

static inline int
referral_click_id_none(const unsigned char id[REFERRAL_CLICK_ID_SIZE])
{
    static const unsigned char  none[REFERRAL_CLICK_ID_SIZE];

    return memcmp(id, none, sizeof(none)) == 0;
}


/* Every call that can fail returns one of these. */

typedef enum {
    REFERRAL_OK = 0,
    REFERRAL_NOT_FOUND,
    REFERRAL_EXISTS,            /* a code that had to be new is not */
    REFERRAL_GONE,              /* the code has ended; it is never given again */
    REFERRAL_INVALID,           /* an argument or record breaks a rule */
    REFERRAL_FULL,              /* ring, map or disk is full; try later */
    REFERRAL_BUSY,              /* locked by another process; try later */
    REFERRAL_CORRUPT,           /* the file is not what it should be */
    REFERRAL_VERSION,           /* written by another schema or LMDB format */
    REFERRAL_SYSTEM,            /* a system call failed */
    REFERRAL_BROKEN,            /* the disk failed in a commit: this process
                                   must not write again before a restart */
    REFERRAL_CONFLICT,          /* the id is taken by other content */
    REFERRAL_EXCEEDS,           /* refunds would be more than the amount */
    REFERRAL_CURRENCY,          /* not the currency of the order */
    REFERRAL_STATE,             /* not possible in the state it is in */
    REFERRAL_NO_EVENT           /* the program declares no such event */
} referral_rc_t;

/*
 * What went wrong, for a log line: text is one sentence without a full stop,
 * with the path and, in parentheses, the reason the system gave; sys is that
 * reason's errno, or 0.
 */

typedef struct {
    referral_rc_t           rc;
    int                     sys;
    char                    text[320];
} referral_error_t;


#endif /* REFERRAL_TYPES_H */
