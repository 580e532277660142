/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_module.h"


#define NGX_HTTP_REFERRAL_DAY          (24 * 60 * 60)
#define NGX_HTTP_REFERRAL_WINDOW       (30 * NGX_HTTP_REFERRAL_DAY)


static ngx_http_referral_program_t *ngx_http_referral_program_create(
    ngx_conf_t *cf, ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name);
static char *ngx_http_referral_either(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_referral_program_handler(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static ngx_int_t ngx_http_referral_program_end(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf,
    ngx_http_referral_program_t *program);


static ngx_conf_post_t  ngx_http_referral_window_post = {
    ngx_http_referral_window
};


static ngx_conf_enum_t  ngx_http_referral_codes[] = {
    { ngx_string("registered"), 0 },
    { ngx_string("open"), 1 }
};


static ngx_conf_enum_t  ngx_http_referral_attribution[] = {
    { ngx_string("last"), REFERRAL_MODEL_LAST },
    { ngx_string("first"), REFERRAL_MODEL_FIRST }
};


static ngx_conf_enum_t  ngx_http_referral_prefetch[] = {
    { ngx_string("refuse"), NGX_HTTP_REFERRAL_PREFETCH_REFUSE },
    { ngx_string("redirect"), NGX_HTTP_REFERRAL_PREFETCH_REDIRECT }
};


static ngx_conf_enum_t  ngx_http_referral_gpc[] = {
    { ngx_string("honor"), 0 },
    { ngx_string("ignore"), 1 }
};


/* Directives of the block; conf is the program. */

static ngx_command_t  ngx_http_referral_program_commands[] = {

    { ngx_string("link"),
      NGX_CONF_TAKE12,
      ngx_http_referral_link,
      0,
      0,
      NULL },

    { ngx_string("param"),
      NGX_CONF_1MORE,
      ngx_http_referral_param,
      0,
      0,
      NULL },

    { ngx_string("landing"),
      NGX_CONF_TAKE1,
      ngx_http_referral_landing,
      0,
      0,
      NULL },

    { ngx_string("base"),
      NGX_CONF_TAKE1,
      ngx_http_referral_base,
      0,
      0,
      NULL },

    { ngx_string("to"),
      NGX_CONF_1MORE,
      ngx_http_referral_to,
      0,
      0,
      NULL },

    { ngx_string("pass_args"),
      NGX_CONF_1MORE,
      ngx_http_referral_pass_args,
      0,
      0,
      NULL },

    { ngx_string("codes"),
      NGX_CONF_TAKE1,
      ngx_http_referral_either,
      0,
      offsetof(ngx_http_referral_program_t, open),
      &ngx_http_referral_codes },

    { ngx_string("case_sensitive"),
      NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      0,
      offsetof(ngx_http_referral_program_t, case_sensitive),
      NULL },

    { ngx_string("attribution"),
      NGX_CONF_TAKE1,
      ngx_http_referral_either,
      0,
      offsetof(ngx_http_referral_program_t, attribution),
      &ngx_http_referral_attribution },

    { ngx_string("window"),
      NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      0,
      offsetof(ngx_http_referral_program_t, window),
      &ngx_http_referral_window_post },

    { ngx_string("unique"),
      NGX_CONF_TAKE1,
      ngx_http_referral_unique,
      0,
      0,
      NULL },

    { ngx_string("cookie"),
      NGX_CONF_1MORE,
      ngx_http_referral_cookie,
      0,
      0,
      NULL },

    { ngx_string("prefetch"),
      NGX_CONF_TAKE1,
      ngx_http_referral_either,
      0,
      offsetof(ngx_http_referral_program_t, prefetch),
      &ngx_http_referral_prefetch },

    { ngx_string("gpc"),
      NGX_CONF_TAKE1,
      ngx_http_referral_either,
      0,
      offsetof(ngx_http_referral_program_t, gpc_ignore),
      &ngx_http_referral_gpc },

    { ngx_string("bots"),
      NGX_CONF_TAKE1,
      ngx_http_referral_bots,
      0,
      0,
      NULL },

    { ngx_string("ban_referer"),
      NGX_CONF_1MORE,
      ngx_http_referral_ban_referer,
      0,
      0,
      NULL },

    { ngx_string("event"),
      NGX_CONF_1MORE,
      ngx_http_referral_event,
      0,
      0,
      NULL },

    { ngx_string("tier"),
      NGX_CONF_TAKE2,
      ngx_http_referral_tier,
      0,
      0,
      NULL },

    { ngx_string("reward"),
      NGX_CONF_1MORE,
      ngx_http_referral_reward,
      0,
      0,
      NULL },

    { ngx_string("contest"),
      NGX_CONF_1MORE,
      ngx_http_referral_contest,
      0,
      0,
      NULL },

    { ngx_string("self"),
      NGX_CONF_TAKE1,
      ngx_http_referral_self,
      0,
      0,
      NULL },

    { ngx_string("bind"),
      NGX_CONF_TAKE1,
      ngx_http_referral_bind,
      0,
      0,
      NULL },

    { ngx_string("velocity"),
      NGX_CONF_1MORE,
      ngx_http_referral_velocity_set,
      0,
      0,
      NULL },

    { ngx_string("review"),
      NGX_CONF_1MORE,
      ngx_http_referral_review,
      0,
      0,
      NULL },

    { ngx_string("share_link"),
      NGX_CONF_TAKE1,
      ngx_http_referral_share_link_set,
      0,
      0,
      NULL },

    { ngx_string("message"),
      NGX_CONF_TAKE12,
      ngx_http_referral_message,
      0,
      0,
      NULL },

    { ngx_string("disclosure"),
      NGX_CONF_TAKE12,
      ngx_http_referral_disclosure,
      0,
      0,
      NULL },

    { ngx_string("terms"),
      NGX_CONF_TAKE1,
      ngx_http_referral_terms,
      0,
      0,
      NULL },

    { ngx_string("retention"),
      NGX_CONF_TAKE12,
      ngx_http_referral_retention,
      0,
      0,
      NULL },

      ngx_null_command
};


char *
ngx_http_referral_program_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_main_conf_t *rmcf = conf;

    char                          *rv;
    ngx_str_t                     *value;
    ngx_conf_t                     save;
    ngx_http_referral_program_t   *program, **slot;

    value = cf->args->elts;

    program = ngx_http_referral_program_create(cf, rmcf, &value[1]);
    if (program == NULL) {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_referral_program_handler;
    cf->handler_conf = (void *) program;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_referral_program_end(cf, rmcf, program) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    slot = ngx_array_push(&rmcf->programs);
    if (slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = program;

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_referral_program_name_valid(ngx_str_t *name)
{
    u_char      ch;
    ngx_uint_t  i;

    if (name->len == 0 || name->len > REFERRAL_PROGRAM_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) {
            continue;
        }

        if (i == 0 || (ch != '_' && ch != '-')) {
            return 0;
        }
    }

    /* "referral off" would turn it off */

    return ngx_strcmp(name->data, "off") != 0;
}


static ngx_http_referral_program_t *
ngx_http_referral_program_create(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_str_t *name)
{
    ngx_http_referral_program_t  *program;

    if (!ngx_http_referral_program_name_valid(name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid program name \"%V\", it takes a-z, 0-9, "
                           "\"_\" and \"-\", at most %d of them", name,
                           REFERRAL_PROGRAM_MAX);
        return NULL;
    }

    program = ngx_http_referral_find_program(rmcf, name);

    if (program != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate program \"%V\", the first is in %s:%ui",
                           name, program->file, program->line);
        return NULL;
    }

    program = ngx_pcalloc(cf->pool, sizeof(ngx_http_referral_program_t));
    if (program == NULL) {
        return NULL;
    }

    program->name = *name;
    program->index = rmcf->programs.nelts;
    program->file = cf->conf_file->file.name.data;
    program->line = cf->conf_file->line;

    program->to = NGX_CONF_UNSET;
    program->open = NGX_CONF_UNSET;
    program->case_sensitive = NGX_CONF_UNSET;
    program->attribution = NGX_CONF_UNSET_UINT;
    program->window = NGX_CONF_UNSET;
    program->unique = NGX_CONF_UNSET;
    program->retention = NGX_CONF_UNSET;
    program->prefetch = NGX_CONF_UNSET_UINT;
    program->gpc_ignore = NGX_CONF_UNSET;
    program->agents = NGX_CONF_UNSET_PTR;
    program->pass.mode = REFERRAL_PASS_LISTED;

    if (ngx_array_init(&program->links, cf->pool, 2,
                       sizeof(ngx_http_referral_link_t))
        != NGX_OK
        || ngx_array_init(&program->params, cf->pool, 2,
                          sizeof(referral_str_t))
           != NGX_OK
        || ngx_array_init(&program->to_prefixes, cf->pool, 2,
                          sizeof(ngx_str_t))
           != NGX_OK
        || ngx_array_init(&program->ban_referers, cf->pool, 2,
                          sizeof(char *))
           != NGX_OK
        || ngx_http_referral_rules_create(cf, program) != NGX_OK)
    {
        return NULL;
    }

    return program;
}


/* One of two words. */

static char *
ngx_http_referral_either(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t        *value;
    ngx_uint_t       *field, i;
    ngx_conf_enum_t  *words;

    field = (ngx_uint_t *) ((char *) conf + cmd->offset);
    words = cmd->post;
    value = cf->args->elts;

    if (*field != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    for (i = 0; i < 2; i++) {
        if (ngx_strcmp(value[1].data, words[i].name.data) == 0) {
            *field = words[i].value;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, it must be "
                       "\"%V\" or \"%V\"", &value[1], &cmd->name,
                       &words[0].name, &words[1].name);

    return NGX_CONF_ERROR;
}


static ngx_uint_t
ngx_http_referral_program_args_valid(ngx_uint_t type, ngx_uint_t n)
{
    if (type & NGX_CONF_1MORE) {
        return n > 1;
    }

    if (type & NGX_CONF_FLAG) {
        return n == 2;
    }

    /* NGX_CONF_TAKE1 is bit 1, and so on */

    return n <= NGX_CONF_MAX_ARGS && (type & ((ngx_uint_t) 1 << (n - 1)));
}


static char *
ngx_http_referral_program_handler(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    char           *rv;
    ngx_str_t      *value;
    ngx_command_t  *cmd;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0 && cf->args->nelts == 2) {
        return ngx_conf_include(cf, dummy, conf);
    }

    for (cmd = ngx_http_referral_program_commands; cmd->name.len; cmd++) {
        if (ngx_strcmp(value[0].data, cmd->name.data) == 0) {
            break;
        }
    }

    if (cmd->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in a program", &value[0]);
        return NGX_CONF_ERROR;
    }

    if (!ngx_http_referral_program_args_valid(cmd->type, cf->args->nelts)) {
        rv = "has an invalid number of arguments";

    } else {
        rv = cmd->set(cf, cmd, conf);
    }

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                       &value[0], rv);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_referral_program_end(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_http_referral_program_t *program)
{
    if (program->links.nelts == 0 || program->landing.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "program \"%V\" has no \"%s\"",
                           &program->name,
                           program->links.nelts ? "landing" : "link");
        return NGX_ERROR;
    }

    ngx_conf_init_value(program->to, 0);
    ngx_conf_init_value(program->open, 0);
    ngx_conf_init_value(program->case_sensitive, 0);
    ngx_conf_init_uint_value(program->attribution, REFERRAL_MODEL_LAST);
    ngx_conf_init_value(program->window, NGX_HTTP_REFERRAL_WINDOW);
    ngx_conf_init_value(program->unique, NGX_HTTP_REFERRAL_DAY);
    ngx_conf_init_uint_value(program->prefetch,
                             NGX_HTTP_REFERRAL_PREFETCH_REFUSE);
    ngx_conf_init_value(program->gpc_ignore, 0);

    ngx_http_referral_retention_end(cf, program);

    if (ngx_http_referral_pass_end(cf, program) != NGX_OK
        || ngx_http_referral_landing_end(cf, program) != NGX_OK
        || ngx_http_referral_landing_plain(cf, program) != NGX_OK
        || ngx_http_referral_cookie_end(cf, rmcf, program) != NGX_OK
        || ngx_http_referral_agents_end(cf, rmcf, program) != NGX_OK
        || ngx_http_referral_rules_end(cf, program) != NGX_OK
        || ngx_http_referral_share_end(cf, program) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
