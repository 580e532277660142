/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_event_header.h"


typedef struct {
    const unsigned char  *p;
    const unsigned char  *last;
} referral_cursor_t;

typedef struct {
    size_t                len;
    char                  text[REFERRAL_EVENT_VALUE_MAX];
    unsigned              quoted:1;
} referral_value_t;


static const char *referral_event_read(referral_cursor_t *c, json_t *object);
static const char *referral_event_param(referral_cursor_t *c, json_t *object);
static const char *referral_event_value(referral_cursor_t *c,
    referral_value_t *value);
static const char *referral_event_string(referral_cursor_t *c,
    referral_value_t *value);
static const char *referral_event_amount(referral_value_t *value,
    json_t **out);


static const char *const  referral_event_params[] = {
    "order_id", "amount", "currency", "customer_id", "occurred_at", "code",
    NULL
};


static void
referral_event_blanks(referral_cursor_t *c)
{
    while (c->p < c->last && (*c->p == ' ' || *c->p == '\t')) {
        c->p++;
    }
}


static int
referral_event_take(referral_cursor_t *c, unsigned char ch)
{
    if (c->p < c->last && *c->p == ch) {
        c->p++;
        return 1;
    }

    return 0;
}


/* Characters of a name, [a-z0-9_-]. */

static referral_str_t
referral_event_name(referral_cursor_t *c)
{
    referral_str_t  name;

    name.data = c->p;

    while (c->p < c->last
           && ((*c->p >= 'a' && *c->p <= 'z') || (*c->p >= '0' && *c->p <= '9')
               || *c->p == '_' || *c->p == '-'))
    {
        c->p++;
    }

    name.len = c->p - name.data;

    return name;
}


int
referral_event_header_next(referral_str_t header, size_t *pos,
    json_t **object, const char **wrong)
{
    referral_cursor_t  c;

    c.p = header.data + *pos;
    c.last = header.data + header.len;

    *object = NULL;

    if (header.len > REFERRAL_EVENT_HEADER_MAX) {
        *wrong = "it is longer than 2048 bytes";
        return -1;
    }

    referral_event_blanks(&c);

    if (c.p == c.last) {
        return 0;
    }

    *object = json_object();

    *wrong = (*object == NULL) ? "there is no memory for it"
                               : referral_event_read(&c, *object);

    *pos = c.p - header.data;

    return (*wrong == NULL) ? 1 : -1;
}


static const char *
referral_event_read(referral_cursor_t *c, json_t *object)
{
    const char      *wrong;
    referral_str_t   name;

    name = referral_event_name(c);

    if (name.len == 0) {
        return "it does not begin with the name of an event";
    }

    if (json_object_set_new(object, "event",
                            json_stringn((const char *) name.data, name.len)))
    {
        return "there is no memory for it";
    }

    for ( ;; ) {
        referral_event_blanks(c);

        if (c->p == c->last) {
            return NULL;
        }

        if (referral_event_take(c, ',')) {
            referral_event_blanks(c);
            return (c->p == c->last) ? "nothing follows a comma" : NULL;
        }

        if (!referral_event_take(c, ';')) {
            return "there is something other than a semicolon or comma "
                   "between its parts";
        }

        wrong = referral_event_param(c, object);
        if (wrong != NULL) {
            return wrong;
        }
    }
}


static const char *
referral_event_param(referral_cursor_t *c, json_t *object)
{
    json_t              *out;
    const char          *wrong;
    referral_str_t       name;
    referral_value_t     value;
    const char *const   *param;

    referral_event_blanks(c);

    name = referral_event_name(c);

    for (param = referral_event_params; *param != NULL; param++) {
        if (strlen(*param) == name.len
            && memcmp(*param, name.data, name.len) == 0)
        {
            break;
        }
    }

    if (*param == NULL) {
        return "it has a parameter that is not known";
    }

    if (json_object_get(object, *param) != NULL) {
        return "it has a parameter twice";
    }

    if (!referral_event_take(c, '=')) {
        return "it has a parameter without a value";
    }

    wrong = referral_event_value(c, &value);
    if (wrong != NULL) {
        return wrong;
    }

    if (strcmp(*param, "amount") == 0 && !value.quoted) {
        wrong = referral_event_amount(&value, &out);
        if (wrong != NULL) {
            return wrong;
        }

    } else {
        out = json_stringn(value.text, value.len);
    }

    return json_object_set_new(object, *param, out)
           ? "it has a value that is not UTF-8" : NULL;
}


static const char *
referral_event_value(referral_cursor_t *c, referral_value_t *value)
{
    value->len = 0;
    value->quoted = referral_event_take(c, '"');

    if (value->quoted) {
        return referral_event_string(c, value);
    }

    /* what RFC 9651 calls a token, but it may begin with a digit */

    while (c->p < c->last && *c->p > 0x20 && *c->p < 0x7f
           && strchr("\"(),;<=>?@[\\]{}", *c->p) == NULL)
    {
        if (value->len == REFERRAL_EVENT_VALUE_MAX) {
            return "it has a value longer than 128 bytes";
        }

        value->text[value->len++] = (char) *c->p++;
    }

    return value->len ? NULL : "it has a parameter without a value";
}


static const char *
referral_event_string(referral_cursor_t *c, referral_value_t *value)
{
    unsigned char  ch;

    while (c->p < c->last) {
        ch = *c->p++;

        if (ch == '"') {
            return NULL;
        }

        if (ch == '\\') {
            ch = (c->p < c->last) ? *c->p++ : 0;

            if (ch != '"' && ch != '\\') {
                return "it has a backslash before another character than a "
                       "quote or backslash";
            }
        }

        if (ch < 0x20 || ch == 0x7f) {
            return "it has a control character";
        }

        if (value->len == REFERRAL_EVENT_VALUE_MAX) {
            return "it has a value longer than 128 bytes";
        }

        value->text[value->len++] = (char) ch;
    }

    return "it has a quote that is not closed";
}


/* As JSON writes an integer; which ones are too large is not decided here. */

static const char *
referral_event_amount(referral_value_t *value, json_t **out)
{
    size_t   i;
    int64_t  n;

    if (value->len > 18 || (value->len > 1 && value->text[0] == '0')) {
        return "its amount is not a number of minor units";
    }

    for (i = 0, n = 0; i < value->len; i++) {
        if (value->text[i] < '0' || value->text[i] > '9') {
            return "its amount is not a number of minor units";
        }

        n = n * 10 + (value->text[i] - '0');
    }

    *out = json_integer(n);

    return NULL;
}
