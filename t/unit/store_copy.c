/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Backup, compact when nobody else has the store open, and who has.
 *
 * Would catch: a copy that lacks something or that is not a store of its own;
 * rings of the original that are applied to it; anything left of a backup
 * that failed; a file that is replaced while somebody has it open; records
 * of dead workers lost by that; two PID namespaces in one store.
 */

#include "store_test.h"

#include <stddef.h>
#include <dirent.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/filter.h>
#include <linux/seccomp.h>


#define CLICKS   2000
#define WAITING  70


static struct {
    _Atomic unsigned    step;
    referral_rc_t       rc;
    referral_error_t    err;
    uint64_t            bytes;
    uint64_t            total;
    uint64_t            differences;
    unsigned            calls;
    unsigned            records;
    store_head_t        head;
    uint64_t            file;
    referral_compact_t  result;
} *shared;

static char  target[256];


static void
put_clicks(test_store_t *ts, referral_intake_t *intake, uint32_t program,
    uint64_t from, unsigned n)
{
    uint64_t           seq;
    referral_record_t  record;

    while (n-- != 0) {
        record = test_click(program, from++);
        test_must(ts, referral_intake_put(intake, &record, &seq), "put");
    }
}


/* Leaves records in its ring, and dies. */

static void
scene_make(test_store_t *ts, void *data)
{
    uint32_t            program;
    referral_intake_t  *intake;

    (void) data;
    test_open(ts);
    program = test_program(ts, "p");
    intake = test_intake(ts);

    put_clicks(ts, intake, program, 1, CLICKS);
    test_apply_all(ts, intake, 1);
    put_clicks(ts, intake, program, CLICKS + 1, WAITING);

    shared->head = ts->store->head;
}


static int
stop_at_once(void *data, uint64_t done, uint64_t all)
{
    (void) data;
    shared->calls += done <= all;

    return 1;
}


static int
go_on(void *data, uint64_t done, uint64_t all)
{
    (void) data;
    shared->calls += done <= all;

    return 0;
}


static void
scene_backup(test_store_t *ts, void *data)
{
    referral_watch_t  watch;

    watch.progress = data;
    watch.data = NULL;
    shared->calls = 0;
    ts->opts.guest = 1;
    test_open(ts);

    shared->rc = referral_store_backup(ts->store, target, &watch,
                                       &shared->bytes, &shared->err);
}


/* As nginx would, after the copy took the place of the store. */

static void
scene_look(test_store_t *ts, void *data)
{
    referral_intake_t     *intake;
    referral_snapshot_t   *snap;

    ts->opts.path = data;
    test_open(ts);
    intake = test_intake(ts);
    test_must(ts, referral_store_maintain(ts->store, &shared->records,
                                          &ts->err), "maintain");

    shared->head = ts->store->head;
    shared->total = test_total(ts, test_program(ts, "p"));
    shared->differences = test_verify(ts);

    snap = test_snapshot(ts);
    shared->file = referral_snapshot_file(snap);
    referral_snapshot_end(snap);

    put_clicks(ts, intake, 1, 900000, 10);
    test_apply_all(ts, intake, 1);
    shared->differences += test_verify(ts);
}


static void
look(test_store_t *ts, const char *path)
{
    shared->total = 0;
    shared->differences = 99;

    if (test_child(scene_look, ts, (void *) path) != 0) {
        shared->differences = 98;
    }
}


static int
names(const char *path)
{
    int             n;
    DIR            *dir;
    struct dirent  *entry;

    n = 0;
    dir = opendir(path);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        n += entry->d_name[0] != '.';
    }

    if (dir != NULL) {
        closedir(dir);
    }

    return (dir != NULL) ? n : -1;
}


static void
backup(test_store_t *ts)
{
    store_head_t  original;
    struct stat   dir, file;
    char          path[320];

    snprintf(target, sizeof(target), "%s/copy", ts->rings);
    original = shared->head;

    test_child(scene_backup, ts, go_on);
    tap_ok(shared->rc == REFERRAL_OK && shared->calls > 0, "a backup");

    snprintf(path, sizeof(path), "%s/data.mdb", target);
    tap_ok(stat(target, &dir) == 0 && (dir.st_mode & 07777) == 0700
           && stat(path, &file) == 0 && (file.st_mode & 07777) == 0600
           && (uint64_t) file.st_size == shared->bytes && names(target) == 1,
           "one file, for its owner only");

    test_child(scene_backup, ts, go_on);
    tap_ok(shared->rc == REFERRAL_EXISTS && names(target) == 1,
           "not to where something is: \"%s\"", shared->err.text);

    look(ts, target);
    tap_ok(shared->total == CLICKS && shared->differences == 0,
           "it opens, verifies, and takes more");
    tap_ok(memcmp(shared->head.id, original.id, sizeof(original.id)) == 0
           && memcmp(shared->head.incarnation, original.incarnation, 8) != 0,
           "the same store, of another incarnation");
    tap_ok(shared->records == 0, "what was in the rings is not in it");

    look(ts, ts->path);
    tap_ok(shared->total == CLICKS + WAITING && shared->differences == 0,
           "but still in those of the original");
}


static void
refused(test_store_t *ts)
{
    snprintf(target, sizeof(target), "%s/stop", ts->rings);
    test_child(scene_backup, ts, stop_at_once);
    tap_ok(shared->rc != REFERRAL_OK && access(target, F_OK) == -1,
           "one that is stopped leaves nothing: \"%s\"", shared->err.text);

    mkdir(target, 0700);
    test_child(scene_backup, ts, stop_at_once);
    tap_ok(shared->rc != REFERRAL_OK && names(target) == 0,
           "nor in a directory that was there");

    test_child(scene_backup, ts, go_on);
    tap_ok(shared->rc == REFERRAL_OK, "which is good for the next one");

    snprintf(target, sizeof(target), "%s/inside", ts->path);
    test_child(scene_backup, ts, go_on);
    tap_ok(shared->rc == REFERRAL_INVALID && access(target, F_OK) == -1,
           "none inside of the store: \"%s\"", shared->err.text);

    snprintf(target, sizeof(target), "%s/link", ts->rings);

    if (symlink(ts->path, target) == 0) {
        strcat(target, "/inside");
        test_child(scene_backup, ts, go_on);
    }

    tap_ok(shared->rc == REFERRAL_INVALID && access(target, F_OK) == -1,
           "nor by a link");

    snprintf(target, sizeof(target), "%s/no/where", ts->rings);
    test_child(scene_backup, ts, go_on);
    tap_ok(shared->rc == REFERRAL_NOT_FOUND || shared->rc == REFERRAL_SYSTEM,
           "nor where no directory is: \"%s\"", shared->err.text);

    ts->opts.readonly = 1;
    test_child(scene_backup, ts, go_on);
    tap_ok(shared->rc == REFERRAL_SYSTEM, "nor by one that only reads");
    ts->opts.readonly = 0;
}


/* -------------------------------------------------------------- compact -- */

static void
scene_compact(test_store_t *ts, void *data)
{
    (void) data;
    ts->opts.guest = 1;
    test_open(ts);

    shared->rc = referral_store_compact(ts->store, NULL, &shared->result,
                                        &shared->err);
    shared->head = ts->store->head;

    /* open again, in the same process */

    if (shared->rc == REFERRAL_OK && shared->result.replaced) {
        test_open(ts);
        shared->total = test_total(ts, 1);
    }
}


/* Waits to be killed, or, with data, until it is told to end. */

static void
scene_hold(test_store_t *ts, void *data)
{
    ts->opts.readonly = (data != NULL);
    ts->opts.guest = !ts->opts.readonly;
    test_open(ts);
    atomic_store(&shared->step, 1);

    for ( ;; ) {
        pause();
    }
}


static pid_t
hold(test_store_t *ts, void *data)
{
    int    n;
    pid_t  pid;

    fflush(stdout);
    atomic_store(&shared->step, 0);
    pid = fork();

    if (pid == 0) {
        alarm(60);
        scene_hold(ts, data);
    }

    for (n = 0; n < 500 && atomic_load(&shared->step) == 0; n++) {
        usleep(10000);
    }

    return pid;
}


static void
let_go(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}


static uint64_t
inode(const test_store_t *ts)
{
    char         path[300];
    struct stat  st;

    snprintf(path, sizeof(path), "%s/data.mdb", ts->path);

    return stat(path, &st) == 0 ? st.st_ino : 0;
}


static void
alone(void)
{
    char          part[300];
    uint64_t      before, file;
    store_head_t  head;
    test_store_t  ts;

    test_make(&ts);
    test_child(scene_make, &ts, NULL);
    head = shared->head;
    before = inode(&ts);

    snprintf(part, sizeof(part), "%s/data.mdb.part", ts.path);
    close(open(part, O_WRONLY|O_CREAT, 0600));

    tap_ok(test_child(scene_compact, &ts, NULL) == 0
           && shared->rc == REFERRAL_OK && shared->result.replaced
           && inode(&ts) != before, "alone, the file is replaced");
    tap_ok(shared->result.after < shared->result.before, "by a smaller one");
    tap_ok(shared->total == CLICKS + WAITING,
           "with what a dead worker had left in its ring");
    tap_ok(access(part, F_OK) == -1, "what a killed one had left is gone");

    look(&ts, ts.path);
    file = shared->file;
    tap_ok(shared->total == CLICKS + WAITING && shared->differences == 0,
           "it opens, verifies, and takes more");
    tap_ok(memcmp(shared->head.id, head.id, sizeof(head.id)) == 0
           && memcmp(shared->head.incarnation, head.incarnation, 8) == 0,
           "the same store, of the same incarnation");

    test_child(scene_compact, &ts, NULL);
    look(&ts, ts.path);
    tap_ok(shared->file != file, "ids of transactions say of which file");
    test_remove(&ts);
}


static void
not_alone(void)
{
    pid_t         pid;
    uint64_t      before;
    test_store_t  ts;

    test_make(&ts);
    test_child(scene_make, &ts, NULL);
    before = inode(&ts);

    pid = hold(&ts, NULL);
    test_child(scene_compact, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_OK && !shared->result.replaced
           && inode(&ts) == before, "beside one that writes it is not");
    let_go(pid);

    pid = hold(&ts, &ts);
    test_child(scene_compact, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_OK && !shared->result.replaced
           && inode(&ts) == before, "nor beside one that reads");
    let_go(pid);

    test_child(scene_compact, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_OK && shared->result.replaced,
           "when they are gone it is");
    test_remove(&ts);
}


/* ------------------------------------------------------------ who has it -- */

static void
scene_open(test_store_t *ts, void *data)
{
    (void) data;
    shared->rc = referral_store_open(&ts->opts, &ts->store, &shared->err);
}


static void
locked(void)
{
    int           fd;
    pid_t         pid;
    test_store_t  ts;

    test_make(&ts);
    test_child(scene_make, &ts, NULL);

    fd = open(ts.path, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    flock(fd, LOCK_EX);

    test_child(scene_open, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_BUSY
           && strstr(shared->err.text, "is being compacted") != NULL,
           "nobody joins one who is alone: \"%s\"", shared->err.text);

    ts.opts.readonly = 1;
    test_child(scene_open, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_BUSY, "not to read either");
    ts.opts.readonly = 0;

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        usleep(150000);
        _exit(0);
    }

    /* the lock is the parent's and the child's: it ends with the latter */

    close(fd);
    test_child(scene_open, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_OK, "but waits for a moment");
    waitpid(pid, NULL, 0);
    test_remove(&ts);
}


static void
scene_no_holes(test_store_t *ts, void *data)
{
    struct sock_fprog  program;
    struct sock_filter  filter[] = {
        BPF_STMT(BPF_LD|BPF_W|BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP|BPF_JEQ|BPF_K, SYS_fallocate, 0, 1),
        BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ERRNO|EOPNOTSUPP),
        BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ALLOW)
    };

    program.len = 4;
    program.filter = filter;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1)
    {
        _exit(97);
    }

    if (data != NULL) {
        scene_backup(ts, data);

    } else {
        scene_compact(ts, NULL);
    }
}


static void
no_holes(void)
{
    int           status;
    pid_t         pid;
    test_store_t  ts;

    test_make(&ts);
    test_child(scene_make, &ts, NULL);
    pid = hold(&ts, &ts);
    status = test_child(scene_no_holes, &ts, NULL);
    let_go(pid);

    if (status == 97) {
        tap_ok(1, "no holes # SKIP seccomp is not possible here");

    } else {
        tap_ok(status == 0 && shared->rc == REFERRAL_SYSTEM
               && strstr(shared->err.text, "cannot make holes") != NULL,
               "a file system without holes: \"%s\"", shared->err.text);

        snprintf(target, sizeof(target), "%s/plain", ts.rings);
        test_child(scene_no_holes, &ts, go_on);
        tap_ok(shared->rc == REFERRAL_OK, "a backup can be made there");

        look(&ts, ts.path);
        tap_ok(shared->total == CLICKS + WAITING && shared->differences == 0,
               "and nothing is changed");
    }

    test_remove(&ts);
}


/* As if another container had written that row. */

static void
scene_foreign(test_store_t *ts, void *data)
{
    uint64_t      id[2];
    store_txn_t   t;

    (void) data;
    test_open(ts);
    id[0] = 1;
    id[1] = 2;

    store_begin(&t, ts->store, 0);
    store_put(&t, STORE_META, "Z", 1, id, sizeof(id));
    test_must(ts, store_rc(store_commit(&t)), "commit");
}


static void
foreign(void)
{
    pid_t         pid;
    test_store_t  ts;

    test_make(&ts);
    test_child(scene_make, &ts, NULL);
    pid = hold(&ts, &ts);

    test_child(scene_open, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_OK, "one PID namespace");

    test_child(scene_foreign, &ts, NULL);
    test_child(scene_open, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_BUSY
           && strstr(shared->err.text, "PID namespace") != NULL,
           "two: \"%s\"", shared->err.text);

    ts.opts.readonly = 1;
    test_child(scene_open, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_BUSY, "refused to read as well");
    ts.opts.readonly = 0;

    let_go(pid);
    look(&ts, ts.path);
    tap_ok(shared->differences == 0, "one after the other is fine");
    pid = hold(&ts, &ts);
    test_child(scene_open, &ts, NULL);
    tap_ok(shared->rc == REFERRAL_OK, "and the place is the second one's");
    let_go(pid);
    test_remove(&ts);
}


/* With the pid that the other one has, too: 2 of 2. */

static void
scene_container(test_store_t *ts, void *data)
{
    int    status;
    pid_t  pid;

    if (unshare(CLONE_NEWPID) == -1) {
        _exit(97);
    }

    pid = fork();

    if (pid == 0) {
        scene_open(ts, data);
        _exit(0);
    }

    waitpid(pid, &status, 0);
}


static void
container(void)
{
    pid_t         pid;
    test_store_t  ts;

    test_make(&ts);
    test_child(scene_make, &ts, NULL);
    pid = hold(&ts, &ts);
    shared->rc = REFERRAL_OK;

    if (test_child(scene_container, &ts, NULL) == 97) {
        tap_ok(1, "a PID namespace # SKIP only root makes one");

    } else {
        tap_ok(shared->rc == REFERRAL_BUSY
               && strstr(shared->err.text, "PID namespace") != NULL,
               "a real one: \"%s\"", shared->err.text);
    }

    let_go(pid);
    test_remove(&ts);
}


int
main(void)
{
    test_store_t  ts;

    shared = test_shared(sizeof(*shared));

    test_make(&ts);
    tap_ok(test_child(scene_make, &ts, NULL) == 0, "a store");
    backup(&ts);
    refused(&ts);
    test_remove(&ts);

    alone();
    not_alone();
    locked();
    no_holes();
    foreign();
    container();

    return tap_done();
}
