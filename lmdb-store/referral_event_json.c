/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_event_json.h"


typedef const char *(*field_pt)(json_t *value, void *data);

typedef struct {
    const char  *name;
    field_pt     handler;               /* NULL: needs other fields */
    unsigned     required;
} field_t;


/* Set when it is right only: what is wrong needs no second error. */

static const char *
field_event(json_t *value, void *data)
{
    referral_event_json_t *out = data;

    const char      *message;
    referral_str_t   name;

    message = referral_json_string(value, &name);

    if (message != NULL) {
        return message;
    }

    if (name.len == 0 || name.len > REFERRAL_RULE_NAME_MAX) {
        return "it is not 1 to 32 bytes long";
    }

    if (referral_rules_click(name)) {
        return "it counts links followed, nobody can report it";
    }

    out->event.event = name;

    return NULL;
}


static const char *
field_order_id(json_t *value, void *data)
{
    referral_event_json_t *out = data;

    return referral_json_id(value, &out->event.order_id);
}


static const char *
field_customer_id(json_t *value, void *data)
{
    referral_event_json_t *out = data;

    return referral_json_id(value, &out->event.customer);
}


static const char *
field_token(json_t *value, void *data)
{
    referral_event_json_t *out = data;

    return referral_json_string(value, &out->token);
}


static const char *
field_code(json_t *value, void *data)
{
    referral_event_json_t *out = data;

    size_t           i;
    const char      *message;
    unsigned char    c;
    referral_str_t   code;

    message = referral_json_string(value, &code);

    if (message != NULL) {
        return message;
    }

    for (i = 0; i < code.len; i++) {
        c = code.data[i];

        if (i == REFERRAL_CODE_MAX
            || (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z')
                && !(c >= 'a' && c <= 'z')
                && (i == 0 || (c != '_' && c != '-'))))
        {
            return "it is not a letter or digit and up to 63 of [A-Za-z0-9_-]";
        }
    }

    out->event.coupon = code;

    return NULL;
}


static int
sextet(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') ? c - 'A'
           : (c >= 'a' && c <= 'z') ? c - 'a' + 26
           : (c >= '0' && c <= '9') ? c - '0' + 52
           : (c == '-') ? 62 : (c == '_') ? 63 : -1;
}


/* 12 characters of base64url are 9 bytes, with no bit left over. */

static const char *
field_click_id(json_t *value, void *data)
{
    referral_event_json_t *out = data;

    int              n;
    size_t           i;
    uint32_t         bits;
    unsigned char   *p, set;
    const char      *message;
    referral_str_t   text;

    message = referral_json_string(value, &text);

    if (message != NULL || text.len == 0) {
        return message;
    }

    p = out->event.click_id;
    bits = 0;
    set = 0;

    for (i = 0; i < text.len && i < 12; i++) {
        n = sextet(text.data[i]);

        if (n < 0) {
            break;
        }

        bits = bits << 6 | (uint32_t) n;

        if (i % 4 == 3) {
            *p++ = (unsigned char) (bits >> 16);
            *p++ = (unsigned char) (bits >> 8);
            *p++ = (unsigned char) bits;
            set |= (bits & 0xffffff) != 0;
            bits = 0;
        }
    }

    return (i == 12 && text.len == 12 && set) ? NULL : "it is no click id";
}


static const char *
field_occurred_at(json_t *value, void *data)
{
    referral_event_json_t *out = data;

    out->event.flags |= REFERRAL_EVENT_DATED;

    return referral_json_time(value, &out->event.occurred);
}


static const field_t  event_fields[] = {
    { "event", field_event, 1 },
    { "order_id", field_order_id, 1 },
    { "customer_id", field_customer_id, 0 },
    { "token", field_token, 0 },
    { "code", field_code, 0 },
    { "click_id", field_click_id, 0 },
    { "occurred_at", field_occurred_at, 0 },
    { "amount", NULL, 0 },
    { "currency", NULL, 0 },
    { NULL, NULL, 0 }
};


static const char *
field_refund_id(json_t *value, void *data)
{
    referral_refund_json_t *out = data;

    return referral_json_id(value, &out->refund.refund_id);
}


static const char *
field_reason(json_t *value, void *data)
{
    referral_refund_json_t *out = data;

    return referral_json_reason(value, &out->refund.reason);
}


static const char *
field_currency(json_t *value, void *data)
{
    referral_refund_json_t *out = data;

    const char                 *message;
    const referral_currency_t  *currency;

    message = referral_json_currency(value, &currency);

    if (message == NULL) {
        out->refund.currency = currency->number;
        out->refund.flags |= REFERRAL_REFUND_CURRENCY;
    }

    return message;
}


static const field_t  refund_fields[] = {
    { "refund_id", field_refund_id, 1 },
    { "amount", NULL, 0 },
    { "currency", field_currency, 0 },
    { "reason", field_reason, 0 },
    { NULL, NULL, 0 }
};


void
referral_field_error(referral_field_errors_t *errors, const char *field,
    const char *message)
{
    referral_field_error_t  *error;

    if (errors->nerrors == REFERRAL_FIELD_ERRORS) {
        return;
    }

    error = &errors->errors[errors->nerrors++];

    error->field.len = strlen(field);
    error->field.data = (const unsigned char *) field;
    error->message = message;
}


/* null is as if it were not there. */

static json_t *
member(json_t *object, const char *name)
{
    json_t  *value;

    value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}


static void
money(json_t *object, referral_event_json_t *out)
{
    json_t                     *amount, *code;
    const char                 *message;
    const referral_currency_t  *currency;

    amount = member(object, "amount");
    code = member(object, "currency");

    if (amount == NULL && code == NULL) {
        return;
    }

    if (amount == NULL) {
        referral_field_error(&out->wrong, "amount",
                             "it is required beside a currency");
        return;
    }

    currency = NULL;
    message = (code == NULL) ? "it is required beside an amount"
                             : referral_json_currency(code, &currency);

    if (message != NULL) {
        referral_field_error(&out->wrong, "currency", message);

        if (json_is_string(amount)) {
            return;
        }
    }

    message = referral_json_amount(amount, currency, &out->event.amount);

    if (message != NULL) {
        referral_field_error(&out->wrong, "amount", message);
        return;
    }

    if (currency != NULL) {
        out->event.currency = currency->number;
        out->event.flags |= REFERRAL_EVENT_AMOUNT;
    }
}


static void
unknown_fields(json_t *object, const field_t *fields,
    referral_field_errors_t *wrong)
{
    void           *p;
    const char     *name;
    const field_t  *field;

    for (p = json_object_iter(object); p;
         p = json_object_iter_next(object, p))
    {
        name = json_object_iter_key(p);

        for (field = fields; field->name != NULL; field++) {
            if (strcmp(field->name, name) == 0) {
                break;
            }
        }

        if (field->name == NULL) {
            referral_field_error(wrong, name, "there is no such field");
        }
    }
}


static void
read_fields(json_t *object, const field_t *fields, void *out,
    referral_field_errors_t *wrong)
{
    json_t         *value;
    const char     *message;
    const field_t  *field;

    for (field = fields; field->name != NULL; field++) {
        value = member(object, field->name);
        message = NULL;

        if (value == NULL) {
            message = field->required ? "it is missing" : NULL;

        } else if (field->handler != NULL) {
            message = field->handler(value, out);
        }

        if (message != NULL) {
            referral_field_error(wrong, field->name, message);
        }
    }

    unknown_fields(object, fields, wrong);
}


void
referral_event_json(json_t *object, referral_event_json_t *out)
{
    memset(out, 0, sizeof(referral_event_json_t));

    read_fields(object, event_fields, out, &out->wrong);
    money(object, out);
}


void
referral_event_json_rules(const referral_rules_t *rules,
    referral_event_json_t *out)
{
    int  i;

    if (out->event.event.len == 0) {
        return;
    }

    i = referral_rules_find(rules->events, sizeof(referral_event_rule_t),
                            rules->nevents, out->event.event);

    if (i < 0) {
        referral_field_error(&out->wrong, "event",
                             "the program declares no such event");
        return;
    }

    if (rules->events[i].once == REFERRAL_ONCE_CUSTOMER
        && out->event.customer.len == 0)
    {
        referral_field_error(&out->wrong, "customer_id",
                      "this event counts once a customer and must have it");
    }
}


void
referral_refund_json(json_t *object, referral_refund_json_t *out)
{
    const referral_currency_t  *currency;

    memset(out, 0, sizeof(referral_refund_json_t));

    read_fields(object, refund_fields, out, &out->wrong);

    out->amount = member(object, "amount");

    if (out->amount == NULL) {
        out->refund.flags |= REFERRAL_REFUND_WHOLE;
        return;
    }

    currency = (out->refund.flags & REFERRAL_REFUND_CURRENCY)
               ? referral_currency_number(out->refund.currency) : NULL;

    if (currency != NULL || !json_is_string(out->amount)) {
        referral_refund_json_amount(out, currency);
    }
}


void
referral_refund_json_amount(referral_refund_json_t *out,
    const referral_currency_t *currency)
{
    const char  *message;

    message = referral_json_amount(out->amount, currency,
                                   &out->refund.amount);

    if (message == NULL && out->refund.amount == 0) {
        message = "it is not more than 0; without it, all is refunded";
    }

    if (message != NULL) {
        referral_field_error(&out->wrong, "amount", message);
    }

    out->amount = NULL;
}
