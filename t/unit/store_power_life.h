/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The life of a process of store_power, from its opening of the store on.
 */

#ifndef STORE_POWER_LIFE_H
#define STORE_POWER_LIFE_H

#include "store_power_work.h"


/* Opening locks what nobody may wait for; when it is busy, it is with that. */

static void
power_open(power_worker_t *p)
{
    unsigned       n;
    referral_rc_t  rc;

    rc = REFERRAL_BUSY;

    for (n = 0; n < 100000 && rc == REFERRAL_BUSY; n++) {
        power_hold = 1;
        rc = referral_store_open(&p->ts.opts, &p->ts.store, &p->ts.err);
        power_hold = 0;
        power_yield(rc == REFERRAL_BUSY);
    }

    test_must(&p->ts, rc, "referral_store_open");

    if (power->control == POWER_NO_SYNC) {
        mdb_env_set_flags(p->ts.store->env, MDB_NOSYNC, 1);
    }

    p->w.program[1] = test_program(&p->ts, "friends");
    p->w.program[2] = test_program(&p->ts, "partners");
    power_set_rules(p, 1, power->rules[1]);
    power_set_rules(p, 2, power->rules[2]);

    test_must(&p->ts, referral_snapshot_create(p->ts.store, &p->w.snap,
                                               &p->ts.err), "snapshot");
    test_must(&p->ts, referral_snapshot_create(p->ts.store, &p->reader,
                                               &p->ts.err), "snapshot");
}


/* Opening waits for the disk: from then on the rules are sure as well. */

static void
power_intake(power_worker_t *p)
{
    unsigned                program;
    referral_intake_info_t  info;

    test_must(&p->ts, referral_intake_open(p->ts.store, &p->intake,
                                           &p->ts.err),
              "referral_intake_open");
    referral_intake_info(p->intake, &info);
    p->last = info.taken_seq;
    p->sure = info.taken_seq;

    for (program = 1; program <= POWER_PROGRAMS; program++) {
        if (p->version[program] == power->rules[program]) {
            power_put(POWER_RULES, 0, program,
                      (uint64_t) p->version[program] << 1 | 1, NULL, 0);
        }
    }
}


static void
power_end(power_worker_t *p)
{
    if (p->reading) {
        referral_snapshot_end(p->reader);
        p->reading = 0;
    }

    power_apply(p);
    referral_intake_close(p->intake);
}


/* Beside the other process, or in a moment when there is none. */

static void
power_compact(power_worker_t *p)
{
    referral_rc_t       rc;
    referral_compact_t  result;

    power_end(p);
    rc = referral_store_compact(p->ts.store, NULL, &result, &p->ts.err);

    if (rc != REFERRAL_BUSY) {
        test_must(&p->ts, rc, "referral_store_compact");
    }

    if (result.replaced || rc == REFERRAL_BUSY) {
        _exit(POWER_RELOAD);
    }

    power_intake(p);
}


static void
power_one(power_worker_t *p)
{
    switch (power_roll(&p->w.rng, 40)) {

    case 0:
    case 1:
        power_tick(p);
        break;

    case 2:
    case 3:
        power_maintain(p);
        break;

    case 4:
        power->rules[1]++;
        power_set_rules(p, 1, power->rules[1]);
        break;

    case 5:
    case 6:
        power->clock += POWER_DAY / 2;
        break;

    case 7:
    case 8:
        power_look(p);
        break;

    case 9:
        power_end(p);
        power_intake(p);
        break;

    case 10:
    case 11:
        power_purge(p);
        break;

    case 12:
        power_compact(p);
        break;

    default:
        if (power_roll(&p->w.rng, 3) == 0) {
            power_flush_log(p);

        } else if (power_roll(&p->w.rng, 2) == 0) {
            power_apply(p);

        } else {
            power->clock += power_roll(&p->w.rng, 2000000);
            power_some(p);
        }
    }
}


/* The life of one process. */

static void
power_live(const test_store_t *ts, uint64_t seed)
{
    static power_worker_t  worker;
    power_worker_t        *p;

    p = &worker;
    p->ts = *ts;
    p->ts.opts.path = p->ts.path;
    p->ts.opts.intake_path = p->ts.rings;
    p->ts.opts.durable = power->durable;
    p->w.rng = seed;

    power_wait();
    power_open(p);
    power_intake(p);

    if (power->ballast & (1u << power_proc)) {
        power->ballast &= ~(1u << power_proc);
        power_ballast(p);
    }

    while (power->steps > 0) {
        power->steps--;
        power_one(p);
        power_yield(0);

        if (power_roll(&p->w.rng, 60) == 0) {
            power_end(p);
            referral_store_close(p->ts.store);
            _exit(POWER_RELOAD);
        }
    }

    power_end(p);
    referral_store_close(p->ts.store);
    _exit(0);
}


#endif /* STORE_POWER_LIFE_H */
