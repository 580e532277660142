/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Rules as bytes: written here once more, by a writer that checks nothing, so
 * that what must not be can be put before the decoder.  Then the arithmetic:
 * tiers, parts of amounts (TRUST.md M4, M5, M7), and gifts.
 */

#include <stdint.h>
#include <stdlib.h>

#include "referral_rules.h"
#include "tap.h"


#define BIG  (8 * REFERRAL_RULES_SIZE)

typedef struct {
    unsigned char  bytes[BIG];
    size_t         len;
} raw_t;


static referral_str_t
str(const char *text)
{
    return (referral_str_t) { strlen(text), (const unsigned char *) text };
}


/* ---------------------------------------------------- the format, again -- */

static void
raw_put(raw_t *raw, uint64_t n, size_t size)
{
    while (size-- > 0) {
        raw->bytes[raw->len++] = (unsigned char) n;
        n >>= 8;
    }
}


static void
raw_str(raw_t *raw, referral_str_t s)
{
    raw_put(raw, s.len, 1);

    if (s.len != 0) {
        memcpy(raw->bytes + raw->len, s.data, s.len);
        raw->len += s.len;
    }
}


static void
raw_reward(raw_t *raw, const referral_reward_rule_t *reward)
{
    unsigned  i;

    raw_str(raw, reward->name);
    raw_str(raw, reward->on);
    raw_str(raw, reward->min_tier);
    raw_str(raw, reward->value);
    raw_put(raw, reward->bps, 4);
    raw_put(raw, reward->to, 1);
    raw_put(raw, reward->kind, 1);
    raw_put(raw, reward->per, 1);
    raw_put(raw, reward->has_hold, 1);
    raw_put(raw, reward->hold, 4);
    raw_put(raw, reward->every, 4);
    raw_put(raw, reward->limit, 4);
    raw_put(raw, reward->npicks, 1);

    for (i = 0; i < reward->npicks && i < REFERRAL_PICKS_MAX; i++) {
        raw_str(raw, reward->picks[i].value);
        raw_put(raw, reward->picks[i].weight, 4);
    }
}


static void
raw_rules(raw_t *raw, const referral_rules_t *rules)
{
    unsigned                      i, reviewed;
    const referral_review_rule_t *review;

    raw->len = 0;
    review = &rules->review;
    reviewed = review->min_age != 0 || review->per_click != 0
               || review->max_amount != 0;

    raw_put(raw, reviewed ? 2 : 1, 1);
    raw_put(raw, rules->model, 1);
    raw_put(raw, rules->self, 1);
    raw_put(raw, rules->open, 1);
    raw_put(raw, rules->window, 4);
    raw_put(raw, rules->bind, 4);
    raw_put(raw, rules->nevents, 1);
    raw_put(raw, rules->ntiers, 1);
    raw_put(raw, rules->nrewards, 1);
    raw_put(raw, rules->ncontests, 1);

    for (i = 0; i < rules->nevents && i < REFERRAL_EVENTS_MAX; i++) {
        raw_str(raw, rules->events[i].name);
        raw_put(raw, (uint64_t) rules->events[i].points, 8);
        raw_put(raw, rules->events[i].hold, 4);
        raw_put(raw, (uint64_t) rules->events[i].min, 8);
        raw_put(raw, rules->events[i].once, 1);
        raw_put(raw, rules->events[i].limit, 4);
    }

    for (i = 0; i < rules->ntiers && i < REFERRAL_TIERS_MAX; i++) {
        raw_str(raw, rules->tiers[i].name);
        raw_put(raw, (uint64_t) rules->tiers[i].points, 8);
    }

    for (i = 0; i < rules->nrewards && i < REFERRAL_REWARDS_MAX; i++) {
        raw_reward(raw, &rules->rewards[i]);
    }

    for (i = 0; i < rules->ncontests && i < REFERRAL_CONTESTS_MAX; i++) {
        raw_str(raw, rules->contests[i].name);
        raw_put(raw, (uint64_t) rules->contests[i].from, 8);
        raw_put(raw, (uint64_t) rules->contests[i].to, 8);
    }

    if (reviewed) {
        raw_put(raw, review->min_age, 4);
        raw_put(raw, review->per_click, 4);
        raw_put(raw, (uint64_t) review->max_amount, 8);
    }
}


/*
 * Decodes from memory that ends where the bytes do, for the sanitizer.  What
 * is taken has to be the same bytes when it is encoded again.
 */

typedef enum { REFUSED, TAKEN, CHANGED } verdict_e;

static verdict_e
decode(const unsigned char *bytes, size_t len)
{
    size_t             n;
    verdict_e          verdict;
    unsigned char     *copy, out[REFERRAL_RULES_SIZE];
    referral_rules_t  *rules;

    copy = malloc(len);
    rules = malloc(sizeof(referral_rules_t));

    if (len != 0) {
        memcpy(copy, bytes, len);
    }

    verdict = REFUSED;

    if (referral_rules_decode(copy, len, rules) == 0) {
        n = referral_rules_encode(rules, out);
        verdict = (n == len && memcmp(out, bytes, n) == 0) ? TAKEN : CHANGED;
    }

    free(rules);
    free(copy);

    return verdict;
}


/* ---------------------------------------------------------------- rules -- */

static void
fill_reward(referral_reward_rule_t *reward, const char *name, const char *on)
{
    reward->name = str(name);
    reward->on = str(on);
    reward->min_tier = str("");
    reward->value = str("");
    reward->bps = 0;
    reward->to = REFERRAL_TO_REFERRER;
    reward->kind = REFERRAL_FOR_ALL;
    reward->per = REFERRAL_EVER;
    reward->has_hold = 0;
    reward->hold = 0;
    reward->every = 1;
    reward->limit = 0;
    reward->npicks = 0;
}


static void
fill_event(referral_event_rule_t *event, const char *name, int64_t points)
{
    event->name = str(name);
    event->points = points;
    event->hold = 0;
    event->min = 0;
    event->once = REFERRAL_ONCE_ORDER;
    event->limit = 0;
}


/* One of everything: rewards in percent, every third, with gifts, plain. */

static void
fill(referral_rules_t *rules)
{
    referral_reward_rule_t  *reward;

    rules->model = REFERRAL_MODEL_FIRST;
    rules->self = REFERRAL_SELF_REJECT;
    rules->open = 1;
    rules->window = 30 * 86400;
    rules->bind = 365 * 86400;
    memset(&rules->review, 0, sizeof(rules->review));

    rules->nevents = 3;
    fill_event(&rules->events[0], "signup", 5);
    fill_event(&rules->events[1], "purchase", 10);
    rules->events[1].hold = 14 * 86400;
    rules->events[1].min = 1000;
    rules->events[1].once = REFERRAL_ONCE_CUSTOMER;
    fill_event(&rules->events[2], "click", 1);
    rules->events[2].limit = 5;

    rules->ntiers = 2;
    rules->tiers[0].name = str("bronze");
    rules->tiers[0].points = 50;
    rules->tiers[1].name = str("silver");
    rules->tiers[1].points = 200;

    rules->nrewards = 4;
    reward = rules->rewards;
    fill_reward(&reward[0], "commission", "purchase");
    reward[0].value = str("12.5%");
    reward[0].bps = 1250;
    reward[0].min_tier = str("bronze");
    reward[0].kind = REFERRAL_FOR_PARTNER;
    reward[0].limit = 10;
    reward[0].per = REFERRAL_PER_YEAR;

    fill_reward(&reward[1], "free-month", "purchase");
    reward[1].every = 3;
    reward[1].has_hold = 1;
    reward[1].hold = 60;

    fill_reward(&reward[2], "surprise", "signup");
    reward[2].to = REFERRAL_TO_FRIEND;
    reward[2].npicks = 2;
    reward[2].picks[0].value = str("mug");
    reward[2].picks[0].weight = 5;
    reward[2].picks[1].value = str("bag");
    reward[2].picks[1].weight = 1;

    fill_reward(&reward[3], "thanks", "signup");
    reward[3].has_hold = 1;

    rules->ncontests = 1;
    rules->contests[0].name = str("winter");
    rules->contests[0].from = 1764547200000;
    rules->contests[0].to = 1767225600000;
}


static void
round_trip(void)
{
    size_t             len, other;
    raw_t             *raw;
    unsigned char      buf[REFERRAL_RULES_SIZE], buf2[REFERRAL_RULES_SIZE];
    referral_rules_t  *rules, *back;

    raw = malloc(sizeof(raw_t));
    rules = malloc(sizeof(referral_rules_t));
    back = malloc(sizeof(referral_rules_t));

    memset(rules, 0, sizeof(referral_rules_t));
    fill(rules);
    len = referral_rules_encode(rules, buf);

    raw_rules(raw, rules);
    tap_ok(len == raw->len && memcmp(buf, raw->bytes, len) == 0,
           "the bytes are those of the format");

    memset(rules, 0xa5, sizeof(referral_rules_t));
    fill(rules);
    other = referral_rules_encode(rules, buf2);
    tap_ok(other == len && memcmp(buf, buf2, len) == 0,
           "equal rules have equal bytes");

    memset(back, 0x5a, sizeof(referral_rules_t));
    tap_ok(referral_rules_decode(buf, len, back) == 0, "they are decoded");

    tap_ok(back->model == REFERRAL_MODEL_FIRST
           && back->self == REFERRAL_SELF_REJECT && back->open == 1
           && back->window == 2592000 && back->bind == 31536000
           && back->nevents == 3 && back->ntiers == 2 && back->nrewards == 4
           && back->ncontests == 1 && back->review.min_age == 0
           && back->review.per_click == 0 && back->review.max_amount == 0,
           "what is of the program");

    tap_is_str(back->events[1].name.data, back->events[1].name.len,
               "purchase", "name of an event");
    tap_ok(back->events[1].name.data > buf
           && back->events[1].name.data < buf + len, "it points into the bytes");
    tap_ok(back->events[1].points == 10 && back->events[1].hold == 1209600
           && back->events[1].min == 1000 && back->events[1].once == 1
           && back->events[2].limit == 5, "what is of an event");
    tap_ok(back->tiers[1].points == 200, "what is of a tier");
    tap_ok(back->rewards[0].bps == 1250
           && back->rewards[0].kind == REFERRAL_FOR_PARTNER
           && back->rewards[0].limit == 10
           && back->rewards[0].per == REFERRAL_PER_YEAR
           && back->rewards[0].min_tier.len == 6
           && back->rewards[1].every == 3 && back->rewards[1].has_hold == 1
           && back->rewards[1].hold == 60
           && back->rewards[2].to == REFERRAL_TO_FRIEND
           && back->rewards[2].npicks == 2, "what is of a reward");
    tap_is_str(back->rewards[0].value.data, back->rewards[0].value.len,
               "12.5%", "its value");
    tap_is_str(back->rewards[2].picks[1].value.data,
               back->rewards[2].picks[1].value.len, "bag", "a gift");
    tap_ok(back->contests[0].from == 1764547200000
           && back->contests[0].to == 1767225600000, "what is of a contest");
    tap_ok(decode(buf, len) == TAKEN, "and are the same bytes again");

    free(back);
    free(rules);
    free(raw);
}


/* --------------------------------------------------------------- limits -- */

static unsigned char      room[REFERRAL_RULES_SIZE];
static char               letters[300];
static referral_rules_t   base;
static raw_t              image;


static referral_str_t
letters_of(size_t n)
{
    return (referral_str_t) { n, (unsigned char *) letters };
}


/* Both sides take it, or both refuse it. */

static void
right(const char *what)
{
    size_t  len;

    raw_rules(&image, &base);
    len = referral_rules_encode(&base, room);

    tap_ok(len == image.len && memcmp(room, image.bytes, len) == 0
           && decode(image.bytes, image.len) == TAKEN, "right: %s", what);

    fill(&base);
}


static void
wrong(const char *what)
{
    raw_rules(&image, &base);

    tap_ok(referral_rules_encode(&base, room) == 0
           && decode(image.bytes, image.len) == REFUSED, "wrong: %s", what);

    fill(&base);
}


#define RIGHT(change)  do { change; right(#change); } while (0)
#define WRONG(change)  do { change; wrong(#change); } while (0)


static void
limits_of_program(void)
{
    WRONG(base.model = 2);
    WRONG(base.self = 3);
    RIGHT(base.self = REFERRAL_SELF_ALLOW);
    WRONG(base.open = 2);
    WRONG(base.window = 0);
    RIGHT(base.window = 1);
    RIGHT(base.window = REFERRAL_WINDOW_MAX);
    WRONG(base.window = REFERRAL_WINDOW_MAX + 1);
    RIGHT(base.bind = 0);
    RIGHT(base.bind = REFERRAL_HOLD_MAX);
    WRONG(base.bind = REFERRAL_HOLD_MAX + 1);
    WRONG(base.nevents = REFERRAL_EVENTS_MAX + 1);
    WRONG(base.nevents = 0);            /* rewards are on them */
    WRONG(base.ntiers = REFERRAL_TIERS_MAX + 1);
    WRONG(base.ntiers = 0);
    WRONG(base.nrewards = REFERRAL_REWARDS_MAX + 1);
    WRONG(base.ncontests = REFERRAL_CONTESTS_MAX + 1);
    RIGHT(base.nrewards = base.ntiers = base.nevents = base.ncontests = 0);
}


static void
limits_of_review(void)
{
    RIGHT(base.review.min_age = 1);
    RIGHT(base.review.min_age = REFERRAL_HOLD_MAX);
    WRONG(base.review.min_age = REFERRAL_HOLD_MAX + 1);
    RIGHT(base.review.per_click = REFERRAL_COUNT_MAX);
    WRONG(base.review.per_click = REFERRAL_COUNT_MAX + 1);
    RIGHT(base.review.max_amount = REFERRAL_AMOUNT_MAX);
    WRONG(base.review.max_amount = REFERRAL_AMOUNT_MAX + 1);
    WRONG(base.review.max_amount = -1);

    raw_rules(&image, &base);
    raw_put(&image, 0, 16);
    image.bytes[0] = 2;
    tap_ok(decode(image.bytes, image.len) == REFUSED,
           "wrong: version 2 without a review");

    image.bytes[0] = 3;
    tap_ok(decode(image.bytes, image.len) == REFUSED, "wrong: version 3");
}


static void
limits_of_event(void)
{
    referral_event_rule_t  *event, *click;

    event = &base.events[0];
    click = &base.events[2];

    RIGHT(event->points = 0);
    WRONG(event->points = -1);
    RIGHT(event->points = REFERRAL_POINTS_MAX);
    WRONG(event->points = REFERRAL_POINTS_MAX + 1);
    RIGHT(event->hold = REFERRAL_HOLD_MAX);
    WRONG(event->hold = REFERRAL_HOLD_MAX + 1);
    RIGHT(event->min = REFERRAL_AMOUNT_MAX);
    WRONG(event->min = REFERRAL_AMOUNT_MAX + 1);
    WRONG(event->min = -1);
    WRONG(event->once = 2);
    WRONG(event->limit = 1);
    WRONG(event->name = str("purchase"));
    WRONG(event->name = str("sign"));           /* unknown to rewards */
    RIGHT(click->limit = REFERRAL_COUNT_MAX);
    RIGHT(click->limit = 0);
    WRONG(click->limit = REFERRAL_COUNT_MAX + 1);
    WRONG(click->hold = 1);
    WRONG(click->min = 1);
    WRONG(click->once = REFERRAL_ONCE_CUSTOMER);
}


static void
limits_of_name(void)
{
    referral_str_t  *name;

    name = &base.events[2].name;
    base.events[2].limit = 0;

    RIGHT(base.events[2].limit = 0; *name = str("0"));
    RIGHT(base.events[2].limit = 0; *name = str("a_-9z"));
    RIGHT(base.events[2].limit = 0; *name = letters_of(32));
    WRONG(base.events[2].limit = 0; *name = letters_of(33));
    WRONG(base.events[2].limit = 0; *name = letters_of(255));
    WRONG(base.events[2].limit = 0; *name = str(""));
    WRONG(base.events[2].limit = 0; *name = str("A"));
    WRONG(base.events[2].limit = 0; *name = str("-a"));
    WRONG(base.events[2].limit = 0; *name = str("_a"));
    WRONG(base.events[2].limit = 0; *name = str("a b"));
    WRONG(base.events[2].limit = 0; *name = str("a.b"));
    WRONG(base.events[2].limit = 0; *name = str("\xc3\xa4"));
    WRONG(base.events[2].limit = 0;
          *name = ((referral_str_t) { 3, (const unsigned char *) "a\0b" }));
    WRONG(base.tiers[0].name = str("Bronze"));
    WRONG(base.rewards[3].name = str("Thanks"));
    WRONG(base.contests[0].name = str("Winter"));
}


static void
limits_of_tier(void)
{
    WRONG(base.tiers[1].points = 50);
    WRONG(base.tiers[1].points = 49);
    RIGHT(base.tiers[1].points = 51);
    RIGHT(base.tiers[1].points = REFERRAL_POINTS_MAX);
    WRONG(base.tiers[1].points = REFERRAL_POINTS_MAX + 1);
    RIGHT(base.tiers[0].points = 0);
    WRONG(base.tiers[0].points = -1);
    WRONG(base.tiers[1].name = str("bronze"));
}


static void
limits_of_reward(void)
{
    referral_reward_rule_t  *reward, *other;

    reward = &base.rewards[0];
    other = &base.rewards[1];

    WRONG(reward->on = str("click"));
    WRONG(reward->on = str("refund"));
    WRONG(reward->on = str(""));
    WRONG(reward->min_tier = str("gold"));
    RIGHT(reward->min_tier = str("silver"));
    RIGHT(reward->min_tier = str(""));
    RIGHT(reward->bps = 1);
    RIGHT(reward->bps = REFERRAL_BPS_MAX);
    WRONG(reward->bps = REFERRAL_BPS_MAX + 1);
    WRONG(reward->value = str(""));             /* of a percentage */
    RIGHT(reward->value = letters_of(64));
    WRONG(reward->value = letters_of(65));
    WRONG(reward->every = 2);                   /* in percent */
    WRONG(reward->to = 2);
    WRONG(reward->kind = 3);
    WRONG(reward->per = 4);
    WRONG(reward->limit = 0);                   /* for a year */
    RIGHT(reward->limit = 0; reward->per = REFERRAL_EVER);
    RIGHT(reward->limit = REFERRAL_COUNT_MAX);
    WRONG(reward->limit = REFERRAL_COUNT_MAX + 1);
    WRONG(reward->hold = 1);                    /* without has_hold */
    WRONG(reward->has_hold = 2);
    RIGHT(other->hold = REFERRAL_HOLD_MAX);
    WRONG(other->hold = REFERRAL_HOLD_MAX + 1);
    WRONG(other->every = 0);
    RIGHT(other->every = REFERRAL_COUNT_MAX);
    WRONG(other->every = REFERRAL_COUNT_MAX + 1);
    WRONG(other->name = str("commission"));
}


static void
limits_of_pick(void)
{
    unsigned                 i;
    referral_reward_rule_t  *reward;

    reward = &base.rewards[2];

    WRONG(reward->value = str("mug"));
    WRONG(reward->picks[1].weight = 0);
    RIGHT(reward->picks[1].weight = REFERRAL_COUNT_MAX);
    WRONG(reward->picks[1].weight = REFERRAL_COUNT_MAX + 1);
    WRONG(reward->picks[1].value = str(""));
    RIGHT(reward->picks[1].value = letters_of(64));
    WRONG(reward->picks[1].value = letters_of(65));
    WRONG(reward->bps = 100);

    for (i = 0; i < REFERRAL_PICKS_MAX; i++) {
        reward->picks[i].value = str("gift");
        reward->picks[i].weight = i + 1;
    }

    RIGHT(reward->npicks = REFERRAL_PICKS_MAX);
    WRONG(reward->npicks = REFERRAL_PICKS_MAX + 1);
    WRONG(reward->npicks = 255);
}


static void
limits_of_contest(void)
{
    referral_contest_rule_t  *contest;

    contest = &base.contests[0];

    WRONG(contest->from = contest->to);
    WRONG(contest->from = contest->to + 1);
    RIGHT(contest->from = contest->to - 1);
    RIGHT(contest->from = 0);
    WRONG(contest->from = -1);
    RIGHT(contest->to = 253402300800000);
    WRONG(contest->to = 253402300800001);
    WRONG(base.contests[1] = base.contests[0]; base.ncontests = 2);
}


/*
 * More than there is room for, all of them there and alike: the decoder must
 * not take them before it has counted.
 */

static void
crowds(void)
{
    unsigned       i, k;
    unsigned char  item[64];
    size_t         n;

    static const size_t  sizes[] = { 27, 10, 26, 18 };

    for (k = 0; k < 4; k++) {
        base.nevents = base.ntiers = base.nrewards = base.ncontests = 0;
        raw_rules(&image, &base);
        image.bytes[12 + k] = 255;

        memset(item, 0, sizeof(item));
        item[0] = 1;
        item[1] = 'a';
        n = sizes[k];

        for (i = 0; i < 255; i++) {
            memcpy(image.bytes + image.len, item, n);
            image.len += n;
        }

        tap_ok(image.len < REFERRAL_RULES_SIZE
               && decode(image.bytes, image.len) == REFUSED,
               "wrong: 255 of list %u", k);
    }

    fill(&base);
}


/* As many as there may be of each; then as many bytes. */

static void
limits_of_size(void)
{
    size_t       len;
    unsigned     i;
    static char  names[REFERRAL_EVENTS_MAX][4];

    base.nrewards = 0;
    base.nevents = REFERRAL_EVENTS_MAX;
    base.ntiers = REFERRAL_TIERS_MAX;
    base.ncontests = REFERRAL_CONTESTS_MAX;

    for (i = 0; i < REFERRAL_EVENTS_MAX; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "n%u", i % 100);
        fill_event(&base.events[i], names[i], i);
    }

    for (i = 0; i < REFERRAL_TIERS_MAX; i++) {
        base.tiers[i].name = str(names[i]);
        base.tiers[i].points = i;
        base.contests[i] = base.contests[0];
        base.contests[i].name = str(names[i]);
    }

    right("as many events, tiers and contests as there may be");

    base.nrewards = REFERRAL_REWARDS_MAX;

    for (i = 0; i < REFERRAL_REWARDS_MAX; i++) {
        fill_reward(&base.rewards[i], names[i], "signup");
        base.rewards[i].npicks = REFERRAL_PICKS_MAX / 2;
    }

    for (i = 0; i < REFERRAL_REWARDS_MAX * REFERRAL_PICKS_MAX / 2; i++) {
        base.rewards[i % 16].picks[i / 16].value = letters_of(1);
        base.rewards[i % 16].picks[i / 16].weight = 1;
    }

    for (i = 0; ; i++) {
        raw_rules(&image, &base);

        if (image.len >= REFERRAL_RULES_SIZE) {
            break;
        }

        len = REFERRAL_RULES_SIZE - image.len;
        base.rewards[i % 16].picks[i / 16].value = letters_of(len < 63
                                                              ? len + 1 : 64);
    }

    tap_ok(image.len == REFERRAL_RULES_SIZE
           && referral_rules_encode(&base, room) == REFERRAL_RULES_SIZE
           && decode(image.bytes, image.len) == TAKEN, "8192 bytes fit");

    base.rewards[15].picks[7].value = letters_of(2);
    wrong("8193 bytes do not");
}


/* ----------------------------------------------------- bytes of no worth -- */

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;

    return *state;
}


static void
damaged(void)
{
    size_t         i, n, len;
    unsigned       k, bad, taken;
    uint64_t       state;
    verdict_e      verdict;
    unsigned char  bytes[REFERRAL_RULES_SIZE + 1];

    len = referral_rules_encode(&base, bytes);
    bad = 0;

    for (i = 0; i < len; i++) {
        bad += (decode(bytes, i) != REFUSED);
    }

    tap_ok(bad == 0, "cut off anywhere, it is refused");

    bytes[len] = 0;
    tap_ok(decode(bytes, len + 1) == REFUSED, "a byte too many is, too");

    bad = 0;
    taken = 0;

    for (i = 0; i < len; i++) {
        for (k = 1; k < 256; k++) {
            bytes[i] ^= (unsigned char) k;
            verdict = decode(bytes, len);
            bytes[i] ^= (unsigned char) k;
            bad += (verdict == CHANGED);
            taken += (verdict == TAKEN);
        }
    }

    tap_ok(bad == 0 && taken > 0,
           "no other byte changes what it does not say (%u taken)", taken);

    state = 88172645463325252u;
    bad = 0;

    for (k = 0; k < 200000; k++) {
        (void) referral_rules_encode(&base, bytes);

        for (n = 1 + next_random(&state) % 4; n > 0; n--) {
            bytes[next_random(&state) % len]
                = (unsigned char) next_random(&state);
        }

        bad += (decode(bytes, len) == CHANGED);
    }

    tap_ok(bad == 0, "nor do several");

    for (k = 0; k < 100000; k++) {
        n = next_random(&state) % 600;

        for (i = 0; i < n; i++) {
            bytes[i] = (unsigned char) (next_random(&state) % 40);
        }

        bytes[0] = (unsigned char) (1 + k % 2);
        bad += (decode(bytes, n) == CHANGED);
    }

    tap_ok(bad == 0, "and noise is refused");
}


/* ----------------------------------------------------------- arithmetic -- */

static void
tiers(void)
{
    tap_ok(referral_rules_tier(&base, -10) == -1, "less than no points: none");
    tap_ok(referral_rules_tier(&base, 49) == -1, "49 points: none");
    tap_ok(referral_rules_tier(&base, 50) == 0, "50 points: bronze");
    tap_ok(referral_rules_tier(&base, 199) == 0, "199 points: bronze");
    tap_ok(referral_rules_tier(&base, 200) == 1, "200 points: silver");
    tap_ok(referral_rules_tier(&base, INT64_MAX) == 1, "any more: silver");

    base.ntiers = 0;
    tap_ok(referral_rules_tier(&base, 1000) == -1, "no tiers: none");
    fill(&base);
}


static void
parts(void)
{
    int64_t   amount, before, after, back;
    uint32_t  bps;
    uint64_t  state;
    unsigned  i, bad;

    tap_ok(referral_rules_part(4999, 1250) == 624, "M5: 12.5%% of 4999");
    tap_ok(referral_rules_part(1, 5000) == 0, "M5: 50%% of 1");
    tap_ok(referral_rules_part(3, 3333) == 0, "M5: 33.33%% of 3");
    tap_ok(referral_rules_part(0, 10000) == 0, "of nothing");
    tap_ok(referral_rules_part(REFERRAL_AMOUNT_MAX, 10000)
           == REFERRAL_AMOUNT_MAX, "M4: all of the largest amount");
    tap_ok(referral_rules_part(REFERRAL_AMOUNT_MAX, 9999)
           == 922244969965108, "M4: 99.99%% of it");

    before = referral_rules_part(1001, 1000);
    after = referral_rules_part(1001 - 500, 1000);
    back = before - after;
    tap_ok(before == 100 && after == 50, "M7: half of 1001 refunded");

    before = after;
    after = referral_rules_part(1001 - 500 - 501, 1000);
    back += before - after;
    tap_ok(after == 0 && back == 100, "M7: all of it refunded");

    state = 2463534242u;
    bad = 0;

    for (i = 0; i < 200000; i++) {
        amount = (int64_t) (next_random(&state)
                            % ((uint64_t) REFERRAL_AMOUNT_MAX + 1));
        bps = (uint32_t) (next_random(&state) % 10001);
        after = referral_rules_part(amount, bps);

        bad += ((__int128) after * 10000 > (__int128) amount * bps
                || (__int128) (after + 1) * 10000 <= (__int128) amount * bps);
    }

    tap_ok(bad == 0, "it is the floor");
}


/* ---------------------------------------------------------------- gifts -- */

static void
gifts(referral_reward_rule_t *reward, const char *name,
    const uint32_t *weights, unsigned n)
{
    unsigned  i;

    fill_reward(reward, name, "signup");
    reward->npicks = n;

    for (i = 0; i < n; i++) {
        reward->picks[i].value = str("gift");
        reward->picks[i].weight = weights[i];
    }
}


/* Computed in Perl with Math::BigInt, from the sentence in the header. */

static void
vectors(void)
{
    char                    drawn[32];
    unsigned                i;
    referral_reward_rule_t  reward;

    static const uint32_t  weights[] = { 5, 3, 1, 1 };

    gifts(&reward, "surprise", weights, 4);

    for (i = 0; i < 12; i++) {
        drawn[i] = (char) ('0' + referral_rules_pick(&reward, i));
    }

    tap_is_str(drawn, 12, "100023001020", "draws 0 to 11 of \"surprise\"");
    tap_ok(referral_rules_pick(&reward, UINT64_MAX) == 1
           && referral_rules_pick(&reward, 0x123456789abcdef0) == 1,
           "two large ones");

    gifts(&reward, "gift", weights, 4);

    for (i = 0; i < 8; i++) {
        drawn[i] = (char) ('0' + referral_rules_pick(&reward, i));
    }

    tap_is_str(drawn, 8, "12100010", "draws 0 to 7 of \"gift\"");
}


/*
 * Chi-square of a million draws that only count up: with 3 degrees of freedom
 * more than 16.3 in one case of a thousand, and these are always the same.
 */

static void
distribution(void)
{
    double                  chi, expected, seen;
    unsigned                i, k, n[4], both[2][2];
    referral_reward_rule_t  reward, other;

    static const uint32_t  weights[] = { 700, 200, 90, 10 };
    static const uint32_t  halves[] = { 1, 1 };
    static const uint32_t  rare[] = { 1, REFERRAL_COUNT_MAX, 1 };

    memset(n, 0, sizeof(n));
    gifts(&reward, "lottery", weights, 4);

    for (i = 0; i < 1000000; i++) {
        n[referral_rules_pick(&reward, i)]++;
    }

    chi = 0;

    for (i = 0; i < 4; i++) {
        expected = weights[i] * 1000.0;
        seen = n[i];
        chi += (seen - expected) * (seen - expected) / expected;
    }

    tap_ok(chi < 16.3, "%u %u %u %u of a million, chi-square %.2f", n[0], n[1],
           n[2], n[3], chi);

    memset(both, 0, sizeof(both));
    gifts(&reward, "one", halves, 2);
    gifts(&other, "two", halves, 2);

    for (i = 0; i < 100000; i++) {
        both[referral_rules_pick(&reward, i)]
            [referral_rules_pick(&other, i)]++;
    }

    for (i = 0, k = 1; i < 4; i++) {
        k = k && both[i / 2][i % 2] > 24000 && both[i / 2][i % 2] < 26000;
    }

    tap_ok(k, "two rewards of one event draw for themselves");

    memset(n, 0, sizeof(n));
    gifts(&reward, "rare", rare, 3);

    for (i = 0; i < 10000000; i++) {
        n[referral_rules_pick(&reward, i)]++;
    }

    tap_ok(n[0] > 0 && n[0] < 30 && n[2] > 0 && n[2] < 30,
           "one in a million: %u and %u of ten", n[0], n[2]);

    gifts(&reward, "sure", halves, 1);
    tap_ok(referral_rules_pick(&reward, 1) == 0
           && referral_rules_pick(&reward, UINT64_MAX) == 0, "a gift alone");
}


int
main(void)
{
    memset(letters, 'a', sizeof(letters));
    fill(&base);

    round_trip();

    limits_of_program();
    limits_of_review();
    limits_of_event();
    limits_of_name();
    limits_of_tier();
    limits_of_reward();
    limits_of_pick();
    limits_of_contest();
    crowds();
    damaged();
    base.review.per_click = 3;
    damaged();
    fill(&base);
    limits_of_size();

    tiers();
    parts();
    vectors();
    distribution();

    return tap_done();
}
