/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_share.h"


static ngx_int_t ngx_http_referral_api_start(ngx_http_referral_api_ctx_t *api);
static void ngx_http_referral_api_body_handler(ngx_http_request_t *r);
static void *ngx_http_referral_api_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_api_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_referral_api(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_api_pages(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *conf);
static char *ngx_http_referral_api_location(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_referral_api_loc_conf_t *alcf);
static char *ngx_http_referral_api_auth(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *alcf);
static char *ngx_http_referral_api_tokens(ngx_conf_t *cf, ngx_str_t *file,
    referral_tokens_t **tokens);
static void ngx_http_referral_api_free_tokens(void *data);


static ngx_command_t  ngx_http_referral_api_commands[] = {

    { ngx_string("referral_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_referral_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_progress"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_referral_progress,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_share"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_share_page,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_api_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_referral_api_create_loc_conf, /* create location configuration */
    ngx_http_referral_api_merge_loc_conf   /* merge location configuration */
};


ngx_module_t  ngx_http_referral_api_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_api_module_ctx,     /* module context */
    ngx_http_referral_api_commands,        /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_int_t
ngx_http_referral_api_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_str_t                     path;
    ngx_http_referral_api_ctx_t  *api;

    api = ngx_http_referral_api_create(r);
    if (api == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_set_ctx(r, api, ngx_http_referral_api_module);
    ngx_http_referral_api_path(r, &path);

    if (ngx_http_referral_api_is_page(api, &path)) {
        return ngx_http_referral_api_reply(api,
                          ngx_http_referral_api_page(api, &path, NULL));
    }

    rc = ngx_http_referral_api_check(api);

    return (rc == NGX_OK) ? ngx_http_referral_api_start(api)
                          : ngx_http_referral_api_reply(api, rc);
}


ngx_http_referral_api_ctx_t *
ngx_http_referral_api_create(ngx_http_request_t *r)
{
    ngx_http_referral_api_ctx_t       *api;
    ngx_http_referral_api_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);

    api = ngx_pcalloc(r->pool, sizeof(ngx_http_referral_api_ctx_t));

    if (api != NULL) {
        api->request = r;
        api->program = alcf->program;
    }

    return api;
}


ngx_int_t
ngx_http_referral_api_reply(ngx_http_referral_api_ctx_t *api, ngx_int_t rc)
{
    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_http_discard_request_body(api->request);

    return (rc == NGX_OK) ? ngx_http_referral_api_send_problem(api) : rc;
}


ngx_uint_t
ngx_http_referral_answers(ngx_http_handler_pt handler)
{
    return handler == ngx_http_referral_api_handler
           || handler == ngx_http_referral_progress_handler
           || handler == ngx_http_referral_share_handler;
}


static ngx_int_t
ngx_http_referral_api_start(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = api->request;

    if (api->route->body) {
        rc = ngx_http_read_client_request_body(r,
                                         ngx_http_referral_api_body_handler);

        return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_referral_api_signature(api);

    if (rc == NGX_OK) {
        rc = api->route->handler(api);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_referral_api_send_problem(api);
    }

    if (rc == NGX_DONE) {
        r->main->count++;
    }

    return rc;
}


static void
ngx_http_referral_api_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_referral_api_ctx_t  *api;

    api = ngx_http_get_module_ctx(r, ngx_http_referral_api_module);

    rc = ngx_http_referral_api_body_read(api);

    if (rc == NGX_OK) {
        rc = ngx_http_referral_api_signature(api);
    }

    if (rc == NGX_OK) {
        rc = api->route->handler(api);
    }

    if (rc != NGX_DONE) {
        ngx_http_referral_api_finish(api, rc);
    }
}


void
ngx_http_referral_api_finish(ngx_http_referral_api_ctx_t *api, ngx_int_t rc)
{
    if (rc == NGX_DECLINED) {
        rc = ngx_http_referral_api_send_problem(api);
    }

    ngx_http_finalize_request(api->request, rc);
}


static void *
ngx_http_referral_api_create_loc_conf(ngx_conf_t *cf)
{
    /*
     * set by ngx_pcalloc():
     *
     *     conf->handler = NULL;
     *     conf->program = NULL;
     *     conf->tokens = NULL;
     *     conf->secrets = NULL;
     *     conf->page = NULL;
     *     conf->web = NULL;
     *     conf->frame = { 0, NULL };
     */

    return ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_api_loc_conf_t));
}


/*
 * Not inherited, as no content handler is; but "if" and "limit_except" inside
 * the location are still the location.
 */

static char *
ngx_http_referral_api_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_referral_api_loc_conf_t  *prev = parent;
    ngx_http_referral_api_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && prev->handler != NULL) {
        *conf = *prev;

        if (clcf->lmt_excpt && clcf->handler == NULL) {
            clcf->handler = conf->handler;
        }

        return (ngx_http_referral_share_merge(cf, conf) == NGX_OK)
               ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    if (conf->handler == NULL) {
        return NGX_CONF_OK;
    }

    if (clcf->handler != conf->handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s\" cannot be in one location with another handler "
                      "in %s:%ui", conf->directive, conf->place.file,
                      conf->place.line);
        return NGX_CONF_ERROR;
    }

    return ngx_http_referral_api_pages(cf, conf);
}


/* The endpoint does without its page. */

static char *
ngx_http_referral_api_pages(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *conf)
{
    const char                     *why;
    ngx_http_referral_main_conf_t  *rmcf;

    if (conf->handler == ngx_http_referral_api_handler) {
        conf->web = ngx_http_referral_web_find(cf, conf->page, &why);

        if (conf->web == NULL && why == NULL) {
            return NGX_CONF_ERROR;
        }

        rmcf = ngx_http_conf_get_module_main_conf(cf,
                                                  ngx_http_referral_module);

        if (conf->web == NULL && !rmcf->pageless) {
            rmcf->pageless = 1;
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "the page of \"%s\" is not installed: %s in %s:%ui",
                          conf->directive, why, conf->place.file,
                          conf->place.line);
        }

        return NGX_CONF_OK;
    }

    conf->web = ngx_http_referral_web_page(cf, conf->page, conf->directive,
                                           &conf->place);

    return (conf->web != NULL
            && ngx_http_referral_share_merge(cf, conf) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_referral_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_api_loc_conf_t *alcf = conf;

    char  *rv;

    if (cf->args->nelts != 3 && cf->args->nelts != 4) {
        return "takes a program and either \"token_file=file "
               "[secret_file=file]\" or \"auth=off\"";
    }

    rv = ngx_http_referral_api_answer_by(cf, cmd, alcf,
                                  ngx_http_referral_api_handler, "dashboard");

    return (rv == NGX_CONF_OK) ? ngx_http_referral_api_auth(cf, alcf) : rv;
}


char *
ngx_http_referral_api_answer_by(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_referral_api_loc_conf_t *alcf, ngx_http_handler_pt handler,
    const char *page)
{
    char                           *rv;
    ngx_str_t                      *value;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_referral_program_t    *program;
    ngx_http_referral_main_conf_t  *rmcf;

    rv = ngx_http_referral_api_location(cf, cmd, alcf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;
    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    program = ngx_http_referral_find_program(rmcf, &value[1]);

    if (program == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown referral program \"%V\", declare it with "
                           "\"referral_program\" before", &value[1]);
        return NGX_CONF_ERROR;
    }

    alcf->program = program;
    alcf->handler = handler;
    alcf->page = page;
    alcf->place.file = cf->conf_file->file.name.data;
    alcf->place.line = cf->conf_file->line;
    rmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;
    clcf->auto_redirect = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_referral_api_location(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_referral_api_loc_conf_t *alcf)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->handler != NULL) {
        if (ngx_strcmp(alcf->directive, cmd->name.data) == 0) {
            return "is duplicate";
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot be in one location with \"%s\"",
                           &cmd->name, alcf->directive);
        return NGX_CONF_ERROR;
    }

    alcf->directive = (char *) cmd->name.data;
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot be in one location with another "
                           "handler", &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (clcf->regex != NULL || clcf->named || clcf->exact_match
        || clcf->name.len == 0 || clcf->name.data[clcf->name.len - 1] != '/')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" must be in a location given by a prefix "
                           "that ends with \"/\", this one is \"%V\"",
                           &cmd->name, &clcf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_referral_api_auth(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *alcf)
{
    char       *rv;
    ngx_str_t  *value, file;

    value = cf->args->elts;

    if (ngx_strcmp(value[2].data, "auth=off") == 0) {

        /* a secret goes with a token, which says what its owner may */

        return (cf->args->nelts == 3) ? NGX_CONF_OK
                                      : "takes nothing after \"auth=off\"";
    }

    if (ngx_strncmp(value[2].data, "token_file=", 11) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"token_file=file\" or \"auth=off\"", &value[2]);
        return NGX_CONF_ERROR;
    }

    file.data = value[2].data + 11;
    file.len = value[2].len - 11;

    rv = ngx_http_referral_api_tokens(cf, &file, &alcf->tokens);

    if (rv != NGX_CONF_OK || cf->args->nelts == 3) {
        return rv;
    }

    if (ngx_strncmp(value[3].data, "secret_file=", 12) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", it must be "
                           "\"secret_file=file\"", &value[3]);
        return NGX_CONF_ERROR;
    }

    file.data = value[3].data + 12;
    file.len = value[3].len - 12;

    return ngx_http_referral_api_secrets(cf, &file, &alcf->secrets);
}


static char *
ngx_http_referral_api_tokens(ngx_conf_t *cf, ngx_str_t *file,
    referral_tokens_t **tokens)
{
    unsigned             line;
    ngx_str_t            text;
    const char          *why;
    ngx_pool_cleanup_t  *cln;

    if (ngx_http_referral_read_file(cf, file, 0, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    *tokens = referral_tokens_parse((char *) text.data, text.len, &line, &why);

    if (*tokens == NULL) {
        return ngx_http_referral_file_wrong(cf, file, line, why);
    }

    cln->handler = ngx_http_referral_api_free_tokens;
    cln->data = *tokens;

    return NGX_CONF_OK;
}


static void
ngx_http_referral_api_free_tokens(void *data)
{
    referral_tokens_free(data);
}
