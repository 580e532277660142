/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A death between any two instructions: a child takes records one instruction
 * at a time, and after each the ring is read as its next owner would.  What is
 * published is whole; nothing else is.
 *
 * Would catch: a record published before its bytes, a pad before its frame, a
 * number given twice.
 */

#include "store_test.h"

#include <glob.h>
#include <sys/ptrace.h>


#define RECORDS  24


static struct {
    unsigned    on;             /* the child is between begin and end */
    uint64_t    returned;       /* last seq that put() has given */
} *shared;


static const char *
ring(test_store_t *ts)
{
    glob_t       found;
    static char  path[300];

    snprintf(path, sizeof(path), "%s/referral-*", ts->rings);

    if (glob(path, 0, NULL, &found) != 0) {
        _exit(1);
    }

    snprintf(path, sizeof(path), "%s", found.gl_pathv[0]);
    globfree(&found);

    return path;
}


/* Takes records around the end of the ring, so that there is a pad. */

static void
child(test_store_t *ts)
{
    uint64_t            seq;
    unsigned            i;
    referral_rc_t       rc;
    referral_batch_t    batch;
    referral_record_t   record;
    referral_intake_t  *intake;

    test_open(ts);
    record = test_click(test_program(ts, "friends"), 1);
    record.u.click.landing = test_str("/odd");
    intake = test_intake(ts);

    do {
        rc = referral_intake_put(intake, &record, &seq);
    } while (rc == REFERRAL_OK);

    do {
        test_must(ts, referral_intake_apply(intake, 1, NULL, 0, &batch,
                                            &ts->err), "apply");
    } while (batch.more);

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1) {
        _exit(77);
    }

    raise(SIGSTOP);
    shared->on = 1;

    for (i = 0; i < RECORDS; i++) {
        record.u.click.landing.len = i % 5;

        if (referral_intake_put(intake, &record, &seq) != REFERRAL_OK) {
            _exit(1);
        }

        shared->returned = seq;
    }

    shared->on = 0;
    _exit(0);
}


/* The records from *pos on that are whole, up to head; -1: one is not. */

static int
whole(const store_ring_head_t *head, uint64_t *pos, uint64_t *seq)
{
    uint64_t              left, end;
    store_frame_t         frame;
    const unsigned char  *p;

    end = atomic_load(&head->head);

    while (*pos < end) {
        left = head->size - *pos % head->size;
        p = (const unsigned char *) head + STORE_RING_HEADER
            + *pos % head->size;

        if (left < sizeof(frame)) {
            *pos += left;
            continue;
        }

        memcpy(&frame, p, sizeof(frame));

        if (frame.len == STORE_FRAME_PAD && frame.seq == *seq + 1) {
            *pos += left;
            continue;
        }

        if (frame.seq != *seq + 1 || frame.len > left - sizeof(frame)
            || store_check(head->generation, frame.seq, p + sizeof(frame),
                           frame.len)
               != frame.check)
        {
            return -1;
        }

        *pos += (sizeof(frame) + frame.len + 7) & ~(uint64_t) 7;
        (*seq)++;
    }

    return (*pos == end) ? 0 : -1;
}


int
main(void)
{
    int                       fd, status;
    pid_t                     pid;
    uint64_t                  pos, seq, first, steps, bad;
    test_store_t              ts;
    const store_ring_head_t  *head;

    shared = test_shared(sizeof(*shared));
    test_make(&ts);
    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        child(&ts);
    }

    waitpid(pid, &status, 0);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        test_remove(&ts);
        printf("1..0 # SKIP no ptrace() here\n");
        return 0;
    }

    fd = open(ring(&ts), O_RDONLY);
    head = mmap(NULL, STORE_RING_HEADER + ts.opts.intake_size, PROT_READ,
                MAP_SHARED, fd, 0);
    pos = atomic_load(&head->head);
    first = head->released_seq;
    seq = first;
    steps = bad = 0;

    while (WIFSTOPPED(status)) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == -1
            || waitpid(pid, &status, 0) != pid)
        {
            break;
        }

        steps += shared->on;

        if (whole(head, &pos, &seq) != 0 || seq < shared->returned) {
            bad++;
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
    }

    tap_ok(bad == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0,
           "what is published is whole at each of %llu instructions",
           (unsigned long long) steps);
    tap_ok(seq == first + RECORDS && steps > RECORDS * 100,
           "and everything taken is published");
    tap_ok(pos > head->size, "also where the ring ends");

    test_remove(&ts);

    return tap_done();
}
