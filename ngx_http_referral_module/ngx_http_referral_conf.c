/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"
#include "referral_secret.h"


#define NGX_HTTP_REFERRAL_MAP_MIN        ((off_t) 16 * 1024 * 1024)
#define NGX_HTTP_REFERRAL_INTAKE_MIN     ((off_t) 1024 * 1024)
#define NGX_HTTP_REFERRAL_INTAKE_MAX     ((off_t) 1024 * 1024 * 1024)
#define NGX_HTTP_REFERRAL_INTERVAL_MAX   60000
#define NGX_HTTP_REFERRAL_FILE_MAX       ((off_t) 1024 * 1024)


static const char *ngx_http_referral_store_param(
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *param);
static const char *ngx_http_referral_store_size(size_t *size, ngx_str_t *s,
    off_t min, off_t max);
static const char *ngx_http_referral_store_interval(
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *s);
static void ngx_http_referral_free_keys(void *data);
static ngx_uint_t ngx_http_referral_pageless(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *prev);
static ngx_int_t ngx_http_referral_read_fd(ngx_conf_t *cf, ngx_fd_t fd,
    ngx_str_t *name, ngx_uint_t secret, ngx_str_t *text);
static ngx_int_t ngx_http_referral_hold(ngx_conf_t *cf, ngx_str_t *text,
    size_t len);
static void ngx_http_referral_free_text(void *data);


char *
ngx_http_referral_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;
    const char  *why;

    if (rmcf->store.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].data[0] != '/') {
        return "needs an absolute path";
    }

    for (i = 2; i < cf->args->nelts; i++) {
        why = ngx_http_referral_store_param(rmcf, &value[i]);

        if (why != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s \"%V\"", why,
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return (ngx_http_referral_directory_set(cf, rmcf, &value[1]) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static const char *
ngx_http_referral_store_size(size_t *size, ngx_str_t *s, off_t min, off_t max)
{
    off_t  n;

    if (*size != NGX_CONF_UNSET_SIZE) {
        return "duplicate parameter";
    }

    n = ngx_parse_offset(s);

    if (n == NGX_ERROR) {
        return "invalid size in";
    }

    if (n < min) {
        return (min == NGX_HTTP_REFERRAL_MAP_MIN)
               ? "less than 16m, which is what a store needs at least, in"
               : "less than 1m in";
    }

    if (n > max) {
        return "more than is possible in";
    }

    *size = n;

    return NULL;
}


/* A time, or the least and the most: "200ms-1s". */

static const char *
ngx_http_referral_store_interval(ngx_http_referral_main_conf_t *rmcf,
    ngx_str_t *s)
{
    u_char     *dash;
    ngx_int_t   least, most;
    ngx_str_t   part;

    if (rmcf->interval != NGX_CONF_UNSET_MSEC) {
        return "duplicate parameter";
    }

    part = *s;
    dash = ngx_strlchr(s->data, s->data + s->len, '-');

    if (dash != NULL) {
        part.len = dash - s->data;
    }

    least = ngx_parse_time(&part, 0);
    most = least;

    if (dash != NULL) {
        part.data = dash + 1;
        part.len = s->data + s->len - part.data;
        most = ngx_parse_time(&part, 0);
    }

    if (least == NGX_ERROR || least == 0 || most == NGX_ERROR
        || most > NGX_HTTP_REFERRAL_INTERVAL_MAX)
    {
        return "not a time between 1ms and 60s, nor two of them, in";
    }

    if (least > most) {
        return "the first time is longer than the second in";
    }

    rmcf->interval = least;
    rmcf->interval_max = most;

    return NULL;
}


static const char *
ngx_http_referral_store_param(ngx_http_referral_main_conf_t *rmcf,
    ngx_str_t *param)
{
    ngx_str_t        s;
    ngx_file_info_t  fi;

    if (ngx_strncmp(param->data, "map_size=", 9) == 0) {
        s.len = param->len - 9;
        s.data = param->data + 9;
        return ngx_http_referral_store_size(&rmcf->map_size, &s,
                                            NGX_HTTP_REFERRAL_MAP_MIN,
                                            NGX_MAX_SIZE_T_VALUE);
    }

    if (ngx_strncmp(param->data, "intake=", 7) == 0) {
        s.len = param->len - 7;
        s.data = param->data + 7;
        return ngx_http_referral_store_size(&rmcf->intake_size, &s,
                                            NGX_HTTP_REFERRAL_INTAKE_MIN,
                                            NGX_HTTP_REFERRAL_INTAKE_MAX);
    }

    if (ngx_strncmp(param->data, "interval=", 9) == 0) {
        s.len = param->len - 9;
        s.data = param->data + 9;
        return ngx_http_referral_store_interval(rmcf, &s);
    }

    if (ngx_strncmp(param->data, "commit=", 7) == 0) {
        if (rmcf->durable != NGX_CONF_UNSET) {
            return "duplicate parameter";
        }

        rmcf->durable = (ngx_strcmp(param->data + 7, "durable") == 0);

        if (!rmcf->durable && ngx_strcmp(param->data + 7, "relaxed") != 0) {
            return "neither \"relaxed\" nor \"durable\" in";
        }

        return NULL;
    }

    if (ngx_strncmp(param->data, "intake_path=", 12) == 0) {
        if (rmcf->intake_path.data != NULL) {
            return "duplicate parameter";
        }

        rmcf->intake_path.len = param->len - 12;
        rmcf->intake_path.data = param->data + 12;

        if (param->data[12] != '/') {
            return "not an absolute path in";
        }

        return (ngx_file_info(param->data + 12, &fi) != NGX_FILE_ERROR
                && ngx_is_dir(&fi)) ? NULL : "no such directory in";
    }

    return "invalid parameter";
}


char *
ngx_http_referral_file_wrong(ngx_conf_t *cf, ngx_str_t *name, unsigned line,
    const char *why)
{
    if (line != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in line %ui of \"%V\"",
                           why, (ngx_uint_t) line, name);
    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in \"%V\"", why, name);
    }

    return NGX_CONF_ERROR;
}


char *
ngx_http_referral_key_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    size_t               kid_len;
    unsigned             line;
    ngx_str_t           *value, text;
    const char          *why, *kid;
    ngx_pool_cleanup_t  *cln;

    if (rmcf->keys != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    rmcf->key_file = value[1];

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_referral_read_file(cf, &rmcf->key_file, 1, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rmcf->keys = referral_keys_parse((char *) text.data, text.len, &line,
                                     &why);
    if (rmcf->keys == NULL) {
        return ngx_http_referral_file_wrong(cf, &rmcf->key_file, line, why);
    }

    cln->handler = ngx_http_referral_free_keys;
    cln->data = rmcf->keys;

    kid = referral_keys_signer(rmcf->keys, &kid_len);

    if (referral_keys_not_before(rmcf->keys, kid, kid_len) > ngx_time()) {
        return ngx_http_referral_file_wrong(cf, &rmcf->key_file, 0,
                   "what the first key signs now would be invalid, as its "
                   "\"not_before\" is still to come,");
    }

    return NGX_CONF_OK;
}


static void
ngx_http_referral_free_keys(void *data)
{
    referral_keys_free(data);
}


char *
ngx_http_referral(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    ngx_str_t                      *value;
    ngx_http_referral_reference_t  *ref;
    ngx_http_referral_main_conf_t  *rmcf;

    if (rlcf->program != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    rlcf->program = NULL;
    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    ref = ngx_array_push(&rmcf->references);
    if (ref == NULL) {
        return NGX_CONF_ERROR;
    }

    ref->conf = rlcf;
    ref->name = value[1];
    ref->file = cf->conf_file->file.name.data;
    ref->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


char *
ngx_http_referral_consent_string(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_referral_loc_conf_t *rlcf = conf;

    char       *rv;
    ngx_str_t  *value;

    rv = ngx_http_set_complex_value_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;

    if (ngx_strncmp(value[1].data, "missing=", 8) == 0) {
        return "needs a string before \"missing=\"";
    }

    rlcf->asked.file = cf->conf_file->file.name.data;
    rlcf->asked.line = cf->conf_file->line;

    if (cf->args->nelts == 2
        || ngx_strcmp(value[2].data, "missing=drop") == 0)
    {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[2].data, "missing=pass") == 0) {
        rlcf->pass = 1;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" is neither \"missing=drop\" nor "
                       "\"missing=pass\"", &value[2]);

    return NGX_CONF_ERROR;
}


/*
 * Whether what is merged now answers no page: the endpoint, or what leaves all
 * of its paths to a location inside, as a server does with "location /".
 */

static ngx_uint_t
ngx_http_referral_pageless(ngx_conf_t *cf, ngx_http_referral_loc_conf_t *prev)
{
    ngx_queue_t                *q;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_location_queue_t  *lq;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {
        return prev->pageless;
    }

    if (ngx_http_referral_answers(clcf->handler)) {
        return 1;
    }

    if (clcf->locations == NULL || clcf->regex != NULL) {
        return 0;
    }

    for (q = ngx_queue_head(clcf->locations);
         q != ngx_queue_sentinel(clcf->locations);
         q = ngx_queue_next(q))
    {
        lq = (ngx_http_location_queue_t *) q;

        if (lq->inclusive != NULL
            && lq->inclusive->name.len <= ngx_max(clcf->name.len, 1))
        {
            return 1;
        }
    }

    return 0;
}


/* A ticket goes by the name of a parameter of the program. */

ngx_int_t
ngx_http_referral_consent_merge(ngx_conf_t *cf,
    ngx_http_referral_loc_conf_t *prev, ngx_http_referral_loc_conf_t *conf)
{
    if (conf->consent == NGX_CONF_UNSET_PTR) {
        conf->consent = (prev->consent == NGX_CONF_UNSET_PTR) ? NULL
                                                              : prev->consent;
        conf->asked = prev->asked;
        conf->pass = prev->pass;
    }

    conf->pageless = ngx_http_referral_pageless(cf, prev);

    if (conf->program == NULL) {
        return NGX_OK;
    }

    if (conf->consent != NULL) {
        conf->program->asks |= !conf->pageless;

    } else {
        conf->program->assumes |= !conf->pageless;
    }

    if (!conf->pass || conf->program->params.nelts != 0) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"missing=pass\" needs a \"param\" in program \"%V\" "
                  "in %s:%ui", &conf->program->name, conf->asked.file,
                  conf->asked.line);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_referral_read_file(ngx_conf_t *cf, ngx_str_t *name, ngx_uint_t secret,
    ngx_str_t *text)
{
    ngx_fd_t         fd;
    ngx_int_t        rc;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a FIFO would wait for its writer */

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    rc = ngx_http_referral_read_fd(cf, fd, name, secret, text);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    return rc;
}


static ngx_int_t
ngx_http_referral_read_fd(ngx_conf_t *cf, ngx_fd_t fd, ngx_str_t *name,
    ngx_uint_t secret, ngx_str_t *text)
{
    ssize_t          n;
    const char      *why;
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    why = NULL;

    if (!ngx_is_file(&fi)) {
        why = "is not a regular file";

    } else if (secret && (ngx_file_access(&fi) & (S_IRWXG|S_IRWXO))) {
        why = "must not be accessible to group or others, run chmod 600";

    } else if (ngx_file_access(&fi) & (S_IWGRP|S_IWOTH)) {
        why = "must not be writable by group or others";

    } else if (ngx_file_size(&fi) > NGX_HTTP_REFERRAL_FILE_MAX) {
        why = "is larger than 1m";
    }

    if (why != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", name, why);
        return NGX_ERROR;
    }

    if (ngx_http_referral_hold(cf, text, ngx_file_size(&fi)) != NGX_OK) {
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, text->data, text->len);

    if (n != (ssize_t) text->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, n == -1 ? ngx_errno : 0,
                           ngx_read_fd_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Memory for the text of a file, until the configuration has been read. */

static ngx_int_t
ngx_http_referral_hold(ngx_conf_t *cf, ngx_str_t *text, size_t len)
{
    ngx_str_t           *held;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->temp_pool, sizeof(ngx_str_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    held = cln->data;

    held->len = len + 1;
    held->data = referral_secret_alloc(held->len);
    if (held->data == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_referral_free_text;

    text->len = len;
    text->data = held->data;

    return NGX_OK;
}


static void
ngx_http_referral_free_text(void *data)
{
    ngx_str_t *held = data;

    referral_secret_free(held->data, held->len);
}
