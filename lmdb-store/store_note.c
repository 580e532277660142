/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Notes: what followed from a record, for those who read the journal.
 */

#include "store_case.h"


void
store_note(store_txn_t *t, int64_t now, const referral_note_t *note)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));

    record.type = REFERRAL_RECORD_NOTE;
    record.time = now;
    record.u.note = *note;

    (void) store_journal_record(t, &record);
}
