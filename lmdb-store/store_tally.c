/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters of events and of amounts: of the program and of each code, all
 * time and by day of the event; and what a code's rewards in percent sum up
 * to.
 */

#include "store_case.h"


typedef struct {
    uint32_t                day;
    uint32_t                code;
} store_page_t;


void
store_add(int64_t *sum, int64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum)) {
        *sum = (n > 0) ? INT64_MAX : INT64_MIN;
    }
}


#define STORE_PAGES  4


/* Where an event is counted. */

static void
store_pages(const store_order_row_t *order, store_page_t pages[STORE_PAGES])
{
    uint32_t  day;

    day = store_day(order->row.when);

    pages[0].day = 0;
    pages[0].code = REFERRAL_TALLY_ALL;
    pages[1].day = day;
    pages[1].code = REFERRAL_TALLY_ALL;
    pages[2].day = 0;
    pages[2].code = order->row.code;
    pages[3].day = day;
    pages[3].code = order->row.code;
}


static void
store_tally_key(unsigned char *key, uint32_t program,
    const store_page_t *page, uint16_t event)
{
    store_scr_key(key, program, page->code, STORE_SCR_DAY);
    store_be32(key + STORE_SCR_KEY, page->day);
    store_be16(key + STORE_SCR_KEY + 4, event);
}


void
store_tally_move(store_txn_t *t, const store_order_row_t *order,
    unsigned from, unsigned to, int64_t points)
{
    size_t         *size;
    unsigned        i;
    store_page_t    pages[STORE_PAGES];
    store_tally_t  *tally;
    unsigned char   key[STORE_TALLY_KEY];

    store_pages(order, pages);

    for (i = 0; i < STORE_PAGES; i++) {
        store_tally_key(key, order->program, &pages[i], order->row.event);

        tally = store_cell(t, STORE_SCR, key, sizeof(key),
                           sizeof(store_tally_t), 0, &size);
        if (tally == NULL) {
            return;
        }

        *size = sizeof(store_tally_t);

        if (from < REFERRAL_EVENT_STATUSES) {
            tally->statuses[from]--;
        }

        if (to < REFERRAL_EVENT_STATUSES) {
            tally->statuses[to]++;
        }

        tally->points += points;
    }
}


void
store_sum_add(store_txn_t *t, const store_order_row_t *order, int64_t gross,
    int64_t refunded, unsigned count)
{
    size_t         *size;
    unsigned        i;
    store_sum_t    *sum;
    store_page_t    pages[STORE_PAGES];
    unsigned char   key[STORE_SUM_KEY];

    store_pages(order, pages);

    for (i = 0; i < STORE_PAGES; i++) {
        store_tally_key(key, order->program, &pages[i], order->row.event);
        store_be16(key + STORE_TALLY_KEY, order->row.currency);

        sum = store_cell(t, STORE_SCR, key, sizeof(key), sizeof(store_sum_t),
                         0, &size);
        if (sum == NULL) {
            return;
        }

        *size = sizeof(store_sum_t);

        store_add(&sum->gross, gross);
        store_add(&sum->refunded, refunded);
        sum->count += count;
    }
}


store_account_t *
store_account(store_txn_t *t, const store_reward_row_t *reward)
{
    size_t           *size;
    unsigned char     key[STORE_SCR_KEY + 2];
    store_account_t  *account;

    store_scr_key(key, reward->program, reward->row.code, STORE_SCR_ACCOUNT);
    store_be16(key + STORE_SCR_KEY, reward->row.currency);

    account = store_cell(t, STORE_SCR, key, sizeof(key),
                         sizeof(store_account_t), 0, &size);

    if (account != NULL) {
        *size = sizeof(store_account_t);
    }

    return account;
}
