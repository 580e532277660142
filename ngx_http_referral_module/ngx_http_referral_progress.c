/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What a referrer sees of the own code: a page that asks for its data with the
 * token of a session.
 */

#include "ngx_http_referral_share.h"
#include "referral_session.h"


static char *ngx_http_referral_progress_frame(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *alcf);
static const char *ngx_http_referral_progress_origin(ngx_conf_t *cf,
    ngx_str_t *value, ngx_str_t *origin);
static ngx_int_t ngx_http_referral_progress_add(ngx_conf_t *cf,
    ngx_str_t *list, ngx_str_t *origin);
static ngx_int_t ngx_http_referral_progress_data(
    ngx_http_referral_api_ctx_t *api);
static ngx_int_t ngx_http_referral_progress_session(
    ngx_http_referral_api_ctx_t *api, referral_session_t *session);
static ngx_int_t ngx_http_referral_progress_json(
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    referral_session_t *session, referral_out_t *out);


char *
ngx_http_referral_progress(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_api_loc_conf_t *alcf = conf;

    char  *rv;

    rv = ngx_http_referral_api_answer_by(cf, cmd, alcf,
                              ngx_http_referral_progress_handler, "progress");

    return (rv == NGX_CONF_OK) ? ngx_http_referral_progress_frame(cf, alcf)
                               : rv;
}


static char *
ngx_http_referral_progress_frame(ngx_conf_t *cf,
    ngx_http_referral_api_loc_conf_t *alcf)
{
    ngx_str_t   *value, param, origin;
    ngx_uint_t   i;
    const char  *why;

    ngx_str_set(&alcf->frame, "'self'");
    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "frame=", 6) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", it must be "
                               "\"frame=origin\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        param.data = value[i].data + 6;
        param.len = value[i].len - 6;

        why = ngx_http_referral_progress_origin(cf, &param, &origin);

        if (why != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"frame=\" takes an origin as "
                               "\"https://shop.example\", and \"%V\" %s",
                               &param, why);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_referral_progress_add(cf, &alcf->frame, &origin)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static const char *
ngx_http_referral_progress_origin(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *origin)
{
    ngx_str_t    rest;
    const char  *why;

    why = ngx_http_referral_origin(cf->pool, value, origin, &rest);

    if (why == NULL && rest.len != 0) {
        why = "has something behind it";
    }

    return why;
}


static ngx_int_t
ngx_http_referral_progress_add(ngx_conf_t *cf, ngx_str_t *list,
    ngx_str_t *origin)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, list->len + 1 + origin->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    list->len = ngx_sprintf(p, "%V %V", list, origin) - p;
    list->data = p;

    return NGX_OK;
}


/* Nothing of it belongs into another page. */

ngx_int_t
ngx_http_referral_progress_handler(ngx_http_request_t *r)
{
    ngx_int_t                          rc;
    ngx_str_t                          path;
    ngx_http_referral_api_ctx_t       *api;
    ngx_http_referral_api_loc_conf_t  *alcf;

    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    api = ngx_http_referral_api_create(r);
    if (api == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_referral_api_path(r, &path);

    if (path.len == sizeof("data") - 1
        && ngx_memcmp(path.data, "data", path.len) == 0)
    {
        rc = ngx_http_referral_progress_data(api);

    } else {
        alcf = ngx_http_get_module_loc_conf(r, ngx_http_referral_api_module);
        rc = ngx_http_referral_api_page(api, &path, &alcf->frame);
    }

    return ngx_http_referral_api_reply(api, rc);
}


static ngx_int_t
ngx_http_referral_progress_data(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t             rc;
    referral_out_t        out;
    referral_session_t    session;
    referral_snapshot_t  *snap;

    rc = ngx_http_referral_api_get_only(api);

    if (rc == NGX_OK) {
        rc = ngx_http_discard_request_body(api->request);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_referral_progress_session(api, &session);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_referral_out_init(&out, api->request->pool);

    rc = ngx_http_referral_progress_json(api, snap, &session, &out);

    ngx_http_referral_read_end(snap);

    return (rc == NGX_OK)
           ? ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out) : rc;
}


static ngx_int_t
ngx_http_referral_progress_session(ngx_http_referral_api_ctx_t *api,
    referral_session_t *session)
{
    ngx_str_t                       token;
    referral_cookie_status_t        status;
    ngx_http_referral_main_conf_t  *rmcf;

    rmcf = ngx_http_get_module_main_conf(api->request,
                                         ngx_http_referral_module);

    if (ngx_http_referral_api_bearer(api->request, &token) != NGX_OK) {
        token.len = 0;
    }

    status = (token.len == 0) ? REFERRAL_COOKIE_NONE
             : referral_session_verify(rmcf->keys,
                                     ngx_http_referral_str(api->program->name),
                                     ngx_http_referral_str(token), ngx_time(),
                                     session);

    switch (status) {

    case REFERRAL_COOKIE_VALID:
        return NGX_OK;

    case REFERRAL_COOKIE_EXPIRED:
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_UNAUTHORIZED, "session_expired",
                   "the session has ended, ask for a new one");

    default:
        return ngx_http_referral_api_refuse(&api->problem,
                   NGX_HTTP_UNAUTHORIZED, "unauthorized",
                   "a valid token of a session is required");
    }
}


static ngx_int_t
ngx_http_referral_progress_json(ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, referral_session_t *session,
    referral_out_t *out)
{
    referral_str_t   name, link;
    referral_code_t  code;

    name.len = session->code_len;
    name.data = session->code;

    if (ngx_http_referral_api_code_lookup(api, snap, name, &code)
        != REFERRAL_OK)
    {
        return NGX_DECLINED;
    }

    if (code.status == REFERRAL_STATUS_ENDED) {
        return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
                   "code_not_found", "the code has ended");
    }

    if (ngx_http_referral_share_link_to(api->request->pool, api->program,
                                        code.code,
                                        api->request->connection->log, &link)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (referral_out_progress(out, snap,
                         ngx_http_referral_program_id(api->program->index),
                         ngx_http_referral_str(api->program->name), &code,
                         link, (int64_t) ngx_time() * 1000)
        != REFERRAL_OK)
    {
        return ngx_http_referral_api_unreadable(api);
    }

    return NGX_OK;
}
