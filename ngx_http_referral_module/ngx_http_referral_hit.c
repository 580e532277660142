/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_hit.h"


static const referral_str_t  ngx_http_referral_none;


static ngx_int_t ngx_http_referral_ask_store(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *customer);
static ngx_int_t ngx_http_referral_find_code(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *customer);
static ngx_int_t ngx_http_referral_copy_code(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, const referral_code_t *code);
static ngx_uint_t ngx_http_referral_person(ngx_http_referral_hit_t *hit);
static uint8_t ngx_http_referral_flags(ngx_http_referral_hit_t *hit);
static void ngx_http_referral_identify(ngx_http_referral_hit_t *hit);
static ngx_uint_t ngx_http_referral_repeat(ngx_http_referral_hit_t *hit,
    referral_touch_t *touch);


ngx_int_t
ngx_http_referral_lookup(ngx_http_request_t *r, ngx_http_referral_hit_t *hit)
{
    ngx_int_t                      rc;
    ngx_str_t                      customer;
    ngx_http_referral_loc_conf_t  *rlcf;

    hit->class = REFERRAL_CLASS_UNKNOWN;
    hit->why = REFERRAL_WHY_NO_CODE;

    if (!hit->wellformed) {
        return NGX_OK;
    }

    ngx_str_null(&customer);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    /*
     * before the snapshot, which must not outlive what a variable may do; a
     * ticket is looked up ahead of the storefront, who may have to say it
     */

    if (rlcf->customer != NULL && hit->clicked == 0
        && ngx_http_complex_value(r, rlcf->customer, &customer) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_referral_find_code(r, hit, &customer);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (rc == NGX_OK) {
        ngx_http_referral_classify(r, hit);
    }

    return rc;
}


/* NGX_DECLINED: the code is known not to be one, or not any more. */

static ngx_int_t
ngx_http_referral_find_code(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *customer)
{
    if (customer->len == 0
        && ngx_http_referral_known_code(hit, ngx_http_referral_last_id(),
                          ngx_http_referral_program_id(hit->program->index)))
    {
        return NGX_OK;
    }

    return ngx_http_referral_ask_store(r, hit, customer);
}


static ngx_int_t
ngx_http_referral_ask_store(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *customer)
{
    ngx_int_t             rc;
    uint32_t              program;
    referral_rc_t         found;
    referral_code_t       code;
    referral_snapshot_t  *snap;

    hit->open = hit->program->open;

    snap = ngx_http_referral_read();
    if (snap == NULL) {
        return NGX_OK;
    }

    rc = NGX_OK;
    program = ngx_http_referral_program_id(hit->program->index);
    found = referral_code_get(snap, program, hit->code, &code);

    if (found == REFERRAL_OK) {
        ngx_http_referral_known_keep(hit, referral_snapshot_id(snap), program,
                                     &code);

        hit->open = 0;
        rc = ngx_http_referral_copy_code(r, hit, &code);

        hit->owner = customer->len != 0 && customer->len == code.owner.len
                     && ngx_memcmp(customer->data, code.owner.data,
                                   code.owner.len) == 0;

    } else if (found == REFERRAL_NOT_FOUND) {
        rc = hit->open ? NGX_OK : NGX_DECLINED;
    }

    ngx_http_referral_read_end(snap);

    return rc;
}


static ngx_int_t
ngx_http_referral_copy_code(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, const referral_code_t *code)
{
    u_char  *p;

    hit->code_id = code->id;

    if (code->status != REFERRAL_STATUS_ACTIVE) {
        hit->class = REFERRAL_CLASS_INACTIVE;
        hit->why = (code->status == REFERRAL_STATUS_PAUSED)
                   ? REFERRAL_WHY_CODE_PAUSED : REFERRAL_WHY_CODE_ENDED;
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, code->code.len + code->landing.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, code->code.data, code->code.len);
    hit->code.len = code->code.len;
    hit->code.data = p;

    p += code->code.len;

    ngx_memcpy(p, code->landing.data, code->landing.len);
    hit->landing.len = code->landing.len;
    hit->landing.data = p;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_referral_person(ngx_http_referral_hit_t *hit)
{
    return hit->class == REFERRAL_CLASS_HUMAN
           || hit->class == REFERRAL_CLASS_SUSPECT
           || hit->class == REFERRAL_CLASS_SELF;
}


ngx_int_t
ngx_http_referral_remember(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_http_referral_hit_t *hit)
{
    ngx_int_t            rc;
    ngx_str_t            token;
    referral_touch_t     touch;
    referral_touches_t  *touches, *old;

    if (!ngx_http_referral_person(hit)) {
        return NGX_OK;
    }

    if (!ctx->consent) {
        return (ctx->unasked && ctx->conf->pass)
               ? ngx_http_referral_ticket_add(r, hit, &ctx->location) : NGX_OK;
    }

    old = (ctx->cookie == REFERRAL_COOKIE_VALID) ? ctx->touches : NULL;

    hit->repeat = old != NULL && (ngx_http_referral_repeat(hit, &old->first)
                                  || ngx_http_referral_repeat(hit, &old->last));

    touches = ngx_palloc(r->pool, sizeof(referral_touches_t));
    if (touches == NULL) {
        return NGX_ERROR;
    }

    ngx_http_referral_touch(hit, &touch);

    /* a page of the history does not undo what was clicked since */

    if (hit->clicked != 0 && old != NULL && old->last.time >= hit->clicked) {
        return NGX_OK;
    }

    if (!referral_touch_decide(old, &touch, hit->program->attribution,
                               ngx_time(), hit->program->window,
                               hit->own_site, touches))
    {
        return NGX_OK;
    }

    rc = ngx_http_referral_set_cookie(r, hit->program, touches, &token,
                                      &ctx->set_cookie);
    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    ctx->touches = touches;
    ctx->token = token;
    ctx->cookie = REFERRAL_COOKIE_VALID;

    return NGX_OK;
}


void
ngx_http_referral_touch(ngx_http_referral_hit_t *hit, referral_touch_t *touch)
{
    touch->time = hit->clicked ? hit->clicked : ngx_time();
    touch->code_len = hit->code.len;
    ngx_memcpy(touch->code, hit->code.data, hit->code.len);
    touch->channel_len = hit->channel.len;
    ngx_memcpy(touch->channel, hit->channel.data, hit->channel.len);
    touch->click_len = 0;

    if (hit->clicked == 0
        && ngx_http_referral_click_id(hit->click_id, touch->click) == NGX_OK)
    {
        touch->click_len = REFERRAL_CLICK_ID_LEN;
    }
}


static ngx_uint_t
ngx_http_referral_repeat(ngx_http_referral_hit_t *hit, referral_touch_t *touch)
{
    ngx_int_t  diff;

    if (touch->code_len != hit->code.len
        || ngx_time() - touch->time >= hit->program->unique)
    {
        return 0;
    }

    diff = hit->program->case_sensitive
           ? ngx_memcmp(touch->code, hit->code.data, hit->code.len)
           : ngx_strncasecmp(touch->code, (u_char *) hit->code.data,
                             hit->code.len);

    return diff == 0;
}


static uint8_t
ngx_http_referral_flags(ngx_http_referral_hit_t *hit)
{
    return (hit->open ? REFERRAL_CLICK_OPEN : 0)
           | (hit->repeat ? REFERRAL_CLICK_REPEAT : 0)
           | (hit->link == NULL ? REFERRAL_CLICK_PARAM : 0)
           | (hit->paid ? REFERRAL_CLICK_PAID : 0)
           | (hit->no_activation ? REFERRAL_CLICK_NO_ACTIVATION : 0);
}


/* Who gets no cookie has no id yet; the journal shows the click by one. */

static void
ngx_http_referral_identify(ngx_http_referral_hit_t *hit)
{
    u_char  text[REFERRAL_CLICK_ID_LEN];

    if (referral_click_id_none(hit->click_id)) {
        (void) ngx_http_referral_click_id(hit->click_id, text);
    }
}


void
ngx_http_referral_record(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_http_referral_hit_t *hit, referral_record_t *record)
{
    referral_click_t  *click;

    /* not cleared before: each field of a click is set here */

    record->type = REFERRAL_RECORD_CLICK;
    record->reply = 0;

    click = &record->u.click;
    click->program = ngx_http_referral_program_id(hit->program->index);
    click->class = hit->class;
    click->why = hit->why;
    click->code_id = hit->code_id;
    click->unique_window = hit->program->unique;
    click->landing = ngx_http_referral_str(hit->label);
    click->flags = ngx_http_referral_flags(hit);
    click->code = ngx_http_referral_none;
    click->channel = ngx_http_referral_none;
    click->visitor = 0;
    click->visitor_before = 0;

    /* what came with no code of ours is anybody's text */

    if (hit->class != REFERRAL_CLASS_UNKNOWN) {
        click->channel = hit->channel;

        if (hit->code_id == 0) {
            click->code = hit->code;
        }

        if (ctx->consent || !ngx_http_referral_person(hit)) {
            ngx_http_referral_identify(hit);
        }
    }

    ngx_memcpy(click->click_id, hit->click_id, REFERRAL_CLICK_ID_SIZE);

    if (ctx->consent && hit->class == REFERRAL_CLASS_HUMAN) {
        ngx_http_referral_visitor_hash(r, &hit->agent, &click->visitor,
                                       &click->visitor_before);
    }
}
