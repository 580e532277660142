/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>
#include <strings.h>

#include "referral_landing.h"
#include "referral_target.h"


static const char *referral_ipv6_wrong(const unsigned char *p,
    const unsigned char *last);
static unsigned referral_port(const unsigned char *p,
    const unsigned char *last);
static unsigned referral_path_right(referral_str_t path);
static unsigned referral_printable(const unsigned char *p,
    const unsigned char *last);


const char *
referral_origin_wrong(referral_str_t url, size_t *len, size_t *rest)
{
    unsigned              n, usual;
    const unsigned char  *p, *host, *port, *last;

    if (url.len >= 8 && strncasecmp((char *) url.data, "https://", 8) == 0) {
        host = url.data + 8;
        usual = 443;

    } else if (url.len >= 7
               && strncasecmp((char *) url.data, "http://", 7) == 0)
    {
        host = url.data + 7;
        usual = 80;

    } else {
        return "must begin with \"https://\" or \"http://\"";
    }

    last = url.data + url.len;

    for (p = host; p < last && memchr("/?#", *p, 3) == NULL; p++) { /* void */ }

    *rest = (size_t) (p - url.data);
    *len = *rest;

    for (port = p; port > host && port[-1] >= '0' && port[-1] <= '9'; port--)
    { /* void */ }

    if (port > host && port[-1] == ':') {
        n = referral_port(port, p);

        if (n == 0) {
            return "has an invalid port";
        }

        p = port - 1;
        *len = (n == usual) ? (size_t) (p - url.data) : *len;
    }

    return referral_host_wrong(host, p);
}


/* 0: it is none. */

static unsigned
referral_port(const unsigned char *p, const unsigned char *last)
{
    unsigned  n;

    n = 0;

    while (p < last && n <= 65535) {
        n = n * 10 + (*p++ - '0');
    }

    return (n <= 65535) ? n : 0;
}


const char *
referral_host_wrong(const unsigned char *p, const unsigned char *last)
{
    unsigned char  prev;

    if (last - p > 2 && *p == '[' && last[-1] == ']') {
        return referral_ipv6_wrong(p + 1, last - 1);
    }

    for (prev = '.'; p < last; prev = *p++) {

        if (*p > 0x7f) {
            return "has a host beyond ASCII, which has to be written as an "
                   "A-label (xn--...)";
        }

        if ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a'
            && (*p | 0x20) <= 'z'))
        {
            continue;
        }

        if (prev == '.' || (*p != '-' && *p != '.' && *p != '_')) {
            return "has an invalid host";
        }
    }

    return (prev != '.') ? NULL : "has an invalid host";
}


static const char *
referral_ipv6_wrong(const unsigned char *p, const unsigned char *last)
{
    for ( /* void */ ; p < last; p++) {
        if (!(*p >= '0' && *p <= '9') && *p != ':' && *p != '.'
            && !((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f'))
        {
            return "has an invalid IPv6 address";
        }
    }

    return NULL;
}


const char *
referral_landing_wrong(referral_str_t landing)
{
    size_t       len, rest;
    const char  *why;

    if (landing.len == 0 || landing.len > REFERRAL_URL_MAX) {
        return "it is not null or 1 to 2048 bytes long";
    }

    if (landing.data[0] == '/') {
        return referral_path_right(landing)
               ? NULL
               : "it is not a path that every browser reads the same way";
    }

    why = referral_origin_wrong(landing, &len, &rest);

    if (why != NULL) {
        return why;
    }

    return referral_printable(landing.data + rest, landing.data + landing.len)
           ? NULL : "it has characters that must be percent-encoded";
}


/* The rules of ?to=, which decodes once; a landing is meant as it stands. */

static unsigned
referral_path_right(referral_str_t path)
{
    size_t          i, len;
    unsigned char   raw[3 * REFERRAL_URL_MAX], out[3 * REFERRAL_URL_MAX], *p;

    p = raw;

    for (i = 0; i < path.len; i++) {
        *p++ = path.data[i];

        if (path.data[i] == '%') {
            *p++ = '2';
            *p++ = '5';
        }
    }

    return referral_to_decode((referral_str_t) { (size_t) (p - raw), raw },
                              out, &len)
           && len == path.len && memcmp(out, path.data, len) == 0;
}


static unsigned
referral_printable(const unsigned char *p, const unsigned char *last)
{
    for ( /* void */ ; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f || strchr("\\\"<>^`{|}", *p) != NULL) {
            return 0;
        }
    }

    return 1;
}
