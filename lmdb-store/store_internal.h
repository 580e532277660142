/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files of the store share, and the layout of everything on disk.
 *
 *   store_env.c      opening, the schema
 *   store_program.c  programs
 *   store_txn.c      transactions with a latched error, rows
 *   store_cells.c    the counters of a batch
 *   store_codec.c    records as bytes
 *   store_ring.c     one slot: its lock, ring and log as files
 *   store_intake.c   taking, flushing and applying records of a slot
 *   store_batch.c    a batch of frames in one transaction
 *   store_recover.c  what the dead left
 *   store_apply.c    what a record does: the one door
 *   store_count.c    counters of clicks: adding
 *   store_sums.c     counters of clicks: reading
 *   store_read.c     snapshots, codes, clicks
 *   store_verify.c   the recount
 *
 * Databases.  Parts of keys are big-endian, so that they sort; values are
 * little-endian.  The first byte of a value that is a struct is its version.
 *
 *   meta  "V"                        store_head_t
 *         "J"                        u64 last journal sequence
 *         "C"                        u64 last code id, all programs
 *         "N"                        u32 last program id
 *         "P" slot2                  store_position_t
 *         "U" generation1            u32 day whose visitors it holds
 *   prog  name                       store_program_row_t
 *   code  prog4 folded code          store_code_t, then its strings
 *   cid   code4                      prog4 folded code
 *   own   prog4 owner 0 folded code  (nothing)
 *   dim   prog4 dim1 id2             label
 *         prog4 dim1|0x80 label      u16 id
 *         prog4 dim1                 u16 last id
 *   hot   prog4 code4                store_hot_t, then entries of its day
 *   hist  prog4 day4 code4           ver1, then entries; days before hot's
 *   prg   prog4 day4 dim1 id4        ver1 rsv7, then STORE_COLUMNS x u64;
 *                                    day 0: all time
 *   jrnl  seq8                       store_click_row_t, or a coded record
 *   clk   click id                   u64 place in the journal
 *   uq0-2 hash8                      u32 seconds of the last unique click
 *
 * A day is days since 1970 UTC.  An entry of a day is eight bytes: dim1
 * column1 id2 count4; only what is not zero has one.
 */

#ifndef REFERRAL_STORE_INTERNAL_H
#define REFERRAL_STORE_INTERNAL_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <lmdb.h>

#include "referral_store.h"


#if (MDB_VERSION_MAJOR != 0)
#error "LMDB 0.9 is required: the file format of LMDB 1.0 is another one"
#endif


#define STORE_SCHEMA        1
#define STORE_MAGIC         "RFSTORE"
#define STORE_MAX_SLOTS     1024
#define STORE_MAX_PROGRAMS  1024
#define STORE_MAX_READERS   1024
#define STORE_MAP_SIZE      ((uint64_t) 16 << 30)
#define STORE_RING_SIZE     ((uint64_t) 16 << 20)
#define STORE_RING_MIN      ((uint64_t) 1 << 20)
#define STORE_RING_MAX      ((uint64_t) 1 << 32)
#define STORE_BATCH         8000            /* records in a transaction */
#define STORE_BATCH_BYTES   (4 << 20)

#define STORE_COLUMNS       (REFERRAL_CLASSES + 1)
#define STORE_UNIQUE        REFERRAL_CLASSES    /* the last column */
#define STORE_ENTRIES_SOFT  96      /* entries of a code's day, beyond which
                                       new labels count as other */
#define STORE_ENTRIES_MAX   (STORE_ENTRIES_SOFT + 3 * STORE_COLUMNS)

#define STORE_HIST_HEAD     8       /* version and reserved bytes */
#define STORE_DIM_ALL       0       /* dim1 of counters */
#define STORE_DIM_HOUR      1
#define STORE_DIM_CHANNEL   2
#define STORE_DIM_LANDING   3
#define STORE_LABEL_OTHER   0xffff  /* id2; 0 is "none" */

#define STORE_UNIQUE_DAYS   3       /* generations of visitor sets */
#define STORE_KEY_MAX       (4 + REFERRAL_OWNER_MAX + 1 + REFERRAL_CODE_MAX)
#define STORE_RECORD_MAX    4096    /* bytes of a coded record */
#define STORE_CODE_SIZE     (sizeof(store_code_t) + REFERRAL_CODE_MAX          \
                             + REFERRAL_OWNER_MAX + REFERRAL_NAME_MAX         \
                             + REFERRAL_URL_MAX)


enum {
    STORE_META = 0,
    STORE_PROG,
    STORE_CODE,
    STORE_CID,
    STORE_OWN,
    STORE_DIM,
    STORE_HOT,
    STORE_HIST,
    STORE_PRG,
    STORE_JRNL,
    STORE_CLK,
    STORE_UQ0,
    STORE_DBS = STORE_UQ0 + STORE_UNIQUE_DAYS
};


/* On disk.  x86-64 and arm64 are little-endian; others are refused at open. */

typedef struct {
    char                    magic[8];
    uint32_t                schema;
    uint32_t                reserved;
    unsigned char           id[16];         /* random, for life */
    unsigned char           incarnation[8]; /* new in each copy of the store */
    int64_t                 created;
} store_head_t;

typedef struct {
    uint64_t                generation;     /* of the slot's files */
    uint64_t                seq;            /* applied up to */
    uint64_t                pos;            /* where the next record begins */
} store_position_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 case_sensitive;
    uint16_t                reserved;
    uint32_t                id;
    int64_t                 created;
} store_program_row_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 status;
    uint8_t                 kind;
    uint8_t                 code_len;
    uint8_t                 owner_len;
    uint8_t                 name_len;
    uint16_t                landing_len;
    uint32_t                id;
    uint32_t                reserved;
    int64_t                 created;
    int64_t                 changed;
} store_code_t;

typedef struct {
    uint8_t                 dim;
    uint8_t                 column;
    uint16_t                id;
    uint32_t                count;
} store_entry_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 reserved[3];
    uint32_t                day;
    uint64_t                total[STORE_COLUMNS];
} store_hot_t;

typedef struct {
    uint8_t                 version;
    uint8_t                 reserved[7];
    uint64_t                column[STORE_COLUMNS];
} store_prg_t;

typedef struct {
    uint8_t                 type;           /* REFERRAL_RECORD_CLICK */
    uint8_t                 class;
    uint8_t                 why;
    uint8_t                 flags;
    uint32_t                program;
    uint32_t                code;
    uint16_t                channel;
    uint16_t                landing;
    int64_t                 time;
    unsigned char           click_id[REFERRAL_CLICK_ID_SIZE];
    uint8_t                 unique;
    uint8_t                 reserved[6];
} store_click_row_t;


/* A slot: one owner at a time, by the lock on its log file. */

#define STORE_RING_MAGIC    "RFRING1"
#define STORE_RING_HEADER   4096

typedef struct {
    char                    magic[8];
    unsigned char           store_id[16];
    unsigned char           incarnation[8];
    uint64_t                generation;
    uint64_t                size;           /* bytes of records */
    uint32_t                slot;
    uint32_t                reserved;
    uint64_t                released_seq;   /* applied for good */
    _Alignas(64) _Atomic uint64_t  head;    /* taken up to; rings only */
} store_ring_head_t;

typedef struct {
    uint32_t                len;            /* of the payload */
    uint32_t                check;          /* of generation, seq, payload */
    uint64_t                seq;
} store_frame_t;

#define STORE_FRAME_PAD     UINT32_MAX      /* len: the rest up to the end of
                                               the ring is not used */

typedef struct {
    unsigned                slot;
    int                     log_fd;         /* holds the lock */
    store_ring_head_t      *head;           /* mapped: header and records */
    unsigned char          *data;
    size_t                  mapped;
    uint64_t                size;
    char                    ring_path[512];
} store_slot_t;


struct referral_store_s {
    MDB_env                *env;
    MDB_dbi                 dbi[STORE_DBS];
    store_head_t            head;
    char                    path[400];
    char                    intake_path[400];
    uint64_t                intake_size;
    uint64_t                dev;
    uint64_t                ino;
    int64_t                 pid;
    unsigned                durable;
    unsigned                readonly;
    unsigned                broken;
    unsigned                refs;
    _Atomic unsigned char   cases[STORE_MAX_PROGRAMS]; /* 0 not known, 1 fold,
                                                          2 case-sensitive */
    referral_store_t       *next;
};


/* A transaction.  After the first failure rc stays and calls do nothing. */

typedef struct store_cells_s  store_cells_t;

typedef struct {
    uint32_t                program;
    uint16_t                id;             /* 0: none yet */
    uint16_t                len;
    unsigned char           text[REFERRAL_LANDING_MAX];
} store_label_t;

typedef struct {
    referral_store_t       *store;
    MDB_txn                *txn;
    store_cells_t          *cells;
    int                     rc;             /* an LMDB code or errno */
    const char             *what;           /* the call that failed */
    MDB_cursor             *cursors[2];     /* stay where the last click of
                                               jrnl and clk was put */
    store_label_t           labels[2];      /* the last of each dimension */
} store_txn_t;


struct referral_snapshot_s {
    store_txn_t             t;              /* renewed and reset */
    unsigned                open;
};


/* store_txn.c */

/* code: an errno or LMDB code, of which the reason is added; 0: none. */
void store_error(referral_error_t *err, referral_rc_t rc, int code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
referral_rc_t store_rc(int rc);

int store_begin(store_txn_t *t, referral_store_t *store, unsigned flags);
int store_commit(store_txn_t *t);
void store_abort(store_txn_t *t);
void store_fail(store_txn_t *t, int rc, const char *what);
/* The latched failure with its sentence, or REFERRAL_OK. */
referral_rc_t store_failed(const store_txn_t *t, referral_error_t *err);
/* What was committed is on disk; a failure breaks the store for good. */
referral_rc_t store_sync(referral_store_t *store, referral_error_t *err);

/* 1 and the value, 0 when there is none or the transaction has failed. */
int store_get(store_txn_t *t, unsigned db, const void *key, size_t len,
    MDB_val *value);
void store_put(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size);
void store_append(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size);
void store_delete(store_txn_t *t, unsigned db, const void *key, size_t len);
/* Removes every row. */
void store_empty(store_txn_t *t, unsigned db);


/* store_cells.c */

/*
 * Cells: counters as they will be at the end of the batch.  A cell is read
 * from the database once, changed in memory, written once in key order.
 * store_cell() returns its bytes, *size used and room for head of them, and
 * for more beyond what it has; a new cell has *size 0 and zeros.  Pointers
 * hold until the next store_cell().
 * NULL: no memory, the transaction has failed.  Without a database behind
 * (t->txn NULL) cells count from nothing: that is the recount.
 */

#define STORE_CELL_KEY  16
#define STORE_CELL_MAX  (sizeof(store_hot_t)                                   \
                         + STORE_ENTRIES_MAX * sizeof(store_entry_t))

store_cells_t *store_cells_create(void);
void store_cells_destroy(store_cells_t *cells);
void store_cells_clear(store_cells_t *cells);
void *store_cell(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t head, size_t more, size_t **size);
void store_cells_write(store_txn_t *t);
size_t store_cells_count(const store_cells_t *cells, unsigned db);
int store_cells_each(const store_cells_t *cells,
    int (*visit)(void *data, unsigned db, const void *key, size_t len,
    const void *value, size_t size), void *data);


/* store_codec.c */

/* Bytes of a record; 0 when a string is too long or the type unknown. */
size_t store_encode(const referral_record_t *record, unsigned char *buf);
/* Strings point into buf.  0 or -1: not a record. */
int store_decode(const unsigned char *buf, size_t len,
    referral_record_t *record);
uint32_t store_check(uint64_t generation, uint64_t seq, const void *data,
    size_t len);


/* store_ring.c */

referral_rc_t store_slot_lock(referral_store_t *store, unsigned slot,
    unsigned create, store_slot_t *s, referral_error_t *err);
void store_slot_unlock(store_slot_t *s);
/* Maps the ring a dead owner left; NOT_FOUND when there is none of ours. */
referral_rc_t store_slot_map(referral_store_t *store, store_slot_t *s,
    referral_error_t *err);
/* A fresh ring, and a log when the store is durable, of that generation. */
referral_rc_t store_slot_format(referral_store_t *store, store_slot_t *s,
    uint64_t generation, referral_error_t *err);
/* The log as a ring in memory, to be freed; NOT_FOUND when it has none. */
referral_rc_t store_slot_read_log(referral_store_t *store, store_slot_t *s,
    store_ring_head_t **head, referral_error_t *err);
void store_slot_unlink_ring(store_slot_t *s);


/* store_batch.c */

/* Where records are read from: a live ring, a dead one, or a log. */

typedef struct {
    const unsigned char    *data;
    uint64_t                size;
    uint64_t                end;            /* nothing is read beyond */
    uint16_t                slot;
    store_position_t        at;             /* applied up to here */
} store_source_t;

typedef struct {
    unsigned            limit;              /* records */
    unsigned            skip;               /* the first one is poison */
    referral_result_t  *results;
    unsigned            max_results;
} store_run_t;

static inline uint64_t
store_frame_size(size_t len)
{
    return (sizeof(store_frame_t) + len + 7) & ~(uint64_t) 7;
}

void store_put_position(store_txn_t *t, const store_source_t *source,
    const store_position_t *at);
/*
 * Applies a batch; once more record by record when it fails for a reason that
 * lies in a record: then that record is passed over.
 */
referral_rc_t store_run_batch(referral_store_t *store, store_cells_t *cells,
    store_source_t *source, store_run_t *run, referral_batch_t *batch,
    referral_error_t *err);


/* store_recover.c */

referral_rc_t store_may_write(referral_store_t *store, referral_error_t *err);
/*
 * Applies what a dead owner left, then begins a new generation, which makes
 * whatever is still in ring and log void.  The caller holds the slot.
 */
referral_rc_t store_recover(referral_store_t *store, store_slot_t *s,
    store_position_t *position, unsigned *records, referral_error_t *err);


/* store_apply.c */

/* Applies one record.  Failures of the store are latched in t. */
referral_result_t store_apply(store_txn_t *t, const referral_record_t *record);
/* prog4 owner 0 code: the codes of one owner, side by side. */
size_t store_owner_key(store_txn_t *t, uint32_t program,
    const referral_code_t *code, unsigned char *key);


/* store_count.c */

void store_count_click(store_txn_t *t, const store_click_row_t *row);
/* The number of a label of a dimension, made when it is new. */
uint16_t store_label_id(store_txn_t *t, uint32_t program, unsigned dim,
    referral_str_t label);
/* The label of a number; "other" and "" for the two that are no rows. */
referral_str_t store_label(store_txn_t *t, uint32_t program, unsigned dim,
    uint16_t id);


/* store_read.c */

int store_code_parse(const MDB_val *value, referral_code_t *out);
/* The name of a code by its number, empty when it has none. */
referral_str_t store_code_name(store_txn_t *t, uint32_t id);
/* prog4 and the code as it is looked up; key holds STORE_KEY_MAX bytes. */
size_t store_code_key(store_txn_t *t, uint32_t program, referral_str_t code,
    unsigned char *key);


/* Bytes. */

static inline void
store_be16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char) (v >> 8);
    p[1] = (unsigned char) v;
}


static inline void
store_be32(unsigned char *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof(v));
}


static inline void
store_be64(unsigned char *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof(v));
}


static inline uint32_t
store_get_be32(const unsigned char *p)
{
    uint32_t  v;

    memcpy(&v, p, sizeof(v));

    return __builtin_bswap32(v);
}


static inline uint64_t
store_get_be64(const unsigned char *p)
{
    uint64_t  v;

    memcpy(&v, p, sizeof(v));

    return __builtin_bswap64(v);
}


/* Day 0 stands for all time: a clock that was never set shows day 1. */

static inline uint32_t
store_day(int64_t ms)
{
    return (ms >= 2 * 86400000) ? (uint32_t) (ms / 86400000) : 1;
}


/* Keys of counters. */

static inline void
store_prg_key(unsigned char *key, uint32_t program, uint32_t day,
    unsigned dim, uint32_t id)
{
    store_be32(key, program);
    store_be32(key + 4, day);
    key[8] = (unsigned char) dim;
    store_be32(key + 9, id);
}


static inline void
store_hist_key(unsigned char *key, uint32_t program, uint32_t day,
    uint32_t code)
{
    store_be32(key, program);
    store_be32(key + 4, day);
    store_be32(key + 8, code);
}


#endif /* REFERRAL_STORE_INTERNAL_H */
