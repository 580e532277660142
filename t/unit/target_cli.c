/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Lines in, lines out.  In: a raw value of ?to=.  Out: where it leads on a
 * site whose links are ^/r/[A-Za-z0-9], or "landing".
 */

#define _GNU_SOURCE
#define PCRE2_CODE_UNIT_WIDTH  8

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_target.h"


static int
is_link(const pcre2_code *link, pcre2_match_data *data, referral_str_t target)
{
    int             rc;
    size_t          len;
    unsigned char  *path;

    path = malloc(target.len);

    if (path == NULL) {
        abort();
    }

    len = referral_to_path(target, path);
    rc = pcre2_match(link, path, len, 0, 0, data, NULL);
    free(path);

    return rc != PCRE2_ERROR_NOMATCH;
}


int
main(void)
{
    int                rc;
    char              *line;
    size_t             size, offset, len;
    ssize_t            n;
    pcre2_code        *link;
    unsigned char     *out;
    referral_str_t     raw, target;
    pcre2_match_data  *data;

    link = pcre2_compile((PCRE2_SPTR) "^/r/[A-Za-z0-9]", PCRE2_ZERO_TERMINATED,
                         0, &rc, &offset, NULL);
    data = pcre2_match_data_create(1, NULL);

    line = NULL;
    size = 0;

    while ((n = getline(&line, &size, stdin)) != -1) {
        raw.data = (unsigned char *) line;
        raw.len = (size_t) n - (line[n - 1] == '\n');

        out = malloc(raw.len + 1);

        if (out == NULL || link == NULL || data == NULL) {
            return 2;
        }

        rc = referral_to_decode(raw, out, &len);

        target.data = out;
        target.len = len;

        if (rc && !is_link(link, data, target)) {
            printf("%.*s\n", (int) len, out);

        } else {
            printf("landing\n");
        }

        free(out);
    }

    free(line);
    pcre2_match_data_free(data);
    pcre2_code_free(link);

    return 0;
}
