/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


ngx_uint_t
ngx_http_referral_api_is_page(ngx_http_referral_api_ctx_t *api,
    ngx_str_t *path)
{
    ngx_http_referral_api_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(api->request,
                                        ngx_http_referral_api_module);

    return path->len == 0 || ngx_http_referral_web_has(alcf->web, path);
}


ngx_int_t
ngx_http_referral_api_page(ngx_http_referral_api_ctx_t *api, ngx_str_t *path,
    ngx_str_t *frame)
{
    ngx_int_t                          rc;
    ngx_http_referral_api_loc_conf_t  *alcf;

    static ngx_str_t  bearer = ngx_string("bearer");

    alcf = ngx_http_get_module_loc_conf(api->request,
                                        ngx_http_referral_api_module);

    if (alcf->web == NULL) {
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
                   "page_not_installed", "the page is not installed, the "
                   "error log says why");
    }

    if (!ngx_http_referral_web_has(alcf->web, path)) {
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
                   "not_found", "there is nothing at this path");
    }

    rc = ngx_http_referral_api_get_only(api);

    /* a page without a token need not be refused to learn that it needs one */

    if (rc == NGX_OK && alcf->tokens != NULL
        && ngx_http_referral_push_out(api->request, "Referral-Auth", &bearer)
           == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_discard_request_body(api->request);
    }

    return (rc == NGX_OK) ? ngx_http_referral_web_send(api->request, alcf->web,
                                                       path, frame)
                          : rc;
}


ngx_int_t
ngx_http_referral_api_get_only(ngx_http_referral_api_ctx_t *api)
{
    if (api->request->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return NGX_OK;
    }

    ngx_str_set(&api->allow, "GET, HEAD");

    return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_ALLOWED,
               "method_not_allowed", "this path has other methods");
}


/* A second Authorization header was refused by nginx itself, with 400. */

ngx_int_t
ngx_http_referral_api_bearer(ngx_http_request_t *r, ngx_str_t *token)
{
    if (r->headers_in.authorization == NULL) {
        return NGX_DECLINED;
    }

    *token = r->headers_in.authorization->value;

    if (token->len < sizeof("Bearer ")
        || ngx_strncasecmp(token->data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           != 0)
    {
        return NGX_DECLINED;
    }

    token->data += sizeof("Bearer ") - 1;
    token->len -= sizeof("Bearer ") - 1;

    while (token->len && *token->data == ' ') {
        token->data++;
        token->len--;
    }

    return NGX_OK;
}
