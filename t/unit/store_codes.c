/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Counters of many codes: a list of a day on which hardly any of them was
 * clicked lets its caller stop on the way, and goes on where it was.
 *
 * Would catch: a list that reads the whole store before it says anything; a
 * code that is passed over, or told twice, where a list is continued; a day
 * that is read from the wrong place, of two days or of the one that is not
 * history yet; row by row, one that is lost or told twice where it goes on.
 */

#include "store_test.h"
#include "../bench/traffic.h"


#define CODES  25000
#define LATE   24000        /* the one that was clicked later, too */
#define BUSY   2000         /* the first ones: on three days */


typedef struct {
    unsigned           visits;
    unsigned           rows;
    uint32_t           last;
    uint64_t           clicks;
    unsigned           stop;            /* at the first */
} seen_t;

typedef struct {
    seen_t             first;           /* the day of all */
    seen_t             days;            /* it and the next, of three */
    seen_t             later;           /* a later day */
    seen_t             all;
    seen_t             parts;           /* of the later day, in parts */
    unsigned           calls;
    seen_t             once;            /* row by row: all days */
    seen_t             pieces;          /* the same, in pieces */
    seen_t             two;             /* two days */
    seen_t             ever;            /* all time */
} found_t;


static int
see(void *data, uint32_t id, referral_str_t code,
    const referral_counts_t *counts)
{
    seen_t  *seen;

    (void) code;

    seen = data;
    seen->visits++;

    seen->rows += (referral_counts_total(counts) != 0);
    seen->clicks += referral_counts_total(counts);

    if (id <= seen->last) {
        printf("# %u after %u\n", id, seen->last);
        seen->rows = UINT32_MAX / 2;
    }

    seen->last = id;

    return seen->stop;
}


static void
list(test_store_t *ts, referral_snapshot_t *snap, seen_t *seen, uint32_t from,
    uint32_t to)
{
    test_must(ts, referral_counts_codes(snap, 1, seen->last, from, to, see,
                                        seen),
              "referral_counts_codes");
}


static int
see_row(void *data, uint32_t id, uint32_t day, const referral_counts_t *counts)
{
    seen_t  *seen;

    (void) day;

    seen = data;
    seen->visits++;
    seen->rows += (referral_counts_total(counts) != 0);
    seen->clicks += referral_counts_total(counts);
    seen->last = id;

    return seen->stop && seen->visits % seen->stop == 0;
}


static void
rows(test_store_t *ts, referral_snapshot_t *snap, seen_t *seen, uint32_t from,
    uint32_t to)
{
    referral_rows_t  place;

    memset(&place, 0, sizeof(place));
    place.from = from;
    place.to = to;

    do {
        test_must(ts, referral_counts_rows(snap, 1, &place, see_row, seen),
                  "referral_counts_rows");
    } while (!place.done);
}


static void
click(traffic_t *t, uint32_t id, int64_t time)
{
    referral_record_t  record;

    record = test_click(t->program, (uint64_t) time << 8 ^ id);
    record.time = time;
    record.u.click.code_id = id;
    traffic_take(t, &record);
}


static void
scene(test_store_t *ts, void *data)
{
    found_t              *found;
    int64_t               day;
    uint32_t              i;
    unsigned              before;
    referral_snapshot_t  *snap;
    static traffic_t      t;

    found = data;
    day = 20000;

    traffic_open(&t, ts->path, ts->rings, 0);
    traffic_add_codes(&t, CODES, day * TRAFFIC_DAY);

    for (i = 1; i <= CODES; i++) {
        click(&t, i, day * TRAFFIC_DAY);
    }

    for (i = 0; i < 2 * BUSY; i++) {
        click(&t, i % BUSY + 1, (day + 1 + i / BUSY) * TRAFFIC_DAY);
    }

    click(&t, LATE, (day + 4) * TRAFFIC_DAY);
    click(&t, LATE, (day + 4) * TRAFFIC_DAY + 1);
    traffic_apply(&t);

    ts->store = t.store;
    snap = test_snapshot(ts);
    i = (uint32_t) day;

    list(ts, snap, &found->first, i, i);
    list(ts, snap, &found->days, i, i + 1);
    list(ts, snap, &found->later, i + 3, i + 9);
    list(ts, snap, &found->all, i, i + 4);

    found->parts.stop = 1;

    do {
        before = found->parts.visits;
        list(ts, snap, &found->parts, i + 4, i + 4);
        found->calls++;
    } while (found->parts.visits != before);

    found->pieces.stop = 7;

    rows(ts, snap, &found->once, i, i + 4);
    rows(ts, snap, &found->pieces, i, i + 4);
    rows(ts, snap, &found->two, i, i + 1);
    rows(ts, snap, &found->ever, 0, 0);

    referral_snapshot_end(snap);
    referral_intake_close(t.intake);
}


int
main(void)
{
    found_t       *found;
    test_store_t   ts;

    found = test_shared(sizeof(found_t));

    test_make(&ts);
    tap_ok(test_child(scene, &ts, found) == 0, "codes, clicks, lists");
    test_remove(&ts);

    tap_ok(found->first.rows == CODES && found->first.visits == CODES
           && found->first.last == CODES && found->first.clicks == CODES,
           "all codes of the day on which all were clicked: %u",
           found->first.rows);
    tap_ok(found->days.rows == CODES
           && found->days.clicks == CODES + BUSY,
           "two days of three: %u clicks", (unsigned) found->days.clicks);
    tap_ok(found->later.rows == 1 && found->later.clicks == 2,
           "the one code that was clicked later");
    tap_ok(found->later.visits == 3,
           "its caller could have stopped on the way, twice: %u visits",
           found->later.visits);
    tap_ok(found->all.rows == CODES
           && found->all.clicks == CODES + 2 * BUSY + 2,
           "all days: no code twice: %u", found->all.rows);
    tap_ok(found->parts.rows == 1 && found->calls == 4,
           "stopped each time, it is found by the third of %u calls",
           found->calls);

    tap_ok(found->once.rows == CODES + 2 * BUSY + 1
           && found->once.clicks == CODES + 2 * BUSY + 2,
           "a row for each day of each code: %u", found->once.rows);
    tap_ok(found->pieces.rows == found->once.rows
           && found->pieces.clicks == found->once.clicks
           && found->pieces.visits == found->once.visits,
           "the same in pieces: %u", found->pieces.rows);
    tap_ok(found->two.rows == CODES + BUSY
           && found->two.clicks == CODES + BUSY,
           "of two days: %u", found->two.rows);
    tap_ok(found->ever.rows == CODES
           && found->ever.clicks == CODES + 2 * BUSY + 2,
           "of all time, one for each code: %u", found->ever.rows);

    return tap_done();
}
