/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "referral_touch.h"
#include "referral_word.h"


#define REFERRAL_TIME_LIMIT  131621703842267136     /* 36 ^ 11 */


static int referral_touch_word(const unsigned char *data, size_t len);
static int referral_touch_expired(const referral_touch_t *touch, int64_t now,
    int64_t window);
static int referral_touch_same_code(const referral_touch_t *a,
    const referral_touch_t *b);


int
referral_touch_decide(const referral_touches_t *old,
    const referral_touch_t *touch, referral_model_t model, int64_t now,
    int64_t window, int own_site, referral_touches_t *out)
{
    int                 again;
    referral_touches_t  kept;

    if (old != NULL) {
        kept = *old;
    }

    if (old == NULL || !referral_touches_alive(&kept, now, window)) {
        out->first = *touch;
        out->last = *touch;
        return 1;
    }

    *out = kept;
    again = referral_touch_same_code(&kept.last, touch);

    if (own_site && !again) {
        return 0;
    }

    if (model == REFERRAL_MODEL_FIRST && again
        && referral_touch_same_code(&kept.first, touch))
    {
        return 0;
    }

    out->last = *touch;

    return 1;
}


const referral_touch_t *
referral_touch_credited(const referral_touches_t *touches,
    referral_model_t model)
{
    return model == REFERRAL_MODEL_FIRST ? &touches->first : &touches->last;
}


int
referral_touch_valid(const referral_touch_t *touch)
{
    return touch->time >= 0
           && touch->time < REFERRAL_TIME_LIMIT
           && touch->code_len > 0
           && touch->code_len <= REFERRAL_CODE_MAX
           && touch->channel_len <= REFERRAL_CHANNEL_MAX
           && (touch->click_len == 0
               || touch->click_len == REFERRAL_CLICK_ID_LEN)
           && referral_touch_word(touch->code, touch->code_len)
           && referral_touch_word(touch->channel, touch->channel_len)
           && referral_touch_word(touch->click, touch->click_len);
}


static int
referral_touch_word(const unsigned char *data, size_t len)
{
    size_t         i;
    unsigned char  good;

    static const unsigned char  word[256] = {
        ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
        ['_'] = 1, ['-'] = 1
    };

    good = 1;

    for (i = 0; i + 4 <= len; i += 4) {
        good &= word[data[i]] & word[data[i + 1]] & word[data[i + 2]]
                & word[data[i + 3]];
    }

    for ( /* void */ ; i < len; i++) {
        good &= word[data[i]];
    }

    return good;
}


/* Differences are taken unsigned, the larger first: no sum can overflow. */

static int
referral_touch_expired(const referral_touch_t *touch, int64_t now,
    int64_t window)
{
    return now >= touch->time
           && (uint64_t) now - (uint64_t) touch->time >= (uint64_t) window;
}


int
referral_touch_ahead(const referral_touch_t *touch, int64_t now)
{
    return touch->time > now
           && (uint64_t) touch->time - (uint64_t) now > REFERRAL_CLOCK_SKEW;
}


int
referral_touch_same(const referral_touch_t *a, const referral_touch_t *b)
{
    return a->time == b->time
           && referral_touch_same_code(a, b)
           && a->channel_len == b->channel_len
           && referral_word_same(a->channel, b->channel, a->channel_len)
           && a->click_len == b->click_len
           && referral_word_same(a->click, b->click, a->click_len);
}


static int
referral_touch_same_code(const referral_touch_t *a, const referral_touch_t *b)
{
    return a->code_len == b->code_len
           && referral_word_same(a->code, b->code, a->code_len);
}


int
referral_touches_alive(referral_touches_t *touches, int64_t now,
    int64_t window)
{
    return referral_touches_keep(touches,
               !referral_touch_expired(&touches->first, now, window),
               !referral_touch_expired(&touches->last, now, window));
}


int
referral_touches_keep(referral_touches_t *touches, int first, int last)
{
    if (!first && !last) {
        return 0;
    }

    if (!first) {
        touches->first = touches->last;

    } else if (!last) {
        touches->last = touches->first;
    }

    return 1;
}
