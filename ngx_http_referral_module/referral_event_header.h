/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The header X-Referral-Event: events as a storefront tells them in its own
 * answer.
 *
 *   purchase; order_id="1001"; amount=4999; currency=EUR; customer_id="u9"
 *
 * The name of an event, then its parameters: order_id, amount, currency,
 * customer_id, occurred_at, code, each once at most.  A value is a token, or
 * a string in quotes, in which \" and \\ stand for " and \ (RFC 9651).  As in
 * JSON, an amount of digits is in minor units, a string in major units.  Events
 * may be joined by commas, as anybody may join headers of one name.
 */

#ifndef REFERRAL_EVENT_HEADER_H
#define REFERRAL_EVENT_HEADER_H

#include "referral_types.h"

#include <jansson.h>


#define REFERRAL_EVENT_HEADER_MAX  2048     /* bytes of one header */
#define REFERRAL_EVENT_VALUE_MAX   128      /* bytes of a value, unquoted */


/*
 * The next event of a header, from *pos on, which starts at 0: 1 with it as
 * the object that would be posted as JSON, for referral_event_json() to
 * judge; 0 at the end; -1 when the header is not well-formed, *wrong saying
 * what is wrong, and no event of it counts.  *object, also what there was of
 * it until the mistake, is the caller's to json_decref(), or NULL.
 */

int referral_event_header_next(referral_str_t header, size_t *pos,
    json_t **object, const char **wrong);


#endif /* REFERRAL_EVENT_HEADER_H */
