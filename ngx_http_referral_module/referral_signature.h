/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Signed bodies: the header Referral-Signature, "t=TIME,v1=HEX", where HEX is
 * HMAC-SHA256(secret, TIME "." body) in lower case and TIME is seconds since
 * 1970.  Several v1 are tried against each of several secrets, so that a
 * secret can be replaced without a moment at which nothing fits; items of
 * other names are passed over.  Pure functions, no nginx.
 */

#ifndef REFERRAL_SIGNATURE_H
#define REFERRAL_SIGNATURE_H

#include "referral_types.h"


#define REFERRAL_SECRETS_MAX           8        /* lines in one file */
#define REFERRAL_SIGNING_SECRET_MIN    16       /* bytes */
#define REFERRAL_SIGNING_SECRET_MAX    512
#define REFERRAL_SIGNATURE_TOLERANCE   300      /* seconds, both ways */
#define REFERRAL_SIGNATURE_CANDIDATES  8        /* v1 in one header */

typedef struct referral_secrets_s  referral_secrets_t;


/*
 * Parses the text of a file of secrets, one per line, as they are; blanks at
 * the ends of a line are not part of it, empty lines and lines that begin
 * with "#" are skipped.  On failure returns NULL with the number of the line
 * (0: the file as a whole) and a phrase that never holds a secret.  The text
 * is the caller's to wipe.
 */

referral_secrets_t *referral_secrets_parse(const char *text, size_t len,
    unsigned *line, const char **why);

/* Wipes and frees. */

void referral_secrets_free(referral_secrets_t *secrets);

/*
 * Checks the header of a body, at a time in seconds.  NULL: it is valid;
 * else a phrase for the log, what is wrong.  All candidates are compared, each
 * in constant time, whichever matches.
 */

const char *referral_signature_wrong(const referral_secrets_t *secrets,
    referral_str_t header, int64_t now, const void *body, size_t len);


#endif /* REFERRAL_SIGNATURE_H */
