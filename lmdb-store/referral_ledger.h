/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What became of events: conversions, rewards, points, leaderboards, amounts
 * and the journal, as a snapshot shows them.
 *
 * A visit function is called until it returns non-zero; the list then ends
 * with REFERRAL_OK.  Strings point into the map.
 */

#ifndef REFERRAL_LEDGER_H
#define REFERRAL_LEDGER_H

#include "referral_store.h"


/* ---------------------------------------------------------------- rules -- */

/* The rules in force; REFERRAL_NOT_FOUND: none yet. */

referral_rc_t referral_rules_get(referral_snapshot_t *snap, uint32_t program,
    referral_rules_t *out);


/* ---------------------------------------------------------- conversions -- */

/* How an event got its code. */

typedef enum {
    REFERRAL_METHOD_NONE = 0,
    REFERRAL_METHOD_TOKEN,
    REFERRAL_METHOD_CUSTOMER,           /* bound to the code before */
    REFERRAL_METHOD_CLICK,              /* a click id was named */
    REFERRAL_METHOD_CODE                /* a coupon */
} referral_attribution_t;

/* Bits of reasons: why not, or why not yet.  On disk: append only. */

#define REFERRAL_REASON_NO_EVIDENCE      0x00000001  /* nothing was told */
#define REFERRAL_REASON_TOKEN_EXPIRED    0x00000002
#define REFERRAL_REASON_TOKEN_INVALID    0x00000004
#define REFERRAL_REASON_TOKEN_CODE       0x00000008  /* its code: unknown or
                                                        ended */
#define REFERRAL_REASON_CLICK_UNKNOWN    0x00000010
#define REFERRAL_REASON_CLICK_EXPIRED    0x00000020
#define REFERRAL_REASON_CLICK_CLASS      0x00000040  /* not of a person */
#define REFERRAL_REASON_CODE_UNKNOWN     0x00000080
#define REFERRAL_REASON_CODE_ENDED       0x00000100  /* or paused: a coupon */
#define REFERRAL_REASON_SELF             0x00000200  /* the code is theirs */
#define REFERRAL_REASON_BELOW_MIN        0x00000400
#define REFERRAL_REASON_ONCE             0x00000800  /* the customer had one */
#define REFERRAL_REASON_NO_CUSTOMER      0x00001000  /* once=customer needs it */
#define REFERRAL_REASON_EARLY_REFUND     0x00002000  /* refunds came first */
#define REFERRAL_REASON_REFUND_CUT       0x00004000  /* and were more than the
                                                        amount */
#define REFERRAL_REASON_VOIDED           0x00008000  /* by a decision */
#define REFERRAL_REASON_RELEASED         0x00010000  /* was held, approved by a
                                                        decision */
#define REFERRAL_REASON_VELOCITY         0x00020000  /* too many lately */
#define REFERRAL_REASON_TOO_SOON         0x00040000  /* after its click */
#define REFERRAL_REASON_BEFORE_CLICK     0x00080000  /* it occurred */
#define REFERRAL_REASON_PER_CLICK        0x00100000  /* too many of its click */
#define REFERRAL_REASON_OVER_AMOUNT      0x00200000
#define REFERRAL_REASONS                 22

/* Name of the bit-th reason, as the API spells it; never NULL. */

const char *referral_reason_name(unsigned bit);
const char *referral_method_name(unsigned method);

typedef struct {
    uint64_t                seq;        /* of its record in the journal */
    referral_str_t          order_id;
    referral_str_t          event;
    uint8_t                 status;     /* referral_event_status_t */
    uint8_t                 method;     /* referral_attribution_t */
    uint8_t                 source;     /* referral_source_t */
    uint8_t                 touch;      /* TOKEN: referral_model_t */
    uint32_t                reasons;
    uint32_t                code_id;    /* 0: unattributed */
    referral_str_t          code;
    referral_str_t          first_code; /* TOKEN: of its first touch */
    referral_str_t          channel;
    referral_str_t          customer;
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];
    int64_t                 clicked;    /* ms; 0: no click */
    int64_t                 time;       /* when it was taken, ms */
    int64_t                 occurred;   /* 0: not told */
    int64_t                 approves;   /* when the hold passes */
    int64_t                 changed;
    unsigned                has_amount;
    uint16_t                currency;   /* ISO 4217 number */
    int64_t                 amount;
    int64_t                 refunded;
    int64_t                 points;     /* that it gives now */
    unsigned                nrewards;
    uint64_t                rewards[REFERRAL_REWARDS_MAX];  /* their ids */
} referral_conversion_t;

referral_rc_t referral_conversion_get(referral_snapshot_t *snap,
    uint32_t program, referral_str_t order_id, referral_conversion_t *out);

/*
 * In the order of the bytes of the order ids, from the one after `after`
 * (empty: the first).  Awaited orders are not among them.
 */

typedef int (*referral_conversion_visit_pt)(void *data,
    const referral_conversion_t *conversion);

referral_rc_t referral_conversion_list(referral_snapshot_t *snap,
    uint32_t program, referral_str_t after,
    referral_conversion_visit_pt visit, void *data);

/* Held ones only, the oldest first, from the one after that sequence. */

referral_rc_t referral_conversion_held(referral_snapshot_t *snap,
    uint32_t program, uint64_t after, referral_conversion_visit_pt visit,
    void *data);

typedef struct {
    referral_str_t          refund_id;
    referral_str_t          reason;
    int64_t                 time;
    int64_t                 amount;     /* that was refunded */
    uint8_t                 whole;
} referral_refund_info_t;

typedef int (*referral_refund_visit_pt)(void *data,
    const referral_refund_info_t *refund);

/* Of one order, by the bytes of their ids; of an awaited one too. */

referral_rc_t referral_refund_list(referral_snapshot_t *snap,
    uint32_t program, referral_str_t order_id,
    referral_refund_visit_pt visit, void *data);

referral_rc_t referral_refund_get(referral_snapshot_t *snap, uint32_t program,
    referral_str_t order_id, referral_str_t refund_id,
    referral_refund_info_t *out);

/*
 * The code that a customer's first attributed event bound it to; it may have
 * passed, and the code have ended.
 */

typedef struct {
    referral_str_t          code;
    int64_t                 from;       /* ms */
    int64_t                 until;
} referral_binding_t;

referral_rc_t referral_binding_get(referral_snapshot_t *snap,
    uint32_t program, referral_str_t customer, referral_binding_t *out);


/* -------------------------------------------------------------- rewards -- */

typedef struct {
    uint64_t                id;
    uint8_t                 state;      /* referral_reward_state_t */
    uint8_t                 to;         /* referral_to_t */
    referral_str_t          name;       /* of its rule */
    uint32_t                code_id;
    referral_str_t          code;
    referral_str_t          order_id;   /* of the event that brought it */
    referral_str_t          customer;   /* the friend; may be empty */
    referral_str_t          value;      /* text, or the gift that was drawn */
    referral_str_t          reason;     /* of the last decision */
    uint32_t                bps;        /* 0: fixed */
    uint16_t                currency;   /* with bps */
    int64_t                 amount;     /* with bps: now, after refunds */
    int64_t                 paid;       /* claimed: what was left of amount */
    int64_t                 offset;     /* after what the referrer owed */
    int64_t                 created;
    int64_t                 approves;   /* when the hold passes */
    int64_t                 claimed;    /* 0: never */
    int64_t                 changed;
} referral_reward_t;

referral_rc_t referral_reward_get(referral_snapshot_t *snap,
    uint32_t program, uint64_t id, referral_reward_t *out);

/*
 * Rewards by id, from the one after `after`; state and to: -1 for all, code_id
 * 0 for all.  Costs what is passed over too: with code_id the rewards of that
 * code, else with state those in it, else all of the program.
 */

typedef struct {
    int                     state;
    int                     to;
    uint32_t                code_id;
} referral_reward_filter_t;

typedef int (*referral_reward_visit_pt)(void *data,
    const referral_reward_t *reward);

referral_rc_t referral_reward_list(referral_snapshot_t *snap,
    uint32_t program, const referral_reward_filter_t *filter, uint64_t after,
    referral_reward_visit_pt visit, void *data);

/*
 * Looks at so many rows at most, those that are passed over too; *last is the
 * id of the last one when there are more, else 0.
 */

referral_rc_t referral_reward_some(referral_snapshot_t *snap,
    uint32_t program, const referral_reward_filter_t *filter, uint64_t after,
    uint64_t rows, referral_reward_visit_pt visit, void *data,
    uint64_t *last);

/* Those of a code, which the filter names, the latest first. */

referral_rc_t referral_reward_latest(referral_snapshot_t *snap,
    uint32_t program, const referral_reward_filter_t *filter, uint64_t rows,
    referral_reward_visit_pt visit, void *data);


/* --------------------------------------------------------------- scores -- */

typedef struct {
    int64_t                 points;
    uint64_t                rewards[REFERRAL_REWARD_STATES];    /* to the
                                                                   referrer */
} referral_score_t;

/*
 * Absent means zeros.  code_id REFERRAL_TALLY_ALL: the rewards of the program,
 * to whomever; its points are 0.
 */

referral_rc_t referral_score_get(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, referral_score_t *out);

/*
 * Amounts of rewards in percent to the referrer, of one code and currency.
 * What can be paid out is rewards[APPROVED] - owed, when that is positive:
 * owed is what was claimed and its order refunded later; the next claims are
 * set off against it.
 */

typedef struct {
    int64_t                 rewards[REFERRAL_REWARD_STATES];
    int64_t                 paid;
    int64_t                 owed;
} referral_account_t;

typedef int (*referral_account_visit_pt)(void *data, uint16_t currency,
    const referral_account_t *account);

referral_rc_t referral_account_list(referral_snapshot_t *snap,
    uint32_t program, uint32_t code_id, referral_account_visit_pt visit,
    void *data);

/*
 * Leaderboards.  A period: all time, a month (year * 100 + month, UTC), or a
 * contest, by its number in the store; NOT_FOUND: no such contest was ever
 * declared.  Codes with points, most first, then by code id; `after` is the
 * place after which to begin, code_id 0: the top.
 */

#define REFERRAL_LEADERS_ALL  0

referral_rc_t referral_leaders_contest(referral_snapshot_t *snap,
    uint32_t program, referral_str_t name, uint32_t *period);

typedef struct {
    int64_t                 points;
    uint32_t                code_id;
} referral_place_t;

typedef int (*referral_leaders_visit_pt)(void *data, referral_str_t code,
    const referral_place_t *place);

referral_rc_t referral_leaders(referral_snapshot_t *snap, uint32_t program,
    uint32_t period, const referral_place_t *after,
    referral_leaders_visit_pt visit, void *data);


/* --------------------------------------------------- counters of events -- */

typedef struct {
    uint64_t                statuses[REFERRAL_EVENT_STATUSES];
    int64_t                 points;
} referral_tally_t;

/* Sum of the statuses. */

uint64_t referral_tally_count(const referral_tally_t *tally);

#define REFERRAL_TALLY_ALL   UINT32_MAX     /* code_id: of the program */
#define REFERRAL_TALLY_NONE  0              /* unattributed */

/*
 * Sums over days as of referral_counts_by() (from = to = 0: all time), by the
 * day of the event, in the order of the numbers of the events: counts, and
 * amounts for each event and currency.  by_day: one call for each day that
 * has any, ascending, with its start in seconds; else start is 0.
 */

typedef int (*referral_tally_visit_pt)(void *data, referral_str_t event,
    int64_t start, const referral_tally_t *tally);

referral_rc_t referral_tally_list(referral_snapshot_t *snap,
    uint32_t program, uint32_t code_id, uint32_t from, uint32_t to,
    unsigned by_day, referral_tally_visit_pt visit, void *data);

typedef struct {
    int64_t                 gross;
    int64_t                 refunded;
    uint64_t                count;      /* events with an amount */
} referral_sum_t;

typedef int (*referral_sum_visit_pt)(void *data, referral_str_t event,
    uint16_t currency, int64_t start, const referral_sum_t *sum);

referral_rc_t referral_sum_list(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, uint32_t from, uint32_t to, unsigned by_day,
    referral_sum_visit_pt visit, void *data);


/* -------------------------------------------------------------- journal -- */

typedef struct {
    uint64_t                seq;
    int64_t                 time;
    uint8_t                 type;       /* referral_record_type_t */
    uint32_t                program;    /* 0: TICK */
    const referral_click_info_t  *click;     /* CLICK; else NULL */
    const referral_record_t      *record;    /* the others */
    referral_str_t          code;       /* of a NOTE, by its code_id */
    int64_t                 amount;     /* of a REFUND: that it took; 0: not
                                           known, its order has not come */
    uint16_t                currency;   /* of its order; 0: not known, none */
} referral_entry_t;

typedef int (*referral_entry_visit_pt)(void *data,
    const referral_entry_t *entry);

/*
 * Entries of all programs after that sequence, in order.  types is a mask of
 * 1 << type; rows of others are passed over.  At most `rows` rows are looked
 * at; *last is the sequence of the last one looked at (`after` when none).
 */

referral_rc_t referral_journal_read(referral_snapshot_t *snap, uint64_t after,
    unsigned types, unsigned rows, referral_entry_visit_pt visit, void *data,
    uint64_t *last);


#endif /* REFERRAL_LEDGER_H */
