/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static ngx_int_t ngx_http_referral_api_headers(
    ngx_http_referral_api_ctx_t *api, ngx_uint_t status);
static ngx_int_t ngx_http_referral_api_send_unchanged(
    ngx_http_referral_api_ctx_t *api);
static ngx_uint_t ngx_http_referral_api_known(ngx_http_request_t *r,
    ngx_str_t *etag);
static const char *ngx_http_referral_api_title(ngx_uint_t status);


ngx_int_t
ngx_http_referral_api_refuse(ngx_http_referral_api_problem_t *problem,
    ngx_uint_t status, const char *code, const char *detail)
{
    problem->status = status;
    problem->code = code;
    problem->detail = detail;

    return NGX_DECLINED;
}


void
ngx_http_referral_api_error(ngx_pool_t *pool,
    ngx_http_referral_api_problem_t *problem, referral_str_t field,
    const char *message)
{
    size_t                          i;
    u_char                          c;
    ngx_http_referral_api_error_t  *error;

    if (problem->errors.elts == NULL
        && ngx_array_init(&problem->errors, pool, 4,
                          sizeof(ngx_http_referral_api_error_t))
           != NGX_OK)
    {
        return;
    }

    error = ngx_array_push(&problem->errors);
    if (error == NULL) {
        return;
    }

    error->message = message;
    ngx_str_set(&error->field, "?");

    for (i = 0; i < field.len; i++) {
        c = field.data[i] | 0x20;

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && field.data[i] != '_')
        {
            return;
        }
    }

    if (field.len > 0 && field.len <= 32) {
        error->field.data = ngx_pnalloc(pool, field.len);
        if (error->field.data == NULL) {
            error->field.len = 0;
            return;
        }

        ngx_memcpy(error->field.data, field.data, field.len);
        error->field.len = field.len;
    }
}


ngx_int_t
ngx_http_referral_api_send(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status, const char *type, referral_out_t *out)
{
    ngx_int_t                  rc;
    ngx_http_request_t        *r;
    ngx_http_referral_text_t  *text;

    r = api->request;

    if (api->unchanged) {
        return ngx_http_referral_api_send_unchanged(api);
    }

    if (out->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text = out->data;

    rc = ngx_http_referral_api_send_header(api, status, type, text->size);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    text->buf->last_buf = (r == r->main);
    text->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, text->first);
}


ngx_int_t
ngx_http_referral_api_send_header(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status, const char *type, off_t length)
{
    ngx_http_request_t  *r;

    r = api->request;

    if (ngx_http_referral_api_headers(api, status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = length;

    if (length) {
        r->headers_out.content_type.data = (u_char *) type;
        r->headers_out.content_type.len = ngx_strlen(type);
        r->headers_out.content_type_len = r->headers_out.content_type.len;
        r->headers_out.content_type_lowcase = NULL;

    } else {
        r->header_only = 1;
    }

    /* If-Match of a write must not turn what was done into a 412 */

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        r->disable_not_modified = 1;
    }

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_referral_api_headers(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status)
{
    ngx_uint_t                i;
    ngx_http_request_t       *r;
    ngx_http_referral_ctx_t  *ctx;

    const struct {
        ngx_uint_t       present;
        ngx_str_t        name;
        ngx_str_t        value;
    } headers[] = {
        { 1, ngx_string("X-Content-Type-Options"), ngx_string("nosniff") },
        { status == NGX_HTTP_UNAUTHORIZED, ngx_string("WWW-Authenticate"),
          ngx_string("Bearer") },
        { status == NGX_HTTP_NOT_ALLOWED, ngx_string("Allow"), api->allow },
        { status == NGX_HTTP_SERVICE_UNAVAILABLE, ngx_string("Retry-After"),
          ngx_string("1") }
    };

    r = api->request;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (headers[i].present
            && ngx_http_referral_push_header(r, headers[i].name,
                                             &headers[i].value)
               == NULL)
        {
            return NGX_ERROR;
        }
    }

    ctx = ngx_http_referral_get_ctx(r, 1);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&ctx->cache, "no-store");

    if (api->etag.len != 0) {
        ngx_str_set(&ctx->cache, "no-cache");
        r->headers_out.etag = ngx_http_referral_push_out(r, "ETag",
                                                         &api->etag);
        return (r->headers_out.etag != NULL) ? NGX_OK : NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_send_unchanged(ngx_http_referral_api_ctx_t *api)
{
    ngx_http_request_t  *r;

    r = api->request;

    if (ngx_http_referral_api_headers(api, NGX_HTTP_NOT_MODIFIED) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_NOT_MODIFIED;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_http_referral_api_send_json(ngx_http_referral_api_ctx_t *api,
    ngx_uint_t status, referral_out_t *out)
{
    referral_out_write(out, "\n", 1);

    return ngx_http_referral_api_send(api, status, "application/json", out);
}


ngx_int_t
ngx_http_referral_api_send_problem(ngx_http_referral_api_ctx_t *api)
{
    referral_out_t                    out;
    ngx_http_referral_api_problem_t  *problem;

    problem = &api->problem;
    api->etag.len = 0;

    ngx_http_referral_out_init(&out, api->request->pool);

    referral_out_open(&out, NULL, "{");
    referral_out_text(&out, "type", "about:blank");
    referral_out_text(&out, "title",
                      ngx_http_referral_api_title(problem->status));
    referral_out_uint(&out, "status", problem->status);
    referral_out_text(&out, "code", problem->code);
    referral_out_text(&out, "detail", problem->detail);
    ngx_http_referral_out_errors(&out, &problem->errors);
    referral_out_close(&out, "}");
    referral_out_write(&out, "\n", 1);

    return ngx_http_referral_api_send(api, problem->status,
                                      "application/problem+json", &out);
}


static const char *
ngx_http_referral_api_title(ngx_uint_t status)
{
    ngx_uint_t  i;

    static const struct {
        ngx_uint_t   status;
        const char  *title;
    } titles[] = {
        { NGX_HTTP_BAD_REQUEST, "Bad Request" },
        { NGX_HTTP_UNAUTHORIZED, "Unauthorized" },
        { NGX_HTTP_FORBIDDEN, "Forbidden" },
        { NGX_HTTP_NOT_FOUND, "Not Found" },
        { NGX_HTTP_NOT_ALLOWED, "Method Not Allowed" },
        { NGX_HTTP_CONFLICT, "Conflict" },
        { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "Content Too Large" },
        { NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type" },
        { 422, "Unprocessable Content" },
        { NGX_HTTP_SERVICE_UNAVAILABLE, "Service Unavailable" }
    };

    for (i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }

    return "Internal Server Error";
}


ngx_int_t
ngx_http_referral_api_etag(ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, uint32_t salt)
{
    api->etag.data = ngx_pnalloc(api->request->pool,
                                 api->program->name.len + 2 * NGX_INT64_LEN
                                 + NGX_INT32_LEN + sizeof("\"---\""));
    if (api->etag.data == NULL) {
        return NGX_ERROR;
    }

    api->etag.len = ngx_sprintf(api->etag.data, "\"%V-%uxL-%uxL-%uxD\"",
                                &api->program->name,
                                referral_snapshot_file(snap),
                                referral_snapshot_id(snap), salt)
                    - api->etag.data;

    api->unchanged = ngx_http_referral_api_known(api->request, &api->etag);

    return NGX_OK;
}


/*
 * The plain case of what nginx itself would find, but only once all is
 * written; lists of ETags and other conditions are left to it.
 */

static ngx_uint_t
ngx_http_referral_api_known(ngx_http_request_t *r, ngx_str_t *etag)
{
    ngx_str_t               value;
    ngx_http_headers_in_t  *in;

    in = &r->headers_in;

    if (in->if_none_match == NULL || in->if_match != NULL
        || in->if_modified_since != NULL || in->if_unmodified_since != NULL
        || r != r->main)
    {
        return 0;
    }

    value = in->if_none_match->value;

    if (value.len > 2 && value.data[0] == 'W' && value.data[1] == '/') {
        value.data += 2;
        value.len -= 2;
    }

    return value.len == etag->len
           && ngx_memcmp(value.data, etag->data, etag->len) == 0;
}
