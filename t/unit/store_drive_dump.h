/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * All that can be read of a store, as lines that begin with what they are and
 * the program: code, clicks, conversion, refund, reward, score, account,
 * leader, tally, sum; and note: what the journal has told since the last time.
 * What contradicts another way of reading the same is a line that begins with
 * "wrong".  Ids and sequences are not printed: a reward is the n-th of its
 * program.
 */

#ifndef STORE_DRIVE_DUMP_H
#define STORE_DRIVE_DUMP_H

#include "store_drive.h"


/* --------------------------------------------------------------- rewards */

static int
drive_reward(void *data, const referral_reward_t *r)
{
    drive_t            *d;
    referral_reward_t  again;

    d = data;
    drive_must(referral_reward_get(d->snap, d->program, r->id, &again),
               "referral_reward_get");

    if (again.id != r->id || again.state != r->state
        || again.amount != r->amount || r->id <= d->after_id)
    {
        printf("wrong\treward %" PRIu64 " after %" PRIu64 "\n", r->id,
               d->after_id);
    }

    d->after_id = r->id;
    d->rewards = realloc(d->rewards,
                         (d->nrewards + 1) * sizeof(referral_reward_t));
    d->rewards[d->nrewards] = *r;

    printf("reward\t%u\t%u\t%s\t%s\t%.*s\t%.*s\t%.*s", d->program,
           d->nrewards++, referral_reward_state_name(r->state),
           r->to == REFERRAL_TO_REFERRER ? "referrer" : "friend",
           STR(r->name), STR(r->code), STR(r->order_id));
    printf("\t%.*s\t%.*s\t%.*s\t%u\t%u\t%" PRId64, STR(r->customer),
           STR(r->value), STR(r->reason), r->bps, r->currency, r->amount);
    printf("\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64
           "\t%" PRId64 "\n", r->paid, r->offset, r->created, r->approves,
           r->claimed, r->changed);

    return drive_full(d);
}


static int
drive_meets(const referral_reward_filter_t *filter,
    const referral_reward_t *reward)
{
    return (filter->state == -1 || filter->state == reward->state)
           && (filter->to == -1 || filter->to == reward->to)
           && (filter->code_id == 0 || filter->code_id == reward->code_id);
}


static int
drive_filtered(void *data, const referral_reward_t *r)
{
    drive_t  *d;

    d = data;

    while (d->n < d->nrewards && !drive_meets(&d->filter, &d->rewards[d->n]))
    {
        d->n++;
    }

    if (d->n == d->nrewards || d->rewards[d->n].id != r->id) {
        printf("wrong\treward %" PRIu64 " of state %d to %d code %u\n",
               r->id, d->filter.state, d->filter.to, d->filter.code_id);
        d->n = d->nrewards;
        return 1;
    }

    d->after_id = r->id;

    return drive_full(d);
}


static void
drive_filter(drive_t *d, int state, int to, uint32_t code_id)
{
    d->filter.state = state;
    d->filter.to = to;
    d->filter.code_id = code_id;
    d->after_id = 0;
    d->n = 0;

    do {
        d->page = 0;
        drive_must(referral_reward_list(d->snap, d->program, &d->filter,
                                        d->after_id, drive_filtered, d),
                   "referral_reward_list");
    } while (d->page == DRIVE_PAGE);

    while (d->n < d->nrewards) {
        if (drive_meets(&d->filter, &d->rewards[d->n++])) {
            printf("wrong\treward %" PRIu64 " is not in state %d to %d code "
                   "%u\n", d->rewards[d->n - 1].id, state, to, code_id);
            break;
        }
    }
}


static void
drive_rewards(drive_t *d)
{
    int                       state, to;
    referral_reward_filter_t  filter;

    memset(&filter, 0, sizeof(filter));
    filter.state = -1;
    filter.to = -1;
    d->after_id = 0;
    d->nrewards = 0;

    do {
        d->page = 0;
        drive_must(referral_reward_list(d->snap, d->program, &filter,
                                        d->after_id, drive_reward, d),
                   "referral_reward_list");
    } while (d->page == DRIVE_PAGE);

    for (state = -1; state < REFERRAL_REWARD_STATES; state++) {
        for (to = -1; to <= REFERRAL_TO_FRIEND; to++) {
            drive_filter(d, state, to, 0);
        }
    }
}


/* --------------------------------------------- scores, accounts, leaders */

static void
drive_score(drive_t *d, const referral_code_t *code)
{
    int               tier;
    unsigned          i;
    referral_score_t  score;
    referral_str_t    name;

    drive_must(referral_score_get(d->snap, d->program, code->id, &score),
               "referral_score_get");

    tier = referral_rules_tier(&d->rules, score.points);
    name = (tier == -1) ? test_str("") : d->rules.tiers[tier].name;

    printf("score\t%u\t%.*s\t%" PRId64 "\t%.*s", d->program, STR(code->code),
           score.points, STR(name));

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        printf("\t%" PRIu64, score.rewards[i]);
    }

    printf("\n");
}


static int
drive_account(void *data, uint16_t currency,
    const referral_account_t *account)
{
    drive_t   *d;
    int64_t    any;
    unsigned   i;

    d = data;
    any = account->paid | account->owed;

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        any |= account->rewards[i];
    }

    if (any == 0) {
        return 0;
    }

    printf("account\t%u\t%s\t%u", d->program, d->name, currency);

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        printf("\t%" PRId64, account->rewards[i]);
    }

    printf("\t%" PRId64 "\t%" PRId64 "\n", account->paid, account->owed);

    return 0;
}


static int
drive_place(void *data, referral_str_t code, const referral_place_t *place)
{
    drive_t  *d;

    d = data;
    printf("leader\t%u\t%s\t%u\t%.*s\t%" PRId64 "\n", d->program, d->period,
           d->n, STR(code), place->points);
    d->place = *place;

    return drive_full(d);
}


static void
drive_period(drive_t *d, const char *name, uint32_t period)
{
    d->period = name;
    d->n = 0;
    memset(&d->place, 0, sizeof(d->place));

    do {
        d->page = 0;
        drive_must(referral_leaders(d->snap, d->program, period, &d->place,
                                    drive_place, d),
                   "referral_leaders");
    } while (d->page == DRIVE_PAGE);
}


static uint32_t
drive_month(int64_t time)
{
    time_t     second;
    struct tm  tm;

    second = time / 1000;
    gmtime_r(&second, &tm);

    return (uint32_t) ((tm.tm_year + 1900) * 100 + tm.tm_mon + 1);
}


static void
drive_leaders(drive_t *d)
{
    char            name[64];
    uint32_t        period;
    unsigned        i;
    drive_names_t  *contests;

    drive_period(d, "all", REFERRAL_LEADERS_ALL);

    for (period = drive_month(d->first); period <= drive_month(d->last);
         period += (period % 100 == 12) ? 89 : 1)
    {
        snprintf(name, sizeof(name), "%u", period);
        drive_period(d, name, period);
    }

    contests = &d->contests[d->program];

    for (i = 0; i < contests->n; i++) {
        drive_must(referral_leaders_contest(d->snap, d->program,
                                            test_str(contests->names[i]),
                                            &period),
                   "referral_leaders_contest");
        snprintf(name, sizeof(name), "contest %s", contests->names[i]);
        drive_period(d, name, period);
    }
}


/* --------------------------------------------------- counters of events */

static void
drive_start(const drive_t *d, int64_t start)
{
    if (d->period != NULL) {
        printf("%s", d->period);

    } else {
        printf("%" PRId64, start);
    }
}


static int
drive_tally(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    drive_t   *d;
    unsigned   i;

    d = data;
    printf("tally\t%u\t%s\t", d->program, d->name);
    drive_start(d, start);
    printf("\t%.*s", STR(event));

    for (i = 0; i < REFERRAL_EVENT_STATUSES; i++) {
        printf("\t%" PRIu64, tally->statuses[i]);
    }

    printf("\t%" PRId64 "\n", tally->points);

    return 0;
}


static int
drive_sum(void *data, referral_str_t event, uint16_t currency, int64_t start,
    const referral_sum_t *sum)
{
    drive_t  *d;

    d = data;
    printf("sum\t%u\t%s\t", d->program, d->name);
    drive_start(d, start);
    printf("\t%.*s\t%u\t%" PRId64 "\t%" PRId64 "\t%" PRIu64 "\n", STR(event),
           currency, sum->gross, sum->refunded, sum->count);

    return 0;
}


static void
drive_events(drive_t *d, const char *name, uint32_t code_id)
{
    unsigned  i;
    uint32_t  from, to;

    d->name = name;

    for (i = 0; i < 3; i++) {
        from = (i == 0) ? 0 : d->from;
        to = (i == 0) ? 0 : d->to;
        d->period = (i == 0) ? "all" : (i == 1) ? "range" : NULL;

        drive_must(referral_tally_list(d->snap, d->program, code_id, from, to,
                                       i == 2, drive_tally, d),
                   "referral_tally_list");
        drive_must(referral_sum_list(d->snap, d->program, code_id, from, to,
                                     i == 2, drive_sum, d),
                   "referral_sum_list");
    }
}


/* ---------------------------------------------------------------- notes */

static const char *
drive_state(const referral_note_t *note, unsigned state)
{
    if (note->kind == REFERRAL_NOTE_TIER) {
        return "";
    }

    if (note->kind == REFERRAL_NOTE_EVENT) {
        return (state == REFERRAL_EVENT_STATUSES)
               ? "new" : referral_event_status_name(state);
    }

    return (state == REFERRAL_REWARD_NEW)
           ? "new" : referral_reward_state_name(state);
}


static int
drive_note(void *data, const referral_entry_t *entry)
{
    const char             *kind;
    const referral_note_t  *note;

    (void) data;

    note = &entry->record->u.note;
    kind = (note->kind == REFERRAL_NOTE_REWARD) ? "reward"
           : (note->kind == REFERRAL_NOTE_EVENT) ? "event" : "tier";

    printf("note\t%u\t%" PRId64 "\t%s\t%.*s\t%s\t%s\t%.*s\t%.*s\n",
           note->program, entry->time, kind, STR(entry->code),
           drive_state(note, note->from), drive_state(note, note->to),
           STR(note->before), STR(note->after));

    return 0;
}


static void
drive_notes(drive_t *d)
{
    uint64_t  from;

    do {
        from = d->told;
        drive_must(referral_journal_read(d->snap, from,
                                         1 << REFERRAL_RECORD_NOTE, 100,
                                         drive_note, d, &d->told),
                   "referral_journal_read");
    } while (d->told != from);
}


/* ------------------------------------------------------------ all of it */

static int
drive_code(void *data, const referral_code_t *code)
{
    char      name[REFERRAL_CODE_MAX + 1];
    drive_t  *d;

    d = data;
    snprintf(name, sizeof(name), "%.*s", STR(code->code));

    printf("code\t%u\t%s\t%s\t%s\t%.*s\t%" PRId64 "\t%" PRId64 "\n",
           d->program, name,
           code->status == REFERRAL_STATUS_ACTIVE ? "active"
           : code->status == REFERRAL_STATUS_PAUSED ? "paused" : "ended",
           code->kind == REFERRAL_KIND_CUSTOMER ? "customer" : "partner",
           STR(code->owner), code->created, code->changed);

    drive_clicks(d, name, code->id);
    drive_score(d, code);
    d->name = name;
    drive_must(referral_account_list(d->snap, d->program, code->id,
                                     drive_account, d),
               "referral_account_list");
    drive_filter(d, -1, -1, code->id);
    drive_filter(d, REFERRAL_REWARD_APPROVED, -1, code->id);
    drive_events(d, name, code->id);

    return 0;
}


static void
drive_program(drive_t *d)
{
    referral_rc_t  rc;

    memset(&d->rules, 0, sizeof(d->rules));
    rc = referral_rules_get(d->snap, d->program, &d->rules);

    if (rc != REFERRAL_NOT_FOUND) {
        drive_must(rc, "referral_rules_get");
    }

    drive_conversions(d);
    drive_refunds(d);
    drive_rewards(d);
    drive_leaders(d);
    drive_clicks(d, "*", 0);
    drive_events(d, "*", REFERRAL_TALLY_ALL);
    drive_events(d, "-", REFERRAL_TALLY_NONE);
    drive_must(referral_code_list(d->snap, d->program, test_str(""),
                                  test_str(""), drive_code, d),
               "referral_code_list");
}


static void
drive_dump(drive_t *d, uint32_t from, uint32_t to)
{
    d->from = from;
    d->to = to;

    drive_must(referral_snapshot_begin(d->snap), "referral_snapshot_begin");

    for (d->program = 1; d->program <= d->programs; d->program++) {
        drive_program(d);
    }

    drive_notes(d);
    referral_snapshot_end(d->snap);
    printf("end\n");
}


#endif /* STORE_DRIVE_DUMP_H */
