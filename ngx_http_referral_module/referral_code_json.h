/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Fields of a code as JSON: the same rules for the endpoint and for
 * `referralctl import`.
 */

#ifndef REFERRAL_CODE_JSON_H
#define REFERRAL_CODE_JSON_H

#include "referral_records.h"

#include <jansson.h>


/* [A-Za-z0-9][A-Za-z0-9_-]{0,63} */

#define REFERRAL_CODE_WRONG                                                   \
    "it is not a letter or digit and up to 63 of [A-Za-z0-9_-]"

unsigned referral_code_right(referral_str_t code);

/* NULL, or what is wrong with the owner of a code. */

const char *referral_owner_wrong(referral_str_t owner);

/*
 * One member of an object into a change: code, owner, kind, name, landing or
 * status; strings point into the value.  NULL, or what is wrong: "it ...".
 */

const char *referral_code_field(const char *name, json_t *value,
    referral_code_change_t *change);


#endif /* REFERRAL_CODE_JSON_H */
