/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Sliding counters: what they count, what they forget, and that processes
 * which share them lose nothing where there is room, and invent nothing where
 * there is none.
 */

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "referral_rates.h"
#include "tap.h"


#define MINUTE     60000
#define PROCESSES  4
#define KEYS       64
#define ROUNDS     1000000


typedef struct {
    unsigned            keys;
    _Atomic unsigned    ready;
    _Atomic uint32_t    added[KEYS];
} shared_t;


static uint64_t
key_of(uint64_t n)
{
    n = (n + 1) * 0x9e3779b97f4a7c15ULL;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ULL;
    n = (n ^ (n >> 27)) * 0x94d049bb133111ebULL;

    return n ^ (n >> 31);
}


static referral_rates_t *
make(unsigned counters)
{
    void  *memory;

    memory = mmap(NULL, referral_rates_size(counters), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    return referral_rates_init(memory, counters);
}


static void
is(uint32_t got, uint32_t want, const char *what)
{
    if (!tap_ok(got == want, "%s", what)) {
        printf("# got %u, expected %u\n", got, want);
    }
}


static void
counting(void)
{
    int64_t            t = 1000 * MINUTE;
    referral_rates_t  *r = make(64);

    is(referral_rates_add(r, key_of(1), t, MINUTE, 0), 0, "nothing yet");
    is(referral_rates_add(r, key_of(1), t, MINUTE, 1), 1, "the first");
    is(referral_rates_add(r, key_of(1), t + 1, MINUTE, 9), 10, "nine more");
    is(referral_rates_add(r, key_of(1), t + 2, MINUTE, 0), 10,
       "to ask adds nothing");
    is(referral_rates_add(r, key_of(2), t, MINUTE, 3), 3,
       "another key has its own");
    is(referral_rates_add(r, 0, t, MINUTE, 2), 2, "a key may be 0");

    is(referral_rates_add(r, key_of(1), t + MINUTE, MINUTE, 0), 10,
       "the next window begins with all of the one before");
    is(referral_rates_add(r, key_of(1), t + MINUTE * 3 / 2, MINUTE, 0), 5,
       "half of a window later half of it is left");
    is(referral_rates_add(r, key_of(1), t + MINUTE * 3 / 2, MINUTE, 1), 6,
       "to which one is added");
    is(referral_rates_add(r, key_of(1), t + 2 * MINUTE, MINUTE, 0), 1,
       "after two windows it is forgotten");
    is(referral_rates_add(r, key_of(1), t + 9 * MINUTE, MINUTE, 0), 0,
       "later all is");
}


static void
giving_back(void)
{
    int64_t            t = 500 * MINUTE;
    referral_rates_t  *r = make(64);

    is(referral_rates_add(r, key_of(1), t, MINUTE, -1), 0,
       "nothing to give back");
    (void) referral_rates_add(r, key_of(1), t, MINUTE, 5);
    is(referral_rates_add(r, key_of(1), t, MINUTE, -2), 3, "two given back");
    is(referral_rates_add(r, key_of(1), t + MINUTE, MINUTE, -1), 2,
       "from the window before, when it was taken there");
    (void) referral_rates_add(r, key_of(1), t + MINUTE, MINUTE, 1);
    is(referral_rates_add(r, key_of(1), t + MINUTE, MINUTE, -2), 1,
       "from both");
    is(referral_rates_add(r, key_of(1), t + MINUTE, MINUTE, -9), 0,
       "never below 0");
    is(referral_rates_add(r, key_of(1), t + MINUTE, MINUTE, 1), 1,
       "and no debt is left");
}


static void
clock_back(void)
{
    int64_t            t = 500 * MINUTE;
    referral_rates_t  *r = make(64);

    (void) referral_rates_add(r, key_of(1), t, MINUTE, 4);
    is(referral_rates_add(r, key_of(1), t - 10, MINUTE, 1), 5,
       "a clock a little back counts into the window it left");
    is(referral_rates_add(r, key_of(1), t, MINUTE, 1), 6,
       "and is no loss when it goes on");
    is(referral_rates_add(r, key_of(1), t - 400 * MINUTE, MINUTE, 1), 1,
       "far back it begins anew");
    is(referral_rates_add(r, key_of(1), t - 398 * MINUTE, MINUTE, 0), 0,
       "and forgets as ever");
    is(referral_rates_add(r, key_of(2), -5, MINUTE, 1), 1, "before 1970");
    is(referral_rates_add(r, key_of(3), INT64_MAX, MINUTE, 1), 1,
       "at the end of time");
    is(referral_rates_add(r, key_of(4), t, UINT32_MAX, 1), 1,
       "the longest window");
    is(referral_rates_add(r, key_of(5), t, 1, 1), 1, "the shortest one");
}


/* As before and after a reload, while old workers still serve. */

static void
windows(void)
{
    int64_t            t = 500 * MINUTE;
    uint32_t           n, m;
    unsigned           i;
    referral_rates_t  *r = make(64);

    for (i = 0, n = 0, m = 0; i < 30; i++) {
        n = referral_rates_add(r, key_of(1), t + i, MINUTE, 1);
        m = referral_rates_add(r, key_of(1), t + i, 3 * MINUTE, 1);
    }

    is(n, 30, "a key by one window");
    is(m, 30, "and by another one, in turn");
    is(referral_rates_add(r, key_of(1), t + i, 2 * MINUTE, 0), 0,
       "a third has nothing");
}


static void
bounds(void)
{
    unsigned           i;
    uint32_t           n;
    referral_rates_t  *r = make(64);

    for (i = 0, n = 0; i < 20; i++) {
        n = referral_rates_add(r, key_of(1), 0, MINUTE, INT32_MAX);
    }

    tap_ok(n >= 16000000 && n < 17000000, "a full counter stays full: %u", n);

    n = referral_rates_add(r, key_of(1), MINUTE, MINUTE, INT32_MAX);
    tap_ok(n >= 32000000 && n < 34000000, "with the window before: %u", n);

    is(referral_rates_add(r, key_of(1), 2 * MINUTE, MINUTE, INT32_MIN), 0,
       "all given back");
}


static void
room(void)
{
    unsigned           i, kept;
    referral_rates_t  *r = make(8);

    for (i = 0; i < 8; i++) {
        (void) referral_rates_add(r, key_of(i), 100 + i, MINUTE, 7);
    }

    (void) referral_rates_add(r, key_of(0), 200, MINUTE, 0);
    is(referral_rates_add(r, key_of(8), 201, MINUTE, 1), 1,
       "a ninth key has nothing of whom it replaces");
    is(referral_rates_add(r, key_of(1), 202, MINUTE, 0), 0,
       "the one that was still for longest made room");

    for (i = 0, kept = 0; i < 8; i++) {
        kept += referral_rates_add(r, key_of(i), 203, MINUTE, 0) == 7;
    }

    is(kept, 7, "the others were left alone");
    is(referral_rates_add(r, key_of(1), 204, MINUTE, 1), 1,
       "who comes back begins anew");
}


/* What the estimate must lie between, whatever comes when. */

static void
sliding(void)
{
    int64_t            t, window, sum[3];
    unsigned           i, wrong;
    uint32_t           n, add;
    referral_rates_t  *r = make(64);

    t = 77 * MINUTE;
    window = t / MINUTE;
    memset(sum, 0, sizeof(sum));
    srandom(5);

    for (i = 0, wrong = 0; i < 100000; i++) {
        t += random() % 2000;

        for ( /* void */ ; window < t / MINUTE; window++) {
            sum[0] = sum[1];
            sum[1] = 0;
        }

        add = (uint32_t) (random() % 3);
        n = referral_rates_add(r, key_of(3), t, MINUTE, (int32_t) add);
        sum[1] += add;
        wrong += n < sum[1] || n > sum[0] + sum[1];
    }

    is(wrong, 0, "never less than this window has, never more than two have");
}


static void
child(referral_rates_t *r, shared_t *shared, unsigned processes)
{
    unsigned  i, n;

    (void) atomic_fetch_add(&shared->ready, 1);

    while (atomic_load(&shared->ready) < processes) {
        /* all at once */
    }

    for (i = 0; i < ROUNDS; i++) {
        n = i % shared->keys;

        (void) atomic_fetch_add(&shared->added[n], 1);
        (void) referral_rates_add(r, key_of(n), MINUTE + i % 1000, MINUTE, 1);
    }
}


static void
run(referral_rates_t *r, shared_t *shared, unsigned victims)
{
    pid_t     pid[PROCESSES];
    unsigned  i;

    for (i = 0; i < PROCESSES; i++) {
        pid[i] = fork();

        if (pid[i] == 0) {
            child(r, shared, PROCESSES);
            _exit(0);
        }
    }

    for (i = 0; i < victims; i++) {
        while (atomic_load(&shared->added[0]) < 20 * (i + 1)) {
            usleep(10);
        }

        kill(pid[i], SIGKILL);
    }

    for (i = 0; i < PROCESSES; i++) {
        (void) waitpid(pid[i], NULL, 0);
    }
}


static shared_t *
share(unsigned keys)
{
    shared_t  *shared;
    void  *memory;

    memory = mmap(NULL, sizeof(shared_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    shared = memory;
    shared->keys = keys;

    return shared;
}


static void
processes(unsigned keys)
{
    unsigned           i, right;
    uint32_t           n;
    shared_t          *shared = share(keys);
    referral_rates_t  *r = make(4096);

    run(r, shared, 0);

    for (i = 0, right = 0; i < keys; i++) {
        n = referral_rates_add(r, key_of(i), MINUTE + 999, MINUTE, 0);
        right += n == atomic_load(&shared->added[i]);
    }

    if (!tap_ok(right == keys,
                "processes at once, %u keys: nothing is lost where there is "
                "room", keys))
    {
        printf("# %u of them are right\n", right);
    }
}


static void
processes_crowded(void)
{
    unsigned           i, more;
    uint32_t           n;
    shared_t          *shared = share(KEYS);
    referral_rates_t  *r = make(8);

    run(r, shared, 2);

    for (i = 0, more = 0; i < KEYS; i++) {
        n = referral_rates_add(r, key_of(i), MINUTE + 999, MINUTE, 0);
        more += n > atomic_load(&shared->added[i]);
    }

    is(more, 0, "crowded, and two killed: nothing is invented");

    for (i = 0, more = 0; i < 100; i++) {
        more += referral_rates_add(r, key_of(1000 + i), MINUTE + 999, MINUTE,
                                   1)
                != 1;
    }

    is(more, 0, "and it still counts");
}


int
main(void)
{
    counting();
    giving_back();
    clock_back();
    windows();
    bounds();
    room();
    sliding();
    processes(1);
    processes(KEYS);
    processes_crowded();

    return tap_done();
}
