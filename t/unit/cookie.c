/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The cookie: written and verified, damaged at random, through a rotation of
 * keys.  t/vectors_cookie.t has the vectors.
 */

#include <stdlib.h>

#include "referral_cookie.h"
#include "tap.h"


#define K1       "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define K2       "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n"
#define K8       "kid_of-8:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

/* K1, in force again since NOW - 100 */

#define K1_NEW   "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" \
                 " not_before=2023-11-14T22:11:40Z\n"

#define NOW      1700000000
#define WINDOW   2592000
#define ROUNDS   100000


static const referral_str_t  program = {
    7, (const unsigned char *) "friends"
};

static uint64_t  seed = 0x9e3779b97f4a7c15;


static uint32_t
any(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (uint32_t) (seed >> 32) % below;
}


static referral_keys_t *
parse(const char *text)
{
    unsigned          line;
    const char       *why;
    referral_keys_t  *keys;

    keys = referral_keys_parse(text, strlen(text), &line, &why);
    if (keys == NULL) {
        printf("Bail out! line %u: %s\n", line, why);
        exit(1);
    }

    return keys;
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
same(const referral_touch_t *a, const referral_touch_t *b)
{
    return a->time == b->time
           && a->code_len == b->code_len
           && a->channel_len == b->channel_len
           && a->click_len == b->click_len
           && memcmp(a->code, b->code, a->code_len) == 0
           && memcmp(a->channel, b->channel, a->channel_len) == 0
           && memcmp(a->click, b->click, a->click_len) == 0;
}


static int
is_touch(const referral_touch_t *t, const char *code, int64_t time)
{
    return t->time == time
           && t->code_len == strlen(code)
           && memcmp(t->code, code, t->code_len) == 0;
}


/* Verifies a copy that ends where its bytes end, for the sanitizer to see. */

static referral_cookie_status_t
verify(const referral_keys_t *keys, const void *data, size_t len, int64_t now,
    int64_t window, referral_touches_t *out)
{
    unsigned char             *copy;
    referral_str_t             value;
    referral_cookie_status_t   status;

    copy = malloc(len ? len : 1);
    if (copy == NULL) {
        abort();
    }

    memcpy(copy, data, len);
    value.len = len;
    value.data = copy;

    status = referral_cookie_verify(keys, program, value, now, window, out);

    free(copy);

    return status;
}


static void
test_largest(void)
{
    size_t               n;
    unsigned char        buf[REFERRAL_COOKIE_MAX];
    referral_keys_t     *keys;
    referral_touches_t   t, got;

    keys = parse(K8);
    t = touches("a", 0, "b", 0);

    t.first.code_len = REFERRAL_CODE_MAX;
    t.first.channel_len = REFERRAL_CHANNEL_MAX;
    memset(t.first.code, 'Z', REFERRAL_CODE_MAX);
    memset(t.first.channel, 'z', REFERRAL_CHANNEL_MAX);
    t.first.time = 131621703842267135;
    t.last = t.first;
    t.last.code[0] = '_';

    n = referral_cookie_write(keys, program, &t, buf);

    tap_ok(n == 247 && n <= REFERRAL_COOKIE_MAX,
           "the largest value has %zu bytes", n);
    tap_ok(verify(keys, buf, n, t.first.time, WINDOW, &got)
           == REFERRAL_COOKIE_VALID
           && same(&got.first, &t.first) && same(&got.last, &t.last),
           "the largest value verifies");

    t.first.time++;
    tap_ok(referral_cookie_write(keys, program, &t, buf) == 0,
           "no later time is written");

    referral_keys_free(keys);
}


static void
test_refused_touches(void)
{
    unsigned             i, wrong;
    unsigned char        buf[REFERRAL_COOKIE_MAX];
    referral_str_t       name;
    referral_keys_t     *keys;
    referral_touches_t   t;

    keys = parse(K1);

    t = touches("A", NOW, "", NOW);
    tap_ok(referral_cookie_write(keys, program, &t, buf) == 0,
           "no value without a code");

    t = touches("A", -1, "B", NOW);
    tap_ok(referral_cookie_write(keys, program, &t, buf) == 0,
           "no value before 1970");

    t = touches("A", NOW, "B", NOW);
    t.last.click_len = 11;
    tap_ok(referral_cookie_write(keys, program, &t, buf) == 0,
           "no value with half a click id");

    t = touches("A", NOW, "A", NOW);
    t.first.channel_len = t.last.channel_len = 17;
    tap_ok(referral_cookie_write(keys, program, &t, buf) == 0,
           "no value with a channel of 17 bytes");

    wrong = 0;
    t = touches("A", NOW, "A", NOW);

    for (i = 0; i < 256; i++) {
        t.first.code[0] = t.last.code[0] = (unsigned char) i;

        if ((referral_cookie_write(keys, program, &t, buf) != 0)
            != (i && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "abcdefghijklmnopqrstuvwxyz"
                            "0123456789_-", (int) i) != NULL))
        {
            wrong++;
        }
    }

    tap_ok(wrong == 0, "64 bytes of 256 may stand in a code");

    t = touches("A", NOW, "A", NOW);
    name.data = (const unsigned char *) "friends-of-friends-of-mine";
    name.len = strlen((const char *) name.data);
    tap_ok(referral_cookie_write(keys, name, &t, buf) == 0,
           "no value for a program name that is too long");

    referral_keys_free(keys);
}


static void
any_word(unsigned char *data, unsigned len)
{
    while (len--) {
        *data++ = (unsigned char) ("ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_"[any(64)]);
    }
}


static referral_touch_t
any_touch(void)
{
    referral_touch_t  t;

    memset(&t, 0, sizeof(t));

    t.time = NOW - any(WINDOW);
    t.code_len = (unsigned char) (1 + any(REFERRAL_CODE_MAX));
    t.channel_len = (unsigned char) any(REFERRAL_CHANNEL_MAX + 1);
    t.click_len = any(2) ? REFERRAL_CLICK_ID_LEN : 0;

    any_word(t.code, t.code_len);
    any_word(t.channel, t.channel_len);
    any_word(t.click, t.click_len);

    return t;
}


static void
test_round_trip(void)
{
    size_t               n;
    unsigned             i, wrong;
    unsigned char        buf[REFERRAL_COOKIE_MAX];
    referral_keys_t     *keys;
    referral_touches_t   t, got;

    keys = parse(K1);
    wrong = 0;

    for (i = 0; i < ROUNDS / 5; i++) {
        t.last = any_touch();
        t.first = any(3) ? any_touch() : t.last;

        n = referral_cookie_write(keys, program, &t, buf);

        if (n == 0
            || verify(keys, buf, n, NOW, WINDOW, &got)
               != REFERRAL_COOKIE_VALID
            || !same(&got.first, &t.first) || !same(&got.last, &t.last))
        {
            wrong++;
        }
    }

    tap_ok(wrong == 0, "%d random values are read as written", ROUNDS / 5);

    referral_keys_free(keys);
}


/* One to four bytes changed, or cut off, or put behind. */

static size_t
damage(const unsigned char *value, size_t n, unsigned char *out)
{
    unsigned  i;

    memcpy(out, value, n);

    switch (any(8)) {

    case 0:
        return any((uint32_t) n);

    case 1:
        out[n] = (unsigned char) any(256);
        return n + 1;

    default:
        for (i = any(4) + 1; i; i--) {
            out[any((uint32_t) n)] = any(2) ? (unsigned char) any(256)
                                            : value[any((uint32_t) n)];
        }

        return n;
    }
}


static void
test_damage(void)
{
    size_t               n, len;
    unsigned             i, right;
    unsigned char        value[REFERRAL_COOKIE_MAX];
    unsigned char        bad[REFERRAL_COOKIE_MAX + 1];
    referral_keys_t     *keys;
    referral_touches_t   t, got;

    keys = parse(K1 K2);
    right = 0;

    for (i = 0; i < ROUNDS; i++) {
        t.last = any_touch();
        t.first = any(2) ? any_touch() : t.last;
        n = referral_cookie_write(keys, program, &t, value);

        do {
            len = damage(value, n, bad);
        } while (len == n && memcmp(value, bad, n) == 0);

        if (verify(keys, bad, len, NOW, WINDOW, &got)
            != REFERRAL_COOKIE_INVALID)
        {
            right++;
        }
    }

    tap_ok(right == 0, "none of %d damaged values verifies", ROUNDS);

    referral_keys_free(keys);
}


/* Text of any form that one of our own keys has signed. */

static size_t
any_signed(const referral_keys_t *keys, unsigned char *out)
{
    size_t         n;
    unsigned       i, field;
    unsigned char  word[70];

    memcpy(out, "1.k1", 4);
    n = 4;

    for (field = 4 + 4 * any(2) + (any(16) == 0); field; field--) {
        i = any(64) ? any(14) : any(70);
        any_word(word, i);

        out[n++] = '.';

        if (n + i + 1 + REFERRAL_MAC_LEN >= REFERRAL_COOKIE_MAX) {
            break;
        }

        if (field % 4 == 0 && any(32)) {
            i = (unsigned) sprintf((char *) word, "s%x", any(0xffff));

        } else if (field % 4 == 1) {
            i = any(16) ? any(2) * REFERRAL_CLICK_ID_LEN : i;
        }

        memcpy(out + n, word, i);
        n += i;
    }

    if (referral_keys_sign(keys, REFERRAL_PURPOSE_COOKIE, "friends|", 8, out,
                           n, out + n + 1)
        != 0)
    {
        abort();
    }

    out[n] = '.';

    return n + 1 + REFERRAL_MAC_LEN;
}


static void
test_signed_forms(void)
{
    size_t               n;
    unsigned             i, taken, wrong;
    unsigned char        value[REFERRAL_COOKIE_MAX + 1];
    referral_keys_t     *keys;
    referral_touches_t   got, again;

    keys = parse(K1);
    taken = 0;
    wrong = 0;

    for (i = 0; i < ROUNDS; i++) {
        n = any_signed(keys, value);

        if (verify(keys, value, n, NOW, INT64_MAX, &got)
            == REFERRAL_COOKIE_INVALID)
        {
            continue;
        }

        taken++;
        n = referral_cookie_write(keys, program, &got, value);

        if (n == 0
            || verify(keys, value, n, NOW, INT64_MAX, &again)
               != REFERRAL_COOKIE_VALID
            || !same(&got.first, &again.first)
            || !same(&got.last, &again.last))
        {
            wrong++;
        }
    }

    tap_ok(taken > ROUNDS / 10 && taken < ROUNDS && wrong == 0,
           "%u of %d signed forms are taken, all can be written again",
           taken, ROUNDS);

    referral_keys_free(keys);
}


/* Every step of a rotation reads what every step before it wrote. */

static void
test_rotation(void)
{
    int                  i;
    size_t               n[3];
    unsigned             step, lost, old;
    unsigned char        value[3][REFERRAL_COOKIE_MAX];
    referral_keys_t     *keys[4];
    referral_touches_t   t, got;

    keys[0] = parse(K1);
    keys[1] = parse(K1 K2);
    keys[2] = parse(K2 K1);
    keys[3] = parse(K2);
    lost = 0;
    old = 0;

    for (i = 0; i < 1000; i++) {
        t.last = any_touch();
        t.first = t.last;

        for (step = 0; step < 3; step++) {
            n[step] = referral_cookie_write(keys[step], program, &t,
                                            value[step]);
            lost += verify(keys[1], value[step], n[step], NOW, WINDOW, &got)
                    != REFERRAL_COOKIE_VALID;
            lost += verify(keys[2], value[step], n[step], NOW, WINDOW, &got)
                    != REFERRAL_COOKIE_VALID;
        }

        old += verify(keys[3], value[0], n[0], NOW, WINDOW, &got)
               != REFERRAL_COOKIE_INVALID;
        lost += verify(keys[3], value[2], n[2], NOW, WINDOW, &got)
                != REFERRAL_COOKIE_VALID;
    }

    tap_ok(lost == 0, "a rotation of keys loses no cookie");
    tap_ok(old == 0, "a deleted key verifies nothing");

    for (step = 0; step < 4; step++) {
        referral_keys_free(keys[step]);
    }
}


static void
test_clock(void)
{
    size_t               n;
    unsigned char        buf[REFERRAL_COOKIE_MAX];
    referral_keys_t     *keys;
    referral_touches_t   t, got;

    keys = parse(K1);

    t = touches("A", NOW, "A", NOW);
    n = referral_cookie_write(keys, program, &t, buf);

    tap_ok(verify(keys, buf, n, NOW - 300, WINDOW, &got)
           == REFERRAL_COOKIE_VALID, "300 seconds ahead is skew");
    tap_ok(verify(keys, buf, n, NOW - 301, WINDOW, &got)
           == REFERRAL_COOKIE_INVALID, "301 seconds ahead is not");
    tap_ok(verify(keys, buf, n, INT64_MIN, WINDOW, &got)
           == REFERRAL_COOKIE_INVALID, "nor is all time");
    tap_ok(verify(keys, buf, n, NOW + WINDOW - 1, WINDOW, &got)
           == REFERRAL_COOKIE_VALID, "valid in the last second");
    tap_ok(verify(keys, buf, n, NOW + WINDOW, WINDOW, &got)
           == REFERRAL_COOKIE_EXPIRED
           && is_touch(&got.last, "A", NOW), "expired in the next");
    tap_ok(verify(keys, buf, n, INT64_MAX, INT64_MAX, &got)
           == REFERRAL_COOKIE_VALID, "no window overflows");

    t = touches("A", NOW - WINDOW, "B", NOW - 1);
    n = referral_cookie_write(keys, program, &t, buf);
    tap_ok(verify(keys, buf, n, NOW, WINDOW, &got) == REFERRAL_COOKIE_VALID
           && is_touch(&got.first, "B", NOW - 1)
           && is_touch(&got.last, "B", NOW - 1),
           "the last replaces an expired first");

    t = touches("A", NOW, "B", NOW - WINDOW);
    n = referral_cookie_write(keys, program, &t, buf);
    tap_ok(verify(keys, buf, n, NOW, WINDOW, &got) == REFERRAL_COOKIE_VALID
           && is_touch(&got.first, "A", NOW)
           && is_touch(&got.last, "A", NOW),
           "a younger first replaces an expired last");

    t = touches("A", NOW + 301, "B", NOW);
    n = referral_cookie_write(keys, program, &t, buf);
    tap_ok(verify(keys, buf, n, NOW, WINDOW, &got)
           == REFERRAL_COOKIE_INVALID, "the first may not be ahead either");

    referral_keys_free(keys);
}


/* Signs with K1, reads where K1 has its time: what is left, "" if nothing. */

static const char *
not_before(const char *first, int64_t first_time, const char *last,
    int64_t last_time, const char *file)
{
    size_t                n;
    static char           left[8];
    unsigned char         buf[REFERRAL_COOKIE_MAX];
    referral_keys_t      *old, *new;
    referral_touches_t    t, got;

    old = parse(K1);
    new = parse(file);

    t = touches(first, first_time, last, last_time);
    n = referral_cookie_write(old, program, &t, buf);
    left[0] = '\0';

    if (verify(new, buf, n, NOW, WINDOW, &got) == REFERRAL_COOKIE_VALID) {
        (void) sprintf(left, "%.*s %.*s", got.first.code_len, got.first.code,
                       got.last.code_len, got.last.code);
    }

    referral_keys_free(old);
    referral_keys_free(new);

    return left;
}


static void
test_not_before(void)
{
    size_t       i;
    const char  *left;

    static const struct {
        int          first;
        int          last;
        const char  *want;
        const char  *name;
    } cases[] = {
        { -100, -100, "A B", "of that second" },
        { -101, -101, "", "a second before" },
        { -50, -10, "A B", "both after" },
        { -101, -100, "B B", "the first before" },
        { -100, -101, "A A", "the last before, the clock was set back" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        left = not_before("A", NOW + cases[i].first, "B", NOW + cases[i].last,
                          K1_NEW);
        tap_is_str(left, strlen(left), cases[i].want, cases[i].name);
    }

    left = not_before("A", NOW - 200, "B", NOW - 150, K1_NEW K2);
    tap_is_str(left, strlen(left), "", "the time is that of its own key");
    left = not_before("A", NOW - 200, "B", NOW - 150, K2
                      "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    tap_is_str(left, strlen(left), "A B", "and of no other");
}


int
main(void)
{
    test_largest();
    test_refused_touches();
    test_round_trip();
    test_damage();
    test_signed_forms();
    test_rotation();
    test_clock();
    test_not_before();

    return tap_done();
}
