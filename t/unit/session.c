/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Sessions: what opens which code, for how long, and what does not.
 */

#include "referral_session.h"
#include "tap.h"


#define KEYS    "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define LATER   "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= "           \
                "not_before=2023-11-14T22:14:00Z\n"
#define NOW     1700000000          /* 22:13:20, as of LATER */


#define STR(s)  (referral_str_t) { sizeof(s) - 1, (const unsigned char *) s }

static referral_keys_t  *keys;


static referral_keys_t *
read_keys(const char *text)
{
    unsigned     line;
    const char  *why;

    return referral_keys_parse(text, strlen(text), &line, &why);
}


static referral_str_t
written(unsigned seconds, unsigned char *buf)
{
    referral_str_t  value;

    value.data = buf;
    value.len = referral_session_write(keys, STR("friends"), STR("ANNA42"),
                                       NOW, seconds, buf);

    return value;
}


static referral_cookie_status_t
at(referral_str_t value, int64_t now)
{
    referral_session_t  session;

    return referral_session_verify(keys, STR("friends"), value, now, &session);
}


/* What would be signed for "text", the fields from the time on. */

static referral_str_t
signed_as(referral_purpose_t purpose, const char *text, unsigned char *buf)
{
    size_t          len;
    referral_str_t  value;

    len = (size_t) snprintf((char *) buf, REFERRAL_COOKIE_MAX, "1.k1.%s",
                            text);

    buf[len] = '.';
    (void) referral_keys_sign(keys, purpose, "friends|", 8, buf, len,
                              buf + len + 1);

    value.data = buf;
    value.len = len + 1 + REFERRAL_MAC_LEN;

    return value;
}


static void
test_write(void)
{
    referral_str_t      value;
    unsigned char       buf[REFERRAL_COOKIE_MAX];
    unsigned char       code[REFERRAL_CODE_MAX + 1];
    referral_session_t  session;

    value = written(900, buf);

    tap_ok(value.len == strlen("1.k1.s44we8.ANNA42.900..") + REFERRAL_MAC_LEN
           && memcmp(buf, "1.k1.s44we8.ANNA42.900..", 24) == 0,
           "%.*s", (int) value.len, value.data);

    memset(&session, 0xa5, sizeof(session));

    tap_ok(referral_session_verify(keys, STR("friends"), value, NOW + 1,
                                   &session) == REFERRAL_COOKIE_VALID
           && session.code_len == 6 && memcmp(session.code, "ANNA42", 6) == 0
           && session.expires == NOW + 900, "opens its code until its end");

    tap_ok(written(59, buf).len == 0 && written(86401, buf).len == 0
           && written(0, buf).len == 0, "not for less or for more");
    tap_ok(written(60, buf).len != 0 && written(86400, buf).len != 0,
           "up to both ends");

    memset(code, 'A', sizeof(code));

    tap_ok(referral_session_write(keys, STR("friends"),
                                  (referral_str_t) { sizeof(code), code }, NOW,
                                  900, buf) == 0
           && referral_session_write(keys, STR("friends"), STR(""), NOW, 900,
                                     buf) == 0
           && referral_session_write(keys, STR("friends"), STR("A.B"), NOW,
                                     900, buf) == 0,
           "of no code that is none");

    value.len = referral_session_write(keys, STR("abcdefghijklmnopqrstuvwx"),
                       (referral_str_t) { REFERRAL_CODE_MAX, code },
                       INT64_C(131621703842267135), 86400, buf);
    value.data = buf;

    tap_ok(value.len != 0 && value.len <= REFERRAL_COOKIE_MAX
           && referral_session_verify(keys, STR("abcdefghijklmnopqrstuvwx"),
                                      value, INT64_C(131621703842267135),
                                      &session) == REFERRAL_COOKIE_VALID,
           "the longest one fits");
}


static void
test_life(void)
{
    referral_str_t      value;
    unsigned char       buf[REFERRAL_COOKIE_MAX];
    referral_session_t  session;

    value = written(900, buf);

    tap_ok(at(value, NOW) == REFERRAL_COOKIE_VALID, "from its second on");
    tap_ok(at(value, NOW + 899) == REFERRAL_COOKIE_VALID, "to the last one");
    tap_ok(at(value, NOW + 900) == REFERRAL_COOKIE_EXPIRED, "not longer");
    tap_ok(at(value, NOW + 10 * 86400) == REFERRAL_COOKIE_EXPIRED,
           "nor ever again");
    tap_ok(at(value, NOW - REFERRAL_CLOCK_SKEW) == REFERRAL_COOKIE_VALID,
           "by a clock that is behind");
    tap_ok(at(value, NOW - REFERRAL_CLOCK_SKEW - 1) == REFERRAL_COOKIE_INVALID,
           "but not by far");

    value = written(86400, buf);

    tap_ok(at(value, NOW + 86399) == REFERRAL_COOKIE_VALID
           && at(value, NOW + 86400) == REFERRAL_COOKIE_EXPIRED,
           "the longest one, too");
    tap_ok(referral_session_verify(keys, STR("friend"), value, NOW, &session)
           == REFERRAL_COOKIE_INVALID, "by no other program");
}


static void
test_purpose(void)
{
    unsigned            i;
    unsigned char       buf[REFERRAL_COOKIE_MAX + REFERRAL_MAC_LEN + 1];
    referral_str_t      value;
    referral_touches_t  touches;

    static const char *const  wrong[] = {
        "s44we8.ANNA42...", "s44we8.ANNA42.59.", "s44we8.ANNA42.86401.",
        "s44we8.ANNA42.9999999999999999.", "s44we8.ANNA42.9x.",
        "s44we8.ANNA42.-900.", "s44we8.ANNA42.900.0Fz3kq9TzC2m",
        "s44we8.ANNA42.900..s44we7.ANNA42.900.", "s44we8..900.",
        "s44we8.ANNA42.900", "s44we8.ANNA42.900..", ""
    };

    for (i = 0; i < REFERRAL_PURPOSES; i++) {
        value = signed_as(i, "s44we8.ANNA42.900.", buf);
        tap_ok((at(value, NOW) == REFERRAL_COOKIE_VALID)
               == (i == REFERRAL_PURPOSE_SESSION), "purpose %u", i);
        tap_ok((referral_cookie_verify(keys, STR("friends"), value, NOW, 900,
                                       &touches) == REFERRAL_COOKIE_VALID)
               == (i == REFERRAL_PURPOSE_COOKIE), "purpose %u as a cookie", i);
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tap_ok(at(signed_as(REFERRAL_PURPOSE_SESSION, wrong[i], buf), NOW)
               == REFERRAL_COOKIE_INVALID, "signed, but none: \"%s\"",
               wrong[i]);
    }

    tap_ok(at(signed_as(REFERRAL_PURPOSE_SESSION, "s44we8.ANNA42.0000900.",
                        buf), NOW + 899) == REFERRAL_COOKIE_VALID,
           "a number is a number");
}


static void
test_damage(void)
{
    size_t          i, taken;
    unsigned        bit;
    referral_str_t  value, bad;
    unsigned char   buf[REFERRAL_COOKIE_MAX], copy[REFERRAL_COOKIE_MAX];

    taken = 0;
    value = written(900, buf);
    bad.data = copy;

    for (i = 0; i < value.len; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(copy, value.data, value.len);
            copy[i] ^= (unsigned char) (1u << bit);
            bad.len = value.len;
            taken += at(bad, NOW) != REFERRAL_COOKIE_INVALID;
        }

        memcpy(copy, value.data, value.len);
        bad.len = i;
        taken += at(bad, NOW) != REFERRAL_COOKIE_INVALID;
    }

    tap_ok(taken == 0, "with any bit changed, or cut, it is none");
}


static void
test_not_before(void)
{
    referral_str_t      value;
    unsigned char       buf[REFERRAL_COOKIE_MAX];
    referral_keys_t    *later;
    referral_session_t  session;

    later = read_keys(LATER);
    value = written(900, buf);

    tap_ok(later != NULL
           && referral_session_verify(later, STR("friends"), value, NOW + 60,
                                      &session) == REFERRAL_COOKIE_INVALID,
           "of before its key counts");

    value.len = referral_session_write(later, STR("friends"), STR("ANNA42"),
                                       NOW + 40, 900, buf);

    tap_ok(referral_session_verify(later, STR("friends"), value, NOW + 60,
                                   &session) == REFERRAL_COOKIE_VALID,
           "and of after that");

    referral_keys_free(later);
}


int
main(void)
{
    keys = read_keys(KEYS);

    test_write();
    test_life();
    test_purpose();
    test_damage();
    test_not_before();

    referral_keys_free(keys);

    return tap_done();
}
