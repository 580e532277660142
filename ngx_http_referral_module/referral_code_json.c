/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_code_json.h"
#include "referral_event_json.h"
#include "referral_landing.h"


typedef struct {
    const char    *name;
    const char  *(*handler)(json_t *value, referral_code_change_t *change);
} code_field_t;


unsigned
referral_code_right(referral_str_t code)
{
    size_t         i;
    unsigned char  c;

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


/* UTF-8 without control characters. */

static unsigned
code_text(referral_str_t s)
{
    size_t  i, n;

    for (i = 0; i < s.len; i += n) {
        n = referral_utf8(s.data + i, s.len - i);

        if (n == 0 || s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


const char *
referral_owner_wrong(referral_str_t owner)
{
    if (owner.len == 0 || owner.len > REFERRAL_OWNER_MAX) {
        return "it is not 1 to 128 bytes long";
    }

    if (!code_text(owner)) {
        return "it has control characters or is not UTF-8";
    }

    if (owner.data[0] == ' ' || owner.data[owner.len - 1] == ' ') {
        return "it begins or ends with a space";
    }

    return NULL;
}


/* Which of the names a string is; -1: none. */

static int
code_choose(json_t *value, const char *const *names)
{
    int  i;

    if (json_is_string(value)) {
        for (i = 0; names[i] != NULL; i++) {
            if (strcmp(json_string_value(value), names[i]) == 0) {
                return i;
            }
        }
    }

    return -1;
}


static const char *
field_code(json_t *value, referral_code_change_t *change)
{
    const char  *message;

    message = referral_json_string(value, &change->code);

    if (message == NULL && !referral_code_right(change->code)) {
        return REFERRAL_CODE_WRONG;
    }

    return message;
}


static const char *
field_owner(json_t *value, referral_code_change_t *change)
{
    const char  *message;

    message = referral_json_string(value, &change->owner);

    if (message != NULL) {
        return message;
    }

    change->set |= REFERRAL_SET_OWNER;

    return referral_owner_wrong(change->owner);
}


static const char *
field_kind(json_t *value, referral_code_change_t *change)
{
    int  kind;

    static const char *const  names[] = { "customer", "partner", NULL };

    kind = code_choose(value, names);

    if (kind == -1) {
        return "it is not \"customer\" or \"partner\"";
    }

    change->set |= REFERRAL_SET_KIND;
    change->kind = (uint8_t) (REFERRAL_KIND_CUSTOMER + kind);

    return NULL;
}


static const char *
field_name(json_t *value, referral_code_change_t *change)
{
    const char  *message;

    change->set |= REFERRAL_SET_NAME;

    if (json_is_null(value)) {
        return NULL;
    }

    message = referral_json_string(value, &change->name);

    if (message != NULL) {
        return message;
    }

    if (change->name.len == 0 || change->name.len > REFERRAL_NAME_MAX) {
        return "it is not null or 1 to 128 bytes long";
    }

    if (!code_text(change->name)) {
        return "it has control characters";
    }

    return NULL;
}


static const char *
field_landing(json_t *value, referral_code_change_t *change)
{
    const char  *message;

    change->set |= REFERRAL_SET_LANDING;

    if (json_is_null(value)) {
        return NULL;
    }

    message = referral_json_string(value, &change->landing);

    return message ? message : referral_landing_wrong(change->landing);
}


static const char *
field_status(json_t *value, referral_code_change_t *change)
{
    int  status;

    static const char *const  names[] = { "active", "paused", NULL };

    status = code_choose(value, names);

    if (status == -1) {
        return "it is not \"active\" or \"paused\"";
    }

    change->set |= REFERRAL_SET_STATUS;
    change->status = (uint8_t) (REFERRAL_STATUS_ACTIVE + status);

    return NULL;
}


const char *
referral_code_field(const char *name, json_t *value,
    referral_code_change_t *change)
{
    size_t  i;

    static const code_field_t  fields[] = {
        { "code", field_code },
        { "owner", field_owner },
        { "kind", field_kind },
        { "name", field_name },
        { "landing", field_landing },
        { "status", field_status }
    };

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return fields[i].handler(value, change);
        }
    }

    return "there is no such field";
}
