/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The store against a naive model: random records go through the intake into
 * the store and, in the same order, into arrays that are searched from end to
 * end.  Every way of reading must give what the arrays give.
 *
 * Would catch: a counter that misses a dimension, a day or a late click; a
 * day moved to history twice or not at all; a range that takes in the row of
 * all time; a label beyond its limit that is lost instead of "other"; a
 * unique click counted twice; a code whose listing, owner or spelling is
 * stale; a recount that differs from what was counted.
 *
 *   store_oracle [seed [operations]]
 */

#include "store_model.h"


#define PHASES  3


static unsigned  *failures;


static void
differ(const char *fmt, ...)
{
    va_list  args;

    if ((*failures)++ < 10) {
        printf("# ");
        va_start(args, fmt);
        vprintf(fmt, args);
        va_end(args);
        printf("\n");
    }
}


/* -------------------------------------------------------------- comparing */

typedef struct {
    uint64_t           start;
    uint16_t           label;
    referral_counts_t  counts;
} row_t;

typedef struct {
    row_t              rows[2 * LABELS];
    unsigned           n;
    unsigned           dim;
    uint64_t           total;
    int64_t            last;
    const char        *what;
} rows_t;


static void
model_add(row_t *row, unsigned column)
{
    if (column == REFERRAL_CLASSES) {
        row->counts.unique++;

    } else {
        row->counts.classes[column]++;
    }
}


static row_t *
model_row(rows_t *rows, uint64_t start, uint16_t label)
{
    unsigned  i;

    for (i = 0; i < rows->n; i++) {
        if (rows->rows[i].start == start && rows->rows[i].label == label) {
            return &rows->rows[i];
        }
    }

    memset(&rows->rows[i], 0, sizeof(row_t));
    rows->rows[i].start = start;
    rows->rows[i].label = label;
    rows->n++;

    return &rows->rows[i];
}


static void
model_by(rows_t *rows, uint32_t program, unsigned code, referral_dim_t dim,
    uint32_t from, uint32_t to)
{
    unsigned        i, d;
    uint64_t        start;
    uint16_t        label[2];
    model_click_t  *click;

    rows->n = 0;
    rows->total = 0;
    rows->dim = dim;
    rows->last = -1;

    for (i = 0; i < m.n; i++) {
        click = &m.clicks[i];

        if (click->program != program
            || (code != CODES && click->code != code)
            || (to != 0 && (click->day < from || click->day > to)))
        {
            continue;
        }

        start = (dim == REFERRAL_DIM_DAY) ? (uint64_t) click->day * 86400
                : (dim == REFERRAL_DIM_HOUR)
                  ? (uint64_t) click->time / 3600000 * 3600 : 0;
        label[0] = label[1] = NONE;

        if (dim >= REFERRAL_DIM_CHANNEL) {
            d = dim - REFERRAL_DIM_CHANNEL;
            label[0] = (code != CODES) ? click->own[d][0] : click->label[d];
            label[1] = (code != CODES) ? click->own[d][1] : click->label[d];
        }

        model_add(model_row(rows, start, label[0]), click->class);

        if (click->unique) {
            model_add(model_row(rows, start, label[1]), REFERRAL_CLASSES);
        }
    }
}


static int
compare_row(void *data, referral_str_t label, int64_t start,
    const referral_counts_t *counts)
{
    char             buf[32];
    rows_t          *rows;
    unsigned         i;
    referral_str_t   want;

    rows = data;

    if (rows->dim <= REFERRAL_DIM_HOUR && start <= rows->last) {
        differ("%s: not ascending", rows->what);
    }

    rows->last = start;
    rows->total += referral_counts_total(counts);

    for (i = 0; i < rows->n; i++) {
        want = label_str(rows->dim == REFERRAL_DIM_LANDING,
                         rows->rows[i].label, buf);

        if ((int64_t) rows->rows[i].start == start && want.len == label.len
            && memcmp(want.data, label.data, label.len) == 0)
        {
            if (memcmp(counts, &rows->rows[i].counts, sizeof(*counts)) != 0) {
                differ("%s dim %u start %lld label \"%.*s\": %llu clicks, "
                       "not %llu", rows->what, rows->dim, (long long) start,
                       (int) label.len, label.data,
                       (unsigned long long) referral_counts_total(counts),
                       (unsigned long long)
                       referral_counts_total(&rows->rows[i].counts));
            }

            rows->rows[i] = rows->rows[--rows->n];
            return 0;
        }
    }

    differ("%s dim %u start %lld label \"%.*s\": not in the model",
           rows->what, rows->dim, (long long) start, (int) label.len,
           label.data);

    return 0;
}


static void
compare_by(referral_snapshot_t *snap, uint32_t program, unsigned code,
    uint32_t from, uint32_t to)
{
    char            what[64];
    rows_t         *rows;
    unsigned        dim;
    uint64_t        sum;
    uint32_t        id;
    referral_rc_t   rc;

    rows = malloc(sizeof(rows_t));
    id = (code == CODES) ? 0 : m.codes[code].id;
    sum = 0;

    snprintf(what, sizeof(what), "program %u code %u days %u-%u", program, id,
             from, to);
    rows->what = what;

    for (dim = REFERRAL_DIM_DAY; dim <= REFERRAL_DIM_LANDING; dim++) {

        if (dim == REFERRAL_DIM_HOUR && code != CODES) {
            if (referral_counts_by(snap, program_id[program], id, dim, from,
                                   to, compare_row, rows)
                != REFERRAL_INVALID)
            {
                differ("%s: hours of a code", what);
            }

            continue;
        }

        model_by(rows, program, code, dim, from, to);
        rc = referral_counts_by(snap, program_id[program], id, dim, from, to,
                                compare_row, rows);

        if (rc != REFERRAL_OK || rows->n != 0) {
            differ("%s dim %u: rc %d, %u rows missing", what, dim, (int) rc,
                   rows->n);
        }

        if (dim == REFERRAL_DIM_DAY) {
            sum = rows->total;

        } else if (rows->total != sum) {
            differ("%s dim %u: sum %llu, not %llu", what, dim,
                   (unsigned long long) rows->total,
                   (unsigned long long) sum);
        }
    }

    free(rows);
}


typedef struct {
    uint32_t   program;
    uint32_t   from;
    uint32_t   to;
    uint32_t   last;
    unsigned   seen;
} codes_t;


static void
model_code_counts(unsigned code, uint32_t from, uint32_t to,
    referral_counts_t *counts)
{
    unsigned  i;

    memset(counts, 0, sizeof(*counts));

    for (i = 0; i < m.n; i++) {
        if (m.clicks[i].code == code
            && (to == 0 || (m.clicks[i].day >= from && m.clicks[i].day <= to)))
        {
            counts->classes[m.clicks[i].class]++;
            counts->unique += m.clicks[i].unique;
        }
    }
}


static int
compare_code_counts(void *data, uint32_t id, referral_str_t code,
    const referral_counts_t *counts)
{
    codes_t            *c;
    unsigned            i;
    referral_counts_t   want;

    c = data;
    c->seen++;

    for (i = 0; i < CODES && m.codes[i].id != id; i++) { /* void */ }

    if (i == CODES || m.codes[i].program != c->program || id <= c->last) {
        differ("counts of codes: id %u after %u", id, c->last);
        return 1;
    }

    c->last = id;
    model_code_counts(i, c->from, c->to, &want);

    if (memcmp(&want, counts, sizeof(want)) != 0
        || code.len != strlen(m.codes[i].code)
        || memcmp(code.data, m.codes[i].code, code.len) != 0)
    {
        differ("counts of code %s, days %u-%u", m.codes[i].code, c->from,
               c->to);
    }

    return 0;
}


static void
compare_codes(referral_snapshot_t *snap, uint32_t program, uint32_t after,
    uint32_t from, uint32_t to)
{
    codes_t            c;
    unsigned           i, want;
    referral_counts_t  counts;

    c.program = program;
    c.from = from;
    c.to = to;
    c.last = after;
    c.seen = 0;
    want = 0;

    for (i = 0; i < CODES; i++) {
        if (m.codes[i].program == program && m.codes[i].id > after) {
            model_code_counts(i, from, to, &counts);
            want += (referral_counts_total(&counts) != 0);
        }
    }

    if (referral_counts_codes(snap, program_id[program], after, from, to,
                              compare_code_counts, &c) != REFERRAL_OK
        || c.seen != want)
    {
        differ("counts of codes after %u days %u-%u: %u, not %u", after, from,
               to, c.seen, want);
    }
}


static int
same_code(const model_code_t *want, const referral_code_t *got)
{
    return got->id == want->id && got->kind == want->kind
           && got->status == want->status && got->created == want->created
           && got->changed == want->changed
           && got->code.len == strlen(want->code)
           && memcmp(got->code.data, want->code, got->code.len) == 0
           && got->owner.len == strlen(want->owner)
           && memcmp(got->owner.data, want->owner, got->owner.len) == 0
           && got->name.len == strlen(want->name)
           && memcmp(got->name.data, want->name, got->name.len) == 0
           && got->landing.len == strlen(want->landing)
           && memcmp(got->landing.data, want->landing, got->landing.len) == 0;
}


typedef struct {
    uint32_t     program;
    const char  *owner;
    char         last[16];
    unsigned     seen;
} list_t;


static int
compare_listed(void *data, const referral_code_t *code)
{
    list_t    *list;
    unsigned   i;

    list = data;
    list->seen++;

    for (i = 0; i < CODES && m.codes[i].id != code->id; i++) { /* void */ }

    if (i == CODES || !same_code(&m.codes[i], code)
        || m.codes[i].program != list->program
        || strcasecmp(m.codes[i].code, list->last) <= 0
        || (list->owner[0] && strcmp(list->owner, m.codes[i].owner) != 0))
    {
        differ("list of codes: %.*s after %s", (int) code->code.len,
               code->code.data, list->last);
        return 1;
    }

    memcpy(list->last, m.codes[i].code, sizeof(list->last));

    return 0;
}


static void
compare_list(referral_snapshot_t *snap, uint32_t program, const char *owner,
    const char *after)
{
    list_t    list;
    unsigned  i, want;

    list.program = program;
    list.owner = owner;
    list.seen = 0;
    snprintf(list.last, sizeof(list.last), "%s", after);
    want = 0;

    for (i = 0; i < CODES; i++) {
        want += (m.codes[i].program == program && m.codes[i].id != 0
                 && strcasecmp(m.codes[i].code, after) > 0
                 && (owner[0] == '\0'
                     || strcmp(owner, m.codes[i].owner) == 0));
    }

    if (referral_code_list(snap, program_id[program], test_str(after),
                           test_str(owner), compare_listed, &list)
        != REFERRAL_OK || list.seen != want)
    {
        differ("list of codes of \"%s\" after \"%s\": %u, not %u", owner,
               after, list.seen, want);
    }
}


static void
compare_code_get(referral_snapshot_t *snap, const model_code_t *want)
{
    char             other[16];
    referral_rc_t    rc;
    referral_code_t  code;

    rc = referral_code_get(snap, program_id[want->program],
                           test_str(want->code), &code);

    if ((rc == REFERRAL_OK) != (want->id != 0)
        || (rc == REFERRAL_OK && !same_code(want, &code)))
    {
        differ("code %s: rc %d", want->code, (int) rc);
    }

    memcpy(other, want->code, sizeof(other));
    other[0] ^= 0x20;

    rc = referral_code_get(snap, program_id[want->program], test_str(other),
                           &code);

    if ((rc == REFERRAL_OK) != (want->id != 0 && want->program == 1)) {
        differ("code %s by another spelling: rc %d", want->code, (int) rc);
    }
}


static void
compare_click(referral_snapshot_t *snap, unsigned n)
{
    char                    buf[2][32];
    unsigned                number;
    unsigned char           id[REFERRAL_CLICK_ID_SIZE];
    referral_str_t          want[2];
    model_click_t          *click;
    referral_click_info_t   info;

    click = &m.clicks[n];
    number = n + 1;
    memset(id, 0, sizeof(id));
    memcpy(id, &number, sizeof(number));
    id[8] = 0x5a;

    if (referral_click_get(snap, program_id[click->program], id, &info)
        != REFERRAL_OK)
    {
        differ("click %u is not found", n);
        return;
    }

    want[0] = label_str(0, click->label[0], buf[0]);
    want[1] = label_str(1, click->label[1], buf[1]);

    if (info.seq != click->seq || info.time != click->time
        || info.class != click->class || info.why != click->why
        || info.flags != click->flags || info.unique != click->unique
        || info.code_id != (click->code == CODES ? 0
                                                 : m.codes[click->code].id)
        || info.channel.len != want[0].len
        || memcmp(info.channel.data, want[0].data, want[0].len) != 0
        || info.landing.len != want[1].len
        || memcmp(info.landing.data, want[1].data, want[1].len) != 0)
    {
        differ("click %u is not what it was: seq %llu, %llu wanted; code %u; "
               "class %u, %u; why %u, %u; unique %u, %u", n,
               (unsigned long long) info.seq, (unsigned long long) click->seq,
               info.code_id, info.class, click->class, info.why, click->why,
               info.unique, click->unique);
    }

    if (referral_click_get(snap, program_id[3 - click->program], id, &info)
        != REFERRAL_NOT_FOUND)
    {
        differ("click %u is found in the other program", n);
    }
}


/* What is known of visitors is forgotten with its day. */

static unsigned
visitors_kept(test_store_t *ts, unsigned generation)
{
    MDB_txn   *txn;
    MDB_stat   stat;

    if (mdb_txn_begin(ts->store->env, NULL, MDB_RDONLY, &txn)) {
        return 0;
    }

    (void) mdb_stat(txn, ts->store->dbi[STORE_UQ0 + generation], &stat);
    mdb_txn_abort(txn);

    return (unsigned) stat.ms_entries;
}


static unsigned
model_visitors(unsigned generation)
{
    unsigned  i, k, n;

    n = 0;

    for (i = 0; i < m.nvisits; i++) {
        if (m.visits[i].day != m.held[generation]) {
            continue;
        }

        for (k = 0; k < i; k++) {
            if (m.visits[k].day == m.visits[i].day
                && m.visits[k].visitor == m.visits[i].visitor
                && m.visits[k].code == m.visits[i].code
                && m.visits[k].program == m.visits[i].program)
            {
                break;
            }
        }

        n += (k == i);
    }

    return n;
}


static void
compare_program(referral_snapshot_t *snap, uint32_t p)
{
    uint32_t  from, to;

    from = FIRST_DAY - 5 + roll(DAYS);
    to = from + roll(6);

    compare_by(snap, p, CODES, 0, 0);
    compare_by(snap, p, CODES, 0, to);
    compare_by(snap, p, CODES, from, to);
    compare_by(snap, p, CODES, from, from);
    compare_by(snap, p, CODES, 1, FIRST_DAY - 30);
    compare_codes(snap, p, 0, 0, 0);
    compare_codes(snap, p, roll(20), from, to);
    compare_codes(snap, p, 0, 0, to);
    compare_list(snap, p, "", "");
    compare_list(snap, p, "u", "");
    compare_list(snap, p, "u1", "");
    compare_list(snap, p, "u1", m.codes[roll(CODES)].code);
    compare_list(snap, p, "", m.codes[roll(CODES)].code);
    compare_list(snap, p, "nobody", "");
}


static void
compare(test_store_t *ts)
{
    unsigned               i, p;
    uint32_t               from;
    uint64_t               rng;
    referral_snapshot_t   *snap;
    referral_store_info_t  info;

    snap = test_snapshot(ts);

    /* reading shall not change which records come next */

    rng = m.rng;

    for (p = 1; p <= PROGRAMS; p++) {
        compare_program(snap, p);
    }

    for (i = 0; i < CODES; i++) {
        compare_code_get(snap, &m.codes[i]);

        if (m.codes[i].id != 0 && (i < PROGRAMS || roll(4) == 0)) {
            from = FIRST_DAY - 5 + roll(DAYS);

            compare_by(snap, m.codes[i].program, i, 0, 0);
            compare_by(snap, m.codes[i].program, i, 0, from);
            compare_by(snap, m.codes[i].program, i, from, from + roll(6));
        }
    }

    for (i = 0; i < 300 && m.n != 0; i++) {
        compare_click(snap, roll(m.n));
    }

    for (i = 0; i < STORE_UNIQUE_DAYS; i++) {
        if (visitors_kept(ts, i) != model_visitors(i)) {
            differ("visitors of generation %u: %u, not %u", i,
                   visitors_kept(ts, i), model_visitors(i));
        }
    }

    if (referral_store_info(snap, &info) != REFERRAL_OK
        || info.journal != m.journal || info.codes != m.ids)
    {
        differ("info: journal %llu, not %llu; codes %llu, not %u",
               (unsigned long long) info.journal,
               (unsigned long long) m.journal,
               (unsigned long long) info.codes, m.ids);
    }

    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    *failures += (unsigned) test_verify(ts);
    m.rng = rng;
}


/* ------------------------------------------------------------ the scenes */

typedef struct {
    unsigned           ops;
} phase_t;

#define WAITING  3000

static struct {
    uint64_t           seq;
    referral_rc_t      rc;
    unsigned           created;
} waiting[WAITING];

static unsigned  nwaiting;


static void
apply_some(test_store_t *ts, referral_intake_t *intake, unsigned all)
{
    unsigned           i, max;
    uint64_t           rng;
    referral_batch_t   batch;
    referral_result_t  results[64];

    rng = m.rng ^ nwaiting;
    max = 1 + (unsigned) (test_random(&rng) % 64);

    do {
        test_must(ts, referral_intake_apply(intake, test_random(&rng) % 2,
                                            results, max, &batch, &ts->err),
                  "referral_intake_apply");

        for (i = 0; i < batch.results; i++) {
            if (results[i].seq != waiting[i].seq
                || results[i].rc != waiting[i].rc
                || results[i].created != waiting[i].created)
            {
                differ("result %llu: rc %d created %u; %llu: %d %u wanted",
                       (unsigned long long) results[i].seq,
                       (int) results[i].rc, results[i].created,
                       (unsigned long long) waiting[i].seq,
                       (int) waiting[i].rc, waiting[i].created);
            }
        }

        nwaiting -= batch.results;
        memmove(waiting, waiting + batch.results,
                nwaiting * sizeof(waiting[0]));

        if (batch.refused != 0) {
            differ("refused: %s", ts->err.text);
        }

    } while (all && batch.more);
}


static void
scene(test_store_t *ts, void *data)
{
    op_t                op;
    uint64_t            seq;
    unsigned            i, n, cases;
    referral_intake_t  *intake;

    test_open(ts);

    program_id[1] = test_program(ts, "friends");
    cases = 1;
    test_must(ts, referral_store_program(ts->store, test_str("partners"),
                                         &cases, &program_id[2], &ts->err),
              "referral_store_program");

    intake = test_intake(ts);
    n = ((phase_t *) data)->ops;

    for (i = 0; i < n; i++) {
        random_op(&op);

        if (referral_intake_put(intake, &op.record, &seq) != REFERRAL_OK) {
            differ("put failed");
            return;
        }

        if (op.record.reply) {
            waiting[nwaiting].seq = seq;
            waiting[nwaiting].rc = op.rc;
            waiting[nwaiting++].created = op.created;
        }

        if (nwaiting == WAITING || seq % 1511 == 0) {
            apply_some(ts, intake, seq % 2);
        }
    }

    /* the last phase leaves its records to whoever comes next */

    if (i % 2 == 0) {
        apply_some(ts, intake, 1);
        compare(ts);
        referral_intake_close(intake);
    }

    referral_store_close(ts->store);
}


static void
scene_readonly(test_store_t *ts, void *data)
{
    (void) data;

    ts->opts.readonly = 1;
    test_open(ts);
    compare(ts);
}


int
main(int argc, char **argv)
{
    op_t           op;
    phase_t        phase;
    unsigned       i, k, ops;
    uint64_t       seed;
    test_store_t   ts;

    seed = (argc > 1) ? strtoull(argv[1], NULL, 0)
                      : (uint64_t) time(NULL) * 1000003 ^ (uint64_t) getpid();
    ops = (argc > 2) ? (unsigned) atoi(argv[2]) : 7000;

    printf("# seed %llu\n", (unsigned long long) seed);

    failures = test_shared(sizeof(unsigned));
    test_make(&ts);

    m.rng = seed;
    m.day = FIRST_DAY;
    m.journal = PROGRAMS;

    for (i = 0; i < CODES; i++) {
        m.codes[i].program = 1 + i % PROGRAMS;
        snprintf(m.codes[i].code, sizeof(m.codes[i].code), "%c%02u-x%u",
                 'A' + (int) (i % 7), i, i * 7919 % 1000);
    }

    program_id[1] = 1;
    program_id[2] = 2;

    for (k = 0; k < PHASES; k++) {
        phase.ops = ops / PHASES * 2 + (k == 1);
        *failures = 0;

        tap_ok(test_child(scene, &ts, &phase) == 0 && *failures == 0,
               "phase %u: the store is what the model is", k + 1);

        for (i = 0; i < phase.ops; i++) {
            random_op(&op);
        }
    }

    *failures = 0;
    tap_ok(test_child(scene_readonly, &ts, NULL) == 0 && *failures == 0,
           "opened read-only it still is");

    for (i = 1, k = 0; i <= PROGRAMS; i++) {
        k += (m.nknown[i][0] == REFERRAL_DIM_MAX);
    }

    tap_ok(argc > 2 || k != 0, "a program had more channels than it may");

    for (i = 0, k = 0; i < m.n; i++) {
        k += (m.clicks[i].code < CODES && m.clicks[i].label[1] != OTHER
              && m.clicks[i].own[1][0] == OTHER);
    }

    tap_ok(argc > 2 || k != 0, "a day of a code had more labels than it may");

    test_remove(&ts);

    return tap_done();
}
