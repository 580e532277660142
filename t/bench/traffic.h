/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Traffic of a program for the benches of the store, through the intake: few
 * codes get most clicks, most get few; times are the caller's, so that months
 * pass in minutes.
 */

#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "referral_tools.h"
#include "store_internal.h"


#define TRAFFIC_DAY      86400000       /* ms */
#define TRAFFIC_RECENT   4096           /* clicks that may convert */
#define TRAFFIC_EPOCH    1577836800000  /* click ids count from 2020 */


typedef struct {
    uint32_t             code;          /* index */
    int64_t              time;
    unsigned char        id[REFERRAL_CLICK_ID_SIZE];
} traffic_click_t;

typedef struct {
    referral_store_t    *store;
    referral_intake_t   *intake;
    referral_snapshot_t *snap;
    uint32_t             program;
    uint32_t             codes;
    uint64_t             ring;          /* bytes; 0: as nginx has it */
    uint64_t             map;           /* likewise */
    unsigned             batch;         /* records in a transaction */
    unsigned             waiting;
    uint64_t             rng;
    uint64_t             orders;
    uint32_t             low;           /* of click ids */
    unsigned             nrecent;
    traffic_click_t      recent[TRAFFIC_RECENT];
    char                 code[16];
    char                 owner[16];
    char                 order[16];
    char                 customer[16];
} traffic_t;


__attribute__((noreturn))
static inline void
traffic_die(const char *what, const char *why)
{
    (void) fprintf(stderr, "%s: %s\n", what, why);
    exit(2);
}


static inline void
traffic_must(const char *what, referral_rc_t rc, const referral_error_t *err)
{
    if (rc != REFERRAL_OK) {
        traffic_die(what, err->text);
    }
}


static inline double
traffic_seconds(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


/* Of this process. */

static inline double
traffic_cpu(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static inline uint64_t
traffic_random(traffic_t *t)
{
    uint64_t  z;

    z = (t->rng += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;

    return z ^ (z >> 31);
}


static inline unsigned
traffic_below(traffic_t *t, unsigned n)
{
    return (unsigned) (traffic_random(t) % n);
}


static inline referral_str_t
traffic_str(const char *s)
{
    return (referral_str_t) { strlen(s), (const unsigned char *) s };
}


/* Eight characters, another for each number, in no order. */

static inline referral_str_t
traffic_code(uint32_t i, char *buf)
{
    unsigned  k;
    uint64_t  n;

    n = (i + 1) * (uint64_t) 0x9e3779b97f4a7c15u;

    for (k = 0; k < 8; k++, n >>= 5) {
        buf[k] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"[n & 31];
    }

    buf[k] = '\0';

    return traffic_str(buf);
}


/* ------------------------------------------------------------- the store */

static inline referral_store_info_t
traffic_info(traffic_t *t)
{
    referral_store_info_t  out;

    if (referral_snapshot_begin(t->snap) != REFERRAL_OK
        || referral_store_info(t->snap, &out) != REFERRAL_OK)
    {
        traffic_die("info", "the store could not be read");
    }

    referral_snapshot_end(t->snap);

    return out;
}


/* All that was taken has to be there. */

static inline void
traffic_check(traffic_t *t, uint64_t clicks)
{
    referral_counts_t  counts;

    if (referral_snapshot_begin(t->snap) != REFERRAL_OK
        || referral_counts_get(t->snap, t->program, 0, &counts)
           != REFERRAL_OK
        || referral_counts_total(&counts) != clicks)
    {
        traffic_die("check", "the store does not hold what it was given");
    }

    referral_snapshot_end(t->snap);
}


static inline void
traffic_rules(traffic_t *t)
{
    referral_error_t         err;
    static referral_rules_t  rules = {
        .window = 30 * 86400,
        .bind = 365 * 86400,
        .nevents = 2,
        .ntiers = 3,
        .nrewards = 2,
    };

    rules.events[0].name = traffic_str("signup");
    rules.events[1].name = traffic_str("purchase");
    rules.events[1].points = 10;
    rules.events[1].hold = 14 * 86400;
    rules.tiers[0].name = traffic_str("bronze");
    rules.tiers[0].points = 50;
    rules.tiers[1].name = traffic_str("silver");
    rules.tiers[1].points = 200;
    rules.tiers[2].name = traffic_str("gold");
    rules.tiers[2].points = 1000;
    rules.rewards[0].name = traffic_str("free-month");
    rules.rewards[0].on = traffic_str("purchase");
    rules.rewards[0].every = 3;
    rules.rewards[1].name = traffic_str("commission");
    rules.rewards[1].on = traffic_str("purchase");
    rules.rewards[1].every = 1;
    rules.rewards[1].value = traffic_str("10%");
    rules.rewards[1].bps = 1000;

    traffic_must("rules", referral_store_rules(t->store, t->program, &rules,
                                               &err), &err);
}


static inline void
traffic_open(traffic_t *t, const char *path, const char *rings,
    unsigned readonly)
{
    unsigned            case_sensitive;
    referral_error_t    err;
    referral_options_t  opts;

    memset(&opts, 0, sizeof(opts));

    opts.path = path;
    opts.intake_path = rings;
    opts.intake_size = t->ring;
    opts.map_size = t->map;
    opts.readonly = readonly;
    case_sensitive = 0;
    t->batch = STORE_BATCH;
    t->program = 1;

    traffic_must("open", referral_store_open(&opts, &t->store, &err), &err);
    traffic_must("snapshot", referral_snapshot_create(t->store, &t->snap,
                                                      &err), &err);

    if (readonly) {
        return;
    }

    traffic_must("program",
                 referral_store_program(t->store, traffic_str("friends"),
                                        &case_sensitive, &t->program, &err),
                 &err);
    traffic_must("intake", referral_intake_open(t->store, &t->intake, &err),
                 &err);
    traffic_rules(t);
}


static inline void
traffic_apply(traffic_t *t)
{
    referral_batch_t  batch;
    referral_error_t  err;

    do {
        traffic_must("apply", referral_intake_apply(t->intake, 0, NULL, 0,
                                                    &batch, &err), &err);
    } while (batch.more);

    t->waiting = 0;
}


static inline void
traffic_take(traffic_t *t, const referral_record_t *record)
{
    uint64_t       seq;
    referral_rc_t  rc;

    if (t->waiting == t->batch) {
        traffic_apply(t);
    }

    rc = referral_intake_put(t->intake, record, &seq);

    if (rc == REFERRAL_FULL) {
        traffic_apply(t);
        rc = referral_intake_put(t->intake, record, &seq);
    }

    if (rc != REFERRAL_OK) {
        traffic_die("take", "a record was not taken");
    }

    t->waiting++;
}


/* --------------------------------------------------------------- records */

static inline void
traffic_add_codes(traffic_t *t, uint32_t n, int64_t time)
{
    uint32_t                 i;
    referral_record_t        record;
    referral_code_change_t  *change;

    for (i = 0; i < n; i++) {
        memset(&record, 0, sizeof(record));

        record.type = REFERRAL_RECORD_CODE;
        record.time = time;

        change = &record.u.code;
        change->program = t->program;
        change->set = REFERRAL_SET_OWNER;
        change->code = traffic_code(t->codes + i, t->code);
        (void) snprintf(t->owner, sizeof(t->owner), "u%u", t->codes + i);
        change->owner = traffic_str(t->owner);

        if (i % 2 == 0) {
            change->set |= REFERRAL_SET_NAME;
            change->name = traffic_str("Anna Example");
        }

        traffic_take(t, &record);
    }

    traffic_apply(t);
    t->codes += n;
}


/*
 * The index of a code that is clicked: of all clicks, 1 % of the codes get
 * 40 %, and half of the codes get 13 %.  The ranks lie anywhere.
 */

static inline uint32_t
traffic_pick(traffic_t *t)
{
    double    u;
    uint64_t  rank;

    u = (double) (traffic_random(t) >> 11) / 9007199254740992.0;
    rank = (uint64_t) (u * u * u * u * u * t->codes);

    return (uint32_t) (rank * 7919 % t->codes);
}


static inline void
traffic_class(traffic_t *t, referral_click_t *click)
{
    size_t    i;
    unsigned  n;

    static const struct {
        uint8_t   percent;
        uint8_t   class;
        uint8_t   why;
    } seen[] = {
        { 70, REFERRAL_CLASS_HUMAN, REFERRAL_WHY_NAVIGATION },
        { 82, REFERRAL_CLASS_CRAWLER, REFERRAL_WHY_USER_AGENT },
        { 91, REFERRAL_CLASS_PREVIEW, REFERRAL_WHY_USER_AGENT },
        { 93, REFERRAL_CLASS_PREFETCH, REFERRAL_WHY_SEC_PURPOSE },
        { 95, REFERRAL_CLASS_SCANNER, REFERRAL_WHY_ACCEPT },
        { 97, REFERRAL_CLASS_SUSPECT, REFERRAL_WHY_FETCH_MODE },
        { 98, REFERRAL_CLASS_PROBE, REFERRAL_WHY_METHOD },
        { 100, REFERRAL_CLASS_UNKNOWN, REFERRAL_WHY_NO_CODE }
    };

    n = traffic_below(t, 100);

    for (i = 0; n >= seen[i].percent; i++) { /* void */ }

    click->class = seen[i].class;
    click->why = seen[i].why;

    if (click->class == REFERRAL_CLASS_UNKNOWN) {
        click->code_id = 0;
    }
}


/* As the module makes them: 40 bits of time, then a count. */

static inline void
traffic_click_id(traffic_t *t, int64_t time, unsigned char *id)
{
    unsigned  i;

    t->low++;

    for (i = 0; i < 5; i++) {
        id[i] = (unsigned char) ((time - TRAFFIC_EPOCH) >> (32 - 8 * i));
    }

    for (i = 0; i < 4; i++) {
        id[5 + i] = (unsigned char) (t->low >> (24 - 8 * i));
    }
}


static inline void
traffic_add_click(traffic_t *t, int64_t time)
{
    uint32_t            code;
    traffic_click_t    *recent;
    referral_click_t   *click;
    referral_record_t   record;

    static const char *const  channels[] = {
        "whatsapp", "mail", "x", "qr", "facebook", "sms", "telegram", "forum"
    };
    static const char *const  landings[] = {
        "/welcome", "/welcome/summer", "/pricing", "/shoes", "/app"
    };

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_CLICK;
    record.time = time;

    code = traffic_pick(t);
    click = &record.u.click;
    click->program = t->program;
    click->code_id = code + 1;
    click->visitor = traffic_random(t);
    click->visitor_before = traffic_random(t);
    click->unique_window = 86400;
    traffic_class(t, click);
    traffic_click_id(t, time, click->click_id);

    if (traffic_below(t, 100) < 15) {
        click->flags = REFERRAL_CLICK_REPEAT;
    }

    if (traffic_below(t, 10) >= 4) {
        click->channel = traffic_str(channels[traffic_below(t, 8)
                                              & traffic_below(t, 8)]);
    }

    click->landing = traffic_str(landings[traffic_below(t, 10) < 7
                                          ? 0 : traffic_below(t, 5)]);

    if (click->class == REFERRAL_CLASS_HUMAN) {
        recent = &t->recent[t->nrecent++ % TRAFFIC_RECENT];
        recent->code = code;
        recent->time = time;
        memcpy(recent->id, click->click_id, sizeof(recent->id));
    }

    traffic_take(t, &record);
}


static inline void
traffic_add_event(traffic_t *t, int64_t time)
{
    uint64_t            n;
    referral_event_t   *event;
    traffic_click_t    *from;
    referral_record_t   record;

    n = t->orders++;
    from = &t->recent[traffic_below(t, (t->nrecent < TRAFFIC_RECENT)
                                       ? t->nrecent : TRAFFIC_RECENT)];

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.time = time;

    /* of ten orders three are of a customer who was there before */

    (void) snprintf(t->order, sizeof(t->order), "%llu",
                    (unsigned long long) (1000000000 + n));
    (void) snprintf(t->customer, sizeof(t->customer), "c%llu",
                    (unsigned long long) (n % 10 < 7 ? n : n / 2));

    event = &record.u.event;
    event->program = t->program;
    event->event = traffic_str("purchase");
    event->order_id = traffic_str(t->order);
    event->customer = traffic_str(t->customer);
    event->flags = REFERRAL_EVENT_AMOUNT;
    event->currency = 978;
    event->amount = 1000 + traffic_below(t, 99000);
    event->draw = traffic_random(t);

    if (n % 10 == 0) {
        memcpy(event->click_id, from->id, sizeof(event->click_id));

    } else {
        event->token = REFERRAL_TOKEN_VALID;
        event->last.code = traffic_code(from->code, t->code);
        event->last.time = from->time / 1000;
        memcpy(event->last.click_id, from->id, sizeof(from->id));
        event->first = event->last;
    }

    traffic_take(t, &record);
}


/* Of an order that is there: whole. */

static inline void
traffic_add_refund(traffic_t *t, int64_t time)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_REFUND;
    record.time = time;

    (void) snprintf(t->order, sizeof(t->order), "%llu",
                    (unsigned long long) (1000000000
                                          + traffic_random(t) % t->orders));

    record.u.refund.program = t->program;
    record.u.refund.flags = REFERRAL_REFUND_WHOLE;
    record.u.refund.order_id = traffic_str(t->order);
    record.u.refund.refund_id = record.u.refund.order_id;

    traffic_take(t, &record);
}


/* Holds pass; returns when nothing is due until then. */

static inline void
traffic_tick(traffic_t *t, int64_t now)
{
    int64_t           next;
    referral_error_t  err;

    traffic_apply(t);

    do {
        traffic_must("tick", referral_store_tick(t->store, now, &next, &err),
                     &err);
    } while (next != 0 && next <= now);
}


/* A day: clicks, spread over it evenly; then conversions and refunds. */

static inline void
traffic_clicks(traffic_t *t, int64_t day, unsigned n)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        traffic_add_click(t, day + (int64_t) i * TRAFFIC_DAY / n);
    }

    traffic_apply(t);
}


static inline void
traffic_events(traffic_t *t, int64_t day, unsigned n)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        traffic_add_event(t, day + TRAFFIC_DAY - 1);

        if (i % 25 == 24) {
            traffic_add_refund(t, day + TRAFFIC_DAY - 1);
        }
    }

    traffic_apply(t);
    traffic_tick(t, day + TRAFFIC_DAY - 1);
}


/* All clicks before that; how many. */

static inline uint64_t
traffic_purge(traffic_t *t, int64_t before)
{
    uint64_t          n;
    referral_purge_t  step;
    referral_error_t  err;

    n = 0;

    do {
        traffic_must("purge", referral_store_purge(t->store, t->program,
                                                   before, &step, &err),
                     &err);
        n += step.purged;
    } while (step.more);

    return n;
}


#endif /* TRAFFIC_H */
