/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What this worker has been asked for lately: the path of a link, or the code
 * of a parameter.  What a path is to the program does not change; what the
 * store said of the code in its last transaction needs no asking again.  Only
 * plain codes are kept: active, and without a landing of their own.
 */

#include "ngx_http_referral_hit.h"
#include "referral_word.h"


#define NGX_HTTP_REFERRAL_KNOWN_SETS  512       /* a power of two */
#define NGX_HTTP_REFERRAL_KNOWN_WAYS  2
#define NGX_HTTP_REFERRAL_KNOWN_TEXT  192       /* longer ones are not kept */
#define NGX_HTTP_REFERRAL_KNOWN_LINE  64        /* of the processor's cache */

#define NGX_HTTP_REFERRAL_NO_LINK     NGX_MAX_UINT32_VALUE


/*
 * A text with its code, both together up to 30 bytes, takes one line with what
 * is said of it.  An entry has an odd number of lines, so that the first ones
 * are spread over all of the cache.
 */

struct ngx_http_referral_known_s {
    ngx_http_referral_program_t *program;
    uint64_t                     txn;
    uint32_t                     program_id;
    uint32_t                     code_id;
    uint32_t                     link;          /* of the program's, or none:
                                                   a parameter's */
    u_char                       text_len;
    u_char                       typed;         /* where the code is in it */
    u_char                       typed_len;
    u_char                       channel;
    u_char                       channel_len;
    u_char                       code_len;

    /* and, behind its end, the code */
    u_char                       text[NGX_HTTP_REFERRAL_KNOWN_TEXT
                                      + REFERRAL_CODE_MAX];
} __attribute__ ((aligned (NGX_HTTP_REFERRAL_KNOWN_LINE)));


static ngx_http_referral_known_t  known[NGX_HTTP_REFERRAL_KNOWN_SETS]
                                       [NGX_HTTP_REFERRAL_KNOWN_WAYS];


/* Anybody can make two collide, and the store be asked once more. */

static ngx_http_referral_known_t *
ngx_http_referral_known_set(referral_str_t text)
{
    return known[referral_word_mix(text.len, text.data, text.len)
                 % NGX_HTTP_REFERRAL_KNOWN_SETS];
}


static ngx_uint_t
ngx_http_referral_known_is(ngx_http_referral_known_t *entry,
    ngx_http_referral_program_t *program, referral_str_t text,
    ngx_uint_t param)
{
    return entry->text_len == text.len
           && entry->program == program
           && (entry->link == NGX_HTTP_REFERRAL_NO_LINK) == param
           && referral_word_same(entry->text, text.data, text.len);
}


ngx_uint_t
ngx_http_referral_known(ngx_http_referral_hit_t *hit, referral_str_t text,
    ngx_uint_t param)
{
    ngx_uint_t                  i;
    ngx_http_referral_link_t   *links;
    ngx_http_referral_known_t  *entry;

    hit->asked = text;

    if (text.len == 0 || text.len > NGX_HTTP_REFERRAL_KNOWN_TEXT) {
        return 0;
    }

    entry = ngx_http_referral_known_set(text);

    for (i = 0; i < NGX_HTTP_REFERRAL_KNOWN_WAYS; i++, entry++) {

        if (!ngx_http_referral_known_is(entry, hit->program, text, param)) {
            continue;
        }

        links = hit->program->links.elts;

        hit->known = entry;
        hit->link = param ? NULL : &links[entry->link];
        hit->wellformed = 1;
        hit->code.len = entry->typed_len;
        hit->code.data = text.data + entry->typed;
        hit->channel.len = entry->channel_len;
        hit->channel.data = text.data + entry->channel;

        return 1;
    }

    return 0;
}


ngx_uint_t
ngx_http_referral_known_code(ngx_http_referral_hit_t *hit, uint64_t txn,
    uint32_t program)
{
    ngx_http_referral_known_t  *entry;

    entry = hit->known;

    if (entry == NULL || txn == 0 || entry->txn != txn
        || entry->program_id != program)
    {
        return 0;
    }

    hit->code_id = entry->code_id;
    hit->code.len = entry->code_len;
    hit->code.data = entry->text + entry->text_len;

    return 1;
}


/* The set keeps the one that came last, and the one before it. */

static ngx_http_referral_known_t *
ngx_http_referral_known_place(ngx_http_referral_hit_t *hit)
{
    ngx_http_referral_link_t   *links;
    ngx_http_referral_known_t  *entry;

    entry = ngx_http_referral_known_set(hit->asked);
    entry[1] = entry[0];

    links = hit->program->links.elts;

    entry->program = hit->program;
    entry->link = (hit->link != NULL) ? (uint32_t) (hit->link - links)
                                      : NGX_HTTP_REFERRAL_NO_LINK;

    entry->text_len = hit->asked.len;
    ngx_memcpy(entry->text, hit->asked.data, hit->asked.len);

    entry->typed = hit->code.data - hit->asked.data;
    entry->typed_len = hit->code.len;
    entry->channel = hit->channel.len ? hit->channel.data - hit->asked.data
                                      : 0;
    entry->channel_len = hit->channel.len;

    return entry;
}


void
ngx_http_referral_known_keep(ngx_http_referral_hit_t *hit, uint64_t txn,
    uint32_t program, const referral_code_t *code)
{
    ngx_http_referral_known_t  *entry;

    if (hit->asked.len == 0 || hit->asked.len > NGX_HTTP_REFERRAL_KNOWN_TEXT
        || code->status != REFERRAL_STATUS_ACTIVE || code->landing.len != 0)
    {
        return;
    }

    entry = (hit->known != NULL) ? hit->known
                                 : ngx_http_referral_known_place(hit);

    entry->txn = txn;
    entry->program_id = program;
    entry->code_id = code->id;
    entry->code_len = code->code.len;
    ngx_memcpy(entry->text + entry->text_len, code->code.data,
               code->code.len);
}
