/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


typedef void (*ngx_http_referral_api_entry_pt)(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);

typedef struct {
    const char                      *name;
    unsigned                         bit;
    ngx_http_referral_api_entry_pt   handler;
} ngx_http_referral_api_entry_t;


static const ngx_http_referral_api_entry_t *ngx_http_referral_api_entry_find(
    unsigned bit);
static void ngx_http_referral_api_entry_click(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_code(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_program(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_event(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_refund(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_decision(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_rules(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_reward(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_status(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_entry_tier(ngx_http_referral_out_t *out,
    const referral_entry_t *entry);
static void ngx_http_referral_api_names(ngx_http_referral_out_t *out,
    const char *key, const void *first, size_t size, unsigned n);


static const ngx_http_referral_api_entry_t
    ngx_http_referral_api_entries[] =
{
    { "click", 1u << REFERRAL_RECORD_CLICK,
      ngx_http_referral_api_entry_click },
    { "code", 1u << REFERRAL_RECORD_CODE,
      ngx_http_referral_api_entry_code },
    { "program", 1u << REFERRAL_RECORD_PROGRAM,
      ngx_http_referral_api_entry_program },
    { "conversion", 1u << REFERRAL_RECORD_EVENT,
      ngx_http_referral_api_entry_event },
    { "refund", 1u << REFERRAL_RECORD_REFUND,
      ngx_http_referral_api_entry_refund },
    { "decision", 1u << REFERRAL_RECORD_DECISION,
      ngx_http_referral_api_entry_decision },
    { "rules", 1u << REFERRAL_RECORD_RULES,
      ngx_http_referral_api_entry_rules },
    { "hold", 1u << REFERRAL_RECORD_TICK, NULL },
    { "reward", ngx_http_referral_api_note_bit(REFERRAL_NOTE_REWARD),
      ngx_http_referral_api_entry_reward },
    { "status", ngx_http_referral_api_note_bit(REFERRAL_NOTE_EVENT),
      ngx_http_referral_api_entry_status },
    { "tier", ngx_http_referral_api_note_bit(REFERRAL_NOTE_TIER),
      ngx_http_referral_api_entry_tier },
    { NULL, 0, NULL }
};


unsigned
ngx_http_referral_api_entry_bit(referral_str_t name)
{
    const ngx_http_referral_api_entry_t  *e;

    for (e = ngx_http_referral_api_entries; e->name != NULL; e++) {
        if (ngx_strlen(e->name) == name.len
            && ngx_memcmp(e->name, name.data, name.len) == 0)
        {
            break;
        }
    }

    return e->bit;
}


const char *
ngx_http_referral_api_source_name(unsigned source)
{
    static const char *const  sources[] = { "api", "header", "import" };

    return sources[ngx_min(source, REFERRAL_SOURCE_IMPORT)];
}


unsigned
ngx_http_referral_api_entry_type(const referral_entry_t *entry)
{
    if (entry->type == REFERRAL_RECORD_NOTE) {
        return ngx_http_referral_api_note_bit(entry->record->u.note.kind);
    }

    return 1u << entry->type;
}


static const ngx_http_referral_api_entry_t *
ngx_http_referral_api_entry_find(unsigned bit)
{
    const ngx_http_referral_api_entry_t  *e;

    for (e = ngx_http_referral_api_entries; e->name != NULL; e++) {
        if (e->bit == bit) {
            break;
        }
    }

    return e;
}


void
ngx_http_referral_api_entry_json(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    const ngx_http_referral_api_entry_t  *e;

    e = ngx_http_referral_api_entry_find(
            ngx_http_referral_api_entry_type(entry));

    ngx_http_referral_json_open(out, NULL, "{");
    ngx_http_referral_json_uint(out, "seq", entry->seq);
    ngx_http_referral_json_time(out, "time", entry->time);
    ngx_http_referral_json_text(out, "type", e->name ? e->name : "other");

    if (e->handler != NULL) {
        e->handler(out, entry);
    }

    ngx_http_referral_json_close(out, "}");
}


static void
ngx_http_referral_api_entry_click(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    const referral_click_info_t  *click;

    click = entry->click;

    ngx_http_referral_api_click_id_json(out, click->id);
    ngx_http_referral_json_str_or_null(out, "code", click->code);
    ngx_http_referral_json_text(out, "class",
                                referral_class_name(click->class));
    ngx_http_referral_json_text(out, "why", referral_why_name(click->why));
    ngx_http_referral_json_bool(out, "unique", click->unique);
    ngx_http_referral_json_str_or_null(out, "channel", click->channel);
    ngx_http_referral_json_str_or_null(out, "landing", click->landing);
}


/* A change has the members that it sets. */

static void
ngx_http_referral_api_entry_code(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    const referral_code_change_t  *code;

    code = &entry->record->u.code;

    ngx_http_referral_json_str(out, "code", code->code);

    if (code->set & REFERRAL_SET_OWNER) {
        ngx_http_referral_json_str_or_null(out, "owner", code->owner);
    }

    if (code->set & REFERRAL_SET_KIND) {
        ngx_http_referral_json_text(out, "kind",
                                    code->kind == REFERRAL_KIND_PARTNER
                                    ? "partner" : "customer");
    }

    if (code->set & REFERRAL_SET_NAME) {
        ngx_http_referral_json_str_or_null(out, "name", code->name);
    }

    if (code->set & REFERRAL_SET_LANDING) {
        ngx_http_referral_json_str_or_null(out, "landing", code->landing);
    }

    if (code->set & REFERRAL_SET_STATUS) {
        ngx_http_referral_json_text(out, "status",
                              ngx_http_referral_api_code_status(code->status));
    }
}


static void
ngx_http_referral_api_entry_program(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    ngx_http_referral_json_str(out, "name", entry->record->u.program.name);
    ngx_http_referral_json_bool(out, "case_sensitive",
                                entry->record->u.program.case_sensitive);
}


static void
ngx_http_referral_api_entry_event(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    ngx_uint_t               amount;
    const referral_event_t  *event;

    event = &entry->record->u.event;
    amount = event->flags & REFERRAL_EVENT_AMOUNT;

    ngx_http_referral_json_str(out, "order_id", event->order_id);
    ngx_http_referral_json_str(out, "event", event->event);
    ngx_http_referral_api_money_json(out, "amount", amount, event->amount);
    ngx_http_referral_api_currency_json(out, amount, event->currency);
    ngx_http_referral_json_str_or_null(out, "customer_id", event->customer);
    ngx_http_referral_json_text(out, "source",
                          ngx_http_referral_api_source_name(event->source));
    ngx_http_referral_json_time(out, "occurred_at", event->occurred);
}


static void
ngx_http_referral_api_entry_refund(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    ngx_uint_t                whole;
    const referral_refund_t  *refund;

    refund = &entry->record->u.refund;
    whole = refund->flags & REFERRAL_REFUND_WHOLE;

    ngx_http_referral_json_str(out, "order_id", refund->order_id);
    ngx_http_referral_json_str(out, "refund_id", refund->refund_id);
    ngx_http_referral_json_bool(out, "whole", whole);
    ngx_http_referral_api_money_json(out, "amount", entry->amount != 0,
                                     entry->amount);
    ngx_http_referral_api_currency_json(out, entry->currency != 0,
                                        entry->currency);
    ngx_http_referral_json_str_or_null(out, "reason", refund->reason);
}


static void
ngx_http_referral_api_entry_decision(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    const referral_decision_t  *decision;

    static const char *const  decisions[] = { "approve", "claim", "void" };

    decision = &entry->record->u.decision;

    ngx_http_referral_json_text(out, "decision",
                                decisions[ngx_min(decision->what, 2)]);

    if (decision->reward) {
        ngx_http_referral_json_id(out, "reward", decision->reward);

    } else {
        ngx_http_referral_json_null(out, "reward");
    }

    ngx_http_referral_json_str_or_null(out, "order_id", decision->order_id);
    ngx_http_referral_json_str_or_null(out, "reason", decision->reason);
}


static void
ngx_http_referral_api_entry_rules(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    referral_str_t    bytes;
    referral_rules_t  rules;

    bytes = entry->record->u.rules.rules;

    if (referral_rules_decode(bytes.data, bytes.len, &rules) != 0) {
        return;
    }

    ngx_http_referral_api_names(out, "events", &rules.events[0].name,
                                sizeof(rules.events[0]), rules.nevents);
    ngx_http_referral_api_names(out, "tiers", &rules.tiers[0].name,
                                sizeof(rules.tiers[0]), rules.ntiers);
    ngx_http_referral_api_names(out, "rewards", &rules.rewards[0].name,
                                sizeof(rules.rewards[0]), rules.nrewards);
    ngx_http_referral_api_names(out, "contests", &rules.contests[0].name,
                                sizeof(rules.contests[0]), rules.ncontests);
}


static void
ngx_http_referral_api_names(ngx_http_referral_out_t *out, const char *key,
    const void *first, size_t size, unsigned n)
{
    unsigned         i;
    referral_str_t   name;

    ngx_http_referral_json_open(out, key, "[");

    for (i = 0; i < n; i++) {
        ngx_memcpy(&name, (const u_char *) first + i * size, sizeof(name));
        ngx_http_referral_json_str(out, NULL, name);
    }

    ngx_http_referral_json_close(out, "]");
}


static void
ngx_http_referral_api_entry_reward(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    const referral_note_t  *note;

    note = &entry->record->u.note;

    ngx_http_referral_json_id(out, "id", note->id);
    ngx_http_referral_json_str(out, "name", note->before);
    ngx_http_referral_json_str_or_null(out, "code", entry->code);
    ngx_http_referral_json_str_or_null(out, "order_id", note->after);

    if (note->from == REFERRAL_REWARD_NEW) {
        ngx_http_referral_json_null(out, "from");

    } else {
        ngx_http_referral_json_text(out, "from",
                                    referral_reward_state_name(note->from));
    }

    ngx_http_referral_json_text(out, "to",
                                referral_reward_state_name(note->to));
}


static void
ngx_http_referral_api_entry_status(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    const referral_note_t  *note;

    note = &entry->record->u.note;

    ngx_http_referral_json_str(out, "order_id", note->after);
    ngx_http_referral_json_str_or_null(out, "code", entry->code);

    if (note->from < REFERRAL_EVENT_STATUSES) {
        ngx_http_referral_json_text(out, "from",
                                    referral_event_status_name(note->from));

    } else {
        ngx_http_referral_json_null(out, "from");
    }

    ngx_http_referral_json_text(out, "to",
                                referral_event_status_name(note->to));
}


static void
ngx_http_referral_api_entry_tier(ngx_http_referral_out_t *out,
    const referral_entry_t *entry)
{
    const referral_note_t  *note;

    note = &entry->record->u.note;

    ngx_http_referral_json_str_or_null(out, "code", entry->code);
    ngx_http_referral_json_str_or_null(out, "from", note->before);
    ngx_http_referral_json_str_or_null(out, "to", note->after);
}
