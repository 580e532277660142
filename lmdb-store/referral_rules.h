/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The rules of a program that decide about events: attribution, points, tiers,
 * rewards, contests.  The store keeps them, as records of its journal, so that
 * what it decides follows from the journal alone: a change of the
 * configuration is an entry among the others.
 */

#ifndef REFERRAL_RULES_H
#define REFERRAL_RULES_H

#include "referral_types.h"


#define REFERRAL_EVENTS_MAX      32
#define REFERRAL_TIERS_MAX       16
#define REFERRAL_REWARDS_MAX     16
#define REFERRAL_CONTESTS_MAX    16
#define REFERRAL_PICKS_MAX       16
#define REFERRAL_VALUE_MAX       64      /* bytes of a reward's value or gift */
#define REFERRAL_RULES_SIZE      8192    /* bytes of encoded rules, at most */
#define REFERRAL_POINTS_MAX      1000000
#define REFERRAL_COUNT_MAX       1000000 /* every, limits, weights */
#define REFERRAL_HOLD_MAX        (10 * 365 * 86400) /* seconds; bind too */
#define REFERRAL_WINDOW_MAX      (400 * 86400)
#define REFERRAL_BPS_MAX         10000
#define REFERRAL_CLICK_EVENT     "click" /* declared: human clicks score */


/* Numbers of all enumerations here are on disk: append only. */

typedef enum {
    REFERRAL_ONCE_ORDER = 0,
    REFERRAL_ONCE_CUSTOMER
} referral_once_t;

typedef enum {
    REFERRAL_TO_REFERRER = 0,
    REFERRAL_TO_FRIEND
} referral_to_t;

typedef enum {
    REFERRAL_FOR_ALL = 0,               /* kinds of codes */
    REFERRAL_FOR_CUSTOMER,
    REFERRAL_FOR_PARTNER
} referral_for_t;

typedef enum {
    REFERRAL_EVER = 0,
    REFERRAL_PER_DAY,                   /* calendar, UTC */
    REFERRAL_PER_MONTH,
    REFERRAL_PER_YEAR
} referral_period_t;

typedef enum {
    REFERRAL_SELF_HOLD = 0,
    REFERRAL_SELF_REJECT,
    REFERRAL_SELF_ALLOW
} referral_self_t;

typedef enum {
    REFERRAL_MODEL_LAST = 0,
    REFERRAL_MODEL_FIRST
} referral_model_t;

typedef struct {
    referral_str_t          name;
    int64_t                 points;
    uint32_t                hold;       /* seconds */
    int64_t                 min;        /* minor units of any currency; less
                                           does not count.  0: none */
    uint8_t                 once;       /* referral_once_t */
    uint32_t                limit;      /* of "click": how many count for a
                                           code on one day; 0: all */
} referral_event_rule_t;

typedef struct {
    referral_str_t          name;
    int64_t                 points;     /* from this many on; ascending */
} referral_tier_rule_t;

typedef struct {
    referral_str_t          value;
    uint32_t                weight;     /* 1 and more */
} referral_pick_t;

typedef struct {
    referral_str_t          name;
    referral_str_t          on;         /* name of an event */
    referral_str_t          min_tier;   /* empty: none */
    referral_str_t          value;      /* text; may be empty */
    uint32_t                bps;        /* with every 1: that part of the net
                                           amount, 1/10000; 0: a fixed reward */
    uint8_t                 to;         /* referral_to_t */
    uint8_t                 kind;       /* referral_for_t */
    uint8_t                 per;        /* referral_period_t, of limit */
    uint8_t                 has_hold;   /* 0: the event's hold */
    uint32_t                hold;       /* seconds */
    uint32_t                every;      /* 1 and more */
    uint32_t                limit;      /* rewards of one code (referrer) or of
                                           one customer (friend); 0: none */
    unsigned                npicks;     /* 0: none */
    referral_pick_t         picks[REFERRAL_PICKS_MAX];
} referral_reward_rule_t;

typedef struct {
    referral_str_t          name;
    int64_t                 from;       /* ms; counted is from <= t < to */
    int64_t                 to;
} referral_contest_rule_t;

/* What makes an attributed event wait for a person.  0: nothing does. */

typedef struct {
    uint32_t                min_age;    /* seconds after its click; sooner */
    uint32_t                per_click;  /* events of one click; one more */
    int64_t                 max_amount; /* minor units of any currency; more */
} referral_review_rule_t;

typedef struct {
    uint8_t                 model;      /* referral_model_t */
    uint8_t                 self;       /* referral_self_t */
    uint8_t                 open;       /* codes open */
    uint32_t                window;     /* seconds */
    uint32_t                bind;       /* seconds; 0: off */
    referral_review_rule_t  review;
    unsigned                nevents;
    unsigned                ntiers;
    unsigned                nrewards;
    unsigned                ncontests;
    referral_event_rule_t   events[REFERRAL_EVENTS_MAX];
    referral_tier_rule_t    tiers[REFERRAL_TIERS_MAX];
    referral_reward_rule_t  rewards[REFERRAL_REWARDS_MAX];
    referral_contest_rule_t contests[REFERRAL_CONTESTS_MAX];
} referral_rules_t;


/*
 * Rules as bytes, buf of REFERRAL_RULES_SIZE; 0 when they do not fit or break
 * a limit above.  Equal rules have equal bytes.
 */

size_t referral_rules_encode(const referral_rules_t *rules,
    unsigned char *buf);

/* Back; strings point into buf.  0, or -1 when it is no such thing. */

int referral_rules_decode(const unsigned char *buf, size_t len,
    referral_rules_t *rules);

/* Whether they are of a version that is not known here. */

int referral_rules_later(const unsigned char *buf, size_t len);

/* Whether they keep to all that is said above; both of those ask for it. */

unsigned referral_rules_right(const referral_rules_t *rules);

/* A name of an event, tier, reward or contest: [a-z0-9][a-z0-9_-]{0,31}. */

unsigned referral_rules_name(referral_str_t name);

/* It is REFERRAL_CLICK_EVENT, which cannot be reported and has no reward. */

unsigned referral_rules_click(referral_str_t name);

/*
 * Index of a name in a list of n whose elements, of that size, begin with a
 * name: events, tiers, rewards, contests; -1: none.
 */

int referral_rules_find(const void *list, size_t size, unsigned n,
    referral_str_t name);

/* Index of the tier that these points reach; -1: none. */

int referral_rules_tier(const referral_rules_t *rules, int64_t points);

/*
 * The part of an amount: floor(amount * bps / 10000), TRUST.md M5; amount at
 * most REFERRAL_AMOUNT_MAX, bps at most 10000.
 */

int64_t referral_rules_part(int64_t amount, uint32_t bps);

/*
 * The gift a draw picks: the same for the same number, reward and weights.
 * With h = the 64-bit FNV-1a of the reward's name, and x = draw XOR h mixed by
 * the finalizer of splitmix64: the pick in whose share of the weights
 * floor((x >> 32) * sum of weights / 2^32) falls, in the order they are
 * written.
 */

unsigned referral_rules_pick(const referral_reward_rule_t *reward,
    uint64_t draw);


#endif /* REFERRAL_RULES_H */
