/*
 * Copyright (C) the ngx_http_referral_module authors
 */

#include <string.h>

#include "referral_share.h"


static const referral_slot_t *referral_share_slot(const unsigned char *p,
    const unsigned char *last, const referral_slot_t *slots, size_t *len);


int
referral_share_check(referral_str_t text, const referral_slot_t *slots,
    uint32_t *used, referral_str_t *unknown)
{
    size_t                  len;
    const unsigned char    *p, *last;
    const referral_slot_t  *slot;

    *used = 0;
    last = text.data + text.len;

    for (p = text.data; p < last; p += len) {
        len = 1;

        if (*p != '{') {
            continue;
        }

        slot = referral_share_slot(p, last, slots, &len);

        if (slot == NULL) {
            for (len = 1; p + len < last && len < 32; /* void */ ) {
                if (p[len++] == '}') {
                    break;
                }
            }

            unknown->data = p;
            unknown->len = len;
            return 0;
        }

        *used |= (uint32_t) 1 << (slot - slots);
    }

    return 1;
}


/* The placeholder that begins at p, and its length. */

static const referral_slot_t *
referral_share_slot(const unsigned char *p, const unsigned char *last,
    const referral_slot_t *slots, size_t *len)
{
    size_t                  n;
    const referral_slot_t  *slot;

    for (slot = slots; slot->name != NULL; slot++) {
        n = strlen(slot->name);

        if ((size_t) (last - p) >= n + 2 && p[n + 1] == '}'
            && memcmp(p + 1, slot->name, n) == 0)
        {
            *len = n + 2;
            return slot;
        }
    }

    return NULL;
}


size_t
referral_share_expand(referral_str_t text, const referral_slot_t *slots,
    unsigned char *out)
{
    size_t                  len, total;
    referral_str_t          piece;
    const unsigned char    *p, *last;
    const referral_slot_t  *slot;

    total = 0;
    last = text.data + text.len;

    for (p = text.data; p < last; p += len) {
        len = 1;
        piece.data = p;
        piece.len = 1;

        if (*p == '{') {
            slot = referral_share_slot(p, last, slots, &len);

            if (slot != NULL) {
                piece = slot->value;
            }

        } else {
            while (p + len < last && p[len] != '{') {
                len++;
            }

            piece.len = len;
        }

        if (out != NULL && piece.len != 0) {
            memcpy(out + total, piece.data, piece.len);
        }

        total += piece.len;
    }

    return total;
}


static unsigned
referral_share_unreserved(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
           || c == '-' || c == '.' || c == '_' || c == '~';
}


size_t
referral_share_url(referral_str_t s, int lines, unsigned char *out)
{
    size_t          i;
    unsigned char  *p;

    static const char  hex[] = "0123456789ABCDEF";

    p = out;

    for (i = 0; i < s.len; i++) {

        if (referral_share_unreserved(s.data[i])) {
            *p++ = s.data[i];
            continue;
        }

        if (lines && s.data[i] == '\n') {
            memcpy(p, "%0D", 3);
            p += 3;
        }

        *p++ = '%';
        *p++ = (unsigned char) hex[s.data[i] >> 4];
        *p++ = (unsigned char) hex[s.data[i] & 15];
    }

    return (size_t) (p - out);
}


size_t
referral_share_html(referral_str_t s, unsigned char *out)
{
    size_t          i, n;
    const char     *text;
    unsigned char  *p;

    p = out;

    for (i = 0; i < s.len; i++) {

        switch (s.data[i]) {

        case '&':
            text = "&amp;";
            break;

        case '<':
            text = "&lt;";
            break;

        case '>':
            text = "&gt;";
            break;

        case '"':
            text = "&quot;";
            break;

        case '\'':
            text = "&#39;";
            break;

        default:
            *p++ = s.data[i];
            continue;
        }

        n = strlen(text);
        memcpy(p, text, n);
        p += n;
    }

    return (size_t) (p - out);
}


referral_str_t
referral_share_trim(referral_str_t s)
{
    while (s.len != 0 && memchr(" \t\n", s.data[0], 3) != NULL) {
        s.data++;
        s.len--;
    }

    while (s.len != 0 && memchr(" \t\n", s.data[s.len - 1], 3) != NULL) {
        s.len--;
    }

    return s;
}


size_t
referral_share_prefix(referral_str_t regex, unsigned char *out)
{
    unsigned char        c, *q;
    const unsigned char  *p, *last;

    static const char  group[] = "(?<code>";

    q = out;
    p = regex.data;
    last = p + regex.len;

    if (p < last && *p == '^') {
        p++;
    }

    for ( /* void */ ; p < last; p++) {

        if ((size_t) (last - p) >= sizeof(group) - 1
            && memcmp(p, group, sizeof(group) - 1) == 0)
        {
            return (size_t) (q - out);
        }

        c = *p;

        /* a quantifier would be about the character before it */

        if (strchr("()[]{}*+?|^$.", c) != NULL || c <= 0x20 || c > 0x7e) {
            break;
        }

        if (c == '\\') {

            if (++p == last || (*p != '/' && *p != '.' && *p != '-')) {
                break;
            }
        }

        *q++ = *p;
    }

    return 0;
}
