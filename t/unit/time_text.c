/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Times as text, beside those of the C library.
 */

#include <time.h>

#include "referral_time.h"
#include "tap.h"


static int
like_strftime(int64_t ms)
{
    char       text[REFERRAL_TIME_TEXT], other[32];
    time_t     t;
    struct tm  tm;

    t = (time_t) (ms / 1000);

    return referral_time_text(ms, text) == REFERRAL_TIME_TEXT
           && gmtime_r(&t, &tm) != NULL
           && strftime(other, sizeof(other), "%Y-%m-%dT%H:%M:%SZ", &tm)
              == REFERRAL_TIME_TEXT
           && memcmp(text, other, REFERRAL_TIME_TEXT) == 0;
}


int
main(void)
{
    char            text[REFERRAL_TIME_TEXT];
    int64_t         ms, parsed;
    unsigned        good;
    referral_str_t  str;

    good = 0;

    /* each day, at another time of it */

    for (ms = 0; ms < REFERRAL_TIME_MAX; ms += 86400999) {
        good += !like_strftime(ms);
    }

    tap_ok(good == 0, "of each day until the year 9999");

    tap_ok(like_strftime(0) && like_strftime(86399999)
           && like_strftime(REFERRAL_TIME_MAX - 1), "the first and the last");
    tap_ok(referral_time_text(-1, text) == 0
           && referral_time_text(REFERRAL_TIME_MAX, text) == 0
           && referral_time_text(INT64_MIN, text) == 0
           && referral_time_text(INT64_MAX, text) == 0, "none before or after");

    str.data = (unsigned char *) text;
    str.len = referral_time_text(1700000000123, text);
    tap_ok(referral_time_parse(str, &parsed) == 0 && parsed == 1700000000000,
           "what was written is read");

    return tap_done();
}
