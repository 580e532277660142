/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include "ngx_http_referral_share.h"
#include "referral_siphash.h"


static void ngx_http_referral_share_write(ngx_http_referral_share_t *share,
    ngx_log_t *log);
static ngx_uint_t ngx_http_referral_share_is(ngx_http_referral_share_t *share,
    referral_str_t code, ngx_log_t *log);
static referral_str_t ngx_http_referral_share_copy(
    ngx_http_referral_share_t *share, referral_str_t s);
static referral_str_t ngx_http_referral_share_escape(
    ngx_http_referral_share_t *share, referral_str_t s, ngx_uint_t lines);
static void ngx_http_referral_share_json_target(
    ngx_http_referral_share_t *share, referral_out_t *out,
    const ngx_http_referral_share_target_t *target);


#define ngx_http_referral_share_line(s)                                       \
    { sizeof(s) - 1, (const unsigned char *) (s) }

const ngx_http_referral_share_target_t
    ngx_http_referral_share_targets[NGX_HTTP_REFERRAL_SHARE_TARGETS] =
{
    { "whatsapp", "WhatsApp", "wa",
      ngx_http_referral_share_line("https://wa.me/?text={text}"), 0 },

    { "telegram", "Telegram", "tg",
      ngx_http_referral_share_line("https://t.me/share/url?url={link}"
                                   "&text={lead}"), 0 },

    { "email", "E-mail", "mail",
      ngx_http_referral_share_line("mailto:?subject={subject}&body={text}"),
      1 },

    { "sms", "SMS", "sms",
      ngx_http_referral_share_line("sms:?&body={text}"), 0 },

    { "x", "X", "x",
      ngx_http_referral_share_line("https://x.com/intent/post?text={text}"),
      0 },

    { "facebook", "Facebook", "fb",
      ngx_http_referral_share_line("https://www.facebook.com/sharer/"
                                   "sharer.php?u={link}"), 0 },

    { "linkedin", "LinkedIn", "in",
      ngx_http_referral_share_line("https://www.linkedin.com/sharing/"
                                   "share-offsite/?url={link}"), 0 },

    { "copy", NULL, "copy", { 0, NULL }, 0 },

    { "share", NULL, "share", { 0, NULL }, 0 }
};


void
ngx_http_referral_share_init(ngx_http_referral_share_t *share,
    ngx_http_request_t *r, ngx_http_referral_program_t *program,
    const referral_code_t *code, referral_str_t language)
{
    ngx_memzero(share, sizeof(ngx_http_referral_share_t));

    share->pool = r->pool;
    share->program = program;
    share->code = ngx_http_referral_share_copy(share, code->code);
    share->name = ngx_http_referral_share_copy(share, code->name);

    ngx_http_referral_share_write(share, r->connection->log);
    ngx_http_referral_share_choose(share, language);
}


ngx_int_t
ngx_http_referral_share_link_to(ngx_pool_t *pool,
    ngx_http_referral_program_t *program, referral_str_t code,
    ngx_log_t *log, referral_str_t *link)
{
    ngx_http_referral_share_t  share;

    ngx_memzero(&share, sizeof(ngx_http_referral_share_t));

    share.pool = pool;
    share.program = program;
    share.code = code;

    ngx_http_referral_share_write(&share, log);

    *link = share.link;

    return share.failed ? NGX_ERROR : NGX_OK;
}


/*
 * Links need not take every code that is registered: their regex may want
 * another length, or, where case does not count, another case.
 */

static void
ngx_http_referral_share_write(ngx_http_referral_share_t *share, ngx_log_t *log)
{
    u_char                        changed[2][REFERRAL_CODE_MAX];
    ngx_uint_t                    i;
    referral_str_t                code, channel;
    ngx_http_referral_program_t  *program;

    code = share->code;
    program = share->program;

    if (!ngx_http_referral_share_is(share, code, log)) {

        if (program->case_sensitive || code.len > REFERRAL_CODE_MAX) {
            return;
        }

        for (i = 0; i < code.len; i++) {
            changed[0][i] = ngx_toupper(code.data[i]);
            changed[1][i] = ngx_tolower(code.data[i]);
        }

        code.data = changed[0];

        if (!ngx_http_referral_share_is(share, code, log)) {
            code.data = changed[1];

            if (!ngx_http_referral_share_is(share, code, log)) {
                return;
            }
        }
    }

    share->written = ngx_http_referral_share_copy(share, code);

    for (i = 0; i < NGX_HTTP_REFERRAL_SHARE_CHANNELS; i++) {
        channel.data = (u_char *) ngx_http_referral_share_channels[i];
        channel.len = ngx_strlen(channel.data);

        if ((program->share.channels & ((ngx_uint_t) 1 << i))
            && ngx_http_referral_share_takes(program, code, channel,
                                             share->pool, log))
        {
            share->channels |= (ngx_uint_t) 1 << i;
        }
    }

    share->link = ngx_http_referral_share_link(share, NULL);
}


static ngx_uint_t
ngx_http_referral_share_is(ngx_http_referral_share_t *share,
    referral_str_t code, ngx_log_t *log)
{
    static const referral_str_t  none;

    return share->program->share.link.len != 0
           && ngx_http_referral_share_takes(share->program, code, none,
                                            share->pool, log);
}


static referral_str_t
ngx_http_referral_share_copy(ngx_http_referral_share_t *share,
    referral_str_t s)
{
    u_char  *p;

    p = ngx_pnalloc(share->pool, s.len ? s.len : 1);

    if (p == NULL) {
        share->failed = 1;
        s.len = 0;
        return s;
    }

    ngx_memcpy(p, s.data, s.len);
    s.data = p;

    return s;
}


referral_str_t
ngx_http_referral_share_fill(ngx_http_referral_share_t *share,
    referral_str_t text, const referral_slot_t *slots)
{
    u_char          *p;
    referral_str_t   out;

    out.len = referral_share_expand(text, slots, NULL);
    out.data = p = ngx_pnalloc(share->pool, out.len ? out.len : 1);

    if (p == NULL) {
        share->failed = 1;
        out.len = 0;
        return out;
    }

    (void) referral_share_expand(text, slots, p);

    return out;
}


referral_str_t
ngx_http_referral_share_link(ngx_http_referral_share_t *share,
    const char *channel)
{
    ngx_uint_t                       i;
    referral_str_t                   text;
    ngx_http_referral_share_conf_t  *conf;

    const referral_slot_t  slots[] = {
        { "code", share->written }, { NULL, { 0, NULL } }
    };

    conf = &share->program->share;

    for (i = 0; channel != NULL && i < NGX_HTTP_REFERRAL_SHARE_CHANNELS; i++) {

        if ((share->channels & ((ngx_uint_t) 1 << i))
            && ngx_strcmp(channel, ngx_http_referral_share_channels[i]) == 0)
        {
            text.len = ngx_strlen(channel);
            text.data = (u_char *) channel;

            return ngx_http_referral_share_with(share, text);
        }
    }

    return ngx_http_referral_share_fill(share,
                                        ngx_http_referral_str(conf->plain),
                                        slots);
}


referral_str_t
ngx_http_referral_share_with(ngx_http_referral_share_t *share,
    referral_str_t channel)
{
    const referral_slot_t  slots[] = {
        { "code", share->written }, { "channel", channel },
        { NULL, { 0, NULL } }
    };

    return ngx_http_referral_share_fill(share,
                          ngx_http_referral_str(share->program->share.link),
                          slots);
}


/* Whoever gave no name has that of the code. */

referral_str_t
ngx_http_referral_share_text(ngx_http_referral_share_t *share,
    referral_str_t link)
{
    const referral_slot_t  slots[] = {
        { "link", link },
        { "reward", share->program->share.reward },
        { "disclosure", share->disclosure },
        { "name", share->name.len ? share->name : share->code },
        { NULL, { 0, NULL } }
    };

    return ngx_http_referral_share_fill(share, share->message, slots);
}


static referral_str_t
ngx_http_referral_share_escape(ngx_http_referral_share_t *share,
    referral_str_t s, ngx_uint_t lines)
{
    u_char  *p;

    p = ngx_pnalloc(share->pool, 6 * s.len + 1);

    if (p == NULL) {
        share->failed = 1;
        s.len = 0;
        return s;
    }

    s.len = referral_share_url(s, lines, p);
    s.data = p;

    return s;
}


/* Where the link goes of its own, it need not end the text once more. */

referral_str_t
ngx_http_referral_share_url(ngx_http_referral_share_t *share,
    const ngx_http_referral_share_target_t *target)
{
    referral_str_t  link, text, lead, subject;

    link = ngx_http_referral_share_link(share, target->channel);
    text = ngx_http_referral_share_text(share, link);
    lead = text;

    if (lead.len >= link.len && link.len != 0
        && ngx_memcmp(lead.data + lead.len - link.len, link.data, link.len)
           == 0)
    {
        lead.len -= link.len;
        lead = referral_share_trim(lead);
    }

    subject.len = ngx_strlen(share->words->subject);
    subject.data = (u_char *) share->words->subject;

    const referral_slot_t  slots[] = {
        { "link", ngx_http_referral_share_escape(share, link, 0) },
        { "text", ngx_http_referral_share_escape(share, text,
                                                 target->lines) },
        { "lead", ngx_http_referral_share_escape(share, lead, 0) },
        { "subject", ngx_http_referral_share_escape(share, subject, 0) },
        { NULL, { 0, NULL } }
    };

    return ngx_http_referral_share_fill(share, target->url, slots);
}


void
ngx_http_referral_share_json(ngx_http_referral_share_t *share,
    referral_out_t *out)
{
    ngx_uint_t   i;
    const char  *channel;

    referral_out_open(out, NULL, "{");
    referral_out_str(out, "program",
                     ngx_http_referral_str(share->program->name));
    referral_out_str(out, "code", share->code);
    referral_out_str_or_null(out, "name", share->name);
    referral_out_str(out, "link", share->link);
    referral_out_str_or_null(out, "lang", share->tag);
    referral_out_str(out, "message",
                     ngx_http_referral_share_text(share, share->link));
    referral_out_str_or_null(out, "disclosure", share->disclosure);
    referral_out_str_or_null(out, "terms",
                        ngx_http_referral_str(share->program->share.terms));

    referral_out_open(out, "channels", "{");

    for (i = 0; i < NGX_HTTP_REFERRAL_SHARE_CHANNELS; i++) {
        channel = ngx_http_referral_share_channels[i];
        referral_out_str(out, channel,
                         ngx_http_referral_share_link(share, channel));
    }

    referral_out_close(out, "}");
    referral_out_open(out, "targets", "[");

    for (i = 0; i < NGX_HTTP_REFERRAL_SHARE_TARGETS; i++) {
        ngx_http_referral_share_json_target(share, out,
                                       &ngx_http_referral_share_targets[i]);
    }

    referral_out_close(out, "]");
    referral_out_open(out, "qr", "{");
    referral_out_text(out, "svg", "qr.svg");
    referral_out_text(out, "png", "qr.png");
    referral_out_close(out, "}");
    referral_out_close(out, "}");

    out->failed |= share->failed;
}


static void
ngx_http_referral_share_json_target(ngx_http_referral_share_t *share,
    referral_out_t *out, const ngx_http_referral_share_target_t *target)
{
    referral_out_open(out, NULL, "{");
    referral_out_text(out, "id", target->id);
    referral_out_text(out, "channel", target->channel);

    if (target->url.len != 0) {
        referral_out_str(out, "url",
                         ngx_http_referral_share_url(share, target));
    }

    referral_out_close(out, "}");
}


ngx_int_t
ngx_http_referral_share_etag(ngx_pool_t *pool, referral_out_t *out,
    ngx_str_t *etag)
{
    uint64_t                   hash[2];
    ngx_chain_t               *cl;
    ngx_http_referral_text_t  *text;

    static const u_char  key[16];

    if (out->failed) {
        return NGX_ERROR;
    }

    text = out->data;
    hash[0] = 0;

    for (cl = text->first; cl != NULL; cl = cl->next) {
        hash[1] = referral_siphash(key, cl->buf->pos,
                                   cl->buf->last - cl->buf->pos);
        hash[0] = referral_siphash(key, hash, sizeof(hash));
    }

    etag->data = ngx_pnalloc(pool, sizeof("\"0123456789abcdef\""));
    if (etag->data == NULL) {
        return NGX_ERROR;
    }

    etag->len = ngx_sprintf(etag->data, "\"%016xL\"", hash[0]) - etag->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_referral_share_headers(ngx_http_request_t *r,
    ngx_http_referral_share_t *share)
{
    ngx_str_t         language;
    static ngx_str_t  vary = ngx_string("Accept-Language");

    if (ngx_http_referral_push_out(r, "Vary", &vary) == NULL) {
        return NGX_ERROR;
    }

    if (share->tag.len == 0) {
        return NGX_OK;
    }

    language.len = share->tag.len;
    language.data = (u_char *) share->tag.data;

    return ngx_http_referral_push_out(r, "Content-Language", &language) != NULL
           ? NGX_OK : NGX_ERROR;
}
