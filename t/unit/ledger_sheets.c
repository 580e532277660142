/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading scores, accounts, leaderboards and counters of events: compared with
 * what follows from the conversions and rewards themselves.
 *
 * Would catch: days added to the wrong range, places out of order.
 */

#include "ledger_scene.h"


/* --------------------------------------------------------------- scores */

static int64_t
points_of(uint32_t code, int64_t from, int64_t to)
{
    int64_t   points;
    unsigned  i;

    points = 0;

    for (i = 0; i < all.n; i++) {
        if (all.row[i].code_id == code && all.row[i].time >= from
            && all.row[i].time < to)
        {
            points += all.row[i].points;
        }
    }

    return points;
}


static void
scores(void)
{
    unsigned          i, good;
    uint32_t          code;
    referral_score_t  score;

    good = 0;

    for (code = 1; code <= CODES; code++) {
        referral_score_get(snap, program, code, &score);
        good += (score.points != 0
                 && score.points == points_of(code, 0, INT64_MAX));

        for (i = 0; i < rewards.n; i++) {
            if (rewards.row[i].code_id == code
                && rewards.row[i].to == REFERRAL_TO_REFERRER)
            {
                score.rewards[rewards.row[i].state]--;
            }
        }

        good += (score.rewards[0] + score.rewards[1] + score.rewards[2]
                 + score.rewards[3] + score.rewards[4] == 0);
    }

    tap_ok(good == 2 * CODES, "scores are what their events gave");
    tap_ok(referral_score_get(snap, program, 77, &score) == REFERRAL_OK
           && score.points == 0, "no score is zeros");

    referral_score_get(snap, program, REFERRAL_TALLY_ALL, &score);

    for (i = 0; i < rewards.n; i++) {
        score.rewards[rewards.row[i].state]--;
    }

    tap_ok(score.points == 0 && score.rewards[0] + score.rewards[1]
           + score.rewards[2] + score.rewards[3] + score.rewards[4] == 0,
           "that of the program is of all rewards");
}


static int
add_account(void *data, uint16_t currency, const referral_account_t *account)
{
    int64_t  *sum;

    sum = data;

    if (currency == 978 || currency == 840) {
        sum[0] += account->rewards[REFERRAL_REWARD_PENDING];
        sum[1] += account->rewards[REFERRAL_REWARD_APPROVED];
        sum[2] += account->paid;
        sum[3]++;
    }

    return 0;
}


static void
accounts(void)
{
    int64_t                   sum[4];
    unsigned                  i, good;
    uint32_t                  code;
    const referral_reward_t  *reward;

    good = 0;

    for (code = 1; code <= CODES; code++) {
        memset(sum, 0, sizeof(sum));
        referral_account_list(snap, program, code, add_account, sum);
        good += (sum[3] == 2 && sum[0] && sum[1] && sum[2]);

        for (i = 0; i < rewards.n; i++) {
            reward = &rewards.row[i];

            if (reward->code_id == code && reward->bps != 0) {
                sum[0] -= (reward->state == REFERRAL_REWARD_PENDING)
                          ? reward->amount : 0;
                sum[1] -= (reward->state == REFERRAL_REWARD_APPROVED)
                          ? reward->amount : 0;
                sum[2] -= reward->paid;
            }
        }

        good += (sum[0] == 0 && sum[1] == 0 && sum[2] == 0);
    }

    tap_ok(good == 2 * CODES, "accounts are what their rewards amount to");
}


/* --------------------------------------------------------- leaderboards */

static struct {
    unsigned          n;
    unsigned          max;
    referral_place_t  row[CODES];
} board;

static unsigned       tied;


static int
keep_place(void *data, referral_str_t code, const referral_place_t *place)
{
    (void) data;

    if (tap_failed == 0
        && !same(code, test_str(scene_codes[place->code_id - 1])))
    {
        tap_ok(0, "a place with the name of its code");
    }

    board.row[board.n++] = *place;

    return board.n == board.max;
}


static unsigned
ties(void)
{
    unsigned  i, n;

    n = 0;

    for (i = 1; i < board.n; i++) {
        n += (board.row[i - 1].points == board.row[i].points);
    }

    return n;
}


static void
leaders(const char *what, uint32_t period, int64_t from, int64_t to)
{
    unsigned          i, good, size;
    referral_place_t  after;

    good = 0;

    for (size = 1; size <= CODES; size++) {
        memset(&after, 0, sizeof(after));
        board.n = 0;

        for (i = size; board.n < CODES; i += size) {
            board.max = (i < CODES) ? i : CODES;
            referral_leaders(snap, program, period, &after, keep_place, NULL);
            after = board.row[board.n ? board.n - 1 : 0];

            if (board.n != board.max) {
                break;
            }
        }

        for (i = 0; i < board.n; i++) {
            good += (board.row[i].points
                     == points_of(board.row[i].code_id, from, to));
            good += (i == 0 || board.row[i - 1].points > board.row[i].points
                     || (board.row[i - 1].points == board.row[i].points
                         && board.row[i - 1].code_id
                            < board.row[i].code_id));
        }
    }

    tied += ties();
    tap_ok(good == 2 * CODES * CODES, "%s: in order, in pages", what);

    board.n = 0;
    board.max = CODES + 1;
    referral_leaders(snap, program, period, &after, keep_place, NULL);
    tap_ok(board.n == 0, "and nobody after the last");
}


static void
leaderboards(void)
{
    uint32_t  period;

    leaders("all time", REFERRAL_LEADERS_ALL, 0, INT64_MAX);
    tap_ok(tied != 0, "with places that are equal");
    leaders("a month", 202512, 20423 * DAY, 20454 * DAY);

    tap_ok(referral_leaders_contest(snap, program, test_str("advent"),
                                    &period) == REFERRAL_OK, "a contest");
    leaders("a contest", period, T0 + 10 * DAY, T0 + 30 * DAY);

    tap_ok(referral_leaders_contest(snap, program, test_str("adven"),
                                    &period) == REFERRAL_NOT_FOUND
           && referral_leaders_contest(snap, program, test_str("purchase"),
                                       &period) == REFERRAL_NOT_FOUND
           && referral_leaders_contest(snap, program - 1, test_str("advent"),
                                       &period) == REFERRAL_NOT_FOUND,
           "no such contest");
}


/* --------------------------------------------------- counters of events */

/* What a reading adds up to, and whether days came in order. */

typedef struct {
    referral_tally_t    tally[2];       /* signup, purchase */
    referral_sum_t      sum[2];         /* 978, 840 */
    int64_t             start;
    unsigned            by_day;
    unsigned            calls;
    unsigned            bad;
    unsigned            stop;
} sheet_t;


static int
add_tally(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    sheet_t           *sheet;
    unsigned           i;
    referral_tally_t  *to;

    sheet = data;
    to = &sheet->tally[same(event, test_str("purchase"))];

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        to->statuses[i] += tally->statuses[i];
    }

    to->points += tally->points;
    sheet->bad += sheet->by_day ? start < sheet->start || start % 86400
                                : start != 0;
    sheet->start = start;

    return ++sheet->calls == sheet->stop;
}


static int
add_sum(void *data, referral_str_t event, uint16_t currency, int64_t start,
    const referral_sum_t *sum)
{
    sheet_t         *sheet;
    referral_sum_t  *to;

    sheet = data;
    to = &sheet->sum[currency == 840];
    to->gross += sum->gross;
    to->refunded += sum->refunded;
    to->count += sum->count;

    sheet->bad += !same(event, test_str("purchase"));
    sheet->bad += sheet->by_day ? start < sheet->start || start % 86400
                                : start != 0;
    sheet->start = start;

    return ++sheet->calls == sheet->stop;
}


/* The same from the orders. */

static void
sheet_of(uint32_t code, uint32_t from, uint32_t to, sheet_t *sheet)
{
    unsigned                      i;
    referral_sum_t               *sum;
    referral_tally_t             *tally;
    const referral_conversion_t  *row;

    memset(sheet, 0, sizeof(sheet_t));

    for (i = 0; i < all.n; i++) {
        row = &all.row[i];

        if ((code != REFERRAL_TALLY_ALL && row->code_id != code)
            || row->time / DAY < from || (to && row->time / DAY > to))
        {
            continue;
        }

        tally = &sheet->tally[same(row->event, test_str("purchase"))];
        tally->statuses[row->status]++;
        tally->points += row->points;

        if (row->has_amount) {
            sum = &sheet->sum[row->currency == 840];
            sum->gross += row->amount;
            sum->refunded += row->refunded;
            sum->count++;
        }
    }
}


static int
reads(uint32_t code, uint32_t from, uint32_t to, unsigned by_day)
{
    sheet_t  want, tallies, sums;

    sheet_of(code, from, to, &want);

    memset(&tallies, 0, sizeof(tallies));
    memset(&sums, 0, sizeof(sums));
    tallies.by_day = by_day;
    sums.by_day = by_day;

    return referral_tally_list(snap, program, code, from, to, by_day,
                               add_tally, &tallies) == REFERRAL_OK
           && referral_sum_list(snap, program, code, from, to, by_day,
                                add_sum, &sums) == REFERRAL_OK
           && memcmp(want.tally, tallies.tally, sizeof(want.tally)) == 0
           && memcmp(want.sum, sums.sum, sizeof(want.sum)) == 0
           && tallies.bad == 0 && sums.bad == 0
           && (by_day || tallies.calls <= 2);
}


static void
sheets(void)
{
    sheet_t        sheet;
    uint32_t       code, from, to;
    unsigned       i, good, n;
    const uint32_t first = (uint32_t) (T0 / DAY);

    for (i = 0; i < 2; i++) {
        good = 0;
        n = 0;

        for (code = 0; code <= CODES + 2; code++) {
            good += (unsigned) reads(code <= CODES + 1 ? code
                                     : REFERRAL_TALLY_ALL, 0, 0, i);
            n++;

            for (from = first - 2; from < first + 53; from += 6) {
                for (to = from; to < first + 54; to += 5) {
                    good += (unsigned) reads(code <= CODES + 1 ? code
                                             : REFERRAL_TALLY_ALL,
                                             from, to, i);
                    n++;
                }
            }
        }

        tap_ok(good == n, "%s: %u of %u ranges", i ? "by day" : "summed up",
               good, n);
    }

    tap_ok(reads(1, 0, first + 3, 0) && reads(1, first + 9, UINT32_MAX, 0)
           && reads(1, first + 9, UINT32_MAX, 1)
           && reads(REFERRAL_TALLY_ALL, 5, 4, 1), "ranges without an end");

    memset(&sheet, 0, sizeof(sheet));
    sheet.by_day = 1;
    sheet.stop = 3;
    referral_tally_list(snap, program, 1, 0, 0, 1, add_tally, &sheet);
    tap_ok(sheet.calls == 3, "a visit can end it");

    memset(&sheet, 0, sizeof(sheet));
    sheet.stop = 1;
    referral_tally_list(snap, program, 1, first, first + 60, 0, add_tally,
                        &sheet);
    tap_ok(sheet.calls == 1, "also when it is summed up");

    sheet_of(REFERRAL_TALLY_ALL, 0, 0, &sheet);
    tap_ok(referral_tally_count(&sheet.tally[0])
           + referral_tally_count(&sheet.tally[1]) == ORDERS,
           "statuses sum up to all");
}


int
main(void)
{
    test_store_t  ts;

    test_make(&ts);
    program = scene_make(&ts);
    scene_read(&ts);

    scores();
    accounts();
    leaderboards();
    sheets();

    return scene_end(&ts);
}
