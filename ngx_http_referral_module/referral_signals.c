/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_classify.h"


/* Of what a user agent claims to be, what sends Fetch metadata over TLS. */

typedef enum {
    REFERRAL_ENGINE_OTHER = 0,
    REFERRAL_ENGINE_CHROMIUM,
    REFERRAL_ENGINE_FIREFOX,
    REFERRAL_ENGINE_SAFARI
} referral_engine_t;


/* Through whose pages the mail gateways send who follows a link in a mail. */

static const char *const  referral_scanner_hosts[] = {
    ".emailprotection.link",
    "linkprotect.cudasvc.com",
    ".mimecastprotect.com",
    ".safelinks.protection.outlook.com",
    "statics.teams.cdn.office.net",
    ".urldefense.com",
    "urldefense.proofpoint.com",
    NULL
};


/* What advertisers' systems add to the links they are paid for. */

static const char *const  referral_paid_args[] = {
    "dclid", "fbclid", "gad_source", "gbraid", "gclid", "li_fat_id", "msclkid",
    "ttclid", "twclid", "wbraid", NULL
};


static unsigned char
referral_low(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') ? c | 0x20 : c;
}


static int
referral_low_equal(const unsigned char *p, const char *word, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (referral_low(p[i]) != referral_low((unsigned char) word[i])) {
            return 0;
        }
    }

    return 1;
}


/* A hundred times the version behind the name, and its minor one; 0: none. */

static unsigned
referral_version(referral_str_t ua, const char *name)
{
    size_t    i, len;
    unsigned  major, minor;

    len = strlen(name);

    for (i = 0; i + len < ua.len; i++) {
        if (ua.data[i] == (unsigned char) *name
            && memcmp(ua.data + i, name, len) == 0)
        {
            break;
        }
    }

    major = 0;
    minor = 0;

    for (i += len; i < ua.len && ua.data[i] >= '0' && ua.data[i] <= '9'
                   && major < 10000; i++)
    {
        major = major * 10 + (ua.data[i] - '0');
    }

    if (i + 1 < ua.len && ua.data[i] == '.' && ua.data[i + 1] >= '0'
        && ua.data[i + 1] <= '9')
    {
        minor = ua.data[i + 1] - '0';
    }

    return major * 100 + minor;
}


static referral_engine_t
referral_engine(referral_str_t ua)
{
    unsigned  version;

    if (ua.len > REFERRAL_AGENT_BYTES) {
        ua.len = REFERRAL_AGENT_BYTES;
    }

    version = referral_version(ua, "Chrome/");

    if (version != 0) {
        return (version >= 8000) ? REFERRAL_ENGINE_CHROMIUM
                                 : REFERRAL_ENGINE_OTHER;
    }

    version = referral_version(ua, "Firefox/");

    if (version != 0) {
        return (version >= 9000) ? REFERRAL_ENGINE_FIREFOX
                                 : REFERRAL_ENGINE_OTHER;
    }

    return (referral_version(ua, "Version/") >= 1604
            && referral_version(ua, " Safari/") != 0)
           ? REFERRAL_ENGINE_SAFARI : REFERRAL_ENGINE_OTHER;
}


int
referral_signals(const referral_request_t *req, referral_why_t *why)
{
    int             metadata;
    referral_str_t  host;

    host = referral_referer_host(req->referer);

    if (host.len != 0 && referral_host_in(host, referral_scanner_hosts)) {
        *why = REFERRAL_WHY_SCANNER_REFERER;
        return 1;
    }

    metadata = req->sec_fetch_dest.len != 0 || req->sec_fetch_mode.len != 0
               || req->sec_fetch_site.len != 0 || req->sec_fetch_user.len != 0;

    if (!req->tls || (metadata && req->accept_language.len != 0)
        || referral_engine(req->user_agent) == REFERRAL_ENGINE_OTHER)
    {
        return 0;
    }

    *why = metadata ? REFERRAL_WHY_NO_LANGUAGE : REFERRAL_WHY_NO_FETCH_METADATA;

    return 1;
}


/* Safari does not send Sec-Fetch-User. */

int
referral_no_activation(const referral_request_t *req)
{
    referral_engine_t  engine;

    if (req->sec_fetch_user.len != 0
        || req->sec_fetch_site.len != 10
        || memcmp(req->sec_fetch_site.data, "cross-site", 10) != 0
        || req->sec_fetch_mode.len != 8
        || memcmp(req->sec_fetch_mode.data, "navigate", 8) != 0)
    {
        return 0;
    }

    engine = referral_engine(req->user_agent);

    return engine == REFERRAL_ENGINE_CHROMIUM
           || engine == REFERRAL_ENGINE_FIREFOX;
}


referral_str_t
referral_referer_host(referral_str_t referer)
{
    size_t          i, start;
    referral_str_t  host;

    host.len = 0;
    host.data = (const unsigned char *) "";

    start = (referer.len > 8 && referral_low_equal(referer.data, "https://", 8))
            ? 8
            : (referer.len > 7
               && referral_low_equal(referer.data, "http://", 7)) ? 7 : 0;

    if (start == 0) {
        return host;
    }

    for (i = start; i < referer.len; i++) {

        if (strchr("/?#\\:", referer.data[i]) != NULL) {
            break;
        }
    }

    /* "shop.example." is the same host */

    if (i > start && referer.data[i - 1] == '.') {
        i--;
    }

    host.len = i - start;
    host.data = referer.data + start;

    return host;
}


int
referral_host_is(referral_str_t host, const char *pattern)
{
    size_t  len;

    len = strlen(pattern);

    if (*pattern != '.') {
        return host.len == len && referral_low_equal(host.data, pattern, len);
    }

    if (host.len >= len
        && referral_low_equal(host.data + host.len - len, pattern, len))
    {
        return 1;
    }

    return host.len == len - 1
           && referral_low_equal(host.data, pattern + 1, len - 1);
}


int
referral_host_in(referral_str_t host, const char *const *patterns)
{
    for ( /* void */ ; *patterns != NULL; patterns++) {

        if (referral_host_is(host, *patterns)) {
            return 1;
        }
    }

    return 0;
}


int
referral_args_paid(referral_str_t args)
{
    size_t              i, start;
    const char *const  *name;

    for (i = 0; i < args.len; i++) {
        start = i;

        while (i < args.len && args.data[i] != '&' && args.data[i] != '=') {
            i++;
        }

        for (name = referral_paid_args; *name != NULL; name++) {

            if (strlen(*name) == i - start
                && memcmp(args.data + start, *name, i - start) == 0)
            {
                return 1;
            }
        }

        while (i < args.len && args.data[i] != '&') {
            i++;
        }
    }

    return 0;
}
