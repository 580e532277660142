/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * referralctl import: lines of codes or of conversions, JSON or CSV, beside a
 * store that has some of them.  Every line comes to something; what is handed
 * to the store is a record; what is said of a line cannot speak to a terminal.
 *
 * One byte says what is imported and what the store answers.
 */

#define _GNU_SOURCE

#include <stdarg.h>
#include <unistd.h>

#include "base.h"
#include "referralctl_import.h"


#define ANSWERS  4


static ctl_import_t  m;
static unsigned      how;
static unsigned      npending;
static uint64_t      pending[CTL_BATCH];
static uint64_t      last;


referral_rc_t __wrap_referral_intake_put(referral_intake_t *intake,
    const referral_record_t *record, uint64_t *seq);
referral_rc_t __wrap_referral_intake_apply(referral_intake_t *intake,
    unsigned sync, referral_result_t *results, unsigned max_results,
    referral_batch_t *batch, referral_error_t *err);


/* ------------------------------------------------- in referralctl.c's place */

ctl_rc_t
ctl_fail(const char *fmt, ...)
{
    char     text[1024], *p;
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    for (p = text; *p; p++) {
        FUZZ_ASSERT(*p >= ' ' && *p <= '~');
    }

    return CTL_FAILED;
}


int64_t
ctl_now(void)
{
    return FUZZ_NOW;
}


/* ----------------------------------------------------- in the store's place */

referral_rc_t
__wrap_referral_intake_put(referral_intake_t *intake,
    const referral_record_t *record, uint64_t *seq)
{
    unsigned char  buf[STORE_RECORD_MAX];

    (void) intake;

    FUZZ_ASSERT(store_encode(record, buf) != 0);
    FUZZ_ASSERT(npending < CTL_BATCH);

    *seq = ++last;
    pending[npending++] = last;

    return REFERRAL_OK;
}


referral_rc_t
__wrap_referral_intake_apply(referral_intake_t *intake, unsigned sync,
    referral_result_t *results, unsigned max_results, referral_batch_t *batch,
    referral_error_t *err)
{
    unsigned  i;

    static const referral_rc_t  answers[ANSWERS] = {
        REFERRAL_OK, REFERRAL_CONFLICT, REFERRAL_GONE, REFERRAL_CURRENCY
    };

    (void) intake;
    (void) sync;
    (void) err;

    FUZZ_ASSERT(npending <= max_results);
    memset(batch, 0, sizeof(referral_batch_t));

    for (i = 0; i < npending; i++) {
        results[i].seq = pending[i];
        results[i].rc = (i & 1) ? answers[how % ANSWERS] : REFERRAL_OK;
        results[i].created = !(i & 2);
    }

    batch->records = npending;
    batch->results = npending;
    npending = 0;

    return REFERRAL_OK;
}


/* ------------------------------------------------------------------------- */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t             len;
    referral_error_t   err;

    (void) argc;
    (void) argv;

    fuzz_base_make();

    m.name = "an input";
    m.program = fuzz_base.program;
    m.store.store = fuzz_base.store;

    FUZZ_ASSERT(referral_snapshot_create(fuzz_base.store, &m.store.snap, &err)
                == REFERRAL_OK);
    FUZZ_ASSERT(ctl_begin(&m.store) == CTL_OK);
    FUZZ_ASSERT(referral_rules_get(m.store.snap, m.program, &m.rules)
                == REFERRAL_OK);

    len = referral_rules_encode(&m.rules, m.coded);
    FUZZ_ASSERT(referral_rules_decode(m.coded, len, &m.rules) == 0);

    referral_snapshot_end(m.store.snap);

    return 0;
}


/* Lines, and those of them that are not blank. */

static uint64_t
count_lines(const uint8_t *p, size_t size, uint64_t *lines)
{
    size_t         i, len;
    uint64_t       filled;
    const uint8_t  *end;

    filled = 0;

    for (*lines = 0; size != 0; ++*lines) {
        end = memchr(p, '\n', size);
        len = end ? (size_t) (end - p) : size;

        for (i = 0; i < len && strchr(" \t\r", p[i]) != NULL && p[i]; i++) {
            /* void */
        }

        filled += (i < len);
        len += (end != NULL);
        p += len;
        size -= len;
    }

    return filled;
}


static void
import(const uint8_t *data, size_t size)
{
    ctl_rc_t  rc;
    uint64_t  lines, filled, sum;

    m.lines = 0;
    m.new = 0;
    m.duplicates = 0;
    m.changed = 0;
    m.conflicts = 0;
    m.refused = 0;
    m.read = 0;
    m.n = 0;
    m.csv = 0;
    npending = 0;

    rc = ctl_import_lines(&m);

    /* it takes the signals that were meant to end the fuzzing */

    if (ctl_stopped()) {
        _exit(1);
    }

    FUZZ_ASSERT(rc == CTL_OK);
    FUZZ_ASSERT(m.n == 0 && npending == 0);

    filled = count_lines(data, size, &lines);
    sum = m.new + m.duplicates + m.changed + m.conflicts + m.refused;

    FUZZ_ASSERT(m.lines == lines && m.read == size);
    FUZZ_ASSERT(sum == filled - m.csv);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }

    how = data[0];
    m.kind = (how & 0x80) ? &ctl_import_orders : &ctl_import_codes;
    m.dry_run = (how & 0x40) != 0;
    m.file = fmemopen((void *) (data + 1), size - 1, "r");
    FUZZ_ASSERT(m.file != NULL);

    import(data + 1, size - 1);
    (void) fclose(m.file);

    return 0;
}
