/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Lines in, lines out.  In: method, user agent, Accept, Sec-Purpose,
 * X-Purpose, X-Moz, Sec-Fetch-Dest, Sec-Fetch-Mode, Sec-GPC, separated by
 * tabs, the last ones may be missing.  Out: class, why, and whether GPC is
 * on, separated by tabs.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "referral_classify.h"


static const char *const  classes[] = {
    "human", "crawler", "preview", "prefetch", "scanner", "stuffing", "probe",
    "suspect"
};


static referral_str_t
field(char **rest)
{
    char            *p;
    referral_str_t   s;

    p = strsep(rest, "\t");

    s.data = (unsigned char *) p;
    s.len = (p == NULL) ? 0 : strlen(p);

    return s;
}


static referral_method_t
method(referral_str_t name)
{
    size_t                    i;
    static const char *const  names[] = { "GET", "HEAD", "OPTIONS" };

    for (i = 0; i < 3; i++) {

        if (name.len == strlen(names[i])
            && memcmp(name.data, names[i], name.len) == 0)
        {
            return (referral_method_t) i;
        }
    }

    return REFERRAL_METHOD_OTHER;
}


int
main(void)
{
    char                why[256], *line, *rest;
    size_t              size;
    ssize_t             len;
    unsigned            number;
    referral_why_t      reason;
    referral_class_t    class;
    referral_request_t  req;
    referral_agents_t  *agents;

    agents = referral_agents_create(NULL, 0, &number, why, sizeof(why));

    if (agents == NULL) {
        fprintf(stderr, "built-in list: %s\n", why);
        return 2;
    }

    line = NULL;
    size = 0;

    while ((len = getline(&line, &size, stdin)) != -1) {

        if (len != 0 && line[len - 1] == '\n') {
            line[len - 1] = '\0';
        }

        rest = line;

        memset(&req, 0, sizeof(req));

        req.method = method(field(&rest));
        req.user_agent = field(&rest);
        req.accept = field(&rest);
        req.sec_purpose = field(&rest);
        req.x_purpose = field(&rest);
        req.x_moz = field(&rest);
        req.sec_fetch_dest = field(&rest);
        req.sec_fetch_mode = field(&rest);

        class = referral_classify(&req, agents, &reason);

        printf("%s\t%d\t%d\n", classes[class], (int) reason,
               referral_gpc_on(field(&rest)));
    }

    free(line);
    referral_agents_free(agents);

    return 0;
}
