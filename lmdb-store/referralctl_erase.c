/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * erase: a person is forgotten.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "referralctl.h"


#define CTL_WAIT_US  100000     /* for nginx, which wipes its logs */
#define CTL_WAITS    150


static ctl_rc_t ctl_erase_person(ctl_store_t *r, const ctl_args_t *args,
    referral_erased_t *erased, unsigned *logs);
static ctl_rc_t ctl_erase_logs(ctl_store_t *r, unsigned *logs);
static ctl_rc_t ctl_erase_end(const referral_erased_t *erased, unsigned logs,
    unsigned json);


ctl_rc_t
ctl_erase(const ctl_args_t *args)
{
    unsigned           logs;
    ctl_rc_t           rc;
    ctl_store_t        r;
    referral_erased_t  erased;

    rc = ctl_open(&r, args->words[0], 1);

    if (rc != CTL_OK) {
        return rc;
    }

    logs = 0;
    rc = ctl_erase_person(&r, args, &erased, &logs);
    ctl_close(&r);

    return (rc == CTL_OK) ? ctl_erase_end(&erased, logs, args->json) : rc;
}


static ctl_rc_t
ctl_erase_person(ctl_store_t *r, const ctl_args_t *args,
    referral_erased_t *erased, unsigned *logs)
{
    ctl_rc_t          rc;
    uint32_t          program;
    unsigned          tries;
    referral_rc_t     done;
    referral_str_t    person;
    referral_error_t  err;

    rc = ctl_program(r, args->words[1], &program);

    if (rc == CTL_OK) {
        rc = ctl_drain(r);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    person.data = (const unsigned char *) args->words[2];
    person.len = strlen(args->words[2]);
    tries = 0;

    do {
        done = referral_store_erase(r->store, program, person, ctl_now(),
                                    erased, &err);
    } while (ctl_again(done, &tries));

    if (done == REFERRAL_NOT_FOUND) {
        return ctl_fail("program \"%s\" has no owner and no customer \"%s\"",
                        args->words[1], args->words[2]);
    }

    if (done == REFERRAL_INVALID) {
        return ctl_fail("\"%s\" cannot be the id of a person",
                        args->words[2]);
    }

    return (done == REFERRAL_OK) ? ctl_erase_logs(r, logs)
                                 : ctl_refused(r, &err);
}


/* The logs of workers are theirs to wipe, which they do within seconds. */

static ctl_rc_t
ctl_erase_logs(ctl_store_t *r, unsigned *logs)
{
    unsigned          waits;
    referral_error_t  err;

    for (waits = 0; waits < CTL_WAITS; waits++) {

        if (referral_store_unwiped(r->store, logs, &err) != REFERRAL_OK) {
            return ctl_refused(r, &err);
        }

        if (*logs == 0) {
            break;
        }

        (void) usleep(CTL_WAIT_US);
    }

    return CTL_OK;
}


static ctl_rc_t
ctl_erase_end(const referral_erased_t *erased, unsigned logs, unsigned json)
{
    if (json) {
        return ctl_print_json(json_pack("{s:I, s:I, s:I, s:I, s:i}",
                 "codes", (json_int_t) erased->codes,
                 "events", (json_int_t) erased->events,
                 "rewards", (json_int_t) erased->rewards,
                 "records", (json_int_t) erased->records,
                 "logs", (int) logs));
    }

    (void) printf("codes    %" PRIu64 "\n", erased->codes);
    (void) printf("events   %" PRIu64 "\n", erased->events);
    (void) printf("rewards  %" PRIu64 "\n", erased->rewards);
    (void) printf("records  %" PRIu64 "\n", erased->records);

    if (logs != 0) {
        (void) printf("%u logs of nginx are still to be wiped\n", logs);
    }

    return CTL_OK;
}
