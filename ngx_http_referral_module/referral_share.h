/*
 * Copyright (C) the ngx_http_referral_module authors
 *
 * Texts with placeholders, as "get {reward} with my link: {link}", and what
 * makes any text fit for a URL and for HTML.  Pure functions, no nginx.
 */

#ifndef REFERRAL_SHARE_H
#define REFERRAL_SHARE_H

#include "referral_types.h"


/* What stands for "{name}"; the ends of a list have NULL there. */

typedef struct {
    const char             *name;
    referral_str_t          value;
} referral_slot_t;


/*
 * Bit i of *used is set when the text has the i-th placeholder, of 32 at most.
 * Returns 1; or 0 with the beginning of a "{" that begins none of them.
 */

int referral_share_check(referral_str_t text, const referral_slot_t *slots,
    uint32_t *used, referral_str_t *unknown);

/*
 * Writes the text with the values in the places; out NULL: only counts.  A "{"
 * that begins no placeholder stays as it is, and so does one in a value.
 * Returns the length.
 */

size_t referral_share_expand(referral_str_t text,
    const referral_slot_t *slots, unsigned char *out);

/*
 * Percent-encodes all but the unreserved characters of RFC 3986.  lines: a
 * line feed becomes "%0D%0A", as mailto: wants it, RFC 6068.  out holds
 * 3 * s.len bytes, with lines 6 * s.len.  Returns the length.
 */

size_t referral_share_url(referral_str_t s, int lines, unsigned char *out);

/* Escapes & < > " and '.  out holds 6 * s.len bytes.  Returns the length. */

size_t referral_share_html(referral_str_t s, unsigned char *out);

/* Without white space at its ends. */

referral_str_t referral_share_trim(referral_str_t s);


/*
 * The text before the group "code" of a regex as the path of a link, when it
 * is nothing but plain characters, behind an optional "^".  out holds
 * regex.len bytes.  Returns the length, 0: it is more than that.
 */

size_t referral_share_prefix(referral_str_t regex, unsigned char *out);

/*
 * Looks for a code with which head, code and tail make a path that is a link:
 * links says which path could become one when more follows, and which is one
 * with that code.  Returns the length of the code, 0 when none was found, when
 * they were asked too often, or when one of them said -1: a regex that gives up
 * once does so again and again.
 */

typedef struct {
    int                   (*begins)(void *data, referral_str_t path);
    int                   (*matches)(void *data, referral_str_t path,
                                     referral_str_t code);
    void                   *data;
} referral_share_links_t;

size_t referral_share_sample(const referral_share_links_t *links,
    referral_str_t head, referral_str_t tail,
    unsigned char code[REFERRAL_CODE_MAX]);


#endif /* REFERRAL_SHARE_H */
