/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


#define NGX_HTTP_REFERRAL_REWARD_ROWS  5000     /* looked at: a millisecond */


typedef struct {
    ngx_http_referral_api_ctx_t  *api;
    referral_snapshot_t          *snap;
    referral_out_t                out;
    uint32_t                      program;
    int                           state;    /* -1: any */
    int                           to;
    uint32_t                      code_id;  /* 0: any */
    uint64_t                      after;
    uint64_t                      last;
    ngx_uint_t                    limit;
    ngx_uint_t                    n;
    ngx_uint_t                    more;
} ngx_http_referral_api_rewards_t;


static ngx_int_t ngx_http_referral_api_rewards_args(
    ngx_http_referral_api_rewards_t *list);
static int ngx_http_referral_api_reward_to(ngx_http_referral_api_ctx_t *api);
static ngx_int_t ngx_http_referral_api_rewards(
    ngx_http_referral_api_rewards_t *list);
static int ngx_http_referral_api_rewards_visit(void *data,
    const referral_reward_t *reward);
static uint64_t ngx_http_referral_api_reward_id(ngx_str_t *text);
static referral_rc_t ngx_http_referral_api_reward_lookup(
    ngx_http_referral_api_ctx_t *api, referral_snapshot_t *snap,
    referral_reward_t *reward);
static ngx_int_t ngx_http_referral_api_reward_answer(
    ngx_http_referral_api_ctx_t *api, const referral_result_t *result);
static ngx_int_t ngx_http_referral_api_reward_move(
    ngx_http_referral_api_ctx_t *api, referral_decide_t what);
static ngx_int_t ngx_http_referral_api_reward_moved(
    ngx_http_referral_api_ctx_t *api, const referral_result_t *result,
    void *data);
static ngx_int_t ngx_http_referral_api_reward_stuck(
    ngx_http_referral_api_ctx_t *api);


ngx_int_t
ngx_http_referral_api_reward_list(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t                        rc;
    ngx_http_referral_api_rewards_t  list;

    ngx_memzero(&list, sizeof(ngx_http_referral_api_rewards_t));

    list.api = api;

    rc = ngx_http_referral_api_rewards_args(&list);
    if (rc != NGX_OK) {
        return rc;
    }

    list.snap = ngx_http_referral_api_read(api);
    if (list.snap == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_referral_api_rewards(&list);

    ngx_http_referral_read_end(list.snap);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &list.out);
}


static ngx_int_t
ngx_http_referral_api_rewards_args(ngx_http_referral_api_rewards_t *list)
{
    ngx_str_t                    *arg;
    ngx_http_referral_api_ctx_t  *api;

    api = list->api;

    list->limit = ngx_http_referral_api_limit(api);
    list->state = ngx_http_referral_api_reward_state(api);
    list->to = ngx_http_referral_api_reward_to(api);

    arg = ngx_http_referral_api_arg(api, "after");

    if (arg != NULL) {
        list->after = ngx_http_referral_api_reward_id(arg);

        if (list->after == 0) {
            ngx_http_referral_api_error(api->request->pool, &api->problem,
                                        ngx_http_referral_text("after"),
                                        "it is not the \"next\" of a list");
        }
    }

    if (api->problem.errors.nelts) {
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_parameter", "a query parameter is not valid");
    }

    return NGX_OK;
}


int
ngx_http_referral_api_reward_state(ngx_http_referral_api_ctx_t *api)
{
    int          state;
    ngx_str_t   *arg;
    const char  *name;

    arg = ngx_http_referral_api_arg(api, "state");

    if (arg == NULL) {
        return -1;
    }

    for (state = 0; state < REFERRAL_REWARD_STATES; state++) {
        name = referral_reward_state_name(state);

        if (arg->len == ngx_strlen(name)
            && ngx_memcmp(arg->data, name, arg->len) == 0)
        {
            return state;
        }
    }

    ngx_http_referral_api_error(api->request->pool, &api->problem,
        ngx_http_referral_text("state"),
        "it is not pending, held, approved, claimed or void");

    return -1;
}


static int
ngx_http_referral_api_reward_to(ngx_http_referral_api_ctx_t *api)
{
    ngx_str_t  *arg;

    arg = ngx_http_referral_api_arg(api, "to");

    if (arg == NULL) {
        return -1;
    }

    if (arg->len == 8 && ngx_memcmp(arg->data, "referrer", 8) == 0) {
        return REFERRAL_TO_REFERRER;
    }

    if (arg->len == 6 && ngx_memcmp(arg->data, "friend", 6) == 0) {
        return REFERRAL_TO_FRIEND;
    }

    ngx_http_referral_api_error(api->request->pool, &api->problem,
                                ngx_http_referral_text("to"),
                                "it is not referrer or friend");

    return -1;
}


static ngx_int_t
ngx_http_referral_api_rewards(ngx_http_referral_api_rewards_t *list)
{
    uint64_t                      last;
    ngx_str_t                    *arg;
    referral_code_t               code;
    referral_out_t               *out;
    referral_reward_filter_t      filter;
    ngx_http_referral_api_ctx_t  *api;

    api = list->api;
    out = &list->out;

    list->program = ngx_http_referral_program_id(api->program->index);

    arg = ngx_http_referral_api_arg(api, "code");

    if (arg != NULL) {
        if (ngx_http_referral_api_code_lookup(api, list->snap,
                                              ngx_http_referral_str(*arg),
                                              &code)
            != REFERRAL_OK)
        {
            return NGX_DECLINED;
        }

        list->code_id = code.id;
    }

    filter.state = list->state;
    filter.to = list->to;
    filter.code_id = list->code_id;

    ngx_http_referral_out_init(out, api->request->pool);

    referral_out_open(out, NULL, "{");
    referral_out_open(out, "data", "[");

    /* what is passed over could take any time: a page may have fewer */

    if (referral_reward_some(list->snap, list->program, &filter, list->after,
                             NGX_HTTP_REFERRAL_REWARD_ROWS,
                             ngx_http_referral_api_rewards_visit, list, &last)
        != REFERRAL_OK)
    {
        return ngx_http_referral_api_unreadable(api);
    }

    referral_out_end_list(out, list->more ? list->last : last);

    return NGX_OK;
}


static int
ngx_http_referral_api_rewards_visit(void *data,
    const referral_reward_t *reward)
{
    ngx_http_referral_api_rewards_t *list = data;

    if (list->n == list->limit) {
        list->more = 1;
        return 1;
    }

    list->n++;
    list->last = reward->id;

    referral_out_open(&list->out, NULL, "{");
    referral_out_reward_of(&list->out, list->snap,
                           list->program, reward);
    referral_out_close(&list->out, "}");

    return 0;
}


/* 0: it is no id. */

static uint64_t
ngx_http_referral_api_reward_id(ngx_str_t *text)
{
    ngx_int_t  n;

    n = ngx_atoi(text->data, text->len);

    return (n > 0 && text->data[0] != '0') ? n : 0;
}


static referral_rc_t
ngx_http_referral_api_reward_lookup(ngx_http_referral_api_ctx_t *api,
    referral_snapshot_t *snap, referral_reward_t *reward)
{
    uint64_t       id;
    referral_rc_t  rc;

    id = ngx_http_referral_api_reward_id(&api->id);

    rc = (id == 0) ? REFERRAL_NOT_FOUND
                   : referral_reward_get(snap,
                          ngx_http_referral_program_id(api->program->index),
                          id, reward);

    if (rc == REFERRAL_NOT_FOUND) {
        ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_NOT_FOUND,
                                     "reward_not_found",
                                     "the program has no such reward");

    } else if (rc != REFERRAL_OK) {
        ngx_http_referral_api_unreadable(api);
    }

    return rc;
}


ngx_int_t
ngx_http_referral_api_reward_get(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_reward_answer(api, NULL);
}


static ngx_int_t
ngx_http_referral_api_reward_answer(ngx_http_referral_api_ctx_t *api,
    const referral_result_t *result)
{
    uint32_t              program;
    referral_rc_t         rc;
    referral_reward_t     reward;
    referral_snapshot_t  *snap;
    referral_out_t        out;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    program = ngx_http_referral_program_id(api->program->index);

    ngx_http_referral_out_init(&out, api->request->pool);

    rc = ngx_http_referral_api_reward_lookup(api, snap, &reward);

    if (rc == REFERRAL_OK) {
        if (result == NULL
            && ngx_http_referral_api_etag(api, snap, 0) != NGX_OK)
        {
            out.failed = 1;
        }

        referral_out_open(&out, NULL, "{");
        referral_out_reward_of(&out, snap, program, &reward);

        if (result != NULL) {
            referral_out_bool(&out, "duplicate", !result->created);
        }

        referral_out_close(&out, "}");
    }

    ngx_http_referral_read_end(snap);

    if (rc != REFERRAL_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &out);
}


ngx_int_t
ngx_http_referral_api_reward_approve(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_reward_move(api, REFERRAL_DECIDE_APPROVE);
}


ngx_int_t
ngx_http_referral_api_reward_claim(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_reward_move(api, REFERRAL_DECIDE_CLAIM);
}


ngx_int_t
ngx_http_referral_api_reward_void(ngx_http_referral_api_ctx_t *api)
{
    return ngx_http_referral_api_reward_move(api, REFERRAL_DECIDE_VOID);
}


static ngx_int_t
ngx_http_referral_api_reward_move(ngx_http_referral_api_ctx_t *api,
    referral_decide_t what)
{
    json_t               *object;
    ngx_int_t             rc;
    referral_reward_t     reward;
    referral_record_t     record;
    referral_snapshot_t  *snap;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(&record, sizeof(referral_record_t));

    record.type = REFERRAL_RECORD_DECISION;
    record.u.decision.program =
        ngx_http_referral_program_id(api->program->index);
    record.u.decision.what = what;
    record.u.decision.reward = ngx_http_referral_api_reward_id(&api->id);

    rc = (ngx_http_referral_api_reward_lookup(api, snap, &reward)
          == REFERRAL_OK)
         ? NGX_OK : NGX_DECLINED;

    ngx_http_referral_read_end(snap);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_referral_api_reason(api, &object,
                                      &record.u.decision.reason);

    if (rc == NGX_OK) {
        rc = ngx_http_referral_api_record(api, &record,
                                    ngx_http_referral_api_reward_moved, NULL);
    }

    json_decref(object);

    return rc;
}


static ngx_int_t
ngx_http_referral_api_reward_moved(ngx_http_referral_api_ctx_t *api,
    const referral_result_t *result, void *data)
{
    switch (result->rc) {

    case REFERRAL_OK:
        return ngx_http_referral_api_reward_answer(api, result);

    case REFERRAL_STATE:
        return ngx_http_referral_api_reward_stuck(api);

    default:
        return ngx_http_referral_api_unsure(api);
    }
}


static ngx_int_t
ngx_http_referral_api_reward_stuck(ngx_http_referral_api_ctx_t *api)
{
    u_char               *detail;
    referral_rc_t         rc;
    referral_reward_t     reward;
    referral_snapshot_t  *snap;

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_referral_api_reward_lookup(api, snap, &reward);

    ngx_http_referral_read_end(snap);

    if (rc != REFERRAL_OK) {
        return NGX_DECLINED;
    }

    detail = ngx_pnalloc(api->request->pool, 64);
    if (detail == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_snprintf(detail, 64, "the reward is %s, which does not allow it%Z",
                 referral_reward_state_name(reward.state));

    return ngx_http_referral_api_refuse(&api->problem, NGX_HTTP_CONFLICT,
                                        "reward_state", (char *) detail);
}
