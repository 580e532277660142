/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files that apply events share.  A case is an order in hand: the
 * row as it will be, and what is needed to decide about it.  Its strings do
 * not move when rows are written.
 */

#ifndef REFERRAL_STORE_CASE_H
#define REFERRAL_STORE_CASE_H

#include "store_internal.h"


typedef struct {
    store_txn_t                  *t;
    const store_rules_t          *rules;
    const referral_event_rule_t  *rule;     /* of the event; NULL: gone */
    int64_t                       now;      /* when the record was taken */
    store_order_row_t             order;
    uint8_t                       kind;     /* of the code */
    uint8_t                       self;     /* the customer owns the code */
    unsigned char                 copy[STORE_ORDER_SIZE];
} store_case_t;


/* store_event.c */

referral_result_t store_apply_event(store_txn_t *t,
    const referral_record_t *record);

/* The case of an order that is there: 1, or 0 without one. */
int store_case_open(store_case_t *c, store_txn_t *t, uint32_t program,
    referral_str_t order_id, int64_t now);

/* Moves the event to a status, with a note; counters are the caller's. */
void store_case_status(store_case_t *c, unsigned status);

/* The fingerprint of an event, without its token. */
uint64_t store_content(store_txn_t *t, const referral_event_t *event);

/* Less than the event has to bring, after refunds. */
int store_case_below(const store_case_t *c);


/* store_customer.c */

#define STORE_CUSTOMER_KEY  (6 + REFERRAL_ID_MAX)

/* prog4 event2 customer; event 0: what the customer is bound to. */
size_t store_customer_key(unsigned char *key, uint32_t program, uint16_t event,
    referral_str_t customer);

/* The code a customer is bound to: 1, or 0 when there is none. */
int store_bound(store_txn_t *t, uint32_t program, referral_str_t customer,
    int64_t when, referral_code_t *code);

/* Binds the customer to the code, unless bound already. */
void store_case_bind(store_case_t *c);

/* once=customer: a reason why the event does not get the only place; or 0. */
uint32_t store_place_taken(store_case_t *c);
void store_place_take(store_case_t *c);
void store_place_free(store_case_t *c);


/* store_attribute.c */

/*
 * Finds the code an event is credited to, and fills in how and why; code 0
 * when there is none.
 */
void store_attribute(store_case_t *c, const referral_event_t *event);


/* store_review.c */

#define STORE_SKEW  300000      /* ms a click may be ahead, as in cookies */

/* Why a person has to look at an attributed event; 0: nobody has. */
uint32_t store_review(store_case_t *c, const referral_event_t *event);

/* One more event that its click has brought. */
void store_review_count(store_case_t *c);


/* store_refund.c */

#define STORE_REFUND_KEY  (5 + 2 * REFERRAL_ID_MAX)

size_t store_refund_key(unsigned char *key, const referral_refund_t *refund);

referral_result_t store_apply_refund(store_txn_t *t,
    const referral_record_t *record);


/* store_decide.c */

referral_result_t store_apply_decision(store_txn_t *t,
    const referral_record_t *record);


/* store_hold.c */

referral_result_t store_apply_tick(store_txn_t *t,
    const referral_record_t *record);
/* Waits until due, then becomes approved. */
void store_due_put(store_txn_t *t, int64_t due, uint32_t program,
    unsigned kind, uint64_t id, referral_str_t order_id);


/* store_direct.c */

/* What has to be so, seen inside the transaction: 0 when nothing is to do. */
typedef int (*store_wanted_pt)(store_txn_t *t, referral_record_t *record);

/* A transaction for one record, on disk when it returns. */
referral_rc_t store_direct(referral_store_t *store, store_wanted_pt wanted,
    referral_record_t *record, referral_error_t *err);


/* store_credit.c */

/* Points and rewards of an event that is good from now on. */
void store_credit(store_case_t *c);
/* The rewards of an event that is held. */
void store_credit_held(store_case_t *c);
/* Points and counts of one that was held, its rewards on their way. */
void store_credit_released(store_case_t *c);
/* Takes back whatever it gave. */
void store_uncredit(store_case_t *c);


/* store_reward.c */

#define STORE_LIMIT_KEY  (11 + REFERRAL_ID_MAX)

/* The counter of a limit; 0: there is nobody to count for. */
size_t store_limit_key(unsigned char *key, const store_reward_row_t *reward);
/* Issues the i-th reward of the rules: 1, or 0 when its limit is used up. */
int store_reward_issue(store_case_t *c, unsigned i, unsigned held);
/* Moves a reward to a state: lists, counters, amounts, a note. */
void store_reward_state(store_txn_t *t, store_reward_row_t *reward,
    unsigned state, int64_t now);
/* What is left of a reward in percent, after a refund. */
void store_reward_reduce(store_txn_t *t, store_reward_row_t *reward,
    int64_t amount, int64_t now);
/* Takes one back that its cause no longer holds up. */
void store_reward_revoke(store_txn_t *t, store_reward_row_t *reward,
    int64_t now);
void store_reward_claim(store_txn_t *t, store_reward_row_t *reward,
    int64_t now);


/* store_every.c */

/* One event more for a rule with every > 1: each N-th brings a reward. */
void store_every_add(store_case_t *c, unsigned i);
/* One less: the reward of an N-th that is none any more is taken back. */
void store_every_remove(store_case_t *c, uint16_t rule);
/* A reward of such a rule was voided by a decision: it is not made good. */
void store_every_skip(store_txn_t *t, const store_reward_row_t *reward);


/* store_score.c */

/* Year * 100 + month, UTC. */
uint32_t store_month(int64_t ms);

/* Adds to the points of a code, all time and in the month of `when`. */
void store_score_add(store_txn_t *t, const store_rules_t *rules,
    uint32_t program, uint32_t code, int64_t points, int64_t when,
    int64_t now);
/* Adds to the points of a code in one contest. */
void store_score_contest(store_txn_t *t, uint32_t program, uint16_t contest,
    uint32_t code, int64_t points);
/* One reward more or less in a state. */
void store_score_reward(store_txn_t *t, uint32_t program, uint32_t code,
    unsigned state, int n);
int64_t store_score_points(store_txn_t *t, uint32_t program, uint32_t code);
/* Whether a click gives points, which is to be asked once; and giving them. */
int store_click_earns(store_txn_t *t, const store_click_row_t *row);
void store_score_click(store_txn_t *t, const store_click_row_t *row);


/* store_tally.c */

/* An event leaves one status for another; STATUSES: comes from or goes
   nowhere.  points: what it gives more. */
void store_tally_move(store_txn_t *t, const store_order_row_t *order,
    unsigned from, unsigned to, int64_t points);
void store_sum_add(store_txn_t *t, const store_order_row_t *order,
    int64_t gross, int64_t refunded, unsigned count);
/* Adds to a sum, which stays at the end of its range and never wraps: 10^4
   of the largest amounts reach it. */
void store_add(int64_t *sum, int64_t n);
/* The amounts of rewards of a code; NULL: the transaction has failed. */
store_account_t *store_account(store_txn_t *t,
    const store_reward_row_t *reward);


/* store_rename.c */

/* Whether the id is one that stands for a person who was erased. */
int store_is_pseudonym(referral_str_t id);


/* store_note.c */

/* What followed from a record, for those who read the journal. */
void store_note(store_txn_t *t, int64_t now, const referral_note_t *note);


#endif /* REFERRAL_STORE_CASE_H */
