/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static void ngx_http_referral_api_free_secrets(void *data);


/*
 * The answer is the same whatever is wrong; the log says more, for whoever
 * has a clock that runs ahead.
 */

ngx_int_t
ngx_http_referral_api_signature(ngx_http_referral_api_ctx_t *api)
{
    const char                        *why;
    ngx_str_t                          value;
    ngx_uint_t                         n;
    ngx_http_request_t                *r;
    ngx_http_referral_api_loc_conf_t  *alcf;

    r = api->request;
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);

    /* a call without a body decides things as well: its body is empty */

    if (alcf->secrets == NULL
        || (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return NGX_OK;
    }

    /* of several, which one is meant nobody knows */

    n = ngx_http_referral_header_lines(r, "referral-signature",
                                       sizeof("referral-signature") - 1,
                                       &value);

    why = (n != 1) ? "there is none, or more than one"
                   : referral_signature_wrong(alcf->secrets,
                         ngx_http_referral_str(value), ngx_time(),
                         api->body.data, api->body.len);

    if (why == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "the signature of a request was refused: %s", why);

    return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_UNAUTHORIZED,
               "invalid_signature",
               "the request must carry a valid Referral-Signature");
}


char *
ngx_http_referral_api_secrets(ngx_conf_t *cf, ngx_str_t *file,
    referral_secrets_t **secrets)
{
    unsigned             line;
    ngx_str_t            text;
    const char          *why;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_referral_read_file(cf, file, 1, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *secrets = referral_secrets_parse((char *) text.data, text.len, &line,
                                      &why);
    if (*secrets == NULL) {
        return ngx_http_referral_file_wrong(cf, file, line, why);
    }

    cln->handler = ngx_http_referral_api_free_secrets;
    cln->data = *secrets;

    return NGX_CONF_OK;
}


static void
ngx_http_referral_api_free_secrets(void *data)
{
    referral_secrets_free(data);
}
