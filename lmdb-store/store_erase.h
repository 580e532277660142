/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What the files that erase a person share.
 */

#ifndef REFERRAL_STORE_ERASE_H
#define REFERRAL_STORE_ERASE_H

#include "store_case.h"
#include "referral_tools.h"


#define STORE_PSEUDONYM  "erased-"
#define STORE_PSEUDONYM_LEN  (sizeof(STORE_PSEUDONYM) - 1 + 16)

/* A code that is, or once was, the person's. */

typedef struct {
    unsigned char           key[4 + REFERRAL_CODE_MAX];
    uint8_t                 len;
    uint8_t                 owned;      /* where the journal is read */
    uint8_t                 nameless;   /* the name it has is to be dropped */
    uint64_t                named;      /* the record of the name it has */
} store_erase_code_t;

typedef struct {
    store_txn_t            *t;
    uint32_t                program;
    referral_str_t          person;
    referral_str_t          pseudonym;
    int64_t                 now;
    uint64_t                last;       /* of the journal, read up to */
    unsigned                tail;       /* reading what came since */
    unsigned                again;      /* which changes what came before */
    store_erase_code_t     *codes;
    size_t                  ncodes;
    size_t                  max_codes;
    uint64_t               *records;    /* place * 2 + STORE_ERASE_TEXT */
    size_t                  nrecords;
    size_t                  max_records;
    referral_erased_t      *erased;
    unsigned char           random[STORE_PSEUDONYM_LEN];
} store_erase_t;

#define STORE_ERASE_TEXT  1             /* the name or reason is dropped */


/* store_person.c */

/* Which codes and records of the journal change, as a snapshot shows them. */
referral_rc_t store_erase_snapshot(store_erase_t *e, referral_store_t *store,
    referral_error_t *err);
/* What came since: with again, all has to be read again. */
void store_erase_tail(store_erase_t *e);

/* store_rename.c: the rows, in a transaction that writes */

void store_erase_record(store_erase_t *e, uint64_t seq, unsigned text);
void store_erase_code_row(store_erase_t *e, const store_erase_code_t *code);
void store_erase_customer(store_erase_t *e);

/* store_scrub.c */

/*
 * A key that was deleted may still part two pages of a tree: there it is
 * replaced by another.
 */
referral_rc_t store_scrub(referral_store_t *store, uint32_t program,
    referral_str_t person, referral_error_t *err);


#endif /* REFERRAL_STORE_ERASE_H */
