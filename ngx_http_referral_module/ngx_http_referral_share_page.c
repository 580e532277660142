/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The public page of a code, its data and its QR code, below the location of
 * referral_share.  A read of the store each, and nothing written.
 */

#include "ngx_http_referral_share.h"


#define NGX_HTTP_REFERRAL_SHARE_CACHE    "public, max-age=300"
#define NGX_HTTP_REFERRAL_SHARE_PRIVATE  "private, max-age=300"


typedef ngx_int_t (*ngx_http_referral_share_pt)(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash);


static ngx_int_t ngx_http_referral_share_answer(ngx_http_request_t *r);
static ngx_http_referral_share_pt ngx_http_referral_share_path(
    ngx_str_t *path, referral_str_t *code, ngx_uint_t *slash);
static ngx_int_t ngx_http_referral_share_find(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, referral_str_t name);
static ngx_int_t ngx_http_referral_share_send_page(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash);
static ngx_int_t ngx_http_referral_share_send_data(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash);
static ngx_int_t ngx_http_referral_share_send_text(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, const char *type, referral_out_t *out);
static ngx_int_t ngx_http_referral_share_send_svg(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash);
static ngx_int_t ngx_http_referral_share_send_png(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash);
static ngx_int_t ngx_http_referral_share_send_qr(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t png);
static ngx_int_t ngx_http_referral_share_send(ngx_http_request_t *r,
    const char *type, referral_out_t *out);
static ngx_int_t ngx_http_referral_share_refuse(ngx_http_request_t *r,
    ngx_int_t status);


static const struct {
    ngx_str_t                   name;
    ngx_http_referral_share_pt  handler;
} ngx_http_referral_share_parts[] = {
    { ngx_string(""), ngx_http_referral_share_send_page },
    { ngx_string("data"), ngx_http_referral_share_send_data },
    { ngx_string("qr.svg"), ngx_http_referral_share_send_svg },
    { ngx_string("qr.png"), ngx_http_referral_share_send_png }
};


char *
ngx_http_referral_share_page(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_api_loc_conf_t *alcf = conf;

    char  *rv;

    rv = ngx_http_referral_api_answer_by(cf, cmd, alcf,
                                    ngx_http_referral_share_handler, "share");
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return alcf->program->share.link.len
           ? NGX_CONF_OK
           : "needs a \"share_link\" in its program, none can be told from "
             "the links there";
}


/*
 * The location is one without the program: it sets no cookie, so it may be
 * kept by anybody.
 */

ngx_int_t
ngx_http_referral_share_merge(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *alcf)
{
    const char                    *wrong;
    ngx_http_referral_loc_conf_t  *rlcf;

    if (alcf->handler != ngx_http_referral_share_handler) {
        return NGX_OK;
    }

    rlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_referral_module);
    rlcf->program = NULL;

    wrong = ngx_http_referral_share_html_wrong(cf->temp_pool,
                       ngx_http_referral_web_text(alcf->web, "index.html"));

    if (wrong == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "the page of \"referral_share\" in %s:%ui has %s in its "
                  "index.html", alcf->place.file, alcf->place.line, wrong);

    return NGX_ERROR;
}


/* What is refused is so for a while only. */

ngx_int_t
ngx_http_referral_share_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_referral_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    ctx = ngx_http_referral_get_ctx(r, 1);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->noindex = 1;
    ngx_str_set(&ctx->cache, "no-store");

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
         ? ngx_http_referral_share_answer(r) : NGX_HTTP_NOT_ALLOWED;

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE)
           ? ngx_http_referral_share_refuse(r, rc) : rc;
}


static ngx_int_t
ngx_http_referral_share_refuse(ngx_http_request_t *r, ngx_int_t status)
{
    static ngx_str_t  methods = ngx_string("GET, HEAD");
    static ngx_str_t  second = ngx_string("1");

    if ((status == NGX_HTTP_NOT_ALLOWED
         && ngx_http_referral_push_out(r, "Allow", &methods) == NULL)
        || (status == NGX_HTTP_SERVICE_UNAVAILABLE
            && ngx_http_referral_push_out(r, "Retry-After", &second) == NULL))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return status;
}


static ngx_int_t
ngx_http_referral_share_answer(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_str_t                          path;
    ngx_uint_t                         slash;
    referral_str_t                     code;
    ngx_http_referral_share_t          share;
    ngx_http_referral_share_pt         handler;
    ngx_http_referral_api_loc_conf_t  *alcf;

    ngx_http_referral_api_path(r, &path);

    handler = ngx_http_referral_share_path(&path, &code, &slash);

    if (handler != NULL) {
        rc = ngx_http_referral_share_find(r, &share, code);

        return (rc == NGX_OK) ? handler(r, &share, slash) : rc;
    }

    /* files of the page, but not the one that is filled in */

    if (path.len == 0 || ngx_strlchr(path.data, path.data + path.len, '.')
        == NULL
        || (path.len == sizeof("index.html") - 1
            && ngx_memcmp(path.data, "index.html", path.len) == 0))
    {
        return NGX_HTTP_NOT_FOUND;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);
    rc = ngx_http_referral_web_send(r, alcf->web, &path, NULL);

    return (rc == NGX_DECLINED) ? NGX_HTTP_NOT_FOUND : rc;
}


/* NULL: it is nothing of a code.  slash: there is one behind the code. */

static ngx_http_referral_share_pt
ngx_http_referral_share_path(ngx_str_t *path, referral_str_t *code,
    ngx_uint_t *slash)
{
    u_char           *p;
    size_t            n;
    ngx_uint_t        i;
    const ngx_str_t  *name;

    p = ngx_strlchr(path->data, path->data + path->len, '/');

    *slash = (p != NULL);
    code->data = path->data;
    code->len = (p != NULL) ? (size_t) (p - path->data) : path->len;

    n = path->len - code->len - *slash;

    if (!referral_code_right(*code)) {
        return NULL;
    }

    for (i = 0; i < sizeof(ngx_http_referral_share_parts)
                    / sizeof(ngx_http_referral_share_parts[0]); i++)
    {
        name = &ngx_http_referral_share_parts[i].name;

        if (n == name->len && (n == 0 || ngx_memcmp(p + 1, name->data, n)
                                         == 0))
        {
            return ngx_http_referral_share_parts[i].handler;
        }
    }

    return NULL;
}


/* What cannot be shared is not told apart. */

static ngx_int_t
ngx_http_referral_share_find(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, referral_str_t name)
{
    ngx_str_t                          arg;
    referral_rc_t                      rc;
    referral_str_t                     language;
    referral_code_t                    code;
    referral_snapshot_t               *snap;
    ngx_http_referral_api_loc_conf_t  *alcf;

    language = ngx_http_referral_header(r, "accept-language",
                                        sizeof("accept-language") - 1);

    if (ngx_http_arg(r, (u_char *) "lang", 4, &arg) == NGX_OK) {
        language = ngx_http_referral_str(arg);
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);

    snap = ngx_http_referral_read();
    if (snap == NULL) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    rc = referral_code_get(snap,
                           ngx_http_referral_program_id(alcf->program->index),
                           name, &code);

    if (rc == REFERRAL_OK && code.status == REFERRAL_STATUS_ACTIVE) {
        ngx_http_referral_share_init(share, r, alcf->program, &code, language);
    }

    ngx_http_referral_read_end(snap);

    if (rc == REFERRAL_NOT_FOUND
        || (rc == REFERRAL_OK && code.status != REFERRAL_STATUS_ACTIVE))
    {
        return NGX_HTTP_NOT_FOUND;
    }

    if (rc != REFERRAL_OK) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return share->failed ? NGX_HTTP_INTERNAL_SERVER_ERROR
           : share->link.len ? NGX_OK : NGX_HTTP_NOT_FOUND;
}


static ngx_int_t
ngx_http_referral_share_send_page(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash)
{
    referral_out_t                     out;
    ngx_http_referral_api_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);

    ngx_http_referral_out_init(&out, r->pool);
    ngx_http_referral_share_html(share,
                         ngx_http_referral_web_text(alcf->web, "index.html"),
                         slash, &out);

    return ngx_http_referral_share_send_text(r, share, "text/html", &out);
}


static ngx_int_t
ngx_http_referral_share_send_data(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash)
{
    referral_out_t  out;

    ngx_http_referral_out_init(&out, r->pool);
    ngx_http_referral_share_json(share, &out);
    referral_out_write(&out, "\n", 1);

    return ngx_http_referral_share_send_text(r, share, "application/json",
                                             &out);
}


/* It depends on the language. */

static ngx_int_t
ngx_http_referral_share_send_text(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, const char *type, referral_out_t *out)
{
    if (ngx_http_referral_share_headers(r, share) != NGX_OK
        || ngx_http_referral_web_headers(r, NULL) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_share_send(r, type, out);
}


static ngx_int_t
ngx_http_referral_share_send_svg(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash)
{
    return ngx_http_referral_share_send_qr(r, share, 0);
}


static ngx_int_t
ngx_http_referral_share_send_png(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t slash)
{
    return ngx_http_referral_share_send_qr(r, share, 1);
}


/* Mails and other sites may show it. */

static ngx_int_t
ngx_http_referral_share_send_qr(ngx_http_request_t *r,
    ngx_http_referral_share_t *share, ngx_uint_t png)
{
    ngx_uint_t              i, n;
    ngx_str_t               args[3], *given[3];
    const char             *why;
    referral_out_t          out;
    ngx_http_referral_qr_t  qr;

    static const char *const  names[] = { "size", "level", "channel" };
    static ngx_str_t          policy = ngx_string("default-src 'none'");
    static ngx_str_t          nosniff = ngx_string("nosniff");
    static ngx_str_t          anybody = ngx_string("cross-origin");

    for (i = 0; i < 3; i++) {
        n = ngx_strlen(names[i]);
        given[i] = (ngx_http_arg(r, (u_char *) names[i], n, &args[i])
                    == NGX_OK)
                   ? &args[i] : NULL;
    }

    qr.png = png;
    ngx_http_referral_out_init(&out, r->pool);

    if (ngx_http_referral_qr_set(&qr, given[0], given[1], given[2], &why)
        != NULL
        || qr.size > NGX_HTTP_REFERRAL_QR_PUBLIC
        || ngx_http_referral_qr_draw(&qr, share, r, &out, &why) != NULL)
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_http_referral_push_out(r, "Content-Security-Policy", &policy)
        == NULL
        || ngx_http_referral_push_out(r, "X-Content-Type-Options", &nosniff)
           == NULL
        || ngx_http_referral_push_out(r, "Cross-Origin-Resource-Policy",
                                      &anybody)
           == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_referral_share_send(r, png ? "image/png"
                                               : "image/svg+xml", &out);
}


static ngx_int_t
ngx_http_referral_share_send(ngx_http_request_t *r, const char *type,
    referral_out_t *out)
{
    ngx_int_t                  rc;
    ngx_str_t                  etag;
    ngx_http_referral_ctx_t   *ctx;
    ngx_http_referral_text_t  *text;

    ctx = ngx_http_referral_get_ctx(r, 1);

    if (ctx == NULL
        || ngx_http_referral_share_etag(r->pool, out, &etag) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text = out->data;
    r->headers_out.etag = ngx_http_referral_push_out(r, "ETag", &etag);

    if (r->headers_out.etag == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* an error page is kept by nobody, what needs a password by its owner */

    if (r->headers_in.authorization != NULL) {
        ngx_str_set(&ctx->cache, NGX_HTTP_REFERRAL_SHARE_PRIVATE);

    } else {
        ngx_str_set(&ctx->cache, NGX_HTTP_REFERRAL_SHARE_CACHE);
    }

    if (r->error_page) {
        ngx_str_set(&ctx->cache, "no-store");
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text->size;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (ngx_strcmp(type, "text/html") == 0) {
        ngx_str_set(&r->headers_out.charset, "utf-8");
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (text->buf == NULL) {
        return ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    text->buf->last_buf = 1;
    text->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, text->first);
}
