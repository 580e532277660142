/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Rules as bytes:
 *
 *   version1 model1 self1 open1 window4 bind4 events1 tiers1 rewards1
 *   contests1, then
 *   event:   name$ points8 hold4 min8 once1 limit4
 *   tier:    name$ points8
 *   reward:  name$ on$ min_tier$ value$ bps4 to1 kind1 per1 has_hold1 hold4
 *            every4 limit4 picks1, of each: value$ weight4
 *   contest: name$ from8 to8
 *   and in version 2, which there is when one of them is not 0:
 *   review:  min_age4 per_click4 max_amount8
 *
 * A string ($) is length1 and its bytes.  Every byte is a field, so that what
 * can be decoded is encoded to the same bytes again.
 */

#include <string.h>

#include "referral_rules.h"


#define RULES_VERSION         1
#define RULES_VERSION_REVIEW  2


typedef struct {
    unsigned char        *p;
    unsigned char        *end;
    unsigned              bad;
} rules_writer_t;

typedef struct {
    const unsigned char  *p;
    const unsigned char  *end;
    unsigned              bad;
} rules_reader_t;


/* -------------------------------------------------------------- writing -- */

static void
rules_write(rules_writer_t *w, const void *data, size_t len)
{
    if (w->bad || (size_t) (w->end - w->p) < len) {
        w->bad = 1;
        return;
    }

    if (len != 0) {
        memcpy(w->p, data, len);
        w->p += len;
    }
}


static void
rules_write_byte(rules_writer_t *w, unsigned n)
{
    unsigned char  byte;

    byte = (unsigned char) n;
    rules_write(w, &byte, 1);
}


static void
rules_write_str(rules_writer_t *w, referral_str_t s)
{
    rules_write_byte(w, (unsigned) s.len);
    rules_write(w, s.data, s.len);
}


static void
rules_write_event(rules_writer_t *w, const referral_event_rule_t *event)
{
    rules_write_str(w, event->name);
    rules_write(w, &event->points, 8);
    rules_write(w, &event->hold, 4);
    rules_write(w, &event->min, 8);
    rules_write(w, &event->once, 1);
    rules_write(w, &event->limit, 4);
}


static void
rules_write_reward(rules_writer_t *w, const referral_reward_rule_t *reward)
{
    unsigned  i;

    rules_write_str(w, reward->name);
    rules_write_str(w, reward->on);
    rules_write_str(w, reward->min_tier);
    rules_write_str(w, reward->value);
    rules_write(w, &reward->bps, 4);
    rules_write(w, &reward->to, 1);
    rules_write(w, &reward->kind, 1);
    rules_write(w, &reward->per, 1);
    rules_write(w, &reward->has_hold, 1);
    rules_write(w, &reward->hold, 4);
    rules_write(w, &reward->every, 4);
    rules_write(w, &reward->limit, 4);
    rules_write_byte(w, reward->npicks);

    for (i = 0; i < reward->npicks; i++) {
        rules_write_str(w, reward->picks[i].value);
        rules_write(w, &reward->picks[i].weight, 4);
    }
}


static unsigned
rules_reviewed(const referral_review_rule_t *review)
{
    return review->min_age != 0 || review->per_click != 0
           || review->max_amount != 0;
}


static void
rules_write_review(rules_writer_t *w, const referral_review_rule_t *review)
{
    if (rules_reviewed(review)) {
        rules_write(w, &review->min_age, 4);
        rules_write(w, &review->per_click, 4);
        rules_write(w, &review->max_amount, 8);
    }
}


size_t
referral_rules_encode(const referral_rules_t *rules, unsigned char *buf)
{
    unsigned        i;
    rules_writer_t  w;

    if (!referral_rules_right(rules)) {
        return 0;
    }

    w.p = buf;
    w.end = buf + REFERRAL_RULES_SIZE;
    w.bad = 0;

    rules_write_byte(&w, rules_reviewed(&rules->review) ? RULES_VERSION_REVIEW
                                                        : RULES_VERSION);
    rules_write(&w, &rules->model, 1);
    rules_write(&w, &rules->self, 1);
    rules_write(&w, &rules->open, 1);
    rules_write(&w, &rules->window, 4);
    rules_write(&w, &rules->bind, 4);
    rules_write_byte(&w, rules->nevents);
    rules_write_byte(&w, rules->ntiers);
    rules_write_byte(&w, rules->nrewards);
    rules_write_byte(&w, rules->ncontests);

    for (i = 0; i < rules->nevents; i++) {
        rules_write_event(&w, &rules->events[i]);
    }

    for (i = 0; i < rules->ntiers; i++) {
        rules_write_str(&w, rules->tiers[i].name);
        rules_write(&w, &rules->tiers[i].points, 8);
    }

    for (i = 0; i < rules->nrewards; i++) {
        rules_write_reward(&w, &rules->rewards[i]);
    }

    for (i = 0; i < rules->ncontests; i++) {
        rules_write_str(&w, rules->contests[i].name);
        rules_write(&w, &rules->contests[i].from, 8);
        rules_write(&w, &rules->contests[i].to, 8);
    }

    rules_write_review(&w, &rules->review);

    return w.bad ? 0 : (size_t) (w.p - buf);
}


/* -------------------------------------------------------------- reading -- */

static void
rules_read(rules_reader_t *r, void *data, size_t len)
{
    if (r->bad || (size_t) (r->end - r->p) < len) {
        r->bad = 1;
        memset(data, 0, len);
        return;
    }

    memcpy(data, r->p, len);
    r->p += len;
}


/* How many there are of something; what is too many must not be read. */

static unsigned
rules_read_count(rules_reader_t *r, unsigned max)
{
    unsigned char  n;

    rules_read(r, &n, 1);

    if (n > max) {
        r->bad = 1;
        return 0;
    }

    return n;
}


static void
rules_read_str(rules_reader_t *r, referral_str_t *s)
{
    unsigned char  len;

    rules_read(r, &len, 1);

    if (r->bad || (size_t) (r->end - r->p) < len) {
        r->bad = 1;
        len = 0;
    }

    s->len = len;
    s->data = r->p;
    r->p += len;
}


static void
rules_read_event(rules_reader_t *r, referral_event_rule_t *event)
{
    rules_read_str(r, &event->name);
    rules_read(r, &event->points, 8);
    rules_read(r, &event->hold, 4);
    rules_read(r, &event->min, 8);
    rules_read(r, &event->once, 1);
    rules_read(r, &event->limit, 4);
}


static void
rules_read_reward(rules_reader_t *r, referral_reward_rule_t *reward)
{
    unsigned  i;

    rules_read_str(r, &reward->name);
    rules_read_str(r, &reward->on);
    rules_read_str(r, &reward->min_tier);
    rules_read_str(r, &reward->value);
    rules_read(r, &reward->bps, 4);
    rules_read(r, &reward->to, 1);
    rules_read(r, &reward->kind, 1);
    rules_read(r, &reward->per, 1);
    rules_read(r, &reward->has_hold, 1);
    rules_read(r, &reward->hold, 4);
    rules_read(r, &reward->every, 4);
    rules_read(r, &reward->limit, 4);
    reward->npicks = rules_read_count(r, REFERRAL_PICKS_MAX);

    for (i = 0; i < reward->npicks; i++) {
        rules_read_str(r, &reward->picks[i].value);
        rules_read(r, &reward->picks[i].weight, 4);
    }
}


static void
rules_read_review(rules_reader_t *r, unsigned version,
    referral_review_rule_t *review)
{
    memset(review, 0, sizeof(referral_review_rule_t));

    if (version == RULES_VERSION_REVIEW) {
        rules_read(r, &review->min_age, 4);
        rules_read(r, &review->per_click, 4);
        rules_read(r, &review->max_amount, 8);

        r->bad = r->bad || !rules_reviewed(review);
    }
}


/* Returns the version. */

static unsigned
rules_read_head(rules_reader_t *r, referral_rules_t *rules)
{
    unsigned char  version;

    rules_read(r, &version, 1);
    rules_read(r, &rules->model, 1);
    rules_read(r, &rules->self, 1);
    rules_read(r, &rules->open, 1);
    rules_read(r, &rules->window, 4);
    rules_read(r, &rules->bind, 4);

    rules->nevents = rules_read_count(r, REFERRAL_EVENTS_MAX);
    rules->ntiers = rules_read_count(r, REFERRAL_TIERS_MAX);
    rules->nrewards = rules_read_count(r, REFERRAL_REWARDS_MAX);
    rules->ncontests = rules_read_count(r, REFERRAL_CONTESTS_MAX);

    r->bad = r->bad || version < RULES_VERSION
             || version > RULES_VERSION_REVIEW;

    return version;
}


int
referral_rules_later(const unsigned char *buf, size_t len)
{
    return len != 0 && buf[0] > RULES_VERSION_REVIEW;
}


int
referral_rules_decode(const unsigned char *buf, size_t len,
    referral_rules_t *rules)
{
    unsigned        i, version;
    rules_reader_t  r;

    r.p = buf;
    r.end = buf + len;
    r.bad = (len > REFERRAL_RULES_SIZE);

    version = rules_read_head(&r, rules);

    for (i = 0; i < rules->nevents; i++) {
        rules_read_event(&r, &rules->events[i]);
    }

    for (i = 0; i < rules->ntiers; i++) {
        rules_read_str(&r, &rules->tiers[i].name);
        rules_read(&r, &rules->tiers[i].points, 8);
    }

    for (i = 0; i < rules->nrewards; i++) {
        rules_read_reward(&r, &rules->rewards[i]);
    }

    for (i = 0; i < rules->ncontests; i++) {
        rules_read_str(&r, &rules->contests[i].name);
        rules_read(&r, &rules->contests[i].from, 8);
        rules_read(&r, &rules->contests[i].to, 8);
    }

    rules_read_review(&r, version, &rules->review);

    return (r.bad || r.p != r.end || !referral_rules_right(rules)) ? -1 : 0;
}


/* ---------------------------------------------------------------- using -- */

int
referral_rules_tier(const referral_rules_t *rules, int64_t points)
{
    int  i;

    i = (int) rules->ntiers;

    while (i-- > 0) {
        if (points >= rules->tiers[i].points) {
            return i;
        }
    }

    return -1;
}


int64_t
referral_rules_part(int64_t amount, uint32_t bps)
{
    return amount * bps / REFERRAL_BPS_MAX;
}


unsigned
referral_rules_pick(const referral_reward_rule_t *reward, uint64_t draw)
{
    size_t    k;
    uint64_t  x, h, sum, at;
    unsigned  i;

    h = 0xcbf29ce484222325u;

    for (k = 0; k < reward->name.len; k++) {
        h = (h ^ reward->name.data[k]) * 0x100000001b3u;
    }

    x = draw ^ h;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x = x ^ (x >> 31);

    sum = 0;

    for (i = 0; i < reward->npicks; i++) {
        sum += reward->picks[i].weight;
    }

    at = (x >> 32) * sum >> 32;

    for (i = 0; i + 1 < reward->npicks; i++) {
        if (at < reward->picks[i].weight) {
            break;
        }

        at -= reward->picks[i].weight;
    }

    return i;
}
