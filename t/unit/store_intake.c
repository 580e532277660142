/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The intake: taking, applying, flushing, and what is left after a death, a
 * power cut or a restore.  A power cut is simulated: the process is killed,
 * its ring is deleted, and data.mdb is put back to the last state that was
 * surely on disk.
 *
 * Would catch: a record lost or doubled where the ring wraps; a full ring that
 * never empties; space given back before its records are on disk; a flush that
 * leaves a hole in the log; records of another time or another store that come
 * back; a torn log that stops the worker instead of the recovery; results out
 * of order, or before their records are on disk; a disk that failed and is
 * believed the next time; a string beyond its limit.
 *
 *   store_intake [seed]
 */

#include "store_test.h"

#include <glob.h>
#include <sys/syscall.h>


static struct {
    uint64_t            taken;          /* last seq */
    uint64_t            flushed;
    uint64_t            disk;           /* applied, surely on disk */
    uint64_t            n;
    unsigned            ok[24];
    char                text[320];
} *shared;

static uint64_t  rng;


static unsigned
roll(unsigned n)
{
    return (unsigned) (test_random(&rng) % n);
}


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


/* -------------------------------------------------------- files by hand */

static void
copy_file(const char *from, const char *to)
{
    int      in, out;
    char     buf[65536];
    ssize_t  n;

    in = open(from, O_RDONLY);
    out = open(to, O_WRONLY|O_CREAT|O_TRUNC, 0600);

    while ((n = read(in, buf, sizeof(buf))) > 0) {
        if (write(out, buf, (size_t) n) != n) {
            n = -1;
            break;
        }
    }

    if (n != 0 || in == -1 || out == -1) {
        perror(to);
        _exit(2);
    }

    close(in);
    close(out);
}


/* data.mdb as it is now, for later. */

static void
keep(test_store_t *ts, const char *name)
{
    char  from[300], to[300];

    snprintf(from, sizeof(from), "%s/data.mdb", ts->path);
    snprintf(to, sizeof(to), "%s/%s", ts->path, name);
    copy_file(from, to);
}


static void
restore(test_store_t *ts, const char *name)
{
    char  from[300], to[300];

    snprintf(from, sizeof(from), "%s/%s", ts->path, name);
    snprintf(to, sizeof(to), "%s/data.mdb", ts->path);
    copy_file(from, to);

    snprintf(to, sizeof(to), "%s/lock.mdb", ts->path);
    unlink(to);
}


/* The ring of the first slot; NULL when there is none. */

static const char *
ring(test_store_t *ts)
{
    glob_t       found;
    static char  path[300];

    snprintf(path, sizeof(path), "%s/referral-*", ts->rings);

    if (glob(path, 0, NULL, &found) != 0) {
        return NULL;
    }

    snprintf(path, sizeof(path), "%s", found.gl_pathv[0]);
    globfree(&found);

    return path;
}


static void
damage(const char *path, off_t offset, unsigned len)
{
    int       fd;
    unsigned  i;
    uint8_t   c;

    fd = open(path, O_RDWR);

    for (i = 0; i < len; i++, offset++) {
        if (pread(fd, &c, 1, offset) != 1) {
            _exit(2);
        }

        c ^= (uint8_t) (1 + roll(255));

        if (pwrite(fd, &c, 1, offset) != 1) {
            _exit(2);
        }
    }

    close(fd);
}


static void
damage_log(test_store_t *ts, off_t offset, unsigned len)
{
    char  path[300];

    snprintf(path, sizeof(path), "%s/intake-000.log", ts->path);
    damage(path, offset, len);
}


/* ---------------------------------------------------------- taking some */

/* Bytes of a click without strings, in ring and log. */

#define CLICK  72


/* Takes n, or as many as there is room for. */

static void
put_clicks(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    unsigned n)
{
    uint64_t            seq;
    referral_rc_t       rc;
    referral_record_t   record;

    while (n--) {
        record = test_click(program, shared->taken + 1);
        rc = referral_intake_put(intake, &record, &seq);

        if (rc == REFERRAL_FULL) {
            return;
        }

        test_must(ts, rc, "put");
        shared->taken++;
    }
}


static void
flush(test_store_t *ts, referral_intake_t *intake)
{
    test_must(ts, referral_intake_flush(intake, &shared->flushed, &ts->err),
              "flush");
}


/* Opens all there is; what is left is applied by that. */

static uint32_t
begin(test_store_t *ts, referral_intake_t **intake)
{
    uint32_t  program;

    test_open(ts);
    program = test_program(ts, "friends");
    *intake = test_intake(ts);

    return program;
}


/* The clicks numbered up to n are there, once, and no other. */

static int
exactly(test_store_t *ts, uint32_t program, uint64_t n)
{
    uint64_t                i, total, missing;
    referral_record_t       record;
    referral_snapshot_t    *snap;
    referral_click_info_t   info;

    total = test_total(ts, program);
    missing = 0;
    snap = test_snapshot(ts);

    for (i = 1; i <= n; i++) {
        record = test_click(program, i);
        missing += (referral_click_get(snap, program, record.u.click.click_id,
                                       &info) != REFERRAL_OK);
    }

    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    if (total != n || missing != 0) {
        printf("# %llu clicks, %llu of %llu missing\n",
               (unsigned long long) total, (unsigned long long) missing,
               (unsigned long long) n);
        fflush(stdout);
    }

    return total == n && missing == 0 && test_verify(ts) == 0;
}


/* Whether the store holds exactly the clicks up to shared->n. */

static void
scene_exactly(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    memcpy(shared->text, ts->err.text, sizeof(shared->text));
    shared->ok[0] = (unsigned) exactly(ts, program, shared->n);

    /* and goes on from there */

    shared->taken = shared->n;
    referral_intake_close(intake);
}


static int
recovers(test_store_t *ts, uint64_t n)
{
    shared->n = n;
    shared->ok[0] = 0;
    shared->text[0] = '\0';

    return test_child(scene_exactly, ts, NULL) == 0 && shared->ok[0];
}


static void
power_cut(test_store_t *ts)
{
    char         path[300];
    const char  *name;

    name = ring(ts);

    if (name != NULL) {
        unlink(name);
    }

    snprintf(path, sizeof(path), "%s/lock.mdb", ts->path);
    unlink(path);
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

    do {
        test_must(ts, referral_intake_apply(intake, 1, result, 7, &batch,
                                            &ts->err), "apply");
        results += batch.results;
        shared->ok[2] &= (batch.results <= 7);
    } while (batch.more);

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

    /* what the store could not take apart again */

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
    tap_ok(status == 0 && shared->ok[2], "no record is taken that could not "
           "be applied");
    test_remove(&ts);
}


/* ------------------------------------------------------------- power cuts */

/*
 * Takes, flushes and applies at random and dies.  Before each transaction
 * that nothing makes wait for the disk, data.mdb is kept: a power cut may
 * undo that one, and no other.
 */

static void
scene_die(test_store_t *ts, void *data)
{
    unsigned            steps, sync;
    uint32_t            program;
    referral_batch_t    batch;
    referral_intake_t  *intake;

    program = begin(ts, &intake);
    shared->disk = shared->taken;
    keep(ts, "disk");

    for (steps = 1 + roll(*(unsigned *) data); steps != 0; steps--) {

        switch (roll(4)) {

        case 0:
            flush(ts, intake);
            break;

        case 1:
            sync = roll(2);

            if (!sync) {
                keep(ts, "disk");
                shared->disk = shared->n;
            }

            test_must(ts, referral_intake_apply(intake, sync, NULL, 0, &batch,
                                                &ts->err), "apply");
            shared->n = batch.seq;

            if (sync || batch.records == 0) {
                keep(ts, "disk");
                shared->disk = batch.seq;
            }

            break;

        default:
            put_clicks(ts, intake, program, roll(8) ? roll(700) : 20000);
        }
    }

    raise(SIGKILL);
}


#define STORES  6
#define CUTS    4

/* The power fails some times in the life of one store; 0 when all is well. */

static unsigned
cut_some(uint64_t *rounds)
{
    int            status;
    uint64_t       seed, expect;
    unsigned       i, steps, bad;
    test_store_t   ts;

    test_make(&ts);
    ts.opts.durable = 1;
    shared->taken = 0;
    expect = 0;
    steps = 25;
    bad = 0;

    for (i = 0; i < CUTS && bad == 0; i++) {
        seed = rng;
        shared->flushed = 0;
        shared->n = shared->taken;

        status = test_child(scene_die, &ts, &steps);

        power_cut(&ts);
        restore(&ts, "disk");

        expect = shared->flushed > shared->disk ? shared->flushed
                                                : shared->disk;

        if (status != 256 + SIGKILL || !recovers(&ts, expect)) {
            printf("# cut %u, random state %llu, status %d: taken %llu, "
                   "flushed %llu, on disk %llu\n", i,
                   (unsigned long long) seed, status,
                   (unsigned long long) shared->taken,
                   (unsigned long long) shared->flushed,
                   (unsigned long long) shared->disk);
            bad = 1;
        }

        rng = test_random(&rng);
    }

    /* none comes back the second time */

    power_cut(&ts);
    bad |= !recovers(&ts, expect);
    *rounds += expect * CLICK >> 20;
    test_remove(&ts);

    return bad;
}


static void
power_cuts(void)
{
    uint64_t  rounds;
    unsigned  i, bad;

    rounds = 0;
    bad = 0;

    for (i = 0; i < STORES && bad == 0; i++) {
        bad = cut_some(&rounds);
    }

    tap_ok(bad == 0, "%d power cuts: what was flushed is there, once",
           STORES * CUTS);
    tap_ok(rounds > 2, "and the log went round");
}


/* ------------------------------------------------------------- torn logs */

static void
scene_flushed(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, *(unsigned *) data);
    flush(ts, intake);

    raise(SIGKILL);
}


static void
torn_logs(void)
{
    char           path[300];
    off_t          offset;
    unsigned       i, n, bad;
    test_store_t   ts;

    bad = 0;

    for (i = 0; i < 15; i++) {
        test_make(&ts);
        ts.opts.durable = 1;
        shared->taken = 0;
        n = 1000;
        test_child(scene_flushed, &ts, &n);
        power_cut(&ts);

        offset = roll(n * CLICK);
        damage_log(&ts, STORE_RING_HEADER + offset, 1 + roll(200));

        if (!recovers(&ts, (uint64_t) offset / CLICK)) {
            printf("# torn at %ld\n", (long) offset);
            bad++;
        }

        test_remove(&ts);
    }

    tap_ok(bad == 0, "a torn log ends where it is torn");

    test_make(&ts);
    ts.opts.durable = 1;
    shared->taken = 0;
    n = 1000;
    test_child(scene_flushed, &ts, &n);
    power_cut(&ts);
    damage_log(&ts, STORE_RING_HEADER + 20, 8);
    tap_ok(recovers(&ts, 0), "torn at its beginning, it has nothing");

    n = 1;
    test_child(scene_flushed, &ts, &n);
    power_cut(&ts);
    tap_ok(recovers(&ts, 1), "what was behind that does not come back");

    n = 1000;
    test_child(scene_flushed, &ts, &n);
    power_cut(&ts);
    snprintf(path, sizeof(path), "%s/intake-000.log", ts.path);

    tap_ok(truncate(path, STORE_RING_HEADER + 500 * CLICK + 7) == 0
           && recovers(&ts, 501), "a log cut short ends where it is cut");

    tap_ok(recovers(&ts, 501), "and serves on");

    test_remove(&ts);
}


/* -------------------------------------------------- restores and strangers */

static void
scene_beyond(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, 100);
    (void) test_apply_all(ts, intake, 1);
    keep(ts, "backup");
    put_clicks(ts, intake, program, 100);
    (void) test_apply_all(ts, intake, 1);
    put_clicks(ts, intake, program, 50);

    raise(SIGKILL);
}


static void
scene_unapplied(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    program = begin(ts, &intake);
    put_clicks(ts, intake, program, *(unsigned *) data);

    raise(SIGKILL);
}


static void
scene_ring_name(test_store_t *ts, void *data)
{
    referral_intake_t  *intake;

    (void) begin(ts, &intake);
    snprintf(data, 300, "%s", ring(ts));
}


static void
strangers(void)
{
    char           name[300], *shown;
    unsigned       n;
    test_store_t   ts, other;

    test_make(&ts);
    shared->taken = 0;
    test_child(scene_beyond, &ts, NULL);
    restore(&ts, "backup");
    tap_ok(recovers(&ts, 100), "a restored store takes nothing from a ring "
           "that went on without it");
    tap_ok(strstr(shared->text, "restored") != NULL, "and says so");

    n = 10;
    test_child(scene_unapplied, &ts, &n);
    tap_ok(recovers(&ts, 110), "but works with the next");
    test_remove(&ts);

    /* the ring of one store by the name of another's */

    test_make(&ts);
    test_make(&other);
    shown = test_shared(300);

    shared->taken = 0;
    n = 10;
    test_child(scene_unapplied, &other, &n);
    test_child(scene_ring_name, &ts, shown);
    snprintf(name, sizeof(name), "%s", ring(&other));

    tap_ok(rename(name, shown) == 0 && recovers(&ts, 0),
           "the ring of another store is not applied");
    test_remove(&ts);
    test_remove(&other);
}


/* A ring of another size than the store has now. */

static void
resized(void)
{
    unsigned       n, durable, bad;
    test_store_t   ts;

    static const uint64_t   sizes[] = {
        3 << 20, 1 << 20, (1 << 20) + 12345, 2 << 20, 1000, 1 << 20
    };

    bad = 0;

    for (durable = 0; durable < 2; durable++) {
        test_make(&ts);
        ts.opts.durable = durable;
        shared->taken = 0;

        for (n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
            unsigned  some;

            ts.opts.intake_size = sizes[n];
            some = 500;
            test_child(durable ? scene_flushed : scene_unapplied, &ts, &some);

            if (durable) {
                power_cut(&ts);
            }

            ts.opts.intake_size = sizes[(n + 1) % 6];
            bad += !recovers(&ts, 500 * (n + 1));
        }

        test_remove(&ts);
    }

    tap_ok(bad == 0, "a ring is applied by whoever comes, of any size");
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


/* ---------------------------------------------------------------- orphans */

static void
scene_maintain(test_store_t *ts, void *data)
{
    uint32_t            program;
    unsigned            records, again;
    referral_intake_t  *intake;

    (void) data;

    /* the slot of this process comes after those of the dead */

    test_open(ts);
    program = test_program(ts, "friends");

    test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
              "maintain");
    test_must(ts, referral_store_maintain(ts->store, &again, &ts->err),
              "maintain");

    shared->ok[0] = (records == 30 && again == 0
                     && test_total(ts, program) == 30 && ring(ts) == NULL);

    /* one's own live ring is no orphan */

    intake = test_intake(ts);
    shared->taken = 30;
    put_clicks(ts, intake, program, 5);
    test_must(ts, referral_store_maintain(ts->store, &records, &ts->err),
              "maintain");
    shared->ok[1] = (records == 0 && ring(ts) != NULL
                     && test_apply_all(ts, intake, 0) == 5
                     && exactly(ts, program, 35));
    referral_intake_close(intake);
    shared->ok[2] = (ring(ts) == NULL);
}


static void
scene_three(test_store_t *ts, void *data)
{
    unsigned            i, k;
    uint64_t            seq;
    uint32_t            program;
    referral_record_t   record;
    referral_intake_t  *intake;

    (void) data;

    test_open(ts);
    program = test_program(ts, "friends");

    for (i = 0; i < 3; i++) {
        intake = test_intake(ts);

        for (k = 1; k <= 10; k++) {
            record = test_click(program, 10 * i + k);
            test_must(ts, referral_intake_put(intake, &record, &seq), "put");
        }
    }

    raise(SIGKILL);
}


static void
orphans(void)
{
    unsigned       durable;
    test_store_t   ts;

    for (durable = 0; durable < 2; durable++) {
        test_make(&ts);
        ts.opts.durable = durable;
        memset(shared->ok, 0, sizeof(shared->ok));
        test_child(scene_three, &ts, NULL);
        test_child(scene_maintain, &ts, NULL);
        tap_ok(shared->ok[0], "rings of the dead are applied and removed");
        tap_ok(shared->ok[1], "those of the living are left alone");
        tap_ok(shared->ok[2], "and removed by them when empty");
        test_remove(&ts);
    }
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
    power_cuts();
    torn_logs();
    strangers();
    resized();
    damaged();
    orphans();

    return tap_done();
}
