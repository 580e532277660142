/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a client is told: the headers of every answer that the module has to do
 * with.
 */

#include "ngx_http_referral_module.h"


static ngx_int_t ngx_http_referral_header_filter(ngx_http_request_t *r);
static void ngx_http_referral_slash(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_add_out(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_str_t *cookie);
static void ngx_http_referral_drop_out(ngx_http_request_t *r,
    ngx_http_referral_loc_conf_t *rlcf, ngx_uint_t caching);
static ngx_uint_t ngx_http_referral_not_theirs(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static ngx_uint_t ngx_http_referral_caches(ngx_str_t *key);
static ngx_uint_t ngx_http_referral_ours(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_uint_t ngx_http_referral_sets(ngx_str_t *value, ngx_str_t *name);
static u_char *ngx_http_referral_blanks(u_char *p, u_char *last);
static ngx_int_t ngx_http_referral_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_referral_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_referral_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_referral_body_filter;

    return NGX_OK;
}


/*
 * The only place that touches the headers of an answer.  Its orders are in
 * the state of the main request, so they hold for error pages as well.
 */

static ngx_int_t
ngx_http_referral_header_filter(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                      cookie;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ngx_http_referral_slash(r);

    ctx = ngx_http_referral_get_ctx(r, 0);
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (ctx == NULL && !rlcf->strip) {
        return ngx_http_next_header_filter(r);
    }

    /* a redirect has none: there the call itself would cost something */

    if (r->upstream != NULL) {
        ngx_http_referral_take_events(r);
    }

    rc = NGX_OK;
    ngx_str_null(&cookie);

    if (rlcf->program != NULL
        && ngx_http_referral_withdrawn(r, rlcf->program))
    {
        rc = ngx_http_referral_remove_cookie(r, rlcf->program, &cookie);
    }

    ctx = ngx_http_referral_get_ctx(r, 0);

    if (ctx == NULL) {
        ngx_http_referral_drop_out(r, rlcf, 0);
        return ngx_http_next_header_filter(r);
    }

    if (ctx->set_cookie.len != 0 && ctx->consent) {
        cookie = ctx->set_cookie;
    }

    /* after add_header and expires, which must not undo it */

    ngx_http_referral_drop_out(r, rlcf,
                               ctx->cache.len != 0 || cookie.len != 0);

    if (rc != NGX_OK || ngx_http_referral_add_out(r, ctx, &cookie) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * nginx makes an absolute URL of where it redirects to, and the host in it is
 * what the client said; the page of a location only lacks its slash.
 */

static void
ngx_http_referral_slash(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (r->headers_out.status != NGX_HTTP_MOVED_PERMANENTLY
        || r->headers_out.location == NULL)
    {
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (ngx_http_referral_answers(clcf->handler)) {
        r->headers_out.location = NULL;
    }
}


static ngx_int_t
ngx_http_referral_add_out(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_str_t *cookie)
{
    ngx_str_t  *cache;

    static ngx_str_t  private = ngx_string("private, no-store");
    static ngx_str_t  robots = ngx_string("noindex, nofollow");

    cache = ctx->cache.len ? &ctx->cache : cookie->len ? &private : NULL;

    if ((cookie->len != 0
         && ngx_http_referral_push_out(r, "Set-Cookie", cookie) == NULL)
        || (cache != NULL
            && ngx_http_referral_push_out(r, "Cache-Control", cache) == NULL)
        || (ctx->noindex
            && ngx_http_referral_push_out(r, "X-Robots-Tag", &robots)
               == NULL))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * What the storefront may not say: our own cookie, an event to the client,
 * and how to cache what must not be.
 */

static void
ngx_http_referral_drop_out(ngx_http_request_t *r,
    ngx_http_referral_loc_conf_t *rlcf, ngx_uint_t caching)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (!rlcf->strip && !caching) {
        return;
    }

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0) {
                continue;
            }

            if (caching && ngx_http_referral_caches(&h[i].key)) {
                h[i].hash = 0;
                continue;
            }

            if (rlcf->strip && ngx_http_referral_not_theirs(r, &h[i])) {
                h[i].hash = 0;
            }
        }
    }
}


/* Few begin like either. */

static ngx_uint_t
ngx_http_referral_not_theirs(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    u_char  ch;

    ch = (h->key.len != 0) ? h->key.data[0] | 0x20 : 0;

    if (ch == 'x') {
        return ngx_http_referral_named(&h->key, "x-referral-event", 0);
    }

    return ch == 's' && ngx_http_referral_named(&h->key, "set-cookie", 0)
           && ngx_http_referral_ours(r, &h->value);
}


/*
 * How long to keep an answer, in the words of browsers and proxies, RFC 9213
 * and what content delivery networks had before it, with their own names.
 */

static ngx_uint_t
ngx_http_referral_caches(ngx_str_t *key)
{
    u_char             ch;
    ngx_str_t          tail;
    ngx_uint_t         i;
    const char        *name;
    static const char *const  names[] = {
        "cache-control", "expires", "surrogate-control", "edge-control",
        "cdn-cache-control", NULL
    };

    /* all of them end like that */

    ch = (key->len != 0) ? key->data[key->len - 1] | 0x20 : 0;

    if (ch != 'l' && ch != 's') {
        return 0;
    }

    for (i = 0; names[i] != NULL; i++) {
        if (ngx_http_referral_named(key, names[i], 0)) {
            return 1;
        }
    }

    name = "-cdn-cache-control";

    if (key->len <= ngx_strlen(name)) {
        return 0;
    }

    tail.len = ngx_strlen(name);
    tail.data = key->data + key->len - tail.len;

    return ngx_http_referral_named(&tail, name, 0);
}


/* Of any program: a storefront may be asked on behalf of several. */

static ngx_uint_t
ngx_http_referral_ours(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_uint_t                       i;
    ngx_http_referral_program_t    **program;
    ngx_http_referral_main_conf_t   *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);
    program = rmcf->programs.elts;

    for (i = 0; i < rmcf->programs.nelts; i++) {
        if (ngx_http_referral_sets(value, &program[i]->cookie.name)
            || ngx_http_referral_sets(value, &program[i]->cookie.plain_name))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Is it a Set-Cookie of that name; names are told apart by case.  A browser
 * sends "=name=value", a cookie without a name, back as "name=value".
 */

static ngx_uint_t
ngx_http_referral_sets(ngx_str_t *value, ngx_str_t *name)
{
    u_char  *p, *last;

    p = value->data;
    last = p + value->len;

    p = ngx_http_referral_blanks(p, last);

    if (p < last && *p == '=') {
        p = ngx_http_referral_blanks(p + 1, last);
    }

    if ((size_t) (last - p) < name->len
        || ngx_strncmp(p, name->data, name->len) != 0)
    {
        return 0;
    }

    p = ngx_http_referral_blanks(p + name->len, last);

    return p < last && *p == '=';
}


static u_char *
ngx_http_referral_blanks(u_char *p, u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}


/*
 * gRPC says how a call went behind the body, and its storefront may take that
 * place for headers.
 */

static ngx_int_t
ngx_http_referral_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_uint_t                     i;
    ngx_list_part_t               *part;
    ngx_table_elt_t               *h;
    ngx_http_referral_loc_conf_t  *rlcf;

    part = &r->headers_out.trailers.part;

    if (r != r->main || part->nelts == 0) {
        return ngx_http_next_body_filter(r, in);
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    for ( /* void */ ; part != NULL && rlcf->strip; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_referral_named(&h[i].key, "x-referral-event", 0)) {
                h[i].hash = 0;
            }
        }
    }

    return ngx_http_next_body_filter(r, in);
}


ngx_table_elt_t *
ngx_http_referral_push_header(ngx_http_request_t *r, ngx_str_t name,
    const ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));
    h->hash = 1;
    h->key = name;
    h->value = *value;

    return h;
}
