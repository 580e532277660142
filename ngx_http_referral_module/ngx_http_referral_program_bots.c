/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Directives about who is not counted.
 */

#include "ngx_http_referral_module.h"


#define NGX_HTTP_REFERRAL_HOST_MAX  253


static referral_agents_t *ngx_http_referral_create_agents(ngx_conf_t *cf,
    ngx_str_t *file, ngx_str_t *text);
static void ngx_http_referral_doubt_agents(ngx_conf_t *cf,
    referral_agents_t *agents, ngx_str_t *file, ngx_str_t *text);
static void ngx_http_referral_free_agents(void *data);
static ngx_uint_t ngx_http_referral_host(ngx_str_t *host);


char *
ngx_http_referral_bots(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t  *value, text;

    if (program->agents != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        program->agents = NULL;
        return NGX_CONF_OK;
    }

    if (ngx_http_referral_read_file(cf, &value[1], 0, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    program->agents = ngx_http_referral_create_agents(cf, &value[1], &text);

    if (program->agents == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_referral_doubt_agents(cf, program->agents, &value[1], &text);

    return NGX_CONF_OK;
}


static void
ngx_http_referral_doubt_agents(ngx_conf_t *cf, referral_agents_t *agents,
    ngx_str_t *file, ngx_str_t *text)
{
    unsigned     line;
    const char  *p, *end, *why;

    line = 0;
    p = (char *) text->data;
    end = p + text->len;

    for ( ;; ) {
        why = referral_agents_doubt(agents, &p, end, &line);

        if (why == NULL) {
            return;
        }

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "%s in line %ui of \"%V\"",
                           why, (ngx_uint_t) line, file);
    }
}


ngx_int_t
ngx_http_referral_agents_end(ngx_conf_t *cf,
    ngx_http_referral_main_conf_t *rmcf, ngx_http_referral_program_t *program)
{
    if (program->agents != NGX_CONF_UNSET_PTR) {
        return NGX_OK;
    }

    if (rmcf->agents == NULL) {
        rmcf->agents = ngx_http_referral_create_agents(cf, NULL, NULL);
    }

    program->agents = rmcf->agents;

    return (rmcf->agents != NULL) ? NGX_OK : NGX_ERROR;
}


static referral_agents_t *
ngx_http_referral_create_agents(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *text)
{
    char                 why[256];
    unsigned             line;
    referral_agents_t   *agents;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    agents = referral_agents_create(text ? (char *) text->data : NULL,
                                    text ? text->len : 0, &line, why,
                                    sizeof(why));

    if (agents == NULL) {
        if (file != NULL && line != 0) {
            (void) ngx_http_referral_file_wrong(cf, file, line, why);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s in the list of user agents", why);
        }

        return NULL;
    }

    if (!referral_agents_jit(agents)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "PCRE2 makes no machine code here, user agents are "
                           "matched some ten times slower");
    }

    cln->handler = ngx_http_referral_free_agents;
    cln->data = agents;

    return agents;
}


static void
ngx_http_referral_free_agents(void *data)
{
    referral_agents_free(data);
}


char *
ngx_http_referral_ban_referer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    char        **ban;
    ngx_str_t    *value, host;
    ngx_uint_t    i, k;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        host = value[i];

        if (host.len > 2 && host.data[0] == '*' && host.data[1] == '.') {
            host.data++;
            host.len--;
        }

        ngx_strlow(host.data, host.data, host.len);

        if (!ngx_http_referral_host(&host)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid host \"%V\" in \"ban_referer\", it "
                               "takes names as \"spam.example\", or "
                               "\".spam.example\" for all below it as well",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        ban = program->ban_referers.elts;

        for (k = 0; k < program->ban_referers.nelts; k++) {
            if (ngx_strcmp(ban[k], host.data) == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate host \"%V\" in "
                                   "\"ban_referer\"", &value[i]);
                return NGX_CONF_ERROR;
            }
        }

        ban = ngx_array_push(&program->ban_referers);
        if (ban == NULL) {
            return NGX_CONF_ERROR;
        }

        *ban = (char *) host.data;
    }

    return NGX_CONF_OK;
}


/* Labels of a-z, 0-9 and "-" in lower case, perhaps with a dot before. */

static ngx_uint_t
ngx_http_referral_host(ngx_str_t *host)
{
    size_t  i;
    u_char  ch, before;

    before = '\0';

    for (i = 0; i < host->len; i++) {
        ch = host->data[i];

        if (ch == '.' || ch == '-') {

            if (before == '.' || (before == '\0' && ch == '-')
                || (before == '-' && ch == '.'))
            {
                return 0;
            }

        } else if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')) {
            return 0;
        }

        before = ch;
    }

    return host->len != 0 && host->len <= NGX_HTTP_REFERRAL_HOST_MAX
           && before != '.' && before != '-';
}
