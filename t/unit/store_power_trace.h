/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The trace of store_power: what processes asked of the disk and what they
 * told the world, in one order.  One process runs at a time, and hands over at
 * its system calls as a random number says, so that the same seed gives the
 * same trace.
 */

#ifndef STORE_POWER_TRACE_H
#define STORE_POWER_TRACE_H

#include "store_test.h"

#include <linux/futex.h>
#include <sys/syscall.h>


#define POWER_TRACE    ((size_t) 256 << 20)     /* bytes, at most */
#define POWER_FILES    64
#define POWER_PROCS    2
#define POWER_TAKES    16384
#define POWER_ORDERS   2048

#define POWER_T0       ((int64_t) 20413 * 86400000 + 36000000)
#define POWER_DAY      ((int64_t) 86400000)
#define POWER_HOUR     ((int64_t) 3600000)


/* What an entry says of `at` and `value`. */

typedef enum {
    POWER_WRITE = 1,            /* offset; the bytes follow */
    POWER_SYNCED,               /* its write, to O_DSYNC, returned: entry */
    POWER_SIZE,                 /* ftruncate(): size */
    POWER_ALLOCATE,             /* offset, length */
    POWER_PUNCH,                /* offset, length */
    POWER_CREATE,               /* the name follows */
    POWER_RENAME,               /* the new name follows */
    POWER_UNLINK,
    POWER_FLUSH,                /* fdatasync() began */
    POWER_FLUSHED,              /* it returned: the entry where it began */
    POWER_TAKE,                 /* number, power_take_t and the record follow */
    POWER_RESULT,               /* number, rc | created << 8: told */
    POWER_SURE,                 /* number: told to be on disk */
    POWER_RULES,                /* program, version << 1 | done, else asked */
    POWER_TICK,                 /* now, the entry where it began: told */
    POWER_PURGE,                /* program, before: asked */
    POWER_SEEN                  /* last of the journal, as a reader saw it */
} power_type_t;

typedef struct {
    uint8_t                 type;
    uint8_t                 proc;
    uint16_t                file;
    uint32_t                len;            /* of what follows */
    uint64_t                at;
    uint64_t                value;
} power_entry_t;

/* Of a record that is taken. */

typedef struct {
    int64_t                 time;           /* no two have the same */
    uint32_t                key;            /* what must be there once */
    uint8_t                 type;
    uint8_t                 program;
    uint16_t                code;           /* CLICK: number of its name */
    uint64_t                meant;          /* DECISION: hash of what about */
} power_take_t;

typedef struct {
    dev_t                   dev;
    ino_t                   ino;
    char                    name[64];
} power_inode_t;

typedef struct {
    char                    dir[160];       /* of the store */
    unsigned                nfiles;
    power_inode_t           files[POWER_FILES];
    size_t                  used;
    _Alignas(8) unsigned char  data[];
} power_trace_t;


/* What must make a store fail, to show that the test can. */

typedef enum {
    POWER_GOOD = 0,
    POWER_NO_SYNC,              /* the environment with MDB_NOSYNC */
    POWER_TOLD_EARLY,           /* acknowledged when taken */
    POWER_LOG_UNFLUSHED,        /* fdatasync() of a log does nothing */
    POWER_META_UNFLUSHED,       /* acknowledged without mdb_env_sync() */
    POWER_TWICE,                /* a log is applied again */
    POWER_CONTROLS
} power_control_t;

typedef struct {
    uint32_t                click;          /* named as evidence */
    uint32_t                takes;          /* until then */
    int64_t                 time;
} power_order_t;

/* What the processes of a run share. */

typedef struct {
    _Atomic uint32_t        turn;
    _Atomic uint32_t        alive;          /* bits */
    unsigned                scheduled;
    power_control_t         control;
    unsigned                durable;
    unsigned                ballast;        /* who begins with some, bits */
    uint64_t                rng;            /* of the hand-over */
    uint64_t                bytes;          /* of getrandom() */
    uint64_t                mono;           /* us */
    int64_t                 clock;          /* ms */
    unsigned                steps;          /* left */
    uint64_t                calls[POWER_PROCS];
    uint64_t                die[POWER_PROCS];   /* at which call; 0: never */
    uint64_t                commits[POWER_PROCS];
    uint64_t                die_at[POWER_PROCS];    /* after which meta page */
    uint32_t                takes;
    uint32_t                orders;
    uint32_t                refunds;
    uint32_t                rules[3];       /* version, by program */
    power_order_t           order[POWER_ORDERS];
    uint32_t                refund[POWER_ORDERS];   /* their orders */
} power_run_t;


static power_run_t    *power;
static power_trace_t  *power_trace;         /* recorded to; NULL: nothing is */
static unsigned        power_proc;
static unsigned        power_hold;          /* nobody else may run */


static inline power_trace_t *
power_trace_create(void)
{
    return test_shared(POWER_TRACE);
}


static inline void
power_trace_begin(power_trace_t *trace, const char *dir)
{
    trace->nfiles = 0;
    trace->used = 0;
    snprintf(trace->dir, sizeof(trace->dir), "%s/", dir);
}


static inline power_entry_t *
power_entry(const power_trace_t *trace, size_t offset)
{
    return (power_entry_t *) (trace->data + offset);
}


static inline size_t
power_next(const power_trace_t *trace, size_t offset)
{
    return offset + sizeof(power_entry_t)
           + ((power_entry(trace, offset)->len + 7) & ~(size_t) 7);
}


/* Appends an entry, with room for len bytes; its place in the trace. */

static inline size_t
power_put(power_type_t type, unsigned file, uint64_t at, uint64_t value,
    const void *data, size_t len)
{
    size_t          offset;
    power_entry_t  *entry;

    offset = power_trace->used;

    if (sizeof(power_trace_t) + offset + sizeof(power_entry_t) + len + 8
        > POWER_TRACE)
    {
        fprintf(stderr, "store_power: the trace is full\n");
        _exit(98);
    }

    entry = power_entry(power_trace, offset);
    entry->type = (uint8_t) type;
    entry->proc = (uint8_t) power_proc;
    entry->file = (uint16_t) file;
    entry->len = (uint32_t) len;
    entry->at = at;
    entry->value = value;

    if (data != NULL) {
        memcpy(entry + 1, data, len);
    }

    power_trace->used = power_next(power_trace, offset);

    return offset;
}


/* ------------------------------------------------------------ taking turns */

static inline void
power_wait(void)
{
    uint32_t  turn;

    while ((turn = atomic_load(&power->turn)) != power_proc) {
        (void) syscall(SYS_futex, &power->turn, FUTEX_WAIT, turn, NULL, NULL,
                       0);
    }
}


static inline void
power_turn(unsigned proc)
{
    atomic_store(&power->turn, proc);
    (void) syscall(SYS_futex, &power->turn, FUTEX_WAKE, INT32_MAX, NULL, NULL,
                   0);
}


static inline void
power_hand_over(unsigned proc)
{
    power->mono += 100;
    power_turn(proc);
    power_wait();
}


/* Others may run now; with must they have to, when there are any. */

static inline void
power_yield(unsigned must)
{
    uint32_t  alive;
    unsigned  proc;

    if (power == NULL || !power->scheduled || (power_hold && !must)) {
        return;
    }

    alive = atomic_load(&power->alive);
    proc = (unsigned) (test_random(&power->rng) % POWER_PROCS);

    if (must) {
        proc = (power_proc + 1) % POWER_PROCS;
    }

    if (proc != power_proc && (alive & (1u << proc))) {
        power_hand_over(proc);
    }
}


/* Called where a process asks something of the system: it may die here. */

static inline void
power_step(void)
{
    if (power == NULL || !power->scheduled) {
        return;
    }

    if (++power->calls[power_proc] == power->die[power_proc]) {
        raise(SIGKILL);
    }

    power_yield(0);
}


#endif /* STORE_POWER_TRACE_H */
