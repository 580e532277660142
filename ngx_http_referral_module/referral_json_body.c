/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_json_body.h"


static const char *referral_json_limits(const unsigned char *p, size_t len);
static size_t referral_json_quoted(const unsigned char *p, size_t len);
static const char *referral_json_none(const json_error_t *error);


json_t *
referral_json_body(referral_str_t text, const char **wrong)
{
    json_t        *value;
    json_error_t   error;

    /* jansson would take a NUL as the end, whatever comes behind it */

    *wrong = (text.len != 0 && memchr(text.data, '\0', text.len) != NULL)
             ? "there is a NUL byte in it"
             : referral_json_limits(text.data, text.len);

    if (*wrong != NULL) {
        return NULL;
    }

    value = json_loadb((const char *) text.data, text.len,
                       JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, &error);

    if (value == NULL
        && json_error_code(&error) == json_error_numeric_overflow)
    {
        /* its field refuses it */

        value = json_loadb((const char *) text.data, text.len,
                           JSON_REJECT_DUPLICATES|JSON_DECODE_ANY
                           |JSON_DECODE_INT_AS_REAL, &error);
    }

    if (value == NULL) {
        *wrong = referral_json_none(&error);
    }

    return value;
}


/* Some of it would be JSON, but says one thing to one reader, another to
   another. */

static const char *
referral_json_none(const json_error_t *error)
{
    switch (json_error_code(error)) {

    case json_error_duplicate_key:
        return "an object has a name twice";

    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "there is a NUL in a string";

    default:
        return "this is not JSON";
    }
}


/* Looks before jansson allocates; whether it is JSON is not decided here. */

static const char *
referral_json_limits(const unsigned char *p, size_t len)
{
    size_t    i, n;
    unsigned  depth, items;

    depth = 0;
    items = 0;

    for (i = 0; i < len; i++) {

        switch (p[i]) {

        case '"':
            n = referral_json_quoted(p + i + 1, len - i - 1);

            if (n > REFERRAL_JSON_STRING) {
                return "a string is longer than 4096 bytes";
            }

            i += n + 1;
            break;

        case '{':
        case '[':
            if (++depth > REFERRAL_JSON_DEPTH) {
                return "objects and arrays are nested deeper than 8";
            }

            break;

        case '}':
        case ']':
            depth -= (depth > 0);
            break;

        case ',':
            if (++items == REFERRAL_JSON_ITEMS) {
                return "there are more than 64 members";
            }

            break;
        }
    }

    return NULL;
}


/* The bytes up to the quote that ends a string. */

static size_t
referral_json_quoted(const unsigned char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len && p[i] != '"'; i++) {
        if (p[i] == '\\') {
            i++;
        }
    }

    return (i < len) ? i : len;
}
