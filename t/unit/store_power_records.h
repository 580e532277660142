/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Records of store_power, made at random: of everything the store knows.
 * What an order, a refund or a click says follows from its number, so that it
 * can be told again.
 */

#ifndef STORE_POWER_RECORDS_H
#define STORE_POWER_RECORDS_H

#include "store_power_rules.h"


#define POWER_CODES     1024
#define POWER_PROGRAMS  2

typedef struct {
    uint64_t              rng;
    uint32_t              program[POWER_PROGRAMS + 1];  /* ids, from 1 */
    referral_snapshot_t  *snap;
} power_world_t;

/* A record under way: its strings are in text. */

typedef struct {
    referral_record_t     record;
    power_take_t          take;
    char                  text[6][64];
} power_op_t;


static char  power_codes[POWER_CODES][16];

static const char *const  power_channels[] = { "", "wa", "mail", "x" };

static const char *const  power_events[] = { "signup", "purchase", "lead" };


static inline unsigned
power_roll(uint64_t *rng, unsigned n)
{
    return (unsigned) (test_random(rng) % n);
}


static inline uint64_t
power_hash(const void *data, size_t len)
{
    size_t    i;
    uint64_t  h;

    h = 0xcbf29ce484222325u;

    for (i = 0; i < len; i++) {
        h = (h ^ ((const unsigned char *) data)[i]) * 0x100000001b3u;
    }

    return h;
}


static void
power_name_codes(void)
{
    unsigned  i;

    for (i = 0; i < POWER_CODES; i++) {
        snprintf(power_codes[i], sizeof(power_codes[i]), "ANNA%u", i);
    }
}


/* New ones come all the time. */

static unsigned
power_code(uint64_t *rng, uint32_t takes)
{
    return (takes / 3 + power_roll(rng, 8)) % POWER_CODES;
}


static referral_str_t
power_text(char *buf, const char *prefix, unsigned n)
{
    snprintf(buf, 64, "%s%u", prefix, n);

    return test_str(buf);
}


static void
power_click_id(unsigned char *id, uint32_t number)
{
    memset(id, 0, REFERRAL_CLICK_ID_SIZE);
    id[0] = 0x5a;
    memcpy(id + 1, &number, sizeof(number));
}


static void
power_begin(power_op_t *op, referral_record_type_t type, unsigned program,
    const power_world_t *w)
{
    memset(op, 0, sizeof(power_op_t));

    power->clock++;

    op->record.type = type;
    op->record.time = power->clock;
    op->record.reply = (type != REFERRAL_RECORD_CLICK);

    op->take.time = power->clock;
    op->take.type = (uint8_t) type;
    op->take.program = (uint8_t) w->program[program];
    op->take.key = power->takes + 1;
}


/* As nginx does it: a code that a reader finds comes as its number. */

static void
power_make_click(power_op_t *op, power_world_t *w)
{
    unsigned           program, code;
    referral_code_t    known;
    referral_click_t  *click;

    program = 1 + (power_roll(&w->rng, 4) == 0);
    code = power_code(&w->rng, power->takes);

    power_begin(op, REFERRAL_RECORD_CLICK, program, w);
    click = &op->record.u.click;

    click->program = w->program[program];
    click->class = power_roll(&w->rng, 4) ? REFERRAL_CLASS_HUMAN
                                          : REFERRAL_CLASS_PREVIEW;
    click->channel = test_str(power_channels[power_roll(&w->rng, 4)]);
    click->landing = power_text(op->text[0], "/page/",
                                power_roll(&w->rng, 5));
    click->visitor = 1 + power_roll(&w->rng, 20);
    click->unique_window = 3600;
    power_click_id(click->click_id, power->takes + 1);

    test_must(&(test_store_t) { 0 }, referral_snapshot_begin(w->snap),
              "referral_snapshot_begin");

    if (referral_code_get(w->snap, click->program,
                          test_str(power_codes[code]), &known) == REFERRAL_OK)
    {
        click->code_id = known.id;

        if (known.status != REFERRAL_STATUS_ACTIVE) {
            click->class = REFERRAL_CLASS_INACTIVE;
            click->why = REFERRAL_WHY_CODE_PAUSED;
        }

    } else {
        click->code = test_str(power_codes[code]);
        click->flags = (program == 1) ? REFERRAL_CLICK_OPEN : 0;
    }

    referral_snapshot_end(w->snap);
    op->take.code = (uint16_t) code;
}


static void
power_make_code(power_op_t *op, power_world_t *w)
{
    unsigned                 program;
    referral_code_change_t  *code;

    program = 1 + power_roll(&w->rng, 2);
    power_begin(op, REFERRAL_RECORD_CODE, program, w);
    code = &op->record.u.code;

    code->program = w->program[program];
    code->code = test_str(power_codes[power_code(&w->rng, power->takes)]);
    code->set = REFERRAL_SET_OWNER|REFERRAL_SET_NAME|REFERRAL_SET_KIND;
    code->owner = power_text(op->text[0], "c", power_roll(&w->rng, 30));
    code->name = power_text(op->text[1], "name ", power->takes);
    code->kind = (uint8_t) power_roll(&w->rng, 2);

    if (power_roll(&w->rng, 3) == 0) {
        code->set |= REFERRAL_SET_STATUS;
        code->status = power_roll(&w->rng, 8) ? (uint8_t)
                       power_roll(&w->rng, 2) : REFERRAL_STATUS_ENDED;
    }
}


static void
power_credit(referral_credit_t *credit, uint64_t *rng,
    const power_order_t *order)
{
    credit->code = test_str(power_codes[power_code(rng, order->takes)]);
    credit->channel = test_str(power_channels[power_roll(rng, 4)]);
    credit->time = order->time / 1000 - power_roll(rng, 86400);
    power_click_id(credit->click_id, order->click);
}


static void
power_evidence(referral_event_t *event, uint64_t *rng,
    const power_order_t *order)
{
    switch (power_roll(rng, 5)) {

    case 0:
        event->coupon = test_str(power_codes[power_code(rng, order->takes)]);
        break;

    case 1:
        power_click_id(event->click_id, order->click);
        break;

    case 2:
        break;

    default:
        event->token = REFERRAL_TOKEN_VALID;
        power_credit(&event->first, rng, order);
        power_credit(&event->last, rng, order);
    }
}


/* An order by its number; other: not what it was. */

static void
power_make_event(power_op_t *op, power_world_t *w, uint32_t number,
    unsigned other)
{
    uint64_t           rng;
    unsigned           program, event_name;
    referral_event_t  *event;

    rng = number * 7919 + 1;
    program = 1 + (power_roll(&rng, 4) == 0);
    power_begin(op, REFERRAL_RECORD_EVENT, program, w);
    op->take.key = number;

    event = &op->record.u.event;
    event_name = power_roll(&rng, 3);
    event->program = w->program[program];
    event->event = test_str(power_events[event_name]);
    event->order_id = power_text(op->text[0], "o", number);
    event->customer = power_text(op->text[1], "c", power_roll(&rng, 30));
    event->source = power_roll(&rng, 4) ? REFERRAL_SOURCE_API
                                        : REFERRAL_SOURCE_HEADER;
    event->draw = test_random(&rng);

    if (event_name != 0 || other) {
        event->flags = REFERRAL_EVENT_AMOUNT;
        event->currency = 978;
        event->amount = 50 + power_roll(&rng, 10000) + other;
    }

    power_evidence(event, &rng, &power->order[number % POWER_ORDERS]);
}


static void
power_make_order(power_op_t *op, power_world_t *w)
{
    uint32_t  number;

    if (power->orders != 0 && power_roll(&w->rng, 4) == 0) {

        /* told again, one of the last, by whichever process */

        number = 1 + power->orders - (1 + power_roll(&w->rng, 8));
        number = (number == 0 || number > power->orders) ? 1 : number;
        power_make_event(op, w, number, power_roll(&w->rng, 6) == 0);
        return;
    }

    number = ++power->orders;
    power->order[number % POWER_ORDERS].time = power->clock;
    power->order[number % POWER_ORDERS].takes = power->takes;
    power->order[number % POWER_ORDERS].click
                          = 1 + power_roll(&w->rng, power->takes + 1);

    power_make_event(op, w, number, 0);
}


/* Of an order that is there, or is to come. */

static void
power_make_refund(power_op_t *op, power_world_t *w)
{
    uint64_t            rng;
    uint32_t            number;
    unsigned            program, order;
    referral_refund_t  *refund;

    if (power->refunds == 0 || power_roll(&w->rng, 4) != 0) {
        number = ++power->refunds;
        power->refund[number % POWER_ORDERS]
                              = 1 + power_roll(&w->rng, power->orders + 2);
    }

    number = power->refunds;
    order = power->refund[number % POWER_ORDERS];
    rng = order * 7919 + 1;
    program = 1 + (power_roll(&rng, 4) == 0);

    power_begin(op, REFERRAL_RECORD_REFUND, program, w);
    op->take.key = number;

    refund = &op->record.u.refund;
    refund->program = w->program[program];
    refund->refund_id = power_text(op->text[0], "r", number);
    refund->order_id = power_text(op->text[1], "o", order);
    refund->flags = (number % 3 == 0) ? REFERRAL_REFUND_WHOLE : 0;
    refund->amount = (number % 3 == 0) ? 0 : 1 + number % 70;
}


typedef struct {
    power_op_t           *op;
    unsigned              skip;
} power_pick_t;


static uint64_t
power_meaning(const referral_reward_t *reward)
{
    return power_hash(reward->order_id.data, reward->order_id.len)
           + 31 * power_hash(reward->name.data, reward->name.len);
}


static int
power_pick_reward(void *data, const referral_reward_t *reward)
{
    power_pick_t  *pick;

    pick = data;
    pick->op->record.u.decision.reward = reward->id;
    pick->op->take.meant = power_meaning(reward);

    return pick->skip-- == 0;
}


static int
power_pick_held(void *data, const referral_conversion_t *conversion)
{
    power_pick_t  *pick;

    pick = data;
    snprintf(pick->op->text[0], 64, "%.*s", (int) conversion->order_id.len,
             (const char *) conversion->order_id.data);

    return pick->skip-- == 0;
}


/* About what a reader finds now. */

static void
power_make_decision(power_op_t *op, power_world_t *w)
{
    unsigned                  program;
    power_pick_t              pick;
    referral_decision_t      *decision;
    referral_reward_filter_t  filter = { -1, -1, 0 };

    program = 1 + (power_roll(&w->rng, 4) == 0);
    power_begin(op, REFERRAL_RECORD_DECISION, program, w);
    decision = &op->record.u.decision;

    decision->program = w->program[program];
    decision->what = (uint8_t) power_roll(&w->rng, 3);
    decision->reason = power_text(op->text[1], "because of ", power->takes);

    pick.op = op;
    pick.skip = power_roll(&w->rng, 12);

    test_must(&(test_store_t) { 0 }, referral_snapshot_begin(w->snap),
              "referral_snapshot_begin");

    if (power_roll(&w->rng, 3) == 0) {
        (void) referral_conversion_held(w->snap, decision->program, 0,
                                        power_pick_held, &pick);
        decision->order_id = test_str(op->text[0]);

    } else {
        (void) referral_reward_list(w->snap, decision->program, &filter, 0,
                                    power_pick_reward, &pick);
    }

    referral_snapshot_end(w->snap);

    if (decision->reward == 0 && decision->order_id.len == 0) {
        decision->order_id = test_str("none");
    }
}


/* Large, and of no effect: it makes the log go round. */

static void
power_make_ballast(power_op_t *op, power_world_t *w)
{
    static unsigned char  landing[REFERRAL_URL_MAX];

    power_begin(op, REFERRAL_RECORD_CODE, 1, w);
    memset(landing, 'b', sizeof(landing));

    op->record.u.code.program = w->program[1];
    op->record.u.code.code = test_str("nobody");
    op->record.u.code.set = REFERRAL_CODE_OLD|REFERRAL_SET_LANDING;
    op->record.u.code.landing.data = landing;
    op->record.u.code.landing.len = sizeof(landing);
}


static void
power_make(power_op_t *op, power_world_t *w, unsigned clicks)
{
    unsigned  n;

    n = clicks ? 0 : power_roll(&w->rng, 20);

    if (n < 10) {
        power_make_click(op, w);

    } else if (n < 12) {
        power_make_code(op, w);

    } else if (n < 16) {
        power_make_order(op, w);

    } else if (n < 18) {
        power_make_refund(op, w);

    } else {
        power_make_decision(op, w);
    }
}


#endif /* STORE_POWER_RECORDS_H */
