/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Calls that fail on purpose; see fault.c.
 */

#ifndef FAULT_H
#define FAULT_H

#include <stdatomic.h>
#include <stdint.h>


#define FAULT_RULES  8

/* Calls, as bits. */

#define FAULT_LSEEK     0x0001
#define FAULT_WRITE     0x0002
#define FAULT_WRITEV    0x0004
#define FAULT_PWRITE    0x0008
#define FAULT_PWRITEV   0x0010
#define FAULT_SYNC      0x0020      /* fsync(), fdatasync(), msync() */
#define FAULT_ALLOCATE  0x0040      /* fallocate(), ftruncate() and alike */
#define FAULT_MMAP      0x0080
#define FAULT_MALLOC    0x0100      /* and alike; not under AddressSanitizer */
#define FAULT_OPEN      0x0200
#define FAULT_PREAD     0x0400

/* Flags. */

#define FAULT_SHORT     0x01        /* half of the bytes are written */
#define FAULT_AFTER     0x02        /* the signal comes when the call is done */
#define FAULT_MAIN      0x04        /* in the first thread of a process only */
#define FAULT_OTHER     0x08        /* in the other threads only */

/*
 * The first call that matches which is hit, from 1; then, from there on, each
 * so many-th: 1 is all, 0 none.  What happens to it: a pause, a signal
 * (SIGKILL, SIGSTOP), half a write, an error, in this order.
 */

typedef struct {
    _Atomic uint32_t        calls;      /* 0: the rule is off */
    uint32_t                flags;
    uint32_t                error;      /* errno, 0: none */
    uint32_t                signal;
    uint32_t                pid;        /* 0: any process */
    uint32_t                pause;      /* us */
    uint64_t                first;
    uint64_t                every;
    uint64_t                from;       /* offsets in the file */
    uint64_t                below;      /* 0: any */
    _Atomic uint64_t        seen;
    _Atomic uint64_t        hits;
    char                    file[128];  /* a pattern of fnmatch(); empty: any,
                                           and calls without a file */
} fault_rule_t;


/* What the file has. */

typedef struct {
    fault_rule_t            rules[FAULT_RULES];
    _Atomic int64_t         shift;      /* of the clock on the wall, s */
} fault_shared_t;


#endif /* FAULT_H */
