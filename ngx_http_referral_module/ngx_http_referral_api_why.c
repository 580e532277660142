/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_api.h"


/* Reasons of steps of the attribution; the others say where an event stands. */

#define NGX_HTTP_REFERRAL_API_STEPS  (REFERRAL_REASON_SELF - 1)


typedef struct {
    u_char                       *pos;
    u_char                       *last;
    const referral_conversion_t  *conversion;
} ngx_http_referral_api_why_t;


static void ngx_http_referral_api_why_credit(ngx_http_referral_api_why_t *why);
static void ngx_http_referral_api_why_status(ngx_http_referral_api_why_t *why);
static void ngx_http_referral_api_why_reasons(
    ngx_http_referral_api_why_t *why, uint32_t reasons, const char *before);
static void ngx_http_referral_api_why_text(ngx_http_referral_api_why_t *why,
    const char *text);
static void ngx_http_referral_api_why_name(ngx_http_referral_api_why_t *why,
    referral_str_t name);
static void ngx_http_referral_api_why_time(ngx_http_referral_api_why_t *why,
    int64_t ms);


static const char *const  ngx_http_referral_api_why_list[] = {
    "no token, click id or code came with it",
    "its token is older than the window",
    "its token was not signed by this program",
    "the code in its token is unknown or has ended",
    "no click of this program has its click id",
    "its click is older than the window",
    "its click was not made by a person",
    "the code named with it is unknown",
    "the code named with it is paused or has ended",
    "the customer owns the code",
    "its amount is below the minimum of the event",
    "the customer had this event before",
    "the event counts once a customer and none was named",
    "refunds came before it",
    "those refunds were more than its amount",
    "it was voided by a decision",
    "it was held and approved by a decision"
};


void
ngx_http_referral_api_why(ngx_http_referral_out_t *out,
    const referral_conversion_t *conversion)
{
    u_char                       buf[2048];
    uint32_t                     steps, stands;
    ngx_http_referral_api_why_t  why;

    why.pos = buf;
    why.last = buf + sizeof(buf);
    why.conversion = conversion;

    steps = conversion->reasons & NGX_HTTP_REFERRAL_API_STEPS;
    stands = conversion->reasons & ~NGX_HTTP_REFERRAL_API_STEPS;

    ngx_http_referral_api_why_credit(&why);
    ngx_http_referral_api_why_reasons(&why, steps,
                                      conversion->code_id ? ", as " : ": ");

    if (conversion->status != REFERRAL_EVENT_UNATTRIBUTED) {
        ngx_http_referral_api_why_text(&why, "; ");
        ngx_http_referral_api_why_status(&why);
    }

    ngx_http_referral_api_why_reasons(&why, stands, ": ");

    ngx_http_referral_json_str(out, "why",
                      (referral_str_t) { (size_t) (why.pos - buf), buf });
}


static void
ngx_http_referral_api_why_credit(ngx_http_referral_api_why_t *why)
{
    const referral_conversion_t  *conversion;

    static const char *const  methods[] = {
        "", " by the signed token", ", to which the customer is bound",
        " by the click id named with it", " by the code named with it"
    };

    conversion = why->conversion;

    if (conversion->code_id == 0) {
        ngx_http_referral_api_why_text(why, "not attributed");
        return;
    }

    ngx_http_referral_api_why_text(why, "credited to ");
    ngx_http_referral_api_why_name(why, conversion->code);
    ngx_http_referral_api_why_text(why,
                    methods[ngx_min(conversion->method,
                                    REFERRAL_METHOD_CODE)]);

    if (conversion->clicked == 0) {
        return;
    }

    ngx_http_referral_api_why_text(why,
                                   conversion->method != REFERRAL_METHOD_TOKEN
                                   ? ", a click of "
                                   : conversion->touch == REFERRAL_MODEL_FIRST
                                     ? ", whose first touch is of "
                                     : ", whose last touch is of ");
    ngx_http_referral_api_why_time(why, conversion->clicked);
}


static void
ngx_http_referral_api_why_status(ngx_http_referral_api_why_t *why)
{
    static const char *const  statuses[] = {
        "pending until the hold passes at ", "approved",
        "held until it is approved or voided", "refunded", "", "rejected"
    };

    ngx_http_referral_api_why_text(why,
                    statuses[ngx_min(why->conversion->status,
                                     REFERRAL_EVENT_REJECTED)]);

    if (why->conversion->status == REFERRAL_EVENT_PENDING) {
        ngx_http_referral_api_why_time(why, why->conversion->approves);
    }
}


static void
ngx_http_referral_api_why_reasons(ngx_http_referral_api_why_t *why,
    uint32_t reasons, const char *before)
{
    ngx_uint_t  i;

    for (i = 0; i < REFERRAL_REASONS; i++) {

        if (reasons & ((uint32_t) 1 << i)) {
            ngx_http_referral_api_why_text(why, before);
            ngx_http_referral_api_why_text(why,
                                           ngx_http_referral_api_why_list[i]);
            before = ", and ";
        }
    }
}


static void
ngx_http_referral_api_why_text(ngx_http_referral_api_why_t *why,
    const char *text)
{
    why->pos = ngx_slprintf(why->pos, why->last, "%s", text);
}


static void
ngx_http_referral_api_why_name(ngx_http_referral_api_why_t *why,
    referral_str_t name)
{
    why->pos = ngx_slprintf(why->pos, why->last, "%*s", name.len, name.data);
}


static void
ngx_http_referral_api_why_time(ngx_http_referral_api_why_t *why, int64_t ms)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) (ms / 1000), &tm);

    why->pos = ngx_slprintf(why->pos, why->last,
                            "%04d-%02d-%02dT%02d:%02d:%02dZ",
                            tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                            tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);
}
