/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"
#include "ngx_http_referral_hit.h"


static ngx_uint_t ngx_http_referral_find_link(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);
static ngx_uint_t ngx_http_referral_find_param(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);
static ngx_uint_t ngx_http_referral_word(referral_str_t s, size_t max);
static referral_method_t ngx_http_referral_method(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_hit(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit);
static ngx_uint_t ngx_http_referral_status(ngx_http_referral_hit_t *hit);
static ngx_int_t ngx_http_referral_ticket_page(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit,
    referral_touch_t *touch);
static ngx_int_t ngx_http_referral_count(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit);
static void ngx_http_referral_flushed(ngx_http_request_t *r,
    ngx_http_referral_waiter_t *w, ngx_int_t rc,
    const referral_result_t *result);
static ngx_int_t ngx_http_referral_answer(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);


/*
 * Looks at a request once.  An internal redirect comes here again, but what
 * it leads to was not asked for by the visitor; a request that was denied in
 * between, and has its error page now, does not count either.
 */

ngx_int_t
ngx_http_referral_link_handler(ngx_http_request_t *r)
{
    referral_touch_t               touch;
    ngx_http_referral_hit_t        hit;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (rlcf->program == NULL
        || ngx_http_referral_answers(r->content_handler))
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_referral_get_ctx(r, 1);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    switch (ctx->link_state) {

    case NGX_HTTP_REFERRAL_LINK_WAITING:
        return NGX_AGAIN;

    case NGX_HTTP_REFERRAL_LINK_READY:
        return ngx_http_referral_answer(r, ctx);

    case NGX_HTTP_REFERRAL_LINK_DONE:
        return NGX_DECLINED;

    case NGX_HTTP_REFERRAL_LINK_NONE:
        break;
    }

    ctx->link_state = NGX_HTTP_REFERRAL_LINK_DONE;

    ngx_memzero(&hit, sizeof(ngx_http_referral_hit_t));
    hit.program = rlcf->program;
    hit.method = ngx_http_referral_method(r);

    if (!ngx_http_referral_find_link(r, &hit)
        && !ngx_http_referral_find_param(r, &hit))
    {
        return NGX_DECLINED;
    }

    if (hit.link == NULL && !hit.wellformed
        && ngx_http_referral_ticket(r, hit.program, hit.code, &touch))
    {
        return ngx_http_referral_ticket_page(r, ctx, &hit, &touch);
    }

    return ngx_http_referral_hit(r, ctx, &hit);
}


ngx_http_referral_link_t *
ngx_http_referral_match(ngx_http_referral_program_t *program, ngx_str_t *path,
    referral_str_t *code, referral_str_t *channel, ngx_log_t *log)
{
    int                        rc;
    u_char                     text[NGX_HTTP_REFERRAL_LOG_TEXT * 4];
    ngx_uint_t                 i;
    ngx_http_referral_link_t  *link;

    link = program->links.elts;

    for (i = 0; i < program->links.nelts; i++) {
        rc = referral_pattern_match(link[i].pattern,
                                    ngx_http_referral_str(*path), code,
                                    channel);
        if (rc > 0) {
            return &link[i];
        }

        if (rc < 0) {
            ngx_log_error(NGX_LOG_INFO, log, 0,
                          "link \"%V\" gave up on \"%*s\"", &link[i].regex,
                          ngx_http_referral_printable(path, text), text);
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_referral_is_link(ngx_pool_t *pool,
    ngx_http_referral_program_t *program, ngx_str_t *target, ngx_str_t *path,
    ngx_log_t *log)
{
    referral_str_t  code, channel;

    path->data = ngx_pnalloc(pool, target->len + 1);
    if (path->data == NULL) {
        return NGX_ERROR;
    }

    path->len = referral_to_path(ngx_http_referral_str(*target), path->data);

    if (path->len == 0) {
        path->data[path->len++] = '/';
    }

    return ngx_http_referral_match(program, path, &code, &channel, log) != NULL
           ? NGX_OK : NGX_DECLINED;
}


size_t
ngx_http_referral_printable(ngx_str_t *s, u_char *out)
{
    size_t   i;
    u_char  *p;

    p = out;

    for (i = 0; i < s->len && i < NGX_HTTP_REFERRAL_LOG_TEXT; i++) {
        if (s->data[i] < 0x20 || s->data[i] > 0x7e) {
            p = ngx_sprintf(p, "\\x%02Xi", (ngx_int_t) s->data[i]);

        } else {
            *p++ = s->data[i];
        }
    }

    return p - out;
}


static ngx_uint_t
ngx_http_referral_find_link(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit)
{
    if (ngx_http_referral_known(hit, ngx_http_referral_str(r->uri), 0)) {
        return 1;
    }

    hit->link = ngx_http_referral_match(hit->program, &r->uri, &hit->code,
                                        &hit->channel, r->connection->log);

    if (hit->link == NULL) {
        return 0;
    }

    hit->wellformed = ngx_http_referral_word(hit->code, REFERRAL_CODE_MAX);

    if (!ngx_http_referral_word(hit->channel, REFERRAL_CHANNEL_MAX)) {
        hit->channel.len = 0;
    }

    return 1;
}


/*
 * The query is the one the client sent, not what a rewrite made of it: it is
 * from that one that the parameter is taken away.
 */

static ngx_uint_t
ngx_http_referral_find_param(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit)
{
    u_char          *last;
    ngx_uint_t       i;
    referral_str_t   args, *params;

    if (hit->program->params.nelts == 0
        || (hit->method != REFERRAL_METHOD_GET
            && hit->method != REFERRAL_METHOD_HEAD))
    {
        return 0;
    }

    last = r->unparsed_uri.data + r->unparsed_uri.len;

    args.data = ngx_strlchr(r->unparsed_uri.data, last, '?');
    if (args.data == NULL) {
        return 0;
    }

    args.data++;
    args.len = last - args.data;
    params = hit->program->params.elts;

    for (i = 0; i < hit->program->params.nelts; i++) {
        if (referral_arg_get(args, params[i], &hit->code)) {
            hit->wellformed = ngx_http_referral_known(hit, hit->code, 1)
                              || ngx_http_referral_word(hit->code,
                                                        REFERRAL_CODE_MAX);
            return 1;
        }
    }

    return 0;
}


/* [A-Za-z0-9][A-Za-z0-9_-]*, as codes and channels are written. */

static ngx_uint_t
ngx_http_referral_word(referral_str_t s, size_t max)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < s.len; i++) {
        ch = s.data[i];

        if (((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z')
            || (ch >= '0' && ch <= '9'))
        {
            continue;
        }

        if (i == 0 || (ch != '_' && ch != '-')) {
            return 0;
        }
    }

    return s.len != 0 && s.len <= max;
}


static referral_method_t
ngx_http_referral_method(ngx_http_request_t *r)
{
    switch (r->method) {

    case NGX_HTTP_GET:
        return REFERRAL_METHOD_GET;

    case NGX_HTTP_HEAD:
        return REFERRAL_METHOD_HEAD;

    case NGX_HTTP_OPTIONS:
        return REFERRAL_METHOD_OPTIONS;

    default:
        return REFERRAL_METHOD_OTHER;
    }
}


static ngx_int_t
ngx_http_referral_hit(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_http_referral_hit_t *hit)
{
    ctx->noindex = (hit->link != NULL);
    ngx_str_set(&ctx->cache, "no-store");

    if (hit->method == REFERRAL_METHOD_OTHER) {
        ctx->status = NGX_HTTP_NOT_ALLOWED;
        return ngx_http_referral_answer(r, ctx);
    }

    if (ngx_http_referral_lookup(r, hit) != NGX_OK
        || ngx_http_referral_visitor(r, hit->program) == NULL)
    {
        return NGX_ERROR;
    }

    ngx_http_referral_velocity(r, hit);

    ctx->class = hit->class;
    ctx->status = ngx_http_referral_status(hit);

    if (ctx->status >= NGX_HTTP_SPECIAL_RESPONSE
        && ctx->status < NGX_HTTP_BAD_REQUEST)
    {
        if (ngx_http_referral_target(r, hit, &ctx->location) != NGX_OK
            || (!hit->guessing
                && ngx_http_referral_remember(r, ctx, hit) != NGX_OK))
        {
            return NGX_ERROR;
        }
    }

    if (ngx_http_referral_count(r, ctx, hit) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (ctx->status == NGX_HTTP_OK) {
        ctx->cache.len = 0;
        return NGX_DECLINED;
    }

    return ngx_http_referral_answer(r, ctx);
}


/* 200: the page is served as if no code had been there. */

static ngx_uint_t
ngx_http_referral_status(ngx_http_referral_hit_t *hit)
{
    if (hit->method == REFERRAL_METHOD_OPTIONS) {
        return NGX_HTTP_NO_CONTENT;
    }

    if (hit->guessing) {
        return hit->link ? hit->link->status : NGX_HTTP_OK;
    }

    if (hit->class == REFERRAL_CLASS_UNKNOWN
        || hit->class == REFERRAL_CLASS_INACTIVE)
    {
        return hit->link ? NGX_HTTP_NOT_FOUND : NGX_HTTP_OK;
    }

    /* a browser does not keep the answer, and asks again on the real click */

    if (hit->class == REFERRAL_CLASS_PREFETCH
        && hit->program->prefetch == NGX_HTTP_REFERRAL_PREFETCH_REFUSE)
    {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return hit->link ? hit->link->status : NGX_HTTP_MOVED_TEMPORARILY;
}


/*
 * A page with a ticket, for a click that was counted when it was made.  Who
 * has still not answered gets the page as it is.
 */

static ngx_int_t
ngx_http_referral_ticket_page(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit,
    referral_touch_t *touch)
{
    if (ngx_http_referral_visitor(r, hit->program) == NULL) {
        return NGX_ERROR;
    }

    if (ctx->unasked) {
        return NGX_DECLINED;
    }

    ngx_str_set(&ctx->cache, "no-store");
    ctx->status = NGX_HTTP_MOVED_TEMPORARILY;

    if (ctx->consent) {
        if (ngx_http_referral_ticket_take(r, ctx, hit, touch) != NGX_OK) {
            return NGX_ERROR;
        }

        if (hit->class == REFERRAL_CLASS_PREFETCH) {
            ctx->status = ngx_http_referral_status(hit);
        }
    }

    if (ctx->status == NGX_HTTP_MOVED_TEMPORARILY
        && ngx_http_referral_strip_param(r, hit, &ctx->location) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_referral_answer(r, ctx);
}


/*
 * Hands the click to the store.  NGX_AGAIN: the answer has to wait for the
 * disk.  The answer is the same whatever becomes of the click.
 */

static ngx_int_t
ngx_http_referral_count(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_http_referral_hit_t *hit)
{
    uint64_t                        seq;
    referral_record_t               record;
    ngx_http_referral_need_e        need;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    need = (rmcf->durable && ctx->location.len != 0)
           ? NGX_HTTP_REFERRAL_FLUSHED : NGX_HTTP_REFERRAL_TAKEN;

    ngx_http_referral_record(r, ctx, hit, &record);

    if (ngx_http_referral_take(&record, need, &seq) != NGX_OK
        || need == NGX_HTTP_REFERRAL_TAKEN)
    {
        return NGX_OK;
    }

    ctx->link_state = NGX_HTTP_REFERRAL_LINK_WAITING;

    if (ngx_http_referral_wait(r, &ctx->waiter, seq, need,
                               ngx_http_referral_flushed, ctx)
        != NGX_OK)
    {
        ctx->link_state = NGX_HTTP_REFERRAL_LINK_DONE;
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_UNFLUSHED, 1);
        return NGX_OK;
    }

    return NGX_AGAIN;
}


static void
ngx_http_referral_flushed(ngx_http_request_t *r, ngx_http_referral_waiter_t *w,
    ngx_int_t rc, const referral_result_t *result)
{
    ngx_http_referral_ctx_t  *ctx = w->data;

    if (rc != NGX_OK) {
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_UNFLUSHED, 1);
    }

    ctx->link_state = NGX_HTTP_REFERRAL_LINK_READY;
    r->write_event_handler(r);
}


/*
 * Only the 404 goes the way of error pages: people see it.  The header filter
 * adds what else this answer needs.
 */

static ngx_int_t
ngx_http_referral_answer(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx)
{
    ngx_int_t  rc;

    static ngx_str_t  methods = ngx_string("GET, HEAD, OPTIONS");

    ctx->link_state = NGX_HTTP_REFERRAL_LINK_DONE;

    if (ctx->status == NGX_HTTP_NOT_FOUND) {
        return NGX_HTTP_NOT_FOUND;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    /* not headers_out.location: that one is made absolute by the Host */

    if (ctx->location.len != 0
        && ngx_http_referral_push_out(r, "Location", &ctx->location) == NULL)
    {
        return NGX_ERROR;
    }

    if ((ctx->status == NGX_HTTP_NO_CONTENT
         || ctx->status == NGX_HTTP_NOT_ALLOWED)
        && ngx_http_referral_push_out(r, "Allow", &methods) == NULL)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = ctx->status;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    ngx_http_finalize_request(r, ngx_http_send_header(r));

    return NGX_DONE;
}
