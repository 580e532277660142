/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the matching of user agents and the reading of a program's own lines
 * share.  For these two alone.
 */

#ifndef REFERRAL_AGENTS_H
#define REFERRAL_AGENTS_H

#define PCRE2_CODE_UNIT_WIDTH  8

#include <pcre2.h>

#include "referral_classify.h"
#include "referral_agents_list.h"
#include "referral_nh.h"


#define REFERRAL_AGENT_CACHE    4096        /* entries, a power of two */


/* What was decided of a user agent, which is known by its hash. */

typedef struct {
    referral_nh_t         hash;
    uint8_t               verdict;
    uint8_t               own;
    uint8_t               used;
} referral_agents_entry_t;


struct referral_agents_s {
    pcre2_code           *lists[REFERRAL_LIST_CRAWLER];
    pcre2_code           *any;      /* every list but that of browsers */
    pcre2_code          **own;
    unsigned              nown;
    unsigned              keyed;
    pcre2_match_context  *context;
    pcre2_match_data     *data;
    referral_nh_key_t     key;
    referral_agents_entry_t  cache[REFERRAL_AGENT_CACHE];
};


_Static_assert(REFERRAL_AGENT_BYTES <= REFERRAL_NH_BYTES,
               "a user agent does not fit into its hash");


/* NULL with a phrase in why when the pattern is none. */

pcre2_code *referral_agents_compile(const char *pattern, size_t len,
    uint32_t options, char *why, size_t why_size);

/* Returns 1, 0, or -1 when a limit was hit. */

int referral_agents_run(referral_agents_t *agents, const pcre2_code *code,
    referral_str_t ua, uint32_t options);

/* Adds the lines of text; returns 0 with the line and a phrase in why. */

int referral_agents_read(referral_agents_t *agents, const char *text,
    size_t len, unsigned *line, char *why, size_t why_size);


#endif /* REFERRAL_AGENTS_H */
