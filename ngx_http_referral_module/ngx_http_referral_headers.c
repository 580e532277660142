/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"


static ngx_uint_t ngx_http_referral_reads(ngx_str_t *key);
static ngx_uint_t ngx_http_referral_may_read(ngx_str_t *key);
static ngx_uint_t ngx_http_referral_forged(ngx_list_t *list, ngx_uint_t *own);
static ngx_int_t ngx_http_referral_unlink(ngx_pool_t *pool, ngx_list_t *list);
static ngx_int_t ngx_http_referral_push_in(ngx_http_request_t *r,
    ngx_uint_t which, ngx_str_t *value);


/* In the order of ngx_http_referral_value_e; in lower case, then as sent. */

static struct {
    ngx_str_t   lowcase;
    ngx_str_t   key;
    ngx_uint_t  hash;           /* made on first need */
} ngx_http_referral_headers_in[] = {
    { ngx_string("x-referral-program"), ngx_string("X-Referral-Program"), 0 },
    { ngx_string("x-referral-code"), ngx_string("X-Referral-Code"), 0 },
    { ngx_string("x-referral-channel"), ngx_string("X-Referral-Channel"), 0 },
    { ngx_string("x-referral-click"), ngx_string("X-Referral-Click"), 0 },
    { ngx_string("x-referral-time"), ngx_string("X-Referral-Time"), 0 },
    { ngx_string("x-referral-first-code"),
      ngx_string("X-Referral-First-Code"), 0 },
    { ngx_string("x-referral-token"), ngx_string("X-Referral-Token"), 0 }
};


/*
 * Runs with the configuration of the server first, so that nothing reads what
 * the client sent, and again with that of the location.
 *
 * A subrequest has the headers of the main request, where they were dealt
 * with unless its location has nothing to do with referrals.
 */

ngx_int_t
ngx_http_referral_strip_handler(ngx_http_request_t *r)
{
    ngx_uint_t                     forged, own;
    ngx_http_referral_loc_conf_t  *rlcf;

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (!rlcf->strip) {
        return NGX_DECLINED;
    }

    if (r != r->main) {
        rlcf = ngx_http_get_module_loc_conf(r->main, ngx_http_referral_module);

        if (rlcf->strip) {
            return NGX_DECLINED;
        }
    }

    own = 0;
    forged = ngx_http_referral_forged(&r->headers_in.headers, &own);

    if (forged + own == 0) {
        return NGX_DECLINED;
    }

    if (forged != 0) {
        ngx_http_referral_stat_add(NGX_HTTP_REFERRAL_STAT_HEADERS_STRIPPED,
                                   forged);
    }

    return ngx_http_referral_unlink(r->pool, &r->headers_in.headers) == NGX_OK
           ? NGX_DECLINED : NGX_ERROR;
}


/*
 * What the configuration of the server has looked through needs no looking
 * again, unless a named location is entered: our own headers were added since,
 * or an error has led here before the server was asked at all.
 */

ngx_int_t
ngx_http_referral_strip_again_handler(ngx_http_request_t *r)
{
    ngx_http_core_srv_conf_t      *cscf;
    ngx_http_referral_loc_conf_t  *rlcf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    rlcf = cscf->ctx->loc_conf[ngx_http_referral_module.ctx_index];

    if (r == r->main && rlcf->strip && !r->internal) {
        return NGX_DECLINED;
    }

    return ngx_http_referral_strip_handler(r);
}


ngx_uint_t
ngx_http_referral_named(ngx_str_t *key, const char *name, ngx_uint_t prefix)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < key->len; i++) {
        ch = ngx_tolower(key->data[i]);

        if (!(ch >= 'a' && ch <= 'z') && !(ch >= '0' && ch <= '9')) {
            ch = '-';
        }

        if (name[i] == '\0') {
            return prefix && ch == '-';
        }

        if (ch != (u_char) name[i]) {
            return 0;
        }
    }

    return name[i] == '\0';
}


/*
 * Would a storefront read it as one of ours?  One that takes names as CGI has
 * them may take "HTTP_" from a client, too.
 */

static ngx_uint_t
ngx_http_referral_reads(ngx_str_t *key)
{
    ngx_str_t  name, http;

    name = *key;

    while (name.len > 5) {
        http.len = 5;
        http.data = name.data;

        if (!ngx_http_referral_named(&http, "http-", 0)) {
            break;
        }

        name.data += 5;
        name.len -= 5;
    }

    return ngx_http_referral_named(&name, "x-referral", 1);
}


/* Few begin like that; a name has the shortest one's length at least. */

static ngx_inline ngx_uint_t
ngx_http_referral_may_read(ngx_str_t *key)
{
    u_char  ch;

    if (key->len < sizeof("x-referral") - 1) {
        return 0;
    }

    ch = key->data[0] | 0x20;

    return ch == 'x' || ch == 'h';
}


/* Headers that a client sent; and those that are our own from before an
   internal redirect. */

static ngx_uint_t
ngx_http_referral_forged(ngx_list_t *list, ngx_uint_t *own)
{
    ngx_uint_t        i, n, forged;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    forged = 0;

    for (part = &list->part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_referral_may_read(&h[i].key)
                || !ngx_http_referral_reads(&h[i].key))
            {
                continue;
            }

            for (n = 0; n < NGX_HTTP_REFERRAL_VALUES; n++) {
                if (h[i].key.data == ngx_http_referral_headers_in[n].key.data)
                {
                    break;
                }
            }

            if (n == NGX_HTTP_REFERRAL_VALUES) {
                forged++;

            } else {
                (*own)++;
            }
        }
    }

    return forged;
}


/*
 * Takes headers out of the list, without moving any: headers_in points to
 * some of them.  The list becomes a chain of the runs between those that go.
 * No part of it may be empty but the first, nor may the last one be pushed
 * to, as the memory behind it belongs to others: so it counts as full.
 */

static ngx_int_t
ngx_http_referral_unlink(ngx_pool_t *pool, ngx_list_t *list)
{
    ngx_uint_t        i, n;
    ngx_list_t        old;
    ngx_list_part_t  *part, *run;
    ngx_table_elt_t  *h;

    old = *list;

    list->last = &list->part;
    list->part.nelts = 0;
    list->part.next = NULL;

    for (part = &old.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i = n + 1) {

            for (n = i; n < part->nelts; n++) {
                if (ngx_http_referral_may_read(&h[n].key)
                    && ngx_http_referral_reads(&h[n].key))
                {
                    break;
                }
            }

            if (n == i) {
                continue;
            }

            run = &list->part;

            if (run->nelts != 0) {
                run = ngx_palloc(pool, sizeof(ngx_list_part_t));
                if (run == NULL) {
                    return NGX_ERROR;
                }

                list->last->next = run;
                list->last = run;
            }

            run->elts = &h[i];
            run->nelts = n - i;
            run->next = NULL;
        }
    }

    if (list->part.nelts == 0) {
        return ngx_list_init(list, pool, 8, sizeof(ngx_table_elt_t));
    }

    list->nalloc = list->last->nelts;

    return NGX_OK;
}


/*
 * A second time here means an internal redirect: what PRECONTENT has not
 * looked at by then was denied before it, and must not become a click.
 */

ngx_int_t
ngx_http_referral_add_handler(ngx_http_request_t *r)
{
    ngx_str_t                      value;
    ngx_uint_t                     i;
    referral_touches_t            *touches;
    ngx_http_referral_ctx_t       *ctx;
    ngx_http_referral_loc_conf_t  *rlcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_module);

    if (rlcf->program == NULL) {
        return NGX_DECLINED;
    }

    /* X-Accel-Redirect: the answer of the next upstream will hide this one */

    if (r->internal) {
        ngx_http_referral_take_events(r);
    }

    ctx = ngx_http_referral_get_ctx(r, 1);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    /* the error page of a request that was denied, or that has ended */

    if (ctx->entered || r->error_page || r->err_status != 0) {
        ctx->link_state = NGX_HTTP_REFERRAL_LINK_DONE;
    }

    ctx->entered = 1;

    /* where consent is asked for, a ticket may have to become a cookie */

    if (!rlcf->headers && rlcf->consent == NULL) {
        return NGX_DECLINED;
    }

    touches = ngx_http_referral_credited(r);

    if (touches == NULL || !rlcf->headers) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_VALUES; i++) {

        if (ngx_http_referral_value(r, touches, i, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len != 0
            && ngx_http_referral_push_in(r, i, &value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_referral_push_in(ngx_http_request_t *r, ngx_uint_t which,
    ngx_str_t *value)
{
    ngx_str_t        *name;
    ngx_uint_t       *hash;
    ngx_table_elt_t  *h;

    /* HTTP/0.9 has no list; but where a cookie was, there is one */

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    name = &ngx_http_referral_headers_in[which].lowcase;
    hash = &ngx_http_referral_headers_in[which].hash;

    if (*hash == 0) {
        *hash = ngx_hash_key(name->data, name->len);
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));
    h->hash = *hash;
    h->key = ngx_http_referral_headers_in[which].key;
    h->lowcase_key = name->data;
    h->value = *value;

    return NGX_OK;
}
