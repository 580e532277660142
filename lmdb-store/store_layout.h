/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The layout of everything on disk but rings and logs.
 *
 * Databases.  Parts of keys are big-endian, so that they sort; values are
 * little-endian.  The first byte of a value that is a struct is its version.
 *
 *   meta  "V"                        store_head_t
 *         "J"                        u64 last journal sequence
 *         "C"                        u64 last code id, all programs
 *         "N"                        u32 last program id
 *         "P" slot2                  store_position_t
 *         "I"                        directory of the rings
 *         "I" slot2                  of that slot's
 *         "E"                        u64 persons erased, ever
 *         "Z"                        u64 st_dev, u64 st_ino of the PID namespace
 *                                    of the last who opened an intake
 *         "M"                        u64 map_size nginx was given last
 *         "U" generation1            u32 day whose visitors it holds
 *         "G" prog4                  u64 place of the journal before which the
 *                                    purge is done, u64 where it looks on
 *   prog  name                       store_program_row_t
 *   code  prog4 folded code          store_code_t, then its strings
 *   cid   code4                      prog4 folded code
 *   own   prog4 owner 0 folded code  (nothing)
 *   dim   prog4 dim1 id2             label
 *         prog4 dim1|0x80 label      u16 id
 *         prog4 dim1                 u16 last id
 *   hot   prog4 code4                store_hot_t, then entries of its day
 *   hist  prog4 day4 code4           ver1, then entries; days before hot's
 *   prg   prog4 day4 dim1 id4        ver1 rsv7, then STORE_COLUMNS x u64;
 *                                    day 0: all time
 *   jrnl  seq8                       store_click_row_t, or a coded record
 *   clk   click id                   u64 place in the journal
 *   uq0-2 hash8                      u32 seconds of the last unique click
 *   rule  prog4                      u16 ids of events, rewards, contests in
 *                                    their order, then the encoded rules
 *   nam   prog4 kind1 name           u16 id of an event, reward or contest
 *         prog4 kind1|0x80 id2       name
 *         prog4 kind1                u16 last id
 *   ord   prog4 order id             store_order_t, then as its lengths say:
 *                                    rewards u64, rules counted in u16,
 *                                    contests u16, channel, customer
 *   hld   prog4 seq8                 order id: held events
 *   rfd   prog4 order id 0 refund id store_refund_t, then the reason
 *   cus   prog4 event2 customer      order id that holds the place (once)
 *         prog4 0 0 customer         store_binding_t
 *   rwd   prog4 id8                  store_reward_t, then value, customer,
 *                                    order id, reason
 *   rws   prog4 state1 id8           code4 to1
 *   cnt   prog4 rule2 period4 subject   u32 issued; the subject is code4, or
 *                                    the customer of a friend
 *         prog4 0 0 0 0 0 0 click id u32 events of the click, while the rules
 *         prog4 0 0 0 0 0 1 code4    limit them; and of one without an id, by
 *         seconds5                   its code and time
 *   due   due8 prog4 kind1 id8       order id, or nothing for a reward; rows
 *                                    of what was decided before stay until due
 *   scr   prog4 code4 0              store_score_t
 *         prog4 code4 1 currency2    store_account_t
 *         prog4 code4 2 rule2        store_every_t
 *         prog4 code4 3 period4      i64 points, periods but all time
 *         prog4 code4 4 day4 event2  store_tally_t; day 0: all time
 *         prog4 code4 4 day4 event2 currency2   store_sum_t
 *         prog4 code4 5 id8          rule2 state1 to1, a reward
 *   ldr   prog4 period4 ~points8 code4   (nothing); codes with points
 *   bas   prog4 day4                 store_base_t: clicks of the day that are
 *                                    not in the journal any more
 *
 * In scr lies side by side what an event of a code changes: a commit writes
 * pages, and what is apart costs one each.  Of days code4 is UINT32_MAX for
 * the program and 0 for events that are not attributed.  A period is 0 for
 * all time, a month as year * 100 + month, or STORE_CONTEST | the id of a
 * contest.
 *
 * A day is days since 1970 UTC.  An entry of a day is eight bytes: dim1
 * column1 id2 count4; only what is not zero has one.
 */

#ifndef REFERRAL_STORE_LAYOUT_H
#define REFERRAL_STORE_LAYOUT_H

#include "referral_records.h"
#include "referral_rules.h"


#define STORE_SCHEMA        4       /* 1 had no events, rewards, scores; 2
                                       kept all clicks; 3 had no review */
#define STORE_SCHEMA_KEPT   3       /* the first that knows which clicks to
                                       keep */
#define STORE_MAGIC         "RFSTORE"

#define STORE_COLUMNS       (REFERRAL_CLASSES + 1)
#define STORE_UNIQUE        REFERRAL_CLASSES    /* the last column */
#define STORE_ENTRIES_SOFT  96      /* entries of a code's day, beyond which
                                       new labels count as other */
#define STORE_ENTRIES_MAX   (STORE_ENTRIES_SOFT + 3 * STORE_COLUMNS)

#define STORE_HIST_HEAD     8       /* version and reserved bytes */
#define STORE_DIM_ALL       0       /* dim1 of counters */
#define STORE_DIM_HOUR      1
#define STORE_DIM_CHANNEL   2
#define STORE_DIM_LANDING   3
#define STORE_LABEL_OTHER   0xffff  /* id2; 0 is "none" */

#define STORE_UNIQUE_DAYS   3       /* generations of visitor sets */


enum {
    STORE_META = 0,
    STORE_PROG,
    STORE_CODE,
    STORE_CID,
    STORE_OWN,
    STORE_DIM,
    STORE_HOT,
    STORE_HIST,
    STORE_PRG,
    STORE_JRNL,
    STORE_CLK,
    STORE_UQ0,
    STORE_RULE = STORE_UQ0 + STORE_UNIQUE_DAYS,
    STORE_NAM,
    STORE_ORD,
    STORE_HLD,
    STORE_RFD,
    STORE_CUS,
    STORE_RWD,
    STORE_RWS,
    STORE_CNT,
    STORE_DUE,
    STORE_SCR,
    STORE_LDR,
    STORE_BAS,
    STORE_DBS
};


/* On disk.  x86-64 and arm64 are little-endian; others are refused at open. */

typedef struct {
    char                    magic[8];
    uint32_t                schema;
    uint32_t                copies;         /* that took the file's place */
    unsigned char           id[16];         /* random, for life */
    unsigned char           incarnation[8]; /* new in each backup */
    int64_t                 created;
} store_head_t;

typedef struct {
    uint64_t                generation;     /* of the slot's files */
    uint64_t                seq;            /* applied up to */
    uint64_t                pos;            /* where the next record begins */
} store_position_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 case_sensitive;
    uint16_t                reserved;
    uint32_t                id;
    int64_t                 created;
} store_program_row_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 status;
    uint8_t                 kind;
    uint8_t                 code_len;
    uint8_t                 owner_len;
    uint8_t                 name_len;
    uint16_t                landing_len;
    uint32_t                id;
    uint32_t                reserved;
    int64_t                 created;
    int64_t                 changed;
} store_code_t;

typedef struct {
    uint8_t                 dim;
    uint8_t                 column;
    uint16_t                id;
    uint32_t                count;
} store_entry_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 reserved[3];
    uint32_t                day;
    uint64_t                total[STORE_COLUMNS];
} store_hot_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 reserved[7];
    uint64_t                column[STORE_COLUMNS];
} store_prg_t;

typedef struct {
    uint8_t                 type;           /* REFERRAL_RECORD_CLICK */
    uint8_t                 class;
    uint8_t                 why;
    uint8_t                 flags;
    uint32_t                program;
    uint32_t                code;
    uint16_t                channel;
    uint16_t                landing;
    int64_t                 time;
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];
    uint8_t                 unique;
    uint8_t                 kept;           /* not to be purged: something
                                               follows from it */
    uint8_t                 folded;         /* STORE_FOLDED_* */
    uint8_t                 reserved[4];
} store_click_row_t;

/* Labels that counted as other in the code's day, which was full. */

#define STORE_FOLDED_CHANNEL         0x01
#define STORE_FOLDED_CHANNEL_UNIQUE  0x02
#define STORE_FOLDED_LANDING         0x04
#define STORE_FOLDED_LANDING_UNIQUE  0x08

typedef struct {
    uint8_t                 version;
    uint8_t                 reserved[7];
    uint64_t                column[STORE_COLUMNS];
    uint64_t                digest[2];      /* see store_base.c */
} store_base_t;


#define STORE_NAME_EVENT     1       /* kind1 of nam */
#define STORE_NAME_REWARD    2
#define STORE_NAME_CONTEST   3

#define STORE_SCR_SCORE      0       /* kind1 of scr */
#define STORE_SCR_ACCOUNT    1
#define STORE_SCR_EVERY      2
#define STORE_SCR_PERIOD     3
#define STORE_SCR_DAY        4
#define STORE_SCR_REWARD     5
#define STORE_SCR_KEY        9       /* bytes before what differs by kind */
#define STORE_TALLY_KEY      (STORE_SCR_KEY + 6)
#define STORE_SUM_KEY        (STORE_SCR_KEY + 8)

#define STORE_DUE_EVENT      0       /* kind1 of due */
#define STORE_DUE_REWARD     1

#define STORE_CONTEST        0x80000000u    /* periods */

#define STORE_ORDER_AMOUNT   0x01    /* has one */
#define STORE_ORDER_WHOLE    0x02    /* refunded as a whole */
#define STORE_ORDER_ONCE     0x04    /* it holds the customer's place */
#define STORE_ORDER_CURRENCY 0x08    /* awaited: currency is known */

typedef struct {
    uint8_t                 version;
    uint8_t                 status;         /* referral_event_status_t */
    uint8_t                 method;
    uint8_t                 source;
    uint8_t                 touch;
    uint8_t                 flags;          /* STORE_ORDER_* */
    uint8_t                 nrewards;
    uint8_t                 ncounted;
    uint8_t                 ncontests;
    uint8_t                 channel_len;
    uint8_t                 customer_len;
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];
    uint16_t                event;
    uint16_t                currency;
    uint32_t                code;
    uint32_t                first_code;
    uint32_t                reasons;
    uint64_t                seq;            /* of its record */
    uint64_t                content;        /* fingerprints */
    uint64_t                touches;        /* 0: none to compare */
    uint64_t                draw;
    int64_t                 amount;
    int64_t                 refunded;
    int64_t                 points;
    int64_t                 time;           /* taken */
    int64_t                 when;           /* of the event: days, holds */
    int64_t                 occurred;
    int64_t                 due;
    int64_t                 changed;
    int64_t                 clicked;
} store_order_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 flags;          /* REFERRAL_REFUND_* */
    uint8_t                 reason_len;
    uint8_t                 reserved[5];
    int64_t                 asked;          /* 0: whole */
    int64_t                 amount;         /* that it took */
    int64_t                 time;
} store_refund_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 reserved[3];
    uint32_t                code;
    int64_t                 from;
    int64_t                 until;
} store_binding_t;

#define STORE_REWARD_EVERY   0x01    /* of a rule with every > 1 */
#define STORE_REWARD_LIMITED 0x02    /* holds a place of a limit */

typedef struct {
    uint8_t                 version;
    uint8_t                 state;
    uint8_t                 to;
    uint8_t                 flags;          /* STORE_REWARD_* */
    uint8_t                 value_len;
    uint8_t                 customer_len;
    uint8_t                 order_len;
    uint8_t                 reason_len;
    uint16_t                rule;
    uint16_t                currency;       /* 0: a fixed reward */
    uint32_t                code;
    uint32_t                bps;
    uint32_t                period;         /* of its limit */
    int64_t                 amount;
    int64_t                 paid;
    int64_t                 offset;
    int64_t                 created;
    int64_t                 due;
    int64_t                 claimed;
    int64_t                 changed;
} store_reward_t;

typedef struct {
    uint32_t                count;
    uint32_t                live;
    uint32_t                skipped;
} store_every_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 reserved[3];
    uint32_t                click_day;      /* of the last that gave points */
    uint64_t                clicks;         /* that did, that day */
    int64_t                 points;
    uint64_t                rewards[REFERRAL_REWARD_STATES];
} store_score_t;

typedef struct {
    uint64_t                statuses[REFERRAL_EVENT_STATUSES];
    int64_t                 points;
} store_tally_t;

typedef struct {
    int64_t                 gross;
    int64_t                 refunded;
    uint64_t                count;
} store_sum_t;

typedef struct {
    int64_t                 rewards[REFERRAL_REWARD_STATES];
    int64_t                 paid;
    int64_t                 owed;
} store_account_t;


#endif /* REFERRAL_STORE_LAYOUT_H */
