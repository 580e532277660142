/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


static ngx_table_elt_t *ngx_http_referral_api_signature_header(
    ngx_http_request_t *r);
static void ngx_http_referral_api_free_secrets(void *data);


/*
 * The answer is the same whatever is wrong; the log says more, for whoever
 * has a clock that runs ahead.
 */

ngx_int_t
ngx_http_referral_api_signature(ngx_http_referral_api_ctx_t *api)
{
    const char                        *why;
    ngx_table_elt_t                   *h;
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

    h = ngx_http_referral_api_signature_header(r);

    why = (h == NULL) ? "there is none, or more than one"
                      : referral_signature_wrong(alcf->secrets,
                            ngx_http_referral_str(h->value), ngx_time(),
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


/* NULL also when there are several: which one is meant nobody knows. */

static ngx_table_elt_t *
ngx_http_referral_api_signature_header(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *found;

    found = NULL;

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len != sizeof("referral-signature") - 1
                || ngx_memcmp(h[i].lowcase_key, "referral-signature",
                              sizeof("referral-signature") - 1)
                   != 0)
            {
                continue;
            }

            if (found != NULL) {
                return NULL;
            }

            found = &h[i];
        }
    }

    return found;
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
