/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading all there is.
 */

#include <jansson.h>

#include "base.h"
#include "referral_out.h"


#define ROWS  200       /* of one list */


typedef struct {
    referral_out_t          out;
    referral_snapshot_t    *snap;
    uint32_t                program;
    referral_rules_t        rules;
    unsigned                rows;
    size_t                  len;
    size_t                  size;
    char                   *text;
} read_t;


static void
write_text(referral_out_t *out, const void *data, size_t len)
{
    read_t  *r;

    r = out->data;

    if (r->len + len > r->size) {
        r->size = 2 * (r->len + len);
        r->text = realloc(r->text, r->size);
        FUZZ_ASSERT(r->text != NULL);
    }

    memcpy(r->text + r->len, data, len);
    r->len += len;
}


static int
read_code(void *data, const referral_code_t *code)
{
    read_t  *r = data;

    (void) referral_out_code(&r->out, r->snap, r->program, code->code, code,
                             &r->rules);

    return ++r->rows == ROWS;
}


static int
read_refund(void *data, const referral_refund_info_t *refund)
{
    read_t  *r = data;

    referral_out_str(&r->out, NULL, refund->refund_id);
    referral_out_str(&r->out, NULL, refund->reason);

    return ++r->rows == ROWS;
}


static int
read_order(void *data, const referral_conversion_t *conversion)
{
    read_t  *r = data;

    referral_out_conversion(&r->out, NULL, r->snap, r->program, conversion, 0);
    (void) referral_refund_list(r->snap, r->program, conversion->order_id,
                                read_refund, r);

    return ++r->rows == ROWS;
}


static int
read_reward(void *data, const referral_reward_t *reward)
{
    read_t  *r = data;

    referral_out_open(&r->out, NULL, "{");
    referral_out_reward_of(&r->out, r->snap, r->program, reward);
    referral_out_close(&r->out, "}");

    return ++r->rows == ROWS;
}


static int
read_entry(void *data, const referral_entry_t *entry)
{
    read_t  *r = data;

    (void) referral_entry_type(entry);
    referral_out_entry(&r->out, entry);

    return 0;
}


static int
read_counts(void *data, referral_str_t label, int64_t start,
    const referral_counts_t *counts)
{
    read_t  *r = data;

    (void) start;
    referral_out_open(&r->out, NULL, "{");
    referral_out_str(&r->out, "label", label);
    referral_out_clicks(&r->out, counts);
    referral_out_close(&r->out, "}");

    return ++r->rows == ROWS;
}


static int
read_counts_code(void *data, uint32_t code_id, referral_str_t code,
    const referral_counts_t *counts)
{
    (void) code_id;

    return read_counts(data, code, 0, counts);
}


static int
read_counts_row(void *data, uint32_t code_id, uint32_t day,
    const referral_counts_t *counts)
{
    (void) code_id;
    (void) day;

    return read_counts(data, (referral_str_t) { 0, (const unsigned char *) "" },
                       0, counts);
}


static int
read_leader(void *data, referral_str_t code, const referral_place_t *place)
{
    read_t  *r = data;

    referral_out_str(&r->out, NULL, code);
    referral_out_int(&r->out, NULL, place->points);

    return ++r->rows == ROWS;
}


static int
read_account(void *data, uint16_t currency, const referral_account_t *account)
{
    read_t  *r = data;

    referral_out_uint(&r->out, NULL, currency);
    referral_out_int(&r->out, NULL, account->owed);

    return ++r->rows == ROWS;
}


static int
read_program(void *data, referral_str_t name, uint32_t id)
{
    read_t  *r = data;

    referral_out_str(&r->out, NULL, name);
    referral_out_uint(&r->out, NULL, id);

    return ++r->rows == ROWS;
}


static void
read_days(read_t *r)
{
    uint32_t  day, next;

    day = (uint32_t) (FUZZ_NOW / FUZZ_DAY);

    if (referral_day_next(r->snap, r->program, 0, day + 100, &next)
        == REFERRAL_OK && next <= day + 100)
    {
        (void) referral_out_day(&r->out, r->snap, r->program, next);
    }

    (void) referral_out_day(&r->out, r->snap, r->program, day);
}


static void
read_counters(read_t *r)
{
    uint32_t  day, period;
    unsigned  dim, code_id;

    static const referral_place_t  top;
    referral_rows_t                rows;

    day = (uint32_t) (FUZZ_NOW / FUZZ_DAY);
    memset(&rows, 0, sizeof(rows));
    rows.from = day - 1;
    rows.to = day + 1;

    for (dim = REFERRAL_DIM_DAY; dim <= REFERRAL_DIM_LANDING; dim++) {
        for (code_id = 0; code_id < 2; code_id++) {
            (void) referral_counts_by(r->snap, r->program, code_id,
                                      (referral_dim_t) dim, day - 1, day + 1,
                                      read_counts, r);
            (void) referral_counts_by(r->snap, r->program, code_id,
                                      (referral_dim_t) dim, 0, 0,
                                      read_counts, r);
        }
    }

    (void) referral_counts_codes(r->snap, r->program, 0, 0, 0,
                                 read_counts_code, r);
    (void) referral_counts_codes(r->snap, r->program, 0, day, day + 1,
                                 read_counts_code, r);
    (void) referral_counts_rows(r->snap, r->program, &rows, read_counts_row,
                                r);
    (void) referral_leaders(r->snap, r->program, REFERRAL_LEADERS_ALL, &top,
                            read_leader, r);

    if (referral_leaders_contest(r->snap, r->program, fuzz_str("november"),
                                 &period) == REFERRAL_OK)
    {
        (void) referral_leaders(r->snap, r->program, period, &top,
                                read_leader, r);
    }

    (void) referral_account_list(r->snap, r->program, 1, read_account, r);
}


static void
read_rows(read_t *r)
{
    uint64_t                  last;
    referral_str_t            none = { 0, NULL };
    referral_click_info_t     click;
    referral_reward_filter_t  filter = { -1, -1, 0 };

    static const unsigned char  id[REFERRAL_CLICK_ID_SIZE] = { 2 };

    (void) referral_program_list(r->snap, read_program, r);
    (void) referral_code_list(r->snap, r->program, none, none, read_code, r);
    (void) referral_code_list(r->snap, r->program, none, fuzz_str("u1"),
                              read_code, r);
    (void) referral_conversion_list(r->snap, r->program, none, read_order, r);
    (void) referral_conversion_held(r->snap, r->program, 0, read_order, r);
    (void) referral_reward_list(r->snap, r->program, &filter, 0, read_reward,
                                r);
    filter.code_id = 1;
    (void) referral_reward_list(r->snap, r->program, &filter, 0, read_reward,
                                r);
    filter.code_id = 0;
    filter.state = REFERRAL_REWARD_PENDING;
    (void) referral_reward_list(r->snap, r->program, &filter, 0, read_reward,
                                r);
    (void) referral_journal_read(r->snap, 0, ~0u, ROWS, read_entry, r, &last);

    if (referral_click_get(r->snap, r->program, id, &click) == REFERRAL_OK) {
        referral_out_str(&r->out, NULL, click.code);
        referral_out_str(&r->out, NULL, click.channel);
        referral_out_str(&r->out, NULL, click.landing);
        referral_out_text(&r->out, NULL, referral_class_name(click.class));
        referral_out_text(&r->out, NULL, referral_why_name(click.why));
    }
}


void
fuzz_base_read(referral_snapshot_t *snap)
{
    read_t         r;
    json_t        *json;
    json_error_t   error;

    memset(&r, 0, sizeof(r));
    r.snap = snap;
    r.program = fuzz_base.program;
    r.out.write = write_text;
    r.out.data = &r;

    if (referral_rules_known(snap, r.program, &r.rules) != REFERRAL_OK) {
        memset(&r.rules, 0, sizeof(r.rules));
    }

    referral_out_open(&r.out, NULL, "[");
    read_rows(&r);
    read_counters(&r);
    read_days(&r);
    referral_out_close(&r.out, "]");

    /* a time that nobody can write fails the whole */

    if (r.out.failed) {
        free(r.text);
        return;
    }

    json = json_loadb(r.text, r.len, JSON_REJECT_DUPLICATES
                      |JSON_DECODE_INT_AS_REAL|JSON_ALLOW_NUL, &error);

    if (json == NULL) {
        (void) fprintf(stderr, "%s at %d: %.*s\n", error.text, error.position,
                       (int) r.len, r.text);
    }

    FUZZ_ASSERT(json != NULL);

    json_decref(json);
    free(r.text);
}
