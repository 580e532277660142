/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A flush of the store fails once, and what it should have brought to the
 * disk is not there, though every process goes on reading it: so the kernel
 * does it.  The flushes after it succeed.  Then the power is cut.
 *
 * Would catch: a commit that counts on the meta page of the one before, which
 * that flush should have carried: what was acknowledged is lost, or pages that
 * the disk still needs are written to.
 */

#include "store_test.h"

#include <glob.h>
#include <sys/syscall.h>


#define PAGE    4096
#define PAGES   4096            /* 16 MB */


static struct {
    ino_t               ino;                /* of data.mdb */
    unsigned            fail;               /* flushes that do */
    unsigned            cut;                /* the power, in this flush */
    unsigned            dead;
    unsigned            interrupt;          /* writes at an offset */
    unsigned            acked;
    unsigned            taken;
    unsigned char       dirty[PAGES];
    unsigned char       disk[PAGES][PAGE];
} *shared;


/* ------------------------------------------------- a disk behind a cache -- */

static int
is_data(int fd)
{
    struct stat  st;

    return shared != NULL && shared->ino != 0 && fstat(fd, &st) == 0
           && st.st_ino == shared->ino;
}


static void
dirty(int fd, uint64_t from, ssize_t n)
{
    uint64_t  page;

    if (n <= 0 || !is_data(fd)) {
        return;
    }

    for (page = from / PAGE; page <= (from + (size_t) n - 1) / PAGE; page++) {
        if (page >= PAGES) {
            _exit(98);
        }

        shared->dirty[page] = 1;
    }
}


ssize_t
pwrite(int fd, const void *buf, size_t n, off_t offset)
{
    ssize_t  rc;

    if (is_data(fd) && shared->interrupt != 0) {
        shared->interrupt--;
        errno = EINTR;
        return -1;
    }

    rc = syscall(SYS_pwrite64, fd, buf, n, offset);
    dirty(fd, (uint64_t) offset, rc);

    return rc;
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    off_t    offset;
    ssize_t  rc;

    offset = lseek(fd, 0, SEEK_CUR);
    rc = syscall(SYS_writev, fd, iov, n);
    dirty(fd, (uint64_t) offset, rc);

    return rc;
}


/* Which pages a power cut leaves unwritten is its choice: here, the metas. */

int
fdatasync(int fd)
{
    int       failed;
    unsigned  page;

    if (!is_data(fd) || shared->dead) {
        return 0;
    }

    failed = (shared->fail != 0);
    shared->fail -= (unsigned) failed;
    shared->dead = shared->cut;

    for (page = 0; page < PAGES; page++) {
        if (!shared->dirty[page] || (shared->cut && page < 2)) {
            continue;
        }

        shared->dirty[page] = 0;

        if (!failed
            && syscall(SYS_pread64, fd, shared->disk[page], PAGE,
                       (off_t) page * PAGE)
               < 0)
        {
            _exit(97);
        }
    }

    if (failed) {
        errno = EIO;
        return -1;
    }

    return 0;
}


static void
watch(test_store_t *ts)
{
    int          fd;
    char         path[300];
    struct stat  st;

    snprintf(path, sizeof(path), "%s/data.mdb", ts->path);
    fd = open(path, O_RDONLY);

    if (fd == -1 || fstat(fd, &st) == -1 || st.st_size > PAGE * PAGES
        || read(fd, shared->disk, (size_t) st.st_size) != st.st_size)
    {
        _exit(96);
    }

    close(fd);
    memset(shared->dirty, 0, sizeof(shared->dirty));
    shared->ino = st.st_ino;
}


static void
cut_power(test_store_t *ts)
{
    int       fd;
    char      path[300];
    unsigned  n;

    snprintf(path, sizeof(path), "%s/lock.mdb", ts->path);
    unlink(path);

    snprintf(path, sizeof(path), "rm -f %s/*", ts->rings);
    n = (unsigned) system(path);

    snprintf(path, sizeof(path), "%s/data.mdb", ts->path);
    fd = open(path, O_WRONLY|O_TRUNC);

    if (n != 0 || fd == -1
        || write(fd, shared->disk, sizeof(shared->disk))
           != sizeof(shared->disk))
    {
        perror(path);
        exit(2);
    }

    close(fd);
    shared->ino = 0;
}


/* ---------------------------------------------------------------- scenes -- */

static void
click(test_store_t *ts, referral_intake_t *intake, uint32_t program)
{
    char               code[16];
    uint64_t           seq;
    referral_record_t  record;

    record = test_click(program, ++shared->taken);
    snprintf(code, sizeof(code), "code%u", shared->taken % 20);
    record.u.click.code = test_str(code);
    record.u.click.flags = REFERRAL_CLICK_OPEN;
    record.u.click.visitor = shared->taken;
    record.u.click.unique_window = 3600;

    test_must(ts, referral_intake_put(intake, &record, &seq), "put");
}


/* Some clicks in a transaction, not brought to the disk. */

static referral_rc_t
commit(test_store_t *ts, referral_intake_t *intake, uint32_t program)
{
    unsigned          i;
    referral_batch_t  batch;

    for (i = 0; i < 10; i++) {
        click(ts, intake, program);
    }

    return referral_intake_apply(intake, 0, NULL, 0, &batch, &ts->err);
}


static uint32_t
begin(test_store_t *ts, referral_intake_t **intake)
{
    unsigned  i;
    uint32_t  program;

    test_open(ts);
    program = test_program(ts, "friends");
    *intake = test_intake(ts);

    for (i = 0; i < 6; i++) {
        test_must(ts, commit(ts, *intake, program), "apply");
    }

    (void) test_apply_all(ts, *intake, 1);
    watch(ts);

    return program;
}


/* A commit, one that fails in its flush, the same again; interrupts are no
   failures. */

static void
stumble(test_store_t *ts, referral_intake_t *intake, uint32_t program)
{
    test_must(ts, commit(ts, intake, program), "apply");

    shared->fail = 1;

    if (commit(ts, intake, program) == REFERRAL_OK || shared->fail != 0) {
        _exit(95);
    }

    shared->interrupt = 2;
    (void) test_apply_all(ts, intake, 0);
}


static void
scene_flushed(test_store_t *ts, void *data)
{
    uint32_t            program;
    uint64_t            seq;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    stumble(ts, intake, program);

    if (referral_intake_flush(intake, &seq, &ts->err) == REFERRAL_OK) {
        shared->acked = shared->taken;
    }
}


static void
scene_reused(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    shared->acked = shared->taken;
    stumble(ts, intake, program);

    shared->cut = 1;
    (void) commit(ts, intake, program);
}


/* BROKEN, and the next process begins where the disk does not stand. */

static void
scene_broken(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_batch_t    batch;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    shared->acked = shared->taken;

    test_must(ts, commit(ts, intake, program), "apply");
    shared->fail = 1;

    if (referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err)
        != REFERRAL_BROKEN)
    {
        _exit(95);
    }

    if (commit(ts, intake, program) != REFERRAL_BROKEN) {
        _exit(94);
    }
}


/* Nor is the ring taken away: it has what the disk may lack. */

static void
scene_closed(test_store_t *ts, void *data)
{
    char                path[300];
    glob_t              found;
    uint32_t            program;
    referral_batch_t    batch;
    referral_intake_t  *intake;

    (void) data;

    program = begin(ts, &intake);
    test_must(ts, commit(ts, intake, program), "apply");
    shared->fail = 1;

    if (referral_intake_apply(intake, 1, NULL, 0, &batch, &ts->err)
        != REFERRAL_BROKEN)
    {
        _exit(95);
    }

    referral_intake_close(intake);
    snprintf(path, sizeof(path), "%s/referral-*", ts->rings);

    if (glob(path, 0, NULL, &found) != 0) {
        _exit(92);
    }
}


static void
scene_restarted(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;

    test_open(ts);
    program = test_program(ts, "friends");

    shared->cut = *(unsigned *) data;
    intake = test_intake(ts);
    shared->cut = 1;

    if (!shared->dead) {
        (void) commit(ts, intake, program);
    }
}


static void
scene_after(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    test_open(ts);
    program = test_program(ts, "friends");
    intake = test_intake(ts);

    *(uint64_t *) data = test_total(ts, program);

    if (test_verify(ts) != 0) {
        _exit(93);
    }

    referral_intake_close(intake);
}


static void
outcome(test_store_t *ts, int made, uint64_t *total, const char *what)
{
    int  rc;

    cut_power(ts);
    *total = 0;
    rc = test_child(scene_after, ts, total);

    tap_ok(made == 0 && rc == 0 && *total >= shared->acked
           && *total <= shared->taken, "%s", what);
    printf("# %u, %d; %u taken, %u acknowledged, %llu there\n",
           (unsigned) made, rc, shared->taken, shared->acked,
           (unsigned long long) *total);
    test_remove(ts);
}


static void
make(test_store_t *ts)
{
    memset(shared, 0, sizeof(*shared));
    test_make(ts);
    ts->opts.durable = 1;
}


int
main(void)
{
    int            rc;
    unsigned       cut;
    uint64_t      *total;
    test_store_t   ts;

    shared = test_shared(sizeof(*shared));
    total = test_shared(sizeof(*total));

    make(&ts);
    rc = test_child(scene_flushed, &ts, NULL);
    outcome(&ts, rc, total, "a flush of a commit failed: what was then "
            "acknowledged is on disk");

    make(&ts);
    rc = test_child(scene_reused, &ts, NULL);
    outcome(&ts, rc, total, "a flush of a commit failed: the disk is whole in "
            "the next one");

    for (cut = 0; cut < 2; cut++) {
        make(&ts);
        rc = test_child(scene_broken, &ts, NULL);
        rc += test_child(scene_restarted, &ts, &cut);
        outcome(&ts, rc, total, "broken, and restarted: the disk is whole");
    }

    make(&ts);
    tap_ok(test_child(scene_closed, &ts, NULL) == 0,
           "broken: its ring stays when it ends");
    test_remove(&ts);

    return tap_done();
}
