/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The store of a referral program: an LMDB environment that several nginx
 * workers share, and the intake, a write-ahead ring per worker in front of
 * it.  Nothing here knows nginx.
 *
 *        take                       flush (durable)
 *   record ──▶ ring in memory ───────────────────▶ log file beside the store
 *                     │  apply: one write transaction per batch
 *                     ▼
 *        journal + counters + codes + "applied up to" of this ring
 *
 * Thread rules, in one place:
 *   - referral_intake_put() is called by one thread per intake: the producer.
 *   - referral_intake_open(), _flush(), _apply(), _wipe(),
 *     _close() and referral_store_maintain() are called by one thread per process: the
 *     committer.  A write transaction
 *     begins and ends inside one such call.
 *   - a referral_snapshot_t belongs to one thread; begin and end it within
 *     one turn of an event loop, or pages that it sees cannot be reused.
 *   - referral_store_open() and _close() are called by the committer, after
 *     fork(), never while a snapshot is open.
 *
 * Times are int64_t milliseconds since 1970 UTC unless a name says otherwise.
 * Strings are referral_str_t: counted, not terminated.  What a snapshot
 * returns points into the map and is valid until the snapshot ends.
 */

#ifndef REFERRAL_STORE_H
#define REFERRAL_STORE_H

#include "referral_records.h"
#include "referral_rules.h"


/* ------------------------------------------------------------- opening -- */

typedef struct referral_store_s     referral_store_t;
typedef struct referral_intake_s    referral_intake_t;
typedef struct referral_snapshot_s  referral_snapshot_t;

typedef struct {
    const char             *path;           /* directory, absolute, exists */
    const char             *intake_path;    /* directory of the rings */
    uint64_t                map_size;       /* bytes of address space, 0 =
                                               16 GiB, readonly: the store's */
    uint64_t                intake_size;    /* bytes of one ring, 0 = 16 MiB */
    unsigned                durable;        /* make logs: _flush() is wanted */
    unsigned                readonly;       /* tools: nothing is written */
    unsigned                guest;          /* tools: the store is not made, and
                                               map and intake_path are those
                                               that nginx has */
} referral_options_t;

/*
 * Opens the environment, creating it when the directory is empty.  One
 * environment per process and inode: a second open of the same directory
 * returns the same store, counted.  Refuses, with a sentence in *err and
 * without touching the file: a network file system, a file of another format
 * or schema, a file shorter than its own last page.  Never deletes anything.
 */

referral_rc_t referral_store_open(const referral_options_t *opts,
    referral_store_t **store, referral_error_t *err);

/*
 * Ends the use of the store.  The environment stays mapped until the process
 * exits (liblmdb 0.9.26-0.9.31 would destroy mutexes others still use).
 */

void referral_store_close(referral_store_t *store);

/*
 * The number of a program, from then on the same for every process; creates
 * it when new.  *case_sensitive is what the program shall have; on return it
 * is what the store was made with, which stays.  REFERRAL_INVALID for a name
 * of another length than 1 to REFERRAL_PROGRAM_MAX.  Committer only.
 */

referral_rc_t referral_store_program(referral_store_t *store,
    referral_str_t name, unsigned *case_sensitive, uint32_t *id,
    referral_error_t *err);

/* Its number when there is one, else NOT_FOUND. */

referral_rc_t referral_program_get(referral_snapshot_t *snap,
    referral_str_t name, uint32_t *id);

/* All of them, by name, until visit returns non-zero. */

typedef int (*referral_program_visit_pt)(void *data, referral_str_t name,
    uint32_t id);

referral_rc_t referral_program_list(referral_snapshot_t *snap,
    referral_program_visit_pt visit, void *data);

/*
 * Makes the rules of a program what the configuration says, with a record of
 * the journal when they are not so already.  Events of a program without
 * rules are refused.  Committer only.
 */

referral_rc_t referral_store_rules(referral_store_t *store, uint32_t program,
    const referral_rules_t *rules, referral_error_t *err);

/*
 * Approves what was on hold until now (ms), some hundreds at a time; *next is
 * when to call again, at the latest, which may be now or before: 0 when
 * nothing is on hold.  On disk when it returns.  Committer only.
 */

referral_rc_t referral_store_tick(referral_store_t *store, int64_t now,
    int64_t *next, referral_error_t *err);


/* ------------------------------------------------------------- growing -- */

/*
 * How full the map is, which is what the file may grow to.  The rest of it is
 * kept for what matters more, and at last for the purge, which makes room.
 */

typedef enum {
    REFERRAL_LEVEL_OK = 0,
    REFERRAL_LEVEL_WARN,                /* 75 % */
    REFERRAL_LEVEL_CLICKS,              /* 90 %: clicks are refused */
    REFERRAL_LEVEL_CODES,               /* 97 %: codes too */
    REFERRAL_LEVEL_FULL                 /* all that an intake takes */
} referral_level_t;

const char *referral_level_name(unsigned level);

/* As last measured, by applying and by housekeeping.  Any thread. */

referral_level_t referral_store_level(referral_store_t *store);

/* What there is to say of a level that is not OK.  Committer only. */

void referral_store_growth(referral_store_t *store, referral_error_t *err);

/*
 * Takes over the larger map of another process, for want of which a snapshot
 * was refused; costs nothing when none was.  Waits until no snapshot is open,
 * and refuses to begin one meanwhile.  Committer only.
 */

referral_rc_t referral_store_remap(referral_store_t *store,
    referral_error_t *err);


/* ------------------------------------------------------------- results -- */

/* The outcome of one record that wanted a reply. */

typedef struct {
    uint64_t                seq;        /* as given by referral_intake_put() */
    referral_rc_t           rc;
    unsigned                created;    /* CODE, EVENT, REFUND, DECISION: it
                                           was new; with OK and 0, it was there
                                           before and is the same */
} referral_result_t;


/* -------------------------------------------------------------- intake -- */

/*
 * Claims a free slot (a lock that the kernel releases at death), first
 * applying what a dead owner left in it.  Makes ring and log when missing,
 * with every block allocated.  A ring that does not fit the memory file
 * system is made smaller, down to 1 MiB, and *err then carries a warning
 * with REFERRAL_OK.
 */

referral_rc_t referral_intake_open(referral_store_t *store,
    referral_intake_t **intake, referral_error_t *err);

/*
 * Gives the slot back, and waits for the disk.  What is not applied stays for
 * the next owner.
 */

void referral_intake_close(referral_intake_t *intake);

/*
 * Takes a record: copies it into the ring and publishes it.  From the return
 * on it survives the death of any process.  REFERRAL_FULL when there is no
 * room, be it in the store (see referral_level_t), REFERRAL_INVALID when a string is longer than its limit or a value
 * out of its range.  *seq is the record's number in this ring, growing by one.  Producer only; no
 * system call.
 */

referral_rc_t referral_intake_put(referral_intake_t *intake,
    const referral_record_t *record, uint64_t *seq);

/*
 * How much waits: bytes in the ring not yet applied, and its size.  The
 * sequence last published, flushed and applied.  Any thread.
 */

typedef struct {
    uint64_t                size;
    uint64_t                used;
    uint64_t                taken_seq;
    uint64_t                flushed_seq;
    uint64_t                applied_seq;
    unsigned                recovered;  /* records a dead owner had left */
} referral_intake_info_t;

void referral_intake_info(referral_intake_t *intake,
    referral_intake_info_t *info);

/*
 * Writes what was taken but not flushed to the log and waits for the disk:
 * one or two writes and one fdatasync() for all of it.  *seq: all records up
 * to here survive a power cut.
 */

referral_rc_t referral_intake_flush(referral_intake_t *intake, uint64_t *seq,
    referral_error_t *err);

/*
 * Applies one batch (at most 8,000 records or 4 MiB) in one transaction,
 * together with the position in the ring.  Results of records that wanted a
 * reply are written to results, in order; the batch ends when max_results is
 * reached.  With sync, or when there is a result, returns only when the
 * batch is on disk; without, the next batch's flush makes it so, and the
 * ring keeps the records until then.
 *
 * After REFERRAL_FULL, _BUSY or _SYSTEM nothing was applied and nothing is
 * lost: call again.  A record the store cannot make sense of is counted in
 * refused, passed over, and reported in *err with REFERRAL_OK.  After
 * REFERRAL_CORRUPT the ring is damaged: what is left in it cannot be read.
 * With nothing new, what is applied already is brought to the disk.
 */

typedef struct {
    unsigned                records;    /* taken from the ring */
    unsigned                refused;
    unsigned                results;
    unsigned                more;       /* the batch was full: call again */
    unsigned                contended;  /* another process held the lock */
    uint64_t                seq;        /* applied up to here */
} referral_batch_t;

referral_rc_t referral_intake_apply(referral_intake_t *intake, unsigned sync,
    referral_result_t *results, unsigned max_results, referral_batch_t *batch,
    referral_error_t *err);

/*
 * Wipes records of persons who were erased from the log, a step of it: to be
 * called every few seconds, and again soon with more.  The ring has none: what
 * is on disk as part of the store is wiped from it at once.
 */

referral_rc_t referral_intake_wipe(referral_intake_t *intake, unsigned *more,
    referral_error_t *err);

/*
 * Housekeeping, to be called every few seconds: applies and frees orphaned
 * rings of dead workers, clears stale readers, looks how full the map is and
 * whether nginx was given another map_size.  *records: taken from orphans.
 */

referral_rc_t referral_store_maintain(referral_store_t *store,
    unsigned *records, referral_error_t *err);


/* ------------------------------------------------------------- reading -- */

/*
 * A snapshot handle is made once per thread and used for many snapshots.
 * begin: about 50 ns and no system call.  REFERRAL_BUSY: too many readers, or
 * the map is being replaced or has to be: see referral_store_remap().
 */

referral_rc_t referral_snapshot_create(referral_store_t *store,
    referral_snapshot_t **snap, referral_error_t *err);
referral_rc_t referral_snapshot_begin(referral_snapshot_t *snap);
void referral_snapshot_end(referral_snapshot_t *snap);
void referral_snapshot_destroy(referral_snapshot_t *snap);

/* The transaction this snapshot shows: changes with every commit. */

uint64_t referral_snapshot_id(referral_snapshot_t *snap);

/*
 * Which file that is a transaction of: in a backup, and after the file was
 * replaced by compact, ids begin anew.
 */

uint64_t referral_snapshot_file(referral_snapshot_t *snap);

/*
 * The last transaction of any process, without a snapshot: what was read in a
 * snapshot of that id is still so.  About 20 ns; any thread.  0 while the map
 * is replaced.
 */

uint64_t referral_store_last_id(referral_store_t *store);

typedef struct {
    uint32_t                id;
    uint8_t                 kind;
    uint8_t                 status;
    int64_t                 created;    /* ms */
    int64_t                 changed;
    referral_str_t          code;       /* as registered */
    referral_str_t          owner;
    referral_str_t          name;
    referral_str_t          landing;    /* empty: the program's */
} referral_code_t;

/* One code, by any spelling the program takes for it (case). */

referral_rc_t referral_code_get(referral_snapshot_t *snap, uint32_t program,
    referral_str_t code, referral_code_t *out);

/*
 * Codes in the order of their folded names, from the one after `after`
 * (empty: the first), of one owner when owner is not empty.  Calls visit for
 * each until it returns non-zero.
 */

typedef int (*referral_code_visit_pt)(void *data, const referral_code_t *code);

referral_rc_t referral_code_list(referral_snapshot_t *snap, uint32_t program,
    referral_str_t after, referral_str_t owner, referral_code_visit_pt visit,
    void *data);

/* Counters of clicks.  Total is the sum of the classes, by definition. */

typedef struct {
    uint64_t                classes[REFERRAL_CLASSES];
    uint64_t                unique;     /* human clicks, by the window */
} referral_counts_t;

uint64_t referral_counts_total(const referral_counts_t *counts);

/* All time, of a program (code_id 0) or one code.  Absent means zeros. */

referral_rc_t referral_counts_get(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, referral_counts_t *out);

/*
 * Counters by one dimension over days from..to inclusive (days since 1970
 * UTC); from = to = 0 means all time.  visit gets a label (the channel or
 * landing, "other" beyond the limit, empty for none; empty for time
 * dimensions) and the period's start in seconds (days, hours; else 0).
 * Sums over the days, except for DAY and HOUR: one call each, ascending.
 * HOUR is kept per program only: REFERRAL_INVALID with a code.
 */

typedef enum {
    REFERRAL_DIM_DAY = 0,
    REFERRAL_DIM_HOUR,
    REFERRAL_DIM_CHANNEL,
    REFERRAL_DIM_LANDING
} referral_dim_t;

typedef int (*referral_counts_visit_pt)(void *data, referral_str_t label,
    int64_t start, const referral_counts_t *counts);

referral_rc_t referral_counts_by(referral_snapshot_t *snap, uint32_t program,
    uint32_t code_id, referral_dim_t dim, uint32_t from, uint32_t to,
    referral_counts_visit_pt visit, void *data);

/*
 * Counters of codes, in the order of their ids, from the one after `after`,
 * over days as above.  Calls visit until it returns non-zero.  Codes without a
 * click in these days are passed over, but for each 10,000th in a row: with
 * zeros, for a caller who must not take long to end the list there.
 */

typedef int (*referral_counts_code_visit_pt)(void *data, uint32_t code_id,
    referral_str_t code, const referral_counts_t *counts);

referral_rc_t referral_counts_codes(referral_snapshot_t *snap,
    uint32_t program, uint32_t after, uint32_t from, uint32_t to,
    referral_counts_code_visit_pt visit, void *data);

/* The same from a code on, for who wants that one only: no other is read. */

referral_rc_t referral_counts_code(referral_snapshot_t *snap,
    uint32_t program, uint32_t code_id, uint32_t from, uint32_t to,
    referral_counts_code_visit_pt visit, void *data);

/*
 * Counters of codes, each day of each code by itself, for who adds them up in
 * pieces: visit is called until it returns non-zero, or place->done is set; the
 * next call goes on there, in another snapshot.  At first, for each code, comes
 * its last day, with zeros when it is not in from..to, and then the days before
 * those, in which a row of the last day of before may be again.  All time has
 * one row for each code.
 */

typedef struct {
    uint32_t                from;       /* days; both 0: all time */
    uint32_t                to;
    uint32_t                day;        /* 0 at first, as what follows */
    uint32_t                code_id;
    unsigned                done;
} referral_rows_t;

typedef int (*referral_counts_row_visit_pt)(void *data, uint32_t code_id,
    uint32_t day, const referral_counts_t *counts);

referral_rc_t referral_counts_rows(referral_snapshot_t *snap,
    uint32_t program, referral_rows_t *place,
    referral_counts_row_visit_pt visit, void *data);

/* One click, from the journal. */

typedef struct {
    uint64_t                seq;        /* place in the journal, from 1 */
    int64_t                 time;       /* ms */
    uint32_t                code_id;
    uint8_t                 class;
    uint8_t                 why;
    uint8_t                 flags;
    uint8_t                 unique;
    unsigned char           id[REFERRAL_CLICK_ID_SIZE];
    referral_str_t          code;
    referral_str_t          channel;
    referral_str_t          landing;
} referral_click_info_t;

referral_rc_t referral_click_get(referral_snapshot_t *snap, uint32_t program,
    const unsigned char id[REFERRAL_CLICK_ID_SIZE],
    referral_click_info_t *out);

/* State of the store, for health, metrics and `referralctl stat`. */

typedef struct {
    uint64_t                map_size;
    uint64_t                used;       /* bytes in pages that are not free */
    unsigned                percent;    /* of the map that is */
    referral_level_t        level;
    uint64_t                file_size;
    uint64_t                last_txn;
    uint64_t                journal;    /* events, ever */
    uint64_t                codes;
    unsigned                readers;
    unsigned                max_readers;
    unsigned                slots;      /* intake slots known */
    char                    id[33];     /* hex */
    unsigned                schema;
} referral_store_info_t;

referral_rc_t referral_store_info(referral_snapshot_t *snap,
    referral_store_info_t *out);


/* -------------------------------------------------------------- verify -- */

/*
 * Recounts the journal and compares it with every counter, in one snapshot.
 * report is called with one sentence per difference; *differences is their
 * number.  progress (may be NULL) is called now and then with done of all.
 */

typedef struct {
    void                  (*report)(void *data, const char *sentence);
    void                  (*progress)(void *data, uint64_t done, uint64_t all);
    void                   *data;
} referral_verify_t;

referral_rc_t referral_store_verify(referral_snapshot_t *snap,
    const referral_verify_t *v, uint64_t *differences, referral_error_t *err);


#endif /* REFERRAL_STORE_H */
