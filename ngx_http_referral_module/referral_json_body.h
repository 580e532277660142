/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * JSON as the endpoint takes it: less than what is JSON.
 */

#ifndef REFERRAL_JSON_BODY_H
#define REFERRAL_JSON_BODY_H

#include "referral_types.h"

#include <jansson.h>


#define REFERRAL_JSON_DEPTH   8
#define REFERRAL_JSON_ITEMS   64
#define REFERRAL_JSON_STRING  4096      /* bytes, as they are written */


/*
 * A body into a value, which is the caller's to json_decref(); NULL with what
 * is wrong.  An integer of any length is JSON, and a number that is no integer
 * then.
 */

json_t *referral_json_body(referral_str_t text, const char **wrong);


#endif /* REFERRAL_JSON_BODY_H */
