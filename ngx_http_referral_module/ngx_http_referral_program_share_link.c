/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * The link that is shared: told by share_link, or guessed.  It is only taken
 * when it is a link of the program, or a page with its parameter.
 */

#include "ngx_http_referral_share.h"
#include "referral_landing.h"


#define NGX_HTTP_REFERRAL_HAS_CODE        0x01
#define NGX_HTTP_REFERRAL_SHARE_LINK_MAX  512   /* bytes */


static const char *ngx_http_referral_share_path_wrong(u_char *p,
    u_char *last);
static ngx_int_t ngx_http_referral_share_plain(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, u_char *code, size_t *len);
static ngx_int_t ngx_http_referral_share_cut(ngx_conf_t *cf, ngx_str_t *link,
    const char *channel, ngx_str_t *plain);
static size_t ngx_http_referral_share_code(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, ngx_str_t *plain, u_char *code);
static ngx_uint_t ngx_http_referral_share_param(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, referral_str_t path,
    referral_str_t args);
static ngx_uint_t ngx_http_referral_share_by_param(
    ngx_http_referral_program_t *program);
static int ngx_http_referral_share_begins(void *data, referral_str_t path);
static int ngx_http_referral_share_matches(void *data, referral_str_t path,
    referral_str_t code);


const char *const
    ngx_http_referral_share_channels[NGX_HTTP_REFERRAL_SHARE_CHANNELS] =
{
    "wa", "tg", "mail", "sms", "x", "fb", "in", "copy", "share", "qr"
};


char *
ngx_http_referral_share_link_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_referral_program_t *program = conf;

    ngx_str_t  *value;

    if (program->share.link.len != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    program->share.link = value[1];
    program->share.place.file = cf->conf_file->file.name.data;
    program->share.place.line = cf->conf_file->line;

    return (char *) ngx_http_referral_share_link_wrong(&value[1]);
}


const char *
ngx_http_referral_share_link_wrong(ngx_str_t *link)
{
    size_t           len, rest;
    uint32_t         used;
    const char      *why;
    referral_str_t   unknown;

    static const referral_slot_t  slots[] = {
        { "code", { 0, NULL } }, { "channel", { 0, NULL } },
        { NULL, { 0, NULL } }
    };

    why = referral_origin_wrong(ngx_http_referral_str(*link), &len, &rest);

    if (why != NULL) {
        return why;
    }

    if (link->len > NGX_HTTP_REFERRAL_SHARE_LINK_MAX) {
        return "is longer than 512 bytes";
    }

    if (!referral_share_check(ngx_http_referral_str(*link), slots, &used,
                              &unknown)
        || !(used & NGX_HTTP_REFERRAL_HAS_CODE))
    {
        return "needs {code}, and takes {channel} and no other placeholder";
    }

    return ngx_http_referral_share_path_wrong(link->data + rest,
                                              link->data + link->len);
}


/* Decoded it is the same, and no browser changes it. */

static const char *
ngx_http_referral_share_path_wrong(u_char *p, u_char *last)
{
    u_char  *code, *channel, *args;

    code = ngx_strnstr(p, "{code}", last - p);
    channel = ngx_strnstr(p, "{channel}", last - p);
    args = ngx_strlchr(p, last, '?');

    if (ngx_strnstr(code + 1, "{code}", last - code - 1) != NULL
        || (channel != NULL
            && ngx_strnstr(channel + 1, "{channel}", last - channel - 1)
               != NULL))
    {
        return "takes each placeholder once";
    }

    if (channel != NULL && (channel[-1] != '/'
                            || (args != NULL && channel > args)))
    {
        return "takes {channel} in its path only, behind a slash";
    }

    if (*p != '/') {
        return "needs a path behind host and port";
    }

    for ( /* void */ ; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f || ngx_strchr("\"#<>\\^`|", *p) != NULL
            || (*p == '%' && (args == NULL || p < args)))
        {
            return "has characters that do not belong there";
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_referral_share_link_end(ngx_conf_t *cf,
    ngx_http_referral_program_t *program)
{
    ngx_int_t                        rc;
    ngx_str_t                        link;
    ngx_http_referral_share_conf_t  *share;

    share = &program->share;

    if (share->link.len == 0) {
        return ngx_http_referral_share_guess(cf, program);
    }

    link = share->link;
    rc = ngx_http_referral_share_try(cf, program, &link);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"share_link\" \"%V\" is no link of program \"%V\", "
                      "whatever the code%s, in %s:%ui", &link, &program->name,
                      share->plain.len ? ", with a channel" : "",
                      share->place.file, share->place.line);
        return NGX_ERROR;
    }

    return rc;
}


ngx_int_t
ngx_http_referral_share_try(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, ngx_str_t *link)
{
    size_t                           len, origin;
    u_char                           code[REFERRAL_CODE_MAX];
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    referral_str_t                   channel;
    ngx_http_referral_share_conf_t  *share;

    share = &program->share;
    share->channels = 0;

    (void) referral_origin_wrong(ngx_http_referral_str(*link), &len, &origin);
    share->origin = origin;
    share->link = *link;

    rc = ngx_http_referral_share_plain(cf, program, code, &len);

    if (rc != NGX_OK
        || ngx_strnstr(link->data, "{channel}", link->len) == NULL)
    {
        return rc;
    }

    for (i = 0; i < NGX_HTTP_REFERRAL_SHARE_CHANNELS; i++) {
        channel.data = (u_char *) ngx_http_referral_share_channels[i];
        channel.len = ngx_strlen(channel.data);

        if (ngx_http_referral_share_takes(program,
                                          (referral_str_t) { len, code },
                                          channel, cf->temp_pool, cf->log))
        {
            share->channels |= (ngx_uint_t) 1 << i;
        }
    }

    return share->channels ? NGX_OK : NGX_DECLINED;
}


/* The link without a channel; one that is none without has the first. */

static ngx_int_t
ngx_http_referral_share_plain(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, u_char *code, size_t *len)
{
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    const char                      *channel;
    ngx_http_referral_share_conf_t  *share;

    share = &program->share;

    for (i = 0; i <= NGX_HTTP_REFERRAL_SHARE_CHANNELS; i++) {
        channel = i ? ngx_http_referral_share_channels[i - 1] : NULL;

        rc = ngx_http_referral_share_cut(cf, &share->link, channel,
                                         &share->plain);
        if (rc != NGX_OK) {
            return rc;
        }

        *len = ngx_http_referral_share_code(cf, program, &share->plain, code);

        if (*len != 0) {
            return NGX_OK;
        }

        if (share->plain.data == share->link.data) {
            break;
        }
    }

    share->plain.len = 0;

    return NGX_DECLINED;
}


/* The link with that channel; NULL: without, and without its slash. */

static ngx_int_t
ngx_http_referral_share_cut(ngx_conf_t *cf, ngx_str_t *link,
    const char *channel, ngx_str_t *plain)
{
    u_char  *p, *at, *rest;

    *plain = *link;

    at = ngx_strnstr(link->data, "{channel}", link->len);

    if (at == NULL) {
        return NGX_OK;
    }

    rest = at + sizeof("{channel}") - 1;
    at -= (channel == NULL);

    plain->data = ngx_pnalloc(cf->pool, link->len + REFERRAL_CHANNEL_MAX);
    if (plain->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(plain->data, link->data, at - link->data);

    if (channel != NULL) {
        p = ngx_cpymem(p, channel, ngx_strlen(channel));
    }

    p = ngx_cpymem(p, rest, link->data + link->len - rest);
    plain->len = p - plain->data;

    return NGX_OK;
}


/* A code with which it is a link; returns its length, 0: there is none. */

static size_t
ngx_http_referral_share_code(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, ngx_str_t *plain, u_char *code)
{
    u_char                  *path, *last, *args, *end, *at;
    referral_str_t           head, tail;
    referral_share_links_t   links;

    path = plain->data + program->share.origin;
    last = plain->data + plain->len;

    args = ngx_strlchr(path, last, '?');
    end = (args != NULL) ? args : last;
    at = ngx_strnstr(path, "{code}", last - path);

    head.data = path;
    head.len = ngx_min(at, end) - path;

    if (end < at) {
        tail.data = args + 1;
        tail.len = last - tail.data;
        code[0] = 'A';

        return ngx_http_referral_share_param(cf, program, head, tail);
    }

    tail.data = at + sizeof("{code}") - 1;
    tail.len = end - tail.data;

    links.begins = ngx_http_referral_share_begins;
    links.matches = ngx_http_referral_share_matches;
    links.data = program;

    return referral_share_sample(&links, head, tail, code);
}


/* Whether it is a page with the code in the first parameter that counts. */

static ngx_uint_t
ngx_http_referral_share_param(ngx_conf_t *cf,
    ngx_http_referral_program_t *program, referral_str_t path,
    referral_str_t args)
{
    ngx_str_t        p;
    ngx_uint_t       i;
    referral_str_t   code, channel, value, *params;

    p.len = path.len;
    p.data = (u_char *) path.data;

    if (ngx_http_referral_match(program, &p, &code, &channel, cf->log) != NULL)
    {
        return 0;
    }

    params = program->params.elts;

    for (i = 0; i < program->params.nelts; i++) {
        if (referral_arg_get(args, params[i], &value)) {
            return value.len == sizeof("{code}") - 1
                   && ngx_memcmp(value.data, "{code}", value.len) == 0;
        }
    }

    return 0;
}


static int
ngx_http_referral_share_begins(void *data, referral_str_t path)
{
    ngx_http_referral_program_t *program = data;

    int                        rc;
    ngx_uint_t                 i;
    ngx_http_referral_link_t  *link;

    rc = 0;
    link = program->links.elts;

    for (i = 0; i < program->links.nelts && rc == 0; i++) {
        rc = referral_pattern_begins(link[i].pattern, path);
    }

    return rc;
}


static int
ngx_http_referral_share_matches(void *data, referral_str_t path,
    referral_str_t code)
{
    ngx_http_referral_program_t *program = data;

    int                        rc;
    ngx_uint_t                 i;
    referral_str_t             found, channel;
    ngx_http_referral_link_t  *link;

    rc = 0;
    link = program->links.elts;

    for (i = 0; i < program->links.nelts && rc == 0; i++) {
        rc = referral_pattern_match(link[i].pattern, path, &found, &channel);
    }

    return (rc > 0) ? found.data == code.data && found.len == code.len : rc;
}


/* A parameter has any code. */

static ngx_uint_t
ngx_http_referral_share_by_param(ngx_http_referral_program_t *program)
{
    u_char     *args, *last;
    ngx_str_t  *plain;

    plain = &program->share.plain;
    last = plain->data + plain->len;
    args = ngx_strlchr(plain->data, last, '?');

    return args != NULL && ngx_strnstr(args, "{code}", last - args) != NULL;
}


ngx_uint_t
ngx_http_referral_share_takes(ngx_http_referral_program_t *program,
    referral_str_t code, referral_str_t channel, ngx_pool_t *pool,
    ngx_log_t *log)
{
    u_char           *args, *url;
    ngx_str_t         path;
    referral_str_t    found, given, link;

    const referral_slot_t  slots[] = {
        { "code", code }, { "channel", channel }, { NULL, { 0, NULL } }
    };

    if (channel.len == 0 && ngx_http_referral_share_by_param(program)) {
        return 1;
    }

    link = ngx_http_referral_str(channel.len ? program->share.link
                                             : program->share.plain);

    url = ngx_pnalloc(pool, referral_share_expand(link, slots, NULL));
    if (url == NULL) {
        return 0;
    }

    path.len = referral_share_expand(link, slots, url) - program->share.origin;
    path.data = url + program->share.origin;

    args = ngx_strlchr(path.data, path.data + path.len, '?');

    if (args != NULL) {
        path.len = args - path.data;
    }

    return ngx_http_referral_match(program, &path, &found, &given, log) != NULL
           && found.len == code.len
           && ngx_memcmp(found.data, code.data, code.len) == 0
           && (channel.len == 0
               || (given.len == channel.len
                   && ngx_memcmp(given.data, channel.data, channel.len) == 0));
}
