/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is done to a store as a whole, by nginx as housekeeping and by
 * referralctl: purge, rebuild, backup, compact, erase.
 *
 * Each may be called beside a running nginx, by the thread that writes (see
 * referral_store.h), with a store that was not opened for reading only.
 */

#ifndef REFERRAL_TOOLS_H
#define REFERRAL_TOOLS_H

#include "referral_store.h"


/*
 * What takes long tells how far it is, in units of its own; a result that is
 * not 0 stops it as soon as that leaves everything whole.
 */

typedef struct {
    int                   (*progress)(void *data, uint64_t done,
                                      uint64_t all);    /* may be NULL */
    void                   *data;
} referral_watch_t;


/* --------------------------------------------------------------- purge -- */

/*
 * Deletes clicks of a program that are older than before (ms), of which what
 * they counted stays: one step of at most some hundred rows, in a transaction
 * of its own.  Clicks that gave points or that an event was attributed by are
 * kept.  With more another step will find more to do, at once; pause between
 * steps, for others who want to write.  A click whose clock was ahead
 * stays until its time has come.
 */

typedef struct {
    unsigned                purged;     /* clicks deleted */
    unsigned                kept;       /* looked at, and to be kept */
    unsigned                more;
} referral_purge_t;

referral_rc_t referral_store_purge(referral_store_t *store, uint32_t program,
    int64_t before, referral_purge_t *step, referral_error_t *err);


/* ------------------------------------------------------------- rebuild -- */

/*
 * Recounts as referral_store_verify() does, then makes every row what the
 * journal says.  Nobody else writes until it is done: clicks gather in the
 * rings.  What was mended is compared once more before it is committed.
 * REFERRAL_CORRUPT, and nothing is changed, when the journal itself is
 * damaged, or the file: then a backup is what helps.  *differences: rows found
 * and mended.
 */

referral_rc_t referral_store_rebuild(referral_store_t *store,
    const referral_verify_t *v, uint64_t *differences, referral_error_t *err);


/* --------------------------------------------------- backup and compact -- */

/*
 * Copies the store as it is now to a directory that does not exist or is
 * empty, compacted.  Paced, so that those who commit meanwhile hardly notice.
 * The copy is a store of its own incarnation: rings that belong to the
 * original are never applied to it.  On disk when it returns; before that it
 * is not called data.mdb.  REFERRAL_EXISTS: the directory is not empty.
 */

referral_rc_t referral_store_backup(referral_store_t *store,
    const char *dir, const referral_watch_t *watch, uint64_t *bytes,
    referral_error_t *err);

/*
 * Gives space that is not used back to the file system.  Beside others: in
 * place, a little at a time; the file keeps its length and has holes.  Alone:
 * a compact copy takes the place of the file, and the store has to be opened
 * again; only in that is nothing of what was deleted.
 */

typedef struct {
    unsigned                replaced;   /* alone: the file is another one */
    uint64_t                before;     /* bytes on disk (blocks), not length */
    uint64_t                after;
} referral_compact_t;

referral_rc_t referral_store_compact(referral_store_t *store,
    const referral_watch_t *watch, referral_compact_t *result,
    referral_error_t *err);


/* --------------------------------------------------------------- erase -- */

/*
 * Forgets a person of a program: an id as owner of codes and as customer of
 * events.  Wherever it stands, in the journal too, a random pseudonym takes
 * its place, always the same; names that its codes had while they were the
 * person's are dropped, as are reasons of refunds and decisions about the
 * person's events and rewards, and the codes end.  Counters, points and
 * rewards stay, as do the codes themselves, which are never given out again.
 * An order of the person that is sent again is a duplicate still; a new one
 * with the old id is of somebody new.  Orders, codes and channels are not
 * looked into.
 *
 * One transaction: all or nothing.  Memory: 8 bytes for each event, and the
 * pages that change.  REFERRAL_NOT_FOUND: nothing has that id.
 * REFERRAL_BUSY: codes are given to and taken from the person all the time.
 *
 * Bytes of what was there remain in pages that are free, and where pages in
 * use have room, until the store is copied or compacted while nobody has it
 * open.  Logs of workers are wiped by their owners, within seconds.
 */

typedef struct {
    uint64_t                codes;      /* that are theirs */
    uint64_t                events;
    uint64_t                rewards;    /* of those events */
    uint64_t                records;    /* of the journal, changed */
} referral_erased_t;

referral_rc_t referral_store_erase(referral_store_t *store, uint32_t program,
    referral_str_t person, int64_t now, referral_erased_t *erased,
    referral_error_t *err);

/* How many logs may still hold records of persons erased before. */

referral_rc_t referral_store_unwiped(referral_store_t *store, unsigned *logs,
    referral_error_t *err);


#endif /* REFERRAL_TOOLS_H */
