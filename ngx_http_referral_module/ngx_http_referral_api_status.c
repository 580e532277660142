/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


/* A family of metrics; names are without the "_total" of counters. */

typedef struct {
    const char                *name;
    const char                *help;
    ngx_http_referral_stat_e   stat;
} ngx_http_referral_api_counter_t;


static void ngx_http_referral_api_health_store(referral_out_t *out,
    ngx_http_referral_health_t *health, referral_store_info_t *info);
static void ngx_http_referral_api_health_queue(referral_out_t *out,
    ngx_http_referral_health_t *health);
static ngx_uint_t ngx_http_referral_api_info(referral_store_info_t *info);
static ngx_uint_t ngx_http_referral_api_counts(
    ngx_http_referral_api_ctx_t *api, referral_counts_t *counts);
static void ngx_http_referral_api_gauge(referral_out_t *out,
    const char *name, const char *help, uint64_t value);
static void ngx_http_referral_api_clicks_metrics(
    referral_out_t *out, ngx_str_t *program,
    referral_counts_t *counts);
static void ngx_http_referral_api_stat_metrics(referral_out_t *out);
static void ngx_http_referral_api_store_metrics(referral_out_t *out,
    referral_store_info_t *info);
static void ngx_http_referral_api_queue_metrics(referral_out_t *out,
    ngx_http_referral_health_t *health);


static const ngx_http_referral_api_counter_t
    ngx_http_referral_api_counter_list[] =
{
    { "referral_clicks_lost", "Clicks redirected but not counted.",
      NGX_HTTP_REFERRAL_STAT_LOST },
    { "referral_clicks_unflushed",
      "Durable clicks answered before they were on disk.",
      NGX_HTTP_REFERRAL_STAT_UNFLUSHED },
    { "referral_cookie_invalid", "Cookies no key of ours has signed.",
      NGX_HTTP_REFERRAL_STAT_COOKIE_INVALID },
    { "referral_to_rejected", "Deep links that were not followed.",
      NGX_HTTP_REFERRAL_STAT_TO_REJECTED },
    { "referral_headers_stripped",
      "X-Referral headers of clients taken away.",
      NGX_HTTP_REFERRAL_STAT_HEADERS_STRIPPED },
    { "referral_commit_errors", "Commits that failed.",
      NGX_HTTP_REFERRAL_STAT_COMMIT_ERRORS },
    { "referral_records", "Records applied to the store.",
      NGX_HTTP_REFERRAL_STAT_RECORDS },
    { "referral_records_refused", "Records the store passed over.",
      NGX_HTTP_REFERRAL_STAT_REFUSED },
    { "referral_records_recovered", "Records applied for dead workers.",
      NGX_HTTP_REFERRAL_STAT_RECOVERED },
    { "referral_clicks_purged", "Clicks deleted by the retention.",
      NGX_HTTP_REFERRAL_STAT_PURGED },
    { "referral_header_events",
      "Events taken from X-Referral-Event of a storefront.",
      NGX_HTTP_REFERRAL_STAT_EVENTS_HEADER },
    { "referral_header_events_refused",
      "Headers X-Referral-Event with a mistake, and events against the rules.",
      NGX_HTTP_REFERRAL_STAT_EVENTS_REFUSED },
    { "referral_header_events_lost",
      "Events of X-Referral-Event that could not be stored.",
      NGX_HTTP_REFERRAL_STAT_EVENTS_LOST },
    { NULL, NULL, 0 }
};


/*
 * ok: clicks are counted and changes are taken.  degraded: still so, but the
 * ring of this worker or the store is three quarters full; or clicks, codes
 * are not taken any more.  down: the store cannot be read or written; links
 * redirect nevertheless.
 */

ngx_int_t
ngx_http_referral_api_health(ngx_http_referral_api_ctx_t *api)
{
    ngx_uint_t                  down, degraded;
    referral_store_info_t       info;
    referral_out_t              out;
    ngx_http_referral_health_t  health;

    ngx_http_referral_health(&health);

    down = !ngx_http_referral_api_info(&info) || !health.open
           || !health.writing || info.level == REFERRAL_LEVEL_FULL;
    degraded = info.level != REFERRAL_LEVEL_OK
               || health.ring_used > health.ring_size - health.ring_size / 4;

    ngx_http_referral_out_init(&out, api->request->pool);

    referral_out_open(&out, NULL, "{");
    referral_out_text(&out, "status", down ? "down"
                                    : degraded ? "degraded" : "ok");
    ngx_http_referral_api_health_store(&out, &health, &info);
    ngx_http_referral_api_health_queue(&out, &health);
    referral_out_time(&out, "last_commit", health.last_commit);
    referral_out_str_or_null(&out, "detail",
        (referral_str_t) { ngx_strlen(health.text),
                           (const u_char *) health.text });
    referral_out_close(&out, "}");

    return ngx_http_referral_api_send_json(api,
                                           down ? NGX_HTTP_SERVICE_UNAVAILABLE
                                                : NGX_HTTP_OK,
                                           &out);
}


static void
ngx_http_referral_api_health_store(referral_out_t *out,
    ngx_http_referral_health_t *health, referral_store_info_t *info)
{
    referral_out_open(out, "store", "{");
    referral_out_bool(out, "open", health->open);
    referral_out_bool(out, "writing", health->writing);
    referral_out_text(out, "id", info->id);
    referral_out_uint(out, "schema", info->schema);
    referral_out_uint(out, "map_size", info->map_size);
    referral_out_uint(out, "used", info->used);
    referral_out_uint(out, "used_percent", info->percent);
    referral_out_text(out, "level",
                      referral_level_name(info->level));
    referral_out_uint(out, "file_size", info->file_size);
    referral_out_uint(out, "readers", info->readers);
    referral_out_uint(out, "max_readers", info->max_readers);
    referral_out_uint(out, "journal", info->journal);
    referral_out_uint(out, "codes", info->codes);
    referral_out_uint(out, "clicks_purged",
        ngx_http_referral_stat(NGX_HTTP_REFERRAL_STAT_PURGED));
    referral_out_close(out, "}");
}


static void
ngx_http_referral_api_health_queue(referral_out_t *out,
    ngx_http_referral_health_t *health)
{
    referral_out_open(out, "queue", "{");
    referral_out_uint(out, "records", health->waiting);
    referral_out_uint(out, "bytes", health->ring_used);
    referral_out_uint(out, "size", health->ring_size);
    referral_out_close(out, "}");
}


static ngx_uint_t
ngx_http_referral_api_info(referral_store_info_t *info)
{
    referral_rc_t         rc;
    referral_snapshot_t  *snap;

    ngx_memzero(info, sizeof(referral_store_info_t));

    snap = ngx_http_referral_read();
    if (snap == NULL) {
        return 0;
    }

    rc = referral_store_info(snap, info);

    ngx_http_referral_read_end(snap);

    return rc == REFERRAL_OK;
}


ngx_int_t
ngx_http_referral_api_metrics(ngx_http_referral_api_ctx_t *api)
{
    ngx_uint_t                  up;
    referral_counts_t           counts;
    referral_store_info_t       info;
    referral_out_t              out;
    ngx_http_referral_health_t  health;

    ngx_http_referral_health(&health);

    ngx_http_referral_out_init(&out, api->request->pool);

    up = ngx_http_referral_api_info(&info);

    ngx_http_referral_api_gauge(&out, "referral_store_up",
        "Whether this worker can read and write the store.",
        up && health.open && health.writing);

    if (up) {
        ngx_http_referral_api_store_metrics(&out, &info);
    }

    if (ngx_http_referral_api_counts(api, &counts)) {
        ngx_http_referral_api_clicks_metrics(&out, &api->program->name,
                                             &counts);
        ngx_http_referral_api_event_metrics(&out, api);
    }

    ngx_http_referral_api_stat_metrics(&out);
    ngx_http_referral_api_queue_metrics(&out, &health);

    ngx_http_referral_out_printf(&out, "# EOF\n");

    return ngx_http_referral_api_send(api, NGX_HTTP_OK,
               "application/openmetrics-text; version=1.0.0; charset=utf-8",
               &out);
}


static ngx_uint_t
ngx_http_referral_api_counts(ngx_http_referral_api_ctx_t *api,
    referral_counts_t *counts)
{
    uint32_t              program;
    referral_rc_t         rc;
    referral_snapshot_t  *snap;

    snap = ngx_http_referral_read();
    if (snap == NULL) {
        return 0;
    }

    program = ngx_http_referral_program_id(api->program->index);

    rc = referral_counts_get(snap, program, 0, counts);

    ngx_http_referral_read_end(snap);

    return rc == REFERRAL_OK;
}


void
ngx_http_referral_api_family(referral_out_t *out, const char *name,
    const char *type, const char *help)
{
    ngx_http_referral_out_printf(out, "# TYPE %s %s\n# HELP %s %s\n", name,
                                 type, name, help);
}


static void
ngx_http_referral_api_gauge(referral_out_t *out, const char *name,
    const char *help, uint64_t value)
{
    ngx_http_referral_api_family(out, name, "gauge", help);
    ngx_http_referral_out_printf(out, "%s %uL\n", name, value);
}


void
ngx_http_referral_api_label(referral_out_t *out, ngx_str_t *program)
{
    size_t  i;

    ngx_http_referral_out_printf(out, "{program=\"");

    for (i = 0; i < program->len; i++) {
        switch (program->data[i]) {

        case '\n':
            referral_out_write(out, "\\n", 2);
            break;

        case '"':
        case '\\':
            referral_out_write(out, "\\", 1);
            /* fall through */

        default:
            referral_out_write(out, &program->data[i], 1);
        }
    }

    referral_out_write(out, "\"", 1);
}


static void
ngx_http_referral_api_clicks_metrics(referral_out_t *out,
    ngx_str_t *program, referral_counts_t *counts)
{
    unsigned  i;

    ngx_http_referral_api_family(out, "referral_clicks", "counter",
                                 "Requests that hit a link, by class.");

    for (i = 0; i < REFERRAL_CLASSES; i++) {
        ngx_http_referral_out_printf(out, "referral_clicks_total");
        ngx_http_referral_api_label(out, program);
        ngx_http_referral_out_printf(out, ",class=\"%s\"} %uL\n",
                                     referral_class_name(i),
                                     counts->classes[i]);
    }

    ngx_http_referral_api_family(out, "referral_unique_clicks", "counter",
                                 "Human clicks that were unique.");
    ngx_http_referral_out_printf(out, "referral_unique_clicks_total");
    ngx_http_referral_api_label(out, program);
    ngx_http_referral_out_printf(out, "} %uL\n", counts->unique);
}


static void
ngx_http_referral_api_stat_metrics(referral_out_t *out)
{
    uint64_t                                ms;
    const ngx_http_referral_api_counter_t  *c;

    for (c = ngx_http_referral_api_counter_list; c->name != NULL; c++) {
        ngx_http_referral_api_family(out, c->name, "counter", c->help);
        ngx_http_referral_out_printf(out, "%s_total %uL\n", c->name,
                                     (uint64_t) ngx_http_referral_stat(
                                                    c->stat));
    }

    ms = ngx_http_referral_stat(NGX_HTTP_REFERRAL_STAT_COMMIT_MS);

    ngx_http_referral_api_family(out, "referral_commit_seconds", "summary",
                                 "Duration of commits.");
    ngx_http_referral_out_printf(out,
                                 "referral_commit_seconds_count %uL\n"
                                 "referral_commit_seconds_sum %uL.%03uL\n",
                                 (uint64_t) ngx_http_referral_stat(
                                     NGX_HTTP_REFERRAL_STAT_COMMITS),
                                 ms / 1000, ms % 1000);
}


static void
ngx_http_referral_api_store_metrics(referral_out_t *out,
    referral_store_info_t *info)
{
    ngx_http_referral_api_gauge(out, "referral_store_used_bytes",
                                "Bytes in pages that are not free.",
                                info->used);
    ngx_http_referral_api_gauge(out, "referral_store_file_bytes",
                                "Size of the file.", info->file_size);
    ngx_http_referral_api_gauge(out, "referral_store_map_bytes",
                                "What the file may grow to.",
                                info->map_size);
    ngx_http_referral_api_gauge(out, "referral_store_level",
                                "How full: 0 ok, 1 warning, 2 clicks are "
                                "refused, 3 codes too, 4 full.", info->level);
    ngx_http_referral_api_gauge(out, "referral_store_readers",
                                "Reader slots used so far.", info->readers);
    ngx_http_referral_api_gauge(out, "referral_store_readers_max",
                                "Reader slots.", info->max_readers);
    ngx_http_referral_api_gauge(out, "referral_store_codes",
                                "Codes of all programs.", info->codes);
    ngx_http_referral_api_family(out, "referral_journal_events", "counter",
                                 "Events journaled, of all programs.");
    ngx_http_referral_out_printf(out, "referral_journal_events_total %uL\n",
                                 info->journal);
}


static void
ngx_http_referral_api_queue_metrics(referral_out_t *out,
    ngx_http_referral_health_t *health)
{
    ngx_http_referral_api_gauge(out, "referral_queue_records",
                                "Records this worker has not applied yet.",
                                health->waiting);
    ngx_http_referral_api_gauge(out, "referral_queue_bytes",
                                "Bytes of this worker's ring in use.",
                                health->ring_used);
    ngx_http_referral_api_gauge(out, "referral_queue_size_bytes",
                                "Size of this worker's ring.",
                                health->ring_size);
    ngx_http_referral_api_gauge(out,
                                "referral_last_commit_timestamp_seconds",
                                "When this worker last committed.",
                                health->last_commit / 1000);
}
