/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files of the store share; store_layout.h is what is on disk.
 *
 *   store_env.c      opening, the schema
 *   store_upgrade.c  stores of an earlier schema
 *   store_program.c  programs
 *   store_txn.c      transactions with a latched error, rows
 *   store_gate.c     who looks at the map, and replacing it
 *   store_level.c    how full the map is, and what is refused then
 *   store_walk.c     rows side by side
 *   store_cells.c    the counters of a batch
 *   store_sorted.c   many cells in the order of their keys
 *   store_unique.c   which clicks are unique
 *   store_visitors.c the visitors of a batch
 *   store_codec.c    records as bytes; store_codec_event.c those of events
 *   store_ring.c     one slot: its lock, ring and log as files
 *   store_intake.c   taking, flushing and applying records of a slot
 *   store_batch.c    a batch of frames in one transaction
 *   store_recover.c  what the dead left
 *   store_apply.c    what a record does: the one door
 *   store_count.c    counters of clicks: adding
 *   store_sums.c     counters of clicks: reading
 *   store_codes.c    those of many codes
 *   store_base.c     counters of clicks: what is left of purged ones
 *   store_purge.c    clicks leave the journal
 *   store_read.c     snapshots, codes, clicks
 *   store_direct.c   records that come from no intake
 *   store_lock.c     who has the store open
 *   store_copy.c     a compact copy
 *   store_backup.c   a copy in another directory
 *   store_compact.c  space that is not used is given back
 *   store_punch.c    the same in place
 *   store_rules.c    rules in force, numbers of their names
 *   store_attribute.c  which code an event is credited to
 *   store_event.c    what an event does
 *   store_refund.c   what a refund does
 *   store_credit.c   points and rewards, given and taken back
 *   store_reward.c   a reward and its states
 *   store_every.c    rewards for every N-th event
 *   store_note.c     what followed, for readers of the journal
 *   store_decide.c   decisions
 *   store_hold.c     holds, and that they pass
 *   store_customer.c what a customer is bound to
 *   store_score.c    points of a code, leaderboards
 *   store_tally.c    counters of events, of amounts, of what is to be paid
 *   store_order.c    rows of orders and rewards
 *   store_ledger.c   reading conversions and refunds
 *   store_payout.c   reading rewards, scores, accounts
 *   store_sheet.c    reading counters of events and leaderboards
 *   store_journal.c  reading the journal
 *   store_replay.c   the journal applied once more
 *   store_verify.c   the recount, see store_verify.h
 *   store_erase.c    erasing a person: store_person.c finds them,
 *                    store_rename.c changes rows, store_scrub.c inner pages,
 *                    store_wipe.c logs
 */

#ifndef REFERRAL_STORE_INTERNAL_H
#define REFERRAL_STORE_INTERNAL_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <lmdb.h>

#include "referral_ledger.h"
#include "referral_tools.h"
#include "store_layout.h"


#if (MDB_VERSION_MAJOR != 0)
#error "LMDB 0.9 is required: the file format of LMDB 1.0 is another one"
#endif


#define STORE_MAX_SLOTS     1024
#define STORE_MAX_PROGRAMS  1024
#define STORE_MAX_READERS   1024
#define STORE_MAP_SIZE      ((uint64_t) 16 << 30)
#define STORE_RING_SIZE     ((uint64_t) 16 << 20)
#define STORE_RING_MIN      ((uint64_t) 1 << 20)
#define STORE_RING_MAX      ((uint64_t) 1 << 32)
#define STORE_BATCH         8000            /* records in a transaction */
#define STORE_BATCH_CLICKS  50000           /* and clicks */
#define STORE_BATCH_PAGES   16384           /* that clicks may change */
#define STORE_BATCH_SHARED  1000            /* while others wait for the lock */
#define STORE_BATCH_BYTES   (16 << 20)

#define STORE_KEY_MAX       (4 + REFERRAL_OWNER_MAX + 1 + REFERRAL_CODE_MAX)
#define STORE_RECORD_MAX    (REFERRAL_RULES_SIZE + 64)  /* bytes, coded */
#define STORE_CODE_SIZE     (sizeof(store_code_t) + REFERRAL_CODE_MAX          \
                             + REFERRAL_OWNER_MAX + REFERRAL_NAME_MAX         \
                             + REFERRAL_URL_MAX)


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


typedef struct store_rules_s  store_rules_t;

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
    int                     lock_fd;        /* of the directory, locked */
    unsigned                durable;
    unsigned                readonly;
    _Atomic unsigned        broken;
    unsigned                replaced;       /* the file has another place */
    unsigned                doubt;          /* of the meta pages on disk */
    unsigned                refs;
    unsigned                shared;         /* batches that are to be short */
    uint64_t                serial;         /* of its transactions */
    _Atomic uint64_t        synced;         /* transaction known to be on disk */
    store_rules_t          *rules[STORE_MAX_PROGRAMS];  /* taken apart */
    _Atomic unsigned char   cases[STORE_MAX_PROGRAMS]; /* 0 not known, 1 fold,
                                                          2 case-sensitive */
    unsigned                alone;          /* no thread but this one: who
                                               reads may replace the map */

    /* any thread */
    _Atomic unsigned        inside;         /* users of the map */
    _Atomic unsigned        closed;         /* to new ones */
    _Atomic unsigned        outgrown;       /* a snapshot wants a larger map */
    _Atomic unsigned        level;
    _Atomic unsigned        kept;           /* house is: free_pages is fresh */
    _Atomic uint64_t        room;           /* bytes left but the reserve */
    _Atomic uint64_t        free_pages;

    /* committer: as last measured */
    uint64_t                page;           /* bytes */
    uint64_t                used;           /* pages */
    uint64_t                pages;          /* of the map */
    uint64_t                measured;       /* us, monotonic */
    uint64_t                measure_pause;
    referral_store_t       *next;
};


/* A transaction.  After the first failure rc stays and calls do nothing. */

typedef struct store_cells_s  store_cells_t;

typedef struct store_txn_s  store_txn_t;

struct store_txn_s {
    referral_store_t       *store;
    MDB_txn                *txn;
    store_txn_t            *clicks;         /* where clicks are looked up */
    store_cells_t          *cells;
    int                     rc;             /* an LMDB code or errno */
    const char             *what;           /* the call that failed */
    MDB_cursor             *cursors[2];     /* stay where the last click of
                                               jrnl and clk was put */
    unsigned char           last[REFERRAL_CLICK_ID_SIZE];  /* of clk */
    uint64_t                serial;
};


struct referral_snapshot_s {
    store_txn_t             t;              /* renewed and reset */
    unsigned                open;
};


/* store_lock.c */

/* Shares the directory with all who have the store open. */
referral_rc_t store_lock(referral_store_t *store, referral_error_t *err);
void store_unlock(referral_store_t *store);
/*
 * Has the directory for itself, or shares it as before: *alone.  An error
 * when the file is another one now.
 */
referral_rc_t store_lock_alone(referral_store_t *store, unsigned *alone,
    referral_error_t *err);
/* Refuses to join those who see other processes; before any write. */
referral_rc_t store_check_namespace(referral_store_t *store,
    referral_error_t *err);
void store_put_namespace(store_txn_t *t);


/* store_copy.c */

typedef struct {
    const char             *path;
    unsigned                paced;          /* for the sake of others */
    unsigned                renewed;        /* of a new incarnation */
    const referral_watch_t *watch;
} store_copy_t;

/* A new file, on disk when it is there; nothing is left of one that failed. */
referral_rc_t store_copy(referral_store_t *store, const store_copy_t *copy,
    uint64_t *bytes, referral_error_t *err);
/* 0 or errno. */
int store_sync_directory(const char *path);
/* Whether to go on. */
int store_watch(const referral_watch_t *watch, uint64_t done, uint64_t all);


/* store_punch.c */

referral_rc_t store_punch(referral_store_t *store,
    const referral_watch_t *watch, referral_error_t *err);


/* store_gate.c */

/* Its file was replaced: nobody uses it any more. */
void store_lost(referral_store_t *store);
/* Whether data.mdb is not the file that is open: it is not written then. */
int store_replaced(referral_store_t *store);

/*
 * Around everything that touches the map and is no transaction of
 * store_begin().  0, EBUSY while the map is replaced, or MDB_PANIC when that
 * failed.
 */
int store_gate_enter(referral_store_t *store);
void store_gate_leave(referral_store_t *store);

/* The same for a thread that may wait until it is replaced. */
int store_gate_pass(referral_store_t *store);
/*
 * Replaces the map; 0: by one of the size that others have.  Committer only,
 * without a transaction: EBUSY when somebody stays inside.
 */
int store_remap(referral_store_t *store, uint64_t size);


/* store_level.c */

#define STORE_ROOM_PART     8       /* of the room, that a ring may claim */

/* Of a store that is open; size: of the map that is configured; 0: a tool. */
void store_level_open(referral_store_t *store, uint64_t size);
/* Pages in use, of as many. */
referral_level_t store_level_of(uint64_t used, uint64_t pages);
unsigned store_level_percent(uint64_t used, uint64_t pages);
/* Whether a record of that type is not to be taken; waiting: bytes. */
int store_level_refuses(referral_store_t *store, unsigned type,
    uint64_t waiting);
/*
 * How full the map is, counted; soon: unless it was, for what that costs,
 * just now; cheap: unless it has much room anyway.  Also gives the map the
 * size that nginx was given last.  Committer only, without a transaction.
 */
void store_measure(referral_store_t *store);
void store_measure_soon(referral_store_t *store);
void store_measure_cheap(referral_store_t *store);
/* The size of the map that nginx was given last; 0: not known. */
uint64_t store_map_wanted(store_txn_t *t);
uint64_t store_free_pages(store_txn_t *t);


/* store_txn.c */

/* code: an errno or LMDB code, of which the reason is added; 0: none. */
void store_error(referral_error_t *err, referral_rc_t rc, int code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
referral_rc_t store_rc(int rc);

/*
 * Takes over a larger map when others have one, which waits for snapshots:
 * not for an event loop.
 */
int store_begin(store_txn_t *t, referral_store_t *store, unsigned flags);
/* Never waits for snapshots: a reader gets MDB_MAP_RESIZED or EBUSY. */
int store_begin_once(store_txn_t *t, referral_store_t *store,
    unsigned flags);
int store_commit(store_txn_t *t);
void store_abort(store_txn_t *t);
void store_fail(store_txn_t *t, int rc, const char *what);
/* The latched failure with its sentence, or REFERRAL_OK. */
referral_rc_t store_failed(const store_txn_t *t, referral_error_t *err);
/* What was committed is on disk; a failure breaks the store for good. */
referral_rc_t store_sync(referral_store_t *store, referral_error_t *err);

/* A row of meta of that size, in a transaction of its own; zeros: none. */
referral_rc_t store_read_meta(referral_store_t *store, unsigned flags,
    const void *key, size_t len, void *value, size_t size,
    referral_error_t *err);
/* By the clock of the wall, ms. */
int64_t store_wall_ms(void);

/* 1 and the value, 0 when there is none or the transaction has failed. */
int store_get(store_txn_t *t, unsigned db, const void *key, size_t len,
    MDB_val *value);
void store_put(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size);
/* A row that is there stays: 0, or 1 when there was none. */
int store_put_new(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size);
void store_append(store_txn_t *t, unsigned db, const void *key, size_t len,
    const void *value, size_t size);
void store_delete(store_txn_t *t, unsigned db, const void *key, size_t len);
/* Removes every row. */
void store_empty(store_txn_t *t, unsigned db);


/* store_walk.c */

/*
 * Rows whose keys begin with the first prefix bytes of key, in order, from key
 * on, until visit returns non-zero or the transaction has failed.
 */

typedef int (*store_walk_pt)(void *data, const MDB_val *key,
    const MDB_val *value);

void store_walk(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t prefix, store_walk_pt visit, void *data);
/* The same in reverse order, from the last one before key. */
void store_walk_back(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t prefix, store_walk_pt visit, void *data);
/* A row that is not what it should be; returns 1, which ends a walk. */
int store_corrupt(store_txn_t *t, const char *what);


/* store_cells.c */

/*
 * Cells: counters as they will be at the end of the batch.  A cell is read
 * from the database once, changed in memory, written once in key order.
 * store_cell() returns its bytes, *size used and room for head of them, and
 * for more beyond what it has; a new cell has *size 0 and zeros.  Pointers
 * hold until the next store_cell().
 * NULL: no memory, the transaction has failed.  Without a database behind
 * (t->txn NULL) cells count from nothing: that is the upgrade.
 */

#define STORE_CELL_KEY  24
#define STORE_CELL_MAX  (sizeof(store_hot_t)                                   \
                         + STORE_ENTRIES_MAX * sizeof(store_entry_t))

store_cells_t *store_cells_create(void);
void store_cells_destroy(store_cells_t *cells);
void store_cells_clear(store_cells_t *cells);
void *store_cell(store_txn_t *t, unsigned db, const void *key, size_t len,
    size_t head, size_t more, size_t **size);
/* Many cells of a database are best told before, then read at once. */
void store_cell_want(store_txn_t *t, unsigned db, const void *key,
    size_t len);
void store_cells_fetch(store_txn_t *t, unsigned db);
void store_cells_write(store_txn_t *t);


/* store_codec.c */

/* Bytes of a record; 0 when a string is too long or the type unknown. */
size_t store_encode(const referral_record_t *record, unsigned char *buf);
/* Strings point into buf.  0 or -1: not a record. */
int store_decode(const unsigned char *buf, size_t len,
    referral_record_t *record);
/* Whether somebody waits for the result. */
unsigned store_wants_reply(const unsigned char *buf, size_t len);
/* A click but its strings, and its time: 1, or 0 when it is none. */
int store_decode_head(const unsigned char *buf, size_t len,
    referral_click_t *click, int64_t *time);
uint32_t store_check(uint64_t generation, uint64_t seq, const void *data,
    size_t len);


/* store_ring.c */

referral_rc_t store_slot_lock(referral_store_t *store, unsigned slot,
    unsigned create, store_slot_t *s, referral_error_t *err);
void store_slot_unlock(store_slot_t *s);
/* The ring of the slot is in that directory. */
void store_slot_place(referral_store_t *store, store_slot_t *s,
    const char *dir);
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

uint64_t store_now_us(void);

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
/* Whether a free slot holds anything that its dead owner did not apply. */
int store_slot_orphaned(referral_store_t *store, store_slot_t *s);
/*
 * Takes the directory of the rings that nginx has: there is what its dead
 * left.
 */
referral_rc_t store_recall_intake(referral_store_t *store,
    referral_error_t *err);


/* store_wipe.c */

/* Persons erased from the store, ever. */
referral_rc_t store_erasures(referral_store_t *store, uint64_t *count,
    referral_error_t *err);
/* Of how many of them nothing is left in a log. */
uint64_t store_log_wiped(int fd);
int store_log_mark(int fd, uint64_t count);
/* Zeros at these positions of a log: 0 or -1. */
int store_log_wipe(int fd, uint64_t size, uint64_t from, uint64_t to);
/* Empties the logs that nobody owns. */
referral_rc_t store_wipe_idle(referral_store_t *store, referral_error_t *err);


/* store_apply.c */

/* The place in the journal that the next entry will have. */
uint64_t store_journal_next(store_txn_t *t);
uint64_t store_journal_record(store_txn_t *t,
    const referral_record_t *record);
/* A click is found by its id, which it loses when another one has it. */
void store_index_click(store_txn_t *t, store_click_row_t *row, uint64_t seq);
/* A code that came to be because it was named, with "codes open". */
uint32_t store_open_code(store_txn_t *t, uint32_t program, referral_str_t name,
    int64_t time);

/* Applies one record.  Failures of the store are latched in t. */
referral_result_t store_apply(store_txn_t *t, const referral_record_t *record);
/* A code of the store, copied: what is written next may move the original. */
int store_copy_code(store_txn_t *t, uint32_t program, referral_str_t name,
    unsigned char *copy, referral_code_t *code);
void store_put_code(store_txn_t *t, uint32_t program,
    const referral_code_t *code);
/* Lists the code under its new owner. */
void store_change_owner(store_txn_t *t, uint32_t program,
    const referral_code_t *old, const referral_code_t *new);
/* prog4 owner 0 code: the codes of one owner, side by side. */
size_t store_owner_key(store_txn_t *t, uint32_t program,
    const referral_code_t *code, unsigned char *key);


/* store_count.c */

/* Counts a click, and sets row->folded. */
void store_count_click(store_txn_t *t, store_click_row_t *row);
/* The number of a label of a dimension, made when it is new. */
uint16_t store_label_id(store_txn_t *t, uint32_t program, unsigned dim,
    referral_str_t label);
/* The label of a number; "other" and "" for the two that are no rows. */
referral_str_t store_label(store_txn_t *t, uint32_t program, unsigned dim,
    uint16_t id);


/* store_upgrade.c */

/* The rows of an earlier schema, with all databases open, become today's. */
void store_upgrade(store_txn_t *t);


/* store_base.c */

/* Adds to a base what a click, a row of a program's day, or the entries of a
   code's day stand for. */
void store_base_click(store_base_t *base, const store_click_row_t *row);
void store_base_program(store_base_t *base, unsigned dim, uint32_t id,
    const store_prg_t *prg);
void store_base_entries(store_base_t *base, uint32_t code,
    const store_entry_t *entries, size_t n);
void store_base_key(unsigned char *key, uint32_t program, uint32_t day);


/* store_sums.c */

void store_counts_columns(referral_counts_t *out, const uint64_t *column);
void store_counts_entry(referral_counts_t *counts,
    const store_entry_t *entry);


/* store_rules.c */

/* Rules in force with the ids of their names, read once a transaction. */

struct store_rules_s {
    referral_rules_t        rules;
    const referral_event_rule_t  *click;    /* NULL: clicks give no points */
    uint64_t                serial;         /* they were right in; 0: never */
    size_t                  len;            /* 0: there are none */
    unsigned char           encoded[REFERRAL_RULES_SIZE];
    uint16_t                events[REFERRAL_EVENTS_MAX];
    uint16_t                rewards[REFERRAL_REWARDS_MAX];
    uint16_t                contests[REFERRAL_CONTESTS_MAX];
};

/* NULL: the program has none, or the transaction has failed. */
const store_rules_t *store_rules(store_txn_t *t, uint32_t program);
/* As the configuration gave them: 1, or 0 when there are none. */
int store_rules_encoded(store_txn_t *t, uint32_t program,
    referral_str_t *encoded);
/* The name of an event, reward or contest by its id; empty: none. */
referral_str_t store_name(store_txn_t *t, uint32_t program, unsigned kind,
    uint16_t id);
/* Its id, 0: never declared. */
uint16_t store_name_id(store_txn_t *t, uint32_t program, unsigned kind,
    referral_str_t name);
referral_result_t store_apply_rules(store_txn_t *t,
    const referral_record_t *record);


/* store_order.c */

/* Rows with their tails taken apart; strings and key point elsewhere. */

typedef struct {
    store_order_t           row;
    uint32_t                program;
    referral_str_t          order_id;
    referral_str_t          channel;
    referral_str_t          customer;
    uint64_t                rewards[REFERRAL_REWARDS_MAX];
    uint16_t                counted[REFERRAL_REWARDS_MAX];
    uint16_t                contests[REFERRAL_CONTESTS_MAX];
} store_order_row_t;

typedef struct {
    store_reward_t          row;
    uint32_t                program;
    uint64_t                id;
    referral_str_t          value;
    referral_str_t          customer;
    referral_str_t          order_id;
    referral_str_t          reason;
} store_reward_row_t;

#define STORE_ORDER_SIZE  (sizeof(store_order_t)                               \
                           + REFERRAL_REWARDS_MAX * (8 + 2)                    \
                           + REFERRAL_CONTESTS_MAX * 2                         \
                           + REFERRAL_CHANNEL_MAX + REFERRAL_ID_MAX)
#define STORE_REWARD_SIZE (sizeof(store_reward_t) + REFERRAL_VALUE_MAX         \
                           + 3 * REFERRAL_ID_MAX)

/*
 * 1, or 0 when there is none.  Strings point into the map; or, with a copy of
 * STORE_ORDER_SIZE, into that, and stay when rows are written.
 */
int store_order_get(store_txn_t *t, uint32_t program, referral_str_t order_id,
    unsigned char *copy, store_order_row_t *order);
int store_order_parse(const MDB_val *value, store_order_row_t *order);
/* order->program and order_id are the key. */
void store_order_put(store_txn_t *t, store_order_row_t *order);
/* As of orders; the copy has STORE_REWARD_SIZE. */
int store_reward_get(store_txn_t *t, uint32_t program, uint64_t id,
    unsigned char *copy, store_reward_row_t *reward);
int store_reward_parse(const MDB_val *value, store_reward_row_t *reward);
void store_reward_put(store_txn_t *t, store_reward_row_t *reward);


/* store_read.c */

int store_code_parse(const MDB_val *value, referral_code_t *out);
/* A code by its number: 1, or 0 when there is none. */
int store_code_by_id(store_txn_t *t, uint32_t id, referral_code_t *code);
/* The name of a code by its number, empty when it has none. */
referral_str_t store_code_name(store_txn_t *t, uint32_t id);
/* prog4 and the code as it is looked up; key holds STORE_KEY_MAX bytes. */
size_t store_code_key(store_txn_t *t, uint32_t program, referral_str_t code,
    unsigned char *key);


/* Strings. */

#define store_str(s)                                                          \
    (referral_str_t) { sizeof(s) - 1, (const unsigned char *) (s) }

static inline int
store_same(referral_str_t a, referral_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


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


/* What meta has of a slot. */

static inline void
store_slot_key(unsigned char *key, unsigned char what, unsigned slot)
{
    key[0] = what;
    store_be16(key + 1, (uint16_t) slot);
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
store_scr_key(unsigned char *key, uint32_t program, uint32_t code,
    unsigned kind)
{
    store_be32(key, program);
    store_be32(key + 4, code);
    key[8] = (unsigned char) kind;
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
