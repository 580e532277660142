/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * X-Referral-Event: events that a storefront reports in its own answer.  They
 * are read from what the upstream said, not from what the client is about to
 * be told: add_header cannot make one, and an answer that leads on by
 * X-Accel-Redirect still has its own.
 */

#include "ngx_http_referral_module.h"
#include "referral_event_header.h"
#include "referral_event_json.h"

#include <openssl/rand.h>


/* An event that was taken, until the store has said what became of it. */

typedef struct {
    ngx_http_referral_waiter_t   waiter;
    ngx_http_referral_events_taken_t  taken;
    size_t                       len;
    u_char                       order_id[REFERRAL_ID_MAX];
} ngx_http_referral_taken_t;


static ngx_uint_t ngx_http_referral_from_cache(ngx_http_upstream_t *u);
static ngx_table_elt_t *ngx_http_referral_next_event(ngx_list_part_t **part,
    ngx_uint_t *i);
static void ngx_http_referral_event_header(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, ngx_str_t *value);
static void ngx_http_referral_event_take(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, json_t *object);
static void ngx_http_referral_event_customer(ngx_http_request_t *r,
    json_t *object);
static void ngx_http_referral_event_visitor(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_event_t *event);
static void ngx_http_referral_event_record(
    ngx_http_referral_program_t *program, referral_event_t *event,
    ngx_http_referral_events_taken_t *taken);
static void ngx_http_referral_event_watch(referral_event_t *event,
    uint64_t seq, ngx_http_referral_events_taken_t *taken);
static void ngx_http_referral_event_applied(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result);
static void ngx_http_referral_event_refused(referral_field_error_t *wrong,
    referral_str_t order_id);
static void ngx_http_referral_event_lost(referral_str_t order_id);
static void ngx_http_referral_event_say(const char *what,
    referral_str_t field, const char *why, referral_str_t order_id);


static const referral_str_t  ngx_http_referral_event_field = {
    sizeof("X-Referral-Event") - 1, (const u_char *) "X-Referral-Event"
};


/*
 * An internal redirect comes by here twice, with the same upstream or with
 * another one.
 */

void
ngx_http_referral_take_events(ngx_http_request_t *r)
{
    ngx_uint_t                     i;
    ngx_list_part_t               *part;
    ngx_table_elt_t               *h;
    ngx_http_upstream_t           *u;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    u = r->upstream;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (u == NULL || rlcf->program == NULL || ngx_http_referral_from_cache(u))
    {
        return;
    }

    i = 0;
    part = &u->headers_in.headers.part;
    h = ngx_http_referral_next_event(&part, &i);

    if (h == NULL) {
        return;
    }

    ctx = ngx_http_referral_get_ctx(r, 1);

    if (ctx == NULL || ctx->reported == u) {
        return;
    }

    ctx->reported = u;

    for ( /* void */ ; h != NULL; h = ngx_http_referral_next_event(&part, &i))
    {
        ngx_http_referral_event_header(r, rlcf->program, &h->value);
    }
}


static ngx_uint_t
ngx_http_referral_from_cache(ngx_http_upstream_t *u)
{
#if (NGX_HTTP_CACHE)

    switch (u->cache_status) {

    case NGX_HTTP_CACHE_STALE:
    case NGX_HTTP_CACHE_UPDATING:
    case NGX_HTTP_CACHE_REVALIDATED:
    case NGX_HTTP_CACHE_HIT:
        return 1;
    }

#endif

    return 0;
}


/* An empty one says nothing. */

static ngx_table_elt_t *
ngx_http_referral_next_event(ngx_list_part_t **part, ngx_uint_t *i)
{
    ngx_table_elt_t  *h;

    for ( /* void */ ; *part != NULL; *part = (*part)->next, *i = 0) {
        h = (*part)->elts;

        while (*i < (*part)->nelts) {
            if (h[*i].key.len == sizeof("X-Referral-Event") - 1
                && ngx_strncasecmp(h[*i].key.data,
                                   (u_char *) "X-Referral-Event",
                                   sizeof("X-Referral-Event") - 1)
                   == 0
                && h[*i].value.len != 0)
            {
                return &h[(*i)++];
            }

            (*i)++;
        }
    }

    return NULL;
}


/* All events of a header or, when there is a mistake anywhere in it, none. */

static void
ngx_http_referral_event_header(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, ngx_str_t *value)
{
    int                      rc;
    size_t                   i, n, pos;
    json_t                  *events, *object;
    referral_field_error_t   wrong;

    pos = 0;
    events = json_array();
    wrong.field = ngx_http_referral_event_field;

    do {
        rc = referral_event_header_next(ngx_http_referral_str(*value), &pos,
                                        &object, &wrong.message);

        if (json_array_append_new(events, object) != 0 && rc == 1) {
            rc = -1;
            wrong.message = "there is no memory for it";
        }

    } while (rc == 1);

    n = json_array_size(events);

    if (rc == 0 && (r->err_status >= NGX_HTTP_BAD_REQUEST
                    || r->upstream->headers_in.status_n < NGX_HTTP_OK
                    || r->upstream->headers_in.status_n
                       >= NGX_HTTP_BAD_REQUEST))
    {
        rc = -1;
        wrong.message = "it came with an error";
    }

    if (rc == -1) {
        object = json_object_get(json_array_get(events, n ? n - 1 : 0),
                                 "order_id");

        ngx_http_referral_event_refused(&wrong,
            (referral_str_t) { json_string_length(object),
                        (const u_char *) json_string_value(object) });
        n = 0;
    }

    for (i = 0; i < n; i++) {
        ngx_http_referral_event_take(r, program, json_array_get(events, i));
    }

    json_decref(events);
}


static void
ngx_http_referral_event_take(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, json_t *object)
{
    referral_event_json_t             json;
    ngx_http_referral_events_taken_t  taken;

    ngx_http_referral_event_customer(r, object);

    referral_event_json(object, &json);

    if (json.wrong.nerrors == 0) {
        referral_event_json_rules(program->rules, &json);
    }

    if (json.wrong.nerrors != 0) {
        ngx_http_referral_event_refused(&json.wrong.errors[0],
                                        json.event.order_id);
        return;
    }

    ngx_http_referral_event_visitor(r, program, &json.event);
    ngx_http_referral_velocity_event(r, program, &json.event, &taken);
    ngx_http_referral_event_record(program, &json.event, &taken);
}


/* What the storefront says of the customer comes before what nginx knows. */

static void
ngx_http_referral_event_customer(ngx_http_request_t *r, json_t *object)
{
    ngx_str_t                      value;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (rlcf->customer == NULL
        || json_object_get(object, "customer_id") != NULL
        || ngx_http_complex_value(r, rlcf->customer, &value) != NGX_OK
        || value.len == 0)
    {
        return;
    }

    (void) json_object_set_new(object, "customer_id",
                               json_stringn((char *) value.data, value.len));
}


static void
ngx_http_referral_event_visitor(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_event_t *event)
{
    ngx_http_referral_ctx_t  *ctx;

    ctx = ngx_http_referral_visitor(r, program);

    if (ctx == NULL || !ctx->consent) {
        return;
    }

    ngx_http_referral_event_token(event, ctx->cookie, ctx->touches);
}


static void
ngx_http_referral_credit(const referral_touch_t *touch,
    referral_credit_t *credit)
{
    u_char     bytes[REFERRAL_CLICK_ID_SIZE];
    ngx_str_t  src, dst;

    credit->time = touch->time;
    credit->code.len = touch->code_len;
    credit->code.data = touch->code;
    credit->channel.len = touch->channel_len;
    credit->channel.data = touch->channel;

    src.len = touch->click_len;
    src.data = (u_char *) touch->click;
    dst.data = bytes;

    if (src.len == REFERRAL_CLICK_ID_LEN
        && ngx_decode_base64url(&dst, &src) == NGX_OK)
    {
        ngx_memcpy(credit->click_id, bytes, REFERRAL_CLICK_ID_SIZE);
    }
}


void
ngx_http_referral_event_token(referral_event_t *event,
    referral_cookie_status_t status, const referral_touches_t *touches)
{
    switch (status) {

    case REFERRAL_COOKIE_VALID:
        event->token = REFERRAL_TOKEN_VALID;
        ngx_http_referral_credit(&touches->first, &event->first);
        ngx_http_referral_credit(&touches->last, &event->last);
        break;

    case REFERRAL_COOKIE_EXPIRED:
        event->token = REFERRAL_TOKEN_EXPIRED;
        break;

    case REFERRAL_COOKIE_INVALID:
        event->token = REFERRAL_TOKEN_INVALID;
        break;

    case REFERRAL_COOKIE_NONE:
        event->token = REFERRAL_TOKEN_NONE;
        break;
    }
}


ngx_int_t
ngx_http_referral_draw(uint64_t *draw)
{
    return (RAND_bytes((u_char *) draw, sizeof(uint64_t)) == 1) ? NGX_OK
                                                                : NGX_ERROR;
}


static void
ngx_http_referral_event_record(ngx_http_referral_program_t *program,
    referral_event_t *event, ngx_http_referral_events_taken_t *taken)
{
    uint64_t           seq;
    referral_record_t  record;

    event->source = REFERRAL_SOURCE_HEADER;
    event->program = ngx_http_referral_program_id(program->index);

    ngx_memzero(&record, sizeof(referral_record_t));

    record.type = REFERRAL_RECORD_EVENT;
    record.reply = 1;

    if (event->program == 0 || ngx_http_referral_draw(&event->draw) != NGX_OK)
    {
        ngx_http_referral_velocity_return(taken);
        ngx_http_referral_event_lost(event->order_id);
        return;
    }

    record.u.event = *event;

    if (ngx_http_referral_take(&record, NGX_HTTP_REFERRAL_APPLIED, &seq)
        != NGX_OK)
    {
        ngx_http_referral_velocity_return(taken);
        ngx_http_referral_event_lost(event->order_id);
        return;
    }

    ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_EVENTS_HEADER, 1);
    ngx_http_referral_event_watch(event, seq, taken);
}


/* The page does not wait for it, so it is not the request's memory. */

static void
ngx_http_referral_event_watch(referral_event_t *event, uint64_t seq,
    ngx_http_referral_events_taken_t *events)
{
    ngx_http_referral_taken_t  *taken;

    taken = ngx_alloc(sizeof(ngx_http_referral_taken_t), ngx_cycle->log);
    if (taken == NULL) {
        return;
    }

    taken->taken = *events;
    taken->len = event->order_id.len;
    ngx_memcpy(taken->order_id, event->order_id.data, taken->len);

    ngx_http_referral_watch(&taken->waiter, seq,
                            ngx_http_referral_event_applied, taken);
}


static void
ngx_http_referral_event_applied(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result)
{
    ngx_http_referral_taken_t  *taken = w->data;

    referral_field_error_t  wrong;

    if (result != NULL && result->rc != REFERRAL_OK) {

        if (result->rc != REFERRAL_CONFLICT) {
            ngx_http_referral_velocity_return(&taken->taken);
        }

        wrong.field = ngx_http_referral_event_field;
        wrong.message = (result->rc == REFERRAL_CONFLICT)
                        ? "its order was reported before with other content"
                        : "it was refused by the store";

        ngx_http_referral_event_refused(&wrong,
            (referral_str_t) { taken->len, taken->order_id });
    }

    ngx_free(taken);
}


static void
ngx_http_referral_event_refused(referral_field_error_t *wrong,
    referral_str_t order_id)
{
    ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_EVENTS_REFUSED, 1);
    ngx_http_referral_event_say("refused", wrong->field, wrong->message,
                                order_id);
}


static void
ngx_http_referral_event_lost(referral_str_t order_id)
{
    const char                  *why;
    ngx_http_referral_health_t   health;

    ngx_http_referral_health(&health);

    why = health.text[0] ? health.text
                         : health.open ? "the intake is full"
                                       : "the store is not open";

    ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_EVENTS_LOST, 1);
    ngx_http_referral_event_say("lost", ngx_http_referral_event_field, why,
                                order_id);
}


/*
 * Of a storefront's mistakes, one line a second is enough.  Not by the log of
 * the connection, which would add who the client is and what it asked for.
 */

static void
ngx_http_referral_event_say(const char *what, referral_str_t field,
    const char *why, referral_str_t order_id)
{
    u_char         text[4 * NGX_HTTP_REFERRAL_LOG_TEXT];
    ngx_str_t      id;
    static time_t  said;

    if (said == ngx_time()) {
        return;
    }

    said = ngx_time();

    id.len = order_id.len;
    id.data = (u_char *) order_id.data;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "referral: an event of a storefront was %s, order \"%*s\": "
                  "\"%*s\": %s", what,
                  ngx_http_referral_printable(&id, text), text, field.len,
                  field.data, why);
}
