/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the tests of the intake share: clicks with numbers, files changed by
 * hand, and a look at what a store holds after all that.
 */

#ifndef STORE_SCENES_H
#define STORE_SCENES_H

#include "store_test.h"

#include <glob.h>


static struct {
    uint64_t            taken;          /* last seq */
    uint64_t            flushed;
    uint64_t            disk;           /* applied, surely on disk */
    uint64_t            n;
    unsigned            ok[24];
    char                text[320];
} *shared;

static uint64_t  rng;


static inline unsigned
roll(unsigned n)
{
    return (unsigned) (test_random(&rng) % n);
}


/* -------------------------------------------------------- files by hand */

static inline void
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

static inline void
keep(test_store_t *ts, const char *name)
{
    char  from[300], to[300];

    snprintf(from, sizeof(from), "%s/data.mdb", ts->path);
    snprintf(to, sizeof(to), "%s/%s", ts->path, name);
    copy_file(from, to);
}


static inline void
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

static inline const char *
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


static inline void
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


static inline void
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

static inline void
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


static inline void
flush(test_store_t *ts, referral_intake_t *intake)
{
    test_must(ts, referral_intake_flush(intake, &shared->flushed, &ts->err),
              "flush");
}


/* Opens all there is; what is left is applied by that. */

static inline uint32_t
begin(test_store_t *ts, referral_intake_t **intake)
{
    uint32_t  program;

    test_open(ts);
    program = test_program(ts, "friends");
    *intake = test_intake(ts);

    return program;
}


/* The clicks numbered up to n are there, once, and no other. */

static inline int
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

static inline void
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


static inline int
recovers(test_store_t *ts, uint64_t n)
{
    shared->n = n;
    shared->ok[0] = 0;
    shared->text[0] = '\0';

    return test_child(scene_exactly, ts, NULL) == 0 && shared->ok[0];
}


static inline void
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


#endif /* STORE_SCENES_H */
