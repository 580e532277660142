/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The power fails.  Two processes use a store, with all that it knows, and
 * each write and flush of theirs is recorded, with what they acknowledge.
 * Then, for moments of that trace, a disk is made as a power cut may have left
 * it; the store on it has to open, to verify, and to have what had been
 * acknowledged once, and nothing twice.  Some recoveries are cut off as well.
 *
 * Would catch: an answer before the flush; a log that is not flushed; a page
 * used again while the state on disk needs it; a position that is not of its
 * transaction; a torn log that hides what is behind; a recovery that cannot be
 * repeated.  That it can catch something is shown by stores that break the
 * rules on purpose.
 *
 *   store_power [seed [cuts]]
 *
 * SEED=number makes that cut only, REFERRAL_LONG=1 more of them.
 */

/* read() and others of the test's own are no inline functions */

#undef _FORTIFY_SOURCE

#include "store_power_cut.h"


#ifdef __SANITIZE_ADDRESS__
#define SHORT    2000
#else
#define SHORT    10000
#endif

#define LONG     50000
#define WORKERS  2


static void
work(uint64_t seed, uint64_t cuts)
{
    uint64_t      n;
    simulator_t  *s;

    s = simulator_create();

    while (atomic_load(&total->failed) < 5
           && (n = atomic_fetch_add(&total->traces, 1)) * CUTS < cuts)
    {
        (void) trace(s, seed + n, -1, CUTS, POWER_GOOD);
    }

    simulator_destroy(s);
}


static void
power_cuts(uint64_t seed, uint64_t cuts)
{
    int       status;
    unsigned  i, bad;

    fflush(stdout);
    memset(total, 0, sizeof(*total));
    bad = 0;

    for (i = 0; i < WORKERS; i++) {
        if (fork() == 0) {
            work(seed, cuts);
            fflush(stdout);
            _exit(0);
        }
    }

    while (wait(&status) > 0) {
        bad += (status != 0);
    }

    printf("# %llu entries, %llu writes not flushed, %llu cuts before there "
           "was a store, %llu after which a sequence that was seen may come "
           "again\n", (unsigned long long) total->entries,
           (unsigned long long) total->unsure,
           (unsigned long long) total->unmade,
           (unsigned long long) total->again);

    tap_ok(bad == 0 && total->failed == 0 && total->cuts >= cuts,
           "%llu power cuts, %llu of them in a recovery too: what was "
           "acknowledged is there, once", (unsigned long long) total->cuts,
           (unsigned long long) total->twice);
}


static void
controls(uint64_t seed)
{
    unsigned         n, found;
    simulator_t     *s;
    power_control_t  control;

    static const char *const  names[POWER_CONTROLS] = {
        "", "an environment with MDB_NOSYNC", "an answer before the commit",
        "a log that is not flushed", "an answer before mdb_env_sync()",
        "a log that is applied twice"
    };

    s = simulator_create();

    for (control = 1; control < POWER_CONTROLS; control++) {
        found = 0;

        for (n = 0; n < 20 && found == 0; n++) {
            found = trace(s, seed + 7 * n + control, -1, 50, control);
        }

        tap_ok(found != 0, "is found: %s, %u of %u", names[control], found,
               n * 50);
    }

    simulator_destroy(s);
}


static void
only_one(uint64_t seed)
{
    simulator_t  *s;

    s = simulator_create();
    tap_ok(trace(s, seed / 1000, (int) (seed % 1000), CUTS, POWER_GOOD) == 0,
           "the power cut of seed %llu", (unsigned long long) seed);
    simulator_destroy(s);
}


/* Without that no seed would be worth anything. */

static void
repeats(uint64_t seed)
{
    uint64_t      first;
    simulator_t  *s;

    s = simulator_create();
    (void) trace(s, seed, CUTS, 1, POWER_GOOD);
    first = power_hash(s->trace->data, s->trace->used);
    (void) trace(s, seed, CUTS, 1, POWER_GOOD);
    tap_ok(power_hash(s->trace->data, s->trace->used) == first,
           "the same seed gives the same trace, of %zu bytes", s->trace->used);
    simulator_destroy(s);
}


int
main(int argc, char **argv)
{
    uint64_t     seed, cuts;
    const char  *more;

    total = test_shared(sizeof(*total));

    if (getenv("SEED") != NULL) {
        only_one(strtoull(getenv("SEED"), NULL, 0));
        return tap_done();
    }

    more = getenv("REFERRAL_LONG");
    cuts = (more != NULL && *more == '1') ? LONG : SHORT;
    cuts = (argc > 2) ? strtoull(argv[2], NULL, 0) : cuts;

    seed = (argc > 1) ? strtoull(argv[1], NULL, 0)
                      : (uint64_t) time(NULL) * 131 ^ (uint64_t) getpid();
    printf("# seed %llu\n", (unsigned long long) seed);

    repeats(seed);
    controls(seed);
    power_cuts(seed, cuts);

    return tap_done();
}
