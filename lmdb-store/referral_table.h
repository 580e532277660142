/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Tables as CSV: the same for the endpoint's exports and for `referralctl
 * export --csv`.
 */

#ifndef REFERRAL_TABLE_H
#define REFERRAL_TABLE_H

#include "referral_csv.h"
#include "referral_ledger.h"


/* Heads, for referral_csv_head(). */

#define REFERRAL_TABLE_CONVERSIONS                                            \
    "order_id,event,status,code,method,touch,click_id,clicked_at,channel,"    \
    "first_code,customer_id,amount,refunded,currency,points,reasons,source,"  \
    "occurred_at,recorded_at,approves_at,changed_at"

#define REFERRAL_TABLE_REWARDS                                                \
    "id,name,to,state,code,owner,kind,order_id,customer_id,value,amount,"     \
    "currency,paid,offset,reason,created_at,approves_at,claimed_at,"          \
    "changed_at"

#define REFERRAL_TABLE_CODES                                                  \
    "code,status,owner,kind,name,landing,created_at,changed_at,clicks,human," \
    "unique,points,tier,rewards_pending,rewards_held,rewards_approved,"       \
    "rewards_claimed,rewards_void"

#define REFERRAL_TABLE_COUNTERS  "day,measure,event,label,currency,value"


/* Cells of a row, which the caller ends. */

void referral_table_conversion(referral_csv_t *csv,
    const referral_conversion_t *conversion);
void referral_table_reward(referral_csv_t *csv, referral_snapshot_t *snap,
    uint32_t program, const referral_reward_t *reward);
referral_rc_t referral_table_code(referral_csv_t *csv,
    referral_snapshot_t *snap, uint32_t program, const referral_code_t *code,
    const referral_rules_t *rules);

/*
 * All rows of a day, whole ones; REFERRAL_FULL: there was no room for them,
 * and there is none of them.  *rows counts them.
 */

referral_rc_t referral_table_day(referral_csv_t *csv,
    referral_snapshot_t *snap, uint32_t program, uint32_t day,
    unsigned *rows);


#endif /* REFERRAL_TABLE_H */
