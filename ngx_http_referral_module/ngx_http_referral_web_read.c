/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_web.h"

#include <openssl/sha.h>
#include <zlib.h>


#define NGX_HTTP_REFERRAL_WEB_MAX   ((off_t) 4 * 1024 * 1024)
#define NGX_HTTP_REFERRAL_WEB_ETAG  sizeof("\"0123456789abcdef-gz\"")


typedef struct {
    const char                   *page;
    ngx_http_referral_web_t      *web;
    const char                   *why;
} ngx_http_referral_web_known_t;


static ngx_http_referral_web_t *ngx_http_referral_web_read(ngx_conf_t *cf,
    ngx_str_t *dir, const char *page, const char **why);
static ngx_int_t ngx_http_referral_web_file(ngx_conf_t *cf, ngx_str_t *dir,
    const char *page, ngx_uint_t n, ngx_http_referral_web_file_t *file,
    const char **why);
static ngx_int_t ngx_http_referral_web_load(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *data, const char **why);
static ngx_int_t ngx_http_referral_web_load_fd(ngx_conf_t *cf, ngx_fd_t fd,
    ngx_str_t *path, ngx_str_t *data, const char **why);
static const char *ngx_http_referral_web_why(ngx_conf_t *cf, ngx_err_t err,
    ngx_str_t *path, const char *what);
static ngx_int_t ngx_http_referral_web_gzip(ngx_conf_t *cf, ngx_str_t *data,
    ngx_str_t *out);
static ngx_int_t ngx_http_referral_web_etag(ngx_conf_t *cf,
    ngx_http_referral_web_file_t *file);


char *
ngx_http_referral_web_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_str_t        *value;
    ngx_file_info_t   fi;

    if (rmcf->web.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    rmcf->web = value[1];

    if (rmcf->web.len == 0) {
        return "needs a directory";
    }

    if (ngx_conf_full_name(cf->cycle, &rmcf->web, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_file_info(rmcf->web.data, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_file_info_n " \"%V\" failed", &rmcf->web);
        return NGX_CONF_ERROR;
    }

    if (!ngx_is_dir(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is not a directory",
                           &rmcf->web);
        return NGX_CONF_ERROR;
    }

    while (rmcf->web.len > 1 && rmcf->web.data[rmcf->web.len - 1] == '/') {
        rmcf->web.len--;
    }

    return NGX_CONF_OK;
}


ngx_http_referral_web_t *
ngx_http_referral_web_find(ngx_conf_t *cf, const char *page, const char **why)
{
    ngx_uint_t                      i;
    ngx_http_referral_web_known_t  *known;
    ngx_http_referral_main_conf_t  *rmcf;

    *why = NULL;
    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    if (rmcf->pages == NULL) {
        rmcf->pages = ngx_array_create(cf->pool, 3,
                                       sizeof(ngx_http_referral_web_known_t));
        if (rmcf->pages == NULL) {
            return NULL;
        }
    }

    known = rmcf->pages->elts;

    for (i = 0; i < rmcf->pages->nelts; i++) {
        if (ngx_strcmp(known[i].page, page) == 0) {
            *why = known[i].why;
            return known[i].web;
        }
    }

    known = ngx_array_push(rmcf->pages);
    if (known == NULL) {
        return NULL;
    }

    known->page = page;
    known->web = ngx_http_referral_web_read(cf, &rmcf->web, page, &known->why);
    *why = known->why;

    return known->web;
}


ngx_http_referral_web_t *
ngx_http_referral_web_page(ngx_conf_t *cf, const char *page,
    const char *directive, ngx_http_referral_place_t *place)
{
    const char               *why;
    ngx_http_referral_web_t  *web;

    web = ngx_http_referral_web_find(cf, page, &why);

    if (web == NULL && why != NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"referral_web\" has no page for \"%s\": %s in %s:%ui",
                      directive, why, place->file, place->line);
    }

    return web;
}


static ngx_http_referral_web_t *
ngx_http_referral_web_read(ngx_conf_t *cf, ngx_str_t *dir, const char *page,
    const char **why)
{
    ngx_uint_t                n;
    ngx_http_referral_web_t  *web;

    *why = NULL;

    web = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_web_t));
    if (web == NULL) {
        return NULL;
    }

    for (n = 0; n < NGX_HTTP_REFERRAL_WEB_FILES; n++) {
        if (ngx_http_referral_web_file(cf, dir, page, n, &web->files[n], why)
            != NGX_OK)
        {
            return NULL;
        }
    }

    return web;
}


static ngx_int_t
ngx_http_referral_web_file(ngx_conf_t *cf, ngx_str_t *dir, const char *page,
    ngx_uint_t n, ngx_http_referral_web_file_t *file, const char **why)
{
    u_char           *p;
    ngx_str_t         path;
    const ngx_str_t  *name;

    name = &ngx_http_referral_web_names[n].name;

    path.data = ngx_pnalloc(cf->pool, dir->len + ngx_strlen(page) + name->len
                                      + sizeof("//"));
    if (path.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(path.data, "%V/%s/%V", dir, page, name);
    *p = '\0';
    path.len = p - path.data;

    if (ngx_http_referral_web_load(cf, &path, &file->plain.data, why)
        != NGX_OK
        || ngx_http_referral_web_gzip(cf, &file->plain.data, &file->gzip.data)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_referral_web_etag(cf, file);
}


static ngx_int_t
ngx_http_referral_web_load(ngx_conf_t *cf, ngx_str_t *path, ngx_str_t *data,
    const char **why)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    /* a FIFO would wait for its writer */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        *why = ngx_http_referral_web_why(cf, ngx_errno, path,
                                         "cannot be opened");
        return NGX_ERROR;
    }

    rc = ngx_http_referral_web_load_fd(cf, fd, path, data, why);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", path);
    }

    return rc;
}


static ngx_int_t
ngx_http_referral_web_load_fd(ngx_conf_t *cf, ngx_fd_t fd, ngx_str_t *path,
    ngx_str_t *data, const char **why)
{
    ssize_t          n;
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        *why = ngx_http_referral_web_why(cf, 0, path,
                                         "is not a regular file");
        return NGX_ERROR;
    }

    if (ngx_file_size(&fi) == 0
        || ngx_file_size(&fi) > NGX_HTTP_REFERRAL_WEB_MAX)
    {
        *why = ngx_http_referral_web_why(cf, 0, path,
                                         "is empty or larger than 4m");
        return NGX_ERROR;
    }

    data->len = ngx_file_size(&fi);
    data->data = ngx_pnalloc(cf->pool, data->len);
    if (data->data == NULL) {
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, data->data, data->len);

    if (n != (ssize_t) data->len) {
        *why = ngx_http_referral_web_why(cf, n == -1 ? ngx_errno : 0, path,
                                         "cannot be read");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static const char *
ngx_http_referral_web_why(ngx_conf_t *cf, ngx_err_t err, ngx_str_t *path,
    const char *what)
{
    size_t   len;
    u_char  *p, *why, text[NGX_MAX_ERROR_STR / 8];

    len = path->len + ngx_strlen(what) + sizeof(text) + NGX_INT_T_LEN
          + sizeof("\"\"  (: )");

    why = ngx_pnalloc(cf->pool, len);
    if (why == NULL) {
        return NULL;
    }

    p = ngx_sprintf(why, "\"%V\" %s", path, what);

    if (err != 0) {
        len = ngx_strerror(err, text, sizeof(text)) - text;
        p = ngx_sprintf(p, " (%d: %*s)", err, len, text);
    }

    *p = '\0';

    return (char *) why;
}


static ngx_int_t
ngx_http_referral_web_gzip(ngx_conf_t *cf, ngx_str_t *data, ngx_str_t *out)
{
    int       rc;
    uLong     size;
    z_stream  z;

    ngx_memzero(&z, sizeof(z_stream));

    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16,
                     MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY)
        != Z_OK)
    {
        return NGX_ERROR;
    }

    size = deflateBound(&z, data->len);
    out->data = ngx_pnalloc(cf->pool, size);

    if (out->data == NULL) {
        (void) deflateEnd(&z);
        return NGX_ERROR;
    }

    z.next_in = data->data;
    z.avail_in = data->len;
    z.next_out = out->data;
    z.avail_out = size;

    rc = deflate(&z, Z_FINISH);
    out->len = size - z.avail_out;

    (void) deflateEnd(&z);

    if (out->len >= data->len) {
        out->len = 0;
    }

    return (rc == Z_STREAM_END) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_referral_web_etag(ngx_conf_t *cf, ngx_http_referral_web_file_t *file)
{
    u_char      *p, hex[16], digest[SHA256_DIGEST_LENGTH];
    ngx_str_t   *plain, *gzip;

    p = ngx_pnalloc(cf->pool, 2 * NGX_HTTP_REFERRAL_WEB_ETAG);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) SHA256(file->plain.data.data, file->plain.data.len, digest);
    (void) ngx_hex_dump(hex, digest, sizeof(hex) / 2);

    plain = &file->plain.etag;
    gzip = &file->gzip.etag;

    plain->data = p;
    plain->len = ngx_sprintf(p, "\"%*s\"", sizeof(hex), hex) - p;

    p += NGX_HTTP_REFERRAL_WEB_ETAG;

    gzip->data = p;
    gzip->len = ngx_sprintf(p, "\"%*s-gz\"", sizeof(hex), hex) - p;

    return NGX_OK;
}
