/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * What is said to those who share a link, and what they say.
 */

#include "ngx_http_referral_share.h"
#include "referral_landing.h"


#define NGX_HTTP_REFERRAL_PHRASE_MAX  1000      /* bytes */

/* What a message has, by the order of its placeholders. */

#define NGX_HTTP_REFERRAL_HAS_LINK        0x01
#define NGX_HTTP_REFERRAL_HAS_REWARD      0x02
#define NGX_HTTP_REFERRAL_HAS_DISCLOSURE  0x04


static char *ngx_http_referral_placeholders(ngx_conf_t *cf,
    const referral_slot_t *slots, const char *taken, uint32_t *used);
static char *ngx_http_referral_phrase(ngx_conf_t *cf,
    ngx_http_referral_phrases_t *phrases);
static const char *ngx_http_referral_phrase_wrong(referral_str_t text);
static ngx_int_t ngx_http_referral_phrase_tag(ngx_conf_t *cf,
    ngx_http_referral_phrases_t *phrases, referral_str_t *tag);
static ngx_int_t ngx_http_referral_phrase_push(ngx_conf_t *cf,
    ngx_http_referral_phrases_t *phrases, referral_str_t tag,
    referral_str_t text);
static ngx_int_t ngx_http_referral_messages_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);
static referral_str_t ngx_http_referral_friend_reward(
    referral_rules_t *rules);
static ngx_int_t ngx_http_referral_terms_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program);


static const referral_slot_t  ngx_http_referral_message_slots[] = {
    { "link", { 0, NULL } },
    { "reward", { 0, NULL } },
    { "disclosure", { 0, NULL } },
    { "name", { 0, NULL } },
    { NULL, { 0, NULL } }
};


char *
ngx_http_referral_message(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    char      *rv;
    uint32_t   used;

    rv = ngx_http_referral_placeholders(cf, ngx_http_referral_message_slots,
                          "{link}, {reward}, {disclosure} and {name}", &used);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (!(used & NGX_HTTP_REFERRAL_HAS_LINK)) {
        return "needs {link} in its text";
    }

    return ngx_http_referral_phrase(cf, &program->share.messages);
}


char *
ngx_http_referral_disclosure(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    char      *rv;
    uint32_t   used;

    static const referral_slot_t  none[] = { { NULL, { 0, NULL } } };

    rv = ngx_http_referral_placeholders(cf, none, "none", &used);

    return (rv == NGX_CONF_OK)
           ? ngx_http_referral_phrase(cf, &program->share.disclosures) : rv;
}


static char *
ngx_http_referral_placeholders(ngx_conf_t *cf, const referral_slot_t *slots,
    const char *taken, uint32_t *used)
{
    ngx_str_t       *value, *text;
    referral_str_t   unknown;

    value = cf->args->elts;
    text = &value[cf->args->nelts - 1];

    if (!referral_share_check(ngx_http_referral_str(*text), slots, used,
                              &unknown))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown placeholder \"%*s\" in \"%V\" directive, "
                           "it takes %s", unknown.len, unknown.data,
                           &value[0], taken);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_referral_phrase(ngx_conf_t *cf, ngx_http_referral_phrases_t *phrases)
{
    ngx_str_t       *value;
    const char      *why;
    referral_str_t   tag, text;

    value = cf->args->elts;
    text = ngx_http_referral_str(value[cf->args->nelts - 1]);

    why = ngx_http_referral_phrase_wrong(text);

    if (why != NULL) {
        return (char *) why;
    }

    if (ngx_http_referral_phrase_tag(cf, phrases, &tag) != NGX_OK
        || ngx_http_referral_phrase_push(cf, phrases, tag, text) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static const char *
ngx_http_referral_phrase_wrong(referral_str_t text)
{
    size_t  i, n;

    for (i = 0; i < text.len; i += n) {
        n = referral_utf8(text.data + i, text.len - i);

        if (n == 0 || (text.data[i] < 0x20 && text.data[i] != '\n')
            || text.data[i] == 0x7f)
        {
            return "needs a text of UTF-8, without control characters but "
                   "line feeds";
        }
    }

    if (referral_share_trim(text).len != text.len || text.len == 0
        || text.len > NGX_HTTP_REFERRAL_PHRASE_MAX)
    {
        return "needs a text of 1 to 1000 bytes, without white space at its "
               "ends";
    }

    return NULL;
}


static ngx_int_t
ngx_http_referral_phrase_tag(ngx_conf_t *cf,
    ngx_http_referral_phrases_t *phrases, referral_str_t *tag)
{
    ngx_str_t       *value;
    ngx_uint_t       i;
    referral_str_t  *tags;

    value = cf->args->elts;
    ngx_memzero(tag, sizeof(referral_str_t));

    if (cf->args->nelts == 3) {
        *tag = ngx_http_referral_str(value[1]);

        if (!referral_language_right(*tag)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid language \"%V\" in \"%V\" directive, "
                               "it must be a tag as \"de\" or \"pt-BR\"",
                               &value[1], &value[0]);
            return NGX_ERROR;
        }
    }

    tags = phrases->tags.elts;

    for (i = 0; i < phrases->tags.nelts; i++) {
        if (tags[i].len == tag->len
            && ngx_strncasecmp((u_char *) tags[i].data, (u_char *) tag->data,
                               tag->len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"%V\" directive %s%*s", &value[0],
                               tag->len ? "for language " : "without a "
                               "language", tag->len, tag->data);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_referral_phrase_push(ngx_conf_t *cf,
    ngx_http_referral_phrases_t *phrases, referral_str_t tag,
    referral_str_t text)
{
    referral_str_t             *t, *s;
    ngx_http_referral_place_t  *place;

    if (phrases->tags.elts == NULL
        && (ngx_array_init(&phrases->tags, cf->pool, 4,
                           sizeof(referral_str_t))
            != NGX_OK
            || ngx_array_init(&phrases->texts, cf->pool, 4,
                              sizeof(referral_str_t))
               != NGX_OK
            || ngx_array_init(&phrases->places, cf->pool, 4,
                              sizeof(ngx_http_referral_place_t))
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    t = ngx_array_push(&phrases->tags);
    s = ngx_array_push(&phrases->texts);
    place = ngx_array_push(&phrases->places);

    if (t == NULL || s == NULL || place == NULL) {
        return NGX_ERROR;
    }

    *t = tag;
    *s = text;
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;

    return NGX_OK;
}


char *
ngx_http_referral_terms(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t  *value;

    if (program->share.terms.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (referral_landing_wrong(ngx_http_referral_str(value[1])) != NULL) {
        return "needs a path, or an absolute URL of http or https";
    }

    program->share.terms = value[1];

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_referral_share_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    program->share.reward = ngx_http_referral_friend_reward(program->rules);

    if (ngx_http_referral_messages_end(cf, program) != NGX_OK
        || ngx_http_referral_terms_end(cf, program) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_referral_share_link_end(cf, program);
}


static referral_str_t
ngx_http_referral_friend_reward(referral_rules_t *rules)
{
    ngx_uint_t               i;
    referral_str_t           none;
    referral_reward_rule_t  *reward;

    for (i = 0; i < rules->nrewards; i++) {
        reward = &rules->rewards[i];

        if (reward->to == REFERRAL_TO_FRIEND) {
            return reward->value.len ? reward->value : reward->name;
        }
    }

    ngx_memzero(&none, sizeof(referral_str_t));

    return none;
}


static ngx_int_t
ngx_http_referral_messages_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    uint32_t                         used;
    ngx_uint_t                       i;
    const char                      *lacks;
    referral_str_t                  *texts, unknown;
    ngx_http_referral_place_t       *places;
    ngx_http_referral_share_conf_t  *share;

    share = &program->share;
    texts = share->messages.texts.elts;
    places = share->messages.places.elts;

    for (i = 0; i < share->messages.texts.nelts; i++) {
        (void) referral_share_check(texts[i], ngx_http_referral_message_slots,
                                    &used, &unknown);

        lacks = ((used & NGX_HTTP_REFERRAL_HAS_REWARD)
                 && share->reward.len == 0)
                ? "{reward}, but the program has no reward \"to=friend\""
                : ((used & NGX_HTTP_REFERRAL_HAS_DISCLOSURE)
                   && share->disclosures.texts.nelts == 0)
                ? "{disclosure}, but the program has no \"disclosure\""
                : NULL;

        if (lacks != NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"message\" has %s in %s:%ui", lacks,
                          places[i].file, places[i].line);
            return NGX_ERROR;
        }

        if (share->disclosures.texts.nelts != 0
            && !(used & NGX_HTTP_REFERRAL_HAS_DISCLOSURE))
        {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"message\" does not tell friends the "
                          "\"disclosure\", as it has no {disclosure}, in "
                          "%s:%ui", places[i].file, places[i].line);
        }
    }

    return NGX_OK;
}


/* A path is one on the base, which is known now. */

static ngx_int_t
ngx_http_referral_terms_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    u_char     *p;
    ngx_str_t  *terms;

    terms = &program->share.terms;

    if (terms->len == 0 || terms->data[0] != '/') {
        return NGX_OK;
    }

    p = ngx_pnalloc(cf->pool, program->base.len + terms->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(p, program->base.data, program->base.len),
               terms->data, terms->len);

    terms->data = p;
    terms->len += program->base.len;

    return NGX_OK;
}
