/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The regex of a link: a path in, a code and a channel out.  No nginx; PCRE2
 * compiled to machine code where it can be, with limits of its own, so that
 * no path makes a match slow.  One thread at a time per pattern.
 */

#ifndef REFERRAL_PATTERN_H
#define REFERRAL_PATTERN_H

#include "referral_store.h"


#define REFERRAL_PATTERN_SUBJECT    2048    /* bytes of a path worth a match */

typedef struct referral_pattern_s  referral_pattern_t;


/*
 * Compiles a regex with a group named "code" and, maybe, one named "channel".
 * NULL with a phrase in why when it is none.
 */

referral_pattern_t *referral_pattern_create(referral_str_t regex, char *why,
    size_t why_size);
void referral_pattern_free(referral_pattern_t *pattern);

/*
 * Returns 1 with what the groups matched, as parts of path (empty: nothing),
 * 0 when the path does not match, -1 when a limit was hit.
 */

int referral_pattern_match(const referral_pattern_t *pattern,
    referral_str_t path, referral_str_t *code, referral_str_t *channel);

/* Whether some path that begins like that could match; -1: a limit was hit. */

int referral_pattern_begins(const referral_pattern_t *pattern,
    referral_str_t path);


#endif /* REFERRAL_PATTERN_H */
