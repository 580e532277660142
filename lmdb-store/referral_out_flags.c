/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What looks wrong about a code, when somebody looks.
 */

#include "referral_out.h"


#define FLAGS_EVENTS  20        /* fewer prove nothing */


static int
flags_tally(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    uint64_t *events = data;

    (void) event;
    (void) start;

    *events += tally->statuses[REFERRAL_EVENT_PENDING]
               + tally->statuses[REFERRAL_EVENT_APPROVED]
               + tally->statuses[REFERRAL_EVENT_HELD]
               + tally->statuses[REFERRAL_EVENT_REFUNDED];

    return 0;
}


referral_rc_t
referral_out_flags(referral_out_t *out, referral_snapshot_t *snap,
    uint32_t program, uint32_t code_id)
{
    uint64_t           events, clicks;
    referral_rc_t      rc;
    referral_counts_t  counts;

    events = 0;
    rc = referral_counts_get(snap, program, code_id, &counts);

    if (rc == REFERRAL_OK) {
        rc = referral_tally_list(snap, program, code_id, 0, 0, 0, flags_tally,
                                 &events);
    }

    if (rc != REFERRAL_OK) {
        return rc;
    }

    referral_out_open(out, "flags", "[");

    clicks = counts.classes[REFERRAL_CLASS_HUMAN];

    /* without any, it is a coupon that is not followed as a link */

    if (events > FLAGS_EVENTS && clicks != 0 && 2 * events > clicks) {
        referral_out_text(out, NULL, "conversion_rate");
    }

    referral_out_close(out, "]");

    return REFERRAL_OK;
}
