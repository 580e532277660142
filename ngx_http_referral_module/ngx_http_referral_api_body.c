/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


#define NGX_HTTP_REFERRAL_JSON_DEPTH   8
#define NGX_HTTP_REFERRAL_JSON_ITEMS   64
#define NGX_HTTP_REFERRAL_JSON_STRING  4096


static ngx_uint_t ngx_http_referral_api_type(ngx_str_t *value,
    const char *type);
static ngx_int_t ngx_http_referral_api_body_copy(ngx_http_request_t *r,
    ngx_buf_t *b, u_char **p);
static const char *ngx_http_referral_api_not_json(const json_error_t *error);
static const char *ngx_http_referral_api_limits(const u_char *p, size_t len);
static size_t ngx_http_referral_api_string(const u_char *p, size_t len);


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
    json_t        *object;
    const char    *why;
    json_error_t   error;

    /* jansson would take a NUL as the end, whatever comes behind it */

    why = (memchr(text->data, '\0', text->len) != NULL)
          ? "there is a NUL byte in it"
          : ngx_http_referral_api_limits(text->data, text->len);

    if (why != NULL) {
        ngx_http_referral_api_refuse(problem, NGX_HTTP_BAD_REQUEST,
                                     "invalid_json", why);
        return NULL;
    }

    object = json_loadb((char *) text->data, text->len,
                        JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, &error);

    if (object == NULL
        && json_error_code(&error) == json_error_numeric_overflow)
    {
        /* an integer of any length is JSON; its field refuses it */

        object = json_loadb((char *) text->data, text->len,
                            JSON_REJECT_DUPLICATES|JSON_DECODE_ANY
                            |JSON_DECODE_INT_AS_REAL, &error);
    }

    if (object == NULL) {
        ngx_http_referral_api_refuse(problem, NGX_HTTP_BAD_REQUEST,
                                     "invalid_json",
                                     ngx_http_referral_api_not_json(&error));
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


/* Some of it would be JSON, but says one thing to one reader, another to
   another. */

static const char *
ngx_http_referral_api_not_json(const json_error_t *error)
{
    switch (json_error_code(error)) {

    case json_error_duplicate_key:
        return "an object has a name twice";

    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "there is a NUL in a string";

    default:
        return "this is not JSON";
    }
}


/* Looks before jansson allocates; whether it is JSON is not decided here. */

static const char *
ngx_http_referral_api_limits(const u_char *p, size_t len)
{
    size_t      i, n;
    ngx_uint_t  depth, items;

    depth = 0;
    items = 0;

    for (i = 0; i < len; i++) {

        switch (p[i]) {

        case '"':
            n = ngx_http_referral_api_string(p + i + 1, len - i - 1);

            if (n > NGX_HTTP_REFERRAL_JSON_STRING) {
                return "a string is longer than 4096 bytes";
            }

            i += n + 1;
            break;

        case '{':
        case '[':
            if (++depth > NGX_HTTP_REFERRAL_JSON_DEPTH) {
                return "objects and arrays are nested deeper than 8";
            }

            break;

        case '}':
        case ']':
            depth -= (depth > 0);
            break;

        case ',':
            if (++items == NGX_HTTP_REFERRAL_JSON_ITEMS) {
                return "there are more than 64 members";
            }

            break;
        }
    }

    return NULL;
}


/* The bytes up to the quote that ends a string. */

static size_t
ngx_http_referral_api_string(const u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len && p[i] != '"'; i++) {
        if (p[i] == '\\') {
            i++;
        }
    }

    return ngx_min(i, len);
}
