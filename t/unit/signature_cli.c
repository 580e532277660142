/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Lines in, lines out.  In: "SECRETS TAB NOW TAB HEADER TAB BODY", secrets
 * separated by commas.  Out: "valid", or what is wrong.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_signature.h"


static const char *
answer(char *secrets, long long now, const char *header, const char *body)
{
    char                *p;
    unsigned             line;
    const char          *why;
    referral_str_t       s;
    referral_secrets_t  *parsed;

    for (p = secrets; *p; p++) {
        if (*p == ',') {
            *p = '\n';
        }
    }

    parsed = referral_secrets_parse(secrets, strlen(secrets), &line, &why);

    if (parsed == NULL) {
        return why;
    }

    s.data = (const unsigned char *) header;
    s.len = strlen(header);

    why = referral_signature_wrong(parsed, s, now, body, strlen(body));

    referral_secrets_free(parsed);

    return why ? why : "valid";
}


int
main(void)
{
    int       i;
    char     *line, *p, *field[4];
    size_t    size;
    ssize_t   n;

    line = NULL;
    size = 0;

    while ((n = getline(&line, &size, stdin)) != -1) {
        line[n - (line[n - 1] == '\n')] = '\0';

        for (i = 0, p = line; i < 4; i++) {
            field[i] = strsep(&p, "\t");

            if (field[i] == NULL) {
                return 2;
            }
        }

        printf("%s\n", answer(field[0], atoll(field[1]), field[2], field[3]));
    }

    free(line);

    return 0;
}
