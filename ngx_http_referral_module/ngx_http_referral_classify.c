/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The class of a hit on a known code, from its headers and from what its
 * network did just before.
 */

#include "ngx_http_referral_hit.h"


/*
 * What a click is classified by, in the order of their lengths, so that a
 * header is compared with a few of them only.
 */

typedef struct {
    ngx_str_t    name;
    size_t       value;         /* where it belongs */
} ngx_http_referral_sign_t;


#define ngx_http_referral_sign(name, field)                                   \
    { ngx_string(name), offsetof(referral_request_t, field) }

static const ngx_http_referral_sign_t  ngx_http_referral_signs[] = {
    ngx_http_referral_sign("from", from),
    ngx_http_referral_sign("x-moz", x_moz),
    ngx_http_referral_sign("accept", accept),
    ngx_http_referral_sign("purpose", purpose),
    ngx_http_referral_sign("referer", referer),
    ngx_http_referral_sign("sec-ch-ua", sec_ch_ua),
    ngx_http_referral_sign("x-purpose", x_purpose),
    ngx_http_referral_sign("x-scanner", x_scanner),
    ngx_http_referral_sign("user-agent", user_agent),
    ngx_http_referral_sign("sec-purpose", sec_purpose),
    ngx_http_referral_sign("sec-fetch-dest", sec_fetch_dest),
    ngx_http_referral_sign("sec-fetch-mode", sec_fetch_mode),
    ngx_http_referral_sign("sec-fetch-site", sec_fetch_site),
    ngx_http_referral_sign("sec-fetch-user", sec_fetch_user),
    ngx_http_referral_sign("accept-language", accept_language),
    { ngx_null_string, 0 }
};

/* The first of each length from 0 on; the last one is of none. */

#define NGX_HTTP_REFERRAL_LONGEST  15

static const u_char  ngx_http_referral_first[NGX_HTTP_REFERRAL_LONGEST + 1] = {
    15, 15, 15, 15, 0, 1, 2, 3, 15, 5, 8, 9, 15, 15, 10, 14
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


static void ngx_http_referral_collect(ngx_http_request_t *r,
    referral_request_t *req);
static ngx_uint_t ngx_http_referral_is_sign(ngx_table_elt_t *h,
    const ngx_http_referral_sign_t *sign);
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

    ngx_memzero(&req, sizeof(referral_request_t));
    ngx_http_referral_collect(r, &req);

    req.method = hit->method;
#if (NGX_HTTP_SSL)
    req.tls = (r->connection->ssl != NULL);
#endif

    ngx_http_referral_agent(req.user_agent, &hit->agent);
    req.agent = &hit->agent;

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
ngx_http_referral_collect(ngx_http_request_t *r, referral_request_t *req)
{
    ngx_uint_t                       i;
    referral_str_t                  *value;
    ngx_list_part_t                 *part;
    ngx_table_elt_t                 *h;
    const ngx_http_referral_sign_t  *sign;

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == 0
                || h[i].key.len > NGX_HTTP_REFERRAL_LONGEST)
            {
                continue;
            }

            sign = &ngx_http_referral_signs[
                                       ngx_http_referral_first[h[i].key.len]];

            for ( /* void */ ; sign->name.len == h[i].key.len; sign++) {

                if (!ngx_http_referral_is_sign(&h[i], sign)) {
                    continue;
                }

                value = (referral_str_t *) ((u_char *) req + sign->value);

                if (value->data == NULL) {
                    *value = ngx_http_referral_str(h[i].value);
                }

                break;
            }
        }
    }
}


/* Their beginning and their end, which overlap; none has less than four. */

static ngx_inline ngx_uint_t
ngx_http_referral_is_sign(ngx_table_elt_t *h,
    const ngx_http_referral_sign_t *sign)
{
    size_t         tail;
    uint32_t       a, b;
    uint64_t       c, d;
    const u_char  *key, *name;

    key = h->lowcase_key;
    name = sign->name.data;

    if (sign->name.len < sizeof(c)) {
        tail = sign->name.len - sizeof(a);

        ngx_memcpy(&a, key, sizeof(a));
        ngx_memcpy(&b, name, sizeof(b));

        if (a != b) {
            return 0;
        }

        ngx_memcpy(&a, key + tail, sizeof(a));
        ngx_memcpy(&b, name + tail, sizeof(b));

        return a == b;
    }

    tail = sign->name.len - sizeof(c);

    ngx_memcpy(&c, key + tail, sizeof(c));
    ngx_memcpy(&d, name + tail, sizeof(d));

    if (c != d) {
        return 0;
    }

    ngx_memcpy(&c, key, sizeof(c));
    ngx_memcpy(&d, name, sizeof(d));

    return c == d;
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

        ngx_http_referral_probed();
        (void) ngx_http_referral_burst_rate(key + slot,
                                            NGX_HTTP_REFERRAL_BURST_ADD);
        return;
    }

    /* while nobody probes, nobody's network is looked at */

    if (hit->class != REFERRAL_CLASS_HUMAN
        || !ngx_http_referral_probed_within(NGX_HTTP_REFERRAL_BURST_WINDOW))
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
