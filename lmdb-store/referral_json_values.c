/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_event_json.h"
#include "referral_time.h"


size_t
referral_utf8(const unsigned char *p, size_t n)
{
    size_t    i, len;
    uint32_t  u;

    static const uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    if (*p < 0x80) {
        return 1;
    }

    len = (*p >= 0xf0) ? 4 : (*p >= 0xe0) ? 3 : 2;

    if (*p < 0xc2 || *p > 0xf4 || len > n) {
        return 0;
    }

    u = *p & (0x7fU >> len);

    for (i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        u = u << 6 | (p[i] & 0x3fU);
    }

    return (u < least[len] || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
           ? 0 : len;
}


static const char *
text_wrong(referral_str_t text, size_t max)
{
    size_t  i, n;

    if (text.len == 0 || text.len > max) {
        return "it is not 1 to 128 bytes long";
    }

    for (i = 0; i < text.len; i += n) {
        n = referral_utf8(text.data + i, text.len - i);

        if (n == 0 || text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return "it has control characters or is not UTF-8";
        }
    }

    return NULL;
}


const char *
referral_id_wrong(referral_str_t id)
{
    const char  *message;

    message = text_wrong(id, REFERRAL_ID_MAX);

    if (message != NULL) {
        return message;
    }

    if (id.data[0] == ' ' || id.data[id.len - 1] == ' ') {
        return "it begins or ends with a space";
    }

    return NULL;
}


const char *
referral_json_string(json_t *value, referral_str_t *out)
{
    if (!json_is_string(value)) {
        return "it is not a string";
    }

    out->len = json_string_length(value);
    out->data = (const unsigned char *) json_string_value(value);

    return NULL;
}


const char *
referral_json_id(json_t *value, referral_str_t *out)
{
    const char  *message;

    message = referral_json_string(value, out);

    return message ? message : referral_id_wrong(*out);
}


const char *
referral_json_reason(json_t *value, referral_str_t *out)
{
    const char  *message;

    message = referral_json_string(value, out);

    return message ? message : text_wrong(*out, REFERRAL_ID_MAX);
}


const char *
referral_json_currency(json_t *value, const referral_currency_t **currency)
{
    const char      *message;
    referral_str_t   alpha;

    message = referral_json_string(value, &alpha);

    if (message != NULL) {
        return message;
    }

    *currency = referral_currency_find(alpha);

    return *currency ? NULL
                     : "it is no current ISO 4217 code with a minor unit, in "
                       "upper case";
}


const char *
referral_json_amount(json_t *value, const referral_currency_t *currency,
    int64_t *amount)
{
    json_int_t      n;
    referral_str_t  text;

    if (json_is_string(value)) {
        (void) referral_json_string(value, &text);

        if (currency == NULL) {
            return "as a string it must have a currency beside it";
        }

        return (referral_money_parse(text, currency, amount) == 0)
               ? NULL
               : "it is not a decimal number in major units, with no more "
                 "digits than the currency has, up to the limit";
    }

    if (!json_is_integer(value)) {
        return "it is not an integer of minor units, nor a string in major "
               "units";
    }

    n = json_integer_value(value);

    if (n < 0 || n > REFERRAL_AMOUNT_MAX) {
        return "it is not 0 to 922337203685477";
    }

    *amount = n;

    return NULL;
}


const char *
referral_json_time(json_t *value, int64_t *ms)
{
    const char      *message;
    referral_str_t   text;

    message = referral_json_string(value, &text);

    if (message != NULL) {
        return message;
    }

    return (referral_time_parse(text, ms) == 0 && *ms > 0)
           ? NULL : "it is not an RFC 3339 date or date-time since 1970";
}
