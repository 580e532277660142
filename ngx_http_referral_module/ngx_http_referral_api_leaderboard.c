/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"
#include "referral_time.h"


/*
 * The last row of a page, as the "next" of its answer carries it: with it the
 * rank goes on where it was.
 */

typedef struct {
    int64_t                       points;
    uint32_t                      program;
    uint32_t                      period;
    uint32_t                      code_id;
    uint32_t                      rank;
    uint32_t                      place;    /* rows up to it */
    uint32_t                      check;    /* of all that is before */
} ngx_http_referral_api_mark_t;

typedef struct {
    ngx_http_referral_api_ctx_t  *api;
    referral_snapshot_t          *snap;
    referral_out_t                out;
    ngx_str_t                     period;
    uint32_t                      number;   /* of the period */
    int64_t                       from;     /* ms; 0: none */
    int64_t                       to;
    ngx_uint_t                    frozen;
    ngx_uint_t                    limit;
    ngx_uint_t                    n;
    ngx_uint_t                    more;
    ngx_uint_t                    failed;
    ngx_http_referral_api_mark_t  mark;
} ngx_http_referral_api_board_t;


static ngx_int_t ngx_http_referral_api_board(
    ngx_http_referral_api_board_t *board);
static ngx_int_t ngx_http_referral_api_period(
    ngx_http_referral_api_board_t *board);
static ngx_int_t ngx_http_referral_api_month(
    ngx_http_referral_api_board_t *board);
static ngx_int_t ngx_http_referral_api_contest(
    ngx_http_referral_api_board_t *board);
static ngx_int_t ngx_http_referral_api_mark_read(
    ngx_http_referral_api_board_t *board);
static void ngx_http_referral_api_mark_write(
    ngx_http_referral_api_board_t *board);
static uint32_t ngx_http_referral_api_mark_check(
    ngx_http_referral_api_mark_t *mark);
static int ngx_http_referral_api_leader_visit(void *data,
    referral_str_t code, const referral_place_t *place);
static ngx_int_t ngx_http_referral_api_board_etag(
    ngx_http_referral_api_board_t *board);


ngx_int_t
ngx_http_referral_api_leaderboard(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t                      rc;
    ngx_http_referral_api_board_t  board;

    ngx_memzero(&board, sizeof(ngx_http_referral_api_board_t));

    board.api = api;
    board.limit = ngx_http_referral_api_limit(api);

    board.snap = ngx_http_referral_api_read(api);
    if (board.snap == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_referral_api_board(&board);

    ngx_http_referral_read_end(board.snap);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_referral_api_send_json(api, NGX_HTTP_OK, &board.out);
}


static ngx_int_t
ngx_http_referral_api_board(ngx_http_referral_api_board_t *board)
{
    ngx_int_t                     rc;
    referral_place_t              after;
    referral_out_t               *out;
    ngx_http_referral_api_ctx_t  *api;

    api = board->api;
    out = &board->out;

    rc = ngx_http_referral_api_period(board);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_referral_api_mark_read(board);
    if (rc != NGX_OK) {
        return rc;
    }

    after.points = board->mark.points;
    after.code_id = board->mark.code_id;

    ngx_http_referral_out_init(out, api->request->pool);

    rc = ngx_http_referral_api_board_etag(board);
    if (rc != NGX_OK || api->unchanged) {
        return rc;
    }

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "program",
                     ngx_http_referral_str(api->program->name));
    referral_out_str(out, "period",
                     ngx_http_referral_str(board->period));
    referral_out_time(out, "from", board->from);
    referral_out_time(out, "to", board->to);
    referral_out_bool(out, "frozen", board->frozen);
    referral_out_time(out, "as_of", (int64_t) ngx_time() * 1000);
    referral_out_open(out, "data", "[");

    if (referral_leaders(board->snap, board->mark.program, board->number,
                         &after, ngx_http_referral_api_leader_visit, board)
        != REFERRAL_OK
        || board->failed)
    {
        return ngx_http_referral_api_unreadable(api);
    }

    referral_out_close(out, "]");
    ngx_http_referral_api_mark_write(board);
    referral_out_close(out, "}");

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_period(ngx_http_referral_api_board_t *board)
{
    ngx_str_t  *arg;

    arg = ngx_http_referral_api_arg(board->api, "period");

    if (arg == NULL
        || (arg->len == 3 && ngx_memcmp(arg->data, "all", 3) == 0))
    {
        ngx_str_set(&board->period, "all");
        board->number = REFERRAL_LEADERS_ALL;
        return NGX_OK;
    }

    board->period = *arg;

    if (ngx_http_referral_api_month(board) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_http_referral_api_contest(board);
}


static ngx_int_t
ngx_http_referral_api_month(ngx_http_referral_api_board_t *board)
{
    u_char     text[sizeof("2000-01-01")];
    ngx_int_t  year, month;

    if (board->period.len != sizeof("2000-01") - 1
        || board->period.data[4] != '-')
    {
        return NGX_DECLINED;
    }

    year = ngx_atoi(board->period.data, 4);
    month = ngx_atoi(board->period.data + 5, 2);

    if (year < 1970 || year > 9998 || month < 1 || month > 12) {
        return NGX_DECLINED;
    }

    board->number = year * 100 + month;

    ngx_sprintf(text, "%04i-%02i-01%Z", year, month);

    if (referral_time_parse((referral_str_t) { sizeof(text) - 1, text },
                            &board->from)
        != 0)
    {
        return NGX_DECLINED;
    }

    ngx_sprintf(text, "%04i-%02i-01%Z", year + month / 12, month % 12 + 1);

    (void) referral_time_parse((referral_str_t) { sizeof(text) - 1, text },
                               &board->to);

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_contest(ngx_http_referral_api_board_t *board)
{
    unsigned                        i;
    uint32_t                        program;
    referral_rc_t                   rc;
    referral_str_t                  name;
    referral_rules_t                rules;
    const referral_contest_rule_t  *contest;

    program = ngx_http_referral_program_id(board->api->program->index);
    name = ngx_http_referral_str(board->period);

    rc = referral_leaders_contest(board->snap, program, name, &board->number);

    if (rc == REFERRAL_OK) {
        rc = referral_rules_get(board->snap, program, &rules);
    }

    if (rc == REFERRAL_NOT_FOUND) {
        return ngx_http_referral_api_refuse(&board->api->problem,
                   NGX_HTTP_NOT_FOUND, "contest_not_found",
                   "the program has no such contest");
    }

    if (rc != REFERRAL_OK) {
        return ngx_http_referral_api_unreadable(board->api);
    }

    board->frozen = 1;

    for (i = 0; i < rules.ncontests; i++) {
        contest = &rules.contests[i];

        if (contest->name.len == name.len
            && ngx_memcmp(contest->name.data, name.data, name.len) == 0)
        {
            board->from = contest->from;
            board->to = contest->to;
            board->frozen = (int64_t) ngx_time() * 1000 >= contest->to;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_api_mark_read(ngx_http_referral_api_board_t *board)
{
    u_char                         text[2 * sizeof(board->mark)];
    uint32_t                       program;
    ngx_str_t                     *arg, bytes;
    ngx_http_referral_api_ctx_t   *api;
    ngx_http_referral_api_mark_t  *mark;

    api = board->api;
    mark = &board->mark;
    program = ngx_http_referral_program_id(api->program->index);

    arg = ngx_http_referral_api_arg(api, "after");

    if (arg != NULL) {
        bytes.data = text;

        if (arg->len < sizeof(text)
            && ngx_decode_base64url(&bytes, arg) == NGX_OK
            && bytes.len == sizeof(ngx_http_referral_api_mark_t))
        {
            ngx_memcpy(mark, text, sizeof(ngx_http_referral_api_mark_t));
        }

        if (mark->code_id == 0 || mark->program != program
            || mark->period != board->number
            || mark->check != ngx_http_referral_api_mark_check(mark))
        {
            ngx_http_referral_api_error(api->request->pool, &api->problem,
                ngx_http_referral_text("after"),
                "it is not the \"next\" of this leaderboard");
        }
    }

    if (api->problem.errors.nelts) {
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_parameter", "a query parameter is not valid");
    }

    mark->program = program;
    mark->period = board->number;

    return NGX_OK;
}


static void
ngx_http_referral_api_mark_write(ngx_http_referral_api_board_t *board)
{
    u_char     text[2 * sizeof(board->mark)];
    ngx_str_t  bytes, next;

    if (!board->more) {
        referral_out_null(&board->out, "next");
        return;
    }

    board->mark.check = ngx_http_referral_api_mark_check(&board->mark);

    bytes.data = (u_char *) &board->mark;
    bytes.len = sizeof(board->mark);
    next.data = text;

    ngx_encode_base64url(&next, &bytes);

    referral_out_str(&board->out, "next",
                     ngx_http_referral_str(next));
}


static uint32_t
ngx_http_referral_api_mark_check(ngx_http_referral_api_mark_t *mark)
{
    return ngx_crc32_long((u_char *) mark,
                          offsetof(ngx_http_referral_api_mark_t, check));
}


static int
ngx_http_referral_api_leader_visit(void *data, referral_str_t name,
    const referral_place_t *place)
{
    ngx_http_referral_api_board_t *board = data;

    referral_code_t                code;
    referral_out_t                *out;
    ngx_http_referral_api_mark_t  *mark;

    if (board->n == board->limit) {
        board->more = 1;
        return 1;
    }

    board->n++;

    out = &board->out;
    mark = &board->mark;

    mark->place++;

    if (mark->place == 1 || place->points != mark->points) {
        mark->rank = mark->place;
    }

    mark->points = place->points;
    mark->code_id = place->code_id;

    if (referral_code_get(board->snap, mark->program, name, &code)
        != REFERRAL_OK)
    {
        ngx_memzero(&code, sizeof(referral_code_t));
    }

    referral_out_open(out, NULL, "{");
    referral_out_uint(out, "rank", mark->rank);
    referral_out_str(out, "code", name);
    referral_out_str_or_null(out, "name", code.name);
    referral_out_int(out, "points", place->points);

    if (referral_out_flags(out, board->snap, mark->program, place->code_id)
        != REFERRAL_OK)
    {
        board->failed = 1;
        return 1;
    }

    referral_out_close(out, "}");

    return 0;
}


/* Weak: "as_of" moves on while nothing else does. */

static ngx_int_t
ngx_http_referral_api_board_etag(ngx_http_referral_api_board_t *board)
{
    u_char                       *p;
    ngx_http_referral_api_ctx_t  *api;

    api = board->api;

    if (ngx_http_referral_api_etag(api, board->snap, board->frozen)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_pnalloc(api->request->pool, api->etag.len + 2);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    api->etag.len = ngx_sprintf(p, "W/%V", &api->etag) - p;
    api->etag.data = p;

    return NGX_OK;
}
