/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * A store whose rows are not what they should be.  Whatever is in them: it is
 * read, recounted, mended, written to, purged, erased from and upgraded, or
 * refused; nothing crashes, hangs or reads beyond a row.
 *
 * A byte chooses what is done, then the damages: database1 how1 row1 place1
 * length1 bytes; without any it comes to what the journal says.  Pages of LMDB that are damaged are not looked at here: where
 * liblmdb reads one it trusts it.
 */

#include "base.h"


#define DAMAGES  16


typedef enum {
    READ = 0,
    RECOUNT,
    REBUILD,
    EVENTS,
    TICK,
    PURGE,
    ERASE,
    UPGRADE,
    DECIDE,
    DOINGS
} doing_t;

typedef struct {
    unsigned        db;
    unsigned        how;
    unsigned        row;
    unsigned        place;
    referral_str_t  bytes;
} damage_t;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;

    fuzz_base_make();

    return 0;
}


/* The row of that number, the last when there are not as many. */

static int
find_row(store_txn_t *t, const damage_t *d, MDB_val *k, MDB_val *v)
{
    int          rc;
    unsigned     n;
    MDB_val      key, value;
    MDB_cursor  *cursor;

    FUZZ_ASSERT(mdb_cursor_open(t->txn, t->store->dbi[d->db], &cursor) == 0);

    k->mv_data = NULL;

    for (n = 0; n <= d->row; n++) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);

        if (rc != 0) {
            break;
        }

        *k = key;
        *v = value;
    }

    mdb_cursor_close(cursor);

    return k->mv_data != NULL;
}


/* The bytes take the place of what is there, or it ends with them. */

static void
change(store_txn_t *t, const damage_t *d, const MDB_val *k, const MDB_val *v)
{
    size_t          at, size;
    unsigned char  *value;

    at = d->place;
    at = (at < v->mv_size) ? at : v->mv_size;
    size = at + d->bytes.len;

    if (d->how % 4 == 0 && size < v->mv_size) {
        size = v->mv_size;
    }

    value = calloc(1, size + v->mv_size + 1);
    memcpy(value, v->mv_data, v->mv_size);

    if (d->bytes.len != 0) {
        memcpy(value + at, d->bytes.data, d->bytes.len);
    }

    store_put(t, d->db, k->mv_data, k->mv_size, value, size);
    free(value);
}


/* The row has another key as well. */

static void
add(store_txn_t *t, const damage_t *d, const MDB_val *k, const MDB_val *v)
{
    size_t         len;
    unsigned char  key[511];

    len = (k->mv_size < sizeof(key)) ? k->mv_size : sizeof(key);
    memcpy(key, k->mv_data, len);

    if (d->place < len && d->bytes.len <= len - d->place
        && d->bytes.len != 0)
    {
        memcpy(key + d->place, d->bytes.data, d->bytes.len);

    } else if (d->bytes.len != 0) {
        memcpy(key, d->bytes.data, d->bytes.len);
        len = d->bytes.len;
    }

    store_put(t, d->db, key, len, v->mv_data, v->mv_size);
}


static void
damage(store_txn_t *t, const damage_t *d)
{
    MDB_val  k, v;

    if (!find_row(t, d, &k, &v)) {
        if (d->bytes.len > 1) {
            store_put(t, d->db, d->bytes.data, d->bytes.len / 2,
                      d->bytes.data, d->bytes.len);
        }

        return;
    }

    switch (d->how % 4) {

    case 0:
    case 1:
        change(t, d, &k, &v);
        break;

    case 2:
        add(t, d, &k, &v);
        break;

    default:
        store_delete(t, d->db, k.mv_data, k.mv_size);
    }
}


static void
damage_all(fuzz_t *f)
{
    unsigned              left, len;
    damage_t              d;
    referral_snapshot_t  *snap;

    snap = fuzz_base_open();

    for (left = DAMAGES; left != 0 && f->p < f->end; left--) {
        d.db = fuzz_byte(f) % STORE_DBS;
        d.how = fuzz_byte(f);
        d.row = fuzz_byte(f);
        d.place = fuzz_byte(f);

        len = fuzz_byte(f);
        d.bytes.data = f->p;
        d.bytes.len = ((size_t) (f->end - f->p) < len)
                      ? (size_t) (f->end - f->p) : len;
        f->p += d.bytes.len;

        damage(&snap->t, &d);
    }

    fuzz_base_close(snap, snap->t.rc == 0);
}


/* --------------------------------------------------------------- then */

static void
apply(store_txn_t *t, referral_record_t *r, unsigned type, int64_t time)
{
    r->type = (uint8_t) type;
    r->time = time;
    (void) store_apply(t, r);
    memset(r, 0, sizeof(referral_record_t));
}


static void
apply_codes(store_txn_t *t)
{
    referral_record_t  r;

    memset(&r, 0, sizeof(r));
    r.u.code.program = fuzz_base.program;
    r.u.code.code = fuzz_str("anna");
    r.u.code.owner = fuzz_str("u2");
    r.u.code.set = REFERRAL_SET_OWNER;
    apply(t, &r, REFERRAL_RECORD_CODE, FUZZ_NOW + FUZZ_DAY);

    r.u.code.program = fuzz_base.program;
    r.u.code.code = fuzz_str("NEW");
    apply(t, &r, REFERRAL_RECORD_CODE, FUZZ_NOW + FUZZ_DAY);

    r.u.click.program = fuzz_base.program;
    r.u.click.code_id = 1;
    r.u.click.channel = fuzz_str("sms");
    r.u.click.landing = fuzz_str("/new");
    r.u.click.click_id[0] = 77;
    r.u.click.visitor = 3;
    r.u.click.unique_window = 60;
    apply(t, &r, REFERRAL_RECORD_CLICK, FUZZ_NOW + FUZZ_DAY);

    r.u.click.program = fuzz_base.program;
    r.u.click.code = fuzz_str("opened");
    r.u.click.flags = REFERRAL_CLICK_OPEN;
    r.u.click.class = REFERRAL_CLASS_HUMAN;
    apply(t, &r, REFERRAL_RECORD_CLICK, FUZZ_NOW + 2 * FUZZ_DAY);
}


static void
apply_events(store_txn_t *t)
{
    unsigned           i;
    referral_record_t  r;

    static const char *const  orders[] = { "new1", "p1", "later", "new2" };

    memset(&r, 0, sizeof(r));

    for (i = 0; i < 4; i++) {
        r.u.event.program = fuzz_base.program;
        r.u.event.event = fuzz_str("purchase");
        r.u.event.order_id = fuzz_str(orders[i]);
        r.u.event.customer = fuzz_str((i & 1) ? "c1" : "c9");
        r.u.event.coupon = fuzz_str(i ? "ANNA" : "");
        r.u.event.click_id[0] = i ? 0 : 2;
        r.u.event.flags = REFERRAL_EVENT_AMOUNT
                          |((i == 3) ? REFERRAL_EVENT_VELOCITY : 0);
        r.u.event.currency = 978;
        r.u.event.amount = 4999;
        apply(t, &r, REFERRAL_RECORD_EVENT, FUZZ_NOW + 2 * FUZZ_DAY + i);
    }

    r.u.event.program = fuzz_base.program;
    r.u.event.event = fuzz_str("signup");
    r.u.event.order_id = fuzz_str("s9");
    r.u.event.customer = fuzz_str("c9");
    r.u.event.coupon = fuzz_str("BOB");
    apply(t, &r, REFERRAL_RECORD_EVENT, FUZZ_NOW + 2 * FUZZ_DAY);

    for (i = 0; i < 4; i++) {
        r.u.refund.program = fuzz_base.program;
        r.u.refund.order_id = fuzz_str(orders[i]);
        r.u.refund.refund_id = fuzz_str("r2");
        r.u.refund.flags = (i & 1) ? REFERRAL_REFUND_WHOLE : 0;
        r.u.refund.amount = (i & 1) ? 0 : 100;
        apply(t, &r, REFERRAL_RECORD_REFUND, FUZZ_NOW + 3 * FUZZ_DAY);
    }
}


static void
apply_decisions(store_txn_t *t)
{
    unsigned           i;
    referral_record_t  r;

    memset(&r, 0, sizeof(r));

    for (i = 0; i < 18; i++) {
        r.u.decision.program = fuzz_base.program;
        r.u.decision.reward = 1 + i / 3;
        r.u.decision.what = (uint8_t) (i % 3);
        r.u.decision.reason = fuzz_str("so");
        apply(t, &r, REFERRAL_RECORD_DECISION, FUZZ_NOW + 4 * FUZZ_DAY);
    }

    for (i = 0; i < 2; i++) {
        r.u.decision.program = fuzz_base.program;
        r.u.decision.order_id = fuzz_str("p3");
        r.u.decision.what = i ? REFERRAL_DECIDE_VOID : REFERRAL_DECIDE_APPROVE;
        apply(t, &r, REFERRAL_RECORD_DECISION, FUZZ_NOW + 4 * FUZZ_DAY);
    }
}


/* In a transaction that is written when it can be. */

static void
within(unsigned doing)
{
    referral_rc_t         rc;
    referral_snapshot_t  *snap;

    snap = fuzz_base_open();

    switch (doing) {

    case READ:
        fuzz_base_read(snap);
        break;

    case RECOUNT:
        (void) fuzz_base_verify(snap, &rc);
        break;

    case EVENTS:
        apply_codes(&snap->t);
        apply_events(&snap->t);
        break;

    case DECIDE:
        apply_decisions(&snap->t);
        break;

    default:    /* UPGRADE */
        store_upgrade(&snap->t);
    }

    fuzz_base_write(snap);
    fuzz_base_close(snap, doing > REBUILD && snap->t.rc == 0);
}


static void
rebuild(void)
{
    uint64_t              differences;
    referral_rc_t         rc;
    referral_error_t      err;
    referral_verify_t     verify;
    referral_snapshot_t  *snap;

    memset(&verify, 0, sizeof(verify));
    rc = referral_store_rebuild(fuzz_base.store, &verify, &differences, &err);

    if (rc == REFERRAL_OK) {
        snap = fuzz_base_open();
        FUZZ_ASSERT(fuzz_base_verify(snap, &rc) == 0 && rc == REFERRAL_OK);
        fuzz_base_close(snap, 0);
    }
}


/* Each in steps, which come to an end. */

static void
tick(void)
{
    int64_t           next, now;
    unsigned          n;
    referral_rc_t     rc;
    referral_error_t  err;

    now = FUZZ_NOW + 400 * FUZZ_DAY;

    for (n = 0; n < 1000; n++) {
        rc = referral_store_tick(fuzz_base.store, now, &next, &err);

        if (rc != REFERRAL_OK || next == 0 || next > now) {
            return;
        }
    }

    FUZZ_ASSERT(!"tick ends");
}


static void
purge(void)
{
    unsigned          n;
    referral_rc_t     rc;
    referral_error_t  err;
    referral_purge_t  step;

    for (n = 0; n < 1000; n++) {
        rc = referral_store_purge(fuzz_base.store, fuzz_base.program,
                                  FUZZ_NOW + 2 * FUZZ_DAY, &step, &err);

        if (rc != REFERRAL_OK || !step.more) {
            return;
        }
    }

    FUZZ_ASSERT(!"purge ends");
}


static void
erase(void)
{
    referral_error_t   err;
    referral_erased_t  erased;

    (void) referral_store_erase(fuzz_base.store, fuzz_base.program,
                                fuzz_str("c1"), FUZZ_NOW + 5 * FUZZ_DAY,
                                &erased, &err);
    (void) referral_store_erase(fuzz_base.store, fuzz_base.program,
                                fuzz_str("u1"), FUZZ_NOW + 5 * FUZZ_DAY,
                                &erased, &err);
}


static void
act(unsigned doing)
{
    switch (doing) {

    case REBUILD:
        rebuild();
        break;

    case TICK:
        tick();
        break;

    case PURGE:
        purge();
        break;

    case ERASE:
        erase();
        break;

    default:
        within(doing);
    }
}


static void
check_right(void)
{
    referral_rc_t         rc;
    referral_snapshot_t  *snap;

    snap = fuzz_base_open();
    FUZZ_ASSERT(fuzz_base_verify(snap, &rc) == 0 && rc == REFERRAL_OK);
    fuzz_base_close(snap, 0);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_t    f;
    unsigned  doing, intact;

    fuzz_init(&f, data, size);
    doing = fuzz_byte(&f) % DOINGS;
    intact = (f.p == f.end);

    fuzz_base_begin();
    damage_all(&f);
    act(doing);

    if (intact) {
        check_right();
    }

    if (doing != READ) {
        within(READ);
    }

    fuzz_base_end();

    return 0;
}
