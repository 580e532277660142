/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading leaderboards, and counters and amounts of events.
 */

#include <errno.h>
#include <stdlib.h>

#include "store_internal.h"


#define STORE_LINES_MAX   65536     /* events times currencies, of one sheet */
#define STORE_LINE_CELLS  (sizeof(store_tally_t) / sizeof(int64_t))

_Static_assert(sizeof(store_tally_t) == sizeof(referral_tally_t)
               && sizeof(store_sum_t) == sizeof(referral_sum_t)
               && sizeof(store_sum_t) <= sizeof(store_tally_t),
               "rows of counters are read as they are");

typedef struct {
    store_txn_t                *t;
    referral_leaders_visit_pt   visit;
    void                       *data;
} store_board_t;

/* What days add up to, by event and currency. */

typedef struct {
    uint32_t                    id;         /* event << 16 | currency */
    int64_t                     cells[STORE_LINE_CELLS];
} store_line_t;

/* A reading of days: of tallies or of sums. */

typedef struct {
    store_txn_t                *t;
    uint32_t                    program;
    uint32_t                    code;
    uint32_t                    to;         /* day */
    size_t                      key;        /* bytes of its keys and values */
    size_t                      value;
    unsigned                    add;        /* lines, to be visited later */
    store_line_t               *lines;
    size_t                      n;
    size_t                      max;
    referral_tally_visit_pt     tally;
    referral_sum_visit_pt       sum;
    void                       *data;
} store_sheet_t;


/* --------------------------------------------------------- leaderboards -- */

referral_rc_t
referral_leaders_contest(referral_snapshot_t *snap, uint32_t program,
    referral_str_t name, uint32_t *period)
{
    uint16_t      id;
    store_txn_t  *t;

    t = &snap->t;

    if (name.len == 0 || name.len > REFERRAL_RULE_NAME_MAX) {
        return REFERRAL_NOT_FOUND;
    }

    id = store_name_id(t, program, STORE_NAME_CONTEST, name);

    if (t->rc != 0 || id == 0) {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    *period = STORE_CONTEST | id;

    return REFERRAL_OK;
}


static int
store_list_place(void *data, const MDB_val *key, const MDB_val *value)
{
    store_board_t        *board;
    referral_str_t        code;
    referral_place_t      place;
    const unsigned char  *p;

    (void) value;

    board = data;
    p = key->mv_data;

    if (key->mv_size != 20) {
        return store_corrupt(board->t, "a place of a leaderboard");
    }

    place.points = (int64_t) ~store_get_be64(p + 8);
    place.code_id = store_get_be32(p + 16);
    code = store_code_name(board->t, place.code_id);

    return board->t->rc ? 1 : board->visit(board->data, code, &place);
}


referral_rc_t
referral_leaders(referral_snapshot_t *snap, uint32_t program,
    uint32_t period, const referral_place_t *after,
    referral_leaders_visit_pt visit, void *data)
{
    size_t         len;
    store_board_t  board;
    unsigned char  key[20 + 1];

    board.t = &snap->t;
    board.visit = visit;
    board.data = data;

    store_be32(key, program);
    store_be32(key + 4, period);
    len = 8;

    /* what comes next after a key is that key and a zero */

    if (after->code_id != 0) {
        store_be64(key + 8, ~(uint64_t) after->points);
        store_be32(key + 16, after->code_id);
        key[20] = '\0';
        len = sizeof(key);
    }

    store_walk(board.t, STORE_LDR, key, len, 8, store_list_place, &board);

    return store_rc(board.t->rc);
}


/* ---------------------------------------------------- counters of events -- */

uint64_t
referral_tally_count(const referral_tally_t *tally)
{
    unsigned  i;
    uint64_t  count;

    count = 0;

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        count += tally->statuses[i];
    }

    return count;
}


static int
store_visit_line(const store_sheet_t *sheet, uint32_t day, uint32_t id,
    const void *cells)
{
    int64_t           start;
    referral_str_t    event;
    referral_sum_t    sum;
    referral_tally_t  tally;

    start = (int64_t) day * 86400;
    event = store_name(sheet->t, sheet->program, STORE_NAME_EVENT,
                       (uint16_t) (id >> 16));

    if (sheet->t->rc != 0) {
        return 1;
    }

    if (sheet->tally != NULL) {
        memcpy(&tally, cells, sizeof(tally));
        return sheet->tally(sheet->data, event, start, &tally);
    }

    memcpy(&sum, cells, sizeof(sum));

    return sheet->sum(sheet->data, event, (uint16_t) id, start, &sum);
}


/* The line of that id, made when it is new. */

static store_line_t *
store_line(store_sheet_t *sheet, uint32_t id)
{
    size_t         low, high, mid;
    store_line_t  *lines;

    low = 0;
    high = sheet->n;

    while (low < high) {
        mid = low + (high - low) / 2;

        if (sheet->lines[mid].id < id) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    if (low < sheet->n && sheet->lines[low].id == id) {
        return &sheet->lines[low];
    }

    if (sheet->n == sheet->max) {
        high = sheet->max ? sheet->max * 2 : 64;
        lines = (high <= STORE_LINES_MAX)
                ? realloc(sheet->lines, high * sizeof(store_line_t)) : NULL;

        if (lines == NULL) {
            store_fail(sheet->t, ENOMEM, "malloc()");
            return NULL;
        }

        sheet->lines = lines;
        sheet->max = high;
    }

    lines = sheet->lines + low;
    memmove(lines + 1, lines, (sheet->n - low) * sizeof(store_line_t));
    memset(lines, 0, sizeof(store_line_t));
    lines->id = id;
    sheet->n++;

    return lines;
}


/* Sums stay at the end of their range; they do not wrap. */

static int
store_add_line(store_sheet_t *sheet, uint32_t id, const void *value)
{
    size_t         i, n;
    int64_t        cells[STORE_LINE_CELLS];
    store_line_t  *line;

    line = store_line(sheet, id);
    if (line == NULL) {
        return 1;
    }

    memcpy(cells, value, sheet->value);
    n = sheet->value / sizeof(int64_t);

    for (i = 0; i < n; i++) {
        if (__builtin_add_overflow(line->cells[i], cells[i],
                                   &line->cells[i]))
        {
            line->cells[i] = (cells[i] < 0) ? INT64_MIN : INT64_MAX;
        }
    }

    return 0;
}


/* Rows of tallies and of sums lie among each other. */

static int
store_sheet_row(void *data, const MDB_val *key, const MDB_val *value)
{
    uint32_t              id, day;
    store_sheet_t        *sheet;
    const unsigned char  *p;

    sheet = data;
    p = (const unsigned char *) key->mv_data + STORE_SCR_KEY;

    if (key->mv_size != STORE_TALLY_KEY && key->mv_size != STORE_SUM_KEY) {
        return store_corrupt(sheet->t, "a counter of events");
    }

    day = store_get_be32(p);

    if (day > sheet->to) {
        return 1;
    }

    if (key->mv_size != sheet->key) {
        return 0;
    }

    if (value->mv_size != sheet->value) {
        return store_corrupt(sheet->t, "a counter of events");
    }

    id = (uint32_t) p[4] << 24 | (uint32_t) p[5] << 16;

    if (sheet->sum != NULL) {
        id |= (uint32_t) p[6] << 8 | p[7];
    }

    return sheet->add ? store_add_line(sheet, id, value->mv_data)
                      : store_visit_line(sheet, day, id, value->mv_data);
}


static referral_rc_t
store_sheet_read(store_sheet_t *sheet, uint32_t from, uint32_t to,
    unsigned by_day)
{
    size_t         i;
    unsigned char  key[STORE_SCR_KEY + 4];

    if (sheet->t->rc != 0) {
        return store_rc(sheet->t->rc);
    }

    sheet->add = (to != 0 && !by_day);

    /* day 0 holds the sums of all time */

    if (to == 0 && by_day) {
        to = UINT32_MAX;
    }

    if (from == 0 && to != 0) {
        from = 1;
    }

    sheet->to = to;
    store_scr_key(key, sheet->program, sheet->code, STORE_SCR_DAY);
    store_be32(key + STORE_SCR_KEY, from);
    store_walk(sheet->t, STORE_SCR, key, sizeof(key), STORE_SCR_KEY,
               store_sheet_row, sheet);

    for (i = 0; i < sheet->n && sheet->t->rc == 0; i++) {
        if (store_visit_line(sheet, 0, sheet->lines[i].id,
                             sheet->lines[i].cells)
            != 0)
        {
            break;
        }
    }

    free(sheet->lines);

    return store_rc(sheet->t->rc);
}


referral_rc_t
referral_tally_list(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, uint32_t from, uint32_t to, unsigned by_day,
    referral_tally_visit_pt visit, void *data)
{
    store_sheet_t  sheet;

    memset(&sheet, 0, sizeof(store_sheet_t));
    sheet.t = &snap->t;
    sheet.program = program;
    sheet.code = code_id;
    sheet.key = STORE_TALLY_KEY;
    sheet.value = sizeof(store_tally_t);
    sheet.tally = visit;
    sheet.data = data;

    return store_sheet_read(&sheet, from, to, by_day);
}


referral_rc_t
referral_sum_list(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, uint32_t from, uint32_t to, unsigned by_day,
    referral_sum_visit_pt visit, void *data)
{
    store_sheet_t  sheet;

    memset(&sheet, 0, sizeof(store_sheet_t));
    sheet.t = &snap->t;
    sheet.program = program;
    sheet.code = code_id;
    sheet.key = STORE_SUM_KEY;
    sheet.value = sizeof(store_sum_t);
    sheet.sum = visit;
    sheet.data = data;

    return store_sheet_read(&sheet, from, to, by_day);
}
