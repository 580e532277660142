/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * import codes: made or changed, as PUT does it.
 */

#include <stdio.h>
#include <string.h>

#include "referralctl_import.h"
#include "referral_code_json.h"


static ctl_rc_t ctl_code_line(ctl_import_t *m, json_t *object);
static unsigned ctl_code_told(json_t *object);
static unsigned ctl_code_wrong(ctl_import_t *m, json_t *object,
    referral_code_change_t *change);
static ctl_rc_t ctl_code_take(ctl_import_t *m,
    referral_code_change_t *change, unsigned ended, unsigned told);
static unsigned ctl_code_same(const referral_code_t *code,
    const referral_code_change_t *change);
static unsigned ctl_same(referral_str_t a, referral_str_t b);
static ctl_rc_t ctl_code_put(ctl_import_t *m, referral_code_change_t *change,
    unsigned ended);
static void ctl_code_result(ctl_import_t *m, const ctl_line_t *line,
    const referral_result_t *result);
static json_t *ctl_code_summary(const ctl_import_t *m);


const ctl_import_kind_t  ctl_import_codes = {
    "codes",
    "code",
    ctl_code_line,
    ctl_code_result,
    ctl_code_summary,
    NULL
};


static ctl_rc_t
ctl_code_line(ctl_import_t *m, json_t *object)
{
    json_t                  *status;
    unsigned                 told, ended;
    referral_code_change_t   change;

    memset(&change, 0, sizeof(referral_code_change_t));
    change.program = m->program;

    told = ctl_code_told(object);

    /* of an export only: others cannot bring a code to its end */

    status = json_object_get(object, "status");
    ended = told && json_is_string(status)
            && strcmp(json_string_value(status), "ended") == 0;

    if (ended) {
        (void) json_object_del(object, "status");
    }

    if (ctl_code_wrong(m, object, &change)) {
        m->refused++;
        return CTL_OK;
    }

    return ctl_code_take(m, &change, ended, told);
}


/* What an export tells is taken out. */

static unsigned
ctl_code_told(json_t *object)
{
    static const char *const  names[] = {
        "program", "changed_at", "clicks", "human", "unique", "events",
        "points", "tier", "rewards", "amounts", "rewards_pending",
        "rewards_held", "rewards_approved", "rewards_claimed",
        "rewards_void", "created_at", "flags", NULL
    };

    if (!ctl_exported(object, "created_at", names)) {
        return 0;
    }

    /* it has none where codes are open */

    if (json_is_null(json_object_get(object, "owner"))) {
        (void) json_object_del(object, "owner");
    }

    return 1;
}


static unsigned
ctl_code_wrong(ctl_import_t *m, json_t *object,
    referral_code_change_t *change)
{
    json_t      *value;
    unsigned     wrong;
    const char  *name, *message;

    wrong = 0;

    json_object_foreach(object, name, value) {
        message = referral_code_field(name, value, change);

        if (message != NULL) {
            wrong = 1;
            ctl_say(m->lines, "\"%s\": %s", name, message);
        }
    }

    if (json_object_get(object, "code") == NULL) {
        wrong = 1;
        ctl_say(m->lines, "\"code\": it is missing");
    }

    return wrong;
}


static ctl_rc_t
ctl_code_take(ctl_import_t *m, referral_code_change_t *change,
    unsigned ended, unsigned told)
{
    ctl_rc_t         rc;
    unsigned         same, gone;
    referral_rc_t    found;
    referral_code_t  code;

    rc = ctl_begin(&m->store);

    if (rc != CTL_OK) {
        return rc;
    }

    found = referral_code_get(m->store.snap, m->program, change->code, &code);
    gone = (found == REFERRAL_OK && code.status == REFERRAL_STATUS_ENDED);
    same = found == REFERRAL_OK && ended == gone
           && ctl_code_same(&code, change);
    referral_snapshot_end(m->store.snap);

    if (found != REFERRAL_OK && found != REFERRAL_NOT_FOUND) {
        return ctl_fail("cannot read \"%s/data.mdb\"", m->store.dir);
    }

    if (same || (gone && ended)) {
        m->duplicates++;
        return CTL_OK;
    }

    if (gone) {
        ctl_refuse(m, m->lines, "\"code\": it has ended and is not given out "
                   "again");
        return CTL_OK;
    }

    if (found == REFERRAL_NOT_FOUND && !told
        && !(change->set & REFERRAL_SET_OWNER))
    {
        ctl_refuse(m, m->lines, "\"owner\": a new code must have it");
        return CTL_OK;
    }

    if (!m->dry_run) {
        return ctl_code_put(m, change, ended);
    }

    m->new += (found == REFERRAL_NOT_FOUND);
    m->changed += (found == REFERRAL_OK);

    return CTL_OK;
}


static unsigned
ctl_code_same(const referral_code_t *code,
    const referral_code_change_t *change)
{
    unsigned  set;

    set = change->set;

    return (!(set & REFERRAL_SET_OWNER) || ctl_same(code->owner,
                                                    change->owner))
           && (!(set & REFERRAL_SET_KIND) || code->kind == change->kind)
           && (!(set & REFERRAL_SET_NAME) || ctl_same(code->name,
                                                      change->name))
           && (!(set & REFERRAL_SET_LANDING) || ctl_same(code->landing,
                                                         change->landing))
           && (!(set & REFERRAL_SET_STATUS) || code->status
                                               == change->status);
}


static unsigned
ctl_same(referral_str_t a, referral_str_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


static ctl_rc_t
ctl_code_put(ctl_import_t *m, referral_code_change_t *change, unsigned ended)
{
    ctl_rc_t           rc;
    referral_record_t  record;

    memset(&record, 0, sizeof(referral_record_t));
    record.type = REFERRAL_RECORD_CODE;
    record.u.code = *change;

    rc = ctl_import_put(m, &record, 1);

    if (rc == CTL_OK && ended) {
        record.u.code.set = REFERRAL_SET_STATUS;
        record.u.code.status = REFERRAL_STATUS_ENDED;

        rc = ctl_import_put(m, &record, 0);
    }

    return rc;
}


static void
ctl_code_result(ctl_import_t *m, const ctl_line_t *line,
    const referral_result_t *result)
{
    if (!line->counted) {

        if (result->rc != REFERRAL_OK) {
            ctl_say(line->number, "\"status\": the store refused it");
        }

    } else if (result->rc != REFERRAL_OK) {
        ctl_refuse(m, line->number,
                   result->rc == REFERRAL_GONE
                   ? "\"code\": it has ended and is not given out again"
                   : "the store refused it");

    } else {
        m->new += result->created;
        m->changed += !result->created;
    }
}


static json_t *
ctl_code_summary(const ctl_import_t *m)
{
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}",
                     "dry_run", (int) m->dry_run,
                     "lines", (json_int_t) m->lines,
                     "new", (json_int_t) m->new,
                     "changed", (json_int_t) m->changed,
                     "same", (json_int_t) m->duplicates,
                     "refused", (json_int_t) m->refused);
}
