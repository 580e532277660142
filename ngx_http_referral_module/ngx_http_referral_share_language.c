/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * In which language, and so with which texts, a code is shared.
 */

#include "ngx_http_referral_share.h"


static ngx_int_t ngx_http_referral_share_lookup(
    ngx_http_referral_phrases_t *phrases, referral_str_t language);
static const referral_words_t *ngx_http_referral_share_words(
    referral_str_t language);
static void ngx_http_referral_share_disclose(ngx_http_referral_share_t *share);
static void ngx_http_referral_share_own(ngx_http_referral_share_t *share);


/* A message decides; what goes with it is in its language, where there is. */

void
ngx_http_referral_share_choose(ngx_http_referral_share_t *share,
    referral_str_t language)
{
    ngx_int_t                     n;
    referral_str_t               *tags, *texts;
    ngx_http_referral_phrases_t  *messages;

    messages = &share->program->share.messages;
    n = ngx_http_referral_share_lookup(messages, language);

    if (n == NGX_DECLINED) {
        share->words = ngx_http_referral_share_words(language);
        share->tag.data = (u_char *) share->words->tag;
        share->tag.len = ngx_strlen(share->words->tag);

    } else {
        tags = messages->tags.elts;
        texts = messages->texts.elts;

        share->tag = tags[n];
        share->message = texts[n];
        share->words = ngx_http_referral_share_words(share->tag);
    }

    ngx_http_referral_share_disclose(share);

    if (n == NGX_DECLINED) {
        ngx_http_referral_share_own(share);
    }
}


/* That of the language, or of none, or the first; NGX_DECLINED: no text. */

static ngx_int_t
ngx_http_referral_share_lookup(ngx_http_referral_phrases_t *phrases,
    referral_str_t language)
{
    int              found;
    ngx_uint_t       i;
    referral_str_t  *tags;

    if (phrases->tags.nelts == 0) {
        return NGX_DECLINED;
    }

    tags = phrases->tags.elts;
    found = referral_language_lookup(language, tags, phrases->tags.nelts);

    if (found != -1) {
        return found;
    }

    for (i = 0; i < phrases->tags.nelts; i++) {
        if (tags[i].len == 0) {
            return i;
        }
    }

    return 0;
}


static const referral_words_t *
ngx_http_referral_share_words(referral_str_t language)
{
    int             found;
    ngx_uint_t      i;
    referral_str_t  tags[REFERRAL_NWORDS];

    for (i = 0; i < REFERRAL_NWORDS; i++) {
        tags[i].data = (u_char *) referral_words[i].tag;
        tags[i].len = ngx_strlen(referral_words[i].tag);
    }

    found = referral_language_lookup(language, tags, REFERRAL_NWORDS);

    return &referral_words[found == -1 ? 0 : found];
}


static void
ngx_http_referral_share_disclose(ngx_http_referral_share_t *share)
{
    ngx_int_t                     n;
    referral_str_t               *tags, *texts;
    ngx_http_referral_phrases_t  *disclosures;

    disclosures = &share->program->share.disclosures;
    n = ngx_http_referral_share_lookup(disclosures, share->tag);

    if (n != NGX_DECLINED) {
        tags = disclosures->tags.elts;
        texts = disclosures->texts.elts;

        share->disclosure_tag = tags[n];
        share->disclosure = texts[n];
    }
}


/* The message of a program that has none, after what must be said with it. */

static void
ngx_http_referral_share_own(ngx_http_referral_share_t *share)
{
    u_char      *p;
    const char  *text;

    text = share->program->share.reward.len ? share->words->gift
                                            : share->words->message;

    share->message.len = ngx_strlen(text);
    share->message.data = (u_char *) text;

    if (share->disclosure.len == 0) {
        return;
    }

    p = ngx_pnalloc(share->pool, share->message.len
                                 + sizeof("{disclosure} ") - 1);
    if (p == NULL) {
        share->failed = 1;
        return;
    }

    share->message.data = p;
    p = ngx_cpymem(p, "{disclosure} ", sizeof("{disclosure} ") - 1);
    p = ngx_cpymem(p, text, share->message.len);
    share->message.len = p - share->message.data;
}
