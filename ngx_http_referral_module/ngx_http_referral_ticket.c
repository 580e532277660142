/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Consent that is given after the click: the touch waits in the URL of the
 * landing, see referral_ticket.h, and becomes a cookie when it may.
 */

#include "ngx_http_referral_hit.h"
#include "referral_ticket.h"


static ngx_uint_t ngx_http_referral_navigates(ngx_http_request_t *r);
static ngx_uint_t ngx_http_referral_referer_args(ngx_http_request_t *r,
    referral_str_t *args);
static ngx_uint_t ngx_http_referral_referer_touch(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_touch_t *touch);


ngx_uint_t
ngx_http_referral_ticket(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_str_t value,
    referral_touch_t *touch)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    return referral_ticket_verify(rmcf->keys,
                                  ngx_http_referral_str(program->name), value,
                                  ngx_time(), touch);
}


ngx_int_t
ngx_http_referral_ticket_add(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *location)
{
    u_char                         *p;
    referral_str_t                  ticket, plain, *name;
    referral_touch_t                touch;
    ngx_http_referral_main_conf_t  *rmcf;
    u_char                          text[REFERRAL_COOKIE_MAX];

    rmcf = ngx_http_get_module_main_conf(r, ngx_http_referral_module);

    /* by the second, few enough click for one to be recognized */

    hit->clicked = ngx_time() - ngx_time() % REFERRAL_TICKET_STEP;
    ngx_http_referral_touch(hit, &touch);

    ticket.data = text;
    ticket.len = referral_ticket_write(rmcf->keys,
                                     ngx_http_referral_str(hit->program->name),
                                     &touch, text);

    if (ticket.len == 0) {
        ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                      "signing a ticket of program \"%V\" failed",
                      &hit->program->name);
        return NGX_OK;
    }

    name = hit->program->params.elts;

    p = ngx_pnalloc(r->pool, 2 * location->len + name->len + ticket.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* the landing itself may be the program's */

    plain.data = p;
    plain.len = referral_url_strip(ngx_http_referral_str(*location), name,
                                   hit->program->params.nelts, p);

    p += location->len;

    location->len = referral_ticket_append(plain, *name, ticket, p);
    location->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_ticket_take(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_hit_t *hit,
    referral_touch_t *touch)
{
    hit->wellformed = 1;
    hit->clicked = touch->time;
    hit->asked.len = 0;
    hit->code.len = touch->code_len;
    hit->code.data = touch->code;
    hit->channel.len = touch->channel_len;
    hit->channel.data = touch->channel;

    if (ngx_http_referral_lookup(r, hit) != NGX_OK) {
        return NGX_ERROR;
    }

    /* this page is of the shop, the one that was clicked on need not be */

    hit->own_site = 0;

    return ngx_http_referral_remember(r, ctx, hit);
}


/*
 * The banner was answered on the landing, and the visitor went on: only the
 * page it came from has the ticket.
 */

ngx_int_t
ngx_http_referral_ticket_referer(ngx_http_request_t *r,
    ngx_http_referral_ctx_t *ctx, ngx_http_referral_program_t *program)
{
    referral_touch_t         touch;
    ngx_http_referral_hit_t  hit;

    if (ctx->conf->consent == NULL || !ngx_http_referral_navigates(r)
        || !ngx_http_referral_referer_touch(r, program, &touch))
    {
        return NGX_OK;
    }

    ngx_memzero(&hit, sizeof(ngx_http_referral_hit_t));
    hit.program = program;
    hit.method = REFERRAL_METHOD_GET;

    return ngx_http_referral_ticket_take(r, ctx, &hit, &touch);
}


/* A page that a person opens, or a form that is sent; no picture in one. */

static ngx_uint_t
ngx_http_referral_navigates(ngx_http_request_t *r)
{
    referral_str_t  value;

    if (r->headers_in.referer == NULL
        || !(r->method & (NGX_HTTP_GET|NGX_HTTP_POST)))
    {
        return 0;
    }

    value = ngx_http_referral_header(r, "sec-fetch-site",
                                     sizeof("sec-fetch-site") - 1);

    if (value.len != 0 && !referral_same_origin(value)) {
        return 0;
    }

    value = ngx_http_referral_header(r, "sec-fetch-dest",
                                     sizeof("sec-fetch-dest") - 1);

    if (value.len != 0) {
        return value.len == 8 && ngx_memcmp(value.data, "document", 8) == 0;
    }

    value = ngx_http_referral_header(r, "accept", sizeof("accept") - 1);

    return ngx_strlcasestrn((u_char *) value.data,
                            (u_char *) value.data + value.len,
                            (u_char *) "text/html",
                            sizeof("text/html") - 2)
           != NULL;
}


/* The query of the Referer, when it is a page of the host that is asked. */

static ngx_uint_t
ngx_http_referral_referer_args(ngx_http_request_t *r, referral_str_t *args)
{
    u_char     *p, *last, *host;
    ngx_str_t  *server;

    server = &r->headers_in.server;
    p = r->headers_in.referer->value.data;
    last = p + r->headers_in.referer->value.len;

    host = ngx_strlchr(p, last, ':');

    if (host == NULL || last - host < 3 || host[1] != '/' || host[2] != '/') {
        return 0;
    }

    host += 3;

    if ((size_t) (last - host) <= server->len
        || ngx_strncasecmp(host, server->data, server->len) != 0)
    {
        return 0;
    }

    p = host + server->len;

    if (*p == ':') {
        do {
            p++;
        } while (p < last && *p >= '0' && *p <= '9');
    }

    if (p == last || *p != '/') {
        return 0;
    }

    p = ngx_strlchr(p, last, '?');

    if (p == NULL) {
        return 0;
    }

    args->data = p + 1;
    args->len = last - args->data;

    return 1;
}


static ngx_uint_t
ngx_http_referral_referer_touch(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, referral_touch_t *touch)
{
    ngx_uint_t       i;
    referral_str_t   args, value, *params;

    if (!ngx_http_referral_referer_args(r, &args)) {
        return 0;
    }

    params = program->params.elts;

    for (i = 0; i < program->params.nelts; i++) {

        if (referral_arg_get(args, params[i], &value)) {
            return ngx_http_referral_ticket(r, program, value, touch);
        }
    }

    return 0;
}
