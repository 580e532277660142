/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What store_power asks of a store after the power came back, in a process of
 * its own: it opens, recovers, and has everything that was acknowledged once,
 * nothing twice, and nothing that nobody did.
 */

#ifndef STORE_POWER_CHECK_H
#define STORE_POWER_CHECK_H

#include "store_power_known.h"


typedef struct {
    unsigned              failed;           /* things that were wrong */
    char                  text[1024];
    unsigned              again;            /* seen sequences come again */
    unsigned              unmade;           /* the store never was one */
} power_verdict_t;

typedef struct {
    test_store_t         *ts;
    referral_snapshot_t  *snap;
    power_world_known_t  *k;
    uint32_t              journal;          /* clicks in it, by program */
    uint16_t              count[POWER_TYPES][POWER_TAKES];
    uint64_t              clicks[POWER_PROGRAMS + 1];
    uint64_t              last;             /* of the journal */
} power_look_t;

static power_verdict_t  *power_verdict;


__attribute__((format(printf, 1, 2)))
static void
power_wrong(const char *fmt, ...)
{
    size_t   len;
    va_list  args;

    power_verdict->failed++;
    len = strlen(power_verdict->text);

    if (len + 2 < sizeof(power_verdict->text)) {
        va_start(args, fmt);
        vsnprintf(power_verdict->text + len,
                  sizeof(power_verdict->text) - len - 1, fmt, args);
        va_end(args);
        strcat(power_verdict->text, "\n");
    }
}


static void
power_report(void *data, const char *sentence)
{
    (void) data;
    power_wrong("verify: %s", sentence);
}


static void
power_verify(power_look_t *look)
{
    uint64_t           differences;
    referral_rc_t      rc;
    referral_verify_t  verify;

    memset(&verify, 0, sizeof(verify));
    verify.report = power_report;

    rc = referral_store_verify(look->snap, &verify, &differences,
                               &look->ts->err);

    if (rc != REFERRAL_OK) {
        power_wrong("verify: rc %d, %s", (int) rc, look->ts->err.text);
    }
}


/* -------------------------------------------------------------- the journal */

/* Whether the number of a code is that of this name; 0: there was none. */

static int
power_code_is(power_look_t *look, uint32_t id, unsigned class, unsigned name)
{
    referral_str_t  text;

    if (id == 0) {
        return class == REFERRAL_CLASS_UNKNOWN;
    }

    text = store_code_name(&look->snap->t, id);

    return store_same(text, test_str(power_codes[name]));
}


static void
power_look_click(power_look_t *look, const store_click_row_t *row)
{
    uint32_t        number;
    power_known_t  *known;
    unsigned char   id[REFERRAL_CLICK_ID_SIZE];

    known = power_take_at(look->k, row->time);

    if (known == NULL || known->take.type != REFERRAL_RECORD_CLICK) {
        power_wrong("a click is there that nobody took");
        return;
    }

    number = known->take.key;
    look->count[REFERRAL_RECORD_CLICK][number]++;

    if (row->program <= POWER_PROGRAMS) {
        look->clicks[row->program]++;
    }

    power_click_id(id, number);

    if (memcmp(row->click_id, id, sizeof(id)) != 0
        || row->program != known->take.program)
    {
        power_wrong("click %u is another", number);

    } else if (!power_code_is(look, row->code, row->class, known->take.code)) {
        power_wrong("click %u is not of its code but of %u", number,
                    row->code);
    }
}


/* A decision is about what it was meant to be about. */

static void
power_look_decision(power_look_t *look, const power_known_t *known,
    const referral_record_t *record)
{
    uint64_t           meaning;
    referral_reward_t  reward;

    if (record->u.decision.reward == 0) {
        return;
    }

    meaning = 0;

    if (referral_reward_get(look->snap, record->u.decision.program,
                            record->u.decision.reward, &reward)
        == REFERRAL_OK)
    {
        meaning = power_meaning(&reward);
    }

    if (meaning != known->take.meant) {
        power_wrong("record %u decided about another reward",
                    (unsigned) (known - look->k->takes));
    }
}


static void
power_look_record(power_look_t *look, const MDB_val *value)
{
    power_known_t      *known;
    referral_record_t   record;

    if (store_decode(value->mv_data, value->mv_size, &record) != 0) {
        power_wrong("the journal has a record of no known form");
        return;
    }

    if (record.type == REFERRAL_RECORD_PROGRAM
        || record.type == REFERRAL_RECORD_RULES
        || record.type == REFERRAL_RECORD_TICK
        || record.type == REFERRAL_RECORD_NOTE)
    {
        return;
    }

    known = power_take_at(look->k, record.time);

    if (known == NULL) {
        power_wrong("the journal has a record that nobody took");
        return;
    }

    /* an open code is made by a click or an event that names it */

    if (record.type == REFERRAL_RECORD_CODE
        && (known->take.type == REFERRAL_RECORD_CLICK
            || known->take.type == REFERRAL_RECORD_EVENT))
    {
        return;
    }

    if (value->mv_size != known->len
        || memcmp(value->mv_data, known->record, known->len) != 0)
    {
        power_wrong("record %u of type %u is another",
                    (unsigned) (known - look->k->takes), record.type);
        return;
    }

    look->count[record.type][known->take.key]++;

    if (known->told && known->rc != REFERRAL_OK) {
        power_wrong("record %u was refused, and is there",
                    (unsigned) (known - look->k->takes));
    }

    if (record.type == REFERRAL_RECORD_DECISION) {
        power_look_decision(look, known, &record);
    }
}


static int
power_look_row(void *data, const MDB_val *key, const MDB_val *value)
{
    power_look_t       *look;
    store_click_row_t   row;

    look = data;
    look->last = store_get_be64(key->mv_data);

    if (value->mv_size == sizeof(row)
        && *(unsigned char *) value->mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, value->mv_data, sizeof(row));
        power_look_click(look, &row);

    } else {
        power_look_record(look, value);
    }

    return 0;
}


/* ----------------------------------------------------------- the comparison */

/* A click may have been purged. */

static int
power_may_be_gone(const power_world_known_t *k, const power_take_t *take)
{
    return take->type == REFERRAL_RECORD_CLICK
           && take->time < k->purged[take->program];
}


static void
power_compare_keys(power_look_t *look)
{
    unsigned  type;
    uint32_t  key;

    for (type = 1; type < POWER_TYPES; type++) {
        for (key = 0; key <= look->k->n; key++) {

            if (look->count[type][key] > 1) {
                power_wrong("type %u key %u is there %u times", type, key,
                            look->count[type][key]);
            }

            if (look->k->must[type][key] && look->count[type][key] == 0
                && (type != REFERRAL_RECORD_CLICK
                    || !power_may_be_gone(look->k,
                                          &look->k->takes[key].take)))
            {
                power_wrong("type %u key %u was acknowledged and is lost",
                            type, key);
            }
        }
    }
}


/* Clicks are counted once, also those that were purged since. */

static void
power_compare_counts(power_look_t *look, unsigned program)
{
    uint32_t               n, may, must;
    uint64_t               total;
    referral_counts_t      counts;
    const power_known_t   *known;

    may = 0;
    must = 0;

    for (n = 1; n <= look->k->n; n++) {
        known = &look->k->takes[n];

        if (known->take.program == program
            && power_may_be_gone(look->k, &known->take)
            && look->count[REFERRAL_RECORD_CLICK][n] == 0)
        {
            may++;
            must += look->k->must[REFERRAL_RECORD_CLICK][n];
        }
    }

    (void) referral_counts_get(look->snap, program, 0, &counts);
    total = referral_counts_total(&counts);

    if (total < look->clicks[program] + must
        || total > look->clicks[program] + may)
    {
        power_wrong("program %u counts %u clicks, %u are there and %u to %u "
                    "were purged", program, (unsigned) total,
                    (unsigned) look->clicks[program], must, may);
    }
}


/* Another may have set the version before, which it knew, after all. */

static void
power_compare_rules(power_look_t *look, unsigned program)
{
    size_t            len;
    unsigned          version;
    referral_str_t    text;
    unsigned char     buf[REFERRAL_RULES_SIZE];
    referral_rules_t  rules;

    if (!look->k->opened) {
        return;
    }

    if (store_rules_encoded(&look->snap->t, program, &text)) {
        version = look->k->rules[program];

        for (version -= (version != 0); version <= look->k->asked[program];
             version++)
        {
            power_rules(&rules, program, version);
            len = referral_rules_encode(&rules, buf);

            if (text.len == len && memcmp(text.data, buf, len) == 0) {
                return;
            }
        }
    }

    power_wrong("program %u has not the rules it was given", program);
}


/* What was there before a tick that was answered does not wait any more. */

static void
power_compare_ticks(power_look_t *look)
{
    uint32_t               n;
    referral_conversion_t  event;
    const power_known_t   *known;
    char                   id[32];

    for (n = 1; n <= look->k->n; n++) {
        known = &look->k->takes[n];

        if (known->take.type != REFERRAL_RECORD_EVENT || !known->told
            || known->rc != REFERRAL_OK
            || known->told_at >= look->k->tick_began)
        {
            continue;
        }

        snprintf(id, sizeof(id), "o%u", known->take.key);

        if (referral_conversion_get(look->snap, known->take.program,
                                    test_str(id), &event) == REFERRAL_OK
            && event.status == REFERRAL_EVENT_PENDING
            && event.approves <= look->k->tick)
        {
            power_wrong("order %s still waits, after a tick", id);
        }
    }
}


static void
power_compare(test_store_t *ts, power_world_known_t *k)
{
    unsigned             program;
    unsigned char        first[8] = { 0 };
    static power_look_t  look;

    look.ts = ts;
    look.k = k;
    look.snap = test_snapshot(ts);

    power_verify(&look);
    store_walk(&look.snap->t, STORE_JRNL, first, sizeof(first), 0,
               power_look_row, &look);

    if (look.snap->t.rc != 0) {
        power_wrong("the journal: rc %d", look.snap->t.rc);
    }

    power_compare_keys(&look);

    for (program = 1; program <= POWER_PROGRAMS; program++) {
        power_compare_counts(&look, program);
        power_compare_rules(&look, program);
    }

    power_compare_ticks(&look);
    power_verdict->again = (look.last < k->seen);

    referral_snapshot_end(look.snap);
    referral_snapshot_destroy(look.snap);
}


#endif /* STORE_POWER_CHECK_H */
