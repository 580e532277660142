/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the page of a share link says by itself, in several languages, and what
 * a program says that has no message of its own.
 */

#ifndef REFERRAL_WORDS_H
#define REFERRAL_WORDS_H

#include "referral_types.h"


typedef struct {
    const char     *tag;            /* of the language */
    const char     *message;        /* with {link} */
    const char     *gift;           /* the same with {reward} */
    const char     *subject;        /* of a mail */
    const char     *title;
    const char     *your_link;
    const char     *your_message;
    const char     *copy;
    const char     *copied;
    const char     *send;           /* by what follows */
    const char     *more;           /* the browser's own ways */
    const char     *scan;           /* describes the QR code */
    const char     *save;           /* it as an image */
    const char     *terms;
} referral_words_t;

/* The first are English. */

#define REFERRAL_NWORDS  8

extern const referral_words_t  referral_words[REFERRAL_NWORDS];


#endif /* REFERRAL_WORDS_H */
