/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is too much at once: clicks, events, guesses.  Nothing of it is refused
 * to a visitor: networks are shared, so it is counted apart or looked at.
 */

#include "ngx_http_referral_hit.h"
#include "referral_ledger.h"


#define NGX_HTTP_REFERRAL_TOLD  60000       /* ms between the same event */


static void ngx_http_referral_guesses(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);
static ngx_uint_t ngx_http_referral_over_budget(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);
static ngx_uint_t ngx_http_referral_flood(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);
static uint64_t ngx_http_referral_program_key(ngx_http_request_t *r,
    const char *what, ngx_http_referral_program_t *program,
    const referral_str_t *code);
static ngx_uint_t ngx_http_referral_known_order(
    ngx_http_referral_program_t *program, const referral_event_t *event);
static uint64_t ngx_http_referral_order_key(
    ngx_http_referral_program_t *program, const referral_event_t *event);
static ngx_uint_t ngx_http_referral_evidence(
    ngx_http_referral_program_t *program, const referral_event_t *event,
    referral_str_t *code, u_char *copy);
static ngx_uint_t ngx_http_referral_token_code(
    ngx_http_referral_program_t *program, referral_snapshot_t *snap,
    const referral_event_t *event, referral_str_t *code);
static ngx_uint_t ngx_http_referral_bound_code(
    ngx_http_referral_program_t *program, referral_snapshot_t *snap,
    const referral_event_t *event, referral_str_t *code);
static ngx_uint_t ngx_http_referral_click_code(
    ngx_http_referral_program_t *program, referral_snapshot_t *snap,
    const referral_event_t *event, referral_str_t *code);
static ngx_uint_t ngx_http_referral_live_code(
    ngx_http_referral_program_t *program, referral_snapshot_t *snap,
    referral_str_t name, ngx_uint_t active, referral_str_t *code);


void
ngx_http_referral_velocity(ngx_http_request_t *r, ngx_http_referral_hit_t *hit)
{
    if (hit->method == REFERRAL_METHOD_OPTIONS) {
        return;
    }

    if (hit->program->velocity.unknown.n != 0) {
        ngx_http_referral_guesses(r, hit);
    }

    if (hit->class == REFERRAL_CLASS_HUMAN && ngx_http_referral_flood(r, hit))
    {
        hit->class = REFERRAL_CLASS_SUSPECT;
        hit->why = REFERRAL_WHY_VELOCITY;
    }
}


/*
 * Above its budget the answers of this network tell nothing any more; who has
 * a code there is sent to the landing as well.
 */

static void
ngx_http_referral_guesses(ngx_http_request_t *r, ngx_http_referral_hit_t *hit)
{
    if (!ngx_http_referral_over_budget(r, hit)) {
        return;
    }

    hit->guessing = 1;

    if (hit->class == REFERRAL_CLASS_HUMAN
        || hit->class == REFERRAL_CLASS_SUSPECT
        || hit->class == REFERRAL_CLASS_SELF)
    {
        hit->class = REFERRAL_CLASS_SUSPECT;
        hit->why = REFERRAL_WHY_ENUMERATION;
    }
}


/*
 * The same word again is no guess more: a campaign that has ended leads whole
 * offices here.  Words are remembered up to the budget only, so that who
 * guesses cannot fill the table with them.
 */

static ngx_uint_t
ngx_http_referral_over_budget(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit)
{
    uint64_t                    network, word;
    ngx_uint_t                  n, room;
    ngx_http_referral_limit_t  *limit;

    limit = &hit->program->velocity.unknown;
    network = ngx_http_referral_program_key(r, "unknown", hit->program, NULL);
    n = ngx_http_referral_rate(network, limit->window, 0);

    if (hit->wellformed
        && (hit->class == REFERRAL_CLASS_UNKNOWN
            || hit->class == REFERRAL_CLASS_INACTIVE))
    {
        room = (n <= limit->n);
        word = ngx_http_referral_program_key(r, "guess", hit->program,
                                             &hit->code);

        if (ngx_http_referral_rate(word, limit->window, room) == room) {
            n = ngx_http_referral_rate(network, limit->window, 1);
        }
    }

    return n > limit->n;
}


static ngx_uint_t
ngx_http_referral_flood(ngx_http_request_t *r, ngx_http_referral_hit_t *hit)
{
    uint64_t                       key;
    ngx_uint_t                     flood;
    ngx_http_referral_velocity_t  *velocity;

    flood = 0;
    velocity = &hit->program->velocity;

    if (velocity->clicks.n != 0) {
        key = ngx_http_referral_program_key(r, "clicks", hit->program, NULL);
        flood |= ngx_http_referral_rate(key, velocity->clicks.window, 1)
                 > velocity->clicks.n;
    }

    if (velocity->code_clicks.n != 0) {
        key = ngx_http_referral_program_key(NULL, "clicks", hit->program,
                                            &hit->code);
        flood |= ngx_http_referral_rate(key, velocity->code_clicks.window, 1)
                 > velocity->code_clicks.n;
    }

    return flood;
}


/* Of a network (or none), in a program, on a code (or any). */

static uint64_t
ngx_http_referral_program_key(ngx_http_request_t *r, const char *what,
    ngx_http_referral_program_t *program, const referral_str_t *code)
{
    u_char  *p, text[REFERRAL_PROGRAM_MAX + 1 + REFERRAL_CODE_MAX];

    p = ngx_cpymem(text, program->name.data, program->name.len);
    *p++ = '\0';

    if (code != NULL) {
        if (program->case_sensitive) {
            ngx_memcpy(p, code->data, code->len);

        } else {
            ngx_strlow(p, (u_char *) code->data, code->len);
        }

        p += code->len;
    }

    return ngx_http_referral_network_key(r, 0, what, text, p - text);
}


void
ngx_http_referral_velocity_event(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_event_t *event,
    ngx_http_referral_events_taken_t *taken)
{
    u_char                      copy[REFERRAL_CODE_MAX];
    ngx_int_t                   add;
    ngx_uint_t                  i, n;
    uint64_t                    keys[2];
    referral_str_t              code;
    ngx_http_referral_limit_t  *limit;

    taken->n = 0;
    limit = &program->velocity.conversions;

    if (limit->n == 0 || ngx_http_referral_known_order(program, event)) {
        return;
    }

    n = 0;

    if (ngx_http_referral_evidence(program, event, &code, copy)) {
        keys[n++] = ngx_http_referral_program_key(NULL, "events", program,
                                                  &code);
    }

    if (r != NULL) {
        keys[n++] = ngx_http_referral_program_key(r, "events", program, NULL);
    }

    if (n == 0) {
        return;
    }

    taken->order = ngx_http_referral_order_key(program, event);
    taken->window = limit->window;

    /*
     * The same told several times at once takes nothing more, but is judged:
     * else who tells everything twice would not be.
     */

    add = ngx_http_referral_rate(taken->order, NGX_HTTP_REFERRAL_TOLD, 1) == 1;

    for (i = 0; i < n; i++) {
        if (ngx_http_referral_rate(keys[i], limit->window, add) > limit->n) {
            event->flags |= REFERRAL_EVENT_VELOCITY;
        }

        if (add) {
            taken->keys[taken->n++] = keys[i];
        }
    }
}


void
ngx_http_referral_velocity_return(ngx_http_referral_events_taken_t *taken)
{
    if (taken->n != 0) {
        (void) ngx_http_referral_rate(taken->order, NGX_HTTP_REFERRAL_TOLD,
                                      -1);
    }

    while (taken->n != 0) {
        taken->n--;
        (void) ngx_http_referral_rate(taken->keys[taken->n], taken->window,
                                      -1);
    }
}


/* An order that is there already takes nothing. */

static ngx_uint_t
ngx_http_referral_known_order(ngx_http_referral_program_t *program,
    const referral_event_t *event)
{
    ngx_uint_t              known;
    referral_snapshot_t    *snap;
    referral_conversion_t   order;

    snap = ngx_http_referral_read();
    if (snap == NULL) {
        return 0;
    }

    known = referral_conversion_get(snap,
                                  ngx_http_referral_program_id(program->index),
                                  event->order_id, &order)
            == REFERRAL_OK
            && order.status != REFERRAL_EVENT_AWAITED;

    ngx_http_referral_read_end(snap);

    return known;
}


static uint64_t
ngx_http_referral_order_key(ngx_http_referral_program_t *program,
    const referral_event_t *event)
{
    u_char  *p, text[REFERRAL_PROGRAM_MAX + 1 + REFERRAL_ID_MAX];

    p = ngx_cpymem(text, program->name.data, program->name.len);
    *p++ = '\0';
    p = ngx_cpymem(p, event->order_id.data, event->order_id.len);

    return ngx_http_referral_network_key(NULL, 0, "order", text, p - text);
}


/* The code that the store will credit: what it looks at, in its order. */

static ngx_uint_t
ngx_http_referral_evidence(ngx_http_referral_program_t *program,
    const referral_event_t *event, referral_str_t *code, u_char *copy)
{
    ngx_uint_t            found;
    referral_snapshot_t  *snap;

    snap = ngx_http_referral_read();
    if (snap == NULL) {
        return 0;
    }

    found = ngx_http_referral_token_code(program, snap, event, code)
            || ngx_http_referral_bound_code(program, snap, event, code)
            || ngx_http_referral_click_code(program, snap, event, code)
            || ngx_http_referral_live_code(program, snap, event->coupon, 1,
                                           code);

    if (found) {
        ngx_memcpy(copy, code->data, code->len);
        code->data = copy;
    }

    ngx_http_referral_read_end(snap);

    return found;
}


static ngx_uint_t
ngx_http_referral_token_code(ngx_http_referral_program_t *program,
    referral_snapshot_t *snap, const referral_event_t *event,
    referral_str_t *code)
{
    referral_str_t   name;
    referral_code_t  known;

    if (event->token != REFERRAL_TOKEN_VALID) {
        return 0;
    }

    name = (program->attribution == REFERRAL_MODEL_FIRST) ? event->first.code
                                                          : event->last.code;

    if (program->open
        && referral_code_get(snap,
                             ngx_http_referral_program_id(program->index),
                             name, &known)
           == REFERRAL_NOT_FOUND)
    {
        *code = name;
        return name.len != 0 && name.len <= REFERRAL_CODE_MAX;
    }

    return ngx_http_referral_live_code(program, snap, name, 0, code);
}


static ngx_uint_t
ngx_http_referral_bound_code(ngx_http_referral_program_t *program,
    referral_snapshot_t *snap, const referral_event_t *event,
    referral_str_t *code)
{
    referral_binding_t  binding;

    return referral_binding_get(snap,
                                ngx_http_referral_program_id(program->index),
                                event->customer, &binding)
           == REFERRAL_OK
           && (int64_t) ngx_time() * 1000 < binding.until
           && ngx_http_referral_live_code(program, snap, binding.code, 0,
                                          code);
}


static ngx_uint_t
ngx_http_referral_click_code(ngx_http_referral_program_t *program,
    referral_snapshot_t *snap, const referral_event_t *event,
    referral_str_t *code)
{
    referral_click_info_t  click;

    return !referral_click_id_none(event->click_id)
           && referral_click_get(snap,
                                 ngx_http_referral_program_id(program->index),
                                 event->click_id, &click)
              == REFERRAL_OK
           && (click.class == REFERRAL_CLASS_HUMAN
               || click.class == REFERRAL_CLASS_SUSPECT
               || click.class == REFERRAL_CLASS_SELF)
           && ngx_time() - click.time / 1000 < program->window
           && ngx_http_referral_live_code(program, snap, click.code, 0, code);
}


/* A code that has not ended; one that is active, when it has to be. */

static ngx_uint_t
ngx_http_referral_live_code(ngx_http_referral_program_t *program,
    referral_snapshot_t *snap, referral_str_t name, ngx_uint_t active,
    referral_str_t *code)
{
    referral_code_t  known;

    if (name.len == 0
        || referral_code_get(snap,
                             ngx_http_referral_program_id(program->index),
                             name, &known)
           != REFERRAL_OK
        || known.status == REFERRAL_STATUS_ENDED
        || (active && known.status != REFERRAL_STATUS_ACTIVE))
    {
        return 0;
    }

    *code = known.code;

    return 1;
}
