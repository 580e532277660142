/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_out.h"


typedef void (*entry_pt)(referral_out_t *out, const referral_entry_t *entry);

typedef struct {
    const char  *name;
    unsigned     bit;
    entry_pt     handler;
} entry_t;


static const entry_t *entry_find(unsigned bit);
static void entry_click(referral_out_t *out, const referral_entry_t *entry);
static void entry_code(referral_out_t *out, const referral_entry_t *entry);
static void entry_program(referral_out_t *out, const referral_entry_t *entry);
static void entry_event(referral_out_t *out, const referral_entry_t *entry);
static void entry_refund(referral_out_t *out, const referral_entry_t *entry);
static void entry_decision(referral_out_t *out, const referral_entry_t *entry);
static void entry_rules(referral_out_t *out, const referral_entry_t *entry);
static void entry_reward(referral_out_t *out, const referral_entry_t *entry);
static void entry_status(referral_out_t *out, const referral_entry_t *entry);
static void entry_tier(referral_out_t *out, const referral_entry_t *entry);
static void entry_names(referral_out_t *out,
    const char *key, const void *first, size_t size, unsigned n);


#define note_bit(kind)  (1u << (REFERRAL_ENTRY_NOTES + (kind)))


static const entry_t  entries[] = {
    { "click", 1u << REFERRAL_RECORD_CLICK, entry_click },
    { "code", 1u << REFERRAL_RECORD_CODE, entry_code },
    { "program", 1u << REFERRAL_RECORD_PROGRAM, entry_program },
    { "conversion", 1u << REFERRAL_RECORD_EVENT, entry_event },
    { "refund", 1u << REFERRAL_RECORD_REFUND, entry_refund },
    { "decision", 1u << REFERRAL_RECORD_DECISION, entry_decision },
    { "rules", 1u << REFERRAL_RECORD_RULES, entry_rules },
    { "hold", 1u << REFERRAL_RECORD_TICK, NULL },
    { "reward", note_bit(REFERRAL_NOTE_REWARD), entry_reward },
    { "status", note_bit(REFERRAL_NOTE_EVENT), entry_status },
    { "tier", note_bit(REFERRAL_NOTE_TIER), entry_tier },
    { NULL, 0, NULL }
};


unsigned
referral_entry_bit(referral_str_t name)
{
    const entry_t  *e;

    for (e = entries; e->name != NULL; e++) {
        if (strlen(e->name) == name.len
            && memcmp(e->name, name.data, name.len) == 0)
        {
            break;
        }
    }

    return e->bit;
}


unsigned
referral_entry_type(const referral_entry_t *entry)
{
    if (entry->type == REFERRAL_RECORD_NOTE) {
        return note_bit(entry->record->u.note.kind);
    }

    return 1u << entry->type;
}


static const entry_t *
entry_find(unsigned bit)
{
    const entry_t  *e;

    for (e = entries; e->name != NULL; e++) {
        if (e->bit == bit) {
            break;
        }
    }

    return e;
}


void
referral_out_entry(referral_out_t *out, const referral_entry_t *entry)
{
    const entry_t  *e;

    e = entry_find(referral_entry_type(entry));

    referral_out_open(out, NULL, "{");
    referral_out_uint(out, "seq", entry->seq);
    referral_out_time(out, "time", entry->time);
    referral_out_text(out, "type", e->name ? e->name : "other");

    if (e->handler != NULL) {
        e->handler(out, entry);
    }

    referral_out_close(out, "}");
}


static void
entry_click(referral_out_t *out, const referral_entry_t *entry)
{
    const referral_click_info_t  *click;

    click = entry->click;

    referral_out_click_id(out, click->id);
    referral_out_click(out, click);
}


void
referral_out_click(referral_out_t *out, const referral_click_info_t *click)
{
    referral_out_str_or_null(out, "code", click->code);
    referral_out_text(out, "class", referral_class_name(click->class));
    referral_out_text(out, "why", referral_why_name(click->why));
    referral_out_bool(out, "unique", click->unique);
    referral_out_open(out, "flags", "[");

    if (click->flags & REFERRAL_CLICK_PAID) {
        referral_out_text(out, NULL, "paid");
    }

    if (click->flags & REFERRAL_CLICK_NO_ACTIVATION) {
        referral_out_text(out, NULL, "no_activation");
    }

    referral_out_close(out, "]");
    referral_out_str_or_null(out, "channel", click->channel);
    referral_out_str_or_null(out, "landing", click->landing);
}


/* A change has the members that it sets. */

static void
entry_code(referral_out_t *out, const referral_entry_t *entry)
{
    const referral_code_change_t  *code;

    code = &entry->record->u.code;

    referral_out_str(out, "code", code->code);

    if (code->set & REFERRAL_SET_OWNER) {
        referral_out_str_or_null(out, "owner", code->owner);
    }

    if (code->set & REFERRAL_SET_KIND) {
        referral_out_text(out, "kind", code->kind == REFERRAL_KIND_PARTNER
                          ? "partner" : "customer");
    }

    if (code->set & REFERRAL_SET_NAME) {
        referral_out_str_or_null(out, "name", code->name);
    }

    if (code->set & REFERRAL_SET_LANDING) {
        referral_out_str_or_null(out, "landing", code->landing);
    }

    if (code->set & REFERRAL_SET_STATUS) {
        referral_out_text(out, "status", referral_status_name(code->status));
    }
}


static void
entry_program(referral_out_t *out, const referral_entry_t *entry)
{
    referral_out_str(out, "name", entry->record->u.program.name);
    referral_out_bool(out, "case_sensitive",
                      entry->record->u.program.case_sensitive);
}


static void
entry_event(referral_out_t *out, const referral_entry_t *entry)
{
    unsigned                 amount;
    const referral_event_t  *event;

    event = &entry->record->u.event;
    amount = event->flags & REFERRAL_EVENT_AMOUNT;

    referral_out_str(out, "order_id", event->order_id);
    referral_out_str(out, "event", event->event);
    referral_out_money(out, "amount", amount, event->amount);
    referral_out_currency(out, amount, event->currency);
    referral_out_str_or_null(out, "customer_id", event->customer);
    referral_out_text(out, "source", referral_source_name(event->source));
    referral_out_time(out, "occurred_at", event->occurred);
}


static void
entry_refund(referral_out_t *out, const referral_entry_t *entry)
{
    unsigned                  whole;
    const referral_refund_t  *refund;

    refund = &entry->record->u.refund;
    whole = refund->flags & REFERRAL_REFUND_WHOLE;

    referral_out_str(out, "order_id", refund->order_id);
    referral_out_str(out, "refund_id", refund->refund_id);
    referral_out_bool(out, "whole", whole);
    referral_out_money(out, "amount", entry->amount != 0, entry->amount);
    referral_out_currency(out, entry->currency != 0, entry->currency);
    referral_out_str_or_null(out, "reason", refund->reason);
}


static void
entry_decision(referral_out_t *out, const referral_entry_t *entry)
{
    const referral_decision_t  *decision;

    static const char *const  decisions[] = { "approve", "claim", "void" };

    decision = &entry->record->u.decision;

    referral_out_text(out, "decision",
                      decisions[decision->what < 3 ? decision->what : 2]);

    if (decision->reward) {
        referral_out_id(out, "reward", decision->reward);

    } else {
        referral_out_null(out, "reward");
    }

    referral_out_str_or_null(out, "order_id", decision->order_id);
    referral_out_str_or_null(out, "reason", decision->reason);
}


static void
entry_rules(referral_out_t *out, const referral_entry_t *entry)
{
    referral_str_t    bytes;
    referral_rules_t  rules;

    bytes = entry->record->u.rules.rules;

    if (referral_rules_decode(bytes.data, bytes.len, &rules) != 0) {
        return;
    }

    entry_names(out, "events", &rules.events[0].name,
                sizeof(rules.events[0]), rules.nevents);
    entry_names(out, "tiers", &rules.tiers[0].name,
                sizeof(rules.tiers[0]), rules.ntiers);
    entry_names(out, "rewards", &rules.rewards[0].name,
                sizeof(rules.rewards[0]), rules.nrewards);
    entry_names(out, "contests", &rules.contests[0].name,
                sizeof(rules.contests[0]), rules.ncontests);
}


static void
entry_names(referral_out_t *out, const char *key,
    const void *first, size_t size, unsigned n)
{
    unsigned        i;
    referral_str_t  name;

    referral_out_open(out, key, "[");

    for (i = 0; i < n; i++) {
        memcpy(&name, (const char *) first + i * size, sizeof(name));
        referral_out_str(out, NULL, name);
    }

    referral_out_close(out, "]");
}


static void
entry_reward(referral_out_t *out, const referral_entry_t *entry)
{
    const referral_note_t  *note;

    note = &entry->record->u.note;

    referral_out_id(out, "id", note->id);
    referral_out_str(out, "name", note->before);
    referral_out_str_or_null(out, "code", entry->code);
    referral_out_str_or_null(out, "order_id", note->after);

    if (note->from == REFERRAL_REWARD_NEW) {
        referral_out_null(out, "from");

    } else {
        referral_out_text(out, "from", referral_reward_state_name(note->from));
    }

    referral_out_text(out, "to", referral_reward_state_name(note->to));
}


static void
entry_status(referral_out_t *out, const referral_entry_t *entry)
{
    const referral_note_t  *note;

    note = &entry->record->u.note;

    referral_out_str(out, "order_id", note->after);
    referral_out_str_or_null(out, "code", entry->code);

    if (note->from < REFERRAL_EVENT_STATUSES) {
        referral_out_text(out, "from", referral_event_status_name(note->from));

    } else {
        referral_out_null(out, "from");
    }

    referral_out_text(out, "to", referral_event_status_name(note->to));
}


static void
entry_tier(referral_out_t *out, const referral_entry_t *entry)
{
    const referral_note_t  *note;

    note = &entry->record->u.note;

    referral_out_str_or_null(out, "code", entry->code);
    referral_out_str_or_null(out, "from", note->before);
    referral_out_str_or_null(out, "to", note->after);
}
