/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The link that is shared, where no share_link tells it.
 */

#include "ngx_http_referral_share.h"


static ngx_int_t ngx_http_referral_share_guess_link(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);
static ngx_int_t ngx_http_referral_share_guess_param(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);


/* What stands before the code in the first link, or else a parameter. */

ngx_int_t
ngx_http_referral_share_guess(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    ngx_int_t  rc;

    rc = ngx_http_referral_share_guess_link(cf, program);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_referral_share_guess_param(cf, program);
    }

    if (rc == NGX_DECLINED) {
        program->share.link.len = 0;
        return NGX_OK;
    }

    return rc;
}


static ngx_int_t
ngx_http_referral_share_guess_link(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    size_t                     n;
    u_char                    *prefix;
    ngx_int_t                  rc;
    ngx_str_t                  text;
    ngx_uint_t                 i;
    ngx_http_referral_link_t  *link;

    static const char *const  behind[] = {
        "{code}/{channel}", "{code}/{channel}/", "{code}", "{code}/"
    };

    link = program->links.elts;

    prefix = ngx_pnalloc(cf->temp_pool, link->regex.len);
    text.data = ngx_pnalloc(cf->pool, program->base.len + link->regex.len
                                      + sizeof("{code}/{channel}/"));
    if (prefix == NULL || text.data == NULL) {
        return NGX_ERROR;
    }

    n = referral_share_prefix(ngx_http_referral_str(link->regex), prefix);
    rc = NGX_DECLINED;

    for (i = 0; n != 0 && i < sizeof(behind) / sizeof(behind[0]); i++) {
        text.len = ngx_sprintf(text.data, "%V%*s%s", &program->base, n, prefix,
                               behind[i])
                   - text.data;

        if (ngx_http_referral_share_link_wrong(&text) != NULL) {
            continue;
        }

        rc = ngx_http_referral_share_try(cf, program, &text);

        if (rc != NGX_DECLINED) {
            break;
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_referral_share_guess_param(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    ngx_str_t        text;
    referral_str_t  *param;

    if (program->params.nelts == 0) {
        return NGX_DECLINED;
    }

    param = program->params.elts;

    text.data = ngx_pnalloc(cf->pool, program->base.len + param->len
                                      + sizeof("/?={code}"));
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = ngx_sprintf(text.data, "%V/?%*s={code}", &program->base,
                           param->len, param->data)
               - text.data;

    return ngx_http_referral_share_link_wrong(&text) == NULL
           ? ngx_http_referral_share_try(cf, program, &text) : NGX_DECLINED;
}
