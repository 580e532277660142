/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Whether a call is hit by a rule, and what is to happen to it.
 */

#ifndef FAULT_RULES_H
#define FAULT_RULES_H

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "fault.h"


typedef struct {
    unsigned            call;
    int                 fd;             /* -1: see path */
    const char         *path;
    uint64_t            offset;
} fault_call_t;

typedef struct {
    unsigned            error;
    unsigned            half;
    unsigned            signal;         /* after the call */
} fault_t;


static fault_rule_t     *fault_rules;
static _Atomic int64_t  *fault_shift;

static __thread unsigned  fault_inside;


__attribute__((constructor))
static void
fault_load(void)
{
    int              fd;
    const char      *name;
    fault_shared_t  *p;

    name = getenv("REFERRAL_FAULT");

    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDWR|O_CLOEXEC);

    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(fault_shared_t), PROT_READ|PROT_WRITE, MAP_SHARED,
             fd, 0);
    (void) close(fd);

    if (p != MAP_FAILED) {
        fault_rules = p->rules;
        fault_shift = &p->shift;
    }
}


static int
fault_file(const fault_rule_t *rule, const fault_call_t *call)
{
    char         link[32], path[512];
    ssize_t      n;
    const char  *name;

    if (rule->file[0] == '\0') {
        return 1;
    }

    name = call->path;

    if (name == NULL) {
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", call->fd);
        n = readlink(link, path, sizeof(path) - 1);

        if (n <= 0) {
            return 0;
        }

        path[n] = '\0';
        name = path;
    }

    return fnmatch(rule->file, name, 0) == 0;
}


static int
fault_matches(const fault_rule_t *rule, const fault_call_t *call)
{
    int  main;

    if ((rule->calls & call->call) == 0
        || (rule->pid != 0 && rule->pid != (uint32_t) getpid())
        || call->offset < rule->from
        || (rule->below != 0 && call->offset >= rule->below))
    {
        return 0;
    }

    main = (getpid() == gettid());

    if (((rule->flags & FAULT_MAIN) && !main)
        || ((rule->flags & FAULT_OTHER) && main))
    {
        return 0;
    }

    return fault_file(rule, call);
}


/* Counts a call that matches; whether it is hit. */

static int
fault_hits(fault_rule_t *rule)
{
    uint64_t  n;

    n = atomic_fetch_add(&rule->seen, 1) + 1;

    if (n < rule->first
        || (n > rule->first
            && (rule->every == 0 || (n - rule->first) % rule->every != 0)))
    {
        return 0;
    }

    (void) atomic_fetch_add(&rule->hits, 1);

    return 1;
}


static void
fault_apply(const fault_rule_t *rule, fault_t *fault)
{
    if (rule->pause != 0) {
        (void) usleep(rule->pause);
    }

    if (rule->flags & FAULT_SHORT) {
        fault->half = 1;
    }

    if (rule->error != 0) {
        fault->error = rule->error;
    }

    if (rule->signal != 0) {
        if (rule->flags & FAULT_AFTER) {
            fault->signal = rule->signal;

        } else {
            (void) kill(getpid(), (int) rule->signal);
        }
    }
}


/* What is to happen to a call; 0: nothing. */

static int
fault_look(fault_call_t call, fault_t *fault)
{
    int       saved;
    unsigned  i, hit;

    memset(fault, 0, sizeof(fault_t));

    if (fault_rules == NULL || fault_inside) {
        return 0;
    }

    saved = errno;
    fault_inside = 1;
    hit = 0;

    for (i = 0; i < FAULT_RULES; i++) {
        if (fault_rules[i].calls != 0 && fault_matches(&fault_rules[i], &call)
            && fault_hits(&fault_rules[i]))
        {
            fault_apply(&fault_rules[i], fault);
            hit = 1;
        }
    }

    fault_inside = 0;
    errno = saved;

    return hit;
}


static void
fault_done(const fault_t *fault)
{
    int  saved;

    if (fault->signal != 0) {
        saved = errno;
        (void) kill(getpid(), (int) fault->signal);
        errno = saved;
    }
}


/* A call with its answer, in which args may use fault.half. */

#define fault_around(call, result, real)                                      \
    do {                                                                      \
        fault_t  fault;                                                       \
                                                                              \
        if (fault_look(call, &fault) && fault.error != 0) {                   \
            errno = (int) fault.error;                                        \
            result = -1;                                                      \
                                                                              \
        } else {                                                              \
            result = real;                                                    \
        }                                                                     \
                                                                              \
        fault_done(&fault);                                                   \
    } while (0)

#define fault_half(n)  ((fault.half && (n) > 1) ? (n) / 2 : (n))


#endif /* FAULT_RULES_H */
