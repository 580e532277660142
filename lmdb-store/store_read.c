/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Snapshots, and what is read in them: codes, clicks, the state of the store.
 */

#include <stdlib.h>
#include <sys/stat.h>

#include "store_internal.h"


static const char  *store_class_names[] = {
    "human", "crawler", "preview", "prefetch", "scanner", "stuffing",
    "probe", "suspect", "self", "unknown", "inactive"
};

static const char  *store_why_names[] = {
    "navigation", "method", "sec_purpose", "fetch_dest", "fetch_mode",
    "accept", "no_user_agent", "user_agent", "bots_file", "match_limit",
    "owner", "no_code", "code_ended", "code_paused", "no_fetch_metadata",
    "no_language", "scanner_referer", "banned_referer", "burst",
    "client_hints", "bot_header", "velocity", "enumeration"
};

_Static_assert(sizeof(store_class_names) / sizeof(char *) == REFERRAL_CLASSES,
               "a class without a name");
_Static_assert(sizeof(store_why_names) / sizeof(char *) == REFERRAL_WHYS,
               "a reason without a name");


const char *
referral_class_name(unsigned class)
{
    return (class < REFERRAL_CLASSES) ? store_class_names[class] : "";
}


const char *
referral_why_name(unsigned why)
{
    return (why < REFERRAL_WHYS) ? store_why_names[why] : "";
}


referral_rc_t
referral_snapshot_create(referral_store_t *store, referral_snapshot_t **out,
    referral_error_t *err)
{
    referral_rc_t         rc;
    referral_snapshot_t  *snap;

    snap = calloc(1, sizeof(referral_snapshot_t));
    if (snap == NULL) {
        store_error(err, REFERRAL_FULL, 0, "malloc() failed");
        return REFERRAL_FULL;
    }

    if (store->alone) {
        (void) store_begin(&snap->t, store, MDB_RDONLY);

    } else if (store_begin_once(&snap->t, store, MDB_RDONLY)
               == MDB_MAP_RESIZED)
    {
        atomic_store(&store->outgrown, 1);
    }

    rc = store_failed(&snap->t, err);

    if (rc != REFERRAL_OK) {
        free(snap);
        return rc;
    }

    mdb_txn_reset(snap->t.txn);
    store_gate_leave(store);
    *out = snap;

    return REFERRAL_OK;
}


static int
store_snapshot_renew(referral_snapshot_t *snap)
{
    int  rc;

    rc = store_gate_enter(snap->t.store);

    if (rc == 0) {
        rc = mdb_txn_renew(snap->t.txn);

        if (rc != 0) {
            store_gate_leave(snap->t.store);
        }
    }

    return rc;
}


/* The file may be larger than the map: then the committer replaces that. */

referral_rc_t
referral_snapshot_begin(referral_snapshot_t *snap)
{
    int                rc;
    referral_store_t  *store;

    store = snap->t.store;
    rc = store_snapshot_renew(snap);

    if (rc == MDB_MAP_RESIZED) {
        atomic_store(&store->outgrown, 1);

        if (store->alone && store_remap(store, 0) == 0) {
            rc = store_snapshot_renew(snap);
        }
    }

    snap->t.rc = rc;
    snap->t.what = "mdb_txn_renew()";
    snap->open = (rc == 0);

    return store_rc(rc);
}


void
referral_snapshot_end(referral_snapshot_t *snap)
{
    if (snap->open) {
        mdb_txn_reset(snap->t.txn);
        snap->open = 0;
        store_gate_leave(snap->t.store);
    }
}


void
referral_snapshot_destroy(referral_snapshot_t *snap)
{
    referral_snapshot_end(snap);
    mdb_txn_abort(snap->t.txn);
    free(snap);
}


uint64_t
referral_snapshot_id(referral_snapshot_t *snap)
{
    return (uint64_t) mdb_txn_id(snap->t.txn);
}


uint64_t
referral_snapshot_file(referral_snapshot_t *snap)
{
    const store_head_t  *head;

    head = &snap->t.store->head;

    return store_get_be64(head->incarnation) + head->copies;
}


uint64_t
referral_store_last_id(referral_store_t *store)
{
    MDB_envinfo  info;

    if (store_gate_enter(store) != 0) {
        return 0;
    }

    (void) mdb_env_info(store->env, &info);

    store_gate_leave(store);

    return info.me_last_txnid;
}


/* Whether codes of a program are case-sensitive: 1 no, 2 yes. */

static unsigned char
store_program_case(store_txn_t *t, uint32_t program)
{
    int                   rc;
    MDB_val               k, v;
    MDB_cursor           *cursor;
    unsigned char         found;
    store_program_row_t   row;

    if (program >= STORE_MAX_PROGRAMS) {
        return 1;
    }

    found = atomic_load_explicit(&t->store->cases[program],
                                 memory_order_relaxed);
    if (found != 0 || t->rc != 0) {
        return found;
    }

    found = 1;
    rc = mdb_cursor_open(t->txn, t->store->dbi[STORE_PROG], &cursor);

    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return found;
    }

    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        if (v.mv_size == sizeof(row)) {
            memcpy(&row, v.mv_data, sizeof(row));

            if (row.id == program) {
                found = row.case_sensitive ? 2 : 1;
                atomic_store_explicit(&t->store->cases[program], found,
                                      memory_order_relaxed);
                break;
            }
        }
    }

    mdb_cursor_close(cursor);

    return found;
}


size_t
store_code_key(store_txn_t *t, uint32_t program, referral_str_t code,
    unsigned char *key)
{
    size_t         i, len;
    unsigned char  c, fold;

    len = (code.len <= REFERRAL_CODE_MAX) ? code.len : REFERRAL_CODE_MAX;
    fold = (store_program_case(t, program) != 2);

    store_be32(key, program);

    for (i = 0; i < len; i++) {
        c = code.data[i];
        key[4 + i] = (fold && c >= 'a' && c <= 'z') ? c - 'a' + 'A' : c;
    }

    return 4 + len;
}


int
store_code_parse(const MDB_val *value, referral_code_t *out)
{
    store_code_t          head;
    const unsigned char  *p;

    if (value->mv_size < sizeof(head)) {
        return -1;
    }

    memcpy(&head, value->mv_data, sizeof(head));

    if (value->mv_size < sizeof(head) + head.code_len + head.owner_len
                         + head.name_len + head.landing_len)
    {
        return -1;
    }

    p = (const unsigned char *) value->mv_data + sizeof(head);

    out->id = head.id;
    out->kind = head.kind;
    out->status = head.status;
    out->created = head.created;
    out->changed = head.changed;

    out->code.data = p;
    out->code.len = head.code_len;
    out->owner.data = p += head.code_len;
    out->owner.len = head.owner_len;
    out->name.data = p += head.owner_len;
    out->name.len = head.name_len;
    out->landing.data = p + head.name_len;
    out->landing.len = head.landing_len;

    return 0;
}


static referral_rc_t
store_code_at(store_txn_t *t, const unsigned char *key, size_t len,
    referral_code_t *out)
{
    MDB_val  v;

    if (!store_get(t, STORE_CODE, key, len, &v)) {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    return store_code_parse(&v, out) == 0 ? REFERRAL_OK : REFERRAL_CORRUPT;
}


referral_rc_t
referral_code_get(referral_snapshot_t *snap, uint32_t program,
    referral_str_t code, referral_code_t *out)
{
    size_t         len;
    unsigned char  key[STORE_KEY_MAX];

    if (code.len == 0 || code.len > REFERRAL_CODE_MAX) {
        return REFERRAL_NOT_FOUND;
    }

    len = store_code_key(&snap->t, program, code, key);

    return store_code_at(&snap->t, key, len, out);
}


int
store_code_by_id(store_txn_t *t, uint32_t id, referral_code_t *code)
{
    MDB_val        v;
    unsigned char  key[4];

    store_be32(key, id);

    return id != 0 && store_get(t, STORE_CID, key, sizeof(key), &v)
           && store_code_at(t, v.mv_data, v.mv_size, code) == REFERRAL_OK;
}


referral_str_t
store_code_name(store_txn_t *t, uint32_t id)
{
    referral_code_t  code;

    return store_code_by_id(t, id, &code) ? code.code : store_str("");
}


/*
 * Codes in order.  With an owner the rows are those of "own", whose keys end
 * in the code; without, those of "code" itself.
 */

referral_rc_t
referral_code_list(referral_snapshot_t *snap, uint32_t program,
    referral_str_t after, referral_str_t owner, referral_code_visit_pt visit,
    void *data)
{
    int                   rc;
    size_t                len, prefix;
    MDB_val               k, v;
    unsigned              db;
    store_txn_t          *t;
    MDB_cursor           *cursor;
    unsigned char         key[STORE_KEY_MAX], code[STORE_KEY_MAX];
    referral_code_t       out;

    t = &snap->t;
    db = (owner.len != 0) ? STORE_OWN : STORE_CODE;

    len = store_code_key(t, program, after, code);
    memcpy(key, code, 4);
    prefix = 4;

    if (owner.len != 0) {
        if (owner.len > REFERRAL_OWNER_MAX) {
            return REFERRAL_OK;
        }

        memcpy(key + 4, owner.data, owner.len);
        key[4 + owner.len] = '\0';
        prefix += owner.len + 1;
    }

    memcpy(key + prefix, code + 4, len - 4);
    len += prefix - 4;

    rc = mdb_cursor_open(t->txn, t->store->dbi[db], &cursor);
    if (rc != 0) {
        store_fail(t, rc, "mdb_cursor_open()");
        return store_rc(rc);
    }

    k.mv_size = len;
    k.mv_data = key;

    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
         rc == 0 && k.mv_size > prefix && memcmp(k.mv_data, key, prefix) == 0;
         rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))
    {
        if (after.len != 0 && k.mv_size == len
            && memcmp(k.mv_data, key, len) == 0)
        {
            continue;
        }

        memcpy(code + 4, (unsigned char *) k.mv_data + prefix,
               k.mv_size - prefix);

        if (store_code_at(t, code, 4 + k.mv_size - prefix, &out)
            == REFERRAL_OK && visit(data, &out) != 0)
        {
            break;
        }
    }

    mdb_cursor_close(cursor);

    return store_rc(t->rc);
}


referral_rc_t
referral_click_get(referral_snapshot_t *snap, uint32_t program,
    const unsigned char id[REFERRAL_CLICK_ID_SIZE],
    referral_click_info_t *out)
{
    MDB_val             v;
    uint64_t            seq;
    store_txn_t        *t;
    unsigned char       key[8];
    store_click_row_t   row;

    t = &snap->t;

    if (!store_get(t, STORE_CLK, id, REFERRAL_CLICK_ID_SIZE, &v)
        || v.mv_size != sizeof(seq))
    {
        return t->rc ? store_rc(t->rc) : REFERRAL_NOT_FOUND;
    }

    memcpy(&seq, v.mv_data, sizeof(seq));
    store_be64(key, seq);

    if (!store_get(t, STORE_JRNL, key, sizeof(key), &v)
        || v.mv_size != sizeof(row))
    {
        return REFERRAL_NOT_FOUND;
    }

    memcpy(&row, v.mv_data, sizeof(row));

    if (row.type != REFERRAL_RECORD_CLICK || row.program != program) {
        return REFERRAL_NOT_FOUND;
    }

    out->seq = seq;
    out->time = row.time;
    out->code_id = row.code;
    out->class = row.class;
    out->why = row.why;
    out->flags = row.flags;
    out->unique = row.unique;
    memcpy(out->id, row.click_id, sizeof(out->id));
    out->code = store_code_name(t, row.code);
    out->channel = store_label(t, program, STORE_DIM_CHANNEL, row.channel);
    out->landing = store_label(t, program, STORE_DIM_LANDING, row.landing);

    return store_rc(t->rc);
}


static uint64_t
store_entries(store_txn_t *t, unsigned db)
{
    int       rc;
    MDB_stat  stat;

    rc = mdb_stat(t->txn, t->store->dbi[db], &stat);

    if (rc != 0) {
        store_fail(t, rc, "mdb_stat()");
        return 0;
    }

    return stat.ms_entries;
}


static unsigned
store_slots(store_txn_t *t)
{
    MDB_val        v;
    unsigned       slot;
    unsigned char  key[3];

    for (slot = 0; slot < STORE_MAX_SLOTS; slot++) {
        store_slot_key(key, 'P', slot);

        if (!store_get(t, STORE_META, key, sizeof(key), &v)) {
            break;
        }
    }

    return slot;
}


/*
 * Counting free pages takes its time in a large store: where house is kept,
 * that was done not long ago.  A tool shows the map that nginx has, and the
 * level there is; nginx shows the one in force.
 */

static void
store_info_pages(store_txn_t *t, const MDB_envinfo *info, uint64_t page,
    referral_store_info_t *out)
{
    uint64_t           used, free_pages, wanted;
    referral_store_t  *store;

    store = t->store;

    free_pages = atomic_load_explicit(&store->kept, memory_order_relaxed)
                 ? atomic_load_explicit(&store->free_pages,
                                        memory_order_relaxed)
                 : store_free_pages(t);

    used = info->me_last_pgno + 1;
    out->map_size = info->me_mapsize;
    wanted = store->alone ? store_map_wanted(t) : 0;

    if (wanted != 0) {
        out->map_size = (wanted > used * page) ? wanted : used * page;
    }

    used -= (free_pages < used) ? free_pages : used;

    out->used = used * page;
    out->percent = store_level_percent(used, out->map_size / page);
    out->level = store->alone ? store_level_of(used, out->map_size / page)
                              : referral_store_level(store);
}


referral_rc_t
referral_store_info(referral_snapshot_t *snap, referral_store_info_t *out)
{
    size_t            i;
    MDB_stat          stat;
    MDB_val           v;
    store_txn_t      *t;
    struct stat       st;
    MDB_envinfo       info;
    mdb_filehandle_t  fd;
    static const char  hex[] = "0123456789abcdef";

    t = &snap->t;
    memset(out, 0, sizeof(referral_store_info_t));

    (void) mdb_env_info(t->store->env, &info);
    (void) mdb_env_stat(t->store->env, &stat);

    if (mdb_env_get_fd(t->store->env, &fd) == 0 && fstat(fd, &st) == 0) {
        out->file_size = (uint64_t) st.st_size;
    }

    store_info_pages(t, &info, stat.ms_psize, out);
    out->last_txn = info.me_last_txnid;
    out->readers = info.me_numreaders;
    out->max_readers = info.me_maxreaders;
    out->codes = store_entries(t, STORE_CODE);
    out->schema = t->store->head.schema;
    out->slots = store_slots(t);

    if (store_get(t, STORE_META, "J", 1, &v) && v.mv_size == 8) {
        memcpy(&out->journal, v.mv_data, 8);
    }

    for (i = 0; i < sizeof(t->store->head.id); i++) {
        out->id[2 * i] = hex[t->store->head.id[i] >> 4];
        out->id[2 * i + 1] = hex[t->store->head.id[i] & 15];
    }

    return store_rc(t->rc);
}
