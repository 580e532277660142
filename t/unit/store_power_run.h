/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A run of store_power: two processes, others in the place of those that die,
 * and the trace of all of them.
 */

#ifndef STORE_POWER_RUN_H
#define STORE_POWER_RUN_H

#include "store_power_life.h"


static pid_t
power_spawn(const test_store_t *ts, unsigned proc, uint64_t *rng)
{
    pid_t     pid;
    uint64_t  seed;

    seed = test_random(rng);
    power->calls[proc] = 0;
    power->commits[proc] = 0;
    power->die_at[proc] = (power_roll(rng, 2) == 0)
                          ? 1 + power_roll(rng, 60) : 0;
    power->die[proc] = (power_roll(rng, 2) == 0)
                       ? 1 + power_roll(rng, 1500) : 0;
    atomic_fetch_or(&power->alive, 1u << proc);

    fflush(stdout);
    pid = fork();

    if (pid == 0) {
        power_proc = proc;
        power_live(ts, seed);
    }

    return pid;
}


/* One of them ended: another comes in its place, or not.  0: it failed. */

static int
power_ended(const test_store_t *ts, pid_t *pids, unsigned proc, int status,
    uint64_t *rng)
{
    int  killed, reload;

    killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    reload = WIFEXITED(status) && WEXITSTATUS(status) == POWER_RELOAD;

    atomic_fetch_and(&power->alive, ~(1u << proc));
    pids[proc] = 0;

    if ((killed || reload) && power->steps > 0) {
        pids[proc] = power_spawn(ts, proc, rng);

    } else {
        power_turn((proc + 1) % POWER_PROCS);
    }

    if (!killed && !reload && status != 0) {
        printf("# process %u: status %d\n", proc, status);
        return 0;
    }

    return 1;
}


/* Records a run of two processes in a new store; 0: something failed. */

static int
power_record(test_store_t *ts, power_trace_t *trace, uint64_t seed,
    power_control_t control)
{
    int       status, good;
    pid_t     pid, pids[POWER_PROCS];
    unsigned  i;
    uint64_t  rng;

    memset(power, 0, sizeof(power_run_t));
    rng = seed;
    good = 1;

    power->rng = test_random(&rng);
    power->bytes = test_random(&rng);
    power->clock = POWER_T0;
    power->steps = 50 + power_roll(&rng, 350);
    power->durable = (power_roll(&rng, 4) != 0);
    power->durable |= (control == POWER_LOG_UNFLUSHED
                       || control == POWER_TWICE);
    power->ballast = power_roll(&rng, 6) ? 0 : power_roll(&rng, 4);
    power->control = control;
    power->scheduled = 1;
    power->turn = POWER_PROCS;

    power_trace_begin(trace, ts->path);
    power_trace = trace;

    for (i = 0; i < POWER_PROCS; i++) {
        pids[i] = power_spawn(ts, i, &rng);
    }

    power_turn(0);

    while (pids[0] != 0 || pids[1] != 0) {
        pid = waitpid(-1, &status, 0);

        for (i = 0; i < POWER_PROCS && pid > 0; i++) {
            if (pids[i] == pid) {
                good &= power_ended(ts, pids, i, status, &rng);
            }
        }
    }

    power->scheduled = 0;
    power_trace = NULL;

    return good;
}


#endif /* STORE_POWER_RUN_H */
