/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Erasing a person: a pseudonym stands wherever the id stood, nothing else has
 * changed, and the recount agrees.
 *
 * Would catch: a row that keeps the id, a name or a reason; an order that
 * counts again; rows that a replay of the journal does not give.
 */

#include "erase_scene.h"


static struct {
    uint32_t            program;
    uint32_t            others;
    referral_rc_t       rc[16];
    referral_result_t   result[4];
    referral_erased_t   erased;
    uint64_t            differences[4];
    unsigned            same;
    unsigned            unlike;
    char                pseudonym[64];
    int                 bytes[4];
    uint64_t            journal[2];
    uint64_t            txns;
    unsigned            seen[8];
} *shared;


static void
scene_make(test_store_t *ts, void *data)
{
    unsigned            i;
    char                id[32], customer[32], code[32];
    referral_intake_t  *intake;

    (void) data;
    test_open(ts);
    shared->others = test_program(ts, "others");
    shared->program = test_program(ts, "friends");
    erase_rules(ts, shared->others);
    erase_rules(ts, shared->program);
    intake = test_intake(ts);

    for (i = 0; i < 300; i++) {
        snprintf(code, sizeof(code), "code%u", i);
        snprintf(customer, sizeof(customer), "owner-%u", i);
        erase_code(ts, intake, shared->program, code, customer, "Some Body");
        snprintf(id, sizeof(id), "order-%u", i);
        snprintf(customer, sizeof(customer), "friend-%u", i % 50);
        erase_order(ts, intake, shared->program, id, customer, code, 1000 + i);

        if (i == 150) {
            erase_make_anna(ts, intake, shared->program);
        }
    }

    /* one id in two programs, and ids that begin as one another */

    erase_code(ts, intake, shared->others, "BOTH", "both-worlds", "Bea Both");
    erase_code(ts, intake, shared->program, "BOTH", "both-worlds", "Bea Both");
    erase_order(ts, intake, shared->others, "both", "both-worlds", "BOTH",
                500);
    erase_order(ts, intake, shared->program, "both", "both-worlds", "BEN7",
                500);
    erase_code(ts, intake, shared->program, "LONGER", ANNA "0", "Long");
    erase_code(ts, intake, shared->program, "SHORT", "anna.schmidt-471",
               "Short");
    erase_order(ts, intake, shared->program, "longer", ANNA "0", "BEN7", 500);
    erase_order(ts, intake, shared->program, "short", "anna.schmidt-471",
                "BEN7", 500);

    (void) test_apply_all(ts, intake, 1);
    referral_intake_close(intake);
    shared->differences[0] = test_verify(ts);
}


static void
scene_erase(test_store_t *ts, void *data)
{
    char                copy[256];
    referral_erased_t   again;

    (void) data;
    test_open(ts);
    shared->txns = referral_store_last_id(ts->store);

    erase_copy(ts, copy, sizeof(copy));
    shared->bytes[2] = erase_count_bytes(copy, ANNA_NAME);
    shared->rc[0] = erase_person(ts, shared->program, ANNA, &shared->erased);
    shared->txns = referral_store_last_id(ts->store) - shared->txns;
    shared->differences[1] = test_verify(ts);
    shared->rc[1] = erase_person(ts, shared->program, ANNA, &again);
    shared->rc[2] = erase_person(ts, shared->program, "", &again);
    shared->rc[3] = erase_person(ts, shared->program, "nobody", &again);
    shared->rc[4] = erase_person(ts, shared->program + 7, "ben-2", &again);

    erase_copy(ts, copy, sizeof(copy));
    shared->bytes[0] = erase_count_bytes(copy, ANNA);
    shared->bytes[3] = erase_count_bytes(copy, ANNA "0");
    shared->bytes[1] = erase_count_bytes(copy, ANNA_NAME);
}


static void
see(referral_str_t id)
{
    if (shared->pseudonym[0] == '\0' && id.len < sizeof(shared->pseudonym)) {
        memcpy(shared->pseudonym, id.data, id.len);
    }

    if (id.len == strlen(shared->pseudonym)
        && memcmp(id.data, shared->pseudonym, id.len) == 0)
    {
        shared->same++;

    } else {
        printf("# other: \"%.*s\"\n", (int) id.len, id.data);
        shared->unlike++;
    }
}


static int
see_code(void *data, const referral_code_t *code)
{
    (void) data;
    see(code->owner);
    shared->seen[0] += code->status == REFERRAL_STATUS_ENDED
                       && code->name.len == 0;

    return 0;
}


static int
see_entry(void *data, const referral_entry_t *entry)
{
    const referral_record_t  *record;

    (void) data;
    record = entry->record;

    if (entry->program != shared->program) {
        return 0;
    }

    if (entry->type == REFERRAL_RECORD_EVENT
        && strncmp((const char *) record->u.event.customer.data, "erased-", 7)
           == 0)
    {
        see(record->u.event.customer);
        shared->seen[1]++;
    }

    if (entry->type == REFERRAL_RECORD_CODE
        && record->u.code.status == REFERRAL_STATUS_ENDED)
    {
        shared->seen[2]++;
    }

    return 0;
}


static void
scene_see(test_store_t *ts, void *data)
{
    unsigned              i, k;
    uint64_t              last;
    referral_code_t       code;
    referral_reward_t     reward;
    referral_snapshot_t  *snap;
    referral_conversion_t  conversion;

    static const char *const  hers[] = {
        "self-1", "friend-1", "friend-2", "friend-3", "sign-1", "sign-2",
        "alone-1"
    };

    (void) data;
    test_open(ts);
    snap = test_snapshot(ts);

    for (i = 0; i < sizeof(hers) / sizeof(hers[0]); i++) {
        conversion = erase_find(ts, snap, shared->program, hers[i]);
        see(conversion.customer);

        for (k = 0; k < conversion.nrewards; k++) {
            test_must(ts, referral_reward_get(snap, shared->program,
                                              conversion.rewards[k], &reward),
                      "reward");
            see(reward.customer);
        }
    }

    test_must(ts, referral_code_list(snap, shared->program, test_str(""),
                                     test_str(shared->pseudonym), see_code,
                                     NULL), "codes");
    test_must(ts, referral_journal_read(snap, 0, ~0u, 1000000, see_entry, NULL,
                                        &last), "journal");

    test_must(ts, referral_code_get(snap, shared->program, test_str("given"),
                                    &code), "given");
    shared->seen[3] = code.name.len == 0 && same(code.owner, "ben-2")
                      && code.status == REFERRAL_STATUS_ACTIVE;
    test_must(ts, referral_code_get(snap, shared->program, test_str("renamed"),
                                    &code), "renamed");
    shared->seen[4] = same(code.name, "Ben of Bern")
                      && same(code.owner, "ben-2");
    referral_snapshot_end(snap);
}


static void
scene_after(test_store_t *ts, void *data)
{
    int64_t                 next;
    referral_code_t         code;
    referral_intake_t      *in;
    referral_snapshot_t    *snap;
    referral_conversion_t   conversion;
    referral_store_info_t   info;

    (void) data;
    test_open(ts);
    in = test_intake(ts);
    snap = test_snapshot(ts);
    referral_store_info(snap, &info);
    shared->journal[0] = info.journal;
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    shared->result[0] = erase_order(ts, in, shared->program, "friend-1", ANNA,
                                    "BEN7", 6000);
    shared->result[1] = erase_order(ts, in, shared->program, "friend-1", ANNA,
                                    "BEN7", 6001);
    shared->result[2] = erase_order(ts, in, shared->program, "friend-1", "",
                                    "BEN7", 6000);
    shared->rc[5] = erase_code(ts, in, shared->program, "ANNA42", "eve", NULL);
    shared->rc[6] = erase_code(ts, in, shared->program, "GIVEN", NULL, "Benno");

    snap = test_snapshot(ts);
    referral_store_info(snap, &info);
    shared->journal[1] = info.journal;
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    /* somebody new: no place taken, no binding */

    erase_order(ts, in, shared->program, "sign-9", ANNA, "BEN7", 0);
    erase_order(ts, in, shared->program, "free-9", ANNA "x", "", 800);
    erase_refund(ts, in, shared->program, "friend-3", "rest", "new");
    test_must(ts, referral_store_tick(ts->store, erase_time + 3 * DAY, &next,
                                      &ts->err), "tick");
    shared->differences[2] = test_verify(ts);

    snap = test_snapshot(ts);
    conversion = erase_find(ts, snap, shared->program, "sign-9");
    shared->seen[5] = same(conversion.customer, ANNA)
                      && conversion.status == REFERRAL_EVENT_APPROVED;
    conversion = erase_find(ts, snap, shared->program, "self-1");
    shared->seen[6] = conversion.status == REFERRAL_EVENT_APPROVED;
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    /* one program's only; the person that came after is one more */

    shared->rc[7] = erase_person(ts, shared->program, "both-worlds",
                                 &shared->erased);
    snap = test_snapshot(ts);
    test_must(ts, referral_code_get(snap, shared->others, test_str("both"),
                                    &code), "both");
    conversion = erase_find(ts, snap, shared->others, "both");
    shared->seen[7] = same(code.owner, "both-worlds")
                      && same(code.name, "Bea Both")
                      && code.status == REFERRAL_STATUS_ACTIVE
                      && same(conversion.customer, "both-worlds");
    conversion = erase_find(ts, snap, shared->program, "both");
    shared->seen[7] += !same(conversion.customer, "both-worlds");
    referral_snapshot_end(snap);
    referral_snapshot_destroy(snap);

    shared->rc[8] = erase_person(ts, shared->program, ANNA, &shared->erased);
    shared->differences[3] = test_verify(ts);
    referral_intake_close(in);
}


int
main(void)
{
    test_store_t  ts;

    shared = test_shared(sizeof(*shared));
    test_make(&ts);

    tap_ok(test_child(scene_make, &ts, NULL) == 0
           && shared->differences[0] == 0, "a store with all kinds of rows");

    erase_time += DAY;
    tap_ok(test_child(scene_erase, &ts, NULL) == 0
           && shared->rc[0] == REFERRAL_OK, "a person is erased");
    tap_ok(shared->txns == 1, "in one transaction: %u",
           (unsigned) shared->txns);
    tap_ok(shared->erased.codes == 2 && shared->erased.events == 7
           && shared->erased.rewards == 8,
           "2 codes, 7 events and 8 rewards: %u, %u, %u",
           (unsigned) shared->erased.codes, (unsigned) shared->erased.events,
           (unsigned) shared->erased.rewards);
    tap_ok(shared->differences[1] == 0, "the recount agrees");
    tap_ok(shared->rc[1] == REFERRAL_NOT_FOUND, "once more: not found");
    tap_ok(shared->rc[2] == REFERRAL_INVALID, "an empty id is none");
    tap_ok(shared->rc[3] == REFERRAL_NOT_FOUND
           && shared->rc[4] == REFERRAL_NOT_FOUND,
           "neither is one that was never there, or not in that program");
    tap_ok(shared->bytes[3] > 0 && shared->bytes[0] == shared->bytes[3],
           "a copy of what is in use does not have the id: %d and %d",
           shared->bytes[0], shared->bytes[3]);
    tap_ok(shared->bytes[2] > 10 && shared->bytes[1] == 0,
           "nor the name: %d of %d", shared->bytes[1], shared->bytes[2]);

    tap_ok(test_child(scene_see, &ts, NULL) == 0, "what is seen of it");
    tap_ok(strlen(shared->pseudonym) == 23
           && strncmp(shared->pseudonym, "erased-", 7) == 0
           && shared->unlike == 0 && shared->same > 20,
           "one pseudonym everywhere: %u times", shared->same);
    tap_ok(shared->seen[0] == 2, "the codes have ended and have no name");
    tap_ok(shared->seen[1] == 7, "the journal has the pseudonym, too");
    tap_ok(shared->seen[2] == 2, "and that the codes have ended");
    tap_ok(shared->seen[3], "a code given away is not ended, and loses the "
           "name it had from her");
    tap_ok(shared->seen[4], "but not one it was given after");

    erase_time += DAY;
    tap_ok(test_child(scene_after, &ts, NULL) == 0, "life goes on");
    tap_ok(shared->result[0].rc == REFERRAL_OK && !shared->result[0].created,
           "an order sent again with the old id is a duplicate");
    tap_ok(shared->result[1].rc == REFERRAL_CONFLICT
           && shared->result[2].rc == REFERRAL_CONFLICT,
           "with another amount, or without customer, a conflict");
    tap_ok(shared->rc[5] == REFERRAL_GONE,
           "the code is not given out again");
    tap_ok(shared->rc[6] == REFERRAL_OK
           && shared->journal[1] == shared->journal[0] + 1,
           "none of those counted: %u, %u", (unsigned) shared->journal[0],
           (unsigned) shared->journal[1]);
    tap_ok(shared->seen[5], "a new order with the old id is of somebody new");
    tap_ok(shared->seen[6], "holds pass");
    tap_ok(shared->differences[2] == 0, "the recount agrees");
    tap_ok(shared->rc[7] == REFERRAL_OK && shared->seen[7] == 2,
           "the same id in another program stays");
    tap_ok(shared->rc[8] == REFERRAL_OK, "the one who came after is erased");
    tap_ok(shared->differences[3] == 0, "and the recount agrees");

    test_remove(&ts);

    return tap_done();
}
