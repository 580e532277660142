/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static ngx_uint_t ngx_http_referral_api_path_id(ngx_http_request_t *r,
    ngx_str_t *tail, ngx_str_t *rest, ngx_str_t *id);
static ngx_uint_t ngx_http_referral_api_path_same(ngx_str_t *a, ngx_str_t *b);


/* A rewrite in the location may have left less than its prefix. */

void
ngx_http_referral_api_path(ngx_http_request_t *r, ngx_str_t *path)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    path->len = r->uri.len - ngx_min(r->uri.len, clcf->name.len);
    path->data = r->uri.data + r->uri.len - path->len;
}


ngx_uint_t
ngx_http_referral_api_path_matches(ngx_http_request_t *r,
    const ngx_str_t *pattern, ngx_str_t *path, ngx_str_t *id)
{
    u_char     *star;
    size_t      head;
    ngx_str_t   tail, rest;

    star = ngx_strlchr(pattern->data, pattern->data + pattern->len, '*');

    if (star == NULL) {
        return path->len == pattern->len
               && ngx_strncmp(path->data, pattern->data, pattern->len) == 0;
    }

    head = star - pattern->data;
    tail.data = star + 1;
    tail.len = pattern->len - head - 1;

    if (path->len < pattern->len
        || ngx_strncmp(path->data, pattern->data, head) != 0
        || ngx_strncmp(path->data + path->len - tail.len, tail.data, tail.len)
           != 0)
    {
        return 0;
    }

    rest.data = path->data + head;
    rest.len = path->len - head;

    if (r->valid_unparsed_uri) {
        return ngx_http_referral_api_path_id(r, &tail, &rest, id);
    }

    id->data = rest.data;
    id->len = rest.len - tail.len;

    return ngx_strlchr(id->data, id->data + id->len, '/') == NULL;
}


/*
 * An id may hold "/", which nginx decodes and merges: it is the last segment
 * before the tail as the client wrote it.  The rest of the path, which chose
 * the location and its access rules, has to agree.
 */

static ngx_uint_t
ngx_http_referral_api_path_id(ngx_http_request_t *r, ngx_str_t *tail,
    ngx_str_t *rest, ngx_str_t *id)
{
    u_char     *p, *last, *start, *dst;
    ngx_str_t   whole;

    start = r->unparsed_uri.data;
    last = start;

    while (last < start + r->unparsed_uri.len && *last != '?'
           && *last != '#')
    {
        last++;
    }

    if ((size_t) (last - start) < tail->len
        || ngx_strncmp(last - tail->len, tail->data, tail->len) != 0)
    {
        return 0;
    }

    last -= tail->len;

    for (p = last; p > start && p[-1] != '/'; p--) { /* void */ }

    dst = ngx_pnalloc(r->pool, last - p + tail->len);
    if (dst == NULL || p == last) {
        return 0;
    }

    id->data = dst;

    ngx_unescape_uri(&dst, &p, last - p, 0);

    id->len = dst - id->data;

    whole.data = id->data;
    whole.len = ngx_cpymem(dst, tail->data, tail->len) - id->data;

    return ngx_http_referral_api_path_same(&whole, rest);
}


/* Both follow a slash; several of them are as one. */

static ngx_uint_t
ngx_http_referral_api_path_same(ngx_str_t *a, ngx_str_t *b)
{
    u_char  *p, *q, *plast, *qlast, before;

    p = a->data;
    plast = p + a->len;
    q = b->data;
    qlast = q + b->len;

    for (before = '/'; /* void */ ; before = *p++, q++) {

        while (p < plast && before == '/' && *p == '/') {
            p++;
        }

        while (q < qlast && before == '/' && *q == '/') {
            q++;
        }

        if (p == plast || q == qlast) {
            return p == plast && q == qlast;
        }

        if (*p != *q) {
            return 0;
        }
    }
}
