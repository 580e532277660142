/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Rows that are not what they should be: cut, longer, of another version, with
 * any byte changed.  Reading says so, or reads something, but ends.  Rows are
 * changed in a transaction that never commits, in which they are read.
 *
 * Would catch: a length that is believed, an index that is followed blindly.
 */

#include "ledger_scene.h"


#define LIST         0x0001
#define GET          0x0002
#define HELD         0x0004
#define REFUNDS      0x0008
#define REFUND       0x0010
#define REWARDS      0x0020
#define OF_CODE      0x0040
#define OF_STATE     0x0080
#define REWARD       0x0100
#define SCORE        0x0200
#define ACCOUNT      0x0400
#define LEADERS      0x0800
#define TALLY        0x1000
#define SUM          0x2000
#define JOURNAL      0x4000

typedef struct {
    unsigned        db;
    unsigned        told;           /* by whom, when a value is cut */
    unsigned        version;        /* its first byte is one */
    unsigned        key;            /* by whom, when the key is longer */
    unsigned        gone;           /* by whom, when there is no such row */
    const char     *what;
    unsigned        part;           /* of scores: kind, bytes of the key */
    size_t          len;
} kind_t;

static const kind_t  kinds[] = {
    { STORE_ORD, LIST|GET, 1, 0, 0, "an order", 0, 0 },
    { STORE_HLD, HELD, 0, HELD, 0, "a held order", 0, 0 },
    { STORE_RFD, REFUNDS|REFUND, 1, 0, 0, "a refund", 0, 0 },
    { STORE_RWD, REWARDS|OF_CODE|OF_STATE|REWARD, 1, REWARDS,
      OF_CODE|OF_STATE, "a reward", 0, 0 },
    { STORE_SCR, OF_CODE, 0, OF_CODE, 0, "a reward of a code",
      STORE_SCR_REWARD, STORE_SCR_KEY + 8 },
    { STORE_RWS, OF_STATE, 0, OF_STATE, 0, "a reward in a state", 0, 0 },
    { STORE_SCR, SCORE, 1, 0, 0, "a score", STORE_SCR_SCORE,
      STORE_SCR_KEY },
    { STORE_SCR, ACCOUNT, 0, ACCOUNT, 0, "an account", STORE_SCR_ACCOUNT,
      STORE_SCR_KEY + 2 },
    { STORE_LDR, 0, 0, LEADERS, 0, "a place", 0, 0 },
    { STORE_SCR, TALLY, 0, TALLY, 0, "a counter of events", STORE_SCR_DAY,
      STORE_TALLY_KEY },
    { STORE_SCR, SUM, 0, SUM, 0, "a sum of amounts", STORE_SCR_DAY,
      STORE_SUM_KEY },
    { STORE_JRNL, JOURNAL, 0, JOURNAL, 0, "the journal", 0, 0 },
    { STORE_CODE, 0, 0, 0, 0, "a code", 0, 0 },
    { STORE_CID, 0, 0, 0, 0, "the number of a code", 0, 0 },
    { STORE_NAM, 0, 0, 0, 0, "a name", 0, 0 }
};

#define KINDS  (sizeof(kinds) / sizeof(kinds[0]))

static test_store_t            ts;
static referral_snapshot_t     dirty;
static unsigned                bytes;       /* of all that was read */
static uint32_t                contest;
static unsigned char           key[512], value[8192];
static MDB_val                 k, v;


/* -------------------------------------------------------------- reading */

static void
touch(referral_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        bytes += s.data[i];
    }
}


static int
on_conversion(void *data, const referral_conversion_t *c)
{
    (void) data;

    touch(c->order_id);
    touch(c->event);
    touch(c->code);
    touch(c->first_code);
    touch(c->channel);
    touch(c->customer);

    return c->nrewards > REFERRAL_REWARDS_MAX;
}


static int
on_refund(void *data, const referral_refund_info_t *refund)
{
    (void) data;

    touch(refund->refund_id);
    touch(refund->reason);

    return 0;
}


static int
on_reward(void *data, const referral_reward_t *reward)
{
    (void) data;

    touch(reward->name);
    touch(reward->code);
    touch(reward->order_id);
    touch(reward->customer);
    touch(reward->value);
    touch(reward->reason);

    return 0;
}


static int
on_account(void *data, uint16_t currency, const referral_account_t *account)
{
    (void) data;

    bytes += currency + (unsigned) account->owed;

    return 0;
}


static int
on_place(void *data, referral_str_t code, const referral_place_t *place)
{
    (void) data;

    touch(code);
    bytes += (unsigned) place->points;

    return 0;
}


static int
on_tally(void *data, referral_str_t event, int64_t start,
    const referral_tally_t *tally)
{
    (void) data;

    touch(event);
    bytes += (unsigned) (start + tally->points);

    return 0;
}


static int
on_sum(void *data, referral_str_t event, uint16_t currency, int64_t start,
    const referral_sum_t *sum)
{
    (void) data;

    touch(event);
    bytes += (unsigned) (start + sum->gross) + currency;

    return 0;
}


static int
on_entry(void *data, const referral_entry_t *entry)
{
    (void) data;

    touch(entry->code);

    if (entry->click != NULL) {
        touch(entry->click->code);
        touch(entry->click->channel);
        touch(entry->click->landing);
    }

    return 0;
}


/* Who found it corrupt; BAD: somebody said anything else than what may be. */

#define BAD  0x8000

static unsigned
told(unsigned who, referral_rc_t rc)
{
    dirty.t.rc = 0;

    return (rc == REFERRAL_CORRUPT) ? who
           : (rc == REFERRAL_OK || rc == REFERRAL_NOT_FOUND) ? 0 : BAD;
}


static unsigned
read_orders(void)
{
    unsigned                who;
    referral_str_t          id, refund;
    referral_conversion_t   one;
    referral_refund_info_t  info;
    const referral_str_t    none = { 0, NULL };

    who = told(LIST, referral_conversion_list(&dirty, program, none,
                                              on_conversion, NULL));
    who |= told(HELD, referral_conversion_held(&dirty, program, 0,
                                               on_conversion, NULL));
    id.data = key + 4;
    id.len = strnlen((char *) key + 4, k.mv_size - 4);
    who |= told(GET, referral_conversion_get(&dirty, program, id, &one));
    who |= told(REFUNDS, referral_refund_list(&dirty, program, id, on_refund,
                                              NULL));
    refund.len = (4 + id.len < k.mv_size) ? k.mv_size - 5 - id.len : 0;
    refund.data = id.data + id.len + 1;

    return who | told(REFUND, referral_refund_get(&dirty, program, id, refund,
                                                  &info));
}


static unsigned
read_rewards(void)
{
    unsigned                  i, who;
    referral_score_t          score;
    referral_reward_t         one;
    referral_reward_filter_t  filter = { -1, -1, 0 };

    who = told(REWARDS, referral_reward_list(&dirty, program, &filter, 0,
                                             on_reward, NULL));
    who |= told(REWARD, referral_reward_get(&dirty, program,
                                            store_get_be64(key + 4), &one));

    for (i = 0; i < REFERRAL_REWARD_STATES; i++) {
        filter.state = (int) i;
        who |= told(OF_STATE, referral_reward_list(&dirty, program, &filter,
                                                   0, on_reward, NULL));
    }

    who |= told(SCORE, referral_score_get(&dirty, program,
                                          REFERRAL_TALLY_ALL, &score));
    filter.state = -1;

    for (i = 1; i <= CODES; i++) {
        filter.code_id = i;
        who |= told(OF_CODE, referral_reward_list(&dirty, program, &filter,
                                                  0, on_reward, NULL));
        who |= told(SCORE, referral_score_get(&dirty, program, i, &score));
        who |= told(ACCOUNT, referral_account_list(&dirty, program, i,
                                                   on_account, NULL));
    }

    return who;
}


static unsigned
read_counters(void)
{
    unsigned          i, who, by_day;
    uint32_t          code;
    uint64_t          last;
    referral_place_t  top = { 0, 0 };
    const uint32_t    periods[] = { 0, 202511, 202512, 202601, contest };

    who = told(JOURNAL, referral_journal_read(&dirty, 0, ~0u, ~0u, on_entry,
                                              NULL, &last));

    for (i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
        who |= told(LEADERS, referral_leaders(&dirty, program, periods[i],
                                              &top, on_place, NULL));
    }

    for (i = 0; i < (CODES + 2) * 2; i++) {
        by_day = i % 2;
        code = (i / 2 <= CODES) ? i / 2 : REFERRAL_TALLY_ALL;
        who |= told(TALLY, referral_tally_list(&dirty, program, code, 0, 0,
                                               by_day, on_tally, NULL));
        who |= told(SUM, referral_sum_list(&dirty, program, code, 0, 0,
                                           by_day, on_sum, NULL));
        who |= told(TALLY, referral_tally_list(&dirty, program, code, 1,
                                               UINT32_MAX, 0, on_tally,
                                               NULL));
    }

    return who;
}


static unsigned
read_all(void)
{
    return read_orders() | read_rewards() | read_counters();
}


/* ------------------------------------------------------------- changing */

static void
must(int rc)
{
    if (rc != 0) {
        printf("Bail out! %s\n", mdb_strerror(rc));
        exit(2);
    }
}


static int
is_kind(const kind_t *kind, const MDB_val *at)
{
    return kind->len == 0
           || (at->mv_size == kind->len
               && ((unsigned char *) at->mv_data)[8] == kind->part);
}


static unsigned
count(const kind_t *kind, MDB_cursor *cursor)
{
    unsigned  n;
    MDB_val   at, what;

    n = 0;

    while (mdb_cursor_get(cursor, &at, &what, MDB_NEXT) == 0) {
        n += is_kind(kind, &at);
    }

    return n;
}


/* The n-th row, from the first again: key and value are copies of it. */

static void
pick(const kind_t *kind, unsigned n)
{
    int          rc;
    MDB_val      from, to;
    MDB_dbi      db;
    MDB_cursor  *cursor;

    must(mdb_txn_begin(ts.store->env, NULL, 0, &dirty.t.txn));
    dirty.t.store = ts.store;
    dirty.t.rc = 0;
    dirty.open = 1;

    db = ts.store->dbi[kind->db];
    must(mdb_cursor_open(dirty.t.txn, db, &cursor));
    n %= count(kind, cursor);

    rc = mdb_cursor_get(cursor, &from, &to, MDB_FIRST);

    while (rc == 0 && !(is_kind(kind, &from) && n-- == 0)) {
        rc = mdb_cursor_get(cursor, &from, &to, MDB_NEXT);
    }

    must(rc);
    memcpy(key, from.mv_data, from.mv_size);
    memcpy(value, to.mv_data, to.mv_size);
    k.mv_size = from.mv_size;
    k.mv_data = key;
    v.mv_size = to.mv_size;
    v.mv_data = value;
    mdb_cursor_close(cursor);
}


static unsigned
try(unsigned db)
{
    unsigned  who;

    must(mdb_put(dirty.t.txn, ts.store->dbi[db], &k, &v, 0));
    who = read_all();
    mdb_txn_abort(dirty.t.txn);

    return who;
}


static unsigned
try_value(const kind_t *kind, unsigned row, unsigned how)
{
    pick(kind, row);

    switch (how) {

    case 0:
        v.mv_size = 0;
        break;

    case 1:
        v.mv_size /= 2;
        break;

    case 2:
        v.mv_size--;
        break;

    case 3:
        value[v.mv_size++] = 'x';
        break;

    default:
        value[0]++;
    }

    return (try(kind->db) & (kind->told | BAD)) == kind->told;
}


/* One that is shorter may lie where nobody looks. */

static unsigned
try_key(const kind_t *kind, unsigned row, int by)
{
    unsigned  want;

    pick(kind, row);
    want = (by > 0) ? kind->key : kind->gone;

    if (by < 0) {
        must(mdb_del(dirty.t.txn, ts.store->dbi[kind->db], &k, NULL));
    }

    k.mv_size = (size_t) ((int) k.mv_size + by);

    return (try(kind->db) & (want | BAD)) == want;
}


static void
wrong_rows(const kind_t *kind)
{
    unsigned  row, how, good, n;

    good = 0;
    n = 0;

    for (row = 0; row < 7; row++) {
        for (how = 0; kind->told && how < 4 + kind->version; how++, n++) {
            good += try_value(kind, row * 4, how);
        }

        if (kind->key) {
            good += try_key(kind, row * 4, -1);
            good += try_key(kind, row * 4, 1);
            n += 2;
        }
    }

    if (n != 0) {
        tap_ok(good == n, "%s: %u of %u are told", kind->what, good, n);
    }
}


static void
any_byte(unsigned times)
{
    unsigned       i, n, bad;
    uint64_t       rng;
    const kind_t  *kind;

    rng = 20261122;
    bad = 0;

    for (i = 0; i < times; i++) {
        kind = &kinds[test_random(&rng) % KINDS];
        pick(kind, (unsigned) test_random(&rng) % 1000);

        for (n = 1 + test_random(&rng) % 3; n && v.mv_size; n--) {
            value[test_random(&rng) % v.mv_size] =
                (unsigned char) (test_random(&rng) % 3 ? test_random(&rng)
                                                       : 255);
        }

        if (k.mv_size > 4 && test_random(&rng) % 4 == 0) {
            key[4 + test_random(&rng) % (k.mv_size - 4)]++;
        }

        bad += (try(kind->db) & BAD) != 0;
    }

    tap_ok(bad == 0, "%u rows with any bytes: read or refused", times);
}


int
main(void)
{
    unsigned     i;
    const char  *times;

    test_make(&ts);
    program = scene_make(&ts);
    scene_read(&ts);
    test_must(&ts, referral_leaders_contest(snap, program, test_str("advent"),
                                            &contest), "contest");
    referral_snapshot_end(snap);

    pick(&kinds[0], 0);
    tap_ok(try(STORE_ORD) == 0, "good rows are read");

    for (i = 0; i < KINDS; i++) {
        wrong_rows(&kinds[i]);
    }

    times = getenv("TEST_LEDGER_ROWS");
    any_byte(times ? (unsigned) atoi(times) : 500);

    return scene_end(&ts);
}
