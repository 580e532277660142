/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * One power cut of store_power, and what is kept of it when it went wrong.
 */

#ifndef STORE_POWER_CUT_H
#define STORE_POWER_CUT_H

#include "store_power_run.h"
#include "store_power_image.h"
#include "store_power_recover.h"


#define CUTS     200            /* of one trace */


static struct {
    _Atomic uint64_t  traces;               /* begun */
    _Atomic uint64_t  cuts;
    _Atomic uint64_t  twice;                /* cut again in recovery */
    _Atomic uint64_t  again;
    _Atomic uint64_t  unmade;
    _Atomic uint64_t  unsure;               /* writes that were not flushed */
    _Atomic uint64_t  entries;
    _Atomic unsigned  failed;
} *total;

typedef struct {
    char                 dir[128];
    char                 tmp[160];
    test_store_t         ts;
    power_trace_t       *trace;
    power_trace_t       *recovery;
    power_disk_t         disk;
    power_disk_t         disk2;
    power_image_t        image;
    power_image_t        image2;
    power_world_known_t  known;
    size_t              *entries;
    size_t               n;
    size_t               last;              /* place of the cut */
} simulator_t;


static void
empty(const char *dir)
{
    nftw(dir, test_remove_one, 16, FTW_DEPTH|FTW_PHYS);

    if (mkdir(dir, 0700) != 0) {
        perror(dir);
        exit(2);
    }
}


static simulator_t *
simulator_create(void)
{
    simulator_t  *s;

    s = calloc(1, sizeof(simulator_t));
    snprintf(s->dir, sizeof(s->dir), "%s/referral-power-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");

    if (mkdtemp(s->dir) == NULL) {
        perror("mkdtemp");
        exit(2);
    }

    snprintf(s->ts.path, sizeof(s->ts.path), "%.100s/store", s->dir);
    snprintf(s->ts.rings, sizeof(s->ts.rings), "%.100s/rings", s->dir);
    snprintf(s->tmp, sizeof(s->tmp), "%.100s/tmp", s->dir);
    empty(s->tmp);
    setenv("TMPDIR", s->tmp, 1);

    s->ts.opts.path = s->ts.path;
    s->ts.opts.intake_path = s->ts.rings;
    s->ts.opts.map_size = (uint64_t) 1 << 30;
    s->ts.opts.intake_size = STORE_RING_MIN;

    power_name_codes();
    s->trace = power_trace_create();
    s->recovery = power_trace_create();
    power = test_shared(sizeof(power_run_t));
    power_verdict = test_shared(sizeof(power_verdict_t));

    return s;
}


static void
simulator_destroy(simulator_t *s)
{
    nftw(s->dir, test_remove_one, 16, FTW_DEPTH|FTW_PHYS);
    power_files_free(s->disk.files);
    power_files_free(s->disk2.files);
    power_files_free(s->image.files);
    power_files_free(s->image2.files);
    munmap(s->trace, POWER_TRACE);
    munmap(s->recovery, POWER_TRACE);
    munmap(power, sizeof(power_run_t));
    munmap(power_verdict, sizeof(power_verdict_t));
    free(s->entries);
    free(s);
    power = NULL;
}


static void
simulator_index(simulator_t *s)
{
    size_t  at;

    s->n = 0;
    s->entries = realloc(s->entries, s->trace->used);

    for (at = 0; at < s->trace->used; at = power_next(s->trace, at)) {
        s->entries[s->n++] = at;
    }

    s->entries[s->n] = s->trace->used;
}


/* The disk as an image says, and no rings. */

static void
place(simulator_t *s, const power_image_t *image)
{
    empty(s->ts.path);
    empty(s->ts.rings);
    power_image_write(image, s->ts.path);
}


/* --------------------------------------------------------------- one cut */

static void
child_recover(simulator_t *s)
{
    power_trace = s->recovery;
    (void) power_recover(&s->ts, &s->known, 0);
}


static void
child_check(simulator_t *s, unsigned on, unsigned twice)
{
    referral_intake_t  *intake;

    intake = power_recover(&s->ts, &s->known, twice);

    if (intake == NULL) {
        return;
    }

    power_compare(&s->ts, &s->known);

    if (on) {
        power_goes_on(&s->ts, &s->known, intake);
    }
}


/* In a process of its own; what it found is in the verdict. */

static void
in_child(simulator_t *s, unsigned check, unsigned on, unsigned twice)
{
    int    status;
    pid_t  pid;

    memset(power_verdict, 0, sizeof(power_verdict_t));
    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        alarm(30);

        if (check) {
            child_check(s, on, twice);

        } else {
            child_recover(s);
        }

        fflush(stdout);
        _exit(0);
    }

    if (pid == -1 || waitpid(pid, &status, 0) != pid) {
        perror("fork");
        exit(2);
    }

    if (status != 0) {
        power_wrong("the process ended with status %d", status);
    }
}


/* Files keep their numbers in the trace of a recovery. */

static void
recovery_begin(simulator_t *s)
{
    char         path[256];
    unsigned     i;
    struct stat  st;

    power_trace_begin(s->recovery, s->ts.path);

    for (i = 0; i < POWER_FILES; i++) {
        if (s->image.files[i].name[0] == '\0') {
            continue;
        }

        snprintf(path, sizeof(path), "%s/%s", s->ts.path,
                 s->image.files[i].name);

        if (stat(path, &st) == 0) {
            s->recovery->files[i].dev = st.st_dev;
            s->recovery->files[i].ino = st.st_ino;
            snprintf(s->recovery->files[i].name, 64, "%s",
                     s->image.files[i].name);
        }

        s->recovery->nfiles = i + 1;
    }
}


/* The power fails again, while what it did is mended. */

static void
cut_again(simulator_t *s, uint64_t *rng)
{
    size_t  at, until;

    recovery_begin(s);
    in_child(s, 0, 0, 0);

    if (power_verdict->failed != 0 || s->recovery->used == 0) {
        return;
    }

    until = test_random(rng) % s->recovery->used;

    for (at = 0; at < until; at = power_next(s->recovery, at)) {
        /* void */
    }

    power_disk_begin(&s->disk2, s->recovery, &s->image);
    power_disk_run(&s->disk2, at);
    power_cut_image(&s->disk2, &s->image2, test_random(rng));
    place(s, &s->image2);
    atomic_fetch_add(&total->twice, 1);
}


static void
keep_trace(simulator_t *s, const char *dir)
{
    char                  path[200];
    FILE                 *f;
    size_t                i;
    power_take_t          take;
    const power_entry_t  *e;

    static const char *const  names[] = {
        "?", "write", "synced", "size", "allocate", "punch", "create",
        "rename", "unlink", "flush", "flushed", "take", "result", "sure",
        "rules", "tick", "purge", "seen"
    };

    snprintf(path, sizeof(path), "%s/trace", dir);
    f = fopen(path, "w");

    for (i = 0; f != NULL && i < s->n; i++) {
        e = power_entry(s->trace, s->entries[i]);
        fprintf(f, "%s%zu process %u %s %s at %llu value %llu bytes %u",
                s->entries[i] == s->last ? "the power fails here\n" : "",
                s->entries[i], e->proc, names[e->type],
                e->type < POWER_TAKE ? s->trace->files[e->file].name : "",
                (unsigned long long) e->at, (unsigned long long) e->value,
                e->len);

        if (e->type == POWER_TAKE) {
            memcpy(&take, e + 1, sizeof(take));
            fprintf(f, " type %u key %u time %lld", take.type, take.key,
                    (long long) take.time);
        }

        fprintf(f, "\n");
    }

    if (f != NULL) {
        fclose(f);
    }
}


static void
keep_all(simulator_t *s, uint64_t seed, unsigned second)
{
    char      dir[128], path[200], *line, *rest;
    unsigned  i;

    snprintf(dir, sizeof(dir), "/tmp/referral-power-%llu",
             (unsigned long long) seed);
    empty(dir);
    keep_trace(s, dir);

    for (i = 0; i <= second; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, i ? "again" : "store");
        empty(path);
        power_image_write(i ? &s->image2 : &s->image, path);
    }

    printf("# SEED=%llu shows it again; trace and image are in %s\n",
           (unsigned long long) seed, dir);

    for (rest = power_verdict->text; (line = strsep(&rest, "\n")) != NULL; ) {
        if (*line != '\0') {
            printf("#   %s\n", line);
        }
    }

    fflush(stdout);
}


/* One moment of a trace; 1: all is well. */

static int
cut(simulator_t *s, uint64_t seed, unsigned number, power_control_t control)
{
    size_t    at;
    uint64_t  rng;
    unsigned  twice;

    rng = seed * CUTS + number;
    at = ((size_t) number * s->n + test_random(&rng) % s->n) / CUTS;
    s->last = s->entries[at + 1];

    power_disk_run(&s->disk, s->last);
    power_know_until(&s->known, s->trace, s->last);
    power_cut_image(&s->disk, &s->image, test_random(&rng));
    place(s, &s->image);

    atomic_fetch_add(&total->cuts, 1);
    atomic_fetch_add(&total->unsure, s->disk.n);

    twice = (test_random(&rng) % 4 == 0 && control == POWER_GOOD);

    if (twice) {
        cut_again(s, &rng);
    }

    if (power_verdict->failed == 0 || !twice) {
        in_child(s, 1, test_random(&rng) % 8 == 0, control == POWER_TWICE);
    }

    atomic_fetch_add(&total->again, power_verdict->again);
    atomic_fetch_add(&total->unmade, power_verdict->unmade);

    if (power_verdict->failed == 0) {
        return 1;
    }

    if (control == POWER_GOOD && atomic_fetch_add(&total->failed, 1) < 5) {
        keep_all(s, seed * 1000 + number, twice);
    }

    return 0;
}


/* Cuts of one trace, or the only one asked for; those that went wrong. */

static unsigned
trace(simulator_t *s, uint64_t seed, int only, unsigned most,
    power_control_t control)
{
    unsigned  number, failed;

    empty(s->ts.path);
    empty(s->ts.rings);

    if (!power_record(&s->ts, s->trace, seed, control)) {
        printf("# the run of seed %llu failed\n",
               (unsigned long long) seed * 1000);
        atomic_fetch_add(&total->failed, 1);
        return 1;
    }

    simulator_index(s);
    atomic_fetch_add(&total->entries, s->n);
    power_disk_begin(&s->disk, s->trace, NULL);
    memset(&s->known, 0, sizeof(s->known));
    failed = 0;

    for (number = 0; number < CUTS; number++) {
        if (only == -1 ? number % (CUTS / most) == 0
                       : number == (unsigned) only)
        {
            power_verdict->failed = 0;
            failed += !cut(s, seed, number, control);
        }
    }

    return failed;
}


#endif /* STORE_POWER_CUT_H */
