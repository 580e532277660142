/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"


static void ngx_http_referral_ask(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_program_t *program);
static void ngx_http_referral_look(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx);
static void ngx_http_referral_read_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_program_t *program);


/* Goes over the headers the client sent; NULL at the end. */

static ngx_table_elt_t *
ngx_http_referral_next_header(ngx_list_part_t **part, ngx_uint_t *i,
    const char *name, size_t len)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (*i >= (*part)->nelts) {
            if ((*part)->next == NULL) {
                return NULL;
            }

            *part = (*part)->next;
            *i = 0;
            continue;
        }

        h = (ngx_table_elt_t *) (*part)->elts + (*i)++;

        if (h->key.len == len && ngx_memcmp(h->lowcase_key, name, len) == 0) {
            return h;
        }
    }
}


referral_str_t
ngx_http_referral_header(ngx_http_request_t *r, const char *name, size_t len)
{
    ngx_uint_t        i;
    referral_str_t    value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    part = &r->main->headers_in.headers.part;
    h = ngx_http_referral_next_header(&part, &i, name, len);

    value.len = 0;
    value.data = (const u_char *) "";

    return (h != NULL) ? ngx_http_referral_str(h->value) : value;
}


ngx_uint_t
ngx_http_referral_header_lines(ngx_http_request_t *r, const char *name,
    size_t len, ngx_str_t *value)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    i = 0;
    n = 0;
    part = &r->main->headers_in.headers.part;
    ngx_str_null(value);

    while ((h = ngx_http_referral_next_header(&part, &i, name, len)) != NULL) {
        *value = h->value;
        n++;
    }

    return n;
}


/*
 * Asked once per location, as an internal redirect may lead to one that asks
 * something else.
 */

static ngx_inline void
ngx_http_referral_consent(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_http_referral_program_t *program)
{
    if (ctx->program != program
        || ctx->conf != ngx_http_get_module_loc_conf(r,
                                                     ngx_http_referral_module))
    {
        ngx_http_referral_ask(r, ctx, program);
    }
}


ngx_http_referral_ctx_t *
ngx_http_referral_visitor(ngx_http_request_t *r,
    ngx_http_referral_program_t *program)
{
    ngx_http_referral_ctx_t  *ctx;

    ctx = ngx_http_referral_get_ctx(r, 1);
    if (ctx == NULL) {
        return NULL;
    }

    ngx_http_referral_consent(r, ctx, program);

    if (ctx->cookies && ctx->consent && !ctx->cookie_read) {
        ngx_http_referral_read_cookie(r, ctx, program);
    }

    /* the page, not what is asked for on its behalf, answers the visitor */

    if (ctx->consent && !ctx->ticket_read && r == r->main) {
        ctx->ticket_read = 1;

        if (ngx_http_referral_ticket_referer(r, ctx, program) != NGX_OK) {
            return NULL;
        }
    }

    return ctx;
}


/* Without consent the cookie is not looked into, only at. */

ngx_uint_t
ngx_http_referral_withdrawn(ngx_http_request_t *r,
    ngx_http_referral_program_t *program)
{
    size_t                    pos;
    ngx_uint_t                i;
    referral_str_t            name, value;
    ngx_list_part_t          *part;
    ngx_table_elt_t          *h;
    ngx_http_referral_ctx_t  *ctx;

    ctx = ngx_http_referral_get_ctx(r, 1);
    if (ctx == NULL) {
        return 0;
    }

    ngx_http_referral_consent(r, ctx, program);

    if (!ctx->cookies || ctx->consent || (ctx->unasked && ctx->conf->pass)) {
        return 0;
    }

    i = 0;
    part = &r->main->headers_in.headers.part;
    name = ngx_http_referral_str(*ngx_http_referral_cookie_name(r, program));

    while ((h = ngx_http_referral_next_header(&part, &i, "cookie", 6))
           != NULL)
    {
        pos = 0;

        if (referral_cookie_next(ngx_http_referral_str(h->value), name, &pos,
                                 &value))
        {
            return 1;
        }
    }

    return 0;
}


/* Whatever goes wrong is no consent. */

static void
ngx_http_referral_ask(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx,
    ngx_http_referral_program_t *program)
{
    ngx_str_t                      value;
    ngx_http_referral_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (ctx->program != program) {
        ctx->program = program;
        ctx->cookie = REFERRAL_COOKIE_NONE;
        ctx->cookie_read = 0;
        ctx->ticket_read = 0;
    }

    ctx->conf = conf;
    ctx->consent = 0;
    ctx->unasked = 0;

    if (!ctx->looked) {
        ngx_http_referral_look(r, ctx);
    }

    if (!program->gpc_ignore && ctx->gpc) {
        return;
    }

    if (conf->consent == NULL) {
        ctx->consent = 1;
        return;
    }

    /* while the string is made, a variable of ours in it finds no consent */

    if (ngx_http_complex_value(r, conf->consent, &value) != NGX_OK) {
        return;
    }

    ctx->unasked = (value.len == 0);
    ctx->consent = value.len > 1 || (value.len == 1 && value.data[0] != '0');
}


/* What most requests do not have, in one pass over their headers. */

static void
ngx_http_referral_look(ngx_http_request_t *r, ngx_http_referral_ctx_t *ctx)
{
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *last;

    ctx->looked = 1;

    for (part = &r->main->headers_in.headers.part;
         part != NULL;
         part = part->next)
    {
        h = part->elts;

        for (last = h + part->nelts; h < last; h++) {

            if (h->key.len == 6) {
                ctx->cookies |= (ngx_memcmp(h->lowcase_key, "cookie", 6) == 0);

            } else if (h->key.len == 7
                       && ngx_memcmp(h->lowcase_key, "sec-gpc", 7) == 0)
            {
                ctx->gpc |= referral_gpc_on(ngx_http_referral_str(h->value));
            }
        }
    }
}


/*
 * A neighbour on the domain can put cookies of the same name before ours, so
 * candidates are tried until one verifies; their number is bounded, as each
 * costs a MAC.
 */

static void
ngx_http_referral_read_cookie(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_program_t *program)
{
    size_t                          pos;
    ngx_uint_t                      i, tries;
    referral_str_t                  name, value, line;
    ngx_list_part_t                *part;
    ngx_table_elt_t                *h;
    referral_touches_t              touches;
    referral_cookie_status_t        status;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);
    name = ngx_http_referral_str(*ngx_http_referral_cookie_name(r, program));

    ctx->cookie_read = 1;

    i = 0;
    tries = 0;
    part = &r->main->headers_in.headers.part;

    while ((h = ngx_http_referral_next_header(&part, &i, "cookie", 6))
           != NULL)
    {
        pos = 0;
        line = ngx_http_referral_str(h->value);

        while (referral_cookie_next(line, name, &pos, &value)) {

            if (tries++ == REFERRAL_COOKIE_CANDIDATES) {
                goto done;
            }

            status = referral_cookie_verify(rmcf->keys,
                                     ngx_http_referral_str(program->name),
                                     value, ngx_time(), program->window,
                                     &touches);

            if (status == REFERRAL_COOKIE_VALID) {
                ctx->touches = ngx_palloc(r->pool, sizeof(touches));
                if (ctx->touches == NULL) {
                    return;
                }

                *ctx->touches = touches;
                ctx->cookie = status;
                ctx->token.len = value.len;
                ctx->token.data = (u_char *) value.data;
                return;
            }

            if (ctx->cookie != REFERRAL_COOKIE_EXPIRED) {
                ctx->cookie = status;
            }
        }
    }

done:

    if (ctx->cookie == REFERRAL_COOKIE_INVALID) {
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_COOKIE_INVALID, 1);
    }
}


referral_touches_t *
ngx_http_referral_credited(ngx_http_request_t *r)
{
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (rlcf->program == NULL) {
        return NULL;
    }

    ctx = ngx_http_referral_visitor(r, rlcf->program);

    if (ctx == NULL || !ctx->consent || ctx->cookie != REFERRAL_COOKIE_VALID) {
        return NULL;
    }

    return ctx->touches;
}


static ngx_uint_t
ngx_http_referral_secure(ngx_http_request_t *r,
    ngx_http_referral_program_t *program)
{
    if (program->cookie.secure != NGX_HTTP_REFERRAL_SECURE_AUTO) {
        return program->cookie.secure == NGX_HTTP_REFERRAL_SECURE_ON;
    }

#if (NGX_HTTP_SSL)
    return r->connection->ssl != NULL;
#else
    return 0;
#endif
}


ngx_str_t *
ngx_http_referral_cookie_name(ngx_http_request_t *r,
    ngx_http_referral_program_t *program)
{
    return ngx_http_referral_secure(r, program) ? &program->cookie.name
                                                : &program->cookie.plain_name;
}


ngx_int_t
ngx_http_referral_set_cookie(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_touches_t *touches,
    ngx_str_t *token, ngx_str_t *out)
{
    u_char                         *p;
    ngx_str_t                      *name, *attributes;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);
    name = ngx_http_referral_cookie_name(r, program);
    attributes = &program->cookie.attributes[
                                     ngx_http_referral_secure(r, program)];

    p = ngx_pnalloc(r->pool, name->len + 1 + REFERRAL_COOKIE_MAX
                             + attributes->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    p = ngx_cpymem(p, name->data, name->len);
    *p++ = '=';

    token->data = p;
    token->len = referral_cookie_write(rmcf->keys,
                                       ngx_http_referral_str(program->name),
                                       touches, p);

    if (token->len == 0) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "signing the cookie of program \"%V\" failed",
                      &program->name);
        return NGX_DECLINED;
    }

    p = ngx_cpymem(p + token->len, attributes->data, attributes->len);
    out->len = p - out->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_remove_cookie(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, ngx_str_t *out)
{
    u_char     *p;
    ngx_str_t  *name, attributes;

    name = ngx_http_referral_cookie_name(r, program);

    if (ngx_http_referral_cookie_attributes(r->pool, &program->cookie, 0,
                                     ngx_http_referral_secure(r, program),
                                     &attributes)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    out->len = name->len + 1 + attributes.len;
    out->data = ngx_pnalloc(r->pool, out->len);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(out->data, name->data, name->len);
    *p++ = '=';
    ngx_memcpy(p, attributes.data, attributes.len);

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_cookie_attributes(ngx_pool_t *pool,
    ngx_http_referral_cookie_conf_t *conf, time_t age, ngx_uint_t secure,
    ngx_str_t *out)
{
    u_char  *p;

    p = ngx_pnalloc(pool, conf->path.len + conf->domain.len + NGX_TIME_T_LEN
                          + sizeof("; Path=; Max-Age=; Domain=; Secure"
                                   "; HttpOnly; SameSite=Strict"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    p = ngx_sprintf(p, "; Path=%V; Max-Age=%T", &conf->path, age);

    if (conf->domain.len != 0) {
        p = ngx_sprintf(p, "; Domain=%V", &conf->domain);
    }

    p = ngx_sprintf(p, "%s; HttpOnly; SameSite=%s",
                    secure ? "; Secure" : "",
                    (conf->samesite == NGX_HTTP_REFERRAL_SAMESITE_STRICT)
                    ? "Strict" : "Lax");

    out->len = p - out->data;

    return NGX_OK;
}
