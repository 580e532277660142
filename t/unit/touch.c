/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The cookie found in a header; what a new touch does to an old one.
 */

#include "referral_cookie.h"
#include "tap.h"


#define NOW      1700000000
#define WINDOW   2592000


static referral_str_t
str(const char *text)
{
    referral_str_t  s;

    s.len = strlen(text);
    s.data = (const unsigned char *) text;

    return s;
}


static referral_touch_t
touch(const char *code, int64_t time)
{
    referral_touch_t  t;

    memset(&t, 0, sizeof(t));

    t.code_len = (unsigned char) strlen(code);
    memcpy(t.code, code, t.code_len);
    t.channel_len = 2;
    memcpy(t.channel, "wa", 2);
    t.click_len = REFERRAL_CLICK_ID_LEN;
    memcpy(t.click, "0Fz3kq9TzC2m", REFERRAL_CLICK_ID_LEN);
    t.time = time;

    return t;
}


static referral_touches_t
touches(const char *first, int64_t first_time, const char *last,
    int64_t last_time)
{
    referral_touches_t  t;

    t.first = touch(first, first_time);
    t.last = touch(last, last_time);

    return t;
}


static int
is_touch(const referral_touch_t *t, const char *code, int64_t time)
{
    return t->time == time
           && t->code_len == strlen(code)
           && memcmp(t->code, code, t->code_len) == 0;
}


static void
check_next(const char *header, const char *want, const char *name)
{
    char            got[256];
    size_t          pos, n;
    referral_str_t  value;

    n = 0;
    pos = 0;

    while (referral_cookie_next(str(header), str("ref"), &pos, &value)) {
        n += (size_t) snprintf(got + n, sizeof(got) - n, "[%.*s]",
                               (int) value.len, (const char *) value.data);
    }

    tap_is_str(got, n, want, name);
}


static void
test_next(void)
{
    size_t          pos;
    referral_str_t  value;

    check_next("", "", "empty header");
    check_next("ref=1", "[1]", "alone");
    check_next("a=b; ref=1; c=d", "[1]", "among others");
    check_next("ref=1; ref=2;ref=3", "[1][2][3]", "three of the name");
    check_next(";;ref=1;; ;", "[1]", "empty pairs");
    check_next("ref=", "[]", "empty value");
    check_next("ref", "", "a value without a name");
    check_next("=ref=1", "", "an empty name");
    check_next("Ref=1; REF=2; refx=3; xref=4", "", "other names");
    check_next("a=ref=1", "", "the name in a value");
    check_next("a=b, ref=1", "", "a comma does not separate");
    check_next("\t ref=1 \t; ref=2\t", "[1][2]", "blanks around a pair");
    check_next("ref =1; r ef=2", "", "blanks in a name are of the name");
    check_next("ref= 1 2", "[ 1 2]", "blanks in a value are of the value");
    check_next("ref=\"1;2\"", "[\"1]", "quotes do not quote");
    check_next("ref=a%3Bb", "[a%3Bb]", "percent signs do not encode");
    check_next("ref=a=b==", "[a=b==]", "equal signs in a value");

    pos = 0;
    tap_ok(!referral_cookie_next(str("=1"), str(""), &pos, &value),
           "no name finds nothing");
}


static void
test_decide_last(void)
{
    referral_touch_t    new;
    referral_touches_t  old, out;

    new = touch("N", NOW);

    tap_ok(referral_touch_decide(NULL, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 0, &out) == 1
           && is_touch(&out.first, "N", NOW)
           && is_touch(&out.last, "N", NOW), "last: the first of all");

    old = touches("A", NOW - 20, "B", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 0, &out) == 1
           && is_touch(&out.first, "A", NOW - 20)
           && is_touch(&out.last, "N", NOW)
           && is_touch(referral_touch_credited(&out, REFERRAL_MODEL_LAST),
                       "N", NOW), "last: the new one gets the credit");

    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, 15,
                                 0, &out) == 1
           && is_touch(&out.first, "B", NOW - 10)
           && is_touch(&out.last, "N", NOW),
           "last: the old last follows an expired first");

    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, 10,
                                 0, &out) == 1
           && is_touch(&out.first, "N", NOW)
           && is_touch(&out.last, "N", NOW),
           "last: nothing is left of an expired cookie");

    old = touches("A", NOW - 20, "N", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 0, &out) == 1
           && is_touch(&out.first, "A", NOW - 20)
           && is_touch(&out.last, "N", NOW),
           "last: the same code again is newer");

    old = touches("N", NOW - 20, "N", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 0, &out) == 1
           && is_touch(&out.first, "N", NOW - 20)
           && is_touch(&out.last, "N", NOW),
           "last: also when it is the only one");

    old = touches("A", NOW + 1000, "B", NOW + 2000);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 0, &out) == 1
           && is_touch(&out.first, "A", NOW + 1000)
           && is_touch(&out.last, "N", NOW),
           "last: a clock set back expires nothing");

    tap_ok(referral_touch_decide(&out, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 0, &out) == 1
           && is_touch(&out.first, "A", NOW + 1000)
           && is_touch(&out.last, "N", NOW), "old and out may be one");
}


static void
test_decide_first(void)
{
    referral_touch_t    new;
    referral_touches_t  old, out;

    new = touch("N", NOW);

    old = touches("A", NOW - 20, "B", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_FIRST, NOW,
                                 WINDOW, 0, &out) == 1
           && is_touch(&out.first, "A", NOW - 20)
           && is_touch(&out.last, "N", NOW)
           && is_touch(referral_touch_credited(&out, REFERRAL_MODEL_FIRST),
                       "A", NOW - 20), "first: the old one keeps the credit");

    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_FIRST, NOW, 10,
                                 0, &out) == 1
           && is_touch(&out.first, "N", NOW)
           && is_touch(&out.last, "N", NOW),
           "first: until it has expired");

    old = touches("N", NOW - 20, "N", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_FIRST, NOW,
                                 WINDOW, 0, &out) == 0
           && is_touch(&out.first, "N", NOW - 20)
           && is_touch(&out.last, "N", NOW - 10),
           "first: the same code again changes nothing");

    old = touches("N", NOW - 20, "B", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_FIRST, NOW,
                                 WINDOW, 0, &out) == 1
           && is_touch(&out.first, "N", NOW - 20)
           && is_touch(&out.last, "N", NOW),
           "first: back from another code is a change");

    old = touches("A", NOW - 20, "N", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_FIRST, NOW,
                                 WINDOW, 0, &out) == 1
           && is_touch(&out.first, "A", NOW - 20)
           && is_touch(&out.last, "N", NOW),
           "first: another code again is newer");
}


static void
test_decide_own_site(void)
{
    referral_touch_t    new;
    referral_touches_t  old, out;

    new = touch("N", NOW);

    old = touches("A", NOW - 20, "B", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 1, &out) == 0
           && is_touch(&out.first, "A", NOW - 20)
           && is_touch(&out.last, "B", NOW - 10),
           "own site: another code is not overwritten");

    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_FIRST, NOW,
                                 WINDOW, 1, &out) == 0
           && is_touch(&out.last, "B", NOW - 10),
           "own site: nor is the last one under model first");

    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, 10,
                                 1, &out) == 1
           && is_touch(&out.last, "N", NOW),
           "own site: an expired one is");

    tap_ok(referral_touch_decide(NULL, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 1, &out) == 1
           && is_touch(&out.last, "N", NOW),
           "own site: a first touch counts");

    old = touches("A", NOW - 20, "N", NOW - 10);
    tap_ok(referral_touch_decide(&old, &new, REFERRAL_MODEL_LAST, NOW, WINDOW,
                                 1, &out) == 1
           && is_touch(&out.last, "N", NOW),
           "own site: the same code is newer");
}


int
main(void)
{
    test_next();
    test_decide_last();
    test_decide_first();
    test_decide_own_site();

    return tap_done();
}
