/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Bytes as records of rings and of the journal, as rules, and as rows of the
 * store.  What is a record becomes the same bytes again.  Then the records are
 * applied, in frames as a ring or a log has them, and what the store has come
 * to is what its journal says.
 *
 * One byte chooses; records are length2 and their bytes.
 */

#define _GNU_SOURCE

#include <unistd.h>
#include <sys/mman.h>

#include "base.h"
#include "referral_time.h"


#define RECORDS  24


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;

    fuzz_base_make();

    return 0;
}


/* What can be reckoned with. */

static void
check_times(const referral_record_t *record)
{
    const referral_event_t  *event;

    FUZZ_ASSERT(record->time >= 0 && record->time <= REFERRAL_TIME_MAX);

    if (record->type != REFERRAL_RECORD_EVENT) {
        return;
    }

    event = &record->u.event;
    FUZZ_ASSERT(event->occurred >= 0 && event->occurred <= REFERRAL_TIME_MAX);

    if (event->token == REFERRAL_TOKEN_VALID) {
        FUZZ_ASSERT(event->first.time >= 0
                    && event->first.time <= REFERRAL_TIME_MAX / 1000);
        FUZZ_ASSERT(event->last.time >= 0
                    && event->last.time <= REFERRAL_TIME_MAX / 1000);
    }
}


static void
fuzz_decode(referral_str_t bytes)
{
    size_t              len;
    unsigned char       again[STORE_RECORD_MAX];
    referral_record_t   record;

    memset(&record, 0, sizeof(record));

    if (store_decode(bytes.data, bytes.len, &record) != 0) {
        return;
    }

    FUZZ_ASSERT(bytes.len <= sizeof(again));
    check_times(&record);

    len = store_encode(&record, again);
    FUZZ_ASSERT(len == bytes.len && memcmp(again, bytes.data, len) == 0);
}


static void
check_rules(const referral_rules_t *rules)
{
    unsigned  i, pick;

    FUZZ_ASSERT(referral_rules_right(rules));
    FUZZ_ASSERT(referral_rules_tier(rules, INT64_MAX)
                == (int) rules->ntiers - 1);

    for (i = 0; i < rules->nrewards; i++) {
        FUZZ_ASSERT(referral_rules_part(REFERRAL_AMOUNT_MAX,
                                        rules->rewards[i].bps)
                    <= REFERRAL_AMOUNT_MAX);

        if (rules->rewards[i].npicks != 0) {
            pick = referral_rules_pick(&rules->rewards[i], i);
            FUZZ_ASSERT(pick < rules->rewards[i].npicks);
            pick = referral_rules_pick(&rules->rewards[i], UINT64_MAX - i);
            FUZZ_ASSERT(pick < rules->rewards[i].npicks);
        }
    }
}


static void
fuzz_rules(referral_str_t bytes)
{
    size_t             len;
    unsigned char      again[REFERRAL_RULES_SIZE];
    referral_rules_t   rules;

    if (referral_rules_decode(bytes.data, bytes.len, &rules) != 0) {
        return;
    }

    check_rules(&rules);
    len = referral_rules_encode(&rules, again);
    FUZZ_ASSERT(len == bytes.len && memcmp(again, bytes.data, len) == 0);
}


static void
fuzz_rows(referral_str_t bytes)
{
    MDB_val             v;
    referral_code_t     code;
    store_order_row_t   order;
    store_reward_row_t  reward;

    v.mv_size = bytes.len;
    v.mv_data = (void *) bytes.data;

    if (store_code_parse(&v, &code) == 0) {
        FUZZ_ASSERT(fuzz_within(code.code, bytes)
                    && fuzz_within(code.owner, bytes)
                    && fuzz_within(code.name, bytes)
                    && fuzz_within(code.landing, bytes));
    }

    if (store_order_parse(&v, &order) == 0) {
        FUZZ_ASSERT(fuzz_within(order.channel, bytes)
                    && fuzz_within(order.customer, bytes));
        FUZZ_ASSERT(order.row.nrewards <= REFERRAL_REWARDS_MAX
                    && order.row.ncounted <= REFERRAL_REWARDS_MAX
                    && order.row.ncontests <= REFERRAL_CONTESTS_MAX);
    }

    if (store_reward_parse(&v, &reward) == 0) {
        FUZZ_ASSERT(fuzz_within(reward.value, bytes)
                    && fuzz_within(reward.customer, bytes)
                    && fuzz_within(reward.order_id, bytes)
                    && fuzz_within(reward.reason, bytes));
    }
}


/* ----------------------------------------------------------------- rings */

/* What an intake takes, of a program that is there. */

static unsigned
takes(referral_str_t bytes)
{
    uint32_t           program;
    referral_record_t  record;

    memset(&record, 0, sizeof(record));

    if (store_decode(bytes.data, bytes.len, &record) != 0
        || record.time < 0 || record.time > 4 * FUZZ_NOW
        || record.type == REFERRAL_RECORD_PROGRAM
        || record.type > REFERRAL_RECORD_DECISION)
    {
        return 0;
    }

    /* the first member of each */

    memcpy(&program, &record.u, sizeof(program));

    return program == fuzz_base.program;
}


static size_t
put_frame(unsigned char *p, uint64_t seq, referral_str_t bytes)
{
    store_frame_t  frame;

    frame.len = (uint32_t) bytes.len;
    frame.seq = seq;
    frame.check = store_check(1, seq, bytes.data, bytes.len);

    memcpy(p, &frame, sizeof(frame));

    if (bytes.len != 0) {
        memcpy(p + sizeof(frame), bytes.data, bytes.len);
    }

    return store_frame_size(bytes.len);
}


static void
run_frames(const unsigned char *data, size_t size)
{
    referral_rc_t      rc;
    store_run_t        run;
    store_cells_t     *cells;
    store_source_t     source;
    referral_batch_t   batch;
    referral_error_t   err;

    memset(&run, 0, sizeof(run));
    memset(&source, 0, sizeof(source));
    source.data = data;
    source.size = size;
    source.end = size;
    source.at.generation = 1;

    cells = store_cells_create();

    do {
        rc = store_run_batch(fuzz_base.store, cells, &source, &run, &batch,
                             &err);
    } while (rc == REFERRAL_OK && batch.records != 0);

    FUZZ_ASSERT(rc == REFERRAL_OK);
    FUZZ_ASSERT(source.at.pos <= size);

    store_cells_destroy(cells);
}


/* Reads all, and that it is what the journal says. */

static void
check_store(unsigned right)
{
    uint64_t              differences;
    referral_rc_t         rc;
    referral_snapshot_t  *snap;

    snap = fuzz_base_open();
    fuzz_base_read(snap);

    differences = fuzz_base_verify(snap, &rc);
    FUZZ_ASSERT(!right || (rc == REFERRAL_OK && differences == 0));

    fuzz_base_close(snap, 0);
}


static void
fuzz_frames(fuzz_t *f, unsigned any)
{
    size_t           len, size;
    uint64_t         seq;
    unsigned         left, right;
    unsigned char   *data;
    referral_str_t   bytes;

    size = 0;
    right = 1;
    seq = 0;
    data = calloc(RECORDS, store_frame_size(STORE_RECORD_MAX));

    for (left = RECORDS; left != 0 && f->p < f->end; left--) {
        len = fuzz_byte(f);
        len |= (size_t) (fuzz_byte(f) << 8);

        if (len > (size_t) (f->end - f->p)) {
            len = (size_t) (f->end - f->p);
        }

        bytes.len = (len < STORE_RECORD_MAX) ? len : STORE_RECORD_MAX;
        bytes.data = f->p;
        f->p += len;

        if (any || takes(bytes)) {
            right = right && takes(bytes);
            size += put_frame(data + size, ++seq, bytes);
        }
    }

    fuzz_base_begin();

    if (size != 0) {
        run_frames(data, size);
        check_store(right);
    }

    fuzz_base_end();
    free(data);
}


/* Bytes of a ring as they are. */

static void
fuzz_ring(referral_str_t bytes)
{
    fuzz_base_begin();

    if (bytes.len != 0) {
        run_frames(bytes.data, bytes.len);
        check_store(0);
    }

    fuzz_base_end();
}


/* What the dead left: a log whose head is right, or right but for a byte. */

static void
make_log(fuzz_t *f, int fd)
{
    unsigned            at, with;
    referral_str_t      rest;
    store_ring_head_t   head;

    memset(&head, 0, sizeof(head));
    memcpy(head.magic, STORE_RING_MAGIC, sizeof(head.magic));
    memcpy(head.store_id, fuzz_base.store->head.id, sizeof(head.store_id));
    memcpy(head.incarnation, fuzz_base.store->head.incarnation,
           sizeof(head.incarnation));
    head.size = STORE_RING_MIN;

    at = fuzz_byte(f);
    with = fuzz_byte(f);

    /* of a size of gigabytes only that it takes as many would be learned */

    if (at < offsetof(store_ring_head_t, size)) {
        ((unsigned char *) &head)[at] ^= (unsigned char) with;

    } else if (at < 64) {
        head.size += 8 * with;
    }

    rest = fuzz_rest(f);

    FUZZ_ASSERT(pwrite(fd, &head, sizeof(head), 0) == sizeof(head));
    FUZZ_ASSERT(pwrite(fd, rest.data, rest.len, STORE_RING_HEADER)
                == (ssize_t) rest.len);
}


static void
fuzz_log(fuzz_t *f)
{
    unsigned           records;
    store_slot_t       s;
    referral_error_t   err;
    store_position_t   at;

    memset(&s, 0, sizeof(s));
    memset(&at, 0, sizeof(at));
    s.log_fd = memfd_create("log", 0);
    FUZZ_ASSERT(s.log_fd != -1);

    records = 0;
    make_log(f, s.log_fd);
    fuzz_base_begin();
    store_slot_place(fuzz_base.store, &s, "/nowhere");

    FUZZ_ASSERT(store_recover(fuzz_base.store, &s, &at, &records, &err)
                == REFERRAL_OK);
    FUZZ_ASSERT(at.generation == 1 && at.pos == 0 && at.seq == records);
    check_store(0);

    fuzz_base_end();
    (void) close(s.log_fd);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t    f;
    unsigned  how;

    fuzz_init(&f, data, size);
    how = fuzz_byte(&f);

    switch (how % 8) {

    case 0:
        fuzz_decode(fuzz_rest(&f));
        break;

    case 1:
        fuzz_rules(fuzz_rest(&f));
        break;

    case 2:
        fuzz_rows(fuzz_rest(&f));
        break;

    case 3:
        fuzz_ring(fuzz_rest(&f));
        break;

    case 7:
        fuzz_log(&f);
        break;

    default:
        fuzz_frames(&f, how % 8 == 4);
    }

    fuzz_free(&f);

    return 0;
}
