/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_hit.h"


static ngx_int_t ngx_http_referral_deep_link(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *out);
static ngx_int_t ngx_http_referral_to_allowed(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, ngx_str_t *to);
static ngx_int_t ngx_http_referral_own_landing(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *out);
static ngx_int_t ngx_http_referral_merge(ngx_pool_t *pool,
    ngx_http_referral_program_t *program, ngx_str_t *destination,
    ngx_str_t *args, ngx_str_t *location, ngx_str_t *label);
static void ngx_http_referral_label(ngx_str_t *location, ngx_str_t *label);


ngx_int_t
ngx_http_referral_target(ngx_http_request_t *r, ngx_http_referral_hit_t *hit,
    ngx_str_t *location)
{
    ngx_int_t  rc;
    ngx_str_t  destination;

    if (hit->link == NULL) {
        return ngx_http_referral_strip_param(r, hit, location);
    }

    if (r->args.len == 0 && (hit->landing.len == 0 || hit->guessing)) {
        *location = hit->program->location;
        hit->label = hit->program->label;
        return NGX_OK;
    }

    rc = hit->guessing ? NGX_DECLINED
                       : ngx_http_referral_deep_link(r, hit, &destination);

    if (rc == NGX_DECLINED && !hit->guessing) {
        rc = ngx_http_referral_own_landing(r, hit, &destination);
    }

    if (rc == NGX_DECLINED) {
        destination = hit->program->landing;

    } else if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_referral_merge(r->pool, hit->program, &destination,
                                   &r->args, location, &hit->label);
}


ngx_int_t
ngx_http_referral_landing_plain(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    ngx_str_t  args = ngx_null_string;

    return ngx_http_referral_merge(cf->pool, program, &program->landing, &args,
                                   &program->location, &program->label);
}


static ngx_int_t
ngx_http_referral_merge(ngx_pool_t *pool, ngx_http_referral_program_t *program,
    ngx_str_t *destination, ngx_str_t *args, ngx_str_t *location,
    ngx_str_t *label)
{
    location->data = ngx_pnalloc(pool, destination->len + 3 * args->len + 1);
    if (location->data == NULL) {
        return NGX_ERROR;
    }

    location->len = referral_args_merge(ngx_http_referral_str(*destination),
                                        ngx_http_referral_str(*args),
                                        &program->pass, location->data);

    ngx_http_referral_label(location, label);

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_strip_param(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *location)
{
    location->data = ngx_pnalloc(r->pool, 3 * r->unparsed_uri.len + 1);
    if (location->data == NULL) {
        return NGX_ERROR;
    }

    location->len = referral_uri_strip(ngx_http_referral_str(r->unparsed_uri),
                                       hit->program->params.elts,
                                       hit->program->params.nelts,
                                       location->data);

    ngx_http_referral_label(location, &hit->label);

    return NGX_OK;
}


/* ?to=/path.  NGX_DECLINED: there is none, or none we would lead to. */

static ngx_int_t
ngx_http_referral_deep_link(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *out)
{
    u_char          *p;
    ngx_int_t        rc;
    ngx_str_t        to, *base;
    referral_str_t   raw;

    static const referral_str_t  name = { 2, (const u_char *) "to" };

    if (!hit->program->to
        || !referral_arg_get(ngx_http_referral_str(r->args), name, &raw))
    {
        return NGX_DECLINED;
    }

    base = &hit->program->base;

    p = ngx_pnalloc(r->pool, base->len + raw.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    to.data = ngx_cpymem(p, base->data, base->len);

    rc = referral_to_decode(raw, to.data, &to.len) ? NGX_OK : NGX_DECLINED;

    if (rc == NGX_OK) {
        rc = ngx_http_referral_to_allowed(r, hit->program, &to);
    }

    if (rc == NGX_DECLINED) {
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_TO_REJECTED, 1);
    }

    out->len = base->len + to.len;
    out->data = p;

    return rc;
}


static ngx_int_t
ngx_http_referral_to_allowed(ngx_http_request_t *r,
    ngx_http_referral_program_t *program, ngx_str_t *to)
{
    ngx_int_t    rc;
    ngx_str_t    path, *prefix;
    ngx_uint_t   i;

    rc = ngx_http_referral_is_link(r->pool, program, to, &path,
                                   r->connection->log);

    if (rc != NGX_DECLINED) {
        return (rc == NGX_OK) ? NGX_DECLINED : NGX_ERROR;
    }

    prefix = program->to_prefixes.elts;

    for (i = 0; i < program->to_prefixes.nelts; i++) {

        if (path.len < prefix[i].len
            || ngx_strncmp(path.data, prefix[i].data, prefix[i].len) != 0)
        {
            continue;
        }

        /* "/shop" is no prefix of "/shopping" */

        if (path.len == prefix[i].len || path.data[prefix[i].len] == '/'
            || prefix[i].data[prefix[i].len - 1] == '/')
        {
            return NGX_OK;
        }
    }

    return (program->to_prefixes.nelts == 0) ? NGX_OK : NGX_DECLINED;
}


/* The landing of the code.  NGX_DECLINED: none, or one that is a link. */

static ngx_int_t
ngx_http_referral_own_landing(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, ngx_str_t *out)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   rest, path, *base;

    if (hit->landing.len == 0) {
        return NGX_DECLINED;
    }

    base = &hit->program->base;
    *out = hit->landing;
    rest = hit->landing;

    if (out->data[0] == '/') {
        out->len += base->len;
        out->data = ngx_pnalloc(r->pool, out->len);
        if (out->data == NULL) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(out->data, base->data, base->len);
        ngx_memcpy(p, rest.data, rest.len);

    } else if (out->len > base->len
               && ngx_strncmp(out->data, base->data, base->len) == 0)
    {
        rest.len -= base->len;
        rest.data += base->len;

    } else {
        return NGX_OK;
    }

    rc = ngx_http_referral_is_link(r->pool, hit->program, &rest, &path,
                                   r->connection->log);

    return (rc == NGX_OK) ? NGX_DECLINED : (rc == NGX_DECLINED) ? NGX_OK : rc;
}


static void
ngx_http_referral_label(ngx_str_t *location, ngx_str_t *label)
{
    u_char  *p, *last;

    p = location->data;
    last = p + location->len;

    if (*p != '/') {
        p = ngx_strlchr(p, last, ':') + sizeof("//");
    }

    while (p < last && *p != '/' && *p != '?' && *p != '#') {
        p++;
    }

    label->data = p;

    while (p < last && *p != '?' && *p != '#') {
        p++;
    }

    label->len = ngx_min(p - label->data, REFERRAL_LANDING_MAX);

    if (label->len == 0) {
        ngx_str_set(label, "/");
    }
}
