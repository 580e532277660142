/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The intake of one process: taking, flushing, applying.
 *
 * Would catch: a record lost or doubled where the ring wraps; a full ring that
 * never empties; space given back before its records are on disk; results out
 * of order, or before their records are on disk; a disk that failed and is
 * believed the next time; a string beyond its limit; a damaged ring that is
 * waited for; a full map that loses something.
 *
 *   store_intake [seed]
 */

#include "store_scenes.h"

#include <sys/syscall.h>


/* ------------------------------------------------------ instead of libc's */

static unsigned  syncs;
static unsigned  sync_fails;            /* the one that does, from 1 */


/* liblmdb calls it as well. */

int
fdatasync(int fd)
{
    syncs++;

    if (sync_fails != 0 && --sync_fails == 0) {
        errno = EIO;
        return -1;
    }

    return (int) syscall(SYS_fdatasync, fd);
}


/* --------------------------------------------------------- wrapping, full */

static referral_record_t
any_record(uint32_t program, uint64_t id, char *buf)
{
    char               *p;
    unsigned            n;
    referral_record_t   record;

    record = test_click(program, id);

    if (roll(6) == 0) {
        memset(&record, 0, sizeof(record));
        record.type = REFERRAL_RECORD_CODE;
        record.time = 1763700000000;
        record.u.code.program = program;
        record.u.code.set = REFERRAL_SET_LANDING;
        record.u.code.landing.data = (unsigned char *) buf;
        record.u.code.landing.len = roll(REFERRAL_URL_MAX + 1);
        memset(buf, 'l', record.u.code.landing.len);
        p = buf + REFERRAL_URL_MAX;
        n = (unsigned) sprintf(p, "code%u", roll(100));
        record.u.code.code.data = (unsigned char *) p;
        record.u.code.code.len = n;

    } else {
        n = roll(500);
        memset(buf, 'a' + (int) (n % 26), REFERRAL_LANDING_MAX);
        record.u.click.landing.data = (unsigned char *) buf;
        record.u.click.landing.len = n % (REFERRAL_LANDING_MAX + 1);
    }

    record.reply = (roll(20) == 0);

    return record;
}


/* Applies the rest, a few results at a time. */

static uint64_t
last_results(test_store_t *ts, referral_intake_t *intake)
{
    uint64_t           n;
    referral_batch_t   batch;
    referral_result_t  result[7];

    n = 0;

    do {
        test_must(ts, referral_intake_apply(intake, 1, result, 7, &batch,
                                            &ts->err), "apply");
        n += batch.results;
        shared->ok[2] &= (batch.results <= 7);
    } while (batch.more);

    return n;
}


static void
scene_wrap(test_store_t *ts, void *data)
{
    char                    buf[REFERRAL_URL_MAX + 32];
    uint64_t                seq, clicks, bytes, last, full, replies, results;
    unsigned                i;
    uint32_t                program;
    referral_rc_t           rc;
    referral_batch_t        batch;
    referral_result_t       result[100];
    referral_record_t       record;
    referral_intake_t      *intake;
    referral_intake_info_t  info;

    (void) data;

    program = begin(ts, &intake);
    seq = clicks = bytes = last = full = replies = results = 0;
    shared->ok[0] = shared->ok[1] = shared->ok[2] = 1;

    while (bytes < 8 << 20) {
        record = any_record(program, seq + 1, buf);
        rc = referral_intake_put(intake, &record, &seq);
        referral_intake_info(intake, &info);

        if (rc == REFERRAL_OK) {
            shared->ok[0] &= (seq == last + 1 && info.taken_seq == seq
                              && info.used <= info.size);
            last = seq;
            bytes += 100;
            clicks += (record.type == REFERRAL_RECORD_CLICK);
            replies += record.reply;

            if (roll(3000) != 0) {
                continue;
            }

        } else {
            full++;
            shared->ok[1] &= (rc == REFERRAL_FULL
                              && info.size - info.used < 2 * 4096);
        }

        do {
            test_must(ts, referral_intake_apply(intake, roll(2), result,
                                                1 + roll(100), &batch,
                                                &ts->err), "apply");
            results += batch.results;

            for (i = 1; i < batch.results; i++) {
                shared->ok[2] &= (result[i].seq > result[i - 1].seq);
            }

        } while (batch.records != 0 && roll(8) != 0);
    }

    results += last_results(ts, intake);

    referral_intake_info(intake, &info);
    shared->ok[3] = (info.used == 0 && info.applied_seq == seq);
    shared->ok[4] = (full != 0);
    shared->ok[5] = (test_total(ts, program) == clicks);
    shared->ok[6] = (test_verify(ts) == 0);
    shared->ok[2] &= (results == replies);
}


static void
wrapping(void)
{
    int            status;
    test_store_t   ts;

    test_make(&ts);
    status = test_child(scene_wrap, &ts, NULL);
    tap_ok(status == 0, "a small ring goes round several times");
    tap_ok(shared->ok[0], "records are numbered one by one");
    tap_ok(shared->ok[1] && shared->ok[4],
           "the ring is full only when it is full");
    tap_ok(shared->ok[2], "each wanted result comes once, in order");
    tap_ok(shared->ok[3], "in the end it is empty");
    tap_ok(shared->ok[5] && shared->ok[6], "every click counted once");
    test_remove(&ts);
}


/* Records that want no result, more in a batch than the ring has room for. */

static void
scene_idle(test_store_t *ts, void *data)
{
    char                    buf[REFERRAL_URL_MAX + 32];
    uint64_t                seq;
    unsigned                i;
    referral_rc_t           rc;
    referral_batch_t        batch;
    referral_record_t       record;
    referral_intake_t      *intake;
    referral_intake_info_t  before, info;

    (void) data;
    (void) begin(ts, &intake);

    do {
        record = any_record(1, 1, buf);
        record.reply = 0;
        rc = referral_intake_put(intake, &record, &seq);
    } while (rc == REFERRAL_OK);

    referral_intake_info(intake, &before);
    shared->ok[0] = 1;

    for (i = 0; i < 20; i++) {
        test_must(ts, referral_intake_apply(intake, 0, NULL, 0, &batch,
                                            &ts->err), "apply");

        referral_intake_info(intake, &info);

        if (i == 0) {
            shared->ok[0] = (info.used == before.used && batch.records != 0);
        }
    }

    referral_intake_info(intake, &info);
    shared->ok[1] = (info.used == 0);
    shared->ok[2] = (referral_intake_put(intake, &record, &seq)
                     == REFERRAL_OK);
    test_must(ts, referral_intake_apply(intake, 1, NULL, 0, &batch,
                                        &ts->err), "apply");
    referral_intake_info(intake, &info);
    shared->ok[3] = (info.used == 0);
}


static void
releasing(void)
{
    int            status;
    test_store_t   ts;

    test_make(&ts);
    status = test_child(scene_idle, &ts, NULL);
    tap_ok(status == 0 && shared->ok[0],
           "what is applied but not on disk keeps its room");
    tap_ok(status == 0 && shared->ok[1],
           "until a later call, which need not bring more records");
    tap_ok(status == 0 && shared->ok[2] && shared->ok[3],
           "then the full ring takes records again");
    test_remove(&ts);
}


/* ------------------------------------------------------- waiting for disks */

static unsigned
syncs_of_apply(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    unsigned reply, unsigned sync)
{
    uint64_t            seq;
    referral_batch_t    batch;
    referral_record_t   record;
    referral_result_t   result;

    record = test_click(program, ++shared->taken);
    record.reply = (uint8_t) reply;
    test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    syncs = 0;
    test_must(ts, referral_intake_apply(intake, sync, &result, 1, &batch,
                                        &ts->err), "apply");

    return syncs;
}


static void
scene_syncs(test_store_t *ts, void *data)
{
    uint64_t            seq;
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);

    /* a commit waits for its pages, but not for what makes them count */

    shared->ok[0] = (syncs_of_apply(ts, intake, program, 0, 0) == 1);
    shared->ok[1] = (syncs_of_apply(ts, intake, program, 1, 0) == 2);
    shared->ok[2] = (syncs_of_apply(ts, intake, program, 0, 1) == 2);

    put_clicks(ts, intake, program, 100);
    syncs = 0;
    flush(ts, intake);
    shared->ok[3] = (syncs == 1 && shared->flushed == 103);
    test_must(ts, referral_intake_flush(intake, &seq, &ts->err), "flush");
    shared->ok[4] = (syncs == 1 && seq == 103);

    syncs = 0;
    (void) test_apply_all(ts, intake, 0);
    referral_intake_close(intake);
    shared->ok[5] = (syncs == 2);
}


static void
scene_broken(test_store_t *ts, void *data)
{
    uint64_t            seq;
    uint32_t            program;
    referral_rc_t       rc, again;
    referral_batch_t    batch;
    referral_record_t   record;
    referral_result_t   result;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    record = test_click(program, 1);
    record.reply = 1;
    test_must(ts, referral_intake_put(intake, &record, &seq), "put");

    /* the log first: that can be tried again */

    sync_fails = 1;
    shared->ok[2] = (referral_intake_flush(intake, &seq, &ts->err)
                     == REFERRAL_SYSTEM);
    syncs = 0;
    shared->ok[2] &= (referral_intake_flush(intake, &seq, &ts->err)
                      == REFERRAL_OK && syncs == 1 && seq == 1);

    sync_fails = 2;
    rc = referral_intake_apply(intake, 0, &result, 1, &batch, &ts->err);
    shared->ok[0] = (rc == REFERRAL_BROKEN && ts->err.sys == EIO);

    record = test_click(program, 2);
    test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    again = referral_intake_apply(intake, 1, &result, 1, &batch, &ts->err);
    shared->ok[1] = (again == REFERRAL_BROKEN);

    raise(SIGKILL);
}


static void
disks(void)
{
    int            status;
    test_store_t   ts;

    test_make(&ts);
    ts.opts.durable = 1;
    shared->taken = 0;
    status = test_child(scene_syncs, &ts, NULL);
    tap_ok(status == 0 && shared->ok[0], "a batch waits for the disk once");
    tap_ok(status == 0 && shared->ok[1] && shared->ok[2],
           "twice when it has a result or is told to");
    tap_ok(status == 0 && shared->ok[3] && shared->ok[4],
           "a flush once for all that waits, or not at all");
    tap_ok(status == 0 && shared->ok[5], "closing leaves nothing to chance");
    test_remove(&ts);

    test_make(&ts);
    ts.opts.durable = 1;
    memset(shared->ok, 0, sizeof(shared->ok));
    test_child(scene_broken, &ts, NULL);
    tap_ok(shared->ok[2], "a log that could not be written is written again");
    tap_ok(shared->ok[0], "a disk that failed gives no result");
    tap_ok(shared->ok[1], "and is not asked again by this process");
    tap_ok(recovers(&ts, 2), "the next one loses nothing");
    test_remove(&ts);
}


/* ---------------------------------------------------------------- limits */

typedef struct {
    const char      *what;
    size_t           offset;        /* of a string in the record */
    size_t           max;
    unsigned         type;
} limit_t;

#define CLICK_AT(field)  offsetof(referral_record_t, u.click.field)
#define CODE_AT(field)   offsetof(referral_record_t, u.code.field)

static const limit_t  limits[] = {
    { "code of a click", CLICK_AT(code), REFERRAL_CODE_MAX,
      REFERRAL_RECORD_CLICK },
    { "channel", CLICK_AT(channel), REFERRAL_CHANNEL_MAX,
      REFERRAL_RECORD_CLICK },
    { "landing", CLICK_AT(landing), REFERRAL_LANDING_MAX,
      REFERRAL_RECORD_CLICK },
    { "code", CODE_AT(code), REFERRAL_CODE_MAX, REFERRAL_RECORD_CODE },
    { "owner", CODE_AT(owner), REFERRAL_OWNER_MAX, REFERRAL_RECORD_CODE },
    { "name", CODE_AT(name), REFERRAL_NAME_MAX, REFERRAL_RECORD_CODE },
    { "landing of a code", CODE_AT(landing), REFERRAL_URL_MAX,
      REFERRAL_RECORD_CODE }
};

#define LIMITS  (sizeof(limits) / sizeof(limits[0]))


static referral_record_t
limit_record(const limit_t *limit, uint32_t program)
{
    referral_record_t  record;

    if (limit->type == REFERRAL_RECORD_CLICK) {
        record = test_click(program, 1);
        record.u.click.flags = REFERRAL_CLICK_OPEN;
        return record;
    }

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_CODE;
    record.time = 1763700000000;
    record.u.code.program = program;
    record.u.code.code = test_str("ANNA");
    record.u.code.set = REFERRAL_SET_OWNER|REFERRAL_SET_NAME
                        |REFERRAL_SET_LANDING;

    return record;
}


static void
scene_limits(test_store_t *ts, void *data)
{
    char                 buf[4096];
    uint64_t             seq;
    uint32_t             program;
    unsigned             i, bad;
    referral_str_t      *s;
    referral_batch_t     batch;
    referral_record_t    record;
    referral_intake_t   *intake;
    referral_result_t    result[LIMITS];

    (void) data;

    program = begin(ts, &intake);
    memset(buf, 'x', sizeof(buf));
    bad = 0;

    for (i = 0; i < LIMITS; i++) {
        record = limit_record(&limits[i], program);
        record.reply = 1;
        s = (referral_str_t *) ((char *) &record + limits[i].offset);
        s->data = (unsigned char *) buf;
        s->len = limits[i].max + 1;
        bad += (referral_intake_put(intake, &record, &seq)
                != REFERRAL_INVALID);
        s->len = 70000;
        bad += (referral_intake_put(intake, &record, &seq)
                != REFERRAL_INVALID);
        s->len = limits[i].max;
        bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_OK
                || seq != i + 1);
    }

    shared->ok[0] = (bad == 0);

    test_must(ts, referral_intake_apply(intake, 1, result, LIMITS, &batch,
                                        &ts->err), "apply");

    for (i = 0; i < batch.results; i++) {
        bad += (result[i].rc != REFERRAL_OK);
    }

    shared->ok[1] = (bad == 0 && batch.refused == 0
                     && batch.results == LIMITS && test_verify(ts) == 0);
}


/* What the store could not take apart again. */

static void
scene_no_records(test_store_t *ts, void *data)
{
    uint64_t             seq;
    uint32_t             program;
    unsigned             bad;
    referral_record_t    record;
    referral_intake_t   *intake;

    (void) data;

    program = begin(ts, &intake);
    bad = 0;
    record = test_click(program, 2);
    record.type = 77;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);
    record = test_click(program, 2);
    record.u.click.class = REFERRAL_CLASSES;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);
    record = test_click(program, 2);
    record.u.click.why = REFERRAL_WHYS;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.u.event.program = program;
    record.u.event.event = test_str("purchase");
    record.u.event.order_id = test_str("o1");
    record.u.event.flags = REFERRAL_EVENT_FLAGS + 1;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);

    record = limit_record(&limits[3], program);
    record.u.code.kind = 2;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);
    record = limit_record(&limits[3], program);
    record.u.code.status = 3;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);
    record = limit_record(&limits[3], program);
    record.u.code.code.len = 0;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);
    record = limit_record(&limits[3], program);
    record.u.code.owner.data = (const unsigned char *) "u\0v";
    record.u.code.owner.len = 3;
    bad += (referral_intake_put(intake, &record, &seq) != REFERRAL_INVALID);

    shared->ok[2] = (bad == 0);
}


static void
sizes(void)
{
    int            status;
    test_store_t   ts;

    test_make(&ts);
    status = test_child(scene_limits, &ts, NULL);
    tap_ok(status == 0 && shared->ok[0], "a string beyond its limit is not "
           "taken, one at its limit is");
    tap_ok(status == 0 && shared->ok[1], "and applied");
    status = test_child(scene_no_records, &ts, NULL);
    tap_ok(status == 0 && shared->ok[2], "no record is taken that could not "
           "be applied");
    test_remove(&ts);
}


/* -------------------------------------------------------- damaged memory */

static void
scene_poison(test_store_t *ts, void *data)
{
    int                 fd;
    unsigned            i, calls;
    uint32_t            program;
    unsigned char       frame[CLICK];
    referral_batch_t    batch;
    store_frame_t       head;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, 10);

    /* the fourth: well-formed on the way, but no record */

    fd = open(ring(ts), O_RDWR);

    if (pread(fd, frame, CLICK, STORE_RING_HEADER + 3 * CLICK) != CLICK) {
        _exit(1);
    }

    memcpy(&head, frame, sizeof(head));
    frame[sizeof(head)] = 99;
    head.check = store_check(1, head.seq, frame + sizeof(head), head.len);
    memcpy(frame, &head, sizeof(head));

    if (pwrite(fd, frame, CLICK, STORE_RING_HEADER + 3 * CLICK) != CLICK) {
        _exit(1);
    }

    test_must(ts, referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err),
              "apply");
    shared->ok[0] = (batch.records == 10 && batch.refused == 1
                     && strstr(ts->err.text, "passed over") != NULL
                     && test_total(ts, program) == 9);

    /* the last of these ten: a stray write into the ring */

    put_clicks(ts, intake, program, 10);
    damage(ring(ts), STORE_RING_HEADER + 19 * CLICK + 30, 4);
    shared->ok[1] = 0;

    for (i = 0, calls = 0; i < 5; i++, calls++) {
        if (referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err)
            != REFERRAL_OK)
        {
            shared->ok[1] = (ts->err.rc == REFERRAL_CORRUPT
                             && strstr(ts->err.text, "damaged") != NULL
                             && test_total(ts, program) == 18);
            break;
        }

        if (!batch.more) {
            break;
        }
    }

    put_clicks(ts, intake, program, 5);
    raise(SIGKILL);
}


static void
scene_damaged(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    shared->ok[2] = (strstr(ts->err.text, "damaged") != NULL
                     && test_total(ts, program) == 18
                     && test_verify(ts) == 0);
}


static void
damaged(void)
{
    test_store_t  ts;

    test_make(&ts);
    shared->taken = 0;
    memset(shared->ok, 0, sizeof(shared->ok));
    test_child(scene_poison, &ts, NULL);
    tap_ok(shared->ok[0], "what is no record is passed over, counted, told");
    tap_ok(shared->ok[1], "a damaged ring is told, not waited for");
    test_child(scene_damaged, &ts, NULL);
    tap_ok(shared->ok[2], "and its next owner applies what comes before");
    test_remove(&ts);
}


/* ------------------------------------------------- rules of a later version */

static void
age_rules(test_store_t *ts, uint32_t program)
{
    MDB_val        v;
    uint16_t       n;
    store_txn_t    t;
    unsigned char  key[4], *row;

    memset(&t, 0, sizeof(t));
    store_be32(key, program);

    if (store_begin(&t, ts->store, 0) == 0
        && store_get(&t, STORE_RULE, key, sizeof(key), &v))
    {
        row = malloc(v.mv_size);
        memcpy(row, v.mv_data, v.mv_size);
        memcpy(&n, row, sizeof(n));
        row[sizeof(n) + n * sizeof(uint16_t)] = 99;
        store_put(&t, STORE_RULE, key, sizeof(key), row, v.mv_size);
        free(row);
    }

    shared->ok[0] = (t.rc == 0 && store_commit(&t) == 0);
}


static void
scene_later(test_store_t *ts, void *data)
{
    uint32_t                 program;
    uint64_t                 seq;
    referral_rules_t         rules;
    referral_batch_t         batch;
    referral_record_t        record;
    referral_result_t        result;
    referral_intake_t       *intake;
    referral_intake_info_t   info;

    (void) data;

    program = begin(ts, &intake);
    memset(&rules, 0, sizeof(rules));
    rules.window = 86400;
    rules.nevents = 1;
    rules.events[0].name = test_str("purchase");
    rules.events[0].points = 10;
    test_must(ts, referral_store_rules(ts->store, program, &rules, &ts->err),
              "rules");
    age_rules(ts, program);

    memset(&record, 0, sizeof(record));
    record.type = REFERRAL_RECORD_EVENT;
    record.reply = 1;
    record.time = test_click(program, 1).time;
    record.u.event.program = program;
    record.u.event.event = test_str("purchase");
    record.u.event.order_id = test_str("o1");
    test_must(ts, referral_intake_put(intake, &record, &seq), "put");

    shared->ok[1] = (referral_intake_apply(intake, 1, &result, 1, &batch,
                                           &ts->err) == REFERRAL_VERSION);
    referral_intake_info(intake, &info);
    shared->ok[2] = (info.applied_seq < seq && info.used != 0);
}


static void
later(void)
{
    test_store_t  ts;

    test_make(&ts);
    memset(shared->ok, 0, sizeof(shared->ok));
    test_child(scene_later, &ts, NULL);
    tap_ok(shared->ok[0] && shared->ok[1], "later rules are told");
    tap_ok(shared->ok[2], "and no record is passed over for them");
    test_remove(&ts);
}


/* ------------------------------------------------------------- a full map */

static void
scene_full(test_store_t *ts, void *data)
{
    unsigned            i;
    uint32_t            program;
    uint64_t            applied;
    referral_rc_t       rc;
    referral_batch_t    batch;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    applied = 0;
    rc = REFERRAL_OK;

    while (rc == REFERRAL_OK && applied < 100000) {

        /* clicks that were taken before it was known how full the map is */

        atomic_store(&ts->store->level, REFERRAL_LEVEL_OK);
        atomic_store(&ts->store->room, UINT64_MAX);

        put_clicks(ts, intake, program, 1000);
        rc = referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err);
        applied += (rc == REFERRAL_OK) ? batch.records : 0;
    }

    shared->ok[0] = (rc == REFERRAL_FULL && ts->err.text[0] != '\0');
    shared->ok[1] = (exactly(ts, program, applied));

    for (i = 0; i < 5; i++) {
        shared->ok[0] &= (referral_intake_apply(intake, 1, NULL, 0, &batch,
                                                &ts->err) == REFERRAL_FULL);
    }

    raise(SIGKILL);
}


static void
full_map(void)
{
    uint64_t       taken;
    test_store_t   ts;

    test_make(&ts);
    ts.opts.map_size = 1 << 20;
    shared->taken = 0;
    memset(shared->ok, 0, sizeof(shared->ok));
    test_child(scene_full, &ts, NULL);
    taken = shared->taken;
    tap_ok(shared->ok[0] && shared->ok[1], "a full map takes no more, and "
           "loses nothing");

    tap_ok(!recovers(&ts, taken) && ring(&ts) != NULL,
           "nor does the next process, while it is");

    ts.opts.map_size = 1 << 30;
    tap_ok(recovers(&ts, taken), "with a larger one all comes in");
    test_remove(&ts);
}


int
main(int argc, char **argv)
{
    rng = (argc > 1) ? strtoull(argv[1], NULL, 0)
                     : (uint64_t) time(NULL) * 1000003 ^ (uint64_t) getpid();
    printf("# seed %llu\n", (unsigned long long) rng);

    shared = test_shared(sizeof(*shared));

    wrapping();
    releasing();
    disks();
    sizes();
    damaged();
    later();
    full_map();

    return tap_done();
}
