/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The page as HTML: a template, and for its placeholders escaped text or a
 * piece that is made here.
 */

#include "ngx_http_referral_share.h"


typedef referral_str_t (*ngx_http_referral_share_slot_pt)(
    ngx_http_referral_share_t *share);


static referral_str_t ngx_http_referral_share_html_text(
    ngx_http_referral_share_t *share, const char *text);
static referral_str_t ngx_http_referral_share_html_str(
    ngx_http_referral_share_t *share, referral_str_t s);
static referral_str_t ngx_http_referral_share_html_piece(
    ngx_http_referral_share_t *share, const char *text, referral_str_t value,
    referral_str_t more);
static referral_str_t ngx_http_referral_share_html_name(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_targets(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_disclosure(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_terms(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_language(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_message(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_copied_link(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_copied(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_shared(
    ngx_http_referral_share_t *share);
static referral_str_t ngx_http_referral_share_html_link(
    ngx_http_referral_share_t *share);


/* Placeholders: words of the page's language, and what is made for a code. */

static const struct {
    const char                       *name;
    size_t                            word;
    ngx_http_referral_share_slot_pt   make;
} ngx_http_referral_share_slots[] = {

#define ngx_http_referral_share_word(name)                                    \
    { #name, offsetof(referral_words_t, name), NULL }

    ngx_http_referral_share_word(title),
    ngx_http_referral_share_word(your_link),
    ngx_http_referral_share_word(your_message),
    ngx_http_referral_share_word(copy),
    ngx_http_referral_share_word(copied),
    ngx_http_referral_share_word(send),
    ngx_http_referral_share_word(more),
    ngx_http_referral_share_word(scan),
    ngx_http_referral_share_word(save),

    /* of the page */
    { "lang", offsetof(referral_words_t, tag), NULL },

    /* of the message */
    { "message_lang", 0, ngx_http_referral_share_html_language },

    { "name", 0, ngx_http_referral_share_html_name },
    { "link", 0, ngx_http_referral_share_html_link },
    { "message", 0, ngx_http_referral_share_html_message },
    { "copy_link", 0, ngx_http_referral_share_html_copied_link },
    { "copy_message", 0, ngx_http_referral_share_html_copied },
    { "share_message", 0, ngx_http_referral_share_html_shared },
    { "targets", 0, ngx_http_referral_share_html_targets },
    { "disclosure", 0, ngx_http_referral_share_html_disclosure },
    { "terms", 0, ngx_http_referral_share_html_terms }
};

#define NGX_HTTP_REFERRAL_SHARE_SLOTS                                         \
    (sizeof(ngx_http_referral_share_slots)                                    \
     / sizeof(ngx_http_referral_share_slots[0]))

/* And where things are from here: "base" the files, "here" those of the code;
   and the end. */

#define NGX_HTTP_REFERRAL_SHARE_ALL  (NGX_HTTP_REFERRAL_SHARE_SLOTS + 3)


static void
ngx_http_referral_share_html_names(referral_slot_t *slots)
{
    ngx_uint_t  i;

    ngx_memzero(slots, NGX_HTTP_REFERRAL_SHARE_ALL * sizeof(referral_slot_t));

    slots[0].name = "base";
    slots[1].name = "here";

    for (i = 0; i < NGX_HTTP_REFERRAL_SHARE_SLOTS; i++) {
        slots[i + 2].name = ngx_http_referral_share_slots[i].name;
    }
}


const char *
ngx_http_referral_share_html_wrong(ngx_pool_t *pool, ngx_str_t *page)
{
    u_char           *text;
    uint32_t          used;
    ngx_uint_t        i;
    referral_str_t    unknown;
    referral_slot_t   slots[NGX_HTTP_REFERRAL_SHARE_ALL];

    ngx_http_referral_share_html_names(slots);

    if (referral_share_check(ngx_http_referral_str(*page), slots, &used,
                             &unknown))
    {
        for (i = 0; ngx_strcmp(slots[i].name, "link") != 0; i++) { /* void */ }

        return (used & ((uint32_t) 1 << i)) ? NULL : "no {link}";
    }

    text = ngx_pnalloc(pool, sizeof("an unknown placeholder \"\"")
                             + unknown.len);
    if (text == NULL) {
        return "no memory";
    }

    ngx_sprintf(text, "an unknown placeholder \"%*s\"%Z", unknown.len,
                unknown.data);

    return (char *) text;
}


void
ngx_http_referral_share_html(ngx_http_referral_share_t *share,
    ngx_str_t *page, ngx_uint_t slash, referral_out_t *out)
{
    ngx_uint_t        i;
    const char       *word;
    referral_str_t    text;
    referral_slot_t   slots[NGX_HTTP_REFERRAL_SHARE_ALL];

    ngx_http_referral_share_html_names(slots);

    if (slash) {
        slots[0].value = ngx_http_referral_text("../");

    } else {
        slots[1].value = ngx_http_referral_share_html_piece(share,
                             "{value}/", share->code, share->code);
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_SHARE_SLOTS; i++) {

        if (ngx_http_referral_share_slots[i].make != NULL) {
            slots[i + 2].value = ngx_http_referral_share_slots[i].make(share);
            continue;
        }

        word = *(const char *const *) ((const char *) share->words
                                       + ngx_http_referral_share_slots[i].word);
        slots[i + 2].value = ngx_http_referral_share_html_text(share, word);
    }

    text = ngx_http_referral_share_fill(share, ngx_http_referral_str(*page),
                                        slots);

    referral_out_write(out, text.data, text.len);
    out->failed |= share->failed;
}


static referral_str_t
ngx_http_referral_share_html_text(ngx_http_referral_share_t *share,
    const char *text)
{
    return ngx_http_referral_share_html_str(share,
               (referral_str_t) { ngx_strlen(text), (u_char *) text });
}


static referral_str_t
ngx_http_referral_share_html_str(ngx_http_referral_share_t *share,
    referral_str_t s)
{
    u_char  *p;

    p = ngx_pnalloc(share->pool, 6 * s.len + 1);

    if (p == NULL) {
        share->failed = 1;
        s.len = 0;
        return s;
    }

    s.len = referral_share_html(s, p);
    s.data = p;

    return s;
}


/* HTML with {value} and {more} in it, of which the text is escaped. */

static referral_str_t
ngx_http_referral_share_html_piece(ngx_http_referral_share_t *share,
    const char *text, referral_str_t value, referral_str_t more)
{
    const referral_slot_t  slots[] = {
        { "value", ngx_http_referral_share_html_str(share, value) },
        { "more", ngx_http_referral_share_html_str(share, more) },
        { NULL, { 0, NULL } }
    };

    return ngx_http_referral_share_fill(share,
               (referral_str_t) { ngx_strlen(text), (u_char *) text }, slots);
}


static referral_str_t
ngx_http_referral_share_html_language(ngx_http_referral_share_t *share)
{
    return ngx_http_referral_share_html_str(share, share->tag);
}


static referral_str_t
ngx_http_referral_share_html_name(ngx_http_referral_share_t *share)
{
    if (share->name.len == 0) {
        return share->name;
    }

    return ngx_http_referral_share_html_piece(share,
               "<p class=\"name\"><bdi>{value}</bdi></p>", share->name,
               share->name);
}


static referral_str_t
ngx_http_referral_share_html_link(ngx_http_referral_share_t *share)
{
    return ngx_http_referral_share_html_str(share, share->link);
}


static referral_str_t
ngx_http_referral_share_html_message(ngx_http_referral_share_t *share)
{
    return ngx_http_referral_share_html_str(share,
               ngx_http_referral_share_text(share, share->link));
}


static referral_str_t
ngx_http_referral_share_html_copied_link(ngx_http_referral_share_t *share)
{
    return ngx_http_referral_share_html_str(share,
               ngx_http_referral_share_link(share, "copy"));
}


static referral_str_t
ngx_http_referral_share_html_copied(ngx_http_referral_share_t *share)
{
    return ngx_http_referral_share_html_str(share,
               ngx_http_referral_share_text(share,
                   ngx_http_referral_share_link(share, "copy")));
}


static referral_str_t
ngx_http_referral_share_html_shared(ngx_http_referral_share_t *share)
{
    return ngx_http_referral_share_html_str(share,
               ngx_http_referral_share_text(share,
                   ngx_http_referral_share_link(share, "share")));
}


static referral_str_t
ngx_http_referral_share_html_disclosure(ngx_http_referral_share_t *share)
{
    if (share->disclosure.len == 0) {
        return share->disclosure;
    }

    return ngx_http_referral_share_html_piece(share,
               "<p class=\"disclosure\" lang=\"{more}\" dir=\"auto\">{value}"
               "</p>", share->disclosure, share->disclosure_tag);
}


static referral_str_t
ngx_http_referral_share_html_terms(ngx_http_referral_share_t *share)
{
    const char      *word;
    referral_str_t   terms;

    terms = ngx_http_referral_str(share->program->share.terms);
    word = share->words->terms;

    if (terms.len == 0) {
        return terms;
    }

    return ngx_http_referral_share_html_piece(share,
               "<p class=\"terms\"><a href=\"{value}\">{more}</a></p>", terms,
               (referral_str_t) { ngx_strlen(word), (u_char *) word });
}


/* One item of a list each; what opens a program opens no other page. */

static referral_str_t
ngx_http_referral_share_html_targets(ngx_http_referral_share_t *share)
{
    u_char                                  *p;
    ngx_uint_t                               i;
    const char                              *text;
    referral_str_t                           item, label, list;
    const ngx_http_referral_share_target_t  *target;

    ngx_memzero(&list, sizeof(referral_str_t));

    for (i = 0; i < NGX_HTTP_REFERRAL_SHARE_TARGETS; i++) {
        target = &ngx_http_referral_share_targets[i];

        if (target->url.len == 0) {
            continue;
        }

        text = (target->url.data[0] == 'h')
               ? "<li><a rel=\"nofollow noopener noreferrer\" target=\"_blank\""
                 " href=\"{value}\">{more}</a></li>\n"
               : "<li><a href=\"{value}\">{more}</a></li>\n";

        label.len = ngx_strlen(target->label);
        label.data = (u_char *) target->label;

        item = ngx_http_referral_share_html_piece(share, text,
                          ngx_http_referral_share_url(share, target), label);

        p = ngx_pnalloc(share->pool, list.len + item.len + 1);
        if (p == NULL) {
            share->failed = 1;
            break;
        }

        ngx_memcpy(ngx_cpymem(p, list.data, list.len), item.data, item.len);
        list.data = p;
        list.len += item.len;
    }

    return list;
}
