/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Times as people write them.
 */

#ifndef REFERRAL_TIME_H
#define REFERRAL_TIME_H

#include "referral_types.h"


#define REFERRAL_TIME_MAX  253402300800000  /* ms; the end of the year 9999 */


/*
 * RFC 3339: a date, which is its midnight UTC, or a date-time with Z or an
 * offset; from 1970 to 9999, UTC.  What is finer than a millisecond is cut.
 * 0, or -1 when it is no such thing.
 */

int referral_time_parse(referral_str_t text, int64_t *ms);


#endif /* REFERRAL_TIME_H */
