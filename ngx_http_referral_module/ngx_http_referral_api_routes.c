/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_share.h"


static referral_scope_t ngx_http_referral_api_scope(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_api_find(ngx_http_referral_api_ctx_t *api);
static ngx_int_t ngx_http_referral_api_not_allowed(
    ngx_http_referral_api_ctx_t *api, ngx_str_t *path);
static ngx_uint_t ngx_http_referral_api_cross_site(ngx_http_request_t *r);
static ngx_uint_t ngx_http_referral_api_foreign(ngx_http_request_t *r,
    ngx_str_t *origin);
static void ngx_http_referral_api_no_port(ngx_str_t *host,
    const char *port);


static const ngx_http_referral_api_route_t  ngx_http_referral_api_routes[] = {

    { ngx_string("v1/codes/*"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_code_get,
      { ngx_null_string } },

    { ngx_string("v1/codes/*"), NGX_HTTP_PUT, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_JSON, ngx_http_referral_api_code_put,
      { ngx_null_string } },

    { ngx_string("v1/codes/*"), NGX_HTTP_DELETE, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_code_delete,
      { ngx_null_string } },

    { ngx_string("v1/codes/*/session"), NGX_HTTP_POST, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_OPTIONAL, ngx_http_referral_api_session,
      { ngx_null_string } },

    { ngx_string("v1/codes/*/share"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_share,
      { ngx_string("lang") } },

    { ngx_string("v1/codes/*/qr.svg"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_qr_svg,
      { ngx_string("size"), ngx_string("level"), ngx_string("channel") } },

    { ngx_string("v1/codes/*/qr.png"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_qr_png,
      { ngx_string("size"), ngx_string("level"), ngx_string("channel") } },

    { ngx_string("v1/codes"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_code_list,
      { ngx_string("limit"), ngx_string("after"), ngx_string("owner") } },

    { ngx_string("v1/codes"), NGX_HTTP_POST, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_NDJSON, ngx_http_referral_api_code_post,
      { ngx_string("dry_run") } },

    { ngx_string("v1/conversions"), NGX_HTTP_POST, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_JSON, ngx_http_referral_api_conversion_post,
      { ngx_null_string } },

    { ngx_string("v1/conversions"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_conversion_list,
      { ngx_string("status"), ngx_string("after"), ngx_string("limit") } },

    { ngx_string("v1/conversions/*"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_conversion_get,
      { ngx_null_string } },

    { ngx_string("v1/conversions/*/refunds"), NGX_HTTP_POST,
      REFERRAL_SCOPE_WRITE, NGX_HTTP_REFERRAL_API_JSON,
      ngx_http_referral_api_refund_post, { ngx_null_string } },

    { ngx_string("v1/conversions/*/approve"), NGX_HTTP_POST,
      REFERRAL_SCOPE_WRITE, NGX_HTTP_REFERRAL_API_OPTIONAL,
      ngx_http_referral_api_conversion_approve, { ngx_null_string } },

    { ngx_string("v1/conversions/*/void"), NGX_HTTP_POST,
      REFERRAL_SCOPE_WRITE, NGX_HTTP_REFERRAL_API_OPTIONAL,
      ngx_http_referral_api_conversion_void, { ngx_null_string } },

    { ngx_string("v1/counters"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_counters,
      { ngx_string("by"), ngx_string("from"), ngx_string("to"),
        ngx_string("code"), ngx_string("limit"), ngx_string("after"),
        ngx_string("top") } },

    { ngx_string("v1/clicks/*"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_click,
      { ngx_null_string } },

    { ngx_string("v1/leaderboard"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_leaderboard,
      { ngx_string("period"), ngx_string("limit"), ngx_string("after") } },

    { ngx_string("v1/rewards"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_reward_list,
      { ngx_string("state"), ngx_string("to"), ngx_string("code"),
        ngx_string("limit"), ngx_string("after") } },

    { ngx_string("v1/rewards/*"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_reward_get,
      { ngx_null_string } },

    { ngx_string("v1/rewards/*/approve"), NGX_HTTP_POST, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_OPTIONAL, ngx_http_referral_api_reward_approve,
      { ngx_null_string } },

    { ngx_string("v1/rewards/*/claim"), NGX_HTTP_POST, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_OPTIONAL, ngx_http_referral_api_reward_claim,
      { ngx_null_string } },

    { ngx_string("v1/rewards/*/void"), NGX_HTTP_POST, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_OPTIONAL, ngx_http_referral_api_reward_void,
      { ngx_null_string } },

    { ngx_string("v1/journal"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_journal,
      { ngx_string("after"), ngx_string("limit"), ngx_string("type") } },

    { ngx_string("export/conversions.csv"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_export_conversions,
      { ngx_string("from"), ngx_string("to") } },

    { ngx_string("export/rewards.csv"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_export_rewards,
      { ngx_string("from"), ngx_string("to"), ngx_string("state") } },

    { ngx_string("export/codes.csv"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_export_codes,
      { ngx_null_string } },

    { ngx_string("export/counters.csv"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_export_counters,
      { ngx_string("from"), ngx_string("to") } },

    { ngx_string("v1/owners/*"), NGX_HTTP_GET, REFERRAL_SCOPE_ADMIN,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_owner,
      { ngx_null_string } },

    { ngx_string("v1/policy"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_policy,
      { ngx_null_string } },

    { ngx_string("v1/program"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_program,
      { ngx_null_string } },

    { ngx_string("v1/health"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_health,
      { ngx_null_string } },

    { ngx_string("metrics"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_metrics,
      { ngx_null_string } }
};

#define NGX_HTTP_REFERRAL_API_ROUTES                                          \
    (sizeof(ngx_http_referral_api_routes)                                     \
     / sizeof(ngx_http_referral_api_routes[0]))


ngx_int_t
ngx_http_referral_api_check(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = api->request;
    api->scope = ngx_http_referral_api_scope(r);

    if (api->scope == REFERRAL_SCOPE_NONE) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_UNAUTHORIZED, "unauthorized",
                   "a valid bearer token is required");
    }

    rc = ngx_http_referral_api_find(api);
    if (rc != NGX_OK) {
        return rc;
    }

    if (api->scope < api->route->scope) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_FORBIDDEN, "forbidden",
                   "the scope of this token does not allow it");
    }

    if (api->route->method != NGX_HTTP_GET
        && ngx_http_referral_api_cross_site(r))
    {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_FORBIDDEN, "cross_site",
                   "a page of another site must not change anything");
    }

    rc = ngx_http_referral_api_args(api);
    if (rc != NGX_OK) {
        return rc;
    }

    return api->route->body ? ngx_http_referral_api_body_check(api) : NGX_OK;
}


static referral_scope_t
ngx_http_referral_api_scope(ngx_http_request_t *r)
{
    ngx_str_t                          token;
    ngx_http_referral_api_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);

    if (alcf->tokens == NULL) {
        return REFERRAL_SCOPE_ADMIN;
    }

    if (ngx_http_referral_api_bearer(r, &token) != NGX_OK) {
        return REFERRAL_SCOPE_NONE;
    }

    return referral_tokens_check(alcf->tokens, token.data, token.len);
}


static ngx_int_t
ngx_http_referral_api_find(ngx_http_referral_api_ctx_t *api)
{
    ngx_str_t                             path;
    ngx_uint_t                            i, method;
    ngx_http_request_t                   *r;
    const ngx_http_referral_api_route_t  *route;

    r = api->request;
    ngx_http_referral_api_path(r, &path);

    method = (r->method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : r->method;

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ROUTES; i++) {
        route = &ngx_http_referral_api_routes[i];

        if (route->method == method
            && ngx_http_referral_api_path_matches(r, &route->path, &path,
                                                  &api->id))
        {
            api->route = route;

            return NGX_OK;
        }
    }

    return ngx_http_referral_api_not_allowed(api, &path);
}


static ngx_int_t
ngx_http_referral_api_not_allowed(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *path)
{
    u_char                               *p;
    ngx_str_t                             id;
    ngx_uint_t                            i;
    const ngx_http_referral_api_route_t  *route;

    p = ngx_pnalloc(api->request->pool, sizeof("GET, HEAD, POST, PUT, DELETE"));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    api->allow.data = p;

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ROUTES; i++) {
        route = &ngx_http_referral_api_routes[i];

        if (ngx_http_referral_api_path_matches(api->request, &route->path,
                                               path, &id))
        {
            p = ngx_sprintf(p, "%s%s", p > api->allow.data ? ", " : "",
                            route->method == NGX_HTTP_GET ? "GET, HEAD"
                            : route->method == NGX_HTTP_PUT ? "PUT"
                            : route->method == NGX_HTTP_POST ? "POST"
                                                             : "DELETE");
        }
    }

    api->allow.len = p - api->allow.data;

    if (api->allow.len == 0) {
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
                   "not_found", "there is nothing at this path");
    }

    return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_ALLOWED,
               "method_not_allowed", "this path has other methods");
}


/*
 * Browsers of before 2023 name only the origin of the page, with POST.  None
 * sends a line of it twice: something between added the second one, and which
 * of them is true nobody knows.
 */

static ngx_uint_t
ngx_http_referral_api_cross_site(ngx_http_request_t *r)
{
    ngx_str_t   site, origin;
    ngx_uint_t  sites, origins;

    sites = ngx_http_referral_header_lines(r, "sec-fetch-site",
                                           sizeof("sec-fetch-site") - 1,
                                           &site);
    origins = ngx_http_referral_header_lines(r, "origin",
                                             sizeof("origin") - 1, &origin);

    if (sites > 1 || origins > 1) {
        return 1;
    }

    if (site.len == 0) {
        return origin.len != 0 && ngx_http_referral_api_foreign(r, &origin);
    }

    return !referral_same_origin(ngx_http_referral_str(site))
           && !(site.len == sizeof("none") - 1
                && ngx_memcmp(site.data, "none", site.len) == 0);
}


/* Without TLS here, TLS may have ended before us: the page knows. */

static ngx_uint_t
ngx_http_referral_api_foreign(ngx_http_request_t *r, ngx_str_t *origin)
{
    size_t      n;
    ngx_str_t   host, page;
    ngx_uint_t  tls;

    tls = (origin->len > 4 && origin->data[4] == 's');
    n = tls ? sizeof("https://") - 1 : sizeof("http://") - 1;

    if (r->headers_in.host == NULL || origin->len <= n
        || ngx_memcmp(origin->data, tls ? "https://" : "http://", n) != 0)
    {
        return 1;
    }

#if (NGX_HTTP_SSL)

    if (r->connection->ssl != NULL && !tls) {
        return 1;
    }

#endif

    host = r->headers_in.host->value;
    page.len = origin->len - n;
    page.data = origin->data + n;

    ngx_http_referral_api_no_port(&host, tls ? ":443" : ":80");
    ngx_http_referral_api_no_port(&page, tls ? ":443" : ":80");

    return page.len != host.len
           || ngx_strncasecmp(page.data, host.data, host.len) != 0;
}


static void
ngx_http_referral_api_no_port(ngx_str_t *host, const char *port)
{
    size_t  len;

    len = ngx_strlen(port);

    if (host->len > len
        && ngx_memcmp(host->data + host->len - len, port, len) == 0)
    {
        host->len -= len;
    }
}


referral_snapshot_t *
ngx_http_referral_api_read(ngx_http_referral_api_ctx_t *api)
{
    referral_snapshot_t  *snap;

    snap = ngx_http_referral_read();

    if (snap == NULL) {
        ngx_http_referral_api_unreadable(api);
    }

    return snap;
}


ngx_int_t
ngx_http_referral_api_unreadable(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_refuse(&api->problem,
               NGX_HTTP_SERVICE_UNAVAILABLE, "store_unavailable",
               "the store cannot be read, try again");
}
