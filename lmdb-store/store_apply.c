/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a record does to the store: the one door.  Deterministic: nothing
 * here asks for the time, a random number or the configuration.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_case.h"
#include "store_cells.h"


/* The next of a count kept in a cell of meta, from 1. */

static uint64_t
store_next(store_txn_t *t, unsigned char name)
{
    size_t    *size;
    uint64_t   n, *value;

    value = store_cell(t, STORE_META, &name, 1, sizeof(uint64_t), 0, &size);
    if (value == NULL) {
        return 0;
    }

    n = ++*value;
    *size = sizeof(uint64_t);

    return n;
}


/* The cell of the last place in the journal. */

static uint64_t *
store_journal_last(store_txn_t *t)
{
    size_t  *size;

    if (t->cells->journal == NULL) {
        t->cells->journal = store_cell(t, STORE_META, "J", 1,
                                       sizeof(uint64_t), 0, &size);

        if (t->cells->journal != NULL) {
            *size = sizeof(uint64_t);
        }
    }

    return t->cells->journal;
}


static uint64_t
store_journal(store_txn_t *t, const void *row, size_t size)
{
    uint64_t      *last;
    unsigned char  key[8];

    last = store_journal_last(t);
    if (last == NULL) {
        return 0;
    }

    store_be64(key, ++*last);
    store_append(t, STORE_JRNL, key, sizeof(key), row, size);

    return *last;
}


uint64_t
store_journal_record(store_txn_t *t, const referral_record_t *record)
{
    size_t         size;
    unsigned char  buf[STORE_RECORD_MAX];

    size = store_encode(record, buf);

    return store_journal(t, buf, size);
}


uint64_t
store_journal_next(store_txn_t *t)
{
    uint64_t  *last;

    last = store_journal_last(t);

    return (last != NULL) ? *last + 1 : 0;
}


void
store_put_code(store_txn_t *t, uint32_t program, const referral_code_t *code)
{
    size_t          len;
    store_code_t    head;
    unsigned char   key[STORE_KEY_MAX], id[4], value[STORE_CODE_SIZE], *p;

    memset(&head, 0, sizeof(head));

    head.version = 1;
    head.status = code->status;
    head.kind = code->kind;
    head.code_len = (uint8_t) code->code.len;
    head.owner_len = (uint8_t) code->owner.len;
    head.name_len = (uint8_t) code->name.len;
    head.landing_len = (uint16_t) code->landing.len;
    head.id = code->id;
    head.created = code->created;
    head.changed = code->changed;

    p = value;
    p = mempcpy(p, &head, sizeof(head));
    p = mempcpy(p, code->code.data, code->code.len);
    p = mempcpy(p, code->owner.data, code->owner.len);
    p = mempcpy(p, code->name.data, code->name.len);
    p = mempcpy(p, code->landing.data, code->landing.len);

    len = store_code_key(t, program, code->code, key);
    store_put(t, STORE_CODE, key, len, value, (size_t) (p - value));

    store_be32(id, code->id);
    store_put(t, STORE_CID, id, sizeof(id), key, len);
}


size_t
store_owner_key(store_txn_t *t, uint32_t program, const referral_code_t *code,
    unsigned char *key)
{
    size_t          len;
    unsigned char  *p, folded[STORE_KEY_MAX];

    len = store_code_key(t, program, code->code, folded);

    p = mempcpy(key, folded, 4);
    p = mempcpy(p, code->owner.data, code->owner.len);
    *p++ = '\0';
    p = mempcpy(p, folded + 4, len - 4);

    return (size_t) (p - key);
}


static void
store_new_code(store_txn_t *t, referral_code_t *code, referral_str_t name,
    int64_t time)
{
    memset(code, 0, sizeof(referral_code_t));

    code->id = (uint32_t) store_next(t, 'C');
    code->created = time;
    code->changed = time;
    code->code = name;
    code->owner.data = (const unsigned char *) "";
    code->name.data = (const unsigned char *) "";
    code->landing.data = (const unsigned char *) "";
}


uint32_t
store_open_code(store_txn_t *t, uint32_t program, referral_str_t name,
    int64_t time)
{
    referral_code_t    code;
    referral_record_t  record;

    memset(&record, 0, sizeof(record));

    store_new_code(t, &code, name, time);
    store_put_code(t, program, &code);

    record.type = REFERRAL_RECORD_CODE;
    record.time = time;
    record.u.code.program = program;
    record.u.code.code = name;

    (void) store_journal_record(t, &record);

    return code.id;
}


/* The code of a click that came without its number: the store was away. */

static void
store_resolve(store_txn_t *t, referral_click_t *click, int64_t time)
{
    size_t           len;
    MDB_val          v;
    referral_code_t  code;
    unsigned char    key[STORE_KEY_MAX];

    if (click->code_id != 0 || click->code.len == 0
        || click->class == REFERRAL_CLASS_UNKNOWN)
    {
        return;
    }

    len = store_code_key(t, click->program, click->code, key);

    if (store_get(t, STORE_CODE, key, len, &v)
        && store_code_parse(&v, &code) == 0)
    {
        click->code_id = code.id;

        if (code.status != REFERRAL_STATUS_ACTIVE) {
            click->class = REFERRAL_CLASS_INACTIVE;
            click->why = (code.status == REFERRAL_STATUS_ENDED)
                         ? REFERRAL_WHY_CODE_ENDED : REFERRAL_WHY_CODE_PAUSED;
        }

        return;
    }

    if (click->flags & REFERRAL_CLICK_OPEN) {
        click->code_id = store_open_code(t, click->program, click->code, time);
        return;
    }

    click->class = REFERRAL_CLASS_UNKNOWN;
    click->why = REFERRAL_WHY_NO_CODE;
}


/* An id that comes again is not one: the first click has it. */

void
store_index_click(store_txn_t *t, store_click_row_t *row, uint64_t seq)
{
    if (!referral_click_id_none(row->click_id)
        && !store_put_new(t, STORE_CLK, row->click_id, sizeof(row->click_id),
                          &seq, sizeof(seq)))
    {
        memset(row->click_id, 0, sizeof(row->click_id));
    }
}


static referral_result_t
store_apply_click(store_txn_t *t, const referral_record_t *record)
{
    referral_click_t      click;
    referral_result_t     result;
    store_click_row_t     row;

    memset(&result, 0, sizeof(result));

    click = record->u.click;
    store_resolve(t, &click, record->time);

    memset(&row, 0, sizeof(row));
    row.type = REFERRAL_RECORD_CLICK;
    row.class = click.class;
    row.why = click.why;
    row.flags = click.flags;
    row.program = click.program;
    row.code = click.code_id;
    row.channel = store_label_id(t, click.program, STORE_DIM_CHANNEL,
                                 click.channel);
    row.landing = store_label_id(t, click.program, STORE_DIM_LANDING,
                                 click.landing);
    row.time = record->time;
    row.unique = (uint8_t) store_unique(t, &click, record->time);
    memcpy(row.click_id, click.click_id, sizeof(row.click_id));

    store_count_click(t, &row);
    row.kept = (uint8_t) store_click_earns(t, &row);
    store_index_click(t, &row, store_journal_next(t));

    (void) store_journal(t, &row, sizeof(row));

    if (row.kept) {
        store_score_click(t, &row);
    }

    return result;
}


/* The code as the change leaves it. */

static void
store_change(referral_code_t *code, const referral_code_change_t *change)
{
    if (change->set & REFERRAL_SET_OWNER) {
        code->owner = change->owner;
    }

    if (change->set & REFERRAL_SET_KIND) {
        code->kind = change->kind;
    }

    if (change->set & REFERRAL_SET_NAME) {
        code->name = change->name;
    }

    if (change->set & REFERRAL_SET_LANDING) {
        code->landing = change->landing;
    }

    if (change->set & REFERRAL_SET_STATUS) {
        code->status = change->status;
    }
}


static referral_rc_t
store_may_change(const referral_code_change_t *change,
    const referral_code_t *old)
{
    int  end;

    end = (change->set & REFERRAL_SET_STATUS)
          && change->status == REFERRAL_STATUS_ENDED;

    if (old == NULL) {
        return ((change->set & REFERRAL_CODE_OLD) || end)
               ? REFERRAL_NOT_FOUND : REFERRAL_OK;
    }

    if (change->set & REFERRAL_CODE_NEW) {
        return REFERRAL_EXISTS;
    }

    return (old->status == REFERRAL_STATUS_ENDED && !end)
           ? REFERRAL_GONE : REFERRAL_OK;
}


int
store_copy_code(store_txn_t *t, uint32_t program, referral_str_t name,
    unsigned char *copy, referral_code_t *code)
{
    size_t         len;
    MDB_val        v;
    unsigned char  key[STORE_KEY_MAX];

    len = store_code_key(t, program, name, key);

    if (!store_get(t, STORE_CODE, key, len, &v)) {
        return 0;
    }

    if (v.mv_size <= STORE_CODE_SIZE) {
        memcpy(copy, v.mv_data, v.mv_size);
        v.mv_data = copy;

        if (store_code_parse(&v, code) == 0) {
            return 1;
        }
    }

    store_fail(t, MDB_CORRUPTED, "a code");

    return 0;
}


void
store_change_owner(store_txn_t *t, uint32_t program,
    const referral_code_t *old, const referral_code_t *new)
{
    size_t         len;
    unsigned char  key[STORE_KEY_MAX];

    if (old->owner.len == new->owner.len
        && memcmp(old->owner.data, new->owner.data, new->owner.len) == 0)
    {
        return;
    }

    if (old->owner.len != 0) {
        len = store_owner_key(t, program, old, key);
        store_delete(t, STORE_OWN, key, len);
    }

    if (new->owner.len != 0) {
        len = store_owner_key(t, program, new, key);
        store_put(t, STORE_OWN, key, len, "", 0);
    }
}


static referral_result_t
store_apply_code(store_txn_t *t, const referral_record_t *record)
{
    unsigned                       created;
    unsigned char                  copy[STORE_CODE_SIZE];
    referral_code_t                old, code;
    referral_result_t              result;
    const referral_code_change_t  *change;

    memset(&result, 0, sizeof(result));
    memset(&old, 0, sizeof(old));

    change = &record->u.code;
    created = !store_copy_code(t, change->program, change->code, copy, &old);
    result.rc = store_may_change(change, created ? NULL : &old);

    if (result.rc != REFERRAL_OK || t->rc != 0) {
        return result;
    }

    if (created) {
        result.created = 1;
        store_new_code(t, &old, change->code, record->time);
    }

    code = old;
    code.changed = record->time;
    store_change(&code, change);

    store_change_owner(t, change->program, &old, &code);
    store_put_code(t, change->program, &code);
    (void) store_journal_record(t, record);

    return result;
}


static referral_result_t
store_apply_program(store_txn_t *t, const referral_record_t *record)
{
    referral_result_t           result;
    store_program_row_t         row;
    const referral_program_t   *program;

    memset(&result, 0, sizeof(result));
    memset(&row, 0, sizeof(row));

    program = &record->u.program;

    row.version = 1;
    row.case_sensitive = program->case_sensitive;
    row.id = program->id;
    row.created = record->time;

    store_put(t, STORE_PROG, program->name.data, program->name.len, &row,
              sizeof(row));
    (void) store_journal_record(t, record);

    return result;
}


referral_result_t
store_apply(store_txn_t *t, const referral_record_t *record)
{
    referral_result_t  result;

    switch (record->type) {

    case REFERRAL_RECORD_CLICK:
        return store_apply_click(t, record);

    case REFERRAL_RECORD_CODE:
        return store_apply_code(t, record);

    case REFERRAL_RECORD_PROGRAM:
        return store_apply_program(t, record);

    case REFERRAL_RECORD_EVENT:
        return store_apply_event(t, record);

    case REFERRAL_RECORD_REFUND:
        return store_apply_refund(t, record);

    case REFERRAL_RECORD_DECISION:
        return store_apply_decision(t, record);

    case REFERRAL_RECORD_RULES:
        return store_apply_rules(t, record);

    case REFERRAL_RECORD_TICK:
        return store_apply_tick(t, record);

    default:
        memset(&result, 0, sizeof(result));
        result.rc = REFERRAL_INVALID;
        return result;
    }
}
