/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"
#include "ngx_http_referral_web.h"


#define NGX_HTTP_REFERRAL_MAP_SIZE       ((size_t) 16 * 1024 * 1024 * 1024)
#define NGX_HTTP_REFERRAL_INTAKE_SIZE    (16 * 1024 * 1024)
#define NGX_HTTP_REFERRAL_INTERVAL       200
#define NGX_HTTP_REFERRAL_INTERVAL_BUSY  1000
#define NGX_HTTP_REFERRAL_ZONE_SIZE      65536


static void *ngx_http_referral_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_referral_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_referral_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_referral_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_referral_resolve(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
static ngx_int_t ngx_http_referral_complete(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
static ngx_int_t ngx_http_referral_add_zone(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf);
static ngx_int_t ngx_http_referral_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_referral_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_referral_init_process(ngx_cycle_t *cycle);
static void ngx_http_referral_exit_process(ngx_cycle_t *cycle);
static void ngx_http_referral_ctx_cleanup(void *data);


static ngx_command_t  ngx_http_referral_commands[] = {

    { ngx_string("referral_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_referral_store,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_key_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_key_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_program"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_referral_program_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_web"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_referral_web_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_referral,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("referral_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, headers),
      NULL },

    { ngx_string("referral_consent"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_referral_consent_string,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, consent),
      NULL },

    { ngx_string("referral_customer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_referral_loc_conf_t, customer),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_referral_module_ctx = {
    ngx_http_referral_add_variables,       /* preconfiguration */
    ngx_http_referral_init,                /* postconfiguration */

    ngx_http_referral_create_main_conf,    /* create main configuration */
    ngx_http_referral_init_main_conf,      /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_referral_create_loc_conf,     /* create location configuration */
    ngx_http_referral_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_referral_module = {
    NGX_MODULE_V1,
    &ngx_http_referral_module_ctx,         /* module context */
    ngx_http_referral_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_referral_init_module,         /* init module */
    ngx_http_referral_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_referral_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_http_referral_ctx_t *
ngx_http_referral_find_ctx(ngx_http_request_t *r, ngx_uint_t create)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_referral_ctx_t  *ctx;

    r = r->main;

    for (cln = r->pool->cleanup; cln != NULL; cln = cln->next) {
        if (cln->handler == ngx_http_referral_ctx_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_referral_module);
            return ctx;
        }
    }

    if (!create) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_referral_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_referral_ctx_t));
    ctx->class = -1;

    cln->handler = ngx_http_referral_ctx_cleanup;
    ngx_http_set_ctx(r, ctx, ngx_http_referral_module);

    return ctx;
}


/* There is nothing to clean: the address is what the record is found by. */

static void
ngx_http_referral_ctx_cleanup(void *data)
{
}


ngx_http_referral_program_t *
ngx_http_referral_find_program(ngx_http_referral_main_conf_t *rmcf,
    ngx_str_t *name)
{
    ngx_uint_t                     i;
    ngx_http_referral_program_t  **programs;

    programs = rmcf->programs.elts;

    for (i = 0; i < rmcf->programs.nelts; i++) {
        if (programs[i]->name.len == name->len
            && ngx_strncmp(programs[i]->name.data, name->data, name->len) == 0)
        {
            return programs[i];
        }
    }

    return NULL;
}


static void *
ngx_http_referral_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     rmcf->store = { 0, NULL };
     *     rmcf->store_real = { 0, NULL };
     *     rmcf->store_place = { NULL, 0 };
     *     rmcf->root = NULL;
     *     rmcf->intake_path = { 0, NULL };
     *     rmcf->key_file = { 0, NULL };
     *     rmcf->keys = NULL;
     *     rmcf->agents = NULL;
     *     rmcf->zone = NULL;
     *     rmcf->rates = NULL;
     *     rmcf->used = 0;
     *     rmcf->web = { 0, NULL };
     *     rmcf->pages = NULL;
     */

    rmcf->map_size = NGX_CONF_UNSET_SIZE;
    rmcf->intake_size = NGX_CONF_UNSET_SIZE;
    rmcf->interval = NGX_CONF_UNSET_MSEC;
    rmcf->interval_max = NGX_CONF_UNSET_MSEC;
    rmcf->durable = NGX_CONF_UNSET;

    if (ngx_array_init(&rmcf->programs, cf->pool, 4,
                       sizeof(ngx_http_referral_program_t *))
        != NGX_OK
        || ngx_array_init(&rmcf->references, cf->pool, 8,
                          sizeof(ngx_http_referral_reference_t))
           != NGX_OK)
    {
        return NULL;
    }

    return rmcf;
}


/* Runs before any location is merged, so that a program is inherited. */

static char *
ngx_http_referral_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    ngx_conf_init_size_value(rmcf->map_size, NGX_HTTP_REFERRAL_MAP_SIZE);
    ngx_conf_init_size_value(rmcf->intake_size, NGX_HTTP_REFERRAL_INTAKE_SIZE);
    ngx_conf_init_msec_value(rmcf->interval, NGX_HTTP_REFERRAL_INTERVAL);
    ngx_conf_init_msec_value(rmcf->interval_max,
                             NGX_HTTP_REFERRAL_INTERVAL_BUSY);
    ngx_conf_init_value(rmcf->durable, 0);

    if (rmcf->intake_path.data == NULL) {
        ngx_str_set(&rmcf->intake_path, "/dev/shm");
    }

    if (rmcf->web.data == NULL) {
        ngx_str_set(&rmcf->web, NGX_HTTP_REFERRAL_WEB);
    }

    if (ngx_http_referral_resolve(cf, rmcf) != NGX_OK
        || ngx_http_referral_complete(cf, rmcf) != NGX_OK
        || ngx_http_referral_add_zone(cf, rmcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_resolve(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf)
{
    ngx_uint_t                      i;
    ngx_http_referral_program_t    *program;
    ngx_http_referral_reference_t  *ref;

    ref = rmcf->references.elts;

    for (i = 0; i < rmcf->references.nelts; i++) {
        program = ngx_http_referral_find_program(rmcf, &ref[i].name);

        if (program == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown referral program \"%V\" in %s:%ui",
                          &ref[i].name, ref[i].file, ref[i].line);
            return NGX_ERROR;
        }

        ref[i].conf->program = program;
        rmcf->used = 1;
    }

    return NGX_OK;
}


/* A program that is in use needs a store and a key. */

static ngx_int_t
ngx_http_referral_complete(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf)
{
    u_char                         *file;
    ngx_uint_t                      line;
    const char                     *missing;
    ngx_http_referral_program_t   **programs;
    ngx_http_referral_reference_t  *ref;

    if (!rmcf->used || (rmcf->store.len != 0 && rmcf->keys != NULL)) {
        return NGX_OK;
    }

    missing = (rmcf->store.len == 0) ? "referral_store" : "referral_key_file";

    programs = rmcf->programs.elts;
    file = programs[0]->file;
    line = programs[0]->line;

    if (rmcf->references.nelts != 0) {
        ref = rmcf->references.elts;
        file = ref[0].file;
        line = ref[0].line;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "no \"%s\" is set for the program in %s:%ui",
                  missing, file, line);

    return NGX_ERROR;
}


/* The first that knows the user and may fail without harm to a master. */

static ngx_int_t
ngx_http_referral_init_zone(ngx_shm_zone_t *zone, void *data)
{
    if (ngx_http_referral_directory_check(zone->data, zone->shm.log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_referral_zone_init(zone, data);
}


static ngx_int_t
ngx_http_referral_add_zone(ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf)
{
    ngx_str_t  name = ngx_string("ngx_http_referral");

    if (rmcf->store.len == 0) {
        return NGX_OK;
    }

    rmcf->zone = ngx_shared_memory_add(cf, &name, NGX_HTTP_REFERRAL_ZONE_SIZE,
                                       &ngx_http_referral_module);
    if (rmcf->zone == NULL) {
        return NGX_ERROR;
    }

    rmcf->core = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                  ngx_core_module);
    rmcf->zone->init = ngx_http_referral_init_zone;
    rmcf->zone->data = rmcf;

    return ngx_http_referral_rates_zone(cf, rmcf);
}


static void *
ngx_http_referral_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_referral_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->program = NGX_CONF_UNSET_PTR;
    conf->headers = NGX_CONF_UNSET;
    conf->consent = NGX_CONF_UNSET_PTR;
    conf->customer = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_referral_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_referral_loc_conf_t *prev = parent;
    ngx_http_referral_loc_conf_t *conf = child;

    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    if (ngx_http_referral_directory_hidden(cf, rmcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* http{} itself is never merged, so its strip is not set */

    conf->strip = prev->strip
                  || (prev->program != NULL
                      && prev->program != NGX_CONF_UNSET_PTR);

    ngx_conf_merge_ptr_value(conf->program, prev->program, NULL);
    ngx_conf_merge_value(conf->headers, prev->headers, 1);
    ngx_conf_merge_ptr_value(conf->customer, prev->customer, NULL);

    if (conf->program != NULL) {
        conf->strip = 1;
    }

    if (ngx_http_referral_consent_merge(cf, prev, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_referral_init(ngx_conf_t *cf)
{
    ngx_uint_t                      i;
    ngx_http_handler_pt            *h;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_referral_main_conf_t  *rmcf;

    static struct {
        ngx_uint_t                  phase;
        ngx_http_handler_pt         handler;
    } handlers[] = {
        { NGX_HTTP_SERVER_REWRITE_PHASE, ngx_http_referral_strip_handler },
        { NGX_HTTP_REWRITE_PHASE, ngx_http_referral_strip_again_handler },
        { NGX_HTTP_PREACCESS_PHASE, ngx_http_referral_add_handler },
        { NGX_HTTP_PRECONTENT_PHASE, ngx_http_referral_link_handler }
    };

    rmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_referral_module);

    if (!rmcf->used) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        h = ngx_array_push(&cmcf->phases[handlers[i].phase].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = handlers[i].handler;
    }

    return ngx_http_referral_filter_init(cf);
}


/* What fails here would end a master that is told to reload: nothing does. */

static ngx_int_t
ngx_http_referral_init_module(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);

    if (rmcf != NULL && rmcf->store.len != 0 && !ngx_test_config) {
        ngx_http_referral_directory(rmcf, cycle->log);
    }

    return NGX_OK;
}


/* NULL where nothing is to be done: another process, or no program in use. */

static ngx_http_referral_main_conf_t *
ngx_http_referral_process_conf(ngx_cycle_t *cycle)
{
    ngx_http_referral_main_conf_t  *rmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NULL;
    }

    rmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_referral_module);

    return (rmcf != NULL && rmcf->used) ? rmcf : NULL;
}


static ngx_int_t
ngx_http_referral_init_process(ngx_cycle_t *cycle)
{
    if (ngx_http_referral_process_conf(cycle) == NULL) {
        return NGX_OK;
    }

    return ngx_http_referral_worker_init(cycle);
}


static void
ngx_http_referral_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_http_referral_process_conf(cycle) != NULL) {
        ngx_http_referral_worker_exit(cycle);
    }
}
