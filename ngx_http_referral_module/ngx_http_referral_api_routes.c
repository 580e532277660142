/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static referral_scope_t ngx_http_referral_api_scope(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_api_find(ngx_http_referral_api_ctx_t *api);
static ngx_uint_t ngx_http_referral_api_path_matches(const ngx_str_t *route,
    ngx_str_t *path);
static ngx_int_t ngx_http_referral_api_not_allowed(
    ngx_http_referral_api_ctx_t *api, ngx_str_t *path);
static ngx_uint_t ngx_http_referral_api_cross_site(ngx_http_request_t *r);
static ngx_int_t ngx_http_referral_api_args(ngx_http_referral_api_ctx_t *api);
static ngx_int_t ngx_http_referral_api_add_arg(
    ngx_http_referral_api_ctx_t *api, ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_referral_api_unescape(ngx_pool_t *pool,
    ngx_str_t *value);


static const ngx_http_referral_api_route_t  ngx_http_referral_api_routes[] = {

    { ngx_string("v1/codes/"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_code_get,
      { ngx_null_string } },

    { ngx_string("v1/codes/"), NGX_HTTP_PUT, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_JSON, ngx_http_referral_api_code_put,
      { ngx_null_string } },

    { ngx_string("v1/codes/"), NGX_HTTP_DELETE, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_code_delete,
      { ngx_null_string } },

    { ngx_string("v1/codes"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_code_list,
      { ngx_string("limit"), ngx_string("after"), ngx_string("owner") } },

    { ngx_string("v1/codes"), NGX_HTTP_POST, REFERRAL_SCOPE_WRITE,
      NGX_HTTP_REFERRAL_API_NDJSON, ngx_http_referral_api_code_post,
      { ngx_string("dry_run") } },

    { ngx_string("v1/counters"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_counters,
      { ngx_string("by"), ngx_string("from"), ngx_string("to"),
        ngx_string("code"), ngx_string("limit"), ngx_string("after") } },

    { ngx_string("v1/clicks/"), NGX_HTTP_GET, REFERRAL_SCOPE_READ,
      NGX_HTTP_REFERRAL_API_NO_BODY, ngx_http_referral_api_click,
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
    referral_scope_t     scope;
    ngx_http_request_t  *r;

    r = api->request;
    scope = ngx_http_referral_api_scope(r);

    if (scope == REFERRAL_SCOPE_NONE) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_UNAUTHORIZED, "unauthorized",
                   "a valid bearer token is required");
    }

    rc = ngx_http_referral_api_find(api);
    if (rc != NGX_OK) {
        return rc;
    }

    if (scope < api->route->scope) {
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


/* A second Authorization header was refused by nginx itself, with 400. */

static referral_scope_t
ngx_http_referral_api_scope(ngx_http_request_t *r)
{
    ngx_str_t                          token;
    ngx_http_referral_api_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);

    if (alcf->tokens == NULL) {
        return REFERRAL_SCOPE_ADMIN;
    }

    if (r->headers_in.authorization == NULL) {
        return REFERRAL_SCOPE_NONE;
    }

    token = r->headers_in.authorization->value;

    if (token.len < sizeof("Bearer ")
        || ngx_strncasecmp(token.data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           != 0)
    {
        return REFERRAL_SCOPE_NONE;
    }

    token.data += sizeof("Bearer ") - 1;
    token.len -= sizeof("Bearer ") - 1;

    while (token.len && *token.data == ' ') {
        token.data++;
        token.len--;
    }

    return referral_tokens_check(alcf->tokens, token.data, token.len);
}


static ngx_int_t
ngx_http_referral_api_find(ngx_http_referral_api_ctx_t *api)
{
    ngx_str_t                             path;
    ngx_uint_t                            i, method;
    ngx_http_request_t                   *r;
    ngx_http_core_loc_conf_t             *clcf;
    const ngx_http_referral_api_route_t  *route;

    r = api->request;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* a rewrite in the location may have left less than its prefix */

    path.len = r->uri.len - ngx_min(r->uri.len, clcf->name.len);
    path.data = r->uri.data + r->uri.len - path.len;

    method = (r->method == NGX_HTTP_HEAD) ? NGX_HTTP_GET : r->method;

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ROUTES; i++) {
        route = &ngx_http_referral_api_routes[i];

        if (route->method == method
            && ngx_http_referral_api_path_matches(&route->path, &path))
        {
            api->route = route;
            api->id.data = path.data + route->path.len;
            api->id.len = path.len - route->path.len;

            return NGX_OK;
        }
    }

    return ngx_http_referral_api_not_allowed(api, &path);
}


static ngx_uint_t
ngx_http_referral_api_path_matches(const ngx_str_t *route, ngx_str_t *path)
{
    if (path->len < route->len
        || ngx_strncmp(path->data, route->data, route->len) != 0)
    {
        return 0;
    }

    if (route->data[route->len - 1] != '/') {
        return path->len == route->len;
    }

    return path->len > route->len
           && ngx_strlchr(path->data + route->len, path->data + path->len, '/')
              == NULL;
}


static ngx_int_t
ngx_http_referral_api_not_allowed(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *path)
{
    u_char                               *p;
    ngx_uint_t                            i;
    const ngx_http_referral_api_route_t  *route;

    p = ngx_pnalloc(api->request->pool, sizeof("GET, HEAD, POST, PUT, DELETE"));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    api->allow.data = p;

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ROUTES; i++) {
        route = &ngx_http_referral_api_routes[i];

        if (ngx_http_referral_api_path_matches(&route->path, path)) {
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


static ngx_uint_t
ngx_http_referral_api_cross_site(ngx_http_request_t *r)
{
    referral_str_t  site;

    site = ngx_http_referral_header(r, "sec-fetch-site",
                                    sizeof("sec-fetch-site") - 1);

    return site.len != 0
           && !(site.len == sizeof("same-origin") - 1
                && ngx_memcmp(site.data, "same-origin", site.len) == 0)
           && !(site.len == sizeof("none") - 1
                && ngx_memcmp(site.data, "none", site.len) == 0);
}


static ngx_int_t
ngx_http_referral_api_args(ngx_http_referral_api_ctx_t *api)
{
    u_char     *p, *last, *end, *eq;
    ngx_int_t   rc;
    ngx_str_t   name, value;

    p = api->request->args.data;
    last = p + api->request->args.len;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');
        if (end == NULL) {
            end = last;
        }

        if (end == p) {
            continue;
        }

        eq = ngx_strlchr(p, end, '=');
        if (eq == NULL) {
            eq = end;
        }

        name.data = p;
        name.len = eq - p;
        value.data = ngx_min(eq + 1, end);
        value.len = end - value.data;

        rc = ngx_http_referral_api_add_arg(api, &name, &value);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_add_arg(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *name, ngx_str_t *value)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    const char       *message;
    const ngx_str_t  *param;

    param = api->route->params;
    message = "there is no such parameter here";

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ARGS && param[i].len; i++) {

        if (name->len != param[i].len
            || ngx_strncmp(name->data, param[i].data, name->len) != 0)
        {
            continue;
        }

        if (api->args[i].data != NULL) {
            message = "it is given twice";
            break;
        }

        api->args[i] = *value;

        rc = ngx_http_referral_api_unescape(api->request->pool, &api->args[i]);

        if (rc != NGX_DECLINED) {
            return rc;
        }

        message = "it is not percent-encoded text";
        break;
    }

    ngx_http_referral_api_error(api->request->pool, &api->problem,
                                ngx_http_referral_str(*name), message);

    return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_BAD_REQUEST,
               "invalid_parameter", "a query parameter is not valid");
}


static ngx_int_t
ngx_http_referral_api_unescape(ngx_pool_t *pool, ngx_str_t *value)
{
    u_char     *p, *last, *dst;
    ngx_int_t   c;

    p = value->data;
    last = p + value->len;

    dst = ngx_pnalloc(pool, value->len + 1);
    if (dst == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value->data = dst;

    for ( /* void */ ; p < last; p++) {

        if (*p == '+') {
            *dst++ = ' ';
            continue;
        }

        if (*p != '%') {
            *dst++ = *p;
            continue;
        }

        c = (last - p > 2) ? ngx_hextoi(p + 1, 2) : NGX_ERROR;

        if (c < 0x20) {
            return NGX_DECLINED;
        }

        *dst++ = (u_char) c;
        p += 2;
    }

    value->len = dst - value->data;

    return NGX_OK;
}


ngx_str_t *
ngx_http_referral_api_arg(ngx_http_referral_api_ctx_t *api, const char *name)
{
    ngx_uint_t        i;
    const ngx_str_t  *param;

    param = api->route->params;

    for (i = 0; i < NGX_HTTP_REFERRAL_API_ARGS && param[i].len; i++) {
        if (ngx_strcmp(param[i].data, name) == 0) {
            return api->args[i].data ? &api->args[i] : NULL;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_referral_api_limit(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t   n;
    ngx_str_t  *arg;

    arg = ngx_http_referral_api_arg(api, "limit");

    if (arg == NULL) {
        return NGX_HTTP_REFERRAL_API_LIMIT;
    }

    n = ngx_atoi(arg->data, arg->len);

    if (n < 1 || n > NGX_HTTP_REFERRAL_API_LIMIT_MAX) {
        ngx_http_referral_api_error(api->request->pool, &api->problem,
                                    ngx_http_referral_text("limit"),
                                    "it is not a number from 1 to 250");
    }

    return n;
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
