/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What store_drive_dump.h knows of a dump, and the first part of it: clicks,
 * conversions and refunds.
 */

#ifndef STORE_DRIVE_H
#define STORE_DRIVE_H

#include "store_test.h"

#include <inttypes.h>


#define DRIVE_PAGE      7       /* of a list, so that lists are continued */
#define DRIVE_PROGRAMS  8

#define STR(s)  (int) (s).len, (const char *) (s).data

typedef struct {
    char                  **names;      /* ascending */
    unsigned                n;
} drive_names_t;

typedef struct {
    referral_snapshot_t    *snap;
    drive_names_t           orders[DRIVE_PROGRAMS];     /* ever told of */
    drive_names_t           contests[DRIVE_PROGRAMS];
    unsigned                programs;
    int64_t                 first;      /* of all times, ms */
    int64_t                 last;
    uint64_t                told;       /* of the journal, until here */

    uint32_t                program;    /* of this dump */
    uint32_t                from;
    uint32_t                to;
    referral_rules_t        rules;
    const char             *name;       /* of what is listed */
    const char             *period;
    unsigned                n;
    unsigned                page;
    char                    after[REFERRAL_ID_MAX + 1];
    uint64_t                after_id;
    referral_place_t        place;
    unsigned                nheld;
    unsigned                nrewards;
    referral_reward_t      *rewards;
    referral_reward_filter_t  filter;
} drive_t;


static void
drive_add(drive_names_t *names, referral_str_t name)
{
    int       order;
    unsigned  i;

    for (i = names->n; i > 0; i--) {
        order = strncmp(names->names[i - 1], (const char *) name.data,
                        name.len);

        if (order == 0 && names->names[i - 1][name.len] == '\0') {
            return;
        }

        if (order < 0) {
            break;
        }
    }

    names->names = realloc(names->names, (names->n + 1) * sizeof(char *));
    memmove(names->names + i + 1, names->names + i,
            (names->n - i) * sizeof(char *));
    names->names[i] = strndup((const char *) name.data, name.len);
    names->n++;
}


static int
drive_same(referral_str_t a, referral_str_t b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}


static void
drive_must(referral_rc_t rc, const char *what)
{
    if (rc != REFERRAL_OK) {
        printf("wrong\t%s: rc %d\n", what, (int) rc);
    }
}


/* Whether a page is full; visit functions end it with what this returns. */

static int
drive_full(drive_t *d)
{
    d->n++;

    return ++d->page == DRIVE_PAGE;
}


static void
drive_id(const unsigned char *id)
{
    unsigned  i;
    unsigned char  any;

    for (any = 0, i = 0; i < REFERRAL_CLICK_ID_SIZE; i++) {
        any |= id[i];
    }

    for (i = 0; any && i < REFERRAL_CLICK_ID_SIZE; i++) {
        printf("%02x", id[i]);
    }
}


/* ------------------------------------------------------- codes and clicks */

static void
drive_counts(drive_t *d, referral_str_t code, int64_t start,
    const referral_counts_t *counts)
{
    unsigned  i;

    printf("clicks\t%u\t%.*s\t%" PRId64, d->program, STR(code), start);

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        printf("\t%" PRIu64, counts->classes[i]);
    }

    printf("\t%" PRIu64 "\n", counts->unique);
}


static int
drive_clicks_day(void *data, referral_str_t label, int64_t start,
    const referral_counts_t *counts)
{
    drive_t  *d;

    (void) label;

    d = data;
    drive_counts(d, test_str(d->name), start, counts);

    return 0;
}


static void
drive_clicks(drive_t *d, const char *name, uint32_t code_id)
{
    referral_counts_t  counts;

    drive_must(referral_counts_get(d->snap, d->program, code_id, &counts),
               "referral_counts_get");

    if (referral_counts_total(&counts) == 0) {
        return;
    }

    drive_counts(d, test_str(name), 0, &counts);

    d->name = name;
    drive_must(referral_counts_by(d->snap, d->program, code_id,
                                  REFERRAL_DIM_DAY, d->from, d->to,
                                  drive_clicks_day, d),
               "referral_counts_by");
}


/* --------------------------------------------------- conversions, refunds */

static int
drive_equal(const referral_conversion_t *a, const referral_conversion_t *b)
{
    return a->seq == b->seq && drive_same(a->order_id, b->order_id)
           && a->status == b->status && a->amount == b->amount
           && a->refunded == b->refunded && a->reasons == b->reasons
           && a->points == b->points && a->nrewards == b->nrewards
           && memcmp(a->rewards, b->rewards,
                     a->nrewards * sizeof(uint64_t)) == 0;
}


static int
drive_conversion(void *data, const referral_conversion_t *c)
{
    drive_t               *d;
    referral_conversion_t  again;

    d = data;
    drive_must(referral_conversion_get(d->snap, d->program, c->order_id,
                                       &again),
               "referral_conversion_get");

    if (!drive_equal(c, &again)
        || strncmp(d->after, (const char *) c->order_id.data,
                   c->order_id.len) >= 0)
    {
        printf("wrong\tconversion %.*s after %s\n", STR(c->order_id),
               d->after);
    }

    d->nheld += (c->status == REFERRAL_EVENT_HELD);
    snprintf(d->after, sizeof(d->after), "%.*s", STR(c->order_id));

    printf("conversion\t%u\t%.*s\t%.*s\t%s\t%s\t%s\t%s\t%x", d->program,
           STR(c->order_id), STR(c->event),
           referral_event_status_name(c->status),
           referral_method_name(c->method),
           c->source == REFERRAL_SOURCE_API ? "api"
           : c->source == REFERRAL_SOURCE_HEADER ? "header" : "import",
           c->touch == REFERRAL_MODEL_LAST ? "last" : "first", c->reasons);
    printf("\t%.*s\t%.*s\t%.*s\t%.*s\t", STR(c->code), STR(c->first_code),
           STR(c->channel), STR(c->customer));
    drive_id(c->click_id);
    printf("\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64,
           c->clicked, c->time, c->occurred, c->approves, c->changed);
    printf("\t%u\t%u\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%u\n",
           c->has_amount, c->currency, c->amount, c->refunded, c->points,
           c->nrewards);

    return drive_full(d);
}


static int
drive_held(void *data, const referral_conversion_t *c)
{
    drive_t  *d;

    d = data;

    if (c->status != REFERRAL_EVENT_HELD || c->seq <= d->after_id) {
        printf("wrong\theld %.*s\n", STR(c->order_id));
    }

    d->after_id = c->seq;

    return drive_full(d);
}


static void
drive_conversions(drive_t *d)
{
    d->after[0] = '\0';
    d->nheld = 0;

    do {
        d->page = 0;
        drive_must(referral_conversion_list(d->snap, d->program,
                                            test_str(d->after),
                                            drive_conversion, d),
                   "referral_conversion_list");
    } while (d->page == DRIVE_PAGE);

    d->after_id = 0;
    d->n = 0;

    do {
        d->page = 0;
        drive_must(referral_conversion_held(d->snap, d->program, d->after_id,
                                            drive_held, d),
                   "referral_conversion_held");
    } while (d->page == DRIVE_PAGE);

    if (d->n != d->nheld) {
        printf("wrong\t%u held, listed %u\n", d->nheld, d->n);
    }
}


static int
drive_refund(void *data, const referral_refund_info_t *refund)
{
    drive_t                *d;
    referral_refund_info_t  again;

    d = data;
    drive_must(referral_refund_get(d->snap, d->program, test_str(d->name),
                                   refund->refund_id, &again),
               "referral_refund_get");

    if (again.amount != refund->amount || again.whole != refund->whole) {
        printf("wrong\trefund %.*s\n", STR(refund->refund_id));
    }

    printf("refund\t%u\t%s\t%.*s\t%.*s\t%" PRId64 "\t%" PRId64 "\t%u\n",
           d->program, d->name, STR(refund->refund_id), STR(refund->reason),
           refund->time, refund->amount, refund->whole);

    return 0;
}


static void
drive_refunds(drive_t *d)
{
    unsigned        i;
    referral_rc_t   rc;
    drive_names_t  *orders;

    orders = &d->orders[d->program];

    for (i = 0; i < orders->n; i++) {
        d->name = orders->names[i];
        rc = referral_refund_list(d->snap, d->program, test_str(d->name),
                                  drive_refund, d);
        if (rc != REFERRAL_NOT_FOUND) {
            drive_must(rc, "referral_refund_list");
        }
    }
}


#endif /* STORE_DRIVE_H */
