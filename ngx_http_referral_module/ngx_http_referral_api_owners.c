/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * All that is known of one person.  Orders have no index by customer: those of
 * the program are gone through, some hundreds in a turn of the event loop.
 */

#include "ngx_http_referral_api_export.h"


#define NGX_HTTP_REFERRAL_OWNER_BLOCK  (128 * 1024)
#define NGX_HTTP_REFERRAL_OWNER_MAX    (16 * 1024 * 1024)
#define NGX_HTTP_REFERRAL_OWNER_TAIL   256      /* kept for brackets,
                                                           and null */


typedef struct {
    ngx_http_referral_api_export_t  *export;
    referral_out_t                   out;
    referral_str_t                   owner;
    ngx_uint_t                       part;
    ngx_uint_t                       items;     /* of this chunk */
    size_t                           size;      /* of the block */
    unsigned                         comma;     /* before the item */
    unsigned                         full:1;
    unsigned                         inside:1;  /* an item */
} ngx_http_referral_api_owner_t;

typedef struct {
    const char                      *name;
    ngx_uint_t                       list;
    referral_rc_t                  (*read)(ngx_http_referral_api_owner_t *o);
} ngx_http_referral_api_part_t;


static void ngx_http_referral_api_owner_write(referral_out_t *out,
    const void *data, size_t len);
static void ngx_http_referral_api_owner_item(
    ngx_http_referral_api_owner_t *o);
static ngx_uint_t ngx_http_referral_api_owner_item_end(
    ngx_http_referral_api_owner_t *o);
static ngx_uint_t ngx_http_referral_api_owner_grow(
    ngx_http_referral_api_owner_t *o);
static referral_rc_t ngx_http_referral_api_owner_read(
    ngx_http_referral_api_export_t *e);
static void ngx_http_referral_api_owner_begin(
    ngx_http_referral_api_owner_t *o);
static void ngx_http_referral_api_owner_open(
    ngx_http_referral_api_owner_t *o, ngx_uint_t part);
static void ngx_http_referral_api_owner_close(
    ngx_http_referral_api_owner_t *o, ngx_uint_t part);
static referral_rc_t ngx_http_referral_api_owner_codes(
    ngx_http_referral_api_owner_t *o);
static int ngx_http_referral_api_owner_code(void *data,
    const referral_code_t *code);
static referral_rc_t ngx_http_referral_api_owner_rewards(
    ngx_http_referral_api_owner_t *o);
static int ngx_http_referral_api_owner_earned(void *data,
    const referral_code_t *code);
static int ngx_http_referral_api_owner_reward(void *data,
    const referral_reward_t *reward);
static referral_rc_t ngx_http_referral_api_owner_binding(
    ngx_http_referral_api_owner_t *o);
static referral_rc_t ngx_http_referral_api_owner_events(
    ngx_http_referral_api_owner_t *o);
static int ngx_http_referral_api_owner_event(void *data,
    const referral_conversion_t *conversion);


static const ngx_http_referral_api_table_t
    ngx_http_referral_api_owner_table =
{
    "an owner", NULL, NGX_HTTP_REFERRAL_OWNER_BLOCK,
    ngx_http_referral_api_owner_read
};


static const ngx_http_referral_api_part_t  ngx_http_referral_api_parts[] = {
    { "codes", 1, ngx_http_referral_api_owner_codes },
    { "rewards", 1, ngx_http_referral_api_owner_rewards },
    { "binding", 0, ngx_http_referral_api_owner_binding },
    { "events", 1, ngx_http_referral_api_owner_events }
};

#define NGX_HTTP_REFERRAL_API_PARTS                                           \
    (sizeof(ngx_http_referral_api_parts)                                      \
     / sizeof(ngx_http_referral_api_parts[0]))


ngx_int_t
ngx_http_referral_api_owner(ngx_http_referral_api_ctx_t *api)
{
    ngx_http_referral_api_owner_t  *o;

    o = ngx_pcalloc(api->request->pool,
                    sizeof(ngx_http_referral_api_owner_t));
    if (o == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    o->owner = ngx_http_referral_str(api->id);
    o->size = NGX_HTTP_REFERRAL_OWNER_BLOCK;
    o->out.write = ngx_http_referral_api_owner_write;
    o->out.data = o;

    (void) ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
               "owner_not_found", "nothing is known of this person");

    return ngx_http_referral_api_export_json(api,
                                      &ngx_http_referral_api_owner_table, o);
}


static void
ngx_http_referral_api_owner_write(referral_out_t *out, const void *data,
    size_t len)
{
    size_t                          room;
    referral_csv_t                 *block;
    ngx_http_referral_api_owner_t  *o;

    o = out->data;
    block = &o->export->csv;
    room = block->end - block->pos;

    if (o->inside) {
        room -= ngx_min(room, NGX_HTTP_REFERRAL_OWNER_TAIL);
    }

    if (len > room) {
        o->full = 1;
        out->failed = 1;
        return;
    }

    block->pos = ngx_cpymem(block->pos, data, len);
}


static void
ngx_http_referral_api_owner_item(ngx_http_referral_api_owner_t *o)
{
    o->inside = 1;
    o->comma = o->out.comma;
    o->export->csv.row = o->export->csv.pos;
}


/* 0: there was no room, it is for the next chunk. */

static ngx_uint_t
ngx_http_referral_api_owner_item_end(ngx_http_referral_api_owner_t *o)
{
    ngx_http_referral_api_export_t  *e;

    e = o->export;
    o->inside = 0;

    if (!o->out.failed) {
        o->items++;
        e->found = 1;
        return 1;
    }

    if (!o->full || !ngx_http_referral_api_owner_grow(o)) {
        e->failed = 1;
        return 0;
    }

    e->csv.pos = e->csv.row;
    e->more = 1;

    o->full = 0;
    o->out.failed = 0;
    o->out.comma = o->comma;

    return 0;
}


/* One that does not fit an empty block needs a larger one. */

static ngx_uint_t
ngx_http_referral_api_owner_grow(ngx_http_referral_api_owner_t *o)
{
    u_char                          *block;
    ngx_http_referral_api_export_t  *e;

    e = o->export;

    if (o->items != 0) {
        return 1;
    }

    if (o->size == NGX_HTTP_REFERRAL_OWNER_MAX) {
        return 0;
    }

    block = ngx_pnalloc(e->api->request->pool, 2 * o->size);
    if (block == NULL) {
        return 0;
    }

    ngx_memcpy(block, e->csv.start, e->csv.row - e->csv.start);

    e->csv.row = block + (e->csv.row - e->csv.start);
    e->csv.start = block;
    e->block = block;
    o->size *= 2;

    return 1;
}


static referral_rc_t
ngx_http_referral_api_owner_read(ngx_http_referral_api_export_t *e)
{
    referral_rc_t                   rc;
    ngx_http_referral_api_owner_t  *o;

    o = e->data;
    o->export = e;
    o->items = 0;
    e->csv.end = e->csv.start + o->size;

    if (!e->found) {
        ngx_http_referral_api_owner_begin(o);
    }

    for ( ;; ) {
        rc = ngx_http_referral_api_parts[o->part].read(o);

        if (rc != REFERRAL_OK || e->more || e->failed) {
            return rc;
        }

        ngx_http_referral_api_owner_close(o, o->part);

        if (++o->part == NGX_HTTP_REFERRAL_API_PARTS) {
            break;
        }

        e->id = 0;
        e->after.len = 0;

        ngx_http_referral_api_owner_open(o, o->part);
    }

    referral_out_close(&o->out, "}");
    referral_out_write(&o->out, "\n", 1);

    return REFERRAL_OK;
}


/* Anew, as long as all that was read was nothing: nothing was sent of it. */

static void
ngx_http_referral_api_owner_begin(ngx_http_referral_api_owner_t *o)
{
    ngx_uint_t  i;

    o->out.comma = 0;

    referral_out_open(&o->out, NULL, "{");
    referral_out_str(&o->out, "program",
                     ngx_http_referral_str(o->export->api->program->name));
    referral_out_str(&o->out, "owner", o->owner);

    for (i = 0; i < o->part; i++) {
        ngx_http_referral_api_owner_open(o, i);

        if (!ngx_http_referral_api_parts[i].list) {
            referral_out_null(&o->out, ngx_http_referral_api_parts[i].name);
        }

        ngx_http_referral_api_owner_close(o, i);
    }

    ngx_http_referral_api_owner_open(o, o->part);
}


static void
ngx_http_referral_api_owner_open(ngx_http_referral_api_owner_t *o,
    ngx_uint_t part)
{
    const ngx_http_referral_api_part_t  *p;

    p = &ngx_http_referral_api_parts[part];

    if (p->list) {
        referral_out_open(&o->out, p->name, "[");
    }
}


static void
ngx_http_referral_api_owner_close(ngx_http_referral_api_owner_t *o,
    ngx_uint_t part)
{
    if (ngx_http_referral_api_parts[part].list) {
        referral_out_close(&o->out, "]");
    }
}


static referral_rc_t
ngx_http_referral_api_owner_codes(ngx_http_referral_api_owner_t *o)
{
    ngx_http_referral_api_export_t  *e;

    e = o->export;

    return referral_code_list(e->snap, e->program, e->after, o->owner,
                              ngx_http_referral_api_owner_code, o);
}


static int
ngx_http_referral_api_owner_code(void *data, const referral_code_t *code)
{
    ngx_http_referral_api_owner_t *o = data;

    ngx_http_referral_api_export_t  *e;

    e = o->export;

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    ngx_http_referral_api_owner_item(o);
    ngx_http_referral_api_code_json(&o->out, e->api, e->snap, code);

    if (!ngx_http_referral_api_owner_item_end(o)) {
        return 1;
    }

    ngx_http_referral_api_export_key(e, code->code);

    return 0;
}


/* Code by code: e->after is the last one that is done with. */

static referral_rc_t
ngx_http_referral_api_owner_rewards(ngx_http_referral_api_owner_t *o)
{
    ngx_http_referral_api_export_t  *e;

    e = o->export;

    return referral_code_list(e->snap, e->program, e->after, o->owner,
                              ngx_http_referral_api_owner_earned, o);
}


static int
ngx_http_referral_api_owner_earned(void *data, const referral_code_t *code)
{
    ngx_http_referral_api_owner_t *o = data;

    referral_reward_filter_t         filter;
    ngx_http_referral_api_export_t  *e;

    e = o->export;

    filter.state = -1;
    filter.to = REFERRAL_TO_REFERRER;
    filter.code_id = code->id;

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    if (referral_reward_list(e->snap, e->program, &filter, e->id,
                             ngx_http_referral_api_owner_reward, o)
        != REFERRAL_OK)
    {
        e->failed = 1;
    }

    if (e->more || e->failed) {
        return 1;
    }

    e->id = 0;
    ngx_http_referral_api_export_key(e, code->code);

    return 0;
}


static int
ngx_http_referral_api_owner_reward(void *data,
    const referral_reward_t *reward)
{
    ngx_http_referral_api_owner_t *o = data;

    if (!ngx_http_referral_api_export_next(o->export)) {
        return 1;
    }

    ngx_http_referral_api_owner_item(o);
    referral_out_own_reward(&o->out, reward);

    if (!ngx_http_referral_api_owner_item_end(o)) {
        return 1;
    }

    o->export->id = reward->id;

    return 0;
}


static referral_rc_t
ngx_http_referral_api_owner_binding(ngx_http_referral_api_owner_t *o)
{
    referral_rc_t                    rc;
    referral_binding_t               binding;
    ngx_http_referral_api_export_t  *e;

    e = o->export;

    rc = referral_binding_get(e->snap, e->program, o->owner, &binding);

    if (rc == REFERRAL_NOT_FOUND) {
        referral_out_null(&o->out, "binding");
        return REFERRAL_OK;
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    ngx_http_referral_api_owner_item(o);

    referral_out_open(&o->out, "binding", "{");
    referral_out_str(&o->out, "code", binding.code);
    referral_out_time(&o->out, "from", binding.from);
    referral_out_time(&o->out, "until", binding.until);
    referral_out_close(&o->out, "}");

    (void) ngx_http_referral_api_owner_item_end(o);

    return REFERRAL_OK;
}


static referral_rc_t
ngx_http_referral_api_owner_events(ngx_http_referral_api_owner_t *o)
{
    ngx_http_referral_api_export_t  *e;

    e = o->export;

    return referral_conversion_list(e->snap, e->program, e->after,
                                    ngx_http_referral_api_owner_event, o);
}


static int
ngx_http_referral_api_owner_event(void *data,
    const referral_conversion_t *conversion)
{
    ngx_http_referral_api_owner_t *o = data;

    ngx_http_referral_api_export_t  *e;

    e = o->export;

    if (!ngx_http_referral_api_export_next(e)) {
        return 1;
    }

    if (conversion->customer.len == o->owner.len
        && ngx_memcmp(conversion->customer.data, o->owner.data, o->owner.len)
           == 0)
    {
        ngx_http_referral_api_owner_item(o);
        referral_out_own_conversion(&o->out, e->snap, e->program, conversion);

        if (!ngx_http_referral_api_owner_item_end(o)) {
            return 1;
        }
    }

    ngx_http_referral_api_export_key(e, conversion->order_id);

    return 0;
}
