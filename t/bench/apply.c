/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * apply STORE INTAKE CODES CLICKS ROUNDS SECONDS
 *
 * What a committer with an interval of a second has to do when CLICKS a second
 * come: so many are taken, then applied in batches as it does, each of them on
 * disk, the last for good.  Only applying is timed.  A round is a second of one
 * day; round 0, which has one more click of each code, warms up.  No round
 * begins after SECONDS.
 */

#include "traffic.h"


#define ROUNDS_MAX  1000
#define RING        (256 << 20)

enum { WALL = 0, CPU, WRITTEN, COMMITS, FIELDS };

typedef struct {
    double    field[FIELDS];
} sample_t;


/* Bytes given to write(): a mapped ring is none of it. */

static double
written(void)
{
    FILE                *f;
    unsigned long long   n;

    f = fopen("/proc/self/io", "r");

    if (f == NULL || fscanf(f, "rchar: %*u wchar: %llu", &n) != 1) {
        traffic_die("apply", "/proc/self/io cannot be read");
    }

    (void) fclose(f);

    return (double) n;
}


static double
commit(traffic_t *t, unsigned sync)
{
    double            n;
    referral_batch_t  batch;
    referral_error_t  err;

    n = 0;

    do {
        traffic_must("apply", referral_intake_apply(t->intake, sync, NULL, 0,
                                                    &batch, &err), &err);
        n += (batch.records != 0);
    } while (batch.more);

    return n;
}


static void
apply(traffic_t *t, sample_t *sample)
{
    double  cpu, wall, bytes;

    bytes = written();
    cpu = traffic_cpu();
    wall = traffic_seconds();

    sample->field[COMMITS] = commit(t, 0);
    (void) commit(t, 1);

    sample->field[WALL] = traffic_seconds() - wall;
    sample->field[CPU] = traffic_cpu() - cpu;
    sample->field[WRITTEN] = written() - bytes;
    t->waiting = 0;
}


static void
take(traffic_t *t, int64_t time, unsigned clicks)
{
    unsigned  i;

    for (i = 0; i < clicks; i++) {
        traffic_add_click(t, time + (int64_t) i * 1000 / clicks);
    }
}


static sample_t  samples[ROUNDS_MAX];
static int       sorted_by;


static int
ascending(const void *a, const void *b)
{
    double  x, y;

    x = ((const sample_t *) a)->field[sorted_by];
    y = ((const sample_t *) b)->field[sorted_by];

    return (x > y) - (x < y);
}


static double
quantile(unsigned n, int field, double q)
{
    sorted_by = field;
    qsort(samples, n, sizeof(sample_t), ascending);

    return samples[(unsigned) (q * (n - 1) + 0.5)].field[field];
}


static void
report(traffic_t *t, unsigned n, double clicks, double grown)
{
    printf("%u rounds of %.0f clicks, %u codes: median (slowest to fastest)\n",
           n, clicks, t->codes);
    printf("clicks/s, wall       %9.0f (%.0f to %.0f)\n",
           clicks / quantile(n, WALL, 0.5), clicks / quantile(n, WALL, 1),
           clicks / quantile(n, WALL, 0));
    printf("clicks/s, processor  %9.0f (%.0f to %.0f)\n",
           clicks / quantile(n, CPU, 0.5), clicks / quantile(n, CPU, 1),
           clicks / quantile(n, CPU, 0));
    printf("clicks per commit    %9.0f\n",
           clicks / quantile(n, COMMITS, 0.5));
    printf("pages written/click  %9.3f\n",
           quantile(n, WRITTEN, 0.5) / 4096 / clicks);
    printf("bytes grown/click    %9.1f\n", grown / n / clicks);
}


int
main(int argc, char **argv)
{
    double             end, grown;
    int64_t            start;
    uint64_t           before;
    unsigned           n, rounds, clicks;
    static traffic_t   t;

    if (argc != 7) {
        traffic_die("usage", "see the top of t/bench/apply.c");
    }

    clicks = (unsigned) atoi(argv[4]);
    rounds = (unsigned) atoi(argv[5]);
    end = traffic_seconds() + atof(argv[6]);
    start = (int64_t) time(NULL) * 1000 / TRAFFIC_DAY * TRAFFIC_DAY
            + TRAFFIC_DAY / 2;

    t.ring = RING;
    traffic_open(&t, argv[1], argv[2], 0);
    traffic_add_codes(&t, (uint32_t) atoi(argv[3]), start);
    t.batch = UINT32_MAX;

    take(&t, start, clicks + t.codes);
    apply(&t, &samples[0]);
    before = traffic_info(&t).used;

    for (n = 0; n < rounds && n < ROUNDS_MAX && traffic_seconds() < end; n++) {
        take(&t, start + 1000 * (int64_t) (n + 1), clicks);
        apply(&t, &samples[n]);
    }

    grown = (double) traffic_info(&t).used - (double) before;
    traffic_check(&t, clicks * (n + 1ull) + t.codes);
    report(&t, n, clicks, grown);

    referral_snapshot_destroy(t.snap);
    referral_intake_close(t.intake);
    referral_store_close(t.store);

    return 0;
}
