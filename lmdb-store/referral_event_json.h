/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Events and refunds as JSON, DESIGN.md section 7, "Conversion in": the same
 * rules for the endpoint and for `referralctl import`.
 */

#ifndef REFERRAL_EVENT_JSON_H
#define REFERRAL_EVENT_JSON_H

#include "referral_money.h"
#include "referral_records.h"
#include "referral_rules.h"

#include <jansson.h>


#define REFERRAL_FIELD_ERRORS  16       /* further ones are not kept */

typedef struct {
    referral_str_t           field;
    const char              *message;   /* what is wrong with it: "it ..." */
} referral_field_error_t;

typedef struct {
    unsigned                 nerrors;
    referral_field_error_t   errors[REFERRAL_FIELD_ERRORS];
} referral_field_errors_t;

typedef struct {
    referral_event_t         event;     /* program, source, draw, token and
                                           touches are the caller's to set */
    referral_str_t           token;     /* to be verified; empty: none */
    referral_field_errors_t  wrong;
} referral_event_json_t;


/*
 * An object into an event; strings point into the object, and names of wrong
 * fields too.  It is right when wrong.nerrors is 0.
 */

void referral_event_json(json_t *object, referral_event_json_t *out);

/*
 * What the rules of the program say about it: adds an error for an event they
 * do not declare, and for one that needs a customer and has none.
 */

void referral_event_json_rules(const referral_rules_t *rules,
    referral_event_json_t *out);

typedef struct {
    referral_refund_t        refund;    /* program and order_id are the
                                           caller's to set */
    json_t                  *amount;    /* not NULL: text, and its currency was
                                           not told */
    referral_field_errors_t  wrong;
} referral_refund_json_t;

void referral_refund_json(json_t *object, referral_refund_json_t *out);

/* Reads such an amount, by the currency of its order; NULL: not known. */

void referral_refund_json_amount(referral_refund_json_t *out,
    const referral_currency_t *currency);

/* The field must outlive the errors. */

void referral_field_error(referral_field_errors_t *errors,
    const char *field, const char *message);


/*
 * The pieces.  NULL: right; else what is wrong.
 */

/*
 * An id of an order, a refund or a customer: exact bytes, 1 to 128 of UTF-8,
 * no control characters, no space at either end (TRUST.md F9).
 */

const char *referral_id_wrong(referral_str_t id);

/* The length of the character at p, of n bytes; 0 when it is not UTF-8. */

size_t referral_utf8(const unsigned char *p, size_t n);

/* A string into bytes. */

const char *referral_json_string(json_t *value, referral_str_t *out);
const char *referral_json_id(json_t *value, referral_str_t *out);

/* 1 to 128 bytes without control characters. */

const char *referral_json_reason(json_t *value, referral_str_t *out);
const char *referral_json_currency(json_t *value,
    const referral_currency_t **currency);

/* A string is in major units of the currency, which NULL makes wrong. */

const char *referral_json_amount(json_t *value,
    const referral_currency_t *currency, int64_t *amount);

/* RFC 3339 date or date-time, since 1970; ms. */

const char *referral_json_time(json_t *value, int64_t *ms);


#endif /* REFERRAL_EVENT_JSON_H */
