/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * X-Referral-Event: what headers say, and what is wrong with others.  What
 * they say is shown as the JSON they stand for.
 */

#include <stdlib.h>

#include "referral_event_header.h"
#include "tap.h"


#define X16   "xxxxxxxxxxxxxxxx"
#define X128  X16 X16 X16 X16 X16 X16 X16 X16

typedef struct {
    const char  *header;
    const char  *want;                      /* events, one per line */
} vector_t;


static const vector_t  right[] = {
    { "", "" },
    { " \t ", "" },
    { "signup", "{\"event\":\"signup\"}" },
    { " \tsignup\t ", "{\"event\":\"signup\"}" },
    { "9-to_5", "{\"event\":\"9-to_5\"}" },

    { "purchase; order_id=\"1001\"; amount=4999; currency=EUR;"
      " customer_id=\"u9\"",
      "{\"amount\":4999,\"currency\":\"EUR\",\"customer_id\":\"u9\","
      "\"event\":\"purchase\",\"order_id\":\"1001\"}" },
    { "purchase;order_id=1001;code=ANNA42",
      "{\"code\":\"ANNA42\",\"event\":\"purchase\",\"order_id\":\"1001\"}" },
    { "purchase ;\torder_id=a:b/c.d*e ; occurred_at=2026-11-21T10:00:00+01:00",
      "{\"event\":\"purchase\",\"occurred_at\":\"2026-11-21T10:00:00+01:00\","
      "\"order_id\":\"a:b/c.d*e\"}" },
    { "purchase; occurred_at=\"2026-11-21T10:00:00Z\"",
      "{\"event\":\"purchase\",\"occurred_at\":\"2026-11-21T10:00:00Z\"}" },

    { "purchase; amount=0", "{\"amount\":0,\"event\":\"purchase\"}" },
    { "purchase; amount=999999999999999999",
      "{\"amount\":999999999999999999,\"event\":\"purchase\"}" },
    { "purchase; amount=\"49.99\"",
      "{\"amount\":\"49.99\",\"event\":\"purchase\"}" },
    { "purchase; amount=\"4999\"",
      "{\"amount\":\"4999\",\"event\":\"purchase\"}" },

    { "a; order_id=\"\"", "{\"event\":\"a\",\"order_id\":\"\"}" },
    { "a; order_id=\" 1;2,3=4 \"",
      "{\"event\":\"a\",\"order_id\":\" 1;2,3=4 \"}" },
    { "a; order_id=\"say \\\"x\\\\y\\\"\"",
      "{\"event\":\"a\",\"order_id\":\"say \\\"x\\\\y\\\"\"}" },
    { "a; order_id=\"caf\xc3\xa9\"",
      "{\"event\":\"a\",\"order_id\":\"caf\xc3\xa9\"}" },
    { "a; order_id=\"" X128 "\"; code=" X128,
      "{\"code\":\"" X128 "\",\"event\":\"a\",\"order_id\":\"" X128 "\"}" },

    { "a; order_id=1, b; order_id=2",
      "{\"event\":\"a\",\"order_id\":\"1\"}\n"
      "{\"event\":\"b\",\"order_id\":\"2\"}" },
    { "a,b\t,\tc; order_id=\",\" ",
      "{\"event\":\"a\"}\n{\"event\":\"b\"}\n"
      "{\"event\":\"c\",\"order_id\":\",\"}" }
};


static const vector_t  wrong[] = {
    { ";", "it does not begin with the name of an event" },
    { ",", "it does not begin with the name of an event" },
    { "\"signup\"", "it does not begin with the name of an event" },
    { "Purchase", "it does not begin with the name of an event" },
    { "\xc3\xbc", "it does not begin with the name of an event" },

    { "purChase", "there is something other than a semicolon or comma between "
      "its parts" },
    { "purchase order_id=1", "there is something other than a semicolon or "
      "comma between its parts" },
    { "purchase=1", "there is something other than a semicolon or comma "
      "between its parts" },
    { "a; order_id=\"1\"2", "there is something other than a semicolon or "
      "comma between its parts" },
    { "a; order_id=1 2", "there is something other than a semicolon or comma "
      "between its parts" },
    { "a; order_id=1=2", "there is something other than a semicolon or comma "
      "between its parts" },
    { "a; order_id=caf\xc3\xa9", "there is something other than a semicolon "
      "or comma between its parts" },

    { "a;", "it has a parameter that is not known" },
    { "a;;order_id=1", "it has a parameter that is not known" },
    { "a; order=1", "it has a parameter that is not known" },
    { "a; order_ids=1", "it has a parameter that is not known" },
    { "a; Order_id=1", "it has a parameter that is not known" },
    { "a; token=1", "it has a parameter that is not known" },
    { "a; event=b", "it has a parameter that is not known" },
    { "a; =1", "it has a parameter that is not known" },

    { "a; order_id=1; order_id=1", "it has a parameter twice" },
    { "a; amount=1; amount=\"1\"", "it has a parameter twice" },
    { "a; order_id", "it has a parameter without a value" },
    { "a; order_id=", "it has a parameter without a value" },
    { "a; order_id =1", "it has a parameter without a value" },
    { "a; order_id= 1", "it has a parameter without a value" },
    { "a; order_id=;", "it has a parameter without a value" },
    { "a; order_id='1'; order_id", "it has a parameter twice" },
    { "a; order_id=(1)", "it has a parameter without a value" },

    { "a; order_id=\"1", "it has a quote that is not closed" },
    { "a; order_id=\"", "it has a quote that is not closed" },
    { "a; order_id=\"1\\\"", "it has a quote that is not closed" },
    { "a; order_id=\"1\\n\"", "it has a backslash before another character "
      "than a quote or backslash" },
    { "a; order_id=\"1\\", "it has a backslash before another character than "
      "a quote or backslash" },
    { "a; order_id=\"1\t2\"", "it has a control character" },
    { "a; order_id=\"\x7f\"", "it has a control character" },
    { "a; order_id=\"\xfc\"", "it has a value that is not UTF-8" },
    { "a; order_id=\"\xed\xa0\x80\"", "it has a value that is not UTF-8" },
    { "a; order_id=\"" X128 "x\"", "it has a value longer than 128 bytes" },
    { "a; order_id=" X128 "x", "it has a value longer than 128 bytes" },

    { "a; amount=-1", "its amount is not a number of minor units" },
    { "a; amount=+1", "its amount is not a number of minor units" },
    { "a; amount=49.99", "its amount is not a number of minor units" },
    { "a; amount=1e3", "its amount is not a number of minor units" },
    { "a; amount=01", "its amount is not a number of minor units" },
    { "a; amount=1000000000000000000",
      "its amount is not a number of minor units" },

    { "a,", "nothing follows a comma" },
    { "a, ", "nothing follows a comma" },
    { "a,,b", "it does not begin with the name of an event" },
    { "a; order_id=1, b; order_id=", "it has a parameter without a value" }
};


/* All events of a header; or only what is wrong. */

static const char *
said(const char *text, size_t len, char *out, size_t size)
{
    int              rc;
    char            *dump;
    size_t           pos;
    json_t          *object;
    const char      *why;
    referral_str_t   header;

    header.data = (const unsigned char *) text;
    header.len = len;

    pos = 0;
    *out = '\0';

    do {
        why = NULL;
        rc = referral_event_header_next(header, &pos, &object, &why);

        if (rc == 1) {
            dump = json_dumps(object, JSON_COMPACT|JSON_SORT_KEYS);
            snprintf(out + strlen(out), size - strlen(out), "%s%s",
                     *out ? "\n" : "", dump);
            free(dump);
        }

        json_decref(object);

    } while (rc == 1);

    return (rc == 0) ? out : why;
}


static void
test(const vector_t *vector)
{
    char         out[1024];
    const char  *got;

    got = said(vector->header, strlen(vector->header), out, sizeof(out));

    tap_is_str(got, strlen(got), vector->want, vector->header);
}


static void
test_length(void)
{
    char         text[REFERRAL_EVENT_HEADER_MAX + 1], out[4096];
    const char  *got;

    memset(text, ' ', sizeof(text));
    text[0] = 'a';

    got = said(text, sizeof(text) - 1, out, sizeof(out));
    tap_is_str(got, strlen(got), "{\"event\":\"a\"}", "2048 bytes");

    got = said(text, sizeof(text), out, sizeof(out));
    tap_is_str(got, strlen(got), "it is longer than 2048 bytes", "2049 bytes");
}


/* What there was until the mistake, for the log. */

static void
test_partial(void)
{
    size_t           pos;
    json_t          *object;
    const char      *why;
    referral_str_t   header;

    static const char  text[] = "a; order_id=17; order=17";

    header.data = (const unsigned char *) text;
    header.len = sizeof(text) - 1;
    pos = 0;

    tap_ok(referral_event_header_next(header, &pos, &object, &why) == -1
           && strcmp(json_string_value(json_object_get(object, "order_id")),
                     "17")
              == 0,
           "the order id before a mistake is known");

    json_decref(object);
}


/* Bytes of any kind: nothing is read beyond the end, and it comes to an end. */

static void
test_noise(void)
{
    char       *text, out[4096];
    size_t      i, n, len, ends;
    uint32_t    x;

    static const char  bytes[] = "a;=\"\\, order_idmunt01\xc3\xa9\xff\x01";

    x = 20261122;

    for (n = 0, ends = 0; n < 20000; n++) {
        len = n % 40;
        text = malloc(len + 1);

        for (i = 0; i < len; i++) {
            x = x * 1664525 + 1013904223;
            text[i] = bytes[(x >> 16) % (sizeof(bytes) - 1)];
        }

        text = realloc(text, len ? len : 1);
        ends += said(text, len, out, sizeof(out)) != NULL;
        free(text);
    }

    tap_ok(ends == n, "%zu headers of noise", n);
}


int
main(void)
{
    size_t  i;

    for (i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        test(&right[i]);
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        test(&wrong[i]);
    }

    test_length();
    test_partial();
    test_noise();

    return tap_done();
}
