/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Reading the journal: as a whole, and in steps with every mix of types.
 *
 * Would catch: a step that misses or doubles an entry, an entry taken for one
 * of another type.
 */

#include "ledger_scene.h"


typedef struct {
    unsigned            n;
    unsigned            max;
    unsigned            bad;
    unsigned            notes;          /* with the name of their code */
    unsigned            types[16];
    uint64_t            last;
    uint32_t            program;
} feed_t;


static int
add_entry(void *data, const referral_entry_t *entry)
{
    feed_t  *feed;

    feed = data;
    feed->types[entry->type]++;
    feed->bad += (entry->seq <= feed->last);
    feed->last = entry->seq;

    if (entry->type == REFERRAL_RECORD_CLICK) {
        feed->bad += (entry->record != NULL || entry->click == NULL
                      || !same(entry->click->code,
                               test_str(scene_codes[entry->click->code_id
                                                    - 1]))
                      || !same(entry->click->channel, test_str("wa"))
                      || entry->click->seq != entry->seq
                      || entry->click->time != entry->time);

    } else {
        feed->bad += (entry->click != NULL || entry->record == NULL
                      || entry->record->type != entry->type
                      || entry->record->time != entry->time);
    }

    if (entry->type == REFERRAL_RECORD_NOTE
        && entry->record->u.note.code_id != 0)
    {
        feed->notes++;
        feed->bad += !same(entry->code,
                           test_str(scene_codes[entry->record->u.note.code_id
                                                - 1]));
    }

    feed->bad += (entry->program != feed->program
                  && entry->type != REFERRAL_RECORD_TICK
                  && entry->type != REFERRAL_RECORD_PROGRAM);

    return ++feed->n == feed->max;
}


static void
journal(void)
{
    feed_t                 whole, feed;
    unsigned               rows, types, good, n, i;
    uint64_t               after, last;
    referral_store_info_t  info;

    memset(&whole, 0, sizeof(whole));
    whole.program = program;
    referral_store_info(snap, &info);

    good = (referral_journal_read(snap, 0, ~0u, ~0u, add_entry, &whole, &last)
            == REFERRAL_OK);
    tap_ok(good && last == info.journal && whole.n == info.journal,
           "the whole journal, %u entries", whole.n);
    tap_ok(whole.bad == 0 && whole.notes > 100, "in order and whole");
    tap_ok(whole.types[REFERRAL_RECORD_EVENT] == ORDERS
           && whole.types[REFERRAL_RECORD_CLICK] == CODES
           && whole.types[REFERRAL_RECORD_CODE] == CODES
           && whole.types[REFERRAL_RECORD_PROGRAM] == 2
           && whole.types[REFERRAL_RECORD_RULES] == 1
           && whole.types[REFERRAL_RECORD_TICK] >= 1
           && whole.types[REFERRAL_RECORD_REFUND] > 30, "of all types");

    good = 0;
    n = 0;

    for (types = 2; types < 1024; types += 2) {
        for (rows = 1; rows < 2000; rows = rows * 7 + 1, n++) {
            memset(&feed, 0, sizeof(feed));
            feed.program = program;
            last = 0;

            do {
                after = last;
                referral_journal_read(snap, after, types, rows, add_entry,
                                      &feed, &last);
            } while (last == after + rows && feed.n <= whole.n);

            for (i = 1; i < 16; i++) {
                good += (feed.types[i] == ((types & (1u << i))
                                           ? whole.types[i] : 0));
            }

            good += (last == info.journal && feed.bad == 0);
        }
    }

    tap_ok(good == n * 16, "every mix of types, in steps of any size");
}


static void
ends(void)
{
    feed_t                 feed;
    uint64_t               last;
    referral_store_info_t  info;

    referral_store_info(snap, &info);

    memset(&feed, 0, sizeof(feed));
    feed.program = program;
    feed.max = 7;
    referral_journal_read(snap, 30, 1u << REFERRAL_RECORD_EVENT, ~0u,
                          add_entry, &feed, &last);
    tap_ok(feed.n == 7 && last == feed.last,
           "a visit that ends it: the next begins after its entry");

    referral_journal_read(snap, info.journal, ~0u, 9, add_entry, &feed,
                          &last);
    tap_ok(last == info.journal && feed.n == 7, "nothing new");
    referral_journal_read(snap, UINT64_MAX, ~0u, 9, add_entry, &feed, &last);
    tap_ok(last == UINT64_MAX && feed.n == 7, "nor after the last there is");
}


int
main(void)
{
    test_store_t  ts;

    test_make(&ts);
    program = scene_make(&ts);
    scene_read(&ts);

    journal();
    ends();

    return scene_end(&ts);
}
