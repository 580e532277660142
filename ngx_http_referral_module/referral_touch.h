/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Touches: the links a visitor followed, of which the first and the last are
 * kept.  Pure functions, no nginx.
 */

#ifndef REFERRAL_TOUCH_H
#define REFERRAL_TOUCH_H

#include "referral_store.h"


#define REFERRAL_CLOCK_SKEW    300          /* seconds a touch may be ahead */
#define REFERRAL_CLICK_ID_LEN  12


/* What is behind the end of a field is not defined. */

typedef struct {
    unsigned char       code_len;
    unsigned char       channel_len;
    unsigned char       click_len;          /* 0 or REFERRAL_CLICK_ID_LEN */
    unsigned char       code[REFERRAL_CODE_MAX];
    unsigned char       channel[REFERRAL_CHANNEL_MAX];
    unsigned char       click[REFERRAL_CLICK_ID_LEN];
    int64_t             time;               /* seconds since 1970 */
} referral_touch_t;

typedef struct {
    referral_touch_t    first;
    referral_touch_t    last;               /* first and last may be equal */
} referral_touches_t;


/*
 * What the cookie remembers after a new touch.  old may be NULL or be out.
 * Expired touches of old are dropped.  own_site: the link was followed from a
 * page of the same origin, which never overwrites another code.  By model
 * first, the only code there is again changes nothing.  Codes are compared
 * byte by byte.  Returns 1 when the cookie has to be set.
 */

int referral_touch_decide(const referral_touches_t *old,
    const referral_touch_t *touch, referral_model_t model, int64_t now,
    int64_t window, int own_site, referral_touches_t *out);

/* The touch that gets the credit by the model. */

const referral_touch_t *referral_touch_credited(
    const referral_touches_t *touches, referral_model_t model);

/* Whether it can be written: its code, channel and click id, its time. */

int referral_touch_valid(const referral_touch_t *touch);

/* Later than a clock that is a little behind would have it. */

int referral_touch_ahead(const referral_touch_t *touch, int64_t now);

int referral_touch_same(const referral_touch_t *a, const referral_touch_t *b);

/*
 * Puts the touch that is kept in place of one that is not.  Returns 0, and
 * changes nothing, when neither is.  A clock that was set back may have made
 * the first touch the younger one.
 */

int referral_touches_keep(referral_touches_t *touches, int first, int last);

/* Keeps those that are within the window. */

int referral_touches_alive(referral_touches_t *touches, int64_t now,
    int64_t window);


#endif /* REFERRAL_TOUCH_H */
