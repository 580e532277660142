/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The class of a hit on a known code, from its headers and from what its
 * network did just before.
 */

#include "ngx_http_referral_hit.h"


/* What a click is classified by, in the order of the names. */

enum {
    NGX_HTTP_REFERRAL_FROM = 0,
    NGX_HTTP_REFERRAL_X_MOZ,
    NGX_HTTP_REFERRAL_ACCEPT,
    NGX_HTTP_REFERRAL_PURPOSE,
    NGX_HTTP_REFERRAL_REFERER,
    NGX_HTTP_REFERRAL_SEC_CH_UA,
    NGX_HTTP_REFERRAL_X_PURPOSE,
    NGX_HTTP_REFERRAL_X_SCANNER,
    NGX_HTTP_REFERRAL_USER_AGENT,
    NGX_HTTP_REFERRAL_SEC_PURPOSE,
    NGX_HTTP_REFERRAL_SEC_FETCH_DEST,
    NGX_HTTP_REFERRAL_SEC_FETCH_MODE,
    NGX_HTTP_REFERRAL_SEC_FETCH_SITE,
    NGX_HTTP_REFERRAL_SEC_FETCH_USER,
    NGX_HTTP_REFERRAL_ACCEPT_LANGUAGE,
    NGX_HTTP_REFERRAL_NAMES
};


/* By their length, so that a header is compared with a few of them only. */

static const ngx_str_t  ngx_http_referral_names[NGX_HTTP_REFERRAL_NAMES + 1] = {
    ngx_string("from"),
    ngx_string("x-moz"),
    ngx_string("accept"),
    ngx_string("purpose"),
    ngx_string("referer"),
    ngx_string("sec-ch-ua"),
    ngx_string("x-purpose"),
    ngx_string("x-scanner"),
    ngx_string("user-agent"),
    ngx_string("sec-purpose"),
    ngx_string("sec-fetch-dest"),
    ngx_string("sec-fetch-mode"),
    ngx_string("sec-fetch-site"),
    ngx_string("sec-fetch-user"),
    ngx_string("accept-language"),
    ngx_null_string
};

/* The first name of a length; the last one is of none. */

#define NGX_HTTP_REFERRAL_LONGEST  15

static const u_char  ngx_http_referral_first[NGX_HTTP_REFERRAL_LONGEST + 1] = {
    NGX_HTTP_REFERRAL_NAMES,
    NGX_HTTP_REFERRAL_NAMES,
    NGX_HTTP_REFERRAL_NAMES,
    NGX_HTTP_REFERRAL_NAMES,
    NGX_HTTP_REFERRAL_FROM,
    NGX_HTTP_REFERRAL_X_MOZ,
    NGX_HTTP_REFERRAL_ACCEPT,
    NGX_HTTP_REFERRAL_PURPOSE,
    NGX_HTTP_REFERRAL_NAMES,
    NGX_HTTP_REFERRAL_SEC_CH_UA,
    NGX_HTTP_REFERRAL_USER_AGENT,
    NGX_HTTP_REFERRAL_SEC_PURPOSE,
    NGX_HTTP_REFERRAL_NAMES,
    NGX_HTTP_REFERRAL_NAMES,
    NGX_HTTP_REFERRAL_SEC_FETCH_DEST,
    NGX_HTTP_REFERRAL_ACCEPT_LANGUAGE
};


/*
 * Probes of a code are counted by the second, for the seconds that a visitor
 * after them is looked at with suspicion.  One must still be one in the last
 * quarter of the window.
 */

#define NGX_HTTP_REFERRAL_BURST_SLOT    1000    /* ms */
#define NGX_HTTP_REFERRAL_BURST_SLOTS   3       /* now, and two before */
#define NGX_HTTP_REFERRAL_BURST_WINDOW  4000
#define NGX_HTTP_REFERRAL_BURST_ADD     4

/* Counts them all: while it stands at 0, nobody's network is looked at. */

#define NGX_HTTP_REFERRAL_BURST_ANY     1


static void ngx_http_referral_collect(ngx_http_request_t *r,
    referral_str_t *value);
static void ngx_http_referral_request(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit, referral_request_t *req);
static void ngx_http_referral_banned(ngx_http_referral_hit_t *hit,
    referral_str_t referer);
static void ngx_http_referral_burst(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);
static ngx_uint_t ngx_http_referral_burst_rate(uint64_t key, ngx_int_t add);
static uint64_t ngx_http_referral_burst_key(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit);


void
ngx_http_referral_classify(ngx_http_request_t *r, ngx_http_referral_hit_t *hit)
{
    referral_request_t  req;

    ngx_http_referral_request(r, hit, &req);

    hit->class = referral_classify(&req, hit->program->agents, &hit->why);

    if (hit->program->ban_referers.nelts != 0) {
        ngx_http_referral_banned(hit, req.referer);
    }

    if (hit->program->agents != NULL) {
        ngx_http_referral_burst(r, hit);
    }

    if (hit->owner && (hit->class == REFERRAL_CLASS_HUMAN
                       || hit->class == REFERRAL_CLASS_SUSPECT))
    {
        hit->class = REFERRAL_CLASS_SELF;
        hit->why = REFERRAL_WHY_OWNER;
    }

    hit->paid = r->args.len != 0
                && referral_args_paid(ngx_http_referral_str(r->args));
    hit->no_activation = referral_no_activation(&req) != 0;
    hit->own_site = referral_same_origin(req.sec_fetch_site) != 0;
}


/* The first header of each name, in one pass over all of them. */

static void
ngx_http_referral_collect(ngx_http_request_t *r, referral_str_t *value)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_memzero(value, NGX_HTTP_REFERRAL_NAMES * sizeof(referral_str_t));

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len > NGX_HTTP_REFERRAL_LONGEST) {
                continue;
            }

            for (n = ngx_http_referral_first[h[i].key.len];
                 ngx_http_referral_names[n].len == h[i].key.len;
                 n++)
            {
                if (value[n].data == NULL
                    && ngx_memcmp(h[i].lowcase_key,
                                  ngx_http_referral_names[n].data,
                                  h[i].key.len)
                       == 0)
                {
                    value[n] = ngx_http_referral_str(h[i].value);
                    break;
                }
            }
        }
    }
}


static void
ngx_http_referral_request(ngx_http_request_t *r, ngx_http_referral_hit_t *hit,
    referral_request_t *req)
{
    referral_str_t  value[NGX_HTTP_REFERRAL_NAMES];

    ngx_http_referral_collect(r, value);

    req->method = hit->method;
#if (NGX_HTTP_SSL)
    req->tls = (r->connection->ssl != NULL);
#else
    req->tls = 0;
#endif
    req->user_agent = value[NGX_HTTP_REFERRAL_USER_AGENT];
    req->accept = value[NGX_HTTP_REFERRAL_ACCEPT];
    req->accept_language = value[NGX_HTTP_REFERRAL_ACCEPT_LANGUAGE];
    req->referer = value[NGX_HTTP_REFERRAL_REFERER];
    req->sec_purpose = value[NGX_HTTP_REFERRAL_SEC_PURPOSE];
    req->x_purpose = value[NGX_HTTP_REFERRAL_X_PURPOSE];
    req->x_moz = value[NGX_HTTP_REFERRAL_X_MOZ];
    req->sec_fetch_dest = value[NGX_HTTP_REFERRAL_SEC_FETCH_DEST];
    req->sec_fetch_mode = value[NGX_HTTP_REFERRAL_SEC_FETCH_MODE];
    req->sec_fetch_site = value[NGX_HTTP_REFERRAL_SEC_FETCH_SITE];
    req->sec_fetch_user = value[NGX_HTTP_REFERRAL_SEC_FETCH_USER];
    req->sec_ch_ua = value[NGX_HTTP_REFERRAL_SEC_CH_UA];
    req->from = value[NGX_HTTP_REFERRAL_FROM];
    req->x_scanner = value[NGX_HTTP_REFERRAL_X_SCANNER];

    if (req->sec_purpose.len == 0) {
        req->sec_purpose = value[NGX_HTTP_REFERRAL_PURPOSE];
    }
}


static void
ngx_http_referral_banned(ngx_http_referral_hit_t *hit, referral_str_t referer)
{
    char           **ban;
    ngx_uint_t       i;
    referral_str_t   host;

    if (hit->class != REFERRAL_CLASS_HUMAN
        && hit->class != REFERRAL_CLASS_SUSPECT)
    {
        return;
    }

    host = referral_referer_host(referer);

    if (host.len == 0) {
        return;
    }

    ban = hit->program->ban_referers.elts;

    for (i = 0; i < hit->program->ban_referers.nelts; i++) {

        if (referral_host_is(host, ban[i])) {
            hit->class = REFERRAL_CLASS_STUFFING;
            hit->why = REFERRAL_WHY_BANNED_REFERER;
            return;
        }
    }
}


/*
 * A mail scanner looks at a link first, and a moment later, from the same
 * network, opens it as a browser would.
 */

static void
ngx_http_referral_burst(ngx_http_request_t *r, ngx_http_referral_hit_t *hit)
{
    uint64_t    key, slot;
    ngx_uint_t  i;

    slot = ngx_current_msec / NGX_HTTP_REFERRAL_BURST_SLOT;

    if (hit->class == REFERRAL_CLASS_PROBE
        || hit->class == REFERRAL_CLASS_SCANNER)
    {
        key = ngx_http_referral_burst_key(r, hit);

        (void) ngx_http_referral_burst_rate(NGX_HTTP_REFERRAL_BURST_ANY,
                                            NGX_HTTP_REFERRAL_BURST_ADD);
        (void) ngx_http_referral_burst_rate(key + slot,
                                            NGX_HTTP_REFERRAL_BURST_ADD);
        return;
    }

    if (hit->class != REFERRAL_CLASS_HUMAN
        || ngx_http_referral_burst_rate(NGX_HTTP_REFERRAL_BURST_ANY, 0) == 0)
    {
        return;
    }

    key = ngx_http_referral_burst_key(r, hit);

    for (i = 0; i < NGX_HTTP_REFERRAL_BURST_SLOTS; i++) {

        if (ngx_http_referral_burst_rate(key + slot - i, 0) != 0) {
            hit->class = REFERRAL_CLASS_SUSPECT;
            hit->why = REFERRAL_WHY_BURST;
            return;
        }
    }
}


static ngx_uint_t
ngx_http_referral_burst_rate(uint64_t key, ngx_int_t add)
{
    return ngx_http_referral_rate(key, NGX_HTTP_REFERRAL_BURST_WINDOW, add);
}


static uint64_t
ngx_http_referral_burst_key(ngx_http_request_t *r,
    ngx_http_referral_hit_t *hit)
{
    u_char  *p, code[sizeof(ngx_uint_t) + REFERRAL_CODE_MAX];

    p = ngx_cpymem(code, &hit->program->index, sizeof(ngx_uint_t));
    p = ngx_cpymem(p, hit->code.data, hit->code.len);

    return ngx_http_referral_network_key(r, 1, "burst", code, p - code);
}
