/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * X-Referral-Event: the header into JSON, that into events; and an event that
 * was understood, written as a header again, is the same one.
 */

#include "fuzz.h"
#include "referral_event_header.h"
#include "referral_event_json.h"


static void
check_text(referral_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        FUZZ_ASSERT(text.data[i] >= 0x20 && text.data[i] != 0x7f);
    }
}


static void
check_id(referral_str_t id)
{
    FUZZ_ASSERT(id.len <= REFERRAL_ID_MAX);
    FUZZ_ASSERT(id.len == 0 || (id.data[0] != ' '
                                && id.data[id.len - 1] != ' '));
    check_text(id);
}


static void
check_object(json_t *object)
{
    json_t          *value;
    const char      *name;
    referral_str_t   text;

    json_object_foreach(object, name, value) {
        FUZZ_ASSERT(json_is_string(value)
                    || (strcmp(name, "amount") == 0
                        && json_is_integer(value)));

        if (json_is_string(value)) {
            FUZZ_ASSERT(referral_json_string(value, &text) == NULL);
            check_text(text);
        }
    }
}


static void
check_event(json_t *object)
{
    referral_event_json_t  in;

    referral_event_json(object, &in);

    FUZZ_ASSERT(in.wrong.nerrors <= REFERRAL_FIELD_ERRORS);

    if (in.wrong.nerrors != 0) {
        return;
    }

    check_id(in.event.order_id);
    check_id(in.event.customer);
    FUZZ_ASSERT(in.event.order_id.len != 0);
    FUZZ_ASSERT(in.event.event.len >= 1
                && in.event.event.len <= REFERRAL_RULE_NAME_MAX);
    FUZZ_ASSERT(in.event.amount >= 0
                && in.event.amount <= REFERRAL_AMOUNT_MAX);
    FUZZ_ASSERT((in.event.flags & REFERRAL_EVENT_AMOUNT)
                ? in.event.currency != 0
                : (in.event.currency == 0 && in.event.amount == 0));
    FUZZ_ASSERT(in.event.coupon.len <= REFERRAL_CODE_MAX);
}


static size_t
write_header(json_t *object, char *out)
{
    char        *p;
    json_t      *value;
    const char  *name, *s;

    p = stpcpy(out, json_string_value(json_object_get(object, "event")));

    json_object_foreach(object, name, value) {

        if (strcmp(name, "event") == 0) {
            continue;
        }

        if (json_is_integer(value)) {
            p += sprintf(p, ";%s=%lld", name,
                         (long long) json_integer_value(value));
            continue;
        }

        p += sprintf(p, "; %s=\"", name);

        for (s = json_string_value(value); *s; s++) {
            if (*s == '"' || *s == '\\') {
                *p++ = '\\';
            }

            *p++ = *s;
        }

        *p++ = '"';
    }

    return (size_t) (p - out);
}


static void
check_again(json_t *object)
{
    char             out[2 * REFERRAL_EVENT_HEADER_MAX + 64];
    size_t           pos;
    json_t          *again;
    const char      *wrong;
    referral_str_t   header;

    header.len = write_header(object, out);
    header.data = (const unsigned char *) out;
    pos = 0;

    if (header.len > REFERRAL_EVENT_HEADER_MAX) {
        return;
    }

    FUZZ_ASSERT(referral_event_header_next(header, &pos, &again, &wrong) == 1);
    FUZZ_ASSERT(json_equal(object, again));
    json_decref(again);
    FUZZ_ASSERT(referral_event_header_next(header, &pos, &again, &wrong) == 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              rc;
    fuzz_t           f;
    size_t           pos, before;
    json_t          *object;
    const char      *wrong;
    referral_str_t   header;

    fuzz_init(&f, data, size);
    header = fuzz_rest(&f);
    pos = 0;

    do {
        before = pos;
        wrong = NULL;
        rc = referral_event_header_next(header, &pos, &object, &wrong);

        FUZZ_ASSERT(rc >= -1 && rc <= 1 && pos <= header.len);
        FUZZ_ASSERT(rc != 1 || (pos > before && object != NULL));
        FUZZ_ASSERT(rc != -1 || wrong != NULL);

        if (rc == 1) {
            check_object(object);
            check_again(object);
            check_event(object);
        }

        json_decref(object);

    } while (rc == 1);

    fuzz_free(&f);

    return 0;
}
