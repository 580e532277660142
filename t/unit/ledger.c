/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading what became of events.  Every list is read at once and in pages, and
 * compared with what follows from the conversions themselves.
 *
 * Would catch: a page that misses or doubles a row, a filter that reads another
 * index wrongly.
 */

#include "ledger_scene.h"


static orders_t   page;
static rewards_t  some;


/* ---------------------------------------------------------------- names */

static void
names(void)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < REFERRAL_REASONS; i++) {
        n += (referral_reason_name(i)[0] != '\0');
    }

    tap_ok(n == REFERRAL_REASONS && referral_reason_name(n)[0] == '\0',
           "reasons have names, and no more");
    tap_is_str(referral_reason_name(16), 8, "released", "the last is this");
    tap_is_str(referral_method_name(REFERRAL_METHOD_CODE), 4, "code",
               "a method");
    tap_is_str(referral_event_status_name(REFERRAL_EVENT_AWAITED), 7,
               "awaited", "a status out of the row");
    tap_is_str(referral_reward_state_name(REFERRAL_REWARD_VOID), 4, "void",
               "a state");
    tap_ok(referral_method_name(5)[0] == '\0'
           && referral_event_status_name(6)[0] == '\0'
           && referral_reward_state_name(5)[0] == '\0',
           "what is none has no name");
}


/* ---------------------------------------------------------- conversions */

static int
is_conversion(const referral_conversion_t *a, const referral_conversion_t *b)
{
    return same(a->order_id, b->order_id) && same(a->event, b->event)
           && same(a->code, b->code) && same(a->customer, b->customer)
           && a->seq == b->seq && a->status == b->status
           && a->method == b->method && a->reasons == b->reasons
           && a->code_id == b->code_id && a->time == b->time
           && a->approves == b->approves && a->changed == b->changed
           && a->has_amount == b->has_amount && a->currency == b->currency
           && a->amount == b->amount && a->refunded == b->refunded
           && a->points == b->points && a->nrewards == b->nrewards
           && memcmp(a->rewards, b->rewards, a->nrewards * 8) == 0;
}


static void
conversions(void)
{
    unsigned               i, good, seen[REFERRAL_EVENT_STATUSES];
    referral_conversion_t  one;

    tap_ok(all.n == ORDERS, "all orders, but no awaited one (%u)", all.n);

    memset(seen, 0, sizeof(seen));
    good = 0;

    for (i = 0; i < all.n; i++) {
        seen[all.row[i].status]++;
        good += (i == 0
                 || strncmp((char *) all.row[i - 1].order_id.data,
                            (char *) all.row[i].order_id.data, 4) < 0);
        good += (referral_conversion_get(snap, program, all.row[i].order_id,
                                         &one) == REFERRAL_OK
                 && is_conversion(&one, &all.row[i]));
    }

    tap_ok(good == 2 * ORDERS, "in order, each as when it is got");

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        tap_ok(seen[i] != 0, "%u are %s",
               seen[i], referral_event_status_name(i));
    }

    tap_ok(referral_conversion_get(snap, program, test_str("later"), &one)
           == REFERRAL_NOT_FOUND, "an awaited order is none");
    tap_ok(referral_conversion_get(snap, program - 1, all.row[0].order_id,
                                   &one) == REFERRAL_NOT_FOUND,
           "nor is that of another program");
}


static void
conversion_pages(void)
{
    char            long_id[REFERRAL_ID_MAX + 40];
    unsigned        size, i, n;
    referral_str_t  after;

    for (size = 1; size < 60; size = size * 2 + 1) {
        after.len = 0;
        page.max = size;
        n = 0;

        do {
            page.n = 0;
            referral_conversion_list(snap, program, after, keep_order, &page);

            for (i = 0; i < page.n && n <= ORDERS; i++, n++) {
                if (n == ORDERS
                    || !is_conversion(&page.row[i], &all.row[n]))
                {
                    n = 10 * ORDERS;
                }
            }

            after = page.row[page.n ? page.n - 1 : 0].order_id;

        } while (page.n == size && n <= ORDERS);

        tap_ok(n == ORDERS, "in pages of %u", size);
    }

    memset(long_id, 'x', sizeof(long_id));
    memcpy(long_id, all.row[7].order_id.data, all.row[7].order_id.len);
    after.data = (unsigned char *) long_id;
    after.len = sizeof(long_id);
    page.n = 0;
    page.max = 1;
    referral_conversion_list(snap, program, after, keep_order, &page);
    tap_ok(page.n == 1 && is_conversion(&page.row[0], &all.row[8]),
           "after an id that is too long to be one");

    for (i = 0; all.row[i].order_id.len != REFERRAL_ID_MAX; i++) {
        /* void */
    }

    page.n = 0;
    referral_conversion_list(snap, program, all.row[i].order_id, keep_order,
                             &page);
    tap_ok(page.n == 1 && is_conversion(&page.row[0], &all.row[i + 1]),
           "after the longest there can be");
}


static void
held(void)
{
    unsigned  i, n, size, want, good;
    uint64_t  last;

    want = 0;

    for (i = 0; i < all.n; i++) {
        want += (all.row[i].status == REFERRAL_EVENT_HELD);
    }

    for (size = 1; size < 40; size *= 3) {
        last = 0;
        n = 0;
        good = 0;
        page.max = size;

        do {
            page.n = 0;
            referral_conversion_held(snap, program, last, keep_order, &page);

            for (i = 0; i < page.n; i++, n++) {
                good += (page.row[i].status == REFERRAL_EVENT_HELD
                         && page.row[i].seq > last);
                last = page.row[i].seq;
            }

        } while (page.n == size && n <= want);

        tap_ok(n == want && good == want, "held ones in pages of %u", size);
    }

    page.n = 0;
    referral_conversion_held(snap, program, UINT64_MAX, keep_order, &page);
    tap_ok(page.n == 0, "none after the last number there is");
}


/* -------------------------------------------------------------- refunds */

static int
add_refund(void *data, const referral_refund_info_t *refund)
{
    int64_t  *sum;

    sum = data;
    sum[0] += refund->amount;
    sum[1]++;
    sum[2] += refund->whole;

    return refund->refund_id.len != 5 && sum[1] == 1;
}


static void
refunds(void)
{
    int64_t                 sum[3];
    unsigned                i, good;
    referral_refund_info_t  one;

    good = 0;

    for (i = 0; i < all.n; i++) {
        memset(sum, 0, sizeof(sum));
        referral_refund_list(snap, program, all.row[i].order_id, add_refund,
                             sum);
        good += (sum[0] == all.row[i].refunded
                 && (sum[1] != 0) == (all.row[i].status
                                      == REFERRAL_EVENT_REFUNDED
                                      || sum[0] != 0
                                      || sum[2] != 0));
    }

    tap_ok(good == ORDERS, "refunds of each order are what was refunded");

    memset(sum, 0, sizeof(sum));
    referral_refund_list(snap, program, test_str("later"), add_refund, sum);
    tap_ok(sum[1] == 1, "of an awaited order, too");

    memset(sum, 0, sizeof(sum));
    referral_refund_list(snap, program, test_str("late"), add_refund, sum);
    tap_ok(sum[1] == 0, "but not by the beginning of its id");

    tap_ok(referral_refund_get(snap, program, test_str("later"),
                               test_str("r1"), &one) == REFERRAL_OK
           && one.time == T0 && !one.whole, "one of them");
    tap_ok(referral_refund_get(snap, program, test_str("later"),
                               test_str("r"), &one) == REFERRAL_NOT_FOUND
           && referral_refund_get(snap, program, test_str("later"),
                                  test_str(""), &one) == REFERRAL_NOT_FOUND,
           "and one that is not there");
}


/* -------------------------------------------------------------- rewards */

static int
is_reward(const referral_reward_t *a, const referral_reward_t *b)
{
    return a->id == b->id && a->state == b->state && a->to == b->to
           && a->code_id == b->code_id && a->amount == b->amount
           && a->changed == b->changed && same(a->name, b->name)
           && same(a->order_id, b->order_id) && same(a->value, b->value)
           && same(a->customer, b->customer) && same(a->code, b->code);
}


/* The same in pages as when all are sifted here. */

static int
reward_pages(const referral_reward_filter_t *filter, unsigned size,
    unsigned *seen)
{
    unsigned  i, n;
    uint64_t  after;

    some.max = size;
    some.n = size;
    n = size;
    after = 0;

    for (i = 0; i < rewards.n; i++) {
        if ((filter->state != -1 && rewards.row[i].state != filter->state)
            || (filter->to != -1 && rewards.row[i].to != filter->to)
            || (filter->code_id != 0
                && rewards.row[i].code_id != filter->code_id))
        {
            continue;
        }

        if (n == some.n) {
            if (n < size) {
                return 0;
            }

            some.n = 0;
            n = 0;
            referral_reward_list(snap, program, filter, after, keep_reward,
                                 &some);
        }

        if (n >= some.n || !is_reward(&some.row[n], &rewards.row[i])) {
            return 0;
        }

        after = some.row[n++].id;
        (*seen)++;
    }

    if (n == size) {
        some.n = 0;
        n = 0;
        referral_reward_list(snap, program, filter, after, keep_reward,
                             &some);
    }

    return n == some.n;
}


static void
reward_lists(void)
{
    int                       state, to;
    uint32_t                  code;
    unsigned                  i, good, seen[5];
    referral_reward_t         one;
    referral_reward_filter_t  filter = { -1, -1, 0 };

    memset(seen, 0, sizeof(seen));
    good = 0;

    for (i = 0; i < rewards.n; i++) {
        seen[rewards.row[i].state]++;
        good += (i == 0 || rewards.row[i - 1].id < rewards.row[i].id);
        good += (referral_reward_get(snap, program, rewards.row[i].id, &one)
                 == REFERRAL_OK && is_reward(&one, &rewards.row[i]));
    }

    tap_ok(rewards.n > 100 && good == 2 * rewards.n,
           "%u rewards in order, each as when it is got", rewards.n);

    for (i = 0; i < 5; i++) {
        tap_ok(seen[i] > 2, "%u are %s", seen[i],
               referral_reward_state_name(i));
    }

    for (state = -1; state < REFERRAL_REWARD_STATES; state++) {
        for (to = -1; to < 2; to++) {
            good = 0;
            seen[0] = 0;

            for (code = 0; code <= CODES + 1; code++) {
                filter.state = state;
                filter.to = to;
                filter.code_id = code;

                for (i = 1; i < 200; i = i * 3 + 1) {
                    good += (unsigned) reward_pages(&filter, i, &seen[0]);
                }
            }

            tap_ok(good == 5 * (CODES + 2) && seen[0] != 0,
                   "state %d, to %d: of all codes, in pages of any size",
                   state, to);
        }
    }

    tap_ok(referral_reward_get(snap, program, rewards.row[rewards.n - 1].id
                               + 1, &one) == REFERRAL_NOT_FOUND,
           "one that is not there");
}


/* Seven rows at a time, those passed over too: of `all` in the state. */

static unsigned
reward_sevens(const referral_reward_filter_t *filter, unsigned all)
{
    unsigned  i, n, calls;
    uint64_t  last;

    i = 0;
    n = 0;
    calls = 0;
    last = 0;
    some.max = 8;

    do {
        some.n = 0;
        referral_reward_some(snap, program, filter, last, 7, keep_reward,
                             &some, &last);
        calls++;

        for (n = 0; n < some.n; n++) {
            while (i < rewards.n && rewards.row[i].id != some.row[n].id) {
                if ((filter->state == -1
                     || rewards.row[i].state == filter->state)
                    && rewards.row[i].to == filter->to)
                {
                    return 0;
                }

                i++;
            }

            if (i == rewards.n || !is_reward(&some.row[n], &rewards.row[i++]))
            {
                return 0;
            }
        }
    } while (last != 0 && calls <= all);

    return calls == (all + 6) / 7;
}


static void
reward_some(void)
{
    unsigned                  i, n, good;
    referral_reward_filter_t  filter = { -1, REFERRAL_TO_FRIEND, 0 };

    good = reward_sevens(&filter, rewards.n);

    for (filter.state = 0; filter.state < REFERRAL_REWARD_STATES;
         filter.state++)
    {
        n = 0;

        for (i = 0; i < rewards.n; i++) {
            n += (rewards.row[i].state == filter.state);
        }

        good += reward_sevens(&filter, n);
    }

    tap_ok(good == 1 + REFERRAL_REWARD_STATES,
           "so many rows at a time, and all in the end");
}


/* What the last `rows` rewards of the code hold, from the end. */

static int
reward_back(const referral_reward_filter_t *filter, unsigned rows,
    unsigned *seen)
{
    unsigned                 i, n;
    const referral_reward_t  *row;

    n = 0;
    some.n = 0;
    some.max = rewards.n + 1;

    if (referral_reward_latest(snap, program, filter, rows, keep_reward, &some)
        != REFERRAL_OK)
    {
        return 0;
    }

    for (i = rewards.n; i > 0 && rows > 0; i--) {
        row = &rewards.row[i - 1];

        if (row->code_id != filter->code_id) {
            continue;
        }

        rows--;

        if ((filter->state != -1 && row->state != filter->state)
            || (filter->to != -1 && row->to != filter->to))
        {
            continue;
        }

        if (n >= some.n || !is_reward(&some.row[n++], row)) {
            return 0;
        }
    }

    *seen += n;

    return n == some.n;
}


static void
reward_latest(void)
{
    unsigned                  rows, good, calls, seen;
    referral_reward_filter_t  filter = { -1, -1, 0 };

    good = 0;
    calls = 0;
    seen = 0;

    for (filter.code_id = 1; filter.code_id <= CODES + 1; filter.code_id++) {
        for (filter.to = -1; filter.to < 2; filter.to++) {
            for (rows = 0; rows < rewards.n; rows = 2 * rows + 1) {
                good += (unsigned) reward_back(&filter, rows, &seen);
                calls++;
            }
        }
    }

    tap_ok(good == calls && seen > rewards.n,
           "the latest of each code, %u of %u", good, calls);

    filter.to = REFERRAL_TO_REFERRER;
    filter.code_id = UINT32_MAX;
    seen = 0;

    tap_ok(reward_back(&filter, 9, &seen) && seen == 0,
           "none of the last code there could be");
}


int
main(void)
{
    test_store_t  ts;

    test_make(&ts);
    names();

    program = scene_make(&ts);
    tap_ok(test_verify(&ts) == 0, "the recount finds nothing");
    scene_read(&ts);

    conversions();
    conversion_pages();
    held();
    refunds();
    reward_lists();
    reward_some();
    reward_latest();

    return scene_end(&ts);
}
