/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The recount: the journal is read again from its beginning.  Its clicks are
 * counted into cells without a database behind them, its codes are put into
 * the state they must have; then each cell is compared with the row on disk,
 * and the rows are counted, so that none is too many.
 */

#include <stdio.h>

#include "store_internal.h"


#define STORE_PROGRESS  65536           /* records between two reports */


typedef struct {
    store_txn_t                *disk;
    store_txn_t                 memory;
    const referral_verify_t    *verify;
    uint64_t                    differences;
    uint64_t                    clicks;         /* with an id of their own */
    uint64_t                    programs;
    uint64_t                    owners;         /* codes that have one */
} store_compare_t;

/* What a code must be; strings by their checksums. */

typedef struct {
    int64_t                     created;
    int64_t                     changed;
    uint32_t                    program;
    uint32_t                    owner;
    uint32_t                    name;
    uint32_t                    landing;
    uint8_t                     kind;
    uint8_t                     status;
    uint8_t                     reserved[6];
} store_state_t;


static void
store_differs(store_compare_t *c, unsigned db, const void *key, size_t len,
    const char *what)
{
    char                  sentence[128];
    size_t                i, n;
    const unsigned char  *p;

    static const char  *names[STORE_DBS] = {
        [STORE_PROG] = "program", [STORE_CODE] = "code",
        [STORE_CID] = "number of a code",
        [STORE_OWN] = "owner of a code",
        [STORE_HOT] = "counter of a code",
        [STORE_HIST] = "counter of a day of a code",
        [STORE_PRG] = "counter of a program",
        [STORE_JRNL] = "journal", [STORE_CLK] = "index of clicks"
    };

    p = key;
    c->differences++;

    n = (size_t) snprintf(sentence, sizeof(sentence), "%s %s%s", names[db],
                          what, len ? ": key " : "");

    for (i = 0; i < len && n + 3 < sizeof(sentence); i++) {
        n += (size_t) snprintf(sentence + n, sizeof(sentence) - n, "%02x",
                               p[i]);
    }

    if (c->verify->report != NULL) {
        c->verify->report(c->verify->data, sentence);
    }
}


static uint32_t
store_state_str(referral_str_t s)
{
    return store_check(0, 0, s.data, s.len);
}


/* A code as it is on disk: found by its number, itself and by its owner. */

static int
store_disk_state(store_compare_t *c, const unsigned char *id,
    store_state_t *state)
{
    size_t           len;
    MDB_val          k, v;
    referral_code_t  code;
    unsigned char    key[STORE_KEY_MAX];

    memset(state, 0, sizeof(store_state_t));

    if (!store_get(c->disk, STORE_CID, id, 4, &k) || k.mv_size < 4
        || !store_get(c->disk, STORE_CODE, k.mv_data, k.mv_size, &v)
        || store_code_parse(&v, &code) != 0
        || code.id != store_get_be32(id))
    {
        return 0;
    }

    state->created = code.created;
    state->changed = code.changed;
    state->program = store_get_be32(k.mv_data);
    state->owner = store_state_str(code.owner);
    state->name = store_state_str(code.name);
    state->landing = store_state_str(code.landing);
    state->kind = code.kind;
    state->status = code.status;

    if (code.owner.len != 0) {
        len = store_owner_key(c->disk, state->program, &code, key);
        c->owners++;

        if (!store_get(c->disk, STORE_OWN, key, len, &v)) {
            store_differs(c, STORE_OWN, key, len, "is not in the index");
        }
    }

    return 1;
}


static int
store_compare(void *data, unsigned db, const void *key, size_t len,
    const void *value, size_t size)
{
    MDB_val           v;
    store_state_t     state;
    store_compare_t  *c;

    c = data;

    if (db == STORE_CID) {
        v.mv_size = sizeof(state);
        v.mv_data = &state;

        if (!store_disk_state(c, key, &state)) {
            store_differs(c, db, key, len, "leads nowhere");
            return c->disk->rc;
        }

    } else if (!store_get(c->disk, db, key, len, &v)) {
        store_differs(c, db, key, len, "is missing");
        return c->disk->rc;
    }

    if (v.mv_size != size || memcmp(v.mv_data, value, size) != 0) {
        store_differs(c, db, key, len, "is not what the journal says");
    }

    return c->disk->rc;
}


/* Rows the journal knows nothing of. */

static void
store_compare_rows(store_compare_t *c, unsigned db, uint64_t want)
{
    int       rc;
    MDB_stat  stat;

    rc = mdb_stat(c->disk->txn, c->disk->store->dbi[db], &stat);

    if (rc != 0) {
        store_fail(c->disk, rc, "mdb_stat()");
        return;
    }

    if (stat.ms_entries != want) {
        store_differs(c, db, NULL, 0, "has more or fewer rows than in the "
                      "journal");
    }
}


/* A click is found by its id; when the id came twice, the later one is. */

static void
store_recount_click(store_compare_t *c, const store_click_row_t *row,
    uint64_t seq)
{
    MDB_val                v;
    uint64_t               found;
    unsigned char          key[8];
    store_click_row_t      other;
    static unsigned char   none[REFERRAL_CLICK_ID_SIZE];

    store_count_click(&c->memory, row);

    if (memcmp(row->click_id, none, sizeof(none)) == 0) {
        return;
    }

    found = 0;

    if (store_get(c->disk, STORE_CLK, row->click_id, sizeof(row->click_id), &v)
        && v.mv_size == sizeof(found))
    {
        memcpy(&found, v.mv_data, sizeof(found));
    }

    if (found == seq) {
        c->clicks++;
        return;
    }

    store_be64(key, found);

    if (found > seq && store_get(c->disk, STORE_JRNL, key, sizeof(key), &v)
        && v.mv_size == sizeof(other))
    {
        memcpy(&other, v.mv_data, sizeof(other));

        if (memcmp(other.click_id, row->click_id, sizeof(other.click_id))
            == 0)
        {
            return;
        }
    }

    store_differs(c, STORE_CLK, row->click_id, sizeof(row->click_id),
                  "misses one");
}


static void
store_recount_code(store_compare_t *c, const referral_record_t *record)
{
    size_t                         len, *size;
    MDB_val                        v;
    store_state_t                 *state;
    referral_code_t                code;
    unsigned char                  key[STORE_KEY_MAX], id[4];
    const referral_code_change_t  *change;

    change = &record->u.code;
    len = store_code_key(c->disk, change->program, change->code, key);

    if (!store_get(c->disk, STORE_CODE, key, len, &v)
        || store_code_parse(&v, &code) != 0)
    {
        store_differs(c, STORE_CODE, key, len, "is missing");
        return;
    }

    store_be32(id, code.id);
    state = store_cell(&c->memory, STORE_CID, id, sizeof(id),
                       sizeof(store_state_t), 0, &size);
    if (state == NULL) {
        return;
    }

    if (*size == 0) {
        *size = sizeof(store_state_t);
        state->created = record->time;
        state->program = change->program;
        state->owner = state->name = state->landing
                     = store_check(0, 0, "", 0);
    }

    state->changed = record->time;

    if (change->set & REFERRAL_SET_OWNER) {
        state->owner = store_state_str(change->owner);
    }

    if (change->set & REFERRAL_SET_NAME) {
        state->name = store_state_str(change->name);
    }

    if (change->set & REFERRAL_SET_LANDING) {
        state->landing = store_state_str(change->landing);
    }

    if (change->set & REFERRAL_SET_KIND) {
        state->kind = change->kind;
    }

    if (change->set & REFERRAL_SET_STATUS) {
        state->status = change->status;
    }
}


static void
store_recount_program(store_compare_t *c, const referral_program_t *program)
{
    MDB_val              v;
    store_program_row_t  row;

    c->programs++;

    if (store_get(c->disk, STORE_PROG, program->name.data, program->name.len,
                  &v)
        && v.mv_size == sizeof(row))
    {
        memcpy(&row, v.mv_data, sizeof(row));

        if (row.id == program->id
            && row.case_sensitive == program->case_sensitive)
        {
            return;
        }
    }

    store_differs(c, STORE_PROG, program->name.data, program->name.len,
                  "is not what the journal says");
}


/* Sequences ascend by one. */

static void
store_recount_row(store_compare_t *c, const MDB_val *k, const MDB_val *v,
    uint64_t seq)
{
    store_click_row_t   row;
    referral_record_t   record;

    if (k->mv_size != 8 || store_get_be64(k->mv_data) != seq) {
        store_differs(c, STORE_JRNL, k->mv_data, k->mv_size, "has a gap");
        return;
    }

    if (v->mv_size == sizeof(row)
        && *(unsigned char *) v->mv_data == REFERRAL_RECORD_CLICK)
    {
        memcpy(&row, v->mv_data, sizeof(row));

        if (row.class < REFERRAL_CLASSES) {
            store_recount_click(c, &row, seq);
            return;
        }

    } else if (store_decode(v->mv_data, v->mv_size, &record) == 0) {

        if (record.type == REFERRAL_RECORD_CODE) {
            store_recount_code(c, &record);
            return;
        }

        if (record.type == REFERRAL_RECORD_PROGRAM) {
            store_recount_program(c, &record.u.program);
            return;
        }
    }

    store_differs(c, STORE_JRNL, k->mv_data, k->mv_size,
                  "has a record of no known form");
}


static void
store_recount(store_compare_t *c)
{
    int          rc;
    MDB_val      k, v;
    uint64_t     seq, all;
    MDB_stat     stat;
    MDB_cursor  *cursor;

    cursor = NULL;
    rc = mdb_stat(c->disk->txn, c->disk->store->dbi[STORE_JRNL], &stat);

    if (rc == 0) {
        rc = mdb_cursor_open(c->disk->txn, c->disk->store->dbi[STORE_JRNL],
                             &cursor);
    }

    if (rc != 0) {
        store_fail(c->disk, rc, "mdb_cursor_open()");
        return;
    }

    all = stat.ms_entries;

    for (seq = 1;
         (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0;
         seq++)
    {
        store_recount_row(c, &k, &v, seq);

        if (seq % STORE_PROGRESS == 0 && c->verify->progress != NULL) {
            c->verify->progress(c->verify->data, seq, all);
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_NOTFOUND) {
        store_fail(c->disk, rc, "mdb_cursor_get()");
    }
}


static void
store_compare_all(store_compare_t *c)
{
    unsigned        i;
    uint64_t        codes;
    store_cells_t  *cells;

    static const unsigned  counters[] = { STORE_HOT, STORE_HIST, STORE_PRG };

    cells = c->memory.cells;

    (void) store_cells_each(cells, store_compare, c);

    for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        store_compare_rows(c, counters[i],
                           store_cells_count(cells, counters[i]));
    }

    codes = store_cells_count(cells, STORE_CID);

    store_compare_rows(c, STORE_CODE, codes);
    store_compare_rows(c, STORE_CID, codes);
    store_compare_rows(c, STORE_OWN, c->owners);
    store_compare_rows(c, STORE_CLK, c->clicks);
    store_compare_rows(c, STORE_PROG, c->programs);
}


referral_rc_t
referral_store_verify(referral_snapshot_t *snap,
    const referral_verify_t *v, uint64_t *differences, referral_error_t *err)
{
    referral_rc_t    rc;
    store_compare_t  c;

    memset(&c, 0, sizeof(c));

    c.disk = &snap->t;
    c.verify = v;
    c.memory.store = snap->t.store;
    c.memory.cells = store_cells_create();

    if (c.memory.cells == NULL) {
        store_error(err, REFERRAL_FULL, 0, "malloc() failed");
        return REFERRAL_FULL;
    }

    store_recount(&c);

    if (c.memory.rc == 0) {
        store_compare_all(&c);
    }

    store_cells_destroy(c.memory.cells);

    *differences = c.differences;
    rc = store_failed(&c.memory, err);

    return (rc != REFERRAL_OK) ? rc : store_failed(c.disk, err);
}
