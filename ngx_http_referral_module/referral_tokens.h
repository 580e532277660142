/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Tokens of the endpoint: a file of "name scope hash" lines, where hash is
 * the SHA-256 of a token in hex, so the file holds no secret.  Pure
 * functions, no nginx.
 */

#ifndef REFERRAL_TOKENS_H
#define REFERRAL_TOKENS_H

#include <stddef.h>


#define REFERRAL_TOKENS_MAX      256        /* lines in one file */
#define REFERRAL_TOKEN_NAME_MAX  64         /* [A-Za-z0-9._-] */

/* Each scope has the rights of those before it. */

typedef enum {
    REFERRAL_SCOPE_NONE = 0,
    REFERRAL_SCOPE_READ,
    REFERRAL_SCOPE_WRITE,
    REFERRAL_SCOPE_ADMIN
} referral_scope_t;

typedef struct referral_tokens_s  referral_tokens_t;


/*
 * Parses the text of a token file.  Fields are separated by spaces or tabs;
 * empty lines and lines that begin with "#" are skipped.  On failure returns
 * NULL with the number of the line (0: the file as a whole) and a phrase.
 */

referral_tokens_t *referral_tokens_parse(const char *text, size_t len,
    unsigned *line, const char **why);

void referral_tokens_free(referral_tokens_t *tokens);

/*
 * The scope of a token, REFERRAL_SCOPE_NONE when it is not in the file.  All
 * hashes are compared, each in constant time, whichever matches.
 */

referral_scope_t referral_tokens_check(const referral_tokens_t *tokens,
    const void *token, size_t len);

/* "read", "write", "admin"; or "none". */

const char *referral_scope_name(referral_scope_t scope);


#endif /* REFERRAL_TOKENS_H */
