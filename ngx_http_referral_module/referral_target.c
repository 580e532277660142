/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_target.h"


static int referral_hex(unsigned char c);
static int referral_unescape(const unsigned char *p, const unsigned char *end);
static int referral_to_checked(const unsigned char *p, size_t len);
static int referral_to_byte(unsigned char c);
static int referral_to_segments(const unsigned char *p, size_t len);
static int referral_to_dots(const unsigned char *p, const unsigned char *end);
static size_t referral_path_len(const unsigned char *p, size_t len);
static size_t referral_find(referral_str_t s, unsigned char c);
static referral_str_t referral_query(referral_str_t uri, size_t path);
static int referral_arg_next(referral_str_t args, size_t *pos,
    referral_str_t *arg, referral_str_t *name);
static int referral_name_in(referral_str_t name, const referral_str_t *names,
    size_t n);
static int referral_name_listed(referral_str_t name,
    const referral_str_t *names, size_t n);
static int referral_arg_has(referral_str_t args, referral_str_t name);
static int referral_arg_passes(const referral_pass_t *pass,
    referral_str_t query, referral_str_t name);
static unsigned char *referral_escape(unsigned char *out, unsigned char c);
static unsigned char *referral_args_append(unsigned char *out,
    referral_str_t arg, unsigned char before);
static unsigned char *referral_copy(unsigned char *out,
    const unsigned char *p, size_t len);
static unsigned char *referral_args_strip(unsigned char *out,
    referral_str_t query, const referral_str_t *names, size_t n);


static int
referral_hex(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return -1;
}


/* The byte that the escape at p stands for, -1 when it is none. */

static int
referral_unescape(const unsigned char *p, const unsigned char *end)
{
    int  hi, lo;

    if (end - p < 3 || *p != '%') {
        return -1;
    }

    hi = referral_hex(p[1]);
    lo = referral_hex(p[2]);

    return (hi < 0 || lo < 0) ? -1 : hi << 4 | lo;
}


int
referral_to_decode(referral_str_t raw, unsigned char *out, size_t *len)
{
    int                   c;
    unsigned char        *q;
    const unsigned char  *p, *end;

    if (raw.len == 0) {
        return 0;
    }

    q = out;
    end = raw.data + raw.len;

    for (p = raw.data; p < end; /* void */ ) {

        if (*p != '%') {
            *q++ = *p++;
            continue;
        }

        c = referral_unescape(p, end);

        if (c < 0) {
            return 0;
        }

        if (c < 0x80) {
            *q++ = (unsigned char) c;

        } else {
            /* a letter beyond ASCII travels as it came */

            memcpy(q, p, 3);
            q += 3;
        }

        p += 3;
    }

    *len = (size_t) (q - out);

    return referral_to_checked(out, *len);
}


static int
referral_to_checked(const unsigned char *p, size_t len)
{
    int     c;
    size_t  i;

    if (len == 0 || len > REFERRAL_TO_MAX || p[0] != '/') {
        return 0;
    }

    for (i = 0; i < len; i++) {

        if (!referral_to_byte(p[i])) {
            return 0;
        }

        if (p[i] != '%') {
            continue;
        }

        c = referral_unescape(p + i, p + len);

        if (c < 0x20 || c == 0x7f || c == '\\') {
            return 0;
        }
    }

    return referral_to_segments(p, referral_path_len(p, len));
}


static int
referral_to_byte(unsigned char c)
{
    return c > 0x20 && c < 0x7f && strchr("\\\"<>^`{|}", c) == NULL;
}


/*
 * Every segment of the path has one reading: "//" may name a host or be
 * merged, "%2F" may be a slash or not, dots lead elsewhere.
 */

static int
referral_to_segments(const unsigned char *p, size_t len)
{
    const unsigned char  *end, *segment;

    end = p + len;
    segment = p + 1;

    for (p = segment; p < end; p++) {

        if (*p == '%' && referral_unescape(p, end) == '/') {
            return 0;
        }

        if (*p != '/') {
            continue;
        }

        if (p == segment || referral_to_dots(segment, p)) {
            return 0;
        }

        segment = p + 1;
    }

    return !referral_to_dots(segment, end);
}


/* Is the segment "." or "..", however it is written? */

static int
referral_to_dots(const unsigned char *p, const unsigned char *end)
{
    size_t  dots;

    for (dots = 0; p < end; dots++) {

        if (*p == '.') {
            p++;
            continue;
        }

        if (referral_unescape(p, end) != '.') {
            return 0;
        }

        p += 3;
    }

    return dots == 1 || dots == 2;
}


static size_t
referral_path_len(const unsigned char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len && p[i] != '?' && p[i] != '#'; i++) { /* void */ }

    return i;
}


size_t
referral_to_path(referral_str_t target, unsigned char *out)
{
    int                   c;
    unsigned char        *q;
    const unsigned char  *p, *end;

    q = out;
    p = target.data;
    end = p + referral_path_len(p, target.len);

    while (p < end) {
        c = referral_unescape(p, end);

        if (c < 0) {
            *q++ = *p++;
            continue;
        }

        *q++ = (unsigned char) c;
        p += 3;
    }

    return (size_t) (q - out);
}


/* Where the byte is first, the length when it is not there. */

static size_t
referral_find(referral_str_t s, unsigned char c)
{
    const unsigned char  *p;

    p = (s.len == 0) ? NULL : memchr(s.data, c, s.len);

    return (p == NULL) ? s.len : (size_t) (p - s.data);
}


/* What follows "?" behind a path of that length. */

static referral_str_t
referral_query(referral_str_t uri, size_t path)
{
    if (path < uri.len) {
        path++;
        uri.data += path;
    }

    uri.len -= path;

    return uri;
}


/* The next parameter that is not empty; its name ends before "=". */

static int
referral_arg_next(referral_str_t args, size_t *pos, referral_str_t *arg,
    referral_str_t *name)
{
    while (*pos < args.len) {
        arg->data = args.data + *pos;
        arg->len = args.len - *pos;
        arg->len = referral_find(*arg, '&');

        *pos += arg->len + 1;

        if (arg->len != 0) {
            name->data = arg->data;
            name->len = referral_find(*arg, '=');
            return 1;
        }
    }

    return 0;
}


int
referral_arg_get(referral_str_t args, referral_str_t name,
    referral_str_t *value)
{
    size_t          pos;
    referral_str_t  arg, found;

    pos = 0;

    while (referral_arg_next(args, &pos, &arg, &found)) {

        if (arg.len > found.len + 1 && referral_name_in(found, &name, 1)) {
            value->data = found.data + found.len + 1;
            value->len = arg.len - found.len - 1;
            return 1;
        }
    }

    return 0;
}


static int
referral_name_in(referral_str_t name, const referral_str_t *names, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {

        if (names[i].len == name.len
            && (name.len == 0
                || memcmp(names[i].data, name.data, name.len) == 0))
        {
            return 1;
        }
    }

    return 0;
}


/* As referral_name_in(), where a name that ends in "*" is a prefix. */

static int
referral_name_listed(referral_str_t name, const referral_str_t *names,
    size_t n)
{
    size_t  i, len;

    for (i = 0; i < n; i++) {
        len = names[i].len;

        if (len == 0 || names[i].data[len - 1] != '*') {
            continue;
        }

        len--;

        if (name.len >= len && memcmp(names[i].data, name.data, len) == 0) {
            return 1;
        }
    }

    return referral_name_in(name, names, n);
}


static int
referral_arg_has(referral_str_t args, referral_str_t name)
{
    size_t          pos;
    referral_str_t  arg, found;

    pos = 0;

    while (referral_arg_next(args, &pos, &arg, &found)) {

        if (referral_name_in(found, &name, 1)) {
            return 1;
        }
    }

    return 0;
}


static int
referral_arg_passes(const referral_pass_t *pass, referral_str_t query,
    referral_str_t name)
{
    if (name.len == 0 || referral_name_in(name, pass->drop, pass->ndrop)) {
        return 0;
    }

    if (pass->mode == REFERRAL_PASS_LISTED
        && !referral_name_listed(name, pass->names, pass->n))
    {
        return 0;
    }

    return !referral_arg_has(query, name);
}


/* "#" would begin a fragment in the middle of a query. */

static unsigned char *
referral_escape(unsigned char *out, unsigned char c)
{
    static const char  hex[] = "0123456789ABCDEF";

    if (c > 0x20 && c < 0x7f && c != '#') {
        *out++ = c;
        return out;
    }

    *out++ = '%';
    *out++ = (unsigned char) hex[c >> 4];
    *out++ = (unsigned char) hex[c & 0x0f];

    return out;
}


static unsigned char *
referral_args_append(unsigned char *out, referral_str_t arg,
    unsigned char before)
{
    size_t  i;

    if (before) {
        *out++ = before;
    }

    for (i = 0; i < arg.len; i++) {
        out = referral_escape(out, arg.data[i]);
    }

    return out;
}


/* One byte for one, so that a destination keeps its length. */

static unsigned char *
referral_copy(unsigned char *out, const unsigned char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        *out++ = (p[i] > 0x20 && p[i] < 0x7f) ? p[i] : '_';
    }

    return out;
}


size_t
referral_args_merge(referral_str_t destination, referral_str_t args,
    const referral_pass_t *pass, unsigned char *out)
{
    size_t          pos, head, tail, left;
    unsigned char  *p, *end, before;
    referral_str_t  arg, name, query;

    head = referral_find(destination, '#');
    tail = destination.len - head;

    query = destination;
    query.len = head;
    query = referral_query(query, referral_path_len(query.data, head));

    end = referral_copy(out, destination.data, head);
    before = '&';

    if (query.len == 0) {
        before = (head != 0 && end[-1] == '?') ? 0 : '?';
    }

    p = end;
    pos = 0;
    left = (pass->mode == REFERRAL_PASS_NONE) ? 0 : REFERRAL_ARGS_MAX;

    while (left-- != 0 && referral_arg_next(args, &pos, &arg, &name)) {

        if (referral_arg_passes(pass, query, name)) {
            p = referral_args_append(p, arg, before);
            before = '&';
        }
    }

    if ((size_t) (p - out) + tail > REFERRAL_LOCATION_MAX) {
        p = end;
    }

    p = referral_copy(p, destination.data + head, tail);

    return (size_t) (p - out);
}


static unsigned char *
referral_args_strip(unsigned char *out, referral_str_t query,
    const referral_str_t *names, size_t n)
{
    size_t          pos;
    unsigned char   before;
    referral_str_t  arg, name;

    pos = 0;
    before = '?';

    while (referral_arg_next(query, &pos, &arg, &name)) {

        if (!referral_name_in(name, names, n)) {
            out = referral_args_append(out, arg, before);
            before = '&';
        }
    }

    return out;
}


size_t
referral_uri_strip(referral_str_t uri, const referral_str_t *names, size_t n,
    unsigned char *out)
{
    size_t          i, path;
    unsigned char  *p;
    referral_str_t  query;

    uri.len = referral_find(uri, '#');
    path = referral_path_len(uri.data, uri.len);
    query = referral_query(uri, path);

    p = out;
    *p++ = '/';

    for (i = 0; i < path; i++) {

        if (p == out + 1 && (uri.data[i] == '/' || uri.data[i] == '\\')) {
            continue;
        }

        p = referral_escape(p, uri.data[i]);
    }

    p = referral_args_strip(p, query, names, n);

    return (size_t) (p - out);
}


size_t
referral_url_strip(referral_str_t url, const referral_str_t *names, size_t n,
    unsigned char *out)
{
    size_t          head, path;
    unsigned char  *p;
    referral_str_t  query;

    head = referral_find(url, '#');
    path = referral_path_len(url.data, head);

    query = url;
    query.len = head;
    query = referral_query(query, path);

    p = referral_copy(out, url.data, path);
    p = referral_args_strip(p, query, names, n);
    p = referral_copy(p, url.data + head, url.len - head);

    return (size_t) (p - out);
}
