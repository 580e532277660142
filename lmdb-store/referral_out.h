/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * JSON out, and the objects of the endpoint, DESIGN.md section 7: the same
 * for its answers and for `referralctl export`.
 */

#ifndef REFERRAL_OUT_H
#define REFERRAL_OUT_H

#include "referral_ledger.h"


/* Where text goes.  What could not be written is latched in failed. */

typedef struct referral_out_s  referral_out_t;

struct referral_out_s {
    void                  (*write)(referral_out_t *out, const void *data,
                                   size_t len);
    void                   *data;       /* of write */
    unsigned                comma;      /* a value stands before */
    unsigned                failed;
};

void referral_out_write(referral_out_t *out, const void *data, size_t len);


/* ---------------------------------------------------------------- values -- */

/*
 * One value each, with its comma, and its key unless that is NULL (the items
 * of an array).  open takes "{" or "[", close "}" or "]".  An empty string of
 * out_str_or_null and a time of 0 are null; times are ms, written in seconds.
 */

void referral_out_open(referral_out_t *out, const char *key,
    const char *bracket);
void referral_out_close(referral_out_t *out, const char *bracket);
void referral_out_str(referral_out_t *out, const char *key,
    referral_str_t value);
void referral_out_str_or_null(referral_out_t *out, const char *key,
    referral_str_t value);
void referral_out_text(referral_out_t *out, const char *key,
    const char *value);
void referral_out_uint(referral_out_t *out, const char *key, uint64_t value);

/* Beyond 2^53-1, decimal strings; TRUST.md M4. */

void referral_out_int(referral_out_t *out, const char *key, int64_t value);

/* Decimal strings, always. */

void referral_out_id(referral_out_t *out, const char *key, uint64_t value);
void referral_out_bool(referral_out_t *out, const char *key, unsigned value);
void referral_out_null(referral_out_t *out, const char *key);
void referral_out_time(referral_out_t *out, const char *key, int64_t ms);

/* Of a day since 1970; 0 is null. */

void referral_out_date(referral_out_t *out, const char *key, uint32_t day);

/* Ends {"data":[...]} with the id after which it goes on; 0: it does not. */

void referral_out_end_list(referral_out_t *out, uint64_t next);

/* null when it is not present. */

void referral_out_money(referral_out_t *out, const char *key,
    unsigned present, int64_t amount);
void referral_out_currency(referral_out_t *out, unsigned present,
    unsigned currency);

/* "click_id"; zeros are null. */

void referral_out_click_id(referral_out_t *out,
    const unsigned char id[REFERRAL_CLICK_ID_SIZE]);

/* Members of a click, from its code on. */

void referral_out_click(referral_out_t *out,
    const referral_click_info_t *click);

/* base64url, not terminated; returns the length, 0 for zeros. */

#define REFERRAL_CLICK_ID_TEXT  12

size_t referral_click_id_text(const unsigned char id[REFERRAL_CLICK_ID_SIZE],
    unsigned char text[REFERRAL_CLICK_ID_TEXT]);

/* Names as the endpoint spells them; never NULL. */

const char *referral_source_name(unsigned source);
const char *referral_status_name(unsigned status);      /* of a code */
const char *referral_kind_name(unsigned kind);


/* ----------------------------------------------- conversions and rewards -- */

/* With its rewards. */

void referral_out_conversion(referral_out_t *out, const char *key,
    referral_snapshot_t *snap, uint32_t program,
    const referral_conversion_t *conversion, unsigned duplicate);

/*
 * What is told the person themselves: of their own event, with its refunds,
 * only what it earned them; of a reward that another's event earned them, not
 * which event that was, nor whose, nor what the shop says of it.
 */

void referral_out_own_conversion(referral_out_t *out,
    referral_snapshot_t *snap, uint32_t program,
    const referral_conversion_t *conversion);
void referral_out_own_reward(referral_out_t *out,
    const referral_reward_t *reward);

/* "why", one sentence: how it was attributed, or not, and where it stands. */

void referral_out_why(referral_out_t *out,
    const referral_conversion_t *conversion);

/* Members only, in a list with who gets what is to=referrer. */

void referral_out_reward(referral_out_t *out,
    const referral_reward_t *reward);
void referral_out_reward_of(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, const referral_reward_t *reward);


/* ---------------------------------------------------- codes and counters -- */

/* Days of a code, as referral_tally_list() takes them. */

typedef struct {
    uint32_t                program;
    uint32_t                code_id;    /* or REFERRAL_TALLY_ALL */
    uint32_t                from;
    uint32_t                to;
} referral_range_t;

/* Amounts of all events; names point into the map. */

typedef struct {
    referral_str_t          event;
    uint16_t                currency;
    referral_sum_t          sum;
} referral_sum_item_t;

typedef struct {
    referral_sum_item_t    *items;
    size_t                  n;
    size_t                  max;
    unsigned                failed;
} referral_sums_t;

referral_rc_t referral_sums_read(referral_sums_t *sums,
    referral_snapshot_t *snap, const referral_range_t *range);
void referral_sums_free(referral_sums_t *sums);

/* The rules in force; those of a store that was told none are empty. */

referral_rc_t referral_rules_known(referral_snapshot_t *snap,
    uint32_t program, referral_rules_t *rules);

/*
 * "flags" of a code: "conversion_rate" when more than 20 events, and more than
 * half as many as it has human clicks (and it has any), are credited to it.
 */

referral_rc_t referral_out_flags(referral_out_t *out,
    referral_snapshot_t *snap, uint32_t program, uint32_t code_id);

referral_rc_t referral_out_code(referral_out_t *out,
    referral_snapshot_t *snap, uint32_t program, referral_str_t name,
    const referral_code_t *code, const referral_rules_t *rules);

/* "amounts": those of rewards, by currency. */

referral_rc_t referral_out_accounts(referral_out_t *out,
    referral_snapshot_t *snap, uint32_t program, uint32_t code_id);

/* "tier"; with all of them, when ladder is set. */

void referral_out_tier(referral_out_t *out, const referral_rules_t *rules,
    int64_t points, unsigned ladder);

/*
 * What the owner of a code may see of it: nothing of a friend, but how many
 * there are.  link: the URL to share, or empty; now: ms.
 */

referral_rc_t referral_out_progress(referral_out_t *out,
    referral_snapshot_t *snap, uint32_t program, referral_str_t name,
    const referral_code_t *code, referral_str_t link, int64_t now);

/* "clicks". */

void referral_out_clicks(referral_out_t *out,
    const referral_counts_t *counts);

/* Members of an object: how many events, their points and amounts. */

void referral_out_tally(referral_out_t *out, referral_str_t event,
    const referral_tally_t *tally, const referral_sums_t *sums);
/* The sums of one event, by currency. */
void referral_out_amounts(referral_out_t *out, const char *key,
    referral_str_t event, const referral_sums_t *sums);
void referral_out_sum(referral_out_t *out, const referral_sum_t *sum);

/* One day of a program: an object with "day", "clicks" and "events". */

referral_rc_t referral_out_day(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, uint32_t day);

/* The first day of from..to that has anything; later than to: none. */

referral_rc_t referral_day_next(referral_snapshot_t *snap, uint32_t program,
    uint32_t from, uint32_t to, uint32_t *day);


/* --------------------------------------------------------------- journal -- */

/* Bits beside 1 << referral_record_type_t: kinds of notes. */

#define REFERRAL_ENTRY_NOTES  16

/* Names of types to bits; a name that is none: 0. */

unsigned referral_entry_bit(referral_str_t name);

/* The bit of an entry, and the entry as an object. */

unsigned referral_entry_type(const referral_entry_t *entry);
void referral_out_entry(referral_out_t *out, const referral_entry_t *entry);


#endif /* REFERRAL_OUT_H */
