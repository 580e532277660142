/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


/* Returns NULL, or what is wrong. */

typedef const char *(*ngx_http_referral_api_field_pt)(
    ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_code_change_t *change);

typedef struct {
    const char                      *name;
    ngx_http_referral_api_field_pt   handler;
} ngx_http_referral_api_field_t;


static const char *ngx_http_referral_api_field(
    ngx_http_referral_api_ctx_t *api, const char *name, json_t *value,
    ngx_uint_t with_code, referral_code_change_t *change);
static const char *ngx_http_referral_api_field_code(
    ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_code_change_t *change);
static const char *ngx_http_referral_api_field_owner(
    ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_code_change_t *change);
static const char *ngx_http_referral_api_field_kind(
    ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_code_change_t *change);
static const char *ngx_http_referral_api_field_name(
    ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_code_change_t *change);
static const char *ngx_http_referral_api_field_landing(
    ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_code_change_t *change);
static const char *ngx_http_referral_api_field_status(
    ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_code_change_t *change);
static const char *ngx_http_referral_api_copy(
    ngx_http_referral_api_ctx_t *api, json_t *value, referral_str_t *out);
static ngx_int_t ngx_http_referral_api_choose(json_t *value,
    const char *const *names);
static ngx_uint_t ngx_http_referral_api_printable(referral_str_t s);


static const ngx_http_referral_api_field_t
    ngx_http_referral_api_field_list[] =
{
    { "code", ngx_http_referral_api_field_code },
    { "owner", ngx_http_referral_api_field_owner },
    { "kind", ngx_http_referral_api_field_kind },
    { "name", ngx_http_referral_api_field_name },
    { "landing", ngx_http_referral_api_field_landing },
    { "status", ngx_http_referral_api_field_status },
    { NULL, NULL }
};


ngx_uint_t
ngx_http_referral_api_code_valid(referral_str_t code)
{
    size_t  i;
    u_char  c;

    if (code.len == 0 || code.len > REFERRAL_CODE_MAX) {
        return 0;
    }

    for (i = 0; i < code.len; i++) {
        c = code.data[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z')
            && !(c >= 'a' && c <= 'z')
            && (i == 0 || (c != '_' && c != '-')))
        {
            return 0;
        }
    }

    return 1;
}


void
ngx_http_referral_api_fields(ngx_http_referral_api_ctx_t *api, json_t *object,
    ngx_uint_t with_code, referral_code_change_t *change,
    ngx_http_referral_api_problem_t *problem)
{
    json_t      *value;
    const char  *name, *message;

    json_object_foreach(object, name, value) {

        message = ngx_http_referral_api_field(api, name, value, with_code,
                                              change);
        if (message != NULL) {
            ngx_http_referral_api_error(api->request->pool, problem,
                (referral_str_t) { ngx_strlen(name), (const u_char *) name },
                message);
        }
    }
}


static const char *
ngx_http_referral_api_field(ngx_http_referral_api_ctx_t *api,
    const char *name, json_t *value, ngx_uint_t with_code,
    referral_code_change_t *change)
{
    const ngx_http_referral_api_field_t  *field;

    field = ngx_http_referral_api_field_list;

    if (!with_code) {
        field++;
    }

    for ( /* void */ ; field->name != NULL; field++) {
        if (ngx_strcmp(field->name, name) == 0) {
            return field->handler(api, value, change);
        }
    }

    return "there is no such field";
}


static const char *
ngx_http_referral_api_field_code(ngx_http_referral_api_ctx_t *api,
    json_t *value, referral_code_change_t *change)
{
    const char  *message;

    message = ngx_http_referral_api_copy(api, value, &change->code);

    if (message == NULL && !ngx_http_referral_api_code_valid(change->code)) {
        return "it is not a letter or digit and up to 63 of [A-Za-z0-9_-]";
    }

    return message;
}


static const char *
ngx_http_referral_api_field_owner(ngx_http_referral_api_ctx_t *api,
    json_t *value, referral_code_change_t *change)
{
    const char  *message;

    message = ngx_http_referral_api_copy(api, value, &change->owner);

    if (message != NULL) {
        return message;
    }

    change->set |= REFERRAL_SET_OWNER;

    return ngx_http_referral_api_owner_wrong(change->owner);
}


const char *
ngx_http_referral_api_owner_wrong(referral_str_t owner)
{
    if (owner.len == 0 || owner.len > REFERRAL_OWNER_MAX) {
        return "it is not 1 to 128 bytes long";
    }

    if (!ngx_http_referral_api_printable(owner)) {
        return "it has control characters or is not UTF-8";
    }

    if (owner.data[0] == ' ' || owner.data[owner.len - 1] == ' ') {
        return "it begins or ends with a space";
    }

    return NULL;
}


static const char *
ngx_http_referral_api_field_kind(ngx_http_referral_api_ctx_t *api,
    json_t *value, referral_code_change_t *change)
{
    ngx_int_t  kind;

    static const char *const  names[] = { "customer", "partner", NULL };

    kind = ngx_http_referral_api_choose(value, names);

    if (kind == NGX_ERROR) {
        return "it is not \"customer\" or \"partner\"";
    }

    change->set |= REFERRAL_SET_KIND;
    change->kind = REFERRAL_KIND_CUSTOMER + kind;

    return NULL;
}


static const char *
ngx_http_referral_api_field_name(ngx_http_referral_api_ctx_t *api,
    json_t *value, referral_code_change_t *change)
{
    const char  *message;

    change->set |= REFERRAL_SET_NAME;

    if (json_is_null(value)) {
        return NULL;
    }

    message = ngx_http_referral_api_copy(api, value, &change->name);

    if (message != NULL) {
        return message;
    }

    if (change->name.len == 0 || change->name.len > REFERRAL_NAME_MAX) {
        return "it is not null or 1 to 128 bytes long";
    }

    if (!ngx_http_referral_api_printable(change->name)) {
        return "it has control characters";
    }

    return NULL;
}


static const char *
ngx_http_referral_api_field_landing(ngx_http_referral_api_ctx_t *api,
    json_t *value, referral_code_change_t *change)
{
    const char  *message;

    change->set |= REFERRAL_SET_LANDING;

    if (json_is_null(value)) {
        return NULL;
    }

    message = ngx_http_referral_api_copy(api, value, &change->landing);

    if (message != NULL) {
        return message;
    }

    return ngx_http_referral_api_landing_wrong(api, change->landing);
}


static const char *
ngx_http_referral_api_field_status(ngx_http_referral_api_ctx_t *api,
    json_t *value, referral_code_change_t *change)
{
    ngx_int_t  status;

    static const char *const  names[] = { "active", "paused", NULL };

    status = ngx_http_referral_api_choose(value, names);

    if (status == NGX_ERROR) {
        return "it is not \"active\" or \"paused\"";
    }

    change->set |= REFERRAL_SET_STATUS;
    change->status = REFERRAL_STATUS_ACTIVE + status;

    return NULL;
}


static const char *
ngx_http_referral_api_copy(ngx_http_referral_api_ctx_t *api, json_t *value,
    referral_str_t *out)
{
    u_char  *p;

    if (!json_is_string(value)) {
        return "it is not a string";
    }

    out->len = json_string_length(value);

    p = ngx_pnalloc(api->request->pool, out->len + 1);
    if (p == NULL) {
        return "there is no memory for it";
    }

    ngx_memcpy(p, json_string_value(value), out->len);
    p[out->len] = '\0';
    out->data = p;

    return NULL;
}


static ngx_int_t
ngx_http_referral_api_choose(json_t *value, const char *const *names)
{
    ngx_int_t  i;

    if (json_is_string(value)) {
        for (i = 0; names[i] != NULL; i++) {
            if (ngx_strcmp(json_string_value(value), names[i]) == 0) {
                return i;
            }
        }
    }

    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_referral_api_printable(referral_str_t s)
{
    u_char  *p, *last;

    p = (u_char *) s.data;
    last = p + s.len;

    while (p < last) {
        if (*p < 0x20 || *p == 0x7f) {
            return 0;
        }

        if (*p < 0x80) {
            p++;
            continue;
        }

        if (ngx_utf8_decode(&p, last - p) > 0x10ffff) {
            return 0;
        }
    }

    return 1;
}
