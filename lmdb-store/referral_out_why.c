/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_out.h"
#include "referral_time.h"


/* Reasons of steps of the attribution; the others say where an event stands. */

#define WHY_STEPS  (REFERRAL_REASON_SELF - 1)


typedef struct {
    size_t                        len;
    const referral_conversion_t  *conversion;
    unsigned char                 text[2048];
} why_t;


static const char *const  why_list[] = {
    "no token, click id or code came with it",
    "its token is older than the window",
    "its token has no signature that this program accepts",
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
    "it was held and approved by a decision",
    "there were too many like it lately",
    "it came sooner after its click than the program expects",
    "it occurred before its click",
    "its click has brought as many as the program expects",
    "its amount is more than the program expects"
};

_Static_assert(sizeof(why_list) / sizeof(why_list[0]) == REFERRAL_REASONS,
               "there is a sentence for each reason");


static void
why_bytes(why_t *why, const void *bytes, size_t len)
{
    size_t  room;

    room = sizeof(why->text) - why->len;
    len = (len < room) ? len : room;

    memcpy(why->text + why->len, bytes, len);
    why->len += len;
}


static void
why_text(why_t *why, const char *text)
{
    why_bytes(why, text, strlen(text));
}


static void
why_time(why_t *why, int64_t ms)
{
    char  text[REFERRAL_TIME_TEXT];

    why_bytes(why, text, referral_time_text(ms, text));
}


static void
why_credit(why_t *why)
{
    const referral_conversion_t  *conversion;

    static const char *const  methods[] = {
        "", " by the signed token", ", to which the customer is bound",
        " by the click id named with it", " by the code named with it"
    };

    conversion = why->conversion;

    if (conversion->code_id == 0) {
        why_text(why, "not attributed");
        return;
    }

    why_text(why, "credited to ");
    why_bytes(why, conversion->code.data, conversion->code.len);
    why_text(why, methods[conversion->method <= REFERRAL_METHOD_CODE
                          ? conversion->method : REFERRAL_METHOD_NONE]);

    if (conversion->clicked == 0) {
        return;
    }

    why_text(why, conversion->method != REFERRAL_METHOD_TOKEN
                  ? ", a click of "
                  : conversion->touch == REFERRAL_MODEL_FIRST
                    ? ", whose first touch is of "
                    : ", whose last touch is of ");
    why_time(why, conversion->clicked);
}


static void
why_status(why_t *why)
{
    unsigned  status;

    static const char *const  statuses[] = {
        "pending until the hold passes at ", "approved",
        "held until it is approved or voided", "refunded", "", "rejected"
    };

    status = why->conversion->status;
    why_text(why, statuses[status < REFERRAL_EVENT_STATUSES
                           ? status : REFERRAL_EVENT_REJECTED]);

    if (status == REFERRAL_EVENT_PENDING) {
        why_time(why, why->conversion->approves);
    }
}


static void
why_reasons(why_t *why, uint32_t reasons, const char *before)
{
    unsigned  i;

    for (i = 0; i < REFERRAL_REASONS; i++) {

        if (reasons & ((uint32_t) 1 << i)) {
            why_text(why, before);
            why_text(why, why_list[i]);
            before = ", and ";
        }
    }
}


void
referral_out_why(referral_out_t *out,
    const referral_conversion_t *conversion)
{
    why_t  why;

    why.len = 0;
    why.conversion = conversion;

    why_credit(&why);
    why_reasons(&why, conversion->reasons & WHY_STEPS,
                conversion->code_id ? ", as " : ": ");

    if (conversion->status != REFERRAL_EVENT_UNATTRIBUTED) {
        why_text(&why, "; ");
        why_status(&why);
    }

    why_reasons(&why, conversion->reasons & ~(uint32_t) WHY_STEPS, ": ");

    referral_out_str(out, "why", (referral_str_t) { why.len, why.text });
}
