/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


#define NGX_HTTP_REFERRAL_FEED_LIMIT      250
#define NGX_HTTP_REFERRAL_FEED_LIMIT_MAX  1000
#define NGX_HTTP_REFERRAL_FEED_ROWS       4000  /* looked at: milliseconds */


typedef struct {
    ngx_http_referral_api_ctx_t  *api;
    referral_out_t                out;
    uint32_t                      program;
    uint64_t                      after;
    unsigned                      types;    /* bits of entries */
    ngx_uint_t                    limit;
    ngx_uint_t                    n;
} ngx_http_referral_api_feed_t;


static ngx_int_t ngx_http_referral_api_feed_args(
    ngx_http_referral_api_feed_t *feed);
static void ngx_http_referral_api_feed_types(
    ngx_http_referral_api_feed_t *feed);
static ngx_int_t ngx_http_referral_api_feed(
    ngx_http_referral_api_feed_t *feed, referral_snapshot_t *snap);
static int ngx_http_referral_api_feed_visit(void *data,
    const referral_entry_t *entry);


ngx_int_t
ngx_http_referral_api_journal(ngx_http_referral_api_ctx_t *api)
{
    ngx_int_t                      rc;
    referral_snapshot_t           *snap;
    ngx_http_referral_api_feed_t   feed;

    ngx_memzero(&feed, sizeof(ngx_http_referral_api_feed_t));

    feed.api = api;

    rc = ngx_http_referral_api_feed_args(&feed);
    if (rc != NGX_OK) {
        return rc;
    }

    snap = ngx_http_referral_api_read(api);
    if (snap == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_referral_api_feed(&feed, snap);

    ngx_http_referral_read_end(snap);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_referral_api_send(api, NGX_HTTP_OK,
                                      "application/x-ndjson", &feed.out);
}


static ngx_int_t
ngx_http_referral_api_feed_args(ngx_http_referral_api_feed_t *feed)
{
    ngx_http_referral_api_ctx_t  *api;

    api = feed->api;

    feed->after = ngx_http_referral_api_number(api, "after", 0,
                                       NGX_MAX_INT_T_VALUE, 0,
                                       "it is not the number of an entry");
    feed->limit = ngx_http_referral_api_number(api, "limit", 1,
                                       NGX_HTTP_REFERRAL_FEED_LIMIT_MAX,
                                       NGX_HTTP_REFERRAL_FEED_LIMIT,
                                       "it is not a number from 1 to 1000");
    ngx_http_referral_api_feed_types(feed);

    if (api->problem.errors.nelts) {
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "invalid_parameter", "a query parameter is not valid");
    }

    return NGX_OK;
}


static void
ngx_http_referral_api_feed_types(ngx_http_referral_api_feed_t *feed)
{
    u_char          *p, *last, *end;
    unsigned         bit;
    ngx_str_t       *arg;
    referral_str_t   name;

    arg = ngx_http_referral_api_arg(feed->api, "type");

    if (arg == NULL) {
        feed->types = ~0u;
        return;
    }

    last = arg->data + arg->len;

    for (p = arg->data; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        name.data = p;
        name.len = end - p;

        bit = referral_entry_bit(name);

        if (bit == 0) {
            ngx_http_referral_api_error(feed->api->request->pool,
                &feed->api->problem, ngx_http_referral_text("type"),
                "it is not a list of click, code, program, conversion, "
                "refund, decision, rules, hold, reward, status, tier");
            return;
        }

        feed->types |= bit;
    }
}


/*
 * A store that was restored has fewer entries than the follower has seen, and
 * will give their numbers to others: to go on would miss those.
 */

static ngx_int_t
ngx_http_referral_api_feed(ngx_http_referral_api_feed_t *feed,
    referral_snapshot_t *snap)
{
    uint64_t                      last;
    unsigned                      mask;
    referral_store_info_t         info;
    referral_out_t               *out;
    ngx_http_referral_api_ctx_t  *api;

    api = feed->api;
    out = &feed->out;

    if (referral_store_info(snap, &info) != REFERRAL_OK) {
        return ngx_http_referral_api_unreadable(api);
    }

    if (feed->after > info.journal) {
        return ngx_http_referral_api_refuse(&api->problem, 422,
                   "journal_position",
                   "the journal ends before this entry: is the store another "
                   "one, or was it restored?");
    }

    ngx_http_referral_out_init(out, api->request->pool);

    feed->program = ngx_http_referral_program_id(api->program->index);

    mask = feed->types;

    if (mask >> REFERRAL_ENTRY_NOTES) {
        mask |= 1u << REFERRAL_RECORD_NOTE;
    }

    if (referral_journal_read(snap, feed->after, mask,
                              NGX_HTTP_REFERRAL_FEED_ROWS,
                              ngx_http_referral_api_feed_visit, feed, &last)
        != REFERRAL_OK)
    {
        return ngx_http_referral_api_unreadable(api);
    }

    referral_out_open(out, NULL, "{");
    referral_out_uint(out, "next", last);
    referral_out_bool(out, "more", last < info.journal);
    referral_out_close(out, "}");
    referral_out_write(out, "\n", 1);

    return NGX_OK;
}


/* Holds pass for all programs at once. */

static int
ngx_http_referral_api_feed_visit(void *data, const referral_entry_t *entry)
{
    ngx_http_referral_api_feed_t *feed = data;

    if ((entry->program != feed->program
         && entry->type != REFERRAL_RECORD_TICK)
        || !(referral_entry_type(entry) & feed->types))
    {
        return 0;
    }

    referral_out_entry(&feed->out, entry);
    referral_out_write(&feed->out, "\n", 1);

    feed->out.comma = 0;

    return ++feed->n == feed->limit;
}
