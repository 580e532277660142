/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * import conversions: orders of the past, one JSON object a line, through an
 * intake of its own.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "referralctl_import.h"


#define CTL_TRIES     50        /* while the store is locked or resized */
#define CTL_PAUSE_US  100000


static ctl_rc_t ctl_import_open(ctl_import_t *m, const ctl_args_t *args);
static ctl_rc_t ctl_import_program(ctl_import_t *m, const char *name);
static ctl_rc_t ctl_import_rules(ctl_import_t *m, const char *name);
static ctl_rc_t ctl_import_results(ctl_import_t *m, unsigned n);
static void ctl_import_result(ctl_import_t *m, const ctl_line_t *line,
    const referral_result_t *result);
static ctl_rc_t ctl_import_tick(ctl_import_t *m);
static int64_t ctl_now(void);
static ctl_rc_t ctl_import_summary(const ctl_import_t *m);
static ctl_rc_t ctl_import_json(const ctl_import_t *m);


ctl_rc_t
ctl_import(const ctl_args_t *args)
{
    ctl_rc_t             rc;
    static ctl_import_t  m;

    if (strcmp(args->words[0], "conversions") != 0) {
        return ctl_fail("cannot import \"%s\", only conversions",
                        args->words[0]);
    }

    rc = ctl_import_open(&m, args);

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_import_lines(&m);

    if (rc == CTL_OK && !m.dry_run) {
        rc = ctl_import_tick(&m);
    }

    if (m.intake != NULL) {
        referral_intake_close(m.intake);
    }

    ctl_close(&m.store);

    if (rc == CTL_OK) {
        rc = args->json ? ctl_import_json(&m) : ctl_import_summary(&m);
    }

    return (rc == CTL_OK && m.refused + m.conflicts != 0) ? CTL_REFUSED : rc;
}


/* The file first: its reader may be root, who is another user from then on. */

static ctl_rc_t
ctl_import_open(ctl_import_t *m, const ctl_args_t *args)
{
    ctl_rc_t     rc;
    struct stat  st;

    m->name = args->words[3];
    m->dry_run = args->dry_run;
    m->terminal = (unsigned) isatty(STDERR_FILENO);

    if (strcmp(m->name, "-") == 0) {
        m->name = "standard input";
        m->file = stdin;

    } else {
        m->file = fopen(m->name, "re");
    }

    if (m->file == NULL || fstat(fileno(m->file), &st) == -1) {
        return ctl_fail("cannot open \"%s\" (%s)", m->name, strerror(errno));
    }

    if (S_ISREG(st.st_mode)) {
        m->size = (uint64_t) st.st_size;
    }

    rc = ctl_open(&m->store, args->words[1], !m->dry_run);

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_import_program(m, args->words[2]);

    if (rc != CTL_OK) {
        ctl_close(&m->store);
    }

    return rc;
}


static ctl_rc_t
ctl_import_program(ctl_import_t *m, const char *name)
{
    ctl_rc_t          rc;
    referral_error_t  err;

    rc = ctl_import_rules(m, name);
    referral_snapshot_end(m->store.snap);

    if (rc == CTL_OK && !m->dry_run
        && referral_intake_open(m->store.store, &m->intake, &err)
           != REFERRAL_OK)
    {
        return ctl_refused(&m->store, &err);
    }

    return rc;
}


static ctl_rc_t
ctl_import_rules(ctl_import_t *m, const char *name)
{
    size_t          len;
    referral_rc_t   rc;
    referral_str_t  program;

    program.len = strlen(name);
    program.data = (const unsigned char *) name;

    rc = referral_program_get(m->store.snap, program, &m->program);

    if (rc == REFERRAL_OK) {
        rc = referral_rules_get(m->store.snap, m->program, &m->rules);
    }

    if (rc == REFERRAL_NOT_FOUND) {
        return ctl_fail("\"%s\" has no program \"%s\" with rules: nginx makes "
                        "it when it starts", m->store.dir, name);
    }

    len = (rc == REFERRAL_OK) ? referral_rules_encode(&m->rules, m->coded)
                              : 0;

    if (len == 0 || referral_rules_decode(m->coded, len, &m->rules) != 0) {
        return ctl_fail("cannot read program \"%s\" in \"%s/data.mdb\"", name,
                        m->store.dir);
    }

    return CTL_OK;
}


ctl_rc_t
ctl_import_event(ctl_import_t *m, referral_event_t *event)
{
    ctl_line_t          *line;
    referral_rc_t        rc;
    referral_record_t    record;

    event->program = m->program;
    event->source = REFERRAL_SOURCE_IMPORT;

    if (getrandom(&event->draw, sizeof(event->draw), 0)
        != sizeof(event->draw))
    {
        return ctl_fail("no random bytes (%s)", strerror(errno));
    }

    memset(&record, 0, sizeof(referral_record_t));
    record.type = REFERRAL_RECORD_EVENT;
    record.reply = 1;
    record.time = ctl_now();
    record.u.event = *event;

    line = &m->batch[m->n];
    rc = referral_intake_put(m->intake, &record, &line->seq);

    /* a batch fits the smallest ring there is */

    if (rc != REFERRAL_OK) {
        ctl_refuse(m, m->lines, "the store cannot take it");
        return CTL_OK;
    }

    line->number = m->lines;
    line->len = event->order_id.len;
    memcpy(line->order_id, event->order_id.data, line->len);
    m->n++;

    return CTL_OK;
}


/* Whether the content is the same would be known by storing it only. */

ctl_rc_t
ctl_import_known(ctl_import_t *m, const referral_event_t *event)
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


ctl_rc_t
ctl_import_apply(ctl_import_t *m)
{
    unsigned          n, tries;
    ctl_rc_t          rc;
    referral_rc_t     applied;
    referral_error_t  err;
    referral_batch_t  batch;

    n = 0;
    tries = 0;
    batch.more = (m->n != 0);

    while (batch.more && tries < CTL_TRIES) {
        applied = referral_intake_apply(m->intake, 1, m->results + n,
                                        CTL_BATCH - n, &batch, &err);
        if (applied == REFERRAL_OK) {
            n += batch.results;
            tries = 0;
            continue;
        }

        batch.more = 1;
        tries = (applied == REFERRAL_BUSY) ? tries + 1 : CTL_TRIES;
        (void) usleep(CTL_PAUSE_US);
    }

    rc = ctl_import_results(m, n);

    if (tries == CTL_TRIES) {
        (void) ctl_refused(&m->store, &err);
        rc = ctl_fail("stopped between lines %" PRIu64 " and %" PRIu64 ": run "
                      "it again, what is stored will be duplicates",
                      m->batch[0].number, m->lines);
    }

    m->n = 0;

    return rc;
}


static ctl_rc_t
ctl_import_results(ctl_import_t *m, unsigned n)
{
    unsigned  i, j;

    if (n == 0) {
        return CTL_OK;
    }

    if (ctl_begin(&m->store) != CTL_OK) {
        return CTL_FAILED;
    }

    j = 0;

    for (i = 0; i < m->n && j < n; i++) {
        if (m->results[j].seq == m->batch[i].seq) {
            ctl_import_result(m, &m->batch[i], &m->results[j++]);

        } else {
            ctl_refuse(m, m->batch[i].number, "the store passed it over");
        }
    }

    referral_snapshot_end(m->store.snap);

    return CTL_OK;
}


static void
ctl_import_result(ctl_import_t *m, const ctl_line_t *line,
    const referral_result_t *result)
{
    referral_str_t         order_id;
    referral_conversion_t  conversion;

    if (result->rc == REFERRAL_CONFLICT) {
        m->conflicts++;
        ctl_say(m, line->number, "\"order_id\": it is taken by an event of "
                "other content");
        return;
    }

    if (result->rc != REFERRAL_OK) {
        ctl_refuse(m, line->number,
                   result->rc == REFERRAL_NO_EVENT
                   ? "\"event\": the program declares no such event any more"
                   : result->rc == REFERRAL_CURRENCY
                   ? "\"currency\": refunds that came before have another"
                   : "the store refused it");
        return;
    }

    if (!result->created) {
        m->duplicates++;
        return;
    }

    m->new++;
    order_id.len = line->len;
    order_id.data = line->order_id;

    if (referral_conversion_get(m->store.snap, m->program, order_id,
                                &conversion) == REFERRAL_OK
        && conversion.status < REFERRAL_EVENT_STATUSES)
    {
        m->statuses[conversion.status]++;
    }
}


/* Holds that were over before the orders came. */

static ctl_rc_t
ctl_import_tick(ctl_import_t *m)
{
    int64_t           now, next;
    referral_rc_t     rc;
    referral_error_t  err;

    do {
        now = ctl_now();
        rc = referral_store_tick(m->store.store, now, &next, &err);

        if (rc != REFERRAL_OK) {
            (void) ctl_refused(&m->store, &err);
            return ctl_fail("holds that are over were not looked at: nginx "
                            "does that later, all events are stored");
        }
    } while (next != 0 && next <= now);

    return CTL_OK;
}


static int64_t
ctl_now(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static ctl_rc_t
ctl_import_summary(const ctl_import_t *m)
{
    unsigned  i;

    (void) printf("lines         %" PRIu64 "\n", m->lines);
    (void) printf("new           %" PRIu64 "\n", m->new);

    if (m->dry_run) {
        (void) printf("known         %" PRIu64 "\n", m->duplicates);
        (void) printf("refused       %" PRIu64 "\n", m->refused);
        return CTL_OK;
    }

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        (void) printf("  %-13s%" PRIu64 "\n", referral_event_status_name(i),
                      m->statuses[i]);
    }

    (void) printf("duplicates    %" PRIu64 "\n", m->duplicates);
    (void) printf("conflicts     %" PRIu64 "\n", m->conflicts);
    (void) printf("refused       %" PRIu64 "\n", m->refused);

    return CTL_OK;
}


static ctl_rc_t
ctl_import_json(const ctl_import_t *m)
{
    json_t    *statuses;
    unsigned   i;

    if (m->dry_run) {
        return ctl_print_json(json_pack("{s:b, s:I, s:I, s:I, s:I}",
                 "dry_run", 1, "lines", (json_int_t) m->lines,
                 "new", (json_int_t) m->new,
                 "known", (json_int_t) m->duplicates,
                 "refused", (json_int_t) m->refused));
    }

    statuses = json_object();

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        (void) json_object_set_new(statuses, referral_event_status_name(i),
                       json_integer((json_int_t) m->statuses[i]));
    }

    return ctl_print_json(json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:o}",
             "dry_run", 0, "lines", (json_int_t) m->lines,
             "new", (json_int_t) m->new,
             "duplicates", (json_int_t) m->duplicates,
             "conflicts", (json_int_t) m->conflicts,
             "refused", (json_int_t) m->refused, "statuses", statuses));
}
