/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Tickets: who takes them for what, for how long, and where in a URL they go.
 */

#include <stdlib.h>

#include "referral_ticket.h"
#include "tap.h"


#define KEYS  "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define NOW   1700000000


#define STR(s)  (referral_str_t) { sizeof(s) - 1, (const unsigned char *) s }

static referral_keys_t  *keys;


static referral_touch_t
touch(void)
{
    referral_touch_t  t;

    memset(&t, 0, sizeof(t));

    t.code_len = 6;
    memcpy(t.code, "ANNA42", 6);
    t.channel_len = 2;
    memcpy(t.channel, "wa", 2);
    t.click_len = REFERRAL_CLICK_ID_LEN;
    memcpy(t.click, "0Fz3kq9TzC2m", REFERRAL_CLICK_ID_LEN);
    t.time = NOW;

    return t;
}


static void
test_life(referral_str_t ticket)
{
    referral_touch_t  t, old;

    old = touch();

    tap_ok(referral_ticket_verify(keys, STR("friends"), ticket, NOW, &t),
           "a ticket is taken");
    tap_ok(t.time == NOW && t.code_len == 6 && t.channel_len == 2
           && memcmp(t.code, old.code, 6) == 0, "with its touch");
    tap_ok(t.click_len == 0, "but for the click id");
    tap_ok(referral_ticket_verify(keys, STR("friends"), ticket,
                                  NOW + REFERRAL_TICKET_LIFE - 1, &t),
           "to the last second of a day");
    tap_ok(!referral_ticket_verify(keys, STR("friends"), ticket,
                                   NOW + REFERRAL_TICKET_LIFE, &t),
           "not longer");
    tap_ok(referral_ticket_verify(keys, STR("friends"), ticket,
                                  NOW - REFERRAL_CLOCK_SKEW, &t),
           "by a clock that is behind");
    tap_ok(!referral_ticket_verify(keys, STR("friends"), ticket,
                                   NOW - REFERRAL_CLOCK_SKEW - 1, &t),
           "but not by far");
    tap_ok(!referral_ticket_verify(keys, STR("friend"), ticket, NOW, &t),
           "by no other program");
}


static void
test_purpose(referral_str_t ticket)
{
    referral_str_t      cookie;
    unsigned char       buf[REFERRAL_COOKIE_MAX];
    referral_touch_t    t;
    referral_touches_t  touches;

    tap_ok(referral_cookie_verify(keys, STR("friends"), ticket, NOW, 60,
                                  &touches)
           == REFERRAL_COOKIE_INVALID, "a ticket is no cookie");

    touches.last = touch();
    touches.last.click_len = 0;
    touches.first = touches.last;

    cookie.data = buf;
    cookie.len = referral_cookie_write(keys, STR("friends"), &touches, buf);

    tap_ok(cookie.len == ticket.len
           && memcmp(cookie.data, ticket.data, ticket.len - REFERRAL_MAC_LEN)
              == 0,
           "a cookie of the same touch differs in its MAC");
    tap_ok(!referral_ticket_verify(keys, STR("friends"), cookie, NOW, &t),
           "and is no ticket");
}


static void
test_damage(referral_str_t ticket)
{
    size_t            i, taken;
    unsigned          bit;
    referral_str_t    bad;
    unsigned char     buf[REFERRAL_COOKIE_MAX];
    referral_touch_t  t;

    taken = 0;
    bad.data = buf;

    for (i = 0; i < ticket.len; i++) {
        for (bit = 0; bit < 8; bit++) {
            memcpy(buf, ticket.data, ticket.len);
            buf[i] ^= (unsigned char) (1u << bit);
            bad.len = ticket.len;
            taken += referral_ticket_verify(keys, STR("friends"), bad, NOW,
                                            &t);
        }

        memcpy(buf, ticket.data, ticket.len);
        bad.len = i;
        taken += referral_ticket_verify(keys, STR("friends"), bad, NOW, &t);
    }

    tap_ok(taken == 0, "with any bit changed, or cut, it is none");
}


static void
appended(referral_str_t url, const char *want)
{
    size_t         len;
    unsigned char  out[128];

    len = referral_ticket_append(url, STR("ref"), STR("1.k"), out);

    tap_ok(len == strlen(want) && memcmp(out, want, len) == 0
           && len <= url.len + 8, "%s", want);
}


int
main(void)
{
    unsigned          line;
    const char       *why;
    referral_str_t    ticket;
    unsigned char     buf[REFERRAL_COOKIE_MAX];
    referral_touch_t  t;

    keys = referral_keys_parse(KEYS, sizeof(KEYS) - 1, &line, &why);
    t = touch();

    ticket.data = buf;
    ticket.len = referral_ticket_write(keys, STR("friends"), &t, buf);

    tap_ok(ticket.len != 0, "a ticket is written");

    test_life(ticket);
    test_purpose(ticket);
    test_damage(ticket);

    appended(STR("https://a.example"), "https://a.example?ref=1.k");
    appended(STR("/"), "/?ref=1.k");
    appended(STR("/a?"), "/a?ref=1.k");
    appended(STR("/a?b=c"), "/a?b=c&ref=1.k");
    appended(STR("/a?b=c&"), "/a?b=c&ref=1.k");
    appended(STR("/a#x"), "/a?ref=1.k#x");
    appended(STR("/a?b#x?y"), "/a?b&ref=1.k#x?y");
    appended(STR("/a#x?y"), "/a?ref=1.k#x?y");

    referral_keys_free(keys);

    return tap_done();
}
