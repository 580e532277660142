/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"
#include "referral_json_body.h"


static ngx_uint_t ngx_http_referral_api_type(ngx_str_t *value,
    const char *type);
static ngx_int_t ngx_http_referral_api_body_copy(ngx_http_request_t *r,
    ngx_buf_t *b, u_char **p);


ngx_int_t
ngx_http_referral_api_body_check(ngx_http_referral_api_ctx_t *api)
{
    ngx_http_request_t  *r;

    r = api->request;

    if (api->route->body == NGX_HTTP_REFERRAL_API_OPTIONAL
        && r->headers_in.content_length_n <= 0 && !r->headers_in.chunked)
    {
        return NGX_OK;
    }

    if (ngx_http_referral_header(r, "content-encoding",
                                 sizeof("content-encoding") - 1).len)
    {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding",
                   "a body with a content encoding is not taken");
    }

    if (r->headers_in.content_length_n > NGX_HTTP_REFERRAL_API_BODY) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "body_too_large",
                   "the body is longer than 1 MiB");
    }

    if (r->headers_in.content_type != NULL) {
        if (ngx_http_referral_api_type(&r->headers_in.content_type->value,
                                       "application/json"))
        {
            return NGX_OK;
        }

        if (api->route->body == NGX_HTTP_REFERRAL_API_NDJSON
            && ngx_http_referral_api_type(&r->headers_in.content_type->value,
                                          "application/x-ndjson"))
        {
            api->ndjson = 1;
            return NGX_OK;
        }
    }

    return ngx_http_referral_api_refuse(&api->problem,
               NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
               api->route->body == NGX_HTTP_REFERRAL_API_NDJSON
               ? "the content type is not application/json or "
                 "application/x-ndjson"
               : "the content type is not application/json");
}


static ngx_uint_t
ngx_http_referral_api_type(ngx_str_t *value, const char *type)
{
    size_t  len;

    len = ngx_strlen(type);

    return value->len >= len
           && ngx_strncasecmp(value->data, (u_char *) type, len) == 0
           && (value->len == len || value->data[len] == ';'
               || value->data[len] == ' ' || value->data[len] == '\t');
}


ngx_int_t
ngx_http_referral_api_body_read(ngx_http_referral_api_ctx_t *api)
{
    u_char              *p;
    off_t                size;
    ngx_chain_t         *cl, *bufs;
    ngx_http_request_t  *r;

    r = api->request;
    bufs = r->request_body ? r->request_body->bufs : NULL;
    size = 0;

    for (cl = bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > NGX_HTTP_REFERRAL_API_BODY) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "body_too_large",
                   "the body is longer than 1 MiB");
    }

    if (size == 0 && api->route->body == NGX_HTTP_REFERRAL_API_OPTIONAL) {
        return NGX_OK;
    }

    if (size == 0) {
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_BAD_REQUEST, "empty_body", "the body is empty");
    }

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    api->body.data = p;

    for (cl = bufs; cl; cl = cl->next) {
        if (ngx_http_referral_api_body_copy(r, cl->buf, &p) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    api->body.len = p - api->body.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_body_copy(ngx_http_request_t *r, ngx_buf_t *b,
    u_char **p)
{
    size_t   size;
    ssize_t  n;

    size = ngx_buf_size(b);

    if (ngx_buf_in_memory(b)) {
        *p = ngx_cpymem(*p, b->pos, size);
        return NGX_OK;
    }

    while (size) {
        n = ngx_read_file(b->file, *p, size, b->file_last - size);

        if (n <= 0) {
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                          "the file of a request body ended early");
            return NGX_ERROR;
        }

        *p += n;
        size -= n;
    }

    return NGX_OK;
}


json_t *
ngx_http_referral_api_object(ngx_str_t *text,
    ngx_http_referral_api_problem_t *problem)
{
    json_t      *object;
    const char  *why;

    object = referral_json_body(ngx_http_referral_str(*text), &why);

    if (object == NULL) {
        ngx_http_referral_api_refuse(problem, NGX_HTTP_BAD_REQUEST,
                                     "invalid_json", why);
        return NULL;
    }

    if (!json_is_object(object)) {
        json_decref(object);
        ngx_http_referral_api_refuse(problem, 422, "invalid_fields",
                                     "this is not a JSON object");
        return NULL;
    }

    return object;
}
