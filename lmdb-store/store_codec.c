/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Records as bytes, in the ring and, but for clicks, in the journal.
 *
 *   type1 reply1 time8, then
 *   click:   program4 code4 class1 why1 flags1 click_id9 visitor8 before8
 *            window4 code$ channel$ landing$
 *   code:    program4 set1 kind1 status1 code$ owner$ name$ landing$
 *   program: program4 case1 name$
 *   and those of store_codec_event.c
 *
 * A string ($) is length2 and its bytes.
 */

#include "referral_word.h"
#include "store_bytes.h"


/* A click but its strings; in the bytes of a record. */

typedef struct __attribute__((packed, may_alias)) {
    uint32_t                program;
    uint32_t                code_id;
    uint8_t                 class;
    uint8_t                 why;
    uint8_t                 flags;
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];
    uint64_t                visitor;
    uint64_t                visitor_before;
    uint32_t                unique_window;
} store_click_head_t;


static unsigned
store_bad_click(const referral_click_t *click)
{
    return click->class >= REFERRAL_CLASSES || click->why >= REFERRAL_WHYS;
}


/* A zero ends the owner in the index of owners. */

static unsigned
store_bad_code(const referral_code_change_t *change)
{
    return change->code.len == 0
           || change->kind > REFERRAL_KIND_PARTNER
           || change->status > REFERRAL_STATUS_ENDED
           || (change->owner.len != 0
               && memchr(change->owner.data, '\0', change->owner.len) != NULL);
}


static void
store_encode_click(store_writer_t *w, const referral_click_t *click)
{
    store_click_head_t  *head;

    if (!store_write_fits(w, sizeof(store_click_head_t))) {
        return;
    }

    head = (store_click_head_t *) w->p;
    w->p += sizeof(store_click_head_t);

    head->program = click->program;
    head->code_id = click->code_id;
    head->class = click->class;
    head->why = click->why;
    head->flags = click->flags;
    head->visitor = click->visitor;
    head->visitor_before = click->visitor_before;
    head->unique_window = click->unique_window;
    memcpy(head->click_id, click->click_id, sizeof(head->click_id));

    store_write_str(w, click->code, REFERRAL_CODE_MAX);
    store_write_str(w, click->channel, REFERRAL_CHANNEL_MAX);
    store_write_str(w, click->landing, REFERRAL_LANDING_MAX);

    w->bad = w->bad || store_bad_click(click);
}


static void
store_decode_click_head(store_reader_t *r, referral_click_t *click)
{
    store_click_head_t  head;

    store_read(r, &head, sizeof(head));

    click->program = head.program;
    click->code_id = head.code_id;
    click->class = head.class;
    click->why = head.why;
    click->flags = head.flags;
    click->visitor = head.visitor;
    click->visitor_before = head.visitor_before;
    click->unique_window = head.unique_window;
    memcpy(click->click_id, head.click_id, sizeof(head.click_id));
}


static void
store_decode_click(store_reader_t *r, referral_click_t *click)
{
    store_decode_click_head(r, click);
    store_read_str(r, &click->code, REFERRAL_CODE_MAX);
    store_read_str(r, &click->channel, REFERRAL_CHANNEL_MAX);
    store_read_str(r, &click->landing, REFERRAL_LANDING_MAX);

    r->bad = r->bad || store_bad_click(click);
}


unsigned
store_wants_reply(const unsigned char *buf, size_t len)
{
    return len > 1 && buf[1] != 0;
}


int
store_decode_head(const unsigned char *buf, size_t len,
    referral_click_t *click, int64_t *time)
{
    store_reader_t  r;

    if (len < 2 || buf[0] != REFERRAL_RECORD_CLICK) {
        return 0;
    }

    r.p = buf + 2;
    r.end = buf + len;
    r.bad = 0;

    store_read(&r, time, sizeof(*time));
    store_decode_click_head(&r, click);

    return !r.bad;
}


static void
store_encode_code(store_writer_t *w, const referral_code_change_t *change)
{
    store_write(w, &change->program, 4);
    store_write(w, &change->set, 1);
    store_write(w, &change->kind, 1);
    store_write(w, &change->status, 1);
    store_write_str(w, change->code, REFERRAL_CODE_MAX);
    store_write_str(w, change->owner, REFERRAL_OWNER_MAX);
    store_write_str(w, change->name, REFERRAL_NAME_MAX);
    store_write_str(w, change->landing, REFERRAL_URL_MAX);

    w->bad = w->bad || store_bad_code(change);
}


static void
store_decode_code(store_reader_t *r, referral_code_change_t *change)
{
    store_read(r, &change->program, 4);
    store_read(r, &change->set, 1);
    store_read(r, &change->kind, 1);
    store_read(r, &change->status, 1);
    store_read_str(r, &change->code, REFERRAL_CODE_MAX);
    store_read_str(r, &change->owner, REFERRAL_OWNER_MAX);
    store_read_str(r, &change->name, REFERRAL_NAME_MAX);
    store_read_str(r, &change->landing, REFERRAL_URL_MAX);

    r->bad = r->bad || store_bad_code(change);
}


static void
store_encode_program(store_writer_t *w, const referral_program_t *program)
{
    store_write(w, &program->id, 4);
    store_write(w, &program->case_sensitive, 1);
    store_write_str(w, program->name, REFERRAL_PROGRAM_MAX);
}


static void
store_decode_program(store_reader_t *r, referral_program_t *program)
{
    store_read(r, &program->id, 4);
    store_read(r, &program->case_sensitive, 1);
    store_read_str(r, &program->name, REFERRAL_PROGRAM_MAX);

    r->bad |= (program->name.len == 0);
}


size_t
store_encode(const referral_record_t *record, unsigned char *buf)
{
    store_writer_t  w;

    w.p = buf;
    w.end = buf + STORE_RECORD_MAX;
    w.bad = 0;

    store_write(&w, &record->type, 1);
    store_write(&w, &record->reply, 1);
    store_write(&w, &record->time, 8);

    switch (record->type) {

    case REFERRAL_RECORD_CLICK:
        store_encode_click(&w, &record->u.click);
        break;

    case REFERRAL_RECORD_CODE:
        store_encode_code(&w, &record->u.code);
        break;

    case REFERRAL_RECORD_PROGRAM:
        store_encode_program(&w, &record->u.program);
        break;

    default:
        store_encode_event(&w, record);
    }

    return (w.bad || store_bad_time(record->time)) ? 0
                                                   : (size_t) (w.p - buf);
}


int
store_decode(const unsigned char *buf, size_t len, referral_record_t *record)
{
    store_reader_t  r;

    r.p = buf;
    r.end = buf + len;
    r.bad = 0;

    store_read(&r, &record->type, 1);
    store_read(&r, &record->reply, 1);
    store_read(&r, &record->time, 8);

    /* of a click nothing is left out */

    if (record->type != REFERRAL_RECORD_CLICK) {
        memset(&record->u, 0, sizeof(record->u));
    }

    switch (record->type) {

    case REFERRAL_RECORD_CLICK:
        store_decode_click(&r, &record->u.click);
        break;

    case REFERRAL_RECORD_CODE:
        store_decode_code(&r, &record->u.code);
        break;

    case REFERRAL_RECORD_PROGRAM:
        store_decode_program(&r, &record->u.program);
        break;

    default:
        store_decode_event(&r, record);
    }

    return (r.bad || r.p != r.end || store_bad_time(record->time)) ? -1 : 0;
}


/*
 * Finds torn and stale frames, not forged ones: whoever can write the files
 * can write the store.  The generation is in it because numbers come again
 * after a restore or a torn log, where old frames may still stand.
 */

uint32_t
store_check(uint64_t generation, uint64_t seq, const void *data, size_t len)
{
    uint64_t  h;

    h = (seq + len) * 0x9e3779b97f4a7c15u;
    h = (h ^ generation) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;

    return (uint32_t) referral_word_mix(h, data, len);
}
