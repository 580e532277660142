/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * conversion_cost STORE INTAKE BATCH CONVERSIONS
 *
 * What a conversion costs in the store: takes and applies that many, BATCH of
 * them in a transaction, each a new order of a new customer with a token of
 * one of 1,000 codes.  STORE is an empty directory, or one that an earlier run
 * has filled, from whose last order it goes on.  Prints, for each conversion,
 * microseconds of take and apply, pages and bytes written, and bytes by which
 * the used part of the file and the file have grown.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "referral_store.h"


#define CODES       1000
#define FIRST_CODE  1001
#define PAGE        4096.0
#define STR(s)      { sizeof(s) - 1, (const unsigned char *) (s) }


typedef struct {
    referral_store_t        *store;
    referral_intake_t       *intake;
    referral_snapshot_t     *snap;
    uint32_t                 program;
    uint64_t                 order;
    char                     id[24];
    char                     code[8];
    referral_record_t        record;
} run_t;

typedef struct {
    double                   take;
    double                   apply;
    uint64_t                 written;
    referral_store_info_t    info;
} sum_t;


void take(run_t *run);
void apply(run_t *run, unsigned records);


__attribute__((noreturn))
static void
fail(const char *what, const char *why)
{
    (void) fprintf(stderr, "conversion_cost: %s: %s\n", what, why);
    exit(2);
}


static void
check(const char *what, referral_rc_t rc, const referral_error_t *err)
{
    if (rc != REFERRAL_OK) {
        fail(what, err->text);
    }
}


static double
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


static int64_t
now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* Bytes this process has given to write() and its kin. */

static uint64_t
written(void)
{
    FILE                *f;
    char                 line[64];
    unsigned long long   n;

    f = fopen("/proc/self/io", "r");
    n = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "wchar: %llu", &n) == 1) {
            break;
        }
    }

    if (f != NULL) {
        (void) fclose(f);
    }

    return n;
}


static referral_store_info_t
info(run_t *run)
{
    referral_store_info_t  out;

    if (referral_snapshot_begin(run->snap) != REFERRAL_OK
        || referral_store_info(run->snap, &out) != REFERRAL_OK)
    {
        fail("info", "the store could not be read");
    }

    referral_snapshot_end(run->snap);

    return out;
}


static referral_str_t
text(char *buf, size_t size, uint64_t n)
{
    referral_str_t  s;

    s.len = (size_t) snprintf(buf, size, "%llu", (unsigned long long) n);
    s.data = (unsigned char *) buf;

    return s;
}


/* Found in profiles by their names: neither inlined nor cloned. */

__attribute__((noinline))
void
take(run_t *run)
{
    uint64_t  seq;

    if (referral_intake_put(run->intake, &run->record, &seq) != REFERRAL_OK) {
        fail("take", "a record was not taken");
    }
}


__attribute__((noinline))
void
apply(run_t *run, unsigned records)
{
    unsigned           i;
    referral_batch_t   batch;
    referral_error_t   err;
    referral_result_t  results[CODES];

    check("apply", referral_intake_apply(run->intake, 1, results, CODES,
                                         &batch, &err), &err);

    if (batch.records != records || batch.results != records) {
        fail("apply", "the batch was not taken as a whole");
    }

    for (i = 0; i < records; i++) {
        if (results[i].rc != REFERRAL_OK || !results[i].created) {
            fail("apply", "a record was refused");
        }
    }
}


static void
make_codes(run_t *run)
{
    unsigned                 i;
    referral_code_change_t  *change;

    for (i = 0; i < CODES; i++) {
        memset(&run->record, 0, sizeof(referral_record_t));

        run->record.type = REFERRAL_RECORD_CODE;
        run->record.reply = 1;
        run->record.time = now_ms();

        change = &run->record.u.code;
        change->program = run->program;
        change->set = REFERRAL_SET_OWNER;
        change->code = text(run->code, sizeof(run->code), FIRST_CODE + i);
        change->owner = change->code;

        take(run);
    }

    apply(run, CODES);
}


/* Codes in another order than their own, as friends come. */

static void
make_event(run_t *run)
{
    uint64_t              n;
    referral_event_t     *event;
    const referral_str_t  purchase = STR("purchase");

    n = run->order++;
    memset(&run->record, 0, sizeof(referral_record_t));

    run->record.type = REFERRAL_RECORD_EVENT;
    run->record.reply = 1;
    run->record.time = now_ms();

    event = &run->record.u.event;
    event->program = run->program;
    event->event = purchase;
    event->order_id = text(run->id, sizeof(run->id), 1000000000 + n);
    event->customer = event->order_id;
    event->flags = REFERRAL_EVENT_AMOUNT;
    event->currency = 978;
    event->amount = (int64_t) (1000 + n * 7919 % 98999);
    event->draw = n * 0x9e3779b97f4a7c15;
    event->token = REFERRAL_TOKEN_VALID;
    event->last.code = text(run->code, sizeof(run->code),
                            FIRST_CODE + n * 619 % CODES);
    event->last.time = run->record.time / 1000 - 60;
    memcpy(event->last.click_id, &event->draw, sizeof(event->draw));
    event->first = event->last;
}


static void
set_rules(run_t *run)
{
    referral_error_t         err;
    static referral_rules_t  rules = {
        .window = 30 * 86400,
        .bind = 365 * 86400,
        .nevents = 2,
        .ntiers = 3,
        .nrewards = 2,
        .events = {
            { .name = STR("signup") },
            { .name = STR("purchase"), .points = 10, .hold = 14 * 86400 },
        },
        .tiers = {
            { .name = STR("bronze"), .points = 50 },
            { .name = STR("silver"), .points = 200 },
            { .name = STR("gold"), .points = 1000 },
        },
        .rewards = {
            { .name = STR("free-month"), .on = STR("purchase"), .every = 3 },
            { .name = STR("commission"), .on = STR("purchase"), .every = 1,
              .value = STR("10%"), .bps = 1000 },
        },
    };

    check("rules", referral_store_rules(run->store, run->program, &rules,
                                        &err), &err);
}


static void
open_store(run_t *run, const char *path, const char *intake_path)
{
    unsigned              case_sensitive;
    referral_error_t      err;
    referral_options_t    opts;
    const referral_str_t  name = STR("friends");

    memset(run, 0, sizeof(run_t));
    memset(&opts, 0, sizeof(opts));

    opts.path = path;
    opts.intake_path = intake_path;
    case_sensitive = 0;

    check("open", referral_store_open(&opts, &run->store, &err), &err);
    check("program", referral_store_program(run->store, name, &case_sensitive,
                                            &run->program, &err), &err);
    check("intake", referral_intake_open(run->store, &run->intake, &err),
          &err);
    check("snapshot", referral_snapshot_create(run->store, &run->snap, &err),
          &err);

    set_rules(run);

    if (info(run).codes == 0) {
        make_codes(run);
    }

    /* each order has several entries in the journal */

    run->order = info(run).journal;
}


static void
measure(run_t *run, unsigned batch, unsigned n, sum_t *sum)
{
    double    start, middle;
    unsigned  i, k;

    for (i = 0; i < n; i += batch) {
        for (k = 0; k < batch; k++) {
            make_event(run);

            start = now_us();
            take(run);
            sum->take += now_us() - start;
        }

        middle = now_us();
        apply(run, batch);
        sum->apply += now_us() - middle;
    }
}


int
main(int argc, char **argv)
{
    run_t     run;
    sum_t     sum;
    double    n, bytes;
    unsigned  batch;

    batch = (argc == 5) ? (unsigned) atoi(argv[3]) : 0;
    n = (argc == 5) ? atoi(argv[4]) : 0;

    if (batch < 1 || batch > CODES || n < 1 || (unsigned) n % batch != 0) {
        fail("usage", "STORE INTAKE BATCH CONVERSIONS, whole batches of at "
             "most 1000");
    }

    open_store(&run, argv[1], argv[2]);

    memset(&sum, 0, sizeof(sum));
    sum.info = info(&run);
    sum.written = written();

    measure(&run, batch, (unsigned) n, &sum);

    bytes = (double) (written() - sum.written);

    printf("take=%.3f apply=%.2f pages=%.2f written=%.0f", sum.take / n,
           sum.apply / n, bytes / PAGE / n, bytes / n);
    printf(" used=%.1f file=%.1f\n",
           (double) (info(&run).used - sum.info.used) / n,
           (double) (info(&run).file_size - sum.info.file_size) / n);

    referral_snapshot_destroy(run.snap);
    referral_intake_close(run.intake);
    referral_store_close(run.store);

    return 0;
}
