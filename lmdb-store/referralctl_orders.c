/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * import conversions: orders of the past, as events, and what was refunded of
 * them when export wrote them.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "referralctl_import.h"
#include "referral_event_json.h"


#define CTL_REFUND_ID  "import"


/* What was exported of a conversion, beyond what an event has. */

typedef struct {
    unsigned            voided;
    unsigned            held;                   /* for what is not told */
    unsigned            wrong;                  /* the amount is none */
    unsigned            refunded;               /* the whole, of no amount */
    json_int_t          amount;                 /* that was refunded */
} ctl_told_t;


static ctl_rc_t ctl_order_line(ctl_import_t *m, json_t *object);
static void ctl_order_told(json_t *object, ctl_told_t *told);
static void ctl_order_refunded(json_t *refunded, ctl_told_t *told);
static unsigned ctl_order_reason(json_t *reasons, const char *name);
static void ctl_order_wrong(ctl_import_t *m,
    const referral_field_errors_t *wrong);
static ctl_rc_t ctl_order_put(ctl_import_t *m, referral_event_t *event,
    const ctl_told_t *told);
static ctl_rc_t ctl_order_apart(ctl_import_t *m,
    const referral_event_t *event, const ctl_told_t *told);
static ctl_rc_t ctl_order_refund(ctl_import_t *m,
    const referral_event_t *event, const ctl_told_t *told);
static ctl_rc_t ctl_order_known(ctl_import_t *m,
    const referral_event_t *event);
static void ctl_order_result(ctl_import_t *m, const ctl_line_t *line,
    const referral_result_t *result);
static void ctl_order_refused(ctl_import_t *m, const ctl_line_t *line,
    referral_rc_t rc);
static json_t *ctl_order_summary(const ctl_import_t *m);
static ctl_rc_t ctl_order_tick(ctl_import_t *m);


const ctl_import_kind_t  ctl_import_orders = {
    "conversions",
    "order_id",
    ctl_order_line,
    ctl_order_result,
    ctl_order_summary,
    ctl_order_tick
};


static ctl_rc_t
ctl_order_line(ctl_import_t *m, json_t *object)
{
    ctl_told_t             told;
    referral_event_json_t  in;

    ctl_order_told(object, &told);
    referral_event_json(object, &in);

    if (in.wrong.nerrors == 0) {
        referral_event_json_rules(&m->rules, &in);
    }

    if (in.token.len != 0) {
        referral_field_error(&in.wrong, "token", "it is not known here, only "
                             "to nginx: name the code or the click id");
    }

    if (told.voided) {
        referral_field_error(&in.wrong, "reasons", "it was voided by a "
                             "decision, which an import cannot do");
    }

    if (told.wrong) {
        referral_field_error(&in.wrong, "refunded", "it is not an integer of "
                             "minor units");
    }

    if (told.held) {
        in.event.flags |= REFERRAL_EVENT_VELOCITY;
    }

    if (!told.refunded && told.amount > in.event.amount) {
        referral_field_error(&in.wrong, "refunded", "it is more than the "
                             "amount");
    }

    if (in.wrong.nerrors != 0) {
        ctl_order_wrong(m, &in.wrong);
        return CTL_OK;
    }

    return m->dry_run ? ctl_order_known(m, &in.event)
                      : ctl_order_put(m, &in.event, &told);
}


/*
 * What an export tells is taken out of the object.  An event counts from when
 * it was recorded, but for one that was imported itself.
 */

static void
ctl_order_told(json_t *object, ctl_told_t *told)
{
    size_t       i;
    json_t      *recorded, *reasons;
    const char  *status, *source;

    /* what an import cannot find out again */

    static const char *const  holds[] = {
        "velocity", "too_soon", "before_click", "per_click", NULL
    };

    static const char *const  names[] = {
        "status", "duplicate", "attribution", "refunded", "points", "reasons",
        "why", "approves_at", "changed_at", "rewards", "source", "method",
        "touch", "click_id", "clicked_at", "channel", "first_code",
        "recorded_at", NULL
    };

    memset(told, 0, sizeof(ctl_told_t));
    recorded = json_object_get(object, "recorded_at");

    if (recorded == NULL) {
        return;
    }

    reasons = json_object_get(object, "reasons");
    status = json_string_value(json_object_get(object, "status"));
    source = json_string_value(json_object_get(object, "source"));

    if (source == NULL || strcmp(source, "import") != 0
        || !json_is_string(json_object_get(object, "occurred_at")))
    {
        (void) json_object_set(object, "occurred_at", recorded);
    }

    told->voided = ctl_order_reason(reasons, "voided");

    for (i = 0; holds[i] != NULL; i++) {
        told->held |= status != NULL && strcmp(status, "held") == 0
                      && ctl_order_reason(reasons, holds[i]);
    }

    ctl_order_refunded(json_object_get(object, "refunded"), told);
    told->refunded = status != NULL && strcmp(status, "refunded") == 0;

    (void) ctl_exported(object, "recorded_at", names);
}


static void
ctl_order_refunded(json_t *refunded, ctl_told_t *told)
{
    told->amount = json_integer_value(refunded);
    told->wrong = told->amount < 0
                  || (refunded != NULL && !json_is_null(refunded)
                      && !json_is_integer(refunded));
}


/* A list, or, in CSV, names with a space between: none is part of another. */

static unsigned
ctl_order_reason(json_t *reasons, const char *name)
{
    size_t   i;
    json_t  *reason;

    if (json_is_string(reasons)) {
        return strstr(json_string_value(reasons), name) != NULL;
    }

    json_array_foreach(reasons, i, reason) {
        if (json_is_string(reason)
            && strcmp(json_string_value(reason), name) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ctl_order_wrong(ctl_import_t *m, const referral_field_errors_t *wrong)
{
    unsigned                       i;
    const referral_field_error_t  *error;

    m->refused++;

    for (i = 0; i < wrong->nerrors; i++) {
        error = &wrong->errors[i];
        ctl_say(m->lines, "\"%.*s\": %s", (int) error->field.len,
                error->field.data, error->message);
    }
}


static ctl_rc_t
ctl_order_put(ctl_import_t *m, referral_event_t *event,
    const ctl_told_t *told)
{
    ctl_rc_t           rc;
    referral_record_t  record;

    event->program = m->program;
    event->source = REFERRAL_SOURCE_IMPORT;

    if (getrandom(&event->draw, sizeof(event->draw), 0)
        != sizeof(event->draw))
    {
        return ctl_fail("no random bytes (%s)", strerror(errno));
    }

    memset(&record, 0, sizeof(referral_record_t));
    record.type = REFERRAL_RECORD_EVENT;
    record.u.event = *event;

    rc = ctl_import_put(m, &record, 1);

    if (rc == CTL_OK && (told->amount > 0 || told->refunded)) {
        rc = ctl_order_apart(m, event, told);
    }

    return rc;
}


/*
 * A refund comes when its order is stored and known to be ours, and before
 * orders that came after it.  What is refunded already is so of an import that
 * was stopped, or of the store that the export is of.
 */

static ctl_rc_t
ctl_order_apart(ctl_import_t *m, const referral_event_t *event,
    const ctl_told_t *told)
{
    ctl_rc_t  rc;

    m->ours = 0;
    rc = ctl_import_apply(m);

    if (rc != CTL_OK || !m->ours
        || (!told->refunded && m->refunded >= told->amount))
    {
        return rc;
    }

    return ctl_order_refund(m, event, told);
}


/* All that was refunded, at once, and always by the same id. */

static ctl_rc_t
ctl_order_refund(ctl_import_t *m, const referral_event_t *event,
    const ctl_told_t *told)
{
    referral_refund_t  *refund;
    referral_record_t   record;

    memset(&record, 0, sizeof(referral_record_t));
    record.type = REFERRAL_RECORD_REFUND;

    refund = &record.u.refund;
    refund->program = m->program;
    refund->order_id = event->order_id;
    refund->refund_id.data = (const unsigned char *) CTL_REFUND_ID;
    refund->refund_id.len = sizeof(CTL_REFUND_ID) - 1;

    if (told->refunded) {
        refund->flags = REFERRAL_REFUND_WHOLE;

    } else {
        refund->flags = REFERRAL_REFUND_CURRENCY;
        refund->currency = event->currency;
        refund->amount = told->amount;
    }

    return ctl_import_put(m, &record, 0);
}


/* Whether the content is the same would be known by storing it only. */

static ctl_rc_t
ctl_order_known(ctl_import_t *m, const referral_event_t *event)
{
    ctl_rc_t               rc;
    referral_rc_t          found;
    referral_conversion_t  conversion;

    rc = ctl_begin(&m->store);

    if (rc != CTL_OK) {
        return rc;
    }

    found = referral_conversion_get(m->store.snap, m->program,
                                    event->order_id, &conversion);
    referral_snapshot_end(m->store.snap);

    if (found != REFERRAL_OK && found != REFERRAL_NOT_FOUND) {
        return ctl_fail("cannot read \"%s/data.mdb\"", m->store.dir);
    }

    m->duplicates += (found == REFERRAL_OK);
    m->new += (found != REFERRAL_OK);

    return CTL_OK;
}


static void
ctl_order_result(ctl_import_t *m, const ctl_line_t *line,
    const referral_result_t *result)
{
    referral_str_t         order_id;
    referral_conversion_t  conversion;

    if (result->rc != REFERRAL_OK) {
        ctl_order_refused(m, line, result->rc);
        return;
    }

    if (!line->counted) {
        return;
    }

    m->new += (result->created != 0);
    m->duplicates += !result->created;

    order_id.len = line->len;
    order_id.data = line->order_id;

    if (referral_conversion_get(m->store.snap, m->program, order_id,
                                &conversion) != REFERRAL_OK
        || conversion.status >= REFERRAL_EVENT_STATUSES)
    {
        return;
    }

    m->statuses[conversion.status] += (result->created != 0);

    if (line->number == m->lines
        && conversion.status != REFERRAL_EVENT_REFUNDED)
    {
        m->ours = (conversion.source == REFERRAL_SOURCE_IMPORT);
        m->refunded = conversion.refunded;
    }
}


static void
ctl_order_refused(ctl_import_t *m, const ctl_line_t *line, referral_rc_t rc)
{
    if (!line->counted) {
        ctl_say(line->number, "\"refunded\": the store refused it");
        return;
    }

    if (rc == REFERRAL_CONFLICT) {
        m->conflicts++;
        ctl_say(line->number, "\"order_id\": it is taken by an event of "
                "other content");
        return;
    }

    ctl_refuse(m, line->number,
               rc == REFERRAL_NO_EVENT
               ? "\"event\": the program declares no such event any more"
               : rc == REFERRAL_CURRENCY
               ? "\"currency\": refunds that came before have another"
               : "the store refused it");
}


static json_t *
ctl_order_summary(const ctl_import_t *m)
{
    json_t    *statuses;
    unsigned   i;

    if (m->dry_run) {
        return json_pack("{s:b, s:I, s:I, s:I, s:I}", "dry_run", 1,
                         "lines", (json_int_t) m->lines,
                         "new", (json_int_t) m->new,
                         "known", (json_int_t) m->duplicates,
                         "refused", (json_int_t) m->refused);
    }

    statuses = json_object();

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        (void) json_object_set_new(statuses, referral_event_status_name(i),
                       json_integer((json_int_t) m->statuses[i]));
    }

    return json_pack("{s:b, s:I, s:I, s:o, s:I, s:I, s:I}", "dry_run", 0,
                     "lines", (json_int_t) m->lines,
                     "new", (json_int_t) m->new, "statuses", statuses,
                     "duplicates", (json_int_t) m->duplicates,
                     "conflicts", (json_int_t) m->conflicts,
                     "refused", (json_int_t) m->refused);
}


/* Holds that were over before the orders came. */

static ctl_rc_t
ctl_order_tick(ctl_import_t *m)
{
    int64_t           now, next;
    unsigned          tries;
    referral_rc_t     rc;
    referral_error_t  err;

    tries = 0;

    do {
        now = ctl_now();
        rc = referral_store_tick(m->store.store, now, &next, &err);

        if (rc != REFERRAL_OK && !ctl_again(rc, &tries)) {
            (void) ctl_refused(&m->store, &err);
            return ctl_fail("holds that are over were not looked at: nginx "
                            "does that later, all events are stored");
        }
    } while (rc != REFERRAL_OK || (next != 0 && next <= now));

    return CTL_OK;
}
