/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The store as arrays that are searched from end to end, and random records
 * for both of them.
 */

#ifndef STORE_MODEL_H
#define STORE_MODEL_H

#include "store_test.h"


#define DAYS        12
#define FIRST_DAY   20400
#define PROGRAMS    2
#define CODES       64
#define CLICKS      60000
#define LABELS      1300
#define VISITORS    300


typedef struct {
    char               code[16];
    char               owner[8];
    char               name[8];
    char               landing[16];
    uint8_t            kind;
    uint8_t            status;
    uint32_t           program;
    uint32_t           id;              /* 0: does not exist yet */
    int64_t            created;
    int64_t            changed;
} model_code_t;

typedef struct {
    uint32_t           program;
    unsigned           code;            /* index, CODES: none */
    uint8_t            class;
    uint8_t            why;
    uint8_t            flags;
    uint8_t            unique;
    uint16_t           label[2];        /* channel, landing; of the program */
    uint16_t           own[2][2];       /* of the code: class, unique */
    uint32_t           day;
    int64_t            time;
    uint64_t           seq;
} model_click_t;

typedef struct {
    uint32_t           day;
    unsigned           code;
    uint8_t            dim;
    uint8_t            column;
    uint16_t           label;
} model_entry_t;

typedef struct {
    uint32_t           program;
    unsigned           code;
    uint64_t           visitor;
    uint32_t           day;
    int64_t            second;
} model_visit_t;

#define NONE   0xfffe
#define OTHER  0xffff

static struct {
    model_code_t       codes[CODES];
    unsigned           ids;             /* given out */
    uint64_t           journal;

    model_click_t      clicks[CLICKS];
    unsigned           n;

    uint16_t           known[PROGRAMS + 1][2][REFERRAL_DIM_MAX];
    unsigned           nknown[PROGRAMS + 1][2];

    model_entry_t      entries[4 * CLICKS];
    unsigned           nentries;

    model_visit_t      visits[CLICKS];
    unsigned           nvisits;
    uint32_t           held[3];

    uint32_t           day;
    uint64_t           rng;
} m;

static uint32_t  program_id[PROGRAMS + 1];


static unsigned
roll(unsigned n)
{
    return (unsigned) (test_random(&m.rng) % n);
}


/* Label number n of a dimension as a string. */

static referral_str_t
label_str(unsigned dim, unsigned n, char *buf)
{
    if (n == NONE) {
        return test_str("");
    }

    if (n == OTHER) {
        return test_str("other");
    }

    snprintf(buf, 32, "%s%u", dim ? "/landing/" : "ch", n);

    return test_str(buf);
}


/* ------------------------------------------------------------- the model */

static uint16_t
model_label(uint32_t program, unsigned dim, uint16_t label)
{
    unsigned  i;

    if (label == NONE) {
        return NONE;
    }

    for (i = 0; i < m.nknown[program][dim]; i++) {
        if (m.known[program][dim][i] == label) {
            return label;
        }
    }

    if (i == REFERRAL_DIM_MAX) {
        return OTHER;
    }

    m.known[program][dim][m.nknown[program][dim]++] = label;

    return label;
}


static uint16_t
model_entry(unsigned code, uint32_t day, unsigned dim, unsigned column,
    uint16_t label)
{
    unsigned  i, n;

    for ( ;; ) {
        n = 0;

        for (i = 0; i < m.nentries; i++) {
            if (m.entries[i].code == code && m.entries[i].day == day) {
                n++;

                if (m.entries[i].dim == dim && m.entries[i].column == column
                    && m.entries[i].label == label)
                {
                    return label;
                }
            }
        }

        if (n < 96 || dim == 2 || label == OTHER) {
            break;
        }

        label = OTHER;
    }

    m.entries[m.nentries].code = code;
    m.entries[m.nentries].day = day;
    m.entries[m.nentries].dim = (uint8_t) dim;
    m.entries[m.nentries].column = (uint8_t) column;
    m.entries[m.nentries].label = label;
    m.nentries++;

    return label;
}


static int
model_seen(const model_click_t *click, uint64_t visitor, uint32_t day,
    uint32_t window)
{
    unsigned  i;

    if (m.held[day % 3] != day) {
        return 0;
    }

    for (i = m.nvisits; i-- > 0; /* void */ ) {
        if (m.visits[i].visitor == visitor && m.visits[i].day == day
            && m.visits[i].code == click->code
            && m.visits[i].program == click->program)
        {
            return click->time / 1000 - m.visits[i].second < window;
        }
    }

    return 0;
}


static int
model_unique(const model_click_t *click, const referral_click_t *record)
{
    model_visit_t  *visit;

    if (click->class != REFERRAL_CLASS_HUMAN || record->visitor == 0
        || (click->flags & REFERRAL_CLICK_REPEAT))
    {
        return 0;
    }

    if (record->unique_window == 0 || m.held[click->day % 3] > click->day) {
        return 1;
    }

    m.held[click->day % 3] = click->day;

    if (model_seen(click, record->visitor, click->day, record->unique_window)
        || (record->visitor_before != 0
            && model_seen(click, record->visitor_before, click->day - 1,
                          record->unique_window)))
    {
        return 0;
    }

    visit = &m.visits[m.nvisits++];
    visit->program = click->program;
    visit->code = click->code;
    visit->visitor = record->visitor;
    visit->day = click->day;
    visit->second = click->time / 1000;

    return 1;
}


static void
model_apply_click(model_click_t *click, const referral_record_t *record,
    uint16_t channel, uint16_t landing)
{
    unsigned       dim;
    model_code_t  *code;

    click->class = record->u.click.class;
    click->why = record->u.click.why;
    click->flags = record->u.click.flags;
    click->time = record->time;
    click->day = (uint32_t) (record->time / 86400000);

    code = (click->code != CODES) ? &m.codes[click->code] : NULL;

    if (record->u.click.code_id == 0) {
        if (click->class == REFERRAL_CLASS_UNKNOWN) {
            click->code = CODES;

        } else if (code != NULL && code->id != 0) {
            if (code->status != REFERRAL_STATUS_ACTIVE) {
                click->class = REFERRAL_CLASS_INACTIVE;
                click->why = (code->status == REFERRAL_STATUS_ENDED)
                             ? REFERRAL_WHY_CODE_ENDED
                             : REFERRAL_WHY_CODE_PAUSED;
            }

        } else if (code != NULL && (click->flags & REFERRAL_CLICK_OPEN)) {
            code->id = ++m.ids;
            code->created = code->changed = record->time;
            m.journal++;

        } else if (code != NULL) {
            click->class = REFERRAL_CLASS_UNKNOWN;
            click->why = REFERRAL_WHY_NO_CODE;
            click->code = CODES;
        }
    }

    click->label[0] = model_label(click->program, 0, channel);
    click->label[1] = model_label(click->program, 1, landing);
    click->unique = (uint8_t) model_unique(click, &record->u.click);
    click->seq = ++m.journal;

    if (click->code == CODES) {
        return;
    }

    for (dim = 0; dim < 3; dim++) {
        uint16_t  label, unused[2];
        uint16_t  *own;

        own = (dim == 0) ? unused : click->own[dim - 1];
        label = (dim == 0) ? 0 : click->label[dim - 1];

        own[0] = model_entry(click->code, click->day, dim ? dim - 1 : 2,
                             click->class, label);

        if (click->unique) {
            own[1] = model_entry(click->code, click->day, dim ? dim - 1 : 2,
                                 REFERRAL_CLASSES, label);
        }
    }
}


static referral_rc_t
model_apply_code(model_code_t *code, const referral_code_change_t *change,
    int64_t time, unsigned *created)
{
    int  end;

    *created = 0;
    end = (change->set & REFERRAL_SET_STATUS)
          && change->status == REFERRAL_STATUS_ENDED;

    if (code->id == 0) {
        if (end || (change->set & REFERRAL_CODE_OLD)) {
            return REFERRAL_NOT_FOUND;
        }

        code->id = ++m.ids;
        code->created = time;
        *created = 1;

    } else if (change->set & REFERRAL_CODE_NEW) {
        return REFERRAL_EXISTS;

    } else if (code->status == REFERRAL_STATUS_ENDED && !end) {
        return REFERRAL_GONE;
    }

    code->changed = time;

    if (change->set & REFERRAL_SET_OWNER) {
        snprintf(code->owner, sizeof(code->owner), "%.*s",
                 (int) change->owner.len, change->owner.data);
    }

    if (change->set & REFERRAL_SET_NAME) {
        snprintf(code->name, sizeof(code->name), "%.*s",
                 (int) change->name.len, change->name.data);
    }

    if (change->set & REFERRAL_SET_LANDING) {
        snprintf(code->landing, sizeof(code->landing), "%.*s",
                 (int) change->landing.len, change->landing.data);
    }

    if (change->set & REFERRAL_SET_KIND) {
        code->kind = change->kind;
    }

    if (change->set & REFERRAL_SET_STATUS) {
        code->status = change->status;
    }

    m.journal++;

    return REFERRAL_OK;
}


/* --------------------------------------------------------- random records */

static uint16_t
random_label(unsigned dim)
{
    switch (roll(8)) {
    case 0:
        return NONE;

    case 1:
    case 2:
    case 3:
        return (uint16_t) roll(dim ? 60 : LABELS);

    default:
        return (uint16_t) roll(6);
    }
}


static int64_t
random_time(void)
{
    uint32_t  day;

    if (roll(400) == 0 && m.day < FIRST_DAY + DAYS - 1) {
        m.day++;
    }

    day = m.day;

    if (roll(10) == 0) {
        day -= roll(5);
    }

    return (int64_t) day * 86400000 + roll(86400000);
}


typedef struct {
    referral_record_t  record;
    char               text[4][32];
    referral_rc_t      rc;
    unsigned           created;
} op_t;


static void
random_click(op_t *op)
{
    uint16_t           channel, landing;
    model_click_t     *click;
    referral_click_t  *c;

    memset(op, 0, sizeof(op_t));
    click = &m.clicks[m.n++];
    memset(click, 0, sizeof(model_click_t));

    op->record.type = REFERRAL_RECORD_CLICK;
    op->record.time = random_time();
    op->record.reply = (roll(50) == 0);

    c = &op->record.u.click;

    click->program = 1 + roll(PROGRAMS);
    click->code = roll(CODES);

    while (m.codes[click->code].program != click->program) {
        click->code = roll(CODES);
    }

    /* one busy code and day, with more labels than it has entries for */

    if (roll(4) == 0) {
        click->code = click->program - 1;
    }

    channel = random_label(0);
    landing = random_label(1);

    c->program = program_id[click->program];
    c->class = (roll(3) != 0) ? REFERRAL_CLASS_HUMAN
                              : (uint8_t) roll(REFERRAL_CLASSES);
    c->why = (uint8_t) roll(REFERRAL_WHYS);
    c->flags = (uint8_t) (roll(3) == 0 ? REFERRAL_CLICK_OPEN : 0)
               | (roll(9) == 0 ? REFERRAL_CLICK_REPEAT : 0)
               | (roll(9) == 0 ? REFERRAL_CLICK_PARAM : 0);
    c->channel = label_str(0, channel, op->text[0]);
    c->landing = label_str(1, landing, op->text[1]);

    if (roll(2) && m.codes[click->code].id != 0
        && c->class != REFERRAL_CLASS_UNKNOWN)
    {
        c->code_id = m.codes[click->code].id;

    } else if (roll(30) == 0) {
        click->code = CODES;

    } else {
        memcpy(op->text[2], m.codes[click->code].code, 16);
        c->code = test_str(op->text[2]);
    }

    memcpy(c->click_id, &m.n, sizeof(m.n));
    c->click_id[8] = 0x5a;

    c->visitor = roll(VISITORS);
    c->visitor_before = roll(3) ? c->visitor : 0;
    c->unique_window = roll(5) ? 86400 : roll(2) ? 3600 : 0;

    model_apply_click(click, &op->record, channel, landing);
    op->rc = REFERRAL_OK;
}


static void
random_code(op_t *op)
{
    model_code_t            *code;
    referral_code_change_t  *c;

    memset(op, 0, sizeof(op_t));
    code = &m.codes[roll(CODES)];

    op->record.type = REFERRAL_RECORD_CODE;
    op->record.time = random_time();
    op->record.reply = 1;

    c = &op->record.u.code;
    c->program = program_id[code->program];
    c->set = (uint8_t) roll(32);
    c->set |= (uint8_t) (roll(4) == 0 ? REFERRAL_CODE_NEW : 0)
              | (uint8_t) (roll(4) == 0 ? REFERRAL_CODE_OLD : 0);
    c->kind = (uint8_t) roll(2);
    c->status = (uint8_t) (roll(12) == 0 ? REFERRAL_STATUS_ENDED : roll(2));

    /* program 1 takes any case, and keeps the first spelling */

    memcpy(op->text[0], code->code, 16);

    if (code->program == 1 && code->id != 0 && roll(2)) {
        op->text[0][0] ^= 0x20;
    }

    snprintf(op->text[1], 8, "%.*s", (int) roll(3), "u1");
    snprintf(op->text[2], 8, "n%u", roll(1000));
    snprintf(op->text[3], 16, "/l%u", roll(1000));

    c->code = test_str(op->text[0]);
    c->owner = test_str(op->text[1]);
    c->name = test_str(op->text[2]);
    c->landing = test_str(op->text[3]);

    op->rc = model_apply_code(code, c, op->record.time, &op->created);
}


static void
random_op(op_t *op)
{
    if (roll(20) == 0) {
        random_code(op);

    } else {
        random_click(op);
    }
}


#endif /* STORE_MODEL_H */
