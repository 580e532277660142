/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Every system call and every allocation of a process fails, one after the
 * other, in each way it can, or is the last one of the process: while a store
 * is opened, what a dead process left is recovered, and codes, clicks, orders,
 * refunds, decisions and holds are taken, flushed and applied, and old clicks
 * purged.  Then the cause has gone, or the next process takes over.
 *
 * Would catch: an answer for what is not in the store; a write lock that stays
 * locked; a failure without a sentence; a process that dies of it, or that does
 * not go on when it could, or goes on when it must not; a record that is lost,
 * or counted twice by who reads a position that is not the last one.
 *
 *   store_fault [kind [call [death]]]
 */

#include "../preload/fault.c"
#include "store_fault.h"

#include <glob.h>


#define FILES     "*/referral-test-*"
#define WRITES    (FAULT_WRITE|FAULT_WRITEV|FAULT_PWRITE|FAULT_LSEEK)
#define CHANGES   (WRITES|FAULT_SYNC|FAULT_ALLOCATE|FAULT_MMAP|FAULT_OPEN)
#define LEFT      40            /* clicks that the dead left */
#define FLUSHED   30            /* of which the log has these */
#define HANGS     20            /* seconds until a process does */

static const struct {
    const char  *name;
    unsigned     calls;
    unsigned     flags;
    int          error;
    unsigned     signal;
} kinds[] = {
    { "write: ENOSPC", WRITES, 0, ENOSPC, 0 },
    { "write: EIO", WRITES, 0, EIO, 0 },
    { "write: half", WRITES, FAULT_SHORT, 0, 0 },
    { "write: EINTR", WRITES, 0, EINTR, 0 },
    { "flush: EIO", FAULT_SYNC, 0, EIO, 0 },
    { "flush: ENOSPC", FAULT_SYNC, 0, ENOSPC, 0 },
    { "flush: EINTR", FAULT_SYNC, 0, EINTR, 0 },
    { "allocate: ENOSPC", FAULT_ALLOCATE, 0, ENOSPC, 0 },
    { "mmap: ENOMEM", FAULT_MMAP, 0, ENOMEM, 0 },
    { "open: EMFILE", FAULT_OPEN, 0, EMFILE, 0 },
    { "read: EIO", FAULT_PREAD, 0, EIO, 0 },
    { "killed before a call", CHANGES, 0, 0, SIGKILL },
    { "killed after a call", CHANGES, FAULT_AFTER, 0, SIGKILL },
    { "killed in a write", WRITES, FAULT_AFTER|FAULT_SHORT, 0, SIGKILL },
    { "malloc: ENOMEM", FAULT_MALLOC, 0, ENOMEM, 0 },
    { "write: EDQUOT", WRITES, 0, EDQUOT, 0 }
};

#define KINDS   (sizeof(kinds) / sizeof(kinds[0]))
#define LONGER  (KINDS - 1)     /* from here on only when asked for */
#define MALLOC  (KINDS - 2)


enum { GOES_ON, DIES, POWER_CUT, DEATHS };


/* ------------------------------------------------------------- processes */

/* Dies with clicks in its ring, of which some are in its log. */

static void
scene_left(test_store_t *ts, void *data)
{
    unsigned  i;
    client_t  c;

    (void) data;

    memset(&c, 0, sizeof(c));
    c.ts = ts;
    c.retry = 1;
    open_all(&c);

    for (i = 0; i < LEFT; i++) {
        if (i == FLUSHED) {
            flush(&c);
        }

        click(&c);
    }
}


/*
 * Has the store open all the time: what liblmdb keeps for all processes is made
 * anew only when nobody has.
 */

static void
scene_bystander(test_store_t *ts, void *data)
{
    (void) data;

    test_open(ts);
    *(volatile unsigned *) &shared->watched = 1;

    for ( ;; ) {
        pause();
    }
}


static void
scene_fails(test_store_t *ts, void *data)
{
    client_t  c;

    memset(&c, 0, sizeof(c));
    c.ts = ts;

    shared->rules[0].pid = (uint32_t) getpid();
    shared->rules[0].calls = *(unsigned *) data;
    work(&c);
    shared->rules[0].calls = 0;

    atomic_thread_fence(memory_order_seq_cst);
    *(volatile unsigned *) &shared->tried = 1;

    while (!*(volatile unsigned *) &shared->go) {
        usleep(50);
    }

    c.retry = 1;
    work(&c);

    if (c.intake != NULL) {
        referral_intake_close(c.intake);
    }
}


/* Another process, while the one that failed is there. */

static void
scene_neighbour(test_store_t *ts, void *data)
{
    unsigned              i;
    client_t              c;
    referral_record_t     record;
    referral_snapshot_t  *snap;

    (void) data;

    memset(&c, 0, sizeof(c));
    c.ts = ts;
    c.retry = 1;
    alarm(HANGS);
    open_all(&c);

    if (c.intake == NULL) {
        return;
    }

    snap = test_snapshot(ts);

    for (i = 0; i < ITEMS; i++) {
        if (shared->acked[i] && !there(snap, c.program, i)) {
            wrong("item %u was acknowledged and is not there", i);
        }
    }

    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    make(&record, ANNA, c.program);
    record.u.code.code = test_str("NEIGHBOUR");
    record.reply = 0;

    if (referral_intake_put(c.intake, &record, &c.seqs[0]) != REFERRAL_OK) {
        wrong("the neighbour cannot put");
    }

    c.seqs[0] = 0;
    apply(&c);
    referral_intake_close(c.intake);
}


static int
count_rewards(void *data, const referral_reward_t *reward)
{
    unsigned  *n;

    n = data;
    n[0]++;
    n[1] += (reward->state == REFERRAL_REWARD_APPROVED);

    return 0;
}


static int
count_orders(void *data, const referral_conversion_t *conversion)
{
    unsigned  *n;

    n = data;
    n[0]++;
    n[1] += (conversion->status == REFERRAL_EVENT_APPROVED);
    n[2] += (unsigned) conversion->refunded;
    n[3] += (unsigned) conversion->points;

    return 0;
}


static void
check(test_store_t *ts, uint32_t program)
{
    unsigned                  n[4], r[2];
    uint64_t                  total;
    referral_snapshot_t      *snap;
    referral_reward_filter_t  filter = { -1, -1, 0 };

    memset(n, 0, sizeof(n));
    memset(r, 0, sizeof(r));

    snap = test_snapshot(ts);
    test_must(ts, referral_conversion_list(snap, program, test_str(""),
                                           count_orders, n), "orders");
    test_must(ts, referral_reward_list(snap, program, &filter, 0,
                                       count_rewards, r), "rewards");
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    if (n[0] != 3 || n[1] != 3 || n[2] != 999 || n[3] != 30) {
        wrong("%u orders, %u approved, %u refunded, %u points", n[0], n[1],
              n[2], n[3]);
    }

    if (r[0] != 6 || r[1] != 6) {
        wrong("%u rewards, %u approved", r[0], r[1]);
    }

    total = test_total(ts, program);

    if (total > shared->taken || total < shared->taken - shared->doubtful) {
        wrong("%llu clicks, %u taken, of which %u may be lost",
              (unsigned long long) total, shared->taken, shared->doubtful);
    }

    if (shared->purged == 0) {
        wrong("no click was purged");
    }

    if (test_verify(ts) != 0) {
        wrong("the journal does not agree");
    }
}


static void
scene_after(test_store_t *ts, void *data)
{
    client_t  c;

    (void) data;

    memset(&c, 0, sizeof(c));
    c.ts = ts;
    c.retry = 1;
    alarm(HANGS);

    work(&c);

    if (c.intake != NULL) {
        check(ts, c.program);
        referral_intake_close(c.intake);
    }
}


/* ------------------------------------------------------------------ a run */

static pid_t
start(void (*scene)(test_store_t *ts, void *data), test_store_t *ts,
    void *data)
{
    pid_t  pid;

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        scene(ts, data);
        fflush(stdout);
        _exit(0);
    }

    return pid;
}


/* Waits for a process to say so; -1: it died. */

static int
await(pid_t pid, volatile unsigned *said, int *status)
{
    unsigned  n;

    for (n = 0; n < HANGS * 10000; n++) {
        if (*said) {
            return 0;
        }

        if (waitpid(pid, status, WNOHANG) == pid) {
            return -1;
        }

        usleep(100);
    }

    kill(pid, SIGKILL);
    waitpid(pid, status, 0);

    return -1;
}


static void
cut_power(test_store_t *ts)
{
    char    path[300];
    size_t  i;
    glob_t  found;

    snprintf(path, sizeof(path), "%s/referral-*", ts->rings);

    if (glob(path, 0, NULL, &found) == 0) {
        for (i = 0; i < found.gl_pathc; i++) {
            unlink(found.gl_pathv[i]);
        }

        globfree(&found);
    }

    snprintf(path, sizeof(path), "%s/lock.mdb", ts->path);
    unlink(path);
}


/* pid: -1 when it is dead already. */

static int
ends(pid_t pid, unsigned death)
{
    int  status;

    status = SIGKILL;

    if (pid != -1 && death == GOES_ON && !shared->broken) {
        *(volatile unsigned *) &shared->go = 1;
        waitpid(pid, &status, 0);

        return status == 0;
    }

    if (pid != -1) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }

    if (death == POWER_CUT) {
        shared->doubtful = shared->taken - shared->safe;
    }

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}


/* What happens to a call, or from it on. */

static void
arm(fault_rule_t *rule, unsigned kind, uint64_t n, unsigned every)
{
    rule->flags = kinds[kind].flags;
    rule->error = (uint32_t) kinds[kind].error;
    rule->signal = kinds[kind].signal;
    rule->first = n;
    rule->every = (every && kinds[kind].error == EINTR) ? 3 : every;

    if (kinds[kind].calls != FAULT_MALLOC) {
        snprintf(rule->file, sizeof(rule->file), FILES);
    }
}


static int
runs_well(test_store_t *ts, unsigned kind, unsigned death)
{
    int       status, ok, alive;
    pid_t     pid, bystander;
    unsigned  calls;

    calls = kinds[kind].calls;
    ok = (test_child(scene_left, ts, NULL) == 0);
    shared->safe = FLUSHED;

    bystander = start(scene_bystander, ts, NULL);
    ok = ok && await(bystander, &shared->watched, &status) == 0;

    pid = start(scene_fails, ts, &calls);
    alive = (await(pid, &shared->tried, &status) == 0);

    if (!alive && (!WIFSIGNALED(status)
                   || (unsigned) WTERMSIG(status) != kinds[kind].signal))
    {
        wrong("the process died: status %x", (unsigned) status);
    }

    ok = ok && test_child(scene_neighbour, ts, NULL) == 0
         && ends(alive ? pid : -1, death);

    kill(bystander, SIGKILL);
    waitpid(bystander, NULL, 0);

    if (death == POWER_CUT) {
        cut_power(ts);
    }

    return ok && test_child(scene_after, ts, NULL) == 0 && shared->wrong == 0;
}


/* A run in which calls from the n-th on fail, or that one; 0: none was. */

static uint64_t
run(unsigned kind, uint64_t n, unsigned every, unsigned death, unsigned *bad)
{
    test_store_t  ts;

    memset(shared, 0, sizeof(*shared));
    test_make(&ts);
    ts.opts.durable = 1;
    arm(&shared->rules[0], kind, n, every);

    if (!runs_well(&ts, kind, death)) {
        (*bad)++;
        printf("# again: store_fault %u %llu %u %u\n", kind,
               (unsigned long long) n, death, every);
    }

    test_remove(&ts);

    return shared->rules[0].hits;
}


static void
all(unsigned kind)
{
    unsigned  n, bad;

    bad = 0;

    for (n = 1; run(kind, n, 0, n % DEATHS, &bad); n++) {

        if (kind != MALLOC && kinds[kind].signal == 0
            && (n % 3 == 1 || getenv("REFERRAL_LONG") != NULL))
        {
            (void) run(kind, n, 1, (n + 1) % DEATHS, &bad);
        }

        if (bad > 5) {
            break;
        }
    }

    tap_ok(bad == 0 && (n > 1 || kind == MALLOC), "%s: each of %u calls%s",
           kinds[kind].name, n - 1,
           (kind == MALLOC || kinds[kind].signal) ? "" : ", or all from it "
           "on");
}


int
main(int argc, char **argv)
{
    unsigned  i, bad;

    shared = test_shared(sizeof(*shared));
    fault_rules = shared->rules;
    bad = 0;

    if (argc > 2) {
        printf("# %llu hits\n", (unsigned long long)
               run((unsigned) atoi(argv[1]), (uint64_t) atoi(argv[2]),
                   (argc > 4) ? (unsigned) atoi(argv[4]) : 0,
                   (argc > 3) ? (unsigned) atoi(argv[3]) : 0, &bad));
        return bad != 0;
    }

    for (i = 0; i < KINDS; i++) {
        if (argc > 1 && (unsigned) atoi(argv[1]) != i) {
            continue;
        }

        if (i < LONGER || argc > 1 || getenv("REFERRAL_LONG") != NULL) {
            all(i);
        }
    }

    return tap_done();
}
