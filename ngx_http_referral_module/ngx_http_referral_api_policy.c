/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a program keeps in browsers and on the server, for consent tools and
 * for who writes the privacy notice.
 */

#include "ngx_http_referral_api.h"


#define NGX_HTTP_REFERRAL_UNIQUE_KEPT  (3 * 86400)    /* at most */


static void ngx_http_referral_api_policy_json(referral_out_t *out,
    ngx_http_referral_program_t *program);
static void ngx_http_referral_api_policy_cookie(referral_out_t *out,
    ngx_http_referral_program_t *program, ngx_uint_t tls);
static void ngx_http_referral_api_policy_host(referral_out_t *out,
    const char *key, ngx_str_t *base);
static void ngx_http_referral_api_policy_stored(referral_out_t *out,
    ngx_http_referral_program_t *program);
static void ngx_http_referral_api_policy_data(referral_out_t *out,
    const char *what, time_t kept, const char *const *data);
static void ngx_http_referral_api_policy_list(referral_out_t *out,
    const char *key, const char *const *text);


static const char *const  ngx_http_referral_policy_cookie[] = {
    "code of the link", "channel of the link", "id of the click",
    "time of the click", "signature", NULL
};

static const char *const  ngx_http_referral_policy_clicks[] = {
    "time", "code", "channel", "path it led to", "id of the click",
    "kind of visitor", NULL
};

static const char *const  ngx_http_referral_policy_visitors[] = {
    "keyed hash of address and user agent, its key random, of one day, in "
    "memory only", NULL
};

static const char *const  ngx_http_referral_policy_events[] = {
    "order id", "customer id, when reported", "event", "time", "amount",
    "code", "id of the click", "rewards", "refunds",
    "reasons given for refunds and decisions", NULL
};

static const char *const  ngx_http_referral_policy_bindings[] = {
    "customer id, when reported", "code they came by", "time", NULL
};

static const char *const  ngx_http_referral_policy_networks[] = {
    "keyed hash of address or its network, its key random, of one day, in "
    "memory only", "how often it clicked and ordered lately", NULL
};

static const char *const  ngx_http_referral_policy_codes[] = {
    "code", "id of its owner", "display name", "landing", NULL
};

static const char *const  ngx_http_referral_policy_never[] = {
    "IP address", "user agent", "Referer", "language", "device fingerprint",
    "visits without a referral link", "e-mail address", NULL
};


ngx_int_t
ngx_http_referral_api_policy(ngx_http_referral_api_ctx_t *api)
{
    referral_out_t  out;

    ngx_http_referral_out_init(&out, api->request->pool);
    ngx_http_referral_api_policy_json(&out, api->program);

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out);
}


static void
ngx_http_referral_api_policy_json(referral_out_t *out,
    ngx_http_referral_program_t *program)
{
    ngx_uint_t  secure;

    secure = program->cookie.secure;

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "program", ngx_http_referral_str(program->name));

    referral_out_text(out, "consent", !program->asks ? "assumed"
                                      : program->assumes ? "asked in places"
                                                         : "asked");
    referral_out_text(out, "gpc", program->gpc_ignore ? "ignore" : "honor");

    referral_out_open(out, "cookies", "[");

    if (secure != NGX_HTTP_REFERRAL_SECURE_OFF) {
        ngx_http_referral_api_policy_cookie(out, program, 1);
    }

    if (secure != NGX_HTTP_REFERRAL_SECURE_ON) {
        ngx_http_referral_api_policy_cookie(out, program, 0);
    }

    referral_out_close(out, "]");

    ngx_http_referral_api_policy_stored(out, program);
    ngx_http_referral_api_policy_list(out, "never_stored",
                                      ngx_http_referral_policy_never);

    referral_out_close(out, "}");
}


static void
ngx_http_referral_api_policy_cookie(referral_out_t *out,
    ngx_http_referral_program_t *program, ngx_uint_t tls)
{
    ngx_http_referral_cookie_conf_t  *cookie;

    cookie = &program->cookie;

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "name", tls
                     ? ngx_http_referral_str(cookie->name)
                     : ngx_http_referral_str(cookie->plain_name));
    referral_out_text(out, "scheme", tls ? "https" : "http");

    ngx_http_referral_api_policy_host(out, "provider", &program->base);

    referral_out_str_or_null(out, "domain",
                             ngx_http_referral_str(cookie->domain));
    referral_out_str(out, "path", ngx_http_referral_str(cookie->path));
    referral_out_uint(out, "lifetime_seconds", program->window);
    referral_out_bool(out, "first_party", 1);
    referral_out_bool(out, "secure", tls);
    referral_out_bool(out, "http_only", 1);
    referral_out_text(out, "same_site",
                      cookie->samesite == NGX_HTTP_REFERRAL_SAMESITE_STRICT
                      ? "Strict" : "Lax");
    referral_out_bool(out, "partitioned", 0);
    referral_out_text(out, "category", "marketing");
    referral_out_text(out, "purpose", "Remembers which referral link was "
                      "followed, so that who shared it can be rewarded.");
    ngx_http_referral_api_policy_list(out, "content",
                                      ngx_http_referral_policy_cookie);
    referral_out_close(out, "}");
}


/* The base is scheme://host[:port]. */

static void
ngx_http_referral_api_policy_host(referral_out_t *out, const char *key,
    ngx_str_t *base)
{
    u_char          *p, *last;
    referral_str_t   host;

    last = base->data + base->len;
    p = ngx_strlchr(base->data, last, ':') + sizeof("//");
    host.data = p;

    /* an IPv6 address has colons in its brackets */

    if (p < last && *p == '[') {
        while (p < last && *p != ']') {
            p++;
        }
    }

    while (p < last && *p != ':') {
        p++;
    }

    host.len = p - host.data;

    referral_out_str(out, key, host);
}


static void
ngx_http_referral_api_policy_stored(referral_out_t *out,
    ngx_http_referral_program_t *program)
{
    referral_out_open(out, "stored", "[");

    ngx_http_referral_api_policy_data(out, "clicks", program->retention,
                                      ngx_http_referral_policy_clicks);
    ngx_http_referral_api_policy_data(out, "unique visitors",
                                      NGX_HTTP_REFERRAL_UNIQUE_KEPT,
                                      ngx_http_referral_policy_visitors);
    ngx_http_referral_api_policy_data(out, "networks",
                                      NGX_HTTP_REFERRAL_UNIQUE_KEPT,
                                      ngx_http_referral_policy_networks);
    ngx_http_referral_api_policy_data(out, "events", 0,
                                      ngx_http_referral_policy_events);

    if (program->rules->bind != 0) {
        ngx_http_referral_api_policy_data(out, "bindings", 0,
                                          ngx_http_referral_policy_bindings);
    }

    ngx_http_referral_api_policy_data(out, "codes", 0,
                                      ngx_http_referral_policy_codes);

    referral_out_close(out, "]");
}


/* null: no end is set. */

static void
ngx_http_referral_api_policy_data(referral_out_t *out, const char *what,
    time_t kept, const char *const *data)
{
    referral_out_open(out, NULL, "{");
    referral_out_text(out, "what", what);

    if (kept != 0) {
        referral_out_uint(out, "retention_seconds", kept);

    } else {
        referral_out_null(out, "retention_seconds");
    }

    ngx_http_referral_api_policy_list(out, "data", data);
    referral_out_close(out, "}");
}


static void
ngx_http_referral_api_policy_list(referral_out_t *out, const char *key,
    const char *const *text)
{
    referral_out_open(out, key, "[");

    for ( /* void */ ; *text != NULL; text++) {
        referral_out_text(out, NULL, *text);
    }

    referral_out_close(out, "]");
}
