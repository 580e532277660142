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

/*
 * The same the other way: "2026-11-22T10:00:00Z", whose first ten are the
 * date, not terminated; its length, or 0 when it is none of these years.
 */

#define REFERRAL_TIME_TEXT  20
#define REFERRAL_DATE_TEXT  10

size_t referral_time_text(int64_t ms, char text[REFERRAL_TIME_TEXT]);


#endif /* REFERRAL_TIME_H */
