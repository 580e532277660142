/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * TAP for the unit tests: every check prints one line, tap_done() prints the
 * plan and is what main() returns.
 */

#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>


static int  tap_count;
static int  tap_failed;


__attribute__((format(printf, 2, 3)))
static inline int
tap_ok(int cond, const char *fmt, ...)
{
    va_list  args;

    tap_count++;

    if (!cond) {
        tap_failed++;
    }

    printf("%sok %d - ", cond ? "" : "not ", tap_count);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");
    fflush(stdout);

    return cond;
}


static inline int
tap_is_str(const void *got, size_t len, const char *want, const char *name)
{
    int  same;

    same = len == strlen(want) && memcmp(got, want, len) == 0;

    tap_ok(same, "%s", name);

    if (!same) {
        printf("#      got: '%.*s'\n# expected: '%s'\n",
               (int) len, (const char *) got, want);
    }

    return same;
}


static inline int
tap_done(void)
{
    printf("1..%d\n", tap_count);

    return tap_failed != 0;
}


#endif /* TAP_H */
