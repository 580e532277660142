/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the tests of the store share.  An environment stays mapped until its
 * process ends, so each scene of a test is a child; what it found comes back
 * in memory that parent and child share.
 */

#ifndef STORE_TEST_H
#define STORE_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_internal.h"
#include "tap.h"


typedef struct {
    char                path[128];          /* of the store */
    char                rings[128];
    uint64_t            rng;
    referral_options_t  opts;
    referral_store_t   *store;
    referral_error_t    err;
} test_store_t;


static inline uint64_t
test_random(uint64_t *state)
{
    uint64_t  z;

    z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;

    return z ^ (z >> 31);
}


static inline uint64_t
test_now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


static inline referral_str_t
test_str(const char *s)
{
    referral_str_t  str;

    str.len = strlen(s);
    str.data = (const unsigned char *) s;

    return str;
}


static inline void *
test_shared(size_t size)
{
    void  *p;

    p = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1,
             0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }

    return p;
}


/* Directories of a new store and of its rings. */

static inline void
test_make(test_store_t *ts)
{
    const char  *base, *memory;

    memset(ts, 0, sizeof(test_store_t));

    /* flushing costs nothing there; what is tested here needs no disk */

    memory = (access("/dev/shm", W_OK) == 0) ? "/dev/shm" : "/tmp";
    base = getenv("TMPDIR");

    snprintf(ts->path, sizeof(ts->path), "%s/referral-test-XXXXXX",
             (base && strlen(base) < 90) ? base : memory);
    snprintf(ts->rings, sizeof(ts->rings), "%s/referral-test-XXXXXX", memory);

    if (mkdtemp(ts->path) == NULL || mkdtemp(ts->rings) == NULL) {
        perror("mkdtemp");
        exit(2);
    }

    ts->opts.path = ts->path;
    ts->opts.intake_path = ts->rings;
    ts->opts.map_size = (uint64_t) 1 << 30;
    ts->opts.intake_size = 1 << 20;
}


static inline int
test_remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
    (void) st;
    (void) flag;
    (void) ftw;

    return remove(path);
}


static inline void
test_remove(test_store_t *ts)
{
    nftw(ts->path, test_remove_one, 16, FTW_DEPTH|FTW_PHYS);
    nftw(ts->rings, test_remove_one, 16, FTW_DEPTH|FTW_PHYS);
}


/* Runs a scene in a child; its exit status, or 256 + signal. */

static inline int
test_child(void (*scene)(test_store_t *ts, void *data), test_store_t *ts,
    void *data)
{
    int    status;
    pid_t  pid;

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        scene(ts, data);
        fflush(stdout);
        _exit(0);
    }

    if (pid == -1 || waitpid(pid, &status, 0) != pid) {
        perror("fork");
        exit(2);
    }

    return WIFEXITED(status) ? WEXITSTATUS(status)
                             : 256 + WTERMSIG(status);
}


/* In a child: what must work for the scene to make sense. */

static inline void
test_must(test_store_t *ts, referral_rc_t rc, const char *what)
{
    if (rc != REFERRAL_OK) {
        printf("# %s: rc %d, \"%s\"\n", what, (int) rc, ts->err.text);
        fflush(stdout);
        _exit(99);
    }
}


static inline void
test_open(test_store_t *ts)
{
    test_must(ts, referral_store_open(&ts->opts, &ts->store, &ts->err),
              "referral_store_open");
}


static inline referral_intake_t *
test_intake(test_store_t *ts)
{
    referral_intake_t  *intake;

    test_must(ts, referral_intake_open(ts->store, &intake, &ts->err),
              "referral_intake_open");

    return intake;
}


static inline referral_snapshot_t *
test_snapshot(test_store_t *ts)
{
    referral_snapshot_t  *snap;

    test_must(ts, referral_snapshot_create(ts->store, &snap, &ts->err),
              "referral_snapshot_create");
    test_must(ts, referral_snapshot_begin(snap), "referral_snapshot_begin");

    return snap;
}


/* Applies all that the ring holds. */

static inline unsigned
test_apply_all(test_store_t *ts, referral_intake_t *intake, unsigned sync)
{
    unsigned          n;
    referral_batch_t  batch;

    n = 0;

    do {
        test_must(ts, referral_intake_apply(intake, sync, NULL, 0, &batch,
                                            &ts->err),
                  "referral_intake_apply");
        n += batch.records;

    } while (batch.more);

    return n;
}


static inline void
test_report(void *data, const char *sentence)
{
    unsigned  *said;

    said = data;

    if ((*said)++ < 5) {
        printf("# verify: %s\n", sentence);
    }
}


static inline uint64_t
test_verify(test_store_t *ts)
{
    unsigned              said;
    uint64_t              differences;
    referral_verify_t     verify;
    referral_snapshot_t  *snap;

    said = 0;
    memset(&verify, 0, sizeof(verify));
    verify.report = test_report;
    verify.data = &said;

    snap = test_snapshot(ts);
    test_must(ts, referral_store_verify(snap, &verify, &differences,
                                        &ts->err),
              "referral_store_verify");
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    return differences;
}


/* A human click of a program on no code; the id is a number. */

static inline referral_record_t
test_click(uint32_t program, uint64_t id)
{
    referral_record_t  record;

    memset(&record, 0, sizeof(record));

    record.type = REFERRAL_RECORD_CLICK;
    record.time = 1763700000000 + (int64_t) id;
    record.u.click.program = program;
    record.u.click.class = REFERRAL_CLASS_HUMAN;
    record.u.click.click_id[0] = 1;
    memcpy(record.u.click.click_id + 1, &id, sizeof(id));

    return record;
}


/* Clicks of a program, ever. */

static inline uint64_t
test_total(test_store_t *ts, uint32_t program)
{
    referral_counts_t     counts;
    referral_snapshot_t  *snap;

    snap = test_snapshot(ts);
    test_must(ts, referral_counts_get(snap, program, 0, &counts),
              "referral_counts_get");
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    return referral_counts_total(&counts);
}


static inline uint32_t
test_program(test_store_t *ts, const char *name)
{
    uint32_t  id;
    unsigned  case_sensitive;

    case_sensitive = 0;
    test_must(ts, referral_store_program(ts->store, test_str(name),
                                         &case_sensitive, &id, &ts->err),
              "referral_store_program");

    return id;
}


#endif /* STORE_TEST_H */
